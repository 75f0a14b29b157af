/* Funding, open interest and prices of a contract, from one topic or, joined, from several. Each
 * change gives a row with all values known so far. A possible loss of a topic's frames clears the
 * values that are from it. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "export/export_type.h"

/* The columns: names, types, and the message's members that supply them. */
#define TICKER_VALUES(X)                                                                           \
    X("funding_timestamp", VALUE_TIME_NS, NEXT_FUNDING_TIME)                                       \
    X("funding_rate", VALUE_DECIMAL, FUNDING_RATE)                                                 \
    X("predicted_funding_rate", VALUE_DECIMAL, PREDICTED_FUNDING_RATE)                             \
    X("open_interest", VALUE_DECIMAL, OPEN_INTEREST)                                               \
    X("last_price", VALUE_DECIMAL, LAST_PRICE)                                                     \
    X("index_price", VALUE_DECIMAL, INDEX_PRICE)                                                   \
    X("mark_price", VALUE_DECIMAL, MARK_PRICE)

#define COLUMN_OF(name, type, member) {name, type},
#define MEMBER_OF(name, type, member) MEMBER_##member,

static const export_column DERIVATIVE_COLUMNS[] = {TICKER_VALUES(COLUMN_OF)};
static const msg_member MEMBERS_OF[] = {TICKER_VALUES(MEMBER_OF)};
enum { COLUMNS = sizeof MEMBERS_OF / sizeof MEMBERS_OF[0] };
_Static_assert((int)COLUMNS == (int)TICKER_COLUMNS, "columns of tickers");

/* A topic that supplies values. */
typedef struct ticker_source {
    const frame_conn *conn; /* connection of its last frame; NULL if unknown */
} ticker_source;

typedef struct ticker_state {
    uint64_t exchange_ns; /* exchange time of rows; never falls to an earlier millisecond */
    msg_value values[COLUMNS];
    uint8_t places[COLUMNS]; /* the place (place_of) of the topic that a value is from */
    ticker_source sources[MARKET_TEXTS_MAX]; /* by place */
    uint8_t is_initial_due; /* 1 if the values are from before the selection and still have to be
                             written */
} ticker_state;

/* The place of a channel's topic among those that supply the symbol's values together; 0 if it is
 * the only one. */
static uint8_t place_of(const frame_channel *channel)
{
    const int place = market_ticker_place(&channel->family->market, channel->topic.row);
    return place < 0 ? 0 : (uint8_t)place;
}

/* 1 if frames before this one are missing by the gap. The row of a gap that ends a connection may
 * begin before the connection's last frames, which are right. */
static int is_after_gap(const maker_frame *seen)
{
    const gap_row *gap = seen->gap;
    return gap != NULL && !(gap_reason_ends_connection(gap->reason) &&
                            (gap->to_ns == GAP_OPEN || seen->frame->recv_ns < gap->to_ns));
}

static int may_lack_frames(const ticker_source *source, const maker_frame *seen)
{
    return is_after_gap(seen) || (source->conn != NULL && seen->frame->conn != source->conn) ||
           (seen->trust != NULL && seen->trust->broke->reason != TIME_IS_RIGHT);
}

static int is_same(const msg_value *a, const msg_value *b)
{
    if (a->type != b->type)
        return 0;
    return a->type == VALUE_TIME_NS ? a->as.time_ns == b->as.time_ns
                                    : td_decimal_compare(a->as.decimal, b->as.decimal) == 0;
}

/* Forgets the values of a topic. Without any value nothing is known of the time either. */
static void forget(ticker_state *state, uint8_t place)
{
    size_t kept = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        if (state->places[i] == place)
            state->values[i] = row_absent();
        kept += state->values[i].type != VALUE_ABSENT;
    }
    if (kept == 0)
        *state = (ticker_state){.exchange_ns = 0};
    state->sources[place].conn = NULL;
}

/* The value of a column in a frame, or NULL. A funding time of 0 counts as absent. */
static const msg_value *value_in(const msg_item *item, size_t column)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, MEMBERS_OF[column]);
    const int is_there = value != NULL && value->type == DERIVATIVE_COLUMNS[column].type &&
                         (value->type != VALUE_TIME_NS || value->as.time_ns != 0);
    return is_there ? value : NULL;
}

/* Sets the values in a ticker. A value of a topic with a lower place stays. Frames of a topic
 * without state have all its values, so one that is missing is absent. 1 if a value changed. */
static int set_values(ticker_state *state, const frame_channel *channel, const msg_item *item)
{
    const uint8_t place = place_of(channel);
    const int has_all = !topic_row_has_state(channel->topic.row);
    int has_changed = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        const msg_value *value = value_in(item, i);
        const int is_known = state->values[i].type != VALUE_ABSENT;
        if (is_known && state->places[i] < place)
            continue;
        if (value == NULL && has_all && is_known && state->places[i] == place) {
            state->values[i] = row_absent();
            has_changed = 1;
        }
        if (value == NULL)
            continue;
        has_changed |= !is_same(value, &state->values[i]);
        state->values[i] = *value;
        state->places[i] = place;
    }
    return has_changed;
}

static void set_time(ticker_state *state, const maker_frame *seen, const msg_item *item)
{
    uint64_t ns = seen->message->head.exchange_ns;
    const msg_value *updated = msg_value_find(item->values, item->value_count, MEMBER_UPDATED_AT);
    if (ns == 0)
        ns = updated != NULL ? updated->as.time_ns : seen->frame->recv_ns;
    if (ns / TD_NS_PER_MS >= state->exchange_ns / TD_NS_PER_MS)
        state->exchange_ns = ns;
}

/* Puts a row with the values at the start of the selection. */
static td_result put_initial(ticker_state *state, const maker_frame *seen, const row_out *out,
                             td_err *err)
{
    if (!state->is_initial_due || seen->frame->is_lead_in)
        return TD_OK;
    state->is_initial_due = 0;
    const export_row row = {.recv_ns = seen->part.from_ns,
                            .exchange_ns = state->exchange_ns,
                            .is_initial = 1,
                            .flags = ROW_SYNTHESIZED,
                            .values = state->values};
    return out->put(out->ctx, &row, err);
}

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    ticker_state *state = maker;
    const frame_channel *channel = seen->frame->channel;
    const message *m = seen->message;
    const uint8_t place = place_of(channel);
    if (may_lack_frames(&state->sources[place], seen))
        forget(state, place);
    state->sources[place].conn = seen->frame->conn;
    td_result rc = put_initial(state, seen, out, err);
    if (rc != TD_OK || m == NULL || m->record.item_count == 0)
        return rc;
    set_time(state, seen, &m->record.items[0]);
    int has_changed = set_values(state, channel, &m->record.items[0]);
    if (seen->frame->is_lead_in)
        state->is_initial_due |= (uint8_t)has_changed;
    if (!has_changed || seen->frame->is_lead_in)
        return TD_OK;
    export_row row = export_row_of(seen);
    row.exchange_ns = state->exchange_ns;
    row.flags |= ROW_LAST_OF_FRAME;
    row.values = state->values;
    return out->put(out->ctx, &row, err);
}

static void on_lost(void *maker, const frame_channel *channel)
{
    forget(maker, place_of(channel));
}

/* 1 for a topic of a contract. */
static int is_of_contract(const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    return row != NULL && row->type == MSG_TICKER && channel->family != NULL &&
           family_kind_of(channel->family, td_bytes_str(channel->info.symbol)) == MARKET_CONTRACTS;
}

static int joins(const frame_channel *channel)
{
    return is_of_contract(channel) &&
           market_ticker_place(&channel->family->market, channel->topic.row) >= 0;
}

/* 1 for the topics that the family lists; in a family without a list, for tickers that consist of
 * changes: instrument_info and tickers. */
static int takes(const export_settings *settings, const frame_channel *channel)
{
    (void)settings;
    return joins(channel) || (is_of_contract(channel) && channel->family->market.tickers == NULL &&
                              topic_row_has_state(channel->topic.row));
}

/* Prefers one topic per symbol, because two would share a file. */
static int prefers(const family_market *market, const topic_row *topic, const topic_row *other)
{
    (void)market;
    return strcmp(topic->name, other->name) < 0;
}

static void *open_state(const maker_begin *begin)
{
    (void)begin;
    return td_alloc_zero(1, sizeof(ticker_state));
}

const export_type EXPORT_DERIVATIVE_TICKER = {
    .name = "derivative_ticker",
    .columns = DERIVATIVE_COLUMNS,
    .column_count = COLUMNS,
    .kinds = 1u << MSG_TICKER,
    .takes = takes,
    .joins = joins,
    .lost = on_lost,
    .prefers = prefers,
    .open = open_state,
    .frame = on_frame,
    .close = td_free,
};
