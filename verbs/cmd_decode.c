/* tapedeck decode: decodes frames, one per line, to typed JSON, one object per frame. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "recorder/import/import_line.h"
#include "recorder/import/import_source.h"
#include "base/io_posix.h"
#include "base/cli/units.h"
#include "schema/decode.h"
#include "schema/family.h"
#include "schema/message_json.h"

typedef struct decode_options {
    const char *family;
    options_time at;
} decode_options;

static const option_row DECODE_ROWS[] = {
    {.long_name = "family",
     OPTION_INTO(decode_options, family),
     .metavar = "FAMILY",
     .choices = FAMILY_NAMES,
     .help = "family of the frames (required; 'tapedeck topics' lists them)"},
    {.long_name = "at",
     OPTION_INTO(decode_options, at),
     .metavar = "TIME",
     .help = "receive time of frames without one, for topics that changed over the years\n"
             "(default: the exchange's time)"},
};

typedef struct decode_run {
    verb_run *verb;
    decode_options options;
    const family *of;
    decoder *decoder;
    uint64_t frames;
    uint64_t undecoded;
} decode_run;

/* Classify a frame. If it has no receive time, use the exchange's time in the frame. */
static void classify_at(decode_run *run, td_bytes frame, channel_dir dir, uint64_t at_ns,
                        classification *out)
{
    int has_date = at_ns != TOPIC_NOW;
    decoder_classify(run->decoder, run->of, frame, dir, has_date ? at_ns : TOPIC_ANY_TIME, out);
    if (has_date || out->exchange_ns == 0)
        return;
    classification dated;
    decoder_classify(run->decoder, run->of, frame, dir, out->exchange_ns, &dated);
    if (dated.topic.row != NULL)
        *out = dated;
}

/* Decode and print a frame. A frame that cannot be decoded is printed too, with the reason, so
 * that no input is lost. Classification recognizes an answer by its keys only, as a recorder must;
 * decoding also checks the answer's text. A valid answer has no topic, which is not an error. */
static void decode_frame(decode_run *run, td_bytes frame, channel_dir dir, uint64_t at_ns)
{
    classification what;
    message decoded;
    decode_error why;
    json_writer *json = output_json_begin(&run->verb->output);
    classify_at(run, frame, dir, at_ns, &what);
    json_write_object_begin(json);
    if (decoder_decode(run->decoder, &what.topic, frame, DECODE_PATH_WHOLE, &decoded, &why)) {
        message_json_members(json, &decoded);
    } else if (frame_class_is_control(what.frame_class) &&
               (why.reason == DECODE_NO_TOPIC || why.reason == DECODE_UNKNOWN_TOPIC)) {
        message_json_control(json, &what, frame);
    } else {
        message_json_raw(json, &what.topic, what.exchange_topic, &why);
        run->undecoded++;
    }
    json_write_object_end(json);
    output_json_end(&run->verb->output);
    run->frames++;
}

/* Decode a line: a frame, or a wrapper around one (the jsonl of docs/import.md, which cat prints).
 */
static void decode_line(decode_run *run, import_line_reader *wrappers, const import_text_line *line)
{
    uint64_t at_ns = run->options.at.is_given ? run->options.at.at.ns : TOPIC_NOW;
    import_record record;
    const char *reason = NULL;
    if (line->text.size == 0)
        return;
    if (!import_line_read(wrappers, line->text, &record, &reason))
        decode_frame(run, line->text, CHANNEL_IN, at_ns);
    else if (record.kind == IMPORT_FRAME)
        decode_frame(run, record.data, record.dir, record.time_ns > 0 ? record.time_ns : at_ns);
}

/* Decode all lines. It is not an error if the reader of the output (head, less) closes it. */
static td_result decode_all(decode_run *run, import_source *source, td_err *err)
{
    import_line_reader *wrappers = import_line_reader_open(IMPORT_JSONL);
    td_result rc = TD_OK;
    while (rc == TD_OK && !output_is_broken(&run->verb->output)) {
        import_text_line line;
        rc = import_source_next(source, &line, err);
        if (rc == TD_OK)
            decode_line(run, wrappers, &line);
    }
    import_line_reader_close(wrappers);
    return rc == TD_EOF ? TD_OK : rc;
}

static td_result work(verb_run *verb)
{
    decode_run *run = verb->state;
    const options_operands *files = &verb->operands;
    import_source *source = NULL;
    td_result rc = TD_OK;
    run->verb = verb;
    if (run->options.family == NULL) {
        td_err_set(&verb->err, TD_E_INVALID, "the family is missing");
        td_err_hint(&verb->err, "give --family NAME: %s", family_names());
        return TD_E_INVALID;
    }
    run->of = family_find(td_bytes_str(run->options.family));
    if (run->of == NULL)
        return family_refuse(td_bytes_str(run->options.family), &verb->err);
    if (files->count == 0 || strcmp(files->items[0], "-") == 0)
        source = import_source_open_pipe(STDIN_FILENO);
    else
        rc = import_source_open(io_posix(), files->items[0], &source, &verb->err);
    run->decoder = decoder_open();
    if (rc == TD_OK)
        rc = decode_all(run, source, &verb->err);
    decoder_close(run->decoder);
    import_source_close(source);
    if (rc != TD_OK || run->undecoded == 0)
        return rc;
    verb->status = EXIT_CODE_DIFFERS;
    report_line(verb->report, TD_LOG_WARNING, "%s of %s not decoded",
                format_count(run->undecoded).text, format_counted(run->frames, "frame").text);
    return TD_OK;
}

exit_code cmd_decode(const verb_context *context, int argc, char **argv)
{
    decode_run run = {0};
    const verb_spec spec = {
        .name = "decode",
        .summary = "Decode frames, one per line, to one JSON object each.",
        .operands = "[FILE]",
        .operand_max = 1,
        .statuses = {[EXIT_CODE_DONE] = "every frame was decoded",
                     [EXIT_CODE_DIFFERS] = "a frame was not decoded",
                     [EXIT_CODE_FAILED] = "the file cannot be read"},
        .examples = "tapedeck decode --family v5-linear < frames.jsonl\n"
                    "tr -d '\\n' < frame.json | tapedeck decode --family v5-linear\n"
                    "tapedeck cat archive --feed v5-spot | tapedeck decode --family v5-spot\n"
                    "tapedeck decode --families made-up.yaml --family made-up < frames.jsonl",
        .takes = VERB_HAS_NO_ARCHIVE | VERB_TAKES_JSON | VERB_TAKES_FAMILIES,
        .own = {{"Decoding", DECODE_ROWS, sizeof DECODE_ROWS / sizeof DECODE_ROWS[0],
                 &run.options}},
        .work = work};
    return verb_run_main(&spec, &run, context, argc, argv);
}
