/* The requests of clients in every dialect, which servers must read back. Expected texts follow
 * docs/wire.md 1 and 1.1 to 1.3; round trips use random topics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "tests/testing/bybit_dialects.h"

static void assert_text(const char *name, const td_buf *got, const char *expected)
{
    if (!td_bytes_is(td_buf_view(got), expected))
        fail_msg("%s: got %.*s, not %s", name, (int)got->size, (const char *)got->data, expected);
}

/* ---- requests of clients ---- */

static void test_written(void **state)
{
    (void)state;
    static const struct {
        dialect_id dialect;
        request_kind kind;
        const char *topics[4];
        const char *id;
        dialect_frames frames;
        const char *request; /* NULL: this dialect has no such request */
    } ROWS[] = {
        {DIALECT_V3,
         REQUEST_SUBSCRIBE,
         {"a.X", "b.X"},
         "9",
         DIALECT_FRAMES_TEXT,
         "{\"req_id\":\"9\",\"op\":\"subscribe\",\"args\":[\"a.X\",\"b.X\"]}"},
        {DIALECT_V5_OPTION,
         REQUEST_UNSUBSCRIBE,
         {"a.X"},
         NULL,
         DIALECT_FRAMES_TEXT,
         "{\"op\":\"unsubscribe\",\"args\":[\"a.X\"]}"},
        {DIALECT_USDC,
         REQUEST_SUBSCRIBE,
         {"delta.orderbook100.X-1-C"},
         "i",
         DIALECT_FRAMES_TEXT,
         "{\"id\":\"i\",\"op\":\"subscribe\",\"args\":[\"delta.orderbook100.X-1-C\"]}"},
        {DIALECT_SPOT,
         REQUEST_SUBSCRIBE,
         {"trade.A", "trade.B"},
         "i",
         DIALECT_FRAMES_TEXT,
         "{\"symbol\":\"A,B\",\"topic\":\"trade\",\"event\":\"sub\",\"params\":{\"binary\":"
         "false}}"},
        {DIALECT_SPOT,
         REQUEST_UNSUBSCRIBE,
         {"kline.1m.A"},
         NULL,
         DIALECT_FRAMES_BINARY,
         "{\"symbol\":\"A\",\"topic\":\"kline_1m\",\"event\":\"cancel\",\"params\":{\"binary\":"
         "true}}"},
        {DIALECT_SPOT,
         REQUEST_SUBSCRIBE,
         {"mergedDepth.2.A"},
         NULL,
         DIALECT_FRAMES_TEXT,
         "{\"symbol\":\"A\",\"topic\":\"mergedDepth\",\"event\":\"sub\",\"params\":{\"dumpScale\":"
         "2,\"binary\":false}}"},
        {DIALECT_SPOT_V2,
         REQUEST_SUBSCRIBE,
         {"kline.1m.A"},
         NULL,
         DIALECT_FRAMES_TEXT,
         "{\"topic\":\"kline\",\"event\":\"sub\",\"params\":{\"symbol\":\"A\",\"klineType\":\"1m\","
         "\"binary\":false}}"},
        {DIALECT_SPOT_V2,
         REQUEST_UNSUBSCRIBE,
         {"bookTicker.A"},
         NULL,
         DIALECT_FRAMES_TEXT,
         "{\"topic\":\"bookTicker\",\"event\":\"cancel\",\"params\":{\"symbol\":\"A\",\"binary\":"
         "false}}"},
        {DIALECT_SPOT, REQUEST_SUBSCRIBE, {"depth"}, NULL, DIALECT_FRAMES_TEXT, NULL},
        {DIALECT_SPOT, REQUEST_SUBSCRIBE, {"depth."}, NULL, DIALECT_FRAMES_TEXT, NULL},
        {DIALECT_SPOT, REQUEST_SUBSCRIBE, {"kline.A"}, NULL, DIALECT_FRAMES_TEXT, NULL},
        {DIALECT_SPOT_V2, REQUEST_SUBSCRIBE, {"depth.5.A"}, NULL, DIALECT_FRAMES_TEXT, NULL},
        {DIALECT_SPOT_V2, REQUEST_SUBSCRIBE, {""}, NULL, DIALECT_FRAMES_TEXT, NULL},
        {DIALECT_SPOT_V2, REQUEST_SUBSCRIBE, {".A"}, NULL, DIALECT_FRAMES_TEXT, NULL},
    };
    td_buf out;
    td_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const dialect *spoken = dialect_find(ROWS[i].dialect);
        dialect_ask ask = {.kind = ROWS[i].kind,
                           .topics = ROWS[i].topics,
                           .id = ROWS[i].id,
                           .frames = ROWS[i].frames};
        while (ask.count < 4 && ask.topics[ask.count] != NULL)
            ask.count++;
        td_buf_clear(&out);
        td_result rc = dialect_ask_topics(spoken, &out, &ask, NULL);
        assert_int_equal(rc, ROWS[i].request == NULL ? TD_E_INVALID : TD_OK);
        if (ROWS[i].request != NULL)
            assert_text(ROWS[i].topics[0], &out, ROWS[i].request);
    }
    td_buf_fini(&out);
}

static void test_heartbeats(void **state)
{
    (void)state;
    static const struct {
        dialect_id dialect;
        const char *ping, *pong; /* pong NULL: the server does not ping */
    } ROWS[] = {
        {DIALECT_OP, "{\"op\":\"ping\"}", NULL},
        {DIALECT_V3, "{\"op\":\"ping\"}", NULL},
        {DIALECT_V5, "{\"op\":\"ping\"}", NULL},
        {DIALECT_V5_SPOT, "{\"op\":\"ping\"}", NULL},
        {DIALECT_V5_OPTION, "{\"op\":\"ping\"}", NULL},
        {DIALECT_V5_PRIVATE, "{\"op\":\"ping\"}", NULL},
        {DIALECT_USDC, "{\"op\":\"ping\",\"args\":[\"1700000000123\"]}", NULL},
        {DIALECT_SPOT, "{\"ping\":1700000000123}", "{\"pong\":1700000000123}"},
        {DIALECT_SPOT_V2, "{\"ping\":1700000000123}", "{\"pong\":1700000000123}"},
        {DIALECT_SPOT_PRIVATE, "{\"ping\":1700000000123}", "{\"pong\":1700000000123}"},
        {DIALECT_V5_TRADE, "{\"op\":\"ping\"}", NULL},
        {DIALECT_SPOT_V3, "{\"op\":\"ping\"}", NULL},
    };
    _Static_assert(sizeof ROWS / sizeof *ROWS == DIALECT_COUNT, "each dialect has a row");
    td_buf out;
    td_buf_init(&out, 4096);
    for (size_t i = 0; i < DIALECT_COUNT; i++) {
        const dialect *spoken = dialect_find(ROWS[i].dialect);
        td_buf_clear(&out);
        assert_int_equal(dialect_heartbeat(&out, spoken->ping, 1700000000123, NULL), TD_OK);
        assert_text(spoken->name, &out, ROWS[i].ping);
        assert_int_equal(spoken->pong != NULL, ROWS[i].pong != NULL);
        if (ROWS[i].pong == NULL)
            continue;
        td_buf_clear(&out);
        assert_int_equal(dialect_heartbeat(&out, spoken->pong, 1700000000123, NULL), TD_OK);
        assert_text(spoken->name, &out, ROWS[i].pong);
    }
    td_buf_fini(&out);
}

static void test_fit(void **state)
{
    (void)state;
    static const char *const SPOT[] = {"trade.A",         "trade.B",         "depth.A",
                                       "kline.1m.A",      "kline.1m.B",      "kline.5m.A",
                                       "mergedDepth.1.A", "mergedDepth.2.A", "x"};
    static const size_t V1[] = {2, 1, 1, 2, 1, 1, 1, 1, 1};
    const dialect *v1 = dialect_find(DIALECT_SPOT);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(dialect_fit(v1, SPOT + i, 9 - i), V1[i]);
        assert_int_equal(dialect_fit(dialect_find(DIALECT_SPOT_V2), SPOT + i, 9 - i), 1);
    }
    assert_int_equal(dialect_fit(v1, SPOT, 1), 1);
    static char text[2000][64];
    static const char *topics[2000];
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(text[i], sizeof text[i], "orderbook.200.SYMBOL%04dUSDT", i);
        topics[i] = text[i];
    }
    /* docs/wire.md 1.3, 1.5; in other dialects 28 bytes, two quotes and a comma per topic, in 16
     * KiB. */
    static const struct {
        dialect_id dialect;
        size_t fits;
    } LISTS[] = {{DIALECT_OP, 16384 / 31},        {DIALECT_V3, 10},
                 {DIALECT_V5, 16384 / 31},        {DIALECT_V5_SPOT, 10},
                 {DIALECT_V5_OPTION, 16384 / 31}, {DIALECT_V5_PRIVATE, 16384 / 31},
                 {DIALECT_USDC, 16384 / 31}};
    for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++) {
        assert_int_equal(dialect_fit(dialect_find(LISTS[i].dialect), topics, 2000), LISTS[i].fits);
        assert_int_equal(dialect_fit(dialect_find(LISTS[i].dialect), topics, 3), 3);
    }
    /* A topic and its categories; "execution.fast" is not a category of "execution". */
    static const char *const PRIVATE[] = {"order",          "wallet",         "execution",
                                          "execution.fast", "order.linear",   "order.spot",
                                          "execution.spot", "execution.fast", "position"};
    static const size_t PARTS[] = {4, 5, 4, 6, 5, 4, 3, 2, 1};
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(dialect_fit(dialect_find(DIALECT_V5_PRIVATE), PRIVATE + i, 9 - i),
                         PARTS[i]);
    /* A topic that is larger than a request should be is sent alone. */
    static char big[20000];
    memset(big, 'x', sizeof big - 1);
    const char *one[] = {big, "trade.A"};
    for (int id = 0; id < DIALECT_COUNT; id++) {
        if (!dialect_subscribes_with_auth(dialect_find((dialect_id)id)))
            assert_int_equal(dialect_fit(dialect_find((dialect_id)id), one, 2), 1);
    }
}

/* ---- round trips ---- */

enum { TOPICS = 24, TOPIC_BYTES = 48 };

/* A word of characters that symbols have, and of some that are special in JSON and topics. */
static void random_word(td_random *random, const char *letters, char *out, size_t most)
{
    size_t size = 1 + (size_t)td_random_below(random, most - 1);
    for (size_t i = 0; i < size; i++)
        out[i] = letters[td_random_below(random, strlen(letters))];
    out[size] = '\0';
}

static void random_topic(td_random *random, const dialect *spoken, unsigned number, char *out)
{
    static const char *const V1[] = {"trade", "realtimes", "depth",        "diffDepth",
                                     "lt",    "kline.15m", "mergedDepth.1"};
    static const char *const V2[] = {"trade", "bookTicker", "depth", "realtimes", "kline.1m"};
    static const char *const OTHERS[] = {"orderbook.50", "publicTrade", "tickers",
                                         "delta.orderbook100", "user.openapi.perp"};
    char symbol[16];
    int is_spot = spoken == dialect_find(DIALECT_SPOT) || spoken == dialect_find(DIALECT_SPOT_V2);
    random_word(random, is_spot ? "ABCUSDT-_1" : "ABCUSDT-_/ \"\\\n<&>\xc3\xa9", symbol, 12);
    /* If a letter is cut in the middle, the text is no longer valid in JSON. */
    for (char *c = symbol; *c != '\0'; c++)
        *c = (unsigned char)*c >= 0x80 ? 'E' : *c;
    const char *stem = spoken == dialect_find(DIALECT_SPOT) ? V1[td_random_below(random, 7)]
                       : spoken == dialect_find(DIALECT_SPOT_V2)
                           ? V2[td_random_below(random, 5)]
                           : OTHERS[td_random_below(random, 5)];
    (void)snprintf(out, TOPIC_BYTES, "%s.%s%u", stem, symbol, number);
}

/* A request, and its answer. */
typedef struct trip {
    const dialect *dialect;
    dialect_parser *requests;
    dialect_parser *answers;
    decoder *decoder;
    td_random random;
    td_buf request, answer;
} trip;

/* Checks that the classifier calls it an acknowledgement, or an error if it refuses. */
static void assert_classified(trip *t, int is_granted)
{
    uint8_t padded[8192 + DECODE_PADDING_BYTES] = {0};
    classification found;
    assert_true(t->answer.size < 8192);
    memcpy(padded, t->answer.data, t->answer.size);
    decoder_classify(t->decoder, NULL, td_bytes_of(padded, t->answer.size), CHANNEL_IN, 0, &found);
    if (found.frame_class != CLASS_ACK && (is_granted || found.frame_class != CLASS_ERROR))
        fail_msg("class %s: %.*s", frame_class_name(found.frame_class), (int)t->answer.size,
                 (const char *)t->answer.data);
}

static void assert_same_topics(const dialect_request *read, const dialect_ask *ask)
{
    assert_int_equal(read->kind, ask->kind);
    assert_int_equal(read->arg_count, ask->count);
    for (size_t i = 0; i < ask->count; i++) {
        if (!td_bytes_is(read->args[i], ask->topics[i]))
            fail_msg("topic %s came as %.*s", ask->topics[i], (int)read->args[i].size,
                     (const char *)read->args[i].data);
    }
}

static void go_round(trip *t, const dialect_ask *ask, const dialect_ask *other)
{
    dialect_request read;
    dialect_answer answer;
    uint8_t failed[TOPICS] = {0};
    td_buf_clear(&t->request);
    td_buf_clear(&t->answer);
    assert_int_equal(dialect_ask_topics(t->dialect, &t->request, ask, NULL), TD_OK);
    assert_int_equal(request_parse(t->requests, t->dialect, td_buf_view(&t->request), &read, NULL),
                     TD_OK);
    assert_same_topics(&read, ask);
    for (size_t i = 0; i < ask->count; i++)
        failed[i] = t->dialect->answers_topics && td_random_below(&t->random, 3) == 0;
    int is_refused = !t->dialect->answers_topics && td_random_below(&t->random, 4) == 0;
    const dialect_reply reply = {.conn_id = "c",
                                 .now_ms = 1,
                                 .refused = is_refused ? REFUSAL_UNKNOWN_TOPIC : REFUSAL_NONE,
                                 .topic = read.args[0],
                                 .arg_refusals = failed};
    assert_int_equal(dialect_build_answer(&t->answer, &read, &reply, NULL), TD_OK);
    assert_classified(t, !is_refused);
    assert_int_equal(answer_parse(t->answers, t->dialect, td_buf_view(&t->answer), &answer, NULL),
                     TD_OK);
    assert_true(dialect_answer_fits(&answer, ask));
    for (size_t i = 0; i < ask->count; i++)
        assert_int_equal(dialect_answer_grants(&answer, ask->topics[i]), !is_refused && !failed[i]);
    /* If an answer has any information about its request, it does not fit another one. */
    if (answer.id.size > 0 || answer.granted_count + answer.failed_count > 0)
        assert_false(dialect_answer_fits(&answer, other));
}

static void go_round_all(trip *t, request_kind kind)
{
    char text[2 * TOPICS][TOPIC_BYTES];
    const char *topics[2 * TOPICS];
    for (unsigned i = 0; i < 2 * TOPICS; i++) {
        random_topic(&t->random, t->dialect, i, text[i]);
        topics[i] = text[i];
    }
    const dialect_ask other = {.kind = kind,
                               .topics = topics + TOPICS,
                               .count = dialect_fit(t->dialect, topics + TOPICS, TOPICS),
                               .id = "other"};
    for (size_t at = 0; at < TOPICS;) {
        const dialect_ask ask = {.kind = kind,
                                 .topics = topics + at,
                                 .count = dialect_fit(t->dialect, topics + at, TOPICS - at),
                                 .id = "mine"};
        assert_in_range(ask.count, 1, TOPICS - at);
        go_round(t, &ask, &other);
        at += ask.count;
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    trip t = {0};
    td_random_init(&t.random, 20261120);
    td_buf_init(&t.request, 1 << 20);
    td_buf_init(&t.answer, 1 << 20);
    t.requests = dialect_parser_open();
    t.answers = dialect_parser_open();
    t.decoder = decoder_open();
    for (int id = 0; id < DIALECT_COUNT; id++) {
        t.dialect = dialect_find((dialect_id)id);
        for (int i = 0; i < 200 && !dialect_subscribes_with_auth(t.dialect); i++)
            go_round_all(&t, i % 2 == 0 ? REQUEST_SUBSCRIBE : REQUEST_UNSUBSCRIBE);
    }
    decoder_close(t.decoder);
    dialect_parser_close(t.answers);
    dialect_parser_close(t.requests);
    td_buf_fini(&t.request);
    td_buf_fini(&t.answer);
}

/* Auth and ping of each dialect: the server understands them; the client and the classifier
 * understand its answer. */
static void test_auth_and_ping(void **state)
{
    (void)state;
    const dialect_auth auth = {.api_key = "key \"1\"", .secret = "s", .expires_ms = 1700000000000};
    trip t = {0};
    td_buf_init(&t.request, 1 << 20);
    td_buf_init(&t.answer, 1 << 20);
    t.requests = dialect_parser_open();
    t.answers = dialect_parser_open();
    t.decoder = decoder_open();
    for (int i = 0; i < DIALECT_COUNT * 3; i++) {
        const dialect *spoken = dialect_find((dialect_id)(i / 3));
        int is_ping = i % 3 == 0;
        int is_good = i % 3 == 1;
        dialect_request read;
        dialect_answer answer;
        td_buf_clear(&t.request);
        td_buf_clear(&t.answer);
        if (!is_ping &&
            (spoken == dialect_find(DIALECT_SPOT) || spoken == dialect_find(DIALECT_SPOT_V2)))
            continue; /* public topics only */
        assert_int_equal(is_ping ? dialect_heartbeat(&t.request, spoken->ping, 5, NULL)
                                 : dialect_ask_auth(spoken, &t.request, &auth, NULL),
                         TD_OK);
        assert_int_equal(request_parse(t.requests, spoken, td_buf_view(&t.request), &read, NULL),
                         TD_OK);
        assert_int_equal(read.kind, is_ping ? REQUEST_PING : REQUEST_AUTH);
        dialect_reply reply = {.conn_id = "c", .now_ms = 7};
        if (!is_ping)
            reply.refused = dialect_check_auth(&read, is_good ? "s" : "other", 1699999999999);
        assert_int_equal(reply.refused, is_ping || is_good ? REFUSAL_NONE : REFUSAL_BAD_KEY);
        assert_int_equal(dialect_build_answer(&t.answer, &read, &reply, NULL), TD_OK);
        assert_int_equal(answer_parse(t.answers, spoken, td_buf_view(&t.answer), &answer, NULL),
                         TD_OK);
        assert_int_equal(answer.kind, is_ping ? ANSWER_PONG : ANSWER_AUTH);
        if (!is_ping)
            assert_int_equal(answer.success, is_good);
        uint8_t padded[1024 + DECODE_PADDING_BYTES] = {0};
        classification found;
        assert_in_range(t.answer.size, 1, 1024);
        memcpy(padded, t.answer.data, t.answer.size);
        decoder_classify(t.decoder, NULL, td_bytes_of(padded, t.answer.size), CHANNEL_IN, 0,
                         &found);
        assert_int_equal(found.frame_class, is_ping ? CLASS_PONG : CLASS_AUTH);
        if (!is_ping)
            assert_int_equal(found.success, is_good);
    }
    decoder_close(t.decoder);
    dialect_parser_close(t.answers);
    dialect_parser_close(t.requests);
    td_buf_fini(&t.request);
    td_buf_fini(&t.answer);
}

/* ---- requests read by servers ---- */

static void test_read(void **state)
{
    (void)state;
    static const struct {
        dialect_id dialect;
        const char *request;
        td_result rc;
        request_kind kind;
        const char *args; /* each followed by a space; NULL without args */
    } ROWS[] = {
        {DIALECT_V3, "{\"args\":[\"a\"],\"op\":\"subscribe\",\"id\":\"x\"}", TD_OK,
         REQUEST_SUBSCRIBE, "a "},
        {DIALECT_V3, "{\"op\":\"subscribe\",\"args\":null}", TD_OK, REQUEST_SUBSCRIBE, NULL},
        {DIALECT_V3, "{\"op\":\"subscribe\"}", TD_OK, REQUEST_SUBSCRIBE, NULL},
        {DIALECT_V3, "{\"op\":\"subscribe\",\"args\":[]}", TD_OK, REQUEST_SUBSCRIBE, ""},
        {DIALECT_V3, "{\"op\":\"subscribe\",\"args\":\"a\"}", TD_E_INVALID, REQUEST_SUBSCRIBE,
         NULL},
        {DIALECT_V3, "{\"op\":\"subscribe\",\"args\":[1,null,{}]}", TD_OK, REQUEST_SUBSCRIBE,
         "1 null {} "},
        {DIALECT_V3, "{\"op\":[\"subscribe\"],\"args\":[\"a\"]}", TD_OK, REQUEST_UNKNOWN, "a "},
        {DIALECT_V3, "{\"op\":\"unSubAll\"}", TD_OK, REQUEST_UNKNOWN, NULL},
        {DIALECT_V3, "\xef\xbb\xbf{\"op\":\"ping\"}", TD_OK, REQUEST_PING, NULL},
        {DIALECT_V3, "{\"op\":\"ping\"", TD_E_INVALID, REQUEST_UNKNOWN, NULL},
        {DIALECT_V3, "[]", TD_E_INVALID, REQUEST_UNKNOWN, NULL},
        {DIALECT_V3, "", TD_E_INVALID, REQUEST_UNKNOWN, NULL},
        {DIALECT_V3, "\x1f\x8b\x08", TD_E_INVALID, REQUEST_UNKNOWN, NULL},
        {DIALECT_USDC, "{\"op\":\"unSubAll\",\"args\":5}", TD_OK, REQUEST_UNSUBSCRIBE_ALL, NULL},
        {DIALECT_USDC, "{\"method\":\"private/subscribe\",\"params\":{\"channels\":[\"a\",\"b\"]}}",
         TD_OK, REQUEST_SUBSCRIBE, "a b "},
        {DIALECT_USDC, "{\"method\":\"private/unsubscribe\",\"params\":{\"channels\":[\"a\"]}}",
         TD_OK, REQUEST_UNSUBSCRIBE, "a "},
        {DIALECT_USDC, "{\"method\":\"private/subscribe\",\"params\":{\"channels\":\"a\"}}",
         TD_E_INVALID, REQUEST_SUBSCRIBE, NULL},
        {DIALECT_USDC, "{\"method\":\"private/subscribe\",\"params\":[]}", TD_OK, REQUEST_SUBSCRIBE,
         NULL},
        {DIALECT_USDC, "{\"method\":\"public/subscribe\",\"params\":{\"channels\":[\"a\"]}}", TD_OK,
         REQUEST_UNKNOWN, "a "},
        {DIALECT_SPOT, "{\"event\":\"sub\",\"topic\":\"trade\",\"symbol\":\"A,B,\"}", TD_OK,
         REQUEST_SUBSCRIBE, "trade.A trade.B trade. "},
        {DIALECT_SPOT,
         "{\"event\":\"sub\",\"topic\":\"kline\",\"symbol\":\"A\",\"params\":{\"klineType\":\"1m\"}"
         "}",
         TD_OK, REQUEST_SUBSCRIBE, "kline.1m.A "},
        {DIALECT_SPOT, "{\"event\":\"sub\",\"topic\":\"kline_\",\"symbol\":\"A\"}", TD_OK,
         REQUEST_SUBSCRIBE, "kline..A "},
        {DIALECT_SPOT,
         "{\"event\":\"sub\",\"topic\":\"mergedDepth\",\"symbol\":\"A\",\"params\":{\"dumpScale\":"
         "\"3\",\"binary\":\"true\"}}",
         TD_OK, REQUEST_SUBSCRIBE, "mergedDepth.3.A "},
        {DIALECT_SPOT, "{\"event\":\"sub\"}", TD_OK, REQUEST_SUBSCRIBE, ". "},
        {DIALECT_SPOT, "{\"event\":\"sub\",\"topic\":{},\"symbol\":[],\"params\":5}", TD_OK,
         REQUEST_SUBSCRIBE, ". "},
        {DIALECT_SPOT, "{\"event\":\"dance\",\"topic\":\"trade\",\"symbol\":\"A\"}", TD_OK,
         REQUEST_UNKNOWN, NULL},
        {DIALECT_SPOT, "{\"op\":\"subscribe\",\"args\":[\"trade.A\"]}", TD_OK, REQUEST_UNKNOWN,
         NULL},
        {DIALECT_SPOT_V2,
         "{\"event\":\"cancel\",\"topic\":\"depth\",\"params\":{\"symbol\":\"A,B\"}}", TD_OK,
         REQUEST_UNSUBSCRIBE, "depth.A,B "}, /* this dialect has no lists: an unknown symbol */
        {DIALECT_SPOT_V2, "{\"ping\":\"x\"}", TD_OK, REQUEST_PING, NULL},
        {DIALECT_SPOT_PRIVATE, "{\"op\":\"auth\",\"args\":[\"k\",1,\"s\"]}", TD_OK, REQUEST_AUTH,
         "k 1 s "},
        {DIALECT_SPOT_PRIVATE, "{\"op\":\"ping\"}", TD_OK, REQUEST_PING, NULL},
        {DIALECT_SPOT, "{\"op\":\"ping\"}", TD_OK, REQUEST_PING, NULL},
        {DIALECT_SPOT_PRIVATE, "{\"pong\":1}", TD_OK, REQUEST_PONG, NULL},
    };
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_request read;
        char args[256] = "";
        size_t used = 0;
        td_result rc = request_parse(parser, dialect_find(ROWS[i].dialect),
                                     td_bytes_str(ROWS[i].request), &read, NULL);
        if (rc != ROWS[i].rc || read.kind != ROWS[i].kind)
            fail_msg("%s: %d, kind %d", ROWS[i].request, (int)rc, (int)read.kind);
        for (size_t k = 0; k < read.arg_count; k++)
            used += (size_t)snprintf(args + used, sizeof args - used, "%.*s ",
                                     (int)read.args[k].size, (const char *)read.args[k].data);
        if (ROWS[i].args == NULL)
            assert_null(read.args);
        else
            assert_string_equal(args, ROWS[i].args);
    }
    dialect_parser_close(parser);
}

/* Lists that are too long, in each spelling of lists. */
static void test_bounds(void **state)
{
    (void)state;
    static const struct {
        dialect_id dialect;
        const char *before, *item, *behind;
    } ROWS[] = {
        {DIALECT_V3, "{\"op\":\"subscribe\",\"args\":[\"a\"", ",\"a\"", "]}"},
        {DIALECT_USDC, "{\"method\":\"private/subscribe\",\"params\":{\"channels\":[0", ",0",
         "]}}"},
        {DIALECT_SPOT, "{\"event\":\"sub\",\"topic\":\"trade\",\"symbol\":\"A", ",A", "\"}"},
    };
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_request read;
        td_buf text;
        td_buf_init(&text, 1 << 20);
        assert_int_equal(td_buf_printf(&text, NULL, "%s", ROWS[i].before), TD_OK);
        for (int k = 0; k < DIALECT_ARGS_MAX; k++)
            assert_int_equal(td_buf_append(&text, ROWS[i].item, strlen(ROWS[i].item), NULL), TD_OK);
        assert_int_equal(td_buf_printf(&text, NULL, "%s", ROWS[i].behind), TD_OK);
        assert_int_equal(
            request_parse(parser, dialect_find(ROWS[i].dialect), td_buf_view(&text), &read, NULL),
            TD_E_LIMIT);
        assert_int_equal(read.kind, REQUEST_SUBSCRIBE);
        assert_int_equal(read.arg_count, 0);
        td_buf_fini(&text);
    }
    /* A long name times many symbols: refused before it is expanded. */
    char request[1024];
    char name[400];
    dialect_request read;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    (void)snprintf(request, sizeof request,
                   "{\"event\":\"sub\",\"topic\":\"%s\",\"symbol\":\"A,B\"}", name);
    assert_int_equal(
        request_parse(parser, dialect_find(DIALECT_SPOT), td_bytes_str(request), &read, NULL),
        TD_E_LIMIT);
    dialect_parser_close(parser);
}

/* ---- credentials ---- */

static void test_credentials(void **state)
{
    (void)state;
    /* Python: hmac.new(b"s", b"GET/realtime1700000000000", hashlib.sha256).hexdigest() */
#define GOOD "445b19f3d14d7c9cd97ac3c7ac7c024d85e3e3f2772721593022f72ca8ac5b0a"
    static const struct {
        const char *query, *secret;
        refusal expected;
        int is_there;
    } ROWS[] = {
        {"", "s", REFUSAL_NONE, 0},
        {"x=1", "s", REFUSAL_NONE, 0},
        {"api_key=k&expires=1700000000000&signature=" GOOD, "s", REFUSAL_NONE, 1},
        {"signature=" GOOD "&x=&expires=1700000000000&api_key=k", "s", REFUSAL_NONE, 1},
        {"api_key=k&expires=1700000000001&signature=" GOOD, "s", REFUSAL_BAD_KEY, 1},
        {"api_key=k&expires=1700000000000&signature=" GOOD, "t", REFUSAL_BAD_KEY, 1},
        {"api_key=k&expires=1700000000000&signature=", "s", REFUSAL_BAD_KEY, 1},
        {"api_key=k&expires=1600000000000&signature=" GOOD, "s", REFUSAL_EXPIRED, 1},
        {"api_key=k&expires=x&signature=" GOOD, "s", REFUSAL_INVALID_ARGS, 1},
        {"api_key=k&expires=99999999999999999999&signature=x", "s", REFUSAL_INVALID_ARGS, 1},
        {"api_key=k", "s", REFUSAL_INVALID_ARGS, 1},
        {"api_key=k&expires=1&signature=x", NULL, REFUSAL_NONE, 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        int is_there = -1;
        refusal got = dialect_check_query(dialect_find(DIALECT_OP), td_bytes_str(ROWS[i].query),
                                          ROWS[i].secret, 1699999999999, &is_there);
        if (got != ROWS[i].expected || is_there != ROWS[i].is_there)
            fail_msg("%s: %d", ROWS[i].query, (int)got);
    }
    const td_bytes args[] = {td_bytes_str("k"), td_bytes_str("1700000000000")};
    dialect_request request = {
        .kind = REQUEST_AUTH, .args = args, .arg_count = 2, .dialect = dialect_find(DIALECT_OP)};
    assert_int_equal(dialect_check_auth(&request, NULL, 0), REFUSAL_INVALID_ARGS);
    request.args = NULL;
    assert_int_equal(dialect_check_auth(&request, NULL, 0), REFUSAL_INVALID_ARGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),       cmocka_unit_test(test_heartbeats),
        cmocka_unit_test(test_fit),           cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_auth_and_ping), cmocka_unit_test(test_read),
        cmocka_unit_test(test_bounds),        cmocka_unit_test(test_credentials),
    };
    return cmocka_run_group_tests_name("schema/dialect_requests", tests, NULL, NULL);
}
