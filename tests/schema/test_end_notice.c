/* Announced ends: which frames are one, by the documents of exchanges. The frames are of the
 * exchanges' documentation, and of clients' tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schema/classify.h"
#include "schema/decode.h"
#include "schema/end_notice.h"
#include "schema/exchange.h"
#include "schema/family.h"

static const family *family_of(const char *name)
{
    const family *of = family_find(td_bytes_str(name));
    assert_non_null(of);
    return of;
}

static void test_notices(void **state)
{
    (void)state;
    static const struct {
        const char *family, *frame;
        int is_notice;
    } ROWS[] = {
        {"okx",
         "{\n    \"event\": \"notice\",\n    \"code\": \"64008\",\n    \"msg\": \"The connection "
         "will soon be closed for a service upgrade. Please reconnect.\",\n    \"connId\": "
         "\"a4d3ae55\"\n}",
         1},
        {"okx", "{\"event\":\"notice\",\"code\":64008}", 1},
        {"okx", "{\"event\":\"notice\",\"code\":\"64009\",\"msg\":\"64008\"}", 0},
        {"okx", "{\"event\":\"error\",\"code\":\"64008\",\"msg\":\"\"}", 0},
        {"okx", "{\"code\":\"64008\"}", 0},
        {"okx", "{\"event\":\"notice\",\"code\":\"64008\"", 0}, /* no JSON */
        {"okx", "[{\"event\":\"notice\",\"code\":\"64008\"}]", 1},
        {"okx", "64008", 0},
        {"okx", "", 0},
        {"bitstamp", "{\"event\":\"bts:request_reconnect\",\"channel\":\"\",\"data\":\"\"}", 1},
        {"bitstamp", "{\"event\":\"bts:request_reconnect\",\"channel\":\"\",\"data\":null}", 1},
        {"bitstamp", "{\"data\":{},\"channel\":\"bts:request_reconnect\",\"event\":\"data\"}", 0},
        {"kraken-v1",
         "{\"connectionID\":1,\"event\":\"systemStatus\",\"status\":\"maintenance\","
         "\"version\":\"1.9.0\"}",
         1},
        {"kraken-v1",
         "{\"connectionID\":1,\"event\":\"systemStatus\",\"status\":\"cancel_only\","
         "\"version\":\"1.9.0\"}",
         0},
        {"kraken-v1", "{\"event\":\"other\",\"status\":\"maintenance\"}", 0},
        {"kraken-v2",
         "{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"system\":\"maintenance\","
         "\"api_version\":\"v2\",\"connection_id\":42,\"version\":\"2.0.0\"}]}",
         1},
        {"kraken-v2",
         "{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"version\":\"2.0.10\","
         "\"system\":\"online\",\"api_version\":\"v2\",\"connection_id\":9471984923908980762}]}",
         0},
        {"kraken-v2", "{\"channel\":\"status\",\"type\":\"update\",\"data\":[]}", 0},
        {"binance-spot",
         "{\"stream\":\"!serverShutdown\",\"data\":{\"e\":\"serverShutdown\",\"E\":1770123456789}}",
         1},
        {"binance-spot", "{\"e\":\"serverShutdown\",\"E\":1770123456789}", 1},
        {"binance-spot-private", "{\"event\":{\"e\":\"serverShutdown\",\"E\":1770123456789}}", 1},
        {"binance-spot",
         "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"s\":\"serverShutdown\"}}", 0},
        /* These exchanges announce nothing. */
        {"coinbase-advanced", "{\"event\":\"notice\",\"code\":\"64008\"}", 0},
        {"v5-linear", "{\"event\":\"notice\",\"code\":\"64008\"}", 0},
    };
    json_parser *parser = json_parser_open(END_NOTICE_BYTES_MAX);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const end_notice *ends = exchange_of(family_of(ROWS[i].family))->ends;
        const end_notice *found = end_notice_find(ends, parser, td_bytes_str(ROWS[i].frame));
        if ((found != NULL) != ROWS[i].is_notice)
            fail_msg("%s: %s", ROWS[i].family, ROWS[i].frame);
    }
    json_parser_close(parser);
}

static void test_a_long_frame_is_none(void **state)
{
    (void)state;
    char frame[END_NOTICE_BYTES_MAX + 2];
    const end_notice *ends = exchange_of(family_of("bitstamp"))->ends;
    json_parser *parser = json_parser_open(END_NOTICE_BYTES_MAX);
    for (int more = 0; more < 2; more++) {
        (void)snprintf(frame, sizeof frame,
                       "{\"event\":\"bts:request_reconnect\",\"channel\":\"%*s\"}",
                       END_NOTICE_BYTES_MAX - 46 + more, "");
        assert_int_equal(strlen(frame), END_NOTICE_BYTES_MAX + more);
        assert_int_equal(end_notice_find(ends, parser, td_bytes_str(frame)) != NULL, more == 0);
    }
    json_parser_close(parser);
}

/* A notice is a control frame of every family: it is neither data of an unknown topic, nor an
 * answer to a request. */
static void test_notices_are_control_frames(void **state)
{
    (void)state;
    static const char *const FAMILIES[] = {"okx", "bitstamp", "kraken-v1", "kraken-v2",
                                           "binance-spot"};
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof FAMILIES / sizeof *FAMILIES; i++) {
        const family *of = family_of(FAMILIES[i]);
        uint8_t padded[END_NOTICE_BYTES_MAX + DECODE_PADDING_BYTES] = {0};
        classification what;
        const char *frame = exchange_of(of)->ends[0].frame;
        const int size = snprintf((char *)padded, sizeof padded, "%s", frame);
        decoder_classify(d, of, td_bytes_of(padded, (size_t)size), CHANNEL_IN, TOPIC_NOW, &what);
        if (what.frame_class != CLASS_PING)
            fail_msg("%s: %s", FAMILIES[i], frame_class_name(what.frame_class));
    }
    decoder_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notices),
        cmocka_unit_test(test_a_long_frame_is_none),
        cmocka_unit_test(test_notices_are_control_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
