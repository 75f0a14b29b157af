#include "archive/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/journal.h"
#include "archive/verify_impl.h"

const char *verify_severity_name(verify_severity severity)
{
    static const char *const NAMES[] = {[VERIFY_SOUND] = "sound",
                                        [VERIFY_RECOVERABLE] = "recoverable",
                                        [VERIFY_DAMAGED] = "damaged"};
    TD_ASSERT(severity <= VERIFY_DAMAGED);
    return NAMES[severity];
}

/* ---- findings ---- */

void findings_add(finding_list *list, verify_severity severity, const char *segment,
                  uint64_t offset, const char *format, ...)
{
    char what[TD_ERR_TEXT_BYTES];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(what, sizeof what, format, values);
    va_end(values);
    kept_finding *grown = td_array_room(list->rows, list->count, sizeof *grown);
    list->is_short = list->is_short || grown == NULL;
    if (grown == NULL)
        return;
    list->rows = grown;
    kept_finding row = {.severity = severity,
                        .segment = td_strdup(segment),
                        .offset = offset,
                        .what = td_strdup(what)};
    if (row.segment == NULL || row.what == NULL) {
        td_free(row.segment);
        td_free(row.what);
        list->is_short = 1;
        return;
    }
    list->rows[list->count++] = row;
}

void findings_fini(finding_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        td_free(list->rows[i].segment);
        td_free(list->rows[i].what);
    }
    td_free(list->rows);
    *list = (finding_list){0};
}

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

static td_result check_journal(verification *v, td_err *err)
{
    journal_state state;
    td_result rc = journal_read(v->archive, NULL, NULL, &state, err);
    if (rc != TD_OK || archive_is_single_file(v->archive))
        return rc;
    v->has_journal = state.is_present;
    unsigned long long torn = state.file_bytes - state.sound_bytes;
    if (!state.is_present)
        findings_add(&v->findings, v->listing.segment_count == 0 ? VERIFY_SOUND : VERIFY_DAMAGED,
                     "", 0, "there is no journal");
    else if (state.is_damaged)
        findings_add(&v->findings, VERIFY_DAMAGED, "journal.mcap.open", state.sound_bytes,
                     "%llu bytes at the end do not chain, and entries stand in them", torn);
    else if (torn > 0 && v->live[0] == '\0')
        findings_add(&v->findings, VERIFY_RECOVERABLE, "journal.mcap.open", state.sound_bytes,
                     "%llu bytes at the end are an incomplete entry", torn);
    return TD_OK;
}

static void note_unexpected(verification *v)
{
    for (size_t i = 0; i < v->listing.unexpected_count; i++) {
        const unexpected_file *file = &v->listing.unexpected[i];
        int is_closed = file->kind == UNEXPECTED_OTHER && file->is_unreadable;
        int is_unproven = is_closed || file->kind == UNEXPECTED_RIVAL;
        findings_add(&v->findings, is_unproven ? VERIFY_DAMAGED : VERIFY_SOUND, file->path, 0,
                     "%s: %s", is_closed ? "cannot be read" : "passed over", file->what);
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
        rc = check_journal(v, err);
    if (rc == TD_OK)
        note_unexpected(v);
    return rc;
}

static void verification_fini(verification *v)
{
    for (size_t i = 0; i < v->segment_count; i++) {
        findings_fini(&v->segments[i].findings);
        td_free(v->segments[i].previous_segment);
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
        rc = verify_segments(&v, err);
    if (rc == TD_OK)
        rc = verify_links(&v, err);
    if (rc == TD_OK)
        rc = verify_counters(&v, err);
    if (rc == TD_OK)
        rc = verify_sessions(&v, err);
    if (rc == TD_OK)
        rc = verify_catalog(&v, err);
    if (rc == TD_OK && v.findings.is_short)
        rc = td_err_set(err, TD_E_NOMEM, "no memory for %zu findings", v.findings.count);
    if (rc == TD_OK) {
        sum_up(&v, report);
        pass_findings(&v, report);
    }
    verification_fini(&v);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "verifying archive '%s'", archive_path(a));
}
