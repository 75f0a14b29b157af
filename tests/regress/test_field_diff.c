/* Two decodes compared field by field. Expected differences are written by hand from the header's
 * promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "regress/field_diff.h"

enum { ARENA_BYTES = 64 << 20 };

typedef struct diff_case {
    const char *name;
    const char *was;
    const char *is;
    const char *expected; /* a line each: sign, path, pattern if another, was, is */
} diff_case;

/* Differences as text, a line each. */
static void print_all(const field_difference *rows, size_t count, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const field_difference *d = &rows[i];
        used += (size_t)snprintf(out + used, size - used, "%c %s %s %s %s\n", "~-+"[d->change],
                                 d -> path, strcmp(d->path, d->pattern) == 0 ? "=" : d->pattern,
                                 d->was == NULL ? "." : d->was, d->is == NULL ? "." : d->is);
        assert_true(used < size);
    }
}

static const diff_case CASES[] = {
    {"equal", "{\"a\":1}", "{\"a\":1}", ""},
    {"equal in another order", "{\"a\":1,\"b\":\"x\"}", "{\"b\":\"x\",\"a\":1}", ""},
    {"empty", "{}", "{}", ""},
    {"a value", "{\"a\":1,\"b\":\"x\"}", "{\"a\":1,\"b\":\"y\"}", "~ b = \"x\" \"y\"\n"},
    {"a type", "{\"a\":\"1\"}", "{\"a\":1}", "~ a = \"1\" 1\n"},
    {"null is a value", "{\"a\":null}", "{}", "- a = null .\n"},
    {"gone, changed, added", "{\"a\":1,\"b\":2,\"c\":3}", "{\"d\":4,\"b\":5,\"c\":3}",
     "- a = 1 .\n~ b = 2 5\n+ d = . 4\n"},
    {"nested", "{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"c\":2}}}", "~ a.b.c = 1 2\n"},
    {"an object became a list", "{\"a\":{\"b\":1}}", "{\"a\":[1]}", "~ a = {\"b\":1} [1]\n"},
    {"escapes in keys", "{\"a\\u0062\":1}", "{\"ab\":2}", "~ ab = 1 2\n"},
    {"one field of one element", "{\"l\":[{\"p\":\"1\"},{\"p\":\"2\"},{\"p\":\"3\"}]}",
     "{\"l\":[{\"p\":\"1\"},{\"p\":\"9\"},{\"p\":\"3\"}]}", "~ l[1].p l[].p \"2\" \"9\"\n"},
    {"a field of every element", "{\"l\":[{\"p\":1,\"s\":5},{\"p\":2,\"s\":5}]}",
     "{\"l\":[{\"p\":10,\"s\":5},{\"p\":20,\"s\":5}]}",
     "~ l[0].p l[].p 1 10\n~ l[1].p l[].p 2 20\n"},
    {"first element missing", "{\"l\":[1,2,3,4]}", "{\"l\":[2,3,4]}", "- l[0] l[] 1 .\n"},
    {"last element missing", "{\"l\":[1,2,3]}", "{\"l\":[1,2]}", "- l[2] l[] 3 .\n"},
    {"one inserted", "{\"l\":[1,2,3]}", "{\"l\":[1,7,2,3]}", "+ l[1] l[] . 7\n"},
    {"one removed, one inserted", "{\"l\":[1,2,3,4,5,6]}", "{\"l\":[1,3,4,5,9,6]}",
     "- l[1] l[] 2 .\n+ l[4] l[] . 9\n"},
    {"one removed, one changed", "{\"l\":[{\"p\":1},{\"p\":2},{\"p\":3},{\"p\":4},{\"p\":5}]}",
     "{\"l\":[{\"p\":2},{\"p\":3},{\"p\":9},{\"p\":5}]}",
     "- l[0] l[] {\"p\":1} .\n~ l[3].p l[].p 4 9\n"},
    {"another order", "{\"l\":[1,2]}", "{\"l\":[2,1]}", "- l[0] l[] 1 .\n+ l[1] l[] . 1\n"},
    {"repeated elements", "{\"l\":[1,1,1,2]}", "{\"l\":[1,1,2]}", "- l[2] l[] 1 .\n"},
    {"to empty", "{\"l\":[1,2]}", "{\"l\":[]}", "- l[0] l[] 1 .\n- l[1] l[] 2 .\n"},
    {"lists of lists", "{\"l\":[[1,2],[3]]}", "{\"l\":[[1,4],[3]]}", "~ l[0][1] l[][] 2 4\n"},
    {"a raw frame and a decoded one", "{\"type\":\"raw\",\"error\":{\"reason\":\"no_topic\"}}",
     "{\"type\":\"trade\",\"trades\":[]}",
     "~ type = \"raw\" \"trade\"\n- error = {\"reason\":\"no_topic\"} .\n+ trades = . []\n"},
};

static void test_cases(void **state)
{
    (void)state;
    td_arena *arena = td_arena_open(ARENA_BYTES);
    assert_non_null(arena);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const diff_case *c = &CASES[i];
        const field_difference *rows;
        size_t count;
        td_err err;
        char found[4096];
        td_result rc =
            field_diff(td_bytes_str(c->was), td_bytes_str(c->is), arena, &rows, &count, &err);
        if (rc != TD_OK)
            fail_msg("%s: %s", c->name, err.text);
        print_all(rows, count, found, sizeof found);
        if (strcmp(found, c->expected) != 0)
            fail_msg("%s:\n%sexpected\n%s", c->name, found, c->expected);
        td_arena_reset(arena);
    }
    td_arena_close(arena);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"", "[]", "1", "{", "{\"a\":}", "{}x"};
    td_arena *arena = td_arena_open(ARENA_BYTES);
    assert_non_null(arena);
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        const field_difference *rows;
        size_t count;
        td_err err;
        td_bytes text = td_bytes_str(TEXTS[i]);
        td_bytes good = td_bytes_str("{}");
        assert_int_equal(field_diff(text, good, arena, &rows, &count, &err), TD_E_INVALID);
        assert_int_equal(field_diff(good, text, arena, &rows, &count, &err), TD_E_INVALID);
    }
    td_arena_close(arena);
}

static void test_arena_full(void **state)
{
    (void)state;
    td_arena *arena = td_arena_open(64);
    const field_difference *rows;
    size_t count;
    td_err err;
    assert_non_null(arena);
    assert_int_equal(field_diff(td_bytes_str("{\"a\":\"long long long\",\"b\":1}"),
                                td_bytes_str("{\"a\":\"longer longer longer\",\"b\":2}"), arena,
                                &rows, &count, &err),
                     TD_E_NOMEM);
    td_arena_close(arena);
}

/* {"l":[from, from + 1, …]} without the number that is left out. */
static void write_numbers(td_buf *buf, unsigned from, unsigned count, unsigned left_out)
{
    assert_int_equal(td_buf_printf(buf, NULL, "{\"l\":["), TD_OK);
    const char *comma = "";
    for (unsigned i = from; i < from + count; i++) {
        if (i == left_out)
            continue;
        assert_int_equal(td_buf_printf(buf, NULL, "%s%u", comma, i), TD_OK);
        comma = ",";
    }
    assert_int_equal(td_buf_printf(buf, NULL, "]}"), TD_OK);
}

/* Two changes at both ends of a list: the one alignment that finds them looks at all pairs. Beyond
 * its bound elements are compared by index. */
static void check_size(unsigned size, size_t expected)
{
    td_arena *arena = td_arena_open(ARENA_BYTES);
    const field_difference *rows;
    size_t count;
    td_err err;
    td_buf was, is;
    td_buf_init(&was, 1 << 20);
    td_buf_init(&is, 1 << 20);
    write_numbers(&was, 0, size, UINT32_MAX);
    write_numbers(&is, 1, size, UINT32_MAX);
    assert_int_equal(field_diff(td_buf_view(&was), td_buf_view(&is), arena, &rows, &count, &err),
                     TD_OK);
    assert_int_equal(count, expected);
    td_buf_clear(&is);
    write_numbers(&is, 0, size, size / 2);
    assert_int_equal(field_diff(td_buf_view(&was), td_buf_view(&is), arena, &rows, &count, &err),
                     TD_OK);
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].change, FIELD_GONE);
    td_buf_fini(&was);
    td_buf_fini(&is);
    td_arena_close(arena);
}

static void test_long_lists(void **state)
{
    (void)state;
    check_size(1024, 2);
    check_size(1025, 1025);
}

static void add_pair(field_counts *counts, const char *topic, const char *was, const char *is)
{
    td_arena *arena = td_arena_open(ARENA_BYTES);
    const field_difference *rows;
    size_t count;
    td_err err;
    assert_int_equal(field_diff(td_bytes_str(was), td_bytes_str(is), arena, &rows, &count, &err),
                     TD_OK);
    assert_int_equal(field_counts_add(counts, topic, rows, count, &err), TD_OK);
    td_arena_close(arena);
}

static void test_counts(void **state)
{
    (void)state;
    static const field_count EXPECTED[] = {
        {.topic = "book", .pattern = "l[].p", .frames = 3},
        {.topic = "book", .pattern = "a", .frames = 1},
        {.topic = "book", .pattern = "z", .frames = 1},
        {.topic = "trade", .pattern = "l[].p", .frames = 1},
    };
    field_counts *counts;
    const field_count *rows;
    size_t count;
    td_err err;
    assert_int_equal(field_counts_open(&counts, &err), TD_OK);
    add_pair(counts, "trade", "{\"l\":[{\"p\":1}]}", "{\"l\":[{\"p\":2}]}");
    /* Twice in one frame is one frame. */
    add_pair(counts, "book", "{\"z\":0,\"l\":[{\"p\":1},{\"p\":2}]}",
             "{\"z\":1,\"l\":[{\"p\":5},{\"p\":6}]}");
    add_pair(counts, "book", "{\"l\":[{\"p\":1}]}", "{\"l\":[{\"p\":2}]}");
    add_pair(counts, "book", "{\"a\":1,\"l\":[{\"p\":1}]}", "{\"l\":[{\"p\":2}]}");
    assert_int_equal(field_counts_rows(counts, &rows, &count, &err), TD_OK);
    assert_int_equal(count, sizeof EXPECTED / sizeof *EXPECTED);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(rows[i].topic, EXPECTED[i].topic);
        assert_string_equal(rows[i].pattern, EXPECTED[i].pattern);
        assert_int_equal(rows[i].frames, EXPECTED[i].frames);
    }
    assert_int_equal(field_counts_left_out(counts), 0);
    field_counts_close(counts);
}

static void test_counts_bound(void **state)
{
    (void)state;
    field_counts *counts;
    const field_count *rows;
    size_t count;
    td_err err;
    assert_int_equal(field_counts_open(&counts, &err), TD_OK);
    for (unsigned i = 0; i < LIMIT_FIELD_PATTERNS + 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%u", i);
        const field_difference one = {.path = name, .pattern = name, .was = "1", .is = "2"};
        assert_int_equal(field_counts_add(counts, "t", &one, 1, &err), TD_OK);
    }
    const field_difference known = {.path = "f0", .pattern = "f0", .was = "1", .is = "2"};
    assert_int_equal(field_counts_add(counts, "t", &known, 1, &err), TD_OK);
    assert_int_equal(field_counts_rows(counts, &rows, &count, &err), TD_OK);
    assert_int_equal(count, LIMIT_FIELD_PATTERNS);
    assert_string_equal(rows[0].pattern, "f0");
    assert_int_equal(rows[0].frames, 2);
    assert_int_equal(field_counts_left_out(counts), 2);
    field_counts_close(counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_arena_full), cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_counts),     cmocka_unit_test(test_counts_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
