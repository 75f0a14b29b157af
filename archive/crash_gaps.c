#include "archive/crash_gaps.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/archive_segment.h"
#include "archive/feed_slots.h"
#include "format/chain.h"
#include "format/segment_reader.h"

#define CAUSE_RECORDER     "recorder ended without a stop"
#define DETAIL_UNRECOVERED "the recording crashed: run 'tapedeck recover'"

int crash_gaps_are_due(const archive_past *past, const char *session)
{
    const session_row *row = archive_past_session(past, session);
    return row == NULL || row->state != SESSION_STOPPED;
}

int crash_gaps_is_last(const archive_past *past, const past_segment *row)
{
    TD_ASSERT(row >= past->segments && row < past->segments + past->segment_count);
    for (const past_segment *later = row + 1; later < past->segments + past->segment_count;
         later++) {
        if (later->stage != PAST_DISCARDED && !later->is_lost &&
            strcmp(later->session, row->session) == 0 && strcmp(later->feed, row->feed) == 0)
            return 0;
    }
    return 1;
}

uint64_t crash_gaps_end(archive *a, const archive_past *past, const past_segment *row,
                        uint64_t from_ns)
{
    TD_ASSERT(row >= past->segments && row < past->segments + past->segment_count);
    for (const past_segment *later = row + 1; later < past->segments + past->segment_count;
         later++) {
        segment_index index;
        if (later->stage == PAST_DISCARDED || strcmp(later->session, row->session) == 0 ||
            strcmp(later->feed, row->feed) != 0 ||
            archive_read_index(a, later->path, INDEX_SUMMARY, &index, NULL) != TD_OK)
            continue;
        uint64_t first_ns = index.first_ns;
        segment_index_fini(&index);
        if (first_ns > from_ns)
            return first_ns;
    }
    return GAP_OPEN;
}

/* ---- the rows after one segment ---- */

/* The segment, and the connections of its last chain record. */
typedef struct crashed_end {
    segment_name name;
    const char *detail; /* of its rows */
    const gap_list *known;
    uint64_t last_ns; /* 0: nothing durable is in it */
    uint64_t to_ns;
    chain_record chain;
    chain_conn conns[CHAIN_CONNS_MAX];
} crashed_end;

static td_result read_end(archive *a, const char *path, crashed_end *end, td_err *err)
{
    segment_reader *reader = NULL;
    td_result rc = archive_open_segment(a, path, &reader, err);
    if (rc == TD_E_TRUNCATED && segment_has_open_name(path)) { /* not even its head was durable */
        td_err_clear(err);
        return TD_OK;
    }
    if (rc == TD_OK && segment_reader_chunk_count(reader) > 0) {
        end->last_ns = segment_reader_info(reader)->last_ns;
        rc = segment_reader_last_chain(reader, end->conns, &end->chain, err);
    }
    segment_reader_close(reader);
    return rc;
}

/* 1 if a later connection of the same slot is in the list: then this one had ended. */
static int is_superseded(const crashed_end *end, const chain_conn *conn)
{
    for (uint32_t i = 0; i < end->chain.conn_count; i++) {
        const chain_conn *other = &end->conns[i];
        if (other->line == conn->line && other->shard == conn->shard && other->conn > conn->conn)
            return 1;
    }
    return 0;
}

/* Where the slot's gap begins in that session. */
static uint64_t slot_end(const feed_slots *slots, const chain_conn *conn, uint64_t otherwise_ns)
{
    const past_slot *slot = feed_slots_find(slots, conn->line, conn->shard);
    if (slot == NULL || slot->last_any_ns == 0)
        return otherwise_ns;
    return past_slot_end_ns(slot);
}

/* Where the last slot with data ends; 0: none. */
static uint64_t session_end(const feed_slots *slots)
{
    uint64_t last_ns = 0;
    for (size_t i = 0; i < slots->slot_count; i++)
        if (slots->slots[i].last_ns != 0 && past_slot_end_ns(&slots->slots[i]) > last_ns)
            last_ns = past_slot_end_ns(&slots->slots[i]);
    return last_ns;
}

/* 1 if what the row is about is in another one. A slot whose row has no end was down when the
 * session ended, wherever the row begins: the recorder knew better than the segments show where the
 * slot was complete. One that begins later than all of the session is of a clock that was ahead. */
static int is_covered(const crashed_end *end, const gap_row *row)
{
    for (size_t i = 0; i < end->known->count; i++) {
        const gap_row *other = &end->known->rows[i];
        int reaches = other->to_ns == GAP_OPEN
                          ? other->from_ns <= end->last_ns
                          : other->from_ns <= row->from_ns && row->to_ns != GAP_OPEN &&
                                other->to_ns >= row->to_ns;
        if (reaches && other->reason != GAP_CORRUPT && other->topic[0] == '\0' &&
            other->symbol[0] == '\0' && other->line == row->line && other->shard == row->shard &&
            strcmp(other->feed, row->feed) == 0 && gap_row_compare(other, row) != 0)
            return 1;
    }
    return 0;
}

static void add_row(const archive_past *past, const crashed_end *end, const chain_conn *conn,
                    uint64_t from_ns, gap_list *out)
{
    TD_ASSERT(from_ns != 0);
    const session_row *session = archive_past_session(past, end->name.session);
    int is_import = session != NULL && session_is_import(session);
    gap_row row = gap_row_of(GAP_CRASH, end->name.feed, from_ns, end->to_ns,
                             is_import ? CRASH_CAUSE_IMPORT : CAUSE_RECORDER);
    row.line = conn->line;
    row.shard = conn->shard;
    row.conn = conn->conn;
    row.detail = end->detail;
    if (is_import || !is_covered(end, &row)) /* the next import ends the row of half a one */
        gap_list_add(out, &row);
}

static td_result add_rows(archive *a, const archive_past *past, const crashed_end *end,
                          gap_list *out, td_err *err)
{
    const chain_conn first_slot = {0};
    feed_slots slots = {0};
    const feed_slots_query query = {
        .feed = end->name.feed, .session = end->name.session, .before_ns = UINT64_MAX};
    td_result rc = feed_slots_read(a, past, &query, &slots, err);
    for (uint32_t i = 0; i < end->chain.conn_count && rc == TD_OK; i++) {
        const chain_conn *conn = &end->conns[i];
        if (!is_superseded(end, conn))
            add_row(past, end, conn, slot_end(&slots, conn, end->last_ns), out);
    }
    /* Killed while no connection was up: the slot is not known, the gap is there all the same. But
     * a session that never had a connection adds nothing to what was open when it began. */
    uint64_t end_ns = session_end(&slots);
    if (rc == TD_OK && end->chain.conn_count == 0 && end_ns != 0)
        add_row(past, end, &first_slot, end_ns, out);
    feed_slots_fini(&slots);
    return rc;
}

td_result crash_gaps_after(archive *a, const archive_past *past, const gap_list *known,
                           const char *path, const char *detail, gap_list *out, uint64_t *last_ns,
                           td_err *err)
{
    char final_path[LIMIT_PATH_BYTES];
    *last_ns = 0;
    crashed_end *end = td_alloc_zero(1, sizeof *end);
    td_result rc = TD_OK;
    end->detail = detail;
    end->known = known;
    if (segment_name_parse(segment_file_name(path), &end->name))
        rc = read_end(a, path, end, err);
    *last_ns = end->last_ns;
    if (rc == TD_OK && end->last_ns != 0 && crash_gaps_are_due(past, end->name.session)) {
        segment_final_path(path, final_path);
        const past_segment *row = archive_past_segment(past, final_path);
        end->to_ns = row == NULL ? GAP_OPEN : crash_gaps_end(a, past, row, end->last_ns);
        rc = add_rows(a, past, end, out, err);
    }
    td_free(end);
    return rc;
}

/* ---- all of them ---- */

/* What cannot be read is for others to report. */
static td_result add_after(archive *a, const archive_past *past, const char *path, gap_list *out,
                           uint64_t *last_ns)
{
    return crash_gaps_after(a, past, out, path, DETAIL_UNRECOVERED, out, last_ns, NULL);
}

static void add_of_open(archive *a, archive_past *past, const archive_segment *segment,
                        gap_list *out)
{
    char path[LIMIT_PATH_BYTES];
    uint64_t last_ns = 0;
    td_result rc = add_after(a, past, segment->path, out, &last_ns);
    segment_final_path(segment->path, path);
    past_segment *row = archive_past_segment(past, path);
    if (rc == TD_OK && last_ns == 0 && row != NULL)
        row->stage = PAST_DISCARDED;
}

/* A recorder that was killed just after it had finished a segment left no open one, but lost what
 * came later. */
static void add_of_finished(archive *a, const archive_past *past, const archive_listing *listing,
                            const char *live, gap_list *out)
{
    for (size_t i = 0; i < past->segment_count; i++) {
        const past_segment *row = &past->segments[i];
        const session_row *session = archive_past_session(past, row->session);
        uint64_t last_ns;
        if (row->stage == PAST_FINISHED && !row->is_recovered && session != NULL &&
            session->state == SESSION_OPEN && crash_gaps_is_last(past, row) &&
            !archive_session_is_live(listing, live, row->session))
            (void)add_after(a, past, row->path, out, &last_ns);
    }
}

void crash_gaps_find(archive *a, archive_past *past, const archive_listing *listing,
                     const char *live, gap_list *out)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        if (segment->name.is_open && !archive_session_is_live(listing, live, segment->name.session))
            add_of_open(a, past, segment, out);
    }
    add_of_finished(a, past, listing, live, out);
}
