#include "verbs/cmds.h"

#include <stddef.h>

#include "base/cli/units.h"
#include "base/io_posix.h"
#include "replay/cut/cut_folder.h"
#include "replay/cut/shrink.h"
#include "verbs/verb_run.h"
#include "tape/empty_selection.h"

typedef struct cut_command {
    const char *out;
    const char *shrink;
    int snapshots; /* cut_snapshots; -1: not given */
    uint8_t with_server;
    uint8_t allows_any;
} cut_command;

/* indexed by cut_snapshots */
static const char *const SNAPSHOTS[] = {"recorded", "made", NULL};

static const option_row CUT_ROWS[] = {
    {.long_name = "out",
     .short_name = 'o',
     OPTION_INTO(cut_command, out),
     .metavar = "OUT",
     .help = "what to write: a file (.mcap) for one session of one feed; with another name a\n"
             "folder, for any feeds and sessions"},
    {.long_name = "snapshots",
     OPTION_INTO(cut_command, snapshots),
     .metavar = "HOW",
     .help = "begin each book and ticker with its last snapshot and all later deltas "
             "(recorded),\nor with one snapshot made from these and marked so (made). Default: "
             "recorded; made\nwith --shrink",
     .choices = SNAPSHOTS},
    {.long_name = "shrink",
     OPTION_INTO(cut_command, shrink),
     .metavar = "CMD",
     .help = "find the smallest file for which this shell command still fails ($1 is the\nfile); "
             "status 125 means that it cannot tell"},
    {.long_name = "serve",
     OPTION_INTO(cut_command, with_server),
     .help = "with --shrink: serve the file; $1 is the server's URL, $2 the file"},
    {.long_name = "any",
     OPTION_INTO(cut_command, allows_any),
     .help = "with --shrink: also try files that the exchange could not have sent, because a\n"
             "frame in them breaks a rule"},
};

static td_result check_flags(verb_run *verb)
{
    const cut_command *command = verb->state;
    td_err *err = &verb->err;
    if (command->out == NULL) {
        td_err_set(err, TD_E_INVALID, "no file is given");
        td_err_hint(err, "give -o FILE.mcap, or -o FOLDER for several feeds");
        return TD_E_INVALID;
    }
    if (command->with_server && command->shrink == NULL)
        return td_err_set(err, TD_E_INVALID, "--serve needs --shrink");
    if (command->allows_any && command->shrink == NULL)
        return td_err_set(err, TD_E_INVALID, "--any needs --shrink");
    return cut_path_is_folder(command->out) ? td_io_check_absent(io_posix(), command->out, err)
                                            : cut_check_path(command->out, err);
}

static void describe(verb_run *verb, const shrink_result *shrunk)
{
    const cut_command *command = verb->state;
    const cut_result *done = &shrunk->cut;
    result_writer *r = &verb->result;
    result_object_begin(r, NULL);
    result_text(r, "file", command->out);
    result_size(r, "file_bytes", done->file.file_bytes);
    result_count(r, "frames", done->frames);
    result_count(r, "state_frames", done->state_frames);
    result_count(r, "made_frames", done->made_frames);
    result_count(r, "reply_frames", done->reply_frames);
    result_time_or_null(r, "first_ns", done->first_ns);
    result_time_or_null(r, "last_ns", done->last_ns);
    result_count(r, "without_snapshot", done->without_snapshot);
    result_bool(r, "damaged", cursor_is_damaged(&done->read));
    result_count(r, "runs", shrunk->runs);
    result_count(r, "skipped", shrunk->skipped);
    result_count(r, "frames_all", shrunk->frames_all);
    result_bool(r, "stopped", shrunk->is_stopped);
    result_object_end(
        r,
        "{file}: {frames frame}[, {state_frames} before them for the state]"
        "[ ({made_frames snapshot} made)][, {reply_frames} over HTTP], "
        "{file_bytes}\n"
        "[shrunk from {frames_all frame} in {runs run}[; skipped {skipped file} that "
        "broke a rule][{stopped?}, stopped before the end]\n]"
        "[{without_snapshot topic} without a snapshot before the selection: the archive lacks it\n]"
        "[{damaged?}stored frames are damaged: some are missing here; 'tapedeck "
        "verify' reports where\n]");
}

static void show_progress(void *user, uint64_t runs, uint64_t frames)
{
    verb_run *verb = user;
    progress_show(&verb->progress, clock_mono_ns(verb->clock), "run %s: %s so far",
                  format_count(runs).text, format_counted(frames, "frame").text);
}

static td_result write_cut(verb_run *verb, const cut_options *cut, shrink_result *done)
{
    const cut_command *command = verb->state;
    const shrink_options shrinking = {.cut = *cut,
                                      .command = command->shrink,
                                      .with_server = command->with_server,
                                      .allows_any = command->allows_any,
                                      .progress = show_progress,
                                      .user = verb};
    *done = (shrink_result){0};
    return command->shrink == NULL ? cut_write_any(cut, &done->cut, &verb->err)
                                   : shrink_write(&shrinking, done, &verb->err);
}

static td_result run(verb_run *verb)
{
    const cut_command *command = verb->state;
    selection wanted = verb->wanted;
    selection_window window;
    shrink_result done;
    td_result rc = verb_run_window(verb, &wanted, &window);
    if (rc != TD_OK)
        return rc;
    /* only with made snapshots can a cut begin at any frame without breaking a rule; --shrink needs
     * this */
    cut_snapshots snapshots = command->shrink == NULL ? CUT_SNAPSHOTS_RECORDED : CUT_SNAPSHOTS_MADE;
    if (command->snapshots >= 0)
        snapshots = (cut_snapshots)command->snapshots;
    const cut_options options = {.archive = verb->archive,
                                 .wanted = &wanted,
                                 .threads = threads_options_count(&verb->threads),
                                 .log = &verb->log,
                                 .signals = verb->signals,
                                 .snapshots = snapshots,
                                 .path = command->out};
    rc = write_cut(verb, &options, &done);
    progress_end(&verb->progress);
    if (rc == TD_E_NOTFOUND)
        return selection_why_empty(verb->archive, &verb->wanted, &done.cut.read, &verb->err);
    if (rc != TD_OK)
        return rc;
    describe(verb, &done);
    if (cursor_is_damaged(&done.cut.read))
        verb->status = EXIT_CODE_DAMAGE;
    else if (done.is_stopped)
        verb->status = EXIT_CODE_DIFFERS;
    return TD_OK;
}

exit_code cmd_cut(const verb_context *context, int argc, char **argv)
{
    cut_command command = {.snapshots = -1};
    const verb_spec spec = {
        .name = "cut",
        .summary =
            "Write a selection as one self-contained file, or of several feeds and sessions\n"
            "as a folder: with the state at its first frame, its connections, grants and "
            "gaps.",
        .statuses = {[EXIT_CODE_DIFFERS] = "a signal stopped --shrink: the smallest cut so far was "
                                           "written",
                     [EXIT_CODE_USAGE] =
                         "the command line is wrong, OUT exists already, or frames of several "
                         "feeds or sessions are selected for a file, or CMD cannot be run or does "
                         "not fail",
                     [EXIT_CODE_DAMAGE] = "done, but stored frames are damaged and left out",
                     [EXIT_CODE_FAILED] =
                         "nothing matches the selection, it is too large, or a file cannot be read "
                         "or written; nothing was left"},
        .examples =
            "tapedeck cut archive -o bug.mcap --from 2026-11-22T03:12 --to +10s\n"
            "tapedeck cut archive -o bug --from 2026-11-22T03:12 --to +10s\n"
            "tapedeck cut archive -o bug.mcap --feed v5-linear --shrink 'my-decoder \"$1\"'",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON | VERB_STOPS,
        .own = {{"Cut", CUT_ROWS, sizeof CUT_ROWS / sizeof *CUT_ROWS, &command}},
        .mode = ARCHIVE_READ,
        .check = check_flags,
        .work = run};
    return verb_run_main(&spec, &command, context, argc, argv);
}
