#include "archive/prune.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/time_text.h"
#include "format/segment_index.h"
#include "archive/archive.h"
#include "archive/archive_segment.h"
#include "archive/archive_view.h"
#include "archive/read_plan.h"
#include "archive/segment_rows.h"
#include "archive/feed_history.h"
#include "archive/journal.h"
#include "archive/notes.h"
#include "archive/reindex.h"

/* A segment of the wanted feeds. */
typedef struct prune_candidate {
    const segment_index *segment; /* from the plan */
    uint64_t until_ns; /* time of the feed's first remaining frame after the segment, or last_ns */
    prune_reason reason;  /* why it is removed, if is_chosen */
    uint8_t is_removable; /* 1: finished, also in the journal */
    uint8_t was_pruned;   /* 1: the journal has it as pruned already */
    uint8_t is_noted;     /* 1: a note keeps it */
    uint8_t is_chosen;
} prune_candidate;

typedef struct prune_work {
    archive *archive;
    const prune_options *options;
    prune_report *report;
    journal *journal; /* NULL: nothing is written */
    archive_view *view;
    uint64_t old_ns; /* limit by age: remove segments that end earlier; 0: no limit */
    read_plan *plan;
    prune_candidate *candidates; /* oldest first */
    size_t count;
} prune_work;

const char *prune_reason_name(prune_reason reason)
{
    static const char *const NAMES[] = {[PRUNE_OLD] = "age",
                                        [PRUNE_TOO_LARGE] = "size",
                                        [PRUNE_SPACE] = "space",
                                        [PRUNE_FEED] = "feed",
                                        [PRUNE_LEFTOVER] = "leftover"};
    TD_ASSERT(reason <= PRUNE_LEFTOVER);
    return NAMES[reason];
}

/* ---- which segments are removed ---- */

/* Order by the last frame, which decides whether a segment is too old. */
static int compare_candidates(const void *a, const void *b)
{
    const prune_candidate *left = a;
    const prune_candidate *right = b;
    if (left->segment->last_ns != right->segment->last_ns)
        return left->segment->last_ns < right->segment->last_ns ? -1 : 1;
    if (left->segment->first_ns != right->segment->first_ns)
        return left->segment->first_ns < right->segment->first_ns ? -1 : 1;
    return strcmp(left->segment->path, right->segment->path);
}

static int is_noted(const note_list *notes, const segment_index *segment)
{
    for (size_t i = 0; i < notes->count; i++) {
        const archive_note *note = &notes->notes[i];
        if (note->keeps && note->time.from_ns <= segment->last_ns &&
            note->time.to_ns >= segment->first_ns &&
            (note->feed[0] == '\0' || strcmp(note->feed, segment->feed) == 0))
            return 1;
    }
    return 0;
}

/* Collect the candidates. Removal cannot be undone, so times and sizes are read from the files. */
static td_result gather(prune_work *w, td_err *err)
{
    const prune_options *o = w->options;
    const read_query query = {
        .time = TIME_SPAN_ALL, .wants_feed = o->wants_feed, .user = o->user, .view = w->view};
    note_list notes = {0};
    td_result rc = read_plan_open(w->archive, &query, &w->plan, err);
    if (rc == TD_OK && !o->also_kept)
        rc = note_list_read(w->archive, &notes, err);
    if (rc == TD_OK && o->older_than_ns > 0) {
        uint64_t newest_ns =
            archive_view_newest_ns(w->view, clock_wall_ns(archive_clock(w->archive)));
        w->report->counted_from_ns = newest_ns;
        w->old_ns = newest_ns > o->older_than_ns ? newest_ns - o->older_than_ns : 0;
    }
    if (rc != TD_OK) {
        note_list_fini(&notes);
        return rc;
    }
    w->report->segments_unreadable = read_plan_unreadable_count(w->plan);
    w->candidates = td_alloc_zero(read_plan_count(w->plan) + 1, sizeof w->candidates[0]);
    for (size_t i = 0; i < read_plan_count(w->plan); i++) {
        const segment_index *segment = read_plan_segment(w->plan, i)->index;
        const past_segment *past = archive_history_segment(&w->view->past, segment->path);
        /* A finished name does not make a segment removable: a recorder or a recovery may be about
         * to write its journal entry. A segment that the journal lacks, because entries were lost,
         * may be removed. */
        int was_pruned = past != NULL && past->stage == PAST_PRUNED;
        int has_end = past == NULL || past->stage == PAST_FINISHED || was_pruned;
        w->candidates[w->count++] = (prune_candidate){.segment = segment,
                                                      .until_ns = segment->last_ns,
                                                      .is_removable = !segment->is_open && has_end,
                                                      .was_pruned = was_pruned != 0,
                                                      .is_noted = is_noted(&notes, segment) != 0};
    }
    note_list_fini(&notes);
    if (w->count > 0)
        qsort(w->candidates, w->count, sizeof w->candidates[0], compare_candidates);
    return TD_OK;
}

static int compare_in_feed(const void *a, const void *b)
{
    const segment_index *left = (*(prune_candidate *const *)a)->segment;
    const segment_index *right = (*(prune_candidate *const *)b)->segment;
    int order = strcmp(left->feed, right->feed);
    return order != 0 ? order
                      : (left->first_ns > right->first_ns) - (left->first_ns < right->first_ns);
}

/* Time from which the feed has frames again, at or after the start of candidate i. by_time has the
 * feed's `count` candidates in order of start. Sessions may overlap: a remaining segment may begin
 * within candidate i, or begin before it and reach into it. reach_ns is the latest end of the
 * remaining segments that begin before candidate i. */
static uint64_t next_ns_of(prune_candidate *const *by_time, size_t count, size_t i,
                           uint64_t reach_ns)
{
    const segment_index *of = by_time[i]->segment;
    if (reach_ns >= of->first_ns)
        return of->first_ns;
    for (size_t k = i + 1; k < count; k++)
        if (!by_time[k]->is_chosen || by_time[k]->segment->first_ns > of->last_ns)
            return by_time[k]->segment->first_ns;
    return of->last_ns;
}

static void find_next_of_feed(prune_candidate *const *by_time, size_t count)
{
    uint64_t reach_ns = 0; /* time of the last frame of the remaining segments so far */
    for (size_t i = 0; i < count; i++) {
        prune_candidate *candidate = by_time[i];
        if (candidate->is_chosen)
            candidate->until_ns = next_ns_of(by_time, count, i, reach_ns);
        else if (candidate->segment->last_ns > reach_ns)
            reach_ns = candidate->segment->last_ns;
    }
}

static void find_next(prune_work *w)
{
    prune_candidate **by_time = td_alloc_zero(w->count + 1, sizeof(prune_candidate *));
    for (size_t i = 0; i < w->count; i++)
        by_time[i] = &w->candidates[i];
    if (w->count > 0)
        qsort(by_time, w->count, sizeof(prune_candidate *), compare_in_feed);
    for (size_t from = 0, to = 0; from < w->count; from = to) {
        while (to < w->count &&
               strcmp(by_time[to]->segment->feed, by_time[from]->segment->feed) == 0)
            to++;
        find_next_of_feed(by_time + from, to - from);
    }
    td_free(by_time);
}

/* Bytes to remove so that free_bytes are free; 0 if that is unknown. */
static uint64_t missing_bytes(const prune_work *w)
{
    td_space space = {0};
    if (w->options->free_bytes == 0 ||
        td_io_space(archive_io(w->archive), archive_path(w->archive), &space, NULL) != TD_OK ||
        space.total_bytes == 0 || space.free_bytes >= w->options->free_bytes)
        return 0;
    return w->options->free_bytes - space.free_bytes;
}

/* Apply the limits, oldest segment first. Segments that were pruned before are removed in any case,
 * and their size does not count. */
static void choose(prune_work *w)
{
    const prune_options *o = w->options;
    const uint64_t before_ns = w->old_ns > o->before_ns ? w->old_ns : o->before_ns;
    const uint64_t missing = missing_bytes(w);
    int has_bound = o->before_ns != 0 || o->older_than_ns != 0 || o->keep_bytes != UINT64_MAX ||
                    o->free_bytes != 0;
    uint64_t freed = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < w->count; i++)
        bytes += w->candidates[i].was_pruned ? 0 : w->candidates[i].segment->file_bytes;
    for (size_t i = 0; i < w->count; i++) {
        prune_candidate *c = &w->candidates[i];
        if (!c->is_removable)
            continue;
        c->is_chosen = 1;
        if (c->was_pruned)
            c->reason = PRUNE_LEFTOVER;
        else if (!has_bound)
            c->reason = PRUNE_FEED;
        else if (c->segment->last_ns < before_ns)
            c->reason = PRUNE_OLD;
        else if (bytes > o->keep_bytes)
            c->reason = PRUNE_TOO_LARGE;
        else if (freed < missing)
            c->reason = PRUNE_SPACE;
        else
            c->is_chosen = 0;
        if (c->is_chosen && c->is_noted && !c->was_pruned) {
            c->is_chosen = 0;
            w->report->segments_noted++;
        }
        freed += c->is_chosen ? c->segment->file_bytes : 0;
        if (c->is_chosen && !c->was_pruned)
            bytes -= c->segment->file_bytes;
    }
}

/* Let the caller decide about each chosen segment. */
static td_result confirm_each(prune_work *w, td_err *err)
{
    const prune_options *o = w->options;
    td_result rc = TD_OK;
    for (size_t i = 0; o->confirm != NULL && rc == TD_OK && i < w->count; i++) {
        prune_candidate *c = &w->candidates[i];
        int may_be_removed = 0;
        if (!c->is_chosen || c->was_pruned)
            continue;
        rc = o->confirm(o->user, c->segment, &may_be_removed, err);
        c->is_chosen = may_be_removed != 0;
        w->report->segments_refused += !may_be_removed;
    }
    return rc;
}

static void count_chosen(prune_work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const prune_candidate *c = &w->candidates[i];
        prune_report *report = w->report;
        *(c->is_chosen ? &report->segments : &report->segments_kept) += 1;
        *(c->is_chosen ? &report->bytes : &report->bytes_kept) += c->segment->file_bytes;
        report->frames += c->is_chosen ? c->segment->message_count : 0;
    }
}

/* Fail if, between the segments that are too old and the others, there are no frames for longer
 * than the age and than LIMIT_PRUNE_HOLE_NS. Removal cannot be undone, and ages count from the
 * newest frame, whose time is wrong if the machine's clock jumped. */
static td_result check_bound(const prune_work *w, td_err *err)
{
    const prune_options *o = w->options;
    uint64_t hole_ns =
        o->older_than_ns > LIMIT_PRUNE_HOLE_NS ? o->older_than_ns : LIMIT_PRUNE_HOLE_NS;
    uint64_t last_ns = 0; /* last time in the segments that are removed only because of their age */
    uint64_t next_ns = UINT64_MAX; /* first time of a segment that is not too old */
    char last[TD_TIME_TEXT_BYTES];
    char next[TD_TIME_TEXT_BYTES];
    char age[TD_TIME_TEXT_BYTES];
    for (size_t i = 0; i < w->count; i++) {
        const prune_candidate *c = &w->candidates[i];
        if (c->is_chosen && c->reason == PRUNE_OLD && c->segment->last_ns >= o->before_ns)
            last_ns = c->segment->last_ns;
    }
    for (size_t i = 0; i < w->view->listing.segment_count; i++) {
        const segment_name *name = &w->view->listing.segments[i].name;
        const time_span hour = segment_name_span(name);
        if (name->is_parsed && hour.to_ns > w->old_ns && hour.from_ns < next_ns)
            next_ns = hour.from_ns;
    }
    if (last_ns == 0 || next_ns <= last_ns || next_ns - last_ns <= hole_ns)
        return TD_OK;
    td_time_format(last_ns, last);
    td_time_format(next_ns, next);
    td_duration_format(o->older_than_ns, age);
    td_result rc = td_err_set(
        err, TD_E_LIMIT,
        "nothing is removed: everything until %s would be older than %s, because the next frames "
        "are from %s; a clock that had jumped would look the same",
        last, age, next);
    td_err_hint(err, "to remove them all the same, give --before %.10s", next);
    return rc;
}

static td_result check_all(const prune_work *w, td_err *err)
{
    if (w->options->is_dry_run || w->options->is_all || w->report->segments == 0 ||
        w->report->segments < w->view->listing.segment_count)
        return TD_OK;
    td_result rc = td_err_set(err, TD_E_INVALID, "that would remove everything: %llu segments",
                              (unsigned long long)w->report->segments);
    td_err_hint(err, "nothing was removed; --all removes it, --dry-run lists it");
    return rc;
}

/* ---- gaps that must outlive their segments ---- */

/* 1 if the gap ends before the feed's remaining frames begin. */
static int ends_before_rest(const prune_work *w, const gap_row *row)
{
    for (size_t i = 0; i < w->count && row->to_ns != GAP_OPEN; i++) {
        const prune_candidate *c = &w->candidates[i];
        if (c->is_chosen && strcmp(c->segment->feed, row->feed) == 0 &&
            row->to_ns >= c->segment->first_ns && row->to_ns <= c->until_ns)
            return 1;
    }
    return 0;
}

/* Copy to the journal: gaps that extend past the removed segments, and the ends of gaps that are
 * open in the journal. */
static td_result keep_gaps(prune_work *w, td_err *err)
{
    gap_list leaving = {0};
    td_result rc = TD_OK;
    for (size_t i = 0; i < w->count && rc == TD_OK; i++) {
        segment_rows rows = {0};
        if (w->candidates[i].is_chosen)
            rc = segment_rows_read(w->archive, w->candidates[i].segment->path, &rows, err);
        rc = rc == TD_E_IO ? rc : TD_OK; /* a damaged segment may be removed */
        gap_list_join(&leaving, &rows.gaps);
        segment_rows_fini(&rows);
    }
    for (size_t i = 0; i < leaving.count && rc == TD_OK; i++) {
        const gap_row *row = &leaving.rows[i];
        const gap_row *listed = gap_list_find(&w->view->journal_gaps, row);
        if (ends_before_rest(w, row) && (listed == NULL || listed->to_ns != GAP_OPEN))
            continue;
        w->report->gaps_kept++;
        rc = journal_append_gap(w->journal, row, err);
    }
    gap_list_fini(&leaving);
    return rc;
}

/* ---- removing ---- */

/* Journal a removed segment with its totals. The totals have the segment's last chain value, which
 * is needed to verify the next segment. */
static td_result journal_removal(prune_work *w, const prune_candidate *c, td_err *err)
{
    char numbers[3][24];
    const segment_totals totals = archive_segment_totals(c->segment);
    const journal_segment segment = {c->segment->path, c->segment->feed, c->segment->session,
                                     &totals};
    const journal_field more[] = {
        journal_u64("first_ns", c->segment->first_ns, numbers[0]),
        journal_u64("last_ns", c->segment->last_ns, numbers[1]),
        journal_u64("until_ns", c->until_ns, numbers[2]),
        journal_text("why", prune_reason_name(c->reason)),
        journal_text("store", w->options->moved_to == NULL ? "" : w->options->moved_to),
    };
    const size_t count = sizeof more / sizeof more[0];
    return w->options->moved_to == NULL
               ? journal_append_segment(w->journal, JOURNAL_PRUNED, &segment, more, count - 1, err)
               : journal_append_segment(w->journal, JOURNAL_MOVED, &segment, more, count, err);
}

static td_result remove_file(const prune_work *w, const prune_candidate *c, td_err *err)
{
    TD_ASSERT(c->is_chosen && c->is_removable);
    char full[LIMIT_PATH_BYTES];
    td_result rc = archive_join(w->archive, c->segment->path, full, err);
    if (rc == TD_OK)
        rc = td_io_unlink(archive_io(w->archive), full, err);
    return rc == TD_OK ? td_io_sync_folder_of(archive_io(w->archive), full, err) : rc;
}

/* Remove the empty folders of a removed segment, from the day's upwards. A writer that has just
 * made such a folder makes it again. A folder that a power cut restores does no harm. */
static void remove_folders_of(const prune_work *w, const char *path)
{
    char full[LIMIT_PATH_BYTES];
    td_io io = archive_io(w->archive);
    if (archive_join(w->archive, path, full, NULL) != TD_OK)
        return;
    for (unsigned level = 0; level < 3; level++) { /* day, month, year */
        *strrchr(full, '/') = '\0';
        if (td_io_unlink(io, full, NULL) != TD_OK || td_io_sync_folder_of(io, full, NULL) != TD_OK)
            return;
        w->report->folders++;
    }
}

static td_result remove_all(prune_work *w, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < w->count && rc == TD_OK; i++) {
        const prune_candidate *c = &w->candidates[i];
        if (!c->is_chosen)
            continue;
        if (w->journal != NULL && !c->was_pruned)
            rc = journal_removal(w, c, err);
        if (rc == TD_OK && w->journal != NULL)
            rc = remove_file(w, c, err);
        if (rc == TD_OK && w->options->removing != NULL)
            w->options->removing(w->options->user, c->segment, c->reason);
        if (rc != TD_OK)
            rc = td_err_add(err, rc, "pruning %s", c->segment->path);
        else if (w->journal != NULL)
            remove_folders_of(w, c->segment->path);
    }
    return rc;
}

/* ---- prune ---- */

static void update_catalog(prune_work *w)
{
    reindex_report done = {0};
    archive_update_catalog(w->archive, &done);
    const uint64_t changed = done.segments_gone + done.segments_read;
    if (changed > w->report->segments)
        w->report->catalog_updated = changed - w->report->segments;
}

static td_result do_work(prune_work *w, td_err *err)
{
    td_result rc = w->options->is_dry_run
                       ? TD_OK
                       : journal_open(w->archive, NULL, NULL, NULL, &w->journal, err);
    if (rc == TD_OK)
        rc = archive_view_open(w->archive, VIEW_FILES, archive_log(w->archive), &w->view, err);
    if (rc == TD_OK)
        rc = gather(w, err);
    if (rc == TD_OK) {
        choose(w);
        rc = check_bound(w, err);
    }
    if (rc == TD_OK)
        rc = confirm_each(w, err);
    if (rc == TD_OK) {
        find_next(w);
        count_chosen(w);
        rc = check_all(w, err);
    }
    if (rc != TD_OK) {
        w->report->segments = 0;
        return rc;
    }
    if (w->journal != NULL && w->report->segments > 0)
        rc = keep_gaps(w, err);
    if (rc == TD_OK)
        rc = remove_all(w, err);
    if (w->journal != NULL) /* also after a prune that was killed before this */
        update_catalog(w);
    return rc;
}

td_result archive_prune(archive *a, const prune_options *options, prune_report *report, td_err *err)
{
    TD_ASSERT(options->is_dry_run || archive_get_mode(a) == ARCHIVE_MAINTAIN);
    *report = (prune_report){0};
    prune_work w = {.archive = a, .options = options, .report = report};
    td_result rc = do_work(&w, err);
    td_free(w.candidates);
    read_plan_close(w.plan);
    archive_view_close(w.view);
    journal_close(w.journal);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "pruning archive '%s'", archive_path(a));
}
