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
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/workers.h"
#include "format/mcap_decode.h"
#include "format/recover.h"
#include "format/segment_index.h"
#include "format/segment_reader.h"
#include "format/segment_verify.h"
#include "archive/archive.h"
#include "archive/archive_segment.h"
#include "archive/feed_past.h"
#include "archive/feed_strays.h"
#include "archive/journal.h"
#include "archive/segment_rows.h"
#include "archive/reindex.h"

/* More findings than this about one segment are counted and not listed. */
enum { VERIFY_FINDINGS_PER_SEGMENT_MAX = 1000 };

/* A finding with memory of its own. */
typedef struct kept_finding {
    verify_severity severity;
    char *segment;
    uint64_t offset;
    char *what;
} kept_finding;

typedef struct finding_list {
    kept_finding *rows;
    size_t count;
} finding_list;

/* One segment after it was read. */
typedef struct checked_segment {
    const archive_segment *listed;
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
    list->rows[list->count++] = (kept_finding){.severity = severity,
                                               .segment = td_strdup(segment),
                                               .offset = offset,
                                               .what = td_strdup(what)};
}

static void findings_fini(finding_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        td_free(list->rows[i].segment);
        td_free(list->rows[i].what);
    }
    td_free(list->rows);
    *list = (finding_list){0};
}

/* ---- each segment ---- */

/* A segment and the thread's job that reads it. */
typedef struct segment_job {
    archive *archive;
    checked_segment *out;
    td_job job;
} segment_job;

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
    segment_job *job = arg;
    checked_segment *out = job->out;
    char full[LIMIT_PATH_BYTES];
    td_err cause;
    td_err_clear(&cause);
    out->rc = archive_join(job->archive, out->listed->path, full, &cause);
    if (out->rc == TD_OK)
        out->rc =
            segment_verify(archive_io(job->archive), full, keep_finding, out, &out->result, &cause);
    if (out->rc != TD_OK) {
        check_unreadable(job->archive, out, out->rc, &cause);
        return;
    }
    take_origin(job->archive, out);
    check_state(out);
}

static void prepare(verification *v, segment_job *jobs)
{
    for (size_t i = 0; i < v->segment_count; i++) {
        const archive_segment *listed = &v->listing.segments[i];
        checked_segment *segment = &v->segments[i];
        segment->listed = listed;
        segment->is_live = archive_segment_is_live(listed, v->live) != 0;
        jobs[i] = (segment_job){
            .archive = v->archive, .out = segment, .job = {.run = run_job, .arg = &jobs[i]}};
    }
}

static void collect(verification *v, checked_segment *segment)
{
    for (size_t i = 0; i < segment->findings.count; i++) {
        const kept_finding *row = &segment->findings.rows[i];
        findings_add(&v->findings, row->severity, row->segment, row->offset, "%s", row->what);
    }
    findings_fini(&segment->findings);
}

static td_result run_jobs(verification *v, segment_job *jobs, td_err *err)
{
    td_workers *workers = NULL;
    uint64_t done = 0;
    uint64_t total = 0;
    td_result rc = td_workers_open(v->options->threads, &workers, err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < v->segment_count; i++) {
        total += jobs[i].out->listed->size_bytes;
        td_workers_submit(workers, &jobs[i].job);
    }
    for (size_t i = 0; i < v->segment_count; i++) {
        td_workers_wait(workers, &jobs[i].job);
        done += jobs[i].out->listed->size_bytes;
        collect(v, jobs[i].out);
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

static void put_in_order(verification *v)
{
    for (size_t i = 0; i < v->segment_count; i++)
        v->ordered[i] = &v->segments[i];
    if (v->segment_count > 0)
        qsort(v->ordered, v->segment_count, sizeof(void *), compare_ordered);
}

/* Read and check every segment, on options->threads threads. */
static td_result read_segments(verification *v, td_err *err)
{
    TD_ASSERT(v->segments == NULL);
    size_t count = v->listing.segment_count;
    segment_job *jobs = td_alloc_zero(count + 1, sizeof *jobs);
    v->segments = td_alloc_zero(count + 1, sizeof v->segments[0]);
    v->ordered = td_alloc_zero(count + 1, sizeof(checked_segment *));
    v->segment_count = count;
    prepare(v, jobs);
    td_result rc = run_jobs(v, jobs, err);
    put_in_order(v);
    td_free(jobs);
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
static void check_unknown(verification *v, const link_names *names, const stray_segment *stray)
{
    size_t at = name_index_find(&names->paths, segment_final_name(stray->index.path));
    TD_ASSERT(at < v->segment_count);
    const checked_segment *segment = &v->segments[at];
    if (segment->rc != TD_OK || segment->result.totals.chunk_count == 0)
        return;
    if (stray->is_continued)
        findings_add(&v->findings, VERIFY_SOUND, stray->index.path, 0,
                     "the journal does not list this segment; the chain goes through it");
    else if (stray->is_linked)
        findings_add(&v->findings, VERIFY_RECOVERABLE, stray->index.path, 0,
                     "the journal does not list this segment, which continues the last one that it "
                     "lists: the journal is older than the segments");
    else
        findings_add(&v->findings, VERIFY_DAMAGED, stray->index.path, 0,
                     "the journal does not list this segment: entries are missing there, or the "
                     "file is from elsewhere");
}

static td_result check_strays(verification *v, const link_names *names, td_err *err)
{
    stray_list strays = {0};
    td_result rc = v->past.journal.is_present
                       ? stray_list_read(v->archive, &v->past, &v->listing, &strays, err)
                       : TD_OK;
    for (size_t i = 0; i < strays.count && rc == TD_OK; i++)
        check_unknown(v, names, &strays.rows[i]);
    stray_list_fini(&strays);
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
    td_result rc = check_strays(v, &names, err);
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

/* ---- receive times over all feeds of a session ---- */

/* Within one file segment_verify checks the receive times. Over the feeds of a session they are
 * merged here: one stream per feed, its segments in order, chunk by chunk, times out of the message
 * indexes (which are proved to agree with the chunks). Events are left out: they may share a
 * frame's time. */

typedef struct time_stream {
    verification *v;
    const checked_segment **segments; /* of one feed in one session, by number */
    size_t segment_count;
    size_t next_segment;
    segment_reader *reader;
    td_file *file;
    uint32_t next_chunk;
    td_buf times; /* of the present chunk, rising */
    size_t at;
} time_stream;

static uint64_t head_of(const time_stream *s)
{
    uint64_t ns;
    TD_ASSERT((s->at + 1) * sizeof ns <= s->times.size);
    memcpy(&ns, s->times.data + s->at * sizeof ns, sizeof ns);
    return ns;
}

static int compare_times(const void *a, const void *b)
{
    uint64_t left;
    uint64_t right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

static td_result add_index(time_stream *s, td_bytes content, td_err *err)
{
    mcap_message_index index;
    td_result rc = mcap_decode_message_index(content, &index, err);
    if (rc != TD_OK)
        return rc;
    const segment_channel *channel = segment_reader_channel_by_id(s->reader, index.channel_id);
    if (channel == NULL || channel->info.dir == CHANNEL_EVENT)
        return TD_OK;
    uint64_t ns = 0;
    uint64_t offset = 0;
    while (rc == TD_OK && mcap_next_entry(&index.entries, &ns, &offset))
        rc = td_buf_append(&s->times, &ns, sizeof ns, err);
    return rc;
}

/* Times of a chunk's frames. What cannot be read has been found by segment_verify. */
static td_result load_times(time_stream *s, const segment_chunk *chunk, td_err *err)
{
    td_buf records;
    td_buf_init(&records, LIMIT_CHUNK_BYTES);
    td_buf_clear(&s->times);
    s->at = 0;
    td_result rc = td_buf_reserve(&records, (size_t)chunk->index_bytes + 1, err);
    size_t got = 0;
    if (rc == TD_OK)
        rc = td_io_read_at(s->file, chunk->offset + chunk->chunk_bytes, records.data,
                           (size_t)chunk->index_bytes, &got, err);
    records.size = rc == TD_OK ? got : 0;
    size_t at = 0;
    mcap_record record;
    while (rc == TD_OK && mcap_next_record(td_buf_view(&records), &at, &record, NULL) == TD_OK) {
        if (record.opcode == MCAP_MESSAGE_INDEX)
            rc = add_index(s, record.content, err);
    }
    td_buf_fini(&records);
    size_t count = s->times.size / sizeof(uint64_t);
    if (rc == TD_OK && count > 0)
        qsort(s->times.data, count, sizeof(uint64_t), compare_times);
    return rc;
}

static td_result open_next_segment(time_stream *s, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_io io = archive_io(s->v->archive);
    td_io_close(s->file);
    segment_reader_close(s->reader);
    s->file = NULL;
    s->reader = NULL;
    s->next_chunk = 0;
    if (s->next_segment == s->segment_count)
        return TD_EOF;
    const checked_segment *segment = s->segments[s->next_segment++];
    td_result rc = archive_join(s->v->archive, segment->listed->path, path, err);
    if (rc == TD_OK)
        rc = segment_reader_open(io, path, &s->reader, err);
    if (rc == TD_OK)
        rc = td_io_open(io, path, TD_OPEN_READ, &s->file, err);
    return rc;
}

/* Go to the next time; TD_EOF at the end of the feed. A segment or chunk that cannot be read is
 * passed over. */
static td_result stream_next(time_stream *s, td_err *err)
{
    s->at++;
    while (s->at * sizeof(uint64_t) >= s->times.size) {
        td_result rc = TD_OK;
        if (s->reader == NULL || s->next_chunk == segment_reader_chunk_count(s->reader))
            rc = open_next_segment(s, err);
        else
            rc = load_times(s, segment_reader_chunk(s->reader, s->next_chunk++), err);
        if (rc == TD_EOF)
            return rc;
        if (rc != TD_OK)
            td_err_clear(err);
    }
    return TD_OK;
}

static void stream_fini(time_stream *s)
{
    td_io_close(s->file);
    segment_reader_close(s->reader);
    td_buf_fini(&s->times);
    td_free(s->segments);
}

static td_result merge_streams(verification *v, const char *session, time_stream *streams,
                               size_t count, td_err *err)
{
    uint64_t last = 0;
    uint64_t repeats = 0;
    uint64_t first_repeat = 0;
    uint64_t backs = 0;
    uint64_t first_back = 0;
    while (count > 0) {
        size_t least = 0;
        for (size_t i = 1; i < count; i++) {
            if (head_of(&streams[i]) < head_of(&streams[least]))
                least = i;
        }
        uint64_t now = head_of(&streams[least]);
        if (now < last && backs++ == 0)
            first_back = now;
        if (now == last && repeats++ == 0)
            first_repeat = now;
        last = now > last ? now : last;
        td_result rc = stream_next(&streams[least], err);
        if (rc == TD_EOF) {
            stream_fini(&streams[least]);
            streams[least] = streams[--count];
            streams[count] = (time_stream){0};
        } else if (rc != TD_OK) {
            return rc;
        }
    }
    if (backs > 0)
        findings_add(&v->findings, VERIFY_DAMAGED, "", 0,
                     "session %s: %llu frames have a receive time before that of the frame before, "
                     "the first at %llu",
                     session, (unsigned long long)backs, (unsigned long long)first_back);
    if (repeats > 0)
        findings_add(
            &v->findings, VERIFY_DAMAGED, "", 0,
            "session %s: %llu frames have a receive time that another feed's frame has, the "
            "first at %llu",
            session, (unsigned long long)repeats, (unsigned long long)first_repeat);
    return TD_OK;
}

/* From one segment of a feed to the next times rise as they do within one. */
static void check_order(verification *v, const time_stream *s, const checked_segment *segment)
{
    if (s->segment_count == 0)
        return;
    const checked_segment *before = s->segments[s->segment_count - 1];
    if (segment->origin.first_ns != 0 && segment->origin.first_ns < before->result.totals.last_ns)
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "begins at %llu, and the segment before it in its session ends at %llu",
                     (unsigned long long)segment->origin.first_ns,
                     (unsigned long long)before->result.totals.last_ns);
}

static void add_to_stream(time_stream *s, const checked_segment *segment)
{
    s->segments = td_array_grow(s->segments, s->segment_count, sizeof(void *));
    TD_ASSERT(s->segment_count == 0 ||
              s->segments[s->segment_count - 1]->origin.number <= segment->origin.number);
    s->segments[s->segment_count++] = segment;
}

/* A stream for each feed of the session that begins at from in v->ordered; *end: where the next one
 * does. */
static void gather(verification *v, size_t from, time_stream *streams, size_t *count, size_t *end)
{
    const char *session = v->ordered[from]->origin.session;
    size_t at = from;
    for (; at < v->segment_count && strcmp(v->ordered[at]->origin.session, session) == 0; at++) {
        const checked_segment *segment = v->ordered[at];
        if (segment->rc != TD_OK)
            continue;
        int is_new = *count == 0 || strcmp(streams[*count - 1].segments[0]->origin.feed,
                                           segment->origin.feed) != 0;
        if (is_new && *count == LIMIT_FEEDS)
            continue; /* no session of ours has that many */
        if (is_new) {
            streams[*count] = (time_stream){.v = v};
            td_buf_init(&streams[(*count)++].times, LIMIT_CHUNK_BYTES);
        }
        check_order(v, &streams[*count - 1], segment);
        add_to_stream(&streams[*count - 1], segment);
    }
    *end = at;
}

static td_result check_session(verification *v, size_t from, size_t *end, td_err *err)
{
    time_stream streams[LIMIT_FEEDS] = {0};
    size_t count = 0;
    td_result rc = TD_OK;
    gather(v, from, streams, &count, end);
    size_t started = 0;
    if (count > 1) { /* one feed alone has been checked */
        for (size_t i = 0; i < count && rc == TD_OK; i++) {
            rc = stream_next(&streams[i], err);
            if (rc == TD_OK && i != started) {
                time_stream empty = streams[started];
                streams[started] = streams[i];
                streams[i] = empty;
            }
            started += rc == TD_OK;
            rc = rc == TD_EOF ? TD_OK : rc;
        }
        if (rc == TD_OK)
            rc = merge_streams(v, v->ordered[from]->origin.session, streams, started, err);
    }
    for (size_t i = 0; i < count; i++)
        stream_fini(&streams[i]);
    return rc;
}

/* recv_ns over all feeds of each session. */
static td_result check_sessions(verification *v, td_err *err)
{
    td_result rc = TD_OK;
    size_t next = 0;
    for (size_t at = 0; at < v->segment_count && rc == TD_OK; at = next) {
        next = at + 1;
        if (v->ordered[at]->origin.session[0] != '\0')
            rc = check_session(v, at, &next, err);
    }
    return rc;
}

/* ---- the catalog ---- */

/* The catalog is derived, so nothing in it is ever damage: reindex rebuilds it. */
static void take_flaw(void *user, const char *what)
{
    verification *v = user;
    findings_add(&v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0, "%s", what);
}

/* The catalog against the segments. */
static td_result check_catalog(verification *v, td_err *err)
{
    char what[CATALOG_WHAT_BYTES];
    if (archive_is_single_file(v->archive))
        return TD_OK;
    td_result rc = archive_check_catalog(v->archive, what, err);
    if (rc != TD_OK)
        return rc;
    /* While a writer appends, the disk is always ahead of the catalog. */
    if (what[0] != '\0') {
        findings_add(&v->findings, v->live[0] == '\0' ? VERIFY_RECOVERABLE : VERIFY_SOUND,
                     "catalog.sqlite", 0, "is out of date: %s", what);
        return TD_OK;
    }
    return v->live[0] == '\0' ? archive_check_rows(v->archive, take_flaw, v, err) : TD_OK;
}

/* ---- the report ---- */

static int compare_findings(const void *a, const void *b)
{
    const kept_finding *left = a;
    const kept_finding *right = b;
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
        const kept_finding *row = &list->rows[i];
        const verify_finding finding = {.severity = row->severity,
                                        .segment = row->segment,
                                        .offset = row->offset,
                                        .what = row->what};
        report->findings[row->severity]++;
        if (row->severity > report->verdict)
            report->verdict = row->severity;
        if (v->options->finding != NULL)
            v->options->finding(v->options->user, &finding);
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
        rc = check_sessions(&v, err);
    if (rc == TD_OK)
        rc = check_catalog(&v, err);
    if (rc == TD_OK) {
        sum_up(&v, report);
        pass_findings(&v, report);
    }
    verification_fini(&v);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "verifying archive '%s'", archive_path(a));
}
