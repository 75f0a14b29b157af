#include "format/segment_channel.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "format/mcap_encode.h"

td_result segment_channel_check(const channel_info *info, td_err *err)
{
    const struct {
        const char *what, *name;
        size_t limit;
    } names[] = {{"feed", info->feed, LIMIT_NAME_BYTES},
                 {"family", info->family, LIMIT_NAME_BYTES},
                 {"topic", info->topic, LIMIT_TOPIC_BYTES},
                 {"exchange topic", info->exchange_topic, LIMIT_TOPIC_BYTES},
                 {"symbol", info->symbol, LIMIT_SYMBOL_BYTES},
                 {"encoding", info->message_encoding, LIMIT_NAME_BYTES}};
    if (info->feed[0] == '\0' || info->topic[0] == '\0')
        return td_err_set(err, TD_E_INVALID, "channel without feed or topic");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size = strlen(names[i].name);
        if (size >= names[i].limit)
            return td_err_set(err, TD_E_INVALID, "channel %s of %zu bytes: at most %zu are allowed",
                              names[i].what, size, names[i].limit - 1);
    }
    return TD_OK;
}

void segment_channel_own_strings(segment_channel *channel)
{
    channel_info *info = &channel->info;
    const char **const strings[] = {&info->feed,           &info->family, &info->topic,
                                    &info->exchange_topic, &info->symbol, &info->message_encoding};
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
}

void segment_channel_free_strings(segment_channel *channel)
{
    td_free((void *)channel->info.feed);
}

void segment_channel_pack(const channel_info *info, td_buf *pack)
{
    TD_ASSERT(info->opcode == OPCODE_TEXT || info->opcode == OPCODE_BINARY);
    char line[12], shard[12], opcode[12];
    (void)snprintf(line, sizeof line, "%u", info->line); /* fits: 10 digits */
    (void)snprintf(shard, sizeof shard, "%u", info->shard);
    (void)snprintf(opcode, sizeof opcode, "%u", (unsigned)info->opcode);
    const char *const pairs[][2] = {
        {"feed", info->feed},
        {"family", info->family},
        {"line", line},
        {"shard", shard},
        {"dir", channel_dir_name(info->dir)},
        {"topic", info->topic},
        {"exchange_topic", info->exchange_topic},
        {"symbol", info->symbol},
        {"opcode", opcode},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        mcap_pack_pair(pack, td_bytes_str(pairs[i][0]), td_bytes_str(pairs[i][1]));
    if ((info->form & FORM_COMPRESSED) != 0)
        mcap_pack_pair(pack, td_bytes_str("compressed"), td_bytes_str("1"));
    if ((info->form & FORM_FRAGMENTED) != 0)
        mcap_pack_pair(pack, td_bytes_str("fragmented"), td_bytes_str("1"));
    if ((info->form & FORM_MADE) != 0)
        mcap_pack_pair(pack, td_bytes_str("made"), td_bytes_str("1"));
    if ((info->form & FORM_FETCHED) != 0)
        mcap_pack_pair(pack, td_bytes_str("fetched"), td_bytes_str("1"));
}
