/* Keys that steer a replay while it waits: space pauses and goes on, '.' lets one frame go, '+' and
 * '-' double and halve the speed, '1' is the recorded pace, 'm' full speed, 'f' ten seconds
 * forward, 'q' ends. The terminal is taken out of line mode and put back. One thread. */
#ifndef TD_REPLAY_KEYBOARD_H
#define TD_REPLAY_KEYBOARD_H

#include "base/err.h"
#include "replay/pacer.h"

typedef struct keyboard keyboard;

/* Read keys from a terminal (fd, borrowed). TD_E_UNSUPPORTED if it is none, TD_E_NOMEM. */
TD_MUST_USE td_result keyboard_open(int fd, keyboard **out, td_err *err);
void keyboard_close(keyboard *self);

/* Wait at most wait_ns for keys and apply them to the pacer; 0 only looks. */
pacer_answer keyboard_wait(keyboard *self, pacer *pacer, uint64_t wait_ns);

/* What a key does to the pacer; apart from the terminal, for tests. */
pacer_answer keyboard_apply(pacer *pacer, char key);

#endif
