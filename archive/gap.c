#include "archive/gap.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

int gap_reason_is_hole(time_reason reason)
{
    return reason == GAP_PRUNED || reason == GAP_NOT_SUBSCRIBED;
}

int gap_reason_is_doubt(time_reason reason)
{
    return reason == GAP_SEQUENCE || reason == GAP_AGGREGATE;
}

int gap_reason_ends_connection(time_reason reason)
{
    return reason == GAP_DISCONNECT || reason == GAP_STALE || reason == GAP_RESTART ||
           reason == GAP_CRASH || gap_reason_is_hole(reason);
}

/* ---- members ---- */

#define MEMBER(name, kind)                                                                         \
    .key = #name, .offset = offsetof(gap_row, name), .type = GAP_MEMBER_##kind

const gap_member GAP_MEMBERS[GAP_MEMBER_COUNT] = {
    {MEMBER(reason, REASON), .is_required = 1},
    {MEMBER(feed, TEXT), .is_required = 1, .text_bytes = LIMIT_NAME_BYTES},
    {MEMBER(line, U32), .is_required = 1},
    {MEMBER(shard, U32), .is_required = 1},
    {MEMBER(conn, U32), .absent = 0},
    {MEMBER(topic, TEXT), .text_bytes = LIMIT_TOPIC_BYTES},
    {MEMBER(symbol, TEXT), .text_bytes = LIMIT_SYMBOL_BYTES},
    {MEMBER(from_ns, U64), .is_required = 1},
    {MEMBER(to_ns, U64), .absent = GAP_OPEN},
    {MEMBER(frames_lost, U64), .absent = GAP_FRAMES_UNKNOWN},
    {MEMBER(covered_by, TEXT), .text_bytes = LIMIT_NAME_BYTES},
    {MEMBER(cause, TEXT), .text_bytes = GAP_LONG_TEXT_BYTES},
    {MEMBER(detail, TEXT), .text_bytes = GAP_LONG_TEXT_BYTES},
};

static const void *value_at(const gap_row *row, const gap_member *member)
{
    TD_ASSERT(member->key != NULL);
    return (const char *)row + member->offset;
}

int gap_member_is_text(const gap_member *member)
{
    return member->type == GAP_MEMBER_TEXT || member->type == GAP_MEMBER_REASON;
}

const char *gap_member_text(const gap_row *row, const gap_member *member)
{
    TD_ASSERT(gap_member_is_text(member));
    const void *at = value_at(row, member);
    return member->type == GAP_MEMBER_REASON ? time_reason_name(*(const time_reason *)at)
                                             : *(const char *const *)at;
}

uint64_t gap_member_number(const gap_row *row, const gap_member *member)
{
    TD_ASSERT(!gap_member_is_text(member));
    const void *at = value_at(row, member);
    return member->type == GAP_MEMBER_U32 ? *(const uint32_t *)at : *(const uint64_t *)at;
}

int gap_member_is_absent(const gap_row *row, const gap_member *member)
{
    if (member->is_required)
        return 0;
    return gap_member_is_text(member) ? gap_member_text(row, member)[0] == '\0'
                                      : gap_member_number(row, member) == member->absent;
}

void gap_member_set_text(gap_row *row, const gap_member *member, const char *text)
{
    TD_ASSERT(member->type == GAP_MEMBER_TEXT);
    *(const char **)((char *)row + member->offset) = text;
}

void gap_member_set_number(gap_row *row, const gap_member *member, uint64_t number)
{
    TD_ASSERT(!gap_member_is_text(member));
    char *at = (char *)row + member->offset;
    if (member->type == GAP_MEMBER_U32)
        *(uint32_t *)at = (uint32_t)number;
    else
        *(uint64_t *)at = number;
}

/* ---- rows ---- */

const gap_row GAP_ROW_EMPTY = {.feed = "",
                               .topic = "",
                               .symbol = "",
                               .to_ns = GAP_OPEN,
                               .frames_lost = GAP_FRAMES_UNKNOWN,
                               .covered_by = "",
                               .cause = "",
                               .detail = ""};

gap_row gap_row_of(time_reason reason, const char *feed, uint64_t from_ns, uint64_t to_ns,
                   const char *cause)
{
    TD_ASSERT(time_reason_is_gap(reason));
    gap_row row = GAP_ROW_EMPTY;
    row.reason = reason;
    row.feed = feed;
    row.from_ns = from_ns;
    row.to_ns = to_ns;
    row.cause = cause;
    return row;
}

void gap_row_fini(gap_row *row)
{
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        if (GAP_MEMBERS[i].type != GAP_MEMBER_TEXT)
            continue;
        td_free((void *)gap_member_text(row, &GAP_MEMBERS[i]));
        gap_member_set_text(row, &GAP_MEMBERS[i], NULL);
    }
}

gap_row gap_row_copy(const gap_row *row)
{
    gap_row copy = *row;
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        if (GAP_MEMBERS[i].type != GAP_MEMBER_TEXT)
            continue;
        const char *text = gap_member_text(row, &GAP_MEMBERS[i]);
        TD_ASSERT(text != NULL);
        gap_member_set_text(&copy, &GAP_MEMBERS[i], td_strdup(text));
    }
    return copy;
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
        strcmp(time_reason_name(a->reason), time_reason_name(b->reason)),
    };
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        if (orders[i] != 0)
            return orders[i];
    }
    return 0;
}

int gap_row_affects_topic(const gap_row *row, const char *topic, const char *symbol)
{
    if (row->topic[0] == '\0')
        return 1;
    return strcmp(row->topic, topic) == 0 &&
           (row->symbol[0] == '\0' || strcmp(row->symbol, "*") == 0 || strcmp(symbol, "*") == 0 ||
            strcmp(row->symbol, symbol) == 0);
}

int gap_row_affects_channel(const gap_row *row, const channel_info *channel)
{
    return strcmp(row->feed, channel->feed) == 0 && row->covered_by[0] == '\0' &&
           gap_row_affects_topic(row, channel->topic, channel->symbol) &&
           (row->shard == channel->shard || (row->line == 0 && row->shard == 0 && row->conn == 0));
}

time_span gap_row_span(const gap_row *row)
{
    return row->to_ns == GAP_OPEN ? (time_span){row->from_ns, UINT64_MAX}
                                  : time_span_of(row->from_ns, row->to_ns);
}

int gap_row_is_loss(const gap_row *row)
{
    return row->covered_by[0] == '\0' && !gap_reason_is_hole(row->reason);
}

int gap_row_is_disproved(const gap_row *row)
{
    return strcmp(row->covered_by, GAP_COVERED_BY_PONGS) == 0;
}

/* ---- origins ---- */

static const char AND_REMOVED[] = "; " GAP_DETAIL_REMOVED;

char *gap_detail_removed(const char *detail)
{
    const size_t length = strlen(detail);
    if (length == 0)
        return td_strdup(GAP_DETAIL_REMOVED);
    char *out = td_alloc(length + sizeof AND_REMOVED);
    memcpy(out, detail, length);
    memcpy(out + length, AND_REMOVED, sizeof AND_REMOVED);
    return out;
}

/* Length of the detail without the remark. */
static size_t detail_length(const gap_row *row)
{
    const char *remark = strstr(row->detail, AND_REMOVED);
    return remark == NULL ? strlen(row->detail) : (size_t)(remark - row->detail);
}

int gap_row_is_removed(const gap_row *row)
{
    return strcmp(row->detail, GAP_DETAIL_REMOVED) == 0 || strstr(row->detail, AND_REMOVED) != NULL;
}

static int detail_is(const gap_row *row, size_t from, const char *text)
{
    const td_bytes rest = td_bytes_of(row->detail + from, detail_length(row) - from);
    return td_bytes_is(rest, text);
}

/* By the code of its close frame (RFC 6455, 7.4.1, and the registry of close codes): normal, going
 * away, service restart, try again later. */
static const char *origin_of_close(const gap_row *row)
{
    static const char *const PLANNED[] = {"1000", "1001", "1012", "1013"};
    const size_t length = strlen(GAP_DETAIL_CLOSE_CODE);
    if (strncmp(row->detail, GAP_DETAIL_CLOSE_CODE, length) != 0)
        return "exchange";
    for (size_t i = 0; i < sizeof PLANNED / sizeof PLANNED[0]; i++)
        if (detail_is(row, length, PLANNED[i]))
            return "exchange_planned";
    return "exchange";
}

const char *gap_row_origin(const gap_row *row)
{
    /* The first row that matches; NULL matches any text. */
    static const struct {
        time_reason reason;
        const char *cause, *detail, *origin;
    } ORIGINS[] = {
        {GAP_DISCONNECT, NULL, GAP_DETAIL_INSTRUMENT_ENDED, "instrument_ended"},
        {GAP_DISCONNECT, GAP_CAUSE_WITHDRAWN, NULL, "exchange"},
        {GAP_DISCONNECT, GAP_CAUSE_ANNOUNCED, NULL, "exchange_planned"},
        {GAP_DISCONNECT, "protocol", NULL, "exchange"},
        {GAP_DISCONNECT, "too_large", NULL, "exchange"},
        {GAP_DISCONNECT, "reset", NULL, "network"},
        {GAP_DISCONNECT, "tls_other", NULL, "network"},
        {GAP_DISCONNECT, "closed_by_us", NULL, "us"},
        {GAP_STALE, NULL, GAP_DETAIL_INSTRUMENT_ENDED, "instrument_ended"},
        {GAP_STALE, GAP_CAUSE_SILENT, NULL, "exchange"},
        {GAP_STALE, NULL, GAP_DETAIL_PINGS_ANSWERED, "exchange"},
        {GAP_STALE, NULL, NULL, "network"},
        {GAP_OVERLOAD, NULL, NULL, "us"},
        {GAP_RESTART, NULL, NULL, "us"},
        {GAP_CRASH, NULL, NULL, "us"},
        {GAP_CORRUPT, NULL, NULL, "us"},
        {GAP_SEQUENCE, NULL, NULL, "exchange"},
        {GAP_AGGREGATE, NULL, NULL, "exchange"},
        {GAP_PRUNED, NULL, NULL, "us"},
        {GAP_NOT_SUBSCRIBED, NULL, NULL, "us"},
    };
    if (row->reason == GAP_DISCONNECT && strcmp(row->cause, "closed_by_peer") == 0)
        return origin_of_close(row);
    for (size_t i = 0; i < sizeof ORIGINS / sizeof ORIGINS[0]; i++)
        if (ORIGINS[i].reason == row->reason &&
            (ORIGINS[i].cause == NULL || strcmp(ORIGINS[i].cause, row->cause) == 0) &&
            (ORIGINS[i].detail == NULL || detail_is(row, 0, ORIGINS[i].detail)))
            return ORIGINS[i].origin;
    return "unknown";
}

/* ---- lists ---- */

/* Index of the row with this key, or where it would be inserted; *is_found: 1 if it exists. */
static size_t list_position(const gap_list *list, const gap_row *row, int *is_found)
{
    size_t low = 0;
    size_t high = list->count;
    *is_found = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = gap_row_compare(&list->rows[middle], row);
        if (order == 0) {
            *is_found = 1;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void keep_greater(const char **kept, const char *other)
{
    if (strcmp(*kept, other) >= 0)
        return;
    td_free((void *)*kept);
    *kept = td_strdup(other);
}

static void row_merge(gap_row *kept, const gap_row *other)
{
    if (other->to_ns > kept->to_ns)
        kept->to_ns = other->to_ns;
    if (kept->frames_lost == GAP_FRAMES_UNKNOWN ||
        (other->frames_lost != GAP_FRAMES_UNKNOWN && other->frames_lost > kept->frames_lost))
        kept->frames_lost = other->frames_lost;
    keep_greater(&kept->covered_by, other->covered_by);
    keep_greater(&kept->cause, other->cause);
    keep_greater(&kept->detail, other->detail);
}

void gap_list_add(gap_list *list, const gap_row *row)
{
    int is_found = 0;
    size_t at = list_position(list, row, &is_found);
    TD_ASSERT(at <= list->count);
    if (is_found) {
        row_merge(&list->rows[at], row);
        return;
    }
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    memmove(&list->rows[at + 1], &list->rows[at], (list->count - at) * sizeof list->rows[0]);
    list->rows[at] = gap_row_copy(row);
    list->count++;
}

void gap_list_append(gap_list *list, const gap_row *row)
{
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    list->rows[list->count++] = gap_row_copy(row);
}

static int compare_rows(const void *a, const void *b)
{
    return gap_row_compare(a, b);
}

/* Sort the rows, and merge rows with the same key. The result does not depend on the order of rows
 * with the same key, which qsort may change. */
void gap_list_merge(gap_list *list)
{
    size_t last = 0;
    if (list->count < 2)
        return;
    qsort(list->rows, list->count, sizeof *list->rows, compare_rows);
    for (size_t i = 1; i < list->count; i++) {
        if (gap_row_compare(&list->rows[last], &list->rows[i]) != 0) {
            list->rows[++last] = list->rows[i];
            continue;
        }
        row_merge(&list->rows[last], &list->rows[i]);
        gap_row_fini(&list->rows[i]);
    }
    list->count = last + 1;
}

void gap_list_join(gap_list *list, const gap_list *from)
{
    for (size_t i = 0; i < from->count; i++)
        gap_list_append(list, &from->rows[i]);
    gap_list_merge(list);
}

const gap_row *gap_list_find(const gap_list *list, const gap_row *key)
{
    int is_found = 0;
    size_t at = list_position(list, key, &is_found);
    return is_found ? &list->rows[at] : NULL;
}

void gap_list_fini(gap_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        gap_row_fini(&list->rows[i]);
    td_free(list->rows);
    *list = (gap_list){0};
}

/* ---- as JSON ---- */

void gap_json_members(json_writer *json, const gap_row *row)
{
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        const gap_member *member = &GAP_MEMBERS[i];
        /* null, because scripts would add up the number that means absent */
        if (gap_member_is_absent(row, member))
            json_write_member_text(json, member->key, NULL);
        else if (gap_member_is_text(member))
            json_write_member_text(json, member->key, gap_member_text(row, member));
        else
            json_write_member_u64(json, member->key, gap_member_number(row, member));
    }
    json_write_member_text(json, "origin", gap_row_origin(row));
}
