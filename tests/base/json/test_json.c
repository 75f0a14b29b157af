/* JSON reader. Which texts are JSON, and the offset of the error in others, is written by hand from
 * RFC 8259. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/json/json.h"

static json_value parse(json_parser *parser, const char *text)
{
    json_value root;
    td_err err;
    assert_int_equal(json_parse(parser, td_bytes_str(text), JSON_COPIED, &root, &err), TD_OK);
    return root;
}

static void test_accepted(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        "0",
        "-0",
        "1e5",
        "-1.5E+10",
        "\"\"",
        "true",
        "false",
        "null",
        " \t\r\n[ 1 , 2 ] \n",
        "{\"a\":{\"b\":[{}]}}",
        "\"\\u0041\\ud83d\\ude00\\n\"",
        "\xef\xbb\xbf{\"a\":1}",
        "{\"a\":1,\"a\":2}",
        "[\"\xc3\xa9\"]",
        "{\"\":0}",
        "[[[[[[[[[[]]]]]]]]]]",
    };
    json_parser *parser = json_parser_open(0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_value root;
        td_err err;
        td_err_clear(&err);
        print_message("%s\n", texts[i]);
        assert_int_equal(json_parse(parser, td_bytes_str(texts[i]), JSON_COPIED, &root, &err),
                         TD_OK);
    }
    json_parser_close(parser);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size; /* 0: strlen */
        size_t offset;
    } rows[] = {
        {"", 0, 0},
        {"   ", 0, 3},
        {"{", 0, 1},
        {"[1,", 0, 3},
        {"{\"a\":1", 0, 6},
        {"{\"a\" 1}", 0, 5},
        {"{\"a\":}", 0, 5},
        {"{a:1}", 0, 1},
        {"{\"a\":1,}", 0, 7},
        {"[1,]", 0, 3},
        {"[1 2]", 0, 3},
        {"[1]]", 0, 3},
        {"{} {}", 0, 3},
        {"[1}", 0, 2},
        {"01", 0, 0},
        {"-", 0, 0},
        {"1.", 0, 0},
        {".5", 0, 0},
        {"+1", 0, 0},
        {"1e", 0, 0},
        {"0x10", 0, 0},
        {"NaN", 0, 0},
        {"tru", 0, 0},
        {"nullx", 0, 0},
        {"False", 0, 0},
        {"[\"a\"b]", 0, 4},
        {"\"abc", 0, 4},
        {"{\"a\":\"b}", 0, 8},
        {"\"\\x\"", 0, 1},
        {"\"\\u12G4\"", 0, 1},
        {"\"\\ud800\"", 0, 1},
        {"\"\\ud800\\u0041\"", 0, 1},
        {"\"\\udc00\"", 0, 1},
        {"\"a\nb\"", 0, 2},
        {"\"a\0b\"", 5, 2},
        {"\"\xff\"", 0, 1},
        {"[\"\xc3\"]", 0, 2},
        {"\"\xed\xa0\x80\"", 0, 1},
        {"// no\n1", 0, 0},
        {"'a'", 0, 0},
        {"\xef\xbb\xbf{\"a\":tru}", 0, 8},
    };
    json_parser *parser = json_parser_open(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_value root;
        td_err err;
        size_t size = rows[i].size == 0 ? strlen(rows[i].text) : rows[i].size;
        print_message("%s\n", rows[i].text);
        assert_int_equal(
            json_parse(parser, td_bytes_of(rows[i].text, size), JSON_COPIED, &root, &err),
            TD_E_INVALID);
        json_error error = json_parse_error(parser);
        assert_non_null(error.what);
        assert_int_equal(error.offset, rows[i].offset);
        assert_non_null(strstr(err.text, error.what));
    }
    json_parser_close(parser);
}

/* Nesting up to the limit is accepted; one level more, or very many, is TD_E_LIMIT. */
static void test_depth(void **state)
{
    (void)state;
    static const struct {
        size_t depth;
        td_result rc;
    } rows[] = {
        {LIMIT_JSON_DEPTH, TD_OK}, {LIMIT_JSON_DEPTH + 1, TD_E_LIMIT}, {100000, TD_E_LIMIT}};
    json_parser *parser = json_parser_open(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t depth = rows[i].depth;
        char *text = td_alloc(2 * depth);
        assert_non_null(text);
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        json_value root;
        assert_int_equal(json_parse(parser, td_bytes_of(text, 2 * depth), JSON_COPIED, &root, NULL),
                         rows[i].rc);
        td_free(text);
    }
    json_parser_close(parser);
}

static void test_size_limit(void **state)
{
    (void)state;
    json_value root;
    td_err err;
    json_parser *parser = json_parser_open(10);
    assert_int_equal(json_parse(parser, td_bytes_str("[12345678]"), JSON_COPIED, &root, &err),
                     TD_OK);
    assert_int_equal(json_parse(parser, td_bytes_str("[123456789]"), JSON_COPIED, &root, &err),
                     TD_E_LIMIT);
    json_parser_close(parser);
}

static void test_walk(void **state)
{
    (void)state;
    json_parser *parser = json_parser_open(0);
    json_value root = parse(
        parser, " {\"a\" : [1, {\"x\":[]}, \"s\"], \"b\\u0062\":{\"k\":1}, \"a\":2, \"e\":{}}");
    json_value value;
    json_value key;
    assert_int_equal(json_type_of(root), JSON_OBJECT);
    assert_int_equal(json_count(root), 4);
    assert_true(json_find(root, "a", &value)); /* the first of two */
    assert_int_equal(json_type_of(value), JSON_ARRAY);
    assert_int_equal(json_count(value), 3);
    assert_int_equal(json_offset(value), 8);
    td_bytes raw = json_raw(value);
    assert_true(td_bytes_is(raw, "[1, {\"x\":[]}, \"s\"]"));
    assert_true(json_find(root, "bb", &value)); /* an escaped key */
    assert_true(td_bytes_is(json_raw(value), "{\"k\":1}"));
    assert_false(json_find(root, "A", &value)); /* case matters */
    assert_false(json_find(value, "missing", &value));
    json_iter it = json_iter_of(root);
    td_bytes text;
    assert_true(json_next(&it, &key, &value));
    assert_true(json_text(key, &text) && td_bytes_is(text, "a"));
    assert_true(json_next(&it, &key, &value));
    assert_true(json_text(key, &text) && td_bytes_is(text, "bb"));
    assert_true(json_next(&it, NULL, &value));
    assert_true(json_next(&it, NULL, &value));
    assert_int_equal(json_count(value), 0);
    assert_false(json_next(&it, NULL, &value));
    json_parser_close(parser);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int is_i64, is_u64;
        int64_t i64;
        uint64_t u64;
    } rows[] = {
        {"0", 1, 1, 0, 0},
        {"-0", 1, 0, 0, 0},
        {"9223372036854775807", 1, 1, INT64_MAX, INT64_MAX},
        {"9223372036854775808", 0, 1, 0, (uint64_t)INT64_MAX + 1},
        {"-9223372036854775808", 1, 0, INT64_MIN, 0},
        {"-9223372036854775809", 0, 0, 0, 0},
        {"18446744073709551615", 0, 1, 0, UINT64_MAX},
        {"18446744073709551616", 0, 0, 0, 0},
        {"1.5", 0, 0, 0, 0},
        {"1e2", 0, 0, 0, 0},
        {"1e40", 0, 0, 0, 0},
        {"\"1\"", 0, 0, 0, 0},
        {"null", 0, 0, 0, 0},
    };
    json_parser *parser = json_parser_open(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_value root = parse(parser, rows[i].text);
        int64_t i64 = 7;
        uint64_t u64 = 7;
        print_message("%s\n", rows[i].text);
        assert_int_equal(json_i64(root, &i64), rows[i].is_i64);
        assert_int_equal(json_u64(root, &u64), rows[i].is_u64);
        assert_true(!rows[i].is_i64 || i64 == rows[i].i64);
        assert_true(!rows[i].is_u64 || u64 == rows[i].u64);
    }
    json_parser_close(parser);
}

static void test_strings(void **state)
{
    (void)state;
    json_parser *parser = json_parser_open(0);
    json_value root =
        parse(parser, "[\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\","
                      "\"plain\",\"\\u0000\",true,5]");
    json_value value;
    json_iter it = json_iter_of(root);
    td_bytes text;
    td_bytes again;
    assert_true(json_next(&it, NULL, &value) && json_text(value, &text));
    assert_true(td_bytes_is(text, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"\\/\b\f\n\r\t"));
    assert_true(json_next(&it, NULL, &value) && json_text(value, &again));
    assert_true(td_bytes_is(again, "plain"));
    assert_true(td_bytes_is(text, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"\\/\b\f\n\r\t"));
    assert_true(json_next(&it, NULL, &value) && json_text(value, &text));
    assert_int_equal(text.size, 1);
    assert_int_equal(text.data[0], 0);
    int is_true = 0;
    assert_true(json_next(&it, NULL, &value) && json_bool(value, &is_true));
    assert_int_equal(is_true, 1);
    assert_false(json_text(value, &text));
    assert_true(json_next(&it, NULL, &value));
    assert_false(json_bool(value, &is_true));
    assert_false(json_is_null(value));
    json_parser_close(parser);
}

/* A parser can be reused; bytes after a padded text do not matter. */
static void test_padded_and_reused(void **state)
{
    (void)state;
    json_parser *parser = json_parser_open(0);
    char text[256];
    json_value root;
    for (size_t size = 2; size < 128; size++) {
        memset(text, ']', sizeof text);
        text[0] = '[';
        memset(text + 1, ' ', size - 2);
        text[size - 1] = ']';
        assert_int_equal(json_parse(parser, td_bytes_of(text, size), JSON_PADDED, &root, NULL),
                         TD_OK);
        assert_int_equal(json_count(root), 0);
        assert_int_equal(json_parse(parser, td_bytes_of(text, size - 1), JSON_PADDED, &root, NULL),
                         TD_E_INVALID);
    }
    json_parser_close(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),    cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_walk),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_strings),  cmocka_unit_test(test_padded_and_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
