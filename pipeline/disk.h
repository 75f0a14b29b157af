/* The disk thread: takes sealed chunks, makes each durable, and only then announces it.
 *
 * A full disk or an I/O error stops it: it keeps the first failure for the supervisor, fails the
 * queue, announces nothing more, and leaves the files for recover.
 *
 * It checks the free disk space before each chunk, and at intervals while no chunk comes, because
 * other programs use space too. If too little is free, the recording must end in order, and it
 * continues to write: min_free leaves enough space to finish. The check is one statvfs per chunk,
 * some microseconds beside the sync; a failed statvfs is ignored, because the write after it fails
 * too.
 *
 * After each chunk, and at intervals, it checks that the archive's lock is still held; if not, the
 * recording must end as well. */
#ifndef TD_PIPELINE_DISK_H
#define TD_PIPELINE_DISK_H

#include "base/err.h"
#include "archive/archive_writer.h"
#include "pipeline/chunk_queue.h"
#include "pipeline/free_space.h"

typedef struct disk disk;

typedef struct disk_options {
    chunk_queue *queue;           /* borrowed, like the rest */
    archive_writer *writer;       /* used by this thread only, until disk_close returns */
    const free_space *free_space; /* how much must stay free; NULL: any */
    uint64_t idle_check_ns;       /* interval of the checks while no chunk comes */
} disk_options;

/* Start the thread. TD_E_IO. */
TD_MUST_USE td_result disk_open(const disk_options *options, disk **out, td_err *err);

/* 1 if disk space is short, or the lock is gone. Any thread. */
int disk_must_end(const disk *self);

/* Wait until the queue has ended and everything in it is written, or the thread has failed; free.
 * The first failure of its life is the result. *end_reason gets why the recording must end; its
 * code is TD_OK if it need not. NULL is fine. */
TD_MUST_USE td_result disk_close(disk *self, td_err *end_reason, td_err *err);

#endif
