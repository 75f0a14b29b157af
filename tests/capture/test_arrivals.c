/* How messages arrived, by capture/arrivals.h: consecutive ones of one connection, runs of one
 * delay, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/arrivals.h"

static void put(arrivals *a, size_t slot, uint32_t conn, uint64_t ordinal, uint32_t delay_us,
                uint32_t span_us)
{
    const feed_frame frame = {.shard = (uint32_t)slot,
                              .conn = conn,
                              .dir = DIR_IN,
                              .delay_us = delay_us,
                              .span_us = span_us};
    assert_false(arrivals_is_full(a, slot, &frame, ordinal));
    arrivals_add(a, slot, &frame, ordinal);
}

static int is_full(const arrivals *a, size_t slot, uint32_t conn, uint64_t ordinal)
{
    return arrivals_is_full(a, slot, &(feed_frame){.conn = conn, .dir = DIR_IN}, ordinal);
}

static void test_runs(void **state)
{
    (void)state;
    arrivals *a = arrivals_open();
    event found;
    put(a, 3, 2, 7, 40, 0);
    put(a, 3, 2, 8, 40, 900);
    put(a, 3, 2, 9, 0, 0);
    put(a, 5, 1, 1, 12, 0); /* another slot */
    put(a, 3, 2, 10, 40, 0);
    assert_true(arrivals_take(a, 3, &found));
    assert_int_equal(found.kind, EVENT_ARRIVALS);
    assert_int_equal(found.shard, 3);
    assert_int_equal(found.conn, 2);
    assert_int_equal(found.ordinal, 7);
    static const event_delay DELAYS[] = {{40, 2}, {0, 1}, {40, 1}};
    assert_int_equal(found.delay_count, 3);
    assert_memory_equal(found.delays, DELAYS, sizeof DELAYS);
    assert_int_equal(found.span_count, 1);
    assert_int_equal(found.spans[0].ordinal, 8);
    assert_int_equal(found.spans[0].span_us, 900);
    assert_false(arrivals_take(a, 3, &found)); /* it is empty now */
    assert_true(arrivals_take(a, 5, &found));
    assert_int_equal(found.ordinal, 1);
    put(a, 3, 2, 50, 1, 0);
    assert_true(arrivals_take(a, 3, &found));
    assert_int_equal(found.ordinal, 50);
    arrivals_close(a);
}

/* A list is of one connection and has no holes. Without a time that is known there is no event. */
static void test_begins_again(void **state)
{
    (void)state;
    arrivals *a = arrivals_open();
    event found;
    assert_false(is_full(a, 0, 1, 100));
    put(a, 0, 1, 4, 0, 0);
    assert_false(is_full(a, 0, 1, 5));
    assert_true(is_full(a, 0, 1, 6));
    assert_true(is_full(a, 0, 2, 5));
    assert_false(arrivals_take(a, 0, &found));
    assert_false(is_full(a, 0, 2, 1));
    arrivals_close(a);
}

static void test_bounds(void **state)
{
    (void)state;
    arrivals *a = arrivals_open();
    event found;
    uint64_t ordinal = 0;
    for (uint32_t i = 0; i < EVENT_ARRIVALS_MAX; i++)
        put(a, 0, 1, ++ordinal, 1 + i % 2, 0);
    assert_true(is_full(a, 0, 1, ordinal + 1));
    assert_true(arrivals_take(a, 0, &found));
    assert_int_equal(found.delay_count, EVENT_ARRIVALS_MAX);
    for (uint32_t i = 0; i < EVENT_ARRIVALS_MAX; i++)
        put(a, 0, 1, ++ordinal, 1, 5);
    assert_true(is_full(a, 0, 1, ordinal + 1));
    assert_true(arrivals_take(a, 0, &found));
    assert_int_equal(found.delay_count, 1);
    assert_int_equal(found.span_count, EVENT_ARRIVALS_MAX);
    arrivals_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_begins_again),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
