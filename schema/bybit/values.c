/* Texts of members with a fixed set of values, from the exchange's documents ("Enums Definitions"
 * of v5 and of older interfaces) and from recordings. Most families share the texts; a family with
 * other texts has its own rows. Sides that the decoder refuses need no row: such frames are not
 * decoded. */
#include "schema/bybit/values.h"

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* CLOSED: all texts of the member are documented; OPEN: only some of them are. With _IN: only for
 * one family. */
#define CLOSED(member, ...)                                                                        \
    {                                                                                              \
        member, NULL, TEXTS(__VA_ARGS__), 0                                                        \
    }
#define OPEN(member, ...)                                                                          \
    {                                                                                              \
        member, NULL, TEXTS(__VA_ARGS__), 1                                                        \
    }
#define CLOSED_IN(family, member, ...)                                                             \
    {                                                                                              \
        member, family, TEXTS(__VA_ARGS__), 0                                                      \
    }
#define OPEN_IN(family, member, ...)                                                               \
    {                                                                                              \
        member, family, TEXTS(__VA_ARGS__), 1                                                      \
    }

/* clang-format off: one word after the other */
const value_row BYBIT_VALUES[] = {
    OPEN_IN("usdc-private", MEMBER_ORDER_STATUS, "Created", "New", "Rejected", "PartiallyFilled",
            "PartiallyFilledCanceled", "Filled", "PendingCancel", "Cancelled", "Untriggered",
            "Triggered", "Deactivated", "Active"),
    OPEN_IN("usdc-private", MEMBER_EXEC_TYPE, "TRADE", "newed", "SETTLEMENT", "DELIVERY",
            "LIQUIDATION"),
    OPEN_IN("usdc-private", MEMBER_CANCEL_TYPE, "UNKNOWN", "CancelByUser", "CancelByReduceOnly"),
    OPEN_IN("usdc-private", MEMBER_POSITION_STATUS, "NORMAL"),
    CLOSED_IN("spot-private", MEMBER_SIDE, "BUY", "SELL"),
    OPEN_IN("spot-private", MEMBER_ORDER_STATUS, "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED",
            "ORDER_CANCELED", "PENDING_CANCEL", "PENDING_NEW", "REJECTED"),
    OPEN_IN("spot-private", MEMBER_ORDER_TYPE, "LIMIT", "MARKET", "LIMIT_MAKER", "MARKET_OF_BASE",
            "MARKET_OF_QUOTE"),
    OPEN_IN("copytrade", MEMBER_ORDER_STATUS, "OpenOrderFilled"),
    OPEN_IN("v5-private", MEMBER_CATEGORY, "spot", "linear", "inverse", "option", "combination",
            "future_leg", "spot_leg", "UTA_USDT"),
    CLOSED(MEMBER_SIDE, "Buy", "Sell", "None"),
    CLOSED(MEMBER_TICK_DIRECTION, "PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick"),
    CLOSED(MEMBER_ORDER_TYPE, "Market", "Limit", "UNKNOWN"),
    CLOSED(MEMBER_ORDER_STATUS, "Created", "New", "Rejected", "PartiallyFilled",
           "PartiallyFilledCanceled", "Filled", "Cancelled", "PendingCancel", "Untriggered",
           "Triggered", "Deactivated", "Active"),
    CLOSED(MEMBER_TIME_IN_FORCE, "GTC", "IOC", "FOK", "PostOnly", "RPI", "GoodTillCancel",
           "ImmediateOrCancel", "FillOrKill"),
    CLOSED(MEMBER_EXEC_TYPE, "Trade", "AdlTrade", "Funding", "BustTrade", "Delivery", "Settle",
           "BlockTrade", "MovePosition", "FutureSpread", "UNKNOWN"),
    CLOSED(MEMBER_TRIGGER_BY, "LastPrice", "IndexPrice", "MarkPrice", "UNKNOWN"),
    CLOSED(MEMBER_TP_TRIGGER_BY, "LastPrice", "IndexPrice", "MarkPrice", "UNKNOWN"),
    CLOSED(MEMBER_SL_TRIGGER_BY, "LastPrice", "IndexPrice", "MarkPrice", "UNKNOWN"),
    CLOSED(MEMBER_TP_SL_MODE, "Full", "Partial", "UNKNOWN"),
    CLOSED(MEMBER_STOP_ORDER_TYPE, "TakeProfit", "StopLoss", "TrailingStop", "Stop",
           "PartialTakeProfit", "PartialStopLoss", "tpslOrder", "OcoOrder", "MmRateClose",
           "BidirectionalTpslOrder", "UNKNOWN"),
    CLOSED(MEMBER_PRE_LISTING_PHASE, "NotStarted", "Finished", "CallAuction", "CallAuctionNoCancel",
           "CrossMatching", "ContinuousTrading"),
    CLOSED(MEMBER_SMP_TYPE, "None", "CancelMaker", "CancelTaker", "CancelBoth"),
    CLOSED(MEMBER_POSITION_STATUS, "Normal", "Liq", "Adl"),
    CLOSED(MEMBER_POSITION_MODE, "BothSide", "MergedSingle"),
    CLOSED(MEMBER_CREATE_TYPE, "CreateByUser", "CreateByFutureSpread", "CreateByAdminClosing",
           "CreateBySettle", "CreateByStopOrder", "CreateByTakeProfit", "CreateByPartialTakeProfit",
           "CreateByStopLoss", "CreateByPartialStopLoss", "CreateByTrailingStop",
           "CreateByTrailingProfit", "CreateByLiq", "CreateByTakeOver_PassThrough",
           "CreateByAdl_PassThrough", "CreateByBlock_PassThrough",
           "CreateByBlockTradeMovePosition_PassThrough", "CreateByClosing", "CreateByFGridBot",
           "CloseByFGridBot", "CreateByTWAP", "CreateByTVSignal", "CreateByMmRateClose",
           "CreateByMartingaleBot", "CloseByMartingaleBot", "CreateByIceBerg", "CreateByArbitrage",
           "CreateByDdh", "CreateByBboOrder"),
    CLOSED(MEMBER_CANCEL_TYPE, "CancelByUser", "CancelByReduceOnly", "CancelByPrepareLiq",
           "CancelAllBeforeLiq", "CancelByPrepareAdl", "CancelAllBeforeAdl", "CancelByAdmin",
           "CancelBySettle", "CancelByTpSlTsClear", "CancelByPzSideCh", "CancelBySmp",
           "CancelByDCP", "CancelByRebalance", "CancelByOCOTpCanceledBySlTriggered",
           "CancelByOCOSlCanceledByTpTriggered", "CancelByCannotAffordOrderCost",
           "CancelByPmTrialMmOverEquity", "CancelByAccountBlocking", "CancelByDelivery",
           "CancelByMmpTriggered", "CancelByCrossSelfMuch", "CancelByCrossReachMaxTradeNum",
           "UNKNOWN"),
    CLOSED(MEMBER_REJECT_REASON, "EC_NoError", "EC_Others", "EC_UnknownMessageType",
           "EC_MissingClOrdID", "EC_MissingOrigClOrdID", "EC_ClOrdIDOrigClOrdIDAreTheSame",
           "EC_DuplicatedClOrdID", "EC_OrigClOrdIDDoesNotExist", "EC_TooLateToCancel",
           "EC_UnknownOrderType", "EC_UnknownSide", "EC_UnknownTimeInForce", "EC_WronglyRouted",
           "EC_MarketOrderPriceIsNotZero", "EC_LimitOrderInvalidPrice", "EC_NoEnoughQtyToFill",
           "EC_NoImmediateQtyToFill", "EC_PerCancelRequest", "EC_MarketOrderCannotBePostOnly",
           "EC_PostOnlyWillTakeLiquidity", "EC_CancelReplaceOrder", "EC_InvalidSymbolStatus",
           "EC_CancelForNoFullFill", "EC_BySelfMatch", "EC_InCallAuctionStatus",
           "EC_QtyCannotBeZero", "EC_MarketOrderNoSupportTIF", "EC_ReachMaxTradeNum",
           "EC_InvalidPriceScale", "EC_BitIndexInvalid", "EC_StopBySelfMatch", "EC_InvalidSmpType",
           "EC_CancelByMMP", "EC_InvalidUserType", "EC_InvalidMirrorOid", "EC_InvalidMirrorUid",
           "EC_EcInvalidQty", "EC_InvalidAmount", "EC_LoadOrderCancel", "EC_MarketQuoteNoSuppSell",
           "EC_DisorderOrderID", "EC_InvalidBaseValue", "EC_LoadOrderCanMatch",
           "EC_SecurityStatusFail", "EC_ReachRiskPriceLimit", "EC_OrderNotExist",
           "EC_CancelByOrderValueZero", "EC_CancelByMatchValueZero", "EC_ReachMarketPriceLimit"),
    CLOSED(MEMBER_ACCOUNT_TYPE, "UNIFIED", "FUND", "CONTRACT", "SPOT", "OPTION"),
    OPEN(MEMBER_PLACE_TYPE, "price", "iv"),
    OPEN(MEMBER_PLACE_MODE, "basic"),
    OPEN(MEMBER_OCO_TRIGGER_BY, "OcoTriggerByUnknown", "OcoTriggerByTp", "OcoTriggerByBySl"),
    OPEN(MEMBER_SLIPPAGE_TYPE, "UNKNOWN", "TickSize", "Percent"),
    OPEN(MEMBER_CATEGORY, "spot", "linear", "inverse", "option"),
    CLOSED(MEMBER_ORDER_FILTER, "Order", "tpslOrder", "StopOrder"),
    CLOSED(MEMBER_TP_ORDER_TYPE, "Market", "Limit"),
    CLOSED(MEMBER_SL_ORDER_TYPE, "Market", "Limit"),
    CLOSED(MEMBER_BBO_SIDE_TYPE, "Queue", "Counterparty"),
    OPEN(MEMBER_CONTRACT_TYPE, "InversePerpetual", "LinearPerpetual", "InverseFutures",
         "LinearFutures"),
    OPEN(MEMBER_CONTRACT_STATUS, "PreLaunch", "Trading", "Settling", "Delivering", "Closed"),
    OPEN(MEMBER_LIQUIDATION_TYPE, "NO_LIQ", "IOC"),
    OPEN(MEMBER_SERVICE_TYPE, "PORTFOLIO_MARGIN"),
    OPEN(MEMBER_OPERATION_TYPE, "SELF"),
    OPEN(MEMBER_STRATEGY_TYPE, "iceberg", "chase", "twap"),
    OPEN(MEMBER_MAINTAIN_TYPE, "1", "2", "3"),
    {MEMBER_NONE, NULL, NULL, 0},
};
/* clang-format on */
