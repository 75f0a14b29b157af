/* Inside of prune: what its parts share. */
#ifndef TD_ARCHIVE_PRUNE_IMPL_H
#define TD_ARCHIVE_PRUNE_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/feed_past.h"
#include "archive/journal.h"
#include "archive/prune.h"

/* A segment of the wanted feeds. */
typedef struct prune_candidate {
    char *path; /* below the archive, with ".open" where it has it */
    char *feed;
    char session[SESSION_ID_BYTES];
    uint64_t first_ns, last_ns;
    uint64_t until_ns; /* first frame of the feed behind it, or last_ns */
    uint64_t bytes;
    uint64_t frames;
    char chain_hex[33];   /* of the file itself, and */
    uint64_t chunk_count; /* only of what goes */
    prune_why why;        /* if it goes */
    uint8_t may_go;       /* 1: finished, also in the journal */
    uint8_t was_pruned;   /* 1: the journal has it as pruned already */
    uint8_t goes;
} prune_candidate;

typedef struct prune_work {
    archive *archive;
    const prune_options *options;
    prune_report *report;
    journal *journal;
    archive_past past;
    uint64_t newest_ns; /* receive time of the archive's newest frame that is not in the future */
    uint64_t old_ns; /* bound by age: segments whose last frame is earlier are removed; 0: none */
    uint64_t before_ns;          /* the same with the bound that does not depend on a clock */
    prune_candidate *candidates; /* oldest first */
    size_t count;
} prune_work;

/* Find the moment before which frames are too old. */
TD_MUST_USE td_result prune_find_bound(prune_work *work, td_err *err);

/* After choosing: refuse a choice that a clock that jumped may have caused. TD_E_LIMIT. */
TD_MUST_USE td_result prune_check_bound(const prune_work *work, td_err *err);

/* Copy to the journal what the ledger would lose with the segments that go, and must not. */
TD_MUST_USE td_result prune_keep_gaps(prune_work *work, td_err *err);

/* Remove folders below capture/ that are empty. What cannot be removed stays. */
void prune_remove_folders(prune_work *work);

#endif
