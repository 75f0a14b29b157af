/* Linear (USDT) perpetuals: docs/wire.md 2, column "linear". Numbers are often strings. */
#include "schema/topics/topics.h"

/* Continuity of both book topics, from docs/wire.md 6.1 and 6.3: these held in 4,268 of 4,268
 * deltas. The depth is full only where the market is liquid. */
#define BOOK_RULES                                                                                 \
    {                                                                                              \
        {RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_CROSS_SEQ},                                       \
            {RULE_TIME_STRICT, STRENGTH_ERROR, MEMBER_NONE},                                       \
            {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},                                          \
            {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                                    \
            {RULE_DELETE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},                                     \
            {RULE_UPDATE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},                                     \
            {RULE_UPDATE_CHANGES, STRENGTH_ERROR, MEMBER_NONE},                                    \
            {RULE_INSERT_NEW, STRENGTH_ERROR, MEMBER_NONE},                                        \
            {RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE},                                     \
            {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE},                                       \
            {RULE_DEPTH, STRENGTH_WARNING, MEMBER_NONE},                                           \
    }

static const field_row BOOK_ENVELOPE[] = {
    {MEMBER_CROSS_SEQ, "cross_seq", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_EXCHANGE_TIME, "timestamp_e6", FIELD_TIME, UNIT_US, 0, 0},
};

/* id is price times 10^4, as a string; sizes are fractions. */
static const field_row LEVEL[] = {
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_LEVEL_ID, "id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED_TO_SET},
};

/* timestamp is trade_time_ms cut to seconds; is_block_trade came later, as a string. */
static const field_row TRADE[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_TICK_DIRECTION, "tick_direction", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_EXCHANGE_TIME, "timestamp", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_EXCHANGE_TIME, "trade_time_ms", FIELD_TIME, UNIT_MS, 0, FIELD_PREFERRED},
    {MEMBER_SIDE, "side", FIELD_SIDE, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_TRADE_ID, "trade_id", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_IS_BLOCK_TRADE, "is_block_trade", FIELD_BOOL, UNIT_NONE, 0, 0},
};

static const field_row INSTRUMENT_ENVELOPE[] = {
    {MEMBER_CROSS_SEQ, "cross_seq", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_EXCHANGE_TIME, "timestamp_e6", FIELD_TIME, UNIT_US, 0, 0},
};

/* All scaled values are strings here. Of "_e4" and its plain twin the scaled one is preferred. */
static const field_row INSTRUMENT[] = {
    {MEMBER_INSTRUMENT_ID, "id", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_LAST_PRICE, "last_price_e4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_PREFERRED},
    {MEMBER_LAST_PRICE, "last_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_BID1_PRICE, "bid1_price_e4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_PREFERRED},
    {MEMBER_BID1_PRICE, "bid1_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_ASK1_PRICE, "ask1_price_e4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_PREFERRED},
    {MEMBER_ASK1_PRICE, "ask1_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_TICK_DIRECTION, "last_tick_direction", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PREV_PRICE_24H, "prev_price_24h_e4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_PREFERRED},
    {MEMBER_PREV_PRICE_24H, "prev_price_24h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_PRICE_24H_PCNT, "price_24h_pcnt_e6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    {MEMBER_HIGH_PRICE_24H, "high_price_24h_e4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_PREFERRED},
    {MEMBER_HIGH_PRICE_24H, "high_price_24h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_LOW_PRICE_24H, "low_price_24h_e4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_PREFERRED},
    {MEMBER_LOW_PRICE_24H, "low_price_24h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_PREV_PRICE_1H, "prev_price_1h_e4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_PREFERRED},
    {MEMBER_PREV_PRICE_1H, "prev_price_1h", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_PRICE_1H_PCNT, "price_1h_pcnt_e6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    {MEMBER_MARK_PRICE, "mark_price_e4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_PREFERRED},
    {MEMBER_MARK_PRICE, "mark_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_INDEX_PRICE, "index_price_e4", FIELD_DECIMAL, UNIT_PRICE, 4, FIELD_PREFERRED},
    {MEMBER_INDEX_PRICE, "index_price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_OPEN_INTEREST, "open_interest_e8", FIELD_DECIMAL, UNIT_QUANTITY, 8, FIELD_PREFERRED},
    {MEMBER_OPEN_INTEREST, "open_interest", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_OPEN_VALUE, "open_value_e8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TOTAL_TURNOVER, "total_turnover_e8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TURNOVER_24H, "turnover_24h_e8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TOTAL_VOLUME, "total_volume_e8", FIELD_DECIMAL, UNIT_QUANTITY, 8, FIELD_PREFERRED},
    {MEMBER_TOTAL_VOLUME, "total_volume", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_VOLUME_24H, "volume_24h_e8", FIELD_DECIMAL, UNIT_QUANTITY, 8, FIELD_PREFERRED},
    {MEMBER_VOLUME_24H, "volume_24h", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_FUNDING_RATE, "funding_rate_e6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    {MEMBER_PREDICTED_FUNDING_RATE, "predicted_funding_rate_e6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    {MEMBER_ITEM_CROSS_SEQ, "cross_seq", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_CREATED_AT, "created_at", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_UPDATED_AT, "updated_at", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_NEXT_FUNDING_TIME, "next_funding_time", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_COUNTDOWN_HOUR, "count_down_hour", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_FUNDING_RATE_INTERVAL, "funding_rate_interval", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_SETTLE_TIME, "settle_time_e9", FIELD_TIME, UNIT_NS, 0, 0},
    {MEMBER_DELISTING_STATUS, "delisting_status", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

const topic_row TOPICS_LINEAR[TOPICS_LINEAR_COUNT] = {
    {
        .name = "orderBookL2_25",
        .pattern = "orderBookL2_25.{symbol}",
        .type = MSG_BOOK_CHANGE,
        .title = "Order book, 25 levels a side, 20 ms",
        .book_depth = 25,
        .sequence = SEQ_ENVELOPE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data.order_book", ACTION_SET, FRAME_SNAPSHOT, ITEMS_REQUIRED},
                  {"data.delete", ACTION_DELETE, FRAME_DELTA, 0},
                  {"data.update", ACTION_UPDATE, FRAME_DELTA, 0},
                  {"data.insert", ACTION_INSERT, FRAME_DELTA, 0}},
        TOPIC_ENVELOPE(BOOK_ENVELOPE),
        TOPIC_FIELDS(LEVEL),
        .rules = BOOK_RULES,
    },
    {
        .name = "orderBook_200.100ms",
        .pattern = "orderBook_200.100ms.{symbol}",
        .type = MSG_BOOK_CHANGE,
        .title = "Order book, 200 levels a side, 100 ms",
        .book_depth = 200,
        .sequence = SEQ_ENVELOPE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data.order_book", ACTION_SET, FRAME_SNAPSHOT, ITEMS_REQUIRED},
                  {"data.delete", ACTION_DELETE, FRAME_DELTA, 0},
                  {"data.update", ACTION_UPDATE, FRAME_DELTA, 0},
                  {"data.insert", ACTION_INSERT, FRAME_DELTA, 0}},
        TOPIC_ENVELOPE(BOOK_ENVELOPE),
        TOPIC_FIELDS(LEVEL),
        .rules = BOOK_RULES,
    },
    {
        .name = "trade",
        .pattern = "trade.{symbol}",
        .type = MSG_TRADE,
        .title = "Trades",
        .sequence = SEQ_NONE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_NONE, FRAME_ANY, ITEMS_REQUIRED}},
        TOPIC_FIELDS(TRADE),
        .rules =
            {/* docs/wire.md 6.2; the trades carry no sequence, so loss and repeats cannot show */
             {RULE_TIME_WEAK, STRENGTH_ERROR, MEMBER_NONE},
             {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},
    },
    {
        .name = "instrument_info.100ms",
        .pattern = "instrument_info.100ms.{symbol}",
        .type = MSG_TICKER,
        .title = "Ticker; a delta has the changed fields only",
        .sequence = SEQ_ENVELOPE,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = {{"data", ACTION_SET, FRAME_SNAPSHOT, ITEMS_REQUIRED},
                  {"data.delete", ACTION_DELETE, FRAME_DELTA, 0},
                  {"data.update", ACTION_UPDATE, FRAME_DELTA, 0},
                  {"data.insert", ACTION_INSERT, FRAME_DELTA, 0}},
        TOPIC_ENVELOPE(INSTRUMENT_ENVELOPE),
        TOPIC_FIELDS(INSTRUMENT),
        /* docs/wire.md 6.6: order and repeats are hard, nothing is said of the rest */
        .rules = {{RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_CROSS_SEQ},
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_ANCHORED, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},
    },
};
