/* Sink: every frame as a typed message, one JSON object a line (schema/message_json.h), with feed,
 * conn, ordinal and recv_ns beside the message's own members. Control frames, requests and frames
 * that cannot be decoded are lines too, in the tape's order; HTTP replies and events are not. */
#ifndef TD_REPLAY_SINK_JSONL_H
#define TD_REPLAY_SINK_JSONL_H

#include "cli/output.h"
#include "play/sink.h"

/* Lines go to output, which is borrowed. The tape reads all (TAPE_READS_ALL). */
sink sink_jsonl(output_stream *output);

#endif
