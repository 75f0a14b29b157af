/* tapedeck decode: frames, one a line, to typed JSON, one object a frame. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "verbs/cmds.h"
#include "verbs/frame_lines.h"
#include "verbs/verb_run.h"
#include "import/import_line.h"
#include "import/import_source.h"
#include "base/assert.h"
#include "base/io_posix.h"
#include "cli/units.h"
#include "schema/classify.h"
#include "schema/decode.h"
#include "schema/exchange.h"
#include "schema/family.h"
#include "json/json.h"
#include "schema/message_json.h"

typedef struct decode_options {
    const char *family;
    options_time at;
} decode_options;

static const option_row DECODE_ROWS[] = {
    {.long_name = "family",
     .type = OPTION_TEXT,
     .offset = offsetof(decode_options, family),
     .metavar = "FAMILY",
     .choices = FAMILY_NAMES,
     .help = "family of the frames (required; 'tapedeck topics' lists them), or the common\n"
             "prefix of several, such as v5, to try each"},
    {.long_name = "at",
     .type = OPTION_TIME,
     .offset = offsetof(decode_options, at),
     .metavar = "TIME",
     .help = "receive time of frames without one, for topics that changed over the years\n"
             "(default: the exchange's time)"},
};

typedef struct decode_run {
    verb_run *verb;
    decode_options options;
    const family *families[FAMILY_GROUP_MAX];
    size_t family_count;
    uint64_t at_ns;
    decoder *decoder;
    json_parser *parser; /* for frames that the decoder has no name for */
    import_line_reader *wrappers;
    import_source *source;
    frame_lines *lines;
    uint64_t frames;
    uint64_t undecoded;
} decode_run;

/* Where a frame went, and when it came. */
typedef struct frame_moment {
    frame_dir dir;
    uint64_t ns; /* TOPIC_NOW if not given */
} frame_moment;

/* 1 if a frame is what a client sends: a bare line has no direction. */
static int is_request(const exchange_row *exchange, json_value root)
{
    td_bytes text;
    for (const char *const *key = exchange->request_keys; *key != NULL; key++)
        if (json_find_text(root, *key, &text))
            return 1;
    return 0;
}

/* A frame that is unknown as inbound, or an answer that neither grants nor refuses (spot echoes
 * requests, and adds a code): is it a client's? */
static int is_outbound(decode_run *run, const family *of, const classification *inbound,
                       td_bytes frame)
{
    json_value root;
    int is_verdict = inbound->success >= 0;
    if (inbound->frame_class != CLASS_UNKNOWN && (inbound->frame_class != CLASS_ACK || is_verdict))
        return 0;
    return json_parse(run->parser, frame, JSON_PADDED, &root, NULL) == TD_OK &&
           is_request(exchange_of(of), root);
}

/* Classify a frame; one without a date by the exchange's own time, the best available. */
static void classify_at(decode_run *run, const family *of, td_bytes frame, const frame_moment *at,
                        classification *out)
{
    uint64_t ns = at->ns == TOPIC_NOW ? TOPIC_ANY_TIME : at->ns;
    decoder_classify(run->decoder, of, frame, at->dir, ns, out);
    if (at->ns != TOPIC_NOW || out->exchange_ns == 0)
        return;
    classification dated;
    decoder_classify(run->decoder, of, frame, at->dir, out->exchange_ns, &dated);
    if (dated.topic.row != NULL)
        *out = dated;
}

/* What one family makes of a frame. */
typedef struct attempt {
    const family *of;
    classification what;
    decode_error why; /* of a data or unknown frame that is not decoded */
    uint32_t strange; /* of a decoded one: fields and symbols that do not fit */
    uint32_t equals;  /* a bit for each family, by its index, that reads it as well as this one */
    uint8_t is_decoded;
} attempt;

_Static_assert(FAMILY_GROUP_MAX <= 32, "a bit for each family of a group");

static void try_family(decode_run *run, const family *of, td_bytes frame, const frame_moment *at,
                       attempt *out, message *decoded)
{
    *out = (attempt){.of = of};
    classify_at(run, of, frame, at, &out->what);
    out->is_decoded = (uint8_t)decoder_decode(run->decoder, &out->what.topic, frame,
                                              DECODE_PATH_WHOLE, decoded, &out->why);
    if (out->is_decoded) {
        out->strange = decoded->head.unknown_fields + decoded->head.foreign_symbols;
        return;
    }
    /* Classification reads an answer by its keys, as a recorder must; here its text is judged too.
     * That a sound one is no topic's frame is no fault of it. */
    int is_sound = out->why.reason == DECODE_NO_TOPIC || out->why.reason == DECODE_UNKNOWN_TOPIC;
    if (frame_class_is_control(out->what.frame_class) && is_sound)
        out->why = (decode_error){.reason = DECODE_OK};
}

/* 1 if this is a better reading of the frame than that: by topic first, then by shape. */
static int is_better(const attempt *a, const attempt *b)
{
    int a_knows = a->what.topic.row != NULL;
    int b_knows = b->what.topic.row != NULL;
    if (a->is_decoded != b->is_decoded)
        return a->is_decoded;
    if (a->is_decoded)
        return a->strange < b->strange;
    return a_knows > b_knows;
}

/* A frame that is not decoded is printed too, with why: nothing of the input vanishes. */
static void write_raw(decode_run *run, const attempt *best)
{
    run->undecoded++;
    message_json_raw(&run->verb->output.json, &best->what.topic, best->what.exchange_topic,
                     &best->why);
}

/* The family, as far as the frame shows it: a book of BTCUSDT is the same in several. */
static void write_families(decode_run *run, json_writer *json, const attempt *best)
{
    if ((best->equals & (best->equals - 1)) == 0) {
        json_write_member_text(json, "family", best->of->name);
        return;
    }
    json_write_key(json, "families");
    json_write_array_begin(json);
    for (size_t i = 0; i < run->family_count; i++)
        if ((best->equals >> i & 1) != 0)
            json_write_text(json, run->families[i]->name);
    json_write_array_end(json);
}

static void write_attempt(decode_run *run, const attempt *best, td_bytes frame,
                          const message *decoded)
{
    json_writer *json = output_json_begin(&run->verb->output);
    json_write_object_begin(json);
    if (best->is_decoded) {
        message_json_members(json, decoded);
        if (run->family_count > 1)
            write_families(run, json, best);
    } else if (best->why.reason != DECODE_OK) {
        write_raw(run, best);
    } else {
        message_json_control(json, &best->what, frame);
    }
    json_write_object_end(json);
    output_json_end(&run->verb->output);
}

/* A bare line has no direction: what no inbound rule matches is tried as a request. Of
 * several families the one that fits best decodes; it does so last, because a message is valid
 * until the decoder's next call. */
static void decode_frame(decode_run *run, td_bytes frame, frame_moment at)
{
    TD_ASSERT(run->family_count > 0);
    TD_ASSERT(run->decoder != NULL);
    attempt best;
    attempt other;
    message decoded;
    uint32_t equals = 1;
    try_family(run, run->families[0], frame, &at, &best, &decoded);
    for (size_t i = 1; i < run->family_count; i++) {
        try_family(run, run->families[i], frame, &at, &other, &decoded);
        uint32_t bit = UINT32_C(1) << i;
        if (is_better(&other, &best)) {
            best = other;
            equals = bit;
        } else if (!is_better(&best, &other)) {
            equals |= bit;
        }
    }
    if (is_outbound(run, best.of, &best.what, frame))
        at.dir = DIR_OUT;
    try_family(run, best.of, frame, &at, &best, &decoded);
    best.equals = equals;
    run->frames++;
    write_attempt(run, &best, frame, &decoded);
}

/* A frame's text is the frame, or a wrapper around one (docs/import.md, jsonl: also what cat
 * prints). */
static td_result decode_text(decode_run *run, const frame_text *frame)
{
    if (frame->is_too_long) {
        const attempt best = {.why = {.reason = DECODE_LIMIT}};
        run->frames++;
        write_attempt(run, &best, frame->text, NULL);
        return TD_OK;
    }
    import_record record;
    const char *reason = NULL;
    frame_moment at = {DIR_IN, run->at_ns};
    if (!import_line_read(run->wrappers, frame->text, &record, &reason)) {
        decode_frame(run, frame->text, at);
        return TD_OK;
    }
    if (record.kind != IMPORT_FRAME)
        return TD_OK;
    at.dir = record.dir;
    if (record.time_ns > 0)
        at.ns = record.time_ns;
    decode_frame(run, record.data, at);
    return TD_OK;
}

/* A reader that went away (head, less) is no error. */
static td_result decode_all(decode_run *run)
{
    for (;;) {
        frame_text frame;
        td_result rc = frame_lines_next(run->lines, &frame, &run->verb->err);
        if (rc == TD_EOF || output_is_broken(&run->verb->output))
            return TD_OK;
        if (rc == TD_OK)
            rc = decode_text(run, &frame);
        if (rc != TD_OK)
            return rc;
    }
}

static td_result open_parts(decode_run *run)
{
    const options_operands *files = &run->verb->operands;
    td_err *err = &run->verb->err;
    if (run->options.family == NULL) {
        td_err_set(err, TD_E_INVALID, "the family is missing");
        td_err_hint(err, "give --family NAME: %s", family_names());
        return TD_E_INVALID;
    }
    run->family_count = family_group(td_bytes_str(run->options.family), run->families);
    if (run->family_count == 0)
        return family_refuse(td_bytes_str(run->options.family), err);
    run->at_ns = run->options.at.is_given ? run->options.at.at.ns : TOPIC_NOW;
    td_result rc = TD_OK;
    run->decoder = decoder_open();
    run->parser = json_parser_open(0);
    run->wrappers = import_line_reader_open(IMPORT_JSONL);
    if (files->count == 0 || strcmp(files->items[0], "-") == 0)
        run->source = import_source_open_pipe(STDIN_FILENO);
    else
        rc = import_source_open(io_posix(), files->items[0], &run->source, err);
    if (rc == TD_OK)
        run->lines = frame_lines_open(run->source);
    return rc;
}

static td_result work(verb_run *verb)
{
    decode_run *run = verb->state;
    run->verb = verb;
    td_result rc = open_parts(run);
    if (rc == TD_OK)
        rc = decode_all(run);
    TD_ASSERT(run->undecoded <= run->frames);
    frame_lines_close(run->lines);
    import_source_close(run->source);
    import_line_reader_close(run->wrappers);
    json_parser_close(run->parser);
    decoder_close(run->decoder);
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
        .summary = "Decode frames, one JSON object per frame.",
        .operands = "[FILE]",
        .statuses = {[EXIT_CODE_DONE] = "every frame was decoded",
                     [EXIT_CODE_DIFFERS] = "a frame was not decoded",
                     [EXIT_CODE_FAILED] = "the file cannot be read"},
        .examples = "tapedeck decode --family inverse < frames.jsonl\n"
                    "tapedeck decode --family v5 < frame.json\n"
                    "tapedeck cat archive --feed linear | tapedeck decode --family linear",
        .takes = VERB_HAS_NO_ARCHIVE | VERB_TAKES_JSON,
        .own = {"Decoding", DECODE_ROWS, sizeof DECODE_ROWS / sizeof DECODE_ROWS[0], &run.options},
        .work = work};
    return verb_run_all(&spec, &run, context, argc, argv);
}
