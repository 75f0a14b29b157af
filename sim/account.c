#include "sim/account.h"

#include "base/alloc.h"
#include "base/assert.h"

enum {
    ACT_ONE_IN = 30, /* one event in so many of its symbols is the account's */
    FEE_RATE = 6,    /* 10^-4, as the frames state it */
};

#define FIRST_WALLET 100000000000000 /* 1,000,000 */

struct account {
    td_random random;
    account_holding held[ACCOUNT_SYMBOLS_MAX];
    const sim_symbol *symbol; /* of the present order; NULL: all its events were taken */
    size_t step;              /* events taken of it */
    account_event event;      /* the last one */
};

account *account_open(uint64_t seed)
{
    account *a = td_alloc_zero(1, sizeof *a);
    td_random_init(&a->random, seed);
    a->event.wallet = FIRST_WALLET;
    return a;
}

void account_close(account *a)
{
    td_free(a);
}

/* An order that closes the position, or opens one. Spot coins and options must be bought before
 * they can be sold. */
int account_act(account *a, uint32_t index, const sim_symbol *s)
{
    TD_ASSERT(index < ACCOUNT_SYMBOLS_MAX);
    TD_ASSERT(a->symbol == NULL);
    if (td_random_below(&a->random, ACT_ONE_IN) != 0)
        return 0;
    int64_t lots = a->held[index].lots;
    uint64_t most = (uint64_t)s->traded.lots_typical;
    int is_buyer = s->traded.product == PRODUCT_SPOT || s->traded.product == PRODUCT_OPTION;
    market_side side = td_random_below(&a->random, 2) == 0 ? MARKET_BUY : MARKET_SELL;
    if (lots != 0 || is_buyer)
        side = lots > 0 ? MARKET_SELL : MARKET_BUY;
    int64_t size = lots < 0 ? -lots : lots;
    a->event.order = (account_order){
        .id = {td_random_next(&a->random), td_random_next(&a->random)},
        .serial = a->event.order.serial + 1,
        .side = side,
        .size = size > 0 ? size : 1 + (int64_t)td_random_below(&a->random, most),
    };
    a->event.symbol = index;
    a->symbol = s;
    a->step = 0;
    market_take(s->market, side, a->event.order.size);
    return 1;
}

/* ---- results ---- */

/* The value of a trade. */
static int64_t value_of(const instrument *traded, int64_t price, int64_t lots)
{
    int64_t money = instrument_money(traded, price, lots);
    return money * sim_power10(ACCOUNT_MONEY_PLACES - instrument_money_places(traded));
}

/* A fill opens, increases or reduces a position. It never reverses one, because closing orders
 * are at most as large as the position. */
static void fill(account *a, const sim_trade *trade)
{
    account_order *order = &a->event.order;
    account_holding *held = &a->held[a->event.symbol];
    int64_t size = trade->done.size;
    int64_t money = value_of(&a->symbol->traded, trade->price, size);
    order->filled += size;
    order->money += money;
    order->last = *trade;
    order->last_fee = ((money < 0 ? -money : money) * FEE_RATE + 5000) / 10000;
    order->fee += order->last_fee;
    a->event.wallet -= order->last_fee;
    if (held->lots == 0)
        held->entry = trade->price;
    held->lots += order->side == MARKET_BUY ? size : -size;
}

/* An order's events: its stop order, the order, each fill and the order after it, the position, the
 * wallet. */
const account_event *account_next_event(account *a)
{
    enum { FIRST_FILL = 3 };
    account_event *event = &a->event;
    account_order *order = &event->order;
    const sim_symbol *s = a->symbol;
    if (s == NULL)
        return NULL;
    size_t step = a->step++;
    size_t fills_end = FIRST_FILL + 2 * s->trade_count;
    event->kind = step < 2 ? STREAM_STOP_ORDER : STREAM_ORDER;
    if (step < FIRST_FILL) {
        order->status = (account_status)step;
    } else if (step < fills_end && step % 2 == FIRST_FILL % 2) {
        fill(a, &s->trades[(step - FIRST_FILL) / 2]);
        event->kind = STREAM_EXECUTION;
    } else if (step < fills_end) {
        order->status = order->filled < order->size ? ACCOUNT_PARTLY_FILLED : ACCOUNT_FILLED;
    } else {
        event->kind = step == fills_end ? STREAM_POSITION : STREAM_WALLET;
        a->symbol = step == fills_end ? s : NULL;
    }
    event->held = a->held[event->symbol];
    symbol_format_id(s, order->id, 1162336018989827371 + order->serial, event->order_id);
    symbol_format_id(s, order->last.id, order->last.number, event->exec_id);
    return event;
}

/* ---- values of frames ---- */

/* Each status in the exchange's spellings. */
static const struct {
    const char *plain, *spot, *copy_trading;
} STATUSES[] = {
    [ACCOUNT_UNTRIGGERED] = {"Untriggered", "ORDER_NEW", "Untriggered"},
    [ACCOUNT_TRIGGERED] = {"Triggered", "ORDER_FILLED", "Triggered"},
    [ACCOUNT_NEW] = {"New", "NEW", "Open"},
    [ACCOUNT_PARTLY_FILLED] = {"PartiallyFilled", "PARTIALLY_FILLED", "OpenOrderPartiallyFilled"},
    [ACCOUNT_FILLED] = {"Filled", "FILLED", "OpenOrderFilled"},
};

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
    int is_buy = order->side == MARKET_BUY;
    int64_t size = held->lots < 0 ? -held->lots : held->lots;
    const char *side = held->lots > 0 ? "Buy" : held->lots < 0 ? "Sell" : "";
    v[SIM_CATEGORY] = sim_text(traded->product == PRODUCT_SPOT     ? "spot"
                               : traded->product == PRODUCT_OPTION ? "option"
                               : traded->is_inverse                ? "inverse"
                                                                   : "linear");
    v[SIM_SIDE] = sim_text(is_buy ? "Buy" : "Sell");
    v[SIM_SPOT_SIDE] = sim_text(is_buy ? "BUY" : "SELL");
    v[SIM_ORDER_ID] = sim_text(event->order_id);
    v[SIM_ORDER_SERIAL] = sim_number(order->serial, 0);
    v[SIM_ORDER_STATUS] = sim_text(STATUSES[order->status].plain);
    v[SIM_SPOT_STATUS] = sim_text(STATUSES[order->status].spot);
    v[SIM_COPY_STATUS] = sim_text(STATUSES[order->status].copy_trading);
    v[SIM_ORDER_QTY] = sim_number(order->size, lots);
    v[SIM_ORDER_LEAVES] = sim_number(order->size - order->filled, lots);
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
