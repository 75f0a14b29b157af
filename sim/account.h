/* The simulated account: a seeded trader whose orders are matched in the same markets as the order
 * flow's. In each symbol it opens a position, or closes the existing one, with a stop order that is
 * triggered at once and becomes a market order. Its balance pays a fee for each fill, and ignores
 * profits.
 *
 * Clients may place, amend and cancel orders of the account (order entry). A request is checked at
 * once and executed in one of the symbol's next events. A limit order that is not filled waits:
 * books do not show it, and it trades once the other side reaches its price. The seeded trader
 * stops trading a symbol once clients trade it.
 *
 * A family calls account_act() in place of a step of the flow. After the event it takes the
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
    ACCOUNT_SYMBOLS_MAX = 2 * CATALOG_PRODUCTS_MAX, /* it trades a family's first symbols */
    ACCOUNT_MONEY_PLACES = 8,                       /* of all amounts of money here */
    ACCOUNT_ORDERS_MAX = 500,                       /* open orders of clients, as on the exchange */
    ACCOUNT_LINK_BYTES = 37,                        /* a client's id of an order, and a NUL */
};

typedef enum account_status {
    ACCOUNT_UNTRIGGERED,
    ACCOUNT_TRIGGERED,
    ACCOUNT_NEW,
    ACCOUNT_PARTLY_FILLED,
    ACCOUNT_FILLED,
    ACCOUNT_CANCELLED,
    ACCOUNT_PARTLY_CANCELLED, /* only in spot; orders for contracts become CANCELLED */
} account_status;

/* How long an order waits for its price. */
typedef enum account_duration { DURATION_GTC, DURATION_IOC, DURATION_POST_ONLY } account_duration;

/* The terms of an order that clients choose. */
typedef struct account_terms {
    uint32_t symbol;
    market_side side;
    int64_t size;  /* lots */
    int64_t limit; /* an engine price; market_any_price(): a market order */
    account_duration duration;
    char link[ACCOUNT_LINK_BYTES]; /* empty: no client id */
} account_terms;

typedef struct account_order {
    account_terms terms;
    account_terms next_terms; /* only if has_next: the terms after a change that waits */
    uint8_t has_next;
    uint64_t id[2];  /* random bits */
    uint32_t serial; /* from 1 */
    account_status status;
    uint8_t is_due;     /* a client's order that was placed or changed since its last event */
    uint8_t is_maker;   /* the current fills occur after it waited */
    uint8_t is_by_user; /* the client cancelled it */
    uint8_t is_planned; /* the seeded trader's order */
    int64_t filled;
    int64_t money;  /* value of the filled part */
    int64_t fee;    /* for the filled part */
    sim_trade last; /* the last fill, as reported in public */
    int64_t last_fee;
} account_order;

/* Why a client's request is refused. */
typedef enum account_refusal {
    ACCOUNT_GRANTED,
    ACCOUNT_NO_MONEY,
    ACCOUNT_NO_ORDER,     /* unknown or closed */
    ACCOUNT_LINK_IN_USE,  /* an open order has the same client id */
    ACCOUNT_TOO_MANY,     /* too many open orders */
    ACCOUNT_FILLED_ABOVE, /* the new size is not above the filled size */
    /* Only from order entry, which reads the request: */
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
    int64_t entry; /* price of the position's first fill, in units of the last place */
} account_holding;

/* A change of the account, with its state after it. */
typedef struct account_event {
    stream_kind kind; /* the kind of stream that shows it: STREAM_ORDER to STREAM_WALLET */
    uint32_t symbol;
    account_order order; /* the order; in a position or wallet event the last one */
    account_holding held;
    int64_t wallet; /* balance in a single unit for all coins */
    char order_id[SYMBOL_ID_BYTES];
    char exec_id[SYMBOL_ID_BYTES];
} account_event;

/* Same seed, same orders. Close accepts NULL. */
account *account_open(uint64_t seed);
void account_close(account *a);

/* ---- orders of clients ---- */

/* Place an order. *made is valid until the account's next call. */
account_refusal account_place(account *a, const sim_symbol *s, const account_terms *terms,
                              const account_order **made);

/* The open order of a symbol with this id or, if id is empty, with this client id; NULL if
 * absent. */
account_order *account_find(account *a, const sim_symbol *s, uint32_t index, td_bytes id,
                            td_bytes link);

/* Change the size and limit of an open order; 0 keeps them. Each change has its own event, so a
 * change before the previous one's event waits for that event. Cancelling works likewise. */
account_refusal account_amend(account *a, const sim_symbol *s, account_order *order, int64_t size,
                              int64_t limit);
void account_cancel(account_order *order);

/* The exchange's id of an order. */
void account_format_id(const sim_symbol *s, const account_order *order, char out[SYMBOL_ID_BYTES]);

/* The symbol of an order whose event should be next; ACCOUNT_SYMBOLS_MAX if there is no such
 * order. */
uint32_t account_due(const account *a);

/* ---- events ---- */

/* Act before symbol_end_event() of the index-th symbol, in place of the flow. Returns 1 if the
 * account made the event, 0 if the flow must. All earlier events must have been taken. */
int account_act(account *a, uint32_t index, const sim_symbol *s);

/* The next event, or NULL at the end. Valid until the next call. */
const account_event *account_next_event(account *a);

/* Set a frame's private values. */
void account_set_event(const account_event *event, const sim_symbol *s, sim_value *values);

#endif
