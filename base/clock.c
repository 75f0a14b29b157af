#include "base/clock.h"

#include <time.h>

#include "base/assert.h"

static uint64_t read_clock_ns(clockid_t id)
{
    struct timespec now;
    int rc = clock_gettime(id, &now);
    TD_ASSERT(rc == 0);
    TD_ASSERT(now.tv_sec >= 0);
    return (uint64_t)now.tv_sec * TD_NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t real_wall_ns(void *ctx)
{
    (void)ctx;
    return read_clock_ns(CLOCK_REALTIME);
}

static uint64_t real_mono_ns(void *ctx)
{
    (void)ctx;
    return read_clock_ns(CLOCK_MONOTONIC);
}

static uint64_t real_boot_ns(void *ctx)
{
    (void)ctx;
    return read_clock_ns(CLOCK_BOOTTIME);
}

static uint64_t real_thread_ns(void *ctx)
{
    (void)ctx;
    return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_process_ns(pid_t pid)
{
    clockid_t id;
    struct timespec used;
    if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * TD_NS_PER_S + (uint64_t)used.tv_nsec;
}

static void real_sleep_until(void *ctx, uint64_t mono_ns)
{
    (void)ctx;
    struct timespec until = {
        .tv_sec = (time_t)(mono_ns / TD_NS_PER_S),
        .tv_nsec = (long)(mono_ns % TD_NS_PER_S),
    };
    /* EINTR ends the sleep early, which clock.h allows: the signal may request a stop. */
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

td_clock clock_real(void)
{
    static const td_clock_ops OPS = {
        .wall_ns = real_wall_ns,
        .mono_ns = real_mono_ns,
        .boot_ns = real_boot_ns,
        .thread_ns = real_thread_ns,
        .sleep_until = real_sleep_until,
    };
    return (td_clock){.ops = &OPS, .ctx = NULL};
}
