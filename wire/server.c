#include "wire/server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netdb.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log_rate.h"
#include "base/limits.h"
#include "base/time_share.h"
#include "base/url.h"
#include "wire/client.h"
#include "wire/handshake.h"
#include "wire/link.h"
#include "wire/tls.h"
#include "wire/websocket.h"

enum {
    LISTEN_BACKLOG = 256,
    ACCEPTS_PER_TURN = 64,
    ACCEPT_PAUSE_MS = 50,
    /* Largest message of a client: requests have kilobytes. */
    MESSAGE_BYTES_MAX = 1 << 20,
    COMPRESSED_BYTES_KEPT = 1 << 20, /* a buffer that grew beyond this is given back */
    OUT_BYTES_MAX = WIRE_PEER_QUEUE_BYTES_MAX + (int)LIMIT_FRAME_BYTES + (1 << 20),
    /* TLS and the request must be there by then; a close frame must be answered. */
    REQUEST_S = 10,
    EXCESS_S = 1, /* likewise, of one that has the last descriptor */
    CLOSE_GRACE_S = 2,
    RELAY_GRACE_S = 5, /* of a relay, whose user answers */
};

/* A connection that is to be closed, and of which the socket has taken nothing for so long, is cut:
 * its peer does not read, and would never get the close frame. */
#define CLOSE_PATIENCE_NS (5 * TD_NS_PER_S)

/* Some messages of 1 MiB that inflate a thousandfold. */
#define INFLATE_TURN_NS (10 * TD_NS_PER_MS)

/* The latest message that was compressed for a window. */
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
    struct ssl_ctx_st *tls;                       /* NULL: plain */
    char *ca_pem;                                 /* NULL: plain, or not known */
    deflate_receiver *inflater;                   /* of all peers; NULL: not needed yet */
    time_share inflating;                         /* of all messages that come compressed */
    compressor compressors[DEFLATE_BITS_MAX + 1]; /* by window */
    uint64_t message_count;
    loop_fd listener;
    wire_timer *accept_timer; /* set while it does not accept, for want of descriptors */
    int spare_fd;             /* with which one more client gets its answer; -1: in use */
    td_log_rate refused;      /* for want of descriptors */
    wire_peer_conn *peers;
    char url[TD_HOST_BYTES + 32];
};

typedef enum peer_state {
    PEER_ASKING,  /* its request is not whole yet */
    PEER_WAITING, /* of a relay: it is not answered yet */
    PEER_OPEN,
    PEER_CLOSING, /* our close frame is put in; the peer's is waited for */
    PEER_ENDING,  /* what waits goes out, then the connection ends */
} peer_state;

struct wire_peer_conn {
    wire_server *server;
    wire_peer_conn *next, *prev;
    wire_link link;
    peer_state state;
    void *user; /* NULL unless opened took it */
    ws_reader reader;
    int deflate_bits;            /* 0: messages are not compressed */
    deflate_receiver *inflater;  /* of a relay: its own; NULL: none */
    wire_timer *timer;           /* the request's time limit, then that of closing */
    wire_timer *inflating_timer; /* set while it is not read, because inflating took too long */
    size_t timed_bytes;          /* that waited when it was set */
    uint8_t is_held;             /* wire_peer_pause */
    uint8_t is_peer_closed;      /* of a relay: its close frame came first, and has no answer yet */
    uint8_t was_reset;
    uint8_t is_excess;  /* 1: it has the last descriptor, and is told so */
    uint8_t is_request; /* of a relay: no upgrade was asked for */
    uint8_t is_pong_due;
    size_t pong_size;
    uint8_t pong[WS_CONTROL_BYTES_MAX];
    char key[HANDSHAKE_KEY_BYTES]; /* of a relay's request */
};

static int is_relay(const wire_peer_conn *peer)
{
    return peer->server->ops->asked != NULL;
}

/* ---- a peer: its end ---- */

/* Its user has no connection any more. */
static void notify_closed(wire_peer_conn *peer)
{
    const wire_server_ops *ops = peer->server->ops;
    void (*closed)(void *user) = peer->is_request ? ops->requested_closed : ops->closed;
    void *user = peer->user;
    peer->user = NULL;
    if (user != NULL && closed != NULL)
        closed(user);
}

/* Take it off the server; its memory lives until the end of the turn. */
/* A descriptor to give up where no other is left. */
static void keep_spare(wire_server *server)
{
    if (server->spare_fd < 0 && server->listener.fd >= 0)
        server->spare_fd = fcntl(server->listener.fd, F_DUPFD_CLOEXEC, 0);
}

static void end_peer(wire_peer_conn *peer)
{
    wire_server *server = peer->server;
    *(peer->prev == NULL ? &server->peers : &peer->prev->next) = peer->next;
    if (peer->next != NULL)
        peer->next->prev = peer->prev;
    wire_timer_cancel(&peer->timer);
    wire_timer_cancel(&peer->inflating_timer);
    link_close(&peer->link);
    keep_spare(server);
    ws_reader_fini(&peer->reader);
    deflate_receiver_close(peer->inflater);
    loop_free_later(server->loop, peer);
    notify_closed(peer);
}

static void on_late(void *user);

static void set_timer(wire_peer_conn *peer, uint64_t wait_ns)
{
    wire_loop *loop = peer->server->loop;
    peer->timed_bytes = link_waiting_bytes(&peer->link);
    wire_timer_set(loop, &peer->timer, loop_now_ns(loop) + wait_ns, on_late, peer);
}

/* A peer that still takes what waits for it has more time. */
static void on_late(void *user)
{
    wire_peer_conn *peer = user;
    size_t waiting = link_waiting_bytes(&peer->link);
    if (waiting > 0 && waiting < peer->timed_bytes)
        set_timer(peer, CLOSE_PATIENCE_NS);
    else
        end_peer(peer);
}

/* What waits goes out, then the stream's end; the peer ends its own. */
static void finish_stream(wire_peer_conn *peer)
{
    peer->state = PEER_ENDING;
    link_finish(&peer->link);
    link_resume(&peer->link);
    set_timer(peer, link_waiting_bytes(&peer->link) > 0 ? CLOSE_PATIENCE_NS
                                                        : CLOSE_GRACE_S * TD_NS_PER_S);
}

static void finish_peer(wire_peer_conn *peer)
{
    finish_stream(peer);
    notify_closed(peer);
}

/* ---- a peer: frames to it ---- */

static void put_frame(wire_peer_conn *peer, unsigned opcode, unsigned flags, td_bytes payload)
{
    uint8_t head[WS_HEAD_BYTES_MAX];
    td_buf *out = link_output(&peer->link);
    td_buf_add(out, head, ws_put_head(head, opcode, flags, payload.size, NULL));
    td_buf_add(out, payload.data, payload.size);
    link_flush_later(&peer->link);
}

size_t wire_peer_queued_bytes(const wire_peer_conn *peer)
{
    return link_waiting_bytes(&peer->link);
}

/* The message's payload for a window, as long as no other message is sent. */
static td_bytes compress(wire_server *server, int window_bits, wire_peer_message *message)
{
    compressor *c = &server->compressors[window_bits];
    if (message->number == 0)
        message->number = ++server->message_count;
    if (c->number == message->number)
        return td_buf_view(&c->payload);
    if (c->sender == NULL) {
        c->sender = deflate_sender_open(window_bits);
        td_buf_init(&c->payload, SIZE_MAX);
    }
    if (c->payload.capacity > COMPRESSED_BYTES_KEPT)
        td_buf_fini(&c->payload);
    td_buf_clear(&c->payload);
    deflate_send(c->sender, message->bytes, &c->payload);
    c->number = message->number;
    return td_buf_view(&c->payload);
}

td_result wire_peer_send_message(wire_peer_conn *peer, wire_peer_message *message, td_err *err)
{
    td_bytes bytes = message->bytes;
    TD_ASSERT(message->opcode == WS_TEXT || message->opcode == WS_BINARY);
    if (peer->state != PEER_OPEN)
        return td_err_set(err, TD_E_NETWORK, "the connection is closing");
    size_t queued = wire_peer_queued_bytes(peer);
    int has_space = queued == 0 || queued + bytes.size <= WIRE_PEER_QUEUE_BYTES_MAX;
    if (bytes.size > LIMIT_FRAME_BYTES || !has_space)
        return td_err_set(err, TD_E_LIMIT, "%zu bytes queued and %zu more: %d are allowed", queued,
                          bytes.size, WIRE_PEER_QUEUE_BYTES_MAX);
    if (peer->deflate_bits > 0)
        put_frame(peer, message->opcode, WS_FINAL | WS_COMPRESSED,
                  compress(peer->server, peer->deflate_bits, message));
    else
        put_frame(peer, message->opcode, WS_FINAL, bytes);
    return TD_OK;
}

td_result wire_peer_send(wire_peer_conn *peer, unsigned opcode, td_bytes bytes, td_err *err)
{
    wire_peer_message message = {.opcode = opcode, .bytes = bytes};
    return wire_peer_send_message(peer, &message, err);
}

static void put_close(wire_peer_conn *peer, unsigned code, td_bytes reason)
{
    uint8_t payload[WS_CONTROL_BYTES_MAX];
    size_t size = ws_put_close(payload, code, reason);
    put_frame(peer, WS_CLOSE, WS_FINAL, td_bytes_of(payload, size));
}

void wire_peer_close(wire_peer_conn *peer, unsigned code, td_bytes reason)
{
    TD_ASSERT(code == 0 || (code >= 1000 && code < 5000));
    if (code == 0) {
        link_drop_output(&peer->link);
        link_pause(&peer->link);
        peer->state = PEER_ENDING;
        set_timer(peer, 0);
        return;
    }
    if (peer->state != PEER_OPEN)
        return;
    put_close(peer, code, reason);
    if (peer->is_peer_closed) {
        finish_stream(peer);
        return;
    }
    peer->state = PEER_CLOSING;
    set_timer(peer, CLOSE_PATIENCE_NS);
    link_resume(&peer->link); /* its own close frame must be read */
}

/* ---- a peer of a relay ---- */

void wire_peer_relay(wire_peer_conn *peer, unsigned opcode, td_bytes raw, int is_compressed)
{
    if (peer->state == PEER_OPEN && wire_peer_queued_bytes(peer) <= WIRE_PEER_QUEUE_BYTES_MAX)
        put_frame(peer, opcode, is_compressed ? WS_FINAL | WS_COMPRESSED : WS_FINAL, raw);
}

void wire_peer_pause(wire_peer_conn *peer)
{
    peer->is_held = 1;
    if (peer->state == PEER_OPEN)
        link_pause(&peer->link);
}

void wire_peer_resume(wire_peer_conn *peer)
{
    peer->is_held = 0;
    if (peer->inflating_timer == NULL)
        link_resume(&peer->link);
}

void wire_peer_cut_off(wire_peer_conn *peer, wire_cut how)
{
    if (how == WIRE_CUT_RESET) {
        link_reset_on_close(&peer->link);
        wire_peer_close(peer, 0, td_bytes_of(NULL, 0));
    } else if (peer->state != PEER_ENDING) {
        finish_stream(peer);
    }
}

int wire_peer_was_reset(const wire_peer_conn *peer)
{
    return peer->was_reset;
}

/* ---- a peer: frames from it ---- */

/* Its close frame, or one of ours because it broke the protocol. */
static void end_frames(wire_peer_conn *peer, unsigned code)
{
    if (peer->state == PEER_OPEN)
        put_close(peer, code, td_bytes_of(NULL, 0));
    finish_peer(peer);
}

static void on_close_frame(wire_peer_conn *peer, const ws_event *event)
{
    if (!is_relay(peer)) {
        end_frames(peer, event->code);
        return;
    }
    if (peer->state == PEER_OPEN) {
        peer->is_peer_closed = 1;
        set_timer(peer, RELAY_GRACE_S * TD_NS_PER_S);
    } else {
        finish_stream(peer);
    }
    peer->server->ops->closing(peer->user, peer, event->code, event->bytes);
}

/* A peer that pings and does not read gets what fits into its queue, and an answer to its latest
 * ping later: no other one needs any (5.5.3). */
static void send_pong(wire_peer_conn *peer)
{
    if (!peer->is_pong_due || peer->state != PEER_OPEN ||
        wire_peer_queued_bytes(peer) + peer->pong_size > WIRE_PEER_QUEUE_BYTES_MAX)
        return;
    peer->is_pong_due = 0;
    put_frame(peer, WS_PONG, WS_FINAL, td_bytes_of(peer->pong, peer->pong_size));
}

static void on_ping(wire_peer_conn *peer, td_bytes payload)
{
    memcpy(peer->pong, payload.data, payload.size);
    peer->pong_size = payload.size;
    peer->is_pong_due = 1;
    send_pong(peer);
}

static void on_event(wire_peer_conn *peer, const ws_event *event)
{
    int is_data = event->opcode == WS_TEXT || event->opcode == WS_BINARY;
    if (event->opcode == WS_CLOSE)
        on_close_frame(peer, event);
    else if (peer->state != PEER_OPEN)
        return; /* it is closing: what still comes does not count */
    else if (!is_data && is_relay(peer))
        peer->server->ops->heartbeat(peer->user, peer, event->opcode, event->bytes);
    else if (event->opcode == WS_PING)
        on_ping(peer, event->bytes);
    else if (is_relay(peer))
        peer->server->ops->relayed(peer->user, peer,
                                   &(wire_message){.opcode = event->opcode,
                                                   .bytes = event->bytes,
                                                   .raw = event->raw,
                                                   .is_compressed = event->is_compressed,
                                                   .is_fragmented = event->is_fragmented});
    else if (is_data)
        peer->server->ops->message(peer->user, peer, event->opcode, event->bytes);
}

static void read_again(void *user)
{
    wire_peer_conn *peer = user;
    if (!peer->is_held)
        link_resume(&peer->link);
}

/* A message that came compressed was inflated and handled while other peers waited. When that takes
 * more than its share of the time, the peer is not read for so long that on average it does not.
 * Where other programs take the processor the share is never used up: so the others' turn also
 * comes once those of a turn, *turn_ns in all, took INFLATE_TURN_NS. */
static void check_inflating(wire_peer_conn *peer, uint64_t begun_ns, uint64_t *turn_ns)
{
    wire_loop *loop = peer->server->loop;
    uint64_t cost_ns = clock_thread_ns(loop->clock) - begun_ns;
    uint64_t wait_ns = time_share_spend(&peer->server->inflating, loop_now_ns(loop), cost_ns);
    *turn_ns += cost_ns;
    if (wait_ns == 0 && *turn_ns < INFLATE_TURN_NS)
        return;
    link_pause(&peer->link);
    wire_timer_set(loop, &peer->inflating_timer, loop_now_ns(loop) + wait_ns, read_again, peer);
}

/* 1 while frames are to be handed out. */
static int is_reading(const wire_peer_conn *peer)
{
    return (peer->state == PEER_OPEN || peer->state == PEER_CLOSING) && !peer->link.is_paused;
}

static size_t read_frames(wire_peer_conn *peer, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    ws_result rc = WS_EVENT;
    uint64_t turn_ns = 0;
    ws_give(&peer->reader, bytes, size, read_ns);
    while (rc == WS_EVENT && is_reading(peer)) {
        ws_event event;
        int is_deflated = peer->deflate_bits > 0 || peer->inflater != NULL;
        uint64_t begun_ns = is_deflated ? clock_thread_ns(peer->server->loop->clock) : 0;
        rc = ws_read(&peer->reader, &event);
        if (rc == WS_EVENT)
            on_event(peer, &event);
        else if (rc == WS_FAILURE)
            end_frames(peer, event.code);
        if (rc == WS_EVENT && event.is_compressed)
            check_inflating(peer, begun_ns, &turn_ns);
    }
    size_t left = ws_forget_rest(&peer->reader);
    return peer->link.is_paused ? size - left : size; /* after its end nothing counts */
}

/* ---- a peer: its request ---- */

static void answer(wire_peer_conn *peer, unsigned status, const char *text)
{
    handshake_answer(status, text, link_output(&peer->link));
    finish_peer(peer);
}

static void begin_frames(wire_peer_conn *peer, deflate_receiver *inflater)
{
    ws_reader_init(&peer->reader, WS_FROM_CLIENT, inflater, MESSAGE_BYTES_MAX);
    peer->state = PEER_OPEN;
    wire_timer_cancel(&peer->timer);
}

static void open_peer(wire_peer_conn *peer, const handshake_request *request)
{
    wire_server *server = peer->server;
    handshake_accept(request, link_output(&peer->link));
    link_flush_later(&peer->link);
    peer->deflate_bits = request->deflate_bits;
    if (peer->deflate_bits > 0 && server->inflater == NULL)
        server->inflater = deflate_receiver_open(DEFLATE_NO_TAKEOVER);
    begin_frames(peer, peer->deflate_bits > 0 ? server->inflater : NULL);
    peer->user = server->ops->opened(server->user, peer, request->path, request->query);
    if (peer->user == NULL)
        wire_peer_close(peer, WS_CODE_FAILED, td_bytes_of(NULL, 0));
}

/* A relay answers it later. body: of a request that is no upgrade. */
static void ask_user(wire_peer_conn *peer, const handshake_request *request, td_bytes head,
                     td_bytes body)
{
    const wire_server_ops *ops = peer->server->ops;
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
    link_peer_address(&peer->link, address);
    if (!peer->is_request)
        memcpy(peer->key, request->key.data, sizeof peer->key - 1);
    peer->state = PEER_WAITING;
    wire_timer_cancel(&peer->timer);
    const wire_request asked = {.method = (const char *)text.data + method_at,
                                .body = body,
                                .target = (const char *)text.data,
                                .path = request->path,
                                .fields = (const char *)text.data + fields_at,
                                .address = address};
    void *(*ask)(void *user, wire_peer_conn *conn, const wire_request *of) =
        peer->is_request ? ops->requested : ops->asked;
    TD_ASSERT(ask != NULL);
    peer->user = ask(peer->server->user, peer, &asked);
    td_buf_fini(&text);
}

void wire_peer_accept(wire_peer_conn *peer, const wire_peer *other)
{
    const handshake_request request = {.key = td_bytes_str(peer->key), .fields = other->fields};
    TD_ASSERT(peer->state == PEER_WAITING);
    handshake_accept(&request, link_output(&peer->link));
    if (other->is_deflated)
        peer->inflater = deflate_receiver_open(other->sent_context);
    begin_frames(peer, peer->inflater);
    link_flush_later(&peer->link);
    link_resume(&peer->link);
}

void wire_peer_refuse(wire_peer_conn *peer, unsigned status, const char *fields, td_bytes body)
{
    TD_ASSERT(peer->state == PEER_WAITING);
    handshake_put_answer(status, fields, body, link_output(&peer->link));
    finish_stream(peer);
}

/* 1 if the server's user has a page for this request. */
static int send_page(wire_peer_conn *peer, const handshake_request *request)
{
    const wire_server *server = peer->server;
    td_buf json;
    if (request->status != 200 || server->ops->page == NULL)
        return 0;
    td_buf_init(&json, LIMIT_FRAME_BYTES);
    int is_found = server->ops->page(server->user, request->path, request->query, &json);
    if (is_found) {
        handshake_put_answer(200, "Content-Type: application/json\r\n", td_buf_view(&json),
                             link_output(&peer->link));
        finish_peer(peer);
    }
    td_buf_fini(&json);
    return is_found;
}

/* A request for no upgrade, which a relay hands on once its body is there. */
static size_t hand_on(wire_peer_conn *peer, const handshake_request *request, td_bytes received,
                      size_t head_bytes)
{
    td_bytes body = td_bytes_of(received.data + head_bytes, received.size - head_bytes);
    if (request->content_bytes < 0) {
        answer(peer, 411, "give a Content-Length");
        return received.size;
    }
    if (request->content_bytes > WIRE_REQUEST_BYTES_MAX) {
        answer(peer, 413, "the body is too large");
        return received.size;
    }
    if (body.size < (size_t)request->content_bytes)
        return 0;
    body.size = (size_t)request->content_bytes;
    peer->is_request = 1;
    ask_user(peer, request, td_bytes_of(received.data, head_bytes), body);
    return head_bytes + body.size;
}

static size_t read_request(wire_peer_conn *peer, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    wire_server *server = peer->server;
    handshake_request request;
    char text[WIRE_ANSWER_BYTES] = "";
    size_t used = handshake_head_bytes(td_bytes_of(bytes, size));
    if (used == 0 && size <= HANDSHAKE_BYTES_MAX)
        return 0;
    if (peer->is_excess) {
        answer(peer, 503, "no descriptor is left for another connection");
        return size;
    }
    handshake_read_request(td_bytes_of(bytes, used == 0 ? size : used), &request);
    const char *refusal = NULL;
    if (!is_relay(peer) && (request.why == NULL || request.is_post))
        refusal = origin_refusal(&request, server->origins);
    if (refusal != NULL) {
        answer(peer, 403, refusal);
        return size;
    }
    if (request.is_whole && used > 0 && server->ops->requested != NULL)
        return hand_on(peer, &request, td_bytes_of(bytes, size), used);
    if (send_page(peer, &request))
        return size;
    unsigned status = request.status;
    int is_for_user = request.why == NULL;
    if (status == 405 && request.is_post && server->ops->post != NULL)
        status = server->ops->post(server->user, request.path, request.query, text);
    else if (!is_for_user)
        (void)snprintf(text, sizeof text, "%s", request.why);
    else if (server->ops->accept != NULL && (status != 101 || !is_relay(peer)))
        status = server->ops->accept(server->user, request.path, request.query, text);
    if (status == 101 && request.status != 101) {
        status = 426;
        (void)snprintf(text, sizeof text, "this is a WebSocket server: ask for an upgrade");
    }
    if (status != 101) {
        answer(peer, status, text);
        return size;
    }
    if (is_relay(peer)) {
        ask_user(peer, &request, td_bytes_of(bytes, used), td_bytes_of(NULL, 0));
        return used;
    }
    open_peer(peer, &request);
    return used + read_frames(peer, bytes + used, size - used, read_ns);
}

static size_t on_received(void *user, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    wire_peer_conn *peer = user;
    if (peer->state == PEER_ASKING)
        return read_request(peer, bytes, size, read_ns);
    if (peer->state == PEER_WAITING) {
        link_pause(&peer->link); /* it waits for the answer */
        return 0;
    }
    return read_frames(peer, bytes, size, read_ns);
}

static void on_drained(void *user)
{
    wire_peer_conn *peer = user;
    send_pong(peer);
    if (peer->state == PEER_OPEN && peer->server->ops->drained != NULL)
        peer->server->ops->drained(peer->user, peer);
}

static void on_link_ended(void *user, link_end how, const char *text)
{
    wire_peer_conn *peer = user;
    (void)text;
    peer->was_reset = how == LINK_RESET;
    end_peer(peer);
}

static const link_ops LINK_OPS = {
    .received = on_received, .drained = on_drained, .ended = on_link_ended};

static void add_peer(wire_server *server, int fd, int is_excess)
{
    wire_peer_conn *peer = td_alloc_zero(1, sizeof *peer);
    td_err err;
    peer->server = server;
    link_init(&peer->link, server->loop, &LINK_OPS, peer, OUT_BYTES_MAX);
    if (link_adopt(&peer->link, fd, &err) != TD_OK) {
        td_log_emit(server->loop->log, TD_LOG_WARNING, "cannot serve a connection: %s", err.text);
        close(fd);
        td_free(peer);
        return;
    }
    if (server->tls != NULL)
        link_secure(&peer->link, tls_server_session(server->tls));
    peer->next = server->peers;
    if (peer->next != NULL)
        peer->next->prev = peer;
    server->peers = peer;
    peer->is_excess = is_excess != 0;
    set_timer(peer, (is_excess ? EXCESS_S : REQUEST_S) * TD_NS_PER_S);
}

/* ---- listening ---- */

static td_result listen_at(const char *host, uint16_t port, int *out, td_err *err)
{
    const int on = 1;
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
    int is_listening = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                       bind(fd, place->ai_addr, place->ai_addrlen) == 0 &&
                       listen(fd, LISTEN_BACKLOG) == 0;
    int os_errno = errno;
    freeaddrinfo(place);
    *out = fd;
    if (is_listening)
        return TD_OK;
    if (fd >= 0)
        close(fd);
    td_err_set_os(err, os_errno, "cannot listen");
    if (os_errno == EADDRINUSE)
        td_err_hint(err, "Another program has this port; port 0 lets the kernel choose one.");
    return TD_E_NETWORK;
}

/* Clients connect to this host, and to the port that the kernel may have chosen. */
static void set_url(wire_server *server, const char *host, int fd)
{
    wire_address place;
    socklen_t size = sizeof place;
    char port[8];
    int rc = getsockname(fd, &place.any, &size);
    TD_ASSERT(rc == 0);
    rc = getnameinfo(&place.any, size, NULL, 0, port, sizeof port, NI_NUMERICSERV);
    TD_ASSERT(rc == 0);
    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    else if (strcmp(host, "::") == 0)
        host = "::1";
    int is_ipv6 = td_address_version(host) == 6;
    int length = snprintf(server->url, sizeof server->url, "%s://%s%s%s:%s",
                          server->tls == NULL ? "ws" : "wss", is_ipv6 ? "[" : "", host,
                          is_ipv6 ? "]" : "", port);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof server->url);
}

/* ---- accepting ---- */

static void accept_again(void *user)
{
    wire_server *server = user;
    loop_fd_want(server->loop, &server->listener, EPOLLIN);
}

static void log_refusal(wire_server *server, int os_errno)
{
    uint64_t count = td_log_rate_count(&server->refused, loop_now_ns(server->loop));
    if (count > 0)
        td_log_emit(server->loop->log, TD_LOG_WARNING,
                    "a client gets status 503 (%" PRIu64
                    " since this was last said): %s; `ulimit -n` raises the limit",
                    count, strerror(os_errno));
}

/* Without a free descriptor the spare one takes a client, who is told. */
static int accept_with_spare(wire_server *server, int os_errno)
{
    if (server->spare_fd < 0)
        return -1;
    close(server->spare_fd);
    server->spare_fd = -1;
    log_refusal(server, os_errno);
    return accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* The socket stays readable, and the loop would spin: look away for a while. */
static void accept_later(wire_server *server)
{
    wire_loop *loop = server->loop;
    uint64_t at_ns = loop_now_ns(loop) + ACCEPT_PAUSE_MS * TD_NS_PER_MS;
    if (server->accept_timer != NULL)
        return;
    wire_timer_set(loop, &server->accept_timer, at_ns, accept_again, server);
    loop_fd_want(loop, &server->listener, 0);
}

static void on_listener(void *user, uint32_t events)
{
    wire_server *server = user;
    (void)events;
    keep_spare(server); /* before a client takes what another has left */
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int is_excess =
            fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS);
        if (is_excess)
            fd = accept_with_spare(server, errno);
        if (is_excess && fd < 0)
            accept_later(server);
        if (fd < 0)
            return; /* none left, or none available now: epoll reports again */
        add_peer(server, fd, is_excess);
    }
}

/* ---- a server: its life ---- */

static td_result open_tls(wire_server *server, const wire_server_options *options, td_err *err)
{
    td_result rc;
    if (options->is_plain)
        return TD_OK;
    if ((options->tls_cert == NULL) != (options->tls_key == NULL))
        return td_err_set(err, TD_E_INVALID, "a certificate needs its key, and the reverse");
    if (options->tls_cert == NULL)
        rc = tls_server_context_make(clock_wall_ns(server->loop->clock), &server->tls, err);
    else
        rc = tls_server_context_load(options->tls_cert, options->tls_key, &server->tls, err);
    if (rc != TD_OK)
        return rc;
    server->ca_pem = tls_server_root_pem(server->tls);
    if (server->ca_pem == NULL)
        td_log_emit(
            server->loop->log, TD_LOG_INFO,
            "%s does not hold the certificate of its issuer: the ready file gets no ca_file",
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
    rc = listen_at(host, port, &fd, err);
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
