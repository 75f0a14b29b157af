/* Entries are collected in growing arrays of the builder and copied into the arena at the end, when
 * their number is known. Texts are copied immediately. */
#include "schema/message_build.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "schema/decode_frame.h"
#include "schema/decode_value.h"

enum {
    /* How many members of an entry are remembered, by position, for the next entry: most names then
     * need one comparison. */
    GUESSES = 64,
    /* Bytes of a value that are shown in the text of a fault. */
    SHOWN_BYTES = 48,
};

struct message_builder {
    json_parser *parser; /* parses values that are JSON text; NULL until the first one */
    td_arena *arena;
    message_subject subject;
    td_bytes bytes; /* the caller's bytes; texts inside them are not copied */
    td_result rc;   /* TD_OK; after the first fault its result */
    td_err fault;
    decode_frame made; /* the message so far; its plan is not used */
    decode_memory memory;
    uint8_t has_type;
    uint8_t head_seen[MEMBER_COUNT];
    uint8_t kind_seen;
    msg_value *head_values; /* values of the envelope that have no place in head */
    size_t head_value_count, head_value_capacity;
    uint8_t has_rpi; /* 1: a level has a size of retail orders */
    /* The current entry. */
    uint8_t in_entry;
    uint8_t has_action;
    uint8_t is_plain_level; /* 1: its values are side, price and, unless it is deleted, size */
    size_t first_value;
    msg_action action;
    size_t place; /* position of its next member */
    size_t head_place;
    struct {
        td_bytes name;
        msg_member member;
    } guess[2][GUESSES]; /* of head and entries, for each position: the member there before */
};

message_builder *message_builder_open(void)
{
    message_builder *made = td_alloc_zero(1, sizeof *made);
    made->rc = TD_E_INVALID; /* no message has begun */
    return made;
}

void message_builder_close(message_builder *b)
{
    if (b == NULL)
        return;
    json_parser_close(b->parser);
    td_free(b->head_values);
    decode_memory_fini(&b->memory);
    td_free(b);
}

void message_build_begin(message_builder *b, const message_subject *subject, td_bytes bytes,
                         td_arena *arena)
{
    b->bytes = bytes;
    b->subject = *subject;
    b->arena = arena;
    b->rc = TD_OK;
    b->has_type = subject->row != NULL;
    b->made = (decode_frame){.m = &b->memory,
                             .head = {.type = b->has_type ? subject->row->type : MSG_RAW,
                                      .row = subject->row,
                                      .topic = subject->topic,
                                      .symbol = subject->symbol}};
    memset(b->head_seen, 0, sizeof b->head_seen);
    b->kind_seen = 0;
    b->head_place = 0;
    b->head_value_count = 0;
    b->has_rpi = 0;
    b->in_entry = 0;
}

/* ---- faults ---- */

void message_build_fault(message_builder *b, const char *format, ...)
{
    char text[256];
    va_list args;
    if (b->rc != TD_OK)
        return;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    TD_ASSERT(size >= 0);
    b->rc = td_err_set(&b->fault, TD_E_INVALID, "%s", text);
}

int message_build_is_faulty(const message_builder *b)
{
    return b->rc != TD_OK;
}

const char *message_build_entries_name(const message_builder *b)
{
    return b->made.head.type == MSG_BOOK_CHANGE ? "levels"
           : b->made.head.type == MSG_TRADE     ? "trades"
                                                : "items";
}

/* Report a fault of a member, under the name that the caller gave. */
static void fault_member(message_builder *b, int in_entry, td_bytes name, const char *what)
{
    int size = name.size > LIMIT_NAME_BYTES ? (int)LIMIT_NAME_BYTES : (int)name.size;
    if (in_entry)
        message_build_fault(b, "%s[%zu].%.*s: %s", message_build_entries_name(b), b->made.count,
                            size, (const char *)name.data, what);
    else
        message_build_fault(b, "%.*s: %s", size, (const char *)name.data, what);
}

/* Report that a value is not what was wanted. */
static void fault_value(message_builder *b, int in_entry, td_bytes name, const written_value *value,
                        const char *wanted)
{
    char what[SHOWN_BYTES + 64];
    td_bytes text = value->type == JSON_NULL ? td_bytes_str("null") : value->text;
    int is_cut = text.size > SHOWN_BYTES;
    int size = snprintf(what, sizeof what, "%.*s%s is not of type %s",
                        is_cut ? SHOWN_BYTES : (int)text.size, (const char *)text.data,
                        is_cut ? "..." : "", wanted);
    TD_ASSERT(size > 0);
    fault_member(b, in_entry, name, what);
}

/* Report a fault of the whole entry. */
static void fault_entry(message_builder *b, const char *what)
{
    message_build_fault(b, "%s[%zu]: %s", message_build_entries_name(b), b->made.count, what);
}

/* ---- values ---- */

written_value written_time(uint64_t ns)
{
    return (written_value){
        .type = JSON_NUMBER, .text = td_bytes_str("a time"), .is_time = 1, .time_ns = ns};
}

static void keep_text(message_builder *b, td_bytes *text)
{
    td_bytes frame = b->bytes;
    if (frame.size == 0 || text->data < frame.data ||
        text->data + text->size > frame.data + frame.size)
        text->data = td_arena_copy(b->arena, text->data, text->size);
}

/* Read a FIELD_JSON value. Returns 0 if the text is not JSON. */
static int read_json(message_builder *b, const written_value *value, msg_value *out)
{
    json_value root = value->json;
    if (!value->has_json) {
        if (b->parser == NULL)
            b->parser = json_parser_open(0);
        if (json_parse(b->parser, value->text, JSON_COPIED, &root, NULL) != TD_OK)
            return 0;
    }
    out->as.text = value_json_text(b->arena, root);
    out->type = VALUE_JSON;
    return 1;
}

/* Read a value as a field's type; text values are views. Returns 0 if the value is not of this
 * type. */
static int read_as(message_builder *b, field_type type, const written_value *value, msg_value *out)
{
    decode_reason ignored;
    field_row field = {.key = "", .type = type, .member = out->member};
    if (value->is_time) {
        out->type = VALUE_TIME_NS;
        out->as.time_ns = value->time_ns;
        return type == FIELD_TIME && value->time_ns <= (uint64_t)INT64_MAX;
    }
    if (type == FIELD_JSON)
        return read_json(b, value, out);
    if (value->type >= JSON_ARRAY)
        return 0;
    if (type == FIELD_TIME)
        field.unit = UNIT_NS;
    if (field_value_type(type) == VALUE_SIDE) {
        out->type = VALUE_SIDE;
        out->as.side = SIDE_NONE;
        if (type == FIELD_ANY_SIDE && td_bytes_is(value->text, msg_side_name(SIDE_NONE)))
            return 1;
        field.type = FIELD_SIDE;
    }
    if ((value->type == JSON_BOOL && field.type != FIELD_BOOL) ||
        (value->type == JSON_NUMBER && field.type == FIELD_SIDE))
        return 0;
    return decode_text(&field, value->text, out, &ignored);
}

/* Choose a type for a value whose topic has no row. */
static field_type guess_type(const written_value *value)
{
    if (value->is_time)
        return FIELD_TIME;
    if (value->type == JSON_NUMBER)
        return memchr(value->text.data, '.', value->text.size) == NULL ? FIELD_INTEGER
                                                                       : FIELD_DECIMAL;
    return value->type >= JSON_ARRAY  ? FIELD_JSON
           : value->type == JSON_BOOL ? FIELD_BOOL
                                      : FIELD_TEXT;
}

/* If a value is a text or a big decimal, copy its text, unless the text is in the caller's bytes.
 */
static void keep_value(message_builder *b, msg_value *value)
{
    if (value->type == VALUE_TEXT || value->type == VALUE_BIG_DECIMAL)
        keep_text(b, &value->as.text);
}

/* 1 if the paths of the row's entries imply their side (bids or asks), which is then a member of
 * theirs, although no field is it. */
static int implies_side(const topic_row *row)
{
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        if ((row->items[i].flags & (ITEMS_BUY | ITEMS_SELL)) != 0)
            return 1;
    return 0;
}

/* Read a value as the type that the member has in the row. Returns 0 after a fault. */
static int read_member(message_builder *b, int in_entry, td_bytes name, const written_value *value,
                       msg_value *out)
{
    const topic_row *row = b->subject.row;
    size_t count = row == NULL ? 0 : in_entry ? row->field_count : row->envelope_count;
    const field_row *fields = row == NULL ? NULL : in_entry ? row->fields : row->envelope;
    const char *wanted = NULL;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].member != out->member)
            continue;
        wanted = field_type_name(fields[i].type);
        if (read_as(b, fields[i].type, value, out)) {
            keep_value(b, out);
            return 1;
        }
    }
    if (row == NULL && read_as(b, guess_type(value), value, out)) {
        keep_value(b, out);
        return 1;
    }
    if (row != NULL && in_entry && out->member == MEMBER_SIDE && implies_side(row)) {
        wanted = field_type_name(FIELD_SIDE);
        if (read_as(b, FIELD_SIDE, value, out))
            return 1;
    }
    if (wanted == NULL && row != NULL)
        fault_member(b, in_entry, name, "not a member of this topic");
    else
        fault_value(b, in_entry, name, value, wanted == NULL ? "text" : wanted);
    return 0;
}

/* Find a member of the head or of an entry by its name. place: its position there. MEMBER_NONE: the
 * name is unknown, and the fault was noted. */
static msg_member find_member(message_builder *b, int in_entry, td_bytes name, size_t place)
{
    size_t at = place < GUESSES ? place : GUESSES - 1;
    if (b->guess[in_entry][at].name.size > 0 && td_bytes_equal(name, b->guess[in_entry][at].name))
        return b->guess[in_entry][at].member;
    msg_member found = msg_member_find(name);
    if (found == MEMBER_NONE) {
        fault_member(b, in_entry, name, "unknown member");
        return MEMBER_NONE;
    }
    b->guess[in_entry][at].name = msg_member_text(found);
    b->guess[in_entry][at].member = found;
    return found;
}

static int is_absent(const written_value *value)
{
    return value->type == JSON_NULL || (value->type == JSON_STRING && value->text.size == 0) ||
           (value->is_time && value->time_ns == 0);
}

/* ---- the head ---- */

static void head_type(message_builder *b, td_bytes name, const written_value *value)
{
    for (int type = MSG_BOOK_CHANGE; type < MSG_CONTROL; type++) {
        if (!td_bytes_is(value->text, msg_type_name((msg_type)type)))
            continue;
        if (b->has_type && b->made.head.type != (msg_type)type)
            fault_member(b, 0, name, "not the type of this topic");
        b->made.head.type = (msg_type)type;
        b->has_type = 1;
        return;
    }
    fault_value(b, 0, name, value, "a message");
}

static void head_kind(message_builder *b, td_bytes name, const written_value *value)
{
    if (b->kind_seen++)
        fault_member(b, 0, name, "twice");
    for (int kind = FRAME_SNAPSHOT; kind < FRAME_ANY; kind++) {
        b->made.head.kind = (frame_kind)kind;
        if (td_bytes_is(value->text, frame_kind_name(b->made.head.kind)))
            return;
    }
    fault_value(b, 0, name, value, "a kind");
}

/* Check that a topic or symbol equals *own, the frame's. If is_open, set *own to the new text
 * instead. */
static void check_name(message_builder *b, td_bytes name, const written_value *value, td_bytes *own,
                       int is_open)
{
    if (td_bytes_equal(value->text, *own))
        return;
    if (!is_open) {
        fault_member(b, 0, name, "not that of the frame");
        return;
    }
    *own = value->text;
    keep_text(b, own);
}

/* Read one of the members that every message may have without a field in its row. Returns 0 if name
 * is not one of these. */
static int head_common(message_builder *b, td_bytes name, const written_value *value)
{
    int is_known = b->subject.row != NULL;
    td_bytes symbol = b->subject.symbol;
    if (td_bytes_is(name, "type"))
        head_type(b, name, value);
    else if (td_bytes_is(name, "kind"))
        head_kind(b, name, value);
    else if (td_bytes_is(name, "topic"))
        check_name(b, name, value, &b->made.head.topic, !is_known);
    else if (td_bytes_is(name, "symbol"))
        check_name(b, name, value, &b->made.head.symbol,
                   !is_known || symbol.size == 0 || td_bytes_is(symbol, "*"));
    else if (!td_bytes_is(name, "unknown_fields"))
        return 0;
    return 1;
}

/* 1 if a member that the head can hold as a number or time has another type in the row; it is then
 * an ordinary value. */
static int is_plain_field(const message_builder *b, msg_member member, field_type of_head)
{
    const topic_row *row = b->subject.row;
    for (size_t i = 0; row != NULL && i < row->envelope_count; i++)
        if (row->envelope[i].member == member && row->envelope[i].type != of_head)
            return 1;
    return 0;
}

/* Read a member whose value is kept in the head. Returns 0 if it is another member; 1 also after a
 * fault. */
static int head_number(message_builder *b, td_bytes name, msg_member member,
                       const written_value *value)
{
    int is_time = member == MEMBER_EXCHANGE_TIME || member == MEMBER_MATCH_TIME;
    uint8_t *has;
    int has_place = is_time || msg_head_place(&b->made.head, member, &has) != NULL;
    field_type type = is_time ? FIELD_TIME : FIELD_INTEGER;
    msg_value read = {.member = member};
    if (!has_place || is_plain_field(b, member, type))
        return 0;
    if (read_as(b, type, value, &read))
        (void)msg_head_store(&b->made.head, MEMBER_EXCHANGE_TIME, &read); /* it has a place */
    else
        fault_value(b, 0, name, value, field_type_name(type));
    return 1;
}

void message_build_head(message_builder *b, td_bytes name, const written_value *value)
{
    const size_t place = b->head_place++;
    if (b->rc != TD_OK || is_absent(value) || (!value->is_time && head_common(b, name, value)))
        return;
    msg_value read = {.member = find_member(b, 0, name, place)};
    if (read.member == MEMBER_NONE)
        return;
    if (b->head_seen[read.member]++ > 0) {
        fault_member(b, 0, name, "twice");
        return;
    }
    if (head_number(b, name, read.member, value) || !read_member(b, 0, name, value, &read))
        return;
    if (read.member == MEMBER_VERSION && read.type == VALUE_TEXT)
        b->made.head.version =
            read.as.text; /* also added as a value below; books use only this one */
    td_array_ensure((void **)&b->head_values, &b->head_value_capacity, b->head_value_count,
                    sizeof *b->head_values);
    b->head_values[b->head_value_count++] = read;
}

/* ---- entries ---- */

static int is_struct(const message_builder *b)
{
    return b->made.head.type == MSG_BOOK_CHANGE || b->made.head.type == MSG_TRADE;
}

/* The current entry with its values so far. */
static msg_item entry_of(const message_builder *b)
{
    return (msg_item){.action = b->action,
                      .values = b->memory.values == NULL ? NULL : b->memory.values + b->first_value,
                      .value_count = b->made.value_count - b->first_value};
}

/* Complete a level: check that it has the members that a book needs, and add up its sizes. */
static int end_level(message_builder *b, const msg_item *entry)
{
    msg_level *level = decode_level(&b->made);
    td_decimal *rpi = decode_rpi(&b->made);
    int is_whole = msg_level_of(entry, level, rpi);
    if (!b->has_action)
        fault_entry(b, "a level without action");
    else if (level->side == SIDE_NONE)
        fault_entry(b, "a level without side");
    else if (msg_item_value(entry, MEMBER_PRICE) == NULL)
        fault_entry(b, "a level without price");
    else if (entry->action == ACTION_DELETE)
        *rpi = (td_decimal){0, 0};
    else if (msg_item_value(entry, MEMBER_SIZE) == NULL)
        fault_entry(b, "a level without size");
    else if (!is_whole)
        fault_entry(b, "the sum of the sizes is beyond 64 bits");
    b->has_rpi |= msg_item_value(entry, MEMBER_RPI_SIZE) != NULL;
    return b->rc == TD_OK;
}

/* Complete a level that message_build_level() read itself: its values need no lookup and no second
 * check, which saved about 150 instructions a level. */
static void end_plain_level(message_builder *b, const msg_value *values)
{
    TD_ASSERT(values != NULL);
    const td_decimal price = values[1].as.decimal;
    const td_decimal size = b->action == ACTION_DELETE ? (td_decimal){0, 0} : values[2].as.decimal;
    *decode_level(&b->made) = (msg_level){.price = price.mantissa,
                                          .price_scale = price.scale,
                                          .size = size.mantissa,
                                          .size_scale = size.scale,
                                          .side = values[0].as.side,
                                          .action = (uint8_t)b->action};
    *decode_rpi(&b->made) = (td_decimal){0, 0};
}

/* Complete the current entry. Values that the plain struct has no place for have been checked, and
 * are dropped. */
static void end_entry(message_builder *b)
{
    if (!b->in_entry || b->rc != TD_OK)
        return;
    const msg_item entry = entry_of(b);
    if (b->is_plain_level)
        end_plain_level(b, entry.values);
    else if (b->made.head.type == MSG_BOOK_CHANGE && !end_level(b, &entry))
        return;
    if (b->made.head.type == MSG_TRADE)
        *decode_trade(&b->made) = msg_trade_of(&entry);
    if (is_struct(b)) {
        b->made.value_count = b->first_value;
        b->made.count++;
    } else {
        decode_add_item(&b->made, b->first_value, b->action, 0);
    }
    b->in_entry = 0;
}

void message_build_entry(message_builder *b)
{
    end_entry(b);
    if (b->rc != TD_OK)
        return;
    if (!b->has_type) {
        message_build_fault(b, "type: needed before the entries of a topic that has no row");
        return;
    }
    if (b->made.count == LIMIT_FRAME_ITEMS) {
        message_build_fault(b, "more than %u entries", LIMIT_FRAME_ITEMS);
        return;
    }
    b->in_entry = 1;
    b->has_action = 0;
    b->is_plain_level = 0;
    b->first_value = b->made.value_count;
    b->action = ACTION_NONE;
    b->place = 0;
}

static int read_action(td_bytes text, msg_action *out)
{
    *out = ACTION_SET;
    while (*out <= ACTION_INSERT && !td_bytes_is(text, msg_action_name(*out)))
        (*out)++;
    return *out <= ACTION_INSERT;
}

/* The type that a member has in a plain struct, which does not depend on the row. */
static field_type struct_type(msg_member member)
{
    static const struct {
        msg_member member;
        field_type type;
    } TYPES[] = {
        {MEMBER_SIDE, FIELD_ANY_SIDE},       {MEMBER_EXCHANGE_TIME, FIELD_TIME},
        {MEMBER_TRADE_ID, FIELD_TEXT},       {MEMBER_TICK_DIRECTION, FIELD_TEXT},
        {MEMBER_CROSS_SEQ, FIELD_INTEGER},   {MEMBER_SEQ, FIELD_INTEGER},
        {MEMBER_IS_BLOCK_TRADE, FIELD_BOOL}, {MEMBER_IS_RPI_TRADE, FIELD_BOOL},
        {MEMBER_SYMBOL, FIELD_TEXT},
    };
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (TYPES[i].member == member)
            return TYPES[i].type;
    return FIELD_DECIMAL;
}

/* Read a member of the plain struct, whose decimals have at most 64 bits. Returns 0 after a fault.
 */
static int read_struct_member(message_builder *b, td_bytes name, const written_value *value,
                              msg_value *out)
{
    field_type type = struct_type(out->member);
    if (!read_as(b, type, value, out) || out->type == VALUE_BIG_DECIMAL) {
        fault_value(b, 1, name, value, field_type_name(type));
        return 0;
    }
    keep_value(b, out);
    return 1;
}

void message_build_member(message_builder *b, td_bytes name, const written_value *value)
{
    if (b->rc == TD_OK && !b->in_entry)
        message_build_fault(b, "a member before the first entry");
    if (b->rc != TD_OK)
        return;
    size_t place = b->place++;
    const msg_item entry = entry_of(b);
    b->is_plain_level = 0;
    if (is_absent(value) || td_bytes_is(name, "assumed_scale"))
        return;
    if (td_bytes_is(name, "action") && b->made.head.type != MSG_TRADE) {
        if (b->has_action)
            fault_member(b, 1, name, "twice");
        b->has_action = 1;
        if (!read_action(value->text, &b->action))
            fault_value(b, 1, name, value, "an action");
        return;
    }
    msg_value read = {.member = find_member(b, 1, name, place)};
    if (read.member == MEMBER_NONE)
        return;
    if (msg_item_value(&entry, read.member) != NULL) {
        fault_member(b, 1, name, "twice");
        return;
    }
    int is_read = is_struct(b) && msg_struct_has(b->made.head.type, read.member)
                      ? read_struct_member(b, name, value, &read)
                      : read_member(b, 1, name, value, &read);
    if (is_read)
        *decode_add_values(&b->made, 1) = read;
}

/* ---- whole levels and trades ---- */

static int read_side(td_bytes text, uint8_t *out)
{
    *out = td_bytes_is(text, "Buy") ? SIDE_BUY : SIDE_SELL;
    return *out == SIDE_BUY || td_bytes_is(text, "Sell");
}

/* Write the values that whole levels and trades begin with, side, price and size, without looking
 * up names; room for two more follows. NULL if the slow path must read them. The caller counts the
 * values: an absent size is the third. */
static msg_value *plain_values(message_builder *b, msg_type type, td_bytes side, td_bytes price,
                               td_bytes size)
{
    msg_value *values = decode_add_values(&b->made, 5);
    b->made.value_count -= 5;
    values[0] = (msg_value){.member = MEMBER_SIDE, .type = VALUE_SIDE};
    values[1] = (msg_value){.member = MEMBER_PRICE, .type = VALUE_DECIMAL};
    values[2] = (msg_value){.member = MEMBER_SIZE, .type = VALUE_DECIMAL};
    return b->made.head.type == type && read_side(side, &values[0].as.side) &&
                   td_decimal_parse(price, &values[1].as.decimal, NULL) == TD_OK &&
                   (size.size == 0 || td_decimal_parse(size, &values[2].as.decimal, NULL) == TD_OK)
               ? values
               : NULL;
}

static void put_text(message_builder *b, const char *name, td_bytes text)
{
    const written_value written = {.type = JSON_STRING, .text = text};
    message_build_member(b, td_bytes_str(name), &written);
}

void message_build_level(message_builder *b, td_bytes action, td_bytes side, td_bytes price,
                         td_bytes size)
{
    message_build_entry(b);
    if (b->rc != TD_OK)
        return;
    if (plain_values(b, MSG_BOOK_CHANGE, side, price, size) != NULL &&
        read_action(action, &b->action)) {
        b->has_action = 1;
        b->is_plain_level = size.size > 0 || b->action == ACTION_DELETE;
        b->made.value_count += size.size > 0 ? 3 : 2;
        return;
    }
    put_text(b, "action", action);
    put_text(b, "side", side);
    put_text(b, "price", price);
    put_text(b, "size", size);
}

void message_build_trade(message_builder *b, td_bytes side, td_bytes price, td_bytes size,
                         uint64_t exchange_ns, td_bytes trade_id)
{
    const written_value time = written_time(exchange_ns);
    message_build_entry(b);
    if (b->rc != TD_OK)
        return;
    msg_value *values = plain_values(b, MSG_TRADE, side, price, size);
    if (values != NULL && size.size > 0 && trade_id.size > 0 && exchange_ns <= INT64_MAX) {
        values[3] = (msg_value){.member = MEMBER_TRADE_ID, .type = VALUE_TEXT};
        values[3].as.text = trade_id;
        keep_text(b, &values[3].as.text);
        values[4] = (msg_value){.member = MEMBER_EXCHANGE_TIME, .type = VALUE_TIME_NS};
        values[4].as.time_ns = exchange_ns;
        b->made.value_count += exchange_ns != 0 ? 5 : 4;
        return;
    }
    put_text(b, "side", side);
    put_text(b, "price", price);
    put_text(b, "size", size);
    message_build_member(b, td_bytes_str("exchange_ns"), &time);
    put_text(b, "trade_id", trade_id);
}

/* ---- the end ---- */

static void keep_record(message_builder *b, msg_record *out)
{
    size_t count = b->made.count;
    const msg_value *values =
        td_arena_copy(b->arena, b->memory.values, b->made.value_count * sizeof *values);
    msg_item *items = td_arena_copy(b->arena, b->memory.items, count * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        items[i].values = values;
        values += items[i].value_count;
    }
    const msg_value *head_values =
        td_arena_copy(b->arena, b->head_values, b->head_value_count * sizeof *head_values);
    *out = (msg_record){b->made.head, head_values, b->head_value_count, items, count};
}

static void keep_message(message_builder *b, message *out)
{
    const decode_memory *m = &b->memory;
    size_t count = b->made.count;
    out->extra = NULL;
    if (!is_struct(b)) {
        keep_record(b, &out->record);
    } else if (b->made.head.type == MSG_BOOK_CHANGE) {
        out->book = (msg_book){
            .head = b->made.head,
            .levels = td_arena_copy(b->arena, m->levels, count * sizeof *m->levels),
            .level_count = count,
        };
        if (b->has_rpi)
            out->book.rpi_sizes =
                td_arena_copy(b->arena, m->rpi_sizes, count * sizeof *m->rpi_sizes);
    } else {
        out->trades = (msg_trades){
            .head = b->made.head,
            .trades = td_arena_copy(b->arena, m->trades, count * sizeof *m->trades),
            .trade_count = count,
        };
    }
}

/* Give the message the symbol of its entries, or count those with another one. */
static void note_symbols(message *m, const message_subject *subject)
{
    uint8_t is_set = 0;
    const int has_coin = subject->row != NULL && topic_row_has_coin(subject->row);
    for (size_t i = 0; i < message_item_count(m); i++) {
        const td_bytes symbol = message_entry_symbol(m, i);
        if (symbol.size > 0)
            msg_head_note_symbol(&m->head, subject->symbol, has_coin, &is_set, symbol);
    }
    if (m->head.type == MSG_TRADE)
        msg_trades_shorten(&m->head, (msg_trade *)m->trades.trades, m->trades.trade_count);
}

td_result message_build_end(message_builder *b, message *out, td_err *err)
{
    end_entry(b);
    if (!b->has_type)
        message_build_fault(b, "type: missing, of a topic that has no row");
    message made;
    if (b->rc == TD_OK)
        keep_message(b, &made);
    td_result rc = b->rc == TD_OK ? TD_OK : td_err_pass(err, b->rc, &b->fault);
    b->rc = TD_E_INVALID; /* no message has begun */
    if (rc != TD_OK)
        return rc;
    note_symbols(&made, &b->subject);
    *out = made;
    return TD_OK;
}
