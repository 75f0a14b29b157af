/* v5 order entry: a client's requests and their answers (docs/wire.md 3.8). The op of a frame is
 * its topic, in both directions: a request has "args", its answer "data". */
#include "schema/bybit/v3.h"

/* The envelope. Times in headers are text: the client's clock in requests, the exchange's in
 * answers. */
static const field_row ENVELOPE[] = {
    V3_TEXT(MEMBER_REQUEST_ID, "reqId"),
    V3_MS(MEMBER_SEND_TIME, "header.X-BAPI-TIMESTAMP"),
    V3_INTEGER(MEMBER_RECV_WINDOW, "header.X-BAPI-RECV-WINDOW"),
    V3_TEXT(MEMBER_REFERER, "header.Referer"),
    V3_INTEGER(MEMBER_CODE, "retCode"),
    V3_TEXT(MEMBER_REASON, "retMsg"),
    V3_JSON(MEMBER_EXTRA_INFO, "retExtInfo"),
    V3_INTEGER(MEMBER_RATE_LIMIT, "header.X-Bapi-Limit"),
    V3_INTEGER(MEMBER_RATE_LIMIT_LEFT, "header.X-Bapi-Limit-Status"),
    V3_MS(MEMBER_RATE_LIMIT_RESET, "header.X-Bapi-Limit-Reset-Timestamp"),
    V3_TEXT(MEMBER_TRACE_ID, "header.Traceid"),
    V3_MS(MEMBER_EXCHANGE_TIME, "header.Timenow"),
    V3_TEXT(MEMBER_CONN_ID, "connId"),
};

/* Fields of orders: parameters of requests, and the ids in answers. A request has only the fields
 * that its client sets. */
#define CATEGORY(flags) V3_FIELD(MEMBER_CATEGORY, "category", FIELD_TEXT, UNIT_NONE, flags)
#define ORDER_FIELDS                                                                               \
    V3_TEXT(MEMBER_SYMBOL, "symbol"), V3_TEXT(MEMBER_ORDER_ID, "orderId"),                         \
        V3_TEXT(MEMBER_ORDER_LINK_ID, "orderLinkId"), V3_SIDE(MEMBER_SIDE, "side"),                \
        V3_TEXT(MEMBER_ORDER_TYPE, "orderType"), V3_QUANTITY(MEMBER_SIZE, "qty"),                  \
        V3_PRICE(MEMBER_PRICE, "price"), V3_TEXT(MEMBER_TIME_IN_FORCE, "timeInForce"),             \
        V3_BOOL(MEMBER_IS_LEVERAGE, "isLeverage"), V3_TEXT(MEMBER_MARKET_UNIT, "marketUnit"),      \
        V3_TEXT(MEMBER_SLIPPAGE_TYPE, "slippageToleranceType"),                                    \
        V3_DECIMAL(MEMBER_SLIPPAGE, "slippageTolerance"),                                          \
        V3_TEXT(MEMBER_ORDER_FILTER, "orderFilter"),                                               \
        V3_INTEGER(MEMBER_TRIGGER_DIRECTION, "triggerDirection"),                                  \
        V3_PRICE(MEMBER_TRIGGER_PRICE, "triggerPrice"), V3_TEXT(MEMBER_TRIGGER_BY, "triggerBy"),   \
        V3_RATE(MEMBER_IV, "orderIv"), V3_INTEGER(MEMBER_POSITION_IDX, "positionIdx"),             \
        V3_PRICE(MEMBER_TAKE_PROFIT, "takeProfit"), V3_PRICE(MEMBER_STOP_LOSS, "stopLoss"),        \
        V3_TEXT(MEMBER_TP_TRIGGER_BY, "tpTriggerBy"),                                              \
        V3_TEXT(MEMBER_SL_TRIGGER_BY, "slTriggerBy"), V3_TEXT(MEMBER_TP_SL_MODE, "tpslMode"),      \
        V3_PRICE(MEMBER_TP_LIMIT_PRICE, "tpLimitPrice"),                                           \
        V3_PRICE(MEMBER_SL_LIMIT_PRICE, "slLimitPrice"),                                           \
        V3_TEXT(MEMBER_TP_ORDER_TYPE, "tpOrderType"),                                              \
        V3_TEXT(MEMBER_SL_ORDER_TYPE, "slOrderType"),                                              \
        V3_BOOL(MEMBER_IS_REDUCE_ONLY, "reduceOnly"),                                              \
        V3_BOOL(MEMBER_IS_CLOSE_ON_TRIGGER, "closeOnTrigger"),                                     \
        V3_TEXT(MEMBER_SMP_TYPE, "smpType"), V3_BOOL(MEMBER_IS_MMP, "mmp"),                        \
        V3_TEXT(MEMBER_BBO_SIDE_TYPE, "bboSideType"), V3_INTEGER(MEMBER_BBO_LEVEL, "bboLevel"),    \
        V3_MS(MEMBER_CREATED_AT, "createAt")

static const field_row ORDER[] = {CATEGORY(0), ORDER_FIELDS};
/* Orders of a batch: the batch's category is outside its list of orders. */
static const field_row BATCH_ORDER[] = {CATEGORY(FIELD_INHERITED), CATEGORY(0), ORDER_FIELDS};

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* Order entry has no rules about the sequence of frames: the exchange may answer a later request
 * first. */
#define ENTRY(op, words, sent, answered, table)                                                    \
    {                                                                                              \
        .name = op, .pattern = op, .type = MSG_ORDER_ENTRY, .title = words, .topic_key = "op",     \
        .time_member = MEMBER_EXCHANGE_TIME,                                                       \
        .items = {{sent, ACTION_NONE, FRAME_ANY, ITEMS_OPTIONAL},                                  \
                  {answered, ACTION_NONE, FRAME_ANY, ITEMS_OPTIONAL}},                             \
        TOPIC_ENVELOPE(ENVELOPE), TOPIC_FIELDS(table),                                             \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

static const topic_row TOPICS[] = {
    ENTRY("order.create", "Requests to place an order, and their answers", "args", "data", ORDER),
    ENTRY("order.amend", "Requests to amend an order, and their answers", "args", "data", ORDER),
    ENTRY("order.cancel", "Requests to cancel an order, and their answers", "args", "data", ORDER),
    ENTRY("order.create-batch", "The same for several orders", "args.request", "data.list",
          BATCH_ORDER),
    ENTRY("order.amend-batch", "The same for several orders", "args.request", "data.list",
          BATCH_ORDER),
    ENTRY("order.cancel-batch", "The same for several orders", "args.request", "data.list",
          BATCH_ORDER),
};

const family FAMILY_V5_TRADE = {
    .name = "v5-trade",
    .exchange = &BYBIT,
    .dialect = &BYBIT_V5_TRADE,
    .endpoints = {PRIVATE("/v5/trade")},
    FAMILY_TOPICS(TOPICS),
    .op_is_topic = 1,
};
