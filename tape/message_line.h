/* A frame as a line of JSON: decoded, as in the output of `replay --messages` and export; or as
 * received, as in the output of `cat`. */
#ifndef TD_TAPE_MESSAGE_LINE_H
#define TD_TAPE_MESSAGE_LINE_H

#include "base/json/json_write.h"
#include "schema/frame.h"

/* Write the members of a frame's content (schema/message_json.h), for data, unknown frames, control
 * frames and requests. The tape must read everything (TAPE_READS_ALL). Undecodable content is
 * written as undecoded, under the exchange topic of its channel or, if the channel has no exchange
 * topic, of the frame itself. */
void message_line(json_writer *json, const frame_ref *frame);

/* Write the members of a frame as it was received (docs/json.md, "cat"). `import` reads these
 * members. Bytes that are not UTF-8 are written as data_hex. */
void frame_line(json_writer *json, const frame_ref *frame);

#endif
