#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/workers.h"
#include "archive/archive_segment.h"
#include "format/recover.h"
#include "format/segment_index.h"
#include "archive/verify_impl.h"

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

/* What the segment says of itself, for the checks between segments. */
static void take_origin(archive *a, checked_segment *out)
{
    segment_index index;
    if (archive_read_index(a, out->listed->path, INDEX_SUMMARY, &index, NULL) != TD_OK)
        return;
    memcpy(out->session, index.session, sizeof out->session);
    memcpy(out->feed, index.feed, sizeof out->feed);
    out->number = index.number;
    out->first_ns = index.first_ns;
    out->previous_segment = td_strdup(index.previous_segment);
    out->findings.is_short = out->findings.is_short || out->previous_segment == NULL;
    segment_index_fini(&index);
}

/* An open file whose head is torn, or that is gone: a crash left it when it had just been made. */
static int is_stillborn(archive *a, const checked_segment *segment, td_result rc)
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
                 is_stillborn(a, out, rc) ? (out->is_live ? VERIFY_SOUND : VERIFY_RECOVERABLE)
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
                     "has a segment's name and is no segment of tapedeck");
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
    v->findings.is_short = v->findings.is_short || segment->findings.is_short;
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
        if (jobs[i].out->rc == TD_E_NOMEM)
            rc = td_err_set(err, TD_E_NOMEM, "no memory to check %s", jobs[i].out->listed->path);
        if (v->options->progress != NULL)
            v->options->progress(v->options->user, done, total);
    }
    td_workers_close(workers);
    return rc;
}

static int compare_place(const checked_segment *left, const char *session, const char *feed,
                         uint32_t number)
{
    int order = strcmp(left->session, session);
    if (order == 0)
        order = strcmp(left->feed, feed);
    if (order == 0 && left->number != number)
        order = left->number < number ? -1 : 1;
    return order;
}

static int compare_ordered(const void *a, const void *b)
{
    const checked_segment *left = *(checked_segment *const *)a;
    const checked_segment *right = *(checked_segment *const *)b;
    int order = compare_place(left, right->session, right->feed, right->number);
    return order != 0 ? order : strcmp(left->listed->path, right->listed->path);
}

size_t verify_first_of(const verification *v, const char *session, const char *feed,
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

td_result verify_segments(verification *v, td_err *err)
{
    TD_ASSERT(v->segments == NULL);
    size_t count = v->listing.segment_count;
    segment_job *jobs = td_alloc_zero(count + 1, sizeof *jobs);
    v->segments = td_alloc_zero(count + 1, sizeof v->segments[0]);
    v->ordered = td_alloc_zero(count + 1, sizeof(checked_segment *));
    td_result rc = TD_OK;
    if (jobs == NULL || v->segments == NULL || v->ordered == NULL) {
        rc = td_err_set(err, TD_E_NOMEM, "no memory to check %zu segments", count);
    } else {
        v->segment_count = count;
        prepare(v, jobs);
        rc = run_jobs(v, jobs, err);
        put_in_order(v);
    }
    td_free(jobs);
    return rc;
}
