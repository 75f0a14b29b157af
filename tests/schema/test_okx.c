/* OKX, an exchange in two documents: topics that are objects in requests and answers, topics inside
 * an object of frames, an answer for each topic, and a heartbeat that is not JSON. Expected texts
 * are of the exchange's documentation of v5. */
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

static const family *okx(void)
{
    const family *of = family_find(td_bytes_str("okx"));
    assert_non_null(of);
    return of;
}

/* ---- a client ---- */

static void test_asks(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"books.BTC-USDT", "status", "trades.ETH-USDT-SWAP"};
    const dialect *spoken = okx()->dialect;
    dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = TOPICS, .count = 3, .id = "7"};
    td_buf out;
    td_buf_init(&out, 4096);
    assert_int_equal(dialect_ask_topics(spoken, &out, &ask, NULL), TD_OK);
    assert_text(td_buf_view(&out),
                "{\"id\":\"7\",\"op\":\"subscribe\",\"args\":[{\"channel\":\"books\",\"instId\":"
                "\"BTC-USDT\"},{\"channel\":\"status\"},{\"channel\":\"trades\",\"instId\":"
                "\"ETH-USDT-SWAP\"}]}");
    td_buf_clear(&out);
    ask = (dialect_ask){.kind = REQUEST_UNSUBSCRIBE, .topics = TOPICS, .count = 1};
    assert_int_equal(dialect_ask_topics(spoken, &out, &ask, NULL), TD_OK);
    assert_text(td_buf_view(&out), "{\"op\":\"unsubscribe\",\"args\":[{\"channel\":\"books\","
                                   "\"instId\":\"BTC-USDT\"}]}");
    static const char *const OTHERS[] = {"liquidation-orders.SWAP", "opt-summary.BTC-USD",
                                         "candle1m.BTC-USDT"};
    td_buf_clear(&out);
    ask = (dialect_ask){.kind = REQUEST_SUBSCRIBE, .topics = OTHERS, .count = 3};
    assert_int_equal(dialect_ask_topics(spoken, &out, &ask, NULL), TD_OK);
    assert_text(td_buf_view(&out),
                "{\"op\":\"subscribe\",\"args\":[{\"channel\":\"liquidation-orders\",\"instType\":"
                "\"SWAP\"},{\"channel\":\"opt-summary\",\"instFamily\":\"BTC-USD\"},"
                "{\"channel\":\"candle1m\",\"instId\":\"BTC-USDT\"}]}");
    td_buf_clear(&out);
    assert_int_equal(dialect_heartbeat(&out, spoken->ping, 1, NULL), TD_OK);
    assert_text(td_buf_view(&out), "ping");
    td_buf_fini(&out);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        answer_kind kind;
        request_kind of;
        int success;
        const char *id, *reason, *granted;
    } ROWS[] = {
        {"{\"id\":\"7\",\"event\":\"subscribe\",\"arg\":{\"channel\":\"books\",\"instId\":"
         "\"BTC-USDT\"},\"connId\":\"a4d3ae55\"}",
         ANSWER_TOPICS, REQUEST_SUBSCRIBE, 1, "7", "", "books.BTC-USDT "},
        {"{\"event\":\"unsubscribe\",\"arg\":{\"instId\":\"BTC-USDT\",\"channel\":\"books\"}}",
         ANSWER_TOPICS, REQUEST_UNSUBSCRIBE, 1, "", "", "books.BTC-USDT "},
        {"{\"id\":\"8\",\"event\":\"error\",\"code\":\"60012\",\"msg\":\"Invalid request\"}",
         ANSWER_TOPICS, REQUEST_UNKNOWN, 0, "8", "Invalid request", ""},
        {"pong", ANSWER_PONG, REQUEST_PING, -1, "", "", ""},
        {"{\"event\":\"notice\",\"code\":\"64008\",\"msg\":\"The connection will soon be "
         "closed.\"}",
         ANSWER_PING, REQUEST_UNKNOWN, -1, "", "The connection will soon be closed.", ""},
        {"{\"event\":\"channel-conn-count\",\"channel\":\"orders\",\"connCount\":\"2\"}",
         ANSWER_PING, REQUEST_UNKNOWN, -1, "", "", ""},
        {"{\"event\":\"channel-conn-count-error\",\"channel\":\"orders\",\"connCount\":\"30\"}",
         ANSWER_TOPICS, REQUEST_UNKNOWN, 0, "", "", ""},
        {"{\"event\":\"subscribe\",\"arg\":{\"channel\":\"option-trades\",\"instType\":\"OPTION\","
         "\"instFamily\":\"BTC-USD\"}}",
         ANSWER_TOPICS, REQUEST_SUBSCRIBE, 1, "", "", "option-trades.OPTION.BTC-USD "},
        {"{\"event\":\"login\",\"code\":\"0\",\"msg\":\"\",\"connId\":\"a4\"}", ANSWER_AUTH,
         REQUEST_AUTH, 1, "", "", ""},
        {"{\"event\":\"error\",\"code\":\"60009\",\"msg\":\"Login failed.\"}", ANSWER_AUTH,
         REQUEST_AUTH, 0, "", "Login failed.", ""},
        {"ping", ANSWER_NONE, REQUEST_UNKNOWN, -1, "", "", ""},
        {"{\"arg\":{\"channel\":\"books\",\"instId\":\"A\"},\"data\":[]}", ANSWER_NONE,
         REQUEST_UNKNOWN, -1, "", "", ""},
    };
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_answer answer;
        char granted[128];
        assert_int_equal(
            answer_parse(parser, okx()->dialect, td_bytes_str(ROWS[i].frame), &answer, NULL),
            TD_OK);
        if (answer.kind != ROWS[i].kind || answer.of != ROWS[i].of ||
            answer.success != ROWS[i].success)
            fail_msg("%s: kind %d of %d, success %d", ROWS[i].frame, (int)answer.kind,
                     (int)answer.of, answer.success);
        topics_to_text(answer.granted, answer.granted_count, granted, sizeof granted);
        assert_string_equal(granted, ROWS[i].granted);
        assert_text(answer.id, ROWS[i].id);
        assert_text(answer.reason, ROWS[i].reason);
        assert_int_equal(answer.is_notice, strstr(ROWS[i].frame, "\"notice\"") != NULL);
    }
    dialect_parser_close(parser);
}

/* ---- frames ---- */

/* The pong is text, which a recorder classifies; it does not inflate frames. */
static void test_pong_is_not_inflated(void **state)
{
    (void)state;
    assert_false(decoder_inflates(okx(), td_bytes_str("pong")));
    assert_true(decoder_inflates(okx(), td_bytes_str("ponG")));
}

static void test_classes(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        frame_class is;
        const char *topic; /* with its symbol; NULL: not data */
        uint64_t exchange_ns;
    } ROWS[] = {
        {"{\"arg\":{\"channel\":\"books\",\"instId\":\"BTC-USDT\"},\"action\":\"update\",\"data\":"
         "[{\"asks\":[],\"bids\":[],\"ts\":\"1790000000223\",\"checksum\":0,\"seqId\":7}]}",
         CLASS_DATA, "books.BTC-USDT", UINT64_C(1790000000223000000)},
        {" { \"data\" : [ { \"ts\" : \"5\" } ] , \"arg\" : { \"instId\" : \"A\\u002dB\" , "
         "\"channel\" : \"trades\" } }",
         CLASS_DATA, "trades.A-B", UINT64_C(5000000)},
        {"{\"arg\":{\"channel\":\"strange\",\"instId\":\"A\"},\"data\":[]}", CLASS_DATA, "strange",
         0},
        {"{\"arg\":{\"instId\":\"A\"},\"data\":[]}", CLASS_UNKNOWN, NULL, 0},
        {"{\"arg\":\"books\",\"data\":[]}", CLASS_UNKNOWN, NULL, 0},
        {"{\"event\":\"subscribe\",\"arg\":{\"channel\":\"books\",\"instId\":\"A\"}}", CLASS_ACK,
         NULL, 0},
        {"{\"event\":\"error\",\"code\":\"60018\",\"msg\":\"no\"}", CLASS_ERROR, NULL, 0},
        {"pong", CLASS_PONG, NULL, 0},
        {"pong ", CLASS_UNKNOWN, NULL, 0},
    };
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        uint8_t padded[512] = {0};
        classification what;
        const size_t size = strlen(ROWS[i].frame);
        assert_true(size + DECODE_PADDING_BYTES <= sizeof padded);
        memcpy(padded, ROWS[i].frame, size);
        decoder_classify(d, okx(), td_bytes_of(padded, size), CHANNEL_IN, TOPIC_NOW, &what);
        if (what.frame_class != ROWS[i].is)
            fail_msg("%s: %s", ROWS[i].frame, frame_class_name(what.frame_class));
        if (ROWS[i].topic == NULL)
            continue;
        assert_text(what.exchange_topic, ROWS[i].topic);
        assert_int_equal(what.exchange_ns, ROWS[i].exchange_ns);
        assert_int_equal(what.topic.row != NULL, ROWS[i].exchange_ns != 0);
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
    return (topic_standing){.is_known = (uint8_t)td_bytes_is(topic, "books.BTC-USDT")};
}

static int subscribe(void *user, td_bytes topic)
{
    (void)user;
    assert_text(topic, "books.BTC-USDT");
    return 1;
}

static void changed(void *user, request_kind kind)
{
    (void)user;
    assert_int_equal(kind, REQUEST_SUBSCRIBE);
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
    static const responder_ops OPS = {
        .standing = standing_of, .subscribe = subscribe, .changed = changed, .send = keep};
    static const struct {
        const char *request, *sent;
    } ROWS[] = {
        {"ping", "pong\n"},
        {"{\"id\":\"1\",\"op\":\"subscribe\",\"args\":[{\"channel\":\"books\",\"instId\":"
         "\"BTC-USDT\"},{\"instId\":\"NO\",\"channel\":\"trades\"},\"x\",{\"y\":1}]}",
         "{\"id\":\"1\",\"event\":\"subscribe\",\"arg\":{\"channel\":\"books\",\"instId\":"
         "\"BTC-USDT\"},\"connId\":\"c\"}\n"
         "{\"id\":\"1\",\"event\":\"error\",\"code\":\"60018\",\"msg\":\"no "
         "channel:trades,instId:NO\",\"connId\":"
         "\"c\"}\n"
         "{\"id\":\"1\",\"event\":\"error\",\"code\":\"60018\",\"msg\":\"no "
         "channel:\\\"x\\\"\",\"connId\":"
         "\"c\"}\n"
         "{\"id\":\"1\",\"event\":\"error\",\"code\":\"60018\",\"msg\":\"no "
         "channel:{\\\"y\\\":1}\","
         "\"connId\":\"c\"}\n"},
        {"{\"op\":\"dance\"}", "{\"event\":\"error\",\"code\":\"60012\",\"msg\":\"Illegal request: "
                               "{\\\"op\\\":\\\"dance\\\"}\",\"connId\":\"c\"}\n"},
        {"no JSON", "{\"event\":\"error\",\"code\":\"60012\",\"msg\":\"Illegal request: no "
                    "JSON\",\"connId\":\"c\"}\n"},
    };
    dialect spoken = *okx()->dialect;
    spoken.refusals[REFUSAL_UNKNOWN_TOPIC].text = "no {keys}"; /* shorter */
    responder *r = responder_open(NULL);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        client c = {""};
        const responder_client from = {&OPS, &c, &spoken, "c"};
        assert_int_equal(responder_answer(r, &from, td_bytes_str(ROWS[i].request), 1000, NULL),
                         TD_OK);
        assert_string_equal(c.sent, ROWS[i].sent);
    }
    responder_close(r);
}

/* ---- credentials ---- */

/* The signature is of Python: base64(hmac(b"a secret", b"1704876947GET/users/self/verify")) */
#define SIGNATURE   "IlW0VXND9LHiNxIRftvm2vhxehjijT4JjBATWKFMuJU="
#define LOGIN_OF(s) "{\"op\":\"login\",\"args\":[" s "]}"
#define LOGIN_AT(at)                                                                               \
    LOGIN_OF("{\"apiKey\":\"k\",\"passphrase\":\"p\",\"timestamp\":\"" at                          \
             "\",\"sign\":\"" SIGNATURE "\"}")

static void test_login(void **state)
{
    (void)state;
    const dialect_auth auth = {.api_key = "k",
                               .secret = "a secret",
                               .passphrase = "p",
                               .signed_ms = UINT64_C(1704876947999)};
    td_buf out;
    td_buf_init(&out, 4096);
    assert_true(dialect_wants_passphrase(okx()->dialect));
    assert_false(dialect_wants_passphrase(family_find(td_bytes_str("v5-private"))->dialect));
    assert_int_equal(dialect_ask_auth(okx()->dialect, &out, &auth, NULL), TD_OK);
    assert_text(td_buf_view(&out), LOGIN_AT("1704876947"));
    td_buf_fini(&out);
}

static void test_checked_login(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        uint64_t now_ms;
        refusal refused, without_secret;
    } ROWS[] = {
        {LOGIN_AT("1704876947"), 1704876947000, REFUSAL_NONE, REFUSAL_NONE},
        {LOGIN_AT("1704876947"), 1704876976000, REFUSAL_NONE, REFUSAL_NONE},
        {LOGIN_AT("1704876947"), 1704876978000, REFUSAL_EXPIRED, REFUSAL_NONE},
        {LOGIN_AT("1704876947"), 1704876916000, REFUSAL_EXPIRED, REFUSAL_NONE},
        {LOGIN_AT("1704876948"), 1704876947000, REFUSAL_BAD_KEY, REFUSAL_NONE},
        {LOGIN_AT("soon"), 1704876947000, REFUSAL_INVALID_ARGS, REFUSAL_INVALID_ARGS},
        {LOGIN_OF(""), 1704876947000, REFUSAL_INVALID_ARGS, REFUSAL_INVALID_ARGS},
        {LOGIN_OF("\"k\",1704876947,\"s\""), 1704876947000, REFUSAL_INVALID_ARGS,
         REFUSAL_INVALID_ARGS},
        {LOGIN_OF("{\"apiKey\":\"k\",\"timestamp\":1704876947,\"sign\":\"" SIGNATURE "\"}"),
         1704876947000, REFUSAL_NONE, REFUSAL_NONE},
    };
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_request request;
        assert_int_equal(
            request_parse(parser, okx()->dialect, td_bytes_str(ROWS[i].request), &request, NULL),
            TD_OK);
        assert_int_equal(request.kind, REQUEST_AUTH);
        if (dialect_check_auth(&request, "a secret", ROWS[i].now_ms) != ROWS[i].refused ||
            dialect_check_auth(&request, NULL, ROWS[i].now_ms) != ROWS[i].without_secret)
            fail_msg("%s at %llu", ROWS[i].request, (unsigned long long)ROWS[i].now_ms);
    }
    dialect_parser_close(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_pong_is_not_inflated),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_checked_login),
    };
    return cmocka_run_group_tests_name("schema/okx", tests, NULL, NULL);
}
