/* What must hold of every dialect for any bytes, for the fuzz target and for a test that goes over
 * its corpus. A violation is an assertion. */
#ifndef TD_TESTS_TESTING_DIALECT_CHECK_H
#define TD_TESTS_TESTING_DIALECT_CHECK_H

#include <stddef.h>
#include <stdint.h>

typedef struct dialect_check dialect_check;

dialect_check *dialect_check_open(void);
void dialect_check_close(dialect_check *check);

/* The first byte chooses dialect and side: '0' to '8' a request that a server reads, '@' to 'H' an
 * answer that a client reads, 'P' to 'X' topics (each followed by a LF) that a client requests. */
void dialect_check_input(dialect_check *check, const uint8_t *data, size_t size);

#endif
