#include "archive/verify.h"

#include <inttypes.h>
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
#include "format/segment_index.h"
#include "format/segment_verify.h"
#include "archive/archive.h"
#include "archive/archive_segment.h"
#include "archive/feed_past.h"
#include "archive/feed_unlisted.h"
#include "archive/journal.h"
#include "archive/segment_rows.h"
#include "archive/reindex.h"

/* More findings than this about one segment are counted and not listed. */
enum { VERIFY_FINDINGS_PER_SEGMENT_MAX = 1000 };

/* Findings whose texts are the list's. */
typedef struct finding_list {
    verify_finding *rows;
    size_t count;
} finding_list;

/* One segment, and the job that reads it. */
typedef struct checked_segment {
    archive *archive;
    const archive_segment *listed;
    td_job job;
    td_result rc; /* of segment_verify */
    segment_verify_result result;
    segment_index origin;  /* its lists are empty; path NULL: unknown */
    finding_list findings; /* of this segment alone: filled by its own thread */
    uint64_t finding_count;
    uint8_t is_live;
} checked_segment;

typedef struct verification {
    archive *archive;
    const verify_options *options;
    archive_listing listing;
    archive_past past;
    char live[SESSION_ID_BYTES];
    checked_segment *segments; /* as listed */
    size_t segment_count;
    checked_segment **ordered; /* by session, feed and number */
    finding_list findings;
} verification;

const char *verify_severity_name(verify_severity severity)
{
    static const char *const NAMES[] = {[VERIFY_SOUND] = "sound",
                                        [VERIFY_RECOVERABLE] = "recoverable",
                                        [VERIFY_DAMAGED] = "damaged"};
    TD_ASSERT(severity <= VERIFY_DAMAGED);
    return NAMES[severity];
}

/* ---- findings ---- */

static void findings_add(finding_list *list, verify_severity severity, const char *segment,
                         uint64_t offset, const char *format, ...) TD_PRINTF(5, 6);

/* Add a finding; segment "" for the archive as a whole. */
static void findings_add(finding_list *list, verify_severity severity, const char *segment,
                         uint64_t offset, const char *format, ...)
{
    char what[TD_ERR_TEXT_BYTES];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(what, sizeof what, format, values);
    va_end(values);
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    list->rows[list->count++] = (verify_finding){.severity = severity,
                                                 .segment = td_strdup(segment),
                                                 .offset = offset,
                                                 .what = td_strdup(what)};
}

static void findings_fini(finding_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        td_free((char *)list->rows[i].segment);
        td_free((char *)list->rows[i].what);
    }
    td_free(list->rows);
    *list = (finding_list){0};
}

/* ---- each segment ---- */

static verify_severity severity_of(segment_finding_kind kind, const checked_segment *segment)
{
    if (kind != FINDING_TORN)
        return VERIFY_DAMAGED;
    return segment->is_live ? VERIFY_SOUND : VERIFY_RECOVERABLE;
}

static void keep_finding(void *user, const segment_finding *finding)
{
    checked_segment *out = user;
    if (out->finding_count++ >= VERIFY_FINDINGS_PER_SEGMENT_MAX)
        return;
    findings_add(&out->findings, severity_of(finding->kind, out), out->listed->path,
                 finding->offset, "%s: %s", segment_finding_name(finding->kind), finding->text);
}

/* A segment's metadata, for the checks between segments. */
static void take_origin(archive *a, checked_segment *out)
{
    /* A failure leaves origin without a path, and has been reported. */
    td_result rc = archive_read_index(a, out->listed->path, INDEX_SUMMARY, &out->origin, NULL);
    TD_ASSERT(rc == TD_OK || out->origin.path == NULL);
    segment_index_drop_lists(&out->origin);
}

/* An open file whose head is torn, or that is gone: a crash left it when it had just been made. */
static int has_nothing_durable(archive *a, const checked_segment *segment, td_result rc)
{
    char full[LIMIT_PATH_BYTES];
    int has_durable = 0;
    if (!segment->listed->name.is_open || rc == TD_E_NOTFOUND)
        return segment->listed->name.is_open;
    if (rc != TD_E_TRUNCATED && rc != TD_E_CORRUPT)
        return 0;
    return archive_join(a, segment->listed->path, full, NULL) == TD_OK &&
           recover_has_durable(archive_io(a), full, &has_durable, NULL) == TD_OK && !has_durable;
}

static void check_unreadable(archive *a, checked_segment *out, td_result rc, const td_err *cause)
{
    findings_add(&out->findings,
                 has_nothing_durable(a, out, rc)
                     ? (out->is_live ? VERIFY_SOUND : VERIFY_RECOVERABLE)
                     : VERIFY_DAMAGED,
                 out->listed->path, 0, "cannot be read: %s", cause->text);
}

static void check_state(checked_segment *out)
{
    const char *path = out->listed->path;
    if (out->result.state == SEGMENT_OPEN && out->is_live)
        findings_add(&out->findings, VERIFY_SOUND, path, 0, "is being written");
    else if (out->result.state == SEGMENT_OPEN && !out->listed->name.is_open)
        findings_add(&out->findings, VERIFY_DAMAGED, path, 0, "has no end");
    else if (out->listed->name.is_open)
        findings_add(&out->findings, VERIFY_RECOVERABLE, path, 0, "was left open");
    if (!out->result.is_ours && out->listed->name.is_parsed)
        findings_add(&out->findings, VERIFY_DAMAGED, path, 0,
                     "has a segment's name, but is not a segment of tapedeck");
    if (out->finding_count > VERIFY_FINDINGS_PER_SEGMENT_MAX)
        findings_add(&out->findings, VERIFY_DAMAGED, path, UINT64_MAX, "%llu more findings",
                     (unsigned long long)(out->finding_count - VERIFY_FINDINGS_PER_SEGMENT_MAX));
}

static void run_job(void *arg)
{
    checked_segment *out = arg;
    char full[LIMIT_PATH_BYTES];
    td_err cause;
    td_err_clear(&cause);
    out->rc = archive_join(out->archive, out->listed->path, full, &cause);
    if (out->rc == TD_OK)
        out->rc =
            segment_verify(archive_io(out->archive), full, keep_finding, out, &out->result, &cause);
    if (out->rc != TD_OK) {
        check_unreadable(out->archive, out, out->rc, &cause);
        return;
    }
    take_origin(out->archive, out);
    check_state(out);
}

/* Move its findings to those of the archive. */
static void collect(verification *v, checked_segment *segment)
{
    for (size_t i = 0; i < segment->findings.count; i++) {
        v->findings.rows =
            td_array_grow(v->findings.rows, v->findings.count, sizeof *v->findings.rows);
        v->findings.rows[v->findings.count++] = segment->findings.rows[i];
    }
    segment->findings.count = 0;
    findings_fini(&segment->findings);
}

static td_result run_jobs(verification *v, td_err *err)
{
    td_workers *workers = NULL;
    uint64_t done = 0;
    uint64_t total = 0;
    td_result rc = td_workers_open(v->options->threads, &workers, err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < v->segment_count; i++) {
        total += v->segments[i].listed->size_bytes;
        td_workers_submit(workers, &v->segments[i].job);
    }
    for (size_t i = 0; i < v->segment_count; i++) {
        td_workers_wait(workers, &v->segments[i].job);
        done += v->segments[i].listed->size_bytes;
        collect(v, &v->segments[i]);
        if (v->options->progress != NULL)
            v->options->progress(v->options->user, done, total);
    }
    td_workers_close(workers);
    return rc;
}

static int compare_place(const checked_segment *left, const char *session, const char *feed,
                         uint32_t number)
{
    int order = strcmp(left->origin.session, session);
    if (order == 0)
        order = strcmp(left->origin.feed, feed);
    if (order == 0 && left->origin.number != number)
        order = left->origin.number < number ? -1 : 1;
    return order;
}

static int compare_ordered(const void *a, const void *b)
{
    const checked_segment *left = *(checked_segment *const *)a;
    const checked_segment *right = *(checked_segment *const *)b;
    int order =
        compare_place(left, right->origin.session, right->origin.feed, right->origin.number);
    return order != 0 ? order : strcmp(left->listed->path, right->listed->path);
}

/* Where this session, feed and number begins in v->ordered, or would. */
static size_t first_of(const verification *v, const char *session, const char *feed,
                       uint32_t number)
{
    size_t from = 0;
    size_t to = v->segment_count;
    TD_ASSERT(v->ordered != NULL);
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_place(v->ordered[middle], session, feed, number) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Read and check every segment, on options->threads threads. */
static td_result read_segments(verification *v, td_err *err)
{
    TD_ASSERT(v->segments == NULL);
    size_t count = v->listing.segment_count;
    v->segments = td_alloc_zero(count + 1, sizeof v->segments[0]);
    v->ordered = td_alloc_zero(count + 1, sizeof(checked_segment *));
    v->segment_count = count;
    for (size_t i = 0; i < count; i++) {
        checked_segment *segment = &v->segments[i];
        segment->archive = v->archive;
        segment->listed = &v->listing.segments[i];
        segment->job = (td_job){.run = run_job, .arg = segment};
        segment->is_live = archive_segment_is_live(segment->listed, v->live) != 0;
        v->ordered[i] = segment;
    }
    td_result rc = run_jobs(v, err);
    if (count > 0)
        qsort(v->ordered, count, sizeof(void *), compare_ordered);
    return rc;
}

/* ---- the chain from each segment to the next of its feed, and the journal ---- */

/* Segments by name, for as long as they are linked. */
typedef struct link_names {
    name_index files;      /* what is on the disk, by file name */
    name_index paths;      /* the same by path */
    name_index past_files; /* what the journal knows, by file name */
} link_names;

static void names_fini(link_names *names)
{
    name_index_fini(&names->files);
    name_index_fini(&names->paths);
    name_index_fini(&names->past_files);
}

/* Of what the journal knows under one name twice, the last counts. */
static void names_fill(link_names *names, const verification *v)
{
    for (size_t i = 0; i < v->segment_count; i++) {
        const char *path = v->segments[i].listed->path;
        name_index_put(&names->paths, segment_final_name(path), i);
        name_index_put(&names->files, segment_final_name(segment_file_name(path)), i);
    }
    for (size_t i = v->past.segment_count; i > 0; i--) {
        const char *name = segment_file_name(v->past.segments[i - 1].path);
        name_index_put(&names->past_files, td_bytes_str(name), i - 1);
    }
}

static const checked_segment *find_segment(const verification *v, const name_index *index,
                                           const char *name)
{
    size_t at = name_index_find(index, td_bytes_str(name));
    TD_ASSERT(at == NAME_INDEX_NONE || at < v->segment_count);
    return at == NAME_INDEX_NONE ? NULL : &v->segments[at];
}

/* Last chain value of a segment that was pruned: the journal has kept it. */
static int find_pruned_chain(const verification *v, const link_names *names, const char *name,
                             td_hash128 *out)
{
    size_t at = name_index_find(&names->past_files, td_bytes_str(name));
    TD_ASSERT(at == NAME_INDEX_NONE || at < v->past.segment_count);
    if (at == NAME_INDEX_NONE || v->past.segments[at].stage != PAST_PRUNED)
        return 0;
    *out = v->past.segments[at].chain;
    return 1;
}

/* 1 if the file, or a folder above it, exists but may not be read; that is reported separately. */
static int is_unreadable(const verification *v, const char *path)
{
    for (size_t i = 0; i < v->listing.unexpected_count; i++) {
        const unexpected_file *file = &v->listing.unexpected[i];
        size_t length = strlen(file->path);
        if (file->kind == UNEXPECTED_OTHER && file->is_unreadable &&
            strncmp(path, file->path, length) == 0 &&
            (path[length] == '\0' || path[length] == '/' ||
             strcmp(path + length, SEGMENT_OPEN_SUFFIX) == 0))
            return 1;
    }
    return 0;
}

/* As above, for a segment's file name; the journal has its folder. */
static int is_unreadable_name(const verification *v, const char *name)
{
    for (size_t i = 0; i < v->past.segment_count; i++) {
        const char *path = v->past.segments[i].path;
        if (strcmp(segment_file_name(path), name) == 0 && is_unreadable(v, path))
            return 1;
    }
    return 0;
}

/* A segment must begin its chain with the last value of the one before it. */
static void check_link(verification *v, const link_names *names, const checked_segment *segment)
{
    const td_hash128 none = {0};
    const char *path = segment->listed->path;
    TD_ASSERT(segment->rc == TD_OK && segment->origin.path != NULL);
    if (segment->origin.previous_segment[0] == '\0') {
        if (!td_hash128_equal(segment->result.previous_chain, none))
            findings_add(&v->findings, VERIFY_DAMAGED, path, 0,
                         "chain: continues a value, but names no segment before it");
        return;
    }
    const checked_segment *before =
        find_segment(v, &names->files, segment->origin.previous_segment);
    td_hash128 last;
    int is_known = before != NULL && before->rc == TD_OK;
    if (is_known)
        last = before->result.totals.chain;
    else if (before == NULL)
        is_known = find_pruned_chain(v, names, segment->origin.previous_segment, &last);
    if (before == NULL && !is_known && is_unreadable_name(v, segment->origin.previous_segment))
        return;
    if (before == NULL && !is_known)
        findings_add(&v->findings, VERIFY_DAMAGED, path, 0,
                     "chain: the segment before it, %s, is missing",
                     segment->origin.previous_segment);
    else if (is_known && !td_hash128_equal(segment->result.previous_chain, last))
        findings_add(&v->findings, VERIFY_DAMAGED, path, 0,
                     "chain: does not go on from the last value of %s",
                     segment->origin.previous_segment);
}

/* Its writer found it so, and stopped. A discarded one is in torn/. */
static void check_announced(verification *v, const past_segment *known,
                            const checked_segment *segment)
{
    uint64_t chunks =
        segment != NULL && segment->rc == TD_OK ? segment->result.totals.chunk_count : 0;
    if (chunks >= known->announced_chunks || known->stage == PAST_PRUNED)
        return;
    findings_add(&v->findings, VERIFY_DAMAGED, known->path, 0,
                 "%llu chunks were announced durable, %llu are there: another program removed "
                 "or changed it while it was being written",
                 (unsigned long long)known->announced_chunks, (unsigned long long)chunks);
}

static void check_known(verification *v, const link_names *names, const past_segment *known)
{
    const checked_segment *segment = find_segment(v, &names->paths, known->path);
    check_announced(v, known, segment);
    if (known->stage == PAST_DISCARDED || (known->stage == PAST_PRUNED && segment == NULL))
        return;
    char torn[LIMIT_PATH_BYTES];
    if (known->stage == PAST_PRUNED)
        findings_add(&v->findings, VERIFY_SOUND, known->path, 0,
                     "was pruned, and is there: the next 'tapedeck prune' removes it");
    if (segment == NULL && archive_past_is_put_away(v->archive, known, torn)) {
        findings_add(&v->findings, VERIFY_RECOVERABLE, known->path, 0,
                     "an unfinished recovery left the only copy in torn/");
        return;
    }
    if (segment == NULL && is_unreadable(v, known->path))
        return;
    if (segment == NULL) {
        findings_add(&v->findings, VERIFY_DAMAGED, known->path, 0,
                     "the journal lists this segment, but it is missing");
        return;
    }
    int has_end = known->stage == PAST_FINISHED || known->stage == PAST_PRUNED;
    if (!has_end || segment->rc != TD_OK)
        return; /* damage of the file itself has been reported */
    if (segment->listed->name.is_open)
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "the journal lists this segment as finished");
    else if (!td_hash128_equal(known->chain, segment->result.totals.chain))
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "the journal lists another last chain value for this segment");
    else if (known->file_bytes != segment->listed->size_bytes)
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "the journal lists this segment with %llu bytes, it has %llu",
                     (unsigned long long)known->file_bytes,
                     (unsigned long long)segment->listed->size_bytes);
}

/* A segment's first entry is durable before its first chunk. So entries are missing, or the file is
 * from another archive; the chain shows which. */
static void check_unknown(verification *v, const link_names *names,
                          const unlisted_segment *unlisted)
{
    size_t at = name_index_find(&names->paths, segment_final_name(unlisted->index.path));
    TD_ASSERT(at < v->segment_count);
    const checked_segment *segment = &v->segments[at];
    if (segment->rc != TD_OK || segment->result.totals.chunk_count == 0)
        return;
    if (unlisted->is_continued)
        findings_add(&v->findings, VERIFY_SOUND, unlisted->index.path, 0,
                     "the journal does not list this segment; the chain goes through it");
    else if (unlisted->is_linked)
        findings_add(&v->findings, VERIFY_RECOVERABLE, unlisted->index.path, 0,
                     "the journal does not list this segment, which continues the last one that it "
                     "lists: the journal is older than the segments");
    else
        findings_add(&v->findings, VERIFY_DAMAGED, unlisted->index.path, 0,
                     "the journal does not list this segment: entries are missing there, or the "
                     "file is from elsewhere");
}

static td_result check_unlisted_all(verification *v, const link_names *names, td_err *err)
{
    unlisted_list unlisted = {0};
    td_result rc = v->past.journal.is_present
                       ? unlisted_list_read(v->archive, &v->past, &v->listing, &unlisted, err)
                       : TD_OK;
    for (size_t i = 0; i < unlisted.count && rc == TD_OK; i++)
        check_unknown(v, names, &unlisted.rows[i]);
    unlisted_list_fini(&unlisted);
    return rc;
}

static void check_session_end(verification *v, const session_row *session)
{
    int is_live = archive_session_is_live(&v->listing, v->live, session->session);
    if (session->state == SESSION_OPEN && !is_live)
        findings_add(&v->findings, VERIFY_RECOVERABLE, "", 0, "session %s ended without a stop",
                     session->session);
}

/* The chain from each segment to the next of its feed, and what the journal knows. */
static td_result check_links(verification *v, td_err *err)
{
    link_names names = {0};
    TD_ASSERT(v->segment_count == 0 || v->segments != NULL);
    if (archive_is_single_file(v->archive))
        return TD_OK; /* its neighbours are elsewhere */
    names_fill(&names, v);
    for (size_t i = 0; i < v->segment_count; i++) {
        const checked_segment *segment = &v->segments[i];
        if (segment->rc == TD_OK && segment->result.is_ours && segment->origin.path != NULL)
            check_link(v, &names, segment);
    }
    td_result rc = check_unlisted_all(v, &names, err);
    for (size_t i = 0; i < v->past.segment_count && rc == TD_OK; i++)
        check_known(v, &names, &v->past.segments[i]);
    for (size_t i = 0; i < v->past.session_count && rc == TD_OK; i++)
        check_session_end(v, &v->past.sessions[i]);
    names_fini(&names);
    return rc;
}

/* ---- counters, and the ledger ---- */

/* Frames received = written + dropped: within a segment segment_verify has looked; here the
 * counters continue from one segment of a session to the next, and what a session dropped is in the
 * ledger. */

/* The segment of the same feed and session with this number, if its counters could be read. */
static const checked_segment *find_number(const verification *v, const checked_segment *segment,
                                          uint32_t number)
{
    for (size_t i = first_of(v, segment->origin.session, segment->origin.feed, number);
         i < v->segment_count; i++) {
        const checked_segment *other = v->ordered[i];
        if (other->origin.number != number ||
            strcmp(other->origin.session, segment->origin.session) != 0 ||
            strcmp(other->origin.feed, segment->origin.feed) != 0)
            break;
        if (other->rc == TD_OK && other->result.has_counters)
            return other;
    }
    return NULL;
}

static void check_step(verification *v, const checked_segment *segment)
{
    uint64_t before = 0;
    TD_ASSERT(segment->result.has_counters);
    if (segment->origin.number > 1) {
        const checked_segment *previous = find_number(v, segment, segment->origin.number - 1);
        if (previous == NULL)
            return; /* pruned, or missing, which other checks report */
        before = previous->result.counters.frames_written;
    }
    if (segment->result.written_before != before)
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "counters: it begins at %" PRIu64
                     " frames, the segment before it ends at %" PRIu64,
                     segment->result.written_before, before);
}

/* 1 if every segment of the session is here, and it stopped in order: a crash may have taken the
 * last gap with it, and is one itself. */
static int is_whole(const verification *v, const checked_segment *last)
{
    const session_row *session = archive_past_session(&v->past, last->origin.session);
    if (session == NULL || session->state != SESSION_STOPPED || last->is_live)
        return 0;
    for (uint32_t number = 1; number < last->origin.number; number++) {
        if (find_number(v, last, number) == NULL)
            return 0;
    }
    return find_number(v, last, last->origin.number + 1) == NULL;
}

/* Overload gaps say how many frames were received and discarded. */
static td_result sum_lost(const verification *v, const checked_segment *last, uint64_t *lost,
                          td_err *err)
{
    gap_list told = {0};
    td_result rc = TD_OK;
    for (uint32_t number = 1; number <= last->origin.number && rc == TD_OK; number++) {
        const checked_segment *segment = find_number(v, last, number);
        TD_ASSERT(segment != NULL);
        rc = segment_gaps(v->archive, segment->listed->path, &told, err);
    }
    *lost = 0;
    for (size_t i = 0; i < told.count; i++) {
        const gap_row *row = &told.rows[i];
        if (row->reason == GAP_OVERLOAD && row->frames_lost != GAP_FRAMES_UNKNOWN)
            *lost += row->frames_lost;
    }
    gap_list_fini(&told);
    return rc;
}

/* Reading events costs: only for a session that dropped something. */
static td_result check_ledger(verification *v, const checked_segment *segment, td_err *err)
{
    uint64_t lost;
    uint64_t dropped = segment->result.counters.frames_dropped;
    if (dropped == 0 || !is_whole(v, segment))
        return TD_OK;
    td_result rc = sum_lost(v, segment, &lost, err);
    if (rc == TD_OK && lost != dropped)
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "counters: %" PRIu64
                     " frames of session %s were dropped, the ledger has %" PRIu64,
                     dropped, segment->origin.session, lost);
    /* What cannot be read has been found before. */
    return TD_OK;
}

static int is_counted(const checked_segment *segment)
{
    return segment->rc == TD_OK && segment->result.is_ours && segment->result.has_counters;
}

/* The counters of a session from one segment to the next, and what they call dropped against the
 * ledger. */
static td_result check_counters(verification *v, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < v->segment_count && rc == TD_OK; i++) {
        if (!is_counted(&v->segments[i]))
            continue;
        check_step(v, &v->segments[i]);
        rc = check_ledger(v, &v->segments[i], err);
    }
    return rc;
}

/* From one segment of a feed and session to the next, receive times rise as they do within one. */
static void check_order(verification *v)
{
    const checked_segment *before = NULL;
    for (size_t i = 0; i < v->segment_count; i++) {
        const checked_segment *segment = v->ordered[i];
        if (segment->rc != TD_OK || segment->origin.session[0] == '\0')
            continue;
        if (before != NULL && segment->origin.first_ns != 0 &&
            segment->origin.first_ns < before->result.totals.last_ns &&
            strcmp(before->origin.session, segment->origin.session) == 0 &&
            strcmp(before->origin.feed, segment->origin.feed) == 0)
            findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                         "begins at %llu, and the segment before it in its session ends at %llu",
                         (unsigned long long)segment->origin.first_ns,
                         (unsigned long long)before->result.totals.last_ns);
        before = segment;
    }
}

/* ---- the catalog ---- */

/* The catalog is derived, so nothing in it is ever damage: reindex rebuilds it. */
static void take_flaw(void *user, const char *what)
{
    verification *v = user;
    findings_add(&v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0, "%s", what);
}

/* The catalog against the segments. While a writer appends, the disk is always ahead of it. */
static td_result check_catalog(verification *v, td_err *err)
{
    char what[CATALOG_WHAT_BYTES];
    int is_live = v->live[0] != '\0';
    td_result rc = archive_check_catalog(v->archive, is_live ? NULL : take_flaw, v, what, err);
    if (rc == TD_OK && what[0] != '\0')
        findings_add(&v->findings, is_live ? VERIFY_SOUND : VERIFY_RECOVERABLE, "catalog.sqlite", 0,
                     "is out of date: %s", what);
    return rc;
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

/* Sorted, so that neither threads nor the order of checks shows. */
static void pass_findings(verification *v, verify_report *report)
{
    finding_list *list = &v->findings;
    if (list->count > 0)
        qsort(list->rows, list->count, sizeof list->rows[0], compare_findings);
    for (size_t i = 0; i < list->count; i++) {
        const verify_finding *row = &list->rows[i];
        report->findings[row->severity]++;
        if (row->severity > report->verdict)
            report->verdict = row->severity;
        if (v->options->finding != NULL)
            v->options->finding(v->options->user, row);
    }
}

/* ---- the archive as a whole ---- */

static int is_tail_damaged(const archive_past *past)
{
    const past_damage *last =
        past->damage_count == 0 ? NULL : &past->damages[past->damage_count - 1];
    return last != NULL && last->bytes > 0 && last->offset == past->journal.sound_bytes;
}

static void check_journal(verification *v)
{
    const journal_state state = v->past.journal;
    if (archive_is_single_file(v->archive))
        return;
    for (size_t i = 0; i < v->past.damage_count && state.is_present; i++) {
        const past_damage *damage = &v->past.damages[i];
        verify_severity severity = damage->is_accepted ? VERIFY_SOUND : VERIFY_DAMAGED;
        const char *accepted = damage->is_accepted ? "; the loss was accepted" : "";
        if (damage->bytes == 0)
            findings_add(&v->findings, severity, JOURNAL_FILE, damage->offset,
                         "an earlier journal is lost%s", accepted);
        else
            findings_add(&v->findings, severity, JOURNAL_FILE, damage->offset,
                         "%llu bytes cannot be read: entries are lost%s",
                         (unsigned long long)damage->bytes, accepted);
    }
    unsigned long long torn = state.file_bytes - state.sound_bytes;
    if (!state.is_present)
        findings_add(&v->findings, v->listing.segment_count == 0 ? VERIFY_SOUND : VERIFY_DAMAGED,
                     "", 0, "there is no journal");
    else if (torn > 0 && !is_tail_damaged(&v->past) && v->live[0] == '\0')
        findings_add(&v->findings, VERIFY_RECOVERABLE, JOURNAL_FILE, state.sound_bytes,
                     "%llu bytes at the end are an incomplete entry", torn);
}

static void note_unexpected(verification *v)
{
    for (size_t i = 0; i < v->listing.unexpected_count; i++) {
        const unexpected_file *file = &v->listing.unexpected[i];
        int is_closed = file->kind == UNEXPECTED_OTHER && file->is_unreadable;
        int is_unproven = is_closed || file->kind == UNEXPECTED_RIVAL;
        findings_add(&v->findings, is_unproven ? VERIFY_DAMAGED : VERIFY_SOUND, file->path, 0,
                     "%s: %s", is_closed ? "cannot be read" : "skipped", file->what);
    }
}

static td_result look_around(verification *v, td_err *err)
{
    td_result rc = archive_list(v->archive, &v->listing, err);
    if (rc == TD_OK)
        rc = archive_live_session(v->archive, v->live, err);
    if (rc == TD_OK)
        rc = archive_past_read(v->archive, &v->past, err);
    if (rc == TD_OK)
        archive_past_check(&v->past, v->archive, &v->listing);
    if (rc == TD_OK) {
        check_journal(v);
        note_unexpected(v);
    }
    return rc;
}

static void verification_fini(verification *v)
{
    for (size_t i = 0; i < v->segment_count; i++) {
        findings_fini(&v->segments[i].findings);
        segment_index_fini(&v->segments[i].origin);
    }
    td_free(v->segments);
    td_free(v->ordered);
    findings_fini(&v->findings);
    archive_past_fini(&v->past);
    archive_listing_fini(&v->listing);
}

static void sum_up(const verification *v, verify_report *report)
{
    report->segments = v->segment_count;
    for (size_t i = 0; i < v->segment_count; i++) {
        const checked_segment *segment = &v->segments[i];
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
    verification v = {.archive = a, .options = options};
    td_result rc = look_around(&v, err);
    if (rc == TD_OK)
        rc = read_segments(&v, err);
    if (rc == TD_OK)
        rc = check_links(&v, err);
    if (rc == TD_OK)
        rc = check_counters(&v, err);
    if (rc == TD_OK)
        rc = check_catalog(&v, err);
    if (rc == TD_OK) {
        check_order(&v);
        sum_up(&v, report);
        pass_findings(&v, report);
    }
    verification_fini(&v);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "verifying archive '%s'", archive_path(a));
}
