/* Differences of JSON texts as lines. Expected: the output of `diff -u` for the texts with one
 * member per line, without line numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "regress/json_diff.h"

/* Prints the difference of two texts; 1 if there is more. */
static int print_diff(const char *was, const char *is, char *out, size_t out_bytes)
{
    FILE *file = tmpfile();
    output_stream output;
    result_writer r;
    assert_non_null(file);
    output_init(&output, file);
    result_begin(&r, &output, &(json_options){.is_json = 0});
    result_object_begin(&r, NULL);
    result_list_begin(&r, "diff");
    int has_more = json_diff_describe(&r, was, is);
    result_list_end(&r);
    result_object_end(&r, "{diff}");
    result_end(&r);
    assert_int_equal(output_finish(&output, NULL), TD_OK);
    rewind(file);
    out[fread(out, 1, out_bytes - 1, file)] = '\0';
    fclose(file);
    return has_more;
}

static void assert_diff(const char *was, const char *is, const char *expected)
{
    char found[4096];
    assert_false(print_diff(was, is, found, sizeof found));
    assert_string_equal(found, expected);
}

static void test_members(void **state)
{
    (void)state;
    assert_diff("{\"a\":1,\"b\":[1,2],\"c\":\"x,{\\\"\"}",
                "{\"a\":1,\"b\":[1,3],\"c\":\"x,{\\\"\"}",
                "  --- before\n  +++ now\n  @@\n     \"a\":1,\n     \"b\":[\n       1,\n"
                "  -    2\n  +    3\n     ],\n     \"c\":\"x,{\\\"\"\n   }\n");
    assert_diff("{\"a\":1}", "{\"a\":1,\"b\":2}",
                "  --- before\n  +++ now\n   {\n     \"a\":1,\n  +  \"b\":2\n   }\n");
    assert_diff(NULL, "{\"a\":[]}", "   {\n     \"a\":[\n     ]\n   }\n");
    assert_diff(NULL, NULL, "");
}

/* Equal lines far from a change are omitted. */
static void test_context(void **state)
{
    (void)state;
    assert_diff("[1,2,3,4,5,6,7,8,9]", "[1,2,3,4,0,6,7,8,9]",
                "  --- before\n  +++ now\n  @@\n     2,\n     3,\n     4,\n  -  5,\n"
                "  +  0,\n     6,\n     7,\n     8,\n");
}

static void write_list(char *out)
{
    *out++ = '[';
    for (int i = 0; i < 3000; i++)
        out += snprintf(out, 8, "%d%s", i, i < 2999 ? "," : "]");
}

/* Long texts: equal beginnings and ends are not compared, and the rest is cut. A report shows the
 * first lines. */
static void test_long(void **state)
{
    static char was[40000];
    static char is[40000];
    char found[4096];
    (void)state;
    write_list(was);
    write_list(is);
    *strstr(is, "1500,") = '2';
    assert_diff(was, is,
                "  --- before\n  +++ now\n  @@\n     1497,\n     1498,\n     1499,\n"
                "  -  1500,\n  +  2500,\n     1501,\n     1502,\n     1503,\n");
    *strstr(is, "2900,") = '3';
    assert_diff(was, is,
                "  --- before\n  +++ now\n  @@\n     1497,\n     1498,\n     1499,\n"
                "  -  1500,\n  +  2500,\n     1501,\n     1502,\n     1503,\n  @@\n"
                "     2497,\n     2498,\n     2499,\n  ...\n     2901,\n     2902,\n"
                "     2903,\n");
    assert_true(print_diff(NULL, is, found, sizeof found)); /* the first 60 lines */
    assert_non_null(strstr(found, "     58,\n"));
    assert_null(strstr(found, "     59,\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
