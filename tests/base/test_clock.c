/* Clocks: the machine's and the simulated one. Expected results: base/clock.h,
 * tests/testing/clock_sim.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing/clock_sim.h"

static void test_real(void **state)
{
    (void)state;
    td_clock clock = clock_real();
    /* Between 2020 and 2554: ns since 1970. */
    assert_true(clock_wall_ns(clock) > UINT64_C(1577836800) * TD_NS_PER_S);
    uint64_t before = clock_mono_ns(clock);
    clock_sleep_until(clock, 0);
    clock_sleep_until(clock, before);
    clock_sleep_until(clock, before + 10 * TD_NS_PER_US);
    uint64_t after = clock_mono_ns(clock);
    assert_true(after >= before + 10 * TD_NS_PER_US);
}

static void test_sim(void **state)
{
    (void)state;
    clock_sim *sim = clock_sim_open(1000, 50);
    td_clock clock = clock_sim_clock(sim);
    assert_int_equal(clock_wall_ns(clock), 1000);
    assert_int_equal(clock_mono_ns(clock), 50);
    clock_sim_advance(sim, 5);
    assert_int_equal(clock_wall_ns(clock), 1005);
    assert_int_equal(clock_mono_ns(clock), 55);
    clock_sleep_until(clock, 3600 * TD_NS_PER_S);
    assert_true(clock_mono_ns(clock) == 3600 * TD_NS_PER_S);
    assert_true(clock_wall_ns(clock) == 3600 * TD_NS_PER_S + 950);
    clock_sleep_until(clock, 7); /* in the past: no change */
    assert_true(clock_mono_ns(clock) == 3600 * TD_NS_PER_S);
    clock_sim_set_wall(sim, 3); /* a step back */
    assert_int_equal(clock_wall_ns(clock), 3);
    assert_true(clock_mono_ns(clock) == 3600 * TD_NS_PER_S);
    assert_int_equal(clock_sim_sleep_count(sim), 2);
    clock_sim_close(sim);
    clock_sim_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_sim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
