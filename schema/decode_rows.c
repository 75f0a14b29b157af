/* The row-driven decoder: any topic, any order of keys, by its plan. Two passes over the checked
 * text: one for what stands around the entries (kind, sequences, time, what is unknown), one for
 * the entries, in the order of the row's items, not of the text. */
#include "base/assert.h"
#include "schema/decode_rows_impl.h"

/* 1 if the frame's topic is the one that it is filed under. */
static int is_own_topic(const rows *r, td_bytes text)
{
    topic_match found;
    const topic_row *row = r->p->row;
    if (row->symbol_path != NULL) /* the rest of it stands elsewhere */
        return td_bytes_equal(text, td_bytes_of((const uint8_t *)row->pattern, r->p->topic_bytes));
    return topic_match_text(row, 1, text, TOPIC_ANY_TIME, &found) &&
           td_bytes_equal(found.topic, r->topic->topic) &&
           (td_bytes_equal(found.symbol, r->topic->symbol) || td_bytes_is(r->topic->symbol, "*"));
}

static int check_topic(rows *r, json_value value, const char *key)
{
    td_bytes text;
    if (!json_text(value, &text))
        return rows_refuse_value(r, DECODE_WRONG_TYPE, value, key);
    return is_own_topic(r, text) || rows_refuse_value(r, DECODE_TOPIC_MISMATCH, value, key);
}

/* The value that a path of keys leads to, through objects only. */
static int find_path(json_value root, const char *path, json_value *out)
{
    *out = root;
    for (;;) {
        size_t size = strcspn(path, ".");
        if (!json_find_key(*out, td_bytes_of(path, size), out))
            return 0;
        if (path[size] == '\0')
            return 1;
        path += size + 1;
    }
}

/* A part of the topic that stands elsewhere in the frame: text, or a number's digits. */
static int check_part(rows *r, const char *path, td_bytes wanted)
{
    json_value value;
    td_bytes text;
    if (path == NULL)
        return 1;
    if (!find_path(r->root, path, &value))
        return rows_refuse(r, DECODE_MISSING_FIELD, 0, path);
    if (!json_text(value, &text))
        text = json_raw(value);
    return td_bytes_equal(text, wanted) || rows_refuse_value(r, DECODE_TOPIC_MISMATCH, value, path);
}

static int check_parts(rows *r)
{
    const topic_row *row = r->p->row;
    td_bytes topic = r->topic->topic;
    td_bytes parameter = td_bytes_of(NULL, 0);
    if (topic.size > r->p->topic_bytes)
        parameter =
            td_bytes_of(topic.data + r->p->topic_bytes + 1, topic.size - r->p->topic_bytes - 1u);
    return check_part(r, row->parameter_path, parameter) &&
           (td_bytes_is(r->topic->symbol, "*") ||
            check_part(r, row->symbol_path, r->topic->symbol));
}

/* The topic of a list of events, or of one that comes bare. */
static int check_events(rows *r, const char *key)
{
    json_value event;
    json_value value;
    if (json_type_of(r->root) == JSON_OBJECT)
        return json_find(r->root, key, &value) ? check_topic(r, value, key)
                                               : rows_refuse(r, DECODE_MISSING_FIELD, 0, key);
    for (json_iter it = json_iter_of(r->root); json_next(&it, NULL, &event);) {
        if (!json_find(event, key, &value))
            return rows_refuse_value(r, DECODE_MISSING_FIELD, event, key);
        if (!check_topic(r, value, key))
            return 0;
    }
    return 1;
}

/* Can frames of this kind have entries? */
static int has_items_of(const topic_row *row, frame_kind kind)
{
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        if (row->items[i].kind == FRAME_ANY || row->items[i].kind == kind)
            return 1;
    return 0;
}

static int refuse_missing_kind(rows *r)
{
    return rows_refuse(r, DECODE_MISSING_FIELD, 0, rows_kind_key(r));
}

/* Topic and kind, wherever they stand: the rest depends on them. */
static int read_identity(rows *r)
{
    json_value value = r->root;
    const topic_row *row = r->p->row;
    json_type type = json_type_of(r->root);
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return rows_refuse(r, DECODE_NOT_JSON, 0, NULL);
    if (row->topic_key != NULL) {
        if (!check_events(r, row->topic_key))
            return 0;
    } else {
        if (type != JSON_OBJECT || !json_find(r->root, "topic", &value))
            return rows_refuse(r, DECODE_MISSING_FIELD, 0, "topic");
        if (!check_topic(r, value, "topic") || !check_parts(r))
            return 0;
    }
    if (find_path(r->root, rows_kind_key(r), &value) && !decode_kind(value, &r->head.kind))
        return rows_refuse_value(r, DECODE_BAD_KIND, value, rows_kind_key(r));
    if (r->head.kind == FRAME_UNTYPED)
        r->head.kind = row->default_kind;
    if (has_items_of(row, r->head.kind))
        return 1;
    if (r->head.kind == FRAME_UNTYPED)
        return refuse_missing_kind(r);
    return rows_refuse_value(r, DECODE_BAD_KIND, value, rows_kind_key(r));
}

int rows_add_value(rows *r, const msg_value *value)
{
    TD_ASSERT(value->type != VALUE_ABSENT);
    decoder *d = r->d;
    if (!decoder_grow((void **)&d->values, &d->value_capacity, r->value_count, sizeof *d->values))
        return rows_refuse(r, DECODE_NO_MEMORY, 0, NULL);
    d->values[r->value_count++] = *value;
    return 1;
}

void rows_note_symbol(rows *r, td_bytes symbol)
{
    td_bytes own = r->topic->symbol;
    if (own.size != 0 && !td_bytes_is(own, "*")) {
        r->head.foreign_symbols += !r->p->has_coin && !td_bytes_equal(symbol, own);
        return;
    }
    if (!r->symbol_is_set)
        r->head.symbol = symbol;
    else if (!td_bytes_equal(symbol, r->head.symbol))
        r->head.symbol = td_bytes_str("*");
    r->symbol_is_set = 1;
}

int64_t *rows_head_number(msg_head *head, msg_member member, uint8_t **has)
{
    if (member == MEMBER_CROSS_SEQ) {
        *has = &head->has_cross_seq;
        return &head->cross_seq;
    }
    if (member == MEMBER_U) {
        *has = &head->has_u;
        return &head->u;
    }
    *has = &head->has_seq;
    return member == MEMBER_SEQ ? &head->seq : NULL;
}

/* Append a value of the envelope, in the row's order whatever that of the text. */
static int add_envelope(rows *r, uint32_t index, const msg_value *value)
{
    TD_ASSERT(r->value_count < TOPIC_ENVELOPE_MAX);
    if (!rows_add_value(r, value))
        return 0;
    msg_value *values = r->d->values;
    size_t at = r->value_count - 1;
    for (; at > 0 && r->envelope_order[at - 1] > index; at--) {
        values[at] = values[at - 1];
        r->envelope_order[at] = r->envelope_order[at - 1];
    }
    values[at] = *value;
    r->envelope_order[at] = (uint8_t)index;
    return 1;
}

/* An envelope's value: into the head if that has a place for it. The first counts, where a list
 * lies on the way. */
static int take_envelope(rows *r, uint32_t index, json_value json)
{
    msg_value value;
    const field_row *field = &r->p->row->envelope[index];
    TD_ASSERT(index < TOPIC_ENVELOPE_MAX);
    if (r->envelope_seen & (1u << index)) {
        r->head.unknown_fields++;
        return 1;
    }
    r->envelope_seen |= 1u << index;
    if (!decode_field(r->d, field, json, &value, r->why))
        return 0;
    msg_head *head = &r->head;
    uint8_t *has = NULL;
    int64_t *number = rows_head_number(head, value.member, &has);
    switch (value.type) {
    case VALUE_ABSENT:
        return 1;
    case VALUE_TIME_NS:
        if (value.member == r->p->row->time_member)
            head->exchange_ns = value.as.time_ns;
        else if (value.member == MEMBER_MATCH_TIME)
            head->match_ns = value.as.time_ns;
        else
            break;
        return 1;
    case VALUE_INTEGER:
        if (number == NULL)
            break;
        *number = value.as.integer;
        *has = 1;
        return 1;
    case VALUE_TEXT:
        if (value.member == MEMBER_VERSION)
            head->version = value.as.text; /* a value as well: books alone have no others */
        if (value.member == MEMBER_SYMBOL) {
            rows_note_symbol(r, value.as.text);
            return 1;
        }
        break;
    case VALUE_DECIMAL:
    case VALUE_BOOL:
    case VALUE_SIDE:
    case VALUE_JSON:
    case VALUE_BIG_DECIMAL:
        break;
    }
    return add_envelope(r, index, &value);
}

static int walk_node(rows *r, plan_node *node, json_value value);

/* One member of an object on the way to entries. */
static int walk_member(rows *r, plan_node *node, uint32_t key, json_value element)
{
    plan_target target = node->targets[key];
    switch (target.kind) {
    case TARGET_TOPIC:
    case TARGET_PARAMETER:
    case TARGET_SYMBOL:
    case TARGET_KIND:
        return 1; /* read before */
    case TARGET_FIELD:
        return take_envelope(r, target.index, element);
    case TARGET_NODE:
        return walk_node(r, &r->p->nodes[target.index], element);
    }
    TD_ASSERT(!"a target that is none");
    return 0;
}

/* An object on the way: each member where the plan leads it, the rest counted. */
static int walk_object(rows *r, plan_node *node, json_value object)
{
    json_value key;
    json_value element;
    uint32_t place = 0;
    uint32_t seen = 0; /* a bit for each key: what stands twice counts as unknown */
    _Static_assert(PLAN_NODE_KEYS_MAX <= 32, "a bit for each key of a node");
    for (json_iter it = json_iter_of(object); json_next(&it, &key, &element); place++) {
        td_bytes text;
        int is_text = json_text(key, &text);
        TD_ASSERT(is_text);
        uint32_t found = key_set_find_text(&node->keys, place, text);
        if (found == KEY_NONE || (seen & (1u << found))) {
            int is_inherited = node != &r->p->nodes[0] && found == KEY_NONE &&
                               key_set_find_text(&r->p->around, place, text) != KEY_NONE;
            r->head.unknown_fields += !is_inherited;
            continue;
        }
        seen |= 1u << found;
        if (!walk_member(r, node, found, element))
            return 0;
    }
    return 1;
}

/* A value on the way: note entries for the second pass, or look into it. */
static int walk_node(rows *r, plan_node *node, json_value value)
{
    TD_ASSERT(r->head.kind < FRAME_ANY);
    int items = node->items[r->head.kind];
    int is_list = items != PLAN_NO_ITEMS && (r->p->row->items[items].flags & ITEMS_LIST) != 0;
    if (items != PLAN_NO_ITEMS && !(is_list && json_type_of(value) == JSON_OBJECT)) {
        if (r->items_seen[items]++ == 0)
            r->items_at[items] = value;
        return 1;
    }
    json_value element;
    switch (json_type_of(value)) {
    case JSON_OBJECT:
        return walk_object(r, node, value);
    case JSON_ARRAY:
        for (json_iter it = json_iter_of(value); json_next(&it, NULL, &element);)
            if (!walk_node(r, node, element))
                return 0;
        return 1;
    case JSON_NULL:
        return 1;
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING:
        break;
    }
    return rows_refuse_value(r, DECODE_WRONG_TYPE, value, NULL);
}

/* Required fields of the envelope have to be there; what they say was read by then. */
static int check_envelope(rows *r)
{
    const topic_row *row = r->p->row;
    json_value value;
    for (size_t i = 0; i < row->envelope_count; i++)
        if ((row->envelope[i].flags & FIELD_REQUIRED) &&
            !find_path(r->root, row->envelope[i].key, &value))
            return rows_refuse(r, DECODE_MISSING_FIELD, 0, row->envelope[i].key);
    return 1;
}

/* Check the whole text. */
static int parse_frame(rows *r, td_bytes frame)
{
    td_result rc = json_parse(r->d->parser, frame, JSON_PADDED, &r->root, NULL);
    json_error error = json_parse_error(r->d->parser);
    return rc == TD_OK || rows_refuse(r, decode_json_reason(rc, &error), error.offset, NULL);
}

/* Values moved while they grew: now that they stay, let the items point to theirs. */
static void publish(const rows *r, message *out)
{
    decoder *d = r->d;
    const msg_value *values = d->values == NULL ? NULL : d->values + r->envelope_count;
    for (size_t i = 0; i < r->item_count; i++) {
        d->items[i].values = values;
        values += d->items[i].value_count;
    }
    TD_ASSERT(r->item_count == 0 || values == d->values + r->value_count);
    out->record = (msg_record){
        .head = r->head,
        .values = d->values,
        .value_count = r->envelope_count,
        .items = d->items,
        .item_count = r->item_count,
    };
    out->is_record = 1;
    out->beside = NULL;
}

int decode_rows(decoder *d, plan *p, const topic_match *topic, td_bytes frame, message *out,
                decode_error *why)
{
    TD_ASSERT(p->row == topic->row);
    d->json_texts_bytes = 0;
    rows r = {.d = d, .p = p, .topic = topic, .why = why};
    decode_head_init(&r.head, topic);
    if (!parse_frame(&r, frame) || !read_identity(&r) || !walk_node(&r, &p->nodes[0], r.root) ||
        !check_envelope(&r))
        return 0;
    r.envelope_count = r.value_count;
    if (!rows_read_items(&r))
        return 0;
    publish(&r, out);
    return 1;
}
