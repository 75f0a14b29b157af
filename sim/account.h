/* The simulated account: a seeded trader whose orders are matched in the same markets as the order
 * flow's. It opens a position in a symbol, or closes the one it has, with a stop order that is
 * triggered at once and becomes a market order. Its balance pays a fee for each fill, and knows no
 * profits.
 *
 * Clients may place, amend and cancel orders of the account (order entry). What a client asks for
 * is judged at once and done in one of the symbol's next events. A limit order that is not filled
 * waits: no book shows it, and it trades once the other side reaches its price. The seeded trader
 * leaves a symbol alone in which clients trade.
 *
 * A family calls account_act in place of a step of the flow, and after the event takes the
 * account's events, each with the state after it, for private streams. One thread. */
#ifndef TD_SIM_ACCOUNT_H
#define TD_SIM_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sim/catalog.h"
#include "sim/symbol.h"

typedef struct account account;

enum {
    ACCOUNT_SYMBOLS_MAX = 2 * CATALOG_PRODUCTS_MAX, /* it trades in the first symbols of a family */
    ACCOUNT_MONEY_PLACES = 8,                       /* of all amounts of money in this header */
    ACCOUNT_ORDERS_MAX = 500,                       /* open orders of clients, as the exchange's */
    ACCOUNT_LINK_BYTES = 37,                        /* a client's own id of an order, and a NUL */
};

typedef enum account_status {
    ACCOUNT_UNTRIGGERED,
    ACCOUNT_TRIGGERED,
    ACCOUNT_NEW,
    ACCOUNT_PARTLY_FILLED,
    ACCOUNT_FILLED,
    ACCOUNT_CANCELLED,
    ACCOUNT_PARTLY_CANCELLED, /* in spot, where contracts are just cancelled */
} account_status;

/* How long an order waits for its price. */
typedef enum account_duration { DURATION_GTC, DURATION_IOC, DURATION_POST_ONLY } account_duration;

/* What clients decide of an order. */
typedef struct account_terms {
    uint32_t symbol;
    market_side side;
    int64_t size;  /* lots */
    int64_t limit; /* the engine's price; market_any_price(): a market order */
    account_duration duration;
    char link[ACCOUNT_LINK_BYTES]; /* empty: none */
} account_terms;

typedef struct account_order {
    account_terms of;
    account_terms next; /* of a change that waits for the event that is due; only if has_next */
    uint8_t has_next;
    uint64_t id[2];  /* random bits */
    uint32_t serial; /* from 1 */
    account_status status;
    uint8_t is_due;     /* a client's: it was placed or changed since its last event */
    uint8_t is_maker;   /* its present fills come after it waited */
    uint8_t is_by_user; /* the client cancelled it */
    uint8_t is_planned; /* the seeded trader's */
    int64_t filled;
    int64_t money;  /* value of the filled part */
    int64_t fee;    /* of the filled part */
    sim_trade last; /* the last fill, as the public trade */
    int64_t last_fee;
} account_order;

/* Why a client's request is refused. */
typedef enum account_refusal {
    ACCOUNT_GRANTED,
    ACCOUNT_NO_MONEY,
    ACCOUNT_NO_ORDER,     /* unknown, or done */
    ACCOUNT_LINK_IN_USE,  /* an open order has it */
    ACCOUNT_TOO_MANY,     /* open orders */
    ACCOUNT_FILLED_ABOVE, /* the size is not above what is filled */
    /* By order entry, which reads the request: */
    ACCOUNT_BAD_PARAMS,
    ACCOUNT_BAD_SIZE,
    ACCOUNT_BAD_PRICE,
    ACCOUNT_NOT_AUTHED,
    ACCOUNT_LATE,
    ACCOUNT_UNKNOWN_OP,
    ACCOUNT_UNKNOWN_CATEGORY,
    ACCOUNT_UNKNOWN_SYMBOL,
} account_refusal;

/* The position in a symbol. */
typedef struct account_holding {
    int64_t lots;  /* negative: short; in spot: lots of the coin */
    int64_t entry; /* price of its first fill, in units of the last place */
} account_holding;

/* A change of the account, with its state after it. */
typedef struct account_event {
    stream_kind kind; /* the kind of stream that shows it: STREAM_ORDER to STREAM_WALLET */
    uint32_t symbol;
    account_order order; /* the order concerned; for a position or wallet event, the last order */
    account_holding held;
    int64_t wallet; /* the balance: one number for all coins */
    char order_id[SYMBOL_ID_BYTES];
    char exec_id[SYMBOL_ID_BYTES];
} account_event;

account *account_open(uint64_t seed);
void account_close(account *a);

/* ---- orders of clients ---- */

/* Place an order. *made: valid until the account's next call. */
account_refusal account_place(account *a, const sim_symbol *s, const account_terms *terms,
                              const account_order **made);

/* The open order of a symbol that has this id or else this link, one of them empty; NULL: none. */
account_order *account_find(account *a, const sim_symbol *s, uint32_t index, td_bytes id,
                            td_bytes link);

/* Give an open order another size and limit; 0: as it is. Each change has an event of its own, so
 * one that comes before the event of the last waits for that. */
account_refusal account_amend(account *a, const sim_symbol *s, account_order *order, int64_t size,
                              int64_t limit);
void account_cancel(account_order *order);

/* The exchange's id of an order. */
void account_format_id(const sim_symbol *s, const account_order *order, char out[SYMBOL_ID_BYTES]);

/* The symbol of an order that is due, whose event should be next; ACCOUNT_SYMBOLS_MAX: none is. */
uint32_t account_due(const account *a);

/* ---- events ---- */

/* Act in place of the flow, or not, before symbol_end_event of the index-th symbol. Returns 1 if
 * the account made the event, 0 if the flow has to. All earlier events must have been taken. */
int account_act(account *a, uint32_t index, const sim_symbol *s);

/* The next event, or NULL. Valid until the next call. */
const account_event *account_next_event(account *a);

/* Set the private values of a frame. */
void account_set_event(const account_event *event, const sim_symbol *s, sim_value *values);

#endif
