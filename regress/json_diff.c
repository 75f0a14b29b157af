#include "regress/json_diff.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

enum {
    CONTEXT = 3,
    LINES_SHOWN = 60,
    /* At most this many lines of each text are compared, not counting equal lines at the beginning
     * and end; the table then has 4 MiB. "..." replaces further lines. */
    TABLE_LINES = 1000,
};

enum { BOTH = ' ', WAS_ONLY = '-', IS_ONLY = '+' };

typedef struct lines {
    json_diff_line *items;
    size_t count;
} lines;

static void add_line(lines *to, json_diff_line of, char mark)
{
    if (of.size == 0)
        return;
    to->items = td_array_grow(to->items, to->count, sizeof *to->items);
    of.mark = mark;
    to->items[to->count++] = of;
}

/* ---- one member per line ---- */

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
        add_line(&found, (json_diff_line){start, (size_t)(end - start), depth, BOTH}, BOTH);
        depth += c == '{' || c == '[';
        depth -= is_end && depth > 0;
        start = end;
    }
    add_line(&found, (json_diff_line){start, strlen(start), depth, BOTH}, BOTH);
    return found;
}

/* 1 if two lines are equal, ignoring a comma at the end. */
static int is_same(const json_diff_line *a, const json_diff_line *b)
{
    size_t a_size = a->size - (a->text[a->size - 1] == ',');
    size_t b_size = b->size - (b->text[b->size - 1] == ',');
    return a->depth == b->depth && a_size == b_size && memcmp(a->text, b->text, a_size) == 0;
}

/* ---- comparing ---- */

/* Returns a table with rows of is.count + 1: the value in row i and column n is the length of the
 * longest common subsequence of the lines from was[i] and from is[n] on. */
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

/* Compares the lines between the equal beginnings and ends. */
static void compare_middle(lines *out, lines was, lines is)
{
    int is_cut = was.count > TABLE_LINES || is.count > TABLE_LINES;
    was.count = was.count < TABLE_LINES ? was.count : TABLE_LINES;
    is.count = is.count < TABLE_LINES ? is.count : TABLE_LINES;
    size_t width = is.count + 1;
    uint32_t *common = measure(was, is);
    size_t i = 0;
    size_t n = 0;
    while (is_cut ? i < was.count && n < is.count : i < was.count || n < is.count) {
        if (i < was.count && n < is.count && is_same(&was.items[i], &is.items[n])) {
            add_line(out, is.items[n++], BOTH);
            i++;
        } else if (i < was.count &&
                   (n == is.count || common[(i + 1) * width + n] >= common[i * width + n + 1])) {
            add_line(out, was.items[i++], WAS_ONLY);
        } else {
            add_line(out, is.items[n++], IS_ONLY);
        }
    }
    if (is_cut)
        add_line(out, (json_diff_line){"..", 2, 0, 0}, '.');
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

/* ---- its lines ---- */

typedef struct line_sink {
    void (*put)(void *user, const json_diff_line *line);
    void *user;
} line_sink;

static void put_text(const line_sink *to, char mark, const char *text)
{
    to->put(to->user, &(json_diff_line){text, strlen(text), 0, mark});
}

/* 1 if a line within CONTEXT of the index is changed. */
static int is_near_change(const lines *all, size_t index)
{
    size_t i = index < CONTEXT ? 0 : index - CONTEXT;
    while (i < all->count && i <= index + CONTEXT && all->items[i].mark == BOTH)
        i++;
    return i < all->count && i <= index + CONTEXT;
}

/* Puts the changes with their context. Returns 1 if lines were left out. */
static int put_changes(const line_sink *to, const lines *all)
{
    size_t shown = 2;
    int is_skipping = 0;
    put_text(to, WAS_ONLY, "-- before");
    put_text(to, IS_ONLY, "++ now");
    for (size_t i = 0; i < all->count; i++) {
        int is_shown = is_near_change(all, i);
        if (is_shown && shown++ >= LINES_SHOWN)
            return 1;
        if (is_shown && is_skipping)
            put_text(to, '@', "@");
        if (is_shown)
            to->put(to->user, &all->items[i]);
        is_skipping = !is_shown;
    }
    return 0;
}

int json_diff_lines(const char *was, const char *is,
                    void (*put)(void *user, const json_diff_line *line), void *user)
{
    const line_sink to = {put, user};
    lines was_lines = split(was);
    lines is_lines = split(is);
    lines all = {NULL, 0};
    int has_more;
    if (was == NULL || is == NULL) {
        const lines *only = was == NULL ? &is_lines : &was_lines;
        has_more = only->count > LINES_SHOWN;
        for (size_t i = 0; i < only->count && i < LINES_SHOWN; i++)
            put(user, &only->items[i]);
    } else {
        all = compare(was_lines, is_lines);
        has_more = put_changes(&to, &all);
    }
    td_free(all.items);
    td_free(was_lines.items);
    td_free(is_lines.items);
    return has_more;
}

static void describe_line(void *user, const json_diff_line *of)
{
    result_writer *r = user;
    result_object_begin(r, NULL);
    result_note(r, "line", "%c%*s%.*s", of->mark, (int)of->depth * 2, "", (int)of->size, of->text);
    result_object_end(r, "  {line}\n");
}

int json_diff_describe(result_writer *r, const char *was, const char *is)
{
    return json_diff_lines(was, is, describe_line, r);
}
