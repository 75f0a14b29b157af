#include "archive/prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "archive/archive_plan.h"
#include "archive/archive_segment.h"
#include "archive/feed_past.h"
#include "archive/journal.h"
#include "archive/ledger.h"
#include "archive/prune_impl.h"
#include "archive/reindex.h"
#include "format/segment_index.h"

const char *prune_why_name(prune_why why)
{
    static const char *const NAMES[] = {[PRUNE_OLD] = "age",
                                        [PRUNE_TOO_LARGE] = "size",
                                        [PRUNE_FEED] = "feed",
                                        [PRUNE_LEFTOVER] = "leftover"};
    TD_ASSERT(why <= PRUNE_LEFTOVER);
    return NAMES[why];
}

/* ---- which segments go ---- */

/* By the last frame: that is what decides whether a segment is too old. */
static int compare_candidates(const void *a, const void *b)
{
    const prune_candidate *left = a;
    const prune_candidate *right = b;
    if (left->last_ns != right->last_ns)
        return left->last_ns < right->last_ns ? -1 : 1;
    if (left->first_ns != right->first_ns)
        return left->first_ns < right->first_ns ? -1 : 1;
    return strcmp(left->path, right->path);
}

/* A finished name is not enough: a recorder, or a recovery, may be about to write its entry. A
 * segment that the journal does not know (it was lost) may go. */
static int may_go(const segment_index *segment, const past_segment *past)
{
    return !segment->is_open &&
           (past == NULL || past->stage == PAST_FINISHED || past->stage == PAST_PRUNED);
}

static td_result add_candidate(prune_work *w, const segment_index *segment, td_err *err)
{
    const past_segment *past = archive_past_segment(&w->past, segment->path);
    prune_candidate made = {.path = td_strdup(segment->path),
                            .feed = td_strdup(segment->feed),
                            .first_ns = segment->first_ns,
                            .last_ns = segment->last_ns,
                            .until_ns = segment->last_ns,
                            .bytes = segment->file_bytes,
                            .frames = segment->message_count,
                            .may_go = may_go(segment, past) != 0,
                            .was_pruned = past != NULL && past->stage == PAST_PRUNED};
    (void)snprintf(made.session, sizeof made.session, "%s", segment->session);
    w->candidates[w->count++] = made;
    return made.path == NULL || made.feed == NULL
               ? td_err_set(err, TD_E_NOMEM, "no memory for what may go")
               : TD_OK;
}

/* Time of the feed's next frames that stay: none is left between the segment's first frame and it.
 * Sessions may overlap, so what stays may begin within this one, or before it. */
static void find_next(const prune_work *w, prune_candidate *candidate)
{
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < w->count; i++) {
        const prune_candidate *other = &w->candidates[i];
        int overlaps = !other->goes && other->last_ns >= candidate->first_ns;
        uint64_t from_ns =
            other->first_ns > candidate->first_ns ? other->first_ns : candidate->first_ns;
        if ((overlaps || other->first_ns > candidate->last_ns) && from_ns < next_ns &&
            strcmp(other->feed, candidate->feed) == 0)
            next_ns = from_ns;
    }
    candidate->until_ns = next_ns == UINT64_MAX ? candidate->last_ns : next_ns;
}

/* Where the segments' times and sizes come from. */
typedef enum gather_source { GATHER_CATALOG, GATHER_FILES } gather_source;

static td_result gather(prune_work *w, gather_source source, td_err *err)
{
    const plan_query query = {.to_ns = UINT64_MAX,
                              .wants_feed = w->options->wants_feed,
                              .user = w->options->user,
                              .is_from_files = source == GATHER_FILES};
    archive_plan *plan = NULL;
    td_result rc = archive_plan_open(w->archive, &query, &plan, err);
    if (rc != TD_OK)
        return rc;
    w->report->segments_unreadable = archive_plan_unreadable_count(plan);
    w->candidates = td_alloc_zero(archive_plan_count(plan) + 1, sizeof w->candidates[0]);
    if (w->candidates == NULL)
        rc = td_err_set(err, TD_E_NOMEM, "no memory for what may go");
    for (size_t i = 0; i < archive_plan_count(plan) && rc == TD_OK; i++)
        rc = add_candidate(w, archive_plan_segment(plan, i)->index, err);
    archive_plan_close(plan);
    if (rc == TD_OK && w->count > 0)
        qsort(w->candidates, w->count, sizeof w->candidates[0], compare_candidates);
    return rc;
}

/* The bounds, applied oldest first. What was pruned before goes in any case, and does not count. */
static void choose(prune_work *w)
{
    const prune_options *o = w->options;
    int has_bound = o->before_ns != 0 || o->older_than_ns != 0 || o->keep_bytes != UINT64_MAX;
    uint64_t bytes = 0;
    for (size_t i = 0; i < w->count; i++)
        bytes += w->candidates[i].was_pruned ? 0 : w->candidates[i].bytes;
    for (size_t i = 0; i < w->count; i++) {
        prune_candidate *c = &w->candidates[i];
        if (!c->may_go)
            continue;
        c->goes = 1;
        if (c->was_pruned)
            c->why = PRUNE_LEFTOVER;
        else if (!has_bound)
            c->why = PRUNE_FEED;
        else if (c->last_ns < w->before_ns)
            c->why = PRUNE_OLD;
        else if (bytes > o->keep_bytes)
            c->why = PRUNE_TOO_LARGE;
        else
            c->goes = 0;
        if (c->goes && !c->was_pruned)
            bytes -= c->bytes;
    }
    for (size_t i = 0; i < w->count; i++) {
        if (w->candidates[i].goes)
            find_next(w, &w->candidates[i]);
        w->report->segments_kept += !w->candidates[i].goes;
        w->report->bytes_kept += w->candidates[i].goes ? 0 : w->candidates[i].bytes;
    }
}

static void forget_candidates(prune_work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        td_free(w->candidates[i].path);
        td_free(w->candidates[i].feed);
    }
    td_free(w->candidates);
    w->candidates = NULL;
    w->count = 0;
}

/* Read from the file what the journal's entry needs. *is_same: 1 if the file has the values for
 * which the segment was chosen. */
static td_result check_file(const prune_work *w, prune_candidate *c, int *is_same, td_err *err)
{
    segment_index index;
    td_err cause;
    td_err_clear(&cause);
    *is_same = 0;
    td_result rc = archive_read_index(w->archive, c->path, INDEX_SUMMARY, &index, &cause);
    if (rc == TD_E_NOMEM)
        return td_err_set(err, rc, "%s", cause.text);
    if (rc != TD_OK)
        return TD_OK; /* the next choice is made from the files and skips it */
    *is_same = strcmp(index.feed, c->feed) == 0 && strcmp(index.session, c->session) == 0 &&
               index.first_ns == c->first_ns && index.last_ns == c->last_ns &&
               index.file_bytes == c->bytes && index.message_count == c->frames;
    memcpy(c->chain_hex, index.chain_hex, sizeof c->chain_hex);
    c->chunk_count = index.chunk_count;
    segment_index_fini(&index);
    return TD_OK;
}

/* Removal cannot be undone: check each file before it is removed. */
static td_result check_files(prune_work *w, int *are_same, td_err *err)
{
    td_result rc = TD_OK;
    *are_same = 1;
    for (size_t i = 0; i < w->count && rc == TD_OK && *are_same; i++) {
        if (w->candidates[i].goes)
            rc = check_file(w, &w->candidates[i], are_same, err);
        if (rc == TD_OK && !*are_same)
            td_log_say(archive_log(w->archive), TD_LOG_WARNING,
                       "%s differs from the catalog: reading all segments instead; run 'tapedeck "
                       "reindex'",
                       w->candidates[i].path);
    }
    return rc;
}

/* Choose by the catalog, which is fast; if a chosen file differs from it, choose by the files. */
static td_result choose_by_files(prune_work *w, td_err *err)
{
    int are_same = 0;
    td_result rc = gather(w, GATHER_CATALOG, err);
    if (rc == TD_OK) {
        choose(w);
        rc = check_files(w, &are_same, err);
    }
    if (rc != TD_OK || are_same)
        return rc;
    forget_candidates(w);
    *w->report = (prune_report){.counted_from_ns = w->report->counted_from_ns};
    rc = gather(w, GATHER_FILES, err);
    if (rc == TD_OK) {
        choose(w);
        rc = check_files(w, &are_same, err);
    }
    if (rc == TD_OK && !are_same)
        rc = td_err_set(err, TD_E_BUSY, "segments change while they are looked at; try again");
    return rc;
}

/* ---- removing ---- */

static void tell(const prune_work *w, const prune_candidate *c)
{
    const prune_event event = {.path = c->path,
                               .feed = c->feed,
                               .why = c->why,
                               .first_ns = c->first_ns,
                               .last_ns = c->last_ns,
                               .bytes = c->bytes,
                               .frames = c->frames};
    if (w->options->removing != NULL)
        w->options->removing(w->options->user, &event);
}

/* What the journal keeps of a segment is what proves the next one. */
static td_result journal_pruned(prune_work *w, const prune_candidate *c, td_err *err)
{
    char numbers[6][24];
    const journal_field fields[] = {
        journal_text("segment", c->path),
        journal_text("feed", c->feed),
        journal_text("session", c->session),
        journal_text("chain", c->chain_hex),
        journal_u64("messages", c->frames, numbers[0]),
        journal_u64("bytes", c->bytes, numbers[1]),
        journal_u64("chunks", c->chunk_count, numbers[2]),
        journal_u64("first_ns", c->first_ns, numbers[3]),
        journal_u64("last_ns", c->last_ns, numbers[4]),
        journal_u64("until_ns", c->until_ns, numbers[5]),
        journal_text("why", prune_why_name(c->why)),
    };
    return journal_append(w->journal, JOURNAL_PRUNED, fields, sizeof fields / sizeof fields[0],
                          err);
}

static td_result remove_file(const prune_work *w, const prune_candidate *c, td_err *err)
{
    TD_ASSERT(c->goes && c->may_go);
    char full[LIMIT_PATH_BYTES];
    td_result rc = archive_join(w->archive, c->path, full, err);
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
            return td_err_add(err, rc, "pruning %s", c->path);
        tell(w, c);
        w->report->segments++;
        w->report->bytes += c->bytes;
        w->report->frames += c->frames;
    }
    return rc;
}

/* ---- all of it ---- */

/* The archive is pruned whatever comes of this: a catalog that is behind is made up for. */
static void update_catalog(const prune_work *w)
{
    td_err cause;
    reindex_report report;
    td_err_clear(&cause);
    const reindex_options options = {.scope = REINDEX_CHANGED};
    if (archive_reindex(w->archive, &options, &report, &cause) != TD_OK)
        td_log_say(archive_log(w->archive), TD_LOG_WARNING,
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
        bytes += w->candidates[i].goes ? w->candidates[i].bytes : 0;
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
    td_result rc = is_real ? journal_open(w->archive, &w->journal, err) : TD_OK;
    if (rc == TD_OK)
        rc = archive_past_read(w->archive, &w->past, err);
    if (rc == TD_OK)
        rc = prune_find_bound(w, err);
    if (rc == TD_OK)
        rc = choose_by_files(w, err);
    if (rc == TD_OK)
        rc = prune_check_bound(w, err);
    if (rc == TD_OK)
        rc = ask(w, err);
    if (rc != TD_OK)
        return rc == TD_EOF ? TD_OK : rc;
    for (size_t i = 0; i < w->count; i++)
        going += w->candidates[i].goes;
    if (is_real && going > 0)
        rc = prune_keep_gaps(w, err);
    if (rc == TD_OK)
        rc = remove_all(w, err);
    if (is_real && w->report->segments > 0) {
        prune_remove_folders(w);
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
    journal_close(w.journal);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "pruning archive '%s'", archive_path(a));
}
