/* A frame's position on the tape, as JSON: the same names in every program that prints frames or
 * messages (cat, replay --messages, export). Times end in _ns. */
#ifndef TD_TAPE_FRAME_JSON_H
#define TD_TAPE_FRAME_JSON_H

#include "base/json/json_write.h"
#include "schema/frame.h"

/* Write feed, line, shard, conn, ordinal and recv_ns into an object that the caller has opened. */
static inline void frame_json_position(json_writer *json, const frame_ref *frame)
{
    json_write_raw_key(json, JSON_NAME("feed"));
    json_write_text(json, frame->channel->info.feed);
    const frame_conn *conn = frame_own_conn(frame);
    json_write_raw_key(json, JSON_NAME("line"));
    json_write_u64(json, conn->line);
    json_write_raw_key(json, JSON_NAME("shard"));
    json_write_u64(json, conn->shard);
    json_write_raw_key(json, JSON_NAME("conn"));
    json_write_u64(json, conn->number);
    json_write_raw_key(json, JSON_NAME("ordinal"));
    json_write_u64(json, frame->ordinal);
    json_write_raw_key(json, JSON_NAME("recv_ns"));
    json_write_u64(json, frame->recv_ns);
    if (frame->is_doubtful)
        json_write_member_bool(json, "possible_copy", 1);
}

#endif
