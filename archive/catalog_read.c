#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/catalog_impl.h"

/* Values come from a file that any program may have written: numbers are bounded and text is cut by
 * what they are copied into; more rows than a segment can have are an error. */

enum {
    MCAP_CHANNELS_MAX = 1 << 16, /* ids have 16 bits */
    BITMAP_BYTES_MAX = MCAP_CHANNELS_MAX / 8,
    CHUNKS_MAX = 1 << 20, /* far beyond LIMIT_SEGMENT_CHUNKS: a file merged by other programs */
};

static td_result get_meta(catalog *c, const char *key, uint64_t *value, td_err *err)
{
    int64_t number = 0;
    database_query query = database_query_begin(c->db, STATEMENT_GET_META);
    database_bind_text(&query, key);
    td_result rc = database_query_number(&query, &number, err);
    *value = number < 0 ? 0 : (uint64_t)number;
    return rc == TD_EOF ? TD_OK : rc;
}

td_result catalog_get_state(catalog *c, chain_place *in_journal, int *is_behind, td_err *err)
{
    uint64_t behind = 0;
    td_result rc = get_meta(c, "journal_bytes", &in_journal->bytes, err);
    if (rc == TD_OK)
        rc = get_meta(c, "journal_mark", &in_journal->mark, err);
    if (rc == TD_OK)
        rc = get_meta(c, "behind", &behind, err);
    *is_behind = behind != 0;
    return rc;
}

/* ---- loading a segment ---- */

/* Columns of a channel begin at column first. The strings are valid until the next row. 0 if a
 * value is none that was ever written. */
static int read_channel(const database_query *query, int first, channel_info *out)
{
    *out = (channel_info){
        .feed = database_column_text(query, first),
        .family = database_column_text(query, first + 1),
        .line = (uint32_t)database_column_u64(query, first + 2),
        .shard = (uint32_t)database_column_u64(query, first + 3),
        .topic = database_column_text(query, first + 5),
        .exchange_topic = database_column_text(query, first + 6),
        .symbol = database_column_text(query, first + 7),
        .opcode =
            database_column_u64(query, first + 8) == OPCODE_BINARY ? OPCODE_BINARY : OPCODE_TEXT,
        .message_encoding = database_column_text(query, first + 9),
        .schema_name = database_column_text(query, first + 10),
    };
    uint64_t opcode = database_column_u64(query, first + 8);
    return channel_dir_parse(td_bytes_str(database_column_text(query, first + 4)), &out->dir) &&
           (opcode == OPCODE_TEXT || opcode == OPCODE_BINARY) &&
           database_column_u64(query, first + 2) <= UINT32_MAX &&
           database_column_u64(query, first + 3) <= UINT32_MAX;
}

static td_result too_many(const char *what, const char *path, td_err *err)
{
    return td_err_set(err, TD_E_CORRUPT, "catalog: segment %s: more %s than a segment can have",
                      path, what);
}

/* 0 if it had to be cut: then it is none that was written. */
static int copy_text(char *out, size_t out_bytes, const char *text)
{
    int length = snprintf(out, out_bytes, "%s", text);
    return length >= 0 && (size_t)length < out_bytes;
}

/* A segment's row besides what segment_index has of it. */
typedef struct segment_row {
    int64_t id;
    uint64_t chunk_count;
    segment_checksums sums;
    uint8_t is_exact; /* 1: each value is as it stands there */
} segment_row;

/* The present row of a statement that begins with the id and SEGMENT_COLUMNS. */
static td_result read_segment_row(const database_query *query, segment_row *row, segment_index *out,
                                  td_err *err)
{
    TD_ASSERT(out->path == NULL);
    row->id = database_column_i64(query, 0);
    out->path = td_strdup(database_column_text(query, 1));
    out->is_open = database_column_u64(query, 2) != 0;
    row->is_exact =
        copy_text(out->session, sizeof out->session, database_column_text(query, 3)) &&
        copy_text(out->feed, sizeof out->feed, database_column_text(query, 5)) &&
        copy_text(out->family, sizeof out->family, database_column_text(query, 6)) &&
        copy_text(out->verb, sizeof out->verb, database_column_text(query, 7)) &&
        copy_text(out->version, sizeof out->version, database_column_text(query, 8)) &&
        copy_text(out->chain_hex, sizeof out->chain_hex, database_column_text(query, 11)) &&
        database_column_u64(query, 9) <= UINT32_MAX;
    out->session_start_ns = database_column_u64(query, 4);
    out->number = (uint32_t)database_column_u64(query, 9);
    out->previous_segment = td_strdup(database_column_text(query, 10));
    out->file_bytes = database_column_u64(query, 12);
    out->message_count = database_column_u64(query, 13);
    row->chunk_count = database_column_u64(query, 14);
    out->first_ns = database_column_u64(query, 15);
    out->last_ns = database_column_u64(query, 16);
    row->sums = (segment_checksums){
        .row = (uint64_t)database_column_i64(query, 17),
        .channels = (uint64_t)database_column_i64(query, 18),
        .chunks = (uint64_t)database_column_i64(query, 19),
        .gaps = (uint64_t)database_column_i64(query, 20),
    };
    if (out->path == NULL || out->previous_segment == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a segment of the catalog");
    return TD_OK;
}

/* 1 if the row of a finished segment is as it was written. An open one has no checksum yet. */
static int is_intact(const segment_row *row, const segment_index *index)
{
    return !index->is_open && row->is_exact &&
           row->sums.row == checksum_segment(index->path, index, row->chunk_count);
}

static td_result check_sum(const segment_index *index, uint64_t sum, uint64_t wanted,
                           const char *what, td_err *err)
{
    if (index->is_open || sum == wanted)
        return TD_OK;
    return td_err_set(err, TD_E_CORRUPT,
                      "catalog: segment %s: its %s rows do not match their checksum: they were "
                      "changed after they were written",
                      index->path, what);
}

static td_result list_segment(const database_query *query, known_segments *out, td_err *err)
{
    segment_row row;
    segment_index index = {0};
    catalog_segment *grown = td_array_grow(out->rows, out->count, sizeof *grown);
    if (grown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu segments", out->count + 1);
    out->rows = grown;
    td_result rc = read_segment_row(query, &row, &index, err);
    if (rc == TD_OK) {
        grown[out->count++] = (catalog_segment){
            .path = index.path,
            .is_open = index.is_open,
            .is_intact = is_intact(&row, &index) != 0,
            .file_bytes = index.file_bytes,
            .first_ns = index.first_ns,
            .last_ns = index.last_ns,
        };
        index.path = NULL; /* the list owns it */
    }
    segment_index_fini(&index);
    return rc;
}

td_result known_segments_load(catalog *c, known_segments *out, td_err *err)
{
    *out = (known_segments){0};
    database_query query = database_query_begin(c->db, STATEMENT_EACH_SEGMENT);
    td_result rc = TD_OK;
    while (rc == TD_OK && (rc = database_query_next(&query, err)) == TD_OK)
        rc = list_segment(&query, out, err);
    return database_query_end(&query, rc);
}

td_result catalog_count_segments(catalog *c, uint64_t *count, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_COUNT_SEGMENTS);
    td_result rc = database_query_next(&query, err);
    *count = rc == TD_OK ? database_column_u64(&query, 0) : 0;
    return database_query_end(&query, rc);
}

void known_segments_fini(known_segments *known)
{
    for (size_t i = 0; i < known->count; i++)
        td_free(known->rows[i].path);
    td_free(known->rows);
    *known = (known_segments){0};
}

static td_result load_row(catalog *c, const char *path, segment_row *row, segment_index *out,
                          td_err *err)
{
    char name[LIMIT_PATH_BYTES];
    segment_final_path(path, name);
    database_query query = database_query_begin(c->db, STATEMENT_LOAD_SEGMENT);
    database_bind_text(&query, name);
    td_result rc = database_query_next(&query, err);
    if (rc == TD_EOF)
        rc = td_err_set(err, TD_E_NOTFOUND, "segment %s is not in the catalog", name);
    else if (rc == TD_OK)
        rc = read_segment_row(&query, row, out, err);
    (void)database_query_end(&query, rc);
    if (rc == TD_OK && !out->is_open && !is_intact(row, out))
        rc = check_sum(out, 0, 1, "own", err);
    return rc;
}

static td_result load_channel(const database_query *query, uint64_t *sum, segment_index *out,
                              td_err *err)
{
    segment_channel row = {
        .id = (uint16_t)database_column_u64(query, 0),
        .message_count = database_column_u64(query, 1),
        .first_ns = database_column_u64(query, 2),
        .last_ns = database_column_u64(query, 3),
    };
    int is_valid = read_channel(query, 4, &row.info);
    *sum += is_valid ? checksum_channel(&row) : 1;
    if (database_column_u64(query, 0) >= MCAP_CHANNELS_MAX)
        return too_many("channels", out->path, err);
    TD_ASSERT(out->channels != NULL || out->channel_count == 0);
    if (out->channel_count > 0 && out->channels[out->channel_count - 1].id >= row.id)
        return td_err_set(err, TD_E_CORRUPT, "catalog: segment %s: its channels are out of order",
                          out->path);
    segment_index_add_channel(out, &row);
    return TD_OK;
}

static td_result load_chunk(const database_query *query, uint64_t *sum, segment_index *out,
                            td_err *err)
{
    td_bytes bitmap = database_column_blob(query, 8);
    if (bitmap.size > BITMAP_BYTES_MAX || out->chunk_count >= CHUNKS_MAX)
        return too_many("chunks or channels", out->path, err);
    segment_chunk row = {
        .offset = database_column_u64(query, 1),
        .chunk_bytes = database_column_u64(query, 2),
        .index_bytes = database_column_u64(query, 3),
        .uncompressed_bytes = database_column_u64(query, 4),
        .first_ns = database_column_u64(query, 5),
        .last_ns = database_column_u64(query, 6),
        .message_count = database_column_u64(query, 7),
        .bitmap_bytes = (uint32_t)bitmap.size,
        .has_channels = 1,
    };
    if (database_column_u64(query, 0) != out->chunk_count)
        return td_err_set(err, TD_E_CORRUPT, "catalog: segment %s: its chunks are not all there",
                          out->path);
    *sum += checksum_chunk(out->chunk_count, &row, bitmap.data);
    return segment_index_add_chunk(out, &row, bitmap, err);
}

/* Add one row to the index, and its checksum to the sum. */
typedef td_result load_fn(const database_query *query, uint64_t *sum, segment_index *out,
                          td_err *err);

/* Load the rows of a segment in another table, and compare their checksum with the segment's. */
static td_result load_rows(catalog *c, catalog_statement which, const segment_row *segment,
                           segment_index *out, td_err *err)
{
    int is_channels = which == STATEMENT_LOAD_CHANNELS;
    TD_ASSERT(is_channels ? out->channels == NULL : out->chunks == NULL);
    load_fn *load = is_channels ? load_channel : load_chunk;
    uint64_t sum = checksum_begin(out->path);
    database_query query = database_query_begin(c->db, which);
    database_bind_i64(&query, segment->id);
    td_result rc = TD_OK;
    while (rc == TD_OK && (rc = database_query_next(&query, err)) == TD_OK)
        rc = load(&query, &sum, out, err);
    rc = database_query_end(&query, rc);
    if (rc != TD_OK)
        return rc;
    return is_channels ? check_sum(out, sum, segment->sums.channels, "channel", err)
                       : check_sum(out, sum, segment->sums.chunks, "chunk", err);
}

static td_result check_undisturbed(const catalog *c, td_err *err)
{
    if (!database_is_disturbed(c->db))
        return TD_OK;
    return td_err_set(err, TD_E_BUSY, "catalog '%s': a writer began to use it",
                      database_path(c->db));
}

td_result catalog_load_segment(catalog *c, const char *path, catalog_part part, segment_index *out,
                               td_err *err)
{
    TD_ASSERT(path != NULL);
    TD_ASSERT(part <= CATALOG_CHANNELS_AND_CHUNKS);
    segment_row row = {0};
    *out = (segment_index){.depth = INDEX_FULL};
    td_result rc = load_row(c, path, &row, out, err);
    if (rc == TD_OK)
        rc = load_rows(c, STATEMENT_LOAD_CHANNELS, &row, out, err);
    if (rc == TD_OK && part == CATALOG_CHANNELS_AND_CHUNKS)
        rc = load_rows(c, STATEMENT_LOAD_CHUNKS, &row, out, err);
    if (rc == TD_OK)
        rc = check_undisturbed(c, err);
    if (rc != TD_OK)
        segment_index_fini(out);
    return rc;
}

/* ---- gaps ---- */

td_result catalog_read_gap(const database_query *query, gap_row *out, td_err *err)
{
    int64_t lost = database_column_i64(query, 10);
    const char *reason = database_column_text(query, 7);
    *out = (gap_row){
        .feed = database_column_text(query, 0),
        .from_ns = database_column_u64(query, 1),
        .line = (uint32_t)database_column_u64(query, 2),
        .shard = (uint32_t)database_column_u64(query, 3),
        .conn = (uint32_t)database_column_u64(query, 4),
        .topic = database_column_text(query, 5),
        .symbol = database_column_text(query, 6),
        .to_ns = database_column_u64(query, 9),
        .frames_lost = lost < 0 ? GAP_FRAMES_UNKNOWN : (uint64_t)lost,
        .covered_by = database_column_text(query, 11),
        .cause = database_column_text(query, 12),
        .detail = database_column_text(query, 13),
    };
    if (!gap_reason_parse(td_bytes_str(reason), &out->reason))
        return td_err_set(err, TD_E_CORRUPT, "catalog: gap of unknown reason '%.40s'", reason);
    return TD_OK;
}

td_result catalog_read_gaps(catalog *c, const char *path, gap_list *list, uint64_t *sum,
                            td_err *err)
{
    *sum = checksum_begin(path);
    database_query query = database_query_begin(c->db, STATEMENT_LOAD_GAPS);
    database_bind_text(&query, path);
    td_result rc = TD_OK;
    while (rc == TD_OK && (rc = database_query_next(&query, err)) == TD_OK) {
        gap_row row;
        rc = catalog_read_gap(&query, &row, err);
        if (rc == TD_OK)
            *sum += checksum_gap(&row);
        if (rc == TD_OK && list != NULL)
            gap_list_add(list, &row);
    }
    return database_query_end(&query, rc);
}

td_result catalog_load_gaps(catalog *c, const char *path, gap_list *out, td_err *err)
{
    segment_row row = {0};
    segment_index index = {0};
    uint64_t sum = 0;
    *out = (gap_list){0};
    td_result rc = load_row(c, path, &row, &index, err);
    if (rc == TD_OK)
        rc = catalog_read_gaps(c, index.path, out, &sum, err);
    if (rc == TD_OK)
        rc = check_sum(&index, sum, row.sums.gaps, "gap", err);
    if (rc == TD_OK)
        rc = check_undisturbed(c, err);
    segment_index_fini(&index);
    if (rc != TD_OK)
        gap_list_fini(out);
    return rc;
}
