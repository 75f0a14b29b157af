#include "replay/message_line.h"

#include "schema/message_json.h"

td_result message_line_raw(json_writer *json, decoder *with, const tape_frame *frame,
                           const topic_match *shown, const decode_error *why, td_err *err)
{
    const tape_channel *channel = frame->channel;
    td_bytes topic = td_bytes_str(channel->info.exchange_topic);
    classification what = {.frame_class = CLASS_UNKNOWN};
    if (topic.size == 0 && channel->family != NULL) {
        decoder_classify(with, channel->family, frame->bytes, DIR_IN, frame->recv_ns, &what);
        topic = what.exchange_topic;
    }
    message_json_raw(json, shown, topic, why);
    return classification_result(&what, err);
}
