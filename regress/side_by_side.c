#include "regress/side_by_side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "json/json.h"

typedef struct side_rows {
    const field_difference *differences;
    size_t count;
    td_arena *arena;
    uint8_t *is_done; /* of each difference: it has a row */
    side_row *rows;
    size_t row_count, row_max;
} side_rows;

/* The part of a path that names the object or list which the value is in: "levels[3]" of
 * "levels[3].price", "levels" of "levels[3]", "" of "kind". */
static td_bytes parent_of(const char *path)
{
    size_t size = strlen(path);
    while (size > 0 && path[size - 1] != '.' && path[size - 1] != '[')
        size--;
    return td_bytes_of(path, size == 0 ? 0 : size - 1);
}

/* The value at a path, which field_diff() wrote. 0: there is none. */
static int find_value(json_value root, td_bytes path, json_value *out)
{
    const char *at = (const char *)path.data;
    const char *end = at + path.size;
    *out = root;
    while (at < end) {
        if (*at == '[') {
            char *after;
            size_t index = strtoull(at + 1, &after, 10);
            json_iter elements = json_iter_of(*out);
            for (size_t i = 0; i <= index; i++)
                if (!json_next(&elements, NULL, out))
                    return 0;
            at = after + 1; /* "]" */
            continue;
        }
        at += *at == '.';
        size_t size = 0;
        while (at + size < end && at[size] != '.' && at[size] != '[')
            size++;
        if (!json_find_key(*out, td_bytes_of(at, size), out))
            return 0;
        at += size;
    }
    return 1;
}

static const char *keep(side_rows *rows, td_bytes before, const char *between, td_bytes after)
{
    size_t between_size = strlen(between);
    char *copy = td_arena_alloc(rows->arena, before.size + between_size + after.size + 1);
    if (copy == NULL)
        return NULL;
    if (before.size > 0)
        memcpy(copy, before.data, before.size);
    memcpy(copy + before.size, between, between_size);
    if (after.size > 0)
        memcpy(copy + before.size + between_size, after.data, after.size);
    copy[before.size + between_size + after.size] = '\0';
    return copy;
}

static td_result no_memory(td_err *err)
{
    return td_err_set(err, TD_E_NOMEM, "no memory for the fields of a frame");
}

static int is_full(const side_rows *rows)
{
    return rows->row_count == rows->row_max;
}

/* A whole list may be gone: its size says enough. It is JSON as well. */
static const char *shortened(side_rows *rows, const char *text)
{
    size_t size = text == NULL ? 0 : strlen(text);
    char brief[48];
    if (size <= SIDE_VALUE_BYTES)
        return text;
    (void)snprintf(brief, sizeof brief, "\"(%zu bytes)\"", size); /* fits */
    const char *copy = keep(rows, td_bytes_str(brief), "", td_bytes_of(NULL, 0));
    return copy == NULL ? "\"(long)\"" : copy;
}

static void put_difference(side_rows *rows, size_t index)
{
    const field_difference *difference = &rows->differences[index];
    if (is_full(rows))
        return;
    rows->is_done[index] = 1;
    rows->rows[rows->row_count++] = (side_row){difference->path, shortened(rows, difference->was),
                                               shortened(rows, difference->is), 1};
}

/* The next difference from `from` on in this object or list. */
static size_t next_in(const side_rows *rows, td_bytes parent, size_t from)
{
    while (from < rows->count && !td_bytes_equal(parent_of(rows->differences[from].path), parent))
        from++;
    return from;
}

/* A value that both have. Containers are no neighbours: they may be large. */
static td_result put_neighbour(side_rows *rows, const char *path, json_value value, td_err *err)
{
    json_type type = json_type_of(value);
    if (type == JSON_OBJECT || type == JSON_ARRAY || is_full(rows))
        return TD_OK;
    const char *text = keep(rows, json_raw(value), "", td_bytes_of(NULL, 0));
    if (text == NULL)
        return no_memory(err);
    text = shortened(rows, text);
    rows->rows[rows->row_count++] = (side_row){path, text, text, 0};
    return TD_OK;
}

/* All differences in one object, of which `next` is the first, and their neighbours. They come in
 * the order of its members. */
static td_result put_object(side_rows *rows, td_bytes parent, json_value object, size_t next,
                            td_err *err)
{
    json_value key, value;
    for (json_iter it = json_iter_of(object); !is_full(rows) && json_next(&it, &key, &value);) {
        td_bytes name;
        int is_text = json_text(key, &name);
        TD_ASSERT(is_text);
        const char *path = keep(rows, parent, parent.size == 0 ? "" : ".", name);
        if (path == NULL)
            return no_memory(err);
        if (next < rows->count && strcmp(rows->differences[next].path, path) == 0) {
            put_difference(rows, next);
            next = next_in(rows, parent, next + 1);
            continue;
        }
        td_result rc = put_neighbour(rows, path, value, err);
        if (rc != TD_OK)
            return rc;
    }
    for (; next < rows->count; next = next_in(rows, parent, next + 1)) /* only the second has */
        put_difference(rows, next);
    return TD_OK;
}

static td_result put_all(side_rows *rows, json_value was, td_err *err)
{
    for (size_t i = 0; i < rows->count && !is_full(rows); i++) {
        td_bytes parent = parent_of(rows->differences[i].path);
        json_value object;
        td_result rc = TD_OK;
        if (rows->is_done[i])
            continue;
        if (find_value(was, parent, &object) && json_type_of(object) == JSON_OBJECT)
            rc = put_object(rows, parent, object, i, err);
        else
            put_difference(rows, i); /* elements of a list have no neighbours */
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

td_result side_by_side(td_bytes was, const field_difference *differences, size_t count,
                       size_t rows_max, td_arena *arena, const side_row **out, size_t *row_count,
                       size_t *left_out, td_err *err)
{
    side_rows rows = {
        .differences = differences, .count = count, .arena = arena, .row_max = rows_max};
    json_parser *parser = NULL;
    json_value root;
    rows.rows = td_arena_alloc(arena, (rows_max + 1) * sizeof *rows.rows);
    rows.is_done = td_arena_alloc(arena, count + 1);
    if (rows.rows == NULL || rows.is_done == NULL)
        return no_memory(err);
    memset(rows.is_done, 0, count);
    td_result rc = json_parser_open(was.size + 1, &parser, err); /* longer than a frame may be */
    if (rc == TD_OK)
        rc = json_parse(parser, was, JSON_COPIED, &root, err);
    if (rc == TD_OK)
        rc = put_all(&rows, root, err);
    json_parser_close(parser);
    *out = rows.rows;
    *row_count = rows.row_count;
    *left_out = 0;
    for (size_t i = 0; i < count; i++)
        *left_out += !rows.is_done[i];
    return rc;
}
