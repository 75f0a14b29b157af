/* tapedeck verify: checks that everything recorded is unchanged. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verbs/verb_run.h"
#include "verbs/cmds.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/cli/units.h"
#include "base/time_text.h"
#include "archive/ledger.h"
#include "archive/read_plan.h"
#include "archive/verify.h"
#include "replay/play/report.h"
#include "archive/gap.h"
#include "tape/cursor.h"

/* Findings that are kept, and how many of them text shows without -v. Thousands of findings have
 * one cause, which the first ones show. */
enum { FINDINGS_KEPT_MAX = 10000, FINDINGS_SHOWN = 20 };

/* Below the archive: how much of the journal the last --since-last has covered, and where, because
 * a copy of the archive has the file, too, and has not been read: "BYTES HOST PATH". */
#define VERIFIED_FILE "verified"
enum { VERIFIED_BYTES_MAX = PATH_MAX + HOST_NAME_MAX + 32 };

typedef struct verify_line {
    options_time from;
    options_time to;
    uint8_t is_since_last;
} verify_line;

static const option_row VERIFY_ROWS[] = {
    {.long_name = "since-last",
     OPTION_INTO(verify_line, is_since_last),
     .help = "read only what was finished since the last time with this option; of the rest,\n"
             "check that the files exist and have their sizes"},
    {.long_name = "from",
     OPTION_INTO(verify_line, from),
     .metavar = "TIME",
     .edge = TD_DATE_BEGINS,
     .help = "read only segments with this time and later ones"},
    {.long_name = "to",
     OPTION_INTO(verify_line, to),
     .metavar = "TIME",
     .edge = TD_DATE_ENDS,
     .help = "read only segments before this time"},
};

typedef struct verify_result {
    verb_run *verb;
    verify_report report;
    verify_finding *findings; /* the kept ones; they own their texts */
    size_t kept;
    uint64_t count;       /* of all findings */
    gap_list lost;        /* ranges that cannot be read */
    uint64_t frames_lost; /* in existing segments; UINT64_MAX: unknown */
    gap_list gaps;        /* from the ledger */
} verify_result;

static const struct {
    terminal_style style;
    exit_code status;
    const char *text, *to_do;
} VERDICTS[] = {
    [VERIFY_SOUND] = {TERMINAL_GOOD, EXIT_CODE_DONE, "sound", ""},
    [VERIFY_RECOVERABLE] = {TERMINAL_WARN, EXIT_CODE_DIFFERS, "recoverable",
                            "Run 'tapedeck recover', then 'tapedeck reindex'."},
    [VERIFY_DAMAGED] = {TERMINAL_BAD, EXIT_CODE_DAMAGE,
                        "DAMAGED: something that was recorded is lost or changed",
                        "Restore the damaged files from a backup; the rest is still readable."},
};

/* Keep a finding. verify serializes the calls. */
static void on_finding(void *user, const verify_finding *finding)
{
    verify_result *result = user;
    if (result->count++ >= FINDINGS_KEPT_MAX)
        return;
    result->findings = td_array_grow(result->findings, result->kept, sizeof *result->findings);
    verify_finding *kept = &result->findings[result->kept++];
    *kept = *finding;
    kept->segment = td_strdup(finding->segment);
    kept->what = td_strdup(finding->what);
}

/* Name the gaps that recorded pongs disprove. Nothing is damaged, so they are notes. */
static void note_disproved(verify_result *result)
{
    for (size_t i = 0; i < result->gaps.count; i++) {
        const gap_row *gap = &result->gaps.rows[i];
        char from[TD_TIME_TEXT_BYTES];
        char to[TD_TIME_TEXT_BYTES];
        char what[LIMIT_NAME_BYTES + 2 * TD_TIME_TEXT_BYTES + 128];
        if (!gap_row_is_disproved(gap))
            continue;
        td_time_format(gap->from_ns, from);
        td_time_format(gap->to_ns, to);
        (void)snprintf(what, sizeof what,
                       "the gap of %s from %s (%s) begins too early: recorded pongs disprove it "
                       "until %s",
                       gap->feed, from, time_reason_name(gap->reason), to);
        on_finding(result, &(verify_finding){VERIFY_SOUND, "", 0, what});
    }
}

/* Show progress in bytes, because segments differ widely in size. */
static void show_progress(void *user, uint64_t done, uint64_t total)
{
    verify_result *result = user;
    progress_show_part(&result->verb->progress, "verify", done, total, format_size(done).text,
                       format_size(total).text);
}

/* Count the frames of existing segments, from their summaries or the catalog. */
static td_result count_listed(verb_run *verb, uint64_t *frames)
{
    const read_query everything = {.time = TIME_SPAN_ALL, .is_quiet = 1};
    read_plan *plan = NULL;
    td_result rc = read_plan_open(verb->archive, &everything, &plan, &verb->err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        for (size_t k = 0; k < index->channel_count; k++)
            if (index->channels[k].info.dir != CHANNEL_EVENT)
                *frames = message_count_sum(*frames, index->channels[k].message_count);
    }
    read_plan_close(plan);
    return rc;
}

/* Read the archive to find the frames that a reader cannot get. Sets lost to their ranges, and
 * frames_lost to their number. */
static td_result find_lost(verify_result *result)
{
    verb_run *verb = result->verb;
    const selection everything = {0};
    const cursor_options how = {.threads = threads_options_count(&verb->threads)};
    cursor *from = NULL;
    const frame_ref *frame;
    uint64_t listed = 0;
    uint64_t read = 0;
    td_result rc = count_listed(verb, &listed);
    if (rc == TD_OK)
        rc = cursor_open(verb->archive, &everything, &how, &from, &verb->err);
    while (rc == TD_OK) {
        rc = cursor_next(from, &frame, &verb->err);
        read += rc == TD_OK;
    }
    if (rc == TD_EOF)
        gap_list_join(&result->lost, cursor_get_damage(from));
    cursor_close(from);
    for (size_t i = 0; i < result->gaps.count; i++)
        if (result->gaps.rows[i].reason == GAP_CORRUPT)
            gap_list_add(&result->lost, &result->gaps.rows[i]);
    result->frames_lost = listed == UINT64_MAX || listed < read ? UINT64_MAX : listed - read;
    if (result->lost.count == 1 && result->lost.rows[0].frames_lost == GAP_FRAMES_UNKNOWN)
        result->lost.rows[0].frames_lost = result->frames_lost;
    return rc == TD_EOF ? TD_OK : rc;
}

static void describe_findings(result_writer *r, const verify_result *result)
{
    int is_verbose = result->verb->verbosity.is_verbose;
    result_list_begin(r, "findings");
    for (size_t i = 0; i < result->kept; i++) {
        const verify_finding *finding = &result->findings[i];
        const char *severity = verify_severity_name(finding->severity);
        result_object_begin(r, NULL);
        result_text(r, "severity", severity);
        result_name(r, "segment", finding->segment);
        result_number(r, "offset", finding->offset);
        result_text(r, "what", finding->what);
        result_styled(r, "styled", VERDICTS[finding->severity].style, severity);
        result_object_end(r, is_verbose ? "{styled}: {segment|archive}[ at {offset}]: {what}\n"
                             : i < FINDINGS_SHOWN ? "{styled}: {segment|archive}: {what}\n"
                                                  : NULL);
    }
    result_list_end(r);
    uint64_t shown = is_verbose ? result->kept : FINDINGS_SHOWN;
    result_count(r, "findings_dropped", result->count - result->kept);
    result_note(r, "more", "%s",
                result->count > shown ? format_counted(result->count - shown, "finding").text : "");
}

static void describe_lost(result_writer *r, const gap_list *lost)
{
    static const table_column COLUMNS[] = {{"feed", TABLE_LEFT, "{feed}"},
                                           {"from", TABLE_LEFT, "{from}"},
                                           {"to", TABLE_LEFT, "{to|open}"},
                                           {"frames", TABLE_RIGHT, "{lost}"},
                                           {"topic", TABLE_SPARE_LEFT, "{topic|all}"}};
    result_table_begin(r, "lost", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < lost->count; i++)
        report_describe_gap(r, NULL, &lost->rows[i], NULL);
    result_list_end(r);
}

/* Describe the result. The verdict is last, next to the prompt. */
static void describe(result_writer *r, const verify_result *result)
{
    const verify_report *report = &result->report;
    /* a verdict other than "sound" has findings */
    TD_ASSERT(report->verdict == VERIFY_SOUND || result->count > 0);
    result_object_begin(r, NULL);
    result_text(r, "archive", archive_path(result->verb->archive));
    result_text(r, "verdict", verify_severity_name(report->verdict));
    result_styled(r, "styled", VERDICTS[report->verdict].style, VERDICTS[report->verdict].text);
    result_note(r, "to_do", "%s", VERDICTS[report->verdict].to_do);
    result_count(r, "segments", report->segments);
    result_count(r, "segments_left_out", report->segments_left_out);
    result_count(r, "chunks", report->chunks);
    result_count(r, "frames", report->frames);
    result_size(r, "bytes", report->bytes);
    result_count(r, "damaged", report->findings[VERIFY_DAMAGED]);
    result_count(r, "recoverable", report->findings[VERIFY_RECOVERABLE]);
    describe_findings(r, result);
    describe_lost(r, &result->lost);
    result_count(r, "frames_lost", result->frames_lost);
    result_list_begin(r, "gaps");
    for (size_t i = 0; i < result->gaps.count; i++)
        report_describe_gap(r, NULL, &result->gaps.rows[i], NULL);
    result_list_end(r);
    result_object_end(r, "{findings}[and {more} more: -v lists them\n]"
                         "[\nLost:\n{lost}][{lost?}at least {frames_lost frame} in all\n\n]"
                         "{archive}: {styled}\n"
                         "  {segments segment}, {chunks chunk}, {frames frame}, {bytes} read\n"
                         "[  {segments_left_out segment} not read\n]"
                         "[  {gaps gap} in the ledger ('tapedeck gaps' lists {gaps it/them})\n]"
                         "[  {to_do}\n]");
}

/* ---- since the last time ---- */

static td_result verified_path(const archive *of, char out[LIMIT_PATH_BYTES], td_err *err)
{
    if (archive_is_single_file(of))
        return td_err_set(err, TD_E_INVALID, "%s is a single file; --since-last needs an archive",
                          archive_path(of));
    if (archive_is_url(archive_path(of)))
        return td_err_set(err, TD_E_INVALID,
                          "%s is in a store, which is only read; --since-last needs a folder",
                          archive_path(of));
    return archive_join(of, VERIFIED_FILE, out, err);
}

static void format_verified(const archive *of, uint64_t journal_bytes, char out[VERIFIED_BYTES_MAX])
{
    char host[HOST_NAME_MAX + 1] = "";
    char folder[PATH_MAX] = "";
    (void)gethostname(host, sizeof host - 1);
    if (realpath(archive_path(of), folder) == NULL)
        folder[0] = '\0';
    (void)snprintf(out, VERIFIED_BYTES_MAX, "%" PRIu64 " %s %s\n", journal_bytes, host,
                   folder); /* fits */
}

/* How much of the journal was covered the last time; 0 if never. A file with anything else counts
 * as never. */
static td_result read_verified(const archive *of, uint64_t *journal_bytes, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    char expected[VERIFIED_BYTES_MAX];
    uint8_t *text = NULL;
    size_t size = 0;
    *journal_bytes = 0;
    td_result rc = verified_path(of, path, err);
    if (rc != TD_OK ||
        td_io_read_file(archive_io(of), path, VERIFIED_BYTES_MAX, &text, &size, NULL) != TD_OK)
        return rc;
    const uint64_t found = strtoull((const char *)text, NULL, 10);
    format_verified(of, found, expected);
    if (strcmp((const char *)text, expected) == 0)
        *journal_bytes = found;
    td_free(text);
    return TD_OK;
}

static td_result write_text(void *user, td_file *file, td_err *err)
{
    return td_io_append(file, user, strlen(user), err);
}

static td_result write_verified(const archive *of, uint64_t journal_bytes, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    char text[VERIFIED_BYTES_MAX];
    td_result rc = verified_path(of, path, err);
    format_verified(of, journal_bytes, text);
    return rc == TD_OK
               ? td_io_write_file(archive_io(of), path, TD_OPEN_CREATE, write_text, text, err)
               : rc;
}

static td_result run_verify(verb_run *verb)
{
    const verify_line *line = verb->state;
    verify_result result = {.verb = verb};
    verify_options options = {
        .time = {line->from.at.ns, line->to.at.ns != 0 ? line->to.at.ns : UINT64_MAX},
        .threads = threads_options_count(&verb->threads),
        .finding = on_finding,
        .progress = show_progress,
        .user = &result};
    td_err gaps_err;
    td_result rc = TD_OK;
    if (line->is_since_last && (line->from.is_given || line->to.is_given))
        rc = td_err_set(&verb->err, TD_E_INVALID, "--since-last goes without --from and --to");
    for (size_t i = 0; i < verb->archive_count; i++)
        remote_io_prove(verb->remotes[i]);
    if (rc == TD_OK && line->is_since_last)
        rc = read_verified(verb->archive, &options.since_bytes, &verb->err);
    if (rc == TD_OK)
        rc = archive_verify(verb->archive, &options, &result.report, &verb->err);
    progress_end(&verb->progress);
    /* a failure here is only a warning: the gaps are only listed, and a damaged ledger is already
     * among the findings */
    if (rc == TD_OK && archive_gaps(verb->archive, &result.gaps, &gaps_err) != TD_OK)
        report_line(verb->report, TD_LOG_WARNING, "gaps cannot be listed: %s", gaps_err.text);
    note_disproved(&result);
    if (rc == TD_OK && result.report.verdict == VERIFY_DAMAGED)
        rc = find_lost(&result);
    if (rc == TD_OK && line->is_since_last && result.report.verdict != VERIFY_DAMAGED)
        rc = write_verified(verb->archive, result.report.journal_bytes, &verb->err);
    if (rc == TD_OK)
        describe(&verb->result, &result);
    verb->status = VERDICTS[result.report.verdict].status;
    for (size_t i = 0; i < result.kept; i++) {
        td_free((char *)result.findings[i].segment);
        td_free((char *)result.findings[i].what);
    }
    td_free(result.findings);
    gap_list_fini(&result.lost);
    gap_list_fini(&result.gaps);
    return rc;
}

exit_code cmd_verify(const verb_context *context, int argc, char **argv)
{
    verify_line line = {0};
    const verb_spec spec = {
        .name = "verify",
        .summary = "Read every byte of an archive and check that it has not changed. With -v, "
                   "findings include their offset.",
        .statuses = {[EXIT_CODE_DONE] = "sound",
                     [EXIT_CODE_DIFFERS] = "sound after 'tapedeck recover' or 'tapedeck reindex'",
                     [EXIT_CODE_DAMAGE] = "damaged"},
        .examples = "tapedeck verify archive --json\n"
                    "tapedeck verify archive --since-last",
        .own = {{"What to read", VERIFY_ROWS, sizeof VERIFY_ROWS / sizeof VERIFY_ROWS[0], &line}},
        .takes = VERB_TAKES_THREADS | VERB_TAKES_JSON | VERB_RUNS_EACH,
        .mode = ARCHIVE_READ,
        .work = run_verify};
    return verb_run_main(&spec, &line, context, argc, argv);
}
