/* Prints every frame as a typed message, one JSON object per line (schema/message_json.h), with
 * feed, conn, ordinal and recv_ns beside the message's members. Control frames, requests and frames
 * that cannot be decoded have lines too, in the tape's order; HTTP replies and events do not. */
#ifndef TD_REPLAY_SINK_JSONL_H
#define TD_REPLAY_SINK_JSONL_H

#include "base/cli/option_groups.h"
#include "base/cli/output.h"
#include "replay/play/pacer.h"
#include "schema/frame.h"

typedef struct sink_jsonl_lines {
    output_stream *output; /* borrowed */
    entry_options entries; /* with such options, only frames with a matching entry are printed */
    const pacer *pacer; /* borrowed; frames that it repeats after a rewind are not printed again */
} sink_jsonl_lines;

/* Print a frame that is due (replay/play/player.h); the tape must read all (TAPE_READS_ALL).
 * TD_EOF: the output's reader closed it. */
TD_MUST_USE td_result sink_jsonl_put(const sink_jsonl_lines *lines, const frame_ref *frame,
                                     uint64_t deadline_ns);

#endif
