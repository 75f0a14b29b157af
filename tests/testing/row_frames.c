#include "tests/testing/row_frames.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CHILDREN_MAX = 160, TEXT_BYTES = 64, NODES_MAX = 600 };

typedef enum node_type { NODE_SCALAR, NODE_OBJECT, NODE_ARRAY } node_type;

typedef struct node {
    node_type type;
    char key[TEXT_BYTES];  /* of a member */
    char text[TEXT_BYTES]; /* of a scalar, as it stands in the frame */
    struct node *children[CHILDREN_MAX];
    size_t count;
} node;

struct row_frame {
    node *nodes[NODES_MAX];
    size_t count;
    node *root;
    const topic_row *row;
    td_random *random;
};

/* ---- the tree ---- */

static node *new_node(row_frame *f, node_type type)
{
    assert_true(f->count < NODES_MAX);
    node *made = calloc(1, sizeof *made);
    assert_non_null(made);
    made->type = type;
    f->nodes[f->count++] = made;
    return made;
}

static node *add_child(node *parent, const char *key, node *child)
{
    assert_true(parent->count < CHILDREN_MAX);
    snprintf(child->key, sizeof child->key, "%s", key);
    parent->children[parent->count++] = child;
    return child;
}

static node *find_child(const node *object, const char *key)
{
    for (size_t i = 0; object->type == NODE_OBJECT && i < object->count; i++)
        if (strcmp(object->children[i]->key, key) == 0)
            return object->children[i];
    return NULL;
}

static void set_scalar(row_frame *f, node *object, const char *key, const char *text)
{
    if (find_child(object, key) != NULL)
        return;
    node *made = add_child(object, key, new_node(f, NODE_SCALAR));
    snprintf(made->text, sizeof made->text, "%s", text);
}

static void set_string(row_frame *f, node *object, const char *key, const char *text)
{
    char quoted[TEXT_BYTES];
    snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)sizeof quoted - 3, text);
    set_scalar(f, object, key, quoted);
}

/* ---- values ---- */

static uint64_t below(row_frame *f, uint64_t bound)
{
    return td_random_below(f->random, bound);
}

static int chance(row_frame *f, unsigned percent)
{
    return below(f, 100) < percent;
}

/* A whole number as a number or a string. */
static void number_text(row_frame *f, uint64_t number, char out[TEXT_BYTES])
{
    snprintf(out, TEXT_BYTES, chance(f, 50) ? "%" PRIu64 : "\"%" PRIu64 "\"", number);
}

static void time_text(row_frame *f, field_unit unit, char out[TEXT_BYTES])
{
    uint64_t s = UINT64_C(1600000000) + below(f, 100000000);
    if (unit == UNIT_RFC3339) {
        snprintf(out, TEXT_BYTES, "\"2021-%02u-%02uT%02u:10:20.%03uZ\"", (unsigned)below(f, 12) + 1,
                 (unsigned)below(f, 28) + 1, (unsigned)below(f, 24), (unsigned)below(f, 1000));
        return;
    }
    uint64_t scale = unit == UNIT_S    ? 1
                     : unit == UNIT_MS ? 1000
                     : unit == UNIT_US ? 1000000
                                       : 1000000000;
    number_text(f, s * scale + below(f, scale), out);
}

static void decimal_text(row_frame *f, const field_row *field, char out[TEXT_BYTES])
{
    if (field->scale_e10 != 0) {
        number_text(f, below(f, 1000000000), out);
        return;
    }
    const char *quote = chance(f, 70) ? "\"" : "";
    snprintf(out, TEXT_BYTES, "%s%" PRIu64 ".%02u%s", quote, below(f, 90000) + 1,
             (unsigned)below(f, 100), quote);
}

static const char *symbol_of(const topic_row *row)
{
    return strstr(row->pattern, "{symbol+}") != NULL ? "BTC_USD.19OCT22"
           : strstr(row->pattern, "{coin}") != NULL  ? "BTC"
                                                     : "BTCUSDT";
}

static void text_text(row_frame *f, const field_row *field, char out[TEXT_BYTES])
{
    if (field->member == MEMBER_SYMBOL && !topic_row_has_coin(f->row) &&
        topic_row_has_symbol(f->row))
        snprintf(out, TEXT_BYTES, "\"%s\"", symbol_of(f->row));
    else if (chance(f, 10)) /* ids may be numbers */
        snprintf(out, TEXT_BYTES, "%" PRIu64, below(f, 1000000000));
    else
        snprintf(out, TEXT_BYTES, "\"t%" PRIx64 "-%c\"", td_random_next(f->random),
                 (char)('a' + below(f, 26)));
}

static void value_text(row_frame *f, const field_row *field, char out[TEXT_BYTES])
{
    static const char *const BOOLS[] = {"true", "false", "\"true\"", "\"False\""};
    switch (field->type) {
    case FIELD_TEXT:
        text_text(f, field, out);
        return;
    case FIELD_DECIMAL:
        decimal_text(f, field, out);
        return;
    case FIELD_INTEGER:
        number_text(f, below(f, UINT64_C(1) << 52), out);
        return;
    case FIELD_BOOL:
        snprintf(out, TEXT_BYTES, "%s", BOOLS[below(f, 4)]);
        return;
    case FIELD_IS_BUY:
        snprintf(out, TEXT_BYTES, "%s", BOOLS[below(f, 2)]);
        return;
    case FIELD_SIDE:
        snprintf(out, TEXT_BYTES, "%s", chance(f, 50) ? "\"Buy\"" : "\"Sell\"");
        return;
    case FIELD_ANY_SIDE:
        snprintf(out, TEXT_BYTES, "\"%s\"",
                 chance(f, 50)   ? "Buy"
                 : chance(f, 90) ? "Sell"
                                 : "None");
        return;
    case FIELD_TIME:
        time_text(f, field->unit, out);
        return;
    case FIELD_JSON:
        snprintf(out, TEXT_BYTES, "{\"BTC\":\"0.%u\",\"list\":[1,{}]}", (unsigned)below(f, 1000));
        return;
    }
    fail_msg("a field type that is none");
}

static void set_field(row_frame *f, node *object, const char *key, const field_row *field)
{
    char text[TEXT_BYTES];
    value_text(f, field, text);
    set_scalar(f, object, key, text);
}

static int is_wanted(row_frame *f, const field_row *field)
{
    return (field->flags & (FIELD_REQUIRED | FIELD_REQUIRED_TO_SET)) != 0 || chance(f, 85);
}

/* ---- the frame ---- */

/* Set a field at a path of keys, through objects that are made where there are none. */
static void set_path(row_frame *f, node *from, const char *path, const field_row *field,
                     const char *text)
{
    char key[TEXT_BYTES];
    size_t size = strcspn(path, ".");
    snprintf(key, sizeof key, "%.*s", (int)size, path);
    if (from->type == NODE_ARRAY) {
        for (size_t i = 0; i < from->count; i++)
            set_path(f, from->children[i], path, field, text);
        return;
    }
    if (path[size] != '\0') {
        node *next = find_child(from, key);
        if (next == NULL)
            next = add_child(from, key, new_node(f, NODE_OBJECT));
        set_path(f, next, path + size + 1, field, text);
    } else if (field != NULL) {
        set_field(f, from, key, field);
    } else {
        set_string(f, from, key, text);
    }
}

static void fill_entry(row_frame *f, const items_row *items, node *entry)
{
    for (size_t i = 0; i < f->row->field_count; i++) {
        const field_row *field = &f->row->fields[i];
        int is_positional = (items->flags & ITEMS_POSITIONAL) != 0;
        int needs_all = (items->flags & (ITEMS_POSITIONAL | ITEMS_BEST)) != 0;
        if ((field->flags & FIELD_INHERITED) || (!needs_all && !is_wanted(f, field)))
            continue;
        if (!is_positional) {
            set_field(f, entry, field->key, field);
            continue;
        }
        char text[TEXT_BYTES];
        value_text(f, field, text);
        node *made = add_child(entry, "", new_node(f, NODE_SCALAR));
        snprintf(made->text, sizeof made->text, "%s",
                 (items->flags & ITEMS_ZERO_DELETES) && i > 0 && chance(f, 20) ? "\"0\"" : text);
    }
}

/* A list of entries. */
static node *make_list(row_frame *f, const items_row *items)
{
    node *list = new_node(f, NODE_ARRAY);
    for (uint64_t left = below(f, 4); left > 0; left--) {
        int is_positional = (items->flags & ITEMS_POSITIONAL) != 0;
        node *entry = new_node(f, is_positional ? NODE_ARRAY : NODE_OBJECT);
        fill_entry(f, items, add_child(list, "", entry));
    }
    return list;
}

/* What the objects around entries have for them: never the frame's own. */
static void fill_around(row_frame *f, node *object)
{
    for (size_t i = 0; i < f->row->field_count; i++)
        if (f->row->fields[i].flags & FIELD_INHERITED)
            set_field(f, object, f->row->fields[i].key, &f->row->fields[i]);
}

/* Put entries at the end of a path. */
static void put_items(row_frame *f, node *from, const items_row *items, const char *path, int depth)
{
    char key[TEXT_BYTES];
    size_t size = strcspn(path, ".");
    snprintf(key, sizeof key, "%.*s", (int)size, path);
    if (from->type == NODE_ARRAY) {
        for (size_t i = 0; i < from->count; i++)
            put_items(f, from->children[i], items, path, depth);
        return;
    }
    if (depth > 0)
        fill_around(f, from);
    node *next = find_child(from, key);
    if (path[size] == '\0') {
        if (next == NULL)
            add_child(from, key, make_list(f, items));
        return;
    }
    if (next == NULL)
        next = add_child(from, key, new_node(f, NODE_OBJECT));
    put_items(f, next, items, path + size + 1, depth + 1);
}

/* A kind that the row has entries for; FRAME_ANY if it has them for all. */
static frame_kind pick_kind(row_frame *f)
{
    size_t count = 0;
    while (count < TOPIC_ITEMS_MAX && f->row->items[count].path != NULL)
        count++;
    return f->row->items[below(f, count)].kind;
}

static void put_identity(row_frame *f, node *object, frame_kind kind)
{
    const topic_row *row = f->row;
    char topic[TEXT_BYTES];
    snprintf(topic, sizeof topic, "%s", row_frame_topic(row));
    if (row->symbol_path != NULL)
        topic[strcspn(row->pattern, "{") - 1] = '\0';
    set_string(f, object, row->topic_key == NULL ? "topic" : row->topic_key, topic);
    if (row->symbol_path != NULL)
        set_path(f, object, row->symbol_path, NULL, symbol_of(row));
    if (row->parameter_path != NULL)
        set_path(f, object, row->parameter_path, NULL, "5");
    if (kind == FRAME_SNAPSHOT || kind == FRAME_DELTA)
        set_path(f, object, row->kind_key == NULL ? "type" : row->kind_key, NULL,
                 frame_kind_name(kind));
}

row_frame *row_frame_make(const topic_row *row, td_random *random)
{
    row_frame *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->row = row;
    f->random = random;
    frame_kind kind = pick_kind(f);
    node *object = new_node(f, NODE_OBJECT);
    f->root = object;
    put_identity(f, object, kind);
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        const items_row *items = &row->items[i];
        if (items->kind != FRAME_ANY && items->kind != kind)
            continue;
        if (items->path[0] == '\0')
            fill_entry(f, items, object);
        else
            put_items(f, object, items, items->path, 0);
    }
    for (size_t i = 0; i < row->envelope_count; i++)
        if (is_wanted(f, &row->envelope[i]))
            set_path(f, object, row->envelope[i].key, &row->envelope[i], NULL);
    /* Events come in lists; one that comes bare is known by its time. */
    if (row->topic_key != NULL && (find_child(object, "E") == NULL || chance(f, 80))) {
        f->root = new_node(f, NODE_ARRAY);
        add_child(f->root, "", object);
    }
    return f;
}

void row_frame_free(row_frame *frame)
{
    for (size_t i = 0; frame != NULL && i < frame->count; i++)
        free(frame->nodes[i]);
    free(frame);
}

const char *row_frame_topic(const topic_row *row)
{
    static char text[TEXT_BYTES];
    size_t size = 0;
    for (const char *p = row->pattern; *p != '\0'; p++) {
        assert_true(size + 20 < sizeof text);
        if (*p != '{') {
            text[size++] = *p;
            continue;
        }
        int is_symbol = strncmp(p, "{symbol", 7) == 0 || strncmp(p, "{coin}", 6) == 0;
        size += (size_t)snprintf(text + size, sizeof text - size, "%s",
                                 is_symbol ? symbol_of(row) : "5");
        p = strchr(p, '}');
    }
    text[size] = '\0';
    return text;
}

/* ---- writing ---- */

typedef struct writing {
    unsigned how;
    td_random *random;
    td_buf *out;
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

static void put_unknown(writing *w)
{
    static const char *const VALUES[] = {
        "1", "\"x\"", "null", "true", "{\"topic\":\"y\",\"data\":[]}", "[[\"1\",\"2\"],{}]",
    };
    char key[TEXT_BYTES];
    snprintf(key, sizeof key, "\"zz_%u\":", (unsigned)td_random_below(w->random, 1000000));
    put(w, key);
    put(w, VALUES[td_random_below(w->random, 6)]);
}

/* The order in which children are written. */
static void order_children(writing *w, const node *n, size_t order[CHILDREN_MAX])
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

static void put_children(writing *w, const node *n)
{
    size_t order[CHILDREN_MAX];
    order_children(w, n, order);
    int is_first = 1;
    for (size_t i = 0; i < n->count; i++) {
        if (!is_first)
            put(w, ",");
        is_first = 0;
        put_space(w);
        if (n->type == NODE_OBJECT && (w->how & ROW_FRAME_EXTENDED) &&
            td_random_below(w->random, 4) == 0) {
            put_unknown(w);
            put_space(w);
            put(w, ",");
            put_space(w);
        }
        put_node(w, n->children[order[i]]);
        put_space(w);
    }
}

static void put_node(writing *w, const node *n)
{
    if (n->key[0] != '\0') {
        put(w, "\"");
        put(w, n->key);
        put(w, "\"");
        put_space(w);
        put(w, ":");
        put_space(w);
    }
    if (n->type == NODE_SCALAR) {
        put(w, n->text);
        return;
    }
    put(w, n->type == NODE_OBJECT ? "{" : "[");
    put_space(w);
    put_children(w, n);
    put(w, n->type == NODE_OBJECT ? "}" : "]");
}

void row_frame_write(const row_frame *frame, unsigned how, td_random *random, td_buf *out)
{
    writing w = {how, random, out};
    put_space(&w);
    put_node(&w, frame->root);
    put_space(&w);
}
