/* The private topics of USDC options and perpetuals, on one connection (docs/wire.md 4.1). Document
 * 000 has tables of fields. Some names in it differ from those on the wire; the rows have both. */
#include "schema/bybit/usdc.h"

/* The envelope of most topics. version counts frames; a new baseLine restarts the count. */
static const field_row ENVELOPE[] = {
    USDC_ENVELOPE_FIELDS(MEMBER_EXCHANGE_TIME),
    {MEMBER_VERSION, "data.version", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_BASE_LINE, "data.baseLine", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

/* The envelope of topics whose data is the entry itself. */
static const field_row EVENT_ENVELOPE[] = {
    USDC_ENVELOPE_FIELDS(MEMBER_EXCHANGE_TIME),
};

/* Positions. The size of a sold option is negative. */
static const field_row POSITION[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_POSITION_STATUS, "positionStatus", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, 0},
    {MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_ENTRY_PRICE, "entryPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_SESSION_AVG_PRICE, "sessionAvgPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_MARK_PRICE, "markPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_POSITION_IM, "positionIM", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_POSITION_MM, "positionMM", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_POSITION_VALUE, "positionValue", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_LIQ_PRICE, "liqPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_BUST_PRICE, "bustPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_OCC_CLOSING_FEE, "occClosingFee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_UNREALISED_PNL, "unrealisedPnl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CUM_REALISED_PNL, "cumRealisedPnl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_SESSION_UPL, "sessionUPL", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_SESSION_RPL, "sessionRPL", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CREATED_AT, "createdAt", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_UPDATED_AT, "updatedAt", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_TP_SL_MODE, "tpSLMode", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_LEVERAGE, "leverage", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_TRAILING_STOP, "trailingStop", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_TAKE_PROFIT, "takeProfit", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_STOP_LOSS, "stopLoss", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_ADL_RANK, "deleverageIndicator", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_RISK_ID, "riskId", FIELD_INTEGER, UNIT_NONE, 0, 0},
    /* only in document 000 */
    {MEMBER_POSITION_PNL, "positionPnl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_ROI, "roi", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_SESSION_UPL, "sessionUpl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_SESSION_RPL, "sessionRpl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_POSITION_IM, "im", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_POSITION_MM, "mm", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_TP_SL_MODE, "tpSlMode", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_IS_AUTO_ADD_MARGIN, "autoAddMargin", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_POSITION_MARGIN, "positionMargin", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_IS_ISOLATED, "isIsolated", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_OCC_FUNDING_FEE, "occFundingFee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_TAKE_PROFIT, "trakeProfit", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_ORDER_MARGIN, "orderMargin", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CUM_COMMISSION, "cumCommission", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
};

/* Orders and conditional orders. If updateTimeStamp is present, updatedAt is obsolete. Absent
 * values are "", "0", null or "None". */
static const field_row ORDER[] = {
    {MEMBER_ORDER_ID, "orderId", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_LINK_ID, "orderLinkId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_CREATED_AT, "createdAt", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_UPDATED_AT, "updatedAt", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_UPDATED_AT, "updateTimeStamp", FIELD_TIME, UNIT_MS, 0, FIELD_PREFERRED},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_STATUS, "orderStatus", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_CASH_FLOW, "cashFlow", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_REALISED_PNL, "realisedPnl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_SIZE, "qty", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_CUM_EXEC_SIZE, "cumExecQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_LEAVES_SIZE, "leavesQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_ORDER_IM, "orderIM", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_ORDER_TYPE, "orderType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_IS_REDUCE_ONLY, "reduceOnly", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_TIME_IN_FORCE, "timeInForce", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_CUM_EXEC_FEE, "cumExecFee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_IV, "iv", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_ORDER_PNL, "orderPnl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CUM_EXEC_VALUE, "cumExecValue", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CANCEL_TYPE, "cancelType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PLACE_TYPE, "placeType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_BLOCK_TRADE_ID, "blockTradeId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_BASE_PRICE, "basePrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_IS_CLOSE_ON_TRIGGER, "closeOnTrigger", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_TRIGGER_BY, "triggerBy", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TAKE_PROFIT, "takeProfit", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_STOP_LOSS, "stopLoss", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_TP_TRIGGER_BY, "tpTriggerBy", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SL_TRIGGER_BY, "slTriggerBy", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TRIGGER_PRICE, "triggerPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_STOP_ORDER_TYPE, "stopOrderType", FIELD_TEXT, UNIT_NONE, 0, 0},
    /* only in document 000 */
    {MEMBER_PRICE, "orderPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_SIZE, "orderQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_ORDER_IM, "im", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CREATE_TYPE, "createType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_UPDATED_AT, "timestamp", FIELD_TIME, UNIT_MS, 0, 0},
};

static const field_row EXECUTION[] = {
    {MEMBER_ORDER_ID, "orderId", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_LINK_ID, "orderLinkId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXEC_ID, "tradeId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, 0},
    {MEMBER_EXEC_PRICE, "execPrice", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_EXEC_PRICE, "excPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0}, /* only in document 000 */
    {MEMBER_EXEC_SIZE, "execQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_EXEC_FEE, "execFee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_FEE_RATE, "feeRate", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_EXEC_TIME, "tradeTime", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_LAST_LIQUIDITY, "lastLiquidityInd", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXEC_VALUE, "execValue", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_EXEC_TYPE, "execType", FIELD_TEXT, UNIT_NONE, 0, 0},
    USDC_OPTION_TRADE_FIELDS,
};

/* Changes of orders. Each frame is one change of one order; the same change may be sent again. */
static const field_row ORDER_EVENT[] = {
    {MEMBER_ORDER_ID, "orderId", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_STATUS, "orderStatus", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_PRICE, "orderPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_SIZE, "orderAllSize", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_CUM_EXEC_SIZE, "orderFilledSize", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_LEAVES_SIZE, "orderRemainingSize", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_ORDER_TYPE, "orderType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_ORDER_TIME, "orderTime", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_TIME_IN_FORCE, "timeInForce", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_CREATED_AT, "createTimeStamp", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_UPDATED_AT, "updateTimeStamp", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_ORDER_LINK_ID, "orderLinkId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXEC_TYPE, "execType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_IV, "iv", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_VERSION, "version", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_CANCEL_TYPE, "cancelType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PLACE_MODE, "placeMode", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PLACE_TYPE, "placeType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_USER_ID, "userId", FIELD_TEXT, UNIT_NONE, 0, 0},
};

static const field_row GREEKS[] = {
    {MEMBER_COIN, "coin", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_DELTA, "totalDelta", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_GAMMA, "totalGamma", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_VEGA, "totalVega", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_THETA, "totalTheta", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    /* only in document 000 */
    {MEMBER_COIN, "baseCoin", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_DELTA, "delta", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_GAMMA, "gamma", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_VEGA, "vega", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_THETA, "theta", FIELD_DECIMAL, UNIT_NONE, 0, 0},
};

static const field_row SERVICE[] = {
    {MEMBER_PUSH_ID, "pushId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SERVICE_TYPE, "serviceType", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_OPERATION_TYPE, "operationType", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SERVICE_STEP, "serviceStep", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_STATE, "serviceStatus", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_VERSION, "version", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

/* Market maker protection. frozenPeriodMs 0 means frozen until it is reset manually. */
static const field_row MMP[] = {
    {MEMBER_STATE, "triggerStatus", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_TRIGGER_TIME, "triggerTimestamp", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_FROZEN_PERIOD, "frozenPeriodMs", FIELD_INTEGER, UNIT_MS, 0, 0},
    {MEMBER_BASE_COIN, "baseCoin", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
};

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* A topic with a state. After a subscription, the exchange sends the complete list, which may be
 * empty, and then changes. A frame without dataType counts as a change. */
#define STATE_TOPIC(topic_name, message_type, words, table)                                        \
    {                                                                                              \
        .name = topic_name, .pattern = topic_name, .type = message_type, .title = words,           \
        .sequence = SEQ_ENVELOPE, .time_member = MEMBER_EXCHANGE_TIME,                             \
        .items = {{"data.result", ACTION_SET, FRAME_SNAPSHOT, ITEMS_EMPTY},                        \
                  {"data.result", ACTION_UPDATE, FRAME_DELTA, 0}},                                 \
        .kind_key = "data.dataType", .default_kind = FRAME_DELTA, TOPIC_ENVELOPE(ENVELOPE),        \
        TOPIC_FIELDS(table),                                                                       \
        .rules = {{RULE_FRAME_UNIQUE, STRENGTH_ERROR, MEMBER_NONE},                                \
                  {RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE},                               \
                  {RULE_SEQ_WEAK, STRENGTH_STATISTIC, MEMBER_VERSION}},                            \
    }

#define EXECUTION_TOPIC(topic_name)                                                                \
    {                                                                                              \
        .name = topic_name, .pattern = topic_name, .type = MSG_EXECUTION, .title = "Executions",   \
        .sequence = SEQ_ENVELOPE, .time_member = MEMBER_EXCHANGE_TIME,                             \
        .items = {{"data.result", ACTION_NONE, FRAME_ANY, 0}}, .kind_key = "data.dataType",        \
        TOPIC_ENVELOPE(ENVELOPE), TOPIC_FIELDS(EXECUTION),                                         \
        .rules = {EXECUTION_RULE, {RULE_SEQ_WEAK, STRENGTH_STATISTIC, MEMBER_VERSION}},            \
    }

/* A topic of events. The document mentions only for user.order that a frame may be sent again. */
#define EVENT_TOPIC(topic_name, message_type, words, table)                                        \
    {                                                                                              \
        .name = topic_name, .pattern = topic_name, .type = message_type, .title = words,           \
        .sequence = SEQ_NONE, .time_member = MEMBER_EXCHANGE_TIME,                                 \
        .items = {{"data", ACTION_NONE, FRAME_ANY, 0}}, TOPIC_ENVELOPE(EVENT_ENVELOPE),            \
        TOPIC_FIELDS(table),                                                                       \
        .rules = {{RULE_FRAME_UNIQUE, STRENGTH_WARNING, MEMBER_NONE},                              \
                  {RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE}},                              \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

static const topic_row TOPICS[] = {
    STATE_TOPIC("user.openapi.option.position", MSG_POSITION, "Positions in options", POSITION),
    STATE_TOPIC("user.openapi.perp.position", MSG_POSITION, "Positions in perpetuals", POSITION),
    STATE_TOPIC("user.openapi.option.order", MSG_ORDER, "Orders of options", ORDER),
    STATE_TOPIC("user.openapi.perp.order", MSG_ORDER, "Orders of perpetuals, conditional ones too",
                ORDER),
    EXECUTION_TOPIC("user.openapi.option.trade"),
    EXECUTION_TOPIC("user.openapi.perp.trade"),
    EVENT_TOPIC("user.order", MSG_ORDER, "Changes of option orders, one per frame", ORDER_EVENT),
    {
        .name = "user.openapi.greeks",
        .pattern = "user.openapi.greeks",
        .type = MSG_GREEKS,
        .title = "Greeks of all held options, by coin",
        .sequence = SEQ_ENVELOPE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data.result", ACTION_SET, FRAME_ANY, ITEMS_EMPTY}},
        .kind_key = "data.dataType",
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(GREEKS),
        .rules = {{RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE},
                  {RULE_SEQ_WEAK, STRENGTH_STATISTIC, MEMBER_VERSION}},
    },
    EVENT_TOPIC("user.service", MSG_NOTICE, "Steps of an account change", SERVICE),
    EVENT_TOPIC("user.mmp.event", MSG_NOTICE, "Market maker protection was triggered", MMP),
};

const family FAMILY_USDC_PRIVATE = {
    .name = "usdc-private",
    .exchange = &BYBIT,
    .dialect = &BYBIT_USDC,
    .endpoints = {PRIVATE("/trade/option/usdc/private/v1")},
    FAMILY_TOPICS(TOPICS),
    .has_ended = 1,
};
