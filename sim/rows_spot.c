/* Streams of spot v1 and v2 (docs/wire.md 4.2). A frame has the topic and the symbol in different
 * members, so no member holds both as one text ("trade.BTCUSDT"). */
#include "sim/catalog.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

#define LEVELS "'b':[@bids(['$price:s','$size:s'])],'a':[@asks(['$price:s','$size:s'])]"

/* ---- v1 ---- */

#define HEAD_1(name, more)                                                                         \
    "{'symbol':'$symbol','symbolName':'$symbol','topic':'" name                                    \
    "','params':{'realtimeInterval':'24h'," more "'binary':'false'},'data':"
#define TAIL_1(first) ",'f':" first ",'sendTime':$ts:e3}"
#define DEPTH_1(name, more, first)                                                                 \
    HEAD_1(name, more)                                                                             \
    "[{'e':301,'s':'$symbol','t':$cts:e3,'v':'$seq:e0_$u:e0_2'," LEVELS ",'o':0}]" TAIL_1(first)
#define TRADE_1(first)                                                                             \
    "{'symbol':'$symbol','symbolName':'$symbol','topic':'trade'"                                   \
    ",'sendTime':$ts:e3,'f':" first                                                                \
    ",'params':{'realtimeInterval':'24h','binary':'false'},'data':"                                \
    "[@trades({'v':'$trade_id','t':$trade_time:e3,'p':'$price:s'"                                  \
    ",'q':'$size:s','m':$is_buy:b})]}"

/* A merged book of one scale; no levels are merged here, so all scales have the same levels. */
#define MERGED(scale)                                                                              \
    BOOK_ROW("mergedDepth." scale, 40, 20, STREAM_MS,                                              \
             DEPTH_1("mergedDepth", "'dumpScale':'" scale "',", "false"), NULL)
#define ITEM_SPOT                                                                                  \
    "'t':$start:e3,'s':'$symbol','sn':'$symbol','c':'$close:s','h':'$high:s','l':'$low:s'"         \
    ",'o':'$open:s','v':'$volume:s'"

static const stream_row SPOT_1[] = {
    {ROW("trade", STREAM_TRADE, SCOPE_SYMBOL, 0, TRADE_1("true")), .delta = TRADE_1("false")},
    TICKER_ROW("realtimes",
               HEAD_1("realtimes", "") "[{'c':'$last:s','e':301,'h':'$high_24h:s','l':'$low_24h:s'"
                                       ",'m':'$pcnt_24h:s','o':'$prev_24h:s','qv':'$turnover_24h:s'"
                                       ",'s':'$symbol','sn':'$symbol','t':$cts:e3"
                                       ",'v':'$volume_24h:s','xp':'$mark:s'}]" TAIL_1("true"),
               NULL),
    BOOK_ROW("depth", 200, 30, STREAM_MS, DEPTH_1("depth", "", "true"), NULL),
    MERGED("0"),
    MERGED("1"),
    MERGED("2"),
    BOOK_ROW("diffDepth", 200, 6, STREAM_MS, DEPTH_1("diffDepth", "", "true"),
             DEPTH_1("diffDepth", "", "false")),
    CANDLES_SPOT("kline", HEAD_1("kline", "'klineType':'$interval',") "[@candles({" ITEM_SPOT
                                                                      "})]" TAIL_1("true")),
    NOTICE_ROW("lt", SCOPE_SYMBOL, 0, 1000,
               HEAD_1("lt", "") "[{'t':$cts:e3,'s':'$symbol','nav':'0.413517419626975053'"
                                ",'l':'3.210417733802260118'}]" TAIL_1("'True'")),
};

/* ---- v2 ---- */

#define HEAD_2(name, more)                                                                         \
    "{'topic':'" name "','params':{'symbol':'$symbol','binary':'false'," more                      \
    "'symbolName':'$symbol'},'data':"
static const stream_row SPOT_2[] = {
    BOOK_ROW("depth", 40, 30, STREAM_MS,
             HEAD_2("depth", "") "{'s':'$symbol','t':$cts:e3,'v':'$seq:e0_$u:e0_2'," LEVELS "}}",
             NULL),
    {ROW("trade", STREAM_TRADE_EACH, SCOPE_SYMBOL, STREAM_NO_INITIAL,
         HEAD_2("trade", "") "{@trades('v':'$trade_id','t':$trade_time:e3,'p':'$price:s'"
                             ",'q':'$size:s','m':$is_buy:b)}}")},
    BOOK_ROW("bookTicker", 1, 3, STREAM_MS,
             HEAD_2("bookTicker", "") "{'symbol':'$symbol','bidPrice':'$bid1:s'"
                                      ",'bidQty':'$bid1_size:s','askPrice':'$ask1:s'"
                                      ",'askQty':'$ask1_size:s','time':$cts:e3}}",
             NULL),
    TICKER_ROW("realtimes",
               HEAD_2("realtimes", "") "{'t':$cts:e3,'s':'$symbol','o':'$prev_24h:s'"
                                       ",'h':'$high_24h:s','l':'$low_24h:s','c':'$last:s'"
                                       ",'v':'$volume_24h:s','qv':'$turnover_24h:s'"
                                       ",'m':'$pcnt_24h:s'}}",
               NULL),
    CANDLES_SPOT("kline", HEAD_2("kline", "'klineType':'$interval',") "{@candles(" ITEM_SPOT ")}}"),
};

const stream_table ROWS_SPOT_V1 = STREAM_TABLE(SPOT_1);
const stream_table ROWS_SPOT_V2 = STREAM_TABLE(SPOT_2);

/* NOLINTEND(bugprone-macro-parentheses) */
