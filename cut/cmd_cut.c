#include "cut/cmd_cut.h"

#include <stddef.h>

#include "cut/cut.h"
#include "play/verb_run.h"
#include "tape/empty_selection.h"

typedef struct cut_command {
    const char *out;
} cut_command;

static const option_row CUT_ROWS[] = {
    {.long_name = "out",
     .short_name = 'o',
     .type = OPTION_TEXT,
     .offset = offsetof(cut_command, out),
     .metavar = "FILE",
     .help = "the file to make (.mcap)"},
};

static td_result check_flags(verb_run *verb)
{
    const cut_command *command = verb->state;
    if (command->out != NULL)
        return cut_check_path(command->out, &verb->err);
    td_err_set(&verb->err, TD_E_INVALID, "no file is given");
    td_err_hint(&verb->err, "give -o FILE");
    return TD_E_INVALID;
}

static void describe(verb_run *verb, const cut_result *done)
{
    const cut_command *command = verb->state;
    result_writer *r = &verb->result;
    result_object_begin(r, NULL);
    result_text(r, "file", command->out);
    result_size(r, "file_bytes", done->file_bytes);
    result_count(r, "frames", done->frames);
    result_count(r, "state_frames", done->state_frames);
    result_time_or_null(r, "first_ns", done->first_ns);
    result_time_or_null(r, "last_ns", done->last_ns);
    result_count(r, "without_snapshot", done->without_snapshot);
    result_bool(r, "damaged", done->is_damaged);
    result_object_end(r, "{file}: {frames frame}[, {state_frames} before them for the state], "
                         "{file_bytes}\n"
                         "[{without_snapshot topic} without a snapshot before the selection: the "
                         "archive has none\n]"
                         "[{damaged?}stored frames are damaged: some are missing here; 'tapedeck "
                         "verify' reports where\n]");
}

static td_result run(verb_run *verb)
{
    const cut_command *command = verb->state;
    selection wanted = verb->wanted;
    selection_window window;
    cut_result done;
    td_result rc = verb_run_window(verb, &wanted, &window);
    if (rc != TD_OK)
        return rc;
    const cut_options options = {.archive = verb->archive,
                                 .wanted = &wanted,
                                 .threads = threads_options_count(&verb->threads),
                                 .log = &verb->log,
                                 .path = command->out};
    rc = cut_write(&options, &done, &verb->err);
    if (rc == TD_E_NOTFOUND)
        return selection_why_empty(verb->archive, &verb->wanted, &verb->err);
    if (rc == TD_OK)
        describe(verb, &done);
    if (done.is_damaged)
        verb->status = EXIT_CODE_DAMAGE;
    return rc;
}

exit_code cmd_cut(const verb_context *context, int argc, char **argv)
{
    cut_command command = {0};
    const verb_spec spec = {
        .name = "cut",
        .summary =
            "Write a selection of one session as one file that stands alone: with the state\n"
            "at its first frame, its connections, grants and gaps.",
        .statuses = {[EXIT_CODE_USAGE] = "the command line is wrong, the file exists already, or "
                                         "frames of several feeds or sessions are selected",
                     [EXIT_CODE_DAMAGE] = "done, but stored frames are damaged and left out",
                     [EXIT_CODE_FAILED] =
                         "nothing matches the selection, it is more than a file may hold, or a "
                         "file cannot be read or written; nothing was left"},
        .examples =
            "tapedeck cut archive -o bug.mcap --feed linear --from 2021-04-17T16:43 --to +10s\n"
            "tapedeck cut archive -o bug.mcap --feed linear --symbol BTCUSDT --from now-10m",
        .takes = VERB_TAKES_SELECTION | VERB_TAKES_THREADS | VERB_TAKES_JSON,
        .own = {{"Cut", CUT_ROWS, sizeof CUT_ROWS / sizeof *CUT_ROWS, &command}},
        .mode = ARCHIVE_READ,
        .check = check_flags,
        .work = run};
    return verb_run_all(&spec, &command, context, argc, argv);
}
