#include "wire/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/url.h"
#include "wire/assembly.h"
#include "wire/loop_impl.h"
#include "wire/proxy.h"
#include "wire/tls.h"
#include "wire/tunnel.h"

enum { CONNECT_TIMEOUT_S = 10, CONNECT_TIMEOUT_S_MAX = 60 };
_Static_assert((int)CONNECT_TIMEOUT_S_MAX < (int)WIRE_LWS_TIMEOUT_S, "ours must come first");

enum { ROUTES_MAX = 256, UNIX_NAME_BYTES = sizeof(struct sockaddr_un) };

enum { CLOSE_REASON_BYTES_MAX = 123 }; /* RFC 6455, 5.5 */

/* How far a connection has come; determines the text of a failure. */
typedef enum conn_stage {
    CONN_RESOLVING,
    CONN_CONNECTING, /* TCP, to the proxy and through it if there is one */
    CONN_SECURING,   /* TLS */
    CONN_UPGRADING,  /* the request is out: upgrade, or the HTTP reply's status */
    CONN_REPLYING,   /* CONN_HTTP: the status is there, the body comes */
    CONN_OPEN,
} conn_stage;

/* What a connection is for. */
typedef enum conn_kind {
    CONN_WEBSOCKET,
    CONN_HTTP, /* its user is a wire_http; it never gets to CONN_OPEN */
} conn_kind;

/* One wire_send, queued: header and text lie one after the other in wire_conn.queue. */
typedef struct queued_send {
    size_t size;
} queued_send;

struct wire_conn {
    wire_loop *loop;
    wire_conn *next, *prev; /* in the loop's list */
    const wire_client_ops *ops;
    void *user;

    conn_kind kind;
    td_server_url url;
    wire_proxy proxy;
    tunnel *tunnel; /* through the proxy, while it is being made */
    int tunnel_fd;  /* then: the connected socket that libwebsockets gets; -1: none */
    char *ca_file;
    conn_stage stage;
    struct lws *wsi;      /* NULL before and between attempts */
    wire_timer *deadline; /* of connecting, then of closing */
    wire_timer *step;     /* the next attempt, or an end to report */
    resolve_job *job;
    resolve_answer addresses;
    size_t address_next;

    wire_assembly assembly;
    td_buf queue;    /* queued_send and text, one after the other */
    size_t queue_at; /* what is before was handed over */
    td_buf scratch;  /* one message with libwebsockets' space in front; masked in place */

    uint8_t is_starting; /* inside libwebsockets' connect */
    uint8_t is_paused;
    uint8_t is_closing; /* wire_close was called */
    uint8_t is_close_sent;
    uint8_t is_writable_due; /* a writable callback follows that no ping has caused */
    uint8_t is_refused;      /* a message was too large while it was closing */
    uint16_t close_code;     /* ours */

    tls_finding finding;
    wire_end end; /* cause NONE until a reason is known; text and reason below */
    char end_text[768];
    char end_reason[CLOSE_REASON_BYTES_MAX];
};

static int client_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                           size_t size);
static int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                         size_t size);
static int verify(struct lws *wsi, struct x509_store_ctx_st *store, int is_good);
static void end_all(wire_loop *loop);
static void routes_free(wire_loop *loop);
static void conn_attempt_failed(wire_conn *conn, unsigned status, td_bytes text);

static const loop_end CLIENT_END = {.close = end_all, .free = routes_free, .verify = verify};

static const struct lws_protocols CLIENT_PROTOCOLS[] = {
    [CONN_WEBSOCKET] = {.name = "wire-client",
                        .callback = client_callback,
                        .rx_buffer_size = WIRE_READ_BYTES},
    [CONN_HTTP] = {.name = "wire-http",
                   .callback = http_callback,
                   .rx_buffer_size = WIRE_READ_BYTES},
    {0},
};

/* ---- ends ---- */

/* Remember why the connection ends, unless something earlier did. */
TD_PRINTF(3, 4)
static void conn_fail(wire_conn *conn, wire_cause cause, const char *format, ...)
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

/* Take the connection off the loop, notify its user, free it. */
static void conn_end(wire_conn *conn)
{
    TD_ASSERT(conn->end.cause != WIRE_CAUSE_NONE);
    if (conn->wsi != NULL)
        lws_set_opaque_user_data(conn->wsi, NULL); /* later callbacks are ignored */
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

/* End it on the loop's next turn, for places that must not call back. */
static void conn_end_later(wire_conn *conn)
{
    TD_ASSERT(conn->end.cause != WIRE_CAUSE_NONE);
    if (conn->step != NULL)
        wire_timer_cancel(conn->step);
    conn->step = NULL;
    conn->step = wire_timer_at(conn->loop, loop_now_ns(conn->loop), end_now, conn);
}

/* Cut the TCP connection on the loop's next turn, without a close frame. */
static void conn_cut(wire_conn *conn)
{
    TD_ASSERT(conn->end.cause != WIRE_CAUSE_NONE);
    if (conn->wsi == NULL)
        conn_end_later(conn);
    else
        lws_set_timeout(conn->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

static void end_all(wire_loop *loop)
{
    while (loop->conns != NULL) {
        wire_conn *conn = loop->conns;
        conn_fail(conn, WIRE_CAUSE_CLOSED_BY_US, "closed with its loop");
        conn_end(conn);
    }
}

/* ---- how to connect ---- */

/* libwebsockets keeps trust per vhost, so there is one for each CA file. */
typedef struct wire_route wire_route;
struct wire_route {
    wire_route *next;
    char *ca_file; /* NULL: the system's */
    struct ssl_ctx_st *tls;
    struct lws_vhost *vhost;
};

static const lws_retry_bo_t CLIENT_NO_KEEPALIVE = {.secs_since_valid_ping = 0};

static void route_free(wire_route *route)
{
    tls_client_context_close(route->tls); /* its connections are gone with the context */
    td_free(route->ca_file);
    td_free(route);
}

static void routes_free(wire_loop *loop)
{
    TD_ASSERT(loop->conns == NULL);
    while (loop->routes != NULL) {
        wire_route *route = loop->routes;
        loop->routes = route->next;
        route_free(route);
    }
}

static int route_fits(const wire_route *route, const char *ca_file)
{
    if (ca_file == NULL || route->ca_file == NULL)
        return ca_file == route->ca_file;
    return strcmp(ca_file, route->ca_file) == 0;
}

static td_result route_fill(wire_route *route, wire_loop *loop, const char *ca_file, td_err *err)
{
    route->ca_file = td_strdup(ca_file);
    td_result rc = tls_client_context_open(&route->tls, err);
    if (rc == TD_OK && ca_file == NULL)
        rc = tls_client_trust(route->tls, NULL, err);
    if (rc != TD_OK)
        return rc;
    struct lws_context_creation_info info = loop_vhost_info("wire-client", CLIENT_PROTOCOLS);
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.provided_client_ssl_ctx = route->tls;
    route->vhost = lws_create_vhost(loop->context, &info);
    return route->vhost == NULL ? td_err_set(err, TD_E_IO, "cannot make a vhost") : TD_OK;
}

static td_result route_find(wire_loop *loop, const char *ca_file, wire_route **out, td_err *err)
{
    size_t count = 0;
    for (wire_route *route = loop->routes; route != NULL; route = route->next, count++) {
        if (route_fits(route, ca_file)) {
            *out = route;
            return TD_OK;
        }
    }
    if (count >= ROUTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d CA files", ROUTES_MAX);
    wire_route *route = td_alloc_zero(1, sizeof *route);
    td_result rc = route_fill(route, loop, ca_file, err);
    if (rc != TD_OK) {
        route_free(route);
        return rc;
    }
    route->next = loop->routes;
    loop->routes = route;
    *out = route;
    return TD_OK;
}

/* ---- from a URL to libwebsockets ---- */

/* A socket of our own that libwebsockets can connect to at once, as it wants to: conn_use_tunnel
 * then puts the proxy's connection in the place of that one. out: its name for libwebsockets. */
static td_result listen_here(int *fd, char out[UNIX_NAME_BYTES], td_err *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t size = sizeof name;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return td_err_set_os(err, errno, "cannot open a socket");
    /* Without a name the kernel gives one of 5 digits in the abstract namespace (unix(7)). */
    if (bind(*fd, (const struct sockaddr *)&name, sizeof name.sun_family) != 0 ||
        listen(*fd, 1) != 0 || getsockname(*fd, (struct sockaddr *)&name, &size) != 0) {
        td_result rc = td_err_set_os(err, errno, "cannot hand the proxy's connection on");
        close(*fd);
        return rc;
    }
    size_t length = size - offsetof(struct sockaddr_un, sun_path) - 1;
    (void)snprintf(out, UNIX_NAME_BYTES, "+@%.*s", (int)length, name.sun_path + 1);
    return TD_OK;
}

/* libwebsockets has a socket: give it the one that goes through the proxy instead, if there is one.
 * 0, or -1 to end the attempt. */
static int conn_use_tunnel(wire_conn *conn, struct lws *wsi)
{
    if (conn->tunnel_fd < 0)
        return 0;
    int rc = dup3(conn->tunnel_fd, lws_get_socket_fd(wsi), O_CLOEXEC);
    close(conn->tunnel_fd);
    conn->tunnel_fd = -1;
    return rc < 0 ? -1 : 0;
}

static td_result connect_to(wire_conn *conn, const char *address, td_err *err)
{
    wire_route *route = NULL;
    td_result rc = route_find(conn->loop, conn->ca_file, &route, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(route != NULL);
    if (conn->url.is_tls && conn->ca_file != NULL)
        rc = tls_client_trust(route->tls, conn->ca_file, err); /* the file may have changed */
    if (rc != TD_OK)
        return rc;
    struct lws_client_connect_info info = {
        .context = conn->loop->context,
        .vhost = route->vhost,
        .address = address,
        .port = conn->url.port,
        .path = conn->url.target,
        .host = conn->url.authority,
        .alpn = "http/1.1",
        .local_protocol_name = CLIENT_PROTOCOLS[conn->kind].name,
        .method = conn->kind == CONN_HTTP ? "GET" : NULL, /* NULL upgrades to WebSocket */
        .retry_and_idle_policy = &CLIENT_NO_KEEPALIVE,
        .opaque_user_data = conn,
        .pwsi = &conn->wsi,
        /* The host is checked in our own callback: lws cuts it at the first colon. */
        .ssl_connection =
            LCCSCF_HTTP_NO_FOLLOW_REDIRECT |
            (conn->url.is_tls ? LCCSCF_USE_SSL | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK : 0),
    };
    conn->stage = CONN_CONNECTING;
    conn->is_starting = 1;
    if (lws_client_connect_via_info(&info) == NULL)
        conn->wsi = NULL; /* it failed at once */
    conn->is_starting = 0;
    return TD_OK;
}

static int conn_has_next_address(const wire_conn *conn)
{
    return conn->address_next < conn->addresses.count;
}

static void conn_step_later(wire_conn *conn);

/* The proxy's connection is made, or failed. */
static td_result connect_through(wire_conn *conn, td_err *err)
{
    int listener = -1;
    char name[UNIX_NAME_BYTES];
    td_result rc = listen_here(&listener, name, err);
    if (rc != TD_OK) {
        conn_fail(conn, WIRE_CAUSE_CONNECT, "%s", err->text);
        return rc;
    }
    rc = connect_to(conn, name, err);
    close(listener);
    return rc;
}

static void on_tunnel(void *user, const tunnel_result *result)
{
    wire_conn *conn = user;
    conn->tunnel = NULL;
    if (conn->end.cause != WIRE_CAUSE_NONE) { /* timed out or closed meanwhile */
        if (result->fd >= 0)
            close(result->fd);
        return;
    }
    conn->tunnel_fd = result->fd;
    if (result->fd < 0 && !(result->is_unreachable && conn_has_next_address(conn))) {
        conn_fail(conn, WIRE_CAUSE_CONNECT, "%s", result->text);
        conn_end_later(conn);
        return;
    }
    conn_step_later(conn);
}

/* The next address; through a proxy it is one of the proxy's, and what comes after it. */
static td_result try_address(wire_conn *conn, td_err *err)
{
    if (conn->tunnel_fd >= 0)
        return connect_through(conn, err);
    const char *address = conn->addresses.addresses[conn->address_next++];
    if (!conn->proxy.is_used)
        return connect_to(conn, address, err);
    conn->stage = CONN_CONNECTING;
    td_result rc = tunnel_open(conn->loop, &conn->proxy, address, &conn->url, on_tunnel, conn,
                               &conn->tunnel, err);
    if (rc != TD_OK)
        conn_fail(conn, WIRE_CAUSE_CONNECT, "%s", err->text);
    return rc;
}

static void conn_next(void *user)
{
    wire_conn *conn = user;
    conn->step = NULL;
    TD_ASSERT(conn->wsi == NULL);
    TD_ASSERT(conn->end.cause == WIRE_CAUSE_NONE);
    td_err err;
    td_result rc = try_address(conn, &err);
    if (rc != TD_OK) {
        /* A CA file that cannot be read: there is nothing to trust, and no other try will mend it.
         */
        conn_fail(conn, rc == TD_E_IO ? WIRE_CAUSE_CONNECT : WIRE_CAUSE_TLS_UNTRUSTED, "%s",
                  err.text);
        conn_end(conn);
    } else if (conn->wsi == NULL && conn->tunnel == NULL) {
        conn_attempt_failed(conn, 0, td_bytes_str(""));
    }
}

static void conn_step_later(wire_conn *conn)
{
    TD_ASSERT(conn->step == NULL);
    conn->step = wire_timer_at(conn->loop, loop_now_ns(conn->loop), conn_next, conn);
}

static void conn_next_later(wire_conn *conn)
{
    TD_ASSERT(conn_has_next_address(conn));
    conn_step_later(conn);
}

static void on_resolved(void *user, const resolve_answer *answer)
{
    wire_conn *conn = user;
    conn->job = NULL;
    if (conn->end.cause != WIRE_CAUSE_NONE)
        return; /* timed out or closed meanwhile: its end is under way */
    if (answer->count == 0) {
        conn_fail(conn, WIRE_CAUSE_RESOLVE, "the name '%s' has no address: %s",
                  conn->proxy.is_used ? conn->proxy.host : conn->url.host, answer->text);
        conn_end(conn);
        return;
    }
    conn->addresses = *answer;
    conn_next_later(conn);
}

/* Begin: look the name up, or go to the first address at once. */
static td_result conn_begin(wire_conn *conn, td_err *err)
{
    const char *name = conn->proxy.is_used ? conn->proxy.host : conn->url.host;
    conn->stage = CONN_RESOLVING;
    if (td_address_version(name) == 0)
        return resolver_start(conn->loop->resolver, name, on_resolved, conn, &conn->job, err);
    if (strlen(name) >= RESOLVE_ADDRESS_BYTES)
        return td_err_set(err, TD_E_INVALID, "address '%s' is too long", name);
    memcpy(conn->addresses.addresses[0], name, strlen(name) + 1);
    conn->addresses.count = 1;
    conn_step_later(conn);
    return TD_OK;
}

/* ---- why it ended ---- */

/* The TLS handshake failed: libwebsockets' text has the error number where the connection did, else
 * it is about what came in. */
static void explain_not_secured(wire_conn *conn, td_bytes text)
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
static void explain_not_open(wire_conn *conn, unsigned status, td_bytes text)
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
        conn_fail(conn, WIRE_CAUSE_CONNECT, "no answer at %s: refused or unreachable", where);
    else if (conn->stage == CONN_SECURING)
        explain_not_secured(conn, text);
    else
        conn_fail(conn, WIRE_CAUSE_CLOSED_BY_PEER, "%s closed the connection before it %s", where,
                  conn->kind == CONN_HTTP ? "replied" : "answered the upgrade");
}

/* An attempt came to nothing, with HTTP status (0: none) and libwebsockets' own reason: tries the
 * next address, or ends the connection. */
static void conn_attempt_failed(wire_conn *conn, unsigned status, td_bytes text)
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
    explain_not_open(conn, status, text);
    conn_end(conn);
}

/* ---- opening ---- */

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

static td_result conn_fill(wire_conn *conn, const wire_client_options *options, td_err *err)
{
    td_result rc = conn->kind == CONN_HTTP ? td_url_parse_http(options->url, &conn->url, err)
                                           : td_url_parse(options->url, &conn->url, err);
    if (rc == TD_OK)
        rc = wire_proxy_of_environment(&conn->url, &conn->proxy, err);
    if (rc != TD_OK)
        return rc;
    conn->ca_file = td_strdup(options->ca_file);
    uint64_t timeout_ns = options->connect_timeout_ns;
    if (timeout_ns == 0)
        timeout_ns = CONNECT_TIMEOUT_S * TD_NS_PER_S;
    if (timeout_ns > CONNECT_TIMEOUT_S_MAX * TD_NS_PER_S)
        return td_err_set(err, TD_E_INVALID, "connect timeout over %d s", CONNECT_TIMEOUT_S_MAX);
    conn->deadline =
        wire_timer_at(conn->loop, loop_now_ns(conn->loop) + timeout_ns, on_connect_timeout, conn);
    return conn_begin(conn, err);
}

/* wire_connect, for either kind. */
static td_result conn_open(wire_loop *loop, const wire_client_options *options, conn_kind kind,
                           wire_conn **out, td_err *err)
{
    TD_ASSERT(loop->magic == WIRE_LOOP_MAGIC);
    *out = NULL;
    if (loop->is_closing)
        return td_err_set(err, TD_E_NETWORK, "the network loop is closing");
    wire_conn *conn = td_alloc_zero(1, sizeof *conn);
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
    loop->client_end = &CLIENT_END;
    *out = conn;
    return TD_OK;
}

td_result wire_connect(wire_loop *loop, const wire_client_options *options, wire_conn **out,
                       td_err *err)
{
    return conn_open(loop, options, CONN_WEBSOCKET, out, err);
}

/* ---- sending ---- */

/* Moves the rest of the queue to its front, so that the queue does not grow without bound. */
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

/* The writable callback is requested only here: one without a request means that a ping was
 * answered (on_unasked_writable). */
static void conn_ask_writable(wire_conn *conn)
{
    conn->is_writable_due = 1;
    lws_callback_on_writable(conn->wsi);
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
    TD_ASSERT(rc == TD_OK); /* space was reserved */
    if (conn->stage == CONN_OPEN)
        conn_ask_writable(conn);
    return TD_OK;
}

/* Sends the first queued message. 0, or -1 if the connection is gone. */
static int send_first(wire_conn *conn)
{
    queued_send header;
    const uint8_t *at = conn->queue.data + conn->queue_at;
    memcpy(&header, at, sizeof header);
    td_bytes text = td_bytes_of(at + sizeof header, header.size);
    static const uint8_t PADDING[LWS_PRE];
    td_buf_clear(&conn->scratch);
    td_result rc = td_buf_append(&conn->scratch, PADDING, sizeof PADDING, NULL);
    if (rc == TD_OK)
        rc = td_buf_append(&conn->scratch, text.data, text.size, NULL);
    TD_ASSERT(rc == TD_OK); /* wire_send has checked the size */
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
    uint8_t space[LWS_PRE + 8];
    uint8_t *frame = space + LWS_PRE;
    frame[0] = 0x80 | 8;
    frame[1] = 0x80 | 2;
    conn->is_close_sent = 1;
    if (td_random_system(frame + 2, 4, NULL) != TD_OK)
        return -1; /* cut, without a close frame */
    frame[6] = (uint8_t)(conn->close_code >> 8) ^ frame[2];
    frame[7] = (uint8_t)conn->close_code ^ frame[3];
    return lws_write(conn->wsi, frame, 8, LWS_WRITE_RAW) < 0 ? -1 : 0;
}

/* Writable: send what is queued, then close if wire_close was called. The result is libwebsockets':
 * -1 closes the connection. */
static int conn_on_writable(wire_conn *conn)
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

/* Start to close an open connection, because of a cause that is set. */
static void conn_start_close(wire_conn *conn, unsigned code)
{
    TD_ASSERT(conn->stage == CONN_OPEN);
    TD_ASSERT(conn->end.cause != WIRE_CAUSE_NONE);
    TD_ASSERT(conn->deadline == NULL);
    conn->is_closing = 1;
    conn->close_code = (uint16_t)code;
    uint64_t at_ns = loop_now_ns(conn->loop) + WIRE_CLOSE_GRACE_S * TD_NS_PER_S;
    conn->deadline = wire_timer_at(conn->loop, at_ns, on_close_grace_over, conn);
    if (conn->is_paused)
        set_reading(conn, 0); /* the peer's own close frame must be read */
    conn_ask_writable(conn);
}

void wire_close(wire_conn *conn, unsigned code)
{
    TD_ASSERT(code >= 1000);
    TD_ASSERT(code < 5000);
    if (conn->end.cause != WIRE_CAUSE_NONE)
        return; /* it already ends */
    conn_fail(conn, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
    if (conn->stage < CONN_OPEN)
        conn_cut(conn);
    else
        conn_start_close(conn, code);
}

/* ---- why an open connection ended ---- */

/* 1 if an open connection was reset. libwebsockets does not report it; the kernel does. A peer that
 * closed in order and then answers our TLS close_notify with a reset leaves EPIPE (Linux,
 * tcp_reset), one that reset an established connection ECONNRESET, which the read has consumed. */
static int was_reset(int fd, const struct tcp_info *info)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (info->tcpi_state != TCP_CLOSE)
        return 0;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != EPIPE;
}

static void explain_closed(wire_conn *conn, struct lws *wsi)
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

/* The first cause counts: a peer also answers our close with a close frame. */
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
    /* Requests made while it was connecting take effect now. */
    if (conn->queue.size > conn->queue_at)
        conn_ask_writable(conn);
    if (conn->is_paused)
        lws_rx_flow_control(wsi, 0);
    if (conn->ops->opened != NULL)
        conn->ops->opened(conn->user, conn, &peer);
}

/* Never by returning -1 to libwebsockets 4.1.6 from here: it then forgets to reset its buffer's
 * fill, continues to fill it until the close frame is sent, and writes after the buffer's end.
 */
static void refuse_message(wire_conn *conn)
{
    if (conn->is_closing) { /* our close frame is on its way, or sent */
        conn_fail(conn, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
        conn->is_refused = 1;
        conn_cut(conn);
        return;
    }
    conn_fail(conn, WIRE_CAUSE_TOO_LARGE, "%s sent a message of more than %zu bytes",
              conn->url.authority, (size_t)LIMIT_FRAME_BYTES);
    conn_start_close(conn, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE);
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
        assembly_add(&conn->assembly, wsi, piece, loop_now_ns(conn->loop), &whole);
    if (state == ASSEMBLY_MORE)
        return;
    TD_ASSERT(whole.size <= LIMIT_FRAME_BYTES || state != ASSEMBLY_WHOLE);
    if (state != ASSEMBLY_WHOLE) {
        refuse_message(conn);
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

static int verify(struct lws *wsi, struct x509_store_ctx_st *store, int is_good)
{
    wire_conn *conn = lws_get_opaque_user_data(wsi);
    if (conn == NULL)
        return 1; /* the connection was cancelled */
    tls_verdict verdict = tls_verify(store, is_good, &conn->url, conn->ca_file, &conn->finding);
    TD_ASSERT(is_good || verdict != TLS_TRUSTED);
    return verdict != TLS_TRUSTED;
}

static int on_user_agent(struct lws *wsi, unsigned char **at, size_t space)
{
    static const char TEXT[] = "tapedeck";
    return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_USER_AGENT, (const unsigned char *)TEXT,
                                        (int)sizeof TEXT - 1, at, *at + space);
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

/* 1 if this callback reports the end of the connection. While an attempt is being started its
 * failure is the starter's result, not a callback's. */
static int conn_is_end(enum lws_callback_reasons reason)
{
    return reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR || reason == LWS_CALLBACK_CLIENT_CLOSED ||
           reason == LWS_CALLBACK_WSI_DESTROY;
}

/* Callbacks before either kind is open. The result is libwebsockets'. */
static int conn_on_handshake(wire_conn *conn, struct lws *wsi, enum lws_callback_reasons reason,
                             void *in, size_t size)
{
    switch ((int)reason) { /* the others are of what comes after */
    case LWS_CALLBACK_WSI_CREATE:
        conn->stage = conn->url.is_tls ? CONN_SECURING : CONN_UPGRADING;
        return conn_use_tunnel(conn, wsi);
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
    switch ((int)reason) { /* the others need no handling */
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
        explain_closed(conn, wsi);
        conn_end(conn);
        return 0;
    default:
        return conn_on_handshake(conn, wsi, reason, in, size);
    }
}

/* ---- requests that never become a WebSocket ---- */

/* A request is a wire_conn that never upgrades: its own protocol for libwebsockets' callbacks, and
 * an end that delivers the body. */
struct wire_http {
    void (*done)(void *user, const wire_http_end *end); /* NULL: cancelled */
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

/* The connection ended, as it does after a whole reply. */
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
    http->done = options->done;
    http->user = options->user;
    http->bytes_max = options->reply_bytes_max == 0 ? LIMIT_FRAME_BYTES : options->reply_bytes_max;
    td_buf_init(&http->body, http->bytes_max);
    wire_client_options opening = {.url = options->url,
                                   .ca_file = options->ca_file,
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
static int add_piece(wire_conn *conn, td_bytes piece)
{
    wire_http *http = conn->user;
    if (conn->end.cause != WIRE_CAUSE_NONE)
        return -1;
    if (piece.size > http->bytes_max - http->body.size) {
        conn_fail(conn, WIRE_CAUSE_TOO_LARGE, "%s replied with more than %zu bytes",
                  conn->url.authority, http->bytes_max);
        return -1;
    }
    td_result rc = td_buf_append(&http->body, piece.data, piece.size, NULL);
    TD_ASSERT(rc == TD_OK);
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

/* 1 if a body that begins as JSON also ends as JSON. Other bodies are not judged. */
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
                return 1; /* what follows is white space, or ignored */
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

/* libwebsockets (4.1.6) waits for a body even if its length is 0. 0, or -1 to end the connection.
 */
static int on_status(wire_conn *conn, struct lws *wsi)
{
    wire_http *http = conn->user;
    char length[24];
    int size = lws_hdr_copy(wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    conn->stage = CONN_REPLYING;
    http->status = lws_http_client_http_response(wsi);
    http->has_length = size > 0;
    http->is_whole = size == 1 && length[0] == '0';
    http->recv_mono_ns = loop_now_ns(conn->loop);
    return http->is_whole ? -1 : 0;
}

static void on_gone(wire_conn *conn)
{
    wire_http *http = conn->user;
    /* A whole reply needs a cause to end by as well; on_ended does not show it. */
    conn_fail(conn, WIRE_CAUSE_CLOSED_BY_PEER, "%s closed the connection %s", conn->url.authority,
              http->status == 0 ? "before it replied" : "in the middle of its reply");
    conn_end(conn);
}

static int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                         size_t size)
{
    (void)user;
    wire_conn *conn = wsi == NULL ? NULL : lws_get_opaque_user_data(wsi);
    if (conn == NULL || (conn->is_starting && conn_is_end(reason)))
        return 0;
    TD_ASSERT(conn->kind == CONN_HTTP);
    switch ((int)reason) { /* the others need no handling */
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        return on_status(conn, wsi);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
        return read_some(wsi);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        return add_piece(conn, td_bytes_of(in, size));
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

/* ---- names ---- */

static const char *const CAUSE_NAMES[] = {
    [WIRE_CAUSE_NONE] = "none",
    [WIRE_CAUSE_RESOLVE] = "resolve",
    [WIRE_CAUSE_CONNECT] = "connect",
    [WIRE_CAUSE_TIMEOUT] = "timeout",
    [WIRE_CAUSE_TLS_UNTRUSTED] = "tls_untrusted",
    [WIRE_CAUSE_TLS_WRONG_HOST] = "tls_wrong_host",
    [WIRE_CAUSE_TLS_OTHER] = "tls_other",
    [WIRE_CAUSE_REFUSED] = "refused",
    [WIRE_CAUSE_PROTOCOL] = "protocol",
    [WIRE_CAUSE_TOO_LARGE] = "too_large",
    [WIRE_CAUSE_CLOSED_BY_PEER] = "closed_by_peer",
    [WIRE_CAUSE_CLOSED_BY_US] = "closed_by_us",
    [WIRE_CAUSE_RESET] = "reset",
};
_Static_assert(sizeof CAUSE_NAMES / sizeof *CAUSE_NAMES == WIRE_CAUSE_COUNT, "a name for each");

const char *wire_cause_name(wire_cause cause)
{
    TD_ASSERT(cause < WIRE_CAUSE_COUNT);
    return CAUSE_NAMES[cause];
}
