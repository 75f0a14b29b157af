#include "tests/testing/answer_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

void assert_text(td_bytes got, const char *expected)
{
    if (!td_bytes_is(got, expected))
        fail_msg("got %.*s, not %s", (int)got.size, (const char *)got.data, expected);
}

void topics_to_text(const td_bytes *topics, size_t count, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, size - used, "%.*s ", (int)topics[i].size,
                                 (const char *)topics[i].data);
    assert_true(used < size);
}
