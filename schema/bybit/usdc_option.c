/* USDC options, public (docs/wire.md 4.1). All numbers are strings. Document 000 has only tables of
 * fields. Some names in it differ from those on the wire; the rows have both. */
#include "schema/bybit/usdc.h"

static const field_row ENVELOPE[] = {
    USDC_ENVELOPE_FIELDS(MEMBER_EXCHANGE_TIME),
};

/* The envelope of topics whose data has a time of its own; creationTime is then the time at which
 * the frame was sent. */
static const field_row TIMED_ENVELOPE[] = {
    USDC_ENVELOPE_FIELDS(MEMBER_SEND_TIME),
};

/* The envelope of a book. version counts a symbol's messages, and is kept as text. */
static const field_row DELTA_ENVELOPE[] = {
    USDC_ENVELOPE_FIELDS(MEMBER_EXCHANGE_TIME),
    {MEMBER_VERSION, "data.version", FIELD_TEXT, UNIT_NONE, 0, 0},
};

/* A level. The symbol is only in document 000, not in real frames. */
static const field_row LEVEL[] = {
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED_TO_SET},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, 0},
};

static const field_row TRADES_ENVELOPE[] = {
    USDC_ENVELOPE_FIELDS(MEMBER_SEND_TIME),
    {MEMBER_COIN, "data.coin", FIELD_TEXT, UNIT_NONE, 0, 0},
};

static const field_row TRADE[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_TRADE_ID, "tradeId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_EXCHANGE_TIME, "tradeTime", FIELD_TIME, UNIT_MS, 0, 0},
    {MEMBER_SIDE, "side", FIELD_ANY_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_IS_BLOCK_TRADE, "isBlockTrade", FIELD_BOOL, UNIT_NONE, 0, 0},
    USDC_OPTION_TRADE_FIELDS,
    {MEMBER_CROSS_SEQ, "crossSeq", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

/* The ticker: fields with the names on the wire, then fields with document 000's names. */
static const field_row INSTRUMENT[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_BID1_PRICE, "bidPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_ASK1_PRICE, "askPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_BID1_IV, "bidIv", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_ASK1_IV, "askIv", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_BID1_SIZE, "bidSize", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_ASK1_SIZE, "askSize", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_MARK_PRICE, "markPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_MARK_IV, "markPriceIv", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_INDEX_PRICE, "indexPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_UNDERLYING_PRICE, "underlyingPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_LAST_PRICE, "lastPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_DELTA, "delta", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_GAMMA, "gamma", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_THETA, "theta", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_VEGA, "vega", FIELD_DECIMAL, UNIT_NONE, 0, 0},
    {MEMBER_PRICE_24H_PCNT, "change24h", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_VOLUME_24H, "volume24h", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_TURNOVER_24H, "turnover24h", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_HIGH_PRICE_24H, "high24h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_LOW_PRICE_24H, "low24h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_TOTAL_VOLUME, "totalVolume", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_TOTAL_TURNOVER, "totalTurnover", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_TOTAL_TURNOVER, "totalTurnOver", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_OPEN_INTEREST, "openInterest", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_PREDICTED_DELIVERY_PRICE, "predictedDeliveryPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_UNDERLYING_PRICE, "underlying", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_PRICE_24H_PCNT, "price24Pcnt", FIELD_DECIMAL, UNIT_RATE, 0, 0},
    {MEMBER_HIGH_PRICE_24H, "highPrice24h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_LOW_PRICE_24H, "lowPrice24h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
};

static const field_row UNDERLYING_LIST_ENVELOPE[] = {
    USDC_ENVELOPE_FIELDS(MEMBER_EXCHANGE_TIME),
    {MEMBER_BASE_COIN, "data.baseCoin", FIELD_TEXT, UNIT_NONE, 0, 0},
};

/* One entry per delivery date; seconds is the time left until then. */
static const field_row UNDERLYING_LIST[] = {
    {MEMBER_DELIVERY_DATE, "deliveryDate", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_IS_ESTIMATED, "isEstimated", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_UNDERLYING_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_TIME_TO_SETTLE, "seconds", FIELD_INTEGER, UNIT_S, 0, 0},
};

/* Prices of one delivery date: the underlying's, and the estimated delivery price. */
static const field_row INDEX[] = {
    {MEMBER_BASE_COIN, "baseCoin", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_QUOTE_COIN, "quoteCoin", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_DELIVERY_TIME, "expireTime", FIELD_TIME, UNIT_S, 0, 0},
    {MEMBER_UNDERLYING_PRICE, "underlyingPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_UNDERLYING_ORIGIN_PRICE, "underlyingOriginPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_PREDICTED_DELIVERY_PRICE, "estimatedDeliveryPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_EXCHANGE_TIME, "timestamp", FIELD_TIME, UNIT_S, 0, 0},
    {MEMBER_REQUEST_ID, "reqId", FIELD_TEXT, UNIT_NONE, 0, 0},
};

static const field_row INSURANCE[] = {
    {MEMBER_WALLET_BALANCE, "insuranceBalance", FIELD_DECIMAL, UNIT_MONEY, 0, FIELD_REQUIRED},
    {MEMBER_WALLET_BALANCE, "walletBalance", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_COIN, "settleCoin", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_COIN, "coin", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXCHANGE_TIME, "timestamp", FIELD_TIME, UNIT_MS, 0, 0},
};

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* A book topic. Every frame has the full state; no number allows comparing it with other books. */
#define FULL_BOOK(topic_name, words, depth)                                                        \
    {                                                                                              \
        .name = topic_name, .pattern = topic_name ".{symbol}", .type = MSG_BOOK_CHANGE,            \
        .title = words, .book_depth = depth, .sequence = SEQ_NONE,                                 \
        .time_member = MEMBER_EXCHANGE_TIME,                                                       \
        .items = {{"data.orderBook", ACTION_SET, FRAME_ANY, ITEMS_EMPTY}},                         \
        .default_kind = FRAME_SNAPSHOT, TOPIC_ENVELOPE(ENVELOPE), TOPIC_FIELDS(LEVEL),             \
        .rules = {{RULE_FRAME_UNIQUE, STRENGTH_WARNING, MEMBER_NONE},                              \
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_SIZE_POSITIVE, STRENGTH_WARNING, MEMBER_NONE},                             \
                  {RULE_NOT_CROSSED, STRENGTH_WARNING, MEMBER_NONE},                               \
                  {RULE_DEPTH_MAX, STRENGTH_WARNING, MEMBER_NONE}},                                \
    }

/* Prices of one delivery date. The topic has no symbol: pair and date belong to its name. */
#define INDEX_TOPIC(topic_name, words)                                                             \
    {                                                                                              \
        .name = topic_name, .pattern = topic_name ".{pair}.{date}", .type = MSG_INDEX,             \
        .title = words, .sequence = SEQ_NONE, .time_member = MEMBER_EXCHANGE_TIME,                 \
        .items = {{"data", ACTION_NONE, FRAME_ANY, 0}}, TOPIC_ENVELOPE(TIMED_ENVELOPE),            \
        TOPIC_FIELDS(INDEX), .rules = {{RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE}},         \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

static const topic_row TOPICS[] = {
    FULL_BOOK("orderbook25", "Order book, 25 levels a side, snapshots only", 25),
    FULL_BOOK("orderbook100", "Order book, 100 levels a side, snapshots only", 100),
    {
        .name = "delta.orderbook100",
        .pattern = "delta.orderbook100.{symbol}",
        .type = MSG_BOOK_CHANGE,
        .title = "Order book, 100 levels a side, a snapshot and then changes",
        .book_depth = 100,
        .sequence = SEQ_ENVELOPE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data.orderBook", ACTION_SET, FRAME_SNAPSHOT, ITEMS_EMPTY},
                  {"data.delete", ACTION_DELETE, FRAME_DELTA, ITEMS_EMPTY},
                  {"data.update", ACTION_UPDATE, FRAME_DELTA, ITEMS_EMPTY},
                  {"data.insert", ACTION_INSERT, FRAME_DELTA, ITEMS_EMPTY}},
        .kind_key = "data.dataType",
        TOPIC_ENVELOPE(DELTA_ENVELOPE),
        TOPIC_FIELDS(LEVEL),
        .rules =
            {/* this topic is known from samples only (docs/wire.md 6.6) */
             {RULE_SEQ_DENSE, STRENGTH_WARNING, MEMBER_VERSION},
             {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},
             {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},
             {RULE_DELTA_NOT_EMPTY, STRENGTH_WARNING, MEMBER_NONE},
             {RULE_DELETE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},
             {RULE_UPDATE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},
             {RULE_INSERT_NEW, STRENGTH_ERROR, MEMBER_NONE},
             {RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE},
             {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE},
             {RULE_DEPTH_MAX, STRENGTH_WARNING, MEMBER_NONE}},
    },
    {
        .name = "recenttrades",
        .pattern = "recenttrades.{coin}",
        .type = MSG_TRADE,
        .title = "Trades in all options of a coin",
        .sequence = SEQ_ITEM,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data.trades", ACTION_NONE, FRAME_ANY, 0}},
        TOPIC_ENVELOPE(TRADES_ENVELOPE),
        TOPIC_FIELDS(TRADE),
        .rules = {{RULE_ID_UNIQUE, STRENGTH_WARNING, MEMBER_TRADE_ID},
                  {RULE_ENTRY_SEQ_WEAK, STRENGTH_WARNING, MEMBER_CROSS_SEQ},
                  {RULE_ENTRY_TIME_WEAK, STRENGTH_WARNING, MEMBER_EXCHANGE_TIME}},
    },
    {
        .name = "instrument_info.all",
        .pattern = "instrument_info.all.{coin}",
        .type = MSG_TICKER,
        .title = "Tickers of all options of a coin",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data.instrumentInfos", ACTION_SET, FRAME_ANY, 0}},
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(INSTRUMENT),
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE}},
    },
    {
        .name = "instrument_info",
        .pattern = "instrument_info.{symbol}",
        .type = MSG_TICKER,
        .title = "Ticker, snapshots only",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_SET, FRAME_ANY, 0}},
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(ENVELOPE),
        TOPIC_FIELDS(INSTRUMENT),
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},
    },
    {
        .name = "underlying_price",
        .pattern = "underlying_price.{coin}",
        .type = MSG_INDEX,
        .title = "Underlying prices of a coin, one per delivery date",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data.priceList", ACTION_SET, FRAME_ANY, 0}},
        .default_kind = FRAME_SNAPSHOT,
        TOPIC_ENVELOPE(UNDERLYING_LIST_ENVELOPE),
        TOPIC_FIELDS(UNDERLYING_LIST),
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE}},
    },
    INDEX_TOPIC("underlying", "Underlying price of one delivery date"),
    INDEX_TOPIC("estimated_delivery_price", "Estimated price of one delivery date"),
    {
        .name = "platform.insurance",
        .pattern = "platform.insurance.{coin}",
        .type = MSG_INSURANCE,
        .title = "Balance of the insurance fund, at 00, 08 and 16 o'clock UTC",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_NONE, FRAME_ANY, 0}},
        TOPIC_ENVELOPE(TIMED_ENVELOPE),
        TOPIC_FIELDS(INSURANCE),
        .rules = {{RULE_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_NONE}},
    },
};

const family FAMILY_USDC_OPTION = {
    .name = "usdc-option",
    .exchange = &BYBIT,
    .dialect = &BYBIT_USDC,
    /* Tardis does not document these options; the exchange name is that of v5's options */
    .market = {"bybit-options", "orderbook25", MARKET_OPTIONS, "option", NULL, NULL},
    .endpoints = {PUBLIC("/trade/option/usdc/public/v1")},
    FAMILY_TOPICS(TOPICS),
    .has_ended = 1,
};
