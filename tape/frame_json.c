#include "tape/frame_json.h"

void frame_json_place(json_writer *json, const frame_ref *frame)
{
    json_write_member_text(json, "feed", frame->channel->info.feed);
    json_write_member_u64(json, "conn", frame->conn->number);
    json_write_member_u64(json, "ordinal", frame->ordinal);
    json_write_member_u64(json, "recv_ns", frame->recv_ns);
}
