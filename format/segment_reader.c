#include "format/segment_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "format/mcap_decode.h"
#include "format/segment_reader_impl.h"
#include "format/segment_name.h"

enum { MCAP_IDS = UINT16_MAX + 1 };

/* Bitmaps of all chunks of a file: many more than a segment's 4,096 chunks can need. */
static const size_t BITMAPS_BYTES_MAX = (size_t)256 << 20;

/* The header names the program that wrote the file. */
static td_result read_header(segment_reader *r, td_err *err)
{
    mcap_header header;
    td_result rc = mcap_source_header(&r->source, &header, &r->data_start, err);
    if (rc != TD_OK)
        return rc;
    r->info.is_ours = (uint8_t)td_bytes_is(header.profile, SEGMENT_PROFILE);
    return TD_OK;
}

/* If the record is our session's metadata, take it over.*/
static td_result reader_take_session(segment_reader *reader, const mcap_place *place, td_err *err)
{
    TD_ASSERT(place->opcode == MCAP_METADATA);
    segment_reader *r = reader;
    td_bytes content;
    mcap_metadata metadata;
    td_result rc = mcap_source_content(&r->source, place, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_metadata(content, &metadata, err);
    if (rc != TD_OK)
        return rc;
    if (!td_bytes_is(metadata.name, SEGMENT_SESSION_METADATA))
        return TD_OK;
    char *at = td_alloc(content.size + SESSION_STRINGS);
    td_free(r->strings);
    r->strings = at;
    segment_session *session = &r->info.session;
    session->session = reader_place_text(&at, mcap_find_pair(metadata.pairs, "session"));
    session->feed = reader_place_text(&at, mcap_find_pair(metadata.pairs, "feed"));
    session->family = reader_place_text(&at, mcap_find_pair(metadata.pairs, "family"));
    session->previous_segment =
        reader_place_text(&at, mcap_find_pair(metadata.pairs, "previous_segment"));
    session->verb = reader_place_text(&at, mcap_find_pair(metadata.pairs, "verb"));
    session->version = reader_place_text(&at, mcap_find_pair(metadata.pairs, "version"));
    session->start_ns = reader_parse_u64(mcap_find_pair(metadata.pairs, "start_ns"));
    td_bytes chain = mcap_find_pair(metadata.pairs, "previous_chain");
    if (!chain_value_parse(chain, &session->previous_chain))
        return td_err_set(err, TD_E_CORRUPT, "session record without a chain value");
    return TD_OK;
}

/* The session is the record after the header. A file of ours without one is damaged, and read on.
 */
static td_result read_session(segment_reader *r, td_err *err)
{
    TD_ASSERT(r->info.is_ours);
    mcap_place place;
    td_err why;
    td_err_clear(&why);
    td_result rc = mcap_source_record(&r->source, r->data_start, r->source.size, &place, &why);
    if (rc == TD_OK && place.opcode == MCAP_METADATA)
        rc = reader_take_session(r, &place, &why);
    else if (rc == TD_OK)
        rc = td_err_set(&why, TD_E_CORRUPT, "no session record after the header");
    if (rc == TD_E_IO)
        return td_err_pass(err, rc, &why);
    if (rc == TD_E_CORRUPT)
        reader_note_damage(r, &why, r->data_start);
    r->scan_chain = r->info.session.previous_chain;
    return TD_OK;
}

/* Totals over the chunks, as far as each of them knows. */
static void sum_up(segment_reader *r)
{
    TD_ASSERT(r->info.sound_bytes <= r->source.size);
    segment_info *info = &r->info;
    info->file_bytes = r->source.size;
    info->damage = r->damage;
    info->first_ns = 0;
    info->last_ns = 0;
    uint64_t count = 0;
    uint8_t is_known = 1, is_first = 1;
    for (uint32_t i = 0; i < r->chunk_count; i++) {
        const segment_chunk *chunk = &r->chunks[i];
        is_known &= chunk->message_count != UINT64_MAX;
        count += chunk->message_count;
        if (chunk->message_count == 0)
            continue;
        if (is_first || chunk->first_ns < info->first_ns)
            info->first_ns = chunk->first_ns;
        if (chunk->last_ns > info->last_ns)
            info->last_ns = chunk->last_ns;
        is_first = 0;
    }
    if (is_known)
        info->message_count = count;
    else if (!info->has_summary)
        info->message_count = UINT64_MAX;
}

/* Forget chunks and channels. */
static void reader_clear_lists(segment_reader *reader)
{
    reader_free_channels(reader);
    reader->chunk_count = 0;
    td_buf_clear(&reader->bitmaps);
}

/* From the summary if that is sound, else by walking the file. */
static td_result read_lists(segment_reader *r, td_err *err)
{
    td_err why;
    td_err_clear(&why);
    td_result rc = reader_load_summary(r, &why);
    if (rc == TD_E_IO)
        return td_err_pass(err, rc, &why);
    if (rc == TD_OK)
        return TD_OK;
    reader_clear_lists(r);
    r->is_end_torn = reader_end_may_be_torn(r) != 0;
    if (r->is_end_torn)
        r->info.state = SEGMENT_OPEN;
    else if (rc != TD_EOF)
        reader_note_damage(r, &why, r->source.size);
    return reader_scan(r, err);
}

/* Buffers and file; their bounds are the reader's bounds. */
static td_result open_parts(segment_reader *r, const char *path, td_err *err)
{
    td_buf_init(&r->bitmaps, BITMAPS_BYTES_MAX);
    td_buf_init(&r->by_id, MCAP_IDS * sizeof(uint32_t));
    td_buf_init(&r->records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    r->scratch = segment_scratch_open();
    td_result rc = td_io_open(r->io, path, TD_OPEN_READ, &r->file, err);
    if (rc == TD_OK)
        rc = mcap_source_init(&r->source, r->file, err);
    return rc;
}

/* Header, session, lists. Only what is before the lists can make opening fail as damaged. */
static td_result read_all(segment_reader *r, td_err *err)
{
    r->info.state = SEGMENT_OPEN;
    r->info.session = (segment_session){
        .session = "", .feed = "", .family = "", .previous_segment = "", .verb = "", .version = ""};
    td_result rc = read_header(r, err);
    if (rc == TD_OK && r->info.is_ours)
        rc = read_session(r, err);
    if (rc == TD_OK)
        rc = read_lists(r, err);
    return rc;
}

static td_result open_reader(td_io io, const char *path, const segment_index *known,
                             segment_reader **out, td_err *err)
{
    *out = NULL;
    segment_reader *r = td_alloc_zero(1, sizeof *r);
    r->io = io;
    r->has_open_name = segment_has_open_name(path) != 0;
    (void)pthread_mutex_init(&r->file_lock, NULL); /* cannot fail with default attributes */
    td_result rc = open_parts(r, path, err);
    if (rc == TD_OK && known == NULL)
        rc = read_all(r, err);
    else if (rc == TD_OK)
        rc = reader_load_index(r, known, err);
    if (rc != TD_OK) {
        segment_reader_close(r);
        return td_err_add(err, rc, "segment %s", path);
    }
    sum_up(r);
    *out = r;
    return TD_OK;
}

td_result segment_reader_open(td_io io, const char *path, segment_reader **out, td_err *err)
{
    return open_reader(io, path, NULL, out, err);
}

td_result segment_reader_open_known(td_io io, const char *path, const segment_index *index,
                                    segment_reader **out, td_err *err)
{
    TD_ASSERT(index != NULL);
    return open_reader(io, path, index, out, err);
}

void segment_reader_close(segment_reader *reader)
{
    if (reader == NULL)
        return;
    reader_free_channels(reader);
    td_free(reader->channels);
    td_free(reader->schemas);
    td_free(reader->chunks);
    td_free(reader->strings);
    td_buf_fini(&reader->bitmaps);
    td_buf_fini(&reader->by_id);
    td_buf_fini(&reader->records);
    segment_scratch_close(reader->scratch);
    mcap_source_fini(&reader->source);
    td_io_close(reader->file);
    (void)pthread_mutex_destroy(&reader->file_lock); /* it is not held */
    td_free(reader);
}

const segment_info *segment_reader_info(const segment_reader *reader)
{
    return &reader->info;
}

td_result segment_reader_refresh(segment_reader *reader, uint32_t *added, td_err *err)
{
    segment_reader *r = reader;
    *added = 0;
    if (r->info.state == SEGMENT_FINISHED)
        return TD_OK;
    uint64_t known = r->source.size;
    uint32_t before = r->chunk_count;
    td_result rc = mcap_source_refresh(&r->source, err);
    if (rc == TD_OK && r->source.size != known) {
        r->is_end_torn = 0; /* it has a writer, which will end it in order */
        rc = reader_scan(r, err);
    }
    if (rc != TD_OK)
        return td_err_add(err, rc, "looking for new chunks");
    TD_ASSERT(r->chunk_count >= before);
    *added = r->chunk_count - before;
    sum_up(r);
    return TD_OK;
}

td_result segment_reader_message(const segment_reader *reader, td_bytes records, size_t *at,
                                 segment_message *out, td_err *err)
{
    TD_ASSERT(*at <= records.size);
    mcap_record record;
    do {
        td_result rc = mcap_next_record(records, at, &record, err);
        if (rc == TD_EOF)
            return TD_EOF;
        if (TD_UNLIKELY(rc != TD_OK)) {
            *at = records.size;
            return td_err_add(err, TD_E_CORRUPT, "messages of a chunk");
        }
    } while (record.opcode != MCAP_MESSAGE);
    mcap_message message;
    td_result rc = mcap_decode_message(record.content, &message, err);
    if (TD_UNLIKELY(rc != TD_OK))
        return rc;
    const segment_channel *channel = segment_reader_channel_by_id(reader, message.channel_id);
    if (TD_UNLIKELY(channel == NULL))
        return td_err_set(err, TD_E_CORRUPT, "message at %" PRIu64 " of unknown channel %u",
                          record.offset, message.channel_id);
    *out = (segment_message){.channel = channel,
                             .sequence = message.sequence,
                             .log_ns = message.log_ns,
                             .publish_ns = message.publish_ns,
                             .data = message.data,
                             .offset = record.offset};
    return TD_OK;
}

td_result reader_read_chain(const segment_reader *reader, const segment_chunk *chunk,
                            chain_conn *conns, chain_record *out, td_err *err)
{
    uint8_t bytes[CHAIN_RECORD_BYTES_MAX];
    uint64_t at = 0;
    if (__builtin_add_overflow(chunk->offset, chunk->chunk_bytes, &at) ||
        __builtin_add_overflow(at, chunk->index_bytes, &at) || at > reader->source.size)
        return td_err_set(err, TD_E_CORRUPT, "its last chunk lies beyond its end");
    td_result rc = td_io_read_exact(reader->file, at, bytes, MCAP_PREFIX_BYTES, err);
    if (rc != TD_OK)
        return rc;
    uint64_t size = td_le64(bytes + 1);
    if (bytes[0] != CHAIN_OPCODE || size > sizeof bytes - MCAP_PREFIX_BYTES)
        return td_err_set(err, TD_E_CORRUPT, "no chain record at %" PRIu64, at);
    rc = td_io_read_exact(reader->file, at + MCAP_PREFIX_BYTES, bytes, (size_t)size, err);
    return rc == TD_OK ? chain_decode(td_bytes_of(bytes, (size_t)size), conns, out, err) : rc;
}

td_result segment_reader_chain(segment_reader *reader, uint32_t chunk, chain_conn *conns,
                               chain_record *out, td_err *err)
{
    if (!reader->info.is_ours || chunk >= reader->chunk_count)
        return td_err_set(err, TD_E_NOTFOUND, "no chain record");
    const segment_chunk *row = &reader->chunks[chunk];
    td_result rc = reader_read_chain(reader, row, conns, out, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "after the chunk at %" PRIu64, row->offset);
}

td_result segment_reader_last_chain(segment_reader *reader, chain_conn *conns, chain_record *out,
                                    td_err *err)
{
    uint32_t count = reader->chunk_count;
    return segment_reader_chain(reader, count == 0 ? 0 : count - 1, conns, out, err);
}
