/* Held rows: the runs of each column are the rows that were put. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"
#include "export/parquet/held_rows.h"

/* A value as text: "" is null, "=" begins bytes, anything else is a number. */
static void put(held_rows *rows, size_t column, const char *value)
{
    td_decimal number;
    if (value[0] == '\0') {
        held_rows_put_null(rows, column);
    } else if (value[0] == '=') {
        held_rows_put_bytes(rows, column, td_bytes_str(value + 1));
    } else {
        assert_int_equal(td_decimal_parse(td_bytes_str(value), &number, NULL), TD_OK);
        if (!held_rows_keep_number(rows, column, number))
            held_rows_put_number(rows, column, number);
    }
}

static void check_value(const held_rows *rows, const held_run *run, const char *want)
{
    char text[TD_DECIMAL_TEXT_BYTES];
    if (want[0] == '\0') {
        assert_int_equal(run->kind, HELD_NULL);
    } else if (want[0] == '=') {
        assert_int_equal(run->kind, HELD_BYTES);
        assert_true(td_bytes_is(held_rows_bytes(rows, run), want + 1));
    } else {
        assert_int_equal(run->kind, HELD_NUMBER);
        (void)td_decimal_format_whole((td_decimal){run->number, run->scale}, text);
        assert_string_equal(text, want);
    }
}

/* values: of one column. want_runs: how many of them differ from the one before. */
static void check_column(held_rows *rows, const char *const *values, size_t count, size_t want_runs)
{
    for (size_t i = 0; i < count; i++) {
        put(rows, 0, values[i]);
        held_rows_end_row(rows);
    }
    assert_int_equal(rows->row_count, count);
    assert_int_equal(rows->columns[0].run_count, want_runs);
    held_run *runs = held_rows_runs(rows);
    for (size_t i = 0, run = 0; i < count; i++) {
        if (run + 1 < want_runs && runs[run + 1].row == i)
            run++;
        check_value(rows, &runs[run], values[i]);
    }
    td_free(runs);
    held_rows_clear(rows);
}

#define CHECK(rows, want_runs, ...)                                                                \
    check_column(rows, (const char *const[]){__VA_ARGS__},                                         \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), want_runs)

static void test_runs(void **state)
{
    (void)state;
    held_rows rows;
    held_rows_init(&rows, 1);
    CHECK(&rows, 1, "5");
    CHECK(&rows, 1, "");
    CHECK(&rows, 1, "0");
    CHECK(&rows, 1, "=");
    CHECK(&rows, 1, "7", "7", "7");
    CHECK(&rows, 3, "7", "8", "8", "7"); /* changes and returns */
    CHECK(&rows, 4, "", "7", "", "", "7");
    CHECK(&rows, 3, "0", "", "0");
    CHECK(&rows, 5, "1.50", "1.5", "-0.001", "0", "0.00"); /* values with other scales */
    CHECK(&rows, 4, "-9223372036854775808", "9223372036854775807", "0", "-9223372036854775808");
    CHECK(&rows, 4, "=a", "=a", "=", "=ab", "=a");
    CHECK(&rows, 6, "2.5", "=ab", "2.5", "=ab", "", "=ab"); /* numbers beside large ones */
    CHECK(&rows, 4, "2.5", "=ab", "", "2.5");
    held_rows_fini(&rows);
}

/* Columns do not affect each other, and each group begins without the values of the one before. */
static void test_columns(void **state)
{
    (void)state;
    enum { COLUMNS = 300, ROWS = 200, GROUPS = 3 };
    static int64_t values[ROWS][COLUMNS];
    held_rows rows;
    td_random random;
    td_random_init(&random, 1);
    held_rows_init(&rows, COLUMNS);
    for (size_t group = 0; group < GROUPS; group++) {
        for (size_t row = 0; row < ROWS; row++) {
            for (size_t i = COLUMNS; i-- > 0;) { /* in any order */
                const int is_changed = row == 0 || td_random_next(&random) % 10 == 0;
                values[row][i] =
                    is_changed ? (int64_t)(td_random_next(&random) >> td_random_next(&random) % 64)
                               : values[row - 1][i];
                const td_decimal value = {values[row][i], (uint8_t)(i % 3)};
                if (!held_rows_keep_number(&rows, i, value))
                    held_rows_put_number(&rows, i, value);
            }
            held_rows_end_row(&rows);
        }
        held_run *runs = held_rows_runs(&rows);
        const held_run *run = runs;
        for (size_t i = 0; i < COLUMNS; i++) {
            const held_run *end = run + rows.columns[i].run_count;
            for (size_t row = 0; row < ROWS; row++) {
                run += run + 1 < end && run[1].row == row;
                assert_int_equal(run->number, values[row][i]);
                assert_int_equal(run->scale, i % 3);
            }
            run = end;
        }
        td_free(runs);
        held_rows_clear(&rows);
    }
    held_rows_fini(&rows);
}

/* A column that does not change needs no memory, and a huge row keeps none. */
static void test_memory(void **state)
{
    (void)state;
    enum { ROWS = 1000, ROW_BYTES = 4, HUGE_BYTES = 2 << 20 };
    held_rows rows;
    held_rows_init(&rows, 2);
    for (int64_t i = 0; i < ROWS; i++) {
        put(&rows, 0, "60591.00");
        held_rows_put_number(&rows, 1, (td_decimal){i, 0});
        held_rows_end_row(&rows);
    }
    assert_in_range(rows.buf.size, 0, ROWS * (ROW_BYTES + 1) + 100);
    held_rows_clear(&rows);
    uint8_t *huge = td_alloc_zero(HUGE_BYTES, 1);
    held_rows_put_bytes(&rows, 0, td_bytes_of(huge, HUGE_BYTES));
    held_rows_put_null(&rows, 1);
    held_rows_end_row(&rows);
    td_free(huge);
    held_rows_clear(&rows);
    assert_int_equal(rows.buf.capacity, 0);
    held_rows_fini(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
