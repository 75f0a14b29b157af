/* Classification. Frames and verdicts are from docs/wire.md, sections 1, 3 and 5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schema/decode.h"

typedef struct row {
    const char *family;
    const char *frame;
    frame_class frame_class;
    int success;
    const char *topic; /* of data; NULL: not compared */
    const char *symbol;
    uint64_t exchange_ns;
} row;

static const row ROWS[] = {
    /* A */
    {"inverse",
     "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"x\",\"request\":{\"op\":\"subscribe\","
     "\"args\":[\"trade.BTCUSD\"]}}",
     CLASS_ACK, 1, NULL, NULL, 0},
    {"inverse",
     "{\"request\":{\"args\":[\"k\",\"1\",\"s\"],\"op\":\"auth\"},\"success\":true,\"ret_msg\":"
     "\"\"}",
     CLASS_AUTH, 1, NULL, NULL, 0},
    {"linear",
     "{\"success\":false,\"ret_msg\":\"error:USVC1111\",\"conn_id\":\"e\",\"request\":{\"op\":"
     "\"auth\","
     "\"args\":[]}}",
     CLASS_AUTH, 0, NULL, NULL, 0},
    {"linear",
     "{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"d\",\"request\":{\"op\":\"ping\","
     "\"args\":null}}",
     CLASS_PONG, -1, NULL, NULL, 0},
    {"linear",
     "{\"success\":false,\"ret_msg\":\"error:invalid op\",\"request\":{\"op\":\"\",\"args\":null}}",
     CLASS_ERROR, 0, NULL, NULL, 0},
    {"inverse",
     "{\"success\":false,\"ret_msg\":\"error:handler not found,topic:x\",\"request\":{\"op\":"
     "\"subscribe\",\"args\":[\"x\"]}}",
     CLASS_ACK, 0, NULL, NULL, 0},
    {"inverse", "{\"success\":false,\"conn_id\":\"\",\"op\":\"\"}", CLASS_ERROR, 0, NULL, NULL, 0},
    /* B */
    {"contract-v3", "{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"c\",\"op\":\"ping\"}",
     CLASS_PONG, -1, NULL, NULL, 0},
    {"v5-linear",
     "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\",\"req_id\":\"\",\"op\":\"subscribe\"}",
     CLASS_ACK, 1, NULL, NULL, 0},
    {"v5-private", "{\"success\":false,\"ret_msg\":\"Params Error\",\"op\":\"auth\"}", CLASS_AUTH,
     0, NULL, NULL, 0},
    /* C */
    {"usdc-option", "{\"op\":\"pong\",\"args\":[\"1535975085052\"]}", CLASS_PONG, -1, NULL, NULL,
     0},
    {"usdc-option",
     "{\"success\":true,\"conn_id\":\"c\",\"data\":{\"failTopics\":[],\"successTopics\":[\"t\"]},"
     "\"type\":\"COMMAND_RESP\"}",
     CLASS_ACK, 1, NULL, NULL, 0},
    {"usdc-private", "{\"success\":false,\"ret_msg\":\"3303006\",\"type\":\"AUTH_RESP\"}",
     CLASS_AUTH, 0, NULL, NULL, 0},
    /* D */
    {"spot-v1", "{\"pong\":1535975085152}", CLASS_PONG, -1, NULL, NULL, 0},
    {"spot-v1", "{\"ping\":1535975085152}", CLASS_PING, -1, NULL, NULL, 0},
    {"spot-v2",
     "{\"topic\":\"depth\",\"event\":\"sub\",\"params\":{\"symbol\":\"BTCUSDT\"},\"code\":\"0\","
     "\"msg\":\"Success\"}",
     CLASS_ACK, 1, NULL, NULL, 0},
    /* escapes (5.8) are not part of a name, in any position */
    {"spot-v1",
     "{\"symbol\":\"BTC\\u0055SDT\",\"topic\":\"trade\",\"data\":[{\"t\":1500000000001}],\"f\":"
     "true,"
     "\"sendTime\":1}",
     CLASS_DATA, -1, "trade", "BTCUSDT", UINT64_C(1500000000001000000)},
    {"spot-v2",
     "{\"topic\":\"kline\",\"params\":{\"symbol\":\"BTCUSDT\",\"klineType\":\"1\\u006d\"},\"data\":"
     "{"
     "\"t\":1500000000001}}",
     CLASS_DATA, -1, "kline.1m", "BTCUSDT", 0},
    {"spot-private", "[{\"e\":\"ticket\\u0049nfo\",\"E\":\"1500000000001\",\"s\":\"BTCUSDT\"}]",
     CLASS_DATA, -1, "ticketInfo", "*", UINT64_C(1500000000001000000)},
    {"spot-private", "[{\"\\u0065\":\"ticketInfo\",\"E\":\"1500000000001\",\"s\":\"BTCUSDT\"}]",
     CLASS_DATA, -1, "ticketInfo", "*", UINT64_C(1500000000001000000)},
    /* a topic that should be in several parts is in one: it matches no row, also if the frame is
     * read with the index (because of the leading white space) */
    {"spot-v1", "{\"topic\":\"trade.BTCUSDT\",\"data\":[{\"t\":1500000000001}],\"f\":true}",
     CLASS_DATA, -1, "trade.BTCUSDT", "", 0},
    {"spot-v1", " {\"topic\":\"trade.BTCUSDT\",\"data\":[{\"t\":1500000000001}],\"f\":true}",
     CLASS_DATA, -1, "trade.BTCUSDT", "", 0},
    {"spot-v2", "{\"topic\":\"kline.1m.BTCUSDT\",\"data\":{\"t\":1500000000001}}", CLASS_DATA, -1,
     "kline.1m.BTCUSDT", "", 0},
    {"spot-v2", " {\"topic\":\"kline.1m.BTCUSDT\",\"data\":{\"t\":1500000000001}}", CLASS_DATA, -1,
     "kline.1m.BTCUSDT", "", 0},
    {"spot-v1", "{\"code\":\"-100010\",\"desc\":\"Invalid Symbols!\"}", CLASS_ERROR, 0, NULL, NULL,
     0},
    /* E */
    {"spot-private", "{\"auth\":\"success\"}", CLASS_AUTH, 1, NULL, NULL, 0},
    {"spot-private", "{\"auth\":\"fail\"}", CLASS_AUTH, 0, NULL, NULL, 0},
    {"spot-private", "[{\"e\":\"outboundAccountInfo\",\"E\":\"1629969654753\",\"B\":[]}]",
     CLASS_DATA, -1, "outboundAccountInfo", "", 1629969654753000000},
    {"spot-private", "{\"e\":\"executionReport\",\"E\":\"1499405658658\",\"s\":\"ETHBTC\"}",
     CLASS_DATA, -1, "executionReport", "*", 1499405658658000000},
    /* data, with the exchange's time in each of its positions */
    {"inverse",
     "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"delta\",\"data\":{},\"cross_seq\":1,"
     "\"timestamp_e6\":1573044650731735}",
     CLASS_DATA, -1, "orderBookL2_25", "BTCUSD", 1573044650731735000},
    {"linear",
     " { \"timestamp_e6\" : \"1626255132079580\" , \"data\" : [ ] , \"type\" : \"delta\" , "
     "\"topic\" : "
     "\"orderBook_200.100ms.BTCUSDT\" } ",
     CLASS_DATA, -1, "orderBook_200.100ms", "BTCUSDT", 1626255132079580000},
    {"linear", "{\"topic\":\"trade.BTCUSDT\",\"data\":[{\"trade_time_ms\":\"1616304737743\"},{}]}",
     CLASS_DATA, -1, "trade", "BTCUSDT", 1616304737743000000},
    {"inverse",
     "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"timestamp\":\"2019-11-06T12:50:50.000Z\"}]}",
     CLASS_DATA, -1, "trade", "BTCUSD", 1573044650000000000},
    {"inverse", "{\"topic\":\"trade.BTCUSD\",\"data\":[]}", CLASS_DATA, -1, "trade", "BTCUSD", 0},
    {"inverse", "\xef\xbb\xbf{\"topic\":\"trade.BTCUSD\",\"data\":[]}", CLASS_DATA, -1, "trade",
     "BTCUSD", 0},
    /* order entry: a known op is a topic, whatever the answer's code, in any position */
    {"v5-trade",
     "{\"reqId\":\"1\",\"retCode\":170131,\"retMsg\":\"Insufficient balance.\",\"op\":"
     "\"order.create\",\"data\":{},\"header\":{\"Timenow\":\"1714236608946\"},\"connId\":\"c\"}",
     CLASS_DATA, -1, "order.create", "*", 1714236608946000000},
    {"v5-trade", "{\"header\":{},\"op\":\"order\\u002ecancel\",\"data\":{},\"retCode\":0}",
     CLASS_DATA, -1, "order.cancel", "*", 0},
    {"v5-trade", "{\"retCode\":0,\"retMsg\":\"OK\",\"op\":\"auth\",\"connId\":\"c\"}", CLASS_AUTH,
     1, NULL, NULL, 0},
    {"v5-trade", "{\"retCode\":10004,\"retMsg\":\"Invalid sign\",\"op\":\"auth\"}", CLASS_AUTH, 0,
     NULL, NULL, 0},
    {"v5-trade", "{\"retCode\":0,\"retMsg\":\"OK\",\"op\":\"pong\",\"data\":[\"1\"]}", CLASS_PONG,
     -1, NULL, NULL, 0},
    {"v5-trade", "{\"retCode\":10404,\"retMsg\":\"op type is not found\",\"op\":\"order.x\"}",
     CLASS_ERROR, 0, NULL, NULL, 0},
    {"v5-private", "{\"retCode\":0,\"op\":\"order.create\",\"data\":{}}", CLASS_ACK, 1, NULL, NULL,
     0},
    /* topics without a row */
    {"inverse", "{\"topic\":\"purse\",\"data\":[]}", CLASS_DATA, -1, "purse", "", 0},
    {"v5-misc", "{\"topic\":\"rfq.open.public.trades\",\"creationTime\":1,\"data\":[]}", CLASS_DATA,
     -1, "rfq.open.public.trades", "", 0},
    /* a topic belongs to its family only */
    {"v5-spot", "{\"topic\":\"tickers.BTCUSDT\",\"ts\":1,\"data\":{}}", CLASS_DATA, -1, "tickers",
     "BTCUSDT", 1000000},
    /* the end of the frame is missing: it still has its topic, and the decoder reports the fault */
    {"inverse", "{\"topic\":\"trade.BTCUSD\",\"data\":[", CLASS_DATA, -1, "trade", "BTCUSD", 0},
    /* begins like data, but is not */
    {"inverse", "{\"topic\":\"t\",\"type\":\"COMMAND_RESP\",\"success\":true,\"data\":{}}",
     CLASS_ACK, 1, NULL, NULL, 0},
    {"inverse", "{\"topic\":\"trade.BTCUSD\",\"data\":[],\"ret_msg\":\"pong\"}", CLASS_PONG, -1,
     NULL, NULL, 0},
    {"inverse", "{\"topic\":\"trade.BTCUSD\",\"data\":{},\"success\":false,\"op\":\"auth\"}",
     CLASS_AUTH, 0, NULL, NULL, 0},
    {"inverse", "{\"topic\":\"trade.BTCUSD\",\"code\":\"0\",\"data\":[{}]}", CLASS_ACK, 1, NULL,
     NULL, 0},
    /* without data: has its topic if that is known */
    {"inverse", "{\"topic\":\"trade.BTCUSD\"}", CLASS_DATA, -1, "trade", "BTCUSD", 0},
    {"v5-linear", "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"delta\",\"ts\":7}", CLASS_DATA,
     -1, "orderbook.50", "BTCUSDT", 7000000},
    {"spot-v1", "{\"topic\":\"depth\",\"symbol\":\"BTCUSDT\",\"f\":false}", CLASS_DATA, -1, "depth",
     "BTCUSDT", 0},
    {"inverse", "{\"topic\":\"announcement.BTCUSD\"}", CLASS_UNKNOWN, -1, NULL, NULL, 0},
    /* escapes in a key on the path to a part of the topic */
    {"spot-v1",
     "{\"topic\":\"kline\",\"symbol\":\"BTCUSDT\",\"params\":{\"kl\\u0069neType\":\"1m\"},\"data\":"
     "[{}]}",
     CLASS_DATA, -1, "kline.1m", "BTCUSDT", 0},
    {"spot-v2", "{\"topic\":\"depth\",\"params\":{\"symb\\u006fl\":\"BTCUSDT\"},\"data\":{}}",
     CLASS_DATA, -1, "depth", "BTCUSDT", 0},
    /* unknown */
    {"inverse", "{}", CLASS_UNKNOWN, -1, NULL, NULL, 0},
    {"inverse", "[]", CLASS_UNKNOWN, -1, NULL, NULL, 0},
    {"inverse", "[1]", CLASS_UNKNOWN, -1, NULL, NULL, 0},
    {"inverse", "5", CLASS_UNKNOWN, -1, NULL, NULL, 0},
    {"inverse", "", CLASS_UNKNOWN, -1, NULL, NULL, 0},
    {"inverse", "\x1f\x8b\x08", CLASS_UNKNOWN, -1, NULL, NULL, 0},
    {"inverse", "{\"topic\":\"trade.BTC", CLASS_UNKNOWN, -1, NULL, NULL, 0},
};

static classification classify(decoder *d, const char *family_name, const char *text,
                               channel_dir dir)
{
    static char buffer[32768];
    size_t size = strlen(text);
    assert_true(size + DECODE_PADDING_BYTES < sizeof buffer);
    memcpy(buffer, text, size);
    memset(buffer + size, '"', DECODE_PADDING_BYTES);
    classification what;
    decoder_classify(d, family_find(td_bytes_str(family_name)), td_bytes_of(buffer, size), dir,
                     TOPIC_NOW, &what);
    return what;
}

static void test_frames_are_classified(void **state)
{
    (void)state;
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const row *r = &ROWS[i];
        print_message("%s: %s\n", r->family, r->frame);
        classification what = classify(d, r->family, r->frame, CHANNEL_IN);
        assert_string_equal(frame_class_name(what.frame_class), frame_class_name(r->frame_class));
        assert_int_equal(what.exchange_ns, r->exchange_ns);
        if (r->frame_class != CLASS_PONG)
            assert_int_equal(what.success, r->success);
        if (r->topic == NULL)
            continue;
        assert_true(td_bytes_is(what.topic.topic, r->topic));
        assert_true(td_bytes_is(what.topic.symbol, r->symbol));
    }
    decoder_close(d);
}

static void test_directions(void **state)
{
    (void)state;
    decoder *d = decoder_open();
    const char *data = "{\"topic\":\"trade.BTCUSD\",\"data\":[]}";
    assert_int_equal(classify(d, "inverse", data, CHANNEL_OUT).frame_class, CLASS_REQUEST);
    assert_int_equal(classify(d, "inverse", data, CHANNEL_HTTP).frame_class, CLASS_UNKNOWN);
    assert_true(frame_class_is_control(CLASS_REQUEST));
    assert_false(frame_class_is_control(CLASS_DATA));
    assert_false(frame_class_is_control(CLASS_UNKNOWN));
    decoder_close(d);
}

/* Large frames are read from both ends; the order of keys must not matter here, either. */
static void test_large_frames(void **state)
{
    (void)state;
    static char levels[16384];
    static char frame[20000];
    size_t size = 0;
    for (int i = 0; i < 100; i++)
        size += (size_t)snprintf(
            levels + size, sizeof levels - size,
            "%s{\"price\":\"%d.50\",\"symbol\":\"BTCUSD\",\"side\":\"Buy\",\"size\":1}",
            i == 0 ? "" : ",", 9000 + i);
    static const char *const shapes[] = {
        "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"snapshot\",\"data\":[%s],\"cross_seq\":1,"
        "\"timestamp_e6\":1573044650731735}",
        "{\"timestamp_e6\":1573044650731735,\"topic\":\"orderBookL2_25.BTCUSD\",\"data\":[%s],"
        "\"cross_seq\":1,\"type\":\"snapshot\"}",
        "{\"data\":[%s],\"timestamp_e6\":1573044650731735,\"cross_seq\":1,\"type\":\"snapshot\","
        "\"topic\":\"orderBookL2_25.BTCUSD\"}",
        "{\"data\":[%s], \"timestamp_e6\" : 1573044650731735 , \"topic\" : "
        "\"orderBookL2_25.BTCUSD\" } ",
    };
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const char *at = strstr(shapes[i], "%s");
        snprintf(frame, sizeof frame, "%.*s%s%s", (int)(at - shapes[i]), shapes[i], levels, at + 2);
        classification what = classify(d, "inverse", frame, CHANNEL_IN);
        assert_int_equal(what.frame_class, CLASS_DATA);
        assert_true(td_bytes_is(what.topic.symbol, "BTCUSD"));
        assert_int_equal(what.exchange_ns, UINT64_C(1573044650731735000));
    }
    decoder_close(d);
}

/* Checks that a frame is classified the same if it is read from its ends and, because of leading
 * white space, with the index. */
static void assert_paths_agree(decoder *d, const char *frame)
{
    static char spaced[4096];
    snprintf(spaced, sizeof spaced, " %s", frame);
    classification plain = classify(d, "inverse", frame, CHANNEL_IN);
    char topic[256];
    snprintf(topic, sizeof topic, "%.*s", (int)plain.exchange_topic.size,
             (const char *)plain.exchange_topic.data);
    size_t symbol_bytes = plain.topic.symbol.size;
    classification indexed = classify(d, "inverse", spaced, CHANNEL_IN);
    print_message("%s\n", frame);
    assert_int_equal(plain.frame_class, indexed.frame_class);
    assert_ptr_equal(plain.topic.row, indexed.topic.row);
    assert_true(td_bytes_is(indexed.exchange_topic, topic));
    assert_int_equal(symbol_bytes, indexed.topic.symbol.size);
    assert_int_equal(plain.exchange_ns, indexed.exchange_ns);
    assert_int_equal(plain.success, indexed.success);
}

static void test_paths_agree(void **state)
{
    (void)state;
    static const char *const heads[] = {"",
                                        ",\"type\":\"delta\"",
                                        ",\"type\":\"AUTH_RESP\"",
                                        ",\"a\":\"x\\\"y\",\"b\":-1.5",
                                        ",\"op\":\"pong\"",
                                        ",\"timestamp_e6\":5",
                                        ",\"data\":1",
                                        ",\"n\":null"};
    static const char *const bodies[] = {"[]",
                                         "{}",
                                         "[{\"trade_time_ms\":7},{}]",
                                         "[{\"timestamp\":\"1970-01-01T00:00:01Z\"}]",
                                         "{\"update\":[{\"a\":\"]},\"}],\"transactTimeE6\":9}",
                                         "[\"]\",{\"x\":[]}]"};
    static const char *const tails[] = {"",
                                        ",\"timestamp_e6\":1573044650731735",
                                        ",\"timestamp_e6\":\"1573044650731735\"",
                                        ",\"timestamp_e6\":1.5e3",
                                        ",\"timestamp_e6\":\"1\",\"timestamp_e6\":2",
                                        ",\"cross_seq\":1,\"timestamp_e6\":null",
                                        ",\"x\":\"]\\\"}\",\"timestamp_e6\":3",
                                        ",\"pong\":1",
                                        ",\"success\":true,\"x\":[1]",
                                        ",\"x\":{},\"ret_msg\":\"pong\"",
                                        ",\"timestamp_e6\":-4",
                                        ",\"x\":\"\\\\\"",
                                        ",\"x\":\"a,\",\"retCode\":0"};
    static const char *const topics[] = {"orderBookL2_25.BTCUSD", "trade.BTCUSD", "nothing.like",
                                         "None"};
    static char frame[2048];
    decoder *d = decoder_open();
    for (size_t t = 0; t < sizeof topics / sizeof topics[0]; t++)
        for (size_t h = 0; h < sizeof heads / sizeof heads[0]; h++)
            for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++)
                for (size_t e = 0; e < sizeof tails / sizeof tails[0]; e++) {
                    snprintf(frame, sizeof frame, "{\"topic\":\"%s\"%s,\"data\":%s%s}", topics[t],
                             heads[h], bodies[b], tails[e]);
                    assert_paths_agree(d, frame);
                }
    decoder_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_are_classified),
        cmocka_unit_test(test_directions),
        cmocka_unit_test(test_large_frames),
        cmocka_unit_test(test_paths_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
