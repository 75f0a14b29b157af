/* Tickers of options: a row for each entry of a frame, because each entry has all values. The
 * contract's properties come from its symbol: BTC-30JUN23-45000-P, XRP_USDC-30JUN23-0d625-C,
 * BTC-USD-231229-40000-P. */
#include <stdio.h>
#include <string.h>

#include "base/time_text.h"
#include "export/export_type.h"
#include "schema/entry_order.h"

/* The columns filled from an entry: names, types, and the message's members that supply them; the
 * second one only if the first is absent. Of greeks in coins and in USD (OKX), as in Tardis's
 * files, the former count. Bybit publishes neither an underlying index nor rho. */
#define OPTION_VALUES(X)                                                                           \
    X("open_interest", VALUE_DECIMAL, OPEN_INTEREST, NONE)                                         \
    X("last_price", VALUE_DECIMAL, LAST_PRICE, NONE)                                               \
    X("bid_price", VALUE_DECIMAL, BID1_PRICE, NONE)                                                \
    X("bid_size", VALUE_DECIMAL, BID1_SIZE, NONE)                                                  \
    X("bid_iv", VALUE_DECIMAL, BID1_IV, NONE)                                                      \
    X("ask_price", VALUE_DECIMAL, ASK1_PRICE, NONE)                                                \
    X("ask_size", VALUE_DECIMAL, ASK1_SIZE, NONE)                                                  \
    X("ask_iv", VALUE_DECIMAL, ASK1_IV, NONE)                                                      \
    X("mark_price", VALUE_DECIMAL, MARK_PRICE, NONE)                                               \
    X("mark_iv", VALUE_DECIMAL, MARK_IV, NONE)                                                     \
    X("underlying_index", VALUE_TEXT, UNDERLYING_INDEX, UNDERLYING)                                \
    X("underlying_price", VALUE_DECIMAL, UNDERLYING_PRICE, NONE)                                   \
    X("delta", VALUE_DECIMAL, DELTA_COIN, DELTA)                                                   \
    X("gamma", VALUE_DECIMAL, GAMMA_COIN, GAMMA)                                                   \
    X("vega", VALUE_DECIMAL, VEGA_COIN, VEGA)                                                      \
    X("theta", VALUE_DECIMAL, THETA_COIN, THETA)                                                   \
    X("rho", VALUE_DECIMAL, RHO, NONE)

#define COLUMN_OF(name, type, member, other)  {name, type},
#define MEMBERS_OF(name, type, member, other) {MEMBER_##member, MEMBER_##other},

enum { TYPE, STRIKE_PRICE, EXPIRATION, SYMBOL_COLUMNS };

static const export_column OPTION_COLUMNS[] = {{"type", VALUE_TEXT},
                                               {"strike_price", VALUE_DECIMAL},
                                               {"expiration", VALUE_TIME_NS},
                                               OPTION_VALUES(COLUMN_OF)};
static const msg_member SOURCES[][2] = {
    {MEMBER_NONE}, {MEMBER_NONE}, {MEMBER_NONE}, OPTION_VALUES(MEMBERS_OF)};
enum { COLUMNS = sizeof SOURCES / sizeof SOURCES[0] };

/* ---- the symbol ---- */

enum { PART_COIN, PART_DATE, PART_STRIKE, PART_RIGHT };

void export_option_split(td_bytes symbol, td_bytes parts[EXPORT_OPTION_PARTS])
{
    td_bytes next;
    for (size_t i = 0; i < EXPORT_OPTION_PARTS; i++)
        if (!td_bytes_next(&symbol, '-', &parts[i]))
            parts[i] = td_bytes_of(NULL, 0);
    if (td_bytes_next(&symbol, '-', &next) && (td_bytes_is(next, "C") || td_bytes_is(next, "P"))) {
        parts[PART_DATE] = parts[PART_STRIKE]; /* the second part is the quote's coin */
        parts[PART_STRIKE] = parts[PART_RIGHT];
        parts[PART_RIGHT] = next;
    }
}

/* The expiration time: 08:00 UTC on a date such as 30JUN23, 5JUL23 or 230630; absent if it is not
 * a date. */
static msg_value expiration(td_bytes date)
{
    static const char MONTHS[] = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
    const char *at = (const char *)date.data;
    char name[4] = "";
    char text[32];
    uint64_t ns = 0;
    if (date.size != 6 && date.size != 7)
        return row_absent();
    const size_t day_size = date.size - 5;
    memcpy(name, at + day_size, 3);
    const char *month = strstr(MONTHS, name);
    if (date.size == 6 && td_digits_parse(date, 999999, &ns))
        (void)snprintf(text, sizeof text, "20%.2s-%.2s-%.2sT08:00:00Z", at, at + 2, at + 4);
    else if (month != NULL && (month - MONTHS) % 3 == 0)
        (void)snprintf(text, sizeof text, "20%.2s-%02d-%s%.*sT08:00:00Z", at + day_size + 3,
                       (int)(month - MONTHS) / 3 + 1, day_size == 1 ? "0" : "", (int)day_size, at);
    else
        return row_absent();
    if (td_time_parse_rfc3339(td_bytes_str(text), &ns, NULL) != TD_OK)
        return row_absent();
    return row_time(ns);
}

/* The strike; absent if it is not a number. A d in it is the decimal point. */
static msg_value strike(td_bytes part)
{
    uint8_t text[TD_DECIMAL_TEXT_BYTES];
    td_decimal value;
    if (part.size >= sizeof text)
        return row_absent();
    for (size_t i = 0; i < part.size; i++)
        text[i] = part.data[i] == 'd' ? '.' : part.data[i];
    if (td_decimal_parse(td_bytes_of(text, part.size), &value, NULL) != TD_OK)
        return row_absent();
    return row_decimal(value);
}

/* ---- rows ---- */

/* A member of the entry, or of the frame around it; NULL: absent. */
static const msg_value *find_value(const msg_record *record, const msg_item *item,
                                   msg_member member)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, member);
    return value != NULL ? value : msg_value_find(record->values, record->value_count, member);
}

/* The value of a column, or absent. A number of 0 counts as absent. */
static msg_value value_in(const msg_record *record, const msg_item *item, size_t column)
{
    const msg_value *value = find_value(record, item, SOURCES[column][0]);
    if (value == NULL && SOURCES[column][1] != MEMBER_NONE)
        value = find_value(record, item, SOURCES[column][1]);
    if (value == NULL || value->type != OPTION_COLUMNS[column].type ||
        (value->type == VALUE_DECIMAL && value->as.decimal.mantissa == 0))
        return row_absent();
    return *value;
}

static td_result put_entry(const maker_frame *seen, size_t place, const row_out *out, td_err *err)
{
    const msg_record *record = &seen->message->record;
    const msg_item *item = &record->items[entry_order_at(seen->order, place)];
    td_bytes parts[EXPORT_OPTION_PARTS];
    msg_value values[COLUMNS] = {0};
    td_bytes symbol = record->head.symbol;
    export_row row = export_row_of(seen);
    if (export_entries_have_symbols(record->head.row)) {
        const msg_value *own = msg_value_find(item->values, item->value_count, MEMBER_SYMBOL);
        const msg_value *time =
            msg_value_find(item->values, item->value_count, MEMBER_EXCHANGE_TIME);
        if (own != NULL && own->type == VALUE_TEXT)
            row.symbol = symbol = own->as.text;
        if (time != NULL && time->type == VALUE_TIME_NS)
            row.exchange_ns = time->as.time_ns;
    }
    export_option_split(symbol, parts);
    values[TYPE] = row_text(td_bytes_str(td_bytes_is(parts[PART_RIGHT], "P") ? "put" : "call"));
    values[STRIKE_PRICE] = strike(parts[PART_STRIKE]);
    values[EXPIRATION] = expiration(parts[PART_DATE]);
    for (size_t i = SYMBOL_COLUMNS; i < COLUMNS; i++)
        values[i] = value_in(record, item, i);
    row.flags |= place + 1 == record->item_count ? ROW_LAST_OF_FRAME : 0U;
    row.values = values;
    return out->put(out->ctx, &row, err);
}

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    td_result rc = TD_OK;
    (void)maker;
    if (seen->message == NULL || seen->frame->is_lead_in)
        return TD_OK;
    for (size_t i = 0; i < seen->message->record.item_count && rc == TD_OK; i++)
        rc = put_entry(seen, i, out, err);
    return rc;
}

/* 1 for the tickers of an option, unless the family names a topic with the tickers of all. */
static int takes(const export_settings *settings, const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    (void)settings;
    if (row == NULL || row->type != MSG_TICKER || channel->family == NULL)
        return 0;
    const char *of_all = channel->family->market.option_topic;
    if (of_all != NULL || export_entries_have_symbols(row))
        return of_all != NULL && strcmp(row->name, of_all) == 0;
    return family_kind_of(channel->family, td_bytes_str(channel->info.symbol)) == MARKET_OPTIONS;
}

/* Prefers one topic per symbol, because two would share a file. */
static int prefers(const family_market *market, const topic_row *topic, const topic_row *other)
{
    const unsigned place = (unsigned)market_ticker_place(market, topic); /* -1: the last one */
    const unsigned other_place = (unsigned)market_ticker_place(market, other);
    return place != other_place ? place < other_place : strcmp(topic->name, other->name) < 0;
}

const export_type EXPORT_OPTIONS_CHAIN = {
    .name = "options_chain",
    .columns = OPTION_COLUMNS,
    .column_count = COLUMNS,
    .kinds = 1u << MSG_TICKER,
    .takes = takes,
    .prefers = prefers,
    .frame = on_frame,
};
