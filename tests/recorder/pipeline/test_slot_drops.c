/* Dropped frames of a slot. Expected: the contract in recorder/pipeline/slot_drops.h, and
 * docs/archive.md (gaps). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recorder/pipeline/slot_drops.h"

static void check(const event *gap, uint64_t from_ns, uint64_t to_ns, uint64_t lost,
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
static void test_each_gap_has_its_own_begin(void **state)
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
            check(&gap, PLACES[i].from_ns[n], GAP_OPEN, GAP_FRAMES_UNKNOWN, PLACES[i].cause);
            assert_false(slot_drops_add(&drops, PLACES[i].place, 3, 150, 210));
            assert_true(slot_drops_end(&drops, PLACES[i].place, "f", 1, 2, &gap));
            check(&gap, PLACES[i].from_ns[n], 210, 2, PLACES[i].cause);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_gap_has_its_own_begin)};
    return cmocka_run_group_tests_name("slot_drops", tests, NULL, NULL);
}
