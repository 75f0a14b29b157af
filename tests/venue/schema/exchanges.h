/* In place of schema/exchanges.h, where programs are built with one exchange more: the made-up one
 * of this folder. */
#ifndef TD_SCHEMA_EXCHANGES_H
#define TD_SCHEMA_EXCHANGES_H

#include "schema/bybit/families.h"
#include "tests/venue/harbor.h"

#define FAMILIES(X) BYBIT_FAMILIES(X) HARBOR_FAMILIES(X)

#endif
