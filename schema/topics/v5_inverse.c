/* v5 inverse: perpetuals and futures settled in the coin they are about (docs/wire.md 3). */
#include "schema/topics/v3.h"

static const field_row TRADE[] = {V3_TRADE_FIELDS, V3_TRADE_RPI, V3_TRADE_SEQ};

static const topic_row TOPICS[] = {
    V3_BOOK_1_REPEATED("2025-03-28"),
    V3_BOOK_1("2025-03-28"),
    V3_BOOK(50, "20 ms", "orderbook.200"),
    V3_BOOK(200, "100 ms", "orderbook.50"),
    V3_TRADES(TRADE, V3_SEQ_NEVER_DOWN),
    V3_TICKERS,
    /* Turnover is in the coin: sizes divided by prices, and rounded nobody says how. */
    V3_CANDLES(MEMBER_VOLUME),
};

const family FAMILY_V5_INVERSE = {
    .name = "v5-inverse",
    .dialect = DIALECT_V3,
    .endpoints = {PUBLIC("/v5/public/inverse")},
    FAMILY_TOPICS(TOPICS),
};
