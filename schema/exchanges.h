/* All exchanges: each has a folder with its row, its families and its dialects, and a line in this
 * file. Only schema/family.c includes it; other files use schema/family.h. */
#ifndef TD_SCHEMA_EXCHANGES_H
#define TD_SCHEMA_EXCHANGES_H

#include "schema/bybit/families.h"

#define FAMILIES(X) BYBIT_FAMILIES(X) /* in the order of docs/design.md ("Words") */

#endif
