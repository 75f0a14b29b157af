/* A request is a wire_conn that never upgrades: its own protocol for libwebsockets' callbacks, and
 * an end that hands the body over. */
#include "wire/client_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "wire/http.h"

struct wire_http {
    void (*done)(void *user, const wire_http_end *end); /* NULL: given up */
    void *user;
    wire_conn *conn;
    td_buf body;
    size_t bytes_max;
    unsigned status;
    uint64_t recv_mono_ns;
    uint8_t has_length; /* the reply says how long its body is */
    uint8_t is_whole;
};

enum { HTTP_READ_BYTES = 16 << 10 };

/* The connection is gone: with a whole reply that is as it should be. */
static void on_ended(void *user, const wire_end *end)
{
    wire_http *http = user;
    wire_http_end result = {.cause = http->is_whole ? WIRE_CAUSE_NONE : end->cause,
                            .status = http->status,
                            .body = td_buf_view(&http->body),
                            .recv_mono_ns = http->recv_mono_ns,
                            .text = http->is_whole ? "" : end->text};
    if (http->done != NULL)
        http->done(http->user, &result);
    td_buf_fini(&http->body);
    td_free(http);
}

static const wire_client_ops HTTP_OPS = {.ended = on_ended};

td_result wire_http_get(wire_loop *loop, const wire_http_options *options, wire_http **out,
                        td_err *err)
{
    TD_ASSERT(options->done != NULL);
    TD_ASSERT(options->reply_bytes_max <= LIMIT_FRAME_BYTES);
    *out = NULL;
    wire_http *http = td_alloc_zero(1, sizeof *http);
    if (http == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a request");
    http->done = options->done;
    http->user = options->user;
    http->bytes_max = options->reply_bytes_max == 0 ? LIMIT_FRAME_BYTES : options->reply_bytes_max;
    td_buf_init(&http->body, http->bytes_max);
    wire_client_options opening = {.url = options->url,
                                   .ca_file = options->ca_file,
                                   .proxy = options->proxy,
                                   .connect_timeout_ns = options->timeout_ns,
                                   .ops = &HTTP_OPS,
                                   .user = http};
    td_result rc = conn_open(loop, &opening, CONN_HTTP, &http->conn, err);
    if (rc != TD_OK) {
        td_buf_fini(&http->body);
        td_free(http);
        return rc;
    }
    *out = http;
    return TD_OK;
}

void wire_http_cancel(wire_http *http)
{
    if (http == NULL)
        return;
    http->done = NULL;
    wire_close(http->conn, 1000);
}

/* Everything that was read is a piece of the body: chunks are undone by libwebsockets. 0, or -1 to
 * end the connection. */
static int take_piece(wire_conn *conn, td_bytes piece)
{
    wire_http *http = conn->user;
    if (conn->end.cause != WIRE_CAUSE_NONE)
        return -1;
    if (piece.size > http->bytes_max - http->body.size) {
        conn_fail(conn, WIRE_CAUSE_TOO_LARGE, "%s replied with more than %zu bytes",
                  conn->url.authority, http->bytes_max);
        return -1;
    }
    if (td_buf_append(&http->body, piece.data, piece.size, NULL) != TD_OK) {
        conn_fail(conn, WIRE_CAUSE_NOMEM, "no memory for a reply of %s", conn->url.authority);
        return -1;
    }
    http->recv_mono_ns = loop_now_ns(conn->loop);
    return 0;
}

/* Reads what is there, which comes back as pieces. */
static int read_some(struct lws *wsi)
{
    char buffer[LWS_PRE + HTTP_READ_BYTES];
    char *at = buffer + LWS_PRE;
    int size = HTTP_READ_BYTES;
    return lws_http_client_read(wsi, &at, &size) < 0 ? -1 : 0;
}

/* Does a body that begins as JSON end as it began? What is no JSON is not judged. */
static int is_balanced(td_bytes body)
{
    size_t depth = 0;
    int is_string = 0;
    if (body.size == 0 || (body.data[0] != '{' && body.data[0] != '['))
        return 1;
    for (size_t i = 0; i < body.size; i++) {
        uint8_t c = body.data[i];
        if (is_string) {
            i += c == '\\';
            is_string = c != '"';
        } else if (c == '"') {
            is_string = 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (--depth == 0)
                return 1; /* what follows is white space, or nobody's */
        }
    }
    return 0;
}

/* libwebsockets (4.1.6) calls a reply complete, too, when the connection ends before its last
 * chunk. It does not say which it was, but JSON does; without chunks its counting is right. */
static int on_completed(wire_conn *conn)
{
    wire_http *http = conn->user;
    http->is_whole = conn->end.cause == WIRE_CAUSE_NONE &&
                     (http->has_length || is_balanced(td_buf_view(&http->body)));
    return -1;
}

static void on_status(wire_conn *conn, struct lws *wsi)
{
    wire_http *http = conn->user;
    conn->stage = CONN_REPLYING;
    http->status = lws_http_client_http_response(wsi);
    http->has_length = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
    http->recv_mono_ns = loop_now_ns(conn->loop);
}

static void on_gone(wire_conn *conn)
{
    wire_http *http = conn->user;
    /* A whole reply needs a cause to end by as well; on_ended does not show it. */
    conn_fail(conn, WIRE_CAUSE_CLOSED_BY_PEER, "%s closed the connection %s", conn->url.authority,
              http->status == 0 ? "before it replied" : "in the middle of its reply");
    conn_end(conn);
}

int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t size)
{
    (void)user;
    wire_conn *conn = wsi == NULL ? NULL : lws_get_opaque_user_data(wsi);
    if (conn == NULL || (conn->is_starting && conn_is_end(reason)))
        return 0;
    TD_ASSERT(conn->kind == CONN_HTTP);
    switch ((int)reason) { /* a hundred others are not ours */
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        on_status(conn, wsi);
        return 0;
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
        return read_some(wsi);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        return take_piece(conn, td_bytes_of(in, size));
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        return on_completed(conn);
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
        on_gone(conn);
        return 0;
    default:
        return conn_on_handshake(conn, wsi, reason, in, size);
    }
}
