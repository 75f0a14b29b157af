/* Order entry: reads a client's request about an order, executes it with the account, and writes
 * the answer (docs/wire.md 3.8). One thread. */
#ifndef TD_SIM_ORDER_ENTRY_H
#define TD_SIM_ORDER_ENTRY_H

#include <stdint.h>

#include "base/bytes.h"
#include "sim/sim_family.h"

typedef struct order_entry order_entry;

/* Open order entry. Close accepts NULL. */
order_entry *order_entry_open(void);
void order_entry_close(order_entry *e);

/* The client and the time of its request. */
typedef struct order_entry_client {
    const char *conn_id;
    uint64_t now_ms; /* exchange time, Unix ms */
    uint8_t is_authed;
    uint8_t checks_time; /* 1: refuse requests that are older than their time window */
} order_entry_client;

/* Answer a request about an order. Returns 1 with its op and the answer, both valid until the next
 * call; returns 0 if the frame is no such request. */
int order_entry_answer(order_entry *e, sim_family *with, const order_entry_client *client,
                       td_bytes frame, td_bytes *op, td_bytes *answer);

#endif
