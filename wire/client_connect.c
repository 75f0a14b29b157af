/* From a URL to libwebsockets: look-up, addresses one after the other, and the vhost that knows how
 * to connect. libwebsockets keeps trust and proxy per vhost, so there is one for each pair of them.
 */
#include "wire/client_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { ROUTES_MAX = 256, PROXY_TEXT_BYTES = WIRE_PROXY_USER_BYTES + RESOLVE_ADDRESS_BYTES + 16 };

struct wire_route {
    wire_route *next;
    char *ca_file;                /* NULL: the system's */
    char proxy[PROXY_TEXT_BYTES]; /* as lws_set_proxy takes it, "" if none */
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

static int route_fits(const wire_route *route, const char *ca_file, const char *proxy)
{
    if (strcmp(route->proxy, proxy) != 0 || (ca_file == NULL) != (route->ca_file == NULL))
        return 0;
    return ca_file == NULL || strcmp(ca_file, route->ca_file) == 0;
}

static td_result route_fill(wire_route *route, wire_loop *loop, const char *ca_file,
                            const char *proxy, td_err *err)
{
    TD_ASSERT(strlen(proxy) < sizeof route->proxy);
    memcpy(route->proxy, proxy, strlen(proxy) + 1);
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
    info.http_proxy_address = route->proxy;
    route->vhost = lws_create_vhost(loop->context, &info);
    return route->vhost == NULL ? td_err_set(err, TD_E_NOMEM, "cannot make a vhost") : TD_OK;
}

static td_result route_find(wire_loop *loop, const char *ca_file, const char *proxy,
                            wire_route **out, td_err *err)
{
    size_t count = 0;
    for (wire_route *route = loop->routes; route != NULL; route = route->next, count++) {
        if (route_fits(route, ca_file, proxy)) {
            *out = route;
            return TD_OK;
        }
    }
    if (count >= ROUTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d pairs of CA file and proxy", ROUTES_MAX);
    wire_route *route = td_alloc_zero(1, sizeof *route);
    if (route == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a connection");
    td_result rc = route_fill(route, loop, ca_file, proxy, err);
    if (rc != TD_OK) {
        route_free(route);
        return rc;
    }
    route->next = loop->routes;
    loop->routes = route;
    *out = route;
    return TD_OK;
}

/* "[user:password@]ADDRESS:PORT" of the proxy at its numeric address; "" without a proxy. */
static void proxy_text(const wire_conn *conn, const char *address, char out[PROXY_TEXT_BYTES])
{
    out[0] = '\0';
    if (!conn->proxy.is_used)
        return;
    int is_ipv6 = strchr(address, ':') != NULL;
    int has_user = conn->proxy.user_password[0] != '\0';
    int length = snprintf(out, PROXY_TEXT_BYTES, "%s%s%s%s%s:%u", conn->proxy.user_password,
                          has_user ? "@" : "", is_ipv6 ? "[" : "", address, is_ipv6 ? "]" : "",
                          conn->proxy.port);
    TD_ASSERT(length > 0);
    TD_ASSERT(length < PROXY_TEXT_BYTES);
}

static td_result connect_to(wire_conn *conn, const char *address, td_err *err)
{
    char proxy[PROXY_TEXT_BYTES];
    proxy_text(conn, address, proxy);
    wire_route *route = NULL;
    td_result rc = route_find(conn->loop, conn->ca_file, proxy, &route, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(route != NULL);
    if (conn->url.is_tls && conn->ca_file != NULL)
        rc = tls_client_trust(route->tls, conn->ca_file, err); /* the file may have changed */
    if (rc != TD_OK)
        return rc;
    char through[WIRE_HOST_BYTES + 2]; /* what the proxy is asked for */
    (void)snprintf(through, sizeof through, conn->url.is_ipv6 ? "[%s]" : "%s", conn->url.host);
    struct lws_client_connect_info info = {
        .context = conn->loop->context,
        .vhost = route->vhost,
        .address = conn->proxy.is_used ? through : address,
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

static void conn_next(void *user)
{
    wire_conn *conn = user;
    conn->step = NULL;
    TD_ASSERT(conn->wsi == NULL);
    TD_ASSERT(conn->end.cause == WIRE_CAUSE_NONE);
    const char *address = conn->addresses.addresses[conn->address_next++];
    td_err err;
    td_result rc = connect_to(conn, address, &err);
    if (rc != TD_OK) {
        /* A CA file that cannot be read: there is nothing to trust, and no other try will mend it.
         */
        conn_fail(conn, rc == TD_E_NOMEM ? WIRE_CAUSE_NOMEM : WIRE_CAUSE_TLS_UNTRUSTED, "%s",
                  err.text);
        conn_end(conn);
    } else if (conn->wsi == NULL) {
        conn_attempt_failed(conn, 0, td_bytes_str(""));
    }
}

void conn_next_later(wire_conn *conn)
{
    TD_ASSERT(conn->step == NULL);
    TD_ASSERT(conn_has_next_address(conn));
    if (wire_timer_at(conn->loop, loop_now_ns(conn->loop), conn_next, conn, &conn->step, NULL) ==
        TD_OK)
        return;
    conn_fail(conn, WIRE_CAUSE_NOMEM, "no memory for a timer");
    conn_end(conn);
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
    if (wire_address_version(name) == 0)
        return resolver_start(conn->loop->resolver, name, on_resolved, conn, &conn->job, err);
    if (strlen(name) >= RESOLVE_ADDRESS_BYTES)
        return td_err_set(err, TD_E_INVALID, "address '%s' is too long", name);
    memcpy(conn->addresses.addresses[0], name, strlen(name) + 1);
    conn->addresses.count = 1;
    return wire_timer_at(conn->loop, loop_now_ns(conn->loop), conn_next, conn, &conn->step, err);
}
