/* An archive in a store, for reading, as the table of functions of base/io.h: paths below
 * s3://BUCKET/PREFIX are the files of the newest manifest when it was opened. So a reader sees one
 * state of the archive, however many pushes follow. All that writes or locks fails with
 * TD_E_UNSUPPORTED.
 *
 * Reads are requests for ranges. Short ones are served from blocks of REMOTE_BLOCK_BYTES of the
 * file, so that footers and indexes cost few requests; long ones ask for exactly their bytes. */
#ifndef TD_REMOTE_REMOTE_IO_H
#define TD_REMOTE_REMOTE_IO_H

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "remote/s3_store.h"

/* 1 if a path names an archive in a store. */
int remote_io_is_url(const char *path);

typedef struct remote_io remote_io;

/* Open the archive at url. TD_E_NOTFOUND: it has no manifest; errors of s3_store_open and
 * remote_manifest_read. The caller closes *out after all files of its table. */
TD_MUST_USE td_result remote_io_open(const char *url, const td_log *log, remote_io **out,
                                     td_err *err);
void remote_io_close(remote_io *remote);

/* The table; valid until close. Any thread, but a td_file belongs to one thread at a time. */
td_io remote_io_table(remote_io *remote);

/* Traffic of this table's requests. */
s3_traffic remote_io_traffic(const remote_io *remote);

#endif
