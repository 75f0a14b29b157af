#include "archive/cmd_import.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/import.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/time_text.h"
#include "cli/option_groups.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/units.h"
#include "cli/version.h"

enum {
    LINES_SAID_MAX = 20,   /* malformed lines told to people, per file; the rest is counted */
    LINES_KEPT_MAX = 1000, /* and listed with --json */
    REASON_BYTES = 160,
};

typedef struct import_flags {
    int format;
    const char *family;
    const char *feed;
    uint8_t is_again;
} import_flags;

static const char *const FORMATS[] = {"cryptofeed", "jsonl", NULL};

static const option_row IMPORT_ROWS[] = {
    {.long_name = "format",
     .type = OPTION_ENUM,
     .offset = offsetof(import_flags, format),
     .metavar = "FORMAT",
     .help = "cryptofeed (both generations; the default) or jsonl",
     .choices = FORMATS},
    {.long_name = "family",
     .type = OPTION_TEXT,
     .offset = offsetof(import_flags, family),
     .metavar = "FAMILY",
     .choices = FAMILY_NAMES,
     .help = "what the frames are; by default what the capture's URLs say"},
    {.long_name = "feed",
     .type = OPTION_TEXT,
     .offset = offsetof(import_flags, feed),
     .metavar = "NAME",
     .help = "name of the feed in the archive; by default the family's"},
    {.long_name = "again",
     .type = OPTION_FLAG,
     .offset = offsetof(import_flags, is_again),
     .help = "import also what the feed got before; by default a capture with the same\n"
             "content is refused"},
};

/* A line that could not be read. */
typedef struct problem {
    uint64_t line;
    char reason[REASON_BYTES];
} problem;

/* One file's import, for the report. */
typedef struct import_outcome {
    const char *path;
    import_report report;
    problem *problems;
    size_t problem_count;
} import_outcome;

typedef struct import_command {
    reporter *report;
    archive_choice archive;
    import_flags flags;
    json_options json;
    talk_options talk;
    import_outcome *outcomes;
    import_outcome *current;
} import_command;

/* Keep a malformed line for --json, and say it. */
static void take_problem(void *user, uint64_t line, const char *reason)
{
    import_command *command = user;
    import_outcome *outcome = command->current;
    if (outcome->report.malformed <= LINES_SAID_MAX)
        report_say(command->report, TD_LOG_WARNING, "%s:%" PRIu64 ": %s", outcome->path, line,
                   reason);
    if (outcome->problem_count == LINES_KEPT_MAX)
        return;
    problem *grown = td_array_room(outcome->problems, outcome->problem_count, sizeof *grown);
    if (grown == NULL)
        return; /* counted all the same */
    outcome->problems = grown;
    problem *kept = &grown[outcome->problem_count++];
    kept->line = line;
    (void)snprintf(kept->reason, sizeof kept->reason, "%s", reason); /* cut is fine */
}

static td_result choose_family(const char *name, const family **out, td_err *err)
{
    *out = NULL;
    if (name == NULL)
        return TD_OK;
    *out = family_find(td_bytes_str(name));
    return *out != NULL ? TD_OK : family_refuse(td_bytes_str(name), err);
}

/* Folder for the scratch file. /tmp is small or in memory on many machines. */
static const char *scratch_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder != NULL && folder[0] != '\0' ? folder : "/var/tmp";
}

/* What people should know beyond the counts. */
static void say_outcome(const import_command *command, const import_outcome *outcome)
{
    const import_report *report = &outcome->report;
    if (report->malformed > LINES_SAID_MAX)
        report_say(command->report, TD_LOG_WARNING, "%s: %s", outcome->path,
                   format_counted(report->malformed - LINES_SAID_MAX, "more malformed line").text);
    if (report->strange_slots > 0)
        report_say(command->report, TD_LOG_WARNING,
                   "%s: another family's URL on %s; --family overrides it", outcome->path,
                   format_counted(report->strange_slots, "connection").text);
    if (!report->is_written)
        report_say(command->report, TD_LOG_WARNING, "%s: no frames: nothing was imported",
                   outcome->path);
}

static td_result import_file(import_command *command, import_outcome *outcome,
                             const char *archive_path, const family *asked, td_err *err)
{
    td_log log = report_log(command->report);
    int is_pipe = strcmp(outcome->path, "-") == 0;
    import_options options = {
        .io = io_posix(),
        .clock = clock_real(),
        .log = &log,
        .archive_path = archive_path,
        .scratch = scratch_folder(),
        .version = TAPEDECK_VERSION,
        .format = command->flags.format == 0 ? IMPORT_CRYPTOFEED : IMPORT_JSONL,
        .path = is_pipe ? NULL : outcome->path,
        .descriptor = STDIN_FILENO,
        .family = asked,
        .feed = command->flags.feed,
        .repeat = command->flags.is_again ? IMPORT_AGAIN : IMPORT_REFUSE,
        .problem = take_problem,
        .user = command,
    };
    command->current = outcome;
    td_result rc = import_run(&options, &outcome->report, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "%s", outcome->path);
    say_outcome(command, outcome);
    return TD_OK;
}

/* ---- the report ---- */

static void write_feed(json_writer *json, const import_feed_report *feed)
{
    const import_feed_counts *counts = &feed->counts;
    json_write_object_begin(json);
    json_write_member_text(json, "feed", feed->name);
    json_write_member_text(json, "family", feed->family->name);
    json_write_member_u64(json, "connections", counts->connections);
    json_write_member_u64(json, "frames", counts->in);
    json_write_member_u64(json, "out", counts->out);
    json_write_member_u64(json, "http", counts->http);
    json_write_member_u64(json, "control", counts->control);
    json_write_member_u64(json, "unknown", counts->unknown);
    json_write_member_u64(json, "bytes", counts->bytes);
    json_write_member_u64(json, "redacted", counts->redacted);
    json_write_member_u64(json, "gaps", counts->gaps);
    json_write_member_u64(json, "first_ns", counts->first_ns);
    json_write_member_u64(json, "last_ns", counts->last_ns);
    json_write_object_end(json);
}

static void write_problems(json_writer *json, const import_outcome *outcome)
{
    json_write_key(json, "malformed_lines");
    json_write_array_begin(json);
    for (size_t i = 0; i < outcome->problem_count; i++) {
        json_write_object_begin(json);
        json_write_member_u64(json, "line", outcome->problems[i].line);
        json_write_member_text(json, "reason", outcome->problems[i].reason);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void write_outcome(json_writer *json, const import_outcome *outcome)
{
    const import_report *report = &outcome->report;
    json_write_object_begin(json);
    json_write_member_text(json, "file", outcome->path);
    json_write_member_text(json, "session", report->is_written ? report->session : NULL);
    json_write_member_u64(json, "lines", report->lines);
    json_write_member_u64(json, "malformed", report->malformed);
    json_write_member_u64(json, "other", report->other);
    json_write_member_u64(json, "adjusted", report->adjusted);
    json_write_member_u64(json, "adjusted_ns_max", report->adjusted_ns_max);
    json_write_member_u64(json, "untimed", report->untimed);
    json_write_member_text(json, "compression", report->compression);
    json_write_member_bool(json, "sorted", report->is_sorted);
    json_write_key(json, "feeds");
    json_write_array_begin(json);
    for (uint32_t i = 0; i < report->feed_count; i++)
        write_feed(json, &report->feeds[i]);
    json_write_array_end(json);
    write_problems(json, outcome);
    json_write_object_end(json);
}

/* Sums over all files. */
static import_feed_counts sum_counts(const import_outcome *outcomes, size_t count)
{
    import_feed_counts sum = {.in = 0};
    for (size_t i = 0; i < count; i++) {
        for (uint32_t n = 0; n < outcomes[i].report.feed_count; n++) {
            const import_feed_counts *counts = &outcomes[i].report.feeds[n].counts;
            sum.in += counts->in;
            sum.out += counts->out;
            sum.http += counts->http;
            sum.bytes += counts->bytes;
        }
    }
    return sum;
}

static uint64_t sum_malformed(const import_outcome *outcomes, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += outcomes[i].report.malformed;
    return sum;
}

static void print_json(output_stream *output, const import_outcome *outcomes, size_t count)
{
    import_feed_counts sum = sum_counts(outcomes, count);
    json_writer *json = output_json_begin(output);
    json_write_object_begin(json);
    json_write_member_u64(json, "frames", sum.in);
    json_write_member_u64(json, "out", sum.out);
    json_write_member_u64(json, "http", sum.http);
    json_write_member_u64(json, "bytes", sum.bytes);
    json_write_member_u64(json, "malformed", sum_malformed(outcomes, count));
    json_write_key(json, "files");
    json_write_array_begin(json);
    for (size_t i = 0; i < count; i++)
        write_outcome(json, &outcomes[i]);
    json_write_array_end(json);
    json_write_object_end(json);
    output_json_end(output);
}

static void print_feed(output_stream *output, const import_feed_report *feed)
{
    const import_feed_counts *counts = &feed->counts;
    char took[TD_TIME_TEXT_BYTES];
    td_duration_format(counts->last_ns - counts->first_ns, took);
    output_printf(output, "  feed %s: %s in, %s out", feed->name,
                  format_counted(counts->in, "frame").text, format_count(counts->out).text);
    if (counts->http > 0)
        output_printf(output, ", %s", format_counted(counts->http, "HTTP answer").text);
    if (counts->unknown > 0)
        output_printf(output, ", %s of unknown topics", format_count(counts->unknown).text);
    if (counts->redacted > 0)
        output_printf(output, ", %s overwritten", format_counted(counts->redacted, "secret").text);
    output_printf(output, ", %s over %s, %s\n", format_size(counts->bytes).text, took,
                  format_counted(counts->connections, "connection").text);
}

static void print_people(output_stream *output, const import_outcome *outcomes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const import_report *report = &outcomes[i].report;
        output_printf(output, "%s: %s, %s malformed", outcomes[i].path,
                      format_counted(report->lines, "line").text,
                      format_count(report->malformed).text);
        if (report->is_written)
            output_printf(output, ", session %s", report->session);
        output_printf(output, "\n");
        for (uint32_t n = 0; n < report->feed_count; n++)
            print_feed(output, &report->feeds[n]);
        if (report->adjusted > 0)
            output_printf(output, "  %s raised to keep their order, by at most %s ns\n",
                          format_counted(report->adjusted, "time").text,
                          format_count(report->adjusted_ns_max).text);
    }
}

/* Print the outcomes; the status of it all. */
static exit_code finish(import_command *command, size_t count)
{
    output_stream output;
    td_err err;
    output_init(&output, stdout);
    if (command->json.is_json)
        print_json(&output, command->outcomes, count);
    else
        print_people(&output, command->outcomes, count);
    if (output_finish(&output, &err) != TD_OK)
        return report_error(command->report, &err);
    return sum_malformed(command->outcomes, count) > 0 ? EXIT_CODE_DIFFERS : EXIT_CODE_DONE;
}

/* Import the files one after the other; the first that cannot be ends it. */
static exit_code import_files(import_command *command, const options_operands *files)
{
    td_err err;
    const char *archive_path = NULL;
    const family *family_asked = NULL;
    td_err_clear(&err);
    if (archive_choice_require(&command->archive, &archive_path, &err) != TD_OK ||
        choose_family(command->flags.family, &family_asked, &err) != TD_OK)
        return report_error(command->report, &err);
    command->outcomes = td_alloc_zero(files->count, sizeof *command->outcomes);
    if (command->outcomes == NULL) {
        td_err_set(&err, TD_E_NOMEM, "no memory to import");
        return report_error(command->report, &err);
    }
    exit_code status = EXIT_CODE_DONE;
    size_t done = 0;
    for (; done < files->count && status == EXIT_CODE_DONE; done++) {
        command->outcomes[done].path = files->items[done];
        if (import_file(command, &command->outcomes[done], archive_path, family_asked, &err) !=
            TD_OK)
            status = report_error(command->report, &err);
    }
    if (status == EXIT_CODE_DONE)
        status = finish(command, done);
    for (size_t i = 0; i < done; i++)
        td_free(command->outcomes[i].problems);
    td_free(command->outcomes);
    return status;
}

exit_code cmd_import(const verb_context *context, int argc, char **argv)
{
    import_command command = {.report = context->report};
    const option_group groups[] = {
        option_group_archive(&command.archive),
        {"Import", IMPORT_ROWS, sizeof IMPORT_ROWS / sizeof IMPORT_ROWS[0], &command.flags},
        option_group_json(&command.json),
        option_group_talk(&command.talk),
    };
    const options_spec spec = {
        .program = context->program,
        .verb = "import",
        .summary = "Take captures of other tools into an archive, each as one session.",
        .operands = "FILE...",
        .operand_min = 1,
        .operand_max = OPTIONS_LIST_MAX,
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .examples = "tapedeck import -a archive BYBIT.ws.26.0.gz\n"
                    "zcat frames.jsonl.gz | tapedeck import -a archive --format jsonl --family "
                    "inverse -",
        .now_ns = clock_wall_ns(clock_real()),
    };
    options_operands files;
    exit_code status;
    if (!verb_begin(context, &spec, argc, argv, &files, &status))
        return status;
    report_apply(context->report, &command.talk);
    return import_files(&command, &files);
}
