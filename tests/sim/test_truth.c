/* sim/truth: the lines in docs/sim.md, and when they are in the file. The SHA-1 values are from
 * Python's hashlib for the lines in the comments; xxh64 of "{}" is from a Python implementation of
 * the XXH64 specification, checked with "" and "abc". */
#include "sim/truth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/testing/io_fault.h"

static const instrument BTCUSD = {.symbol = "BTCUSD", .price_places = 2, .tick = 50};
static const instrument LTCUSDT = {
    .symbol = "LTCUSDT", .price_places = 2, .tick = 1, .size_places = 2};

/* Checks the file's current content. */
static void expect_file(td_io io, const char *expected)
{
    char found[2048];
    size_t got = 0;
    td_file *file = NULL;
    assert_int_equal(td_io_open(io, "truth.jsonl", TD_OPEN_READ, &file, NULL), TD_OK);
    assert_int_equal(td_io_read_at(file, 0, found, sizeof found - 1, &got, NULL), TD_OK);
    td_io_close(file);
    found[got] = '\0';
    assert_string_equal(found, expected);
}

/* The levels that a topic of this depth shows of a small market. */
static book_window *small_window(uint32_t depth)
{
    market *m = NULL;
    book_window *window = NULL;
    m = market_open(0);
    market_limit(m, MARKET_BUY, 121232, 7);
    market_limit(m, MARKET_BUY, 121231, 3);
    market_limit(m, MARKET_BUY, 121000, 9); /* outside of a window of two levels */
    market_limit(m, MARKET_SELL, 121235, 1);
    market_limit(m, MARKET_SELL, 121236, 20);
    window = window_open(depth);
    window_fill(window, &BTCUSD, m);
    market_close(m);
    return window;
}

static void test_levels_sha1(void **state)
{
    (void)state;
    char sha1[TD_SHA1_HEX_BYTES];
    book_window *window = small_window(2);
    /* Buy 60615.5 3 | Buy 60616 7 | Sell 60617.5 1 | Sell 60618 20 */
    truth_levels_sha1(&BTCUSD, window, sha1);
    assert_string_equal(sha1, "55bd7b84fc1e49a69030bdf18a90309da43392bd");
    td_free(window);
    market *m = NULL;
    m = market_open(0);
    window = window_open(25);
    truth_levels_sha1(&BTCUSD, window, sha1);
    assert_string_equal(sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"); /* SHA-1 of no bytes */
    market_limit(m, MARKET_BUY, 31253, 7);
    market_limit(m, MARKET_SELL, 31260, 150);
    window_fill(window, &LTCUSDT, m);
    /* Buy 312.53 0.07 | Sell 312.6 1.5 */
    truth_levels_sha1(&LTCUSDT, window, sha1);
    assert_string_equal(sha1, "08a0a4afb66b0afcbef142f61ae3d093582233eb");
    market_close(m);
    td_free(window);
}

static const truth_subject TRADES = {
    .path = "/realtime", .topic = "trade", .symbol = "BTCUSD", .frame = {(const uint8_t *)"{}", 2}};
static const truth_subject BOOK = {.path = "/realtime",
                                   .topic = "orderBookL2_25",
                                   .symbol = "BTCUSD",
                                   .frame = {(const uint8_t *)"{}", 2}};

static void test_lines(void **state)
{
    (void)state;
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    truth *t = NULL;
    book_window *window = small_window(2);
    assert_int_equal(truth_open(io, "truth.jsonl", &t, NULL), TD_OK);
    truth_put_message(t, "frame", &TRADES, 2, 17, 1618677786670000000u);
    truth_put_book(t, &BOOK, 12, 3, &BTCUSD, window);
    expect_file(io, "");
    assert_int_equal(truth_flush(t, NULL), TD_OK);
    expect_file(
        io,
        "{\"t\":\"frame\",\"path\":\"/realtime\",\"conn\":2,\"n\":17,\"topic\":\"trade\","
        "\"symbol\":\"BTCUSD\",\"bytes\":2,\"xxh64\":\"2e1472b57af294d1\","
        "\"ts_ns\":1618677786670000000}\n"
        "{\"t\":\"book\",\"path\":\"/realtime\",\"topic\":\"orderBookL2_25\","
        "\"symbol\":\"BTCUSD\",\"seq\":12,\"u\":3,\"xxh64\":\"2e1472b57af294d1\",\"levels_sha1\":"
        "\"55bd7b84fc1e49a69030bdf18a90309da43392bd\"}\n");
    truth_close(t);
    assert_int_not_equal(truth_open(io, "truth.jsonl", &t, NULL), TD_OK);
    assert_int_equal(truth_open(io, "other.jsonl", &t, NULL), TD_OK);
    truth_put_fault(t, &(truth_subject){.path = "/realtime"}, 500, "disconnect");
    truth_put_fault(t, &TRADES, 7, "drop");
    assert_int_equal(truth_flush(t, NULL), TD_OK);
    assert_int_equal(truth_flush(t, NULL), TD_OK);
    truth_close(t);
    assert_int_equal(td_io_rename(io, "other.jsonl", "truth.jsonl", NULL), TD_OK);
    expect_file(io,
                "{\"t\":\"fault\",\"path\":\"/realtime\",\"conn\":null,\"n\":500,\"what\":"
                "\"disconnect\",\"topic\":null,\"symbol\":null}\n"
                "{\"t\":\"fault\",\"path\":\"/realtime\",\"conn\":null,\"n\":7,\"what\":\"drop\","
                "\"topic\":\"trade\",\"symbol\":\"BTCUSD\"}\n");
    td_free(window);
    io_fault_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_sha1),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
