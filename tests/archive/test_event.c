/* The recorder's own events. Expected JSON is written by hand from archive/event.h and
 * docs/design.md ("Events", "Gaps"), not taken from the encoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "archive/event.h"
#include "base/alloc.h"

static event_reader *reader;

static int open_reader(void **state)
{
    (void)state;
    reader = event_reader_open();
    return 0;
}

static int close_reader(void **state)
{
    (void)state;
    event_reader_close(reader);
    return 0;
}

typedef struct event_row {
    event from;
    const char *json;
} event_row;

static const event_slot SLOTS[] = {{0, 1, 7, UINT64_C(4294967296), 3, 1000}, {1, 0, 2, 5, 0, 2000}};

static const event_row ROWS[] = {
    {{.kind = EVENT_CONNECT,
      .line = 1,
      .shard = 2,
      .conn = 3,
      .url = "wss://h/p",
      .attempt = 4,
      .extensions = "permessage-deflate"},
     "{\"event\":\"connect\",\"line\":1,\"shard\":2,\"conn\":3,\"url\":\"wss://h/"
     "p\",\"attempt\":4,\"extensions\":\"permessage-deflate\"}"},
    {{.kind = EVENT_SEGMENT, .session = "3f2a9c01", .number = 9, .slots = SLOTS, .slot_count = 2},
     "{\"event\":\"segment\",\"session\":\"3f2a9c01\",\"number\":9,\"slots\":["
     "{\"line\":0,\"shard\":1,\"conn\":7,\"in\":4294967296,\"out\":3,\"since_ns\":1000},"
     "{\"line\":1,\"shard\":0,\"conn\":2,\"in\":5,\"out\":0,\"since_ns\":2000}]}"},
    {{.kind = EVENT_DISCONNECT,
      .conn = 1,
      .in = 10,
      .out = 2,
      .code = 1013,
      .reason = "gone \"x\"",
      .sent_code = 1000,
      .by = "us"},
     "{\"event\":\"disconnect\",\"line\":0,\"shard\":0,\"conn\":1,\"in\":10,\"out\":2,\"code\":"
     "1013,\"reason\":\"gone \\\"x\\\"\",\"sent_code\":1000,\"by\":\"us\"}"},
    {{.kind = EVENT_DISCONNECT, .conn = 1, .code = 4999, .reason_hex = "00"},
     "{\"event\":\"disconnect\",\"line\":0,\"shard\":0,\"conn\":1,\"in\":0,\"out\":0,\"code\":"
     "4999,\"reason_hex\":\"00\"}"},
    {{.kind = EVENT_HEARTBEAT, .conn = 1, .what = "ping", .dir = "in", .payload = "17"},
     "{\"event\":\"heartbeat\",\"line\":0,\"shard\":0,\"conn\":1,\"what\":\"ping\",\"dir\":\"in\","
     "\"payload\":\"17\"}"},
    {{.kind = EVENT_HEARTBEAT, .conn = 1, .what = "pong", .dir = "out", .payload_hex = "00ff"},
     "{\"event\":\"heartbeat\",\"line\":0,\"shard\":0,\"conn\":1,\"what\":\"pong\",\"dir\":\"out\","
     "\"payload_hex\":\"00ff\"}"},
    {{.kind = EVENT_HEARTBEAT, .conn = 1, .what = "ping", .dir = "in", .frames = 70000},
     "{\"event\":\"heartbeat\",\"line\":0,\"shard\":0,\"conn\":1,\"what\":\"ping\",\"dir\":\"in\","
     "\"frames\":70000}"},
    {{.kind = EVENT_CLOCK, .state = "held", .step_ns = -5000000, .offset_ns = 12},
     "{\"event\":\"clock\",\"state\":\"held\",\"step_ns\":-5000000,\"offset_ns\":12}"},
    {{.kind = EVENT_GAP,
      .gap = {.reason = GAP_DISCONNECT,
              .conn = 2,
              .topic = "",
              .symbol = "",
              .from_ns = 100,
              .to_ns = 250,
              .frames_lost = GAP_FRAMES_UNKNOWN,
              .covered_by = "",
              .cause = "peer",
              .detail = ""}},
     "{\"event\":\"gap\",\"reason\":\"disconnect\",\"line\":0,\"shard\":0,\"conn\":2,\"from_ns\":"
     "100,"
     "\"to_ns\":250,\"cause\":\"peer\"}"},
    {{.kind = EVENT_GRANT,
      .shard = 1,
      .conn = 2,
      .topic = "trade.BTCUSD",
      .source = EVENT_GRANT_SEEN,
      .from_ns = 7},
     "{\"event\":\"grant\",\"line\":0,\"shard\":1,\"conn\":2,\"topic\":\"trade.BTCUSD\","
     "\"source\":\"seen\",\"from_ns\":7}"},
    {{.kind = EVENT_GRANT_END, .conn = 2, .topic = "trade.BTCUSD", .reason = "refused"},
     "{\"event\":\"grant_end\",\"line\":0,\"shard\":0,\"conn\":2,\"topic\":\"trade.BTCUSD\","
     "\"reason\":\"refused\"}"},
    {{.kind = EVENT_AUTH, .conn = 2, .state = "refused", .detail = "no"},
     "{\"event\":\"auth\",\"state\":\"refused\",\"line\":0,\"shard\":0,\"conn\":2,\"detail\":"
     "\"no\"}"},
    {{.kind = EVENT_END_NOTICE, .line = 1, .conn = 2, .state = EVENT_END_REPLACED, .detail = "{}"},
     "{\"event\":\"end_notice\",\"state\":\"is replaced\",\"line\":1,\"shard\":0,\"conn\":2,"
     "\"detail\":\"{}\"}"},
    {{.kind = EVENT_HTTP,
      .state = "failed",
      .what = "instruments",
      .url = "https://h/x",
      .code = 500,
      .bytes = 0,
      .cause = "status",
      .detail = "HTTP status 500"},
     "{\"event\":\"http\",\"state\":\"failed\",\"url\":\"https://h/x\",\"what\":\"instruments\","
     "\"code\":500,\"bytes\":0,\"cause\":\"status\",\"detail\":\"HTTP status 500\"}"},
    {{.kind = EVENT_OVERLOAD,
      .what = EVENT_OVERLOAD_DURABILITY,
      .state = "ends",
      .from_ns = 5,
      .to_ns = 9,
      .frames = 3,
      .lag_ns = 7,
      .cause = "slow"},
     "{\"event\":\"overload\",\"state\":\"ends\",\"line\":0,\"shard\":0,\"conn\":0,"
     "\"what\":\"durability\",\"from_ns\":5,\"to_ns\":9,\"frames\":3,\"bytes\":0,\"lag_ns\":7,"
     "\"cause\":\"slow\"}"},
    {{.kind = EVENT_REDACTED,
      .conn = 1,
      .what = "frame",
      .dir = "in",
      .ordinal = 2,
      .offset = 40,
      .bytes = 64},
     "{\"event\":\"redacted\",\"line\":0,\"shard\":0,\"conn\":1,\"what\":\"frame\",\"dir\":\"in\","
     "\"ordinal\":2,\"offset\":40,\"bytes\":64}"},
    {{.kind = EVENT_CLOCK,
      .state = "paused",
      .from_ns = 5,
      .to_ns = 9,
      .wall_ns = 10,
      .cause = "suspended"},
     "{\"event\":\"clock\",\"state\":\"paused\",\"from_ns\":5,\"to_ns\":9,\"step_ns\":0,"
     "\"offset_ns\":0,\"wall_ns\":10,\"cause\":\"suspended\"}"},
};

static void test_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_buf out;
        td_buf_init(&out, 4096);
        assert_int_equal(event_encode(&ROWS[i].from, &out, NULL), TD_OK);
        assert_int_equal(td_buf_append(&out, "", 1, NULL), TD_OK);
        assert_string_equal((const char *)out.data, ROWS[i].json);
        td_buf_fini(&out);
    }
}

/* An event of every kind, read and written again, has the same text. */
static void test_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        event got;
        td_err err;
        if (event_decode(reader, td_bytes_str(ROWS[i].json), &got, &err) != TD_OK)
            fail_msg("%s: %s", ROWS[i].json, err.text);
        assert_int_equal(got.kind, ROWS[i].from.kind);
        td_buf out;
        td_buf_init(&out, 4096);
        assert_int_equal(event_encode(&got, &out, NULL), TD_OK);
        assert_int_equal(td_buf_append(&out, "", 1, NULL), TD_OK);
        assert_string_equal((const char *)out.data, ROWS[i].json);
        td_buf_fini(&out);
    }
}

/* A copy has its own texts, and the same JSON. */
static void test_copy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        event from = {0};
        if (ROWS[i].from.kind == EVENT_SEGMENT)
            continue;
        assert_int_equal(event_decode(reader, td_bytes_str(ROWS[i].json), &from, NULL), TD_OK);
        const size_t bytes = event_copy(&from, NULL);
        event *copy = td_alloc(bytes);
        assert_int_equal(event_copy(&from, copy), bytes);
        event other;
        assert_int_equal(event_decode(reader, td_bytes_str(ROWS[1].json), &other, NULL), TD_OK);
        td_buf out;
        td_buf_init(&out, 4096);
        assert_int_equal(event_encode(copy, &out, NULL), TD_OK);
        assert_int_equal(td_buf_append(&out, "", 1, NULL), TD_OK);
        assert_string_equal((const char *)out.data, ROWS[i].json);
        td_buf_fini(&out);
        td_free(copy);
    }
}

static void test_segment_slots(void **state)
{
    (void)state;
    event got;
    assert_int_equal(event_decode(reader, td_bytes_str(ROWS[1].json), &got, NULL), TD_OK);
    assert_int_equal(got.slot_count, 2);
    assert_int_equal(got.slots[0].conn, 7);
    assert_true(got.slots[0].in == UINT64_C(4294967296));
    assert_int_equal(got.slots[1].since_ns, 2000);
}

/* Printable bytes are text, others hex. */
static void test_control_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *text, *hex;
    } CASES[] = {
        {"", 0, "", NULL},
        {"a \"b\"", 5, "a \"b\"", NULL},
        {"\xc3\xa9\xf0\x9f\x98\x80", 6, "\xc3\xa9\xf0\x9f\x98\x80", NULL},
        {"\xc3", 1, NULL, "c3"},
        {"a\0b", 3, NULL, "610062"},
        {"\n", 1, NULL, "0a"},
        {"\xe2\x80\xae", 3, NULL, "e280ae"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char out[EVENT_CONTROL_TEXT_BYTES];
        const char *text = NULL;
        const char *hex = NULL;
        event_put_bytes(td_bytes_of(CASES[i].bytes, CASES[i].size), out, &text, &hex);
        assert_true((text == NULL) == (CASES[i].text == NULL));
        assert_true((hex == NULL) == (CASES[i].hex == NULL));
        assert_string_equal(out, text == NULL ? CASES[i].hex : CASES[i].text);
    }
    uint8_t longest[EVENT_CONTROL_BYTES_MAX];
    char out[EVENT_CONTROL_TEXT_BYTES];
    const char *text = NULL;
    const char *hex = NULL;
    memset(longest, 0xfe, sizeof longest);
    event_put_bytes(td_bytes_of(longest, sizeof longest), out, &text, &hex);
    assert_int_equal(strlen(hex), 250);
}

/* Unknown members, which later versions may add, are skipped; keys may have any order. */
static void test_unknown_members(void **state)
{
    (void)state;
    event got;
    const char *text = "{\"later\":[1],\"conn\":5,\"url\":null,\"shard\":0,\"line\":0,"
                       "\"event\":\"connect\"}";
    assert_int_equal(event_decode(reader, td_bytes_str(text), &got, NULL), TD_OK);
    assert_int_equal(got.conn, 5);
    assert_null(got.url);
}

static void test_bad_events(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "[]",
        "{",
        "{\"event\":\"nonsense\"}",
        "{\"event\":7}",
        "{\"event\":\"connect\"}",
        "{\"event\":\"connect\",\"line\":-1,\"shard\":0,\"conn\":1}",
        "{\"event\":\"connect\",\"line\":4294967296,\"shard\":0,\"conn\":1}",
        "{\"event\":\"connect\",\"line\":0,\"shard\":0,\"conn\":\"1\"}",
        "{\"event\":\"segment\",\"number\":1}",
        "{\"event\":\"segment\",\"number\":1,\"slots\":[{\"line\":0}]}",
        "{\"event\":\"gap\",\"reason\":\"boredom\",\"line\":0,\"shard\":0,\"conn\":1,\"from_ns\":"
        "1}",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        event got;
        td_err err;
        if (event_decode(reader, td_bytes_str(BAD[i]), &got, &err) != TD_E_INVALID)
            fail_msg("accepted: %s", BAD[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_segment_slots),
        cmocka_unit_test(test_unknown_members),
        cmocka_unit_test(test_bad_events),
        cmocka_unit_test(test_control_bytes),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
