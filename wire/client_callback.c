/* What libwebsockets says about client connections, turned into our own callbacks. */
#include "wire/client_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* ---- why it ended ---- */

/* The TLS handshake failed: libwebsockets' text has the error number where the connection did, else
 * it is about what came in. */
static void say_why_not_secured(wire_conn *conn, td_bytes text)
{
    static const char MARK[] = "SYSCALL ";
    const char *where = conn->url.authority;
    const uint8_t *at = text.size == 0 ? NULL : memmem(text.data, text.size, MARK, sizeof MARK - 1);
    td_bytes number = {0};
    if (at != NULL) {
        at += sizeof MARK - 1;
        number = td_bytes_of(at, (size_t)(text.data + text.size - at));
    }
    char reset[16];
    (void)snprintf(reset, sizeof reset, "%d", ECONNRESET); /* it fits */
    if (td_bytes_is(number, reset))
        conn_fail(conn, WIRE_CAUSE_RESET, "%s reset the connection during the TLS handshake",
                  where);
    else
        conn_fail(conn, WIRE_CAUSE_TLS_OTHER,
                  "%s does not speak TLS with us (%.*s); is it ws:// rather than wss://?", where,
                  (int)(text.size < 200 ? text.size : 200), (const char *)text.data);
}

/* An attempt that did not come as far as an open WebSocket; text is libwebsockets' own reason. */
static void say_why_not_open(wire_conn *conn, unsigned status, td_bytes text)
{
    TD_ASSERT(conn->stage != CONN_OPEN);
    const char *where = conn->url.authority;
    int words = (int)(text.size < 200 ? text.size : 200);
    if (conn->finding.verdict == TLS_UNTRUSTED)
        conn_fail(conn, WIRE_CAUSE_TLS_UNTRUSTED, "%s", conn->finding.text);
    else if (conn->finding.verdict == TLS_WRONG_HOST)
        conn_fail(conn, WIRE_CAUSE_TLS_WRONG_HOST, "%s", conn->finding.text);
    else if (status != 0 && status != 101)
        conn_fail(conn, WIRE_CAUSE_REFUSED, "%s refused the upgrade with HTTP status %u%s", where,
                  status,
                  status == 401   ? " (unauthorized: check the API key and its expiry)"
                  : status == 404 ? " (not found: check the path of the URL)"
                                  : "");
    else if (status == 101)
        conn_fail(conn, WIRE_CAUSE_PROTOCOL, "%s answered the upgrade wrongly: %.*s", where, words,
                  (const char *)text.data);
    else if (conn->stage == CONN_CONNECTING)
        conn_fail(conn, WIRE_CAUSE_CONNECT, "nobody answers at %s: refused or unreachable", where);
    else if (conn->stage == CONN_SECURING)
        say_why_not_secured(conn, text);
    else
        conn_fail(conn, WIRE_CAUSE_CLOSED_BY_PEER, "%s closed the connection before it %s", where,
                  conn->kind == CONN_HTTP ? "replied" : "answered the upgrade");
}

void conn_attempt_failed(wire_conn *conn, unsigned status, td_bytes text)
{
    conn->end.http_status = status == 101 ? 0 : status;
    int may_go_on = conn->end.cause == WIRE_CAUSE_NONE && conn->stage == CONN_CONNECTING &&
                    conn_has_next_address(conn);
    if (may_go_on) {
        if (conn->wsi != NULL)
            lws_set_opaque_user_data(conn->wsi, NULL);
        conn->wsi = NULL;
        conn_next_later(conn);
        return;
    }
    say_why_not_open(conn, status, text);
    conn_end(conn);
}

/* Was an open connection reset? libwebsockets does not say; the kernel still knows. A peer that
 * closed in order and then answers our TLS good-bye with a reset leaves EPIPE behind (Linux,
 * tcp_reset), one that reset an established connection ECONNRESET, which the read has consumed. */
static int was_reset(int fd, const struct tcp_info *info)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (info->tcpi_state != TCP_CLOSE)
        return 0;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != EPIPE;
}

static void say_why_closed(wire_conn *conn, struct lws *wsi)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int fd = lws_get_socket_fd(wsi);
    int is_known = fd >= 0 && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
    const char *where = conn->url.authority;
    if (is_known && was_reset(fd, &info))
        conn_fail(conn, WIRE_CAUSE_RESET, "%s reset the connection", where);
    else if (is_known && info.tcpi_state == TCP_ESTABLISHED)
        conn_fail(conn, WIRE_CAUSE_PROTOCOL, "%s broke the WebSocket protocol (RFC 6455)", where);
    else
        conn_fail(conn, WIRE_CAUSE_CLOSED_BY_PEER, "%s ended the connection without a close frame",
                  where);
}

/* The first cause stands: a peer answers our own close with one, too. */
static void on_peer_close(wire_conn *conn, td_bytes payload)
{
    if (conn->end.cause != WIRE_CAUSE_NONE)
        return;
    if (payload.size >= 2) {
        size_t size = payload.size - 2;
        if (size > sizeof conn->end_reason)
            size = sizeof conn->end_reason;
        memcpy(conn->end_reason, payload.data + 2, size);
        conn->end.close_code = (unsigned)payload.data[0] << 8 | payload.data[1];
        conn->end.close_reason = td_bytes_of(conn->end_reason, size);
    }
    conn_fail(conn, WIRE_CAUSE_CLOSED_BY_PEER, "%s closed the connection (code %u%s%.*s)",
              conn->url.authority, conn->end.close_code, payload.size > 2 ? ": " : "",
              (int)conn->end.close_reason.size, (const char *)conn->end.close_reason.data);
}

/* ---- open ---- */

static void on_open(wire_conn *conn, struct lws *wsi)
{
    TD_ASSERT(conn->stage != CONN_OPEN);
    TD_ASSERT(conn->kind == CONN_WEBSOCKET);
    conn->stage = CONN_OPEN;
    wire_timer_cancel(conn->deadline);
    conn->deadline = NULL;
    char address[RESOLVE_ADDRESS_BYTES] = "";
    lws_get_peer_simple(wsi, address, sizeof address);
    struct ssl_st *ssl = conn->url.is_tls ? lws_get_ssl(wsi) : NULL;
    tls_agreed agreed = {0};
    if (ssl != NULL)
        tls_describe(ssl, &agreed);
    wire_peer peer = {.address = address,
                      .tls_version = agreed.version,
                      .tls_cipher = agreed.cipher,
                      .tls_subject = ssl == NULL ? NULL : agreed.subject};
    /* What was asked for while it was connecting holds from now on. */
    if (conn->queue.size > conn->queue_at)
        conn_ask_writable(conn);
    if (conn->is_paused)
        lws_rx_flow_control(wsi, 0);
    if (conn->ops->opened != NULL)
        conn->ops->opened(conn->user, conn, &peer);
}

/* Never by returning -1 to libwebsockets 4.1.6 from here: it then forgets to reset its buffer's
 * fill, goes on filling while the close frame waits to be sent, and writes behind the buffer's end.
 */
static void refuse_message(wire_conn *conn, assembly_state state)
{
    if (conn->is_closing) { /* our close frame is on its way, or sent */
        conn_fail(conn, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
        conn->is_refused = 1;
        conn_cut(conn);
        return;
    }
    if (state == ASSEMBLY_TOO_LARGE)
        conn_fail(conn, WIRE_CAUSE_TOO_LARGE, "%s sent a message of more than %zu bytes",
                  conn->url.authority, (size_t)LIMIT_FRAME_BYTES);
    else
        conn_fail(conn, WIRE_CAUSE_NOMEM, "no memory for a message of %s", conn->url.authority);
    conn_start_close(conn, state == ASSEMBLY_TOO_LARGE ? LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE
                                                       : LWS_CLOSE_STATUS_UNEXPECTED_CONDITION);
}

static void on_receive(wire_conn *conn, struct lws *wsi, td_bytes piece)
{
    /* Closing, what comes until the peer closes too is still taken; but a message that was refused,
     * or the peer's own close frame, is the end. */
    if (conn->end.cause != WIRE_CAUSE_NONE &&
        (conn->end.cause != WIRE_CAUSE_CLOSED_BY_US || conn->is_refused))
        return;
    TD_ASSERT(conn->stage == CONN_OPEN);
    td_bytes whole;
    assembly_state state =
        assembly_take(&conn->assembly, wsi, piece, loop_now_ns(conn->loop), &whole);
    if (state == ASSEMBLY_MORE)
        return;
    TD_ASSERT(whole.size <= LIMIT_FRAME_BYTES || state != ASSEMBLY_WHOLE);
    if (state != ASSEMBLY_WHOLE) {
        refuse_message(conn, state);
        return;
    }
    conn->ops->message(conn->user, conn, lws_frame_is_binary(wsi) ? 2 : 1, whole,
                       conn->assembly.begin_ns);
    assembly_done(&conn->assembly);
}

/* libwebsockets 4.1.6 answers a ping without a callback, but after each pong it calls the writable
 * callback without a request (rops_handle_POLLOUT_ws leaves POLLOUT on). It also does so for data
 * that it could not send at once (is_writable_due), and for extensions, compression and its own
 * keep-alive, which are all off. */
static void on_unasked_writable(wire_conn *conn)
{
    int is_ping = !conn->is_writable_due && conn->stage == CONN_OPEN && !conn->is_closing;
    conn->is_writable_due = 0;
    if (is_ping && conn->ops->heartbeat != NULL)
        conn->ops->heartbeat(conn->user, conn, 9, td_bytes_of(NULL, 0));
}

/* ---- the callback ---- */

int client_verify(struct lws *wsi, struct x509_store_ctx_st *store, int is_good)
{
    wire_conn *conn = lws_get_opaque_user_data(wsi);
    if (conn == NULL)
        return 1; /* it has been given up: nobody is left who could trust */
    tls_verdict verdict = tls_judge(store, is_good, &conn->url, conn->ca_file, &conn->finding);
    TD_ASSERT(is_good || verdict != TLS_TRUSTED);
    return verdict != TLS_TRUSTED;
}

static int on_user_agent(struct lws *wsi, unsigned char **at, size_t room)
{
    static const char TEXT[] = "tapedeck";
    return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_USER_AGENT, (const unsigned char *)TEXT,
                                        (int)sizeof TEXT - 1, at, *at + room);
}

/* Retry-After in seconds (RFC 9110, 10.2.3). */
static uint64_t retry_after_ns(struct lws *wsi)
{
    char text[24];
    int size = lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_RETRY_AFTER);
    uint64_t seconds = 0;
    for (int i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        seconds = seconds * 10 + (uint64_t)(text[i] - '0');
        if (seconds > LIMIT_RETRY_AFTER_NS / TD_NS_PER_S)
            return LIMIT_RETRY_AFTER_NS;
    }
    return seconds * TD_NS_PER_S;
}

int conn_is_end(enum lws_callback_reasons reason)
{
    return reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR || reason == LWS_CALLBACK_CLIENT_CLOSED ||
           reason == LWS_CALLBACK_WSI_DESTROY;
}

int conn_on_handshake(wire_conn *conn, struct lws *wsi, enum lws_callback_reasons reason, void *in,
                      size_t size)
{
    switch ((int)reason) { /* the others are of what comes after */
    case LWS_CALLBACK_WSI_CREATE:
        conn->stage = conn->url.is_tls ? CONN_SECURING : CONN_UPGRADING;
        return conn_take_tunnel(conn, wsi);
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        conn->stage = CONN_UPGRADING;
        return on_user_agent(wsi, in, size);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR: {
        unsigned status = lws_http_client_http_response(wsi);
        conn->end.retry_after_ns = status == 0 ? 0 : retry_after_ns(wsi);
        conn_attempt_failed(conn, status, td_bytes_of(in, in == NULL ? 0 : size));
        return 0;
    }
    default:
        return 0;
    }
}

static int client_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                           size_t size)
{
    (void)user;
    wire_conn *conn = wsi == NULL ? NULL : lws_get_opaque_user_data(wsi);
    if (conn == NULL || (conn->is_starting && conn_is_end(reason)))
        return 0;
    switch ((int)reason) { /* a hundred others are not ours */
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        on_open(conn, wsi);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        on_receive(conn, wsi, td_bytes_of(in, size));
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        if (conn->ops->heartbeat != NULL)
            conn->ops->heartbeat(conn->user, conn, 10, td_bytes_of(in, size));
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        on_unasked_writable(conn);
        return conn_on_writable(conn);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        on_peer_close(conn, td_bytes_of(in, size));
        return conn->is_close_sent ? -1 : 0; /* it answers our close frame: both are through */
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY:
        say_why_closed(conn, wsi);
        conn_end(conn);
        return 0;
    default:
        return conn_on_handshake(conn, wsi, reason, in, size);
    }
}

const struct lws_protocols CLIENT_PROTOCOLS[] = {
    [CONN_WEBSOCKET] = {.name = "wire-client",
                        .callback = client_callback,
                        .rx_buffer_size = WIRE_READ_BYTES},
    [CONN_HTTP] = {.name = "wire-http",
                   .callback = http_callback,
                   .rx_buffer_size = WIRE_READ_BYTES},
    {0},
};
