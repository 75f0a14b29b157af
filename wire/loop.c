#include "wire/loop_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/timerfd.h>

#include "base/alloc.h"

struct wire_timer {
    wire_loop *loop;
    wire_timer *next;
    uint64_t at_ns;
    uint64_t serial; /* order of creation; identifies timers made while others fire */
    void (*fn)(void *user);
    void *user;
};

/* libwebsockets pings and hangs up by itself after 300 s without traffic unless disabled;
 * whether a feed is stale is the recorder's judgement, and heartbeats are the dialect's. */
static const lws_retry_bo_t NO_KEEPALIVE = {.secs_since_valid_ping = 0};

/* ---- timers ---- */

static void arm_descriptor(wire_loop *loop, uint64_t at_ns, uint64_t now_ns)
{
    uint64_t wait_ns = at_ns > now_ns ? at_ns - now_ns : 1; /* 0 would disarm */
    struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(wait_ns / TD_NS_PER_S),
                                           .tv_nsec = (long)(wait_ns % TD_NS_PER_S)}};
    int rc = timerfd_settime(loop->timer_fd, 0, &spec, NULL);
    TD_ASSERT(rc == 0); /* only wrong arguments could make it fail */
    loop->armed_ns = at_ns;
}

/* Make the loop wake at the first timer, and at limit_ns at the latest. An earlier wake
 * that is armed already stays: that saves a system call for each turn of the loop. */
static void arm(wire_loop *loop, uint64_t limit_ns, uint64_t now_ns)
{
    uint64_t at_ns = limit_ns;
    if (loop->timers != NULL && loop->timers->at_ns < at_ns)
        at_ns = loop->timers->at_ns;
    if (at_ns == UINT64_MAX || (loop->armed_ns != 0 && loop->armed_ns <= at_ns))
        return;
    arm_descriptor(loop, at_ns, now_ns);
}

static wire_timer *take_free_timer(wire_loop *loop)
{
    wire_timer *timer = loop->timers_free;
    if (timer == NULL)
        return td_alloc_zero(1, sizeof *timer);
    loop->timers_free = timer->next;
    return timer;
}

wire_timer *wire_timer_at(wire_loop *loop, uint64_t mono_ns, void (*fn)(void *user), void *user)
{
    TD_ASSERT(loop->magic == WIRE_LOOP_MAGIC);
    wire_timer *timer = take_free_timer(loop);
    *timer = (wire_timer){
        .loop = loop, .at_ns = mono_ns, .serial = ++loop->timer_serial, .fn = fn, .user = user};
    wire_timer **at = &loop->timers;
    while (*at != NULL && (*at)->at_ns <= mono_ns)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
    return timer;
}

void wire_timer_cancel(wire_timer *timer)
{
    if (timer == NULL)
        return;
    wire_loop *loop = timer->loop;
    wire_timer **at = &loop->timers;
    while (*at != NULL && *at != timer)
        at = &(*at)->next;
    TD_ASSERT(*at == timer); /* cancelled after it fired */
    *at = timer->next;
    timer->next = loop->timers_free;
    loop->timers_free = timer;
}

/* Fires what is due; what is made meanwhile waits for the next turn, so that this ends. */
static void fire_timers(wire_loop *loop)
{
    uint64_t now_ns = loop_now_ns(loop);
    uint64_t serial_max = loop->timer_serial;
    wire_timer **at = &loop->timers;
    while (*at != NULL && (*at)->at_ns <= now_ns) {
        wire_timer *timer = *at;
        if (timer->serial > serial_max) {
            at = &timer->next;
            continue;
        }
        *at = timer->next;
        void (*fn)(void *user) = timer->fn;
        void *user = timer->user;
        timer->next = loop->timers_free;
        loop->timers_free = timer;
        fn(user);
        at = &loop->timers; /* fn may have changed the list */
    }
}

static void free_timers(wire_timer *timer)
{
    while (timer != NULL) {
        wire_timer *next = timer->next;
        td_free(timer);
        timer = next;
    }
}

static void drain_descriptor(wire_loop *loop)
{
    uint64_t count = 0;
    ssize_t got = read(loop->timer_fd, &count, sizeof count);
    TD_ASSERT(got == (ssize_t)sizeof count || errno == EAGAIN);
    loop->armed_ns = 0;
}

static int loop_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                         size_t size)
{
    (void)in;
    if (reason == LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION) {
        const wire_loop *loop = lws_context_user(lws_get_context(wsi));
        return loop->client_end->verify(wsi, user, (int)size);
    }
    if (reason == LWS_CALLBACK_RAW_RX_FILE)
        drain_descriptor(lws_context_user(lws_get_context(wsi)));
    return 0;
}

static int fd_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t size)
{
    (void)user;
    (void)in;
    (void)size;
    const loop_fd *use = wsi == NULL ? NULL : lws_get_opaque_user_data(wsi);
    int is_ready = reason == LWS_CALLBACK_RAW_WRITEABLE_FILE || reason == LWS_CALLBACK_RAW_RX_FILE;
    if (use == NULL)
        return is_ready ? -1 : 0; /* it belongs to no connection any more */
    if (is_ready || reason == LWS_CALLBACK_RAW_CLOSE_FILE)
        return use->callback(use->user, reason);
    return 0;
}

#define FD_PROTOCOL "wire-fd"
static const struct lws_protocols LOOP_PROTOCOLS[] = {
    {.name = "wire-loop", .callback = loop_callback},
    {.name = FD_PROTOCOL, .callback = fd_callback},
    {0},
};

td_result loop_fd_serve(wire_loop *loop, int fd, loop_fd *use, struct lws **out, td_err *err)
{
    lws_sock_file_fd_type served = {.filefd = fd};
    *out =
        lws_adopt_descriptor_vhost(loop->vhost, LWS_ADOPT_RAW_FILE_DESC, served, FD_PROTOCOL, NULL);
    if (*out == NULL)
        return td_err_set(err, TD_E_IO, "libwebsockets rejected a descriptor");
    lws_set_opaque_user_data(*out, use);
    return TD_OK;
}

/* ---- life ---- */

struct lws_context_creation_info loop_vhost_info(const char *name,
                                                 const struct lws_protocols *protocols)
{
    return (struct lws_context_creation_info){
        .port = CONTEXT_PORT_NO_LISTEN,
        .vhost_name = name,
        .protocols = protocols,
        .http_proxy_address = "", /* NULL would make libwebsockets read $http_proxy */
        .timeout_secs = WIRE_LWS_TIMEOUT_S,
        .connect_timeout_secs = WIRE_LWS_TIMEOUT_S,
        .retry_and_idle_policy = &NO_KEEPALIVE,
    };
}

static td_result open_context(wire_loop *loop, td_err *err)
{
    struct lws_context_creation_info info = loop_vhost_info("wire-loop", LOOP_PROTOCOLS);
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.user = loop;
    info.pt_serv_buf_size = WIRE_READ_BYTES;
    info.max_http_header_data = 8192;
    info.max_http_header_pool = 1024;
    info.fd_limit_per_thread = 4096; /* the limit of the process may be a million: 24 bytes each */
    TD_ASSERT(info.pt_serv_buf_size >= WIRE_READ_BYTES_MIN); /* else lws 4.1.6 spins: see there */
    loop->context = lws_create_context(&info);
    if (loop->context == NULL)
        return td_err_set(err, TD_E_IO, "cannot make a libwebsockets context");
    info.options = 0;
    loop->vhost = lws_create_vhost(loop->context, &info);
    if (loop->vhost == NULL)
        return td_err_set(err, TD_E_IO, "cannot make a libwebsockets vhost");
    return TD_OK;
}

static td_result open_timer(wire_loop *loop, td_err *err)
{
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0)
        return td_err_set_os(err, errno, "timerfd_create");
    lws_sock_file_fd_type fd = {.filefd = loop->timer_fd};
    if (lws_adopt_descriptor_vhost(loop->vhost, LWS_ADOPT_RAW_FILE_DESC, fd, "wire-loop", NULL) ==
        NULL) {
        close(loop->timer_fd);
        return td_err_set(err, TD_E_IO, "libwebsockets rejected the timer");
    }
    return TD_OK; /* the context closes it */
}

static void wake(void *user)
{
    wire_loop_wake(user);
}

/* td_alloc for libwebsockets. */
static void *allocate(void *old, size_t bytes, const char *reason)
{
    (void)reason;
    if (bytes > 0)
        return td_realloc(old, bytes, 1);
    td_free(old);
    return NULL;
}

td_result wire_loop_open(td_clock clock, const td_log *log, wire_loop **out, td_err *err)
{
    *out = NULL;
    wire_loop *loop = td_alloc_zero(1, sizeof *loop);
    loop->magic = WIRE_LOOP_MAGIC;
    loop->clock = clock;
    loop->log = log;
    lws_set_log_level(0, NULL); /* its lines name no connection; ours do */
    lws_set_allocator(allocate);
    td_result rc = open_context(loop, err);
    if (rc == TD_OK)
        rc = open_timer(loop, err);
    const resolver_options names = {.notify = wake, .user = loop, .clock = clock, .log = log};
    loop->resolver = resolver_open(&names);
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
    if (loop->server_end != NULL)
        loop->server_end->close(loop);
    loop->is_closing = 1;
    if (loop->client_end != NULL)
        loop->client_end->close(loop); /* gives its look-ups up, which the resolver must know */
    resolver_close(loop->resolver);
    loop->resolver = NULL;
    if (loop->context != NULL)
        lws_context_destroy(loop->context);
    if (loop->client_end != NULL)
        loop->client_end->free(loop);
    if (loop->server_end != NULL)
        loop->server_end->free(loop);
    free_timers(loop->timers);
    free_timers(loop->timers_free);
    loop->magic = 0;
    td_free(loop);
}

td_result wire_loop_run(wire_loop *loop, uint64_t timeout_ns, td_err *err)
{
    TD_ASSERT(loop->magic == WIRE_LOOP_MAGIC);
    if (loop->has_failed)
        return td_err_set(err, TD_E_NETWORK, "the network loop has failed before");
    uint64_t now_ns = loop_now_ns(loop);
    int is_due = loop->timers != NULL && loop->timers->at_ns <= now_ns;
    int must_wait = timeout_ns > 0 && !is_due;
    if (must_wait)
        arm(loop, timeout_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + timeout_ns, now_ns);
    if (lws_service(loop->context, must_wait ? 0 : -1) < 0) {
        loop->has_failed = 1;
        return td_err_set(err, TD_E_NETWORK, "libwebsockets cannot serve its sockets: %s",
                          strerror(errno));
    }
    resolver_deliver(loop->resolver);
    fire_timers(loop);
    return TD_OK;
}

void wire_loop_wake(wire_loop *loop)
{
    /* One write to an eventfd: safe in a signal handler, and remembered if no thread waits yet. */
    lws_cancel_service(loop->context);
}
