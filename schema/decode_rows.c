/* Two passes over the validated text: the first reads everything except the entries (kind,
 * sequences, time, unknown members); the second reads the entries, in the order of the row's items,
 * which may differ from the order of the text. */
#include "schema/decode_rows.h"
#include "schema/exchange.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

/* A frame while it is decoded. */
typedef struct rows {
    decode_frame f;
    row_decoder *d;
    decode_error *why;
    size_t place_count; /* number of values read as a list of entries or as a single entry */
    /* For each of the row's items: the value at its path, found by the first pass. */
    json_value items_at[TOPIC_ITEMS_MAX];
    uint32_t items_seen[TOPIC_ITEMS_MAX]; /* how often the path occurred; more than once only inside
                                             arrays */
    uint8_t symbol_is_set;
    json_value root;
    size_t frame_bytes;
    size_t found_count; /* number of fields found in all entries so far */
} rows;

/* Report what is wrong and where. Returns 0. */
static inline int refuse(rows *r, decode_reason reason, size_t offset, const char *field)
{
    *r->why = (decode_error){.reason = reason, .offset = offset, .field = field};
    return 0;
}

static inline int refuse_value(rows *r, decode_reason reason, json_value value, const char *field)
{
    return refuse(r, reason, json_offset(value), field);
}

/* ---- surveys ---- */

/* List a member of the frame. */
static void list_member(rows *r, survey_what what, size_t place, size_t index, uint32_t token)
{
    row_decoder *d = r->d;
    if (TD_LIKELY(!d->surveys))
        return;
    td_array_ensure((void **)&d->members, &d->member_capacity, d->member_count, sizeof *d->members);
    d->members[d->member_count++] =
        (survey_member){token, (uint8_t)place, (uint8_t)what, (uint16_t)index};
}

/* Count a member of the object at a path that is unknown, repeated, or an unreadable time. */
static void count_unexpected(rows *r, unexpected_what what, td_bytes at, td_bytes key)
{
    row_decoder *d = r->d;
    r->f.head.unknown_fields++;
    if (TD_LIKELY(!d->surveys))
        return;
    for (size_t i = 0; i < d->unexpected_count; i++)
        if (d->unexpected[i].what == what && td_bytes_equal(d->unexpected[i].key, key) &&
            td_bytes_equal(d->unexpected[i].at, at))
            return;
    if (d->unexpected_count < LIMIT_SURVEY_UNEXPECTED)
        d->unexpected[d->unexpected_count++] = (survey_unexpected){what, at, key};
    else
        d->unexpected_left_out++;
}

/* Count a member that is no field, or a field that the object had before. */
static void count_member(rows *r, uint32_t found, td_bytes at, td_bytes key)
{
    count_unexpected(r, found == KEY_NONE ? UNEXPECTED_UNKNOWN : UNEXPECTED_REPEATED, at, key);
}

/* The path of the entries of one of the row's items. */
static td_bytes items_path(const items_row *items)
{
    return td_bytes_str(items->path);
}

/* ---- around the entries ---- */

static int check_topic(rows *r, json_value value, const char *key)
{
    td_bytes text;
    if (!json_text(value, &text))
        return refuse_value(r, DECODE_WRONG_TYPE, value, key);
    return decode_plan_is_topic(r->f.p, r->f.topic, text) ||
           refuse_value(r, DECODE_TOPIC_MISMATCH, value, key);
}

/* Check a part of the topic that is in another member: a string, or a number as written. */
static int check_part(rows *r, json_value value, const char *path, td_bytes wanted)
{
    td_bytes text;
    if (!json_text(value, &text))
        text = json_raw(value);
    return td_bytes_equal(text, wanted) || refuse_value(r, DECODE_TOPIC_MISMATCH, value, path);
}

/* Find and check it. */
static int find_part(rows *r, const char *path, td_bytes wanted)
{
    json_value value;
    if (path == NULL)
        return 1;
    return json_find_first(r->root, path, &value) ? check_part(r, value, path, wanted)
                                                  : refuse(r, DECODE_MISSING_FIELD, 0, path);
}

static int check_parts(rows *r)
{
    const topic_row *row = r->f.p->row;
    return find_part(r, row->parameter_path, decode_plan_parameter(r->f.p, r->f.topic)) &&
           (td_bytes_is(r->f.topic->symbol, "*") ||
            find_part(r, row->symbol_path, r->f.topic->symbol));
}

/* Check the topic of each event in a list, or of a single event. */
static int check_events(rows *r, const char *key)
{
    json_value event;
    json_value value;
    if (json_type_of(r->root) == JSON_OBJECT)
        return json_find(r->root, key, &value) ? check_topic(r, value, key)
                                               : refuse(r, DECODE_MISSING_FIELD, 0, key);
    for (json_iter it = json_iter_of(r->root); json_next(&it, NULL, &event);) {
        if (!json_find(event, key, &value))
            return refuse_value(r, DECODE_MISSING_FIELD, event, key);
        if (!check_topic(r, value, key))
            return 0;
    }
    return 1;
}

/* 1 if frames of this kind can have entries. */
static int has_items_of(const topic_row *row, frame_kind kind)
{
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        if (row->items[i].kind == FRAME_ANY || row->items[i].kind == kind)
            return 1;
    return 0;
}

/* Read the frame's kind from the member kind_key; null and "" count as absent. Returns 0 if the
 * text is no known kind. */
static int read_kind(rows *r, json_value value)
{
    int is_true;
    td_bytes text;
    if (json_is_null(value))
        return 1;
    if (json_bool(value, &is_true))
        text = json_raw(value);
    else if (!json_text(value, &text))
        return 0;
    if (text.size == 0)
        return 1;
    uint32_t word = key_set_find_text(&r->f.p->kinds, 0, text);
    if (word == KEY_NONE)
        return 0;
    r->f.head.kind = r->f.p->kind_words[word].kind;
    return 1;
}

/* Read topic and kind first, wherever they are in the frame: the rest depends on them. */
static int read_identity(rows *r)
{
    json_value value = r->root;
    const topic_row *row = r->f.p->row;
    const json_type type = json_type_of(r->root);
    const char *topic_key = topic_row_topic_key(row);
    const char *kind_key = topic_row_kind_key(row);
    if (row->is_event) {
        if (!check_events(r, topic_key))
            return 0;
    } else if (topic_key[0] != '\0') {
        const int is_there = type == JSON_OBJECT && json_find_path(r->root, topic_key, &value);
        /* An answer about orders may lack the op: its channel has it. */
        if (!is_there && (type != JSON_OBJECT || row->type != MSG_ORDER_ENTRY))
            return refuse(r, DECODE_MISSING_FIELD, 0, topic_key);
        if (is_there && (!check_topic(r, value, topic_key) || !check_parts(r)))
            return 0;
    }
    if (row->snapshot_path != NULL && json_find_first(r->root, row->snapshot_path, &value))
        r->f.head.kind = FRAME_SNAPSHOT;
    else if (json_find_first(r->root, kind_key, &value) && !read_kind(r, value))
        return refuse_value(r, DECODE_BAD_KIND, value, kind_key);
    if (r->f.head.kind == FRAME_UNTYPED)
        r->f.head.kind = row->default_kind;
    if (has_items_of(row, r->f.head.kind))
        return 1;
    if (r->f.head.kind == FRAME_UNTYPED)
        return refuse(r, DECODE_MISSING_FIELD, 0, kind_key);
    return refuse_value(r, DECODE_BAD_KIND, value, kind_key);
}

/* Use a symbol that an entry names, or that the frame names outside its topic. Returns 0 for
 * another value. */
static int note_symbol(rows *r, const msg_value *value)
{
    if (value->type != VALUE_TEXT || value->member != MEMBER_SYMBOL)
        return 0;
    msg_head_note_symbol(&r->f.head, r->f.topic->symbol, r->f.p->has_coin, &r->symbol_is_set,
                         value->as.text);
    return 1;
}

/* Read a value of the envelope, into the head if the head has a member for it. If the path leads
 * through a list, the first value counts. */
static int read_envelope(rows *r, uint32_t index, json_value json)
{
    msg_value value;
    const field_row *field = &r->f.p->row->envelope[index];
    TD_ASSERT(index < TOPIC_ENVELOPE_MAX);
    if (r->f.envelope_seen & (1u << index)) {
        count_unexpected(r, UNEXPECTED_REPEATED, td_bytes_of(NULL, 0), td_bytes_str(field->key));
        return 1;
    }
    r->f.envelope_seen |= 1u << index;
    list_member(r, SURVEY_FIELD, SURVEY_ENVELOPE, index, json.token);
    if (!decode_field(r->d->texts, field, json, &value, r->why))
        return 0;
    if (!note_symbol(r, &value))
        decode_note_envelope(&r->f, index, &value);
    return 1;
}

/* read_identity() has read the first symbol and kind of a frame. If their path leads through a list
 * (Coinbase: events.product_id), the others must be the same: their entries are applied together.
 */
static int check_same_symbol(rows *r, json_value value)
{
    return td_bytes_is(r->f.topic->symbol, "*") ||
           check_part(r, value, r->f.p->row->symbol_path, r->f.topic->symbol);
}

static int check_same_kind(rows *r, json_value value)
{
    const topic_row *row = r->f.p->row;
    const frame_kind first = r->f.head.kind;
    if (row->is_event || row->snapshot_path != NULL)
        return 1;
    return (read_kind(r, value) && r->f.head.kind == first) ||
           refuse_value(r, DECODE_BAD_KIND, value, topic_row_kind_key(row));
}

static int walk_node(rows *r, plan_node *node, json_value value);

/* Process one member of an object on the path to entries. */
static int walk_member(rows *r, plan_node *node, uint32_t key, json_value element)
{
    plan_target target = node->targets[key];
    switch (target.kind) {
    case TARGET_TOPIC:
    case TARGET_PARAMETER:
        return 1; /* read_identity() has read it */
    case TARGET_SYMBOL:
        return check_same_symbol(r, element);
    case TARGET_KIND:
        list_member(r, SURVEY_KIND, SURVEY_ENVELOPE, 0, element.token);
        return check_same_kind(r, element);
    case TARGET_FIELD:
        return read_envelope(r, target.index, element);
    case TARGET_NODE:
        return walk_node(r, &r->f.p->nodes[target.index], element);
    }
    TD_ASSERT(!"an unknown target");
    return 0;
}

/* The next member of an object: its key with escapes resolved, and its value. Returns 0 at the
 * end. */
static int next_member(json_iter *it, td_bytes *key, json_value *element)
{
    json_value name;
    if (!json_next(it, &name, element))
        return 0;
    int is_text = json_text(name, key);
    TD_ASSERT(is_text);
    return 1;
}

/* Process the members of an object on the path to entries; count members that are not in the plan.
 */
static int walk_object(rows *r, plan_node *node, json_value object)
{
    td_bytes text;
    json_value element;
    uint32_t place = 0;
    uint32_t seen = 0; /* a bit for each key: a repeated key counts as unknown */
    _Static_assert(PLAN_NODE_KEYS_MAX <= 32, "a bit for each key of a node");
    for (json_iter it = json_iter_of(object); next_member(&it, &text, &element); place++) {
        uint32_t found = key_set_find_text(&node->keys, place, text);
        if (found == KEY_NONE || (seen & (1u << found))) {
            int is_inherited = node != &r->f.p->nodes[0] && found == KEY_NONE &&
                               key_set_find_text(&r->f.p->outer, place, text) != KEY_NONE;
            if (!is_inherited)
                count_member(r, found, node->path, text);
            continue;
        }
        seen |= 1u << found;
        if (!walk_member(r, node, found, element))
            return 0;
    }
    return 1;
}

/* Process the members of an entry that are values of the envelope, or have such values inside. */
static int walk_entry(rows *r, plan_node *node, json_value entry)
{
    td_bytes text;
    json_value element;
    uint32_t place = 0;
    for (json_iter it = json_iter_of(entry); next_member(&it, &text, &element); place++) {
        uint32_t found = key_set_find_text(&node->keys, place, text);
        if (found != KEY_NONE && !walk_member(r, node, found, element))
            return 0;
    }
    return 1;
}

/* Process a value on the path to entries: if it has entries, keep it for the second pass; otherwise
 * process its members. */
static int walk_node(rows *r, plan_node *node, json_value value)
{
    TD_ASSERT(r->f.head.kind < FRAME_ANY);
    int items = node->items[r->f.head.kind];
    int is_list = items != PLAN_NO_ITEMS && (r->f.p->row->items[items].flags & ITEMS_LIST) != 0;
    if (items != PLAN_NO_ITEMS && !(is_list && json_type_of(value) == JSON_OBJECT)) {
        if (r->items_seen[items]++ == 0)
            r->items_at[items] = value;
        return !node->has_values || json_type_of(value) != JSON_OBJECT ||
               walk_entry(r, node, value);
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

/* Check that required fields of the envelope are present, and not null. */
static int check_envelope(rows *r)
{
    const topic_row *row = r->f.p->row;
    json_value value;
    for (size_t i = 0; i < row->envelope_count; i++)
        if ((row->envelope[i].flags & FIELD_REQUIRED) &&
            (!json_find_path(r->root, row->envelope[i].key, &value) || json_is_null(value)))
            return refuse(r, DECODE_MISSING_FIELD, 0, row->envelope[i].key);
    return 1;
}

/* ---- entries, in the order of the row's items. Fields are found by key if the entry is an object,
 * by position if it is an array. An entry inherits fields of the objects around it. ---- */

/* The fields that an entry has, before their values are read. */
typedef struct found_fields {
    uint32_t token[TOPIC_FIELDS_MAX]; /* token of each field's value; 0: absent */
    uint8_t is_outer; /* 1: all are inherited fields, of an object that contains no entry */
} found_fields;

static const found_fields NO_OUTER_FIELDS = {{0}, 0};

/* 1 if two fields have the same member, one as a scaled integer, the other as a plain decimal (its
 * twin). */
static int is_scaled_twin(const field_row *scaled, const field_row *plain)
{
    return scaled->member == plain->member && scaled->type == FIELD_DECIMAL &&
           plain->type == FIELD_DECIMAL && scaled->scale_e10 != 0 && plain->scale_e10 == 0;
}

/* 1 if a plain value equals the integer of its scaled twin, as in the samples of the exchange's
 * documents. Returns 0 for the value 0, which is the same at any scale. */
static int repeats_integer(rows *r, const found_fields *s, size_t plain, size_t scaled,
                           const msg_value *values)
{
    const field_row *field = &r->f.p->row->fields[scaled];
    field_row integer = *field;
    integer.scale_e10 = 0;
    msg_value whole;
    decode_error ignored; /* if the twin is unreadable, the plain value counts */
    if (values[plain].type != VALUE_DECIMAL || values[plain].as.decimal.mantissa == 0 ||
        !decode_field(r->d->texts, &integer, (json_value){r->root.parser, s->token[scaled]}, &whole,
                      &ignored))
        return 0;
    return whole.type == VALUE_DECIMAL &&
           td_decimal_compare(whole.as.decimal, values[plain].as.decimal) == 0;
}

/* If an entry has a scaled integer and its plain twin, drop the plain value if it repeats the
 * integer. */
static void drop_repeated_integers(rows *r, const found_fields *s, msg_value *values)
{
    const topic_row *row = r->f.p->row;
    for (size_t i = 0; i < row->field_count; i++) {
        if (row->fields[i].scale_e10 == 0 || !r->f.p->has_twin[i] || s->token[i] == 0)
            continue;
        for (size_t j = 0; j < row->field_count; j++)
            if (is_scaled_twin(&row->fields[i], &row->fields[j]) && s->token[j] != 0 &&
                repeats_integer(r, s, j, i, values))
                values[j].type = VALUE_ABSENT;
    }
}

/* 1 if another field with the same member has a value and is used instead: a preferred field, or
 * else the first one. */
static int is_shadowed(const rows *r, const found_fields *s, size_t i, const msg_value *values)
{
    const topic_row *row = r->f.p->row;
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

/* Check that an entry has the required members; any of the fields with the same member suffices. */
static int check_required(rows *r, const msg_item *entry, size_t offset)
{
    const topic_row *row = r->f.p->row;
    for (size_t i = 0; i < row->field_count; i++) {
        const field_row *field = &row->fields[i];
        int is_required =
            (field->flags & FIELD_REQUIRED) ||
            ((field->flags & FIELD_REQUIRED_TO_SET) && entry->action != ACTION_DELETE);
        if (is_required && msg_item_value(entry, field->member) == NULL)
            return refuse(r, DECODE_MISSING_FIELD, offset, field->key);
    }
    return 1;
}

/* Omit an unreadable time and count it, because the rest of the entry is sound. Returns 0, so that
 * the frame is refused, if the time is required or is the topic's own time, which orders the
 * topic's frames. */
static int omit_bad_time(rows *r, const items_row *items, const field_row *field, msg_value *value)
{
    int is_needed = (field->flags & (FIELD_REQUIRED | FIELD_REQUIRED_TO_SET)) != 0 ||
                    field->member == r->f.p->row->time_member;
    if (is_needed || r->why->reason != DECODE_BAD_TIME)
        return 0;
    value->type = VALUE_ABSENT;
    *r->why = (decode_error){.reason = DECODE_OK};
    count_unexpected(r, UNEXPECTED_UNREADABLE, items_path(items), td_bytes_str(field->key));
    return 1;
}

/* Read the values of the fields that were found, preferred fields first, and append them in the
 * row's order. */
static int read_fields(rows *r, const items_row *items, const found_fields *s)
{
    const topic_row *row = r->f.p->row;
    msg_value values[TOPIC_FIELDS_MAX];
    for (size_t i = 0; i < row->field_count; i++) {
        values[i].type = VALUE_ABSENT;
        values[i].is_scale_assumed = 0;
    }
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            drop_repeated_integers(r, s, values);
        for (size_t i = 0; i < row->field_count; i++) {
            int is_first = (row->fields[i].flags & FIELD_PREFERRED) || !r->f.p->has_twin[i];
            if (is_first != (pass == 0))
                continue;
            if (s->token[i] == 0 || (pass == 1 && is_shadowed(r, s, i, values)))
                continue;
            json_value value = {r->root.parser, s->token[i]};
            if (!decode_field(r->d->texts, &row->fields[i], value, &values[i], r->why) &&
                !omit_bad_time(r, items, &row->fields[i], &values[i]))
                return 0;
            int is_exact = msg_type_has_book(row->type) || row->type == MSG_TRADE;
            if (values[i].type == VALUE_BIG_DECIMAL && is_exact)
                return refuse_value(r, DECODE_BAD_NUMBER, value, row->fields[i].key);
        }
    }
    for (size_t i = 0; i < row->field_count; i++)
        if (values[i].type != VALUE_ABSENT)
            *decode_add_values(&r->f, 1) = values[i];
    return 1;
}

/* The action of an order in a book, by the exchange's word for what happened to it. Entries of a
 * snapshot have no word. ACTION_NONE: the word is absent, or unknown. */
static msg_action action_of_event(const msg_value *event)
{
    static const struct {
        td_bytes word;
        msg_action action;
    } WORDS[] = {{FRAME_TEXT("add"), ACTION_INSERT},
                 {FRAME_TEXT("modify"), ACTION_UPDATE},
                 {FRAME_TEXT("delete"), ACTION_DELETE}};
    for (size_t i = 0; event != NULL && i < sizeof WORDS / sizeof *WORDS; i++)
        if (td_bytes_equal(event->as.text, WORDS[i].word))
            return WORDS[i].action;
    return ACTION_NONE;
}

/* The key of the field with a member. */
static const char *key_of(const rows *r, msg_member member)
{
    const topic_row *row = r->f.p->row;
    for (size_t i = 0; i < row->field_count; i++)
        if (row->fields[i].member == member)
            return row->fields[i].key;
    return msg_member_name(member);
}

/* Set the action of an entry of MSG_BOOK_ORDERS, unless its path has one. */
static int set_order_action(rows *r, msg_item *entry, size_t offset)
{
    const msg_value *event = msg_item_value(entry, MEMBER_EVENT_TYPE);
    if (entry->action == ACTION_NONE)
        entry->action = action_of_event(event);
    return entry->action != ACTION_NONE ||
           refuse(r, event == NULL ? DECODE_MISSING_FIELD : DECODE_BAD_KIND, offset,
                  key_of(r, MEMBER_EVENT_TYPE));
}

/* Add one side of an ITEMS_BEST entry as a level. */
static int add_best(rows *r, const msg_item *entry, msg_side side, msg_member price,
                    msg_member size, size_t offset)
{
    return decode_add_best(&r->f, side, msg_item_value(entry, price),
                           msg_item_value(entry, size)) ||
           refuse(r, DECODE_MISSING_FIELD, offset, key_of(r, size));
}

/* Complete a level or trade: of its values, from index first on, only those that the struct lacks
 * stay. */
static void end_struct(rows *r, size_t first)
{
    decode_frame *f = &r->f;
    msg_value *values = f->m->values;
    size_t kept = first;
    for (size_t i = first; f->is_whole && i < f->value_count; i++)
        if (!msg_struct_has(f->head.type, values[i].member))
            values[kept++] = values[i];
    f->value_count = kept;
    decode_end_struct(f, first);
}

/* Add a level or trade, whose values are those from index first on. */
static int add_struct(rows *r, const items_row *items, const msg_item *entry, size_t first,
                      size_t offset)
{
    td_decimal rpi;
    if (items->flags & ITEMS_BEST) {
        r->f.value_count = first;
        return add_best(r, entry, SIDE_BUY, MEMBER_BID1_PRICE, MEMBER_BID1_SIZE, offset) &&
               add_best(r, entry, SIDE_SELL, MEMBER_ASK1_PRICE, MEMBER_ASK1_SIZE, offset);
    }
    if (r->f.head.type == MSG_TRADE)
        *decode_trade(&r->f) = msg_trade_of(entry);
    else if (!msg_level_of(entry, decode_level(&r->f), &rpi))
        return refuse(r, DECODE_BAD_NUMBER, offset, msg_member_name(MEMBER_RPI_SIZE));
    else if (r->f.p->has_rpi)
        *decode_rpi(&r->f) = rpi;
    end_struct(r, first);
    return 1;
}

/* List an entry and its fields for a survey. */
static void list_entry(rows *r, const items_row *items, const found_fields *s)
{
    const topic_row *row = r->f.p->row;
    size_t place = (size_t)(items - row->items);
    if (TD_LIKELY(!r->d->surveys))
        return;
    if (!s->is_outer)
        list_member(r, SURVEY_ENTRY, place, 0, 0);
    for (size_t i = 0; i < row->field_count; i++)
        if (s->token[i] != 0)
            list_member(r, SURVEY_FIELD, place, i, s->token[i]);
}

/* A set of the fields that were found, a bit for each. */
static uint64_t fields_of(const topic_row *row, const found_fields *s)
{
    uint64_t fields = 0;
    for (size_t i = 0; i < row->field_count; i++)
        fields |= (uint64_t)(s->token[i] != 0) << (i < MSG_FIELD_BITS ? i : MSG_FIELD_BITS - 1);
    return fields;
}

/* Read the values of the fields that were found, and add them as one entry. */
static int add_entry(rows *r, const items_row *items, const found_fields *s, size_t offset)
{
    decode_frame *f = &r->f;
    const size_t first = f->value_count;
    if (f->count >= LIMIT_FRAME_ITEMS)
        return refuse(r, DECODE_LIMIT, offset, NULL);
    /* Only fields that very many entries inherit can be more than the frame's bytes: time and
     * memory would be out of proportion to the frame. */
    for (size_t i = 0; i < r->f.p->row->field_count; i++)
        r->found_count += s->token[i] != 0;
    if (r->found_count > r->frame_bytes)
        return refuse(r, DECODE_LIMIT, offset, NULL);
    list_entry(r, items, s);
    if (!read_fields(r, items, s))
        return 0;
    if (items->flags & (ITEMS_BUY | ITEMS_SELL)) /* the path implies the side (bids or asks) */
        *decode_add_values(f, 1) =
            (msg_value){.member = MEMBER_SIDE,
                        .type = VALUE_SIDE,
                        .as.side = items->flags & ITEMS_BUY ? SIDE_BUY : SIDE_SELL};
    msg_item entry = {.values = f->m->values == NULL ? NULL : f->m->values + first,
                      .value_count = f->value_count - first};
    entry.action = decode_action(items, msg_item_decimal(&entry, MEMBER_SIZE),
                                 msg_item_decimal(&entry, MEMBER_RPI_SIZE));
    if (f->head.type == MSG_BOOK_ORDERS && !set_order_action(r, &entry, offset))
        return 0;
    if (!s->is_outer && !check_required(r, &entry, offset))
        return 0;
    for (size_t i = 0; i < entry.value_count; i++)
        if (!note_symbol(r, &entry.values[i]))
            decode_note_value(f, &entry.values[i]);
    if (f->head.type == MSG_BOOK_CHANGE || f->head.type == MSG_TRADE)
        return add_struct(r, items, &entry, first, offset);
    decode_add_item(f, first, entry.action,
                    f->head.type == MSG_TICKER ? fields_of(f->p->row, s) : 0);
    return 1;
}

/* 1 if a key of an entry is on the path to other entries, or belongs to the envelope. */
static int leads_elsewhere(const rows *r, const items_row *items, td_bytes key)
{
    size_t index = (size_t)(items - r->f.p->row->items);
    TD_ASSERT(index < TOPIC_ITEMS_MAX);
    plan_node *node = &r->f.p->nodes[r->f.p->items_node[index]];
    uint32_t found = key_set_find_text(&node->keys, node->keys.count, key);
    return found != KEY_NONE && (node->targets[found].kind == TARGET_NODE ||
                                 node == &r->f.p->nodes[0] || node->has_values);
}

/* Find the field of an entry at a key; a key with a dot is no path. */
static uint32_t find_field(rows *r, uint32_t place, td_bytes key)
{
    return r->f.p->inner.count > 0 && key.size > 0 && memchr(key.data, '.', key.size) != NULL
               ? KEY_NONE
               : key_set_find_text(&r->f.p->entry, place, key);
}

/* The path of a member of an object in an entry. */
static td_bytes inner_path(rows *r, td_bytes outer, td_bytes key)
{
    uint8_t *path = td_arena_alloc(r->d->texts, outer.size + 1 + key.size);
    memcpy(path, outer.data, outer.size);
    path[outer.size] = '.';
    if (key.size > 0)
        memcpy(path + outer.size + 1, key.data, key.size);
    return td_bytes_of(path, outer.size + 1 + key.size);
}

/* Find the fields in an object that an entry has at this key. */
static int find_inner(rows *r, const items_row *items, td_bytes outer, json_value object,
                      found_fields *s)
{
    td_bytes text;
    json_value element;
    if (json_is_null(object))
        return 1;
    if (json_type_of(object) != JSON_OBJECT)
        return refuse_value(r, DECODE_WRONG_TYPE, object, items->path);
    for (json_iter it = json_iter_of(object); next_member(&it, &text, &element);) {
        const td_bytes path = inner_path(r, outer, text);
        const uint32_t found = key_set_find_text(&r->f.p->entry, r->f.p->entry.count, path);
        if (found != KEY_NONE && s->token[found] == 0)
            s->token[found] = element.token;
        else
            count_member(r, found, items_path(items), path);
    }
    return 1;
}

/* A member of an entry that is no field: it may be an object with fields, of which the first
 * counts. `seen` has a bit for each object that was read. */
static int read_other_member(rows *r, const items_row *items, td_bytes key, json_value element,
                             uint32_t *seen, found_fields *s)
{
    const uint32_t inner = key_set_find_text(&r->f.p->inner, r->f.p->inner.count, key);
    const int is_repeated = inner != KEY_NONE && (*seen & (1u << inner)) != 0;
    if (inner != KEY_NONE && !is_repeated) {
        *seen |= 1u << inner;
        return find_inner(r, items, key, element, s);
    }
    if (is_repeated || !leads_elsewhere(r, items, key))
        count_member(r, inner, items_path(items), key);
    return 1;
}

/* Read an entry that is an object. Its own fields override fields of the objects around it. */
static int read_object_entry(rows *r, const items_row *items, json_value entry,
                             const found_fields *outer)
{
    found_fields s = *outer;
    found_fields own = NO_OUTER_FIELDS;
    td_bytes text;
    json_value element;
    uint32_t place = 0;
    uint32_t seen = 0;
    for (json_iter it = json_iter_of(entry); next_member(&it, &text, &element); place++) {
        uint32_t found = find_field(r, place, text);
        if (found != KEY_NONE && own.token[found] == 0)
            s.token[found] = own.token[found] = element.token;
        else if (found != KEY_NONE)
            count_member(r, found, items_path(items), text);
        else if (!read_other_member(r, items, text, element, &seen, &s))
            return 0;
    }
    return add_entry(r, items, &s, json_offset(entry));
}

/* The index of an element, as the key that a row would have for it. */
static td_bytes place_text(rows *r, uint32_t place)
{
    char digits[TD_DECIMAL_TEXT_BYTES];
    char *const end = digits + sizeof digits;
    if (TD_LIKELY(!r->d->surveys))
        return td_bytes_of(NULL, 0); /* not listed */
    const char *from = td_digits_write(end, place);
    const size_t size = (size_t)(end - from);
    return td_bytes_of(td_arena_copy(r->d->texts, from, size), size);
}

/* Read an entry that is an array: its fields by position. */
static int read_array_entry(rows *r, const items_row *items, json_value entry,
                            const found_fields *outer)
{
    found_fields s = *outer;
    json_value element;
    uint32_t place = 0;
    for (json_iter it = json_iter_of(entry); json_next(&it, NULL, &element); place++) {
        const uint32_t found = place < TOPIC_FIELDS_MAX ? r->f.p->field_at[place] : KEY_NONE;
        if (found == KEY_NONE)
            count_member(r, found, items_path(items), place_text(r, place));
        else
            s.token[found] = element.token;
    }
    return add_entry(r, items, &s, json_offset(entry));
}

/* Accept that there is no value at a path, if the row allows that. */
static int accept_missing(rows *r, const items_row *items, size_t offset)
{
    return (items->flags & ITEMS_OPTIONAL) != 0 ||
           refuse(r, DECODE_MISSING_FIELD, offset, items->path);
}

/* Read the entries in the value at the end of a path: a list of them, or a single one. */
static int read_entries(rows *r, const items_row *items, json_value value,
                        const found_fields *outer)
{
    json_value element;
    int is_empty = 1;
    int is_positional = (items->flags & ITEMS_POSITIONAL) != 0;
    r->place_count += json_type_of(value) != JSON_NULL;
    switch (json_type_of(value)) {
    case JSON_NULL:
        return accept_missing(r, items, json_offset(value));
    case JSON_OBJECT:
        if (is_positional)
            break;
        return read_object_entry(r, items, value, outer);
    case JSON_ARRAY:
        for (json_iter it = json_iter_of(value); json_next(&it, NULL, &element); is_empty = 0) {
            json_type wanted = is_positional ? JSON_ARRAY : JSON_OBJECT;
            if (json_type_of(element) != wanted)
                return refuse_value(r, DECODE_WRONG_TYPE, element, items->path);
            if (!(is_positional ? read_array_entry : read_object_entry)(r, items, element, outer))
                return 0;
        }
        return !is_empty || (items->flags & ITEMS_EMPTY) != 0 ||
               refuse_value(r, DECODE_MISSING_FIELD, value, items->path);
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING:
        break;
    }
    return refuse_value(r, DECODE_WRONG_TYPE, value, items->path);
}

/* Find the fields that entries inherit from this object on their path. The object's fields override
 * fields of objects further out; if a key occurs twice, the first one counts. */
static void note_outer_fields(rows *r, json_value object, found_fields *outer)
{
    found_fields own = NO_OUTER_FIELDS;
    td_bytes text;
    json_value element;
    uint32_t place = 0;
    for (json_iter it = json_iter_of(object); next_member(&it, &text, &element); place++) {
        uint32_t found = key_set_find_text(&r->f.p->outer, place, text);
        if (found == KEY_NONE || own.token[found] != 0)
            continue;
        outer->token[found] = own.token[found] = element.token;
        outer->is_outer = 1;
    }
}

static int follow_items(rows *r, const items_row *items, const char *path, json_value value,
                        const found_fields *outer);

/* Follow the next key of a path into an object. The entries in it inherit the object's fields. */
static int follow_object(rows *r, const items_row *items, const char *path, json_value object,
                         const found_fields *outer)
{
    json_value element;
    found_fields s = *outer;
    size_t before = r->f.count;
    size_t size = strcspn(path, ".");
    int is_last = path[size] == '\0';
    s.is_outer = 0;
    if (r->f.p->has_inherited && path != items->path)
        note_outer_fields(r, object, &s);
    int has_own = s.is_outer;
    s.is_outer = 0;
    int is_read = json_find_key(object, td_bytes_of(path, size), &element)
                      ? follow_items(r, items, is_last ? path + size : path + size + 1, element, &s)
                      : accept_missing(r, items, json_offset(object));
    if (!is_read)
        return 0;
    if (!is_last || !has_own || r->f.count != before)
        return 1;
    s.is_outer = 1; /* an object that contains no entry counts as one */
    return add_entry(r, items, &s, json_offset(object));
}

/* Follow the rest of a path from a value, through arrays, too. */
static int follow_items(rows *r, const items_row *items, const char *path, json_value value,
                        const found_fields *outer)
{
    json_value element;
    if (path[0] == '\0')
        return read_entries(r, items, value, outer);
    if (json_type_of(value) == JSON_OBJECT)
        return follow_object(r, items, path, value, outer);
    for (json_iter it = json_iter_of(value); json_next(&it, NULL, &element);)
        if (!follow_items(r, items, path, element, outer))
            return 0;
    return 1;
}

/* 1 if the items do not apply to this frame. A frame has either a list (ITEMS_LIST) or the items on
 * longer paths through the same value, not both. */
static int is_replaced(const rows *r, size_t index)
{
    int list = r->f.p->list_instead[index];
    if (list != PLAN_NO_ITEMS)
        return r->items_seen[list] != 0;
    return (r->f.p->row->items[index].flags & ITEMS_LIST) != 0 && r->items_seen[index] == 0;
}

/* Read the entries of one of the row's items, wherever its path occurs. */
static int read_places(rows *r, size_t index)
{
    const items_row *items = &r->f.p->row->items[index];
    uint32_t seen = r->items_seen[index];
    size_t before = r->place_count;
    if (seen == 1 && !r->f.p->is_followed[index])
        return read_entries(r, items, r->items_at[index], &NO_OUTER_FIELDS);
    /* The first pass did not enter entries, so it has not seen paths that lead into them. */
    if ((seen != 0 || r->f.p->is_followed[index]) &&
        !follow_items(r, items, items->path, r->root, &NO_OUTER_FIELDS))
        return 0;
    return r->place_count != before || accept_missing(r, items, 0);
}

/* Read the entries, in the order of the row's items. Returns 1, or 0 and *r->why. */
static int read_items(rows *r)
{
    const topic_row *row = r->f.p->row;
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        const items_row *items = &row->items[i];
        int is_other_kind = items->kind != FRAME_ANY && items->kind != r->f.head.kind;
        if (!is_other_kind && !is_replaced(r, i) && !read_places(r, i))
            return 0;
    }
    return 1;
}

/* ---- a frame ---- */

void row_decoder_fini(row_decoder *d)
{
    td_free(d->members);
    td_arena_close(d->texts);
}

int decode_rows(row_decoder *d, decode_memory *m, decode_plan *p, const topic_match *topic,
                json_value root, size_t frame_bytes, int is_whole, message *out, decode_error *why)
{
    TD_ASSERT(p->row == topic->row);
    if (TD_UNLIKELY(d->texts == NULL))
        d->texts = td_arena_open();
    td_arena_reset(d->texts);
    d->member_count = 0;
    d->unexpected_count = 0;
    d->unexpected_left_out = 0;
    rows r = {.f = {.m = m, .p = p, .topic = topic, .is_whole = (uint8_t)is_whole},
              .d = d,
              .why = why,
              .root = root,
              .frame_bytes = frame_bytes};
    msg_head_init(&r.f.head, topic);
    if (!read_identity(&r) || !walk_node(&r, &p->nodes[0], r.root) || !check_envelope(&r))
        return 0;
    if (!read_items(&r))
        return 0;
    if (r.f.head.type == MSG_TRADE)
        msg_trades_shorten(&r.f.head, m->trades, r.f.count);
    decode_publish(&r.f, out);
    return 1;
}
