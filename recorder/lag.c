#include "recorder/lag.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/assert.h"

/* A chunk closes after this part of the limit; the rest is the disk's. */
#define ENCODER_PART(limit_ns) ((limit_ns) / 4 * 3)

/* A sealed chunk. */
typedef struct lag_chunk {
    size_t path;
    uint64_t oldest_mono_ns, ready_mono_ns;
    uint64_t first_ns, last_ns;
    uint64_t frames;
} lag_chunk;

/* A stretch and what its end needs. */
typedef struct lag_period {
    lag_stretch stretch;
    uint64_t oldest_mono_ns; /* of its first late chunk */
    uint64_t late_mono_ns;   /* when it was last seen to be late */
    uint8_t is_late;         /* there is a stretch */
    uint8_t is_reported;     /* LAG_BEGINS was returned for it */
} lag_period;

struct lag {
    td_clock clock;
    uint64_t limit_ns, calm_ns;
    pthread_mutex_t mutex; /* guards everything below */
    lag_chunk *waiting; /* those that are not durable yet: a ring of chunk_count, from first on */
    size_t chunk_count, first, waiting_count;
    uint64_t last_ns, max_ns, sum_ns;
    uint64_t chunks, late_chunks;
    lag_period periods[1 + LIMIT_FEEDS];             /* by path */
    size_t path_max;                                 /* further ones were never late */
    uint64_t taken_mono_ns;                          /* of the last lag_take; 0 before */
    uint64_t paused_from_mono_ns, paused_to_mono_ns; /* when the recorder last did not run */
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

void lag_sealed(lag *self, size_t path, uint64_t oldest_mono_ns, uint64_t ready_mono_ns,
                const sealed_chunk *chunk)
{
    TD_ASSERT(path <= LIMIT_FEEDS);
    pthread_mutex_lock(&self->mutex);
    TD_ASSERT(self->waiting_count < self->chunk_count);
    self->waiting[(self->first + self->waiting_count++) % self->chunk_count] =
        (lag_chunk){.path = path,
                    .oldest_mono_ns = oldest_mono_ns,
                    .ready_mono_ns = ready_mono_ns,
                    .first_ns = chunk->first_ns,
                    .last_ns = chunk->last_ns,
                    .frames = chunk->frame_count};
    pthread_mutex_unlock(&self->mutex);
}

/* Of the oldest chunk that is not durable. Clocks of several threads may be read in any order. */
static uint64_t age_ns(const lag *self, uint64_t mono_ns)
{
    if (self->waiting_count == 0)
        return 0;
    uint64_t since_ns = self->waiting[self->first].oldest_mono_ns;
    return mono_ns < since_ns ? 0 : mono_ns - since_ns;
}

/* The encoder's part of the oldest waiting chunk's lag; the rest is the disk's. */
static uint64_t encoder_part_ns(const lag *self)
{
    const lag_chunk *chunk = &self->waiting[self->first];
    return chunk->ready_mono_ns > chunk->oldest_mono_ns
               ? chunk->ready_mono_ns - chunk->oldest_mono_ns
               : 0;
}

/* 1 if the oldest waiting chunk is late, and it is known why: the disk has had its share of time.
 */
static int is_overdue(const lag *self, uint64_t lag_ns)
{
    if (lag_ns <= self->limit_ns)
        return 0;
    uint64_t encoder_ns = encoder_part_ns(self);
    return encoder_ns > self->limit_ns ||
           lag_ns - encoder_ns >= self->limit_ns - ENCODER_PART(self->limit_ns);
}

/* What delayed the oldest waiting chunk more, after the time in which a chunk fills. */
static lag_cause blame(const lag *self, uint64_t lag_ns)
{
    uint64_t encoder_ns = encoder_part_ns(self);
    uint64_t disk_ns = lag_ns > encoder_ns ? lag_ns - encoder_ns : 0;
    return encoder_ns > ENCODER_PART(self->limit_ns) + disk_ns ? LAG_CAUSE_PROCESSING
                                                               : LAG_CAUSE_DISK;
}

/* The oldest waiting chunk is late. Returns the period that it belongs to. */
static lag_period *note_late(lag *self, uint64_t lag_ns, uint64_t mono_ns)
{
    TD_ASSERT(lag_ns > self->limit_ns);
    const lag_chunk *chunk = &self->waiting[self->first];
    lag_cause cause = blame(self, lag_ns);
    size_t path = cause == LAG_CAUSE_DISK ? 0 : chunk->path;
    lag_period *period = &self->periods[path];
    if (path > self->path_max)
        self->path_max = path;
    if (!period->is_late) {
        period->stretch = (lag_stretch){
            .path = path, .cause = cause, .limit_ns = self->limit_ns, .from_ns = chunk->first_ns};
        period->oldest_mono_ns = chunk->oldest_mono_ns;
    }
    period->is_late = 1;
    period->late_mono_ns = mono_ns;
    if (lag_ns > period->stretch.worst_ns)
        period->stretch.worst_ns = lag_ns;
    return period;
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
        lag_stretch *stretch = &note_late(self, lag_ns, mono_ns)->stretch;
        self->late_chunks++;
        stretch->to_ns = chunk->last_ns;
        stretch->frames += chunk->frames;
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

/* The network thread was not here for so long: no thread ran, or the recorder's times are as late
 * as if none had. */
static void note_pause(lag *self, uint64_t mono_ns)
{
    if (self->taken_mono_ns != 0 && mono_ns - self->taken_mono_ns >= LIMIT_PAUSE_NS) {
        self->paused_from_mono_ns = self->taken_mono_ns;
        self->paused_to_mono_ns = mono_ns;
    }
    self->taken_mono_ns = mono_ns;
}

/* 1 if the stretch's chunks would have been in time without the last pause. */
static int is_by_pause(const lag *self, const lag_period *period)
{
    uint64_t from_ns = self->paused_from_mono_ns > period->oldest_mono_ns
                           ? self->paused_from_mono_ns
                           : period->oldest_mono_ns;
    uint64_t to_ns = self->paused_to_mono_ns;
    return to_ns > from_ns && period->stretch.worst_ns <= self->limit_ns + (to_ns - from_ns);
}

/* The feed whose frames the encoder is behind with: the path of its open stretch; 0: no feed. */
static size_t slow_path(const lag *self)
{
    for (size_t i = 1; i <= self->path_max; i++)
        if (self->periods[i].is_late)
            return i;
    return 0;
}

/* Whether the period has a change to report at mono_ns. */
static lag_change look_at(lag *self, lag_period *period, uint64_t mono_ns)
{
    if (period->is_late && !period->is_reported) {
        period->is_reported = 1;
        if (is_by_pause(self, period))
            period->stretch.cause = LAG_CAUSE_PAUSE;
        else if (period->stretch.cause == LAG_CAUSE_PROCESSING)
            period->stretch.by = period->stretch.path != 0 ? period->stretch.path : slow_path(self);
        return LAG_BEGINS;
    }
    if (!period->is_late || mono_ns <= period->late_mono_ns ||
        mono_ns - period->late_mono_ns < self->calm_ns)
        return LAG_UNCHANGED;
    period->is_late = 0;
    period->is_reported = 0;
    return LAG_ENDS;
}

lag_change lag_take(lag *self, lag_stretch *out)
{
    uint64_t mono_ns = clock_mono_ns(self->clock);
    lag_change change = LAG_UNCHANGED;
    pthread_mutex_lock(&self->mutex);
    note_pause(self, mono_ns);
    uint64_t now_ns = age_ns(self, mono_ns);
    if (self->waiting_count > 0 && is_overdue(self, now_ns))
        (void)note_late(self, now_ns, mono_ns); /* only lag_durable adds to it */
    for (size_t i = 0; i <= self->path_max && change == LAG_UNCHANGED; i++) {
        change = look_at(self, &self->periods[i], mono_ns);
        *out = self->periods[i].stretch;
    }
    pthread_mutex_unlock(&self->mutex);
    return change;
}

lag_change lag_stop(lag *self, lag_stretch *out)
{
    lag_change change = LAG_UNCHANGED;
    pthread_mutex_lock(&self->mutex);
    for (size_t i = 0; i <= self->path_max && change == LAG_UNCHANGED; i++) {
        lag_period *period = &self->periods[i];
        change = period->is_reported ? LAG_ENDS : LAG_UNCHANGED;
        *out = period->stretch;
        period->is_late = 0;
        period->is_reported = 0;
    }
    pthread_mutex_unlock(&self->mutex);
    return change;
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

void lag_emit(lag_change change, const lag_stretch *stretch, intake *into,
              const recorder_config *config, const td_log *log)
{
    static const struct {
        const char *event, *begins, *ends;
    } WORDS[] = {
        [LAG_CAUSE_DISK] = {"the disk is slower than commit_interval", "the disk is slow",
                            "the disk keeps up again"},
        [LAG_CAUSE_PROCESSING] = {"frames come faster than they are processed",
                                  "frames come faster than they are processed",
                                  "frames are processed in time again"},
        [LAG_CAUSE_PAUSE] = {"the recorder did not run", "the recorder did not run for a while",
                             "frames are durable in time again"},
    };
    if (change == LAG_UNCHANGED)
        return;
    const event overload = {.kind = EVENT_OVERLOAD,
                            .what = EVENT_OVERLOAD_DURABILITY,
                            .state = change == LAG_BEGINS ? "begins" : "ends",
                            .from_ns = stretch->from_ns,
                            .to_ns = change == LAG_BEGINS ? 0 : stretch->to_ns,
                            .frames = change == LAG_BEGINS ? 0 : stretch->frames,
                            .lag_ns = stretch->worst_ns,
                            .cause = WORDS[stretch->cause].event};
    size_t by = stretch->by != 0 ? stretch->by : stretch->path;
    const char *feed = by == 0 ? "" : config->feeds[by - 1].name;
    const char *colon = by == 0 ? "" : ": ";
    const char *others = by != 0 && stretch->path == 0 ? ", and other feeds wait for them" : "";
    if (stretch->path == 0)
        intake_event_all(into, &overload);
    else
        intake_event(into, (uint16_t)(stretch->path - 1), &overload);
    if (change == LAG_BEGINS)
        td_log_emit(log, TD_LOG_WARNING,
                    "%s%s%s%s: frames are not durable after %.3f s; commit_interval is %.3f s",
                    feed, colon, WORDS[stretch->cause].begins, others, seconds(stretch->worst_ns),
                    seconds(stretch->limit_ns));
    else
        td_log_emit(log, TD_LOG_INFO, "%s%s%s; frames became durable up to %.3f s after receipt",
                    feed, colon, WORDS[stretch->cause].ends, seconds(stretch->worst_ns));
}
