/* The client's end against peers that misbehave. The bytes they send are written by hand from RFC
 * 6455, section 5; expected causes and texts are from wire/client.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/limits.h"
#include "tests/testing/raw_peer.h"
#include "tests/testing/wire_side.h"

static wire_loop *open_loop(void)
{
    wire_loop *loop = NULL;
    td_err err;
    if (wire_loop_open(clock_real(), NULL, &loop, &err) != TD_OK)
        fail_msg("%s", err.text);
    return loop;
}

static const char *url_of(const raw_peer *peer, const char *scheme)
{
    static char url[64];
    (void)snprintf(url, sizeof url, "%s://127.0.0.1:%u/realtime", scheme, raw_peer_port(peer));
    return url;
}

/* A peer's behavior, and how the connection ends. */
typedef struct end_case {
    const char *name;
    raw_script script;
    const char *scheme;
    wire_cause cause;
    const char *words;
    unsigned http_status, close_code, sent_code, messages;
} end_case;

#define BYTES(text)                                                                                \
    {                                                                                              \
        .data = (const uint8_t *)(text), .size = sizeof(text) - 1                                  \
    }

static const end_case END_CASES[] = {
    {.name = "401",
     .script = {.answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"},
     .scheme = "ws",
     .cause = WIRE_CAUSE_REFUSED,
     .words = "401 (unauthorized: check the API key",
     .http_status = 401},
    {.name = "403",
     .script = {.answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"},
     .scheme = "ws",
     .cause = WIRE_CAUSE_REFUSED,
     .words = "HTTP status 403",
     .http_status = 403},
    {.name = "502",
     .script = {.answer = "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n"},
     .scheme = "ws",
     .cause = WIRE_CAUSE_REFUSED,
     .words = "HTTP status 502",
     .http_status = 502},
    {.name = "a redirect is not followed",
     .script = {.answer = "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n"
                          "Content-Length: 0\r\n\r\n"},
     .scheme = "ws",
     .cause = WIRE_CAUSE_REFUSED,
     .words = "HTTP status 302",
     .http_status = 302},
    {.name = "101 with a wrong key",
     .script = {.answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n"},
     .scheme = "ws",
     .cause = WIRE_CAUSE_PROTOCOL,
     .words = "sent an invalid answer to the upgrade"},
    {.name = "closed without an answer",
     .script = {.answer = "", .end = RAW_END_CLOSE},
     .scheme = "ws",
     .cause = WIRE_CAUSE_CLOSED_BY_PEER,
     .words = "before it answered the upgrade"},
    {.name = "no TLS server",
     .script = {.answer = "HTTP/1.1 400 Bad Request\r\n\r\n", .is_hasty = 1},
     .scheme = "wss",
     .cause = WIRE_CAUSE_TLS_OTHER,
     .words = "is its URL ws:// rather than wss://?"},
    {.name = "close frame with code and reason",
     .script = {.after = BYTES("\x81\x02hi\x88\x06\x03\xe9"
                               "away"),
                .end = RAW_END_HOLD},
     .scheme = "ws",
     .cause = WIRE_CAUSE_CLOSED_BY_PEER,
     .words = "code 1001: away",
     .close_code = 1001,
     .sent_code = 1001,
     .messages = 1},
    {.name = "close frame without a code",
     .script = {.after = BYTES("\x88\x00"), .end = RAW_END_HOLD},
     .scheme = "ws",
     .cause = WIRE_CAUSE_CLOSED_BY_PEER,
     .words = "closed the connection"},
    {.name = "end of stream without a close frame",
     .script = {.after = BYTES("\x81\x02hi"), .end = RAW_END_CLOSE},
     .scheme = "ws",
     .cause = WIRE_CAUSE_CLOSED_BY_PEER,
     .words = "without a close frame",
     .messages = 1},
    {.name = "reset",
     .script = {.end = RAW_END_RESET},
     .scheme = "ws",
     .cause = WIRE_CAUSE_RESET,
     .words = "reset the connection"},
    {.name = "reserved opcode",
     .script = {.after = BYTES("\x81\x02hi\x83\x00"), .end = RAW_END_HOLD},
     .scheme = "ws",
     .cause = WIRE_CAUSE_PROTOCOL,
     .sent_code = 1002,
     .words = "broke the WebSocket protocol",
     .messages = 1},
    {.name = "continuation of nothing",
     .script = {.after = BYTES("\x80\x02hi"), .end = RAW_END_HOLD},
     .scheme = "ws",
     .cause = WIRE_CAUSE_PROTOCOL,
     .sent_code = 1002,
     .words = "broke the WebSocket protocol"},
};

static void run_end_case(const end_case *c)
{
    raw_peer *peer = raw_peer_start(&c->script);
    wire_loop *loop = open_loop();
    wire_side side;
    wire_side_connect(&side, loop, url_of(peer, c->scheme), NULL);
    print_message("%s\n", c->name);
    wire_side_expect_end(&side, c->cause, c->words);
    assert_int_equal(side.http_status, c->http_status);
    assert_int_equal(side.close_code, c->close_code);
    assert_int_equal(side.sent_code, c->sent_code);
    assert_int_equal(side.messages, c->messages);
    wire_loop_close(loop);
    raw_peer_stop(peer, NULL, 0);
}

static void test_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof END_CASES / sizeof *END_CASES; i++)
        run_end_case(&END_CASES[i]);
}

static void test_never_answers(void **state)
{
    (void)state;
    static const raw_script SILENT = {.answer = "", .end = RAW_END_HOLD};
    static const struct {
        const char *scheme, *words;
    } ROWS[] = {{"ws", "in time (upgrade to WebSocket)"}, {"wss", "in time (TLS handshake)"}};
    for (size_t i = 0; i < 2; i++) {
        raw_peer *peer = raw_peer_start(&SILENT);
        wire_loop *loop = open_loop();
        wire_side side;
        wire_client_options options = {.connect_timeout_ns = TD_NS_PER_S}; /* the lookup, too */
        wire_side_connect(&side, loop, url_of(peer, ROWS[i].scheme), &options);
        wire_side_expect_end(&side, WIRE_CAUSE_TIMEOUT, ROWS[i].words);
        wire_loop_close(loop);
        raw_peer_stop(peer, NULL, 0);
    }
}

static void test_no_listener(void **state)
{
    (void)state;
    static const raw_script UNUSED = {.answer = ""};
    raw_peer *peer = raw_peer_start(&UNUSED);
    char url[64];
    (void)snprintf(url, sizeof url, "%s", url_of(peer, "ws"));
    raw_peer_stop(peer, NULL, 0); /* its port is free now */
    wire_loop *loop = open_loop();
    wire_side side;
    wire_side_connect(&side, loop, url, NULL);
    wire_side_expect_end(&side, WIRE_CAUSE_CONNECT, "no answer at 127.0.0.1:");
    assert_non_null(strstr(side.text, ": Connection refused"));
    wire_loop_close(loop);
}

/* RFC 6761, 6.4: a name under .invalid never has an address. */
static void test_unknown_name_fails(void **state)
{
    (void)state;
    wire_loop *loop = open_loop();
    wire_side side;
    wire_side_connect(&side, loop, "wss://tapedeck.invalid/", NULL);
    wire_side_expect_end(&side, WIRE_CAUSE_RESOLVE, "'tapedeck.invalid' has no address");
    /* Closed while the lookup is in progress. */
    wire_side_connect(&side, loop, "wss://tapedeck.invalid/", NULL);
    wire_close(side.conn, 1000, td_bytes_of(NULL, 0));
    wire_side_expect_end(&side, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
    /* The lookup outlives the loop. */
    wire_side_connect(&side, loop, "wss://tapedeck.invalid/", NULL);
    wire_loop_close(loop);
    assert_int_equal(side.ended, 1);
    assert_int_equal(side.cause, WIRE_CAUSE_CLOSED_BY_US);
}

static void test_arguments_refused(void **state)
{
    (void)state;
    wire_loop *loop = open_loop();
    wire_conn *conn = NULL;
    td_err err;
    wire_client_options options = {.url = "http://h/", .ops = &WIRE_SIDE_OPS};
    assert_int_equal(wire_connect(loop, &options, &conn, &err), TD_E_INVALID);
    options.url = "ws://h/";
    options.connect_timeout_ns = 61 * TD_NS_PER_S;
    assert_int_equal(wire_connect(loop, &options, &conn, &err), TD_E_INVALID);
    assert_null(conn);
    wire_loop_close(loop);
}

/* Text in three fragments with a ping and a pong between them, an empty message, a binary message.
 */
static void test_fragments(void **state)
{
    (void)state;
    static const char FRAMES[] = "\x01\x03{\"a"
                                 "\x89\x02hi"
                                 "\x00\x02\":"
                                 "\x8a\x00"
                                 "\x80\x02"
                                 "1}"
                                 "\x81\x00"
                                 "\x82\x03\x1f\x8b\x08";
    static const raw_script SCRIPT = {.after = BYTES(FRAMES), .end = RAW_END_CLOSE};
    raw_peer *peer = raw_peer_start(&SCRIPT);
    wire_loop *loop = open_loop();
    wire_side side;
    wire_side_connect(&side, loop, url_of(peer, "ws"), NULL);
    wire_run_until(loop, &side.messages, 1, "the first message");
    wire_side_expect_end(&side, WIRE_CAUSE_CLOSED_BY_PEER, "without a close frame");
    assert_int_equal(side.messages, 3);
    assert_int_equal(side.message_bytes, 7 + 0 + 3);
    assert_string_equal(side.heartbeats, "ping:hi pong: out:hi ");
    assert_int_equal(side.last_opcode, 2);
    assert_string_equal(side.last, "\x1f\x8b\x08");
    assert_false(side.is_last_fragmented);
    wire_loop_close(loop);
    raw_peer_stop(peer, NULL, 0);
}

static void test_whole_text_of_fragments(void **state)
{
    (void)state;
    static const raw_script SCRIPT = {.after = BYTES("\x01\x03{\"a\x00\x02\":\x80\x02"
                                                     "1}"),
                                      .end = RAW_END_HOLD};
    raw_peer *peer = raw_peer_start(&SCRIPT);
    wire_loop *loop = open_loop();
    wire_side side;
    wire_side_connect(&side, loop, url_of(peer, "ws"), NULL);
    wire_run_until(loop, &side.messages, 1, "the message");
    assert_string_equal(side.last, "{\"a\":1}");
    assert_int_equal(side.last_opcode, 1);
    assert_true(side.is_last_fragmented);
    assert_true(side.last_recv_ns > 0);
    wire_close(side.conn, 1000, td_bytes_of(NULL, 0));
    wire_side_expect_end(&side, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
    wire_loop_close(loop);
    raw_peer_stop(peer, NULL, 0);
}

/* A message of exactly the limit is accepted, one byte more is not; in one frame and in fragments.
 */
static void test_message_limit(void **state)
{
    (void)state;
    for (int row = 0; row < 4; row++) {
        size_t size = LIMIT_FRAME_BYTES + (row & 1);
        int is_split = row >> 1;
        size_t first = is_split ? size / 2 : size;
        uint8_t *bytes = calloc(1, size + 20);
        uint8_t *at = bytes;
        for (size_t done = 0; done < size;) {
            size_t piece = done == 0 ? first : size - done;
            *at++ = (uint8_t)((done == 0 ? 2 : 0) | (done + piece == size ? 0x80 : 0));
            *at++ = 127;
            for (int i = 7; i >= 0; i--)
                *at++ = (uint8_t)(piece >> (8 * i));
            memset(at, 'x', piece);
            at += piece;
            done += piece;
        }
        raw_script script = {.after = td_bytes_of(bytes, (size_t)(at - bytes)),
                             .end = RAW_END_CLOSE};
        raw_peer *peer = raw_peer_start(&script);
        wire_loop *loop = open_loop();
        wire_side side;
        wire_side_connect(&side, loop, url_of(peer, "ws"), NULL);
        wire_run_until(loop, &side.ended, 1, "the end");
        assert_int_equal(side.messages, row & 1 ? 0 : 1);
        assert_int_equal(side.message_bytes, row & 1 ? 0 : LIMIT_FRAME_BYTES);
        assert_int_equal(side.cause, row & 1 ? WIRE_CAUSE_TOO_LARGE : WIRE_CAUSE_CLOSED_BY_PEER);
        wire_loop_close(loop);
        raw_peer_stop(peer, NULL, 0);
        free(bytes);
    }
}

/* A frame that announces 4 GiB is refused as soon as its head has arrived. */
static void test_announced_too_large(void **state)
{
    (void)state;
    enum { SENT = 256 << 10 };
    static const uint8_t HEAD[] = {0x82, 0x7f, 0, 0, 0, 1, 0, 0, 0, 0};
    uint8_t *bytes = calloc(1, SENT);
    memcpy(bytes, HEAD, sizeof HEAD);
    raw_script script = {.after = td_bytes_of(bytes, SENT), .end = RAW_END_HOLD};
    raw_peer *peer = raw_peer_start(&script);
    wire_loop *loop = open_loop();
    wire_side side;
    wire_side_connect(&side, loop, url_of(peer, "ws"), NULL);
    wire_side_expect_end(&side, WIRE_CAUSE_TOO_LARGE, "more than 16777216 bytes");
    assert_int_equal(side.messages, 0);
    wire_loop_close(loop);
    raw_peer_stop(peer, NULL, 0);
    free(bytes);
}

/* A clock on which a thread's CPU time is a million times as long. */
static uint64_t slow_thread_ns(void *ctx)
{
    (void)ctx;
    return clock_thread_ns(clock_real()) * 1000000;
}

/* A peer whose messages take too long to inflate is closed; with the machine's clock it is not. */
static void test_costly_to_inflate(void **state)
{
    (void)state;
    static const raw_script SCRIPT = {
        .lines = "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        .after = BYTES("\x81\x02hi\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x81\x02hi"),
        .end = RAW_END_CLOSE};
    td_clock_ops slow = *clock_real().ops;
    slow.thread_ns = slow_thread_ns;
    for (int is_slow = 0; is_slow < 2; is_slow++) {
        raw_peer *peer = raw_peer_start(&SCRIPT);
        wire_loop *loop = NULL;
        wire_side side;
        td_clock clock = {.ops = is_slow ? &slow : clock_real().ops};
        assert_int_equal(wire_loop_open(clock, NULL, &loop, NULL), TD_OK);
        const wire_client_options options = {.with_deflate = 1};
        wire_side_connect(&side, loop, url_of(peer, "ws"), &options);
        wire_side_expect_end(&side, is_slow ? WIRE_CAUSE_TOO_LARGE : WIRE_CAUSE_CLOSED_BY_PEER,
                             is_slow
                                 ? "compressed messages that take more than a quarter of the time"
                                 : "without a close frame");
        assert_true(side.messages == 3 || is_slow);
        assert_string_equal(side.extensions, "permessage-deflate");
        wire_loop_close(loop);
        raw_peer_stop(peer, NULL, 0);
    }
}

/* A connection's request: path and query as given, Host with its port, no subprotocol. */
static void test_request(void **state)
{
    (void)state;
    static const raw_script SCRIPT = {.answer = "HTTP/1.1 401 No\r\n\r\n"};
    raw_peer *peer = raw_peer_start(&SCRIPT);
    wire_loop *loop = open_loop();
    wire_side side;
    char url[128];
    char host[64];
    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u/a/b?api_key=k%%26&x=1", raw_peer_port(peer));
    (void)snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%u\r\n", raw_peer_port(peer));
    wire_side_connect(&side, loop, url, NULL);
    wire_side_expect_end(&side, WIRE_CAUSE_REFUSED, "401");
    wire_loop_close(loop);
    char request[4096];
    raw_peer_stop(peer, request, sizeof request);
    assert_non_null(strstr(request, "GET /a/b?api_key=k%26&x=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(request, host));
    assert_non_null(strcasestr(request, "\r\nUser-Agent: tapedeck\r\n"));
    assert_null(strcasestr(request, "Sec-WebSocket-Protocol"));
    assert_null(strcasestr(request, "Sec-WebSocket-Extensions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_never_answers),
        cmocka_unit_test(test_no_listener),
        cmocka_unit_test(test_unknown_name_fails),
        cmocka_unit_test(test_arguments_refused),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_whole_text_of_fragments),
        cmocka_unit_test(test_message_limit),
        cmocka_unit_test(test_announced_too_large),
        cmocka_unit_test(test_costly_to_inflate),
        cmocka_unit_test(test_request),
    };
    return cmocka_run_group_tests_name("wire/client", tests, NULL, NULL);
}
