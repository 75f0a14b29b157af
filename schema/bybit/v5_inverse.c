/* v5 inverse: perpetuals and futures settled in their base coin (docs/wire.md 3). */
#include "schema/bybit/v5.h"

static const topic_row TOPICS[] = {
    V5_FUTURES_TOPICS,
    /* Only the volume is checked: turnover is size divided by price, in the coin, and its rounding
     * is undocumented. */
    V3_CANDLES(MEMBER_VOLUME, STRENGTH_ERROR),
};

const family FAMILY_V5_INVERSE = {
    .name = "v5-inverse",
    .exchange = &BYBIT,
    .dialect = &BYBIT_V5,
    .market = {"bybit", "orderbook.50", MARKET_CONTRACTS, "inverse", NULL, "allLiquidation"},
    .endpoints = {PUBLIC("/v5/public/inverse")},
    .listing = "/v5/market/instruments-info?category=inverse&limit=1000",
    FAMILY_TOPICS(TOPICS),
};
