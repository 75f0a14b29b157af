/* Joins a client's requests about orders with their answers and with updates of the orders on
 * private topics.
 *
 * replay/play/open_requests.h finds the request of an answer. An update, on any connection, belongs
 * to a request with the same order id or the same client's own id (order_link_id). A request to
 * place an order is joined with the first such update; a request to cancel, with the first whose
 * status is cancelled; a request to change it, with the first that has the requested price and size
 * (topic_row.does). Other requests have no update.
 *
 * An order's code, and whether it is accepted, come from its entry in the answer, if that has them;
 * else from the answer itself.
 *
 * Frames must come in the order of their times. At most ORDER_JOIN_OPEN_MAX requests wait; beyond
 * that the oldest is ended unfinished. One thread. */
#ifndef TD_PLAY_ORDER_JOIN_H
#define TD_PLAY_ORDER_JOIN_H

#include <stdint.h>

#include "base/decimal.h"
#include "schema/frame.h"
#include "schema/topic.h"

enum {
    ORDER_JOIN_OPEN_MAX = 4096,
    ORDER_JOIN_RECENT = 1024, /* updates remembered for requests without a client's id, whose order
                                 id is known only from the answer; and answered requests */
    ORDER_JOIN_TEXT_BYTES = 64, /* an id and a NUL; the exchange's ids have at most 36 bytes */
};

/* A request about one order, with its answer and its update. */
typedef struct joined_order {
    const char *feed;
    char op[ORDER_JOIN_TEXT_BYTES];
    char request_id[ORDER_JOIN_TEXT_BYTES];
    char link[ORDER_JOIN_TEXT_BYTES];
    char order_id[ORDER_JOIN_TEXT_BYTES];
    char symbol[ORDER_JOIN_TEXT_BYTES];
    char status[ORDER_JOIN_TEXT_BYTES]; /* status of the order, in the update */
    int64_t code;                       /* code of the answer; 0: accepted */
    uint8_t has_code;                   /* 1: the answer has a code */
    uint8_t is_refused;                 /* 1: the answer has another code than 0, or is_accepted is
                                           false */
    uint64_t sent_ns;
    uint64_t answer_ns;          /* 0: no answer */
    uint64_t update_ns;          /* 0: no update */
    uint64_t exchange_ns;        /* the exchange's time in the answer; 0: absent */
    uint64_t request;            /* its number */
    size_t index;                /* position of the order in its request */
    td_decimal price, size;      /* requested values, which the update must show */
    uint8_t has_price, has_size; /* 1: a value was requested */
    order_action does;
    uint8_t is_open;
} joined_order;

typedef struct order_join order_join;

/* Open. done is called once for each order of a request, when no more frames are expected for that
 * order. */
order_join *order_join_open(void (*done)(void *user, const joined_order *order), void *user);
void order_join_close(order_join *j);

/* Add a frame that was read with TAPE_READS_ALL; frames that are not about orders are skipped. */
void order_join_frame(order_join *j, const frame_ref *frame);

/* No more frames follow: end all waiting requests. */
void order_join_finish(order_join *j);

/* Number of answers whose request is not among the frames. A further answer with the id of a
 * request that was answered before, one of the last ORDER_JOIN_RECENT, is not counted. */
uint64_t order_join_unasked(const order_join *j);

#endif
