/* The number that some exchanges write in each frame of a connection (frame_keys.counter): control
 * frames are counted, too, so it shows every frame that the exchange sent and that did not arrive,
 * of whatever topic. Only the receiver of a whole connection can judge it: a reader of single
 * topics does not see the other frames. Servers write numbers of their own. Some exchanges also
 * write the time at which the connection sends a frame (FIELD_PER_CONNECTION). Pure functions. */
#ifndef TD_SCHEMA_CONN_COUNTER_H
#define TD_SCHEMA_CONN_COUNTER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "schema/exchange.h"
#include "schema/topic.h"

/* State of a connection. Zero-initialise for each. */
typedef struct conn_counter {
    uint64_t ordinal; /* of the last frame that arrived, from 1 */
    uint64_t next;    /* the number after the last frame's, if has_number */
    uint8_t has_number;
} conn_counter;

/* What the number of a frame shows. */
typedef struct counted_frame {
    uint64_t expected, found; /* its number; differ if frames were lost, or repeated */
} counted_frame;

/* Apply the connection's next inbound frame. ordinal: its ordinal; higher by more than one if
 * frames arrived that were then dropped, which were counted by both ends. A frame without a number
 * is not counted by the exchange. The first number is the one from which all are counted. */
counted_frame conn_counter_apply(conn_counter *self, const exchange_row *exchange, uint64_t ordinal,
                                 td_bytes frame);

/* The digits of a frame's number; size 0: absent. Copies of a frame on two connections differ in
 * them. */
td_bytes conn_counter_digits(const exchange_row *exchange, td_bytes frame);

/* The field of the envelope with the time at which the frame was sent over its connection; NULL:
 * absent in the topic. row may be NULL. */
const field_row *conn_time_field(const topic_row *row);

/* The value of that field in a frame, with its quotes; size 0: absent. Two connections of one
 * subscription bring frames that differ in it. */
td_bytes conn_time_text(const topic_row *row, td_bytes frame);

/* A frame that a server sends, with the number *next, which is incremented; unchanged if it has no
 * number, or if the exchange does not count frames. The result is in *memory, or the frame itself.
 * TD_E_LIMIT. */
TD_MUST_USE td_result conn_counter_write(const exchange_row *exchange, td_bytes frame,
                                         uint64_t *next, td_buf *memory, td_bytes *out,
                                         td_err *err);

#endif
