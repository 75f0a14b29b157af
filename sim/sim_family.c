#include "sim/sim_family.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/row_table.h"
#include "sim/account.h"
#include "sim/candle.h"
#include "sim/catalog.h"
#include "sim/level_orders.h"
#include "sim/symbol.h"
#include "schema/checksum.h"
#include "schema/topic_parts.h"

enum {
    /* Largest number of events in one step. With the usual topics, every second or third event has
     * a frame. With few topics, such as candles only, this limits the speed of the markets. */
    EVENTS_MAX = 16,
    STREAM_NAME_BYTES = 96,
    LIQUIDATE_ONE_IN = 3, /* one in this many events with trades counts as a liquidation */
};

/* A stream, and its state as last shown. */
typedef struct family_stream {
    const stream_row *row;
    char name[STREAM_NAME_BYTES];
    char spelled[STREAM_NAME_BYTES]; /* in frames */
    char topic[STREAM_NAME_BYTES];   /* the name before the symbol, if a stream of the whole family
                                        names one: "liquidation-orders.SWAP"; else "" */
    uint32_t first;                  /* index of its symbol, or of its coin's first symbol */
    uint32_t countdown;              /* events until the next frame */
    uint64_t due_ns;                 /* exchange time of the next frame */
    int64_t u;
    int64_t seq;
    uint64_t ts_ns;
    uint64_t cts_ns;
    book_window *window;      /* for books: the levels as last shown */
    level_orders *orders;     /* for books of orders: the orders of these levels; else NULL */
    checksum_recipe checksum; /* for books: of the topic; levels is 0 without a checksum */
    sim_value *shown;         /* for tickers: SIM_COUNT values as last shown */
    sim_trade last;           /* the last trade shown */
    candle_pair candles;      /* for candles: the current state */
    candle candle;            /* for candles: the state as last shown */
    uint8_t is_wanted;        /* a client has subscribed */
} family_stream;

typedef struct family_member {
    sim_symbol symbol;
    uint32_t streams[SIM_SYMBOL_STREAMS_MAX];
    uint32_t stream_count;
} family_member;

/* The source of a frame's list items. */
typedef struct list_source {
    const family_stream *of;
    const sim_symbol *symbol;
    size_t at; /* index of the next item in sim_family.changes */
    const candle *candle;
    const sim_trade *trades;
    size_t trade_count;
    char id[SYMBOL_ID_BYTES]; /* of a trade or an order */
} list_source;
_Static_assert((int)LEVEL_ORDER_ID_BYTES <= (int)SYMBOL_ID_BYTES, "an order's id fits");

struct sim_family {
    sim_family_options options;
    td_random random; /* for symbols, times and ids */
    family_member *members;
    family_stream *streams;
    uint32_t stream_count;
    row_table by_name;      /* indexes of streams */
    family_member *present; /* the member whose event is shown */
    uint64_t to_show;       /* a bit for each position in present->streams */
    int64_t next_number;    /* the last trade number */
    size_t next_trade; /* index of the event's next trade, for streams with one frame per trade */
    book_window *scratch;   /* memory for a book of the largest depth */
    window_changes changes; /* the levels of the current frame */
    sim_value values[SIM_COUNT];
    account *account; /* NULL: the family has no account */
    /* Number of symbols, from the first one on, that the account trades. */
    uint32_t account_symbols;
    const account_event *event; /* the account's event that is shown; NULL: ask for the next */
    uint32_t next_stream;       /* index of the next stream that may show the event */
    list_source items;
    char frame_id[SYMBOL_ID_BYTES];
    td_buf text; /* the last frame */
};

static int has_row(const stream_row *row, const instrument *traded)
{
    return row->products == 0 || (row->products & 1u << traded->product) != 0;
}

/* ---- lists ---- */

/* 1 if a change belongs to the list. */
static int is_listed(const window_change *change, sim_list_id which)
{
    if (which == SIM_LIST_LEVELS)
        return 1;
    if (which == SIM_LIST_BIDS || which == SIM_LIST_ASKS)
        return (change->side == MARKET_BUY) == (which == SIM_LIST_BIDS);
    return change->kind == (which == SIM_LIST_DELETED   ? CHANGE_DELETE
                            : which == SIM_LIST_UPDATED ? CHANGE_UPDATE
                                                        : CHANGE_INSERT);
}

static int next_level(sim_family *v, sim_list_id which, sim_value *values)
{
    static const char *const ACTIONS[] = {
        [CHANGE_DELETE] = "delete", [CHANGE_UPDATE] = "change", [CHANGE_INSERT] = "new"};
    const instrument *traded = &v->items.symbol->traded;
    while (v->items.at < v->changes.count) {
        const window_change *change = &v->changes.items[v->items.at++];
        if (!is_listed(change, which))
            continue;
        int64_t size = change->level.size;
        values[SIM_PRICE] = sim_number(change->level.price, traded->price_places);
        /* A deleted level has size "0", without decimal places. */
        values[SIM_SIZE] = sim_number(size, size == 0 ? 0 : traded->size_places);
        values[SIM_SIDE] = sim_text(change->side == MARKET_BUY ? "Buy" : "Sell");
        values[SIM_LEVEL_SIDE] = sim_text(change->side == MARKET_BUY ? "bid" : "offer");
        values[SIM_LEVEL_ACTION] = sim_text(ACTIONS[change->kind]);
        return 1;
    }
    return 0;
}

/* The next order whose event belongs to the list. */
static int next_order(sim_family *v, sim_list_id which, sim_value *values)
{
    const instrument *traded = &v->items.symbol->traded;
    size_t count;
    const order_event *events = level_orders_events(v->items.of->orders, &count);
    while (v->items.at < count) {
        const order_event *event = &events[v->items.at++];
        if ((event->side == MARKET_BUY) != (which == SIM_LIST_BIDS))
            continue;
        level_order_format_id(event->order.number, v->items.id);
        values[SIM_PRICE] = sim_number(event->order.price, traded->price_places);
        values[SIM_SIZE] = sim_number(event->order.size, traded->size_places);
        values[SIM_LEVEL_ACTION] = sim_text(event->action);
        values[SIM_LEVEL_ORDER] = sim_text(v->items.id);
        values[SIM_LEVEL_TIME] = sim_time(event->order.ns);
        return 1;
    }
    return 0;
}

static int next_trade(list_source *list, size_t index, sim_value *values)
{
    if (index >= list->trade_count)
        return 0;
    const sim_trade *trade = &list->trades[index];
    symbol_set_trade(list->symbol, trade, values);
    if (list->of->row->flags & STREAM_MS)
        values[SIM_TRADE_TIME] = sim_time(trade->ns - trade->ns % TD_NS_PER_MS);
    symbol_format_id(list->symbol, trade->id, trade->number, list->id);
    values[SIM_TRADE_ID] = sim_text(list->id);
    values[SIM_TRADE_NUMBER] = sim_number(trade->number, 0);
    return 1;
}

static int next_candle(const list_source *list, size_t index, sim_value *values)
{
    const candle *c = list->candle;
    if (index > 0 || c == NULL)
        return 0;
    const instrument *traded = &list->symbol->traded;
    values[SIM_START] = sim_time(c->start_ns);
    values[SIM_END] = sim_time(c->end_ns);
    values[SIM_LAST_MS] = sim_time(c->end_ns - TD_NS_PER_MS);
    values[SIM_OPEN] = sim_number(c->open, traded->price_places);
    values[SIM_HIGH] = sim_number(c->high, traded->price_places);
    values[SIM_LOW] = sim_number(c->low, traded->price_places);
    values[SIM_CLOSE] = sim_number(c->close, traded->price_places);
    values[SIM_VOLUME] = sim_number(c->volume, traded->size_places);
    values[SIM_TURNOVER] = sim_number(c->turnover, instrument_money_places(traded));
    values[SIM_CONFIRM] = sim_number(c->is_closed, 0);
    return 1;
}

static int next_item(void *user, sim_list_id which, size_t index, sim_value *values)
{
    sim_family *v = user;
    if (index == 0)
        v->items.at = 0;
    if (which == SIM_LIST_TRADES)
        return next_trade(&v->items, index, values);
    if (which == SIM_LIST_CANDLES)
        return next_candle(&v->items, index, values);
    if (v->items.of->orders != NULL)
        return next_order(v, which, values);
    return next_level(v, which, values);
}

/* ---- frames ---- */

/* A book as it is shown, for its checksum. */
typedef struct shown_book {
    const book_window *levels;
    const level_orders *orders;
    const instrument *traded;
    size_t depth; /* levels whose orders count */
} shown_book;

/* The shortest form of n / 10^places. */
static td_decimal shortest(int64_t n, uint8_t places)
{
    while (places > 0 && n % 10 == 0) {
        n /= 10;
        places--;
    }
    return (td_decimal){n, places};
}

static checksum_level shown_level(const void *of, msg_side side, size_t index, td_decimal *price,
                                  td_decimal *size)
{
    const shown_book *shown = of;
    const market_side own = side == SIDE_BUY ? MARKET_BUY : MARKET_SELL;
    if (index >= shown->levels->counts[own])
        return CHECKSUM_LEVEL_ABSENT;
    const market_level *level = &window_side(shown->levels, own)[index];
    *price = shortest(level->price, shown->traded->price_places);
    *size = shortest(level->size, shown->traded->size_places);
    return CHECKSUM_LEVEL_THERE;
}

static checksum_level shown_order(const void *of, msg_side side, size_t index, td_decimal *price,
                                  td_decimal *size)
{
    const shown_book *shown = of;
    const market_side own = side == SIDE_BUY ? MARKET_BUY : MARKET_SELL;
    const size_t levels = shown->levels->counts[own];
    size_t count;
    const level_order *orders = level_orders_side(shown->orders, own, &count);
    if (index >= count)
        return CHECKSUM_LEVEL_ABSENT;
    /* Not beyond the last level that counts. */
    if (levels > shown->depth) {
        const int64_t last = window_side(shown->levels, own)[shown->depth - 1].price;
        if (own == MARKET_BUY ? orders[index].price < last : orders[index].price > last)
            return CHECKSUM_LEVEL_ABSENT;
    }
    *price = shortest(orders[index].price, shown->traded->price_places);
    *size = shortest(orders[index].size, shown->traded->size_places);
    return CHECKSUM_LEVEL_THERE;
}

/* The checksum of the levels that the frame leaves; 0 of a stream without one. */
static int64_t checksum_of(const family_stream *of, const sim_symbol *s, const template *text)
{
    const shown_book shown = {of->window, of->orders, &s->traded, of->checksum.levels};
    checksum_level_fn *level = of->orders == NULL ? shown_level : shown_order;
    uint32_t sum = 0;
    if (of->checksum.levels > 0 && template_has(text, SIM_CHECKSUM))
        (void)checksum_compute(&of->checksum, level, &shown, &sum); /* all are known */
    return of->orders == NULL ? (int32_t)sum : (int64_t)sum;
}

/* Set the values for the whole frame. */
static void set_frame(sim_family *v, const family_stream *of, const sim_symbol *s, const char *type)
{
    sim_value *values = v->values;
    const int is_delta = strcmp(type, "snapshot") != 0;
    symbol_set_names(s, values);
    values[SIM_TOPIC] = sim_text(of->spelled);
    values[SIM_TYPE] = sim_text(type);
    values[SIM_TS] = sim_time(of->ts_ns);
    values[SIM_CTS] = sim_time(of->cts_ns);
    values[SIM_SEQ] = sim_number(of->seq, 0);
    values[SIM_U] = sim_number(of->u, 0);
    values[SIM_PREV_U] = sim_number(is_delta ? of->u - 1 : -1, 0);
    values[SIM_INTERVAL] = sim_text(of->row->interval);
    values[SIM_CHECKSUM] =
        sim_number(checksum_of(of, s, is_delta ? of->row->delta : of->row->snapshot), 0);
    /* A frame's id is computed from its content: a random draw would change later events. */
    const uint64_t id[2] = {(uint64_t)of->seq * 0x9e3779b97f4a7c15u ^ of->ts_ns,
                            (uint64_t)of->u * 0xbf58476d1ce4e5b9u ^ of->ts_ns << 20};
    symbol_format_uuid(id, v->frame_id);
    values[SIM_UUID] = sim_text(v->frame_id);
}

static void set_items(sim_family *v, const family_stream *of, const sim_symbol *s)
{
    v->items = (list_source){.of = of, .symbol = s};
}

static int render(sim_family *v, const template *text, const sim_value *shown)
{
    sim_source source = {.values = v->values, .shown = shown, .next_item = next_item, .user = v};
    td_buf_clear(&v->text);
    return sim_render(text, &source, &v->text);
}

/* Render the stream's next frame: a delta, if the row has one. */
static int put_frame(sim_family *v, const family_stream *of, const sim_symbol *s)
{
    int is_delta = of->row->delta != NULL;
    set_frame(v, of, s, is_delta ? "delta" : "snapshot");
    return render(v, is_delta ? of->row->delta : of->row->snapshot, is_delta ? of->shown : NULL);
}

/* List all levels of a book, or its orders, for a snapshot. */
static void list_window(sim_family *v, const family_stream *of)
{
    if (of->orders != NULL)
        level_orders_list(of->orders);
    v->scratch->depth = of->window->depth;
    v->scratch->counts[MARKET_BUY] = v->scratch->counts[MARKET_SELL] = 0;
    window_compare(v->scratch, of->window, &v->changes);
}

static void fill_window(const family_stream *of, const sim_symbol *s, book_window *window)
{
    window->depth = (uint32_t)of->row->depth;
    window_fill(window, &s->traded, s->market);
}

/* Set the event and the times of the stream's next frame. */
static void advance(family_stream *of, const sim_symbol *s, uint64_t ts_ns)
{
    of->seq = market_seq(s->market);
    of->ts_ns = ts_ns;
    of->cts_ns = s->event_ns;
}

static int show_book(sim_family *v, family_stream *of, const sim_symbol *s, uint64_t ts_ns)
{
    if ((of->row->flags & STREAM_MS) != 0 && ts_ns / TD_NS_PER_MS == of->ts_ns / TD_NS_PER_MS)
        return 0; /* wait for the next due event */
    fill_window(of, s, v->scratch);
    window_compare(of->window, v->scratch, &v->changes);
    if (v->changes.count == 0)
        return 0;
    TD_ASSERT(market_seq(s->market) > of->seq);
    window_copy(of->window, v->scratch);
    if (of->orders != NULL)
        level_orders_follow(of->orders, of->window, &v->changes, ts_ns);
    advance(of, s, ts_ns);
    of->u++;
    if (of->row->delta == NULL)
        list_window(v, of);
    (void)put_frame(v, of, s);
    return 1;
}

static int show_trades(sim_family *v, family_stream *of, const sim_symbol *s, uint64_t ts_ns)
{
    int is_each = of->row->kind == STREAM_TRADE_EACH;
    size_t first = is_each ? v->next_trade - 1 : 0;
    TD_ASSERT(first < s->trade_count);
    advance(of, s, ts_ns);
    of->u++;
    v->items.trades = &s->trades[first];
    v->items.trade_count = is_each ? 1 : s->trade_count;
    of->last = v->items.trades[v->items.trade_count - 1]; /* later ones have frames of their own */
    (void)put_frame(v, of, s);
    return 1;
}

/* Show a ticker if a value changed; a delta has only the changed ones. */
static int show_ticker(sim_family *v, family_stream *of, const sim_symbol *s, uint64_t ts_ns)
{
    int i = SIM_TICKER_FIRST;
    while (i <= SIM_TICKER_LAST && of->shown[i].n == s->values[i].n)
        i++;
    if (i > SIM_TICKER_LAST)
        return 0;
    advance(of, s, ts_ns);
    if (!put_frame(v, of, s))
        return 0;
    of->u++;
    memcpy(of->shown, v->values, SIM_COUNT * sizeof *of->shown);
    return 1;
}

/* Show a candle. If the candle that was shown last has closed since, the frame shows the final
 * state of that candle; otherwise it shows the current candle. */
static int show_candle(sim_family *v, family_stream *of, const sim_symbol *s, uint64_t ts_ns)
{
    const candle_pair *pair = &of->candles;
    int is_over = of->candle.start_ns == pair->closed.start_ns && !of->candle.is_closed;
    const candle *next = is_over ? &pair->closed : &pair->now;
    if (memcmp(&of->candle, next, sizeof *next) == 0)
        return 0;
    advance(of, s, ts_ns);
    of->u++;
    of->candle = *next;
    v->items.candle = &of->candle;
    (void)put_frame(v, of, s);
    return 1;
}

/* Make the frame of a due stream for the current event. Returns 0 if the stream has nothing new. */
static int show(sim_family *v, family_stream *of, uint64_t ts_ns)
{
    const sim_symbol *s = &v->present->symbol;
    stream_kind kind = of->row->kind;
    set_items(v, of, s);
    if (kind == STREAM_BOOK || kind == STREAM_BOOK_ORDERS)
        return show_book(v, of, s, ts_ns);
    if (kind == STREAM_TRADE || kind == STREAM_TRADE_EACH)
        return show_trades(v, of, s, ts_ns);
    if (kind == STREAM_TICKER)
        return show_ticker(v, of, s, ts_ns);
    if (kind == STREAM_CANDLE)
        return show_candle(v, of, s, ts_ns);
    if (kind == STREAM_LIQUIDATION)
        symbol_set_trade(s, &s->trades[s->trade_count - 1], v->values);
    advance(of, s, ts_ns);
    of->u++;
    (void)put_frame(v, of, s);
    return 1;
}

/* Make a frame of the account for v->event. Returns 0 if the stream does not show it. */
static int show_account(sim_family *v, family_stream *of, uint64_t ts_ns)
{
    const account_event *event = v->event;
    const sim_symbol *s = &v->members[event->symbol].symbol;
    if (!of->is_wanted || of->row->kind != event->kind || !has_row(of->row, &s->traded))
        return 0;
    advance(of, s, ts_ns);
    of->u++;
    set_items(v, of, s);
    set_frame(v, of, s, "delta");
    account_set_event(event, s, v->values);
    (void)render(v, of->row->delta != NULL ? of->row->delta : of->row->snapshot, NULL);
    return 1;
}

/* ---- first frames of subscribers ---- */

/* Take the current state as the state last shown, so that the first frame has only later changes.
 */
static void set_shown(sim_family *v, family_stream *of, uint64_t ts_ns)
{
    const sim_symbol *s = &v->members[of->first].symbol;
    advance(of, s, ts_ns);
    of->u = of->row->is_private ? 1 : 1000 + market_seq(s->market) % 100000;
    if (of->window != NULL)
        fill_window(of, s, of->window);
    if (of->orders != NULL)
        level_orders_reset(of->orders, of->window, ts_ns);
    if (of->shown != NULL)
        memcpy(of->shown, s->values, SIM_COUNT * sizeof *of->shown);
    of->candle = of->candles.now;
    of->last = s->last; /* the trades of the current event will not be shown */
}

void sim_family_subscribe(sim_family *v, uint32_t index)
{
    TD_ASSERT(index < v->stream_count);
    family_stream *of = &v->streams[index];
    if (of->is_wanted)
        return;
    of->is_wanted = 1;
    set_shown(v, of, v->members[of->first].symbol.event_ns);
}

static void fill_frame(const sim_family *v, const family_stream *of, sim_frame *out)
{
    *out = (sim_frame){.stream = (uint32_t)(of - v->streams),
                       .seq = of->seq,
                       .u = of->u,
                       .ts_ns = of->ts_ns,
                       .bytes = td_buf_view(&v->text)};
}

static int make_snapshot(sim_family *v, uint32_t index, sim_frame *out)
{
    const family_stream *of = &v->streams[index];
    const sim_symbol *s = &v->members[of->first].symbol;
    set_items(v, of, s);
    if (of->window != NULL)
        list_window(v, of);
    v->items.candle = &of->candle;
    v->items.trades = &of->last;
    v->items.trade_count = of->last.ns != 0;
    if ((of->row->flags & STREAM_LAST_FIRST) != 0 && v->items.trade_count == 0)
        return 0;
    set_frame(v, of, s, "snapshot");
    if (of->shown != NULL)
        memcpy(&v->values[SIM_TICKER_FIRST], &of->shown[SIM_TICKER_FIRST],
               (SIM_TICKER_LAST - SIM_TICKER_FIRST + 1) * sizeof v->values[0]);
    if (!render(v, of->row->snapshot, NULL))
        return 0;
    fill_frame(v, of, out);
    return 1;
}

int sim_family_snapshot(sim_family *v, uint32_t index, sim_frame *out)
{
    TD_ASSERT(index < v->stream_count);
    return (v->streams[index].row->flags & STREAM_NO_INITIAL) == 0 && make_snapshot(v, index, out);
}

int sim_family_reply(sim_family *v, uint32_t index, sim_frame *out)
{
    TD_ASSERT(index < v->stream_count);
    family_stream *of = &v->streams[index];
    if ((of->row->flags & STREAM_FETCHED) == 0)
        return 0;
    if (!of->is_wanted)
        set_shown(v, of, v->members[of->first].symbol.event_ns);
    return make_snapshot(v, index, out);
}

/* ---- events ---- */

/* 1 if a stream is due after this event. */
static int is_due(sim_family *v, family_stream *of, const sim_symbol *s, uint64_t ts_ns)
{
    /* Long candles are sent rarely, but a finished one at once. */
    enum { MINUTE_EVERY_MS = 1000, LONGER_EVERY_MS = 30000 };
    stream_kind kind = of->row->kind;
    uint64_t every_ms = kind != STREAM_CANDLE   ? of->row->every_ms
                        : of->row->minutes == 1 ? MINUTE_EVERY_MS
                                                : LONGER_EVERY_MS;
    if (kind >= STREAM_ORDER)
        return 0; /* shown by the account's events, not the market's */
    if (kind == STREAM_TRADE || kind == STREAM_TRADE_EACH)
        return s->trade_count > 0;
    if (kind == STREAM_LIQUIDATION)
        return s->trade_count > 0 && market_seq(s->market) % LIQUIDATE_ONE_IN == 0;
    if (kind == STREAM_CANDLE && of->candle.end_ns <= ts_ns)
        return 1;
    if (of->row->events_max > 0) {
        TD_ASSERT(of->countdown > 0);
        if (--of->countdown > 0)
            return 0;
        of->countdown = 1 + (uint32_t)td_random_below(&v->random, of->row->events_max);
        return 1;
    }
    if (ts_ns < of->due_ns)
        return 0;
    of->due_ns = ts_ns + every_ms * TD_NS_PER_MS;
    return 1;
}

/* Make one event in one market, and mark the streams that must show it. */
static void step(sim_family *v, uint64_t ts_ns)
{
    uint64_t first = td_random_below(&v->random, v->options.symbol_count);
    uint64_t second = td_random_below(&v->random, v->options.symbol_count);
    uint32_t index = (uint32_t)(first < second ? first : second); /* the first symbols trade most */
    uint32_t due = v->account == NULL ? ACCOUNT_SYMBOLS_MAX : account_due(v->account);
    if (due != ACCOUNT_SYMBOLS_MAX)
        index = due;
    family_member *member = &v->members[index];
    sim_symbol *s = &member->symbol;
    if (index >= v->account_symbols || !account_act(v->account, index, s))
        flow_step(&s->flow, s->market);
    symbol_end_event(s, ts_ns, &v->random, &v->next_number);
    v->present = member;
    v->next_trade = 0;
    v->to_show = 0;
    for (uint32_t i = 0; i < member->stream_count; i++) {
        family_stream *of = &v->streams[member->streams[i]];
        if (of->row->kind == STREAM_CANDLE) {
            candle_roll(&of->candles, of->row->minutes, s->event_ns);
            for (const sim_trade *t = s->trades; t < s->trades + s->trade_count; t++)
                candle_add(&of->candles, t->price, t->done.size, t->money);
        }
        /* is_due() draws random numbers for every stream, so that they do not depend on
         * subscriptions. */
        if (is_due(v, of, s, ts_ns) && of->is_wanted)
            v->to_show |= (uint64_t)1 << i;
    }
}

/* The next frame for the current event. Returns 0 at the end. */
static int next_public(sim_family *v, uint64_t ts_ns, sim_frame *out)
{
    while (v->to_show != 0) {
        TD_ASSERT(v->present != NULL);
        unsigned place = (unsigned)__builtin_ctzll(v->to_show);
        family_stream *of = &v->streams[v->present->streams[place]];
        if (v->next_trade == v->present->symbol.trade_count) /* of another stream */
            v->next_trade = 0;
        /* Streams with one frame per trade stay marked until the last trade. */
        if (of->row->kind != STREAM_TRADE_EACH || ++v->next_trade == v->present->symbol.trade_count)
            v->to_show &= v->to_show - 1;
        if (!show(v, of, ts_ns))
            continue;
        fill_frame(v, of, out);
        return 1;
    }
    return 0;
}

/* The next frame for the account's events. Returns 0 at the end. */
static int next_private(sim_family *v, uint64_t ts_ns, sim_frame *out)
{
    if (v->account == NULL)
        return 0;
    while (v->event != NULL || (v->event = account_next_event(v->account)) != NULL) {
        while (v->next_stream < v->stream_count) {
            family_stream *of = &v->streams[v->next_stream++];
            if (!show_account(v, of, ts_ns))
                continue;
            fill_frame(v, of, out);
            return 1;
        }
        v->event = NULL;
        v->next_stream = 0;
    }
    return 0;
}

int sim_family_next(sim_family *v, uint64_t ts_ns, sim_frame *out)
{
    for (unsigned events = 0;; events++) {
        if (next_public(v, ts_ns, out) || next_private(v, ts_ns, out))
            return 1;
        if (events == EVENTS_MAX)
            return 0;
        step(v, ts_ns);
    }
}

/* ---- opening ---- */

/* Write the name of a row's stream for a symbol. Returns its size. */
static int format_name(const family *of, const stream_row *row, const instrument *traded,
                       char out[STREAM_NAME_BYTES])
{
    const char *topic = row->topic;
    const char *settle = traded->is_inverse ? "inverse" : traded->settle;
    switch (row->scope) {
    case SCOPE_SYMBOL:
        return topic_write(of->topics, of->topic_count, topic, td_bytes_str(traded->symbol), out,
                           STREAM_NAME_BYTES);
    case SCOPE_COIN:
        return snprintf(out, STREAM_NAME_BYTES, "%s.%s", topic, traded->base);
    case SCOPE_SETTLE:
        return snprintf(out, STREAM_NAME_BYTES, "%s.%s", topic, settle);
    case SCOPE_COIN_EXPIRY:
        return snprintf(out, STREAM_NAME_BYTES, "%s.%s_USD." INSTRUMENT_EXPIRY, topic,
                        traded->base);
    case SCOPE_SYMBOL_MINUTE:
        return snprintf(out, STREAM_NAME_BYTES, "%s.%s.1m", topic, traded->symbol);
    case SCOPE_ALL:
        break;
    }
    return snprintf(out, STREAM_NAME_BYTES, "%s", topic);
}

/* Write a stream's name as frames spell it. */
static void spell_name(const family *of, const char *name, char out[STREAM_NAME_BYTES])
{
    const topic_spelling *spelling = of->topic_count == 0 ? NULL : of->topics[0].spelling;
    td_buf text;
    td_buf_init(&text, STREAM_NAME_BYTES - 1);
    if (spelling == NULL || topic_spell(spelling, name, &text, NULL) != TD_OK)
        (void)snprintf(out, STREAM_NAME_BYTES, "%s", name);
    else
        (void)snprintf(out, STREAM_NAME_BYTES, "%.*s", (int)text.size, (const char *)text.data);
    td_buf_fini(&text);
}

/* Add the stream of a row for a symbol, unless it exists. */
static void add_stream(sim_family *v, const stream_row *row, uint32_t member)
{
    char name[STREAM_NAME_BYTES];
    family_member *of = &v->members[member];
    int n = format_name(v->options.row->of, row, &of->symbol.traded, name);
    TD_ASSERT(n > 0);
    TD_ASSERT(n < STREAM_NAME_BYTES);
    uint32_t at = sim_family_find(v, td_bytes_of(name, (size_t)n));
    if (at < v->stream_count && v->streams[at].row != row)
        return; /* the name is that of another row's stream, which shows other events */
    TD_ASSERT(of->stream_count < SIM_SYMBOL_STREAMS_MAX);
    of->streams[of->stream_count++] = at;
    if (at < v->stream_count)
        return;
    family_stream *made = &v->streams[v->stream_count++];
    made->row = row;
    made->first = member;
    made->countdown = 1 + (uint32_t)(row->events_max / 2);
    memcpy(made->name, name, (size_t)n + 1);
    spell_name(v->options.row->of, name, made->spelled);
    row_table_put(&v->by_name, td_xxh64(name, (size_t)n), at);

    topic_match match;
    const family *is_of = v->options.row->of;
    if (!topic_match_text(is_of->topics, is_of->topic_count, td_bytes_of(name, (size_t)n),
                          TOPIC_NOW, &match))
        match.row = NULL;
    if (match.row != NULL && row->scope == SCOPE_ALL && topic_row_has_symbol(match.row))
        memcpy(made->topic, match.topic.data, match.topic.size);

    /* The symbol's current state counts as shown. */
    uint64_t ns = v->options.start_ns;
    if (row->kind == STREAM_BOOK || row->kind == STREAM_BOOK_ORDERS)
        made->window = window_open((uint32_t)row->depth);
    if (row->kind == STREAM_BOOK_ORDERS)
        made->orders = level_orders_open();
    if (made->window != NULL && match.row != NULL)
        made->checksum = match.row->checksum;
    if (row->kind == STREAM_TICKER)
        made->shown = td_alloc_zero(SIM_COUNT, sizeof *made->shown);
    if (row->kind == STREAM_CANDLE)
        candle_open(&made->candles, row->minutes, ns, of->symbol.values[SIM_LAST].n);
    set_shown(v, made, ns);
}

static void open_member(sim_family *v, uint32_t index)
{
    sim_symbol *s = &v->members[index].symbol;
    instrument traded = catalog_instrument(v->options.row, index);
    symbol_open(s, &traded, &v->random, v->options.start_ns);
    const catalog_row *of = v->options.row;
    for (const stream_row *row = of->streams; row < of->streams + of->stream_count; row++)
        if (has_row(row, &traded))
            add_stream(v, row, index);
}

sim_family *sim_family_open(const sim_family_options *options)
{
    const catalog_row *row = options->row;
    uint32_t symbols = options->symbol_count;
    TD_ASSERT(symbols > 0);
    TD_ASSERT(symbols <= INSTRUMENTS_MAX);
    sim_family *v = td_alloc_zero(1, sizeof *v);
    v->options = *options;
    v->next_number = 2290000000000000000 + (int64_t)(options->start_ns / TD_NS_PER_S % 1000000007);
    td_random_init(&v->random, options->seed);
    v->members = td_alloc_zero(symbols, sizeof *v->members);
    v->streams = td_alloc_zero((size_t)symbols * SIM_SYMBOL_STREAMS_MAX, sizeof *v->streams);
    td_buf_init(&v->text, SIM_FRAME_BYTES_MAX);
    v->scratch = window_open(WINDOW_DEPTH_MAX);
    if (row->stream_count > row->public_count) {
        uint32_t most = CATALOG_ACCOUNT_SYMBOLS * row->product_count;
        v->account_symbols = symbols < most ? symbols : most;
        v->account = account_open(v->options.seed + 1);
    }
    for (uint32_t i = 0; i < symbols; i++)
        open_member(v, i);
    return v;
}

void sim_family_close(sim_family *v)
{
    if (v == NULL)
        return;
    for (uint32_t i = 0; i < v->options.symbol_count; i++)
        symbol_close(&v->members[i].symbol);
    for (uint32_t i = 0; i < v->stream_count; i++) {
        td_free(v->streams[i].window);
        level_orders_close(v->streams[i].orders);
        td_free(v->streams[i].shown);
    }
    account_close(v->account);
    td_free(v->scratch);
    row_table_fini(&v->by_name);
    td_buf_fini(&v->text);
    td_free(v->streams);
    td_free(v->members);
    td_free(v);
}

/* ---- reading ---- */

uint32_t sim_family_stream_count(const sim_family *v)
{
    return v->stream_count;
}

sim_stream sim_family_stream_at(const sim_family *v, uint32_t index)
{
    TD_ASSERT(index < v->stream_count);
    const family_stream *of = &v->streams[index];
    const char *topic = of->topic[0] != '\0' ? of->topic : of->row->topic;
    size_t size = strlen(topic);
    int is_whole = of->row->scope == SCOPE_COIN_EXPIRY || of->row->scope == SCOPE_SYMBOL_MINUTE;
    const instrument *traded = &v->members[of->first].symbol.traded;
    return (sim_stream){.exchange_topic = of->name,
                        .topic = is_whole ? of->name : topic,
                        .symbol = is_whole ? ""
                                  : of->row->scope == SCOPE_SYMBOL
                                      ? traded->symbol
                                      : of->name + size + (of->name[size] == '.'),
                        .row = of->row,
                        .traded = traded,
                        .book = of->window,
                        .is_private = of->row->is_private};
}

uint32_t sim_family_find(const sim_family *v, td_bytes exchange_topic)
{
    row_probe at = row_probe_of(td_xxh64(exchange_topic.data, exchange_topic.size));
    while (row_table_next(&v->by_name, &at))
        if (td_bytes_is(exchange_topic, v->streams[at.row].name))
            return at.row;
    return v->stream_count;
}

account *sim_family_account(sim_family *v)
{
    return v->account;
}

const sim_symbol *sim_family_traded(const sim_family *v, uint32_t index)
{
    return index < v->account_symbols ? &v->members[index].symbol : NULL;
}

const sim_value *sim_family_item(sim_family *v, size_t index)
{
    stream_kind kind = v->items.of->row->kind;
    sim_list_id list = kind == STREAM_CANDLE ? SIM_LIST_CANDLES : SIM_LIST_TRADES;
    if (kind != STREAM_TRADE && kind != STREAM_TRADE_EACH && kind != STREAM_CANDLE)
        return NULL;
    return next_item(v, list, index, v->values) ? v->values : NULL;
}
