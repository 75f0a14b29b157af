/* Width and colours of the terminal that text is written to. Any thread. */
#ifndef TD_CLI_TERMINAL_H
#define TD_CLI_TERMINAL_H

#include <stddef.h>

/* Assumed columns of a terminal that does not report its width. */
enum { TERMINAL_COLUMNS_DEFAULT = 80 };

/* The current width of a descriptor's terminal, in columns. It is read at each call, so callers
 * follow changes of size (SIGWINCH) without a handler. TERMINAL_COLUMNS_DEFAULT if unknown or not a
 * terminal. */
size_t terminal_columns(int fd);

/* Shorten escaped text (base/escape.h) to at most `columns` columns. The text has fields, the most
 * important field first, separated by two spaces. The last fields are removed whole, so that no
 * number is cut; only a first field that is too wide is cut, between two characters. Bytes are
 * counted, because no character has more columns than bytes. */
void terminal_fit(char *text, size_t columns);

/* Bytes of the first line when text is wrapped at spaces to `columns` columns: at least one word,
 * without the space after it. Styles have no width. */
size_t terminal_line(const char *text, size_t size, size_t columns);

/* 1 if a screen of this many rows can be drawn on the descriptor repeatedly: it is a terminal,
 * currently has the rows, and TERM is not "dumb". */
int terminal_has_screen(int fd, size_t rows);

/* 1 if text for this descriptor may have colours: it is a terminal, TERM is not "dumb", and
 * NO_COLOR is unset or empty (no-color.org). */
int terminal_has_colour(int fd);

/* 1 if the user's locale has UTF-8 (LC_ALL, else LC_CTYPE, else LANG). */
int terminal_has_utf8(void);

/* Styles of text. */
typedef enum terminal_style {
    TERMINAL_HEAD, /* bold: heads of tables, a program's name */
    TERMINAL_GOOD, /* green: a result without problems */
    TERMINAL_WARN, /* yellow: warnings, repairable problems */
    TERMINAL_BAD,  /* red: errors, losses */
    TERMINAL_HINT, /* cyan: hints */
    TERMINAL_STYLES,
} terminal_style;

/* Escape sequences that begin and end a style. */
const char *terminal_style_begin(terminal_style style);
extern const char TERMINAL_STYLE_END[];

#endif
