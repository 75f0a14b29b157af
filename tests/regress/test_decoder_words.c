/* Command lines in words, as a shell splits them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "regress/decoder_words.h"

static void test_split(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *words[6]; /* ends with NULL; none: it is refused */
    } CASES[] = {
        {"python3 mine.py", {"python3", "mine.py"}},
        {"  a\t b\n", {"a", "b"}},
        {"a 'b c' \"d e\"", {"a", "b c", "d e"}},
        {"a'b'\"c\"d", {"abcd"}},
        {"a '' \"\"", {"a", "", ""}},
        {"a\\ b c\\\\d", {"a b", "c\\d"}},
        {"'\\n' \"\\n \\\" \\\\\"", {"\\n", "\\n \" \\"}},
        {"a $HOME *.py | b", {"a", "$HOME", "*.py", "|", "b"}},
        {"a\\", {"a\\"}},
        {"", {NULL}},
        {" \t", {NULL}},
        {"'' a", {NULL}},
        {"a 'b", {NULL}},
        {"a \"b\\\"", {NULL}},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char **words = NULL;
        td_err err;
        int is_refused = CASES[i].words[0] == NULL;
        td_result rc = decoder_words_split(CASES[i].text, &words, &err);
        assert_int_equal(rc, is_refused ? TD_E_INVALID : TD_OK);
        size_t count = 0;
        for (; !is_refused && CASES[i].words[count] != NULL; count++) {
            if (words[count] == NULL || strcmp(words[count], CASES[i].words[count]) != 0)
                fail_msg("%s: word %zu is %s", CASES[i].text, count,
                         words[count] == NULL ? "missing" : words[count]);
        }
        if (!is_refused)
            assert_null(words[count]);
        decoder_words_free(words);
    }
}

static void test_copy(void **state)
{
    (void)state;
    static const char *const WORDS[] = {"a b", "", "'c"};
    char **words = NULL;
    assert_int_equal(decoder_words_copy(WORDS, 3, &words, NULL), TD_OK);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(words[i], WORDS[i]);
    assert_null(words[3]);
    decoder_words_free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_split), cmocka_unit_test(test_copy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
