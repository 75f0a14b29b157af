/* v5 spread: combinations of two legs as one instrument, SOLUSDT_SOL/USDT; prices may be negative
 * (docs/wire.md 3). */
#include "schema/bybit/v3.h"

static const field_row TRADE[] = {
    V3_TRADE_TIME,  V3_TRADE_SYMBOL, V3_TRADE_SIDE, V3_TRADE_SIZE,
    V3_TRADE_PRICE, V3_TRADE_TICK,   V3_TRADE_ID,   V3_TRADE_SEQ,
};

/* Tickers. The values of a side without quotes are "". */
static const field_row TICKER[] = {
    V3_SYMBOL,
    V3_PRICE(MEMBER_BID1_PRICE, "bidPrice"),
    V3_QUANTITY(MEMBER_BID1_SIZE, "bidSize"),
    V3_PRICE(MEMBER_ASK1_PRICE, "askPrice"),
    V3_QUANTITY(MEMBER_ASK1_SIZE, "askSize"),
    V3_LAST_PRICE,
    V3_HIGH_24H,
    V3_LOW_24H,
    V3_PREV_24H,
    V3_VOLUME_24H,
};

static const topic_row TOPICS[] = {
    V3_BOOK(25, "20 ms", NULL),
    V3_TRADES(TRADE, NULL),
    V3_TICKERS_WHOLE("tickers", "100 ms", V3_TIME_ENVELOPE, TICKER, NULL),
};

const family FAMILY_V5_SPREAD = {
    .name = "v5-spread",
    .exchange = &BYBIT,
    .dialect = &BYBIT_V5_OPTION,
    .endpoints = {PUBLIC("/v5/public/spread")},
    .has_signed_prices = 1,
    .listing = "/v5/spread/instrument?limit=500",
    FAMILY_TOPICS(TOPICS),
};
