/* Order entry: executes a client's request about an order with the account, and writes the answer
 * (docs/wire.md 3.8). Stateless. */
#ifndef TD_SIM_ORDER_ENTRY_H
#define TD_SIM_ORDER_ENTRY_H

#include <stdint.h>

#include "base/buf.h"
#include "schema/dialect.h"
#include "sim/sim_family.h"

enum {
    ORDER_ENTRY_OP_BYTES_MAX = 32,       /* longer words of requests are not about orders */
    ORDER_ENTRY_ANSWER_BYTES_MAX = 4096, /* the longest answer */
};

/* The client and the time of its request. */
typedef struct order_entry_client {
    const char *conn_id;
    uint64_t now_ms; /* exchange time, Unix ms */
    uint8_t is_authed;
    uint8_t checks_time; /* 1: refuse requests that are older than their time window */
} order_entry_client;

/* Append the answer to a request about an order (REQUEST_ORDER), of which order_topic has at most
 * ORDER_ENTRY_OP_BYTES_MAX bytes. */
void order_entry_answer(sim_family *with, const order_entry_client *client,
                        const dialect_request *request, td_buf *answer);

#endif
