#include "regress/field_diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/slot_table.h"
#include "json/json.h"

/* Pairs of elements that one alignment looks at: two lists of the largest documented frames (1,024
 * trades) without an equal element at either end. Longer ones are compared in pairs from there. */
enum { ALIGN_PAIRS_MAX = 1024 * 1024 };
_Static_assert((uint64_t)UINT16_MAX *UINT16_MAX > ALIGN_PAIRS_MAX,
               "the shorter list's length fits in a cell");

typedef struct differ {
    td_arena *arena;
    td_buf rows;    /* field_difference each */
    td_buf path;    /* of the value that is looked at */
    td_buf pattern; /* the same without indexes */
} differ;

/* ---- paths ---- */

typedef struct path_mark {
    size_t path;
    size_t pattern;
} path_mark;

static path_mark path_here(const differ *d)
{
    return (path_mark){d->path.size, d->pattern.size};
}

static void path_back(differ *d, path_mark to)
{
    d->path.size = to.path;
    d->pattern.size = to.pattern;
}

static td_result path_add(td_buf *path, td_bytes key, td_err *err)
{
    td_result rc = path->size == 0 ? TD_OK : td_buf_append(path, ".", 1, err);
    return rc == TD_OK ? td_buf_append(path, key.data, key.size, err) : rc;
}

static td_result path_add_member(differ *d, json_value key, td_err *err)
{
    td_bytes name;
    int is_text = json_text(key, &name);
    TD_ASSERT(is_text);
    td_result rc = path_add(&d->path, name, err);
    return rc == TD_OK ? path_add(&d->pattern, name, err) : rc;
}

static td_result path_add_element(differ *d, size_t index, td_err *err)
{
    td_result rc = td_buf_printf(&d->path, err, "[%zu]", index);
    return rc == TD_OK ? td_buf_append(&d->pattern, "[]", 2, err) : rc;
}

/* ---- differences ---- */

/* A text in the arena; NULL when it is full. */
static const char *keep(differ *d, td_bytes text)
{
    char *copy = td_arena_alloc(d->arena, text.size + 1);
    if (copy == NULL)
        return NULL;
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

/* Note a difference at the path; was or is may be NULL. */
static td_result note(differ *d, const json_value *was, const json_value *is, td_err *err)
{
    TD_ASSERT(was != NULL || is != NULL);
    field_difference row = {
        .path = keep(d, td_buf_view(&d->path)),
        .pattern = keep(d, td_buf_view(&d->pattern)),
        .change = was == NULL  ? FIELD_ADDED
                  : is == NULL ? FIELD_GONE
                               : FIELD_CHANGED,
        .was = was == NULL ? NULL : keep(d, json_raw(*was)),
        .is = is == NULL ? NULL : keep(d, json_raw(*is)),
    };
    if (row.path == NULL || row.pattern == NULL || (was != NULL && row.was == NULL) ||
        (is != NULL && row.is == NULL))
        return td_err_set(err, TD_E_NOMEM, "no memory for the differences of a frame");
    return td_buf_append(&d->rows, &row, sizeof row, err);
}

static td_result compare(differ *d, json_value was, json_value is, td_err *err);

static td_result compare_objects(differ *d, json_value was, json_value is, td_err *err)
{
    const path_mark here = path_here(d);
    json_value key, value, other;
    for (json_iter it = json_iter_of(was); json_next(&it, &key, &value);) {
        td_bytes name;
        td_result rc = path_add_member(d, key, err);
        if (rc != TD_OK)
            return rc;
        rc = json_text(key, &name) && json_find_key(is, name, &other)
                 ? compare(d, value, other, err)
                 : note(d, &value, NULL, err);
        if (rc != TD_OK)
            return rc;
        path_back(d, here);
    }
    for (json_iter it = json_iter_of(is); json_next(&it, &key, &value);) {
        td_bytes name;
        if (json_text(key, &name) && json_find_key(was, name, &other))
            continue;
        td_result rc = path_add_member(d, key, err);
        if (rc == TD_OK)
            rc = note(d, NULL, &value, err);
        if (rc != TD_OK)
            return rc;
        path_back(d, here);
    }
    return TD_OK;
}

/* ---- lists ---- */

typedef struct element {
    json_value value;
    uint64_t hash; /* of its bytes */
} element;

typedef struct list {
    element *items;
    size_t count;
} list;

static td_result list_of(json_value array, list *out, td_err *err)
{
    json_value value;
    out->count = 0;
    out->items = td_alloc_zero(json_count(array) + 1, sizeof *out->items);
    if (out->items == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for the elements of a list");
    for (json_iter it = json_iter_of(array); json_next(&it, NULL, &value);) {
        td_bytes raw = json_raw(value);
        out->items[out->count++] = (element){value, td_xxh64(raw.data, raw.size)};
    }
    return TD_OK;
}

static int is_equal(const element *a, const element *b)
{
    return a->hash == b->hash && td_bytes_equal(json_raw(a->value), json_raw(b->value));
}

/* Two lists and how far they are compared. */
typedef struct lists {
    list was, is;
    size_t was_at, is_at;
} lists;

static td_result note_element(differ *d, const element *was, const element *is, size_t index,
                              td_err *err)
{
    const path_mark here = path_here(d);
    td_result rc = path_add_element(d, index, err);
    if (rc == TD_OK)
        rc = was != NULL && is != NULL
                 ? compare(d, was->value, is->value, err)
                 : note(d, was == NULL ? NULL : &was->value, is == NULL ? NULL : &is->value, err);
    path_back(d, here);
    return rc;
}

/* Compare what is left before these ends, in pairs. */
static td_result compare_run(differ *d, lists *l, size_t was_end, size_t is_end, td_err *err)
{
    td_result rc = TD_OK;
    for (; rc == TD_OK && l->was_at < was_end && l->is_at < is_end; l->was_at++, l->is_at++)
        rc = note_element(d, &l->was.items[l->was_at], &l->is.items[l->is_at], l->was_at, err);
    for (; rc == TD_OK && l->was_at < was_end; l->was_at++)
        rc = note_element(d, &l->was.items[l->was_at], NULL, l->was_at, err);
    for (; rc == TD_OK && l->is_at < is_end; l->is_at++)
        rc = note_element(d, NULL, &l->is.items[l->is_at], l->is_at, err);
    return rc;
}

/* Lengths of the longest common subsequences of each pair of ends: cells[i * (is_count + 1) + j] is
 * that of was from i on and is from j on. */
static void fill_cells(const element *was, size_t was_count, const element *is, size_t is_count,
                       uint16_t *cells)
{
    size_t row = is_count + 1;
    for (size_t i = was_count; i-- > 0;) {
        for (size_t j = is_count; j-- > 0;) {
            uint16_t down = cells[(i + 1) * row + j];
            uint16_t right = cells[i * row + j + 1];
            cells[i * row + j] = is_equal(&was[i], &is[j])
                                     ? (uint16_t)(cells[(i + 1) * row + j + 1] + 1)
                                 : down > right ? down
                                                : right;
        }
    }
}

/* Compare what lies before the ends, aligned by equal elements. */
static td_result compare_aligned(differ *d, lists *l, size_t was_end, size_t is_end, td_err *err)
{
    const element *was = l->was.items + l->was_at;
    const element *is = l->is.items + l->is_at;
    size_t was_count = was_end - l->was_at;
    size_t is_count = is_end - l->is_at;
    size_t was_from = l->was_at;
    size_t is_from = l->is_at;
    size_t row = is_count + 1;
    uint16_t *cells = td_alloc_zero((was_count + 1) * row, sizeof *cells);
    if (cells == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to align two lists");
    fill_cells(was, was_count, is, is_count, cells);
    td_result rc = TD_OK;
    for (size_t i = 0, j = 0; rc == TD_OK && cells[i * row + j] > 0;) {
        if (is_equal(&was[i], &is[j])) {
            rc = compare_run(d, l, was_from + i++, is_from + j++, err);
            l->was_at++;
            l->is_at++;
        } else if (cells[(i + 1) * row + j] >= cells[i * row + j + 1]) {
            i++;
        } else {
            j++;
        }
    }
    td_free(cells);
    return rc == TD_OK ? compare_run(d, l, was_end, is_end, err) : rc;
}

static td_result compare_lists(differ *d, lists *l, td_err *err)
{
    size_t was_end = l->was.count;
    size_t is_end = l->is.count;
    while (l->was_at < was_end && l->is_at < is_end &&
           is_equal(&l->was.items[l->was_at], &l->is.items[l->is_at])) {
        l->was_at++;
        l->is_at++;
    }
    while (was_end > l->was_at && is_end > l->is_at &&
           is_equal(&l->was.items[was_end - 1], &l->is.items[is_end - 1])) {
        was_end--;
        is_end--;
    }
    size_t was_count = was_end - l->was_at;
    size_t is_count = is_end - l->is_at;
    if (was_count == 0 || is_count == 0 || was_count > ALIGN_PAIRS_MAX / is_count)
        return compare_run(d, l, was_end, is_end, err);
    return compare_aligned(d, l, was_end, is_end, err);
}

static td_result compare_arrays(differ *d, json_value was, json_value is, td_err *err)
{
    lists both = {0};
    td_result rc = list_of(was, &both.was, err);
    if (rc == TD_OK)
        rc = list_of(is, &both.is, err);
    if (rc == TD_OK)
        rc = compare_lists(d, &both, err);
    td_free(both.was.items);
    td_free(both.is.items);
    return rc;
}

/* ---- one pair ---- */

static td_result compare(differ *d, json_value was, json_value is, td_err *err)
{
    if (td_bytes_equal(json_raw(was), json_raw(is)))
        return TD_OK;
    json_type type = json_type_of(was);
    if (type == JSON_OBJECT && json_type_of(is) == JSON_OBJECT)
        return compare_objects(d, was, is, err);
    if (type == JSON_ARRAY && json_type_of(is) == JSON_ARRAY)
        return compare_arrays(d, was, is, err);
    return note(d, &was, &is, err);
}

static td_result parse(td_bytes text, json_parser **parser, json_value *out, td_err *err)
{
    if (text.size >= UINT32_MAX / 2)
        return td_err_set(err, TD_E_LIMIT, "a decode of %zu bytes is too long", text.size);
    td_result rc = json_parser_open(text.size + 1, parser, err);
    if (rc == TD_OK)
        rc = json_parse(*parser, text, JSON_COPIED, out, err);
    if (rc == TD_OK && json_type_of(*out) != JSON_OBJECT)
        rc = td_err_set(err, TD_E_INVALID, "a decode is no JSON object");
    return rc;
}

/* Rows move from the growing buffer to the arena. */
static td_result publish(differ *d, const field_difference **out, size_t *count, td_err *err)
{
    *count = d->rows.size / sizeof **out;
    *out = td_arena_copy(d->arena, d->rows.data, d->rows.size);
    return *out != NULL ? TD_OK
                        : td_err_set(err, TD_E_NOMEM, "no memory for the differences of a frame");
}

td_result field_diff(td_bytes was, td_bytes is, td_arena *arena, const field_difference **out,
                     size_t *count, td_err *err)
{
    json_parser *was_parser = NULL;
    json_parser *is_parser = NULL;
    json_value was_root, is_root;
    differ d = {.arena = arena};
    *out = NULL;
    *count = 0;
    td_buf_init(&d.rows, SIZE_MAX / 2);
    td_buf_init(&d.path, SIZE_MAX / 2);
    td_buf_init(&d.pattern, SIZE_MAX / 2);
    td_result rc = parse(was, &was_parser, &was_root, err);
    if (rc == TD_OK)
        rc = parse(is, &is_parser, &is_root, err);
    if (rc == TD_OK)
        rc = compare(&d, was_root, is_root, err);
    if (rc == TD_OK)
        rc = publish(&d, out, count, err);
    td_buf_fini(&d.rows);
    td_buf_fini(&d.path);
    td_buf_fini(&d.pattern);
    json_parser_close(was_parser);
    json_parser_close(is_parser);
    return rc;
}

/* ---- counts ---- */

typedef struct count_row {
    char *topic;
    char *pattern;
    uint64_t frames;
    uint64_t last_frame; /* that was counted in it */
} count_row;

struct field_counts {
    count_row *rows;
    size_t row_count;
    slot_table by_key;
    field_count *sorted; /* views of the rows' texts; made when asked for */
    uint64_t frames;     /* added so far */
    uint64_t left_out;
};

td_result field_counts_open(field_counts **out, td_err *err)
{
    *out = td_alloc_zero(1, sizeof **out);
    return *out == NULL ? td_err_set(err, TD_E_NOMEM, "no memory for counts of fields") : TD_OK;
}

void field_counts_close(field_counts *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->row_count; i++) {
        td_free(c->rows[i].topic);
        td_free(c->rows[i].pattern);
    }
    td_free(c->rows);
    td_free(c->sorted);
    slot_table_fini(&c->by_key);
    td_free(c);
}

static uint64_t key_hash(const char *topic, const char *pattern)
{
    return td_xxh64(topic, strlen(topic)) * 31 + td_xxh64(pattern, strlen(pattern));
}

static count_row *find_row(const field_counts *c, const char *topic, const char *pattern)
{
    slot_probe at = slot_probe_of(key_hash(topic, pattern));
    while (slot_table_next(&c->by_key, &at)) {
        count_row *row = &c->rows[at.row];
        if (strcmp(row->topic, topic) == 0 && strcmp(row->pattern, pattern) == 0)
            return row;
    }
    return NULL;
}

static td_result add_row(field_counts *c, const char *topic, const char *pattern, count_row **out,
                         td_err *err)
{
    count_row made = {.topic = td_strdup(topic), .pattern = td_strdup(pattern)};
    td_result rc = slot_table_reserve(&c->by_key, c->row_count + 1, "fields", err);
    count_row *rows = rc == TD_OK ? td_array_grow(c->rows, c->row_count, sizeof *c->rows) : NULL;
    if (rows != NULL)
        c->rows = rows;
    if (rows == NULL || made.topic == NULL || made.pattern == NULL) {
        td_free(made.topic);
        td_free(made.pattern);
        return rc != TD_OK ? rc : td_err_set(err, TD_E_NOMEM, "no memory for counts of fields");
    }
    slot_table_put(&c->by_key, key_hash(topic, pattern), c->row_count);
    *out = &c->rows[c->row_count++];
    **out = made;
    return TD_OK;
}

td_result field_counts_add(field_counts *c, const char *topic, const field_difference *differences,
                           size_t count, td_err *err)
{
    c->frames++;
    for (size_t i = 0; i < count; i++) {
        const char *pattern = differences[i].pattern;
        count_row *row = find_row(c, topic, pattern);
        if (row == NULL && c->row_count == LIMIT_FIELD_PATTERNS) {
            c->left_out++;
            continue;
        }
        td_result rc = row == NULL ? add_row(c, topic, pattern, &row, err) : TD_OK;
        if (rc != TD_OK)
            return rc;
        row->frames += row->last_frame != c->frames;
        row->last_frame = c->frames;
    }
    return TD_OK;
}

static int compare_counts(const void *a, const void *b)
{
    const field_count *left = a;
    const field_count *right = b;
    int order = strcmp(left->topic, right->topic);
    if (order != 0)
        return order;
    if (left->frames != right->frames)
        return left->frames > right->frames ? -1 : 1;
    return strcmp(left->pattern, right->pattern);
}

td_result field_counts_rows(field_counts *c, const field_count **out, size_t *count, td_err *err)
{
    field_count *sorted = td_realloc(c->sorted, c->row_count + 1, sizeof *sorted);
    if (sorted == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for counts of fields");
    c->sorted = sorted;
    for (size_t i = 0; i < c->row_count; i++)
        sorted[i] = (field_count){c->rows[i].topic, c->rows[i].pattern, c->rows[i].frames};
    qsort(sorted, c->row_count, sizeof *sorted, compare_counts);
    *out = sorted;
    *count = c->row_count;
    return TD_OK;
}

uint64_t field_counts_left_out(const field_counts *c)
{
    return c->left_out;
}
