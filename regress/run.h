/* Plays a selection on all cores, and gives the row of every frame (baseline.h) to a baseline that
 * is being filled, or compares it with that of a complete one.
 *
 * Covered is what was received: data, copies included, frames of no known topic, and control
 * frames. Not covered are the lead-in, what the client sent, HTTP answers, and events. */
#ifndef TD_REGRESS_RUN_H
#define TD_REGRESS_RUN_H

#include <stdint.h>

#include "archive/archive.h"
#include "base/err.h"
#include "replay/play/observe.h"
#include "regress/baseline.h"
#include "regress/join.h"
#include "regress/member_mask.h"
#include "regress/user_decoder.h"
#include "tape/selection.h"

/* The topic of control frames in a baseline. */
#define REGRESS_CONTROL "_control"

typedef struct regress_options {
    const observe_options *how;
    const selection *wanted; /* with absolute times */
    user_decoder *decoder;
} regress_options;

/* What a run read. */
typedef struct regress_totals {
    uint64_t frames; /* covered */
    uint64_t decoded, undecoded, control;
    uint64_t file_bytes; /* of the baseline */
    uint64_t masked;     /* decoded to the same members, and otherwise not to the same */
    uint8_t is_damaged;  /* chunks could not be read */
} regress_totals;

/* How a frame differs. */
typedef enum difference_kind {
    DIFFERENCE_DECODE,         /* decoded before and now, and not the same */
    DIFFERENCE_BOOK,           /* only the book after the frame differs */
    DIFFERENCE_NEWLY_FAILING,  /* decoded before, not now */
    DIFFERENCE_NEWLY_DECODING, /* decoded now, not before */
    DIFFERENCE_REASON,         /* not decoded before and now, for another reason */
    DIFFERENCE_UNSTABLE,       /* the decoder was asked twice and gave two answers */
    /* Of a frame of one side. */
    DIFFERENCE_MISSING, /* only the baseline has it */
    DIFFERENCE_NEW,     /* only the archive has it */
    DIFFERENCE_KINDS,
} difference_kind;

/* Counts of frames. Those of both sides are compared = same + by_kind + consequences. */
typedef struct regress_counts {
    uint64_t compared, same;
    uint64_t by_kind[DIFFERENCE_KINDS];
    /* Frames of which only the book differs, as after the frame before: what an earlier difference
     * leads to until the next snapshot. In no other count. */
    uint64_t consequences;
    uint64_t outside; /* only in the baseline, before or after the part that is compared */
} regress_counts;

/* The first difference of a stream. */
typedef struct regress_difference {
    difference_kind kind;
    uint64_t was_index, is_index; /* in the stream, from 0 */
    uint64_t from_ns, to_ns;      /* of DIFFERENCE_MISSING: between these it was received */
    /* The frame; of DIFFERENCE_MISSING the archive's next one. */
    uint8_t has_frame; /* 0: the archive's stream has ended */
    uint64_t position; /* in the archive: orders frames of different streams */
    uint64_t recv_ns, ordinal;
    uint32_t line, shard, conn;
    uint8_t has_book; /* 1: it changes a book */
    char session_id[16];
    char *frame; /* its bytes, NULL if there are more than LIMIT_REGRESS_FRAME_BYTES */
    size_t frame_bytes;
    char *decode_is;  /* JSON, and a NUL; NULL: unknown */
    char *decode_was; /* likewise: known only if the decoder is at hand */
} regress_difference;

typedef struct regress_stream {
    baseline_stream names;
    regress_counts counts;
    uint8_t is_different;
    regress_difference first; /* if is_different */
} regress_stream;

typedef struct regress_comparison {
    regress_stream **streams; /* in the order of baseline_compare_names */
    size_t stream_count;
    regress_counts totals;
    td_arena *texts;
    const regress_stream *first; /* the first of the archive that differs; NULL: none */
} regress_comparison;

/* Write a baseline to path; *made is complete and open. TD_E_IO: a signal stopped the run, among
 * others; TD_E_NOTFOUND: nothing matches the selection; TD_E_CORRUPT: all that does is damaged. */
TD_MUST_USE td_result regress_save(const regress_options *options, const char *path,
                                   baseline **made, regress_totals *totals, td_err *err);

typedef struct regress_against {
    baseline *was;
    join_extent extent;
    user_decoder *was_decoder; /* decodes first differences as before; NULL: unknown */
    const member_mask *mask;   /* given: was_decoder decodes every frame, and where both have the
                                  same members, the frame counts as decoded as before */
} regress_against;

/* Compare with a baseline. As regress_save; TD_E_INVALID: no frame has a member of the mask's. *out
 * is for regress_comparison_close, also after an error. */
TD_MUST_USE td_result regress_compare(const regress_options *options,
                                      const regress_against *against, regress_totals *totals,
                                      regress_comparison *out, td_err *err);
void regress_comparison_close(regress_comparison *comparison);

/* Frames that differ, are missing or are new: 0 if all is the same. */
uint64_t regress_differing(const regress_counts *counts);

/* Add counts of a stream to a sum. */
void regress_counts_add(regress_counts *to, const regress_counts *of);

#endif
