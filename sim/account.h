/* The simulated account: a seeded trader whose orders are matched in the same markets as the
 * flow's. Now and then it opens a position in a symbol, or closes the one that it has, with a
 * market or a limit order that trades at once; limit orders that do not trade are cancelled, and
 * stop orders are placed and then triggered or deactivated. It pays a fee for each fill. What
 * becomes of it is a queue of events, each with the state after it, for private streams and their
 * truth.
 *
 * A venue calls account_act in place of a step of the flow, and account_see after the event if the
 * account has made it. One thread. */
#ifndef TD_SIM_ACCOUNT_H
#define TD_SIM_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "sim/catalog.h"
#include "sim/symbol.h"

typedef struct account account;

enum {
    ACCOUNT_SYMBOLS_MAX = 2 * CATALOG_PRODUCTS_MAX, /* it trades in the first ones of a venue */
    ACCOUNT_MONEY_PLACES = 8,                       /* of all amounts of money here */
};

typedef enum account_status {
    ACCOUNT_NEW,
    ACCOUNT_PARTLY_FILLED,
    ACCOUNT_FILLED,
    ACCOUNT_CANCELLED,
    /* of stop orders, before they become orders */
    ACCOUNT_UNTRIGGERED,
    ACCOUNT_TRIGGERED,
    ACCOUNT_DEACTIVATED,
} account_status;

typedef struct account_order {
    uint64_t id[2];  /* random bits */
    uint32_t serial; /* from 1: the client's own name is made of it; 0: there is no order */
    account_status status;
    market_side side;
    uint8_t is_market;
    uint8_t is_stop;
    int64_t price;   /* in units of the last place; 0: none */
    int64_t trigger; /* likewise, of a stop */
    int64_t size;    /* lots */
    int64_t filled;
    int64_t money;  /* of what is filled */
    int64_t fee;    /* likewise */
    sim_trade last; /* its last fill, as the public trade */
    int64_t last_money;
    int64_t last_fee;
    uint64_t created_ns;
} account_order;

/* What it has of a symbol. */
typedef struct account_holding {
    int64_t lots; /* negative: sold. In spot: coins */
    int64_t cost; /* money that the open position was worth when it was opened */
    int64_t realised;
    uint64_t created_ns;
    uint64_t updated_ns;
} account_holding;

/* Something happened to the account; all its state is that after it. */
typedef struct account_event {
    stream_kind kind; /* what it is to be shown in: STREAM_ORDER to STREAM_WALLET */
    uint32_t symbol;
    int64_t seq; /* the matching event that caused it */
    uint64_t ns;
    account_order order; /* the one that it is about; of a position or a wallet: the last one */
    account_holding held;
    int64_t wallet; /* balance of the settlement coin */
} account_event;

/* A new account. TD_E_NOMEM. */
TD_MUST_USE td_result account_open(uint64_t seed, account **out, td_err *err);
void account_close(account *a);

/* An event is due in the index-th symbol: 1 if the account has made it, 0 if the flow has to.
 * Between symbol_begin_event and symbol_end_event. All events of before were taken. */
int account_act(account *a, uint32_t index, sim_symbol *s);

/* The event that account_act made has happened. */
void account_see(account *a, uint32_t index, const sim_symbol *s);

/* The oldest event that was not taken yet; NULL: none. Valid until account_act. */
const account_event *account_next_event(account *a);

/* What there is of a symbol; NULL: nothing. */
const account_holding *account_held(const account *a, uint32_t index);

/* Texts that values point to. */
typedef struct account_texts {
    char order_id[SYMBOL_ID_BYTES];
    char exec_id[SYMBOL_ID_BYTES];
    char link[24];
} account_texts;

/* Set the private values of a frame: of an event, or of what there is of a symbol alone. */
void account_set_event(const account_event *event, const sim_symbol *s, catalog_words words,
                       account_texts *texts, sim_value *values);
void account_set_holding(const account_holding *held, const sim_symbol *s, sim_value *values);

#endif
