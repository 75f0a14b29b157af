/* UTF-8: which bytes are text, and where a text is truncated. Sequences are from RFC 3629. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/utf8.h"

static void test_texts_are_recognized(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int is_text;
    } ROWS[] = {
        {"", 1},
        {"a \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", 1},
        {"\xc3", 0},             /* cut */
        {"a\x80", 0},            /* no lead byte before it */
        {"\xc0\x80", 0},         /* overlong */
        {"\xed\xa0\x80", 0},     /* surrogate */
        {"\xf4\x90\x80\x80", 0}, /* above U+10FFFF */
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        assert_int_equal(td_utf8_is_text(td_bytes_str(ROWS[i].bytes)), ROWS[i].is_text);
    assert_true(td_utf8_is_text(td_bytes_of("a\0b", 3)));
}

static void test_copy(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size, capacity;
        const char *copy;
    } ROWS[] = {
        {"", 0, 1, ""},
        {"abc", 3, 4, "abc"},
        {"abc", 3, 3, "ab"},
        {"abc", 3, 1, ""},
        {"a\xc3\xa4", 3, 4, "a\xc3\xa4"},
        {"a\xc3\xa4", 3, 3, "a"}, /* not half a character */
        {"a\0b", 3, 8, "a"},
        {"a\xff!", 3, 8, "a"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char out[8];
        memset(out, 'x', sizeof out);
        td_utf8_copy(out, ROWS[i].capacity, td_bytes_of(ROWS[i].bytes, ROWS[i].size));
        assert_string_equal(out, ROWS[i].copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_are_recognized),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
