/* A link with TLS over a socket pair, with OpenSSL at the test's end. And peers that endlessly
 * request new keys or handshakes and read no answers: such a connection ends, and the loop's other
 * connections are served meanwhile. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "tests/testing/raw_peer.h"
#include "tests/testing/wire_echo.h"
#include "wire/link.h"
#include "wire/tls.h"

enum { TURNS_MAX = 10000, TURN_MS_MAX = 2000, OUT_BYTES = 1 << 20 };

/* ---- a socket pair ---- */

typedef struct pair {
    wire_loop *loop;
    wire_link link;
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
    memset(bytes, 0, size); /* the receiver may change the bytes */
    ((pair *)user)->received += size;
    errno = ECONNRESET; /* left by another call */
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
    assert_int_equal(tls_server_context_make(clock_wall_ns(clock_real()), &context, NULL), TD_OK);
    assert_int_equal(wire_loop_open(clock_real(), NULL, &p->loop, NULL), TD_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    link_init(&p->link, p->loop, &OPS, p, OUT_BYTES);
    assert_int_equal(link_adopt(&p->link, fds[0], NULL), TD_OK);
    link_secure(&p->link, tls_server_session(context));
    tls_context_close(context); /* sessions hold a reference */
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
}

static void send_hi(pair *p)
{
    assert_int_equal(SSL_write(p->peer, "hi", 2), 2);
    for (unsigned i = 0; i < TURNS_MAX && p->received < 2; i++)
        run(p);
    assert_int_equal(p->received, 2);
}

static void ask_for_keys(pair *p)
{
    assert_int_equal(SSL_key_update(p->peer, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(p->peer), 1);
    run(p);
}

/* The peer requests new keys and reads no answers until these fill the socket. After it reads, both
 * directions continue. */
static void test_keys_while_full(void **state)
{
    (void)state;
    pair p;
    char bytes[64];
    open_pair(&p);
    for (unsigned i = 0; i < TURNS_MAX && link_waiting_bytes(&p.link) == 0; i++)
        ask_for_keys(&p);
    assert_true(link_waiting_bytes(&p.link) > 0);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(SSL_read(p.peer, bytes, sizeof bytes), -1); /* key updates only */
        run(&p);
    }
    assert_int_equal(p.ended, 0);
    send_hi(&p);
    close_pair(&p);
}

/* The peer requests keys while the socket is full in the middle of a record: what it then reads is
 * complete. */
static void test_keys_amid_a_record(void **state)
{
    (void)state;
    pair p;
    static uint8_t sent[OUT_BYTES], got[OUT_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < OUT_BYTES; i++)
        sent[i] = (uint8_t)(i * 7 + i / 251);
    open_pair(&p);
    td_buf_add(link_output(&p.link), sent, OUT_BYTES);
    link_flush_later(&p.link);
    for (unsigned i = 0; i < 100; i++)
        ask_for_keys(&p);
    assert_true(link_waiting_bytes(&p.link) > OUT_BYTES / 4);
    for (unsigned i = 0; i < TURNS_MAX && size < OUT_BYTES; i++) {
        int some = SSL_read(p.peer, got + size, (int)(OUT_BYTES - size));
        size += some > 0 ? (size_t)some : 0;
        ask_for_keys(&p);
        assert_int_equal(p.ended, 0);
    }
    assert_int_equal(size, OUT_BYTES);
    assert_memory_equal(got, sent, OUT_BYTES);
    assert_int_equal(link_waiting_bytes(&p.link), 0);
    assert_true(link_output(&p.link)->capacity <= 64 << 10); /* the memory was freed */
    send_hi(&p);
    close_pair(&p);
}

/* A peer that ends the stream without close_notify has not reset it, whatever errno is. */
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

/* ---- floods ---- */

/* A flooded connection, and a well-behaved one in the same loop. */
typedef struct flood {
    struct ssl_ctx_st *tls;
    raw_peer *peer;
    echo echo;
    wire_side good, flooded;
    uint64_t turn_ns_max;
} flood;

/* This thread's CPU time without waiting, because other processes may use the processors. */
static uint64_t now_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * TD_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void begin_flood(flood *f, raw_script *script)
{
    char url[64];
    char ca[128];
    *f = (flood){0};
    echo_open(&f->echo, NULL);
    echo_join(&f->echo, &f->good);
    (void)snprintf(ca, sizeof ca, "%s/ca", f->echo.folder);
    script->tls = f->tls = raw_peer_make_tls(ca);
    f->peer = raw_peer_start(script);
    (void)snprintf(url, sizeof url, "wss://127.0.0.1:%u/", raw_peer_port(f->peer));
    const wire_client_options options = {.ca_file = ca};
    wire_side_connect(&f->flooded, f->echo.loop, url, &options);
    wire_run_until(f->echo.loop, &f->flooded.opened, 1, "the flooded connection");
    assert_int_equal(unlink(ca), 0);
}

/* Sends a message on the well-behaved connection and waits for its echo. */
static void exchange(flood *f)
{
    td_err err;
    unsigned before = f->good.messages;
    assert_int_equal(wire_send(f->good.conn, 1, td_bytes_str("x"), &err), TD_OK);
    while (f->good.messages == before) {
        uint64_t begin_ns = now_ns();
        assert_int_equal(wire_loop_run(f->echo.loop, TD_NS_PER_S, &err), TD_OK);
        uint64_t turn_ns = now_ns() - begin_ns;
        f->turn_ns_max = turn_ns > f->turn_ns_max ? turn_ns : f->turn_ns_max;
    }
}

static void end_flood(flood *f)
{
    print_message("a turn took up to %llu ms\n",
                  (unsigned long long)(f->turn_ns_max / TD_NS_PER_MS));
    assert_true(f->turn_ns_max < TURN_MS_MAX * TD_NS_PER_MS);
    echo_close(&f->echo);
    raw_peer_stop(f->peer, NULL, 0);
    tls_context_close(f->tls);
}

static void test_endless_handshakes(void **state)
{
    (void)state;
    static const int VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        flood f;
        raw_script script = {
            .tls_version = VERSIONS[i], .handshakes = 1 << 20, .end = RAW_END_HOLD};
        begin_flood(&f, &script);
        while (f.flooded.ended == 0)
            exchange(&f);
        /* Pending answers may reach their limit first, if the peer reads slowly. */
        wire_side_expect_end(&f.flooded, WIRE_CAUSE_TLS_OTHER,
                             strstr(f.flooded.text, "new keys") != NULL ? "reads no answers"
                                                                        : "records without data");
        end_flood(&f);
    }
}

/* With data in between: ends when more answers are pending than the link keeps. */
static void test_handshakes_between_data(void **state)
{
    (void)state;
    flood f;
    raw_script script = {.handshakes = 16,
                         .segment_bytes = 536,
                         .after = td_bytes_str("\x81\x02hi"),
                         .repeats = 1 << 20,
                         .end = RAW_END_HOLD};
    begin_flood(&f, &script);
    while (f.flooded.ended == 0)
        exchange(&f);
    assert_true(f.flooded.messages > 0);
    wire_side_expect_end(&f.flooded, WIRE_CAUSE_TLS_OTHER, "new keys and reads no answers");
    end_flood(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_while_full),         cmocka_unit_test(test_keys_amid_a_record),
        cmocka_unit_test(test_end_without_notify),      cmocka_unit_test(test_endless_handshakes),
        cmocka_unit_test(test_handshakes_between_data),
    };
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's own writes to a socket cannot suppress it */
    return cmocka_run_group_tests_name("wire/link_tls", tests, NULL, NULL);
}
