#include "tests/testing/changed_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

void changed_document_write(changed_document *of, size_t line, const char *instead)
{
    size_t used = 0;
    for (size_t i = 0; i < of->line_count; i++) {
        const int n = snprintf(of->text + used, sizeof of->text - used, "%s\n",
                               i + 1 == line ? instead : of->lines[i]);
        assert_true(n > 0 && used + (size_t)n < sizeof of->text);
        used += (size_t)n;
    }
}

int changed_document_find(void *user, td_bytes name, td_bytes *out)
{
    const changed_document *of = user;
    if (td_bytes_is(name, "made"))
        *out = td_bytes_str(of->text);
    else if (td_bytes_is(name, "used"))
        *out = td_bytes_str(of->used);
    else
        return 0;
    return 1;
}
