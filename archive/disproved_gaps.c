#include "archive/disproved_gaps.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "archive/archive_segment.h"
#include "archive/segment_rows.h"
#include "format/segment_reader.h"

#define ANSWER_NS_MAX (60 * TD_NS_PER_S)
#define CONN_NS_MIN   TD_NS_PER_S
#define DETAIL        "one written gap with the row that follows: answered pings disprove this part"

enum { HOUR_S = 3600 };

/* ---- what a connection's frames show ---- */

/* A ping or pong. */
typedef struct keep_alive {
    uint64_t ns;
    int is_pong;
} keep_alive;

typedef struct conn_facts {
    conn_row conn;     /* as in the segment that is read */
    uint64_t last_ns;  /* end of the connection, or of the last segment that has it */
    uint64_t reach_ns; /* where the reading, which goes back in time, has arrived */
    uint64_t data_ns;  /* of the last data frame; 0: not found */
    uint64_t pong_ns;  /* of the last pong; 0: not found */
    keep_alive *words; /* in any order */
    size_t count;
    int has_requests;
    int is_unreadable;
} conn_facts;

/* Pings and pongs before this time are not needed. */
static uint64_t window_ns(const conn_facts *facts)
{
    const uint64_t pong_ns = facts->pong_ns;
    return pong_ns < facts->conn.since_ns + ANSWER_NS_MAX ? facts->conn.since_ns
                                                          : pong_ns - ANSWER_NS_MAX;
}

/* 1 if nothing more is to be found, or the connection's requests are not words. */
static int is_done(const conn_facts *facts)
{
    return facts->is_unreadable || (facts->has_requests && facts->count == 0) ||
           (facts->pong_ns != 0 && facts->data_ns != 0 && facts->reach_ns <= window_ns(facts));
}

static int is_word(td_bytes text)
{
    size_t letters = 0;
    while (letters < text.size && (text.data[letters] | 0x20) >= 'a' &&
           (text.data[letters] | 0x20) <= 'z')
        letters++;
    return letters > 0 && letters == text.size;
}

static void add_message(conn_facts *facts, const segment_message *message)
{
    const channel_info *info = &message->channel->info;
    const frame_role role = channel_role(info);
    const uint64_t ns = message->log_ns;
    if (info->line != facts->conn.line || info->shard != facts->conn.shard ||
        ns < facts->conn.since_ns || (facts->conn.to_ns != 0 && ns > facts->conn.to_ns))
        return;
    if (frame_role_is_of_topic(role) && ns > facts->data_ns)
        facts->data_ns = ns;
    facts->has_requests |= role == ROLE_OUT;
    if ((role != ROLE_OUT && role != ROLE_CONTROL) || !is_word(message->data))
        return;
    if (role == ROLE_CONTROL && ns > facts->pong_ns)
        facts->pong_ns = ns;
    facts->words = td_array_grow(facts->words, facts->count, sizeof facts->words[0]);
    facts->words[facts->count++] = (keep_alive){ns, role == ROLE_CONTROL};
}

static int wants_chunk(const conn_facts *facts, const segment_reader *reader, uint32_t chunk)
{
    const int wants_words = segment_reader_chunk(reader, chunk)->last_ns >= window_ns(facts);
    for (uint32_t i = 0; i < segment_reader_channel_count(reader); i++) {
        const segment_channel *channel = segment_reader_channel(reader, i);
        const frame_role role = channel_role(&channel->info);
        if ((frame_role_is_of_topic(role)
                 ? facts->data_ns == 0
                 : wants_words && (role == ROLE_OUT || role == ROLE_CONTROL)) &&
            channel->info.line == facts->conn.line && channel->info.shard == facts->conn.shard &&
            segment_reader_chunk_has(reader, chunk, channel))
            return 1;
    }
    return 0;
}

/* Read a segment's chunks, the last one first. */
static void read_chunks(conn_facts *facts, archive *from, const char *path)
{
    td_buf records;
    segment_message message;
    segment_reader *reader = NULL;
    td_result rc = archive_open_segment(from, path, &reader, NULL);
    facts->is_unreadable |= rc != TD_OK;
    segment_scratch *scratch = segment_scratch_open();
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    for (uint32_t i = rc == TD_OK ? segment_reader_chunk_count(reader) : 0;
         i > 0 && !is_done(facts); i--) {
        const segment_chunk *chunk = segment_reader_chunk(reader, i - 1);
        facts->reach_ns = chunk->first_ns;
        if ((facts->conn.to_ns != 0 && chunk->first_ns > facts->conn.to_ns) ||
            !wants_chunk(facts, reader, i - 1))
            continue;
        size_t at = 0;
        rc = segment_reader_read(reader, i - 1, scratch, &records, NULL);
        while (rc == TD_OK && (rc = segment_reader_message(reader, td_buf_view(&records), &at,
                                                           &message, NULL)) == TD_OK)
            add_message(facts, &message);
        facts->is_unreadable |= rc != TD_EOF;
    }
    segment_scratch_close(scratch);
    segment_reader_close(reader);
    td_buf_fini(&records);
}

static int compare_times(const void *a, const void *b)
{
    const keep_alive *left = a;
    const keep_alive *right = b;
    return left->ns < right->ns ? -1 : left->ns > right->ns;
}

/* The time when the ping was sent that the last pong answers, or an earlier ping; 0: unknown. Which
 * pings were unanswered is known only where the connection begins. */
static uint64_t answered_ns(const conn_facts *facts)
{
    const uint64_t from_ns = window_ns(facts);
    uint64_t sent_ns = 0;
    size_t ping = 0; /* the oldest one without an answer */
    if (facts->count > 0)
        qsort(facts->words, facts->count, sizeof facts->words[0], compare_times);
    for (size_t i = 0; i < facts->count; i++) {
        while (ping < i && (facts->words[ping].is_pong || facts->words[ping].ns < from_ns))
            ping++;
        if (!facts->words[i].is_pong || ping == i)
            continue;
        sent_ns = facts->words[ping].ns;
        ping += from_ns == facts->conn.since_ns;
    }
    return sent_ns;
}

/* ---- the connection of a row ---- */

typedef struct search {
    archive_view *view;
    size_t loaded; /* the listed segment whose rows these are, or SIZE_MAX */
    segment_rows rows;
} search;

static const segment_rows *rows_of(search *in, size_t segment)
{
    const archive_segment *listed = &in->view->listing.segments[segment];
    if (in->loaded == segment)
        return &in->rows;
    segment_rows_fini(&in->rows);
    in->loaded = segment;
    if (archive_view_read(in->view, listed->path, archive_view_size(in->view, listed), CATALOG_ROWS,
                          &in->rows, NULL) != TD_OK)
        segment_rows_fini(&in->rows); /* its connections are not found */
    return &in->rows;
}

/* 1 if the row begins when the connection opened (as the chain records round it), or when a topic
 * was granted, where the row before it ended. */
static int begins_with(const gap_row *row, const segment_rows *rows, size_t conn)
{
    const conn_row *at = &rows->conns[conn];
    int is_granted = 0;
    if (at->line != row->line || at->shard != row->shard ||
        (row->conn != 0 && row->conn != at->conn))
        return 0;
    for (size_t i = 0; i < rows->grant_count; i++)
        is_granted |= rows->grants[i].conn == conn && rows->grants[i].from_ns == row->from_ns;
    return is_granted ||
           (at->since_ns >= row->from_ns && at->since_ns - row->from_ns <= TD_NS_PER_MS);
}

static int is_of_session(const archive_segment *a, const archive_segment *b)
{
    return strcmp(a->name.session, b->name.session) == 0 && strcmp(a->name.feed, b->name.feed) == 0;
}

/* Read a connection backwards: from the last segment that has it to the one where it began. */
static void read_conn(search *in, size_t began, uint64_t to_ns, conn_facts *facts)
{
    const archive_segment *segments = in->view->listing.segments;
    const conn_row conn = facts->conn;
    for (size_t i = in->view->listing.segment_count; i > began && !is_done(facts); i--) {
        const archive_segment *segment = &segments[i - 1];
        if (!is_of_session(segment, &segments[began]) ||
            (to_ns != GAP_OPEN && segment->name.first_s > to_ns / TD_NS_PER_S))
            continue;
        const segment_rows *rows = rows_of(in, i - 1);
        for (size_t k = 0; k < rows->conn_count; k++) {
            if (rows->conns[k].line != conn.line || rows->conns[k].shard != conn.shard ||
                rows->conns[k].conn != conn.conn)
                continue;
            facts->conn = rows->conns[k];
            if (facts->last_ns == 0)
                facts->last_ns = facts->conn.to_ns != 0 ? facts->conn.to_ns : rows->index.last_ns;
            if (facts->last_ns < facts->conn.since_ns + CONN_NS_MIN)
                return; /* too short for a ping: not worth a chunk of each */
            read_chunks(facts, in->view->archive, segment->path);
            break;
        }
    }
}

/* The end of the row's part that its connection disproves, or 0. */
static uint64_t disproved_until(search *in, const gap_row *row)
{
    const archive_listing *listing = &in->view->listing;
    const uint64_t from_s = (row->from_ns + TD_NS_PER_MS) / TD_NS_PER_S;
    conn_facts facts = {0};
    size_t began = 0;
    for (; began < listing->segment_count && facts.conn.conn == 0; began++) {
        const segment_name *name = &listing->segments[began].name;
        if (name->is_parsed &&
            (name->first_s > from_s || name->first_s / HOUR_S != from_s / HOUR_S ||
             strcmp(name->feed, row->feed) != 0))
            continue;
        const segment_rows *rows = rows_of(in, began);
        for (size_t i = 0; i < rows->conn_count && strcmp(rows->index.feed, row->feed) == 0; i++)
            if (begins_with(row, rows, i))
                facts.conn = rows->conns[i];
    }
    if (facts.conn.conn == 0)
        return 0;
    read_conn(in, began - 1, row->to_ns, &facts);
    uint64_t until_ns = answered_ns(&facts);
    until_ns = until_ns < facts.data_ns ? until_ns : facts.data_ns;
    const int is_after = row->to_ns == GAP_OPEN || row->to_ns > facts.last_ns;
    td_free(facts.words);
    return is_after && !facts.is_unreadable && until_ns > row->from_ns ? until_ns : 0;
}

void disproved_gaps_split(archive_view *view, gap_list *ledger)
{
    gap_list rest = {0};
    search in = {.view = view, .loaded = SIZE_MAX};
    for (size_t i = 0; i < ledger->count; i++) {
        gap_row *row = &ledger->rows[i];
        if (!gap_reason_ends_connection(row->reason) || !gap_row_is_loss(row) ||
            strcmp(row->cause, GAP_CAUSE_SILENT) == 0)
            continue;
        const uint64_t until_ns = disproved_until(&in, row);
        if (until_ns == 0)
            continue;
        gap_row part = *row;
        part.from_ns = until_ns;
        gap_list_append(&rest, &part);
        td_free((void *)row->covered_by);
        td_free((void *)row->detail);
        row->to_ns = until_ns;
        row->covered_by = td_strdup(GAP_COVERED_BY_PONGS);
        row->detail = td_strdup(DETAIL);
    }
    segment_rows_fini(&in.rows);
    gap_list_merge(&rest);
    gap_list_join(ledger, &rest);
    gap_list_fini(&rest);
}
