/* Bybit's families: each is a document in schema/bybit/families/. To add a family, add such a
 * document and a line here, in the order of docs/design.md ("Words"). Only for schema/family.c;
 * others use schema/family.h. */
#ifndef TD_BYBIT_FAMILIES_H
#define TD_BYBIT_FAMILIES_H

typedef struct exchange_row exchange_row; /* schema/exchange.h */

extern const exchange_row BYBIT;

/* clang-format off: one family, one line */
#define BYBIT_FAMILIES(X)                                                                          \
    X("inverse", BYBIT)                                                                            \
    X("linear", BYBIT)                                                                             \
    X("copytrade", BYBIT)                                                                          \
    X("usdc-perp", BYBIT)                                                                          \
    X("usdc-option", BYBIT)                                                                        \
    X("usdc-private", BYBIT)                                                                       \
    X("spot-v1", BYBIT)                                                                            \
    X("spot-v2", BYBIT)                                                                            \
    X("spot-private", BYBIT)                                                                       \
    X("contract-v3", BYBIT)                                                                        \
    X("v5-linear", BYBIT)                                                                          \
    X("v5-inverse", BYBIT)                                                                         \
    X("v5-spot", BYBIT)                                                                            \
    X("v5-option", BYBIT)                                                                          \
    X("v5-private", BYBIT)                                                                         \
    X("v5-trade", BYBIT)                                                                           \
    X("v5-spread", BYBIT)                                                                          \
    X("v5-misc", BYBIT)                                                                            \
    /* end */
/* clang-format on */

#endif
