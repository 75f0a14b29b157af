#include "base/cli/terminal.h"

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

void terminal_fit(char *text, size_t columns)
{
    while (strlen(text) > columns) {
        size_t end = strlen(text);
        while (end > 0 && strncmp(text + end, FIELD_SEPARATOR, strlen(FIELD_SEPARATOR)) != 0)
            end--;
        if (end == 0) /* cut the first field between two characters */
            for (end = columns; ((unsigned char)text[end] & 0xc0) == 0x80;)
                end--;
        text[end] = '\0';
    }
}

size_t terminal_line(const char *text, size_t size, size_t columns)
{
    size_t used = 0;
    size_t fits = 0; /* bytes up to the last space after a word */
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

static int knows_escapes(int fd)
{
    const char *kind = getenv("TERM");
    return isatty(fd) == 1 && kind != NULL && strcmp(kind, "dumb") != 0;
}

int terminal_has_screen(int fd, size_t rows)
{
    struct winsize size;
    return knows_escapes(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row >= rows;
}

int terminal_has_colour(int fd)
{
    const char *refused = getenv("NO_COLOR");
    return knows_escapes(fd) && (refused == NULL || refused[0] == '\0');
}

int terminal_has_utf8(void)
{
    static const char *const NAMES[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = NULL;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0] && (locale == NULL || *locale == '\0');
         i++)
        locale = getenv(NAMES[i]);
    return locale != NULL &&
           (strcasestr(locale, "utf-8") != NULL || strcasestr(locale, "utf8") != NULL);
}

const char *terminal_style_begin(terminal_style style)
{
    static const char *const BEGIN[TERMINAL_STYLES] = {
        [TERMINAL_HEAD] = "\033[1m",   [TERMINAL_GOOD] = "\033[32m", [TERMINAL_WARN] = "\033[33m",
        [TERMINAL_BAD] = "\033[1;31m", [TERMINAL_HINT] = "\033[36m",
    };
    TD_ASSERT(style < TERMINAL_STYLES);
    return BEGIN[style];
}

const char TERMINAL_STYLE_END[] = "\033[0m";
