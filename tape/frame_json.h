/* A frame's position on the tape, as JSON: the same names in every program that prints frames or
 * messages (cat, replay --messages, export). Times end in _ns. */
#ifndef TD_TAPE_FRAME_JSON_H
#define TD_TAPE_FRAME_JSON_H

#include "base/json/json_write.h"
#include "schema/frame.h"

/* Write feed, conn, ordinal and recv_ns into an object that the caller has opened. */
static inline void frame_json_position(json_writer *json, const frame_ref *frame)
{
    json_write_member_text(json, "feed", frame->channel->info.feed);
    json_write_member_u64(json, "conn", frame->conn->number);
    json_write_member_u64(json, "ordinal", frame->ordinal);
    json_write_member_u64(json, "recv_ns", frame->recv_ns);
}

#endif
