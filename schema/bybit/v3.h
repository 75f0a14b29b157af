/* Shared by contract v3 and the v5 families: fields, and whole rows of public topics whose small
 * differences are macro arguments (docs/wire.md 3). Other rows are in the families' files; private
 * topics are in v3_private.h. Tables only; only for schema/bybit/.
 *
 * Fields are in the order of the most frequent frames, because decoders predict the order of keys
 * from the row. seq and cs on the wire count the same events of a symbol, so they are one member.
 * ts is the time at which a frame was made. It is the exchange time, except in topics whose entries
 * have a time. */
#ifndef TD_BYBIT_V3_H
#define TD_BYBIT_V3_H

#include "schema/bybit/topics.h"

/* clang-format off: a constructor, a line */
/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* Fields of these families: values are strings, times are ms, "" means absent. */
#define V3_FIELD(member, key, type, unit, flags) FIELD(member, key, type, unit, 0, flags)
#define V3_TEXT(member, key)                     V3_FIELD(member, key, FIELD_TEXT, UNIT_NONE, 0)
#define V3_PRICE(member, key)                    V3_FIELD(member, key, FIELD_DECIMAL, UNIT_PRICE, 0)
#define V3_QUANTITY(member, key)                 V3_FIELD(member, key, FIELD_DECIMAL, UNIT_QUANTITY, 0)
#define V3_MONEY(member, key)                    V3_FIELD(member, key, FIELD_DECIMAL, UNIT_MONEY, 0)
#define V3_RATE(member, key)                     V3_FIELD(member, key, FIELD_DECIMAL, UNIT_RATE, 0)
#define V3_DECIMAL(member, key)                  V3_FIELD(member, key, FIELD_DECIMAL, UNIT_NONE, 0)
#define V3_INTEGER(member, key)                  V3_FIELD(member, key, FIELD_INTEGER, UNIT_NONE, 0)
#define V3_BOOL(member, key)                     V3_FIELD(member, key, FIELD_BOOL, UNIT_NONE, 0)
#define V3_SIDE(member, key)                     V3_FIELD(member, key, FIELD_SIDE, UNIT_NONE, 0)
#define V3_MS(member, key)                       V3_FIELD(member, key, FIELD_TIME, UNIT_MS, 0)
#define V3_JSON(member, key)                     V3_FIELD(member, key, FIELD_JSON, UNIT_NONE, 0)

/* The field with the symbol of an entry. */
#define V3_SYMBOL V3_FIELD(MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED)

/* Entries at a path: V3_ENTRIES in topics whose frames have no kind, V3_WHOLE in topics with
 * snapshots only, V3_CHANGES in topics with snapshots and deltas. */
#define V3_ENTRIES(path, action)                                                                   \
    {                                                                                              \
        ITEMS(path, action, FRAME_ANY, 0)                                                          \
    }
#define V3_WHOLE                                                                                   \
    {                                                                                              \
        ITEMS("data", ACTION_SET, FRAME_SNAPSHOT, 0)                                               \
    }
#define V3_CHANGES                                                                                 \
    {                                                                                              \
        ITEMS("data", ACTION_SET, FRAME_SNAPSHOT, 0), ITEMS("data", ACTION_UPDATE, FRAME_DELTA, 0) \
    }

/* clang-format on */

/* The envelope of most topics. */
static const field_row V3_TIME_ENVELOPE[] = {
    V3_MS(MEMBER_EXCHANGE_TIME, "ts"),
};

/* The envelope of topics whose entries have their own time. */
static const field_row V3_SENT_ENVELOPE[] = {
    V3_MS(MEMBER_SEND_TIME, "ts"),
};

/* ---- books ---- */

/* The envelope of books. cts, the matching engine's time, was added in December 2023. */
#define V3_BOOK_ENVELOPE_FIELDS                                                                    \
    V3_MS(MEMBER_EXCHANGE_TIME, "ts"), V3_TEXT(MEMBER_SYMBOL, "data.s"),                           \
        V3_FIELD(MEMBER_U, "data.u", FIELD_INTEGER, UNIT_NONE, FIELD_REQUIRED),                    \
        V3_INTEGER(MEMBER_SEQ, "data.seq"), V3_MS(MEMBER_MATCH_TIME, "cts")

static const field_row V3_BOOK_ENVELOPE[] = {V3_BOOK_ENVELOPE_FIELDS};

#define V3_LEVEL_FIELDS                                                                            \
    V3_FIELD(MEMBER_PRICE, "0", FIELD_DECIMAL, UNIT_PRICE, FIELD_REQUIRED),                        \
        V3_FIELD(MEMBER_SIZE, "1", FIELD_DECIMAL, UNIT_QUANTITY, FIELD_REQUIRED)

static const field_row V3_LEVEL[] = {V3_LEVEL_FIELDS};

/* A level of a book with retail orders, whose size is the third number. */
static const field_row V3_RPI_LEVEL[] = {
    V3_LEVEL_FIELDS,
    V3_FIELD(MEMBER_RPI_SIZE, "2", FIELD_DECIMAL, UNIT_QUANTITY, FIELD_REQUIRED),
};

/* Entries of one side of a book, in frames of one kind. A level has the new size at its price; size
 * 0 deletes the level. */
#define V3_LEVELS(path, kind, side)                                                                \
    ITEMS(path, ACTION_SET, kind, ITEMS_EMPTY | ITEMS_POSITIONAL | ITEMS_ZERO_DELETES | (side))
#define V3_LEVELS_OF(kind)                                                                         \
    V3_LEVELS("data.b", kind, ITEMS_BUY), V3_LEVELS("data.a", kind, ITEMS_SELL)

/* Rules of every book with deltas (docs/wire.md 6.5): a lost frame is a gap in u. */
#define V3_DELTA_RULES(seq_rule)                                                                   \
    RULE(RULE_SEQ_DENSE, STRENGTH_ERROR, MEMBER_U), RULE(seq_rule, STRENGTH_ERROR, MEMBER_SEQ),    \
        RULE(RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE),                                       \
        RULE(RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE)

/* Rules for the levels of a book with limited depth. Thin markets may have fewer levels, so
 * RULE_DEPTH is a statistic. */
#define V3_LEVEL_RULES                                                                             \
    RULE(RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE),                                              \
        RULE(RULE_DELTA_NOT_EMPTY, STRENGTH_WARNING, MEMBER_NONE),                                 \
        RULE(RULE_DELETE_EXISTS, STRENGTH_ERROR, MEMBER_NONE),                                     \
        RULE(RULE_UPDATE_CHANGES, STRENGTH_ERROR, MEMBER_NONE),                                    \
        RULE(RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE),                                     \
        RULE(RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE),                                       \
        RULE(RULE_DEPTH_MAX, STRENGTH_ERROR, MEMBER_NONE),                                         \
        RULE(RULE_DEPTH, STRENGTH_STATISTIC, MEMBER_NONE)

/* Members that all books share. twin is the topic of another depth with which the book is audited,
 * or NULL. */
#define V3_BOOK_COMMON(part, levels, twin, envelope_table)                                         \
    .name = "orderbook." part, .pattern = "orderbook." part ".{symbol}", .type = MSG_BOOK_CHANGE,  \
    .audit = twin, .book_depth = levels, .sequence = SEQ_ENVELOPE,                                 \
    .time_member = MEMBER_EXCHANGE_TIME, TOPIC_ENVELOPE(envelope_table)

/* A book topic with deltas. levels is per side; the row is valid from `from` until `until` (NULL:
 * unlimited). RULE_BOOKS_AGREE is only a warning, because it is undocumented that books with the
 * same seq are equal. */
#define V3_BOOK_OF(levels, rate, twin, from, until, envelope_table, seq_rule)                      \
    {                                                                                              \
        V3_BOOK_COMMON(#levels, levels, twin, envelope_table),                                     \
            .title = "Order book, " #levels " levels a side, " rate, .valid_from = from,           \
            .valid_until = until,                                                                  \
            .items = {V3_LEVELS_OF(FRAME_SNAPSHOT), V3_LEVELS_OF(FRAME_DELTA)},                    \
            TOPIC_FIELDS(V3_LEVEL),                                                                \
            .rules = {V3_DELTA_RULES(seq_rule),                                                    \
                      V3_LEVEL_RULES,                                                              \
                      {RULE_BOOKS_AGREE, STRENGTH_WARNING, MEMBER_SEQ}},                           \
    }
#define V3_BOOK_DATED(levels, rate, twin, from, until)                                             \
    V3_BOOK_OF(levels, rate, twin, from, until, V3_BOOK_ENVELOPE, RULE_SEQ_STRICT)
#define V3_BOOK(levels, rate, twin) V3_BOOK_DATED(levels, rate, twin, NULL, NULL)

/* The book of level 1 in its former form: a snapshot, then deltas, which may delete the old best
 * level and insert the new one. Without changes, the snapshot is repeated with the same u. */
#define V3_BOOK_1(until)                                                                           \
    V3_BOOK_OF(1, "10 ms", "orderbook.50", NULL, until, V3_BOOK_ENVELOPE, RULE_SEQ_WEAK)

/* The book of level 1 in its present form: only snapshots. u stays or rises by one, so a larger
 * step is a loss, which the next frame repairs (docs/wire.md 3.3). */
#define V3_BOOK_1_WHOLE(from)                                                                      \
    {                                                                                              \
        V3_BOOK_COMMON("1", 1, "orderbook.50", V3_BOOK_ENVELOPE),                                  \
            .title = "Best bid and ask, 10 ms, snapshots only", .valid_from = from,                \
            .items = {V3_LEVELS_OF(FRAME_SNAPSHOT)}, TOPIC_FIELDS(V3_LEVEL),                       \
            .rules = {{RULE_SEQ_STEP, STRENGTH_ERROR, MEMBER_U},                                   \
                      {RULE_SEQ_WEAK, STRENGTH_ERROR, MEMBER_SEQ},                                 \
                      {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                             \
                      {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                          \
                      {RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE},                           \
                      {RULE_NOT_CROSSED, STRENGTH_ERROR, MEMBER_NONE},                             \
                      {RULE_DEPTH_MAX, STRENGTH_ERROR, MEMBER_NONE},                               \
                      {RULE_SNAPSHOT_REPEAT, STRENGTH_STATISTIC, MEMBER_U},                        \
                      {RULE_BOOKS_AGREE, STRENGTH_WARNING, MEMBER_SEQ}},                           \
    }

/* The day from which no symbol has deltas at level 1 (docs/wire.md 3.3). */
#define V3_BOOK_1_WHOLE_FROM "2025-03-28"

/* A book with retail orders. A retail order may cross the best price of the other orders and is
 * hidden then, so a crossed book is a statistic only. */
#define V3_BOOK_RPI                                                                                \
    {                                                                                              \
        V3_BOOK_COMMON("rpi", 50, "orderbook.50", V3_BOOK_ENVELOPE),                               \
            .title = "Order book with retail orders, 50 levels a side, 100 ms",                    \
            .items = {V3_LEVELS_OF(FRAME_SNAPSHOT), V3_LEVELS_OF(FRAME_DELTA)},                    \
            TOPIC_FIELDS(V3_RPI_LEVEL),                                                            \
            .rules = {V3_DELTA_RULES(RULE_SEQ_STRICT),                                             \
                      {RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},                                \
                      {RULE_DELETE_EXISTS, STRENGTH_ERROR, MEMBER_NONE},                           \
                      {RULE_SIZE_POSITIVE, STRENGTH_ERROR, MEMBER_NONE},                           \
                      {RULE_NOT_CROSSED, STRENGTH_STATISTIC, MEMBER_NONE},                         \
                      {RULE_DEPTH_MAX, STRENGTH_ERROR, MEMBER_NONE}},                              \
    }

/* ---- trades ---- */

#define V3_TRADE_TIME   V3_FIELD(MEMBER_EXCHANGE_TIME, "T", FIELD_TIME, UNIT_MS, FIELD_REQUIRED)
#define V3_TRADE_SYMBOL V3_TEXT(MEMBER_SYMBOL, "s")
#define V3_TRADE_SIDE   V3_FIELD(MEMBER_SIDE, "S", FIELD_ANY_SIDE, UNIT_NONE, FIELD_REQUIRED)
#define V3_TRADE_SIZE   V3_FIELD(MEMBER_SIZE, "v", FIELD_DECIMAL, UNIT_QUANTITY, FIELD_REQUIRED)
#define V3_TRADE_PRICE  V3_FIELD(MEMBER_PRICE, "p", FIELD_DECIMAL, UNIT_PRICE, FIELD_REQUIRED)
#define V3_TRADE_TICK   V3_TEXT(MEMBER_TICK_DIRECTION, "L")
#define V3_TRADE_ID     V3_TEXT(MEMBER_TRADE_ID, "i")
#define V3_TRADE_BLOCK  V3_BOOL(MEMBER_IS_BLOCK_TRADE, "BT")
#define V3_TRADE_RETAIL V3_BOOL(MEMBER_IS_RPI_TRADE, "RPI") /* added in 2025, like seq */
#define V3_TRADE_SEQ    V3_INTEGER(MEMBER_SEQ, "seq")

/* Fields of trades of contract v3; v5's futures and perpetuals have these and more. */
#define V3_TRADE_FIELDS                                                                            \
    V3_TRADE_TIME, V3_TRADE_SYMBOL, V3_TRADE_SIDE, V3_TRADE_SIZE, V3_TRADE_PRICE, V3_TRADE_TICK,   \
        V3_TRADE_ID, V3_TRADE_BLOCK

/* Members that all trade topics share. A frame has up to 1,024 trades. */
#define V3_TRADES_COMMON(envelope_table)                                                           \
    .name = "publicTrade", .type = MSG_TRADE, .sequence = SEQ_ITEM,                                \
    .time_member = MEMBER_EXCHANGE_TIME, .items = V3_ENTRIES("data", ACTION_NONE),                 \
    TOPIC_ENVELOPE(envelope_table)

/* A trade topic of one symbol. Trades reveal wrong order and repeats; losses are revealed only by
 * candles (docs/wire.md 6.5). Contract v3 has no seq, so the rule about seq never fails there. */
#define V3_TRADES(trade_table, candles)                                                            \
    {                                                                                              \
        V3_TRADES_COMMON(V3_SENT_ENVELOPE),                                                        \
            .pattern = "publicTrade.{symbol}", .title = "Trades", .audit = candles,                \
            TOPIC_FIELDS(trade_table),                                                             \
            .rules = {{RULE_SEQ_WEAK, STRENGTH_ERROR, MEMBER_SEQ},                                 \
                      {RULE_TIME_WEAK, STRENGTH_ERROR, MEMBER_NONE},                               \
                      {RULE_ID_UNIQUE, STRENGTH_ERROR, MEMBER_TRADE_ID},                           \
                      {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},                         \
    }

/* ---- tickers ---- */

static const field_row V3_TICKER_ENVELOPE[] = {
    V3_INTEGER(MEMBER_SEQ, "cs"),
    V3_MS(MEMBER_EXCHANGE_TIME, "ts"),
};

#define V3_LAST_PRICE    V3_PRICE(MEMBER_LAST_PRICE, "lastPrice")
#define V3_HIGH_24H      V3_PRICE(MEMBER_HIGH_PRICE_24H, "highPrice24h")
#define V3_LOW_24H       V3_PRICE(MEMBER_LOW_PRICE_24H, "lowPrice24h")
#define V3_PREV_24H      V3_PRICE(MEMBER_PREV_PRICE_24H, "prevPrice24h")
#define V3_CHANGE_24H    V3_RATE(MEMBER_PRICE_24H_PCNT, "price24hPcnt")
#define V3_TURNOVER_24H  V3_MONEY(MEMBER_TURNOVER_24H, "turnover24h")
#define V3_VOLUME_24H    V3_QUANTITY(MEMBER_VOLUME_24H, "volume24h")
#define V3_MARK_PRICE    V3_PRICE(MEMBER_MARK_PRICE, "markPrice")
#define V3_INDEX_PRICE   V3_PRICE(MEMBER_INDEX_PRICE, "indexPrice")
#define V3_OPEN_INTEREST V3_QUANTITY(MEMBER_OPEN_INTEREST, "openInterest")
#define V3_DELIVERY      V3_PRICE(MEMBER_PREDICTED_DELIVERY_PRICE, "predictedDeliveryPrice")

/* Fields of tickers of perpetuals and dated futures. A field that only one of the two kinds has is
 * absent or "" in the other kind. */
#define V3_TICKER_FIELDS                                                                           \
    V3_SYMBOL, V3_TEXT(MEMBER_TICK_DIRECTION, "tickDirection"), V3_CHANGE_24H, V3_LAST_PRICE,      \
        V3_PREV_24H, V3_HIGH_24H, V3_LOW_24H, V3_PRICE(MEMBER_PREV_PRICE_1H, "prevPrice1h"),       \
        V3_MARK_PRICE, V3_INDEX_PRICE, V3_OPEN_INTEREST,                                           \
        V3_MONEY(MEMBER_OPEN_VALUE, "openInterestValue"), V3_TURNOVER_24H, V3_VOLUME_24H,          \
        V3_INTEGER(MEMBER_FUNDING_RATE_INTERVAL, "fundingIntervalHour"),                           \
        V3_RATE(MEMBER_FUNDING_CAP, "fundingCap"),                                                 \
        V3_QUANTITY(MEMBER_SINGLE_OPEN_INTEREST, "singleOpenInterest"),                            \
        V3_MONEY(MEMBER_SINGLE_OPEN_VALUE, "singleOpenInterestValue"),                             \
        V3_FIELD(MEMBER_DELIVERY_TIME, "deliveryTime", FIELD_TIME, UNIT_RFC3339, 0),               \
        V3_RATE(MEMBER_FAIR_BASIS_RATE, "basisRate"),                                              \
        V3_RATE(MEMBER_SETTLE_FEE_RATE, "deliveryFeeRate"), V3_DELIVERY,                           \
        V3_PRICE(MEMBER_FAIR_BASIS, "basis"), V3_RATE(MEMBER_BASIS_IN_YEAR, "basisRateYear"),      \
        V3_MS(MEMBER_NEXT_FUNDING_TIME, "nextFundingTime"),                                        \
        V3_RATE(MEMBER_FUNDING_RATE, "fundingRate"), V3_PRICE(MEMBER_BID1_PRICE, "bid1Price"),     \
        V3_QUANTITY(MEMBER_BID1_SIZE, "bid1Size"), V3_PRICE(MEMBER_ASK1_PRICE, "ask1Price"),       \
        V3_QUANTITY(MEMBER_ASK1_SIZE, "ask1Size"),                                                 \
        V3_PRICE(MEMBER_PRE_OPEN_PRICE, "preOpenPrice"),                                           \
        V3_QUANTITY(MEMBER_PRE_OPEN_SIZE, "preQty"),                                               \
        V3_TEXT(MEMBER_PRE_LISTING_PHASE, "curPreListingPhase")

static const field_row V3_TICKER[] = {V3_TICKER_FIELDS};

/* A ticker topic. A delta has the fields that changed, and some unchanged ones. */
#define V3_TICKERS V3_TICKERS_OF(V3_TICKER)
#define V3_TICKERS_OF(ticker_table)                                                                \
    {                                                                                              \
        .name = "tickers", .pattern = "tickers.{symbol}", .type = MSG_TICKER,                      \
        .title = "Ticker, 100 ms; a delta has the changed fields only", .sequence = SEQ_ENVELOPE,  \
        .time_member = MEMBER_EXCHANGE_TIME, .items = V3_CHANGES,                                  \
        TOPIC_ENVELOPE(V3_TICKER_ENVELOPE), TOPIC_FIELDS(ticker_table),                            \
        .rules = {{RULE_SEQ_STRICT, STRENGTH_ERROR, MEMBER_SEQ},                                   \
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_ANCHORED, STRENGTH_WARNING, MEMBER_NONE},                                  \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE},                              \
                  {RULE_BEST_AGREES, STRENGTH_WARNING, MEMBER_SEQ}},                               \
    }

/* A ticker topic whose every frame has the full state. If only the 24-hour values changed, seq, if
 * present, stays the same. */
#define V3_TICKERS_WHOLE(topic_name, rate, envelope_table, ticker_table, until)                    \
    {                                                                                              \
        .name = topic_name, .pattern = topic_name ".{symbol}", .type = MSG_TICKER,                 \
        .title = "Ticker, " rate ", snapshots only", .valid_until = until,                         \
        .sequence = SEQ_ENVELOPE, .time_member = MEMBER_EXCHANGE_TIME, .items = V3_WHOLE,          \
        TOPIC_ENVELOPE(envelope_table), TOPIC_FIELDS(ticker_table),                                \
        .rules = {{RULE_SEQ_WEAK, STRENGTH_ERROR, MEMBER_SEQ},                                     \
                  {RULE_FRAME_UNIQUE, STRENGTH_WARNING, MEMBER_NONE},                              \
                  {RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},                             \
    }

/* ---- candles ---- */

#define V3_CANDLE_PRICE(member, key)                                                               \
    V3_FIELD(member, key, FIELD_DECIMAL, UNIT_PRICE, FIELD_REQUIRED)
#define V3_CANDLE_HEAD_FIELDS                                                                      \
    V3_FIELD(MEMBER_START, "start", FIELD_TIME, UNIT_MS, FIELD_REQUIRED),                          \
        V3_MS(MEMBER_END, "end"), V3_TEXT(MEMBER_INTERVAL, "interval"),                            \
        V3_CANDLE_PRICE(MEMBER_OPEN, "open"), V3_CANDLE_PRICE(MEMBER_CLOSE, "close"),              \
        V3_CANDLE_PRICE(MEMBER_HIGH, "high"), V3_CANDLE_PRICE(MEMBER_LOW, "low")

/* The last fields of candles. In the documents, timestamp is the time of the last trade, but in all
 * real frames it equals ts. */
#define V3_CANDLE_TAIL_FIELDS                                                                      \
    V3_FIELD(MEMBER_IS_CONFIRMED, "confirm", FIELD_BOOL, UNIT_NONE, FIELD_REQUIRED),               \
        V3_MS(MEMBER_LAST_TRADE_TIME, "timestamp")

static const field_row V3_CANDLE[] = {
    V3_CANDLE_HEAD_FIELDS,
    V3_FIELD(MEMBER_VOLUME, "volume", FIELD_DECIMAL, UNIT_QUANTITY, FIELD_REQUIRED),
    V3_FIELD(MEMBER_TURNOVER, "turnover", FIELD_DECIMAL, UNIT_MONEY, FIELD_REQUIRED),
    V3_CANDLE_TAIL_FIELDS,
};

/* Members that all candle topics share. */
#define V3_CANDLES_COMMON(topic_name)                                                              \
    .name = topic_name, .pattern = topic_name ".{interval}.{symbol}", .type = MSG_KLINE,           \
    .time_member = MEMBER_EXCHANGE_TIME, .items = V3_ENTRIES("data", ACTION_NONE),                 \
    TOPIC_ENVELOPE(V3_TIME_ENVELOPE)
#define V3_CANDLE_RULES                                                                            \
    RULE(RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE),                                           \
        RULE(RULE_KLINE_START, STRENGTH_WARNING, MEMBER_NONE),                                     \
        RULE(RULE_KLINE_CONFIRM, STRENGTH_WARNING, MEMBER_NONE)

/* A candle topic; candles are running sums of the trades. checked is MEMBER_TURNOVER or
 * MEMBER_VOLUME (see RULE_TRADES_COMPLETE). */
#define V3_CANDLES(checked, strength)                                                              \
    {                                                                                              \
        V3_CANDLES_COMMON("kline"),                                                                \
            .title = "Candles, every 1 to 60 s; confirm: the candle is closed",                    \
            TOPIC_FIELDS(V3_CANDLE),                                                               \
            .rules = {V3_CANDLE_RULES, {RULE_TRADES_COMPLETE, strength, checked}},                 \
    }

/* ---- liquidations, limits, the insurance fund ---- */

/* Fields of liquidations. The price is the bankruptcy price; the side is the position's: Buy means
 * that a long position was liquidated. */
static const field_row V3_LIQUIDATION[] = {
    V3_FIELD(MEMBER_EXCHANGE_TIME, "updatedTime", FIELD_TIME, UNIT_MS, FIELD_REQUIRED),
    V3_SYMBOL,
    V3_FIELD(MEMBER_SIDE, "side", FIELD_ANY_SIDE, UNIT_NONE, FIELD_REQUIRED),
    V3_FIELD(MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, FIELD_REQUIRED),
    V3_FIELD(MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, FIELD_REQUIRED),
};

static const field_row V3_ALL_LIQUIDATION[] = {
    V3_TRADE_TIME, V3_TRADE_SYMBOL, V3_TRADE_SIDE, V3_TRADE_SIZE, V3_TRADE_PRICE,
};

/* A liquidation topic with at most one liquidation per second and symbol; discontinued. */
#define V3_LIQUIDATIONS                                                                            \
    {                                                                                              \
        .name = "liquidation", .pattern = "liquidation.{symbol}", .type = MSG_LIQUIDATION,         \
        .title = "Liquidations, at most one per second; discontinued",                             \
        .time_member = MEMBER_EXCHANGE_TIME, .items = V3_ENTRIES("data", ACTION_NONE),             \
        TOPIC_ENVELOPE(V3_SENT_ENVELOPE), TOPIC_FIELDS(V3_LIQUIDATION),                            \
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},                                 \
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},                             \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

#endif
