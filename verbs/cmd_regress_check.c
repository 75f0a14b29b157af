#include "verbs/cmds.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "base/cli/units.h"
#include "verbs/verb_run.h"
#include "regress/book_after.h"
#include "regress/crash_note.h"
#include "regress/cut.h"
#include "regress/report.h"
#include "regress/run.h"

/* State of one run. With a baseline, frames are compared with it; without one, two decoders are
 * compared. */
typedef struct check_command {
    verb_run *verb;
    const char *cut_file;
    const char *junit_file;
    decoder_options decoders;
    member_mask mask;
    selection wanted; /* the played selection, with absolute times */
    uint8_t is_part;  /* 1: --part, or the selection covers less time than the baseline */
    baseline *was;
    regress_report report;
} check_command;

static const option_row REPORT_ROWS[] = {
    {.long_name = "only",
     OPTION_INTO(check_command, mask.only),
     .metavar = "MEMBER",
     .help = "compare only these members of messages, such as price (may be repeated)"},
    {.long_name = "ignore",
     OPTION_INTO(check_command, mask.ignored),
     .metavar = "MEMBER",
     .help = "do not compare these members of messages; book: the book after the frame (may\n"
             "be repeated)"},
    {.long_name = "cut",
     OPTION_INTO(check_command, cut_file),
     .metavar = "FILE",
     .help = "write the shortest tape that shows the first difference (.mcap)"},
    {.long_name = "junit",
     OPTION_INTO(check_command, junit_file),
     .metavar = "FILE",
     .help = "also write the result as JUnit XML"},
};

static const option_row CHECK_ROWS[] = {
    {.long_name = "baseline",
     OPTION_INTO(check_command, report.baseline),
     .metavar = "FILE",
     .help = "compare with this file of 'regress save'; without it, two decoders are compared"},
    {.long_name = "part",
     OPTION_INTO(check_command, is_part),
     .help = "the archive has only a part of the baseline's time: do not report earlier and\nlater "
             "frames as missing (implied by --from and --to)"},
    {.long_name = "max-cpu",
     .type = OPTION_DURATION,
     .offset = offsetof(check_command, decoders.cpu_ns_max),
     .metavar = "DURATION",
     .min = 1,
     .help = "limit for the CPU time of your decoder a frame, such as 20us; more is a\n"
             "difference"},
    {.long_name = "max-memory",
     .type = OPTION_SIZE,
     .offset = offsetof(check_command, decoders.memory_bytes_max),
     .metavar = "SIZE",
     .min = 1,
     .help = "limit for the peak memory of your decoder (a shared object's: with tapedeck's\n"
             "own), such as 200MiB; more is a difference"},
};

static option_group report_group(check_command *target)
{
    return (option_group){"Report", REPORT_ROWS, sizeof REPORT_ROWS / sizeof *REPORT_ROWS, target};
}

/* ---- opening ---- */

/* Check what can be checked before the archive is opened. */
static td_result check_flags_of(verb_run *verb)
{
    check_command *command = verb->state;
    td_err *err = &verb->err;
    command->verb = verb;
    const int has_baseline = command->report.baseline != NULL;
    td_result rc = decoder_options_check(&command->decoders, has_baseline ? 1 : 2, err);
    if (rc == TD_OK && !has_baseline && decoder_options_count(&command->decoders) == 0) {
        rc = td_err_set(err, TD_E_INVALID, "no baseline and no decoder is given");
        td_err_hint(err, "give --baseline FILE, or decoders: --decoder FILE.so or --decoder-cmd "
                         "COMMAND, once or twice");
    }
    if (rc == TD_OK && !has_baseline && command->is_part)
        rc = td_err_set(err, TD_E_INVALID, "--part needs --baseline");
    if (rc == TD_OK && member_mask_is_given(&command->mask) &&
        decoder_options_count(&command->decoders) == 0)
        rc = td_err_set(err, TD_E_INVALID,
                        "--only and --ignore need your decoder: give --decoder or --decoder-cmd");
    if (rc == TD_OK && command->cut_file != NULL)
        rc = cut_check_path(command->cut_file, err);
    return rc;
}

/* A baseline has only hashes of whole messages. With a mask, the baseline's decoder must therefore
 * decode the frames again, and only the built-in decoder can be opened for this. */
static td_result check_maskable(const check_command *command, td_err *err)
{
    const baseline_meta *was = baseline_get_meta(command->was);
    if (strcmp(was->decoder, "built-in") == 0)
        return TD_OK;
    td_err_set(err, TD_E_INVALID,
               "the baseline was saved with '%s': --only and --ignore need a baseline of the "
               "built-in decoder",
               was->decoder);
    td_err_hint(err, "without --baseline, two decoders of your own are compared");
    return TD_E_INVALID;
}

/* Numbers of the compared decoders on the command line, as in user_decoder_open. */
static size_t was_number(const check_command *command)
{
    size_t count = decoder_options_count(&command->decoders);
    return command->report.baseline == NULL && count == 2 ? 0 : count;
}

static size_t is_number(const check_command *command)
{
    return command->report.baseline == NULL && decoder_options_count(&command->decoders) == 2;
}

/* Open the decoders. Without a baseline the two that are given are compared, or the built-in one
 * with the only one. */
static td_result open_decoders(check_command *command, td_err *err)
{
    const verb_run *verb = command->verb;
    const int is_masked = member_mask_is_given(&command->mask);
    const int has_baseline = command->report.baseline != NULL;
    td_result rc = TD_OK;
    if (has_baseline && is_masked)
        rc = check_maskable(command, err);
    if (rc == TD_OK && (!has_baseline || is_masked))
        rc = user_decoder_open(&command->decoders, was_number(command), &verb->log, verb->signals,
                               &command->report.was_decoder, err);
    if (rc == TD_OK)
        rc = user_decoder_open(&command->decoders, is_number(command), &verb->log, verb->signals,
                               &command->report.is_decoder, err);
    return rc;
}

/* Narrow the selection to the baseline's: use the baseline's globs of a kind if the command line
 * has no glob of that kind, and clip the time to the baseline's. */
static td_result narrow(check_command *command, td_err *err)
{
    const selection *scope = &baseline_get_meta(command->was)->scope;
    const selection_window all = selection_resolve(scope, 0);
    selection *wanted = &command->wanted;
    if (wanted->feeds.count == 0)
        wanted->feeds = scope->feeds;
    if (wanted->topics.count == 0)
        wanted->topics = scope->topics;
    if (wanted->symbols.count == 0)
        wanted->symbols = scope->symbols;
    selection_window window;
    td_result rc = verb_run_window(command->verb, wanted, &window);
    if (rc != TD_OK)
        return rc;
    window = time_span_clip(window, all);
    command->is_part |= window.from_ns != all.from_ns || window.to_ns != all.to_ns;
    if (time_span_ns(window) == 0)
        return td_err_set(err, TD_E_INVALID, "the baseline has no frames of the selected time");
    selection_set_window(wanted, window);
    return TD_OK;
}

static td_result open_all(check_command *command, td_err *err)
{
    selection_window window;
    command->wanted = command->verb->wanted;
    td_result rc;
    if (command->report.baseline == NULL)
        rc = verb_run_window(command->verb, &command->wanted, &window);
    else
        rc = baseline_open(command->report.baseline, &command->was, err);
    if (rc == TD_OK && command->report.baseline != NULL)
        rc = narrow(command, err);
    return rc == TD_OK ? open_decoders(command, err) : rc;
}

/* ---- the runs ---- */

static void begin_phase(check_command *command, const char *phase)
{
    command->verb->phase = phase;
    command->verb->rate = (rate_window){0};
}

/* Save the first decoder's results to a temporary file with a unique name. */
static td_result save_first(check_command *command, td_err *err)
{
    const observe_options how = verb_run_observing(command->verb);
    const regress_options options = {&how, &command->wanted, command->report.was_decoder};
    const char *folder = getenv("TMPDIR");
    char path[LIMIT_PATH_BYTES];
    int size = snprintf(path, sizeof path, "%s/tapedeck-check-%ld.tdb",
                        folder == NULL || folder[0] == '\0' ? "/tmp" : folder, (long)getpid());
    if (size >= (int)sizeof path)
        return td_err_set(err, TD_E_INVALID, "TMPDIR is too long");
    begin_phase(command, "before");
    td_result rc = regress_save(&options, path, &command->was, &command->report.totals, err);
    progress_end(&command->verb->progress);
    if (rc != TD_OK && command->was == NULL)
        td_err_hint(err, "the first decoder's results are kept in TMPDIR");
    /* unlinked while open, so that it is removed however this process ends */
    return rc == TD_OK ? td_io_unlink(io_posix(), path, err) : rc;
}

static td_result compare(check_command *command, td_err *err)
{
    const observe_options how = verb_run_observing(command->verb);
    const regress_options options = {&how, &command->wanted, command->report.is_decoder};
    const regress_against against = {.was = command->was,
                                     .extent = command->is_part ? JOIN_PART : JOIN_WHOLE,
                                     .was_decoder = command->report.was_decoder,
                                     .mask = &command->mask};
    begin_phase(command, "now");
    td_result rc =
        regress_compare(&options, &against, &command->report.totals, &command->report.found, err);
    progress_end(&command->verb->progress);
    const regress_counts *counts = &command->report.found.totals;
    if (rc != TD_OK || counts->compared + regress_differing(counts) > 0)
        return rc;
    return td_err_set(err, TD_E_NOTFOUND,
                      "no frame is compared: the selection has no frame of the baseline");
}

/* Replay up to the first difference with a decoder of the command line, opened once more, so that
 * its failures are not counted twice. */
static td_result find_book(check_command *command, size_t number, char **out, td_err *err)
{
    const verb_run *verb = command->verb;
    const observe_options how = verb_run_observing(command->verb);
    user_decoder *opened = NULL;
    td_result rc =
        user_decoder_open(&command->decoders, number, &verb->log, verb->signals, &opened, err);
    const regress_options options = {&how, &command->wanted, opened};
    if (rc == TD_OK)
        rc = regress_book_after(&options, command->report.found.first, out, err);
    user_decoder_close(opened);
    return rc;
}

/* The books after the first difference of two decoders. */
static td_result find_books(check_command *command, td_err *err)
{
    if (command->report.baseline != NULL || command->report.found.first == NULL)
        return TD_OK;
    begin_phase(command, "books");
    td_result rc = find_book(command, was_number(command), &command->report.book_was, err);
    if (rc == TD_OK)
        rc = find_book(command, is_number(command), &command->report.book_is, err);
    progress_end(&command->verb->progress);
    return rc;
}

/* ---- the report ---- */

/* Write a tape that shows the first difference. */
static td_result cut(check_command *command, td_err *err)
{
    const regress_stream *of = command->report.found.first;
    if (command->cut_file == NULL)
        return TD_OK;
    if (of == NULL || !of->first.has_frame) {
        report_line(command->verb->report, TD_LOG_INFO, "no frame differs: '%s' is not written",
                    command->cut_file);
        return TD_OK;
    }
    const cut_options options = {.archive = command->verb->archive,
                                 .decoding = user_decoder_decoding(command->report.is_decoder),
                                 .threads = threads_options_count(&command->verb->threads),
                                 .path = command->cut_file};
    cut_result done;
    td_result rc = regress_cut(options, of, &done, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "--cut");
    report_line(command->verb->report, TD_LOG_INFO, "%s in '%s'%s",
                format_counted(done.frames + done.state_frames, "frame").text, command->cut_file,
                done.without_snapshot > 0 ? "; the archive has no snapshot before them" : "");
    return TD_OK;
}

static td_result conclude(check_command *command, td_err *err)
{
    regress_report *report = &command->report;
    report->archive = archive_path(command->verb->archive);
    report->was = baseline_get_meta(command->was);
    td_result rc = TD_OK;
    user_decoder_measure(report->was_decoder);
    user_decoder_measure(report->is_decoder);
    regress_report_describe(report, &command->verb->result);
    if (command->junit_file != NULL)
        rc = regress_report_junit(&command->report, io_posix(), command->junit_file, err);
    if (rc == TD_OK)
        rc = cut(command, err);
    if (command->report.totals.is_damaged)
        command->verb->status = EXIT_CODE_DAMAGE;
    else if (regress_report_differs(report))
        command->verb->status = EXIT_CODE_DIFFERS;
    return rc;
}

static void close_all(check_command *command)
{
    regress_comparison_close(&command->report.found);
    td_free(command->report.book_was);
    td_free(command->report.book_is);
    user_decoder_close(command->report.was_decoder);
    user_decoder_close(command->report.is_decoder);
    baseline_close(command->was);
}

static td_result run(verb_run *verb)
{
    check_command *command = verb->state;
    td_result rc = TD_OK;
    if (command->junit_file != NULL)
        rc = crash_note_open_junit(io_posix(), command->junit_file, &verb->err);
    if (rc == TD_OK)
        rc = open_all(command, &verb->err);
    if (rc == TD_OK && command->report.baseline == NULL)
        rc = save_first(command, &verb->err);
    if (rc == TD_OK)
        rc = compare(command, &verb->err);
    if (rc == TD_OK)
        rc = find_books(command, &verb->err);
    if (rc == TD_OK)
        rc = conclude(command, &verb->err);
    close_all(command);
    return rc;
}

/* ---- the verb ---- */

exit_code cmd_regress_check(const verb_context *context, int argc, char **argv)
{
    check_command command = {0};
    const verb_spec spec = {
        .name = "regress check",
        .summary =
            "Decode an archive and compare the result, frame by frame, with a baseline or with\n"
            "another decoder: two are given, or one is compared with the built-in one.",
        .statuses =
            {[EXIT_CODE_DONE] = "the same",
             [EXIT_CODE_DIFFERS] =
                 ("frames differ, are missing or are new, or your decoder failed at one or is\n"
                  "over a limit"),
             [EXIT_CODE_DAMAGE] =
                 "stored frames or the baseline are damaged; the rest was compared",
             [EXIT_CODE_FAILED] =
                 ("stopped, nothing matches the selection, a file cannot be read or "
                  "written, or your decoder cannot be loaded or started")},
        .examples = "tapedeck regress check DIR --baseline before.tdb\n"
                    "tapedeck regress check DIR --baseline before.tdb --topic trade --junit r.xml\n"
                    "tapedeck regress check DIR --baseline before.tdb --cut bug.mcap --json\n"
                    "tapedeck regress check DIR --decoder ./mine.so\n"
                    "tapedeck regress check DIR --decoder old.so --decoder-cmd 'python3 mine.py'",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON | VERB_STOPS,
        .own = {{"Check", CHECK_ROWS, sizeof CHECK_ROWS / sizeof *CHECK_ROWS, &command},

                report_group(&command),
                option_group_decoder(&command.decoders)},
        .mode = ARCHIVE_READ,
        .check = check_flags_of,
        .work = run};
    return verb_run_main(&spec, &command, context, argc, argv);
}
