/* The network loop: sockets of both ends (wire/client.h, wire/server.h), and timers, on one thread.
 * Callbacks run on that thread. */
#ifndef TD_WIRE_LOOP_H
#define TD_WIRE_LOOP_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

typedef struct wire_loop wire_loop;

/* A loop. The clock stamps messages and timers; log (may be NULL) is borrowed. A process may have
 * several, each for one thread. TD_E_IO. */
TD_MUST_USE td_result wire_loop_open(td_clock clock, const td_log *log, wire_loop **out,
                                     td_err *err);
/* Ends every connection (with its ended callback), closes what servers are left, and frees the loop
 * and its timers. Not from inside a callback. */
void wire_loop_close(wire_loop *loop);

/* Serve sockets and timers until something happened or timeout_ns passed; it may also return
 * earlier. 0 does not wait. TD_E_NETWORK if the loop itself failed. */
TD_MUST_USE td_result wire_loop_run(wire_loop *loop, uint64_t timeout_ns, td_err *err);

/* Make a running or the next wire_loop_run return at once. Any thread, also a signal handler. */
void wire_loop_wake(wire_loop *loop);

/* Call fn on the loop's thread once the monotonic clock is at mono_ns (late by tens of microseconds
 * at most while the thread is idle). One shot. *name, which lives as long, is the timer until fn is
 * called, then NULL; one that it was before is cancelled. NULL for a timer that is never cancelled.
 * Timers of one moment fire in the order they were made. Cancelling NULL is fine. */
typedef struct wire_timer wire_timer;
void wire_timer_set(wire_loop *loop, wire_timer **name, uint64_t mono_ns, void (*fn)(void *user),
                    void *user);
void wire_timer_cancel(wire_timer **name);

#endif
