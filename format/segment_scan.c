/* The lists of a reader, from a walk over the file: segments still being written or torn, and files
 * without a summary. */
#include "format/segment_reader_impl.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "format/mcap_decode.h"
#include "format/segment_walk.h"

enum { BITMAP_BYTES = (UINT16_MAX + 1) / 8 };

/* A chunk or run whose end has not been seen yet. */
typedef struct open_entry {
    segment_chunk chunk;
    uint64_t end; /* behind its last record, message indexes included */
    uint8_t is_active;
    uint8_t bitmap[BITMAP_BYTES];
} open_entry;

typedef struct scan {
    segment_reader *reader;
    segment_walk walk;
    open_entry entry;
    /* Ours: what a later sound block would prove too. */
    uint32_t proven_chunks;
    size_t proven_bitmaps;
    td_err held_damage;
    uint64_t held_damage_at;
    uint8_t has_held_damage;
    uint8_t is_done;
} scan;

/* 1 for what ends the walk, as opposed to damage in the file. */
static int is_fatal(td_result rc)
{
    return rc == TD_E_IO || rc == TD_E_NOMEM || rc == TD_E_NOSPACE;
}

/* Damage counts once it is known not to be just the torn tail. */
static void hold_damage(scan *s, const td_err *why, uint64_t offset)
{
    TD_ASSERT(why->code != TD_OK);
    if (s->has_held_damage)
        return;
    s->has_held_damage = 1;
    s->held_damage = *why;
    s->held_damage_at = offset;
}

/* What was read so far is part of the file for good. */
static void prove(scan *s)
{
    if (s->has_held_damage)
        reader_note_damage(s->reader, &s->held_damage, s->held_damage_at);
    s->has_held_damage = 0;
    s->proven_chunks = s->reader->chunk_count;
    s->proven_bitmaps = s->reader->bitmaps.size;
}

/* The open chunk or run has messages of this channel. */
static void mark_channel(open_entry *entry, uint16_t id)
{
    TD_ASSERT(entry->is_active);
    entry->bitmap[id / 8] |= (uint8_t)(1u << (id % 8));
    entry->chunk.has_channels = 1;
}

/* Decompress the chunk for its schemas and channels if it may bring new ones. */
static td_result learn(scan *s, uint32_t index, td_err *err)
{
    segment_reader *r = s->reader;
    const segment_chunk *chunk = segment_reader_chunk(r, index);
    if (chunk->is_run ||
        (chunk->has_channels && reader_knows_all(r, segment_reader_bitmap(r, index))))
        return TD_OK;
    td_err why;
    td_result rc = segment_reader_read(r, index, r->scratch, &r->records, &why);
    if (rc == TD_OK)
        return reader_learn_channels(r, td_buf_view(&r->records), err);
    if (is_fatal(rc)) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    hold_damage(s, &why, chunk->offset);
    return TD_OK;
}

/* The open chunk or run is complete: enter it into the list. */
static td_result close_entry(scan *s, td_err *err)
{
    open_entry *entry = &s->entry;
    if (!entry->is_active)
        return TD_OK;
    entry->is_active = 0;
    if (entry->chunk.is_run && entry->chunk.message_count == 0)
        return TD_OK;
    td_bytes bitmap = td_bytes_of(entry->bitmap, entry->chunk.has_channels ? BITMAP_BYTES : 0);
    td_result rc = reader_add_chunk(s->reader, &entry->chunk, bitmap, err);
    if (rc == TD_OK)
        rc = learn(s, s->reader->chunk_count - 1, err);
    return rc;
}

static void begin_entry(scan *s, const segment_chunk *chunk, uint64_t end)
{
    TD_ASSERT(!s->entry.is_active);
    memset(s->entry.bitmap, 0, sizeof s->entry.bitmap);
    s->entry.chunk = *chunk;
    s->entry.end = end;
    s->entry.is_active = 1;
}

/* A chunk record: pending until what follows is no message index of its own. */
static td_result take_chunk(scan *s, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_CHUNK);
    TD_ASSERT(place->end > place->offset);
    mcap_chunk in;
    uint64_t records_at;
    td_result rc = mcap_source_chunk(&s->reader->source, place, &in, &records_at, err);
    if (rc != TD_OK)
        return rc;
    segment_chunk chunk = {.offset = place->offset,
                           .record_bytes = place->end - place->offset,
                           .compressed_bytes = in.records.size,
                           .uncompressed_bytes = in.uncompressed_bytes,
                           .first_ns = in.start_ns,
                           .last_ns = in.end_ns,
                           .message_count = UINT64_MAX};
    begin_entry(s, &chunk, place->end);
    return TD_OK;
}

/* Tells a channel of the pending chunk, and how many messages it has there. */
static td_result take_message_index(scan *s, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_MESSAGE_INDEX);
    open_entry *entry = &s->entry;
    if (!entry->is_active || entry->chunk.is_run || entry->end != place->offset)
        return td_err_set(err, TD_E_CORRUPT, "message index without a chunk before it");
    td_bytes content;
    mcap_message_index index;
    td_result rc = mcap_source_content(&s->reader->source, place, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_message_index(content, &index, err);
    if (rc != TD_OK)
        return rc;
    uint64_t count = index.entries.bytes.size / MCAP_INDEX_ENTRY_BYTES;
    if (entry->chunk.message_count == UINT64_MAX)
        entry->chunk.message_count = 0;
    entry->chunk.message_count += count;
    entry->chunk.index_bytes += place->end - place->offset;
    entry->end = place->end;
    mark_channel(entry, index.channel_id);
    return TD_OK;
}

/* A run grows by a record that follows it directly. */
static void extend_run(open_entry *entry, const mcap_place *place)
{
    TD_ASSERT(entry->chunk.is_run);
    TD_ASSERT(place->offset == entry->end);
    entry->end = place->end;
    entry->chunk.record_bytes = place->end - entry->chunk.offset;
    entry->chunk.compressed_bytes = entry->chunk.record_bytes;
    entry->chunk.uncompressed_bytes = entry->chunk.record_bytes;
}

/* Runs have no header: their times and counts come from their messages. */
static void count_in_run(open_entry *entry, const mcap_message *message)
{
    segment_chunk *chunk = &entry->chunk;
    if (chunk->message_count == 0 || message->log_ns < chunk->first_ns)
        chunk->first_ns = message->log_ns;
    if (message->log_ns > chunk->last_ns)
        chunk->last_ns = message->log_ns;
    chunk->message_count++;
    mark_channel(entry, message->channel_id);
}

/* A schema, channel or message outside of chunks: part of a run. */
static td_result take_run_record(scan *s, const mcap_place *place, td_err *err)
{
    open_entry *entry = &s->entry;
    td_result rc = TD_OK;
    /* A damaged record may lie between: a run is without holes. */
    if (entry->is_active && (!entry->chunk.is_run || place->offset != entry->end ||
                             place->end - entry->chunk.offset > RUN_BYTES))
        rc = close_entry(s, err);
    if (rc != TD_OK)
        return rc;
    if (!entry->is_active) {
        segment_chunk run = {.offset = place->offset, .is_run = 1};
        begin_entry(s, &run, place->offset);
    }
    td_bytes content;
    mcap_message message;
    uint64_t size = place->content_bytes;
    if (place->opcode == MCAP_MESSAGE && size > MCAP_MESSAGE_FIELDS_BYTES)
        size = MCAP_MESSAGE_FIELDS_BYTES;
    rc = mcap_source_view(&s->reader->source, place->content_at, size, &content, err);
    if (rc == TD_OK && place->opcode == MCAP_SCHEMA)
        rc = reader_add_schema(s->reader, content, err);
    else if (rc == TD_OK && place->opcode == MCAP_CHANNEL)
        rc = reader_add_channel(s->reader, content, err);
    else if (rc == TD_OK)
        rc = mcap_decode_message(content, &message, err);
    extend_run(entry, place);
    if (rc == TD_OK && place->opcode == MCAP_MESSAGE)
        count_in_run(entry, &message);
    return rc;
}

/* A chain record: everything up to it is proven if the block is sound. */
static td_result take_chain(scan *s, const mcap_place *place, td_err *err)
{
    TD_ASSERT(s->reader->info.is_ours);
    TD_ASSERT(!s->entry.is_active);
    segment_reader *r = s->reader;
    segment_block block;
    td_result rc = segment_walk_block(&s->walk, place, NULL, &block, err);
    if (rc == TD_E_CORRUPT)
        return TD_OK; /* somebody else's private record */
    if (rc != TD_OK)
        return rc;
    if (!block.is_sound) {
        td_err why;
        td_err_set(&why, TD_E_CORRUPT, "chain value differs from the bytes since %" PRIu64,
                   block.start);
        hold_damage(s, &why, place->offset);
        return TD_OK;
    }
    prove(s);
    r->scan_at = block.end;
    r->scan_chain = block.record.value;
    return TD_OK;
}

/* The data section is over. */
static td_result take_end(scan *s, const mcap_place *place, td_err *err)
{
    segment_reader *r = s->reader;
    td_result rc = close_entry(s, err);
    s->is_done = 1;
    s->walk.at = place->offset;
    if (rc != TD_OK || r->source.size < MCAP_MAGIC_BYTES || r->is_end_torn)
        return rc;
    td_bytes magic;
    rc = mcap_source_view(&r->source, r->source.size - MCAP_MAGIC_BYTES, MCAP_MAGIC_BYTES, &magic,
                          err);
    if (rc == TD_OK && memcmp(magic.data, MCAP_MAGIC, MCAP_MAGIC_BYTES) == 0)
        r->info.state = SEGMENT_FINISHED;
    return rc;
}

/* Every record of the data section comes through here. */
static td_result take_record(scan *s, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->end <= s->reader->source.size);
    if (place->opcode == MCAP_MESSAGE_INDEX)
        return take_message_index(s, place, err);
    if (place->opcode == MCAP_SCHEMA || place->opcode == MCAP_CHANNEL ||
        place->opcode == MCAP_MESSAGE)
        return take_run_record(s, place, err);
    td_result rc = close_entry(s, err);
    if (rc != TD_OK)
        return rc;
    switch (place->opcode) {
    case MCAP_CHUNK:
        return take_chunk(s, place, err);
    case MCAP_DATA_END:
    case MCAP_FOOTER:
        return take_end(s, place, err);
    case CHAIN_OPCODE:
        return s->reader->info.is_ours ? take_chain(s, place, err) : TD_OK;
    case 0:
    case MCAP_HEADER:
        return td_err_set(err, TD_E_CORRUPT, "%s record where none may be",
                          mcap_opcode_name(place->opcode));
    default:
        return TD_OK; /* attachments, metadata, and what later specifications may bring */
    }
}

/* Structure is broken at the walk's place. Ours: go on behind the damage if the file goes on. */
static td_result pass_damage(scan *s, const td_err *why, td_err *err)
{
    TD_ASSERT(!s->is_done);
    hold_damage(s, why, s->walk.at);
    s->entry.is_active = 0;
    s->is_done = 1;
    if (!s->reader->info.is_ours)
        return TD_OK;
    uint64_t from, to;
    td_result rc = segment_walk_skip(&s->walk, &from, &to, err);
    if (rc == TD_OK)
        s->is_done = 0;
    return rc == TD_EOF ? TD_OK : rc;
}

/* One record. Damage is held or passed; only I/O and memory end the walk. */
static td_result step(scan *s, td_err *err)
{
    TD_ASSERT(!s->is_done);
    mcap_place place;
    td_err why;
    td_result rc = segment_walk_next(&s->walk, &place, &why);
    if (rc == TD_EOF) {
        s->is_done = 1;
        return TD_OK;
    }
    if (rc == TD_E_TRUNCATED)
        return pass_damage(s, &why, err);
    if (rc == TD_OK)
        rc = take_record(s, &place, &why);
    if (rc == TD_OK)
        return TD_OK;
    if (is_fatal(rc)) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    if (place.opcode == 0 || place.opcode == MCAP_HEADER)
        return pass_damage(s, &why, err);
    hold_damage(s, &why, place.offset); /* the record is bad, its length is not: go on behind it */
    return TD_OK;
}

/* Our own unfinished file: what no sound block proved does not count. */
static void drop_unproven(scan *s)
{
    segment_reader *r = s->reader;
    TD_ASSERT(s->proven_chunks <= r->chunk_count);
    r->chunk_count = s->proven_chunks;
    r->bitmaps.size = s->proven_bitmaps;
    r->info.sound_bytes = r->scan_at;
}

/* A foreign file that ends anywhere: its last chunk may lack message indexes still. */
static td_result keep_open_end(scan *s, td_err *err)
{
    if (s->entry.is_active && !s->entry.chunk.is_run) {
        s->entry.chunk.has_channels = 0;
        s->entry.chunk.message_count = UINT64_MAX;
    }
    s->reader->scan_at = s->walk.at;
    s->reader->info.sound_bytes = s->walk.at;
    return close_entry(s, err);
}

/* What of the file counts, now that its end is known. */
static td_result finish(scan *s, td_err *err)
{
    segment_reader *r = s->reader;
    td_result rc = TD_OK;
    if (r->info.state == SEGMENT_FINISHED) {
        rc = close_entry(s, err);
        r->info.sound_bytes = r->source.size;
        prove(s);
    } else if (r->info.is_ours) {
        drop_unproven(s);
    } else {
        int is_torn = s->walk.at < r->source.size;
        rc = keep_open_end(s, err);
        s->has_held_damage &= !is_torn; /* a torn tail is told by sound_bytes */
        prove(s);
    }
    return rc;
}

td_result reader_scan(segment_reader *reader, td_err *err)
{
    segment_reader *r = reader;
    scan s = {.reader = r, .proven_chunks = r->chunk_count, .proven_bitmaps = r->bitmaps.size};
    uint64_t at = r->scan_at < r->data_start ? r->data_start : r->scan_at;
    td_result rc = segment_walk_init(&s.walk, &r->source, r->info.is_ours ? r->scan_at : at, at,
                                     r->scan_chain, err);
    while (rc == TD_OK && !s.is_done)
        rc = step(&s, err);
    if (rc == TD_OK)
        rc = finish(&s, err);
    segment_walk_fini(&s.walk);
    return rc;
}
