#include "recorder/pipeline/lag.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/assert.h"

/* A sealed chunk. */
typedef struct lag_chunk {
    uint64_t oldest_mono_ns;
    uint64_t first_ns, last_ns;
    uint64_t frames;
} lag_chunk;

struct lag {
    td_clock clock;
    uint64_t limit_ns, calm_ns;
    pthread_mutex_t mutex; /* guards everything below */
    lag_chunk *waiting; /* chunks that are not durable yet: a ring of chunk_count entries, oldest at
                           first */
    size_t chunk_count, first, waiting_count;
    uint64_t last_ns, max_ns, sum_ns;
    uint64_t chunks, late_chunks;
    lag_period period;
    uint64_t late_mono_ns; /* when a chunk was last found late */
    uint8_t is_late;       /* 1: a period of late chunks has begun */
    uint8_t is_reported;   /* 1: LAG_BEGINS was returned for the period */
};

lag *lag_open(td_clock clock, uint64_t limit_ns, size_t chunk_count)
{
    TD_ASSERT(limit_ns > 0);
    TD_ASSERT(chunk_count > 0);
    lag *self = td_alloc_zero(1, sizeof *self);
    self->waiting = td_alloc_zero(chunk_count, sizeof *self->waiting);
    self->chunk_count = chunk_count;
    self->clock = clock;
    self->limit_ns = limit_ns;
    self->calm_ns = limit_ns > LAG_CALM_NS / 2 ? 2 * limit_ns : LAG_CALM_NS;
    pthread_mutex_init(&self->mutex, NULL);
    return self;
}

void lag_close(lag *self)
{
    if (self == NULL)
        return;
    pthread_mutex_destroy(&self->mutex);
    td_free(self->waiting);
    td_free(self);
}

void lag_sealed(lag *self, uint64_t oldest_mono_ns, const sealed_chunk *chunk)
{
    pthread_mutex_lock(&self->mutex);
    TD_ASSERT(self->waiting_count < self->chunk_count);
    self->waiting[(self->first + self->waiting_count++) % self->chunk_count] =
        (lag_chunk){.oldest_mono_ns = oldest_mono_ns,
                    .first_ns = chunk->first_ns,
                    .last_ns = chunk->last_ns,
                    .frames = chunk->frame_count};
    pthread_mutex_unlock(&self->mutex);
}

/* Return the lag so far of the oldest chunk that is not durable. mono_ns may be earlier than the
 * chunk's receipt: threads read the clock before they lock the mutex. */
static uint64_t age_ns(const lag *self, uint64_t mono_ns)
{
    if (self->waiting_count == 0)
        return 0;
    uint64_t since_ns = self->waiting[self->first].oldest_mono_ns;
    return mono_ns < since_ns ? 0 : mono_ns - since_ns;
}

/* The oldest waiting chunk is late. */
static void note_late(lag *self, uint64_t lag_ns, uint64_t mono_ns)
{
    TD_ASSERT(lag_ns > self->limit_ns);
    if (!self->is_late)
        self->period = (lag_period){.first_ns = self->waiting[self->first].first_ns};
    self->is_late = 1;
    self->late_mono_ns = mono_ns;
    if (lag_ns > self->period.worst_ns)
        self->period.worst_ns = lag_ns;
}

uint64_t lag_durable(lag *self)
{
    uint64_t mono_ns = clock_mono_ns(self->clock);
    pthread_mutex_lock(&self->mutex);
    TD_ASSERT(self->waiting_count > 0);
    const lag_chunk *chunk = &self->waiting[self->first];
    uint64_t lag_ns = age_ns(self, mono_ns);
    self->last_ns = lag_ns;
    self->sum_ns += lag_ns;
    self->chunks++;
    if (lag_ns > self->max_ns)
        self->max_ns = lag_ns;
    if (lag_ns > self->limit_ns) {
        note_late(self, lag_ns, mono_ns);
        self->late_chunks++;
        self->period.last_ns = chunk->last_ns;
        self->period.frames += chunk->frames;
    }
    self->first = (self->first + 1) % self->chunk_count;
    self->waiting_count--;
    pthread_mutex_unlock(&self->mutex);
    return lag_ns;
}

void lag_get_stats(lag *self, lag_stats *out)
{
    uint64_t mono_ns = clock_mono_ns(self->clock);
    pthread_mutex_lock(&self->mutex);
    uint64_t now_ns = age_ns(self, mono_ns);
    *out = (lag_stats){.last_ns = now_ns > self->last_ns ? now_ns : self->last_ns,
                       .max_ns = now_ns > self->max_ns ? now_ns : self->max_ns,
                       .mean_ns = self->chunks == 0 ? 0 : self->sum_ns / self->chunks,
                       .late_chunks = self->late_chunks};
    pthread_mutex_unlock(&self->mutex);
}

lag_change lag_check(lag *self, int is_over, lag_period *out)
{
    uint64_t mono_ns = clock_mono_ns(self->clock);
    lag_change change = LAG_UNCHANGED;
    pthread_mutex_lock(&self->mutex);
    uint64_t now_ns = age_ns(self, mono_ns);
    if (now_ns > self->limit_ns)
        note_late(self, now_ns, mono_ns); /* frames and to_ns are set by lag_durable */
    int is_calm = mono_ns > self->late_mono_ns && mono_ns - self->late_mono_ns >= self->calm_ns;
    if (self->is_late && !self->is_reported && !is_over) {
        self->is_reported = 1;
        change = LAG_BEGINS;
    } else if (self->is_reported && (is_calm || is_over)) {
        self->is_late = self->is_reported = 0;
        change = LAG_ENDS;
    }
    *out = self->period;
    pthread_mutex_unlock(&self->mutex);
    return change;
}
