/* Order entry: reads a client's request about an order, has the account do it, and makes the answer
 * (docs/wire.md 3.8). One thread. */
#ifndef TD_SIM_ORDER_ENTRY_H
#define TD_SIM_ORDER_ENTRY_H

#include <stdint.h>

#include "base/bytes.h"
#include "sim/sim_family.h"

typedef struct order_entry order_entry;

order_entry *order_entry_open(void);
void order_entry_close(order_entry *e);

/* Who asks, and when. */
typedef struct order_entry_client {
    const char *conn_id;
    uint64_t now_ms; /* Unix ms of the exchange */
    uint8_t is_authed;
    uint8_t checks_time; /* a request that is older than its window is refused */
} order_entry_client;

/* 1 if the frame is a request about an order: *op is what it asks for, *answer the answer to it,
 * both valid until the next call. 0: it is something else, or no JSON. */
int order_entry_answer(order_entry *e, sim_family *with, const order_entry_client *client,
                       td_bytes frame, td_bytes *op, td_bytes *answer);

#endif
