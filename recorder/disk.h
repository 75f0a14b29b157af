/* The disk thread: takes sealed chunks, makes each durable, and only then says so.
 *
 * A full disk or an I/O error ends it: the first failure is kept for the supervisor, nothing later
 * is announced, and the files are left for recover. */
#ifndef TD_RECORDER_DISK_H
#define TD_RECORDER_DISK_H

#include "base/err.h"
#include "format/archive_writer.h"
#include "recorder/chunk_queue.h"

typedef struct disk disk;

typedef struct disk_options {
    chunk_queue *queue;         /* borrowed, like the rest */
    archive_writer *writer;     /* used by this thread only, until disk_close returns */
    void (*failed)(void *user); /* called once, on the disk thread, when it gives up */
    void *user;
} disk_options;

/* Start the thread. TD_E_NOMEM, TD_E_IO. */
TD_MUST_USE td_result disk_open(const disk_options *options, disk **out, td_err *err);

/* Wait until the queue has ended and everything in it is written, or the thread has given up; free.
 * The first failure of its life is the result. */
TD_MUST_USE td_result disk_close(disk *self, td_err *err);

#endif
