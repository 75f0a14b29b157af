#include "archive/feed_segments.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "archive/event.h"
#include "archive/lost_data.h"
#include "format/segment_writer.h"

typedef enum feed_stage {
    STAGE_NONE,     /* no segment */
    STAGE_MADE,     /* its file exists, but is not in the journal */
    STAGE_WRITING,  /* accepts chunks */
    STAGE_FINISHED, /* renamed, but not in the journal */
    STAGE_DEAD,
} feed_stage;

struct feed_segments {
    writer_origin origin;
    char *name;
    char *family;
    const document_set *documents;
    feed_stage stage;
    segment_writer *writer;
    uint32_t number;                  /* of the segment, as the chunk builder counts */
    char path[LIMIT_PATH_BYTES];      /* below the archive, without ".open" */
    char disk_path[LIMIT_PATH_BYTES]; /* the same path with the name on disk, which has ".open"
                                         until the segment is finished */
    feed_link link;                   /* the previous segment */
    segment_totals totals;            /* of the finished segment */
    uint64_t finished_bytes;          /* size of the segments that this session has finished */
    segment_written last;             /* the last chunk */
    segment_rows rows;                /* of the current or just finished segment */
    event_reader *events;
    uint8_t is_private; /* only the owner may read segments */
};

void feed_segments_make_private(feed_segments *feed)
{
    feed->is_private = 1;
}

feed_segments *feed_segments_open(const writer_origin *origin, const char *feed, const char *family,
                                  const document_set *documents, const feed_link *link)
{
    feed_segments *made = td_alloc_zero(1, sizeof *made);
    made->origin = *origin;
    made->link = *link;
    made->name = td_strdup(feed);
    made->family = td_strdup(family);
    made->documents = documents;
    made->events = event_reader_open();
    return made;
}

void feed_segments_close(feed_segments *f)
{
    if (f == NULL)
        return;
    segment_writer_close(f->writer);
    segment_rows_fini(&f->rows);
    event_reader_close(f->events);
    td_free(f->name);
    td_free(f->family);
    td_free(f);
}

/* Mark the feed as dead after a failure, unless the disk is full. A full disk leaves the file
 * unchanged; after any other failure the state of the file is unknown. */
static td_result dead_unless_full(feed_segments *f, td_result rc)
{
    if (rc != TD_OK && rc != TD_E_NOSPACE)
        f->stage = STAGE_DEAD;
    return rc;
}

static td_result check_alive(const feed_segments *f, td_err *err)
{
    if (f->stage != STAGE_DEAD)
        return TD_OK;
    return td_err_set(err, TD_E_IO, "feed '%s': writing failed before", f->name);
}

/* ---- segments that another program removed or changed ---- */

/* Journal an act on the segment. totals: of a finished segment, else NULL. */
static td_result journal_act(const feed_segments *f, const char *act, const segment_totals *totals,
                             td_err *err)
{
    const journal_segment segment = {f->path, f->name, archive_session(f->origin.archive), totals};
    return journal_append_segment(f->origin.journal, act, &segment, NULL, 0, err);
}

/* Write a gap from the segment's first frame on; the next session ends it. */
static td_result open_gap(const feed_segments *f, const chain_conn *conn, uint64_t from_ns)
{
    const gap_row row = lost_data_changed(f->name, f->path, conn, from_ns);
    return journal_append_gap(f->origin.journal, &row, NULL);
}

/* Another program removed or changed the segment, so durable frames may be lost. Write that into
 * the journal, with a gap for each slot of the chunk. The chunk itself was not announced as
 * durable, so `chunks` does not count it. */
static void journal_lost(const feed_segments *f, const sealed_chunk *chunk)
{
    segment_totals totals = segment_writer_totals(f->writer);
    const chain_conn no_slot = {0};
    char number[24];
    TD_ASSERT(totals.chunk_count > 0 && totals.first_ns != 0);
    const journal_segment segment = {f->path, f->name, archive_session(f->origin.archive), NULL};
    const journal_field durable = journal_u64("chunks", totals.chunk_count - 1, number);
    td_result rc =
        journal_append_segment(f->origin.journal, JOURNAL_CORRUPT, &segment, &durable, 1, NULL);
    for (uint32_t i = 0; i < chunk->conn_count && rc == TD_OK; i++)
        rc = open_gap(f, &chunk->conns[i], totals.first_ns);
    if (rc == TD_OK && chunk->conn_count == 0)
        rc = open_gap(f, &no_slot, totals.first_ns);
    if (rc != TD_OK)
        td_log_emit(archive_log(f->origin.archive), TD_LOG_WARNING,
                    "%s: cannot record its loss in the journal: %s", f->disk_path,
                    td_result_name(rc));
}

/* ---- the end of a segment ---- */

uint64_t feed_segments_file_bytes(const feed_segments *feed)
{
    uint64_t open_bytes = feed->writer == NULL ? 0 : segment_writer_totals(feed->writer).file_bytes;
    return feed->finished_bytes + open_bytes;
}

/* Remove the file of a segment that has no chunk and is not in the journal. */
static td_result discard_file(feed_segments *f, td_err *err)
{
    char full[LIMIT_PATH_BYTES];
    segment_writer_close(f->writer);
    f->writer = NULL;
    f->stage = STAGE_NONE;
    td_result rc = archive_join(f->origin.archive, f->disk_path, full, err);
    f->disk_path[0] = '\0';
    return rc == TD_OK ? td_io_unlink(archive_io(f->origin.archive), full, err) : rc;
}

td_result feed_segments_finish(feed_segments *f, td_err *err)
{
    td_result rc = check_alive(f, err);
    if (rc != TD_OK || f->stage == STAGE_NONE)
        return rc;
    if (f->stage == STAGE_MADE)
        return discard_file(f, err);
    if (f->stage == STAGE_WRITING) {
        rc = segment_writer_finish(f->writer, &f->totals, err);
        if (rc != TD_OK)
            return dead_unless_full(f, td_err_add(err, rc, "finishing segment %s", f->disk_path));
        segment_writer_close(f->writer);
        f->writer = NULL;
        f->stage = STAGE_FINISHED;
        (void)snprintf(f->disk_path, sizeof f->disk_path, "%s", f->path);
        f->finished_bytes += f->totals.file_bytes;
        /* The next segment's link, and the rows for the catalog. */
        f->link = (feed_link){.chain = f->totals.chain};
        (void)snprintf(f->link.segment, sizeof f->link.segment, "%s", segment_file_name(f->path));
        f->rows.index.is_open = 0;
        f->rows.index.file_bytes = f->totals.file_bytes;
        td_hash128_hex(f->totals.chain, f->rows.index.chain_hex);
    }
    TD_ASSERT(f->stage == STAGE_FINISHED);
    rc = dead_unless_full(f, journal_act(f, JOURNAL_SEGMENT_FINISHED, &f->totals, err));
    if (rc == TD_OK)
        f->stage = STAGE_NONE;
    return rc;
}

int feed_segments_ends_before(const feed_segments *f, const sealed_chunk *chunk)
{
    int has_one = f->stage == STAGE_WRITING || f->stage == STAGE_FINISHED;
    return has_one && f->number != chunk->segment_number;
}

/* ---- the beginning of a segment ---- */

static void begin_index(feed_segments *f)
{
    segment_rows_fini(&f->rows);
    f->rows.index = (segment_index){
        .is_open = 1,
        .depth = INDEX_FULL,
        .session_start_ns = f->origin.start_ns,
        .number = f->number,
        .path = td_strdup(f->path),
        .previous_segment = td_strdup(f->link.segment),
    };
    segment_index *index = &f->rows.index;
    (void)snprintf(index->session, sizeof index->session, "%s", archive_session(f->origin.archive));
    (void)snprintf(index->feed, sizeof index->feed, "%s", f->name);
    (void)snprintf(index->family, sizeof index->family, "%s", f->family);
    (void)snprintf(index->verb, sizeof index->verb, "%s", archive_verb(f->origin.archive));
    (void)snprintf(index->version, sizeof index->version, "%s", f->origin.version);
}

/* If this fails, only segment names are visible, because the files are private. */
static void make_folder_private(archive *a, const char *folder)
{
    char full[LIMIT_PATH_BYTES];
    td_err err;
    td_result rc = archive_join(a, folder, full, &err);
    if (rc == TD_OK)
        rc = td_io_make_private(archive_io(a), full, &err);
    if (rc != TD_OK)
        td_log_emit(archive_log(a), TD_LOG_WARNING,
                    "the folder is not private, so others see names of segments: %s", err.text);
}

enum { FOLDER_TRIES_MAX = 10 };

static td_result make_file(feed_segments *f, const sealed_chunk *chunk, td_err *err)
{
    archive *a = f->origin.archive;
    char full[LIMIT_PATH_BYTES];
    f->number = chunk->segment_number;
    segment_name_format(f->name, archive_session(a), chunk->segment_first_ns, f->number, f->path);
    segment_open_path(f->path, f->disk_path);
    td_result rc = archive_join(a, f->path, full, err);
    if (rc != TD_OK)
        return rc;
    const segment_session session = {
        .session = archive_session(a),
        .start_ns = f->origin.start_ns,
        .feed = f->name,
        .family = f->family,
        .previous_segment = f->link.segment,
        .previous_chain = f->link.chain,
        .verb = archive_verb(a),
        .version = f->origin.version,
        .is_private = f->is_private,
        .documents = f->documents,
    };
    /* A prune may remove the folder while it is empty. */
    char *slash = strrchr(f->path, '/');
    TD_ASSERT(slash != NULL);
    for (unsigned i = 0; i < FOLDER_TRIES_MAX; i++) {
        td_err_clear(err);
        *slash = '\0';
        rc = td_io_mkdir_below(archive_io(a), archive_path(a), f->path, err);
        if (rc == TD_OK && f->is_private)
            make_folder_private(a, f->path);
        *slash = '/';
        if (rc == TD_OK)
            rc = segment_writer_open(archive_io(a), full, &session, &f->writer, err);
        if (rc != TD_E_NOTFOUND)
            break;
    }
    return rc;
}

/* The file is on disk before the segment is in the journal. So if a segment is in the journal but
 * not on disk, it is always a loss. */
static td_result begin_segment(feed_segments *f, const sealed_chunk *chunk, td_err *err)
{
    td_result rc = TD_OK;
    if (f->stage == STAGE_NONE) {
        TD_ASSERT(chunk->starts_segment);
        rc = make_file(f, chunk, err);
        if (rc != TD_OK) {
            f->disk_path[0] = '\0';
            return dead_unless_full(f, rc);
        }
        f->stage = STAGE_MADE;
        begin_index(f);
    }
    rc = journal_act(f, JOURNAL_SEGMENT_OPENED, NULL, err);
    if (rc == TD_OK)
        f->stage = STAGE_WRITING;
    return dead_unless_full(f, rc);
}

/* ---- chunks ---- */

td_result feed_segments_put(feed_segments *f, sealed_chunk *chunk, td_err *err)
{
    td_result rc = check_alive(f, err);
    if (rc == TD_OK && f->stage != STAGE_WRITING)
        rc = begin_segment(f, chunk, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "feed '%s'", f->name);
    TD_ASSERT(f->number == chunk->segment_number);
    rc = segment_writer_append(f->writer, chunk, &f->last, err);
    if (rc != TD_OK)
        return dead_unless_full(f, td_err_add(err, rc, "segment %s", f->disk_path));
    rc = f->origin.sync == SYNC_CHUNKS ? segment_writer_sync(f->writer, err)
                                       : segment_writer_check_place(f->writer, err);
    if (rc == TD_OK)
        rc = journal_check_place(f->origin.journal, err);
    else if (rc == TD_E_NOTFOUND)
        journal_lost(f, chunk);
    if (rc == TD_OK)
        return TD_OK;
    /* A disk that is full only at the sync is fatal, too: trying again may not help, because dirty
     * pages may be gone. */
    f->stage = STAGE_DEAD;
    (void)td_err_add(err, rc, "feed '%s'", f->name);
    if (err != NULL)
        err->code = TD_E_IO;
    return TD_E_IO;
}

void feed_segments_add_rows(feed_segments *f, const sealed_chunk *chunk)
{
    segment_index *index = &f->rows.index;
    td_buf bitmap;
    td_buf_init(&bitmap, (1 << 16) / 8);
    sealed_chunk_bitmap(chunk, &bitmap);
    for (uint32_t i = 0; i < chunk->new_channel_count; i++)
        segment_index_add_channel(index, &chunk->new_channels[i]);
    segment_index_count(index, chunk->channels, chunk->channel_count);
    td_result rc = segment_index_add_chunk(index, &f->last.chunk, td_buf_view(&bitmap), NULL);
    TD_ASSERT(rc == TD_OK); /* the numbers of chunks and channels of a segment are limited */
    if (f->last.checkpoint.bytes > 0)
        segment_index_add_checkpoint(index, &f->last.checkpoint);
    td_buf_fini(&bitmap);
    segment_totals totals = segment_writer_totals(f->writer);
    index->file_bytes = totals.file_bytes;
    index->message_count = totals.message_count;
    index->first_ns = totals.first_ns;
    index->last_ns = totals.last_ns;
    td_hash128_hex(totals.chain, index->chain_hex);
    TD_ASSERT(totals.chunk_count == index->chunk_count);
    segment_rows_add_chunk(&f->rows, f->events, chunk);
}

const segment_rows *feed_segments_rows(const feed_segments *f)
{
    return &f->rows;
}
