#include "tests/testing/raw_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tests/testing/files.h"

struct raw_peer {
    pthread_t thread;
    int listen_fd;
    uint16_t port;
    int fd;   /* socket of the client's connection */
    SSL *ssl; /* NULL without TLS */
    const raw_script *script;
    char request[8192];
};

static int send_all(raw_peer *peer, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = peer->ssl != NULL ? SSL_write(peer->ssl, at, (int)size)
                                         : send(peer->fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return 0;
        at += sent;
        size -= (size_t)sent;
    }
    return 1;
}

static ssize_t receive(raw_peer *peer, void *bytes, size_t size)
{
    return peer->ssl != NULL ? SSL_read(peer->ssl, bytes, (int)size)
                             : recv(peer->fd, bytes, size, 0);
}

/* Reads the request up to its empty line, or, if hasty, only the first bytes. 0 if the client
 * disconnected. */
static int read_head(raw_peer *peer)
{
    char *out = peer->request;
    size_t size = 0;
    out[0] = '\0';
    while (strstr(out, "\r\n\r\n") == NULL && size + 1 < sizeof peer->request &&
           !(peer->script->is_hasty && size > 0)) {
        ssize_t got = receive(peer, out + size, sizeof peer->request - size - 1);
        if (got <= 0)
            return 0;
        size += (size_t)got;
        out[size] = '\0';
    }
    return 1;
}

/* Computes Sec-WebSocket-Accept (RFC 6455, 4.2.2). */
static void accept_key(const char *request, char out[64])
{
    const char *key = strstr(request, "Sec-WebSocket-Key: ");
    if (key == NULL) {
        out[0] = '\0';
        return;
    }
    key += strlen("Sec-WebSocket-Key: ");
    char text[128];
    (void)snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                   (int)strcspn(key, "\r"), key);
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA1((const unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

/* Answers a CONNECT like a proxy, and then acts as the server behind it. */
static int answer_connect(raw_peer *peer)
{
    const char *tunnel = peer->script->tunnel;
    return tunnel == NULL || (read_head(peer) && send_all(peer, tunnel, strlen(tunnel)));
}

static int answer_upgrade(raw_peer *peer)
{
    if (peer->script->answer != NULL)
        return send_all(peer, peer->script->answer, strlen(peer->script->answer));
    char key[64];
    char text[512];
    accept_key(peer->request, key);
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
                        key, peer->script->lines == NULL ? "" : peer->script->lines);
    return send_all(peer, text, (size_t)size);
}

/* Begins TLS. OpenSSL's socket BIO raises SIGPIPE if the client is gone; the test ignores it. */
static int begin_tls(raw_peer *peer)
{
    if (peer->script->tls == NULL)
        return 1;
    peer->ssl = tls_server_session(peer->script->tls);
    assert_int_equal(SSL_set_max_proto_version(peer->ssl, peer->script->tls_version), 1);
    SSL_clear_options(peer->ssl, SSL_OP_NO_RENEGOTIATION);
    assert_int_equal(SSL_set_fd(peer->ssl, peer->fd), 1);
    return SSL_accept(peer->ssl) == 1;
}

/* Requests TLS key updates or handshakes. 0 if the client disconnected. */
static int ask_for_handshakes(raw_peer *peer)
{
    for (size_t i = 0; i < peer->script->handshakes; i++) {
        if (SSL_version(peer->ssl) == TLS1_3_VERSION)
            (void)SSL_key_update(peer->ssl, SSL_KEY_UPDATE_REQUESTED);
        else
            (void)SSL_renegotiate(peer->ssl);
        if (SSL_do_handshake(peer->ssl) != 1)
            return 0;
    }
    return 1;
}

static void wait_for_end(raw_peer *peer)
{
    char bytes[4096];
    while (receive(peer, bytes, sizeof bytes) > 0)
        continue;
}

static void end_connection(raw_peer *peer)
{
    int fd = peer->fd;
    raw_end end = peer->script->end;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (end == RAW_END_HOLD)
        wait_for_end(peer);
    else if (end == RAW_END_RESET)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    else
        (void)shutdown(fd, SHUT_WR);
    if (end == RAW_END_CLOSE)
        wait_for_end(peer); /* closing with unread bytes would reset the connection */
    SSL_free(peer->ssl);
    close(fd);
}

/* Limits the socket buffers of every connection, and so before the first one is accepted. */
static void limit_buffers(const raw_peer *peer)
{
    const int few = 4096;
    const int segment = peer->script->segment_bytes;
    int fd = peer->listen_fd;
    if (peer->script->handshakes > 0) /* so that unread bytes soon wait at the client */
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few), 0);
    if (segment > 0)
        assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment), 0);
}

static void *serve_script(void *argument)
{
    raw_peer *peer = argument;
    const raw_script *script = peer->script;
    peer->fd = accept(peer->listen_fd, NULL, NULL);
    if (peer->fd < 0)
        return NULL;
    int is_there =
        answer_connect(peer) && begin_tls(peer) && read_head(peer) && answer_upgrade(peer);
    for (size_t i = 0; is_there && i <= script->repeats; i++)
        is_there =
            ask_for_handshakes(peer) && send_all(peer, script->after.data, script->after.size);
    end_connection(peer);
    return NULL;
}

struct ssl_ctx_st *raw_peer_make_tls(const char *ca_path)
{
    struct ssl_ctx_st *tls = NULL;
    assert_int_equal(tls_server_context_make(clock_wall_ns(clock_real()), &tls, NULL), TD_OK);
    char *pem = tls_server_root_pem(tls);
    file_write_text(ca_path, pem);
    td_free(pem);
    return tls;
}

raw_peer *raw_peer_start(const raw_script *script)
{
    raw_peer *peer = calloc(1, sizeof *peer);
    assert_non_null(peer);
    peer->script = script;
    peer->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in place = {.sin_family = AF_INET,
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof place;
    assert_int_equal(bind(peer->listen_fd, (struct sockaddr *)&place, size), 0);
    limit_buffers(peer);
    assert_int_equal(listen(peer->listen_fd, 4), 0);
    assert_int_equal(getsockname(peer->listen_fd, (struct sockaddr *)&place, &size), 0);
    peer->port = ntohs(place.sin_port);
    assert_int_equal(pthread_create(&peer->thread, NULL, serve_script, peer), 0);
    return peer;
}

uint16_t raw_peer_port(const raw_peer *peer)
{
    return peer->port;
}

void raw_peer_stop(raw_peer *peer, char *request, size_t request_bytes)
{
    (void)shutdown(peer->listen_fd, SHUT_RDWR); /* ends a blocked accept */
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
    close(peer->listen_fd);
    if (request != NULL)
        (void)snprintf(request, request_bytes, "%s", peer->request);
    free(peer);
}
