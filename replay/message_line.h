/* Lines of messages: what `replay --messages` and the JSON lines of export print alike beyond
 * schema/message_json.h. */
#ifndef TD_REPLAY_MESSAGE_LINE_H
#define TD_REPLAY_MESSAGE_LINE_H

#include "schema/decode.h"
#include "json/json_write.h"
#include "tape/tape.h"

/* Write the members of a frame that was not decoded; shown: the topic that it was read as. Its
 * exchange topic is the channel's, or for a frame
 * that no row knew what the frame itself says, as `tapedeck decode` prints it. The decoder's last
 * message is not valid any more. TD_OK, or TD_E_NOMEM. */
TD_MUST_USE td_result message_line_raw(json_writer *json, decoder *with, const tape_frame *frame,
                                       const topic_match *shown, const decode_error *why,
                                       td_err *err);

#endif
