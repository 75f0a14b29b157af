/* Reasons why time is missing or doubtful. Expected: docs/design.md (P4), docs/json.md
 * (days[].reasons, files[].breaks[]) and the contract in archive/time_reason.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/time_reason.h"

/* By number: the catalog stores the numbers of gaps' reasons. */
static const char *const NAMES[] = {
    "disconnect", "stale",       "overload", "restart",        "crash", "corrupt",
    "sequence",   "aggregate",   "pruned",   "not_subscribed", "rule",  "undecoded",
    "connection", "no_snapshot", "late",     "silent",         "damage"};

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(sizeof NAMES / sizeof NAMES[0], TIME_REASON_COUNT);
    for (unsigned i = 0; i < TIME_REASON_COUNT; i++)
        assert_string_equal(time_reason_name((time_reason)i), NAMES[i]);
}

/* A row of the ledger cannot have a doubt as its reason. */
static void test_only_reasons_of_gaps_are_parsed(void **state)
{
    (void)state;
    assert_int_equal(GAP_REASON_COUNT, 10);
    for (unsigned i = 0; i < TIME_REASON_COUNT; i++) {
        time_reason reason = TIME_IS_RIGHT;
        const int is_gap = i < 10;
        assert_int_equal(time_reason_is_gap((time_reason)i), is_gap);
        assert_int_equal(gap_reason_parse(td_bytes_str(NAMES[i]), &reason), is_gap);
        assert_int_equal(reason, is_gap ? i : TIME_IS_RIGHT);
    }
    time_reason reason;
    assert_false(gap_reason_parse(td_bytes_str("Crash"), &reason));
    assert_false(gap_reason_parse(td_bytes_of(NULL, 0), &reason));
    assert_false(time_reason_is_gap(TIME_IS_RIGHT));
}

static void test_sets(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DOUBT_DAMAGE; i++)
        assert_int_equal(time_reason_bit((time_reason)i), 1U << i);
    assert_int_equal(time_reason_bit(DOUBT_DAMAGE), 1U << GAP_CORRUPT);
    assert_int_equal(time_reason_bit(TIME_IS_RIGHT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_only_reasons_of_gaps_are_parsed),
        cmocka_unit_test(test_sets),
    };
    return cmocka_run_group_tests_name("time_reason", tests, NULL, NULL);
}
