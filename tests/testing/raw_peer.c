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
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <sys/socket.h>

struct raw_peer {
    pthread_t thread;
    int listen_fd;
    uint16_t port;
    const raw_script *script;
    char request[8192];
};

static int send_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return 0;
        at += sent;
        size -= (size_t)sent;
    }
    return 1;
}

/* Reads up to the empty line, or the first bytes. 0 if the client went away before. */
static int read_head(int fd, int is_hasty, char *out, size_t out_bytes)
{
    size_t size = 0;
    out[0] = '\0';
    while (strstr(out, "\r\n\r\n") == NULL && size + 1 < out_bytes && !(is_hasty && size > 0)) {
        ssize_t got = recv(fd, out + size, out_bytes - size - 1, 0);
        if (got <= 0)
            return 0;
        size += (size_t)got;
        out[size] = '\0';
    }
    return 1;
}

/* RFC 6455, 4.2.2. */
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

static int answer_upgrade(raw_peer *peer, int fd)
{
    if (peer->script->answer != NULL)
        return send_all(fd, peer->script->answer, strlen(peer->script->answer));
    char key[64];
    char text[512];
    accept_key(peer->request, key);
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
                        key, peer->script->lines == NULL ? "" : peer->script->lines);
    return send_all(fd, text, (size_t)size);
}

static void wait_for_end(int fd)
{
    char bytes[4096];
    while (recv(fd, bytes, sizeof bytes, 0) > 0)
        continue;
}

static void end_connection(int fd, raw_end end)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (end == RAW_END_HOLD)
        wait_for_end(fd);
    else if (end == RAW_END_RESET)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    else
        (void)shutdown(fd, SHUT_WR);
    if (end == RAW_END_CLOSE)
        wait_for_end(fd); /* closing with unread bytes would be a reset */
    close(fd);
}

static void *serve_script(void *argument)
{
    raw_peer *peer = argument;
    int fd = accept(peer->listen_fd, NULL, NULL);
    if (fd < 0)
        return NULL;
    if (read_head(fd, peer->script->is_hasty, peer->request, sizeof peer->request) &&
        answer_upgrade(peer, fd) && peer->script->after.size > 0)
        (void)send_all(fd, peer->script->after.data, peer->script->after.size);
    end_connection(fd, peer->script->end);
    return NULL;
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
    (void)shutdown(peer->listen_fd, SHUT_RDWR); /* ends a waiting accept */
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
    close(peer->listen_fd);
    if (request != NULL)
        (void)snprintf(request, request_bytes, "%s", peer->request);
    free(peer);
}
