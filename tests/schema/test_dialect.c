/* The op dialect. Expected texts are real frames and requests: documents 002 and 003 of
 * docs/wire.md, the recordings of 2021, and docs/wire.md 1 and 5.3 (acks, pongs, errors).
 * Signatures come from Python's hmac: hmac.new(secret, b"GET/realtime" + expires,
 * hashlib.sha256).hexdigest() */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "base/buf.h"
#include "schema/family.h"
#include "schema/filters.h"
#include "tests/testing/bybit_dialects.h"

#define CONN_ID   "00000000-1111-4222-8333-444444444444"
#define SIGNATURE "b58818aaa8f96ee686003165a8802339b0f879903c25a09db34dc813f1eef037"

static const dialect_auth AUTH = {.api_key = "OZUDHROKUZZNVZWHKN",
                                  .secret = "t7T0YlFnYXk0Fx3JswQsDrViLg1Gh3DUU5Mr",
                                  .expires_ms = 1542434791000};

static void assert_text(const td_buf *out, const char *expected)
{
    if (!td_bytes_is(td_buf_view(out), expected))
        fail_msg("got %.*s, not %s", (int)out->size, (const char *)out->data, expected);
}

static void test_requests(void **state)
{
    (void)state;
    const dialect *op = dialect_find(DIALECT_OP);
    assert_non_null(op);
    static const char *const TOPICS[] = {"trade.BTCUSD", "orderBookL2_25.EOSUSD", "trade.A|B"};
    td_buf out;
    td_buf_init(&out, 4096);
    dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = TOPICS, .count = 1, .id = "7"};
    assert_int_equal(dialect_ask_topics(op, &out, &ask, NULL), TD_OK);
    assert_text(&out, "{\"op\":\"subscribe\",\"args\":[\"trade.BTCUSD\"]}");
    td_buf_clear(&out);
    ask.count = 3;
    assert_int_equal(dialect_ask_topics(op, &out, &ask, NULL), TD_OK);
    assert_text(&out, "{\"op\":\"subscribe\",\"args\":[\"trade.BTCUSD\",\"orderBookL2_25.EOSUSD\","
                      "\"trade.A|B\"]}");
    td_buf_clear(&out);
    ask.count = 1;
    ask.kind = REQUEST_UNSUBSCRIBE;
    assert_int_equal(dialect_ask_topics(op, &out, &ask, NULL), TD_OK);
    assert_text(&out, "{\"op\":\"unsubscribe\",\"args\":[\"trade.BTCUSD\"]}");
    td_buf_clear(&out);
    assert_int_equal(dialect_heartbeat(&out, op->ping, 1, NULL), TD_OK);
    assert_text(&out, "{\"op\":\"ping\"}");
    td_buf_clear(&out);
    assert_int_equal(dialect_ask_auth(op, &out, &AUTH, NULL), TD_OK);
    assert_text(&out, "{\"op\":\"auth\",\"args\":[\"OZUDHROKUZZNVZWHKN\",1542434791000,\"" SIGNATURE
                      "\"]}");
    td_buf_fini(&out);
}

static void test_sign(void **state)
{
    (void)state;
    char signature[DIALECT_SIGNATURE_BYTES];
    dialect_auth empty = {.api_key = "", .secret = "", .expires_ms = 0};
    dialect_sign(dialect_find(DIALECT_OP), &AUTH, signature);
    assert_string_equal(signature, SIGNATURE);
    dialect_sign(dialect_find(DIALECT_OP), &empty, signature);
    assert_string_equal(signature,
                        "ad8dd7a28aaa78fe63ba365b9b2f6b8e12de8bc3830a68dbed971d5421420992");
}

/* Request, refusal, and the answer. */
static const struct {
    const char *name, *request;
    refusal refused;
    const char *topic; /* named by the refusal */
    const char *answer;
} ANSWERS[] = {
    {"subscribe, as captured", "{\"op\":\"subscribe\",\"args\":[\"trade.EOSUSD\"]}", REFUSAL_NONE,
     "",
     "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"" CONN_ID
     "\",\"request\":{\"op\":\"subscribe\",\"args\":[\"trade.EOSUSD\"]}}"},
    {"white space and other members are not echoed",
     "{ \"args\" : [ \"trade.EOSUSD\" ] , \"x\":1, \"op\" : \"unsubscribe\" }", REFUSAL_NONE, "",
     "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"" CONN_ID
     "\",\"request\":{\"op\":\"unsubscribe\",\"args\":[\"trade.EOSUSD\"]}}"},
    {"ping, as captured", "{\"op\":\"ping\"}", REFUSAL_NONE, "",
     "{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"" CONN_ID
     "\",\"request\":{\"op\":\"ping\",\"args\":null}}"},
    {"auth, expires as a number", "{\"op\":\"auth\",\"args\":[\"k\",1673261297679,\"s\"]}",
     REFUSAL_NONE, "",
     "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"" CONN_ID
     "\",\"request\":{\"op\":\"auth\",\"args\":[\"k\",\"1673261297679\",\"s\"]}}"},
    {"unknown op, as captured", "{\"op\":\"dance\",\"args\":[\"x\"]}", REFUSAL_INVALID_OP, "",
     "{\"success\":false,\"ret_msg\":\"error:invalid op\",\"conn_id\":\"" CONN_ID
     "\",\"request\":{\"op\":\"\",\"args\":null}}"},
    {"unknown topic", "{\"op\":\"subscribe\",\"args\":[\"nonsense\"]}", REFUSAL_UNKNOWN_TOPIC,
     "nonsense",
     "{\"success\":false,\"ret_msg\":\"error:handler not "
     "found,topic:nonsense\",\"conn_id\":\"" CONN_ID
     "\",\"request\":{\"op\":\"subscribe\",\"args\":[\"nonsense\"]}}"},
    {"empty list", "{\"op\":\"subscribe\",\"args\":[]}", REFUSAL_NONE, "",
     "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"" CONN_ID
     "\",\"request\":{\"op\":\"subscribe\",\"args\":[]}}"},
    {"escapes survive", "{\"op\":\"subscribe\",\"args\":[\"a\\\"\\u003e\"]}", REFUSAL_NONE, "",
     "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"" CONN_ID
     "\",\"request\":{\"op\":\"subscribe\",\"args\":[\"a\\\">\"]}}"},
};

static void test_answers(void **state)
{
    (void)state;
    const dialect *op = dialect_find(DIALECT_OP);
    dialect_parser *parser = dialect_parser_open();
    td_buf out;
    td_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof ANSWERS / sizeof *ANSWERS; i++) {
        dialect_request request;
        td_err err;
        td_bytes frame = td_bytes_str(ANSWERS[i].request);
        if (request_parse(parser, op, frame, &request, &err) != TD_OK)
            fail_msg("%s: %s", ANSWERS[i].name, err.text);
        td_buf_clear(&out);
        const dialect_reply reply = {.conn_id = CONN_ID,
                                     .refused = ANSWERS[i].refused,
                                     .topic = td_bytes_str(ANSWERS[i].topic)};
        assert_int_equal(dialect_build_answer(&out, &request, &reply, NULL), TD_OK);
        assert_text(&out, ANSWERS[i].answer);
    }
    td_buf_fini(&out);
    dialect_parser_close(parser);
}

static void test_requests_refused(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "",
        "x",
        "[]",
        "1",
        "\"op\"",
        "{\"op\":\"subscribe\"",
        "{\"op\":\"subscribe\",\"args\":1}",
        "{\"op\":\"subscribe\",\"args\":{}}",
        "{\"op\":\"ping\"}{}",
    };
    const dialect *op = dialect_find(DIALECT_OP);
    dialect_parser *parser = dialect_parser_open();
    dialect_request request;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        if (request_parse(parser, op, td_bytes_str(TEXTS[i]), &request, NULL) != TD_E_INVALID)
            fail_msg("accepted %s", TEXTS[i]);
    }
    /* One arg too many. */
    td_buf many;
    td_buf_init(&many, 1 << 20);
    assert_int_equal(td_buf_printf(&many, NULL, "{\"op\":\"subscribe\",\"args\":[0"), TD_OK);
    for (int i = 0; i < DIALECT_ARGS_MAX; i++)
        assert_int_equal(td_buf_append(&many, ",0", 2, NULL), TD_OK);
    assert_int_equal(td_buf_append(&many, "]}", 2, NULL), TD_OK);
    assert_int_equal(request_parse(parser, op, td_buf_view(&many), &request, NULL), TD_E_LIMIT);
    td_buf_fini(&many);
    /* The parser can be used again. */
    assert_int_equal(request_parse(parser, op, td_bytes_str("{\"op\":\"ping\",\"req_id\":\"r\"}"),
                                   &request, NULL),
                     TD_OK);
    assert_int_equal(request.kind, REQUEST_PING);
    assert_true(td_bytes_is(request.id, "r"));
    assert_null(request.args);
    dialect_parser_close(parser);
}

static void test_filter_covers(void **state)
{
    (void)state;
    static const struct {
        const char *subscription, *topic;
        int covers;
    } ROWS[] = {
        {"trade.BTCUSD", "trade.BTCUSD", 1},
        {"trade.BTCUSD", "trade.BTCUSDT", 0},
        {"trade.BTCUSD|XRPUSD", "trade.XRPUSD", 1},
        {"trade.BTCUSD|XRPUSD", "trade.BTCUSD", 1},
        {"trade.BTCUSD|XRPUSD", "trade.EOSUSD", 0},
        {"trade.BTCUSD|XRPUSD", "trade.BTCUS", 0},
        {"trade.*", "trade.EOSUSD", 1},
        {"trade", "trade.EOSUSD", 1},
        {"trade", "trades.EOSUSD", 0},
        {"trade.", "trade.EOSUSD", 0},
        {"position", "position", 1},
        {"order", "orderBookL2_25.BTCUSD", 0},
        {"orderBook_200", "orderBook_200.100ms.BTCUSD", 0},
        {"orderBook_200.100ms", "orderBook_200.100ms.BTCUSD", 1},
        {"orderBook_200.100ms.*", "orderBook_200.100ms.BTCUSD", 1},
        {"orderBook_200.100ms.EOSUSD|BTCUSD", "orderBook_200.100ms.BTCUSD", 1},
        {"klineV2.1.*", "klineV2.5.BTCUSD", 0},
        {"klineV2.1", "klineV2.1.BTCUSD", 1},
        {"*", "position", 0},
        {"", "trade.BTCUSD", 0},
        {"trade.BTC-31DEC21-36000-P", "trade.BTC-31DEC21-36000-P", 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        int covers = dialect_find(DIALECT_OP)
                         ->covers(td_bytes_str(ROWS[i].subscription), td_bytes_str(ROWS[i].topic));
        if (covers != ROWS[i].covers)
            fail_msg("'%s' and %s: %d", ROWS[i].subscription, ROWS[i].topic, covers);
    }
}

/* Dialects without lists: docs/wire.md 1.3, 1.5. */
static void test_covers_by_text(void **state)
{
    (void)state;
    static const struct {
        dialect_id dialect;
        const char *subscription, *topic;
        int covers;
    } ROWS[] = {
        {DIALECT_V3, "tickers.A", "tickers.A", 1},
        {DIALECT_V3, "tickers", "tickers.A", 0},
        {DIALECT_V3, "tickers.*", "tickers.A", 0},
        {DIALECT_V3, "tickers.A|B", "tickers.A", 0},
        {DIALECT_V3, "", "", 0},
        {DIALECT_V5_PRIVATE, "order", "order", 1},
        {DIALECT_V5_PRIVATE, "order", "order.linear", 1},
        {DIALECT_V5_PRIVATE, "order.linear", "order", 1},
        {DIALECT_V5_PRIVATE, "order.linear", "order.inverse", 0},
        {DIALECT_V5_PRIVATE, "execution", "execution.fast", 0},
        {DIALECT_V5_PRIVATE, "execution.fast", "execution", 0},
        {DIALECT_V5_PRIVATE, "execution.fast", "execution.fast.spot", 1},
        {DIALECT_V5_PRIVATE, "execution", "execution.fast.spot", 0},
        {DIALECT_V5_PRIVATE, "order", "orderbook", 0},
        {DIALECT_USDC, "user.order", "user.order", 1},
        {DIALECT_USDC, "user", "user.order", 0},
        {DIALECT_SPOT, "kline.1m.A", "kline.1m.A", 1},
        {DIALECT_SPOT, "kline.1m.A", "kline.5m.A", 0},
        {DIALECT_SPOT_PRIVATE, "*", "executionReport", 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        int covers = dialect_find(ROWS[i].dialect)
                         ->covers(td_bytes_str(ROWS[i].subscription), td_bytes_str(ROWS[i].topic));
        if (covers != ROWS[i].covers)
            fail_msg("'%s' and %s: %d", ROWS[i].subscription, ROWS[i].topic, covers);
    }
}

static void test_filters(void **state)
{
    (void)state;
    topic_filters filters;
    topic_filters_init(&filters, dialect_find(DIALECT_OP));
    assert_false(topic_filters_cover(&filters, td_bytes_str("trade.A")));
    assert_int_equal(topic_filters_add(&filters, td_bytes_str("trade.A|B|C"), NULL), TD_OK);
    assert_int_equal(topic_filters_add(&filters, td_bytes_str("trade.B"), NULL), TD_OK);
    assert_int_equal(filters.count, 3);
    assert_true(topic_filters_cover(&filters, td_bytes_str("trade.B")));
    topic_filters_remove(&filters, td_bytes_str("trade.B"));
    assert_false(topic_filters_cover(&filters, td_bytes_str("trade.B")));
    assert_true(topic_filters_cover(&filters, td_bytes_str("trade.A")));
    assert_true(topic_filters_cover(&filters, td_bytes_str("trade.C")));
    assert_int_equal(topic_filters_add(&filters, td_bytes_str("orderBookL2_25.*"), NULL), TD_OK);
    assert_true(topic_filters_cover(&filters, td_bytes_str("orderBookL2_25.X")));
    topic_filters_remove(&filters, td_bytes_str("trade.C|A|Z"));
    assert_int_equal(filters.count, 1);
    topic_filters_remove(&filters, td_bytes_str("orderBookL2_25.*"));
    topic_filters_remove(&filters, td_bytes_str("orderBookL2_25.*"));
    assert_int_equal(filters.count, 0);
    assert_int_equal(topic_filters_add(&filters, td_bytes_str(""), NULL), TD_E_INVALID);
    assert_int_equal(topic_filters_add(&filters, td_bytes_str("a\nb"), NULL), TD_E_INVALID);
    topic_filters_fini(&filters);
}

static void test_filters_are_bounded(void **state)
{
    (void)state;
    topic_filters filters;
    topic_filters_init(&filters, dialect_find(DIALECT_OP));
    char topic[2000];
    memset(topic, 'a', sizeof topic);
    td_result rc = TD_OK;
    size_t added = 0;
    for (unsigned i = 0; i < 2000 && rc == TD_OK; i++) {
        (void)snprintf(topic, 8, "%06u.", i);
        topic[7] = 'a';
        rc = topic_filters_add(&filters, td_bytes_of(topic, sizeof topic), NULL);
        added += rc == TD_OK;
    }
    assert_int_equal(rc, TD_E_LIMIT);
    assert_int_equal(filters.count, added);
    assert_true(filters.bytes <= TOPIC_FILTERS_BYTES_MAX);
    topic_filters_fini(&filters);
}

/* As many topics as a connection may have, some removed and added again, with more text than fits
 * at once: removed ones free space. A linear search for each would take minutes. */
static void test_filters_are_many(void **state)
{
    (void)state;
    topic_filters filters;
    topic_filters_init(&filters, dialect_find(DIALECT_V5));
    char topic[64];
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < DIALECT_ARGS_MAX; i++) {
            (void)snprintf(topic, sizeof topic, "orderbook.50.S%06uUSDT", i);
            assert_int_equal(topic_filters_add(&filters, td_bytes_str(topic), NULL), TD_OK);
            assert_int_equal(topic_filters_add(&filters, td_bytes_str(topic), NULL), TD_OK);
        }
        assert_int_equal(filters.count, DIALECT_ARGS_MAX);
        for (unsigned i = 0; i < DIALECT_ARGS_MAX; i += 2) {
            (void)snprintf(topic, sizeof topic, "orderbook.50.S%06uUSDT", i);
            topic_filters_remove(&filters, td_bytes_str(topic));
        }
        assert_int_equal(filters.count, DIALECT_ARGS_MAX / 2);
        for (unsigned i = 0; i < DIALECT_ARGS_MAX; i++) {
            (void)snprintf(topic, sizeof topic, "orderbook.50.S%06uUSDT", i);
            assert_int_equal(topic_filters_cover(&filters, td_bytes_str(topic)), i % 2);
        }
    }
    topic_filters_clear(&filters);
    assert_false(topic_filters_has(&filters, td_bytes_str("orderbook.50.S000001USDT")));
    topic_filters_fini(&filters);
}

static void test_words(void **state)
{
    (void)state;
    char reason[DIALECT_REASON_BYTES];
    const dialect_request request = {.dialect = dialect_find(DIALECT_OP)};
    dialect_reply reply = {.refused = REFUSAL_NEEDS_AUTH, .topic = td_bytes_str("order")};
    dialect_refusal_text(&request, &reply, reason);
    assert_string_equal(reason, "error:topic:order needs auth first");
    char long_topic[4096];
    memset(long_topic, 'x', sizeof long_topic);
    reply = (dialect_reply){.refused = REFUSAL_UNKNOWN_TOPIC,
                            .topic = td_bytes_of(long_topic, sizeof long_topic)};
    dialect_refusal_text(&request, &reply, reason);
    assert_true(strlen(reason) < DIALECT_REASON_BYTES);
    reply.recorded_text = "as recorded";
    dialect_refusal_text(&request, &reply, reason);
    assert_string_equal(reason, "as recorded");
    long_topic[sizeof long_topic - 1] = '\0';
    reply.recorded_text = long_topic;
    dialect_refusal_text(&request, &reply, reason);
    assert_memory_equal(reason, "error:handler", strlen("error:handler"));
    char id[DIALECT_CONN_ID_BYTES];
    dialect_conn_id(0, 0, id);
    assert_string_equal(id, "00000000-0000-4000-8000-000000000000"); /* RFC 4122, 4.4 */
    dialect_conn_id(UINT64_MAX, UINT64_MAX, id);
    assert_string_equal(id, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_null(dialect_find((dialect_id)99));
}

/* Topics of granted and refused lists of any size are all there, whatever their forms are. */
static void test_long_lists(void **state)
{
    enum { MORE = 3000 };
    (void)state;
    td_buf frame;
    td_buf_init(&frame, 1 << 20);
    dialect_parser *parser = dialect_parser_open();
    dialect_answer answer;
    assert_int_equal(
        td_buf_printf(&frame, NULL,
                      "{\"success\":true,\"type\":\"COMMAND_RESP\",\"data\":{"
                      "\"successTopics\":{\"a\":[\"b\"]},\"failTopics\":{\"c\":[\"x\""),
        TD_OK);
    for (int i = 0; i < MORE; i++)
        assert_int_equal(td_buf_printf(&frame, NULL, ",\"y%d\"", i), TD_OK);
    assert_int_equal(td_buf_printf(&frame, NULL, "]}}}"), TD_OK);
    const dialect *spoken = family_find(td_bytes_str("usdc-option"))->dialect;
    assert_int_equal(answer_parse(parser, spoken, td_buf_view(&frame), &answer, NULL), TD_OK);
    assert_int_equal(answer.granted_count, 1);
    assert_true(td_bytes_is(answer.granted[0], "a.b"));
    assert_int_equal(answer.failed_count, MORE + 1);
    assert_true(td_bytes_is(answer.failed[0], "c.x"));
    assert_true(td_bytes_is(answer.failed[MORE], "c.y2999"));
    dialect_parser_close(parser);
    td_buf_fini(&frame);
}

/* The document of an exchange whose topics are objects, with more keys of its dialect. */
#define EXCHANGE_OF_OBJECTS(more)                                                                  \
    "exchange: mine\nconnects: 300 per 300 s\ntopic_keys: [channel, instId]\n"                     \
    "frames: {topic: stream, data: data, begins: '{\"stream\":\"'}\n"                              \
    "control:\n  rules:\n    - id ping pong\n    - result * ack\n"                                 \
    "answers: {ids: [id], reasons: [error.msg]}\n"                                                 \
    "dialects:\n  mine:\n    ping_s: 60\n" more "    ask:\n"                                       \
    "      topics: '{\"method\":$op,\"params\":$topics}'\n      ping: '{\"method\":\"L\"}'\n"      \
    "    requests: [\"method SUBSCRIBE subscribe\"]\n    lists: [params]\n"                        \
    "    replies: {any: '{}'}\n    refusals: {other: no}\n"

/* Topics that are objects; others are as they are written. */
static void test_long_objects(void **state)
{
    static const char EXCHANGE[] = EXCHANGE_OF_OBJECTS("");
    static const char SPELLED[] = EXCHANGE_OF_OBJECTS("    spelling: \"{name}@{symbol}\"\n");
    static const char FAMILY[] = "family: mine\nexchange: mine\ndialect: mine\n"
                                 "addresses:\n  - main public wss://stream.example.com/s\n";
    enum { MORE = 1500 };
    (void)state;
    const family_text texts[] = {{"mine.exchange", (const uint8_t *)EXCHANGE, sizeof EXCHANGE - 1},
                                 {"mine", (const uint8_t *)FAMILY, sizeof FAMILY - 1}};
    const family_text both[] = {{"mine.exchange", (const uint8_t *)SPELLED, sizeof SPELLED - 1},
                                texts[1]};
    td_err err;
    assert_int_equal(family_add(both, 2, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "topics are spelled, or objects"));
    if (family_add(texts, 2, &err) != TD_OK)
        fail_msg("%s", err.text);
    td_buf frame;
    td_buf_init(&frame, 1 << 20);
    dialect_parser *parser = dialect_parser_open();
    dialect_request request;
    assert_int_equal(td_buf_printf(&frame, NULL,
                                   "{\"method\":\"SUBSCRIBE\",\"params\":["
                                   "\"trade.A\",7"),
                     TD_OK);
    for (int i = 0; i < MORE; i++)
        assert_int_equal(
            td_buf_printf(&frame, NULL, ",{\"channel\":\"%0100d\",\"instId\":\"B\"}", i), TD_OK);
    assert_int_equal(td_buf_printf(&frame, NULL, "]}"), TD_OK);
    const dialect *spoken = family_find(td_bytes_str("mine"))->dialect;
    assert_int_equal(request_parse(parser, spoken, td_buf_view(&frame), &request, NULL), TD_OK);
    assert_int_equal(request.arg_count, MORE + 2);
    assert_true(td_bytes_is(request.args[0], "\"trade.A\""));
    assert_true(td_bytes_is(request.args[1], "7"));
    for (size_t i = 2; i < request.arg_count; i++) {
        assert_int_equal(request.args[i].size, 102);
        assert_memory_equal(request.args[i].data + 100, ".B", 2);
    }
    dialect_parser_close(parser);
    td_buf_fini(&frame);
}

/* Topics with keys of their own, both ways. */
static void test_named_objects(void **state)
{
    static const struct {
        const char *topic, *object;
    } ROWS[] = {
        {"books.A-B", "{\"channel\":\"books\",\"instId\":\"A-B\"}"},
        {"status", "{\"channel\":\"status\"}"},
        {"kind.SWAP", "{\"channel\":\"kind\",\"instType\":\"SWAP\"}"},
        {"kind", "{\"channel\":\"kind\"}"},
        {"both.X.A-B", "{\"channel\":\"both\",\"instType\":\"X\",\"instFamily\":\"A-B\"}"},
        {"both.X.A.B", "{\"channel\":\"both\",\"instType\":\"X\",\"instFamily\":\"A.B\"}"},
        {"both.X", "{\"channel\":\"both\",\"instType\":\"X\"}"},
        {"kinds.SWAP", "{\"channel\":\"kinds\",\"instId\":\"SWAP\"}"},
    };
    static const char *const USUAL[] = {"channel", "instId", NULL};
    static const named_keys NAMED[] = {
        {"kind", {"instType"}}, {"both", {"instType", "instFamily"}}, {NULL, {NULL}}};
    const topic_keys keys = {USUAL, NAMED};
    (void)state;
    json_parser *parser = json_parser_open(1 << 10);
    td_buf out;
    td_buf_init(&out, 1 << 10);
    json_value object;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        td_buf_clear(&out);
        assert_int_equal(topic_put_object(&keys, ROWS[i].topic, &out, NULL), TD_OK);
        assert_text(&out, ROWS[i].object);
        assert_int_equal(
            json_parse(parser, td_bytes_str(ROWS[i].object), JSON_COPIED, &object, NULL), TD_OK);
        assert_true(topic_has_object(&keys, object));
        td_buf_clear(&out);
        assert_int_equal(topic_read_object(&keys, object, &out, NULL), TD_OK);
        assert_text(&out, ROWS[i].topic);
    }
    /* A part after one that is absent has no place. */
    assert_int_equal(json_parse(parser,
                                td_bytes_str("{\"instFamily\":\"A-B\",\"channel\":\"both\"}"),
                                JSON_COPIED, &object, NULL),
                     TD_OK);
    td_buf_clear(&out);
    assert_int_equal(topic_read_object(&keys, object, &out, NULL), TD_OK);
    assert_text(&out, "both");
    td_buf_fini(&out);
    json_parser_close(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_long_objects),
        cmocka_unit_test(test_named_objects),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_sign),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_requests_refused),
        cmocka_unit_test(test_filter_covers),
        cmocka_unit_test(test_covers_by_text),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_filters_are_bounded),
        cmocka_unit_test(test_filters_are_many),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests_name("schema/dialect", tests, NULL, NULL);
}
