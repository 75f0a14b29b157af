/* Rows by hash, compared with a linear search. Expected: base/row_table.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/limits.h"
#include "base/row_table.h"

enum { ROWS = 5000 };

/* Hashes that are spread out; that share the low bits, so that one run of slots holds all; that end
 * in the last slots, so that runs continue at the start; and that are all equal. */
static uint64_t spread(uint64_t key)
{
    return (key + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t clustered(uint64_t key)
{
    return key << 16;
}

static uint64_t at_the_end(uint64_t key)
{
    return UINT32_MAX - key % 8;
}

static uint64_t same(uint64_t key)
{
    (void)key;
    return 7;
}

static const struct {
    const char *name;
    uint64_t (*hash)(uint64_t key);
    size_t rows;
} CASES[] = {
    {"spread", spread, ROWS},
    {"one row", spread, 1},
    {"low bits shared", clustered, 300},
    {"last slots", at_the_end, 300},
    {"all the same", same, 300},
};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

/* Row i has the key 3 * i. Returns the index of a key, or -1; fails if the table gives a row with
 * another hash, or one that was not put. */
static int find(const row_table *table, size_t i, uint64_t key)
{
    int found = -1;
    size_t given = 0;
    row_probe at = row_probe_of(CASES[i].hash(key));
    while (row_table_next(table, &at)) {
        assert_true(at.row < table->count);
        assert_true(given++ < table->count);
        uint64_t is = (uint64_t)at.row * 3;
        assert_true(row_probe_of(CASES[i].hash(is)).hash == at.hash);
        if (is == key)
            found = (int)at.row;
    }
    return found;
}

static void put(row_table *table, size_t i)
{
    size_t row = table->count;
    row_table_put(table, CASES[i].hash((uint64_t)row * 3), row);
    assert_int_equal(table->count, row + 1);
}

static void assert_has(const row_table *table, size_t i, size_t rows)
{
    for (size_t row = 0; row < rows; row++) {
        if (find(table, i, (uint64_t)row * 3) != (int)row ||
            find(table, i, (uint64_t)row * 3 + 1) != -1)
            fail_msg("%s: row %zu of %zu", CASES[i].name, row, rows);
    }
    assert_int_equal(find(table, i, (uint64_t)rows * 3), -1);
}

static void test_rows_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        row_table table = {0};
        assert_int_equal(find(&table, i, 0), -1);
        while (table.count < CASES[i].rows) {
            assert_int_equal(find(&table, i, (uint64_t)table.count * 3), -1);
            put(&table, i);
            assert_true(table.capacity >= 2 * table.count);
            assert_int_equal(table.capacity & (table.capacity - 1), 0);
        }
        assert_has(&table, i, CASES[i].rows);

        size_t capacity = table.capacity;
        row_table_clear(&table);
        assert_int_equal(table.count, 0);
        assert_int_equal(table.capacity, capacity);
        assert_int_equal(find(&table, i, 0), -1);
        put(&table, i);
        assert_has(&table, i, 1);
        row_table_fini(&table);
        assert_int_equal(find(&table, i, 0), -1);
        assert_int_equal(table.capacity, 0);
    }
}

/* Rows may be put in any order and repeatedly; an offset in bytes is a row as well. */
static void test_any_row(void **state)
{
    (void)state;
    static const size_t PUT[] = {9, 0, UINT32_MAX - 1, 9};
    row_table table = {0};
    size_t seen[3] = {0};
    for (size_t i = 0; i < 4; i++)
        row_table_put(&table, 1, PUT[i]);
    for (row_probe at = row_probe_of(1); row_table_next(&table, &at);)
        seen[at.row == 9 ? 0 : at.row == 0 ? 1 : 2]++;
    assert_int_equal(seen[0], 2);
    assert_int_equal(seen[1], 1);
    assert_int_equal(seen[2], 1);
    row_table_fini(&table);
}

/* Both halves of a hash are used. */
static void test_hash_is_folded(void **state)
{
    (void)state;
    assert_true(row_probe_of(UINT64_C(1) << 40).hash != row_probe_of(0).hash);
    assert_true(row_probe_of(1).hash != row_probe_of(0).hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_found),
        cmocka_unit_test(test_any_row),
        cmocka_unit_test(test_hash_is_folded),
    };
    return cmocka_run_group_tests_name("row_table", tests, NULL, NULL);
}
