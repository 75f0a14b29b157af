/* A second look at frames that differ: what baselines do not have. Only their streams are played
 * again, in the time of the blocks that they are in, and of each frame its place, its decode, and
 * for the first one of each stream its bytes and its book are kept.
 *
 * Frames are found by counting, as the baseline counted them. What was decoded is the same as in
 * the baseline's run, if archive and decoder are. One thread calls; the tape may have more. */
#ifndef TD_REGRESS_EXPLAIN_H
#define TD_REGRESS_EXPLAIN_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "format/segment_name.h"
#include "regress/baseline.h"
#include "regress/compare.h"
#include "tape/decoding.h"
#include "tape/selection.h"

/* Which of the two baselines that were compared. */
typedef enum explain_side { EXPLAIN_WAS, EXPLAIN_IS } explain_side;

typedef struct explain_options {
    archive *archive;
    const selection *wanted;       /* of the run that made the baseline */
    const tape_decoding *decoding; /* of that run; NULL: the built-in decoder */
    const struct decoder_map *map; /* of that run; may be NULL */
    unsigned threads;
    const td_log *log; /* may be NULL */
    baseline *of;      /* of this side */
    const comparison *compared;
    explain_side side;
    /* Called now and then; 1 stops. May be NULL. */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns);
    void *user;
} explain_options;

/* A frame. Views are valid until explained_fini. */
typedef struct explained_frame {
    uint32_t stream;   /* index in the comparison's streams */
    uint64_t index;    /* in the side's stream, from 0 */
    uint64_t position; /* orders the frames of one call, of whatever stream */
    uint64_t recv_ns;
    uint64_t ordinal; /* on its connection */
    uint32_t session, conn, shard, line;
    char session_id[SESSION_ID_BYTES]; /* "" if it is not one of ours */
    int64_t seq;                       /* the frame's own number: cross_seq, else seq, else u */
    uint8_t has_seq;
    td_bytes decode; /* one JSON object, as regress/decode_line.h writes it */
    td_bytes bytes;  /* of the first difference of a stream; else empty */
    td_bytes book;   /* of a first difference by the book alone: its best levels, asks above bids, a
                        line "Sell PRICE SIZE" or "Buy PRICE SIZE" each; else empty */
} explained_frame;

typedef struct explained {
    explained_frame *frames; /* by stream and index */
    size_t count;
    uint64_t left_out; /* differences without a frame here: beyond LIMIT_EXPLAIN_FRAMES or
                          LIMIT_EXPLAIN_BYTES, or not in the archive any more */
    td_arena *arena;
} explained;

/* Explain differences of the comparison, which are in its order; of more than fit, the first one of
 * each stream comes first. TD_EOF: progress stopped it; TD_E_* as of tapes and baselines. After
 * anything but TD_OK there is nothing to free. */
TD_MUST_USE td_result explain_frames(const explain_options *options, const difference *wanted,
                                     size_t count, explained *out, td_err *err);
void explained_fini(explained *e);

#endif
