/* v5 linear: USDT and USDC perpetuals and futures (docs/wire.md 3). */
#include "schema/bybit/v5.h"

static const topic_row TOPICS[] = {
    V5_FUTURES_TOPICS,
    V3_CANDLES(MEMBER_TURNOVER, STRENGTH_ERROR),
};

const family FAMILY_V5_LINEAR = {
    .name = "v5-linear",
    .exchange = &BYBIT,
    .dialect = &BYBIT_V5,
    .market = {"bybit", "orderbook.50", MARKET_CONTRACTS, "linear", NULL, "allLiquidation"},
    .endpoints = {PUBLIC("/v5/public/linear")},
    .listing = "/v5/market/instruments-info?category=linear&limit=1000",
    FAMILY_TOPICS(TOPICS),
};
