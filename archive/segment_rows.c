#include "archive/segment_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "archive/archive_segment.h"
#include "archive/event.h"
#include "format/segment_reader.h"

void segment_rows_fini(segment_rows *rows)
{
    for (size_t i = 0; i < rows->grant_count; i++) {
        td_free((void *)rows->grants[i].topic);
        td_free((void *)rows->grants[i].source);
        td_free((void *)rows->grants[i].reason);
    }
    td_free(rows->grants);
    td_free(rows->conns);
    segment_index_fini(&rows->index);
    gap_list_fini(&rows->gaps);
    *rows = (segment_rows){0};
}

/* Of the set of channels: each segment has them in the order of their first frames. */
static uint64_t hash_channels(const segment_index *index)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < index->channel_count; i++) {
        const channel_info *info = &index->channels[i].info;
        const char *const texts[] = {info->feed, info->topic, info->exchange_topic, info->symbol};
        td_xxh64_state state;
        td_xxh64_begin(&state);
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            td_xxh64_update(&state, texts[k], strlen(texts[k]) + 1);
        sum += td_xxh64_end(&state);
    }
    return sum;
}

int grant_row_names_one(const grant_row *grant)
{
    return strpbrk(grant->topic, "*|,") == NULL;
}

int grant_row_is_ended(const grant_row *grant, const conn_row *conn)
{
    return grant->source[0] != '\0' && grant->to_ns != 0 && grant->reason[0] != '\0' &&
           (conn->to_ns == 0 || grant->to_ns < conn->to_ns);
}

/* By slot and number. */
static int compare_conns(const conn_row *left, const conn_row *right)
{
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    if (left->shard != right->shard)
        return left->shard < right->shard ? -1 : 1;
    return (left->conn > right->conn) - (left->conn < right->conn);
}

static int is_of_slot(const conn_row *left, const conn_row *right)
{
    return left->line == right->line && left->shard == right->shard;
}

static int compare_answered(const void *a, const void *b)
{
    return compare_conns(*(const conn_row *const *)a, *(const conn_row *const *)b);
}

answered_conns answered_conns_find(const segment_rows *rows)
{
    answered_conns out = {.rows = td_alloc_zero(rows->conn_count + 1, sizeof(conn_row *)),
                          .first_ns = td_alloc_zero(rows->conn_count + 1, sizeof(uint64_t))};
    for (size_t i = 0; i < rows->grant_count; i++) {
        const grant_row *grant = &rows->grants[i];
        uint64_t *first_ns = &out.first_ns[grant->conn];
        if (strcmp(grant->source, EVENT_GRANT_ANSWERED) == 0 &&
            (*first_ns == 0 || grant->from_ns < *first_ns))
            *first_ns = grant->from_ns;
    }
    for (size_t i = 0; i < rows->conn_count; i++) {
        const conn_row *conn = &rows->conns[i];
        const uint64_t end_ns = conn->to_ns != 0 ? conn->to_ns : rows->index.last_ns;
        if (out.first_ns[i] != 0 && end_ns >= out.first_ns[i] + CONN_ANSWERS_NS)
            out.rows[out.count++] = conn;
    }
    if (out.count > 0)
        qsort(out.rows, out.count, sizeof(conn_row *), compare_answered);
    return out;
}

void answered_conns_fini(answered_conns *self)
{
    td_free(self->rows);
    td_free(self->first_ns);
    *self = (answered_conns){0};
}

const conn_row *answered_conns_after(const answered_conns *self, const conn_row *conn)
{
    size_t low = 0;
    size_t high = self->count;
    while (low < high) {
        const size_t at = low + (high - low) / 2;
        if (compare_conns(self->rows[at], conn) <= 0)
            low = at + 1;
        else
            high = at;
    }
    return low < self->count && is_of_slot(self->rows[low], conn) ? self->rows[low] : NULL;
}

/* A granted topic and its connection. */
typedef struct granted_topic {
    const grant_row *grant;
    const conn_row *conn;
} granted_topic;

/* By topic, slot and connection. */
static int compare_granted(const void *a, const void *b)
{
    const granted_topic *left = a;
    const granted_topic *right = b;
    const int order = strcmp(left->grant->topic, right->grant->topic);
    return order != 0 ? order : compare_conns(left->conn, right->conn);
}

/* Describe which topics were granted in the segment. */
static void note_grants(const segment_rows *rows, segment_brief *brief)
{
    granted_topic *list = td_alloc_zero(rows->grant_count + 1, sizeof *list);
    size_t count = 0;
    answered_conns answered = answered_conns_find(rows);
    td_xxh64_state state;
    td_xxh64_begin(&state);
    for (size_t i = 0; i < rows->grant_count; i++)
        if (rows->grants[i].source[0] != '\0')
            list[count++] = (granted_topic){&rows->grants[i], &rows->conns[rows->grants[i].conn]};
    if (count > 0)
        qsort(list, count, sizeof *list, compare_granted);
    for (size_t i = 0; i < count; i++) {
        const granted_topic *at = &list[i];
        const granted_topic *next = i + 1 < count ? &list[i + 1] : NULL;
        const int is_last = next == NULL || strcmp(next->grant->topic, at->grant->topic) != 0;
        const conn_row *after = answered_conns_after(&answered, at->conn);
        const int is_continued = after == NULL || (!is_last && is_of_slot(next->conn, after) &&
                                                   next->conn->conn <= after->conn);
        if (is_last)
            td_xxh64_update(&state, at->grant->topic, strlen(at->grant->topic) + 1);
        brief->has_ended_grants |= grant_row_is_ended(at->grant, at->conn) || !is_continued;
    }
    brief->granted_hash = count == 0 || rows->unknown_ns != 0 ? 0 : td_xxh64_end(&state);
    answered_conns_fini(&answered);
    td_free(list);
}

segment_brief segment_rows_brief(const segment_rows *rows)
{
    const segment_index *index = &rows->index;
    segment_brief brief = {.path = index->path,
                           .file_bytes = index->file_bytes,
                           .last_ns = index->last_ns,
                           .channels_hash = hash_channels(index),
                           .is_capture = strcmp(index->verb, "record") != 0,
                           .gaps = rows->gaps.rows,
                           .gap_count = rows->gaps.count};
    memcpy(brief.chain_hex, index->chain_hex, sizeof brief.chain_hex);
    note_grants(rows, &brief);
    for (size_t i = 0; i < index->channel_count; i++) {
        const segment_channel *channel = &index->channels[i];
        if (channel->info.dir != CHANNEL_IN || channel->message_count == 0)
            continue;
        if (brief.first_in_ns == 0 || channel->first_ns < brief.first_in_ns)
            brief.first_in_ns = channel->first_ns;
        if (channel->last_ns > brief.last_in_ns)
            brief.last_in_ns = channel->last_ns;
    }
    return brief;
}

int grant_covers(td_bytes granted, td_bytes topic, grant_covers_fn *covers)
{
    return td_bytes_equal(granted, topic) || td_bytes_is(granted, EVENT_GRANT_ALL) ||
           covers(granted, topic);
}

int segment_rows_add_conn(segment_rows *rows, const conn_row *row)
{
    if (rows->conn_count == SEGMENT_ROWS_MAX)
        return 0;
    rows->conns = td_array_grow(rows->conns, rows->conn_count, sizeof *rows->conns);
    rows->conns[rows->conn_count++] = *row;
    return 1;
}

int segment_rows_add_grant(segment_rows *rows, const grant_row *row)
{
    if (rows->grant_count == SEGMENT_ROWS_MAX)
        return 0;
    rows->grants = td_array_grow(rows->grants, rows->grant_count, sizeof *rows->grants);
    grant_row *made = &rows->grants[rows->grant_count++];
    *made = *row;
    made->topic = td_strdup(row->topic);
    made->source = td_strdup(row->source == NULL ? "" : row->source);
    made->reason = td_strdup(row->reason == NULL ? "" : row->reason);
    return 1;
}

/* ---- connections ---- */

static void set_unknown_from(segment_rows *rows, uint64_t from_ns)
{
    if (rows->unknown_ns == 0 || from_ns < rows->unknown_ns)
        rows->unknown_ns = from_ns;
}

/* The row of a connection, added if new; NULL if the list is full. Connection numbers of a slot
 * rise: the search ends at the slot's latest lower number, which matters if a slot reconnects all
 * the time. */
static conn_row *get_conn(segment_rows *rows, uint32_t line, uint32_t shard, uint32_t conn)
{
    for (size_t i = rows->conn_count; i > 0; i--) {
        conn_row *row = &rows->conns[i - 1];
        if (row->line != line || row->shard != shard)
            continue;
        if (row->conn == conn)
            return row;
        if (row->conn < conn)
            break;
    }
    const conn_row made = {.line = line, .shard = shard, .conn = conn};
    return segment_rows_add_conn(rows, &made) ? &rows->conns[rows->conn_count - 1] : NULL;
}

/* The slot's open connection, as far as events show it, or NULL. */
static conn_row *find_open(segment_rows *rows, uint32_t line, uint32_t shard)
{
    for (size_t i = rows->conn_count; i > 0; i--) {
        conn_row *row = &rows->conns[i - 1];
        if (row->line == line && row->shard == shard && row->since_ns != 0)
            return row->to_ns == 0 ? row : NULL;
    }
    return NULL;
}

/* Add a connection of the slot. It begins now, or it was open when the segment began. */
static conn_row *open_conn(segment_rows *rows, const event_slot *slot, uint64_t recv_ns)
{
    conn_row *before = find_open(rows, slot->line, slot->shard);
    if (before != NULL)
        before->to_ns = recv_ns;
    conn_row *row = get_conn(rows, slot->line, slot->shard, slot->conn);
    if (row == NULL) {
        set_unknown_from(rows, recv_ns);
        return NULL;
    }
    row->since_ns = slot->since_ns == 0 ? 1 : slot->since_ns;
    row->to_ns = 0;
    return row;
}

static void close_all(segment_rows *rows, uint64_t recv_ns)
{
    for (size_t i = 0; i < rows->conn_count; i++)
        if (rows->conns[i].since_ns != 0 && rows->conns[i].to_ns == 0)
            rows->conns[i].to_ns = recv_ns;
}

/* Add the connections of a chunk's chain record. end_ns: time of the chunk's last message. */
static void add_chain(segment_rows *rows, uint64_t end_ns, const chain_conn *conns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        conn_row *row = get_conn(rows, conns[i].line, conns[i].shard, conns[i].conn);
        uint64_t late_ns = conns[i].late_ms * TD_NS_PER_MS;
        if (row == NULL)
            continue;
        row->frames_in = conns[i].in;
        if (late_ns > 0 && late_ns < end_ns && end_ns - late_ns > row->complete_ns)
            row->complete_ns = end_ns - late_ns;
    }
}

/* ---- events ---- */

/* Grant a topic, or end its grants. If an end has no grant, the topic was refused. */
static void apply_grant(segment_rows *rows, const event *found, uint64_t conn, uint64_t recv_ns)
{
    const int is_end = found->kind == EVENT_GRANT_END;
    const grant_row made = {.conn = conn,
                            .topic = found->topic,
                            .from_ns = is_end ? recv_ns : found->from_ns,
                            .to_ns = is_end ? recv_ns : 0,
                            .source = found->source,
                            .reason = found->reason};
    int is_known = 0;
    for (size_t i = 0; i < rows->grant_count && is_end; i++) {
        grant_row *row = &rows->grants[i];
        if (row->conn != conn || row->to_ns != 0 || strcmp(row->topic, found->topic) != 0)
            continue;
        td_free((void *)row->reason);
        row->reason = td_strdup(found->reason == NULL ? "" : found->reason);
        row->to_ns = recv_ns;
        is_known = 1;
    }
    if (!is_known && !segment_rows_add_grant(rows, &made))
        set_unknown_from(rows, recv_ns);
}

/* Apply an event to its slot's connection. */
static void apply_conn(segment_rows *rows, const event *found, uint64_t recv_ns)
{
    const event_slot slot = {
        .line = found->line, .shard = found->shard, .conn = found->conn, .since_ns = recv_ns};
    conn_row *conn = find_open(rows, slot.line, slot.shard);
    if (found->kind == EVENT_CONNECT || (found->kind == EVENT_GRANT && conn == NULL))
        conn = open_conn(rows, &slot, recv_ns);
    if (found->kind == EVENT_DISCONNECT && conn != NULL) {
        conn->to_ns = recv_ns;
        conn->is_replaced = found->cause != NULL && strcmp(found->cause, EVENT_CAUSE_REPLACED) == 0;
    } else if (found->topic != NULL && conn != NULL)
        apply_grant(rows, found, (uint64_t)(conn - rows->conns), recv_ns);
}

static void add_event(segment_rows *rows, event_reader *events, td_bytes text, const char *feed,
                      uint64_t recv_ns)
{
    event found;
    if (event_decode(events, text, &found, NULL) != TD_OK) {
        set_unknown_from(rows, 1);
        return;
    }
    found.gap.feed = feed;
    if (found.kind == EVENT_GAP)
        gap_list_add(&rows->gaps, &found.gap);
    if (found.kind == EVENT_SESSION || found.kind == EVENT_SEGMENT)
        close_all(rows, recv_ns);
    for (size_t i = 0; i < found.slot_count; i++)
        open_conn(rows, &found.slots[i], recv_ns);
    if (found.kind == EVENT_LIMIT && found.what != NULL &&
        strcmp(found.what, EVENT_LIMIT_GRANTS) == 0)
        set_unknown_from(rows, recv_ns);
    if (found.kind == EVENT_CONNECT || found.kind == EVENT_DISCONNECT ||
        found.kind == EVENT_GRANT || found.kind == EVENT_GRANT_END)
        apply_conn(rows, &found, recv_ns);
}

void segment_rows_add_chunk(segment_rows *rows, event_reader *events, const sealed_chunk *chunk)
{
    size_t at = 0;
    uint64_t recv_ns;
    td_bytes text;
    while (sealed_chunk_event(chunk, &at, &recv_ns, &text))
        add_event(rows, events, text, rows->index.feed, recv_ns);
    add_chain(rows, chunk->last_ns, chunk->conns, chunk->conn_count);
}

/* ---- from the file ---- */

static int has_events(const segment_reader *reader, uint32_t chunk)
{
    TD_ASSERT(chunk < segment_reader_chunk_count(reader));
    for (uint32_t i = 0; i < segment_reader_channel_count(reader); i++) {
        const segment_channel *channel = segment_reader_channel(reader, i);
        if (channel_has_events(&channel->info) && segment_reader_chunk_has(reader, chunk, channel))
            return 1;
    }
    return 0;
}

/* Events of a damaged chunk are used as far as they can be read. */
static void add_records(segment_rows *rows, event_reader *events, const segment_reader *reader,
                        td_bytes records)
{
    size_t at = 0;
    segment_message message;
    td_result rc;
    while ((rc = segment_reader_message(reader, records, &at, &message, NULL)) == TD_OK)
        if (channel_has_events(&message.channel->info))
            add_event(rows, events, message.data, message.channel->info.feed, message.log_ns);
    if (rc != TD_EOF)
        set_unknown_from(rows, 1);
}

static td_result read_chain(segment_rows *rows, segment_reader *reader, uint32_t chunk, td_err *err)
{
    chain_conn conns[CHAIN_CONNS_MAX];
    chain_record chain;
    td_result rc = segment_reader_chain(reader, chunk, conns, &chain, err);
    if (rc == TD_OK)
        add_chain(rows, segment_reader_chunk(reader, chunk)->last_ns, conns, chain.conn_count);
    return rc == TD_E_IO ? rc : TD_OK;
}

static td_result read_chunks(segment_rows *rows, event_reader *events, segment_reader *reader,
                             td_err *err)
{
    td_buf records;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    segment_scratch *scratch = segment_scratch_open();
    td_result rc = TD_OK;
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader) && rc != TD_E_IO; i++) {
        rc =
            has_events(reader, i) ? segment_reader_read(reader, i, scratch, &records, err) : TD_EOF;
        if (rc == TD_OK)
            add_records(rows, events, reader, td_buf_view(&records));
        else if (rc != TD_EOF)
            set_unknown_from(rows, 1);
        if (rc != TD_E_IO)
            rc = read_chain(rows, reader, i, err);
    }
    segment_scratch_close(scratch);
    td_buf_fini(&records);
    return rc == TD_E_IO ? rc : TD_OK;
}

static td_result read_events(archive *a, const char *path, segment_rows *out, td_err *err)
{
    segment_reader *reader = NULL;
    event_reader *events = event_reader_open();
    td_result rc = archive_open_segment(a, path, &reader, err);
    if (rc == TD_OK)
        rc = read_chunks(out, events, reader, err);
    event_reader_close(events);
    segment_reader_close(reader);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "events of segment %s", path);
}

td_result segment_rows_read(archive *a, const char *path, segment_rows *out, td_err *err)
{
    *out = (segment_rows){0};
    td_result rc = archive_read_index(a, path, INDEX_FULL, &out->index, err);
    if (rc == TD_OK && out->index.chunk_count == 0)
        return TD_OK;
    td_result events = read_events(a, path, out, rc == TD_OK ? err : NULL);
    return rc == TD_OK ? events : rc;
}
