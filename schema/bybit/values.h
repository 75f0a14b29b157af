/* The documented texts of members of closed sets. For the exchange's row alone. */
#ifndef TD_SCHEMA_BYBIT_VALUES_H
#define TD_SCHEMA_BYBIT_VALUES_H

#include "schema/exchange.h"

extern const value_row BYBIT_VALUES[]; /* ends with MEMBER_NONE */

#endif
