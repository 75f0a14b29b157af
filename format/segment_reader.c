#include "format/segment_reader.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/limits.h"
#include "format/chunk_channels.h"
#include "format/chunk_codec.h"
#include "format/mcap_decode.h"
#include "format/mcap_source.h"
#include "format/scanner.h"
#include "format/segment_name.h"

enum { MCAP_IDS = UINT16_MAX + 1, BITMAP_BYTES = MCAP_IDS / 8, SESSION_STRINGS = 6 };

struct segment_scratch {
    td_buf bytes; /* compressed records */
    codec *coder;
};

struct segment_reader {
    td_file *file;
    pthread_mutex_t file_lock; /* for segment_reader_read on several threads */
    mcap_source source;        /* used by open, refresh and walks, but not by segment_reader_read */
    segment_info info;
    uint8_t has_open_name;      /* 1: named `.open`, so its end may not be durable */
    uint8_t is_end_torn;        /* 1: its end is missing or incomplete */
    char *strings;              /* memory of info.session */
    uint64_t data_start;        /* after the header */
    segment_index lists;        /* chunks and checkpoints */
    segment_channel **channels; /* pointers stay valid when the array grows */
    uint32_t channel_count;
    td_buf by_id;             /* uint32_t index + 1 by channel id, 0 = unknown */
    segment_scratch *scratch; /* for finding channels in chunks */
    td_buf records;
    /* the walk over a file without a summary */
    uint64_t scan_at;      /* start of the next block */
    td_hash128 scan_chain; /* chain value that this block continues from */
};

/* ---- channels ---- */

/* Copy bytes and a NUL to *at, and move *at past them. A NUL in bytes ends the text early. */
static const char *copy_text(char **at, td_bytes bytes)
{
    char *start = *at;
    if (bytes.size > 0)
        memcpy(start, bytes.data, bytes.size);
    start[bytes.size] = '\0';
    *at = start + bytes.size + 1;
    return start;
}

/* A decimal number in metadata; 0 for any other text or a number above max. */
static uint64_t number_of(mcap_packed metadata, const char *key, uint64_t max)
{
    uint64_t value = 0;
    return td_digits_parse(mcap_find_pair(metadata, key), max, &value) ? value : 0;
}

/* Read tapedeck's metadata keys; an unknown direction counts as inbound. */
static void fill_channel_info(channel_info *info, const mcap_channel *in, char *texts)
{
    channel_dir dir = CHANNEL_IN;
    mcap_packed metadata = in->metadata;
    (void)channel_dir_parse(mcap_find_pair(metadata, "dir"), &dir);
    unsigned form = 0;
    if (number_of(metadata, "compressed", UINT32_MAX) == 1)
        form |= FORM_COMPRESSED;
    if (number_of(metadata, "fragmented", UINT32_MAX) == 1)
        form |= FORM_FRAGMENTED;
    if (number_of(metadata, "made", UINT32_MAX) == 1)
        form |= FORM_MADE;
    if (number_of(metadata, "fetched", UINT32_MAX) == 1)
        form |= FORM_FETCHED;
    *info = (channel_info){
        .feed = copy_text(&texts, mcap_find_pair(metadata, "feed")),
        .family = copy_text(&texts, mcap_find_pair(metadata, "family")),
        .line = (uint32_t)number_of(metadata, "line", UINT32_MAX),
        .shard = (uint32_t)number_of(metadata, "shard", UINT32_MAX),
        .dir = dir,
        .topic = copy_text(&texts, mcap_find_pair(metadata, "topic")),
        .exchange_topic = copy_text(&texts, mcap_find_pair(metadata, "exchange_topic")),
        .symbol = copy_text(&texts, mcap_find_pair(metadata, "symbol")),
        .opcode = number_of(metadata, "opcode", UINT32_MAX) == OPCODE_BINARY ? OPCODE_BINARY
                                                                             : OPCODE_TEXT,
        .form = form,
        .message_encoding = copy_text(&texts, in->message_encoding)};
}

/* Add a channel to the list, which then owns its strings, and map its id to its index. */
static void keep_channel(segment_reader *r, const segment_channel *channel)
{
    TD_ASSERT(r->channel_count < MCAP_IDS);
    uint32_t stored = r->channel_count + 1;
    size_t end = ((size_t)channel->id + 1) * sizeof stored;
    if (end > r->by_id.size) {
        td_buf_grow(&r->by_id, end - r->by_id.size);
        memset(r->by_id.data + r->by_id.size, 0, end - r->by_id.size);
        r->by_id.size = end;
    }
    memcpy(r->by_id.data + end - sizeof stored, &stored, sizeof stored);
    segment_channel *kept = td_alloc(sizeof *kept);
    *kept = *channel;
    kept->index = r->channel_count;
    r->channels = td_array_grow(r->channels, r->channel_count, sizeof(void *));
    r->channels[r->channel_count++] = kept;
}

/* Add a Channel record's channel unless its id is known. TD_E_CORRUPT. */
static td_result add_channel(segment_reader *r, td_bytes content, td_err *err)
{
    mcap_channel in;
    td_result rc = mcap_decode_channel(content, &in, err);
    if (rc != TD_OK)
        return rc;
    if (segment_reader_channel_by_id(r, in.id) != NULL)
        return TD_OK;
    /* All strings come from the record; each gets a NUL. */
    char *texts = td_alloc(content.size + 8);
    segment_channel channel = {.id = in.id, .message_count = UINT64_MAX};
    fill_channel_info(&channel.info, &in, texts);
    rc = segment_channel_check(&channel.info, err);
    if (rc != TD_OK) {
        td_free(texts);
        return TD_E_CORRUPT;
    }
    keep_channel(r, &channel);
    return TD_OK;
}

/* Add a copy of an index's channel without its counts. TD_E_CORRUPT for a known id. */
static td_result add_known_channel(segment_reader *reader, const segment_channel *channel,
                                   td_err *err)
{
    if (segment_reader_channel_by_id(reader, channel->id) != NULL)
        return td_err_set(err, TD_E_CORRUPT, "channel %u is listed twice", channel->id);
    segment_channel own = {.id = channel->id, .info = channel->info, .message_count = UINT64_MAX};
    segment_channel_own_strings(&own);
    keep_channel(reader, &own);
    return TD_OK;
}

static void free_channels(segment_reader *reader)
{
    TD_ASSERT(reader->channel_count <= MCAP_IDS);
    for (uint32_t i = 0; i < reader->channel_count; i++) {
        segment_channel_free_strings(reader->channels[i]);
        td_free(reader->channels[i]);
    }
    reader->channel_count = 0;
    td_buf_clear(&reader->by_id);
}

/* Add the channels of a chunk's records. */
static void add_channels(segment_reader *reader, td_bytes records)
{
    size_t at = 0;
    mcap_record record;
    while (mcap_next_record(records, &at, &record, NULL) == TD_OK) {
        td_result rc = TD_OK;
        if (record.opcode == MCAP_CHANNEL)
            rc = add_channel(reader, record.content, NULL);
        (void)rc; /* skip broken records */
    }
}

static int knows_all(const segment_reader *reader, td_bytes bitmap)
{
    for (size_t byte = 0; byte < bitmap.size; byte++) {
        for (unsigned bit = 0; bitmap.data[byte] >> bit != 0; bit++) {
            uint16_t id = (uint16_t)(byte * 8 + bit);
            if ((bitmap.data[byte] >> bit & 1) && segment_reader_channel_by_id(reader, id) == NULL)
                return 0;
        }
    }
    return 1;
}

uint32_t segment_reader_channel_count(const segment_reader *reader)
{
    return reader->channel_count;
}

const segment_channel *segment_reader_channel(const segment_reader *reader, uint32_t index)
{
    TD_ASSERT(index < reader->channel_count);
    return reader->channels[index];
}

const segment_channel *segment_reader_channel_by_id(const segment_reader *reader, uint16_t id)
{
    uint32_t stored = 0;
    size_t at = (size_t)id * sizeof stored;
    if (at + sizeof stored <= reader->by_id.size)
        memcpy(&stored, reader->by_id.data + at, sizeof stored);
    return stored == 0 ? NULL : reader->channels[stored - 1];
}

/* ---- the list of chunks ---- */

/* Append a chunk and its channels' bitmap, without zero bytes at its end. TD_OK, TD_E_LIMIT. */
static td_result add_chunk(segment_reader *r, const segment_chunk *chunk, td_bytes bitmap,
                           td_err *err)
{
    /* Bitmaps are mostly zeros: compare eight bytes at a time. */
    while (bitmap.size >= 8 && td_le64(bitmap.data + bitmap.size - 8) == 0)
        bitmap.size -= 8;
    while (bitmap.size > 0 && bitmap.data[bitmap.size - 1] == 0)
        bitmap.size--;
    return segment_index_add_chunk(&r->lists, chunk, bitmap, err);
}

/* Make a list entry and a bitmap from a chunk index. */
static segment_chunk chunk_of_index(const mcap_chunk_index *index, uint8_t bits[BITMAP_BYTES])
{
    mcap_packed rest = index->index_offsets;
    uint16_t id;
    uint64_t offset;
    memset(bits, 0, BITMAP_BYTES);
    while (mcap_next_count(&rest, &id, &offset))
        bits[id / 8] |= (uint8_t)(1u << (id % 8));
    return (segment_chunk){.offset = index->chunk_offset,
                           .chunk_bytes = index->chunk_bytes,
                           .index_bytes = index->index_bytes,
                           .uncompressed_bytes = index->uncompressed_bytes,
                           .first_ns = index->start_ns,
                           .last_ns = index->end_ns};
}

uint32_t segment_reader_chunk_count(const segment_reader *reader)
{
    return (uint32_t)reader->lists.chunk_count;
}

const segment_chunk *segment_reader_chunk(const segment_reader *reader, uint32_t index)
{
    TD_ASSERT(index < reader->lists.chunk_count);
    return &reader->lists.chunks[index];
}

td_bytes segment_reader_bitmap(const segment_reader *reader, uint32_t chunk_index)
{
    const segment_chunk *chunk = segment_reader_chunk(reader, chunk_index);
    return td_bytes_of(reader->lists.bitmaps + chunk->bitmap_offset, chunk->bitmap_bytes);
}

int segment_reader_chunk_has_unknown(const segment_reader *reader, uint32_t chunk_index)
{
    return !knows_all(reader, segment_reader_bitmap(reader, chunk_index));
}

int segment_reader_chunk_has(const segment_reader *reader, uint32_t chunk_index,
                             const segment_channel *channel)
{
    td_bytes bitmap = segment_reader_bitmap(reader, chunk_index);
    size_t byte = channel->id / 8;
    if (byte >= bitmap.size)
        return 0;
    TD_ASSERT(bitmap.data != NULL);
    return bitmap.data[byte] >> (channel->id % 8) & 1;
}

/* ---- checkpoints ---- */

/* Add a checkpoint to the list. A writer makes at most one per chunk; more, in a hostile file, are
 * ignored. */
static void keep_checkpoint(segment_reader *r, const segment_checkpoint *found)
{
    if (r->lists.checkpoint_count < LIMIT_SEGMENT_CHUNKS)
        segment_index_add_checkpoint(&r->lists, found);
}

uint32_t segment_reader_checkpoint_count(const segment_reader *reader)
{
    return (uint32_t)reader->lists.checkpoint_count;
}

const segment_checkpoint *segment_reader_checkpoint(const segment_reader *reader, uint32_t index)
{
    TD_ASSERT(index < reader->lists.checkpoint_count);
    return &reader->lists.checkpoints[index];
}

/* ---- records and message indexes of a chunk ---- */

segment_scratch *segment_scratch_open(void)
{
    segment_scratch *scratch = td_alloc_zero(1, sizeof *scratch);
    td_buf_init(&scratch->bytes, LIMIT_RECORD_BYTES);
    scratch->coder = codec_open();
    return scratch;
}

void segment_scratch_close(segment_scratch *scratch)
{
    if (scratch == NULL)
        return;
    td_buf_fini(&scratch->bytes);
    codec_close(scratch->coder);
    td_free(scratch);
}

/* Read [at, at + size) into out. The lock lets one thread at a time use the file. */
static td_result read_range(const segment_reader *reader, uint64_t at, uint64_t size, td_buf *out,
                            td_err *err)
{
    TD_ASSERT(out != NULL);
    td_buf_clear(out);
    if (size > LIMIT_RECORD_BYTES)
        return td_err_set(err, TD_E_LIMIT, "%" PRIu64 " bytes at %" PRIu64 ": limit %zu", size, at,
                          LIMIT_RECORD_BYTES);
    td_result rc = td_buf_reserve(out, (size_t)size, err);
    if (rc != TD_OK || size == 0)
        return rc;
    pthread_mutex_t *lock = (pthread_mutex_t *)&reader->file_lock;
    (void)pthread_mutex_lock(lock); /* cannot fail: this thread does not hold it */
    rc = td_io_read_exact(reader->file, at, out->data, (size_t)size, err);
    (void)pthread_mutex_unlock(lock);
    if (rc == TD_OK)
        out->size = (size_t)size;
    return rc;
}

/* Read and decompress a listed chunk. Its head is checked: the file may have changed. */
static td_result read_chunk(const segment_reader *reader, const segment_chunk *chunk,
                            segment_scratch *scratch, td_buf *out, td_err *err)
{
    if (chunk->chunk_bytes < MCAP_PREFIX_BYTES)
        return td_err_set(err, TD_E_CORRUPT, "chunk of %" PRIu64 " bytes", chunk->chunk_bytes);
    td_result rc = read_range(reader, chunk->offset, chunk->chunk_bytes, &scratch->bytes, err);
    if (rc != TD_OK)
        return rc;
    const uint8_t *p = scratch->bytes.data;
    TD_ASSERT(p != NULL);
    if (p[0] != MCAP_CHUNK || td_le64(p + 1) != chunk->chunk_bytes - MCAP_PREFIX_BYTES)
        return td_err_set(err, TD_E_CORRUPT, "no chunk of %" PRIu64 " bytes there",
                          chunk->chunk_bytes);
    mcap_chunk record;
    rc = mcap_decode_chunk(
        td_bytes_of(p + MCAP_PREFIX_BYTES, scratch->bytes.size - MCAP_PREFIX_BYTES), &record, err);
    if (rc == TD_OK)
        rc = chunk_decompress_records(scratch->coder, &record, SEGMENT_PADDING_BYTES, out, err);
    return rc;
}

td_result segment_reader_read(const segment_reader *reader, uint32_t index,
                              segment_scratch *scratch, td_buf *out, td_err *err)
{
    const segment_chunk *chunk = segment_reader_chunk(reader, index);
    td_buf_clear(out);
    td_result rc = read_chunk(reader, chunk, scratch, out, err);
    if (rc != TD_OK) {
        td_buf_clear(out);
        return td_err_add(err, rc, "chunk at %" PRIu64, chunk->offset);
    }
    TD_ASSERT(out->capacity - out->size >= SEGMENT_PADDING_BYTES);
    memset(out->data + out->size, 0, SEGMENT_PADDING_BYTES);
    return TD_OK;
}

/* Append a message index's channel as sealed_channel; nothing if the index is empty. */
static td_result append_index_channel(const mcap_message_index *index, uint64_t offset, td_buf *out,
                                      td_err *err)
{
    TD_ASSERT(index->entries.bytes.size % MCAP_INDEX_ENTRY_BYTES == 0);
    sealed_channel channel = {.id = index->channel_id, .index_offset = offset};
    mcap_packed rest = index->entries;
    uint64_t log_ns, message_at;
    while (mcap_next_entry(&rest, &log_ns, &message_at)) {
        if (channel.message_count == 0 || log_ns < channel.first_ns)
            channel.first_ns = log_ns;
        if (log_ns > channel.last_ns)
            channel.last_ns = log_ns;
        channel.message_count++;
    }
    return channel.message_count == 0 ? TD_OK : td_buf_append(out, &channel, sizeof channel, err);
}

/* Append the channels that a record after a chunk lists. */
static td_result append_listed(const mcap_record *record, td_buf *out, td_err *err)
{
    mcap_message_index entry;
    if (record->opcode == CHUNK_CHANNELS_OPCODE)
        return chunk_channels_decode(record->content, out, err);
    if (record->opcode != MCAP_MESSAGE_INDEX)
        return td_err_set(err, TD_E_CORRUPT, "%s record among the message indexes",
                          mcap_opcode_name(record->opcode));
    td_result rc = mcap_decode_message_index(record->content, &entry, err);
    return rc == TD_OK ? append_index_channel(&entry, record->offset, out, err) : rc;
}

td_result segment_reader_chunk_channels(const segment_reader *reader, uint32_t index,
                                        segment_scratch *scratch, td_buf *out, td_err *err)
{
    const segment_chunk *chunk = segment_reader_chunk(reader, index);
    td_buf_clear(out);
    td_result rc = read_range(reader, chunk->offset + chunk->chunk_bytes, chunk->index_bytes,
                              &scratch->bytes, err);
    size_t at = 0;
    mcap_record record;
    while (rc == TD_OK) {
        rc = mcap_next_record(td_buf_view(&scratch->bytes), &at, &record, err);
        if (rc == TD_OK)
            rc = append_listed(&record, out, err);
    }
    if (rc == TD_E_TRUNCATED)
        rc = TD_E_CORRUPT;
    if (rc != TD_EOF)
        return td_err_add(err, rc, "message indexes of the chunk at %" PRIu64, chunk->offset);
    if (out->size > 0)
        qsort(out->data, out->size / sizeof(sealed_channel), sizeof(sealed_channel),
              sealed_channel_by_id);
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

/* ---- the summary ---- */

/* Facts of the summary besides its lists. */
typedef struct summary_facts {
    uint64_t start, end; /* of the records to read; end: the summary offsets or the footer */
    uint64_t message_count;
    uint32_t chunk_count;
} summary_facts;

/* Read footer and closing magic, and check the CRC of the summary. TD_EOF: the file does not end
 * with footer and magic. */
static td_result read_footer(segment_reader *r, summary_facts *facts, td_err *err)
{
    uint64_t size = r->source.size;
    if (size < r->data_start + MCAP_FOOTER_BYTES + MCAP_MAGIC_BYTES)
        return TD_EOF;
    uint64_t footer_at = size - MCAP_FOOTER_BYTES - MCAP_MAGIC_BYTES;
    td_bytes end;
    td_result rc = mcap_source_view(&r->source, footer_at, size - footer_at, &end, err);
    if (rc != TD_OK)
        return rc;
    if (memcmp(end.data + MCAP_FOOTER_BYTES, MCAP_MAGIC, MCAP_MAGIC_BYTES) != 0 ||
        end.data[0] != MCAP_FOOTER || td_le64(end.data + 1) != MCAP_FOOTER_CONTENT_BYTES)
        return TD_EOF;
    r->info.state = SEGMENT_FINISHED;
    mcap_footer footer;
    rc = mcap_decode_footer(td_bytes_of(end.data + MCAP_PREFIX_BYTES, MCAP_FOOTER_CONTENT_BYTES),
                            &footer, err);
    if (rc != TD_OK)
        return rc;
    uint64_t offsets = footer.summary_offset_start == 0 ? footer_at : footer.summary_offset_start;
    if (footer.summary_start < r->data_start || footer.summary_start > offsets ||
        offsets > footer_at)
        return td_err_set(err, TD_E_CORRUPT,
                          "footer: summary at %" PRIu64 ", offsets at %" PRIu64
                          ", footer at %" PRIu64,
                          footer.summary_start, footer.summary_offset_start, footer_at);
    facts->start = footer.summary_start;
    facts->end = offsets;
    /* The CRC covers the summary, its offsets, and the footer up to the CRC. */
    uint32_t crc = 0;
    rc = mcap_source_crc(&r->source, footer.summary_start, footer_at + MCAP_FOOTER_BYTES - 4, &crc,
                         err);
    if (rc == TD_OK && crc != footer.summary_crc)
        rc = td_err_set(err, TD_E_CORRUPT, "summary at %" PRIu64 ": CRC %08x, %08x expected",
                        footer.summary_start, crc, footer.summary_crc);
    return rc;
}

/* Messages of a zstd chunk, by the size of its message indexes. */
static td_result count_indexed(const mcap_chunk_index *index, uint64_t *messages, td_err *err)
{
    uint64_t overhead =
        index->index_offsets.bytes.size / MCAP_COUNT_BYTES * MCAP_INDEX_OVERHEAD_BYTES;
    if (index->index_bytes < overhead ||
        (index->index_bytes - overhead) % MCAP_INDEX_ENTRY_BYTES != 0)
        return td_err_set(err, TD_E_CORRUPT, "a chunk at %" PRIu64 " with partial indexes",
                          index->chunk_offset);
    *messages = (index->index_bytes - overhead) / MCAP_INDEX_ENTRY_BYTES;
    return TD_OK;
}

/* Messages of the last chunk of the list, which is packed: the summary does not have their number.
 */
static td_result count_packed(segment_reader *r, uint64_t *messages, td_err *err)
{
    *messages = 0;
    td_result rc = segment_reader_chunk_channels(r, (uint32_t)r->lists.chunk_count - 1, r->scratch,
                                                 &r->records, err);
    const sealed_channel *channels = (const sealed_channel *)(const void *)r->records.data;
    for (size_t i = 0; rc == TD_OK && i < r->records.size / sizeof *channels; i++)
        *messages += channels[i].message_count;
    return rc;
}

/* Add a chunk that the summary lists. The chunk and its indexes must lie in the data section, after
 * the previous chunk; a damaged offset must not be used. */
static td_result add_listed_chunk(segment_reader *r, td_bytes content, uint64_t data_end,
                                  td_err *err)
{
    uint8_t bits[BITMAP_BYTES];
    mcap_chunk_index index;
    td_result rc = mcap_decode_chunk_index(content, &index, err);
    if (rc != TD_OK)
        return rc;
    const segment_chunk *last =
        r->lists.chunk_count == 0 ? NULL : &r->lists.chunks[r->lists.chunk_count - 1];
    uint64_t from =
        last == NULL ? r->data_start : last->offset + last->chunk_bytes + last->index_bytes;
    if (index.chunk_offset < from || index.chunk_offset > data_end ||
        index.chunk_bytes < MCAP_PREFIX_BYTES ||
        index.chunk_bytes > data_end - index.chunk_offset ||
        index.index_bytes > data_end - index.chunk_offset - index.chunk_bytes)
        return td_err_set(err, TD_E_CORRUPT, "a chunk at %" PRIu64 " that does not fit there",
                          index.chunk_offset);
    segment_chunk chunk = chunk_of_index(&index, bits);
    const int is_packed = td_bytes_is(index.compression, CHUNK_PACKED);
    if (!is_packed)
        rc = count_indexed(&index, &chunk.message_count, err);
    if (rc == TD_OK)
        rc = add_chunk(r, &chunk, td_bytes_of(bits, sizeof bits), err);
    if (rc == TD_OK && is_packed)
        rc = count_packed(r, &r->lists.chunks[r->lists.chunk_count - 1].message_count, err);
    return rc;
}

static td_result add_listed_checkpoint(segment_reader *r, td_bytes content, uint64_t data_end,
                                       td_err *err)
{
    segment_checkpoint found;
    td_result rc = checkpoint_index_decode(content, &found, err);
    if (rc != TD_OK)
        return rc;
    if (found.offset < r->data_start || found.offset > data_end ||
        found.bytes > data_end - found.offset)
        return td_err_set(err, TD_E_CORRUPT, "a checkpoint at %" PRIu64 " that does not fit there",
                          found.offset);
    keep_checkpoint(r, &found);
    return TD_OK;
}

static td_result read_statistics(segment_reader *r, td_bytes content, summary_facts *facts,
                                 td_err *err)
{
    mcap_statistics statistics;
    uint16_t id;
    uint64_t count;
    td_result rc = mcap_decode_statistics(content, &statistics, err);
    if (rc != TD_OK)
        return rc;
    facts->message_count = statistics.message_count;
    facts->chunk_count = statistics.chunk_count;
    while (mcap_next_count(&statistics.channel_counts, &id, &count)) {
        const segment_channel *channel = segment_reader_channel_by_id(r, id);
        if (channel != NULL)
            r->channels[channel->index]->message_count = count;
    }
    return TD_OK;
}

/* Read the records between the summary's start and its offsets. */
static td_result read_records(segment_reader *r, summary_facts *facts, td_err *err)
{
    TD_ASSERT(facts->start >= r->data_start);
    TD_ASSERT(facts->start <= facts->end);
    TD_ASSERT(facts->end <= r->source.size);
    uint64_t at = facts->start;
    mcap_location location;
    for (;;) {
        td_result rc = mcap_source_record(&r->source, at, facts->end, &location, err);
        if (rc == TD_EOF)
            return TD_OK;
        td_bytes content;
        if (rc == TD_OK)
            rc = mcap_source_content(&r->source, &location, &content, err);
        if (rc != TD_OK)
            return rc;
        if (location.opcode == MCAP_CHANNEL)
            rc = add_channel(r, content, err);
        else if (location.opcode == MCAP_CHUNK_INDEX)
            rc = add_listed_chunk(r, content, facts->start, err);
        else if (location.opcode == MCAP_STATISTICS)
            rc = read_statistics(r, content, facts, err);
        else if (location.opcode == CHECKPOINT_INDEX_OPCODE)
            rc = add_listed_checkpoint(r, content, facts->start, err);
        if (rc != TD_OK)
            return rc;
        at = location.end;
    }
}

/* 1 if the lists are complete: they contain all chunks, channels and messages. */
static int is_complete(const segment_reader *r, const summary_facts *facts)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < r->lists.chunk_count; i++) {
        sum += r->lists.chunks[i].message_count;
        if (!knows_all(r, segment_reader_bitmap(r, i)))
            return 0;
    }
    return r->lists.chunk_count == facts->chunk_count && sum == facts->message_count;
}

/* Check the Data End before the summary. The summary's CRC does not cover the Data End, which may
 * be in another disk sector. */
static td_result check_data_end(segment_reader *r, const summary_facts *facts, td_err *err)
{
    const uint64_t record_bytes = MCAP_PREFIX_BYTES + MCAP_DATA_END_CONTENT_BYTES;
    td_bytes record = {0};
    if (facts->start < r->data_start + record_bytes)
        return td_err_set(err, TD_E_CORRUPT, "no space for a Data End before the summary");
    td_result rc =
        mcap_source_view(&r->source, facts->start - record_bytes, record_bytes, &record, err);
    if (rc == TD_OK && (record.data[0] != MCAP_DATA_END ||
                        td_le64(record.data + 1) != MCAP_DATA_END_CONTENT_BYTES))
        rc = td_err_set(err, TD_E_CORRUPT, "no Data End before the summary at %" PRIu64,
                        facts->start);
    return rc;
}

/* Fill the lists from the summary of a finished file. TD_OK; TD_E_IO; any other failure: the
 * summary is missing or damaged, and the caller must clear the lists. */
static td_result load_summary(segment_reader *r, td_err *err)
{
    TD_ASSERT(r->lists.chunk_count == 0);
    TD_ASSERT(r->channel_count == 0);
    summary_facts facts = {0};
    td_result rc = read_footer(r, &facts, err);
    if (rc == TD_OK && r->has_open_name)
        rc = check_data_end(r, &facts, err);
    if (rc == TD_OK)
        rc = read_records(r, &facts, err);
    if (rc == TD_OK && !is_complete(r, &facts))
        rc = td_err_set(err, TD_E_CORRUPT, "it contradicts itself");
    if (rc == TD_OK)
        r->info.valid_bytes = r->source.size;
    return rc;
}

/* ---- a walk, without a summary ---- */

typedef struct walk {
    segment_reader *reader;
    scanner scanner;
    /* Lengths of the lists at the last sound block. */
    size_t proven_chunks, proven_checkpoints, proven_bitmaps;
} walk;

/* Record that everything read so far is proven, by the sound block that was just read. */
static void mark_proven(walk *w)
{
    w->proven_chunks = w->reader->lists.chunk_count;
    w->proven_checkpoints = w->reader->lists.checkpoint_count;
    w->proven_bitmaps = w->reader->lists.bitmap_bytes;
}

/* List a chunk; decompress it if it may define new channels. If one of its message indexes is
 * missing or broken, the chunk may have messages of any channel. */
static td_result list_chunk(void *user, const scan_chunk *found, td_err *err)
{
    walk *w = user;
    segment_reader *r = w->reader;
    uint8_t bits[BITMAP_BYTES];
    segment_chunk chunk = chunk_of_index(&found->index, bits);
    chunk.message_count = found->message_count;
    int has_channels = !found->is_index_broken && found->message_count > 0;
    if (!has_channels || !knows_all(r, td_bytes_of(bits, sizeof bits))) {
        td_result rc = read_chunk(r, &chunk, r->scratch, &r->records, err);
        if (scan_is_fatal(rc))
            return rc;
        if (rc == TD_OK)
            add_channels(r, td_buf_view(&r->records));
    }
    for (uint32_t i = 0; !has_channels && i < r->channel_count; i++)
        bits[r->channels[i]->id / 8] |= (uint8_t)(1u << (r->channels[i]->id % 8));
    return add_chunk(r, &chunk, td_bytes_of(bits, sizeof bits), err);
}

static td_result list_record(void *user, const mcap_location *location, td_err *err)
{
    walk *w = user;
    td_bytes content;
    segment_checkpoint found = {.offset = location->offset,
                                .bytes = location->end - location->offset};
    if (location->opcode != CHECKPOINT_OPCODE)
        return TD_OK;
    td_result rc = mcap_source_content(&w->reader->source, location, &content, err);
    if (rc == TD_OK)
        rc = checkpoint_at_ns(content, &found.at_ns, err);
    if (rc == TD_OK)
        keep_checkpoint(w->reader, &found);
    return rc;
}

static td_result list_block(void *user, const scan_block *block, td_err *err)
{
    walk *w = user;
    (void)err;
    if (!block->is_sound)
        return TD_OK;
    mark_proven(w);
    w->reader->scan_at = block->end;
    w->reader->scan_chain = block->record.value;
    return TD_OK;
}

/* Called at the end of the data section. */
static td_result end_walk(void *user, const mcap_location *location, td_err *err)
{
    walk *w = user;
    segment_reader *r = w->reader;
    (void)location;
    if (r->source.size < MCAP_MAGIC_BYTES || r->is_end_torn)
        return TD_OK;
    td_bytes magic;
    td_result rc = mcap_source_view(&r->source, r->source.size - MCAP_MAGIC_BYTES, MCAP_MAGIC_BYTES,
                                    &magic, err);
    if (rc == TD_OK && memcmp(magic.data, MCAP_MAGIC, MCAP_MAGIC_BYTES) == 0)
        r->info.state = SEGMENT_FINISHED;
    return rc;
}

static const scan_visitor WALK = {
    .chunk_end = list_chunk, .record = list_record, .block = list_block, .end = end_walk};

/* Fill the lists by walking from the last sound block, skipping damage. TD_OK, TD_E_IO. */
static td_result walk_file(segment_reader *r, td_err *err)
{
    walk w = {.reader = r};
    mark_proven(&w);
    scanner_init(&w.scanner, &r->source, &WALK, &w);
    scanner_begin(&w.scanner, r->scan_at, r->scan_at == 0 ? r->data_start : r->scan_at,
                  r->scan_chain);
    td_result rc = scanner_run(&w.scanner, r->source.size, err);
    scanner_fini(&w.scanner);
    if (rc != TD_OK)
        return rc;
    if (r->info.state == SEGMENT_FINISHED) {
        r->info.valid_bytes = r->source.size;
        return TD_OK;
    }
    /* In an unfinished file, entries after the last sound block do not count. */
    TD_ASSERT(w.proven_chunks <= r->lists.chunk_count);
    r->lists.chunk_count = w.proven_chunks;
    r->lists.checkpoint_count = w.proven_checkpoints;
    r->lists.bitmap_bytes = w.proven_bitmaps;
    r->info.valid_bytes = r->scan_at;
    return TD_OK;
}

/* ---- chain records ---- */

/* Read the chain record after a chunk. The chunk's offsets may be outside of the file. */
static td_result read_chain(const segment_reader *reader, const segment_chunk *chunk,
                            chain_conn *conns, chain_record *out, td_err *err)
{
    uint8_t bytes[CHAIN_RECORD_BYTES_MAX];
    uint64_t at = 0;
    if (__builtin_add_overflow(chunk->offset, chunk->chunk_bytes, &at) ||
        __builtin_add_overflow(at, chunk->index_bytes, &at) || at > reader->source.size)
        return td_err_set(err, TD_E_CORRUPT, "its last chunk extends past its end");
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
    if (chunk >= reader->lists.chunk_count)
        return td_err_set(err, TD_E_NOTFOUND, "no chain record");
    const segment_chunk *row = &reader->lists.chunks[chunk];
    td_result rc = read_chain(reader, row, conns, out, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "after the chunk at %" PRIu64, row->offset);
}

td_result segment_reader_last_chain(segment_reader *reader, chain_conn *conns, chain_record *out,
                                    td_err *err)
{
    uint32_t count = segment_reader_chunk_count(reader);
    return segment_reader_chain(reader, count == 0 ? 0 : count - 1, conns, out, err);
}

/* ---- an index that is known ---- */

/* Check that the index describes this file, whatever the file's name. TD_E_CORRUPT if not. */
static td_result check_identity(segment_reader *r, const segment_index *index, td_err *err)
{
    td_hash128 expected;
    chain_record last;
    if (index->is_open || index->chunk_count == 0 ||
        !chain_value_parse(td_bytes_str(index->chain_hex), &expected))
        return td_err_set(err, TD_E_CORRUPT, "its index does not identify a file");
    if (r->source.size != index->file_bytes)
        return td_err_set(err, TD_E_CORRUPT, "%" PRIu64 " bytes, %" PRIu64 " in its index",
                          r->source.size, index->file_bytes);
    /* The last chain value covers every byte before it. */
    td_result rc = read_chain(r, &index->chunks[index->chunk_count - 1], NULL, &last, err);
    if (rc == TD_OK && !td_hash128_equal(last.value, expected))
        rc = td_err_set(err, TD_E_CORRUPT, "its last chain value differs from its index");
    return rc;
}

static void fill_known_info(segment_reader *r, const segment_index *index)
{
    const char *const texts[] = {index->session, index->feed,    index->family,
                                 index->verb,    index->version, index->previous_segment};
    size_t bytes = 0;
    _Static_assert(sizeof texts / sizeof texts[0] == SESSION_STRINGS, "one each");
    for (size_t i = 0; i < SESSION_STRINGS; i++)
        bytes += strlen(texts[i]) + 1;
    r->strings = td_alloc(bytes);
    char *at = r->strings;
    r->info.session = (segment_session){
        .session = copy_text(&at, td_bytes_str(index->session)),
        .feed = copy_text(&at, td_bytes_str(index->feed)),
        .family = copy_text(&at, td_bytes_str(index->family)),
        .verb = copy_text(&at, td_bytes_str(index->verb)),
        .version = copy_text(&at, td_bytes_str(index->version)),
        .previous_segment = copy_text(&at, td_bytes_str(index->previous_segment)),
        .start_ns = index->session_start_ns,
    };
    r->info.state = SEGMENT_FINISHED;
    r->info.valid_bytes = r->source.size;
}

/* Fill info and lists from an index. TD_E_CORRUPT if the index describes another file;
 * TD_E_TRUNCATED, TD_E_IO. */
static td_result load_index(segment_reader *reader, const segment_index *index, td_err *err)
{
    TD_ASSERT(reader->lists.chunk_count == 0);
    TD_ASSERT(reader->channel_count == 0);
    td_result rc = check_identity(reader, index, err);
    if (rc == TD_OK)
        fill_known_info(reader, index);
    for (size_t i = 0; i < index->channel_count && rc == TD_OK; i++)
        rc = add_known_channel(reader, &index->channels[i], err);
    for (size_t i = 0; i < index->chunk_count && rc == TD_OK; i++) {
        const segment_chunk *chunk = &index->chunks[i];
        td_bytes bitmap = td_bytes_of(index->bitmaps + chunk->bitmap_offset, chunk->bitmap_bytes);
        rc = add_chunk(reader, chunk, bitmap, err);
    }
    for (size_t i = 0; i < index->checkpoint_count && rc == TD_OK; i++)
        keep_checkpoint(reader, &index->checkpoints[i]);
    return rc;
}

/* ---- opening ---- */

/* Read the session's metadata, if the record has it. */
static td_result read_session_record(segment_reader *r, const mcap_location *location, td_err *err)
{
    td_bytes content;
    mcap_metadata metadata;
    td_result rc = mcap_source_content(&r->source, location, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_metadata(content, &metadata, err);
    if (rc != TD_OK)
        return rc;
    if (!td_bytes_is(metadata.name, SEGMENT_SESSION_METADATA))
        return TD_OK;
    mcap_packed pairs = metadata.pairs;
    r->strings = td_alloc(content.size + SESSION_STRINGS);
    char *at = r->strings;
    segment_session *session = &r->info.session;
    session->session = copy_text(&at, mcap_find_pair(pairs, "session"));
    session->feed = copy_text(&at, mcap_find_pair(pairs, "feed"));
    session->family = copy_text(&at, mcap_find_pair(pairs, "family"));
    session->previous_segment = copy_text(&at, mcap_find_pair(pairs, "previous_segment"));
    session->verb = copy_text(&at, mcap_find_pair(pairs, "verb"));
    session->version = copy_text(&at, mcap_find_pair(pairs, "version"));
    session->start_ns = number_of(pairs, "start_ns", UINT64_MAX);
    (void)chain_value_parse(mcap_find_pair(pairs, "previous_chain"), &session->previous_chain);
    (void)chain_value_parse(mcap_find_pair(pairs, "source_chain"), &session->source_chain);
    session->form = chunk_form_of(mcap_find_pair(pairs, "packed"));
    return TD_OK;
}

/* Read the session record, which follows the header. If the record is missing or broken, the file
 * is damaged, and is read as far as possible. */
static td_result read_session(segment_reader *r, td_err *err)
{
    mcap_location location;
    td_result rc = mcap_source_record(&r->source, r->data_start, r->source.size, &location, err);
    if (rc == TD_OK && location.opcode == MCAP_METADATA)
        rc = read_session_record(r, &location, err);
    r->scan_chain = r->info.session.previous_chain;
    return scan_is_fatal(rc) ? rc : TD_OK;
}

/* Sum up the chunks. */
static void update_totals(segment_reader *r)
{
    TD_ASSERT(r->info.valid_bytes <= r->source.size);
    segment_info *info = &r->info;
    info->file_bytes = r->source.size;
    info->message_count = 0;
    info->first_ns = 0;
    info->last_ns = 0;
    for (uint32_t i = 0; i < r->lists.chunk_count; i++) {
        const segment_chunk *chunk = &r->lists.chunks[i];
        if (chunk->message_count == 0)
            continue;
        if (info->message_count == 0 || chunk->first_ns < info->first_ns)
            info->first_ns = chunk->first_ns;
        if (chunk->last_ns > info->last_ns)
            info->last_ns = chunk->last_ns;
        info->message_count += chunk->message_count;
    }
}

/* Fill the lists from the summary if it is intact, else by walking the file. */
static td_result read_lists(segment_reader *r, td_err *err)
{
    td_result rc = load_summary(r, err);
    if (rc == TD_OK || rc == TD_E_IO)
        return rc;
    td_err_clear(err);
    free_channels(r);
    segment_index_drop_lists(&r->lists);
    /* A power cut may leave any parts of a file's end. */
    r->is_end_torn = r->has_open_name;
    if (r->is_end_torn)
        r->info.state = SEGMENT_OPEN;
    return walk_file(r, err);
}

/* Read header, session and lists. Damage in the lists does not make opening fail. */
static td_result read_all(segment_reader *r, td_err *err)
{
    r->info.state = SEGMENT_OPEN;
    r->info.session = (segment_session){
        .session = "", .feed = "", .family = "", .previous_segment = "", .verb = "", .version = ""};
    r->source.read_bytes = MCAP_SOURCE_BEGIN_BYTES;
    td_result rc = mcap_source_header(&r->source, &r->data_start, err);
    if (rc == TD_OK)
        rc = read_session(r, err);
    r->source.read_bytes = 0;
    if (rc == TD_OK)
        rc = read_lists(r, err);
    return rc;
}

static td_result open_reader(td_io io, const char *path, const segment_index *known,
                             segment_reader **out, td_err *err)
{
    *out = NULL;
    segment_reader *r = td_alloc_zero(1, sizeof *r);
    r->has_open_name = segment_has_open_name(path) != 0;
    (void)pthread_mutex_init(&r->file_lock, NULL); /* cannot fail with default attributes */
    td_buf_init(&r->by_id, MCAP_IDS * sizeof(uint32_t));
    td_buf_init(&r->records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    r->scratch = segment_scratch_open();
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &r->file, err);
    if (rc == TD_OK)
        rc = mcap_source_init(&r->source, r->file, err);
    if (rc == TD_OK)
        rc = known == NULL ? read_all(r, err) : load_index(r, known, err);
    if (rc != TD_OK) {
        segment_reader_close(r);
        return td_err_add(err, rc, "segment %s", path);
    }
    update_totals(r);
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
    free_channels(reader);
    td_free(reader->channels);
    segment_index_drop_lists(&reader->lists);
    td_free(reader->strings);
    td_buf_fini(&reader->by_id);
    td_buf_fini(&reader->records);
    segment_scratch_close(reader->scratch);
    mcap_source_fini(&reader->source);
    td_io_close(reader->file);
    (void)pthread_mutex_destroy(&reader->file_lock); /* not held */
    td_free(reader);
}

const segment_info *segment_reader_info(const segment_reader *reader)
{
    return &reader->info;
}

td_file *segment_reader_file(const segment_reader *reader)
{
    return reader->file;
}

td_result segment_reader_refresh(segment_reader *reader, uint32_t *added, td_err *err)
{
    segment_reader *r = reader;
    *added = 0;
    if (r->info.state == SEGMENT_FINISHED)
        return TD_OK;
    uint64_t known = r->source.size;
    uint32_t before = segment_reader_chunk_count(r);
    td_result rc = mcap_source_refresh(&r->source, err);
    if (rc == TD_OK && r->source.size != known) {
        r->is_end_torn = 0; /* the file grew: its writer is running, and will write the end */
        rc = walk_file(r, err);
    }
    if (rc != TD_OK)
        return td_err_add(err, rc, "looking for new chunks");
    TD_ASSERT(r->lists.chunk_count >= before);
    *added = segment_reader_chunk_count(r) - before;
    update_totals(r);
    return TD_OK;
}
