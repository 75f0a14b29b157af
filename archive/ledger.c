#include "archive/ledger.h"

#include "base/alloc.h"
#include "archive/archive_segment.h"
#include "archive/archive_view.h"
#include "archive/disproved_gaps.h"
#include "archive/feed_history.h"
#include "archive/segment_rows.h"
#include "archive/lost_data.h"
#include "archive/time_account.h"

/* ---- sessions ---- */

/* Add sessions that only segments name: the journal was lost, or the archive is a single file. */
static void add_from_segments(archive *a, const archive_listing *listing, archive_history *past)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        segment_index index;
        if (segment->name.is_parsed && archive_history_session(past, segment->name.session) != NULL)
            continue;
        if (archive_read_index(a, segment->path, INDEX_SUMMARY, &index, NULL) != TD_OK)
            continue; /* verify reports it */
        session_row row = archive_history_session_of(&index);
        if (row.session[0] != '\0' && archive_history_session(past, row.session) == NULL)
            archive_history_add_session(past, &row);
        segment_index_fini(&index);
    }
}

void archive_sessions(archive_view *view, session_row **rows, size_t *count)
{
    archive_history *past = &view->past;
    /* A session that has no end and is not live crashed; recover has not written that yet. */
    for (size_t i = 0; i < past->session_count; i++)
        if (past->sessions[i].state == SESSION_OPEN &&
            !archive_session_is_live(&view->listing, view->live, past->sessions[i].session))
            past->sessions[i].state = SESSION_CRASHED;
    add_from_segments(view->archive, &view->listing, past);
    archive_history_sort_sessions(past);
    *rows = past->sessions;
    *count = past->session_count;
}

/* ---- gaps ---- */

/* Read a segment's rows; an unreadable segment gives no rows. */
static void read_rows(archive_view *view, const archive_segment *segment, catalog_part part,
                      segment_rows *out)
{
    td_err cause;
    td_err_clear(&cause);
    if (archive_view_read(view, segment->path, archive_view_size(view, segment), part, out,
                          &cause) != TD_OK)
        td_log_emit(archive_log(view->archive), TD_LOG_WARNING, "skipped: %s", cause.text);
}

/* 1 for a gap inside pruned ranges. (A gap in a pruned segment was removed with the segment.) */
static int is_pruned_away(const archive_history *past, const gap_row *row)
{
    return row->to_ns != GAP_OPEN && archive_history_is_pruned(past, row->feed, row->from_ns) &&
           archive_history_is_pruned(past, row->feed, row->to_ns);
}

static void join_journal(const archive_view *view, gap_list *list)
{
    gap_list kept = {0};
    for (size_t i = 0; i < view->journal_gaps.count; i++) {
        const gap_row *row = &view->journal_gaps.rows[i];
        if (gap_list_find(list, row) != NULL || !is_pruned_away(&view->past, row))
            gap_list_append(&kept, row);
    }
    gap_list_join(list, &kept);
    gap_list_fini(&kept);
}

/* 1 if gaps follow from the time in which the segment has frames. A cut has its gaps written in it,
 * and lacks the frames that were not selected: the time without them is no gap. */
static int is_accounted(const archive_segment *segment)
{
    return segment->name.is_parsed && segment->name.number != SEGMENT_NUMBER_CUT;
}

/* The ledger while the segments are read. */
typedef struct ledger {
    archive_view *view;
    gap_list *rows;
    time_account *of;
    uint8_t *has_brief;  /* of each listed segment, 1: its brief came from the catalog */
    uint8_t *has_topics; /* likewise, 1: its topics were added */
} ledger;

static void add_brief(void *user, const archive_segment *segment, const segment_brief *brief)
{
    ledger *to = user;
    for (size_t i = 0; i < brief->gap_count; i++)
        gap_list_append(to->rows, &brief->gaps[i]);
    if (is_accounted(segment))
        time_account_add(to->of, segment, brief);
}

static void add_briefs(ledger *to)
{
    const archive_listing *listing = &to->view->listing;
    archive_view_each_brief(to->view, add_brief, to, to->has_brief);
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        segment_rows found;
        if (to->has_brief[i])
            continue;
        read_rows(to->view, segment, CATALOG_ROWS, &found);
        const segment_brief brief = segment_rows_brief(&found);
        add_brief(to, segment, &brief);
        if (is_accounted(segment))
            time_account_add_topics(to->of, &segment->name, &found.index);
        to->has_topics[i] = 1;
        segment_rows_fini(&found);
    }
}

/* Add the topics of feeds that have imports. */
static void add_topics(ledger *to)
{
    const archive_listing *listing = &to->view->listing;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        segment_rows found;
        if (to->has_topics[i] || !time_account_has_captures(to->of, segment->name.feed))
            continue;
        read_rows(to->view, segment, CATALOG_INDEX, &found);
        time_account_add_topics(to->of, &segment->name, &found.index);
        segment_rows_fini(&found);
    }
}

static ledger begin_ledger(archive_view *view, gap_list *rows)
{
    const size_t count = view->listing.segment_count + 1;
    ledger to = {.view = view,
                 .rows = rows,
                 .of = time_account_open(),
                 .has_brief = td_alloc_zero(count, 1),
                 .has_topics = td_alloc_zero(count, 1)};
    archive_view_begin_loads(view);
    add_briefs(&to);
    gap_list_merge(rows);
    return to;
}

static void end_ledger(ledger *of)
{
    archive_view_end_loads(of->view);
    time_account_close(of->of);
    td_free(of->has_brief);
    td_free(of->has_topics);
}

void archive_gaps_of(archive_view *view, gap_list *rows)
{
    *rows = (gap_list){0};
    ledger to = begin_ledger(view, rows);
    add_topics(&to);
    lost_data_add_journal(&view->past, &view->listing, &view->journal_gaps);
    join_journal(view, rows);
    (void)time_account_add_crashes(view, rows, NULL); /* other checks report unreadable segments */
    lost_data_add_missing(view, rows);
    disproved_gaps_split(view, rows);
    time_account_add_between(to.of, view, rows);
    end_ledger(&to);
}

td_result archive_gaps(archive *a, gap_list *out, td_err *err)
{
    archive_view *view = NULL;
    *out = (gap_list){0};
    td_result rc = archive_view_open(a, VIEW_ALL, NULL, &view, err);
    if (rc == TD_OK)
        archive_gaps_of(view, out);
    archive_view_close(view);
    return rc;
}

void archive_written_gaps(archive_view *view, gap_list *out)
{
    ledger of = begin_ledger(view, out);
    end_ledger(&of);
    gap_list_join(out, &view->journal_gaps);
}
