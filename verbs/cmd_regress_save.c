#include "verbs/cmds.h"

#include <stddef.h>

#include "base/io_posix.h"
#include "verbs/verb_run.h"
#include "regress/run.h"

/* State of one run. */
typedef struct save_command {
    const char *out;
    decoder_options decoders;
    user_decoder *decoder;
    baseline *made;
    regress_totals totals;
} save_command;

static const option_row SAVE_ROWS[] = {
    {.long_name = "out",
     .short_name = 'o',
     OPTION_INTO(save_command, out),
     .metavar = "FILE",
     .help = "output file, the baseline (.tdb)"},
};

static void describe(const save_command *command, result_writer *r)
{
    const baseline_meta *meta = baseline_get_meta(command->made);
    const regress_totals *totals = &command->totals;
    result_object_begin(r, NULL);
    result_text(r, "baseline", command->out);
    result_text(r, "archive", meta->archive);
    result_text(r, "decoder", meta->decoder);
    result_text(r, "version", meta->version);
    result_bool(r, "damaged", totals->is_damaged);
    result_count(r, "streams", baseline_stream_count(command->made));
    result_count(r, "frames", totals->frames);
    result_count(r, "decoded", totals->decoded);
    result_count(r, "undecoded", totals->undecoded);
    result_count(r, "control", totals->control);
    result_size(r, "file_bytes", totals->file_bytes);
    user_decoder_describe(command->decoder, "decoder_findings", r);
    result_object_end(r, "{frames received frame} of {streams stream}: {decoded} decoded"
                         "[, {undecoded} not decoded][, {control} control]\n"
                         "{baseline}: {file_bytes}\n"
                         "[{damaged?}stored frames are damaged: some are missing here; 'tapedeck "
                         "verify' reports where\n]"
                         "[{decoder_findings}]");
}

static td_result check_flags(verb_run *verb)
{
    const save_command *command = verb->state;
    td_err *err = &verb->err;
    if (command->out == NULL) {
        td_err_set(err, TD_E_INVALID, "no baseline is given");
        td_err_hint(err, "give -o FILE");
        return TD_E_INVALID;
    }
    td_result rc = decoder_options_check(&command->decoders, 1, err);
    if (rc == TD_OK)
        rc = td_io_check_absent(io_posix(), command->out, err);
    return rc;
}

static td_result run(verb_run *verb)
{
    save_command *command = verb->state;
    td_err *err = &verb->err;
    selection wanted = verb->wanted;
    selection_window window;
    td_result rc = verb_run_window(verb, &wanted, &window);
    if (rc == TD_OK)
        rc = user_decoder_open(&command->decoders, 0, &verb->log, verb->signals, &command->decoder,
                               err);
    const observe_options how = verb_run_observing(verb);
    const regress_options options = {&how, &wanted, command->decoder};
    if (rc == TD_OK)
        rc = regress_save(&options, command->out, &command->made, &command->totals, err);
    progress_end(&verb->progress);
    user_decoder_measure(command->decoder);
    if (rc == TD_OK)
        describe(command, &verb->result);
    if (rc == TD_OK && command->totals.is_damaged)
        verb->status = EXIT_CODE_DAMAGE;
    else if (rc == TD_OK && user_decoder_failures(command->decoder) > 0)
        verb->status = EXIT_CODE_DIFFERS;
    user_decoder_close(command->decoder);
    baseline_close(command->made);
    return rc;
}

exit_code cmd_regress_save(const verb_context *context, int argc, char **argv)
{
    save_command command = {0};
    const verb_spec spec = {
        .name = "regress save",
        .summary = "Decode a selection and save hashes of every frame, of its message, and of the\n"
                   "order book after it, for 'regress check'.",
        .statuses = {[EXIT_CODE_DONE] = "done",
                     [EXIT_CODE_DIFFERS] = "done, but your decoder failed at frames",
                     [EXIT_CODE_USAGE] = "the command line is wrong, or the file exists already",
                     [EXIT_CODE_DAMAGE] = "done, but stored frames are damaged and left out",
                     [EXIT_CODE_FAILED] =
                         ("stopped, nothing matches the selection, a file cannot be read or "
                          "written, or your decoder cannot be loaded or started")},
        .examples =
            "tapedeck regress save DIR -o before.tdb\n"
            "tapedeck regress save DIR -o books.tdb --topic 'orderbook.*' --from 2026-11-21",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON | VERB_STOPS,
        .own = {{"Baseline", SAVE_ROWS, sizeof SAVE_ROWS / sizeof *SAVE_ROWS, &command},
                option_group_decoder(&command.decoders)},
        .mode = ARCHIVE_READ,
        .check = check_flags,
        .work = run};
    return verb_run_main(&spec, &command, context, argc, argv);
}
