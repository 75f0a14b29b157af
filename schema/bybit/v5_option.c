/* v5 options on USDT and USDC (docs/wire.md 3). */
#include "schema/bybit/v3.h"

/* The frame's id; it consists of the topic, seq and ts. */
#define FRAME_ID V3_TEXT(MEMBER_FRAME_ID, "id")

/* The envelope of books. Frames of 2023 have no seq. */
static const field_row BOOK_ENVELOPE[] = {FRAME_ID, V3_BOOK_ENVELOPE_FIELDS};

static const field_row TRADE_ENVELOPE[] = {FRAME_ID, V3_MS(MEMBER_SEND_TIME, "ts")};

/* Trades. Mark prices and volatilities were added in 2024. */
static const field_row TRADE[] = {
    V3_TRADE_PRICE,
    V3_TRADE_SIZE,
    V3_TRADE_ID,
    V3_TRADE_TIME,
    V3_TRADE_BLOCK,
    V3_FIELD(MEMBER_SYMBOL, "s", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED),
    V3_TRADE_SIDE,
    V3_PRICE(MEMBER_MARK_PRICE, "mP"),
    V3_PRICE(MEMBER_INDEX_PRICE, "iP"),
    V3_RATE(MEMBER_MARK_IV, "mIv"),
    V3_RATE(MEMBER_IV, "iv"),
    V3_TRADE_RETAIL,
    V3_TRADE_SEQ,
};

static const field_row TICKER_ENVELOPE[] = {FRAME_ID, V3_MS(MEMBER_EXCHANGE_TIME, "ts")};

/* Tickers. If a side has no quote, its price, size and volatility are 0. */
static const field_row TICKER[] = {
    V3_SYMBOL,
    V3_PRICE(MEMBER_BID1_PRICE, "bidPrice"),
    V3_QUANTITY(MEMBER_BID1_SIZE, "bidSize"),
    V3_RATE(MEMBER_BID1_IV, "bidIv"),
    V3_PRICE(MEMBER_ASK1_PRICE, "askPrice"),
    V3_QUANTITY(MEMBER_ASK1_SIZE, "askSize"),
    V3_RATE(MEMBER_ASK1_IV, "askIv"),
    V3_LAST_PRICE,
    V3_HIGH_24H,
    V3_LOW_24H,
    V3_MARK_PRICE,
    V3_INDEX_PRICE,
    V3_RATE(MEMBER_MARK_IV, "markPriceIv"),
    V3_PRICE(MEMBER_UNDERLYING_PRICE, "underlyingPrice"),
    V3_OPEN_INTEREST,
    V3_TURNOVER_24H,
    V3_VOLUME_24H,
    V3_QUANTITY(MEMBER_TOTAL_VOLUME, "totalVolume"),
    V3_MONEY(MEMBER_TOTAL_TURNOVER, "totalTurnover"),
    V3_DECIMAL(MEMBER_DELTA, "delta"),
    V3_DECIMAL(MEMBER_GAMMA, "gamma"),
    V3_DECIMAL(MEMBER_VEGA, "vega"),
    V3_DECIMAL(MEMBER_THETA, "theta"),
    V3_DELIVERY,
    V3_RATE(MEMBER_PRICE_24H_PCNT, "change24h"),
};

#define BOOK(levels, rate, twin)                                                                   \
    V3_BOOK_OF(levels, rate, twin, NULL, NULL, BOOK_ENVELOPE, RULE_SEQ_STRICT)

static const topic_row TOPICS[] = {
    BOOK(25, "20 ms", "orderbook.100"),
    BOOK(100, "100 ms", "orderbook.25"),
    {
        V3_TRADES_COMMON(TRADE_ENVELOPE),
        .pattern = "publicTrade.{coin}",
        .title = "Trades of all options of a coin",
        TOPIC_FIELDS(TRADE),
        .rules = {{RULE_ENTRY_SEQ_WEAK, STRENGTH_ERROR, MEMBER_SEQ},
                  {RULE_ENTRY_TIME_WEAK, STRENGTH_ERROR, MEMBER_EXCHANGE_TIME},
                  {RULE_ID_UNIQUE, STRENGTH_ERROR, MEMBER_TRADE_ID}},
    },
    V3_TICKERS_WHOLE("tickers", "100 ms", TICKER_ENVELOPE, TICKER, NULL),
};

const family FAMILY_V5_OPTION = {
    .name = "v5-option",
    .exchange = &BYBIT,
    .dialect = &BYBIT_V5_OPTION,
    .market = {"bybit-options", "orderbook.25", MARKET_OPTIONS, "option", NULL, NULL},
    .endpoints = {PUBLIC("/v5/public/option")},
    .listing = "/v5/market/instruments-info?category=option&limit=1000",
    .listing_coins = (const char *const[]){"BTC", "ETH", "SOL", "XRP", "MNT", "DOGE", NULL},
    FAMILY_TOPICS(TOPICS),
};
