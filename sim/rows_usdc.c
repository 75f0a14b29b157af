/* Streams of USDC options (docs/wire.md 4.1). The id of a frame is its topic, the matching event
 * and the time. */
#include "sim/catalog.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

#define HEAD                                                                                       \
    "{'id':'$topic-$seq-$ts:e3','topic':'$topic','creationTime':$ts:e3"                            \
    ",'data':"
#define LEVEL "{'price':'$price:s','size':'$size:s','side':'$side'}"

#define WHOLE_BOOK(name, levels)                                                                   \
    {                                                                                              \
        .topic = name, .kind = STREAM_BOOK, .depth = levels, EVERY_EVENTS(20), .flags = STREAM_MS, \
        .snapshot = HEAD "{'orderBook':[@bids(" LEVEL "),@asks(" LEVEL ")]}}"                      \
    }

#define VALUES                                                                                     \
    "'symbol':'$symbol','lastPrice':'$last:s','openInterest':'$volume_24h:s'"                      \
    ",'indexPrice':'$mark:s','markPrice':'$mark','change24h':'$pcnt_24h:s'"                        \
    ",'volume24h':'$volume_24h:s','turnover24h':'$turnover_24h:s'"                                 \
    ",'totalVolume':'$volume_24h:s','totalTurnover':'$turnover_24h:s'"
#define HEAD_COUNTED(letter) "{'id':'" letter "$u','topic':'$topic','creationTime':$ts:e3,'data':"
#define NOTICE(name, over, letter, data)                                                           \
    {                                                                                              \
        .topic = (name), .kind = STREAM_NOTICE, .scope = (over), EVERY_MS(1000),                   \
        .snapshot = HEAD_COUNTED(letter) data "}"                                                  \
    }

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
                      ",'tradeTime':'$trade_time:e3','side':'$side','isBlockTrade':false"
                      ",'markPrice':'$mark','indexPrice':'$mark','crossSeq':'$seq'})]}}"},
    {.topic = "instrument_info",
     .kind = STREAM_TICKER,
     EVERY_EVENTS(40),
     .snapshot = HEAD "{" VALUES ",'bidPrice':'$bid1:s','askPrice':'$ask1:s'"
                      ",'bidSize':'$bid1_size:s','askSize':'$ask1_size:s'"
                      ",'high24h':'$high_24h:s','low24h':'$low_24h:s'}}"},
    NOTICE("instrument_info.all", SCOPE_COIN, "o",
           "{'instrumentInfos':[{" VALUES "}]},'type':'MergedSnapshot'"),
    NOTICE("underlying_price", SCOPE_COIN, "o",
           "{'baseCoin':'$coin','priceList':[{'deliveryDate':'" INSTRUMENT_EXPIRY
           "','isEstimated':false"
           ",'price':'60622.5','seconds':86400}]},'type':'MergedSnapshot'"),
    NOTICE("underlying", SCOPE_COIN_EXPIRY, "a",
           "{'baseCoin':'$coin','quoteCoin':'USD','expireTime':'1798185600'"
           ",'underlyingPrice':'60622.50000000','timestamp':'$ts:e0'}"),
    NOTICE("estimated_delivery_price", SCOPE_COIN_EXPIRY, "x",
           "{'baseCoin':'$coin','quoteCoin':'USD','expireTime':'1798185600'"
           ",'estimatedDeliveryPrice':'60609.32403847','timestamp':'$ts:e0'}"),
    {.topic = "platform.insurance",
     .kind = STREAM_NOTICE,
     .scope = SCOPE_SETTLE,
     EVERY_MS(5000),
     .flags = STREAM_NO_INITIAL,
     .snapshot = "{'id':'$uuid','topic':'platform.insurance.USDC','creationTime':$ts:e3"
                 ",'data':{'insuranceBalance':'1180144.86587280','settleCoin':'USDC'"
                 ",'timestamp':'$ts:e3'}}"},
};

const stream_table ROWS_USDC_OPTION = STREAM_TABLE(OPTION);

/* NOLINTEND(bugprone-macro-parentheses) */
