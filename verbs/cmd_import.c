#include "verbs/cmds.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "recorder/import/import.h"
#include "recorder/import/import_source.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/cli/option_groups.h"
#include "base/cli/report.h"
#include "base/cli/result.h"
#include "base/version.h"
#include "verbs/family_files.h"

enum { LINES_PRINTED_MAX = 20 }; /* malformed lines that are printed, per file */

/* A capture: consecutive files of the command line. */
typedef struct capture_parts {
    size_t first, count;
    import_report report;
} capture_parts;

typedef struct import_flags {
    int format;
    const char *family;
    const char *feed;
    uint8_t is_again;
} import_flags;

static const char *const FORMATS[] = {"cryptofeed", "jsonl", NULL} /* indexed by import_format */;

static const option_row IMPORT_ROWS[] = {
    {.long_name = "format",
     OPTION_INTO(import_flags, format),
     .metavar = "FORMAT",
     .help = "cryptofeed (both generations; the default) or jsonl",
     .choices = FORMATS},
    {.long_name = "family",
     OPTION_INTO(import_flags, family),
     .metavar = "FAMILY",
     .choices = FAMILY_NAMES,
     .help = "family of the frames (default: the families of the capture's URLs)"},
    {.long_name = "feed",
     OPTION_INTO(import_flags, feed),
     .metavar = "NAME",
     .help = "name of the feed in the archive (default: name of the family)"},
    {.long_name = "again",
     OPTION_INTO(import_flags, is_again),
     .help = "import a capture that the feed already has (default: refuse it)"},
};

typedef struct import_command {
    reporter *report;
    archive_choice archive;
    import_flags flags;
    family_files families;
    json_options json;
    verbosity_options verbosity;
    capture_parts *captures;
    size_t capture_count;
    uint64_t malformed;
} import_command;

static td_result choose_family(const char *name, const family **out, td_err *err)
{
    *out = NULL;
    if (name == NULL)
        return TD_OK;
    *out = family_find(td_bytes_str(name));
    return *out != NULL ? TD_OK : family_refuse(td_bytes_str(name), err);
}

static void print_warnings(const import_command *command, const char *path,
                           const import_report *report)
{
    for (size_t i = 0; i < report->problem_count && i < LINES_PRINTED_MAX; i++)
        report_line(command->report, TD_LOG_WARNING, "%s:%" PRIu64 ": %s", path,
                    report->problems[i].line, report->problems[i].reason);
}

/* ---- the result ---- */

static void describe_feed(result_writer *r, const import_feed_report *feed)
{
    const import_feed_counts *counts = &feed->counts;
    result_object_begin(r, NULL);
    result_text(r, "feed", feed->name);
    result_text(r, "family", feed->family->name);
    result_count(r, "connections", counts->connections);
    result_count(r, "frames", counts->frames.in + counts->frames.out + counts->frames.http);
    result_count(r, "in", counts->frames.in);
    result_count(r, "out", counts->frames.out);
    result_count(r, "http", counts->frames.http);
    result_count(r, "control", counts->frames.control);
    result_count(r, "unknown", counts->frames.unknown);
    result_size(r, "bytes", counts->frames.bytes);
    result_count(r, "redacted", counts->frames.redacted);
    result_count(r, "gaps", counts->gaps);
    result_time(r, "first_ns", counts->first_ns);
    result_time(r, "last_ns", counts->last_ns);
    result_duration(r, "lasts", counts->last_ns - counts->first_ns);
    result_object_end(
        r, "  feed {feed}: {frames frame}, {in} received, {out} sent[, {http HTTP answer}]"
           "[, {unknown} of unknown topics][, {redacted secret} overwritten], "
           "{bytes} over {lasts}, {connections connection}[, {gaps gap}]\n");
}

static void describe_capture(result_writer *r, const char *path, const capture_parts *capture)
{
    const import_report *report = &capture->report;
    result_object_begin(r, NULL);
    result_text(r, "file", path);
    result_count(r, "more_files", capture->count - 1);
    result_text(r, "session", report->is_written ? report->session : NULL);
    result_count(r, "lines", report->lines);
    result_count(r, "malformed", report->malformed);
    result_count(r, "adjusted", report->adjusted);
    result_count(r, "adjusted_ns_max", report->adjusted_ns_max);
    result_count(r, "untimed", report->untimed);
    result_text(r, "compression", report->compression);
    result_list_begin(r, "feeds");
    for (uint32_t i = 0; i < report->feed_count; i++)
        describe_feed(r, &report->feeds[i]);
    result_list_end(r);
    result_list_begin(r, "malformed_lines"); /* text: the first ones were printed as warnings */
    for (size_t i = 0; i < report->problem_count; i++) {
        result_object_begin(r, NULL);
        result_number(r, "line", report->problems[i].line);
        result_text(r, "reason", report->problems[i].reason);
        result_object_end(r, NULL);
    }
    result_list_end(r);
    result_object_end(r,
                      "{file}[ and {more_files file} after it]: {lines line}, {malformed} "
                      "malformed[, session {session}]\n"
                      "{feeds}"
                      "[  {adjusted receive time} adjusted (at most {adjusted_ns_max} ns) so that "
                      "times strictly increase\n]");
}

static td_result print_result(const import_command *command, const options_operands *files,
                              td_err *err)
{
    output_stream output;
    result_writer r;
    output_init(&output, stdout);
    result_begin(&r, &output, &command->json);
    result_object_begin(&r, NULL);
    result_list_begin(&r, "files");
    for (size_t i = 0; i < command->capture_count; i++)
        describe_capture(&r, files->items[command->captures[i].first], &command->captures[i]);
    result_list_end(&r);
    result_object_end(&r, "{files}");
    result_end(&r);
    return output_finish(&output, err);
}

/* ---- importing ---- */

static td_result import_capture(import_command *command, const options_operands *files,
                                const char *archive_path, const family *chosen,
                                capture_parts *capture, td_err *err)
{
    const char *path = files->items[capture->first];
    import_report *report = &capture->report;
    td_log log = report_log(command->report);
    const import_options options = {
        .io = io_posix(),
        .clock = clock_real(),
        .log = &log,
        .archive_path = archive_path,
        .version = TAPEDECK_VERSION,
        .format = (import_format)command->flags.format,
        .path = path,
        .more_paths = &files->items[capture->first] + 1,
        .more_count = capture->count - 1,
        .family = chosen,
        .feed = command->flags.feed,
        .is_again = command->flags.is_again,
    };
    if (strcmp(path, "-") == 0) {
        td_err_set(err, TD_E_INVALID, "standard input cannot be imported: captures are read twice");
        td_err_hint(err, "write it to a file, and import that");
        return TD_E_INVALID;
    }
    td_result rc = import_run(&options, report, err);
    print_warnings(command, path, report);
    if (rc != TD_OK)
        return td_err_add(err, rc, "%s", path);
    if (!report->is_written)
        report_line(command->report, TD_LOG_WARNING, "%s: no frames: nothing was imported", path);
    command->malformed += report->malformed;
    return TD_OK;
}

/* ---- files of one capture ---- */

/* Fields of a line that `cat` or an export wrote. */
typedef struct archive_line {
    char session[SESSION_ID_BYTES]; /* "": another kind of line */
    uint64_t recv_ns;
} archive_line;

/* The first and the last line of a file. */
typedef struct file_ends {
    archive_line first, last;
    const char *compression;
} file_ends;

/* The text after a key, or empty. A key is never found within a JSON string, because quotes in
 * strings are escaped. */
static td_bytes after_key(td_bytes line, const char *key)
{
    const uint8_t *at = line.size == 0 ? NULL : memmem(line.data, line.size, key, strlen(key));
    if (at == NULL)
        return td_bytes_of(NULL, 0);
    at += strlen(key);
    return td_bytes_of(at, (size_t)(line.data + line.size - at));
}

static void read_archive_line(td_bytes line, archive_line *out)
{
    const td_bytes session = after_key(line, "\"session\":\"");
    const td_bytes time = after_key(line, "\"recv_ns\":");
    *out = (archive_line){.recv_ns = 0};
    if (session.size < SESSION_ID_BYTES)
        return;
    (void)snprintf(out->session, SESSION_ID_BYTES, "%s", (const char *)session.data);
    for (size_t i = 0; i < time.size && i < 19 && time.data[i] >= '0' && time.data[i] <= '9'; i++)
        out->recv_ns = out->recv_ns * 10 + (uint64_t)(time.data[i] - '0');
}

/* Read a file's first and last line. *out is empty if the file cannot be read to its end. */
static void read_ends(const char *path, file_ends *out)
{
    import_source *source = NULL;
    import_text_line line;
    td_result rc = import_source_open(io_posix(), path, &source, NULL);
    *out = (file_ends){.compression = ""};
    if (rc != TD_OK)
        return;
    while ((rc = import_source_next(source, &line, NULL)) == TD_OK) {
        read_archive_line(line.text, &out->last);
        if (line.number == 1)
            out->first = out->last;
        if (out->first.session[0] == '\0')
            break;
    }
    out->compression = import_source_compression(source);
    if (rc != TD_EOF)
        out->last = (archive_line){.recv_ns = 0};
    import_source_close(source);
}

/* Group files into captures. An archive's lines may be in several files, such as one per day: a
 * file continues the previous one if both have the same compression, and if the file's first line
 * has the same session as the previous file's last line and is not earlier. Each other file is a
 * separate capture. */
static void find_captures(import_command *command, const options_operands *files)
{
    const int has_sessions = command->flags.format == IMPORT_JSONL && files->count > 1;
    file_ends before = {.compression = ""};
    command->captures = td_alloc_zero(files->count, sizeof *command->captures);
    for (size_t i = 0; i < files->count; i++) {
        file_ends ends = {.compression = ""};
        if (has_sessions)
            read_ends(files->items[i], &ends);
        int is_continuation = i > 0 && ends.first.session[0] != '\0' &&
                              strcmp(ends.first.session, before.last.session) == 0 &&
                              ends.first.recv_ns >= before.last.recv_ns &&
                              strcmp(ends.compression, before.compression) == 0;
        if (!is_continuation)
            command->captures[command->capture_count++].first = i;
        command->captures[command->capture_count - 1].count++;
        before = ends;
    }
}

/* Import the captures one after the other, until one fails. */
static exit_code import_files(import_command *command, const options_operands *files)
{
    td_err err;
    const char *archive_path = NULL;
    const family *chosen = NULL;
    td_err_clear(&err);
    find_captures(command, files);
    td_result rc = archive_choice_require(&command->archive, &archive_path, &err);
    if (rc != TD_OK)
        td_err_hint(&err,
                    "arguments are captures: give --archive DIR too, or set TAPEDECK_ARCHIVE");
    if (rc == TD_OK)
        rc = family_files_add(&command->families, &err);
    if (rc == TD_OK)
        rc = choose_family(command->flags.family, &chosen, &err);
    for (size_t i = 0; rc == TD_OK && i < command->capture_count; i++)
        rc = import_capture(command, files, archive_path, chosen, &command->captures[i], &err);
    if (rc == TD_OK)
        rc = print_result(command, files, &err);
    for (size_t i = 0; i < command->capture_count; i++)
        import_report_fini(&command->captures[i].report);
    td_free(command->captures);
    if (rc != TD_OK)
        return report_error(command->report, &err);
    return command->malformed > 0 ? EXIT_CODE_DIFFERS : EXIT_CODE_DONE;
}

exit_code cmd_import(const verb_context *context, int argc, char **argv)
{
    import_command command = {.report = context->report};
    const option_group groups[] = {
        option_group_archive(&command.archive),
        {"Import", IMPORT_ROWS, sizeof IMPORT_ROWS / sizeof IMPORT_ROWS[0], &command.flags},
        family_files_options(&command.families),
        option_group_json(&command.json),
        option_group_verbosity(&command.verbosity),
    };
    const options_spec spec = {
        .verb = "import",
        .summary =
            "Import captures of other tools into an archive, each as one session. "
            "Consecutive\nfiles of one archive's frames (from 'tapedeck cat') are one capture.",
        .operands = "FILE...",
        .operand_min = 1,
        .operand_max = SIZE_MAX,
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = {[EXIT_CODE_DONE] = "done",
                     [EXIT_CODE_DIFFERS] = "done, except for malformed lines",
                     [EXIT_CODE_USAGE] =
                         "wrong command line, unknown family, or content imported before",
                     [EXIT_CODE_FAILED] =
                         "a file cannot be read, the archive is in use, or the disk is full"},
        .examples = "tapedeck import -a archive BYBIT.ws.26.0.gz\n"
                    "tapedeck import -a archive --format jsonl --family v5-linear capture.jsonl",
        .now_ns = clock_wall_ns(clock_real()),
    };
    options_operands files;
    exit_code status;
    if (!verb_begin(context, &spec, argc, argv, &files, &status))
        return status;
    report_apply(context->report, &command.verbosity);
    return import_files(&command, &files);
}
