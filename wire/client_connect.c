/* From a URL to libwebsockets: look-up, addresses one after the other, and the vhost that knows how
 * to connect. libwebsockets keeps trust per vhost, so there is one for each CA file. */
#include "wire/client_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/un.h>

#include "base/alloc.h"

enum { ROUTES_MAX = 256, UNIX_NAME_BYTES = sizeof(struct sockaddr_un) };

struct wire_route {
    wire_route *next;
    char *ca_file; /* NULL: the system's */
    struct ssl_ctx_st *tls;
    struct lws_vhost *vhost;
};

const lws_retry_bo_t CLIENT_NO_KEEPALIVE = {.secs_since_valid_ping = 0};

static void route_free(wire_route *route)
{
    tls_client_context_close(route->tls); /* its connections are gone with the context */
    td_free(route->ca_file);
    td_free(route);
}

void client_routes_free(wire_loop *loop)
{
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
    if (ca_file != NULL && route->ca_file == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a connection");
    td_result rc = tls_client_context_open(&route->tls, err);
    if (rc == TD_OK && ca_file == NULL)
        rc = tls_client_trust(route->tls, NULL, err);
    if (rc != TD_OK)
        return rc;
    struct lws_context_creation_info info = loop_vhost_info("wire-client", CLIENT_PROTOCOLS);
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.provided_client_ssl_ctx = route->tls;
    route->vhost = lws_create_vhost(loop->context, &info);
    return route->vhost == NULL ? td_err_set(err, TD_E_NOMEM, "cannot make a vhost") : TD_OK;
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
    if (route == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a connection");
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

/* A socket of our own that libwebsockets can connect to at once, as it wants to: conn_take_tunnel
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

int conn_take_tunnel(wire_conn *conn, struct lws *wsi)
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

int conn_has_next_address(const wire_conn *conn)
{
    return conn->address_next < conn->addresses.count;
}

static void conn_step_later(wire_conn *conn);

/* With the proxy's connection in hand. */
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
static td_result take_step(wire_conn *conn, td_err *err)
{
    if (conn->tunnel_fd >= 0)
        return connect_through(conn, err);
    const char *address = conn->addresses.addresses[conn->address_next++];
    if (!conn->proxy.is_used)
        return connect_to(conn, address, err);
    conn->stage = CONN_CONNECTING;
    td_result rc = tunnel_open(conn->loop, &conn->proxy, address, &conn->url, on_tunnel, conn,
                               &conn->tunnel, err);
    if (rc != TD_OK && rc != TD_E_NOMEM)
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
    td_result rc = take_step(conn, &err);
    if (rc != TD_OK) {
        /* A CA file that cannot be read: there is nothing to trust, and no other try will mend it.
         */
        conn_fail(conn, rc == TD_E_NOMEM ? WIRE_CAUSE_NOMEM : WIRE_CAUSE_TLS_UNTRUSTED, "%s",
                  err.text);
        conn_end(conn);
    } else if (conn->wsi == NULL && conn->tunnel == NULL) {
        conn_attempt_failed(conn, 0, td_bytes_str(""));
    }
}

static void conn_step_later(wire_conn *conn)
{
    TD_ASSERT(conn->step == NULL);
    if (wire_timer_at(conn->loop, loop_now_ns(conn->loop), conn_next, conn, &conn->step, NULL) ==
        TD_OK)
        return;
    conn_fail(conn, WIRE_CAUSE_NOMEM, "no memory for a timer");
    conn_end(conn);
}

void conn_next_later(wire_conn *conn)
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

td_result conn_begin(wire_conn *conn, td_err *err)
{
    const char *name = conn->proxy.is_used ? conn->proxy.host : conn->url.host;
    conn->stage = CONN_RESOLVING;
    if (td_address_version(name) == 0)
        return resolver_start(conn->loop->resolver, name, on_resolved, conn, &conn->job, err);
    if (strlen(name) >= RESOLVE_ADDRESS_BYTES)
        return td_err_set(err, TD_E_INVALID, "address '%s' is too long", name);
    memcpy(conn->addresses.addresses[0], name, strlen(name) + 1);
    conn->addresses.count = 1;
    return wire_timer_at(conn->loop, loop_now_ns(conn->loop), conn_next, conn, &conn->step, err);
}
