/* Gaps that frames show. Expected: the contract in tape/found_gaps.h, and docs/archive.md (gaps).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tape/found_gaps.h"

#define GRANTED_NS (UINT64_C(1000) * TD_NS_PER_S)

static const channel_info TOPIC = {.feed = "f", .topic = "t", .symbol = "s", .line = 1, .shard = 2};

static void check(const gap_row *row, time_reason reason, uint64_t from_ns, uint64_t to_ns,
                  uint32_t conn, const char *cause)
{
    assert_int_equal(row->reason, reason);
    assert_string_equal(row->feed, "f");
    assert_string_equal(row->topic, "t");
    assert_string_equal(row->symbol, "s");
    assert_int_equal(row->line, 1);
    assert_int_equal(row->shard, 2);
    assert_int_equal(row->conn, conn);
    assert_int_equal(row->from_ns, from_ns);
    assert_int_equal(row->to_ns, to_ns);
    assert_string_equal(row->cause, cause);
    assert_true(row->frames_lost == GAP_FRAMES_UNKNOWN);
}

static void test_breaks(void **state)
{
    (void)state;
    const trust_break by_rule = {.reason = DOUBT_RULE, .from_ns = 10, .doubt_ns = 11, .to_ns = 20};
    const trust_break by_gap = {.reason = GAP_CRASH, .from_ns = 10};
    gap_row row = found_gap_of_break(&TOPIC, &by_rule);
    check(&row, GAP_SEQUENCE, 10, 20, 0, "rule");
    row = found_gap_of_break(&TOPIC, &by_gap);
    check(&row, GAP_SEQUENCE, 10, GAP_OPEN, 0, "gap");
}

static void test_trades(void **state)
{
    (void)state;
    const audit_item item = {.verdict = {.rule = RULE_TRADES_COMPLETE},
                             .about = {.line = 1, .shard = 2, .conn = 3},
                             .time = {10, 20}};
    const channel_info names = {.feed = "f", .topic = "t", .symbol = "s"};
    const gap_row row = found_gap_of_trades(&names, &item, "how many");
    check(&row, GAP_AGGREGATE, 10, 20, 3, "trades_complete");
    assert_string_equal(row.detail, "how many");
}

static void test_silence_after_a_grant(void **state)
{
    (void)state;
    const topic_row at_once = {.speaks = SPEAKS_AT_ONCE};
    const topic_row steady = {.speaks = SPEAKS_STEADILY};
    const frame_conn conn = {.number = 3};
    frame_channel channel = {.info = TOPIC};
    frame_ref frame = {.channel = &channel,
                       .row = &at_once,
                       .conn = &conn,
                       .granted_ns = GRANTED_NS,
                       .recv_ns = GRANTED_NS + TOPIC_SILENCE_NS - 1};
    gap_row row;
    assert_false(found_gap_of_silence(&frame, &row));
    frame.recv_ns++;
    assert_true(found_gap_of_silence(&frame, &row));
    check(&row, GAP_STALE, GRANTED_NS, frame.recv_ns, 3, "granted, and silent");
    frame.is_lead_in = 1;
    assert_false(found_gap_of_silence(&frame, &row));
    frame.is_lead_in = 0;
    frame.granted_ns = 0;
    assert_false(found_gap_of_silence(&frame, &row));
    frame.granted_ns = GRANTED_NS;
    frame.row = &steady;
    assert_false(found_gap_of_silence(&frame, &row));
}

static void test_late_snapshots(void **state)
{
    (void)state;
    const topic_row fetched = {.snapshot_request = "/depth"};
    const topic_row sent = {0};
    const frame_conn conn = {.number = 3};
    frame_channel channel = {.info = TOPIC};
    frame_ref frame = {.channel = &channel,
                       .row = &fetched,
                       .conn = &conn,
                       .recv_ns = GRANTED_NS + TOPIC_UNANCHORED_NS};
    gap_row row;
    assert_false(found_gap_of_unanchored(&frame, GRANTED_NS, &row));
    frame.recv_ns++;
    assert_true(found_gap_of_unanchored(&frame, GRANTED_NS, &row));
    check(&row, GAP_SEQUENCE, GRANTED_NS, frame.recv_ns, 3, "anchored");
    frame.is_lead_in = 1;
    assert_false(found_gap_of_unanchored(&frame, GRANTED_NS, &row));
    frame.is_lead_in = 0;
    frame.row = &sent;
    assert_false(found_gap_of_unanchored(&frame, GRANTED_NS, &row));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_breaks), cmocka_unit_test(test_trades),
                                       cmocka_unit_test(test_silence_after_a_grant),
                                       cmocka_unit_test(test_late_snapshots)};
    return cmocka_run_group_tests_name("found_gaps", tests, NULL, NULL);
}
