/* Streams of the account, for every family with private ones (docs/wire.md 2 to 4). Families
 * differ in member names and in which values are text; the account is the same. */
#include "sim/catalog.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

#define PRIVATE_WITH(name, what, more, text)                                                       \
    .topic = name, .kind = what, .scope = SCOPE_ALL, .flags = STREAM_NO_INITIAL | (more),          \
    .snapshot = text
#define PRIVATE(name, what, text) PRIVATE_WITH(name, what, 0, text)

/* ---- inverse: money as text, sizes as numbers ---- */

#define ORDER_INVERSE "'order_id':'$order_id','order_link_id':'$order_link'"
#define TERMS_INVERSE                                                                              \
    "'symbol':'$symbol','side':'$side','order_type':'$order_type'"                                 \
    ",'price':'$order_price:s','qty':$order_qty:s"                                                 \
    ",'time_in_force':'$time_in_force','create_type':'$create_type'"                               \
    ",'cancel_type':'$cancel_type','order_status':'$order_status'"

static const stream_row INVERSE[] = {
    {PRIVATE("order", STREAM_ORDER,
             "{'topic':'order','data':[{" ORDER_INVERSE "," TERMS_INVERSE
             ",'leaves_qty':$order_leaves:s,'cum_exec_qty':$order_cum_qty:s"
             ",'cum_exec_value':'$order_cum_value:s','cum_exec_fee':'$order_cum_fee:s'"
             ",'timestamp':'$updated:iso3','take_profit':'0','stop_loss':'0'"
             ",'trailing_stop':'0','last_exec_price':'$exec_price:s'}]}")},
    {PRIVATE("stop_order", STREAM_STOP_ORDER,
             "{'topic':'stop_order','data':[{" ORDER_INVERSE ",'user_id':4437450," TERMS_INVERSE
             ",'stop_order_type':'$stop_type','trigger_by':'LastPrice'"
             ",'trigger_price':'$trigger_price:s','close_on_trigger':false"
             ",'timestamp':'$updated:iso3','take_profit':0,'stop_loss':0}]}")},
    {PRIVATE("execution", STREAM_EXECUTION,
             "{'topic':'execution','data':[{'symbol':'$symbol','side':'$side'"
             ",'order_id':'$order_id','exec_id':'$exec_id'"
             ",'order_link_id':'$order_link','price':'$exec_price:s'"
             ",'order_qty':$order_qty:s,'exec_type':'Trade','exec_qty':$exec_qty:s"
             ",'exec_fee':'$exec_fee:s','leaves_qty':$order_leaves:s"
             ",'is_maker':false,'trade_time':'$trade_time:iso3'}]}")},
    {PRIVATE("position", STREAM_POSITION,
             "{'topic':'position','data':[{'user_id':4437450,'symbol':'$symbol'"
             ",'size':$position:s,'side':'$position_side_name'"
             ",'position_value':'$position_value:s','entry_price':'$entry_price:s'"
             ",'liq_price':'512','bust_price':'512','leverage':'10','order_margin':'0'"
             ",'position_margin':'$position_margin:s'"
             ",'available_balance':'$available:s','take_profit':'0','stop_loss':'0'"
             ",'realised_pnl':'$realised:s','trailing_stop':'0','trailing_active':'0'"
             ",'wallet_balance':'$wallet:s','risk_id':1,'occ_closing_fee':'0.0000004'"
             ",'occ_funding_fee':'0','auto_add_margin':0"
             ",'cum_realised_pnl':'$realised:s','position_status':'Normal'"
             ",'position_seq':0,'Isolated':false,'mode':0,'position_idx':0"
             ",'tp_sl_mode':'Full','tp_order_num':0,'sl_order_num':0"
             ",'tp_free_size_x':$position:s,'sl_free_size_x':$position:s}]}")},
    {PRIVATE("wallet", STREAM_WALLET,
             "{'topic':'wallet','data':[{'user_id':4437450,'coin':'$settle'"
             ",'available_balance':'$available:s','wallet_balance':'$wallet:s'}]}")},
};

/* ---- linear: money as numbers ---- */

#define TERMS_LINEAR                                                                               \
    "'symbol':'$symbol','side':'$side','order_type':'$order_type'"                                 \
    ",'price':$order_price:s,'qty':$order_qty:s"
#define HOW_LINEAR                                                                                 \
    "'time_in_force':'$time_in_force','create_type':'$create_type'"                                \
    ",'cancel_type':'$cancel_type','order_status':'$order_status'"
#define TIMES_LINEAR "'create_time':'$created:iso9','update_time':'$updated:iso9'"

static const stream_row LINEAR[] = {
    {PRIVATE("order", STREAM_ORDER,
             "{'topic':'order','action':'','data':[{'order_id':'$order_id'"
             ",'order_link_id':'$order_link'," TERMS_LINEAR
             ",'leaves_qty':$order_leaves:s,'last_exec_price':$exec_price:s"
             ",'cum_exec_qty':$order_cum_qty:s,'cum_exec_value':$order_cum_value:s"
             ",'cum_exec_fee':$order_cum_fee:s," HOW_LINEAR
             ",'take_profit':0,'stop_loss':0,'trailing_stop':0," TIMES_LINEAR
             ",'reduce_only':false,'close_on_trigger':false,'position_idx':'1'}]}")},
    {PRIVATE("stop_order", STREAM_STOP_ORDER,
             "{'topic':'stop_order','data':[{'stop_order_id':'$order_id'"
             ",'order_link_id':'$order_link','user_id':'4437450'," TERMS_LINEAR "," HOW_LINEAR
             ",'stop_order_type':'$stop_type','tp_trigger_by':'UNKNOWN'"
             ",'trigger_price':$trigger_price:s," TIMES_LINEAR
             ",'reduce_only':false,'close_on_trigger':false,'position_idx':'1'"
             ",'take_profit':0,'stop_loss':0}]}")},
    {PRIVATE("execution", STREAM_EXECUTION,
             "{'topic':'execution','data':[{'symbol':'$symbol','side':'$side'"
             ",'order_id':'$order_id','exec_id':'$exec_id'"
             ",'order_link_id':'$order_link','price':$exec_price:s"
             ",'order_qty':$order_qty:s,'exec_type':'Trade','exec_qty':$exec_qty:s"
             ",'exec_fee':$exec_fee:s,'leaves_qty':$order_leaves:s"
             ",'is_maker':false,'trade_time':'$trade_time:iso6'}]}")},
    {PRIVATE("position", STREAM_POSITION,
             "{'topic':'position','action':'update','data':[{'user_id':'4437450'"
             ",'symbol':'$symbol','size':$position:s,'side':'$position_side_name'"
             ",'position_value':$position_value:s,'entry_price':$entry_price:s"
             ",'liq_price':0.5,'bust_price':0.5,'leverage':10,'order_margin':0"
             ",'position_margin':$position_margin:s,'occ_closing_fee':3e-06"
             ",'take_profit':0,'tp_trigger_by':'UNKNOWN','stop_loss':0"
             ",'sl_trigger_by':'UNKNOWN','trailing_stop':0,'realised_pnl':$realised:s"
             ",'auto_add_margin':'0','cum_realised_pnl':$realised:s"
             ",'position_status':'Normal','position_id':'0','position_seq':'$seq'"
             ",'adl_rank_indicator':'2','free_qty':$position:s,'tp_sl_mode':'Full'"
             ",'risk_id':'1','isolated':false,'mode':'BothSide','position_idx':'1'}]}")},
    {PRIVATE("wallet", STREAM_WALLET,
             "{'topic':'wallet','data':[{'wallet_balance':$wallet:s"
             ",'available_balance':$available:s}]}")},
};

/* ---- copy trading: numbers as text, times as numbers ---- */

static const stream_row COPYTRADE[] = {
    {PRIVATE("copyTradeOrder", STREAM_ORDER,
             "{'topic':'copyTradeOrder','data':[{'orderId':'$order_id'"
             ",'orderLinkId':'$order_link','symbol':'$symbol'"
             ",'orderType':'$order_type','price':'$order_price:f6'"
             ",'qty':'$order_qty:f6','side':'$side','positionIdx':'1'"
             ",'cumExecFee':'$order_cum_fee','cumExecValue':'$order_cum_value'"
             ",'lastExecPrice':'$exec_price:f6','cumExecQty':'$order_cum_qty:f6'"
             ",'takeProfit':'0','stopLoss':'0','tpTriggerBy':'UNKNOWN'"
             ",'slTriggerBy':'UNKNOWN','createTime':$created:ms"
             ",'updateTime':$updated:ms,'copyTradeOrderStatus':'$order_status'}]}")},
    {PRIVATE("copyTradeExecution", STREAM_EXECUTION,
             "{'topic':'copyTradeExecution','data':[{'orderId':'$order_id'"
             ",'orderLinkId':'$order_link','symbol':'$symbol','side':'$side'"
             ",'execId':'$exec_id','execQty':'$exec_qty:s','execType':'Trade'"
             ",'execFee':'$exec_fee:s','price':'$exec_price:s'"
             ",'orderQty':'$order_qty:s','tradeTime':$trade_time:ms}]}")},
    {PRIVATE("copyTradePosition", STREAM_POSITION,
             "{'topic':'copyTradePosition','data':[{'symbol':'$symbol'"
             ",'positionIdx':'1','positionValue':'$position_value:s','riskId':1"
             ",'leverage':'10','isIsolated':false,'side':'$position_side_name'"
             ",'size':'$position:s','unrealisedPnl':'$unrealised:s','liqPrice':'0.5'"
             ",'bustPrice':'0.5','entryPrice':'$entry_price:s'"
             ",'positionMargin':'$position_margin:s','orderMargin':'0'"
             ",'occClosingFee':'0.01','cumRealisedPnl':'$realised:s'"
             ",'positionStatus':'Normal','positionSeq':0}]}")},
    {PRIVATE("copyTradeWallet", STREAM_WALLET,
             "{'topic':'copyTradeWallet','data':{'walletBalance':'$wallet:s'"
             ",'availableBalance':'$available:s'}}")},
};

/* ---- USDC: a version counts the frames of a topic; the first frame is the present state ---- */

#define HEAD_USDC "{'id':'$uuid','topic':'$topic','creationTime':$ts:ms,'data':"
#define NEW_AND_CHANGED(name, what, which, list, item)                                             \
    {                                                                                              \
        .topic = name, .kind = what, .scope = SCOPE_ALL, ONLY(which),                              \
        .snapshot = HEAD_USDC "{'result':[" list "],'version':$u,'baseLine':1,'dataType':'NEW'}}", \
        .delta = HEAD_USDC "{'result':[" item "],'version':$u,'baseLine':1,'dataType':'CHANGE'}}"  \
    }
#define POSITION_OPTION                                                                            \
    "{'symbol':'$symbol','positionStatus':'','side':'$position_side_short'"                        \
    ",'size':'$position:s','entryPrice':'$entry_price'"                                            \
    ",'sessionAvgPrice':'$entry_price','markPrice':'$mark:s','positionIM':''"                      \
    ",'positionMM':'','sessionUPL':'','sessionRPL':''"                                             \
    ",'createdAt':$position_created:ms,'updatedAt':$position_updated:ms}"
#define POSITION_PERP                                                                              \
    "{'symbol':'$symbol','positionStatus':'NORMAL'"                                                \
    ",'side':'$position_side_short','size':'$position:s'"                                          \
    ",'entryPrice':'$entry_price:s','sessionAvgPrice':'$entry_price:s'"                            \
    ",'markPrice':'$mark:s','positionIM':'$position_margin:s'"                                     \
    ",'positionMM':'0.25','positionValue':'$position_value:s','liqPrice':''"                       \
    ",'bustPrice':'','occClosingFee':'','unrealisedPnl':'$unrealised:s'"                           \
    ",'cumRealisedPnl':'$realised:s','sessionUPL':'$unrealised:s'"                                 \
    ",'sessionRPL':'$realised:s','createdAt':$position_created:ms"                                 \
    ",'updatedAt':$position_updated:ms,'tpSLMode':'UNKNOWN','leverage':1000"                       \
    ",'trailingStop':'','takeProfit':'0','stopLoss':'0'"                                           \
    ",'deleverageIndicator':0,'riskId':'20002'}"
#define ORDER_OPTION                                                                               \
    "{'orderId':'$order_id','orderLinkId':'$order_link'"                                           \
    ",'createdAt':$created:ms,'updatedAt':$updated:ms,'symbol':'$symbol'"                          \
    ",'orderStatus':'$order_status','side':'$side','price':'$order_price:f8'"                      \
    ",'cashFlow':null,'realisedPnl':'','qty':'$order_qty:s'"                                       \
    ",'cumExecQty':'$order_cum_qty:s','leavesQty':'$order_leaves:s'"                               \
    ",'orderIM':'0','orderType':'$order_type','reduceOnly':0"                                      \
    ",'timeInForce':'$time_in_force','cumExecFee':'$order_cum_fee:s'"                              \
    ",'iv':'0.000','orderPnl':'','cumExecValue':'$order_cum_value:s'"                              \
    ",'cancelType':'$cancel_type','placeType':'price','blockTradeId':''"                           \
    ",'updateTimeStamp':$updated:ms}"
#define ORDER_PERP                                                                                 \
    "{'orderId':'$order_id','orderLinkId':'$order_link'"                                           \
    ",'createdAt':$created:ms,'updatedAt':$updated:ms,'symbol':'$symbol'"                          \
    ",'orderStatus':'$order_status','side':'$side','price':'$order_price:f4'"                      \
    ",'qty':'$order_qty:s','cumExecQty':'$order_cum_qty:s'"                                        \
    ",'leavesQty':'$order_leaves:s','orderIM':'0','realisedPnl':null"                              \
    ",'orderType':'$order_type','reduceOnly':0,'timeInForce':'$time_in_force'"                     \
    ",'cumExecFee':'$order_cum_fee:s','orderPnl':'','basePrice':''"                                \
    ",'cumExecValue':'$order_cum_value:s','closeOnTrigger':'false'"                                \
    ",'triggerBy':'UNKNOWN','takeProfit':'0','stopLoss':'0'"                                       \
    ",'tpTriggerBy':'UNKNOWN','slTriggerBy':'UNKNOWN'"                                             \
    ",'triggerPrice':'$trigger_price:s','stopOrderType':'$stop_type'"                              \
    ",'cancelType':'$cancel_type'}"
#define FILL_USDC                                                                                  \
    "'orderId':'$order_id','orderLinkId':'$order_link','tradeId':'$exec_id'"                       \
    ",'symbol':'$symbol','side':'$side','execPrice':'$exec_price:s'"                               \
    ",'execQty':'$exec_qty:s','execFee':'$exec_fee:s','feeRate':'0.0006'"                          \
    ",'tradeTime':$trade_time:ms,'lastLiquidityInd':'TAKER'"

static const stream_row USDC[] = {
    /* Every order ends within its own event, so none is ever open. */
    NEW_AND_CHANGED("user.openapi.option.order", STREAM_ORDER, PRODUCT_OPTION, "", ORDER_OPTION),
    NEW_AND_CHANGED("user.openapi.perp.order", STREAM_ORDER, PRODUCT_USDC_PERP, "", ORDER_PERP),
    NEW_AND_CHANGED("user.openapi.option.position", STREAM_POSITION, PRODUCT_OPTION,
                    "@positions(" POSITION_OPTION ")", POSITION_OPTION),
    NEW_AND_CHANGED("user.openapi.perp.position", STREAM_POSITION, PRODUCT_USDC_PERP,
                    "@positions(" POSITION_PERP ")", POSITION_PERP),
    {PRIVATE("user.openapi.option.trade", STREAM_EXECUTION,
             HEAD_USDC "{'result':[{" FILL_USDC
                       ",'execType':'TRADE','iv':'0.6594','markIv':'0.6594'"
                       ",'underlyingPrice':'60622.5000','markPrice':'$mark:f4'"
                       ",'indexPrice':'$index:f4'}],'version':$u,'baseLine':1}}"),
     ONLY(PRODUCT_OPTION)},
    {PRIVATE("user.openapi.perp.trade", STREAM_EXECUTION,
             HEAD_USDC "{'result':[{" FILL_USDC
                       ",'execValue':'$exec_value:s','execType':'TRADE'}],'version':$u"
                       ",'baseLine':1}}"),
     ONLY(PRODUCT_USDC_PERP)},
    {PRIVATE("user.order", STREAM_ORDER,
             HEAD_USDC "{'orderId':'$order_id','symbol':'$symbol','orderStatus':'$order_status'"
                       ",'side':'$side','orderPrice':'$order_price:s'"
                       ",'orderAllSize':'$order_qty:s','orderFilledSize':'$order_cum_qty:s'"
                       ",'orderRemainingSize':'$order_leaves:s','orderType':'$order_type'"
                       ",'orderTime':'$created:ms','timeInForce':'$time_in_force'"
                       ",'createTimeStamp':'$created:ms','updateTimeStamp':'$updated:ms'"
                       ",'orderLinkId':'$order_link','execType':'newed','iv':'0.0'"
                       ",'version':'$u','placeMode':'basic','placeType':'price'"
                       ",'userId':'4437450'}}"),
     ONLY(PRODUCT_OPTION)},
    {PRIVATE_WITH("user.openapi.greeks", STREAM_POSITION, STREAM_NO_MARK,
                  HEAD_USDC "{'result':[{'coin':'$coin','totalDelta':'1.29646902'"
                            ",'totalGamma':'0.00006396','totalVega':'58.00752393'"
                            ",'totalTheta':'-248.17717722'}],'version':$u,'baseLine':1}}"),
     ONLY(PRODUCT_OPTION)},
    {PRIVATE("user.service", STREAM_NOTICE,
             HEAD_USDC "{'pushId':'p$u','serviceType':'PORTFOLIO_MARGIN','operationType':'SELF'"
                       ",'serviceStep':'OPEN','serviceStatus':'SUCCESS','version':$u}}"),
     EVERY_MS(5000), ONLY(PRODUCT_OPTION)},
    {PRIVATE("user.mmp.event", STREAM_NOTICE,
             HEAD_USDC "{'triggerStatus':'MMP_FREEZE','triggerTimestamp':'$ts:ms'"
                       ",'frozenPeriodMs':'100','baseCoin':'$coin'}}"),
     EVERY_MS(5000), ONLY(PRODUCT_OPTION)},
};

/* ---- spot: arrays of events, everything as text; there are no requests for topics ---- */

#define EVENT_SPOT(name) "[{'e':'" name "','E':'$ts:ms',"

#define ORDER_SPOT                                                                                 \
    "'s':'$symbol','c':'$order_link','S':'$spot_side','o':'$order_type','f':'$tif'"                \
    ",'q':'$order_qty:s','p':'$order_price:s','X':'$order_status','i':'$order_id'"

static const stream_row SPOT[] = {
    {PRIVATE("executionReport", STREAM_ORDER,
             EVENT_SPOT("executionReport") ORDER_SPOT
             ",'M':'0','l':'$exec_qty:s','z':'$order_cum_qty:s','L':'$exec_price:s'"
             ",'n':'$exec_fee:s','N':'$quote','u':true,'w':true,'m':false,'O':'$created:ms'"
             ",'Z':'$order_cum_value:s','A':'0','C':false,'v':'0','d':'NO_LIQ'}]")},
    {PRIVATE("stop_executionReport", STREAM_STOP_ORDER,
             EVENT_SPOT("stop_executionReport") ORDER_SPOT
             ",'T':'$created:ms','t':'$updated:ms','C':'$updated:ms','qp':'$trigger_price:s'"
             ",'eo':'$order_id','ti':'t$order_serial','si':'s$order_serial'}]")},
    {PRIVATE(
        "ticketInfo", STREAM_EXECUTION,
        EVENT_SPOT(
            "ticketInfo") "'s':'$symbol','q':'$exec_qty:s','t':'$trade_time:ms'"
                          ",'p':'$exec_price:s','T':'$exec_id','o':'$order_id','c':'$order_link'"
                          ",'O':'$opponent','a':'4437450','A':'$opponent','m':false}]")},
    {PRIVATE("outboundAccountInfo", STREAM_WALLET,
             EVENT_SPOT("outboundAccountInfo") "'T':true,'W':true,'D':true,'B':[{'a':'$quote'"
                                               ",'f':'$available:s','l':'0'},{'a':'$coin','f':'$"
                                               "position:s','l':'0'}]}]")},
};

/* ---- contract v3 and v5 ---- */

static const stream_row CONTRACT_V3[] = {
    {PRIVATE_WITH("user.order.contractAccount", STREAM_ORDER, STREAM_WITH_STOPS,
                  "{'topic':'$topic','data':[{'symbol':'$symbol','orderId':'$order_id'"
                  ",'side':'$side','orderType':'$order_type','stopOrderType':'$stop_type'"
                  ",'price':'$order_price','qty':'$order_qty:s'"
                  ",'timeInForce':'$time_in_force','orderStatus':'$order_status'"
                  ",'triggerPrice':'$trigger_price','orderLinkId':'$order_link'"
                  ",'createdTime':'$created:ms','updatedTime':'$updated:ms'"
                  ",'takeProfit':'0.00','stopLoss':'0.00','tpTriggerBy':'UNKNOWN'"
                  ",'slTriggerBy':'UNKNOWN','triggerBy':'UNKNOWN','reduceOnly':false"
                  ",'closeOnTrigger':false,'triggerDirection':$trigger_direction"
                  ",'leavesQty':'$order_leaves:s','lastExecQty':'$exec_qty:s'"
                  ",'lastExecPrice':'$exec_price','cumExecQty':'$order_cum_qty:s'"
                  ",'cumExecValue':'$order_cum_value:s'}]}")},
    {PRIVATE("user.execution.contractAccount", STREAM_EXECUTION,
             "{'topic':'$topic','data':[{'symbol':'$symbol','execFee':'$exec_fee:s'"
             ",'execId':'$exec_id','execPrice':'$exec_price:s','execQty':'$exec_qty:s'"
             ",'execType':'Trade','execValue':'$exec_value:s','feeRate':'0.0006'"
             ",'lastLiquidityInd':'RemovedLiquidity','leavesQty':'$order_leaves:s'"
             ",'orderId':'$order_id','orderLinkId':'$order_link'"
             ",'orderPrice':'$order_price:s','orderQty':'$order_qty:s'"
             ",'orderType':'$order_type','stopOrderType':'$stop_type','side':'$side'"
             ",'execTime':'$trade_time:ms','closedSize':'0'}]}")},
    {PRIVATE("user.position.contractAccount", STREAM_POSITION,
             "{'topic':'$topic','data':[{'positionIdx':0,'riskId':1,'symbol':'$symbol'"
             ",'side':'$position_side_name','size':'$position:s'"
             ",'positionValue':'$position_value:s','entryPrice':'$entry_price:s'"
             ",'tradeMode':0,'autoAddMargin':0,'leverage':'10'"
             ",'positionBalance':'$position_margin:s','liqPrice':'0.50'"
             ",'bustPrice':'0.50','takeProfit':'0.00','stopLoss':'0.00'"
             ",'trailingStop':'0.00','unrealisedPnl':'$unrealised:s'"
             ",'createdTime':'$position_created:ms'"
             ",'updatedTime':'$position_updated:ms','tpSlMode':'Full'"
             ",'sessionAvgPrice':'0.00','positionStatus':'Normal'"
             ",'occClosingFee':'0.0000051','markPrice':'$mark'"
             ",'cumRealisedPnl':'$realised:s','activePrice':'0.00'"
             ",'riskLimitValue':'2000000','positionMM':'0.00006'"
             ",'positionIM':'$position_margin:s'}]}")},
    {PRIVATE("user.wallet.contractAccount", STREAM_WALLET,
             "{'topic':'$topic','data':[{'coin':'$settle','equity':'$equity:s'"
             ",'walletBalance':'$wallet:s','positionMargin':'$position_margin:s'"
             ",'availableBalance':'$available:s','orderMargin':'0'"
             ",'unrealisedPnl':'$unrealised:s','cumRealisedPnl':'$realised:s'}]}")},
};

#define HEAD_V5 "{'id':'4437450-$uuid','topic':'$topic','creationTime':$ts:ms,'data':["
#define ORDER_V5                                                                                   \
    HEAD_V5                                                                                        \
    "{'symbol':'$symbol','orderId':'$order_id','side':'$side'"                                     \
    ",'orderType':'$order_type','cancelType':'$cancel_type'"                                       \
    ",'price':'$order_price:s','qty':'$order_qty:s','orderIv':''"                                  \
    ",'timeInForce':'$tif','orderStatus':'$order_status'"                                          \
    ",'orderLinkId':'$order_link','lastPriceOnCreated':'','reduceOnly':false"                      \
    ",'leavesQty':'$order_leaves:s','leavesValue':''"                                              \
    ",'cumExecQty':'$order_cum_qty:s','cumExecValue':'$order_cum_value:s'"                         \
    ",'avgPrice':'$order_average:s','blockTradeId':'','positionIdx':0"                             \
    ",'cumExecFee':'$order_cum_fee:s','closedPnl':'0'"                                             \
    ",'createdTime':'$created:ms','updatedTime':'$updated:ms'"                                     \
    ",'rejectReason':'EC_NoError','stopOrderType':'','tpslMode':''"                                \
    ",'triggerPrice':'$trigger_price:s','takeProfit':'','stopLoss':''"                             \
    ",'tpTriggerBy':'','slTriggerBy':'','tpLimitPrice':'','slLimitPrice':''"                       \
    ",'triggerDirection':$trigger_direction,'triggerBy':''"                                        \
    ",'closeOnTrigger':false,'category':'$category','placeType':'price'"                           \
    ",'smpType':'None','smpGroup':0,'smpOrderId':'','feeCurrency':'$settle'"                       \
    ",'cumFeeDetail':{'$settle':'$order_cum_fee:s'},'rpiTakerAccess':false"                        \
    ",'rpiMatchedQty':'0'}]}"
#define EXECUTION_V5                                                                               \
    "{'topic':'$topic','id':'4437450_${symbol}_$seq','creationTime':$ts:ms"                        \
    ",'data':[{'category':'$category','symbol':'$symbol','closedSize':''"                          \
    ",'execFee':'$exec_fee:s','execId':'$exec_id','execPrice':'$exec_price:s'"                     \
    ",'execQty':'$exec_qty:s','execType':'Trade','execValue':'$exec_value:s'"                      \
    ",'feeRate':'0.0006','tradeIv':'','markIv':'','blockTradeId':''"                               \
    ",'markPrice':'$mark:s','indexPrice':'','underlyingPrice':''"                                  \
    ",'leavesQty':'$order_leaves:s','orderId':'$order_id'"                                         \
    ",'orderLinkId':'$order_link','orderPrice':'$order_price:s'"                                   \
    ",'orderQty':'$order_qty:s','orderType':'$order_type'"                                         \
    ",'stopOrderType':'$stop_type','side':'$side','execTime':'$trade_time:ms'"                     \
    ",'isLeverage':'0','isMaker':false,'seq':$seq,'marketUnit':''"                                 \
    ",'execPnl':'0','createType':'$create_type','extraFees':''"                                    \
    ",'feeCurrency':'$settle'}]}"
#define FAST_V5                                                                                    \
    "{'topic':'$topic','creationTime':$ts:ms,'data':[{'category':'$category'"                      \
    ",'symbol':'$symbol','execId':'$exec_id','execPrice':'$exec_price:s'"                          \
    ",'execQty':'$exec_qty:s','orderId':'$order_id','isMaker':false"                               \
    ",'orderLinkId':'$order_link','side':'$side','execTime':'$trade_time:ms'"                      \
    ",'seq':$seq}]}"
#define POSITION_V5                                                                                \
    HEAD_V5 "{'positionIdx':0,'tradeMode':0,'riskId':1,'riskLimitValue':'2000000'"                 \
            ",'symbol':'$symbol','side':'$position_side_short','size':'$position:s'"               \
            ",'entryPrice':'$entry_price:s','sessionAvgPrice':'','leverage':'10'"                  \
            ",'positionValue':'$position_value:s','positionBalance':'0'"                           \
            ",'markPrice':'$mark:s','positionIM':'$position_margin:s'"                             \
            ",'positionMM':'0.2','positionIMByMp':'$position_margin:s'"                            \
            ",'positionMMByMp':'0.2','takeProfit':'0','stopLoss':'0'"                              \
            ",'trailingStop':'0','unrealisedPnl':'$unrealised:s'"                                  \
            ",'cumRealisedPnl':'$realised:s','curRealisedPnl':'$realised:s'"                       \
            ",'createdTime':'$position_created:ms'"                                                \
            ",'updatedTime':'$position_updated:ms','tpslMode':'Full','liqPrice':''"                \
            ",'bustPrice':'','category':'$category','positionStatus':'Normal'"                     \
            ",'adlRankIndicator':2,'autoAddMargin':0,'leverageSysUpdatedTime':''"                  \
            ",'mmrSysUpdatedTime':'','seq':$seq,'isReduceOnly':false}]}"

#define LINEAR_BIT  (1u << PRODUCT_LINEAR)
#define INVERSE_BIT (1u << PRODUCT_INVERSE)
#define SPOT_BIT    (1u << PRODUCT_SPOT)
#define OPTION_BIT  (1u << PRODUCT_OPTION)
#define SPREAD_BIT  (1u << PRODUCT_SPREAD)
#define DERIVATIVES (LINEAR_BIT | INVERSE_BIT | OPTION_BIT)

#define V5(name, what, how, which, text)                                                           \
    {                                                                                              \
        PRIVATE_WITH(name, what, how, text), .products = (which)                                   \
    }
/* The topic of a single category has a name of its own. */
#define V5_DERIVATIVES(name, what, how, text)                                                      \
    V5(name ".linear", what, how, LINEAR_BIT, text),                                               \
        V5(name ".inverse", what, how, INVERSE_BIT, text),                                         \
        V5(name ".option", what, how, OPTION_BIT, text)
#define V5_ALL(name, what, how, text)                                                              \
    V5(name, what, how, DERIVATIVES | SPOT_BIT, text), V5_DERIVATIVES(name, what, how, text),      \
        V5(name ".spot", what, how, SPOT_BIT, text)

static const stream_row V5_ROWS[] = {
    V5_ALL("order", STREAM_ORDER, STREAM_WITH_STOPS, ORDER_V5),
    V5_ALL("execution", STREAM_EXECUTION, 0, EXECUTION_V5),
    V5_ALL("execution.fast", STREAM_EXECUTION, 0, FAST_V5),
    V5("position", STREAM_POSITION, 0, DERIVATIVES, POSITION_V5),
    V5_DERIVATIVES("position", STREAM_POSITION, 0, POSITION_V5),
    V5("wallet", STREAM_WALLET, 0, DERIVATIVES | SPOT_BIT,
       HEAD_V5 "{'accountIMRate':'0','accountIMRateByMp':'0','accountMMRate':'0'"
               ",'accountMMRateByMp':'0','totalEquity':'$equity:s'"
               ",'totalWalletBalance':'$wallet:s','totalMarginBalance':'$wallet:s'"
               ",'totalAvailableBalance':'$available:s','totalPerpUPL':'$unrealised:s'"
               ",'totalInitialMargin':'0','totalInitialMarginByMp':'0'"
               ",'totalMaintenanceMargin':'0','totalMaintenanceMarginByMp':'0','coin':["
               "{'coin':'$settle','equity':'$equity:s','usdValue':'$equity:s'"
               ",'walletBalance':'$wallet:s','availableToWithdraw':'$available:s'"
               ",'availableToBorrow':'','borrowAmount':'0','accruedInterest':'0'"
               ",'totalOrderIM':'','totalPositionIM':'','totalPositionMM':''"
               ",'unrealisedPnl':'$unrealised:s','cumRealisedPnl':'$realised:s'"
               ",'bonus':'0','collateralSwitch':true,'marginCollateral':true"
               ",'locked':'0','spotHedgingQty':'0','spotBorrow':'0'}],'accountLTV':'0'"
               ",'accountType':'UNIFIED'}]}"),
    V5("greeks", STREAM_POSITION, STREAM_NO_MARK, OPTION_BIT,
       HEAD_V5 "{'baseCoin':'$coin','totalDelta':'1.29646902'"
               ",'totalGamma':'0.00006396','totalVega':'58.00752393'"
               ",'totalTheta':'-248.17717722'}]}"),
    V5("spread.order", STREAM_ORDER, 0, SPREAD_BIT,
       HEAD_V5 "{'category':'combination','symbol':'$symbol','parentOrderId':''"
               ",'orderId':'$order_id','orderLinkId':'$order_link','side':'$side'"
               ",'orderStatus':'$order_status','cancelType':'$cancel_type'"
               ",'rejectReason':'EC_NoError','timeInForce':'$tif'"
               ",'price':'$order_price:s','qty':'$order_qty:s','avgPrice':''"
               ",'leavesQty':'$order_leaves:s','leavesValue':''"
               ",'cumExecQty':'$order_cum_qty:s','cumExecValue':'','cumExecFee':''"
               ",'orderType':'$order_type','isLeverage':'','createdTime':'$created:ms'"
               ",'updatedTime':'$updated:ms','feeCurrency':''"
               ",'createType':'$create_type','closedPnl':'','cumFeeDetail':"
               "{'MNT':'$order_cum_fee:s'}}]}"),
    V5("spread.execution", STREAM_EXECUTION, 0, SPREAD_BIT,
       HEAD_V5 "{'category':'combination','symbol':'$symbol','closedSize':''"
               ",'execFee':'','execId':'$exec_id','parentExecId':''"
               ",'execPrice':'$exec_price:s','execQty':'$exec_qty:s','execType':'Trade'"
               ",'execValue':'','feeRate':'','markPrice':''"
               ",'leavesQty':'$order_leaves:s','orderId':'$order_id'"
               ",'orderLinkId':'$order_link','orderPrice':'$order_price:s'"
               ",'orderQty':'$order_qty:s','orderType':'$order_type','side':'$side'"
               ",'execTime':'$trade_time:ms','isLeverage':'','isMaker':false"
               ",'seq':$seq,'createType':'$create_type','execPnl':''}]}"),
    {PRIVATE("strategy", STREAM_NOTICE,
             HEAD_V5 "{'strategyId':'$uuid','strategyType':'iceberg','category':'UTA_USDT'"
                     ",'symbol':'$symbol','size':'0.36','side':'Buy','duration':0,'status':3"
                     ",'terminateType':2,'terminateRemark':'RunningStop','executedDuration':26"
                     ",'executedSize':'0.2','executedAvgPrice':'$last:s'"
                     ",'executedStartTimeE3':$cts:ms,'executedEndTimeE3':$ts:ms"
                     ",'createdTimeE3':$cts:ms,'updatedTimeE3':$ts:ms,'isRandom':false"
                     ",'reduceOnly':false,'limitPrice':'','triggerCount':0,'tradingCount':0"
                     ",'chaseDistance':'0','ChasePercentE4':0,'maxChasePrice':'$high_24h:s'"
                     ",'chaseOrderPrice':'$last:s','strategyPrefer':'quickExecution'"
                     ",'interval':30,'leverageType':0,'postOnly':0,'triggerPrice':''"
                     ",'isTriggered':false,'strategyTp':'','strategySl':''"
                     ",'orderType':'UNKNOWN','orderPriceOffset':'','positionValue':''"
                     ",'filledPositionValue':''}]}"),
     EVERY_MS(10000), ONLY(PRODUCT_LINEAR)},
    /* Subscribing to these arms disconnect protection; nothing is ever sent on them. */
    V5("dcp.future", STREAM_SILENT, 0, LINEAR_BIT, "{}"),
    V5("dcp.spot", STREAM_SILENT, 0, SPOT_BIT, "{}"),
    V5("dcp.option", STREAM_SILENT, 0, OPTION_BIT, "{}"),
};

const stream_table ACCOUNT_INVERSE = STREAM_TABLE(INVERSE);
const stream_table ACCOUNT_LINEAR = STREAM_TABLE(LINEAR);
const stream_table ACCOUNT_COPYTRADE = STREAM_TABLE(COPYTRADE);
const stream_table ACCOUNT_USDC = STREAM_TABLE(USDC);
const stream_table ACCOUNT_SPOT = STREAM_TABLE(SPOT);
const stream_table ACCOUNT_CONTRACT_V3 = STREAM_TABLE(CONTRACT_V3);
const stream_table ACCOUNT_V5 = STREAM_TABLE(V5_ROWS);

/* NOLINTEND(bugprone-macro-parentheses) */
