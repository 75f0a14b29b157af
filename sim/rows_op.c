/* Streams of the op dialect's families (docs/wire.md 2): inverse, linear, public topics of copy
 * trading, USDC perpetuals. They differ in names and in which values are text. */
#include "sim/catalog.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* A level as it is deleted, and a whole level. The id is a number, or text (quote is "'"). */
#define GONE(quote)                                                                                \
    "{'price':'$price','symbol':'$symbol','id':" quote "$price:e4" quote ",'side':'$side'"
#define LEVEL(quote) GONE(quote) ",'size':$size:s}"
#define BOOK_DELTA(gone, level, after, tail)                                                       \
    "{'topic':'$topic','type':'delta','data':{'delete':[@deleted(" gone                            \
    "})],'update':[@updated(" level ")],'insert':[@inserted(" level ")]" after "}" tail

/* ---- inverse: numbers as numbers ---- */

#define TAIL_INVERSE  ",'cross_seq':$seq,'timestamp_e6':$ts:e6}"
#define LEVEL_INVERSE LEVEL("")
#define BOOK_INVERSE_ALL                                                                           \
    "{'topic':'$topic','type':'snapshot','data':[@bids(" LEVEL_INVERSE "),@asks(" LEVEL_INVERSE    \
    ")]" TAIL_INVERSE
#define BOOK_INVERSE_DELTA BOOK_DELTA(GONE(""), LEVEL_INVERSE, ",'transactTimeE6':0", TAIL_INVERSE)
#define TRADE_INVERSE                                                                              \
    "{'topic':'$topic','data':[@trades({'trade_time_ms':$trade_time:e3"                            \
    ",'timestamp':'$trade_time:i3','symbol':'$symbol','side':'$side'"                              \
    ",'size':$size:s,'price':$price:s,'tick_direction':'PlusTick'"                                 \
    ",'trade_id':'$trade_id','cross_seq':$seq})]}"

/* A part of a ticker that is omitted while unchanged. Numbers are numbers in inverse, and text
 * (quote is "'") in the others. */
#define PART(quote, key, value) "~(,'" key "':" quote "$" value quote ")"
#define PRICE(quote, key, value)                                                                   \
    "~(,'" key "_e4':" quote "$" value ":e4" quote ",'" key "':'$" value "')"
#define TICKER_PRICES(head, quote)                                                                 \
    head "~(,'last_tick_direction':'PlusTick')" PRICE(quote, "last_price", "last")                 \
        PRICE(quote, "bid1_price", "bid1") PRICE(quote, "ask1_price", "ask1")                      \
            PRICE(quote, "prev_price_24h", "prev_24h") PRICE(quote, "prev_price_1h", "prev_24h")   \
                PRICE(quote, "high_price_24h", "high_24h")                                         \
                    PRICE(quote, "low_price_24h", "low_24h") PRICE(quote, "mark_price", "mark")    \
                        PRICE(quote, "index_price", "mark")                                        \
                            PART(quote, "price_24h_pcnt_e6", "pcnt_24h:e6")                        \
                                PART(quote, "price_1h_pcnt_e6", "pcnt_24h:e6")
#define TICKER_SUMS_INVERSE                                                                        \
    "~(,'open_interest':$volume_24h:s)~(,'open_value_e8':$turnover_24h:e8)"                        \
    "~(,'total_turnover_e8':$turnover_24h:e8)~(,'turnover_24h_e8':$turnover_24h:e8)"               \
    "~(,'total_volume':$volume_24h:s)~(,'volume_24h':$volume_24h:s)"
#define MEMBERS_INVERSE                                                                            \
    TICKER_PRICES("'id':1,'symbol':'$symbol'", "")                                                 \
    TICKER_SUMS_INVERSE                                                                            \
    "~(,'funding_rate_e6':100)~(,'predicted_funding_rate_e6':87),'cross_seq':$seq"                 \
    ",'created_at':'2018-11-14T16:33:26Z','updated_at':'$cts:i0'"                                  \
    "~(,'next_funding_time':'2026-12-25T08:00:00Z')~(,'countdown_hour':4)"

/* ---- linear: most numbers as text ---- */

#define TAIL_LINEAR  ",'cross_seq':'$seq','timestamp_e6':'$ts:e6'}"
#define LEVEL_LINEAR LEVEL("'")
#define BOOKS_OF(list, tail)                                                                       \
    BOOKS("{'topic':'$topic','type':'snapshot','data':{'" list "':[@bids(" LEVEL_LINEAR            \
          "),@asks(" LEVEL_LINEAR ")]}" tail,                                                      \
          BOOK_DELTA(GONE("'"), LEVEL_LINEAR, "", tail))
#define BOOKS_LINEAR BOOKS_OF("order_book", TAIL_LINEAR)
#define TRADE_LINEAR                                                                               \
    "{'topic':'$topic','data':[@trades({'symbol':'$symbol'"                                        \
    ",'tick_direction':'PlusTick','price':'$price','size':$size:s"                                 \
    ",'timestamp':'$trade_time:i3','trade_time_ms':'$trade_time:e3'"                               \
    ",'side':'$side','trade_id':'$trade_id'})]}"

#define MEMBERS_LINEAR                                                                             \
    TICKER_PRICES("'id':1,'symbol':'$symbol'", "'")                                                \
    "~(,'open_interest_e8':'$volume_24h:e8')~(,'total_turnover_e8':'$turnover_24h:e8')"            \
    "~(,'turnover_24h_e8':'$turnover_24h:e8')~(,'total_volume_e8':'$volume_24h:e8')"               \
    "~(,'volume_24h_e8':'$volume_24h:e8')~(,'funding_rate_e6':'100')"                              \
    "~(,'predicted_funding_rate_e6':'87'),'cross_seq':'$seq'"                                      \
    ",'created_at':'1970-01-01T00:00:00.000Z','updated_at':'$cts:i3'"                              \
    "~(,'next_funding_time':'2026-12-25T08:00:00Z')~(,'count_down_hour':'4')"

/* ---- USDC perpetuals: as linear, in camelCase ---- */

#define TAIL_USDC  ",'crossSeq':'$seq','timestampE6':'$ts:e6'}"
#define BOOKS_USDC BOOKS_OF("orderBook", TAIL_USDC)
#define TRADE_USDC                                                                                 \
    "{'topic':'$topic','data':[@trades({'symbol':'$symbol'"                                        \
    ",'tickDirection':'PlusTick','price':'$price','size':$size:s"                                  \
    ",'timestamp':'$trade_time:i3','tradeTimeMs':'$trade_time:e3'"                                 \
    ",'side':'$side','tradeId':'$trade_id'})]}"
#define PRICE_USDC(key, value) "~(,'" key "E4':'$" value ":e4','" key "':'$" value "')"
#define PRICES_USDC                                                                                \
    PRICE_USDC("lastPrice", "last")                                                                \
    PRICE_USDC("prevPrice24h", "prev_24h")                                                         \
    PRICE_USDC("highPrice24h", "high_24h")                                                         \
    PRICE_USDC("lowPrice24h", "low_24h")                                                           \
    PRICE_USDC("prevPrice1h", "prev_24h")                                                          \
    PRICE_USDC("markPrice", "mark")                                                                \
    PRICE_USDC("indexPrice", "mark")                                                               \
    PRICE_USDC("bid1Price", "bid1")                                                                \
    PRICE_USDC("ask1Price", "ask1")
#define MEMBERS_USDC                                                                               \
    "'id':1,'symbol':'$symbol'~(,'lastTickDirection':'PlusTick')"                                  \
    "~(,'price24hPcntE6':'$pcnt_24h:e6')~(,'price1hPcntE6':'$pcnt_24h:e6')"                        \
    "~(,'openInterestE8':'$volume_24h:e8')~(,'totalTurnoverE8':'$turnover_24h:e8')"                \
    "~(,'turnover24hE8':'$turnover_24h:e8')~(,'totalVolumeE8':'$volume_24h:e8')"                   \
    "~(,'volume24hE8':'$volume_24h:e8')~(,'fundingRateE6':'100')"                                  \
    "~(,'predictedFundingRateE6':'87'),'crossSeq':'$seq'"                                          \
    ",'createdAt':'1970-01-01T00:00:00.000Z','updatedAt':'$cts:i3'"                                \
    "~(,'nextFundingTime':'2026-12-25T08:00:00Z')~(,'countDownHour':'4'"                           \
    ")" PRICES_USDC

/* ---- rows ---- */

/* The books' schedule is as in recordings. There, the median number of events between two frames of
 * the book of 25 levels is 3 to 9. That book has a frame every 20 ms; the book of 200 levels and
 * the ticker have a frame every 100 ms. */
#define BOOKS(all, change)                                                                         \
    BOOK_ROW("orderBookL2_25", 25, 6, 0, all, change),                                             \
        BOOK_ROW("orderBook_200.100ms", 200, 30, 0, all, change)
#define TRADES(first, text)                                                                        \
    {                                                                                              \
        ROW("trade", STREAM_TRADE, SCOPE_SYMBOL, first, text)                                      \
    }
#define LIQUIDATION                                                                                \
    {                                                                                              \
        ROW("liquidation", STREAM_LIQUIDATION, SCOPE_SYMBOL, STREAM_NO_INITIAL,                    \
            "{'topic':'$topic','data':{'symbol':'$symbol','side':'$side','price':'$price'"         \
            ",'qty':'$size:s','time':$trade_time:e3}}")                                            \
    }

#define CANDLE_OP(period, quote, seq, e6)                                                          \
    "{'topic':'$topic','data':[@candles({'start':$start:e0,'end':$end:e0" period                   \
    ",'open':$open:s,'close':$close:s,'high':$high:s,'low':$low:s,'volume':" quote                 \
    "$volume:s" quote ",'turnover':" quote "$turnover:s" quote ",'confirm':$confirm:b,'" seq       \
    "':$seq,'timestamp':$cts:e6})],'" e6 "':$ts:e6}"
#define PERIOD         ",'period':'$interval'"
#define CANDLE_INVERSE CANDLE_OP("", "", "cross_seq", "timestamp_e6")
#define CANDLE_USDT    CANDLE_OP(PERIOD, "'", "cross_seq", "timestamp_e6")
#define CANDLE_USDC    CANDLE_OP(PERIOD, "", "crossSeq", "timestampE6")

#define INSURANCE                                                                                  \
    NOTICE_ROW("insurance", SCOPE_COIN, STREAM_NO_INITIAL, 5000,                                   \
               "{'topic':'$topic','data':[{'currency':'$coin','timestamp':'$ts:i0'"                \
               ",'wallet_balance':118014486587280}]}")
/* A ticker. In deltas, the changed members are in a list. */
#define TICKER(members, lists, after, tail)                                                        \
    TICKER_ROW("instrument_info.100ms",                                                            \
               "{'topic':'$topic','type':'snapshot','data':{" members "}" tail,                    \
               "{'topic':'$topic','type':'delta','data':{" lists "'update':[{" members "}]" after  \
               "}" tail)

static const stream_row INVERSE[] = {
    TRADES(STREAM_NO_INITIAL, TRADE_INVERSE),
    BOOKS(BOOK_INVERSE_ALL, BOOK_INVERSE_DELTA),
    TICKER(MEMBERS_INVERSE, "'delete':[],", ",'insert':[]", TAIL_INVERSE),
    CANDLES("klineV2", CANDLE_INVERSE),
    LIQUIDATION,
    INSURANCE,
    /* Topics of the previous version. */
    {ROW("kline", STREAM_CANDLE, SCOPE_SYMBOL_MINUTE, 0,
         "{'topic':'$topic','data':{@candles('id':$seq,'symbol':'$symbol'"
         ",'open_time':$start:e0,'open':$open:s,'high':$high:s,'low':$low:s"
         ",'close':$close:s,'volume':$volume:s,'turnover':$turnover:s"
         ",'interval':'1m','timestamp':$cts:e0)}}"),
     .minutes = 1},
    TICKER_ROW("instrument",
               "{'topic':'$topic','data':[{'symbol':'$symbol','mark_price':$mark:s"
               ",'index_price':$mark:s,'last_price':$last:s}]}",
               "{'topic':'$topic','data':[{'symbol':'$symbol'~(,'mark_price':$mark:s)~("
               ",'index_price':$mark:s)~(,'last_price':$last:s)}]}"),
    BOOK_ROW("orderBook25", 25, 30, 0,
             "{'topic':'$topic','action':'snapshot','data':{'symbol':'$symbol'"
             ",'lastUpdateId':$u,'bids':[@bids({'price':$price:s,'quantity':$size:s})]"
             ",'asks':[@asks({'price':$price:s,'quantity':$size:s})]}}",
             NULL),
};

#define TICKER_USDT TICKER(MEMBERS_LINEAR, "", "", TAIL_LINEAR)

/* The first frame after a subscription is an old trade (docs/wire.md 5.9). */
static const stream_row LINEAR[] = {
    TRADES(STREAM_LAST_FIRST, TRADE_LINEAR), BOOKS_LINEAR, TICKER_USDT,
    CANDLES("candle", CANDLE_USDT),          LIQUIDATION,  INSURANCE,
};

/* The frames are as in linear; the names of topics are as in the exchange's document of inverse. */
static const stream_row COPYTRADE[] = {
    TRADES(STREAM_LAST_FIRST, TRADE_LINEAR),
    BOOKS_LINEAR,
    TICKER_USDT,
    CANDLES("klineV2", CANDLE_USDT),
    /* the topic name on linear connections */
    CANDLE_ROW("candle", "1", 1, CANDLE_USDT),
    LIQUIDATION,
    INSURANCE,
};

static const stream_row USDC_PERP[] = {
    TRADES(STREAM_NO_INITIAL, TRADE_USDC),
    BOOKS_USDC,
    TICKER(MEMBERS_USDC, "", "", TAIL_USDC),
    CANDLES("candle", CANDLE_USDC),
};

const stream_table ROWS_INVERSE = STREAM_TABLE(INVERSE);
const stream_table ROWS_LINEAR = STREAM_TABLE(LINEAR);
const stream_table ROWS_COPYTRADE = STREAM_TABLE(COPYTRADE);
const stream_table ROWS_USDC_PERP = STREAM_TABLE(USDC_PERP);

/* NOLINTEND(bugprone-macro-parentheses) */
