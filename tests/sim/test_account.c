/* sim/account: fills are public trades, the position is the sum of the fills, and their fees are
 * paid from the balance. */
#include "sim/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

enum { EVENTS = 60000, SYMBOLS = 2 };

/* The test's own account, from events alone. */
typedef struct ledger {
    int64_t lots[SYMBOLS];
    int64_t wallet;
    uint64_t counts[STREAM_KINDS]; /* by kind of event */
    uint64_t statuses[ACCOUNT_FILLED + 1];
} ledger;

static const int64_t FIRST_WALLET = 100000000000000;

/* Checks that a fill is one of the event's trades, with the same id. */
static void check_fill(ledger *l, const account_event *event, const sim_symbol *s)
{
    const account_order *order = &event->order;
    size_t at = 0;
    while (at < s->trade_count && s->trades[at].id[0] != order->last.id[0])
        at++;
    assert_true(at < s->trade_count);
    const sim_trade *trade = &s->trades[at];
    assert_int_equal(trade->done.taker, order->terms.side);
    int64_t size = trade->done.size;
    l->lots[event->symbol] += order->terms.side == MARKET_BUY ? size : -size;
    l->wallet -= order->last_fee;
    assert_int_equal(event->held.lots, l->lots[event->symbol]);
    assert_true(order->filled <= order->terms.size);
}

static void check_event(ledger *l, const account_event *event, const sim_symbol *s)
{
    const account_order *order = &event->order;
    l->counts[event->kind]++;
    l->statuses[order->status]++;
    if (event->kind == STREAM_EXECUTION)
        check_fill(l, event, s);
    if (event->kind == STREAM_ORDER)
        assert_int_equal(order->status, order->filled == 0                  ? ACCOUNT_NEW
                                        : order->filled < order->terms.size ? ACCOUNT_PARTLY_FILLED
                                                                            : ACCOUNT_FILLED);
    if (event->kind != STREAM_WALLET)
        return;
    assert_true(s->traded.product != PRODUCT_SPOT || event->held.lots >= 0);
    assert_int_equal(event->wallet, l->wallet);
}

/* One symbol for inverse contracts, because each has its own coin; otherwise two with one wallet.
 */
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
    /* All kinds of events and all states of orders occur. */
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
    (void)state;
    run(PRODUCT_LINEAR, 2);
}

static void test_inverse(void **state)
{
    (void)state;
    run(PRODUCT_INVERSE, 1);
}

static void test_spot(void **state)
{
    (void)state;
    run(PRODUCT_SPOT, 1);
}

/* ---- clients' orders ---- */

/* A symbol, and an account in which a client trades. */
typedef struct fixture {
    sim_symbol traded;
    account *a;
    td_random random;
    int64_t number;
    uint64_t ns;
    int64_t lots;       /* sum of fills, from events */
    uint64_t events[4]; /* by status: new, partly filled, filled, cancelled */
    uint64_t fills_of_makers;
} fixture;

static void open_fixture(fixture *f)
{
    memset(f, 0, sizeof *f);
    td_random_init(&f->random, 11);
    f->ns = 1795174069u * TD_NS_PER_S;
    instrument made = instrument_make(PRODUCT_LINEAR, 0);
    symbol_open(&f->traded, &made, &f->random, f->ns);
    f->a = account_open(9);
}

/* Makes one market event, and applies it to the account. */
static void step(fixture *f)
{
    const account_event *event;
    if (!account_act(f->a, 0, &f->traded))
        flow_step(&f->traded.flow, f->traded.market);
    symbol_end_event(&f->traded, f->ns += TD_NS_PER_MS, &f->random, &f->number);
    while ((event = account_next_event(f->a)) != NULL) {
        const account_order *order = &event->order;
        assert_true(order->filled <= order->terms.size);
        if (event->kind == STREAM_EXECUTION) {
            int64_t size = order->last.done.size;
            int is_buy = order->terms.side == MARKET_BUY;
            f->lots += is_buy ? size : -size;
            f->fills_of_makers += order->is_maker;
            int64_t limit = instrument_price(&f->traded.traded, order->terms.limit);
            if (order->terms.limit != market_any_price(order->terms.side))
                assert_true(is_buy ? order->last.price <= limit : order->last.price >= limit);
        }
        if (event->kind == STREAM_ORDER)
            f->events[order->status == ACCOUNT_NEW             ? 0
                      : order->status == ACCOUNT_PARTLY_FILLED ? 1
                      : order->status == ACCOUNT_FILLED        ? 2
                                                               : 3]++;
        assert_int_equal(event->held.lots, f->lots);
    }
}

/* A random order near the market. */
static account_terms draw_terms(fixture *f)
{
    market_side side = td_random_below(&f->random, 2) == 0 ? MARKET_BUY : MARKET_SELL;
    int64_t best = market_level_at(f->traded.market, MARKET_BUY, 0).price;
    account_terms terms = {
        .side = side,
        .size = 1 + (int64_t)td_random_below(&f->random, 300),
        .limit = best - 20 + (int64_t)td_random_below(&f->random, 40),
        .duration = (account_duration)td_random_below(&f->random, 3),
    };
    if (td_random_below(&f->random, 4) == 0) {
        terms.limit = market_any_price(side);
        terms.duration = DURATION_IOC;
    }
    return terms;
}

/* Orders that are placed, changed and cancelled at any time keep to their limits, and the position
 * is the sum of their fills. */
static void test_client_orders_keep_limits(void **state)
{
    (void)state;
    static fixture f;
    open_fixture(&f);
    char links[8][ACCOUNT_LINK_BYTES] = {{0}};
    for (uint64_t i = 0; i < 40000; i++) {
        char *link = links[td_random_below(&f.random, 8)];
        account_order *open = account_find(f.a, &f.traded, 0, td_bytes_str(""), td_bytes_str(link));
        account_terms terms = draw_terms(&f);
        const account_order *made;
        if (open == NULL) {
            snprintf(link, ACCOUNT_LINK_BYTES, "l-%u", (unsigned)i);
            memcpy(terms.link, link, sizeof terms.link);
            assert_int_equal(account_place(f.a, &f.traded, &terms, &made), REFUSAL_NONE);
            assert_int_equal(account_place(f.a, &f.traded, &terms, &made), REFUSAL_LINK_IN_USE);
        } else if (td_random_below(&f.random, 3) == 0) {
            account_cancel(open);
            assert_null(account_find(f.a, &f.traded, 0, td_bytes_str(""), td_bytes_str(link)));
        } else if (open->terms.limit != market_any_price(open->terms.side)) {
            refusal why = account_amend(f.a, &f.traded, open, terms.size, 0);
            assert_true(why == REFUSAL_NONE || why == REFUSAL_FILLED_ABOVE);
        }
        for (uint64_t k = td_random_below(&f.random, 12); k > 0; k--)
            step(&f);
    }
    for (int i = 0; i < 4; i++)
        assert_true(f.events[i] > 1000);
    assert_true(f.fills_of_makers > 100);
    account_close(f.a);
    symbol_close(&f.traded);
}

/* The number of open orders is limited, and their value must not exceed the balance. */
static void test_client_limits(void **state)
{
    (void)state;
    static fixture f;
    open_fixture(&f);
    const account_order *made;
    account_terms terms = {.size = 1, .limit = 1};
    for (int i = 0; i < ACCOUNT_ORDERS_MAX; i++)
        assert_int_equal(account_place(f.a, &f.traded, &terms, &made), REFUSAL_NONE);
    assert_int_equal(account_place(f.a, &f.traded, &terms, &made), REFUSAL_TOO_MANY_ORDERS);
    char id[SYMBOL_ID_BYTES];
    account_format_id(&f.traded, made, id);
    account_order *last = account_find(f.a, &f.traded, 0, td_bytes_str(id), td_bytes_str(""));
    assert_ptr_equal(last, made);
    account_cancel(last);
    assert_int_equal(account_due(f.a), 0);
    for (int i = 0; i < ACCOUNT_ORDERS_MAX + 1; i++)
        step(&f);
    assert_int_equal(account_due(f.a), ACCOUNT_SYMBOLS_MAX);
    assert_int_equal(f.events[3], 1);
    terms.size = 1000 * f.traded.traded.lots_typical;
    terms.limit = f.traded.traded.first_price;
    assert_int_equal(account_place(f.a, &f.traded, &terms, &made), REFUSAL_NO_MONEY);
    account_close(f.a);
    symbol_close(&f.traded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),        cmocka_unit_test(test_inverse),
        cmocka_unit_test(test_spot),          cmocka_unit_test(test_client_orders_keep_limits),
        cmocka_unit_test(test_client_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
