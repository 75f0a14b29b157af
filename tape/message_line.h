/* A frame as a line of messages: what `replay --messages` and the JSON lines of export print alike.
 */
#ifndef TD_TAPE_MESSAGE_LINE_H
#define TD_TAPE_MESSAGE_LINE_H

#include "json/json_write.h"
#include "schema/frame.h"

/* Write the members of a frame's content (schema/message_json.h): of data, unknown frames, control
 * frames and requests. The tape reads all (TAPE_READS_ALL). What could not be decoded is
 * written as undecoded, under the exchange topic of its channel, or of the frame itself where no
 * row knew it. */
void message_line(json_writer *json, const frame_ref *frame);

#endif
