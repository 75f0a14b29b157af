#include "verbs/cmds.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/io_posix.h"
#include "base/cli/option_groups.h"
#include "base/cli/output.h"
#include "base/cli/result.h"
#include "base/cli/stop_signal.h"
#include "base/cli/units.h"
#include "recorder/tap/tap.h"
#include "schema/family.h"
#include "verbs/family_files.h"

typedef struct tap_flags {
    const char *upstream;
    const char *upstream_http;
    const char *ca_file;
    options_list families;
    options_list raw_topics;
} tap_flags;

static const option_row TAP_ROWS[] = {
    {.long_name = "upstream",
     OPTION_INTO(tap_flags, upstream),
     .metavar = "URL",
     .help = "server of the exchange, such as wss://stream.bybit.com; paths and queries are\n"
             "the clients' own"},
    {.long_name = "upstream-http",
     OPTION_INTO(tap_flags, upstream_http),
     .metavar = "URL",
     .help = "server for HTTP requests, such as https://api.bybit.com (default: the\nhost of "
             "--upstream, with api. for stream.)"},
    {.long_name = "ca-file",
     OPTION_INTO(tap_flags, ca_file),
     .metavar = "PEM",
     .help = "trust this CA for the upstream server instead of the system's"},
    {.long_name = "family",
     OPTION_INTO(tap_flags, families),
     .metavar = "FAMILY",
     .choices = FAMILY_NAMES,
     .help = "family that clients use, if the host of --upstream does not tell the exchange, or\n"
             "several families have a path (may be repeated)"},
    {.long_name = "raw-topic",
     OPTION_INTO(tap_flags, raw_topics),
     .metavar = "POINTER",
     .help = "where frames of paths that no family has name their topic, such as /stream or\n"
             "/arg/channel; may be repeated for more parts"},
};

/* State of one run of the verb. */
typedef struct tap_command {
    reporter *report;
    archive_choice choice;
    tap_flags flags;
    listen_options listen;
    family_files families;
    json_options json;
    verbosity_options verbosity;
    td_log log;
    output_stream output;
} tap_command;

static void on_stop(void *user)
{
    tap_stop(user);
}

static td_result open_tap(tap_command *command, tap **out, td_err *err)
{
    const listen_options *listen = &command->listen;
    tap_options options = {.upstream = command->flags.upstream,
                           .upstream_http = command->flags.upstream_http,
                           .ca_file = command->flags.ca_file,
                           .families = command->flags.families.items,
                           .family_count = command->flags.families.count,
                           .raw_topics = command->flags.raw_topics.items,
                           .raw_count = command->flags.raw_topics.count,
                           .server = {.listen = listen->address,
                                      .tls_cert = listen->tls_cert,
                                      .tls_key = listen->tls_key,
                                      .is_plain = listen->is_plain},
                           .clock = clock_real(),
                           .log = &command->log};
    td_result rc = archive_choice_require(&command->choice, &options.archive, err);
    if (rc == TD_OK && options.upstream == NULL) {
        rc = td_err_set(err, TD_E_INVALID, "no server is given");
        td_err_hint(err, "--upstream wss://stream.bybit.com");
    }
    if (rc == TD_OK)
        rc = family_files_add(&command->families, err);
    if (rc == TD_OK)
        rc = wire_remove_ready(io_posix(), listen->ready_file, err);
    return rc == TD_OK ? tap_open(&options, out, err) : rc;
}

static void log_counts(const tap_command *command, const tap *relaying)
{
    const tap_counts counts = tap_get_counts(relaying);
    report_line(
        command->report, TD_LOG_INFO, "%s relayed, %s refused; recorded %s into %s: %s on disk",
        format_counted(counts.relayed, "connection").text, format_count(counts.refused).text,
        format_counted(counts.recorded.frames, "frame").text, command->choice.path,
        format_size(counts.recorded.bytes).text);
    if (counts.requests > 0)
        report_line(command->report, TD_LOG_INFO, "%s over HTTP",
                    format_counted(counts.requests, "request").text);
    if (counts.raw > 0)
        report_line(command->report, TD_LOG_WARNING,
                    "%s at paths that no family has: recorded, and not decoded",
                    format_counted(counts.raw, "connection").text);
    if (counts.recorded.dropped > 0)
        report_line(command->report, TD_LOG_WARNING, "%s relayed and not recorded by overload",
                    format_counted(counts.recorded.dropped, "frame").text);
}

/* JSON: the counts that log_counts logs. */
static void describe_counts(tap_command *command, const tap *relaying)
{
    const tap_counts counts = tap_get_counts(relaying);
    result_writer r;
    if (!command->json.is_json)
        return;
    result_begin(&r, &command->output, &command->json);
    result_object_begin(&r, NULL);
    result_count(&r, "connections", counts.relayed);
    result_count(&r, "refused", counts.refused);
    result_count(&r, "raw_connections", counts.raw);
    result_count(&r, "requests", counts.requests);
    result_count(&r, "frames", counts.recorded.frames);
    result_count(&r, "dropped", counts.recorded.dropped);
    result_size(&r, "file_bytes", counts.recorded.bytes);
    result_object_end(&r, NULL);
    result_end(&r);
}

static td_result run(tap_command *command, td_err *err)
{
    tap *relaying = NULL;
    stop_signal *signals = NULL;
    const char *ready_file = command->listen.ready_file;
    stop_signal_block(0);
    td_result rc = report_detach(command->report, err);
    if (rc == TD_OK)
        rc = open_tap(command, &relaying, err);
    if (rc != TD_OK)
        return rc;
    rc = stop_signal_open(&(stop_signal_calls){.stop = on_stop, .user = relaying}, &signals, err);
    report_line(command->report, TD_LOG_INFO, "relaying %s to %s",
                wire_server_url(tap_server(relaying)), command->flags.upstream);
    listen_options_log_trust(&command->listen, &command->log);
    if (rc == TD_OK)
        rc = wire_server_write_ready(tap_server(relaying), io_posix(), ready_file, err);
    if (rc != TD_OK)
        tap_stop(relaying);
    td_err later;
    td_result ran = tap_run(relaying, rc == TD_OK ? err : &later);
    rc = rc == TD_OK ? ran : rc;
    td_result removed = wire_remove_ready(io_posix(), ready_file, rc == TD_OK ? err : &later);
    rc = rc == TD_OK ? removed : rc;
    log_counts(command, relaying);
    describe_counts(command, relaying);
    stop_signal_close(signals);
    tap_close(relaying);
    return rc;
}

exit_code cmd_tap(const verb_context *context, int argc, char **argv)
{
    tap_command command = {.report = context->report, .listen = {.address = "127.0.0.1:0"}};
    const option_group groups[] = {
        option_group_archive(&command.choice),
        {"The exchange", TAP_ROWS, sizeof TAP_ROWS / sizeof *TAP_ROWS, &command.flags},
        option_group_listen(&command.listen),
        family_files_options(&command.families),
        option_group_json(&command.json),
        option_group_verbosity(&command.verbosity),
    };
    const options_spec spec = {
        .verb = "tap",
        .summary = "Relay a client's WebSocket connections and HTTP requests to the exchange, and "
                   "record\nwhat both sides send. In the client, set this program's URL instead of "
                   "the exchange's.",
        .groups = groups,
        .group_count = sizeof groups / sizeof *groups,
        .statuses = {[EXIT_CODE_DONE] = "ended by a signal; recording was not interrupted",
                     [EXIT_CODE_USAGE] = "the command line is wrong",
                     [EXIT_CODE_FAILED] =
                         ("the archive cannot be written or is in use, the address "
                          "is in use, or recording was interrupted")},
        .examples =
            "tapedeck tap -a tape --upstream wss://stream.bybit.com --ready-file ready.json",
        .now_ns = clock_wall_ns(clock_real()),
    };
    options_operands operands;
    exit_code status;
    td_err err;
    if (!verb_begin(context, &spec, argc, argv, &operands, &status))
        return status;
    report_begin_log(context->report, &command.verbosity);
    command.log = report_log(context->report);
    output_init(&command.output, stdout);
    td_result rc = run(&command, &err);
    return report_end(context->report, &command.output, rc, &err, EXIT_CODE_DONE);
}
