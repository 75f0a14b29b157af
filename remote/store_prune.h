/* Removes from a store what the archive in it no longer needs: manifests that were replaced some
 * time ago, and objects older than that time that no other manifest lists. So each state of the
 * archive within that time stays, with all of its objects. Ages are the store's own times
 * (LastModified), counted from the newest of them; no clock of this machine counts.
 *
 * A push takes an object that it finds for its own. So that none lists an object that is being
 * removed, a prune first makes a manifest of the same files with a flag, under the number that any
 * push would take now. A push that began before cannot make its manifest; one that begins later
 * refuses the flag. Then manifests are removed, then objects, and at last a manifest without the
 * flag is made. A prune that was killed leaves the flag; the next one makes its own flag, and does
 * the rest. If the killed one is still running, it ends before its next removal. */
#ifndef TD_REMOTE_STORE_PRUNE_H
#define TD_REMOTE_STORE_PRUNE_H

#include <stdint.h>

#include "base/err.h"
#include "remote/s3_store.h"

typedef struct store_prune_options {
    uint64_t older_than_ns;
    uint8_t is_dry_run; /* 1: change nothing */
    /* Called with the number of objects that are removed, and to be removed. May be NULL. */
    void (*progress)(void *user, uint64_t done, uint64_t all);
    void *user;
} store_prune_options;

/* With is_dry_run, what would be removed. After a failure, what was to be removed. */
typedef struct store_prune_report {
    uint64_t manifest;        /* number of the newest */
    uint64_t counted_from_ns; /* the newest time in the store */
    uint64_t objects_removed, bytes_removed, manifests_removed;
    uint64_t objects_kept, bytes_kept, manifests_kept;
} store_prune_report;

/* Prune a store. If nothing is to be removed, nothing is written, but a flag of a killed prune is
 * ended. Nothing is removed unless every manifest that stays can be read, and the store has all
 * objects of the newest. TD_E_NOTFOUND: no manifest; TD_E_CORRUPT: a manifest, or an object that
 * the newest lists and the store lacks; TD_E_UNSUPPORTED: the store does not tell times; TD_E_BUSY:
 * a push or another prune made a manifest meanwhile; TD_E_LIMIT: too many objects; errors of
 * remote/manifest.h and remote/s3_store.h. */
TD_MUST_USE td_result remote_prune(s3_store *store, const store_prune_options *options,
                                   store_prune_report *report, td_err *err);

#endif
