/* Every meaning that a field of any topic can have: its enumerator (MEMBER_SYMBOL) and its name in
 * JSON ("symbol"). One meaning has one member, however the families spell it; look here before
 * adding one. Times end in _ns whatever the frame's unit: a message holds them in ns. Values are
 * not stored, so the order may change. For message.h and message.c alone. */
#ifndef TD_SCHEMA_MESSAGE_MEMBERS_H
#define TD_SCHEMA_MESSAGE_MEMBERS_H

#ifdef __cplusplus
extern "C" {
#endif

/* identity and order */
#define MEMBERS_IDENTITY(X)                                                                        \
    X(SYMBOL, "symbol")                                                                            \
    X(SIDE, "side")                                                                                \
    X(PRICE, "price")                                                                              \
    X(SIZE, "size")                                                                                \
    X(LEVEL_ID, "id")                                                                              \
    X(CROSS_SEQ, "cross_seq")                                                                      \
    X(U, "u")                                                                                      \
    X(SEQ, "seq")                                                                                  \
    X(EXCHANGE_TIME, "exchange_ns")                                                                \
    X(TRANSACT_TIME, "transact_ns")                                                                \
    X(FRAME_ID, "frame_id")                                                                        \
    X(BASE_LINE, "base_line")                                                                      \
    X(PUSH_ACTION, "push_action")                                                                  \
    X(IS_FIRST, "is_first")                                                                        \
    X(IS_BINARY, "is_binary")                                                                      \
    X(REALTIME_INTERVAL, "realtime_interval")                                                      \
    X(RESERVED, "reserved")                                                                        \
    X(TRADE_ID, "trade_id")                                                                        \
    X(TICK_DIRECTION, "tick_direction")                                                            \
    X(IS_BLOCK_TRADE, "is_block_trade")                                                            \
    /* end */

/* ticker */
#define MEMBERS_TICKER(X)                                                                          \
    X(INSTRUMENT_ID, "instrument_id")                                                              \
    X(EXCHANGE_ID, "exchange_id")                                                                  \
    X(LAST_PRICE, "last_price")                                                                    \
    X(BID1_PRICE, "bid1_price")                                                                    \
    X(ASK1_PRICE, "ask1_price")                                                                    \
    X(PREV_PRICE_24H, "prev_price_24h")                                                            \
    X(PRICE_24H_PCNT, "price_24h_pcnt")                                                            \
    X(HIGH_PRICE_24H, "high_price_24h")                                                            \
    X(LOW_PRICE_24H, "low_price_24h")                                                              \
    X(PREV_PRICE_1H, "prev_price_1h")                                                              \
    X(PRICE_1H_PCNT, "price_1h_pcnt")                                                              \
    X(MARK_PRICE, "mark_price")                                                                    \
    X(INDEX_PRICE, "index_price")                                                                  \
    X(USD_INDEX_PRICE, "usd_index_price")                                                          \
    X(OPEN_INTEREST, "open_interest")                                                              \
    X(OPEN_VALUE, "open_value")                                                                    \
    X(TOTAL_TURNOVER, "total_turnover")                                                            \
    X(TURNOVER_24H, "turnover_24h")                                                                \
    X(TOTAL_VOLUME, "total_volume")                                                                \
    X(VOLUME_24H, "volume_24h")                                                                    \
    X(FUNDING_RATE, "funding_rate")                                                                \
    X(PREDICTED_FUNDING_RATE, "predicted_funding_rate")                                            \
    X(ITEM_CROSS_SEQ, "item_cross_seq")                                                            \
    X(CREATED_AT, "created_ns")                                                                    \
    X(UPDATED_AT, "updated_ns")                                                                    \
    X(NEXT_FUNDING_TIME, "next_funding_ns")                                                        \
    X(COUNTDOWN_HOUR, "countdown_hours")                                                           \
    X(FUNDING_RATE_INTERVAL, "funding_rate_interval_hours")                                        \
    X(SETTLE_TIME, "settle_ns")                                                                    \
    X(DELISTING_STATUS, "delisting_status")                                                        \
    X(FUNDING_CAP, "funding_cap")                                                                  \
    X(SINGLE_OPEN_INTEREST, "single_open_interest")                                                \
    X(SINGLE_OPEN_VALUE, "single_open_value")                                                      \
    X(PRE_OPEN_PRICE, "pre_open_price")                                                            \
    X(PRE_OPEN_SIZE, "pre_open_size")                                                              \
    X(PRE_LISTING_PHASE, "pre_listing_phase")                                                      \
    /* end */

/* ticker of dated futures */
#define MEMBERS_FUTURES(X)                                                                         \
    X(SYMBOL_NAME, "symbol_name")                                                                  \
    X(SYMBOL_YEAR, "symbol_year")                                                                  \
    X(CONTRACT_TYPE, "contract_type")                                                              \
    X(COIN, "coin")                                                                                \
    X(BASE_COIN, "base_coin")                                                                      \
    X(QUOTE_COIN, "quote_coin")                                                                    \
    X(QUOTE_SYMBOL, "quote_symbol")                                                                \
    X(POSITION_MODE, "position_mode")                                                              \
    X(IS_UP_BORROWABLE, "is_up_borrowable")                                                        \
    X(IMPORT_TIME, "import_ns")                                                                    \
    X(START_TRADING_TIME, "start_trading_ns")                                                      \
    X(TIME_TO_SETTLE, "time_to_settle_s")                                                          \
    X(SETTLE_FEE_RATE, "settle_fee_rate")                                                          \
    X(CONTRACT_STATUS, "contract_status")                                                          \
    X(SYSTEM_SUBSIDY, "system_subsidy")                                                            \
    X(FAIR_BASIS, "fair_basis")                                                                    \
    X(FAIR_BASIS_RATE, "fair_basis_rate")                                                          \
    X(BASIS_IN_YEAR, "basis_in_year")                                                              \
    X(EXPECT_PRICE, "expect_price")                                                                \
    /* end */

/* funds */
#define MEMBERS_FUNDS(X)                                                                           \
    X(WALLET_BALANCE, "wallet_balance")                                                            \
    X(AVAILABLE_BALANCE, "available_balance")                                                      \
    X(LOCKED_BALANCE, "locked_balance")                                                            \
    X(ACCOUNT_ID, "account_id")                                                                    \
    X(CAN_TRADE, "can_trade")                                                                      \
    X(CAN_WITHDRAW, "can_withdraw")                                                                \
    X(CAN_DEPOSIT, "can_deposit")                                                                  \
    X(EQUITY, "equity")                                                                            \
    X(USD_VALUE, "usd_value")                                                                      \
    X(MAX_BALANCE, "max_balance")                                                                  \
    X(FREE_BALANCE, "free_balance")                                                                \
    X(BONUS, "bonus")                                                                              \
    X(ACCOUNT_TYPE, "account_type")                                                                \
    X(ACCOUNT_IM_RATE, "account_im_rate")                                                          \
    X(ACCOUNT_IM_RATE_BY_MARK, "account_im_rate_by_mark")                                          \
    X(ACCOUNT_MM_RATE, "account_mm_rate")                                                          \
    X(ACCOUNT_MM_RATE_BY_MARK, "account_mm_rate_by_mark")                                          \
    X(ACCOUNT_LTV, "account_ltv")                                                                  \
    X(TOTAL_EQUITY, "total_equity")                                                                \
    X(TOTAL_WALLET_BALANCE, "total_wallet_balance")                                                \
    X(TOTAL_MARGIN_BALANCE, "total_margin_balance")                                                \
    X(TOTAL_AVAILABLE_BALANCE, "total_available_balance")                                          \
    X(TOTAL_UNREALISED_PNL, "total_unrealised_pnl")                                                \
    X(TOTAL_IM, "total_im")                                                                        \
    X(TOTAL_IM_BY_MARK, "total_im_by_mark")                                                        \
    X(TOTAL_MM, "total_mm")                                                                        \
    X(TOTAL_MM_BY_MARK, "total_mm_by_mark")                                                        \
    X(TOTAL_ORDER_IM, "total_order_im")                                                            \
    X(TOTAL_POSITION_IM, "total_position_im")                                                      \
    X(TOTAL_POSITION_MM, "total_position_mm")                                                      \
    X(AVAILABLE_TO_WITHDRAW, "available_to_withdraw")                                              \
    X(AVAILABLE_TO_BORROW, "available_to_borrow")                                                  \
    X(BORROW_AMOUNT, "borrow_amount")                                                              \
    X(ACCRUED_INTEREST, "accrued_interest")                                                        \
    X(SPOT_BORROW, "spot_borrow")                                                                  \
    X(SPOT_HEDGING_SIZE, "spot_hedging_size")                                                      \
    X(CAN_BE_COLLATERAL, "can_be_collateral")                                                      \
    X(IS_COLLATERAL, "is_collateral")                                                              \
    X(COLLATERAL_RESTRICTION, "collateral_restriction")                                            \
    /* end */

/* books, candles and trades beyond their structs */
#define MEMBERS_MARKET(X)                                                                          \
    X(BID1_SIZE, "bid1_size")                                                                      \
    X(ASK1_SIZE, "ask1_size")                                                                      \
    X(VERSION, "version")                                                                          \
    X(MATCH_TIME, "match_ns")                                                                      \
    X(SEND_TIME, "send_ns")                                                                        \
    X(START, "start_ns")                                                                           \
    X(END, "end_ns")                                                                               \
    X(INTERVAL, "interval")                                                                        \
    X(KLINE_ID, "kline_id")                                                                        \
    X(OPEN, "open")                                                                                \
    X(HIGH, "high")                                                                                \
    X(LOW, "low")                                                                                  \
    X(CLOSE, "close")                                                                              \
    X(VOLUME, "volume")                                                                            \
    X(TURNOVER, "turnover")                                                                        \
    X(IS_CONFIRMED, "is_confirmed")                                                                \
    X(LAST_TRADE_TIME, "last_trade_ns")                                                            \
    X(IS_RPI_TRADE, "is_rpi_trade")                                                                \
    X(RPI_SIZE, "rpi_size")                                                                        \
    /* end */

/* options: volatilities and greeks */
#define MEMBERS_OPTION(X)                                                                          \
    X(BID1_IV, "bid1_iv")                                                                          \
    X(ASK1_IV, "ask1_iv")                                                                          \
    X(MARK_IV, "mark_iv")                                                                          \
    X(IV, "iv")                                                                                    \
    X(DELTA, "delta")                                                                              \
    X(GAMMA, "gamma")                                                                              \
    X(VEGA, "vega")                                                                                \
    X(THETA, "theta")                                                                              \
    X(UNDERLYING_PRICE, "underlying_price")                                                        \
    X(UNDERLYING_ORIGIN_PRICE, "underlying_origin_price")                                          \
    X(PREDICTED_DELIVERY_PRICE, "predicted_delivery_price")                                        \
    X(DELIVERY_TIME, "delivery_ns")                                                                \
    X(DELIVERY_DATE, "delivery_date")                                                              \
    X(IS_ESTIMATED, "is_estimated")                                                                \
    /* end */

/* orders and conditional orders */
#define MEMBERS_ORDER(X)                                                                           \
    X(CATEGORY, "category")                                                                        \
    X(ORDER_ID, "order_id")                                                                        \
    X(ORDER_LINK_ID, "order_link_id")                                                              \
    X(ORDER_TYPE, "order_type")                                                                    \
    X(ORDER_STATUS, "order_status")                                                                \
    X(TIME_IN_FORCE, "time_in_force")                                                              \
    X(AVG_PRICE, "avg_price")                                                                      \
    X(LAST_EXEC_PRICE, "last_exec_price")                                                          \
    X(LAST_EXEC_SIZE, "last_exec_size")                                                            \
    X(LEAVES_SIZE, "leaves_size")                                                                  \
    X(LEAVES_VALUE, "leaves_value")                                                                \
    X(CUM_EXEC_SIZE, "cum_exec_size")                                                              \
    X(CUM_EXEC_VALUE, "cum_exec_value")                                                            \
    X(CUM_EXEC_FEE, "cum_exec_fee")                                                                \
    X(TRIGGER_PRICE, "trigger_price")                                                              \
    X(TRIGGER_BY, "trigger_by")                                                                    \
    X(TRIGGER_DIRECTION, "trigger_direction")                                                      \
    X(TRIGGER_TIME, "trigger_ns")                                                                  \
    X(TRIGGERED_ORDER_ID, "triggered_order_id")                                                    \
    X(LAST_PRICE_ON_CREATED, "last_price_on_created")                                              \
    X(BASE_PRICE, "base_price")                                                                    \
    X(STOP_ORDER_TYPE, "stop_order_type")                                                          \
    X(TAKE_PROFIT, "take_profit")                                                                  \
    X(STOP_LOSS, "stop_loss")                                                                      \
    X(TP_TRIGGER_BY, "tp_trigger_by")                                                              \
    X(SL_TRIGGER_BY, "sl_trigger_by")                                                              \
    X(TP_SL_MODE, "tp_sl_mode")                                                                    \
    X(TRAILING_STOP, "trailing_stop")                                                              \
    X(TRAILING_ACTIVE, "trailing_active")                                                          \
    X(IS_REDUCE_ONLY, "is_reduce_only")                                                            \
    X(IS_CLOSE_ON_TRIGGER, "is_close_on_trigger")                                                  \
    X(CREATE_TYPE, "create_type")                                                                  \
    X(CANCEL_TYPE, "cancel_type")                                                                  \
    X(REJECT_REASON, "reject_reason")                                                              \
    X(PLACE_TYPE, "place_type")                                                                    \
    X(PLACE_MODE, "place_mode")                                                                    \
    X(ORDER_TIME, "order_ns")                                                                      \
    X(ORDER_IM, "order_im")                                                                        \
    X(ORDER_PNL, "order_pnl")                                                                      \
    X(CASH_FLOW, "cash_flow")                                                                      \
    X(BLOCK_TRADE_ID, "block_trade_id")                                                            \
    X(MATCH_ORDER_ID, "match_order_id")                                                            \
    X(MATCH_ACCOUNT_ID, "match_account_id")                                                        \
    X(IS_NORMAL, "is_normal")                                                                      \
    X(IS_WORKING, "is_working")                                                                    \
    X(IS_LIMIT_MAKER, "is_limit_maker")                                                            \
    X(IS_CLOSE, "is_close")                                                                        \
    X(LIQUIDATION_TYPE, "liquidation_type")                                                        \
    X(TRACE_TI, "ti")                                                                              \
    X(TRACE_SI, "si")                                                                              \
    X(PARENT_ORDER_ID, "parent_order_id")                                                          \
    X(PARENT_ORDER_LINK_ID, "parent_order_link_id")                                                \
    X(IS_LEVERAGE, "is_leverage")                                                                  \
    X(IS_POST_ONLY, "is_post_only")                                                                \
    X(IS_TRIGGERED, "is_triggered")                                                                \
    X(BROKER_ORDER_PRICE, "broker_order_price")                                                    \
    X(CLOSED_PNL, "closed_pnl")                                                                    \
    X(OCO_TRIGGER_BY, "oco_trigger_by")                                                            \
    X(MARKET_UNIT, "market_unit")                                                                  \
    X(SLIPPAGE_TYPE, "slippage_type")                                                              \
    X(SLIPPAGE, "slippage")                                                                        \
    X(TP_LIMIT_PRICE, "tp_limit_price")                                                            \
    X(SL_LIMIT_PRICE, "sl_limit_price")                                                            \
    X(SMP_TYPE, "smp_type")                                                                        \
    X(SMP_GROUP, "smp_group")                                                                      \
    X(SMP_ORDER_ID, "smp_order_id")                                                                \
    X(CUM_FEE_DETAIL, "cum_fee_detail")                                                            \
    X(IS_RPI_TAKER, "is_rpi_taker")                                                                \
    X(RPI_MATCHED_SIZE, "rpi_matched_size")                                                        \
    /* end */

/* orders that the exchange makes over time */
#define MEMBERS_STRATEGY(X)                                                                        \
    X(STRATEGY_ID, "strategy_id")                                                                  \
    X(STRATEGY_TYPE, "strategy_type")                                                              \
    X(STRATEGY_STATUS, "strategy_status")                                                          \
    X(STRATEGY_START, "strategy_start_ns")                                                         \
    X(STRATEGY_END, "strategy_end_ns")                                                             \
    X(STRATEGY_PREFERENCE, "strategy_preference")                                                  \
    X(STRATEGY_VALUE, "strategy_value")                                                            \
    X(DURATION, "duration_s")                                                                      \
    X(EXECUTED_DURATION, "executed_duration_s")                                                    \
    X(ORDER_INTERVAL, "order_interval_s")                                                          \
    X(TERMINATE_TYPE, "terminate_type")                                                            \
    X(TERMINATE_REMARK, "terminate_remark")                                                        \
    X(IS_RANDOM, "is_random")                                                                      \
    X(TRIGGER_COUNT, "trigger_count")                                                              \
    X(TRADING_COUNT, "trading_count")                                                              \
    X(CHASE_DISTANCE, "chase_distance")                                                            \
    X(CHASE_PCNT, "chase_pcnt")                                                                    \
    X(MAX_CHASE_PRICE, "max_chase_price")                                                          \
    X(CHASE_ORDER_PRICE, "chase_order_price")                                                      \
    X(ORDER_PRICE_OFFSET, "order_price_offset")                                                    \
    /* end */

/* executions */
#define MEMBERS_EXECUTION(X)                                                                       \
    X(EXEC_ID, "exec_id")                                                                          \
    X(EXEC_TYPE, "exec_type")                                                                      \
    X(EXEC_TIME, "exec_ns")                                                                        \
    X(EXEC_PRICE, "exec_price")                                                                    \
    X(EXEC_SIZE, "exec_size")                                                                      \
    X(EXEC_VALUE, "exec_value")                                                                    \
    X(EXEC_FEE, "exec_fee")                                                                        \
    X(FEE_RATE, "fee_rate")                                                                        \
    X(FEE_COIN, "fee_coin")                                                                        \
    X(IS_MAKER, "is_maker")                                                                        \
    X(LAST_LIQUIDITY, "last_liquidity")                                                            \
    X(ORDER_PRICE, "order_price")                                                                  \
    X(ORDER_SIZE, "order_size")                                                                    \
    X(CLOSED_SIZE, "closed_size")                                                                  \
    X(EXEC_PNL, "exec_pnl")                                                                        \
    X(EXTRA_FEES, "extra_fees")                                                                    \
    X(PARENT_EXEC_ID, "parent_exec_id")                                                            \
    X(SPOT_LEG_FEE, "spot_leg_fee")                                                                \
    /* end */

/* positions */
#define MEMBERS_POSITION(X)                                                                        \
    X(POSITION_IDX, "position_idx")                                                                \
    X(POSITION_SEQ, "position_seq")                                                                \
    X(POSITION_STATUS, "position_status")                                                          \
    X(POSITION_ID, "position_id")                                                                  \
    X(POSITION_VALUE, "position_value")                                                            \
    X(POSITION_MARGIN, "position_margin")                                                          \
    X(ORDER_MARGIN, "order_margin")                                                                \
    X(POSITION_IM, "position_im")                                                                  \
    X(POSITION_MM, "position_mm")                                                                  \
    X(ENTRY_PRICE, "entry_price")                                                                  \
    X(SESSION_AVG_PRICE, "session_avg_price")                                                      \
    X(LEVERAGE, "leverage")                                                                        \
    X(LIQ_PRICE, "liq_price")                                                                      \
    X(BUST_PRICE, "bust_price")                                                                    \
    X(UNREALISED_PNL, "unrealised_pnl")                                                            \
    X(REALISED_PNL, "realised_pnl")                                                                \
    X(CUM_REALISED_PNL, "cum_realised_pnl")                                                        \
    X(POSITION_PNL, "position_pnl")                                                                \
    X(SESSION_UPL, "session_upl")                                                                  \
    X(SESSION_RPL, "session_rpl")                                                                  \
    X(ROI, "roi")                                                                                  \
    X(CUM_COMMISSION, "cum_commission")                                                            \
    X(OCC_CLOSING_FEE, "occ_closing_fee")                                                          \
    X(OCC_FUNDING_FEE, "occ_funding_fee")                                                          \
    X(FREE_SIZE, "free_size")                                                                      \
    X(TP_FREE_SIZE, "tp_free_size")                                                                \
    X(SL_FREE_SIZE, "sl_free_size")                                                                \
    X(TP_ORDER_COUNT, "tp_order_count")                                                            \
    X(SL_ORDER_COUNT, "sl_order_count")                                                            \
    X(ADL_RANK, "adl_rank")                                                                        \
    X(IS_ISOLATED, "is_isolated")                                                                  \
    X(IS_AUTO_ADD_MARGIN, "is_auto_add_margin")                                                    \
    X(RISK_ID, "risk_id")                                                                          \
    X(USER_ID, "user_id")                                                                          \
    X(TRADE_MODE, "trade_mode")                                                                    \
    X(RISK_LIMIT_VALUE, "risk_limit_value")                                                        \
    X(BREAK_EVEN_PRICE, "break_even_price")                                                        \
    X(POSITION_IM_BY_MARK, "position_im_by_mark")                                                  \
    X(POSITION_MM_BY_MARK, "position_mm_by_mark")                                                  \
    X(OPEN_TIME, "open_ns")                                                                        \
    X(MMR_SYS_UPDATED, "mmr_sys_updated_ns")                                                       \
    X(LEVERAGE_SYS_UPDATED, "leverage_sys_updated_ns")                                             \
    /* end */

/* notices: status, limits, alerts */
#define MEMBERS_NOTICE(X)                                                                          \
    X(TITLE, "title")                                                                              \
    X(STATE, "state")                                                                              \
    X(PUSH_ID, "push_id")                                                                          \
    X(SERVICE_TYPE, "service_type")                                                                \
    X(OPERATION_TYPE, "operation_type")                                                            \
    X(SERVICE_STEP, "service_step")                                                                \
    X(FROZEN_PERIOD, "frozen_period_ms")                                                           \
    X(REQUEST_ID, "request_id")                                                                    \
    X(BUY_LIMIT, "buy_limit")                                                                      \
    X(SELL_LIMIT, "sell_limit")                                                                    \
    X(NOTICE_ID, "notice_id")                                                                      \
    X(HREF, "href")                                                                                \
    X(SERVICE_TYPES, "service_types")                                                              \
    X(PRODUCTS, "products")                                                                        \
    X(UID_SUFFIXES, "uid_suffixes")                                                                \
    X(MAINTAIN_TYPE, "maintain_type")                                                              \
    X(ENVIRONMENT, "environment")                                                                  \
    X(PNL_RATIO, "pnl_ratio")                                                                      \
    X(ADL_TRIGGER_RATIO, "adl_trigger_ratio")                                                      \
    X(ADL_TRIGGER_BALANCE, "adl_trigger_balance")                                                  \
    X(ADL_STOP_RATIO, "adl_stop_ratio")                                                            \
    /* end */

/* leveraged tokens */
#define MEMBERS_LEVERAGED(X)                                                                       \
    X(NAV, "nav")                                                                                  \
    X(BASKET, "basket")                                                                            \
    X(BASKET_POSITION, "basket_position")                                                          \
    X(BASKET_LOAN, "basket_loan")                                                                  \
    X(CIRCULATION, "circulation")                                                                  \
    /* end */

#define MEMBERS(X)                                                                                 \
    MEMBERS_IDENTITY(X)                                                                            \
    MEMBERS_TICKER(X)                                                                              \
    MEMBERS_FUTURES(X)                                                                             \
    MEMBERS_FUNDS(X)                                                                               \
    MEMBERS_MARKET(X)                                                                              \
    MEMBERS_OPTION(X)                                                                              \
    MEMBERS_ORDER(X)                                                                               \
    MEMBERS_STRATEGY(X)                                                                            \
    MEMBERS_EXECUTION(X)                                                                           \
    MEMBERS_POSITION(X)                                                                            \
    MEMBERS_NOTICE(X)                                                                              \
    MEMBERS_LEVERAGED(X)                                                                           \
    /* end */

#ifdef __cplusplus
}
#endif

#endif
