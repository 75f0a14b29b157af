#include "archive/gap.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static const char *const REASON_NAMES[GAP_REASON_COUNT] = {
    [GAP_DISCONNECT] = "disconnect", [GAP_STALE] = "stale",         [GAP_OVERLOAD] = "overload",
    [GAP_RESTART] = "restart",       [GAP_CRASH] = "crash",         [GAP_CORRUPT] = "corrupt",
    [GAP_SEQUENCE] = "sequence",     [GAP_AGGREGATE] = "aggregate",
};

const char *gap_reason_name(gap_reason reason)
{
    TD_ASSERT(reason < GAP_REASON_COUNT);
    return REASON_NAMES[reason];
}

int gap_reason_parse(td_bytes name, gap_reason *out)
{
    for (unsigned i = 0; i < GAP_REASON_COUNT; i++) {
        if (td_bytes_is(name, REASON_NAMES[i])) {
            *out = (gap_reason)i;
            return 1;
        }
    }
    return 0;
}

gap_row gap_row_of(gap_reason reason, const char *feed, uint64_t from_ns, uint64_t to_ns,
                   const char *cause)
{
    TD_ASSERT(reason < GAP_REASON_COUNT);
    return (gap_row){.reason = reason,
                     .feed = feed,
                     .topic = "",
                     .symbol = "",
                     .from_ns = from_ns,
                     .to_ns = to_ns,
                     .frames_lost = GAP_FRAMES_UNKNOWN,
                     .covered_by = "",
                     .cause = cause,
                     .detail = ""};
}

static int order_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int gap_row_compare(const gap_row *a, const gap_row *b)
{
    const int orders[] = {
        strcmp(a->feed, b->feed),
        order_u64(a->from_ns, b->from_ns),
        order_u64(a->line, b->line),
        order_u64(a->shard, b->shard),
        order_u64(a->conn, b->conn),
        strcmp(a->topic, b->topic),
        strcmp(a->symbol, b->symbol),
        strcmp(gap_reason_name(a->reason), gap_reason_name(b->reason)),
    };
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        if (orders[i] != 0)
            return orders[i];
    }
    return 0;
}

static int is_any_symbol(const char *symbol)
{
    return symbol[0] == '\0' || strcmp(symbol, "*") == 0;
}

int gap_row_is_about(const gap_row *row, const char *topic, const char *symbol)
{
    if (row->topic[0] == '\0')
        return 1;
    return strcmp(row->topic, topic) == 0 &&
           (is_any_symbol(row->symbol) || strcmp(symbol, "*") == 0 ||
            strcmp(row->symbol, symbol) == 0);
}

/* Index of the row with this key, or where it would be inserted; *is_there: 1 if it exists. */
static size_t list_position(const gap_list *list, const gap_row *row, int *is_there)
{
    size_t low = 0;
    size_t high = list->count;
    *is_there = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = gap_row_compare(&list->rows[middle], row);
        if (order == 0) {
            *is_there = 1;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Owned strings of a row, in a fixed order, so that copying and freeing are one loop. */
enum { ROW_STRINGS = 6 };
static void row_strings(gap_row *row, const char **out[ROW_STRINGS])
{
    out[0] = &row->feed;
    out[1] = &row->topic;
    out[2] = &row->symbol;
    out[3] = &row->covered_by;
    out[4] = &row->cause;
    out[5] = &row->detail;
}

static void row_fini(gap_row *row)
{
    const char **strings[ROW_STRINGS];
    row_strings(row, strings);
    for (size_t i = 0; i < ROW_STRINGS; i++) {
        td_free((void *)*strings[i]);
        *strings[i] = NULL;
    }
}

static td_result row_copy(gap_row *out, const gap_row *row, td_err *err)
{
    const char **strings[ROW_STRINGS];
    *out = *row;
    row_strings(out, strings);
    int is_complete = 1;
    for (size_t i = 0; i < ROW_STRINGS; i++) {
        TD_ASSERT(*strings[i] != NULL);
        *strings[i] = td_strdup(*strings[i]);
        is_complete = is_complete && *strings[i] != NULL;
    }
    if (is_complete)
        return TD_OK;
    row_fini(out);
    return td_err_set(err, TD_E_NOMEM, "no memory for a gap");
}

static td_result keep_greater(const char **kept, const char *other, td_err *err)
{
    if (strcmp(*kept, other) >= 0)
        return TD_OK;
    char *copy = td_strdup(other);
    if (copy == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a gap");
    td_free((void *)*kept);
    *kept = copy;
    return TD_OK;
}

static td_result row_merge(gap_row *kept, const gap_row *other, td_err *err)
{
    if (other->to_ns > kept->to_ns)
        kept->to_ns = other->to_ns;
    if (kept->frames_lost == GAP_FRAMES_UNKNOWN ||
        (other->frames_lost != GAP_FRAMES_UNKNOWN && other->frames_lost > kept->frames_lost))
        kept->frames_lost = other->frames_lost;
    td_result rc = keep_greater(&kept->covered_by, other->covered_by, err);
    if (rc == TD_OK)
        rc = keep_greater(&kept->cause, other->cause, err);
    if (rc == TD_OK)
        rc = keep_greater(&kept->detail, other->detail, err);
    return rc;
}

static td_result list_make_space(gap_list *list, td_err *err)
{
    gap_row *rows = td_array_grow(list->rows, list->count, sizeof *rows);
    if (rows == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu gaps", list->count + 1);
    list->rows = rows;
    return TD_OK;
}

td_result gap_list_add(gap_list *list, const gap_row *row, td_err *err)
{
    int is_there = 0;
    size_t at = list_position(list, row, &is_there);
    TD_ASSERT(at <= list->count);
    if (is_there)
        return row_merge(&list->rows[at], row, err);
    gap_row copy;
    td_result rc = list_make_space(list, err);
    if (rc == TD_OK)
        rc = row_copy(&copy, row, err);
    if (rc != TD_OK)
        return rc;
    memmove(&list->rows[at + 1], &list->rows[at], (list->count - at) * sizeof list->rows[0]);
    list->rows[at] = copy;
    list->count++;
    return TD_OK;
}

td_result gap_list_join(gap_list *list, const gap_list *from, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < from->count && rc == TD_OK; i++)
        rc = gap_list_add(list, &from->rows[i], err);
    return rc;
}

const gap_row *gap_list_find(const gap_list *list, const gap_row *key)
{
    int is_there = 0;
    size_t at = list_position(list, key, &is_there);
    return is_there ? &list->rows[at] : NULL;
}

void gap_list_fini(gap_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        row_fini(&list->rows[i]);
    td_free(list->rows);
    *list = (gap_list){0};
}

/* ---- as JSON ---- */

/* "" means absent: a gap of a whole connection has no topic. */
static void write_text(json_writer *json, const char *key, const char *text)
{
    json_write_member_text(json, key, text[0] == '\0' ? NULL : text);
}

/* null, never a number that stands for "none": scripts would add it up. */
static void write_number(json_writer *json, const char *key, uint64_t value, uint64_t absent)
{
    if (value == absent)
        json_write_member_null(json, key);
    else
        json_write_member_u64(json, key, value);
}

void gap_json_members(json_writer *json, const gap_row *row)
{
    json_write_member_text(json, "reason", gap_reason_name(row->reason));
    json_write_member_text(json, "feed", row->feed);
    json_write_member_u64(json, "line", row->line);
    json_write_member_u64(json, "shard", row->shard);
    write_number(json, "conn", row->conn, 0);
    write_text(json, "topic", row->topic);
    write_text(json, "symbol", row->symbol);
    json_write_member_u64(json, "from_ns", row->from_ns);
    write_number(json, "to_ns", row->to_ns, GAP_OPEN);
    write_number(json, "frames_lost", row->frames_lost, GAP_FRAMES_UNKNOWN);
    write_text(json, "covered_by", row->covered_by);
    write_text(json, "cause", row->cause);
    write_text(json, "detail", row->detail);
}

void gap_json_write(json_writer *json, const gap_row *row)
{
    json_write_object_begin(json);
    gap_json_members(json, row);
    json_write_object_end(json);
}
