/* Copy trading, in the older form that document 003 describes (docs/wire.md 3.2). Its public topics
 * are those of linear: USDT symbols and the same frames. In private topics, numbers are strings and
 * times are numbers. */
#include "schema/bybit/op_linear.h"
#include "schema/bybit/op_private.h"

/* Only the document's samples have these fields, because the samples are copies of inverse frames.
 */
static const field_row BOOK_ENVELOPE[] = {
    {MEMBER_TRANSACT_TIME, "data.transactTimeE6", FIELD_TIME, UNIT_US, 0, 0},
    OP_ENVELOPE_FIELDS,
};

static const field_row TRADE[] = {
    LINEAR_TRADE_FIELDS,
    {MEMBER_CROSS_SEQ, "cross_seq", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

static const field_row POSITION[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_POSITION_IDX, "positionIdx", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_POSITION_VALUE, "positionValue", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_RISK_ID, "riskId", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_LEVERAGE, "leverage", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_IS_ISOLATED, "isIsolated", FIELD_BOOL, UNIT_NONE, 0, 0},
    /* Listed in the document, not in linear. */
    {MEMBER_IS_ISOLATED, "isolated", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, 0},
    {MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_UNREALISED_PNL, "unrealisedPnl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_LIQ_PRICE, "liqPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_BUST_PRICE, "bustPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_ENTRY_PRICE, "entryPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_POSITION_MARGIN, "positionMargin", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_ORDER_MARGIN, "orderMargin", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_OCC_CLOSING_FEE, "occClosingFee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CUM_REALISED_PNL, "cumRealisedPnl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_POSITION_STATUS, "positionStatus", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_POSITION_SEQ, "positionSeq", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

static const field_row ORDER[] = {
    {MEMBER_ORDER_ID, "orderId", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_LINK_ID, "orderLinkId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_TYPE, "orderType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_SIZE, "qty", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_POSITION_IDX, "positionIdx", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_CUM_EXEC_FEE, "cumExecFee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CUM_EXEC_VALUE, "cumExecValue", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_LAST_EXEC_PRICE, "lastExecPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_CUM_EXEC_SIZE, "cumExecQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_TAKE_PROFIT, "takeProfit", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_STOP_LOSS, "stopLoss", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_TP_TRIGGER_BY, "tpTriggerBy", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SL_TRIGGER_BY, "slTriggerBy", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_CREATED_AT, "createTime", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_UPDATED_AT, "updateTime", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_ORDER_STATUS, "copyTradeOrderStatus", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
};

static const field_row EXECUTION[] = {
    {MEMBER_ORDER_ID, "orderId", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_LINK_ID, "orderLinkId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_EXEC_ID, "execId", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_EXEC_SIZE, "execQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_EXEC_TYPE, "execType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXEC_FEE, "execFee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_EXEC_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_SIZE, "orderQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_EXEC_TIME, "tradeTime", FIELD_TIME, UNIT_MS, 0, 0},
};

/* The only wallet: one object, which names no coin. */
static const field_row WALLET[] = {
    {MEMBER_WALLET_BALANCE, "walletBalance", FIELD_DECIMAL, UNIT_MONEY, 0, FIELD_REQUIRED},
    {MEMBER_AVAILABLE_BALANCE, "availableBalance", FIELD_DECIMAL, UNIT_MONEY, 0, FIELD_REQUIRED},
};

static const topic_row TOPICS[] = {
    OP_BOOK("orderBookL2_25", "Order book, 25 levels a side, 20 ms", 25,
            OP_ITEMS_LIST_TOO("data.order_book"), BOOK_ENVELOPE),
    OP_BOOK("orderBook_200.100ms", "Order book, 200 levels a side, 100 ms", 200,
            OP_ITEMS_LIST_TOO("data.order_book"), BOOK_ENVELOPE),
    OP_TRADE(TRADE, "klineV2.1"),
    OP_TICKER(OP_ENVELOPE, LINEAR_INSTRUMENT),
    OP_KLINE("klineV2", OP_CANDLE_ENVELOPE, OP_CANDLE, STRENGTH_STATISTIC),
    /* the same candles under the topic's name in linear */
    OP_KLINE("candle", OP_CANDLE_ENVELOPE, OP_CANDLE, STRENGTH_STATISTIC),
    OP_LIQUIDATION,
    OP_INSURANCE,
    OP_PRIVATE("copyTradePosition", MSG_POSITION, "Positions that changed", MEMBER_NONE, POSITION,
               {RULE_ENTRY_SEQ_WEAK, STRENGTH_STATISTIC, MEMBER_POSITION_SEQ}),
    OP_PRIVATE("copyTradeOrder", MSG_ORDER, "Orders that changed", MEMBER_UPDATED_AT, ORDER,
               ORDER_RULES(MEMBER_UPDATED_AT)),
    OP_PRIVATE("copyTradeExecution", MSG_EXECUTION, "Executions", MEMBER_EXEC_TIME, EXECUTION,
               EXECUTION_RULE),
    OP_PRIVATE("copyTradeWallet", MSG_WALLET, "The balance when it changed", MEMBER_NONE, WALLET,
               {RULE_NONE, STRENGTH_STATISTIC, MEMBER_NONE}),
};

const family FAMILY_COPYTRADE = {
    .name = "copytrade",
    .exchange = &BYBIT,
    .dialect = &BYBIT_OP,
    /* its symbols are the same as linear's, so datasets need another exchange name */
    .market = {"bybit-copytrade", "orderBookL2_25", MARKET_OTHER, "linear", NULL, NULL},
    .endpoints = {PUBLIC("/realtime_public"), PRIVATE("/realtime_private")},
    FAMILY_TOPICS(TOPICS),
    .has_ended = 1,
};
