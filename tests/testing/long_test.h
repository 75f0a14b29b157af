/* Tests that take long, because they wait or repeat a short test many times. They run only if
 * TAPEDECK_LONG is set, as `make check` does. Any thread. */
#ifndef TD_TESTS_TESTING_LONG_TEST_H
#define TD_TESTS_TESTING_LONG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static inline int long_tests_are_on(void)
{
    return getenv("TAPEDECK_LONG") != NULL;
}

/* Skip the running test unless long tests are on. The message equals the one in
 * tests/e2e/support/harness.mjs. */
static inline void long_test(void)
{
    if (long_tests_are_on())
        return;
    (void)fputs("skipped: takes long: make check runs it\n", stderr);
    skip();
}

#endif
