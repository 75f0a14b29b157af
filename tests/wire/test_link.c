/* Our client and server over real sockets, mostly with TLS. Expected values are what was sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "base/random.h"
#include "tests/testing/files.h"
#include "tests/testing/raw_peer.h"
#include "tests/testing/wire_echo.h"
#include "tests/testing/wire_side.h"

static void test_echo(void **state)
{
    (void)state;
    static const struct {
        const char *listen;
        int is_plain;
        const char *address;
    } ROWS[] = {{"127.0.0.1:0", 0, "127.0.0.1"},
                {"127.0.0.1:0", 1, "127.0.0.1"},
                {"localhost:0", 0, ""},
                {"[::1]:0", 0, "::1"},
                {"[::1]:0", 1, "::1"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        echo e;
        wire_side side;
        wire_server_options options = {.listen = ROWS[i].listen,
                                       .is_plain = (uint8_t)ROWS[i].is_plain};
        echo_open(&e, &options);
        print_message("%s\n", wire_server_url(e.server));
        echo_connect(&e, &side, "/realtime?api_key=a%26b&x=y");
        assert_int_equal(wire_send(side.conn, 1, td_bytes_str("x"), NULL), TD_E_NETWORK);
        wire_run_until(e.loop, &side.opened, 1, "opened");
        assert_int_equal(wire_send(side.conn, 1, td_bytes_str("{\"op\":\"ping\"}"), NULL), TD_OK);
        wire_run_until(e.loop, &side.messages, 1, "echo");
        assert_string_equal(side.last, "{\"op\":\"ping\"}");
        assert_string_equal(side.last_sent, "{\"op\":\"ping\"}");
        assert_int_equal(side.last_opcode, 1);
        assert_string_equal(e.path, "/realtime");
        assert_non_null(strstr(e.query, "x=y"));
        if (ROWS[i].address[0] != '\0')
            assert_string_equal(side.address, ROWS[i].address);
        assert_string_equal(side.tls_version, ROWS[i].is_plain ? "" : "TLSv1.3");
        wire_close(side.conn, 1000, td_bytes_of(NULL, 0));
        wire_side_expect_end(&side, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
        wire_run_until(e.loop, &e.closed, 1, "the server's side of it");
        echo_close(&e);
    }
}

static void test_statuses(void **state)
{
    (void)state;
    static const unsigned STATUSES[] = {401, 403, 502, 404};
    echo e;
    echo_open(&e, NULL);
    for (size_t i = 0; i < 4; i++) {
        char path[16];
        wire_side side;
        (void)snprintf(path, sizeof path, "/%u", STATUSES[i]);
        echo_connect(&e, &side, path);
        wire_side_expect_end(&side, WIRE_CAUSE_REFUSED, "refused the upgrade");
        assert_int_equal(side.http_status, STATUSES[i]);
    }
    assert_int_equal(e.opened, 0);
    wire_side side;
    echo_connect(&e, &side, "/realtime?refuse");
    wire_side_expect_end(&side, WIRE_CAUSE_CLOSED_BY_PEER, "1011");
    echo_close(&e);
}

/* Sizes at which a message is handled differently: header lengths, batches, reads, fragments. */
static void test_sizes(void **state)
{
    (void)state;
    static const size_t SIZES[] = {0,      1,       125,           126,     127,
                                   65535,  65536,   131071,        131072,  131073,
                                   180000, 1 << 20, (1 << 20) + 1, 5 << 20, LIMIT_FRAME_BYTES};
    uint8_t *bytes = malloc(LIMIT_FRAME_BYTES + 1);
    td_random random;
    td_random_init(&random, 7);
    for (size_t i = 0; i < LIMIT_FRAME_BYTES; i++)
        bytes[i] = (uint8_t)('a' + td_random_below(&random, 26));
    for (int is_plain = 0; is_plain < 2; is_plain++) {
        echo e;
        wire_side side;
        wire_server_options options = {.is_plain = (uint8_t)is_plain};
        echo_open(&e, &options);
        echo_join(&e, &side);
        for (unsigned i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
            unsigned opcode = 1 + (i & 1);
            td_bytes message = td_bytes_of(bytes, SIZES[i]);
            assert_int_equal(wire_send(e.peers[0], opcode, message, NULL), TD_OK);
            wire_run_until(e.loop, &side.messages, i + 1, "message");
            assert_int_equal(side.last_size, SIZES[i]);
            assert_int_equal(side.last_opcode, opcode);
            assert_int_equal(side.last_hash, td_xxh64(bytes, SIZES[i]));
        }
        td_err err;
        assert_int_equal(wire_send(e.peers[0], 1, td_bytes_of(bytes, LIMIT_FRAME_BYTES + 1), &err),
                         TD_E_LIMIT);
        assert_non_null(strstr(err.text, "16777217 bytes: 16777216 are allowed"));
        echo_close(&e);
    }
    free(bytes);
}

/* The opposite direction: requests up to the client's limit, and one above the server's. */
static void test_client_sends(void **state)
{
    (void)state;
    echo e;
    wire_side side;
    echo_open(&e, NULL);
    echo_join(&e, &side);
    static char text[(1 << 20) + 1];
    memset(text, 'q', sizeof text);
    assert_int_equal(wire_send(side.conn, 1, td_bytes_of(text, sizeof text), NULL), TD_E_LIMIT);
    size_t most = WIRE_SEND_BYTES_MAX - 64;
    assert_int_equal(wire_send(side.conn, 1, td_bytes_of(text, most), NULL), TD_OK);
    assert_int_equal(wire_send(side.conn, 1, td_bytes_of(text, 100), NULL), TD_E_LIMIT);
    wire_run_until(e.loop, &side.messages, 1, "echo");
    assert_int_equal(side.last_size, most);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(wire_send(side.conn, 1, td_bytes_of(text, i), NULL), TD_OK);
    wire_run_until(e.loop, &side.messages, 501, "many");
    assert_int_equal(side.sent, 501);
    assert_int_equal(side.message_bytes, most + 499 * 500 / 2);
    /* Closing first sends what is queued. */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(wire_send(side.conn, 1, td_bytes_of(text, 10), NULL), TD_OK);
    wire_close(side.conn, 3000, td_bytes_of(NULL, 0));
    assert_int_equal(wire_send(side.conn, 1, td_bytes_of(text, 10), NULL), TD_E_NETWORK);
    wire_run_until(e.loop, &side.ended, 1, "end");
    wire_run_until(e.loop, &e.messages, 506, "the rest at the server");
    assert_int_equal(side.close_code, 3000); /* the peer's code, in answer to ours */
    assert_int_equal(side.sent_code, 3000);
    assert_int_equal(side.messages, 506); /* including those received before the peer closed */
    echo_close(&e);
}

static void test_server_closes(void **state)
{
    (void)state;
    echo e;
    wire_side side;
    echo_open(&e, NULL);
    echo_join(&e, &side);
    assert_int_equal(wire_send(e.peers[0], 1, td_bytes_str("last"), NULL), TD_OK);
    wire_close(e.peers[0], 1000, td_bytes_of(NULL, 0));
    assert_int_equal(wire_send(e.peers[0], 1, td_bytes_str("no"), NULL), TD_E_NETWORK);
    wire_side_expect_end(&side, WIRE_CAUSE_CLOSED_BY_PEER, "code 1000");
    assert_string_equal(side.last, "last");
    assert_int_equal(side.close_code, 1000);
    assert_int_equal(side.sent_code, 1000);
    echo_join(&e, &side);
    wire_close(e.peers[1], 0, td_bytes_of(NULL, 0));
    wire_side_expect_end(&side, WIRE_CAUSE_CLOSED_BY_PEER, "without a close frame");
    /* Closes the whole server, with one open connection and one still connecting. */
    wire_side on_its_way;
    echo_join(&e, &side);
    echo_connect(&e, &on_its_way, "/realtime");
    wire_server_close(e.server);
    wire_run_until(e.loop, &side.ended, 1, "end with the server");
    wire_run_until(e.loop, &on_its_way.ended, 1, "end on the way");
    assert_int_equal(on_its_way.opened, 0);
    echo_close(&e);
}

/* No descriptor is left for another connection: the server answers it with its spare one, and later
 * connections too. */
static void test_out_of_descriptors(void **state)
{
    (void)state;
    echo e;
    wire_side side;
    echo_open(&e, NULL);
    int next = dup(0);
    assert_true(next > 0);
    close(next);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit tight = before;
    tight.rlim_cur = (rlim_t)next + 1; /* one for the client itself */
    echo_connect(&e, &side, "/realtime");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    for (int i = 0; i < 3; i++) {
        wire_side_expect_end(&side, WIRE_CAUSE_REFUSED, "refused the upgrade");
        assert_int_equal(side.http_status, 503);
        assert_int_equal(e.opened, 0);
        echo_connect(&e, &side, "/realtime");
    }
    wire_side_expect_end(&side, WIRE_CAUSE_REFUSED, "refused the upgrade");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    echo_connect(&e, &side, "/realtime");
    wire_run_until(e.loop, &side.opened, 1, "once there is a descriptor");
    echo_close(&e);
}

/* One connection stops reading while the server floods it: TCP stops the server, its queue stays
 * bounded, the other connection continues, and after resuming everything arrives in order. */
static void test_pause(void **state)
{
    (void)state;
    enum { MESSAGES = 60000, BYTES = 560 };
    static char text[BYTES];
    memset(text, 'm', sizeof text);
    for (int is_plain = 0; is_plain < 2; is_plain++) {
        echo e;
        wire_side paused, other;
        wire_server_options options = {.is_plain = (uint8_t)is_plain};
        echo_open(&e, &options);
        echo_join(&e, &paused);
        echo_join(&e, &other);
        e.flood = td_bytes_of(text, sizeof text);
        e.flood_left = MESSAGES;
        echo_flood(&e, e.peers[0]);
        wire_run_until(e.loop, &paused.messages, 1000, "the begin of the flood");
        wire_pause(paused.conn);
        unsigned seen = paused.messages;
        for (unsigned i = 1; i <= 200; i++) {
            assert_int_equal(wire_send(other.conn, 1, td_bytes_str("on"), NULL), TD_OK);
            wire_run_until(e.loop, &other.messages, i, "the other connection");
        }
        assert_int_equal(paused.messages, seen);
        assert_true(e.flood_left > 0);
        assert_true(wire_waiting_bytes(e.peers[0]) <= WIRE_PEER_QUEUE_BYTES_MAX);
        wire_resume(paused.conn);
        wire_run_until(e.loop, &paused.messages, MESSAGES, "the rest of the flood");
        assert_int_equal(paused.message_bytes, (uint64_t)MESSAGES * BYTES);
        assert_int_equal(e.flood_left, 0);
        /* Closing also works while paused. */
        wire_pause(paused.conn);
        wire_close(paused.conn, 1000, td_bytes_of(NULL, 0));
        wire_side_expect_end(&paused, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
        echo_close(&e);
    }
}

static void pause_in_message(wire_side *side)
{
    if (side->messages == 10)
        wire_pause(side->conn);
}

/* Pausing inside a callback: bytes that were already read are not delivered before resuming. */
static void test_pause_in_callback(void **state)
{
    (void)state;
    echo e;
    wire_side side, other;
    echo_open(&e, NULL);
    echo_join(&e, &side);
    echo_join(&e, &other);
    side.on_message = pause_in_message;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(wire_send(e.peers[0], 1, td_bytes_str("0123456789"), NULL), TD_OK);
    wire_run_until(e.loop, &side.messages, 10, "until it pauses");
    assert_int_equal(wire_send(other.conn, 1, td_bytes_str("on"), NULL), TD_OK);
    wire_run_until(e.loop, &other.messages, 1, "the other connection");
    assert_int_equal(side.messages, 10);
    wire_resume(side.conn);
    wire_run_until(e.loop, &side.messages, 1000, "the rest");
    echo_close(&e);
}

static void close_in_message(wire_side *side)
{
    if (side->messages == 10)
        wire_close(side->conn, 1000, td_bytes_of(NULL, 0));
}

static void test_close_in_callback(void **state)
{
    (void)state;
    echo e;
    wire_side side;
    echo_open(&e, NULL);
    echo_join(&e, &side);
    side.on_message = close_in_message;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(wire_send(e.peers[0], 1, td_bytes_str("0123456789"), NULL), TD_OK);
    wire_side_expect_end(&side, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
    assert_int_equal(side.messages, 1000); /* the server had sent all of them before it closed */
    echo_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_client_sends),
        cmocka_unit_test(test_server_closes),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_pause_in_callback),
        cmocka_unit_test(test_close_in_callback),
    };
    return cmocka_run_group_tests_name("wire/link", tests, NULL, NULL);
}
