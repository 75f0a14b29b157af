#include "tests/testing/fuzz_input.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

/* Replaces the function in base/assert.c, which exits without a crash: a fuzzer must see a
 * crash. */
void td_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

void fuzz_must(td_result rc, const td_err *err)
{
    if (rc != TD_OK && err != NULL)
        fprintf(stderr, "%s\n", err->text);
    TD_ASSERT(rc == TD_OK);
}
