/* The topics of a feed's requests about orders, by connection and id: some exchanges name the op
 * only in the request, so the topic of its answer, {"id":5,"result":{...}}, is that of the request
 * with this id.
 *
 * At most ORDER_REQUESTS_MAX requests of a feed are known; a later one replaces the oldest. A later
 * request with the same id, about orders or not, replaces the earlier one. One thread. */
#ifndef TD_CAPTURE_ORDER_REQUESTS_H
#define TD_CAPTURE_ORDER_REQUESTS_H

#include "base/attr.h"
#include "base/bytes.h"
#include "base/json/json.h"
#include "format/chunk_builder.h"
#include "schema/family.h"

enum { ORDER_REQUESTS_MAX = 1024 };

typedef struct order_requests order_requests;

/* Open. NULL: the family has no order entry. The parser is borrowed. */
order_requests *order_requests_open(const family *of, json_parser *parser);
void order_requests_close(order_requests *self); /* NULL is fine, here and below */

/* Note a client's frame. row: of a request about orders; NULL: of another frame. */
void order_requests_note(order_requests *self, const feed_frame *frame, const topic_row *row);

/* The topic of an answer, by its id; NULL: it is not about orders. */
const topic_row *order_requests_find(const order_requests *self, const feed_frame *frame);

#endif
