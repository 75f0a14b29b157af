/* Streams of the v5 families and of contract v3 (docs/wire.md 3). As in the exchange's frames: the
 * order of members, and which values are text. */
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
/* Levels without trailing zeros. */
#define BOOK_SHORT  BOOK_OF(HEAD, "'$price:s','$size:s'")
#define BOOK_OPTION BOOK_OF(HEAD_OPTION, "'$price:s','$size:s'")
/* Levels with the size of retail orders, which is always 0 here. */
#define BOOK_RPI BOOK_OF(HEAD, "'$price:s','$size:s','0'")

#define BOOK(levels, events, text)                                                                 \
    BOOK_ROW("orderbook." #levels, levels, events, STREAM_MS, text, text)
#define BOOK_WITH_RPI BOOK_ROW("orderbook.rpi", 50, 30, STREAM_MS, BOOK_RPI, BOOK_RPI)
/* The book of level 1, which has no deltas. */
#define BOOK_TOP(text) BOOK_ROW("orderbook.1", 1, 3, STREAM_MS, text, NULL)
/* The book of all levels: only deltas, because clients get the snapshot over HTTP. */
#define BOOK_REPLY(level)                                                                          \
    "{'retCode':0,'retMsg':'OK','result':{'s':'$symbol','b':[@bids([" level                        \
    "])],'a':[@asks([" level                                                                       \
    "])],'ts':$ts:e3,'u':$u,'seq':$seq,'cts':$cts:e3},'retExtInfo':{},'time':$ts:e3}"
#define BOOK_ALL(level, text)                                                                      \
    BOOK_ROW("orderbook.full", WINDOW_DEPTH_MAX, 60,                                               \
             STREAM_MS | STREAM_NO_INITIAL | STREAM_FETCHED, BOOK_REPLY(level), text)

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

#define TRADES(over, text)                                                                         \
    {                                                                                              \
        ROW("publicTrade", STREAM_TRADE, over, STREAM_NO_INITIAL, text)                            \
    }

/* ---- tickers ---- */

/* Price and size of a side change together. */
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
/* ---- candles ---- */

#define CANDLE_OF(members)                                                                         \
    "{'topic':'$topic','data':[@candles({'start':$start:e3,'end':$last_ms:e3"                      \
    ",'interval':'$interval'," members ",'confirm':$confirm:b,'timestamp':$ts:e3})],'ts':$ts:e3"   \
    ",'type':'snapshot'}"
#define CANDLE                                                                                     \
    CANDLE_OF("'open':'$open:s','close':'$close:s','high':'$high:s','low':'$low:s'"                \
              ",'volume':'$volume:s','turnover':'$turnover:s'")
/* ---- notices ---- */

#define LIQUIDATION(name, data)                                                                    \
    {                                                                                              \
        ROW(name, STREAM_LIQUIDATION, SCOPE_SYMBOL, STREAM_NO_INITIAL, HEAD data "}")              \
    }
/* A topic that is discontinued in v5; contract v3 has it, too. */
#define LIQUIDATION_ONE                                                                            \
    LIQUIDATION("liquidation", "{'updatedTime':$trade_time:e3,'symbol':'$symbol'"                  \
                               ",'side':'$side','size':'$size','price':'$price'}")
#define POOL                                                                                       \
    HEAD "[{'coin':'$settle','symbols':'$symbol','balance':'1180144.8658728'"                      \
         ",'updateTime':'$ts:e3'}]}"
#define PRICE_LIMIT                                                                                \
    NOTICE_ROW("priceLimit", SCOPE_SYMBOL, 0, 300,                                                 \
               "{'topic':'$topic','data':{'symbol':'$symbol','buyLmt':'$high_24h'"                 \
               ",'sellLmt':'$low_24h'},'ts':$ts:e3}")

static const stream_row LINEAR[] = {
    BOOK_TOP(BOOK_LINEAR),
    BOOK(50, 6, BOOK_LINEAR),
    BOOK(200, 30, BOOK_LINEAR),
    /* The book of 500 levels is discontinued. */
    BOOK(500, 60, BOOK_LINEAR),
    BOOK(1000, 60, BOOK_LINEAR),
    BOOK_WITH_RPI,
    BOOK_ALL("'$price','$size'", BOOK_LINEAR),
    TRADES(SCOPE_SYMBOL, TRADE_LINEAR),
    TICKER_ROW("tickers", TICKER_LINEAR, TICKER_LINEAR),
    CANDLES("kline", CANDLE),
    LIQUIDATION("allLiquidation",
                "[{'T':$trade_time:e3,'s':'$symbol','S':'$side','v':'$size','p':'$price'}]"),
    LIQUIDATION_ONE,
    {ROW("insurance", STREAM_NOTICE, SCOPE_SETTLE, 0, POOL), .every_ms = 1000, .delta = POOL},
    /* The values are numbers with signs and fractions, although the exchange's documents show text.
     */
    NOTICE_ROW("adlAlert", SCOPE_SETTLE, 0, 1000,
               HEAD "[{'c':'$settle','s':'$symbol','b':1180144.8658728"
                    ",'mb':1180144.8658728,'i_pr':-0.3,'pr':$pcnt_24h:s"
                    ",'adl_tt':10000,'adl_sr':-0.25}]}"),
    PRICE_LIMIT,
};

static const stream_row SPOT[] = {
    BOOK_TOP(BOOK_SHORT),
    BOOK(50, 6, BOOK_SHORT),
    BOOK(200, 30, BOOK_SHORT),
    BOOK(1000, 60, BOOK_SHORT),
    BOOK_WITH_RPI,
    BOOK_ALL("'$price:s','$size:s'", BOOK_SHORT),
    TRADES(SCOPE_SYMBOL, TRADE_SPOT),
    TICKER_ROW("tickers", TICKER_SPOT, NULL),
    CANDLES("kline", CANDLE),
    PRICE_LIMIT,
};

static const stream_row OPTION[] = {
    BOOK(25, 10, BOOK_OPTION),
    BOOK(100, 30, BOOK_OPTION),
    TRADES(SCOPE_COIN, TRADE_OPTION),
    TICKER_ROW("tickers", TICKER_OPTION, NULL),
};

static const stream_row SPREAD[] = {
    BOOK(25, 6, BOOK_LINEAR),
    TRADES(SCOPE_SYMBOL, TRADE_SPREAD),
    TICKER_ROW("tickers", TICKER_SPREAD, NULL),
};

static const stream_row MISC[] = {
    NOTICE_ROW("system.status", SCOPE_ALL, STREAM_NO_INITIAL, 1000,
               "{'topic':'$topic','ts':$ts:e3,'data':[{'id':'$uuid','title':'Upgrade $seq'"
               ",'state':'scheduled','begin':'$ts:e3','end':'1798185600000'}]}"),
};

static const stream_row CONTRACT_V3[] = {
    /* In contract v3, level 1 has deltas. */
    BOOK(1, 3, BOOK_LINEAR),        BOOK(50, 6, BOOK_LINEAR),
    BOOK(200, 30, BOOK_LINEAR),     BOOK(500, 60, BOOK_LINEAR),
    TRADES(SCOPE_SYMBOL, TRADE_V3), TICKER_ROW("tickers", TICKER_LINEAR, TICKER_LINEAR),
    CANDLES("kline", CANDLE),       LIQUIDATION_ONE,
};

const stream_table ROWS_V5_LINEAR = STREAM_TABLE(LINEAR);
const stream_table ROWS_V5_SPOT = STREAM_TABLE(SPOT);
const stream_table ROWS_V5_OPTION = STREAM_TABLE(OPTION);
const stream_table ROWS_V5_SPREAD = STREAM_TABLE(SPREAD);
const stream_table ROWS_V5_MISC = STREAM_TABLE(MISC);
const stream_table ROWS_CONTRACT_V3 = STREAM_TABLE(CONTRACT_V3);

/* NOLINTEND(bugprone-macro-parentheses) */
