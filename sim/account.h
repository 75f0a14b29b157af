/* The simulated account. Its orders are matched in the same markets as the orders of the flow
 * (sim/flow.h). A seeded trader acts for it: in each symbol it opens a position, or closes the
 * existing one, with a stop order that is triggered at once and becomes a market order. The balance
 * pays a fee for each fill; profits and losses do not change it.
 *
 * Clients may place, amend and cancel orders of the account (order entry). A request is checked at
 * once and executed in one of the symbol's next events. A limit order that is not filled waits:
 * books do not show it, and it trades when the other side reaches its price. Once clients trade a
 * symbol, the seeded trader stops trading it.
 *
 * A family calls account_act() instead of a step of the flow. After the event it takes the
 * account's events, each with the state after it, for private streams. One thread. */
#ifndef TD_SIM_ACCOUNT_H
#define TD_SIM_ACCOUNT_H

#include <stdint.h>

#include "base/bytes.h"
#include "schema/dialect.h"
#include "sim/catalog_row.h"
#include "sim/symbol.h"

typedef struct account account;

enum {
    /* The account trades at most this many symbols, the first ones of its family. */
    ACCOUNT_SYMBOLS_MAX = CATALOG_ACCOUNT_SYMBOLS * CATALOG_PRODUCTS_MAX,
    ACCOUNT_MONEY_PLACES = 8, /* decimal places of all amounts of money in this file */
    ACCOUNT_ORDERS_MAX = 500, /* limit of the clients' open orders, as on the exchange */
    ACCOUNT_LINK_BYTES = 37,  /* size of a client's id of an order, with its NUL */
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

/* How long an order may wait for its price. */
typedef enum account_duration {
    DURATION_GTC,
    DURATION_IOC,
    DURATION_POST_ONLY,
    DURATION_COUNT,
} account_duration;

/* Their words, in requests and in frames. */
extern const char *const ACCOUNT_DURATIONS[DURATION_COUNT];

/* The category of a symbol, in requests and in frames. */
const char *account_category(const instrument *traded);

/* The terms of an order, which clients choose. */
typedef struct account_terms {
    uint32_t symbol;
    market_side side;
    int64_t size;  /* lots */
    int64_t limit; /* as engine price; market_any_price() for a market order */
    account_duration duration;
    char link[ACCOUNT_LINK_BYTES]; /* the client's id of the order; empty: none */
} account_terms;

typedef struct account_order {
    account_terms terms;
    account_terms next_terms; /* if has_next: the terms after a change that is not yet executed */
    uint8_t has_next;
    uint64_t id[2];  /* random bits */
    uint32_t serial; /* number of the order, from 1 */
    account_status status;
    uint8_t is_due; /* 1: a client's order that was placed or changed, and has had no event since */
    uint8_t is_maker;   /* 1: the order waited before its current fills */
    uint8_t is_by_user; /* 1: the client cancelled it */
    uint8_t is_planned; /* 1: an order of the seeded trader */
    int64_t filled;
    int64_t money;  /* value of the filled part */
    int64_t fee;    /* total for the filled part */
    sim_trade last; /* the last fill, as the public trade */
    int64_t last_fee;
} account_order;

/* The position in a symbol. */
typedef struct account_holding {
    int64_t lots;  /* negative for a short position; in spot, lots of the coin */
    int64_t entry; /* price of the position's first fill, in units of the last decimal place */
} account_holding;

/* A change of the account, with the account's state after it. */
typedef struct account_event {
    stream_kind kind; /* the kind of stream that shows it: STREAM_ORDER to STREAM_WALLET */
    uint32_t symbol;
    account_order order; /* the order that changed; in a position or wallet event, the last one */
    account_holding held;
    int64_t wallet; /* the balance of the account; there is only one, which messages show as the
                       balance of whatever coin they name */
    char order_id[SYMBOL_ID_BYTES];
    char exec_id[SYMBOL_ID_BYTES];
} account_event;

/* Open an account; the same seed gives the same orders. Close accepts NULL. */
account *account_open(uint64_t seed);
void account_close(account *a);

/* ---- orders of clients ---- */

/* Place an order. *made, the order, is valid until the account's next call. */
refusal account_place(account *a, const sim_symbol *s, const account_terms *terms,
                      const account_order **made);

/* The open order of a symbol with this id or, if id is empty, with this client id; NULL if
 * absent. */
account_order *account_find(account *a, const sim_symbol *s, uint32_t index, td_bytes id,
                            td_bytes link);

/* Change the size and limit of an open order, or cancel it; 0 keeps a value. Each change has an
 * event, so a second change is executed only after the event of the first. */
refusal account_amend(account *a, const sim_symbol *s, account_order *order, int64_t size,
                      int64_t limit);
void account_cancel(account_order *order);

/* The exchange's id of an order. */
void account_format_id(const sim_symbol *s, const account_order *order, char out[SYMBOL_ID_BYTES]);

/* The symbol of an order that is due, so that its event should be next; ACCOUNT_SYMBOLS_MAX if no
 * order is due. */
uint32_t account_due(const account *a);

/* ---- events ---- */

/* Act in the index-th symbol, instead of the flow and before symbol_end_event(). Returns 1 if the
 * account made the market's event, 0 if the flow must make it. All earlier events must have been
 * taken. */
int account_act(account *a, uint32_t index, const sim_symbol *s);

/* The next event of the account, or NULL at the end. Valid until the next call. */
const account_event *account_next_event(account *a);

/* Set the values of a private frame for an event. */
void account_set_event(const account_event *event, const sim_symbol *s, sim_value *values);

#endif
