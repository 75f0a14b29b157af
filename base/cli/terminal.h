/* The terminal that text is written to: its width, its colours. Any thread. */
#ifndef TD_CLI_TERMINAL_H
#define TD_CLI_TERMINAL_H

#include <stddef.h>

/* Columns that a terminal has which does not report its width. */
enum { TERMINAL_COLUMNS_DEFAULT = 80 };

/* The present width of a descriptor's terminal, in columns. It is read at each call,
 * so a caller that reads it before each line follows a change of size (SIGWINCH) without a handler.
 * TERMINAL_COLUMNS_DEFAULT if it is unknown, and for descriptors that are no terminal. */
size_t terminal_columns(int fd);

/* Cut escaped text (base/escape.h) to at most columns columns. Fields are separated by two spaces
 * and stand in order of importance: the last ones are removed whole, so that no number is cut; only
 * a first field that is too wide by itself is cut between two characters. No character takes more
 * columns than bytes. */
void terminal_fit(char *text, size_t columns);

/* Bytes of the first line of text when it is broken at spaces into lines of at most columns
 * columns: at least one word, without the space after it. Styles take no columns. */
size_t terminal_line(const char *text, size_t size, size_t columns);

/* 1 if a screen of so many rows can be drawn on this descriptor over and over: it is a terminal,
 * has the rows now, and TERM is not "dumb". */
int terminal_has_screen(int fd, size_t rows);

/* 1 if what goes to this descriptor may have colours: it is a terminal, TERM is not "dumb", and
 * NO_COLOR is not set, or empty (no-color.org). */
int terminal_has_colour(int fd);

/* Highlighting of a piece of text. */
typedef enum terminal_style {
    TERMINAL_HEAD, /* bold: heads of tables, a program's name */
    TERMINAL_GOOD, /* green: a verdict that all is well */
    TERMINAL_WARN, /* yellow: warnings, what can be mended */
    TERMINAL_BAD,  /* red: errors, losses */
    TERMINAL_HINT, /* cyan: what to do */
    TERMINAL_STYLES,
} terminal_style;

/* What switches a style on, and off again. */
const char *terminal_style_begin(terminal_style style);
extern const char TERMINAL_STYLE_END[];

#endif
