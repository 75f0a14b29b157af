/* Which symbols' trades a grant or its end is about. Expected: the forms of topics of each family
 * (docs/wire.md 1.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "schema/trade_grants.h"

static void test_topics(void **state)
{
    (void)state;
    static const struct {
        const char *family, *topic, *symbol;
        int is_about;
    } rows[] = {
        {"v5-linear", "publicTrade.BTCUSDT", "BTCUSDT", 1},
        {"v5-linear", "publicTrade.BTCUSDT", "ETHUSDT", 0},
        {"v5-linear", "tickers.BTCUSDT", "BTCUSDT", 0},
        {"v5-linear", "kline.1.BTCUSDT", "BTCUSDT", 0},
        {"v5-linear", "publicTrade", "BTCUSDT", 0}, /* the family has no lists */
        {"inverse", "trade.BTCUSD", "BTCUSD", 1},
        {"inverse", "trade.BTCUSD", "XRPUSD", 0},
        {"inverse", "trade.BTCUSD|XRPUSD", "XRPUSD", 1},
        {"inverse", "trade.*", "XRPUSD", 1},
        {"inverse", "trade", "XRPUSD", 1},
        {"inverse", "instrument_info.100ms.XRPUSD", "XRPUSD", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        trade_grants g = {0};
        const family *of = family_find(td_bytes_str(rows[i].family));
        const td_bytes topic = td_bytes_str(rows[i].topic);
        const td_bytes symbol = td_bytes_str(rows[i].symbol);
        print_message("%s %s\n", rows[i].topic, rows[i].symbol);
        trade_grants_note(&g, of, topic, (trade_grant){.ended_ns = 7});
        trade_grants_note(&g, of, topic, (trade_grant){.granted_ns = 9});
        trade_grants_note(&g, of, topic, (trade_grant){.ended_ns = 5});
        const trade_grant got = trade_grants_find(&g, symbol);
        assert_int_equal(got.ended_ns, rows[i].is_about ? 7 : 0);
        assert_int_equal(got.granted_ns, rows[i].is_about ? 9 : 0);
        trade_grants_fini(&g);
        assert_int_equal(trade_grants_find(&g, symbol).ended_ns, 0);
        trade_grants_note(&g, NULL, topic, (trade_grant){.ended_ns = 7});
        assert_int_equal(trade_grants_find(&g, symbol).ended_ns, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_topics)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
