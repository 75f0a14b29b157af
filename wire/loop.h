/* The network loop: sockets of clients and servers (wire/client.h, wire/server.h) and timers on one
 * thread. Callbacks run on that thread. */
#ifndef TD_WIRE_LOOP_H
#define TD_WIRE_LOOP_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

typedef struct wire_loop wire_loop;

/* Open a loop. clock is the time of messages and timers; log (may be NULL) is borrowed. A process
 * may have several loops, each used by one thread. TD_E_IO. */
TD_MUST_USE td_result wire_loop_open(td_clock clock, const td_log *log, wire_loop **out,
                                     td_err *err);
/* End every connection (with its ended callback), close the remaining servers, and free the loop
 * and its timers. Not from inside a callback. */
void wire_loop_close(wire_loop *loop);

/* Serve sockets and timers until an event was handled or timeout_ns passed; may return earlier. 0
 * does not wait. TD_E_NETWORK if the loop itself failed. */
TD_MUST_USE td_result wire_loop_run(wire_loop *loop, uint64_t timeout_ns, td_err *err);

/* Make a running or the next wire_loop_run return at once. Any thread and signal handlers. */
void wire_loop_wake(wire_loop *loop);

/* Call fn once, on the loop's thread, when the monotonic clock reaches mono_ns (at most tens of
 * microseconds late while the thread is idle). *name is the timer until fn is called, then NULL; a
 * timer that *name held before is cancelled, and *name must stay valid. name NULL: the timer is
 * never cancelled. Timers with the same time fire in the order they were set. Cancelling NULL is
 * fine. */
typedef struct wire_timer wire_timer;
void wire_timer_set(wire_loop *loop, wire_timer **name, uint64_t mono_ns, void (*fn)(void *user),
                    void *user);
void wire_timer_cancel(wire_timer **name);

#endif
