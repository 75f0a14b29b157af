/* The lists of a reader, from a walk over the file: segments still being written or torn, and files
 * without a summary. */
#include "format/segment_reader_impl.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "format/mcap_decode.h"
#include "format/scanner.h"

enum { BITMAP_BYTES = (UINT16_MAX + 1) / 8 };

typedef struct scan {
    segment_reader *reader;
    scanner walk;
    /* The run whose end has not been seen yet. */
    segment_chunk run;
    uint8_t run_bitmap[BITMAP_BYTES];
    uint8_t has_run;
    /* Ours: what a later sound block would prove too. */
    uint32_t proven_chunks;
    size_t proven_bitmaps;
    td_err held_damage;
    uint64_t held_damage_at;
    uint8_t has_held_damage;
} scan;

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

/* Decompress the last chunk for its schemas and channels if it may bring new ones. */
static td_result learn(scan *s, td_err *err)
{
    segment_reader *r = s->reader;
    uint32_t index = r->chunk_count - 1;
    const segment_chunk *chunk = segment_reader_chunk(r, index);
    if (chunk->has_channels && reader_knows_all(r, segment_reader_bitmap(r, index)))
        return TD_OK;
    td_err why;
    td_result rc = segment_reader_read(r, index, r->scratch, &r->records, &why);
    if (scan_is_fatal(rc))
        return td_err_pass(err, rc, &why);
    if (rc == TD_OK)
        reader_learn_channels(r, td_buf_view(&r->records));
    else
        hold_damage(s, &why, chunk->offset);
    return TD_OK;
}

/* The open run is complete: enter it into the list. */
static td_result close_run(scan *s, td_err *err)
{
    int is_empty = !s->has_run || s->run.message_count == 0;
    s->has_run = 0;
    if (is_empty)
        return TD_OK;
    return reader_add_chunk(s->reader, &s->run, td_bytes_of(s->run_bitmap, BITMAP_BYTES), err);
}

static td_result take_chunk(void *user, const scan_chunk *chunk, td_err *err)
{
    (void)chunk; /* it is reported at its end */
    return close_run(user, err);
}

static td_result take_chunk_end(void *user, const scan_chunk *chunk, td_err *err)
{
    scan *s = user;
    mcap_chunk_index index = chunk->index;
    if (chunk->is_index_broken) /* then its channels are not known */
        index.index_offsets.bytes = td_bytes_of(NULL, 0);
    int is_counted = index.index_offsets.bytes.size > 0;
    td_result rc = reader_add_chunk_index(s->reader, &index,
                                          is_counted ? chunk->message_count : UINT64_MAX, err);
    return rc == TD_OK ? learn(s, err) : rc;
}

/* A run begins with this record, or grows by it: it follows directly. */
static void extend_run(scan *s, const mcap_place *place)
{
    if (!s->has_run) {
        s->has_run = 1;
        s->run = (segment_chunk){.offset = place->offset, .is_run = 1};
        memset(s->run_bitmap, 0, sizeof s->run_bitmap);
    }
    TD_ASSERT(place->offset == s->run.offset + s->run.chunk_bytes);
    s->run.chunk_bytes = place->end - s->run.offset;
    s->run.uncompressed_bytes = s->run.chunk_bytes;
}

/* Runs have no header: their times and counts come from their messages. */
static void count_in_run(scan *s, const mcap_message *message)
{
    segment_chunk *run = &s->run;
    if (run->message_count == 0 || message->log_ns < run->first_ns)
        run->first_ns = message->log_ns;
    if (message->log_ns > run->last_ns)
        run->last_ns = message->log_ns;
    run->message_count++;
    run->has_channels = 1;
    s->run_bitmap[message->channel_id / 8] |= (uint8_t)(1u << (message->channel_id % 8));
}

/* A schema, channel or message outside of chunks: part of a run. */
static td_result take_run_record(scan *s, const mcap_place *place, td_err *err)
{
    td_result rc = TD_OK;
    /* A damaged record may lie between: a run is without holes. */
    if (s->has_run && (place->offset != s->run.offset + s->run.chunk_bytes ||
                       place->end - s->run.offset > RUN_BYTES))
        rc = close_run(s, err);
    if (rc != TD_OK)
        return rc;
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
    extend_run(s, place);
    if (rc == TD_OK && place->opcode == MCAP_MESSAGE)
        count_in_run(s, &message);
    return rc;
}

static td_result take_record(void *user, const mcap_place *place, td_err *err)
{
    if (place->opcode == MCAP_SCHEMA || place->opcode == MCAP_CHANNEL ||
        place->opcode == MCAP_MESSAGE)
        return take_run_record(user, place, err);
    return close_run(user,
                     err); /* attachments, metadata, and what later specifications may bring */
}

/* Everything up to a sound block's end is proven. */
static td_result take_block(void *user, const scan_block *block, td_err *err)
{
    scan *s = user;
    TD_ASSERT(s->reader->info.is_ours);
    td_result rc = close_run(s, err);
    if (rc != TD_OK)
        return rc;
    if (!block->is_sound) {
        td_err why;
        td_err_set(&why, TD_E_CORRUPT, "chain value differs from the bytes since %" PRIu64,
                   block->start);
        hold_damage(s, &why, block->offset);
        return TD_OK;
    }
    prove(s);
    s->reader->scan_at = block->end;
    s->reader->scan_chain = block->record.value;
    return TD_OK;
}

static td_result take_damage(void *user, const scan_damage *damage, td_err *err)
{
    scan *s = user;
    (void)err;
    if (damage->is_broken)
        s->has_run = 0;
    else if (damage->opcode == CHAIN_OPCODE)
        return TD_OK; /* another program's private record */
    hold_damage(s, damage->why, damage->offset);
    return TD_OK;
}

/* The data section is over. */
static td_result take_end(void *user, const mcap_place *place, td_err *err)
{
    scan *s = user;
    segment_reader *r = s->reader;
    (void)place;
    td_result rc = close_run(s, err);
    if (rc != TD_OK || r->source.size < MCAP_MAGIC_BYTES || r->is_end_torn)
        return rc;
    td_bytes magic;
    rc = mcap_source_view(&r->source, r->source.size - MCAP_MAGIC_BYTES, MCAP_MAGIC_BYTES, &magic,
                          err);
    if (rc == TD_OK && memcmp(magic.data, MCAP_MAGIC, MCAP_MAGIC_BYTES) == 0)
        r->info.state = SEGMENT_FINISHED;
    return rc;
}

static const scan_visitor VISITOR = {.chunk = take_chunk,
                                     .chunk_end = take_chunk_end,
                                     .record = take_record,
                                     .block = take_block,
                                     .damage = take_damage,
                                     .end = take_end};

/* Our own unfinished file: what no sound block proved does not count. */
static void drop_unproven(scan *s)
{
    segment_reader *r = s->reader;
    TD_ASSERT(s->proven_chunks <= r->chunk_count);
    r->chunk_count = s->proven_chunks;
    r->bitmaps.size = s->proven_bitmaps;
    r->info.sound_bytes = r->scan_at;
}

/* The file ends anywhere: its last chunk may lack message indexes still. */
static td_result keep_open_end(scan *s, td_err *err)
{
    td_result rc = close_run(s, err);
    s->walk.chunk.is_index_broken = 1;
    return rc == TD_OK ? scanner_end_chunk(&s->walk, err) : rc;
}

/* What of the file counts, now that its end is known. */
static td_result finish(scan *s, td_err *err)
{
    segment_reader *r = s->reader;
    td_result rc = TD_OK;
    if (r->info.state == SEGMENT_FINISHED) {
        rc = keep_open_end(s, err);
        r->info.sound_bytes = r->source.size;
        prove(s);
    } else if (r->info.is_ours) {
        drop_unproven(s);
    } else {
        int is_torn = s->walk.at < r->source.size;
        rc = keep_open_end(s, err);
        r->scan_at = s->walk.at;
        r->info.sound_bytes = s->walk.at;
        s->has_held_damage &= !is_torn; /* sound_bytes shows a torn tail */
        prove(s);
    }
    return rc;
}

td_result reader_scan(segment_reader *reader, td_err *err)
{
    segment_reader *r = reader;
    int is_ours = r->info.is_ours;
    scan s = {.reader = r, .proven_chunks = r->chunk_count, .proven_bitmaps = r->bitmaps.size};
    uint64_t at = r->scan_at < r->data_start ? r->data_start : r->scan_at;
    scanner_init(&s.walk, &r->source, is_ours ? SCAN_BLOCKS : SCAN_PLAIN, &VISITOR, &s);
    scanner_begin(&s.walk, is_ours ? r->scan_at : at, at, r->scan_chain);
    td_result rc = scanner_run(&s.walk, r->source.size, err);
    if (rc == TD_OK)
        rc = finish(&s, err);
    scanner_fini(&s.walk);
    return rc;
}
