/* Contract v3, public and private: perpetuals and futures, USDT and inverse (docs/wire.md 3). */
#include "schema/bybit/v3_private.h"

static const field_row TRADE[] = {V3_TRADE_FIELDS};

/* The ticker of futures. It also has fields of options, whose quotes have other names. */
static const field_row TICKER[] = {
    V3_TICKER_FIELDS,
    V3_PRICE(MEMBER_BID1_PRICE, "bidPrice"),
    V3_QUANTITY(MEMBER_BID1_SIZE, "bidSize"),
    V3_RATE(MEMBER_BID1_IV, "bidIv"),
    V3_PRICE(MEMBER_ASK1_PRICE, "askPrice"),
    V3_QUANTITY(MEMBER_ASK1_SIZE, "askSize"),
    V3_RATE(MEMBER_ASK1_IV, "askIv"),
    V3_RATE(MEMBER_MARK_IV, "markPriceIv"),
    V3_PRICE(MEMBER_UNDERLYING_PRICE, "underlyingPrice"),
    V3_QUANTITY(MEMBER_TOTAL_VOLUME, "totalVolume"),
    V3_MONEY(MEMBER_TOTAL_TURNOVER, "totalTurnover"),
    V3_DECIMAL(MEMBER_DELTA, "delta"),
    V3_DECIMAL(MEMBER_GAMMA, "gamma"),
    V3_DECIMAL(MEMBER_VEGA, "vega"),
    V3_DECIMAL(MEMBER_THETA, "theta"),
    V3_RATE(MEMBER_PRICE_24H_PCNT, "change24h"),
};

static const field_row ORDER[] = {
    V3_ORDER_FIELDS,
    V3_CONTRACT_ORDER_FIELDS,
    V3_QUANTITY(MEMBER_LAST_EXEC_SIZE, "lastExecQty"),
    V3_PRICE(MEMBER_LAST_EXEC_PRICE, "lastExecPrice"),
};

static const field_row EXECUTION[] = {
    V3_EXECUTION_FIELDS,
    V3_TEXT(MEMBER_LAST_LIQUIDITY, "lastLiquidityInd"),
    V3_TEXT(MEMBER_STOP_ORDER_TYPE, "stopOrderType"),
    V3_TEXT(MEMBER_BLOCK_TRADE_ID, "blockTradeId"),
};

/* Positions. The key of the TP/SL mode is tpSlMode here and tpslMode in orders. */
static const field_row POSITION[] = {
    V3_POSITION_FIELDS,
    V3_TEXT(MEMBER_TP_SL_MODE, "tpSlMode"),
    V3_MONEY(MEMBER_OCC_CLOSING_FEE, "occClosingFee"),
    V3_PRICE(MEMBER_TRAILING_ACTIVE, "activePrice"),
};

static const field_row WALLET[] = {
    V3_FIELD(MEMBER_COIN, "coin", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED),
    V3_MONEY(MEMBER_EQUITY, "equity"),
    V3_MONEY(MEMBER_WALLET_BALANCE, "walletBalance"),
    V3_MONEY(MEMBER_POSITION_MARGIN, "positionMargin"),
    V3_MONEY(MEMBER_AVAILABLE_BALANCE, "availableBalance"),
    V3_MONEY(MEMBER_ORDER_MARGIN, "orderMargin"),
    V3_MONEY(MEMBER_UNREALISED_PNL, "unrealisedPnl"),
    V3_MONEY(MEMBER_CUM_REALISED_PNL, "cumRealisedPnl"),
};

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* A private topic. Its frames have only topic and data. */
#define PRIVATE_TOPIC(what, message_type, words, time, table, ...)                                 \
    {                                                                                              \
        V3_PRIVATE_COMMON("user." what ".contractAccount", message_type, words, time, "data"),     \
            .pattern = "user." what ".contractAccount", TOPIC_FIELDS(table),                       \
            .rules = {__VA_ARGS__},                                                                \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

static const topic_row TOPICS[] = {
    V3_BOOK_1(NULL),
    V3_BOOK(50, "20 ms", "orderbook.200"),
    V3_BOOK(200, "100 ms", "orderbook.50"),
    V3_BOOK(500, "100 ms", "orderbook.50"),
    V3_TRADES(TRADE, "kline.1"),
    V3_TICKERS_OF(TICKER),
    /* One row for USDT and inverse symbols. Only the volume is checked, because the rounding of
     * inverse turnover is undocumented. */
    V3_CANDLES(MEMBER_VOLUME, STRENGTH_ERROR),
    V3_LIQUIDATIONS,
    PRIVATE_TOPIC("position", MSG_POSITION, "Positions that changed", MEMBER_UPDATED_AT, POSITION,
                  {RULE_ENTRY_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_UPDATED_AT}),
    PRIVATE_TOPIC("execution", MSG_EXECUTION, "Executions", MEMBER_EXEC_TIME, EXECUTION,
                  EXECUTION_RULE),
    PRIVATE_TOPIC("order", MSG_ORDER, "Orders that changed", MEMBER_UPDATED_AT, ORDER,
                  ORDER_RULES(MEMBER_UPDATED_AT)),
    PRIVATE_TOPIC("wallet", MSG_WALLET, "Balances that changed", MEMBER_NONE, WALLET,
                  {RULE_NONE, STRENGTH_STATISTIC, MEMBER_NONE}),
};

const family FAMILY_CONTRACT_V3 = {
    .name = "contract-v3",
    .exchange = &BYBIT,
    .dialect = &BYBIT_V3,
    .market = {"bybit", "orderbook.50", MARKET_CONTRACTS, "linear", "inverse", NULL},
    .endpoints = {PUBLIC("/contract/usdt/public/v3"), PUBLIC("/contract/inverse/public/v3"),
                  PRIVATE("/contract/private/v3")},
    FAMILY_TOPICS(TOPICS),
    .has_ended = 1,
};
