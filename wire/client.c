#include "wire/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/time_share.h"
#include "wire/dial.h"
#include "wire/handshake.h"
#include "wire/websocket.h"

enum {
    CLOSE_GRACE_S = 2,             /* time limit of the closing handshake */
    RELAY_GRACE_S = 5,             /* and of the answer that a relay hands on */
    PONG_BACKLOG_BYTES = 64 << 10, /* while so much waits to be sent, only the latest ping counts */
};

_Static_assert(2 * WIRE_SEND_BYTES_MAX + 2 * PONG_BACKLOG_BYTES <= DIAL_OUT_BYTES_MAX, "all fits");

typedef enum conn_state {
    CONN_DIALING,
    CONN_UPGRADING, /* the request is out */
    CONN_OPEN,
    CONN_CLOSING, /* our close frame is out, or waits for what is before it */
    CONN_CLOSED,  /* the peer's close frame has come: nothing counts any more */
} conn_state;

struct wire_conn {
    dial dial;
    const wire_client_ops *ops;
    void *user;
    conn_state state;
    handshake_ask ask;
    ws_reader reader;
    uint64_t read_ns;         /* of the present read */
    uint64_t begun_kernel_ns; /* kernel_ns of the read in which the message that comes next began */
    deflate_receiver *inflater;
    time_share inflating; /* of messages that come compressed */
    wire_timer *timer;    /* the next step, or the end of closing */
    uint8_t is_paused;    /* by wire_pause: from the moment it is open */
    uint8_t is_relay;
    uint8_t is_peer_closed; /* of a relay: its close frame came first, and has no answer yet */
    td_buf fields; /* of a relay: lines of the request, then those of the answer; with a NUL */
    td_buf body;
    uint8_t is_pong_due;
    size_t pong_size;
    uint8_t pong[WS_CONTROL_BYTES_MAX];
    wire_end end; /* cause NONE until a reason is known */
    char end_text[WIRE_TEXT_BYTES];
    char end_reason[WS_CONTROL_BYTES_MAX];
};

/* ---- ends ---- */

/* Remember why the connection ends, unless something earlier did. */
TD_PRINTF(3, 4)
static void remember(wire_conn *self, wire_cause cause, const char *format, ...)
{
    TD_ASSERT(cause != WIRE_CAUSE_NONE);
    if (self->end.cause != WIRE_CAUSE_NONE)
        return;
    self->end.cause = cause;
    va_list values;
    va_start(values, format);
    (void)vsnprintf(self->end_text, sizeof self->end_text, format, values); /* cut if too long */
    va_end(values);
}

static void free_conn(wire_conn *self)
{
    wire_loop *loop = self->dial.loop;
    wire_timer_cancel(&self->timer);
    dial_close(&self->dial);
    ws_reader_fini(&self->reader);
    td_buf_fini(&self->fields);
    td_buf_fini(&self->body);
    deflate_receiver_close(self->inflater);
    loop_free_later(loop, self);
}

/* Notify its user, free it. */
static void finish(wire_conn *self)
{
    TD_ASSERT(self->end.cause != WIRE_CAUSE_NONE);
    self->end.text = self->end_text;
    self->ops->ended(self->user, &self->end);
    free_conn(self);
}

static void on_timer(void *user)
{
    wire_conn *self = user;
    finish(self);
}

static void set_timer(wire_conn *self, uint64_t wait_ns)
{
    wire_loop *loop = self->dial.loop;
    wire_timer_set(loop, &self->timer, loop_now_ns(loop) + wait_ns, on_timer, self);
}

/* End it on the loop's next turn, for places that must not call back. */
static void finish_later(wire_conn *self)
{
    TD_ASSERT(self->end.cause != WIRE_CAUSE_NONE);
    self->state = CONN_CLOSED;
    link_close(&self->dial.link);
    set_timer(self, 0);
}

/* ---- sending ---- */

/* Append a frame, masked as a client's must be. */
static void put_frame(wire_conn *self, unsigned opcode, unsigned flags, td_bytes payload)
{
    uint8_t head[WS_HEAD_BYTES_MAX];
    uint8_t mask[4];
    td_random_system(mask, sizeof mask);
    td_buf *out = link_output(&self->dial.link);
    td_buf_add(out, head, ws_put_head(head, opcode, flags, payload.size, mask));
    td_buf_add(out, payload.data, payload.size);
    ws_mask(out->data + out->size - payload.size, payload.size, mask, 0);
    link_flush_later(&self->dial.link);
}

td_result wire_send(wire_conn *self, td_bytes text, td_err *err)
{
    size_t waiting = link_waiting_bytes(&self->dial.link);
    if (self->state != CONN_OPEN || self->end.cause != WIRE_CAUSE_NONE)
        return td_err_set(err, TD_E_NETWORK, "the connection is not open");
    if (text.size > WIRE_SEND_BYTES_MAX || waiting + text.size > WIRE_SEND_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "%zu bytes are queued already, %d may be", waiting,
                          WIRE_SEND_BYTES_MAX);
    put_frame(self, WS_TEXT, WS_FINAL, text);
    if (self->ops->sent != NULL)
        self->ops->sent(self->user, self, WS_TEXT, text, loop_now_ns(self->dial.loop));
    return TD_OK;
}

size_t wire_waiting_bytes(const wire_conn *self)
{
    return link_waiting_bytes(&self->dial.link);
}

int wire_is_closing(const wire_conn *self)
{
    return self->end.cause != WIRE_CAUSE_NONE;
}

void wire_relay(wire_conn *self, unsigned opcode, td_bytes raw, int is_compressed)
{
    TD_ASSERT(raw.size <= WIRE_SEND_BYTES_MAX);
    TD_ASSERT(wire_waiting_bytes(self) <= WIRE_SEND_BYTES_MAX);
    if (self->state == CONN_OPEN)
        put_frame(self, opcode, is_compressed ? WS_FINAL | WS_COMPRESSED : WS_FINAL, raw);
}

/* ---- closing ---- */

/* Our close frame goes out, because of a cause that is set; the peer's is waited for. */
static void start_close(wire_conn *self, unsigned code, td_bytes reason)
{
    uint8_t payload[WS_CONTROL_BYTES_MAX];
    size_t size = ws_put_close(payload, code, reason);
    TD_ASSERT(self->end.cause != WIRE_CAUSE_NONE);
    self->state = CONN_CLOSING;
    set_timer(self, CLOSE_GRACE_S * TD_NS_PER_S);
    put_frame(self, WS_CLOSE, WS_FINAL, td_bytes_of(payload, size));
    self->end.sent_code = code == WS_CODE_ABSENT ? 0 : code;
    link_resume(&self->dial.link); /* the peer's own close frame must be read */
}

/* Both sides have said that it is over: the peer ends the stream. */
static void wait_for_end(wire_conn *self)
{
    self->state = CONN_CLOSED;
    link_finish(&self->dial.link);
}

void wire_relay_close(wire_conn *self, unsigned code, td_bytes reason)
{
    TD_ASSERT(code >= 1000);
    TD_ASSERT(code < 5000);
    int is_answer = self->is_peer_closed;
    if (self->end.cause != WIRE_CAUSE_NONE && !is_answer)
        return; /* it already ends */
    remember(self, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
    self->is_peer_closed = 0;
    if (self->state == CONN_OPEN)
        start_close(self, code, reason);
    else
        finish_later(self);
    if (is_answer && self->state == CONN_CLOSING)
        wait_for_end(self);
}

void wire_close(wire_conn *self, unsigned code)
{
    wire_relay_close(self, code, td_bytes_of(NULL, 0));
}

void wire_cut_off(wire_conn *self, wire_cut how)
{
    remember(self, WIRE_CAUSE_CLOSED_BY_US, "cut off by us");
    if (how == WIRE_CUT_RESET || self->state < CONN_OPEN) {
        link_reset_on_close(&self->dial.link);
        finish_later(self);
        return;
    }
    set_timer(self, CLOSE_GRACE_S * TD_NS_PER_S);
    wait_for_end(self);
}

void wire_pause(wire_conn *self)
{
    self->is_paused = 1;
    if (self->state == CONN_OPEN)
        link_pause(&self->dial.link);
}

void wire_resume(wire_conn *self)
{
    self->is_paused = 0;
    link_resume(&self->dial.link);
}

/* ---- frames ---- */

static void on_close_frame(wire_conn *self, const ws_event *event)
{
    const char *where = self->dial.url.authority;
    if (event->bytes.size > 0)
        memcpy(self->end_reason, event->bytes.data, event->bytes.size);
    self->end.close_code = event->code == WS_CODE_ABSENT ? 0 : event->code;
    self->end.close_reason = td_bytes_of(self->end_reason, event->bytes.size);
    remember(self, WIRE_CAUSE_CLOSED_BY_PEER, "%s closed the connection (code %u%s%.*s)", where,
             self->end.close_code, event->bytes.size > 0 ? ": " : "", (int)event->bytes.size,
             self->end_reason);
    if (self->state == CONN_OPEN && self->is_relay) {
        self->is_peer_closed = 1;
        set_timer(self, RELAY_GRACE_S * TD_NS_PER_S);
    } else {
        if (self->state == CONN_OPEN)
            start_close(self, event->code, td_bytes_of(NULL, 0));
        wait_for_end(self);
    }
    if (self->is_relay)
        self->ops->closing(self->user, self, event->code, self->end.close_reason);
}

static void on_failure(wire_conn *self, const ws_event *event)
{
    const char *where = self->dial.url.authority;
    if (self->state == CONN_CLOSING) {
        finish_later(self);
        return;
    }
    if (event->code == WS_CODE_TOO_LARGE)
        remember(self, WIRE_CAUSE_TOO_LARGE, "%s sent a message of more than %zu bytes", where,
                 (size_t)LIMIT_FRAME_BYTES);
    else
        remember(self, WIRE_CAUSE_PROTOCOL, "%s broke the WebSocket protocol (RFC 6455): %s", where,
                 event->why);
    start_close(self, event->code, td_bytes_of(NULL, 0));
    wait_for_end(self);
}

static void on_heartbeat(wire_conn *self, const ws_event *event)
{
    if (event->opcode == WS_PING && !self->is_relay) {
        memcpy(self->pong, event->bytes.data, event->bytes.size);
        self->pong_size = event->bytes.size;
        self->is_pong_due = 1;
    }
    if (self->ops->heartbeat != NULL)
        self->ops->heartbeat(self->user, self, event->opcode, event->bytes);
}

/* Only the latest ping needs an answer (5.5.3). */
static void send_pong(wire_conn *self)
{
    if (!self->is_pong_due || self->state != CONN_OPEN ||
        link_waiting_bytes(&self->dial.link) > PONG_BACKLOG_BYTES)
        return;
    self->is_pong_due = 0;
    const td_bytes pong = td_bytes_of(self->pong, self->pong_size);
    put_frame(self, WS_PONG, WS_FINAL, pong);
    if (self->ops->pong_sent != NULL)
        self->ops->pong_sent(self->user, self, pong);
}

/* A message that came compressed was read while other connections waited. */
static void check_inflating(wire_conn *self, uint64_t begun_ns)
{
    const wire_loop *loop = self->dial.loop;
    uint64_t cost_ns = clock_thread_ns(loop->clock) - begun_ns;
    if (time_share_spend(&self->inflating, loop_now_ns(loop), cost_ns) == 0 ||
        self->state != CONN_OPEN)
        return;
    remember(self, WIRE_CAUSE_TOO_LARGE,
             "%s sent compressed messages that take more than a quarter of the time",
             self->dial.url.authority);
    on_failure(self, &(ws_event){.code = WS_CODE_TOO_LARGE});
}

static void on_message(wire_conn *self, const ws_event *event)
{
    const wire_message message = {.opcode = event->opcode,
                                  .bytes = event->bytes,
                                  .raw = event->raw,
                                  .recv_mono_ns = event->begin_ns,
                                  .kernel_mono_ns = event->begin_ns == self->read_ns
                                                        ? self->dial.link.kernel_ns
                                                        : self->begun_kernel_ns,
                                  .end_mono_ns = self->read_ns,
                                  .is_compressed = event->is_compressed,
                                  .is_fragmented = event->is_fragmented};
    self->ops->message(self->user, self, &message);
}

static void on_event(wire_conn *self, const ws_event *event)
{
    if (event->opcode == WS_CLOSE)
        on_close_frame(self, event);
    else if (event->opcode == WS_TEXT || event->opcode == WS_BINARY)
        on_message(self, event);
    else
        on_heartbeat(self, event);
}

/* 1 while frames are to be handed out. */
static int is_reading(const wire_conn *self)
{
    return (self->state == CONN_OPEN || self->state == CONN_CLOSING) && !self->dial.link.is_paused;
}

static size_t read_frames(wire_conn *self, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    ws_result rc = WS_EVENT;
    self->read_ns = read_ns;
    ws_give(&self->reader, bytes, size, read_ns);
    while (rc == WS_EVENT && is_reading(self)) {
        ws_event event;
        uint64_t begun_ns = self->inflater == NULL ? 0 : clock_thread_ns(self->dial.loop->clock);
        rc = ws_read(&self->reader, &event);
        if (rc == WS_EVENT)
            on_event(self, &event);
        else if (rc == WS_FAILURE)
            on_failure(self, &event);
        if (rc == WS_EVENT && event.is_compressed)
            check_inflating(self, begun_ns);
    }
    size_t left = ws_forget_rest(&self->reader);
    if (ws_reader_begin_ns(&self->reader) == read_ns)
        self->begun_kernel_ns = self->dial.link.kernel_ns;
    send_pong(self);
    return self->state == CONN_CLOSED ? size : size - left;
}

/* ---- opening ---- */

static void on_ready(void *user)
{
    wire_conn *self = user;
    self->state = CONN_UPGRADING;
    self->ask.host = self->dial.url.authority;
    self->ask.target = self->dial.url.target;
    td_random_system(self->ask.nonce, sizeof self->ask.nonce);
    handshake_put_request(&self->ask, link_output(&self->dial.link));
    link_flush_later(&self->dial.link);
}

/* What a relay hands on of the answer's head. */
static const char *keep_fields(wire_conn *self, td_bytes head)
{
    td_buf_clear(&self->fields);
    handshake_copy_fields(head, &self->fields);
    td_buf_add(&self->fields, "", 1);
    return (const char *)self->fields.data;
}

static void on_open(wire_conn *self, const handshake_reply *reply, td_bytes head)
{
    char address[LINK_ADDRESS_BYTES];
    char extensions[HANDSHAKE_EXTENSIONS_BYTES];
    tls_agreed agreed = {0};
    struct ssl_st *ssl = self->dial.link.ssl;
    self->state = CONN_OPEN;
    dial_end_deadline(&self->dial);
    if (reply->is_deflated)
        self->inflater = deflate_receiver_open(reply->context);
    ws_reader_init(&self->reader, WS_FROM_SERVER, self->inflater, LIMIT_FRAME_BYTES);
    link_peer_address(&self->dial.link, address);
    td_utf8_copy(extensions, sizeof extensions, reply->extensions);
    if (ssl != NULL)
        tls_describe(ssl, &agreed);
    const wire_peer peer = {.address = address,
                            .tls_version = agreed.version,
                            .tls_cipher = agreed.cipher,
                            .tls_subject = ssl == NULL ? NULL : agreed.subject,
                            .extensions = extensions,
                            .fields = self->is_relay ? keep_fields(self, head) : NULL,
                            .is_deflated = reply->is_deflated,
                            .sent_context = reply->sent_context};
    if (self->ops->opened != NULL)
        self->ops->opened(self->user, self, &peer);
    if (self->is_paused && self->state == CONN_OPEN)
        link_pause(&self->dial.link);
}

/* The body of a refusal that a relay hands on has come as far as it is kept. */
static int has_body(const wire_conn *self, const handshake_reply *reply, size_t size)
{
    int64_t wanted =
        reply->content_bytes < WIRE_BODY_BYTES_MAX ? reply->content_bytes : WIRE_BODY_BYTES_MAX;
    return !self->is_relay || reply->is_chunked || (int64_t)size >= wanted;
}

static void on_refused(wire_conn *self, const handshake_reply *reply, td_bytes head, td_bytes body)
{
    uint64_t wait_s = reply->retry_after_s;
    if (self->is_relay) {
        self->end.fields = keep_fields(self, head);
        body.size = reply->is_chunked                 ? 0
                    : body.size < WIRE_BODY_BYTES_MAX ? body.size
                                                      : WIRE_BODY_BYTES_MAX;
        td_buf_add(&self->body, body.data, body.size);
        self->end.body = td_buf_view(&self->body);
    }
    self->end.http_status = reply->status;
    self->end.retry_after_ns =
        wait_s > LIMIT_RETRY_AFTER_NS / TD_NS_PER_S ? LIMIT_RETRY_AFTER_NS : wait_s * TD_NS_PER_S;
    remember(self, WIRE_CAUSE_REFUSED, "%s refused the upgrade with HTTP status %u%s",
             self->dial.url.authority, reply->status,
             reply->status == 401   ? " (unauthorized: check the API key and its expiry)"
             : reply->status == 404 ? " (not found: check the path of the URL)"
                                    : "");
    finish_later(self);
}

/* The bytes of 100 Continue and others, after which another head follows (RFC 9110, 15.2). */
static size_t interim_bytes(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    size_t used;
    while ((used = handshake_head_bytes(td_bytes_of(bytes + at, size - at))) > 0) {
        handshake_reply reply;
        handshake_read_reply(NULL, td_bytes_of(bytes + at, used), &reply);
        if (reply.why != NULL || reply.status == 101 || reply.status >= 200)
            break;
        at += used;
    }
    return at;
}

/* The answer's head; frames may follow it. */
static size_t read_answer(wire_conn *self, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    handshake_reply reply;
    size_t used = handshake_head_bytes(td_bytes_of(bytes, size));
    if (used == 0 && size <= HANDSHAKE_BYTES_MAX)
        return 0;
    const td_bytes head = td_bytes_of(bytes, used == 0 ? size : used);
    handshake_read_reply(&self->ask, head, &reply);
    if (reply.why == NULL && reply.status == 101) {
        on_open(self, &reply, head);
        return used + read_frames(self, bytes + used, size - used, read_ns);
    }
    if (reply.why == NULL && !has_body(self, &reply, size - used))
        return 0;
    if (reply.why == NULL) {
        on_refused(self, &reply, head, td_bytes_of(bytes + used, size - used));
        return size;
    }
    remember(self, WIRE_CAUSE_PROTOCOL, "%s answered the upgrade wrongly: %s",
             self->dial.url.authority, reply.why);
    finish_later(self);
    return size;
}

static size_t on_received(void *user, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    wire_conn *self = user;
    if (self->state == CONN_CLOSED)
        return size;
    if (self->state != CONN_UPGRADING)
        return read_frames(self, bytes, size, read_ns);
    size_t skipped = interim_bytes(bytes, size);
    return skipped + read_answer(self, bytes + skipped, size - skipped, read_ns);
}

static void on_drained(void *user)
{
    wire_conn *self = user;
    send_pong(self);
    if (self->state == CONN_OPEN && self->ops->drained != NULL)
        self->ops->drained(self->user, self);
}

static void on_ended(void *user, wire_cause cause, const char *text)
{
    wire_conn *self = user;
    int is_silent = cause == WIRE_CAUSE_CLOSED_BY_PEER;
    remember(self, cause, "%s%s", is_silent ? self->dial.url.authority : text,
             !is_silent                ? ""
             : self->state < CONN_OPEN ? " closed the connection before it answered the upgrade"
                                       : " ended the connection without a close frame");
    finish(self);
}

static const dial_ops DIAL_OPS = {
    .ready = on_ready, .received = on_received, .drained = on_drained, .ended = on_ended};

td_result wire_connect(wire_loop *loop, const wire_client_options *options, wire_conn **out,
                       td_err *err)
{
    *out = NULL;
    wire_conn *self = td_alloc_zero(1, sizeof *self);
    self->ops = options->ops;
    self->user = options->user;
    self->ask.with_deflate = options->with_deflate;
    td_buf_init(&self->fields, 2 * (size_t)HANDSHAKE_BYTES_MAX);
    td_buf_init(&self->body, WIRE_BODY_BYTES_MAX);
    if (options->fields != NULL) {
        td_buf_add(&self->fields, options->fields, strlen(options->fields) + 1);
        self->ask.fields = (const char *)self->fields.data;
        self->is_relay = 1;
    }
    self->dial.loop = loop;
    self->dial.link.loop = loop;
    self->dial.doing = "upgrade to WebSocket";
    td_result rc = td_url_parse(options->url, &self->dial.url, err);
    if (rc == TD_OK)
        rc = dial_begin(&self->dial, loop, options->ca_file, options->connect_timeout_ns, &DIAL_OPS,
                        self, err);
    if (rc != TD_OK) {
        free_conn(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}
