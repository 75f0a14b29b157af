/* The terminal that text is written to. Pure functions but for terminal_columns; any thread. */
#ifndef TD_CLI_TERMINAL_H
#define TD_CLI_TERMINAL_H

#include <stddef.h>

/* Columns that a terminal has which does not report its width. */
enum { TERMINAL_COLUMNS_DEFAULT = 80 };

/* The present width of the terminal behind a descriptor, in columns. It is read anew at each call,
 * so a caller that asks before each line follows a change of size (SIGWINCH) without a handler.
 * TERMINAL_COLUMNS_DEFAULT if it is unknown, and for descriptors that are no terminal. */
size_t terminal_columns(int fd);

/* Cut escaped text (base/escape.h) to at most columns columns. Fields are separated by two spaces
 * and stand in order of importance: the last ones are removed whole, so that no number is cut; only
 * a first field that is too wide by itself is cut between two characters. A character outside ASCII
 * counts as two columns, which is the most that one takes. */
void terminal_fit(char *text, size_t columns);

#endif
