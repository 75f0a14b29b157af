/* sim/shape: frames byte by byte. Expected texts are frames of the recordings:
 * captures/inverse-2021-04-17, captures/linear-2021-04-17, and
 * captures/frames/<family>/instrument_info (2022), whose inverse snapshot has its updated_at moved
 * from 09:18:34 to 09:18:37, the second of its timestamp_e6, which is what the simulator writes.
 * What the recordings do not have is worked out from them by hand. */
#include "sim/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const instrument BTCUSD = {.symbol = "BTCUSD", .id = 1, .price_places = 2, .tick = 50};
static const instrument EOSUSD = {.symbol = "EOSUSD", .id = 4, .price_places = 3, .tick = 1};
static const instrument BTCUSDT = {.symbol = "BTCUSDT", .id = 1, .price_places = 2, .tick = 1};
static const instrument ADAUSDT = {.symbol = "ADAUSDT", .price_places = 4, .tick = 1};
static const instrument LTCUSDT = {
    .symbol = "LTCUSDT", .price_places = 2, .tick = 1, .size_places = 2};

static char room[SHAPE_FRAME_BYTES_MAX];

static text_out new_text(void)
{
    return (text_out){.data = room, .capacity = sizeof room};
}

static void expect_text(const text_out *found, const char *expected)
{
    if (found->size != strlen(expected) || memcmp(found->data, expected, found->size) != 0)
        fail_msg("wrote    %.*s\nexpected %s", (int)found->size, found->data, expected);
}

static book_window window_of(const market_level *bids, uint32_t bid_count, const market_level *asks,
                             uint32_t ask_count)
{
    static book_window window;
    memset(&window, 0, sizeof window);
    window.counts[MARKET_BUY] = bid_count;
    window.counts[MARKET_SELL] = ask_count;
    for (uint32_t i = 0; i < bid_count; i++)
        window.levels[MARKET_BUY][i] = bids[i];
    for (uint32_t i = 0; i < ask_count; i++)
        window.levels[MARKET_SELL][i] = asks[i];
    return window;
}

static void test_delta_inverse(void **state)
{
    (void)state; /* none */
    const market_level before[] = {{7971, 1}, {7970, 3}};
    const market_level after[] = {{7971, 47766}, {7970, 3}};
    book_window from = window_of(before, 2, NULL, 0);
    book_window to = window_of(after, 2, NULL, 0);
    shape_frame frame = {SHAPE_INVERSE, &EOSUSD, "orderBookL2_25.EOSUSD", 1225777225,
                         1618677786598877000u};
    text_out text = new_text();
    assert_int_equal(shape_book_delta(&frame, &from, &to, &text), 1);
    expect_text(&text, "{\"topic\":\"orderBookL2_25.EOSUSD\",\"type\":\"delta\",\"data\":{"
                       "\"delete\":[],\"update\":[{\"price\":\"7.971\",\"symbol\":\"EOSUSD\","
                       "\"id\":79710,\"side\":\"Buy\",\"size\":47766}],\"insert\":[],"
                       "\"transactTimeE6\":0},\"cross_seq\":1225777225,"
                       "\"timestamp_e6\":1618677786598877}");
    text = new_text();
    assert_int_equal(shape_book_delta(&frame, &to, &to, &text), 0);
    assert_int_equal(text.size, 0);
}

static void test_delta_linear(void **state)
{
    (void)state; /* none */
    const market_level before[] = {{13860, 5}, {13844, 7}};
    const market_level after[] = {{13861, 949}, {13860, 5}};
    book_window from = window_of(before, 2, NULL, 0);
    book_window to = window_of(after, 2, NULL, 0);
    shape_frame frame = {SHAPE_LINEAR, &ADAUSDT, "orderBookL2_25.ADAUSDT", 916953324,
                         1618677788242338000u};
    text_out text = new_text();
    assert_int_equal(shape_book_delta(&frame, &from, &to, &text), 1);
    expect_text(&text,
                "{\"topic\":\"orderBookL2_25.ADAUSDT\",\"type\":\"delta\",\"data\":{\"delete\":[{"
                "\"price\":\"1.3844\",\"symbol\":\"ADAUSDT\",\"id\":\"13844\",\"side\":\"Buy\"}],"
                "\"update\":[],\"insert\":[{\"price\":\"1.3861\",\"symbol\":\"ADAUSDT\","
                "\"id\":\"13861\",\"side\":\"Buy\",\"size\":949}]},\"cross_seq\":\"916953324\","
                "\"timestamp_e6\":\"1618677788242338\"}");
}

/* Both sides, all three kinds of change, windows of different sizes: worked out by hand. */
static void test_delta_both_sides(void **state)
{
    (void)state; /* none */
    const market_level bids_before[] = {{100, 1}, {98, 2}, {96, 3}};
    const market_level bids_after[] = {{101, 9}, {98, 2}, {96, 4}, {95, 5}};
    const market_level asks_before[] = {{102, 1}, {104, 2}};
    const market_level asks_after[] = {{104, 6}};
    book_window from = window_of(bids_before, 3, asks_before, 2);
    book_window to = window_of(bids_after, 4, asks_after, 1);
    const instrument plain = {.symbol = "X", .price_places = 0, .tick = 1};
    shape_frame frame = {SHAPE_INVERSE, &plain, "b.X", 1, 1000};
    text_out text = new_text();
    assert_int_equal(shape_book_delta(&frame, &from, &to, &text), 1);
    expect_text(
        &text, "{\"topic\":\"b.X\",\"type\":\"delta\",\"data\":{\"delete\":["
               "{\"price\":\"100\",\"symbol\":\"X\",\"id\":1000000,\"side\":\"Buy\"},"
               "{\"price\":\"102\",\"symbol\":\"X\",\"id\":1020000,\"side\":\"Sell\"}],\"update\":["
               "{\"price\":\"96\",\"symbol\":\"X\",\"id\":960000,\"side\":\"Buy\",\"size\":4},"
               "{\"price\":\"104\",\"symbol\":\"X\",\"id\":1040000,\"side\":\"Sell\",\"size\":6}],"
               "\"insert\":[{\"price\":\"101\",\"symbol\":\"X\",\"id\":1010000,\"side\":\"Buy\","
               "\"size\":9},"
               "{\"price\":\"95\",\"symbol\":\"X\",\"id\":950000,\"side\":\"Buy\",\"size\":5}],"
               "\"transactTimeE6\":0},\"cross_seq\":1,\"timestamp_e6\":1}");
}

static void test_snapshots(void **state)
{
    (void)state; /* none */
    const market_level inverse_bids[] = {{7944, 106734}, {7943, 154219}};
    const market_level linear_bids[] = {{31254, 16220}, {31253, 21010}};
    const market_level linear_asks[] = {{31255, 100}};
    book_window window = window_of(inverse_bids, 2, NULL, 0);
    shape_frame frame = {SHAPE_INVERSE, &EOSUSD, "orderBookL2_25.EOSUSD", 7, 8000};
    text_out text = new_text();
    shape_book_snapshot(&frame, &window, &text);
    expect_text(&text, "{\"topic\":\"orderBookL2_25.EOSUSD\",\"type\":\"snapshot\",\"data\":[{"
                       "\"price\":\"7.943\",\"symbol\":\"EOSUSD\",\"id\":79430,\"side\":\"Buy\","
                       "\"size\":154219},{\"price\":\"7.944\",\"symbol\":\"EOSUSD\",\"id\":79440,"
                       "\"side\":\"Buy\",\"size\":106734}],\"cross_seq\":7,\"timestamp_e6\":8}");
    window = window_of(linear_bids, 2, linear_asks, 1);
    frame = (shape_frame){SHAPE_LINEAR, &LTCUSDT, "orderBookL2_25.LTCUSDT", 7, 8000};
    text = new_text();
    shape_book_snapshot(&frame, &window, &text);
    expect_text(&text,
                "{\"topic\":\"orderBookL2_25.LTCUSDT\",\"type\":\"snapshot\",\"data\":{"
                "\"order_book\":[{\"price\":\"312.53\",\"symbol\":\"LTCUSDT\",\"id\":\"3125300\","
                "\"side\":\"Buy\",\"size\":210.1},{\"price\":\"312.54\",\"symbol\":\"LTCUSDT\","
                "\"id\":\"3125400\",\"side\":\"Buy\",\"size\":162.2},{\"price\":\"312.55\","
                "\"symbol\":\"LTCUSDT\",\"id\":\"3125500\",\"side\":\"Sell\",\"size\":1}]},"
                "\"cross_seq\":\"7\",\"timestamp_e6\":\"8\"}");
}

static void test_trades(void **state)
{
    (void)state; /* none */
    shape_trade trade = {.done = {121244, 77, MARKET_BUY},
                         .id = {0x1d28db3f725d5f15u, 0x9d9a22719888546cu},
                         .tick_direction = tick_direction_name(TICK_PLUS)};
    shape_frame frame = {SHAPE_INVERSE, &BTCUSD, "trade.BTCUSD", 5938955471, 1618677786670000000u};
    text_out text = new_text();
    shape_trades(&frame, &trade, 1, &text);
    expect_text(&text, "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1618677786670,"
                       "\"timestamp\":\"2021-04-17T16:43:06.000Z\",\"symbol\":\"BTCUSD\","
                       "\"side\":\"Buy\",\"size\":77,\"price\":60622,\"tick_direction\":"
                       "\"PlusTick\",\"trade_id\":\"1d28db3f-725d-5f15-9d9a-22719888546c\","
                       "\"cross_seq\":5938955471}]}");
    trade = (shape_trade){.done = {31310, 100, MARKET_BUY},
                          .id = {0x7d10ee8094a7501au, 0xadeaa99020f32f77u},
                          .tick_direction = tick_direction_name(TICK_MINUS)};
    frame = (shape_frame){SHAPE_LINEAR, &LTCUSDT, "trade.LTCUSDT", 1, 1618677790631000000u};
    text = new_text();
    shape_trades(&frame, &trade, 1, &text);
    expect_text(&text, "{\"topic\":\"trade.LTCUSDT\",\"data\":[{\"symbol\":\"LTCUSDT\","
                       "\"tick_direction\":\"MinusTick\",\"price\":\"313.10\",\"size\":1,"
                       "\"timestamp\":\"2021-04-17T16:43:10.000Z\",\"trade_time_ms\":"
                       "\"1618677790631\",\"side\":\"Buy\","
                       "\"trade_id\":\"7d10ee80-94a7-501a-adea-a99020f32f77\"}]}");
}

static const char INFO_INVERSE[] =
    "{\"topic\":\"instrument_info.100ms.BTCUSD\",\"type\":\"snapshot\",\"data\":{\"id\":1,\"s"
    "ymbol\":\"BTCUSD\",\"last_price_e4\":299305000,\"last_price\":\"29930.50\",\"bid1_price_"
    "e4\":299305000,\"bid1_price\":\"29930.50\",\"ask1_price_e4\":299310000,\"ask1_price\":\""
    "29931.00\",\"last_tick_direction\":\"ZeroMinusTick\",\"prev_price_24h_e4\":315895000,\"p"
    "rev_price_24h\":\"31589.50\",\"price_24h_pcnt_e6\":-52517,\"high_price_24h_e4\":31874000"
    "0,\"high_price_24h\":\"31874.00\",\"low_price_24h_e4\":292780000,\"low_price_24h\":\"292"
    "78.00\",\"prev_price_1h_e4\":299600000,\"prev_price_1h\":\"29960.00\",\"price_1h_pcnt_e6"
    "\":-984,\"mark_price_e4\":299463400,\"mark_price\":\"29946.34\",\"index_price_e4\":29946"
    "1300,\"index_price\":\"29946.13\",\"open_interest\":654525102,\"open_value_e8\":14616803"
    "10351,\"total_turnover_e8\":10586114469373775,\"turnover_24h_e8\":5730317572180,\"total_"
    "volume\":2747007694755,\"volume_24h\":1745270625,\"funding_rate_e6\":8,\"predicted_fundi"
    "ng_rate_e6\":-126,\"cross_seq\":13458633262,\"created_at\":\"2018-11-14T16:33:26Z\",\"up"
    "dated_at\":\"2022-06-02T09:18:37Z\",\"next_funding_time\":\"2022-06-02T16:00:00Z\",\"cou"
    "ntdown_hour\":7,\"funding_rate_interval\":8,\"settle_time_e9\":0,\"delisting_status\":\""
    "0\"},\"cross_seq\":13458633487,\"timestamp_e6\":1654161517001968}";

static const char INFO_LINEAR[] =
    "{\"topic\":\"instrument_info.100ms.BTCUSDT\",\"type\":\"snapshot\",\"data\":{\"id\":1,\""
    "symbol\":\"BTCUSDT\",\"last_price_e4\":\"299590000\",\"last_price\":\"29959.00\",\"bid1_"
    "price_e4\":\"299585000\",\"bid1_price\":\"29958.50\",\"ask1_price_e4\":\"299590000\",\"a"
    "sk1_price\":\"29959.00\",\"last_tick_direction\":\"ZeroPlusTick\",\"prev_price_24h_e4\":"
    "\"315980000\",\"prev_price_24h\":\"31598.00\",\"price_24h_pcnt_e6\":\"-51870\",\"high_pr"
    "ice_24h_e4\":\"318945000\",\"high_price_24h\":\"31894.50\",\"low_price_24h_e4\":\"292910"
    "000\",\"low_price_24h\":\"29291.00\",\"prev_price_1h_e4\":\"299735000\",\"prev_price_1h"
    "\":\"29973.50\",\"price_1h_pcnt_e6\":\"-483\",\"mark_price_e4\":\"299770300\",\"mark_pri"
    "ce\":\"29977.03\",\"index_price_e4\":\"299781200\",\"index_price\":\"29978.12\",\"open_i"
    "nterest_e8\":\"2818586500000\",\"total_turnover_e8\":\"1313857544013650000\",\"turnover_"
    "24h_e8\":\"508351634095750100\",\"total_volume_e8\":\"3500773405099924\",\"volume_24h_e8"
    "\":\"16697641599999\",\"funding_rate_e6\":\"-43\",\"predicted_funding_rate_e6\":\"-87\","
    "\"cross_seq\":\"12230809673\",\"created_at\":\"1970-01-01T00:00:00.000Z\",\"updated_at\""
    ":\"2022-06-02T09:19:37.000Z\",\"next_funding_time\":\"2022-06-02T16:00:00Z\",\"count_dow"
    "n_hour\":\"7\",\"funding_rate_interval\":\"8\",\"settle_time_e9\":\"0\",\"delisting_stat"
    "us\":\"0\"},\"cross_seq\":\"12230809709\",\"timestamp_e6\":\"1654161577978011\"}";

static void test_ticker_snapshots(void **state)
{
    (void)state; /* none */
    ticker inverse = {.values = {2993050,
                                 2993050,
                                 2993100,
                                 TICK_ZERO_MINUS,
                                 3158950,
                                 -52517,
                                 3187400,
                                 2927800,
                                 2996000,
                                 -984,
                                 2994634,
                                 2994613,
                                 654525102,
                                 1461680310351,
                                 10586114469373775,
                                 5730317572180,
                                 2747007694755,
                                 1745270625,
                                 8,
                                 -126},
                      .seq = 13458633262};
    ticker linear = {.values = {2995900,
                                2995850,
                                2995900,
                                TICK_ZERO_PLUS,
                                3159800,
                                -51870,
                                3189450,
                                2929100,
                                2997350,
                                -483,
                                2997703,
                                2997812,
                                2818586500000,
                                0,
                                1313857544013650000,
                                508351634095750100,
                                3500773405099924,
                                16697641599999,
                                -43,
                                -87},
                     .seq = 12230809673};
    shape_frame frame = {SHAPE_INVERSE, &BTCUSD, "instrument_info.100ms.BTCUSD", 13458633487,
                         1654161517001968000u};
    text_out text = new_text();
    shape_ticker_snapshot(&frame, &inverse, &text);
    expect_text(&text, INFO_INVERSE);
    frame = (shape_frame){SHAPE_LINEAR, &BTCUSDT, "instrument_info.100ms.BTCUSDT", 12230809709,
                          1654161577978011000u};
    text = new_text();
    shape_ticker_snapshot(&frame, &linear, &text);
    expect_text(&text, INFO_LINEAR);
}

/* As captures/frames/linear/instrument_info.delta.3.json (2020), with the plain price beside the
 * _e4 one that later frames have. */
static void test_ticker_delta(void **state)
{
    (void)state; /* none */
    ticker from = {.seq = 177025000};
    ticker to = from;
    to.values[TICKER_INDEX] = 944962;
    to.seq = 177025335;
    shape_frame frame = {SHAPE_LINEAR, &BTCUSDT, "instrument_info.100ms.BTCUSDT", 177025391,
                         1590683462401579000u};
    text_out text = new_text();
    assert_int_equal(shape_ticker_delta(&frame, &from, &to, &text), 1);
    expect_text(&text, "{\"topic\":\"instrument_info.100ms.BTCUSDT\",\"type\":\"delta\",\"data\":{"
                       "\"update\":[{\"id\":1,\"symbol\":\"BTCUSDT\",\"index_price_e4\":"
                       "\"94496200\",\"index_price\":\"9449.62\",\"cross_seq\":\"177025335\","
                       "\"created_at\":\"1970-01-01T00:00:00.000Z\",\"updated_at\":"
                       "\"2020-05-28T16:31:02.000Z\"}]},\"cross_seq\":\"177025391\","
                       "\"timestamp_e6\":\"1590683462401579\"}");
    text = new_text();
    assert_int_equal(shape_ticker_delta(&frame, &to, &to, &text), 0);
    assert_int_equal(text.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delta_inverse),    cmocka_unit_test(test_delta_linear),
        cmocka_unit_test(test_delta_both_sides), cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_trades),           cmocka_unit_test(test_ticker_snapshots),
        cmocka_unit_test(test_ticker_delta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
