/* Both versions of public spot topics (docs/wire.md 4.2): keys are single letters, levels are
 * pairs, and all prices and sizes are strings. A topic's symbol and parameter are in other members
 * of the frame.
 *
 * In v1 the symbol is at the top of the frame, data is a list (of one item, except for trades), and
 * f is true in the first frame. In v2 the symbol is in params, data is one object, and frames have
 * no send time. */
#include "schema/bybit/topics.h"

/* ---- fields of frames ---- */

/* Fields of the subscription's parameters, which each frame echoes. */
#define PARAMS_FIELDS                                                                              \
    FIELD(MEMBER_IS_BINARY, "params.binary", FIELD_BOOL, UNIT_NONE, 0, 0),                         \
        FIELD(MEMBER_REALTIME_INTERVAL, "params.realtimeInterval", FIELD_TEXT, UNIT_NONE, 0, 0)

/* Fields of every frame of v1. sendTime is the server's time; candles have no other time. */
#define V1_FIELDS(send_time)                                                                       \
    FIELD(MEMBER_SYMBOL_NAME, "symbolName", FIELD_TEXT, UNIT_NONE, 0, 0), PARAMS_FIELDS,           \
        FIELD(send_time, "sendTime", FIELD_TIME, UNIT_MS, 0, 0)

/* The field `f`, which is true in the first frame; ignored in topics whose every frame has the full
 * state. */
#define V1_IS_FIRST FIELD(MEMBER_IS_FIRST, "f", FIELD_BOOL, UNIT_NONE, 0, 0)

#define V2_FIELDS                                                                                  \
    FIELD(MEMBER_SYMBOL_NAME, "params.symbolName", FIELD_TEXT, UNIT_NONE, 0, 0), PARAMS_FIELDS

/* Fields of the frames of books. v is two or three numbers joined by "_", whose meaning is
 * undocumented. o is reserved. */
#define BOOK_FIELDS                                                                                \
    FIELD(MEMBER_EXCHANGE_TIME, "data.t", FIELD_TIME, UNIT_MS, 0, 0),                              \
        FIELD(MEMBER_SYMBOL, "data.s", FIELD_TEXT, UNIT_NONE, 0, 0),                               \
        FIELD(MEMBER_VERSION, "data.v", FIELD_TEXT, UNIT_NONE, 0, 0),                              \
        FIELD(MEMBER_EXCHANGE_ID, "data.e", FIELD_INTEGER, UNIT_NONE, 0, 0),                       \
        FIELD(MEMBER_RESERVED, "data.o", FIELD_INTEGER, UNIT_NONE, 0, 0)

static const field_row V1_TRADE_ENVELOPE[] = {V1_FIELDS(MEMBER_SEND_TIME)};
static const field_row V1_ENVELOPE[] = {V1_FIELDS(MEMBER_SEND_TIME), V1_IS_FIRST};
static const field_row V1_KLINE_ENVELOPE[] = {V1_FIELDS(MEMBER_EXCHANGE_TIME), V1_IS_FIRST};
static const field_row V1_BOOK_ENVELOPE[] = {V1_FIELDS(MEMBER_SEND_TIME), V1_IS_FIRST, BOOK_FIELDS};
static const field_row V1_DIFF_ENVELOPE[] = {V1_FIELDS(MEMBER_SEND_TIME), BOOK_FIELDS};
static const field_row V2_ENVELOPE[] = {V2_FIELDS};
static const field_row V2_BOOK_ENVELOPE[] = {V2_FIELDS, BOOK_FIELDS};

/* ---- fields of entries ---- */

/* Bids and asks as ["PRICE","SIZE"]. */
static const field_row LEVEL[] = {
    {MEMBER_PRICE, "0", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "1", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
};

/* Fields of trades. v is the trade's id, from one numbering for all symbols. m is true if the taker
 * was the buyer. */
#define TRADE_FIELDS                                                                               \
    FIELD(MEMBER_TRADE_ID, "v", FIELD_TEXT, UNIT_NONE, 0, 0),                                      \
        FIELD(MEMBER_EXCHANGE_TIME, "t", FIELD_TIME, UNIT_MS, 0, 0),                               \
        FIELD(MEMBER_PRICE, "p", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED),                    \
        FIELD(MEMBER_SIZE, "q", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED),                  \
        FIELD(MEMBER_SIDE, "m", FIELD_IS_BUY, UNIT_NONE, 0, FIELD_REQUIRED)

static const field_row V1_TRADE[] = {TRADE_FIELDS};

/* Trades of v2. type was added later; 1 means a block trade. */
static const field_row V2_TRADE[] = {
    TRADE_FIELDS,
    {MEMBER_IS_BLOCK_TRADE, "type", FIELD_BOOL, UNIT_NONE, 0, 0},
};

/* Candles. t is the candle's first millisecond, v the volume in the base coin; there is no
 * turnover. */
static const field_row KLINE[] = {
    {MEMBER_START, "t", FIELD_TIME, UNIT_MS, 0, FIELD_REQUIRED},
    {MEMBER_SYMBOL, "s", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL_NAME, "sn", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_CLOSE, "c", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_HIGH, "h", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_LOW, "l", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_OPEN, "o", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_VOLUME, "v", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
};

/* Tickers, about the last 24 hours: o is the price 24 hours ago, m the change since then, xp the
 * index price in USD, which may be empty. */
static const field_row TICKER[] = {
    {MEMBER_EXCHANGE_TIME, "t", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_SYMBOL, "s", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SYMBOL_NAME, "sn", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_LAST_PRICE, "c", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_HIGH_PRICE_24H, "h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_LOW_PRICE_24H, "l", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_PREV_PRICE_24H, "o", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_VOLUME_24H, "v", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_TURNOVER_24H, "qv", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_PRICE_24H_PCNT, "m", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_EXCHANGE_ID, "e", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_USD_INDEX_PRICE, "xp", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
};

/* Net asset value of a leveraged token. */
static const field_row TOKEN[] = {
    {MEMBER_EXCHANGE_TIME, "t", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_SYMBOL, "s", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_NAV, "nav", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_BASKET, "b", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_LEVERAGE, "l", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_BASKET_LOAN, "loan", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CIRCULATION, "ti", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_BASKET_POSITION, "n", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
};

static const field_row BEST[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_BID1_PRICE, "bidPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_BID1_SIZE, "bidQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_ASK1_PRICE, "askPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_ASK1_SIZE, "askQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_EXCHANGE_TIME, "time", FIELD_TIME, UNIT_MS, 0, 0},
};

/* ---- topics ---- */

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

#define TOPIC(topic_name, topic_pattern, message_type, words, symbol_at, envelope_table, table)    \
    .name = topic_name, .pattern = topic_pattern, .type = message_type, .title = words,            \
    .symbol_path = symbol_at, .sequence = SEQ_NONE, .time_member = MEMBER_EXCHANGE_TIME,           \
    TOPIC_ENVELOPE(envelope_table), TOPIC_FIELDS(table)

/* Rules of books: a frame with the same version as the one before is a repeat; the numbers in the
 * version hint at the order (docs/wire.md 6.6). */
#define VERSION_RULES                                                                              \
    RULE(RULE_VERSION_DIFFERS, STRENGTH_WARNING, MEMBER_VERSION),                                  \
        RULE(RULE_VERSION_WEAK, STRENGTH_STATISTIC, MEMBER_VERSION),                               \
        RULE(RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE)

/* Entries of a book whose every frame has the full state. */
#define WHOLE_BOOK_ITEMS                                                                           \
    .items = {{"data.b", ACTION_SET, FRAME_ANY, ITEMS_EMPTY | ITEMS_POSITIONAL | ITEMS_BUY},       \
              {"data.a", ACTION_SET, FRAME_ANY, ITEMS_EMPTY | ITEMS_POSITIONAL | ITEMS_SELL}},     \
    .default_kind = FRAME_SNAPSHOT

#define DEPTH(words, levels, symbol_at, envelope_table)                                            \
    {                                                                                              \
        TOPIC("depth", "depth.{symbol}", MSG_BOOK_CHANGE, words, symbol_at, envelope_table,        \
              LEVEL),                                                                              \
            .book_depth = levels, WHOLE_BOOK_ITEMS,                                                \
            .rules = {VERSION_RULES,                                                               \
                      {RULE_SIZE_POSITIVE, STRENGTH_WARNING, MEMBER_NONE},                         \
                      {RULE_NOT_CROSSED, STRENGTH_WARNING, MEMBER_NONE},                           \
                      {RULE_DEPTH_MAX, STRENGTH_WARNING, MEMBER_NONE}},                            \
    }

/* A trade topic. Ids rose in 60 of 60 recorded trades, with gaps (docs/wire.md 6.6). key is the
 * path of the frame's kind. flags are the entries' flags: in v1, the first frame has the last
 * trades, which may be an empty list. */
#define TRADES(words, symbol_at, key, flags, envelope_table, table)                                \
    {                                                                                              \
        TOPIC("trade", "trade.{symbol}", MSG_TRADE, words, symbol_at, envelope_table, table),      \
            .audit = "kline.1m", .kind_key = key,                                                  \
            .items = {{"data", ACTION_NONE, FRAME_ANY, flags}},                                    \
            .rules = {{RULE_DELTA_NOT_EMPTY, STRENGTH_ERROR, MEMBER_NONE},                         \
                      {RULE_ID_ASCENDING, STRENGTH_WARNING, MEMBER_TRADE_ID},                      \
                      {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE}},                            \
    }

#define KLINES(symbol_at, time, envelope_table)                                                    \
    {                                                                                              \
        .name = "kline", .pattern = "kline.{interval}.{symbol}", .type = MSG_KLINE,                \
        .title = "Candles", .parameter_path = "params.klineType", .symbol_path = symbol_at,        \
        .sequence = SEQ_NONE, .time_member = time, .items = {{"data", ACTION_NONE, FRAME_ANY, 0}}, \
        TOPIC_ENVELOPE(envelope_table), TOPIC_FIELDS(KLINE),                                       \
        .rules = {{RULE_KLINE_START, STRENGTH_WARNING, MEMBER_NONE},                               \
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                              \
                  {RULE_TRADES_COMPLETE, STRENGTH_WARNING, MEMBER_VOLUME}},                        \
    }

/* A topic whose every frame has the full state. */
#define STATE(topic_name, message_type, words, symbol_at, envelope_table, table)                   \
    {                                                                                              \
        TOPIC(topic_name, topic_name ".{symbol}", message_type, words, symbol_at, envelope_table,  \
              table),                                                                              \
            .items = {{"data", ACTION_SET, FRAME_ANY, 0}}, .default_kind = FRAME_SNAPSHOT,         \
            .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                             \
                      {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},                         \
    }

#define TICKERS(symbol_at, envelope_table)                                                         \
    STATE("realtimes", MSG_TICKER, "Ticker of the last 24 hours, snapshots only", symbol_at,       \
          envelope_table, TICKER)

/* NOLINTEND(bugprone-macro-parentheses) */

#define V1_SYMBOL "symbol"
#define V2_SYMBOL "params.symbol"

static const topic_row V1_TOPICS[] = {
    TRADES("Trades; the first frame has the last 60", V1_SYMBOL, "f", ITEMS_EMPTY,
           V1_TRADE_ENVELOPE, V1_TRADE),
    TICKERS(V1_SYMBOL, V1_ENVELOPE),
    KLINES(V1_SYMBOL, MEMBER_EXCHANGE_TIME, V1_KLINE_ENVELOPE),
    DEPTH("Order book, 200 levels a side, snapshots only", 200, V1_SYMBOL, V1_BOOK_ENVELOPE),
    {
        TOPIC("mergedDepth", "mergedDepth.{scale}.{symbol}", MSG_BOOK_CHANGE,
              "Order book of rounded prices, 40 levels a side, snapshots only", V1_SYMBOL,
              V1_BOOK_ENVELOPE, LEVEL),
        .parameter_path = "params.dumpScale",
        .book_depth = 40,
        WHOLE_BOOK_ITEMS,
        /* A crossed book is no error: rounding may put both sides on the same price. */
        .rules = {VERSION_RULES,
                  {RULE_SIZE_POSITIVE, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_DEPTH_MAX, STRENGTH_WARNING, MEMBER_NONE}},
    },
    {
        TOPIC("diffDepth", "diffDepth.{symbol}", MSG_BOOK_CHANGE,
              "Order book, a snapshot of 200 levels a side, then changes", V1_SYMBOL,
              V1_DIFF_ENVELOPE, LEVEL),
        /* no depth, because it is undocumented whether deltas keep it */
        .items = {{"data.b", ACTION_SET, FRAME_ANY,
                   ITEMS_EMPTY | ITEMS_POSITIONAL | ITEMS_BUY | ITEMS_ZERO_DELETES},
                  {"data.a", ACTION_SET, FRAME_ANY,
                   ITEMS_EMPTY | ITEMS_POSITIONAL | ITEMS_SELL | ITEMS_ZERO_DELETES}},
        .kind_key = "f",
        .rules = {VERSION_RULES,
                  {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},
                  {RULE_DELETE_EXISTS, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_NOT_CROSSED, STRENGTH_WARNING, MEMBER_NONE}},
    },
    STATE("lt", MSG_INDEX, "Net asset value of a leveraged token", V1_SYMBOL, V1_ENVELOPE, TOKEN),
};

static const topic_row V2_TOPICS[] = {
    DEPTH("Order book, 40 levels a side, 100 ms, snapshots only", 40, V2_SYMBOL, V2_BOOK_ENVELOPE),
    KLINES(V2_SYMBOL, MEMBER_NONE, V2_ENVELOPE),
    TRADES("Trades, one per frame", V2_SYMBOL, NULL, 0, V2_ENVELOPE, V2_TRADE),
    {
        TOPIC("bookTicker", "bookTicker.{symbol}", MSG_BOOK_CHANGE, "Best bid and ask", V2_SYMBOL,
              V2_ENVELOPE, BEST),
        .book_depth = 1,
        .items = {{"data", ACTION_SET, FRAME_ANY, ITEMS_BEST}},
        .default_kind = FRAME_SNAPSHOT,
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},
                  {RULE_NOT_CROSSED, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_DEPTH_MAX, STRENGTH_WARNING, MEMBER_NONE}},
    },
    TICKERS(V2_SYMBOL, V2_ENVELOPE),
};

const family FAMILY_SPOT_V1 = {
    .name = "spot-v1",
    .exchange = &BYBIT,
    .dialect = &BYBIT_SPOT,
    .market = {"bybit-spot", "depth", MARKET_OTHER, "spot", NULL, NULL},
    .endpoints = {PUBLIC("/spot/quote/ws/v1")},
    FAMILY_TOPICS(V1_TOPICS),
    .has_ended = 1,
};

const family FAMILY_SPOT_V2 = {
    .name = "spot-v2",
    .exchange = &BYBIT,
    .dialect = &BYBIT_SPOT_V2,
    .market = {"bybit-spot", "depth", MARKET_OTHER, "spot", NULL, NULL},
    .endpoints = {PUBLIC("/spot/quote/ws/v2")},
    FAMILY_TOPICS(V2_TOPICS),
    .has_ended = 1,
};
