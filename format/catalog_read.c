#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "format/catalog_impl.h"

/* Values come from a file that anybody may have written: numbers are bounded and text is cut by
 * what they are copied into; more rows than a segment can have are an error. */

enum {
    MCAP_CHANNELS_MAX = 1 << 16, /* ids have 16 bits */
    BITMAP_BYTES_MAX = MCAP_CHANNELS_MAX / 8,
    CHUNKS_MAX = 1 << 20, /* far beyond LIMIT_SEGMENT_CHUNKS: a file merged by other programs */
};

static td_result get_meta(catalog *c, const char *key, uint64_t *value, td_err *err)
{
    catalog_query query;
    *value = 0;
    td_result rc = catalog_query_begin(c, STATEMENT_GET_META, &query, err);
    if (rc != TD_OK)
        return rc;
    catalog_bind_text(&query, key);
    rc = catalog_query_next(&query, err);
    if (rc == TD_EOF)
        return TD_OK;
    if (rc == TD_OK) {
        *value = catalog_column_u64(&query, 0);
        catalog_query_end(&query);
    }
    return rc;
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

/* ---- choosing segments ---- */

/* Columns of a channel begin at column first. The strings are valid until the next row. */
static void read_channel(const catalog_query *query, int first, channel_info *out)
{
    *out = (channel_info){
        .feed = catalog_column_text(query, first),
        .family = catalog_column_text(query, first + 1),
        .line = (uint32_t)catalog_column_u64(query, first + 2),
        .shard = (uint32_t)catalog_column_u64(query, first + 3),
        .topic = catalog_column_text(query, first + 5),
        .exchange_topic = catalog_column_text(query, first + 6),
        .symbol = catalog_column_text(query, first + 7),
        .opcode =
            catalog_column_u64(query, first + 8) == OPCODE_BINARY ? OPCODE_BINARY : OPCODE_TEXT,
        .message_encoding = catalog_column_text(query, first + 9),
        .schema_name = catalog_column_text(query, first + 10),
    };
    /* A direction that is none reads as in, the commonest; verify compares with the segment. */
    if (!channel_dir_parse(td_bytes_str(catalog_column_text(query, first + 4)), &out->dir))
        out->dir = CHANNEL_IN;
}

static td_result want_channel(catalog *c, uint64_t id, uint64_t from_ns, uint64_t to_ns,
                              td_err *err)
{
    catalog_query query;
    td_result rc = catalog_once_begin(
        c,
        "INSERT OR IGNORE INTO temp.wanted_segments SELECT segment_id FROM segment_channels "
        "WHERE channel_id = ?1 AND last_ns >= ?2 AND first_ns < ?3",
        &query, err);
    if (rc != TD_OK)
        return rc;
    catalog_bind_u64(&query, id);
    catalog_bind_u64(&query, from_ns);
    catalog_bind_u64(&query, to_ns);
    rc = catalog_query_run(&query, err);
    catalog_once_end(&query);
    return rc;
}

td_result catalog_want(catalog *c, int (*wants_channel)(void *user, const channel_info *info),
                       void *user, uint64_t from_ns, uint64_t to_ns, td_err *err)
{
    int sqlite_rc = sqlite3_exec(c->db, "DELETE FROM temp.wanted_segments", NULL, NULL, NULL);
    if (sqlite_rc != SQLITE_OK)
        return catalog_fail(c, sqlite_rc, "choosing segments", err);
    catalog_query query;
    td_result rc = catalog_once_begin(
        c,
        "SELECT id, feed, family, line, shard, dir, topic, exchange_topic, symbol, opcode, "
        "message_encoding, schema_name FROM channels",
        &query, err);
    while (rc == TD_OK) {
        rc = catalog_query_next(&query, err);
        if (rc != TD_OK)
            break;
        channel_info info;
        read_channel(&query, 1, &info);
        if (wants_channel == NULL || wants_channel(user, &info))
            rc = want_channel(c, catalog_column_u64(&query, 0), from_ns, to_ns, err);
    }
    catalog_once_end(&query);
    return rc == TD_EOF ? TD_OK : rc;
}

td_result catalog_each_segment(catalog *c, catalog_segment_fn *fn, void *user, td_err *err)
{
    catalog_query query;
    td_result rc = catalog_query_begin(c, STATEMENT_EACH_SEGMENT, &query, err);
    if (rc != TD_OK)
        return rc;
    while ((rc = catalog_query_next(&query, err)) == TD_OK) {
        catalog_segment segment = {
            .path = catalog_column_text(&query, 0),
            .is_open = catalog_column_u64(&query, 1) != 0,
            .file_bytes = catalog_column_u64(&query, 2),
            .first_ns = catalog_column_u64(&query, 3),
            .last_ns = catalog_column_u64(&query, 4),
            .has_wanted = catalog_column_u64(&query, 5) != 0,
        };
        rc = fn(user, &segment, err);
        if (rc != TD_OK) {
            catalog_query_end(&query);
            return rc;
        }
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* ---- loading a segment ---- */

static td_result too_many(const char *what, const char *path, td_err *err)
{
    return td_err_set(err, TD_E_CORRUPT, "catalog: segment %s: more %s than a segment can have",
                      path, what);
}

static void copy_text(char *out, size_t out_bytes, const char *text)
{
    (void)snprintf(out, out_bytes, "%s", text);
}

static td_result load_row(catalog *c, const char *path, int64_t *id, segment_index *out,
                          td_err *err)
{
    TD_ASSERT(out->path == NULL);
    catalog_query query;
    td_result rc = catalog_query_begin(c, STATEMENT_LOAD_SEGMENT, &query, err);
    if (rc != TD_OK)
        return rc;
    catalog_bind_text(&query, path);
    rc = catalog_query_next(&query, err);
    if (rc == TD_EOF)
        return td_err_set(err, TD_E_NOTFOUND, "segment %s is not in the catalog", path);
    if (rc != TD_OK)
        return rc;
    *id = sqlite3_column_int64(query.stmt, 0);
    out->path = td_strdup(catalog_column_text(&query, 1));
    out->is_open = catalog_column_u64(&query, 2) != 0;
    copy_text(out->session, sizeof out->session, catalog_column_text(&query, 3));
    out->session_start_ns = catalog_column_u64(&query, 4);
    copy_text(out->feed, sizeof out->feed, catalog_column_text(&query, 5));
    copy_text(out->family, sizeof out->family, catalog_column_text(&query, 6));
    copy_text(out->verb, sizeof out->verb, catalog_column_text(&query, 7));
    copy_text(out->version, sizeof out->version, catalog_column_text(&query, 8));
    out->number = (uint32_t)catalog_column_u64(&query, 9);
    out->previous_segment = td_strdup(catalog_column_text(&query, 10));
    copy_text(out->chain_hex, sizeof out->chain_hex, catalog_column_text(&query, 11));
    out->file_bytes = catalog_column_u64(&query, 12);
    out->message_count = catalog_column_u64(&query, 13);
    out->first_ns = catalog_column_u64(&query, 15);
    out->last_ns = catalog_column_u64(&query, 16);
    catalog_query_end(&query);
    if (out->path == NULL || out->previous_segment == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for segment %s", path);
    return TD_OK;
}

static td_result load_channels(catalog *c, int64_t id, segment_index *out, td_err *err)
{
    TD_ASSERT(out->channels == NULL);
    catalog_query query;
    size_t capacity = 0;
    td_result rc = catalog_query_begin(c, STATEMENT_LOAD_CHANNELS, &query, err);
    if (rc != TD_OK)
        return rc;
    catalog_bind_i64(&query, id);
    while ((rc = catalog_query_next(&query, err)) == TD_OK) {
        index_channel row = {
            .id = (uint16_t)catalog_column_u64(&query, 0),
            .message_count = catalog_column_u64(&query, 1),
            .first_ns = catalog_column_u64(&query, 2),
            .last_ns = catalog_column_u64(&query, 3),
        };
        read_channel(&query, 4, &row.info);
        if (catalog_column_u64(&query, 0) >= MCAP_CHANNELS_MAX)
            rc = too_many("channels", out->path, err);
        else if (out->channel_count > 0 && out->channels[out->channel_count - 1].id >= row.id)
            rc = td_err_set(err, TD_E_CORRUPT, "catalog: segment %s: its channels are out of order",
                            out->path);
        else
            rc = segment_index_add_channel(out, &capacity, &row, err);
        if (rc != TD_OK) {
            catalog_query_end(&query);
            return rc;
        }
    }
    return rc == TD_EOF ? TD_OK : rc;
}

static int has_common_bit(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    size_t shorter = a_bytes < b_bytes ? a_bytes : b_bytes;
    for (size_t i = 0; i < shorter; i++) {
        if ((a[i] & b[i]) != 0)
            return 1;
    }
    return 0;
}

static td_result load_chunk(const catalog_query *query, const catalog_chunk_filter *filter,
                            size_t *capacity, segment_index *out, td_err *err)
{
    int bytes = sqlite3_column_bytes(query->stmt, 8);
    const uint8_t *bitmap = sqlite3_column_blob(query->stmt, 8);
    if (bytes < 0 || bytes > BITMAP_BYTES_MAX || out->chunk_count >= CHUNKS_MAX)
        return too_many("chunks or channels", out->path, err);
    size_t bitmap_bytes = bitmap == NULL ? 0 : (size_t)bytes;
    if (filter->wanted_bytes > 0 &&
        !has_common_bit(bitmap, bitmap_bytes, filter->wanted, filter->wanted_bytes))
        return TD_OK;
    index_chunk row = {
        .number = (uint32_t)catalog_column_u64(query, 0),
        .offset = catalog_column_u64(query, 1),
        .chunk_bytes = catalog_column_u64(query, 2),
        .index_bytes = catalog_column_u64(query, 3),
        .uncompressed_bytes = catalog_column_u64(query, 4),
        .first_ns = catalog_column_u64(query, 5),
        .last_ns = catalog_column_u64(query, 6),
        .message_count = catalog_column_u64(query, 7),
        .has_channels = 1,
    };
    return segment_index_add_chunk(out, capacity, &row, td_bytes_of(bitmap, bitmap_bytes), err);
}

static td_result load_chunks(catalog *c, int64_t id, const catalog_chunk_filter *filter,
                             segment_index *out, td_err *err)
{
    TD_ASSERT(out->chunks == NULL);
    catalog_query query;
    size_t capacity = 0;
    td_result rc = catalog_query_begin(c, STATEMENT_LOAD_CHUNKS, &query, err);
    if (rc != TD_OK)
        return rc;
    catalog_bind_i64(&query, id);
    catalog_bind_u64(&query, filter->from_ns);
    catalog_bind_u64(&query, filter->to_ns);
    while ((rc = catalog_query_next(&query, err)) == TD_OK) {
        rc = load_chunk(&query, filter, &capacity, out, err);
        if (rc != TD_OK) {
            catalog_query_end(&query);
            return rc;
        }
    }
    return rc == TD_EOF ? TD_OK : rc;
}

td_result catalog_load_segment(catalog *c, const char *path, const catalog_chunk_filter *filter,
                               segment_index *out, td_err *err)
{
    TD_ASSERT(filter->wanted_bytes <= BITMAP_BYTES_MAX);
    TD_ASSERT(filter->wanted_bytes == 0 || filter->wanted != NULL);
    int64_t id = 0;
    *out = (segment_index){.depth = INDEX_FULL};
    td_result rc = load_row(c, path, &id, out, err);
    if (rc == TD_OK)
        rc = load_channels(c, id, out, err);
    if (rc == TD_OK && filter->part == CATALOG_CHANNELS_AND_CHUNKS)
        rc = load_chunks(c, id, filter, out, err);
    if (rc == TD_OK && catalog_is_disturbed(c))
        rc = td_err_set(err, TD_E_BUSY, "catalog '%s': somebody began to write it", c->path);
    if (rc != TD_OK)
        segment_index_fini(out);
    return rc;
}

/* ---- gaps ---- */

td_result catalog_each_gap(catalog *c, told_gap_fn *fn, void *user, td_err *err)
{
    catalog_query query;
    td_result rc = catalog_query_begin(c, STATEMENT_EACH_GAP, &query, err);
    if (rc != TD_OK)
        return rc;
    while ((rc = catalog_query_next(&query, err)) == TD_OK) {
        int64_t lost = sqlite3_column_int64(query.stmt, 10);
        gap_row row = {
            .feed = catalog_column_text(&query, 0),
            .from_ns = catalog_column_u64(&query, 1),
            .line = (uint32_t)catalog_column_u64(&query, 2),
            .shard = (uint32_t)catalog_column_u64(&query, 3),
            .conn = (uint32_t)catalog_column_u64(&query, 4),
            .topic = catalog_column_text(&query, 5),
            .symbol = catalog_column_text(&query, 6),
            .to_ns = catalog_column_u64(&query, 9),
            .frames_lost = lost < 0 ? GAP_FRAMES_UNKNOWN : (uint64_t)lost,
            .covered_by = catalog_column_text(&query, 11),
            .cause = catalog_column_text(&query, 12),
            .detail = catalog_column_text(&query, 13),
        };
        const char *reason = catalog_column_text(&query, 7);
        if (!gap_reason_parse(td_bytes_str(reason), &row.reason))
            rc = td_err_set(err, TD_E_CORRUPT, "catalog: gap of unknown reason '%.40s'", reason);
        else
            rc = fn(user, catalog_column_text(&query, 8), &row, err);
        if (rc != TD_OK) {
            catalog_query_end(&query);
            return rc;
        }
    }
    return rc == TD_EOF ? TD_OK : rc;
}
