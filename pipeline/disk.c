#include "pipeline/disk.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/assert.h"

struct disk {
    disk_options options;
    pthread_t thread;
    atomic_int must_end; /* release/acquire; once it is set, end_reason stays */
    td_err end_reason;
    td_result result;
    td_err err;
};

int disk_must_end(const disk *self)
{
    return atomic_load_explicit(&self->must_end, memory_order_acquire);
}

static void end(disk *self, const td_err *why)
{
    if (disk_must_end(self))
        return;
    self->end_reason = *why;
    atomic_store_explicit(&self->must_end, 1, memory_order_release);
}

static void check_free_space(disk *self)
{
    td_err why;
    if (!disk_must_end(self) && self->options.free_space != NULL &&
        free_space_check(self->options.free_space, &why) == TD_E_NOSPACE)
        end(self, &why);
}

static void check_lock(disk *self)
{
    td_err why;
    if (self->result == TD_OK && archive_writer_check_lock(self->options.writer, &why) == TD_E_BUSY)
        end(self, &why);
}

static void write_chunk(disk *self, queued_chunk *item)
{
    TD_ASSERT(item->chunk != NULL);
    if (self->result != TD_OK)
        return;
    check_free_space(self);
    self->result =
        archive_writer_put(self->options.writer, item->feed_index, item->chunk, &self->err);
    check_lock(self);
    if (self->result != TD_OK)
        chunk_queue_fail(self->options.queue);
}

/* After a failure chunks are still taken, unwritten: no thread may block on the queue. */
static void *run(void *arg)
{
    disk *self = arg;
    queued_chunk *item;
    chunk_queue_state state;
    while ((state = chunk_queue_pop(self->options.queue, self->options.idle_check_ns, &item)) !=
           CHUNK_QUEUE_ENDED) {
        if (state == CHUNK_QUEUE_IDLE) {
            check_free_space(self);
            check_lock(self);
            continue;
        }
        write_chunk(self, item);
        chunk_queue_give(self->options.queue, item);
    }
    return NULL;
}

td_result disk_open(const disk_options *options, disk **out, td_err *err)
{
    TD_ASSERT(options->queue != NULL);
    TD_ASSERT(options->writer != NULL);
    TD_ASSERT(options->idle_check_ns > 0);
    disk *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    int failure = pthread_create(&self->thread, NULL, run, self);
    if (failure != 0) {
        td_free(self);
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
    pthread_join(self->thread, NULL);
    td_result rc = self->result;
    if (disk_must_end(self))
        *end_reason = self->end_reason;
    if (rc != TD_OK && err != NULL)
        *err = self->err;
    td_free(self);
    return rc;
}
