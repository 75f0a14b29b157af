#include "sim/symbol.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"

/* Products of a price and a size exceed 64 bits. */
__extension__ typedef __int128 wide;

enum {
    WARM_UP_EVENTS = 4000, /* after the first fill, so that sizes and gaps between levels vary */
    RATE_PLACES = 6,
    FUNDING_HOURS = 8,
};

#define HOUR_NS (3600 * TD_NS_PER_S)

/* ---- values ---- */

void symbol_format_uuid(const uint64_t id[2], char out[SYMBOL_ID_BYTES])
{
    static const char HEX[] = "0123456789abcdef";
    size_t at = 0;
    for (unsigned i = 0; i < 32; i++) {
        unsigned nibble = (unsigned)(id[i / 16] >> (60 - 4 * (i % 16))) & 15u;
        if (i == 12)
            nibble = 5;
        if (i == 16)
            nibble = 8 | (nibble & 3u);
        if (i == 8 || i == 12 || i == 16 || i == 20)
            out[at++] = '-';
        out[at++] = HEX[nibble];
    }
    out[at++] = '\0';
    TD_ASSERT(at == SYMBOL_ID_BYTES);
}

void symbol_format_id(const sim_symbol *s, const uint64_t id[2], int64_t number,
                      char out[SYMBOL_ID_BYTES])
{
    if (s->traded.product == PRODUCT_SPOT)
        (void)snprintf(out, SYMBOL_ID_BYTES, "%lld", (long long)number); /* 20 characters fit */
    else
        symbol_format_uuid(id, out);
}

static sim_value price_value(const sim_symbol *s, int64_t price)
{
    return sim_number(price, s->traded.price_places);
}

static sim_value size_value(const sim_symbol *s, int64_t lots)
{
    return sim_number(lots, s->traded.size_places);
}

static sim_value money_value(const sim_symbol *s, int64_t money)
{
    return sim_number(money, instrument_money_places(&s->traded));
}

void symbol_set_names(const sim_symbol *s, sim_value *values)
{
    const instrument *traded = &s->traded;
    if (values != s->values)
        memcpy(&values[SIM_TICKER_FIRST], &s->values[SIM_TICKER_FIRST],
               (SIM_TICKER_LAST - SIM_TICKER_FIRST + 1) * sizeof *values);
    values[SIM_SYMBOL] = sim_text(traded->symbol);
    values[SIM_COIN] = sim_text(traded->base);
    values[SIM_QUOTE] = sim_text(traded->quote);
    values[SIM_SETTLE] = sim_text(traded->settle == NULL ? traded->base : traded->settle);
    values[SIM_SYMBOL_ID] = sim_number(traded->id, 0);
    values[SIM_EXPIRY] = sim_time(traded->expiry_ns);
    values[SIM_EXPIRY_TEXT] = sim_text(traded->expiry == NULL ? "" : traded->expiry);
}

void symbol_set_trade(const sim_symbol *s, const sim_trade *trade, sim_value *values)
{
    int is_buy = trade->done.taker == MARKET_BUY;
    values[SIM_SYMBOL] = sim_text(s->traded.symbol);
    values[SIM_PRICE] = price_value(s, trade->price);
    values[SIM_SIZE] = size_value(s, trade->done.size);
    values[SIM_SIDE] = sim_text(is_buy ? "Buy" : "Sell");
    values[SIM_IS_BUY] = sim_number(is_buy, 0);
    values[SIM_TRADE_TIME] = sim_time(trade->ns);
    values[SIM_TICK] = sim_text(trade->direction);
}

void symbol_set_liquidation(const sim_symbol *s, sim_value *values)
{
    const sim_trade *last = &s->trades[s->trade_count - 1];
    int64_t size = 0;
    TD_ASSERT(s->trade_count > 0);
    for (size_t i = 0; i < s->trade_count; i++)
        size += s->trades[i].done.size;
    /* A long is closed by selling. Its bankruptcy price is some ticks below. */
    int is_long = last->done.taker == MARKET_SELL;
    int64_t away = 3 * s->traded.tick;
    values[SIM_SYMBOL] = sim_text(s->traded.symbol);
    values[SIM_POSITION_SIDE] = sim_text(is_long ? "Buy" : "Sell");
    values[SIM_LIQUIDATED_SIZE] = size_value(s, size);
    values[SIM_BANKRUPT_PRICE] = price_value(s, last->price + (is_long ? -away : away));
    values[SIM_TRADE_TIME] = sim_time(last->ns);
}

/* ---- ticker ---- */

/* Relative change in millionths. */
static int64_t change_e6(int64_t from, int64_t to)
{
    if (from == 0)
        return 0;
    return (int64_t)((wide)(to - from) * 1000000 / (from < 0 ? -from : from));
}

static void init_ticker(sim_symbol *s, uint64_t ns)
{
    sim_value *v = s->values;
    int64_t price = instrument_price(&s->traded, s->traded.first_price);
    int64_t lots = s->traded.lots_typical * 100000;
    v[SIM_LAST] = v[SIM_HIGH_24H] = v[SIM_LOW_24H] = price_value(s, price);
    v[SIM_PREV_24H] = price_value(s, price - price / 50);
    v[SIM_LOW_24H].n = price - price / 40;
    v[SIM_PREV_1H] = price_value(s, price + price / 300);
    v[SIM_DIRECTION] = sim_text("ZeroPlusTick");
    v[SIM_OPEN_INTEREST] = size_value(s, lots / 2);
    v[SIM_TOTAL_VOLUME] = size_value(s, lots * 3);
    v[SIM_VOLUME_24H] = size_value(s, lots);
    int64_t money = instrument_money(&s->traded, price, lots);
    v[SIM_TOTAL_TURNOVER] = money_value(s, money * 3);
    v[SIM_TURNOVER_24H] = money_value(s, money);
    symbol_update_ticker(s, ns);
}

void symbol_update_ticker(sim_symbol *s, uint64_t ns)
{
    sim_value *v = s->values;
    const instrument *traded = &s->traded;
    market_level bid = market_level_at(s->market, MARKET_BUY, 0);
    market_level ask = market_level_at(s->market, MARKET_SELL, 0);
    int64_t mid = (instrument_price(traded, bid.price) + instrument_price(traded, ask.price)) / 2;
    v[SIM_BID1] = price_value(s, instrument_price(traded, bid.price));
    v[SIM_ASK1] = price_value(s, instrument_price(traded, ask.price));
    v[SIM_BID1_SIZE] = size_value(s, bid.size);
    v[SIM_ASK1_SIZE] = size_value(s, ask.size);
    v[SIM_MARK] = price_value(s, mid);
    v[SIM_INDEX] = price_value(s, mid - mid / 20000);
    v[SIM_PCNT_24H] = sim_number(change_e6(v[SIM_PREV_24H].n, v[SIM_LAST].n), RATE_PLACES);
    v[SIM_PCNT_1H] = sim_number(change_e6(v[SIM_PREV_1H].n, v[SIM_LAST].n), RATE_PLACES);
    v[SIM_OPEN_VALUE] =
        money_value(s, instrument_money(traded, mid > 0 ? mid : 1, v[SIM_OPEN_INTEREST].n));
    uint64_t period = FUNDING_HOURS * HOUR_NS;
    uint64_t funding = (ns / period + 1) * period;
    v[SIM_NEXT_FUNDING] = sim_time(funding);
    /* Started hours count. */
    v[SIM_FUNDING_HOURS_LEFT] = sim_number((int64_t)((funding - ns + HOUR_NS - 1) / HOUR_NS), 0);
    v[SIM_BUY_LIMIT] = price_value(s, mid + mid / 20);
    v[SIM_SELL_LIMIT] = price_value(s, mid - mid / 20);
    v[SIM_TICKER_SEQ] = sim_number(market_seq(s->market), 0);
}

/* ---- events ---- */

void symbol_begin_event(sim_symbol *s, uint64_t ns)
{
    TD_ASSERT(ns >= s->event_ns);
    s->event_ns = ns;
}

/* The tick direction of a price; an equal price keeps the direction of the last change. */
static const char *direction_after(sim_symbol *s, int64_t price)
{
    int64_t last = s->values[SIM_LAST].n;
    if (price == last)
        return s->is_rising ? "ZeroPlusTick" : "ZeroMinusTick";
    s->is_rising = price > last;
    return s->is_rising ? "PlusTick" : "MinusTick";
}

static void count_trade(sim_symbol *s, sim_trade *trade)
{
    sim_value *v = s->values;
    int64_t size = trade->done.size;
    trade->direction = direction_after(s, trade->price);
    v[SIM_DIRECTION].text = trade->direction;
    v[SIM_LAST].n = trade->price;
    if (v[SIM_HIGH_24H].n < trade->price)
        v[SIM_HIGH_24H].n = trade->price;
    if (v[SIM_LOW_24H].n > trade->price)
        v[SIM_LOW_24H].n = trade->price;
    v[SIM_TOTAL_VOLUME].n += size;
    v[SIM_VOLUME_24H].n += size;
    v[SIM_TOTAL_TURNOVER].n += trade->money;
    v[SIM_TURNOVER_24H].n += trade->money;
    v[SIM_OPEN_INTEREST].n += size % 3 == 0 ? size : 0; /* every third size opens positions */
    s->last = *trade;
}

void symbol_end_event(sim_symbol *s, td_random *random, int64_t *next_number, int is_liquidation)
{
    const market_trade *done = market_trades(s->market, &s->trade_count);
    TD_ASSERT(s->trade_count <= MARKET_TRADES_MAX);
    for (size_t i = 0; i < s->trade_count; i++) {
        sim_trade *trade = &s->trades[i];
        int64_t price = instrument_price(&s->traded, done[i].price);
        *next_number += 1 + (int64_t)td_random_below(random, 3);
        *trade = (sim_trade){.done = done[i],
                             .price = price,
                             .money = instrument_money(&s->traded, price, done[i].size),
                             .id = {td_random_next(random), td_random_next(random)},
                             .number = *next_number,
                             .ns = s->event_ns};
        count_trade(s, trade);
    }
    s->is_liquidation = is_liquidation && s->trade_count > 0;
}

/* ---- opening ---- */

void symbol_open(sim_symbol *s, const instrument *traded, td_random *random, uint64_t ns)
{
    s->traded = *traded;
    /* Each symbol numbers its own events, from a number as large as the exchange's. */
    int64_t first_seq = 1000000000 + (int64_t)td_random_below(random, 9000000000u);
    s->market = market_open(first_seq);
    flow_init(&s->flow, &s->traded, td_random_next(random));
    flow_fill(&s->flow, &s->traded, s->market);
    for (int i = 0; i < WARM_UP_EVENTS; i++)
        (void)flow_step(&s->flow, s->market);
    s->event_ns = ns;
    init_ticker(s, ns);
    symbol_set_names(s, s->values);
}

void symbol_close(sim_symbol *s)
{
    market_close(s->market);
    s->market = NULL;
}
