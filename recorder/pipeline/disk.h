/* The disk thread: takes sealed chunks from the encoder, makes each durable, and only then
 * announces it. The number of chunks is fixed, so memory is bounded: a slow disk stops the encoder,
 * then the ring fills, and the intake detects overload.
 *
 * A full disk or an I/O error stops the thread: it keeps the first failure for disk_close,
 * announces nothing more, and leaves the files for recovery.
 *
 * It checks the free disk space before each chunk, and at intervals while idle, because other
 * programs use space too. If too little is free, the recording must end; the thread continues to
 * write, because min_free leaves enough space to finish. The check costs one statvfs per chunk:
 * some microseconds, much less than a sync. A failed statvfs is ignored, because the write after it
 * fails too.
 *
 * After each chunk, and at intervals while idle, it checks that the archive's lock is still held;
 * if not, the recording must end as well. */
#ifndef TD_PIPELINE_DISK_H
#define TD_PIPELINE_DISK_H

#include <stddef.h>

#include "base/err.h"
#include "archive/archive_writer.h"
#include "recorder/pipeline/free_space.h"

/* Number of chunks between encoder and disk; it bounds memory. At 1 MiB each, the chunks hold some
 * seconds of a busy feed. */
enum { DISK_CHUNKS = 8 };

typedef struct disk disk;

typedef struct disk_options {
    archive_writer *writer; /* used by the disk thread only, until disk_close returns; borrowed,
                               like the other pointers */
    const free_space *free_space; /* the space that must stay free; NULL: not checked */
    uint64_t idle_check_ns;       /* interval of the checks while idle */
    /* Disk thread, before a chunk is written: the writer must have the feed. NULL: it has. */
    td_result (*add_feed)(void *user, size_t feed_index, td_err *err);
    void *user;
} disk_options;

/* Start the thread. TD_E_IO. */
TD_MUST_USE td_result disk_open(const disk_options *options, disk **out, td_err *err);

/* Encoder: get an empty chunk; waits for one. NULL once writing has failed. */
sealed_chunk *disk_take(disk *self);

/* Encoder: pass to the disk thread the chunk that the last disk_take returned. The chunk must hold
 * frames of this feed. */
void disk_put(disk *self, size_t feed_index);

/* Encoder: encoding has failed for good. */
void disk_fail(disk *self);

/* 1 if writing or encoding has failed: later frames are lost. Any thread. */
int disk_has_failed(disk *self);

/* 1 if writing or encoding has failed, disk space is short, or the lock is lost. Any thread. */
int disk_must_end(disk *self);

/* Wait until every chunk that was put is written, or the thread has failed; free. Put nothing after
 * this call. Returns the thread's first failure. *end_reason gets the reason why the recording must
 * end; its code is TD_OK if the recording need not end. self may be NULL. */
TD_MUST_USE td_result disk_close(disk *self, td_err *end_reason, td_err *err);

#endif
