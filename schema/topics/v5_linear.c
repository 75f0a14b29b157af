/* v5 linear: USDT and USDC perpetuals and futures (docs/wire.md 3). */
#include "schema/topics/v3.h"

static const field_row TRADE[] = {V3_TRADE_FIELDS, V3_TRADE_RPI, V3_TRADE_SEQ};

static const topic_row TOPICS[] = {
    V3_BOOK_1_REPEATED("2025-03-28"),      V3_BOOK_1("2025-03-28"),
    V3_BOOK(50, "20 ms", "orderbook.200"), V3_BOOK(200, "100 ms", "orderbook.50"),
    V3_TRADES(TRADE, V3_SEQ_NEVER_DOWN),   V3_TICKERS,
    V3_CANDLES(MEMBER_TURNOVER),
};

const family FAMILY_V5_LINEAR = {
    .name = "v5-linear",
    .dialect = DIALECT_V3,
    .endpoints = {PUBLIC("/v5/public/linear")},
    FAMILY_TOPICS(TOPICS),
};
