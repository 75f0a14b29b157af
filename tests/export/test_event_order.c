/* The order of hftbacktest's events, compared with the rule in docs/export.md applied to arrays in
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/random.h"
#include "tests/testing/io_fault.h"
#include "export/event_order.h"

enum { ROWS_MAX = 3000 };

/* ---- the rule ---- */

static hft_event g_rows[ROWS_MAX];

/* Sorts in a simple way, exchanging neighbours only: by time, trades first, otherwise stable. */
static void sort_rows(hft_event *rows, size_t count, int by_local)
{
    for (size_t i = 1; i < count; i++) {
        const hft_event row = rows[i];
        size_t at = i;
        for (; at > 0; at--) {
            const hft_event *before = &rows[at - 1];
            if (by_local ? before->local_ns <= row.local_ns : before->exch_ns <= row.exch_ns)
                break;
            rows[at] = *before;
        }
        rows[at] = row;
    }
}

static size_t order_rows(const hft_event *added, size_t count, hft_event *out)
{
    static hft_event a[ROWS_MAX];
    static hft_event b[ROWS_MAX];
    size_t all = 0;
    for (int is_trade = 1; is_trade >= 0; is_trade--)
        for (size_t i = 0; i < count; i++)
            if (((added[i].kind & EVENT_KIND) == EVENT_TRADE) == is_trade)
                a[all++] = added[i];
    memcpy(b, a, count * sizeof *a);
    sort_rows(a, count, 0);
    sort_rows(b, count, 1);
    size_t i = 0;
    size_t j = 0;
    size_t made = 0;
    while (i < count || j < count) {
        hft_event *row = &out[made++];
        if (i < count && j < count && a[i].exch_ns == b[j].exch_ns &&
            a[i].local_ns == b[j].local_ns) {
            assert_true(a[i].price == b[j].price); /* the same row */
            *row = a[i++];
            row->kind |= EVENT_EXCH | EVENT_LOCAL;
            j++;
        } else if (i < count && (j == count || a[i].exch_ns < b[j].exch_ns ||
                                 (a[i].exch_ns == b[j].exch_ns && a[i].local_ns < b[j].local_ns))) {
            *row = a[i++];
            row->kind |= EVENT_EXCH;
        } else {
            *row = b[j++];
            row->kind |= EVENT_LOCAL;
        }
    }
    return made;
}

/* ---- the module ---- */

/* Makes rows that differ in price, by which the test recognizes them. */
static void make_rows(td_random *random, size_t count, int64_t lateness)
{
    static const uint64_t KINDS[] = {EVENT_TRADE, EVENT_DEPTH, EVENT_SNAPSHOT, EVENT_CLEAR};
    int64_t local_ns = 1000;
    for (size_t i = 0; i < count; i++) {
        local_ns += (int64_t)td_random_below(random, 3);
        g_rows[i] =
            (hft_event){.kind = KINDS[td_random_below(random, 4)],
                        .exch_ns = local_ns - (int64_t)td_random_below(random, (uint64_t)lateness),
                        .local_ns = local_ns,
                        .price = (double)i};
        if (td_random_below(random, 50) == 0)
            g_rows[i].local_ns -= (int64_t)td_random_below(random, 100); /* as at a gap */
    }
}

static void check_pass(event_order *order, const hft_event *should, size_t count)
{
    hft_event got;
    td_err err;
    assert_int_equal(event_order_rewind(order, &err), TD_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(event_order_next(order, &got, &err), TD_OK);
        assert_int_equal(got.kind, should[i].kind);
        assert_int_equal(got.exch_ns, should[i].exch_ns);
        assert_int_equal(got.local_ns, should[i].local_ns);
        assert_true(got.price == should[i].price);
    }
    assert_int_equal(event_order_next(order, &got, &err), TD_EOF);
}

/* Compares the module with the rule, with one piece and with many, and with rows that are late by a
 * little and by more than a piece. */
static void test_equals_the_rule(void **state)
{
    (void)state;
    static hft_event should[2 * ROWS_MAX];
    static const size_t COUNTS[] = {0, 1, 2, 63, 64, 65, 200, ROWS_MAX};
    static const int64_t LATENESS[] = {1, 20, 2000};
    io_fault *disk = io_fault_open();
    const td_io io = io_fault_io(disk);
    td_random random;
    td_random_init(&random, 7);
    for (size_t c = 0; c < sizeof COUNTS / sizeof COUNTS[0]; c++)
        for (size_t l = 0; l < sizeof LATENESS / sizeof LATENESS[0]; l++)
            for (size_t piece = 1; piece <= ROWS_MAX + 1; piece = piece * 10 + 3) {
                td_err err;
                if (COUNTS[c] / piece > 300)
                    continue;
                make_rows(&random, COUNTS[c], LATENESS[l]);
                size_t made = order_rows(g_rows, COUNTS[c], should);
                event_order *order = event_order_open(io, "pieces", piece);
                for (size_t i = 0; i < COUNTS[c]; i++)
                    assert_int_equal(event_order_add(order, &g_rows[i], &err), TD_OK);
                check_pass(order, should, made);
                check_pass(order, should, made);
                event_order_close(order);
                uint64_t size;
                assert_int_equal(td_io_size_at(io, "pieces", &size, &err), TD_E_NOTFOUND);
            }
    io_fault_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equals_the_rule)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
