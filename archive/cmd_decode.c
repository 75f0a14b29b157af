/* tapedeck decode: frames, one a line, to typed JSON, one object a frame. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "archive/cmds.h"
#include "archive/import_line.h"
#include "archive/import_source.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "cli/option_groups.h"
#include "cli/output.h"
#include "schema/classify.h"
#include "schema/decode.h"
#include "schema/family.h"
#include "schema/json.h"
#include "schema/message_json.h"

typedef struct decode_options {
    const char *family;
} decode_options;

static const option_row DECODE_ROWS[] = {
    {.long_name = "family",
     .type = OPTION_TEXT,
     .offset = offsetof(decode_options, family),
     .metavar = "FAMILY",
     .help = "what the frames are (required): 'tapedeck topics' lists families"},
};

typedef struct decode_run {
    decode_options options;
    json_options json;
    talk_options talk;
    const family *family;
    decoder *decoder;
    json_parser *parser; /* for lines that the decoder has no name for */
    import_line_reader *lines;
    import_source *source;
    output_stream output;
    uint64_t frames;
    uint64_t undecoded;
    td_err err;
} decode_run;

/* 1 if an inbound frame that nobody knows is what a client sends: a bare line does not say. */
static int is_request(json_value root)
{
    static const char *const KEYS[] = {"op", "event", "method"};
    json_value found;
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        if (json_find(root, KEYS[i], &found) && json_type_of(found) == JSON_STRING)
            return 1;
    }
    return 0;
}

/* Why a frame that is of no class is not decoded. */
static decode_error why_unknown(decode_run *run, td_bytes frame, int *is_out)
{
    json_value root;
    td_result rc = json_parse(run->parser, frame, JSON_PADDED, &root, NULL);
    decode_error why = {.reason = DECODE_UNKNOWN_TOPIC};
    *is_out = rc == TD_OK && is_request(root);
    if (rc == TD_E_LIMIT)
        why.reason = DECODE_LIMIT;
    else if (rc != TD_OK || json_type_of(root) < JSON_ARRAY)
        why.reason = DECODE_NOT_JSON;
    if (rc != TD_OK)
        why.offset = json_parse_error(run->parser).offset;
    return why;
}

/* A frame that is not decoded is printed too, with why: nothing of the input vanishes. */
static void write_raw(decode_run *run, td_bytes exchange_topic, const decode_error *why)
{
    run->undecoded++;
    message_json_raw(&run->output.json, exchange_topic, why);
}

static void write_data(decode_run *run, const classification *what, td_bytes frame)
{
    TD_ASSERT(what->frame_class == CLASS_DATA);
    /* The decoder may use the memory that the classification points into. */
    char topic[LIMIT_TOPIC_BYTES];
    size_t size = what->exchange_topic.size;
    if (size > sizeof topic)
        size = sizeof topic;
    if (size > 0)
        memcpy(topic, what->exchange_topic.data, size);
    td_bytes exchange_topic = td_bytes_of(topic, size);
    decode_error why = {.reason = DECODE_UNKNOWN_TOPIC};
    message decoded;
    if (what->topic.row == NULL ||
        !decoder_decode(run->decoder, &what->topic, frame, DECODE_PATH_HOT, &decoded, &why))
        write_raw(run, exchange_topic, &why);
    else
        message_json_members(&run->output.json, &decoded);
}

/* A bare line does not say its direction: what no inbound rule knows is tried as a request. */
static void decode_frame(decode_run *run, td_bytes frame, frame_dir dir)
{
    TD_ASSERT(run->family != NULL);
    TD_ASSERT(run->decoder != NULL);
    classification what;
    decoder_classify(run->decoder, run->family, frame, dir, TOPIC_NOW, &what);
    decode_error why = {.reason = DECODE_OK};
    if (what.frame_class == CLASS_UNKNOWN) {
        int is_out = 0;
        why = why_unknown(run, frame, &is_out);
        if (is_out)
            decoder_classify(run->decoder, run->family, frame, DIR_OUT, TOPIC_NOW, &what);
    }
    run->frames++;
    json_writer *json = output_json_begin(&run->output);
    json_write_object_begin(json);
    if (what.frame_class == CLASS_UNKNOWN)
        write_raw(run, td_bytes_of(NULL, 0), &why);
    else if (what.frame_class == CLASS_DATA)
        write_data(run, &what, frame);
    else
        message_json_control(json, &what, frame);
    json_write_object_end(json);
    output_json_end(&run->output);
}

/* A line is a frame, or a wrapper around one (docs/import.md, jsonl: also what cat prints). */
static void decode_line(decode_run *run, const import_text_line *line)
{
    if (line->is_too_long) {
        decode_error why = {.reason = DECODE_LIMIT};
        run->frames++;
        json_write_object_begin(output_json_begin(&run->output));
        write_raw(run, td_bytes_of(NULL, 0), &why);
        json_write_object_end(&run->output.json);
        output_json_end(&run->output);
        return;
    }
    if (line->text.size == 0)
        return;
    import_record record;
    const char *reason = NULL;
    if (!import_line_read(run->lines, line->text, &record, &reason))
        decode_frame(run, line->text, DIR_IN);
    else if (record.kind == IMPORT_FRAME)
        decode_frame(run, record.data, record.dir);
}

/* A reader that went away (head, less) is no error. */
static td_result decode_all(decode_run *run)
{
    for (;;) {
        import_text_line line;
        td_result rc = import_source_next(run->source, &line, &run->err);
        if (rc == TD_EOF || output_is_broken(&run->output))
            return TD_OK;
        if (rc != TD_OK)
            return rc;
        decode_line(run, &line);
    }
}

static td_result open_parts(decode_run *run, const options_operands *files)
{
    td_err *err = &run->err;
    if (run->options.family == NULL) {
        td_err_set(err, TD_E_INVALID, "the family is missing");
        td_err_hint(err, "say it with --family: %s", family_names());
        return TD_E_INVALID;
    }
    run->family = family_find(td_bytes_str(run->options.family));
    if (run->family == NULL) {
        td_err_set(err, TD_E_INVALID, "there is no family '%s'", run->options.family);
        td_err_hint(err, "families: %s", family_names());
        return TD_E_INVALID;
    }
    td_result rc = decoder_open(&run->decoder, err);
    if (rc == TD_OK)
        rc = json_parser_open(0, &run->parser, err);
    if (rc == TD_OK)
        rc = import_line_reader_open(IMPORT_JSONL, &run->lines, err);
    if (rc != TD_OK)
        return rc;
    if (files->count == 0 || strcmp(files->items[0], "-") == 0)
        return import_source_open_pipe(STDIN_FILENO, &run->source, err);
    return import_source_open(io_posix(), files->items[0], &run->source, err);
}

/* Close everything; the status of it all. */
static exit_code end_run(decode_run *run, reporter *report, td_result rc)
{
    TD_ASSERT(run->undecoded <= run->frames);
    td_err output_err;
    td_result output_rc = output_finish(&run->output, &output_err);
    import_source_close(run->source);
    import_line_reader_close(run->lines);
    json_parser_close(run->parser);
    decoder_close(run->decoder);
    if (rc != TD_OK)
        return report_error(report, &run->err);
    if (output_rc != TD_OK)
        return report_error(report, &output_err);
    if (run->undecoded > 0)
        report_say(report, TD_LOG_WARNING, "%" PRIu64 " of %" PRIu64 " frames were not decoded",
                   run->undecoded, run->frames);
    return run->undecoded > 0 ? EXIT_CODE_DIFFERS : EXIT_CODE_DONE;
}

exit_code cmd_decode(const verb_context *context, int argc, char **argv)
{
    decode_run run = {0};
    const option_group groups[] = {
        {"Decoding", DECODE_ROWS, sizeof DECODE_ROWS / sizeof DECODE_ROWS[0], &run.options},
        option_group_json(&run.json),
        option_group_talk(&run.talk),
    };
    const options_spec spec = {
        .program = context->program,
        .verb = "decode",
        .summary = "Read frames, one a line, and print what they say: one JSON object a frame.",
        .operands = "[FILE]",
        .operand_max = 1,
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .examples = "tapedeck decode --family inverse < frames.jsonl\n"
                    "tapedeck cat -a archive --feed linear | tapedeck decode --family linear",
        .now_ns = clock_wall_ns(clock_real())};
    options_operands files;
    exit_code status = EXIT_CODE_DONE;
    if (!verb_begin(context, &spec, argc, argv, &files, &status))
        return status;
    report_apply(context->report, &run.talk);
    td_err_clear(&run.err);
    output_init(&run.output, stdout);
    td_result rc = open_parts(&run, &files);
    if (rc == TD_OK)
        rc = decode_all(&run);
    return end_run(&run, context->report, rc);
}
