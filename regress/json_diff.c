#include "regress/json_diff.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

enum {
    CONTEXT = 3,
    /* Lines of both texts, beyond what is equal at their ends, that are compared in full: a table
     * of 4 MiB. Longer ones are shown as one change. */
    TABLE_LINES = 1000,
};

enum { BOTH = ' ', WAS_ONLY = '-', IS_ONLY = '+' };

/* A line of the text: an element or bracket. Views into the text. */
typedef struct line {
    const char *text;
    size_t size;
    size_t depth;
    char mark;
} line;

typedef struct lines {
    line *items;
    size_t count;
} lines;

static void add_line(lines *to, line of, char mark)
{
    if (of.size == 0)
        return;
    to->items = td_array_grow(to->items, to->count, sizeof *to->items);
    of.mark = mark;
    to->items[to->count++] = of;
}

/* ---- one member a line ---- */

/* The end of the string that begins at p. */
static const char *skip_string(const char *p)
{
    for (p++; *p != '\0' && *p != '"'; p++)
        if (*p == '\\' && p[1] != '\0')
            p++;
    return *p == '"' ? p + 1 : p;
}

static lines split(const char *text)
{
    lines found = {NULL, 0};
    size_t depth = 0;
    const char *start = text == NULL ? "" : text;
    for (const char *p = start; *p != '\0';) {
        char c = *p;
        int is_end = c == '}' || c == ']';
        if (c == '"') {
            p = skip_string(p);
            continue;
        }
        p++;
        if (strchr("{}[],", c) == NULL && *p != '\0')
            continue;
        const char *end = is_end ? p - 1 : p; /* a closing bracket begins a line */
        add_line(&found, (line){start, (size_t)(end - start), depth, BOTH}, BOTH);
        depth += c == '{' || c == '[';
        depth -= is_end && depth > 0;
        start = end;
    }
    add_line(&found, (line){start, strlen(start), depth, BOTH}, BOTH);
    return found;
}

/* A comma at the end does not make an element another one. */
static int is_same(const line *a, const line *b)
{
    size_t a_size = a->size - (a->text[a->size - 1] == ',');
    size_t b_size = b->size - (b->text[b->size - 1] == ',');
    return a->depth == b->depth && a_size == b_size && memcmp(a->text, b->text, a_size) == 0;
}

/* ---- the change ---- */

/* Lengths of the longest common sequences of what remains of both: a table of rows of
 * is.count + 1. */
static uint32_t *measure(lines was, lines is)
{
    size_t width = is.count + 1;
    uint32_t *common = td_alloc_zero((was.count + 1) * width, sizeof *common);
    for (size_t i = was.count; i-- > 0;)
        for (size_t n = is.count; n-- > 0;) {
            uint32_t down = common[(i + 1) * width + n];
            uint32_t right = common[i * width + n + 1];
            common[i * width + n] = is_same(&was.items[i], &is.items[n])
                                        ? common[(i + 1) * width + n + 1] + 1
                                    : down > right ? down
                                                   : right;
        }
    return common;
}

/* What lies between equal beginnings and ends. */
static void compare_middle(lines *out, lines was, lines is)
{
    size_t width = is.count + 1;
    int is_long = was.count > TABLE_LINES || is.count > TABLE_LINES;
    uint32_t *common = is_long ? NULL : measure(was, is);
    size_t i = 0;
    size_t n = 0;
    while (i < was.count || n < is.count) {
        if (!is_long && i < was.count && n < is.count && is_same(&was.items[i], &is.items[n])) {
            add_line(out, is.items[n++], BOTH);
            i++;
        } else if (i < was.count && (is_long || n == is.count ||
                                     common[(i + 1) * width + n] >= common[i * width + n + 1])) {
            add_line(out, was.items[i++], WAS_ONLY);
        } else {
            add_line(out, is.items[n++], IS_ONLY);
        }
    }
    td_free(common);
}

static lines compare(lines was, lines is)
{
    lines out = {NULL, 0};
    size_t shorter = was.count < is.count ? was.count : is.count;
    size_t first = 0;
    size_t last = 0;
    while (first < shorter && is_same(&was.items[first], &is.items[first]))
        add_line(&out, is.items[first++], BOTH);
    while (last < shorter - first &&
           is_same(&was.items[was.count - 1 - last], &is.items[is.count - 1 - last]))
        last++;
    compare_middle(&out, (lines){was.items + first, was.count - first - last},
                   (lines){is.items + first, is.count - first - last});
    for (; last > 0; last--)
        add_line(&out, is.items[is.count - last], BOTH);
    return out;
}

/* ---- printing ---- */

/* What the buffer has no space for is left out: the report is for reading. */
static void print(td_buf *out, const char *text, size_t size)
{
    td_result rc = td_buf_append(out, text, size, NULL);
    (void)rc;
}

static void print_line(td_buf *out, const line *of)
{
    print(out, &of->mark, 1);
    for (size_t i = 0; i < of->depth; i++)
        print(out, "  ", 2);
    print(out, of->text, of->size);
    print(out, "\n", 1);
}

/* 1 if a line within CONTEXT of the index changes. */
static int is_near_change(const lines *all, size_t index)
{
    size_t i = index < CONTEXT ? 0 : index - CONTEXT;
    while (i < all->count && i <= index + CONTEXT && all->items[i].mark == BOTH)
        i++;
    return i < all->count && i <= index + CONTEXT;
}

void json_diff_append(td_buf *out, const char *was, const char *is)
{
    static const char HEAD[] = "--- before\n+++ now\n";
    lines was_lines = split(was);
    lines is_lines = split(is);
    int is_one = was == NULL || is == NULL;
    lines all = compare(was_lines, is_lines);
    int is_skipping = 0;
    if (!is_one)
        print(out, HEAD, sizeof HEAD - 1);
    for (size_t i = 0; i < all.count; i++) {
        int is_shown = is_one || is_near_change(&all, i);
        if (is_one)
            all.items[i].mark = BOTH;
        if (is_shown && is_skipping)
            print(out, "@@\n", 3);
        if (is_shown)
            print_line(out, &all.items[i]);
        is_skipping = !is_shown;
    }
    td_free(all.items);
    td_free(was_lines.items);
    td_free(is_lines.items);
}
