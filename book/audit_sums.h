/* Trades of one symbol and line as running sums: "what do those between here and there add up to"
 * costs a subtraction. A position is the number of trades before it since the store was opened.
 * Grows by doubling up to LIMIT_AUDIT_TRADES. For book/audit_trades.c alone. */
#ifndef TD_BOOK_AUDIT_SUMS_H
#define TD_BOOK_AUDIT_SUMS_H

#include <stdint.h>

#include "base/decimal.h"
#include "book/state_io.h"
#include "base/attr.h"
#include "schema/message.h"

__extension__ typedef __int128 sum128;

/* In units of 10^-18. */
typedef struct trade_sum {
    sum128 volume;
    sum128 turnover; /* price times size */
} trade_sum;

typedef struct trade_store trade_store;

trade_store *trade_store_open(void);
void trade_store_close(trade_store *store);

/* Bytes of memory that the store holds. */
size_t trade_store_bytes(const trade_store *store);

/* Forget all trades, and from when on they are complete. Positions continue. */
void trade_store_forget(trade_store *store);

/* Save the trades, or load them into a store that was just opened. */
void trade_store_walk(trade_store *store, state_io *io);

/* Receive time from which on no trade is missing by design; 0: not known. */
void trade_store_begin(trade_store *store, uint64_t since_ns);
uint64_t trade_store_since(const trade_store *store);

/* 1 if there is no space for another trade. */
int trade_store_is_full(const trade_store *store);

/* Make space, by dropping trades before a position and by growing. 0: half of LIMIT_AUDIT_TRADES is
 * still needed. */
TD_MUST_USE int trade_store_make_space(trade_store *store, uint64_t needed_from);

/* Append a trade; the store is not full. 0: its value does not fit. */
TD_MUST_USE int trade_store_add(trade_store *store, const msg_trade *trade);

/* First position that is held, and the one after the last trade. */
uint64_t trade_store_first(const trade_store *store);
uint64_t trade_store_end(const trade_store *store);

/* Exchange time of the last trade; 0 if absent. */
int64_t trade_store_last_ns(const trade_store *store);

/* The position of the first trade whose exchange time is at or after that. */
uint64_t trade_store_find(const trade_store *store, int64_t exchange_ns);

/* Sum of the trades from one position to another. */
trade_sum trade_store_sum(const trade_store *store, uint64_t from, uint64_t to);

/* The position to, from < to <= reach, at which the trades after from sum up to this; its turnover
 * counts if has_turnover. TRADE_STORE_NONE if absent. */
uint64_t trade_store_match(const trade_store *store, uint64_t from, uint64_t reach,
                           const trade_sum *sum, int has_turnover);
#define TRADE_STORE_NONE UINT64_MAX

/* Save a sum of one reading, or load it. */
void trade_sum_walk(trade_sum *sum, state_io *io);

/* A decimal in units of 10^-18; and a sum in units of 10^-8, as far as it fits. */
sum128 trade_sum_of(td_decimal value);
int64_t trade_sum_e8(sum128 value);

#endif
