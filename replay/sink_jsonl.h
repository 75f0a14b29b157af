/* Sink: every frame as a typed message, one JSON object a line (schema/message_json.h), with feed,
 * conn, ordinal and recv_ns beside the message's own members. Control frames, requests and frames
 * that cannot be decoded are lines too, in the tape's order; HTTP replies and events are not. */
#ifndef TD_REPLAY_SINK_JSONL_H
#define TD_REPLAY_SINK_JSONL_H

#include "base/err.h"
#include "cli/output.h"
#include "replay/sink.h"

typedef struct sink_jsonl sink_jsonl;

/* Lines go to output, which is borrowed. TD_E_NOMEM. */
TD_MUST_USE td_result sink_jsonl_open(output_stream *output, sink_jsonl **out, td_err *err);
void sink_jsonl_close(sink_jsonl *self);

/* The sink for a player; valid until close. */
sink sink_jsonl_get(sink_jsonl *self);

#endif
