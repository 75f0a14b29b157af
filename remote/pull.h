/* Copies an archive from a store to a folder, or brings such a copy up to date: the journal and the
 * segments of the newest manifest, byte for byte. Each part is proved by its SHA-256 while it is
 * read; a file gets its name when all of it is durable. A segment that the folder has with this
 * content is kept. The catalog is not copied but brought up to date.
 *
 * The journal is written first. So a segment that is not there yet is a missing one to every reader
 * of a copy whose pull was killed, which never looks whole; and the next pull continues.
 *
 * A folder belongs to one archive: its journal must be the begin of the store's, which is checked
 * before anything is written. Then a segment with another content is an older form of the store's
 * (packed there, or unpacked) or is damaged, and is replaced. A segment that only the folder has
 * was pruned there, and stays.
 *
 * Nothing records into the folder meanwhile: both locks of an archive are held. */
#ifndef TD_REMOTE_PULL_H
#define TD_REMOTE_PULL_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "remote/s3_store.h"

typedef struct pull_options {
    /* Called with the bytes of segments that are done, and of all. May be NULL. */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t all_bytes);
    void *user;
} pull_options;

typedef struct pull_report {
    uint64_t manifest; /* number of the newest */
    uint64_t segments; /* that it lists */
    uint64_t journal_bytes;
    uint64_t bytes;             /* of these and of the journal */
    uint64_t segments_received; /* the others were there */
    uint64_t bytes_received;    /* of these, and of the journal */
    uint64_t segments_only_here;
} pull_report;

/* Pull the archive in a store to the folder at path, which is made if it is missing. The options
 * are the ones of archive_open. TD_E_NOTFOUND: the store has no manifest; TD_E_INVALID: the folder
 * has another archive, or a later state of this one; TD_E_BUSY: it is in use; TD_E_CORRUPT: an
 * object, or a manifest, is damaged; errors of archive_open, remote/manifest.h and
 * remote/s3_store.h. */
TD_MUST_USE td_result remote_pull(s3_store *from, const archive_options *into, const char *path,
                                  const pull_options *options, pull_report *report, td_err *err);

#endif
