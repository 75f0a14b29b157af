/* Documented texts of members with a fixed set of values. Only for the exchange's row. */
#ifndef TD_BYBIT_VALUES_H
#define TD_BYBIT_VALUES_H

#include "schema/exchange.h"

extern const value_row BYBIT_VALUES[]; /* ends with MEMBER_NONE */

#endif
