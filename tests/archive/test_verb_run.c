/* What the archive's verbs share: how times are shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/verb_run.h"

static void test_short_time(void **state)
{
    (void)state;
    char text[SHORT_TIME_BYTES];
    verb_run_format_time(UINT64_C(1618677785489609000), text);
    assert_string_equal(text, "2021-04-17 16:43:05.489");
    verb_run_format_time(0, text);
    assert_string_equal(text, "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
