/* Expected: promise P3: times strictly increase within a session; recorder/pipeline/session_clock.h
 * describes the treatment of each kind of step; limits are in base/limits.h. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing/clock_sim.h"
#include "recorder/pipeline/session_clock.h"

#define START_WALL_NS (UINT64_C(1700000000) * TD_NS_PER_S)
#define START_MONO_NS (UINT64_C(5) * TD_NS_PER_S)

typedef struct fixture {
    clock_sim *sim;
    td_clock clock;
} fixture;

static uint64_t wall_ns(const fixture *f)
{
    return clock_wall_ns(f->clock);
}

static uint64_t mono_ns(const fixture *f)
{
    return clock_mono_ns(f->clock);
}

static void start(fixture *f, session_clock *clock)
{
    f->sim = clock_sim_open(START_WALL_NS, START_MONO_NS);
    assert_non_null(f->sim);
    f->clock = clock_sim_clock(f->sim);
    session_clock_init(clock, f->clock);
}

static void finish(fixture *f)
{
    clock_sim_close(f->sim);
}

static void advance(fixture *f, uint64_t ns)
{
    clock_sim_advance(f->sim, ns);
}

static void step_wall(fixture *f, int64_t ns)
{
    clock_sim_set_wall(f->sim, wall_ns(f) + (uint64_t)ns);
}

static void times_follow_the_monotonic_clock(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    start(&f, &clock);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), START_WALL_NS);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), START_WALL_NS + 1);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f) - 99), START_WALL_NS + 2);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f) + 50), START_WALL_NS + 50);
    finish(&f);
}

/* ---- a thread that is preempted between two clock readings ---- */

typedef struct waiting_clock {
    fixture *of;
    unsigned waits; /* remaining waits, one at each reading of another than the monotonic clock */
} waiting_clock;

static uint64_t waiting_wall_ns(void *ctx)
{
    waiting_clock *self = ctx;
    uint64_t read_ns = wall_ns(self->of);
    if (self->waits > 0) {
        self->waits--;
        advance(self->of, 10 * TD_NS_PER_MS);
    }
    return read_ns;
}

static uint64_t waiting_boot_ns(void *ctx)
{
    waiting_clock *self = ctx;
    if (self->waits > 0) {
        self->waits--;
        advance(self->of, 10 * TD_NS_PER_MS);
    }
    return clock_boot_ns(self->of->clock);
}

static uint64_t waiting_mono_ns(void *ctx)
{
    return mono_ns(((waiting_clock *)ctx)->of);
}

static void a_wait_between_the_clocks_changes_no_time(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    start(&f, &clock);
    for (unsigned waits = 0; waits < 8; waits++) {
        waiting_clock waiting = {&f, waits};
        const td_clock_ops ops = {
            .wall_ns = waiting_wall_ns, .mono_ns = waiting_mono_ns, .boot_ns = waiting_mono_ns};
        session_clock_init(&clock, (td_clock){&ops, &waiting});
        assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f));
    }
    /* If every reading takes as long, the wall clock was read about in the middle. */
    waiting_clock waiting = {&f, UINT_MAX};
    const td_clock_ops ops = {
        .wall_ns = waiting_wall_ns, .mono_ns = waiting_mono_ns, .boot_ns = waiting_mono_ns};
    session_clock_init(&clock, (td_clock){&ops, &waiting});
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f) - 5 * TD_NS_PER_MS);
    finish(&f);
}

static void a_wait_between_the_clocks_is_no_suspension(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    start(&f, &clock);
    waiting_clock waiting = {&f, 0};
    const td_clock_ops ops = {
        .wall_ns = waiting_wall_ns, .mono_ns = waiting_mono_ns, .boot_ns = waiting_boot_ns};
    session_clock_init(&clock, (td_clock){&ops, &waiting});
    for (unsigned waits = 0; waits < 8; waits++) {
        waiting.waits = waits;
        assert_int_equal(session_clock_add_suspension(&clock), 0);
        assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f));
        advance(&f, 1);
    }
    waiting.waits = 1;
    clock_sim_suspend(f.sim, TD_NS_PER_S);
    assert_int_equal(session_clock_add_suspension(&clock), TD_NS_PER_S);
    finish(&f);
}

/* Checks once a second for this long; returns the step that is found, or none. */
static session_clock_step check_after(fixture *f, session_clock *clock, unsigned seconds,
                                      int64_t *step_ns)
{
    session_clock_step found = CLOCK_STEP_NONE;
    for (unsigned i = 0; i < seconds; i++) {
        int64_t ns;
        advance(f, TD_NS_PER_S);
        session_clock_step step = session_clock_check(clock, &ns);
        if (step == CLOCK_STEP_NONE)
            continue;
        assert_int_equal(found, CLOCK_STEP_NONE);
        found = step;
        *step_ns = ns;
    }
    return found;
}

#define DAYS_30_NS ((int64_t)(UINT64_C(30) * 24 * 3600 * TD_NS_PER_S))
#define CONFIRM_S  ((unsigned)(LIMIT_CLOCK_CONFIRM_NS / TD_NS_PER_S))

static void a_small_step_forward_is_adopted_at_once(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    int64_t step_ns;
    start(&f, &clock);
    step_wall(&f, (int64_t)(250 * TD_NS_PER_MS));
    assert_int_equal(check_after(&f, &clock, 1, &step_ns), CLOCK_STEP_ADOPTED);
    assert_int_equal(step_ns, 250 * TD_NS_PER_MS);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f));
    finish(&f);
}

static void a_clock_that_is_wrong_for_a_while_changes_no_time(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        fixture f;
        session_clock clock;
        int64_t step_ns;
        start(&f, &clock);
        step_wall(&f, sign * DAYS_30_NS);
        assert_int_equal(check_after(&f, &clock, 3, &step_ns), CLOCK_STEP_SEEN);
        assert_int_equal(step_ns, sign * DAYS_30_NS);
        assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), START_WALL_NS + 3 * TD_NS_PER_S);
        step_wall(&f, -sign * DAYS_30_NS);
        assert_int_equal(check_after(&f, &clock, 3, &step_ns), CLOCK_STEP_WITHDRAWN);
        assert_int_equal(step_ns, sign * DAYS_30_NS);
        assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f));
        /* The same step again restarts the time to confirm. */
        step_wall(&f, sign * DAYS_30_NS);
        assert_int_equal(check_after(&f, &clock, CONFIRM_S - 1, &step_ns), CLOCK_STEP_SEEN);
        finish(&f);
    }
}

static void a_large_step_forward_that_lasts_is_adopted(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    int64_t step_ns;
    start(&f, &clock);
    step_wall(&f, DAYS_30_NS);
    assert_int_equal(check_after(&f, &clock, CONFIRM_S, &step_ns), CLOCK_STEP_SEEN);
    assert_int_equal(check_after(&f, &clock, 1, &step_ns), CLOCK_STEP_ADOPTED);
    assert_int_equal(step_ns, DAYS_30_NS);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f));
    assert_int_equal(check_after(&f, &clock, 5, &step_ns), CLOCK_STEP_NONE);
    finish(&f);
}

static void a_clock_that_keeps_stepping_is_never_adopted(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    start(&f, &clock);
    for (int i = 0; i < 50; i++) {
        int64_t step_ns;
        step_wall(&f, (int64_t)(2 * TD_NS_PER_S));
        assert_int_equal(check_after(&f, &clock, 1, &step_ns), CLOCK_STEP_SEEN);
    }
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), START_WALL_NS + 50 * TD_NS_PER_S);
    finish(&f);
}

static void a_small_step_back_is_held_and_reported_once(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    int64_t step_ns;
    start(&f, &clock);
    uint64_t before_ns = session_clock_stamp(&clock, mono_ns(&f));
    step_wall(&f, -(int64_t)TD_NS_PER_S);
    assert_int_equal(check_after(&f, &clock, 60, &step_ns), CLOCK_STEP_HELD);
    assert_int_equal(step_ns, -(int64_t)TD_NS_PER_S);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), before_ns + 60 * TD_NS_PER_S);
    /* The wall clock is corrected: the session's times are unaffected. */
    step_wall(&f, (int64_t)TD_NS_PER_S);
    assert_int_equal(check_after(&f, &clock, 60, &step_ns), CLOCK_STEP_NONE);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f));
    finish(&f);
}

static void a_large_step_back_that_lasts_makes_the_session_wrong(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    int64_t step_ns;
    start(&f, &clock);
    step_wall(&f, -DAYS_30_NS);
    assert_int_equal(check_after(&f, &clock, CONFIRM_S, &step_ns), CLOCK_STEP_SEEN);
    assert_int_equal(check_after(&f, &clock, 30, &step_ns), CLOCK_STEP_WRONG); /* reported once */
    assert_int_equal(step_ns, -DAYS_30_NS);
    assert_true(clock.is_wrong);
    uint64_t stamped_ns = session_clock_stamp(&clock, mono_ns(&f));
    assert_int_equal(stamped_ns, START_WALL_NS + (CONFIRM_S + 30) * TD_NS_PER_S);
    finish(&f);
}

static void suspension_is_no_step(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    int64_t step_ns;
    start(&f, &clock);
    assert_int_equal(session_clock_add_suspension(&clock), 0);
    clock_sim_suspend(f.sim, 3600 * TD_NS_PER_S);
    assert_int_equal(session_clock_add_suspension(&clock), 3600 * TD_NS_PER_S);
    assert_int_equal(session_clock_add_suspension(&clock), 0);
    assert_int_equal(check_after(&f, &clock, 5, &step_ns), CLOCK_STEP_NONE);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f));
    finish(&f);
}

static void drift_below_a_millisecond_is_no_step(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    int64_t step_ns;
    start(&f, &clock);
    for (int i = 0; i < 10; i++) {
        advance(&f, TD_NS_PER_S);
        step_wall(&f, (int64_t)(90 * TD_NS_PER_US));
        assert_int_equal(session_clock_check(&clock, &step_ns), CLOCK_STEP_NONE);
    }
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f) - 900 * TD_NS_PER_US);
    finish(&f);
}

static void the_wall_clock_is_compared_once_a_second(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    int64_t step_ns;
    start(&f, &clock);
    step_wall(&f, (int64_t)(TD_NS_PER_S));
    advance(&f, TD_NS_PER_S - 1);
    assert_int_equal(session_clock_check(&clock, &step_ns), CLOCK_STEP_NONE);
    advance(&f, 1);
    assert_int_equal(session_clock_check(&clock, &step_ns), CLOCK_STEP_ADOPTED);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_follow_the_monotonic_clock),
        cmocka_unit_test(a_wait_between_the_clocks_changes_no_time),
        cmocka_unit_test(a_wait_between_the_clocks_is_no_suspension),
        cmocka_unit_test(a_small_step_forward_is_adopted_at_once),
        cmocka_unit_test(a_clock_that_is_wrong_for_a_while_changes_no_time),
        cmocka_unit_test(a_large_step_forward_that_lasts_is_adopted),
        cmocka_unit_test(a_clock_that_keeps_stepping_is_never_adopted),
        cmocka_unit_test(a_small_step_back_is_held_and_reported_once),
        cmocka_unit_test(a_large_step_back_that_lasts_makes_the_session_wrong),
        cmocka_unit_test(suspension_is_no_step),
        cmocka_unit_test(drift_below_a_millisecond_is_no_step),
        cmocka_unit_test(the_wall_clock_is_compared_once_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
