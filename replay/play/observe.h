/* Plays a selection for an observer alone: what days, drift, regress and why have in common. */
#ifndef TD_PLAY_OBSERVE_H
#define TD_PLAY_OBSERVE_H

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/cli/stop_signal.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "replay/play/observer.h"
#include "tape/cursor.h"
#include "tape/selection.h"

/* Who plays. All is borrowed. */
typedef struct observe_options {
    archive *archive;
    unsigned threads; /* that read ahead, decode and call the observer */
    const td_log *log;
    const stop_signal *signals;                                     /* end it; NULL: nothing does */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns); /* as in player_options */
    void *user;
} observe_options;

/* Play a selection, with books, without digests; TD_EOF of the observer is the end. What it keeps
 * with streams is closed when this returns. reading: its threads, log, what is read, and
 * with_states are set here. damage (may be NULL): what could not be read is added, before the
 * observer closes. TD_E_IO: a signal stopped it, among others. */
TD_MUST_USE td_result observe_tape(const observe_options *how, const selection *wanted,
                                   cursor_options reading, observer by, cursor_stats *stats,
                                   gap_list *damage, td_err *err);

#endif
