/* The simulated account: a seeded trader whose orders are matched in the same markets as the order
 * flow's. It opens a position in a symbol, or closes the one it has, with a stop order that is
 * triggered at once and becomes a market order. Its balance pays a fee for each fill, and knows no
 * profits.
 *
 * A family calls account_act in place of a step of the flow, and after the event takes the
 * account's events, each with the state after it, for private streams. One thread. */
#ifndef TD_SIM_ACCOUNT_H
#define TD_SIM_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "sim/catalog.h"
#include "sim/symbol.h"

typedef struct account account;

enum {
    ACCOUNT_SYMBOLS_MAX = 2 * CATALOG_PRODUCTS_MAX, /* it trades in the first symbols of a family */
    ACCOUNT_MONEY_PLACES = 8,                       /* of all amounts of money in this header */
};

typedef enum account_status {
    ACCOUNT_UNTRIGGERED,
    ACCOUNT_TRIGGERED,
    ACCOUNT_NEW,
    ACCOUNT_PARTLY_FILLED,
    ACCOUNT_FILLED,
} account_status;

typedef struct account_order {
    uint64_t id[2];  /* random bits */
    uint32_t serial; /* from 1; the client's order id is made of it */
    account_status status;
    market_side side;
    int64_t size; /* lots */
    int64_t filled;
    int64_t money;  /* value of the filled part */
    int64_t fee;    /* of the filled part */
    sim_trade last; /* the last fill, as the public trade */
    int64_t last_fee;
} account_order;

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

/* Act in place of the flow, or not, before symbol_end_event of the index-th symbol. Returns 1 if
 * the account made the event, 0 if the flow has to. All earlier events must have been taken. */
int account_act(account *a, uint32_t index, const sim_symbol *s);

/* The next event, or NULL. Valid until the next call. */
const account_event *account_next_event(account *a);

/* Set the private values of a frame. */
void account_set_event(const account_event *event, const sim_symbol *s, sim_value *values);

#endif
