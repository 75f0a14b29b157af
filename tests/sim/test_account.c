/* sim/account: whatever it does, the books balance. Checked against what the market itself says of
 * each event: fills are public trades, an order's fills add up to what it says, the
 * position is the sum of the fills, and money comes only from closing positions and goes only into
 * fees (in spot: into coins). */
#include "sim/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

enum { EVENTS = 60000, ORDERS_MAX = 8192, SYMBOLS = 2 };

/* What the test keeps of the account, from its events alone. */
typedef struct ledger {
    int64_t lots[SYMBOLS];
    int64_t realised[SYMBOLS];
    int64_t fees;
    int64_t spent;              /* spot: money for coins */
    int64_t filled[ORDERS_MAX]; /* by serial */
    uint8_t has_ended[ORDERS_MAX];
    uint64_t counts[STREAM_SILENT]; /* by kind of event */
    uint64_t statuses[8];
} ledger;

static const int64_t FIRST_WALLET = 100000000000000;

/* A fill is one of the event's trades, under the same id. */
static void check_fill(ledger *l, const account_event *event, const sim_symbol *s)
{
    const account_order *order = &event->order;
    size_t at = 0;
    while (at < s->trade_count && s->trades[at].id[0] != order->last.id[0])
        at++;
    assert_true(at < s->trade_count);
    const sim_trade *trade = &s->trades[at];
    assert_int_equal(trade->done.size, order->last.done.size);
    assert_int_equal(trade->price, order->last.price);
    assert_int_equal(trade->number, order->last.number);
    assert_int_equal(trade->done.taker, order->side);
    assert_true(order->price == 0 || order->price == trade->price);
    int64_t size = trade->done.size;
    l->lots[event->symbol] += order->side == MARKET_BUY ? size : -size;
    l->spent += order->side == MARKET_BUY ? order->last_money : -order->last_money;
    l->fees += order->last_fee;
    l->filled[order->serial] += size;
    assert_int_equal(order->filled, l->filled[order->serial]);
}

static void check_order(ledger *l, const account_order *order)
{
    assert_true(order->serial < ORDERS_MAX);
    assert_int_equal(l->has_ended[order->serial], 0);
    assert_int_equal(order->filled, l->filled[order->serial]);
    assert_true(order->filled <= order->size);
    assert_int_equal(order->status == ACCOUNT_FILLED, order->filled == order->size);
    assert_int_equal(order->status == ACCOUNT_PARTLY_FILLED,
                     order->filled > 0 && order->filled < order->size &&
                         order->status != ACCOUNT_CANCELLED);
    l->has_ended[order->serial] = order->status == ACCOUNT_FILLED ||
                                  order->status == ACCOUNT_CANCELLED ||
                                  order->status == ACCOUNT_DEACTIVATED;
    l->statuses[order->status]++;
}

static void check_event(ledger *l, const account_event *event, const sim_symbol *s)
{
    int is_spot = s->traded.product == PRODUCT_SPOT;
    l->counts[event->kind]++;
    assert_int_equal(event->ns, s->event_ns);
    if (event->kind == STREAM_EXECUTION)
        check_fill(l, event, s);
    if (event->kind == STREAM_ORDER || event->kind == STREAM_STOP_ORDER)
        check_order(l, &event->order);
    if (event->kind == STREAM_POSITION)
        l->realised[event->symbol] = event->held.realised;
    if (event->kind != STREAM_WALLET)
        return;
    assert_int_equal(event->seq, market_seq(s->market));
    assert_int_equal(event->held.lots, l->lots[event->symbol]);
    assert_true(!is_spot || event->held.lots >= 0);
    assert_int_equal(event->held.cost == 0, event->held.lots == 0);
    int64_t gains = is_spot ? -l->spent : l->realised[0] + l->realised[1];
    assert_int_equal(event->wallet, FIRST_WALLET + gains - l->fees);
}

/* One symbol for inverse contracts, whose coins are apart; else two with one wallet. */
static void run(product of, uint32_t symbols)
{
    static sim_symbol traded[SYMBOLS];
    static ledger l;
    account *a = NULL;
    td_random random;
    int64_t number = 0;
    memset(traded, 0, sizeof traded);
    l = (ledger){.fees = 0};
    td_random_init(&random, 3);
    uint64_t ns = 1795174069u * TD_NS_PER_S;
    for (uint32_t i = 0; i < symbols; i++) {
        instrument made = instrument_make(of, i);
        symbol_open(&traded[i], &made, &random, ns);
    }
    a = account_open(9);
    for (uint64_t i = 0; i < EVENTS; i++) {
        uint32_t index = (uint32_t)td_random_below(&random, symbols);
        sim_symbol *s = &traded[index];
        symbol_begin_event(s, ns + i * TD_NS_PER_MS);
        int64_t before = market_seq(s->market);
        int is_own = account_act(a, index, s);
        if (!is_own)
            (void)flow_step(&s->flow, s->market);
        assert_int_equal(market_seq(s->market), before + 1); /* exactly one event */
        symbol_end_event(s, &random, &number, 0);
        if (is_own)
            account_record(a, index, s);
        const account_event *event;
        while ((event = account_next_event(a)) != NULL)
            check_event(&l, event, s);
        assert_true((account_held(a, index) != NULL) == (l.lots[index] != 0));
    }
    /* It does everything: all kinds of events, all states of orders. */
    for (int kind = STREAM_ORDER; kind <= STREAM_WALLET; kind++)
        assert_true(l.counts[kind] > 20);
    for (int status = 0; status <= ACCOUNT_DEACTIVATED; status++)
        assert_true(l.statuses[status] > 5);
    account_close(a);
    for (uint32_t i = 0; i < symbols; i++)
        symbol_close(&traded[i]);
}

static void test_linear(void **state)
{
    (void)state; /* none */
    run(PRODUCT_LINEAR, 2);
}

static void test_inverse(void **state)
{
    (void)state; /* none */
    run(PRODUCT_INVERSE, 1);
}

static void test_spot(void **state)
{
    (void)state; /* none */
    run(PRODUCT_SPOT, 1);
}

/* A short of 1.5 coins; worked out by hand: 1 lot = 0.001 coins, prices in cents. */
static void test_position(void **state)
{
    (void)state; /* none */
    account_holding held = {.lots = -1500, .cost = 9100000000, .realised = 40};
    static sim_symbol s;
    sim_value values[SIM_COUNT];
    td_random random;
    instrument made = instrument_make(PRODUCT_LINEAR, 0);
    memset(&s, 0, sizeof s);
    memset(values, 0, sizeof values);
    td_random_init(&random, 3);
    symbol_open(&s, &made, &random, 1795174069u * TD_NS_PER_S);
    account_set_holding(&held, &s, values);
    assert_int_equal(values[SIM_POSITION].n, 1500);
    assert_string_equal(values[SIM_POSITION_SIDE_NAME].text, "Sell");
    /* 91 for 1.5 coins: 60.66666666 each */
    assert_int_equal(values[SIM_ENTRY_PRICE].n, 6066666666);
    /* now worth 1.5 times the mark: what it cost less that */
    assert_int_equal(values[SIM_UNREALISED].n, 9100000000 - s.values[SIM_MARK].n * 1500 * 1000);
    symbol_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_inverse),
        cmocka_unit_test(test_spot),
        cmocka_unit_test(test_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
