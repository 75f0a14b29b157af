/* sim/http_replies: which instruments a request lists, and that a reply is JSON with the documented
 * members. */
#include "sim/http_replies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/json/json.h"

enum { SYMBOLS = 4 };

static td_buf reply;

/* 1 if an exchange with these families replies; the reply is in `reply`, NUL-terminated. */
static int get(const char *path, const char *query)
{
    static const char *const NAMES[] = {"v5-linear", "v5-spot",   "v5-option",  "inverse",
                                        "linear",    "usdc-perp", "usdc-option"};
    enum { COUNT = sizeof NAMES / sizeof *NAMES };
    const family *families[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        families[i] = family_find(td_bytes_str(NAMES[i]));
    const http_markets markets = {.families = families,
                                  .family_count = COUNT,
                                  .symbol_count = SYMBOLS,
                                  .now_ns = UINT64_C(1618677786801375123)};
    reply.size = 0;
    if (!http_replies_get(&markets, td_bytes_str(path), td_bytes_str(query), &reply))
        return 0;
    json_parser *parser = json_parser_open(reply.size);
    json_value root;
    assert_int_equal(json_parse(parser, td_buf_view(&reply), JSON_COPIED, &root, NULL), TD_OK);
    json_parser_close(parser);
    td_buf_add(&reply, "", 1);
    return 1;
}

static unsigned count(const char *part)
{
    unsigned found = 0;
    for (const char *at = (const char *)reply.data; (at = strstr(at, part)) != NULL; at++)
        found++;
    return found;
}

#define INSTRUMENTS "/v5/market/instruments-info"

static void lists_have_the_instruments_of_their_category(void **state)
{
    static const struct {
        const char *path, *query, *part;
        unsigned count;
    } CASES[] = {
        {INSTRUMENTS, "category=linear&limit=1000",
         "\"contractType\":\"LinearPerpetual\",\"status\":\"Trading\"", SYMBOLS},
        {INSTRUMENTS, "limit=1000&category=linear&status=PreLaunch", "\"symbol\"", 0},
        {INSTRUMENTS, "category=linear&status=PreLaunch", "\"list\":[],\"nextPageCursor\":\"\"", 1},
        {INSTRUMENTS, "category=linear&status=Trading", "\"symbol\"", SYMBOLS},
        {INSTRUMENTS, "category=linear&limit=3", "\"symbol\"", 3},
        {INSTRUMENTS, "category=linear&limit=3", "\"nextPageCursor\":\"first%3D3\"", 1},
        {INSTRUMENTS, "category=linear&limit=3&cursor=first%3D3", "\"symbol\"", 1},
        {INSTRUMENTS, "category=spot&limit=3", "\"symbol\"", SYMBOLS},
        {INSTRUMENTS, "category=inverse", "\"symbol\"", 0}, /* v5-inverse is not served */
        {INSTRUMENTS, "category=spot", "\"quoteCoin\":\"USDT\",\"innovation\":\"0\"", SYMBOLS},
        {INSTRUMENTS, "category=spot", "\"basePrecision\":\"0.000001\"", 1},
        {INSTRUMENTS, "category=option", "\"settleCoin\":\"USDC\"", SYMBOLS},
        {INSTRUMENTS, "category=option&baseCoin=BTC", "\"symbol\":\"BTC-25DEC26-", 2},
        {INSTRUMENTS, "category=option&baseCoin=BTC", "\"symbol\":", 2},
        {INSTRUMENTS, "category=option&baseCoin=BTC", "\"optionsType\":\"Put\"", 1},
        {"/v2/public/symbols", "", "\"quote_currency\":\"USD\"", SYMBOLS},
        {"/v2/public/symbols", "", "\"quote_currency\":\"USDT\"", SYMBOLS},
        {"/v2/public/symbols", "", "\"min_trading_qty\":0.001,", 1},
        {"/v2/public/symbols", "", "\"tick_size\":\"0.50\"", 2},
        {"/perpetual/usdc/openapi/public/v1/symbols", "", "PERP\",\"status\":\"ONLINE\"", SYMBOLS},
        {"/option/usdc/openapi/public/v1/symbols", "", "\"minOrderSize\":\"0.01\"", SYMBOLS},
    };
    (void)state;
    td_buf_init(&reply, LIMIT_FRAME_BYTES);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_true(get(CASES[i].path, CASES[i].query));
        if (count(CASES[i].part) != CASES[i].count)
            fail_msg("%s?%s: %u of %s", CASES[i].path, CASES[i].query, count(CASES[i].part),
                     CASES[i].part);
    }
    td_buf_fini(&reply);
}

static void times_are_the_markets(void **state)
{
    (void)state;
    td_buf_init(&reply, LIMIT_FRAME_BYTES);
    assert_true(get("/v5/market/time", ""));
    assert_int_equal(count("\"timeSecond\":\"1618677786\",\"timeNano\":\"1618677786801375123\""),
                     1);
    assert_int_equal(count("\"time\":1618677786801}"), 1);
    assert_true(get("/v2/public/time", ""));
    assert_int_equal(count("\"time_now\":\"1618677786.801375123\""), 1);
    td_buf_fini(&reply);
}

static void other_requests_have_no_reply(void **state)
{
    (void)state;
    td_buf_init(&reply, LIMIT_FRAME_BYTES);
    assert_false(get("/v5/market/tickers", "category=linear"));
    assert_false(get(INSTRUMENTS, ""));
    assert_false(get(INSTRUMENTS, "category=stocks"));
    td_buf_fini(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_have_the_instruments_of_their_category),
        cmocka_unit_test(times_are_the_markets),
        cmocka_unit_test(other_requests_have_no_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
