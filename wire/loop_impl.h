/* Descriptors in a loop, and state that its connections and servers share. For wire/ only; loop's
 * thread. */
#ifndef TD_WIRE_LOOP_IMPL_H
#define TD_WIRE_LOOP_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "wire/loop.h"
#include "wire/resolve.h"

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
/* Call ready with 0 events on the loop's next turn, without waiting, unless it is closed first. */
void loop_fd_call_again(wire_loop *loop, loop_fd *self);
/* Close the descriptor; ready is not called again. No effect if it is not served. */
void loop_fd_close(wire_loop *loop, loop_fd *self);

/* Free memory after the current turn: callers up the stack may still use it. */
void loop_free_later(wire_loop *loop, void *memory);

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

/* Other modules read clock, log, resolver and is_closing, and use read_buffer. */
struct wire_loop {
    uint32_t magic;
    uint8_t is_closing;
    td_clock clock;
    const td_log *log;
    int epoll_fd;
    loop_fd timer, wake; /* timerfd, eventfd */
    resolver *resolver;
    loop_member *members;
    wire_timer **heap; /* timers; the earliest is heap[0] */
    size_t timer_count;
    uint64_t timer_serial;
    uint64_t armed_ns; /* when the timerfd becomes readable; 0: disarmed */
    struct epoll_event ready[LOOP_EVENTS_A_TURN]; /* of the current turn */
    int ready_count;
    loop_fd **call_again_queue; /* in the order of the requests; an entry is NULL if it was closed
                                   since */
    size_t call_again_count;
    void **garbage;
    size_t garbage_count;
    uint8_t *read_buffer;
    struct ssl_ctx_st *system_trust; /* NULL: not loaded yet */
};

/* The TLS context of clients that trust the system's CAs, loaded once because that takes 30 ms;
 * owned by the loop. TD_E_INVALID, TD_E_IO. */
struct ssl_ctx_st;
TD_MUST_USE td_result loop_system_trust(wire_loop *loop, struct ssl_ctx_st **out, td_err *err);

/* The monotonic time of the loop's clock. */
uint64_t loop_now_ns(const wire_loop *loop);

#endif
