/* tapedeck merge: makes one archive of two machines' archives of the same feeds. */
#include "verbs/cmds.h"

#include "base/io_posix.h"
#include "base/version.h"
#include "base/cli/stop_signal.h"
#include "archive/archive_view.h"
#include "format/segment_name.h"
#include "recorder/merge/merge_archives.h"
#include "remote/remote_io.h"
#include "replay/play/report.h"
#include "tape/cursor.h"
#include "tape/kept_families.h"
#include "verbs/verb_run.h"

typedef struct merge_command {
    const char *out;
} merge_command;

static const option_row MERGE_ROWS[] = {
    {.short_name = 'o',
     .long_name = "out",
     OPTION_INTO(merge_command, out),
     .metavar = "ARCHIVE",
     .help = "the new archive; its folder must not exist, or be empty"},
};

static td_result check(verb_run *verb)
{
    const merge_command *command = verb->state;
    return command->out != NULL ? TD_OK
                                : td_err_set(&verb->err, TD_E_INVALID,
                                             "the new archive is not given: --out ARCHIVE");
}

/* Sources that are being recorded, or were left by a crash, are refused: their last part would be
 * missing, or its gap. So are cuts: they begin with frames from before the selection, which readers
 * tell from received ones only in the cut. */
static td_result check_source(verb_run *verb, archive *from)
{
    archive_view *view = NULL;
    td_result rc = archive_view_open(from, VIEW_FILES, &verb->log, &view, &verb->err);
    if (rc == TD_OK && view->live[0] != '\0')
        rc = td_err_set(&verb->err, TD_E_BUSY, "%s is being written: stop its recorder first",
                        archive_path(from));
    for (size_t i = 0; rc == TD_OK && i < view->listing.segment_count; i++) {
        const segment_name *name = &view->listing.segments[i].name;
        if (name->is_parsed && name->number == SEGMENT_NUMBER_CUT) {
            rc =
                td_err_set(&verb->err, TD_E_INVALID, "%s is a cut, or has one", archive_path(from));
            td_err_hint(&verb->err, "merge the archives that it was cut from, and cut the result");
        } else if (name->is_open) {
            rc = td_err_set(&verb->err, TD_E_INVALID, "%s has segments that a crash left open",
                            archive_path(from));
            td_err_hint(&verb->err, "run 'tapedeck recover %s' first", archive_path(from));
        }
    }
    archive_view_close(view);
    return rc;
}

static td_result check_empty(verb_run *verb, archive *into)
{
    archive_view *view = NULL;
    td_result rc = archive_view_open(into, VIEW_FILES, &verb->log, &view, &verb->err);
    if (rc == TD_OK && view->past.session_count > 0)
        rc = td_err_set(&verb->err, TD_E_INVALID, "%s is an archive already: give a new folder",
                        archive_path(into));
    archive_view_close(view);
    return rc;
}

/* Read the new archive as its users will, to count what came over both. */
static td_result count_copies(verb_run *verb, archive *merged, line_stats *out)
{
    static const selection EVERYTHING = {0};
    const cursor_options reading = {.reads = TAPE_READS_FRAMES, .log = &verb->log};
    const frame_ref *frame;
    cursor *from = NULL;
    cursor_stats stats;
    td_result rc = cursor_open(merged, &EVERYTHING, &reading, &from, &verb->err);
    while (rc == TD_OK)
        rc = cursor_next(from, &frame, &verb->err);
    if (rc != TD_EOF) {
        cursor_close(from);
        return rc;
    }
    cursor_get_stats(from, &stats);
    *out = stats.lines;
    cursor_close(from);
    return TD_OK;
}

static void describe_source(verb_run *verb, const merge_report *report, int source)
{
    result_writer *r = &verb->result;
    result_object_begin(r, NULL);
    result_text(r, "archive", verb->operands.items[source]);
    result_number(r, "line", (uint64_t)source * MERGE_LINES);
    result_count(r, "frames", report->frames[source]);
    result_count(r, "damaged_chunks", report->damaged_chunks[source]);
    result_count(r, "unreadable_segments", report->segments_unreadable[source]);
    result_object_end(r, "{archive}: {frames frame}, on lines from {line} on"
                         "[; {damaged_chunks chunk} could not be read]"
                         "[; segments that are missing or unreadable: {unreadable_segments}]\n");
}

static void describe(verb_run *verb, const merge_report *report, const line_stats *lines)
{
    const merge_command *command = verb->state;
    result_writer *r = &verb->result;
    result_object_begin(r, NULL);
    result_text(r, "archive", command->out);
    result_count(r, "feeds", report->feeds);
    result_count(r, "frames", report->frames[0] + report->frames[1]);
    result_list_begin(r, "sources");
    for (int i = 0; i < MERGE_SOURCES; i++)
        describe_source(verb, report, i);
    result_list_end(r);
    result_count(r, "gaps", report->gaps);
    result_count(r, "gaps_covered", report->gaps_covered);
    report_describe_lines(r, lines);
    result_count(r, "line_possible_copies", lines->doubtful);
    result_object_end(r, "{sources}"
                         "{archive}: {frames frame} of {feeds feed}\n"
                         "[  {line_copies frame} came from both, and are read once:\n{lines}]"
                         "[  {line_possible_copies frame} may be copies of others, and are read\n]"
                         "[  {gaps gap}, of which the other archive covers {gaps_covered}\n]");
}

static int on_progress(void *user, uint64_t frames, uint64_t recv_ns)
{
    return verb_run_progress(user, frames, recv_ns);
}

static td_result merge_into(verb_run *verb, archive *const from[MERGE_SOURCES], archive *into)
{
    merge_report report;
    line_stats lines = {0};
    const merge_options options = {.sources = {from[0], from[1]},
                                   .target = into,
                                   .version = TAPEDECK_VERSION,
                                   .progress = on_progress,
                                   .user = verb};
    td_result rc = merge_archives(&options, &report, &verb->err);
    if (rc == TD_OK)
        rc = count_copies(verb, into, &lines);
    progress_end(&verb->progress);
    if (rc != TD_OK)
        return rc;
    describe(verb, &report, &lines);
    for (int i = 0; i < MERGE_SOURCES; i++)
        if (report.damaged_chunks[i] + report.segments_unreadable[i] > 0)
            verb->status = EXIT_CODE_DAMAGE;
    return TD_OK;
}

static td_result run(verb_run *verb)
{
    const merge_command *command = verb->state;
    archive *from[MERGE_SOURCES] = {NULL, NULL};
    remote_io *remotes[MERGE_SOURCES] = {NULL, NULL};
    archive *into = NULL;
    td_result rc = TD_OK;
    const archive_options options = {
        .io = io_posix(), .clock = verb->clock, .log = &verb->log, .verb = "merge"};
    for (int i = 0; rc == TD_OK && i < MERGE_SOURCES; i++) {
        rc = remote_open_archive(&options, verb->operands.items[i], &remotes[i], &from[i],
                                 &verb->err);
        if (rc == TD_OK)
            rc = check_source(verb, from[i]);
    }
    if (rc == TD_OK)
        rc = archive_open(&options, command->out, ARCHIVE_APPEND, &into, &verb->err);
    if (rc == TD_OK)
        rc = check_empty(verb, into);
    if (rc == TD_OK) {
        kept_families_add(from, MERGE_SOURCES, &verb->log);
        rc = merge_into(verb, from, into);
    }
    archive_close(into);
    for (int i = 0; i < MERGE_SOURCES; i++) {
        archive_close(from[i]);
        remote_io_close(remotes[i]);
    }
    return rc;
}

exit_code cmd_merge(const verb_context *context, int argc, char **argv)
{
    merge_command command = {0};
    const verb_spec spec = {
        .name = "merge",
        .summary = "Merge archives of two machines that recorded the same feeds.\n"
                   "Readers see each frame once: what one machine lost is there if the other\n"
                   "one has it.",
        .statuses = {[EXIT_CODE_USAGE] = "the command line is wrong, or these archives cannot be "
                                         "merged",
                     [EXIT_CODE_DAMAGE] =
                         "done, but stored frames are damaged or missing, and left out",
                     [EXIT_CODE_FAILED] = "an archive cannot be read, or is being written; stopped "
                                          "by a signal: remove the new archive"},
        .examples = "tapedeck merge east west --out both",
        .operands = "ARCHIVE ARCHIVE",
        .operand_min = MERGE_SOURCES,
        .operand_max = MERGE_SOURCES,
        .takes = VERB_TAKES_FAMILIES | VERB_HAS_NO_ARCHIVE | VERB_TAKES_JSON | VERB_STOPS,
        .own = {{"Merge", MERGE_ROWS, sizeof MERGE_ROWS / sizeof *MERGE_ROWS, &command}},
        .check = check,
        .work = run};
    return verb_run_main(&spec, &command, context, argc, argv);
}
