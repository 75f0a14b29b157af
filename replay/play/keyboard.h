/* A terminal whose keys are commands (replay/play/control.h). It is taken out of line mode while
 * keys are waited for in its foreground, and put back. One thread, except the function that signals
 * need. */
#ifndef TD_PLAY_KEYBOARD_H
#define TD_PLAY_KEYBOARD_H

#include "base/err.h"
#include "replay/play/control.h"

typedef struct keyboard keyboard;

/* Read keys from a terminal (fd, borrowed). TD_E_UNSUPPORTED if it is not one. */
TD_MUST_USE td_result keyboard_open(int fd, keyboard **out, td_err *err);
void keyboard_close(keyboard *self);

/* 1: give the terminal back, because the process stops or ends at once. 0: it resumes. For the
 * thread that waits for signals (base/cli/stop_signal.h). NULL is fine. */
void keyboard_release(keyboard *self, int is_released);

/* 1 in the terminal's foreground. In its background the terminal belongs to others: to read from
 * it, or to change it, would stop the process. */
int keyboard_has_terminal(const keyboard *self);

enum { KEYBOARD_COMMANDS_MAX = 16 };

/* Wait at most wait_ns for keys and get their commands; 0 only looks. A terminal that went away
 * quits. */
size_t keyboard_wait(keyboard *self, uint64_t wait_ns,
                     const control_command *out[KEYBOARD_COMMANDS_MAX]);

#endif
