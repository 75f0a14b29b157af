#include "wire/client_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/alloc.h"
#include "base/random.h"

enum { CONNECT_TIMEOUT_S = 10, CONNECT_TIMEOUT_S_MAX = 60 };
_Static_assert((int)CONNECT_TIMEOUT_S_MAX < (int)WIRE_LWS_TIMEOUT_S, "ours must come first");

/* ---- ends ---- */

void conn_fail(wire_conn *conn, wire_cause cause, const char *format, ...)
{
    TD_ASSERT(cause != WIRE_CAUSE_NONE);
    if (conn->end.cause != WIRE_CAUSE_NONE)
        return;
    conn->end.cause = cause;
    va_list values;
    va_start(values, format);
    (void)vsnprintf(conn->end_text, sizeof conn->end_text, format, values); /* cut if too long */
    va_end(values);
}

static void conn_unlink(wire_conn *conn)
{
    *(conn->prev == NULL ? &conn->loop->conns : &conn->prev->next) = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
}

static void conn_free(wire_conn *conn)
{
    wire_timer_cancel(conn->deadline);
    wire_timer_cancel(conn->step);
    resolve_job_cancel(conn->job);
    tunnel_cancel(conn->tunnel);
    if (conn->tunnel_fd >= 0)
        close(conn->tunnel_fd);
    OPENSSL_cleanse(conn->proxy.password, sizeof conn->proxy.password);
    assembly_fini(&conn->assembly);
    td_buf_fini(&conn->queue);
    td_buf_fini(&conn->scratch);
    td_free(conn->ca_file);
    td_free(conn);
}

void conn_end(wire_conn *conn)
{
    TD_ASSERT(conn->end.cause != WIRE_CAUSE_NONE);
    if (conn->wsi != NULL)
        lws_set_opaque_user_data(conn->wsi, NULL); /* whatever else it has to say is not for us */
    conn->wsi = NULL;
    conn_unlink(conn);
    conn->end.text = conn->end_text;
    conn->ops->ended(conn->user, &conn->end);
    conn_free(conn);
}

static void end_now(void *user)
{
    wire_conn *conn = user;
    conn->step = NULL;
    conn_end(conn);
}

void conn_end_later(wire_conn *conn)
{
    TD_ASSERT(conn->end.cause != WIRE_CAUSE_NONE);
    if (conn->step != NULL)
        wire_timer_cancel(conn->step);
    conn->step = NULL;
    if (wire_timer_at(conn->loop, loop_now_ns(conn->loop), end_now, conn, &conn->step, NULL) !=
        TD_OK)
        conn_end(conn); /* no memory for a delay: sooner is better than never */
}

void conn_cut(wire_conn *conn)
{
    TD_ASSERT(conn->end.cause != WIRE_CAUSE_NONE);
    if (conn->wsi == NULL)
        conn_end_later(conn);
    else
        lws_set_timeout(conn->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

void client_end_all(wire_loop *loop)
{
    while (loop->conns != NULL) {
        wire_conn *conn = loop->conns;
        conn_fail(conn, WIRE_CAUSE_CLOSED_BY_US, "closed with its loop");
        conn_end(conn);
    }
}

/* ---- connecting ---- */

static void on_connect_timeout(void *user)
{
    wire_conn *conn = user;
    conn->deadline = NULL;
    static const char *const DOING[] = {
        [CONN_RESOLVING] = "look-up of its name", [CONN_CONNECTING] = "TCP connection",
        [CONN_SECURING] = "TLS handshake",        [CONN_UPGRADING] = "upgrade to WebSocket",
        [CONN_REPLYING] = "rest of its reply",
    };
    TD_ASSERT(conn->stage < CONN_OPEN);
    if (conn->stage == CONN_CONNECTING && conn->proxy.is_used)
        conn_fail(conn, WIRE_CAUSE_TIMEOUT, "the proxy %s:%u did not connect to %s in time",
                  conn->proxy.host, conn->proxy.port, conn->url.authority);
    int is_request = conn->kind == CONN_HTTP && conn->stage == CONN_UPGRADING;
    conn_fail(conn, WIRE_CAUSE_TIMEOUT, "%s did not answer in time (%s)", conn->url.authority,
              is_request ? "reply to the request" : DOING[conn->stage]);
    conn_cut(conn);
}

static td_result set_proxy(wire_conn *conn, const char *proxy, td_err *err)
{
    if (proxy == NULL)
        return wire_proxy_of_environment(&conn->url, &conn->proxy, err);
    return *proxy == '\0' ? TD_OK : wire_proxy_parse(proxy, &conn->proxy, err);
}

static td_result conn_fill(wire_conn *conn, const wire_client_options *options, td_err *err)
{
    td_result rc = conn->kind == CONN_HTTP ? td_url_parse_http(options->url, &conn->url, err)
                                           : td_url_parse(options->url, &conn->url, err);
    if (rc == TD_OK)
        rc = set_proxy(conn, options->proxy, err);
    if (rc != TD_OK)
        return rc;
    conn->ca_file = td_strdup(options->ca_file);
    if (options->ca_file != NULL && conn->ca_file == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a connection");
    uint64_t timeout_ns = options->connect_timeout_ns;
    if (timeout_ns == 0)
        timeout_ns = CONNECT_TIMEOUT_S * TD_NS_PER_S;
    if (timeout_ns > CONNECT_TIMEOUT_S_MAX * TD_NS_PER_S)
        return td_err_set(err, TD_E_INVALID, "connect timeout over %d s", CONNECT_TIMEOUT_S_MAX);
    rc = wire_timer_at(conn->loop, loop_now_ns(conn->loop) + timeout_ns, on_connect_timeout, conn,
                       &conn->deadline, err);
    return rc == TD_OK ? conn_begin(conn, err) : rc;
}

td_result wire_connect(wire_loop *loop, const wire_client_options *options, wire_conn **out,
                       td_err *err)
{
    return conn_open(loop, options, CONN_WEBSOCKET, out, err);
}

td_result conn_open(wire_loop *loop, const wire_client_options *options, conn_kind kind,
                    wire_conn **out, td_err *err)
{
    TD_ASSERT(loop->magic == WIRE_LOOP_MAGIC);
    *out = NULL;
    if (loop->is_closing)
        return td_err_set(err, TD_E_NETWORK, "the network loop is closing");
    wire_conn *conn = td_alloc_zero(1, sizeof *conn);
    if (conn == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a connection");
    conn->loop = loop;
    conn->kind = kind;
    conn->tunnel_fd = -1;
    conn->ops = options->ops;
    conn->user = options->user;
    assembly_init(&conn->assembly, LIMIT_FRAME_BYTES);
    td_buf_init(&conn->queue, (size_t)2 * WIRE_SEND_BYTES_MAX);
    td_buf_init(&conn->scratch, LWS_PRE + WIRE_SEND_BYTES_MAX);
    td_result rc = conn_fill(conn, options, err);
    if (rc != TD_OK) {
        conn_free(conn);
        return rc;
    }
    conn->next = loop->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    loop->conns = conn;
    *out = conn;
    return TD_OK;
}

/* ---- sending ---- */

/* Moves what is left of the queue to its front, so that it does not grow for ever. */
static void queue_compact(wire_conn *conn)
{
    td_buf *queue = &conn->queue;
    TD_ASSERT(conn->queue_at <= queue->size);
    if (conn->queue_at == 0)
        return;
    memmove(queue->data, queue->data + conn->queue_at, queue->size - conn->queue_at);
    queue->size -= conn->queue_at;
    conn->queue_at = 0;
}

td_result wire_send(wire_conn *conn, td_bytes text, td_err *err)
{
    if (conn->is_closing)
        return td_err_set(err, TD_E_NETWORK, "the connection is closing");
    queue_compact(conn);
    size_t needed = sizeof(queued_send) + text.size;
    if (text.size > WIRE_SEND_BYTES_MAX || conn->queue.size + needed > WIRE_SEND_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "%zu bytes are queued already, %d may be",
                          conn->queue.size, WIRE_SEND_BYTES_MAX);
    td_result rc = td_buf_reserve(&conn->queue, needed, err);
    if (rc != TD_OK)
        return rc;
    queued_send header = {.size = text.size};
    rc = td_buf_append(&conn->queue, &header, sizeof header, err);
    if (rc == TD_OK)
        rc = td_buf_append(&conn->queue, text.data, text.size, err);
    TD_ASSERT(rc == TD_OK); /* room was reserved */
    if (conn->stage == CONN_OPEN)
        conn_ask_writable(conn);
    return TD_OK;
}

void conn_ask_writable(wire_conn *conn)
{
    conn->is_writable_due = 1;
    lws_callback_on_writable(conn->wsi);
}

/* Hands over the first queued message. 0, or -1 if the connection is gone. */
static int send_first(wire_conn *conn)
{
    queued_send header;
    const uint8_t *at = conn->queue.data + conn->queue_at;
    memcpy(&header, at, sizeof header);
    td_bytes text = td_bytes_of(at + sizeof header, header.size);
    static const uint8_t ROOM[LWS_PRE];
    td_buf_clear(&conn->scratch);
    if (td_buf_append(&conn->scratch, ROOM, sizeof ROOM, NULL) != TD_OK ||
        td_buf_append(&conn->scratch, text.data, text.size, NULL) != TD_OK) {
        conn_fail(conn, WIRE_CAUSE_NOMEM, "no memory to send %zu bytes", text.size);
        return -1;
    }
    uint64_t now_ns = loop_now_ns(conn->loop);
    if (lws_write(conn->wsi, conn->scratch.data + LWS_PRE, text.size, LWS_WRITE_TEXT) < 0)
        return -1;
    if (lws_partial_buffered(conn->wsi))
        conn->is_writable_due = 1; /* once libwebsockets has sent the rest */
    conn->queue_at += sizeof header + header.size;
    TD_ASSERT(conn->queue_at <= conn->queue.size);
    if (conn->ops->sent != NULL)
        conn->ops->sent(conn->user, conn, 1, text, now_ns);
    return 0;
}

/* RFC 6455 5.2 and 5.5.1: the last frame, masked as a client's must be, with a code. Its bytes are
 * written here, because after its own close frame libwebsockets drops what the peer still sends. */
static int send_close(wire_conn *conn)
{
    uint8_t room[LWS_PRE + 8];
    uint8_t *frame = room + LWS_PRE;
    frame[0] = 0x80 | 8;
    frame[1] = 0x80 | 2;
    conn->is_close_sent = 1;
    if (td_random_system(frame + 2, 4, NULL) != TD_OK)
        return -1; /* cut, without a close frame */
    frame[6] = (uint8_t)(conn->close_code >> 8) ^ frame[2];
    frame[7] = (uint8_t)conn->close_code ^ frame[3];
    return lws_write(conn->wsi, frame, 8, LWS_WRITE_RAW) < 0 ? -1 : 0;
}

int conn_on_writable(wire_conn *conn)
{
    if (conn->is_close_sent)
        return 0;
    int was_idle = conn->queue_at == conn->queue.size;
    while (conn->queue_at < conn->queue.size) {
        if (send_first(conn) != 0)
            return -1;
        if (lws_send_pipe_choked(conn->wsi))
            break;
    }
    if (conn->queue_at < conn->queue.size || (conn->is_closing && !was_idle))
        conn_ask_writable(conn);
    if (!conn->is_closing || !was_idle)
        return 0; /* a close frame only goes out whole when nothing of ours is left in lws' buffers
                   */
    return send_close(conn);
}

/* ---- flow and close ---- */

static void set_reading(wire_conn *conn, uint8_t is_paused)
{
    conn->is_paused = is_paused;
    if (conn->stage == CONN_OPEN)
        lws_rx_flow_control(conn->wsi, !is_paused);
}

void wire_pause(wire_conn *conn)
{
    set_reading(conn, 1);
}

void wire_resume(wire_conn *conn)
{
    set_reading(conn, 0);
}

static void on_close_grace_over(void *user)
{
    wire_conn *conn = user;
    conn->deadline = NULL;
    conn_cut(conn);
}

void conn_start_close(wire_conn *conn, unsigned code)
{
    TD_ASSERT(conn->stage == CONN_OPEN);
    TD_ASSERT(conn->end.cause != WIRE_CAUSE_NONE);
    TD_ASSERT(conn->deadline == NULL);
    conn->is_closing = 1;
    conn->close_code = (uint16_t)code;
    uint64_t at_ns = loop_now_ns(conn->loop) + WIRE_CLOSE_GRACE_S * TD_NS_PER_S;
    if (wire_timer_at(conn->loop, at_ns, on_close_grace_over, conn, &conn->deadline, NULL) != TD_OK)
        conn_cut(conn);
    if (conn->is_paused)
        set_reading(conn, 0); /* the peer's own close frame must be read */
    conn_ask_writable(conn);
}

void wire_close(wire_conn *conn, unsigned code)
{
    TD_ASSERT(code >= 1000);
    TD_ASSERT(code < 5000);
    if (conn->end.cause != WIRE_CAUSE_NONE)
        return; /* it is ending already */
    conn_fail(conn, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
    if (conn->stage < CONN_OPEN)
        conn_cut(conn);
    else
        conn_start_close(conn, code);
}
