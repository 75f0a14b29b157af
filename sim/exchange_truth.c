/* What the exchange writes down of what it sends. */
#include <stdio.h>

#include "base/assert.h"
#include "sim/exchange_impl.h"

void note_frame(sim_conn *conn, const venue_stream *stream, const venue_frame *frame)
{
    exchange *x = conn->exchange;
    td_err err;
    TD_ASSERT(frame->bytes.size > 0);
    TD_ASSERT(!conn->is_closing);
    conn->sent++;
    x->counts.data_frames++;
    if (x->options.truth == NULL)
        return;
    const truth_frame sent = {.path = conn->path,
                              .conn = conn->number,
                              .n = conn->sent,
                              .topic = stream->topic,
                              .symbol = stream->symbol,
                              .bytes = frame->bytes,
                              .ts_ns = frame->ts_ns};
    td_result rc = truth_put_frame(x->options.truth, &sent, &err);
    if (rc != TD_OK)
        exchange_fail(x, rc, &err);
}

/* A market's name in the truth: the first path of its family. */
static const char *market_path(const sim_market *m)
{
    const family *of = family_find(td_bytes_str(m->row->family));
    TD_ASSERT(of != NULL);
    return family_url_path(of->endpoints[0].url);
}

static void note_book(sim_market *m, const venue_stream *stream, const venue_frame *frame)
{
    exchange *x = m->exchange;
    td_err err;
    TD_ASSERT(frame->stream < venue_stream_count(m->venue));
    if (++m->book_frames[frame->stream] % BOOK_MARK_EVERY != 0)
        return;
    const truth_book book = {.path = market_path(m),
                             .topic = stream->topic,
                             .symbol = stream->symbol,
                             .seq = frame->seq,
                             .u = frame->u,
                             .frame = frame->bytes,
                             .traded = &venue_symbol_at(m->venue, frame->symbol)->traded,
                             .shown = venue_book(m->venue, frame->stream)};
    td_result rc = truth_put_book(x->options.truth, &book, &err);
    if (rc != TD_OK)
        exchange_fail(x, rc, &err);
}

static void put_entry(sim_market *m, const venue_stream *stream, const venue_frame *frame,
                      const char *kind, size_t index, const truth_value *values, size_t count)
{
    exchange *x = m->exchange;
    td_err err;
    const truth_entry entry = {.kind = kind,
                               .path = market_path(m),
                               .topic = stream->topic,
                               .symbol = stream->symbol,
                               .frame = frame->bytes,
                               .index = index,
                               .values = values,
                               .value_count = count};
    td_result rc = truth_put_entry(x->options.truth, &entry, &err);
    if (rc != TD_OK)
        exchange_fail(x, rc, &err);
}

/* Times of trades have whole milliseconds on the wire. */
static sim_value cut_to_ms(sim_value moment)
{
    enum { NS_PER_MS = 1000000 };
    return sim_number(moment.n - moment.n % NS_PER_MS, 0);
}

static void note_trades(sim_market *m, const venue_stream *stream, const venue_frame *frame,
                        const venue_told *told)
{
    sim_value v[SIM_COUNT];
    for (size_t i = 0; i < told->trade_count; i++) {
        symbol_set_trade(told->symbol, &told->trades[i], v);
        const truth_value values[] = {
            {"side", TRUTH_TEXT, v[SIM_SIDE]},
            {"price", TRUTH_DECIMAL, v[SIM_PRICE]},
            {"size", TRUTH_DECIMAL, v[SIM_SIZE]},
            {"exchange_ns", TRUTH_WHOLE, cut_to_ms(v[SIM_TRADE_TIME])},
        };
        put_entry(m, stream, frame, "trade", i, values, sizeof values / sizeof values[0]);
    }
}

static void note_candles(sim_market *m, const venue_stream *stream, const venue_frame *frame,
                         const venue_told *told)
{
    sim_value v[SIM_COUNT];
    for (size_t i = 0; i < told->candle_count; i++) {
        symbol_set_candle(told->symbol, told->candles[i], told->is_closed[i], v);
        const truth_value values[] = {
            {"start_ns", TRUTH_WHOLE, v[SIM_START]},
            {"open", TRUTH_DECIMAL, v[SIM_OPEN]},
            {"high", TRUTH_DECIMAL, v[SIM_HIGH]},
            {"low", TRUTH_DECIMAL, v[SIM_LOW]},
            {"close", TRUTH_DECIMAL, v[SIM_CLOSE]},
            {"volume", TRUTH_DECIMAL, v[SIM_VOLUME]},
            {"turnover", TRUTH_DECIMAL, v[SIM_TURNOVER]},
            {"is_confirmed", TRUTH_BOOL, v[SIM_CONFIRM]},
        };
        put_entry(m, stream, frame, "candle", i, values, sizeof values / sizeof values[0]);
    }
}

/* ---- the account's ---- */

static void note_order(sim_market *m, const venue_stream *stream, const venue_frame *frame)
{
    const sim_value *v = venue_last_values(m->venue);
    char number[24];
    int is_numbered = (stream->row->flags & STREAM_NUMBERED) != 0;
    int n = snprintf(number, sizeof number, "%lld", (long long)v[SIM_ORDER_NUMBER].n);
    TD_ASSERT(n > 0);
    const truth_value values[] = {
        {"order_id", TRUTH_TEXT, is_numbered ? sim_text(number) : v[SIM_ORDER_ID]},
        {"symbol", TRUTH_TEXT, v[SIM_SYMBOL]},
        {"side", TRUTH_TEXT, v[SIM_SIDE]},
        {"size", TRUTH_DECIMAL, v[SIM_ORDER_QTY]},
        {"cum_exec_size", TRUTH_DECIMAL, v[SIM_ORDER_CUM_QTY]},
        {"cum_exec_fee", TRUTH_DECIMAL, v[SIM_ORDER_CUM_FEE]},
        {"order_status", TRUTH_TEXT, v[SIM_ORDER_STATUS]},
    };
    size_t count = sizeof values / sizeof values[0];
    put_entry(m, stream, frame, "order", 0, values,
              count - ((stream->row->flags & STREAM_OWN_WORDS) != 0));
}

static void note_execution(sim_market *m, const venue_stream *stream, const venue_frame *frame)
{
    const sim_value *v = venue_last_values(m->venue);
    char number[24];
    int is_numbered = (stream->row->flags & STREAM_NUMBERED) != 0;
    int n = snprintf(number, sizeof number, "%lld", (long long)v[SIM_EXEC_NUMBER].n);
    TD_ASSERT(n > 0);
    const truth_value values[] = {
        {"exec_id", TRUTH_TEXT, is_numbered ? sim_text(number) : v[SIM_EXEC_ID]},
        {"symbol", TRUTH_TEXT, v[SIM_SYMBOL]},
        {"exec_price", TRUTH_DECIMAL, v[SIM_EXEC_PRICE]},
        {"exec_size", TRUTH_DECIMAL, v[SIM_EXEC_QTY]},
        {"exec_fee", TRUTH_DECIMAL, v[SIM_EXEC_FEE]},
        {"side", TRUTH_TEXT, v[SIM_SIDE]},
    };
    put_entry(m, stream, frame, "trade", 0, values, sizeof values / sizeof values[0]);
}

/* An option's size has a sign in one family and none in the others. */
static void note_position(sim_market *m, const venue_stream *stream, const venue_frame *frame)
{
    const sim_value *v = venue_last_values(m->venue);
    const truth_value values[] = {
        {"symbol", TRUTH_TEXT, v[SIM_SYMBOL]},
        {"entry_price", TRUTH_DECIMAL, v[SIM_ENTRY_PRICE]},
        {"cum_realised_pnl", TRUTH_DECIMAL, v[SIM_REALISED]},
        {"size", TRUTH_DECIMAL, v[SIM_POSITION]},
    };
    size_t count = sizeof values / sizeof values[0];
    put_entry(m, stream, frame, "account", 0, values, count - (m->row->traded == PRODUCT_OPTION));
}

static void note_wallet(sim_market *m, const venue_stream *stream, const venue_frame *frame)
{
    const sim_value *v = venue_last_values(m->venue);
    const truth_value values[] = {
        {"wallet_balance", TRUTH_DECIMAL, v[SIM_WALLET]},
        {"available_balance", TRUTH_DECIMAL, v[SIM_AVAILABLE]},
    };
    put_entry(m, stream, frame, "account", 0, values, sizeof values / sizeof values[0]);
}

void note_content(sim_market *m, const venue_stream *stream, const venue_frame *frame)
{
    stream_kind kind = stream->row->kind;
    if (m->exchange->options.truth == NULL || (stream->row->flags & STREAM_NO_MARK) != 0)
        return;
    venue_told told = venue_last_told(m->venue);
    if (kind == STREAM_BOOK)
        note_book(m, stream, frame);
    else if (kind == STREAM_TRADE || kind == STREAM_TRADE_EACH)
        note_trades(m, stream, frame, &told);
    else if (kind == STREAM_CANDLE)
        note_candles(m, stream, frame, &told);
    else if (kind == STREAM_ORDER || kind == STREAM_STOP_ORDER)
        note_order(m, stream, frame);
    else if (kind == STREAM_EXECUTION)
        note_execution(m, stream, frame);
    else if (kind == STREAM_POSITION)
        note_position(m, stream, frame);
    else if (kind == STREAM_WALLET)
        note_wallet(m, stream, frame);
}

void note_fault(sim_market *m, fault_kind kind, const venue_frame *frame)
{
    exchange *x = m->exchange;
    td_err err;
    if (x->options.truth == NULL)
        return;
    truth_fault injected = {.path = market_path(m), .n = m->made, .what = fault_name(kind)};
    if (frame != NULL) {
        venue_stream stream = venue_stream_at(m->venue, frame->stream);
        injected.topic = stream.topic;
        injected.symbol = stream.symbol;
    }
    td_result rc = truth_put_fault(x->options.truth, &injected, &err);
    if (rc != TD_OK)
        exchange_fail(x, rc, &err);
}

int flush_truth(exchange *x)
{
    td_err err;
    td_result rc = x->options.truth != NULL ? truth_flush(x->options.truth, &err) : TD_OK;
    if (rc != TD_OK)
        exchange_fail(x, rc, &err);
    return x->failure == TD_OK;
}
