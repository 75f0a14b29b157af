/* State of the loop that client and server ends share; private to wire/. Loop's thread only. */
#ifndef TD_WIRE_LOOP_IMPL_H
#define TD_WIRE_LOOP_IMPL_H

#include <stdint.h>

#include <libwebsockets.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "wire/loop.h"
#include "wire/resolve.h"

struct x509_store_ctx_st;

enum {
    /* One read. Below that libwebsockets splits frames, and at 4 KiB it spins without end inside
     * lws_service when reading is stopped while TLS has bytes left (4.1.6). */
    WIRE_READ_BYTES = 128 << 10,
    WIRE_READ_BYTES_MIN = 64 << 10,
    /* Time limit of the closing handshake. */
    WIRE_CLOSE_GRACE_S = 2,
    /* Bound on libwebsockets' own waits, above any of tapedeck's. */
    WIRE_LWS_TIMEOUT_S = 90,
};

#define WIRE_LOOP_MAGIC 0x77697265u /* "wire" */

/* Calls into an end (client or server) by its loop. */
typedef struct loop_end {
    void (*close)(wire_loop *loop); /* end what is open; the resolver and the context are there */
    void (*free)(wire_loop *loop);  /* free what libwebsockets might still have pointed at */
    /* OpenSSL looked at a certificate of wsi's peer: 0 accepts, 1 refuses. (libwebsockets asks the
     * first vhost's protocol, whichever vhost the connection is of: that is the loop's.) NULL: this
     * end has no peers with certificates. */
    int (*verify)(struct lws *wsi, struct x509_store_ctx_st *store, int is_good);
} loop_end;

struct wire_loop {
    uint32_t magic;
    uint8_t has_failed;
    uint8_t is_closing; /* no new connections */
    td_clock clock;
    const td_log *log;
    struct lws_context *context;
    struct lws_vhost *vhost; /* owns the timer; never connects or listens */
    resolver *resolver;
    const loop_end *client_end; /* NULL: no client was opened */
    struct wire_conn *conns;    /* every client connection that has not ended */
    struct wire_route *routes;  /* vhosts of client connections, by how they connect */
    const loop_end *server_end; /* NULL: no server was opened */
    struct wire_server *servers;
    struct wire_server *servers_closed; /* libwebsockets may still point at their vhosts */
    wire_timer *timers;                 /* by time */
    wire_timer *timers_free;
    uint64_t timer_serial;
    uint64_t armed_ns; /* when the timer's descriptor becomes readable; 0: it does not */
    int timer_fd;
};

static inline uint64_t loop_now_ns(const wire_loop *loop)
{
    TD_ASSERT_SLOW(loop->magic == WIRE_LOOP_MAGIC);
    return clock_mono_ns(loop->clock);
}

/* An info with what all our vhosts share: no proxy, no keep-alive pings of libwebsockets' own. */
struct lws_context_creation_info loop_vhost_info(const char *name,
                                                 const struct lws_protocols *protocols);

/* Calls of a descriptor in the loop, by libwebsockets' LWS_CALLBACK_RAW_*_FILE. -1 closes it. */
typedef struct loop_fd {
    int (*callback)(void *user, enum lws_callback_reasons reason);
    void *user;
} loop_fd;

/* Serve a descriptor; use stays until it is closed, or taken away
 * (lws_set_opaque_user_data(wsi, NULL)). On success the loop closes fd. TD_E_IO: fd is still the
 * caller's. */
TD_MUST_USE td_result loop_fd_serve(wire_loop *loop, int fd, loop_fd *use, struct lws **out,
                                    td_err *err);

#endif
