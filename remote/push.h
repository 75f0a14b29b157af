/* Copies an archive to a store: its finished segments, the sound bytes of its journal, and its
 * catalog, without which a push succeeds, but readers need more bytes of each segment. An object
 * counts once it was read back with its hash. Only then a manifest lists it, so a reader of the
 * store sees a whole push or none of it, whenever a push was killed; the next one finds the objects
 * that were made.
 *
 * Safe beside a recorder. Open segments are not sent: their time is missing in the store until a
 * push after they are finished. The journal is read before the segments are listed, as for any copy
 * (docs/archive.md, Backup). The newest manifest is the archive as it was at the push: a segment
 * that was packed is its new object, and one that was pruned is in earlier manifests only. A
 * segment that the journal has and the folder lacks stays listed if the manifest before has it:
 * remote_move removed it, or it was lost.
 *
 * A prefix belongs to one archive: the journal only grows, so another archive's shows. */
#ifndef TD_REMOTE_PUSH_H
#define TD_REMOTE_PUSH_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "remote/s3_store.h"

typedef struct push_options {
    /* Called with the bytes of segments that are done, and of all. May be NULL. */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t all_bytes);
    /* 1 ends the push after the request in flight. May be NULL. */
    int (*is_stopped)(void *user);
    void *user;
} push_options;

typedef struct push_report {
    uint64_t manifest;      /* number of the newest */
    uint8_t is_new;         /* 1: this push made it; 0: the store had all of it */
    uint64_t segments;      /* that it lists */
    uint64_t bytes;         /* of all its files */
    uint64_t segments_sent; /* by this push, or found there from a push that was killed */
    uint64_t bytes_sent;    /* of these segments, of the journal and of the catalog */
    uint64_t segments_open; /* not sent, because they are not finished */
    uint64_t journal_bytes;
    uint64_t catalog_bytes;          /* 0: the store has no catalog */
    uint64_t segments_not_cataloged; /* of `segments`: the store's catalog lacks them */
} push_report;

/* Push an archive, open for reading, to a store. TD_EOF: stopped, and no manifest was made.
 * TD_E_INVALID: the archive is a single file, has no journal, or the store's prefix has another
 * archive; TD_E_NOTFOUND: a segment was moved to another store, and this one lacks it;
 * TD_E_CORRUPT: the store gave back other bytes; TD_E_BUSY: a segment was replaced meanwhile,
 * another push made a manifest, or a prune of the store is running or was killed; errors of
 * remote/manifest.h and remote/s3_store.h. */
TD_MUST_USE td_result remote_push(archive *from, s3_store *to, const push_options *options,
                                  push_report *report, td_err *err);

#endif
