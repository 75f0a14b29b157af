/* Plays a selection for one observer; shared by days, drift, regress and why. */
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

/* All pointers are borrowed. */
typedef struct observe_options {
    archive *archive;
    unsigned threads; /* threads that read ahead, decode and call the observer */
    const td_log *log;
    const stop_signal *signals; /* a signal ends the play; may be NULL */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns); /* as in player_options */
    void *user;
    /* Get the player and its tape while they play; may be NULL. */
    struct player **player;
    cursor **tape;
} observe_options;

/* Play a selection, with books, without digests. If the observer returns TD_EOF, the play ends
 * without an error. The observer's states of streams are closed before this returns. Audits are
 * made with TAPE_STATES_AUDITED. Sets threads, log and reads in `reading`. damage (may be NULL)
 * gets gaps for what could not be read, before the observer closes. TD_E_IO: a read failed, or a
 * signal stopped the play. */
TD_MUST_USE td_result observe_tape(const observe_options *how, const selection *wanted,
                                   cursor_options reading, observer by, cursor_stats *stats,
                                   gap_list *damage, td_err *err);

#endif
