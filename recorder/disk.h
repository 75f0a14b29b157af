/* The disk thread: takes sealed chunks, makes each durable, and only then announces it.
 *
 * A full disk or an I/O error stops it: it keeps the first failure for the supervisor, announces
 * nothing more, and leaves the files for recover.
 *
 * It checks the free disk space before each chunk, and at intervals while no chunk comes, because
 * other programs use space too. If too little is free, it calls must_end once and continues to
 * write: min_free leaves enough space to finish. The check is one statvfs per chunk, some
 * microseconds beside the sync; a failed statvfs is ignored, because the write after it fails too.
 *
 * After each chunk, and at intervals, it checks that the archive's lock is still held; if not, it
 * calls must_end as well. */
#ifndef TD_RECORDER_DISK_H
#define TD_RECORDER_DISK_H

#include "base/err.h"
#include "archive/archive_writer.h"
#include "recorder/chunk_queue.h"
#include "recorder/free_space.h"

typedef struct disk disk;

typedef struct disk_options {
    chunk_queue *queue;           /* borrowed, like the rest */
    archive_writer *writer;       /* used by this thread only, until disk_close returns */
    const free_space *free_space; /* how much must stay free; NULL: any */
    uint64_t idle_check_ns;       /* interval of the checks while no chunk comes */
    void (*failed)(void *user);   /* called once, on the disk thread, after a failure */
    /* Called at most once, on the disk thread: disk space is short, or the lock is gone, and the
     * recording should end in order; why has the words, for the call. */
    void (*must_end)(void *user, const td_err *why);
    void *user;
} disk_options;

/* Start the thread. TD_E_IO. */
TD_MUST_USE td_result disk_open(const disk_options *options, disk **out, td_err *err);

/* Wait until the queue has ended and everything in it is written, or the thread has failed; free.
 * The first failure of its life is the result. */
TD_MUST_USE td_result disk_close(disk *self, td_err *err);

#endif
