#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/assert.h"

#define FIELD_SEPARATOR "  "

size_t terminal_columns(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return TERMINAL_COLUMNS_DEFAULT;
    return size.ws_col;
}

/* Columns of the UTF-8 character that begins with this byte; 0 for its further bytes. */
static size_t byte_columns(char byte)
{
    unsigned char value = (unsigned char)byte;
    if (value < 0x80)
        return 1;
    return (value & 0xc0) == 0x80 ? 0 : 2;
}

/* Bytes of text that take at most columns columns. */
static size_t fitting_bytes(const char *text, size_t columns)
{
    size_t used = 0;
    size_t at = 0;
    while (text[at] != '\0' && used + byte_columns(text[at]) <= columns)
        used += byte_columns(text[at++]);
    return at;
}

void terminal_fit(char *text, size_t columns)
{
    size_t end = fitting_bytes(text, columns);
    if (text[end] == '\0')
        return;
    /* The last field that fits whole ends at a separator, which may itself be beyond the edge. */
    size_t field_end = 0;
    const char *from = text;
    for (const char *at; (at = strstr(from, FIELD_SEPARATOR)) != NULL; from = at + 1) {
        if ((size_t)(at - text) <= end)
            field_end = (size_t)(at - text);
    }
    text[field_end > 0 ? field_end : end] = '\0';
}

size_t terminal_line(const char *text, size_t size, size_t columns)
{
    size_t used = 0;
    size_t fits = 0; /* up to the last space after a word */
    for (size_t at = 0; at < size; at++) {
        if (text[at] == '\033') {
            while (at < size && text[at] != 'm')
                at++;
            continue;
        }
        if (text[at] == ' ' && used > 0 && text[at - 1] != ' ')
            fits = at;
        used += ((unsigned char)text[at] & 0xc0) != 0x80;
        if (used > columns && fits > 0)
            return fits;
    }
    return size;
}

int terminal_has_colour(int fd)
{
    const char *refused = getenv("NO_COLOR");
    const char *kind = getenv("TERM");
    return isatty(fd) == 1 && (refused == NULL || refused[0] == '\0') && kind != NULL &&
           strcmp(kind, "dumb") != 0;
}

const char *terminal_style_begin(terminal_style style)
{
    static const char *const BEGIN[TERMINAL_STYLES] = {
        [TERMINAL_HEAD] = "\033[1m",   [TERMINAL_GOOD] = "\033[32m", [TERMINAL_DOUBT] = "\033[33m",
        [TERMINAL_BAD] = "\033[1;31m", [TERMINAL_HINT] = "\033[36m",
    };
    TD_ASSERT(style < TERMINAL_STYLES);
    return BEGIN[style];
}

const char TERMINAL_STYLE_END[] = "\033[0m";
