/* Checks that must hold for every dialect and any bytes, for the fuzz target and for a test that
 * runs its corpus. A violation fails an assertion. */
#ifndef TD_TESTS_TESTING_DIALECT_CHECK_H
#define TD_TESTS_TESTING_DIALECT_CHECK_H

#include <stddef.h>
#include <stdint.h>

typedef struct dialect_check dialect_check;

/* Memory for the checks, used for any number of inputs; close frees it. */
dialect_check *dialect_check_open(void);
void dialect_check_close(dialect_check *check);

/* Check an input. Its first byte chooses dialect and side: '0' to '8': a server reads a request;
 * '@' to 'H': a client reads an answer; 'P' to 'X': a client requests topics, each followed by an
 * LF. */
void dialect_check_input(dialect_check *check, const uint8_t *data, size_t size);

#endif
