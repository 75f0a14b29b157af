#include "tape/message_line.h"

#include "base/assert.h"
#include "schema/message_json.h"

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
