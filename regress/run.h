/* Plays a selection on all cores, computes the baseline_row of every frame, and adds it to a new
 * baseline or compares it with a complete one.
 *
 * Covers received frames: data frames with copies, frames of unknown topics, control frames. Leaves
 * out frames before the selection, frames that the client sent, HTTP answers and events. */
#ifndef TD_REGRESS_RUN_H
#define TD_REGRESS_RUN_H

#include <stdint.h>

#include "archive/archive.h"
#include "base/err.h"
#include "book/book.h"
#include "replay/play/observe.h"
#include "regress/baseline.h"
#include "regress/join.h"
#include "regress/member_mask.h"
#include "regress/user_decoder.h"
#include "tape/selection.h"

/* The topic that a baseline has for control frames. */
#define REGRESS_CONTROL "_control"

typedef struct regress_options {
    const observe_options *how;
    const selection *wanted; /* with absolute times */
    user_decoder *decoder;
} regress_options;

/* Counts of a run. */
typedef struct regress_totals {
    uint64_t frames; /* covered frames */
    uint64_t decoded, undecoded, control;
    uint64_t file_bytes; /* size of the baseline */
    uint64_t masked;     /* decoded equally in the compared members, but not in others */
    uint8_t is_damaged;  /* 1: chunks of the archive could not be read */
} regress_totals;

/* How a frame differs. */
typedef enum difference_kind {
    DIFFERENCE_DECODE,         /* decoded in both runs, with different results */
    DIFFERENCE_BOOK,           /* only the book after the frame differs */
    DIFFERENCE_NEWLY_FAILING,  /* decoded before, not now */
    DIFFERENCE_NEWLY_DECODING, /* decoded now, not before */
    DIFFERENCE_REASON,         /* decoded in neither run, for different reasons */
    DIFFERENCE_UNSTABLE,       /* the decoder gave two answers for one frame */
    /* Kinds for a frame that only one side has: */
    DIFFERENCE_MISSING, /* only the baseline has it */
    DIFFERENCE_NEW,     /* only the archive has it */
    DIFFERENCE_KINDS,
} difference_kind;

/* Counts of frames. Frames that both sides have: compared = same + by_kind + consequences. */
typedef struct regress_counts {
    uint64_t compared, same;
    uint64_t by_kind[DIFFERENCE_KINDS];
    /* Frames of which only the book differs, while the book already differed after the previous
     * frame: one difference causes such frames until the next snapshot. They are not in by_kind. */
    uint64_t consequences;
    uint64_t outside; /* frames of the baseline before or after the compared part */
} regress_counts;

/* The first difference of a stream. */
typedef struct regress_difference {
    difference_kind kind;
    uint64_t was_index, is_index; /* as in join_step */
    uint64_t first_ns, last_ns;   /* DIFFERENCE_MISSING: as in join_step */
    /* The members below describe the differing frame; for DIFFERENCE_MISSING, the archive's next
     * frame. */
    uint8_t has_frame; /* 0: the archive's stream has ended */
    uint64_t position; /* position in the archive; can be compared across streams */
    uint64_t recv_ns, ordinal;
    uint32_t line, shard, conn;
    uint8_t has_book; /* 1: it changes a book */
    char session_id[16];
    char *frame; /* its bytes; NULL if more than LIMIT_REGRESS_FRAME_BYTES */
    size_t frame_bytes;
    char *decode_is;  /* JSON with a NUL; NULL: unknown */
    char *decode_was; /* likewise; needs the former decoder */
} regress_difference;

typedef struct regress_stream {
    baseline_stream names;
    regress_counts counts;
    uint8_t is_different;
    regress_difference first; /* valid if is_different */
} regress_stream;

typedef struct regress_comparison {
    regress_stream **streams; /* in the order of baseline_compare_names */
    size_t stream_count;
    regress_counts totals;
    td_arena *texts;
    const regress_stream *first; /* stream with the earliest difference, or NULL */
} regress_comparison;

/* Write a baseline to path; *made is complete and open. TD_E_IO: a signal stopped the run, or I/O
 * failed; TD_E_NOTFOUND: nothing matches the selection; TD_E_CORRUPT: all matching data is damaged.
 */
TD_MUST_USE td_result regress_save(const regress_options *options, const char *path,
                                   baseline **made, regress_totals *totals, td_err *err);

typedef struct regress_against {
    baseline *was;
    join_extent extent;
    user_decoder *was_decoder; /* the baseline's decoder, for first differences; or NULL */
    const member_mask *mask;   /* if given, was_decoder decodes every frame, and a frame that both
                                  decoders decode to the same compared members counts as equal */
} regress_against;

/* Compare with a baseline. Errors as regress_save; TD_E_INVALID: no frame has a member of the mask.
 * The caller frees *out with regress_comparison_close, also after an error. */
TD_MUST_USE td_result regress_compare(const regress_options *options,
                                      const regress_against *against, regress_totals *totals,
                                      regress_comparison *out, td_err *err);
void regress_comparison_close(regress_comparison *comparison);

/* How a decoder's frames are read; NULL: the built-in decoder. */
cursor_options regress_reading(const user_decoder *with);

/* The book after a frame that may have changed it; NULL: the frame has no book, or its connection
 * has sent no snapshot, so that the book depends on where a run begins. */
const book *regress_book(const applied_frame *seen);

/* Number of frames that differ, are missing or are new. */
uint64_t regress_differing(const regress_counts *counts);

/* Add counts of a stream to a sum. */
void regress_counts_add(regress_counts *to, const regress_counts *of);

#endif
