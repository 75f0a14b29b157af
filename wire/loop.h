/* The network loop: sockets of clients and servers (wire/client.h, wire/server.h) and timers on one
 * thread. Callbacks run on that thread. The second part of this header is for wire/ only: the
 * loop's descriptors, and the state that its connections and servers share. */
#ifndef TD_WIRE_LOOP_H
#define TD_WIRE_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include <sys/epoll.h>

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

/* Make the running wire_loop_run return at once, or the next one if none is running. May be called
 * on any thread and in signal handlers. */
void wire_loop_wake(wire_loop *loop);

/* Call fn once, on the loop's thread, when the monotonic clock reaches mono_ns (at most tens of
 * microseconds late while the thread is idle). *name is set to the timer, and to NULL just
 * before fn is called; until then the pointer name must stay valid. A timer that *name pointed to
 * before is cancelled. If name is NULL, the timer is never cancelled. Timers with the same time
 * fire in the order they were set. Cancelling NULL is fine. */
typedef struct wire_timer wire_timer;
void wire_timer_set(wire_loop *loop, wire_timer **name, uint64_t mono_ns, void (*fn)(void *user),
                    void *user);
void wire_timer_cancel(wire_timer **name);

/* ---- for wire/ only: descriptors ---- */

/* A descriptor in the loop. Zero-initialise; the owner frees the memory. */
typedef struct loop_fd loop_fd;
struct loop_fd {
    int fd;
    uint8_t is_served;
    uint8_t is_queued;                          /* in the loop's call_again_queue */
    uint32_t events;                            /* EPOLLIN, EPOLLOUT to wait for */
    void (*ready)(void *user, uint32_t events); /* events of epoll(7); 0: by loop_fd_call_again */
    void *user;
};

/* Serve fd with self->ready and self->user, which the caller has set. loop_fd_close closes fd.
 * TD_E_IO: the caller still owns fd. */
TD_MUST_USE td_result loop_fd_open(wire_loop *loop, loop_fd *self, int fd, uint32_t events,
                                   td_err *err);
void loop_fd_want(wire_loop *loop, loop_fd *self, uint32_t events);
/* Call ready with 0 events on the loop's next turn, without waiting, unless the descriptor is
 * closed first. */
void loop_fd_call_again(wire_loop *loop, loop_fd *self);
/* Close the descriptor; ready is not called again. No effect if it is not served. */
void loop_fd_close(wire_loop *loop, loop_fd *self);

/* Free memory after the current turn: callers up the stack may still use it. */
void loop_free_later(wire_loop *loop, void *memory);

/* ---- for wire/ only: state that connections and servers share ---- */

/* An object that ends with the loop. */
typedef struct loop_member loop_member;
struct loop_member {
    loop_member *next, *prev;
    void (*end)(void *user); /* must call loop_remove_member */
    void *user;
};
void loop_add_member(wire_loop *loop, loop_member *member);
void loop_remove_member(wire_loop *loop, loop_member *member);

enum {
    LOOP_READ_BYTES = 128 << 10, /* one read of a connection; unused bytes are copied */
    LOOP_EVENTS_A_TURN = 64,
};

struct wire_loop {
    td_clock clock;
    const td_log *log;
    struct resolver *resolver;
    uint8_t *read_buffer; /* LOOP_READ_BYTES, for the connection that reads */
    uint8_t is_closing;
    /* Private to loop.c. */
    uint32_t magic;
    int epoll_fd;
    loop_fd timer, wake;                          /* timerfd, eventfd */
    struct epoll_event ready[LOOP_EVENTS_A_TURN]; /* of the current turn */
    int ready_count;
    loop_fd **call_again_queue; /* in the order of the requests; NULL: the descriptor was closed
                                   since */
    size_t call_again_count;
    wire_timer **heap; /* timers; the earliest is heap[0] */
    size_t timer_count;
    uint64_t timer_serial;
    uint64_t armed_ns; /* when the timerfd becomes readable; 0: disarmed */
    loop_member *members;
    struct ssl_ctx_st *system_trust; /* NULL: not loaded yet */
    void **garbage;
    size_t garbage_count;
};

/* The TLS context of clients that trust the system's CAs, loaded once because loading takes 30 ms;
 * owned by the loop. TD_E_INVALID, TD_E_IO. */
struct ssl_ctx_st;
TD_MUST_USE td_result loop_system_trust(wire_loop *loop, struct ssl_ctx_st **out, td_err *err);

/* The monotonic time of the loop's clock. */
uint64_t loop_now_ns(const wire_loop *loop);

#endif
