/* An observer looks at frames right after their stream has followed and judged them: the book is as
 * it is after the frame. It is the way to results of decoding that are gathered on all cores.
 *
 * It is called where the stream is worked on: for one stream by one thread at a time, in the tape's
 * order; for different streams by different threads at a time. With one player thread all calls are
 * on the caller's thread, in total order. Frames of the lead-in (frame->is_lead_in), copies and
 * outbound frames are shown too. */
#ifndef TD_PLAY_OBSERVER_H
#define TD_PLAY_OBSERVER_H

#include "base/err.h"
#include "schema/frame.h"

struct stream;
struct symbol_verdict;
struct trust_answer;
struct gap_list;

/* One frame; all of it is valid during the call. */
typedef struct observed_frame {
    const frame_ref *frame;
    const struct symbol_verdict *found; /* NULL: nothing was applied: no data, or no row */
    const struct trust_answer *trust;   /* NULL without found, or without the observer's ledger */
} observed_frame;

typedef struct observer_ops {
    const char *name; /* for error texts */
    /* Before a stream's first frame, when its symbol's state (of->of_symbol) has what a checkpoint
     * brought; called by the thread that plays the tape; may be NULL. *state is NULL, and may be
     * set. Results as those of frame. */
    td_result (*begin)(void *ctx, const struct stream *of, void **state, const frame_ref *first,
                       td_err *err);
    /* Look at a frame. *state is kept with the stream, NULL at first; the observer may set it.
     * TD_OK; TD_EOF, with one player thread only: end the play as if the tape had ended; an error
     * ends the play with that error. */
    td_result (*frame)(void *ctx, const struct stream *of, void **state, const observed_frame *seen,
                       td_err *err);
    /* Free the state of a stream, which is not NULL, when the player closes. */
    void (*close)(void *ctx, void *state);
    uint8_t is_ordered; /* 1: the player has no workers, so that calls are in total order */
} observer_ops;

typedef struct observer {
    const observer_ops *ops; /* NULL: none */
    void *ctx;
    const struct gap_list *ledger; /* all of it, while the player is open: streams then know which
                                      frames to trust (tape/topic_trust.h). NULL: they do not */
} observer;

#endif
