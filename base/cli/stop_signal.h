/* SIGINT, SIGTERM and SIGHUP, alike in every program: the first requests a stop, a second within
 * 5 s ends the process at once (an archive that was being written is recoverable all the same). A
 * SIGHUP that the parent ignores, as nohup(1) does, stays ignored. A program that changed its
 * terminal is also called before SIGTSTP (Ctrl-Z) stops it, and SIGQUIT ends it like a second
 * signal.
 *
 * A thread waits for them, so there is no handler and nothing global. Block them before any thread
 * is started, for threads inherit that; what arrives before open is delivered then. */
#ifndef TD_CLI_STOP_SIGNAL_H
#define TD_CLI_STOP_SIGNAL_H

#include "base/err.h"

typedef struct stop_signal stop_signal;

/* What to do, on the thread that waits. */
typedef struct stop_signal_calls {
    void (*stop)(void *user); /* the first signal came; NULL: stop_signal_came is enough */
    /* For callers that change the terminal; NULL: it is unchanged. 1: the process is about to stop
     * (SIGTSTP) or to end at once; 0: it resumes. */
    void (*release)(void *user, int is_released);
    void *user;
} stop_signal_calls;

/* Hold these signals back from this thread and all that it starts; for callers with a release
 * function also SIGTSTP and SIGQUIT. */
void stop_signal_block(int with_terminal);

/* Wait for the signals on a thread of its own. TD_E_IO. */
TD_MUST_USE td_result stop_signal_open(const stop_signal_calls *calls, stop_signal **out,
                                       td_err *err);

/* 1 once the first signal came; before open (NULL) 0. Any thread. */
int stop_signal_came(const stop_signal *self);

/* End the thread; the signals stay blocked. NULL is fine. */
void stop_signal_close(stop_signal *self);

#endif
