/* Descriptors in a loop, and what its connections and servers share. For wire/ only; loop's
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

/* A descriptor that is served. Zero-initialise; its memory is the owner's. */
typedef struct loop_fd loop_fd;
struct loop_fd {
    int fd;
    uint8_t is_served;
    uint8_t is_again;                           /* in the list of those to call again */
    uint32_t events;                            /* EPOLLIN, EPOLLOUT that are waited for */
    void (*ready)(void *user, uint32_t events); /* events of epoll(7); 0: asked for again */
    void *user;
};

/* Serve fd, which self->ready and user are set for. It is closed by loop_fd_close. TD_E_IO: fd is
 * still the caller's. */
TD_MUST_USE td_result loop_fd_open(wire_loop *loop, loop_fd *self, int fd, uint32_t events,
                                   td_err *err);
/* Wait for these events from now on. */
void loop_fd_want(wire_loop *loop, loop_fd *self, uint32_t events);
/* Call ready with 0 events on the loop's next turn, which does not wait, unless it is closed. */
void loop_fd_call_again(wire_loop *loop, loop_fd *self);
/* Close the descriptor; ready is not called any more. Nothing if it is not served. */
void loop_fd_close(wire_loop *loop, loop_fd *self);

/* Free memory when the present turn is over: callers up the stack may still look at it. */
void loop_free_later(wire_loop *loop, void *memory);

/* Something that ends with the loop. */
typedef struct loop_member loop_member;
struct loop_member {
    loop_member *next, *prev;
    void (*end)(void *user); /* must remove it */
    void *user;
};
void loop_add_member(wire_loop *loop, loop_member *member);
void loop_remove_member(wire_loop *loop, loop_member *member);

enum {
    LOOP_READ_BYTES = 128 << 10, /* one read of any connection: what is not used of it is copied */
    LOOP_EVENTS_A_TURN = 64,
};

/* Others read clock, log, resolver and is_closing, and use read_buffer. */
struct wire_loop {
    uint32_t magic;
    uint8_t is_closing;
    td_clock clock;
    const td_log *log;
    int epoll_fd;
    loop_fd timer, wake; /* timerfd, eventfd */
    resolver *resolver;
    loop_member *members;
    wire_timer **heap; /* timers, the first one at 0 */
    size_t timer_count;
    uint64_t timer_serial;
    uint64_t armed_ns; /* when the timerfd becomes readable; 0: it does not */
    struct epoll_event ready[LOOP_EVENTS_A_TURN]; /* of the present turn */
    int ready_count;
    loop_fd **again; /* to be called again, in the order in which they asked; NULL: closed since */
    size_t again_count;
    void **garbage;
    size_t garbage_count;
    uint8_t *read_buffer;
    struct ssl_ctx_st *system_trust; /* NULL: not needed yet */
};

/* The TLS context of clients that trust the system's CAs: opened once, because that takes 30 ms;
 * the loop's. TD_E_INVALID, TD_E_IO. */
struct ssl_ctx_st;
TD_MUST_USE td_result loop_system_trust(wire_loop *loop, struct ssl_ctx_st **out, td_err *err);

uint64_t loop_now_ns(const wire_loop *loop);

#endif
