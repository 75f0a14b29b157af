/* Linear (USDT) perpetuals: docs/wire.md 2. */
#include "schema/bybit/op_linear.h"
#include "schema/bybit/op_private.h"

static const field_row TRADE[] = {LINEAR_TRADE_FIELDS};

static const topic_row TOPICS[] = {
    OP_BOOK("orderBookL2_25", "Order book, 25 levels a side, 20 ms", 25,
            OP_ITEMS("data.order_book"), OP_ENVELOPE),
    OP_BOOK("orderBook_200.100ms", "Order book, 200 levels a side, 100 ms", 200,
            OP_ITEMS("data.order_book"), OP_ENVELOPE),
    OP_TRADE(TRADE, "candle.1"),
    OP_TICKER(OP_ENVELOPE, LINEAR_INSTRUMENT),
    /* Candles' volumes are only a statistic: sizes are single-precision floats (docs/wire.md 4.3),
     * so sums may differ in their last digits. */
    OP_KLINE("candle", OP_CANDLE_ENVELOPE, OP_CANDLE, STRENGTH_STATISTIC),
    OP_LIQUIDATION,
    OP_INSURANCE,
    OP_PRIVATE_TOPICS(MEMBER_UPDATED_AT),
};

const family FAMILY_LINEAR = {
    .name = "linear",
    .exchange = &BYBIT,
    .dialect = &BYBIT_OP,
    .market = {"bybit", "orderBookL2_25", MARKET_CONTRACTS, "linear", NULL, NULL},
    .endpoints = {PUBLIC("/realtime_public"), PRIVATE("/realtime_private")},
    FAMILY_TOPICS(TOPICS),
    .has_ended = 1,
};
