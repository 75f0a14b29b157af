/* The answers of servers in every dialect, and how a client reads them. Expected texts follow the
 * tables of docs/wire.md 1, 1.1 to 1.3, 1.5 and 5.3: members, their order, and their texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "schema/decode.h"
#include "tests/testing/bybit_dialects.h"
#include "tests/testing/capture.h"
#include "schema/dialect.h"
#include "tests/testing/answer_text.h"

#define CONN   "conn-1"
#define NOW_MS 1700000000123

static void assert_named_text(const char *name, td_bytes got, const char *expected)
{
    if (!td_bytes_is(got, expected))
        fail_msg("%s: got %.*s, not %s", name, (int)got.size, (const char *)got.data, expected);
}

/* ---- answers of servers ---- */

/* failed: marks for args, "01" for the second of two; NULL if no arg failed. */
typedef struct answer_row {
    dialect_id dialect;
    const char *request;
    refusal refused;
    const char *reason_topic, *failed, *answer;
} answer_row;

static const answer_row ANSWERS[] = {
    {DIALECT_V3, "{\"req_id\":\"a1\",\"op\":\"subscribe\",\"args\":[\"orderbook.50.XUSDT\"]}",
     REFUSAL_NONE, "", NULL,
     "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"" CONN
     "\",\"req_id\":\"a1\",\"op\":\"subscribe\"}"},
    {DIALECT_V3, "{\"op\":\"unsubscribe\",\"args\":[\"orderbook.50.XUSDT\"]}", REFUSAL_NONE, "",
     NULL,
     "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"" CONN
     "\",\"req_id\":\"\",\"op\":\"unsubscribe\"}"},
    {DIALECT_V3, "{\"op\":\"ping\"}", REFUSAL_NONE, "", NULL,
     "{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"" CONN
     "\",\"req_id\":\"\",\"op\":\"ping\"}"},
    {DIALECT_V3, "{\"req_id\":\"q\",\"op\":\"subscribe\",\"args\":[\"no.such\"]}",
     REFUSAL_UNKNOWN_TOPIC, "no.such", NULL,
     "{\"success\":false,\"ret_msg\":\"error:handler not found,topic:no.such\",\"conn_id\":\"" CONN
     "\",\"req_id\":\"q\",\"op\":\"subscribe\"}"},
    {DIALECT_V3, "{\"op\":\"subscribe\",\"args\":[\"tickers.X\"]}", REFUSAL_REPEATED, "tickers.X",
     NULL,
     "{\"success\":false,\"ret_msg\":\"error:already subscribed,topic:tickers.X\",\"conn_id\":"
     "\"" CONN "\",\"req_id\":\"\",\"op\":\"subscribe\"}"},
    {DIALECT_V3, "{\"op\":\"jump\"}", REFUSAL_INVALID_OP, "", NULL,
     "{\"success\":false,\"ret_msg\":\"error:invalid op\",\"conn_id\":\"" CONN
     "\",\"req_id\":\"\",\"op\":\"\"}"},
    {DIALECT_V3, "{\"op\":\"subscribe\",\"args\":[\"a<&>b\"]}", REFUSAL_UNKNOWN_TOPIC, "a<&>b",
     NULL,
     "{\"success\":false,\"ret_msg\":\"error:handler not found,topic:a\\u003c\\u0026\\u003eb\","
     "\"conn_id\":\"" CONN "\",\"req_id\":\"\",\"op\":\"subscribe\"}"},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":[\"tickers.X\"]}", REFUSAL_UNKNOWN_SYMBOL,
     "tickers.X", NULL,
     "{\"success\":false,\"ret_msg\":\"Invalid symbol :[tickers.X]\",\"conn_id\":\"" CONN
     "\",\"req_id\":\"\",\"op\":\"subscribe\"}"},
    {DIALECT_V5_SPOT, "{\"op\":\"subscribe\",\"args\":[\"tickers.X\"]}", REFUSAL_NONE, "", NULL,
     "{\"success\":true,\"ret_msg\":\"subscribe\",\"conn_id\":\"" CONN "\",\"op\":\"subscribe\"}"},
    {DIALECT_V5_SPOT, "{\"req_id\":\"7\",\"op\":\"subscribe\",\"args\":[\"tickers.X\"]}",
     REFUSAL_NONE, "", NULL,
     "{\"success\":true,\"ret_msg\":\"subscribe\",\"conn_id\":\"" CONN
     "\",\"req_id\":\"7\",\"op\":\"subscribe\"}"},
    {DIALECT_V5_SPOT, "{\"op\":\"subscribe\",\"args\":[\"t\"]}", REFUSAL_TOO_MANY, "", NULL,
     "{\"success\":false,\"ret_msg\":\"args size \\u003e10\",\"conn_id\":\"" CONN
     "\",\"op\":\"subscribe\"}"},
    {DIALECT_V5_SPOT, "{\"op\":\"ping\"}", REFUSAL_NONE, "", NULL,
     "{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"" CONN "\",\"op\":\"ping\"}"},
    {DIALECT_V5_PRIVATE, "{\"op\":\"auth\",\"args\":[\"k\",1,\"s\"]}", REFUSAL_NONE, "", NULL,
     "{\"success\":true,\"ret_msg\":\"\",\"op\":\"auth\",\"conn_id\":\"" CONN "\"}"},
    {DIALECT_V5_PRIVATE, "{\"op\":\"auth\",\"args\":[\"k\",1,\"s\"]}", REFUSAL_BAD_KEY, "", NULL,
     "{\"success\":false,\"ret_msg\":\"Params Error\",\"op\":\"auth\",\"conn_id\":\"" CONN "\"}"},
    {DIALECT_V5_PRIVATE, "{\"op\":\"subscribe\",\"args\":[\"order\"]}", REFUSAL_NONE, "", NULL,
     "{\"success\":true,\"ret_msg\":\"\",\"op\":\"subscribe\",\"conn_id\":\"" CONN "\"}"},
    {DIALECT_V5_PRIVATE, "{\"req_id\":\"p\",\"op\":\"ping\"}", REFUSAL_NONE, "", NULL,
     "{\"req_id\":\"p\",\"op\":\"pong\",\"args\":[\"1700000000123\"],\"conn_id\":\"" CONN "\"}"},
    {DIALECT_V5_TRADE, "{\"reqId\":\"1\",\"op\":\"auth\",\"args\":[\"k\",1,\"s\"]}", REFUSAL_NONE,
     "", NULL,
     "{\"reqId\":\"1\",\"retCode\":0,\"retMsg\":\"OK\",\"op\":\"auth\",\"connId\":\"" CONN "\"}"},
    {DIALECT_V5_TRADE, "{\"req_id\":\"1\",\"op\":\"auth\",\"args\":[\"k\",1,\"s\"]}",
     REFUSAL_BAD_KEY, "", NULL,
     "{\"retCode\":10004,\"retMsg\":\"Invalid sign\",\"op\":\"auth\",\"connId\":\"" CONN "\"}"},
    {DIALECT_V5_TRADE, "{\"op\":\"ping\"}", REFUSAL_NONE, "", NULL,
     "{\"retCode\":0,\"retMsg\":\"OK\",\"op\":\"pong\",\"data\":[\"1700000000123\"],\"connId\":"
     "\"" CONN "\"}"},
    {DIALECT_V5_TRADE, "{\"op\":\"subscribe\",\"args\":[\"order\"]}", REFUSAL_INVALID_OP, "", NULL,
     "{\"retCode\":10404,\"retMsg\":\"op type is not "
     "found\",\"op\":\"subscribe\",\"connId\":\"" CONN "\"}"},
    {DIALECT_V5_OPTION, "{\"req_id\":\"1\",\"op\":\"subscribe\",\"args\":[\"a\",\"b\"]}",
     REFUSAL_NONE, "", "01",
     "{\"success\":false,\"conn_id\":\"" CONN
     "\",\"data\":{\"failTopics\":[\"b\"],\"successTopics\":[\"a\"]},\"type\":\"COMMAND_RESP\"}"},
    {DIALECT_V5_OPTION, "{\"op\":\"ping\"}", REFUSAL_NONE, "", NULL,
     "{\"args\":[\"1700000000123\"],\"op\":\"pong\"}"},
    {DIALECT_USDC, "{\"op\":\"subscribe\",\"id\":\"x\",\"args\":[\"a\",\"b\"]}", REFUSAL_NONE, "",
     NULL,
     "{\"id\":\"x\",\"success\":true,\"conn_id\":\"" CONN
     "\",\"data\":{\"successTopics\":[\"a\",\"b\"],\"failTopics\":[]},\"type\":\"COMMAND_RESP\"}"},
    {DIALECT_USDC, "{\"op\":\"subscribe\",\"args\":[\"a\"]}", REFUSAL_NEEDS_AUTH, "a", NULL,
     "{\"success\":false,\"conn_id\":\"" CONN
     "\",\"data\":{\"successTopics\":[],\"failTopics\":[\"a\"]},\"type\":\"COMMAND_RESP\"}"},
    {DIALECT_USDC, "{\"op\":\"unSubAll\",\"id\":5}", REFUSAL_NONE, "", NULL,
     "{\"id\":5,\"success\":true,\"conn_id\":\"" CONN
     "\",\"data\":{\"successTopics\":[],\"failTopics\":[]},\"type\":\"COMMAND_RESP\"}"},
    {DIALECT_USDC,
     "{\"method\":\"private/subscribe\",\"id\":\"m\",\"params\":{\"channels\":[\"user.order\"]}}",
     REFUSAL_NONE, "", NULL,
     "{\"id\":\"m\",\"success\":true,\"data\":{\"successChannels\":[\"user.order\"]},\"usIn\":"
     "1700000000123000,\"usOut\":1700000000123000,\"usDiff\":0,\"type\":\"COMMAND_RESP\"}"},
    {DIALECT_USDC, "{\"op\":\"auth\",\"id\":\"x\",\"args\":[\"k\",1,\"s\"]}", REFUSAL_NONE, "",
     NULL,
     "{\"id\":\"x\",\"success\":true,\"ret_msg\":\"0\",\"conn_id\":\"" CONN
     "\",\"type\":\"AUTH_RESP\"}"},
    {DIALECT_USDC, "{\"op\":\"auth\",\"args\":[\"k\",1,\"s\"]}", REFUSAL_EXPIRED, "", NULL,
     "{\"success\":false,\"ret_msg\":\"3303006\",\"conn_id\":\"" CONN "\",\"type\":\"AUTH_RESP\"}"},
    {DIALECT_USDC, "{\"op\":\"ping\",\"args\":[\"1\"]}", REFUSAL_NONE, "", NULL,
     "{\"op\":\"pong\",\"args\":[\"1700000000123\"]}"},
    {DIALECT_SPOT,
     "{\"symbol\":\"AUSDT,BUSDT\",\"topic\":\"trade\",\"event\":\"sub\",\"params\":{\"binary\":"
     "false}}",
     REFUSAL_NONE, "", NULL,
     "{\"topic\":\"trade\",\"event\":\"sub\",\"symbol\":\"AUSDT,BUSDT\",\"params\":{\"binary\":"
     "\"false\"},\"code\":\"0\",\"msg\":\"Success\"}"},
    {DIALECT_SPOT,
     "{\"symbol\":\"AUSDT\",\"topic\":\"mergedDepth\",\"event\":\"cancel\",\"params\":{\"binary\":"
     "true,\"dumpScale\":2}}",
     REFUSAL_NONE, "", NULL,
     "{\"topic\":\"mergedDepth\",\"event\":\"cancel\",\"symbol\":\"AUSDT\",\"params\":{\"binary\":"
     "\"true\",\"dumpScale\":\"2\"},\"code\":\"0\",\"msg\":\"Success\"}"},
    {DIALECT_SPOT, "{\"symbol\":\"AUSDT\",\"topic\":\"kline_7m\",\"event\":\"sub\"}",
     REFUSAL_UNKNOWN_PARAMETER, "kline.7m.AUSDT", NULL,
     "{\"code\":\"-10009\",\"desc\":\"Invalid period!\"}"},
    {DIALECT_SPOT, "{\"symbol\":\"NONE\",\"topic\":\"kline_1m\",\"event\":\"sub\"}",
     REFUSAL_UNKNOWN_SYMBOL, "kline.1m.NONE", NULL,
     "{\"code\":\"-100010\",\"desc\":\"Invalid Symbols!\"}"},
    {DIALECT_SPOT, "{\"symbol\":\"AUSDT\",\"topic\":\"dance\",\"event\":\"sub\"}",
     REFUSAL_UNKNOWN_TOPIC, "dance.AUSDT", NULL,
     "{\"code\":\"-100011\",\"desc\":\"Parameter error!\"}"},
    {DIALECT_SPOT, "{\"ping\":1}", REFUSAL_NONE, "", NULL, "{\"pong\":1700000000123}"},
    {DIALECT_SPOT, "{\"pong\":1}", REFUSAL_NONE, "", NULL, ""},
    {DIALECT_SPOT_V2,
     "{\"topic\":\"kline\",\"event\":\"sub\",\"params\":{\"symbol\":\"AUSDT\",\"klineType\":\"1m\","
     "\"binary\":false}}",
     REFUSAL_NONE, "", NULL,
     "{\"topic\":\"kline\",\"event\":\"sub\",\"params\":{\"symbol\":\"AUSDT\",\"binary\":\"false\","
     "\"klineType\":\"1m\",\"symbolName\":\"AUSDT\"},\"code\":\"0\",\"msg\":\"Success\"}"},
    {DIALECT_SPOT_V2, "{\"topic\":\"lt\",\"event\":\"sub\",\"params\":{\"symbol\":\"AUSDT\"}}",
     REFUSAL_UNKNOWN_TOPIC, "lt.AUSDT", NULL,
     "{\"topic\":\"lt\",\"event\":\"sub\",\"params\":{\"symbol\":\"AUSDT\",\"binary\":\"false\","
     "\"symbolName\":\"AUSDT\"},\"code\":\"-100011\",\"msg\":\"Parameter error!\"}"},
    {DIALECT_SPOT_V2, "{\"topic\":\"trade\"}", REFUSAL_INVALID_OP, "", NULL,
     "{\"code\":\"-100011\",\"desc\":\"Parameter error!\"}"},
    {DIALECT_SPOT_PRIVATE, "{\"op\":\"auth\",\"args\":[\"k\",1,\"s\"]}", REFUSAL_NONE, "", NULL,
     "{\"auth\":\"success\"}"},
    {DIALECT_SPOT_PRIVATE, "{\"op\":\"auth\",\"args\":[\"k\",1,\"s\"]}", REFUSAL_BAD_KEY, "", NULL,
     "{\"auth\":\"fail\"}"},
    {DIALECT_SPOT_PRIVATE, "{\"ping\":5}", REFUSAL_NONE, "", NULL, "{\"pong\":1700000000123}"},
    {DIALECT_SPOT_PRIVATE, "{\"op\":\"subscribe\",\"args\":[\"order\"]}", REFUSAL_INVALID_OP, "",
     NULL, ""},
};

static void test_written(void **state)
{
    (void)state;
    td_buf out;
    dialect_parser *parser = dialect_parser_open();
    td_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof ANSWERS / sizeof *ANSWERS; i++) {
        const answer_row *row = &ANSWERS[i];
        const dialect *spoken = dialect_find(row->dialect);
        dialect_request request;
        td_err err;
        uint8_t failed[8] = {0};
        for (size_t k = 0; row->failed != NULL && row->failed[k] != '\0'; k++)
            failed[k] = row->failed[k] == '1';
        const dialect_reply reply = {.conn_id = CONN,
                                     .now_ms = NOW_MS,
                                     .refused = row->refused,
                                     .topic = td_bytes_str(row->reason_topic),
                                     .arg_refusals = row->failed == NULL ? NULL : failed};
        if (request_parse(parser, spoken, td_bytes_str(row->request), &request, &err) != TD_OK)
            fail_msg("%s: %s", row->request, err.text);
        td_buf_clear(&out);
        assert_int_equal(dialect_build_answer(&out, &request, &reply, NULL), TD_OK);
        assert_named_text(row->request, td_buf_view(&out), row->answer);
    }
    td_buf_fini(&out);
    dialect_parser_close(parser);
}

/* ---- recorded answers to requests about orders ---- */

static const struct {
    const char *request, *recorded, *answer;
} AGAIN[] = {
    {"{\"reqId\":\"new \\u0041\",\"op\":\"order.create\",\"args\":[{\"qty\":\"1\"}]}",
     "{\"retCode\":0,\"reqId\" : \"old\" ,\"op\":\"order.create\"}",
     "{\"retCode\":0,\"reqId\" : \"new \\u0041\" ,\"op\":\"order.create\"}"},
    {"{\"op\":\"order.create\",\"args\":{}}", "{\"reqId\":\"old\",\"retCode\":0}",
     "{\"reqId\":\"\",\"retCode\":0}"},
    {"{\"reqId\":\"new\",\"op\":\"order.create\"}", "{\"retCode\":0,\"data\":{\"reqId\":\"in\"}}",
     "{\"retCode\":0,\"data\":{\"reqId\":\"in\"}}"},
    {"{\"reqId\":\"new\",\"op\":\"order.create\"}", "{\"reqId\":\"old\",\"retC",
     "{\"reqId\":\"old\",\"retC"},
};

static void test_answered_again(void **state)
{
    (void)state;
    td_buf out;
    dialect_parser *parser = dialect_parser_open();
    json_parser *json = json_parser_open(0);
    const dialect *spoken = dialect_find(DIALECT_V5_TRADE);
    td_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof AGAIN / sizeof *AGAIN; i++) {
        dialect_request request;
        td_err err;
        if (request_parse(parser, spoken, td_bytes_str(AGAIN[i].request), &request, &err) != TD_OK)
            fail_msg("%s: %s", AGAIN[i].request, err.text);
        assert_int_equal(request.kind, REQUEST_ORDER);
        assert_named_text(AGAIN[i].request, request.order_topic, "order.create");
        td_buf_clear(&out);
        dialect_build_with_id(spoken, &out, json, td_bytes_str(AGAIN[i].recorded), request.id_raw);
        assert_named_text(AGAIN[i].request, td_buf_view(&out), AGAIN[i].answer);
    }
    td_buf_fini(&out);
    json_parser_close(json);
    dialect_parser_close(parser);
}

/* ---- answers read by clients ---- */

typedef struct read_row {
    const char *frame;
    answer_kind kind;
    request_kind of;
    int success;
    const char *id, *reason, *reason_topic;
    const char *granted, *failed; /* topics, each followed by a space */
} read_row;

#define UNSAID REQUEST_UNKNOWN
static const read_row READ[] = {
    {"{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\",\"request\":{\"op\":\"subscribe\","
     "\"args\":[\"trade.A\",\"trade.B\"]}}",
     ANSWER_TOPICS, REQUEST_SUBSCRIBE, 1, "", "", "", "trade.A trade.B ", ""},
    {"{\"success\":false,\"ret_msg\":\"error:handler not found,topic:x.Y\",\"request\":{\"op\":"
     "\"subscribe\",\"args\":[\"x.Y\"]}}",
     ANSWER_TOPICS, REQUEST_SUBSCRIBE, 0, "", "error:handler not found,topic:x.Y", "x.Y", "",
     "x.Y "},
    {"{\"success\":false,\"ret_msg\":\"error:topic:order needs auth first\",\"request\":{\"op\":"
     "\"subscribe\",\"args\":[\"order\"]}}",
     ANSWER_TOPICS, REQUEST_SUBSCRIBE, 0, "", "error:topic:order needs auth first", "order", "",
     "order "},
    {"{\"success\":false,\"ret_msg\":\"error:invalid op\",\"request\":{\"op\":\"\",\"args\":null}}",
     ANSWER_TOPICS, UNSAID, 0, "", "error:invalid op", "", "", ""},
    {"{\"success\":false,\"conn_id\":\"\",\"op\":\"\"}", ANSWER_TOPICS, UNSAID, 0, "", "", "", "",
     ""},
    {"{\"success\":true,\"request\":{\"op\":\"auth\",\"args\":[\"k\",\"1\",\"s\"]}}", ANSWER_AUTH,
     REQUEST_AUTH, 1, "", "", "", "", ""},
    {"{\"op\":\"unsubscribe\",\"req_id\":\"r9\",\"success\":true}", ANSWER_TOPICS,
     REQUEST_UNSUBSCRIBE, 1, "r9", "", "", "", ""},
    {"{\"success\":true,\"op\":\"auth\"}", ANSWER_AUTH, REQUEST_AUTH, 1, "", "", "", "", ""},
    {"{\"ret_msg\":\"Params Error\",\"op\":\"auth\",\"success\":false}", ANSWER_AUTH, REQUEST_AUTH,
     0, "", "Params Error", "", "", ""},
    {"{\"success\":true,\"ret_msg\":\"pong\",\"op\":\"ping\"}", ANSWER_PONG, REQUEST_PING, -1, "",
     "pong", "", "", ""},
    {"{\"op\":\"pong\",\"args\":[\"5\"]}", ANSWER_PONG, REQUEST_PING, -1, "", "", "", "", ""},
    {"{\"pong\":5}", ANSWER_PONG, REQUEST_PING, -1, "", "", "", "", ""},
    {"{\"ping\":5}", ANSWER_PING, UNSAID, -1, "", "", "", "", ""},
    {"{\"id\":\"7\",\"success\":true,\"data\":{\"successTopics\":[\"a\"],\"failTopics\":[\"b\","
     "\"c\"]},\"type\":\"COMMAND_RESP\"}",
     ANSWER_TOPICS, UNSAID, 1, "7", "", "", "a ", "b c "},
    {"{\"id\":7,\"success\":true,\"data\":{\"successChannels\":[\"a\"]},\"type\":\"COMMAND_RESP\"}",
     ANSWER_TOPICS, UNSAID, 1, "7", "", "", "a ", ""},
    {"{\"success\":true,\"data\":null,\"type\":\"COMMAND_RESP\"}", ANSWER_TOPICS, UNSAID, 1, "", "",
     "", "", ""},
    {"{\"success\":false,\"ret_msg\":\"3303006\",\"type\":\"AUTH_RESP\"}", ANSWER_AUTH,
     REQUEST_AUTH, 0, "", "3303006", "", "", ""},
    {"{\"auth\":\"success\"}", ANSWER_AUTH, REQUEST_AUTH, 1, "", "success", "", "", ""},
    {"{\"auth\":\"fail\"}", ANSWER_AUTH, REQUEST_AUTH, 0, "", "fail", "", "", ""},
    {"{\"topic\":\"kline_1m\",\"event\":\"sub\",\"symbol\":\"A,B\",\"params\":{\"binary\":"
     "\"false\"},\"code\":\"0\",\"msg\":\"Success\"}",
     ANSWER_TOPICS, REQUEST_SUBSCRIBE, 1, "", "Success", "", "kline.1m.A kline.1m.B ", ""},
    {"{\"topic\":\"mergedDepth\",\"event\":\"cancel\",\"params\":{\"symbol\":\"A\",\"dumpScale\":1}"
     ","
     "\"code\":0,\"msg\":\"Success\"}",
     ANSWER_TOPICS, REQUEST_UNSUBSCRIBE, 1, "", "Success", "", "mergedDepth.1.A ", ""},
    {"{\"topic\":\"dance\",\"event\":\"sub\",\"params\":{\"symbol\":\"A\"},\"code\":\"-100011\","
     "\"msg\":\"Parameter error!\"}",
     ANSWER_TOPICS, REQUEST_SUBSCRIBE, 0, "", "Parameter error!", "", "", "dance.A "},
    {"{\"code\":\"-10009\",\"desc\":\"Invalid period!\"}", ANSWER_TOPICS, UNSAID, 0, "",
     "Invalid period!", "", "", ""},
    {"{\"topic\":\"trade.A\",\"data\":[],\"id\":\"5\"}", ANSWER_NONE, UNSAID, -1, "", "", "", "",
     ""},
    {"{\"topic\":\"t\",\"type\":\"snapshot\",\"data\":{}}", ANSWER_NONE, UNSAID, -1, "", "", "", "",
     ""},
    {"[{\"e\":\"executionReport\"}]", ANSWER_NONE, UNSAID, -1, "", "", "", "", ""},
    {"\x1f\x8b", ANSWER_NONE, UNSAID, -1, "", "", "", "", ""},
    {"{\"success\":\"yes\",\"request\":[],\"op\":5}", ANSWER_TOPICS, UNSAID, -1, "", "", "", "",
     ""},
    {"{\"success\":1,\"request\":{\"op\":\"subscribe\",\"args\":\"x\"}}", ANSWER_TOPICS,
     REQUEST_SUBSCRIBE, -1, "", "", "", "", ""},
};

/* Checks that the classifier and the reader of answers agree. */
static void assert_classified(decoder *d, const read_row *row)
{
    uint8_t padded[1024] = {0};
    classification found;
    size_t size = strlen(row->frame);
    assert_true(size + DECODE_PADDING_BYTES <= sizeof padded);
    memcpy(padded, row->frame, size);
    decoder_classify(d, NULL, td_bytes_of(padded, size), CHANNEL_IN, TOPIC_NOW, &found);
    int is_answer = frame_class_is_control(found.frame_class);
    if (is_answer != (row->kind != ANSWER_NONE) || (is_answer && found.success != row->success))
        fail_msg("%s: classified as %s, success %d", row->frame,
                 frame_class_name(found.frame_class), found.success);
    assert_int_equal(found.frame_class == CLASS_AUTH, row->kind == ANSWER_AUTH);
    assert_int_equal(found.frame_class == CLASS_PONG, row->kind == ANSWER_PONG);
    assert_int_equal(found.frame_class == CLASS_PING, row->kind == ANSWER_PING);
}

static void test_read(void **state)
{
    (void)state;
    decoder *d = NULL;
    dialect_parser *parser = dialect_parser_open();
    d = decoder_open();
    for (size_t i = 0; i < sizeof READ / sizeof *READ; i++) {
        const read_row *row = &READ[i];
        dialect_answer answer;
        char topics[256];
        assert_int_equal(
            answer_parse(parser, dialect_find(DIALECT_OP), td_bytes_str(row->frame), &answer, NULL),
            TD_OK);
        if (answer.kind != row->kind || answer.of != row->of || answer.success != row->success)
            fail_msg("%s: kind %d of %d success %d", row->frame, (int)answer.kind, (int)answer.of,
                     answer.success);
        assert_named_text(row->frame, answer.id, row->id);
        assert_named_text(row->frame, answer.reason, row->reason);
        assert_named_text(row->frame, answer.reason_topic, row->reason_topic);
        topics_to_text(answer.granted, answer.granted_count, topics, sizeof topics);
        assert_string_equal(topics, row->granted);
        topics_to_text(answer.failed, answer.failed_count, topics, sizeof topics);
        assert_string_equal(topics, row->failed);
        assert_classified(d, row);
    }
    decoder_close(d);
    dialect_parser_close(parser);
}

/* ---- which request an answer belongs to ---- */

static void test_fits(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"a.X", "b.X", "c.X"};
    static const struct {
        const char *answer;
        int fits; /* 1: fits the request "r1" for a.X, b.X and c.X */
    } ROWS[] = {
        {"{\"success\":true,\"op\":\"subscribe\",\"req_id\":\"r1\"}", 1},
        {"{\"success\":true,\"op\":\"subscribe\",\"req_id\":\"r11\"}", 0},
        {"{\"success\":true,\"op\":\"subscribe\",\"req_id\":\"\"}", 1},
        {"{\"success\":true,\"op\":\"subscribe\"}", 1},
        {"{\"success\":true,\"op\":\"unsubscribe\",\"req_id\":\"r1\"}", 0},
        {"{\"success\":false,\"op\":\"\"}", 1},
        {"{\"success\":true,\"op\":\"auth\"}", 0},
        {"{\"pong\":1}", 0},
        {"{\"success\":true,\"request\":{\"op\":\"subscribe\",\"args\":[\"a.X\",\"b.X\",\"c.X\"]}}",
         1},
        {"{\"success\":true,\"request\":{\"op\":\"subscribe\",\"args\":[\"c.X\",\"a.X\",\"b.X\"]}}",
         1},
        {"{\"success\":true,\"request\":{\"op\":\"subscribe\",\"args\":[\"a.X\",\"d.X\"]}}", 0},
        {"{\"type\":\"COMMAND_RESP\",\"data\":{\"successTopics\":[\"b.X\"],\"failTopics\":[\"a.X\"]"
         "}}",
         1},
        {"{\"type\":\"COMMAND_RESP\",\"data\":{\"successTopics\":[],\"failTopics\":[\"z\"]}}", 0},
        {"{\"topic\":\"b\",\"event\":\"sub\",\"symbol\":\"X\",\"code\":\"0\"}", 1},
        {"{\"topic\":\"b\",\"event\":\"cancel\",\"symbol\":\"X\",\"code\":\"0\"}", 0},
        {"{\"topic\":\"z\",\"event\":\"sub\",\"symbol\":\"X\",\"code\":\"0\"}", 0},
        {"{\"code\":\"-10009\",\"desc\":\"Invalid period!\"}", 1},
    };
    const dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = TOPICS, .count = 3, .id = "r1"};
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_answer answer;
        assert_int_equal(answer_parse(parser, dialect_find(DIALECT_OP),
                                      td_bytes_str(ROWS[i].answer), &answer, NULL),
                         TD_OK);
        if (dialect_answer_fits(&answer, &ask) != ROWS[i].fits)
            fail_msg("%s: fits %d", ROWS[i].answer, !ROWS[i].fits);
    }
    dialect_parser_close(parser);
}

static void test_topic_by_topic(void **state)
{
    (void)state;
    dialect_answer answer;
    dialect_parser *parser = dialect_parser_open();
    assert_int_equal(answer_parse(parser, dialect_find(DIALECT_OP),
                                  td_bytes_str("{\"type\":\"COMMAND_RESP\",\"success\":false,"
                                               "\"data\":{\"successTopics\":[\"a\"],\"failTopics\":"
                                               "[\"b\"]}}"),
                                  &answer, NULL),
                     TD_OK);
    assert_true(dialect_answer_grants(&answer, "a"));
    assert_false(dialect_answer_grants(&answer, "b"));
    assert_false(dialect_answer_grants(&answer, "c")); /* the whole request was refused */
    assert_true(dialect_answer_names(&answer, REQUEST_SUBSCRIBE, "b"));
    assert_false(dialect_answer_names(&answer, REQUEST_SUBSCRIBE, "c"));
    assert_int_equal(answer_parse(parser, dialect_find(DIALECT_OP),
                                  td_bytes_str("{\"op\":\"subscribe\",\"success\":true}"), &answer,
                                  NULL),
                     TD_OK);
    assert_true(dialect_answer_grants(&answer, "a"));
    dialect_parser_close(parser);
}

/* ---- real answers ---- */

/* Every captured control frame is recognized as the kind in its file name. */
static void test_captured_frames(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        answer_kind kind;
        int success;
    } ROWS[] = {
        {"frames/inverse-perpetual/ack.1.json", ANSWER_TOPICS, 1},
        {"frames/linear/ack-auth.1.json", ANSWER_AUTH, 1},
        {"frames/linear/error-auth.1.json", ANSWER_AUTH, 0},
        {"frames/linear/error-invalid-op.1.json", ANSWER_TOPICS, 0},
        {"frames/linear/pong.1.json", ANSWER_PONG, -1},
        {"frames/copy-trading/ack.1.json", ANSWER_AUTH, 1},
        {"frames/contract-v3/ack.1.json", ANSWER_TOPICS, 1},
        {"frames/contract-v3/pong.1.json", ANSWER_PONG, -1},
        {"frames/usdc-option/pong.1.json", ANSWER_PONG, -1},
        {"frames/spot-private/pong.1.json", ANSWER_PONG, -1},
        {"frames/spot-v2/ack-depth.1.json", ANSWER_TOPICS, 1},
        {"frames/spot-v2/ack-kline.1.json", ANSWER_TOPICS, 1},
        {"frames/spot-v2/error-invalid-period.1.json", ANSWER_TOPICS, 0},
        {"frames/v5/ack.option.1.json", ANSWER_TOPICS, 1},
        {"frames/v5/ack.spot.2.json", ANSWER_TOPICS, 1},
        {"frames/v5/ack.private.1.json", ANSWER_TOPICS, 1},
        {"frames/v5/ack-auth.private.3.json", ANSWER_AUTH, 1},
        {"frames/v5/ack-unsubscribe.linear.1.json", ANSWER_TOPICS, 1},
        {"frames/v5/error.linear.3.json", ANSWER_TOPICS, 0},
        {"frames/v5/pong.private.2.json", ANSWER_PONG, -1},
        {"frames/v5/pong.spot.1.json", ANSWER_PONG, -1},
        {"frames/v5/orderbook.200.linear-snapshot.1.json", ANSWER_NONE, -1},
        {"frames/v5/order.1.json", ANSWER_NONE, -1},
        {"frames/spot-v1/trade.2.json", ANSWER_NONE, -1},
        {"frames/usdc-option/user.service.1.json", ANSWER_NONE, -1},
    };
    (void)capture_path_or_skip(ROWS[0].file); /* a skipped test frees nothing */
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        size_t size;
        dialect_answer answer;
        uint8_t *bytes = capture_read_file(capture_path_or_skip(ROWS[i].file), &size);
        assert_int_equal(
            answer_parse(parser, dialect_find(DIALECT_OP), td_bytes_of(bytes, size), &answer, NULL),
            TD_OK);
        if (answer.kind != ROWS[i].kind || answer.success != ROWS[i].success)
            fail_msg("%s: kind %d success %d", ROWS[i].file, (int)answer.kind, answer.success);
        td_free(bytes);
    }
    dialect_parser_close(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),        cmocka_unit_test(test_answered_again),
        cmocka_unit_test(test_read),           cmocka_unit_test(test_fits),
        cmocka_unit_test(test_topic_by_topic), cmocka_unit_test(test_captured_frames),
    };
    return cmocka_run_group_tests_name("schema/dialect_answers", tests, NULL, NULL);
}
