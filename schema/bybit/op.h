/* Shared by the families of the op dialect: fields, and whole rows of topics whose small
 * differences are macro arguments. Other rows are in the families' files. Tables only; only for
 * schema/bybit/. */
#ifndef TD_BYBIT_OP_H
#define TD_BYBIT_OP_H

#include "schema/bybit/topics.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* Two fields of a price: a scaled integer and its plain twin. Old frames have no twin. In the
 * exchange's samples the twin repeats the integer; in real frames it is the decimal. For symbols
 * with five decimals, the integers of keys with "_e4" are times 10^5 (docs/wire.md 2.1). */
#define OP_PRICE(member, key)                                                                      \
    FIELD(member, key "_e4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_SCALE_VARIES),                    \
        FIELD(member, key, FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_PREFERRED)

/* One level of a book. id is the price times 10^4, as number or string; the exchange has deprecated
 * it. */
static const field_row OP_LEVEL[] = {
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_LEVEL_ID, "id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED_TO_SET},
};

/* Sequence and time of a frame. */
#define OP_ENVELOPE_FIELDS                                                                         \
    FIELD(MEMBER_CROSS_SEQ, "cross_seq", FIELD_INTEGER, UNIT_NONE, 0, 0),                          \
        FIELD(MEMBER_EXCHANGE_TIME, "timestamp_e6", FIELD_TIME, UNIT_US, 0, 0)

static const field_row OP_ENVELOPE[] = {OP_ENVELOPE_FIELDS};

/* The prices of a ticker. */
#define OP_TICKER_PRICE_FIELDS                                                                     \
    OP_PRICE(MEMBER_LAST_PRICE, "last_price"), OP_PRICE(MEMBER_BID1_PRICE, "bid1_price"),          \
        OP_PRICE(MEMBER_ASK1_PRICE, "ask1_price"),                                                 \
        FIELD(MEMBER_TICK_DIRECTION, "last_tick_direction", FIELD_TEXT, UNIT_NONE, 0, 0),          \
        OP_PRICE(MEMBER_PREV_PRICE_24H, "prev_price_24h"),                                         \
        FIELD(MEMBER_PRICE_24H_PCNT, "price_24h_pcnt_e6", FIELD_DECIMAL, UNIT_RATE, 6, 0),         \
        OP_PRICE(MEMBER_HIGH_PRICE_24H, "high_price_24h"),                                         \
        OP_PRICE(MEMBER_LOW_PRICE_24H, "low_price_24h"),                                           \
        OP_PRICE(MEMBER_PREV_PRICE_1H, "prev_price_1h"),                                           \
        FIELD(MEMBER_PRICE_1H_PCNT, "price_1h_pcnt_e6", FIELD_DECIMAL, UNIT_RATE, 6, 0),           \
        OP_PRICE(MEMBER_MARK_PRICE, "mark_price"), OP_PRICE(MEMBER_INDEX_PRICE, "index_price")

/* The entries of a delta: three lists, some of them empty; delete and insert may be null or missing
 * (docs/wire.md 5.4). empty is ITEMS_EMPTY, or 0 if each delta has an update. */
#define OP_DELTA_ITEMS(empty)                                                                      \
    ITEMS("data.delete", ACTION_DELETE, FRAME_DELTA, ITEMS_OPTIONAL | ITEMS_EMPTY),                \
        ITEMS("data.update", ACTION_UPDATE, FRAME_DELTA, empty),                                   \
        ITEMS("data.insert", ACTION_INSERT, FRAME_DELTA, ITEMS_OPTIONAL | ITEMS_EMPTY)

/* The entries of a book. The path of snapshots differs by family. */
#define OP_ITEMS(snapshot_path)                                                                    \
    {                                                                                              \
        ITEMS(snapshot_path, ACTION_SET, FRAME_SNAPSHOT, 0), OP_DELTA_ITEMS(ITEMS_EMPTY)           \
    }

/* As OP_ITEMS, for families in which older frames, and the samples of document 003, have the list
 * in data itself. */
#define OP_ITEMS_LIST_TOO(snapshot_path)                                                           \
    {                                                                                              \
        ITEMS("data", ACTION_SET, FRAME_SNAPSHOT, ITEMS_LIST),                                     \
            ITEMS(snapshot_path, ACTION_SET, FRAME_SNAPSHOT, 0), OP_DELTA_ITEMS(ITEMS_EMPTY)       \
    }

/* The entries of a ticker: in deltas, update has the changed fields. */
#define OP_TICKER_ITEMS                                                                            \
    {                                                                                              \
        ITEMS("data", ACTION_SET, FRAME_SNAPSHOT, 0), OP_DELTA_ITEMS(0)                            \
    }

/* A book topic. Its rules, from docs/wire.md 6.1 and 6.3, held in 4,268 of 4,268 recorded deltas.
 * Only liquid markets have the full depth. */
#define OP_BOOK(topic_name, words, depth, item_table, envelope_table)                              \
    {                                                                                              \
        .name = topic_name, .pattern = topic_name ".{symbol}", .type = MSG_BOOK_CHANGE,            \
        .title = words, .book_depth = depth, .sequence = SEQ_ENVELOPE,                             \
        .audit = (depth) == 25 ? "orderBook_200.100ms" : "orderBookL2_25",                         \
        .time_member = MEMBER_EXCHANGE_TIME, .items = item_table, TOPIC_ENVELOPE(envelope_table),  \
        TOPIC_FIELDS(OP_LEVEL),                                                                    \
        .rules = {{RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_CROSS_SEQ},                             \
                  {RULE_TIME_STRICT, STRENGTH_ERROR, MEMBER_NONE},                                 \
                  {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},                                    \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                              \
                  {RULE_DELTA_NOT_EMPTY, STRENGTH_ERROR, MEMBER_NONE},                             \
                  {RULE_DELETE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},                               \
                  {RULE_UPDATE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},                               \
                  {RULE_UPDATE_CHANGES, STRENGTH_ERROR, MEMBER_NONE},                              \
                  {RULE_INSERT_NEW, STRENGTH_ERROR, MEMBER_NONE},                                  \
                  {RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE},                               \
                  {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE},                                 \
                  {RULE_DEPTH, STRENGTH_WARNING, MEMBER_NONE},                                     \
                  {RULE_BOOKS_AGREE, STRENGTH_ERROR, MEMBER_CROSS_SEQ}},                           \
    }

/* Trades. They have no sequence, so they do not reveal losses; ids were never repeated and times
 * never fell (docs/wire.md 6.2). checked_by is the candle topic with the sums of the trades. */
#define OP_TRADE(trade_table, checked_by)                                                          \
    {                                                                                              \
        .name = "trade", .pattern = "trade.{symbol}", .type = MSG_TRADE, .title = "Trades",        \
        .audit = checked_by, .sequence = SEQ_NONE, .time_member = MEMBER_EXCHANGE_TIME,            \
        .items = {{"data", ACTION_NONE, FRAME_ANY, 0}}, TOPIC_FIELDS(trade_table),                 \
        .rules = {{RULE_ID_UNIQUE, STRENGTH_ERROR, MEMBER_TRADE_ID},                               \
                  {RULE_TIME_WEAK, STRENGTH_ERROR, MEMBER_NONE},                                   \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},                             \
    }

/* The ticker. The order of its frames is only a warning, because no recording has two consecutive
 * frames. */
#define OP_TICKER(envelope_table, ticker_table)                                                    \
    {                                                                                              \
        .name = "instrument_info.100ms", .pattern = "instrument_info.100ms.{symbol}",              \
        .type = MSG_TICKER, .title = "Ticker; a delta has the changed fields only",                \
        .sequence = SEQ_ENVELOPE, .time_member = MEMBER_EXCHANGE_TIME, .items = OP_TICKER_ITEMS,   \
        TOPIC_ENVELOPE(envelope_table), TOPIC_FIELDS(ticker_table),                                \
        .rules = {{RULE_SEQ_STRICT, STRENGTH_WARNING, MEMBER_CROSS_SEQ},                           \
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_ANCHORED, STRENGTH_WARNING, MEMBER_NONE},                                  \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                              \
                  {RULE_BEST_AGREES, STRENGTH_WARNING, MEMBER_CROSS_SEQ}},                         \
    }

/* Fields of a candle. start is its first second, end the second after its last; timestamp is the
 * time of its last trade. */
#define OP_KLINE_FIELDS                                                                            \
    FIELD(MEMBER_START, "start", FIELD_TIME, UNIT_S, 0, FIELD_REQUIRED),                           \
        FIELD(MEMBER_END, "end", FIELD_TIME, UNIT_S, 0, 0),                                        \
        FIELD(MEMBER_INTERVAL, "period", FIELD_TEXT, UNIT_NONE, 0, 0),                             \
        FIELD(MEMBER_OPEN, "open", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED),                  \
        FIELD(MEMBER_CLOSE, "close", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED),                \
        FIELD(MEMBER_HIGH, "high", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED),                  \
        FIELD(MEMBER_LOW, "low", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED),                    \
        FIELD(MEMBER_VOLUME, "volume", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED),           \
        FIELD(MEMBER_TURNOVER, "turnover", FIELD_DECIMAL, UNIT_MONEY, 0, 0),                       \
        FIELD(MEMBER_IS_CONFIRMED, "confirm", FIELD_BOOL, UNIT_NONE, 0, 0),                        \
        FIELD(MEMBER_LAST_TRADE_TIME, "timestamp", FIELD_TIME, UNIT_US, 0, 0)

/* Fields of candles of inverse and linear. cross_seq is a number; linear has volume and turnover as
 * strings, and one inverse frame of 2022 has the inner timestamp as a string. */
static const field_row OP_CANDLE[] = {
    OP_KLINE_FIELDS,
    {MEMBER_CROSS_SEQ, "cross_seq", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

static const field_row OP_CANDLE_ENVELOPE[] = {
    {MEMBER_EXCHANGE_TIME, "timestamp_e6", FIELD_TIME, UNIT_US, 0, 0},
};

/* A candle topic. Volume and turnover increase by the sum of the symbol's trades, in contracts or
 * coins; how reliably differs by family (docs/wire.md 2.3). */
#define OP_KLINE(topic_name, envelope_table, kline_table, complete_strength)                       \
    {                                                                                              \
        .name = topic_name, .pattern = topic_name ".{interval}.{symbol}", .type = MSG_KLINE,       \
        .title = "Candles; confirm: the candle is closed", .sequence = SEQ_ITEM,                   \
        .time_member = MEMBER_EXCHANGE_TIME, .items = {{"data", ACTION_NONE, FRAME_ANY, 0}},       \
        TOPIC_ENVELOPE(envelope_table), TOPIC_FIELDS(kline_table),                                 \
        .rules = {{RULE_KLINE_START, STRENGTH_WARNING, MEMBER_NONE},                               \
                  {RULE_KLINE_CONFIRM, STRENGTH_WARNING, MEMBER_NONE},                             \
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_SEQ_WEAK, STRENGTH_STATISTIC, MEMBER_CROSS_SEQ},                           \
                  {RULE_TRADES_COMPLETE, complete_strength, MEMBER_VOLUME}},                       \
    }

static const field_row OP_LIQUIDATION_FIELDS[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIDE, "side", FIELD_ANY_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "qty", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_EXCHANGE_TIME, "time", FIELD_TIME, UNIT_MS, 0, FIELD_REQUIRED},
};

/* The liquidation topic: one object, in a frame without type; the price is the bankruptcy price. */
#define OP_LIQUIDATION                                                                             \
    {                                                                                              \
        .name = "liquidation", .pattern = "liquidation.{symbol}", .type = MSG_LIQUIDATION,         \
        .title = "Liquidations", .sequence = SEQ_NONE, .time_member = MEMBER_EXCHANGE_TIME,        \
        .items = {{"data", ACTION_NONE, FRAME_ANY, 0}}, TOPIC_FIELDS(OP_LIQUIDATION_FIELDS),       \
        .rules = {{RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                              \
                  {RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE}},                              \
    }

/* The insurance fund of a coin, in units of 10^-8, once a day. The coin is the topic's symbol.
 * Frames of 2018 also have action, which is "update", and some have walletBalance. */
static const field_row OP_INSURANCE_FIELDS[] = {
    {MEMBER_COIN, "currency", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXCHANGE_TIME, "timestamp", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_WALLET_BALANCE, "wallet_balance", FIELD_DECIMAL, UNIT_MONEY, 8, FIELD_REQUIRED},
    {MEMBER_WALLET_BALANCE, "walletBalance", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
};

static const field_row OP_INSURANCE_ENVELOPE[] = {
    {MEMBER_PUSH_ACTION, "action", FIELD_TEXT, UNIT_NONE, 0, 0},
};

#define OP_INSURANCE                                                                               \
    {                                                                                              \
        .name = "insurance", .pattern = "insurance.{coin}", .type = MSG_INSURANCE,                 \
        .title = "Balance of the insurance fund, daily", .sequence = SEQ_NONE,                     \
        .time_member = MEMBER_EXCHANGE_TIME, .items = {{"data", ACTION_NONE, FRAME_ANY, 0}},       \
        TOPIC_ENVELOPE(OP_INSURANCE_ENVELOPE), TOPIC_FIELDS(OP_INSURANCE_FIELDS),                  \
        .rules = {{RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE}},                              \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

#endif
