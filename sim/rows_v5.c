/* Streams of the v5 families and of contract v3 (docs/wire.md 3): member order, and which values
 * are text, as in the exchange's frames. */
#include "sim/catalog.h"
#include "sim/window.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* ---- books ---- */

#define BOOK_DATA                                                                                  \
    "'data':{'s':'$symbol','b':[@bids(['$price','$size'])],'a':"                                   \
    "[@asks(['$price','$size'])],'u':$u,'seq':$seq}"
/* Spot drops trailing zeros. */
#define BOOK_DATA_SHORT                                                                            \
    "'data':{'s':'$symbol','b':[@bids(['$price:s','$size:s'])],'a':"                               \
    "[@asks(['$price:s','$size:s'])],'u':$u,'seq':$seq}"
#define BOOK_LINEAR "{'topic':'$topic','type':'$type','ts':$ts:ms," BOOK_DATA ",'cts':$cts:ms}"
#define BOOK_SPOT   "{'topic':'$topic','ts':$ts:ms,'type':'$type'," BOOK_DATA_SHORT ",'cts':$cts:ms}"
#define BOOK_LEVEL1 "{'topic':'$topic','ts':$ts:ms,'type':'$type'," BOOK_DATA ",'cts':$cts:ms}"
#define BOOK_V3     "{'topic':'$topic','type':'$type','ts':$ts:ms," BOOK_DATA "}"
#define BOOK_OPTION                                                                                \
    "{'id':'$topic-$seq-$ts:ms','topic':'$topic','ts':$ts:ms,'data':"                              \
    "{'s':'$symbol','b':[@bids(['$price:s','$size:s'])],'a':"                                      \
    "[@asks(['$price:s','$size:s'])],'u':$u,'seq':$seq},'cts':$cts:ms"                             \
    ",'type':'$type'}"
#define BOOK_RPI                                                                                   \
    "{'topic':'$topic','ts':$ts:ms,'type':'$type','data':{'s':'$symbol','b':"                      \
    "[@bids(['$price:s','$size:s','$rpi_size:s'])],'a':[@asks(['$price:s'"                         \
    ",'$size:s','$rpi_size:s'])],'u':$u,'seq':$seq},'cts':$cts:ms}"

#define BOOK(levels, events, text)                                                                 \
    {                                                                                              \
        .topic = "orderbook." #levels, .kind = STREAM_BOOK, .depth = levels, EVERY_EVENTS(events), \
        .flags = STREAM_MS, .snapshot = (text), .delta = (text)                                    \
    }
/* Level 1 has no deltas, and is sent again after 3 s without a change. */
#define BOOK_TOP(text)                                                                             \
    {                                                                                              \
        .topic = "orderbook.1", .kind = STREAM_BOOK, .depth = 1, EVERY_EVENTS(3),                  \
        .flags = STREAM_MS | STREAM_REPEATED, .snapshot = (text)                                   \
    }
#define BOOK_WITH_RPI                                                                              \
    {                                                                                              \
        .topic = "orderbook.rpi", .kind = STREAM_BOOK, .depth = 50, EVERY_EVENTS(30),              \
        .flags = STREAM_MS | STREAM_RPI | STREAM_NO_MARK, .snapshot = BOOK_RPI, .delta = BOOK_RPI  \
    }
/* Deltas only: clients fetch the snapshot over HTTP. */
#define BOOK_ALL(text)                                                                             \
    {                                                                                              \
        .topic = "orderbook.full", .kind = STREAM_BOOK, .depth = WINDOW_DEPTH_MAX,                 \
        EVERY_EVENTS(60), .flags = STREAM_MS | STREAM_NO_INITIAL | STREAM_NO_MARK,                 \
        .snapshot = (text), .delta = (text)                                                        \
    }

/* ---- trades ---- */

#define TRADE_LINEAR                                                                               \
    "{'topic':'$topic','type':'snapshot','ts':$ts:ms,'data':"                                      \
    "[@trades({'T':$trade_time:ms,'s':'$symbol','S':'$side','v':'$size'"                           \
    ",'p':'$price','L':'$tick','i':'$trade_id','BT':false,'RPI':false"                             \
    ",'seq':$seq})]}"
#define TRADE_SPOT                                                                                 \
    "{'topic':'$topic','ts':$ts:ms,'type':'snapshot','data':"                                      \
    "[@trades({'i':'$trade_id','T':$trade_time:ms,'p':'$price:s'"                                  \
    ",'v':'$size:s','S':'$side','seq':$seq,'s':'$symbol','BT':false"                               \
    ",'RPI':false})]}"
#define TRADE_OPTION                                                                               \
    "{'id':'$topic-$seq-$ts:ms','topic':'$topic','ts':$ts:ms,'data':"                              \
    "[@trades({'p':'$price:s','v':'$size:s','i':'$trade_id'"                                       \
    ",'T':$trade_time:ms,'BT':false,'s':'$symbol','S':'$side','mP':'$mark:s'"                      \
    ",'iP':'$index:s','mIv':'0.6594','iv':'0.6544','seq':$seq})]"                                  \
    ",'type':'snapshot'}"
#define TRADE_V3                                                                                   \
    "{'topic':'$topic','type':'snapshot','ts':$ts:ms,'data':"                                      \
    "[@trades({'T':$trade_time:ms,'s':'$symbol','S':'$side','v':'$size'"                           \
    ",'p':'$price','L':'$tick','i':'$trade_id','BT':false})]}"
#define TRADE_SPREAD                                                                               \
    "{'topic':'$topic','ts':$ts:ms,'type':'snapshot','data':"                                      \
    "[@trades({'T':$trade_time:ms,'s':'$symbol','S':'$side','v':'$size:s'"                         \
    ",'p':'$price:s','L':'$tick','i':'$trade_id','seq':$seq})]}"

#define TRADES(text)                                                                               \
    {                                                                                              \
        .topic = "publicTrade", .kind = STREAM_TRADE, .flags = STREAM_NO_INITIAL,                  \
        .snapshot = (text)                                                                         \
    }

#define PERPETUAL .products = 1u << PRODUCT_INVERSE | 1u << PRODUCT_LINEAR

/* ---- tickers ---- */

/* Price and size of a side always come together. */
#define TICKER_BEST                                                                                \
    "~(,'bid1Price':'$bid1','bid1Size':'$bid1_size')~(,'ask1Price':'$ask1'"                        \
    ",'ask1Size':'$ask1_size')"
#define TICKER_PRICES                                                                              \
    "'symbol':'$symbol'~(,'tickDirection':'$direction')~("                                         \
    ",'price24hPcnt':'$pcnt_24h')~(,'lastPrice':'$last')~("                                        \
    ",'prevPrice24h':'$prev_24h')~(,'highPrice24h':'$high_24h')~("                                 \
    ",'lowPrice24h':'$low_24h')~(,'prevPrice1h':'$prev_1h')~("                                     \
    ",'markPrice':'$mark')~(,'indexPrice':'$index')~("                                             \
    ",'openInterest':'$open_interest')~(,'openInterestValue':'$open_value:s')"                     \
    "~(,'turnover24h':'$turnover_24h:s')~(,'volume24h':'$volume_24h')"
#define TICKER_PERPETUAL                                                                           \
    "{'topic':'$topic','type':'$type','data':{" TICKER_PRICES                                      \
    "~(,'fundingIntervalHour':'8','fundingCap':'0.005')~("                                         \
    ",'nextFundingTime':'$next_funding:ms')~("                                                     \
    ",'fundingRate':'0.0001')" TICKER_BEST                                                         \
    "~(,'preOpenPrice':'','preQty':'','curPreListingPhase':'')},'cs':$seq"                         \
    ",'ts':$ts:ms}"
#define TICKER_FUTURE                                                                              \
    "{'topic':'$topic','type':'$type','data':{" TICKER_PRICES                                      \
    "~(,'deliveryTime':'$expiry:iso0','basisRate':'0.01203417'"                                    \
    ",'deliveryFeeRate':'0.0005','predictedDeliveryPrice':'0.00'"                                  \
    ",'basis':'322.14','nextFundingTime':'','fundingRate':'')" TICKER_BEST                         \
    "},'cs':$seq,'ts':$ts:ms}"
#define TICKER_V3                                                                                  \
    "{'topic':'$topic','type':'$type','data':{" TICKER_PRICES                                      \
    "~(,'nextFundingTime':'$next_funding:ms')~("                                                   \
    ",'fundingRate':'0.0001')" TICKER_BEST "},'cs':$seq,'ts':$ts:ms}"
#define TICKER_SPOT                                                                                \
    "{'topic':'$topic','ts':$ts:ms,'type':'snapshot','cs':$seq,'data':"                            \
    "{'symbol':'$symbol','lastPrice':'$last:s','highPrice24h':'$high_24h:s'"                       \
    ",'lowPrice24h':'$low_24h:s','prevPrice24h':'$prev_24h:s'"                                     \
    ",'volume24h':'$volume_24h:s','turnover24h':'$turnover_24h:s'"                                 \
    ",'price24hPcnt':'$pcnt_24h:s','usdIndexPrice':'$index:s'}}"
#define TICKER_OPTION                                                                              \
    "{'id':'$topic-$seq-$ts:ms','topic':'$topic','ts':$ts:ms,'data':"                              \
    "{'symbol':'$symbol','bidPrice':'$bid1:s','bidSize':'$bid1_size:s'"                            \
    ",'bidIv':'0.6544','askPrice':'$ask1:s','askSize':'$ask1_size:s'"                              \
    ",'askIv':'0.6644','lastPrice':'$last:s','highPrice24h':'$high_24h:s'"                         \
    ",'lowPrice24h':'$low_24h:s','markPrice':'$mark:s'"                                            \
    ",'indexPrice':'$index:s','markPriceIv':'0.6594'"                                              \
    ",'underlyingPrice':'60622.5','openInterest':'$open_interest:s'"                               \
    ",'turnover24h':'$turnover_24h:s','volume24h':'$volume_24h:s'"                                 \
    ",'totalVolume':'$total_volume:s','totalTurnover':'$total_turnover:s'"                         \
    ",'delta':'0.43215634','gamma':'0.00002132','vega':'19.33584131'"                              \
    ",'theta':'-82.72572574','predictedDeliveryPrice':'60609.32403847'"                            \
    ",'change24h':'$pcnt_24h:s'},'type':'snapshot'}"
#define TICKER_SPREAD                                                                              \
    "{'topic':'$topic','ts':$ts:ms,'type':'snapshot','data':"                                      \
    "{'symbol':'$symbol','bidPrice':'$bid1:s','bidSize':'$bid1_size:s'"                            \
    ",'askPrice':'$ask1:s','askSize':'$ask1_size:s','lastPrice':'$last:s'"                         \
    ",'highPrice24h':'$high_24h:s','lowPrice24h':'$low_24h:s'"                                     \
    ",'prevPrice24h':'$prev_24h:s','volume24h':'$volume_24h:s'}}"
#define TICKER_LEVERAGED                                                                           \
    "{'topic':'$topic','ts':$ts:ms,'type':'snapshot','data':"                                      \
    "{'symbol':'$symbol','lastPrice':'0.413517419626975053','highPrice24h':'0.413517419626975053'" \
    ",'lowPrice24h':'0.413517419626975053','prevPrice24h':'0.413517419626975053'"                  \
    ",'price24hPcnt':'$pcnt_24h:s'}}"

#define TICKER(which, text)                                                                        \
    {                                                                                              \
        .topic = "tickers", .kind = STREAM_TICKER, which, EVERY_EVENTS(40), .snapshot = (text),    \
        .delta = (text)                                                                            \
    }
#define TICKER_ALWAYS(text)                                                                        \
    {                                                                                              \
        .topic = "tickers", .kind = STREAM_TICKER, EVERY_EVENTS(40), .snapshot = (text)            \
    }

/* ---- candles ---- */

#define CANDLE_ITEM                                                                                \
    "[@candles({'start':$start:ms,'end':$last_ms:ms,'interval':'$interval'"                        \
    ",'open':'$open:s','close':'$close:s','high':'$high:s','low':'$low:s'"                         \
    ",'volume':'$volume:s','turnover':'$turnover:s','confirm':$confirm:b"                          \
    ",'timestamp':$ts:ms})]"
#define CANDLE_LINEAR "{'topic':'$topic','data':" CANDLE_ITEM ",'ts':$ts:ms,'type':'snapshot'}"
#define CANDLE_SPOT   "{'type':'snapshot','topic':'$topic','data':" CANDLE_ITEM ",'ts':$ts:ms}"
static const char *const LEVERAGED_INTERVALS[CANDLE_INTERVALS] = {
    [CANDLE_1] = "1", [CANDLE_5] = "5"};
#define CANDLE_LEVERAGED                                                                           \
    "{'type':'snapshot','topic':'$topic','data':[@candles({'start':$start:ms"                      \
    ",'end':$last_ms:ms,'interval':'$interval','open':'0.413517419626975053'"                      \
    ",'close':'0.413517419626975053','high':'0.413517419626975053','low':'0.413517419626975053','" \
    "confirm':$confirm:b"                                                                          \
    ",'timestamp':$ts:ms})],'ts':$ts:ms}"

/* ---- notices ---- */

#define LIQUIDATION_ALL                                                                            \
    {                                                                                              \
        .topic = "allLiquidation", .kind = STREAM_LIQUIDATION, .flags = STREAM_NO_INITIAL,         \
        .snapshot = "{'topic':'$topic','type':'snapshot','ts':$ts:ms,'data':"                      \
                    "[{'T':$trade_time:ms,'s':'$symbol','S':'$position_side'"                      \
                    ",'v':'$liquidated_size','p':'$bankrupt_price'}]}"                             \
    }
/* Withdrawn from v5; contract v3 had it too. */
#define LIQUIDATION_ONE                                                                            \
    {                                                                                              \
        .topic = "liquidation", .kind = STREAM_LIQUIDATION, PERPETUAL, .flags = STREAM_NO_INITIAL, \
        .snapshot = "{'topic':'$topic','type':'snapshot','ts':$ts:ms,'data':"                      \
                    "{'updatedTime':$trade_time:ms,'symbol':'$symbol'"                             \
                    ",'side':'$position_side','size':'$liquidated_size'"                           \
                    ",'price':'$bankrupt_price'}}"                                                 \
    }
#define POOL                                                                                       \
    "'data':[@symbols({'coin':'$settle','symbols':'$symbol'"                                       \
    ",'balance':'1180144.8658728','updateTime':'$ts:ms'})]"
#define INSURANCE                                                                                  \
    {                                                                                              \
        .topic = "insurance", .kind = STREAM_NOTICE, .scope = SCOPE_SETTLE, EVERY_MS(1000),        \
        .snapshot = "{'topic':'$topic','type':'$type','ts':$ts:ms," POOL "}",                      \
        .delta = "{'topic':'$topic','type':'$type','ts':$ts:ms," POOL "}"                          \
    }
/* Signed and fractional numbers, where the exchange's own documentation has text. */
#define ADL_ALERT                                                                                  \
    {                                                                                              \
        .topic = "adlAlert", .kind = STREAM_NOTICE, .scope = SCOPE_SETTLE, EVERY_MS(1000),         \
        .snapshot = "{'topic':'$topic','type':'snapshot','ts':$ts:ms,'data':"                      \
                    "[@symbols({'c':'$settle','s':'$symbol','b':1180144.8658728"                   \
                    ",'mb':1180144.8658728,'i_pr':-0.3,'pr':$pcnt_24h:s"                           \
                    ",'adl_tt':10000,'adl_sr':-0.25})]}"                                           \
    }
#define PRICE_LIMIT                                                                                \
    {                                                                                              \
        .topic = "priceLimit", .kind = STREAM_NOTICE, EVERY_MS(300),                               \
        .snapshot = "{'topic':'$topic','data':{'symbol':'$symbol','buyLmt':'$buy_limit'"           \
                    ",'sellLmt':'$sell_limit'},'ts':$ts:ms}"                                       \
    }

static const stream_row LINEAR[] = {
    BOOK_TOP(BOOK_LEVEL1),
    BOOK(50, 6, BOOK_LINEAR),
    BOOK(200, 30, BOOK_LINEAR),
    /* Withdrawn. */
    BOOK(500, 60, BOOK_LINEAR),
    BOOK(1000, 60, BOOK_LINEAR),
    BOOK_WITH_RPI,
    BOOK_ALL(BOOK_LINEAR),
    TRADES(TRADE_LINEAR),
    TICKER(PERPETUAL, TICKER_PERPETUAL),
    TICKER(ONLY(PRODUCT_FUTURE), TICKER_FUTURE),
    CANDLES("kline", CANDLE_NAMES, 0, CANDLE_LINEAR),
    LIQUIDATION_ALL,
    LIQUIDATION_ONE,
    INSURANCE,
    ADL_ALERT,
    PRICE_LIMIT,
};

static const stream_row SPOT[] = {
    BOOK_TOP(BOOK_SPOT),
    BOOK(50, 6, BOOK_SPOT),
    BOOK(200, 30, BOOK_SPOT),
    BOOK(1000, 60, BOOK_SPOT),
    BOOK_WITH_RPI,
    BOOK_ALL(BOOK_SPOT),
    TRADES(TRADE_SPOT),
    TICKER_ALWAYS(TICKER_SPOT),
    CANDLES("kline", CANDLE_NAMES, STREAM_CLOSE_ALONE, CANDLE_SPOT),
    PRICE_LIMIT,
    {.topic = "lt",
     .kind = STREAM_NOTICE,
     EVERY_MS(300),
     .snapshot = "{'topic':'$topic','ts':$ts:ms,'type':'snapshot','data':"
                 "{'symbol':'$symbol','time':$cts:ms,'nav':'0.413517419626975053'"
                 ",'basketPosition':'1.204417755820014903'"
                 ",'leverage':'2.510033817440926118','basketLoan':'-0.701152204417830226'"
                 ",'circulation':'81034.552016640210733804'"
                 ",'basket':'90211.000000481120550213'}}"},
    {.topic = "tickers_lt", .kind = STREAM_NOTICE, EVERY_MS(300), .snapshot = TICKER_LEVERAGED},
    CANDLES("kline_lt", LEVERAGED_INTERVALS, STREAM_NO_MARK, CANDLE_LEVERAGED),
};

static const stream_row OPTION[] = {
    BOOK(25, 10, BOOK_OPTION),
    BOOK(100, 30, BOOK_OPTION),
    {.topic = "publicTrade",
     .kind = STREAM_TRADE,
     .scope = SCOPE_COIN,
     .flags = STREAM_NO_INITIAL,
     .snapshot = TRADE_OPTION},
    TICKER_ALWAYS(TICKER_OPTION),
};

static const stream_row SPREAD[] = {
    BOOK(25, 6, BOOK_LINEAR),
    TRADES(TRADE_SPREAD),
    TICKER_ALWAYS(TICKER_SPREAD),
};

/* Notices of no market. */
static const stream_row MISC[] = {
    {.topic = "system.status",
     .kind = STREAM_NOTICE,
     .scope = SCOPE_ALL,
     EVERY_MS(1000),
     .flags = STREAM_NO_INITIAL,
     .snapshot = "{'topic':'system.status','ts':$ts:ms,'data':[{'id':'$uuid'"
                 ",'title':'Upgrade $seq','state':'scheduled','begin':'$ts:ms'"
                 ",'end':'$next_funding:ms','href':'','serviceTypes':[2,3,4,5]"
                 ",'product':[1,2],'uidSuffix':[],'maintainType':1,'env':1}]}"},
    {.topic = "rfq.open.public.trades",
     .kind = STREAM_NOTICE,
     .scope = SCOPE_ALL,
     EVERY_MS(3000),
     .flags = STREAM_NO_INITIAL,
     .snapshot = "{'topic':'rfq.open.public.trades','creationTime':$ts:ms,'data':["
                 "{'rfqId':'$ts:ns','strategyType':'custom','legs':[{'category':'linear'"
                 ",'symbol':'BTCUSDT','side':'Sell','price':'$last:s','qty':'1'"
                 ",'markPrice':'$mark:s'}],'createdAt':'$cts:ms','updatedAt':'$ts:ms'}]}"},
    {.topic = "earn.doublewin.offers",
     .kind = STREAM_NOTICE,
     .scope = SCOPE_ALL,
     EVERY_MS(3000),
     .flags = STREAM_NO_INITIAL,
     .snapshot = "{'topic':'earn.doublewin.offers','data':[{'p':'20417','c':'$index:s'"
                 ",'l':'41.02','m':'1000','e':'$ts:ms'}]}"},
};

static const stream_row CONTRACT_V3[] = {
    /* Level 1 has deltas here. */
    {.topic = "orderbook.1",
     .kind = STREAM_BOOK,
     .depth = 1,
     EVERY_EVENTS(3),
     .flags = STREAM_MS | STREAM_REPEATED,
     .snapshot = BOOK_V3,
     .delta = BOOK_V3},
    BOOK(50, 6, BOOK_V3),
    BOOK(200, 30, BOOK_V3),
    BOOK(500, 60, BOOK_V3),
    TRADES(TRADE_V3),
    TICKER(PERPETUAL, TICKER_V3),
    TICKER(ONLY(PRODUCT_FUTURE), TICKER_FUTURE),
    CANDLES("kline", CANDLE_NAMES, 0, CANDLE_LINEAR),
    LIQUIDATION_ONE,
};

const stream_table ROWS_V5_LINEAR = STREAM_TABLE(LINEAR);
const stream_table ROWS_V5_SPOT = STREAM_TABLE(SPOT);
const stream_table ROWS_V5_OPTION = STREAM_TABLE(OPTION);
const stream_table ROWS_V5_SPREAD = STREAM_TABLE(SPREAD);
const stream_table ROWS_V5_MISC = STREAM_TABLE(MISC);
const stream_table ROWS_CONTRACT_V3 = STREAM_TABLE(CONTRACT_V3);

/* NOLINTEND(bugprone-macro-parentheses) */
