/* SIGINT, SIGTERM and SIGHUP act the same in all programs (but for a SIGHUP that a caller takes):
 * the first signal requests a stop, a second one within 5 s ends the process at once (an archive
 * that is being written remains recoverable). If SIGHUP is ignored at the start, as by nohup(1), it
 * stays ignored. If a program changed its terminal, its callback `release` is also called before
 * SIGTSTP (Ctrl-Z) stops the process, and SIGQUIT ends the process like a second signal.
 *
 * A thread waits for the signals, so there are no handlers and no global state. Block the signals
 * before any thread is started, because threads inherit the mask. Signals that arrive before
 * stop_signal_open are delivered to the thread that it starts. */
#ifndef TD_CLI_STOP_SIGNAL_H
#define TD_CLI_STOP_SIGNAL_H

#include "base/err.h"

typedef struct stop_signal stop_signal;

/* Callbacks, on the waiting thread. */
typedef struct stop_signal_calls {
    void (*stop)(void *user); /* the first signal arrived; may be NULL */
    /* For callers that change the terminal, else NULL. 1: restore the terminal, because the process
     * will stop (SIGTSTP) or end; 0: the process resumes. */
    void (*release)(void *user, int is_released);
    void *user;
    /* SIGHUP arrived, which then does not stop the program, unless this returns 0. May be NULL. */
    int (*hangup)(void *user);
} stop_signal_calls;

/* Block the signals in this thread and the threads it starts; with_terminal (callers with a release
 * function): also SIGTSTP and SIGQUIT. */
void stop_signal_block(int with_terminal);

/* Start a thread that waits for the signals. TD_E_IO. */
TD_MUST_USE td_result stop_signal_open(const stop_signal_calls *calls, stop_signal **out,
                                       td_err *err);

/* 1 after the first signal; 0 for NULL (before open). Any thread. */
int stop_signal_arrived(const stop_signal *self);

/* End the thread; the signals stay blocked. NULL is fine. */
void stop_signal_close(stop_signal *self);

#endif
