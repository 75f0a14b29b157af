/* The canonical form: what must be equal and different is from docs/regress.md, "Canonical form";
 * the seeds of its fuzz target are forms made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "schema/canonical.h"

enum { VALUES = 3 };

static const msg_level LEVELS[] = {
    {.price = 300100, .price_scale = 2, .side = SIDE_SELL, .action = ACTION_DELETE},
    {.price = 299900, .size = 8, .price_scale = 2, .side = SIDE_BUY, .action = ACTION_UPDATE},
};

static message book_of(const msg_level *levels, size_t count)
{
    message m = {.beside = NULL};
    m.book = (msg_book){.head = {.type = MSG_BOOK_CHANGE, .kind = FRAME_DELTA, .exchange_ns = 7},
                        .levels = levels,
                        .level_count = count};
    return m;
}

static uint64_t hash(const message *m)
{
    return canonical_hash(m);
}

static void test_the_head_is_covered(void **state)
{
    (void)state;
    const message m = book_of(LEVELS, 2);
#define CHANGED(statement)                                                                         \
    do {                                                                                           \
        message other = m;                                                                         \
        statement;                                                                                 \
        assert_true(hash(&m) != hash(&other));                                                     \
    } while (0)
    CHANGED(other.head.kind = FRAME_UNTYPED);
    CHANGED(other.head.exchange_ns = 0);
    CHANGED(other.head.has_u = 1);
    CHANGED((other.head.has_cross_seq = 1, other.head.cross_seq = -1));
    CHANGED(other.head.match_ns = 1);
    CHANGED(other.head.version = td_bytes_str("1"));
#undef CHANGED
    message trades = {.beside = NULL};
    message notice = {.beside = NULL};
    trades.head.type = MSG_TRADE;
    notice.head.type = MSG_NOTICE;
    assert_true(hash(&trades) != hash(&notice)); /* the type is in front */
}

static void test_sizes_of_retail_orders(void **state)
{
    (void)state;
    const td_decimal rpi[] = {{9, 0}, {50, 1}};
    const message without = book_of(LEVELS, 2);
    message m = without;
    m.book.rpi_sizes = rpi;
    assert_true(hash(&m) != hash(&without));
    const td_decimal same[] = {{0, 0}, {5, 0}}; /* a deleted level has no size of any kind */
    message other = m;
    other.book.rpi_sizes = same;
    assert_true(hash(&m) == hash(&other));
    m.book.level_count = 1; /* only the deleted one */
    other = without;
    other.book.level_count = 1;
    assert_true(hash(&m) == hash(&other));
}

static void test_the_order_of_values_does_not_matter(void **state)
{
    (void)state;
    msg_value values[VALUES] = {
        {.member = MEMBER_TITLE, .type = VALUE_TEXT, .as.text = td_bytes_str("x")},
        {.member = MEMBER_MARK_PRICE, .type = VALUE_DECIMAL, .as.decimal = {150, 2}},
        {.member = MEMBER_BASKET, .type = VALUE_JSON, .as.text = td_bytes_str("{\"a\":[1]}")},
    };
    const msg_item item = {.action = ACTION_SET, .values = values, .value_count = VALUES};
    message m = {.beside = NULL};
    m.record = (msg_record){.head = {.type = MSG_NOTICE, .kind = FRAME_SNAPSHOT},
                            .values = values,
                            .value_count = VALUES,
                            .items = &item,
                            .item_count = 1};
    uint64_t before = hash(&m);
    msg_value first = values[0];
    values[0] = values[2];
    values[2] = first;
    values[1].as.decimal = (td_decimal){15, 1};
    values[1].is_scale_assumed = 1;
    assert_true(hash(&m) == before);
    values[1].as.decimal.mantissa = 16;
    assert_true(hash(&m) != before);
}

static void test_failures(void **state)
{
    (void)state;
    for (int i = DECODE_OK + 1; i < DECODE_REASON_COUNT; i++) {
        uint64_t mark = canonical_failure((decode_reason)i);
        assert_int_equal(mark & CANONICAL_FAILED, CANONICAL_FAILED);
        for (int j = DECODE_OK + 1; j < i; j++) /* of books a baseline has these bits alone */
            assert_int_not_equal((uint32_t)mark, (uint32_t)canonical_failure((decode_reason)j));
    }
}

static void test_control_frames(void **state)
{
    (void)state;
    const classification ack = {.frame_class = CLASS_ACK, .success = 1};
    classification other = ack;
    assert_true(canonical_control(&ack) == canonical_control(&other));
    assert_int_equal(canonical_control(&ack) & 1, 0);
    other.success = -1;
    assert_true(canonical_control(&ack) != canonical_control(&other));
    other = ack;
    other.frame_class = CLASS_AUTH;
    assert_true(canonical_control(&ack) != canonical_control(&other));
    other = ack;
    other.exchange_topic = td_bytes_str("trade");
    assert_true(canonical_control(&ack) != canonical_control(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_head_is_covered),
        cmocka_unit_test(test_sizes_of_retail_orders),
        cmocka_unit_test(test_the_order_of_values_does_not_matter),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_control_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
