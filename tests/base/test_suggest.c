/* Suggestions for mistyped names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/suggest.h"

static void test_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *written, *names[4], *nearest;
    } ROWS[] = {
        {"inverse", {"inverses", "inverse"}, "inverse"},
        {"btcusd", {"BTCUSDT", "BTCUSD"}, "BTCUSD"},
        {"lineer", {"inverse", "linear"}, "linear"},
        {"xlinear", {"linear"}, "linear"},
        {"invrese", {"inverted", "inverse"}, "inverse"}, /* two letters swapped */
        {"inof", {"info"}, "info"},
        {"ca", {"abc"}, NULL},
        {"", {"a"}, NULL},
        {"nosuch", {"inverse"}, NULL},
        {"ab", {"cd"}, NULL},
        /* a common prefix: a longer one is nearer, and an edit is nearer than any prefix */
        {"orderBook", {"trade", "orderBookL2_25"}, "orderBookL2_25"},
        {"orderBook_2000000", {"orderBookL2_25", "orderBook_200.100ms"}, "orderBook_200.100ms"},
        {"trades", {"trad.something.else", "trade"}, "trade"},
        {"or", {"orderBookL2_25"}, NULL},
        {"trades", {"orderbook", "publicTrade"}, "publicTrade"},
        {"csv", {"jsonl", "tardis-csv"}, "tardis-csv"},
        {"buy", {"bid", "ask"}, "bid"},
        {"ask", {"Buy", "sell"}, "sell"},
        /* of equally near names the first */
        {"tradd", {"tradexy", "traded", "trade", "traded"}, "traded"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        suggest_search search = {.written = td_bytes_str(ROWS[i].written)};
        for (size_t k = 0; k < 4 && ROWS[i].names[k] != NULL; k++)
            suggest_offer(&search, ROWS[i].names[k]);
        if ((search.name == NULL) != (ROWS[i].nearest == NULL) ||
            (search.name != NULL && strcmp(search.name, ROWS[i].nearest) != 0))
            fail_msg("%s: %s", ROWS[i].written, search.name == NULL ? "none" : search.name);
    }
}

static void test_text(void **state)
{
    (void)state;
    char text[64];
    suggest_search search = {.written = td_bytes_str("tradd")};
    suggest_format(&search, text, sizeof text);
    assert_string_equal(text, "");
    suggest_offer(&search, "traded");
    suggest_format(&search, text, sizeof text);
    assert_string_equal(text, "did you mean 'traded'?");
    suggest_format(&search, text, 20);
    assert_string_equal(text, "did you mean 'trade");
}

static void test_long_names(void **state)
{
    (void)state;
    char name[400];
    suggest_search search = {.written = td_bytes_of(name, sizeof name - 1)};
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    suggest_offer(&search, name);
    assert_ptr_equal(search.name, name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
