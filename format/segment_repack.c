#include "format/segment_repack.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/limits.h"
#include "format/chunk_codec.h"
#include "format/chunk_packer.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"
#include "format/scanner.h"
#include "format/segment_family.h"
#include "format/segment_reader.h"

enum {
    IDS = UINT16_MAX + 1,
    /* zstd level of chunks as a recorder writes them. */
    RECORDED_LEVEL = CHUNK_LEVEL_DEFAULT,
};

/* A channel of the source. */
typedef struct repack_channel {
    uint32_t at, bytes; /* its Channel record, in repack.definitions; 0 bytes: not seen */
    uint32_t chunks; /* chunks of the new file that have its messages, the pending one included */
    uint32_t last_chunk; /* number of the last of these, from 1 */
} repack_channel;

/* One block of the source: what was read of it since its begin. */
typedef struct source_block {
    td_buf records; /* of its chunk, decompressed */
    td_buf checkpoint;
    uint64_t first_ns, last_ns;
    uint8_t has_chunk;
} source_block;

typedef struct repack {
    chunk_form form;
    segment_writer *writer;
    codec *coder;
    chunk_packer *packer;
    scanner walk;
    chain_conn *conns; /* of the block that is read: CHAIN_CONNS_MAX */
    source_block block;
    /* the pending chunk of the new file */
    td_buf raw;        /* its records */
    td_buf checkpoint; /* before it; may be empty */
    td_buf new_channels;
    uint32_t new_channel_count;
    uint32_t block_count; /* of the source, in it */
    uint64_t first_ns;
    chain_totals totals; /* after it */
    chain_conn *pending_conns;
    uint32_t pending_conn_count;
    sealed_chunk *sealed;
    uint32_t chunk_count;     /* written */
    repack_channel *channels; /* by id: IDS */
    td_buf definitions;
    uint8_t is_at_end; /* 1: the data section was read to its end */
} repack;

/* ---- the new file's chunks ---- */

static void pack_records(chunk_packer *packer, chunk_form form, td_bytes records, sealed_chunk *out)
{
    if (form == CHUNKS_RECORDED)
        chunk_packer_pack(packer, RECORDED_LEVEL, records, out);
    else
        chunk_packer_pack_columns(packer, form == CHUNKS_PACKED_BEST ? PACK_BEST : PACK_FAST,
                                  records, out);
}

static td_result seal(repack *r, td_err *err)
{
    sealed_chunk *sealed = r->sealed;
    if (r->block_count == 0)
        return TD_OK;
    pack_records(r->packer, r->form, td_buf_view(&r->raw), sealed);
    td_buf_add(&sealed->channel_records, r->new_channels.data, r->new_channels.size);
    td_buf_add(&sealed->checkpoint, r->checkpoint.data, r->checkpoint.size);
    sealed->channel_record_count = r->new_channel_count;
    sealed->starts_segment = r->chunk_count == 0;
    sealed->totals = r->totals;
    sealed->conns = td_array_reach(sealed->conns, &sealed->conn_capacity, CHAIN_CONNS_MAX - 1,
                                   sizeof *sealed->conns);
    memcpy(sealed->conns, r->pending_conns, r->pending_conn_count * sizeof *sealed->conns);
    sealed->conn_count = r->pending_conn_count;
    td_buf_clear(&r->raw);
    td_buf_clear(&r->checkpoint);
    td_buf_clear(&r->new_channels);
    r->new_channel_count = 0;
    r->block_count = 0;
    r->chunk_count++;
    return segment_writer_append(r->writer, sealed, NULL, err);
}

/* 1 if the block's chain record lists all connections that the pending one lists. One that has
 * closed is only in the first record after that, which must be kept: it has the time until which
 * the connection is complete. */
static int lists_all_pending(const repack *r, const chain_record *record)
{
    for (uint32_t i = 0; i < r->pending_conn_count; i++) {
        const chain_conn *pending = &r->pending_conns[i];
        uint32_t k = 0;
        while (k < record->conn_count &&
               (record->conns[k].line != pending->line ||
                record->conns[k].shard != pending->shard || record->conns[k].conn != pending->conn))
            k++;
        if (k == record->conn_count)
            return 0;
    }
    return 1;
}

/* 1 if the block's records can join the pending chunk. */
static int can_join(const repack *r, const chain_record *record)
{
    return r->form != CHUNKS_RECORDED && r->block.checkpoint.size == 0 &&
           r->raw.size + r->block.records.size <= LIMIT_PACKED_CHUNK_BYTES &&
           r->block.last_ns - r->first_ns <= LIMIT_PACKED_CHUNK_NS && lists_all_pending(r, record);
}

/* ---- the source's records ---- */

static td_result note_definition(repack *r, const uint8_t *record, size_t bytes, td_err *err)
{
    mcap_channel channel;
    td_result rc = mcap_decode_channel(
        td_bytes_of(record + MCAP_PREFIX_BYTES, bytes - MCAP_PREFIX_BYTES), &channel, err);
    if (rc != TD_OK)
        return rc;
    repack_channel *known = &r->channels[channel.id];
    if (known->bytes == 0) {
        known->at = (uint32_t)r->definitions.size;
        known->bytes = (uint32_t)bytes;
        return td_buf_append(&r->definitions, record, bytes, err);
    }
    if (known->bytes == bytes && memcmp(r->definitions.data + known->at, record, bytes) == 0)
        return TD_OK;
    return td_err_set(err, TD_E_CORRUPT, "channel %u is defined twice", channel.id);
}

/* Append the definition of a message's channel where a segment has it: in the first, second, fourth
 * … chunk with the channel. */
static td_result define_channel(repack *r, uint16_t id, td_err *err)
{
    repack_channel *channel = &r->channels[id];
    const td_bytes definition = td_bytes_of(r->definitions.data + channel->at, channel->bytes);
    if (channel->bytes == 0)
        return td_err_set(err, TD_E_CORRUPT, "a message on channel %u, which is not defined", id);
    if (channel->last_chunk == r->chunk_count + 1)
        return TD_OK;
    if (segment_channel_is_repeated(channel->chunks))
        td_buf_add(&r->raw, definition.data, definition.size);
    if (channel->chunks == 0) {
        td_buf_add(&r->new_channels, definition.data, definition.size);
        r->new_channel_count++;
    }
    channel->chunks++;
    channel->last_chunk = r->chunk_count + 1;
    return TD_OK;
}

/* Append a record that is no definition, and before a message the definition that it needs. */
static td_result append_record(repack *r, const mcap_record *record, td_bytes whole, td_err *err)
{
    mcap_message message = {0};
    td_result rc = TD_OK;
    if (record->opcode == MCAP_MESSAGE) {
        rc = mcap_decode_message(record->content, &message, err);
        if (rc == TD_OK)
            rc = define_channel(r, message.channel_id, err);
    }
    return rc == TD_OK ? td_buf_append(&r->raw, whole.data, whole.size, err) : rc;
}

/* Append the block's records to the pending chunk. */
static td_result join(repack *r, td_err *err)
{
    const td_bytes records = td_buf_view(&r->block.records);
    size_t at = 0;
    mcap_record record;
    td_result rc;
    while ((rc = mcap_next_record(records, &at, &record, err)) == TD_OK) {
        const uint8_t *whole = records.data + record.offset;
        const size_t bytes = at - (size_t)record.offset;
        if (record.opcode == MCAP_CHANNEL)
            rc = note_definition(r, whole, bytes, err);
        else
            rc = append_record(r, &record, td_bytes_of(whole, bytes), err);
        if (rc != TD_OK)
            return rc;
    }
    return rc == TD_EOF ? TD_OK : rc;
}

static td_result on_chunk(void *user, const scan_chunk *chunk, td_err *err)
{
    repack *r = user;
    if (r->block.has_chunk)
        return td_err_set(err, TD_E_CORRUPT, "two chunks without a chain record between them");
    r->block.has_chunk = 1;
    r->block.first_ns = chunk->record.start_ns;
    r->block.last_ns = chunk->record.end_ns;
    td_result rc = chunk_decompress_records(r->coder, &chunk->record, 0, &r->block.records, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "chunk at %" PRIu64, chunk->location.offset);
}

/* Needed so that the scanner reads chunks. */
static td_result on_chunk_end(void *user, const scan_chunk *chunk, td_err *err)
{
    (void)user;
    (void)chunk;
    (void)err;
    return TD_OK;
}

static td_result on_record(void *user, const mcap_location *location, td_err *err)
{
    repack *r = user;
    td_bytes content;
    mcap_metadata metadata;
    td_result rc = mcap_source_content(r->walk.source, location, &content, err);
    if (rc == TD_OK && location->opcode == CHECKPOINT_OPCODE) {
        td_buf_grow(&r->block.checkpoint, MCAP_PREFIX_BYTES + content.size);
        mcap_write_prefix(r->block.checkpoint.data, CHECKPOINT_OPCODE, content.size);
        r->block.checkpoint.size = MCAP_PREFIX_BYTES;
        td_buf_add(&r->block.checkpoint, content.data, content.size);
        return TD_OK;
    }
    if (rc == TD_OK && location->opcode == MCAP_METADATA)
        rc = mcap_decode_metadata(content, &metadata, err);
    if (rc != TD_OK)
        return rc;
    if (location->opcode == MCAP_METADATA &&
        (td_bytes_is(metadata.name, SEGMENT_SESSION_METADATA) ||
         td_bytes_is(metadata.name, SEGMENT_FAMILY_METADATA)))
        return TD_OK; /* the writer has them */
    return td_err_set(err, TD_E_UNSUPPORTED,
                      "%s record (0x%02x) in the data section, which this version does not know",
                      mcap_opcode_name(location->opcode), location->opcode);
}

static td_result on_block(void *user, const scan_block *block, td_err *err)
{
    repack *r = user;
    if (!block->is_sound || !r->block.has_chunk)
        return td_err_set(err, TD_E_CORRUPT, "the block at %" PRIu64 " is damaged", block->start);
    td_result rc = r->block_count > 0 && !can_join(r, &block->record) ? seal(r, err) : TD_OK;
    if (rc == TD_OK && r->block_count == 0) {
        r->first_ns = r->block.first_ns;
        td_buf_add(&r->checkpoint, r->block.checkpoint.data, r->block.checkpoint.size);
    }
    if (rc == TD_OK)
        rc = join(r, err);
    r->block_count++;
    r->totals = block->record.totals;
    r->pending_conn_count = block->record.conn_count;
    memcpy(r->pending_conns, block->record.conns, block->record.conn_count * sizeof(chain_conn));
    td_buf_clear(&r->block.records);
    td_buf_clear(&r->block.checkpoint);
    r->block.has_chunk = 0;
    return rc;
}

static td_result on_damage(void *user, const scan_damage *damage, td_err *err)
{
    (void)user;
    return td_err_pass(err, damage->why->code, damage->why);
}

static td_result on_end(void *user, const mcap_location *location, td_err *err)
{
    repack *r = user;
    r->is_at_end = location->opcode == MCAP_DATA_END && !r->block.has_chunk;
    return r->is_at_end ? TD_OK : td_err_set(err, TD_E_CORRUPT, "it does not end with a block");
}

static const scan_visitor VISITOR = {.chunk = on_chunk,
                                     .chunk_end = on_chunk_end,
                                     .record = on_record,
                                     .block = on_block,
                                     .damage = on_damage,
                                     .end = on_end};

/* ---- a whole segment ---- */

static void init(repack *r, chunk_form form)
{
    r->form = form;
    r->coder = codec_open();
    r->packer = chunk_packer_open();
    r->sealed = sealed_chunk_open();
    r->conns = td_alloc_zero(CHAIN_CONNS_MAX, sizeof *r->conns);
    r->pending_conns = td_alloc_zero(CHAIN_CONNS_MAX, sizeof *r->pending_conns);
    r->channels = td_alloc_zero(IDS, sizeof *r->channels);
    td_buf_init(&r->block.records, LIMIT_CHUNK_BYTES);
    td_buf_init(&r->block.checkpoint, LIMIT_RECORD_BYTES);
    td_buf_init(&r->raw, LIMIT_CHUNK_BYTES);
    td_buf_init(&r->checkpoint, LIMIT_RECORD_BYTES);
    td_buf_init(&r->new_channels, LIMIT_RECORD_BYTES);
    td_buf_init(&r->definitions, LIMIT_RECORD_BYTES);
}

static void fini(repack *r)
{
    segment_writer_close(r->writer);
    codec_close(r->coder);
    chunk_packer_close(r->packer);
    sealed_chunk_close(r->sealed);
    td_free(r->conns);
    td_free(r->pending_conns);
    td_free(r->channels);
    td_buf_fini(&r->block.records);
    td_buf_fini(&r->block.checkpoint);
    td_buf_fini(&r->raw);
    td_buf_fini(&r->checkpoint);
    td_buf_fini(&r->new_channels);
    td_buf_fini(&r->definitions);
}

/* Create the new file, with the session and the family of the source. */
static td_result open_writer(repack *r, td_io io, segment_reader *source, const char *from,
                             const char *to, td_err *err)
{
    chain_record last;
    segment_family family = {0};
    segment_session session = segment_reader_info(source)->session;
    td_buf documents;
    td_buf_init(&documents, LIMIT_RECORD_BYTES);
    td_result rc = segment_reader_last_chain(source, NULL, &last, err);
    if (rc == TD_E_NOTFOUND)
        rc = td_err_set(err, TD_E_CORRUPT, "it has no chunk");
    if (rc == TD_OK)
        rc = segment_family_read(io, from, &documents, &family, err);
    if (rc == TD_OK) {
        session.source_chain = segment_link_of(last.value, session.source_chain);
        session.form = r->form;
        session.documents = family.documents.count > 0 ? &family.documents : NULL;
        session.like_path = from;
        rc = segment_writer_open(io, to, &session, &r->writer, err);
    }
    td_buf_fini(&documents);
    return rc;
}

static td_result walk(repack *r, segment_reader *source, td_err *err)
{
    mcap_source bytes;
    uint64_t data_start;
    td_result rc = mcap_source_init(&bytes, segment_reader_file(source), err);
    if (rc != TD_OK)
        return rc;
    rc = mcap_source_header(&bytes, &data_start, err);
    if (rc == TD_OK) {
        scanner_init(&r->walk, &bytes, &VISITOR, r);
        r->walk.conns = r->conns;
        scanner_begin(&r->walk, 0, data_start, segment_reader_info(source)->session.previous_chain);
        rc = scanner_run(&r->walk, bytes.size, err);
        scanner_fini(&r->walk);
    }
    mcap_source_fini(&bytes);
    if (rc == TD_OK && !r->is_at_end)
        rc = td_err_set(err, TD_E_CORRUPT, "it does not end with a footer");
    return rc == TD_OK ? seal(r, err) : rc;
}

td_result segment_repack(td_io io, const char *from, const char *to, chunk_form form,
                         segment_totals *totals, td_err *err)
{
    segment_reader *source = NULL;
    repack *r = td_alloc_zero(1, sizeof *r);
    init(r, form);
    td_result rc = segment_reader_open(io, from, &source, err);
    if (rc == TD_OK && segment_reader_info(source)->state != SEGMENT_FINISHED)
        rc = td_err_set(err, TD_E_CORRUPT, "it is not finished");
    if (rc == TD_OK)
        rc = open_writer(r, io, source, from, to, err);
    if (rc == TD_OK)
        rc = walk(r, source, err);
    if (rc == TD_OK)
        rc = segment_writer_finish(r->writer, totals, err);
    segment_reader_close(source);
    fini(r);
    td_free(r);
    return rc;
}

/* ---- what it would give ---- */

/* Join chunks from the middle on, as on_block does, and pack them. */
static td_result try_chunks(const segment_reader *source, chunk_form form, repack_trial *out,
                            td_err *err)
{
    const uint32_t count = segment_reader_chunk_count(source);
    const uint32_t middle = count / 2;
    segment_scratch *scratch = segment_scratch_open();
    chunk_packer *packer = chunk_packer_open();
    sealed_chunk *sealed = sealed_chunk_open();
    td_buf records, joined;
    td_result rc = TD_OK;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    td_buf_init(&joined, LIMIT_CHUNK_BYTES);
    for (uint32_t i = middle; i < count && rc == TD_OK; i++) {
        const segment_chunk *chunk = segment_reader_chunk(source, i);
        const uint64_t since_ns = segment_reader_chunk(source, middle)->first_ns;
        if (i > middle && (form == CHUNKS_RECORDED ||
                           joined.size + chunk->uncompressed_bytes > LIMIT_PACKED_CHUNK_BYTES ||
                           chunk->last_ns - since_ns > LIMIT_PACKED_CHUNK_NS))
            break;
        rc = segment_reader_read(source, i, scratch, &records, err);
        if (rc == TD_OK)
            rc = td_buf_append(&joined, records.data, records.size, err);
        out->old_bytes += rc == TD_OK ? chunk->chunk_bytes + chunk->index_bytes : 0;
    }
    if (rc == TD_OK && joined.size > 0) {
        pack_records(packer, form, td_buf_view(&joined), sealed);
        out->new_bytes += sealed->chunk_bytes + sealed->index_bytes;
    }
    td_buf_fini(&records);
    td_buf_fini(&joined);
    sealed_chunk_close(sealed);
    chunk_packer_close(packer);
    segment_scratch_close(scratch);
    return rc;
}

td_result segment_repack_try(td_io io, const char *path, chunk_form form, repack_trial *out,
                             td_err *err)
{
    repack_trial found = {0};
    segment_reader *source = NULL;
    td_result rc = segment_reader_open(io, path, &source, err);
    if (rc == TD_OK)
        rc = try_chunks(source, form, &found, err);
    segment_reader_close(source);
    if (rc == TD_OK) {
        out->old_bytes += found.old_bytes;
        out->new_bytes += found.new_bytes;
    }
    return rc;
}

/* ---- comparing ---- */

/* Walks a segment's messages. */
typedef struct compare_side {
    segment_reader *reader;
    segment_scratch *scratch;
    td_buf records;
    size_t at;
    uint32_t next_chunk;
} compare_side;

static td_result open_side(compare_side *side, td_io io, const char *path, td_err *err)
{
    side->scratch = segment_scratch_open();
    td_buf_init(&side->records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    return segment_reader_open(io, path, &side->reader, err);
}

static void close_side(compare_side *side)
{
    segment_reader_close(side->reader);
    segment_scratch_close(side->scratch);
    td_buf_fini(&side->records);
}

static td_result next_message(compare_side *side, segment_message *out, td_err *err)
{
    for (;;) {
        td_result rc =
            segment_reader_message(side->reader, td_buf_view(&side->records), &side->at, out, err);
        if (rc != TD_EOF)
            return rc;
        if (side->next_chunk == segment_reader_chunk_count(side->reader))
            return TD_EOF;
        side->at = 0;
        rc = segment_reader_read(side->reader, side->next_chunk++, side->scratch, &side->records,
                                 err);
        if (rc != TD_OK)
            return rc;
    }
}

static int is_same_channel(const segment_channel *left, const segment_channel *right)
{
    const channel_info *a = &left->info, *b = &right->info;
    return left->id == right->id && a->line == b->line && a->shard == b->shard &&
           a->dir == b->dir && a->opcode == b->opcode && a->form == b->form &&
           strcmp(a->feed, b->feed) == 0 && strcmp(a->family, b->family) == 0 &&
           strcmp(a->topic, b->topic) == 0 && strcmp(a->exchange_topic, b->exchange_topic) == 0 &&
           strcmp(a->symbol, b->symbol) == 0 &&
           strcmp(a->message_encoding, b->message_encoding) == 0;
}

static int is_same_message(const segment_message *left, const segment_message *right)
{
    return left->log_ns == right->log_ns && left->publish_ns == right->publish_ns &&
           left->sequence == right->sequence && left->data.size == right->data.size &&
           (left->data.size == 0 ||
            memcmp(left->data.data, right->data.data, left->data.size) == 0) &&
           is_same_channel(left->channel, right->channel);
}

static td_result compare_messages(compare_side *left, compare_side *right, td_err *err)
{
    segment_message a, b;
    for (uint64_t i = 1;; i++) {
        td_result rc = next_message(left, &a, err);
        td_result other = rc == TD_OK || rc == TD_EOF ? next_message(right, &b, err) : rc;
        if (other != TD_OK && other != TD_EOF)
            return other;
        if (rc == TD_EOF && other == TD_EOF)
            return TD_OK;
        if (rc != other || !is_same_message(&a, &b))
            return td_err_set(err, TD_E_CORRUPT, "message %" PRIu64 " differs", i);
    }
}

static td_result compare_checkpoints(const compare_side *left, const compare_side *right,
                                     td_err *err)
{
    uint32_t count = segment_reader_checkpoint_count(left->reader);
    int is_same = count == segment_reader_checkpoint_count(right->reader);
    td_result rc = TD_OK;
    for (uint32_t i = 0; i < count && is_same && rc == TD_OK; i++) {
        const segment_checkpoint *a = segment_reader_checkpoint(left->reader, i);
        const segment_checkpoint *b = segment_reader_checkpoint(right->reader, i);
        is_same = a->at_ns == b->at_ns && a->bytes == b->bytes;
        uint8_t *both = is_same ? td_alloc(2 * (size_t)a->bytes) : NULL;
        if (is_same)
            rc = td_io_read_exact(segment_reader_file(left->reader), a->offset, both,
                                  (size_t)a->bytes, err);
        if (is_same && rc == TD_OK)
            rc = td_io_read_exact(segment_reader_file(right->reader), b->offset, both + a->bytes,
                                  (size_t)a->bytes, err);
        is_same = is_same && (rc != TD_OK || memcmp(both, both + a->bytes, (size_t)a->bytes) == 0);
        td_free(both);
    }
    return rc != TD_OK || is_same ? rc : td_err_set(err, TD_E_CORRUPT, "checkpoints differ");
}

/* Compare the totals and the connections at the end. */
static td_result compare_ends(compare_side *left, compare_side *right, td_err *err)
{
    chain_record a, b;
    chain_conn *conns = td_alloc_zero((size_t)2 * CHAIN_CONNS_MAX, sizeof *conns);
    td_result rc = segment_reader_last_chain(left->reader, conns, &a, err);
    if (rc == TD_OK)
        rc = segment_reader_last_chain(right->reader, conns + CHAIN_CONNS_MAX, &b, err);
    if (rc == TD_OK &&
        (memcmp(&a.totals, &b.totals, sizeof a.totals) != 0 || a.conn_count != b.conn_count ||
         memcmp(a.conns, b.conns, a.conn_count * sizeof *conns) != 0))
        rc = td_err_set(err, TD_E_CORRUPT, "the last chain records differ");
    td_free(conns);
    return rc;
}

static int is_same_session(const segment_session *a, const segment_session *b)
{
    return strcmp(a->session, b->session) == 0 && a->start_ns == b->start_ns &&
           strcmp(a->feed, b->feed) == 0 && strcmp(a->family, b->family) == 0 &&
           strcmp(a->previous_segment, b->previous_segment) == 0 &&
           td_hash128_equal(a->previous_chain, b->previous_chain) &&
           strcmp(a->verb, b->verb) == 0 && strcmp(a->version, b->version) == 0;
}

static td_result compare_heads(td_io io, const compare_side *left, const char *left_path,
                               const compare_side *right, const char *right_path, td_err *err)
{
    segment_family a = {0}, b = {0};
    td_buf left_content, right_content;
    td_buf_init(&left_content, LIMIT_RECORD_BYTES);
    td_buf_init(&right_content, LIMIT_RECORD_BYTES);
    td_result rc = segment_family_read(io, left_path, &left_content, &a, err);
    if (rc == TD_OK)
        rc = segment_family_read(io, right_path, &right_content, &b, err);
    if (rc == TD_OK &&
        (!is_same_session(&segment_reader_info(left->reader)->session,
                          &segment_reader_info(right->reader)->session) ||
         a.documents.count != b.documents.count || strcmp(a.documents.hash, b.documents.hash) != 0))
        rc = td_err_set(err, TD_E_CORRUPT, "the sessions differ");
    td_buf_fini(&left_content);
    td_buf_fini(&right_content);
    return rc;
}

td_result segment_compare(td_io io, const char *left, const char *right, td_err *err)
{
    compare_side sides[2] = {0};
    td_result rc = open_side(&sides[0], io, left, err);
    td_result other = open_side(&sides[1], io, right, rc == TD_OK ? err : NULL);
    rc = rc == TD_OK ? other : rc;
    if (rc == TD_OK)
        rc = compare_heads(io, &sides[0], left, &sides[1], right, err);
    if (rc == TD_OK)
        rc = compare_messages(&sides[0], &sides[1], err);
    if (rc == TD_OK)
        rc = compare_checkpoints(&sides[0], &sides[1], err);
    if (rc == TD_OK)
        rc = compare_ends(&sides[0], &sides[1], err);
    close_side(&sides[0]);
    close_side(&sides[1]);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "compared with the new file");
}
