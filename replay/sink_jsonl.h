/* Every frame as a typed message, one JSON object a line (schema/message_json.h), with feed,
 * conn, ordinal and recv_ns beside the message's own members. Control frames, requests and frames
 * that cannot be decoded are lines too, in the tape's order; HTTP replies and events are not. */
#ifndef TD_REPLAY_SINK_JSONL_H
#define TD_REPLAY_SINK_JSONL_H

#include "base/cli/option_groups.h"
#include "base/cli/output.h"
#include "replay/play/pacer.h"
#include "schema/frame.h"

typedef struct sink_jsonl_lines {
    output_stream *output; /* borrowed */
    entry_options entries; /* if given: only frames that have such an entry */
    const pacer *pacer;    /* borrowed; frames that it returns over are printed already */
} sink_jsonl_lines;

/* Print a frame that is due (replay/play/player.h); the tape reads all (TAPE_READS_ALL). TD_EOF:
 * the reader of the output has gone. */
TD_MUST_USE td_result sink_jsonl_put(const sink_jsonl_lines *lines, const frame_ref *frame,
                                     uint64_t deadline_ns);

#endif
