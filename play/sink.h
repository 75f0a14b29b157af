/* Where replayed frames go. A sink is a table of functions and a context; the player calls it for
 * every frame of the tape, in total order, on the thread that runs the player, at the moment the
 * frame is due. Report and digests are not sinks of this kind: they are gathered where frames are
 * decoded.
 *
 * A sink may block (it holds the tape back then, and the frame's lateness shows it) and may end the
 * replay. Frames before the selection that only warm books up are handed to those sinks alone that
 * keep books of their own and ask for them. */
#ifndef TD_PLAY_SINK_H
#define TD_PLAY_SINK_H

#include <stdint.h>

#include "base/err.h"
#include "schema/frame.h"

typedef struct sink_ops {
    const char *name; /* for error texts */
    /* Take one frame, which is valid during the call (hold its block to keep bytes and content).
     * deadline_ns: when it was due on the pacer's clock; 0 at full speed. TD_OK; TD_EOF: end
     * the replay as if the tape had ended; an error ends the replay with that
     * error. */
    td_result (*frame)(void *ctx, const frame_ref *frame, uint64_t deadline_ns, td_err *err);
    /* The tape has ended, or was ended: write what is left. NULL: nothing to do. */
    td_result (*finish)(void *ctx, td_err *err);
    uint8_t wants_events;  /* 1: ROLE_EVENT frames too */
    uint8_t wants_lead_in; /* 1: data frames before the selection too (is_lead_in) */
    uint8_t wants_copies;  /* 1: also data frames that are no part of their stream (is_copy) */
} sink_ops;

typedef struct sink {
    const sink_ops *ops;
    void *ctx;
} sink;

#endif
