/* One message to many peers: with and without permessage-deflate, in any order. Expected values are
 * what was sent. And a peer whose messages take long to inflate or handle, next to another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/random.h"
#include "tests/testing/wire_echo.h"
#include "wire/server.h"

enum { SIDES = PEERS_MAX };

typedef struct fixture {
    echo e;
    wire_side sides[SIDES];
} fixture;

/* Every second peer offers compression. */
static void open_fixture(fixture *f)
{
    const wire_server_options listening = {.is_plain = 1};
    echo_open(&f->e, &listening);
    for (unsigned i = 0; i < SIDES; i++) {
        const wire_client_options options = {.with_deflate = i % 2};
        wire_side_connect(&f->sides[i], f->e.loop, echo_url(&f->e, "/realtime"), &options);
        wire_run_until(f->e.loop, &f->sides[i].opened, 1, "opened");
        assert_int_equal(f->sides[i].extensions[0] != '\0', i % 2);
    }
}

static void expect_last(fixture *f, unsigned i, unsigned count, const wire_outgoing *sent)
{
    wire_side *side = &f->sides[i];
    wire_run_until(f->e.loop, &side->messages, count, "message");
    assert_int_equal(side->messages, count);
    assert_int_equal(side->last_opcode, sent->opcode);
    assert_int_equal(side->last_size, sent->bytes.size);
    assert_int_equal(side->last_hash, td_xxh64(sent->bytes.data, sent->bytes.size));
}

static void test_to_all(void **state)
{
    (void)state;
    static const size_t SIZES[] = {0, 1, 640, 70000, (1 << 20) + 1, 5 << 20, 3};
    static fixture f;
    uint8_t *bytes = malloc(5 << 20);
    td_random random;
    unsigned count = 0;
    td_random_init(&random, 3);
    open_fixture(&f);
    for (size_t row = 0; row < sizeof SIZES / sizeof *SIZES; row++) {
        wire_outgoing sent = {.opcode = 1 + row % 2, .bytes = td_bytes_of(bytes, SIZES[row])};
        for (size_t i = 0; i < SIZES[row]; i++)
            bytes[i] = (uint8_t)('a' + td_random_below(&random, 1 + row));
        for (unsigned i = 0; i < SIDES; i++)
            assert_int_equal(wire_send_message(f.e.peers[i], &sent, NULL), TD_OK);
        count++;
        for (unsigned i = 0; i < SIDES; i++)
            expect_last(&f, i, count, &sent);
    }
    echo_close(&f.e);
    free(bytes);
}

/* Two messages whose peers alternate, in reused memory, with another message in between: no peer
 * gets bytes that were compressed for another message. */
static void test_peers_get_their_own_bytes(void **state)
{
    (void)state;
    static fixture f;
    char memory[2][32];
    open_fixture(&f);
    for (unsigned round = 1; round <= 20; round++) {
        wire_outgoing sent[2];
        for (unsigned k = 0; k < 2; k++) {
            size_t size = (size_t)snprintf(memory[k], sizeof memory[k], "round %u of %u", round, k);
            sent[k] = (wire_outgoing){.opcode = 1, .bytes = td_bytes_of(memory[k], size)};
        }
        for (unsigned i = 0; i < SIDES; i++)
            for (unsigned k = 0; k < 2; k++)
                assert_int_equal(wire_send_message(f.e.peers[i], &sent[(i + k) % 2], NULL), TD_OK);
        assert_int_equal(wire_send(f.e.peers[1], 1, td_bytes_str("own"), NULL), TD_OK);
        assert_int_equal(wire_send_message(f.e.peers[1], &sent[0], NULL), TD_OK);
        for (unsigned i = 0; i < SIDES; i++)
            expect_last(&f, i, round * (i == 1 ? 4 : 2), &sent[i == 1 ? 0 : (i + 1) % 2]);
    }
    echo_close(&f.e);
}

static void test_full_queue_delays_no_peer(void **state)
{
    (void)state;
    static fixture f;
    uint8_t *bytes = malloc(WIRE_PEER_QUEUE_BYTES_MAX);
    td_random random;
    td_random_init(&random, 4);
    for (size_t i = 0; i < WIRE_PEER_QUEUE_BYTES_MAX; i++)
        bytes[i] = (uint8_t)('a' + td_random_below(&random, 26));
    open_fixture(&f);
    td_bytes first = td_bytes_of(bytes, WIRE_PEER_QUEUE_BYTES_MAX);
    assert_int_equal(wire_send(f.e.peers[1], 1, first, NULL), TD_OK);
    wire_outgoing sent = {.opcode = 1, .bytes = td_bytes_of(bytes, 4 << 20)};
    for (unsigned i = 0; i < SIDES; i++)
        assert_int_equal(wire_send_message(f.e.peers[i], &sent, NULL), i == 1 ? TD_E_LIMIT : TD_OK);
    for (unsigned i = 0; i < SIDES; i++)
        expect_last(&f, i, 1, i == 1 ? &(wire_outgoing){.opcode = 1, .bytes = first} : &sent);
    echo_close(&f.e);
    free(bytes);
}

/* A clock on which a thread's CPU time is a million times as long. */
static uint64_t slow_thread_ns(void *ctx)
{
    (void)ctx;
    return clock_thread_ns(clock_real()) * 1000000;
}

/* A clock on which only handling a message takes time: a minute. */
static uint64_t handling_ns;

static uint64_t handling_thread_ns(void *ctx)
{
    (void)ctx;
    return handling_ns;
}

static void handle_message(void *user, wire_conn *conn, const ws_message *got)
{
    ECHO_OPS.conn.message(user, conn, got);
    handling_ns += 60 * TD_NS_PER_S;
}

/* Connects to the server as a client that compresses, and sends "Hello" three times at once. */
static int send_compressed(const wire_server *server)
{
    static const char REQUEST[] =
        "GET /realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    static const char HELLO[] = "\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00";
    const char *port = strrchr(wire_server_url(server), ':') + 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char bytes[sizeof REQUEST + 3 * sizeof HELLO];
    size_t size = sizeof REQUEST - 1;
    memcpy(bytes, REQUEST, size);
    for (int i = 0; i < 3; i++, size += sizeof HELLO - 1)
        memcpy(bytes + size, HELLO, sizeof HELLO - 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
    return fd;
}

/* If inflating or handling takes more than its share of time, the rest waits, and others are
 * served. */
static void test_costly_to_inflate(void **state)
{
    (void)state;
    wire_server_ops ops = ECHO_OPS;
    ops.conn.message = handle_message;
    for (int is_slow = 0; is_slow < 3; is_slow++) {
        td_clock_ops slow = *clock_real().ops;
        slow.thread_ns = is_slow == 1 ? slow_thread_ns : handling_thread_ns;
        const td_clock clock = {.ops = is_slow ? &slow : clock_real().ops};
        static echo e;
        e = (echo){0};
        const wire_server_options listening = {
            .listen = "127.0.0.1:0", .is_plain = 1, .ops = &ops, .user = &e};
        const wire_client_options options = {0};
        wire_side good;
        assert_int_equal(wire_loop_open(clock, NULL, &e.loop, NULL), TD_OK);
        assert_int_equal(wire_server_open(e.loop, &listening, &e.server, NULL), TD_OK);
        int fd = send_compressed(e.server);
        wire_run_until(e.loop, &e.messages, is_slow ? 1 : 3, "compressed messages");
        wire_side_connect(&good, e.loop, echo_url(&e, "/realtime"), &options);
        wire_run_until(e.loop, &good.opened, 1, "opened");
        assert_int_equal(wire_send(good.conn, 1, td_bytes_str("good"), NULL), TD_OK);
        wire_run_until(e.loop, &good.messages, 1, "an answer");
        assert_int_equal(e.messages, is_slow ? 2 : 4);
        /* reads further, for the peer's close frame, and waits again */
        wire_close(e.peers[0], 1000, td_bytes_of(NULL, 0));
        assert_int_equal(wire_loop_run(e.loop, 0, NULL), TD_OK);
        wire_loop_close(e.loop);
        assert_int_equal(e.closed, 2);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_all),
        cmocka_unit_test(test_peers_get_their_own_bytes),
        cmocka_unit_test(test_full_queue_delays_no_peer),
        cmocka_unit_test(test_costly_to_inflate),
    };
    return cmocka_run_group_tests_name("wire/server", tests, NULL, NULL);
}
