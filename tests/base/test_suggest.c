/* Names that were meant by mistyped ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/suggest.h"

static unsigned distance(const char *written, const char *name)
{
    return td_suggest_distance(td_bytes_str(written), name);
}

static void test_edits(void **state)
{
    (void)state;
    assert_int_equal(distance("inverse", "inverse"), 0);
    assert_int_equal(distance("BTCUSD", "btcusd"), 0);
    assert_int_equal(distance("invers", "inverse"), 1);
    assert_int_equal(distance("lineer", "linear"), 1);
    assert_int_equal(distance("xlinear", "linear"), 1);
    assert_int_equal(distance("invrese", "inverse"), 1); /* two letters swapped */
    assert_int_equal(distance("inof", "info"), 1);
    assert_int_equal(distance("ca", "abc"), SUGGEST_FAR);
    assert_int_equal(distance("", "a"), SUGGEST_FAR);
    assert_int_equal(distance("nosuch", "inverse"), SUGGEST_FAR);
    assert_int_equal(distance("ab", "cd"), SUGGEST_FAR);
}

static void test_common_beginnings(void **state)
{
    (void)state;
    assert_true(distance("orderBook", "orderBookL2_25") < SUGGEST_FAR);
    /* A longer one is nearer, and an edit is nearer than any. */
    assert_true(distance("orderBook_2000000", "orderBook_200.100ms") <
                distance("orderBook_2000000", "orderBookL2_25"));
    assert_true(distance("trades", "trade") < distance("trades", "trad.something.else"));
    assert_int_equal(distance("or", "orderBookL2_25"), SUGGEST_FAR);
}

static void test_long_names(void **state)
{
    (void)state;
    char a[400];
    char b[400];
    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    a[399] = b[399] = '\0';
    assert_true(distance(a, b) < SUGGEST_FAR);
    b[0] = 'y';
    assert_int_equal(distance(a, b), SUGGEST_FAR);
}

/* The nearest; of equally near ones the first. */
static void test_search(void **state)
{
    (void)state;
    suggest_search search = {.written = td_bytes_str("tradd")};
    char text[64];
    suggest_format(&search, text, sizeof text);
    assert_string_equal(text, "");
    static const char *const NAMES[] = {"tradexy", "book", "traded", "trade", "tradx", "traded"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        suggest_offer(&search, NAMES[i]);
    suggest_format(&search, text, sizeof text);
    assert_string_equal(text, "did you mean 'traded'?");
    suggest_format(&search, text, 20);
    assert_string_equal(text, "did you mean 'trade");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_common_beginnings),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
