/* Tiles of markets without frames: runs, joined tiles, rows of other heights, bytes, and the folder
 * that keeps them. Expected values are counted by hand from view/market_tile.h. (That tiles equal
 * the books of frames: tests/e2e/view/market_tiles.test.mjs.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "view/market_cache.h"
#include "view/market_tile.h"

static const td_decimal ONE = {1, 0};

static market_tile *open_tile(void)
{
    market_tile *made = td_alloc_zero(1, sizeof *made);
    market_tile_init(made, ONE);
    return made;
}

static void close_tile(market_tile *tile)
{
    market_tile_fini(tile);
    td_free(tile);
}

static void add(market_tile *to, size_t *last, int64_t row, unsigned from, unsigned end,
                double size)
{
    const market_run run = {row, size, (uint8_t)from, (uint8_t)end};
    assert_int_equal(market_tile_add_run(to, run, last, NULL), TD_OK);
}

/* "ROW:FIRST-LASTxSIZE ..." */
static const char *runs_text(const market_tile *of)
{
    static char text[1024];
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; i < of->run_count && size < sizeof text; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%lld:%u-%ux%g",
                                 i == 0 ? "" : " ", (long long)of->runs[i].row, of->runs[i].first,
                                 of->runs[i].last, of->runs[i].size);
    return text;
}

static void test_runs_of_a_column_keep_the_largest_size(void **state)
{
    (void)state;
    market_tile *tile = open_tile();
    size_t last = 0;
    add(tile, &last, 7, 0, 4, 2);
    add(tile, &last, 7, 4, 6, 5); /* larger: column 4 is the new run's */
    add(tile, &last, 7, 6, 9, 1); /* smaller: column 6 stays */
    add(tile, &last, 7, 9, 9, 1); /* equal: nothing new */
    add(tile, &last, 7, 10, 10, 1);
    add(tile, &last, 7, 10, 12, 3); /* larger, and ends a run of several columns */
    add(tile, &last, 7, 20, 20, 3); /* after a time without a level */
    add(tile, &last, 7, 20, 21, 4); /* larger than a run of one column */
    assert_string_equal(runs_text(tile), "7:0-3x2 7:4-6x5 7:7-9x1 7:10-12x3 7:20-21x4");
    close_tile(tile);
}

static void test_joined_tiles_have_half_the_columns(void **state)
{
    (void)state;
    market_tile *left = open_tile();
    market_tile *right = open_tile();
    market_tile *out = open_tile();
    size_t last = 0;
    add(left, &last, -3, 0, 2, 1);
    add(left, &last, -3, 3, 255, 4);
    last = 0;
    add(right, &last, -3, 0, 1, 4);
    last = 0;
    add(right, &last, 9, 255, 255, 8);
    left->columns[0] = (market_column){.bid = 1,
                                       .ask = 2,
                                       .spread = 1,
                                       .book_frames = 1,
                                       .open = 5,
                                       .high = 6,
                                       .low = 4,
                                       .close = 5,
                                       .trades = 1,
                                       .buy = 1,
                                       .state = MARKET_BOOK_KNOWN};
    left->columns[1] = (market_column){.bid = NAN,
                                       .ask = NAN,
                                       .spread = 4,
                                       .book_frames = 2,
                                       .open = 7,
                                       .high = 9,
                                       .low = 7,
                                       .close = 8,
                                       .trades = 2,
                                       .sell = 3,
                                       .state = MARKET_BOOK_UNKNOWN};
    left->latencies[0][3] = 1;
    left->latencies[1][3] = 2;
    assert_int_equal(market_tile_join(left, right, ONE, out, NULL), TD_OK);
    assert_string_equal(runs_text(out), "-3:0-0x1 -3:1-128x4 9:255-255x8");
    const market_column *first = &out->columns[0];
    assert_true(isnan(first->bid) && isnan(first->ask)); /* as at the column's end */
    assert_true(first->spread == 3 && first->book_frames == 3);
    assert_true(first->open == 5 && first->high == 9 && first->low == 4 && first->close == 8);
    assert_true(first->buy == 1 && first->sell == 3 && first->trades == 3);
    assert_int_equal(first->state, MARKET_BOOK_KNOWN | MARKET_BOOK_UNKNOWN);
    assert_int_equal(out->latencies[0][3], 3);
    close_tile(left);
    close_tile(right);
    close_tile(out);
}

static void test_rows_of_another_height(void **state)
{
    (void)state;
    market_tile *tile = open_tile();
    market_tile *out = open_tile();
    size_t last = 0;
    add(tile, &last, -1, 5, 5, 1); /* floor(-1 / 2.5) is -1 */
    last = 0;
    add(tile, &last, 2, 0, 9, 2);
    last = 0;
    add(tile, &last, 1, 4, 5, 3);
    market_tile_sort(tile);
    assert_int_equal(market_tile_rebin(tile, (td_decimal){25, 1}, out, NULL), TD_OK);
    assert_string_equal(runs_text(out), "-1:5-5x1 0:0-3x2 0:4-5x3 0:6-9x2");
    market_tile_fini(out);
    assert_int_equal(market_tile_rebin(tile, (td_decimal){5, 1}, out, NULL), TD_OK);
    assert_string_equal(runs_text(out), "-2:5-5x1 2:4-5x3 4:0-9x2");
    close_tile(out);
    out = open_tile();
    tile->runs[0].row = INT64_MAX;
    assert_int_equal(market_tile_rebin(tile, (td_decimal){1, 18}, out, NULL), TD_E_LIMIT);
    close_tile(tile);
    close_tile(out);
}

static void test_bytes_are_read_as_they_were_written(void **state)
{
    (void)state;
    market_tile *tile = open_tile();
    market_tile *out = open_tile();
    td_buf bytes;
    size_t last = 0;
    td_buf_init(&bytes, 16 << 20);
    for (int64_t row = 0; row < 5; row++, last = 0)
        add(tile, &last, row, 0, 255, (double)row + 0.5);
    tile->trades = td_array_grow(NULL, 0, sizeof *tile->trades);
    tile->trades[tile->trades_count++] = (market_trades){4, 1, 2, 3, 5};
    market_tile_save(tile, &bytes);
    assert_int_equal(market_tile_load(td_buf_view(&bytes), out, NULL), TD_OK);
    assert_string_equal(runs_text(out),
                        "0:0-255x0.5 1:0-255x1.5 2:0-255x2.5 3:0-255x3.5 4:0-255x4.5");
    assert_memory_equal(out->trades, tile->trades, sizeof *tile->trades);
    market_tile_fini(out);
    for (size_t size = 0; size < bytes.size; size += 1000)
        assert_int_equal(market_tile_load(td_bytes_of(bytes.data, size), out, NULL), TD_E_CORRUPT);
    td_buf_fini(&bytes);
    close_tile(tile);
    close_tile(out);
}

/* A tile of about 200 KiB that hardly compresses, so that its bytes count. */
static void fill(market_tile *tile, unsigned seed)
{
    for (size_t i = 0; i < MARKET_COLUMNS; i++)
        for (size_t k = 0; k < MARKET_LATENCIES; k++)
            tile->latencies[i][k] = seed = seed * 1664525U + 1013904223U;
}

static uint64_t folder_bytes(const char *folder, const td_hash128 *keys, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        char name[TD_HASH128_HEX_BYTES];
        char path[256];
        uint64_t bytes = 0;
        td_hash128_hex(keys[i], name);
        (void)snprintf(path, sizeof path, "%s/%s", folder, name);
        if (td_io_size_at(io_posix(), path, &bytes, NULL) == TD_OK)
            sum += bytes;
    }
    return sum;
}

static void test_folder_has_a_bound_and_keeps_what_was_used_last(void **state)
{
    (void)state;
    enum { TILES = 12, BYTES_MAX = 1 << 20 };
    char folder[] = "/tmp/tapedeck-market-XXXXXX";
    td_hash128 keys[TILES];
    market_tile *tile = open_tile();
    market_tile *out = open_tile();
    assert_non_null(mkdtemp(folder));
    market_cache *cache = market_cache_open(folder, BYTES_MAX);
    assert_true(market_cache_keeps(cache));
    for (unsigned i = 0; i < TILES; i++) {
        fill(tile, i);
        keys[i] = td_hash128_of(&i, sizeof i);
        assert_false(market_cache_get(cache, keys[i], out));
        market_cache_put(cache, keys[i], tile);
        assert_true(market_cache_get(cache, keys[0], out)); /* used all the time */
        market_tile_fini(out);
    }
    assert_true(folder_bytes(folder, keys, TILES) <= BYTES_MAX);
    assert_true(folder_bytes(folder, keys, TILES) > BYTES_MAX / 2);
    assert_true(market_cache_has(cache, keys[TILES - 1]));
    assert_false(market_cache_has(cache, keys[1]));
    market_cache_close(cache);
    /* A damaged file is a tile that is missing. */
    cache = market_cache_open(folder, BYTES_MAX);
    char name[TD_HASH128_HEX_BYTES];
    char path[256];
    td_hash128_hex(keys[0], name);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_true(market_cache_get(cache, keys[0], out));
    market_tile_fini(out);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 100, SEEK_SET), 0);
    assert_int_equal(fwrite("damage", 1, 6, file), 6);
    assert_int_equal(fclose(file), 0);
    assert_false(market_cache_get(cache, keys[0], out));
    for (unsigned i = 0; i < TILES; i++) {
        td_hash128_hex(keys[i], name);
        (void)snprintf(path, sizeof path, "%s/%s", folder, name);
        (void)unlink(path);
    }
    market_cache_close(cache);
    assert_int_equal(rmdir(folder), 0);
    close_tile(tile);
    close_tile(out);
}

static void test_without_a_folder_nothing_is_kept(void **state)
{
    (void)state;
    const td_hash128 key = {{1}};
    market_tile *tile = open_tile();
    market_cache *cache = market_cache_open("/proc/no/folder", 1 << 20);
    assert_false(market_cache_keeps(cache));
    market_cache_put(cache, key, tile);
    assert_false(market_cache_has(cache, key));
    market_cache_close(cache);
    close_tile(tile);
}

static void test_latency_buckets(void **state)
{
    (void)state;
    assert_int_equal(market_latency_bucket(0), 0);
    assert_int_equal(market_latency_bucket(65536), 0);
    assert_int_equal(market_latency_bucket(131071), 7);
    assert_int_equal(market_latency_bucket(131072), 8);
    assert_int_equal(market_latency_bucket(UINT64_MAX), MARKET_LATENCIES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_of_a_column_keep_the_largest_size),
        cmocka_unit_test(test_joined_tiles_have_half_the_columns),
        cmocka_unit_test(test_rows_of_another_height),
        cmocka_unit_test(test_bytes_are_read_as_they_were_written),
        cmocka_unit_test(test_folder_has_a_bound_and_keeps_what_was_used_last),
        cmocka_unit_test(test_without_a_folder_nothing_is_kept),
        cmocka_unit_test(test_latency_buckets),
    };
    return cmocka_run_group_tests_name("view.market_tile", tests, NULL, NULL);
}
