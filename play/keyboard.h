/* Keys that control a tape while it waits: space pauses and resumes, '.' plays one frame, ','
 * pauses and goes one frame back, '+' and '-' double and halve the speed, '1' is the recorded pace,
 * 'm' full speed, 'f' ten seconds forward (and at least to the next frame), 'b' ten seconds back,
 * 'q' ends. The arrows right, left, up and down are '.', ',', '+' and '-'. The terminal is taken
 * out of line mode while keys are waited for in its foreground, and put back. One thread, except
 * the function that signals need. */
#ifndef TD_PLAY_KEYBOARD_H
#define TD_PLAY_KEYBOARD_H

#include "base/err.h"
#include "play/pacer.h"

typedef struct keyboard keyboard;

/* Read keys from a terminal (fd, borrowed). TD_E_UNSUPPORTED if it is not one. */
TD_MUST_USE td_result keyboard_open(int fd, keyboard **out, td_err *err);
void keyboard_close(keyboard *self);

/* 1: give the terminal back, because the process stops or ends at once. 0: it resumes. For the
 * thread that waits for signals (cli/stop_signal.h). NULL is fine. */
void keyboard_release(keyboard *self, int is_released);

/* 1 in the terminal's foreground. In its background the terminal belongs to others: to read from
 * it, or to change it, would stop the process. */
int keyboard_has_terminal(const keyboard *self);

/* Wait at most wait_ns for keys and apply them to the pacer; 0 only looks. */
pacer_answer keyboard_wait(keyboard *self, pacer *pacer, uint64_t wait_ns);

/* What a key does to the pacer, an arrow being the key that it is named with; apart from the
 * terminal, for tests. */
pacer_answer keyboard_apply(pacer *pacer, char key);

#endif
