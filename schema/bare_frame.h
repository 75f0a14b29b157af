/* Bare frames: connections at some addresses send the data of a frame alone, without the object
 * around it that names its topic (Binance's /ws: the "data" of {"stream":"btcusdt@trade","data":
 * {...}}). The exchange's document has rules by which a bare frame names its topic, and all else
 * reads it with the object around it. */
#ifndef TD_SCHEMA_BARE_FRAME_H
#define TD_SCHEMA_BARE_FRAME_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/limits.h"
#include "schema/exchange.h"

/* 1 if the exchange has bare frames, and this may be one: a list, or an object that does not begin
 * as data frames do. */
static inline int bare_frame_may_be(const frame_keys *keys, td_bytes frame)
{
    const td_bytes start = keys->data_start;
    return keys->bare_count > 0 && frame.size > 0 && (*frame.data == '{' || *frame.data == '[') &&
           (frame.size < start.size || memcmp(frame.data, start.data, start.size) != 0);
}

/* 1 if a frame is a whole list, or a whole object without the members of a data frame. */
int bare_frame_is(const frame_keys *keys, json_parser *parser, td_bytes frame);

/* The topic of a bare frame, after which JSON_PADDING_BYTES are readable, by the first rule that
 * fits; *is_open becomes 1 if that is only the beginning of the topic, because the frame does not
 * have the rest. The symbol is as in the frame. Returns the size; 0: no rule fits. */
size_t bare_frame_topic(const frame_keys *keys, json_parser *parser, td_bytes frame,
                        char out[LIMIT_TOPIC_BYTES], int *is_open);

/* Append a bare frame with the object around it. topic: a text that JSON can have between quotes.
 * TD_E_LIMIT. */
TD_MUST_USE td_result bare_frame_wrap(const frame_keys *keys, td_bytes topic, td_bytes frame,
                                      td_buf *out, td_err *err);

/* The data of a data frame, as it is written; any other frame is returned unchanged. */
td_bytes bare_frame_strip(const frame_keys *keys, json_parser *parser, td_bytes frame);

#endif
