/* Expected values: the contract in recorder/findings.h: order kept, bounded, what does not fit
 * counted, the newest always told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recorder/findings.h"

static const channel_info CHANNEL = {.feed = "inverse", .topic = "orderBookL2_25"};

static void put(findings *into, uint64_t from_ns)
{
    const live_check_finding found = {.channel = &CHANNEL, .from_ns = from_ns};
    findings_put(into, &found);
}

static void findings_come_out_in_order(void **state)
{
    (void)state;
    findings *between;
    live_check_finding out;
    between = findings_open();
    for (int round = 0; round < 3; round++) {
        for (uint64_t n = 1; n <= FINDINGS_MAX; n++)
            put(between, n);
        for (uint64_t n = 1; n <= FINDINGS_MAX; n++) {
            assert_true(findings_take(between, &out));
            assert_int_equal(out.from_ns, n);
        }
        assert_false(findings_take(between, &out));
    }
    assert_int_equal(findings_take_lost(between), 0);
    findings_close(between);
}

static void what_does_not_fit_is_counted_and_the_newest_stays(void **state)
{
    (void)state;
    findings *between;
    live_check_finding out = {0};
    uint64_t taken = 0;
    between = findings_open();
    for (uint64_t n = 1; n <= FINDINGS_MAX + 7; n++)
        put(between, n);
    while (findings_take(between, &out))
        taken++;
    assert_int_equal(taken, FINDINGS_MAX);
    assert_int_equal(out.from_ns, FINDINGS_MAX + 7);
    assert_int_equal(findings_take_lost(between), 7);
    assert_int_equal(findings_take_lost(between), 0);
    findings_close(between);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findings_come_out_in_order),
        cmocka_unit_test(what_does_not_fit_is_counted_and_the_newest_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
