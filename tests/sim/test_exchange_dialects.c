/* sim/exchange over real sockets, in the test's own loop: each family's requests and answers, and
 * private topics. Expected answers are from docs/wire.md 1. */
#include "sim/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/testing/io_fault.h"
#include "tests/testing/sim_fixture.h"
#include "schema/dialect.h"

/* Each family's requests, answers and refusals; docs/wire.md 1.1 to 1.5. is_data_first: whether
 * data comes before the answer: it does in linear v5, not in spot (docs/wire.md 1.3). */
static void test_dialects(void **state)
{
    (void)state;
    const struct {
        const char *family;
        const char *path;
        const char *ask;
        const char *answer;
        const char *data;
        int is_data_first;
        const char *wrong; /* NULL: not tested */
        const char *refusal;
    } rows[] = {
        {"v5-linear", "/v5/public/linear",
         "{\"req_id\":\"7\",\"op\":\"subscribe\",\"args\":[\"orderbook.50.BTCUSDT\"]}",
         "\"req_id\":\"7\",\"op\":\"subscribe\"}", "\"topic\":\"orderbook.50.BTCUSDT\"", 1,
         "{\"op\":\"subscribe\",\"args\":[\"tickers.BTCUSDT\",\"nothing.BTCUSDT\"]}",
         "error:handler not found,topic:nothing.BTCUSDT"},
        {"v5-spot", "/v5/public/spot", "{\"op\":\"subscribe\",\"args\":[\"orderbook.50.BTCUSDT\"]}",
         "\"ret_msg\":\"subscribe\"", "\"topic\":\"orderbook.50.BTCUSDT\"", 0,
         "{\"op\":\"subscribe\",\"args\":[\"orderbook.50.BTCUSDT\"]}",
         "error:already subscribed,topic:orderbook.50.BTCUSDT"},
        {"v5-option", "/v5/public/option",
         "{\"op\":\"subscribe\",\"args\":[\"tickers.BTC-25DEC26-60000-C\",\"tickers.NO\"]}",
         "\"failTopics\":[\"tickers.NO\"]", "\"topic\":\"tickers.BTC-25DEC26-60000-C\"", 0, NULL,
         NULL},
        {"spot-v1", "/spot/quote/ws/v1",
         "{\"topic\":\"depth\",\"event\":\"sub\",\"symbol\":\"BTCUSDT\",\"params\":{\"binary\":"
         "false}}",
         "\"event\":\"sub\"", "\"topic\":\"depth\",\"params\":{\"realtimeInterval\"", 0,
         "{\"topic\":\"depth\",\"event\":\"sub\",\"symbol\":\"NOUSDT\",\"params\":{\"binary\":"
         "false}}",
         "Invalid Symbols!"},
        {"spot-v2", "/spot/quote/ws/v2",
         "{\"topic\":\"kline\",\"event\":\"sub\",\"params\":{\"symbol\":\"BTCUSDT\",\"klineType\":"
         "\"1m\",\"binary\":false}}",
         "\"msg\":\"Success\"", "\"klineType\":\"1m\",\"symbolName\":\"BTCUSDT\"},\"data\":{", 0,
         NULL, NULL},
        {"usdc-option", "/trade/option/usdc/public/v1",
         "{\"op\":\"subscribe\",\"id\":\"x1\",\"args\":[\"delta.orderbook100.BTC-25DEC26-60000-C\"]"
         "}",
         "\"type\":\"COMMAND_RESP\"", "\"dataType\":\"NEW\"", 0, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sim_fixture f;
        sim_client c = {0};
        exchange_options options =
            sim_fixture_families((const char *const[]){rows[i].family, NULL}, 1);
        print_message("  %s\n", rows[i].family);
        sim_fixture_open(&f, &options);
        sim_client_connect(&f, &c, rows[i].path);
        sim_client_send(&c, rows[i].ask);
        sim_fixture_run_message(&f, &c, rows[i].answer);
        sim_fixture_run_message(&f, &c, rows[i].data);
        assert_int_equal(sim_client_find(&c, rows[i].data) < sim_client_find(&c, rows[i].answer),
                         rows[i].is_data_first);
        if (rows[i].wrong != NULL) {
            sim_client_send(&c, rows[i].wrong);
            sim_fixture_run_message(&f, &c, rows[i].refusal);
        }
        sim_client_close(&c);
        sim_fixture_close(&f);
    }
}

/* Nothing private without a key; with one, everything that was requested. A private family's
 * account also trades in markets without other subscribers. */
static void test_private(void **state)
{
    (void)state;
    sim_fixture f;
    sim_client c = {0};
    exchange_options options = sim_fixture_families((const char *const[]){"v5-private", NULL}, 0);
    sim_fixture_open(&f, &options);
    sim_client_connect(&f, &c, "/v5/private");
    sim_client_send(&c, "{\"op\":\"subscribe\",\"args\":[\"order\"]}");
    sim_fixture_run_message(&f, &c, "\"success\":false");
    assert_int_equal(sim_client_count(&c, "\"topic\":\"order\""), 0);
    sim_client_send(&c, "{\"op\":\"auth\",\"args\":[\"key\",1618677786000,\"sig\"]}");
    sim_fixture_run_message(&f, &c, "\"op\":\"auth\"");
    sim_client_send(&c, "{\"op\":\"subscribe\",\"args\":[\"order\",\"execution.linear\"]}");
    sim_fixture_run_message(&f, &c, "\"topic\":\"execution.linear\"");
    sim_fixture_run_message(&f, &c, "\"orderStatus\":\"Filled\"");
    sim_fixture_run_message(&f, &c, "\"category\":\"inverse\"");
    sim_fixture_run_message(&f, &c, "\"category\":\"spot\"");
    assert_int_equal(sim_client_count(&c, "\"topic\":\"orderbook"), 0);
    sim_client_close(&c);
    sim_fixture_close(&f);
}

/* Spot's private side has no subscriptions: a key is enough to get everything. */
static void test_spot_private(void **state)
{
    (void)state;
    sim_fixture f;
    sim_client c = {0};
    exchange_options options =
        sim_fixture_families((const char *const[]){"spot-v1", "spot-private", NULL}, 0);
    sim_fixture_open(&f, &options);
    sim_client_connect(&f, &c, "/spot/ws");
    sim_client_send(&c, "{\"op\":\"auth\",\"args\":[\"key\",\"1618677786000\",\"sig\"]}");
    sim_fixture_run_message(&f, &c, "{\"auth\":\"success\"}");
    sim_fixture_run_message(&f, &c, "[{\"e\":\"ticketInfo\"");
    sim_fixture_run_message(&f, &c, "[{\"e\":\"executionReport\"");
    sim_fixture_run_message(&f, &c, "[{\"e\":\"outboundAccountInfo\"");
    sim_fixture_run_message(&f, &c, "[{\"e\":\"stop_executionReport\"");
    sim_client_close(&c);
    sim_fixture_close(&f);
}

/* Linear and copy trading share their paths: the client's first request determines the family. */
static void test_shared_path(void **state)
{
    (void)state;
    sim_fixture f;
    sim_client linear = {0};
    sim_client copies = {0};
    exchange_options options =
        sim_fixture_families((const char *const[]){"linear", "copytrade", NULL}, 0);
    sim_fixture_open(&f, &options);
    sim_client_connect(&f, &linear, "/realtime_public");
    sim_client_connect(&f, &copies, "/realtime_public");
    sim_client_send(&linear, "{\"op\":\"subscribe\",\"args\":[\"candle.1.BTCUSDT\"]}");
    sim_client_send(&copies, "{\"op\":\"subscribe\",\"args\":[\"klineV2.1.BTCUSDT\"]}");
    sim_fixture_run_message(&f, &linear, "\"topic\":\"candle.1.BTCUSDT\"");
    sim_fixture_run_message(&f, &copies, "\"topic\":\"klineV2.1.BTCUSDT\"");
    sim_client_send(&copies, "{\"op\":\"subscribe\",\"args\":[\"candle.3.BTCUSDT\"]}");
    sim_fixture_run_message(&f, &copies, "error:handler not found,topic:candle.3.BTCUSDT");
    sim_client_close(&linear);
    sim_client_close(&copies);
    sim_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialects),
        cmocka_unit_test(test_private),
        cmocka_unit_test(test_spot_private),
        cmocka_unit_test(test_shared_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
