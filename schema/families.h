/* The list of families: each is defined in schema/topics/<family>.c, with its topics. A new one is
 * a line here and that file. The order is that of docs/design.md ("Words"). For family.c and the
 * families' own files: everybody else asks schema/family.h. */
#ifndef TD_SCHEMA_FAMILIES_H
#define TD_SCHEMA_FAMILIES_H

#include "schema/family.h"

/* clang-format off: one family, one line */
#define FAMILIES(X)                                                                                \
    X(INVERSE)                                                                                     \
    X(LINEAR)                                                                                      \
    X(COPYTRADE)                                                                                   \
    X(USDC_PERP)                                                                                   \
    X(USDC_OPTION)                                                                                 \
    X(USDC_PRIVATE)                                                                                \
    X(SPOT_V1)                                                                                     \
    X(SPOT_V2)                                                                                     \
    X(SPOT_PRIVATE)                                                                                \
    X(CONTRACT_V3)                                                                                 \
    X(V5_LINEAR)                                                                                   \
    X(V5_INVERSE)                                                                                  \
    X(V5_SPOT)                                                                                     \
    X(V5_OPTION)                                                                                   \
    X(V5_PRIVATE)                                                                                  \
    X(V5_SPREAD)                                                                                   \
    X(V5_MISC)                                                                                     \
    /* end */
/* clang-format on */

#define FAMILY_DECLARATION(id) extern const family FAMILY_##id;
FAMILIES(FAMILY_DECLARATION)
#undef FAMILY_DECLARATION

#endif
