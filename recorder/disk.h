/* The disk thread: takes sealed chunks, makes each durable, and only then says so.
 *
 * A full disk or an I/O error ends it: the first failure is kept for the supervisor, nothing later
 * is announced, and the files are left for recover.
 *
 * Before that it checks the free disk space: before each chunk, and now and then while none
 * comes, for others may take it. When it is too little it says so, once, and goes on writing: there
 * should be space enough to finish. That costs one statvfs a chunk, some microseconds beside its
 * sync; one that fails is passed over, because the write after it fails, too.
 *
 * After each chunk, and now and then, it looks whether the archive's lock still keeps others away;
 * if not, the recording should end as well as when disk space is short. */
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
    uint64_t idle_check_ns;       /* without a chunk for so long: check the free space */
    void (*failed)(void *user);   /* called once, on the disk thread, when it gives up */
    /* Called at most once, on the disk thread: disk space is short, or the lock is gone, and the
     * recording should end in order; why has the words, for the call. */
    void (*must_end)(void *user, const td_err *why);
    void *user;
} disk_options;

/* Start the thread. TD_E_NOMEM, TD_E_IO. */
TD_MUST_USE td_result disk_open(const disk_options *options, disk **out, td_err *err);

/* Wait until the queue has ended and everything in it is written, or the thread has given up; free.
 * The first failure of its life is the result. */
TD_MUST_USE td_result disk_close(disk *self, td_err *err);

#endif
