/* A gap as JSON. Expected texts are written from docs/design.md ("Gaps"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "archive/gap.h"

static const gap_row CONNECTION_GAP = {.reason = GAP_DISCONNECT,
                                       .feed = "inverse",
                                       .conn = 2,
                                       .topic = "",
                                       .symbol = "",
                                       .from_ns = 100,
                                       .to_ns = 200,
                                       .frames_lost = GAP_FRAMES_UNKNOWN,
                                       .covered_by = "",
                                       .cause = "peer closed",
                                       .detail = ""};

static const gap_row TOPIC_GAP = {.reason = GAP_OVERLOAD,
                                  .feed = "inverse",
                                  .line = 1,
                                  .topic = "trade",
                                  .symbol = "BTCUSD",
                                  .from_ns = 100,
                                  .to_ns = GAP_OPEN,
                                  .frames_lost = 7,
                                  .covered_by = "",
                                  .cause = "",
                                  .detail = ""};

static void expect_json(const gap_row *row, const char *expected)
{
    td_buf text;
    json_writer json;
    td_buf_init(&text, 4096);
    json_write_begin(&json, &text);
    gap_json_write(&json, row);
    assert_int_equal(json_write_end(&json, NULL), TD_OK);
    assert_int_equal(td_buf_append(&text, "", 1, NULL), TD_OK);
    assert_string_equal((const char *)text.data, expected);
    td_buf_fini(&text);
}

static void test_gap_json(void **state)
{
    (void)state;
    expect_json(&CONNECTION_GAP,
                "{\"reason\":\"disconnect\",\"feed\":\"inverse\",\"line\":0,\"shard\":0,\"conn\":2,"
                "\"topic\":null,\"symbol\":null,\"from_ns\":100,\"to_ns\":200,\"frames_lost\":null,"
                "\"covered_by\":null,\"cause\":\"peer closed\",\"detail\":null}");
    expect_json(
        &TOPIC_GAP,
        "{\"reason\":\"overload\",\"feed\":\"inverse\",\"line\":1,\"shard\":0,\"conn\":null,"
        "\"topic\":\"trade\",\"symbol\":\"BTCUSD\",\"from_ns\":100,\"to_ns\":null,"
        "\"frames_lost\":7,\"covered_by\":null,\"cause\":null,\"detail\":null}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gap_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
