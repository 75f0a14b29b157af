/* tapedeck verify: is what was recorded still there, bit for bit? */
#include <string.h>

#include "verbs/verb_run.h"
#include "verbs/cmds.h"
#include "base/assert.h"
#include "base/clock.h"
#include "cli/units.h"
#include "archive/reindex.h"
#include "archive/verify.h"
#include "archive/gap.h"

/* Findings that are kept to be printed; more are only counted. An archive with a thousand of them
 * has one cause, and its first ones show it. */
enum { FINDINGS_KEPT_MAX = 10000, BAR_BYTES = 33 };

typedef struct findings {
    verb_run *verb;
    result_rows rows; /* those that are kept */
    uint64_t count;   /* all of them */
} findings;

static const struct {
    terminal_style style;
    exit_code status;
    const char *text;
} VERDICTS[] = {
    [VERIFY_SOUND] = {TERMINAL_GOOD, EXIT_CODE_DONE, "sound"},
    [VERIFY_RECOVERABLE] = {TERMINAL_DOUBT, EXIT_CODE_DIFFERS,
                            "sound once 'tapedeck recover' and 'tapedeck reindex' have run"},
    [VERIFY_DAMAGED] = {TERMINAL_BAD, EXIT_CODE_DAMAGE,
                        "DAMAGED: something that was recorded is lost or changed"},
};

/* Threads of verify call it one at a time. */
static void take_finding(void *user, const verify_finding *finding)
{
    findings *list = user;
    const char *severity = verify_severity_name(finding->severity);
    result_writer *r = &list->rows.r;
    if (list->count++ >= FINDINGS_KEPT_MAX)
        return;
    result_object_begin(r, NULL);
    result_text(r, "severity", severity);
    result_name(r, "segment", finding->segment);
    result_number(r, "offset", finding->offset);
    result_text(r, "what", finding->what);
    result_styled(r, "styled", VERDICTS[finding->severity].style, severity);
    result_note(r, "pad", "%*s", 11 - (int)strlen(severity), "");
    result_object_end(r, "{styled}{pad} {segment|archive}[ at {offset}]: {what}\n");
}

/* Without memory a finding is missing on the screen, not in the verdict. */
static uint64_t count_dropped(const findings *list)
{
    if (result_rows_are_cut(&list->rows))
        return list->count;
    return list->count > FINDINGS_KEPT_MAX ? list->count - FINDINGS_KEPT_MAX : 0;
}

/* "########----": how much is done. */
static void draw_bar(uint64_t done, uint64_t total, char out[BAR_BYTES])
{
    TD_ASSERT(done <= total);
    /* No product of two sizes, which could overflow. */
    double part = total == 0 ? 1.0 : (double)done / (double)total;
    size_t filled = (size_t)(part * (BAR_BYTES - 1));
    for (size_t i = 0; i < BAR_BYTES - 1; i++)
        out[i] = i < filled ? '#' : '-';
    out[BAR_BYTES - 1] = '\0';
}

/* Bytes, not segments: the last segment of an hour may be as large as all before it. */
static void show_progress(void *user, uint64_t bytes_done, uint64_t bytes_total)
{
    findings *list = user;
    progress_line *progress = &list->verb->progress;
    uint64_t now_ns = clock_mono_ns(clock_real());
    if (!progress_is_due(progress, now_ns))
        return;
    char bar[BAR_BYTES];
    draw_bar(bytes_done, bytes_total, bar);
    progress_show(progress, now_ns, "verify [%s] %s of %s", bar, format_size(bytes_done).text,
                  format_size(bytes_total).text);
}

/* Findings first, the verdict after them: it is what the eye should end on. */
static void describe(result_writer *r, const verb_run *verb, const verify_report *report,
                     const findings *list, const gap_list *gaps)
{
    /* A verdict other than "sound" has its reasons. */
    TD_ASSERT(report->verdict == VERIFY_SOUND || list->count > 0);
    result_object_begin(r, NULL);
    result_text(r, "archive", archive_path(verb->archive));
    result_text(r, "verdict", verify_severity_name(report->verdict));
    result_styled(r, "styled", VERDICTS[report->verdict].style, VERDICTS[report->verdict].text);
    result_count(r, "segments", report->segments);
    result_count(r, "chunks", report->chunks);
    result_count(r, "frames", report->frames);
    result_size(r, "bytes", report->bytes);
    result_count(r, "damaged", report->findings[VERIFY_DAMAGED]);
    result_count(r, "recoverable", report->findings[VERIFY_RECOVERABLE]);
    result_count(r, "findings_dropped", count_dropped(list));
    result_list_of_rows(r, "findings", &list->rows);
    result_list_begin(r, "gaps");
    for (size_t i = 0; i < gaps->count; i++) {
        result_object_begin(r, NULL);
        if (result_json(r) != NULL)
            gap_json_members(result_json(r), &gaps->rows[i]);
        result_object_end(r, NULL);
    }
    result_list_end(r);
    result_object_end(r, "{findings}[and {findings_dropped more finding}\n]"
                         "{archive}: {styled}\n"
                         "  {segments segment}, {chunks chunk}, {frames frame}, {bytes} read\n"
                         "[  {gaps gap} in the ledger ('tapedeck gaps' lists {gaps it/them})\n]");
}

exit_code cmd_verify(const verb_context *context, int argc, char **argv)
{
    verb_run verb = {0};
    const verb_run_spec spec = {
        .name = "verify",
        .summary = "Read every byte of an archive and check that it has not changed.",
        .statuses = {[EXIT_CODE_DONE] = "sound",
                     [EXIT_CODE_DIFFERS] = "sound after 'tapedeck recover' or 'tapedeck reindex'",
                     [EXIT_CODE_DAMAGE] = "damaged",
                     [EXIT_CODE_FAILED] = "there is no such archive"},
        .examples = "tapedeck verify archive --json",
        .takes = VERB_TAKES_THREADS | VERB_TAKES_JSON,
        .mode = ARCHIVE_READ};
    exit_code status = EXIT_CODE_DONE;
    if (!verb_run_begin(&verb, context, &spec, argc, argv, &status))
        return status;
    findings list = {.verb = &verb};
    result_rows_begin(&list.rows, &verb.output, &verb.json);
    gap_list gaps = {0};
    verify_report report = {0};
    verify_options options = {.threads = threads_options_count(&verb.threads),
                              .finding = take_finding,
                              .progress = show_progress,
                              .user = &list};
    td_result rc = archive_verify(verb.archive, &options, &report, &verb.err);
    progress_end(&verb.progress);
    td_err gaps_err;
    /* Gaps are only listed: where the ledger itself is damaged, the findings report it. */
    if (rc == TD_OK && archive_gaps(verb.archive, &gaps, &gaps_err) != TD_OK)
        report_line(context->report, TD_LOG_WARNING, "gaps cannot be listed: %s", gaps_err.text);
    if (rc == TD_OK)
        describe(&verb.result, &verb, &report, &list, &gaps);
    gap_list_fini(&gaps);
    result_rows_end(&list.rows);
    return verb_run_end(&verb, rc, VERDICTS[report.verdict].status);
}
