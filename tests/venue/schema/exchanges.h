/* Replaces schema/exchanges.h in programs that are built with one more exchange: the made-up one in
 * this folder. */
#ifndef TD_SCHEMA_EXCHANGES_H
#define TD_SCHEMA_EXCHANGES_H

#include "schema/bybit/families.h"
#include "tests/venue/harbor.h"

#define FAMILIES(X) BYBIT_FAMILIES(X) HARBOR_FAMILIES(X)

#endif
