/* Requests, answers and topics of any bytes through every dialect: tests/testing/dialect_check.h
 * says what must hold. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "tests/testing/dialect_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Instead of base/assert.c's, which ends the process quietly: the fuzzer has to see a crash. */
void td_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static dialect_check *check;
    if (check == NULL)
        check = dialect_check_open();
    dialect_check_input(check, data, size);
    return 0;
}
