#include "export/export_type.h"

#include <string.h>

#include "book/audit.h"

const export_type *const *export_type_table(size_t *count)
{
    static const export_type *const EXPORT_TYPES[] = {&EXPORT_TRADES,
                                                      &EXPORT_BOOK_DELTAS,
                                                      &EXPORT_BOOK_SNAPSHOT_25,
                                                      &EXPORT_BOOK_SNAPSHOT_5,
                                                      &EXPORT_QUOTES,
                                                      &EXPORT_BARS,
                                                      &EXPORT_BOOK_SNAPSHOTS,
                                                      &EXPORT_BOOK_TICKER,
                                                      &EXPORT_DERIVATIVE_TICKER,
                                                      &EXPORT_OPTIONS_CHAIN,
                                                      &EXPORT_LIQUIDATIONS,
                                                      &EXPORT_GAPS,
                                                      &EXPORT_INSTRUMENTS,
                                                      &EXPORT_MESSAGE_TYPES[MSG_TICKER],
                                                      &EXPORT_MESSAGE_TYPES[MSG_KLINE],
                                                      &EXPORT_MESSAGE_TYPES[MSG_INSURANCE],
                                                      &EXPORT_MESSAGE_TYPES[MSG_ORDER],
                                                      &EXPORT_MESSAGE_TYPES[MSG_STOP_ORDER],
                                                      &EXPORT_MESSAGE_TYPES[MSG_EXECUTION],
                                                      &EXPORT_MESSAGE_TYPES[MSG_POSITION],
                                                      &EXPORT_MESSAGE_TYPES[MSG_WALLET],
                                                      &EXPORT_MESSAGE_TYPES[MSG_GREEKS],
                                                      &EXPORT_MESSAGE_TYPES[MSG_INDEX],
                                                      &EXPORT_MESSAGE_TYPES[MSG_NOTICE],
                                                      &EXPORT_MESSAGE_TYPES[MSG_ORDER_ENTRY],
                                                      &EXPORT_MESSAGE_TYPES[MSG_BOOK_ORDERS]};
    *count = sizeof EXPORT_TYPES / sizeof EXPORT_TYPES[0];
    return EXPORT_TYPES;
}

size_t export_plain_columns(const export_type *type)
{
    return type->column_count - ((type->flags & EXPORT_OF_INTERVALS) != 0);
}

export_row export_row_of(const maker_frame *seen)
{
    const frame_ref *frame = seen->frame;
    const message *m = seen->message;
    export_row row = {.recv_ns = frame->recv_ns,
                      .exchange_ns = m == NULL ? 0 : m->head.exchange_ns,
                      .is_suspect = seen->trust != NULL && !seen->trust->is_trusted};
    row.has_number = m != NULL && msg_head_number(&m->head, &row.number) != 0;
    row.flags = (frame->is_late ? ROW_LATE : 0U) | (row.is_suspect ? ROW_NOT_TRUSTED : 0U);
    if ((seen->trust != NULL && seen->trust->is_snapshot) ||
        (m != NULL && m->head.kind == FRAME_SNAPSHOT))
        row.flags |= ROW_SNAPSHOT;
    return row;
}

td_bytes row_value_text(const msg_value *value, char memory[ROW_TEXT_BYTES])
{
    td_decimal number = {0, 0};
    switch (value->type) {
    case VALUE_ABSENT:
        return td_bytes_of(NULL, 0);
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_BIG_DECIMAL:
        return value->as.text;
    case VALUE_BOOL:
        return td_bytes_str(value->as.is_true ? "true" : "false");
    case VALUE_SIDE:
        return td_bytes_str(msg_side_name((msg_side)value->as.side));
    case VALUE_DECIMAL:
        number = value->as.decimal;
        break;
    case VALUE_INTEGER:
        number.mantissa = value->as.integer;
        break;
    case VALUE_TIME_NS:
        number.mantissa = (int64_t)value->as.time_ns;
        break;
    }
    return td_bytes_of(memory, td_decimal_format(number, memory));
}

int export_is_book_topic(const topic_row *row, uint32_t depth)
{
    if (row->type != MSG_BOOK_CHANGE || row->is_grouped)
        return 0;
    return depth == 0 || row->book_depth == depth;
}

int export_type_is_of(const export_type *type, const topic_row *row)
{
    return row->type == type->message || (type->also != NULL && type->also(row));
}

/* The kinds of messages that are compared with a topic's messages. */
static uint32_t kinds_compared(const topic_row *row)
{
    switch (audit_part_of(row)) {
    case AUDIT_TRADES:
    case AUDIT_CANDLES:
        return 1u << MSG_TRADE | 1u << MSG_KLINE;
    case AUDIT_BOOK:
    case AUDIT_BEST:
        return 1u << MSG_BOOK_CHANGE | 1u << MSG_TICKER;
    case AUDIT_NONE:
    case AUDIT_PARTS:
        break;
    }
    return 0;
}

int export_type_needs(const export_type *type, const topic_row *row)
{
    const uint32_t kinds = type->kinds != 0                         ? type->kinds
                           : type->message != MSG_RAW               ? 1u << type->message
                           : (type->flags & EXPORT_OF_BOOKS) != 0   ? 1u << MSG_BOOK_CHANGE
                           : (type->flags & EXPORT_OF_REPLIES) != 0 ? 0
                                                                    : UINT32_MAX;
    return export_type_is_of(type, row) || row->type == MSG_RAW ||
           (kinds & (1u << row->type | kinds_compared(row))) != 0;
}

int export_type_takes(const export_type *type, const export_settings *settings,
                      const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    if (type->message == MSG_RAW)
        return type->takes != NULL && type->takes(settings, channel);
    return row != NULL && export_type_is_of(type, row) &&
           (type->takes == NULL || type->takes(settings, channel));
}

int export_takes_book(const export_settings *settings, const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    return row != NULL && export_is_book_topic(row, settings->depth);
}

int export_prefers_book(const family_market *market, const topic_row *topic, const topic_row *other)
{
    int is_own = market->book_topic != NULL && strcmp(topic->name, market->book_topic) == 0;
    int other_is_own = market->book_topic != NULL && strcmp(other->name, market->book_topic) == 0;
    if (is_own != other_is_own)
        return is_own;
    if (topic_row_depth(topic) != topic_row_depth(other))
        return topic_row_depth(topic) > topic_row_depth(other);
    return strcmp(topic->name, other->name) < 0;
}

int export_chooses(const export_type *type, const frame_channel *channel)
{
    return type->prefers != NULL && (type->joins == NULL || !type->joins(channel)) &&
           (channel->topic.row == NULL || !export_entries_have_symbols(channel->topic.row));
}

int export_prefers_trades(const family_market *market, const topic_row *topic,
                          const topic_row *other)
{
    const char *own = market->trade_topic;
    const int is_own = own != NULL && strcmp(topic->name, own) == 0;
    const int other_is_own = own != NULL && strcmp(other->name, own) == 0;
    return is_own != other_is_own ? is_own : strcmp(topic->name, other->name) < 0;
}

int export_entries_have_symbols(const topic_row *row)
{
    return topic_row_has_coin(row) || !topic_row_has_symbol(row);
}
