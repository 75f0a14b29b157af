#include "base/channel.h"

#include <string.h>

#include "base/assert.h"

static const char *const DIR_NAMES[] = {
    [CHANNEL_IN] = "in",
    [CHANNEL_OUT] = "out",
    [CHANNEL_HTTP] = "http",
    [CHANNEL_EVENT] = "event",
};
enum { DIR_COUNT = sizeof DIR_NAMES / sizeof DIR_NAMES[0] };

static int compare_u32(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

int channel_info_compare(const channel_info *a, const channel_info *b)
{
    TD_ASSERT(a != NULL);
    TD_ASSERT(b != NULL);
    int order = strcmp(a->feed, b->feed);
    if (order == 0)
        order = compare_u32(a->line, b->line);
    if (order == 0)
        order = compare_u32(a->shard, b->shard);
    if (order == 0)
        order = compare_u32(a->dir, b->dir);
    if (order == 0)
        order = strcmp(a->topic, b->topic);
    if (order == 0 && strcmp(a->topic, CHANNEL_TOPIC_UNKNOWN) == 0)
        order = strcmp(a->exchange_topic, b->exchange_topic);
    if (order == 0)
        order = strcmp(a->symbol, b->symbol);
    if (order == 0)
        order = compare_u32(a->opcode, b->opcode);
    return order != 0 ? order : compare_u32(a->form, b->form);
}

channel_info channel_info_copy(const channel_info *from, td_arena *in)
{
    channel_info copy = *from;
    copy.feed = td_arena_text(in, td_bytes_str(from->feed));
    copy.family = td_arena_text(in, td_bytes_str(from->family));
    copy.topic = td_arena_text(in, td_bytes_str(from->topic));
    copy.exchange_topic = td_arena_text(in, td_bytes_str(from->exchange_topic));
    copy.symbol = td_arena_text(in, td_bytes_str(from->symbol));
    copy.message_encoding = td_arena_text(in, td_bytes_str(from->message_encoding));
    return copy;
}

frame_role channel_role(const channel_info *info)
{
    switch (info->dir) {
    case CHANNEL_OUT:
        return ROLE_OUT;
    case CHANNEL_HTTP:
        return ROLE_HTTP;
    case CHANNEL_EVENT:
        return ROLE_EVENT;
    case CHANNEL_IN:
        break;
    }
    if (strcmp(info->topic, CHANNEL_TOPIC_CONTROL) == 0)
        return ROLE_CONTROL;
    if (strcmp(info->topic, CHANNEL_TOPIC_UNKNOWN) == 0)
        return ROLE_UNKNOWN;
    return strcmp(info->topic, CHANNEL_TOPIC_EVENTS) == 0 ? ROLE_EVENT : ROLE_DATA;
}

const char *channel_shown_topic(const channel_info *info)
{
    return channel_role(info) == ROLE_UNKNOWN && info->exchange_topic[0] != '\0'
               ? info->exchange_topic
               : info->topic;
}

const char *channel_exchange_topic(const channel_info *info)
{
    return info->exchange_topic[0] != '\0' ? info->exchange_topic : info->topic;
}

int channel_has_events(const channel_info *info)
{
    return channel_role(info) == ROLE_EVENT && strcmp(info->topic, CHANNEL_TOPIC_EVENTS) == 0;
}

const char *channel_dir_name(channel_dir dir)
{
    TD_ASSERT((unsigned)dir < DIR_COUNT);
    return DIR_NAMES[dir];
}

int channel_dir_parse(td_bytes name, channel_dir *out)
{
    for (unsigned i = 0; i < DIR_COUNT; i++) {
        if (td_bytes_is(name, DIR_NAMES[i])) {
            *out = (channel_dir)i;
            return 1;
        }
    }
    return 0;
}
