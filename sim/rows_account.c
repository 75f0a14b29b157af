/* Streams of the account, for every family with private ones (docs/wire.md 2 to 4). Families differ
 * in member names and in which values are text; the account is the same. Frames have only the
 * members for which the account has values; the exchange's frames have more. */
#include "sim/catalog.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

#define PRIVATE(name, what, text) ROW(name, what, SCOPE_ALL, STREAM_NO_INITIAL, text)

/* ---- inverse and linear: money is text in inverse (quote is "'"), and a number in linear ---- */

#define ORDER_OP(head, quote)                                                                      \
    head ":'$order_id','order_link_id':'$order_link','symbol':'$symbol','side':'$side'"            \
         ",'order_type':'Market','price':" quote "0" quote                                         \
         ",'qty':$order_qty:s,'time_in_force':'ImmediateOrCancel','order_status':'$order_status'"
#define FILLED_OP(head, quote)                                                                     \
    ORDER_OP(head, quote)                                                                          \
    ",'leaves_qty':$order_leaves:s,'cum_exec_qty':$order_cum_qty:s"                                \
    ",'cum_exec_value':" quote "$order_cum_value:s" quote ",'cum_exec_fee':" quote                 \
    "$order_cum_fee:s" quote ",'last_exec_price':" quote "$exec_price:s" quote
#define TIMES_LINEAR ",'create_time':'$cts:i9','update_time':'$cts:i9'}]}"
#define EXECUTION_OP(quote, time)                                                                  \
    "{'topic':'execution','data':[{'symbol':'$symbol','side':'$side','order_id':'$order_id'"       \
    ",'exec_id':'$exec_id','order_link_id':'$order_link','exec_type':'Trade'"                      \
    ",'price':" quote "$exec_price:s" quote ",'exec_fee':" quote "$exec_fee:s" quote               \
    ",'order_qty':$order_qty:s,'exec_qty':$exec_qty:s,'leaves_qty':$order_leaves:s"                \
    ",'is_maker':false,'trade_time':'" time "'}]}"
#define POSITION_OP(head, quote)                                                                   \
    head "'symbol':'$symbol','size':$position:s,'side':'$position_side_name'"                      \
         ",'position_value':" quote "$position_value:s" quote ",'entry_price':" quote              \
         "$entry_price:s" quote ",'position_margin':" quote "$position_value:s" quote              \
         ",'realised_pnl':" quote "0" quote ",'cum_realised_pnl':" quote "0" quote

static const stream_row INVERSE[] = {
    {PRIVATE("order", STREAM_ORDER,
             FILLED_OP("{'topic':'order','data':[{'order_id'", "'") ",'timestamp':'$cts:i3'}]}")},
    {PRIVATE("stop_order", STREAM_STOP_ORDER,
             ORDER_OP("{'topic':'stop_order','data':[{'order_id'",
                      "'") ",'trigger_price':'$last:s','timestamp':'$cts:i3'}]}")},
    {PRIVATE("execution", STREAM_EXECUTION, EXECUTION_OP("'", "$cts:i3"))},
    {PRIVATE("position", STREAM_POSITION,
             POSITION_OP("{'topic':'position','data':[{",
                         "'") ",'position_seq':0,'available_balance':'$wallet:s','wallet_"
                              "balance':'$wallet:s'}]}")},
    {PRIVATE("wallet", STREAM_WALLET,
             "{'topic':'wallet','data':[{'user_id':4437450,'coin':'$settle'"
             ",'available_balance':'$wallet:s','wallet_balance':'$wallet:s'}]}")},
};

static const stream_row LINEAR[] = {
    {PRIVATE("order", STREAM_ORDER,
             FILLED_OP("{'topic':'order','action':'','data':[{'order_id'", "") TIMES_LINEAR)},
    {PRIVATE("stop_order", STREAM_STOP_ORDER,
             ORDER_OP("{'topic':'stop_order','data':[{'stop_order_id'",
                      "") ",'trigger_price':$last:s" TIMES_LINEAR)},
    {PRIVATE("execution", STREAM_EXECUTION, EXECUTION_OP("", "$cts:i6"))},
    {PRIVATE("position", STREAM_POSITION,
             POSITION_OP("{'topic':'position','action':'update','data':[{",
                         "") ",'position_seq':'$seq'}]}")},
    {PRIVATE("wallet", STREAM_WALLET,
             "{'topic':'wallet','data':[{'wallet_balance':$wallet:s"
             ",'available_balance':$wallet:s}]}")},
};

/* ---- members in later families: all numbers are text ---- */

#define ORDER                                                                                      \
    "'orderId':'$order_id','orderLinkId':'$order_link','symbol':'$symbol','side':'$side'"          \
    ",'orderType':'$order_type','price':'$order_price:s','qty':'$order_qty:s'"                     \
    ",'cumExecQty':'$order_cum_qty:s','cumExecValue':'$order_cum_value:s'"                         \
    ",'cumExecFee':'$order_cum_fee:s'"
#define STATUS ",'orderStatus':'$order_status','leavesQty':'$order_leaves:s'"
#define FILL                                                                                       \
    "'orderId':'$order_id','orderLinkId':'$order_link','symbol':'$symbol','side':'$side'"          \
    ",'execQty':'$exec_qty:s'"
#define POSITION                                                                                   \
    "'symbol':'$symbol','size':'$position:s','entryPrice':'$entry_price:s'"                        \
    ",'positionValue':'$position_value:s','unrealisedPnl':'0'"                                     \
    ",'cumRealisedPnl':'0'"

/* ---- copy trading ---- */

static const stream_row COPYTRADE[] = {
    {PRIVATE("copyTradeOrder", STREAM_ORDER,
             "{'topic':'copyTradeOrder','data':[{" ORDER ",'lastExecPrice':'$exec_price:s'"
             ",'createTime':$cts:e3,'updateTime':$cts:e3"
             ",'copyTradeOrderStatus':'$copy_status'}]}")},
    {PRIVATE("copyTradeExecution", STREAM_EXECUTION,
             "{'topic':'copyTradeExecution','data':[{" FILL ",'execId':'$exec_id'"
             ",'execFee':'$exec_fee:s','price':'$exec_price:s','orderQty':'$order_qty:s'"
             ",'tradeTime':$cts:e3}]}")},
    {PRIVATE("copyTradePosition", STREAM_POSITION,
             "{'topic':'copyTradePosition','data':[{" POSITION ",'side':'$position_side_name'"
             ",'positionMargin':'$position_value:s','positionSeq':0}]}")},
    {PRIVATE("copyTradeWallet", STREAM_WALLET,
             "{'topic':'copyTradeWallet','data':{'walletBalance':'$wallet:s'"
             ",'availableBalance':'$wallet:s'}}")},
};

/* ---- USDC: version counts the frames of a topic; the first frame is the current state ---- */

#define HEAD_USDC "{'id':'$uuid','topic':'$topic','creationTime':$ts:e3,'data':"
#define NEW_AND_CHANGED(name, what, which, item)                                                   \
    {                                                                                              \
        ROW(name, what, SCOPE_ALL, 0,                                                              \
            HEAD_USDC "{'result':[],'version':$u,'baseLine':1,'dataType':'NEW'}}"),                \
            ONLY(which),                                                                           \
            .delta =                                                                               \
                HEAD_USDC "{'result':[" item "],'version':$u,'baseLine':1,'dataType':'CHANGE'}}"   \
    }
#define FILL_USDC(name, which)                                                                     \
    {                                                                                              \
        PRIVATE(name, STREAM_EXECUTION,                                                            \
                HEAD_USDC "{'result':[{" FILL ",'tradeId':'$exec_id','execPrice':'$exec_price:s'"  \
                          ",'execFee':'$exec_fee:s','feeRate':'0.0006'"                            \
                          ",'tradeTime':$cts:e3}],'version':$u,'baseLine':1}}"),                   \
            ONLY(which)                                                                            \
    }
#define POSITION_USDC                                                                              \
    "{" POSITION ",'side':'$position_side_short','markPrice':'$mark:s'"                            \
    ",'createdAt':$cts:e3,'updatedAt':$cts:e3}"
#define ORDER_USDC                                                                                 \
    "{" ORDER STATUS ",'timeInForce':'ImmediateOrCancel','createdAt':$cts:e3"                      \
    ",'updatedAt':$cts:e3}"

static const stream_row USDC[] = {
    /* The first frame has no orders, because every order is finished within its own event. */
    NEW_AND_CHANGED("user.openapi.option.order", STREAM_ORDER, PRODUCT_OPTION, ORDER_USDC),
    NEW_AND_CHANGED("user.openapi.perp.order", STREAM_ORDER, PRODUCT_USDC_PERP, ORDER_USDC),
    NEW_AND_CHANGED("user.openapi.option.position", STREAM_POSITION, PRODUCT_OPTION, POSITION_USDC),
    NEW_AND_CHANGED("user.openapi.perp.position", STREAM_POSITION, PRODUCT_USDC_PERP,
                    POSITION_USDC),
    FILL_USDC("user.openapi.option.trade", PRODUCT_OPTION),
    FILL_USDC("user.openapi.perp.trade", PRODUCT_USDC_PERP),
    {PRIVATE("user.order", STREAM_ORDER,
             HEAD_USDC "{'orderId':'$order_id','symbol':'$symbol','orderStatus':'$order_status'"
                       ",'side':'$side','orderPrice':'0'"
                       ",'orderAllSize':'$order_qty:s','orderFilledSize':'$order_cum_qty:s'"
                       ",'orderType':'Market','createTimeStamp':'$cts:e3'"
                       ",'updateTimeStamp':'$cts:e3','orderLinkId':'$order_link'"
                       ",'version':'$u'}}"),
     ONLY(PRODUCT_OPTION)},
    {PRIVATE("user.openapi.greeks", STREAM_POSITION,
             HEAD_USDC "{'result':[{'coin':'$coin','totalDelta':'1.29646902'}]"
                       ",'version':$u,'baseLine':1}}"),
     ONLY(PRODUCT_OPTION)},
    {PRIVATE("user.service", STREAM_NOTICE,
             HEAD_USDC "{'pushId':'p$u','serviceType':'PORTFOLIO_MARGIN','version':$u}}"),
     .every_ms = 5000, ONLY(PRODUCT_OPTION)},
    {PRIVATE("user.mmp.event", STREAM_NOTICE,
             HEAD_USDC "{'triggerStatus':'MMP_FREEZE','triggerTimestamp':'$ts:e3'"
                       ",'baseCoin':'$coin'}}"),
     .every_ms = 5000, ONLY(PRODUCT_OPTION)},
};

/* ---- spot: arrays of events, all values as text; there are no requests for topics ---- */

#define EVENT_SPOT(name) "[{'e':'" name "','E':'$ts:e3',"
#define ORDER_SPOT                                                                                 \
    "'s':'$symbol','c':'$order_link','S':'$spot_side','o':'MARKET_OF_BASE','f':'IOC'"              \
    ",'q':'$order_qty:s','p':'0','X':'$spot_status','i':'$order_id'"

static const stream_row SPOT[] = {
    {PRIVATE("executionReport", STREAM_ORDER,
             EVENT_SPOT("executionReport") ORDER_SPOT
             ",'l':'$exec_qty:s','z':'$order_cum_qty:s','L':'$exec_price:s','n':'$exec_fee:s'"
             ",'N':'USDT','O':'$cts:e3','Z':'$order_cum_value:s'}]")},
    {PRIVATE("stop_executionReport", STREAM_STOP_ORDER,
             EVENT_SPOT("stop_executionReport") ORDER_SPOT
             ",'T':'$cts:e3','C':'$cts:e3','qp':'$last:s','eo':'$order_id'}]")},
    {PRIVATE("ticketInfo", STREAM_EXECUTION,
             EVENT_SPOT("ticketInfo") "'s':'$symbol','q':'$exec_qty:s','t':'$cts:e3'"
                                      ",'p':'$exec_price:s','T':'$exec_id','o':'$order_id','c':'"
                                      "$order_link'"
                                      ",'m':false}]")},
    {PRIVATE("outboundAccountInfo", STREAM_WALLET,
             EVENT_SPOT("outboundAccountInfo") "'B':[{'a':'USDT','f':'$wallet:s','l':'0'}"
                                               ",{'a':'$coin','f':'$position:s','l':'0'}]}]")},
};

/* ---- contract v3 and v5 ---- */

#define TIMES_V3          ",'createdTime':'$cts:e3','updatedTime':'$cts:e3'"
#define TRIGGER_V3        ",'triggerPrice':'$trigger:s'"
#define POSITION_TIMES_V3 ",'createdTime':'$cts:e3','updatedTime':'$cts:e3'"
#define POSITION_V3                                                                                \
    POSITION ",'leverage':'1','positionBalance':'$position_value:s','markPrice':'$mark:"           \
             "s'" POSITION_TIMES_V3
#define FILL_V3 FILL ",'execId':'$exec_id','execPrice':'$exec_price:s','execTime':'$cts:e3'"
#define EXECUTION_V3                                                                               \
    FILL_V3 ",'execFee':'$exec_fee:s','execType':'Trade','feeRate':'0.0006'"                       \
            ",'leavesQty':'$order_leaves:s','orderPrice':'$order_price:s'"                         \
            ",'orderQty':'$order_qty:s','orderType':'$order_type'"

static const stream_row CONTRACT_V3[] = {
    {PRIVATE("user.order.contractAccount", STREAM_ORDER,
             "{'topic':'$topic','data':[{" ORDER STATUS TRIGGER_V3
             ",'timeInForce':'ImmediateOrCancel'" TIMES_V3 "}]}")},
    {PRIVATE("user.execution.contractAccount", STREAM_EXECUTION,
             "{'topic':'$topic','data':[{" EXECUTION_V3 "}]}")},
    {PRIVATE("user.position.contractAccount", STREAM_POSITION,
             "{'topic':'$topic','data':[{" POSITION_V3 ",'side':'$position_side_name'}]}")},
    {PRIVATE("user.wallet.contractAccount", STREAM_WALLET,
             "{'topic':'$topic','data':[{'coin':'$settle','walletBalance':'$wallet:s'"
             ",'positionMargin':'$position_value:s','availableBalance':'$wallet:s'"
             ",'unrealisedPnl':'0','cumRealisedPnl':'0'}]}")},
};

#define HEAD_V5     "{'id':'4437450-$uuid','topic':'$topic','creationTime':$ts:e3,'data':[{"
#define REASON_V5   ",'rejectReason':'$reject_reason'"
#define CATEGORY_V5 ",'category':'$category'"
#define ORDER_V5                                                                                   \
    HEAD_V5 ORDER STATUS TRIGGER_V3                                                                \
        ",'timeInForce':'$order_duration','cancelType':'$cancel_type'" REASON_V5 TIMES_V3          \
            CATEGORY_V5                                                                            \
        ",'feeCurrency':'$settle','cumFeeDetail':{'$settle':'$order_cum_fee:s'}}]}"
#define EXECUTION_V5                                                                               \
    HEAD_V5 EXECUTION_V3 CATEGORY_V5 ",'isMaker':$is_maker:b,'seq':$seq,'feeCurrency':'$settle'}]" \
                                     "}"
#define FAST_V5                                                                                    \
    "{'topic':'$topic','creationTime':$ts:e3,'data':[{" FILL_V3 CATEGORY_V5                        \
    ",'isMaker':$is_maker:b,'seq':$seq}]}"
#define POSITION_V5                                                                                \
    HEAD_V5 POSITION_V3 ",'side':'$position_side_short'" CATEGORY_V5 ",'seq':$seq}]}"

#define LINEAR_BIT  (1u << PRODUCT_LINEAR)
#define INVERSE_BIT (1u << PRODUCT_INVERSE)
#define SPOT_BIT    (1u << PRODUCT_SPOT)
#define OPTION_BIT  (1u << PRODUCT_OPTION)
#define SPREAD_BIT  (1u << PRODUCT_SPREAD)
#define DERIVATIVES (LINEAR_BIT | INVERSE_BIT | OPTION_BIT)

#define V5(name, what, which, text)                                                                \
    {                                                                                              \
        PRIVATE(name, what, text), .products = (which)                                             \
    }
/* Streams of a topic whose name ends with a category. */
#define V5_DERIVATIVES(name, what, text)                                                           \
    V5(name ".linear", what, LINEAR_BIT, text), V5(name ".inverse", what, INVERSE_BIT, text),      \
        V5(name ".option", what, OPTION_BIT, text)
#define V5_ALL(name, what, text)                                                                   \
    V5(name, what, DERIVATIVES | SPOT_BIT, text), V5_DERIVATIVES(name, what, text),                \
        V5(name ".spot", what, SPOT_BIT, text)

static const stream_row V5_ROWS[] = {
    V5_ALL("order", STREAM_ORDER, ORDER_V5),
    V5_ALL("execution", STREAM_EXECUTION, EXECUTION_V5),
    V5_ALL("execution.fast", STREAM_EXECUTION, FAST_V5),
    V5("position", STREAM_POSITION, DERIVATIVES, POSITION_V5),
    V5_DERIVATIVES("position", STREAM_POSITION, POSITION_V5),
    V5("wallet", STREAM_WALLET, DERIVATIVES | SPOT_BIT,
       HEAD_V5 "'totalWalletBalance':'$wallet:s','totalAvailableBalance':'$wallet:s'"
               ",'totalPerpUPL':'0','coin':[{'coin':'$settle'"
               ",'walletBalance':'$wallet:s','unrealisedPnl':'0'"
               ",'cumRealisedPnl':'0'}],'accountType':'UNIFIED'}]}"),
    V5("greeks", STREAM_POSITION, OPTION_BIT,
       HEAD_V5 "'baseCoin':'$coin','totalDelta':'1.29646902'}]}"),
    V5("spread.order", STREAM_ORDER, SPREAD_BIT,
       HEAD_V5 ORDER STATUS ",'timeInForce':'$order_duration'" TIMES_V3
                            ",'category':'combination'}]}"),
    V5("spread.execution", STREAM_EXECUTION, SPREAD_BIT,
       HEAD_V5 EXECUTION_V3 ",'category':'combination','isMaker':$is_maker:b,'seq':$seq}]}"),
    {PRIVATE("strategy", STREAM_NOTICE,
             HEAD_V5 "'strategyId':'$uuid','strategyType':'iceberg','category':'UTA_USDT'"
                     ",'symbol':'$symbol','size':'0.36','side':'Buy','status':3"
                     ",'executedAvgPrice':'$last:s','createdTimeE3':$cts:e3"
                     ",'updatedTimeE3':$ts:e3}]}"),
     .every_ms = 10000, ONLY(PRODUCT_LINEAR)},
};

const stream_table ACCOUNT_INVERSE = STREAM_TABLE(INVERSE);
const stream_table ACCOUNT_LINEAR = STREAM_TABLE(LINEAR);
const stream_table ACCOUNT_COPYTRADE = STREAM_TABLE(COPYTRADE);
const stream_table ACCOUNT_USDC = STREAM_TABLE(USDC);
const stream_table ACCOUNT_SPOT = STREAM_TABLE(SPOT);
const stream_table ACCOUNT_CONTRACT_V3 = STREAM_TABLE(CONTRACT_V3);
const stream_table ACCOUNT_V5 = STREAM_TABLE(V5_ROWS);

/* NOLINTEND(bugprone-macro-parentheses) */
