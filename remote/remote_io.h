/* An archive in a store, for reading, as the table of functions of base/io.h: paths below
 * s3://BUCKET/PREFIX are the files of the newest manifest when it was opened. So a reader sees one
 * state of the archive, however many pushes follow. All that writes or locks fails with
 * TD_E_UNSUPPORTED.
 *
 * Reads are requests for ranges. Reads of fewer bytes than a block are served from blocks, of which
 * the latest are kept, so that footers, indexes and pages of the catalog cost few requests; others
 * ask for exactly their bytes. What was read is also kept on this machine's disk for later commands
 * (remote/object_cache.h). */
#ifndef TD_REMOTE_REMOTE_IO_H
#define TD_REMOTE_REMOTE_IO_H

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "archive/archive.h"
#include "remote/s3_store.h"

/* Measured with an archive of 24 segments of 100 symbols: 10 s of one symbol need 26 pages of the
 * catalog, which are in 17 blocks (139,264 bytes); with 16 KiB in 12 (188,416), with 4 KiB in 26
 * (106,496). */
#define REMOTE_BLOCK_BYTES ((size_t)8 << 10)

/* Most that is read ahead of reads that follow each other, for each open file. */
#define REMOTE_AHEAD_BYTES ((size_t)1 << 20)

typedef struct remote_io remote_io;

/* Open the archive at url. TD_E_NOTFOUND: it has no manifest; errors of s3_store_open and
 * remote_manifest_read. The caller closes *out after all files of its table. */
TD_MUST_USE td_result remote_io_open(const char *url, const td_log *log, remote_io **out,
                                     td_err *err);
/* From now on take all bytes from the store, none from the cache on disk: for a caller that proves
 * what the store has. No other thread may read meanwhile. NULL is allowed. */
void remote_io_prove(remote_io *remote);

/* Log the traffic, and free; NULL is allowed. */
void remote_io_close(remote_io *remote);

/* The table; valid until close. Any thread, but a td_file belongs to one thread at a time. */
td_io remote_io_table(remote_io *remote);

/* Open the archive at path for reading: on the disk, by the table in options, or in a store if path
 * is a URL; *remote is NULL for one on the disk. Errors of archive_open and remote_io_open. The
 * caller closes *out, then *remote. */
TD_MUST_USE td_result remote_open_archive(const archive_options *options, const char *path,
                                          remote_io **remote, archive **out, td_err *err);

#endif
