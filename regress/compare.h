/* Two baselines, stream by stream: which frames were decoded the same, which differ and how, which
 * are missing, which are new.
 *
 * Streams are paired by feed, topic and symbol. One that has no partner is paired with the unknown
 * stream of its feed that has its exchange topic: a row of the topic came or went. Frames of two
 * streams are paired by regress/align.h; those of a short part by regress/align_part.h, with the
 * blocks that have frames of its time. One thread. */
#ifndef TD_REGRESS_COMPARE_H
#define TD_REGRESS_COMPARE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "regress/baseline.h"
#include "tape/selection.h"

typedef enum difference_kind {
    DIFFERENCE_DECODE,         /* decoded before and now, and not the same */
    DIFFERENCE_BOOK,           /* only the book after the frame differs */
    DIFFERENCE_NEWLY_FAILING,  /* decoded before, not now */
    DIFFERENCE_NEWLY_DECODING, /* decoded now, not before */
    DIFFERENCE_REASON,         /* not decoded before and now, for another reason */
    DIFFERENCE_KINDS,
} difference_kind;

/* A frame that differs. */
typedef struct difference {
    uint32_t stream; /* index in comparison.streams */
    difference_kind kind;
    uint64_t was_index, is_index; /* in the stream, from 0 */
} difference;

/* A frame that only one baseline has. */
typedef struct unpaired_frame {
    uint64_t index;          /* in the stream, from 0 */
    uint64_t from_ns, to_ns; /* it was received then: first and last frame of its block */
} unpaired_frame;

/* A stream of either baseline, or a pair of them. compared = same + all of by_kind +
 * consequences. */
typedef struct comparison_stream {
    const baseline_stream *was, *is; /* of the baselines; at most one is NULL */
    uint64_t compared, same;
    uint64_t by_kind[DIFFERENCE_KINDS];
    /* Frames of which only the book after them differs, as after the frame before: what an earlier
     * difference leads to until the next snapshot. In no other count. */
    uint64_t consequences;
    uint64_t missing, added; /* only in the first, only in the second baseline */
    uint64_t outside;        /* only in the first, before or after the part that is compared */
    unpaired_frame first_missing, first_added; /* meaningless if there is none */
    difference first;                          /* likewise */
} comparison_stream;

typedef struct comparison {
    comparison_stream *streams; /* by feed, topic, symbol */
    size_t stream_count;
    comparison_stream totals; /* counts only */
    /* By stream and index: of each stream and kind the first LIMIT_DIFFERENCES_OF_KIND, of each
     * stream at least the first one. */
    difference *differences;
    size_t difference_count;
    uint64_t differences_left_out; /* not in the list; consequences never are */
} comparison;

typedef struct compare_options {
    baseline *was, *is; /* borrowed as long as the comparison */
    /* Streams outside of either are passed over; their times do not matter. NULL: none is. */
    const selection *wanted, *covered;
    /* 1: the second baseline covers a part of the time of the first: frames that only the first one
     * has before the first and after the last pair of a stream are not missing, but outside. */
    uint8_t is_part;
} compare_options;

/* Compare. TD_E_UNSUPPORTED: they do not cover the same members; TD_E_CORRUPT: a baseline is
 * damaged; TD_E_IO, TD_E_NOMEM, TD_E_LIMIT. After an error there is nothing to free. */
TD_MUST_USE td_result compare_baselines(const compare_options *options, comparison *out,
                                        td_err *err);
void comparison_fini(comparison *c);

/* Add the counts of a stream to totals. */
void comparison_add(comparison_stream *totals, const comparison_stream *of);

/* Differing frames, consequences included. */
uint64_t comparison_differing(const comparison_stream *of);

/* 1 if every frame was compared and is the same. */
int comparison_is_same(const comparison *c);

/* Stable name of a kind: "decode", "book", "newly_failing", "newly_decoding", "reason". */
const char *difference_kind_name(difference_kind kind);

#endif
