/* Spot, first generation (docs/wire.md 4.2): the symbol stands beside the topic, data is a list of
 * one but for trades, and f says whether a frame is the first. */
#include "schema/bybit/spot.h"

/* Frame's own members; sendTime is the server's, and the only time that a candle has. */
#define V1_ENVELOPE_FIELDS(send_time)                                                              \
    {MEMBER_SYMBOL_NAME, "symbolName", FIELD_TEXT, UNIT_NONE, 0, 0}, SPOT_PARAMS_FIELDS,           \
    {                                                                                              \
        send_time, "sendTime", FIELD_TIME, UNIT_MS, 0, 0                                           \
    }

/* Where each frame is whole, being the first is of no consequence. */
#define V1_IS_FIRST                                                                                \
    {                                                                                              \
        MEMBER_IS_FIRST, "f", FIELD_BOOL, UNIT_NONE, 0, 0                                          \
    }

static const field_row TRADE_ENVELOPE[] = {
    V1_ENVELOPE_FIELDS(MEMBER_SEND_TIME),
};

static const field_row ENVELOPE[] = {
    V1_ENVELOPE_FIELDS(MEMBER_SEND_TIME),
    V1_IS_FIRST,
};

static const field_row KLINE_ENVELOPE[] = {
    V1_ENVELOPE_FIELDS(MEMBER_EXCHANGE_TIME),
    V1_IS_FIRST,
};

static const field_row BOOK_ENVELOPE[] = {
    V1_ENVELOPE_FIELDS(MEMBER_SEND_TIME),
    V1_IS_FIRST,
    SPOT_BOOK_FIELDS,
};

static const field_row DIFF_ENVELOPE[] = {
    V1_ENVELOPE_FIELDS(MEMBER_SEND_TIME),
    SPOT_BOOK_FIELDS,
};

static const field_row LEVEL[] = {SPOT_LEVEL_FIELDS};

static const field_row TRADE[] = {SPOT_TRADE_FIELDS};

static const field_row KLINE[] = {SPOT_KLINE_FIELDS};

static const field_row TICKER[] = {SPOT_TICKER_FIELDS};

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

static const topic_row TOPICS[] = {
    {
        .name = "trade",
        .pattern = "trade.{symbol}",
        .type = MSG_TRADE,
        .title = "Trades; the first frame has the last 60",
        .symbol_path = "symbol",
        .audit = "kline.1m",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_NONE, FRAME_ANY, ITEMS_REQUIRED}},
        .kind_key = "f",
        TOPIC_ENVELOPE(TRADE_ENVELOPE),
        TOPIC_FIELDS(TRADE),
        .rules = SPOT_TRADE_RULES,
    },
    {
        .name = "realtimes",
        .pattern = "realtimes.{symbol}",
        .type = MSG_TICKER,
        .title = "Ticker of the last 24 hours, whole each time",
        .symbol_path = "symbol",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_SET, FRAME_ANY, ITEMS_REQUIRED}},
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(TICKER),
        .rules = SPOT_TICKER_RULES,
    },
    {
        .name = "kline",
        .pattern = "kline.{interval}.{symbol}",
        .type = MSG_KLINE,
        .title = "Candles",
        .parameter_path = "params.klineType",
        .symbol_path = "symbol",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_NONE, FRAME_ANY, ITEMS_REQUIRED}},
        TOPIC_ENVELOPE(KLINE_ENVELOPE),
        TOPIC_FIELDS(KLINE),
        .rules = SPOT_KLINE_RULES,
    },
    {
        .name = "depth",
        .pattern = "depth.{symbol}",
        .type = MSG_BOOK_CHANGE,
        .title = "Order book, 200 levels a side, whole each time",
        .symbol_path = "symbol",
        .book_depth = 200,
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = SPOT_FULL_BOOK_ITEMS,
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(BOOK_ENVELOPE),
        TOPIC_FIELDS(LEVEL),
        .rules = SPOT_FULL_BOOK_RULES,
    },
    {
        .name = "mergedDepth",
        .pattern = "mergedDepth.{scale}.{symbol}",
        .type = MSG_BOOK_CHANGE,
        .title = "Order book of rounded prices, 40 levels a side, whole each time",
        .parameter_path = "params.dumpScale",
        .symbol_path = "symbol",
        .book_depth = 40,
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = SPOT_FULL_BOOK_ITEMS,
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(BOOK_ENVELOPE),
        TOPIC_FIELDS(LEVEL),
        /* Rounding may put both sides on one price, so crossing says nothing here. */
        .rules = {{RULE_VERSION_DIFFERS, STRENGTH_WARNING, MEMBER_VERSION},
                  {RULE_VERSION_WEAK, STRENGTH_STATISTIC, MEMBER_VERSION},
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_SIZE_POSITIVE, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_DEPTH_MAX, STRENGTH_WARNING, MEMBER_NONE}},
    },
    {
        .name = "diffDepth",
        .pattern = "diffDepth.{symbol}",
        .type = MSG_BOOK_CHANGE,
        .title = "Order book, 200 levels a side at first, then what changed",
        .symbol_path = "symbol",
        /* deltas are not said to keep the depth: no bound */
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data.b", ACTION_SET, FRAME_ANY,
                   ITEMS_POSITIONAL | ITEMS_BUY | ITEMS_ZERO_DELETES},
                  {"data.a", ACTION_SET, FRAME_ANY,
                   ITEMS_POSITIONAL | ITEMS_SELL | ITEMS_ZERO_DELETES}},
        .kind_key = "f",
        TOPIC_ENVELOPE(DIFF_ENVELOPE),
        TOPIC_FIELDS(LEVEL),
        .rules = {{RULE_VERSION_DIFFERS, STRENGTH_WARNING, MEMBER_VERSION},
                  {RULE_VERSION_WEAK, STRENGTH_STATISTIC, MEMBER_VERSION},
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},
                  {RULE_DELETE_EXISTS, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_NOT_CROSSED, STRENGTH_WARNING, MEMBER_NONE}},
    },
    {
        .name = "lt",
        .pattern = "lt.{symbol}",
        .type = MSG_INDEX,
        .title = "Net asset value of a leveraged token",
        .symbol_path = "symbol",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_SET, FRAME_ANY, ITEMS_REQUIRED}},
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(TOKEN),
        .rules = SPOT_TICKER_RULES,
    },
};

const family FAMILY_SPOT_V1 = {
    .name = "spot-v1",
    .exchange = &BYBIT,
    .dialect = &BYBIT_SPOT,
    .market = {"bybit-spot", "depth"},
    .endpoints = {PUBLIC("/spot/quote/ws/v1")},
    FAMILY_TOPICS(TOPICS),
};
