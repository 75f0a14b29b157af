#include "replay/truth_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/slot_table.h"
#include "json/json.h"

enum { CONNS_MAX = 4096 };

/* A book's state after one frame. */
typedef struct truth_mark {
    uint64_t xxh64; /* of the frame */
    char path[TRUTH_PATH_BYTES];
    char levels_sha1[TD_SHA1_HEX_BYTES];
} truth_mark;

struct truth_table {
    truth_conn conns[CONNS_MAX];
    size_t conn_count;
    truth_mark *marks;
    size_t mark_count;
    truth_item *items; /* in the order of the file: those of a frame are neighbours */
    size_t item_count;
    slot_table marks_by_hash;
    slot_table items_by_hash; /* the first item of each frame */
    td_buf values;            /* of the items */
};

/* ---- by hash ---- */

static truth_mark *find_mark(const truth_table *table, uint64_t xxh64)
{
    slot_probe at = slot_probe_of(xxh64);
    while (slot_table_next(&table->marks_by_hash, &at)) {
        if (table->marks[at.row].xxh64 == xxh64)
            return &table->marks[at.row];
    }
    return NULL;
}

/* The first item of a frame, or item_count. */
static size_t find_items(const truth_table *table, uint64_t xxh64)
{
    slot_probe at = slot_probe_of(xxh64);
    while (slot_table_next(&table->items_by_hash, &at)) {
        if (table->items[at.row].xxh64 == xxh64)
            return at.row;
    }
    return table->item_count;
}

/* A place for one more in an array of lines. */
static td_result add_place(void **items, size_t count, size_t size, td_err *err)
{
    void *grown = td_array_grow(*items, count, size);
    if (grown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu lines", count + 1);
    *items = grown;
    return TD_OK;
}

/* ---- connections ---- */

static int has_path(const family *of, const char *path)
{
    unsigned accesses;
    return family_find_path(of, td_bytes_str(path), &accesses) != NULL;
}

int truth_conn_is_of(const truth_conn *conn, const family *of)
{
    return of != NULL && has_path(of, conn->path);
}

/* Paths that do not fit belong to no family. */
static void keep_path(td_bytes path, char out[TRUTH_PATH_BYTES])
{
    size_t size = path.size < TRUTH_PATH_BYTES ? path.size : 0;
    memcpy(out, path.data, size);
    out[size] = '\0';
}

/* From the latest: the account is in order of sending. */
static td_result find_conn(truth_table *table, td_bytes path, uint64_t conn, truth_conn **out,
                           td_err *err)
{
    TD_ASSERT(table->conn_count <= CONNS_MAX);
    for (size_t i = table->conn_count; i-- > 0;) {
        if (table->conns[i].conn == conn) {
            *out = &table->conns[i];
            return TD_OK;
        }
    }
    if (table->conn_count == CONNS_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d connections", CONNS_MAX);
    *out = &table->conns[table->conn_count++];
    **out = (truth_conn){.conn = conn};
    keep_path(path, (*out)->path);
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
    rc = add_place((void **)&into->entries, into->entry_count, sizeof *into->entries, err);
    if (rc != TD_OK)
        return rc;
    into->entries[into->entry_count++] = entry;
    return TD_OK;
}

/* Of two marks with one hash the later one counts. */
static td_result add_mark(truth_table *table, json_value line, td_err *err)
{
    td_bytes path, hash, sha1;
    uint64_t xxh64;
    if (!json_find_text(line, "path", &path) || !json_find_text(line, "xxh64", &hash) ||
        !parse_hex64(hash, &xxh64) || !json_find_text(line, "levels_sha1", &sha1) ||
        sha1.size != TD_SHA1_HEX_BYTES - 1)
        return td_err_set(err, TD_E_INVALID, "a book needs path, xxh64 and levels_sha1");
    truth_mark *mark = find_mark(table, xxh64);
    if (mark == NULL) {
        size_t count = table->mark_count;
        td_result rc = add_place((void **)&table->marks, count, sizeof *table->marks, err);
        if (rc != TD_OK)
            return rc;
        slot_table_put(&table->marks_by_hash, xxh64, count);
        mark = &table->marks[table->mark_count++];
    }
    *mark = (truth_mark){.xxh64 = xxh64};
    keep_path(path, mark->path);
    memcpy(mark->levels_sha1, sha1.data, sha1.size);
    return TD_OK;
}

static const char *const ITEM_KINDS[TRUTH_KINDS] = {[TRUTH_TRADE] = "trade",
                                                    [TRUTH_CANDLE] = "candle",
                                                    [TRUTH_ORDER] = "order",
                                                    [TRUTH_ACCOUNT] = "account"};

static td_result add_item(truth_table *table, truth_kind kind, json_value line, td_err *err)
{
    td_bytes hash;
    uint64_t index;
    json_value values;
    truth_item item = {.kind = kind, .values_at = table->values.size};
    if (!json_find_text(line, "xxh64", &hash) || !parse_hex64(hash, &item.xxh64) ||
        !json_find_u64(line, "item", &index) || index > UINT32_MAX ||
        !json_find(line, "values", &values) || json_type_of(values) != JSON_OBJECT)
        return td_err_set(err, TD_E_INVALID, "a %s needs xxh64, item and values", ITEM_KINDS[kind]);
    item.index = (uint32_t)index;
    td_bytes text = json_raw(values);
    item.values_size = text.size;
    size_t count = table->item_count;
    size_t first = find_items(table, item.xxh64);
    /* Frames without a time can come twice with the same bytes: their items are equal. */
    if (first < count &&
        (table->items[count - 1].xxh64 != item.xxh64 || item.index < count - first))
        return TD_OK;
    td_result rc = td_buf_append(&table->values, text.data, text.size, err);
    if (rc == TD_OK)
        rc = add_place((void **)&table->items, count, sizeof *table->items, err);
    if (rc != TD_OK)
        return rc;
    if (first == count)
        slot_table_put(&table->items_by_hash, item.xxh64, count);
    table->items[table->item_count++] = item;
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
    for (int i = 0; i < TRUTH_KINDS; i++)
        if (td_bytes_is(kind, ITEM_KINDS[i]))
            return add_item(table, (truth_kind)i, line, err);
    return TD_OK; /* faults, and entries of later versions */
}

static td_result add_all(truth_table *table, td_bytes text, td_err *err)
{
    json_parser *parser = json_parser_open(0);
    td_result rc = TD_OK;
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

td_result truth_table_open(td_io io, const char *path, truth_table **out, td_err *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    truth_table *table = td_alloc_zero(1, sizeof *table);
    if (table != NULL)
        td_buf_init(&table->values, TRUTH_FILE_BYTES_MAX);
    td_result rc = table == NULL
                       ? td_err_set(err, TD_E_NOMEM, "no memory")
                       : td_io_read_file(io, path, TRUTH_FILE_BYTES_MAX, &bytes, &size, err);
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
    td_buf_fini(&table->values);
    td_free(table->marks);
    td_free(table->items);
    slot_table_fini(&table->marks_by_hash);
    slot_table_fini(&table->items_by_hash);
    td_free(table);
}

size_t truth_table_conns(const truth_table *table, const truth_conn **out)
{
    *out = table->conns;
    return table->conn_count;
}

const char *truth_table_mark(const truth_table *table, const family *of, uint64_t xxh64)
{
    const truth_mark *mark = find_mark(table, xxh64);
    return mark != NULL && has_path(of, mark->path) ? mark->levels_sha1 : NULL;
}

truth_item *truth_table_items(truth_table *table, uint64_t xxh64, size_t *count)
{
    size_t first = find_items(table, xxh64);
    size_t end = first;
    while (end < table->item_count && table->items[end].xxh64 == xxh64)
        end++;
    *count = end - first;
    return end == first ? NULL : &table->items[first];
}

const truth_item *truth_table_all_items(const truth_table *table, size_t *count)
{
    *count = table->item_count;
    return table->items;
}

td_bytes truth_item_values(const truth_table *table, const truth_item *item)
{
    TD_ASSERT(item->values_at + item->values_size <= table->values.size);
    return td_bytes_of(table->values.data + item->values_at, item->values_size);
}
