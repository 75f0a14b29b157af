#include "regress/decode_line.h"

#include "json/json_write.h"
#include "regress/covered.h"
#include "schema/message_json.h"

static void write_members(json_writer *json, const stream *of, const stream_frame *frame)
{
    const frame_content *content = frame->content;
    if (content->message != NULL) {
        message_json_members(json, content->message);
        return;
    }
    if (frame->role == ROLE_CONTROL) {
        message_json_control(json, content->what, frame->bytes);
        return;
    }
    const topic_match topic = {
        .row = frame->row, .topic = td_bytes_str(of->topic), .symbol = td_bytes_str(of->symbol)};
    covered_stream covered;
    int is_covered = covered_find(of, frame, &covered);
    message_json_raw(json, &topic, is_covered ? covered.exchange_topic : (td_bytes){0},
                     &content->why);
}

td_result decode_line_write(td_buf *out, const stream *of, const stream_frame *frame, td_err *err)
{
    size_t before = out->size;
    json_writer json;
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    write_members(&json, of, frame);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, err);
    if (rc == TD_OK)
        rc = td_buf_append(out, "\n", 1, err);
    if (rc != TD_OK)
        out->size = before;
    return rc;
}
