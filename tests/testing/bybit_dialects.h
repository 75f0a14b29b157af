/* Numbers for Bybit's dialects, for tables of tests and for the first byte of the fuzz corpus of
 * requests and answers. */
#ifndef TD_TESTS_TESTING_BYBIT_DIALECTS_H
#define TD_TESTS_TESTING_BYBIT_DIALECTS_H

#include "schema/dialect.h"

typedef enum dialect_id {
    DIALECT_OP,
    DIALECT_V3,
    DIALECT_V5,
    DIALECT_V5_SPOT,
    DIALECT_V5_OPTION,
    DIALECT_V5_PRIVATE,
    DIALECT_USDC,
    DIALECT_SPOT,
    DIALECT_SPOT_V2,
    DIALECT_SPOT_PRIVATE,
    DIALECT_V5_TRADE,
    DIALECT_SPOT_V3,
    DIALECT_COUNT,
} dialect_id;

/* The dialect of an enumerator; NULL for other values. */
const dialect *dialect_find(dialect_id id);

/* As family_texts.exchange (schema/family_file.h): there is Bybit only. */
td_result find_bybit(void *user, td_bytes name, const exchange_row **out, td_err *err);

#endif
