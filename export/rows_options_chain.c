/* Tickers of options: a row for each frame, because each frame has all values. The contract's
 * properties come from its symbol: BTC-30JUN23-45000-P, XRP_USDC-30JUN23-0d625-C. */
#include <stdio.h>
#include <string.h>

#include "base/time_text.h"
#include "export/export_type.h"

/* The columns filled from a frame: names, types, and the message's members that supply them.
 * Bybit publishes neither an underlying index nor rho. */
#define OPTION_VALUES(X)                                                                           \
    X("open_interest", VALUE_DECIMAL, OPEN_INTEREST)                                               \
    X("last_price", VALUE_DECIMAL, LAST_PRICE)                                                     \
    X("bid_price", VALUE_DECIMAL, BID1_PRICE)                                                      \
    X("bid_size", VALUE_DECIMAL, BID1_SIZE)                                                        \
    X("bid_iv", VALUE_DECIMAL, BID1_IV)                                                            \
    X("ask_price", VALUE_DECIMAL, ASK1_PRICE)                                                      \
    X("ask_size", VALUE_DECIMAL, ASK1_SIZE)                                                        \
    X("ask_iv", VALUE_DECIMAL, ASK1_IV)                                                            \
    X("mark_price", VALUE_DECIMAL, MARK_PRICE)                                                     \
    X("mark_iv", VALUE_DECIMAL, MARK_IV)                                                           \
    X("underlying_index", VALUE_TEXT, UNDERLYING_INDEX)                                            \
    X("underlying_price", VALUE_DECIMAL, UNDERLYING_PRICE)                                         \
    X("delta", VALUE_DECIMAL, DELTA)                                                               \
    X("gamma", VALUE_DECIMAL, GAMMA)                                                               \
    X("vega", VALUE_DECIMAL, VEGA)                                                                 \
    X("theta", VALUE_DECIMAL, THETA)                                                               \
    X("rho", VALUE_DECIMAL, RHO)

#define COLUMN_OF(name, type, member) {name, type},
#define MEMBER_OF(name, type, member) MEMBER_##member,

enum { TYPE, STRIKE_PRICE, EXPIRATION, SYMBOL_COLUMNS };

static const export_column OPTION_COLUMNS[] = {{"type", VALUE_TEXT},
                                               {"strike_price", VALUE_DECIMAL},
                                               {"expiration", VALUE_TIME_NS},
                                               OPTION_VALUES(COLUMN_OF)};
static const msg_member MEMBERS_OF[] = {MEMBER_NONE, MEMBER_NONE, MEMBER_NONE,
                                        OPTION_VALUES(MEMBER_OF)};
enum { COLUMNS = sizeof MEMBERS_OF / sizeof MEMBERS_OF[0] };

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

/* The expiration time: 08:00 UTC on a date such as 30JUN23 or 5JUL23; absent if it is not a
 * date. */
static msg_value expiration(td_bytes date)
{
    static const char MONTHS[] = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
    char name[4] = "";
    char text[32];
    uint64_t ns = 0;
    if (date.size != 6 && date.size != 7)
        return row_absent();
    const size_t day_size = date.size - 5;
    const uint8_t *at = date.data;
    memcpy(name, at + day_size, 3);
    const char *month = strstr(MONTHS, name);
    if (month == NULL || (month - MONTHS) % 3 != 0)
        return row_absent();
    (void)snprintf(text, sizeof text, "20%.2s-%02d-%s%.*sT08:00:00Z",
                   (const char *)at + day_size + 3, (int)(month - MONTHS) / 3 + 1,
                   day_size == 1 ? "0" : "", (int)day_size, (const char *)at);
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

/* The value of a column in a frame, in the entry or beside it, or absent. A number of
 * 0 counts as absent. */
static msg_value value_in(const message *m, size_t column)
{
    const msg_item *item = &m->record.items[0];
    const msg_value *value = msg_value_find(item->values, item->value_count, MEMBERS_OF[column]);
    if (value == NULL)
        value = msg_value_find(m->record.values, m->record.value_count, MEMBERS_OF[column]);
    if (value == NULL || value->type != OPTION_COLUMNS[column].type ||
        (value->type == VALUE_DECIMAL && value->as.decimal.mantissa == 0))
        return row_absent();
    return *value;
}

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    const message *m = seen->message;
    td_bytes parts[EXPORT_OPTION_PARTS];
    msg_value values[COLUMNS] = {0};
    (void)maker;
    if (m == NULL || m->record.item_count == 0 || seen->frame->is_lead_in)
        return TD_OK;
    export_option_split(m->head.symbol, parts);
    values[TYPE] = row_text(td_bytes_str(td_bytes_is(parts[PART_RIGHT], "P") ? "put" : "call"));
    values[STRIKE_PRICE] = strike(parts[PART_STRIKE]);
    values[EXPIRATION] = expiration(parts[PART_DATE]);
    for (size_t i = SYMBOL_COLUMNS; i < COLUMNS; i++)
        values[i] = value_in(m, i);
    export_row row = export_row_of(seen);
    row.flags |= ROW_LAST_OF_FRAME;
    row.values = values;
    return out->put(out->ctx, &row, err);
}

static int takes(const export_settings *settings, const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    (void)settings;
    return row != NULL && row->type == MSG_TICKER && !export_entries_have_symbols(row) &&
           channel->family != NULL &&
           family_kind_of(channel->family, td_bytes_str(channel->info.symbol)) == MARKET_OPTIONS;
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
    .takes = takes,
    .prefers = prefers,
    .frame = on_frame,
};
