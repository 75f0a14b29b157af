/* Inside of the loop, for wire/ alone: what client and server ends share. Everything here belongs
 * to the loop's thread. */
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
#include "wire/client.h"
#include "wire/resolve.h"
#include "wire/server.h"

struct x509_store_ctx_st;

enum {
    /* One read. Below that libwebsockets splits frames, and at 4 KiB it spins for ever inside
     * lws_service when reading is stopped while TLS has bytes left (4.1.6). */
    WIRE_READ_BYTES = 128 << 10,
    WIRE_READ_BYTES_MIN = 64 << 10,
    /* A message buffer that grew beyond this is given back once the message was delivered. */
    WIRE_BUFFER_KEPT_BYTES = 1 << 20,
    /* How long a closing connection may take to say good-bye. */
    WIRE_CLOSE_GRACE_S = 2,
    /* Bound on libwebsockets' own waits, above any of ours. */
    WIRE_LWS_TIMEOUT_S = 90,
};

#define WIRE_LOOP_MAGIC 0x77697265u /* "wire" */

typedef struct wire_route wire_route;

struct wire_loop {
    uint32_t magic;
    uint8_t has_failed;
    uint8_t is_closing; /* no new connections */
    td_clock clock;
    const td_log *log;
    struct lws_context *context;
    struct lws_vhost *vhost; /* owns the timer; never connects or listens */
    resolver *resolver;
    wire_conn *conns; /* every client connection that has not ended */
    wire_server *servers;
    wire_server *servers_closed; /* libwebsockets may still point at their vhosts */
    wire_route *routes;          /* vhosts of client connections, by how they connect */
    wire_timer *timers;          /* by time */
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

/* ---- messages in pieces ---- */

/* Puts the pieces of one message together; a message that comes in one piece is not copied. */
typedef struct wire_assembly {
    td_buf pieces;
    uint64_t begin_ns; /* when the first piece was read */
    uint8_t is_open;   /* a message has begun */
} wire_assembly;

typedef enum assembly_state {
    ASSEMBLY_MORE,      /* not yet whole */
    ASSEMBLY_WHOLE,     /* *message is it, valid until assembly_done */
    ASSEMBLY_TOO_LARGE, /* over the limit: refuse the connection */
    ASSEMBLY_NOMEM,
} assembly_state;

void assembly_init(wire_assembly *assembly, size_t message_bytes_max);
void assembly_fini(wire_assembly *assembly);

/* Take what libwebsockets read of wsi's present frame. */
assembly_state assembly_take(wire_assembly *assembly, struct lws *wsi, td_bytes piece,
                             uint64_t now_ns, td_bytes *message);
/* The message has been handled. */
void assembly_done(wire_assembly *assembly);

/* ---- what the loop needs of the client's end ---- */

/* OpenSSL looked at a certificate of wsi's peer. 0 accepts, 1 refuses. (libwebsockets asks the
 * first vhost's protocol, whichever vhost the connection is of: that is the loop's.) */
int client_verify(struct lws *wsi, struct x509_store_ctx_st *store, int is_good);

/* ---- what the loop needs of the server's end ---- */

#define SERVER_LISTEN_PROTOCOL "wire-listen"
int server_listen_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                           size_t size);
void servers_free(wire_loop *loop); /* the closed ones, after the context */

/* Used by wire_loop_close: end every connection that libwebsockets does not hold any more. */
void client_end_all(wire_loop *loop);
void client_routes_free(wire_loop *loop);

#endif
