/* Streams of USDC options (docs/wire.md 4.1). The id of a frame is its topic, the matching event
 * and the time. */
#include "sim/catalog.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

#define HEAD                                                                                       \
    "{'id':'$topic-$seq-$ts:ms','topic':'$topic','creationTime':$ts:ms"                            \
    ",'data':"
#define LEVEL "{'price':'$price:s','size':'$size:s','side':'$side'}"

#define WHOLE_BOOK(name, levels)                                                                   \
    {                                                                                              \
        .topic = name, .kind = STREAM_BOOK, .depth = levels, EVERY_EVENTS(20), .flags = STREAM_MS, \
        .snapshot = HEAD "{'orderBook':[@bids(" LEVEL "),@asks(" LEVEL ")]}}"                      \
    }

#define GREEKS                                                                                     \
    "'delta':'0.43215634','gamma':'0.00002132','theta':'-82.72572574'"                             \
    ",'vega':'19.33584131'"

static const stream_row OPTION[] = {
    WHOLE_BOOK("orderbook25", 25),
    WHOLE_BOOK("orderbook100", 100),
    {.topic = "delta.orderbook100",
     .kind = STREAM_BOOK,
     .depth = 100,
     EVERY_EVENTS(10),
     .flags = STREAM_MS,
     .snapshot =
         HEAD "{'version':'$u','dataType':'NEW','orderBook':[@bids(" LEVEL "),@asks(" LEVEL ")]}}",
     .delta = HEAD "{'version':'$u','dataType':'CHANGE','delete':"
                   "[@deleted({'price':'$price:s','side':'$side'})],'update':[@updated(" LEVEL
                   ")],'insert':[@inserted(" LEVEL ")]}}"},
    {.topic = "recenttrades",
     .kind = STREAM_TRADE,
     .scope = SCOPE_COIN,
     .flags = STREAM_NO_INITIAL,
     .snapshot = HEAD "{'coin':'$coin','trades':[@trades({'symbol':'$symbol'"
                      ",'tradeId':'$trade_id','price':'$price:s','size':'$size:s'"
                      ",'tradeTime':'$trade_time:ms','side':'$side','isBlockTrade':false"
                      ",'iv':'0.6544','markIv':'0.6594','underlyingPrice':'60622.5000'"
                      ",'markPrice':'$mark:f4','indexPrice':'$index:f4','crossSeq':'$seq'})]}}"},
    {.topic = "instrument_info",
     .kind = STREAM_TICKER,
     EVERY_EVENTS(40),
     .snapshot = HEAD "{'symbol':'$symbol','bidPrice':'$bid1:s','askPrice':'$ask1:s'"
                      ",'bidIv':'0.6544','askIv':'0.6644','bidSize':'$bid1_size:s'"
                      ",'askSize':'$ask1_size:s','markPrice':'$mark:f8'"
                      ",'markPriceIv':'0.6594','indexPrice':'$index:s'"
                      ",'underlyingPrice':'60622.5','lastPrice':'$last:s'," GREEKS
                      ",'change24h':'$pcnt_24h:s','volume24h':'$volume_24h:s'"
                      ",'turnover24h':'$turnover_24h:s','high24h':'$high_24h:s'"
                      ",'low24h':'$low_24h:s','totalVolume':'$total_volume:s'"
                      ",'totalTurnover':'$total_turnover:s','openInterest':'$open_interest:s'"
                      ",'predictedDeliveryPrice':'60609.32403847'}}"},
    {.topic = "instrument_info.all",
     .kind = STREAM_NOTICE,
     .scope = SCOPE_COIN,
     EVERY_MS(1000),
     .snapshot = "{'id':'o$u','topic':'$topic','creationTime':$ts:ms,'data':"
                 "{'instrumentInfos':[@symbols({'symbol':'$symbol','lastPrice':'$last:s'"
                 ",'openInterest':'$open_interest:s','indexPrice':'$index:s'"
                 ",'markPrice':'$mark:f8','markPriceIv':'0.6594'"
                 ",'change24h':'$pcnt_24h:s','volume24h':'$volume_24h:s'"
                 ",'turnover24h':'$turnover_24h:s','totalVolume':'$total_volume:s'"
                 ",'totalTurnover':'$total_turnover:s','underlyingPrice':'60622.5'"
                 ",'delta':'0.43215634','gamma':'0.00002132','vega':'19.33584131'"
                 ",'theta':'-82.72572574'})]},'type':'MergedSnapshot'}"},
    {.topic = "underlying_price",
     .kind = STREAM_NOTICE,
     .scope = SCOPE_COIN,
     EVERY_MS(1000),
     .snapshot = "{'id':'o$u','topic':'$topic','creationTime':$ts:ms,'data':"
                 "{'baseCoin':'$coin','priceList':[{'deliveryDate':'$expiry_text'"
                 ",'isEstimated':false,'price':'60622.5','seconds':$seconds_left}]}"
                 ",'type':'MergedSnapshot'}"},
    {.topic = "underlying",
     .kind = STREAM_NOTICE,
     .scope = SCOPE_COIN_EXPIRY,
     EVERY_MS(1000),
     .snapshot = "{'id':'a$u-239','topic':'$topic','creationTime':$ts:ms,'data':"
                 "{'baseCoin':'$coin','quoteCoin':'USD','expireTime':'$expiry:sec'"
                 ",'underlyingPrice':'60622.50000000','timestamp':'$ts:sec'"
                 ",'underlyingOriginPrice':'60622.50000000','reqId':'a$u-239'}}"},
    {.topic = "estimated_delivery_price",
     .kind = STREAM_NOTICE,
     .scope = SCOPE_COIN_EXPIRY,
     EVERY_MS(1000),
     .snapshot = "{'id':'x$u-239','topic':'$topic','creationTime':$ts:ms,'data':"
                 "{'baseCoin':'$coin','quoteCoin':'USD','expireTime':'$expiry:sec'"
                 ",'estimatedDeliveryPrice':'60609.32403847','timestamp':'$ts:sec'"
                 ",'reqId':'x$u-239'}}"},
    {.topic = "platform.insurance",
     .kind = STREAM_NOTICE,
     .scope = SCOPE_SETTLE,
     EVERY_MS(5000),
     .flags = STREAM_NO_INITIAL,
     .snapshot = "{'id':'$uuid','topic':'platform.insurance.USDC','creationTime':$ts:ms"
                 ",'data':{'insuranceBalance':'1180144.86587280','settleCoin':'USDC'"
                 ",'timestamp':'$ts:ms'}}"},
};

const stream_table ROWS_USDC_OPTION = STREAM_TABLE(OPTION);

/* NOLINTEND(bugprone-macro-parentheses) */
