/* sim/exchange over real sockets, in the test's own loop: what a client of the op dialect sees.
 * Expected answers are those of docs/wire.md 1 and 1.3; counts follow from the options. Nothing
 * waits: markets run at rate 0 (as fast as frames are taken) from the first subscription on. */
#include "sim/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/io_fault.h"
#include "wire/dialect.h"

enum { FRAMES = 400, LINES_BYTES_MAX = 8 << 20 };

/* One client, which keeps every message as a line. */
typedef struct client {
    wire_conn *conn;
    td_buf lines;
    uint64_t messages;
    uint64_t digest; /* of the data frames, in order */
    unsigned opened, ended;
    unsigned close_code, http_status;
    wire_cause cause;
} client;

typedef struct scene {
    wire_loop *loop;
    exchange *exchange;
    exchange_options options;
    io_fault *disk;
    char url[256];
} scene;

static void on_opened(void *user, wire_conn *conn, const wire_peer *peer)
{
    client *c = user;
    (void)conn;
    (void)peer;
    c->opened++;
}

static void on_message(void *user, wire_conn *conn, unsigned opcode, td_bytes bytes,
                       uint64_t recv_mono_ns)
{
    client *c = user;
    (void)conn;
    (void)recv_mono_ns;
    assert_int_equal(opcode, 1);
    c->messages++;
    if (bytes.size > 8 && memcmp(bytes.data, "{\"topic\"", 8) == 0)
        c->digest = c->digest * 31 + td_xxh64(bytes.data, bytes.size);
    assert_int_equal(td_buf_append(&c->lines, bytes.data, bytes.size, NULL), TD_OK);
    assert_int_equal(td_buf_append(&c->lines, "\n", 1, NULL), TD_OK);
}

static void on_ended(void *user, const wire_end *end)
{
    client *c = user;
    c->conn = NULL;
    c->ended++;
    c->cause = end->cause;
    c->close_code = end->close_code;
    c->http_status = end->http_status;
}

static void on_sent(void *user, wire_conn *conn, unsigned opcode, td_bytes bytes,
                    uint64_t sent_mono_ns)
{
    (void)user;
    (void)conn;
    (void)opcode;
    (void)bytes;
    (void)sent_mono_ns;
}

static void on_heartbeat(void *user, wire_conn *conn, unsigned opcode, td_bytes bytes)
{
    (void)user;
    (void)conn;
    (void)opcode;
    (void)bytes;
}

static const wire_client_ops CLIENT_OPS = {.opened = on_opened,
                                           .message = on_message,
                                           .sent = on_sent,
                                           .heartbeat = on_heartbeat,
                                           .ended = on_ended};

static void scene_init(scene *s, const exchange_options *options)
{
    td_err err;
    *s = (scene){.options = *options};
    if (s->options.family_count == 0) {
        s->options.families[0] = family_find(td_bytes_str("inverse"));
        s->options.families[1] = family_find(td_bytes_str("linear"));
        s->options.family_count = 2;
    }
    s->options.symbol_count = 2;
    s->options.seed = 11;
    s->options.epoch_ns = 1618677786000000000u;
    s->options.listen = "127.0.0.1:0";
    s->options.is_plain = 1;
    s->options.clock = clock_real();
    if (wire_loop_open(clock_real(), NULL, &s->loop, &err) != TD_OK ||
        exchange_open(&s->options, s->loop, &s->exchange, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static void scene_fini(scene *s)
{
    exchange_close(s->exchange);
    wire_loop_close(s->loop);
    truth_close(s->options.truth);
    io_fault_close(s->disk);
}

static void client_connect(scene *s, client *c, const char *path)
{
    td_err err;
    td_buf_init(&c->lines, LINES_BYTES_MAX);
    (void)snprintf(s->url, sizeof s->url, "%s%s", wire_server_url(exchange_server(s->exchange)),
                   path);
    const wire_client_options options = {.url = s->url, .proxy = "", .ops = &CLIENT_OPS, .user = c};
    if (wire_connect(s->loop, &options, &c->conn, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static void client_fini(client *c)
{
    td_buf_fini(&c->lines);
}

/* Run the loop until *counter reaches wanted. */
static void run_until(scene *s, const unsigned *counter, unsigned wanted)
{
    uint64_t end = clock_mono_ns(clock_real()) + 30 * TD_NS_PER_S;
    while (*counter < wanted) {
        assert_int_equal(wire_loop_run(s->loop, 100 * TD_NS_PER_MS, NULL), TD_OK);
        assert_true(clock_mono_ns(clock_real()) < end);
    }
}

static void run_until_message(scene *s, client *c, const char *part)
{
    uint64_t end = clock_mono_ns(clock_real()) + 30 * TD_NS_PER_S;
    for (;;) {
        if (c->lines.size > 0 && memmem(c->lines.data, c->lines.size, part, strlen(part)) != NULL)
            return;
        assert_int_equal(wire_loop_run(s->loop, 100 * TD_NS_PER_MS, NULL), TD_OK);
        if (clock_mono_ns(clock_real()) > end)
            fail_msg("no message with %s", part);
    }
}

static void say(client *c, const char *text)
{
    assert_int_equal(wire_send(c->conn, td_bytes_str(text), NULL), TD_OK);
}

/* How many lines hold part. */
static uint64_t count_lines(const client *c, const char *part)
{
    uint64_t count = 0;
    const uint8_t *at = c->lines.data;
    const uint8_t *end = at + c->lines.size;
    while (at < end) {
        const uint8_t *lf = memchr(at, '\n', (size_t)(end - at));
        count += memmem(at, (size_t)(lf - at), part, strlen(part)) != NULL;
        at = lf + 1;
    }
    return count;
}

#define SUBSCRIBE_ALL                                                                              \
    "{\"op\":\"subscribe\",\"args\":[\"trade\",\"orderBookL2_25.*\",\"orderBook_200.100ms\","      \
    "\"instrument_info.100ms\"]}"

/* All there is, to the end: what the truth file says is what came. */
static void test_everything(void **state)
{
    (void)state; /* none */
    scene s;
    client c = {0};
    exchange_options options = {.frames_max = FRAMES};
    io_fault *disk = io_fault_open();
    assert_int_equal(truth_open(io_fault_io(disk), "truth", &options.truth, NULL), TD_OK);
    scene_init(&s, &options);
    s.disk = disk;
    client_connect(&s, &c, "/realtime");
    say(&c, SUBSCRIBE_ALL);
    run_until(&s, &c.ended, 1);
    assert_int_equal(c.close_code, 1000);
    /* two symbols: two books and instrument_info have a snapshot each; one ack */
    assert_int_equal(c.messages, FRAMES + 6 + 1);
    assert_int_equal(count_lines(&c, "\"type\":\"snapshot\""), 6);
    assert_int_equal(count_lines(&c, "\"success\":true"), 1);
    exchange_counts counts = exchange_get_counts(s.exchange);
    assert_int_equal(counts.data_frames, FRAMES + 6);
    assert_int_equal(counts.control_frames, 1);
    assert_int_equal(counts.made_frames, FRAMES);
    td_file *file = NULL;
    uint64_t size = 0;
    assert_int_equal(td_io_open(io_fault_io(disk), "truth", TD_OPEN_READ, &file, NULL), TD_OK);
    assert_int_equal(td_io_size(file, &size, NULL), TD_OK);
    client told = {0};
    td_buf_init(&told.lines, LINES_BYTES_MAX);
    assert_int_equal(td_buf_reserve(&told.lines, size, NULL), TD_OK);
    assert_int_equal(td_io_read_exact(file, 0, told.lines.data, size, NULL), TD_OK);
    told.lines.size = size;
    td_io_close(file);
    assert_int_equal(count_lines(&told, "\"t\":\"frame\""), FRAMES + 6);
    assert_true(count_lines(&told, "\"t\":\"book\"") > 0);
    /* the ack was frame 7: data from 1 to 6 and from 8 on */
    assert_int_equal(count_lines(&told, "\"n\":7,"), 0);
    assert_int_equal(count_lines(&told, "\"n\":407,"), 1);
    client_fini(&told);
    client_fini(&c);
    for (int i = 0; i < 100 && !exchange_is_done(s.exchange); i++)
        assert_int_equal(wire_loop_run(s.loop, 10 * TD_NS_PER_MS, NULL), TD_OK);
    assert_int_equal(exchange_is_done(s.exchange), 1);
    scene_fini(&s);
}

/* Digest of all frames of a family under an option. */
static uint64_t digest_of(const exchange_options *options, const char *path)
{
    scene s;
    client c = {0};
    scene_init(&s, options);
    client_connect(&s, &c, path);
    say(&c, SUBSCRIBE_ALL);
    run_until(&s, &c.ended, 1);
    uint64_t digest = c.digest;
    client_fini(&c);
    scene_fini(&s);
    return digest;
}

static void test_deterministic(void **state)
{
    (void)state; /* none */
    exchange_options options = {.frames_max = FRAMES};
    uint64_t first = digest_of(&options, "/realtime");
    assert_int_equal(digest_of(&options, "/realtime"), first);
    assert_int_not_equal(digest_of(&options, "/realtime_public"), first);
    /* A hundred times the frames in the same time are other frames: their times differ. */
    options.rate = 1000000;
    assert_int_not_equal(digest_of(&options, "/realtime"), first);
}

static void test_answers(void **state)
{
    (void)state; /* none */
    scene s;
    client c = {0};
    exchange_options options = {.rate = 1};
    scene_init(&s, &options);
    client_connect(&s, &c, "/realtime");
    say(&c, "{\"op\":\"ping\"}");
    run_until_message(&s, &c, "\"ret_msg\":\"pong\"");
    say(&c, "{\"op\":\"subscribe\",\"args\":[\"trade.BTCUSD|ETHUSD\",\"nothing.BTCUSD\"]}");
    run_until_message(&s, &c, "\"ret_msg\":\"error:handler not found,topic:nothing.BTCUSD\"");
    say(&c, "{\"op\":\"dance\",\"args\":[]}");
    run_until_message(&s, &c, "\"ret_msg\":\"error:invalid op\"");
    say(&c, "{\"op\":\"auth\",\"args\":[\"key\",1618677786000,\"sig\"]}");
    run_until_message(&s, &c, "\"op\":\"auth\"");
    assert_int_equal(count_lines(&c, "\"success\":true"), 2);
    say(&c, "{\"op\":\"subscribe\",\"args\":[\"orderBookL2_25.ETHUSD\"]}");
    run_until_message(&s, &c, "\"args\":[\"orderBookL2_25.ETHUSD\"]");
    assert_int_equal(count_lines(&c, "\"type\":\"snapshot\""), 1);
    assert_int_equal(count_lines(&c, "\"topic\":\"orderBookL2_25.ETHUSD\",\"type\":\"snapshot\""),
                     1);
    /* The same again gives an ack and no second snapshot. */
    say(&c, "{\"op\":\"subscribe\",\"args\":[\"orderBookL2_25.ETHUSD\"],\"again\":1}");
    uint64_t end = clock_mono_ns(clock_real()) + 30 * TD_NS_PER_S;
    while (count_lines(&c, "\"args\":[\"orderBookL2_25.ETHUSD\"]") < 2) {
        assert_int_equal(wire_loop_run(s.loop, 100 * TD_NS_PER_MS, NULL), TD_OK);
        assert_true(clock_mono_ns(clock_real()) < end);
    }
    assert_int_equal(count_lines(&c, "\"type\":\"snapshot\""), 1);
    say(&c, "this is no JSON");
    run_until(&s, &c.ended, 1);
    assert_int_equal(c.close_code, 1007);
    client_fini(&c);
    scene_fini(&s);
}

static void test_paths_and_keys(void **state)
{
    (void)state; /* none */
    static const char SECRET[] = "a secret";
    char good[512];
    char signature[DIALECT_SIGNATURE_BYTES];
    uint64_t expires_ms = clock_wall_ns(clock_real()) / TD_NS_PER_MS + 60000;
    const dialect_auth auth = {.api_key = "key", .secret = SECRET, .expires_ms = expires_ms};
    assert_int_equal(dialect_sign(&auth, signature, NULL), TD_OK);
    (void)snprintf(good, sizeof good, "/realtime?api_key=key&expires=%llu&signature=%s",
                   (unsigned long long)expires_ms, signature);
    const struct {
        const char *path;
        unsigned status; /* 0: let in */
    } rows[] = {
        {"/realtime", 0},
        {"/realtime_public", 0},
        {"/v5/public/linear", 404},
        {"/", 404},
        {good, 0},
        {"/realtime?api_key=key&expires=1&signature=x", 401},
        {"/realtime?api_key=key&expires=9999999999999&signature=x", 401},
        {"/realtime?api_key=key", 401},
    };
    exchange_options options = {.rate = 1, .secret = SECRET};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;
        client c = {0};
        print_message("  %.40s\n", rows[i].path);
        scene_init(&s, &options);
        client_connect(&s, &c, rows[i].path);
        run_until(&s, rows[i].status == 0 ? &c.opened : &c.ended, 1);
        assert_int_equal(c.http_status, rows[i].status);
        client_fini(&c);
        scene_fini(&s);
    }
}

static void test_faults(void **state)
{
    (void)state; /* none */
    static const struct {
        const char *fault;
        uint64_t data; /* data frames that reach the client, without the 6 snapshots */
        unsigned code; /* of the close frame */
        wire_cause cause;
    } ROWS[] = {
        {"drop@50", FRAMES - 1, 1000, WIRE_CAUSE_CLOSED_BY_PEER},
        {"repeat@50", FRAMES + 1, 1000, WIRE_CAUSE_CLOSED_BY_PEER},
        {"disconnect@50", 50, 1001, WIRE_CAUSE_CLOSED_BY_PEER},
        {"silence@50", 50, 1000, WIRE_CAUSE_CLOSED_BY_PEER},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        scene s;
        client c = {0};
        fault injected;
        print_message("  %s\n", ROWS[i].fault);
        assert_int_equal(fault_parse(ROWS[i].fault, &injected, NULL), TD_OK);
        exchange_options options = {.frames_max = FRAMES, .faults = &injected, .fault_count = 1};
        scene_init(&s, &options);
        client_connect(&s, &c, "/realtime");
        say(&c, SUBSCRIBE_ALL);
        run_until(&s, &c.ended, 1);
        assert_int_equal(c.messages, ROWS[i].data + 6 + 1);
        assert_int_equal(c.close_code, ROWS[i].code);
        assert_int_equal(c.cause, ROWS[i].cause);
        client_fini(&c);
        scene_fini(&s);
    }
}

static void test_cut_and_refuse(void **state)
{
    (void)state; /* none */
    scene s;
    client first = {0};
    client second = {0};
    const fault faults[] = {{FAULT_REFUSE, 2}, {FAULT_CUT, 50}};
    exchange_options options = {.frames_max = FRAMES, .faults = faults, .fault_count = 2};
    scene_init(&s, &options);
    client_connect(&s, &first, "/realtime");
    run_until(&s, &first.opened, 1);
    client_connect(&s, &second, "/realtime");
    run_until(&s, &second.ended, 1);
    assert_int_equal(second.http_status, 502);
    say(&first, SUBSCRIBE_ALL);
    run_until(&s, &first.ended, 1);
    assert_int_equal(first.close_code, 0); /* no close frame came */
    assert_true(first.messages <= 50 + 6 + 1);
    client_fini(&first);
    client_fini(&second);
    scene_fini(&s);
}

/* Two clients of one family get the same deltas; each has its own ordinals. */
static void test_two_clients(void **state)
{
    (void)state; /* none */
    scene s;
    client a = {0};
    client b = {0};
    exchange_options options = {.frames_max = FRAMES, .settle_ns = 50 * TD_NS_PER_MS};
    scene_init(&s, &options);
    client_connect(&s, &a, "/realtime");
    client_connect(&s, &b, "/realtime");
    run_until(&s, &a.opened, 1);
    run_until(&s, &b.opened, 1);
    say(&a, SUBSCRIBE_ALL);
    say(&b, SUBSCRIBE_ALL);
    run_until(&s, &a.ended, 1);
    run_until(&s, &b.ended, 1);
    assert_int_equal(a.messages, FRAMES + 6 + 1);
    assert_int_equal(b.messages, FRAMES + 6 + 1);
    assert_int_equal(a.digest, b.digest);
    client_fini(&a);
    client_fini(&b);
    scene_fini(&s);
}

static void test_stop(void **state)
{
    (void)state; /* none */
    scene s;
    client c = {0};
    exchange_options options = {.rate = 100};
    scene_init(&s, &options);
    client_connect(&s, &c, "/realtime");
    say(&c, SUBSCRIBE_ALL);
    run_until_message(&s, &c, "\"success\":true");
    assert_int_equal(exchange_is_done(s.exchange), 0);
    exchange_stop(s.exchange);
    run_until(&s, &c.ended, 1);
    assert_int_equal(c.close_code, 1001);
    client_fini(&c);
    scene_fini(&s);
}

/* A truth that cannot be written stops everything: no frame goes out that it does not hold. */
static void test_truth_fails(void **state)
{
    (void)state; /* none */
    scene s;
    client c = {0};
    td_err err;
    exchange_options options = {.frames_max = FRAMES};
    io_fault *disk = io_fault_open();
    assert_int_equal(truth_open(io_fault_io(disk), "truth", &options.truth, NULL), TD_OK);
    io_fault_set_free_bytes(disk, 3000);
    scene_init(&s, &options);
    s.disk = disk;
    client_connect(&s, &c, "/realtime");
    say(&c, SUBSCRIBE_ALL);
    run_until(&s, &c.ended, 1);
    assert_int_equal(exchange_failure(s.exchange, &err), TD_E_NOSPACE);
    assert_non_null(strstr(err.text, "truth file"));
    assert_true(c.messages < FRAMES);
    client_fini(&c);
    scene_fini(&s);
}

/* ---- all dialects ---- */

static exchange_options options_of(const char *const *families, uint64_t rate)
{
    exchange_options options = {.rate = rate};
    for (; families[options.family_count] != NULL; options.family_count++)
        options.families[options.family_count] =
            family_find(td_bytes_str(families[options.family_count]));
    return options;
}

/* Where a line that holds part begins; -1: there is none. */
static long line_of(const client *c, const char *part)
{
    const uint8_t *found =
        c->lines.size == 0 ? NULL : memmem(c->lines.data, c->lines.size, part, strlen(part));
    return found == NULL ? -1 : (long)(found - c->lines.data);
}

/* Each family's own way to ask, to be answered and to refuse; docs/wire.md 1.1 to 1.5. Whether the
 * first data comes before the answer: linear v5 before, spot after (docs/wire.md 1.3). */
static void test_dialects(void **state)
{
    (void)state; /* none */
    const struct {
        const char *family;
        const char *path;
        const char *ask;
        const char *answer;
        const char *data;
        int is_data_first;
        const char *wrong; /* NULL: not tried */
        const char *refusal;
    } rows[] = {
        {"v5-linear", "/v5/public/linear",
         "{\"req_id\":\"7\",\"op\":\"subscribe\",\"args\":[\"orderbook.50.BTCUSDT\"]}",
         "\"req_id\":\"7\",\"op\":\"subscribe\"}", "\"topic\":\"orderbook.50.BTCUSDT\"", 1,
         "{\"op\":\"subscribe\",\"args\":[\"tickers.BTCUSDT\",\"nothing.BTCUSDT\"]}",
         "error:handler not found,topic:nothing.BTCUSDT"},
        {"v5-spot", "/v5/public/spot", "{\"op\":\"subscribe\",\"args\":[\"orderbook.50.BTCUSDT\"]}",
         "\"ret_msg\":\"subscribe\"", "\"topic\":\"orderbook.50.BTCUSDT\"", 0,
         "{\"op\":\"subscribe\",\"args\":[\"orderbook.50.BTCUSDT\"]}",
         "error:already subscribed,topic:orderbook.50.BTCUSDT"},
        {"v5-option", "/v5/public/option",
         "{\"op\":\"subscribe\",\"args\":[\"tickers.BTC-25DEC26-60000-C\",\"tickers.NO\"]}",
         "\"failTopics\":[\"tickers.NO\"]", "\"topic\":\"tickers.BTC-25DEC26-60000-C\"", 0, NULL,
         NULL},
        {"spot-v1", "/spot/quote/ws/v1",
         "{\"topic\":\"depth\",\"event\":\"sub\",\"symbol\":\"BTCUSDT\",\"params\":{\"binary\":"
         "false}}",
         "\"event\":\"sub\"", "\"topic\":\"depth\",\"params\":{\"realtimeInterval\"", 0,
         "{\"topic\":\"depth\",\"event\":\"sub\",\"symbol\":\"NOUSDT\",\"params\":{\"binary\":"
         "false}}",
         "Invalid Symbols!"},
        {"spot-v2", "/spot/quote/ws/v2",
         "{\"topic\":\"kline\",\"event\":\"sub\",\"params\":{\"symbol\":\"BTCUSDT\",\"klineType\":"
         "\"1m\",\"binary\":false}}",
         "\"msg\":\"Success\"", "\"klineType\":\"1m\",\"symbolName\":\"BTCUSDT\"},\"data\":{", 0,
         NULL, NULL},
        {"usdc-option", "/trade/option/usdc/public/v1",
         "{\"op\":\"subscribe\",\"id\":\"x1\",\"args\":[\"delta.orderbook100.BTC-25DEC26-60000-C\"]"
         "}",
         "\"type\":\"COMMAND_RESP\"", "\"dataType\":\"NEW\"", 0, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;
        client c = {0};
        exchange_options options = options_of((const char *const[]){rows[i].family, NULL}, 1);
        print_message("  %s\n", rows[i].family);
        scene_init(&s, &options);
        client_connect(&s, &c, rows[i].path);
        say(&c, rows[i].ask);
        run_until_message(&s, &c, rows[i].answer);
        run_until_message(&s, &c, rows[i].data);
        assert_int_equal(line_of(&c, rows[i].data) < line_of(&c, rows[i].answer),
                         rows[i].is_data_first);
        if (rows[i].wrong != NULL) {
            say(&c, rows[i].wrong);
            run_until_message(&s, &c, rows[i].refusal);
        }
        client_fini(&c);
        scene_fini(&s);
    }
}

/* Nothing private without a key; with one, everything that was asked for. A private family's
 * account trades in markets that nobody else has asked for. */
static void test_private(void **state)
{
    (void)state; /* none */
    scene s;
    client c = {0};
    exchange_options options = options_of((const char *const[]){"v5-private", NULL}, 0);
    scene_init(&s, &options);
    client_connect(&s, &c, "/v5/private");
    say(&c, "{\"op\":\"subscribe\",\"args\":[\"order\"]}");
    run_until_message(&s, &c, "\"success\":false");
    assert_int_equal(count_lines(&c, "\"topic\":\"order\""), 0);
    say(&c, "{\"op\":\"auth\",\"args\":[\"key\",1618677786000,\"sig\"]}");
    run_until_message(&s, &c, "\"op\":\"auth\"");
    say(&c, "{\"op\":\"subscribe\",\"args\":[\"order\",\"execution.linear\",\"dcp.spot\"]}");
    run_until_message(&s, &c, "\"topic\":\"execution.linear\"");
    run_until_message(&s, &c, "\"orderStatus\":\"Filled\"");
    run_until_message(&s, &c, "\"category\":\"inverse\"");
    run_until_message(&s, &c, "\"category\":\"spot\"");
    assert_int_equal(count_lines(&c, "dcp"), 0);
    assert_int_equal(count_lines(&c, "\"topic\":\"orderbook"), 0);
    client_fini(&c);
    scene_fini(&s);
}

/* Spot's private side has no subscribing: the key brings everything. */
static void test_spot_private(void **state)
{
    (void)state; /* none */
    scene s;
    client c = {0};
    exchange_options options =
        options_of((const char *const[]){"spot-v1", "spot-private", NULL}, 0);
    scene_init(&s, &options);
    client_connect(&s, &c, "/spot/ws");
    say(&c, "{\"op\":\"auth\",\"args\":[\"key\",\"1618677786000\",\"sig\"]}");
    run_until_message(&s, &c, "{\"auth\":\"success\"}");
    run_until_message(&s, &c, "[{\"e\":\"ticketInfo\"");
    run_until_message(&s, &c, "[{\"e\":\"executionReport\"");
    run_until_message(&s, &c, "[{\"e\":\"outboundAccountInfo\"");
    run_until_message(&s, &c, "[{\"e\":\"stop_executionReport\"");
    client_fini(&c);
    scene_fini(&s);
}

/* Linear and copy trading share their paths: what a client asks for first says which it means. */
static void test_shared_path(void **state)
{
    (void)state; /* none */
    scene s;
    client linear = {0};
    client copies = {0};
    exchange_options options = options_of((const char *const[]){"linear", "copytrade", NULL}, 0);
    scene_init(&s, &options);
    client_connect(&s, &linear, "/realtime_public");
    client_connect(&s, &copies, "/realtime_public");
    say(&linear, "{\"op\":\"subscribe\",\"args\":[\"candle.1.BTCUSDT\"]}");
    say(&copies, "{\"op\":\"subscribe\",\"args\":[\"klineV2.1.BTCUSDT\"]}");
    run_until_message(&s, &linear, "\"topic\":\"candle.1.BTCUSDT\"");
    run_until_message(&s, &copies, "\"topic\":\"klineV2.1.BTCUSDT\"");
    say(&copies, "{\"op\":\"subscribe\",\"args\":[\"candle.3.BTCUSDT\"]}");
    run_until_message(&s, &copies, "error:handler not found,topic:candle.3.BTCUSDT");
    client_fini(&linear);
    client_fini(&copies);
    scene_fini(&s);
}

/* With the clock at a thousand times its pace, minutes close in a moment; exchange times of all
 * families are on one clock. */
static void test_time_scale(void **state)
{
    (void)state; /* none */
    scene s;
    client c = {0};
    exchange_options options = options_of((const char *const[]){"v5-linear", NULL}, 1000);
    options.time_scale = 1000;
    scene_init(&s, &options);
    client_connect(&s, &c, "/v5/public/linear");
    say(&c, "{\"op\":\"subscribe\",\"args\":[\"kline.1.BTCUSDT\"]}");
    uint64_t end = clock_mono_ns(clock_real()) + 30 * TD_NS_PER_S;
    while (count_lines(&c, "\"confirm\":true") < 3) {
        assert_int_equal(wire_loop_run(s.loop, 100 * TD_NS_PER_MS, NULL), TD_OK);
        assert_true(clock_mono_ns(clock_real()) < end);
    }
    client_fini(&c);
    scene_fini(&s);
}

static void test_fault_texts(void **state)
{
    (void)state; /* none */
    static const char *const BAD[] = {"",        "drop",    "drop@", "drop@0",  "drop@x",
                                      "drop@1x", "drops@1", "@1",    "drop@-1", "drop 1"};
    fault found;
    td_err err;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(fault_parse(BAD[i], &found, &err), TD_E_INVALID);
        assert_non_null(strstr(err.hint, "disconnect"));
    }
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s@12", fault_name((fault_kind)kind));
        assert_int_equal(fault_parse(text, &found, &err), TD_OK);
        assert_int_equal(found.kind, kind);
        assert_int_equal(found.at, 12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),   cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_answers),      cmocka_unit_test(test_paths_and_keys),
        cmocka_unit_test(test_faults),       cmocka_unit_test(test_cut_and_refuse),
        cmocka_unit_test(test_two_clients),  cmocka_unit_test(test_stop),
        cmocka_unit_test(test_truth_fails),  cmocka_unit_test(test_fault_texts),
        cmocka_unit_test(test_dialects),     cmocka_unit_test(test_private),
        cmocka_unit_test(test_spot_private), cmocka_unit_test(test_shared_path),
        cmocka_unit_test(test_time_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
