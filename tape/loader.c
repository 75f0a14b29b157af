#include "tape/loader.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

/* A chunk's bytes and the decoded content of its frames, which is as large as they are, mostly; a
 * value in memory is never this much larger than its text. */
static const size_t CONTENT_BYTES_MAX = 32 * (size_t)LIMIT_CHUNK_BYTES;

chunk_load *chunk_load_open(void)
{
    chunk_load *load = td_alloc_zero(1, sizeof *load);
    load->scratch = segment_scratch_open();
    return load;
}

void chunk_load_close(chunk_load *load)
{
    if (load == NULL)
        return;
    tape_block_release(load->block);
    segment_scratch_close(load->scratch);
    td_free(load);
}

/* 1 if the tape needs a message of this channel and time. Events before the window are needed for
 * the state of connections, those after it are not. */
static int wants_message(const source_options *options, const source_channel *channel, uint64_t ns)
{
    if (channel->use == SOURCE_SKIP || ns >= options->window.to_ns)
        return 0;
    if (ns >= options->window.from_ns || channel->use == SOURCE_EVENT)
        return 1;
    return channel->has_lead_in && ns >= options->lead_from_ns;
}

static void add_message(chunk_load *load, td_bytes records, const segment_message *found)
{
    uint32_t channel = found->channel->index;
    TD_ASSERT(channel < load->source->channel_count);
    if (!wants_message(load->options, &load->source->channels[channel], found->log_ns))
        return;
    if (found->data.size > LIMIT_FRAME_BYTES) {
        load->damage_count++;
        return;
    }
    _Static_assert(LIMIT_CHUNK_BYTES < UINT32_MAX, "an offset in a chunk has 32 bits");
    block_entry entry = {.recv_ns = found->log_ns,
                         .offset = (uint32_t)(found->data.data - records.data),
                         .size = (uint32_t)found->data.size,
                         .sequence = found->sequence,
                         .channel = (uint16_t)channel};
    TD_ASSERT(entry.offset >= sizeof(uint64_t));
    block_add(load->block, &entry);
}

/* Find the messages that are wanted. A message that cannot be read is counted; one whose length is
 * wrong ends the chunk, because the start of the next one is unknown. */
static td_result find_messages(chunk_load *load)
{
    td_bytes records = td_buf_view(block_bytes(load->block));
    size_t at = 0;
    for (;;) {
        segment_message found;
        td_err err;
        td_result rc = segment_reader_message(load->source->reader, records, &at, &found, &err);
        if (rc == TD_EOF)
            return TD_OK;
        if (rc == TD_OK)
            add_message(load, records, &found);
        else if (rc == TD_E_CORRUPT) {
            if (load->damage_count++ == 0)
                load->err = err;
            rc = TD_OK;
        } else {
            load->err = err;
        }
        if (rc != TD_OK)
            return rc;
    }
}

/* ---- order within a chunk ---- */

typedef struct sort_context {
    const tape_source *source;
} sort_context;

/* The tape's order of two messages of one chunk, as far as their channels decide it. */
static int compare_entries(const void *a, const void *b, void *user)
{
    const block_entry *left = a;
    const block_entry *right = b;
    const sort_context *context = user;
    if (left->recv_ns != right->recv_ns)
        return left->recv_ns < right->recv_ns ? -1 : 1;
    if (left->channel != right->channel) {
        const channel_info *l = &context->source->channels[left->channel].channel->info;
        const channel_info *r = &context->source->channels[right->channel].channel->info;
        int by_feed = strcmp(l->feed, r->feed);
        if (by_feed != 0)
            return by_feed;
        if (l->line != r->line)
            return l->line < r->line ? -1 : 1;
        if (l->shard != r->shard)
            return l->shard < r->shard ? -1 : 1;
        if (l->dir != r->dir)
            return l->dir < r->dir ? -1 : 1;
    }
    if (left->sequence != right->sequence)
        return left->sequence < right->sequence ? -1 : 1;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

/* Our own chunks are in order, and only an event may have the time of the message before it: it
 * happened where it was written. Files of other tools are sorted. */
static void sort_messages(chunk_load *load)
{
    size_t count = 0;
    const block_entry *entries = block_entries(load->block, &count);
    int is_ours = segment_reader_info(load->source->reader)->is_ours;
    for (size_t i = 1; i < count; i++) {
        if (entries[i].recv_ns > entries[i - 1].recv_ns ||
            (is_ours && entries[i].recv_ns == entries[i - 1].recv_ns))
            continue;
        sort_context context = {.source = load->source};
        qsort_r(block_entries_edit(load->block), count, sizeof *entries, compare_entries, &context);
        return;
    }
}

/* A frame that another decoder is asked about: that of the tape's options. */
static int is_asked(const chunk_load *load, const content_reader *reader, const block_entry *entry)
{
    const source_channel *from = &load->source->channels[entry->channel];
    return load->options->decoding != NULL && from->use == SOURCE_FRAME &&
           content_is_asked(reader, from->channel);
}

/* Ask about all frames of the chunk at once. The lists are of the chunk's memory, which lives
 * longer than they are needed: a chunk is asked about once. */
static td_result ask_contents(chunk_load *load, content_reader *reader, const block_entry *entries,
                              size_t count)
{
    td_arena *arena = block_arena(load->block);
    decoding_request *requests = td_arena_alloc(arena, count * sizeof *requests);
    const frame_content **contents = td_arena_alloc(arena, count * sizeof(frame_content *));
    const char *session = segment_reader_info(load->source->reader)->session.session;
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_asked(load, reader, &entries[i]))
            continue;
        const tape_channel *channel = load->source->channels[entries[i].channel].channel;
        requests[asked++] = (decoding_request){
            .channel = channel,
            .row = content_row(reader, channel, entries[i].recv_ns),
            .session = session,
            .ordinal = entries[i].sequence,
            .recv_ns = entries[i].recv_ns,
            .bytes =
                td_bytes_of(block_bytes(load->block)->data + entries[i].offset, entries[i].size),
            .is_lead_in = entries[i].recv_ns < load->options->window.from_ns};
    }
    if (asked == 0)
        return TD_OK;
    td_result rc =
        content_ask(reader, load->options->decoding, requests, asked, arena, contents, &load->err);
    asked = 0;
    for (size_t i = 0; i < count && rc == TD_OK; i++)
        if (is_asked(load, reader, &entries[i]))
            load->contents[i] = contents[asked++];
    return rc;
}

/* The content of a frame. The tape itself reads frames of _unknown channels, after it classified
 * them again. */
static const frame_content *read_entry(chunk_load *load, content_reader *reader,
                                       const block_entry *entry)
{
    const source_channel *from = &load->source->channels[entry->channel];
    if (from->use != SOURCE_FRAME)
        return NULL;
    td_bytes bytes = td_bytes_of(block_bytes(load->block)->data + entry->offset, entry->size);
    const topic_row *row = content_row(reader, from->channel, entry->recv_ns);
    return content_read_kept(reader, from->channel, row, entry->recv_ns, bytes,
                             block_arena(load->block));
}

static td_result check_content_bytes(chunk_load *load)
{
    if (TD_LIKELY(block_held_bytes(load->block) <= CONTENT_BYTES_MAX))
        return TD_OK;
    return td_err_set(&load->err, TD_E_LIMIT, "its decoded frames take more than %zu bytes",
                      CONTENT_BYTES_MAX);
}

static td_result read_contents(chunk_load *load)
{
    size_t count = 0;
    const block_entry *entries = block_entries(load->block, &count);
    if (count == 0)
        return TD_OK;
    content_reader *reader = content_pool_take(load->readers);
    load->contents = block_contents(load->block);
    td_result rc = TD_OK;
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        if (!is_asked(load, reader, &entries[i]))
            load->contents[i] = read_entry(load, reader, &entries[i]);
        rc = check_content_bytes(load);
    }
    if (rc == TD_OK && load->options->decoding != NULL)
        rc = ask_contents(load, reader, entries, count);
    if (rc == TD_OK)
        rc = check_content_bytes(load);
    load->is_fatal = rc != TD_OK;
    content_pool_give(load->readers, reader);
    return rc;
}

void chunk_load_run(void *arg)
{
    chunk_load *load = arg;
    TD_ASSERT(load->block != NULL);
    load->damage_count = 0;
    load->is_fatal = 0;
    td_err_clear(&load->err);
    load->rc = segment_reader_read(load->source->reader, load->chunk_index, load->scratch,
                                   block_bytes(load->block), &load->err);
    if (load->rc == TD_OK)
        load->rc = find_messages(load);
    if (load->rc == TD_OK)
        sort_messages(load);
    load->contents = NULL;
    if (load->rc == TD_OK && load->readers != NULL)
        load->rc = read_contents(load);
    load->entries = block_entries(load->block, &load->entry_count);
    load->at = 0;
}
