/* A link with TLS over a pair of sockets; the test drives OpenSSL at the other end. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "wire/link.h"
#include "wire/tls.h"

enum { TURNS_MAX = 10000 };

typedef struct pair {
    wire_loop *loop;
    wire_link link;
    tls_identity *identity;
    SSL *peer;
    int peer_fd;
    unsigned secured, ended;
    link_end how;
    size_t received;
} pair;

static void on_secured(void *user)
{
    ((pair *)user)->secured = 1;
}

static size_t on_received(void *user, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    (void)read_ns;
    memset(bytes, 0, size); /* it may change them */
    ((pair *)user)->received += size;
    errno = ECONNRESET; /* of something else */
    return size;
}

static void on_ended(void *user, link_end how, const char *text)
{
    pair *p = user;
    (void)text;
    p->ended = 1;
    p->how = how;
    link_close(&p->link);
}

static const link_ops OPS = {.secured = on_secured, .received = on_received, .ended = on_ended};

static void run(pair *p)
{
    assert_int_equal(wire_loop_run(p->loop, 0, NULL), TD_OK);
}

static void open_pair(pair *p)
{
    struct ssl_ctx_st *context = NULL;
    int fds[2];
    *p = (pair){0};
    assert_int_equal(tls_identity_make(clock_wall_ns(clock_real()), &p->identity, NULL), TD_OK);
    assert_int_equal(wire_loop_open(clock_real(), NULL, &p->loop, NULL), TD_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    link_init(&p->link, p->loop, &OPS, p, 0);
    assert_int_equal(link_adopt(&p->link, fds[0], NULL), TD_OK);
    assert_int_equal(tls_server_context_open(p->identity, &context, NULL), TD_OK);
    link_secure(&p->link, tls_server_session(context));
    tls_context_close(context); /* sessions keep it */
    context = SSL_CTX_new(TLS_client_method());
    p->peer = SSL_new(context);
    SSL_CTX_free(context);
    p->peer_fd = fds[1];
    assert_int_equal(SSL_set_fd(p->peer, p->peer_fd), 1);
    SSL_set_connect_state(p->peer);
    for (unsigned i = 0; i < TURNS_MAX && !p->secured; i++) {
        (void)SSL_do_handshake(p->peer);
        run(p);
    }
    assert_true(p->secured);
}

static void close_pair(pair *p)
{
    link_close(&p->link);
    wire_loop_close(p->loop);
    SSL_free(p->peer);
    close(p->peer_fd);
    tls_identity_close(p->identity);
}

static void send_hi(pair *p)
{
    assert_int_equal(SSL_write(p->peer, "hi", 2), 2);
    for (unsigned i = 0; i < TURNS_MAX && p->received < 2; i++)
        run(p);
    assert_int_equal(p->received, 2);
}

/* The peer asks for new keys, and reads no answer until they fill the socket: then OpenSSL waits to
 * send one, and nothing is left to be read. Once the peer reads, both directions continue. */
static void test_keys_while_full(void **state)
{
    (void)state;
    pair p;
    char bytes[64];
    open_pair(&p);
    for (unsigned i = 0; i < TURNS_MAX && !p.link.is_stuck; i++) {
        assert_int_equal(SSL_key_update(p.peer, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(p.peer), 1);
        run(&p);
    }
    assert_true(p.link.is_stuck);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(SSL_read(p.peer, bytes, sizeof bytes), -1); /* keys only */
        run(&p);
    }
    assert_int_equal(p.ended, 0);
    send_hi(&p);
    close_pair(&p);
}

/* Whatever errno is when a peer ends the stream without close_notify: it did not reset it. */
static void test_end_without_notify(void **state)
{
    (void)state;
    pair p;
    open_pair(&p);
    send_hi(&p);
    assert_int_equal(shutdown(p.peer_fd, SHUT_WR), 0);
    for (unsigned i = 0; i < TURNS_MAX && !p.ended; i++)
        run(&p);
    assert_int_equal(p.ended, 1);
    assert_int_equal(p.how, LINK_ENDED);
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_while_full),
        cmocka_unit_test(test_end_without_notify),
    };
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's own way to a socket has no flag against it */
    return cmocka_run_group_tests_name("wire/link_tls", tests, NULL, NULL);
}
