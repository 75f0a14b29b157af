/* Joins a client's requests about orders with their answers and with the updates of the orders that
 * follow on private topics.
 *
 * An answer belongs to the oldest unanswered request of its connection with its op and request id.
 * An update belongs to a request by the order's id, or by the client's own (order_link_id), from
 * whatever connection it came: for a request to place an order the first update, to cancel one the
 * first that says cancelled, to amend one the first with the requested price and size.
 *
 * Frames come in the order of their times. Requests that wait are bounded: beyond
 * ORDER_JOIN_OPEN_MAX the oldest one ends as it is. One thread. */
#ifndef TD_PLAY_ORDER_JOIN_H
#define TD_PLAY_ORDER_JOIN_H

#include <stdint.h>

#include "base/decimal.h"
#include "schema/frame.h"

enum {
    ORDER_JOIN_OPEN_MAX = 4096,
    ORDER_JOIN_RECENT = 1024,   /* updates that are remembered for requests without an id of the
                                   client's, which are known only once they are answered */
    ORDER_JOIN_TEXT_BYTES = 64, /* of an id and a NUL; the exchange's have at most 36 */
};

/* A request about one order, and what became of it. */
typedef struct joined_order {
    const char *feed;
    char op[ORDER_JOIN_TEXT_BYTES];
    char request_id[ORDER_JOIN_TEXT_BYTES];
    char link[ORDER_JOIN_TEXT_BYTES];
    char order_id[ORDER_JOIN_TEXT_BYTES];
    char symbol[ORDER_JOIN_TEXT_BYTES];
    char status[ORDER_JOIN_TEXT_BYTES]; /* of the order, in the update */
    int64_t code;                       /* of the answer; 0: accepted */
    uint64_t sent_ns;
    uint64_t answer_ns;   /* 0: no answer came */
    uint64_t update_ns;   /* likewise */
    uint64_t exchange_ns; /* of the answer, the exchange's own; 0: it has none */
    const frame_conn *conn;
    size_t index;                /* in its request */
    td_decimal price, size;      /* that an update must show, */
    uint8_t has_price, has_size; /* if it has these */
    uint8_t is_open;
} joined_order;

typedef struct order_join order_join;

/* done: called once for each request, when nothing more is awaited of it. */
order_join *order_join_open(void (*done)(void *user, const joined_order *order), void *user);
void order_join_close(order_join *j);

/* Add a frame that was read (TAPE_READS_ALL); those that are about no order are passed over. */
void order_join_frame(order_join *j, const frame_ref *frame);

/* There are no more frames: end all requests that still wait. */
void order_join_finish(order_join *j);

/* Answers to no request that was read. */
uint64_t order_join_unasked(const order_join *j);

#endif
