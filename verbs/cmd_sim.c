#include "verbs/cmds.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "base/cli/option_groups.h"
#include "base/cli/report.h"
#include "base/cli/result.h"
#include "base/cli/stop_signal.h"
#include "schema/family.h"
#include "sim/exchange.h"
#include "sim/instrument.h"
#include "sim/catalog.h"
#include "verbs/family_files.h"

enum { FAULTS_MAX = 64, POLL_MS = 200, SETTLE_MS = 100 };

/* ---- --list: a row for each path, topic and symbol of a family ---- */

/* The suffix of a topic, by stream_scope. */
static const char *const TAILS[] = {
    [SCOPE_SYMBOL] = ".SYMBOL",           [SCOPE_COIN] = ".COIN",
    [SCOPE_SETTLE] = ".SETTLECOIN",       [SCOPE_COIN_EXPIRY] = ".COIN_USD.DATE",
    [SCOPE_SYMBOL_MINUTE] = ".SYMBOL.1m", [SCOPE_ALL] = "",
};

static void put_row(result_writer *r, const family *of, const char *kind, const char *name)
{
    result_object_begin(r, NULL);
    result_text(r, "family", of->name);
    result_text(r, "kind", kind);
    result_text(r, "name", name);
    result_object_end(r, NULL);
}

static void list_topics(result_writer *r, const family *of, const catalog_row *row)
{
    for (size_t i = 0; i < row->stream_count; i++) {
        const stream_row *stream = &row->streams[i];
        char topic[LIMIT_TOPIC_BYTES];
        (void)snprintf(topic, sizeof topic, "%s%s", stream->topic, TAILS[stream->scope]);
        put_row(r, of, stream->is_private ? "private" : "topic", topic);
    }
}

static void list_family(result_writer *r, const family *of, uint32_t symbols)
{
    const catalog_row *row = catalog_find(of->name);
    const char *last = "";
    if (row == NULL)
        return; /* the simulator has nothing to send for it */
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && of->endpoints[i].url != NULL; i++) {
        const char *path = family_url_path(of->endpoints[i].url);
        if (of->endpoints[i].net != NET_MAIN || strcmp(path, last) == 0)
            continue; /* other nets and hosts have the same paths */
        put_row(r, of, "path", path);
        last = path;
    }
    list_topics(r, of, row);
    for (uint32_t i = 0; i < catalog_symbol_count(row, symbols); i++)
        put_row(r, of, "symbol", catalog_instrument(row, i).symbol);
}

static td_result print_families(const json_options *form, const exchange_options *wanted,
                                td_err *err)
{
    static const table_column COLUMNS[] = {{"family", TABLE_LEFT, "{family}"},
                                           {"kind", TABLE_LEFT, "{kind}"},
                                           {"name", TABLE_LEFT, "{name}"}};
    result_writer r;
    output_stream output;
    output_init(&output, stdout);
    result_begin(&r, &output, form);
    result_object_begin(&r, NULL);
    result_table_begin(&r, "rows", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (uint32_t i = 0; i < wanted->family_count; i++)
        list_family(&r, wanted->families[i], wanted->symbol_count);
    result_list_end(&r);
    result_object_end(&r, "{rows}");
    result_end(&r);
    return output_finish(&output, err);
}

/* ---- the options ---- */

typedef struct sim_flags {
    const char *families;
    uint8_t list;
    uint64_t symbols;
    const char *truth;
    options_time epoch;
    options_list faults;
    exchange_options exchange; /* options passed on unchanged */
} sim_flags;

static const option_row SIM_ROWS[] = {
    {.long_name = "families",
     OPTION_INTO(sim_flags, families),
     .metavar = "LIST",
     .choices = FAMILY_NAMES,
     .help = "families to serve, separated by commas, or all (default: v5-linear);\n"
             "NAME.yaml or DIR/ serves the families of documents (docs/families.md)"},
    {.long_name = "list",
     OPTION_INTO(sim_flags, list),
     .help = "list the families (default: all) with paths, topics and symbols, and exit"},
    {.long_name = "symbols",
     OPTION_INTO(sim_flags, symbols),
     .metavar = "N",
     .help = "symbols per family (default: 5)",
     .min = 1,
     .max = INSTRUMENTS_MAX},
    {.long_name = "instruments-file",
     OPTION_INTO(sim_flags, exchange.instruments_file),
     .metavar = "FILE",
     .help = "file with a line SYMBOL or SYMBOL STATUS for each instrument that is listed\n"
             "over HTTP; read for each request (default: all, with status Trading)"},
    {.long_name = "rate",
     OPTION_INTO(sim_flags, exchange.rate),
     .metavar = "N",
     .help = "data frames per second and family, over all topics and symbols\n"
             "(default: 100); the slowest client sets the pace",
     .min = 1,
     .max = 10000000},
    {.long_name = "seed",
     OPTION_INTO(sim_flags, exchange.seed),
     .metavar = "N",
     .help = "seed; the same seed gives the same frames (default: 1)"},
    {.long_name = "truth",
     OPTION_INTO(sim_flags, truth),
     .metavar = "FILE",
     .help = "write sent frames, and the books after them, to a new file"},
    {.long_name = "max-frames",
     OPTION_INTO(sim_flags, exchange.frames_max),
     .metavar = "N",
     .help = "close a family's clients after N data frames, and exit"},
    {.long_name = "duration",
     .type = OPTION_DURATION,
     .offset = offsetof(sim_flags, exchange.duration_ns),
     .metavar = "DURATION",
     .help = "exit this long after the first subscription"},
    {.long_name = "epoch",
     OPTION_INTO(sim_flags, epoch),
     .metavar = "TIME",
     .help = "exchange time of the first subscription (default: now)"},
    {.long_name = "time-scale",
     OPTION_INTO(sim_flags, exchange.time_scale),
     .metavar = "N",
     .help = "run exchange time N times as fast as the clock (default: 1)",
     .min = 1,
     .max = 100000},
    {.long_name = "fault",
     OPTION_INTO(sim_flags, faults),
     .metavar = "KIND@N",
     .help = "inject a fault at data frame N of each family: disconnect, cut, drop,\n"
             "announce (that connections end) or end (those) (may be repeated)"},
    {.long_name = "secret",
     OPTION_INTO(sim_flags, exchange.secret),
     .metavar = "TEXT",
     .help = "verify clients' signatures with this secret (default: accept any key)"},
};

typedef struct sim_command {
    reporter *report;
    sim_flags flags;
    json_options json;
    verbosity_options verbosity;
    fault faults[FAULTS_MAX];
    td_log log;
    wire_loop *loop;
    exchange *exchange;
    stop_signal *signals;
} sim_command;

/* ---- options ---- */

static td_result add_family(sim_command *command, td_bytes name, td_err *err)
{
    exchange_options *options = &command->flags.exchange;
    const family *found = family_find(name);
    const catalog_row *row;
    if (found == NULL)
        return family_refuse(name, err);
    for (uint32_t i = 0; i < options->family_count; i++)
        if (options->families[i] == found)
            return td_err_set(err, TD_E_INVALID, "family '%s' is given twice", found->name);
    if (options->family_count == EXCHANGE_FAMILIES_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d families", EXCHANGE_FAMILIES_MAX);
    options->families[options->family_count++] = found;
    return catalog_get(found, &row, err);
}

/* Add the families of family_table, from an index on; of the programs' own those with a simulator.
 */
static td_result add_from(sim_command *command, size_t first, td_err *err)
{
    size_t count = 0;
    td_result rc = TD_OK;
    const family *const *all = family_table(&count);
    for (size_t i = first; rc == TD_OK && i < count; i++)
        if (first > 0 || catalog_find(all[i]->name) != NULL)
            rc = add_family(command, td_bytes_str(all[i]->name), err);
    return rc;
}

/* Add the families of documents. */
static td_result add_documents(sim_command *command, const family_files *files, td_err *err)
{
    size_t own_count = 0;
    if (files->paths.count == 0)
        return TD_OK;
    (void)family_table(&own_count);
    td_result rc = family_files_add(files, err);
    return rc == TD_OK ? add_from(command, own_count, err) : rc;
}

static td_result read_families(sim_command *command, td_err *err)
{
    const char *wanted = command->flags.families;
    family_files files = {.paths = {.count = 0}};
    td_result rc = TD_OK;
    if (wanted == NULL)
        wanted = command->flags.list ? "all" : "v5-linear";
    if (strcmp(wanted, "all") == 0)
        return add_from(command, 0, err);
    char *list = td_strdup(wanted);
    char *rest = list;
    while (rc == TD_OK && rest != NULL) {
        const char *entry = strsep(&rest, ",");
        if (strpbrk(entry, "./") == NULL) /* a family's name has neither */
            rc = add_family(command, td_bytes_str(entry), err);
        else if (files.paths.count < OPTIONS_LIST_MAX)
            files.paths.items[files.paths.count++] = entry;
        else
            rc = td_err_set(err, TD_E_LIMIT, "more than %d documents", OPTIONS_LIST_MAX);
    }
    if (rc == TD_OK)
        rc = add_documents(command, &files, err);
    td_free(list);
    return rc;
}

static td_result read_fault(const char *text, fault *out, td_err *err)
{
    const char *at = strchr(text, '@');
    for (int kind = 0; at != NULL && kind < FAULT_KINDS; kind++) {
        if (!td_bytes_is(td_bytes_of(text, (size_t)(at - text)), FAULT_NAMES[kind]))
            continue;
        out->kind = (sim_fault_kind)kind;
        if (td_digits_parse(td_bytes_str(at + 1), UINT64_MAX, &out->at) && out->at > 0)
            return TD_OK;
    }
    td_result rc = td_err_set(err, TD_E_INVALID, "'%s' is not a fault: expected KIND@N", text);
    td_err_hint(err, "kinds: disconnect, cut, drop, announce, end; N counts from 1");
    return rc;
}

static td_result read_faults(sim_command *command, td_err *err)
{
    const options_list *list = &command->flags.faults;
    if (list->count > FAULTS_MAX)
        return td_err_set(err, TD_E_INVALID, "more than %d faults", FAULTS_MAX);
    for (size_t i = 0; i < list->count; i++) {
        td_result rc = read_fault(list->items[i], &command->faults[i], err);
        if (rc != TD_OK)
            return rc;
    }
    command->flags.exchange.faults = command->faults;
    command->flags.exchange.fault_count = list->count;
    return TD_OK;
}

static td_result read_options(sim_command *command, td_err *err)
{
    const sim_flags *flags = &command->flags;
    exchange_options *options = &command->flags.exchange;
    options->symbol_count = (uint32_t)flags->symbols;
    options->settle_ns = SETTLE_MS * TD_NS_PER_MS;
    options->clock = clock_real();
    options->log = &command->log;
    options->epoch_ns = flags->epoch.at.ns;
    td_result rc = read_families(command, err);
    return rc == TD_OK ? read_faults(command, err) : rc;
}

/* ---- running ---- */

/* Called on the signals' thread. */
static void on_stop(void *user)
{
    sim_command *command = user;
    wire_loop_wake(command->loop);
}

static td_result run_loop(sim_command *command, td_err *err)
{
    int is_stopping = 0;
    while (!exchange_is_done(command->exchange)) {
        td_result rc = wire_loop_run(command->loop, POLL_MS * TD_NS_PER_MS, err);
        if (rc != TD_OK)
            return rc;
        if (!is_stopping && stop_signal_arrived(command->signals)) {
            is_stopping = 1;
            exchange_stop(command->exchange);
        }
    }
    return exchange_failure(command->exchange, err);
}

static td_result serve_families(sim_command *command, td_err *err)
{
    td_result rc = exchange_open(&command->flags.exchange, command->loop, &command->exchange, err);
    if (rc != TD_OK)
        return rc;
    const wire_server *server = exchange_server(command->exchange);
    rc = stop_signal_open(&(stop_signal_calls){.stop = on_stop, .user = command}, &command->signals,
                          err);
    if (rc == TD_OK)
        rc = wire_server_write_ready(server, io_posix(), command->flags.exchange.listen.ready_file,
                                     err);
    if (rc == TD_OK) {
        report_line(command->report, TD_LOG_INFO, "listening at %s", wire_server_url(server));
        listen_options_log_trust(&command->flags.exchange.listen, &command->log);
        rc = run_loop(command, err);
    }
    if (rc == TD_OK)
        rc = wire_remove_ready(io_posix(), command->flags.exchange.listen.ready_file, err);
    stop_signal_close(command->signals);
    return rc;
}

static td_result run(sim_command *command, td_err *err)
{
    td_result rc = report_detach(command->report, err);
    stop_signal_block(0);
    if (rc == TD_OK)
        rc = wire_remove_ready(io_posix(), command->flags.exchange.listen.ready_file, err);
    if (rc == TD_OK && command->flags.truth != NULL)
        rc = truth_open(io_posix(), command->flags.truth, &command->flags.exchange.truth, err);
    if (rc == TD_OK)
        rc = wire_loop_open(command->flags.exchange.clock, &command->log, &command->loop, err);
    if (rc == TD_OK)
        rc = serve_families(command, err);
    return rc;
}

exit_code cmd_sim(const verb_context *context, int argc, char **argv)
{
    sim_command command = {.report = context->report,
                           .flags = {.symbols = 5,
                                     .exchange = {.rate = 100,
                                                  .seed = 1,
                                                  .time_scale = 1,
                                                  .listen = {.address = "127.0.0.1:0"}}}};
    const option_group groups[] = {
        {"Exchange", SIM_ROWS, sizeof SIM_ROWS / sizeof SIM_ROWS[0], &command.flags},
        option_group_listen(&command.flags.exchange.listen),
        option_group_origins(&command.flags.exchange.listen),
        option_group_json(&command.json),
        option_group_verbosity(&command.verbosity),
    };
    const options_spec spec = {
        .verb = "sim",
        .summary = "Run a simulated exchange: seeded order flow through a matching engine.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = {[EXIT_CODE_DONE] = "ended by a signal, --max-frames or --duration",
                     [EXIT_CODE_FAILED] =
                         "the address is in use, or the truth file cannot be written"},
        .examples = "tapedeck sim --listen 127.0.0.1:0 --ready-file sim.json \\\n"
                    "  --families v5-linear,v5-spot --symbols 5 --rate 1000 --truth truth.jsonl",
        .now_ns = clock_wall_ns(clock_real()),
    };
    options_operands operands;
    exit_code status;
    td_err err;
    if (!verb_begin(context, &spec, argc, argv, &operands, &status))
        return status;
    report_begin_log(context->report, &command.verbosity);
    command.log = report_log(context->report);
    td_err_clear(&err);
    td_result rc = read_options(&command, &err);
    if (rc == TD_OK && command.flags.list)
        rc = print_families(&command.json, &command.flags.exchange, &err);
    else if (rc == TD_OK)
        rc = run(&command, &err);
    status = rc == TD_OK ? EXIT_CODE_DONE : report_error(context->report, &err);
    exchange_close(command.exchange);
    wire_loop_close(command.loop);
    truth_close(command.flags.exchange.truth);
    return status;
}
