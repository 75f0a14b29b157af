#include "recorder/pipeline/disk.h"

#include <pthread.h>
#include <time.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

struct disk {
    disk_options options;
    pthread_t thread;
    td_result result; /* result and err belong to the thread until it has ended */
    td_err err;
    pthread_mutex_t mutex;  /* guards everything below */
    pthread_cond_t changed; /* uses the monotonic clock */
    sealed_chunk *chunks[DISK_CHUNKS];
    size_t feed_indexes[DISK_CHUNKS];
    size_t first, filled; /* a ring of filled chunks, from the oldest */
    td_err end_reason;    /* the first reason why the recording must end */
    uint8_t is_ended;     /* no more chunks will be put */
    uint8_t has_failed;
};

/* ---- the encoder's side ---- */

sealed_chunk *disk_take(disk *self)
{
    pthread_mutex_lock(&self->mutex);
    while (self->filled == DISK_CHUNKS && !self->has_failed)
        pthread_cond_wait(&self->changed, &self->mutex);
    sealed_chunk *chunk =
        self->has_failed ? NULL : self->chunks[(self->first + self->filled) % DISK_CHUNKS];
    pthread_mutex_unlock(&self->mutex);
    return chunk;
}

void disk_put(disk *self, size_t feed_index)
{
    pthread_mutex_lock(&self->mutex);
    TD_ASSERT(!self->is_ended);
    TD_ASSERT(self->filled < DISK_CHUNKS);
    self->feed_indexes[(self->first + self->filled++) % DISK_CHUNKS] = feed_index;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

void disk_fail(disk *self)
{
    pthread_mutex_lock(&self->mutex);
    self->has_failed = 1;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

int disk_has_failed(disk *self)
{
    pthread_mutex_lock(&self->mutex);
    int has_failed = self->has_failed;
    pthread_mutex_unlock(&self->mutex);
    return has_failed;
}

int disk_must_end(disk *self)
{
    pthread_mutex_lock(&self->mutex);
    int must_end = self->has_failed || self->end_reason.code != TD_OK;
    pthread_mutex_unlock(&self->mutex);
    return must_end;
}

/* ---- the thread ---- */

/* The recording must end: keep the first reason. */
static void set_end_reason(disk *self, const td_err *why)
{
    pthread_mutex_lock(&self->mutex);
    if (self->end_reason.code == TD_OK)
        self->end_reason = *why;
    pthread_mutex_unlock(&self->mutex);
}

static void check_free_space(disk *self)
{
    td_err why;
    if (self->options.free_space != NULL &&
        free_space_check(self->options.free_space, &why) == TD_E_NOSPACE)
        set_end_reason(self, &why);
}

static void check_lock(disk *self)
{
    td_err why;
    if (self->result == TD_OK && archive_writer_check_lock(self->options.writer, &why) == TD_E_BUSY)
        set_end_reason(self, &why);
}

static void *run(void *arg)
{
    disk *self = arg;
    pthread_mutex_lock(&self->mutex);
    while (self->filled > 0 || !self->is_ended) {
        /* Wait up to about idle_check_ns for a chunk. */
        const uint64_t until_ns = clock_mono_ns(clock_real()) + self->options.idle_check_ns;
        const struct timespec until = {.tv_sec = (time_t)(until_ns / TD_NS_PER_S),
                                       .tv_nsec = (long)(until_ns % TD_NS_PER_S)};
        int failure = 0;
        while (self->filled == 0 && !self->is_ended && failure == 0)
            failure = pthread_cond_timedwait(&self->changed, &self->mutex, &until);
        size_t first = self->first;
        size_t feed_index = self->feed_indexes[first];
        int has_chunk = self->filled > 0;
        pthread_mutex_unlock(&self->mutex);
        if (!has_chunk) {
            check_free_space(self);
            check_lock(self);
        } else if (self->result == TD_OK) { /* after a failure chunks are taken and dropped */
            check_free_space(self);
            if (self->options.add_feed != NULL)
                self->result = self->options.add_feed(self->options.user, feed_index, &self->err);
            if (self->result == TD_OK)
                self->result = archive_writer_put(self->options.writer, feed_index,
                                                  self->chunks[first], &self->err);
            check_lock(self);
            if (self->result != TD_OK)
                disk_fail(self);
        }
        pthread_mutex_lock(&self->mutex);
        self->first = (first + (size_t)has_chunk) % DISK_CHUNKS;
        self->filled -= (size_t)has_chunk;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

/* ---- life ---- */

static void free_disk(disk *self)
{
    for (size_t i = 0; i < DISK_CHUNKS; i++)
        sealed_chunk_close(self->chunks[i]);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mutex);
    td_free(self);
}

td_result disk_open(const disk_options *options, disk **out, td_err *err)
{
    TD_ASSERT(options->writer != NULL);
    TD_ASSERT(options->idle_check_ns > 0);
    disk *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    pthread_condattr_t by_monotonic;
    pthread_condattr_init(&by_monotonic);
    pthread_condattr_setclock(&by_monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, &by_monotonic);
    pthread_condattr_destroy(&by_monotonic);
    for (size_t i = 0; i < DISK_CHUNKS; i++)
        self->chunks[i] = sealed_chunk_open();
    int failure = pthread_create(&self->thread, NULL, run, self);
    if (failure != 0) {
        free_disk(self);
        return td_err_set_os(err, failure, "cannot start the disk thread");
    }
    *out = self;
    return TD_OK;
}

td_result disk_close(disk *self, td_err *end_reason, td_err *err)
{
    end_reason->code = TD_OK;
    if (self == NULL)
        return TD_OK;
    pthread_mutex_lock(&self->mutex);
    self->is_ended = 1;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
    td_result rc = self->result;
    *end_reason = self->end_reason;
    if (rc != TD_OK && err != NULL)
        *err = self->err;
    free_disk(self);
    return rc;
}
