#include "embed/tape_streams.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"

void tape_streams_init(tape_streams *self, const gap_list *ledger)
{
    *self = (tape_streams){.texts = td_arena_open(), .ledger = ledger};
}

void tape_streams_forget(tape_streams *self)
{
    for (size_t i = 0; i < self->count; i++) {
        tape_topic_fini(&self->items[i]->tape);
        self->items[i]->is_suspect = 0;
    }
    symbol_table_fini(&self->symbols);
}

void tape_streams_fini(tape_streams *self)
{
    tape_streams_forget(self);
    for (size_t i = 0; i < self->count; i++)
        td_free(self->items[i]);
    td_free(self->items);
    stream_index_fini(&self->by_name);
    td_arena_close(self->texts);
}

/* Find or make the stream of a channel. */
static tape_stream *get_stream(tape_streams *self, const channel_info *info)
{
    stream_name name = stream_name_of(info);
    const size_t known = stream_index_find(&self->by_name, &name);
    if (known != STREAM_INDEX_NONE)
        return self->items[known];
    tape_stream *made = td_alloc_zero(1, sizeof *made);
    made->index = (uint32_t)self->count;
    made->info = channel_info_copy(info, self->texts);
    self->items = td_array_grow(self->items, self->count, sizeof(tape_stream *));
    self->items[self->count++] = made;
    name = stream_name_of(&made->info);
    (void)stream_index_add(&self->by_name, &name);
    return made;
}

uint32_t tape_streams_entry(tape_streams *self, uint32_t of, td_bytes symbol)
{
    char name[LIMIT_SYMBOL_BYTES];
    channel_info info = self->items[of]->info;
    size_t size = symbol.size < sizeof name ? symbol.size : sizeof name - 1;
    memcpy(name, symbol.data, size);
    name[size] = '\0';
    info.symbol = name;
    return get_stream(self, &info)->index;
}

/* Connect a stream with the state of its symbol. */
static void begin_topic(tape_streams *self, tape_stream *of)
{
    of->tape.symbol = symbol_entry_state(
        symbol_table_get(&self->symbols, of->info.feed, of->info.symbol), SYMBOL_WITHOUT_AUDITS);
    of->tape.ledger = self->ledger;
    of->tape.user = of;
}

/* Add streams for the topics of a saved state. */
static void add_saved(tape_streams *self, const symbol_entry *saved)
{
    symbol_topic *topic;
    for (size_t i = 0; (topic = symbol_state_topic_at(saved->state, i)) != NULL; i++) {
        const channel_info info = {.feed = saved->feed,
                                   .family = "",
                                   .topic = topic->name,
                                   .symbol = saved->symbol,
                                   .exchange_topic = "",
                                   .line = topic->line,
                                   .message_encoding = ""};
        tape_stream *of = get_stream(self, &info);
        begin_topic(self, of);
        tape_topic_find(&of->tape, &of->info);
        of->is_suspect = !topic_trust_is_right(&of->tape.trust);
    }
}

void tape_streams_load(tape_streams *self, symbol_table *saved)
{
    symbol_table_take(&self->symbols, saved);
    for (size_t i = 0; i < self->symbols.count; i++)
        add_saved(self, self->symbols.items[i]);
}

tape_stream *tape_streams_at(tape_streams *self, const frame_ref *frame)
{
    frame_channel *channel = frame->channel;
    if (channel->tape != NULL)
        return channel->tape->user;
    tape_stream *of = get_stream(self, &channel->info);
    if (strcmp(of->info.family, channel->info.family) != 0)
        of->info.family = td_arena_text(self->texts, td_bytes_str(channel->info.family));
    if (strcmp(of->info.exchange_topic, channel->info.exchange_topic) != 0)
        of->info.exchange_topic =
            td_arena_text(self->texts, td_bytes_str(channel->info.exchange_topic));
    begin_topic(self, of);
    channel->tape = &of->tape;
    return of;
}

void tape_streams_renew(tape_streams *self, const gap_list *before)
{
    for (size_t i = 0; i < self->count; i++)
        topic_trust_renew(&self->items[i]->tape.trust, before, self->ledger);
}
