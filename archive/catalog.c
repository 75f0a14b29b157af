#include "archive/catalog.h"

#include "base/alloc.h"
#include "archive/catalog_impl.h"

/* "TDCK": marks our files among other databases. */
#define APPLICATION_ID 0x5444434b

enum { VALUE_BYTES_MAX = 1 << 20 };

static const char *const STATEMENTS[STATEMENT_COUNT] = {
    [STATEMENT_PUT_META] = "INSERT INTO meta (key, value) VALUES (?1, ?2) "
                           "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [STATEMENT_GET_META] = "SELECT value FROM meta WHERE key = ?1",
    [STATEMENT_PUT_SESSION] =
        "INSERT OR REPLACE INTO sessions (" SESSION_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STATEMENT_END_SESSION] = "UPDATE sessions SET state = ?2, stop_ns = ?3 WHERE session = ?1",
    [STATEMENT_PUT_SEGMENT] =
        "INSERT INTO segments (" SEGMENT_COLUMNS ") "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, "
        "?19, ?20) "
        "ON CONFLICT (path) DO UPDATE SET is_open = excluded.is_open, session = excluded.session, "
        "session_start_ns = excluded.session_start_ns, feed = excluded.feed, "
        "family = excluded.family, verb = excluded.verb, version = excluded.version, "
        "number = excluded.number, previous_segment = excluded.previous_segment, "
        "chain = excluded.chain, file_bytes = excluded.file_bytes, messages = excluded.messages, "
        "chunks = excluded.chunks, first_ns = excluded.first_ns, last_ns = excluded.last_ns, "
        "row_checksum = excluded.row_checksum, channel_checksum = excluded.channel_checksum, "
        "chunk_checksum = excluded.chunk_checksum",
    [STATEMENT_FIND_SEGMENT] = "SELECT id FROM segments WHERE path = ?1",
    [STATEMENT_DROP_SEGMENT] = "DELETE FROM segments WHERE id = ?1",
    [STATEMENT_DROP_CHUNKS] = "DELETE FROM chunks WHERE segment_id = ?1",
    [STATEMENT_DROP_SEGMENT_CHANNELS] = "DELETE FROM segment_channels WHERE segment_id = ?1",
    [STATEMENT_DROP_GAPS] = "DELETE FROM gaps WHERE told_by = ?1",
    [STATEMENT_FIND_CHANNEL] =
        "SELECT id FROM channels WHERE feed = ?1 AND family = ?2 AND line = ?3 AND shard = ?4 "
        "AND dir = ?5 AND topic = ?6 AND exchange_topic = ?7 AND symbol = ?8 AND opcode = ?9 "
        "AND message_encoding = ?10 AND schema_name = ?11",
    [STATEMENT_PUT_CHANNEL] = "INSERT INTO channels (" CHANNEL_COLUMNS ") "
                              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [STATEMENT_PUT_SEGMENT_CHANNEL] =
        "INSERT INTO segment_channels (segment_id, mcap_id, channel_id, messages, first_ns, "
        "last_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (segment_id, mcap_id) DO UPDATE SET "
        "channel_id = excluded.channel_id, messages = excluded.messages, "
        "first_ns = excluded.first_ns, last_ns = excluded.last_ns",
    [STATEMENT_PUT_CHUNK] = "INSERT OR REPLACE INTO chunks (segment_id, " CHUNK_COLUMNS ") "
                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [STATEMENT_PUT_GAP] =
        "INSERT INTO gaps (" GAP_COLUMNS ") "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) "
        "ON CONFLICT (feed, from_ns, line, shard, conn, topic, symbol, reason, told_by) "
        "DO UPDATE SET "
        "to_ns = max(to_ns, excluded.to_ns), frames_lost = max(frames_lost, excluded.frames_lost), "
        "covered_by = max(covered_by, excluded.covered_by), cause = max(cause, excluded.cause), "
        "detail = max(detail, excluded.detail)",
    [STATEMENT_FIND_GAP] =
        "SELECT " GAP_COLUMNS " FROM gaps WHERE feed = ?1 AND from_ns = ?2 AND line = ?3 AND "
        "shard = ?4 AND conn = ?5 AND topic = ?6 AND symbol = ?7 AND reason = ?8 AND told_by = ?9",
    [STATEMENT_GET_GAP_CHECKSUM] = "SELECT gap_checksum FROM segments WHERE path = ?1",
    [STATEMENT_SET_GAP_CHECKSUM] = "UPDATE segments SET gap_checksum = ?2 WHERE path = ?1",
    [STATEMENT_PUT_NOTE] =
        "INSERT OR REPLACE INTO notes (" NOTE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)",
    [STATEMENT_LOAD_SEGMENT] = "SELECT id, " SEGMENT_COLUMNS " FROM segments WHERE path = ?1",
    [STATEMENT_LOAD_CHANNELS] =
        "SELECT mcap_id, messages, first_ns, last_ns, " CHANNEL_COLUMNS " FROM segment_channels "
        "LEFT JOIN channels ON channels.id = channel_id WHERE segment_id = ?1 ORDER BY mcap_id",
    [STATEMENT_LOAD_CHUNKS] = "SELECT " CHUNK_COLUMNS " FROM chunks WHERE segment_id = ?1 "
                              "ORDER BY number",
    [STATEMENT_EACH_SEGMENT] = "SELECT id, " SEGMENT_COLUMNS " FROM segments ORDER BY path",
    [STATEMENT_COUNT_SEGMENTS] = "SELECT count(*) FROM segments",
    [STATEMENT_LOAD_GAPS] = "SELECT " GAP_COLUMNS " FROM gaps WHERE told_by = ?1 ORDER BY feed, "
                            "from_ns, line, shard, conn, topic, symbol, reason",
};

static const database_kind KIND = {.name = "catalog",
                                   .application_id = APPLICATION_ID,
                                   .version = CATALOG_SCHEMA_VERSION,
                                   .schema = catalog_sql_versions,
                                   .statements = STATEMENTS,
                                   .statement_count = STATEMENT_COUNT,
                                   .journal = DATABASE_WAL,
                                   .value_bytes_max = VALUE_BYTES_MAX};

td_result catalog_open(const char *path, catalog_mode mode, catalog **out, td_err *err)
{
    static const database_mode MODES[] = {[CATALOG_READ] = DATABASE_READ,
                                          [CATALOG_WRITE] = DATABASE_WRITE,
                                          [CATALOG_APPENDER] = DATABASE_APPEND,
                                          [CATALOG_MEMORY] = DATABASE_MEMORY};
    *out = NULL;
    catalog *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a catalog");
    td_result rc = database_open(&KIND, path, MODES[mode], &made->db, err);
    if (rc != TD_OK) {
        catalog_close(made);
        return rc;
    }
    *out = made;
    return TD_OK;
}

void catalog_close(catalog *c)
{
    if (c == NULL)
        return;
    database_close(c->db);
    td_free(c);
}

td_result catalog_remove(const char *path, td_err *err)
{
    return database_remove(&KIND, path, err);
}

td_result catalog_begin(catalog *c, td_err *err)
{
    return database_begin(c->db, err);
}

td_result catalog_commit(catalog *c, td_err *err)
{
    return database_commit(c->db, err);
}

void catalog_abort(catalog *c)
{
    database_abort(c->db);
}
