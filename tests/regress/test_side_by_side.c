/* What is shown of two decodes beside each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "regress/side_by_side.h"

/* The rows as text: "path was is", a differing one with "! " in front; then how many are left out.
 */
static const char *shown(const char *was, const char *is, size_t rows_max)
{
    static char text[2048];
    td_arena *arena = td_arena_open(1 << 20);
    const field_difference *differences;
    size_t count;
    const side_row *rows;
    size_t row_count;
    size_t left_out;
    td_err err;
    size_t size = 0;
    assert_non_null(arena);
    assert_int_equal(
        field_diff(td_bytes_str(was), td_bytes_str(is), arena, &differences, &count, &err), TD_OK);
    assert_int_equal(side_by_side(td_bytes_str(was), differences, count, rows_max, arena, &rows,
                                  &row_count, &left_out, &err),
                     TD_OK);
    for (size_t i = 0; i < row_count; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s %s %s\n",
                                 rows[i].is_different ? "! " : "", rows[i].path,
                                 rows[i].was == NULL ? "-" : rows[i].was,
                                 rows[i].is == NULL ? "-" : rows[i].is);
    (void)snprintf(text + size, sizeof text - size, "%zu", left_out);
    td_arena_close(arena);
    return text;
}

static void test_rows(void **state)
{
    static const struct {
        const char *name, *was, *is, *text;
        size_t rows_max;
    } ROWS[] = {
        {"the same", "{\"a\":1}", "{\"a\":1}", "0", 9},
        {"a value and its neighbours", "{\"a\":1,\"b\":2,\"c\":[1,2]}",
         "{\"a\":1,\"b\":3,\"c\":[1,2]}", "a 1 1\n! b 2 3\n0", 9},
        {"one of many levels",
         "{\"t\":1,\"l\":[{\"p\":\"1\",\"s\":\"2\"},{\"p\":\"3\",\"s\":\"4\"},{\"p\":\"5\",\"s\":"
         "\"6\"}]}",
         "{\"t\":1,\"l\":[{\"p\":\"1\",\"s\":\"2\"},{\"p\":\"3\",\"s\":\"9\"},{\"p\":\"5\",\"s\":"
         "\"6\"}]}",
         "l[1].p \"3\" \"3\"\n! l[1].s \"4\" \"9\"\n0", 9},
        {"gone and added", "{\"a\":1,\"b\":2}", "{\"b\":2,\"c\":3}", "! a 1 -\nb 2 2\n! c - 3\n0",
         9},
        {"before and after a list", "{\"a\":1,\"l\":[{\"p\":1}],\"z\":2}",
         "{\"a\":5,\"l\":[{\"p\":6}],\"z\":7}", "! a 1 5\n! z 2 7\n! l[0].p 1 6\n0", 9},
        {"an element", "{\"l\":[1,2]}", "{\"l\":[1]}", "! l[1] 2 -\n0", 9},
        {"too many", "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":4,\"b\":5,\"c\":6}",
         "! a 1 4\n! b 2 5\n1", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const char *text = shown(ROWS[i].was, ROWS[i].is, ROWS[i].rows_max);
        if (strcmp(text, ROWS[i].text) != 0)
            fail_msg("%s: %s", ROWS[i].name, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
