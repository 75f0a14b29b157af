/* Inside of the server's end: shared by server.c (listening, accepting) and server_peer.c (one
 * accepted connection). */
#ifndef TD_WIRE_SERVER_IMPL_H
#define TD_WIRE_SERVER_IMPL_H

#include "wire/loop_impl.h"
#include "wire/tls.h"

enum {
    /* One write to the socket: more gains nothing, less costs system calls (PERF 3). */
    SERVER_BATCH_BYTES = 64 << 10,
    SERVER_FRAGMENT_BYTES = 1 << 20, /* larger messages go out in fragments of this size */
    SERVER_FRAME_HEADER_BYTES_MAX = 10,
    /* Largest message of a client: requests have kilobytes. */
    SERVER_MESSAGE_BYTES_MAX = 1 << 20,
    /* libwebsockets has that much room for the subprotocols that a client offers, and for one. */
    SERVER_SUBPROTOCOLS_BYTES = 128,
    SERVER_SUBPROTOCOL_BYTES = 64,
};

/* A connection that is to be closed, and of which the socket has taken nothing for so long, is cut:
 * its peer does not read, and would never get the close frame. */
#define SERVER_CLOSE_PATIENCE_NS (5 * TD_NS_PER_S)

/* What a connection's opaque pointer points to: both structs begin with it. libwebsockets cannot be
 * asked instead: it moves a connection to the first vhost that fits the Host header, which with
 * several servers in one loop is another server's. */
typedef enum server_holder {
    HOLDER_SERVER, /* until the upgrade */
    HOLDER_PEER,
} server_holder;

struct wire_server {
    server_holder holder; /* HOLDER_SERVER */
    wire_loop *loop;
    wire_server *next;
    const wire_server_ops *ops;
    void *user;
    tls_identity *identity; /* NULL: plain */
    struct ssl_ctx_st *unused_client_tls;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];            /* of the vhost; ends with zeros */
    char protocol_name[SERVER_SUBPROTOCOL_BYTES]; /* see pass_over_subprotocols() */
    struct lws *listener;
    int listen_fd;
    wire_timer *accept_timer; /* set while it does not accept, for want of descriptors */
    uint8_t is_closed;        /* refuses everybody */
    wire_peer_conn *peers;
    char url[TD_HOST_BYTES + 32];
};

struct wire_peer_conn {
    server_holder holder; /* HOLDER_PEER */
    wire_server *server;
    wire_peer_conn *next, *prev;
    struct lws *wsi;
    void *user; /* NULL until opened took it */
    wire_assembly assembly;
    td_buf queue;        /* whole WebSocket frames, ready for the socket */
    size_t queue_at;     /* what is before was handed over */
    uint16_t close_code; /* 0: not closing */
    uint8_t is_close_sent;
    uint8_t is_cut; /* without a good-bye */
    wire_timer *close_timer;
    size_t close_left; /* bytes that were queued when it was set */
    char *path;        /* until opened */
    char *query;
};

/* The protocol of servers' vhosts. */
extern const struct lws_protocols SERVER_PROTOCOL;

/* Put the server's certificate into its vhost's context; 0, or -1 to fail. */
int server_use_identity(struct lws_vhost *vhost, struct ssl_ctx_st *context);

/* Tell every peer's user that it is gone, and free them. */
void server_end_peers(wire_server *server);

#endif
