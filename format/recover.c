#include "format/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "format/chain.h"
#include "format/chunk_codec.h"
#include "format/mcap_decode.h"
#include "format/mcap_source.h"
#include "format/mcap_summary.h"
#include "format/scanner.h"
#include "format/segment_name.h"
#include "format/torn.h"

typedef struct recovery {
    td_io io;
    const char *open_path, *torn_dir;
    recover_result *result;
    td_file *file;
    mcap_source source;
    /* first walk */
    uint64_t data_start;    /* after the header */
    td_hash128 first_chain; /* the chain value that the first block continues */
    uint64_t valid_bytes;   /* end of the last sound block; 0 = no sound block */
    uint64_t last_start;    /* start of the last sound block */
    uint64_t pending_damage, pending_from, pending_to; /* damaged blocks after the last sound one */
    chain_conn conns[CHAIN_CONNS_MAX];
    /* second walk */
    mcap_summary summary;
    codec *coder;
    td_buf records; /* of a chunk, decompressed */
    td_buf end;     /* from Data End to the closing magic */
} recovery;

/* Read header and session record. TD_E_CORRUPT, TD_E_TRUNCATED if this is not a segment. */
static td_result read_head(recovery *v, td_err *err)
{
    td_bytes bytes;
    mcap_location location;
    mcap_metadata session;
    td_result rc = mcap_source_header(&v->source, &v->data_start, err);
    if (rc == TD_OK)
        rc = mcap_source_record(&v->source, v->data_start, v->source.size, &location, err);
    if (rc == TD_OK)
        rc = mcap_source_content(&v->source, &location, &bytes, err);
    if (rc == TD_OK)
        rc = mcap_decode_metadata(bytes, &session, err);
    td_bytes chain = td_bytes_of(NULL, 0);
    if (rc == TD_OK)
        chain = mcap_find_pair(session.pairs, "previous_chain");
    if (rc == TD_OK && !chain_value_parse(chain, &v->first_chain))
        rc = td_err_set(err, TD_E_CORRUPT, "no session record");
    if (rc == TD_E_UNSUPPORTED)
        return TD_E_CORRUPT; /* another MCAP version: not to be recovered */
    return rc == TD_EOF ? TD_E_TRUNCATED : rc;
}

/* First walk: advance valid_bytes to the end of a sound block. */
static td_result note_block(void *user, const scan_block *block, td_err *err)
{
    recovery *v = user;
    TD_ASSERT(v->valid_bytes <= block->offset);
    (void)err;
    if (!block->is_sound) {
        if (v->pending_damage++ == 0)
            v->pending_from = block->start;
        v->pending_to = block->end;
        return TD_OK;
    }
    /* Damaged blocks held durable data if a block after them is sound; else they belong to the torn
     * tail. */
    if (v->pending_damage > 0) {
        TD_ASSERT(v->pending_from < v->pending_to);
        TD_ASSERT(v->pending_to <= v->source.size);
        if (v->result->damaged_blocks == 0)
            v->result->damaged_from = v->pending_from;
        v->result->damaged_to = v->pending_to;
        v->result->damaged_blocks += v->pending_damage;
    }
    v->pending_damage = 0;
    v->valid_bytes = block->end;
    v->last_start = block->start;
    v->result->totals.chain = block->record.value;
    v->result->conn_count = block->record.conn_count;
    memcpy(v->result->conns, v->conns, block->record.conn_count * sizeof *v->conns);
    return TD_OK;
}

/* A broken structure counts as a damaged block only if the walk continues after it. */
static td_result note_pending_damage(void *user, const scan_damage *damage, td_err *err)
{
    recovery *v = user;
    (void)err;
    if (damage->to == 0)
        return TD_OK;
    if (v->pending_damage++ == 0)
        v->pending_from = damage->from;
    v->pending_to = damage->to;
    return TD_OK;
}

static const scan_visitor FIRST_WALK = {.block = note_block, .damage = note_pending_damage};

/* Find a sound block in a file whose head cannot be read. A chain record alone proves nothing:
 * without a sync, a power cut may spare it and destroy the head. A sound block after the chain
 * record proves durable data, because that block was written after a sync. */
static td_result find_sound_block(recovery *v, td_err *err)
{
    scanner walk;
    const td_hash128 none = {{0}};
    scan_damage head = {0};
    scanner_init(&walk, &v->source, &FIRST_WALK, v);
    scanner_begin(&walk, 0, 0, none);
    walk.conns = v->conns;
    td_result rc = scanner_find_block(&walk, &head.from, &head.to, err);
    if (rc == TD_OK)
        rc = note_pending_damage(v, &head, err);
    if (rc == TD_OK)
        rc = scanner_run(&walk, v->source.size, err);
    scanner_fini(&walk);
    return rc == TD_EOF ? TD_OK : rc;
}

/* Walk from the first record to limit. */
static td_result walk_records(recovery *v, const scan_visitor *visitor, uint64_t limit, td_err *err)
{
    TD_ASSERT(v->data_start > MCAP_MAGIC_BYTES);
    scanner walk;
    scanner_init(&walk, &v->source, visitor, v);
    scanner_begin(&walk, 0, v->data_start, v->first_chain);
    walk.conns = v->conns;
    td_result rc = scanner_run(&walk, limit, err);
    scanner_fini(&walk);
    return rc;
}

/* Add a chunk's channels to the summary. */
static void add_channels(recovery *v, td_bytes records)
{
    TD_ASSERT(records.data != NULL || records.size == 0);
    size_t at = 0;
    mcap_record record;
    while (mcap_next_record(records, &at, &record, NULL) == TD_OK) {
        td_result rc = TD_OK;
        if (record.opcode == MCAP_CHANNEL)
            rc = mcap_summary_note_channel(&v->summary, &record, NULL);
        (void)rc; /* skip broken records */
    }
}

/* Decompress a chunk if one of its channels is new. The first walk has already counted unreadable
 * data as damage. */
static td_result add_new_channels(recovery *v, const scan_chunk *chunk, td_err *err)
{
    int is_new = 0;
    mcap_packed rest = chunk->index.index_offsets;
    uint16_t id;
    uint64_t offset;
    while (mcap_next_count(&rest, &id, &offset))
        is_new |= !mcap_summary_has_channel(&v->summary, id);
    if (!is_new)
        return TD_OK;
    td_bytes content;
    mcap_chunk record;
    td_result rc = mcap_source_content(&v->source, &chunk->location, &content, err);
    if (rc == TD_OK)
        rc = mcap_decode_chunk(content, &record, err);
    if (rc == TD_OK)
        rc = chunk_decompress_records(v->coder, &record, 0, &v->records, err);
    if (rc == TD_OK)
        add_channels(v, td_buf_view(&v->records));
    return scan_is_fatal(rc) ? rc : TD_OK;
}

/* Count the messages of a message index. */
static td_result count_messages(void *user, const scan_chunk *chunk, const mcap_location *location,
                                const mcap_message_index *index, td_err *err)
{
    recovery *v = user;
    (void)chunk;
    (void)location;
    (void)err;
    mcap_packed rest = index->entries;
    uint64_t count = 0, first = UINT64_MAX, last = 0, log_ns, at;
    while (mcap_next_entry(&rest, &log_ns, &at)) {
        first = log_ns < first ? log_ns : first;
        last = log_ns > last ? log_ns : last;
        count++;
    }
    if (count > 0)
        mcap_summary_count_messages(&v->summary, index->channel_id, count, first, last);
    return TD_OK;
}

/* Count the messages of a Chunk Channels record. */
static td_result count_channels(void *user, const scan_chunk *chunk, const mcap_location *location,
                                const sealed_channel *channels, size_t count, td_err *err)
{
    recovery *v = user;
    (void)chunk;
    (void)location;
    (void)err;
    for (size_t i = 0; i < count; i++)
        mcap_summary_count_messages(&v->summary, channels[i].id, channels[i].message_count,
                                    channels[i].first_ns, channels[i].last_ns);
    return TD_OK;
}

static td_result add_chunk(void *user, const scan_chunk *chunk, td_err *err)
{
    recovery *v = user;
    td_result rc = add_new_channels(v, chunk, err);
    if (rc == TD_OK)
        mcap_summary_add_chunk(&v->summary, &chunk->index);
    return rc;
}

/* Index the session record and checkpoints in the summary. */
static td_result add_record(void *user, const mcap_location *location, td_err *err)
{
    recovery *v = user;
    if (location->opcode == CHECKPOINT_OPCODE)
        return mcap_summary_note_checkpoint(&v->summary, &v->source, location, err);
    if (location->opcode != MCAP_METADATA)
        return TD_OK;
    return mcap_summary_note_metadata(&v->summary, &v->source, location, err);
}

/* Second walk: fill the summary from the records up to valid_bytes, skipping broken records of
 * damaged blocks. */
static const scan_visitor SECOND_WALK = {.message_index = count_messages,
                                         .chunk_channels = count_channels,
                                         .chunk_end = add_chunk,
                                         .record = add_record};

/* Name in torn/ of the file's bytes from an offset on. */
static void torn_name(const recovery *v, uint64_t from, const char *kind,
                      char out[LIMIT_PATH_BYTES])
{
    (void)snprintf(out, LIMIT_PATH_BYTES, "%.1000s.%" PRIu64 ".%s",
                   segment_file_name(v->result->path), from, kind);
}

/* Do steps 2 to 4 of recover.h: afterwards the file is complete and durable under its open name.
 * After a sync that failed, data that can be read may be in the page cache only. A block is
 * written after the previous one was synced, so this concerns only the last block and the end:
 * both are rewritten. */
static td_result write_end(recovery *v, td_err *err)
{
    TD_ASSERT(v->valid_bytes > 0);
    TD_ASSERT(v->source.size >= v->valid_bytes);
    TD_ASSERT(v->end.size > MCAP_FOOTER_BYTES);
    /* Step 2: save the tail, unless its bytes are those that are about to be written, or the first
     * of them. */
    uint64_t tail = v->source.size - v->valid_bytes;
    int is_planned_end = 0;
    td_result rc = TD_OK;
    if (tail <= v->end.size)
        rc = mcap_source_compare(&v->source, v->valid_bytes, td_bytes_of(v->end.data, (size_t)tail),
                                 &is_planned_end, err);
    if (rc != TD_OK)
        return rc;
    v->result->torn_bytes = is_planned_end ? 0 : tail;
    if (v->result->torn_bytes > 0) {
        char name[LIMIT_PATH_BYTES];
        torn_name(v, v->valid_bytes, "tail", name);
        rc =
            torn_keep(v->io, v->torn_dir, name, v->file, v->valid_bytes, v->result->torn_path, err);
    }
    if (rc == TD_OK)
        rc = td_io_truncate(v->file, v->valid_bytes, err);
    if (rc == TD_OK)
        rc = td_io_rewrite(v->file, v->last_start, v->valid_bytes - v->last_start, err);
    if (rc == TD_OK)
        rc = td_io_sync(v->file, err);
    if (rc == TD_OK)
        rc = td_io_append(v->file, v->end.data, v->end.size, err);
    if (rc == TD_OK)
        rc = td_io_sync(v->file, err);
    return rc;
}

/* Move the whole file to torn/. */
static td_result move_to_torn(recovery *v, const char *kind, td_err *err)
{
    TD_ASSERT(v->valid_bytes == 0);
    v->result->has_segment = 0;
    v->result->torn_bytes = v->source.size;
    int is_kept;
    char name[LIMIT_PATH_BYTES];
    torn_name(v, 0, kind, name);
    td_result rc =
        torn_find_path(v->io, v->torn_dir, name, v->file, 0, v->result->torn_path, &is_kept, err);
    /* The moved file must survive a later power cut. */
    if (rc == TD_OK)
        rc = td_io_sync(v->file, err);
    if (rc == TD_OK && !is_kept)
        return td_io_publish(v->io, v->open_path, v->result->torn_path, err);
    /* A power cut between syncing the two folders may have left both names of this one file. A
     * rename between two names of one file does nothing, so the old name is unlinked. */
    if (rc == TD_OK)
        rc = td_io_sync_dir(v->io, v->torn_dir, err);
    if (rc == TD_OK)
        rc = td_io_unlink(v->io, v->open_path, err);
    if (rc == TD_OK)
        rc = td_io_sync_folder_of(v->io, v->open_path, err);
    return rc;
}

/* Count the frames, as segment_verify does: without events. */
static uint64_t count_frames(const mcap_summary *summary)
{
    uint64_t frames = summary->message_count;
    size_t at = 0;
    mcap_record record;
    while (mcap_next_record(td_buf_view(&summary->channels), &at, &record, NULL) == TD_OK) {
        mcap_channel channel;
        if (mcap_decode_channel(record.content, &channel, NULL) == TD_OK &&
            td_bytes_is(mcap_find_pair(channel.metadata, "dir"), channel_dir_name(CHANNEL_EVENT)))
            frames -= mcap_summary_count(summary, channel.id);
    }
    return frames;
}

/* Do the rest of step 1 of recover.h, and steps 2 to 5. */
static td_result finish_segment(recovery *v, td_err *err)
{
    TD_ASSERT(v->valid_bytes > v->data_start);
    TD_ASSERT(v->valid_bytes <= v->source.size);
    TD_ASSERT(v->end.size == 0);
    uint32_t crc = 0;
    mcap_source_crc_begin(&v->source);
    td_result rc = walk_records(v, &SECOND_WALK, v->valid_bytes, err);
    if (rc == TD_OK)
        rc = mcap_source_crc_end(&v->source, v->valid_bytes, &crc, err);
    if (rc != TD_OK)
        return rc;
    mcap_summary_append_end(&v->summary, &v->end, v->valid_bytes, crc);
    rc = write_end(v, err);
    if (rc == TD_OK)
        rc = td_io_publish(v->io, v->open_path, v->result->path, err);
    if (rc != TD_OK)
        return rc;
    v->result->totals = segment_totals_of(&v->summary, v->valid_bytes + v->end.size,
                                          v->result->totals.chain, (td_hash128){0});
    v->result->frame_count = count_frames(&v->summary);
    v->result->has_segment = 1;
    return TD_OK;
}

/* Lock the file, then check its name: a writer renames a finished file before it unlocks the file.
 */
static td_result lock_file(recovery *v, td_err *err)
{
    td_name_state state = TD_NAME_GONE;
    td_result rc = td_io_open(v->io, v->open_path, TD_OPEN_APPEND, &v->file, err);
    if (rc == TD_OK)
        rc = td_io_lock_file(v->file, err);
    if (rc == TD_OK)
        rc = td_io_check_name(v->io, v->open_path, v->file, &state, err);
    if (rc == TD_OK && state != TD_NAME_SAME)
        rc = td_err_set(err, TD_E_BUSY, "it was just renamed or replaced");
    return rc;
}

/* Finish the segment, or move the file to torn/ if it has no sound block. */
static td_result run(recovery *v, td_err *err)
{
    TD_ASSERT(v->file == NULL);
    uint64_t size;
    td_result rc = td_io_size_at(v->io, v->result->path, &size, err);
    if (rc == TD_OK)
        return td_err_set(err, TD_E_INVALID, "%s exists already", v->result->path);
    if (rc != TD_E_NOTFOUND)
        return rc;
    td_err_clear(err);
    rc = lock_file(v, err);
    if (rc == TD_OK)
        rc = mcap_source_init(&v->source, v->file, err);
    if (rc != TD_OK)
        return rc;
    rc = read_head(v, err);
    if (rc == TD_OK)
        rc = walk_records(v, &FIRST_WALK, v->source.size, err);
    if (scan_is_fatal(rc))
        return rc;
    if (rc == TD_OK && v->valid_bytes > 0)
        return finish_segment(v, err);
    rc = find_sound_block(v, err);
    v->valid_bytes = 0;
    return rc == TD_OK ? move_to_torn(v, "open", err) : rc;
}

/* Move an open file to torn/ as a copy: the finished segment has all of the file's data. */
static td_result run_copy(recovery *v, td_err *err)
{
    td_result rc = lock_file(v, err);
    if (rc == TD_OK)
        rc = mcap_source_init(&v->source, v->file, err);
    return rc == TD_OK ? move_to_torn(v, "copy", err) : rc;
}

static recovery *open_recovery(td_io io, const char *open_path, recover_result *result)
{
    recovery *v = td_alloc_zero(1, sizeof *v);
    memset(result, 0, sizeof *result);
    v->io = io;
    v->open_path = open_path;
    v->result = result;
    v->coder = codec_open();
    td_buf_init(&v->records, LIMIT_CHUNK_BYTES);
    td_buf_init(&v->end, SIZE_MAX);
    mcap_summary_init(&v->summary);
    return v;
}

static void close_recovery(recovery *v)
{
    mcap_source_fini(&v->source);
    td_io_close(v->file);
    codec_close(v->coder);
    mcap_summary_fini(&v->summary);
    td_buf_fini(&v->records);
    td_buf_fini(&v->end);
    td_free(v);
}

td_result recover_has_durable(td_io io, const char *open_path, int *has_durable, td_err *err)
{
    recover_result *result = td_alloc(sizeof *result);
    recovery *v = open_recovery(io, open_path, result);
    td_result rc = td_io_open(io, open_path, TD_OPEN_READ, &v->file, err);
    if (rc == TD_OK)
        rc = mcap_source_init(&v->source, v->file, err);
    if (rc == TD_OK)
        rc = find_sound_block(v, err);
    *has_durable = result->damaged_blocks > 0;
    close_recovery(v);
    td_free(result);
    return rc;
}

int recover_is_empty(td_io io, const char *open_path, td_result opened)
{
    int has_durable = 1;
    return (opened == TD_E_TRUNCATED || opened == TD_E_CORRUPT) &&
           segment_has_open_name(open_path) &&
           recover_has_durable(io, open_path, &has_durable, NULL) == TD_OK && !has_durable;
}

typedef td_result recover_run(recovery *v, td_err *err);

static td_result recover_file(td_io io, const char *open_path, const char *torn_dir,
                              recover_run *run_it, recover_result *out, td_err *err)
{
    recovery *v = open_recovery(io, open_path, out);
    v->torn_dir = torn_dir;
    td_result rc = TD_OK;
    if (!segment_has_open_name(open_path) || strlen(open_path) >= LIMIT_PATH_BYTES)
        rc = td_err_set(err, TD_E_INVALID, "not the name of an unfinished segment");
    if (rc == TD_OK) {
        segment_final_path(open_path, v->result->path);
        rc = run_it(v, err);
    }
    close_recovery(v);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "recovering %s", open_path);
}

td_result recover_segment(td_io io, const char *open_path, const char *torn_dir,
                          recover_result *out, td_err *err)
{
    return recover_file(io, open_path, torn_dir, run, out, err);
}

td_result recover_quarantine_copy(td_io io, const char *open_path, const char *torn_dir,
                                  recover_result *out, td_err *err)
{
    return recover_file(io, open_path, torn_dir, run_copy, out, err);
}
