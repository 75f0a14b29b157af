/* Inverse perpetuals and inverse futures: docs/wire.md 2, and the older generation of 2.4. */
#include "schema/bybit/op.h"
#include "schema/bybit/op_private.h"

static const field_row BOOK_ENVELOPE[] = {
    {MEMBER_TRANSACT_TIME, "data.transactTimeE6", FIELD_TIME, UNIT_US, 0, 0},
    OP_ENVELOPE_FIELDS,
};

/* timestamp is trade_time_ms cut to seconds; frames of 2019 have only timestamp (docs/wire.md
 * 2). */
static const field_row TRADE[] = {
    {MEMBER_EXCHANGE_TIME, "trade_time_ms", FIELD_TIME, UNIT_MS, 0, FIELD_PREFERRED},
    {MEMBER_EXCHANGE_TIME, "timestamp", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SIDE, "side", FIELD_ANY_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_TICK_DIRECTION, "tick_direction", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TRADE_ID, "trade_id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_CROSS_SEQ, "cross_seq", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

/* Tickers of perpetuals and dated futures. */
static const field_row INSTRUMENT[] = {
    {MEMBER_INSTRUMENT_ID, "id", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SYMBOL_NAME, "symbol_name", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL_YEAR, "symbol_year", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_CONTRACT_TYPE, "contract_type", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_COIN, "coin", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_QUOTE_SYMBOL, "quote_symbol", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_POSITION_MODE, "mode", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_IS_UP_BORROWABLE, "is_up_borrowable", FIELD_BOOL, UNIT_NONE, 0, 0},
    {MEMBER_IMPORT_TIME, "import_time_e9", FIELD_TIME, UNIT_NS, 0, 0},
    {MEMBER_START_TRADING_TIME, "start_trading_time_e9", FIELD_TIME, UNIT_NS, 0, 0},
    {MEMBER_TIME_TO_SETTLE, "time_to_settle", FIELD_INTEGER, UNIT_S, 0, 0},
    {MEMBER_SETTLE_TIME, "settle_time_e9", FIELD_TIME, UNIT_NS, 0, 0},
    {MEMBER_SETTLE_FEE_RATE, "settle_fee_rate_e8", FIELD_DECIMAL, UNIT_RATE, 8, 0},
    {MEMBER_CONTRACT_STATUS, "contract_status", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SYSTEM_SUBSIDY, "system_subsidy_e8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    OP_TICKER_PRICE_FIELDS,
    {MEMBER_OPEN_INTEREST, "open_interest", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_OPEN_VALUE, "open_value_e8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TOTAL_TURNOVER, "total_turnover_e8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TURNOVER_24H, "turnover_24h_e8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TOTAL_VOLUME, "total_volume", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_VOLUME_24H, "volume_24h", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_FUNDING_RATE, "funding_rate_e6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    {MEMBER_PREDICTED_FUNDING_RATE, "predicted_funding_rate_e6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    {MEMBER_FAIR_BASIS, "fair_basis_e8", FIELD_DECIMAL, UNIT_PRICE, 8, 0},
    {MEMBER_FAIR_BASIS_RATE, "fair_basis_rate_e8", FIELD_DECIMAL, UNIT_RATE, 8, 0},
    {MEMBER_BASIS_IN_YEAR, "basis_in_year_e8", FIELD_DECIMAL, UNIT_RATE, 8, 0},
    OP_PRICE(MEMBER_EXPECT_PRICE, "expect_price"),
    {MEMBER_ITEM_CROSS_SEQ, "cross_seq", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_CREATED_AT, "created_at", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_UPDATED_AT, "updated_at", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_NEXT_FUNDING_TIME, "next_funding_time", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_COUNTDOWN_HOUR, "countdown_hour", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_FUNDING_RATE_INTERVAL, "funding_rate_interval", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_CREATED_AT, "created_at_e9", FIELD_TIME, UNIT_NS, 0, 0},
    {MEMBER_UPDATED_AT, "updated_at_e9", FIELD_TIME, UNIT_NS, 0, 0},
    {MEMBER_DELISTING_STATUS, "delisting_status", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

/* ---- the previous version of the topics (docs/wire.md 2.4) ---- */

/* Candles: one object, without end and confirm; later frames have a timestamp in seconds. */
static const field_row OLD_KLINE[] = {
    {MEMBER_KLINE_ID, "id", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_START, "open_time", FIELD_TIME, UNIT_S, 0, FIELD_REQUIRED},
    {MEMBER_OPEN, "open", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_HIGH, "high", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_LOW, "low", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_CLOSE, "close", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_VOLUME, "volume", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_TURNOVER, "turnover", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_INTERVAL, "interval", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_EXCHANGE_TIME, "timestamp", FIELD_TIME, UNIT_S, 0, 0},
};

/* Tickers with only the prices that changed: a frame may have nothing but the symbol. */
static const field_row OLD_INSTRUMENT[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_MARK_PRICE, "mark_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_INDEX_PRICE, "index_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_LAST_PRICE, "last_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
};

static const field_row OLD_BOOK_ENVELOPE[] = {
    {MEMBER_U, "data.lastUpdateId", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "data.symbol", FIELD_TEXT, UNIT_NONE, 0, 0},
};

static const field_row OLD_LEVEL[] = {
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "quantity", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
};

static const topic_row TOPICS[] = {
    OP_BOOK("orderBookL2_25", "Order book, 25 levels a side, 20 ms", 25, OP_ITEMS("data"),
            BOOK_ENVELOPE),
    OP_BOOK("orderBook_200.100ms", "Order book, 200 levels a side, 100 ms", 200, OP_ITEMS("data"),
            BOOK_ENVELOPE),
    {
        .name = "trade",
        .pattern = "trade.{symbol}",
        .type = MSG_TRADE,
        .title = "Trades",
        .audit = "klineV2.1",
        .sequence = SEQ_ITEM,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_NONE, FRAME_ANY, 0}},
        TOPIC_FIELDS(TRADE),
        .rules = {{RULE_SEQ_FRAME_EQUAL, STRENGTH_ERROR, MEMBER_CROSS_SEQ},
                  /* docs/wire.md 6.2: cross_seq rose in 74 of 74 frames, and times never fell */
                  {RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_CROSS_SEQ},
                  {RULE_TIME_WEAK, STRENGTH_ERROR, MEMBER_NONE},
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},
    },
    OP_TICKER(OP_ENVELOPE, INSTRUMENT),
    OP_KLINE("klineV2", OP_CANDLE_ENVELOPE, OP_CANDLE, STRENGTH_WARNING),
    OP_LIQUIDATION,
    OP_INSURANCE,
    OP_PRIVATE_TOPICS(MEMBER_EXCHANGE_TIME),
    {
        /* The pair is not the last part of the topic, so it belongs to the topic's name; the symbol
         * is in the entry. */
        .name = "kline",
        .pattern = "kline.{pair}.{interval}",
        .type = MSG_KLINE,
        .title = "Candles, predecessor of klineV2",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_NONE, FRAME_ANY, 0}},
        TOPIC_FIELDS(OLD_KLINE),
        .rules = {{RULE_KLINE_START, STRENGTH_WARNING, MEMBER_NONE}},
    },
    {
        .name = "instrument",
        .pattern = "instrument.{symbol}",
        .type = MSG_TICKER,
        .title = "Prices that changed, predecessor of instrument_info",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_NONE,
        .items = {{"data", ACTION_UPDATE, FRAME_ANY, 0}},
        TOPIC_FIELDS(OLD_INSTRUMENT),
        .rules = {{RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},
    },
    {
        .name = "orderBook25",
        .pattern = "orderBook25.{symbol}",
        .type = MSG_BOOK_CHANGE,
        .title = "Order book, 25 levels a side, snapshots only; predecessor of L2_25",
        .book_depth = 25,
        .sequence = SEQ_NONE,
        .time_member = MEMBER_NONE,
        .items = {{"data.bids", ACTION_SET, FRAME_SNAPSHOT, ITEMS_EMPTY | ITEMS_BUY},
                  {"data.asks", ACTION_SET, FRAME_SNAPSHOT, ITEMS_EMPTY | ITEMS_SELL}},
        .kind_key = "action",
        TOPIC_ENVELOPE(OLD_BOOK_ENVELOPE),
        TOPIC_FIELDS(OLD_LEVEL),
        .rules = {{RULE_SEQ_WEAK, STRENGTH_STATISTIC, MEMBER_U},
                  {RULE_SIZE_POSITIVE, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_NOT_CROSSED, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_DEPTH_MAX, STRENGTH_WARNING, MEMBER_NONE}},
    },
};

const family FAMILY_INVERSE = {
    .name = "inverse",
    .exchange = &BYBIT,
    .dialect = &BYBIT_OP,
    .market = {"bybit", "orderBookL2_25", MARKET_CONTRACTS, "inverse", NULL, NULL},
    .endpoints = {PUBLIC("/realtime"), PRIVATE("/realtime")},
    FAMILY_TOPICS(TOPICS),
    .has_ended = 1,
};
