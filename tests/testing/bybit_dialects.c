#include "tests/testing/bybit_dialects.h"

#include <stddef.h>

#include "base/assert.h"
#include "schema/exchange.h"
#include "schema/family.h"

const dialect *dialect_find(dialect_id id)
{
    static const char *const NAMES[DIALECT_COUNT] = {
        [DIALECT_OP] = "op",
        [DIALECT_V3] = "v3",
        [DIALECT_V5] = "v5",
        [DIALECT_V5_SPOT] = "v5-spot",
        [DIALECT_V5_OPTION] = "v5-option",
        [DIALECT_V5_PRIVATE] = "v5-private",
        [DIALECT_USDC] = "usdc",
        [DIALECT_SPOT] = "spot",
        [DIALECT_SPOT_V2] = "spot-v2",
        [DIALECT_SPOT_PRIVATE] = "spot-private",
        [DIALECT_V5_TRADE] = "v5-trade",
        [DIALECT_SPOT_V3] = "spot-v3",
    };
    if ((unsigned)id >= DIALECT_COUNT)
        return NULL;
    const exchange_row *exchange = exchange_of(NULL);
    size_t at = 0;
    while (at < exchange->dialect_count &&
           !td_bytes_is(td_bytes_str(NAMES[id]), exchange->dialects[at].name))
        at++;
    TD_ASSERT(at < exchange->dialect_count);
    return &exchange->dialects[at];
}

td_result find_bybit(void *user, td_bytes name, const exchange_row **out, td_err *err)
{
    (void)user;
    *out = exchange_of(NULL);
    return td_bytes_is(name, "bybit") ? TD_OK
                                      : td_err_set(err, TD_E_INVALID, "there is no exchange.yaml");
}
