/* Expected values: promise P3: times strictly increase; a step forward of over 1 ms is adopted, a
 * step backward is held; the wall clock is compared once a second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock_sim.h"
#include "recorder/session_clock.h"

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

static void start(fixture *f, session_clock *clock, uint64_t after_ns)
{
    f->sim = clock_sim_open(START_WALL_NS, START_MONO_NS);
    assert_non_null(f->sim);
    f->clock = clock_sim_clock(f->sim);
    session_clock_init(clock, f->clock, after_ns);
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
    start(&f, &clock, 0);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), START_WALL_NS);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), START_WALL_NS + 1);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f) - 99), START_WALL_NS + 2);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f) + 50), START_WALL_NS + 50);
    finish(&f);
}

static void no_time_is_before_the_earlier_session(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    start(&f, &clock, START_WALL_NS + 10 * TD_NS_PER_S);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)),
                     START_WALL_NS + 10 * TD_NS_PER_S + 1);
    finish(&f);
}

static void a_step_forward_is_adopted(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    int64_t step_ns;
    start(&f, &clock, 0);
    advance(&f, TD_NS_PER_S);
    step_wall(&f, (int64_t)(250 * TD_NS_PER_MS));
    assert_int_equal(session_clock_check(&clock, &step_ns), CLOCK_STEP_FORWARD);
    assert_int_equal(step_ns, 250 * TD_NS_PER_MS);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f));
    finish(&f);
}

static void a_step_backward_is_held_and_said_once(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    int64_t step_ns;
    start(&f, &clock, 0);
    uint64_t before_ns = session_clock_stamp(&clock, mono_ns(&f));
    advance(&f, TD_NS_PER_S);
    step_wall(&f, -(int64_t)(3600 * TD_NS_PER_S));
    assert_int_equal(session_clock_check(&clock, &step_ns), CLOCK_STEP_BACKWARD);
    assert_int_equal(step_ns, 3600 * TD_NS_PER_S);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), before_ns + TD_NS_PER_S);
    advance(&f, TD_NS_PER_S);
    assert_int_equal(session_clock_check(&clock, &step_ns), CLOCK_STEP_NONE);
    /* The wall clock is set right again: nothing happened to our times. */
    advance(&f, TD_NS_PER_S);
    step_wall(&f, (int64_t)(3600 * TD_NS_PER_S));
    assert_int_equal(session_clock_check(&clock, &step_ns), CLOCK_STEP_NONE);
    assert_int_equal(session_clock_stamp(&clock, mono_ns(&f)), wall_ns(&f));
    finish(&f);
}

static void drift_below_a_millisecond_is_no_step(void **state)
{
    (void)state;
    fixture f;
    session_clock clock;
    int64_t step_ns;
    start(&f, &clock, 0);
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
    start(&f, &clock, 0);
    step_wall(&f, (int64_t)(TD_NS_PER_S));
    advance(&f, TD_NS_PER_S - 1);
    assert_int_equal(session_clock_check(&clock, &step_ns), CLOCK_STEP_NONE);
    advance(&f, 1);
    assert_int_equal(session_clock_check(&clock, &step_ns), CLOCK_STEP_FORWARD);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_follow_the_monotonic_clock),
        cmocka_unit_test(no_time_is_before_the_earlier_session),
        cmocka_unit_test(a_step_forward_is_adopted),
        cmocka_unit_test(a_step_backward_is_held_and_said_once),
        cmocka_unit_test(drift_below_a_millisecond_is_no_step),
        cmocka_unit_test(the_wall_clock_is_compared_once_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
