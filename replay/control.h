/* Commands that control a replay, one a line: the keyboard's, for programs. Each command gets one
 * line of JSON with the position once it is done; so does each pause that no command asked for.
 *
 *   pause, resume           stop before the next frame; play on
 *   step, back              one frame on, one frame back; both wait until the replay is paused
 *   seek TIME               to the first frame received then or later; +90s after the first frame
 *   speed N                 as --speed
 *   status                  nothing but the position
 *   quit                    end the replay
 *
 * At the end of the commands the replay plays on to its own. One thread. */
#ifndef TD_REPLAY_CONTROL_H
#define TD_REPLAY_CONTROL_H

#include "base/clock.h"
#include "cli/output.h"
#include "play/pacer.h"
#include "replay/last_frame.h"

typedef struct control control;

/* What a control acts on; all of it is borrowed. */
typedef struct control_target {
    pacer *pacer;
    const last_frame *last;
    output_stream *output;
    td_clock clock;
} control_target;

/* Read commands from a descriptor, which is borrowed. */
TD_NEVER_NULL control *control_open(int fd, const control_target *target);
void control_close(control *self);

/* Wait at most wait_ns for a command and run it; 0 only looks. PACER_STOP: quit, or the reader of
 * the answers is gone. */
pacer_answer control_wait(control *self, uint64_t wait_ns);

/* 1 until the end of the commands. NULL: 0. */
int control_is_open(const control *self);

#endif
