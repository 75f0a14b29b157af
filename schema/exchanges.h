/* All exchanges: each has a folder with its row, its families and its dialects, and a line here.
 * Only for schema/family.c: all others use schema/family.h. */
#ifndef TD_SCHEMA_EXCHANGES_H
#define TD_SCHEMA_EXCHANGES_H

#include "schema/bybit/families.h"

#define FAMILIES(X) BYBIT_FAMILIES(X) /* in the order of docs/design.md ("Words") */

#endif
