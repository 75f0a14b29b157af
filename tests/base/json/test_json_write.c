/* JSON writer. Expected texts are written from RFC 8259 and the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json_write.h"

static void assert_text(const td_buf *buf, const char *expected)
{
    assert_int_equal(buf->size, strlen(expected));
    assert_memory_equal(buf->data, expected, buf->size);
}

static void test_nesting_and_values(void **state)
{
    (void)state;
    td_buf buf;
    td_err err;
    json_writer w;
    td_buf_init(&buf, 4096);
    json_write_begin(&w, &buf);
    json_write_object_begin(&w);
    json_write_member_text(&w, "a", "x");
    json_write_member_text(&w, "none", NULL);
    json_write_member_i64(&w, "min", INT64_MIN);
    json_write_member_u64(&w, "max", UINT64_MAX);
    json_write_member_decimal(&w, "price", (td_decimal){6059100, 2});
    json_write_member_bool(&w, "yes", 17);
    json_write_member_bool(&w, "no", 0);
    json_write_key(&w, "list");
    json_write_array_begin(&w);
    json_write_array_begin(&w);
    json_write_array_end(&w);
    json_write_object_begin(&w);
    json_write_object_end(&w);
    json_write_null(&w);
    json_write_raw(&w, td_bytes_str("[1,2]"));
    json_write_array_end(&w);
    json_write_object_end(&w);
    assert_int_equal(json_write_end(&w, &err), TD_OK);
    assert_text(&buf, "{\"a\":\"x\",\"none\":null,\"min\":-9223372036854775808,"
                      "\"max\":18446744073709551615,\"price\":\"60591\",\"yes\":true,"
                      "\"no\":false,\"list\":[[],{},null,[1,2]]}");
    td_buf_fini(&buf);
}

/* Writes a text with json_write_bytes. */
static void write_one(td_buf *out, const void *text, size_t size)
{
    json_writer w;
    td_buf_clear(out);
    json_write_begin(&w, out);
    json_write_bytes(&w, td_bytes_of(text, size));
    assert_int_equal(json_write_end(&w, NULL), TD_OK);
    assert_true(out->size >= 2 && out->data[0] == '"' && out->data[out->size - 1] == '"');
}

static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        size_t size;
        const char *expected;
    } rows[] = {
        {"empty", "", 0, "\"\""},
        {"short escapes", "\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
        {"control", "\x01\x1f", 2, "\"\\u0001\\u001f\""},
        {"nul", "a\0b", 3, "\"a\\u0000b\""},
        {"slash stays", "/", 1, "\"/\""},
        {"what a terminal acts on", "\x7f\xc2\x9b\xe2\x80\xae", 6, "\"\\u007f\\u009b\\u202e\""},
        {"two, three, four bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
         "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"lone continuation", "a\x80z", 3, "\"a\xef\xbf\xbdz\""},
        {"overlong slash", "\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"surrogate half", "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"beyond U+10FFFF", "\xf4\x90\x80\x80", 4,
         "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"cut sequence", "x\xe2\x82", 3, "\"x\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        td_buf buf;
        print_message("%s\n", rows[i].name);
        td_buf_init(&buf, 256);
        write_one(&buf, rows[i].text, rows[i].size);
        assert_text(&buf, rows[i].expected);
        td_buf_fini(&buf);
    }
}

/* Every byte at every position of a text, alone and after a non-ASCII letter, which keeps the text
 * off the fast path. */
static void test_every_byte_at_every_place(void **state)
{
    (void)state;
    enum { SIZE = 19, PREFIX = 2 };
    td_buf plain, other;
    td_buf_init(&plain, 4096);
    td_buf_init(&other, 4096);
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < SIZE; at++) {
            uint8_t text[PREFIX + SIZE] = {0xc3, 0xa9};
            memset(text + PREFIX, 'a', SIZE);
            text[PREFIX + at] = (uint8_t)byte;
            write_one(&other, text, sizeof text);
            write_one(&plain, text + PREFIX, SIZE);
            assert_int_equal(plain.size + PREFIX, other.size);
            assert_memory_equal(plain.data + 1, other.data + 1 + PREFIX, plain.size - 1);
        }
    }
    td_buf_fini(&plain);
    td_buf_fini(&other);
}

static void test_first_failure_is_kept(void **state)
{
    (void)state;
    td_buf buf;
    td_err err;
    json_writer w;
    td_buf_init(&buf, 8);
    json_write_begin(&w, &buf);
    json_write_array_begin(&w);
    json_write_text(&w, "far too long for the buffer");
    json_write_i64(&w, 1);
    json_write_array_end(&w);
    assert_int_equal(json_write_end(&w, &err), TD_E_LIMIT);
    assert_non_null(strstr(err.text, "writing JSON"));
    td_buf_fini(&buf);
}

/* Bytes from outside are a string only if a string can hold them unchanged. */
static void test_text_or_hex(void **state)
{
    (void)state;
    td_buf buf;
    td_err err;
    json_writer w;
    td_buf_init(&buf, 4096);
    json_write_begin(&w, &buf);
    json_write_object_begin(&w);
    json_write_member_text_or_hex(&w, "a", "a_hex", td_bytes_str("\xc3\xa4"));
    json_write_member_text_or_hex(&w, "b", "b_hex", td_bytes_str("x\xc3"));
    json_write_member_text_or_hex(&w, "c", "c_hex", td_bytes_of("\xff\x00\x1f", 3));
    json_write_member_text_or_hex(&w, "d", "d_hex", td_bytes_of(NULL, 0));
    json_write_object_end(&w);
    assert_int_equal(json_write_end(&w, &err), TD_OK);
    assert_text(&buf, "{\"a\":\"\xc3\xa4\",\"b_hex\":\"78c3\",\"c_hex\":\"ff001f\",\"d\":\"\"}");
    td_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting_and_values),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_every_byte_at_every_place),
        cmocka_unit_test(test_first_failure_is_kept),
        cmocka_unit_test(test_text_or_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
