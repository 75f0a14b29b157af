/* Decoders on invalid input: what is refused, for which reason, at which offset and field. Expected
 * values are written by hand from docs/wire.md, section 5, and schema/decode.h. Every frame goes
 * through both decoders, which must agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "tests/testing/decode_fixture.h"

static void test_refused(void **state)
{
    static const struct {
        const char *topic;
        const char *frame;
        decode_reason reason;
        int offset; /* -1: not compared */
        const char *field;
    } rows[] = {
        {"trade.BTCUSD", "", DECODE_NOT_JSON, 0, NULL},
        {"trade.BTCUSD", "5", DECODE_NOT_JSON, 0, NULL},
        {"trade.BTCUSD", "{\"topic\":\"trade.BTCUSD\",\"data\":[]", DECODE_NOT_JSON, 33, NULL},
        {"trade.BTCUSD", "{\"topic\":\"trade.BTCUSD\",\"data\":[]} x", DECODE_NOT_JSON, 35, NULL},
        {"trade.BTCUSD", "{\"topic\":\"trade.BTCUSD\",\"data\":[],\"x\":tru}", DECODE_NOT_JSON, 38,
         NULL},
        {"trade.BTCUSD", "{\"topic\":\"trade.BTCUSD\",\"data\":[],\"x\":\"\\ud800\"}",
         DECODE_NOT_JSON, 39, NULL},
        {"trade.BTCUSD", "{\"topic\":\"trade.BTCUSD\",\"data\":[],\"x\":\"\xff\"}", DECODE_NOT_UTF8,
         39, NULL},
        {"trade.BTCUSD", "{\"topic\":\"trade.BTCUSD\"}", DECODE_MISSING_FIELD, 0, "data"},
        {"trade.BTCUSD", "{\"data\":[]}", DECODE_MISSING_FIELD, 0, "topic"},
        {"trade.BTCUSD", "{\"Topic\":\"trade.BTCUSD\",\"data\":[]}", DECODE_MISSING_FIELD, 0,
         "topic"},
        {"trade.BTCUSD", "{\"topic\":\"trade.EOSUSD\",\"data\":[]}", DECODE_TOPIC_MISMATCH, 9,
         "topic"},
        {"trade.BTCUSD", "{\"topic\":\"trade\",\"data\":[]}", DECODE_TOPIC_MISMATCH, 9, "topic"},
        {"trade.BTCUSD", "{\"topic\":7,\"data\":[]}", DECODE_WRONG_TYPE, 9, "topic"},
        {"trade.BTCUSD", "{\"topic\":\"trade.BTCUSD\",\"data\":\"x\"}", DECODE_WRONG_TYPE, 31,
         "data"},
        {"trade.BTCUSD", "{\"topic\":\"trade.BTCUSD\",\"data\":[1]}", DECODE_WRONG_TYPE, 32,
         "data"},
        {"trade.BTCUSD", "{\"topic\":\"trade.BTCUSD\",\"data\":[{}]}", DECODE_MISSING_FIELD, 32,
         "side"},
        {"orderBookL2_25.BTCUSD",
         "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"snapshot\",\"data\":[{\"side\":\"buy\","
         "\"price\":\"1\",\"size\":1}]}",
         DECODE_BAD_SIDE, 67, "side"},
        {"trade.BTCUSD",
         "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":1,\"price\":1,\"size\":1}]}",
         DECODE_WRONG_TYPE, 40, "side"},
        {"trade.BTCUSD",
         "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":\"Buy\",\"price\":\"1.2.3\",\"size\":1}]"
         "}",
         DECODE_BAD_NUMBER, 54, "price"},
        {"trade.BTCUSD",
         "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":\"Buy\",\"price\":9223372036854775808,"
         "\"size\":1}]}",
         DECODE_BAD_NUMBER, 54, "price"},
        {"trade.BTCUSD",
         "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":\"Buy\",\"price\":1e-19,\"size\":1}]}",
         DECODE_BAD_NUMBER, 54, "price"},
        {"trade.BTCUSD",
         "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":\"Buy\",\"price\":[1],\"size\":1}]}",
         DECODE_WRONG_TYPE, 54, "price"},
        {"trade.BTCUSD",
         "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":\"Buy\",\"price\":true,\"size\":1}]}",
         DECODE_WRONG_TYPE, 54, "price"},
        {"trade.BTCUSD",
         "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":\"Buy\",\"price\":\"\",\"size\":1}]}",
         DECODE_MISSING_FIELD, 32, "price"},
        {"trade.BTCUSD",
         "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":\"Buy\",\"price\":1,\"size\":1,"
         "\"trade_time_ms\":\"soon\"}]}",
         DECODE_BAD_TIME, 81, "trade_time_ms"},
        {"trade.BTCUSD",
         "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":\"Buy\",\"price\":1,\"size\":1,"
         "\"timestamp\":\"2020-13-12T16:59:59Z\"}]}",
         DECODE_BAD_TIME, 77, "timestamp"},
        {"orderBookL2_25.BTCUSD", "{\"topic\":\"orderBookL2_25.BTCUSD\",\"data\":[]}",
         DECODE_MISSING_FIELD, 0, "type"},
        {"orderBookL2_25.BTCUSD",
         "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"partial\",\"data\":[]}", DECODE_BAD_KIND,
         40, "type"},
        {"orderBookL2_25.BTCUSD", "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"delta\"}",
         DECODE_MISSING_FIELD, 0, "data.update"},
        {"orderBookL2_25.BTCUSD",
         "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"delta\",\"data\":{\"update\":[],"
         "\"insert\":[{\"price\":"
         "\"1\","
         "\"side\":\"Buy\"}]}}",
         DECODE_MISSING_FIELD, 78, "size"},
        {"orderBookL2_25.BTCUSD",
         "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"delta\",\"data\":{},\"cross_seq\":1.5}",
         DECODE_BAD_NUMBER, 70, "cross_seq"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        message m;
        decode_error why;
        print_message("%s\n", rows[i].frame);
        assert_false(
            decode_fixture_text(*state, "inverse", rows[i].topic, rows[i].frame, &m, &why));
        assert_string_equal(decode_reason_name(why.reason), decode_reason_name(rows[i].reason));
        if (rows[i].offset >= 0)
            assert_int_equal(why.offset, rows[i].offset);
        assert_true((why.field == NULL) == (rows[i].field == NULL));
        if (why.field != NULL)
            assert_string_equal(why.field, rows[i].field);
    }
}

static void test_unknown_topic(void **state)
{
    decode_fixture *f = *state;
    topic_match none = {.topic = td_bytes_str("wallet")};
    message m;
    decode_error why;
    assert_false(decode_fixture_frame(f, &none, td_bytes_str("{\"topic\":\"wallet\",\"data\":[]}"),
                                      &m, &why));
    assert_int_equal(why.reason, DECODE_UNKNOWN_TOPIC);
    /* input that is not JSON, or not an object, has another reason */
    assert_false(decode_fixture_frame(f, &none, td_bytes_str("no JSON"), &m, &why));
    assert_int_equal(why.reason, DECODE_NOT_JSON);
    assert_false(decode_fixture_frame(f, &none, td_bytes_str("{\"topic\":\"wallet\"]"), &m, &why));
    assert_int_equal(why.reason, DECODE_NOT_JSON);
    assert_int_equal(why.offset, 17);
    assert_false(decode_fixture_frame(f, &none, td_bytes_str("17"), &m, &why));
    assert_int_equal(why.reason, DECODE_NOT_JSON);
}

/* A duplicate key: the first one counts, the second counts as unknown. */
static void test_first_key_counts(void **state)
{
    message m;
    decode_error why;
    assert_true(decode_fixture_text(
        *state, "inverse", "trade.BTCUSD",
        "{\"topic\":\"trade.BTCUSD\",\"topic\":\"x\",\"data\":[{\"side\":\"Buy\","
        "\"price\":1,\"size\":2,\"price\":3,\"trade_time_ms\":1}]}",
        &m, &why));
    assert_int_equal(m.trades.trades[0].price.mantissa, 1);
    assert_int_equal(m.head.unknown_fields, 2);
}

/* 10^6 digits, nesting of 10^5 levels, too many entries, a frame over the limit. */
static void test_huge_frames(void **state)
{
    decode_fixture *f = *state;
    topic_match topic = decode_fixture_match("inverse", "trade.BTCUSD");
    static const char head[] = "{\"topic\":\"trade.BTCUSD\",\"data\":[";
    static const char one[] = "{\"side\":\"Buy\",\"price\":1,\"size\":1,\"trade_time_ms\":1},";
    size_t capacity = LIMIT_FRAME_BYTES + 1;
    char *text = td_alloc(capacity);
    message m;
    decode_error why;
    assert_non_null(text);

    int size = snprintf(text, capacity, "%s{\"side\":\"Buy\",\"size\":1,\"price\":", head);
    memset(text + size, '7', 1000000);
    int rest = snprintf(text + size + 1000000, 100, "}]}");
    assert_false(decode_fixture_frame(f, &topic, td_bytes_of(text, (size_t)(size + 1000000 + rest)),
                                      &m, &why));
    assert_int_equal(why.reason, DECODE_BAD_NUMBER);
    assert_int_equal(why.offset, size);

    size = snprintf(text, capacity, "{\"topic\":\"trade.BTCUSD\",\"x\":");
    memset(text + size, '[', 100000);
    assert_false(
        decode_fixture_frame(f, &topic, td_bytes_of(text, (size_t)size + 100000), &m, &why));
    assert_int_equal(why.reason, DECODE_LIMIT);

    size_t at = (size_t)snprintf(text, capacity, "%s", head);
    for (size_t i = 0; i <= LIMIT_FRAME_ITEMS; i++, at += sizeof one - 1)
        memcpy(text + at, one, sizeof one - 1);
    size_t over = at + (size_t)snprintf(text + at - 1, 10, "]}") - 1;
    assert_false(decode_fixture_frame(f, &topic, td_bytes_of(text, over), &m, &why));
    assert_int_equal(why.reason, DECODE_LIMIT);
    at -= sizeof one - 1;
    size_t fits = at + (size_t)snprintf(text + at - 1, 10, "]}") - 1;
    assert_true(decode_fixture_frame(f, &topic, td_bytes_of(text, fits), &m, &why));
    assert_int_equal(m.trades.trade_count, LIMIT_FRAME_ITEMS);

    memset(text, ' ', capacity);
    assert_false(decode_fixture_frame(f, &topic, td_bytes_of(text, capacity), &m, &why));
    assert_int_equal(why.reason, DECODE_LIMIT);
    td_free(text);
}

/* A frame truncated at any byte, or with any byte changed, has the same result on both paths. */
static void test_cut_and_changed(void **state)
{
    decode_fixture *f = *state;
    static const char frame[] =
        "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1616304710750,\"timestamp\":"
        "\"2021-03-21T05:31:50.000Z\",\"symbol\":\"BTCUSD\",\"side\":\"Buy\",\"size\":237,"
        "\"price\":57073.5,"
        "\"tick_direction\":\"ZeroPlusTick\",\"trade_id\":\"f6198d62-4d4d-5908-9902-2df255c40fe4\","
        "\"cross_seq\":5404769827}]}";
    static const char bytes[] = "\0\"\\{}[]:,0-.e t\x80\xff";
    char changed[sizeof frame];
    topic_match topic = decode_fixture_match("inverse", "trade.BTCUSD");
    message m;
    decode_error why;
    for (size_t size = 0; size < sizeof frame - 1; size++)
        assert_false(decode_fixture_frame(f, &topic, td_bytes_of(frame, size), &m, &why));
    for (size_t at = 0; at < sizeof frame - 1; at++) {
        for (size_t i = 0; i < sizeof bytes - 1; i++) {
            memcpy(changed, frame, sizeof frame);
            changed[at] = bytes[i];
            (void)decode_fixture_frame(f, &topic, td_bytes_of(changed, sizeof frame - 1), &m, &why);
        }
    }
    assert_true(decode_fixture_frame(f, &topic, td_bytes_str(frame), &m, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),          cmocka_unit_test(test_unknown_topic),
        cmocka_unit_test(test_first_key_counts), cmocka_unit_test(test_huge_frames),
        cmocka_unit_test(test_cut_and_changed),
    };
    return cmocka_run_group_tests(tests, decode_fixture_open, decode_fixture_close);
}
