/* GET requests against peers that reply with hand-written bytes (RFC 9112: 6.2 Content-Length, 7.1
 * chunks, 6.3 a body that ends with the connection); expected causes and texts are from
 * wire/client.h. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "tests/testing/files.h"
#include "tests/testing/raw_peer.h"
#include "tests/testing/wire_side.h"
#include "wire/http.h"

/* The result of a request. */
typedef struct http_side {
    unsigned done;
    wire_cause cause;
    unsigned status;
    char body[256];
    size_t body_size;
    char text[512];
    uint64_t recv_mono_ns;
} http_side;

static void on_done(void *user, const wire_http_end *end)
{
    http_side *side = user;
    side->done++;
    side->cause = end->cause;
    side->status = end->status;
    side->body_size = end->body.size;
    side->recv_mono_ns = end->recv_mono_ns;
    size_t size = end->body.size < sizeof side->body - 1 ? end->body.size : sizeof side->body - 1;
    if (size > 0)
        memcpy(side->body, end->body.data, size);
    side->body[size] = '\0';
    (void)snprintf(side->text, sizeof side->text, "%s", end->text);
}

static wire_loop *open_loop(void)
{
    wire_loop *loop = NULL;
    td_err err;
    if (wire_loop_open(clock_real(), NULL, &loop, &err) != TD_OK)
        fail_msg("%s", err.text);
    return loop;
}

typedef struct http_case {
    const char *name;
    raw_script script;
    wire_cause cause;
    unsigned status;
    const char *body;  /* if cause is NONE */
    const char *words; /* in the error otherwise */
    uint64_t timeout_ns;
} http_case;

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

static const http_case CASES[] = {
    {.name = "a body of known length",
     .script = {.answer = OK_HEAD "Content-Length: 11\r\n\r\n{\"ok\":true}"},
     .status = 200,
     .body = "{\"ok\":true}"},
    {.name = "a body of known length on a connection that stays",
     .script = {.answer = OK_HEAD "Content-Length: 2\r\n\r\n{}", .end = RAW_END_HOLD},
     .status = 200,
     .body = "{}"},
    {.name = "chunks",
     .script = {.answer = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"
                                  "5\r\n{\"ok\"\r\n6\r\n:true}\r\n0\r\n\r\n",
                .end = RAW_END_HOLD},
     .status = 200,
     .body = "{\"ok\":true}"},
    {.name = "a body that ends with the connection",
     .script = {.answer = OK_HEAD "Connection: close\r\n\r\n{\"ok\":true}"},
     .status = 200,
     .body = "{\"ok\":true}"},
    {.name = "chunks with extensions and trailers, and another head before",
     .script = {.answer =
                    "HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"
                    "3;a=b\r\n{\"o\r\n0A \r\nk\":true}\r\n\r\n0\r\nA: b\r\n\r\n",
                .end = RAW_END_HOLD},
     .status = 200,
     .body = "{\"ok\":true}\r\n"},
    {.name = "a chunk that is longer than its size",
     .script = {.answer = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
                .end = RAW_END_HOLD},
     .cause = WIRE_CAUSE_PROTOCOL,
     .words = "chunks that are malformed"},
    {.name = "chunks over the bound",
     .script = {.answer = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n3f\r\n",
                .end = RAW_END_HOLD},
     .cause = WIRE_CAUSE_TOO_LARGE,
     .words = "more than 64 bytes"},
    {.name = "an empty body",
     .script = {.answer = OK_HEAD "Content-Length: 0\r\n\r\n", .end = RAW_END_HOLD},
     .status = 200,
     .body = ""},
    {.name = "a refusal is a reply too",
     .script = {.answer = "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"},
     .status = 500,
     .body = "oops"},
    {.name = "a redirect is not followed",
     .script = {.answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                          "Content-Length: 0\r\n\r\n"},
     .status = 302,
     .body = ""},
    {.name = "cut in the middle",
     .script = {.answer = OK_HEAD "Content-Length: 11\r\n\r\n{\"ok\""},
     .cause = WIRE_CAUSE_CLOSED_BY_PEER,
     .words = "in the middle of its reply"},
    {.name = "cut between chunks",
     .script = {.answer = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"ok\"\r\n"},
     .cause = WIRE_CAUSE_CLOSED_BY_PEER,
     .words = "in the middle of its reply"},
    {.name = "cut where the connection is the only end",
     .script = {.answer = OK_HEAD "Connection: close\r\n\r\n[{\"s\":\"]}\"}"},
     .cause = WIRE_CAUSE_CLOSED_BY_PEER,
     .words = "in the middle of its reply"},
    {.name = "no reply",
     .script = {.answer = "", .end = RAW_END_CLOSE},
     .cause = WIRE_CAUSE_CLOSED_BY_PEER,
     .words = "before it replied"},
    /* Long enough to reach the phase named in `words` even on a busy machine. */
    {.name = "silence",
     .script = {.answer = "", .end = RAW_END_HOLD},
     .cause = WIRE_CAUSE_TIMEOUT,
     .words = "did not answer in time (reply to the request)",
     .timeout_ns = 1500 * TD_NS_PER_MS},
    {.name = "a reply that never ends",
     .script = {.answer = OK_HEAD "Content-Length: 99\r\n\r\n{", .end = RAW_END_HOLD},
     .cause = WIRE_CAUSE_TIMEOUT,
     .words = "did not answer in time (rest of its reply)",
     .timeout_ns = 1500 * TD_NS_PER_MS},
    {.name = "over the bound, as it says",
     .script = {.answer = OK_HEAD "Content-Length: 65\r\n\r\n"
                                  "0123456789012345678901234567890123456789"
                                  "0123456789012345678901234"},
     .cause = WIRE_CAUSE_TOO_LARGE,
     .words = "more than 64 bytes"},
};

static void one_reply(const http_case *row)
{
    char url[64];
    char request[1024];
    td_err err;
    http_side side = {0};
    print_message("  %s\n", row->name);
    wire_loop *loop = open_loop();
    raw_peer *peer = raw_peer_start(&row->script);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/v5/x?a=b", raw_peer_port(peer));
    wire_http_options options = {.url = url,
                                 .timeout_ns = row->timeout_ns,
                                 .reply_bytes_max = 64,
                                 .done = on_done,
                                 .user = &side};
    wire_http *http = NULL;
    uint64_t before_ns = clock_mono_ns(clock_real());
    if (wire_http_send(loop, &options, &http, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(side.done, 0);
    wire_run_until(loop, &side.done, 1, "reply");
    assert_int_equal(side.cause, row->cause);
    if (row->cause == WIRE_CAUSE_NONE) {
        assert_int_equal(side.status, row->status);
        assert_string_equal(side.body, row->body);
        assert_string_equal(side.text, "");
        assert_true(side.recv_mono_ns >= before_ns);
    } else if (strstr(side.text, row->words) == NULL) {
        fail_msg("'%s' does not say '%s'", side.text, row->words);
    }
    wire_loop_close(loop);
    raw_peer_stop(peer, request, sizeof request);
    assert_non_null(strstr(request, "GET /v5/x?a=b HTTP/1.1"));
    assert_null(strstr(request, "Upgrade: websocket"));
}

static void replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        one_reply(&CASES[i]);
}

/* A body that needs many reads is complete. */
static void a_large_reply_comes_whole(void **state)
{
    (void)state;
    enum { BODY_BYTES = 3 << 20 };
    static char answer[BODY_BYTES + 128];
    int head = snprintf(answer, sizeof answer, OK_HEAD "Content-Length: %d\r\n\r\n", BODY_BYTES);
    memset(answer + head, 'x', BODY_BYTES);
    answer[head + BODY_BYTES] = '\0';
    raw_script script = {.answer = answer, .end = RAW_END_HOLD};
    raw_peer *peer = raw_peer_start(&script);
    wire_loop *loop = open_loop();
    char url[64];
    http_side side = {0};
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", raw_peer_port(peer));
    wire_http_options options = {
        .url = url, .reply_bytes_max = LIMIT_FRAME_BYTES, .done = on_done, .user = &side};
    wire_http *http = NULL;
    assert_int_equal(wire_http_send(loop, &options, &http, NULL), TD_OK);
    wire_run_until(loop, &side.done, 1, "reply");
    assert_int_equal(side.cause, WIRE_CAUSE_NONE);
    assert_int_equal(side.body_size, BODY_BYTES);
    wire_loop_close(loop);
    raw_peer_stop(peer, NULL, 0);
}

static void no_listener(void **state)
{
    (void)state;
    wire_loop *loop = open_loop();
    http_side side = {0};
    wire_http_options options = {.url = "http://127.0.0.1:1/", .done = on_done, .user = &side};
    wire_http *http = NULL;
    assert_int_equal(wire_http_send(loop, &options, &http, NULL), TD_OK);
    wire_run_until(loop, &side.done, 1, "refusal");
    assert_int_equal(side.cause, WIRE_CAUSE_CONNECT);
    wire_loop_close(loop);
}

static void wrong_urls_are_refused_at_once(void **state)
{
    (void)state;
    static const char *const URLS[] = {"wss://h/", "ftp://h/", "https://", "h", "http://u@h/"};
    wire_loop *loop = open_loop();
    http_side side = {0};
    for (size_t i = 0; i < sizeof URLS / sizeof *URLS; i++) {
        wire_http_options options = {.url = URLS[i], .done = on_done, .user = &side};
        wire_http *http = NULL;
        td_err err;
        assert_int_equal(wire_http_send(loop, &options, &http, &err), TD_E_INVALID);
        assert_null(http);
    }
    wire_loop_close(loop);
    assert_int_equal(side.done, 0);
}

/* Cancelled before and after it was sent; requests in progress when the loop closes get their
 * callback. */
static void given_up(void **state)
{
    (void)state;
    raw_script script = {.answer = "", .end = RAW_END_HOLD};
    raw_peer *peer = raw_peer_start(&script);
    wire_loop *loop = open_loop();
    char url[64];
    http_side side = {0};
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", raw_peer_port(peer));
    wire_http_options options = {
        .url = url, .reply_bytes_max = LIMIT_FRAME_BYTES, .done = on_done, .user = &side};
    wire_http *http = NULL;
    assert_int_equal(wire_http_send(loop, &options, &http, NULL), TD_OK);
    wire_http_cancel(http);
    for (int i = 0; i < 5; i++)
        assert_int_equal(wire_loop_run(loop, TD_NS_PER_MS, NULL), TD_OK);
    assert_int_equal(side.done, 0);
    assert_int_equal(wire_http_send(loop, &options, &http, NULL), TD_OK);
    wire_loop_close(loop);
    assert_int_equal(side.done, 1);
    assert_int_equal(side.cause, WIRE_CAUSE_CLOSED_BY_US);
    wire_loop *other = open_loop(); /* the peer serves one connection; this one uses it */
    assert_int_equal(wire_http_send(other, &options, &http, NULL), TD_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(wire_loop_run(other, TD_NS_PER_MS, NULL), TD_OK);
    wire_http_cancel(http);
    wire_loop_close(other);
    raw_peer_stop(peer, NULL, 0);
    assert_int_equal(side.done, 1);
}

/* A request through a proxy that answers with `tunnel` and then acts as the server: with TLS, and
 * with a reply "ok". */
static void get_through_proxy(const char *tunnel, http_side *side)
{
    char folder[TEMP_FOLDER_BYTES];
    char ca[128];
    char proxy[64];
    raw_script script = {.tunnel = tunnel, .answer = OK_HEAD "Content-Length: 2\r\n\r\nok"};
    temp_folder_make(TEMP_IN_MEMORY, folder);
    (void)snprintf(ca, sizeof ca, "%s/ca", folder);
    script.tls = raw_peer_make_tls(ca);
    raw_peer *peer = raw_peer_start(&script);
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", raw_peer_port(peer));
    assert_int_equal(setenv("HTTPS_PROXY", proxy, 1), 0);
    wire_loop *loop = open_loop();
    /* ::1 in a spelling that is not recognized as local, so that the request uses the proxy. */
    wire_http_options options = {.url = "https://[0:0:0:0:0:0:0:1]/",
                                 .ca_file = ca,
                                 .reply_bytes_max = 64,
                                 .done = on_done,
                                 .user = side};
    wire_http *http = NULL;
    *side = (http_side){0};
    assert_int_equal(wire_http_send(loop, &options, &http, NULL), TD_OK);
    wire_run_until(loop, &side->done, 1, "reply");
    wire_loop_close(loop);
    assert_int_equal(unsetenv("HTTPS_PROXY"), 0);
    raw_peer_stop(peer, NULL, 0);
    temp_folder_remove(folder);
    tls_context_close(script.tls);
}

/* Bytes that a proxy sends after its answer did not arrive through TLS, so they are not a reply. */
static void a_proxy_cannot_reply_for_the_server(void **state)
{
    (void)state;
    http_side side;
    get_through_proxy("HTTP/1.1 200 OK\r\n\r\n", &side);
    assert_string_equal(side.text, "");
    assert_string_equal(side.body, "ok");
    get_through_proxy("HTTP/1.1 200 OK\r\n\r\n" OK_HEAD "Content-Length: 4\r\n\r\nfake", &side);
    assert_int_equal(side.cause, WIRE_CAUSE_CONNECT);
    assert_non_null(strstr(side.text, "sent more than its answer"));
    assert_string_equal(side.body, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies),     cmocka_unit_test(a_large_reply_comes_whole),
        cmocka_unit_test(no_listener), cmocka_unit_test(wrong_urls_are_refused_at_once),
        cmocka_unit_test(given_up),    cmocka_unit_test(a_proxy_cannot_reply_for_the_server),
    };
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's own writes to a socket cannot suppress it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
