/* The replay server in every dialect: a small hand-made tape of each family, and our own client,
 * which sends the requests of that family's clients. Requests and answers follow docs/wire.md 1 to
 * 1.5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/io_posix.h"
#include "replay/serve/serve.h"
#include "tests/testing/tape_fixture.h"
#include "tests/testing/wire_side.h"

/* Python: hmac.new(b"s3", b"GET/realtime9999999999999", hashlib.sha256).hexdigest() */
#define SECRET    "s3"
#define EXPIRES   "9999999999999"
#define SIGNATURE "16c5a101d498a1d78f938d7ade7c0890b984acc7ce95243d23b829657e3aa902"
#define AUTH      "{\"op\":\"auth\",\"args\":[\"k\"," EXPIRES ",\"" SIGNATURE "\"]}"
#define AUTH_BAD  "{\"op\":\"auth\",\"args\":[\"k\"," EXPIRES ",\"nonsense\"]}"

/* ---- tapes ---- */

typedef struct tape_line {
    const char *topic, *symbol, *exchange_topic, *frame;
    channel_dir dir;
    channel_opcode opcode;
} tape_line;

#define LINE(topic, symbol, canonical, frame)                                                      \
    {                                                                                              \
        topic, symbol, canonical, frame, CHANNEL_IN, OPCODE_TEXT                                   \
    }

/* A step: send a request, and wait for an answer that contains a text. */
typedef struct step {
    const char *request;
    const char *answer; /* contained in the next control frame; NULL: no answer */
} step;

enum { TAPE_LINES = 6, STEPS_MAX = 5 };

typedef struct family_case {
    const char *family, *path;
    const char *secret;
    tape_line lines[TAPE_LINES];
    step steps[STEPS_MAX];
    const char *expected; /* data frames, each followed by a LF */
} family_case;

static const family_case CASES[] = {
    {"contract-v3",
     "/contract/usdt/public/v3",
     NULL,
     {LINE("orderbook.50", "AUSDT", "orderbook.50.AUSDT", "{\"topic\":\"orderbook.50.AUSDT\"}"),
      LINE("orderbook.50", "BUSDT", "orderbook.50.BUSDT", "{\"topic\":\"orderbook.50.BUSDT\"}"),
      LINE("_control", "", "", "{\"success\":true,\"op\":\"subscribe\"}"),
      LINE("tickers", "AUSDT", "tickers.AUSDT", "{\"topic\":\"tickers.AUSDT\"}"),
      {"http.status", "", "http.status", "{\"retCode\":0}", CHANNEL_HTTP, OPCODE_TEXT}},
     {{"{\"req_id\":\"1\",\"op\":\"subscribe\",\"args\":[\"nonsense.X\",\"tickers.AUSDT\"]}",
       "\"error:handler not found,topic:nonsense.X\""},
      {"{\"req_id\":\"2\",\"op\":\"subscribe\",\"args\":[\"orderbook.50.AUSDT\",\"tickers.AUSDT\"]"
       "}",
       "\"req_id\":\"2\",\"op\":\"subscribe\""},
      {"{\"op\":\"subscribe\",\"args\":[\"tickers.AUSDT\"]}",
       "\"error:already subscribed,topic:tickers.AUSDT\""}},
     "{\"topic\":\"orderbook.50.AUSDT\"}\n{\"topic\":\"tickers.AUSDT\"}\n"},
    {"v5-spot",
     "/v5/public/spot",
     NULL,
     {LINE("publicTrade", "AUSDT", "publicTrade.AUSDT", "{\"topic\":\"publicTrade.AUSDT\"}")},
     {{"{\"op\":\"subscribe\",\"args\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\","
       "\"10\",\"11\"]}",
       "\"args size \\u003e10\""},
      {"{\"op\":\"subscribe\",\"args\":[\"publicTrade.AUSDT\"]}", "\"ret_msg\":\"subscribe\""}},
     "{\"topic\":\"publicTrade.AUSDT\"}\n"},
    {"v5-option",
     "/v5/public/option",
     NULL,
     {LINE("orderbook.25", "A-1JAN27-1-C", "orderbook.25.A-1JAN27-1-C",
           "{\"topic\":\"orderbook.25.A-1JAN27-1-C\"}")},
     {{"{\"op\":\"subscribe\",\"args\":[\"nonsense.X\",\"orderbook.25.A-1JAN27-1-C\"]}",
       "\"failTopics\":[\"nonsense.X\"],\"successTopics\":[\"orderbook.25.A-1JAN27-1-C\"]"}},
     "{\"topic\":\"orderbook.25.A-1JAN27-1-C\"}\n"},
    {"usdc-option",
     "/trade/option/usdc/public/v1",
     NULL,
     {LINE("recenttrades", "A", "recenttrades.A", "{\"topic\":\"recenttrades.A\",\"n\":1}"),
      LINE("delta.orderbook100", "A-C", "delta.orderbook100.A-C", "{\"n\":2}")},
     {{"{\"op\":\"subscribe\",\"id\":\"a\",\"args\":[\"recenttrades.A\",\"delta.orderbook100.A-C\"]"
       "}",
       "\"successTopics\":[\"recenttrades.A\",\"delta.orderbook100.A-C\"],\"failTopics\":[]"},
      {"{\"op\":\"unSubAll\",\"id\":\"b\"}", "\"id\":\"b\",\"success\":true"},
      {"{\"op\":\"subscribe\",\"args\":[\"delta.orderbook100.A-C\"]}", "COMMAND_RESP"}},
     "{\"n\":2}\n"},
    {"usdc-private",
     "/trade/option/usdc/private/v1",
     SECRET,
     {LINE("user.order", "*", "user.order", "{\"topic\":\"user.order\"}")},
     {{"{\"op\":\"subscribe\",\"args\":[\"user.order\"]}", "\"failTopics\":[\"user.order\"]"},
      {AUTH_BAD, "\"ret_msg\":\"3303006\""},
      {AUTH, "\"ret_msg\":\"0\""},
      {"{\"method\":\"private/subscribe\",\"id\":\"1\",\"params\":{\"channels\":[\"user.order\"]}}",
       "\"successChannels\":[\"user.order\"]"}},
     "{\"topic\":\"user.order\"}\n"},
    {"spot-v1",
     "/spot/quote/ws/v1",
     NULL,
     {LINE("trade", "AUSDT", "trade.AUSDT", "{\"symbol\":\"AUSDT\",\"topic\":\"trade\"}"),
      LINE("kline.1m", "AUSDT", "kline.1m.AUSDT", "{\"symbol\":\"AUSDT\",\"topic\":\"kline\"}"),
      LINE("kline.5m", "AUSDT", "kline.5m.AUSDT", "{\"symbol\":\"AUSDT\",\"topic\":\"kline5\"}"),
      {"trade", "BUSDT", "trade.BUSDT", "\x1f\x8b\x08 not text", CHANNEL_IN, OPCODE_BINARY},
      LINE("mergedDepth.1", "AUSDT", "mergedDepth.1.AUSDT", "{\"topic\":\"mergedDepth\"}")},
     {{"{\"symbol\":\"AUSDT,BUSDT\",\"topic\":\"trade\",\"event\":\"sub\",\"params\":{\"binary\":"
       "true}}",
       "\"symbol\":\"AUSDT,BUSDT\",\"params\":{\"binary\":\"true\"},\"code\":\"0\""},
      {"{\"symbol\":\"AUSDT\",\"topic\":\"kline_1m\",\"event\":\"sub\"}", "\"msg\":\"Success\""},
      {"{\"symbol\":\"AUSDT\",\"topic\":\"kline_9m\",\"event\":\"sub\"}", "Invalid period!"},
      {"{\"symbol\":\"AUSDT\",\"topic\":\"mergedDepth\",\"event\":\"sub\",\"params\":{"
       "\"dumpScale\":"
       "1}}",
       "\"dumpScale\":\"1\""},
      {"{\"symbol\":\"AUSDT\",\"topic\":\"mergedDepth\",\"event\":\"cancel\",\"params\":{"
       "\"dumpScale\":1}}",
       "\"event\":\"cancel\""}},
     "{\"symbol\":\"AUSDT\",\"topic\":\"trade\"}\n{\"symbol\":\"AUSDT\",\"topic\":\"kline\"}\n"
     "\x1f\x8b\x08 not text\n"},
    {"spot-v2",
     "/spot/quote/ws/v2",
     NULL,
     {LINE("bookTicker", "AUSDT", "bookTicker.AUSDT", "{\"topic\":\"bookTicker\"}"),
      LINE("kline.1m", "AUSDT", "kline.1m.AUSDT", "{\"topic\":\"kline\"}")},
     {{"{\"topic\":\"bookTicker\",\"event\":\"sub\",\"params\":{\"symbol\":\"AUSDT,BUSDT\"}}",
       "\"code\":\"-100010\""},
      {"{\"topic\":\"dance\",\"event\":\"sub\",\"params\":{\"symbol\":\"AUSDT\"}}",
       "\"msg\":\"Parameter error!\""},
      {"{\"topic\":\"kline\",\"event\":\"sub\",\"params\":{\"symbol\":\"AUSDT\",\"klineType\":"
       "\"1m\"}}",
       "\"klineType\":\"1m\",\"symbolName\":\"AUSDT\"},\"code\":\"0\""}},
     "{\"topic\":\"kline\"}\n"},
    {"spot-private",
     "/spot/ws",
     SECRET,
     {LINE("executionReport", "*", "executionReport", "[{\"e\":\"executionReport\"}]"),
      LINE("ticketInfo", "*", "ticketInfo", "[{\"e\":\"ticketInfo\"}]")},
     {{"{\"ping\":1}", "{\"pong\":"}, {AUTH_BAD, "{\"auth\":\"fail\"}"}, {AUTH, "success"}},
     "[{\"e\":\"executionReport\"}]\n[{\"e\":\"ticketInfo\"}]\n"},
    {"v5-private",
     "/v5/private",
     NULL, /* any key is accepted, and a key is optional */
     {LINE("order", "*", "order", "{\"topic\":\"order\",\"data\":[{\"category\":\"linear\"}]}"),
      LINE("order", "*", "order", "{\"topic\":\"order\",\"data\":[{\"category\":\"spot\"}]}"),
      LINE("execution.fast", "*", "execution.fast", "{\"topic\":\"execution.fast\"}"),
      LINE("execution", "*", "execution", "{\"topic\":\"execution\"}")},
     {{"{\"op\":\"auth\",\"args\":[\"k\",1,\"s\"]}", "\"op\":\"auth\",\"conn_id\""},
      {"{\"op\":\"subscribe\",\"args\":[\"order.linear\",\"execution\"]}",
       "\"op\":\"subscribe\",\"conn_id\""}},
     "{\"topic\":\"order\",\"data\":[{\"category\":\"linear\"}]}\n{\"topic\":\"execution\"}\n"},
    {"inverse", /* public and private topics on one path */
     "/realtime",
     SECRET,
     {LINE("order", "*", "order", "{\"topic\":\"order\"}"),
      LINE("trade", "AUSD", "trade.AUSD", "{\"topic\":\"trade.AUSD\"}")},
     {{"{\"op\":\"subscribe\",\"args\":[\"order\"]}", "error:topic:order needs auth first"},
      {"{\"op\":\"subscribe\",\"args\":[\"trade.AUSD\"]}", "\"success\":true"},
      {AUTH, "\"args\":[\"k\",\"" EXPIRES "\",\"" SIGNATURE "\"]"},
      {"{\"op\":\"subscribe\",\"args\":[\"order\"]}", "\"success\":true"}},
     "{\"topic\":\"order\"}\n{\"topic\":\"trade.AUSD\"}\n"},
};

/* ---- a server ---- */

typedef struct serve_fixture {
    tape_fixture fixture;
    wire_loop *loop;
    selection wanted;
    serve_feeds *feeds;
    serve *server;
} serve_fixture;

static void write_tape(serve_fixture *f, const family_case *of)
{
    const tape_segment_spec spec = {.feed = of->family, .session = "00000001", .number = 1};
    tape_segment *segment = tape_segment_open_family(&f->fixture, &spec, of->family);
    tape_segment_connect(segment, 1, 1);
    for (unsigned i = 0; i < TAPE_LINES && of->lines[i].topic != NULL; i++) {
        const tape_line *line = &of->lines[i];
        tape_segment_put(segment, &(tape_put){.dir = line->dir,
                                              .topic = line->topic,
                                              .symbol = line->symbol,
                                              .conn = 1,
                                              .ordinal = i + 1,
                                              .recv_ns = i + 2,
                                              .text = line->frame,
                                              .exchange_topic = line->exchange_topic,
                                              .opcode = line->opcode});
    }
    tape_segment_finish(segment);
}

static void open_server(serve_fixture *f, const family_case *of)
{
    td_err err;
    *f = (serve_fixture){0};
    tape_fixture_init(&f->fixture);
    write_tape(f, of);
    archive *from = tape_fixture_archive(&f->fixture);
    if (serve_feeds_open(from, &f->wanted, NULL, &f->feeds, &err) != TD_OK ||
        wire_loop_open(clock_real(), NULL, &f->loop, &err) != TD_OK)
        fail_msg("%s: %s", of->family, err.text);
    serve_options options = {.loop = f->loop,
                             .archive = from,
                             .wanted = &f->wanted,
                             .feeds = f->feeds,
                             .server = {.listen = "127.0.0.1:0", .is_plain = 1},
                             .clock = clock_real(),
                             /* Steps follow each other at once, but a busy machine may be slow. */
                             .settle_ns = 200 * TD_NS_PER_MS,
                             .secret = of->secret,
                             .seed = 1};
    assert_int_equal(pacer_speed_parse("max", &options.speed, NULL), TD_OK);
    if (serve_open(&options, &f->server, &err) != TD_OK)
        fail_msg("%s: %s", of->family, err.text);
}

static void close_server(serve_fixture *f)
{
    serve_close(f->server);
    wire_loop_close(f->loop);
    serve_feeds_close(f->feeds);
    tape_fixture_fini(&f->fixture);
}

/* ---- a client ---- */

typedef struct client {
    wire_side side;
    td_buf data, control;
    unsigned control_count;
    const family_case *of;
} client;

/* 1 if this is one of the tape's frames, with its recorded opcode. */
static int is_of_tape(const family_case *of, unsigned opcode, td_bytes bytes)
{
    for (unsigned i = 0; i < TAPE_LINES && of->lines[i].topic != NULL; i++) {
        if (td_bytes_is(bytes, of->lines[i].frame)) {
            assert_int_equal(opcode, of->lines[i].opcode);
            assert_int_equal(of->lines[i].dir, CHANNEL_IN);
            assert_string_not_equal(of->lines[i].topic, "_control");
            return 1;
        }
    }
    return 0;
}

static void on_message(void *user, wire_conn *conn, const ws_message *got)
{
    client *c = user;
    const td_bytes bytes = got->bytes;
    (void)conn;
    int is_data = is_of_tape(c->of, got->opcode, bytes);
    td_buf *to = is_data ? &c->data : &c->control;
    if (!is_data)
        td_buf_clear(to);
    assert_int_equal(td_buf_append(to, bytes.data, bytes.size, NULL), TD_OK);
    assert_int_equal(td_buf_append(to, "\n", 1, NULL), TD_OK);
    c->control_count += !is_data;
}

static void on_opened(void *user, wire_conn *conn, const wire_peer *peer)
{
    WIRE_SIDE_OPS.opened(&((client *)user)->side, conn, peer);
}

static void on_ended(void *user, const wire_end *end)
{
    WIRE_SIDE_OPS.ended(&((client *)user)->side, end);
}

static const wire_client_ops GATHER_OPS = {
    .opened = on_opened, .conn.message = on_message, .ended = on_ended};

static void run_step(serve_fixture *f, client *c, const step *now)
{
    unsigned before = c->control_count;
    wire_run_until(f->loop, &c->side.opened, 1, "opened");
    assert_int_equal(wire_send(c->side.conn, 1, td_bytes_str(now->request), NULL), TD_OK);
    if (now->answer == NULL)
        return;
    wire_run_until(f->loop, &c->control_count, before + 1, now->request);
    if (memmem(c->control.data, c->control.size, now->answer, strlen(now->answer)) == NULL)
        fail_msg("%s: %s: %.*s", c->of->family, now->request, (int)c->control.size,
                 (const char *)c->control.data);
}

static void play(const family_case *of)
{
    serve_fixture f;
    char url[256];
    td_err err;
    open_server(&f, of);
    client c = {.side = {.loop = f.loop}, .of = of};
    td_buf_init(&c.data, 1 << 20);
    td_buf_init(&c.control, 1 << 20);
    (void)snprintf(url, sizeof url, "%s%s", wire_server_url(serve_server(f.server)), of->path);
    const wire_client_options options = {.url = url, .ops = &GATHER_OPS, .user = &c};
    if (wire_connect(f.loop, &options, &c.side.conn, &err) != TD_OK)
        fail_msg("%s: %s", of->family, err.text);
    for (size_t i = 0; i < STEPS_MAX && of->steps[i].request != NULL; i++)
        run_step(&f, &c, &of->steps[i]);
    wire_side_expect_end(&c.side, WIRE_CAUSE_CLOSED_BY_PEER, "code 1000");
    if (!td_bytes_is(td_buf_view(&c.data), of->expected))
        fail_msg("%s: got %.*s", of->family, (int)c.data.size, (const char *)c.data.data);
    td_buf_fini(&c.data);
    td_buf_fini(&c.control);
    close_server(&f);
}

static void test_families(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        play(&CASES[i]);
}

/* Credentials in the URL count as an auth request; wrong ones are refused before the upgrade. */
static void test_url_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        unsigned status; /* 0: accepted */
    } ROWS[] = {
        {"?api_key=k&expires=" EXPIRES "&signature=" SIGNATURE, 0},
        {"?api_key=k&expires=" EXPIRES "&signature=x", 401},
        {"?api_key=k&expires=1&signature=" SIGNATURE, 401},
        {"", 0},
    };
    const family_case *of = &CASES[sizeof CASES / sizeof *CASES - 1];
    assert_string_equal(of->family, "inverse");
    serve_fixture f;
    open_server(&f, of);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char url[512];
        wire_side side = {0};
        (void)snprintf(url, sizeof url, "%s%s%s", wire_server_url(serve_server(f.server)), of->path,
                       ROWS[i].query);
        wire_side_connect(&side, f.loop, url, NULL);
        wire_run_until(f.loop, ROWS[i].status == 0 ? &side.opened : &side.ended, 1, url);
        assert_int_equal(side.http_status, ROWS[i].status);
        if (ROWS[i].status != 0)
            continue;
        assert_int_equal(wire_send(side.conn, 1,
                                   td_bytes_str("{\"op\":\"subscribe\",\"args\":[\"order\"]}"),
                                   NULL),
                         TD_OK);
        wire_run_until(f.loop, &side.messages, 1, "answer");
        assert_int_equal(strstr(side.last, "needs auth first") != NULL, ROWS[i].query[0] == '\0');
        wire_close(side.conn, 1000, td_bytes_of(NULL, 0));
        wire_run_until(f.loop, &side.ended, 1, "end");
    }
    close_server(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_url_credentials),
    };
    return cmocka_run_group_tests_name("serve/serve_families", tests, NULL, NULL);
}
