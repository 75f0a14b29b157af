#include "sim/venue.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/random.h"
#include "sim/flow.h"
#include "sim/shape.h"

/* Products of a price and a size need more than 64 bits. */
__extension__ typedef __int128 wide;

typedef enum topic_id {
    TOPIC_TRADE,
    TOPIC_BOOK_25,
    TOPIC_BOOK_200,
    TOPIC_TICKER,
    TOPIC_IDS
} topic_id;

/* events_max: shown again after 1 to this many events of the symbol. The recordings' books have a
 * median step of 3 to 9; the 200-level book and instrument_info come every 100 ms instead of 20. */
typedef struct topic_row {
    const char *name;
    uint32_t book_depth;
    uint32_t events_max;
} topic_row;

_Static_assert((int)TOPIC_IDS == (int)VENUE_TOPICS, "as many streams as the header says");

static const topic_row TOPICS[TOPIC_IDS] = {
    [TOPIC_TRADE] = {"trade", 0, 0},
    [TOPIC_BOOK_25] = {"orderBookL2_25", 25, 6},
    [TOPIC_BOOK_200] = {"orderBook_200.100ms", 200, 30},
    [TOPIC_TICKER] = {"instrument_info.100ms", 0, 40},
};

enum {
    TOPIC_NAME_BYTES = 64,
    WARM_UP_EVENTS =
        4000, /* after the first fill: then sizes and gaps between levels look lived in */
};

/* What of a symbol's book was shown last. */
typedef struct shown_book {
    book_window window;
    int64_t seq;
    uint64_t ts_ns;
} shown_book;

typedef struct venue_symbol {
    instrument traded;
    market *market;
    flow flow;
    char topics[TOPIC_IDS][TOPIC_NAME_BYTES];
    uint32_t countdown[TOPIC_IDS]; /* events until it is shown again */
    shown_book books[2];           /* of TOPIC_BOOK_25 and TOPIC_BOOK_200 */
    ticker ticker;                 /* now */
    ticker shown_ticker;
    int64_t shown_ticker_seq; /* of the frame that showed it */
    uint64_t shown_ticker_ns;
    tick_direction direction;
} venue_symbol;

struct venue {
    venue_options options;
    td_random random; /* which symbol, when, and trade ids */
    venue_symbol *symbols;
    venue_symbol *present; /* whose event is being shown */
    uint32_t to_show;      /* bit per topic_id */
    book_window now;       /* scratch */
    shape_trade trades[MARKET_TRADES_MAX];
    char bytes[SHAPE_FRAME_BYTES_MAX];
};

/* ---- what a market's event means for the ticker ---- */

static tick_direction direction_after(tick_direction before, int64_t from, int64_t to)
{
    if (to != from)
        return to > from ? TICK_PLUS : TICK_MINUS;
    return before == TICK_PLUS || before == TICK_ZERO_PLUS ? TICK_ZERO_PLUS : TICK_ZERO_MINUS;
}

/* Coins of a trade, in 10^-8: what an inverse contract is worth, or a linear trade's turnover. */
static int64_t turnover_e8(const venue *v, const instrument *traded, int64_t price, int64_t size)
{
    wide money = (wide)size * 100000000;
    if (v->options.shape == SHAPE_INVERSE)
        return (int64_t)(money * text_power10(traded->price_places) / price);
    return (int64_t)(money * price / text_power10(traded->price_places + traded->size_places));
}

/* Volume as the ticker counts it: contracts, or coins in 10^-8. */
static int64_t volume_of(const venue *v, const instrument *traded, int64_t size)
{
    return v->options.shape == SHAPE_INVERSE ? size : size * text_power10(8u - traded->size_places);
}

static void count_trade(const venue *v, venue_symbol *s, const market_trade *trade)
{
    int64_t *values = s->ticker.values;
    int64_t price = trade->price * s->traded.tick;
    int64_t volume = volume_of(v, &s->traded, trade->size);
    int64_t turnover = turnover_e8(v, &s->traded, price, trade->size);
    s->direction = direction_after(s->direction, values[TICKER_LAST], price);
    values[TICKER_LAST] = price;
    values[TICKER_DIRECTION] = s->direction;
    if (values[TICKER_HIGH_24H] < price)
        values[TICKER_HIGH_24H] = price;
    if (values[TICKER_LOW_24H] > price)
        values[TICKER_LOW_24H] = price;
    values[TICKER_TOTAL_VOLUME] += volume;
    values[TICKER_VOLUME_24H] += volume;
    values[TICKER_TOTAL_TURNOVER] += turnover;
    values[TICKER_TURNOVER_24H] += turnover;
    values[TICKER_OPEN_INTEREST] += trade->size % 3 == 0 ? volume : 0;
}

/* A change in millionths. */
static int64_t change_e6(int64_t from, int64_t to)
{
    return (int64_t)((wide)(to - from) * 1000000 / from);
}

/* Bring the ticker up to the market's present best prices. */
static void update_ticker(venue_symbol *s)
{
    int64_t *values = s->ticker.values;
    values[TICKER_BID1] = market_level_at(s->market, MARKET_BUY, 0).price * s->traded.tick;
    values[TICKER_ASK1] = market_level_at(s->market, MARKET_SELL, 0).price * s->traded.tick;
    values[TICKER_MARK] = (values[TICKER_BID1] + values[TICKER_ASK1]) / 2;
    values[TICKER_INDEX] = values[TICKER_MARK] - values[TICKER_MARK] / 20000;
    values[TICKER_PCNT_24H] = change_e6(values[TICKER_PREV_24H], values[TICKER_LAST]);
    values[TICKER_PCNT_1H] = change_e6(values[TICKER_PREV_1H], values[TICKER_LAST]);
    s->ticker.seq = market_seq(s->market);
}

static void init_ticker(venue_symbol *s)
{
    int64_t *values = s->ticker.values;
    int64_t price = s->traded.first_price * s->traded.tick;
    values[TICKER_LAST] = values[TICKER_HIGH_24H] = values[TICKER_LOW_24H] = price;
    values[TICKER_PREV_24H] = price - price / 50;
    values[TICKER_PREV_1H] = price + price / 300;
    values[TICKER_OPEN_INTEREST] = s->traded.lots_typical * 50000;
    values[TICKER_FUNDING_RATE] = 100;
    values[TICKER_PREDICTED_RATE] = 87;
}

/* ---- showing ---- */

static shape_frame frame_of(const venue *v, const venue_symbol *s, topic_id topic, int64_t seq,
                            uint64_t ts_ns)
{
    return (shape_frame){.shape = v->options.shape,
                         .traded = &s->traded,
                         .topic = s->topics[topic],
                         .seq = seq,
                         .ts_ns = ts_ns};
}

static int show_trades(venue *v, venue_symbol *s, uint64_t ts_ns, text_out *out)
{
    size_t count = 0;
    const market_trade *done = market_trades(s->market, &count);
    shape_frame frame = frame_of(v, s, TOPIC_TRADE, market_seq(s->market), ts_ns);
    for (size_t i = 0; i < count; i++) {
        count_trade(v, s, &done[i]);
        v->trades[i] = (shape_trade){.done = done[i],
                                     .id = {td_random_next(&v->random), td_random_next(&v->random)},
                                     .tick_direction = tick_direction_name(s->direction)};
    }
    TD_ASSERT(count > 0);
    shape_trades(&frame, v->trades, count, out);
    return 1;
}

static int show_book(venue *v, venue_symbol *s, topic_id topic, uint64_t ts_ns, text_out *out)
{
    shown_book *shown = &s->books[topic - TOPIC_BOOK_25];
    shape_frame frame = frame_of(v, s, topic, market_seq(s->market), ts_ns);
    book_window_take(&v->now, s->market, TOPICS[topic].book_depth);
    if (!shape_book_delta(&frame, &shown->window, &v->now, out))
        return 0;
    TD_ASSERT(frame.seq > shown->seq);
    *shown = (shown_book){.window = v->now, .seq = frame.seq, .ts_ns = ts_ns};
    return 1;
}

static int show_ticker(venue *v, venue_symbol *s, uint64_t ts_ns, text_out *out)
{
    shape_frame frame = frame_of(v, s, TOPIC_TICKER, market_seq(s->market), ts_ns);
    update_ticker(s);
    if (!shape_ticker_delta(&frame, &s->shown_ticker, &s->ticker, out))
        return 0;
    TD_ASSERT(frame.seq > s->shown_ticker_seq);
    s->shown_ticker = s->ticker;
    s->shown_ticker_seq = frame.seq;
    s->shown_ticker_ns = ts_ns;
    return 1;
}

static int show(venue *v, venue_symbol *s, topic_id topic, uint64_t ts_ns, text_out *out)
{
    if (topic == TOPIC_TRADE)
        return show_trades(v, s, ts_ns, out);
    if (topic == TOPIC_TICKER)
        return show_ticker(v, s, ts_ns, out);
    return show_book(v, s, topic, ts_ns, out);
}

/* One event in one market, and what is to be shown because of it. */
static void step(venue *v)
{
    uint64_t first = td_random_below(&v->random, v->options.symbol_count);
    uint64_t second = td_random_below(&v->random, v->options.symbol_count);
    venue_symbol *s = &v->symbols[first < second ? first : second]; /* the first ones trade most */
    size_t trade_count = 0;
    flow_step(&s->flow, s->market);
    (void)market_trades(s->market, &trade_count);
    v->present = s;
    v->to_show = trade_count > 0 ? 1u << TOPIC_TRADE : 0;
    for (int topic = TOPIC_BOOK_25; topic < TOPIC_IDS; topic++) {
        if (--s->countdown[topic] > 0)
            continue;
        v->to_show |= 1u << topic;
        s->countdown[topic] = 1 + (uint32_t)td_random_below(&v->random, TOPICS[topic].events_max);
    }
}

static uint32_t stream_of(const venue *v, const venue_symbol *s, topic_id topic)
{
    return (uint32_t)(s - v->symbols) * TOPIC_IDS + topic;
}

void venue_next(venue *v, uint64_t ts_ns, venue_frame *out)
{
    text_out text = {.data = v->bytes, .capacity = sizeof v->bytes};
    for (;;) {
        while (v->to_show == 0)
            step(v);
        venue_symbol *s = v->present;
        TD_ASSERT(s != NULL);
        topic_id topic = (topic_id)__builtin_ctz(v->to_show);
        v->to_show &= v->to_show - 1;
        if (!show(v, s, topic, ts_ns, &text))
            continue; /* nothing of it changed: the next event may */
        *out = (venue_frame){.stream = stream_of(v, s, topic),
                             .seq = market_seq(s->market),
                             .ts_ns = ts_ns,
                             .bytes = td_bytes_of(text.data, text.size)};
        return;
    }
}

int venue_snapshot(venue *v, uint32_t stream, venue_frame *out)
{
    TD_ASSERT(stream < venue_stream_count(v));
    const venue_symbol *s = &v->symbols[stream / TOPIC_IDS];
    topic_id topic = (topic_id)(stream % TOPIC_IDS);
    text_out text = {.data = v->bytes, .capacity = sizeof v->bytes};
    shape_frame frame = frame_of(v, s, topic, s->shown_ticker_seq, s->shown_ticker_ns);
    if (topic == TOPIC_TRADE)
        return 0;
    if (topic == TOPIC_TICKER) {
        shape_ticker_snapshot(&frame, &s->shown_ticker, &text);
    } else {
        const shown_book *shown = &s->books[topic - TOPIC_BOOK_25];
        frame.seq = shown->seq;
        frame.ts_ns = shown->ts_ns;
        shape_book_snapshot(&frame, &shown->window, &text);
    }
    *out = (venue_frame){.stream = stream,
                         .seq = frame.seq,
                         .ts_ns = frame.ts_ns,
                         .bytes = td_bytes_of(text.data, text.size)};
    return 1;
}

/* ---- opening ---- */

static td_result open_symbol(venue *v, uint32_t index, td_err *err)
{
    venue_symbol *s = &v->symbols[index];
    const instrument traded = instrument_make(v->options.shape, index);
    s->traded = traded;
    /* Each symbol counts its own events, from a number as large as the exchange's. */
    int64_t first_seq = 1000000000 + (int64_t)td_random_below(&v->random, 9000000000u);
    td_result rc = market_open(first_seq, &s->market, err);
    if (rc != TD_OK)
        return rc;
    flow_init(&s->flow, &s->traded, td_random_next(&v->random));
    flow_fill(&s->flow, &s->traded, s->market);
    for (int i = 0; i < WARM_UP_EVENTS; i++)
        flow_step(&s->flow, s->market);
    init_ticker(s);
    update_ticker(s);
    s->shown_ticker = s->ticker;
    s->shown_ticker_seq = market_seq(s->market);
    s->shown_ticker_ns = v->options.start_ns;
    for (int topic = 0; topic < TOPIC_IDS; topic++) {
        int n = snprintf(s->topics[topic], sizeof s->topics[topic], "%s.%s", TOPICS[topic].name,
                         traded.symbol);
        TD_ASSERT(n > 0);
        TD_ASSERT((size_t)n < sizeof s->topics[topic]);
        s->countdown[topic] = 1 + TOPICS[topic].events_max / 2;
        if (TOPICS[topic].book_depth == 0)
            continue;
        shown_book *shown = &s->books[topic - TOPIC_BOOK_25];
        book_window_take(&shown->window, s->market, TOPICS[topic].book_depth);
        shown->seq = market_seq(s->market);
        shown->ts_ns = v->options.start_ns;
    }
    return TD_OK;
}

td_result venue_open(const venue_options *options, venue **out, td_err *err)
{
    TD_ASSERT(options->symbol_count > 0);
    TD_ASSERT(options->symbol_count <= INSTRUMENTS_MAX);
    venue *v = td_alloc_zero(1, sizeof *v);
    if (v == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for an exchange");
    v->options = *options;
    td_random_init(&v->random, options->seed);
    v->symbols = td_alloc_zero(options->symbol_count, sizeof *v->symbols);
    if (v->symbols == NULL) {
        venue_close(v);
        return td_err_set(err, TD_E_NOMEM, "no memory for %u symbols", options->symbol_count);
    }
    td_result rc = TD_OK;
    for (uint32_t i = 0; rc == TD_OK && i < options->symbol_count; i++)
        rc = open_symbol(v, i, err);
    if (rc != TD_OK) {
        venue_close(v);
        return rc;
    }
    *out = v;
    return TD_OK;
}

void venue_close(venue *v)
{
    if (v == NULL)
        return;
    for (uint32_t i = 0; v->symbols != NULL && i < v->options.symbol_count; i++)
        market_close(v->symbols[i].market);
    td_free(v->symbols);
    td_free(v);
}

/* ---- streams ---- */

uint32_t venue_stream_count(const venue *v)
{
    return v->options.symbol_count * TOPIC_IDS;
}

venue_stream venue_stream_at(const venue *v, uint32_t stream)
{
    TD_ASSERT(stream < venue_stream_count(v));
    const venue_symbol *s = &v->symbols[stream / TOPIC_IDS];
    uint32_t topic = stream % TOPIC_IDS;
    return (venue_stream){.exchange_topic = s->topics[topic],
                          .topic = TOPICS[topic].name,
                          .symbol = s->traded.symbol,
                          .book_depth = TOPICS[topic].book_depth};
}

const market *venue_market(const venue *v, uint32_t stream)
{
    TD_ASSERT(stream < venue_stream_count(v));
    return v->symbols[stream / TOPIC_IDS].market;
}

const instrument *venue_instrument(const venue *v, uint32_t stream)
{
    TD_ASSERT(stream < venue_stream_count(v));
    return &v->symbols[stream / TOPIC_IDS].traded;
}
