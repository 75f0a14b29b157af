#include "archive/prune.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/time_text.h"
#include "format/segment_index.h"
#include "archive/archive.h"
#include "archive/archive_newest.h"
#include "archive/read_plan.h"
#include "archive/feed_past.h"
#include "archive/journal.h"
#include "archive/ledger.h"
#include "archive/reindex.h"

/* A segment of the wanted feeds. */
typedef struct prune_candidate {
    const segment_index *segment; /* the plan's */
    uint64_t until_ns;            /* first frame of the feed after it, or last_ns */
    segment_totals totals;
    prune_why why;      /* if it goes */
    uint8_t may_go;     /* 1: finished, also in the journal */
    uint8_t was_pruned; /* 1: the journal has it as pruned already */
    uint8_t goes;
} prune_candidate;

typedef struct prune_work {
    archive *archive;
    const prune_options *options;
    prune_report *report;
    archive_past past;
    uint64_t newest_ns; /* receive time of the archive's newest frame that is not in the future */
    uint64_t old_ns; /* bound by age: segments whose last frame is earlier are removed; 0: none */
    uint64_t before_ns; /* the same with the bound that does not depend on a clock */
    read_plan *plan;
    prune_candidate *candidates; /* oldest first */
    size_t count;
} prune_work;

const char *prune_why_name(prune_why why)
{
    static const char *const NAMES[] = {[PRUNE_OLD] = "age",
                                        [PRUNE_TOO_LARGE] = "size",
                                        [PRUNE_FEED] = "feed",
                                        [PRUNE_LEFTOVER] = "leftover"};
    TD_ASSERT(why <= PRUNE_LEFTOVER);
    return NAMES[why];
}

/* ---- which are too old ---- */

/* Which segments are too old. Removal cannot be undone, and the machine's clock may have jumped: so
 * ages count from the newest frame, and prune refuses to remove what lies before a hole in the
 * archive that is longer than the age and than LIMIT_PRUNE_HOLE_NS. */
enum { HOUR_S = 3600 };

/* Find the moment before which frames are too old. */
static td_result find_bound(prune_work *w, td_err *err)
{
    const prune_options *o = w->options;
    const newest_query until_now = {.until_ns = clock_wall_ns(archive_clock(w->archive))};
    td_result rc = archive_newest_ns(w->archive, &until_now, &w->newest_ns, err);
    if (rc != TD_OK)
        return rc;
    if (o->older_than_ns > 0) {
        w->report->counted_from_ns = w->newest_ns;
        w->old_ns = w->newest_ns > o->older_than_ns ? w->newest_ns - o->older_than_ns : 0;
    }
    w->before_ns = w->old_ns > o->before_ns ? w->old_ns : o->before_ns;
    return TD_OK;
}

/* Where the first segment begins that may have frames at or after a moment; UINT64_MAX: there is
 * none. */
static uint64_t find_first_after(const archive_listing *listing, uint64_t ns)
{
    uint64_t first_ns = UINT64_MAX;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *name = &listing->segments[i].name;
        uint64_t begin_ns = name->first_s * TD_NS_PER_S;
        uint64_t end_ns = (name->first_s / HOUR_S + 1) * HOUR_S * TD_NS_PER_S;
        if (name->is_parsed && end_ns > ns && begin_ns < first_ns)
            first_ns = begin_ns;
    }
    return first_ns;
}

/* The last frame that goes by its age alone; 0 if none does. */
static uint64_t find_last_old(const prune_work *w)
{
    uint64_t last_ns = 0;
    for (size_t i = 0; i < w->count; i++) {
        const prune_candidate *c = &w->candidates[i];
        if (c->goes && c->why == PRUNE_OLD && c->segment->last_ns >= w->options->before_ns &&
            c->segment->last_ns > last_ns)
            last_ns = c->segment->last_ns;
    }
    return last_ns;
}

static td_result refuse(const prune_work *w, uint64_t last_ns, uint64_t next_ns, td_err *err)
{
    char last[TD_TIME_TEXT_BYTES];
    char next[TD_TIME_TEXT_BYTES];
    char age[TD_TIME_TEXT_BYTES];
    td_time_format(last_ns, last);
    td_time_format(next_ns, next);
    td_duration_format(w->options->older_than_ns, age);
    td_result rc = td_err_set(
        err, TD_E_LIMIT,
        "nothing is removed: everything until %s would be older than %s, because the next frames "
        "are from %s; a clock that had jumped would look the same",
        last, age, next);
    td_err_hint(err, "to remove them all the same, give --before %.10s", next);
    return rc;
}

/* After choosing: refuse a choice that a clock that jumped may have caused. TD_E_LIMIT. */
static td_result check_bound(const prune_work *w, td_err *err)
{
    archive_listing listing = {0};
    uint64_t hole_ns_max = w->options->older_than_ns > LIMIT_PRUNE_HOLE_NS
                               ? w->options->older_than_ns
                               : LIMIT_PRUNE_HOLE_NS;
    uint64_t last_ns = w->old_ns == 0 ? 0 : find_last_old(w);
    if (last_ns == 0)
        return TD_OK;
    td_result rc = archive_list(w->archive, &listing, err);
    if (rc == TD_OK) {
        uint64_t next_ns = find_first_after(&listing, w->old_ns);
        if (next_ns > last_ns && next_ns - last_ns > hole_ns_max)
            rc = refuse(w, last_ns, next_ns, err);
    }
    archive_listing_fini(&listing);
    return rc;
}

/* ---- gaps that must not go with their segments ---- */

/* The ledger as it is, and as it would be without the segments that go. */
typedef struct ledgers {
    const prune_work *work;
    gap_list now;
    gap_list without;
    gap_list leaving; /* gaps of the segments to remove */
} ledgers;

static const prune_candidate *find_going(const prune_work *w, const char *path)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->candidates[i].goes && strcmp(w->candidates[i].segment->path, path) == 0)
            return &w->candidates[i];
    }
    return NULL;
}

static td_result sort_out(void *user, const char *source, const gap_list *rows, td_err *err)
{
    ledgers *l = user;
    int leaves = source[0] != '\0' && find_going(l->work, source) != NULL;
    (void)err;
    gap_list_join(&l->now, rows);
    gap_list_join(leaves ? &l->leaving : &l->without, rows);
    return TD_OK;
}

/* 1 if the gap is over before the feed's frames that stay begin. */
static int is_behind_all(const prune_work *w, const gap_row *row)
{
    if (row->to_ns == GAP_OPEN)
        return 0;
    for (size_t i = 0; i < w->count; i++) {
        const prune_candidate *c = &w->candidates[i];
        if (c->goes && strcmp(c->segment->feed, row->feed) == 0 &&
            row->to_ns >= c->segment->first_ns && row->to_ns <= c->until_ns)
            return 1;
    }
    return 0;
}

static int is_same(const gap_row *a, const gap_row *b)
{
    return a->to_ns == b->to_ns && a->frames_lost == b->frames_lost &&
           strcmp(a->covered_by, b->covered_by) == 0 && strcmp(a->cause, b->cause) == 0 &&
           strcmp(a->detail, b->detail) == 0;
}

/* Keep a gap that extends past the removed segments; if another segment also lists it, keep the
 * wider bounds. */
static td_result keep_if_needed(prune_work *w, const ledgers *l, const gap_row *key, td_err *err)
{
    const gap_row *now = gap_list_find(&l->now, key);
    const gap_row *left = gap_list_find(&l->without, key);
    TD_ASSERT(now != NULL);
    int is_needed = left == NULL ? !is_behind_all(w, now) : !is_same(now, left);
    if (!is_needed)
        return TD_OK;
    w->report->gaps_kept++;
    return journal_append_gap(w->past.writer, now, err);
}

static td_result read_sources(prune_work *w, ledgers *l, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    td_result rc = archive_each_gap_source(w->archive, sort_out, l, &cause);
    return rc == TD_OK ? TD_OK
                       : td_err_set(err, rc, "gaps of the segments to remove: %s", cause.text);
}

/* Copy to the journal what the ledger would lose with the segments that go, and must not. */
static td_result keep_gaps(prune_work *w, td_err *err)
{
    TD_ASSERT(w->past.writer != NULL);
    ledgers l = {.work = w};
    td_result rc = read_sources(w, &l, err);
    for (size_t i = 0; i < l.leaving.count && rc == TD_OK; i++)
        rc = keep_if_needed(w, &l, &l.leaving.rows[i], err);
    gap_list_fini(&l.now);
    gap_list_fini(&l.without);
    gap_list_fini(&l.leaving);
    return rc;
}

/* ---- folders that are empty then ---- */

/* Path below the archive of the folder around path; 0 at capture/ itself. */
static int go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return 0;
    *slash = '\0';
    return strchr(path, '/') != NULL;
}

/* 1 if the folder is gone. It has something in it otherwise, most likely. */
static int remove_folder(const prune_work *w, const char *folder)
{
    char full[LIMIT_PATH_BYTES];
    td_result rc = archive_join(w->archive, folder, full, NULL);
    if (rc == TD_OK)
        rc = td_io_unlink(archive_io(w->archive), full, NULL);
    /* An empty folder that comes back after a power cut does no harm. */
    return rc == TD_OK && td_io_sync_folder_of(archive_io(w->archive), full, NULL) == TD_OK;
}

/* The folders of a segment that is gone, from the day's upwards, as far as nothing else is there.
 */
static void remove_folders_of(prune_work *w, const char *path)
{
    char folder[LIMIT_PATH_BYTES];
    (void)snprintf(folder, sizeof folder, "%s", path);
    while (go_up(folder) && remove_folder(w, folder))
        w->report->folders++;
}

/* Folders older than this are not in use by a recorder, which writes into today's folder. Today is
 * taken from the archive's newest frame, because the clock may have jumped. */
static uint64_t settled_before(const prune_work *w)
{
    char live[SESSION_ID_BYTES];
    const uint64_t two_days_ns = UINT64_C(2) * 24 * 3600 * TD_NS_PER_S;
    uint64_t now_ns = w->newest_ns;
    if (archive_live_session(w->archive, live, NULL) != TD_OK)
        return 0;
    const session_row *session = archive_past_session(&w->past, live);
    int is_recorder = session != NULL && strcmp(session->verb, "record") == 0;
    return is_recorder && now_ns > two_days_ns ? now_ns - two_days_ns : 0;
}

/* Remove folders below capture/ that are empty. What cannot be removed stays. An appender makes a
 * day's folder and then a file in it: nothing may come between. So no process may
 * begin to append meanwhile; beside an import, which may be of any day, folders stay until the next
 * time. Folders of what earlier prunes removed are tried too: one may have been killed here. */
static void remove_folders(prune_work *w)
{
    td_lock *lock = NULL;
    if (archive_hold_appenders(w->archive, &lock, NULL) != TD_OK)
        return;
    uint64_t before_ns = lock != NULL ? UINT64_MAX : settled_before(w);
    for (size_t i = 0; i < w->past.segment_count; i++) {
        const past_segment *segment = &w->past.segments[i];
        if (segment->stage == PAST_PRUNED && segment->last_ns < before_ns)
            remove_folders_of(w, segment->path);
    }
    for (size_t i = 0; i < w->count; i++) {
        if (w->candidates[i].goes && w->candidates[i].segment->last_ns < before_ns)
            remove_folders_of(w, w->candidates[i].segment->path);
    }
    td_io_unlock(lock);
}

/* ---- which segments go ---- */

/* By the last frame: that is what decides whether a segment is too old. */
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

/* A finished name is not enough: a recorder, or a recovery, may be about to write its entry. A
 * segment that the journal does not know (it was lost) may go. */
static int may_go(const segment_index *segment, const past_segment *past)
{
    return !segment->is_open &&
           (past == NULL || past->stage == PAST_FINISHED || past->stage == PAST_PRUNED);
}

static void add_candidate(prune_work *w, const segment_index *segment)
{
    const past_segment *past = archive_past_segment(&w->past, segment->path);
    segment_totals totals = {.file_bytes = segment->file_bytes,
                             .message_count = segment->message_count,
                             .chunk_count = (uint32_t)segment->chunk_count};
    if (!chain_value_parse(td_bytes_str(segment->chain_hex), &totals.chain))
        totals.chain = (td_hash128){0}; /* another program's */
    w->candidates[w->count++] =
        (prune_candidate){.segment = segment,
                          .until_ns = segment->last_ns,
                          .totals = totals,
                          .may_go = may_go(segment, past) != 0,
                          .was_pruned = past != NULL && past->stage == PAST_PRUNED};
}

/* Time of the feed's next frames that stay: none is left between the segment's first frame and it.
 * Sessions may overlap, so what stays may begin within this one, or before it. */
static void find_next(const prune_work *w, prune_candidate *candidate)
{
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < w->count; i++) {
        const prune_candidate *other = &w->candidates[i];
        int overlaps = !other->goes && other->segment->last_ns >= candidate->segment->first_ns;
        uint64_t from_ns = other->segment->first_ns > candidate->segment->first_ns
                               ? other->segment->first_ns
                               : candidate->segment->first_ns;
        if ((overlaps || other->segment->first_ns > candidate->segment->last_ns) &&
            from_ns < next_ns && strcmp(other->segment->feed, candidate->segment->feed) == 0)
            next_ns = from_ns;
    }
    candidate->until_ns = next_ns == UINT64_MAX ? candidate->segment->last_ns : next_ns;
}

/* Removal cannot be undone: times and sizes come from the files. */
static td_result gather(prune_work *w, td_err *err)
{
    const read_query query = {.to_ns = UINT64_MAX,
                              .wants_feed = w->options->wants_feed,
                              .user = w->options->user,
                              .is_from_files = 1};
    td_result rc = read_plan_open(w->archive, &query, &w->plan, err);
    if (rc != TD_OK)
        return rc;
    w->report->segments_unreadable = read_plan_unreadable_count(w->plan);
    w->candidates = td_alloc_zero(read_plan_count(w->plan) + 1, sizeof w->candidates[0]);
    for (size_t i = 0; i < read_plan_count(w->plan); i++)
        add_candidate(w, read_plan_segment(w->plan, i)->index);
    if (w->count > 0)
        qsort(w->candidates, w->count, sizeof w->candidates[0], compare_candidates);
    return TD_OK;
}

/* The bounds, applied oldest first. What was pruned before goes in any case, and does not count. */
static void choose(prune_work *w)
{
    const prune_options *o = w->options;
    int has_bound = o->before_ns != 0 || o->older_than_ns != 0 || o->keep_bytes != UINT64_MAX;
    uint64_t bytes = 0;
    for (size_t i = 0; i < w->count; i++)
        bytes += w->candidates[i].was_pruned ? 0 : w->candidates[i].segment->file_bytes;
    for (size_t i = 0; i < w->count; i++) {
        prune_candidate *c = &w->candidates[i];
        if (!c->may_go)
            continue;
        c->goes = 1;
        if (c->was_pruned)
            c->why = PRUNE_LEFTOVER;
        else if (!has_bound)
            c->why = PRUNE_FEED;
        else if (c->segment->last_ns < w->before_ns)
            c->why = PRUNE_OLD;
        else if (bytes > o->keep_bytes)
            c->why = PRUNE_TOO_LARGE;
        else
            c->goes = 0;
        if (c->goes && !c->was_pruned)
            bytes -= c->segment->file_bytes;
    }
    for (size_t i = 0; i < w->count; i++) {
        if (w->candidates[i].goes)
            find_next(w, &w->candidates[i]);
        w->report->segments_kept += !w->candidates[i].goes;
        w->report->bytes_kept += w->candidates[i].goes ? 0 : w->candidates[i].segment->file_bytes;
    }
}

static void forget_candidates(prune_work *w)
{
    td_free(w->candidates);
    read_plan_close(w->plan);
    w->candidates = NULL;
    w->plan = NULL;
    w->count = 0;
}

/* ---- removing ---- */

/* What the journal keeps of a segment is what proves the next one. */
static td_result journal_pruned(prune_work *w, const prune_candidate *c, td_err *err)
{
    char numbers[3][24];
    const journal_segment segment = {c->segment->path, c->segment->feed, c->segment->session,
                                     &c->totals};
    const journal_field more[] = {
        journal_u64("first_ns", c->segment->first_ns, numbers[0]),
        journal_u64("last_ns", c->segment->last_ns, numbers[1]),
        journal_u64("until_ns", c->until_ns, numbers[2]),
        journal_text("why", prune_why_name(c->why)),
    };
    return journal_append_segment(w->past.writer, JOURNAL_PRUNED, &segment, more,
                                  sizeof more / sizeof more[0], err);
}

static td_result remove_file(const prune_work *w, const prune_candidate *c, td_err *err)
{
    TD_ASSERT(c->goes && c->may_go);
    char full[LIMIT_PATH_BYTES];
    td_result rc = archive_join(w->archive, c->segment->path, full, err);
    if (rc == TD_OK)
        rc = td_io_unlink(archive_io(w->archive), full, err);
    return rc == TD_OK ? td_io_sync_folder_of(archive_io(w->archive), full, err) : rc;
}

static td_result remove_all(prune_work *w, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < w->count && rc == TD_OK; i++) {
        const prune_candidate *c = &w->candidates[i];
        if (!c->goes)
            continue;
        if (w->options->mode == PRUNE_REMOVE && !c->was_pruned)
            rc = journal_pruned(w, c, err);
        if (rc == TD_OK && w->options->mode == PRUNE_REMOVE)
            rc = remove_file(w, c, err);
        if (rc != TD_OK)
            return td_err_add(err, rc, "pruning %s", c->segment->path);
        if (w->options->removing != NULL)
            w->options->removing(w->options->user, c->segment, c->why);
        w->report->segments++;
        w->report->bytes += c->segment->file_bytes;
        w->report->frames += c->segment->message_count;
    }
    return rc;
}

/* ---- all of it ---- */

/* A failure does not fail the prune: a catalog that is out of date is updated later. */
static void update_catalog(const prune_work *w)
{
    td_err cause;
    reindex_report report;
    td_err_clear(&cause);
    const reindex_options options = {.scope = REINDEX_CHANGED};
    if (archive_reindex(w->archive, &options, &report, &cause) != TD_OK)
        td_log_emit(archive_log(w->archive), TD_LOG_WARNING,
                    "the catalog could not be brought up to date, 'tapedeck reindex' will: %s",
                    cause.text);
}

/* TD_OK: they go; TD_EOF: they stay, and count so. */
static td_result ask(prune_work *w, td_err *err)
{
    uint64_t segments = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < w->count; i++) {
        segments += w->candidates[i].goes;
        bytes += w->candidates[i].goes ? w->candidates[i].segment->file_bytes : 0;
    }
    if (w->options->mode != PRUNE_REMOVE || segments == 0 || w->options->confirm == NULL)
        return TD_OK;
    td_result rc = w->options->confirm(w->options->user, segments, bytes, err);
    w->report->segments_kept += rc == TD_EOF ? segments : 0;
    w->report->bytes_kept += rc == TD_EOF ? bytes : 0;
    return rc;
}

static td_result do_work(prune_work *w, td_err *err)
{
    int is_real = w->options->mode == PRUNE_REMOVE;
    size_t going = 0;
    td_result rc = is_real ? archive_past_open(w->archive, &w->past, err)
                           : archive_past_read(w->archive, &w->past, err);
    if (rc == TD_OK)
        rc = find_bound(w, err);
    if (rc == TD_OK)
        rc = gather(w, err);
    if (rc == TD_OK) {
        choose(w);
        rc = check_bound(w, err);
    }
    if (rc == TD_OK)
        rc = ask(w, err);
    if (rc != TD_OK)
        return rc == TD_EOF ? TD_OK : rc;
    for (size_t i = 0; i < w->count; i++)
        going += w->candidates[i].goes;
    if (is_real && going > 0)
        rc = keep_gaps(w, err);
    if (rc == TD_OK)
        rc = remove_all(w, err);
    if (is_real && w->report->segments > 0) {
        remove_folders(w);
        update_catalog(w);
    }
    return rc;
}

td_result archive_prune(archive *a, const prune_options *options, prune_report *report, td_err *err)
{
    TD_ASSERT(options->mode == PRUNE_LOOK || archive_get_mode(a) == ARCHIVE_MAINTAIN);
    *report = (prune_report){0};
    prune_work w = {.archive = a, .options = options, .report = report};
    td_result rc = do_work(&w, err);
    forget_candidates(&w);
    archive_past_fini(&w.past);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "pruning archive '%s'", archive_path(a));
}
