/* The functions of a decoder's host, for numbers that a program may pass, and for invalid indexes.
 * Expected values: by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "embed/frame_view.h"

static tapedeck_host host_made(void)
{
    tapedeck_host host = {0};
    frame_view_set_host(&host);
    return host;
}

static tapedeck_decimal decimal(int64_t mantissa, uint32_t scale)
{
    return (tapedeck_decimal){.mantissa = mantissa, .scale = scale};
}

typedef struct scale_case {
    int64_t mantissa;
    uint32_t scale, wanted;
    int is_exact;
    int64_t expected;
} scale_case;

static void test_decimal_at_scale(void **state)
{
    (void)state;
    static const scale_case CASES[] = {
        {605915, 1, 8, 1, INT64_C(6059150000000)},
        {6059150, 2, 1, 1, 605915}, /* the zero can be dropped */
        {6059155, 2, 1, 0, 0},      /* the five cannot */
        {-5, 1, 1, 1, -5},
        {0, 18, 0, 1, 0},
        {INT64_MAX, 0, 1, 0, 0}, /* beyond 64 bits */
        {INT64_MIN, 0, 0, 1, INT64_MIN},
        {1, 0, 18, 1, INT64_C(1000000000000000000)},
        {10, 0, 18, 0, 0},
        {1, 0, 19, 0, 0}, /* not a valid scale */
        {1, 19, 18, 0, 0},
        {1, UINT32_MAX, 0, 0, 0},
        {1, 256, 0, 0, 0},
    };
    tapedeck_host host = host_made();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const scale_case *c = &CASES[i];
        int64_t got = 77;
        int is_exact = host.decimal_at_scale(decimal(c->mantissa, c->scale), c->wanted, &got);
        assert_int_equal(is_exact, c->is_exact);
        assert_int_equal(got, c->is_exact ? c->expected : 77);
    }
}

static void test_decimals(void **state)
{
    (void)state;
    tapedeck_host host = host_made();
    assert_int_equal(host.decimal_compare(decimal(15, 1), decimal(150, 2)), 0);
    assert_int_equal(host.decimal_compare(decimal(-15, 1), decimal(1, 18)), -1);
    assert_int_equal(host.decimal_compare(decimal(INT64_MAX, 0), decimal(INT64_MAX, 1)), 1);
    assert_int_equal(host.decimal_compare(decimal(1, 19), decimal(5, 0)), 0);
    char text[TAPEDECK_DECIMAL_BYTES];
    assert_int_equal(host.decimal_format(decimal(-1225, 2), text), 6);
    assert_string_equal(text, "-12.25");
    assert_int_equal(host.decimal_format(decimal(INT64_MIN, 18), text), 21);
    assert_string_equal(text, "-9.223372036854775808");
    assert_int_equal(host.decimal_format(decimal(1, 19), text), 0);
    assert_string_equal(text, "");
}

/* A frame of a book with two levels and a broken rule. */
static void test_bounds(void **state)
{
    (void)state;
    static const msg_level LEVELS[] = {
        {.price = 605, .size = 7, .price_scale = 1, .side = SIDE_BUY, .action = ACTION_SET},
        {.price = 606, .size = 9, .price_scale = 1, .side = SIDE_SELL, .action = ACTION_DELETE}};
    static const td_decimal RPI[] = {{2, 0}, {0, 0}};
    const message m = {.book = {.head = {.type = MSG_BOOK_CHANGE},
                                .levels = LEVELS,
                                .level_count = 2,
                                .rpi_sizes = RPI}};
    const verdict judged = {.count = 1, .items = {{RULE_DELETE_EXISTS, STRENGTH_ERROR, 3, 4}}};
    frame_view view = {.message = &m, .verdict = &judged};
    view.frame.own = &view;
    tapedeck_host host = host_made();
    tapedeck_level level;
    tapedeck_trade trade;
    tapedeck_value value;
    tapedeck_rule rule;
    assert_int_equal(host.level(&view.frame, 0, &level), 1);
    assert_int_equal(level.size.mantissa, 7);
    assert_int_equal(level.rpi_size.mantissa, 2);
    assert_int_equal(host.action(&view.frame, 1), TAPEDECK_DELETE);
    assert_int_equal(host.action(&view.frame, 2), TAPEDECK_NO_ACTION);
    assert_int_equal(host.level(&view.frame, 2, &level), 0);
    assert_int_equal(host.level(&view.frame, SIZE_MAX, &level), 0);
    assert_int_equal(level.size.mantissa, 7);
    assert_int_equal(host.trade(&view.frame, 0, &trade), 0);
    assert_int_equal(host.value(&view.frame, 0, 0, &value), 0);
    assert_int_equal(host.value_named(&view.frame, TAPEDECK_ENVELOPE, "u", &value), 0);
    assert_int_equal(host.rule(&view.frame, 0, &rule), 1);
    assert_string_equal(rule.name, "delete_exists");
    assert_int_equal(rule.found, 4);
    assert_int_equal(host.rule(&view.frame, 1, &rule), 0);
    view = (frame_view){.frame = {.own = &view}};
    assert_int_equal(host.level(&view.frame, 0, &level), 0);
    assert_int_equal(host.action(&view.frame, 0), TAPEDECK_NO_ACTION);
    assert_int_equal(host.value(&view.frame, 0, 0, &value), 0);
    assert_int_equal(host.rule(&view.frame, 0, &rule), 0);
}

static void test_head(void **state)
{
    (void)state;
    const message chained = {.book = {.head = {.type = MSG_BOOK_CHANGE,
                                               .seq = 15,
                                               .prev_seq = 10,
                                               .checksum = -914047754,
                                               .has_seq = 1,
                                               .has_prev_seq = 1,
                                               .has_checksum = 1}}};
    const message plain = {.book = {.head = {.type = MSG_BOOK_CHANGE}}};
    frame_view view = {.verdict = NULL};
    frame_view_set_message(&view, &chained);
    assert_true(view.frame.has_seq && view.frame.has_prev_seq && view.frame.has_checksum);
    assert_int_equal(view.frame.seq, 15);
    assert_int_equal(view.frame.prev_seq, 10);
    assert_int_equal(view.frame.checksum, -914047754);
    frame_view_set_message(&view, &plain);
    assert_false(view.frame.has_seq || view.frame.has_prev_seq || view.frame.has_checksum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decimal_at_scale),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
