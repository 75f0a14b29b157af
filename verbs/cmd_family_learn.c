/* tapedeck family learn: proposes the documents of an exchange and a family for a capture. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "recorder/import/import_line.h"
#include "recorder/import/import_source.h"
#include "regress/learn/learn.h"
#include "base/io_posix.h"
#include "schema/decode.h"
#include "schema/family.h"

typedef struct learn_options {
    const char *name;
    const char *out;
    int format;
} learn_options;

static const char *const FORMATS[] = {"cryptofeed", "jsonl", NULL} /* indexed by import_format */;

static const option_row LEARN_ROWS[] = {
    {.long_name = "name",
     OPTION_INTO(learn_options, name),
     .metavar = "NAME",
     .help = "name of exchange and family (required): a-z, 0-9 and -"},
    {.long_name = "out",
     OPTION_INTO(learn_options, out),
     .metavar = "DIR",
     .help = "folder for NAME.exchange.yaml and NAME.yaml, which must not exist (default: .)"},
    {.long_name = "format",
     OPTION_INTO(learn_options, format),
     .metavar = "FORMAT",
     .help = "cryptofeed (both generations; the default) or jsonl, as of import",
     .choices = FORMATS},
};

/* Lines of the capture that are malformed; the first of them. */
typedef struct bad_lines {
    uint64_t count, first;
    char reason[TD_ERR_TEXT_BYTES];
} bad_lines;

/* A topic of the proposal, and its frames. */
typedef struct proposed_topic {
    const topic_row *row;
    uint64_t frames, decoded, unknown_fields;
} proposed_topic;

/* ---- the command line ---- */

static td_result check(verb_run *verb)
{
    const learn_options *options = verb->state;
    const char *name = options->name;
    size_t size = name == NULL ? 0 : strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (name == NULL) {
        td_err_set(&verb->err, TD_E_INVALID, "the name is missing");
        td_err_hint(&verb->err, "give --name NAME, as the family is to be called");
        return TD_E_INVALID;
    }
    if (size == 0 || name[size] != '\0' || size >= LIMIT_NAME_BYTES ||
        !isalpha((unsigned char)*name))
        return td_err_set(&verb->err, TD_E_INVALID,
                          "--name: '%s' is not a-z, 0-9 and -, beginning with a letter", name);
    return family_find(td_bytes_str(name)) == NULL
               ? TD_OK
               : td_err_set(&verb->err, TD_E_INVALID, "--name: there is a family %s", name);
}

static const char *path_of(const learn_options *options, const char *end,
                           char out[LIMIT_PATH_BYTES])
{
    const int size = snprintf(out, LIMIT_PATH_BYTES, "%s/%s%s",
                              options->out == NULL ? "." : options->out, options->name, end);
    return size > 0 && (size_t)size < LIMIT_PATH_BYTES ? out : NULL;
}

/* ---- the capture ---- */

static void note_bad_line(bad_lines *bad, uint64_t line, const char *reason)
{
    if (bad->count++ > 0)
        return;
    bad->first = line;
    (void)snprintf(bad->reason, sizeof bad->reason, "%s", reason); /* cut is fine */
}

static void learn_line(learn *into, import_line_reader *reader, const import_text_line *line,
                       bad_lines *bad)
{
    import_record record;
    const char *reason;
    if (!import_line_read(reader, line->text, &record, &reason)) {
        note_bad_line(bad, line->number, reason);
        return;
    }
    learn_address(into, record.url);
    if (record.kind == IMPORT_FRAME)
        learn_add(into, record.dir, record.conn, record.data);
}

static td_result read_captures(verb_run *verb, learn *into, bad_lines *bad)
{
    const learn_options *options = verb->state;
    import_source *source = NULL;
    import_text_line line = {.number = 0};
    td_result rc = import_source_open(io_posix(), verb->operands.items[0], &source, &verb->err);
    for (size_t i = 1; rc == TD_OK && i < verb->operands.count; i++)
        import_source_append(source, io_posix(), verb->operands.items[i]);
    import_line_reader *reader = import_line_reader_open((import_format)options->format);
    while (rc == TD_OK) {
        rc = import_source_next(source, &line, &verb->err);
        if (rc == TD_OK)
            learn_line(into, reader, &line, bad);
        if (rc == TD_E_TRUNCATED || rc == TD_E_CORRUPT) {
            note_bad_line(bad, line.number, verb->err.text);
            rc = TD_OK;
        }
    }
    import_line_reader_close(reader);
    import_source_close(source);
    if (bad->count > 0)
        report_line(verb->report, TD_LOG_WARNING,
                    "line %" PRIu64 " is malformed: %s (such lines: %" PRIu64 ")", bad->first,
                    bad->reason, bad->count);
    return rc == TD_EOF ? TD_OK : rc;
}

/* ---- the documents ---- */

static td_result write_text(void *user, td_file *file, td_err *err)
{
    const td_buf *text = user;
    return td_io_append(file, text->data, text->size, err);
}

static td_result check_absent(verb_run *verb, const char *end)
{
    char path[LIMIT_PATH_BYTES];
    return path_of(verb->state, end, path) == NULL
               ? td_err_set(&verb->err, TD_E_INVALID, "--out: the path is too long")
               : td_io_check_absent(io_posix(), path, &verb->err);
}

static td_result write_document(verb_run *verb, const char *end, td_buf *text)
{
    char path[LIMIT_PATH_BYTES];
    return td_io_write_file(io_posix(), path_of(verb->state, end, path), TD_OPEN_CREATE, write_text,
                            text, &verb->err);
}

/* Read the proposal, as --families does. */
static td_result read_proposal(verb_run *verb, const family **out)
{
    const learn_options *options = verb->state;
    char exchange[LIMIT_PATH_BYTES], of[LIMIT_PATH_BYTES];
    const family_files files = {
        .paths = {{path_of(options, ".exchange.yaml", exchange), path_of(options, ".yaml", of)},
                  2}};
    td_result rc = family_files_add(&files, &verb->err);
    *out = rc == TD_OK ? family_find(td_bytes_str(options->name)) : NULL;
    return rc == TD_OK ? rc : td_err_add(&verb->err, rc, "the proposal must be corrected");
}

/* ---- the result ---- */

static void try_frames(const learn *from, const family *of, proposed_topic *topics)
{
    decoder *d = decoder_open();
    size_t next = 0;
    for (td_bytes frame = learn_received(from, &next); frame.data != NULL;
         frame = learn_received(from, &next)) {
        classification what;
        message m;
        decode_error why;
        decoder_classify(d, of, frame, CHANNEL_IN, TOPIC_ANY_TIME, &what);
        if (what.topic.row == NULL)
            continue;
        proposed_topic *topic = &topics[what.topic.row - of->topics];
        topic->frames++;
        if (!decoder_decode(d, &what.topic, frame, DECODE_PATH_WHOLE, &m, &why))
            continue;
        topic->decoded++;
        topic->unknown_fields += m.head.unknown_fields;
    }
    decoder_close(d);
}

static void print_report(verb_run *verb, const learn_report *learned, uint64_t malformed,
                         const family *of, const proposed_topic *topics)
{
    static const table_column COLUMNS[] = {
        {"topic", TABLE_LEFT, "{topic}"},
        {"message", TABLE_LEFT, "{message}"},
        {"frames", TABLE_RIGHT, "{frames}"},
        {"decoded", TABLE_RIGHT, "{decoded}"},
        {"unknown", TABLE_RIGHT, "{unknown_fields}"},
    };
    const learn_options *options = verb->state;
    result_writer *r = &verb->result;
    char path[LIMIT_PATH_BYTES];
    result_object_begin(r, NULL);
    result_text(r, "exchange", path_of(options, ".exchange.yaml", path));
    result_text(r, "family", path_of(options, ".yaml", path));
    result_count(r, "malformed", malformed);
    result_count(r, "frames", learned->frames);
    result_count(r, "ignored", learned->ignored);
    result_count(r, "of_topics", learned->of_topics);
    result_table_begin(r, "topics", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < of->topic_count; i++) {
        result_object_begin(r, NULL);
        result_text(r, "topic", of->topics[i].pattern);
        result_text(r, "message", msg_type_name(of->topics[i].type));
        result_number(r, "frames", topics[i].frames);
        result_number(r, "decoded", topics[i].decoded);
        result_number(r, "unknown_fields", topics[i].unknown_fields);
        result_object_end(r, NULL);
    }
    result_list_end(r);
    result_object_end(r, "{topics}\n{of_topics} of {frames frame} are of these topics"
                         "[; {ignored} beyond the limit were not read]\n"
                         "Read and complete {exchange} and {family}.\n");
}

/* ---- the run ---- */

static td_result run(verb_run *verb)
{
    const learn_options *options = verb->state;
    learn_report report = {0};
    const family *of = NULL;
    td_buf exchange, text;
    td_buf_init(&exchange, 1 << 20);
    td_buf_init(&text, 1 << 20);
    learn *from = learn_open(options->name);
    bad_lines bad = {.count = 0};
    td_result rc = check_absent(verb, ".exchange.yaml");
    if (rc == TD_OK)
        rc = check_absent(verb, ".yaml");
    if (rc == TD_OK)
        rc = read_captures(verb, from, &bad);
    if (rc == TD_OK)
        rc = learn_write(from, &exchange, &text, &report, &verb->err);
    if (rc == TD_OK)
        rc = write_document(verb, ".exchange.yaml", &exchange);
    if (rc == TD_OK)
        rc = write_document(verb, ".yaml", &text);
    if (rc == TD_OK)
        rc = read_proposal(verb, &of);
    if (rc == TD_OK) {
        proposed_topic topics[LEARN_TOPICS_MAX] = {0};
        try_frames(from, of, topics);
        print_report(verb, &report, bad.count, of, topics);
    }
    learn_close(from);
    td_buf_fini(&exchange);
    td_buf_fini(&text);
    return rc;
}

exit_code cmd_family_learn(const verb_context *context, int argc, char **argv)
{
    learn_options options = {0};
    const verb_spec spec = {
        .name = "family learn",
        .summary = "Propose the documents of an exchange and a family for a capture that no "
                   "family\ndescribes: where topic, symbol, times and numbers probably are. The "
                   "proposal\nis to be completed (docs/families.md).",
        .operands = "FILE...",
        .operand_min = 1,
        .operand_max = 64,
        .statuses = {[EXIT_CODE_DONE] = "the documents were written",
                     [EXIT_CODE_FAILED] =
                         "a file cannot be read or written, or the capture has no topic"},
        .examples = "tapedeck family learn --name mine --format jsonl frames.jsonl\n"
                    "tapedeck family learn --name mine --out documents capture.jsonl.zst",
        .takes = VERB_HAS_NO_ARCHIVE | VERB_TAKES_JSON,
        .own = {{"Learning", LEARN_ROWS, sizeof LEARN_ROWS / sizeof LEARN_ROWS[0], &options}},
        .check = check,
        .work = run};
    return verb_run_all(&spec, &options, context, argc, argv);
}
