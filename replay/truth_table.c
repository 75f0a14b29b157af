#include "replay/truth_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "json/json.h"

enum { CONNS_MAX = 4096 };

/* What a frame's hash leads to. */
typedef enum place_kind { PLACE_FREE, PLACE_MARK, PLACE_ITEMS } place_kind;

typedef struct truth_place {
    place_kind kind;
    uint64_t xxh64;
    size_t first; /* of items; or the mark */
    size_t count;
} truth_place;

/* A book's state after one frame. */
typedef struct truth_mark {
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
    td_buf values;       /* of the items */
    truth_place *places; /* open addressing */
    size_t place_count;
    size_t place_capacity; /* a power of two, or 0 */
};

/* ---- by hash ---- */

/* The place of a hash, or a free one. Never without an end: the table is at most half full. */
static truth_place *find_place(truth_place *places, size_t capacity, place_kind kind,
                               uint64_t xxh64)
{
    /* The mask below needs a power of two. */
    TD_ASSERT(capacity != 0);
    TD_ASSERT((capacity & (capacity - 1)) == 0);
    size_t at = (xxh64 + (uint64_t)kind) & (capacity - 1);
    while (places[at].kind != PLACE_FREE && (places[at].kind != kind || places[at].xxh64 != xxh64))
        at = (at + 1) & (capacity - 1);
    return &places[at];
}

static td_result grow_places(truth_table *table, td_err *err)
{
    size_t capacity = table->place_capacity == 0 ? 1024 : table->place_capacity * 2;
    truth_place *places = td_alloc_zero(capacity, sizeof *places);
    if (places == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu marks", capacity);
    for (size_t i = 0; i < table->place_capacity; i++) {
        const truth_place *place = &table->places[i];
        if (place->kind != PLACE_FREE)
            *find_place(places, capacity, place->kind, place->xxh64) = *place;
    }
    td_free(table->places);
    table->places = places;
    table->place_capacity = capacity;
    return TD_OK;
}

/* The place of a hash, made if it is not there: then its count is 0. */
static td_result get_place(truth_table *table, place_kind kind, uint64_t xxh64, truth_place **out,
                           td_err *err)
{
    if (table->place_count * 2 >= table->place_capacity) {
        td_result rc = grow_places(table, err);
        if (rc != TD_OK)
            return rc;
    }
    *out = find_place(table->places, table->place_capacity, kind, xxh64);
    if ((*out)->kind == PLACE_FREE) {
        **out = (truth_place){.kind = kind, .xxh64 = xxh64};
        table->place_count++;
    }
    return TD_OK;
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

static td_result add_mark(truth_table *table, json_value line, td_err *err)
{
    td_bytes path, hash, sha1;
    uint64_t xxh64;
    truth_place *place;
    if (!json_find_text(line, "path", &path) || !json_find_text(line, "xxh64", &hash) ||
        !parse_hex64(hash, &xxh64) || !json_find_text(line, "levels_sha1", &sha1) ||
        sha1.size != TD_SHA1_HEX_BYTES - 1)
        return td_err_set(err, TD_E_INVALID, "a book needs path, xxh64 and levels_sha1");
    td_result rc = add_place((void **)&table->marks, table->mark_count, sizeof *table->marks, err);
    if (rc == TD_OK)
        rc = get_place(table, PLACE_MARK, xxh64, &place, err);
    if (rc != TD_OK)
        return rc;
    truth_mark *mark = &table->marks[table->mark_count];
    *mark = (truth_mark){.path = ""};
    keep_path(path, mark->path);
    memcpy(mark->levels_sha1, sha1.data, sha1.size);
    place->first = table->mark_count++;
    place->count = 1;
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
    truth_place *place;
    truth_item item = {.kind = kind, .values_at = table->values.size};
    if (!json_find_text(line, "xxh64", &hash) || !parse_hex64(hash, &item.xxh64) ||
        !json_find_u64(line, "item", &index) || index > UINT32_MAX ||
        !json_find(line, "values", &values) || json_type_of(values) != JSON_OBJECT)
        return td_err_set(err, TD_E_INVALID, "a %s needs xxh64, item and values", ITEM_KINDS[kind]);
    item.index = (uint32_t)index;
    td_bytes text = json_raw(values);
    item.values_size = text.size;
    td_result rc = td_buf_append(&table->values, text.data, text.size, err);
    if (rc == TD_OK)
        rc = add_place((void **)&table->items, table->item_count, sizeof *table->items, err);
    if (rc == TD_OK)
        rc = get_place(table, PLACE_ITEMS, item.xxh64, &place, err);
    if (rc != TD_OK)
        return rc;
    if (place->count == 0)
        place->first = table->item_count;
    /* Frames without a time can come twice with the same bytes: their items are equal. */
    if (item.index < place->count || place->first + place->count != table->item_count) {
        table->values.size = item.values_at;
        return TD_OK;
    }
    place->count++;
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
    td_free(table->places);
    td_free(table);
}

size_t truth_table_conns(const truth_table *table, const truth_conn **out)
{
    *out = table->conns;
    return table->conn_count;
}

static const truth_place *look_up(const truth_table *table, place_kind kind, uint64_t xxh64)
{
    if (table->place_capacity == 0)
        return NULL;
    const truth_place *place = find_place(table->places, table->place_capacity, kind, xxh64);
    return place->kind == PLACE_FREE ? NULL : place;
}

const char *truth_table_mark(const truth_table *table, const family *of, uint64_t xxh64)
{
    const truth_place *place = look_up(table, PLACE_MARK, xxh64);
    if (place == NULL || !has_path(of, table->marks[place->first].path))
        return NULL;
    return table->marks[place->first].levels_sha1;
}

truth_item *truth_table_items(truth_table *table, uint64_t xxh64, size_t *count)
{
    const truth_place *place = look_up(table, PLACE_ITEMS, xxh64);
    *count = place == NULL ? 0 : place->count;
    return place == NULL ? NULL : &table->items[place->first];
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
