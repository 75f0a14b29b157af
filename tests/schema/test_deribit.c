/* Deribit, an exchange in two documents: topics with text after their symbol, JSON-RPC requests
 * whose answers list the granted topics only, and a heartbeat that is a request of either side.
 * Expected texts are of the exchange's documentation of API v2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "schema/family.h"
#include "schema/responder.h"
#include "tests/testing/answer_text.h"

static const family *deribit(void)
{
    const family *of = family_find(td_bytes_str("deribit"));
    assert_non_null(of);
    return of;
}

/* ---- a client ---- */

static void test_asks(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"book.BTC-PERPETUAL.raw", "trades.BTC-PERPETUAL.100ms"};
    static const char PING[] = "{\"jsonrpc\":\"2.0\",\"id\":\"ping\",\"method\":\"public/test\"}";
    const dialect *spoken = deribit()->dialect;
    dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = TOPICS, .count = 2, .id = "sub-1"};
    td_buf out;
    td_buf_init(&out, 4096);
    assert_int_equal(dialect_ask_topics(spoken, &out, &ask, NULL), TD_OK);
    assert_text(td_buf_view(&out),
                "{\"jsonrpc\":\"2.0\",\"id\":\"sub-1\",\"method\":\"public/subscribe\",\"params\":"
                "{\"channels\":[\"book.BTC-PERPETUAL.raw\",\"trades.BTC-PERPETUAL.100ms\"]}}");
    td_buf_clear(&out);
    ask = (dialect_ask){.kind = REQUEST_UNSUBSCRIBE, .topics = TOPICS, .count = 1};
    assert_int_equal(dialect_ask_topics(spoken, &out, &ask, NULL), TD_OK);
    assert_text(td_buf_view(&out), "{\"jsonrpc\":\"2.0\",\"method\":\"public/unsubscribe\","
                                   "\"params\":{\"channels\":[\"book.BTC-PERPETUAL.raw\"]}}");
    td_buf_clear(&out);
    assert_int_equal(dialect_heartbeat(&out, spoken->ping, 1, NULL), TD_OK);
    assert_text(td_buf_view(&out), PING);
    td_buf_clear(&out);
    assert_int_equal(dialect_heartbeat(&out, spoken->pong, 1, NULL), TD_OK);
    assert_text(td_buf_view(&out), PING);
    td_buf_fini(&out);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        answer_kind kind;
        const char *id, *reason, *granted;
        int grants; /* book.A.raw */
    } ROWS[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":\"sub-1\",\"result\":[\"trades.A.raw\",\"book.A.raw\"],"
         "\"usIn\":1,\"usOut\":2,\"usDiff\":1,\"testnet\":false}",
         ANSWER_TOPICS, "sub-1", "", "trades.A.raw book.A.raw ", 1},
        {"{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":[\"trades.A.raw\"]}", ANSWER_TOPICS, "0", "",
         "trades.A.raw ", 0},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"sub-1\",\"result\":[]}", ANSWER_TOPICS, "sub-1", "", "", 0},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"sub-1\",\"error\":{\"code\":-32602,\"message\":\"Invalid "
         "params\"}}",
         ANSWER_TOPICS, "sub-1", "Invalid params", "", 0},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"ping\",\"result\":{\"version\":\"1.2.26\"}}", ANSWER_PONG,
         "ping", "", "", 0},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"heartbeat\",\"params\":{\"type\":\"test_request\"}}",
         ANSWER_PING, "", "", "", 0},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"subscription\",\"params\":{\"channel\":\"book.A.raw\","
         "\"data\":{}}}",
         ANSWER_NONE, "", "", "", 0},
    };
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_answer answer;
        char granted[128];
        assert_int_equal(
            answer_parse(parser, deribit()->dialect, td_bytes_str(ROWS[i].frame), &answer, NULL),
            TD_OK);
        if (answer.kind != ROWS[i].kind ||
            answer.of != (answer.kind == ANSWER_PONG ? REQUEST_PING : REQUEST_UNKNOWN))
            fail_msg("%s: kind %d of %d", ROWS[i].frame, (int)answer.kind, (int)answer.of);
        topics_to_text(answer.granted, answer.granted_count, granted, sizeof granted);
        assert_string_equal(granted, ROWS[i].granted);
        assert_text(answer.id, ROWS[i].id);
        assert_text(answer.reason, ROWS[i].reason);
        assert_int_equal(dialect_answer_grants(&answer, "book.A.raw"), ROWS[i].grants);
        if (answer.kind == ANSWER_TOPICS) /* its request's topics that it does not name, too */
            assert_true(dialect_answer_names(&answer, REQUEST_SUBSCRIBE, "book.A.raw"));
    }
    dialect_parser_close(parser);
}

/* ---- frames ---- */

#define FRAME(topic, data)                                                                         \
    "{\"jsonrpc\":\"2.0\",\"method\":\"subscription\",\"params\":{\"channel\":\"" topic            \
    "\",\"data\":" data "}}"

/* Each frame twice: the second time, the topic is in the classifier's memory. */
static void test_classes(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        frame_class is;
        const char *text; /* of the topic; NULL: not data */
        const char *topic, *symbol;
        uint64_t exchange_ns;
    } ROWS[] = {
        {FRAME("book.BTC-PERPETUAL.raw", "{\"type\":\"change\",\"timestamp\":1790000000223}"),
         CLASS_DATA, "book.BTC-PERPETUAL.raw", "book.raw", "BTC-PERPETUAL",
         UINT64_C(1790000000223000000)},
        {FRAME("book.ETH_USDC-5JUL23-0d5-C.100ms", "{\"timestamp\":5}"), CLASS_DATA,
         "book.ETH_USDC-5JUL23-0d5-C.100ms", "book.100ms", "ETH_USDC-5JUL23-0d5-C",
         UINT64_C(5000000)},
        {FRAME("trades.A.raw", "[{\"timestamp\":7},{\"timestamp\":8}]"), CLASS_DATA, "trades.A.raw",
         "trades.raw", "A", UINT64_C(7000000)},
        {" { \"params\" : { \"data\" : { \"timestamp\" : 9 } , \"channel\" : "
         "\"ticker.A\\u002dB.raw\" } , \"method\" : \"subscription\" } ",
         CLASS_DATA, "ticker.A-B.raw", "ticker.raw", "A-B", UINT64_C(9000000)},
        {FRAME("book.A.agg3", "{}"), CLASS_DATA, "book.A.agg3", "book.A.agg3", "", 0},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"subscription\",\"params\":{\"data\":{}}}",
         CLASS_UNKNOWN, NULL, NULL, NULL, 0},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":[\"book.A.raw\"]}", CLASS_ACK, NULL, NULL,
         NULL, 0},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"error\":{\"code\":-32601}}", CLASS_ERROR, NULL, NULL,
         NULL, 0},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"ping\",\"result\":{\"version\":\"1.2.26\"}}", CLASS_PONG,
         NULL, NULL, NULL, 0},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"heartbeat\",\"params\":{\"type\":\"test_request\"}}",
         CLASS_PING, NULL, NULL, NULL, 0},
    };
    decoder *d = decoder_open();
    for (size_t i = 0; i < 2 * (sizeof ROWS / sizeof *ROWS); i++) {
        const size_t at = i / 2;
        uint8_t padded[512] = {0};
        classification what;
        const size_t size = strlen(ROWS[at].frame);
        assert_true(size + DECODE_PADDING_BYTES <= sizeof padded);
        memcpy(padded, ROWS[at].frame, size);
        decoder_classify(d, deribit(), td_bytes_of(padded, size), CHANNEL_IN, TOPIC_NOW, &what);
        if (what.frame_class != ROWS[at].is)
            fail_msg("%s: %s", ROWS[at].frame, frame_class_name(what.frame_class));
        if (ROWS[at].text == NULL)
            continue;
        assert_text(what.exchange_topic, ROWS[at].text);
        assert_text(what.topic.topic, ROWS[at].topic);
        assert_text(what.topic.symbol, ROWS[at].symbol);
        assert_int_equal(what.exchange_ns, ROWS[at].exchange_ns);
        assert_int_equal(what.topic.row != NULL, ROWS[at].exchange_ns != 0);
    }
    decoder_close(d);
}

/* Values of the envelope that are inside the entry, in an object of their own, and frames of
 * another topic than the channel's. */
static void test_decoded(void **state)
{
    (void)state;
    static const char OPTION[] =
        FRAME("ticker.A.raw", "{\"timestamp\":5,\"greeks\":{\"delta\":0.5,\"vega\":2.25},"
                              "\"instrument_name\":\"A\",\"stats\":{\"volume\":null,\"new\":1}}");
    static const struct {
        const char *topic, *symbol;
        decode_reason why;
    } ROWS[] = {
        {"ticker.raw", "A", DECODE_OK},
        {"ticker.raw", "B", DECODE_TOPIC_MISMATCH},
        {"ticker.100ms", "A", DECODE_TOPIC_MISMATCH},
    };
    uint8_t padded[512] = {0};
    const size_t size = sizeof OPTION - 1;
    memcpy(padded, OPTION, size);
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        message m;
        decode_error why = {.reason = DECODE_OK};
        const topic_match topic = {family_topic_named(deribit(), ROWS[i].topic),
                                   td_bytes_str(ROWS[i].topic), td_bytes_str(ROWS[i].symbol)};
        const int is_decoded =
            decoder_decode(d, &topic, td_bytes_of(padded, size), DECODE_PATH_WHOLE, &m, &why);
        assert_int_equal(is_decoded, ROWS[i].why == DECODE_OK);
        assert_int_equal(why.reason, ROWS[i].why);
        if (!is_decoded)
            continue;
        assert_int_equal(m.record.value_count, 4);
        assert_int_equal(m.record.values[2].member, MEMBER_VEGA);
        assert_int_equal(m.record.values[2].as.decimal.mantissa, 225);
        assert_int_equal(m.record.values[3].member, MEMBER_DELTA);
        assert_int_equal(m.record.item_count, 1);
        assert_int_equal(m.head.unknown_fields, 1);
    }
    decoder_close(d);
}

/* ---- a server ---- */

typedef struct client {
    char sent[512];
} client;

static topic_standing standing_of(void *user, td_bytes topic)
{
    (void)user;
    return (topic_standing){.is_known = (uint8_t)td_bytes_is(topic, "book.A.raw")};
}

static int subscribe(void *user, td_bytes topic)
{
    (void)user;
    assert_text(topic, "book.A.raw");
    return 1;
}

static void unsubscribe_all(void *user)
{
    (void)user;
}

static void changed(void *user, request_kind kind)
{
    (void)user;
    (void)kind;
}

/* Keeps what was sent, a line for each. */
static void keep(void *user, td_bytes answer)
{
    client *c = user;
    const size_t used = strlen(c->sent);
    assert_true(used + answer.size + 2 < sizeof c->sent);
    memcpy(c->sent + used, answer.data, answer.size);
    c->sent[used + answer.size] = '\n';
}

static void test_server(void **state)
{
    (void)state;
#define AT ",\"usIn\":1000000,\"usOut\":1000000,\"usDiff\":0,\"testnet\":false}\n"
    static const responder_ops OPS = {.standing = standing_of,
                                      .subscribe = subscribe,
                                      .unsubscribe_all = unsubscribe_all,
                                      .changed = changed,
                                      .send = keep};
    static const struct {
        const char *request, *sent;
    } ROWS[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":\"ping\",\"method\":\"public/test\"}",
         "{\"jsonrpc\":\"2.0\",\"id\":\"ping\",\"result\":{\"version\":\"1.2.26\"}" AT},
        {"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"public/subscribe\",\"params\":{\"channels\":"
         "[\"book.B.raw\",\"book.A.raw\",\"book.A\"]}}",
         "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":[\"book.A.raw\"]" AT},
        {"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"public/subscribe\",\"params\":{\"channels\":"
         "[\"book.B.raw\"]}}",
         "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":[]" AT},
        {"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"public/unsubscribe_all\",\"params\":{}}",
         "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":\"ok\"" AT},
        {"{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"public/subscribe\",\"params\":{}}",
         "{\"jsonrpc\":\"2.0\",\"id\":6,\"error\":{\"message\":\"Invalid params\",\"code\":"
         "-32602}" AT},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"method\":\"public/dance\"}",
         "{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"error\":{\"message\":\"Method not found\",\"code\":"
         "-32601}" AT},
        {"no JSON",
         "{\"jsonrpc\":\"2.0\",\"error\":{\"message\":\"bad_request\",\"code\":11050}" AT},
    };
    responder *r = responder_open(NULL);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        client c = {""};
        const responder_client from = {&OPS, &c, deribit()->dialect, "c"};
        assert_int_equal(responder_answer(r, &from, td_bytes_str(ROWS[i].request), 1000, NULL),
                         TD_OK);
        assert_string_equal(c.sent, ROWS[i].sent);
    }
    responder_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks),    cmocka_unit_test(test_answers),
        cmocka_unit_test(test_classes), cmocka_unit_test(test_decoded),
        cmocka_unit_test(test_server),
    };
    return cmocka_run_group_tests_name("schema/deribit", tests, NULL, NULL);
}
