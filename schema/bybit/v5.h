/* Shared by v5's families of perpetuals and futures, in addition to v3.h (docs/wire.md 3): trades
 * with the members added in 2025, and topics that only v5 has. Tables only; only for schema/bybit/.
 */
#ifndef TD_BYBIT_V5_H
#define TD_BYBIT_V5_H

#include "schema/bybit/v3.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

static const field_row V5_TRADE[] = {V3_TRADE_FIELDS, V3_TRADE_RETAIL, V3_TRADE_SEQ};

/* Insurance funds of a settlement coin. The topic has only isolated funds: each is for the one
 * symbol in `symbols`. */
static const field_row V5_INSURANCE[] = {
    V3_TEXT(MEMBER_COIN, "coin"),
    V3_FIELD(MEMBER_SYMBOL, "symbols", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED),
    V3_FIELD(MEMBER_WALLET_BALANCE, "balance", FIELD_DECIMAL, UNIT_MONEY, FIELD_REQUIRED),
    V3_MS(MEMBER_UPDATED_AT, "updateTime"),
};

/* Alerts of auto-deleveraging: the insurance fund's balance, the fall of a symbol's profit and loss
 * in 8 hours, and the thresholds that start and stop the deleveraging. The values are numbers in
 * real frames, and strings in the documents. */
static const field_row V5_ADL_ALERT[] = {
    V3_TEXT(MEMBER_COIN, "c"),
    V3_FIELD(MEMBER_SYMBOL, "s", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED),
    V3_MONEY(MEMBER_WALLET_BALANCE, "b"),
    V3_MONEY(MEMBER_MAX_BALANCE, "mb"),
    V3_RATE(MEMBER_ADL_TRIGGER_RATIO, "i_pr"),
    V3_RATE(MEMBER_PNL_RATIO, "pr"),
    V3_MONEY(MEMBER_ADL_TRIGGER_BALANCE, "adl_tt"),
    V3_RATE(MEMBER_ADL_STOP_RATIO, "adl_sr"),
};

/* Price limits: the highest bid and the lowest ask that an order may have. */
static const field_row V5_PRICE_LIMIT[] = {
    V3_SYMBOL,
    V3_PRICE(MEMBER_BUY_LIMIT, "buyLmt"),
    V3_PRICE(MEMBER_SELL_LIMIT, "sellLmt"),
};

#define V5_PRICE_LIMITS                                                                            \
    {                                                                                              \
        .name = "priceLimit", .pattern = "priceLimit.{symbol}", .type = MSG_NOTICE,                \
        .title = "Limits of order prices, 300 ms", .time_member = MEMBER_EXCHANGE_TIME,            \
        .items = V3_ENTRIES("data", ACTION_SET), TOPIC_ENVELOPE(V3_TIME_ENVELOPE),                 \
        TOPIC_FIELDS(V5_PRICE_LIMIT),                                                              \
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},                             \
    }

/* A topic with every liquidation (the topic "liquidation" had at most one per second). A frame may
 * have several, in any order. */
#define V5_ALL_LIQUIDATIONS                                                                        \
    {                                                                                              \
        .name = "allLiquidation", .pattern = "allLiquidation.{symbol}", .type = MSG_LIQUIDATION,   \
        .title = "All liquidations, 500 ms", .time_member = MEMBER_EXCHANGE_TIME,                  \
        .items = V3_ENTRIES("data", ACTION_NONE), TOPIC_ENVELOPE(V3_SENT_ENVELOPE),                \
        TOPIC_FIELDS(V3_ALL_LIQUIDATION),                                                          \
        .rules = {{RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE},                               \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},                             \
    }

/* A topic of a settlement coin (or of "inverse") whose entries name symbols. entries is WHOLE or
 * CHANGES (see V3_WHOLE). */
#define V5_OF_COIN(topic_name, message_type, words, entries, table)                                \
    {                                                                                              \
        .name = topic_name, .pattern = topic_name ".{coin}", .type = message_type, .title = words, \
        .time_member = MEMBER_EXCHANGE_TIME, .items = V3_##entries,                                \
        TOPIC_ENVELOPE(V3_TIME_ENVELOPE), TOPIC_FIELDS(table),                                     \
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE}},                                \
    }

/* The book with all levels. Its frames are deltas only: clients get the snapshot, which has at most
 * 10,000 levels a side, over HTTP (docs/wire.md 3.3). Deeper levels become known only when they
 * change, so a delete may be of an unknown one. */
#define V5_BOOK_FULL_COMMON                                                                        \
    .snapshot_request = "/v5/market/full_orderbook?category={category}&symbol={symbol}",           \
    TOPIC_FIELDS(V3_LEVEL),                                                                        \
    .rules = {V3_DELTA_RULES(RULE_SEQ_STRICT),                                                     \
              {RULE_DELETE_EXISTS, STRENGTH_STATISTIC, MEMBER_NONE},                               \
              {RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE},                                   \
              {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE}}

static const field_row V5_BOOK_FULL_REPLY_ENVELOPE[] = {
    V3_INTEGER(MEMBER_CODE, "retCode"),
    V3_TEXT(MEMBER_REASON, "retMsg"),
    V3_TEXT(MEMBER_SYMBOL, "result.s"),
    V3_MS(MEMBER_EXCHANGE_TIME, "result.ts"),
    V3_FIELD(MEMBER_U, "result.u", FIELD_INTEGER, UNIT_NONE, FIELD_REQUIRED),
    V3_INTEGER(MEMBER_SEQ, "result.seq"),
    V3_MS(MEMBER_MATCH_TIME, "result.cts"),
    V3_JSON(MEMBER_EXTRA_INFO, "retExtInfo"),
    V3_MS(MEMBER_SEND_TIME, "time"),
};

static const topic_row V5_BOOK_FULL_REPLY = {
    V3_BOOK_COMMON("full", 0, NULL, V5_BOOK_FULL_REPLY_ENVELOPE),
    .title = "Snapshot of the order book with all levels",
    .topic_key = "",
    .default_kind = FRAME_SNAPSHOT,
    .items = {V3_LEVELS("result.b", FRAME_SNAPSHOT, ITEMS_BUY),
              V3_LEVELS("result.a", FRAME_SNAPSHOT, ITEMS_SELL)},
    V5_BOOK_FULL_COMMON,
};

#define V5_BOOK_FULL                                                                               \
    {                                                                                              \
        V3_BOOK_COMMON("full", 0, NULL, V3_BOOK_ENVELOPE),                                         \
            .title = "Order book, all levels, 200 ms; its snapshot comes over HTTP",               \
            .items = {V3_LEVELS_OF(FRAME_DELTA)}, .snapshot_reply = &V5_BOOK_FULL_REPLY,           \
            V5_BOOK_FULL_COMMON,                                                                   \
    }

/* Books in linear, inverse and spot. The book of 1000 levels was added in August 2025, at first
 * with a frame every 300 ms. */
#define V5_BOOKS                                                                                   \
    V3_BOOK_1(V3_BOOK_1_WHOLE_FROM), V3_BOOK_1_WHOLE(V3_BOOK_1_WHOLE_FROM),                        \
        V3_BOOK(50, "20 ms", "orderbook.200"),                                                     \
        V3_BOOK_DATED(1000, "300 ms", "orderbook.50", "2025-08-14", "2025-11-25"),                 \
        V3_BOOK_DATED(1000, "200 ms", "orderbook.50", "2025-11-25", NULL), V3_BOOK_RPI,            \
        V5_BOOK_FULL

/* Topics in linear and inverse, besides trades and candles. The book of 500 levels was discontinued
 * in September 2025; its row has no end, because old clients still request it. */
#define V5_FUTURES_TOPICS                                                                          \
    V5_BOOKS, V3_BOOK(200, "100 ms", "orderbook.50"), V3_BOOK(500, "100 ms", "orderbook.50"),      \
        V3_TRADES(V5_TRADE, "kline.1"), V3_TICKERS, V5_ALL_LIQUIDATIONS, V3_LIQUIDATIONS,          \
        V5_PRICE_LIMITS,                                                                           \
        V5_OF_COIN("insurance", MSG_INSURANCE, "Insurance funds that changed, 1 s", CHANGES,       \
                   V5_INSURANCE),                                                                  \
        V5_OF_COIN("adlAlert", MSG_NOTICE, "Alerts of auto-deleveraging, 1 s", WHOLE,              \
                   V5_ADL_ALERT)

/* NOLINTEND(bugprone-macro-parentheses) */

#endif
