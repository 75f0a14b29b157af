#include "archive/archive_recover.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "archive/archive_segment.h"
#include "archive/archive_view.h"
#include "archive/feed_history.h"
#include "archive/feed_unlisted.h"
#include "archive/journal.h"
#include "archive/ledger.h"
#include "format/recover.h"
#include "archive/reindex.h"
#include "archive/lost_data.h"
#include "archive/repack.h"
#include "archive/time_account.h"
#include "format/chain.h"

/* Steps, each durable before the next, so that the next recovery continues a killed one:
 *   1. journal the `crash` gaps that readers derive until then (time_account.h)
 *   2. for each segment: recover_segment keeps the tail, cuts, finishes, renames (recover.h); then
 *      journal `recovered` or `discarded`
 *   3. journal `session_crashed`
 *
 * If recovery is killed within step 2, the journal has the segment as opened and not finished, but
 * the segment's file has its final name, or is in torn/. */

typedef struct work {
    archive *archive;
    recover_event_fn *progress;
    void *user;
    recover_report *report;
    archive_history past;
    archive_listing listing;
    unlisted_list unlisted; /* segments that the journal lacks, because it was copied before them */
    char live[SESSION_ID_BYTES];
    recover_result *result; /* shared by all segments, because it is large */
} work;

static void report_progress(const work *w, const char *path, const recover_result *result,
                            int is_lossy, const char *what)
{
    TD_ASSERT(what != NULL);
    const recover_event event = {
        .path = path,
        .frames_kept = result == NULL ? 0 : result->frame_count,
        .torn_bytes = result == NULL ? 0 : result->torn_bytes,
        .is_lossy = is_lossy != 0,
        .what = what,
    };
    if (w->progress != NULL)
        w->progress(w->user, &event);
}

static int is_live(const work *w, const char *session)
{
    return archive_session_is_live(&w->listing, w->live, session);
}

/* ---- entries of the journal ---- */

static td_result write_gap(const work *w, const gap_row *row, td_err *err)
{
    td_result rc = journal_append_gap(w->past.writer, row, err);
    if (rc != TD_OK)
        return rc;
    const recover_event event = {.gap = row, .what = ""};
    w->report->gaps_opened++;
    if (w->progress != NULL)
        w->progress(w->user, &event);
    return TD_OK;
}

/* 1 if a session crashed, or left a segment open. Otherwise the ledger, which grows with the
 * archive, need not be read. */
static int is_crash(const work *w)
{
    for (size_t i = 0; i < w->listing.segment_count; i++)
        if (w->listing.segments[i].name.is_open && !is_live(w, w->listing.segments[i].name.session))
            return 1;
    for (size_t i = 0; i < w->past.session_count; i++)
        if (w->past.sessions[i].state == SESSION_OPEN && !is_live(w, w->past.sessions[i].session))
            return 1;
    return 0;
}

static size_t unreadable_count(const archive_listing *listing)
{
    size_t count = 0;
    for (size_t i = 0; i < listing->unexpected_count; i++)
        count += listing->unexpected[i].is_unreadable;
    return count;
}

/* Journal the gaps of crashed sessions. Fails if a folder can no longer be listed: its segments
 * would be finished without gaps. */
static td_result write_crash_gaps(work *w, td_err *err)
{
    archive_view *view = NULL;
    gap_list known = {0};
    gap_list rows = {0};
    if (!is_crash(w))
        return TD_OK;
    td_result rc = archive_view_open(w->archive, VIEW_ALL, NULL, &view, err);
    if (rc == TD_OK && unreadable_count(&view->listing) > unreadable_count(&w->listing))
        rc = td_err_set(err, TD_E_IO, "a folder that was listed cannot be listed again");
    if (rc == TD_OK) {
        archive_written_gaps(view, &known);
        gap_list_join(&rows, &known);
        rc = time_account_add_crashes(view, &rows, err);
    }
    archive_view_close(view);
    for (size_t i = 0; i < rows.count && rc == TD_OK; i++) {
        gap_row row = rows.rows[i];
        const gap_row *listed = gap_list_find(&known, &row);
        if (listed != NULL && listed->to_ns >= row.to_ns)
            continue;
        row.detail = ""; /* drops the hint to run recover */
        rc = write_gap(w, &row, err);
    }
    gap_list_fini(&known);
    gap_list_fini(&rows);
    return rc;
}

/* ---- the end of a segment ---- */

/* Journal an act on a segment. totals: of a finished segment; NULL for other segments. */
static td_result journal_act(const work *w, const char *act, const char *path,
                             const segment_name *name, const segment_totals *totals, td_err *err)
{
    const journal_segment segment = {path, name->feed, name->session, totals};
    return journal_append_segment(w->past.writer, act, &segment, NULL, 0, err);
}

/* ---- segments ---- */

/* Nothing of the segment is left: journal `discarded`, and a gap if the segment had durable
 * frames. */
static td_result close_discarded(work *w, const char *path, const segment_name *name, td_err *err)
{
    past_segment *row = archive_history_segment(&w->past, path);
    td_result rc = TD_OK;
    if (row != NULL && w->result->damaged_blocks > 0) {
        const gap_row gap = lost_data_discarded(w->archive, &w->past, row, name);
        rc = write_gap(w, &gap, err);
    }
    return rc == TD_OK ? journal_act(w, JOURNAL_DISCARDED, path, name, NULL, err) : rc;
}

/* 1 if the segment has fewer chunks than its writer announced as durable: another program cut or
 * replaced it. */
static int lacks_announced(const work *w, const char *path)
{
    const past_segment *row = archive_history_segment(&w->past, path);
    uint64_t chunks = w->result->has_segment ? w->result->totals.chunk_count : 0;
    if (row == NULL || chunks >= row->announced_chunks)
        return 0;
    td_log_emit(archive_log(w->archive), TD_LOG_ERROR,
                "%s: %llu chunks were announced durable, %llu are there", path,
                (unsigned long long)row->announced_chunks, (unsigned long long)chunks);
    return 1;
}

/* Find the last chain value of the finished segment: in the journal, or in the next segment, which
 * continues the chain. *by names the source. 0 if unknown. */
static int find_end(const work *w, const char *path, td_hash128 *chain, const char **by)
{
    const past_segment *row = archive_history_segment(&w->past, path);
    if (row != NULL && (row->stage == PAST_FINISHED || row->stage == PAST_PRUNED)) {
        *chain = row->link;
        *by = "the journal";
        return 1;
    }
    for (size_t i = 0; i < w->unlisted.count; i++) {
        const segment_index *next = &w->unlisted.rows[i].index;
        if (strcmp(next->previous_segment, segment_file_name(path)) != 0)
            continue;
        *chain = next->previous_chain;
        *by = next->path;
        return 1;
    }
    return 0;
}

/* Fail if the file is an incomplete copy: the journal or another segment shows that more of the
 * segment existed, and finishing the file would hide the loss. */
static td_result check_whole(const work *w, const archive_segment *segment, const char *path,
                             td_err *err)
{
    td_hash128 wanted;
    td_hash128 chain = {0};
    const char *by = "";
    segment_index index;
    if (!find_end(w, path, &wanted, &by))
        return TD_OK;
    td_result rc = archive_read_index(w->archive, segment->path, INDEX_SUMMARY, &index, err);
    if (rc != TD_OK)
        return rc;
    int is_whole =
        chain_value_parse(td_bytes_str(index.chain_hex), &chain) && td_hash128_equal(chain, wanted);
    segment_index_fini(&index);
    if (is_whole)
        return TD_OK;
    return td_err_set(
        err, TD_E_INVALID,
        "the segment is incomplete: %s has another last chain value for it; copy %s from the "
        "original archive again",
        by, path);
}

/* Leave the segment of a live session: its writer still appends to it. */
static td_result leave_live(const work *w, const archive_segment *segment)
{
    w->report->segments_live++;
    report_progress(w, segment->path, NULL, 0, "not changed: its session is live");
    return TD_OK;
}

static td_result recover_one(work *w, const archive_segment *segment, td_err *err)
{
    TD_ASSERT(segment->name.is_open);
    if (is_live(w, segment->name.session))
        return leave_live(w, segment);
    char path[LIMIT_PATH_BYTES];
    char full[LIMIT_PATH_BYTES];
    char torn[LIMIT_PATH_BYTES];
    segment_final_path(segment->path, path);
    const recover_result *result = w->result;
    td_result rc = check_whole(w, segment, path, err);
    if (rc == TD_OK)
        rc = archive_join(w->archive, segment->path, full, err);
    if (rc == TD_OK)
        rc = archive_make_torn(w->archive, torn, err);
    if (rc == TD_OK)
        rc = recover_segment(archive_io(w->archive), full, torn, w->result, err);
    if (rc == TD_E_BUSY) { /* locked since it was listed */
        td_err_clear(err);
        return leave_live(w, segment);
    }
    if (rc == TD_OK && result->has_segment)
        rc = journal_act(w, JOURNAL_RECOVERED, path, &segment->name, &result->totals, err);
    else if (rc == TD_OK)
        rc = close_discarded(w, path, &segment->name, err);
    if (rc != TD_OK)
        return rc;
    int is_lossy = lacks_announced(w, path) || result->damaged_blocks > 0;
    w->report->segments_recovered++;
    w->report->frames_kept += result->has_segment ? result->frame_count : 0;
    w->report->torn_bytes += result->torn_bytes;
    w->report->is_lossy = w->report->is_lossy || is_lossy;
    if (result->damaged_blocks > 0)
        td_log_emit(
            archive_log(w->archive), TD_LOG_ERROR,
            "%s: %llu damaged blocks between %llu and %llu: frames that were durable are lost",
            path, (unsigned long long)result->damaged_blocks,
            (unsigned long long)result->damaged_from, (unsigned long long)result->damaged_to);
    report_progress(w, segment->path, result, is_lossy,
                    result->has_segment ? "recovered" : "discarded: nothing durable was in it");
    return TD_OK;
}

static td_result recover_open_segments(work *w, td_err *err)
{
    for (size_t i = 0; i < w->listing.segment_count; i++) {
        const archive_segment *segment = &w->listing.segments[i];
        if (!segment->name.is_open)
            continue;
        td_err cause;
        td_err_clear(&cause);
        td_result rc = recover_one(w, segment, &cause);
        if (rc == TD_OK)
            continue;
        if (rc == TD_E_NOSPACE || rc == TD_E_IO)
            return td_err_set(err, rc, "%s: %s", segment->path, cause.text);
        w->report->segments_failed++;
        w->report->is_lossy = 1;
        td_log_emit(archive_log(w->archive), TD_LOG_ERROR, "cannot recover %s: %s", segment->path,
                    cause.text);
        report_progress(w, segment->path, NULL, 1, "cannot be recovered");
    }
    return TD_OK;
}

/* ---- interrupted between rename and journal ---- */

/* Sync the folder of a file. The file's final name may not be durable, because the writer may have
 * been killed before it synced the folder. The journal must not be ahead of the disk. */
static td_result sync_folder_of(const work *w, const char *path, td_err *err)
{
    char full[LIMIT_PATH_BYTES];
    td_result rc = archive_join(w->archive, path, full, err);
    return rc == TD_OK ? td_io_sync_folder_of(archive_io(w->archive), full, err) : rc;
}

/* Write the missing entries about a file in torn/, after making its move there durable. */
static td_result finish_quarantine(work *w, const past_segment *row, const segment_name *name,
                                   const char *torn, td_err *err)
{
    int has_durable = 0;
    *w->result = (recover_result){0};
    td_result rc = recover_has_durable(archive_io(w->archive), torn, &has_durable, err);
    if (rc == TD_OK)
        rc = sync_folder_of(w, "torn/", err);
    if (rc == TD_OK)
        rc = sync_folder_of(w, row->path, err);
    w->report->is_lossy = w->report->is_lossy || has_durable;
    w->result->damaged_blocks = has_durable != 0;
    return rc == TD_OK ? close_discarded(w, row->path, name, err) : rc;
}

/* Write the missing entry that a segment is finished. */
static td_result enter_finished(work *w, const char *path, const segment_index *index, td_err *err)
{
    const segment_totals totals = archive_segment_totals(index);
    const journal_segment segment = {path, index->feed, index->session, &totals};
    td_result rc = sync_folder_of(w, path, err);
    return rc == TD_OK ? journal_append_segment(w->past.writer, JOURNAL_SEGMENT_FINISHED, &segment,
                                                NULL, 0, err)
                       : rc;
}

/* Fail if the segment's open file exists, but is not in the listing: the file could not be read
 * when the folder was listed. */
static td_result check_absent(const work *w, const past_segment *row, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    uint64_t size;
    segment_open_path(row->path, path);
    td_result rc = archive_file_size(w->archive, path, &size, err);
    if (rc == TD_OK)
        rc = td_err_set(err, TD_E_IO, "%s: could not be read a moment ago", path);
    if (rc == TD_E_IO)
        return rc;
    td_err_clear(err);
    w->report->is_lossy = 1;
    return TD_OK;
}

/* Handle a segment that the journal has as opened, and that has no open file. */
static td_result finish_interrupted_one(work *w, past_segment *row, td_err *err)
{
    TD_ASSERT(row->stage == PAST_OPENED);
    segment_name name;
    segment_index index;
    char torn[LIMIT_PATH_BYTES];
    td_err cause;
    td_err_clear(&cause);
    if (!segment_name_parse(segment_file_name(row->path), &name))
        return TD_OK;
    td_result rc = archive_read_index(w->archive, row->path, INDEX_SUMMARY, &index, &cause);
    if (rc == TD_OK)
        rc = enter_finished(w, row->path, &index, err);
    else if (rc == TD_E_IO)
        rc = td_err_set(err, rc, "%s: %s", row->path, cause.text);
    else if (archive_history_is_quarantined(w->archive, row, torn))
        rc = finish_quarantine(w, row, &name, torn, err);
    else /* the file is missing, which readers see from the journal */
        rc = check_absent(w, row, err);
    segment_index_fini(&index);
    return rc;
}

/* ---- copies of finished segments ---- */

static td_result quarantine_copy(work *w, const unexpected_file *copy, td_err *err)
{
    char full[LIMIT_PATH_BYTES];
    char torn[LIMIT_PATH_BYTES];
    td_io io = archive_io(w->archive);
    td_result rc = archive_join(w->archive, copy->path, full, err);
    if (rc == TD_OK)
        rc = archive_make_torn(w->archive, torn, err);
    if (rc == TD_OK)
        rc = recover_quarantine_copy(io, full, torn, w->result, err);
    if (rc == TD_E_BUSY) { /* the process that locked it handles it */
        td_err_clear(err);
        return TD_OK;
    }
    if (rc != TD_OK)
        return rc;
    w->report->copies_quarantined++;
    report_progress(w, copy->path, NULL, 0, "moved to torn/: the finished segment counts");
    return TD_OK;
}

/* Move older copies of finished segments to torn/. A backup that ran during the recording and again
 * afterwards has both files of a segment. */
static td_result put_copies_away(work *w, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < w->listing.unexpected_count && rc == TD_OK; i++) {
        const unexpected_file *file = &w->listing.unexpected[i];
        segment_name name;
        if (file->is_copy && segment_name_parse(segment_file_name(file->path), &name) &&
            !is_live(w, name.session))
            rc = quarantine_copy(w, file, err);
    }
    return rc;
}

static td_result finish_interrupted(work *w, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < w->past.segment_count && rc == TD_OK; i++) {
        past_segment *row = &w->past.segments[i];
        char open_path[LIMIT_PATH_BYTES];
        if (row->stage != PAST_OPENED || is_live(w, row->session))
            continue;
        segment_open_path(row->path, open_path);
        if (archive_listing_find(&w->listing, open_path) == NULL)
            rc = finish_interrupted_one(w, row, err);
    }
    return rc;
}

/* ---- segments newer than the journal ---- */

static td_result enter_unlisted(work *w, const unlisted_segment *unlisted, td_err *err)
{
    const segment_index *index = &unlisted->index;
    char path[LIMIT_PATH_BYTES];
    const journal_segment segment = {path, index->feed, index->session, NULL};
    segment_final_path(index->path, path);
    td_result rc = TD_OK;
    if (archive_history_session(&w->past, index->session) == NULL) {
        const session_row session = archive_history_session_of(index);
        rc = journal_append_session(w->past.writer, &session, err);
        if (rc == TD_OK)
            rc = archive_history_open(w->archive, &w->past, err);
    }
    if (rc == TD_OK)
        rc = sync_folder_of(w, path, err);
    if (rc == TD_OK)
        rc = journal_append_segment(w->past.writer, JOURNAL_SEGMENT_OPENED, &segment, NULL, 0, err);
    if (rc != TD_OK || segment_has_open_name(index->path)) /* an open segment is recovered later */
        return rc;
    rc = enter_finished(w, path, index, err);
    if (rc != TD_OK)
        return rc;
    w->report->segments_entered++;
    report_progress(w, index->path, NULL, 0, "entered into the older journal");
    return TD_OK;
}

/* Journal the segments that the journal lacks. An archive has such segments if it is a copy whose
 * journal was copied before its segments. A segment that does not continue the journal's last one
 * is skipped: it may be from another archive. */
static td_result enter_unlisted_all(work *w, td_err *err)
{
    td_result rc = archive_history_open(w->archive, &w->past, err);
    if (rc == TD_OK)
        rc = unlisted_list_read(w->archive, &w->past, &w->listing, &w->unlisted, err);
    for (size_t i = 0; i < w->unlisted.count && rc == TD_OK; i++) {
        const unlisted_segment *unlisted = &w->unlisted.rows[i];
        if (unlisted->is_linked && !is_live(w, unlisted->index.session))
            rc = enter_unlisted(w, unlisted, err);
    }
    return rc;
}

/* ---- the end of crashed sessions ---- */

/* Journal that sessions crashed; the entries about their segments were written before. */
static td_result end_sessions(work *w, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < w->past.session_count && rc == TD_OK; i++) {
        const session_row *session = &w->past.sessions[i];
        const journal_field field = journal_text("session", session->session);
        if (session->state != SESSION_OPEN || is_live(w, session->session))
            continue;
        rc = journal_append(w->past.writer, JOURNAL_SESSION_CRASHED, &field, 1, err);
        if (rc == TD_OK)
            w->report->sessions_crashed++;
    }
    return rc;
}

/* ---- recover ---- */

static td_result do_work(work *w, td_err *err)
{
    td_result rc = archive_list_names(w->archive, &w->listing, err);
    /* After listing: no listed segment is of a session that begins now. An appender has not begun
     * yet; segments of its session are another process's. */
    if (rc == TD_OK && archive_get_mode(w->archive) != ARCHIVE_APPEND)
        rc = archive_live_session(w->archive, w->live, err);
    if (rc == TD_OK)
        rc = archive_history_open(w->archive, &w->past, err);
    if (rc == TD_OK)
        rc = archive_repack_clear(w->archive, err);
    if (rc == TD_OK)
        rc = put_copies_away(w, err);
    if (rc == TD_OK) /* first, so that the journal has a feed's segments in the order of writing */
        rc = finish_interrupted(w, err);
    if (rc == TD_OK)
        rc = enter_unlisted_all(w, err);
    if (rc == TD_OK)
        rc = archive_history_open(w->archive, &w->past, err);
    if (rc == TD_OK)
        rc = write_crash_gaps(w, err);
    if (rc == TD_OK)
        rc = recover_open_segments(w, err);
    if (rc == TD_OK)
        rc = end_sessions(w, err);
    w->report->lacks_journal = archive_history_is_damaged(&w->past) != 0;
    /* An appender updates the catalog later, so that connecting does not wait for it. */
    if (rc == TD_OK && archive_get_mode(w->archive) == ARCHIVE_MAINTAIN) {
        reindex_report report = {0};
        archive_update_catalog(w->archive, &report);
        w->report->segments_missing = report.segments_missing;
        w->report->segments_cut = report.segments_cut;
        w->report->is_lossy |= report.segments_missing > 0 || report.segments_cut > 0;
    }
    return rc;
}

td_result archive_recover(archive *a, recover_event_fn *progress, void *user,
                          recover_report *report, td_err *err)
{
    TD_ASSERT(archive_get_mode(a) != ARCHIVE_READ);
    work w = {.archive = a, .progress = progress, .user = user, .report = report};
    td_lock *lock = NULL;
    *report = (recover_report){0};
    td_result rc = archive_lock_maintain(a, &lock, err);
    if (rc == TD_E_BUSY && archive_get_mode(a) == ARCHIVE_APPEND) {
        td_log_emit(archive_log(a), TD_LOG_WARNING,
                    "crashed segments are left for a later recovery: a maintainer is running");
        td_err_clear(err);
        return TD_OK;
    }
    if (rc == TD_OK) {
        w.result = td_alloc_zero(1, sizeof(recover_result));
        rc = do_work(&w, err);
    }
    unlisted_list_fini(&w.unlisted);
    archive_listing_fini(&w.listing);
    archive_history_fini(&w.past);
    td_io_unlock(lock);
    td_free(w.result);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "recovering archive '%s'", archive_path(a));
}

/* ---- a damaged journal ---- */

/* If killed before the last entry, this can be repeated: equal gap rows count once. */
td_result archive_accept_loss(archive *a, td_err *err)
{
    TD_ASSERT(archive_get_mode(a) == ARCHIVE_MAINTAIN);
    archive_history past = {0};
    archive_listing listing = {0};
    gap_list rows = {0};
    td_result rc = archive_history_open(a, &past, err);
    if (rc == TD_OK)
        rc = archive_list(a, &listing, err);
    if (rc == TD_OK)
        lost_data_add_journal(&past, &listing, &rows);
    for (size_t i = 0; i < rows.count && rc == TD_OK; i++)
        rc = journal_append_gap(past.writer, &rows.rows[i], err);
    if (rc == TD_OK)
        rc = journal_append(past.writer, JOURNAL_LOSS_ACCEPTED, NULL, 0, err);
    if (rc == TD_OK)
        archive_update_catalog(a, NULL);
    gap_list_fini(&rows);
    archive_history_fini(&past);
    archive_listing_fini(&listing);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "accepting what the journal has lost");
}
