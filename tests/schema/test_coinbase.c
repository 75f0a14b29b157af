/* Coinbase Advanced Trade, an exchange in two documents: the number of all frames of a connection,
 * answers that list all topics, topics that frames call otherwise. Expected texts are of the
 * exchange's documentation, and of a recording. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "schema/conn_counter.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "schema/family.h"
#include "schema/responder.h"
#include "tests/testing/answer_text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const family *coinbase(void)
{
    const family *of = family_find(td_bytes_str("coinbase-advanced"));
    assert_non_null(of);
    return of;
}

/* A frame in memory of its exact size and padding, so that a sanitizer finds reads beyond. */
static td_bytes padded(const char *text, size_t padding)
{
    const size_t size = strlen(text);
    uint8_t *made = td_alloc_zero(1, size + padding);
    memcpy(made, text, size);
    return td_bytes_of(made, size);
}

/* ---- numbers ---- */

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        uint64_t ordinal;
        const char *frame;
        uint64_t expected, found;
    } ROWS[] = {
        {1, "{\"channel\":\"x\",\"sequence_num\":5,\"events\":[]}", 5, 5},
        {2, "{ \"sequence_num\" : 6 }", 6, 6},
        {3, "{\"a\":{\"sequence_num\":1,\"b\":[{}]},\"c\":\"\\\"}\",\"sequence_num\":9}", 7, 9},
        {4, "{\"type\":\"error\",\"message\":\"x\"}", 0, 0},
        {5, "{\"sequence_num\":\"10\"}", 10, 10},
        {6, "not JSON", 0, 0},
        {7, "{\"sequence_num\":11}", 11, 11},
        {10, "{\"sequence_num\":14}", 14, 14}, /* 2 frames were dropped here */
        {11, "{\"sequence_num\":14}", 15, 14},
        {12, "{\"sequence_num\":99999999999999999999}", 0, 0},
        {13, "{\"sequence_num", 0, 0},
        {14, "{\"sequence_num\"", 0, 0},
        {15, "{\"sequence_num\":", 0, 0},
        {16, "{\"a\\", 0, 0},
        {17, "{", 0, 0},
        {18, "", 0, 0},
        {19, "{\"a\":1 \"sequence_num\":14}", 0, 0},
        {20, "{\"sequence_num\":15", 15, 15},
    };
    conn_counter counter = {.ordinal = 0};
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        const td_bytes frame = padded(ROWS[i].frame, 0);
        const counted_frame got =
            conn_counter_apply(&counter, coinbase()->exchange, ROWS[i].ordinal, frame);
        if (got.expected != ROWS[i].expected || got.found != ROWS[i].found)
            fail_msg("%s: %d, %d", ROWS[i].frame, (int)got.expected, (int)got.found);
        td_free((void *)frame.data);
    }
}

static void test_written_numbers(void **state)
{
    (void)state;
    static const char *const ROWS[][2] = {
        {"{\"channel\":\"x\",\"sequence_num\":5,\"events\":[]}",
         "{\"channel\":\"x\",\"sequence_num\":998,\"events\":[]}"},
        {"{\"type\":\"error\"}", "{\"type\":\"error\"}"},
        {"{\"sequence_num\":123456}", "{\"sequence_num\":999}"},
        {"{\"sequence_num\":\"5\"}", "{\"sequence_num\":\"1000\"}"},
    };
    uint64_t next = 998;
    td_bytes got;
    td_buf memory;
    td_buf_init(&memory, 4096);
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        assert_int_equal(conn_counter_write(coinbase()->exchange, td_bytes_str(ROWS[i][0]), &next,
                                            &memory, &got, NULL),
                         TD_OK);
        assert_text(got, ROWS[i][1]);
    }
    assert_int_equal(next, 1001);
    td_buf_fini(&memory);
}

/* ---- a client ---- */

static void test_asks(void **state)
{
    (void)state;
    static const char *const BOOKS[] = {"level2.BTC-USD", "level2.ETH-USD"};
    static const char *const MIXED[] = {"level2.BTC-USD", "ticker.BTC-USD"};
    const dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = BOOKS, .count = 2, .id = "sub-3"};
    td_buf out;
    td_buf_init(&out, 4096);
    assert_int_equal(dialect_fit(coinbase()->dialect, BOOKS, 2), 2);
    assert_int_equal(dialect_fit(coinbase()->dialect, MIXED, 2), 1);
    assert_int_equal(dialect_ask_topics(coinbase()->dialect, &out, &ask, NULL), TD_OK);
    assert_text(td_buf_view(&out), "{\"type\":\"subscribe\",\"product_ids\":[\"BTC-USD\","
                                   "\"ETH-USD\"],\"channel\":\"level2\"}");
    static const char *const STATUS[] = {"status"};
    const dialect_ask whole = {
        .kind = REQUEST_SUBSCRIBE, .topics = STATUS, .count = 1, .id = "sub-4"};
    td_buf_clear(&out);
    assert_int_equal(dialect_ask_topics(coinbase()->dialect, &out, &whole, NULL), TD_OK);
    assert_text(td_buf_view(&out), "{\"type\":\"subscribe\",\"channel\":\"status\"}");
    td_buf_fini(&out);
}

#define LISTING(subscriptions)                                                                     \
    "{\"channel\":\"subscriptions\",\"sequence_num\":2,\"events\":[{\"subscriptions\":"            \
    "{" subscriptions "}}]}"

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        answer_kind kind;
        const char *granted;
        /* Does it fit a request to subscribe to, or to unsubscribe from A and B; is A granted, does
         * it withdraw A? */
        int fits_subscribe, fits_unsubscribe, grants, withdraws;
    } ROWS[] = {
        {LISTING("\"candles\":[\"C\"],\"level2\":[\"A\",\"B\"]"), ANSWER_TOPICS,
         "candles.C level2.A level2.B ", 1, 0, 1, 0},
        {LISTING("\"level2\":[\"B\"],\"heartbeats\":[\"heartbeats\"]"), ANSWER_TOPICS,
         "level2.B heartbeats.heartbeats ", 1, 1, 0, 1},
        /* Of an account: what is listed is its number, not a symbol. */
        {LISTING("\"level2\":[\"A\"],\"user\":[\"3e625b74-1c4e-5967-ad38-4d26f30d4439\"]"),
         ANSWER_TOPICS, "level2.A user ", 1, 1, 1, 0},
        {LISTING(""), ANSWER_TOPICS, "", 0, 1, 0, 1},
        {LISTING("\"ticker\":[\"A\",5],\"level2\":7"), ANSWER_TOPICS, "ticker.A ", 0, 1, 0, 1},
        {"{\"channel\":\"heartbeats\",\"sequence_num\":3,\"events\":[]}", ANSWER_PONG, "", 0, 0, 0,
         0},
        {"{\"channel\":\"l2_data\",\"sequence_num\":3,\"events\":[]}", ANSWER_NONE, "", 0, 0, 0, 0},
    };
    static const char *const TOPICS[] = {"level2.A", "level2.B"};
    dialect_ask ask = {.topics = TOPICS, .count = 2, .id = "sub-3"};
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        dialect_answer answer;
        char topics[128];
        assert_int_equal(
            answer_parse(parser, coinbase()->dialect, td_bytes_str(ROWS[i].frame), &answer, NULL),
            TD_OK);
        assert_int_equal(answer.kind, ROWS[i].kind);
        if (answer.kind != ANSWER_TOPICS)
            continue;
        topics_to_text(answer.granted, answer.granted_count, topics, sizeof topics);
        assert_string_equal(topics, ROWS[i].granted);
        ask.kind = REQUEST_SUBSCRIBE;
        assert_int_equal(dialect_answer_fits(&answer, &ask), ROWS[i].fits_subscribe);
        ask.kind = REQUEST_UNSUBSCRIBE;
        assert_int_equal(dialect_answer_fits(&answer, &ask), ROWS[i].fits_unsubscribe);
        if (dialect_answer_names(&answer, REQUEST_SUBSCRIBE, TOPICS[0]))
            assert_true(dialect_answer_grants(&answer, TOPICS[0]));
        assert_int_equal(dialect_answer_names(&answer, REQUEST_SUBSCRIBE, TOPICS[0]),
                         ROWS[i].grants);
        assert_int_equal(dialect_answer_withdraws(&answer, TOPICS[0]), ROWS[i].withdraws);
    }
    dialect_parser_close(parser);
}

/* ---- a server ---- */

typedef struct client {
    const char *held[4];
    size_t count;
    td_buf sent;
} client;

static topic_standing standing_of(void *user, td_bytes topic)
{
    (void)user;
    return (topic_standing){.is_known = !td_bytes_is(topic, "level2.NO")};
}

static int subscribe(void *user, td_bytes topic)
{
    client *of = user;
    of->held[of->count++] = td_strndup((const char *)topic.data, topic.size);
    return 1;
}

static void unsubscribe(void *user, td_bytes topic)
{
    client *of = user;
    assert_true(td_bytes_is(topic, of->held[of->count - 1])); /* the requests are such */
    td_free((void *)of->held[--of->count]);
}

static const char *next_held(void *user, size_t *next)
{
    const client *of = user;
    return *next < of->count ? of->held[(*next)++] : NULL;
}

static void changed(void *user, request_kind kind)
{
    (void)user;
    (void)kind;
}

static void send_answer(void *user, td_bytes answer)
{
    client *of = user;
    td_buf_clear(&of->sent);
    assert_int_equal(td_buf_append(&of->sent, answer.data, answer.size, NULL), TD_OK);
}

static void test_a_server(void **state)
{
    (void)state;
    static const responder_ops OPS = {.standing = standing_of,
                                      .subscribe = subscribe,
                                      .unsubscribe = unsubscribe,
                                      .next_held = next_held,
                                      .changed = changed,
                                      .send = send_answer};
#define SUBSCRIBE(op, symbols, channel)                                                            \
    "{\"type\":\"" op "\",\"product_ids\":[" symbols "],\"channel\":\"" channel "\"}"
#define ANSWER(subscriptions)                                                                      \
    "{\"channel\":\"subscriptions\",\"timestamp\":\"2026-08-09T21:05:48.228000000Z\","             \
    "\"sequence_num\":0,\"events\":[{\"subscriptions\":{" subscriptions "}}]}"
    static const char *const ROWS[][2] = {
        {SUBSCRIBE("subscribe", "\"B\",\"A\"", "ticker"), ANSWER("\"ticker\":[\"A\",\"B\"]")},
        {SUBSCRIBE("subscribe", "\"A\"", "level2"),
         ANSWER("\"level2\":[\"A\"],\"ticker\":[\"A\",\"B\"]")},
        {SUBSCRIBE("subscribe", "\"NO\"", "level2"),
         "{\"type\":\"error\",\"message\":\"authentication failure\"}"},
        {SUBSCRIBE("unsubscribe", "\"A\"", "level2"), ANSWER("\"ticker\":[\"A\",\"B\"]")},
        {SUBSCRIBE("unsubscribe", "\"A\"", "ticker"), ANSWER("\"ticker\":[\"B\"]")},
        {SUBSCRIBE("unsubscribe", "\"B\"", "ticker"), ANSWER("")},
        {"{\"type\":\"subscribe\",\"channel\":\"heartbeats\"}",
         "{\"channel\":\"heartbeats\",\"timestamp\":\"2026-08-09T21:05:48.228000000Z\","
         "\"sequence_num\":0,\"events\":[{\"current_time\":\"2026-08-09T21:05:48.228000000Z\","
         "\"heartbeat_counter\":0}]}"},
        {"{\"type\":\"unsubscribe\",\"channel\":\"heartbeats\"}", ANSWER("")},
        {"{\"type\":\"sing\"}", "{\"type\":\"error\",\"message\":\"Failed to "
                                "subscribe\",\"reason\":\"Type has to be either subscribe or "
                                "unsubscribe\"}"},
    };
    client of = {.count = 0};
    td_buf_init(&of.sent, 4096);
    const responder_client from = {
        .ops = &OPS, .user = &of, .dialect = coinbase()->dialect, .conn_id = "c"};
    responder *server = responder_open(NULL);
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        assert_int_equal(responder_answer(server, &from, td_bytes_str(ROWS[i][0]),
                                          UINT64_C(1786309548228), NULL),
                         TD_OK);
        assert_text(td_buf_view(&of.sent), ROWS[i][1]);
    }
    responder_close(server);
    td_buf_fini(&of.sent);
}

/* ---- frames ---- */

static void test_frames(void **state)
{
    (void)state;
#define LEVEL "{\"side\":\"bid\",\"price_level\":\"1\",\"new_quantity\":\"2\"}"
#define TRADE(symbol, side)                                                                        \
    "{\"product_id\":\"" symbol "\",\"trade_id\":\"7\",\"price\":\"1\",\"size\":\"2\",\"time\":"   \
    "\"1970-01-01T00:00:05.25Z\",\"side\":\"" side "\"}"
    static const struct {
        const char *frame;
        frame_class is;
        const char *topic, *symbol;
        uint64_t exchange_ns;
        int kind; /* -1: it is not decoded */
        msg_side side;
    } ROWS[] = {
        {"{\"channel\":\"l2_data\",\"timestamp\":\"1970-01-01T00:00:05.000000007Z\","
         "\"sequence_num\":1,\"events\":[{\"type\":\"snapshot\",\"product_id\":\"A-B\","
         "\"updates\":[" LEVEL "]}]}",
         CLASS_DATA, "level2", "A-B", UINT64_C(5000000007), FRAME_SNAPSHOT, SIDE_BUY},
        {"{\"channel\":\"l2_data\",\"timestamp\":\"1970-01-01T00:00:05Z\",\"sequence_num\":1,"
         "\"events\":[{\"type\":\"update\",\"product_id\":\"A-B\",\"updates\":[" LEVEL "]}]}",
         CLASS_DATA, "level2", "A-B", UINT64_C(5000000000), FRAME_DELTA, SIDE_BUY},
        {"{\"channel\":\"market_trades\",\"sequence_num\":1,\"events\":[{\"type\":\"update\","
         "\"trades\":[" TRADE("A-B", "SELL") "]}]}",
         CLASS_DATA, "market_trades", "A-B", UINT64_C(5250000000), FRAME_DELTA, SIDE_BUY},
        {"{\"channel\":\"market_trades\",\"sequence_num\":1,\"events\":[{\"type\":\"update\","
         "\"trades\":[" TRADE("A-B", "BUY") "]}]}",
         CLASS_DATA, "market_trades", "A-B", UINT64_C(5250000000), FRAME_DELTA, SIDE_SELL},
        {"{\"channel\":\"market_trades\",\"sequence_num\":1,\"events\":[{\"type\":\"update\","
         "\"trades\":[" TRADE("A-B", "buyer") "]}]}",
         CLASS_DATA, "market_trades", "A-B", UINT64_C(5250000000), -1, SIDE_NONE},
        {"{\"channel\":\"level2\",\"sequence_num\":1,\"events\":[{\"type\":\"update\","
         "\"product_id\":\"A-B\",\"updates\":[" LEVEL "]}]}",
         CLASS_DATA, "level2", "", 0, -1, SIDE_NONE},
        {"{\"channel\":\"l2_data\",\"sequence_num\":1,\"events\":[{\"type\":\"update\","
         "\"product_id\":\"A-B\",\"updates\":[" LEVEL "]},{\"type\":\"update\","
         "\"product_id\":\"A-B\",\"updates\":[" LEVEL "]}]}",
         CLASS_DATA, "level2", "A-B", 0, FRAME_DELTA, SIDE_NONE},
        /* Events of two books, and of two kinds: they cannot be applied as one. */
        {"{\"channel\":\"l2_data\",\"sequence_num\":1,\"events\":[{\"type\":\"update\","
         "\"product_id\":\"A-B\",\"updates\":[" LEVEL "]},{\"type\":\"update\","
         "\"product_id\":\"C-D\",\"updates\":[" LEVEL "]}]}",
         CLASS_DATA, "level2", "A-B", 0, -1, SIDE_NONE},
        {"{\"channel\":\"l2_data\",\"sequence_num\":1,\"events\":[{\"type\":\"snapshot\","
         "\"product_id\":\"A-B\",\"updates\":[" LEVEL "]},{\"type\":\"update\","
         "\"product_id\":\"A-B\",\"updates\":[" LEVEL "]}]}",
         CLASS_DATA, "level2", "A-B", 0, -1, SIDE_NONE},
        {"{\"channel\":\"l2_data\",\"sequence_num\":1,\"events\":[]}", CLASS_DATA, "l2_data", "", 0,
         -1, SIDE_NONE},
        {"{\"channel\":\"heartbeats\",\"sequence_num\":1,\"events\":[{}]}", CLASS_PONG, "", "", 0,
         -1, SIDE_NONE},
        {LISTING("\"level2\":[\"A-B\"]"), CLASS_ACK, "", "", 0, -1, SIDE_NONE},
        {"{\"type\":\"error\",\"message\":\"x\"}", CLASS_ERROR, "", "", 0, -1, SIDE_NONE},
    };
    decoder *d = decoder_open();
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        const td_bytes frame = padded(ROWS[i].frame, DECODE_PADDING_BYTES);
        classification what;
        message m;
        decode_error why;
        assert_false(frame_begins_as_data(coinbase(), frame)); /* control frames begin so, too */
        decoder_classify(d, coinbase(), frame, CHANNEL_IN, TOPIC_NOW, &what);
        assert_int_equal(what.frame_class, ROWS[i].is);
        assert_text(what.topic.topic, ROWS[i].topic);
        assert_text(what.topic.symbol, ROWS[i].symbol);
        assert_int_equal(what.exchange_ns, ROWS[i].exchange_ns);
        const topic_match topic = {what.topic.row, td_bytes_str(ROWS[i].topic),
                                   td_bytes_str(ROWS[i].symbol)};
        const int is_decoded =
            what.topic.row != NULL && decoder_decode(d, &topic, frame, DECODE_PATH_WHOLE, &m, &why);
        assert_int_equal(is_decoded ? (int)m.head.kind : -1, ROWS[i].kind);
        if (is_decoded && m.head.type == MSG_TRADE)
            assert_int_equal(message_trade(&m, 0).side, ROWS[i].side);
        td_free((void *)frame.data);
    }
    decoder_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_written_numbers),
        cmocka_unit_test(test_asks),     cmocka_unit_test(test_answers),
        cmocka_unit_test(test_a_server), cmocka_unit_test(test_frames),
    };
    return cmocka_run_group_tests_name("schema/coinbase", tests, NULL, NULL);
}
