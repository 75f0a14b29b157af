/* A simulated clock for tests; its times change only when a test changes them, or sleeps.
 *
 *
 * sleep_until(t) sets the monotonic clock to t at once, and moves the wall clock by as much, so
 * waiting for an hour takes no time. The CPU time of threads is real. Any thread may use the
 * clock. */
#ifndef TD_TESTS_TESTING_CLOCK_SIM_H
#define TD_TESTS_TESTING_CLOCK_SIM_H

#include <stdint.h>

#include "base/attr.h"
#include "base/clock.h"

typedef struct clock_sim clock_sim;

/* A clock with these times, in ns. */
TD_MUST_USE clock_sim *clock_sim_open(uint64_t wall_ns, uint64_t mono_ns);
void clock_sim_close(clock_sim *sim);

/* The clock table of the simulation; valid until clock_sim_close. */
td_clock clock_sim_clock(clock_sim *sim);

/* Advance both clocks. */
void clock_sim_advance(clock_sim *sim, uint64_t ns);

/* Step the wall clock, forward or back; the monotonic clock never steps. */
void clock_sim_set_wall(clock_sim *sim, uint64_t wall_ns);

/* Suspend the machine: the wall clock and the boot-time clock advance, the monotonic clock does
 * not. */
void clock_sim_suspend(clock_sim *sim, uint64_t ns);

/* The number of calls of sleep_until. */
uint64_t clock_sim_sleep_count(clock_sim *sim);

#endif
