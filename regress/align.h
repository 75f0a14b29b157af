/* Pairs two sequences of frames by 16 bits of each frame's bytes: which frames are in both, which
 * are missing from the second, which are new in it.
 *
 * The sequences are read from their beginning to their end, a block at a time. Where the next ids
 * differ, the smallest skip (ids of the first sequence plus ids of the second) is taken after which
 * four ids agree. It is searched for among the next ALIGN_WINDOW_IDS of both sequences; after that
 * only one of the two is skipped (a long stretch was added or removed): its rest is searched for
 * what the other one has in its window. If nothing is found, both windows have no pairs. Less than
 * four ids that agree are enough at the end of both sequences, and after a short skip at the end of
 * one.
 *
 * Memory is bounded (some 5 MiB). Time is linear: a search in the windows costs as much as the skip
 * that it finds is long, and searches beyond them read each sequence ALIGN_PASSES_MAX times at
 * most; after that, only the windows are searched.
 *
 * One thread. */
#ifndef TD_REGRESS_ALIGN_H
#define TD_REGRESS_ALIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    ALIGN_BLOCK_IDS = 4096,   /* ids are read in blocks that begin at multiples of this */
    ALIGN_WINDOW_IDS = 65536, /* a skip in both sequences is found within so many ids of each */
    ALIGN_GRAM_IDS = 4,       /* ids that must agree after a skip: 64 bits, so never by chance */
    ALIGN_PASSES_MAX = 16,
};

/* One of the two sequences. */
typedef struct align_sequence {
    uint64_t count; /* ids in it */
    /* Copy count ids from index first on; they are within one block, or cross blocks. An error ends
     * the alignment. */
    td_result (*read)(void *ctx, uint64_t first, size_t count, uint16_t *ids, td_err *err);
    void *ctx;
} align_sequence;

typedef enum align_kind {
    ALIGN_PAIRED,  /* frames of both */
    ALIGN_MISSING, /* frames of the first sequence alone */
    ALIGN_ADDED,   /* frames of the second sequence alone */
} align_kind;

/* A run of frames. Indexes count from 0: of the run's first frame, or of the next frame of the
 * sequence that the run has no frames of. */
typedef struct align_run {
    align_kind kind;
    uint64_t was_index, is_index;
    uint64_t count; /* at least 1 */
} align_run;

typedef struct aligner aligner;

/* A new aligner, with nothing to align; TD_E_NOMEM. */
TD_MUST_USE td_result aligner_open(aligner **out, td_err *err);
void aligner_close(aligner *a);

/* Begin to align two sequences. What they point to is borrowed until the next begin or close. */
void aligner_begin(aligner *a, const align_sequence *was, const align_sequence *is);

/* The next run; every frame of both sequences is in exactly one, in order. Runs of pairs may follow
 * each other. TD_EOF after the last one; TD_E_NOMEM; an error of a sequence's read. */
TD_MUST_USE td_result aligner_next(aligner *a, align_run *out, td_err *err);

/* Ids that were read so far, of both sequences and by all searches; shows that time is linear. */
uint64_t aligner_ids_read(const aligner *a);

#endif
