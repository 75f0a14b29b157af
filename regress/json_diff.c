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

/* A line of the text: an element or bracket. Views into the text. */
typedef struct line {
    const char *text;
    size_t size;
    size_t depth;
} line;

typedef struct lines {
    line *items;
    size_t count;
} lines;

/* ---- one member a line ---- */

static void add_line(lines *to, const char *text, const char *end, size_t depth)
{
    if (end == text)
        return;
    to->items = td_array_grow(to->items, to->count, sizeof *to->items);
    to->items[to->count++] = (line){text, (size_t)(end - text), depth};
}

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
    const char *start = text;
    const char *p = text;
    while (p != NULL && *p != '\0') {
        if (*p == '"') {
            p = skip_string(p);
        } else if (*p == '{' || *p == '[') {
            add_line(&found, start, ++p, depth++);
            start = p;
        } else if (*p == '}' || *p == ']') {
            add_line(&found, start, p, depth);
            depth -= depth > 0;
            start = p++;
        } else if (*p == ',') {
            add_line(&found, start, ++p, depth);
            start = p;
        } else {
            p++;
        }
    }
    if (p != NULL)
        add_line(&found, start, p, depth);
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

/* What happens to a line. */
typedef enum change { BOTH = ' ', WAS_ONLY = '-', IS_ONLY = '+' } change;

typedef struct script {
    change *changes; /* in the order of printing */
    size_t count;
} script;

static void add_change(script *s, change what)
{
    s->changes = td_array_grow(s->changes, s->count, sizeof *s->changes);
    s->changes[s->count++] = what;
}

/* The longest common sequence of what lies between equal beginnings and ends. */
static void compare_middle(script *s, const line *was, size_t was_count, const line *is,
                           size_t is_count)
{
    if (was_count > TABLE_LINES || is_count > TABLE_LINES) {
        for (size_t i = 0; i < was_count; i++)
            add_change(s, WAS_ONLY);
        for (size_t i = 0; i < is_count; i++)
            add_change(s, IS_ONLY);
        return;
    }
    size_t width = is_count + 1;
    uint32_t *common = td_alloc_zero((was_count + 1) * width, sizeof *common);
    for (size_t i = was_count; i-- > 0;)
        for (size_t n = is_count; n-- > 0;) {
            uint32_t down = common[(i + 1) * width + n];
            uint32_t right = common[i * width + n + 1];
            common[i * width + n] = is_same(&was[i], &is[n]) ? common[(i + 1) * width + n + 1] + 1
                                    : down > right           ? down
                                                             : right;
        }
    size_t i = 0;
    size_t n = 0;
    while (i < was_count || n < is_count) {
        if (i < was_count && n < is_count && is_same(&was[i], &is[n])) {
            add_change(s, BOTH);
            i++;
            n++;
        } else if (n == is_count ||
                   (i < was_count && common[(i + 1) * width + n] >= common[i * width + n + 1])) {
            add_change(s, WAS_ONLY);
            i++;
        } else {
            add_change(s, IS_ONLY);
            n++;
        }
    }
    td_free(common);
}

static script compare(const lines *was, const lines *is)
{
    script s = {NULL, 0};
    size_t shorter = was->count < is->count ? was->count : is->count;
    size_t first = 0;
    size_t last = 0;
    while (first < shorter && is_same(&was->items[first], &is->items[first])) {
        add_change(&s, BOTH);
        first++;
    }
    while (last < shorter - first &&
           is_same(&was->items[was->count - 1 - last], &is->items[is->count - 1 - last]))
        last++;
    compare_middle(&s, was->items + first, was->count - first - last, is->items + first,
                   is->count - first - last);
    for (size_t i = 0; i < last; i++)
        add_change(&s, BOTH);
    return s;
}

/* ---- printing ---- */

/* What the buffer has no space for is left out: the report is for reading. */
static void print(td_buf *out, const char *text, size_t size)
{
    td_result rc = td_buf_append(out, text, size, NULL);
    (void)rc;
}

static void print_line(td_buf *out, char mark, const line *of)
{
    print(out, &mark, 1);
    for (size_t i = 0; i < of->depth; i++)
        print(out, "  ", 2);
    print(out, of->text, of->size);
    print(out, "\n", 1);
}

/* 1 if a line within CONTEXT of the index changes. */
static int is_near_change(const script *s, size_t index)
{
    size_t from = index < CONTEXT ? 0 : index - CONTEXT;
    for (size_t i = from; i < s->count && i <= index + CONTEXT; i++)
        if (s->changes[i] != BOTH)
            return 1;
    return 0;
}

static const char HEAD[] = "--- before\n+++ now\n";
static const char SKIPPED[] = "@@\n";

static void print_script(td_buf *out, const script *s, const lines *was, const lines *is)
{
    size_t w = 0;
    size_t n = 0;
    int is_cut = 0;
    print(out, HEAD, sizeof HEAD - 1);
    for (size_t i = 0; i < s->count; i++) {
        if (!is_near_change(s, i)) {
            is_cut = 1;
        } else {
            if (is_cut)
                print(out, SKIPPED, sizeof SKIPPED - 1);
            is_cut = 0;
            print_line(out, (char)s->changes[i],
                       s->changes[i] == WAS_ONLY ? &was->items[w] : &is->items[n]);
        }
        w += s->changes[i] != IS_ONLY;
        n += s->changes[i] != WAS_ONLY;
    }
}

void json_diff_append(td_buf *out, const char *was, const char *is)
{
    lines was_lines = split(was);
    lines is_lines = split(is);
    if (was == NULL || is == NULL) {
        const lines *one = was == NULL ? &is_lines : &was_lines;
        for (size_t i = 0; i < one->count; i++)
            print_line(out, ' ', &one->items[i]);
    } else {
        script s = compare(&was_lines, &is_lines);
        print_script(out, &s, &was_lines, &is_lines);
        td_free(s.changes);
    }
    td_free(was_lines.items);
    td_free(is_lines.items);
}
