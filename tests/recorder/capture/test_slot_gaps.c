/* Gaps that a slot's frames show. Expected: the contract in recorder/capture/slot_gaps.h, and
 * docs/archive.md (gaps). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recorder/capture/slot_gaps.h"

static void check_drops(const event *gap, uint64_t from_ns, uint64_t to_ns, uint64_t lost,
                        const char *cause)
{
    assert_int_equal(gap->kind, EVENT_GAP);
    assert_int_equal(gap->gap.reason, GAP_OVERLOAD);
    assert_string_equal(gap->gap.feed, "f");
    assert_int_equal(gap->gap.line, 1);
    assert_int_equal(gap->gap.shard, 2);
    assert_int_equal(gap->gap.conn, 3);
    assert_int_equal(gap->gap.from_ns, from_ns);
    assert_int_equal(gap->gap.to_ns, to_ns);
    assert_true(gap->gap.frames_lost == lost);
    assert_string_equal(gap->gap.cause, cause);
}

/* Two gaps of each place, all while the connection is complete until the same time: four rows. */
static void test_each_gap_of_drops_has_its_own_begin(void **state)
{
    (void)state;
    static const struct {
        drop_place place;
        uint64_t from_ns[2];
        const char *cause;
    } PLACES[] = {{DROP_IN_INTAKE, {100, 101}, "disk too slow"},
                  {DROP_IN_ENCODER, {99, 98}, "compressed frames took too long"}};
    for (size_t i = 0; i < 2; i++) {
        slot_drops drops = {0};
        for (size_t n = 0; n < 2; n++) {
            event gap;
            assert_false(slot_drops_end(&drops, PLACES[i].place, "f", 1, 2, &gap));
            assert_true(slot_drops_add(&drops, PLACES[i].place, 3, 100, 200));
            gap = slot_drops_begun(&drops, PLACES[i].place, "f", 1, 2);
            check_drops(&gap, PLACES[i].from_ns[n], GAP_OPEN, GAP_FRAMES_UNKNOWN, PLACES[i].cause);
            assert_false(slot_drops_add(&drops, PLACES[i].place, 3, 150, 210));
            assert_true(slot_drops_end(&drops, PLACES[i].place, "f", 1, 2, &gap));
            check_drops(&gap, PLACES[i].from_ns[n], 210, 2, PLACES[i].cause);
        }
    }
}

static void test_outage_lasts_until_a_frame(void **state)
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

static void test_before_a_frame(void **state)
{
    (void)state;
    const feed_frame frame = {.recv_ns = 300, .line = 1, .shard = 2, .conn = 3};
    const event lost = slot_gap_before(&frame, "f", 200, RULE_CONN_DENSE);
    assert_int_equal(lost.kind, EVENT_GAP);
    assert_int_equal(lost.gap.reason, GAP_SEQUENCE);
    assert_string_equal(lost.gap.feed, "f");
    assert_int_equal(lost.gap.line, 1);
    assert_int_equal(lost.gap.shard, 2);
    assert_int_equal(lost.gap.conn, 3);
    assert_int_equal(lost.gap.from_ns, 200);
    assert_int_equal(lost.gap.to_ns, 300);
    assert_true(lost.gap.frames_lost == GAP_FRAMES_UNKNOWN);
    assert_string_equal(lost.gap.cause, "conn_dense");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_gap_of_drops_has_its_own_begin),
                                       cmocka_unit_test(test_outage_lasts_until_a_frame),
                                       cmocka_unit_test(test_before_a_frame)};
    return cmocka_run_group_tests_name("slot_gaps", tests, NULL, NULL);
}
