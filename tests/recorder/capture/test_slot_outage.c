/* Outages of slots. Expected: the contract in recorder/capture/slot_outage.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recorder/capture/slot_outage.h"

static void test_lasts_until_a_frame(void **state)
{
    (void)state;
    slot_outage outage = {0};
    event gap;
    assert_false(slot_outage_end(&outage, "f", 2, 90, &gap));
    slot_outage_begin(&outage, 1, 100, "first");
    slot_outage_begin(&outage, 2, 150, "second"); /* connection 2 received nothing */
    assert_true(slot_outage_end(&outage, "f", 2, 200, &gap));
    assert_int_equal(gap.kind, EVENT_GAP);
    assert_int_equal(gap.gap.reason, GAP_DISCONNECT);
    assert_string_equal(gap.gap.feed, "f");
    assert_int_equal(gap.gap.shard, 2);
    assert_int_equal(gap.gap.conn, 1);
    assert_int_equal(gap.gap.from_ns, 100);
    assert_int_equal(gap.gap.to_ns, 200);
    assert_string_equal(gap.gap.cause, "first");
    assert_false(slot_outage_end(&outage, "f", 2, 210, &gap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lasts_until_a_frame)};
    return cmocka_run_group_tests_name("slot_outage", tests, NULL, NULL);
}
