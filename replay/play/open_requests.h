/* Which request of a client an answer belongs to: the oldest unanswered one of the same connection,
 * kind and op, with the same id. Some exchanges answer a subscription or a login without the id of
 * the request, or with one of their own: there, every id fits if the other one is absent.
 *
 * Requests and answers must come in the order of their times. One thread. */
#ifndef TD_PLAY_OPEN_REQUESTS_H
#define TD_PLAY_OPEN_REQUESTS_H

#include <stddef.h>

#include "schema/dialect.h"
#include "schema/frame.h"
#include "schema/message.h"

/* What a request and its answer have in common. */
typedef struct request_name {
    const frame_conn *conn;
    request_kind kind;
    td_bytes op; /* of REQUEST_ORDER; empty for other kinds */
    td_bytes id; /* empty: absent */
} request_name;

/* The name of a request about orders, or of its answer; its texts live as long as the message. */
request_name request_name_of(const frame_ref *frame, const msg_record *entry);

typedef struct open_requests open_requests;

/* Open. limit: of unanswered requests, at least 1; a further one replaces the oldest, which no
 * answer can belong to from then on. */
open_requests *open_requests_open(size_t limit);
void open_requests_close(open_requests *self); /* NULL is fine */

/* Add a request; its texts are copied. Returns its number: requests are numbered from 0. */
uint64_t open_requests_add(open_requests *self, const request_name *request);

/* Take the request of an answer. Returns 1, and its number; 0 if there is no such request. */
int open_requests_take(open_requests *self, const request_name *answer, uint64_t *number);

#endif
