#include "sim/account.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Products of money and lots need more than 64 bits. */
__extension__ typedef __int128 wide;

enum {
    EVENTS_MAX = 512, /* more than one matching event can make: two for each trade and some */
    ACT_ONE_IN = 12,  /* of the events in his symbols are his */
    TAKER_RATE = 6,   /* fees, 10^-4 */
    MAKER_RATE = 1,
    LEVERAGE = 10,
    POSITION_MAX_ORDERS = 40, /* usual orders that a position is at most worth */
};

/* What he starts with: 1,000,000 of the settlement coin. */
#define FIRST_WALLET 100000000000000

struct account {
    td_random random;
    account_order orders[ACCOUNT_ORDERS_MAX]; /* live ones: status New, partly filled, or a stop */
    uint8_t is_live[ACCOUNT_ORDERS_MAX];
    account_position positions[ACCOUNT_SYMBOLS];
    int64_t wallets[ACCOUNT_SYMBOLS]; /* by settlement coin */
    int acting;                       /* slot of the order that this event brought; -1: none */
    int cancelled;                    /* slot of the order that this event took out; -1: none */
    int changed; /* slot of the stop that came or went beside this event; -1: none */
    uint32_t next_serial;
    account_event events[EVENTS_MAX];
    size_t event_count;
    size_t next_event;
};

td_result account_open(uint64_t seed, account **out, td_err *err)
{
    account *a = td_alloc_zero(1, sizeof *a);
    if (a == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for an account");
    td_random_init(&a->random, seed);
    a->acting = a->cancelled = a->changed = -1;
    for (int i = 0; i < ACCOUNT_SYMBOLS; i++)
        a->wallets[i] = FIRST_WALLET;
    *out = a;
    return TD_OK;
}

void account_close(account *a)
{
    td_free(a);
}

/* ---- money ---- */

/* An amount of instrument_money in 10^-8, to the nearest. */
static int64_t to_money(const instrument *traded, int64_t money)
{
    int places = instrument_money_places(traded);
    for (; places < ACCOUNT_MONEY_PLACES; places++)
        money *= 10;
    for (; places > ACCOUNT_MONEY_PLACES; places--)
        money = (money + 5) / 10;
    return money;
}

static int64_t share(int64_t of, int64_t part, int64_t whole)
{
    return (int64_t)((wide)of * part / whole);
}

static int is_spot(const sim_symbol *s)
{
    return s->traded.instrument_class == CLASS_SPOT;
}

/* Inverse contracts are settled in a coin each, all others in one for all. */
static int64_t *wallet_of(account *a, uint32_t index, const sim_symbol *s)
{
    return &a->wallets[s->traded.is_inverse ? index : 0];
}

static int64_t magnitude(int64_t n)
{
    return n < 0 ? -n : n;
}

/* What a buy order that rests still needs. */
static int64_t order_value(const account_order *order, const sim_symbol *s)
{
    if (order->price == 0)
        return 0;
    return to_money(&s->traded,
                    instrument_money(&s->traded, instrument_price(&s->traded, order->price),
                                     order->size - order->filled));
}

/* ---- events ---- */

static account_event *add_event(account *a, account_event_kind kind, uint32_t index,
                                const sim_symbol *s)
{
    TD_ASSERT(a->event_count < EVENTS_MAX);
    account_event *event = &a->events[a->event_count++];
    *event = (account_event){.kind = kind,
                             .symbol = index,
                             .seq = market_seq(s->market),
                             .ns = s->event_ns,
                             .position = a->positions[index],
                             .wallet = *wallet_of(a, index, s)};
    for (int i = 0; i < ACCOUNT_ORDERS_MAX; i++) {
        const account_order *order = &a->orders[i];
        if (!a->is_live[i] || order->symbol != index || order->handle == MARKET_NO_ORDER)
            continue;
        if (is_spot(s) && order->side == MARKET_SELL)
            event->base_locked += order->size - order->filled;
        else
            event->locked += order_value(order, s) / (is_spot(s) ? 1 : LEVERAGE);
    }
    if (!is_spot(s))
        event->locked += a->positions[index].cost / LEVERAGE;
    return event;
}

static void tell_order(account *a, const account_order *order, const sim_symbol *s)
{
    int is_waiting = order->status >= ACCOUNT_UNTRIGGERED;
    add_event(a, is_waiting ? ACCOUNT_EVENT_STOP : ACCOUNT_EVENT_ORDER, order->symbol, s)->order =
        *order;
}

const account_event *account_next_event(account *a)
{
    return a->next_event < a->event_count ? &a->events[a->next_event++] : NULL;
}

void account_forget_events(account *a)
{
    a->event_count = a->next_event = 0;
}

int account_has_events(const account *a)
{
    return a->next_event < a->event_count;
}

/* ---- what he does ---- */

/* A slot for a new order, or -1. */
static int free_slot(const account *a)
{
    for (int i = 0; i < ACCOUNT_ORDERS_MAX; i++)
        if (!a->is_live[i])
            return i;
    return -1;
}

static account_order *new_order(account *a, int slot, uint32_t index, const sim_symbol *s,
                                market_side side)
{
    account_order *order = &a->orders[slot];
    uint64_t most = (uint64_t)s->traded.lots_typical;
    a->is_live[slot] = 1;
    a->next_serial++;
    *order = (account_order){
        .id = {td_random_next(&a->random), td_random_next(&a->random)},
        .number = 1162336018989827371 + (int64_t)a->next_serial * 256 + index,
        .serial = a->next_serial,
        .symbol = index,
        .side = side,
        .handle = MARKET_NO_ORDER,
        .size = 1 + (int64_t)td_random_below(&a->random, most),
        .created_ns = s->event_ns,
        .updated_ns = s->event_ns,
    };
    return order;
}

/* Has he an order resting on this side? Then the other side is not for him: he would trade with
 * himself. */
static int rests(const account *a, uint32_t index, market_side side)
{
    for (int i = 0; i < ACCOUNT_ORDERS_MAX; i++)
        if (a->is_live[i] && a->orders[i].symbol == index && a->orders[i].side == side &&
            a->orders[i].handle != MARKET_NO_ORDER)
            return 1;
    return 0;
}

/* A side that he may trade: away from too large a position, and never against himself. -1: none. */
static int choose_side(account *a, uint32_t index, const sim_symbol *s)
{
    int64_t most = s->traded.lots_typical * POSITION_MAX_ORDERS;
    market_side side = td_random_below(&a->random, 2) == 0 ? MARKET_BUY : MARKET_SELL;
    if (a->positions[index].lots > most)
        side = MARKET_SELL;
    if (a->positions[index].lots < -most || (is_spot(s) && a->positions[index].lots < most / 2))
        side = MARKET_BUY;
    market_side other = side == MARKET_BUY ? MARKET_SELL : MARKET_BUY;
    return rests(a, index, other) ? -1 : (int)side;
}

/* A limit order near the best price of its side, at times across the spread. */
static void place_limit(account *a, int slot, uint32_t index, sim_symbol *s, market_side side)
{
    account_order *order = new_order(a, slot, index, s, side);
    market_side other = side == MARKET_BUY ? MARKET_SELL : MARKET_BUY;
    int64_t far_best = market_level_at(s->market, other, 0).price;
    int64_t distance = (int64_t)td_random_below(&a->random, 5);
    order->price = side == MARKET_BUY ? far_best - distance : far_best + distance;
    order->handle =
        market_limit_owned(s->market, side, order->price, order->size, (uint32_t)slot + 1);
    a->acting = slot;
}

static void place_market(account *a, int slot, uint32_t index, sim_symbol *s, market_side side)
{
    account_order *order = new_order(a, slot, index, s, side);
    order->is_market = 1;
    market_take(s->market, side, order->size);
    a->acting = slot;
}

/* A stop order waits beside the market: placing it is no matching event. */
static void place_stop(account *a, int slot, uint32_t index, sim_symbol *s, market_side side)
{
    account_order *order = new_order(a, slot, index, s, side);
    int64_t last = s->values[SIM_LAST].n / s->traded.tick + s->traded.price_shift;
    int64_t away = 1 + (int64_t)td_random_below(&a->random, 4);
    order->is_market = order->is_stop = 1;
    order->is_rising_trigger = side == MARKET_BUY;
    order->trigger = side == MARKET_BUY ? last + away : last - away;
    order->status = ACCOUNT_UNTRIGGERED;
    a->changed = slot;
}

/* Take one of his orders out. 1 if that was a matching event. */
static int cancel_one(account *a, uint32_t index, sim_symbol *s)
{
    int slot = (int)td_random_below(&a->random, ACCOUNT_ORDERS_MAX);
    account_order *order = &a->orders[slot];
    if (!a->is_live[slot] || order->symbol != index)
        return 0;
    if (order->handle != MARKET_NO_ORDER) {
        market_cancel(s->market, order->handle);
        a->cancelled = slot;
        return 1;
    }
    if (order->status == ACCOUNT_UNTRIGGERED && td_random_below(&a->random, 4) == 0) {
        order->status = ACCOUNT_DEACTIVATED;
        order->updated_ns = s->event_ns;
        a->is_live[slot] = 0;
        a->changed = slot;
    }
    return 0;
}

/* A stop that was triggered goes into the market as an order of its own. */
static int send_triggered(account *a, uint32_t index, sim_symbol *s)
{
    for (int i = 0; i < ACCOUNT_ORDERS_MAX; i++) {
        account_order *order = &a->orders[i];
        market_side other = order->side == MARKET_BUY ? MARKET_SELL : MARKET_BUY;
        if (!a->is_live[i] || order->symbol != index || order->status != ACCOUNT_TRIGGERED ||
            rests(a, index, other))
            continue;
        order->status = ACCOUNT_NEW;
        order->updated_ns = s->event_ns;
        market_take(s->market, order->side, order->size);
        a->acting = i;
        return 1;
    }
    return 0;
}

int account_act(account *a, uint32_t index, sim_symbol *s)
{
    enum { CANCEL = 30, STOP = 40, TAKE = 55 }; /* of 100; the others are limit orders */
    TD_ASSERT(index < ACCOUNT_SYMBOLS);
    if (a->next_event == a->event_count)
        a->event_count = a->next_event = 0;
    a->acting = a->cancelled = a->changed = -1;
    if (send_triggered(a, index, s))
        return 1;
    if (td_random_below(&a->random, ACT_ONE_IN) != 0)
        return 0;
    uint64_t what = td_random_below(&a->random, 100);
    if (what < CANCEL)
        return cancel_one(a, index, s);
    int slot = free_slot(a);
    int side = choose_side(a, index, s);
    if (slot < 0 || side < 0)
        return cancel_one(a, index, s);
    if (what < STOP) {
        place_stop(a, slot, index, s, (market_side)side);
        return 0;
    }
    if (what < TAKE)
        place_market(a, slot, index, s, (market_side)side);
    else
        place_limit(a, slot, index, s, (market_side)side);
    return 1;
}

/* ---- what becomes of it ---- */

/* A fill of a position that is there: what closes it is realised, what is left over opens another.
 */
static void fill_position(account *a, uint32_t index, const sim_symbol *s, int64_t lots,
                          int64_t money)
{
    account_position *position = &a->positions[index];
    int is_closing = (position->lots > 0) != (lots > 0) && position->lots != 0;
    int64_t held = magnitude(position->lots);
    int64_t size = magnitude(lots);
    int64_t closed = !is_closing ? 0 : size < held ? size : held;
    if (closed > 0) {
        int64_t cost = share(position->cost, closed, held);
        int64_t value = share(money, closed, size);
        /* A long gains where it is worth more; coins of inverse contracts become fewer then. */
        int64_t gain = (position->lots > 0) == !s->traded.is_inverse ? value - cost : cost - value;
        position->realised += gain;
        *wallet_of(a, index, s) += gain;
        position->cost -= cost;
        money -= value;
    }
    if (position->lots == 0 || (is_closing && size > held))
        position->created_ns = s->event_ns;
    position->lots += lots;
    position->cost += money; /* nothing is left of it if all of it closed */
    position->updated_ns = s->event_ns;
}

static void apply_fill(account *a, account_order *order, const sim_symbol *s,
                       const sim_trade *trade, int is_maker)
{
    uint32_t index = order->symbol;
    int64_t lots = order->side == MARKET_BUY ? trade->done.size : -trade->done.size;
    account_fill fill = {.id = {trade->id[0], trade->id[1]},
                         .number = trade->number,
                         .price = trade->price,
                         .size = trade->done.size,
                         .money = to_money(&s->traded, trade->money),
                         .fee_rate = is_maker ? MAKER_RATE : TAKER_RATE,
                         .is_maker = (uint8_t)is_maker};
    fill.fee = (magnitude(fill.money) * fill.fee_rate + 5000) / 10000;
    order->filled += fill.size;
    order->filled_money += fill.money;
    order->fee += fill.fee;
    order->last_price = fill.price;
    order->last_size = fill.size;
    order->last_fee = fill.fee;
    order->updated_ns = s->event_ns;
    order->status = order->filled == order->size ? ACCOUNT_FILLED : ACCOUNT_PARTLY_FILLED;
    if (is_spot(s)) {
        a->positions[index].lots += lots;
        a->positions[index].updated_ns = s->event_ns;
        *wallet_of(a, index, s) -= lots > 0 ? fill.money : -fill.money;
    } else {
        fill_position(a, index, s, lots, fill.money);
    }
    *wallet_of(a, index, s) -= fill.fee;
    account_event *event = add_event(a, ACCOUNT_EVENT_FILL, index, s);
    event->order = *order;
    event->fill = fill;
}

/* Position and wallet behind the fills of an event. */
static void tell_holdings(account *a, uint32_t index, const sim_symbol *s)
{
    (void)add_event(a, ACCOUNT_EVENT_POSITION, index, s);
    (void)add_event(a, ACCOUNT_EVENT_WALLET, index, s);
}

/* The order that the event brought: told as new, then fill by fill. What neither rests nor was
 * filled is cancelled. */
static void see_acting(account *a, sim_symbol *s)
{
    account_order *order = &a->orders[a->acting];
    tell_order(a, order, s);
    for (size_t i = 0; i < s->trade_count; i++) {
        apply_fill(a, order, s, &s->trades[i], 0);
        tell_order(a, order, s);
    }
    if (order->filled < order->size && order->handle == MARKET_NO_ORDER) {
        order->status = ACCOUNT_CANCELLED;
        tell_order(a, order, s);
    }
    a->is_live[a->acting] = order->status == ACCOUNT_NEW || order->status == ACCOUNT_PARTLY_FILLED;
    if (s->trade_count > 0)
        tell_holdings(a, order->symbol, s);
}

/* Orders of his that rested, and that somebody has matched. */
static void see_resting(account *a, uint32_t index, sim_symbol *s)
{
    int has_filled = 0;
    for (size_t i = 0; i < s->trade_count; i++) {
        uint32_t owner = s->trades[i].done.owner;
        if (owner == 0)
            continue;
        TD_ASSERT(owner <= ACCOUNT_ORDERS_MAX);
        account_order *order = &a->orders[owner - 1];
        TD_ASSERT(a->is_live[owner - 1]);
        TD_ASSERT(order->symbol == index);
        apply_fill(a, order, s, &s->trades[i], 1);
        if (order->status == ACCOUNT_FILLED) {
            order->handle = MARKET_NO_ORDER;
            a->is_live[owner - 1] = 0;
        }
        tell_order(a, order, s);
        has_filled = 1;
    }
    if (has_filled)
        tell_holdings(a, index, s);
}

static void see_triggers(account *a, uint32_t index, sim_symbol *s)
{
    for (int i = 0; i < ACCOUNT_ORDERS_MAX && s->trade_count > 0; i++) {
        account_order *order = &a->orders[i];
        int64_t last = s->trades[s->trade_count - 1].done.price;
        if (!a->is_live[i] || order->symbol != index || order->status != ACCOUNT_UNTRIGGERED ||
            (order->is_rising_trigger ? last < order->trigger : last > order->trigger))
            continue;
        order->status = ACCOUNT_TRIGGERED;
        order->updated_ns = s->event_ns;
        tell_order(a, order, s);
    }
}

void account_see(account *a, uint32_t index, sim_symbol *s)
{
    TD_ASSERT(index < ACCOUNT_SYMBOLS);
    if (a->changed >= 0)
        tell_order(a, &a->orders[a->changed], s);
    if (a->cancelled >= 0) {
        account_order *order = &a->orders[a->cancelled];
        order->handle = MARKET_NO_ORDER;
        order->status = ACCOUNT_CANCELLED;
        order->updated_ns = s->event_ns;
        a->is_live[a->cancelled] = 0;
        tell_order(a, order, s);
    }
    if (a->acting >= 0)
        see_acting(a, s);
    else
        see_resting(a, index, s);
    see_triggers(a, index, s);
    a->acting = a->cancelled = a->changed = -1;
}

/* ---- looking ---- */

const account_order *account_open_order(const account *a, size_t index)
{
    for (int i = 0; i < ACCOUNT_ORDERS_MAX; i++)
        if (a->is_live[i] && index-- == 0)
            return &a->orders[i];
    return NULL;
}

const account_position *account_position_of(const account *a, uint32_t symbol)
{
    return symbol < ACCOUNT_SYMBOLS && a->positions[symbol].lots != 0 ? &a->positions[symbol]
                                                                      : NULL;
}
