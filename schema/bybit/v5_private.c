/* v5 private: all of an account's products on one connection (docs/wire.md 3.6). The subscriptions
 * dcp.future, dcp.spot and dcp.option enable disconnect protection and have no frames; rfq.* stay
 * raw. */
#include "schema/bybit/v3_private.h"

/* Two envelopes: SENT_ENVELOPE for topics whose entries have a time, ENVELOPE for topics in which
 * the frame's time is the exchange time. */
static const field_row SENT_ENVELOPE[] = {
    V3_TEXT(MEMBER_FRAME_ID, "id"),
    V3_MS(MEMBER_SEND_TIME, "creationTime"),
};
static const field_row ENVELOPE[] = {
    V3_TEXT(MEMBER_FRAME_ID, "id"),
    V3_MS(MEMBER_EXCHANGE_TIME, "creationTime"),
};

#define CATEGORY V3_TEXT(MEMBER_CATEGORY, "category")
#define SEQ      V3_INTEGER(MEMBER_SEQ, "seq")

/* Fields that v5 adds to orders, including those for combinations. */
#define ORDER_MORE_FIELDS                                                                          \
    CATEGORY, V3_BOOL(MEMBER_IS_LEVERAGE, "isLeverage"),                                           \
        V3_TEXT(MEMBER_CREATE_TYPE, "createType"), V3_MONEY(MEMBER_CLOSED_PNL, "closedPnl"),       \
        V3_TEXT(MEMBER_FEE_COIN, "feeCurrency"), V3_JSON(MEMBER_CUM_FEE_DETAIL, "cumFeeDetail")

static const field_row ORDER[] = {
    V3_ORDER_FIELDS,
    V3_CONTRACT_ORDER_FIELDS,
    ORDER_MORE_FIELDS,
    V3_TEXT(MEMBER_PARENT_ORDER_LINK_ID, "parentOrderLinkId"),
    V3_PRICE(MEMBER_BROKER_ORDER_PRICE, "brokerOrderPrice"),
    V3_TEXT(MEMBER_OCO_TRIGGER_BY, "ocoTriggerBy"),
    V3_RATE(MEMBER_IV, "orderIv"),
    V3_TEXT(MEMBER_MARKET_UNIT, "marketUnit"),
    V3_TEXT(MEMBER_SLIPPAGE_TYPE, "slippageToleranceType"),
    V3_DECIMAL(MEMBER_SLIPPAGE, "slippageTolerance"),
    V3_PRICE(MEMBER_LAST_PRICE_ON_CREATED, "lastPriceOnCreated"),
    V3_TEXT(MEMBER_PLACE_TYPE, "placeType"),
    V3_BOOL(MEMBER_IS_RPI_TAKER, "rpiTakerAccess"),
    V3_QUANTITY(MEMBER_RPI_MATCHED_SIZE, "rpiMatchedQty"),
};

/* Fields that v5 adds to executions. extraFees is a list or "". */
#define EXECUTION_MORE_FIELDS                                                                      \
    CATEGORY, V3_BOOL(MEMBER_IS_LEVERAGE, "isLeverage"), V3_BOOL(MEMBER_IS_MAKER, "isMaker"), SEQ, \
        V3_TEXT(MEMBER_CREATE_TYPE, "createType"), V3_MONEY(MEMBER_EXEC_PNL, "execPnl")

static const field_row EXECUTION[] = {
    V3_EXECUTION_FIELDS,
    EXECUTION_MORE_FIELDS,
    V3_RATE(MEMBER_IV, "tradeIv"),
    V3_RATE(MEMBER_MARK_IV, "markIv"),
    V3_TEXT(MEMBER_BLOCK_TRADE_ID, "blockTradeId"),
    V3_INDEX_PRICE,
    V3_PRICE(MEMBER_UNDERLYING_PRICE, "underlyingPrice"),
    V3_TEXT(MEMBER_STOP_ORDER_TYPE, "stopOrderType"),
    V3_TEXT(MEMBER_MARKET_UNIT, "marketUnit"),
    V3_JSON(MEMBER_EXTRA_FEES, "extraFees"),
    V3_TEXT(MEMBER_FEE_COIN, "feeCurrency"),
};

/* Executions of trades only, sent earlier than `execution` and with fewer fields. The
 * fields are in the order of the only real frame. */
static const field_row FAST_EXECUTION[] = {
    CATEGORY,
    V3_SYMBOL,
    V3_FIELD(MEMBER_EXEC_ID, "execId", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED),
    V3_FIELD(MEMBER_EXEC_PRICE, "execPrice", FIELD_DECIMAL, UNIT_PRICE, FIELD_REQUIRED),
    V3_FIELD(MEMBER_EXEC_SIZE, "execQty", FIELD_DECIMAL, UNIT_QUANTITY, FIELD_REQUIRED),
    V3_TEXT(MEMBER_ORDER_ID, "orderId"),
    V3_BOOL(MEMBER_IS_MAKER, "isMaker"),
    V3_TEXT(MEMBER_ORDER_LINK_ID, "orderLinkId"),
    V3_SIDE(MEMBER_SIDE, "side"),
    V3_FIELD(MEMBER_EXEC_TIME, "execTime", FIELD_TIME, UNIT_MS, FIELD_REQUIRED),
    SEQ,
};

/* Positions. seq is -1 before the first trade. Only options have greeks. */
static const field_row POSITION[] = {
    V3_POSITION_FIELDS,
    CATEGORY,
    V3_PRICE(MEMBER_BREAK_EVEN_PRICE, "breakEvenPrice"),
    V3_MONEY(MEMBER_POSITION_IM_BY_MARK, "positionIMByMp"),
    V3_MONEY(MEMBER_POSITION_MM_BY_MARK, "positionMMByMp"),
    V3_MONEY(MEMBER_REALISED_PNL, "curRealisedPnl"),
    V3_TEXT(MEMBER_TP_SL_MODE, "tpslMode"),
    V3_MS(MEMBER_OPEN_TIME, "openTime"),
    V3_DECIMAL(MEMBER_DELTA, "delta"),
    V3_DECIMAL(MEMBER_GAMMA, "gamma"),
    V3_DECIMAL(MEMBER_VEGA, "vega"),
    V3_DECIMAL(MEMBER_THETA, "theta"),
    SEQ,
};

/* Fields of the account, in the object around its coins; each coin's entry inherits them. */
#define OF_ACCOUNT(member, key, type, unit) V3_FIELD(member, key, type, unit, FIELD_INHERITED)
#define ACCOUNT_MONEY(member, key)          OF_ACCOUNT(member, key, FIELD_DECIMAL, UNIT_MONEY)
#define ACCOUNT_RATE(member, key)           OF_ACCOUNT(member, key, FIELD_DECIMAL, UNIT_RATE)

static const field_row WALLET[] = {
    OF_ACCOUNT(MEMBER_ACCOUNT_TYPE, "accountType", FIELD_TEXT, UNIT_NONE),
    ACCOUNT_RATE(MEMBER_ACCOUNT_IM_RATE, "accountIMRate"),
    ACCOUNT_RATE(MEMBER_ACCOUNT_IM_RATE_BY_MARK, "accountIMRateByMp"),
    ACCOUNT_RATE(MEMBER_ACCOUNT_MM_RATE, "accountMMRate"),
    ACCOUNT_RATE(MEMBER_ACCOUNT_MM_RATE_BY_MARK, "accountMMRateByMp"),
    ACCOUNT_MONEY(MEMBER_TOTAL_EQUITY, "totalEquity"),
    ACCOUNT_MONEY(MEMBER_TOTAL_WALLET_BALANCE, "totalWalletBalance"),
    ACCOUNT_MONEY(MEMBER_TOTAL_MARGIN_BALANCE, "totalMarginBalance"),
    ACCOUNT_MONEY(MEMBER_TOTAL_AVAILABLE_BALANCE, "totalAvailableBalance"),
    ACCOUNT_MONEY(MEMBER_TOTAL_UNREALISED_PNL, "totalPerpUPL"),
    ACCOUNT_MONEY(MEMBER_TOTAL_IM, "totalInitialMargin"),
    ACCOUNT_MONEY(MEMBER_TOTAL_IM_BY_MARK, "totalInitialMarginByMp"),
    ACCOUNT_MONEY(MEMBER_TOTAL_MM, "totalMaintenanceMargin"),
    ACCOUNT_MONEY(MEMBER_TOTAL_MM_BY_MARK, "totalMaintenanceMarginByMp"),
    ACCOUNT_RATE(MEMBER_ACCOUNT_LTV, "accountLTV"),
    V3_TEXT(MEMBER_COIN, "coin"),
    V3_MONEY(MEMBER_EQUITY, "equity"),
    V3_MONEY(MEMBER_USD_VALUE, "usdValue"),
    V3_MONEY(MEMBER_WALLET_BALANCE, "walletBalance"),
    V3_MONEY(MEMBER_AVAILABLE_TO_WITHDRAW, "availableToWithdraw"),
    V3_MONEY(MEMBER_AVAILABLE_TO_BORROW, "availableToBorrow"),
    V3_MONEY(MEMBER_BORROW_AMOUNT, "borrowAmount"),
    V3_MONEY(MEMBER_ACCRUED_INTEREST, "accruedInterest"),
    V3_MONEY(MEMBER_TOTAL_ORDER_IM, "totalOrderIM"),
    V3_MONEY(MEMBER_TOTAL_POSITION_IM, "totalPositionIM"),
    V3_MONEY(MEMBER_TOTAL_POSITION_MM, "totalPositionMM"),
    V3_MONEY(MEMBER_UNREALISED_PNL, "unrealisedPnl"),
    V3_MONEY(MEMBER_CUM_REALISED_PNL, "cumRealisedPnl"),
    V3_MONEY(MEMBER_BONUS, "bonus"),
    V3_BOOL(MEMBER_CAN_BE_COLLATERAL, "collateralSwitch"),
    V3_BOOL(MEMBER_IS_COLLATERAL, "marginCollateral"),
    V3_MONEY(MEMBER_LOCKED_BALANCE, "locked"),
    V3_QUANTITY(MEMBER_SPOT_HEDGING_SIZE, "spotHedgingQty"),
    V3_MONEY(MEMBER_SPOT_BORROW, "spotBorrow"),
    V3_MONEY(MEMBER_FREE_BALANCE, "free"),
    V3_INTEGER(MEMBER_COLLATERAL_RESTRICTION, "colRes"),
};

static const field_row GREEKS[] = {
    V3_FIELD(MEMBER_BASE_COIN, "baseCoin", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED),
    V3_DECIMAL(MEMBER_DELTA, "totalDelta"),
    V3_DECIMAL(MEMBER_GAMMA, "totalGamma"),
    V3_DECIMAL(MEMBER_VEGA, "totalVega"),
    V3_DECIMAL(MEMBER_THETA, "totalTheta"),
};

/* Orders that the exchange splits into parts over time. One key begins with a capital letter. */
static const field_row STRATEGY[] = {
    V3_FIELD(MEMBER_STRATEGY_ID, "strategyId", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED),
    V3_TEXT(MEMBER_STRATEGY_TYPE, "strategyType"),
    CATEGORY,
    V3_SYMBOL,
    V3_QUANTITY(MEMBER_SIZE, "size"),
    V3_SIDE(MEMBER_SIDE, "side"),
    V3_FIELD(MEMBER_DURATION, "duration", FIELD_INTEGER, UNIT_S, 0),
    V3_INTEGER(MEMBER_STRATEGY_STATUS, "status"),
    V3_INTEGER(MEMBER_TERMINATE_TYPE, "terminateType"),
    V3_TEXT(MEMBER_TERMINATE_REMARK, "terminateRemark"),
    V3_FIELD(MEMBER_EXECUTED_DURATION, "executedDuration", FIELD_INTEGER, UNIT_S, 0),
    V3_QUANTITY(MEMBER_CUM_EXEC_SIZE, "executedSize"),
    V3_PRICE(MEMBER_AVG_PRICE, "executedAvgPrice"),
    V3_MS(MEMBER_STRATEGY_START, "executedStartTimeE3"),
    V3_MS(MEMBER_STRATEGY_END, "executedEndTimeE3"),
    V3_MS(MEMBER_CREATED_AT, "createdTimeE3"),
    V3_MS(MEMBER_UPDATED_AT, "updatedTimeE3"),
    V3_BOOL(MEMBER_IS_RANDOM, "isRandom"),
    V3_BOOL(MEMBER_IS_REDUCE_ONLY, "reduceOnly"),
    V3_PRICE(MEMBER_PRICE, "limitPrice"),
    V3_INTEGER(MEMBER_TRIGGER_COUNT, "triggerCount"),
    V3_INTEGER(MEMBER_TRADING_COUNT, "tradingCount"),
    V3_PRICE(MEMBER_CHASE_DISTANCE, "chaseDistance"),
    {MEMBER_CHASE_PCNT, "ChasePercentE4", FIELD_DECIMAL, UNIT_RATE, 4, 0},
    V3_PRICE(MEMBER_MAX_CHASE_PRICE, "maxChasePrice"),
    V3_PRICE(MEMBER_CHASE_ORDER_PRICE, "chaseOrderPrice"),
    V3_TEXT(MEMBER_STRATEGY_PREFERENCE, "strategyPrefer"),
    V3_FIELD(MEMBER_ORDER_INTERVAL, "interval", FIELD_INTEGER, UNIT_S, 0),
    V3_BOOL(MEMBER_IS_LEVERAGE, "leverageType"),
    V3_BOOL(MEMBER_IS_POST_ONLY, "postOnly"),
    V3_PRICE(MEMBER_TRIGGER_PRICE, "triggerPrice"),
    V3_BOOL(MEMBER_IS_TRIGGERED, "isTriggered"),
    V3_PRICE(MEMBER_TAKE_PROFIT, "strategyTp"),
    V3_PRICE(MEMBER_STOP_LOSS, "strategySl"),
    V3_TEXT(MEMBER_ORDER_TYPE, "orderType"),
    V3_RATE(MEMBER_ORDER_PRICE_OFFSET, "orderPriceOffset"),
    V3_MONEY(MEMBER_STRATEGY_VALUE, "positionValue"),
    V3_MONEY(MEMBER_CUM_EXEC_VALUE, "filledPositionValue"),
};

/* ---- combinations: a frame has the combination and its legs ---- */

static const field_row SPREAD_ORDER[] = {
    V3_ORDER_FIELDS,
    ORDER_MORE_FIELDS,
    V3_TEXT(MEMBER_PARENT_ORDER_ID, "parentOrderId"),
};

static const field_row SPREAD_EXECUTION[] = {
    V3_EXECUTION_FIELDS,
    EXECUTION_MORE_FIELDS,
    V3_TEXT(MEMBER_PARENT_EXEC_ID, "parentExecId"),
    V3_MONEY(MEMBER_SPOT_LEG_FEE, "execFeeV2"),
    V3_TEXT(MEMBER_FEE_COIN, "feeCoin"),
};

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* Topics with their rules. The final state of an order may be sent twice, in frames with different
 * ids; falling times of orders are only a statistic. A position is sent with every event of an
 * order, so its seq may repeat. An execution is sent once. Balances and greeks have no sequence,
 * and it is undocumented whether their times can fall. */
#define ORDERS(topic_name, topic_pattern, words, table)                                            \
    {                                                                                              \
        V3_PRIVATE_COMMON(topic_name, MSG_ORDER, words, MEMBER_UPDATED_AT, "data"),                \
            .pattern = topic_pattern, TOPIC_ENVELOPE(SENT_ENVELOPE), TOPIC_FIELDS(table),          \
            .rules = {ORDER_RULES(MEMBER_UPDATED_AT)},                                             \
    }
#define EXECUTIONS(topic_name, topic_pattern, words, table)                                        \
    {                                                                                              \
        V3_PRIVATE_COMMON(topic_name, MSG_EXECUTION, words, MEMBER_EXEC_TIME, "data"),             \
            .pattern = topic_pattern, TOPIC_ENVELOPE(SENT_ENVELOPE), TOPIC_FIELDS(table),          \
            .rules = {EXECUTION_RULE, {RULE_ENTRY_SEQ_WEAK, STRENGTH_WARNING, MEMBER_SEQ}},        \
    }
#define POSITIONS(topic_pattern, words)                                                            \
    {                                                                                              \
        V3_PRIVATE_COMMON("position", MSG_POSITION, words, MEMBER_UPDATED_AT, "data"),             \
            .pattern = topic_pattern, TOPIC_ENVELOPE(SENT_ENVELOPE), TOPIC_FIELDS(POSITION),       \
            .rules = {{RULE_ENTRY_SEQ_WEAK, STRENGTH_WARNING, MEMBER_SEQ}},                        \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

/* A category (spot, linear, inverse, option) may follow a topic's name. Rows with longer names come
 * first, because the first matching row is used. */
static const topic_row TOPICS[] = {
    POSITIONS("position", "Positions, all categories"),
    POSITIONS("position.{category}", "Positions of one category"),
    EXECUTIONS("execution.fast", "execution.fast", "Executions of trades, fast", FAST_EXECUTION),
    EXECUTIONS("execution.fast", "execution.fast.{category}",
               "Executions of trades of one category, fast", FAST_EXECUTION),
    EXECUTIONS("execution", "execution", "Executions, all categories", EXECUTION),
    EXECUTIONS("execution", "execution.{category}", "Executions of one category", EXECUTION),
    ORDERS("order", "order", "Orders, all categories", ORDER),
    ORDERS("order", "order.{category}", "Orders of one category", ORDER),
    {
        .name = "wallet",
        .pattern = "wallet",
        .type = MSG_WALLET,
        .title = "Balances of the account and its coins",
        .time_member = MEMBER_EXCHANGE_TIME,
        /* an account without coins has an empty list */
        .items = {{"data.coin", ACTION_NONE, FRAME_ANY, ITEMS_EMPTY}},
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(WALLET),
        .rules = {{RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE}},
    },
    {
        V3_PRIVATE_COMMON("greeks", MSG_GREEKS, "Greeks of a coin's options", MEMBER_EXCHANGE_TIME,
                          "data"),
        .pattern = "greeks",
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(GREEKS),
        .rules = {{RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE}},
    },
    ORDERS("strategy", "strategy", "Orders that the exchange splits over time", STRATEGY),
    ORDERS("spread.order", "spread.order", "Orders of combinations and their legs", SPREAD_ORDER),
    EXECUTIONS("spread.execution", "spread.execution", "Executions of combinations and their legs",
               SPREAD_EXECUTION),
};

const family FAMILY_V5_PRIVATE = {
    .name = "v5-private",
    .exchange = &BYBIT,
    .dialect = &BYBIT_V5_PRIVATE,
    .endpoints = {PRIVATE("/v5/private"), {NET_TEST, ACCESS_PRIVATE, HOST_DEMO "/v5/private"}},
    FAMILY_TOPICS(TOPICS),
};
