/* The disk thread: takes sealed chunks from the encoder, makes each durable, and only then
 * announces it. The number of chunks is fixed, so memory is bounded: a slow disk stops the encoder,
 * and the ring fills, where overload is detected.
 *
 * A full disk or an I/O error stops it: it keeps the first failure for the supervisor, announces
 * nothing more, and leaves the files for recover.
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

#include <stddef.h>

#include "base/err.h"
#include "archive/archive_writer.h"
#include "format/chunk_builder.h"
#include "recorder/pipeline/free_space.h"

/* Chunks between encoder and disk: at 1 MiB each some seconds of a busy feed, and a bound on
 * memory. */
enum { DISK_CHUNKS = 8 };

typedef struct disk disk;

typedef struct disk_options {
    archive_writer *writer;       /* used by this thread only, until disk_close returns; borrowed,
                                     like the rest */
    const free_space *free_space; /* how much must stay free; NULL: any */
    uint64_t idle_check_ns;       /* interval of the checks while no chunk comes */
} disk_options;

/* Start the thread. TD_E_IO. */
TD_MUST_USE td_result disk_open(const disk_options *options, disk **out, td_err *err);

/* Encoder: an empty chunk; waits until there is one. NULL once writing has failed. */
sealed_chunk *disk_take(disk *self);

/* Encoder: the chunk that was taken last is filled, for this feed of the writer. */
void disk_put(disk *self, size_t feed_index);

/* Encoder: encoding has failed for good. */
void disk_fail(disk *self);

/* 1 if writing or encoding has failed: what comes is lost. Any thread. */
int disk_has_failed(disk *self);

/* 1 if it has failed, disk space is short, or the lock is gone. Any thread. */
int disk_must_end(disk *self);

/* Wait until everything that was put is written, or the thread has failed; free. Nothing is put any
 * more. The first failure of its life is the result. *end_reason gets why the recording must end;
 * its code is TD_OK if it need not. NULL is fine. */
TD_MUST_USE td_result disk_close(disk *self, td_err *end_reason, td_err *err);

#endif
