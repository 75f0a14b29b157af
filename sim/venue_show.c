/* How what happened becomes a frame: the values and lists that a stream's template is filled with.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "sim/venue_impl.h"

/* ---- lists ---- */

static void set_level(const list_source *list, market_side side, const window_level *level,
                      sim_value *values)
{
    const instrument *traded = &list->symbol->traded;
    values[SIM_PRICE] = sim_number(level->price, traded->price_places);
    /* A level that is gone has "0", without places. */
    values[SIM_SIZE] = sim_number(level->size, level->size == 0 ? 0 : traded->size_places);
    values[SIM_RPI_SIZE] = sim_number(level->rpi, level->rpi == 0 ? 0 : traded->size_places);
    values[SIM_SIDE] = sim_text(side == MARKET_BUY ? "Buy" : "Sell");
}

/* The index-th level of a window: first the bids or the asks, each forwards or backwards. */
static int next_level(const list_source *list, sim_list_id which, size_t index, sim_value *values)
{
    const book_window *window = list->window;
    size_t bids = window->counts[MARKET_BUY];
    size_t asks = window->counts[MARKET_SELL];
    market_side side = MARKET_BUY;
    if (which == SIM_LIST_ASKS || (which == SIM_LIST_RISING && index >= bids) ||
        (which == SIM_LIST_FALLING && index < asks))
        side = MARKET_SELL;
    size_t at = index;
    if (which == SIM_LIST_RISING)
        at = side == MARKET_BUY ? bids - 1 - index : index - bids;
    if (which == SIM_LIST_FALLING)
        at = side == MARKET_SELL ? asks - 1 - index : index - asks;
    if (at >= window->counts[side])
        return 0; /* the end: counting backwards has gone below 0 */
    TD_ASSERT(which != SIM_LIST_BIDS || side == MARKET_BUY);
    set_level(list, side, &window_side(window, side)[at], values);
    return 1;
}

/* Is a change in this list? */
static int is_listed(const window_change *change, sim_list_id which)
{
    if (which == SIM_LIST_BIDS || which == SIM_LIST_ASKS)
        return (change->side == MARKET_BUY) == (which == SIM_LIST_BIDS);
    return change->kind == (which == SIM_LIST_DELETED   ? CHANGE_DELETE
                            : which == SIM_LIST_UPDATED ? CHANGE_UPDATE
                                                        : CHANGE_INSERT);
}

static int next_change(list_source *list, sim_list_id which, size_t index, sim_value *values)
{
    if (index == 0)
        list->at = 0;
    TD_ASSERT(index == 0 || list->at > 0); /* items are asked for one after the other */
    while (list->at < list->changes->count) {
        const window_change *change = &list->changes->items[list->at++];
        if (!is_listed(change, which))
            continue;
        set_level(list, change->side, &change->level, values);
        return 1;
    }
    return 0;
}

static int next_trade(list_source *list, size_t index, sim_value *values)
{
    const sim_symbol *s = list->symbol;
    if (index >= list->trade_count)
        return 0;
    size_t at = list->trade_first + index;
    TD_ASSERT(s != NULL);
    const sim_trade *trade = list->is_recent ? &s->recent[at % SYMBOL_RECENT_MAX] : &s->trades[at];
    symbol_set_trade(s, trade, values);
    symbol_format_uuid(trade->id, list->uuid);
    values[SIM_TRADE_ID] = sim_text(list->uuid);
    return 1;
}

/* Symbols that share what stands behind the stream's topic. */
static int next_symbol(list_source *list, size_t index, sim_value *values)
{
    const venue *v = list->venue;
    TD_ASSERT(list->of >= v->streams);
    uint32_t stream_index = (uint32_t)(list->of - v->streams);
    if (index == 0)
        list->at = 0;
    while (list->at < v->options.symbol_count) {
        const venue_member *member = &v->members[list->at++];
        for (uint32_t i = 0; i < member->stream_count; i++) {
            if (member->streams[i] == stream_index) {
                symbol_set_names(&member->symbol, values);
                return 1;
            }
        }
    }
    return 0;
}

/* What there is of the account, for who subscribes now. */
static int next_position(list_source *list, size_t index, sim_value *values)
{
    const venue *v = list->venue;
    if (index == 0)
        list->at = 0;
    while (list->at < ACCOUNT_SYMBOLS && list->at < v->options.symbol_count) {
        uint32_t symbol = (uint32_t)list->at++;
        const account_position *held = account_position_of(v->account, symbol);
        if (held == NULL)
            continue;
        account_set_position(held, &v->members[symbol].symbol, values);
        return 1;
    }
    return 0;
}

static int next_order(list_source *list, size_t index, sim_value *values)
{
    venue *v = list->venue;
    const account_order *order = account_open_order(v->account, index);
    if (order == NULL)
        return 0;
    account_set_order(order, &v->members[order->symbol].symbol, &v->texts, values);
    return 1;
}

static int next_item(void *user, sim_list_id which, size_t index, sim_value *values)
{
    list_source *list = user;
    switch (which) {
    case SIM_LIST_TRADES:
        return next_trade(list, index, values);
    case SIM_LIST_CANDLES:
        if (index >= list->candle_count)
            return 0;
        symbol_set_candle(list->symbol, list->candles[index], list->is_closed[index], values);
        return 1;
    case SIM_LIST_SYMBOLS:
        return next_symbol(list, index, values);
    case SIM_LIST_LIQUIDATIONS:
        if (index > 0)
            return 0;
        symbol_set_liquidation(list->symbol, values);
        return 1;
    case SIM_LIST_POSITIONS:
        return next_position(list, index, values);
    case SIM_LIST_ORDERS:
        return next_order(list, index, values);
    case SIM_LIST_BIDS:
    case SIM_LIST_ASKS:
    case SIM_LIST_RISING:
    case SIM_LIST_FALLING:
    case SIM_LIST_DELETED:
    case SIM_LIST_UPDATED:
    case SIM_LIST_INSERTED:
    case SIM_LIST_COUNT:
        break;
    }
    return list->window != NULL ? next_level(list, which, index, values)
                                : next_change(list, which, index, values);
}

/* ---- values ---- */

/* The part of a topic behind its first dot: a candle's interval. */
static const char *parameter_of(const stream_row *row)
{
    const char *dot = strchr(row->topic, '.');
    return dot == NULL ? "" : dot + 1;
}

/* What is true of the whole frame. Spot names a book's version by the event and two small numbers.
 */
static void set_frame(venue *v, const stream *of, const sim_symbol *s, const char *type)
{
    sim_value *values = v->values;
    symbol_set_names(s, values);
    values[SIM_TOPIC] = sim_text(of->name);
    values[SIM_TYPE] = sim_text(type);
    values[SIM_TS] = sim_time(of->ts_ns);
    values[SIM_CTS] = sim_time(of->cts_ns);
    values[SIM_SEQ] = sim_number(of->seq, 0);
    values[SIM_U] = sim_number(of->u, 0);
    values[SIM_INTERVAL] = sim_text(parameter_of(of->row));
    uint64_t expiry = s->traded.expiry_ns;
    values[SIM_SECONDS_LEFT] =
        sim_number(expiry > of->ts_ns ? (int64_t)((expiry - of->ts_ns) / TD_NS_PER_S) : 0, 0);
    int n = snprintf(v->version, sizeof v->version, "%lld_%lld_2", (long long)of->seq,
                     (long long)of->u);
    TD_ASSERT(n > 0);
    TD_ASSERT((size_t)n < sizeof v->version);
    values[SIM_V] = sim_text(v->version);
    /* Ids of frames come from what they tell: drawing one would change what happens next. */
    const uint64_t id[2] = {(uint64_t)of->seq * 0x9e3779b97f4a7c15u ^ of->ts_ns,
                            (uint64_t)of->u * 0xbf58476d1ce4e5b9u ^ of->ts_ns << 20};
    symbol_format_uuid(id, v->frame_id);
    values[SIM_UUID] = sim_text(v->frame_id);
}

static void set_items(venue *v, const stream *of, const sim_symbol *s)
{
    v->items = (list_source){.venue = v, .of = of, .symbol = s};
}

static int render(venue *v, const template *text, const sim_value *shown, text_out *out)
{
    const template_source source = {
        .values = v->values, .shown = shown, .next_item = next_item, .user = &v->items};
    return template_render(text, &source, out);
}

/* ---- what a stream shows ---- */

static void take_window(const stream *of, const sim_symbol *s, book_window *window)
{
    window->depth = of->row->depth;
    if ((of->row->flags & STREAM_RPI) != 0)
        window_take_rpi(window, &s->traded, s->market);
    else
        window_take(window, &s->traded, s->market, of->row->merge);
}

/* The stream is shown now; ids that a frame has are its own. */
static void advance(stream *of, const sim_symbol *s, uint64_t ts_ns)
{
    of->seq = market_seq(s->market);
    of->ts_ns = ts_ns;
    of->cts_ns = s->event_ns;
}

static show_result show_book(venue *v, stream *of, const sim_symbol *s, uint64_t ts_ns,
                             text_out *out)
{
    if ((of->row->flags & STREAM_MS) != 0 && ts_ns / TD_NS_PER_MS == of->ts_ns / TD_NS_PER_MS)
        return SHOW_NOTHING; /* with the next event that it is shown after */
    take_window(of, s, v->scratch);
    window_compare(of->window, v->scratch, &v->changes);
    if (v->changes.count == 0) {
        if ((of->row->flags & STREAM_REPEATED) == 0 ||
            ts_ns - of->ts_ns < REPEAT_AFTER_MS * TD_NS_PER_MS)
            return SHOW_NOTHING;
        advance(of, s, ts_ns); /* again, under the same update number */
        set_items(v, of, s);
        v->items.window = of->window;
        set_frame(v, of, s, "snapshot");
        (void)render(v, of->text->snapshot, NULL, out);
        return SHOW_DONE;
    }
    TD_ASSERT(market_seq(s->market) > of->seq);
    window_copy(of->window, v->scratch);
    advance(of, s, ts_ns);
    of->u++;
    set_items(v, of, s);
    int is_delta = of->text->delta != NULL;
    if (is_delta)
        v->items.changes = &v->changes;
    else
        v->items.window = of->window;
    set_frame(v, of, s, is_delta ? "delta" : "snapshot");
    (void)render(v, is_delta ? of->text->delta : of->text->snapshot, NULL, out);
    return SHOW_DONE;
}

static show_result show_trades(venue *v, stream *of, const sim_symbol *s, uint64_t ts_ns,
                               text_out *out)
{
    int is_each = of->row->kind == STREAM_TRADE_EACH;
    advance(of, s, ts_ns);
    of->u++;
    set_items(v, of, s);
    v->items.trade_first = is_each ? v->next_trade++ : 0;
    v->items.trade_count = is_each ? 1 : s->trade_count;
    TD_ASSERT(v->items.trade_first < s->trade_count);
    of->recent_count = s->recent_count;
    set_frame(v, of, s, "delta");
    (void)render(v, of->text->delta != NULL ? of->text->delta : of->text->snapshot, NULL, out);
    return is_each && v->next_trade < s->trade_count ? SHOW_AGAIN : SHOW_DONE;
}

/* A ticker that is always shown whole is shown when anything that it could tell has changed. */
static int has_ticker_changed(const stream *of, const sim_symbol *s)
{
    for (int i = SIM_TICKER_FIRST; i <= SIM_TICKER_LAST; i++)
        if (i != SIM_TICKER_SEQ && of->shown[i].n != s->values[i].n)
            return 1;
    return 0;
}

static show_result show_ticker(venue *v, stream *of, const sim_symbol *s, uint64_t ts_ns,
                               text_out *out)
{
    uint64_t last_ts = of->ts_ns;
    int64_t last_seq = of->seq;
    uint64_t last_cts = of->cts_ns;
    int is_delta = of->text->delta != NULL;
    if (!has_ticker_changed(of, s))
        return SHOW_NOTHING;
    advance(of, s, ts_ns);
    set_items(v, of, s);
    set_frame(v, of, s, is_delta ? "delta" : "snapshot");
    if (!render(v, is_delta ? of->text->delta : of->text->snapshot, is_delta ? of->shown : NULL,
                out)) {
        of->ts_ns = last_ts; /* what changed is not in this family's frames */
        of->seq = last_seq;
        of->cts_ns = last_cts;
        return SHOW_NOTHING;
    }
    of->u++;
    memcpy(of->shown, v->values, SIM_COUNT * sizeof *of->shown);
    return SHOW_DONE;
}

/* The present candle, and before it the last one's final state if that was not told yet: in the
 * same frame, or in one of its own. */
static show_result show_candle(venue *v, stream *of, const sim_symbol *s, uint64_t ts_ns,
                               text_out *out)
{
    const candle_pair *pair = &s->candles[of->row->interval];
    int has_ended = of->candle.start_ns != pair->now.start_ns;
    int is_alone = has_ended && (of->row->flags & STREAM_CLOSE_ALONE) != 0;
    if (!of->is_candle_due && memcmp(&of->candle, &pair->now, sizeof pair->now) == 0)
        return SHOW_NOTHING;
    advance(of, s, ts_ns);
    of->u++;
    set_items(v, of, s);
    if (has_ended) {
        TD_ASSERT(pair->closed.start_ns == of->candle.start_ns);
        v->items.candles[v->items.candle_count] = &pair->closed;
        v->items.is_closed[v->items.candle_count++] = 1;
    }
    if (!is_alone)
        v->items.candles[v->items.candle_count++] = &pair->now;
    set_frame(v, of, s, "snapshot");
    (void)render(v, of->text->snapshot, NULL, out);
    of->candle = pair->now;
    of->is_candle_due = (uint8_t)is_alone;
    return is_alone ? SHOW_AGAIN : SHOW_DONE;
}

static show_result show_plain(venue *v, stream *of, const sim_symbol *s, uint64_t ts_ns,
                              text_out *out)
{
    int is_delta = of->text->delta != NULL;
    advance(of, s, ts_ns);
    of->u++;
    set_items(v, of, s);
    set_frame(v, of, s, is_delta ? "delta" : "snapshot");
    (void)render(v, is_delta ? of->text->delta : of->text->snapshot, NULL, out);
    return SHOW_DONE;
}

show_result venue_show(venue *v, stream *of, uint64_t ts_ns, text_out *out)
{
    const sim_symbol *s = &v->present->symbol;
    switch (of->row->kind) {
    case STREAM_BOOK:
        return show_book(v, of, s, ts_ns, out);
    case STREAM_TRADE:
    case STREAM_TRADE_EACH:
        return show_trades(v, of, s, ts_ns, out);
    case STREAM_TICKER:
        return show_ticker(v, of, s, ts_ns, out);
    case STREAM_CANDLE:
        return show_candle(v, of, s, ts_ns, out);
    case STREAM_LIQUIDATION:
    case STREAM_NOTICE:
    case STREAM_ORDER: /* these come through venue_show_account */
    case STREAM_STOP_ORDER:
    case STREAM_EXECUTION:
    case STREAM_POSITION:
    case STREAM_WALLET:
    case STREAM_SILENT:
        break;
    }
    return show_plain(v, of, s, ts_ns, out);
}

/* ---- what the account says ---- */

static int is_about(const stream_row *row, account_event_kind kind)
{
    switch (kind) {
    case ACCOUNT_EVENT_ORDER:
        return row->kind == STREAM_ORDER;
    case ACCOUNT_EVENT_STOP:
        return row->kind == STREAM_STOP_ORDER || row->with_stops;
    case ACCOUNT_EVENT_FILL:
        return row->kind == STREAM_EXECUTION;
    case ACCOUNT_EVENT_POSITION:
        return row->kind == STREAM_POSITION;
    case ACCOUNT_EVENT_WALLET:
        return row->kind == STREAM_WALLET;
    }
    return 0;
}

int venue_show_account(venue *v, stream *of, uint64_t ts_ns, text_out *out)
{
    const account_event *event = v->telling;
    const sim_symbol *s = &v->members[event->symbol].symbol;
    if (!is_about(of->row, event->kind))
        return 0;
    of->seq = event->seq;
    of->ts_ns = ts_ns;
    of->cts_ns = event->ns;
    of->u++;
    set_items(v, of, s);
    set_frame(v, of, s, "delta");
    account_set_event(event, s, &v->texts, v->values);
    (void)render(v, of->text->delta != NULL ? of->text->delta : of->text->snapshot, NULL, out);
    return 1;
}

/* ---- what a new subscriber gets ---- */

/* The best prices of a book as it was shown last, which can be older than the ticker's. */
static void set_best(const stream *of, const sim_symbol *s, sim_value *values)
{
    const window_level *bid = window_side(of->window, MARKET_BUY);
    const window_level *ask = window_side(of->window, MARKET_SELL);
    if (of->window->counts[MARKET_BUY] == 0 || of->window->counts[MARKET_SELL] == 0)
        return;
    values[SIM_BID1] = sim_number(bid->price, s->traded.price_places);
    values[SIM_ASK1] = sim_number(ask->price, s->traded.price_places);
    values[SIM_BID1_SIZE] = sim_number(bid->size, s->traded.size_places);
    values[SIM_ASK1_SIZE] = sim_number(ask->size, s->traded.size_places);
}

int venue_show_state(venue *v, const stream *of, text_out *out)
{
    const sim_symbol *s = &v->members[of->first].symbol;
    set_items(v, of, s);
    v->items.window = of->window;
    v->items.candles[0] = &of->candle;
    v->items.candle_count = 1;
    v->items.is_recent = 1;
    /* Trades of an event that is being told are still to come. */
    uint64_t told = of->recent_count;
    uint64_t kept = s->recent_count > SYMBOL_RECENT_MAX ? s->recent_count - SYMBOL_RECENT_MAX : 0;
    v->items.trade_count = told > kept ? (size_t)(told - kept) : 0;
    if ((of->row->flags & STREAM_LAST_FIRST) != 0) {
        if (v->items.trade_count == 0)
            return 0;
        v->items.trade_count = 1;
    }
    v->items.trade_first = (size_t)(told - v->items.trade_count);
    set_frame(v, of, s, "snapshot");
    if (of->shown != NULL)
        memcpy(&v->values[SIM_TICKER_FIRST], &of->shown[SIM_TICKER_FIRST],
               (SIM_TICKER_LAST - SIM_TICKER_FIRST + 1) * sizeof v->values[0]);
    if (of->window != NULL)
        set_best(of, s, v->values);
    return render(v, of->text->snapshot, NULL, out);
}

void venue_set_shown(venue *v, stream *of, uint64_t ts_ns)
{
    const sim_symbol *s = &v->members[of->first].symbol;
    advance(of, s, ts_ns);
    of->u = of->is_private ? 1 : 1000 + market_seq(s->market) % 100000;
    if (of->window != NULL)
        take_window(of, s, of->window);
    if (of->shown != NULL)
        memcpy(of->shown, s->values, SIM_COUNT * sizeof *of->shown);
    of->candle = s->candles[of->row->interval].now;
    of->recent_count =
        s->recent_count; /* nobody will tell of the present event's: it is too late */
}
