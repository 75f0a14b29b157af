#include "recorder/pipeline/live_channels.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

/* Used instead of channels that are not checked. */
static live_channel NO_ROW = {.kind = LIVE_NO_ROW}, NO_SPACE = {.kind = LIVE_NO_SPACE};

static uint64_t hash_of(const char *text, uint64_t also)
{
    return td_xxh64(text, strlen(text)) + also * UINT64_C(0x9e3779b97f4a7c15);
}

static live_symbol *get_symbol(live_channels *self, live_feed *feed, const char *feed_name,
                               const char *name)
{
    symbol_entry *entry = symbol_table_get(&self->symbols, feed_name, name);
    if (entry->user != NULL)
        return entry->user;
    live_symbol *made = td_alloc_zero(1, sizeof *made);
    made->entry = entry;
    made->feed = feed;
    self->bytes += sizeof *made + symbol_entry_bytes(entry);
    entry->user = made;
    return made;
}

static live_channel *find_channel(const live_channels *self, const live_feed *feed,
                                  const channel_info *info, uint64_t hash)
{
    row_probe at = row_probe_of(hash);
    while (row_table_next(&self->by_name, &at)) {
        live_channel *known = self->items[at.row];
        const channel_info *with = &known->topic.info;
        if (known->feed == feed && with->line == info->line && with->shard == info->shard &&
            strcmp(with->topic, info->topic) == 0 &&
            strcmp(with->exchange_topic, info->exchange_topic) == 0 &&
            strcmp(with->symbol, info->symbol) == 0)
            return known;
    }
    return NULL;
}

static live_slot *get_slot(live_feed *feed, const channel_info *info)
{
    for (live_slot *at = feed->slots; at != NULL; at = at->next)
        if (at->line == info->line && at->shard == info->shard)
            return at;
    live_slot *made = td_alloc_zero(1, sizeof *made);
    *made = (live_slot){.line = info->line, .shard = info->shard, .next = feed->slots};
    feed->slots = made;
    return made;
}

live_channel *live_channels_get(live_channels *self, live_feed *feed, const channel_info *info,
                                uint64_t recv_ns)
{
    const family *of = feed->config->family;
    uint64_t hash = hash_of(info->exchange_topic, feed->index) + hash_of(info->symbol, 1);
    live_channel *known = find_channel(self, feed, info, hash);
    if (known != NULL)
        return known;
    size_t topic_bytes = strlen(info->topic) + 1;
    size_t exchange_bytes = strlen(info->exchange_topic) + 1;
    size_t bytes = sizeof(live_channel) + topic_bytes + exchange_bytes;
    if (self->bytes + bytes > self->bytes_max)
        return &NO_SPACE;
    live_channel *made = td_alloc_zero(1, bytes);
    memcpy(made->texts, info->topic, topic_bytes);
    memcpy(made->texts + topic_bytes, info->exchange_topic, exchange_bytes);
    if (!topic_match_text(of->topics, of->topic_count, td_bytes_str(made->texts + topic_bytes),
                          recv_ns, &made->topic.match)) {
        td_free(made);
        return &NO_ROW;
    }
    const char *feed_name = feed->config->name != NULL ? feed->config->name : "";
    made->feed = feed;
    made->symbol = get_symbol(self, feed, feed_name, info->symbol);
    made->silence.slot = get_slot(feed, info);
    made->topic.feed_index = feed->index;
    made->topic.info = (channel_info){.feed = feed_name,
                                      .family = of->name,
                                      .line = info->line,
                                      .shard = info->shard,
                                      .dir = info->dir,
                                      .topic = made->texts,
                                      .exchange_topic = made->texts + topic_bytes,
                                      .symbol = made->symbol->entry->symbol,
                                      .opcode = info->opcode,
                                      .message_encoding = ""};
    made->conn = (frame_conn){.line = info->line,
                              .shard = info->shard,
                              .session_id = self->session,
                              .is_recorded = self->is_recorder};
    self->bytes += bytes;
    row_table_put(&self->by_name, hash, self->count);
    self->items = td_array_grow(self->items, self->count, sizeof(live_channel *));
    self->items[self->count++] = made;
    return made;
}

void live_channels_fini(live_channels *self)
{
    for (size_t i = 0; i < self->count; i++)
        td_free(self->items[i]);
    for (size_t i = 0; i < self->symbols.count; i++)
        td_free(self->symbols.items[i]->user);
    symbol_table_fini(&self->symbols);
    td_free(self->items);
    row_table_fini(&self->by_name);
}

void live_feed_fini(live_feed *feed)
{
    for (live_slot *slot = feed->slots; slot != NULL; slot = feed->slots) {
        feed->slots = slot->next;
        td_free(slot);
    }
    live_checkpoint_fini(&feed->checkpoint);
}
