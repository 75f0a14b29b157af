#include "schema/message_json.h"

#include <string.h>

#include "base/assert.h"

/* name is of JSON_NAME() here and below: these members are written for each message. */
static void member_optional(json_writer *w, td_bytes name, int is_present, int64_t value)
{
    if (!is_present)
        return;
    json_write_raw_key(w, name);
    json_write_i64(w, value);
}

static void member_text_or_null(json_writer *w, td_bytes name, td_bytes text)
{
    json_write_raw_key(w, name);
    if (text.size == 0)
        json_write_null(w);
    else
        json_write_bytes(w, text);
}

/* Write the exchange's time; null if ns is 0, because the frame then has no time. */
static void member_exchange_time(json_writer *w, uint64_t ns)
{
    json_write_raw_key(w, JSON_NAME("exchange_ns"));
    if (ns == 0)
        json_write_null(w);
    else
        json_write_u64(w, ns);
}

/* The size of a level as in the frame: without its retail orders, whose size is rpi. */
static td_decimal own_size(const msg_level *level, td_decimal rpi)
{
    td_decimal size = {level->size, level->size_scale};
    rpi.mantissa = -rpi.mantissa;
    int is_whole = msg_size_with_rpi(size, rpi, &size);
    TD_ASSERT(is_whole); /* cannot fail: the level's size is the sum of both */
    return size;
}

/* What precedes a level's price, as one literal, because a book has thousands of levels. */
enum { HEAD_TEXT_BYTES = 63 };
typedef struct level_head {
    uint8_t size;
    char text[HEAD_TEXT_BYTES]; /* copied whole, which needs no call */
} level_head;

#define LEVEL_TEXT(action, side) "\"action\":\"" action "\",\"side\":\"" side "\",\"price\":\""
#define LEVEL_HEAD(action, side)                                                                   \
    {                                                                                              \
        sizeof(LEVEL_TEXT(action, side)) - 1, LEVEL_TEXT(action, side)                             \
    }
#define LEVEL_HEADS(action)                                                                        \
    {                                                                                              \
        [SIDE_BUY] = LEVEL_HEAD(action, "Buy"), [SIDE_SELL] = LEVEL_HEAD(action, "Sell"),          \
        [SIDE_NONE] = LEVEL_HEAD(action, "none")                                                   \
    }
static const level_head HEADS[][SIDE_NONE + 1] = {
    [ACTION_NONE] = LEVEL_HEADS("none"),     [ACTION_SET] = LEVEL_HEADS("set"),
    [ACTION_DELETE] = LEVEL_HEADS("delete"), [ACTION_UPDATE] = LEVEL_HEADS("update"),
    [ACTION_INSERT] = LEVEL_HEADS("insert"),
};

/* Always inlined, so that a literal's copy has a constant size. */
static inline __attribute__((always_inline)) size_t put_text(char *to, td_bytes text)
{
    TD_ASSERT(text.data != NULL);
    memcpy(to, text.data, text.size);
    return text.size;
}

enum { LEVEL_TEXT_BYTES = HEAD_TEXT_BYTES + 3 * TD_DECIMAL_TEXT_BYTES + 32 };

/* Place the members of a level; a deleted one has no size. rpi is the size of its retail orders,
 * NULL if the topic does not separate them. Returns the text's size. */
static size_t place_level(char *text, const msg_level *level, const td_decimal *rpi)
{
    TD_ASSERT(level->action <= ACTION_INSERT);
    TD_ASSERT(level->side <= SIDE_NONE);
    const level_head *head = &HEADS[level->action][level->side];
    memcpy(text, head->text, sizeof head->text);
    size_t size = head->size;
    size += td_decimal_format((td_decimal){level->price, level->price_scale}, text + size);
    if (level->action == ACTION_DELETE)
        return size + put_text(text + size, td_bytes_str("\",\"size\":null"));
    size += put_text(text + size, td_bytes_str("\",\"size\":\""));
    size += td_decimal_format(rpi == NULL ? (td_decimal){level->size, level->size_scale}
                                          : own_size(level, *rpi),
                              text + size);
    if (rpi != NULL) {
        size += put_text(text + size, td_bytes_str("\",\"rpi_size\":\""));
        size += td_decimal_format(*rpi, text + size);
    }
    text[size++] = '"';
    return size;
}

/* is_true: -1 if unknown. */
static void member_known(json_writer *w, td_bytes name, int is_true)
{
    if (is_true < 0)
        return;
    json_write_raw_key(w, name);
    json_write_bool(w, is_true);
}

static void write_trade(json_writer *w, const msg_trade *trade)
{
    TD_ASSERT(trade->side <= SIDE_NONE);
    if (trade->symbol.size > 0)
        json_write_member_bytes(w, "symbol", trade->symbol);
    json_write_raw_key(w, JSON_NAME("side"));
    json_write_text(w, msg_side_name((msg_side)trade->side));
    json_write_raw_key(w, JSON_NAME("price"));
    json_write_decimal(w, trade->price);
    json_write_raw_key(w, JSON_NAME("size"));
    json_write_decimal(w, trade->size);
    member_exchange_time(w, trade->exchange_ns);
    member_text_or_null(w, JSON_NAME("trade_id"), trade->trade_id);
    member_text_or_null(w, JSON_NAME("tick_direction"), trade->tick_direction);
    member_optional(w, JSON_NAME("cross_seq"), trade->has_cross_seq, trade->cross_seq);
    member_optional(w, JSON_NAME("seq"), trade->has_seq, trade->seq);
    member_known(w, JSON_NAME("is_block_trade"), trade->is_block_trade);
    member_known(w, JSON_NAME("is_rpi_trade"), trade->is_rpi_trade);
}

/* Write a value under its member's name: decimals as strings, times as integers in ns. */
static void write_value(json_writer *w, const msg_value *value)
{
    TD_ASSERT(value->member != MEMBER_NONE);
    json_write_key(w, msg_member_name(value->member));
    switch (value->type) {
    case VALUE_ABSENT:
        json_write_null(w);
        break;
    case VALUE_TEXT:
        json_write_bytes(w, value->as.text);
        break;
    case VALUE_DECIMAL:
        json_write_decimal(w, value->as.decimal);
        break;
    case VALUE_INTEGER:
        json_write_i64(w, value->as.integer);
        break;
    case VALUE_BOOL:
        json_write_bool(w, value->as.is_true);
        break;
    case VALUE_SIDE:
        json_write_text(w, msg_side_name((msg_side)value->as.side));
        break;
    case VALUE_TIME_NS:
        json_write_u64(w, value->as.time_ns);
        break;
    case VALUE_JSON:
        json_write_raw(w, value->as.text);
        break;
    case VALUE_BIG_DECIMAL:
        json_write_bytes(w, value->as.text);
        break;
    }
}

/* List the members of an entry that have is_scale_assumed, if any. */
static void write_assumed_scales(json_writer *w, const msg_item *item)
{
    size_t count = 0;
    for (size_t i = 0; i < item->value_count; i++) {
        if (!item->values[i].is_scale_assumed)
            continue;
        if (count++ == 0) {
            json_write_member_array_begin(w, "assumed_scale");
        }
        json_write_text(w, msg_member_name(item->values[i].member));
    }
    if (count > 0)
        json_write_array_end(w);
}

static void write_item(json_writer *w, const msg_item *item)
{
    json_write_object_begin(w);
    if (item->action != ACTION_NONE)
        json_write_member_text(w, "action", msg_action_name(item->action));
    for (size_t i = 0; i < item->value_count; i++)
        write_value(w, &item->values[i]);
    write_assumed_scales(w, item);
    json_write_object_end(w);
}

void message_json_members(json_writer *writer, const message *m)
{
    const msg_head *head = &m->head;
    json_write_raw_key(writer, JSON_NAME("type"));
    json_write_text(writer, msg_type_name(head->type));
    json_write_raw_key(writer, JSON_NAME("kind"));
    json_write_text(writer, head->kind == FRAME_UNTYPED ? NULL : frame_kind_name(head->kind));
    json_write_raw_key(writer, JSON_NAME("topic"));
    json_write_bytes(writer, head->topic);
    member_text_or_null(writer, JSON_NAME("symbol"), head->symbol);
    member_exchange_time(writer, head->exchange_ns);
    member_optional(writer, JSON_NAME("cross_seq"), head->has_cross_seq, head->cross_seq);
    member_optional(writer, JSON_NAME("u"), head->has_u, head->u);
    member_optional(writer, JSON_NAME("seq"), head->has_seq, head->seq);
    member_optional(writer, JSON_NAME("prev_seq"), head->has_prev_seq, head->prev_seq);
    member_optional(writer, JSON_NAME("checksum"), head->has_checksum, head->checksum);
    if (head->match_ns != 0)
        json_write_member_u64(writer, msg_member_name(MEMBER_MATCH_TIME), head->match_ns);
    /* Other types write the version as one of their values. */
    if (head->version.size > 0 && head->type == MSG_BOOK_CHANGE)
        json_write_member_bytes(writer, "version", head->version);
    member_optional(writer, JSON_NAME("unknown_fields"), head->unknown_fields != 0,
                    head->unknown_fields);
    message_json_entries(writer, m);
}

/* Write an entry of a book or trade frame, including members that its plain struct has no place
 * for. A level without them is written as one text, braces included. */
static void write_struct_entry(json_writer *w, const message *m, size_t index)
{
    const msg_item *extra = m->extra == NULL ? NULL : &m->extra->items[index];
    const msg_level *level = m->head.type == MSG_BOOK_CHANGE ? &m->book.levels[index] : NULL;
    const td_decimal *rpi =
        level == NULL || m->book.rpi_sizes == NULL ? NULL : &m->book.rpi_sizes[index];
    if (level != NULL && extra == NULL) {
        uint8_t *to = json_write_value_begin(w, LEVEL_TEXT_BYTES + 2);
        size_t size = to == NULL ? 0 : place_level((char *)to + 1, level, rpi);
        if (to != NULL) {
            to[0] = '{';
            to[size + 1] = '}';
        }
        json_write_value_end(w, to, size + 2);
        return;
    }
    json_write_object_begin(w);
    if (level != NULL) {
        char text[LEVEL_TEXT_BYTES];
        json_write_raw_members(w, td_bytes_of(text, place_level(text, level, rpi)));
    } else {
        write_trade(w, &m->trades.trades[index]);
    }
    for (size_t i = 0; extra != NULL && i < extra->value_count; i++)
        write_value(w, &extra->values[i]);
    json_write_object_end(w);
}

void message_json_entries(json_writer *writer, const message *m)
{
    TD_ASSERT(m->head.type < MSG_TYPE_COUNT);
    int is_book = m->head.type == MSG_BOOK_CHANGE;
    int is_record = message_is_record(m);
    size_t count = message_item_count(m);
    const msg_value *values = is_record          ? m->record.values
                              : m->extra != NULL ? m->extra->values
                                                 : NULL;
    size_t value_count = is_record          ? m->record.value_count
                         : m->extra != NULL ? m->extra->value_count
                                            : 0;
    /* message_json_members() has already written a book's version. */
    for (size_t i = 0; i < value_count; i++)
        if (!is_book || values[i].member != MEMBER_VERSION)
            write_value(writer, &values[i]);
    json_write_raw_key(writer, is_book                     ? JSON_NAME("levels")
                               : m->head.type == MSG_TRADE ? JSON_NAME("trades")
                                                           : JSON_NAME("items"));
    json_write_array_begin(writer);
    for (size_t i = 0; i < count; i++) {
        if (is_record)
            write_item(writer, &m->record.items[i]);
        else
            write_struct_entry(writer, m, i);
    }
    json_write_array_end(writer);
}

void message_json_control(json_writer *writer, const classification *what, td_bytes frame)
{
    int is_request = what->frame_class == CLASS_REQUEST;
    TD_ASSERT(frame_class_is_control(what->frame_class));
    json_write_member_text(writer, "type", msg_type_name(is_request ? MSG_REQUEST : MSG_CONTROL));
    if (!is_request) {
        json_write_member_text(writer, "control", frame_class_name(what->frame_class));
        json_write_key(writer, "success");
        if (what->success < 0)
            json_write_null(writer);
        else
            json_write_bool(writer, what->success);
    }
    json_write_member_bytes(writer, "frame", frame);
}

void message_json_raw(json_writer *writer, const topic_match *topic, td_bytes exchange_topic,
                      const decode_error *why)
{
    static const topic_match NONE = {.row = NULL};
    const topic_match *known = topic->row == NULL ? &NONE : topic;
    TD_ASSERT(why->reason != DECODE_OK);
    json_write_member_text(writer, "type", msg_type_name(MSG_RAW));
    member_text_or_null(writer, JSON_NAME("topic"), known->topic);
    member_text_or_null(writer, JSON_NAME("symbol"), known->symbol);
    json_write_member_object_begin(writer, "error");
    json_write_member_text(writer, "reason", decode_reason_name(why->reason));
    member_text_or_null(writer, JSON_NAME("topic"), exchange_topic);
    json_write_member_u64(writer, "offset", why->offset);
    json_write_member_text(writer, "field", why->field);
    json_write_object_end(writer);
}

/* Write a field; place is "frame" or "entry". */
static void write_field_row(json_writer *w, const field_row *field, const char *place)
{
    json_write_object_begin(w);
    json_write_member_text(w, "in", field->flags & FIELD_INHERITED ? "around the entry" : place);
    json_write_member_text(w, "member", msg_member_name(field->member));
    json_write_member_text(w, "key", field->key);
    json_write_member_text(w, "type", field_type_name(field->type));
    json_write_member_text(w, "unit",
                           field->unit == UNIT_NONE ? NULL : field_unit_name(field->unit));
    json_write_member_u64(w, "scale_e10", field->scale_e10);
    json_write_member_bool(w, "required", field->flags & FIELD_REQUIRED);
    json_write_object_end(w);
}

static void write_items_row(json_writer *w, const items_row *items)
{
    static const char *const ACTIONS[] = {
        [ACTION_NONE] = "events",    [ACTION_SET] = "set",         [ACTION_DELETE] = "deleted",
        [ACTION_UPDATE] = "updated", [ACTION_INSERT] = "inserted",
    };
    int is_bids = items->flags & ITEMS_BUY;
    int is_asks = items->flags & ITEMS_SELL;
    json_write_object_begin(w);
    json_write_member_text(w, "path", items->path);
    json_write_member_text(w, "action", ACTIONS[items->action]);
    json_write_member_text(w, "kind",
                           items->kind == FRAME_ANY ? NULL : frame_kind_name(items->kind));
    json_write_member_text(w, "side", is_bids ? "bids" : is_asks ? "asks" : NULL);
    json_write_object_end(w);
}

static void write_checksum(json_writer *w, const checksum_recipe *recipe)
{
    json_write_key(w, "checksum");
    if (recipe->levels == 0) {
        json_write_null(w);
        return;
    }
    json_write_object_begin(w);
    json_write_member_u64(w, "levels", recipe->levels);
    json_write_member_text(w, "order", checksum_order_name(recipe->order));
    json_write_object_end(w);
}

void topic_json_members(json_writer *writer, const family *of, const topic_row *row)
{
    json_write_member_text(writer, "family", of->name);
    json_write_member_text(writer, "topic", row->name);
    json_write_member_text(writer, "pattern", row->pattern);
    json_write_member_text(writer, "type", msg_type_name(row->type));
    json_write_member_text(writer, "title", row->title);
    json_write_member_text(writer, "speaks", topic_speech_name(row->speaks));
    json_write_member_text(writer, "valid_from", row->valid_from);
    json_write_member_text(writer, "valid_until", row->valid_until);
    json_write_member_text(writer, "seen", row->seen);
    json_write_key(writer, "book_depth"); /* null: not a book, or unbounded */
    if (row->book_depth == 0)
        json_write_null(writer);
    else
        json_write_u64(writer, row->book_depth);
    json_write_member_bool(writer, "grouped", row->is_grouped);
    write_checksum(writer, &row->checksum);
    json_write_member_text(writer, "symbol_path", row->symbol_path);
    json_write_member_text(writer, "parameter_path", row->parameter_path);
    json_write_member_text(writer, "frame_topic", row->frame_topic);
    json_write_member_array_begin(writer, "entries");
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        write_items_row(writer, &row->items[i]);
    json_write_array_end(writer);
    json_write_member_array_begin(writer, "fields");
    for (size_t i = 0; i < row->envelope_count; i++)
        write_field_row(writer, &row->envelope[i], "frame");
    for (size_t i = 0; i < row->field_count; i++)
        write_field_row(writer, &row->fields[i], "entry");
    json_write_array_end(writer);
    json_write_member_array_begin(writer, "rules");
    for (size_t i = 0; i < TOPIC_RULES_MAX && row->rules[i].rule != RULE_NONE; i++) {
        json_write_object_begin(writer);
        json_write_member_text(writer, "rule", rule_name(row->rules[i].rule));
        json_write_member_text(writer, "strength", rule_strength_name(row->rules[i].strength));
        json_write_member_text(
            writer, "member",
            row->rules[i].member == MEMBER_NONE ? NULL : msg_member_name(row->rules[i].member));
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}
