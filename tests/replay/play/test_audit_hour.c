/* An hour of the simulated exchange, whose books, trades and candles come from one matching engine,
 * without a false alarm: two symbols of each family with candles, and books of the other families.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "replay/play/player.h"
#include "tests/testing/filled.h"
#include "tests/testing/long_test.h"
#include "tests/testing/played.h"
#include "tests/testing/sim_feed.h"

#define HOUR_NS (3600 * TD_NS_PER_S)
enum { HOUR_STEPS = 60000 };

typedef struct family_topics {
    const char *family;
    const char *topics[8];
} family_topics;

static const family_topics HOURS[] = {
    {"inverse",
     {"orderBookL2_25", "orderBook_200.100ms", "trade", "instrument_info.100ms", "klineV2.1"}},
    {"linear",
     {"orderBookL2_25", "orderBook_200.100ms", "trade", "instrument_info.100ms", "candle.1"}},
    {"copytrade",
     {"orderBookL2_25", "orderBook_200.100ms", "trade", "instrument_info.100ms", "klineV2.1"}},
    {"usdc-perp", {"orderBookL2_25", "orderBook_200.100ms", "trade", "candle.1"}},
    {"spot-v1", {"depth", "trade", "kline.1m"}},
    {"spot-v2", {"depth", "trade", "kline.1m"}},
    {"spot-v3", {"orderbook.40", "trade", "kline.1m"}},
    {"contract-v3", {"orderbook.1", "orderbook.50", "publicTrade", "tickers", "kline.1"}},
    {"unified-v3", {"orderbook.1", "orderbook.50", "publicTrade", "tickers", "kline.1"}},
    {"v5-linear",
     {"orderbook.1", "orderbook.50", "orderbook.200", "publicTrade", "tickers", "kline.1"}},
    {"v5-inverse", {"orderbook.50", "orderbook.200", "publicTrade", "tickers", "kline.1"}},
    {"v5-spot", {"orderbook.1", "orderbook.50", "publicTrade", "kline.1"}},
    /* Without candles: books only. */
    {"usdc-option", {"orderbook25", "orderbook100", "delta.orderbook100"}},
    {"v5-option", {"orderbook.25", "orderbook.100"}},
    {"v5-spread", {"orderbook.25", "publicTrade"}},
};

static void test_hour_without_false_alarm(void **state)
{
    long_test();
    (void)state;
    for (size_t i = 0; i < sizeof HOURS / sizeof *HOURS; i++) {
        sim_feed *feed = sim_feed_open(&(sim_feed_options){.family = HOURS[i].family,
                                                           .topics = HOURS[i].topics,
                                                           .symbol_count = 2,
                                                           .seed = 11,
                                                           .step_ns = HOUR_NS / HOUR_STEPS});
        player *p = played_open(1);
        frame_ref frame;
        uint64_t first_ns = 0;
        do {
            sim_feed_next(feed, &frame);
            first_ns = first_ns == 0 ? frame.recv_ns : first_ns;
            fill_frame(&frame);
            assert_int_equal(player_on_frame(p, &frame, NULL), TD_OK);
        } while (frame.recv_ns < first_ns + HOUR_NS);
        assert_int_equal(player_finish(p, NULL), TD_OK);
        player_totals totals;
        audit_stats stats;
        player_get_totals(p, &totals);
        player_get_audits(p, &stats);
        print_message("  %s: %llu frames, compared: books %llu, tickers %llu, readings %llu\n",
                      HOURS[i].family, (unsigned long long)totals.frames,
                      (unsigned long long)stats.books.compared,
                      (unsigned long long)stats.best.compared,
                      (unsigned long long)stats.trades.compared);
        /* Between two states of a book the price may have changed: only a statistic. */
        assert_true(stats.best.differed * 100 <= stats.best.compared);
        assert_int_equal(played_differences(p), 0);
        assert_int_equal(totals.violations, 0);
        assert_int_equal(totals.undecoded, 0);
        assert_true((stats.trades.compared > 100) ==
                    played_sums_trades(family_find(td_bytes_str(HOURS[i].family))));
        player_close(p);
        sim_feed_close(feed);
    }
}

/* The list has every family with trades and candles; others have one of them at most. */
static void test_all_families(void **state)
{
    (void)state;
    size_t count = 0;
    const family *const *families = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        size_t found = 0;
        for (size_t k = 0; k < sizeof HOURS / sizeof *HOURS; k++)
            found += strcmp(HOURS[k].family, families[i]->name) == 0;
        if (found < (size_t)played_sums_trades(families[i]))
            fail_msg("%s: %zu times in the list", families[i]->name, found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hour_without_false_alarm),
        cmocka_unit_test(test_all_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
