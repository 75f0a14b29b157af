/* The schema follows the plan of a row, the same tree that the decoders walk. */
#include "schema/json_schema.h"

#include <ctype.h>
#include <stdio.h>

#include "base/assert.h"
#include "schema/decode_plan.h"
#include "json/json_write.h"

/* What a frame is described for: frames of one kind, or of all (FRAME_ANY) where entries do not
 * depend on it. */
typedef struct scope {
    json_writer *w;
    const decode_plan *p;
    frame_kind kind;
} scope;

/* "klineV2.{interval}.{symbol}" as a regular expression of ECMA-262; only its beginning where the
 * rest stands elsewhere in the frame. */
static void write_pattern(json_writer *w, const decode_plan *p)
{
    char text[2 * LIMIT_TOPIC_BYTES];
    size_t size = 0;
    const char *pattern = p->row->pattern;
    const char *end = pattern + (p->row->symbol_path != NULL ? p->topic_bytes : strlen(pattern));
    text[size++] = '^';
    for (const char *at = pattern; at < end; at++) {
        TD_ASSERT(size + 8 < sizeof text);
        if (*at == '{') {
            const char *close = strchr(at, '}');
            int is_rest = close[-1] == '+';
            /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): text has a size and no NUL */
            memcpy(text + size, is_rest ? ".+" : "[^.]+", is_rest ? 2 : 5);
            size += is_rest ? 2 : 5;
            at = close;
            continue;
        }
        if (!isalnum((unsigned char)*at) && *at != '_' && *at != '-')
            text[size++] = '\\';
        text[size++] = *at;
    }
    text[size++] = '$';
    json_write_member_bytes(w, "pattern", td_bytes_of(text, size));
}

/* A list of the JSON types that a field may have. */
static void write_types(json_writer *w, const field_row *field)
{
    static const char *const TYPES[][4] = {
        [FIELD_TEXT] = {"string", "number"},
        [FIELD_DECIMAL] = {"number", "string"},
        [FIELD_INTEGER] = {"integer", "string"},
        [FIELD_BOOL] = {"boolean", "string", "integer"},
        [FIELD_SIDE] = {"string"},
        [FIELD_ANY_SIDE] = {"string"},
        [FIELD_TIME] = {"number", "string"},
        [FIELD_IS_BUY] = {"boolean", "string"},
        [FIELD_JSON] = {"object", "array", "string", "number"},
    };
    TD_ASSERT(field->type <= FIELD_JSON);
    json_write_key(w, "type");
    json_write_array_begin(w);
    for (size_t i = 0; i < 4 && TYPES[field->type][i] != NULL; i++)
        json_write_text(w, TYPES[field->type][i]);
    if (!(field->flags & FIELD_REQUIRED))
        json_write_text(w, "null");
    json_write_array_end(w);
}

/* One field: what it means, and the JSON types it may have. */
static void write_field(json_writer *w, const field_row *field)
{
    TD_ASSERT(field->key != NULL);
    char text[160];
    char scale[32] = "";
    if (field->scale_e10 > 0)
        snprintf(scale, sizeof scale, ", times 10^%u", field->scale_e10);
    snprintf(text, sizeof text, "%s: %s%s%s%s", msg_member_name(field->member),
             field_type_name(field->type), field->unit == UNIT_NONE ? "" : ", ",
             field->unit == UNIT_NONE ? "" : field_unit_name(field->unit), scale);
    json_write_object_begin(w);
    json_write_member_text(w, "description", text);
    write_types(w, field);
    if (field->type == FIELD_SIDE && (field->flags & FIELD_REQUIRED)) {
        json_write_key(w, "enum");
        json_write_array_begin(w);
        json_write_text(w, msg_side_name(SIDE_BUY));
        json_write_text(w, msg_side_name(SIDE_SELL));
        json_write_text(w, "BUY"); /* spot's private events */
        json_write_text(w, "SELL");
        json_write_array_end(w);
    }
    json_write_object_end(w);
}

/* Fields that every entry has, whatever it does. One with a second spelling may come as that. */
static void write_required(json_writer *w, const decode_plan *p)
{
    const topic_row *row = p->row;
    json_write_key(w, "required");
    json_write_array_begin(w);
    for (size_t i = 0; i < row->field_count; i++)
        if ((row->fields[i].flags & FIELD_REQUIRED) && !p->has_rival[i] &&
            !(row->fields[i].flags & FIELD_INHERITED))
            json_write_text(w, row->fields[i].key);
    json_write_array_end(w);
}

/* The fields of entries, or those that they inherit, as members of "properties". */
static void write_fields(json_writer *w, const decode_plan *p, unsigned inherited)
{
    for (size_t i = 0; i < p->row->field_count; i++) {
        if ((p->row->fields[i].flags & FIELD_INHERITED) != inherited)
            continue;
        json_write_key(w, p->row->fields[i].key);
        write_field(w, &p->row->fields[i]);
    }
}

/* Entries that are objects; unknown members are allowed, as the decoder only counts them. */
static void write_object_entry(json_writer *w, const decode_plan *p)
{
    json_write_object_begin(w);
    json_write_member_text(w, "type", "object");
    json_write_key(w, "properties");
    json_write_object_begin(w);
    write_fields(w, p, 0);
    json_write_object_end(w);
    write_required(w, p);
    json_write_object_end(w);
}

/* Positional entries: the fields' keys are "0", "1" … */
static void write_array_entry(json_writer *w, const decode_plan *p)
{
    char key[24];
    json_write_object_begin(w);
    json_write_member_text(w, "type", "array");
    json_write_key(w, "prefixItems");
    json_write_array_begin(w);
    for (size_t place = 0; place < p->row->field_count; place++) {
        snprintf(key, sizeof key, "%zu", place);
        for (size_t i = 0; i < p->row->field_count; i++)
            if (strcmp(p->row->fields[i].key, key) == 0)
                write_field(w, &p->row->fields[i]);
    }
    json_write_array_end(w);
    json_write_member_u64(w, "minItems", p->row->field_count);
    json_write_object_end(w);
}

static void write_ref(json_writer *w, const char *name)
{
    char text[64];
    snprintf(text, sizeof text, "#/$defs/%s", name);
    json_write_object_begin(w);
    json_write_member_text(w, "$ref", text);
    json_write_object_end(w);
}

/* The row's items that stand at a node, NULL if there are none. */
static const items_row *items_at(const scope *s, const plan_node *node)
{
    int items = node->items[s->kind == FRAME_ANY ? FRAME_UNTYPED : s->kind];
    return items == PLAN_NO_ITEMS ? NULL : &s->p->row->items[items];
}

static const plan_node *child_of(const scope *s, const plan_node *node, uint32_t key)
{
    return node->targets[key].kind == TARGET_NODE ? &s->p->nodes[node->targets[key].index] : NULL;
}

/* 1 if this key of a node is required: a required field, a part of the topic, the kind if entries
 * depend on it, entries that are not optional, or the path to one of these. */
static int is_key_required(const scope *s, const plan_node *node, uint32_t key)
{
    const plan_target *target = &node->targets[key];
    const plan_node *child = child_of(s, node, key);
    switch (target->kind) {
    case TARGET_TOPIC:
    case TARGET_SYMBOL:
    case TARGET_PARAMETER:
        return 1;
    case TARGET_KIND:
        return s->p->needs_kind && s->kind != s->p->row->default_kind;
    case TARGET_FIELD:
        return (s->p->row->envelope[target->index].flags & FIELD_REQUIRED) != 0;
    case TARGET_NODE:
        break;
    }
    TD_ASSERT(child != NULL);
    const items_row *items = items_at(s, child);
    if (items != NULL)
        return (items->flags & ITEMS_OPTIONAL) == 0;
    for (uint32_t i = 0; i < child->keys.count; i++)
        if (is_key_required(s, child, i))
            return 1;
    return 0;
}

static void write_node_members(const scope *s, const plan_node *node);

/* An entry of a node, with other entries in it where paths lead on: from a list that stands for
 * itself (ITEMS_LIST) they do not. */
static void write_entry(const scope *s, const plan_node *node, const items_row *items)
{
    if (node->keys.count == 0 || (items->flags & ITEMS_LIST)) {
        write_ref(s->w, "entry");
        return;
    }
    json_write_object_begin(s->w);
    json_write_key(s->w, "allOf");
    json_write_array_begin(s->w);
    write_ref(s->w, "entry");
    json_write_object_begin(s->w);
    write_node_members(s, node);
    json_write_object_end(s->w);
    json_write_array_end(s->w);
    json_write_object_end(s->w);
}

/* Entries: a list of them, or, if they are objects, one; none where the row allows it. */
static void write_entries(const scope *s, const plan_node *node, const items_row *items)
{
    json_writer *w = s->w;
    json_write_object_begin(w);
    json_write_key(w, "type");
    json_write_array_begin(w);
    json_write_text(w, "array");
    if (items->flags & ITEMS_OPTIONAL)
        json_write_text(w, "null");
    json_write_array_end(w);
    if ((items->flags & ITEMS_EMPTY) == 0) {
        json_write_key(w, "minItems");
        json_write_i64(w, 1);
    }
    json_write_key(w, "items");
    write_entry(s, node, items);
    json_write_object_end(w);
    if ((items->flags & (ITEMS_POSITIONAL | ITEMS_LIST)) == 0)
        write_entry(s, node, items);
}

/* An object on the way to entries. */
static void write_way(const scope *s, const plan_node *node)
{
    json_write_object_begin(s->w);
    write_node_members(s, node);
    json_write_object_end(s->w);
}

/* A list of such. */
static void write_ways(const scope *s, const plan_node *node)
{
    json_writer *w = s->w;
    json_write_object_begin(w);
    json_write_member_text(w, "type", "array");
    json_write_key(w, "items");
    json_write_object_begin(w);
    write_node_members(s, node);
    json_write_object_end(w);
    json_write_object_end(w);
}

/* A value that leads to entries or fields. */
static void write_node(const scope *s, const plan_node *node)
{
    const items_row *items = items_at(s, node);
    json_write_object_begin(s->w);
    json_write_key(s->w, "anyOf");
    json_write_array_begin(s->w);
    if (items != NULL)
        write_entries(s, node, items);
    if (node->keys.count > 0 && (items == NULL || (items->flags & ITEMS_LIST)))
        write_way(s, node);
    if (node->keys.count > 0 && items == NULL)
        write_ways(s, node);
    json_write_array_end(s->w);
    json_write_object_end(s->w);
}

/* The words for a kind. */
static void write_kind_words(const scope *s, frame_kind kind)
{
    for (const kind_word *word = s->p->kind_words; word->text != NULL; word++) {
        if (word->kind != kind)
            continue;
        json_write_text(s->w, word->text);
        if (strcmp(word->text, "true") == 0 || strcmp(word->text, "false") == 0)
            json_write_bool(s->w, word->text[0] == 't');
    }
}

/* The words for the kind that is described, or all. */
static void write_kinds(const scope *s)
{
    json_writer *w = s->w;
    json_write_object_begin(w);
    json_write_member_text(w, "description", "the frame's kind");
    json_write_key(w, "enum");
    json_write_array_begin(w);
    if (s->kind != FRAME_DELTA && s->kind != FRAME_UNTYPED)
        write_kind_words(s, FRAME_SNAPSHOT);
    if (s->kind != FRAME_SNAPSHOT && s->kind != FRAME_UNTYPED)
        write_kind_words(s, FRAME_DELTA);
    if (s->kind == FRAME_ANY || s->kind == s->p->row->default_kind) {
        json_write_text(w, "");
        json_write_null(w);
    }
    json_write_array_end(w);
    json_write_object_end(w);
}

/* A part of the topic that stands beside it; a parameter may be a number. */
static void write_part(json_writer *w, target_kind kind)
{
    TD_ASSERT(kind == TARGET_PARAMETER || kind == TARGET_SYMBOL);
    json_write_object_begin(w);
    json_write_member_text(w, "description", "part of the topic");
    json_write_key(w, "type");
    json_write_array_begin(w);
    json_write_text(w, "string");
    if (kind == TARGET_PARAMETER)
        json_write_text(w, "number");
    json_write_array_end(w);
    json_write_object_end(w);
}

/* What a key of a node leads to. */
static void write_target(const scope *s, plan_target target)
{
    json_writer *w = s->w;
    switch (target.kind) {
    case TARGET_TOPIC:
        json_write_object_begin(w);
        json_write_member_text(w, "type", "string");
        write_pattern(w, s->p);
        json_write_object_end(w);
        return;
    case TARGET_PARAMETER:
    case TARGET_SYMBOL:
        write_part(w, target.kind);
        return;
    case TARGET_KIND:
        write_kinds(s);
        return;
    case TARGET_FIELD:
        write_field(w, &s->p->row->envelope[target.index]);
        return;
    case TARGET_NODE:
        write_node(s, &s->p->nodes[target.index]);
        return;
    }
    TD_ASSERT(!"an unknown target");
}

/* 1 if the key is used in frames of this kind. */
static int is_key_used(const scope *s, const plan_node *node, uint32_t key)
{
    const plan_node *child = child_of(s, node, key);
    if (child == NULL || items_at(s, child) != NULL)
        return 1;
    for (uint32_t i = 0; i < child->keys.count; i++)
        if (is_key_used(s, child, i))
            return 1;
    return 0;
}

static void write_node_members(const scope *s, const plan_node *node)
{
    json_writer *w = s->w;
    json_write_member_text(w, "type", "object");
    json_write_key(w, "properties");
    json_write_object_begin(w);
    for (uint32_t i = 0; i < node->keys.count; i++) {
        const key_word *key = &node->keys.keys[i];
        if (!is_key_used(s, node, i))
            continue;
        json_write_key_bytes(w, td_bytes_of(key->text, key->bytes));
        write_target(s, node->targets[i]);
    }
    if (node != &s->p->nodes[0] && items_at(s, node) == NULL)
        write_fields(w, s->p, FIELD_INHERITED);
    json_write_object_end(w);
    json_write_key(w, "required");
    json_write_array_begin(w);
    for (uint32_t i = 0; i < node->keys.count; i++)
        if (is_key_required(s, node, i))
            json_write_bytes(w, td_bytes_of(node->keys.keys[i].text, node->keys.keys[i].bytes));
    json_write_array_end(w);
}

/* What a frame's own object, or an event's, may have. */
static void write_frame(const scope *s)
{
    write_node_members(s, &s->p->nodes[0]);
    if (items_at(s, &s->p->nodes[0]) == NULL)
        return;
    json_write_key(s->w, "allOf"); /* it is the entry itself */
    json_write_array_begin(s->w);
    write_ref(s->w, "entry");
    json_write_array_end(s->w);
}

/* Frames that are lists of events, or one event bare. */
static void write_events(json_writer *w)
{
    json_write_key(w, "anyOf");
    json_write_array_begin(w);
    json_write_object_begin(w);
    json_write_member_text(w, "type", "array");
    json_write_key(w, "items");
    write_ref(w, "event");
    json_write_object_end(w);
    write_ref(w, "event");
    json_write_array_end(w);
}

/* 1 if the row's entries stand somewhere in frames of this kind. */
static int has_kind(const topic_row *row, frame_kind kind)
{
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        if (row->items[i].kind == kind || row->items[i].kind == FRAME_ANY)
            return 1;
    return 0;
}

/* The schema's own members: the frame, or which of the definitions it is. */
static void write_body(json_writer *w, const decode_plan *p)
{
    if (p->row->is_event) {
        write_events(w);
    } else if (!p->needs_kind) {
        const scope all = {w, p, FRAME_ANY};
        write_frame(&all);
    } else {
        json_write_key(w, "anyOf");
        json_write_array_begin(w);
        for (int kind = 0; kind < FRAME_ANY; kind++)
            if (has_kind(p->row, (frame_kind)kind))
                write_ref(w, frame_kind_name((frame_kind)kind));
        json_write_array_end(w);
    }
}

static void write_definition(json_writer *w, const decode_plan *p, const char *name,
                             frame_kind kind)
{
    const scope s = {w, p, kind};
    json_write_key(w, name);
    json_write_object_begin(w);
    write_frame(&s);
    json_write_object_end(w);
}

static void write_schema(json_writer *w, const family *of, const decode_plan *p)
{
    char title[256];
    snprintf(title, sizeof title, "%s %s: %s", of->name, p->row->name, p->row->title);
    json_write_object_begin(w);
    json_write_member_text(w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_write_member_text(w, "title", title);
    write_body(w, p);
    json_write_key(w, "$defs");
    json_write_object_begin(w);
    if (p->row->is_event)
        write_definition(w, p, "event", FRAME_ANY);
    for (int kind = 0; !p->row->is_event && p->needs_kind && kind < FRAME_ANY; kind++)
        if (has_kind(p->row, (frame_kind)kind))
            write_definition(w, p, frame_kind_name((frame_kind)kind), (frame_kind)kind);
    json_write_key(w, "entry");
    if (p->is_positional)
        write_array_entry(w, p);
    else
        write_object_entry(w, p);
    json_write_object_end(w);
    json_write_object_end(w);
}

td_result json_schema_write(const family *of, const topic_row *row, td_buf *out, td_err *err)
{
    TD_ASSERT(of != NULL);
    decode_plan *p = plan_open(row);
    size_t before = out->size;
    json_writer w;
    json_write_begin(&w, out);
    write_schema(&w, of, p);
    plan_close(p);
    td_result rc = json_write_end(&w, err);
    if (rc == TD_OK && out->size - before > JSON_SCHEMA_BYTES_MAX)
        rc = td_err_set(err, TD_E_LIMIT, "JSON Schema of %s %s: %zu bytes, at most %d are allowed",
                        of->name, row->name, out->size - before, JSON_SCHEMA_BYTES_MAX);
    return rc;
}
