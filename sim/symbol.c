#include "sim/symbol.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"

enum {
    WARM_UP_EVENTS = 4000, /* events after filling the book, so that sizes and gaps vary */
    RATE_PLACES = 6,
};

/* ---- values ---- */

void symbol_format_uuid(const uint64_t id[2], char out[SYMBOL_ID_BYTES])
{
    int n = snprintf(out, SYMBOL_ID_BYTES, "%08x-%04x-5%03x-8%03x-%012llx", (unsigned)(id[0] >> 32),
                     (unsigned)(id[0] >> 16) & 0xffff, (unsigned)id[0] & 0xfff,
                     (unsigned)(id[1] >> 48) & 0xfff, (unsigned long long)(id[1] & 0xffffffffffff));
    TD_ASSERT(n == SYMBOL_ID_BYTES - 1);
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

void symbol_set_names(const sim_symbol *s, sim_value *values)
{
    const instrument *traded = &s->traded;
    memcpy(&values[SIM_TICKER_FIRST], &s->values[SIM_TICKER_FIRST],
           (SIM_TICKER_LAST - SIM_TICKER_FIRST + 1) * sizeof *values);
    values[SIM_SYMBOL] = sim_text(traded->symbol);
    values[SIM_COIN] = sim_text(traded->base);
    values[SIM_SETTLE] = sim_text(traded->settle == NULL ? traded->base : traded->settle);
}

void symbol_set_trade(const sim_symbol *s, const sim_trade *trade, sim_value *values)
{
    int is_buy = trade->done.taker == MARKET_BUY;
    values[SIM_SYMBOL] = sim_text(s->traded.symbol);
    values[SIM_PRICE] = price_value(s, trade->price);
    values[SIM_SIZE] = size_value(s, trade->done.size);
    values[SIM_SIDE] = sim_text(is_buy ? "Buy" : "Sell");
    values[SIM_TAKER] = sim_text(is_buy ? "buy" : "sell");
    values[SIM_TAKER_LETTER] = sim_text(is_buy ? "b" : "s");
    values[SIM_MAKER] = sim_text(is_buy ? "SELL" : "BUY");
    values[SIM_IS_BUY] = sim_number(is_buy, 0);
    values[SIM_IS_SELL] = sim_number(!is_buy, 0);
    values[SIM_TRADE_TIME] = sim_time(trade->ns);
}

/* ---- ticker ---- */

static void update_ticker(sim_symbol *s)
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
    int64_t before = v[SIM_PREV_24H].n;
    wide change = v[SIM_LAST].n - before;
    wide rate = before == 0 ? 0 : change * 1000000 / (before < 0 ? -before : before);
    v[SIM_PCNT_24H] = sim_number((int64_t)rate, RATE_PLACES);
}

static void init_ticker(sim_symbol *s)
{
    sim_value *v = s->values;
    int64_t price = instrument_price(&s->traded, s->traded.first_price);
    int64_t lots = s->traded.lots_typical * 100000;
    v[SIM_LAST] = v[SIM_HIGH_24H] = price_value(s, price);
    v[SIM_PREV_24H] = price_value(s, price - price / 50);
    v[SIM_LOW_24H] = price_value(s, price - price / 40);
    v[SIM_VOLUME_24H] = size_value(s, lots);
    v[SIM_TURNOVER_24H] =
        sim_number(instrument_money(&s->traded, price, lots), instrument_money_places(&s->traded));
    update_ticker(s);
}

/* ---- events ---- */

static void count_trade(sim_symbol *s, sim_trade *trade)
{
    sim_value *v = s->values;
    v[SIM_LAST].n = trade->price;
    if (v[SIM_HIGH_24H].n < trade->price)
        v[SIM_HIGH_24H].n = trade->price;
    if (v[SIM_LOW_24H].n > trade->price)
        v[SIM_LOW_24H].n = trade->price;
    v[SIM_VOLUME_24H].n += trade->done.size;
    v[SIM_TURNOVER_24H].n += trade->money;
    s->last = *trade;
}

void symbol_end_event(sim_symbol *s, uint64_t ns, td_random *random, int64_t *next_number)
{
    TD_ASSERT(ns >= s->event_ns);
    s->event_ns = ns;
    const market_trade *done = market_trades(s->market, &s->trade_count);
    TD_ASSERT(s->trade_count <= MARKET_TRADES_MAX);
    for (size_t i = 0; i < s->trade_count; i++) {
        sim_trade *trade = &s->trades[i];
        int64_t price = instrument_price(&s->traded, done[i].price);
        *next_number += 1 + (int64_t)td_random_below(random, 3);
        uint64_t id = td_random_next(random);
        *trade = (sim_trade){.done = done[i],
                             .price = price,
                             .money = instrument_money(&s->traded, price, done[i].size),
                             .id = {id, td_random_next(random)},
                             .number = *next_number,
                             .ns = s->event_ns};
        count_trade(s, trade);
    }
    update_ticker(s);
}

/* ---- opening ---- */

void symbol_open(sim_symbol *s, const instrument *traded, td_random *random, uint64_t ns)
{
    s->traded = *traded;
    /* Each symbol numbers its own events, starting with a number as large as the exchange's. */
    int64_t first_seq = 1000000000 + (int64_t)td_random_below(random, 9000000000u);
    s->market = market_open(first_seq);
    flow_init(&s->flow, &s->traded, td_random_next(random));
    flow_fill(&s->flow, &s->traded, s->market);
    for (int i = 0; i < WARM_UP_EVENTS; i++)
        flow_step(&s->flow, s->market);
    s->event_ns = ns;
    init_ticker(s);
}

void symbol_close(sim_symbol *s)
{
    market_close(s->market);
    s->market = NULL;
}
