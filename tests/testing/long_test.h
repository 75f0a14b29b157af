/* Tests that take long by waiting, or do at length what another test does in short: they run if
 * TAPEDECK_LONG is set, as `make check` sets it. Any thread. */
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

/* Skip the running test unless they are on. The text is that of tests/e2e/lib.mjs. */
static inline void long_test(void)
{
    if (long_tests_are_on())
        return;
    (void)fputs("skipped: takes long: make check runs it\n", stderr);
    skip();
}

#endif
