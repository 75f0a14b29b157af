/* The private topics of the op dialect. Inverse and linear have the same fields in different forms:
 * money is a string in inverse and a number in linear; ids and indexes are numbers in inverse and
 * strings in linear. The same tables read both. Tables only; only for schema/bybit/. */
#ifndef TD_BYBIT_OP_PRIVATE_H
#define TD_BYBIT_OP_PRIVATE_H

#include "schema/bybit/topics.h"

/* Frames of linear, and frames of 2018, have "action": "update", or empty. */
static const field_row OP_PRIVATE_ENVELOPE[] = {
    {MEMBER_PUSH_ACTION, "action", FIELD_TEXT, UNIT_NONE, 0, 0},
};

/* Fields of positions. side is "None" if there is no position. mode is a number in inverse and a
 * word in linear. */
static const field_row OP_POSITION_FIELDS[] = {
    {MEMBER_USER_ID, "user_id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, 0},
    {MEMBER_POSITION_VALUE, "position_value", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_ENTRY_PRICE, "entry_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_LIQ_PRICE, "liq_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_BUST_PRICE, "bust_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_LEVERAGE, "leverage", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_ORDER_MARGIN, "order_margin", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_POSITION_MARGIN, "position_margin", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_AVAILABLE_BALANCE, "available_balance", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_TAKE_PROFIT, "take_profit", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_TP_TRIGGER_BY, "tp_trigger_by", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_STOP_LOSS, "stop_loss", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_SL_TRIGGER_BY, "sl_trigger_by", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TRAILING_STOP, "trailing_stop", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_TRAILING_ACTIVE, "trailing_active", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_WALLET_BALANCE, "wallet_balance", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_RISK_ID, "risk_id", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_OCC_CLOSING_FEE, "occ_closing_fee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_OCC_FUNDING_FEE, "occ_funding_fee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_IS_AUTO_ADD_MARGIN, "auto_add_margin", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_REALISED_PNL, "realised_pnl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CUM_REALISED_PNL, "cum_realised_pnl", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_POSITION_STATUS, "position_status", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_POSITION_ID, "position_id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_POSITION_SEQ, "position_seq", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_ADL_RANK, "adl_rank_indicator", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_FREE_SIZE, "free_qty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_IS_ISOLATED, "Isolated", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_IS_ISOLATED, "isolated", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_POSITION_MODE, "mode", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_POSITION_IDX, "position_idx", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_TP_SL_MODE, "tp_sl_mode", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TP_ORDER_COUNT, "tp_order_num", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_SL_ORDER_COUNT, "sl_order_num", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_TP_FREE_SIZE, "tp_free_size_x", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_SL_FREE_SIZE, "sl_free_size_x", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
};

static const field_row OP_EXECUTION_FIELDS[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_ID, "order_id", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_EXEC_ID, "exec_id", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_LINK_ID, "order_link_id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXEC_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_SIZE, "order_qty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_EXEC_TYPE, "exec_type", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXEC_SIZE, "exec_qty", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_EXEC_FEE, "exec_fee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_LEAVES_SIZE, "leaves_qty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_IS_MAKER, "is_maker", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_EXEC_TIME, "trade_time", FIELD_TIME, UNIT_RFC3339, 0, 0},
};

/* Orders and conditional orders. A conditional order of linear has its id as stop_order_id. The
 * time is timestamp in inverse, update_time in linear. */
static const field_row OP_ORDER_FIELDS[] = {
    {MEMBER_ORDER_ID, "order_id", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_ID, "stop_order_id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_ORDER_LINK_ID, "order_link_id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_USER_ID, "user_id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_TYPE, "order_type", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_SIZE, "qty", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_TIME_IN_FORCE, "time_in_force", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_CREATE_TYPE, "create_type", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_CANCEL_TYPE, "cancel_type", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_ORDER_STATUS, "order_status", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_LEAVES_SIZE, "leaves_qty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_CUM_EXEC_SIZE, "cum_exec_qty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_CUM_EXEC_VALUE, "cum_exec_value", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CUM_EXEC_FEE, "cum_exec_fee", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_LAST_EXEC_PRICE, "last_exec_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_STOP_ORDER_TYPE, "stop_order_type", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TRIGGER_BY, "trigger_by", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TRIGGER_PRICE, "trigger_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_EXCHANGE_TIME, "timestamp", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_TAKE_PROFIT, "take_profit", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_TP_TRIGGER_BY, "tp_trigger_by", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_STOP_LOSS, "stop_loss", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_SL_TRIGGER_BY, "sl_trigger_by", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TRAILING_STOP, "trailing_stop", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_TRAILING_ACTIVE, "trailing_active", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_CREATED_AT, "create_time", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_UPDATED_AT, "update_time", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_IS_REDUCE_ONLY, "reduce_only", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_IS_CLOSE_ON_TRIGGER, "close_on_trigger", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_POSITION_IDX, "position_idx", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

/* Fields of wallets. Only inverse has coin; linear has a single wallet. */
static const field_row OP_WALLET_FIELDS[] = {
    {MEMBER_USER_ID, "user_id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_COIN, "coin", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_AVAILABLE_BALANCE, "available_balance", FIELD_DECIMAL, UNIT_MONEY, 0, FIELD_REQUIRED},
    {MEMBER_WALLET_BALANCE, "wallet_balance", FIELD_DECIMAL, UNIT_MONEY, 0, FIELD_REQUIRED},
};

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* A private topic without a symbol: its entries name symbols. The arguments after table are its
 * rules. An unchanged position may be sent again. A position's number that falls is only a
 * statistic. */
#define OP_PRIVATE(topic_name, message_type, words, time, table, ...)                              \
    {                                                                                              \
        .name = topic_name, .pattern = topic_name, .type = message_type, .title = words,           \
        .sequence = SEQ_NONE, .time_member = time, .items = {{"data", ACTION_NONE, FRAME_ANY, 0}}, \
        TOPIC_ENVELOPE(OP_PRIVATE_ENVELOPE), TOPIC_FIELDS(table), .rules = {__VA_ARGS__},          \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

/* The private topics of inverse and linear; time is the member with an order's time. */
#define OP_PRIVATE_TOPICS(time)                                                                    \
    OP_PRIVATE("position", MSG_POSITION, "Positions that changed", MEMBER_NONE,                    \
               OP_POSITION_FIELDS,                                                                 \
               RULE(RULE_ENTRY_SEQ_WEAK, STRENGTH_STATISTIC, MEMBER_POSITION_SEQ)),                \
        OP_PRIVATE("execution", MSG_EXECUTION, "Executions", MEMBER_EXEC_TIME,                     \
                   OP_EXECUTION_FIELDS, EXECUTION_RULE),                                           \
        OP_PRIVATE("order", MSG_ORDER, "Orders that changed", time, OP_ORDER_FIELDS,               \
                   ORDER_RULES(time)),                                                             \
        OP_PRIVATE("stop_order", MSG_STOP_ORDER, "Conditional orders that changed", time,          \
                   OP_ORDER_FIELDS, ORDER_RULES(time)),                                            \
        OP_PRIVATE("wallet", MSG_WALLET, "Balances that changed", MEMBER_NONE, OP_WALLET_FIELDS,   \
                   RULE(RULE_NONE, STRENGTH_STATISTIC, MEMBER_NONE))

#endif
