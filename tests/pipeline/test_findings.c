/* Expected values: the contract in pipeline/findings.h: events in order, bounded, what does not fit
 * logged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/findings.h"

static unsigned warnings;

static void count_warning(void *ctx, td_log_level level, const char *line)
{
    (void)ctx;
    (void)line;
    assert_int_equal(level, TD_LOG_WARNING);
    warnings++;
}

static findings *open_findings(void)
{
    static const td_log log = {count_warning, NULL, TD_LOG_WARNING};
    findings *made = NULL;
    assert_int_equal(findings_open(&log, &made, NULL), TD_OK);
    return made;
}

static void put(findings *into, uint64_t from_ns)
{
    event gap = {.kind = EVENT_GAP,
                 .gap = gap_row_of(GAP_SEQUENCE, "inverse", from_ns, GAP_OPEN, "seq_dense")};
    gap.gap.conn = 2;
    gap.gap.topic = "orderBookL2_25";
    gap.gap.symbol = "X";
    gap.gap.frames_lost = 3;
    gap.gap.detail = "seq_dense: expected 5, found 8: 3 lost";
    findings_put(into, 3, &gap);
}

static void findings_come_out_in_order(void **state)
{
    (void)state;
    findings *between = open_findings();
    uint16_t feed_index;
    event out;
    for (int round = 0; round < 3; round++) {
        for (uint64_t n = 1; n <= 1000; n++)
            put(between, n);
        for (uint64_t n = 1; n <= 1000; n++) {
            assert_true(findings_next(between, &feed_index, &out));
            assert_int_equal(feed_index, 3);
            assert_int_equal(out.kind, EVENT_GAP);
            assert_int_equal(out.gap.from_ns, n);
            assert_int_equal(out.gap.to_ns, GAP_OPEN);
            assert_int_equal(out.gap.conn, 2);
            assert_int_equal(out.gap.frames_lost, 3);
            assert_string_equal(out.gap.topic, "orderBookL2_25");
            assert_string_equal(out.gap.symbol, "X");
            assert_string_equal(out.gap.detail, "seq_dense: expected 5, found 8: 3 lost");
        }
        assert_false(findings_next(between, &feed_index, &out));
    }
    findings_close(between);
}

static void what_does_not_fit_is_logged(void **state)
{
    (void)state;
    enum { PUT = 20000 };
    findings *between = open_findings();
    uint16_t feed_index;
    event out;
    uint64_t taken = 0;
    unsigned before = warnings;
    for (uint64_t n = 1; n <= PUT; n++)
        put(between, n);
    while (findings_next(between, &feed_index, &out))
        assert_int_equal(out.gap.from_ns, ++taken);
    assert_true(taken > 1000 && taken < PUT);
    assert_int_equal(warnings - before, PUT - taken);
    findings_close(between);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findings_come_out_in_order),
        cmocka_unit_test(what_does_not_fit_is_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
