#include "cut/states.h"

#include "format/checkpoint.h"
#include "play/player.h"

static td_result play_until(player *p, cursor *tape, uint64_t at_ns, td_err *err)
{
    const frame_ref *frame;
    td_result rc;
    do {
        rc = cursor_next(tape, &frame, err);
        if (rc == TD_OK && frame->recv_ns >= at_ns)
            break;
        if (rc == TD_OK)
            rc = player_on_frame(p, frame, err);
    } while (rc == TD_OK);
    return rc == TD_EOF ? TD_OK : rc;
}

td_result states_make(const states_options *options, td_buf *out, td_err *err)
{
    cursor *tape = NULL;
    checkpoint_builder record;
    cursor_options reading = options->reading;
    reading.reads = TAPE_READS_MESSAGES;
    reading.with_lead_in = 1;
    reading.with_states = 1;
    td_result rc = cursor_open(options->archive, options->wanted, &reading, &tape, err);
    if (rc != TD_OK)
        return rc;
    uint64_t at_ns = cursor_get_window(tape).from_ns;
    player *p = player_open(&(player_options){.without_digests = 1});
    if (!player_take_states(p, tape)) {
        rc = cursor_seek(tape, options->lead_ns, err);
        (void)player_take_states(p, tape);
    }
    if (rc == TD_OK)
        rc = play_until(p, tape, at_ns, err);
    checkpoint_builder_init(&record);
    player_save_states(p, options->feed, &record);
    checkpoint_builder_finish(&record, at_ns, out);
    checkpoint_builder_fini(&record);
    player_close(p);
    cursor_close(tape);
    return rc;
}
