/* Listening and accepting. The listening socket is our own, because libwebsockets does not say why
 * it could not listen; what it accepts is handed to a vhost that does not listen itself. */
#include "wire/server_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "schema/family.h"

enum { LISTEN_BACKLOG = 256, ACCEPTS_PER_TURN = 64, ACCEPT_PAUSE_MS = 50 };

/* ---- listening ---- */

static td_result bind_and_listen(int fd, const struct addrinfo *place, td_err *err)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return td_err_set_os(err, errno, "SO_REUSEADDR");
    if (bind(fd, place->ai_addr, place->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return TD_OK;
    int os_errno = errno;
    td_err_set_os(err, os_errno, "cannot listen");
    if (os_errno == EADDRINUSE)
        td_err_hint(err, "Another program has this port; port 0 lets the kernel choose one.");
    return TD_E_NETWORK;
}

static td_result listen_at(const char *host, uint16_t port, int *out, td_err *err)
{
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
    td_result result =
        fd < 0 ? td_err_set_os(err, errno, "socket") : bind_and_listen(fd, place, err);
    freeaddrinfo(place);
    if (result != TD_OK && fd >= 0)
        close(fd);
    *out = result == TD_OK ? fd : -1;
    return result;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } place = {.v6 = {0}};
    socklen_t size = sizeof place;
    int rc = getsockname(fd, &place.any, &size);
    TD_ASSERT(rc == 0);
    return ntohs(place.any.sa_family == AF_INET6 ? place.v6.sin6_port : place.v4.sin_port);
}

static void set_url(wire_server *server, const char *host, uint16_t port)
{
    if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    else if (strcmp(host, "::") == 0)
        host = "::1";
    int is_ipv6 = td_address_version(host) == 6;
    int length = snprintf(server->url, sizeof server->url, "%s://%s%s%s:%u",
                          server->identity == NULL ? "ws" : "wss", is_ipv6 ? "[" : "", host,
                          is_ipv6 ? "]" : "", port);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof server->url);
}

/* ---- accepting ---- */

static void accept_again(void *user)
{
    wire_server *server = user;
    server->accept_timer = NULL;
    lws_rx_flow_control(server->listener, 1);
}

/* Without a free descriptor the socket stays readable and the loop would spin: look away for a
 * while. */
static void accept_later(wire_server *server)
{
    wire_loop *loop = server->loop;
    uint64_t at_ns = loop_now_ns(loop) + ACCEPT_PAUSE_MS * TD_NS_PER_MS;
    if (server->accept_timer != NULL ||
        wire_timer_at(loop, at_ns, accept_again, server, &server->accept_timer, NULL) != TD_OK)
        return;
    lws_rx_flow_control(server->listener, 0);
    td_log_say(loop->log, TD_LOG_WARNING, "cannot accept a connection: %s", strerror(errno));
}

static void accept_some(wire_server *server)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
            accept_later(server);
        if (fd < 0)
            return; /* none left, or none to be had now: poll tells again */
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
                         sizeof on); /* slower without, no worse */
        const lws_adopt_desc_t adopted = {.vh = server->vhost,
                                          .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP |
                                                  LWS_ADOPT_ALLOW_SSL,
                                          .fd = {.sockfd = fd},
                                          .opaque = server};
        /* NULL: it has closed the socket, and nothing was promised to anybody. */
        (void)lws_adopt_descriptor_vhost_via_info(&adopted);
    }
}

int server_listen_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                           size_t size)
{
    (void)user;
    (void)in;
    (void)size;
    wire_server *server = wsi == NULL ? NULL : lws_get_opaque_user_data(wsi);
    if (server != NULL && reason == LWS_CALLBACK_RAW_RX_FILE)
        accept_some(server);
    return 0;
}

static td_result adopt_listener(wire_server *server, int fd, td_err *err)
{
    lws_sock_file_fd_type place = {.filefd = fd};
    server->listener = lws_adopt_descriptor_vhost(server->loop->vhost, LWS_ADOPT_RAW_FILE_DESC,
                                                  place, SERVER_LISTEN_PROTOCOL, NULL);
    if (server->listener == NULL) {
        close(fd);
        return td_err_set(err, TD_E_NOMEM, "libwebsockets does not take a listening socket");
    }
    server->listen_fd = fd; /* closed with the listener */
    lws_set_opaque_user_data(server->listener, server);
    return TD_OK;
}

/* ---- life ---- */

static td_result open_vhost(wire_server *server, td_err *err)
{
    server->protocols[0] = SERVER_PROTOCOL;
    server->protocols[0].name = server->protocol_name;
    memcpy(server->protocol_name, SERVER_PROTOCOL.name, strlen(SERVER_PROTOCOL.name) + 1);
    struct lws_context_creation_info info = loop_vhost_info("wire-server", server->protocols);
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.user = server;
    info.alpn = "http/1.1";
    if (server->identity != NULL) {
        info.options =
            LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
        /* Without one it makes itself another, with all of the system's CAs (30 ms), for clients.
         */
        td_result rc = tls_client_context_open(&server->unused_client_tls, err);
        if (rc != TD_OK)
            return rc;
        info.provided_client_ssl_ctx = server->unused_client_tls;
    }
    server->vhost = lws_create_vhost(server->loop->context, &info);
    return server->vhost == NULL ? td_err_set(err, TD_E_NOMEM, "cannot make a vhost") : TD_OK;
}

static td_result open_identity(wire_server *server, const wire_server_options *options, td_err *err)
{
    if (options->is_plain)
        return TD_OK;
    if (options->tls_cert == NULL && options->tls_key == NULL)
        return tls_identity_make(clock_wall_ns(server->loop->clock), &server->identity, err);
    if (options->tls_cert == NULL || options->tls_key == NULL)
        return td_err_set(err, TD_E_INVALID, "a certificate needs its key, and the reverse");
    td_result rc = tls_identity_load(options->tls_cert, options->tls_key, &server->identity, err);
    if (rc == TD_OK && wire_server_ca_pem(server) == NULL)
        td_log_say(server->loop->log, TD_LOG_INFO,
                   "%s does not hold the certificate of its issuer: the ready file gets no ca_file",
                   options->tls_cert);
    return rc;
}

static td_result open_listener(wire_server *server, const char *place, td_err *err)
{
    char host[TD_HOST_BYTES];
    uint16_t port = 0;
    int fd = -1;
    td_result rc = td_host_port_parse(place, host, &port, err);
    if (rc != TD_OK)
        return rc;
    rc = listen_at(host, port, &fd, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "%s", place);
    set_url(server, host, port_of(fd));
    return adopt_listener(server, fd, err);
}

static void server_free(wire_server *server)
{
    TD_ASSERT(server->peers == NULL);
    tls_identity_close(server->identity);
    tls_client_context_close(server->unused_client_tls);
    td_free(server);
}

td_result wire_server_open(wire_loop *loop, const wire_server_options *options, wire_server **out,
                           td_err *err)
{
    TD_ASSERT(loop->magic == WIRE_LOOP_MAGIC);
    *out = NULL;
    wire_server *server = td_alloc_zero(1, sizeof *server);
    if (server == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a server");
    server->holder = HOLDER_SERVER;
    server->loop = loop;
    server->ops = options->ops;
    server->user = options->user;
    td_result rc = open_identity(server, options, err);
    if (rc == TD_OK)
        rc = open_vhost(server, err);
    if (rc == TD_OK)
        rc = open_listener(server, options->listen, err);
    if (rc != TD_OK && server->vhost == NULL) {
        server_free(server);
        return rc;
    }
    /* From here on libwebsockets knows it: it lives until the loop's end, closed or not. */
    server->is_closed = rc != TD_OK;
    wire_server **list = rc == TD_OK ? &loop->servers : &loop->servers_closed;
    server->next = *list;
    *list = server;
    *out = rc == TD_OK ? server : NULL;
    return rc;
}

/* libwebsockets 4.1.6 takes a vhost down in its own time, while connections in mid-handshake still
 * point at it; so a closed server only stops listening, refuses what is still under way, and is
 * freed with the loop. */
void wire_server_close(wire_server *server)
{
    if (server == NULL)
        return;
    wire_loop *loop = server->loop;
    TD_ASSERT(!server->is_closed);
    server->is_closed = 1;
    wire_timer_cancel(server->accept_timer);
    server->accept_timer = NULL;
    lws_set_opaque_user_data(server->listener, NULL);
    lws_set_timeout(server->listener, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    server->listener = NULL;
    server_end_peers(server);
    wire_server **at = &loop->servers;
    while (*at != server)
        at = &(*at)->next;
    *at = server->next;
    server->next = loop->servers_closed;
    loop->servers_closed = server;
}

void servers_free(wire_loop *loop)
{
    TD_ASSERT(loop->servers == NULL);
    while (loop->servers_closed != NULL) {
        wire_server *server = loop->servers_closed;
        loop->servers_closed = server->next;
        server_free(server);
    }
}

void wire_reason_paths(const struct family *of, td_bytes path, char why[WIRE_REASON_BYTES])
{
    enum { PATH_SHOWN_MAX = 100 };
    size_t used = strlen(why);
    if (used == 0) {
        int size = (int)(path.size < PATH_SHOWN_MAX ? path.size : PATH_SHOWN_MAX);
        int length = snprintf(why, WIRE_REASON_BYTES, "nothing is served at %.*s; try", size,
                              (const char *)path.data);
        TD_ASSERT(length > 0);
        used = (size_t)length;
    }
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        const char *one = family_url_path(of->endpoints[i].url);
        const char *found = strstr(why, one);
        size_t size = strlen(one);
        int is_there = found != NULL && (found[size] == ' ' || found[size] == '\0');
        if (is_there || used + size + 2 > WIRE_REASON_BYTES)
            continue;
        why[used] = ' ';
        memcpy(why + used + 1, one, size + 1);
        used += size + 1;
    }
}

const char *wire_server_url(const wire_server *server)
{
    return server->url;
}

const char *wire_server_ca_pem(const wire_server *server)
{
    return server->identity == NULL ? NULL : tls_identity_pem(server->identity);
}

/* ---- what libwebsockets says when the TLS context of the vhost is to be filled ---- */

int server_use_identity(struct lws_vhost *vhost, struct ssl_ctx_st *context)
{
    const wire_server *server = lws_get_vhost_user(vhost);
    td_err err;
    if (tls_identity_use(server->identity, context, &err) == TD_OK) {
        /* libwebsockets' own would take another server's certificate of the same loop. */
        SSL_CTX_set_tlsext_servername_callback(context, NULL);
        return 0;
    }
    td_log_say(server->loop->log, TD_LOG_ERROR, "%s", err.text);
    return -1;
}
