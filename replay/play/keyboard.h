/* A terminal whose keys are commands (replay/play/control.h). Line mode and echo are off while this
 * process waits for keys in the foreground, and are restored when the process stops or ends. One
 * thread, except keyboard_release. */
#ifndef TD_PLAY_KEYBOARD_H
#define TD_PLAY_KEYBOARD_H

#include "base/err.h"
#include "replay/play/control.h"

typedef struct keyboard keyboard;

/* Read keys from a terminal (fd, borrowed). TD_E_UNSUPPORTED if fd is not a terminal. */
TD_MUST_USE td_result keyboard_open(int fd, keyboard **out, td_err *err);
void keyboard_close(keyboard *self);

/* is_released 1: restore the terminal, because the process is about to stop or end; 0: the process
 * resumes. Called by the thread that waits for signals (base/cli/stop_signal.h). NULL is allowed.
 */
void keyboard_release(keyboard *self, int is_released);

/* 1 if this process is in the terminal's foreground. In the background, reading or changing the
 * terminal would stop the process. */
int keyboard_has_terminal(const keyboard *self);

enum { KEYBOARD_COMMANDS_MAX = 16 };

/* Wait at most wait_ns for keys and get their commands; 0: do not wait. A terminal that closes
 * gives the quit command. */
size_t keyboard_wait(keyboard *self, uint64_t wait_ns,
                     const control_command *out[KEYBOARD_COMMANDS_MAX]);

#endif
