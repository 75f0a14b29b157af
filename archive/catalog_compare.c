/* The catalog as text, and two catalogs against each other: both read each table by natural key. */
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/escape.h"
#include "archive/catalog_impl.h"

enum { LINE_BYTES_MAX = 64 << 20 };

/* A table as dump and comparison read it: no ids, by natural key. */
typedef struct dump_table {
    const char *name;
    const char *sql;
    int key_columns; /* the first ones: what the rows are ordered by */
} dump_table;

/* The one that the comparison leaves out, and the one that the dump does: how far a catalog has got
 * is no part of what it holds. */
#define CHUNK_TABLE "chunk"
#define META_TABLE  "meta"

/* Rows whose segment or channel is not there show too, with empty columns. */
static const dump_table TABLES[] = {
    {META_TABLE, "SELECT key, value FROM meta ORDER BY 1", 1},
    {"session", "SELECT " SESSION_COLUMNS " FROM sessions ORDER BY 1", 1},
    {"segment", "SELECT " SEGMENT_COLUMNS " FROM segments ORDER BY 1", 1},
    {"channel",
     "SELECT " CHANNEL_COLUMNS " FROM channels ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11", 11},
    {"segment_channel",
     "SELECT path, mcap_id, channels.feed AS feed, channels.family AS family, line, shard, dir, "
     "topic, exchange_topic, symbol, opcode, message_encoding, schema_name, "
     "segment_channels.messages AS messages, segment_channels.first_ns AS first_ns, "
     "segment_channels.last_ns AS last_ns FROM segment_channels "
     "LEFT JOIN segments ON segments.id = segment_id LEFT JOIN channels ON channels.id = "
     "channel_id ORDER BY 1, 2",
     2},
    {CHUNK_TABLE,
     "SELECT path, chunks.number AS number, offset, chunk_bytes, index_bytes, "
     "uncompressed_bytes, chunks.first_ns AS first_ns, chunks.last_ns AS last_ns, "
     "chunks.messages AS messages, bitmap FROM chunks "
     "LEFT JOIN segments ON segments.id = segment_id ORDER BY 1, 2",
     2},
    {"gap", "SELECT " GAP_COLUMNS " FROM gaps ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9", 9},
    {"note", "SELECT " NOTE_COLUMNS " FROM notes ORDER BY 1, 2, 3, 4, 5", 5},
};
enum { TABLE_COUNT = sizeof TABLES / sizeof TABLES[0] };

/* ---- as text ---- */

/* Escaped as for a screen, and backslashes too: a line is a row, a tab a column, and different rows
 * give different lines. */
static td_result append_escaped(td_buf *line, const char *text, td_err *err)
{
    td_result rc = TD_OK;
    for (;;) {
        size_t size = strcspn(text, "\\");
        rc = td_escape_append(line, td_bytes_of(text, size), err);
        text += size;
        if (rc != TD_OK || *text == '\0')
            return rc;
        rc = td_buf_append(line, "\\x5c", 4, err);
        if (rc != TD_OK)
            return rc;
        text++;
    }
}

static td_result append_column(td_buf *line, sqlite3_stmt *stmt, int column, td_err *err)
{
    TD_ASSERT(column >= 0);
    TD_ASSERT(column < sqlite3_column_count(stmt));
    td_result rc = td_buf_printf(line, err, "\t%s=", sqlite3_column_name(stmt, column));
    if (rc != TD_OK)
        return rc;
    if (sqlite3_column_type(stmt, column) != SQLITE_BLOB) {
        const char *text = (const char *)sqlite3_column_text(stmt, column);
        return append_escaped(line, text == NULL ? "" : text, err);
    }
    const uint8_t *bytes = sqlite3_column_blob(stmt, column);
    int size = sqlite3_column_bytes(stmt, column);
    for (int i = 0; i < size && rc == TD_OK; i++)
        rc = td_buf_printf(line, err, "%02x", bytes[i]);
    return rc;
}

/* The present row as one line of the dump. */
static td_result dump_row(const database_query *query, const char *table, td_buf *line, td_err *err)
{
    TD_ASSERT(table != NULL);
    td_buf_clear(line);
    td_result rc = td_buf_append(line, table, strlen(table), err);
    for (int i = 0; i < sqlite3_column_count(query->stmt) && rc == TD_OK; i++)
        rc = append_column(line, query->stmt, i, err);
    return rc;
}

static td_result dump_rows(catalog *c, const dump_table *table, td_buf *line, catalog_line_fn *fn,
                           void *user, td_err *err)
{
    database_query query = database_once_begin(c->db, table->sql);
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        rc = database_query_next(&query, err);
        if (rc == TD_OK)
            rc = dump_row(&query, table->name, line, err);
        if (rc == TD_OK)
            rc = fn(user, td_buf_view(line), err);
    }
    database_once_end(&query);
    return rc == TD_EOF ? TD_OK : rc;
}

td_result catalog_dump(catalog *c, catalog_line_fn *fn, void *user, td_err *err)
{
    td_buf line;
    td_buf_init(&line, LINE_BYTES_MAX);
    td_result rc = TD_OK;
    for (size_t i = 0; i < TABLE_COUNT && rc == TD_OK; i++) {
        if (strcmp(TABLES[i].name, META_TABLE) != 0)
            rc = dump_rows(c, &TABLES[i], &line, fn, user, err);
    }
    td_buf_fini(&line);
    return rc;
}

/* ---- against each other ---- */

/* One side of a comparison: a row of the table, unless has_row is 0. */
typedef struct side {
    database_query query;
    td_buf line;
    uint8_t has_row;
} side;

static td_result side_next(side *s, const char *table, td_err *err)
{
    td_buf_clear(&s->line);
    td_result rc = database_query_next(&s->query, err);
    s->has_row = rc == TD_OK;
    if (rc == TD_OK)
        rc = dump_row(&s->query, table, &s->line, err);
    return rc == TD_EOF ? TD_OK : rc;
}

/* As SQLite orders them: NULL, numbers, text, blobs. */
static int rank_of(int type)
{
    switch (type) {
    case SQLITE_NULL:
        return 0;
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        return 1;
    case SQLITE_TEXT:
        return 2;
    default:
        return 3;
    }
}

static int compare_column(sqlite3_stmt *a, sqlite3_stmt *b, int column)
{
    int left = sqlite3_column_type(a, column);
    int right = sqlite3_column_type(b, column);
    if (rank_of(left) != rank_of(right))
        return rank_of(left) - rank_of(right);
    if (left == SQLITE_NULL)
        return 0;
    if (left == SQLITE_INTEGER && right == SQLITE_INTEGER) {
        int64_t x = sqlite3_column_int64(a, column);
        int64_t y = sqlite3_column_int64(b, column);
        return x < y ? -1 : x > y;
    }
    if (rank_of(left) == 1) {
        double x = sqlite3_column_double(a, column);
        double y = sqlite3_column_double(b, column);
        return x < y ? -1 : x > y;
    }
    /* Bytes as they are, which is also how text is collated. */
    const void *x = sqlite3_column_blob(a, column);
    const void *y = sqlite3_column_blob(b, column);
    size_t x_size = (size_t)sqlite3_column_bytes(a, column);
    size_t y_size = (size_t)sqlite3_column_bytes(b, column);
    size_t common = x_size < y_size ? x_size : y_size;
    int order = common == 0 ? 0 : memcmp(x, y, common);
    return order != 0 ? order : (x_size > y_size) - (x_size < y_size);
}

/* Which row comes first; a side at its end comes last. */
static int compare_sides(const side *a, const side *b, int key_columns)
{
    TD_ASSERT(a->has_row || b->has_row);
    if (!a->has_row || !b->has_row)
        return a->has_row ? -1 : 1;
    int order = 0;
    for (int i = 0; i < key_columns && order == 0; i++)
        order = compare_column(a->query.stmt, b->query.stmt, i);
    return order;
}

static int is_same_line(const side *a, const side *b)
{
    return a->line.size == b->line.size && memcmp(a->line.data, b->line.data, a->line.size) == 0;
}

static td_result merge(side *left, side *right, const dump_table *table, catalog_differ_fn *fn,
                       void *user, td_err *err)
{
    const td_bytes none = td_bytes_of(NULL, 0);
    td_result rc = side_next(left, table->name, err);
    if (rc == TD_OK)
        rc = side_next(right, table->name, err);
    while (rc == TD_OK && (left->has_row || right->has_row)) {
        int order = compare_sides(left, right, table->key_columns);
        if (order != 0 || !is_same_line(left, right))
            rc = fn(user, order <= 0 ? td_buf_view(&left->line) : none,
                    order >= 0 ? td_buf_view(&right->line) : none, err);
        if (rc == TD_OK && order <= 0)
            rc = side_next(left, table->name, err);
        if (rc == TD_OK && order >= 0)
            rc = side_next(right, table->name, err);
    }
    return rc;
}

static td_result compare_table(catalog *left, catalog *right, const dump_table *table,
                               catalog_differ_fn *fn, void *user, td_err *err)
{
    side sides[2] = {0};
    td_buf_init(&sides[0].line, LINE_BYTES_MAX);
    td_buf_init(&sides[1].line, LINE_BYTES_MAX);
    sides[0].query = database_once_begin(left->db, table->sql);
    sides[1].query = database_once_begin(right->db, table->sql);
    td_result rc = merge(&sides[0], &sides[1], table, fn, user, err);
    for (size_t i = 0; i < 2; i++) {
        database_once_end(&sides[i].query);
        td_buf_fini(&sides[i].line);
    }
    return rc;
}

td_result catalog_compare(catalog *left, catalog *right, catalog_differ_fn *fn, void *user,
                          td_err *err)
{
    TD_ASSERT(left != right);
    td_result rc = TD_OK;
    for (size_t i = 0; i < TABLE_COUNT && rc == TD_OK; i++) {
        if (strcmp(TABLES[i].name, CHUNK_TABLE) != 0)
            rc = compare_table(left, right, &TABLES[i], fn, user, err);
    }
    return rc;
}

/* ---- the database itself ---- */

/* The first row's first column as text. */
static td_result ask_text(catalog *c, const char *sql, char out[CATALOG_FLAW_BYTES], td_err *err)
{
    database_query query = database_once_begin(c->db, sql);
    td_result rc = database_query_next(&query, err);
    if (rc == TD_OK)
        (void)snprintf(out, CATALOG_FLAW_BYTES, "%s", database_column_text(&query, 0));
    database_once_end(&query);
    return rc == TD_EOF ? TD_OK : rc;
}

td_result catalog_find_flaw(catalog *c, char what[CATALOG_FLAW_BYTES], td_err *err)
{
    static const char *const STRAYS[] = {
        "SELECT 'there are chunks of no segment' FROM chunks WHERE segment_id NOT IN "
        "(SELECT id FROM segments) LIMIT 1",
        "SELECT 'it has a ' || type || ' of its own: ' || name FROM sqlite_schema WHERE type IN "
        "('trigger', 'view') LIMIT 1",
    };
    what[0] = '\0';
    td_result rc = ask_text(c, "PRAGMA integrity_check(1)", what, err);
    if (rc == TD_OK && strcmp(what, "ok") == 0)
        what[0] = '\0';
    for (size_t i = 0; i < sizeof STRAYS / sizeof STRAYS[0] && rc == TD_OK && what[0] == '\0'; i++)
        rc = ask_text(c, STRAYS[i], what, err);
    return rc;
}
