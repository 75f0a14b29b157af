/* The row-driven decoder: any topic, any order of keys, by its plan. Two passes over the checked
 * text: one for what stands around the entries (kind, sequences, time, what is unknown), one for
 * the entries, in the order of the row's items, not of the text. */
#include <stdio.h>

#include "base/assert.h"
#include "schema/decode_impl.h"

typedef struct rows {
    decoder *d;
    plan *p;
    const topic_match *topic;
    decode_error *why;
    msg_head head;
    size_t value_count; /* in d->values: the envelope's, then each entry's, one behind the other */
    size_t envelope_count;
    size_t item_count;
    /* Where the entries of each of the row's items stand, as the first pass found them. */
    json_value items_at[TOPIC_ITEMS_MAX];
    uint32_t items_seen[TOPIC_ITEMS_MAX]; /* how often: more than once behind arrays only */
    uint8_t symbol_is_set;
    json_value root;
} rows;

static int refuse(rows *r, decode_reason reason, size_t offset, const char *field)
{
    *r->why = (decode_error){.reason = reason, .offset = offset, .field = field};
    return 0;
}

static int refuse_value(rows *r, decode_reason reason, json_value value, const char *field)
{
    return refuse(r, reason, json_offset(value), field);
}

/* Is a frame's topic the one that it is filed under? */
static int check_topic(rows *r, json_value value)
{
    td_bytes text;
    topic_match found;
    if (!json_text(value, &text))
        return refuse_value(r, DECODE_WRONG_TYPE, value, "topic");
    if (!topic_match_text(r->topic->row, 1, text, TOPIC_ANY_TIME, &found) ||
        !td_bytes_equal(found.topic, r->topic->topic))
        return refuse_value(r, DECODE_TOPIC_MISMATCH, value, "topic");
    if (!td_bytes_equal(found.symbol, r->topic->symbol) && !td_bytes_is(r->topic->symbol, "*"))
        return refuse_value(r, DECODE_TOPIC_MISMATCH, value, "topic");
    return 1;
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

static const char *kind_key(const rows *r)
{
    return r->p->row->kind_key == NULL ? "type" : r->p->row->kind_key;
}

/* Topic and kind, wherever they stand: the rest depends on them. */
static int read_identity(rows *r)
{
    json_value value;
    if (json_type_of(r->root) == JSON_OBJECT) {
        if (!json_find(r->root, "topic", &value))
            return refuse(r, DECODE_MISSING_FIELD, 0, "topic");
        if (!check_topic(r, value))
            return 0;
    } else if (json_type_of(r->root) != JSON_ARRAY) {
        return refuse(r, DECODE_NOT_JSON, 0, NULL);
    }
    if (!find_path(r->root, kind_key(r), &value))
        return 1;
    return decode_kind(value, &r->head.kind) ||
           refuse_value(r, DECODE_WRONG_TYPE, value, kind_key(r));
}

/* Append to the values of the frame. They lie in one array that may move while it grows. */
static int add_value(rows *r, const msg_value *value)
{
    TD_ASSERT(value->type != VALUE_ABSENT);
    decoder *d = r->d;
    if (!decoder_grow((void **)&d->values, &d->value_capacity, r->value_count, sizeof *d->values))
        return refuse(r, DECODE_LIMIT, 0, NULL);
    d->values[r->value_count++] = *value;
    return 1;
}

/* An envelope's value: into the head if that has a place for it. */
static int take_envelope(rows *r, const field_row *field, json_value json)
{
    msg_value value;
    if (!decode_field(field, json, &value, r->why))
        return 0;
    if (value.type == VALUE_ABSENT)
        return 1;
    msg_head *head = &r->head;
    if (value.member == r->p->row->time_member && value.type == VALUE_TIME_NS) {
        head->exchange_ns = value.as.time_ns;
    } else if (value.member == MEMBER_CROSS_SEQ && value.type == VALUE_INTEGER) {
        head->cross_seq = value.as.integer;
        head->has_cross_seq = 1;
    } else if (value.member == MEMBER_U && value.type == VALUE_INTEGER) {
        head->u = value.as.integer;
        head->has_u = 1;
    } else if (value.member == MEMBER_SEQ && value.type == VALUE_INTEGER) {
        head->seq = value.as.integer;
        head->has_seq = 1;
    } else {
        if (value.member == MEMBER_VERSION && value.type == VALUE_TEXT)
            head->version = value.as.text; /* a value as well: books alone have no others */
        return add_value(r, &value);
    }
    return 1;
}

static int walk_node(rows *r, plan_node *node, json_value value);

/* One member of an object on the way to entries. */
static int walk_member(rows *r, plan_node *node, uint32_t key, json_value element)
{
    plan_target target = node->targets[key];
    switch (target.kind) {
    case TARGET_TOPIC:
    case TARGET_KIND:
        return 1; /* read before */
    case TARGET_FIELD:
        return take_envelope(r, &r->p->row->envelope[target.index], element);
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
            r->head.unknown_fields++;
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
    if (items != PLAN_NO_ITEMS) {
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
    return refuse_value(r, DECODE_WRONG_TYPE, value, NULL);
}

/* ---- entries ---- */

/* The fields of an entry as they were found, before any is read. */
typedef struct slots {
    uint32_t token[TOPIC_FIELDS_MAX]; /* 0: not there */
} slots;

/* 1 if field i gives way to a twin that has a value: a preferred one, else the one further up. */
static int gives_way(const rows *r, const slots *s, size_t i, const msg_value *values)
{
    const topic_row *row = r->p->row;
    unsigned own = row->fields[i].flags & FIELD_PREFERRED;
    for (size_t j = 0; j < row->field_count; j++) {
        unsigned other = row->fields[j].flags & FIELD_PREFERRED;
        if (j == i || row->fields[j].member != row->fields[i].member || s->token[j] == 0 ||
            values[j].type == VALUE_ABSENT)
            continue;
        if (other > own || (other == own && j < i))
            return 1;
    }
    return 0;
}

/* Does an entry have what the row wants? By member: any of its spellings will do. */
static int check_required(rows *r, const msg_value *values, size_t count, msg_action action,
                          size_t offset)
{
    const topic_row *row = r->p->row;
    for (size_t i = 0; i < row->field_count; i++) {
        const field_row *field = &row->fields[i];
        int is_required = (field->flags & FIELD_REQUIRED) ||
                          ((field->flags & FIELD_REQUIRED_TO_SET) && action != ACTION_DELETE);
        if (is_required && msg_value_find(values, count, field->member) == NULL)
            return refuse(r, DECODE_MISSING_FIELD, offset, field->key);
    }
    return 1;
}

/* Read the fields that were found, preferred ones first, and append what they say in the row's
 * order. */
static int read_slots(rows *r, const slots *s)
{
    const topic_row *row = r->p->row;
    msg_value values[TOPIC_FIELDS_MAX];
    for (size_t i = 0; i < row->field_count; i++)
        values[i].type = VALUE_ABSENT;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < row->field_count; i++) {
            int is_first = (row->fields[i].flags & FIELD_PREFERRED) || !r->p->has_rival[i];
            if (is_first != (pass == 0))
                continue;
            if (s->token[i] == 0 || (pass == 1 && gives_way(r, s, i, values)))
                continue;
            json_value value = {r->root.parser, s->token[i]};
            if (!decode_field(&row->fields[i], value, &values[i], r->why))
                return 0;
        }
    }
    for (size_t i = 0; i < row->field_count; i++)
        if (values[i].type != VALUE_ABSENT && !add_value(r, &values[i]))
            return 0;
    return 1;
}

/* What an entry says beyond its own fields: the symbol that it names, its part in sequences and
 * time. */
static void note_entry(rows *r, const msg_value *values, size_t count)
{
    const msg_value *symbol = msg_value_find(values, count, MEMBER_SYMBOL);
    if (symbol != NULL && r->topic->symbol.size != 0 && !td_bytes_is(r->topic->symbol, "*")) {
        r->head.foreign_symbols += !td_bytes_equal(symbol->as.text, r->topic->symbol);
    } else if (symbol != NULL) {
        if (!r->symbol_is_set)
            r->head.symbol = symbol->as.text;
        else if (!td_bytes_equal(symbol->as.text, r->head.symbol))
            r->head.symbol = td_bytes_str("*");
        r->symbol_is_set = 1;
    }
    if (r->item_count > 0)
        return;
    const msg_value *time = msg_value_find(values, count, r->p->row->time_member);
    if (time != NULL && time->type == VALUE_TIME_NS && r->head.exchange_ns == 0)
        r->head.exchange_ns = time->as.time_ns;
    const msg_value *seq = msg_value_find(values, count, MEMBER_CROSS_SEQ);
    if (seq != NULL && r->p->row->sequence == SEQ_ITEM && !r->head.has_cross_seq) {
        r->head.cross_seq = seq->as.integer;
        r->head.has_cross_seq = 1;
    }
}

/* Bids and asks of positional books: the path says the side. */
static int add_side_of_path(rows *r, const items_row *items)
{
    msg_value side = {.member = MEMBER_SIDE, .type = VALUE_SIDE};
    if (items->flags & ITEMS_BUY)
        side.as.side = SIDE_BUY;
    else if (items->flags & ITEMS_SELL)
        side.as.side = SIDE_SELL;
    else
        return 1;
    return add_value(r, &side);
}

/* What an entry does: what its path says, but for a size of 0 where that deletes. */
static msg_action entry_action(const items_row *items, const msg_value *values, size_t count)
{
    const msg_value *size = msg_value_find(values, count, MEMBER_SIZE);
    int is_zero = size != NULL && size->type == VALUE_DECIMAL && size->as.decimal.mantissa == 0;
    return (items->flags & ITEMS_ZERO_DELETES) && is_zero ? ACTION_DELETE : items->action;
}

/* One entry from the fields that were found. */
static int add_entry(rows *r, const items_row *items, const slots *s, size_t offset)
{
    decoder *d = r->d;
    size_t first = r->value_count;
    TD_ASSERT(r->item_count <= LIMIT_FRAME_ITEMS);
    TD_ASSERT(first >= r->envelope_count);
    if (r->item_count == LIMIT_FRAME_ITEMS)
        return refuse(r, DECODE_LIMIT, offset, NULL);
    if (!read_slots(r, s) || !add_side_of_path(r, items))
        return 0;
    const msg_value *values = d->values == NULL ? NULL : d->values + first;
    size_t count = r->value_count - first;
    msg_action action = entry_action(items, values, count);
    if (!check_required(r, values, count, action, offset))
        return 0;
    note_entry(r, values, count);
    if (!decoder_grow((void **)&d->items, &d->item_capacity, r->item_count, sizeof *d->items))
        return refuse(r, DECODE_LIMIT, offset, NULL);
    d->items[r->item_count++] = (msg_item){.action = action, .value_count = count};
    return 1;
}

/* An entry that is an object: its fields by their keys. */
static int read_object_entry(rows *r, const items_row *items, json_value entry)
{
    slots s = {{0}};
    json_value key;
    json_value element;
    uint32_t place = 0;
    for (json_iter it = json_iter_of(entry); json_next(&it, &key, &element); place++) {
        td_bytes text;
        int is_text = json_text(key, &text);
        TD_ASSERT(is_text);
        uint32_t found = key_set_find_text(&r->p->entry, place, text);
        if (found == KEY_NONE || s.token[found] != 0)
            r->head.unknown_fields++;
        else
            s.token[found] = element.token;
    }
    return add_entry(r, items, &s, json_offset(entry));
}

/* An entry that is an array: its fields by their places. */
static int read_array_entry(rows *r, const items_row *items, json_value entry)
{
    slots s = {{0}};
    json_value element;
    char text[16];
    unsigned place = 0;
    for (json_iter it = json_iter_of(entry); json_next(&it, NULL, &element); place++) {
        int length = snprintf(text, sizeof text, "%u", place);
        TD_ASSERT(length > 0);
        uint32_t found = key_set_find_text(&r->p->entry, place, td_bytes_of(text, (size_t)length));
        if (found == KEY_NONE)
            r->head.unknown_fields++;
        else
            s.token[found] = element.token;
    }
    return add_entry(r, items, &s, json_offset(entry));
}

/* What stands at the end of a path: entries, or one. */
static int read_entries(rows *r, const items_row *items, json_value value)
{
    json_value element;
    int is_positional = (items->flags & ITEMS_POSITIONAL) != 0;
    switch (json_type_of(value)) {
    case JSON_NULL:
        return 1;
    case JSON_OBJECT:
        if (is_positional)
            break;
        return read_object_entry(r, items, value);
    case JSON_ARRAY:
        for (json_iter it = json_iter_of(value); json_next(&it, NULL, &element);) {
            json_type wanted = is_positional ? JSON_ARRAY : JSON_OBJECT;
            if (json_type_of(element) != wanted)
                return refuse_value(r, DECODE_WRONG_TYPE, element, items->path);
            if (!(is_positional ? read_array_entry : read_object_entry)(r, items, element))
                return 0;
        }
        return 1;
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING:
        break;
    }
    return refuse_value(r, DECODE_WRONG_TYPE, value, items->path);
}

/* Follow the rest of a path, through arrays as well. */
static int follow_items(rows *r, const items_row *items, const char *path, json_value value)
{
    json_value element;
    if (path[0] == '\0')
        return read_entries(r, items, value);
    if (json_type_of(value) == JSON_ARRAY) {
        for (json_iter it = json_iter_of(value); json_next(&it, NULL, &element);)
            if (!follow_items(r, items, path, element))
                return 0;
        return 1;
    }
    size_t size = strcspn(path, ".");
    if (!json_find_key(value, td_bytes_of(path, size), &element))
        return 1;
    return follow_items(r, items, path[size] == '.' ? path + size + 1 : path + size, element);
}

/* Nothing stands at the end of a path. That is fine for a list that may be left out, but a frame
 * without even the first key ("data") is none of this topic. */
static int accept_absence(rows *r, const items_row *items)
{
    json_value value;
    td_bytes first = td_bytes_of(items->path, strcspn(items->path, "."));
    if ((items->flags & ITEMS_REQUIRED) || !json_find_key(r->root, first, &value))
        return refuse(r, DECODE_MISSING_FIELD, 0, items->path);
    return 1;
}

/* The entries of the frame, in the order of the row's items. */
static int read_items(rows *r)
{
    const topic_row *row = r->p->row;
    int has_any = 0;
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        const items_row *items = &row->items[i];
        if (items->kind != FRAME_ANY && items->kind != r->head.kind)
            continue;
        has_any = 1;
        int is_read = r->items_seen[i] == 0   ? accept_absence(r, items)
                      : r->items_seen[i] == 1 ? read_entries(r, items, r->items_at[i])
                                              : follow_items(r, items, items->path, r->root);
        if (!is_read)
            return 0;
    }
    return has_any || refuse(r, DECODE_MISSING_FIELD, 0, kind_key(r));
}

/* Required fields of the envelope have to be there; what they say was read by then. */
static int check_envelope(rows *r)
{
    const topic_row *row = r->p->row;
    json_value value;
    for (size_t i = 0; i < row->envelope_count; i++)
        if ((row->envelope[i].flags & FIELD_REQUIRED) &&
            !find_path(r->root, row->envelope[i].key, &value))
            return refuse(r, DECODE_MISSING_FIELD, 0, row->envelope[i].key);
    return 1;
}

/* Check the whole text. */
static int parse_frame(rows *r, td_bytes frame)
{
    td_result rc = json_parse(r->d->parser, frame, JSON_PADDED, &r->root, NULL);
    if (rc == TD_OK)
        return 1;
    json_error error = json_parse_error(r->d->parser);
    return refuse(r, rc == TD_E_INVALID ? DECODE_NOT_JSON : DECODE_LIMIT, error.offset, NULL);
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
}

int decode_rows(decoder *d, plan *p, const topic_match *topic, td_bytes frame, message *out,
                decode_error *why)
{
    TD_ASSERT(p->row == topic->row);
    rows r = {.d = d, .p = p, .topic = topic, .why = why};
    decode_head_init(&r.head, topic);
    if (!parse_frame(&r, frame) || !read_identity(&r) || !walk_node(&r, &p->nodes[0], r.root) ||
        !check_envelope(&r))
        return 0;
    r.envelope_count = r.value_count;
    if (!read_items(&r))
        return 0;
    publish(&r, out);
    return 1;
}
