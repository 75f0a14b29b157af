/* Private spot topics (docs/wire.md 4.2): a frame is a list of events, usually one, and "e" names
 * an event's kind. Keys differ by case: c and C, s and S, and eight more pairs. Sides are in
 * capitals; numbers and times are strings. */
#include "schema/bybit/topics.h"

/* The first fields of each event about an order. */
#define ORDER_EVENT_FIELDS                                                                         \
    FIELD(MEMBER_EXCHANGE_TIME, "E", FIELD_TIME, UNIT_MS, 0, 0),                                   \
        FIELD(MEMBER_SYMBOL, "s", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED),                       \
        FIELD(MEMBER_ORDER_LINK_ID, "c", FIELD_TEXT, UNIT_NONE, 0, 0),                             \
        FIELD(MEMBER_SIDE, "S", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED),                         \
        FIELD(MEMBER_ORDER_TYPE, "o", FIELD_TEXT, UNIT_NONE, 0, 0),                                \
        FIELD(MEMBER_TIME_IN_FORCE, "f", FIELD_TEXT, UNIT_NONE, 0, 0),                             \
        FIELD(MEMBER_SIZE, "q", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED),                  \
        FIELD(MEMBER_PRICE, "p", FIELD_DECIMAL, UNIT_PRICE, 0, 0),                                 \
        FIELD(MEMBER_ORDER_STATUS, "X", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED),                 \
        FIELD(MEMBER_ORDER_ID, "i", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED)

/* Orders. M and A are the matched order and account; l and L size and price of the last fill, z and
 * Z the filled totals; n and N may be ""; v is the leverage; d is NO_LIQ, or IOC for a liquidation.
 */
static const field_row ORDER[] = {
    ORDER_EVENT_FIELDS,
    {MEMBER_MATCH_ORDER_ID, "M", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_LAST_EXEC_SIZE, "l", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_CUM_EXEC_SIZE, "z", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_LAST_EXEC_PRICE, "L", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_EXEC_FEE, "n", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_FEE_COIN, "N", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_IS_NORMAL, "u", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_IS_WORKING, "w", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_IS_LIMIT_MAKER, "m", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_CREATED_AT, "O", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_CUM_EXEC_VALUE, "Z", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_MATCH_ACCOUNT_ID, "A", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_IS_CLOSE, "C", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_LEVERAGE, "v", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_LIQUIDATION_TYPE, "d", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXEC_ID, "t", FIELD_TEXT, UNIT_NONE, 0, 0},
};

/* Stop orders. t is 0 until the order is triggered; ti and si are undocumented. */
static const field_row STOP_ORDER[] = {
    ORDER_EVENT_FIELDS,
    {MEMBER_CREATED_AT, "T", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_TRIGGER_TIME, "t", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_UPDATED_AT, "C", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_BASE_PRICE, "qp", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_TRIGGERED_ORDER_ID, "eo", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TRACE_TI, "ti", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TRACE_SI, "si", FIELD_TEXT, UNIT_NONE, 0, 0},
};

/* Fills. An executionReport is sent for the same fill. The side was added later. */
static const field_row EXECUTION[] = {
    {MEMBER_EXCHANGE_TIME, "E", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_SYMBOL, "s", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_EXEC_SIZE, "q", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_EXEC_TIME, "t", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_EXEC_PRICE, "p", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_EXEC_ID, "T", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_ID, "o", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_LINK_ID, "c", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_MATCH_ORDER_ID, "O", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_ACCOUNT_ID, "a", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_MATCH_ACCOUNT_ID, "A", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_IS_MAKER, "m", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_SIDE, "S", FIELD_SIDE, UNIT_NONE, 0, 0},
};

static const field_row WALLET_ENVELOPE[] = {
    {MEMBER_EXCHANGE_TIME, "E", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_CAN_TRADE, "T", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_CAN_WITHDRAW, "W", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_CAN_DEPOSIT, "D", FIELD_BOOL, UNIT_NONE, 0, 0},
};

/* Balances that changed. */
static const field_row WALLET[] = {
    {MEMBER_COIN, "a", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_AVAILABLE_BALANCE, "f", FIELD_DECIMAL, UNIT_MONEY, 0, FIELD_REQUIRED},
    {MEMBER_LOCKED_BALANCE, "l", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
};

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* A topic of events. The event itself is the entry. */
#define EVENT(event, message_type, words, table, ...)                                              \
    {                                                                                              \
        .name = event, .pattern = event, .type = message_type, .title = words,                     \
        .sequence = SEQ_NONE, .time_member = MEMBER_EXCHANGE_TIME,                                 \
        .items = {{"", ACTION_NONE, FRAME_ANY, 0}}, .is_event = 1, .topic_key = "e",               \
        TOPIC_FIELDS(table), .rules = {__VA_ARGS__},                                               \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

static const topic_row TOPICS[] = {
    {
        .name = "outboundAccountInfo",
        .pattern = "outboundAccountInfo",
        .type = MSG_WALLET,
        .title = "Balances that changed",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"B", ACTION_NONE, FRAME_ANY, 0}},
        .is_event = 1,
        .topic_key = "e",
        TOPIC_ENVELOPE(WALLET_ENVELOPE),
        TOPIC_FIELDS(WALLET),
        .rules = {{RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE}},
    },
    EVENT("executionReport", MSG_ORDER, "Orders that changed", ORDER,
          ORDER_RULES(MEMBER_EXCHANGE_TIME)),
    EVENT("stop_executionReport", MSG_STOP_ORDER, "Conditional orders that changed", STOP_ORDER,
          ORDER_RULES(MEMBER_EXCHANGE_TIME)),
    EVENT("ticketInfo", MSG_EXECUTION, "Executions", EXECUTION, EXECUTION_RULE),
};

const family FAMILY_SPOT_PRIVATE = {
    .name = "spot-private",
    .exchange = &BYBIT,
    .dialect = &BYBIT_SPOT_PRIVATE,
    .endpoints = {PRIVATE("/spot/ws")},
    FAMILY_TOPICS(TOPICS),
    .has_ended = 1,
};
