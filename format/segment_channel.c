#include "format/segment_channel.h"

#include <string.h>

#include "base/alloc.h"

void segment_channel_own_strings(segment_channel *channel)
{
    channel_info *info = &channel->info;
    const char **const strings[] = {&info->feed,           &info->family, &info->topic,
                                    &info->exchange_topic, &info->symbol, &info->message_encoding,
                                    &info->schema_name};
    const size_t count = sizeof strings / sizeof strings[0];
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (*strings[i] == NULL)
            *strings[i] = "";
        bytes += strlen(*strings[i]) + 1;
    }
    char *at = td_alloc(bytes);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(*strings[i]) + 1;
        memcpy(at, *strings[i], size);
        *strings[i] = at;
        at += size;
    }
    info->schema = td_bytes_of(NULL, 0);
}

void segment_channel_free_strings(segment_channel *channel)
{
    td_free((void *)channel->info.feed);
}
