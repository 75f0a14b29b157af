/* tapedeck verify: is what was recorded still there, bit for bit? */
#include <inttypes.h>

#include "archive/verb_run.h"
#include "archive/cmds.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "cli/units.h"
#include "format/reindex.h"
#include "format/verify.h"
#include "tape/gap_json.h"

/* Findings that are kept to be printed; more are only counted. An archive with a thousand of them
 * has one cause, and its first ones show it. */
enum { FINDINGS_KEPT_MAX = 10000, BAR_BYTES = 33 };

typedef struct kept_finding {
    verify_severity severity;
    char *segment;
    char *what;
    uint64_t offset;
} kept_finding;

typedef struct findings {
    verb_run *verb;
    kept_finding *items;
    size_t count;
    uint64_t dropped;
} findings;

static void free_findings(findings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        td_free(list->items[i].segment);
        td_free(list->items[i].what);
    }
    td_free(list->items);
}

/* Threads of verify call it one at a time. Without memory a finding is missing on the screen, not
 * in the verdict. */
static void take_finding(void *user, const verify_finding *finding)
{
    findings *list = user;
    kept_finding *grown = list->count == FINDINGS_KEPT_MAX
                              ? NULL
                              : td_array_room(list->items, list->count, sizeof *grown);
    if (grown == NULL) {
        list->dropped++;
        return;
    }
    list->items = grown;
    kept_finding kept = {.severity = finding->severity,
                         .segment = td_strdup(finding->segment),
                         .what = td_strdup(finding->what),
                         .offset = finding->offset};
    if (kept.segment == NULL || kept.what == NULL) {
        td_free(kept.segment);
        td_free(kept.what);
        list->dropped++;
        return;
    }
    list->items[list->count++] = kept;
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

static void write_findings(json_writer *json, const findings *list)
{
    json_write_key(json, "findings");
    json_write_array_begin(json);
    for (size_t i = 0; i < list->count; i++) {
        const kept_finding *finding = &list->items[i];
        json_write_object_begin(json);
        json_write_member_text(json, "severity", verify_severity_name(finding->severity));
        verb_run_write_text(json, "segment", finding->segment);
        json_write_member_u64(json, "offset", finding->offset);
        json_write_member_text(json, "what", finding->what);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void print_json(verb_run *verb, const verify_report *report, const findings *list,
                       const gap_list *gaps)
{
    TD_ASSERT(report->verdict == VERIFY_SOUND || list->count + list->dropped > 0);
    json_writer *json = output_json_begin(&verb->output);
    json_write_object_begin(json);
    json_write_member_text(json, "archive", archive_path(verb->archive));
    json_write_member_text(json, "verdict", verify_severity_name(report->verdict));
    json_write_member_u64(json, "segments", report->segments);
    json_write_member_u64(json, "chunks", report->chunks);
    json_write_member_u64(json, "frames", report->frames);
    json_write_member_u64(json, "bytes", report->bytes);
    json_write_member_u64(json, "damaged", report->findings[VERIFY_DAMAGED]);
    json_write_member_u64(json, "recoverable", report->findings[VERIFY_RECOVERABLE]);
    json_write_member_u64(json, "findings_dropped", list->dropped);
    write_findings(json, list);
    json_write_key(json, "gaps");
    json_write_array_begin(json);
    for (size_t i = 0; i < gaps->count; i++)
        gap_json_write(json, &gaps->rows[i]);
    json_write_array_end(json);
    json_write_object_end(json);
    output_json_end(&verb->output);
}

static const char *verdict_text(verify_severity verdict)
{
    switch (verdict) {
    case VERIFY_SOUND:
        return "sound";
    case VERIFY_RECOVERABLE:
        return "sound once 'tapedeck recover' and 'tapedeck reindex' have run";
    case VERIFY_DAMAGED:
        return "DAMAGED: something that was recorded is lost or changed";
    }
    return "?";
}

static terminal_style severity_style(verify_severity severity)
{
    switch (severity) {
    case VERIFY_SOUND:
        return TERMINAL_GOOD;
    case VERIFY_RECOVERABLE:
        return TERMINAL_DOUBT;
    case VERIFY_DAMAGED:
        return TERMINAL_BAD;
    }
    return TERMINAL_BAD;
}

/* Findings first, the verdict behind them: it is what the eye should end on. */
static void print_people(verb_run *verb, const verify_report *report, const findings *list,
                         const gap_list *gaps)
{
    /* A verdict other than "sound" has its reasons. */
    TD_ASSERT(report->verdict == VERIFY_SOUND || list->count + list->dropped > 0);
    output_stream *output = &verb->output;
    for (size_t i = 0; i < list->count; i++) {
        const kept_finding *finding = &list->items[i];
        const char *name = verify_severity_name(finding->severity);
        output_styled(output, severity_style(finding->severity), name);
        output_printf(output, "%*s %s", 11 - (int)strlen(name), "",
                      finding->segment[0] == '\0' ? "archive" : finding->segment);
        if (finding->offset > 0)
            output_printf(output, " at %" PRIu64, finding->offset);
        output_printf(output, ": %s\n", finding->what);
    }
    if (list->dropped > 0)
        output_printf(output, "and %s\n", format_counted(list->dropped, "more finding").text);
    output_printf(output, "%s: ", archive_path(verb->archive));
    output_styled(output, severity_style(report->verdict), verdict_text(report->verdict));
    output_printf(output, "\n");
    output_printf(output, "  %s, %s, %s, %s read\n",
                  format_counted(report->segments, "segment").text,
                  format_counted(report->chunks, "chunk").text,
                  format_counted(report->frames, "frame").text, format_size(report->bytes).text);
    if (gaps->count > 0)
        output_printf(output, "  %s in the ledger ('tapedeck gaps' lists %s)\n",
                      format_counted(gaps->count, "gap").text, gaps->count == 1 ? "it" : "them");
}

static exit_code status_of(verify_severity verdict)
{
    switch (verdict) {
    case VERIFY_SOUND:
        return EXIT_CODE_DONE;
    case VERIFY_RECOVERABLE:
        return EXIT_CODE_DIFFERS;
    case VERIFY_DAMAGED:
        return EXIT_CODE_DAMAGE;
    }
    return EXIT_CODE_DAMAGE;
}

exit_code cmd_verify(const verb_context *context, int argc, char **argv)
{
    verb_run verb = {0};
    const verb_run_spec spec = {
        .name = "verify",
        .summary = "Read every byte of the archive and prove that it is as it was written.",
        .examples = "tapedeck verify archive --json",
        .takes = VERB_TAKES_THREADS | VERB_TAKES_JSON,
        .mode = ARCHIVE_READ};
    exit_code status = EXIT_CODE_DONE;
    if (!verb_run_begin(&verb, context, &spec, argc, argv, &status))
        return status;
    findings list = {.verb = &verb};
    gap_list gaps = {0};
    verify_report report = {0};
    verify_options options = {.threads = threads_options_count(&verb.threads),
                              .finding = take_finding,
                              .progress = show_progress,
                              .user = &list,
                              .gaps = &verb.gaps};
    td_result rc = archive_verify(verb.archive, &options, &report, &verb.err);
    progress_end(&verb.progress);
    td_err gaps_err;
    /* Gaps are only listed: where the ledger itself is damaged, the findings say so. */
    if (rc == TD_OK && archive_gaps(verb.archive, &verb.gaps, &gaps, &gaps_err) != TD_OK)
        report_say(context->report, TD_LOG_WARNING, "gaps cannot be listed: %s", gaps_err.text);
    if (rc == TD_OK && verb.json.is_json)
        print_json(&verb, &report, &list, &gaps);
    else if (rc == TD_OK)
        print_people(&verb, &report, &list, &gaps);
    gap_list_fini(&gaps);
    free_findings(&list);
    return verb_run_end(&verb, rc, status_of(report.verdict));
}
