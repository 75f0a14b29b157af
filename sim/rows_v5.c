/* Streams of the v5 families and of contract v3 (docs/wire.md 3): member order, and which values
 * are text, as in the exchange's frames. */
#include "sim/catalog.h"
#include "sim/window.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* ---- books ---- */

#define HEAD        "{'topic':'$topic','type':'$type','ts':$ts:e3,'data':"
#define HEAD_OPTION "{'id':'$topic-$seq-$ts:e3','topic':'$topic','type':'$type','ts':$ts:e3,'data':"
#define BOOK_OF(head, level)                                                                       \
    head "{'s':'$symbol','b':[@bids([" level "])],'a':[@asks([" level                              \
         "])],'u':$u,'seq':$seq},'cts':$cts:e3}"
#define BOOK_LINEAR BOOK_OF(HEAD, "'$price','$size'")
/* Trailing zeros are dropped. */
#define BOOK_SHORT  BOOK_OF(HEAD, "'$price:s','$size:s'")
#define BOOK_OPTION BOOK_OF(HEAD_OPTION, "'$price:s','$size:s'")
/* No level has improvement orders. */
#define BOOK_RPI BOOK_OF(HEAD, "'$price:s','$size:s','0'")

#define BOOK(levels, events, text)                                                                 \
    {                                                                                              \
        .topic = "orderbook." #levels, .kind = STREAM_BOOK, .depth = levels, EVERY_EVENTS(events), \
        .flags = STREAM_MS, .snapshot = (text), .delta = (text)                                    \
    }
/* Level 1 has no deltas. */
#define BOOK_TOP(text)                                                                             \
    {                                                                                              \
        .topic = "orderbook.1", .kind = STREAM_BOOK, .depth = 1, EVERY_EVENTS(3),                  \
        .flags = STREAM_MS, .snapshot = (text)                                                     \
    }
#define BOOK_WITH_RPI                                                                              \
    {                                                                                              \
        .topic = "orderbook.rpi", .kind = STREAM_BOOK, .depth = 50, EVERY_EVENTS(30),              \
        .flags = STREAM_MS, .snapshot = BOOK_RPI, .delta = BOOK_RPI                                \
    }
/* Deltas only: clients fetch the snapshot over HTTP. */
#define BOOK_ALL(text)                                                                             \
    {                                                                                              \
        .topic = "orderbook.full", .kind = STREAM_BOOK, .depth = WINDOW_DEPTH_MAX,                 \
        EVERY_EVENTS(60), .flags = STREAM_MS | STREAM_NO_INITIAL | STREAM_NO_MARK,                 \
        .snapshot = (text), .delta = (text)                                                        \
    }

/* ---- trades ---- */

#define TRADE_OF(head, members)                                                                    \
    head "[@trades({'T':$trade_time:e3,'s':'$symbol','S':'$side','i':'$trade_id'," members "})]}"
#define TRADE_LINEAR                                                                               \
    TRADE_OF(HEAD, "'v':'$size','p':'$price','L':'PlusTick','BT':false,'RPI':false,'seq':$seq")
#define TRADE_SPOT   TRADE_OF(HEAD, "'v':'$size:s','p':'$price:s','BT':false,'seq':$seq")
#define TRADE_SPREAD TRADE_OF(HEAD, "'v':'$size:s','p':'$price:s','L':'PlusTick','seq':$seq")
#define TRADE_V3     TRADE_OF(HEAD, "'v':'$size','p':'$price','L':'PlusTick','BT':false")
#define TRADE_OPTION                                                                               \
    TRADE_OF(HEAD_OPTION, "'v':'$size:s','p':'$price:s','BT':false,'mP':'$mark:s'"                 \
                          ",'iP':'$mark:s','seq':$seq")

#define TRADES(text)                                                                               \
    {                                                                                              \
        .topic = "publicTrade", .kind = STREAM_TRADE, .flags = STREAM_NO_INITIAL,                  \
        .snapshot = (text)                                                                         \
    }

/* ---- tickers ---- */

/* Price and size of a side always come together. */
#define TICKER_LINEAR                                                                              \
    HEAD "{'symbol':'$symbol'~(,'tickDirection':'PlusTick')~(,'price24hPcnt':'$pcnt_24h')"         \
         "~(,'lastPrice':'$last')~(,'prevPrice24h':'$prev_24h')~(,'highPrice24h':'$high_24h')"     \
         "~(,'lowPrice24h':'$low_24h')~(,'prevPrice1h':'$prev_24h')~(,'markPrice':'$mark')"        \
         "~(,'indexPrice':'$mark')~(,'openInterest':'$volume_24h')"                                \
         "~(,'openInterestValue':'$turnover_24h:s')~(,'turnover24h':'$turnover_24h:s')"            \
         "~(,'volume24h':'$volume_24h')~(,'nextFundingTime':'1798185600000')"                      \
         "~(,'fundingRate':'0.0001')~(,'bid1Price':'$bid1','bid1Size':'$bid1_size')"               \
         "~(,'ask1Price':'$ask1','ask1Size':'$ask1_size')},'cs':$seq}"
#define PRICES_24H                                                                                 \
    "'symbol':'$symbol','lastPrice':'$last:s','highPrice24h':'$high_24h:s'"                        \
    ",'lowPrice24h':'$low_24h:s','volume24h':'$volume_24h:s'"
#define TICKER_SPOT                                                                                \
    HEAD "{" PRICES_24H ",'prevPrice24h':'$prev_24h:s','turnover24h':'$turnover_24h:s'"            \
         ",'price24hPcnt':'$pcnt_24h:s','usdIndexPrice':'$mark:s'},'cs':$seq}"
#define BEST_PRICES                                                                                \
    ",'bidPrice':'$bid1:s','bidSize':'$bid1_size:s','askPrice':'$ask1:s','askSize':'$ask1_size:s'"
#define TICKER_OPTION                                                                              \
    HEAD_OPTION "{" PRICES_24H BEST_PRICES ",'markPrice':'$mark:s','indexPrice':'$mark:s'"         \
                ",'openInterest':'$volume_24h:s','turnover24h':'$turnover_24h:s'"                  \
                ",'totalVolume':'$volume_24h:s','totalTurnover':'$turnover_24h:s'"                 \
                ",'delta':'0.43215634','change24h':'$pcnt_24h:s'}}"
#define TICKER_SPREAD HEAD "{" PRICES_24H BEST_PRICES ",'prevPrice24h':'$prev_24h:s'}}"
#define TICKER(change, text)                                                                       \
    {                                                                                              \
        .topic = "tickers", .kind = STREAM_TICKER, EVERY_EVENTS(40), .snapshot = (text),           \
        .delta = (change)                                                                          \
    }

/* ---- candles ---- */

#define CANDLE_OF(members)                                                                         \
    "{'topic':'$topic','data':[@candles({'start':$start:e3,'end':$last_ms:e3"                      \
    ",'interval':'$interval'," members ",'confirm':$confirm:b,'timestamp':$ts:e3})],'ts':$ts:e3"   \
    ",'type':'snapshot'}"
#define CANDLE                                                                                     \
    CANDLE_OF("'open':'$open:s','close':'$close:s','high':'$high:s','low':'$low:s'"                \
              ",'volume':'$volume:s','turnover':'$turnover:s'")
/* ---- notices ---- */

#define LIQUIDATION_ALL                                                                            \
    {                                                                                              \
        .topic = "allLiquidation", .kind = STREAM_LIQUIDATION, .flags = STREAM_NO_INITIAL,         \
        .snapshot = HEAD "[{'T':$trade_time:e3,'s':'$symbol','S':'$side'"                          \
                         ",'v':'$size','p':'$price'}]}"                                            \
    }
/* Withdrawn from v5; contract v3 had it too. */
#define LIQUIDATION_ONE                                                                            \
    {                                                                                              \
        .topic = "liquidation", .kind = STREAM_LIQUIDATION, .flags = STREAM_NO_INITIAL,            \
        .snapshot = HEAD "{'updatedTime':$trade_time:e3,'symbol':'$symbol'"                        \
                         ",'side':'$side','size':'$size'"                                          \
                         ",'price':'$price'}}"                                                     \
    }
#define POOL                                                                                       \
    HEAD "[{'coin':'$settle','symbols':'$symbol','balance':'1180144.8658728'"                      \
         ",'updateTime':'$ts:e3'}]}"
#define INSURANCE                                                                                  \
    {                                                                                              \
        .topic = "insurance", .kind = STREAM_NOTICE, .scope = SCOPE_SETTLE, EVERY_MS(1000),        \
        .snapshot = POOL, .delta = POOL                                                            \
    }
/* Signed and fractional numbers, where the exchange's own documentation has text. */
#define ADL_ALERT                                                                                  \
    {                                                                                              \
        .topic = "adlAlert", .kind = STREAM_NOTICE, .scope = SCOPE_SETTLE, EVERY_MS(1000),         \
        .snapshot = HEAD "[{'c':'$settle','s':'$symbol','b':1180144.8658728"                       \
                         ",'mb':1180144.8658728,'i_pr':-0.3,'pr':$pcnt_24h:s"                      \
                         ",'adl_tt':10000,'adl_sr':-0.25}]}"                                       \
    }
#define PRICE_LIMIT                                                                                \
    {                                                                                              \
        .topic = "priceLimit", .kind = STREAM_NOTICE, EVERY_MS(300),                               \
        .snapshot = "{'topic':'$topic','data':{'symbol':'$symbol','buyLmt':'$high_24h'"            \
                    ",'sellLmt':'$low_24h'},'ts':$ts:e3}"                                          \
    }

static const stream_row LINEAR[] = {
    BOOK_TOP(BOOK_LINEAR),
    BOOK(50, 6, BOOK_LINEAR),
    BOOK(200, 30, BOOK_LINEAR),
    /* Withdrawn. */
    BOOK(500, 60, BOOK_LINEAR),
    BOOK(1000, 60, BOOK_LINEAR),
    BOOK_WITH_RPI,
    BOOK_ALL(BOOK_LINEAR),
    TRADES(TRADE_LINEAR),
    TICKER(TICKER_LINEAR, TICKER_LINEAR),
    CANDLES("kline", CANDLE),
    LIQUIDATION_ALL,
    LIQUIDATION_ONE,
    INSURANCE,
    ADL_ALERT,
    PRICE_LIMIT,
};

static const stream_row SPOT[] = {
    BOOK_TOP(BOOK_SHORT),
    BOOK(50, 6, BOOK_SHORT),
    BOOK(200, 30, BOOK_SHORT),
    BOOK(1000, 60, BOOK_SHORT),
    BOOK_WITH_RPI,
    BOOK_ALL(BOOK_SHORT),
    TRADES(TRADE_SPOT),
    TICKER(NULL, TICKER_SPOT),
    CANDLES("kline", CANDLE),
    PRICE_LIMIT,
};

static const stream_row OPTION[] = {
    BOOK(25, 10, BOOK_OPTION),
    BOOK(100, 30, BOOK_OPTION),
    {.topic = "publicTrade",
     .kind = STREAM_TRADE,
     .scope = SCOPE_COIN,
     .flags = STREAM_NO_INITIAL,
     .snapshot = TRADE_OPTION},
    TICKER(NULL, TICKER_OPTION),
};

static const stream_row SPREAD[] = {
    BOOK(25, 6, BOOK_LINEAR),
    TRADES(TRADE_SPREAD),
    TICKER(NULL, TICKER_SPREAD),
};

/* Notices of no market. */
#define NOTICE(name, ms, text)                                                                     \
    {                                                                                              \
        .topic = (name), .kind = STREAM_NOTICE, .scope = SCOPE_ALL, EVERY_MS(ms),                  \
        .flags = STREAM_NO_INITIAL, .snapshot = "{'topic':'$topic'," text "}"                      \
    }
static const stream_row MISC[] = {
    NOTICE("system.status", 1000,
           "'ts':$ts:e3,'data':[{'id':'$uuid','title':'Upgrade $seq','state':'scheduled'"
           ",'begin':'$ts:e3','end':'1798185600000'}]"),
};

static const stream_row CONTRACT_V3[] = {
    /* Level 1 has deltas here. */
    {.topic = "orderbook.1",
     .kind = STREAM_BOOK,
     .depth = 1,
     EVERY_EVENTS(3),
     .flags = STREAM_MS,
     .snapshot = BOOK_LINEAR,
     .delta = BOOK_LINEAR},
    BOOK(50, 6, BOOK_LINEAR),
    BOOK(200, 30, BOOK_LINEAR),
    BOOK(500, 60, BOOK_LINEAR),
    TRADES(TRADE_V3),
    TICKER(TICKER_LINEAR, TICKER_LINEAR),
    CANDLES("kline", CANDLE),
    LIQUIDATION_ONE,
};

const stream_table ROWS_V5_LINEAR = STREAM_TABLE(LINEAR);
const stream_table ROWS_V5_SPOT = STREAM_TABLE(SPOT);
const stream_table ROWS_V5_OPTION = STREAM_TABLE(OPTION);
const stream_table ROWS_V5_SPREAD = STREAM_TABLE(SPREAD);
const stream_table ROWS_V5_MISC = STREAM_TABLE(MISC);
const stream_table ROWS_CONTRACT_V3 = STREAM_TABLE(CONTRACT_V3);

/* NOLINTEND(bugprone-macro-parentheses) */
