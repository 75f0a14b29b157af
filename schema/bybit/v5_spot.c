/* v5 spot, and leveraged tokens, which existed until July 2025 (docs/wire.md 3). */
#include "schema/bybit/v5.h"

/* Trades. In spot frames the symbol is near the end, and there is no tick direction. */
static const field_row TRADE[] = {
    V3_TRADE_ID,  V3_TRADE_TIME,   V3_TRADE_PRICE, V3_TRADE_SIZE,   V3_TRADE_SIDE,
    V3_TRADE_SEQ, V3_TRADE_SYMBOL, V3_TRADE_BLOCK, V3_TRADE_RETAIL,
};

static const field_row TICKER[] = {
    V3_SYMBOL,       V3_LAST_PRICE, V3_HIGH_24H,
    V3_LOW_24H,      V3_PREV_24H,   V3_VOLUME_24H,
    V3_TURNOVER_24H, V3_CHANGE_24H, V3_PRICE(MEMBER_USD_INDEX_PRICE, "usdIndexPrice"),
};

/* ---- leveraged tokens: up to 18 decimals ---- */

static const field_row LT_TICKER[] = {
    V3_SYMBOL, V3_LAST_PRICE, V3_HIGH_24H, V3_LOW_24H, V3_PREV_24H, V3_CHANGE_24H,
};

static const field_row LT_CANDLE[] = {V3_CANDLE_HEAD_FIELDS, V3_CANDLE_TAIL_FIELDS};

static const field_row LT_NAV[] = {
    V3_SYMBOL,
    V3_MS(MEMBER_UPDATED_AT, "time"),
    V3_FIELD(MEMBER_NAV, "nav", FIELD_DECIMAL, UNIT_PRICE, FIELD_REQUIRED),
    V3_MONEY(MEMBER_BASKET_POSITION, "basketPosition"),
    V3_DECIMAL(MEMBER_LEVERAGE, "leverage"),
    V3_MONEY(MEMBER_BASKET_LOAN, "basketLoan"),
    V3_QUANTITY(MEMBER_CIRCULATION, "circulation"),
    V3_MONEY(MEMBER_BASKET, "basket"),
};

#define LT_END "2025-07-05"

static const topic_row TOPICS[] = {
    V5_BOOKS,
    V3_BOOK_DATED(200, "200 ms", "orderbook.50", NULL, "2026-03-19"),
    V3_BOOK_DATED(200, "100 ms", "orderbook.50", "2026-03-19", NULL),
    V3_TRADES(TRADE, "kline.1"),
    V3_TICKERS_WHOLE("tickers", "50 ms", V3_TICKER_ENVELOPE, TICKER, NULL),
    V3_CANDLES(MEMBER_TURNOVER, STRENGTH_ERROR),
    V5_PRICE_LIMITS,
    V3_TICKERS_WHOLE("tickers_lt", "leveraged tokens, 300 ms", V3_TIME_ENVELOPE, LT_TICKER, LT_END),
    {
        V3_CANDLES_COMMON("kline_lt"),
        .title = "Candles of leveraged tokens; confirm: the candle is closed",
        .valid_until = LT_END,
        TOPIC_FIELDS(LT_CANDLE),
        .rules = {V3_CANDLE_RULES},
    },
    {
        .name = "lt",
        .pattern = "lt.{symbol}",
        .type = MSG_INDEX,
        .title = "Net asset value of leveraged tokens, 300 ms",
        .valid_until = LT_END,
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = V3_WHOLE,
        TOPIC_ENVELOPE(V3_TIME_ENVELOPE),
        TOPIC_FIELDS(LT_NAV),
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE},
                  {RULE_SYMBOL_MATCHES, STRENGTH_ERROR, MEMBER_NONE}},
    },
};

const family FAMILY_V5_SPOT = {
    .name = "v5-spot",
    .exchange = &BYBIT,
    .dialect = &BYBIT_V5_SPOT,
    .market = {"bybit-spot", "orderbook.50", MARKET_OTHER, "spot", NULL, NULL},
    .endpoints = {PUBLIC("/v5/public/spot")},
    .listing = "/v5/market/instruments-info?category=spot",
    FAMILY_TOPICS(TOPICS),
};
