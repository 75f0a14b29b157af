#include "tests/testing/row_frames_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct writing {
    unsigned how;
    td_random *random;
    td_buf *out;
    const topic_row *row;
    unsigned lists; /* around what is written now */
} writing;

static void put(writing *w, const char *text)
{
    assert_int_equal(td_buf_append(w->out, text, strlen(text), NULL), TD_OK);
}

static void put_space(writing *w)
{
    static const char *const SPACES[] = {"", " ", "\n", "\t \r\n"};
    if (w->how & ROW_FRAME_SPACED)
        put(w, SPACES[td_random_below(w->random, 4)]);
}

static void put_node(writing *w, const node *n);

/* A string with its quotes; in another spelling, some of its letters as escapes. */
static void put_string(writing *w, const char *text)
{
    char escape[8];
    if (!(w->how & ROW_FRAME_ESCAPED)) {
        put(w, text);
        return;
    }
    for (const char *p = text; *p != '\0'; p++) {
        int is_letter = p != text && p[1] != '\0' && td_random_below(w->random, 3) == 0;
        snprintf(escape, sizeof escape, is_letter ? "\\u%04x" : "%c", (unsigned char)*p);
        put(w, escape);
    }
}

static void put_key(writing *w, const char *key)
{
    char quoted[ROW_FRAME_TEXT_BYTES + 2];
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    if (w->lists > 0)
        put_string(w, quoted);
    else
        put(w, quoted);
    put_space(w);
    put(w, ":");
    put_space(w);
}

static const char *any_value(writing *w)
{
    static const char *const VALUES[] = {
        "1",
        "\"x\"",
        "null",
        "true",
        "-1.5E+3",
        "{\"topic\":\"y\",\"data\":[]}",
        "[[\"1\",\"2\"],{}]",
        "\"\\\"]}{[,:\\\\\"",
        "{\"data\":{\"data\":[{\"side\":\"Buy\"}],\"type\":\"snapshot\"}}",
        "[]",
    };
    return VALUES[td_random_below(w->random, sizeof VALUES / sizeof VALUES[0])];
}

/* 1 if the row has a key like that, anywhere in a path. */
static int row_knows(const topic_row *row, const char *key)
{
    const char *paths[2 * ROW_FRAME_CHILDREN_MAX];
    size_t count = 0;
    for (size_t i = 0; i < row->field_count; i++)
        paths[count++] = row->fields[i].key;
    for (size_t i = 0; i < row->envelope_count; i++)
        paths[count++] = row->envelope[i].key;
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        paths[count++] = row->items[i].path;
    for (size_t i = 0; i < count; i++)
        if (strstr(paths[i], key) != NULL)
            return 1;
    return 0;
}

/* Keys that tell frames apart whatever stands after them: with one of these it is another frame.
 */
static int is_telling(const char *key)
{
    static const char *const KEYS[] = {"e",    "E",    "op",   "code", "ping",
                                       "pong", "auth", "type", "event"};
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        if (strcmp(KEYS[i], key) == 0)
            return 1;
    return 0;
}

/* A member that the row does not know; its key is like one that it does. */
static void put_unknown(writing *w, const node *object)
{
    char key[ROW_FRAME_TEXT_BYTES + 8];
    const node *like =
        object->count == 0 ? NULL : object->children[td_random_below(w->random, object->count)];
    snprintf(key, sizeof key, "zz_%u", (unsigned)td_random_below(w->random, 1000000));
    if (like != NULL && td_random_below(w->random, 2) == 0) {
        snprintf(key, sizeof key, "%s%s", like->key, td_random_below(w->random, 2) == 0 ? "x" : "");
        key[0] ^= 0x20; /* the other case */
        if (row_knows(w->row, key) || is_telling(key) || key[0] < 'A')
            snprintf(key, sizeof key, "%s_", like->key);
    }
    put_key(w, key);
    put(w, any_value(w));
}

/* The order in which children are written. */
static void order_children(writing *w, const node *n, size_t order[ROW_FRAME_CHILDREN_MAX])
{
    for (size_t i = 0; i < n->count; i++)
        order[i] = i;
    if (n->type != NODE_OBJECT || !(w->how & ROW_FRAME_SHUFFLED))
        return;
    for (size_t i = n->count; i > 1; i--) {
        size_t j = (size_t)td_random_below(w->random, i);
        size_t other = order[i - 1];
        order[i - 1] = order[j];
        order[j] = other;
    }
}

static int is_written(const writing *w, const node *n)
{
    return !n->is_absent || (w->how & ROW_FRAME_NULLED);
}

/* What separates from what is before. */
static void put_comma(writing *w, int *is_first)
{
    if (!*is_first) {
        put_space(w);
        put(w, ",");
    }
    *is_first = 0;
    put_space(w);
}

/* What may stand in an object or a level beside what the row knows. */
static void put_more(writing *w, const node *n, int *is_first)
{
    int is_level = n->type == NODE_ARRAY && n->count > 0 && n->children[0]->type == NODE_SCALAR;
    if ((w->how & ROW_FRAME_EXTENDED) && n->type == NODE_OBJECT &&
        td_random_below(w->random, 4) == 0) {
        put_comma(w, is_first);
        put_unknown(w, n);
    }
    if ((w->how & ROW_FRAME_EXTENDED) && is_level && td_random_below(w->random, 2) == 0) {
        put_comma(w, is_first);
        put(w, any_value(w));
    }
}

static void put_children(writing *w, const node *n)
{
    size_t order[ROW_FRAME_CHILDREN_MAX];
    int is_first = 1;
    order_children(w, n, order);
    for (size_t i = 0; i < n->count; i++) {
        const node *child = n->children[order[i]];
        if (!is_written(w, child))
            continue;
        if (n->type == NODE_OBJECT && !n->is_value)
            put_more(w, n, &is_first);
        put_comma(w, &is_first);
        put_node(w, child);
    }
    if (!n->is_value)
        put_more(w, n, &is_first);
    for (size_t i = 0; i < n->count && n->type == NODE_OBJECT && !n->is_value; i++) {
        const node *child = n->children[order[i]];
        if (!(w->how & ROW_FRAME_DOUBLED) || !is_written(w, child) ||
            td_random_below(w->random, 3) != 0)
            continue;
        put_comma(w, &is_first);
        put_key(w, child->key);
        put(w, any_value(w));
    }
    put_space(w);
}

static void put_scalar(writing *w, const char *text)
{
    if (text[0] == '"')
        put_string(w, text);
    else
        put(w, text);
}

/* A number as a string, and the reverse. */
static void put_number(writing *w, const char *text)
{
    char other[ROW_FRAME_TEXT_BYTES + 2];
    int is_quoted = text[0] == '"';
    if (!(w->how & ROW_FRAME_QUOTED)) {
        put(w, text);
        return;
    }
    snprintf(other, sizeof other, is_quoted ? "%.*s" : "\"%.*s\"",
             (int)strlen(text) - (is_quoted ? 2 : 0), text + is_quoted);
    put(w, other);
}

static int is_number(const node *n)
{
    const field_row *field = n->field;
    return field != NULL && (field->type == FIELD_DECIMAL || field->type == FIELD_INTEGER ||
                             (field->type == FIELD_TIME && field->unit != UNIT_RFC3339));
}

static void put_node(writing *w, const node *n)
{
    if (n->key[0] != '\0')
        put_key(w, n->key);
    if (n->other != NULL) {
        put(w, n->other);
        return;
    }
    if (n->type == NODE_SCALAR) {
        if (is_number(n))
            put_number(w, n->text);
        else
            put_scalar(w, n->text);
        return;
    }
    unsigned how = w->how;
    if (n->is_value) /* such a value is text, strings in it as they are written */
        w->how &= ~(unsigned)ROW_FRAME_ESCAPED;
    w->lists += n->type == NODE_ARRAY;
    put(w, n->type == NODE_OBJECT ? "{" : "[");
    put_children(w, n);
    w->lists -= n->type == NODE_ARRAY;
    w->how = how;
    put(w, n->type == NODE_OBJECT ? "}" : "]");
}

void row_frame_write(const row_frame *frame, unsigned how, td_random *random, td_buf *out)
{
    writing w = {how, random, out, frame->row, 0};
    put_space(&w);
    put_node(&w, frame->root);
    put_space(&w);
}
