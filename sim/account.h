/* The simulated account: a seeded trader whose orders are matched in the same markets as the order
 * flow's. It opens a position in a symbol, or closes the one it has, with a market order; cancels
 * limit orders that do not trade; places stop orders, which are triggered or deactivated at once.
 * It pays a fee for each fill. The results are a queue of events, each with the state after it, for
 * private streams and their truth.
 *
 * A venue calls account_act in place of a step of the flow, and account_record after the event if
 * the account made it. One thread. */
#ifndef TD_SIM_ACCOUNT_H
#define TD_SIM_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "sim/catalog.h"
#include "sim/symbol.h"

typedef struct account account;

enum {
    ACCOUNT_SYMBOLS_MAX = 2 * CATALOG_PRODUCTS_MAX, /* it trades in the first symbols of a venue */
    ACCOUNT_MONEY_PLACES = 8,                       /* of all amounts of money in this header */
};

typedef enum account_status {
    ACCOUNT_NEW,
    ACCOUNT_PARTLY_FILLED,
    ACCOUNT_FILLED,
    ACCOUNT_CANCELLED,
    /* stop orders, before they become orders */
    ACCOUNT_UNTRIGGERED,
    ACCOUNT_TRIGGERED,
    ACCOUNT_DEACTIVATED,
} account_status;

typedef struct account_order {
    uint64_t id[2];  /* random bits */
    uint32_t serial; /* from 1; the client's order id is made of it; 0: no order */
    account_status status;
    market_side side;
    uint8_t is_market;
    int64_t price;   /* in units of the last place; 0: no limit */
    int64_t trigger; /* likewise; of a stop order */
    int64_t size;    /* lots */
    int64_t filled;
    int64_t money;  /* value of the filled part */
    int64_t fee;    /* of the filled part */
    sim_trade last; /* the last fill, as the public trade */
    int64_t last_money;
    int64_t last_fee;
    uint64_t created_ns;
} account_order;

/* The position in a symbol. */
typedef struct account_holding {
    int64_t lots; /* negative: short; in spot: lots of the coin */
    int64_t cost; /* value of the open position when it was opened */
    int64_t realised;
    uint64_t created_ns;
    uint64_t updated_ns;
} account_holding;

/* A change of the account, with its state after it. */
typedef struct account_event {
    stream_kind kind; /* the kind of stream that shows it: STREAM_ORDER to STREAM_WALLET */
    uint32_t symbol;
    int64_t seq; /* the matching event that caused it */
    uint64_t ns;
    account_order order; /* the order concerned; for a position or wallet event, the last order */
    account_holding held;
    int64_t wallet; /* balance of the settlement coin */
} account_event;

/* Open an account. */
account *account_open(uint64_t seed);
void account_close(account *a);

/* Act in place of the flow, or not, between symbol_begin_event and symbol_end_event of the
 * index-th symbol. Returns 1 if the account made the event, 0 if the flow has to. All earlier
 * events must have been taken. */
int account_act(account *a, uint32_t index, sim_symbol *s);

/* Record the results of the event that account_act made. */
void account_record(account *a, uint32_t index, const sim_symbol *s);

/* The oldest event not taken yet, or NULL. Valid until account_act. */
const account_event *account_next_event(account *a);

/* The position in a symbol, or NULL if absent. */
const account_holding *account_held(const account *a, uint32_t index);

/* Storage for the texts that values point to. */
typedef struct account_texts {
    char order_id[SYMBOL_ID_BYTES];
    char exec_id[SYMBOL_ID_BYTES];
    char link[24];
} account_texts;

/* Set the private values of a frame: of an event, or of a position alone. */
void account_set_event(const account_event *event, const sim_symbol *s, catalog_words words,
                       account_texts *texts, sim_value *values);
void account_set_holding(const account_holding *held, const sim_symbol *s, sim_value *values);

#endif
