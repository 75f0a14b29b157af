#include "sim/account.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Products of money and lots exceed 64 bits. */
__extension__ typedef __int128 wide;

enum {
    /* Two for each trade of an order; an order, a stop, a position and a wallet add the rest. */
    EVENTS_MAX = 2 * MARKET_TRADES_MAX + 8,
    ACT_ONE_IN = 30, /* one event in so many of its symbols is the account's */
    FEE_RATE = 6,    /* 10^-4, as the frames state it */
    LEVERAGE = 10,
    PRICE_PLACES = 8,
};

/* The first balance: 1,000,000 of each settlement coin. */
#define FIRST_WALLET 100000000000000

/* The balance in a settlement coin. */
typedef struct wallet {
    const char *coin; /* NULL: not in use */
    int64_t amount;
} wallet;

struct account {
    td_random random;
    account_order order; /* of the present event */
    account_holding held[ACCOUNT_SYMBOLS_MAX];
    wallet wallets[ACCOUNT_SYMBOLS_MAX];
    uint32_t last_serial;
    account_event events[EVENTS_MAX];
    size_t event_count;
    size_t next_event;
};

account *account_open(uint64_t seed)
{
    account *a = td_alloc_zero(1, sizeof *a);
    td_random_init(&a->random, seed);
    return a;
}

void account_close(account *a)
{
    td_free(a);
}

/* ---- money ---- */

/* An amount of instrument_money in 10^-8: exact. */
static int64_t to_money(const instrument *traded, int64_t amount)
{
    uint8_t places = instrument_money_places(traded);
    TD_ASSERT(places <= ACCOUNT_MONEY_PLACES);
    return amount * sim_power10(ACCOUNT_MONEY_PLACES - places);
}

static int is_spot(const sim_symbol *s)
{
    return s->traded.product == PRODUCT_SPOT;
}

static int64_t *wallet_of(account *a, const sim_symbol *s)
{
    const char *coin = s->values[SIM_SETTLE].text;
    wallet *found = a->wallets;
    while (found->coin != NULL && strcmp(found->coin, coin) != 0)
        found++;
    TD_ASSERT(found < a->wallets + ACCOUNT_SYMBOLS_MAX); /* each coin is a symbol's */
    if (found->coin == NULL)
        *found = (wallet){.coin = coin, .amount = FIRST_WALLET};
    return &found->amount;
}

/* ---- events ---- */

static void add_event(account *a, stream_kind kind, uint32_t index, const sim_symbol *s,
                      const account_order *order)
{
    TD_ASSERT(a->event_count < EVENTS_MAX);
    a->events[a->event_count++] = (account_event){.kind = kind,
                                                  .symbol = index,
                                                  .seq = market_seq(s->market),
                                                  .ns = s->event_ns,
                                                  .order = *order,
                                                  .held = a->held[index],
                                                  .wallet = *wallet_of(a, s)};
}

static void add_order(account *a, uint32_t index, const sim_symbol *s, account_order *order,
                      account_status status)
{
    order->status = status;
    add_event(a, status >= ACCOUNT_UNTRIGGERED ? STREAM_STOP_ORDER : STREAM_ORDER, index, s, order);
}

const account_event *account_next_event(account *a)
{
    return a->next_event < a->event_count ? &a->events[a->next_event++] : NULL;
}

/* ---- acting ---- */

/* An order that closes the position, or opens one. Spot coins and options must be bought before
 * they can be sold. */
static account_order new_order(account *a, uint32_t index, const sim_symbol *s)
{
    int64_t lots = a->held[index].lots;
    uint64_t most = (uint64_t)s->traded.lots_typical;
    int is_buyer = is_spot(s) || s->traded.product == PRODUCT_OPTION;
    market_side side = td_random_below(&a->random, 2) == 0 ? MARKET_BUY : MARKET_SELL;
    if (lots != 0 || is_buyer)
        side = lots > 0 ? MARKET_SELL : MARKET_BUY;
    int64_t size = lots < 0 ? -lots : lots;
    return (account_order){
        .id = {td_random_next(&a->random), td_random_next(&a->random)},
        .serial = ++a->last_serial,
        .side = side,
        .size = size > 0 ? size : 1 + (int64_t)td_random_below(&a->random, most),
        .created_ns = s->event_ns,
    };
}

/* Place a stop order at the last price, outside the market. It is deactivated at once, or
 * triggered, which makes it a market order. */
static int place_stop(account *a, uint32_t index, const sim_symbol *s)
{
    account_order *stop = &a->order;
    *stop = new_order(a, index, s);
    stop->is_market = 1;
    stop->trigger = s->values[SIM_LAST].n;
    int is_hit = td_random_below(&a->random, 2) == 0;
    add_order(a, index, s, stop, ACCOUNT_UNTRIGGERED);
    add_order(a, index, s, stop, is_hit ? ACCOUNT_TRIGGERED : ACCOUNT_DEACTIVATED);
    if (is_hit)
        market_take(s->market, stop->side, stop->size);
    return is_hit;
}

/* A limit order at the best price of its own side, cancelled within the same event: the market
 * is unchanged. */
static void place_and_cancel(account *a, uint32_t index, const sim_symbol *s)
{
    account_order order = new_order(a, index, s);
    order.price = instrument_price(&s->traded, market_level_at(s->market, order.side, 0).price);
    add_order(a, index, s, &order, ACCOUNT_NEW);
    add_order(a, index, s, &order, ACCOUNT_CANCELLED);
}

int account_act(account *a, uint32_t index, sim_symbol *s)
{
    enum { CANCEL = 15, STOP = 30 }; /* of 100; the rest are market orders */
    TD_ASSERT(index < ACCOUNT_SYMBOLS_MAX);
    TD_ASSERT(a->next_event == a->event_count);
    a->event_count = a->next_event = 0;
    if (td_random_below(&a->random, ACT_ONE_IN) != 0)
        return 0;
    uint64_t what = td_random_below(&a->random, 100);
    if (what < CANCEL) {
        place_and_cancel(a, index, s);
        return 0;
    }
    if (what < STOP)
        return place_stop(a, index, s);
    a->order = new_order(a, index, s);
    a->order.is_market = 1;
    market_take(s->market, a->order.side, a->order.size);
    return 1;
}

/* ---- results ---- */

/* A fill opens, increases or reduces a position. It never reverses one, because closing orders
 * are at most as large as the position. */
static void fill(account *a, uint32_t index, const sim_symbol *s, const sim_trade *trade)
{
    account_order *order = &a->order;
    account_holding *held = &a->held[index];
    int64_t size = trade->done.size;
    int64_t money = to_money(&s->traded, trade->money);
    int64_t value = money < 0 ? -money : money;
    int64_t fee = (value * FEE_RATE + 5000) / 10000;
    order->filled += size;
    order->money += money;
    order->fee += fee;
    order->last = *trade;
    order->last_money = money;
    order->last_fee = fee;
    *wallet_of(a, s) -= fee;
    if (held->lots == 0)
        held->created_ns = s->event_ns;
    held->updated_ns = s->event_ns;
    int64_t lots = order->side == MARKET_BUY ? size : -size;
    int64_t gain = 0;
    if (held->lots == 0 || (held->lots > 0) == (lots > 0)) {
        held->cost += money;
    } else {
        int64_t cost = (int64_t)((wide)held->cost * lots / -held->lots);
        /* A long gains as its value rises. An inverse contract is worth fewer coins then. */
        gain = (held->lots > 0) == !s->traded.is_inverse ? money - cost : cost - money;
        held->realised += gain;
        held->cost -= cost;
    }
    /* Spot coins are paid in full; of other positions only the gain or loss changes the wallet. */
    *wallet_of(a, s) += !is_spot(s) ? gain : lots > 0 ? -money : money;
    held->lots += lots;
}

void account_record(account *a, uint32_t index, const sim_symbol *s)
{
    account_order *order = &a->order;
    add_order(a, index, s, order, ACCOUNT_NEW);
    for (size_t i = 0; i < s->trade_count; i++) {
        fill(a, index, s, &s->trades[i]);
        add_event(a, STREAM_EXECUTION, index, s, order);
        add_order(a, index, s, order,
                  order->filled < order->size ? ACCOUNT_PARTLY_FILLED : ACCOUNT_FILLED);
    }
    if (order->filled < order->size)
        add_order(a, index, s, order, ACCOUNT_CANCELLED);
    add_event(a, STREAM_POSITION, index, s, order);
    add_event(a, STREAM_WALLET, index, s, order);
}

const account_holding *account_held(const account *a, uint32_t index)
{
    return index < ACCOUNT_SYMBOLS_MAX && a->held[index].lots != 0 ? &a->held[index] : NULL;
}

/* ---- values of frames ---- */

/* Each status in the exchange's spellings, by catalog_words. */
static const char *const STATUSES[][3] = {
    [ACCOUNT_NEW] = {"New", "NEW", "Open"},
    [ACCOUNT_PARTLY_FILLED] = {"PartiallyFilled", "PARTIALLY_FILLED", "OpenOrderPartiallyFilled"},
    [ACCOUNT_FILLED] = {"Filled", "FILLED", "OpenOrderFilled"},
    [ACCOUNT_CANCELLED] = {"Cancelled", "CANCELED", "Canceled"},
    [ACCOUNT_UNTRIGGERED] = {"Untriggered", "ORDER_NEW", "Untriggered"},
    [ACCOUNT_TRIGGERED] = {"Triggered", "ORDER_FILLED", "Triggered"},
    [ACCOUNT_DEACTIVATED] = {"Deactivated", "ORDER_CANCELED", "Deactivated"},
};

static sim_value money_value(int64_t amount)
{
    return sim_number(amount, ACCOUNT_MONEY_PLACES);
}

/* Mean price of so many lots of that value, with 8 places. */
static sim_value mean_price(const instrument *traded, int64_t money, int64_t size)
{
    wide n = 0;
    if (size != 0 && money != 0)
        n = traded->is_inverse
                ? (wide)size * sim_power10(ACCOUNT_MONEY_PLACES) * sim_power10(PRICE_PLACES) / money
                : (wide)money * sim_power10(PRICE_PLACES - ACCOUNT_MONEY_PLACES) *
                      sim_power10(traded->size_places) / size;
    return sim_number((int64_t)n, PRICE_PLACES);
}

static const char *category_of(const instrument *traded)
{
    if (traded->product == PRODUCT_SPOT)
        return "spot";
    if (traded->product == PRODUCT_OPTION)
        return "option";
    return traded->is_inverse ? "inverse" : "linear";
}

/* The words for an order's side, type and state. */
static void set_kind(const account_order *order, catalog_words words, sim_value *v)
{
    int is_spot_family = words == WORDS_SPOT;
    int is_buy = order->side == MARKET_BUY;
    v[SIM_SIDE] = sim_text(is_buy ? "Buy" : "Sell");
    v[SIM_SPOT_SIDE] = sim_text(is_buy ? "BUY" : "SELL");
    v[SIM_ORDER_TYPE] = sim_text(order->is_market ? (is_spot_family ? "MARKET_OF_BASE" : "Market")
                                 : is_spot_family ? "LIMIT"
                                                  : "Limit");
    v[SIM_TIME_IN_FORCE] = sim_text(order->is_market ? "ImmediateOrCancel" : "GoodTillCancel");
    v[SIM_TIF] = sim_text(order->is_market ? "IOC" : "GTC");
    v[SIM_ORDER_STATUS] = sim_text(STATUSES[order->status][words]);
}

static void set_order(const account_order *order, const sim_symbol *s, account_texts *texts,
                      sim_value *v)
{
    const uint8_t lots = s->traded.size_places;
    const uint8_t price = s->traded.price_places;
    int64_t left = order->status == ACCOUNT_CANCELLED ? 0 : order->size - order->filled;
    symbol_format_id(s, order->id, 1162336018989827371 + order->serial, texts->order_id);
    int n = snprintf(texts->link, sizeof texts->link, "plan-%06u", order->serial);
    TD_ASSERT(n > 0);
    TD_ASSERT((size_t)n < sizeof texts->link);
    v[SIM_ORDER_ID] = sim_text(texts->order_id);
    v[SIM_ORDER_LINK] = sim_text(texts->link);
    v[SIM_ORDER_PRICE] = sim_number(order->price, price);
    v[SIM_TRIGGER_PRICE] = sim_number(order->trigger, price);
    v[SIM_ORDER_QTY] = sim_number(order->size, lots);
    v[SIM_ORDER_LEAVES] = sim_number(left, lots);
    v[SIM_ORDER_CUM_QTY] = sim_number(order->filled, lots);
    v[SIM_ORDER_CUM_VALUE] = money_value(order->money);
    v[SIM_ORDER_CUM_FEE] = money_value(order->fee);
    v[SIM_CREATED] = sim_time(order->created_ns);
    /* The last fill. */
    symbol_format_id(s, order->last.id, order->last.number, texts->exec_id);
    v[SIM_EXEC_ID] = sim_text(texts->exec_id);
    v[SIM_EXEC_PRICE] = sim_number(order->last.price, price);
    v[SIM_EXEC_QTY] = sim_number(order->last.done.size, lots);
    v[SIM_EXEC_FEE] = money_value(order->last_fee);
}

void account_set_holding(const account_holding *held, const sim_symbol *s, sim_value *v)
{
    const instrument *traded = &s->traded;
    int64_t size = held->lots < 0 ? -held->lots : held->lots;
    const char *side = held->lots > 0 ? "Buy" : held->lots < 0 ? "Sell" : "";
    symbol_set_names(s, v);
    v[SIM_CATEGORY] = sim_text(category_of(traded));
    int64_t mark = v[SIM_MARK].n > 0 ? v[SIM_MARK].n : 1;
    int64_t now = to_money(traded, instrument_money(traded, mark, size));
    int is_gaining = (held->lots > 0) == !traded->is_inverse;
    v[SIM_POSITION] = sim_number(size, traded->size_places);
    v[SIM_POSITION_SIDE_NAME] = sim_text(side[0] == '\0' ? "None" : side);
    v[SIM_POSITION_SIDE_SHORT] = sim_text(side);
    v[SIM_POSITION_VALUE] = money_value(held->cost);
    v[SIM_ENTRY_PRICE] = mean_price(traded, held->cost, size);
    v[SIM_POSITION_MARGIN] = money_value(held->cost / LEVERAGE);
    v[SIM_UNREALISED] = money_value(is_gaining ? now - held->cost : held->cost - now);
    v[SIM_REALISED] = money_value(held->realised);
    v[SIM_POSITION_CREATED] = sim_time(held->created_ns);
    v[SIM_POSITION_UPDATED] = sim_time(held->updated_ns);
}

void account_set_event(const account_event *event, const sim_symbol *s, catalog_words words,
                       account_texts *texts, sim_value *v)
{
    account_set_holding(&event->held, s, v);
    int64_t margin = is_spot(s) ? 0 : event->held.cost / LEVERAGE;
    v[SIM_WALLET] = money_value(event->wallet);
    v[SIM_AVAILABLE] = money_value(event->wallet - margin);
    set_order(&event->order, s, texts, v);
    set_kind(&event->order, words, v);
    v[SIM_UPDATED] = v[SIM_TRADE_TIME] = v[SIM_CTS] = sim_time(event->ns);
    v[SIM_SEQ] = sim_number(event->seq, 0);
}
