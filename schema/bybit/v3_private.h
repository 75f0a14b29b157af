/* Private topics of contract v3 and v5: shared fields (docs/wire.md 3.6). Known only from
 * descriptions and samples, so hardly any field is required. Tables only; only for
 * schema/bybit/. */
#ifndef TD_BYBIT_V3_PRIVATE_H
#define TD_BYBIT_V3_PRIVATE_H

#include "schema/bybit/v3.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* Fields of orders for any product, including combinations of two legs. */
#define V3_ORDER_FIELDS                                                                            \
    V3_SYMBOL, V3_FIELD(MEMBER_ORDER_ID, "orderId", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED),        \
        V3_SIDE(MEMBER_SIDE, "side"), V3_TEXT(MEMBER_ORDER_TYPE, "orderType"),                     \
        V3_TEXT(MEMBER_CANCEL_TYPE, "cancelType"), V3_PRICE(MEMBER_PRICE, "price"),                \
        V3_QUANTITY(MEMBER_SIZE, "qty"), V3_TEXT(MEMBER_TIME_IN_FORCE, "timeInForce"),             \
        V3_TEXT(MEMBER_ORDER_STATUS, "orderStatus"), V3_TEXT(MEMBER_ORDER_LINK_ID, "orderLinkId"), \
        V3_QUANTITY(MEMBER_LEAVES_SIZE, "leavesQty"),                                              \
        V3_MONEY(MEMBER_LEAVES_VALUE, "leavesValue"),                                              \
        V3_QUANTITY(MEMBER_CUM_EXEC_SIZE, "cumExecQty"),                                           \
        V3_MONEY(MEMBER_CUM_EXEC_VALUE, "cumExecValue"), V3_PRICE(MEMBER_AVG_PRICE, "avgPrice"),   \
        V3_MONEY(MEMBER_CUM_EXEC_FEE, "cumExecFee"), V3_MS(MEMBER_CREATED_AT, "createdTime"),      \
        V3_MS(MEMBER_UPDATED_AT, "updatedTime"), V3_TEXT(MEMBER_REJECT_REASON, "rejectReason")

/* More fields of orders for a single contract. */
#define V3_CONTRACT_ORDER_FIELDS                                                                   \
    V3_BOOL(MEMBER_IS_REDUCE_ONLY, "reduceOnly"), V3_TEXT(MEMBER_BLOCK_TRADE_ID, "blockTradeId"),  \
        V3_INTEGER(MEMBER_POSITION_IDX, "positionIdx"),                                            \
        V3_TEXT(MEMBER_STOP_ORDER_TYPE, "stopOrderType"), V3_TEXT(MEMBER_TP_SL_MODE, "tpslMode"),  \
        V3_PRICE(MEMBER_TRIGGER_PRICE, "triggerPrice"),                                            \
        V3_PRICE(MEMBER_TAKE_PROFIT, "takeProfit"), V3_PRICE(MEMBER_STOP_LOSS, "stopLoss"),        \
        V3_TEXT(MEMBER_TP_TRIGGER_BY, "tpTriggerBy"),                                              \
        V3_TEXT(MEMBER_SL_TRIGGER_BY, "slTriggerBy"),                                              \
        V3_PRICE(MEMBER_TP_LIMIT_PRICE, "tpLimitPrice"),                                           \
        V3_PRICE(MEMBER_SL_LIMIT_PRICE, "slLimitPrice"),                                           \
        V3_INTEGER(MEMBER_TRIGGER_DIRECTION, "triggerDirection"),                                  \
        V3_TEXT(MEMBER_TRIGGER_BY, "triggerBy"),                                                   \
        V3_BOOL(MEMBER_IS_CLOSE_ON_TRIGGER, "closeOnTrigger"),                                     \
        V3_TEXT(MEMBER_SMP_TYPE, "smpType"), V3_INTEGER(MEMBER_SMP_GROUP, "smpGroup"),             \
        V3_TEXT(MEMBER_SMP_ORDER_ID, "smpOrderId")

/* Fields of executions for any product. */
#define V3_EXECUTION_FIELDS                                                                        \
    V3_SYMBOL, V3_QUANTITY(MEMBER_CLOSED_SIZE, "closedSize"),                                      \
        V3_MONEY(MEMBER_EXEC_FEE, "execFee"),                                                      \
        V3_FIELD(MEMBER_EXEC_ID, "execId", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED),                 \
        V3_PRICE(MEMBER_EXEC_PRICE, "execPrice"), V3_QUANTITY(MEMBER_EXEC_SIZE, "execQty"),        \
        V3_TEXT(MEMBER_EXEC_TYPE, "execType"), V3_MONEY(MEMBER_EXEC_VALUE, "execValue"),           \
        V3_RATE(MEMBER_FEE_RATE, "feeRate"), V3_PRICE(MEMBER_MARK_PRICE, "markPrice"),             \
        V3_QUANTITY(MEMBER_LEAVES_SIZE, "leavesQty"), V3_TEXT(MEMBER_ORDER_ID, "orderId"),         \
        V3_TEXT(MEMBER_ORDER_LINK_ID, "orderLinkId"), V3_PRICE(MEMBER_ORDER_PRICE, "orderPrice"),  \
        V3_QUANTITY(MEMBER_ORDER_SIZE, "orderQty"), V3_TEXT(MEMBER_ORDER_TYPE, "orderType"),       \
        V3_SIDE(MEMBER_SIDE, "side"), V3_MS(MEMBER_EXEC_TIME, "execTime")

/* Fields of positions; side is "" if there is no position. */
#define V3_POSITION_FIELDS                                                                         \
    V3_INTEGER(MEMBER_POSITION_IDX, "positionIdx"), V3_INTEGER(MEMBER_TRADE_MODE, "tradeMode"),    \
        V3_INTEGER(MEMBER_RISK_ID, "riskId"), V3_MONEY(MEMBER_RISK_LIMIT_VALUE, "riskLimitValue"), \
        V3_SYMBOL, V3_SIDE(MEMBER_SIDE, "side"), V3_QUANTITY(MEMBER_SIZE, "size"),                 \
        V3_PRICE(MEMBER_ENTRY_PRICE, "entryPrice"), V3_DECIMAL(MEMBER_LEVERAGE, "leverage"),       \
        V3_MONEY(MEMBER_POSITION_VALUE, "positionValue"),                                          \
        V3_MONEY(MEMBER_POSITION_MARGIN, "positionBalance"),                                       \
        V3_PRICE(MEMBER_MARK_PRICE, "markPrice"), V3_MONEY(MEMBER_POSITION_IM, "positionIM"),      \
        V3_MONEY(MEMBER_POSITION_MM, "positionMM"), V3_PRICE(MEMBER_TAKE_PROFIT, "takeProfit"),    \
        V3_PRICE(MEMBER_STOP_LOSS, "stopLoss"), V3_PRICE(MEMBER_TRAILING_STOP, "trailingStop"),    \
        V3_MONEY(MEMBER_UNREALISED_PNL, "unrealisedPnl"),                                          \
        V3_MONEY(MEMBER_CUM_REALISED_PNL, "cumRealisedPnl"),                                       \
        V3_PRICE(MEMBER_SESSION_AVG_PRICE, "sessionAvgPrice"),                                     \
        V3_MS(MEMBER_CREATED_AT, "createdTime"), V3_MS(MEMBER_UPDATED_AT, "updatedTime"),          \
        V3_PRICE(MEMBER_LIQ_PRICE, "liqPrice"), V3_PRICE(MEMBER_BUST_PRICE, "bustPrice"),          \
        V3_TEXT(MEMBER_POSITION_STATUS, "positionStatus"),                                         \
        V3_INTEGER(MEMBER_ADL_RANK, "adlRankIndicator"),                                           \
        V3_BOOL(MEMBER_IS_AUTO_ADD_MARGIN, "autoAddMargin"),                                       \
        V3_MS(MEMBER_LEVERAGE_SYS_UPDATED, "leverageSysUpdatedTime"),                              \
        V3_MS(MEMBER_MMR_SYS_UPDATED, "mmrSysUpdatedTime"),                                        \
        V3_BOOL(MEMBER_IS_REDUCE_ONLY, "isReduceOnly")

/* Members that all private topics share. Entries are a list and may name several symbols. */
#define V3_PRIVATE_COMMON(topic_name, message_type, words, time, path)                             \
    .name = topic_name, .type = message_type, .title = words, .time_member = time,                 \
    .items = V3_ENTRIES(path, ACTION_NONE)

/* NOLINTEND(bugprone-macro-parentheses) */

#endif
