/* Messages: their canonical hash and their JSON. docs/design.md, "Digests", defines which must be
 * equal; the JSON is written by hand from message_json.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "schema/canonical.h"
#include "schema/decode.h"
#include "schema/message_json.h"
#include "tests/testing/message_compare.h"

static const msg_level LEVELS[] = {
    {.price = 300100, .price_scale = 2, .side = SIDE_SELL, .action = ACTION_DELETE},
    {.price = 299900, .size = 8, .price_scale = 2, .side = SIDE_BUY, .action = ACTION_UPDATE},
};

static message book_of(msg_level levels[2])
{
    memcpy(levels, LEVELS, sizeof LEVELS);
    message m = {0};
    m.book = (msg_book){
        .head = {.type = MSG_BOOK_CHANGE,
                 .kind = FRAME_DELTA,
                 .topic = td_bytes_str("orderBookL2_25"),
                 .symbol = td_bytes_str("BTCUSD"),
                 .exchange_ns = 1555647221331673000,
                 .cross_seq = 11519,
                 .has_cross_seq = 1},
        .levels = levels,
        .level_count = 2,
    };
    return m;
}

static td_hash128 hash_of(const message *m)
{
    td_hasher *hasher = td_hasher_open();
    assert_non_null(hasher);
    canonical_digest(m, hasher);
    td_hash128 hash = td_hasher_digest(hasher);
    td_hasher_close(hasher);
    return hash;
}

/* A book with more levels than the buffer of the canonical form holds. */
static void test_hash_of_many_levels(void **state)
{
    (void)state;
    static msg_level many[500];
    for (size_t i = 0; i < 500; i++)
        many[i] = (msg_level){.price = (int64_t)i + 1, .size = 5, .action = ACTION_SET};
    msg_level unused[2];
    message m = book_of(unused);
    m.book.levels = many;
    m.book.level_count = 500;
    td_hash128 before = hash_of(&m);
    uint64_t before64 = message_hash64(&m);
    assert_true(td_hash128_equal(before, hash_of(&m)));
    many[499].size = 6;
    assert_false(td_hash128_equal(before, hash_of(&m)));
    assert_int_not_equal(before64, message_hash64(&m));
}

static void assert_json(void (*write)(json_writer *, const void *), const void *what,
                        const char *expected)
{
    td_buf buf;
    td_err err;
    json_writer w;
    td_buf_init(&buf, 65536);
    json_write_begin(&w, &buf);
    json_write_object_begin(&w);
    write(&w, what);
    json_write_object_end(&w);
    assert_int_equal(json_write_end(&w, &err), TD_OK);
    assert_int_equal(td_buf_append(&buf, "", 1, &err), TD_OK);
    assert_string_equal((const char *)buf.data, expected);
    td_buf_fini(&buf);
}

static void write_message(json_writer *w, const void *what)
{
    message_json_members(w, what);
}

static void test_json_of_book(void **state)
{
    (void)state;
    msg_level levels[2];
    message m = book_of(levels);
    assert_json(
        write_message, &m,
        "{\"type\":\"book_change\",\"kind\":\"delta\",\"topic\":\"orderBookL2_25\","
        "\"symbol\":\"BTCUSD\",\"exchange_ns\":1555647221331673000,\"cross_seq\":11519,"
        "\"levels\":[{\"action\":\"delete\",\"side\":\"Sell\",\"price\":\"3001\",\"size\":null},"
        "{\"action\":\"update\",\"side\":\"Buy\",\"price\":\"2999\",\"size\":\"8\"}]}");
}

static void test_json_of_trades(void **state)
{
    (void)state;
    const msg_trade trade = {.price = {5707350, 2},
                             .size = {237, 0},
                             .exchange_ns = 1616304710061000000,
                             .cross_seq = 5404769827,
                             .has_cross_seq = 1,
                             .trade_id = td_bytes_str("f6198d62"),
                             .side = SIDE_BUY,
                             .is_block_trade = 0,
                             .is_rpi_trade = -1};
    message m = {0};
    m.trades = (msg_trades){
        .head = {.type = MSG_TRADE, .topic = td_bytes_str("trade"), .unknown_fields = 2},
        .trades = &trade,
        .trade_count = 1};
    assert_json(write_message, &m,
                "{\"type\":\"trade\",\"kind\":null,\"topic\":\"trade\",\"symbol\":null,"
                "\"exchange_ns\":null,\"unknown_fields\":2,\"trades\":[{\"side\":\"Buy\","
                "\"price\":\"57073.5\",\"size\":\"237\",\"exchange_ns\":1616304710061000000,"
                "\"trade_id\":\"f6198d62\",\"tick_direction\":null,\"cross_seq\":5404769827,"
                "\"is_block_trade\":false}]}");
}

static void test_json_of_record(void **state)
{
    (void)state;
    const msg_value values[] = {
        {.member = MEMBER_SYMBOL, .type = VALUE_TEXT, .as.text = td_bytes_str("A\"B")},
        {.member = MEMBER_LAST_PRICE, .type = VALUE_DECIMAL, .as.decimal = {-15, 1}},
        {.member = MEMBER_COUNTDOWN_HOUR, .type = VALUE_INTEGER, .as.integer = 7},
        {.member = MEMBER_IS_UP_BORROWABLE, .type = VALUE_BOOL, .as.is_true = 1},
        {.member = MEMBER_SIDE, .type = VALUE_SIDE, .as.side = SIDE_SELL},
        {.member = MEMBER_CREATED_AT, .type = VALUE_TIME_NS, .as.time_ns = 0},
    };
    const msg_item item = {.action = ACTION_UPDATE, .values = values, .value_count = 6};
    message m = {0};
    m.record = (msg_record){.head = {.type = MSG_TICKER,
                                     .kind = FRAME_DELTA,
                                     .topic = td_bytes_str("t"),
                                     .symbol = td_bytes_str("S")},
                            .items = &item,
                            .item_count = 1};
    assert_json(write_message, &m,
                "{\"type\":\"ticker\",\"kind\":\"delta\",\"topic\":\"t\",\"symbol\":\"S\","
                "\"exchange_ns\":null,\"items\":[{\"action\":\"update\",\"symbol\":\"A\\\"B\","
                "\"last_price\":\"-1.5\",\"countdown_hours\":7,\"is_up_borrowable\":true,"
                "\"side\":\"Sell\",\"created_ns\":0}]}");
}

static void write_ack(json_writer *w, const void *what)
{
    message_json_control(w, what, td_bytes_str("{\"success\":true}"));
}

static void write_raw(json_writer *w, const void *what)
{
    static const topic_row ROW = {.name = "trade"};
    const topic_match topic = {&ROW, td_bytes_str("trade"), td_bytes_str("BTCUSD")};
    message_json_raw(w, &topic, td_bytes_str("trade.BTCUSD"), what);
}

static void test_json_of_others(void **state)
{
    (void)state;
    const classification ack = {.frame_class = CLASS_ACK, .success = 1};
    const classification pong = {.frame_class = CLASS_PONG, .success = -1};
    const classification request = {.frame_class = CLASS_REQUEST, .success = -1};
    const decode_error why = {.reason = DECODE_BAD_NUMBER, .offset = 54, .field = "price"};
    assert_json(write_ack, &ack,
                "{\"type\":\"control\",\"control\":\"ack\",\"success\":true,"
                "\"frame\":\"{\\\"success\\\":true}\"}");
    assert_json(write_ack, &pong,
                "{\"type\":\"control\",\"control\":\"pong\",\"success\":null,"
                "\"frame\":\"{\\\"success\\\":true}\"}");
    assert_json(write_ack, &request, "{\"type\":\"request\",\"frame\":\"{\\\"success\\\":true}\"}");
    assert_json(write_raw, &why,
                "{\"type\":\"raw\",\"topic\":\"trade\",\"symbol\":\"BTCUSD\",\"error\":{\"reason\":"
                "\"bad_number\",\"topic\":\"trade.BTCUSD\","
                "\"offset\":54,\"field\":\"price\"}}");
}

static void test_names_are_unique(void **state)
{
    (void)state;
    for (int i = MEMBER_NONE + 1; i < MEMBER_COUNT; i++)
        assert_int_equal(msg_member_find(td_bytes_str(msg_member_name((msg_member)i))), i);
    assert_int_equal(msg_member_find(td_bytes_str("pric")), MEMBER_NONE);
    assert_int_equal(msg_member_find(td_bytes_str("")), MEMBER_NONE);
    assert_int_equal(msg_member_find(td_bytes_str("zzz")), MEMBER_NONE);
    for (int i = MEMBER_NONE + 2; i < MEMBER_COUNT; i++) /* in the order of names */
        assert_true(strcmp(msg_member_name((msg_member)(i - 1)), msg_member_name((msg_member)i)) <
                    0);
    for (int i = 0; i < MSG_TYPE_COUNT; i++)
        assert_true(strlen(msg_type_name((msg_type)i)) > 2);
    for (int i = 0; i < DECODE_REASON_COUNT; i++)
        assert_true(strlen(decode_reason_name((decode_reason)i)) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_of_many_levels), cmocka_unit_test(test_json_of_book),
        cmocka_unit_test(test_json_of_trades),      cmocka_unit_test(test_json_of_record),
        cmocka_unit_test(test_json_of_others),      cmocka_unit_test(test_names_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
