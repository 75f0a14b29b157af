/* sim/candle: a candle starts at a multiple of its length, and is the sum of its trades. */
#include "sim/candle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

static void test_sums(void **state)
{
    (void)state;
    candle_pair pair;
    uint64_t start = 1795174020u * TD_NS_PER_S;
    candle_open(&pair, 1, start + 7, 100);
    assert_int_equal(pair.now.start_ns, start);
    assert_int_equal(pair.now.end_ns, start + 60 * TD_NS_PER_S);
    candle_add(&pair, 103, 5, 515);
    candle_add(&pair, 99, 2, 198);
    candle_add(&pair, 101, 1, 101);
    candle_roll(&pair, 1, start + 60 * TD_NS_PER_S - 1);
    assert_int_equal(pair.closed.end_ns, 0);
    assert_int_equal(pair.now.open, 100);
    assert_int_equal(pair.now.high, 103);
    assert_int_equal(pair.now.low, 99);
    assert_int_equal(pair.now.close, 101);
    assert_int_equal(pair.now.volume, 8);
    assert_int_equal(pair.now.turnover, 814);
    candle_roll(&pair, 1, start + 60 * TD_NS_PER_S);
    assert_int_equal(pair.closed.volume, 8);
    assert_int_equal(pair.closed.is_closed, 1);
    assert_int_equal(pair.now.is_closed, 0);
    assert_int_equal(pair.closed.start_ns, start);
    assert_int_equal(pair.now.open, 101);
    assert_int_equal(pair.now.close, 101);
    assert_int_equal(pair.now.volume, 0);
    assert_int_equal(pair.now.start_ns, start + 60 * TD_NS_PER_S);
    /* Two minutes without a trade give no candle. */
    candle_roll(&pair, 1, start + 200 * TD_NS_PER_S);
    assert_int_equal(pair.closed.volume, 0);
    assert_int_equal(pair.now.start_ns, start + 180 * TD_NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
