#include "tape/tape_topic.h"

void tape_topic_fini(tape_topic *topic)
{
    topic_trust_fini(&topic->trust);
    *topic = (tape_topic){0};
}

void tape_topic_find(tape_topic *topic, const channel_info *info)
{
    symbol_topic *found = symbol_state_topic(topic->symbol, td_bytes_str(info->topic), info->line);
    if (topic->ledger != NULL && found->user == NULL)
        topic_trust_resume(&topic->trust, topic->ledger, info, found);
    found->user = topic->user;
    topic->state = found;
}

void tape_topic_apply(tape_topic *topic, const frame_ref *frame, applied_frame *out)
{
    out->frame = frame;
    out->found = NULL;
    out->trust = NULL;
    if (frame->row == NULL)
        return; /* it has no rules to break; a message is from a decoder of the user */
    if (TD_UNLIKELY(topic->state == NULL || topic->state->line != frame->channel->info.line))
        tape_topic_find(topic, &frame->channel->info);
    if (TD_UNLIKELY(frame->saved != NULL) && topic->ledger != NULL)
        topic_trust_restore(&topic->trust, topic->ledger, &frame->channel->info, frame->saved);
    symbol_topic_apply(topic->state, frame, &out->verdict);
    out->found = &out->verdict;
    if (topic->ledger == NULL)
        return;
    topic_trust_apply(&topic->trust, topic->ledger, frame, out->found, &out->answer);
    out->trust = &out->answer;
}
