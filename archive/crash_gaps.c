#include "archive/crash_gaps.h"

#include <string.h>

#include "base/assert.h"
#include "archive/archive_segment.h"
#include "archive/feed_slots.h"

#define CAUSE_RECORDER     "recorder ended without a stop"
#define DETAIL_UNRECOVERED "the recording crashed: run 'tapedeck recover'"

int crash_gaps_is_last(const archive_history *past, const past_segment *row)
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

uint64_t crash_gaps_end(archive *a, const archive_history *past, const past_segment *row,
                        uint64_t from_ns)
{
    TD_ASSERT(row >= past->segments && row < past->segments + past->segment_count);
    for (const past_segment *later = row + 1; later < past->segments + past->segment_count;
         later++) {
        segment_index index;
        char path[LIMIT_PATH_BYTES]; /* archive_read_index also tries the final name */
        segment_open_path(later->path, path);
        if (later->stage == PAST_DISCARDED || strcmp(later->session, row->session) == 0 ||
            strcmp(later->feed, row->feed) != 0 ||
            archive_read_index(a, path, INDEX_SUMMARY, &index, NULL) != TD_OK)
            continue;
        uint64_t first_ns = index.first_ns;
        segment_index_fini(&index);
        if (first_ns > from_ns)
            return first_ns;
    }
    return GAP_OPEN;
}

/* ---- gaps after one segment ---- */

/* 1 if another gap of `known` covers `row`. An open gap covers `row` even if the open gap begins
 * later: with it the recorder wrote that the slot was down when the session ended, and the recorder
 * knew the start better than the segments show it. An open gap that begins after last_ns, the
 * session's last message, does not count: the clock was ahead. */
static int is_covered(const gap_list *known, const gap_row *row, uint64_t last_ns)
{
    for (size_t i = 0; i < known->count; i++) {
        const gap_row *other = &known->rows[i];
        int reaches = other->to_ns == GAP_OPEN
                          ? other->from_ns <= last_ns
                          : other->from_ns <= row->from_ns && row->to_ns != GAP_OPEN &&
                                other->to_ns >= row->to_ns;
        if (reaches && other->reason != GAP_CORRUPT && other->topic[0] == '\0' &&
            other->symbol[0] == '\0' && other->line == row->line && other->shard == row->shard &&
            strcmp(other->feed, row->feed) == 0 && gap_row_compare(other, row) != 0)
            return 1;
    }
    return 0;
}

/* Add a gap for a slot, unless another gap covers it. */
static void add_row(gap_list *out, gap_row row, uint32_t line, uint32_t shard, uint32_t conn,
                    uint64_t last_ns)
{
    row.line = line;
    row.shard = shard;
    row.conn = conn;
    /* An import's gap is always added: the next import ends it. */
    if (strcmp(row.cause, CRASH_CAUSE_IMPORT) == 0 || !is_covered(out, &row, last_ns))
        gap_list_add(out, &row);
}

/* Add the gaps after the segment at path, the last one of its feed in its session: one for each
 * slot, from the slot's last frame, or from the segment's last message if the slot was connected
 * and received nothing. *last_ns gets the time of that message, or 0. Fails if the segment cannot
 * be read, which other checks report. */
static td_result add_after(archive_view *view, const char *path, gap_list *out, uint64_t *last_ns,
                           td_err *err)
{
    char final_path[LIMIT_PATH_BYTES];
    segment_name name;
    segment_rows rows;
    feed_slots slots = {0};
    const archive_segment *listed = archive_listing_find(&view->listing, path);
    *last_ns = 0;
    if (!segment_name_parse(segment_file_name(path), &name))
        return TD_OK;
    td_result rc = archive_view_read(
        view, path, listed == NULL ? 0 : archive_view_size(view, listed), CATALOG_ROWS, &rows, err);
    *last_ns = rc == TD_OK ? rows.index.last_ns : 0;
    if (*last_ns == 0 || !archive_history_is_crashed(&view->past, name.session)) {
        segment_rows_fini(&rows);
        return rc;
    }
    segment_final_path(path, final_path);
    const past_segment *of = archive_history_segment(&view->past, final_path);
    const uint64_t to_ns =
        of == NULL ? GAP_OPEN : crash_gaps_end(view->archive, &view->past, of, *last_ns);
    const int is_import = archive_history_is_import(&view->past, name.session);
    const feed_slots_query query = {
        .feed = name.feed, .session = name.session, .before_ns = UINT64_MAX};
    gap_row row = gap_row_of(GAP_CRASH, name.feed, *last_ns, to_ns,
                             is_import ? CRASH_CAUSE_IMPORT : CAUSE_RECORDER);
    row.detail = DETAIL_UNRECOVERED;
    rc = feed_slots_read(view, &query, &slots, err);
    for (size_t i = 0; i < rows.conn_count && rc == TD_OK; i++) {
        const conn_row *conn = &rows.conns[i];
        if (conn->to_ns == 0 && feed_slots_find(&slots, conn->line, conn->shard) == NULL)
            add_row(out, row, conn->line, conn->shard, conn->conn, *last_ns);
    }
    for (size_t i = 0; i < slots.slot_count && rc == TD_OK; i++) {
        const past_slot *slot = &slots.slots[i];
        if (past_slot_is_replaced(&slots, slot))
            continue;
        row.from_ns = past_slot_end_ns(slot);
        add_row(out, row, slot->line, slot->shard, slot->conn, *last_ns);
    }
    feed_slots_fini(&slots);
    segment_rows_fini(&rows);
    return rc;
}

/* ---- all sessions ---- */

/* 1 if the segment has its final name and is the last one of a session without an end in the
 * journal: the recorder was killed before it opened another segment. The segment's stage may still
 * be PAST_OPENED, because the rename precedes the journal entry that the segment is finished. */
static int is_last_with_final_name(const archive_view *view, const past_segment *row)
{
    const session_row *session = archive_history_session(&view->past, row->session);
    return (row->stage == PAST_FINISHED || row->stage == PAST_OPENED) && !row->is_recovered &&
           session != NULL && session->state == SESSION_OPEN &&
           archive_listing_find(&view->listing, row->path) != NULL &&
           crash_gaps_is_last(&view->past, row);
}

td_result crash_gaps_find(archive_view *view, gap_list *out, td_err *err)
{
    uint64_t last_ns;
    td_result rc = TD_OK;
    for (size_t i = 0; i < view->listing.segment_count && rc != TD_E_IO; i++) {
        const archive_segment *segment = &view->listing.segments[i];
        if (!segment->name.is_open ||
            archive_session_is_live(&view->listing, view->live, segment->name.session))
            continue;
        rc = add_after(view, segment->path, out, &last_ns, err);
        if (rc != TD_OK || last_ns != 0)
            continue;
        /* A segment without messages is not its session's last: the one before it is. */
        char path[LIMIT_PATH_BYTES];
        segment_final_path(segment->path, path);
        past_segment *row = archive_history_segment(&view->past, path);
        if (row != NULL)
            row->stage = PAST_DISCARDED;
    }
    for (size_t i = 0; i < view->past.segment_count && rc != TD_E_IO; i++) {
        const past_segment *row = &view->past.segments[i];
        if (is_last_with_final_name(view, row) &&
            !archive_session_is_live(&view->listing, view->live, row->session))
            rc = add_after(view, row->path, out, &last_ns, err);
    }
    return rc == TD_E_IO ? rc : TD_OK; /* other checks report damage */
}
