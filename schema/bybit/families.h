/* Bybit's families: each is defined in a file of this folder, with its topics. To add a family, add
 * such a file and a line here, in the order of docs/design.md ("Words"). Only for schema/family.c
 * and the families' files; others use schema/family.h. */
#ifndef TD_BYBIT_FAMILIES_H
#define TD_BYBIT_FAMILIES_H

typedef struct exchange_row exchange_row; /* schema/exchange.h */
typedef struct family family;             /* schema/family.h */

extern const exchange_row BYBIT;

/* clang-format off: one family, one line */
#define BYBIT_FAMILIES(X)                                                                          \
    X(INVERSE, "inverse")                                                                          \
    X(LINEAR, "linear")                                                                            \
    X(COPYTRADE, "copytrade")                                                                      \
    X(USDC_PERP, "usdc-perp")                                                                      \
    X(USDC_OPTION, "usdc-option")                                                                  \
    X(USDC_PRIVATE, "usdc-private")                                                                \
    X(SPOT_V1, "spot-v1")                                                                          \
    X(SPOT_V2, "spot-v2")                                                                          \
    X(SPOT_PRIVATE, "spot-private")                                                                \
    X(CONTRACT_V3, "contract-v3")                                                                  \
    X(V5_LINEAR, "v5-linear")                                                                      \
    X(V5_INVERSE, "v5-inverse")                                                                    \
    X(V5_SPOT, "v5-spot")                                                                          \
    X(V5_OPTION, "v5-option")                                                                      \
    X(V5_PRIVATE, "v5-private")                                                                    \
    X(V5_TRADE, "v5-trade")                                                                        \
    X(V5_SPREAD, "v5-spread")                                                                      \
    X(V5_MISC, "v5-misc")                                                                          \
    /* end */
/* clang-format on */

#define FAMILY_DECLARATION(id, name) extern const family FAMILY_##id;
BYBIT_FAMILIES(FAMILY_DECLARATION)
#undef FAMILY_DECLARATION

#endif
