/* Order entry: executes a client's request about an order with the account, and answers it
 * (docs/wire.md 3.8). A request is decoded as a frame of its topic, and the dialect has the text of
 * the answer, so an exchange's orders are in its documents alone. One thread. */
#ifndef TD_SIM_ORDER_ENTRY_H
#define TD_SIM_ORDER_ENTRY_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "schema/dialect.h"
#include "sim/sim_family.h"

enum {
    ORDER_ENTRY_TOPIC_BYTES_MAX = 32, /* requests with longer topics are not about orders */
};

typedef struct order_entry order_entry;

/* Memory for reading requests. Close accepts NULL. */
TD_NEVER_NULL order_entry *order_entry_open(void);
void order_entry_close(order_entry *e);

/* The client and the time of its request. */
typedef struct order_entry_client {
    const catalog_row *row; /* of the order entry's own family */
    const char *conn_id;
    uint64_t now_ms; /* exchange time, Unix ms */
    uint8_t is_authed;
    uint8_t checks_time; /* 1: refuse requests that are older than their time window */
} order_entry_client;

/* Execute a request about an order (REQUEST_ORDER), and append the answer; nothing if the exchange
 * does not answer it. markets: the family that has the account. TD_E_LIMIT. */
TD_MUST_USE td_result order_entry_answer(order_entry *e, sim_family *markets,
                                         const order_entry_client *client,
                                         const dialect_request *request, td_buf *answer,
                                         td_err *err);

#endif
