/* The schema follows the plan of a row, the same tree that the decoders walk. */
#include "schema/json_schema.h"

#include <ctype.h>
#include <stdio.h>

#include "base/assert.h"
#include "schema/decode_impl.h"
#include "schema/json_write.h"

/* "klineV2.{interval}.{symbol}" as a regular expression of ECMA-262. */
static void write_pattern(json_writer *w, const char *pattern)
{
    char text[2 * LIMIT_TOPIC_BYTES];
    size_t size = 0;
    text[size++] = '^';
    for (const char *p = pattern; *p != '\0'; p++) {
        TD_ASSERT(size + 8 < sizeof text);
        if (*p == '{') {
            /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): text has a size and no NUL */
            memcpy(text + size, "[^.]+", 5);
            size += 5;
            while (*p != '}')
                p++;
            continue;
        }
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-')
            text[size++] = '\\';
        text[size++] = *p;
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
static void write_required(json_writer *w, const plan *p)
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

/* Entries that are objects; unknown members are allowed, as the decoder only counts them. */
static void write_object_entry(json_writer *w, const plan *p)
{
    json_write_object_begin(w);
    json_write_member_text(w, "type", "object");
    json_write_key(w, "properties");
    json_write_object_begin(w);
    for (size_t i = 0; i < p->row->field_count; i++) {
        if (p->row->fields[i].flags & FIELD_INHERITED)
            continue;
        json_write_key(w, p->row->fields[i].key);
        write_field(w, &p->row->fields[i]);
    }
    json_write_object_end(w);
    write_required(w, p);
    json_write_object_end(w);
}

/* Positional entries: the fields' keys are "0", "1" … */
static void write_array_entry(json_writer *w, const plan *p)
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
    json_write_object_end(w);
}

static int is_positional(const topic_row *row)
{
    return (row->items[0].flags & ITEMS_POSITIONAL) != 0;
}

static int has_items(const plan_node *node)
{
    for (int kind = 0; kind < FRAME_ANY; kind++)
        if (node->items[kind] != PLAN_NO_ITEMS)
            return 1;
    return 0;
}

/* Entries: a list of them, or, if they are objects, one; or none. */
static void write_entries(json_writer *w, const plan *p)
{
    json_write_object_begin(w);
    json_write_key(w, "type");
    json_write_array_begin(w);
    json_write_text(w, "array");
    json_write_text(w, "null");
    json_write_array_end(w);
    json_write_key(w, "items");
    json_write_object_begin(w);
    json_write_member_text(w, "$ref", "#/$defs/entry");
    json_write_object_end(w);
    json_write_object_end(w);
    if (is_positional(p->row))
        return;
    json_write_object_begin(w);
    json_write_member_text(w, "$ref", "#/$defs/entry");
    json_write_object_end(w);
}

static void write_node_members(json_writer *w, const plan *p, const plan_node *node);

/* An object around entries. */
static void write_around(json_writer *w, const plan *p, const plan_node *node)
{
    json_write_object_begin(w);
    write_node_members(w, p, node);
    json_write_object_end(w);
}

/* A value on the way to entries: all that it may be in frames of any kind. An array stands for its
 * elements. */
static void write_node(json_writer *w, const plan *p, const plan_node *node)
{
    json_write_object_begin(w);
    json_write_key(w, "anyOf");
    json_write_array_begin(w);
    if (has_items(node))
        write_entries(w, p);
    if (node->keys.count > 0) {
        write_around(w, p, node);
        json_write_object_begin(w);
        json_write_member_text(w, "type", "array");
        json_write_key(w, "items");
        write_around(w, p, node);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_object_end(w);
}

/* Frames whose entries depend on the kind have one of two; others may say anything. */
static void write_kinds(json_writer *w, const plan *p)
{
    json_write_object_begin(w);
    json_write_member_text(w, "description", "the frame's kind");
    if (p->needs_kind && p->row->kind_key == NULL) {
        json_write_key(w, "enum");
        json_write_array_begin(w);
        json_write_text(w, frame_kind_name(FRAME_SNAPSHOT));
        json_write_text(w, frame_kind_name(FRAME_DELTA));
        json_write_array_end(w);
    } else {
        json_write_key(w, "type");
        json_write_array_begin(w);
        json_write_text(w, "string");
        json_write_text(w, "boolean");
        json_write_text(w, "null");
        json_write_array_end(w);
    }
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
static void write_target(json_writer *w, const plan *p, plan_target target)
{
    switch (target.kind) {
    case TARGET_TOPIC:
        json_write_object_begin(w);
        json_write_member_text(w, "type", "string");
        if (p->row->symbol_path != NULL) /* the rest stands beside it */
            json_write_member_bytes(w, "const", td_bytes_of(p->row->pattern, p->topic_bytes));
        else
            write_pattern(w, p->row->pattern);
        json_write_object_end(w);
        return;
    case TARGET_PARAMETER:
    case TARGET_SYMBOL:
        write_part(w, target.kind);
        return;
    case TARGET_KIND:
        write_kinds(w, p);
        return;
    case TARGET_FIELD:
        write_field(w, &p->row->envelope[target.index]);
        return;
    case TARGET_NODE:
        write_node(w, p, &p->nodes[target.index]);
        return;
    }
    TD_ASSERT(!"a target that is none");
}

static void write_node_members(json_writer *w, const plan *p, const plan_node *node)
{
    json_write_member_text(w, "type", "object");
    json_write_key(w, "properties");
    json_write_object_begin(w);
    for (uint32_t i = 0; i < node->keys.count; i++) {
        const key_word *key = &node->keys.keys[i];
        json_write_key_bytes(w, td_bytes_of(key->text, key->bytes));
        write_target(w, p, node->targets[i]);
    }
    /* What entries inherit stands in any object around them but the frame's own. */
    for (size_t i = 0; node != &p->nodes[0] && i < p->row->field_count; i++) {
        if (!(p->row->fields[i].flags & FIELD_INHERITED))
            continue;
        json_write_key(w, p->row->fields[i].key);
        write_field(w, &p->row->fields[i]);
    }
    json_write_object_end(w);
}

/* What the frame itself cannot lack: topic, kind where entries depend on it, and the way to the
 * entries. */
static void write_frame_required(json_writer *w, const plan *p)
{
    const plan_node *root = &p->nodes[0];
    json_write_key(w, "required");
    json_write_array_begin(w);
    for (uint32_t i = 0; i < root->keys.count; i++) {
        target_kind kind = root->targets[i].kind;
        const key_word *key = &root->keys.keys[i];
        if (kind == TARGET_TOPIC || kind == TARGET_NODE || (kind == TARGET_KIND && p->needs_kind))
            json_write_bytes(w, td_bytes_of(key->text, key->bytes));
    }
    json_write_array_end(w);
}

/* What a frame's own object may have. */
static void write_frame(json_writer *w, const plan *p)
{
    write_node_members(w, p, &p->nodes[0]);
    if (has_items(&p->nodes[0])) {
        json_write_key(w, "allOf"); /* it is the entry itself */
        json_write_array_begin(w);
        json_write_object_begin(w);
        json_write_member_text(w, "$ref", "#/$defs/entry");
        json_write_object_end(w);
        json_write_array_end(w);
    }
    write_frame_required(w, p);
}

/* Frames that are lists of events, or one event bare. */
static void write_events(json_writer *w)
{
    json_write_key(w, "anyOf");
    json_write_array_begin(w);
    json_write_object_begin(w);
    json_write_member_text(w, "type", "array");
    json_write_key(w, "items");
    json_write_object_begin(w);
    json_write_member_text(w, "$ref", "#/$defs/event");
    json_write_object_end(w);
    json_write_object_end(w);
    json_write_object_begin(w);
    json_write_member_text(w, "$ref", "#/$defs/event");
    json_write_object_end(w);
    json_write_array_end(w);
}

static void write_schema(json_writer *w, const family *of, const plan *p)
{
    int is_event = p->row->topic_key != NULL;
    char title[256];
    snprintf(title, sizeof title, "%s %s: %s", of->name, p->row->name, p->row->title);
    json_write_object_begin(w);
    json_write_member_text(w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_write_member_text(w, "title", title);
    if (is_event)
        write_events(w);
    else
        write_frame(w, p);
    json_write_key(w, "$defs");
    json_write_object_begin(w);
    if (is_event) {
        json_write_key(w, "event");
        json_write_object_begin(w);
        write_frame(w, p);
        json_write_object_end(w);
    }
    json_write_key(w, "entry");
    if (is_positional(p->row))
        write_array_entry(w, p);
    else
        write_object_entry(w, p);
    json_write_object_end(w);
    json_write_object_end(w);
}

td_result json_schema_write(const family *of, const topic_row *row, td_buf *out, td_err *err)
{
    TD_ASSERT(of != NULL);
    plan *p = NULL;
    td_result rc = plan_open(row, &p, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "JSON Schema of %s", of->name);
    size_t before = out->size;
    json_writer w;
    json_write_begin(&w, out);
    write_schema(&w, of, p);
    plan_close(p);
    rc = json_write_end(&w, err);
    if (rc == TD_OK && out->size - before > JSON_SCHEMA_BYTES_MAX)
        rc = td_err_set(err, TD_E_LIMIT, "JSON Schema of %s %s: %zu bytes, at most %d are allowed",
                        of->name, row->name, out->size - before, JSON_SCHEMA_BYTES_MAX);
    return rc;
}
