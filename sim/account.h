/* The simulated account: a trader with a plan of his own (seeded), whose orders meet everybody
 * else's in the same markets. He places limit, market and stop orders, cancels some, gets fills,
 * pays fees, holds positions (coins, in spot) and a wallet. What becomes of him is a queue of
 * events, each with the state right behind it, for private streams and their truth.
 *
 * A venue asks account_act in place of a step of the flow, and tells account_see of every event in
 * a symbol that he trades in. He never trades with himself. One thread. */
#ifndef TD_SIM_ACCOUNT_H
#define TD_SIM_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "sim/symbol.h"

typedef struct account account;

enum {
    ACCOUNT_SYMBOLS = 2, /* he trades in the first ones of a venue */
    ACCOUNT_ORDERS_MAX = 16,
    ACCOUNT_MONEY_PLACES = 8, /* of all amounts of money here */
};

typedef enum account_status {
    ACCOUNT_NEW,
    ACCOUNT_PARTLY_FILLED,
    ACCOUNT_FILLED,
    ACCOUNT_CANCELLED,
    /* of stop orders, before they become orders */
    ACCOUNT_UNTRIGGERED,
    ACCOUNT_TRIGGERED,
    ACCOUNT_DEACTIVATED, /* cancelled before it was triggered */
} account_status;

typedef struct account_order {
    uint64_t id[2];  /* random bits of its UUID */
    int64_t number;  /* spot's name of it */
    uint32_t serial; /* from 1: the client's own name is made of it */
    uint32_t symbol;
    account_status status;
    market_side side;
    uint8_t is_market;
    uint8_t is_stop;
    uint8_t is_rising_trigger; /* a stop: triggered by a price at or above; else at or below */
    int32_t handle;            /* in the market; MARKET_NO_ORDER: it does not rest */
    int64_t price;             /* ticks; 0: none */
    int64_t trigger;           /* ticks, of a stop */
    int64_t size;              /* lots */
    int64_t filled;
    int64_t filled_money; /* 10^-8, likewise below */
    int64_t fee;
    int64_t last_price; /* of its last fill, in units of the last place */
    int64_t last_size;
    int64_t last_fee;
    uint64_t created_ns;
    uint64_t updated_ns;
} account_order;

typedef struct account_position {
    int64_t lots; /* negative: sold. In spot: coins that he has */
    int64_t cost; /* money that the open position was worth when it was opened */
    int64_t realised;
    uint64_t created_ns;
    uint64_t updated_ns;
} account_position;

typedef struct account_fill {
    uint64_t id[2]; /* the trade's, as everybody sees it */
    int64_t number; /* likewise */
    int64_t price;  /* in units of the last place */
    int64_t size;
    int64_t money;
    int64_t fee;
    int64_t fee_rate; /* 10^-4 */
    uint8_t is_maker;
} account_fill;

typedef enum account_event_kind {
    ACCOUNT_EVENT_ORDER,
    ACCOUNT_EVENT_STOP,
    ACCOUNT_EVENT_FILL,
    ACCOUNT_EVENT_POSITION,
    ACCOUNT_EVENT_WALLET,
} account_event_kind;

/* Something happened to the account; all its state is that right behind it. */
typedef struct account_event {
    account_event_kind kind;
    uint32_t symbol;
    int64_t seq; /* the matching event behind it */
    uint64_t ns;
    account_order order; /* whose fill it was, of a fill */
    account_fill fill;   /* only of a fill */
    account_position position;
    int64_t wallet;      /* balance of the settlement coin */
    int64_t locked;      /* of it, in positions and orders */
    int64_t base_locked; /* spot: lots in sell orders */
} account_event;

/* A new account. TD_E_NOMEM. */
TD_MUST_USE td_result account_open(uint64_t seed, account **out, td_err *err);
void account_close(account *a);

/* An event is due in the index-th symbol: 1 if the account has made it, 0 if it is somebody else's
 * turn. Between symbol_begin_event and symbol_end_event. */
int account_act(account *a, uint32_t index, sim_symbol *s);

/* That event has happened, whoever made it. */
void account_see(account *a, uint32_t index, sim_symbol *s);

/* The oldest event that was not taken yet; NULL: none. Valid until account_see. */
const account_event *account_next_event(account *a);

/* 1 if there are any: then they are to be taken or forgotten before the next account_act. */
int account_has_events(const account *a);
void account_forget_events(account *a);

/* The index-th open order, and what there is of a symbol; NULL: none. */
const account_order *account_open_order(const account *a, size_t index);
const account_position *account_position_of(const account *a, uint32_t symbol);

/* Texts that values point to. */
typedef struct account_texts {
    char order_id[SYMBOL_UUID_BYTES];
    char exec_id[SYMBOL_UUID_BYTES];
    char link[24];
} account_texts;

/* Set the private values of a frame: of an event, or of an open order or a position alone. */
void account_set_event(const account_event *event, const sim_symbol *s, account_texts *texts,
                       sim_value *values);
void account_set_order(const account_order *order, const sim_symbol *s, account_texts *texts,
                       sim_value *values);
void account_set_position(const account_position *position, const sim_symbol *s, sim_value *values);

#endif
