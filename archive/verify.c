#include "archive/verify.h"

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/workers.h"
#include "format/recover.h"
#include "format/segment_verify.h"
#include "archive/archive.h"
#include "archive/archive_segment.h"
#include "archive/archive_view.h"
#include "archive/feed_history.h"
#include "archive/feed_unlisted.h"
#include "archive/journal.h"
#include "archive/reindex.h"

/* Further findings about one segment are counted, but not listed. */
enum { VERIFY_FINDINGS_PER_SEGMENT_MAX = 1000 };

/* One segment, and the job that reads it. */
typedef struct checked_segment {
    struct verification *of;
    const archive_segment *listed;
    td_job job;
    td_result rc; /* result of segment_verify */
    segment_verify_result result;
    char *previous; /* file name of the segment that its chain continues; NULL if unknown */
    uint64_t finding_count;
    uint8_t is_live;
    uint8_t is_left_out;
} checked_segment;

typedef struct verification {
    archive *archive;
    const verify_options *options;
    archive_view *view;
    checked_segment *segments; /* one for each listed segment */
    pthread_mutex_t lock;      /* protects the findings */
    verify_finding *findings;  /* they own their texts */
    size_t finding_count;
} verification;

const char *verify_severity_name(verify_severity severity)
{
    static const char *const NAMES[] = {[VERIFY_SOUND] = "sound",
                                        [VERIFY_RECOVERABLE] = "recoverable",
                                        [VERIFY_DAMAGED] = "damaged"};
    TD_ASSERT(severity <= VERIFY_DAMAGED);
    return NAMES[severity];
}

static void add(verification *v, verify_severity severity, const char *segment, uint64_t offset,
                const char *format, ...) TD_PRINTF(5, 6);

/* Add a finding; segment "" for the archive as a whole. Any thread. */
static void add(verification *v, verify_severity severity, const char *segment, uint64_t offset,
                const char *format, ...)
{
    char what[TD_ERR_TEXT_BYTES];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(what, sizeof what, format, values);
    va_end(values);
    pthread_mutex_lock(&v->lock);
    v->findings = td_array_grow(v->findings, v->finding_count, sizeof *v->findings);
    v->findings[v->finding_count++] = (verify_finding){.severity = severity,
                                                       .segment = td_strdup(segment),
                                                       .offset = offset,
                                                       .what = td_strdup(what)};
    pthread_mutex_unlock(&v->lock);
}

/* ---- each segment ---- */

static void keep_finding(void *user, const segment_finding *finding)
{
    checked_segment *out = user;
    verify_severity of_torn = out->is_live ? VERIFY_SOUND : VERIFY_RECOVERABLE;
    if (out->finding_count++ < VERIFY_FINDINGS_PER_SEGMENT_MAX)
        add(out->of, finding->kind == FINDING_TORN ? of_torn : VERIFY_DAMAGED, out->listed->path,
            finding->offset, "%s: %s", segment_finding_name(finding->kind), finding->text);
}

/* 1 if nothing in the segment was durable: a crash tore the head of a new file, or the open file
 * does not exist any more. */
static int has_nothing_durable(const checked_segment *segment, const char *full)
{
    if (segment->rc == TD_E_NOTFOUND)
        return segment->listed->name.is_open;
    return recover_is_empty(archive_io(segment->of->archive), full, segment->rc);
}

static void check_state(const checked_segment *segment)
{
    verification *v = segment->of;
    const char *path = segment->listed->path;
    if (segment->result.state == SEGMENT_OPEN && segment->is_live)
        add(v, VERIFY_SOUND, path, 0, "is being written");
    else if (segment->result.state == SEGMENT_OPEN && !segment->listed->name.is_open)
        add(v, VERIFY_DAMAGED, path, 0, "has no end");
    else if (segment->listed->name.is_open)
        add(v, VERIFY_RECOVERABLE, path, 0, "was left open");
    if (segment->finding_count > VERIFY_FINDINGS_PER_SEGMENT_MAX)
        add(v, VERIFY_DAMAGED, path, UINT64_MAX, "%llu more findings",
            (unsigned long long)(segment->finding_count - VERIFY_FINDINGS_PER_SEGMENT_MAX));
}

/* 1 if the options leave the segment out. */
static int is_left_out(const verification *v, const archive_segment *listed)
{
    const verify_options *options = v->options;
    const segment_name *name = &listed->name;
    const past_segment *known = archive_history_segment(&v->view->past, listed->path);
    if (!name->is_parsed || name->is_open)
        return 0;
    if (!time_span_overlaps(segment_name_span(name), options->time))
        return 1;
    return known != NULL && known->stage == PAST_FINISHED &&
           known->finished_at < options->since_bytes;
}

static void run_job(void *arg)
{
    checked_segment *out = arg;
    if (out->is_left_out)
        return;
    archive *a = out->of->archive;
    char full[LIMIT_PATH_BYTES];
    segment_index index;
    td_err cause;
    td_err_clear(&cause);
    out->rc = archive_join(a, out->listed->path, full, &cause);
    if (out->rc == TD_OK)
        out->rc = segment_verify(archive_io(a), full, keep_finding, out, &out->result, &cause);
    if (out->rc != TD_OK) {
        verify_severity of_new = out->is_live ? VERIFY_SOUND : VERIFY_RECOVERABLE;
        add(out->of, has_nothing_durable(out, full) ? of_new : VERIFY_DAMAGED, out->listed->path, 0,
            "cannot be read: %s", cause.text);
        return;
    }
    /* A failure was reported before. */
    if (archive_read_index(a, out->listed->path, INDEX_SUMMARY, &index, NULL) == TD_OK)
        out->previous = td_strdup(index.previous_segment);
    segment_index_fini(&index);
    check_state(out);
}

/* Read and check every segment, on options->threads threads. */
static td_result read_segments(verification *v, td_err *err)
{
    const size_t count = v->view->listing.segment_count;
    td_workers *workers = NULL;
    uint64_t done = 0;
    uint64_t total = 0;
    v->segments = td_alloc_zero(count + 1, sizeof v->segments[0]);
    td_result rc = td_workers_open(v->options->threads - 1, &workers, err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < count; i++) {
        checked_segment *segment = &v->segments[i];
        segment->of = v;
        segment->listed = &v->view->listing.segments[i];
        segment->job = (td_job){.run = run_job, .arg = segment};
        segment->is_live = archive_segment_is_live(segment->listed, v->view->live) != 0;
        segment->is_left_out = is_left_out(v, segment->listed) != 0;
        total += segment->is_left_out ? 0 : segment->listed->size_bytes;
        td_workers_submit(workers, &segment->job);
    }
    for (size_t i = 0; i < count; i++) {
        td_workers_help(workers, &v->segments[i].job);
        done += v->segments[i].is_left_out ? 0 : v->segments[i].listed->size_bytes;
        if (v->options->progress != NULL)
            v->options->progress(v->options->user, done, total);
    }
    td_workers_close(workers);
    return rc;
}

/* ---- the chain from each segment to the next of its feed, and the journal ---- */

/* The segment with this path (without ".open"), under either of its names, or NULL. */
static const checked_segment *find_segment(const verification *v, const char *path)
{
    char open_path[LIMIT_PATH_BYTES];
    const archive_segment *found = archive_listing_find(&v->view->listing, path);
    segment_open_path(path, open_path);
    if (found == NULL)
        found = archive_listing_find(&v->view->listing, open_path);
    return found == NULL ? NULL : &v->segments[found - v->view->listing.segments];
}

/* A segment's chain must begin with the last chain value of the previous segment. If that segment
 * was pruned, the journal has the value. */
static void check_link(verification *v, const checked_segment *segment)
{
    const char *path = segment->listed->path;
    segment_name name;
    char previous[LIMIT_PATH_BYTES] = "";
    td_hash128 last = {0};
    uint64_t size;
    if (segment_name_parse(segment->previous, &name))
        segment_name_format(name.feed, name.session, name.first_s * TD_NS_PER_S, name.number,
                            previous);
    const checked_segment *before = find_segment(v, previous);
    const past_segment *past = archive_history_segment(&v->view->past, previous);
    if (before != NULL && before->rc != TD_OK)
        return; /* reported before */
    if (before != NULL && before->is_left_out && (past == NULL || past->stage != PAST_FINISHED))
        return; /* its last chain value is not known */
    if (before != NULL && !before->is_left_out)
        last = before->result.totals.link;
    else if (past != NULL && (before != NULL || past->stage == PAST_PRUNED))
        last = past->link;
    else if (segment->previous[0] != '\0') {
        if (archive_file_size(v->archive, previous, &size, NULL) == TD_E_NOTFOUND)
            add(v, VERIFY_DAMAGED, path, 0, "chain: the segment before it, %s, is missing",
                segment->previous);
        return;
    }
    if (!td_hash128_equal(segment->result.previous_chain, last))
        add(v, VERIFY_DAMAGED, path, 0, "chain: does not continue the last value of %s",
            segment->previous[0] == '\0' ? "any segment" : segment->previous);
}

static void note_missing(void *user, past_segment *known)
{
    if (find_segment(user, known->path) == NULL) /* if found, it is unfinished (check_known) */
        add(user, VERIFY_DAMAGED, known->path, 0,
            known->is_chained ? "a later segment continues this one, but it is missing"
                              : "the journal lists this segment, but it is missing");
}

/* 1 if the file has a size that the journal lists, or was rewritten by an entry that is lost: then
 * it names the segment that it was. */
static int has_listed_size(const past_segment *known, const checked_segment *segment)
{
    const uint64_t size = segment->listed->size_bytes;
    const td_hash128 chain = segment->result.totals.chain;
    return size == known->file.bytes || size == known->old_file.bytes ||
           (!segment->is_left_out && !td_hash128_equal(chain, known->file.chain) &&
            !td_hash128_equal(chain, known->old_file.chain));
}

/* Check a segment that the journal lists. */
static void check_known(verification *v, const past_segment *known)
{
    const checked_segment *segment = find_segment(v, known->path);
    char torn[LIMIT_PATH_BYTES];
    /* A writer that finds fewer chunks than it announced as durable stops. A discarded segment is
     * in torn/. */
    uint64_t chunks =
        segment != NULL && segment->rc == TD_OK ? segment->result.totals.chunk_count : 0;
    if (chunks < known->announced_chunks && known->stage != PAST_PRUNED &&
        (segment == NULL || !segment->is_left_out))
        add(v, VERIFY_DAMAGED, known->path, 0,
            "%llu chunks were announced durable, %llu are there: another program removed "
            "or changed it while it was being written",
            (unsigned long long)known->announced_chunks, (unsigned long long)chunks);
    if (segment == NULL) {
        if (known->stage != PAST_PRUNED && archive_history_is_quarantined(v->archive, known, torn))
            add(v, VERIFY_RECOVERABLE, known->path, 0,
                "an unfinished recovery left the only copy in torn/");
        return;
    }
    if (known->stage == PAST_PRUNED)
        add(v, VERIFY_SOUND, known->path, 0,
            "was pruned, but its file exists: the next 'tapedeck prune' removes it");
    if ((known->stage != PAST_FINISHED && known->stage != PAST_PRUNED) || segment->rc != TD_OK)
        return; /* damage of the file was reported before */
    const char *path = segment->listed->path;
    if (segment->listed->name.is_open)
        add(v, VERIFY_DAMAGED, path, 0, "the journal lists this segment as finished");
    else if (!segment->is_left_out && !td_hash128_equal(known->link, segment->result.totals.link))
        add(v, VERIFY_DAMAGED, path, 0,
            "the journal lists another last chain value for this segment");
    else if (!has_listed_size(known, segment))
        add(v, VERIFY_DAMAGED, path, 0,
            "the journal lists this segment with %llu bytes, it has %llu",
            (unsigned long long)known->file.bytes, (unsigned long long)segment->listed->size_bytes);
}

/* Report segments that the journal lacks. The journal entry of a segment is durable before its
 * first chunk, so either entries are missing, or the file is from another archive; the chain shows
 * which. */
static td_result check_unlisted(verification *v, td_err *err)
{
    unlisted_list unlisted = {0};
    td_result rc =
        v->view->past.journal.is_present
            ? unlisted_list_read(v->archive, &v->view->past, &v->view->listing, &unlisted, err)
            : TD_OK;
    for (size_t i = 0; i < unlisted.count; i++) {
        const unlisted_segment *row = &unlisted.rows[i];
        if (row->is_linked)
            add(v, VERIFY_RECOVERABLE, row->index.path, 0,
                "the journal does not list this segment, which continues the last one that it "
                "lists: the journal is older than the segments");
        else if (v->view->past.damage_count > 0)
            add(v, VERIFY_SOUND, row->index.path, 0,
                "the journal does not list this segment: entries are lost there");
        else
            add(v, VERIFY_DAMAGED, row->index.path, 0,
                "the journal does not list this segment: entries are missing there, or the "
                "file is from elsewhere");
    }
    unlisted_list_fini(&unlisted);
    return rc;
}

/* Check the chain from each segment to the next of its feed, and the journal. */
static td_result check_links(verification *v, td_err *err)
{
    if (archive_is_single_file(v->archive))
        return TD_OK; /* the segments before and after it are elsewhere */
    for (size_t i = 0; i < v->view->listing.segment_count; i++) {
        const checked_segment *segment = &v->segments[i];
        if (segment->rc == TD_OK && segment->previous != NULL)
            check_link(v, segment);
    }
    for (size_t i = 0; i < v->view->past.segment_count; i++)
        check_known(v, &v->view->past.segments[i]);
    archive_each_missing(v->archive, &v->view->past, &v->view->listing, note_missing, v);
    for (size_t i = 0; i < v->view->past.session_count; i++) {
        const session_row *session = &v->view->past.sessions[i];
        if (session->state == SESSION_OPEN &&
            !archive_session_is_live(&v->view->listing, v->view->live, session->session))
            add(v, VERIFY_RECOVERABLE, "", 0, "session %s ended without a stop", session->session);
    }
    return check_unlisted(v, err);
}

/* ---- the catalog ---- */

/* The catalog is derived, so a flaw in it never counts as damage: reindex rebuilds it. */
static void on_flaw(void *user, const char *what)
{
    verification *v = user;
    add(v, VERIFY_RECOVERABLE, CATALOG_FILE, 0, "%s", what);
}

/* Check the catalog against the segments. While a writer appends, it is always out of date. */
static void check_catalog(verification *v)
{
    char what[CATALOG_WHAT_BYTES];
    int is_live = v->view->live[0] != '\0';
    archive_check_catalog(v->view, is_live ? NULL : on_flaw, v, what);
    if (what[0] != '\0')
        add(v, is_live ? VERIFY_SOUND : VERIFY_RECOVERABLE, CATALOG_FILE, 0, "is out of date: %s",
            what);
}

/* ---- the report ---- */

static int compare_findings(const void *a, const void *b)
{
    const verify_finding *left = a;
    const verify_finding *right = b;
    int order = strcmp(left->segment, right->segment);
    if (order == 0 && left->offset != right->offset)
        order = left->offset < right->offset ? -1 : 1;
    if (order == 0 && left->severity != right->severity)
        order = left->severity > right->severity ? -1 : 1;
    return order != 0 ? order : strcmp(left->what, right->what);
}

/* Sort the findings, so that their order does not depend on threads, and report them. */
static void pass_findings(verification *v, verify_report *report)
{
    if (v->finding_count > 0)
        qsort(v->findings, v->finding_count, sizeof v->findings[0], compare_findings);
    for (size_t i = 0; i < v->finding_count; i++) {
        const verify_finding *row = &v->findings[i];
        report->findings[row->severity]++;
        if (row->severity > report->verdict)
            report->verdict = row->severity;
        if (v->options->finding != NULL)
            v->options->finding(v->options->user, row);
    }
}

/* ---- the archive as a whole ---- */

static int is_tail_damaged(const archive_history *past)
{
    const past_damage *last =
        past->damage_count == 0 ? NULL : &past->damages[past->damage_count - 1];
    return last != NULL && last->bytes > 0 && last->offset == past->journal.valid_bytes;
}

static void check_journal(verification *v)
{
    const journal_state state = v->view->past.journal;
    if (archive_is_single_file(v->archive))
        return;
    for (size_t i = 0; i < v->view->past.damage_count && state.is_present; i++) {
        const past_damage *damage = &v->view->past.damages[i];
        verify_severity severity = damage->is_accepted ? VERIFY_SOUND : VERIFY_DAMAGED;
        const char *accepted = damage->is_accepted ? "; the loss was accepted" : "";
        if (damage->bytes == 0)
            add(v, severity, JOURNAL_FILE, damage->offset, "an earlier journal is lost%s",
                accepted);
        else
            add(v, severity, JOURNAL_FILE, damage->offset,
                "%llu bytes cannot be read: entries are lost%s", (unsigned long long)damage->bytes,
                accepted);
    }
    unsigned long long torn = state.file_bytes - state.valid_bytes;
    if (!state.is_present)
        add(v, v->view->listing.segment_count == 0 ? VERIFY_SOUND : VERIFY_DAMAGED, "", 0,
            "there is no journal");
    else if (torn > 0 && !is_tail_damaged(&v->view->past) && v->view->live[0] == '\0')
        add(v, VERIFY_RECOVERABLE, JOURNAL_FILE, state.valid_bytes,
            "%llu bytes at the end are an incomplete entry", torn);
}

static void note_unexpected(verification *v)
{
    for (size_t i = 0; i < v->view->listing.unexpected_count; i++) {
        const unexpected_file *file = &v->view->listing.unexpected[i];
        add(v, file->is_unreadable ? VERIFY_DAMAGED : VERIFY_SOUND, file->path, 0, "%s: %s",
            file->is_unreadable ? "cannot be read" : "skipped", file->what);
    }
}

static void verification_fini(verification *v)
{
    for (size_t i = 0; v->segments != NULL && i < v->view->listing.segment_count; i++)
        td_free(v->segments[i].previous);
    for (size_t i = 0; i < v->finding_count; i++) {
        td_free((char *)v->findings[i].segment);
        td_free((char *)v->findings[i].what);
    }
    td_free(v->segments);
    td_free(v->findings);
    archive_view_close(v->view);
}

static void sum_up(const verification *v, verify_report *report)
{
    report->journal_bytes = v->view->past.journal.valid_bytes;
    for (size_t i = 0; i < v->view->listing.segment_count; i++) {
        const checked_segment *segment = &v->segments[i];
        if (segment->is_left_out) {
            report->segments_left_out++;
            continue;
        }
        report->segments++;
        report->bytes += segment->listed->size_bytes;
        if (segment->rc != TD_OK)
            continue;
        report->chunks += segment->result.totals.chunk_count;
        report->frames += segment->result.frame_count;
    }
}

td_result archive_verify(archive *a, const verify_options *options, verify_report *report,
                         td_err *err)
{
    TD_ASSERT(options->threads >= 1);
    TD_ASSERT(options->threads <= LIMIT_THREADS);
    *report = (verify_report){.verdict = VERIFY_SOUND};
    verification v = {.archive = a, .options = options, .lock = PTHREAD_MUTEX_INITIALIZER};
    td_result rc = archive_view_open(a, VIEW_FILES, NULL, &v.view, err);
    if (rc == TD_OK) {
        check_journal(&v);
        note_unexpected(&v);
        rc = read_segments(&v, err);
    }
    if (rc == TD_OK)
        rc = check_links(&v, err);
    if (rc == TD_OK) {
        check_catalog(&v);
        sum_up(&v, report);
        pass_findings(&v, report);
    }
    verification_fini(&v);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "verifying archive '%s'", archive_path(a));
}
