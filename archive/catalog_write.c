
#include "base/assert.h"
#include "archive/catalog_impl.h"

static td_result find_segment_id(catalog *c, const char *path, int64_t *id, td_err *err)
{
    char name[LIMIT_PATH_BYTES];
    segment_final_path(path, name);
    database_query query = database_query_begin(c->db, STATEMENT_FIND_SEGMENT);
    database_bind_text(&query, name);
    td_result rc = database_query_number(&query, id, err);
    return rc == TD_EOF ? td_err_set(err, TD_E_NOTFOUND, "segment %s is not in the catalog", name)
                        : rc;
}

td_result catalog_put_session(catalog *c, const session_row *row, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_PUT_SESSION);
    database_bind_text(&query, row->session);
    database_bind_u64(&query, row->start_ns);
    database_bind_u64(&query, row->stop_ns);
    database_bind_text(&query, session_state_name(row->state));
    database_bind_text(&query, row->verb);
    database_bind_text(&query, row->version);
    return database_query_run(&query, err);
}

td_result catalog_end_session(catalog *c, const char *session, session_state state,
                              uint64_t stop_ns, td_err *err)
{
    TD_ASSERT(database_is_in_transaction(c->db));
    database_query query = database_query_begin(c->db, STATEMENT_END_SESSION);
    database_bind_text(&query, session);
    database_bind_text(&query, session_state_name(state));
    database_bind_u64(&query, stop_ns);
    return database_query_run(&query, err);
}

td_result catalog_add_segment_sessions(catalog *c, td_err *err)
{
    TD_ASSERT(database_is_in_transaction(c->db));
    return database_run_sql(
        c->db,
        "INSERT OR IGNORE INTO sessions (" SESSION_COLUMNS ") SELECT session, "
        "min(session_start_ns), 0, 'open', min(verb), min(version) FROM segments "
        "WHERE session <> '' GROUP BY session",
        "adding sessions", err);
}

/* ---- segments ---- */

/* gap_sum is for a new row; one that is there keeps its own. */
static td_result put_segment_row(catalog *c, const segment_index *index, uint64_t gap_sum,
                                 td_err *err)
{
    char name[LIMIT_PATH_BYTES];
    segment_final_path(index->path, name);
    segment_checksums sums = {0};
    if (!index->is_open)
        checksum_index(name, index, &sums);
    database_query query = database_query_begin(c->db, STATEMENT_PUT_SEGMENT);
    database_bind_text(&query, name);
    database_bind_u64(&query, index->is_open);
    database_bind_text(&query, index->session);
    database_bind_u64(&query, index->session_start_ns);
    database_bind_text(&query, index->feed);
    database_bind_text(&query, index->family);
    database_bind_text(&query, index->verb);
    database_bind_text(&query, index->version);
    database_bind_u64(&query, index->number);
    database_bind_text(&query, index->previous_segment);
    database_bind_text(&query, index->chain_hex);
    database_bind_u64(&query, index->file_bytes);
    database_bind_u64(&query, index->message_count);
    database_bind_u64(&query, index->chunk_count);
    database_bind_u64(&query, index->first_ns);
    database_bind_u64(&query, index->last_ns);
    database_bind_i64(&query, (int64_t)sums.row);
    database_bind_i64(&query, (int64_t)sums.channels);
    database_bind_i64(&query, (int64_t)sums.chunks);
    database_bind_i64(&query, (int64_t)gap_sum);
    return database_query_run(&query, err);
}

static void bind_channel(database_query *query, const channel_info *info)
{
    database_bind_text(query, info->feed);
    database_bind_text(query, info->family);
    database_bind_u64(query, info->line);
    database_bind_u64(query, info->shard);
    database_bind_text(query, channel_dir_name(info->dir));
    database_bind_text(query, info->topic);
    database_bind_text(query, info->exchange_topic);
    database_bind_text(query, info->symbol);
    database_bind_u64(query, (uint64_t)info->opcode);
    database_bind_text(query, info->message_encoding);
    database_bind_text(query, info->schema_name);
}

static td_result channel_row_id(catalog *c, const channel_info *info, int64_t *id, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_FIND_CHANNEL);
    bind_channel(&query, info);
    td_result rc = database_query_number(&query, id, err);
    if (rc != TD_EOF)
        return rc;
    query = database_query_begin(c->db, STATEMENT_PUT_CHANNEL);
    bind_channel(&query, info);
    rc = database_query_run(&query, err);
    if (rc == TD_OK)
        *id = database_last_row_id(c->db);
    return rc;
}

static td_result put_segment_channel(catalog *c, int64_t segment_id, const segment_channel *channel,
                                     td_err *err)
{
    int64_t channel_id = 0;
    td_result rc = channel_row_id(c, &channel->info, &channel_id, err);
    if (rc != TD_OK)
        return rc;
    database_query query = database_query_begin(c->db, STATEMENT_PUT_SEGMENT_CHANNEL);
    database_bind_i64(&query, segment_id);
    database_bind_u64(&query, channel->id);
    database_bind_i64(&query, channel_id);
    database_bind_u64(&query, channel->message_count);
    database_bind_u64(&query, channel->first_ns);
    database_bind_u64(&query, channel->last_ns);
    return database_query_run(&query, err);
}

static td_result put_chunk(catalog *c, int64_t segment_id, const segment_index *index,
                           size_t number, td_err *err)
{
    const segment_chunk *chunk = &index->chunks[number];
    TD_ASSERT((size_t)chunk->bitmap_offset + chunk->bitmap_bytes <= index->bitmap_bytes);
    database_query query = database_query_begin(c->db, STATEMENT_PUT_CHUNK);
    database_bind_i64(&query, segment_id);
    database_bind_u64(&query, number);
    database_bind_u64(&query, chunk->offset);
    database_bind_u64(&query, chunk->chunk_bytes);
    database_bind_u64(&query, chunk->index_bytes);
    database_bind_u64(&query, chunk->uncompressed_bytes);
    database_bind_u64(&query, chunk->first_ns);
    database_bind_u64(&query, chunk->last_ns);
    database_bind_u64(&query, chunk->message_count);
    database_bind_blob(&query, index->bitmaps + chunk->bitmap_offset, chunk->bitmap_bytes);
    return database_query_run(&query, err);
}

static int is_in_new_chunks(const segment_index *index, size_t first_new_chunk, uint16_t id)
{
    for (size_t i = first_new_chunk; i < index->chunk_count; i++) {
        if (segment_index_has(index, &index->chunks[i], id))
            return 1;
    }
    return 0;
}

/* Enter the segment's row as in index, and get its id. A row that was removed is not added again
 * for later chunks only, because the earlier ones were removed with it. */
static td_result enter_segment_row(catalog *c, const segment_index *index, size_t first_new_chunk,
                                   int64_t *id, td_err *err)
{
    char name[LIMIT_PATH_BYTES];
    uint64_t gap_sum = 0;
    segment_final_path(index->path, name);
    td_result rc = find_segment_id(c, name, id, err);
    int is_new = rc == TD_E_NOTFOUND;
    if (is_new && first_new_chunk > 0)
        return td_err_set(err, TD_E_CORRUPT, "catalog: the row of segment %s was removed", name);
    if (is_new) {
        td_err_clear(err);
        /* Gaps may have been entered before their segment. */
        rc = catalog_read_gaps(c, name, NULL, &gap_sum, err);
    }
    if (rc == TD_OK)
        rc = put_segment_row(c, index, gap_sum, err);
    if (rc == TD_OK && is_new)
        rc = find_segment_id(c, name, id, err);
    return rc;
}

td_result catalog_extend_segment(catalog *c, const segment_index *index, size_t first_new_chunk,
                                 td_err *err)
{
    TD_ASSERT(database_is_in_transaction(c->db));
    TD_ASSERT(first_new_chunk <= index->chunk_count);
    int64_t id = 0;
    td_result rc = enter_segment_row(c, index, first_new_chunk, &id, err);
    for (size_t i = first_new_chunk; i < index->chunk_count && rc == TD_OK; i++)
        rc = put_chunk(c, id, index, i, err);
    for (size_t i = 0; i < index->channel_count && rc == TD_OK; i++) {
        if (is_in_new_chunks(index, first_new_chunk, index->channels[i].id))
            rc = put_segment_channel(c, id, &index->channels[i], err);
    }
    return rc;
}

static td_result drop_rows(catalog *c, catalog_statement which, int64_t segment_id, td_err *err)
{
    database_query query = database_query_begin(c->db, which);
    database_bind_i64(&query, segment_id);
    return database_query_run(&query, err);
}

/* All rows of a segment but its gaps. */
static td_result drop_segment_rows(catalog *c, const char *path, td_err *err)
{
    TD_ASSERT(database_is_in_transaction(c->db));
    int64_t id = 0;
    td_result rc = find_segment_id(c, path, &id, err);
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        return TD_OK;
    }
    static const catalog_statement DROPS[] = {
        STATEMENT_DROP_CHUNKS, STATEMENT_DROP_SEGMENT_CHANNELS, STATEMENT_DROP_SEGMENT};
    for (size_t i = 0; i < sizeof DROPS / sizeof DROPS[0] && rc == TD_OK; i++)
        rc = drop_rows(c, DROPS[i], id, err);
    return rc;
}

td_result catalog_drop_segment(catalog *c, const char *path, td_err *err)
{
    char name[LIMIT_PATH_BYTES];
    segment_final_path(path, name);
    td_result rc = drop_segment_rows(c, path, err);
    if (rc != TD_OK)
        return rc;
    database_query query = database_query_begin(c->db, STATEMENT_DROP_GAPS);
    database_bind_text(&query, name);
    return database_query_run(&query, err);
}

td_result catalog_drop_chunks(catalog *c, const char *path, td_err *err)
{
    TD_ASSERT(database_is_in_transaction(c->db));
    int64_t id = 0;
    td_result rc = find_segment_id(c, path, &id, err);
    return rc == TD_OK ? drop_rows(c, STATEMENT_DROP_CHUNKS, id, err) : rc;
}

td_result catalog_put_segment(catalog *c, const segment_index *index, td_err *err)
{
    TD_ASSERT(index->depth == INDEX_FULL);
    td_result rc = drop_segment_rows(c, index->path, err);
    return rc == TD_OK ? catalog_extend_segment(c, index, 0, err) : rc;
}

/* ---- the ledger ---- */

static void bind_gap_key(database_query *query, const char *teller, const gap_row *row)
{
    database_bind_text(query, row->feed);
    database_bind_u64(query, row->from_ns);
    database_bind_u64(query, row->line);
    database_bind_u64(query, row->shard);
    database_bind_u64(query, row->conn);
    database_bind_text(query, row->topic);
    database_bind_text(query, row->symbol);
    database_bind_text(query, gap_reason_name(row->reason));
    database_bind_text(query, teller);
}

/* Checksum of the row of that key, 0 if there is none. */
static td_result find_gap(catalog *c, const char *teller, const gap_row *key, uint64_t *sum,
                          td_err *err)
{
    gap_row row;
    *sum = 0;
    database_query query = database_query_begin(c->db, STATEMENT_FIND_GAP);
    bind_gap_key(&query, teller, key);
    td_result rc = database_query_next(&query, err);
    if (rc == TD_OK)
        rc = catalog_read_gap(&query, &row, err);
    if (rc == TD_OK)
        *sum = checksum_gap(&row);
    return database_query_end(&query, rc);
}

/* The segment's sum over its gaps; a segment without a row gets one with its row. */
static td_result add_to_gap_sum(catalog *c, const char *teller, uint64_t change, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_GET_GAP_CHECKSUM);
    database_bind_text(&query, teller);
    int64_t sum = 0;
    td_result rc = database_query_number(&query, &sum, err);
    if (rc != TD_OK)
        return rc == TD_EOF ? TD_OK : rc;
    query = database_query_begin(c->db, STATEMENT_SET_GAP_CHECKSUM);
    database_bind_text(&query, teller);
    database_bind_i64(&query, (int64_t)((uint64_t)sum + change));
    return database_query_run(&query, err);
}

static td_result put_gap_row(catalog *c, const char *teller, const gap_row *row, td_err *err)
{
    database_query query = database_query_begin(c->db, STATEMENT_PUT_GAP);
    bind_gap_key(&query, teller, row);
    database_bind_u64(&query, row->to_ns);
    if (row->frames_lost == GAP_FRAMES_UNKNOWN)
        database_bind_i64(&query, -1);
    else
        database_bind_u64(&query, row->frames_lost);
    database_bind_text(&query, row->covered_by);
    database_bind_text(&query, row->cause);
    database_bind_text(&query, row->detail);
    return database_query_run(&query, err);
}

td_result catalog_put_gap(catalog *c, const char *told_by, const gap_row *row, td_err *err)
{
    TD_ASSERT(database_is_in_transaction(c->db));
    char teller[LIMIT_PATH_BYTES];
    uint64_t before = 0;
    uint64_t after = 0;
    segment_final_path(told_by, teller);
    if (teller[0] == '\0') /* gaps of the journal are read from the journal */
        return put_gap_row(c, teller, row, err);
    td_result rc = find_gap(c, teller, row, &before, err);
    if (rc == TD_OK)
        rc = put_gap_row(c, teller, row, err);
    if (rc == TD_OK)
        rc = find_gap(c, teller, row, &after, err);
    return rc == TD_OK ? add_to_gap_sum(c, teller, after - before, err) : rc;
}

td_result catalog_put_note(catalog *c, const note_row *row, td_err *err)
{
    TD_ASSERT(database_is_in_transaction(c->db));
    database_query query = database_query_begin(c->db, STATEMENT_PUT_NOTE);
    database_bind_u64(&query, row->time_ns);
    database_bind_u64(&query, row->from_ns);
    database_bind_u64(&query, row->to_ns);
    database_bind_text(&query, row->feed);
    database_bind_text(&query, row->text);
    return database_query_run(&query, err);
}

static td_result put_meta(catalog *c, const char *key, uint64_t value, td_err *err)
{
    TD_ASSERT(database_is_in_transaction(c->db));
    database_query query = database_query_begin(c->db, STATEMENT_PUT_META);
    database_bind_text(&query, key);
    database_bind_u64(&query, value);
    return database_query_run(&query, err);
}

td_result catalog_set_place(catalog *c, chain_place in_journal, td_err *err)
{
    td_result rc = put_meta(c, "journal_bytes", in_journal.bytes, err);
    return rc == TD_OK ? put_meta(c, "journal_mark", in_journal.mark, err) : rc;
}

td_result catalog_set_behind(catalog *c, int is_behind, td_err *err)
{
    return put_meta(c, "behind", is_behind ? 1 : 0, err);
}

td_result catalog_forget_rows(catalog *c, catalog_forget what, td_err *err)
{
    TD_ASSERT(database_is_in_transaction(c->db));
    static const char *const SQL[] = {
        [FORGET_ORPHANS] = "DELETE FROM channels WHERE id NOT IN "
                           "(SELECT channel_id FROM segment_channels)",
        [FORGET_STRAYS] =
            "DELETE FROM chunks WHERE segment_id NOT IN (SELECT id FROM segments); "
            "DELETE FROM segment_channels WHERE segment_id NOT IN (SELECT id FROM segments); "
            "DELETE FROM gaps WHERE told_by <> '' AND told_by NOT IN (SELECT path FROM segments)",
        [FORGET_JOURNAL] = "DELETE FROM sessions; DELETE FROM notes; DELETE FROM meta; "
                           "DELETE FROM gaps WHERE told_by = ''",
        [FORGET_LEDGER] = "DELETE FROM sessions; DELETE FROM gaps; DELETE FROM notes",
        [FORGET_ALL] = "DELETE FROM sessions; DELETE FROM gaps; DELETE FROM notes; "
                       "DELETE FROM chunks; DELETE FROM segment_channels; DELETE FROM channels; "
                       "DELETE FROM segments; DELETE FROM meta",
    };
    TD_ASSERT(what <= FORGET_ALL);
    return database_run_sql(c->db, SQL[what], "forgetting rows", err);
}
