#include "format/scanner.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "format/chunk_channels.h"
#include "format/chunk_codec.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"

enum {
    SEARCH_BYTES = 64 << 10,
    /* opcode, length and magic of a chain record */
    CHAIN_HEAD_BYTES = MCAP_PREFIX_BYTES + 8,
};

int scan_is_fatal(td_result rc)
{
    return rc == TD_E_IO || rc == TD_E_NOSPACE;
}

void scanner_init(scanner *s, mcap_source *source, const scan_visitor *visitor, void *user)
{
    *s = (scanner){.source = source, .visitor = visitor, .user = user, .hasher = td_hasher_open()};
    td_buf_init(&s->offsets, SIZE_MAX);
    td_buf_init(&s->channels, ((size_t)UINT16_MAX + 1) * sizeof(sealed_channel));
}

void scanner_fini(scanner *s)
{
    td_hasher_close(s->hasher);
    td_buf_fini(&s->offsets);
    td_buf_fini(&s->channels);
    *s = (scanner){0};
}

void scanner_begin(scanner *s, uint64_t block_start, uint64_t at, td_hash128 chain)
{
    TD_ASSERT(block_start <= at);
    s->chain = chain;
    s->block_start = block_start;
    s->source->keep_from = block_start;
    s->at = at;
    s->has_chunk = 0;
    s->is_done = 0;
}

/* 1 for a record that can be neither in a data section nor at its end. Data End and footer have
 * fixed sizes: another size is the remainder of a record whose opcode is damaged. */
static int is_misplaced(const mcap_location *location)
{
    switch (location->opcode) {
    case 0:
    case MCAP_HEADER:
        return 1;
    case MCAP_DATA_END:
        return location->content_bytes != MCAP_DATA_END_CONTENT_BYTES;
    case MCAP_FOOTER:
        return location->content_bytes != MCAP_FOOTER_CONTENT_BYTES;
    default:
        return 0;
    }
}

/* Check a chain record, and visit its block. TD_E_CORRUPT: the record is unreadable or not a chain
 * record; its block then continues after it. */
static td_result visit_block(scanner *s, const mcap_location *location, td_err *err)
{
    TD_ASSERT(location->opcode == CHAIN_OPCODE);
    td_bytes content;
    scan_block block;
    td_result rc = mcap_source_content(s->source, location, &content, err);
    if (rc == TD_OK)
        rc = chain_decode(content, s->conns, &block.record, err);
    if (rc != TD_OK)
        return rc == TD_E_LIMIT ? TD_E_CORRUPT : rc;
    block.start = s->block_start;
    block.end = location->end;
    block.offset = location->offset;
    block.is_sound = 0;
    if (block.record.covers_from == s->block_start) {
        chain_start(s->hasher, s->chain);
        rc = mcap_source_hash(s->source, s->block_start, location->end - CHAIN_VALUE_BYTES,
                              s->hasher, err);
        if (rc != TD_OK)
            return rc;
        block.is_sound = (uint8_t)td_hash128_equal(td_hasher_digest(s->hasher), block.record.value);
    }
    s->chain = block.record.value;
    s->block_start = location->end;
    s->source->keep_from = location->end;
    return s->visitor->block == NULL ? TD_OK : s->visitor->block(s->user, &block, err);
}

td_result scanner_end_chunk(scanner *s, td_err *err)
{
    if (!s->has_chunk)
        return TD_OK;
    s->has_chunk = 0;
    s->chunk.index.index_offsets.bytes = td_buf_view(&s->offsets);
    return s->visitor->chunk_end(s->user, &s->chunk, err);
}

static td_result visit_chunk(scanner *s, const mcap_location *location, td_err *err)
{
    TD_ASSERT(!s->has_chunk);
    td_bytes content;
    mcap_chunk record;
    td_result rc = mcap_source_content(s->source, location, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_chunk(content, &record, err);
    if (rc != TD_OK)
        return rc;
    td_buf_clear(&s->offsets);
    s->chunk = (scan_chunk){
        .location = *location,
        .record = record,
        .index = {.start_ns = record.start_ns,
                  .end_ns = record.end_ns,
                  .chunk_offset = location->offset,
                  .chunk_bytes = location->end - location->offset,
                  .compression = td_bytes_str(
                      td_bytes_is(record.compression, CHUNK_PACKED) ? CHUNK_PACKED : CHUNK_ZSTD),
                  .compressed_bytes = record.records.size,
                  .uncompressed_bytes = record.uncompressed_bytes}};
    rc = s->visitor->chunk == NULL ? TD_OK : s->visitor->chunk(s->user, &s->chunk, err);
    s->has_chunk = rc == TD_OK;
    return rc;
}

/* Note that the record at location lists messages of a channel of the pending chunk. */
static td_result note_listed(scanner *s, uint16_t id, uint64_t messages,
                             const mcap_location *location, td_err *err)
{
    if (s->offsets.size + MCAP_COUNT_BYTES > LIMIT_RECORD_BYTES)
        return td_err_set(err, TD_E_LIMIT, "more message indexes than a summary can list");
    mcap_pack_count(&s->offsets, id, location->offset);
    s->chunk.message_count += messages;
    return TD_OK;
}

static td_result visit_message_index(scanner *s, const mcap_location *location, td_err *err)
{
    td_bytes content;
    mcap_message_index index;
    td_result rc = mcap_source_content(s->source, location, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_message_index(content, &index, err);
    if (rc == TD_OK && s->visitor->message_index != NULL)
        rc = s->visitor->message_index(s->user, &s->chunk, location, &index, err);
    if (rc == TD_OK)
        rc = note_listed(s, index.channel_id, index.entries.bytes.size / MCAP_INDEX_ENTRY_BYTES,
                         location, err);
    return rc;
}

static td_result visit_chunk_channels(scanner *s, const mcap_location *location, td_err *err)
{
    td_bytes content;
    td_buf_clear(&s->channels);
    td_result rc = mcap_source_content(s->source, location, &content, err);
    if (rc == TD_OK)
        rc = chunk_channels_decode(content, &s->channels, err);
    if (rc != TD_OK)
        return rc;
    const sealed_channel *channels = (const sealed_channel *)(const void *)s->channels.data;
    const size_t count = s->channels.size / sizeof *channels;
    if (s->visitor->chunk_channels != NULL)
        rc = s->visitor->chunk_channels(s->user, &s->chunk, location, channels, count, err);
    for (size_t i = 0; i < count && rc == TD_OK; i++)
        rc = note_listed(s, channels[i].id, channels[i].message_count, location, err);
    return rc;
}

/* A record that lists the messages of the chunk before it. */
static td_result visit_list(scanner *s, const mcap_location *location, td_err *err)
{
    if (!s->has_chunk)
        return td_err_set(err, TD_E_CORRUPT, "%s record without a chunk before it",
                          mcap_opcode_name(location->opcode));
    s->chunk.index.index_bytes += location->end - location->offset;
    td_result rc = location->opcode == MCAP_MESSAGE_INDEX ? visit_message_index(s, location, err)
                                                          : visit_chunk_channels(s, location, err);
    s->chunk.is_index_broken |= rc != TD_OK;
    return rc;
}

static td_result visit(scanner *s, const mcap_location *location, td_err *err)
{
    const scan_visitor *v = s->visitor;
    TD_ASSERT(location->end <= s->source->size);
    if (location->opcode == MCAP_MESSAGE_INDEX || location->opcode == CHUNK_CHANNELS_OPCODE)
        return v->chunk_end == NULL ? TD_OK : visit_list(s, location, err);
    td_result rc = scanner_end_chunk(s, err);
    if (rc != TD_OK)
        return rc;
    switch (location->opcode) {
    case MCAP_CHUNK:
        return v->chunk_end == NULL ? TD_OK : visit_chunk(s, location, err);
    case MCAP_DATA_END:
    case MCAP_FOOTER:
        s->is_done = 1;
        s->at = location->offset;
        return v->end == NULL ? TD_OK : v->end(s->user, location, err);
    default:
        break;
    }
    if (location->opcode == CHAIN_OPCODE)
        return visit_block(s, location, err);
    return v->record == NULL ? TD_OK : v->record(s->user, location, err);
}

/* Decode a chain record at offset at. TD_E_CORRUPT or TD_E_TRUNCATED if absent. */
static td_result try_chain(scanner *s, uint64_t at, chain_record *out, uint64_t *end, td_err *err)
{
    mcap_location location;
    td_result rc = mcap_source_record(s->source, at, s->source->size, &location, err);
    if (rc == TD_OK && location.content_bytes > CHAIN_RECORD_BYTES_MAX)
        rc = TD_E_CORRUPT;
    td_bytes content;
    if (rc == TD_OK)
        rc = mcap_source_content(s->source, &location, &content, err);
    if (rc == TD_OK)
        rc = chain_decode(content, NULL, out, err);
    /* covers_from is 0 or the end of another chain record. */
    if (rc == TD_OK &&
        (out->covers_from > at || (out->covers_from != 0 && out->covers_from < CHAIN_VALUE_BYTES)))
        rc = TD_E_CORRUPT;
    *end = rc == TD_OK ? location.end : 0;
    return rc;
}

/* Find the first offset from `from` on that looks like the start of a chain record. */
static td_result find_head(mcap_source *source, uint64_t from, uint64_t *found, td_err *err)
{
    TD_ASSERT(source->size >= from);
    while (from < source->size && source->size - from >= CHAIN_HEAD_BYTES) {
        uint64_t left = source->size - from;
        size_t size = left < SEARCH_BYTES ? (size_t)left : SEARCH_BYTES;
        td_bytes piece;
        td_result rc = mcap_source_view(source, from, size, &piece, err);
        if (rc != TD_OK)
            return rc;
        const uint8_t *magic =
            memmem(piece.data + MCAP_PREFIX_BYTES, size - MCAP_PREFIX_BYTES, CHAIN_MAGIC, 8);
        if (magic != NULL && magic[-MCAP_PREFIX_BYTES] == CHAIN_OPCODE) {
            *found = from + (uint64_t)(magic - piece.data) - MCAP_PREFIX_BYTES;
            return TD_OK;
        }
        /* Continue after the match; without one, keep enough bytes for a head across the border. */
        from += magic != NULL ? (uint64_t)(magic - piece.data) - MCAP_PREFIX_BYTES + 1
                              : size - CHAIN_HEAD_BYTES + 1;
    }
    return TD_EOF;
}

/* Continue after damage. `record` is the next chain record that was found; `end` is its end. If the
 * chain record before `record` is lost, too, continue at the start of record's block, else at
 * `end`. */
static td_result continue_after_damage(scanner *s, const chain_record *record, uint64_t end,
                                       td_err *err)
{
    TD_ASSERT(end <= s->source->size);
    s->chain = record->value;
    if (record->covers_from > s->block_start) {
        td_bytes value;
        td_result rc = mcap_source_view(s->source, record->covers_from - CHAIN_VALUE_BYTES,
                                        CHAIN_VALUE_BYTES, &value, err);
        if (rc != TD_OK)
            return rc;
        memcpy(s->chain.bytes, value.data, CHAIN_VALUE_BYTES);
        end = record->covers_from;
    }
    TD_ASSERT(end > s->block_start);
    s->block_start = end;
    s->source->keep_from = end;
    s->at = end;
    return TD_OK;
}

td_result scanner_find_block(scanner *s, uint64_t *from, uint64_t *to, td_err *err)
{
    uint64_t at = s->block_start;
    chain_record record;
    uint64_t end;
    for (;;) {
        td_result rc = find_head(s->source, at, &at, err);
        if (rc == TD_OK)
            rc = try_chain(s, at, &record, &end, err);
        if (rc == TD_OK)
            break;
        if (rc != TD_E_CORRUPT && rc != TD_E_TRUNCATED)
            return rc;
        at++;
    }
    *from = s->block_start;
    td_result rc = continue_after_damage(s, &record, end, err);
    *to = s->block_start;
    return rc;
}

/* Continue at the next block that can be found after s->at, where the structure is broken. */
static td_result skip_damage(scanner *s, const td_err *why, td_err *err)
{
    scan_damage damage = {.why = why, .offset = s->at, .is_broken = 1};
    s->has_chunk = 0;
    td_result rc = scanner_find_block(s, &damage.from, &damage.to, err);
    if (rc != TD_OK && rc != TD_EOF)
        return rc;
    s->is_done = rc == TD_EOF;
    return s->visitor->damage == NULL ? TD_OK : s->visitor->damage(s->user, &damage, err);
}

/* Visit one record. */
static td_result step(scanner *s, td_err *err)
{
    mcap_location location;
    td_err why;
    td_result rc = mcap_source_record(s->source, s->at, s->source->size, &location, &why);
    if (rc == TD_OK && is_misplaced(&location))
        rc = td_err_set(&why, TD_E_TRUNCATED, "misplaced %s record (0x%02x)",
                        mcap_opcode_name(location.opcode), location.opcode);
    if (rc == TD_E_TRUNCATED)
        return skip_damage(s, &why, err);
    if (rc == TD_EOF) {
        s->is_done = 1;
        return TD_OK;
    }
    if (rc == TD_OK) {
        s->at = location.end;
        rc = visit(s, &location, &why);
    }
    if (rc == TD_OK)
        return TD_OK;
    if (scan_is_fatal(rc))
        return td_err_pass(err, rc, &why);
    /* The record is damaged, but its length is intact. */
    const scan_damage damage = {.why = &why, .offset = location.offset, .opcode = location.opcode};
    return s->visitor->damage == NULL ? TD_OK : s->visitor->damage(s->user, &damage, err);
}

td_result scanner_run(scanner *s, uint64_t limit, td_err *err)
{
    TD_ASSERT(limit <= s->source->size);
    td_result rc = TD_OK;
    while (rc == TD_OK && !s->is_done && s->at < limit)
        rc = step(s, err);
    return rc;
}
