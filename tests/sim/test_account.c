/* sim/account: fills are public trades, the position is the sum of the fills, and the balance pays
 * their fees. */
#include "sim/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

enum { EVENTS = 60000, SYMBOLS = 2 };

/* What the test keeps of the account, from its events alone. */
typedef struct ledger {
    int64_t lots[SYMBOLS];
    int64_t wallet;
    uint64_t counts[STREAM_KINDS]; /* by kind of event */
    uint64_t statuses[ACCOUNT_FILLED + 1];
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
    assert_int_equal(trade->done.taker, order->side);
    int64_t size = trade->done.size;
    l->lots[event->symbol] += order->side == MARKET_BUY ? size : -size;
    l->wallet -= order->last_fee;
    assert_int_equal(event->held.lots, l->lots[event->symbol]);
    assert_true(order->filled <= order->size);
}

static void check_event(ledger *l, const account_event *event, const sim_symbol *s)
{
    const account_order *order = &event->order;
    l->counts[event->kind]++;
    l->statuses[order->status]++;
    if (event->kind == STREAM_EXECUTION)
        check_fill(l, event, s);
    if (event->kind == STREAM_ORDER)
        assert_int_equal(order->status, order->filled == 0            ? ACCOUNT_NEW
                                        : order->filled < order->size ? ACCOUNT_PARTLY_FILLED
                                                                      : ACCOUNT_FILLED);
    if (event->kind != STREAM_WALLET)
        return;
    assert_true(s->traded.product != PRODUCT_SPOT || event->held.lots >= 0);
    assert_int_equal(event->wallet, l->wallet);
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
    l = (ledger){.wallet = FIRST_WALLET};
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
        int64_t before = market_seq(s->market);
        if (!account_act(a, index, s))
            flow_step(&s->flow, s->market);
        assert_int_equal(market_seq(s->market), before + 1); /* exactly one event */
        symbol_end_event(s, ns + i * TD_NS_PER_MS, &random, &number);
        const account_event *event;
        while ((event = account_next_event(a)) != NULL)
            check_event(&l, event, s);
    }
    /* It does everything: all kinds of events, all states of orders. */
    for (int kind = STREAM_ORDER; kind <= STREAM_WALLET; kind++)
        assert_true(l.counts[kind] > 20);
    for (int status = 0; status <= ACCOUNT_FILLED; status++)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_inverse),
        cmocka_unit_test(test_spot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
