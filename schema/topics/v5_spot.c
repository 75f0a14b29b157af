/* v5 spot (docs/wire.md 3). */
#include "schema/topics/v3.h"

/* The symbol comes late here, and there is no tick direction. */
static const field_row TRADE[] = {
    V3_TRADE_ID,  V3_TRADE_TIME,  V3_TRADE_PRICE, V3_TRADE_SIZE, V3_TRADE_SIDE,
    V3_TRADE_SEQ, V3_SYMBOL("s"), V3_TRADE_BLOCK, V3_TRADE_RPI,
};

static const field_row TICKER[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    V3_LAST_PRICE,
    V3_HIGH_LOW_24H,
    V3_PREV_24H,
    V3_VOLUME_24H,
    V3_TURNOVER_24H,
    V3_CHANGE_24H,
    {MEMBER_USD_INDEX_PRICE, "usdIndexPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
};

static const topic_row TOPICS[] = {
    V3_BOOK_1_REPEATED("2025-03-28"),
    V3_BOOK_1("2025-03-28"),
    V3_BOOK(50, "20 ms", "orderbook.200"),
    V3_BOOK(200, "100 ms", "orderbook.50"),
    V3_TRADES(TRADE, V3_SEQ_NEVER_DOWN),
    /* cs stands still while only 24-hour values change (docs/wire.md 6.5) */
    V3_TICKERS_FULL("50 ms", TICKER, V3_TICKER_ENVELOPE, V3_SEQ_NEVER_DOWN),
    V3_CANDLES(MEMBER_TURNOVER),
};

const family FAMILY_V5_SPOT = {
    .name = "v5-spot",
    .dialect = DIALECT_V5_SPOT,
    .endpoints = {PUBLIC("/v5/public/spot")},
    FAMILY_TOPICS(TOPICS),
};
