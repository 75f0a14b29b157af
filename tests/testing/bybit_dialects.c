#include "tests/testing/bybit_dialects.h"

#include "schema/bybit/dialects.h"

const dialect *dialect_find(dialect_id id)
{
    static const dialect *const TABLES[DIALECT_COUNT] = {
        [DIALECT_OP] = &BYBIT_OP,
        [DIALECT_V3] = &BYBIT_V3,
        [DIALECT_V5] = &BYBIT_V5,
        [DIALECT_V5_SPOT] = &BYBIT_V5_SPOT,
        [DIALECT_V5_OPTION] = &BYBIT_V5_OPTION,
        [DIALECT_V5_PRIVATE] = &BYBIT_V5_PRIVATE,
        [DIALECT_USDC] = &BYBIT_USDC,
        [DIALECT_SPOT] = &BYBIT_SPOT,
        [DIALECT_SPOT_V2] = &BYBIT_SPOT_V2,
        [DIALECT_SPOT_PRIVATE] = &BYBIT_SPOT_PRIVATE,
        [DIALECT_V5_TRADE] = &BYBIT_V5_TRADE,
    };
    return (unsigned)id < DIALECT_COUNT ? TABLES[id] : NULL;
}
