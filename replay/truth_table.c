#include "replay/truth_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "schema/json.h"

enum { CONNS_MAX = 4096 };

/* A book's state after one frame. */
typedef struct truth_mark {
    const family *family; /* NULL: a free place */
    int64_t seq;
    char topic[LIMIT_NAME_BYTES];
    char symbol[LIMIT_SYMBOL_BYTES];
    char levels_sha1[TD_SHA1_HEX_BYTES];
} truth_mark;

struct truth_table {
    truth_conn conns[CONNS_MAX];
    size_t conn_count;
    truth_mark *marks; /* open addressing */
    size_t mark_count;
    size_t mark_capacity; /* a power of two, or 0 */
};

static uint64_t mark_hash(const family *of, td_bytes topic, td_bytes symbol, int64_t seq)
{
    return td_xxh64(topic.data, topic.size) ^ (td_xxh64(symbol.data, symbol.size) * 3) ^
           td_xxh64(&seq, sizeof seq) ^ (uint64_t)(uintptr_t)of;
}

/* Never without an end: the table is at most half full. */
static truth_mark *find_place(truth_mark *marks, size_t capacity, const family *of, td_bytes topic,
                              td_bytes symbol, int64_t seq)
{
    /* The mask below wants a power of two. */
    TD_ASSERT(capacity != 0);
    TD_ASSERT((capacity & (capacity - 1)) == 0);
    size_t at = mark_hash(of, topic, symbol, seq) & (capacity - 1);
    while (marks[at].family != NULL) {
        truth_mark *mark = &marks[at];
        if (mark->family == of && mark->seq == seq && td_bytes_is(topic, mark->topic) &&
            td_bytes_is(symbol, mark->symbol))
            return mark;
        at = (at + 1) & (capacity - 1);
    }
    return &marks[at];
}

static td_result grow_marks(truth_table *table, td_err *err)
{
    size_t capacity = table->mark_capacity == 0 ? 1024 : table->mark_capacity * 2;
    truth_mark *marks = td_alloc_zero(capacity, sizeof *marks);
    if (marks == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu marks", capacity);
    for (size_t i = 0; i < table->mark_capacity; i++) {
        const truth_mark *mark = &table->marks[i];
        if (mark->family != NULL)
            *find_place(marks, capacity, mark->family, td_bytes_str(mark->topic),
                        td_bytes_str(mark->symbol), mark->seq) = *mark;
    }
    td_free(table->marks);
    table->marks = marks;
    table->mark_capacity = capacity;
    return TD_OK;
}

/* The family whose address on the main net has this path. */
static const family *family_of_path(td_bytes path)
{
    size_t count;
    const family *const *rows = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < FAMILY_ENDPOINTS_MAX && rows[i]->endpoints[k].url != NULL; k++) {
            const char *slash = strchr(rows[i]->endpoints[k].url + strlen("wss://"), '/');
            if (slash != NULL && td_bytes_is(path, slash))
                return rows[i];
        }
    }
    return NULL;
}

/* From the latest: the account is in order of sending. */
static td_result find_conn(truth_table *table, td_bytes path, uint64_t conn, truth_conn **out,
                           td_err *err)
{
    TD_ASSERT(table->conn_count <= CONNS_MAX);
    const family *of = family_of_path(path);
    for (size_t i = table->conn_count; i-- > 0;) {
        if (table->conns[i].conn == conn && table->conns[i].family == of) {
            *out = &table->conns[i];
            return TD_OK;
        }
    }
    if (table->conn_count == CONNS_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d connections", CONNS_MAX);
    *out = &table->conns[table->conn_count++];
    **out = (truth_conn){.family = of, .conn = conn};
    return TD_OK;
}

static int parse_hex64(td_bytes text, uint64_t *out)
{
    *out = 0;
    if (text.size != 16)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        unsigned digit = c >= '0' && c <= '9' ? c - 48u : c >= 'a' && c <= 'f' ? c - 87u : 16u;
        if (digit == 16)
            return 0;
        *out = (*out << 4) | digit;
    }
    return 1;
}

/* Entries of a connection rise by their ordinal: sink_truth walks them beside the recording. */
static td_result add_frame(truth_table *table, json_value line, td_err *err)
{
    td_bytes path, hash;
    uint64_t conn;
    truth_entry entry;
    truth_conn *into = NULL;
    if (!json_find_text(line, "path", &path) || !json_find_u64(line, "conn", &conn) ||
        !json_find_u64(line, "n", &entry.n) || !json_find_text(line, "xxh64", &hash) ||
        !parse_hex64(hash, &entry.xxh64))
        return td_err_set(err, TD_E_INVALID, "a frame needs path, conn, n and xxh64");
    td_result rc = find_conn(table, path, conn, &into, err);
    if (rc != TD_OK)
        return rc;
    if (into->entry_count > 0 && into->entries[into->entry_count - 1].n >= entry.n)
        return td_err_set(err, TD_E_INVALID, "frame %llu does not follow the one before",
                          (unsigned long long)entry.n);
    if (into->entry_count == into->entry_capacity) {
        size_t capacity = into->entry_capacity == 0 ? 1024 : into->entry_capacity * 2;
        truth_entry *entries = td_realloc(into->entries, capacity, sizeof *entries);
        if (entries == NULL)
            return td_err_set(err, TD_E_NOMEM, "no memory for %zu frames", capacity);
        into->entries = entries;
        into->entry_capacity = capacity;
    }
    TD_ASSERT(into->entry_count < into->entry_capacity);
    into->entries[into->entry_count++] = entry;
    return TD_OK;
}

static td_result add_mark(truth_table *table, json_value line, td_err *err)
{
    TD_ASSERT(table->mark_count <= table->mark_capacity);
    td_bytes path, topic, symbol, sha1;
    int64_t seq;
    if (!json_find_text(line, "path", &path) || !json_find_text(line, "topic", &topic) ||
        !json_find_text(line, "symbol", &symbol) || !json_find_i64(line, "seq", &seq) ||
        !json_find_text(line, "levels_sha1", &sha1) || sha1.size != TD_SHA1_HEX_BYTES - 1 ||
        topic.size >= LIMIT_NAME_BYTES || symbol.size >= LIMIT_SYMBOL_BYTES)
        return td_err_set(err, TD_E_INVALID,
                          "a book needs path, topic, symbol, seq and levels_sha1");
    const family *of = family_of_path(path);
    if (of == NULL)
        return td_err_set(err, TD_E_INVALID, "no family has the path '%.*s'", (int)path.size,
                          (const char *)path.data);
    if (table->mark_count * 2 >= table->mark_capacity) {
        td_result rc = grow_marks(table, err);
        if (rc != TD_OK)
            return rc;
    }
    /* A free place ends every search. */
    TD_ASSERT(table->mark_count < table->mark_capacity);
    truth_mark *mark = find_place(table->marks, table->mark_capacity, of, topic, symbol, seq);
    if (mark->family == NULL)
        table->mark_count++;
    *mark = (truth_mark){.family = of, .seq = seq};
    memcpy(mark->topic, topic.data, topic.size);
    memcpy(mark->symbol, symbol.data, symbol.size);
    memcpy(mark->levels_sha1, sha1.data, sha1.size);
    return TD_OK;
}

static td_result add_line(truth_table *table, json_parser *parser, td_bytes text, td_err *err)
{
    json_value line;
    td_bytes kind;
    td_result rc = json_parse(parser, text, JSON_COPIED, &line, err);
    if (rc != TD_OK)
        return rc;
    if (!json_find_text(line, "t", &kind))
        return td_err_set(err, TD_E_INVALID, "a line without \"t\"");
    if (td_bytes_is(kind, "frame"))
        return add_frame(table, line, err);
    if (td_bytes_is(kind, "book"))
        return add_mark(table, line, err);
    return TD_OK; /* faults, and what later versions tell */
}

static td_result add_all(truth_table *table, td_bytes text, td_err *err)
{
    json_parser *parser;
    td_result rc = json_parser_open(0, &parser, err);
    if (rc != TD_OK)
        return rc;
    uint64_t number = 0;
    while (text.size > 0 && rc == TD_OK) {
        TD_ASSERT(text.data != NULL);
        const uint8_t *end = memchr(text.data, '\n', text.size);
        /* A last line without its end was being written when the exchange was killed. */
        if (end == NULL)
            break;
        size_t length = (size_t)(end - text.data);
        number++;
        if (length > 0)
            rc = add_line(table, parser, td_bytes_of(text.data, length), err);
        text = td_bytes_of(end + 1, text.size - length - 1);
    }
    json_parser_close(parser);
    return rc == TD_OK ? rc : td_err_add(err, rc, "line %llu", (unsigned long long)number);
}

static td_result read_all(td_io io, const char *path, uint8_t **bytes, size_t *size, td_err *err)
{
    td_file *file = NULL;
    uint64_t file_bytes = 0;
    *bytes = NULL;
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = td_io_size(file, &file_bytes, err);
    if (rc == TD_OK && file_bytes > TRUTH_FILE_BYTES_MAX)
        rc = td_err_set(err, TD_E_LIMIT, "%llu bytes: at most %llu are read",
                        (unsigned long long)file_bytes, (unsigned long long)TRUTH_FILE_BYTES_MAX);
    if (rc == TD_OK && (*bytes = td_alloc((size_t)file_bytes)) == NULL)
        rc =
            td_err_set(err, TD_E_NOMEM, "no memory for %llu bytes", (unsigned long long)file_bytes);
    if (rc == TD_OK)
        rc = td_io_read_exact(file, 0, *bytes, (size_t)file_bytes, err);
    *size = (size_t)file_bytes;
    td_io_close(file);
    return rc;
}

td_result truth_table_open(td_io io, const char *path, truth_table **out, td_err *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    truth_table *table = td_alloc_zero(1, sizeof *table);
    td_result rc = table == NULL ? td_err_set(err, TD_E_NOMEM, "no memory")
                                 : read_all(io, path, &bytes, &size, err);
    if (rc == TD_OK)
        rc = add_all(table, td_bytes_of(bytes, size), err);
    td_free(bytes);
    if (rc != TD_OK) {
        truth_table_close(table);
        return td_err_add(err, rc, "truth file '%s'", path);
    }
    *out = table;
    return TD_OK;
}

void truth_table_close(truth_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->conn_count; i++)
        td_free(table->conns[i].entries);
    td_free(table->marks);
    td_free(table);
}

size_t truth_table_conns(const truth_table *table, const truth_conn **out)
{
    *out = table->conns;
    return table->conn_count;
}

const char *truth_table_mark(const truth_table *table, const family *of, td_bytes topic,
                             td_bytes symbol, int64_t seq)
{
    if (table->mark_capacity == 0)
        return NULL;
    const truth_mark *mark = find_place(table->marks, table->mark_capacity, of, topic, symbol, seq);
    return mark->family == NULL ? NULL : mark->levels_sha1;
}

size_t truth_table_mark_count(const truth_table *table)
{
    return table->mark_count;
}
