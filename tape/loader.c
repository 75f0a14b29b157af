#include "tape/loader.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

/* Limit of a chunk's bytes and the decoded content of its frames. Content usually has about the
 * size of the frames; no decoded value takes 32 times the memory of its text. */
static const size_t CONTENT_BYTES_MAX = 32 * (size_t)LIMIT_CHUNK_BYTES;

void chunk_load_close(chunk_load *load)
{
    if (load == NULL)
        return;
    tape_block_release(load->block);
    td_free(load);
}

/* 1 if the tape needs a message of this channel and time. Events before the window are needed for
 * the state of connections; events after it are not. */
static int wants_entry(const chunk_load *load, const chunk_entry *entry)
{
    const source_options *options = load->options;
    const source_file *file = load->chunk.file;
    uint64_t ns = entry->recv_ns;
    /* The block may have been read for another cursor, whose reader found a channel that damage
     * hides from this one. */
    if (entry->channel >= file->channel_capacity)
        return 0;
    const source_channel *channel = &file->channels[entry->channel];
    if (channel->use == SOURCE_SKIP || ns >= options->window.to_ns)
        return 0;
    if (ns >= options->window.from_ns || channel->use == SOURCE_EVENT)
        return 1;
    return channel->has_lead_in && ns >= options->lead_from_ns;
}

/* Move to the next wanted entry. (With reads_ahead all entries are wanted.) */
static void skip_unwanted(chunk_load *load)
{
    while (load->at < load->count && !wants_entry(load, &load->entries[load->at]))
        load->at++;
}

void chunk_load_advance(chunk_load *load)
{
    load->at++;
    if (!load->options->reads_ahead)
        skip_unwanted(load);
}

/* ---- frames ---- */

/* Copy a view into out as a C string; 0 if it does not fit or holds a NUL. */
static int copy_name(td_bytes from, char *out, size_t out_bytes)
{
    if (from.size >= out_bytes || memchr(from.data, '\0', from.size) != NULL)
        return 0;
    if (from.size > 0)
        memcpy(out, from.data, from.size);
    out[from.size] = '\0';
    return 1;
}

/* If a frame was recorded as unknown, but this version has a schema row for its topic, assign the
 * topic's channel to the frame. *is_wanted: 1 if the frame is selected under its present
 * channel. */
static td_result classify_again(chunk_load *load, content_reader *reader, frame_ref *frame,
                                int *is_wanted, td_err *err)
{
    const frame_channel *from = frame->channel;
    const source_options *options = load->options;
    char topic[LIMIT_TOPIC_BYTES];
    char exchange_topic[LIMIT_TOPIC_BYTES];
    char symbol[LIMIT_SYMBOL_BYTES];
    *is_wanted = selection_match(options->wanted, &from->info) == SELECTION_YES;
    if (from->family == NULL || from->family->topic_count == 0)
        return TD_OK;
    const classification *what = content_classify(reader, from, frame->recv_ns, frame->bytes);
    if (what->frame_class != CLASS_DATA || what->topic.row == NULL ||
        !copy_name(what->topic.topic, topic, sizeof topic) ||
        !copy_name(what->exchange_topic, exchange_topic, sizeof exchange_topic) ||
        !copy_name(what->topic.symbol, symbol, sizeof symbol))
        return TD_OK;
    channel_info info = from->info;
    info.topic = topic;
    info.exchange_topic = exchange_topic;
    info.symbol = symbol;
    *is_wanted = selection_has_topic(options->wanted, td_bytes_str(topic),
                                     td_bytes_str(exchange_topic), td_bytes_str(symbol));
    return connection_table_channel(options->connections, &info, &frame->channel, err);
}

/* Make the frame of an entry, with its present channel and schema row. The cursor sets the frame's
 * connection, the high half of its ordinal, and its relation to its stream. */
static td_result make_frame(chunk_load *load, content_reader *reader, const chunk_entry *entry,
                            frame_ref *frame, int *is_wanted)
{
    const source_channel *from = &load->chunk.file->channels[entry->channel];
    uint8_t *data = load->block->bytes.data + entry->offset;
    td_result rc = TD_OK;
    *is_wanted = 1;
    *frame = (frame_ref){.recv_ns = entry->recv_ns,
                         .ordinal = entry->sequence,
                         .channel = from->channel,
                         .conn = &from->slot->none.conn,
                         .bytes = td_bytes_of(data, entry->size),
                         .publish_ns = td_le64(data - sizeof(uint64_t)),
                         .block = load->block,
                         .is_lead_in = entry->recv_ns < load->options->from_ns};
    if (TD_UNLIKELY(from->use == SOURCE_UNKNOWN))
        rc = classify_again(load, reader, frame, is_wanted, &load->err);
    frame->row = content_row(reader, frame->channel, frame->recv_ns);
    return rc;
}

/* Make frames of the entries of a private block, without the unwanted frames. */
static td_result make_frames(chunk_load *load, content_reader *reader)
{
    chunk_entry *entries = load->block->entries;
    size_t count = load->count;
    if (count > load->block->frame_capacity) {
        td_free(load->block->frames);
        load->block->frame_capacity = count + count / 8; /* chunks have similar sizes */
        load->block->frames = td_alloc(load->block->frame_capacity * sizeof *load->frames);
    }
    load->frames = load->block->frames;
    load->count = 0;
    for (size_t i = 0; i < count; i++) {
        int is_wanted;
        if (!wants_entry(load, &entries[i]))
            continue;
        td_result rc =
            make_frame(load, reader, &entries[i], &load->frames[load->count], &is_wanted);
        if (rc != TD_OK)
            return rc;
        if (is_wanted)
            entries[load->count++] = entries[i];
    }
    return TD_OK;
}

td_result chunk_load_frame(chunk_load *load, frame_ref **out, td_err *err)
{
    int is_wanted;
    if (load->options->reads_ahead) {
        *out = &load->frames[load->at];
        return TD_OK;
    }
    td_result rc =
        make_frame(load, load->options->due, &load->entries[load->at], &load->frame, &is_wanted);
    if (TD_UNLIKELY(rc != TD_OK) && err != NULL)
        *err = load->err;
    *out = is_wanted ? &load->frame : NULL;
    return rc;
}

/* ---- content ---- */

static td_result check_content_bytes(chunk_load *load)
{
    if (TD_LIKELY(block_held_bytes(load->block) <= CONTENT_BYTES_MAX))
        return TD_OK;
    return td_err_set(&load->err, TD_E_LIMIT, "its decoded frames take more than %zu bytes",
                      CONTENT_BYTES_MAX);
}

/* Read the content of the frames. If a decoder replaces the built-in one, that decoder gets its
 * frames together. */
static td_result read_contents(chunk_load *load, content_reader *reader)
{
    const tape_decoding *decoding = load->options->decoding;
    td_arena *arena = load->block->arena;
    td_result rc = TD_OK;
    size_t delegated_count = 0;
    frame_ref **delegated =
        decoding == NULL ? NULL : td_arena_alloc(arena, load->count * sizeof(frame_ref *));
    for (size_t i = 0; i < load->count && rc == TD_OK; i++) {
        frame_ref *frame = &load->frames[i];
        if (decoding != NULL && content_has_decoder(reader, frame->channel)) {
            delegated[delegated_count++] = frame;
            continue;
        }
        content_read(reader, frame);
        if (frame->is_read)
            content_keep(frame, arena);
        rc = check_content_bytes(load);
    }
    if (rc == TD_OK && delegated_count > 0)
        rc = content_decode(reader, decoding, delegated, delegated_count, arena, &load->err);
    return rc == TD_OK ? check_content_bytes(load) : rc;
}

void chunk_load_run(void *arg)
{
    chunk_load *load = arg;
    TD_ASSERT(load->block == NULL);
    load->damage_count = 0;
    load->is_fatal = 0;
    load->count = 0;
    load->at = 0;
    td_err_clear(&load->err);
    load->rc = block_pool_read(load->blocks, load->from, &load->chunk, load->options->reads_ahead,
                               &load->block, &load->err);
    if (load->rc != TD_OK)
        return;
    const tape_block *block = load->block;
    load->entries = block->entries;
    load->count = block->entry_count;
    load->damage_count = block->damage_count;
    if (load->damage_count > 0)
        load->err = block->damage;
    if (!load->options->reads_ahead) {
        skip_unwanted(load);
        return;
    }
    content_reader *reader = content_pool_take(load->readers);
    load->rc = make_frames(load, reader);
    if (load->rc == TD_OK)
        load->rc = read_contents(load, reader);
    load->is_fatal = load->rc != TD_OK;
    content_pool_give(load->readers, reader);
}
