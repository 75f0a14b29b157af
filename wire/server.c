#include "wire/server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/listen.h"
#include "base/log_rate.h"
#include "base/limits.h"
#include "base/time_share.h"
#include "base/url.h"
#include "wire/handshake.h"
#include "wire/link.h"
#include "wire/tls.h"

enum {
    ACCEPTS_PER_TURN = 64,
    ACCEPT_PAUSE_MS = 50,
    /* Maximum message of a client: requests have kilobytes. */
    MESSAGE_BYTES_MAX = 1 << 20,
    COMPRESSED_BYTES_KEPT = 1 << 20, /* a larger buffer is freed before the next message */
    OUT_BYTES_MAX = WIRE_PEER_QUEUE_BYTES_MAX + (int)LIMIT_FRAME_BYTES + (1 << 20),
    REQUEST_S = 10, /* time limit for TLS and the request */
    EXCESS_S = 1,   /* the same for a client on the spare descriptor */
};

/* A closing connection is cut off after the socket accepted no bytes for this long: its peer does
 * not read, and would never get the close frame. */
#define CLOSE_PATIENCE_NS (5 * TD_NS_PER_S)

/* Maximum time for one peer's compressed messages in a turn: enough for a few messages that inflate
 * a thousandfold, to 1 MiB each. */
#define INFLATE_TURN_NS (10 * TD_NS_PER_MS)

/* The last message that was compressed for a window size. */
typedef struct compressor {
    deflate_sender *sender; /* NULL: not needed yet */
    uint64_t number;        /* of the message */
    td_buf payload;
} compressor;

struct wire_server {
    wire_loop *loop;
    loop_member member;
    const wire_server_ops *ops;
    void *user;
    origin_list origins;
    struct ssl_ctx_st *tls;                       /* NULL: no TLS */
    char *ca_pem;                                 /* NULL: no TLS, or unknown */
    deflate_receiver *inflater;                   /* shared by all peers; NULL: not needed yet */
    time_share inflating;                         /* time spent on inflating messages */
    compressor compressors[DEFLATE_BITS_MAX + 1]; /* by window bits */
    uint64_t message_count;
    loop_fd listener;
    wire_timer *accept_timer; /* set while accepting is paused: no descriptors */
    int spare_fd;             /* kept so that one more client can be answered; -1: in use */
    td_log_rate refused;      /* clients refused without a descriptor */
    struct peer *peers;
    char url[TD_HOST_BYTES + 32];
};

typedef struct peer peer;
struct peer {
    wire_conn conn; /* conn.user is NULL unless a callback accepted the connection */
    wire_server *server;
    peer *next, *prev;
    wire_link link;
    int deflate_bits;      /* window bits for compressing messages */
    uint64_t turn_ns;      /* time for inflating and handling the messages of the current read */
    uint8_t is_excess;     /* 1: it uses the spare descriptor, and is refused */
    uint8_t awaits_answer; /* relay only: 1: the user must still answer the request */
    uint8_t is_request;    /* relay only: 1: the request is no upgrade */
    char key[HANDSHAKE_KEY_BYTES]; /* relay only: of the request */
};

/* ---- a peer's end ---- */

/* Call closed: the user must not use the connection afterwards. */
static void notify_closed(peer *self)
{
    const wire_server_ops *ops = self->server->ops;
    void (*closed)(void *user) = self->is_request ? ops->requested_closed : ops->closed;
    void *user = self->conn.user;
    self->conn.user = NULL;
    if (user != NULL && closed != NULL)
        closed(user);
}

/* Reserve a descriptor for use when no other is left. */
static void keep_spare(wire_server *server)
{
    if (server->spare_fd < 0 && server->listener.fd >= 0)
        server->spare_fd = fcntl(server->listener.fd, F_DUPFD_CLOEXEC, 0);
}

/* Remove the peer; its memory is freed after the loop's current turn. */
static void end_peer(peer *self)
{
    wire_server *server = self->server;
    *(self->prev == NULL ? &server->peers : &self->prev->next) = self->next;
    if (self->next != NULL)
        self->next->prev = self->prev;
    conn_fini(&self->conn);
    link_close(&self->link);
    keep_spare(server);
    if (self->conn.is_relay)
        deflate_receiver_close(self->conn.inflater);
    loop_free_later(server->loop, self);
    notify_closed(self);
}

static void on_timeout(wire_conn *conn)
{
    end_peer(conn->owner);
}

/* Send the queue, then end the connection. The connection's user is notified at once. */
static void finish_peer(peer *self)
{
    conn_finish(&self->conn);
    notify_closed(self);
}

static void on_peer_ended(wire_conn *conn, const ws_event *event)
{
    (void)conn_note_end(
        conn, event->message.opcode == WS_CLOSE ? WIRE_CAUSE_CLOSED_BY_PEER : WIRE_CAUSE_PROTOCOL,
        NULL);
    if (event->message.opcode != WS_CLOSE || !conn->is_relay)
        notify_closed(conn->owner);
}

/* ---- a peer's compressed messages ---- */

/* The message compressed for the peer's window, valid until another message is sent. */
static td_bytes compress(wire_conn *conn, wire_outgoing *message)
{
    const peer *self = conn->owner;
    wire_server *server = self->server;
    compressor *c = &server->compressors[self->deflate_bits];
    if (message->number == 0)
        message->number = ++server->message_count;
    if (c->number == message->number)
        return td_buf_view(&c->payload);
    if (c->sender == NULL) {
        c->sender = deflate_sender_open(self->deflate_bits);
        td_buf_init(&c->payload, SIZE_MAX);
    }
    if (c->payload.capacity > COMPRESSED_BYTES_KEPT)
        td_buf_fini(&c->payload);
    td_buf_clear(&c->payload);
    deflate_send(c->sender, message->bytes, &c->payload);
    c->number = message->number;
    return td_buf_view(&c->payload);
}

/* Limit the time for which other peers wait while a compressed message is inflated and handled. If
 * inflating exceeds its share of the time, the peer is not read until the average is back within
 * the share. When other programs use the CPU, the share may never be exceeded, so a peer's turn
 * also ends after INFLATE_TURN_NS of inflating. */
static void on_inflated(wire_conn *conn, uint64_t cost_ns)
{
    peer *self = conn->owner;
    wire_server *server = self->server;
    uint64_t wait_ns = time_share_spend(&server->inflating, loop_now_ns(server->loop), cost_ns);
    self->turn_ns += cost_ns;
    if (wait_ns > 0 || self->turn_ns >= INFLATE_TURN_NS)
        conn_stall(conn, wait_ns);
}

static const conn_role SERVER = {.peer = WS_FROM_CLIENT,
                                 .message_bytes_max = MESSAGE_BYTES_MAX,
                                 .sent_bytes_max = LIMIT_FRAME_BYTES,
                                 .queue_bytes_max = WIRE_PEER_QUEUE_BYTES_MAX,
                                 .pong_bytes_max = WIRE_PEER_QUEUE_BYTES_MAX,
                                 .patience_ns = CLOSE_PATIENCE_NS,
                                 .compress = compress,
                                 .inflated = on_inflated,
                                 .peer_ended = on_peer_ended,
                                 .timed_out = on_timeout};

/* ---- a peer's request ---- */

static void answer(peer *self, unsigned status, const char *text)
{
    handshake_answer(status, text, link_output(&self->link));
    finish_peer(self);
}

static void open_peer(peer *self, const handshake_request *request)
{
    wire_server *server = self->server;
    wire_conn *conn = &self->conn;
    handshake_accept(request, link_output(&self->link));
    link_flush_later(&self->link);
    self->deflate_bits = request->deflate_bits;
    conn->is_deflated = request->deflate_bits > 0;
    if (conn->is_deflated && server->inflater == NULL)
        server->inflater = deflate_receiver_open(DEFLATE_NO_TAKEOVER);
    conn_open(conn, conn->is_deflated ? server->inflater : NULL);
    conn->user = server->ops->opened(server->user, conn, request->path, request->query);
    if (conn->user == NULL)
        wire_close(conn, WS_CODE_FAILED, td_bytes_of(NULL, 0));
}

/* Pass the request to a relay's user, who answers later. body: of a request that is no upgrade. */
static void pass_request(peer *self, const handshake_request *request, td_bytes head, td_bytes body)
{
    const wire_server_ops *ops = self->server->ops;
    char address[LINK_ADDRESS_BYTES];
    td_buf text;
    td_buf_init(&text, 2 * (size_t)HANDSHAKE_BYTES_MAX);
    td_buf_add(&text, request->path.data,
               (size_t)(request->query.data + request->query.size - request->path.data));
    td_buf_add(&text, "", 1);
    size_t fields_at = text.size;
    handshake_copy_fields(head, &text);
    td_buf_add(&text, "", 1);
    size_t method_at = text.size;
    td_buf_add(&text, request->method.data, request->method.size);
    td_buf_add(&text, "", 1);
    link_peer_address(&self->link, address);
    if (!self->is_request)
        memcpy(self->key, request->key.data, sizeof self->key - 1);
    self->awaits_answer = 1;
    wire_timer_cancel(&self->conn.timer);
    const wire_request passed = {.method = (const char *)text.data + method_at,
                                 .body = body,
                                 .target = (const char *)text.data,
                                 .path = request->path,
                                 .fields = (const char *)text.data + fields_at,
                                 .address = address};
    void *(*ask)(void *user, wire_conn *conn, const wire_request *of) =
        self->is_request ? ops->requested : ops->upgrade_requested;
    TD_ASSERT(ask != NULL);
    self->conn.user = ask(self->server->user, &self->conn, &passed);
    td_buf_fini(&text);
}

/* Get the peer whose request waits for the relay's answer. */
static peer *take_waiting_peer(wire_conn *conn)
{
    peer *self = conn->owner;
    TD_ASSERT(self->awaits_answer);
    TD_ASSERT(conn->state == CONN_OPENING);
    self->awaits_answer = 0;
    return self;
}

void wire_peer_accept(wire_conn *conn, const wire_peer *other)
{
    peer *self = take_waiting_peer(conn);
    const handshake_request request = {.key = td_bytes_str(self->key), .fields = other->fields};
    handshake_accept(&request, link_output(&self->link));
    conn_open(conn, other->is_deflated ? deflate_receiver_open(other->sent_context) : NULL);
    link_flush_later(&self->link);
    link_resume(&self->link);
}

void wire_peer_refuse(wire_conn *conn, unsigned status, const char *fields, td_bytes body)
{
    (void)take_waiting_peer(conn);
    handshake_put_answer(status, fields, body, link_output(conn->link));
    conn_finish(conn);
}

/* Answer with the user's page; 0 if it has no page for this request. */
static int send_page(peer *self, const handshake_request *request)
{
    const wire_server *server = self->server;
    td_buf json;
    if (request->status != 200 || server->ops->page == NULL)
        return 0;
    td_buf_init(&json, LIMIT_FRAME_BYTES);
    int is_found = server->ops->page(server->user, request->path, request->query, &json);
    if (is_found) {
        handshake_put_answer(200, "Content-Type: application/json\r\n", td_buf_view(&json),
                             link_output(&self->link));
        finish_peer(self);
    }
    td_buf_fini(&json);
    return is_found;
}

/* Pass a request that is no upgrade to a relay's user once its body is complete. */
static size_t forward_request(peer *self, const handshake_request *request, td_bytes received,
                              size_t head_bytes)
{
    td_bytes body = td_bytes_of(received.data + head_bytes, received.size - head_bytes);
    if (request->content_bytes < 0) {
        answer(self, 411, "give a Content-Length");
        return received.size;
    }
    if (request->content_bytes > WIRE_REQUEST_BYTES_MAX) {
        answer(self, 413, "the body is too large");
        return received.size;
    }
    if (body.size < (size_t)request->content_bytes)
        return 0;
    body.size = (size_t)request->content_bytes;
    self->is_request = 1;
    pass_request(self, request, td_bytes_of(received.data, head_bytes), body);
    return head_bytes + body.size;
}

static size_t read_request(peer *self, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    wire_server *server = self->server;
    handshake_request request;
    char text[WIRE_ANSWER_BYTES] = "";
    size_t used = handshake_head_bytes(td_bytes_of(bytes, size));
    if (used == 0 && size <= HANDSHAKE_BYTES_MAX)
        return 0;
    if (self->is_excess) {
        answer(self, 503, "no file descriptor is left for another connection");
        return size;
    }
    handshake_read_request(td_bytes_of(bytes, used == 0 ? size : used), &request);
    const char *refusal = NULL;
    const int is_command = request.status == 405;
    if (!self->conn.is_relay && (request.why == NULL || is_command))
        refusal = origin_refusal(&request, server->origins);
    if (refusal != NULL) {
        answer(self, 403, refusal);
        return size;
    }
    if (request.is_relayable && used > 0 && server->ops->requested != NULL)
        return forward_request(self, &request, td_bytes_of(bytes, size), used);
    if (send_page(self, &request))
        return size;
    unsigned status = request.status;
    int is_for_user = request.why == NULL;
    if (is_command && server->ops->command != NULL)
        status =
            server->ops->command(server->user, request.method, request.path, request.query, text);
    else if (!is_for_user)
        (void)snprintf(text, sizeof text, "%s", request.why);
    else if (server->ops->accept != NULL && (status != 101 || !self->conn.is_relay))
        status = server->ops->accept(server->user, request.path, request.query, text);
    if (status == 101 && request.status != 101) {
        status = 426;
        (void)snprintf(text, sizeof text, "this is a WebSocket server: request an upgrade");
    }
    if (status != 101) {
        answer(self, status, text);
        return size;
    }
    if (self->conn.is_relay) {
        pass_request(self, &request, td_bytes_of(bytes, used), td_bytes_of(NULL, 0));
        return used;
    }
    open_peer(self, &request);
    return used + conn_read(&self->conn, bytes + used, size - used, read_ns);
}

static size_t on_received(void *user, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    peer *self = user;
    self->turn_ns = 0;
    if (self->conn.state != CONN_OPENING)
        return conn_read(&self->conn, bytes, size, read_ns);
    if (!self->awaits_answer)
        return read_request(self, bytes, size, read_ns);
    link_pause(&self->link); /* until the request is answered */
    return 0;
}

static void on_drained(void *user)
{
    peer *self = user;
    conn_drained(&self->conn);
}

static void on_link_ended(void *user, link_end how, const char *text)
{
    peer *self = user;
    (void)text;
    (void)conn_note_end(&self->conn,
                        how == LINK_RESET ? WIRE_CAUSE_RESET : WIRE_CAUSE_CLOSED_BY_PEER, NULL);
    end_peer(self);
}

static const link_ops LINK_OPS = {
    .received = on_received, .drained = on_drained, .ended = on_link_ended};

static void add_peer(wire_server *server, int fd, int is_excess)
{
    peer *self = td_alloc_zero(1, sizeof *self);
    td_err err;
    self->server = server;
    self->conn = (wire_conn){.role = &SERVER,
                             .ops = &server->ops->conn,
                             .owner = self,
                             .link = &self->link,
                             .is_relay = server->ops->upgrade_requested != NULL};
    link_init(&self->link, server->loop, &LINK_OPS, self, OUT_BYTES_MAX);
    if (link_adopt(&self->link, fd, &err) != TD_OK) {
        td_log_emit(server->loop->log, TD_LOG_WARNING, "cannot serve a connection: %s", err.text);
        close(fd);
        td_free(self);
        return;
    }
    if (server->tls != NULL)
        link_secure(&self->link, tls_server_session(server->tls));
    self->next = server->peers;
    if (self->next != NULL)
        self->next->prev = self;
    server->peers = self;
    self->is_excess = is_excess != 0;
    conn_set_timer(&self->conn, (is_excess ? EXCESS_S : REQUEST_S) * TD_NS_PER_S);
}

/* ---- listening ---- */

/* Build the URL from the host and the actual port, which the kernel may have chosen. */
static void set_url(wire_server *server, const char *host, int fd)
{
    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    else if (strcmp(host, "::") == 0)
        host = "::1";
    int is_ipv6 = td_address_version(host) == 6;
    int length = snprintf(server->url, sizeof server->url, "%s://%s%s%s:%u",
                          server->tls == NULL ? "ws" : "wss", is_ipv6 ? "[" : "", host,
                          is_ipv6 ? "]" : "", td_listen_port(fd));
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof server->url);
}

/* ---- accepting ---- */

static void accept_again(void *user)
{
    wire_server *server = user;
    loop_fd_want(server->loop, &server->listener, EPOLLIN);
}

/* Accept a client with the spare descriptor, to refuse it. */
static int accept_with_spare(wire_server *server, int os_errno)
{
    if (server->spare_fd < 0)
        return -1;
    close(server->spare_fd);
    server->spare_fd = -1;
    uint64_t count = td_log_rate_count(&server->refused, loop_now_ns(server->loop));
    if (count > 0)
        td_log_emit(server->loop->log, TD_LOG_WARNING,
                    "a client gets status 503 (%" PRIu64
                    " since the last warning): %s; `ulimit -n` raises the limit",
                    count, strerror(os_errno));
    return accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void on_listener(void *user, uint32_t events)
{
    wire_server *server = user;
    wire_loop *loop = server->loop;
    (void)events;
    keep_spare(server); /* before a client takes a descriptor that became free */
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int is_excess =
            fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS);
        if (is_excess)
            fd = accept_with_spare(server, errno);
        if (is_excess && fd < 0 && server->accept_timer == NULL) {
            /* Pause accepting: the socket stays readable, so the loop would spin. */
            uint64_t at_ns = loop_now_ns(loop) + ACCEPT_PAUSE_MS * TD_NS_PER_MS;
            wire_timer_set(loop, &server->accept_timer, at_ns, accept_again, server);
            loop_fd_want(loop, &server->listener, 0);
        }
        if (fd < 0)
            return; /* no client waits, or no descriptor is free; epoll reports again */
        add_peer(server, fd, is_excess);
    }
}

/* ---- opening and closing ---- */

static td_result open_tls(wire_server *server, const wire_server_options *options, td_err *err)
{
    td_result rc;
    if (options->is_plain)
        return TD_OK;
    if ((options->tls_cert == NULL) != (options->tls_key == NULL))
        return td_err_set(err, TD_E_INVALID, "give both a certificate and its key");
    if (options->tls_cert == NULL)
        rc = tls_server_context_make(clock_wall_ns(server->loop->clock), &server->tls, err);
    else
        rc = tls_server_context_load(options->tls_cert, options->tls_key, &server->tls, err);
    if (rc != TD_OK)
        return rc;
    server->ca_pem = tls_server_root_pem(server->tls);
    if (server->ca_pem == NULL)
        td_log_emit(server->loop->log, TD_LOG_INFO,
                    "%s does not contain its issuer's certificate: the ready file gets no ca_file",
                    options->tls_cert);
    return TD_OK;
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
    rc = td_listen(host, port, &fd, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "%s", place);
    set_url(server, host, fd);
    server->listener = (loop_fd){.ready = on_listener, .user = server};
    rc = loop_fd_open(server->loop, &server->listener, fd, EPOLLIN, err);
    if (rc != TD_OK)
        close(fd);
    else
        keep_spare(server);
    return rc;
}

static void free_server(wire_server *server)
{
    if (server->spare_fd >= 0)
        close(server->spare_fd);
    loop_fd_close(server->loop, &server->listener);
    tls_context_close(server->tls);
    td_free(server->ca_pem);
    deflate_receiver_close(server->inflater);
    for (int i = 0; i <= DEFLATE_BITS_MAX; i++) {
        deflate_sender_close(server->compressors[i].sender);
        td_buf_fini(&server->compressors[i].payload);
    }
    loop_free_later(server->loop, server);
}

void wire_server_close(wire_server *server)
{
    if (server == NULL)
        return;
    loop_remove_member(server->loop, &server->member);
    wire_timer_cancel(&server->accept_timer);
    while (server->peers != NULL)
        end_peer(server->peers);
    free_server(server);
}

static void end_with_loop(void *user)
{
    wire_server_close(user);
}

td_result wire_server_open(wire_loop *loop, const wire_server_options *options, wire_server **out,
                           td_err *err)
{
    *out = NULL;
    wire_server *server = td_alloc_zero(1, sizeof *server);
    server->spare_fd = -1;
    server->loop = loop;
    server->ops = options->ops;
    server->user = options->user;
    server->origins = options->origins;
    td_result rc = open_tls(server, options, err);
    if (rc == TD_OK)
        rc = open_listener(server, options->listen, err);
    if (rc != TD_OK) {
        free_server(server);
        return rc;
    }
    server->member = (loop_member){.end = end_with_loop, .user = server};
    loop_add_member(loop, &server->member);
    *out = server;
    return TD_OK;
}

const char *wire_server_url(const wire_server *server)
{
    return server->url;
}

const char *wire_server_ca_pem(const wire_server *server)
{
    return server->ca_pem;
}
