/* Streams of USDC options (docs/wire.md 4.1). A frame's id consists of its topic, the matching
 * event and the time. */
#include "sim/catalog.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

#define HEAD                                                                                       \
    "{'id':'$topic-$seq-$ts:e3','topic':'$topic','creationTime':$ts:e3"                            \
    ",'data':"
#define LEVEL "{'price':'$price:s','size':'$size:s','side':'$side'}"

#define SIDES "'orderBook':[@bids(" LEVEL "),@asks(" LEVEL ")]}}"

#define VALUES                                                                                     \
    "'symbol':'$symbol','lastPrice':'$last:s','openInterest':'$volume_24h:s'"                      \
    ",'indexPrice':'$mark:s','markPrice':'$mark','change24h':'$pcnt_24h:s'"                        \
    ",'volume24h':'$volume_24h:s','turnover24h':'$turnover_24h:s'"                                 \
    ",'totalVolume':'$volume_24h:s','totalTurnover':'$turnover_24h:s'"
#define HEAD_COUNTED(letter) "{'id':'" letter "$u','topic':'$topic','creationTime':$ts:e3,'data':"
#define NOTICE(name, over, letter, data)                                                           \
    NOTICE_ROW(name, over, 0, 1000, HEAD_COUNTED(letter) data "}")

static const stream_row OPTION[] = {
    BOOK_ROW("orderbook25", 25, 20, STREAM_MS, HEAD "{" SIDES, NULL),
    BOOK_ROW("orderbook100", 100, 20, STREAM_MS, HEAD "{" SIDES, NULL),
    BOOK_ROW("delta.orderbook100", 100, 10, STREAM_MS,
             HEAD "{'version':'$u','dataType':'NEW'," SIDES,
             HEAD "{'version':'$u','dataType':'CHANGE','delete':"
                  "[@deleted({'price':'$price:s','side':'$side'})],'update':[@updated(" LEVEL
                  ")],'insert':[@inserted(" LEVEL ")]}}"),
    {ROW("recenttrades", STREAM_TRADE, SCOPE_COIN, STREAM_NO_INITIAL,
         HEAD "{'coin':'$coin','trades':[@trades({'symbol':'$symbol'"
              ",'tradeId':'$trade_id','price':'$price:s','size':'$size:s'"
              ",'tradeTime':'$trade_time:e3','side':'$side','isBlockTrade':false"
              ",'markPrice':'$mark','indexPrice':'$mark','crossSeq':'$seq'})]}}")},
    TICKER_ROW("instrument_info",
               HEAD "{" VALUES ",'bidPrice':'$bid1:s','askPrice':'$ask1:s'"
                    ",'bidSize':'$bid1_size:s','askSize':'$ask1_size:s'"
                    ",'high24h':'$high_24h:s','low24h':'$low_24h:s'}}",
               NULL),
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
    NOTICE_ROW("platform.insurance", SCOPE_SETTLE, STREAM_NO_INITIAL, 5000,
               "{'id':'$uuid','topic':'platform.insurance.USDC','creationTime':$ts:e3"
               ",'data':{'insuranceBalance':'1180144.86587280','settleCoin':'USDC'"
               ",'timestamp':'$ts:e3'}}"),
};

const stream_table ROWS_USDC_OPTION = STREAM_TABLE(OPTION);

/* NOLINTEND(bugprone-macro-parentheses) */
