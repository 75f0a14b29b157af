/* The page as one file: it has no markup of answers, no address, and never more than
 * SAVED_PAGE_BYTES_MAX bytes. (What a browser shows of it: tests/e2e/view/saved_page.test.mjs.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/random.h"
#include "view/saved_page.h"

static int has(const saved_page *page, const char *text)
{
    return memmem(page->html.data, page->html.size, text, strlen(text)) != NULL;
}

static void test_answers_are_no_markup(void **state)
{
    static const char EVIL[] = "</script><img src=http://evil>";
    saved_page page;
    (void)state;
    assert_int_equal(saved_page_begin(&page, 1795154400000000000, 1, NULL), TD_OK);
    assert_int_equal(saved_page_add(&page, "gaps", td_bytes_str(EVIL), NULL), TD_OK);
    assert_int_equal(saved_page_add(&page, "archive", td_bytes_str("{}"), NULL), TD_OK);
    saved_page_end(&page);
    assert_true(
        has(&page, "{\"saved_ms\":1795154400000,\"is_damaged\":true,\"answers\":{\n\"gaps\":\""));
    assert_true(has(&page, ",\n\"archive\":\""));
    assert_false(has(&page, "evil"));
    assert_false(has(&page, "http:"));
    assert_false(has(&page, "https:"));
    assert_false(has(&page, "src=\"main.js\""));
    assert_true(has(&page, "</body>\n</html>\n"));
    saved_page_fini(&page);
}

static void test_an_answer_that_does_not_fit_leaves_the_page(void **state)
{
    enum { ANSWER_BYTES = 300 << 10 };
    uint8_t *answer = td_alloc(ANSWER_BYTES);
    char question[32];
    saved_page page;
    td_result rc = TD_OK;
    size_t bytes = 0;
    (void)state;
    td_random_system(answer, ANSWER_BYTES); /* cannot be compressed */
    assert_int_equal(saved_page_begin(&page, 0, 0, NULL), TD_OK);
    for (int i = 0; rc == TD_OK; i++) {
        bytes = page.html.size;
        (void)snprintf(question, sizeof question, "tile?i=%d", i);
        rc = saved_page_add(&page, question, td_bytes_of(answer, ANSWER_BYTES), NULL);
    }
    assert_int_equal(rc, TD_E_LIMIT);
    assert_int_equal(page.html.size, bytes);
    assert_false(has(&page, question));
    saved_page_end(&page);
    assert_true(page.html.size <= SAVED_PAGE_BYTES_MAX);
    assert_true(page.html.size > SAVED_PAGE_BYTES_MAX - 2 * ANSWER_BYTES);
    saved_page_fini(&page);
    td_free(answer);
}

static void test_a_page_is_cut_to_an_earlier_size(void **state)
{
    saved_page page;
    (void)state;
    assert_int_equal(saved_page_begin(&page, 0, 0, NULL), TD_OK);
    assert_int_equal(saved_page_add(&page, "archive", td_bytes_str("{}"), NULL), TD_OK);
    const size_t bytes = page.html.size;
    assert_int_equal(saved_page_add(&page, "gaps", td_bytes_str("{}"), NULL), TD_OK);
    saved_page_cut(&page, bytes, 1);
    assert_int_equal(saved_page_add(&page, "notes", td_bytes_str("{}"), NULL), TD_OK);
    saved_page_end(&page);
    assert_false(has(&page, "\"gaps\""));
    assert_true(has(&page, ",\n\"notes\":\""));
    saved_page_fini(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_no_markup),
        cmocka_unit_test(test_an_answer_that_does_not_fit_leaves_the_page),
        cmocka_unit_test(test_a_page_is_cut_to_an_earlier_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
