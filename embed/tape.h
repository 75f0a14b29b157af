/* A tape of a program: the frames of a selection, each applied to its stream, as rows of batches.
 * tape.c reads them in order, tape_books.c gives the books between two batches, tape_wait.c waits
 * for frames that are not recorded yet. One thread. */
#ifndef TD_EMBED_TAPE_H
#define TD_EMBED_TAPE_H

#include <stdint.h>

#include "archive/archive.h"
#include "base/err.h"
#include "embed/archive.h"
#include "embed/batch_rows.h"
#include "embed/include/tapedeck/archive.h"
#include "embed/tape_gaps.h"
#include "embed/tape_request.h"
#include "embed/tape_streams.h"
#include "embed/trade_coverage.h"
#include "tape/cursor.h"

struct tapedeck_tape {
    tapedeck_archive *of;
    tape_request request;
    cursor_options reading;
    cursor *cursor; /* NULL: an earlier call could not reopen it */
    tape_gaps gaps;
    tape_streams streams;
    trade_coverage *coverage; /* with TAPEDECK_WITH_COVERAGE */
    batch_rows *rows;
    const frame_ref *pending_frame; /* a frame that was read and is in no batch yet */
    uint64_t
        position_ns;  /* time of the last frame, or the begin of the tape; 0: nothing was read */
    uint8_t is_begun; /* 1: the states at the tape's begin are loaded */
    uint8_t is_over;  /* 1: the tape begins after the archive's last frame */
    uint64_t last_ns; /* if is_over: time of the archive's last frame */
    char ended[SESSION_ID_BYTES]; /* session whose end was reported; "": none */
};

/* 1 if the tape has TAPEDECK_WITH_FOLLOW. */
int tape_is_following(const tapedeck_tape *t);

/* Begin a batch. The first call, and the first after a seek, loads the states at the tape's begin.
 */
void tape_begin_batch(tapedeck_tape *t);

/* Apply a frame to its topic. Returns its stream. */
tape_stream *tape_apply(tapedeck_tape *t, const frame_ref *frame, applied_frame *out);

/* Read the frames before the selection, up to its first frame, which becomes pending. TD_E_*, also
 * TD_EOF. */
TD_MUST_USE td_result tape_read_lead_in(tapedeck_tape *t, td_err *err);

/* How a call of a program ends: with the batch; with damage, which is reported while the batch
 * stays empty; or refused, because an earlier call could not reopen the cursor. Results are
 * tapedeck_tape_next's. */
int tape_end_batch(const tapedeck_tape *t, tapedeck_batch *out, td_result rc, const td_err *err,
                   tapedeck_error *error);
int tape_report_damage(tapedeck_tape *t, tapedeck_batch *out, tapedeck_error *error);
int tape_refuse(tapedeck_batch *out, tapedeck_error *error);

#endif
