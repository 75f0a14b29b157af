#include "tests/testing/fuzz_input.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

/* Instead of base/assert.c's, which ends the process quietly: the fuzzer has to see a crash. */
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

void fuzz_put_file(td_io io, const char *path, const uint8_t *data, size_t size)
{
    td_file *file;
    fuzz_must(td_io_open(io, path, TD_OPEN_CREATE, &file, NULL), NULL);
    if (size > 0)
        fuzz_must(td_io_append(file, data, size, NULL), NULL);
    td_io_close(file);
}
