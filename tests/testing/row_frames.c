#include "tests/testing/row_frames.h"
#include "schema/topic_parts.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROW_FRAME_CHILDREN_MAX = 160, ROW_FRAME_TEXT_BYTES = 64, ROW_FRAME_NODES_MAX = 2000 };

typedef enum node_type { NODE_SCALAR, NODE_OBJECT, NODE_ARRAY } node_type;

typedef struct node {
    node_type type;
    char key[ROW_FRAME_TEXT_BYTES];  /* key of a member */
    char text[ROW_FRAME_TEXT_BYTES]; /* text of a scalar, as in the frame */
    const char *other;      /* if the node was spoiled: replaces the text or the children */
    const field_row *field; /* for a value: its field in the row */
    uint8_t is_absent;      /* 1: missing in the frame, or written as an empty value */
    uint8_t is_value;       /* 1: the value is JSON that is not decoded further */
    struct node *children[ROW_FRAME_CHILDREN_MAX];
    size_t count;
} node;

struct row_frame {
    node *nodes[ROW_FRAME_NODES_MAX];
    size_t count;
    node *root;
    const topic_row *row;
    td_random *random;
};

/* ---- the tree ---- */

static node *new_node(row_frame *f, node_type type)
{
    assert_true(f->count < ROW_FRAME_NODES_MAX);
    node *made = calloc(1, sizeof *made);
    assert_non_null(made);
    made->type = type;
    f->nodes[f->count++] = made;
    return made;
}

static node *add_child(node *parent, const char *key, node *child)
{
    assert_true(parent->count < ROW_FRAME_CHILDREN_MAX);
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
    char quoted[ROW_FRAME_TEXT_BYTES];
    snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)sizeof quoted - 3, text);
    set_scalar(f, object, key, quoted);
}

/* ---- values ---- */

static void set_json(row_frame *f, node *object, const char *key);

static uint64_t below(row_frame *f, uint64_t bound)
{
    return td_random_below(f->random, bound);
}

static int chance(row_frame *f, unsigned percent)
{
    return below(f, 100) < percent;
}

/* Writes an integer, as a number or as a string. */
static void number_text(row_frame *f, uint64_t number, char out[ROW_FRAME_TEXT_BYTES])
{
    snprintf(out, ROW_FRAME_TEXT_BYTES, chance(f, 50) ? "%" PRIu64 : "\"%" PRIu64 "\"", number);
}

static void time_text(row_frame *f, field_unit unit, char out[ROW_FRAME_TEXT_BYTES])
{
    uint64_t s = UINT64_C(1600000000) + below(f, 100000000);
    if (unit == UNIT_RFC3339) {
        snprintf(out, ROW_FRAME_TEXT_BYTES, "\"2021-%02u-%02uT%02u:10:20.%03uZ\"",
                 (unsigned)below(f, 12) + 1, (unsigned)below(f, 28) + 1, (unsigned)below(f, 24),
                 (unsigned)below(f, 1000));
        return;
    }
    uint64_t scale = unit == UNIT_S    ? 1
                     : unit == UNIT_MS ? 1000
                     : unit == UNIT_US ? 1000000
                                       : 1000000000;
    number_text(f, s * scale + below(f, scale), out);
}

/* Writes a decimal that is large, negative, or has an exponent, which is valid outside of books and
 * trades. */
static int strange_decimal(row_frame *f, char out[ROW_FRAME_TEXT_BYTES])
{
    static const struct {
        const char *before, *behind;
    } STRANGE[] = {{"-", ".25"}, {"", "e-06"}, {"\"-", "\""}, {"\"", "000000000000000.5\""}};
    if (msg_type_has_book(f->row->type) || f->row->type == MSG_TRADE || !chance(f, 20))
        return 0;
    size_t which = (size_t)below(f, 4);
    snprintf(out, ROW_FRAME_TEXT_BYTES, "%s%" PRIu64 "%s", STRANGE[which].before,
             below(f, 90000) + 1, STRANGE[which].behind);
    return 1;
}

static void decimal_text(row_frame *f, const field_row *field, char out[ROW_FRAME_TEXT_BYTES])
{
    if (field->scale_e10 != 0) {
        number_text(f, below(f, 1000000000), out);
        return;
    }
    if (strange_decimal(f, out))
        return;
    const char *quote = chance(f, 70) ? "\"" : "";
    snprintf(out, ROW_FRAME_TEXT_BYTES, "%s%" PRIu64 ".%02u%s", quote, below(f, 90000) + 1,
             (unsigned)below(f, 100), quote);
}

static const char *symbol_of(const topic_row *row)
{
    return strstr(row->pattern, "{coin}") != NULL ? "BTC" : "BTCUSDT";
}

/* 1 if a path continues through this object. */
static int path_continues(const char *path, const char *way, size_t size)
{
    return path != NULL && strncmp(path, way, size) == 0 && path[size] == '.';
}

/* 1 if a path leads into entries. */
static int entries_have(const topic_row *row, const char *path)
{
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        if (path_continues(path, row->items[i].path, strlen(row->items[i].path)))
            return 1;
    return 0;
}

/* 1 if the topic's parameter is this field of its entries. */
static int is_parameter(const topic_row *row, const field_row *field)
{
    return entries_have(row, row->parameter_path) &&
           strcmp(strrchr(row->parameter_path, '.') + 1, field->key) == 0;
}

static void text_text(row_frame *f, const field_row *field, char out[ROW_FRAME_TEXT_BYTES])
{
    if (is_parameter(f->row, field))
        snprintf(out, ROW_FRAME_TEXT_BYTES, "\"5\"");
    else if (field->member == MEMBER_SYMBOL && !topic_row_has_coin(f->row) &&
             topic_row_has_symbol(f->row))
        snprintf(out, ROW_FRAME_TEXT_BYTES, "\"%s\"", symbol_of(f->row));
    else if (chance(f, 10)) /* ids may be numbers */
        snprintf(out, ROW_FRAME_TEXT_BYTES, "%" PRIu64, below(f, 1000000000));
    else
        snprintf(out, ROW_FRAME_TEXT_BYTES, "\"t%" PRIx64 "-%c\"", td_random_next(f->random),
                 (char)('a' + below(f, 26)));
}

static void value_text(row_frame *f, const field_row *field, char out[ROW_FRAME_TEXT_BYTES])
{
    static const char *const BOOLS[] = {"true", "false", "\"true\"", "\"False\""};
    static const char *const EVENTS[] = {"\"add\"", "\"modify\"", "\"delete\""};
    switch (field->type) {
    case FIELD_TEXT:
        if (f->row->type == MSG_BOOK_ORDERS && field->member == MEMBER_EVENT_TYPE)
            snprintf(out, ROW_FRAME_TEXT_BYTES, "%s", EVENTS[below(f, 3)]);
        else
            text_text(f, field, out);
        return;
    case FIELD_DECIMAL:
        decimal_text(f, field, out);
        return;
    case FIELD_INTEGER:
        number_text(f, below(f, UINT64_C(1) << 52), out);
        return;
    case FIELD_BOOL:
        snprintf(out, ROW_FRAME_TEXT_BYTES, "%s", BOOLS[below(f, 4)]);
        return;
    case FIELD_IS_BUY:
    case FIELD_IS_SELL:
        snprintf(out, ROW_FRAME_TEXT_BYTES, "%s", BOOLS[below(f, 2)]);
        return;
    case FIELD_LOWER_SIDE:
    case FIELD_LOWER_MAKER_SIDE:
        snprintf(out, ROW_FRAME_TEXT_BYTES, "%s", chance(f, 50) ? "\"buy\"" : "\"sell\"");
        return;
    case FIELD_SIDE:
    case FIELD_MAKER_SIDE:
        snprintf(out, ROW_FRAME_TEXT_BYTES, "%s", chance(f, 50) ? "\"Buy\"" : "\"Sell\"");
        return;
    case FIELD_ANY_SIDE:
        snprintf(out, ROW_FRAME_TEXT_BYTES, "\"%s\"",
                 chance(f, 50)   ? "Buy"
                 : chance(f, 90) ? "Sell"
                                 : "None");
        return;
    case FIELD_TIME:
        time_text(f, field->unit, out);
        return;
    case FIELD_JSON:
        break;
    }
    fail_msg("an unknown field type");
}

static void set_field(row_frame *f, node *object, const char *key, const field_row *field)
{
    char text[ROW_FRAME_TEXT_BYTES];
    if (field->type == FIELD_JSON) {
        set_json(f, object, key);
    } else if (find_child(object, key) == NULL) {
        value_text(f, field, text);
        set_scalar(f, object, key, text);
        find_child(object, key)->field = field;
    }
}

/* Adds an object that contains a list. The order of its members may change, too. */
static void set_json(row_frame *f, node *object, const char *key)
{
    if (find_child(object, key) != NULL)
        return;
    node *value = add_child(object, key, new_node(f, NODE_OBJECT));
    value->is_value = 1;
    char number[ROW_FRAME_TEXT_BYTES];
    snprintf(number, sizeof number, "0.%u", (unsigned)below(f, 1000) + 1);
    set_string(f, value, "BTC", number);
    set_scalar(f, value, "a", number);
    node *list = add_child(value, "list", new_node(f, NODE_ARRAY));
    node *inner = add_child(list, "", new_node(f, NODE_OBJECT));
    list->is_value = inner->is_value = 1;
    set_string(f, inner, "y", "1");
    set_scalar(f, inner, "x", "null");
}

/* Adds an optional member with a value that counts as absent. */
static void set_absent(row_frame *f, node *object, const field_row *field)
{
    static const char *const NOTHING[] = {"null", "\"\"", "\"None\""};
    if (field->type == FIELD_JSON || strchr(field->key, '.') != NULL ||
        find_child(object, field->key) != NULL)
        return;
    /* For a text only null counts as absent; the others are valid texts. */
    set_scalar(f, object, field->key, NOTHING[field->type == FIELD_TEXT ? 0 : below(f, 3)]);
    find_child(object, field->key)->is_absent = 1;
}

static int is_wanted(row_frame *f, const field_row *field)
{
    return (f->row->type == MSG_BOOK_ORDERS && field->member == MEMBER_EVENT_TYPE) ||
           (field->flags & (FIELD_REQUIRED | FIELD_REQUIRED_TO_SET)) != 0 || chance(f, 85);
}

/* ---- the frame ---- */

/* Sets a field at a path of keys; creates missing objects. */
static void set_path(row_frame *f, node *from, const char *path, const field_row *field,
                     const char *text)
{
    char key[ROW_FRAME_TEXT_BYTES];
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
        if (field->flags & FIELD_INHERITED)
            continue;
        if (!needs_all && !is_wanted(f, field)) {
            set_absent(f, entry, field);
            continue;
        }
        if (!is_positional) {
            set_path(f, entry, field->key, field, NULL);
            continue;
        }
        char text[ROW_FRAME_TEXT_BYTES];
        value_text(f, field, text);
        node *made = add_child(entry, "", new_node(f, NODE_SCALAR));
        made->field = field;
        snprintf(made->text, sizeof made->text, "%s",
                 (items->flags & ITEMS_ZERO_DELETES) && i > 0 && chance(f, 20) ? "\"0\"" : text);
    }
}

/* 1 if the frame needs a member in the object that is the only entry. */
static int is_one_object(const row_frame *f, const items_row *items)
{
    const size_t size = strlen(items->path);
    int found = 0;
    for (size_t i = 0; i < f->row->envelope_count; i++) {
        const field_row *field = &f->row->envelope[i];
        found |= (field->flags & FIELD_REQUIRED) != 0 && size > 0 && field->key[size] == '.' &&
                 strncmp(field->key, items->path, size) == 0;
    }
    return found && (items->flags & ITEMS_POSITIONAL) == 0;
}

/* Makes a list of entries. */
static node *make_list(row_frame *f, const items_row *items)
{
    node *list = new_node(f, NODE_ARRAY);
    uint64_t least = (items->flags & ITEMS_EMPTY) ? 0 : 1;
    for (uint64_t left = least + below(f, 4 - least); left > 0; left--) {
        int is_positional = (items->flags & ITEMS_POSITIONAL) != 0;
        node *entry = new_node(f, is_positional ? NODE_ARRAY : NODE_OBJECT);
        fill_entry(f, items, add_child(list, "", entry));
    }
    return list;
}

/* Adds the fields that entries inherit from an object around them, but not the frame's own
 * fields. */
static void fill_around(row_frame *f, node *object)
{
    for (size_t i = 0; i < f->row->field_count; i++)
        if (f->row->fields[i].flags & FIELD_INHERITED)
            set_field(f, object, f->row->fields[i].key, &f->row->fields[i]);
}

/* Makes a node on the path to the entries: an object, or, if no other path leads through it, a list
 * of several objects. */
static node *make_way(row_frame *f, const char *way, size_t size)
{
    int is_alone = !path_continues(f->row->symbol_path, way, size) &&
                   !path_continues(f->row->parameter_path, way, size) &&
                   !path_continues(f->row->kind_key, way, size);
    for (size_t i = 0; i < f->row->envelope_count; i++)
        is_alone = is_alone && !path_continues(f->row->envelope[i].key, way, size);
    if (!is_alone || chance(f, 50))
        return new_node(f, NODE_OBJECT);
    node *list = new_node(f, NODE_ARRAY);
    for (uint64_t left = 1 + below(f, 2); left > 0; left--)
        add_child(list, "", new_node(f, NODE_OBJECT));
    return list;
}

/* Adds entries at the end of a path. */
static void put_items(row_frame *f, node *from, const items_row *items, const char *path, int depth)
{
    char key[ROW_FRAME_TEXT_BYTES];
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
    if (path[size] == '\0' && next == NULL && is_one_object(f, items)) {
        fill_entry(f, items, add_child(from, key, new_node(f, NODE_OBJECT)));
        return;
    }
    if (path[size] == '\0') {
        if (next == NULL)
            add_child(from, key, make_list(f, items));
        return;
    }
    if (next == NULL)
        next = add_child(from, key, make_way(f, items->path, (size_t)(path + size - items->path)));
    put_items(f, next, items, path + size + 1, depth + 1);
}

/* Picks a kind of frame for which the row has entries; FRAME_ANY if its entries are for all
 * kinds. */
static frame_kind pick_kind(row_frame *f)
{
    size_t count = 0;
    while (count < TOPIC_ITEMS_MAX && f->row->items[count].path != NULL)
        count++;
    return f->row->items[below(f, count)].kind;
}

/* The exchange's first word for a kind. */
static const char *kind_text(const topic_row *row, frame_kind kind)
{
    const kind_word *word = row->kind_words;
    while (word != NULL && word->text != NULL && word->kind != kind)
        word++;
    return word == NULL || word->text == NULL ? frame_kind_name(kind) : word->text;
}

/* Rewrite a topic as frames spell it. */
static void spell(const topic_row *row, char topic[ROW_FRAME_TEXT_BYTES])
{
    td_buf text;
    td_buf_init(&text, ROW_FRAME_TEXT_BYTES - 1);
    assert_int_equal(topic_spell(row->spelling, topic, &text, NULL), TD_OK);
    memcpy(topic, text.data, text.size);
    topic[text.size] = '\0';
    td_buf_fini(&text);
}

static void put_identity(row_frame *f, node *object, frame_kind kind)
{
    const topic_row *row = f->row;
    char topic[ROW_FRAME_TEXT_BYTES];
    snprintf(topic, sizeof topic, "%s", row_frame_topic(row));
    if (row->spelling != NULL)
        spell(row, topic);
    if (row->symbol_path != NULL && topic_row_is_joined(row)) {
        topic[strcspn(topic, ".")] = '\0';
    } else if (row->symbol_path != NULL) {
        const td_bytes part = topic_row_frame_topic(row);
        snprintf(topic, sizeof topic, "%.*s", (int)part.size, (const char *)part.data);
    }
    set_path(f, object, topic_row_topic_key(row), NULL, topic);
    if (row->symbol_path != NULL && !entries_have(row, row->symbol_path))
        set_path(f, object, row->symbol_path, NULL, symbol_of(row));
    if (row->parameter_path != NULL && !entries_have(row, row->parameter_path))
        set_path(f, object, row->parameter_path, NULL, "5");
    if (kind == FRAME_SNAPSHOT || kind == FRAME_DELTA)
        set_path(f, object, topic_row_kind_key(row), NULL, kind_text(row, kind));
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
        else if (strchr(row->envelope[i].key, '.') == NULL)
            set_absent(f, object, &row->envelope[i]);
    /* Events are in lists. An event that is not in a list is recognized by its time, so that must
     * be present. */
    const node *time = find_child(object, "E");
    if (row->is_event && (time == NULL || time->is_absent || chance(f, 80))) {
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
    static char text[ROW_FRAME_TEXT_BYTES];
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

uint64_t row_frame_moment(const topic_row *row)
{
    static const uint64_t DAY_NS = UINT64_C(86400000000000);
    for (uint64_t day = UINT64_C(365) * 40; topic_row_is_dated(row) && day < UINT64_C(365) * 80;
         day += 5)
        if (topic_row_is_valid(row, day * DAY_NS))
            return day * DAY_NS;
    return TOPIC_NOW;
}

/* ---- spoiling ---- */

/* 1 if another field of the row sets the same member, so that one of the two values may be
 * wrong. */
static int has_twin(const topic_row *row, const field_row *field)
{
    for (size_t i = 0; i < row->field_count; i++)
        if (&row->fields[i] != field && row->fields[i].member == field->member)
            return 1;
    return 0;
}

static int is_spoilable(const row_frame *frame, const node *n, row_frame_spoil what)
{
    const field_row *field = n->field;
    if (field == NULL || n->is_absent || has_twin(frame->row, field))
        return 0;
    if (strchr(field->key, '.') != NULL) /* its path may lead through entries */
        return 0;
    switch (what) {
    case SPOIL_DECIMAL:
        return field->type == FIELD_DECIMAL;
    case SPOIL_INTEGER:
        return field->type == FIELD_INTEGER;
    case SPOIL_TIME:
        return field->type == FIELD_TIME;
    case SPOIL_REQUIRED:
        return (field->flags & FIELD_REQUIRED) != 0;
    case SPOIL_UNKNOWN:
        break;
    }
    return 0;
}

const char *row_frame_set(row_frame *frame, row_frame_spoil what, const char *text)
{
    node *object = frame->root->type == NODE_ARRAY ? frame->root->children[0] : frame->root;
    if (what == SPOIL_UNKNOWN) {
        add_child(object, "zz", new_node(frame, NODE_SCALAR))->other = text;
        return "";
    }
    for (size_t i = 0; i < frame->count; i++) {
        node *n = frame->nodes[i];
        if (!is_spoilable(frame, n, what) || (text == NULL && n->key[0] == '\0'))
            continue; /* a level without one of its elements would be a different level */
        n->other = text;
        n->is_absent = text == NULL;
        return n->field->key;
    }
    return NULL;
}

/* ---- writing ---- */

typedef struct row_writer {
    unsigned how;
    td_random *random;
    td_buf *out;
    const topic_row *row;
    unsigned lists; /* number of open lists */
} row_writer;

static void put(row_writer *w, const char *text)
{
    assert_int_equal(td_buf_append(w->out, text, strlen(text), NULL), TD_OK);
}

static void put_space(row_writer *w)
{
    static const char *const SPACES[] = {"", " ", "\n", "\t \r\n"};
    if (w->how & ROW_FRAME_SPACED)
        put(w, SPACES[td_random_below(w->random, 4)]);
}

static void put_node(row_writer *w, const node *n);

/* Writes a string with quotes. With ROW_FRAME_ESCAPED, some letters are escapes. */
static void put_string(row_writer *w, const char *text)
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

static void put_key(row_writer *w, const char *key)
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

static const char *any_value(row_writer *w)
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

/* 1 if a path of the row has this key. */
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

/* 1 for a key that identifies a kind of frame, whatever its value: adding it would make another
 * frame. */
static int is_telling(const char *key)
{
    static const char *const KEYS[] = {"e",    "E",    "op",   "code", "ping",
                                       "pong", "auth", "type", "event"};
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        if (strcmp(KEYS[i], key) == 0)
            return 1;
    return 0;
}

/* Adds a member that the row does not know, with a key similar to a known one. */
static void put_unknown(row_writer *w, const node *object)
{
    char key[ROW_FRAME_TEXT_BYTES + 8];
    const node *like =
        object->count == 0 ? NULL : object->children[td_random_below(w->random, object->count)];
    snprintf(key, sizeof key, "zz_%u", (unsigned)td_random_below(w->random, 1000000));
    if (like != NULL && td_random_below(w->random, 2) == 0) {
        snprintf(key, sizeof key, "%s%s", like->key, td_random_below(w->random, 2) == 0 ? "x" : "");
        key[0] ^= 0x20; /* change the case of the first letter */
        if (row_knows(w->row, key) || is_telling(key) || key[0] < 'A')
            snprintf(key, sizeof key, "%s_", like->key);
    }
    put_key(w, key);
    put(w, any_value(w));
}

/* Sets the order in which children are written. */
static void order_children(row_writer *w, const node *n, size_t order[ROW_FRAME_CHILDREN_MAX])
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

static int is_written(const row_writer *w, const node *n)
{
    return !n->is_absent || (w->how & ROW_FRAME_NULLED);
}

/* Writes a comma, except before the first element. */
static void put_comma(row_writer *w, int *is_first)
{
    if (!*is_first) {
        put_space(w);
        put(w, ",");
    }
    *is_first = 0;
    put_space(w);
}

/* Adds unknown members to an object, or unknown elements to a level. */
static void put_more(row_writer *w, const node *n, int *is_first)
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

static void put_children(row_writer *w, const node *n)
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

static void put_scalar(row_writer *w, const char *text)
{
    if (text[0] == '"')
        put_string(w, text);
    else
        put(w, text);
}

/* Writes a number as a string, or a string as a number. */
static void put_number(row_writer *w, const char *text)
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

static void put_node(row_writer *w, const node *n)
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
    if (n->is_value) /* its strings are part of a text that must stay as written */
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
    row_writer w = {how, random, out, frame->row, 0};
    put_space(&w);
    put_node(&w, frame->root);
    put_space(&w);
}
