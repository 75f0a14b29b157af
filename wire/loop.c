#include "wire/loop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/resolve.h"
#include "wire/tls.h"

#define WIRE_LOOP_MAGIC 0x77697265u /* "wire" */

struct wire_timer {
    wire_loop *loop;
    wire_timer **name; /* the caller's pointer to this timer, or NULL */
    uint64_t at_ns;
    uint64_t serial;   /* order of creation */
    size_t heap_index; /* in the heap; TIMER_DUE: removed, about to fire */
    void (*fn)(void *user);
    void *user;
    wire_timer *next; /* in the list of due timers */
};

#define TIMER_DUE SIZE_MAX

/* ---- shared state ---- */

uint64_t loop_now_ns(const wire_loop *loop)
{
    return clock_mono_ns(loop->clock);
}

td_result loop_system_trust(wire_loop *loop, struct ssl_ctx_st **out, td_err *err)
{
    td_result rc = TD_OK;
    if (loop->system_trust == NULL)
        rc = tls_client_context_open(NULL, &loop->system_trust, err);
    *out = loop->system_trust;
    return rc;
}

void loop_add_member(wire_loop *loop, loop_member *member)
{
    member->prev = NULL;
    member->next = loop->members;
    if (member->next != NULL)
        member->next->prev = member;
    loop->members = member;
}

void loop_remove_member(wire_loop *loop, loop_member *member)
{
    *(member->prev == NULL ? &loop->members : &member->prev->next) = member->next;
    if (member->next != NULL)
        member->next->prev = member->prev;
}

void loop_free_later(wire_loop *loop, void *memory)
{
    loop->garbage = td_array_grow(loop->garbage, loop->garbage_count, sizeof(void *));
    loop->garbage[loop->garbage_count++] = memory;
}

static void free_garbage(wire_loop *loop)
{
    for (size_t i = 0; i < loop->garbage_count; i++)
        td_free(loop->garbage[i]);
    loop->garbage_count = 0;
}

/* ---- descriptors ---- */

td_result loop_fd_open(wire_loop *loop, loop_fd *self, int fd, uint32_t events, td_err *err)
{
    struct epoll_event event = {.events = events, .data = {.ptr = self}};
    TD_ASSERT(!self->is_served);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return td_err_set_os(err, errno, "cannot wait for a descriptor");
    self->fd = fd;
    self->events = events;
    self->is_served = 1;
    return TD_OK;
}

void loop_fd_want(wire_loop *loop, loop_fd *self, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = self}};
    if (self->events == events)
        return;
    int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, self->fd, &event);
    TD_ASSERT(rc == 0); /* the descriptor is registered, and no memory is needed */
    self->events = events;
}

void loop_fd_call_again(wire_loop *loop, loop_fd *self)
{
    if (self->is_queued || !self->is_served) /* closed: its memory is freed after this turn */
        return;
    self->is_queued = 1;
    loop->call_again_queue =
        td_array_grow(loop->call_again_queue, loop->call_again_count, sizeof(loop_fd *));
    loop->call_again_queue[loop->call_again_count++] = self;
}

void loop_fd_close(wire_loop *loop, loop_fd *self)
{
    if (!self->is_served)
        return;
    for (size_t i = 0; i < loop->call_again_count; i++)
        if (loop->call_again_queue[i] == self)
            loop->call_again_queue[i] = NULL;
    for (int i = 0; i < loop->ready_count; i++)
        if (loop->ready[i].data.ptr == self)
            loop->ready[i].data.ptr = NULL;
    close(self->fd); /* removes it from epoll, too */
    self->is_served = 0;
}

/* Call the descriptors in the list. Later additions wait for the next turn. */
static void call_again(wire_loop *loop)
{
    size_t count = loop->call_again_count;
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        loop_fd *at = loop->call_again_queue[i];
        if (at == NULL)
            continue;
        loop->call_again_queue[i] = NULL;
        at->is_queued = 0;
        at->ready(at->user, 0);
    }
    loop->call_again_count -= count;
    memmove(loop->call_again_queue, loop->call_again_queue + count,
            loop->call_again_count * sizeof(loop_fd *));
}

/* ---- timers: a heap by time and order of creation ---- */

static int is_before(const wire_timer *a, const wire_timer *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->serial < b->serial;
}

static void put_at(wire_loop *loop, size_t at, wire_timer *timer)
{
    loop->heap[at] = timer;
    timer->heap_index = at;
}

/* Put a timer at a free position of the heap, moving it up or down as needed. */
static void sift(wire_loop *loop, size_t at, wire_timer *timer)
{
    while (at > 0 && is_before(timer, loop->heap[(at - 1) / 2])) {
        put_at(loop, at, loop->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (size_t child; (child = 2 * at + 1) < loop->timer_count; at = child) {
        if (child + 1 < loop->timer_count && is_before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (is_before(timer, loop->heap[child]))
            break;
        put_at(loop, at, loop->heap[child]);
    }
    put_at(loop, at, timer);
}

static void remove_timer(wire_loop *loop, const wire_timer *timer)
{
    wire_timer *last = loop->heap[--loop->timer_count];
    if (last != timer)
        sift(loop, timer->heap_index, last);
}

void wire_timer_set(wire_loop *loop, wire_timer **name, uint64_t mono_ns, void (*fn)(void *user),
                    void *user)
{
    TD_ASSERT(loop->magic == WIRE_LOOP_MAGIC);
    wire_timer *timer = td_alloc(sizeof *timer);
    *timer = (wire_timer){.loop = loop,
                          .name = name,
                          .at_ns = mono_ns,
                          .serial = ++loop->timer_serial,
                          .fn = fn,
                          .user = user};
    loop->heap = td_array_grow(loop->heap, loop->timer_count, sizeof(wire_timer *));
    sift(loop, loop->timer_count++, timer);
    if (name == NULL)
        return;
    wire_timer_cancel(name);
    *name = timer;
}

void wire_timer_cancel(wire_timer **name)
{
    wire_timer *timer = *name;
    if (timer == NULL)
        return;
    *name = NULL;
    timer->fn = NULL;
    if (timer->heap_index == TIMER_DUE)
        return;
    remove_timer(timer->loop, timer);
    td_free(timer);
}

/* Fire the due timers. Timers that are set meanwhile wait for the next turn, so that this loop
 * ends. */
static void fire_timers(wire_loop *loop)
{
    uint64_t now_ns = loop_now_ns(loop);
    wire_timer *due = NULL;
    wire_timer **end = &due;
    while (loop->timer_count > 0 && loop->heap[0]->at_ns <= now_ns) {
        wire_timer *timer = loop->heap[0];
        remove_timer(loop, timer);
        timer->heap_index = TIMER_DUE;
        timer->next = NULL;
        *end = timer;
        end = &timer->next;
    }
    while (due != NULL) {
        wire_timer *timer = due;
        void (*fn)(void *user) = timer->fn;
        void *user = timer->user;
        due = timer->next;
        if (fn != NULL && timer->name != NULL)
            *timer->name = NULL;
        td_free(timer);
        if (fn != NULL)
            fn(user);
    }
}

/* Arm the timerfd for the earliest timer, and at the latest for limit_ns. If the timerfd is already
 * armed for an earlier time, leave it, which saves a system call per turn. */
static void arm(wire_loop *loop, uint64_t limit_ns, uint64_t now_ns)
{
    uint64_t at_ns = limit_ns;
    if (loop->timer_count > 0 && loop->heap[0]->at_ns < at_ns)
        at_ns = loop->heap[0]->at_ns;
    if (at_ns == UINT64_MAX || (loop->armed_ns != 0 && loop->armed_ns <= at_ns))
        return;
    uint64_t wait_ns = at_ns > now_ns ? at_ns - now_ns : 1; /* 0 would disarm */
    struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(wait_ns / TD_NS_PER_S),
                                           .tv_nsec = (long)(wait_ns % TD_NS_PER_S)}};
    int rc = timerfd_settime(loop->timer.fd, 0, &spec, NULL);
    TD_ASSERT(rc == 0); /* fails only with invalid arguments */
    loop->armed_ns = at_ns;
}

/* ---- life ---- */

/* Empty a timerfd or an eventfd. */
static void drain(const loop_fd *counter)
{
    uint64_t count = 0;
    ssize_t got = read(counter->fd, &count, sizeof count);
    TD_ASSERT(got == (ssize_t)sizeof count || errno == EAGAIN);
}

static void on_timer(void *user, uint32_t events)
{
    wire_loop *loop = user;
    (void)events;
    drain(&loop->timer);
    loop->armed_ns = 0;
}

static void on_wake(void *user, uint32_t events)
{
    const wire_loop *loop = user;
    (void)events;
    drain(&loop->wake);
}

static td_result open_counter(wire_loop *loop, loop_fd *counter, int fd,
                              void (*ready)(void *, uint32_t), td_err *err)
{
    if (fd < 0)
        return td_err_set_os(err, errno, "cannot open a descriptor for the network loop");
    counter->ready = ready;
    counter->user = loop;
    td_result rc = loop_fd_open(loop, counter, fd, EPOLLIN, err);
    if (rc != TD_OK)
        close(fd);
    return rc;
}

static void notify(void *user)
{
    wire_loop_wake(user);
}

td_result wire_loop_open(td_clock clock, const td_log *log, wire_loop **out, td_err *err)
{
    *out = NULL;
    wire_loop *loop = td_alloc_zero(1, sizeof *loop);
    loop->magic = WIRE_LOOP_MAGIC;
    loop->clock = clock;
    loop->log = log;
    loop->read_buffer = td_alloc(LOOP_READ_BYTES);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    td_result rc = loop->epoll_fd < 0 ? td_err_set_os(err, errno, "epoll_create1") : TD_OK;
    if (rc == TD_OK)
        rc = open_counter(loop, &loop->timer,
                          timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), on_timer,
                          err);
    if (rc == TD_OK)
        rc = open_counter(loop, &loop->wake, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), on_wake, err);
    loop->resolver = resolver_open(clock, log, notify, loop);
    if (rc != TD_OK) {
        wire_loop_close(loop);
        return rc;
    }
    *out = loop;
    return TD_OK;
}

void wire_loop_close(wire_loop *loop)
{
    if (loop == NULL)
        return;
    TD_ASSERT(loop->magic == WIRE_LOOP_MAGIC);
    loop->is_closing = 1;
    while (loop->members != NULL)
        loop->members->end(loop->members->user);
    resolver_close(loop->resolver);
    loop_fd_close(loop, &loop->timer);
    loop_fd_close(loop, &loop->wake);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    while (loop->timer_count > 0)
        td_free(loop->heap[--loop->timer_count]);
    free_garbage(loop);
    td_free(loop->garbage);
    td_free(loop->call_again_queue);
    td_free(loop->heap);
    tls_context_close(loop->system_trust);
    td_free(loop->read_buffer);
    loop->magic = 0;
    td_free(loop);
}

td_result wire_loop_run(wire_loop *loop, uint64_t timeout_ns, td_err *err)
{
    TD_ASSERT(loop->magic == WIRE_LOOP_MAGIC);
    uint64_t now_ns = loop_now_ns(loop);
    int is_due = loop->timer_count > 0 && loop->heap[0]->at_ns <= now_ns;
    int must_wait = timeout_ns > 0 && !is_due && loop->call_again_count == 0;
    if (must_wait)
        arm(loop, timeout_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + timeout_ns, now_ns);
    loop->ready_count =
        epoll_wait(loop->epoll_fd, loop->ready, LOOP_EVENTS_A_TURN, must_wait ? -1 : 0);
    if (loop->ready_count < 0 && errno != EINTR) {
        td_err_set_os(err, errno, "cannot wait for sockets");
        return td_err_add(err, TD_E_NETWORK, "the network loop");
    }
    for (int i = 0; i < loop->ready_count; i++) {
        loop_fd *at = loop->ready[i].data.ptr;
        if (at != NULL)
            at->ready(at->user, loop->ready[i].events);
    }
    loop->ready_count = 0;
    call_again(loop);
    resolver_deliver(loop->resolver);
    fire_timers(loop);
    free_garbage(loop);
    return TD_OK;
}

void wire_loop_wake(wire_loop *loop)
{
    /* A write to an eventfd is safe in a signal handler. If no thread waits yet, the next wait
     * returns at once. */
    const uint64_t one = 1;
    ssize_t put = write(loop->wake.fd, &one, sizeof one);
    (void)put; /* fails only if the loop is already being woken */
}
