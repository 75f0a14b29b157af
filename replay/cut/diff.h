/* Compares what two archives received, stream by stream: which frames only one of them has.
 *
 * A stream is a feed's topic and symbol, over all connections. Snapshots that `cut` made are
 * ignored. Frames are equal if their bytes are; times, connections and ordinals do not matter. If a
 * side has several equal frames, the first of them is the partner of the first on the other side,
 * the second of the second, and so on. Memory: 28 bytes per frame, for at most LIMIT_DIFF_FRAMES.
 * One thread. */
#ifndef TD_CUT_DIFF_H
#define TD_CUT_DIFF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "archive/archive.h"
#include "tape/selection.h"
#include "tape/tape_topic.h"

enum { DIFF_SIDES = 2 };

typedef struct diff_counts {
    uint64_t same;
    uint64_t only[DIFF_SIDES];
    uint64_t moved; /* part of `same`: the smallest number of frames to take out so that the rest
                       has the same order on both sides */
} diff_counts;

typedef struct diff_stream {
    const char *feed, *topic, *symbol;
    char name[LIMIT_NAME_BYTES + LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES +
              2]; /* feed, topic and symbol in one text */
    diff_counts counts;
    tape_topic tape; /* no frame is applied */
    struct diff_frame *frames[DIFF_SIDES];
    size_t frame_count[DIFF_SIDES];
} diff_stream;

/* Successive frames of a stream that the other side lacks. */
typedef struct diff_stretch {
    const diff_stream *stream;
    int side; /* the side that has the frames */
    uint64_t frames;
    uint64_t first_ns, last_ns; /* receive times of the first and the last frame */
} diff_stretch;

/* Maximum number of stretches that are listed; further ones are only counted. */
enum { DIFF_STRETCHES_MAX = 1000 };

/* Zero-initialise. */
typedef struct diff_result {
    diff_stream **streams; /* sorted by feed, topic, symbol */
    size_t stream_count;
    diff_stretch *stretches; /* sorted by from_ns, side, stream */
    size_t stretch_count;
    uint64_t stretches_left_out;
    diff_counts totals;
    uint64_t frames;    /* frames of both sides */
    uint8_t is_damaged; /* 1: a part of a side could not be read */
} diff_result;

/* Compare a selection; its relative times are resolved for each side. TD_E_LIMIT, TD_E_IO. The
 * caller frees *out with diff_result_fini, also after a failure. */
TD_MUST_USE td_result diff_archives(archive *const sides[DIFF_SIDES], const selection *wanted,
                                    diff_result *out, td_err *err);
void diff_result_fini(diff_result *result);

#endif
