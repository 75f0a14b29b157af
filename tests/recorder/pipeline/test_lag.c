/* Periods in which durability lags. Expected: the contract in recorder/pipeline/lag.h; the test
 * controls the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing/clock_sim.h"
#include "recorder/pipeline/lag.h"

#define LIMIT_NS TD_NS_PER_S
enum { CHUNK_COUNT = 3 }; /* maximum number of chunks that are not durable */

#define MS(n) ((uint64_t)(n)*TD_NS_PER_MS)

typedef struct fixture {
    clock_sim *sim;
    lag *lag;
    uint64_t number; /* of the chunk; determines its times and frames */
} fixture;

static void open_fixture(fixture *f, uint64_t limit_ns)
{
    *f = (fixture){.sim = clock_sim_open(MS(2000000), MS(1000000))};
    assert_non_null(f->sim);
    f->lag = lag_open(clock_sim_clock(f->sim), limit_ns, CHUNK_COUNT);
}

static void close_fixture(fixture *f)
{
    lag_close(f->lag);
    clock_sim_close(f->sim);
}

/* Seals chunk n: n frames, with times from 1000 n to 1000 n + 9; its oldest frame is age_ns old. */
static void seal(fixture *f, uint64_t age_ns)
{
    f->number++;
    const sealed_chunk chunk = {
        .first_ns = f->number * 1000, .last_ns = f->number * 1000 + 9, .frame_count = f->number};
    uint64_t mono_ns = clock_mono_ns(clock_sim_clock(f->sim));
    lag_sealed(f->lag, mono_ns - age_ns, &chunk);
}

/* Writes a chunk that is age_ns old; the write takes sync_ns. */
static uint64_t write_chunk(fixture *f, uint64_t age_ns, uint64_t sync_ns)
{
    seal(f, age_ns);
    clock_sim_advance(f->sim, sync_ns);
    return lag_durable(f->lag);
}

static void assert_period(const lag_period *s, uint64_t from_ns, uint64_t to_ns, uint64_t worst_ns,
                          uint64_t frames)
{
    assert_int_equal(s->first_ns, from_ns);
    assert_int_equal(s->last_ns, to_ns);
    assert_int_equal(s->worst_ns, worst_ns);
    assert_int_equal(s->frames, frames);
}

static void in_time_is_counted_and_no_period(void **state)
{
    (void)state;
    fixture f;
    lag_period s;
    lag_stats stats;
    open_fixture(&f, LIMIT_NS);
    lag_get_stats(f.lag, &stats);
    assert_int_equal(stats.max_ns, 0);
    assert_int_equal(stats.mean_ns, 0);
    assert_int_equal(write_chunk(&f, MS(750), MS(10)), MS(760));
    assert_int_equal(write_chunk(&f, MS(750), MS(250)), MS(1000)); /* exactly the limit */
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_UNCHANGED);
    lag_get_stats(f.lag, &stats);
    assert_int_equal(stats.last_ns, MS(1000));
    assert_int_equal(stats.max_ns, MS(1000));
    assert_int_equal(stats.mean_ns, MS(880));
    assert_int_equal(stats.late_chunks, 0);
    assert_int_equal(lag_check(f.lag, 1, &s), LAG_UNCHANGED);
    close_fixture(&f);
}

static void a_period_is_reported_once_and_ends_when_it_is_calm(void **state)
{
    (void)state;
    fixture f;
    lag_period s;
    open_fixture(&f, LIMIT_NS);
    write_chunk(&f, MS(750), MS(10));
    write_chunk(&f, MS(750), MS(500)); /* 2 frames, late */
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_BEGINS);
    assert_period(&s, 2000, 2009, MS(1250), 2);
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_UNCHANGED);
    write_chunk(&f, MS(750), MS(10)); /* in time, but the period is not over */
    clock_sim_advance(f.sim, LAG_CALM_NS - MS(1000));
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_UNCHANGED);
    write_chunk(&f, MS(750), MS(1000)); /* 4 frames, late; the calm time restarts */
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_UNCHANGED);
    clock_sim_advance(f.sim, LAG_CALM_NS - 1);
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_UNCHANGED);
    clock_sim_advance(f.sim, 1);
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_ENDS);
    assert_period(&s, 2000, 4009, MS(1750), 6);
    /* Another period starts from zero. */
    write_chunk(&f, MS(750), MS(300));
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_BEGINS);
    assert_period(&s, 5000, 5009, MS(1050), 5);
    lag_stats stats;
    lag_get_stats(f.lag, &stats);
    assert_int_equal(stats.late_chunks, 3);
    assert_int_equal(stats.max_ns, MS(1750));
    assert_int_equal(stats.last_ns, MS(1050));
    assert_int_equal(lag_check(f.lag, 1, &s), LAG_ENDS);
    assert_int_equal(lag_check(f.lag, 1, &s), LAG_UNCHANGED);
    close_fixture(&f);
}

/* A hanging sync is reported before it returns. */
static void a_sync_that_hangs_begins_a_period(void **state)
{
    (void)state;
    fixture f;
    lag_period s;
    lag_stats stats;
    open_fixture(&f, LIMIT_NS);
    seal(&f, MS(800));
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_UNCHANGED);
    clock_sim_advance(f.sim, MS(300));
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_BEGINS);
    assert_period(&s, 1000, 0, MS(1100), 0);
    clock_sim_advance(f.sim, 3 * LAG_CALM_NS);
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_UNCHANGED); /* the period continues */
    lag_get_stats(f.lag, &stats);
    assert_int_equal(stats.last_ns, MS(1100) + 3 * LAG_CALM_NS);
    assert_int_equal(stats.max_ns, MS(1100) + 3 * LAG_CALM_NS);
    assert_int_equal(stats.late_chunks, 0);
    lag_durable(f.lag);
    assert_int_equal(lag_check(f.lag, 1, &s), LAG_ENDS);
    assert_period(&s, 1000, 1009, MS(1100) + 3 * LAG_CALM_NS, 1);
    close_fixture(&f);
}

/* The disk thread may hang in any call, also between two chunks. */
static void a_chunk_that_waits_for_the_disk_is_late_too(void **state)
{
    (void)state;
    fixture f;
    lag_period s;
    open_fixture(&f, LIMIT_NS);
    for (int round = 0; round < 3; round++) { /* the ring wraps around */
        seal(&f, MS(750));
        seal(&f, MS(700));
        seal(&f, MS(100));
        assert_int_equal(lag_durable(f.lag), MS(750));
        assert_int_equal(lag_check(f.lag, 0, &s), LAG_UNCHANGED);
        assert_int_equal(lag_durable(f.lag), MS(700));
        assert_int_equal(lag_durable(f.lag), MS(100));
    }
    seal(&f, MS(750));
    seal(&f, MS(600));
    assert_int_equal(lag_durable(f.lag), MS(750));
    clock_sim_advance(f.sim, MS(500));
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_BEGINS);
    assert_period(&s, 11000, 0, MS(1100), 0);
    assert_int_equal(lag_durable(f.lag), MS(1100));
    assert_int_equal(lag_check(f.lag, 1, &s), LAG_ENDS);
    assert_period(&s, 11000, 11009, MS(1100), 11);
    close_fixture(&f);
}

/* If the commit interval is longer than the calm time, each late chunk would otherwise be a period
 * of its own. */
static void the_calm_is_two_limits_at_least(void **state)
{
    (void)state;
    fixture f;
    lag_period s;
    open_fixture(&f, 60 * TD_NS_PER_S);
    write_chunk(&f, 45 * TD_NS_PER_S, 20 * TD_NS_PER_S);
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_BEGINS);
    clock_sim_advance(f.sim, 120 * TD_NS_PER_S - 1);
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_UNCHANGED);
    clock_sim_advance(f.sim, 1);
    assert_int_equal(lag_check(f.lag, 0, &s), LAG_ENDS);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_time_is_counted_and_no_period),
        cmocka_unit_test(a_period_is_reported_once_and_ends_when_it_is_calm),
        cmocka_unit_test(a_sync_that_hangs_begins_a_period),
        cmocka_unit_test(a_chunk_that_waits_for_the_disk_is_late_too),
        cmocka_unit_test(the_calm_is_two_limits_at_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
