/* What contract v3 and the v5 families have in common: runs of fields, and whole rows of topics
 * that differ in one place (docs/wire.md 3). A family's file says the rest. Tables only; for
 * schema/topics/ alone.
 *
 * Fields are in the order in which the most frequent frames have them: readers guess by it. What is
 * called seq or cs on the wire counts the same events of a symbol, so it is one member. */
#ifndef TD_SCHEMA_TOPICS_V3_H
#define TD_SCHEMA_TOPICS_V3_H

#include "schema/topics/topics.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* The symbol as an entry, or the data object, names it. */
#define V3_SYMBOL(key)                                                                             \
    {                                                                                              \
        MEMBER_SYMBOL, key, FIELD_TEXT, UNIT_NONE, 0, 0                                            \
    }

/* When the exchange made the frame; for topics whose entries have no time of their own it is the
 * time of the whole frame. */
#define V3_TIME(member)                                                                            \
    {                                                                                              \
        member, "ts", FIELD_TIME, UNIT_MS, 0, 0                                                    \
    }

/* ---- books ---- */

/* Around the levels. seq is missing in options of 2023, cts before December 2023. */
static const field_row V3_BOOK_ENVELOPE[] = {
    V3_TIME(MEMBER_EXCHANGE_TIME),
    V3_SYMBOL("data.s"),
    {MEMBER_U, "data.u", FIELD_INTEGER, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SEQ, "data.seq", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_MATCH_TIME, "cts", FIELD_TIME, UNIT_MS, 0, 0},
};

static const field_row V3_LEVEL[] = {
    {MEMBER_PRICE, "0", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "1", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
};

/* One side, in frames of one kind. A level says what its price has from now on; 0 is nothing. */
#define V3_LEVELS(path, kind, side)                                                                \
    {                                                                                              \
        path, ACTION_SET, kind, ITEMS_REQUIRED | ITEMS_POSITIONAL | ITEMS_ZERO_DELETES | (side)    \
    }
#define V3_BOOK_ITEMS                                                                              \
    {                                                                                              \
        V3_LEVELS("data.b", FRAME_SNAPSHOT, ITEMS_BUY),                                            \
            V3_LEVELS("data.a", FRAME_SNAPSHOT, ITEMS_SELL),                                       \
            V3_LEVELS("data.b", FRAME_DELTA, ITEMS_BUY),                                           \
            V3_LEVELS("data.a", FRAME_DELTA, ITEMS_SELL)                                           \
    }

/* Rules of windowed books (docs/wire.md 6.5): u finds every loss. How deep a book has to be says
 * nothing in a thin market. */
#define V3_BOOK_RULES                                                                              \
    {RULE_SEQ_DENSE, STRENGTH_ERROR, MEMBER_U}, {RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_SEQ},     \
        {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                           \
        {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},                                              \
        {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                                        \
        {RULE_DELETE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},                                         \
        {RULE_UPDATE_CHANGES, STRENGTH_ERROR, MEMBER_NONE},                                        \
        {RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE},                                         \
        {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE},                                           \
        {RULE_DEPTH_MAX, STRENGTH_ERROR, MEMBER_NONE},                                             \
        {RULE_DEPTH, STRENGTH_STATISTIC, MEMBER_NONE},                                             \
    {                                                                                              \
        RULE_BOOKS_AGREE, STRENGTH_WARNING, MEMBER_SEQ                                             \
    }

/* A book of so many levels a side, with deltas; twin: the depth that audits it. The dates are NULL
 * where it is as it always was. */
#define V3_BOOK_DATED(levels, words, twin, from, until)                                            \
    {                                                                                              \
        .name = "orderbook." #levels, .pattern = "orderbook." #levels ".{symbol}",                 \
        .type = MSG_BOOK_CHANGE, .title = "Order book, " #levels " levels a side, " words,         \
        .audit = twin, .valid_from = from, .valid_until = until, .book_depth = levels,             \
        .sequence = SEQ_ENVELOPE, .time_member = MEMBER_EXCHANGE_TIME, .items = V3_BOOK_ITEMS,     \
        TOPIC_ENVELOPE(V3_BOOK_ENVELOPE), TOPIC_FIELDS(V3_LEVEL), .rules = {V3_BOOK_RULES},        \
    }
#define V3_BOOK(levels, words, twin) V3_BOOK_DATED(levels, words, twin, NULL, NULL)

/* Level 1 from the day on which all symbols had snapshots only: sent again with the same u after 3
 * s without change, so a step above 1 is a loss, and the next frame heals it (docs/wire.md 3.3). */
#define V3_BOOK_1_REPEATED(from)                                                                   \
    {                                                                                              \
        .name = "orderbook.1", .pattern = "orderbook.1.{symbol}", .type = MSG_BOOK_CHANGE,         \
        .title = "Best bid and ask, 10 ms, each time in full", .valid_from = from,                 \
        .audit = "orderbook.50", .book_depth = 1, .sequence = SEQ_ENVELOPE,                        \
        .time_member = MEMBER_EXCHANGE_TIME,                                                       \
        .items = {V3_LEVELS("data.b", FRAME_SNAPSHOT, ITEMS_BUY),                                  \
                  V3_LEVELS("data.a", FRAME_SNAPSHOT, ITEMS_SELL)},                                \
        TOPIC_ENVELOPE(V3_BOOK_ENVELOPE), TOPIC_FIELDS(V3_LEVEL),                                  \
        .rules = {{RULE_SEQ_STEP, STRENGTH_ERROR, MEMBER_U},                                       \
                  {RULE_SEQ_WEAK, STRENGTH_ERROR, MEMBER_SEQ},                                     \
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                              \
                  {RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE},                               \
                  {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE},                                 \
                  {RULE_DEPTH_MAX, STRENGTH_ERROR, MEMBER_NONE},                                   \
                  {RULE_SNAPSHOT_REPEAT, STRENGTH_STATISTIC, MEMBER_U},                            \
                  {RULE_BOOKS_AGREE, STRENGTH_WARNING, MEMBER_SEQ}},                               \
    }

/* Level 1 before that: a snapshot, then deltas that may delete the old best and insert the new one.
 * Only seq's order is weaker than in deeper books: a repeated snapshot has its own. */
#define V3_BOOK_1(until) V3_BOOK_DATED(1, "10 ms", "orderbook.50", NULL, until)

/* ---- trades ---- */

/* A frame has its own time, each trade its match's. */
static const field_row V3_SENT_ENVELOPE[] = {
    V3_TIME(MEMBER_SEND_TIME),
};

#define V3_TRADE_TIME                                                                              \
    {                                                                                              \
        MEMBER_EXCHANGE_TIME, "T", FIELD_TIME, UNIT_MS, 0, FIELD_REQUIRED                          \
    }
#define V3_TRADE_SIDE                                                                              \
    {                                                                                              \
        MEMBER_SIDE, "S", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED                                 \
    }
#define V3_TRADE_SIZE                                                                              \
    {                                                                                              \
        MEMBER_SIZE, "v", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED                          \
    }
#define V3_TRADE_PRICE                                                                             \
    {                                                                                              \
        MEMBER_PRICE, "p", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED                            \
    }
#define V3_TRADE_TICK                                                                              \
    {                                                                                              \
        MEMBER_TICK_DIRECTION, "L", FIELD_TEXT, UNIT_NONE, 0, 0                                    \
    }
#define V3_TRADE_ID                                                                                \
    {                                                                                              \
        MEMBER_TRADE_ID, "i", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED                             \
    }
#define V3_TRADE_BLOCK                                                                             \
    {                                                                                              \
        MEMBER_IS_BLOCK_TRADE, "BT", FIELD_BOOL, UNIT_NONE, 0, 0                                   \
    }

/* Fields that came in 2025 (docs/wire.md 3.4). */
#define V3_TRADE_RPI                                                                               \
    {                                                                                              \
        MEMBER_IS_RPI_TRADE, "RPI", FIELD_BOOL, UNIT_NONE, 0, 0                                    \
    }
#define V3_TRADE_SEQ                                                                               \
    {                                                                                              \
        MEMBER_SEQ, "seq", FIELD_INTEGER, UNIT_NONE, 0, 0                                          \
    }

/* Futures and perpetuals. */
#define V3_TRADE_FIELDS                                                                            \
    V3_TRADE_TIME, V3_SYMBOL("s"), V3_TRADE_SIDE, V3_TRADE_SIZE, V3_TRADE_PRICE, V3_TRADE_TICK,    \
        V3_TRADE_ID, V3_TRADE_BLOCK

/* Trades of one symbol. Order and repeats show, losses do not: candles prove them (docs/wire.md
 * 6.5). */
#define V3_TRADES(trade_table, ...)                                                                \
    {                                                                                              \
        .name = "publicTrade", .pattern = "publicTrade.{symbol}", .type = MSG_TRADE,               \
        .title = "Trades, up to 1,024 a frame", .audit = "kline.1", .sequence = SEQ_ITEM,          \
        .time_member = MEMBER_EXCHANGE_TIME,                                                       \
        .items = {{"data", ACTION_NONE, FRAME_ANY, ITEMS_REQUIRED}},                               \
        TOPIC_ENVELOPE(V3_SENT_ENVELOPE), TOPIC_FIELDS(trade_table),                               \
        .rules = {__VA_ARGS__{RULE_TIME_WEAK, STRENGTH_ERROR, MEMBER_NONE},                        \
                  {RULE_ID_UNIQUE, STRENGTH_ERROR, MEMBER_TRADE_ID},                               \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},                             \
    }

/* Where trades have seq: several frames may share one. */
#define V3_SEQ_NEVER_DOWN {RULE_SEQ_WEAK, STRENGTH_ERROR, MEMBER_SEQ},

/* ---- tickers ---- */

static const field_row V3_TICKER_ENVELOPE[] = {
    {MEMBER_SEQ, "cs", FIELD_INTEGER, UNIT_NONE, 0, 0},
    V3_TIME(MEMBER_EXCHANGE_TIME),
};

#define V3_LAST_PRICE                                                                              \
    {                                                                                              \
        MEMBER_LAST_PRICE, "lastPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0                            \
    }
#define V3_HIGH_LOW_24H                                                                            \
    {MEMBER_HIGH_PRICE_24H, "highPrice24h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},                      \
    {                                                                                              \
        MEMBER_LOW_PRICE_24H, "lowPrice24h", FIELD_DECIMAL, UNIT_PRICE, 0, 0                       \
    }
#define V3_PREV_24H                                                                                \
    {                                                                                              \
        MEMBER_PREV_PRICE_24H, "prevPrice24h", FIELD_DECIMAL, UNIT_PRICE, 0, 0                     \
    }
#define V3_TURNOVER_24H                                                                            \
    {                                                                                              \
        MEMBER_TURNOVER_24H, "turnover24h", FIELD_DECIMAL, UNIT_MONEY, 0, 0                        \
    }
#define V3_VOLUME_24H                                                                              \
    {                                                                                              \
        MEMBER_VOLUME_24H, "volume24h", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0                         \
    }
#define V3_CHANGE_24H                                                                              \
    {                                                                                              \
        MEMBER_PRICE_24H_PCNT, "price24hPcnt", FIELD_DECIMAL, UNIT_RATE, 0, 0                      \
    }
#define V3_MARK_PRICE                                                                              \
    {                                                                                              \
        MEMBER_MARK_PRICE, "markPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0                            \
    }
#define V3_INDEX_PRICE                                                                             \
    {                                                                                              \
        MEMBER_INDEX_PRICE, "indexPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0                          \
    }
#define V3_OPEN_INTEREST                                                                           \
    {                                                                                              \
        MEMBER_OPEN_INTEREST, "openInterest", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0                   \
    }

/* Best bid and ask under one of two spellings: bid1Price, or bidPrice. */
#define V3_BEST(bid, ask)                                                                          \
    {MEMBER_BID1_PRICE, bid "Price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},                             \
        {MEMBER_BID1_SIZE, bid "Size", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},                        \
        {MEMBER_ASK1_PRICE, ask "Price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},                         \
    {                                                                                              \
        MEMBER_ASK1_SIZE, ask "Size", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0                           \
    }

/* Perpetuals and dated futures; those of one kind only are absent, or "", in the other. */
static const field_row V3_TICKER[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_TICK_DIRECTION, "tickDirection", FIELD_TEXT, UNIT_NONE, 0, 0},
    V3_CHANGE_24H,
    V3_LAST_PRICE,
    V3_PREV_24H,
    V3_HIGH_LOW_24H,
    {MEMBER_PREV_PRICE_1H, "prevPrice1h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    V3_MARK_PRICE,
    V3_INDEX_PRICE,
    V3_OPEN_INTEREST,
    {MEMBER_OPEN_VALUE, "openInterestValue", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    V3_TURNOVER_24H,
    V3_VOLUME_24H,
    {MEMBER_FUNDING_RATE_INTERVAL, "fundingIntervalHour", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_FUNDING_CAP, "fundingCap", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_SINGLE_OPEN_INTEREST, "singleOpenInterest", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_SINGLE_OPEN_VALUE, "singleOpenInterestValue", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_DELIVERY_TIME, "deliveryTime", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_FAIR_BASIS_RATE, "basisRate", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_SETTLE_FEE_RATE, "deliveryFeeRate", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_PREDICTED_DELIVERY_PRICE, "predictedDeliveryPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_FAIR_BASIS, "basis", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_BASIS_IN_YEAR, "basisRateYear", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_NEXT_FUNDING_TIME, "nextFundingTime", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_FUNDING_RATE, "fundingRate", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    V3_BEST("bid1", "ask1"),
    {MEMBER_PRE_OPEN_PRICE, "preOpenPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_PRE_OPEN_SIZE, "preQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_PRE_LISTING_PHASE, "curPreListingPhase", FIELD_TEXT, UNIT_NONE, 0, 0},
};

/* A ticker whose delta has the changed fields, some unchanged ones among them. */
#define V3_TICKERS                                                                                 \
    {                                                                                              \
        .name = "tickers", .pattern = "tickers.{symbol}", .type = MSG_TICKER,                      \
        .title = "Ticker, 100 ms; a delta has the changed fields only", .sequence = SEQ_ENVELOPE,  \
        .time_member = MEMBER_EXCHANGE_TIME,                                                       \
        .items = {{"data", ACTION_SET, FRAME_SNAPSHOT, ITEMS_REQUIRED},                            \
                  {"data", ACTION_UPDATE, FRAME_DELTA, ITEMS_REQUIRED}},                           \
        TOPIC_ENVELOPE(V3_TICKER_ENVELOPE), TOPIC_FIELDS(V3_TICKER),                               \
        .rules = {{RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_SEQ},                                   \
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_ANCHORED, STRENGTH_WARNING, MEMBER_NONE},                                  \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                              \
                  {RULE_BEST_AGREES, STRENGTH_WARNING, MEMBER_SEQ}},                               \
    }

/* A ticker that is sent in full each time. */
#define V3_TICKERS_FULL(words, ticker_table, envelope_table, ...)                                  \
    {                                                                                              \
        .name = "tickers", .pattern = "tickers.{symbol}", .type = MSG_TICKER,                      \
        .title = "Ticker, " words ", each time in full", .sequence = SEQ_ENVELOPE,                 \
        .time_member = MEMBER_EXCHANGE_TIME,                                                       \
        .items = {{"data", ACTION_SET, FRAME_SNAPSHOT, ITEMS_REQUIRED}},                           \
        TOPIC_ENVELOPE(envelope_table), TOPIC_FIELDS(ticker_table),                                \
        .rules = {__VA_ARGS__{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                      \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},                             \
    }

/* ---- candles ---- */

static const field_row V3_TIME_ENVELOPE[] = {
    V3_TIME(MEMBER_EXCHANGE_TIME),
};

/* timestamp is said to be the last trade's time; in all real frames it is ts. */
static const field_row V3_CANDLE[] = {
    {MEMBER_START, "start", FIELD_TIME, UNIT_MS, 0, FIELD_REQUIRED},
    {MEMBER_END, "end", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_INTERVAL, "interval", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_OPEN, "open", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_CLOSE, "close", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_HIGH, "high", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_LOW, "low", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_VOLUME, "volume", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_TURNOVER, "turnover", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_IS_CONFIRMED, "confirm", FIELD_BOOL, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_LAST_TRADE_TIME, "timestamp", FIELD_TIME, UNIT_MS, 0, 0},
};

/* Candles; what they add up says whether all trades came. checked: MEMBER_TURNOVER or
 * MEMBER_VOLUME, as RULE_TRADES_COMPLETE has it. */
#define V3_CANDLES(checked)                                                                        \
    {                                                                                              \
        .name = "kline", .pattern = "kline.{interval}.{symbol}", .type = MSG_KLINE,                \
        .title = "Candles, 1 to 60 s", .sequence = SEQ_NONE, .time_member = MEMBER_EXCHANGE_TIME,  \
        .items = {{"data", ACTION_NONE, FRAME_ANY, ITEMS_REQUIRED}},                               \
        TOPIC_ENVELOPE(V3_TIME_ENVELOPE), TOPIC_FIELDS(V3_CANDLE),                                 \
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_KLINE_START, STRENGTH_WARNING, MEMBER_NONE},                               \
                  {RULE_KLINE_CONFIRM, STRENGTH_WARNING, MEMBER_NONE},                             \
                  {RULE_TRADES_COMPLETE, STRENGTH_ERROR, checked}},                                \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

#endif
