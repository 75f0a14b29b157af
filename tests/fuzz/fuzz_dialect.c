/* Requests, answers and topics of any bytes, in every dialect: tests/testing/dialect_check.h has
 * the requirements. */
#include <stdint.h>

#include "base/assert.h"
#include "tests/testing/dialect_check.h"
#include "tests/testing/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static dialect_check *check;
    if (check == NULL)
        check = dialect_check_open();
    dialect_check_input(check, data, size);
    return 0;
}
