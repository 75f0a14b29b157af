/* The replay server with our own client over TLS. Expected frames are read from the capture file
 * from which the archive was imported: every line with a topic, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder/import/import.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "replay/serve/serve.h"
#include "tests/testing/files.h"
#include "tests/testing/capture.h"
#include "tests/testing/wire_side.h"

#define CAPTURE    "inverse-2021-04-17.jsonl.gz"
#define ALL_TOPICS "{\"op\":\"subscribe\",\"args\":[\"trade.BTCUSD|EOSUSD\",\"orderBookL2_25.*\"]}"

/* All data frames of a client, in order, each followed by a LF. */
typedef struct client {
    wire_side side;
    td_buf frames;
    td_buf control;
    unsigned data_count;
    unsigned control_count;
} client;

typedef struct fixture {
    char folder[64];
    char archive_path[96];
    char pem[96];
    wire_loop *loop;
    archive *archive;
    selection wanted;
    serve_feeds *feeds;
    serve *server;
} fixture;

/* ---- set-up ---- */

static void import_capture(fixture *f, const char *feed)
{
    const char *path = capture_path_or_skip(CAPTURE);
    static import_report report;
    td_err err;
    const import_options options = {.io = io_posix(),
                                    .clock = clock_real(),
                                    .archive_path = f->archive_path,
                                    .version = "test",
                                    .format = IMPORT_CRYPTOFEED,
                                    .path = path,
                                    .feed = feed};
    if (import_run(&options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static void open_with(fixture *f, const char *speed, serve_options options)
{
    td_err err;
    options.loop = f->loop;
    options.archive = f->archive;
    options.wanted = &f->wanted;
    options.feeds = f->feeds;
    options.server.listen = "127.0.0.1:0";
    options.clock = clock_real();
    options.seed = 1;
    assert_int_equal(pacer_speed_parse(speed, &options.speed, NULL), TD_OK);
    if (serve_open(&options, &f->server, &err) != TD_OK)
        fail_msg("%s", err.text);
    file_write_text(f->pem, wire_server_ca_pem(serve_server(f->server)));
}

static void open_serve(fixture *f, const char *speed, uint64_t settle_ns)
{
    open_with(f, speed, (serve_options){.settle_ns = settle_ns});
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    td_err err;
    temp_folder_make(TEMP_ON_DISK, f->folder);
    (void)snprintf(f->archive_path, sizeof f->archive_path, "%s/archive", f->folder);
    (void)snprintf(f->pem, sizeof f->pem, "%s/ca.pem", f->folder);
    import_capture(f, NULL);
    const archive_options options = {.io = io_posix(), .clock = clock_real()};
    if (archive_open(&options, f->archive_path, ARCHIVE_READ, &f->archive, &err) != TD_OK ||
        serve_feeds_open(f->archive, &f->wanted, NULL, &f->feeds, &err) != TD_OK ||
        wire_loop_open(clock_real(), NULL, &f->loop, &err) != TD_OK)
        fail_msg("%s", err.text);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    serve_close(f->server);
    wire_loop_close(f->loop);
    serve_feeds_close(f->feeds);
    archive_close(f->archive);
    temp_folder_remove(f->folder);
    free(f);
    return 0;
}

/* ---- a client ---- */

static void on_message(void *user, wire_conn *conn, const ws_message *got)
{
    client *c = user;
    const td_bytes bytes = got->bytes;
    (void)conn;
    assert_int_equal(got->opcode, 1);
    int is_data = memmem(bytes.data, bytes.size, "{\"topic\":", 9) == bytes.data;
    td_buf *to = is_data ? &c->frames : &c->control;
    *(is_data ? &c->data_count : &c->control_count) += 1;
    assert_int_equal(td_buf_append(to, bytes.data, bytes.size, NULL), TD_OK);
    assert_int_equal(td_buf_append(to, "\n", 1, NULL), TD_OK);
}

static void on_opened(void *user, wire_conn *conn, const wire_peer *peer)
{
    client *c = user;
    WIRE_SIDE_OPS.opened(&c->side, conn, peer);
}

static void on_ended(void *user, const wire_end *end)
{
    client *c = user;
    WIRE_SIDE_OPS.ended(&c->side, end);
}

static const wire_client_ops GATHER_OPS = {
    .opened = on_opened, .conn.message = on_message, .ended = on_ended};

static void client_begin(fixture *f, client *c, const char *path)
{
    char url[128];
    td_err err;
    *c = (client){.side = {.loop = f->loop}};
    td_buf_init(&c->frames, 64 << 20);
    td_buf_init(&c->control, 1 << 20);
    (void)snprintf(url, sizeof url, "%s%s", wire_server_url(serve_server(f->server)), path);
    const wire_client_options options = {
        .url = url, .ca_file = f->pem, .ops = &GATHER_OPS, .user = c};
    if (wire_connect(f->loop, &options, &c->side.conn, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static void client_send(client *c, const char *request)
{
    wire_run_until(c->side.loop, &c->side.opened, 1, "opened");
    assert_int_equal(wire_send(c->side.conn, 1, td_bytes_str(request), NULL), TD_OK);
}

static void client_end(client *c)
{
    td_buf_fini(&c->frames);
    td_buf_fini(&c->control);
}

/* The frames that the capture requires: those whose topic contains one of two texts. */
static void expected_frames(td_buf *out, const char *one, const char *other)
{
    capture *from = capture_open(capture_path_or_skip(CAPTURE));
    capture_line line;
    td_buf_init(out, 16 << 20);
    while (capture_next(from, &line)) {
        td_bytes head = line.frame;
        if (head.size > 40)
            head.size = 40;
        if (line.kind != CAPTURE_IN ||
            memmem(head.data, head.size, "{\"topic\":", 9) != head.data ||
            (memmem(head.data, head.size, one, strlen(one)) == NULL &&
             memmem(head.data, head.size, other, strlen(other)) == NULL))
            continue;
        assert_int_equal(td_buf_append(out, line.frame.data, line.frame.size, NULL), TD_OK);
        assert_int_equal(td_buf_append(out, "\n", 1, NULL), TD_OK);
    }
    capture_close(from);
    assert_true(out->size > 0);
}

static void assert_frames(const client *c, const char *one, const char *other)
{
    td_buf expected;
    expected_frames(&expected, one, other);
    assert_int_equal(c->frames.size, expected.size);
    assert_memory_equal(c->frames.data, expected.data, expected.size);
    td_buf_fini(&expected);
}

/* ---- tests ---- */

/* 1,094 = 1,098 inbound frames of the capture less its 4 acks (docs/wire.md 6). */
static void test_all_frames_are_sent(void **state)
{
    static const char *const SPEEDS[] = {"max", "1000", "100"};
    fixture *f = *state;
    for (size_t i = 0; i < 3; i++) {
        client c;
        open_serve(f, SPEEDS[i], TD_NS_PER_MS);
        client_begin(f, &c, "/realtime");
        client_send(&c, "{\"op\":\"ping\"}");
        client_send(&c, ALL_TOPICS);
        wire_side_expect_end(&c.side, WIRE_CAUSE_CLOSED_BY_PEER, "code 1000");
        assert_int_equal(c.data_count, 1094);
        assert_int_equal(c.control_count, 2);
        assert_frames(&c, "trade.", "orderBookL2_25.");
        serve_counts counts;
        while (serve_client_count(f->server) > 0)
            assert_int_equal(wire_loop_run(f->loop, TD_NS_PER_S, NULL), TD_OK);
        counts = *serve_get_counts(f->server);
        assert_int_equal(counts.clients, 1);
        assert_int_equal(counts.complete, 1);
        assert_int_equal(counts.frames, 1094);
        client_end(&c);
        serve_close(f->server);
        f->server = NULL;
    }
}

static void test_only_subscribed_topics(void **state)
{
    static const struct {
        const char *request, *one, *other;
    } ROWS[] = {
        {"{\"op\":\"subscribe\",\"args\":[\"trade.EOSUSD\"]}", "trade.EOSUSD\"", "trade.EOSUSD\""},
        {"{\"op\":\"subscribe\",\"args\":[\"trade\"]}", "trade.", "trade."},
        {"{\"op\":\"subscribe\",\"args\":[\"trade.BTCUSD\",\"orderBookL2_25.BTCUSD\"]}",
         "trade.BTCUSD\"", "25.BTCUSD\""},
    };
    fixture *f = *state;
    open_serve(f, "max", TD_NS_PER_MS);
    client c[3];
    /* At the same time: each client has its own tape. */
    for (size_t i = 0; i < 3; i++) {
        client_begin(f, &c[i], "/realtime");
        client_send(&c[i], ROWS[i].request);
    }
    for (size_t i = 0; i < 3; i++) {
        wire_side_expect_end(&c[i].side, WIRE_CAUSE_CLOSED_BY_PEER, "code 1000");
        assert_frames(&c[i], ROWS[i].one, ROWS[i].other);
        client_end(&c[i]);
    }
}

/* Two requests within the settle delay: both topics start from their first frame. */
static void test_begins_after_the_last_request(void **state)
{
    fixture *f = *state;
    open_serve(f, "max", 30 * TD_NS_PER_MS);
    client c;
    client_begin(f, &c, "/realtime");
    client_send(&c, "{\"op\":\"subscribe\",\"args\":[\"trade.BTCUSD\"]}");
    wire_run_until(f->loop, &c.control_count, 1, "first ack");
    client_send(&c, "{\"op\":\"subscribe\",\"args\":[\"trade.EOSUSD\"]}");
    wire_run_until(f->loop, &c.control_count, 2, "second ack");
    assert_int_equal(c.data_count, 0);
    wire_side_expect_end(&c.side, WIRE_CAUSE_CLOSED_BY_PEER, "code 1000");
    assert_frames(&c, "trade.BTCUSD\"", "trade.EOSUSD\"");
    client_end(&c);
}

/* Subscriptions that change while the tape plays: removed topics stop, new ones start from the
 * tape's current time. */
static void test_changes_on_the_way(void **state)
{
    fixture *f = *state;
    open_serve(f, "100", TD_NS_PER_MS);
    client c;
    client_begin(f, &c, "/realtime");
    client_send(&c, "{\"op\":\"subscribe\",\"args\":[\"orderBookL2_25.EOSUSD\"]}");
    wire_run_until(f->loop, &c.data_count, 100, "the first topic");
    client_send(&c, "{\"op\":\"unsubscribe\",\"args\":[\"orderBookL2_25.EOSUSD\"]}");
    client_send(&c, "{\"op\":\"subscribe\",\"args\":[\"orderBookL2_25.BTCUSD\"]}");
    wire_side_expect_end(&c.side, WIRE_CAUSE_CLOSED_BY_PEER, "code 1000");
    td_bytes all = td_buf_view(&c.frames);
    const uint8_t *change = memmem(all.data, all.size, "25.BTCUSD", 9);
    assert_non_null(change);
    size_t left = all.size - (size_t)(change - all.data);
    assert_null(memmem(change, left, "25.EOSUSD", 9));
    /* The recorded snapshot was at the tape's start, so a new one is made here; the client's book
     * begins with it. */
    const uint8_t *snapshot = memmem(change, left, "\"snapshot\"", 10);
    const uint8_t *delta = memmem(change, left, "\"delta\"", 7);
    assert_non_null(snapshot);
    assert_true(delta == NULL || snapshot < delta);
    assert_true(c.data_count < 507 + 511);
    client_end(&c);
}

static void test_answers(void **state)
{
    static const struct {
        const char *request, *answer;
    } ROWS[] = {
        {"{\"op\":\"subscribe\",\"args\":[\"trade.BTCUSD\",\"nonsense.X\"]}",
         "\"ret_msg\":\"error:handler not found,topic:nonsense.X\""},
        {"{\"op\":\"dance\"}", "\"ret_msg\":\"error:invalid op\""},
        {"not JSON", "\"ret_msg\":\"error:invalid op\""},
        {"[1]", "\"request\":{\"op\":\"\",\"args\":null}"},
        {"{\"op\":\"ping\"}", "\"ret_msg\":\"pong\""},
        {"{\"op\":\"auth\",\"args\":[\"k\",1,\"s\"]}",
         "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\""},
    };
    fixture *f = *state;
    open_serve(f, "max", TD_NS_PER_MS);
    client c;
    client_begin(f, &c, "/realtime?api_key=k&expires=1&signature=s");
    for (unsigned i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        td_buf_clear(&c.control);
        client_send(&c, ROWS[i].request);
        wire_run_until(f->loop, &c.control_count, i + 1, ROWS[i].request);
        if (memmem(c.control.data, c.control.size, ROWS[i].answer, strlen(ROWS[i].answer)) == NULL)
            fail_msg("%s: %.*s", ROWS[i].request, (int)c.control.size, (char *)c.control.data);
    }
    /* There is no subscription, so no tape has started. */
    for (int i = 0; i < 5; i++)
        assert_int_equal(wire_loop_run(f->loop, TD_NS_PER_MS, NULL), TD_OK);
    assert_int_equal(c.data_count, 0);
    serve_stop(f->server);
    wire_side_expect_end(&c.side, WIRE_CAUSE_CLOSED_BY_PEER, "code 1001");
    client_end(&c);
}

static void test_paths(void **state)
{
    static const char *const PATHS[] = {"/", "/realtime_public", "/realtime/", "/v5/public/linear"};
    fixture *f = *state;
    open_serve(f, "max", TD_NS_PER_MS);
    for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++) {
        client c;
        client_begin(f, &c, PATHS[i]);
        wire_side_expect_end(&c.side, WIRE_CAUSE_REFUSED, "404");
        client_end(&c);
    }
    serve_counts counts = *serve_get_counts(f->server);
    assert_int_equal(counts.refused, sizeof PATHS / sizeof *PATHS);
}

/* Clients that subscribe at the same time get their frames from one tape, each the frames of its
 * topics. */
static void test_a_tape_for_several(void **state)
{
    enum { CLIENTS = 4 };
    fixture *f = *state;
    /* A settle delay that is long enough for all clients, even on a slow machine. */
    open_serve(f, "1000", TD_NS_PER_S);
    client c[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        client_begin(f, &c[i], "/realtime");
        wire_run_until(f->loop, &c[i].side.opened, 1, "opened");
    }
    for (size_t i = 0; i < CLIENTS; i++)
        client_send(&c[i],
                    i == 0 ? "{\"op\":\"subscribe\",\"args\":[\"trade.EOSUSD\"]}" : ALL_TOPICS);
    for (size_t i = 0; i < CLIENTS; i++) {
        wire_side_expect_end(&c[i].side, WIRE_CAUSE_CLOSED_BY_PEER, "code 1000");
        assert_frames(&c[i], i == 0 ? "trade.EOSUSD\"" : "trade.",
                      i == 0 ? "trade.EOSUSD\"" : "orderBookL2_25.");
        client_end(&c[i]);
    }
    serve_counts counts = *serve_get_counts(f->server);
    assert_in_range(counts.tapes, 1, 2); /* two: the requests came in two settle periods */
}

/* A slow reader and a normal one. One capture (0.4 MB) fits into the sockets' buffers, so there are
 * many feeds. */
static void begin_slow(fixture *f, client *slow, client *fast, unsigned feeds)
{
    client_begin(f, slow, "/realtime");
    client_send(slow, ALL_TOPICS);
    wire_pause(slow->side.conn);
    client_begin(f, fast, "/realtime");
    client_send(fast, ALL_TOPICS);
    wire_side_expect_end(&fast->side, WIRE_CAUSE_CLOSED_BY_PEER, "code 1000");
    assert_int_equal(fast->data_count, feeds * 1094);
    assert_int_equal(slow->data_count, 0);
}

static void import_feeds(fixture *f, unsigned feeds)
{
    for (unsigned i = 1; i < feeds; i++) {
        char feed[24];
        (void)snprintf(feed, sizeof feed, "inverse%u", i);
        import_capture(f, feed);
    }
    serve_feeds_close(f->feeds);
    assert_int_equal(serve_feeds_open(f->archive, &f->wanted, NULL, &f->feeds, NULL), TD_OK);
    assert_int_equal(f->feeds->count, feeds);
}

/* At full speed, or if requested, a client that stops reading holds back its own tape, while
 * another client gets all of its frames. */
static void test_slow_reader_waits(void **state)
{
    enum { FEEDS = 24 };
    fixture *f = *state;
    import_feeds(f, FEEDS);
    for (int is_paced = 0; is_paced < 2; is_paced++) {
        client slow, fast;
        open_with(f, is_paced ? "1000" : "max",
                  (serve_options){.settle_ns = TD_NS_PER_MS, .waits_for_slow = is_paced});
        begin_slow(f, &slow, &fast, FEEDS);
        while (serve_client_count(f->server) > 1)
            assert_int_equal(wire_loop_run(f->loop, TD_NS_PER_S, NULL), TD_OK);
        serve_counts counts = *serve_get_counts(f->server);
        assert_true(counts.wait_count > 0);
        assert_int_equal(counts.complete, 1);
        assert_true(counts.frames < (uint64_t)2 * FEEDS * 1094);
        assert_int_equal(slow.side.ended, 0);
        wire_resume(slow.side.conn);
        wire_side_expect_end(&slow.side, WIRE_CAUSE_CLOSED_BY_PEER, "code 1000");
        assert_int_equal(slow.data_count, FEEDS * 1094);
        assert_int_equal(slow.frames.size, fast.frames.size);
        assert_memory_equal(slow.frames.data, fast.frames.data, fast.frames.size);
        client_end(&slow);
        client_end(&fast);
        serve_close(f->server);
        f->server = NULL;
    }
}

/* At other speeds such a client is closed, however late the tape is, and a client that shares its
 * tape gets everything. */
static void test_slow_reader_is_closed(void **state)
{
    enum { FEEDS = 48 };
    fixture *f = *state;
    client slow, fast;
    import_feeds(f, FEEDS);
    open_serve(f, "8", 100 * TD_NS_PER_MS); /* slow enough for the other client under TSan */
    begin_slow(f, &slow, &fast, FEEDS);
    serve_counts counts;
    do {
        assert_int_equal(wire_loop_run(f->loop, TD_NS_PER_S, NULL), TD_OK);
        counts = *serve_get_counts(f->server);
    } while (counts.slow == 0);
    assert_int_equal(counts.slow, 1);
    wire_resume(slow.side.conn);
    wire_side_expect_end(&slow.side, WIRE_CAUSE_CLOSED_BY_PEER,
                         "code 1008: it reads too slowly: 8 MiB are queued");
    assert_true(slow.data_count < FEEDS * 1094);
    client_end(&slow);
    client_end(&fast);
}

/* A client that disconnects in the middle of its tape. */
static void test_client_disconnects(void **state)
{
    fixture *f = *state;
    open_serve(f, "4", TD_NS_PER_MS); /* 7 s */
    client c;
    client_begin(f, &c, "/realtime");
    client_send(&c, ALL_TOPICS);
    wire_run_until(f->loop, &c.data_count, 10, "some frames");
    wire_close(c.side.conn, 1000, td_bytes_of(NULL, 0));
    wire_side_expect_end(&c.side, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
    while (serve_client_count(f->server) > 0)
        assert_int_equal(wire_loop_run(f->loop, TD_NS_PER_S, NULL), TD_OK);
    serve_counts counts = *serve_get_counts(f->server);
    assert_int_equal(counts.complete, 0);
    assert_int_equal(counts.failed, 0);
    client_end(&c);
}

static void test_nothing_to_serve(void **state)
{
    fixture *f = *state;
    static const char *const NONE[] = {"no-such-feed"};
    const selection wanted = {.feeds = {NONE, 1}};
    serve_feeds *feeds = NULL;
    td_err err;
    assert_int_equal(serve_feeds_open(f->archive, &wanted, NULL, &feeds, &err), TD_E_NOTFOUND);
    assert_null(feeds);
    assert_non_null(strstr(err.text, "no such feed, topic or symbol"));
    assert_non_null(strstr(err.hint, "no feed 'no-such-feed'"));
}

static void test_needs_capture(void **state)
{
    (void)state;
    (void)capture_path_or_skip(CAPTURE);
}

int main(void)
{
    /* cmocka's set-up functions cannot skip a test. */
    const struct CMUnitTest without[] = {cmocka_unit_test(test_needs_capture)};
    if (capture_path(CAPTURE) == NULL)
        return cmocka_run_group_tests_name("replay/serve/serve", without, NULL, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_frames_are_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_subscribed_topics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_begins_after_the_last_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes_on_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_tape_for_several, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_reader_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_reader_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_disconnects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_to_serve, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("replay/serve/serve", tests, NULL, NULL);
}
