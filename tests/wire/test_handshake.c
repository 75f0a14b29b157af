/* The opening handshake: which requests and answers are accepted, and the errors for the others.
 * Key and accept value are RFC 6455's own example (1.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wire/handshake.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* ---- the server's side ---- */

#define GET     "GET /realtime?a=b HTTP/1.1\r\n"
#define HOST    "Host: localhost:1\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define WITHKEY "Sec-WebSocket-Key: " KEY "\r\n"
#define END     "\r\n"

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        unsigned status;
        const char *why;
    } ROWS[] = {
        {GET HOST UPGRADE VERSION WITHKEY END, 101, NULL},
        {GET HOST WITHKEY VERSION "connection: keep-alive , upgrade\r\nUPGRADE:WebSocket\r\n" END,
         101, NULL},
        {GET HOST
         "Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n" VERSION
             WITHKEY END,
         101, NULL},
        {GET HOST UPGRADE VERSION WITHKEY "Sec-WebSocket-Protocol: chat\r\nX: \t y \r\n" END, 101,
         NULL},
        {GET HOST END, 200, NULL},
        {GET HOST "Content-Length: 0\r\n" END, 200, NULL},
        {"GET /realtime HTTP/1.0\r\n" HOST UPGRADE VERSION WITHKEY END, 400,
         "the request is not HTTP/1.1"},
        {"GET /realtime HTTP/2\r\n" HOST END, 400, "the request line is malformed"},
        {"GET  /realtime HTTP/1.1\r\n" HOST END, 400, "the request line is malformed"},
        {"GET /a b HTTP/1.1\r\n" HOST END, 400, "the request line is malformed"},
        {"get / HTTP/1.1\r\n" HOST END, 405, "the method is not GET"},
        {"POST / HTTP/1.1\r\n" HOST END, 405, "the method is not GET"},
        {"GET http://x HTTP/1.1\r\n" HOST END, 400, "the target is not a path"},
        {"GET ftp://x/ HTTP/1.1\r\n" HOST END, 400, "the target is not a path"},
        {"GET /\xc3\xa4 HTTP/1.1\r\n" HOST END, 400,
         "the target has characters that URLs must not have"},
        {"\r\n", 400, "the first line is empty"},
        {"GET / HTTP/1.1\nHost: x\r\n\r\n", 400, "a line does not end with CR LF"},
        {GET HOST HOST END, 400, "a header is repeated"},
        {GET UPGRADE VERSION WITHKEY END, 400, "the header Host is missing"},
        {GET HOST UPGRADE VERSION END, 400,
         "the header Sec-WebSocket-Key is not base64 of 16 bytes"},
        {GET HOST UPGRADE VERSION WITHKEY WITHKEY END, 400, "a header is repeated"},
        {GET HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n" END, 400,
         "the header Sec-WebSocket-Key is not base64 of 16 bytes"},
        {GET HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ!=\r\n" END, 400,
         "the header Sec-WebSocket-Key is not base64 of 16 bytes"},
        {GET HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZS!ub25jZQ==\r\n" END, 400,
         "the header Sec-WebSocket-Key is not base64 of 16 bytes"},
        {GET HOST UPGRADE WITHKEY END, 426, "the header Sec-WebSocket-Version is not 13"},
        {GET HOST UPGRADE WITHKEY "Sec-WebSocket-Version: 8\r\n" END, 426,
         "the header Sec-WebSocket-Version is not 13"},
        {GET HOST "Upgrade: websocket\r\n" VERSION WITHKEY END, 400,
         "the header Connection lacks 'Upgrade'"},
        {GET HOST "Connection: Upgrade\r\n" VERSION WITHKEY END, 400,
         "the header Upgrade lacks 'websocket'"},
        {GET HOST "Upgrade: websockets\r\nConnection: upgraded\r\n" VERSION WITHKEY END, 400,
         "the header Connection lacks 'Upgrade'"},
        {GET HOST UPGRADE VERSION WITHKEY "Content-Length: 5\r\n" END, 400,
         "the request has a body"},
        {GET HOST UPGRADE VERSION WITHKEY "Transfer-Encoding: chunked\r\n" END, 400,
         "the request has a body"},
        {GET HOST "No colon\r\n" END, 400, "a header line is malformed"},
        {GET HOST "Bad name : x\r\n" END, 400, "a header line is malformed"},
        {GET HOST ": x\r\n" END, 400, "a header line is malformed"},
        {GET HOST " folded: x\r\n" END, 400, "a header line is malformed"},
        {GET HOST "X: a\x01"
                  "b\r\n" END,
         400, "a header line has a control character"},
        {GET HOST "X: a\rb\r\n" END, 400, "a header line has a control character"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        handshake_request got;
        handshake_read_request(td_bytes_str(ROWS[i].head), &got);
        if (got.status != ROWS[i].status || (got.why == NULL) != (ROWS[i].why == NULL) ||
            (got.why != NULL && strcmp(got.why, ROWS[i].why) != 0))
            fail_msg("%s  %u %s", ROWS[i].head, got.status, got.why == NULL ? "" : got.why);
        if (got.status != 101)
            continue;
        assert_true(td_bytes_is(got.path, "/realtime"));
        assert_true(td_bytes_is(got.query, "a=b"));
        assert_true(td_bytes_is(got.key, KEY));
    }
}

/* 431 for a head with too many bytes, and for one with too many lines. */
static void test_large_heads(void **state)
{
    (void)state;
    handshake_request got;
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    td_buf_add(&text, GET, strlen(GET));
    for (int i = 0; i < 101; i++)
        td_buf_add(&text, "X: y\r\n", 6);
    td_buf_add(&text, HOST END, strlen(HOST END));
    handshake_read_request(td_buf_view(&text), &got);
    assert_int_equal(got.status, 431);
    td_buf_clear(&text);
    td_buf_add(&text, GET HOST "X: ", strlen(GET HOST "X: "));
    while (text.size < HANDSHAKE_BYTES_MAX)
        td_buf_add(&text, "y", 1);
    td_buf_add(&text, "\r\n" END, 4);
    handshake_read_request(td_buf_view(&text), &got);
    assert_int_equal(got.status, 431);
    td_buf_fini(&text);
    assert_int_equal(handshake_head_bytes(td_bytes_str(GET HOST END "\x81\x00")),
                     strlen(GET HOST END));
    assert_int_equal(handshake_head_bytes(td_bytes_str(GET HOST "\r")), 0);
    assert_int_equal(handshake_head_bytes((td_bytes){0}), 0);
}

/* RFC 7692, 7.1: the window of the first acceptable offer. */
static void test_offers(void **state)
{
    (void)state;
    static const struct {
        const char *offer;
        int bits;
        int is_asked;
    } ROWS[] = {
        {"permessage-deflate", 15, 0},
        {"permessage-deflate; client_max_window_bits", 15, 0},
        {"permessage-deflate; client_max_window_bits=10; server_max_window_bits=10", 10, 1},
        {"permessage-deflate; server_max_window_bits=15", 15, 1},
        {"permessage-deflate; server_max_window_bits=\"9\"", 9, 1},
        {"permessage-deflate;server_no_context_takeover ;client_no_context_takeover", 15, 0},
        {"x-webkit-deflate-frame, permessage-deflate", 15, 0},
        {"permessage-deflate; server_max_window_bits=8, permessage-deflate", 15, 0},
        {"permessage-deflate; server_max_window_bits=8", 0, 0}, /* zlib cannot compress with it */
        {"permessage-deflate; server_max_window_bits", 0, 0},
        {"permessage-deflate; server_max_window_bits=16", 0, 0},
        {"permessage-deflate; server_max_window_bits=010", 0, 0},
        {"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", 0, 0},
        {"permessage-deflate; server_no_context_takeover=1", 0, 0},
        {"permessage-deflate; unknown", 0, 0},
        {"permessage-bzip2", 0, 0},
        {"", 0, 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char head[512];
        handshake_request got;
        snprintf(head, sizeof head,
                 GET HOST UPGRADE VERSION WITHKEY "Sec-WebSocket-Extensions: %s\r\n" END,
                 ROWS[i].offer);
        handshake_read_request(td_bytes_str(head), &got);
        assert_int_equal(got.status, 101);
        if (got.deflate_bits != ROWS[i].bits || got.is_window_requested != ROWS[i].is_asked)
            fail_msg("%s: %d", ROWS[i].offer, got.deflate_bits);
    }
}

/* RFC 6455, 9.1: offers that violate the grammar fail the connection. */
static void test_offers_out_of_grammar(void **state)
{
    (void)state;
    static const char *const OFFERS[] = {
        "permessage-deflate; ;", "; a",  "a b", "a=1;=2", "a; b=", "a; b=\"1",
        "a; b=\"1 2\"",          "a, /",
    };
    for (size_t i = 0; i < sizeof OFFERS / sizeof *OFFERS; i++) {
        char head[512];
        handshake_request got;
        snprintf(head, sizeof head,
                 GET HOST UPGRADE VERSION WITHKEY "Sec-WebSocket-Extensions: %s\r\n" END,
                 OFFERS[i]);
        handshake_read_request(td_bytes_str(head), &got);
        if (got.status != 400)
            fail_msg("%s: %u", OFFERS[i], got.status);
        assert_string_equal(got.why,
                            "the header Sec-WebSocket-Extensions is not a list of extensions");
    }
}

static void expect_text(td_buf *got, const char *expected)
{
    td_buf_add(got, "", 1);
    assert_string_equal((const char *)got->data, expected);
    td_buf_clear(got);
}

static void test_server_answers(void **state)
{
    (void)state;
    td_buf out;
    td_buf_init(&out, SIZE_MAX);
    handshake_request request = {.status = 101, .key = td_bytes_str(KEY)};
    handshake_accept(&request, &out);
    expect_text(&out,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n");
    request.deflate_bits = 10;
    request.is_window_requested = 1;
    handshake_accept(&request, &out);
    expect_text(&out,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Extensions: permessage-deflate; "
                "server_no_context_takeover; client_no_context_takeover; "
                "server_max_window_bits=10\r\n\r\n");
    handshake_answer(426, "no", &out);
    expect_text(&out,
                "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain; "
                "charset=utf-8\r\nContent-Length: 3\r\n"
                "Connection: close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\nno\n");
    td_buf_fini(&out);
}

static void test_handed_on(void **state)
{
    (void)state;
    td_buf out;
    td_buf_init(&out, SIZE_MAX);
    handshake_copy_fields(
        td_bytes_str("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nconnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Extensions: permessage-deflate\r\nUser-Agent: a: b\r\n"
                     "Sec-WebSocket-Protocol: one, two\r\nContent-Length: 0\r\nCookie: c\r\n\r\n"),
        &out);
    expect_text(&out, "Sec-WebSocket-Extensions: permessage-deflate\r\nUser-Agent: a: b\r\n"
                      "Sec-WebSocket-Protocol: one, two\r\nCookie: c\r\n");
    handshake_request request = {
        .status = 101, .key = td_bytes_str(KEY), .fields = "Sec-WebSocket-Protocol: two\r\n"};
    handshake_accept(&request, &out);
    expect_text(&out,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: two\r\n\r\n");
    handshake_put_answer(403, "X: y\r\n", td_bytes_str("no"), &out);
    expect_text(&out, "HTTP/1.1 403 Forbidden\r\nX: y\r\nContent-Length: 2\r\n"
                      "Connection: close\r\n\r\nno");
    td_buf_fini(&out);
}

/* ---- the client's side ---- */

static const upgrade_request ASK = {"localhost:1", "/realtime?a=b", "the sample nonce", 0, NULL};

static void test_client_request(void **state)
{
    (void)state;
    td_buf out;
    handshake_request read;
    td_buf_init(&out, SIZE_MAX);
    upgrade_request ask = ASK;
    ask.with_deflate = 1;
    handshake_put_request(&ask, &out);
    handshake_read_request(td_buf_view(&out), &read);
    assert_int_equal(read.status, 101);
    assert_true(td_bytes_is(read.path, "/realtime"));
    assert_true(td_bytes_is(read.query, "a=b"));
    assert_true(td_bytes_is(read.key, KEY));
    assert_int_equal(read.deflate_bits, 15);
    assert_int_equal(handshake_head_bytes(td_buf_view(&out)), out.size);
    td_buf_add(&out, "", 1);
    assert_non_null(
        strstr((const char *)out.data, "permessage-deflate; client_max_window_bits\r\n"));
    td_buf_fini(&out);
}

#define ANSWER "HTTP/1.1 101 Switching Protocols\r\n"
#define RIGHT  "Sec-WebSocket-Accept: " ACCEPT "\r\n"
#define AGREED "Sec-WebSocket-Extensions: permessage-deflate"

static void test_replies(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        int with_deflate;
        unsigned status;
        const char *why;
        int is_deflated;
    } ROWS[] = {
        {ANSWER UPGRADE RIGHT END, 0, 101, NULL, 0},
        {ANSWER UPGRADE RIGHT "Server: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n" END, 0, 101, NULL,
         0},
        {"HTTP/1.1 101\r\n" UPGRADE RIGHT END, 0, 101, NULL, 0},
        {"HTTP/1.0 101 x\r\n" UPGRADE RIGHT END, 0, 101, "its first line is not HTTP/1.1", 0},
        {"HTTP/1.0 404 x\r\n" END, 0, 404, NULL, 0},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n" END, 0, 403, NULL, 0},
        {"SSH-2.0-OpenSSH\r\n" END, 0, 0, "its first line is not HTTP/1.1", 0},
        {"HTTP/1.1 1010 x\r\n" END, 0, 0, "its first line is not HTTP/1.1", 0},
        {ANSWER UPGRADE END, 0, 101, "the header Sec-WebSocket-Accept does not match the key", 0},
        {ANSWER UPGRADE "Sec-WebSocket-Accept: " KEY "\r\n" END, 0, 101,
         "the header Sec-WebSocket-Accept does not match the key", 0},
        {ANSWER UPGRADE RIGHT RIGHT END, 0, 0, "a header is repeated", 0},
        {ANSWER "Connection: Upgrade\r\n" RIGHT END, 0, 101, "the header Upgrade lacks 'websocket'",
         0},
        {ANSWER "Upgrade: websocket\r\n" RIGHT END, 0, 101, "the header Connection lacks 'Upgrade'",
         0},
        {ANSWER UPGRADE RIGHT "Sec-WebSocket-Protocol: chat\r\n" END, 0, 101,
         "it chose a subprotocol that was not offered", 0},
        {ANSWER UPGRADE RIGHT AGREED "\r\n" END, 0, 101,
         "it agreed to an extension that was not offered", 0},
        {ANSWER UPGRADE RIGHT AGREED "\r\n" END, 1, 101, NULL, 1},
        {ANSWER UPGRADE RIGHT AGREED
         "; server_no_context_takeover; server_max_window_bits=12\r\n" END,
         1, 101, NULL, 1},
        {ANSWER UPGRADE RIGHT AGREED
         "; client_no_context_takeover; client_max_window_bits=8\r\n" END,
         1, 101, NULL, 1},
        {ANSWER UPGRADE RIGHT AGREED "; client_max_window_bits\r\n" END, 1, 101,
         "it agreed to an extension that was not offered", 0},
        {ANSWER UPGRADE RIGHT AGREED "; server_max_window_bits=16\r\n" END, 1, 101,
         "it agreed to an extension that was not offered", 0},
        {ANSWER UPGRADE RIGHT AGREED ", permessage-deflate\r\n" END, 1, 101,
         "it agreed to an extension that was not offered", 0},
        {ANSWER UPGRADE RIGHT "Sec-WebSocket-Extensions: x\r\n" END, 1, 101,
         "it agreed to an extension that was not offered", 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        handshake_reply got;
        upgrade_request ask = ASK;
        ask.with_deflate = (uint8_t)ROWS[i].with_deflate;
        handshake_read_reply(&ask, td_bytes_str(ROWS[i].head), &got);
        if (got.status != ROWS[i].status || (got.why == NULL) != (ROWS[i].why == NULL) ||
            (got.why != NULL && strcmp(got.why, ROWS[i].why) != 0) ||
            got.is_deflated != ROWS[i].is_deflated ||
            (got.extensions.size > 0) != ROWS[i].is_deflated)
            fail_msg("%s  %u %s %d", ROWS[i].head, got.status, got.why == NULL ? "" : got.why,
                     got.is_deflated);
    }
    handshake_reply got;
    const upgrade_request ask = {.host = "", .target = "", .nonce = "the sample nonce", 1};
    handshake_read_reply(
        &ask, td_bytes_str(ANSWER UPGRADE RIGHT AGREED ";  server_no_context_takeover \r\n" END),
        &got);
    assert_int_equal(got.context, DEFLATE_NO_TAKEOVER);
    assert_int_equal(got.sent_context, DEFLATE_TAKEOVER);
    assert_true(td_bytes_is(got.extensions, "permessage-deflate;  server_no_context_takeover"));
    handshake_read_reply(&ASK, td_bytes_str("HTTP/1.1 429 Slow down\r\nRetry-After: 30\r\n\r\n"),
                         &got);
    assert_int_equal(got.retry_after_s, 30);
    handshake_read_reply(
        &ask, td_bytes_str(ANSWER UPGRADE RIGHT AGREED "; client_no_context_takeover\r\n" END),
        &got);
    assert_int_equal(got.context, DEFLATE_TAKEOVER);
    assert_int_equal(got.sent_context, DEFLATE_NO_TAKEOVER);
    handshake_read_reply(
        &ASK, td_bytes_str("HTTP/1.1 429 x\r\nRetry-After: Fri, 31 Dec 1999\r\n\r\n"), &got);
    assert_int_equal(got.retry_after_s, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),       cmocka_unit_test(test_large_heads),
        cmocka_unit_test(test_offers),         cmocka_unit_test(test_offers_out_of_grammar),
        cmocka_unit_test(test_server_answers), cmocka_unit_test(test_handed_on),
        cmocka_unit_test(test_client_request), cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
