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

enum { PONG_BACKLOG_BYTES = 64 << 10 };

_Static_assert(2 * WIRE_SEND_BYTES_MAX + 2 * PONG_BACKLOG_BYTES <= DIAL_OUT_BYTES_MAX, "all fits");

typedef struct client {
    wire_conn conn;
    dial dial;
    const wire_client_ops *ops;
    upgrade_request request;
    time_share inflating; /* time spent on inflating messages */
    td_buf fields; /* relay only: header lines of the request, later of the answer; with a NUL */
    td_buf body;
    char end_text[WIRE_TEXT_BYTES];
} client;

/* ---- ends ---- */

/* Note why the connection ends, unless a cause is noted already. */
TD_PRINTF(3, 4)
static void remember(client *self, wire_cause cause, const char *format, ...)
{
    if (!conn_note_end(&self->conn, cause, self->end_text))
        return;
    va_list values;
    va_start(values, format);
    (void)vsnprintf(self->end_text, sizeof self->end_text, format, values); /* may be cut */
    va_end(values);
}

static void free_client(client *self)
{
    wire_loop *loop = self->dial.loop;
    conn_fini(&self->conn);
    dial_close(&self->dial);
    td_buf_fini(&self->fields);
    td_buf_fini(&self->body);
    deflate_receiver_close(self->conn.inflater);
    loop_free_later(loop, self);
}

/* Notify the user and free the client. */
static void finish(wire_conn *conn)
{
    client *self = conn->owner;
    TD_ASSERT(conn->end.cause != WIRE_CAUSE_NONE);
    self->ops->ended(conn->user, &conn->end);
    free_client(self);
}

static void on_peer_ended(wire_conn *conn, const ws_event *event)
{
    client *self = conn->owner;
    const char *where = self->dial.url.authority;
    const td_bytes reason = conn->end.close_reason;
    if (event->message.opcode == WS_CLOSE)
        remember(self, WIRE_CAUSE_CLOSED_BY_PEER, "%s closed the connection (code %u%s%.*s)", where,
                 conn->end.close_code, reason.size > 0 ? ": " : "", (int)reason.size,
                 (const char *)reason.data);
    else if (event->code == WS_CODE_TOO_LARGE)
        remember(self, WIRE_CAUSE_TOO_LARGE, "%s sent a message of more than %zu bytes", where,
                 (size_t)LIMIT_FRAME_BYTES);
    else
        remember(self, WIRE_CAUSE_PROTOCOL, "%s broke the WebSocket protocol (RFC 6455): %s", where,
                 event->why);
}

/* Count the time for which other connections waited while a compressed message was inflated and
 * handled. End the connection if inflating exceeds its share of the time. */
static void on_inflated(wire_conn *conn, uint64_t cost_ns)
{
    client *self = conn->owner;
    if (time_share_spend(&self->inflating, loop_now_ns(self->dial.loop), cost_ns) == 0 ||
        conn->state != CONN_OPEN)
        return;
    remember(self, WIRE_CAUSE_TOO_LARGE,
             "%s sent compressed messages that take more than a quarter of the time",
             self->dial.url.authority);
    conn_fail(conn, &(ws_event){.code = WS_CODE_TOO_LARGE});
}

static const conn_role CLIENT = {.peer = WS_FROM_SERVER,
                                 .message_bytes_max = LIMIT_FRAME_BYTES,
                                 .sent_bytes_max = WIRE_SEND_BYTES_MAX,
                                 .queue_bytes_max = WIRE_SEND_BYTES_MAX,
                                 .pong_bytes_max = PONG_BACKLOG_BYTES,
                                 .inflated = on_inflated,
                                 .peer_ended = on_peer_ended,
                                 .timed_out = finish};

/* ---- opening ---- */

static void on_ready(void *user)
{
    client *self = user;
    self->request.host = self->dial.url.authority;
    self->request.target = self->dial.url.target;
    td_random_system(self->request.nonce, sizeof self->request.nonce);
    handshake_put_request(&self->request, link_output(&self->dial.link));
    link_flush_later(&self->dial.link);
}

/* Copy the answer's header lines that a relay forwards. */
static const char *keep_fields(client *self, td_bytes head)
{
    td_buf_clear(&self->fields);
    handshake_copy_fields(head, &self->fields);
    td_buf_add(&self->fields, "", 1);
    return (const char *)self->fields.data;
}

static void on_open(client *self, const handshake_reply *reply, td_bytes head)
{
    wire_conn *conn = &self->conn;
    char address[LINK_ADDRESS_BYTES];
    char extensions[HANDSHAKE_EXTENSIONS_BYTES];
    tls_agreed agreed = {0};
    struct ssl_st *ssl = self->dial.link.ssl;
    dial_end_deadline(&self->dial);
    link_peer_address(&self->dial.link, address);
    td_utf8_copy(extensions, sizeof extensions, reply->extensions);
    if (ssl != NULL)
        tls_describe(ssl, &agreed);
    const wire_peer peer = {.address = address,
                            .tls_version = agreed.version,
                            .tls_cipher = agreed.cipher,
                            .tls_subject = ssl == NULL ? NULL : agreed.subject,
                            .extensions = extensions,
                            .fields = conn->is_relay ? keep_fields(self, head) : NULL,
                            .is_deflated = reply->is_deflated,
                            .sent_context = reply->sent_context};
    conn_open(conn, reply->is_deflated ? deflate_receiver_open(reply->context) : NULL);
    if (self->ops->opened != NULL)
        self->ops->opened(conn->user, conn, &peer);
}

static void on_refused(client *self, const handshake_reply *reply, td_bytes head, td_bytes body)
{
    wire_end *end = &self->conn.end;
    uint64_t wait_s = reply->retry_after_s;
    if (self->conn.is_relay) {
        end->fields = keep_fields(self, head);
        body.size = reply->is_chunked                 ? 0
                    : body.size < WIRE_BODY_BYTES_MAX ? body.size
                                                      : WIRE_BODY_BYTES_MAX;
        td_buf_add(&self->body, body.data, body.size);
        end->body = td_buf_view(&self->body);
    }
    end->http_status = reply->status;
    end->retry_after_ns =
        wait_s > LIMIT_RETRY_AFTER_NS / TD_NS_PER_S ? LIMIT_RETRY_AFTER_NS : wait_s * TD_NS_PER_S;
    remember(self, WIRE_CAUSE_REFUSED, "%s refused the upgrade with HTTP status %u%s",
             self->dial.url.authority, reply->status,
             reply->status == 401   ? " (unauthorized: check the API key and its expiry)"
             : reply->status == 404 ? " (not found: check the path of the URL)"
                                    : "");
    conn_drop(&self->conn);
}

/* Read an answer. Returns the bytes used; 0: the answer is incomplete. */
static size_t read_answer(client *self, const uint8_t *bytes, size_t size)
{
    handshake_reply reply;
    size_t used = handshake_head_bytes(td_bytes_of(bytes, size));
    if (used == 0 && size <= HANDSHAKE_BYTES_MAX)
        return 0;
    const td_bytes head = td_bytes_of(bytes, used == 0 ? size : used);
    handshake_read_reply(&self->request, head, &reply);
    if (reply.why != NULL) {
        remember(self, WIRE_CAUSE_PROTOCOL, "%s sent an invalid answer to the upgrade: %s",
                 self->dial.url.authority, reply.why);
        conn_drop(&self->conn);
    } else if (reply.status == 101) {
        on_open(self, &reply, head);
    } else if (reply.status >= 200) { /* lower: 100 Continue and others (RFC 9110, 15.2) */
        /* A relay waits for the body, which it forwards. */
        int64_t wanted =
            reply.content_bytes < WIRE_BODY_BYTES_MAX ? reply.content_bytes : WIRE_BODY_BYTES_MAX;
        if (self->conn.is_relay && !reply.is_chunked && (int64_t)(size - used) < wanted)
            return 0;
        on_refused(self, &reply, head, td_bytes_of(bytes + used, size - used));
    }
    return head.size;
}

/* Read heads up to the final answer, then the frames that follow it. */
static size_t on_received(void *user, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    client *self = user;
    size_t at = 0;
    while (self->conn.state == CONN_OPENING) {
        size_t used = read_answer(self, bytes + at, size - at);
        if (used == 0)
            return at;
        at += used;
    }
    return at + conn_read(&self->conn, bytes + at, size - at, read_ns);
}

static void on_drained(void *user)
{
    client *self = user;
    conn_drained(&self->conn);
}

static void on_ended(void *user, wire_cause cause, const char *text)
{
    client *self = user;
    int is_silent = cause == WIRE_CAUSE_CLOSED_BY_PEER;
    remember(self, cause, "%s%s", is_silent ? self->dial.url.authority : text,
             !is_silent ? ""
             : self->conn.state == CONN_OPENING
                 ? " closed the connection before it answered the upgrade"
                 : " ended the connection without a close frame");
    finish(&self->conn);
}

static const dial_ops DIAL_OPS = {
    .ready = on_ready, .received = on_received, .drained = on_drained, .ended = on_ended};

td_result wire_connect(wire_loop *loop, const wire_client_options *options, wire_conn **out,
                       td_err *err)
{
    *out = NULL;
    client *self = td_alloc_zero(1, sizeof *self);
    self->ops = options->ops;
    self->conn = (wire_conn){.role = &CLIENT,
                             .ops = &options->ops->conn,
                             .owner = self,
                             .link = &self->dial.link,
                             .user = options->user,
                             .is_relay = options->fields != NULL};
    self->request.with_deflate = options->with_deflate;
    td_buf_init(&self->fields, 2 * (size_t)HANDSHAKE_BYTES_MAX);
    td_buf_init(&self->body, WIRE_BODY_BYTES_MAX);
    if (options->fields != NULL) {
        td_buf_add(&self->fields, options->fields, strlen(options->fields) + 1);
        self->request.fields = (const char *)self->fields.data;
    }
    self->dial.loop = loop;
    self->dial.link.loop = loop;
    self->dial.step = "upgrade to WebSocket";
    self->dial.address_first = options->address_first;
    td_result rc = td_url_parse(options->url, &self->dial.url, err);
    if (rc == TD_OK)
        rc = dial_begin(&self->dial, loop, options->ca_file, options->connect_timeout_ns, &DIAL_OPS,
                        self, err);
    if (rc != TD_OK) {
        free_client(self);
        return rc;
    }
    *out = &self->conn;
    return TD_OK;
}
