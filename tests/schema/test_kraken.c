/* Kraken version 1, an exchange in two documents: frames that are lists, topics whose name and
 * parameter are one part, and requests with lists of symbols. Expected texts are of the exchange's
 * documentation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "schema/family.h"
#include "schema/list_frame.h"
#include "tests/testing/answer_text.h"

static const family *kraken(void)
{
    const family *of = family_find(td_bytes_str("kraken-v1"));
    assert_non_null(of);
    return of;
}

/* A frame in memory of its exact size and padding, so that a sanitizer finds reads beyond. */
static td_bytes padded(const char *text)
{
    const size_t size = strlen(text);
    uint8_t *made = td_alloc_zero(1, size + DECODE_PADDING_BYTES);
    memcpy(made, text, size);
    return td_bytes_of(made, size);
}

/* ---- lists ---- */

static void test_lists(void **state)
{
    (void)state;
    static const list_names NAMES = {{"id", "data", "name", "pair"}, 4, 1, NULL};
    static const list_names LAST = {{"name", "rest"}, 2, 1, NULL};
    static const list_names KEYED = {{"data", "name"}, 2, 0, "id"};
    static const struct {
        const list_names *names;
        const char *frame, *object; /* NULL: it is no such list */
    } ROWS[] = {
        {&NAMES, "[7,{\"a\":[[1,2]]},\"book\",\"A/B\"]",
         "{\"id\":7,\"data\":[{\"a\":[[1,2]]}],\"name\":\"book\",\"pair\":\"A/B\"}"},
        {&NAMES, "[7,{\"a\":1},{\"b\":\"],[\"},\"book\",\"A/B\"]",
         "{\"id\":7,\"data\":[{\"a\":1},{\"b\":\"],[\"}],\"name\":\"book\",\"pair\":\"A/B\"}"},
        {&NAMES, "[7,[[1],[2]],\"trade\",\"A/B\"]",
         "{\"id\":7,\"data\":[[1],[2]],\"name\":\"trade\",\"pair\":\"A/B\"}"},
        {&NAMES, "[7,[\"1.5\",\"2\"],\"spread\",\"A/B\"]",
         "{\"id\":7,\"data\":[[\"1.5\",\"2\"]],\"name\":\"spread\",\"pair\":\"A/B\"}"},
        {&NAMES, "[7,[{\"a\":1}],\"x\",\"A/B\"]",
         "{\"id\":7,\"data\":[{\"a\":1}],\"name\":\"x\",\"pair\":\"A/B\"}"},
        {&NAMES, "[7,[],\"x\",\"A/B\"]", "{\"id\":7,\"data\":[],\"name\":\"x\",\"pair\":\"A/B\"}"},
        {&NAMES, "[ 7 , 5 , null , true ] ",
         "{\"id\":7 ,\"data\":[5 ],\"name\":null ,\"pair\":true }"},
        {&LAST, "[\"x\",1,2,3]", "{\"name\":\"x\",\"rest\":[1,2,3]}"},
        {&KEYED, "[[{\"O-1\":{\"a\":1,\"b\":{\"c\":2}}},{\"O-2\":{}}],\"x\"]",
         "{\"data\":[{\"id\":\"O-1\",\"a\":1,\"b\":{\"c\":2}},{\"id\":\"O-2\"}],\"name\":\"x\"}"},
        {&KEYED, "[{\"O\\u002d1\":{\"a\":1},\"O-2\":{\"a\":2}},\"x\"]",
         "{\"data\":[{\"id\":\"O\\u002d1\",\"a\":1},{\"id\":\"O-2\",\"a\":2}],\"name\":\"x\"}"},
        {&KEYED, "[{\"A\":{}},{\"B\":{}},\"x\"]",
         "{\"data\":[{\"id\":\"A\"},{\"id\":\"B\"}],\"name\":\"x\"}"},
        {&KEYED, "[ [ { \"A\" : { \"a\" : 1 } } ] , \"x\" ]",
         "{\"data\":[{\"id\":\"A\", \"a\" : 1 }],\"name\":\"x\" }"},
        {&KEYED, "[[],\"x\"]", "{\"data\":[],\"name\":\"x\"}"},
        {&KEYED, "[[{}],\"x\"]", NULL},
        {&KEYED, "[[{\"A\":{}},],\"x\"]", NULL},
        {&KEYED, "[[{\"A\":{}}{\"B\":{}}],\"x\"]", NULL},
        {&KEYED, "[[{\"A\":{}}:{\"B\":{}}],\"x\"]", NULL},
        {&KEYED, "[[,{\"A\":{}}],\"x\"]", NULL},
        {&KEYED, "[[{\"A\":{},}],\"x\"]", NULL},
        {&KEYED, "[[{\"A\":{}\"B\":{}}],\"x\"]", NULL},
        {&KEYED, "[[{\"A\":{}]],\"x\"]", NULL},
        {&KEYED, "[[{\"A\":{}}},\"x\"]", NULL},
        {&KEYED, "[[{\"A\":5}],\"x\"]", NULL},
        {&KEYED, "[[{\"A\":[]}],\"x\"]", NULL},
        {&KEYED, "[[{\"A\":{\"a\":1}},7],\"x\"]", NULL},
        {&KEYED, "[[[\"A\"]],\"x\"]", NULL},
        {&KEYED, "[[{\"A\"}],\"x\"]", NULL},
        {&KEYED, "[[{\"A\":}],\"x\"]", NULL},
        {&KEYED, "[[{A:{}}],\"x\"]", NULL},
        {&KEYED, "[null,\"x\"]", NULL},
        {&KEYED, "[5,\"x\"]", NULL},
        {&NAMES, "[7,{},\"book\"]", NULL},
        {&NAMES, "[]", NULL},
        {&NAMES, "[", NULL},
        {&NAMES, "[,,,]", NULL},
        {&NAMES, "[1,2,3,4", NULL},
        {&NAMES, "[1,2,3,4]]", NULL},
        {&NAMES, "[1,2,3,4],5", NULL},
        {&NAMES, "[1,2,3,4}", NULL},
        {&NAMES, "{\"a\":1}", NULL},
        {&NAMES, "", NULL},
    };
    json_parser *parser = json_parser_open(0);
    td_buf out;
    td_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const td_bytes frame = padded(ROWS[i].frame);
        const int is_list = list_frame_name(ROWS[i].names, parser, frame, &out);
        const td_bytes text = is_list ? td_buf_view(&out) : td_bytes_of(NULL, 0);
        if (is_list != (ROWS[i].object != NULL))
            fail_msg("%s: %d, %.*s", ROWS[i].frame, is_list, (int)text.size,
                     text.size == 0 ? "" : (const char *)text.data);
        if (is_list)
            assert_text(text, ROWS[i].object);
        td_free((void *)frame.data);
    }
    td_buf_fini(&out);
    json_parser_close(parser);
}

/* The names do not fit beside a list of the largest size. */
static void test_large_list(void **state)
{
    (void)state;
    static const list_names NAMES = {{"id", "data"}, 2, 1, NULL};
    const td_bytes frame = padded("[7,12345678901234567890123456789012]");
    json_parser *parser = json_parser_open(0);
    td_buf out;
    td_buf_init(&out, frame.size);
    assert_false(list_frame_name(&NAMES, parser, frame, &out));
    td_buf_fini(&out);
    td_buf_init(&out, 2 * frame.size + JSON_PADDING_BYTES);
    assert_true(list_frame_name(&NAMES, parser, frame, &out));
    td_buf_fini(&out);
    json_parser_close(parser);
    td_free((void *)frame.data);
}

/* ---- a client ---- */

static void assert_ask(const char *const *topics, size_t count, const char *expected)
{
    const dialect_ask ask = {
        .kind = REQUEST_SUBSCRIBE, .topics = topics, .count = count, .id = "sub-3"};
    td_buf out;
    td_buf_init(&out, 4096);
    assert_int_equal(dialect_fit(kraken()->dialect, topics, count), count);
    assert_int_equal(dialect_ask_topics(kraken()->dialect, &out, &ask, NULL), TD_OK);
    assert_text(td_buf_view(&out), expected);
    td_buf_fini(&out);
}

static void test_asks(void **state)
{
    (void)state;
    static const char *const BOOKS[] = {"book-1000.XBT/USD", "book-1000.ETH/USD"};
    static const char *const TRADES[] = {"trade.XBT/USD"};
    static const char *const MIXED[] = {"book-10.XBT/USD", "book-25.XBT/USD"};
    static const char *const BARE[] = {"book.XBT/USD"};
    assert_ask(BOOKS, 2,
               "{\"event\":\"subscribe\",\"reqid\":3,\"pair\":[\"XBT/USD\",\"ETH/USD\"],"
               "\"subscription\":{\"name\":\"book\",\"depth\":1000}}");
    assert_ask(TRADES, 1,
               "{\"event\":\"subscribe\",\"reqid\":3,\"pair\":[\"XBT/USD\"],"
               "\"subscription\":{\"name\":\"trade\"}}");
    assert_int_equal(dialect_fit(kraken()->dialect, MIXED, 2), 1);
    const dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = BARE, .count = 1};
    td_err err;
    td_buf out;
    td_buf_init(&out, 4096);
    assert_int_equal(dialect_ask_topics(kraken()->dialect, &out, &ask, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "as book-PARAMETER.SYMBOL"));
    td_buf_fini(&out);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        answer_kind kind;
        int success;
        const char *id, *reason, *granted, *failed;
    } ROWS[] = {
        {"{\"channelID\":336,\"channelName\":\"book-25\",\"event\":\"subscriptionStatus\",\"pair\":"
         "\"XBT/USD\",\"reqid\":3,\"status\":\"subscribed\",\"subscription\":{\"depth\":25,"
         "\"name\":\"book\"}}",
         ANSWER_TOPICS, 1, "3", "", "book-25.XBT/USD ", ""},
        {"{\"errorMessage\":\"Currency pair not supported\",\"event\":\"subscriptionStatus\","
         "\"pair\":\"NO/NO\",\"status\":\"error\",\"subscription\":{\"name\":\"trade\"}}",
         ANSWER_TOPICS, 0, "", "Currency pair not supported", "", "trade.NO/NO "},
        {"{\"event\":\"heartbeat\"}", ANSWER_PING, -1, "", "", "", ""},
        {"{\"connectionID\":1,\"event\":\"systemStatus\",\"status\":\"online\",\"version\":"
         "\"1.8.3\"}",
         ANSWER_PING, -1, "", "", "", ""},
        {"{\"event\":\"pong\",\"reqid\":42}", ANSWER_PONG, -1, "42", "", "", ""},
        {"[1,{},\"book-10\",\"XBT/USD\"]", ANSWER_NONE, -1, "", "", "", ""},
    };
    assert_null(kraken()->dialect->pong); /* what the server sends by itself needs no answer */
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_answer answer;
        char topics[128];
        assert_int_equal(
            answer_parse(parser, kraken()->dialect, td_bytes_str(ROWS[i].frame), &answer, NULL),
            TD_OK);
        if (answer.kind != ROWS[i].kind || answer.success != ROWS[i].success)
            fail_msg("%s: kind %d, success %d", ROWS[i].frame, (int)answer.kind, answer.success);
        if (answer.kind != ANSWER_TOPICS)
            continue;
        assert_text(answer.id, ROWS[i].id);
        assert_text(answer.reason, ROWS[i].reason);
        topics_to_text(answer.granted, answer.granted_count, topics, sizeof topics);
        assert_string_equal(topics, ROWS[i].granted);
        topics_to_text(answer.failed, answer.failed_count, topics, sizeof topics);
        assert_string_equal(topics, ROWS[i].failed);
    }
    dialect_parser_close(parser);
}

/* ---- a server ---- */

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *request, *topics;
    } ROWS[] = {
        {"{\"event\":\"subscribe\",\"pair\":[\"XBT/USD\",\"ETH/USD\"],\"subscription\":{\"name\":"
         "\"book\",\"depth\":100}}",
         "book-100.XBT/USD book-100.ETH/USD "},
        {"{\"event\":\"subscribe\",\"pair\":[\"A/B\",5,\"C/D\"],\"subscription\":{\"name\":"
         "\"trade\"}}",
         "trade.A/B trade. trade.C/D "},
        {"{\"event\":\"subscribe\",\"pair\":\"A/B\",\"subscription\":{\"name\":\"trade\"}}",
         "trade.A/B "},
        {"{\"event\":\"subscribe\",\"pair\":[],\"subscription\":{\"name\":\"book\"}}", "book-10. "},
        {"{\"event\":\"subscribe\",\"pair\":[\"A/B\"],\"subscription\":{\"name\":\"ohlc\"}}",
         "ohlc-1.A/B "},
        {"{\"event\":\"subscribe\",\"pair\":[\"A/B\"],\"subscription\":{\"name\":\"ohlc\","
         "\"interval\":60}}",
         "ohlc-60.A/B "},
    };
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_request request;
        char topics[256];
        assert_int_equal(
            request_parse(parser, kraken()->dialect, td_bytes_str(ROWS[i].request), &request, NULL),
            TD_OK);
        topics_to_text(request.args, request.arg_count, topics, sizeof topics);
        assert_string_equal(topics, ROWS[i].topics);
    }
    dialect_parser_close(parser);
}

/* ---- frames ---- */

static void test_frames(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        frame_class is;
        const char *topic, *symbol;
        uint64_t exchange_ns;
        int kind; /* -1: it is not decoded */
    } ROWS[] = {
        {"[336,{\"as\":[],\"bs\":[[\"1.0\",\"2.0\",\"5.5\"]]},\"book-10\",\"XBT/USD\"]", CLASS_DATA,
         "book-10", "XBT/USD", UINT64_C(5500000000), FRAME_SNAPSHOT},
        {"[336,{\"as\":[],\"bs\":[]},\"book-10\",\"XBT/USD\"]", CLASS_DATA, "book-10", "XBT/USD", 0,
         FRAME_SNAPSHOT},
        /* the latest time of the levels, on both sides */
        {"[336,{\"a\":[[\"1.0\",\"2.0\",\"5.5\"],[\"3.0\",\"0\",\"5.25\",\"r\"]]},{\"b\":[[\"1.0\","
         "\"2.0\",\"5.125\"],[\"0.5\",\"2.0\",\"5.75\"]],\"c\":\"0\"},\"book-10\",\"XBT/USD\"]",
         CLASS_DATA, "book-10", "XBT/USD", UINT64_C(5750000000), FRAME_DELTA},
        {"[337,[[\"1.0\",\"2.0\",\"5.25\",\"b\",\"l\",\"\"],[\"1.0\",\"2.0\",\"6\",\"s\",\"l\","
         "\"\"]],\"trade\",\"XBT/USD\"]",
         CLASS_DATA, "trade", "XBT/USD", UINT64_C(5250000000), FRAME_UNTYPED},
        {"[337,[[\"1.0\",\"2.0\"]],\"trade\",\"XBT/USD\"]", CLASS_DATA, "trade", "XBT/USD", 0, -1},
        {"[337,[[\"1.0\",\"2.0\",\"5\",\"x\",\"l\",\"\"]],\"trade\",\"XBT/USD\"]", CLASS_DATA,
         "trade", "XBT/USD", UINT64_C(5000000000), -1},
        {"[341,[\"5698.4\",\"5700.0\",\"1542057299.545897\",\"1.0\",\"2.0\"],\"spread\",\"XBT/"
         "USD\"]",
         CLASS_DATA, "spread", "XBT/USD", UINT64_C(1542057299545897000), FRAME_SNAPSHOT},
        {"[341,[\"5698.4\",\"5700.0\"],\"spread\",\"XBT/USD\"]", CLASS_DATA, "spread", "XBT/USD", 0,
         -1},
        {"[341,[],\"spread\",\"XBT/USD\"]", CLASS_DATA, "spread", "XBT/USD", 0, -1},
        {"[42,[\"5.5\",\"60.0\",\"1\",\"3\",\"1\",\"2\",\"2\",\"0.5\",2],\"ohlc-5\",\"XBT/USD\"]",
         CLASS_DATA, "ohlc-5", "XBT/USD", UINT64_C(5500000000), FRAME_UNTYPED},
        {"[336,{},\"strange\",\"XBT/USD\"]", CLASS_DATA, "strange", "", 0, -1},
        {"[336,{\"as\":[]},\"book-10\"]", CLASS_UNKNOWN, "", "", 0, -1},
        {"{\"event\":\"heartbeat\"}", CLASS_PING, "", "", 0, -1},
    };
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const td_bytes frame = padded(ROWS[i].frame);
        classification what;
        message m;
        decode_error why;
        decoder_classify(d, kraken(), frame, CHANNEL_IN, TOPIC_NOW, &what);
        assert_int_equal(what.frame_class, ROWS[i].is);
        assert_text(what.topic.topic, ROWS[i].topic);
        assert_text(what.topic.symbol, ROWS[i].symbol);
        assert_int_equal(what.exchange_ns, ROWS[i].exchange_ns);
        const topic_match topic = {what.topic.row, td_bytes_str(ROWS[i].topic),
                                   td_bytes_str(ROWS[i].symbol)};
        const int is_decoded =
            what.topic.row != NULL && decoder_decode(d, &topic, frame, DECODE_PATH_WHOLE, &m, &why);
        assert_int_equal(is_decoded ? (int)m.head.kind : -1, ROWS[i].kind);
        if (is_decoded)
            assert_int_equal(m.head.exchange_ns, ROWS[i].exchange_ns);
        if (what.topic.row != NULL && !is_decoded)
            assert_int_equal(why.offset, 0); /* callers have no text to which it belongs */
        td_free((void *)frame.data);
    }
    decoder_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),    cmocka_unit_test(test_large_list),
        cmocka_unit_test(test_asks),     cmocka_unit_test(test_answers),
        cmocka_unit_test(test_requests), cmocka_unit_test(test_frames),
    };
    return cmocka_run_group_tests_name("schema/kraken", tests, NULL, NULL);
}
