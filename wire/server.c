/* The listening socket is our own, because libwebsockets does not report why it could not listen;
 * what it accepts is handed to a vhost that does not listen itself. */
#include "wire/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/url.h"
#include "wire/assembly.h"
#include "wire/loop_impl.h"
#include "wire/tls.h"

enum { LISTEN_BACKLOG = 256, ACCEPTS_PER_TURN = 64, ACCEPT_PAUSE_MS = 50 };

enum { FIN = 0x80, OPCODE_CONTINUATION = 0, LENGTH_16 = 126, LENGTH_64 = 127 };

enum {
    /* One write to the socket: more gains nothing, less costs system calls (PERF 3). */
    SERVER_BATCH_BYTES = 64 << 10,
    SERVER_FRAGMENT_BYTES = 1 << 20, /* larger messages go out in fragments of this size */
    SERVER_FRAME_HEADER_BYTES_MAX = 10,
    /* Largest message of a client: requests have kilobytes. */
    SERVER_MESSAGE_BYTES_MAX = 1 << 20,
    /* libwebsockets has that much space for the subprotocols that a client offers, and for one. */
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
    loop_fd listening;
    int listen_fd;
    wire_timer *accept_timer; /* set while it does not accept, for want of descriptors */
    uint8_t is_closed;        /* refuses every client */
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
    uint8_t is_cut; /* without a close frame */
    wire_timer *close_timer;
    size_t close_left; /* bytes that were queued when it was set */
    char *path;        /* until opened */
    char *query;
};

/* ---- a peer: the queue of frames towards it ---- */

/* Moves what is left to the front once that is cheap. */
static void queue_compact(wire_peer_conn *peer)
{
    td_buf *queue = &peer->queue;
    TD_ASSERT(peer->queue_at <= queue->size);
    size_t left = queue->size - peer->queue_at;
    if (peer->queue_at == 0 || left > peer->queue_at)
        return;
    memmove(queue->data, queue->data + peer->queue_at, left);
    queue->size = left;
    peer->queue_at = 0;
}

static void queue_clear(wire_peer_conn *peer)
{
    /* td_buf_init() would forget the bound, and a slow client could fill memory. */
    size_t size_max = peer->queue.size_max;
    TD_ASSERT(size_max > 0);
    peer->queue_at = 0;
    td_buf_clear(&peer->queue);
    if (peer->queue.capacity > (size_t)2 * WIRE_PEER_QUEUE_BYTES_MAX) {
        td_buf_fini(&peer->queue);
        td_buf_init(&peer->queue, size_max);
    }
}

/* RFC 6455, 5.2; a server does not mask. Returns the header's size. */
static size_t put_header(uint8_t out[SERVER_FRAME_HEADER_BYTES_MAX], unsigned first, size_t size)
{
    TD_ASSERT((first & ~(unsigned)FIN) <= 2); /* continuation, text, binary */
    out[0] = (uint8_t)first;
    if (size < LENGTH_16) {
        out[1] = (uint8_t)size;
        return 2;
    }
    size_t length_bytes = size <= UINT16_MAX ? 2 : 8;
    out[1] = length_bytes == 2 ? LENGTH_16 : LENGTH_64;
    for (size_t i = 0; i < length_bytes; i++)
        out[2 + i] = (uint8_t)(size >> (8 * (length_bytes - 1 - i)));
    return 2 + length_bytes;
}

/* Size of the whole frame that begins at p; we wrote it, so it is all there. */
static size_t frame_size(const uint8_t *p)
{
    size_t size = p[1];
    TD_ASSERT(size <= LENGTH_64); /* not masked */
    size_t length_bytes = size == LENGTH_16 ? 2 : size == LENGTH_64 ? 8 : 0;
    if (length_bytes == 0)
        return 2 + size;
    size = 0;
    for (size_t i = 0; i < length_bytes; i++)
        size = size << 8 | p[2 + i];
    return 2 + length_bytes + size;
}

size_t wire_peer_queued_bytes(const wire_peer_conn *peer)
{
    TD_ASSERT(peer->queue_at <= peer->queue.size);
    return peer->queue.size - peer->queue_at;
}

static td_result queue_frames(wire_peer_conn *peer, unsigned opcode, td_bytes bytes, td_err *err)
{
    /* In fragments, so that a batch has a bound and pongs come in between. */
    size_t fragments = bytes.size / SERVER_FRAGMENT_BYTES + 1;
    td_result rc =
        td_buf_reserve(&peer->queue, bytes.size + fragments * SERVER_FRAME_HEADER_BYTES_MAX, err);
    if (rc != TD_OK)
        return rc;
    unsigned first = opcode;
    do {
        size_t size = bytes.size < SERVER_FRAGMENT_BYTES ? bytes.size : SERVER_FRAGMENT_BYTES;
        uint8_t header[SERVER_FRAME_HEADER_BYTES_MAX];
        size_t header_size = put_header(header, size == bytes.size ? first | FIN : first, size);
        rc = td_buf_append(&peer->queue, header, header_size, err);
        if (rc == TD_OK)
            rc = td_buf_append(&peer->queue, bytes.data, size, err);
        TD_ASSERT(rc == TD_OK); /* space was reserved */
        bytes = td_bytes_of(bytes.data + size, bytes.size - size);
        first = OPCODE_CONTINUATION;
    } while (bytes.size > 0);
    return TD_OK;
}

td_result wire_peer_send(wire_peer_conn *peer, unsigned opcode, td_bytes bytes, td_err *err)
{
    TD_ASSERT(opcode == 1 || opcode == 2);
    if (peer->close_code != 0 || peer->is_cut)
        return td_err_set(err, TD_E_NETWORK, "the connection is closing");
    size_t queued = wire_peer_queued_bytes(peer);
    int has_space = queued == 0 || queued + bytes.size <= WIRE_PEER_QUEUE_BYTES_MAX;
    if (bytes.size > LIMIT_FRAME_BYTES || !has_space)
        return td_err_set(err, TD_E_LIMIT, "%zu bytes queued and %zu more: %d are allowed", queued,
                          bytes.size, WIRE_PEER_QUEUE_BYTES_MAX);
    queue_compact(peer);
    td_result rc = queue_frames(peer, opcode, bytes, err);
    if (rc == TD_OK && queued == 0)
        lws_callback_on_writable(peer->wsi);
    return rc;
}

/* A batch ends between frames: libwebsockets may put a pong in between. */
static size_t batch_size(const wire_peer_conn *peer)
{
    const uint8_t *at = peer->queue.data + peer->queue_at;
    size_t queued = wire_peer_queued_bytes(peer);
    TD_ASSERT(queued > 0);
    size_t size = frame_size(at);
    while (size < queued) {
        size_t next = frame_size(at + size);
        if (size + next > SERVER_BATCH_BYTES)
            break;
        size += next;
    }
    TD_ASSERT(size <= queued);
    return size;
}

/* Sends batches until the socket is full. libwebsockets keeps the rest of a partly sent batch, and
 * reports writable again only when that is sent. */
static int send_batches(wire_peer_conn *peer)
{
    while (wire_peer_queued_bytes(peer) > 0) {
        size_t size = batch_size(peer);
        /* LWS_WRITE_HTTP: the bytes as they are, for they are framed already. */
        if (lws_write(peer->wsi, peer->queue.data + peer->queue_at, size, LWS_WRITE_HTTP) < 0)
            return -1;
        peer->queue_at += size;
        if (lws_partial_buffered(peer->wsi) || lws_send_pipe_choked(peer->wsi))
            break;
    }
    return 0;
}

static int on_writable(wire_peer_conn *peer)
{
    if (peer->is_cut)
        return -1;
    TD_ASSERT(!peer->is_close_sent || peer->close_code != 0);
    if (peer->is_close_sent)
        return 0; /* a second -1 would cut the connection */
    if (wire_peer_queued_bytes(peer) == 0 && peer->close_code != 0) {
        peer->is_close_sent = 1;
        lws_close_reason(peer->wsi, (enum lws_close_status)peer->close_code, NULL, 0);
        return -1;
    }
    if (send_batches(peer) != 0)
        return -1;
    if (wire_peer_queued_bytes(peer) > 0 || peer->close_code != 0) {
        lws_callback_on_writable(peer->wsi);
        return 0;
    }
    queue_clear(peer);
    if (peer->user != NULL && peer->server->ops->drained != NULL)
        peer->server->ops->drained(peer->user, peer);
    return 0;
}

static void on_close_late(void *user);

static void set_close_timer(wire_peer_conn *peer)
{
    wire_loop *loop = peer->server->loop;
    uint64_t at_ns = loop_now_ns(loop) + SERVER_CLOSE_PATIENCE_NS;
    TD_ASSERT(peer->close_timer == NULL);
    peer->close_left = wire_peer_queued_bytes(peer);
    peer->close_timer = wire_timer_at(loop, at_ns, on_close_late, peer);
}

static void on_close_late(void *user)
{
    wire_peer_conn *peer = user;
    peer->close_timer = NULL;
    if (peer->is_close_sent || peer->is_cut)
        return; /* libwebsockets has a time limit for the rest */
    if (wire_peer_queued_bytes(peer) < peer->close_left)
        set_close_timer(peer);
    else
        wire_peer_close(peer, 0);
}

void wire_peer_close(wire_peer_conn *peer, unsigned code)
{
    TD_ASSERT(code == 0 || (code >= 1000 && code < 5000));
    if (code == 0) {
        peer->is_cut = 1;
        queue_clear(peer);
        lws_set_timeout(peer->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        return;
    }
    if (peer->close_code != 0)
        return;
    peer->close_code = (uint16_t)code;
    set_close_timer(peer);
    lws_callback_on_writable(peer->wsi);
}

/* ---- a peer: its life ---- */

static void peer_free(wire_peer_conn *peer)
{
    wire_server *server = peer->server;
    TD_ASSERT(peer->holder == HOLDER_PEER);
    TD_ASSERT((peer->prev == NULL) == (server->peers == peer));
    *(peer->prev == NULL ? &server->peers : &peer->prev->next) = peer->next;
    if (peer->next != NULL)
        peer->next->prev = peer->prev;
    wire_timer_cancel(peer->close_timer);
    assembly_fini(&peer->assembly);
    td_buf_fini(&peer->queue);
    td_free(peer->path);
    td_free(peer->query);
    td_free(peer);
}

static wire_peer_conn *peer_new(wire_server *server, struct lws *wsi, td_bytes path, td_bytes query)
{
    wire_peer_conn *peer = td_alloc_zero(1, sizeof *peer);
    peer->holder = HOLDER_PEER;
    peer->server = server;
    peer->wsi = wsi;
    assembly_init(&peer->assembly, SERVER_MESSAGE_BYTES_MAX);
    td_buf_init(&peer->queue, (size_t)2 * WIRE_PEER_QUEUE_BYTES_MAX + LIMIT_FRAME_BYTES);
    peer->next = server->peers;
    if (peer->next != NULL)
        peer->next->prev = peer;
    server->peers = peer;
    peer->path = td_strndup((const char *)path.data, path.size);
    peer->query = td_strndup((const char *)query.data, query.size);
    return peer;
}

/* libwebsockets has closed it, or is about to. */
static void peer_end(wire_peer_conn *peer)
{
    /* First: freeing it may make libwebsockets call us again about it. */
    lws_set_opaque_user_data(peer->wsi, NULL);
    void *user = peer->user;
    const wire_server_ops *ops = peer->server->ops;
    peer_free(peer);
    if (user != NULL && ops->closed != NULL)
        ops->closed(user);
}

static void server_end_peers(wire_server *server)
{
    while (server->peers != NULL) {
        struct lws *wsi = server->peers->wsi;
        peer_end(server->peers);
        lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
}

/* ---- callbacks of peers ---- */

/* The server of a connection that was not upgraded; NULL if it was. */
static wire_server *server_of(struct lws *wsi)
{
    wire_server *server = lws_get_opaque_user_data(wsi);
    return server != NULL && server->holder == HOLDER_SERVER ? server : NULL;
}

/* The peer of a connection that was upgraded; NULL if it was not. */
static wire_peer_conn *peer_of(struct lws *wsi)
{
    wire_peer_conn *peer = wsi == NULL ? NULL : lws_get_opaque_user_data(wsi);
    return peer != NULL && peer->holder == HOLDER_PEER ? peer : NULL;
}

/* The query as it was sent: libwebsockets keeps it in pieces. Cut at what out holds. */
static size_t copy_query(struct lws *wsi, char *out, size_t out_bytes)
{
    size_t size = 0;
    for (int i = 0;; i++) {
        if (size + 2 >= out_bytes)
            return size;
        size_t at = size + (i > 0);
        int got =
            lws_hdr_copy_fragment(wsi, out + at, (int)(out_bytes - at), WSI_TOKEN_HTTP_URI_ARGS, i);
        if (got < 0)
            return size;
        if (i > 0)
            out[size] = '&';
        size = at + (size_t)got;
    }
}

static const char *status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } ROWS[] = {{200, "OK"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {502, "Bad Gateway"},
                {503, "Service Unavailable"},
                {426, "Upgrade Required"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        if (ROWS[i].status == status)
            return ROWS[i].text;
    }
    return "Refused";
}

/* Answers a request that is not upgraded, and lets libwebsockets close the connection. Its own
 * answers are HTTP/1.0, which clients refuse to read, and have no text. */
static void refuse_request(struct lws *wsi, unsigned status, const char *why)
{
    enum { HEAD_BYTES = 256 };
    char text[HEAD_BYTES + WIRE_ANSWER_BYTES];
    const char *name = status_text(status);
    if (why[0] == '\0')
        why = name;
    int length =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %u %s\r\ncontent-type: text/plain; charset=utf-8\r\n"
                 "content-length: %zu\r\nconnection: close\r\n%s\r\n%s\n",
                 status, name, strlen(why) + 1, status == 426 ? "upgrade: websocket\r\n" : "", why);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof text);
    /* A failure closes the connection, which is what follows anyway. */
    (void)lws_write(wsi, (unsigned char *)text, (size_t)length, LWS_WRITE_HTTP);
}

/* A token that libwebsockets reads as one: not a number. */
static int is_subprotocol(const char *text, size_t size)
{
    size_t digits = 0;
    for (size_t i = 0; i < size; i++)
        digits += (text[i] >= '0' && text[i] <= '9') || text[i] == '.';
    return digits < size && size < SERVER_SUBPROTOCOL_BYTES;
}

/* libwebsockets drops a client that offers only subprotocols unknown to the vhost. So the vhost's
 * protocol, which it looks up right after this, gets the name that the client offers first;
 * hide_subprotocol() removes that name from the answer. Returns 0 for an offer that libwebsockets
 * cannot read. */
static int pass_over_subprotocols(wire_server *server, struct lws *wsi)
{
    char offer[SERVER_SUBPROTOCOLS_BYTES];
    int length = lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL);
    if (length <= 0)
        return 1;
    /* one less than it has, as its own call */
    if (lws_hdr_copy(wsi, offer, (int)sizeof offer - 1, WSI_TOKEN_PROTOCOL) <= 0)
        return 0;
    const char *first = offer + strspn(offer, " \t,");
    size_t size = strcspn(first, " \t,");
    if (!is_subprotocol(first, size))
        return 0;
    memcpy(server->protocol_name, first, size);
    server->protocol_name[size] = '\0';
    return 1;
}

/* The last header of the answer to an upgrade is about to be written. */
static void hide_subprotocol(const wire_peer_conn *peer, struct lws_process_html_args *answer)
{
    char line[SERVER_SUBPROTOCOL_BYTES + 32];
    int length =
        snprintf(line, sizeof line, "Sec-WebSocket-Protocol: %s\r\n", peer->server->protocol_name);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof line);
    /* The answer's first lines are longer than this one, so there is as much before p. */
    if (memcmp(answer->p - length, line, (size_t)length) == 0)
        answer->p -= length;
}

typedef enum request_kind { REQUEST_UPGRADE, REQUEST_PLAIN } request_kind;

/* The answer to a request: 0: it is upgraded, 1: answered, -1: hang up. */
static int on_request(struct lws *wsi, request_kind kind)
{
    wire_server *server = server_of(wsi);
    if (server == NULL)
        return -1;
    char path[LIMIT_URL_BYTES];
    char query[LIMIT_URL_BYTES];
    char text[WIRE_ANSWER_BYTES] = "";
    int path_size = lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
    if (path_size <= 0)
        return -1;
    td_bytes path_view = td_bytes_of(path, (size_t)path_size);
    td_bytes query_view = td_bytes_of(query, copy_query(wsi, query, sizeof query));
    unsigned status =
        server->is_closed ? 503 : server->ops->accept(server->user, path_view, query_view, text);
    if (status == 101 && kind == REQUEST_PLAIN) {
        status = 426;
        (void)snprintf(text, sizeof text, "this is a WebSocket server: ask for an upgrade");
    }
    if (status == 101 && !pass_over_subprotocols(server, wsi)) {
        status = 400;
        (void)snprintf(text, sizeof text,
                       "Sec-WebSocket-Protocol is too long, or no list of names");
    }
    if (status != 101) {
        refuse_request(wsi, status, text);
        return kind == REQUEST_PLAIN ? -1 : 1;
    }
    lws_set_opaque_user_data(wsi, peer_new(server, wsi, path_view, query_view));
    return 0;
}

static int on_established(wire_peer_conn *peer)
{
    wire_server *server = peer->server;
    peer->user = server->ops->opened(server->user, peer, td_bytes_str(peer->path),
                                     td_bytes_str(peer->query));
    if (peer->user == NULL)
        wire_peer_close(peer, 1011);
    return 0;
}

/* Closes by way of the queue only: see refuse_message() in client.c. */
static void on_receive(wire_peer_conn *peer, td_bytes piece)
{
    if (peer->user == NULL || peer->close_code != 0 || peer->is_cut)
        return;
    td_bytes whole;
    switch (assembly_add(&peer->assembly, peer->wsi, piece, 0, &whole)) {
    case ASSEMBLY_MORE:
        break;
    case ASSEMBLY_WHOLE:
        peer->server->ops->message(peer->user, peer, lws_frame_is_binary(peer->wsi) ? 2 : 1, whole);
        assembly_done(&peer->assembly);
        break;
    case ASSEMBLY_TOO_LARGE:
        wire_peer_close(peer, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE);
        break;
    }
}

/* It serves no pages. */
/* The TLS context of the vhost is to be filled. */
static int server_use_identity(struct lws_vhost *vhost, struct ssl_ctx_st *context)
{
    const wire_server *server = lws_get_vhost_user(vhost);
    td_err err;
    if (tls_identity_use(server->identity, context, &err) == TD_OK) {
        /* libwebsockets' own would take another server's certificate of the same loop. */
        SSL_CTX_set_tlsext_servername_callback(context, NULL);
        return 0;
    }
    td_log_emit(server->loop->log, TD_LOG_ERROR, "%s", err.text);
    return -1;
}

static int server_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                           size_t size)
{
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
        return server_use_identity(in, user);
    if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE)
        return on_request(wsi, REQUEST_UPGRADE);
    if (reason == LWS_CALLBACK_HTTP)
        return on_request(wsi, REQUEST_PLAIN);
    wire_peer_conn *peer = peer_of(wsi);
    if (peer == NULL)
        return 0;
    switch ((int)reason) { /* the others need no handling */
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(peer);
    case LWS_CALLBACK_ADD_HEADERS:
        hide_subprotocol(peer, in);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        on_receive(peer, td_bytes_of(in, size));
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_writable(peer);
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY:
        peer_end(peer);
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols SERVER_PROTOCOL = {.name = "wire-server",
                                                     .callback = server_callback,
                                                     .rx_buffer_size = 16 << 10,
                                                     .tx_packet_size =
                                                         (size_t)2 * SERVER_BATCH_BYTES};

/* ---- listening ---- */

static td_result bind_and_listen(int fd, const struct addrinfo *place, td_err *err)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return td_err_set_os(err, errno, "SO_REUSEADDR");
    if (bind(fd, place->ai_addr, place->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return TD_OK;
    int os_errno = errno;
    td_err_set_os(err, os_errno, "cannot listen");
    if (os_errno == EADDRINUSE)
        td_err_hint(err, "Another program has this port; port 0 lets the kernel choose one.");
    return TD_E_NETWORK;
}

static td_result listen_at(const char *host, uint16_t port, int *out, td_err *err)
{
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port); /* at most 5 digits */
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *place = NULL;
    int rc = getaddrinfo(host, service, &hints, &place);
    if (rc != 0)
        return td_err_set(err, TD_E_INVALID, "no such address: %s", gai_strerror(rc));
    int fd = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    td_result result =
        fd < 0 ? td_err_set_os(err, errno, "socket") : bind_and_listen(fd, place, err);
    freeaddrinfo(place);
    if (result != TD_OK && fd >= 0)
        close(fd);
    *out = result == TD_OK ? fd : -1;
    return result;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } place = {.v6 = {0}};
    socklen_t size = sizeof place;
    int rc = getsockname(fd, &place.any, &size);
    TD_ASSERT(rc == 0);
    return ntohs(place.any.sa_family == AF_INET6 ? place.v6.sin6_port : place.v4.sin_port);
}

static void set_url(wire_server *server, const char *host, uint16_t port)
{
    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    else if (strcmp(host, "::") == 0)
        host = "::1";
    int is_ipv6 = td_address_version(host) == 6;
    int length = snprintf(server->url, sizeof server->url, "%s://%s%s%s:%u",
                          server->identity == NULL ? "ws" : "wss", is_ipv6 ? "[" : "", host,
                          is_ipv6 ? "]" : "", port);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof server->url);
}

/* ---- accepting ---- */

static void accept_again(void *user)
{
    wire_server *server = user;
    server->accept_timer = NULL;
    lws_rx_flow_control(server->listener, 1);
}

/* Without a free descriptor the socket stays readable and the loop would spin: look away for a
 * while. */
static void accept_later(wire_server *server)
{
    wire_loop *loop = server->loop;
    uint64_t at_ns = loop_now_ns(loop) + ACCEPT_PAUSE_MS * TD_NS_PER_MS;
    if (server->accept_timer != NULL)
        return;
    server->accept_timer = wire_timer_at(loop, at_ns, accept_again, server);
    lws_rx_flow_control(server->listener, 0);
    td_log_emit(loop->log, TD_LOG_WARNING, "cannot accept a connection: %s", strerror(errno));
}

static void accept_some(wire_server *server)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
            accept_later(server);
        if (fd < 0)
            return; /* none left, or none available now: poll reports again */
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
                         sizeof on); /* slower without, no worse */
        const lws_adopt_desc_t adopted = {.vh = server->vhost,
                                          .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP |
                                                  LWS_ADOPT_ALLOW_SSL,
                                          .fd = {.sockfd = fd},
                                          .opaque = server};
        /* NULL: it has closed the socket; no callback is due. */
        (void)lws_adopt_descriptor_vhost_via_info(&adopted);
    }
}

static int on_listener(void *user, enum lws_callback_reasons reason)
{
    if (reason == LWS_CALLBACK_RAW_RX_FILE)
        accept_some(user);
    return 0;
}

static td_result adopt_listener(wire_server *server, int fd, td_err *err)
{
    server->listening = (loop_fd){on_listener, server};
    td_result rc = loop_fd_serve(server->loop, fd, &server->listening, &server->listener, err);
    if (rc == TD_OK)
        server->listen_fd = fd; /* closed with the listener */
    else
        close(fd);
    return rc;
}

/* ---- a server: its life ---- */

static td_result open_vhost(wire_server *server, td_err *err)
{
    server->protocols[0] = SERVER_PROTOCOL;
    server->protocols[0].name = server->protocol_name;
    memcpy(server->protocol_name, SERVER_PROTOCOL.name, strlen(SERVER_PROTOCOL.name) + 1);
    struct lws_context_creation_info info = loop_vhost_info("wire-server", server->protocols);
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.user = server;
    info.alpn = "http/1.1";
    if (server->identity != NULL) {
        info.options =
            LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
        /* Without one it makes itself another, with all of the system's CAs (30 ms), for clients.
         */
        td_result rc = tls_client_context_open(&server->unused_client_tls, err);
        if (rc != TD_OK)
            return rc;
        info.provided_client_ssl_ctx = server->unused_client_tls;
    }
    server->vhost = lws_create_vhost(server->loop->context, &info);
    return server->vhost == NULL ? td_err_set(err, TD_E_IO, "cannot make a vhost") : TD_OK;
}

static td_result open_identity(wire_server *server, const wire_server_options *options, td_err *err)
{
    if (options->is_plain)
        return TD_OK;
    if (options->tls_cert == NULL && options->tls_key == NULL)
        return tls_identity_make(clock_wall_ns(server->loop->clock), &server->identity, err);
    if (options->tls_cert == NULL || options->tls_key == NULL)
        return td_err_set(err, TD_E_INVALID, "a certificate needs its key, and the reverse");
    td_result rc = tls_identity_load(options->tls_cert, options->tls_key, &server->identity, err);
    if (rc == TD_OK && wire_server_ca_pem(server) == NULL)
        td_log_emit(
            server->loop->log, TD_LOG_INFO,
            "%s does not hold the certificate of its issuer: the ready file gets no ca_file",
            options->tls_cert);
    return rc;
}

static td_result open_listener(wire_server *server, const char *place, td_err *err)
{
    char host[TD_HOST_BYTES];
    uint16_t port = 0;
    int fd = -1;
    td_result rc = td_host_port_parse(place, host, &port, err);
    if (rc != TD_OK) {
        td_err_hint(err, "0.0.0.0:PORT listens on all addresses, [::]:PORT with IPv6, too");
        return rc;
    }
    rc = listen_at(host, port, &fd, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "%s", place);
    set_url(server, host, port_of(fd));
    return adopt_listener(server, fd, err);
}

static void server_free(wire_server *server)
{
    TD_ASSERT(server->peers == NULL);
    tls_identity_close(server->identity);
    tls_client_context_close(server->unused_client_tls);
    td_free(server);
}

/* libwebsockets 4.1.6 takes a vhost down in its own time, while connections in mid-handshake still
 * point at it; so a closed server only stops listening, refuses what is still under way, and is
 * freed with the loop. */
void wire_server_close(wire_server *server)
{
    if (server == NULL)
        return;
    wire_loop *loop = server->loop;
    TD_ASSERT(!server->is_closed);
    server->is_closed = 1;
    wire_timer_cancel(server->accept_timer);
    server->accept_timer = NULL;
    lws_set_opaque_user_data(server->listener, NULL);
    lws_set_timeout(server->listener, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    server->listener = NULL;
    server_end_peers(server);
    wire_server **at = &loop->servers;
    while (*at != server)
        at = &(*at)->next;
    *at = server->next;
    server->next = loop->servers_closed;
    loop->servers_closed = server;
}

static void close_all(wire_loop *loop)
{
    while (loop->servers != NULL)
        wire_server_close(loop->servers);
}

static void free_all(wire_loop *loop)
{
    TD_ASSERT(loop->servers == NULL);
    while (loop->servers_closed != NULL) {
        wire_server *server = loop->servers_closed;
        loop->servers_closed = server->next;
        server_free(server);
    }
}

static const loop_end SERVER_END = {.close = close_all, .free = free_all};

td_result wire_server_open(wire_loop *loop, const wire_server_options *options, wire_server **out,
                           td_err *err)
{
    TD_ASSERT(loop->magic == WIRE_LOOP_MAGIC);
    *out = NULL;
    wire_server *server = td_alloc_zero(1, sizeof *server);
    server->holder = HOLDER_SERVER;
    server->loop = loop;
    server->ops = options->ops;
    server->user = options->user;
    td_result rc = open_identity(server, options, err);
    if (rc == TD_OK)
        rc = open_vhost(server, err);
    if (rc == TD_OK)
        rc = open_listener(server, options->listen, err);
    if (rc != TD_OK && server->vhost == NULL) {
        server_free(server);
        return rc;
    }
    /* From here on libwebsockets knows it: it lives until the loop's end, closed or not. */
    server->is_closed = rc != TD_OK;
    wire_server **list = rc == TD_OK ? &loop->servers : &loop->servers_closed;
    server->next = *list;
    *list = server;
    loop->server_end = &SERVER_END;
    *out = rc == TD_OK ? server : NULL;
    return rc;
}

const char *wire_server_url(const wire_server *server)
{
    return server->url;
}

const char *wire_server_ca_pem(const wire_server *server)
{
    return server->identity == NULL ? NULL : tls_identity_pem(server->identity);
}
