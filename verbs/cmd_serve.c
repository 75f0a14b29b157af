#include "verbs/cmds.h"

#include <inttypes.h>
#include <stddef.h>
#include <signal.h>
#include <unistd.h>

#include <sys/wait.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/open_files.h"
#include "base/random.h"
#include "base/cli/option_groups.h"
#include "base/cli/units.h"
#include "replay/serve/serve.h"
#include "replay/serve/serve_choice.h"
#include "replay/serve/serve_control.h"
#include "schema/family.h"
#include "replay/play/keyboard.h"
#include "verbs/verb_run.h"

#define GOOD_BYE_NS    (2 * TD_NS_PER_S)
#define KEYS_EVERY_NS  (TD_NS_PER_S / 50)
#define CHILD_EVERY_NS (TD_NS_PER_S / 50)

/* Options of the server and of this verb. */
typedef struct serve_flags {
    serve_options options;
    const char *speed;
    uint8_t is_once;
    options_list fault_texts;
    serve_faults faults;
    const char *fault_log;
    const char *run;
} serve_flags;

static const char *const DISCONNECTS[] = {"replay", "skip", NULL};
static const char *const REBASES[] = {"recorded", "now", NULL};
static const char *const SLOW_CLIENTS[] = {"close", "wait", NULL};

static const option_row SERVE_ROWS[] = {
    {.long_name = "speed",
     OPTION_INTO(serve_flags, speed),
     .metavar = "N",
     .help = "1: as recorded; 10: ten times as fast; 0.5: half as fast; max: without waiting\n"
             "(default: 1)"},
    {.long_name = "max-gap",
     .type = OPTION_DURATION,
     .offset = offsetof(serve_flags, options.gap_ns_max),
     .metavar = "DURATION",
     .help = "shorten longer stretches without a frame to this length",
     .min = 1},
    {.long_name = "settle",
     .type = OPTION_DURATION,
     .offset = offsetof(serve_flags, options.settle_ns),
     .metavar = "DURATION",
     .help = "start a client's tape this long after its last subscription request\n"
             "(default: 200ms)"},
    {.long_name = "once",
     OPTION_INTO(serve_flags, is_once),
     .help = "exit when the first client has received the whole tape"},
    {.long_name = "run",
     OPTION_INTO(serve_flags, run),
     .metavar = "COMMAND",
     .help = "run this in the shell once clients can connect; $1 is the server's URL. Exit when\n"
             "it has ended, with status 1 if it failed"},
    {.long_name = "max-clients",
     OPTION_INTO(serve_flags, options.client_count_max),
     .metavar = "N",
     .help = "clients at a time; further ones get HTTP 503 (default: 64)",
     .min = 1,
     .max = 4096},
    {.long_name = "loop",
     OPTION_INTO(serve_flags, options.loops),
     .help = "begin again after the end of the tape; connections stay open"},
    {.long_name = "disconnects",
     OPTION_INTO(serve_flags, options.skips_disconnects),
     .metavar = "HOW",
     .help = "replay: end clients' connections where the recorded ones ended, with the same\ncode; "
             "skip: do not (default: replay)",
     .choices = DISCONNECTS},
    {.long_name = "rebase-time",
     OPTION_INTO(serve_flags, options.rebases_time),
     .metavar = "TO",
     .help = "recorded: keep the exchange's times in frames; now: shift them so that the "
             "tape\nbegins now (default: recorded)",
     .choices = REBASES},
    {.long_name = "fault",
     OPTION_INTO(serve_flags, fault_texts),
     .metavar = "RULE",
     .help = "inject faults: KIND:p=SHARE[,topic=GLOB][,by=DURATION], KIND is drop, delay,\n"
             "duplicate, reorder, truncate, corrupt, disconnect or stall"},
    {.long_name = "fault-seed",
     OPTION_INTO(serve_flags, faults.seed),
     .metavar = "N",
     .help = "seed of the faults: the same seed chooses the same frames (default: 1)"},
    {.long_name = "fault-log",
     OPTION_INTO(serve_flags, fault_log),
     .metavar = "FILE",
     .help = "write each fault as a line of JSON to this new file"},
    {.long_name = "shared-clock",
     OPTION_INTO(serve_flags, options.has_shared_clock),
     .help = "one tape for all clients: later ones join at its position\n"
             "(default: each gets the tape from its beginning)"},
    {.long_name = "causal",
     OPTION_INTO(serve_flags, options.is_causal),
     .help = "send what a request about an order caused after the client's own request, by the\n"
             "recorded delay; one tape for all clients, as with --shared-clock"},
    {.long_name = "slow-client",
     OPTION_INTO(serve_flags, options.waits_for_slow),
     .metavar = "WHAT",
     .help = "close: close a client for which 8 MiB are queued; wait: let its tape wait for "
             "it,\nas always at full speed (default: close)",
     .choices = SLOW_CLIENTS},
    {.long_name = "hold",
     OPTION_INTO(serve_flags, options.is_held),
     .help = "keep connections open after the end of the tape and answer requests\n"
             "(default: close with code 1000)"},
    {.long_name = "secret",
     OPTION_INTO(serve_flags, options.secret),
     .metavar = "TEXT",
     .help = "verify clients' signatures with this secret, and refuse private topics to\n"
             "unauthenticated clients (default: accept any key, or none)"},
};

/* State of one run of the verb. */
typedef struct serve_command {
    verb_run *verb;
    listen_options listen;
    serve_flags flags;

    td_log log;
    wire_loop *loop;
    serve_feeds *feeds;
    serve *server;
    keyboard *keyboard; /* NULL: no terminal */
    wire_timer *key_timer;
    int has_quit; /* a key ended the server */
    pid_t child;  /* of --run; 0: none, or it has ended */
    wire_timer *child_timer;
    uint8_t has_ended, has_failed; /* the child */
} serve_command;

static void on_stop(void *user)
{
    serve_command *command = user;
    wire_loop_wake(command->loop);
}

/* ---- keys ---- */

static void release_terminal(void *user, int is_released)
{
    const serve_command *command = user;
    keyboard_release(command->keyboard, is_released);
}

static void read_keys(void *user)
{
    serve_command *command = user;
    uint64_t next_ns = clock_mono_ns(command->verb->clock) + KEYS_EVERY_NS;
    const control_command *keys[KEYBOARD_COMMANDS_MAX];
    size_t count = keyboard_wait(command->keyboard, 0, keys);
    for (size_t i = 0; i < count && !command->has_quit; i++)
        command->has_quit = serve_control_apply(command->server, keys[i], &keys[i]->value);
    if (keyboard_has_terminal(command->keyboard))
        serve_control_show(command->server, &command->verb->progress);
    wire_timer_set(command->loop, &command->key_timer, next_ns, read_keys, command);
}

/* ---- the command of --run ---- */

static void watch_child(void *user)
{
    serve_command *command = user;
    uint64_t next_ns = clock_mono_ns(command->verb->clock) + CHILD_EVERY_NS;
    int status = 0;
    if (waitpid(command->child, &status, WNOHANG) == 0) {
        wire_timer_set(command->loop, &command->child_timer, next_ns, watch_child, command);
        return;
    }
    command->child = 0;
    command->has_ended = 1;
    command->has_failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static td_result start_child(serve_command *command, td_err *err)
{
    char shell[] = "sh";
    char option[] = "-c";
    if (command->flags.run == NULL)
        return TD_OK;
    char *text = td_strdup(command->flags.run);
    char *url = td_strdup(wire_server_url(serve_server(command->server)));
    char *const words[] = {shell, option, text, shell, url, NULL};
    const td_child_ends ends = {-1, STDERR_FILENO, STDERR_FILENO};
    td_result rc = td_child_start("/bin/sh", words, ends, &command->child, err);
    td_free(text);
    td_free(url);
    if (rc == TD_OK)
        watch_child(command);
    return rc;
}

/* Kill the command with all that it started, if it still runs. */
static void kill_child(serve_command *command)
{
    wire_timer_cancel(&command->child_timer);
    if (command->child == 0)
        return;
    (void)kill(-command->child, SIGKILL); /* fails if it has ended */
    (void)waitpid(command->child, NULL, 0);
    command->child = 0;
}

/* ---- opening ---- */

static td_result open_faults(serve_command *command, td_err *err)
{
    serve_flags *flags = &command->flags;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < flags->fault_texts.count; i++)
        rc = serve_faults_add(&flags->faults, flags->fault_texts.items[i], err);
    flags->options.faults = flags->faults.count > 0 ? &flags->faults : NULL;
    if (rc == TD_OK)
        rc = serve_faults_check(&flags->faults, command->feeds, command->verb->archive,
                                &command->verb->wanted, err);
    if (rc != TD_OK || flags->fault_log == NULL)
        return rc;
    return td_io_open(io_posix(), flags->fault_log, TD_OPEN_CREATE, &flags->faults.log, err);
}

static td_result open_server(serve_command *command, td_err *err)
{
    const listen_options *listen = &command->listen;
    serve_options *options = &command->flags.options;
    options->loop = command->loop;
    options->archive = command->verb->archive;
    options->wanted = &command->verb->wanted;
    options->feeds = command->feeds;
    options->server =
        (wire_server_options){.listen = listen->address,
                              .tls_cert = listen->tls_cert,
                              .tls_key = listen->tls_key,
                              .origins = {listen->origins.items, listen->origins.count},
                              .is_plain = listen->is_plain};
    options->clock = command->verb->clock;
    options->log = &command->log;
    td_random_system(&options->seed, sizeof options->seed);
    td_result rc = serve_open(options, &command->server, err);
    if (rc == TD_OK)
        rc = wire_server_write_ready(serve_server(command->server), io_posix(), listen->ready_file,
                                     err);
    return rc;
}

static void log_served(const serve_command *command)
{
    const serve_feeds *feeds = command->feeds;
    const char *base = wire_server_url(serve_server(command->server));
    for (size_t i = 0; i < feeds->count; i++) {
        const served_feed *feed = &feeds->items[i];
        report_line(command->verb->report, TD_LOG_INFO, "feed %s (%s): %s, at %s%s", feed->name,
                    feed->family->name, format_counted(feed->topic_count, "topic").text, base,
                    served_feed_path(feed));
    }
    report_line(command->verb->report, TD_LOG_INFO, "serving at %s", base);
    listen_options_log_trust(&command->listen, &command->log);
}

/* Raise the limit of open files if more are needed, and log the result now. Clients beyond the
 * limit get HTTP 503 (wire/server.c). */
static void reserve_files(const serve_command *command)
{
    reporter *report = command->verb->report;
    unit_text clients = format_counted(command->flags.options.client_count_max, "client");
    const td_open_files files = td_open_files_reserve(serve_open_files_max(command->server));
    if (files.limit < files.needed)
        report_line(report, TD_LOG_WARNING,
                    "%s at a time need %" PRIu64 " open files, and the limit is %" PRIu64
                    ": beyond it they get HTTP 503; run `ulimit -n %" PRIu64
                    "` first, or lower --max-clients",
                    clients.text, files.needed, files.limit, files.needed);
    else
        report_line(report, TD_LOG_INFO,
                    "%s at a time need %" PRIu64 " open files; the limit is %" PRIu64 "%s",
                    clients.text, files.needed, files.limit,
                    files.limit > files.before ? ", raised for that" : "");
}

/* ---- serving ---- */

/* 1 if serving is over: a key, a signal, or with --once the end of a tape. */
static int is_done(const serve_command *command)
{
    const serve_counts *counts = serve_get_counts(command->server);
    return command->has_quit || command->has_ended || stop_signal_arrived(command->verb->signals) ||
           (command->flags.is_once && counts->complete + counts->failed > 0);
}

/* Close the remaining clients, and give them time to receive the close frame, and the command of
 * --run time to end. */
static td_result send_goodbye(serve_command *command, td_err *err)
{
    if (command->child != 0) /* it may be a client that waits for the server's goodbye */
        (void)kill(-command->child, SIGTERM);
    serve_stop(command->server);
    uint64_t end_ns = clock_mono_ns(command->verb->clock) + GOOD_BYE_NS;
    td_result rc = TD_OK;
    while (rc == TD_OK && (serve_client_count(command->server) > 0 || command->child != 0)) {
        uint64_t now_ns = clock_mono_ns(command->verb->clock);
        if (now_ns >= end_ns)
            break;
        rc = wire_loop_run(command->loop, end_ns - now_ns, err);
    }
    return rc;
}

static void log_counts(const serve_command *command)
{
    const serve_counts *counts = serve_get_counts(command->server);
    report_line(
        command->verb->report, TD_LOG_INFO,
        "%s, %s to the end of their tape; %s (%s) sent; %s made; held back %s by slow readers",
        format_counted(counts->clients, "client").text, format_count(counts->complete).text,
        format_counted(counts->frames, "frame").text, format_size(counts->bytes).text,
        format_counted(counts->made, "snapshot").text,
        format_counted(counts->wait_count, "time").text);
    if (counts->late > 0)
        report_line(command->verb->report, TD_LOG_INFO, "%s joined the shared tape after its start",
                    format_counted(counts->late, "client").text);
    if (counts->unmade > 0)
        report_line(command->verb->report, TD_LOG_WARNING, "%s could not be made",
                    format_counted(counts->unmade, "snapshot").text);
    if (counts->faults > 0)
        report_line(command->verb->report, TD_LOG_INFO, "%s injected",
                    format_counted(counts->faults, "fault").text);
    if (counts->disconnected > 0)
        report_line(command->verb->report, TD_LOG_INFO, "%s as recorded",
                    format_counted(counts->disconnected, "disconnect").text);
    if (counts->slow > 0)
        report_line(command->verb->report, TD_LOG_WARNING, "%s closed because they read too slowly",
                    format_counted(counts->slow, "client").text);
    if (counts->topicless > 0)
        report_line(command->verb->report, TD_LOG_WARNING, "%s had no topic of the recording",
                    format_counted(counts->topicless, "client").text);
    if (counts->caused > 0)
        report_line(command->verb->report, TD_LOG_INFO, "%s sent after requests of clients",
                    format_counted(counts->caused, "frame").text);
    if (counts->unsent > 0)
        report_line(command->verb->report, TD_LOG_WARNING,
                    "%s not sent, because no client sent the request that caused them",
                    format_counted(counts->unsent, "frame").text);
    if (counts->unrecorded > 0)
        report_line(command->verb->report, TD_LOG_WARNING,
                    "%s about orders that the recording does not have",
                    format_counted(counts->unrecorded, "request").text);
    if (counts->unfollowed > 0)
        report_line(command->verb->report, TD_LOG_WARNING, "%s of books that were not followed",
                    format_counted(counts->unfollowed, "frame").text);
}

/* JSON: the counts that log_counts logs, and others. */
static void describe_counts(const serve_command *command)
{
    const serve_counts *counts = serve_get_counts(command->server);
    result_writer *r = &command->verb->result;
    if (result_json(r) == NULL)
        return;
    result_object_begin(r, NULL);
    result_count(r, "clients", counts->clients);
    result_count(r, "refused", counts->refused);
    result_count(r, "late", counts->late);
    result_count(r, "slow", counts->slow);
    result_count(r, "disconnected", counts->disconnected);
    result_count(r, "tapes", counts->tapes);
    result_count(r, "complete", counts->complete);
    result_count(r, "failed", counts->failed);
    result_count(r, "frames", counts->frames);
    result_size(r, "bytes", counts->bytes);
    result_count(r, "snapshots", counts->made);
    result_count(r, "snapshots_failed", counts->unmade);
    result_count(r, "held_back", counts->wait_count);
    result_count(r, "faults", counts->faults);
    result_count(r, "topicless", counts->topicless);
    result_count(r, "caused", counts->caused);
    result_count(r, "unsent", counts->unsent);
    result_count(r, "unrecorded", counts->unrecorded);
    result_count(r, "unfollowed", counts->unfollowed);
    result_object_end(r, NULL);
}

/* --causal has one clock, which neither waits for clients nor begins again by itself. */
static td_result check_causal(serve_flags *flags, td_err *err)
{
    if (flags->options.speed.is_max || flags->options.waits_for_slow)
        return td_err_set(err, TD_E_INVALID,
                          "--causal needs a clock: it excludes --speed max and "
                          "--slow-client wait");
    if (flags->options.loops || flags->fault_texts.count > 0)
        return td_err_set(err, TD_E_INVALID, "--causal excludes --loop and --fault");
    flags->options.has_shared_clock = 1;
    return TD_OK;
}

static td_result check(verb_run *verb)
{
    serve_command *command = verb->state;
    serve_flags *flags = &command->flags;
    command->verb = verb;
    report_begin_log(verb->report, &verb->verbosity);
    command->log = report_log(verb->report); /* uses the level that -v and -q select */
    td_result rc = pacer_speed_parse(flags->speed, &flags->options.speed, &verb->err);
    if (rc != TD_OK)
        return td_err_add(&verb->err, rc, "--speed");
    if (flags->options.is_held + flags->is_once + flags->options.loops > 1)
        return td_err_set(&verb->err, TD_E_INVALID, "--hold, --loop and --once exclude each other");
    if (flags->options.is_causal)
        rc = check_causal(flags, &verb->err);
    if (rc == TD_OK)
        rc = report_detach(verb->report, &verb->err);
    if (rc == TD_OK && verb->progress.is_shown && isatty(STDIN_FILENO))
        rc = keyboard_open(STDIN_FILENO, &command->keyboard, &verb->err);
    if (rc == TD_OK)
        rc = wire_remove_ready(io_posix(), command->listen.ready_file, &verb->err);
    return rc;
}

static td_result run(serve_command *command, td_err *err)
{
    const verb_run *verb = command->verb;
    td_result rc =
        serve_feeds_open(verb->archive, &verb->wanted, &command->log, &command->feeds, err);
    if (rc == TD_OK)
        rc = serve_choice_check(command->feeds, &command->log, err);
    if (rc == TD_OK)
        rc = open_faults(command, err);
    if (rc == TD_OK)
        rc = open_server(command, err);
    if (rc != TD_OK)
        return rc;
    log_served(command);
    reserve_files(command);
    if (command->keyboard != NULL) {
        report_line(verb->report, TD_LOG_INFO, "keys: %s", control_list_keys(",").text);
        read_keys(command);
    }
    rc = start_child(command, err);
    while (rc == TD_OK && !is_done(command))
        rc = wire_loop_run(command->loop, UINT64_MAX, err);
    wire_timer_cancel(&command->key_timer);
    progress_end(&command->verb->progress);
    if (command->has_failed)
        command->verb->status = EXIT_CODE_DIFFERS;
    if (rc == TD_OK)
        rc = send_goodbye(command, err);
    kill_child(command);
    if (rc == TD_OK)
        rc = wire_remove_ready(io_posix(), command->listen.ready_file, err);
    log_counts(command);
    describe_counts(command);
    /* a tape that cannot be read is an error only with --once: without --once, other clients are
     * served */
    const serve_counts *counts = serve_get_counts(command->server);
    if (rc == TD_OK && command->flags.is_once && counts->complete == 0 && counts->failed > 0)
        rc = td_err_set(err, TD_E_IO, "the client's tape could not be served to its end");
    return rc;
}

static td_result work(verb_run *verb)
{
    serve_command *command = verb->state;
    td_result rc = run(command, &verb->err);
    serve_close(command->server);
    serve_feeds_close(command->feeds);
    td_io_close(command->flags.faults.log);
    return rc;
}

exit_code cmd_serve(const verb_context *context, int argc, char **argv)
{
    serve_command command = {
        .listen = {.address = "127.0.0.1:0"},
        .flags = {.speed = "1",
                  .faults = {.seed = 1},
                  .options = {.client_count_max = SERVE_CLIENTS, .settle_ns = 200 * TD_NS_PER_MS}},
        .log = report_log(context->report)};
    const verb_spec spec = {
        .name = "serve",
        .summary =
            "Replay a recording as a WebSocket server that speaks the exchange's dialect. Clients\n"
            "of the exchange connect to it unchanged. Each client gets the tape from its\n"
            "beginning. On a terminal, keys pause, step, seek and change the speed.",
        .examples = "tapedeck serve DIR --feed v5-linear --ready-file ready.json\n"
                    "tapedeck serve DIR --listen 127.0.0.1:8080 --speed 10 --max-gap 5s --once\n"
                    "tapedeck serve DIR --plain --speed max --run 'python3 client.py \"$1\"'",
        .statuses = {[EXIT_CODE_DONE] =
                         ("ended by a signal, after the tape of --once, or with the command of "
                          "--run"),
                     [EXIT_CODE_DIFFERS] = "the command of --run failed",
                     [EXIT_CODE_FAILED] =
                         ("nothing matches the selection, the address is in use, or "
                          "the archive cannot be read")},
        .takes = VERB_TAKES_FAMILIES | VERB_TAKES_SELECTION | VERB_TAKES_JSON | VERB_STOPS,
        .own = {{"Serve", SERVE_ROWS, sizeof SERVE_ROWS / sizeof *SERVE_ROWS, &command.flags},
                option_group_listen(&command.listen),
                option_group_origins(&command.listen)},
        .mode = ARCHIVE_READ,
        .calls = {on_stop, release_terminal, &command},
        .check = check,
        .work = work,
    };
    td_err err;
    /* open the loop before a signal can wake it */
    if (wire_loop_open(clock_real(), &command.log, &command.loop, &err) != TD_OK)
        return report_error(context->report, &err);
    exit_code status = verb_run_main(&spec, &command, context, argc, argv);
    keyboard_close(command.keyboard);
    wire_loop_close(command.loop);
    return status;
}
