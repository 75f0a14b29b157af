#include <string.h>

#include "base/assert.h"
#include "format/catalog.h"
#include "format/ledger.h"
#include "format/reindex.h"
#include "format/segment_index.h"
#include "format/verify_impl.h"

/* The catalog is derived, so nothing in it is ever damage: reindex makes it anew. */

static int same_channel(const index_channel *a, const index_channel *b)
{
    return a->id == b->id && a->message_count == b->message_count && a->first_ns == b->first_ns &&
           a->last_ns == b->last_ns && channel_info_compare(&a->info, &b->info) == 0 &&
           strcmp(a->info.exchange_topic, b->info.exchange_topic) == 0 &&
           strcmp(a->info.family, b->info.family) == 0;
}

static int same_chunk(const segment_index *a, const segment_index *b, size_t i)
{
    const index_chunk *left = &a->chunks[i];
    const index_chunk *right = &b->chunks[i];
    return left->number == right->number && left->offset == right->offset &&
           left->chunk_bytes == right->chunk_bytes && left->index_bytes == right->index_bytes &&
           left->uncompressed_bytes == right->uncompressed_bytes &&
           left->first_ns == right->first_ns && left->last_ns == right->last_ns &&
           left->message_count == right->message_count &&
           left->bitmap_bytes == right->bitmap_bytes &&
           (left->bitmap_bytes == 0 ||
            memcmp(a->bitmaps + left->bitmap_offset, b->bitmaps + right->bitmap_offset,
                   left->bitmap_bytes) == 0);
}

/* What differs first, or NULL. */
static const char *find_difference(const segment_index *disk, const segment_index *row)
{
    if (strcmp(disk->session, row->session) != 0 || strcmp(disk->feed, row->feed) != 0 ||
        strcmp(disk->family, row->family) != 0 || disk->session_start_ns != row->session_start_ns ||
        disk->number != row->number || strcmp(disk->previous_segment, row->previous_segment) != 0)
        return "who made it";
    if (disk->file_bytes != row->file_bytes || strcmp(disk->chain_hex, row->chain_hex) != 0)
        return "its size or last chain value";
    if (disk->message_count != row->message_count || disk->first_ns != row->first_ns ||
        disk->last_ns != row->last_ns)
        return "its count or times of messages";
    if (disk->channel_count != row->channel_count || disk->chunk_count != row->chunk_count)
        return "its number of channels or chunks";
    for (size_t i = 0; i < disk->channel_count; i++) {
        if (!same_channel(&disk->channels[i], &row->channels[i]))
            return "a channel";
    }
    for (size_t i = 0; i < disk->chunk_count; i++) {
        if (!same_chunk(disk, row, i))
            return "a chunk";
    }
    return NULL;
}

static void without_open(const archive_segment *segment, char out[LIMIT_PATH_BYTES])
{
    size_t length = strlen(segment->path);
    size_t suffix = segment->name.is_open ? strlen(".open") : 0;
    TD_ASSERT(length >= suffix);
    TD_ASSERT(length < LIMIT_PATH_BYTES);
    memcpy(out, segment->path, length - suffix);
    out[length - suffix] = '\0';
}

static td_result compare_segment(verification *v, catalog *c, const checked_segment *segment,
                                 td_err *err)
{
    const catalog_chunk_filter all = {.part = CATALOG_CHANNELS_AND_CHUNKS, .to_ns = UINT64_MAX};
    char path[LIMIT_PATH_BYTES];
    segment_index disk = {0};
    segment_index row = {0};
    td_err cause;
    td_err_clear(&cause);
    without_open(segment->listed, path);
    td_result rc = segment_index_read(v->archive, segment->listed->path, INDEX_FULL, &disk, &cause);
    if (rc == TD_OK && disk.chunk_count > 0) {
        rc = catalog_load_segment(c, path, &all, &row, &cause);
        const char *difference = rc == TD_OK ? find_difference(&disk, &row) : NULL;
        if (difference != NULL)
            findings_add(&v->findings, VERIFY_RECOVERABLE, segment->listed->path, 0,
                         "the catalog has %s differently", difference);
    }
    segment_index_fini(&disk);
    segment_index_fini(&row);
    if (rc == TD_E_NOMEM)
        return td_err_set(err, rc, "%s", cause.text);
    if (rc != TD_OK)
        findings_add(&v->findings, VERIFY_RECOVERABLE, segment->listed->path, 0,
                     "cannot be compared with the catalog: %s", cause.text);
    return TD_OK;
}

static int same_gap(const gap_row *a, const gap_row *b)
{
    return gap_row_compare(a, b) == 0 && a->to_ns == b->to_ns && a->frames_lost == b->frames_lost &&
           strcmp(a->covered_by, b->covered_by) == 0 && strcmp(a->cause, b->cause) == 0 &&
           strcmp(a->detail, b->detail) == 0;
}

static td_result compare_gaps(verification *v, catalog *c, td_err *err)
{
    gap_list rows = {0};
    gap_list told = {0};
    if (v->options->gaps == NULL)
        return TD_OK;
    td_result rc = catalog_each_gap(c, gap_list_emit, &rows, err);
    if (rc == TD_OK)
        rc = archive_gaps_from_segments(v->archive, v->options->gaps, &told, err);
    int is_same = rc == TD_OK && rows.count == told.count;
    for (size_t i = 0; is_same && i < rows.count; i++)
        is_same = same_gap(&rows.rows[i], &told.rows[i]);
    if (rc == TD_OK && !is_same)
        findings_add(&v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0,
                     "has %zu gaps, journal and segments tell of %zu, or they differ", rows.count,
                     told.count);
    gap_list_fini(&rows);
    gap_list_fini(&told);
    return rc;
}

static td_result compare_all(verification *v, td_err *err)
{
    catalog *c = NULL;
    td_result rc = catalog_open(archive_catalog_path(v->archive), CATALOG_READ, &c, err);
    for (size_t i = 0; i < v->segment_count && rc == TD_OK; i++) {
        if (v->segments[i].rc == TD_OK)
            rc = compare_segment(v, c, &v->segments[i], err);
    }
    if (rc == TD_OK)
        rc = compare_gaps(v, c, err);
    catalog_close(c);
    return rc;
}

td_result verify_catalog(verification *v, td_err *err)
{
    char what[CATALOG_WHAT_BYTES];
    if (archive_is_single_file(v->archive))
        return TD_OK;
    td_result rc = archive_check_catalog(v->archive, what, err);
    if (rc != TD_OK)
        return rc;
    /* While somebody appends, the disk is ahead of the catalog at any moment. */
    if (what[0] != '\0') {
        findings_add(&v->findings, v->live[0] == '\0' ? VERIFY_RECOVERABLE : VERIFY_SOUND,
                     "catalog.sqlite", 0, "is not as the archive is: %s", what);
        return TD_OK;
    }
    if (v->live[0] != '\0')
        return TD_OK;
    td_err cause;
    td_err_clear(&cause);
    rc = compare_all(v, &cause);
    if (rc == TD_E_NOMEM)
        return td_err_set(err, rc, "%s", cause.text);
    if (rc != TD_OK)
        findings_add(&v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0, "%s", cause.text);
    return TD_OK;
}
