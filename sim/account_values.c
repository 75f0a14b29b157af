/* What the account's state is called in frames: sim/value.h's private part. */
#include <stdio.h>

#include "base/assert.h"
#include "sim/account.h"
#include "sim/text_out.h"

__extension__ typedef __int128 wide;

enum { MONEY = ACCOUNT_MONEY_PLACES, FEE_RATE_PLACES = 4, PRICE_PLACES = 8 };

/* A status in each of the exchange's ways of writing it. */
typedef struct status_row {
    const char *name;
    const char *spot;
    const char *copy_trading;
} status_row;

static const status_row STATUSES[] = {
    [ACCOUNT_NEW] = {"New", "NEW", "Open"},
    [ACCOUNT_PARTLY_FILLED] = {"PartiallyFilled", "PARTIALLY_FILLED", "OpenOrderPartiallyFilled"},
    [ACCOUNT_FILLED] = {"Filled", "FILLED", "OpenOrderFilled"},
    [ACCOUNT_CANCELLED] = {"Cancelled", "CANCELED", "Canceled"},
    [ACCOUNT_UNTRIGGERED] = {"Untriggered", "ORDER_NEW", "Untriggered"},
    [ACCOUNT_TRIGGERED] = {"Triggered", "ORDER_FILLED", "Triggered"},
    [ACCOUNT_DEACTIVATED] = {"Deactivated", "ORDER_CANCELED", "Deactivated"},
};

static sim_value money(int64_t amount)
{
    return sim_number(amount, MONEY);
}

static sim_value lots(const sim_symbol *s, int64_t size)
{
    return sim_number(size, s->traded.size_places);
}

static sim_value price(const sim_symbol *s, int64_t units)
{
    return sim_number(units, s->traded.price_places);
}

/* Price at which so many lots are worth so much, with 8 places. */
static sim_value mean_price(const sim_symbol *s, int64_t amount, int64_t size)
{
    wide n = 0;
    if (size != 0 && amount != 0)
        n = s->traded.is_inverse
                ? (wide)size * text_power10(MONEY) * text_power10(PRICE_PLACES) / amount
                : (wide)amount * text_power10(PRICE_PLACES - MONEY) *
                      text_power10(s->traded.size_places) / size;
    return sim_number((int64_t)n, PRICE_PLACES);
}

static const char *category_of(const sim_symbol *s)
{
    switch (s->traded.instrument_class) {
    case CLASS_SPOT:
        return "spot";
    case CLASS_OPTION:
        return "option";
    default:
        return s->traded.is_inverse ? "inverse" : "linear";
    }
}

static void set_names(const sim_symbol *s, sim_value *v)
{
    symbol_set_names(s, v);
    v[SIM_USER] = sim_number(4437450, 0);
    v[SIM_CATEGORY] = sim_text(category_of(s));
}

static void set_fills(const account_order *order, const sim_symbol *s, sim_value *v)
{
    v[SIM_ORDER_LEAVES] =
        lots(s, order->status == ACCOUNT_CANCELLED ? 0 : order->size - order->filled);
    v[SIM_ORDER_CUM_QTY] = lots(s, order->filled);
    v[SIM_ORDER_CUM_VALUE] = money(order->filled_money);
    v[SIM_ORDER_CUM_FEE] = money(order->fee);
    v[SIM_ORDER_LAST_PRICE] = price(s, order->last_price);
    v[SIM_ORDER_LAST_QTY] = lots(s, order->last_size);
    v[SIM_ORDER_LAST_FEE] = money(order->last_fee);
    v[SIM_ORDER_AVERAGE] = mean_price(s, order->filled_money, order->filled);
}

/* What it is called: by its kind. */
static void set_kind(const account_order *order, sim_value *v)
{
    const status_row *status = &STATUSES[order->status];
    int is_buy = order->side == MARKET_BUY;
    int is_cancelled = order->status == ACCOUNT_CANCELLED || order->status == ACCOUNT_DEACTIVATED;
    v[SIM_SIDE] = sim_text(is_buy ? "Buy" : "Sell");
    v[SIM_SPOT_SIDE] = sim_text(is_buy ? "BUY" : "SELL");
    v[SIM_ORDER_TYPE] = sim_text(order->is_market ? "Market" : "Limit");
    v[SIM_SPOT_TYPE] = sim_text(order->is_market ? "MARKET_OF_BASE" : "LIMIT");
    v[SIM_TIME_IN_FORCE] = sim_text(order->is_market ? "ImmediateOrCancel" : "GoodTillCancel");
    v[SIM_TIF] = sim_text(order->is_market ? "IOC" : "GTC");
    v[SIM_ORDER_STATUS] = sim_text(status->name);
    v[SIM_SPOT_STATUS] = sim_text(status->spot);
    v[SIM_COPY_STATUS] = sim_text(status->copy_trading);
    v[SIM_CANCEL_TYPE] = sim_text(is_cancelled ? "CancelByUser" : "UNKNOWN");
    v[SIM_STOP_TYPE] = sim_text(order->is_stop ? "Stop" : "UNKNOWN");
    v[SIM_CREATE_TYPE] = sim_text(order->is_stop ? "CreateByStopOrder" : "CreateByUser");
    v[SIM_TRIGGER_DIRECTION] = sim_number(!order->is_stop            ? 0
                                          : order->is_rising_trigger ? 1
                                                                     : 2,
                                          0);
}

void account_set_order(const account_order *order, const sim_symbol *s, account_texts *texts,
                       sim_value *v)
{
    set_names(s, v);
    symbol_format_uuid(order->id, texts->order_id);
    int n = snprintf(texts->link, sizeof texts->link, "plan-%06u", order->serial);
    TD_ASSERT(n > 0);
    TD_ASSERT((size_t)n < sizeof texts->link);
    v[SIM_ORDER_ID] = sim_text(texts->order_id);
    v[SIM_ORDER_NUMBER] = sim_number(order->number, 0);
    v[SIM_ORDER_LINK] = sim_text(texts->link);
    v[SIM_ORDER_SERIAL] = sim_number(order->serial, 0);
    v[SIM_ORDER_PRICE] =
        price(s, order->price == 0 ? 0 : instrument_price(&s->traded, order->price));
    v[SIM_TRIGGER_PRICE] =
        price(s, order->trigger == 0 ? 0 : instrument_price(&s->traded, order->trigger));
    v[SIM_ORDER_QTY] = lots(s, order->size);
    v[SIM_CREATED] = sim_time(order->created_ns);
    v[SIM_UPDATED] = sim_time(order->updated_ns);
    set_kind(order, v);
    set_fills(order, s, v);
}

void account_set_position(const account_position *position, const sim_symbol *s, sim_value *v)
{
    int64_t size = position->lots < 0 ? -position->lots : position->lots;
    const char *side = position->lots > 0 ? "Buy" : position->lots < 0 ? "Sell" : "";
    set_names(s, v);
    int64_t mark = v[SIM_MARK].n > 0 ? v[SIM_MARK].n : 1;
    int64_t places = instrument_money_places(&s->traded);
    int64_t now = instrument_money(&s->traded, mark, size);
    for (; places < MONEY; places++)
        now *= 10;
    int is_gaining = (position->lots > 0) == !s->traded.is_inverse;
    v[SIM_POSITION] = lots(s, size);
    v[SIM_POSITION_SIGNED] = lots(s, position->lots);
    v[SIM_POSITION_SIDE_NAME] = sim_text(side[0] == '\0' ? "None" : side);
    v[SIM_POSITION_SIDE_SHORT] = sim_text(side);
    v[SIM_POSITION_VALUE] = money(position->cost);
    v[SIM_ENTRY_PRICE] = mean_price(s, position->cost, size);
    v[SIM_POSITION_MARGIN] = money(position->cost / 10);
    v[SIM_UNREALISED] = money(is_gaining ? now - position->cost : position->cost - now);
    v[SIM_REALISED] = money(position->realised);
    v[SIM_POSITION_CREATED] = sim_time(position->created_ns);
    v[SIM_POSITION_UPDATED] = sim_time(position->updated_ns);
    const sim_value_id greeks[][2] = {{SIM_TOTAL_DELTA, SIM_DELTA},
                                      {SIM_TOTAL_GAMMA, SIM_GAMMA},
                                      {SIM_TOTAL_VEGA, SIM_VEGA},
                                      {SIM_TOTAL_THETA, SIM_THETA}};
    for (size_t i = 0; i < sizeof greeks / sizeof greeks[0]; i++)
        v[greeks[i][0]] =
            sim_number(v[greeks[i][1]].n * position->lots / text_power10(s->traded.size_places),
                       v[greeks[i][1]].places);
}

static void set_fill(const account_event *event, const sim_symbol *s, account_texts *texts,
                     sim_value *v)
{
    const account_fill *fill = &event->fill;
    symbol_format_uuid(fill->id, texts->exec_id);
    v[SIM_EXEC_ID] = sim_text(texts->exec_id);
    v[SIM_EXEC_NUMBER] = sim_number(fill->number, 0);
    v[SIM_EXEC_PRICE] = price(s, fill->price);
    v[SIM_EXEC_QTY] = lots(s, fill->size);
    v[SIM_EXEC_VALUE] = money(fill->money);
    v[SIM_EXEC_FEE] = money(fill->fee);
    v[SIM_FEE_RATE] = sim_number(fill->fee_rate, FEE_RATE_PLACES);
    v[SIM_IS_MAKER] = sim_number(fill->is_maker, 0);
    v[SIM_LIQUIDITY] = sim_text(fill->is_maker ? "AddedLiquidity" : "RemovedLiquidity");
    v[SIM_LIQUIDITY_SHORT] = sim_text(fill->is_maker ? "MAKER" : "TAKER");
    v[SIM_OPPONENT] = sim_number(fill->number / 1000, 0);
    v[SIM_OPPONENT_ACCOUNT] = sim_number(18000000 + fill->number % 1000000, 0);
    v[SIM_TRADE_TIME] = sim_time(event->ns);
}

void account_set_event(const account_event *event, const sim_symbol *s, account_texts *texts,
                       sim_value *v)
{
    account_set_position(&event->position, s, v);
    v[SIM_WALLET] = money(event->wallet);
    v[SIM_LOCKED] = money(event->locked);
    v[SIM_AVAILABLE] = money(event->wallet - event->locked);
    v[SIM_EQUITY] = money(event->wallet + v[SIM_UNREALISED].n);
    v[SIM_BASE_WALLET] = lots(s, event->position.lots);
    v[SIM_BASE_LOCKED] = lots(s, event->base_locked);
    v[SIM_BASE_FREE] = lots(s, event->position.lots - event->base_locked);
    v[SIM_SEQ] = sim_number(event->seq, 0);
    v[SIM_CTS] = sim_time(event->ns);
    if (event->kind == ACCOUNT_EVENT_ORDER || event->kind == ACCOUNT_EVENT_STOP ||
        event->kind == ACCOUNT_EVENT_FILL)
        account_set_order(&event->order, s, texts, v);
    if (event->kind == ACCOUNT_EVENT_FILL)
        set_fill(event, s, texts, v);
}
