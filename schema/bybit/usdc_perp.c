/* USDC perpetuals, public: the topics of linear in camel case (docs/wire.md 4.1). Private topics
 * use another connection: family usdc-private. */
#include "schema/bybit/op.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* Two fields of a price, a scaled integer and its plain twin, as in OP_PRICE. */
#define USDC_PRICE(member, key)                                                                    \
    FIELD(member, key "E4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_SCALE_VARIES),                     \
        FIELD(member, key, FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_PREFERRED)

/* NOLINTEND(bugprone-macro-parentheses) */

static const field_row ENVELOPE[] = {
    {MEMBER_CROSS_SEQ, "crossSeq", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_EXCHANGE_TIME, "timestampE6", FIELD_TIME, UNIT_US, 0, 0},
};

static const field_row TRADE[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TICK_DIRECTION, "tickDirection", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_EXCHANGE_TIME, "timestamp", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_EXCHANGE_TIME, "tradeTimeMs", FIELD_TIME, UNIT_MS, 0, FIELD_PREFERRED},
    {MEMBER_SIDE, "side", FIELD_ANY_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_TRADE_ID, "tradeId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXCHANGE_TIME, "tradeTime", FIELD_TIME, UNIT_MS, 0, 0}, /* only in document 000 */
};

static const field_row INSTRUMENT[] = {
    {MEMBER_INSTRUMENT_ID, "id", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    USDC_PRICE(MEMBER_LAST_PRICE, "lastPrice"),
    {MEMBER_TICK_DIRECTION, "lastTickDirection", FIELD_TEXT, UNIT_NONE, 0, 0},
    USDC_PRICE(MEMBER_PREV_PRICE_24H, "prevPrice24h"),
    {MEMBER_PRICE_24H_PCNT, "price24hPcntE6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    USDC_PRICE(MEMBER_HIGH_PRICE_24H, "highPrice24h"),
    USDC_PRICE(MEMBER_LOW_PRICE_24H, "lowPrice24h"),
    USDC_PRICE(MEMBER_PREV_PRICE_1H, "prevPrice1h"),
    {MEMBER_PRICE_1H_PCNT, "price1hPcntE6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    USDC_PRICE(MEMBER_MARK_PRICE, "markPrice"),
    USDC_PRICE(MEMBER_INDEX_PRICE, "indexPrice"),
    {MEMBER_OPEN_INTEREST, "openInterestE8", FIELD_DECIMAL, UNIT_QUANTITY, 8, 0},
    {MEMBER_TOTAL_TURNOVER, "totalTurnoverE8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TURNOVER_24H, "turnover24hE8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TOTAL_VOLUME, "totalVolumeE8", FIELD_DECIMAL, UNIT_QUANTITY, 8, 0},
    {MEMBER_VOLUME_24H, "volume24hE8", FIELD_DECIMAL, UNIT_QUANTITY, 8, 0},
    {MEMBER_FUNDING_RATE, "fundingRateE6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    {MEMBER_PREDICTED_FUNDING_RATE, "predictedFundingRateE6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    {MEMBER_ITEM_CROSS_SEQ, "crossSeq", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_CREATED_AT, "createdAt", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_UPDATED_AT, "updatedAt", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_NEXT_FUNDING_TIME, "nextFundingTime", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_COUNTDOWN_HOUR, "countDownHour", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_FUNDING_RATE_INTERVAL, "fundingRateInterval", FIELD_INTEGER, UNIT_NONE, 0, 0},
    USDC_PRICE(MEMBER_BID1_PRICE, "bid1Price"),
    USDC_PRICE(MEMBER_ASK1_PRICE, "ask1Price"),
    /* from document 000, whose table also covers options */
    {MEMBER_BID1_PRICE, "bidPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_BID1_IV, "bidIv", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_BID1_SIZE, "bidSize", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_ASK1_PRICE, "askPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_ASK1_IV, "askIv", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_ASK1_SIZE, "askSize", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_OPEN_INTEREST, "openInterest", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_PREFERRED},
    {MEMBER_MARK_IV, "markPriceIv", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_PRICE_24H_PCNT, "price24Pcnt", FIELD_DECIMAL, UNIT_RATE, 0, FIELD_PREFERRED},
    {MEMBER_VOLUME_24H, "volume24h", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_PREFERRED},
    {MEMBER_TURNOVER_24H, "turnover24h", FIELD_DECIMAL, UNIT_MONEY, 0, FIELD_PREFERRED},
    {MEMBER_TOTAL_VOLUME, "totalVolume", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_PREFERRED},
    {MEMBER_PREDICTED_DELIVERY_PRICE, "predictedDeliveryPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_UNDERLYING_PRICE, "underlying", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_DELTA, "delta", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_GAMMA, "gamma", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_VEGA, "vega", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_THETA, "theta", FIELD_DECIMAL, UNIT_NONE, 0, 0},
};

/* Candles. All values are JSON numbers, including the frame's time. */
static const field_row KLINE[] = {
    OP_KLINE_FIELDS,
    {MEMBER_CROSS_SEQ, "crossSeq", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

static const field_row KLINE_ENVELOPE[] = {
    {MEMBER_EXCHANGE_TIME, "timestampE6", FIELD_TIME, UNIT_US, 0, 0},
};

static const topic_row TOPICS[] = {
    OP_BOOK("orderBookL2_25", "Order book, 25 levels a side, 20 ms", 25, OP_ITEMS("data.orderBook"),
            ENVELOPE),
    OP_BOOK("orderBook_200.100ms", "Order book, 200 levels a side, 100 ms", 200,
            OP_ITEMS("data.orderBook"), ENVELOPE),
    OP_TRADE(TRADE, "candle.1"),
    OP_TICKER(ENVELOPE, INSTRUMENT),
    OP_KLINE("candle", KLINE_ENVELOPE, KLINE, STRENGTH_STATISTIC),
};

const family FAMILY_USDC_PERP = {
    .name = "usdc-perp",
    .exchange = &BYBIT,
    .dialect = &BYBIT_OP,
    .market = {"bybit", "orderBookL2_25", MARKET_CONTRACTS, "linear", NULL, NULL},
    .endpoints = {PUBLIC("/perpetual/ws/v1/realtime_public")},
    FAMILY_TOPICS(TOPICS),
    .has_ended = 1,
};
