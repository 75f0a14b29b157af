/* Spot, second generation (docs/wire.md 4.2): the symbol stands in params, data is one object, and
 * nothing says when a frame was sent. */
#include "schema/bybit/spot.h"

#define V2_ENVELOPE_FIELDS                                                                         \
    {MEMBER_SYMBOL_NAME, "params.symbolName", FIELD_TEXT, UNIT_NONE, 0, 0}, SPOT_PARAMS_FIELDS

static const field_row ENVELOPE[] = {V2_ENVELOPE_FIELDS};

static const field_row BOOK_ENVELOPE[] = {
    V2_ENVELOPE_FIELDS,
    SPOT_BOOK_FIELDS,
};

static const field_row LEVEL[] = {SPOT_LEVEL_FIELDS};

/* type came later: 1 is a block trade. */
static const field_row TRADE[] = {
    SPOT_TRADE_FIELDS,
    {MEMBER_IS_BLOCK_TRADE, "type", FIELD_BOOL, UNIT_NONE, 0, 0},
};

static const field_row KLINE[] = {SPOT_KLINE_FIELDS};

static const field_row TICKER[] = {SPOT_TICKER_FIELDS};

static const field_row BEST[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_BID1_PRICE, "bidPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_BID1_SIZE, "bidQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_ASK1_PRICE, "askPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_ASK1_SIZE, "askQty", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_EXCHANGE_TIME, "time", FIELD_TIME, UNIT_MS, 0, 0},
};

static const topic_row TOPICS[] = {
    {
        .name = "depth",
        .pattern = "depth.{symbol}",
        .type = MSG_BOOK_CHANGE,
        .title = "Order book, 40 levels a side, 100 ms, whole each time",
        .symbol_path = "params.symbol",
        .book_depth = 40,
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = SPOT_FULL_BOOK_ITEMS,
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(BOOK_ENVELOPE),
        TOPIC_FIELDS(LEVEL),
        .rules = SPOT_FULL_BOOK_RULES,
    },
    {
        .name = "kline",
        .pattern = "kline.{interval}.{symbol}",
        .type = MSG_KLINE,
        .title = "Candles",
        .parameter_path = "params.klineType",
        .symbol_path = "params.symbol",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_NONE,
        .items = {{"data", ACTION_NONE, FRAME_ANY, ITEMS_REQUIRED}},
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(KLINE),
        .rules = SPOT_KLINE_RULES,
    },
    {
        .name = "trade",
        .pattern = "trade.{symbol}",
        .type = MSG_TRADE,
        .title = "Trades, one a frame",
        .symbol_path = "params.symbol",
        .audit = "kline.1m",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_NONE, FRAME_ANY, ITEMS_REQUIRED}},
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(TRADE),
        .rules = SPOT_TRADE_RULES,
    },
    {
        .name = "bookTicker",
        .pattern = "bookTicker.{symbol}",
        .type = MSG_BOOK_CHANGE,
        .title = "Best bid and ask",
        .symbol_path = "params.symbol",
        .book_depth = 1,
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_SET, FRAME_ANY, ITEMS_REQUIRED | ITEMS_BEST}},
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(BEST),
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},
                  {RULE_NOT_CROSSED, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_DEPTH_MAX, STRENGTH_WARNING, MEMBER_NONE}},
    },
    {
        .name = "realtimes",
        .pattern = "realtimes.{symbol}",
        .type = MSG_TICKER,
        .title = "Ticker of the last 24 hours, whole each time",
        .symbol_path = "params.symbol",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_SET, FRAME_ANY, ITEMS_REQUIRED}},
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(TICKER),
        .rules = SPOT_TICKER_RULES,
    },
};

const family FAMILY_SPOT_V2 = {
    .name = "spot-v2",
    .exchange = &BYBIT,
    .dialect = &BYBIT_SPOT_V2,
    .market = {"bybit-spot", "depth"},
    .endpoints = {PUBLIC("/spot/quote/ws/v2")},
    FAMILY_TOPICS(TOPICS),
};
