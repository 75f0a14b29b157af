#include "regress/cmd_save.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cli/option_groups.h"
#include "cli/result.h"
#include "play/play_verb.h"
#include "regress/decoder_choice.h"
#include "regress/run.h"

typedef struct save_flags {
    const char *out;
    uint8_t is_full;
    uint8_t is_forced;
} save_flags;

static const option_row SAVE_ROWS[] = {
    {.long_name = "out",
     .short_name = 'o',
     .type = OPTION_TEXT,
     .offset = offsetof(save_flags, out),
     .metavar = "FILE",
     .help = "the baseline to make (.tdb); an unfinished one of the same command is\n"
             "continued"},
    {.long_name = "full",
     .type = OPTION_FLAG,
     .offset = offsetof(save_flags, is_full),
     .help = "store the decoded frames, too, so that differences are shown without the old\n"
             "decoder (implies --whole)"},
    {.long_name = "force",
     .type = OPTION_FLAG,
     .offset = offsetof(save_flags, is_forced),
     .help = "replace a complete baseline"},
};

/* Everything of one run of the verb. */
typedef struct save_command {
    play_verb verb;
    save_flags flags;
    decoding_options options;
    decoder_options decoding;
    rate_window rate;
    decoder_map *map;
    decoder_choice decoder;
    baseline *made;
} save_command;

/* ---- the result ---- */

/* Sums over the streams of a baseline. */
typedef struct save_totals {
    uint64_t frames, decoded, undecoded, items, first_ns, last_ns;
} save_totals;

static save_totals sum_streams(const baseline *of)
{
    save_totals sum = {0};
    for (size_t i = 0; i < baseline_stream_count(of); i++) {
        const baseline_stream *s = baseline_stream_at(of, i);
        sum.frames += s->frames;
        sum.decoded += s->decoded;
        sum.undecoded += s->undecoded;
        sum.items += s->items;
        if (sum.first_ns == 0 || s->first_ns < sum.first_ns)
            sum.first_ns = s->first_ns;
        if (s->last_ns > sum.last_ns)
            sum.last_ns = s->last_ns;
    }
    return sum;
}

static void describe_baseline(result_writer *r, const save_command *command,
                              const baseline_size *size)
{
    const baseline_meta *meta = baseline_get_meta(command->made);
    const save_totals sum = sum_streams(command->made);
    TD_ASSERT(sum.frames > 0); /* a run over nothing is refused */
    result_text(r, "baseline", command->flags.out);
    result_text(r, "archive", meta->archive);
    result_name(r, "selection", meta->selection);
    result_text(r, "decoder", meta->decoder);
    result_text(r, "version", meta->version);
    result_bool(r, "whole", meta->members == CANONICAL_WHOLE);
    result_bool(r, "full", meta->is_full);
    result_bool(r, "damaged", meta->is_damaged);
    result_count(r, "streams", baseline_stream_count(command->made));
    result_count(r, "frames", sum.frames);
    result_count(r, "decoded", sum.decoded);
    result_count(r, "undecoded", sum.undecoded);
    result_count(r, "control", sum.frames - sum.decoded - sum.undecoded);
    result_count(r, "items", sum.items);
    result_time(r, "first_ns", sum.first_ns);
    result_time(r, "last_ns", sum.last_ns);
    result_size(r, "file_bytes", size->file_bytes);
    result_size(r, "decode_bytes", size->decode_bytes);
    result_fraction(r, "bytes_per_frame", size->file_bytes * 10 / sum.frames, 1);
}

static td_result describe(save_command *command, const regress_run_result *done, td_err *err)
{
    baseline_size size;
    td_result rc = baseline_get_size(command->made, &size, err);
    if (rc != TD_OK)
        return rc;
    result_writer r;
    result_begin(&r, &command->verb.output, &command->verb.json);
    result_object_begin(&r, NULL);
    describe_baseline(&r, command, &size);
    result_time_or_null(&r, "resumed_from_ns", done->resumed_from_ns);
    decoder_choice_describe(&command->decoder, "decoder_findings", &r);
    result_object_end(&r, "{frames received frame} of {streams stream}: {decoded} decoded"
                          "[, {undecoded} not decoded][, {control} control]\n"
                          "{baseline}: {file_bytes}, {bytes_per_frame} bytes a frame"
                          "[; {decode_bytes} of it are decodes]\n"
                          "[{damaged?}stored frames are damaged: some are missing here; 'tapedeck "
                          "verify' says where\n]"
                          "[{decoder_findings}]");
    return result_end(&r, err);
}

/* The run ends early, because of an error: what its decoder failed at until then would be lost. */
static void describe_early(save_command *command, const td_err *error)
{
    result_writer r;
    td_err late;
    if (decoder_choice_failures(&command->decoder) == 0)
        return;
    decoder_choice_log(&command->decoder, &command->verb.log);
    result_begin(&r, &command->verb.output, &command->verb.json);
    result_object_begin(&r, NULL);
    result_text(&r, "error", error->text);
    result_name(&r, "hint", error->hint);
    decoder_choice_describe(&command->decoder, "decoder_findings", &r);
    result_object_end(&r, NULL);
    if (result_end(&r, &late) != TD_OK)
        td_log_emit(&command->verb.log, TD_LOG_WARNING, "%s", late.text);
}

/* ---- the run ---- */

static td_result check_flags(const save_command *command, td_err *err)
{
    if (command->flags.out != NULL)
        return decoder_options_check(&command->decoding, 1, err);
    td_err_set(err, TD_E_INVALID, "no baseline is given");
    td_err_hint(err, "give -o FILE");
    return TD_E_INVALID;
}

/* A signal ends the run at its next checkpoint, which it makes at once. */
static td_result save(save_command *command, regress_run_result *done, td_err *err)
{
    int is_whole = command->flags.is_full || command->options.is_whole;
    const regress_run_options options = {
        .archive = command->verb.source.archive,
        .wanted = &command->verb.source.wanted,
        .decoding = decoder_choice_decoding(&command->decoder),
        .map = command->map,
        .threads = threads_options_count(&command->verb.threads),
        .clock = command->verb.clock,
        .log = &command->verb.log,
        .path = command->flags.out,
        .meta = {.members = is_whole ? CANONICAL_WHOLE : CANONICAL_PLAIN,
                 .is_full = command->flags.is_full,
                 .archive = archive_path(command->verb.source.archive),
                 .decoder = decoder_choice_label(&command->decoder),
                 .decoder_id = command->decoder.id},
        .existing = command->flags.is_forced ? REGRESS_REPLACE : REGRESS_KEEP,
        .progress = play_verb_progress,
        .user = &command->verb};
    td_result rc = regress_run(&options, done, &command->made, err);
    progress_end(&command->verb.progress);
    int is_stopped = rc == TD_EOF || (rc != TD_OK && decoder_choice_was_stopped(&command->decoder));
    if (is_stopped)
        rc = td_err_set(err, TD_E_IO, "stopped before the end");
    if (is_stopped || (done->frames > 0 && (rc == TD_E_IO || rc == TD_E_NOSPACE)))
        td_err_hint(err, "'%s' keeps what is done: the same command continues there",
                    command->flags.out);
    return rc;
}

static td_result run(save_command *command, exit_code *status, td_err *err)
{
    regress_run_result done;
    td_result rc = check_flags(command, err);
    if (rc == TD_OK)
        rc = play_source_open(&command->verb.source, &command->verb.log, err);
    if (rc == TD_OK)
        rc = decoder_options_map(&command->decoding, &command->map, err);
    const decoder_setting setting = {command->map, &command->verb.log, command->verb.signals};
    if (rc == TD_OK)
        rc = decoder_choice_open(&command->decoding, 0, &setting, &command->decoder, err);
    if (rc == TD_OK)
        rc = save(command, &done, err);
    if (rc == TD_OK)
        rc = decoder_choice_count_earlier(&command->decoder, &done, command->made, err);
    if (rc != TD_OK)
        describe_early(command, err);
    if (rc == TD_OK)
        rc = describe(command, &done, err);
    if (rc == TD_OK && baseline_get_meta(command->made)->is_damaged)
        *status = EXIT_CODE_DAMAGE;
    else if (rc == TD_OK && decoder_choice_failures(&command->decoder) > 0)
        *status = EXIT_CODE_DIFFERS;
    return rc;
}

static void close_all(save_command *command)
{
    baseline_close(command->made);
    decoder_choice_close(&command->decoder);
    decoder_map_close(command->map);
}

exit_code cmd_regress_save(const verb_context *context, int argc, char **argv)
{
    save_command command = {.verb.rate = &command.rate};
    const option_group groups[] = {
        option_group_archive(&command.verb.source.choice),
        {"Baseline", SAVE_ROWS, sizeof SAVE_ROWS / sizeof *SAVE_ROWS, &command.flags},
        option_group_decoding(&command.options),
        option_group_decoder(&command.decoding),
        option_group_selection(&command.verb.source.selecting),
        option_group_threads(&command.verb.threads),
        option_group_json(&command.verb.json),
        option_group_talk(&command.verb.talk),
    };
    const options_spec spec = {
        .program = context->program,
        .verb = "regress save",
        .summary =
            "Decode a selection and save a hash of what every frame gave, and of the order book\n"
            "after it, with which 'regress check' compares. An interrupted run is continued by\n"
            "the same command. Exit status: 0 done; 1 done, but your decoder failed at frames;\n"
            "3 done, but stored frames are damaged; 4 stopped, or nothing matches the selection.",
        .groups = groups,
        .group_count = sizeof groups / sizeof *groups,
        .examples =
            "tapedeck regress save DIR -o before.tdb\n"
            "tapedeck regress save DIR -o books.tdb --topic 'orderBook*' --from 2021-04-17\n"
            "tapedeck regress save DIR -o before.tdb --full",
        .now_ns = clock_wall_ns(clock_real()),
    };
    options_operands operands;
    exit_code status = EXIT_CODE_DONE;
    if (!play_verb_begin(&command.verb, context, &spec, argc, argv, &operands, &status))
        return status;
    td_result rc = run(&command, &status, &command.verb.err);
    close_all(&command);
    return play_verb_end(&command.verb, rc, status);
}
