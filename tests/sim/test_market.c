/* sim/market: price priority. Expected trades and levels are derived by hand from each row's
 * orders, by the rules in market.h. */
#include "sim/market.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"

enum { STEPS_MAX = 8, RESULTS_MAX = 6 };

typedef enum act { END, LIMIT, TAKE, CANCEL } act;

/* An order; CANCEL removes size from the price-th best level (from 0). */
typedef struct step {
    act what;
    market_side side;
    int64_t price;
    int64_t size;
} step;

/* The compared part of a trade. */
typedef struct trade {
    int64_t price;
    int64_t size;
    market_side taker;
} trade;

typedef struct market_row {
    const char *name;
    step steps[STEPS_MAX];
    trade trades[RESULTS_MAX];      /* of the last step, ending with size 0 */
    market_level bids[RESULTS_MAX]; /* after the steps, best first, ending with size 0 */
    market_level asks[RESULTS_MAX];
} market_row;

#define BUY  MARKET_BUY
#define SELL MARKET_SELL

static const market_row ROWS[] = {
    {"an order rests", {{LIMIT, BUY, 10, 5}}, {{0, 0, BUY}}, {{10, 5}}, {{0, 0}}},
    {"two at one price add up",
     {{LIMIT, SELL, 10, 5}, {LIMIT, SELL, 10, 7}},
     {{0, 0, BUY}},
     {{0, 0}},
     {{10, 12}}},
    {"sides sort best first",
     {{LIMIT, BUY, 10, 1},
      {LIMIT, BUY, 12, 2},
      {LIMIT, BUY, 11, 3},
      {LIMIT, SELL, 20, 4},
      {LIMIT, SELL, 18, 5},
      {LIMIT, SELL, 19, 6}},
     {{0, 0, BUY}},
     {{12, 2}, {11, 3}, {10, 1}},
     {{18, 5}, {19, 6}, {20, 4}}},
    {"a crossing limit order trades at the resting price, its rest rests",
     {{LIMIT, SELL, 10, 5}, {LIMIT, SELL, 11, 5}, {LIMIT, BUY, 10, 8}},
     {{10, 5, BUY}},
     {{10, 3}},
     {{11, 5}}},
    {"best first, across levels",
     {{LIMIT, SELL, 11, 7}, {LIMIT, SELL, 10, 5}, {LIMIT, SELL, 10, 6}, {TAKE, BUY, 0, 13}},
     {{10, 11, BUY}, {11, 2, BUY}},
     {{0, 0}},
     {{11, 5}}},
    {"a market order's rest is dropped",
     {{LIMIT, BUY, 10, 5}, {TAKE, SELL, 0, 9}},
     {{10, 5, SELL}},
     {{0, 0}},
     {{0, 0}}},
    {"what is cancelled is out of its level, the trades before it are not its own",
     {{LIMIT, BUY, 10, 5}, {LIMIT, BUY, 9, 6}, {TAKE, SELL, 0, 1}, {CANCEL, BUY, 1, 2}},
     {{0, 0, BUY}},
     {{10, 4}, {9, 4}},
     {{0, 0}}},
    {"a level of which all is cancelled is gone",
     {{LIMIT, BUY, 10, 5}, {LIMIT, BUY, 9, 5}, {CANCEL, BUY, 0, 7}},
     {{0, 0, BUY}},
     {{9, 5}},
     {{0, 0}}},
    {"what is left of a level is there for the next order",
     {{LIMIT, SELL, 10, 5}, {TAKE, BUY, 0, 2}, {LIMIT, SELL, 10, 4}, {TAKE, BUY, 0, 4}},
     {{10, 4, BUY}},
     {{0, 0}},
     {{10, 3}}},
};

static void check_side(const market *m, market_side side, const market_level *expected)
{
    size_t count = 0;
    while (count < RESULTS_MAX && expected[count].size > 0)
        count++;
    assert_int_equal(market_level_count(m, side), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(market_level_at(m, side, i).price, expected[i].price);
        assert_int_equal(market_level_at(m, side, i).size, expected[i].size);
    }
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const market_row *row = &ROWS[i];
        market *m = NULL;
        int64_t events = 0;
        print_message("  %s\n", row->name);
        m = market_open(1000);
        for (size_t n = 0; n < STEPS_MAX && row->steps[n].what != END; n++, events++) {
            const step *s = &row->steps[n];
            if (s->what == LIMIT)
                market_limit(m, s->side, s->price, s->size);
            else if (s->what == TAKE)
                market_take(m, s->side, market_any_price(s->side), s->size);
            else
                market_cancel(m, s->side, (size_t)s->price, s->size);
        }
        assert_int_equal(market_seq(m), 1000 + events);
        size_t count = 0;
        const market_trade *trades = market_trades(m, &count);
        for (size_t n = 0; n < count; n++) {
            assert_int_equal(trades[n].price, row->trades[n].price);
            assert_int_equal(trades[n].size, row->trades[n].size);
            assert_int_equal(trades[n].taker, row->trades[n].taker);
        }
        assert_int_equal(row->trades[count].size, 0);
        check_side(m, MARKET_BUY, row->bids);
        check_side(m, MARKET_SELL, row->asks);
        market_close(m);
    }
}

/* Random orders: sides stay sorted and do not cross, and every level can be cancelled down to an
 * empty market. */
static void test_sides_never_cross(void **state)
{
    (void)state;
    market *m = NULL;
    td_random random;
    td_random_init(&random, 99);
    m = market_open(0);
    for (int i = 0; i < 50000; i++) {
        int64_t size = 1 + (int64_t)td_random_below(&random, 50);
        market_side side = td_random_below(&random, 2) ? MARKET_BUY : MARKET_SELL;
        uint64_t what = td_random_below(&random, 10);
        if (what < 6)
            market_limit(m, side, 1000 + (int64_t)td_random_below(&random, 60), size);
        else if (what < 8)
            market_take(m, side, market_any_price(side), size);
        else if (market_level_count(m, side) > 0)
            market_cancel(m, side, td_random_below(&random, market_level_count(m, side)), size);
        size_t bids = market_level_count(m, MARKET_BUY);
        size_t asks = market_level_count(m, MARKET_SELL);
        for (size_t n = 1; n < bids; n++)
            assert_true(market_level_at(m, MARKET_BUY, n - 1).price >
                        market_level_at(m, MARKET_BUY, n).price);
        for (size_t n = 1; n < asks; n++)
            assert_true(market_level_at(m, MARKET_SELL, n - 1).price <
                        market_level_at(m, MARKET_SELL, n).price);
        if (bids > 0 && asks > 0)
            assert_true(market_level_at(m, MARKET_BUY, 0).price <
                        market_level_at(m, MARKET_SELL, 0).price);
    }
    for (int side = MARKET_BUY; side <= MARKET_SELL; side++)
        while (market_level_count(m, (market_side)side) > 0)
            market_cancel(m, (market_side)side, 0, INT64_MAX);
    assert_int_equal(market_level_count(m, MARKET_BUY), 0);
    assert_int_equal(market_level_count(m, MARKET_SELL), 0);
    market_close(m);
}

/* At its limits a market drops the rest of an order, and never crosses. */
static void test_bounds(void **state)
{
    (void)state;
    market *m = NULL;
    size_t count = 0;
    m = market_open(0);
    for (int64_t i = 0; i < MARKET_LEVELS_MAX; i++)
        market_limit(m, MARKET_SELL, 5000 + i, 1);
    assert_int_equal(market_level_count(m, MARKET_SELL), MARKET_LEVELS_MAX);
    market_limit(m, MARKET_SELL, 4999, 1);
    market_limit(m, MARKET_SELL, 5000, 1);
    assert_int_equal(market_level_at(m, MARKET_SELL, 0).size, 2);
    market_limit(m, MARKET_BUY, 9000, 2000);
    (void)market_trades(m, &count);
    assert_int_equal(count, MARKET_TRADES_MAX);
    assert_int_equal(market_level_count(m, MARKET_BUY), 0);
    market_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_sides_never_cross),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
