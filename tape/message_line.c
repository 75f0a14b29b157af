#include "tape/message_line.h"

#include "base/assert.h"
#include "schema/message_json.h"
#include "tape/frame_json.h"

void message_line(json_writer *json, const frame_ref *frame)
{
    const frame_content *content = &frame->content;
    const frame_channel *channel = frame->channel;
    TD_ASSERT(frame->is_read);
    if (content->message != NULL) {
        message_json_members(json, content->message);
        return;
    }
    if (!frame_role_is_of_topic(channel->role) &&
        frame_class_is_control(content->what->frame_class)) {
        message_json_control(json, content->what, frame->bytes);
        return;
    }
    td_bytes exchange_topic = td_bytes_str(channel->info.exchange_topic);
    if (exchange_topic.size == 0)
        exchange_topic = content->what->exchange_topic;
    topic_match shown = channel->topic;
    shown.row = frame->row;
    message_json_raw(json, &shown, exchange_topic, &content->why);
}

void frame_line(json_writer *json, const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    json_write_member_text(json, "topic", channel_shown_topic(info));
    json_write_member_text(json, "symbol", info->symbol[0] == '\0' ? NULL : info->symbol);
    json_write_key(json, "exchange_ns"); /* publish_ns is recv_ns if there is no exchange time */
    if (frame->publish_ns == frame->recv_ns)
        json_write_null(json);
    else
        json_write_u64(json, frame->publish_ns);
    json_write_member_text(json, "dir", channel_dir_name(info->dir));
    json_write_member_text(json, "family", info->family);
    json_write_member_text(json, "session", frame->conn->session_id);
    frame_json_position(json, frame);
    if (info->opcode == OPCODE_BINARY)
        json_write_member_u64(json, "opcode", OPCODE_BINARY);
    if ((info->form & FORM_COMPRESSED) != 0)
        json_write_member_bool(json, "compressed", 1);
    if ((info->form & FORM_FRAGMENTED) != 0)
        json_write_member_bool(json, "fragmented", 1);
    if ((info->form & FORM_MADE) != 0)
        json_write_member_bool(json, "made", 1);
    if ((info->form & FORM_FETCHED) != 0)
        json_write_member_bool(json, "fetched", 1);
    json_write_member_text_or_hex(json, "data", "data_hex", frame->bytes);
}
