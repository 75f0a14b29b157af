/* An observer gets each frame right after the frame's stream has applied and checked it; the book
 * is then in the state after the frame. So all cores can gather results of decoding.
 *
 * Calls for one stream come from one thread at a time, in the tape's order; calls for different
 * streams may be concurrent. With one player thread all calls are on the caller's thread, in total
 * order. Lead-in frames (frame->is_lead_in), copies and outbound frames are shown too. */
#ifndef TD_PLAY_OBSERVER_H
#define TD_PLAY_OBSERVER_H

#include "base/err.h"
#include "tape/tape_topic.h"

struct stream;
struct gap_list;

typedef struct observer_ops {
    const char *name; /* name of the observer, in error texts */
    /* Called before a stream's first frame, by the thread that plays the tape; the symbol's state
     * (of->tape.symbol) has already been loaded from a checkpoint. May set *state, which is NULL.
     * Results as for frame. May be NULL. */
    td_result (*begin)(void *ctx, const struct stream *of, void **state, const frame_ref *first,
                       td_err *err);
    /* Observe a frame, which is valid during the call. *state is kept with the stream, NULL at
     * first; the observer may set it. TD_OK; TD_EOF, with one player thread only: end the play as
     * if the tape had ended; an error ends the play with that error. */
    td_result (*frame)(void *ctx, const struct stream *of, void **state, const applied_frame *seen,
                       td_err *err);
    /* Free a stream's state (never NULL) when the player closes. */
    void (*close)(void *ctx, void *state);
    uint8_t is_ordered; /* 1: the player has no workers, so that calls are in total order */
} observer_ops;

typedef struct observer {
    const observer_ops *ops; /* NULL: no observer */
    void *ctx;
    /* The complete ledger, valid while the player is open: streams then know which frames to trust
     * (tape/topic_trust.h). NULL: they do not know. */
    const struct gap_list *ledger;
} observer;

#endif
