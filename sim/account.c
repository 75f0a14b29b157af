#include "sim/account.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum {
    ACT_ONE_IN = 30, /* one in this many events of its symbols is made by the account */
    FEE_RATE = 6,    /* a fill's fee as a part of its value, in units of 10^-4, as in frames */
    /* Number of events before the fills of the seeded trader's order: two show the stop order, one
     * shows the order. */
    PLANNED_LEAD_EVENTS = 3,
};

#define FIRST_WALLET 100000000000000     /* the balance at first: 1,000,000 */
#define FIRST_NUMBER 1162336018989827371 /* a spot order's number is this plus its serial */

struct account {
    td_random random;
    td_random client_random; /* separate, so that clients do not change the seeded trader's draws */
    account_holding held[ACCOUNT_SYMBOLS_MAX];
    uint8_t is_clients[ACCOUNT_SYMBOLS_MAX];  /* 1: clients have traded in the symbol */
    account_order orders[ACCOUNT_ORDERS_MAX]; /* clients' open orders, by serial */
    size_t order_count;
    uint32_t serial;          /* serial of the last order */
    const sim_symbol *symbol; /* of the current order; NULL: all its events were taken */
    size_t step;              /* number of its events taken */
    size_t lead_events;       /* number of its events before the first fill */
    uint8_t ends_cancelled;   /* 1: the current order is cancelled after its fills */
    account_event event;      /* the last one */
};

account *account_open(uint64_t seed)
{
    account *a = td_alloc_zero(1, sizeof *a);
    td_random_init(&a->random, seed);
    td_random_init(&a->client_random, seed + 1);
    a->event.wallet = FIRST_WALLET;
    return a;
}

void account_close(account *a)
{
    td_free(a);
}

void account_format_id(const sim_symbol *s, const account_order *order, char out[SYMBOL_ID_BYTES])
{
    symbol_format_id(s, order->id, FIRST_NUMBER + order->serial, out);
}

/* The value of a trade. */
static int64_t value_of(const instrument *traded, int64_t price, int64_t lots)
{
    int64_t money = instrument_money(traded, price, lots);
    return money * sim_power10(ACCOUNT_MONEY_PLACES - instrument_money_places(traded));
}

/* ---- orders of clients ---- */

/* The best price of the other side, in engine ticks. */
static int64_t best_price(const sim_symbol *s, market_side side)
{
    return market_level_at(s->market, market_other_side(side), 0).price;
}

/* The lots that clients may take from the other side. The worst level of that side is excluded, so
 * that the side never becomes empty. */
static int64_t available_lots(const sim_symbol *s, market_side side)
{
    int64_t sum = 0;
    for (size_t i = 0; i + 1 < market_level_count(s->market, market_other_side(side)); i++)
        sum += market_level_at(s->market, market_other_side(side), i).size;
    return sum;
}

/* 1 if an order would trade at once. */
static int crosses(const sim_symbol *s, const account_terms *terms)
{
    int64_t best = best_price(s, terms->side);
    return terms->side == MARKET_BUY ? best <= terms->limit : best >= terms->limit;
}

static int is_market(const account_terms *terms)
{
    return terms->limit == market_any_price(terms->side);
}

/* 1 if the account can pay for the order: coins must be bought before they are sold; other orders
 * may be worth at most the balance. */
static int can_afford(const account *a, const sim_symbol *s, const account_terms *terms)
{
    if (s->traded.product == PRODUCT_SPOT && terms->side == MARKET_SELL)
        return a->held[terms->symbol].lots >= terms->size;
    int64_t ticks = is_market(terms) ? best_price(s, terms->side) : terms->limit;
    int64_t money = value_of(&s->traded, instrument_price(&s->traded, ticks), terms->size);
    return money <= a->event.wallet;
}

account_order *account_find(account *a, const sim_symbol *s, uint32_t index, td_bytes id,
                            td_bytes link)
{
    char own[SYMBOL_ID_BYTES];
    for (size_t i = 0; i < a->order_count; i++) {
        account_order *order = &a->orders[i];
        if (order->terms.symbol != index || order->is_by_user)
            continue;
        account_format_id(s, order, own);
        if (id.size > 0 ? td_bytes_is(id, own)
                        : link.size > 0 && td_bytes_is(link, order->terms.link))
            return order;
    }
    return NULL;
}

refusal account_place(account *a, const sim_symbol *s, const account_terms *terms,
                      const account_order **made)
{
    TD_ASSERT(terms->symbol < ACCOUNT_SYMBOLS_MAX);
    if (account_find(a, s, terms->symbol, td_bytes_str(""), td_bytes_str(terms->link)) != NULL)
        return REFUSAL_LINK_IN_USE;
    if (a->order_count == ACCOUNT_ORDERS_MAX)
        return REFUSAL_TOO_MANY_ORDERS;
    if (!can_afford(a, s, terms))
        return REFUSAL_NO_MONEY;
    a->is_clients[terms->symbol] = 1;
    account_order *order = &a->orders[a->order_count++];
    uint64_t id = td_random_next(&a->client_random);
    *order = (account_order){
        .terms = *terms,
        .id = {id, td_random_next(&a->client_random)},
        .serial = ++a->serial,
        .status = ACCOUNT_NEW,
        .is_due = 1,
    };
    *made = order;
    return REFUSAL_NONE;
}

/* Apply the next change of an order, unless an earlier event is still due. */
static void begin_next(account_order *order)
{
    if (order->is_due)
        return;
    if (order->has_next)
        order->terms = order->next_terms;
    else if (order->is_by_user)
        order->status = ACCOUNT_CANCELLED;
    if (order->terms.size < order->filled) /* more was filled since the change was accepted */
        order->terms.size = order->filled;
    order->is_due = order->has_next || order->is_by_user;
    order->has_next = 0;
}

refusal account_amend(account *a, const sim_symbol *s, account_order *order, int64_t size,
                      int64_t limit)
{
    account_terms changed = order->has_next ? order->next_terms : order->terms;
    if (size > 0)
        changed.size = size;
    if (limit > 0)
        changed.limit = limit;
    if (changed.size <= order->filled)
        return REFUSAL_FILLED_ABOVE;
    if (!can_afford(a, s, &changed))
        return REFUSAL_NO_MONEY;
    order->next_terms = changed;
    order->has_next = 1;
    begin_next(order);
    return REFUSAL_NONE;
}

void account_cancel(account_order *order)
{
    order->is_by_user = 1;
    begin_next(order);
}

uint32_t account_due(const account *a)
{
    for (size_t i = 0; i < a->order_count; i++)
        if (a->orders[i].is_due)
            return a->orders[i].terms.symbol;
    return ACCOUNT_SYMBOLS_MAX;
}

static void remove_order(account *a, account_order *order)
{
    size_t at = (size_t)(order - a->orders);
    a->order_count--;
    memmove(order, order + 1, (a->order_count - at) * sizeof *order);
}

/* The client's order that acts in this event of the symbol: a due order, or a waiting one whose
 * price the market has reached. */
static account_order *next_order(account *a, uint32_t index, const sim_symbol *s)
{
    account_order *waiting = NULL;
    for (size_t i = 0; i < a->order_count; i++) {
        account_order *order = &a->orders[i];
        if (order->terms.symbol != index)
            continue;
        if (order->is_due)
            return order;
        if (waiting == NULL && crosses(s, &order->terms) &&
            available_lots(s, order->terms.side) > 0)
            waiting = order;
    }
    return waiting;
}

/* Match or cancel a client's order. account_next_event() makes the order's events from the market's
 * trades. */
static void act_for_client(account *a, account_order *order, const sim_symbol *s)
{
    const account_terms *terms = &order->terms;
    int is_cancelled = order->status == ACCOUNT_CANCELLED;
    int is_refused = terms->duration == DURATION_POST_ONLY && order->is_due && crosses(s, terms);
    size_t count = 0;
    order->is_maker = !order->is_due;
    a->lead_events = order->is_due && !is_cancelled && !is_market(terms);
    order->is_due = 0;
    a->event.order = *order;
    int64_t most = available_lots(s, terms->side);
    int64_t size = terms->size - order->filled < most ? terms->size - order->filled : most;
    market_take(s->market, terms->side, terms->limit, is_cancelled || is_refused ? 0 : size);
    const market_trade *trades = market_trades(s->market, &count);
    for (size_t i = 0; i < count; i++)
        order->filled += trades[i].size;
    int is_done = order->filled == terms->size;
    int never_waits = is_market(terms) || terms->duration == DURATION_IOC;
    a->ends_cancelled = (uint8_t)(!is_done && (is_cancelled || is_refused || never_waits));
    if (is_done || a->ends_cancelled)
        remove_order(a, order);
    else
        begin_next(order);
}

/* ---- the seeded trader ---- */

/* Place an order that closes the position, or opens one. Spot coins and options must be bought
 * before they are sold. */
static void act_by_itself(account *a, uint32_t index, const sim_symbol *s)
{
    int64_t lots = a->held[index].lots;
    uint64_t most = (uint64_t)s->traded.lots_typical;
    int is_buyer = s->traded.product == PRODUCT_SPOT || s->traded.product == PRODUCT_OPTION;
    market_side side = td_random_below(&a->random, 2) == 0 ? MARKET_BUY : MARKET_SELL;
    if (lots != 0 || is_buyer)
        side = lots > 0 ? MARKET_SELL : MARKET_BUY;
    int64_t size = lots < 0 ? -lots : lots;
    account_order *order = &a->event.order;
    uint64_t id = td_random_next(&a->random);
    *order = (account_order){
        .terms = {.symbol = index, .side = side, .limit = market_any_price(side)},
        .id = {id, td_random_next(&a->random)},
        .serial = ++a->serial,
        .is_planned = 1,
    };
    order->terms.size = size > 0 ? size : 1 + (int64_t)td_random_below(&a->random, most);
    order->terms.duration = DURATION_IOC;
    (void)snprintf(order->terms.link, sizeof order->terms.link, "plan-%u",
                   order->serial); /* fits */
    a->lead_events = PLANNED_LEAD_EVENTS;
    a->ends_cancelled = 0;
    market_take(s->market, side, order->terms.limit, order->terms.size);
}

int account_act(account *a, uint32_t index, const sim_symbol *s)
{
    TD_ASSERT(index < ACCOUNT_SYMBOLS_MAX);
    TD_ASSERT(a->symbol == NULL);
    account_order *order = next_order(a, index, s);
    if (order != NULL)
        act_for_client(a, order, s);
    else if (a->is_clients[index] || td_random_below(&a->random, ACT_ONE_IN) != 0)
        return 0;
    else
        act_by_itself(a, index, s);
    a->event.symbol = index;
    a->symbol = s;
    a->step = 0;
    return 1;
}

/* ---- results ---- */

/* Apply a fill, which opens, increases, reduces or reverses a position. */
static void fill(account *a, const sim_trade *trade)
{
    account_order *order = &a->event.order;
    account_holding *held = &a->held[a->event.symbol];
    int64_t size = trade->done.size;
    int64_t change = order->terms.side == MARKET_BUY ? size : -size;
    int64_t money = value_of(&a->symbol->traded, trade->price, size);
    order->filled += size;
    order->money += money;
    order->last = *trade;
    order->last_fee = ((money < 0 ? -money : money) * FEE_RATE + 5000) / 10000;
    order->fee += order->last_fee;
    a->event.wallet -= order->last_fee;
    if (held->lots == 0 || (held->lots < 0) != (held->lots + change < 0))
        held->entry = trade->price;
    held->lots += change;
}

/* All events of the current order were taken: copy its totals to the client's order. */
static void end_order(account *a)
{
    const account_order *order = &a->event.order;
    for (size_t i = 0; i < a->order_count; i++) {
        if (a->orders[i].serial != order->serial)
            continue;
        a->orders[i].money = order->money;
        a->orders[i].fee = order->fee;
    }
    a->symbol = NULL;
}

/* The events of an order, in this sequence:
 *   1. of the seeded trader: the stop order and the order; of a client: the order, if it is a limit
 *      order that was placed or changed
 *   2. for each fill: the fill, then the order after the fill
 *   3. the order, if it is cancelled
 *   4. the position and the wallet; not for a client's order without fills */
const account_event *account_next_event(account *a)
{
    account_event *event = &a->event;
    account_order *order = &event->order;
    const sim_symbol *s = a->symbol;
    if (s == NULL)
        return NULL;
    size_t step = a->step++;
    size_t fills_end = a->lead_events + 2 * s->trade_count;
    size_t cancel_end = fills_end + a->ends_cancelled;
    event->kind = STREAM_ORDER;
    if (step < a->lead_events && order->is_planned) {
        event->kind = step < 2 ? STREAM_STOP_ORDER : STREAM_ORDER;
        order->status = (account_status)step;
    } else if (step >= a->lead_events && step < fills_end && (step - a->lead_events) % 2 == 0) {
        fill(a, &s->trades[(step - a->lead_events) / 2]);
        event->kind = STREAM_EXECUTION;
    } else if (step < fills_end) {
        order->status = order->filled == 0                  ? ACCOUNT_NEW
                        : order->filled < order->terms.size ? ACCOUNT_PARTLY_FILLED
                                                            : ACCOUNT_FILLED;
    } else if (step < cancel_end) {
        int is_partly = order->filled > 0 && s->traded.product == PRODUCT_SPOT;
        order->status = is_partly ? ACCOUNT_PARTLY_CANCELLED : ACCOUNT_CANCELLED;
    } else if (s->trade_count == 0 && !order->is_planned) {
        end_order(a);
        return NULL;
    } else {
        event->kind = step == cancel_end ? STREAM_POSITION : STREAM_WALLET;
    }
    event->held = a->held[event->symbol];
    account_format_id(s, order, event->order_id);
    symbol_format_id(s, order->last.id, order->last.number, event->exec_id);
    if (event->kind == STREAM_WALLET)
        end_order(a);
    return event;
}

/* ---- values of frames ---- */

/* The names of each status on the wire, which differ by family. */
static const struct {
    const char *plain, *spot, *copy_trading, *live;
} STATUSES[] = {
    [ACCOUNT_UNTRIGGERED] = {"Untriggered", "ORDER_NEW", "Untriggered", "live"},
    [ACCOUNT_TRIGGERED] = {"Triggered", "ORDER_FILLED", "Triggered", "live"},
    [ACCOUNT_NEW] = {"New", "NEW", "Open", "live"},
    [ACCOUNT_PARTLY_FILLED] = {"PartiallyFilled", "PARTIALLY_FILLED", "OpenOrderPartiallyFilled",
                               "partially_filled"},
    [ACCOUNT_FILLED] = {"Filled", "FILLED", "OpenOrderFilled", "filled"},
    [ACCOUNT_CANCELLED] = {"Cancelled", "CANCELED", "Cancelled", "canceled"},
    [ACCOUNT_PARTLY_CANCELLED] = {"PartiallyFilledCanceled", "CANCELED", "Cancelled", "canceled"},
};

/* Why the exchange cancelled the rest of an order. */
static const char *reject_reason(const account_order *order)
{
    if (order->status < ACCOUNT_CANCELLED || order->is_by_user)
        return "EC_NoError";
    return order->terms.duration == DURATION_POST_ONLY ? "EC_PostOnlyWillTakeLiquidity"
                                                       : "EC_NoImmediateQtyToFill";
}

const char *const ACCOUNT_DURATIONS[DURATION_COUNT] = {
    [DURATION_GTC] = "GTC", [DURATION_IOC] = "IOC", [DURATION_POST_ONLY] = "PostOnly"};

const char *account_category(const instrument *traded)
{
    return traded->product == PRODUCT_SPOT     ? "spot"
           : traded->product == PRODUCT_OPTION ? "option"
           : traded->is_inverse                ? "inverse"
                                               : "linear";
}

static sim_value money_value(int64_t amount)
{
    return sim_number(amount, ACCOUNT_MONEY_PLACES);
}

void account_set_event(const account_event *event, const sim_symbol *s, sim_value *v)
{
    const instrument *traded = &s->traded;
    const account_order *order = &event->order;
    const account_holding *held = &event->held;
    const uint8_t lots = traded->size_places;
    const uint8_t price = traded->price_places;
    const account_terms *terms = &order->terms;
    int is_buy = terms->side == MARKET_BUY;
    int64_t size = held->lots < 0 ? -held->lots : held->lots;
    const char *side = held->lots > 0 ? "Buy" : held->lots < 0 ? "Sell" : "";
    v[SIM_CATEGORY] = sim_text(account_category(traded));
    v[SIM_SIDE] = sim_text(is_buy ? "Buy" : "Sell");
    v[SIM_SPOT_SIDE] = sim_text(is_buy ? "BUY" : "SELL");
    v[SIM_TAKER] = sim_text(is_buy ? "buy" : "sell"); /* the account's orders take */
    v[SIM_ORDER_ID] = sim_text(event->order_id);
    v[SIM_ORDER_STATUS] = sim_text(STATUSES[order->status].plain);
    v[SIM_SPOT_STATUS] = sim_text(STATUSES[order->status].spot);
    v[SIM_LIVE_STATUS] = sim_text(STATUSES[order->status].live);
    v[SIM_COPY_STATUS] = sim_text(STATUSES[order->status].copy_trading);
    v[SIM_ORDER_LINK] = sim_text(terms->link);
    v[SIM_ORDER_TYPE] = sim_text(is_market(terms) ? "Market" : "Limit");
    v[SIM_ORDER_PRICE] = is_market(terms)
                             ? sim_number(0, 0)
                             : sim_number(instrument_price(traded, terms->limit), price);
    v[SIM_ORDER_DURATION] = sim_text(ACCOUNT_DURATIONS[terms->duration]);
    v[SIM_TRIGGER] = order->is_planned ? v[SIM_LAST] : sim_text("");
    v[SIM_CANCEL_TYPE] = sim_text(
        order->status >= ACCOUNT_CANCELLED && order->is_by_user ? "CancelByUser" : "UNKNOWN");
    v[SIM_REJECT_REASON] = sim_text(reject_reason(order));
    v[SIM_IS_MAKER] = sim_number(order->is_maker, 0);
    v[SIM_ORDER_QTY] = sim_number(terms->size, lots);
    v[SIM_ORDER_LEAVES] = sim_number(terms->size - order->filled, lots);
    v[SIM_ORDER_CUM_QTY] = sim_number(order->filled, lots);
    v[SIM_ORDER_CUM_VALUE] = money_value(order->money);
    v[SIM_ORDER_CUM_FEE] = money_value(order->fee);
    v[SIM_EXEC_ID] = sim_text(event->exec_id);
    v[SIM_EXEC_PRICE] = sim_number(order->last.price, price);
    v[SIM_EXEC_QTY] = sim_number(order->last.done.size, lots);
    v[SIM_EXEC_FEE] = money_value(order->last_fee);
    v[SIM_POSITION] = sim_number(size, lots);
    v[SIM_POSITION_SIDE_NAME] = sim_text(held->lots == 0 ? "None" : side);
    v[SIM_POSITION_SIDE_SHORT] = sim_text(side);
    v[SIM_POSITION_VALUE] = money_value(size == 0 ? 0 : value_of(traded, held->entry, size));
    v[SIM_ENTRY_PRICE] = sim_number(size == 0 ? 0 : held->entry, price);
    v[SIM_WALLET] = money_value(event->wallet);
}
