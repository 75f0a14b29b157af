#include "regress/covered.h"

#include <string.h>

#include "base/limits.h"

/* 1 for what can be a topic: the exchange's are short texts. */
static int is_name(td_bytes topic)
{
    return topic.size == 0 ||
           (topic.size < LIMIT_TOPIC_BYTES && memchr(topic.data, '\0', topic.size) == NULL);
}

/* A row may hold for a part of the time only, so the frame's own row decides, not the stream's. */
int covered_find(const stream *of, const stream_frame *frame, covered_stream *out)
{
    if (frame->is_lead_in || of->dir != CHANNEL_IN)
        return 0;
    *out = (covered_stream){.feed = of->feed,
                            .topic = "",
                            .symbol = "",
                            .exchange_topic = td_bytes_str(of->exchange_topic),
                            .family = of->family};
    if (frame->role == ROLE_CONTROL) {
        out->topic = COVERED_CONTROL;
        return 1;
    }
    if (frame->row != NULL) {
        out->topic = of->topic;
        out->symbol = of->symbol;
        out->has_book = frame->row->type == MSG_BOOK_CHANGE;
        return 1;
    }
    if (frame->role == ROLE_UNKNOWN && frame->content->what != NULL)
        out->exchange_topic = frame->content->what->exchange_topic;
    if (!is_name(out->exchange_topic))
        out->exchange_topic = (td_bytes){0};
    return 1;
}
