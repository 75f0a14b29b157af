#include "replay/play/observe.h"

#include "replay/play/player.h"

td_result observe_tape(const observe_options *how, const selection *wanted, cursor_options reading,
                       observer by, cursor_stats *stats, gap_list *damage, td_err *err)
{
    cursor *tape = NULL;
    reading.threads = how->threads;
    reading.log = how->log;
    reading.reads = TAPE_READS_MESSAGES;
    td_result rc = cursor_open(how->archive, wanted, &reading, &tape, err);
    if (rc != TD_OK)
        return rc;
    const player_options playing = {.workers = cursor_workers(tape),
                                    .observer = by,
                                    .without_digests = 1,
                                    .without_audits = reading.states != TAPE_STATES_AUDITED,
                                    .progress = how->progress,
                                    .user = how->user};
    player *of = player_open(&playing);
    if (how->player != NULL) {
        *how->player = of;
        *how->tape = tape;
    }
    rc = player_play(of, tape, err);
    if (rc == TD_OK)
        rc = player_drain(of, err);
    if ((player_is_stopped(of) || rc != TD_OK) && stop_signal_arrived(how->signals))
        rc = td_err_set(err, TD_E_IO, "stopped before the end");
    cursor_get_stats(tape, stats);
    if (damage != NULL)
        gap_list_join(damage, cursor_get_damage(tape));
    player_close(of);
    cursor_close(tape);
    return rc;
}
