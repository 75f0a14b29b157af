/* Pairs the frames of a played stream with a baseline's frames: a merge join over the hashes of
 * their bytes.
 *
 * Where the next frames of the baseline and the archive differ, frames of both sides are skipped
 * until the next two are equal. As few frames as possible are skipped in total; among equal totals,
 * as few as possible of the baseline. At most JOIN_WINDOW frames are skipped in this way. If there
 * is no equal pair within that distance, frames of the side that is earlier in time are skipped.
 * One thread. */
#ifndef TD_REGRESS_JOIN_H
#define TD_REGRESS_JOIN_H

#include <stdint.h>

#include "base/err.h"
#include "regress/baseline.h"

enum { JOIN_WINDOW = 4096 };

typedef enum join_extent {
    JOIN_WHOLE,
    JOIN_PART, /* the baseline may begin before the first pair and end after the last pair; its
                  frames before and after these pairs are JOIN_OUTSIDE */
} join_extent;

typedef enum join_kind {
    JOIN_PAIR,    /* one frame of each side */
    JOIN_MISSING, /* frames that only the baseline has */
    JOIN_NEW,     /* frames that only the archive has */
    JOIN_OUTSIDE, /* frames of the baseline that are not compared */
} join_kind;

typedef struct join_step {
    join_kind kind;
    uint64_t count;     /* number of frames; 1 for a pair */
    uint64_t was_index; /* index of the step's first frame in the baseline's stream; JOIN_NEW: of
                           the next frame in that stream */
    uint64_t is_index;  /* index of the step's first frame in the archive's stream; JOIN_MISSING,
                           JOIN_OUTSIDE: of the next frame in that stream */
    uint64_t first_ns, last_ns;   /* JOIN_MISSING: bounds of the first frame's receive time */
    const baseline_row *was, *is; /* JOIN_PAIR only */
} join_step;

/* Called for every step, in order; the steps cover all frames of both sides. */
typedef void join_found(void *ctx, const join_step *step);

typedef struct join join;

/* was: the baseline's stream, or NULL if it lacks the stream. All arguments are borrowed until
 * close. */
join *join_open(baseline *of, const baseline_stream *was, join_extent extent, join_found *found,
                void *ctx);
void join_close(join *j);

/* Add the archive's next frame. TD_E_CORRUPT: the baseline is damaged. */
TD_MUST_USE td_result join_put(join *j, const baseline_row *is, uint64_t recv_ns, td_err *err);

/* 1 if the last archive frame is neither paired nor skipped yet. */
int join_is_waiting(const join *j);

/* No more frames follow: report the rest. */
TD_MUST_USE td_result join_end(join *j, td_err *err);

#endif
