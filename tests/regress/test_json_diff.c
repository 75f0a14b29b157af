/* Differences of JSON texts as lines. Expected: what `diff -u` prints of the texts with one member
 * a line, less its line numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "regress/json_diff.h"

static void assert_diff(const char *was, const char *is, const char *expected)
{
    td_buf out;
    td_buf_init(&out, 1 << 20);
    json_diff_append(&out, was, is);
    assert_int_equal(td_buf_append(&out, "", 1, NULL), TD_OK);
    assert_string_equal((const char *)out.data, expected);
    td_buf_fini(&out);
}

static void test_members(void **state)
{
    (void)state;
    assert_diff("{\"a\":1,\"b\":[1,2],\"c\":\"x,{\\\"\"}",
                "{\"a\":1,\"b\":[1,3],\"c\":\"x,{\\\"\"}",
                "--- before\n+++ now\n@@\n   \"a\":1,\n   \"b\":[\n     1,\n-    2\n+    3\n   ],\n"
                "   \"c\":\"x,{\\\"\"\n }\n");
    assert_diff("{\"a\":1}", "{\"a\":1,\"b\":2}",
                "--- before\n+++ now\n {\n   \"a\":1,\n+  \"b\":2\n }\n");
    assert_diff(NULL, "{\"a\":[]}", " {\n   \"a\":[\n   ]\n }\n");
    assert_diff(NULL, NULL, "");
}

/* Equal lines far from a change are left out. */
static void test_context(void **state)
{
    (void)state;
    assert_diff(
        "[1,2,3,4,5,6,7,8,9]", "[1,2,3,4,0,6,7,8,9]",
        "--- before\n+++ now\n@@\n   2,\n   3,\n   4,\n-  5,\n+  0,\n   6,\n   7,\n   8,\n");
}

/* Long texts: what is equal at the ends is not compared, and the rest is one change. */
static void test_long(void **state)
{
    static char was[40000];
    static char is[40000];
    char text[64];
    (void)state;
    was[0] = is[0] = '[';
    was[1] = is[1] = '\0';
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(text, sizeof text, "%d%s", i, i < 2999 ? "," : "]");
        memcpy(was + strlen(was), text, strlen(text) + 1);
        (void)snprintf(text, sizeof text, "%d%s", i == 1500 ? -1 : i, i < 2999 ? "," : "]");
        memcpy(is + strlen(is), text, strlen(text) + 1);
    }
    assert_diff(
        was, is,
        "--- before\n+++ now\n@@\n   1497,\n   1498,\n   1499,\n-  1500,\n+  -1,\n   1501,\n"
        "   1502,\n   1503,\n");
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
