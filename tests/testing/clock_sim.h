/* The simulated side of the clock table, for tests: it stands still until a test moves it.
 *
 * Sleeping moves it: sleep_until(t) sets the monotonic clock to t at once (and the wall clock on by
 * as much), so that what waits for an hour is done now. All that passes is CPU time of each thread.
 * Any thread may use it. */
#ifndef TD_TESTS_TESTING_CLOCK_SIM_H
#define TD_TESTS_TESTING_CLOCK_SIM_H

#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"

typedef struct clock_sim clock_sim;

/* A clock that shows these times, in ns. */
TD_MUST_USE clock_sim *clock_sim_open(uint64_t wall_ns, uint64_t mono_ns);
void clock_sim_close(clock_sim *sim);

/* The table that reads it; valid until clock_sim_close. */
td_clock clock_sim_clock(clock_sim *sim);

/* Let time pass: both clocks go on by this much. */
void clock_sim_advance(clock_sim *sim, uint64_t ns);

/* Step the wall clock, forward or back; the monotonic clock never steps. */
void clock_sim_set_wall(clock_sim *sim, uint64_t wall_ns);

/* Suspend the machine: wall clock and boot-time clock go on, the monotonic clock does not. */
void clock_sim_suspend(clock_sim *sim, uint64_t ns);

/* Number of sleeps. */
uint64_t clock_sim_sleep_count(clock_sim *sim);

#endif
