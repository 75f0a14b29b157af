#include "tests/testing/clock_sim.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/assert.h"

struct clock_sim {
    pthread_mutex_t mutex;
    uint64_t wall_ns;
    uint64_t mono_ns;
    uint64_t suspended_ns;
    uint64_t sleep_count;
};

clock_sim *clock_sim_open(uint64_t wall_ns, uint64_t mono_ns)
{
    clock_sim *sim = td_alloc_zero(1, sizeof *sim);
    pthread_mutex_init(&sim->mutex, NULL);
    sim->wall_ns = wall_ns;
    sim->mono_ns = mono_ns;
    return sim;
}

void clock_sim_close(clock_sim *sim)
{
    if (sim == NULL)
        return;
    pthread_mutex_destroy(&sim->mutex);
    td_free(sim);
}

static uint64_t read_locked(clock_sim *sim, const uint64_t *value)
{
    pthread_mutex_lock(&sim->mutex);
    uint64_t copy = *value;
    pthread_mutex_unlock(&sim->mutex);
    return copy;
}

static uint64_t sim_wall_ns(void *ctx)
{
    clock_sim *sim = ctx;
    return read_locked(sim, &sim->wall_ns);
}

static uint64_t sim_mono_ns(void *ctx)
{
    clock_sim *sim = ctx;
    return read_locked(sim, &sim->mono_ns);
}

static uint64_t sim_boot_ns(void *ctx)
{
    clock_sim *sim = ctx;
    return read_locked(sim, &sim->mono_ns) + read_locked(sim, &sim->suspended_ns);
}

static void sim_sleep_until(void *ctx, uint64_t mono_ns)
{
    clock_sim *sim = ctx;
    pthread_mutex_lock(&sim->mutex);
    sim->sleep_count++;
    if (mono_ns > sim->mono_ns) {
        TD_ASSERT(sim->wall_ns <= UINT64_MAX - (mono_ns - sim->mono_ns));
        sim->wall_ns += mono_ns - sim->mono_ns;
        sim->mono_ns = mono_ns;
    }
    pthread_mutex_unlock(&sim->mutex);
}

td_clock clock_sim_clock(clock_sim *sim)
{
    static const td_clock_ops OPS = {
        .wall_ns = sim_wall_ns,
        .mono_ns = sim_mono_ns,
        .boot_ns = sim_boot_ns,
        .thread_ns = sim_mono_ns,
        .sleep_until = sim_sleep_until,
    };
    return (td_clock){.ops = &OPS, .ctx = sim};
}

void clock_sim_advance(clock_sim *sim, uint64_t ns)
{
    pthread_mutex_lock(&sim->mutex);
    TD_ASSERT(sim->mono_ns <= UINT64_MAX - ns); /* the monotonic clock never steps back */
    sim->wall_ns += ns;
    sim->mono_ns += ns;
    pthread_mutex_unlock(&sim->mutex);
}

void clock_sim_set_wall(clock_sim *sim, uint64_t wall_ns)
{
    pthread_mutex_lock(&sim->mutex);
    sim->wall_ns = wall_ns;
    pthread_mutex_unlock(&sim->mutex);
}

void clock_sim_suspend(clock_sim *sim, uint64_t ns)
{
    pthread_mutex_lock(&sim->mutex);
    sim->wall_ns += ns;
    sim->suspended_ns += ns;
    pthread_mutex_unlock(&sim->mutex);
}

uint64_t clock_sim_sleep_count(clock_sim *sim)
{
    return read_locked(sim, &sim->sleep_count);
}
