#include "tests/testing/fault_check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "archive/catalog.h"
#include "archive/ledger.h"
#include "archive/reindex.h"
#include "archive/verify.h"
#include "tape/cursor.h"
#include "tests/testing/catalog_text.h"

static int wrong(fault_checker *checker, const char *format, ...) TD_PRINTF(2, 3);

static int wrong(fault_checker *checker, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)vsnprintf(checker->failure, sizeof checker->failure, format, values);
    va_end(values);
    return 0;
}

fault_truth fault_truth_at(const fault_recording *r, uint64_t change_count)
{
    fault_truth truth;
    for (size_t i = 0; i < FAULT_FEEDS; i++) {
        truth.durable[i] = fault_durable_at(r, i, change_count);
        truth.fed[i] = fault_fed_at(r, i, change_count);
    }
    return truth;
}

static td_result open_at(const fault_checker *checker, io_fault *disk, archive_mode mode,
                         archive **out, td_err *err)
{
    td_err_clear(err);
    return fault_archive_open(checker->recording, disk, checker->catalog, mode, "recover", out,
                              err);
}

/* ---- frames ---- */

static size_t feed_of(const fault_recording *r, const char *name)
{
    size_t i = 0;
    while (i < FAULT_FEEDS && strcmp(r->feeds[i].name, name) != 0)
        i++;
    return i;
}

static int check_frame(fault_checker *checker, const frame_ref *got, fault_found *found)
{
    const fault_recording *r = checker->recording;
    size_t i = feed_of(r, got->channel->info.feed);
    if (i == FAULT_FEEDS || found->frames[i] == r->feeds[i].count)
        return wrong(checker, "a frame of %s that was not fed", got->channel->info.feed);
    const fault_frame *want = &r->feeds[i].frames[found->frames[i]];
    if (got->bytes.size != want->size || memcmp(got->bytes.data, want->text, want->size) != 0)
        return wrong(checker, "frame %" PRIu64 " of %s has other bytes: %.*s", found->frames[i],
                     r->feeds[i].name, (int)(got->bytes.size < 80 ? got->bytes.size : 80),
                     (const char *)got->bytes.data);
    if (got->recv_ns != want->recv_ns || got->ordinal != want->ordinal ||
        got->conn->number != want->conn)
        return wrong(checker, "frame %" PRIu64 " of %s has another time, ordinal or connection",
                     found->frames[i], r->feeds[i].name);
    found->frames[i]++;
    return 1;
}

static int check_tape(fault_checker *checker, archive *a, fault_found *found)
{
    static const selection EVERYTHING = {.has_from = 0};
    const cursor_options reading = {.threads = 1};
    cursor *t = NULL;
    const frame_ref *frame;
    td_err err;
    td_err_clear(&err);
    int ok = 1;
    td_result rc = cursor_open(a, &EVERYTHING, &reading, &t, &err);
    while (rc == TD_OK && ok && (rc = cursor_next(t, &frame, &err)) == TD_OK)
        ok = check_frame(checker, frame, found);
    cursor_stats stats = {0};
    if (t != NULL)
        cursor_get_stats(t, &stats);
    cursor_close(t);
    if (ok && rc != TD_EOF)
        ok = wrong(checker, "cannot read: %s", err.text);
    if (ok && stats.damaged_chunks + stats.segments_unreadable > 0)
        ok = wrong(checker, "%" PRIu64 " chunks are damaged, %" PRIu64 " segments unreadable",
                   stats.damaged_chunks, stats.segments_unreadable);
    return ok;
}

int fault_check_frames(fault_checker *checker, io_fault *disk, const fault_truth *truth,
                       fault_found *found)
{
    archive *a = NULL;
    td_err err;
    int ok = 1;
    *found = (fault_found){.has_archive = 1};
    td_result rc = open_at(checker, disk, ARCHIVE_READ, &a, &err);
    if (rc == TD_OK)
        ok = check_tape(checker, a, found);
    else if (rc == TD_E_NOTFOUND || rc == TD_E_INVALID)
        found->has_archive = 0;
    else
        ok = wrong(checker, "cannot open: %s", err.text);
    archive_close(a);
    for (size_t i = 0; ok && i < FAULT_FEEDS; i++) {
        if (found->frames[i] < truth->durable[i])
            ok = wrong(checker, "%s: %" PRIu64 " of %" PRIu64 " durable frames are there",
                       checker->recording->feeds[i].name, found->frames[i], truth->durable[i]);
        found->fed[i] = truth->fed[i];
        found->lost += truth->fed[i] > found->frames[i] ? truth->fed[i] - found->frames[i] : 0;
    }
    return ok;
}

/* ---- recovery ---- */

int fault_check_recover(fault_checker *checker, io_fault *disk, recover_report *report)
{
    archive *a = NULL;
    td_err err;
    td_result rc = open_at(checker, disk, ARCHIVE_MAINTAIN, &a, &err);
    if (rc == TD_OK)
        rc = archive_recover(a, NULL, NULL, report, &err);
    archive_close(a);
    if (rc != TD_OK)
        return wrong(checker, "recover: %s", err.text);
    if (report->is_lossy || report->segments_failed > 0)
        return wrong(checker, "recover: lossy, %" PRIu64 " segments failed",
                     report->segments_failed);
    return io_fault_open_count(disk) == 0 || wrong(checker, "recover left files open");
}

int fault_check_settled(fault_checker *checker, io_fault *disk)
{
    recover_report report = {0};
    td_hash128 before = io_fault_digest(disk);
    if (!fault_check_recover(checker, disk, &report))
        return 0;
    if (report.segments_recovered + report.sessions_crashed + report.gaps_opened != 0)
        return wrong(checker, "a second recover found something to do");
    return td_hash128_equal(before, io_fault_digest(disk)) ||
           wrong(checker, "a second recover changed the archive");
}

/* ---- soundness ---- */

static void note_finding(void *user, const verify_finding *finding)
{
    fault_checker *checker = user;
    /* Keep the worst finding, and the last of equal ones. */
    int is_damage_said = strncmp(checker->failure, "verify: damaged", 15) == 0;
    if (finding->severity != VERIFY_SOUND &&
        (finding->severity == VERIFY_DAMAGED || !is_damage_said))
        (void)wrong(checker, "verify: %s: %s: %s", verify_severity_name(finding->severity),
                    finding->segment, finding->what);
}

static int verify_disk(fault_checker *checker, archive *a, verify_severity worst)
{
    const verify_options options = {
        .time = TIME_SPAN_ALL, .threads = 1, .finding = note_finding, .user = checker};
    verify_report report;
    td_err err;
    td_err_clear(&err);
    checker->failure[0] = '\0';
    if (archive_verify(a, &options, &report, &err) != TD_OK)
        return wrong(checker, "verify: %s", err.text);
    return report.verdict <= worst;
}

char *fault_dump(fault_checker *checker)
{
    char *text = catalog_text(checker->catalog);
    if (text == NULL)
        (void)wrong(checker, "the catalog cannot be read");
    return text;
}

/* The dump of a catalog that is rebuilt from segments and journal (P5). */
static char *dump_rebuilt(fault_checker *checker, archive *a)
{
    const reindex_options options = {.scope = REINDEX_ALL};
    reindex_report report;
    catalog *c = NULL;
    char path[300];
    td_err err;
    td_err_clear(&err);
    (void)snprintf(path, sizeof path, "%s.rebuilt", checker->catalog);
    if (catalog_open(path, CATALOG_WRITE, &c, &err) != TD_OK ||
        archive_reindex_into(a, c, &options, &report, &err) != TD_OK)
        (void)wrong(checker, "reindex: %s", err.text);
    catalog_close(c);
    char *text = catalog_text(path);
    if (text == NULL)
        (void)wrong(checker, "the rebuilt catalog cannot be read");
    if (catalog_remove(path, &err) != TD_OK)
        (void)wrong(checker, "removing: %s", err.text);
    return text;
}

static int compare_dumps(fault_checker *checker, archive *a)
{
    char *kept = fault_dump(checker);
    char *rebuilt = kept == NULL ? NULL : dump_rebuilt(checker, a);
    int ok = kept != NULL && rebuilt != NULL;
    if (ok && strcmp(kept, rebuilt) != 0)
        ok = wrong(checker, "the catalog differs from a rebuilt one");
    td_free(kept);
    td_free(rebuilt);
    return ok;
}

int fault_check_sound(fault_checker *checker, io_fault *disk)
{
    archive *a = NULL;
    td_err err;
    if (open_at(checker, disk, ARCHIVE_READ, &a, &err) != TD_OK)
        return wrong(checker, "cannot open: %s", err.text);
    int ok = verify_disk(checker, a, VERIFY_SOUND) && compare_dumps(checker, a);
    archive_close(a);
    return ok;
}

/* Checks that there is no damage beyond what recover repairs: a crash damages nothing. */
static int check_recoverable(fault_checker *checker, io_fault *disk)
{
    archive *a = NULL;
    td_err err;
    if (open_at(checker, disk, ARCHIVE_READ, &a, &err) != TD_OK)
        return wrong(checker, "cannot open: %s", err.text);
    int ok = verify_disk(checker, a, VERIFY_RECOVERABLE);
    archive_close(a);
    return ok;
}

/* ---- the ledger ---- */

/* 1 if a crash gap of the feed contains the time. */
static int is_in_crash_gap(const gap_list *list, const char *feed, uint64_t recv_ns)
{
    for (size_t i = 0; i < list->count; i++) {
        const gap_row *row = &list->rows[i];
        if (row->reason == GAP_CRASH && strcmp(row->feed, feed) == 0 && row->from_ns < recv_ns &&
            (row->to_ns == GAP_OPEN || row->to_ns >= recv_ns))
            return 1;
    }
    return 0;
}

/* Checks the ledger. If a feed has no frames in the archive, the ledger has no gaps of it. */
int fault_check_ledger(fault_checker *checker, io_fault *disk, fault_found *found)
{
    const fault_recording *r = checker->recording;
    gap_list list = {0};
    archive *a = NULL;
    td_err err;
    td_result rc = open_at(checker, disk, ARCHIVE_READ, &a, &err);
    if (rc == TD_OK)
        rc = archive_gaps(a, &list, &err);
    int ok = rc == TD_OK || wrong(checker, "gaps: %s", err.text);
    for (size_t i = 0; ok && i < FAULT_FEEDS; i++) {
        uint64_t there = found->frames[i];
        if (there == 0 || there >= found->fed[i])
            continue;
        if (!is_in_crash_gap(&list, r->feeds[i].name, r->feeds[i].frames[there].recv_ns))
            ok = wrong(checker, "%s: frame %" PRIu64 " was fed, is not there, and no gap says so",
                       r->feeds[i].name, there);
    }
    gap_list_fini(&list);
    archive_close(a);
    return ok;
}

static int read_gaps(fault_checker *checker, io_fault *disk, gap_list *out)
{
    archive *a = NULL;
    td_err err;
    *out = (gap_list){0};
    td_result rc = open_at(checker, disk, ARCHIVE_READ, &a, &err);
    if (rc == TD_OK)
        rc = archive_gaps(a, out, &err);
    archive_close(a);
    return rc == TD_OK || wrong(checker, "gaps: %s", err.text);
}

/* Checks that readers report the same gaps before recovery as after it, so that nothing looks
 * complete before. */
static int compare_gaps(fault_checker *checker, const gap_list *before, const gap_list *after)
{
    for (size_t i = 0; i < after->count; i++) {
        const gap_row *row = &after->rows[i];
        const gap_row *same = gap_list_find(before, row);
        if (same == NULL || same->to_ns != row->to_ns)
            return wrong(checker,
                         "%s: a gap of reason %s from %" PRIu64 " to %" PRIu64
                         " is listed only after recovery",
                         row->feed, time_reason_name(row->reason), row->from_ns, row->to_ns);
    }
    return before->count == after->count ||
           wrong(checker, "%zu gaps before recovery, %zu after it", before->count, after->count);
}

int fault_check_all(fault_checker *checker, io_fault *disk, const fault_truth *truth,
                    fault_found *found)
{
    recover_report report = {0};
    fault_found before;
    gap_list gaps_before;
    gap_list gaps_after;
    if (!fault_check_frames(checker, disk, truth, &before))
        return 0;
    *found = before;
    if (!before.has_archive)
        return 1;
    int ok = read_gaps(checker, disk, &gaps_before) && check_recoverable(checker, disk) &&
             fault_check_recover(checker, disk, &report) &&
             fault_check_frames(checker, disk, truth, found);
    if (ok) {
        ok = read_gaps(checker, disk, &gaps_after) &&
             compare_gaps(checker, &gaps_before, &gaps_after);
        gap_list_fini(&gaps_after);
    }
    gap_list_fini(&gaps_before);
    if (!ok)
        return 0;
    for (size_t i = 0; i < FAULT_FEEDS; i++) {
        if (before.frames[i] != found->frames[i])
            return wrong(checker, "%s: other frames before recovery than after",
                         checker->recording->feeds[i].name);
    }
    return fault_check_sound(checker, disk) && fault_check_ledger(checker, disk, found) &&
           fault_check_settled(checker, disk);
}

/* ---- after the check ---- */

int fault_check_cut_again(fault_checker *checker, io_fault *disk, const fault_truth *truth,
                          fault_found *found)
{
    io_fault *after = io_fault_power_cut(disk, IO_FAULT_CUT_WORST);
    int ok = fault_check_all(checker, after, truth, found);
    io_fault_close(after);
    return ok;
}

/* Makes a recording whose next session continues after the frames that were found. */
static void begin_next(fault_recording *next, const fault_recording *from, const fault_found *found)
{
    for (size_t i = 0; i < FAULT_FEEDS; i++) {
        fault_feed *feed = &next->feeds[i];
        feed->name = from->feeds[i].name;
        feed->count = feed->capacity = found->frames[i];
        atomic_store(&feed->fed, feed->count);
        feed->frames = td_alloc_zero((size_t)feed->count + 1, sizeof *feed->frames);
        TD_ASSERT(feed->frames != NULL);
        for (uint64_t n = 0; n < feed->count; n++)
            feed->frames[n] = from->feeds[i].frames[n];
    }
    next->clock = from->clock;
}

static void end_next(fault_recording *next, const fault_found *found)
{
    for (size_t i = 0; i < FAULT_FEEDS; i++) {
        for (uint64_t n = found->frames[i]; n < next->feeds[i].count; n++)
            td_free(next->feeds[i].frames[n].text);
        td_free(next->feeds[i].frames);
    }
    td_free(next->durable);
    td_free(next->fed);
}

int fault_check_record_on(fault_checker *checker, io_fault *disk, fault_found *found)
{
    static const fault_size SHORT = {.rounds = 2, .frames_per_round = 2, .rounds_per_hour = 1};
    const fault_recording *before = checker->recording;
    const fault_found kept = *found;
    fault_recording next = {.disk = disk};
    fault_truth truth;
    fault_end end;
    begin_next(&next, before, &kept);
    (void)snprintf(next.catalog, sizeof next.catalog, "%s", checker->catalog);
    fault_recording_run(&next, &SHORT, &end);
    int ok = end.result == TD_OK || wrong(checker, "recording on: %.500s", end.err.text);
    for (size_t i = 0; i < FAULT_FEEDS; i++)
        truth.durable[i] = truth.fed[i] = next.feeds[i].count;
    checker->recording = &next;
    ok = ok && fault_check_cut_again(checker, disk, &truth, found);
    checker->recording = before;
    end_next(&next, &kept);
    return ok;
}
