/* Time, through a table of functions, so that tests can control it. Real: clock_real(). Simulated:
 * tests/testing/clock_sim.h. No other module reads the system's time or sleeps. */
#ifndef TD_BASE_CLOCK_H
#define TD_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TD_NS_PER_S   UINT64_C(1000000000)
#define TD_NS_PER_DAY (86400 * TD_NS_PER_S)
#define TD_NS_PER_MS  UINT64_C(1000000)
#define TD_NS_PER_US  UINT64_C(1000)

typedef struct td_clock_ops {
    uint64_t (*wall_ns)(void *ctx);
    uint64_t (*mono_ns)(void *ctx);
    uint64_t (*boot_ns)(void *ctx);
    uint64_t (*thread_ns)(void *ctx);
    void (*sleep_until)(void *ctx, uint64_t mono_ns);
} td_clock_ops;

/* A table and its context; passed by value. Any thread. */
typedef struct td_clock {
    const td_clock_ops *ops;
    void *ctx;
} td_clock;

/* The machine's clocks: CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME,
 * CLOCK_THREAD_CPUTIME_ID, clock_nanosleep to an absolute time. */
td_clock clock_real(void);

/* Nanoseconds since 1970-01-01 UTC; may jump in both directions. */
static inline uint64_t clock_wall_ns(td_clock clock)
{
    return clock.ops->wall_ns(clock.ctx);
}

/* Nanoseconds since a fixed time; never jumps. Excludes suspend time of the machine. */
static inline uint64_t clock_mono_ns(td_clock clock)
{
    return clock.ops->mono_ns(clock.ctx);
}

/* As clock_mono_ns, including suspend time of the machine. */
static inline uint64_t clock_boot_ns(td_clock clock)
{
    return clock.ops->boot_ns(clock.ctx);
}

/* CPU time of the calling thread. */
static inline uint64_t clock_thread_ns(td_clock clock)
{
    return clock.ops->thread_ns(clock.ctx);
}

/* CPU time of a process of this machine and its threads, without its children; 0: it has ended. */
uint64_t clock_process_ns(pid_t pid);

/* Sleep until the monotonic clock reaches mono_ns. May return early after a signal. */
static inline void clock_sleep_until(td_clock clock, uint64_t mono_ns)
{
    clock.ops->sleep_until(clock.ctx, mono_ns);
}

#endif
