/* Text for screens. Expected texts: the contract in base/escape.h; code points: the Unicode
 * standard (C1 controls, UAX #9's format characters, table 3-7 for invalid UTF-8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <inttypes.h>

#include "base/escape.h"
#include "base/escape_format.h"
#include "base/utf8.h"

static const struct {
    const char *name, *raw, *shown;
} ROWS[] = {
    {"nothing", "", ""},
    {"plain", "BTCUSD = 5 'x' \\n", "BTCUSD = 5 'x' \\n"},
    {"line breaks and tab", "a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"},
    {"colour", "\033[31mRED", "\\x1b[31mRED"},
    {"OSC", "\033]0;title\007", "\\x1b]0;title\\x07"},
    {"DEL", "a\177", "a\\x7f"},
    {"C1 as UTF-8",
     "\xc2\x9b"
     "31m\xc2\x85",
     "\\u009b31m\\u0085"},
    {"C1 as a byte",
     "\x9b"
     "31m",
     "\\x9b31m"},
    {"override and isolates", "\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\xe2\x80\x8f",
     "\\u202e\\u2066\\u061c\\u200f"},
    {"line separator", "\xe2\x80\xa8", "\\u2028"},
    {"letters of other scripts", "\xc3\xa9\xe4\xba\xac\xf0\x9f\x98\x80",
     "\xc3\xa9\xe4\xba\xac\xf0\x9f\x98\x80"},
    {"cut off", "a\xe2\x80", "a\\xe2\\x80"},
    {"overlong", "\xc0\x9b", "\\xc0\\x9b"},
    {"surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
};

static void text_is_escaped(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char out[64];
        char again[64];
        td_buf buf;
        td_buf_init(&buf, 64);
        if (!td_escape(td_bytes_str(ROWS[i].raw), out, sizeof out) ||
            strcmp(out, ROWS[i].shown) != 0)
            fail_msg("%s: '%s'", ROWS[i].name, out);
        assert_int_equal(td_escape(td_bytes_str(out), again, sizeof again), 1);
        assert_string_equal(again, out); /* escaping twice changes nothing more */
        assert_int_equal(td_escape_append(&buf, td_bytes_str(ROWS[i].raw), NULL), TD_OK);
        assert_int_equal(buf.size, strlen(out));
        assert_memory_equal(buf.size == 0 ? out : (const char *)buf.data, out, buf.size);
        td_buf_fini(&buf);
    }
}

/* A truncated text ends with a whole character or escape, because a part of an escape could be read
 * as another one. */
static void a_cut_is_between_characters(void **state)
{
    (void)state;
    char out[8];
    assert_int_equal(td_escape(td_bytes_str("abcdefgh"), out, 5), 0);
    assert_string_equal(out, "abcd");
    assert_int_equal(td_escape(td_bytes_str("abc\033"), out, 7), 0);
    assert_string_equal(out, "abc");
    assert_int_equal(td_escape(td_bytes_str("abc\033"), out, 8), 1);
    assert_string_equal(out, "abc\\x1b");
    assert_int_equal(td_escape(td_bytes_str("ab\xe4\xba\xac"), out, 5), 0);
    assert_string_equal(out, "ab");
    assert_int_equal(td_escape(td_bytes_str("a"), out, 1), 0);
    assert_string_equal(out, "");
}

/* For any bytes, the result is UTF-8 without control characters. */
static void no_byte_gets_through(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        uint8_t raw[12];
        char out[sizeof raw * 6 + 1];
        for (size_t i = 0; i < sizeof raw; i++) {
            seed = seed * 1664525 + 1013904223;
            raw[i] = (uint8_t)(seed >> 24);
        }
        assert_int_equal(td_escape(td_bytes_of(raw, sizeof raw), out, sizeof out), 1);
        size_t size = strlen(out);
        for (size_t at = 0, one; at < size; at += one) {
            one = td_utf8_bytes((const uint8_t *)out + at, size - at);
            assert_int_not_equal(one, 0);
            assert_false(td_utf8_is_control(td_utf8_code((const uint8_t *)out + at, one)));
        }
    }
}

static void check_format(const char *expected, const char *format, ...) TD_PRINTF(2, 3);
static void check_format(const char *expected, const char *format, ...)
{
    td_buf buf;
    td_buf_init(&buf, 1024);
    va_list values;
    va_start(values, format);
    assert_int_equal(td_escape_vprintf(&buf, NULL, format, values), TD_OK);
    va_end(values);
    assert_int_equal(td_buf_append(&buf, "", 1, NULL), TD_OK);
    assert_string_equal((const char *)buf.data, expected);
    td_buf_fini(&buf);
}

/* As in printf (C17 7.21.6.1), except for escapes. */
static void formats_are_those_of_printf(void **state)
{
    (void)state;
    check_format("line\n", "line\n");
    check_format("a\\x0ab\n", "%s\n", "a\nb");
    check_format("[   ab] [ab] [\\x1b]", "[%*s] [%.*s] [%s]", 5, "ab", 2, "abc", "\033");
    check_format("[  xy]", "[%*.*s]", 4, 2, "xyz");
    check_format("7 18446744073709551615 c\\x07", "%u %zu %c%c", 7U, SIZE_MAX, 'c', '\a');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(a_cut_is_between_characters),
        cmocka_unit_test(no_byte_gets_through),
        cmocka_unit_test(formats_are_those_of_printf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
