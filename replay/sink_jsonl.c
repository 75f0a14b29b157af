#include "replay/sink_jsonl.h"

#include "tape/message_line.h"
#include "tape/frame_json.h"

td_result sink_jsonl_put(const sink_jsonl_lines *lines, const frame_ref *frame,
                         uint64_t deadline_ns)
{
    output_stream *output = lines->output;
    if (frame->channel->role == ROLE_HTTP || lines->pacer->is_returning)
        return TD_OK;
    if (entry_options_are_given(&lines->entries) &&
        (frame->content.message == NULL ||
         !message_has_entry(frame->content.message, &lines->entries.price, &lines->entries.size)))
        return TD_OK;
    if (output_is_broken(output))
        return TD_EOF; /* the output's reader closed it; output_finish returns the reason */
    json_writer *w = output_json_begin(output);
    json_write_object_begin(w);
    message_line(w, frame);
    frame_json_position(w, frame);
    json_write_object_end(w);
    output_json_end(output);
    if (deadline_ns != 0)
        output_flush(output); /* paced: the reader of a pipe gets each line when it is due */
    return TD_OK;
}
