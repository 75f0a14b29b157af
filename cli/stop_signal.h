/* SIGINT, SIGTERM and SIGHUP, the same for every program: the first asks to stop, a second within
 * 5 s ends the process at once (an archive that was being written is recoverable all the same). A
 * SIGHUP that the parent ignores, as nohup(1) does, stays ignored.
 *
 * A thread waits for them, so there is no handler and nothing global. Block them before any thread
 * is started, for threads inherit that; what arrives before open is delivered then. */
#ifndef TD_CLI_STOP_SIGNAL_H
#define TD_CLI_STOP_SIGNAL_H

#include "base/err.h"

typedef struct stop_signal stop_signal;

/* Hold these signals back from this thread and all that it starts. */
void stop_signal_block(void);

/* Call stop(user) on a thread of its own when the first signal comes. TD_E_IO, TD_E_NOMEM. */
TD_MUST_USE td_result stop_signal_open(void (*stop)(void *user), void *user, stop_signal **out,
                                       td_err *err);

/* End the thread; the signals stay blocked. NULL is fine. */
void stop_signal_close(stop_signal *self);

#endif
