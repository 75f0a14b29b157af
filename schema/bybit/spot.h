/* What the two public generations of spot have in common (docs/wire.md 4.2): keys are single
 * letters, levels are pairs, a topic's symbol and parameter stand beside it. All prices and sizes
 * are strings. Tables only; for schema/bybit/ alone. */
#ifndef TD_SCHEMA_TOPICS_SPOT_H
#define TD_SCHEMA_TOPICS_SPOT_H

#include "schema/bybit/topics.h"

/* A subscription as the frames echo it. */
#define SPOT_PARAMS_FIELDS                                                                         \
    {MEMBER_IS_BINARY, "params.binary", FIELD_BOOL, UNIT_NONE, 0, 0},                              \
    {                                                                                              \
        MEMBER_REALTIME_INTERVAL, "params.realtimeInterval", FIELD_TEXT, UNIT_NONE, 0, 0           \
    }

/* What a book says of itself. v is two or three numbers joined by "_"; how they are ordered is
 * not documented. o is to be ignored. */
#define SPOT_BOOK_FIELDS                                                                           \
    {MEMBER_EXCHANGE_TIME, "data.t", FIELD_TIME, UNIT_MS, 0, 0},                                   \
        {MEMBER_SYMBOL, "data.s", FIELD_TEXT, UNIT_NONE, 0, 0},                                    \
        {MEMBER_VERSION, "data.v", FIELD_TEXT, UNIT_NONE, 0, 0},                                   \
        {MEMBER_EXCHANGE_ID, "data.e", FIELD_INTEGER, UNIT_NONE, 0, 0},                            \
    {                                                                                              \
        MEMBER_RESERVED, "data.o", FIELD_INTEGER, UNIT_NONE, 0, 0                                  \
    }

/* Bids and asks as ["PRICE","SIZE"]. */
#define SPOT_LEVEL_FIELDS                                                                          \
    {MEMBER_PRICE, "0", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},                             \
    {                                                                                              \
        MEMBER_SIZE, "1", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED                          \
    }

/* Both sides of a book that comes whole. */
#define SPOT_FULL_BOOK_ITEMS                                                                       \
    {                                                                                              \
        {"data.b", ACTION_SET, FRAME_ANY, ITEMS_REQUIRED | ITEMS_POSITIONAL | ITEMS_BUY},          \
        {                                                                                          \
            "data.a", ACTION_SET, FRAME_ANY, ITEMS_REQUIRED | ITEMS_POSITIONAL | ITEMS_SELL        \
        }                                                                                          \
    }

/* Rules of one: a version that comes again is a repeated frame, its numbers a hint of order
 * (docs/wire.md 6.6). */
#define SPOT_FULL_BOOK_RULES                                                                       \
    {                                                                                              \
        {RULE_VERSION_DIFFERS, STRENGTH_WARNING, MEMBER_VERSION},                                  \
            {RULE_VERSION_WEAK, STRENGTH_STATISTIC, MEMBER_VERSION},                               \
            {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                       \
            {RULE_SIZE_POSITIVE, STRENGTH_WARNING, MEMBER_NONE},                                   \
            {RULE_NOT_CROSSED, STRENGTH_WARNING, MEMBER_NONE},                                     \
        {                                                                                          \
            RULE_DEPTH_MAX, STRENGTH_WARNING, MEMBER_NONE                                          \
        }                                                                                          \
    }

/* A trade. v is its id, over all symbols; m: the buyer took. */
#define SPOT_TRADE_FIELDS                                                                          \
    {MEMBER_TRADE_ID, "v", FIELD_TEXT, UNIT_NONE, 0, 0},                                           \
        {MEMBER_EXCHANGE_TIME, "t", FIELD_TIME, UNIT_MS, 0, 0},                                    \
        {MEMBER_PRICE, "p", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},                         \
        {MEMBER_SIZE, "q", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},                       \
    {                                                                                              \
        MEMBER_SIDE, "m", FIELD_IS_BUY, UNIT_NONE, 0, FIELD_REQUIRED                               \
    }

/* Ids rose in 60 of 60 trades, with holes (docs/wire.md 6.6). */
#define SPOT_TRADE_RULES                                                                           \
    {                                                                                              \
        {RULE_ID_ASCENDING, STRENGTH_WARNING, MEMBER_TRADE_ID},                                    \
        {                                                                                          \
            RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE                                          \
        }                                                                                          \
    }

/* A candle: t is its first millisecond, the volume is in the base coin, there is no turnover. */
#define SPOT_KLINE_FIELDS                                                                          \
    {MEMBER_START, "t", FIELD_TIME, UNIT_MS, 0, FIELD_REQUIRED},                                   \
        {MEMBER_SYMBOL, "s", FIELD_TEXT, UNIT_NONE, 0, 0},                                         \
        {MEMBER_SYMBOL_NAME, "sn", FIELD_TEXT, UNIT_NONE, 0, 0},                                   \
        {MEMBER_CLOSE, "c", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},                         \
        {MEMBER_HIGH, "h", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},                          \
        {MEMBER_LOW, "l", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},                           \
        {MEMBER_OPEN, "o", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},                          \
    {                                                                                              \
        MEMBER_VOLUME, "v", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED                        \
    }

#define SPOT_KLINE_RULES                                                                           \
    {                                                                                              \
        {RULE_KLINE_START, STRENGTH_WARNING, MEMBER_NONE},                                         \
            {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                       \
            {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                                    \
        {                                                                                          \
            RULE_TRADES_COMPLETE, STRENGTH_WARNING, MEMBER_VOLUME                                  \
        }                                                                                          \
    }

/* The last 24 hours: o is the price then, m the change since, xp the index price in USD, which may
 * be empty. */
#define SPOT_TICKER_FIELDS                                                                         \
    {MEMBER_EXCHANGE_TIME, "t", FIELD_TIME, UNIT_MS, 0, 0},                                        \
        {MEMBER_SYMBOL, "s", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},                            \
        {MEMBER_SYMBOL_NAME, "sn", FIELD_TEXT, UNIT_NONE, 0, 0},                                   \
        {MEMBER_LAST_PRICE, "c", FIELD_DECIMAL, UNIT_PRICE, 0, 0},                                 \
        {MEMBER_HIGH_PRICE_24H, "h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},                             \
        {MEMBER_LOW_PRICE_24H, "l", FIELD_DECIMAL, UNIT_PRICE, 0, 0},                              \
        {MEMBER_PREV_PRICE_24H, "o", FIELD_DECIMAL, UNIT_PRICE, 0, 0},                             \
        {MEMBER_VOLUME_24H, "v", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},                              \
        {MEMBER_TURNOVER_24H, "qv", FIELD_DECIMAL, UNIT_MONEY, 0, 0},                              \
        {MEMBER_PRICE_24H_PCNT, "m", FIELD_DECIMAL, UNIT_RATE, 0, 0},                              \
        {MEMBER_EXCHANGE_ID, "e", FIELD_INTEGER, UNIT_NONE, 0, 0},                                 \
    {                                                                                              \
        MEMBER_USD_INDEX_PRICE, "xp", FIELD_DECIMAL, UNIT_PRICE, 0, 0                              \
    }

#define SPOT_TICKER_RULES                                                                          \
    {                                                                                              \
        {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                           \
        {                                                                                          \
            RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE                                       \
        }                                                                                          \
    }

#endif
