/* Where replayed frames go. A sink is a table of functions and a context; the player calls it for
 * every frame of the tape, in total order, on the thread that runs the player, at the moment the
 * frame is due. Report and digests are not sinks of this kind: they are gathered where frames are
 * decoded; who needs books or verdicts is an observer (play/observer.h). Copies, and frames before
 * the selection, are no sink's.
 *
 * A sink may block (it holds the tape back then, and the frame's lateness shows it) and may end the
 * replay. */
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
    uint8_t wants_events; /* 1: ROLE_EVENT frames too */
} sink_ops;

typedef struct sink {
    const sink_ops *ops;
    void *ctx;
} sink;

#endif
