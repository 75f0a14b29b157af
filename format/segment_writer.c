#include "format/segment_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "format/mcap_encode.h"
#include "format/mcap_source.h"
#include "format/segment_family.h"
#include "format/segment_name.h"

struct segment_writer {
    td_io io;
    td_file *file;
    char path[LIMIT_PATH_BYTES];      /* final */
    char open_path[LIMIT_PATH_BYTES]; /* while it grows */
    td_buf head;  /* magic, header and session, which the first chain record covers */
    td_buf pack;  /* scratch: maps, and the end of the file */
    td_buf block; /* for a chunk with a checkpoint: the checkpoint, the chunk, and the chain
                     record */
    mcap_summary summary;
    td_hasher *hasher;
    td_hash128 chain, source_chain;
    uint64_t size;     /* of the file */
    uint32_t data_crc; /* CRC-32 of the file's bytes */
    uint8_t is_dead;
    uint8_t is_finished;
};

static td_result set_paths(segment_writer *w, const char *path, td_err *err)
{
    TD_ASSERT(path != NULL);
    size_t length = strlen(path);
    if (length == 0 || length + sizeof SEGMENT_OPEN_SUFFIX > sizeof w->open_path)
        return td_err_set(err, TD_E_INVALID, "segment path of %zu bytes", length);
    memcpy(w->path, path, length + 1);
    segment_open_path(path, w->open_path);
    return TD_OK;
}

/* Encode the session record's map, in the order of FORMAT.md. */
static void pack_session(td_buf *pack, const segment_session *session)
{
    char start[21], chain[TD_HASH128_HEX_BYTES], source[TD_HASH128_HEX_BYTES];
    (void)snprintf(start, sizeof start, "%" PRIu64, session->start_ns); /* fits: 20 digits */
    td_hash128_hex(session->previous_chain, chain);
    td_hash128_hex(session->source_chain, source);
    const char *const pairs[][2] = {
        {"session", session->session},
        {"start_ns", start},
        {"feed", session->feed},
        {"family", session->family},
        {"previous_segment", session->previous_segment},
        {"previous_chain", chain},
        {"verb", session->verb},
        {"version", session->version},
    };
    td_buf_clear(pack);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        mcap_pack_pair(pack, td_bytes_str(pairs[i][0]), td_bytes_str(pairs[i][1]));
    if (!td_hash128_equal(session->source_chain, (td_hash128){0}))
        mcap_pack_pair(pack, td_bytes_str("source_chain"), td_bytes_str(source));
    if (session->form != CHUNKS_RECORDED)
        mcap_pack_pair(pack, td_bytes_str("packed"), td_bytes_str(chunk_form_name(session->form)));
}

/* Encode the packed map as a record. */
static void encode_metadata(segment_writer *w, const char *name)
{
    const size_t at = w->head.size;
    mcap_metadata metadata = {.name = td_bytes_str(name), .pairs = {td_buf_view(&w->pack)}};
    mcap_encode_metadata(&w->head, &metadata);
    mcap_metadata_index index = {.offset = at, .length = w->head.size - at, .name = metadata.name};
    mcap_summary_add_metadata(&w->summary, &index);
}

/* Encode everything before the first chunk. */
static void encode_head(segment_writer *w, const segment_session *session)
{
    TD_ASSERT(w->head.size == 0);
    char library[LIMIT_NAME_BYTES];
    (void)snprintf(library, sizeof library, "tapedeck %s", session->version); /* may be cut */
    mcap_header header = {.profile = td_bytes_str(SEGMENT_PROFILE),
                          .library = td_bytes_str(library)};
    mcap_encode_magic(&w->head);
    mcap_encode_header(&w->head, &header);
    pack_session(&w->pack, session);
    encode_metadata(w, SEGMENT_SESSION_METADATA);
    if (session->documents != NULL) {
        segment_family_pack(&w->pack, session->family, session->documents);
        encode_metadata(w, SEGMENT_FAMILY_METADATA);
    }
}

/* Create the file with its head, and lock it until it is closed: the lock shows other processes
 * that its writer is running. The folder is synced so that a power cut cannot remove the name of a
 * file with durable chunks. */
static td_result create_file(segment_writer *w, const segment_session *session, td_err *err)
{
    const int is_private = session->is_private || session->like_path != NULL;
    td_result rc = td_io_open(w->io, w->open_path,
                              is_private ? TD_OPEN_CREATE_PRIVATE : TD_OPEN_CREATE, &w->file, err);
    if (rc != TD_OK)
        return rc;
    if (session->like_path != NULL)
        rc = td_io_copy_access(w->io, session->like_path, w->file, err);
    if (rc == TD_OK)
        rc = td_io_lock_file(w->file, err);
    if (rc == TD_OK)
        rc = td_io_append(w->file, w->head.data, w->head.size, err);
    if (rc == TD_OK)
        rc = td_io_sync_folder_of(w->io, w->open_path, err);
    if (rc == TD_OK) {
        w->size = w->head.size;
        w->data_crc = td_crc32(0, w->head.data, w->head.size);
        return TD_OK;
    }
    td_io_close(w->file);
    w->file = NULL;
    /* If this fails the file stays, which is harmless: it has no chunk. */
    td_result unlinked = td_io_unlink(w->io, w->open_path, NULL);
    (void)unlinked;
    return rc;
}

td_result segment_writer_open(td_io io, const char *path, const segment_session *session,
                              segment_writer **out, td_err *err)
{
    *out = NULL;
    segment_writer *w = td_alloc_zero(1, sizeof *w);
    w->io = io;
    w->chain = session->previous_chain;
    w->source_chain = session->source_chain;
    td_buf_init(&w->head, SIZE_MAX);
    td_buf_init(&w->pack, SIZE_MAX);
    td_buf_init(&w->block, SIZE_MAX);
    mcap_summary_init(&w->summary);
    w->hasher = td_hasher_open();
    encode_head(w, session);
    td_result rc = set_paths(w, path, err);
    if (rc == TD_OK)
        rc = create_file(w, session, err);
    if (rc != TD_OK) {
        segment_writer_close(w);
        return td_err_add(err, rc, "segment %s", path);
    }
    *out = w;
    return TD_OK;
}

void segment_writer_close(segment_writer *writer)
{
    if (writer == NULL)
        return;
    td_io_close(writer->file);
    td_hasher_close(writer->hasher);
    mcap_summary_fini(&writer->summary);
    td_buf_fini(&writer->head);
    td_buf_fini(&writer->pack);
    td_buf_fini(&writer->block);
    td_free(writer);
}

/* Fail if the writer failed earlier or has finished. */
static td_result refuse_dead(const segment_writer *w, td_err *err)
{
    if (w->is_finished)
        return td_err_set(err, TD_E_INVALID, "segment %s is finished", w->path);
    if (w->is_dead)
        return td_err_set(err, TD_E_IO, "segment %s: an earlier write or sync failed", w->path);
    return TD_OK;
}

/* Append all bytes or none: after a failure a partial write is cut off. If cutting it off fails,
 * too, or the first failure was not a full disk, the writer is dead. */
static td_result append_whole(segment_writer *w, const uint8_t *bytes, size_t size, td_err *err)
{
    TD_ASSERT(bytes != NULL);
    TD_ASSERT(!w->is_dead);
    td_result rc = td_io_append(w->file, bytes, size, err);
    if (rc == TD_OK) {
        w->data_crc = td_crc32(w->data_crc, bytes, size);
        w->size += size;
        return TD_OK;
    }
    if (td_io_truncate(w->file, w->size, NULL) != TD_OK || rc != TD_E_NOSPACE)
        w->is_dead = 1;
    return rc;
}

/* Append the chain record to block, which has the chunk's bytes. */
static td_hash128 append_chain(segment_writer *w, const sealed_chunk *chunk, td_buf *block)
{
    int is_first = w->summary.chunk_count == 0;
    chain_record record = {.covers_from = is_first ? 0 : w->size,
                           .chunk_count = w->summary.chunk_count + 1,
                           .totals = chunk->totals,
                           .conns = chunk->conns,
                           .conn_count = chunk->conn_count};
    chain_append_fields(block, &record);
    chain_start(w->hasher, w->chain);
    if (is_first)
        td_hasher_update(w->hasher, w->head.data, w->head.size);
    td_hasher_update(w->hasher, block->data, block->size);
    return chain_append_value(block, w->hasher);
}

/* Begin the block's bytes. A checkpoint comes first, because the chain record must directly follow
 * the message indexes. */
static td_buf *begin_block(segment_writer *w, sealed_chunk *chunk)
{
    if (chunk->checkpoint.size == 0)
        return &chunk->bytes;
    td_buf_clear(&w->block);
    td_buf_add(&w->block, chunk->checkpoint.data, chunk->checkpoint.size);
    td_buf_add(&w->block, chunk->bytes.data, chunk->bytes.size);
    return &w->block;
}

td_result segment_writer_append(segment_writer *writer, sealed_chunk *chunk,
                                segment_written *written, td_err *err)
{
    segment_writer *w = writer;
    size_t sealed_bytes = (size_t)(chunk->chunk_bytes + chunk->index_bytes);
    TD_ASSERT(chunk->bytes.size == sealed_bytes);
    TD_ASSERT(w->is_dead || (w->summary.chunk_count == 0) == (chunk->starts_segment != 0));
    td_result rc = refuse_dead(w, err);
    if (rc != TD_OK)
        return rc;
    segment_checkpoint checkpoint = {.offset = w->size, .bytes = chunk->checkpoint.size};
    uint64_t offset = w->size + checkpoint.bytes;
    td_buf *block = begin_block(w, chunk);
    td_hash128 value = append_chain(w, chunk, block);
    rc = append_whole(w, block->data, block->size, err);
    chunk->bytes.size = sealed_bytes;
    if (rc != TD_OK)
        return td_err_add(err, rc, "segment %s: chunk at %" PRIu64, w->path, offset);
    mcap_summary_add_sealed(&w->summary, chunk, offset);
    w->chain = value;
    if (checkpoint.bytes > 0) {
        checkpoint.at_ns = td_le64(chunk->checkpoint.data + MCAP_PREFIX_BYTES);
        mcap_summary_add_checkpoint(&w->summary, &checkpoint);
    }
    if (written != NULL)
        *written = (segment_written){.chunk = {.offset = offset,
                                               .chunk_bytes = chunk->chunk_bytes,
                                               .index_bytes = chunk->index_bytes,
                                               .uncompressed_bytes = chunk->uncompressed_bytes,
                                               .first_ns = chunk->first_ns,
                                               .last_ns = chunk->last_ns,
                                               .message_count = chunk->message_count},
                                     .checkpoint = checkpoint};
    return TD_OK;
}

/* Detect that another program removed, renamed, replaced or changed the file: readers would not
 * find chunks that are synced afterwards. */
static td_result check_place(const segment_writer *w, td_err *err)
{
    td_name_state state = TD_NAME_GONE;
    uint64_t size = 0;
    td_result rc = td_io_check_name(w->io, w->open_path, w->file, &state, err);
    if (rc == TD_OK)
        rc = td_io_size(w->file, &size, err);
    if (rc != TD_OK || (state == TD_NAME_SAME && size == w->size))
        return rc;
    if (state == TD_NAME_GONE)
        rc = td_err_set(err, TD_E_NOTFOUND,
                        "'%s' was removed or renamed while it was being written", w->open_path);
    else if (state == TD_NAME_OTHER)
        rc = td_err_set(err, TD_E_NOTFOUND, "'%s' was replaced while it was being written",
                        w->open_path);
    else
        rc = td_err_set(err, TD_E_NOTFOUND,
                        "'%s' has %" PRIu64 " bytes, and %" PRIu64
                        " were written: another program changed it",
                        w->open_path, size, w->size);
    td_err_hint(err, "nothing more was announced durable; put the file back if you can, run "
                     "'tapedeck recover' and 'tapedeck verify', and start again");
    return rc;
}

td_result segment_writer_sync(segment_writer *writer, td_err *err)
{
    TD_ASSERT(writer->path[0] != '\0');
    td_result rc = refuse_dead(writer, err);
    if (rc != TD_OK)
        return rc;
    rc = td_io_sync(writer->file, err);
    if (rc == TD_OK)
        return segment_writer_check_place(writer, err);
    /* The kernel may have dropped the pages: nothing more in this file may count as durable. */
    writer->is_dead = 1;
    return td_err_add(err, TD_E_IO, "segment %s: sync at %" PRIu64, writer->path, writer->size);
}

td_result segment_writer_check_place(segment_writer *writer, td_err *err)
{
    td_result rc = refuse_dead(writer, err);
    if (rc == TD_OK && (rc = check_place(writer, err)) != TD_OK) {
        writer->is_dead = 1;
        rc = td_err_add(err, rc, "segment %s at %" PRIu64, writer->path, writer->size);
    }
    return rc;
}

/* Write the end of the file and make it durable; on a full disk, cut it off again. */
static td_result write_end(segment_writer *w, td_err *err)
{
    TD_ASSERT(w->file != NULL);
    uint64_t data_bytes = w->size;
    td_buf_clear(&w->pack);
    mcap_summary_append_end(&w->summary, &w->pack, w->size, w->data_crc);
    td_result rc = append_whole(w, w->pack.data, w->pack.size, err);
    if (rc != TD_OK)
        return rc;
    rc = td_io_sync(w->file, err);
    if (rc == TD_OK)
        return TD_OK;
    w->is_dead = 1;
    w->size = data_bytes;
    return td_err_add(err, TD_E_IO, "sync of the end");
}

td_result segment_writer_finish(segment_writer *writer, segment_totals *totals, td_err *err)
{
    segment_writer *w = writer;
    td_result rc = refuse_dead(w, err);
    if (rc != TD_OK)
        return rc;
    rc = write_end(w, err);
    if (rc == TD_OK) {
        rc = check_place(w, err); /* only the written file may be renamed */
        w->is_dead = rc != TD_OK;
    }
    if (rc == TD_OK) {
        /* The end is written: after a later failure, recovery only has to rename the file. */
        w->is_dead = 1;
        rc = td_io_publish(w->io, w->open_path, w->path, err);
    }
    if (rc != TD_OK)
        return td_err_add(err, rc, "segment %s: finishing it", w->path);
    w->is_finished = 1;
    td_io_close(w->file);
    w->file = NULL;
    if (totals != NULL)
        *totals = segment_writer_totals(w);
    return TD_OK;
}

td_hash128 segment_link_of(td_hash128 chain, td_hash128 source_chain)
{
    return td_hash128_equal(source_chain, (td_hash128){0}) ? chain : source_chain;
}

segment_totals segment_totals_of(const mcap_summary *summary, uint64_t file_bytes, td_hash128 chain,
                                 td_hash128 source_chain)
{
    return (segment_totals){.file_bytes = file_bytes,
                            .first_ns = summary->start_ns,
                            .last_ns = summary->end_ns,
                            .message_count = summary->message_count,
                            .chunk_count = summary->chunk_count,
                            .channel_count = summary->channel_count,
                            .chain = chain,
                            .link = segment_link_of(chain, source_chain)};
}

segment_totals segment_writer_totals(const segment_writer *writer)
{
    return segment_totals_of(&writer->summary, writer->size, writer->chain, writer->source_chain);
}
