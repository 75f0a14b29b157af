#include "tests/testing/channel_numbers.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static int is_same(const channel_info *a, const channel_info *b)
{
    return channel_info_compare(a, b) == 0 && strcmp(a->family, b->family) == 0 &&
           strcmp(a->exchange_topic, b->exchange_topic) == 0 &&
           strcmp(a->message_encoding, b->message_encoding) == 0;
}

static const char *keep(const char *text)
{
    char *copy = td_strdup(text);
    TD_ASSERT(copy != NULL);
    return copy;
}

static channel_info *add(channel_numbers *self, const channel_info *info)
{
    channel_info **infos = td_array_grow(self->infos, self->count, sizeof *infos);
    channel_info *kept = td_alloc(sizeof *kept);
    TD_ASSERT(infos != NULL);
    TD_ASSERT(kept != NULL);
    *kept = *info;
    kept->feed = keep(info->feed);
    kept->family = keep(info->family);
    kept->topic = keep(info->topic);
    kept->exchange_topic = keep(info->exchange_topic);
    kept->symbol = keep(info->symbol);
    kept->message_encoding = keep(info->message_encoding);
    self->infos = infos;
    self->infos[self->count++] = kept;
    return kept;
}

void channel_numbers_set(channel_numbers *self, const channel_info *info, feed_frame *frame)
{
    size_t n = 0;
    while (n < self->count && !is_same(self->infos[n], info))
        n++;
    frame->info = n < self->count ? self->infos[n] : add(self, info);
    frame->channel = (uint32_t)n;
}

void channel_numbers_fini(channel_numbers *self)
{
    for (size_t i = 0; i < self->count; i++) {
        channel_info *info = self->infos[i];
        td_free((void *)info->feed);
        td_free((void *)info->family);
        td_free((void *)info->topic);
        td_free((void *)info->exchange_topic);
        td_free((void *)info->symbol);
        td_free((void *)info->message_encoding);
        td_free(info);
    }
    td_free(self->infos);
    *self = (channel_numbers){0};
}
