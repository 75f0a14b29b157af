#include "verbs/cmds.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/io_posix.h"
#include "base/cli/option_groups.h"
#include "base/cli/progress.h"
#include "base/cli/rate.h"
#include "base/cli/result.h"
#include "base/cli/service.h"
#include "base/cli/stop_signal.h"
#include "base/cli/units.h"
#include "recorder/config.h"
#include "recorder/feed_setup.h"
#include "recorder/record_check.h"
#include "recorder/supervisor.h"
#include "remote/s3_store.h"
#include "verbs/family_files.h"
#include "verbs/record_control.h"
#include "verbs/record_status.h"

/* The options that only this verb has. */
typedef struct record_choice {
    const char *config_file;
    uint8_t only_checks;
    uint8_t replaces;
} record_choice;

static const option_row CHOICE_ROWS[] = {
    {.short_name = 'c',
     .long_name = "config",
     OPTION_INTO(record_choice, config_file),
     .metavar = "FILE",
     .help = "record the feeds of this YAML file"},
    {.long_name = "replace",
     OPTION_INTO(record_choice, replaces),
     .help = "take over from the recorder of this archive: connect, then let it end, and\n"
             "continue its session; no frame is missing. Without one: as usual"},
};

static const option_row CHECK_ROWS[] = {
    {.long_name = "check",
     OPTION_INTO(record_choice, only_checks),
     .help = "check configuration, credentials, servers, archive and disk, and print what would\n"
             "be recorded; records nothing"},
};

/* All options of the command line. */
typedef struct record_line {
    archive_choice archive;
    record_choice choice;
    feed_config feed;
    recorder_config given; /* the command line's settings of the recorder, without a file's */
    recorder_config config;
    uint64_t families_hash; /* of the documents that were added */
    json_options json;
    verbosity_options verbosity;
    options_operands operands;
} record_line;

/* Used by the supervisor's callbacks. */
typedef struct record_ui {
    output_stream output; /* JSON lines; written by the disk thread while recording */
    pthread_mutex_t mutex;
    progress_line progress;
    rate_window frame_rate, byte_rate;
    service manager;
    const char *session; /* the present session; set before threads start */
    td_clock clock;
    uint64_t clock_session_mono_ns; /* before this time, a wrong clock starts no new session */
    json_options form;
    uint8_t is_warned; /* the failure of the output was reported */
} record_ui;

static int parse_line(const verb_context *context, record_line *line, int argc, char **argv,
                      exit_code *status)
{
    option_group groups[] = {
        option_group_archive(&line->archive),
        {"Which feeds", CHOICE_ROWS, sizeof CHOICE_ROWS / sizeof CHOICE_ROWS[0], &line->choice},
        {"Instead of recording", CHECK_ROWS, sizeof CHECK_ROWS / sizeof CHECK_ROWS[0],
         &line->choice},
        {"The feed, without --config", CONFIG_FEED_ROWS, CONFIG_FEED_ROW_COUNT, &line->feed},
        {"Recording", CONFIG_RECORDER_ROWS, CONFIG_RECORDER_ROW_COUNT, &line->config},
        {"When to stop (besides SIGINT, SIGTERM and SIGHUP)", CONFIG_RUN_ROWS, CONFIG_RUN_ROW_COUNT,
         &line->config},
        option_group_json(&line->json),
        option_group_verbosity(&line->verbosity),
    };
    options_spec spec = {
        .verb = "record",
        .summary = "Capture live feeds into an archive, until stopped.",
        .operands = "[URL]",
        .operand_max = 1,
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = {[EXIT_CODE_DONE] = "stopped; there was a connection. With --check: "
                                        "recording would start",
                     [EXIT_CODE_DIFFERS] = "with --check: something would prevent recording, or is "
                                           "doubtful",
                     [EXIT_CODE_USAGE] = "the command line or the configuration is wrong",
                     [EXIT_CODE_FAILED] = ("the archive cannot be written or is in use, every feed "
                                           "was refused, or no connection was ever established")},
        .examples = "tapedeck record -a tape --family v5-linear --topic publicTrade.BTCUSDT\n"
                    "tapedeck record -a tape wss://stream.bybit.com/v5/public/linear \\\n"
                    "  --topic orderbook.50.BTCUSDT\n"
                    "tapedeck record -a tape -c feeds.yaml --check\n"
                    "tapedeck record -a tape -c feeds.yaml --duration 1h",
        .now_ns = clock_wall_ns(clock_real()),
    };
    return verb_begin(context, &spec, argc, argv, &line->operands, status);
}

/* 1 if a feed option was given in addition to --config. */
static int has_feed_option(const record_line *line)
{
    feed_config untouched;
    config_feed_init(&untouched);
    /* both were zeroed before members were set, so padding is equal */
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
    return memcmp(&untouched, &line->feed, sizeof untouched) != 0;
}

/* Read the configuration of the file or of the command line. */
static td_result read_settings(record_line *line, td_err *err)
{
    line->given = line->config;
    if (line->choice.config_file != NULL) {
        if (line->operands.count > 0 || has_feed_option(line)) {
            td_err_set(err, TD_E_INVALID,
                       "a feed is given on the command line as well as by --config");
            td_err_hint(err, "put the feed into the file, or leave --config out");
            return TD_E_INVALID;
        }
        return config_load(&line->config, io_posix(), line->choice.config_file, err);
    }
    if (line->operands.count == 1)
        line->feed.url = line->operands.items[0];
    line->config.feeds[0] = line->feed;
    line->config.feed_count = 1;
    return TD_OK;
}

/* Read the configuration, without its defaults, and add the families that it names. */
static td_result read_config(record_line *line, td_err *err)
{
    td_result rc = read_settings(line, err);
    const family_files files = {line->config.families};
    if (rc == TD_OK)
        rc = family_files_hash(&files, &line->families_hash, err);
    return rc == TD_OK ? family_files_add(&files, err) : rc;
}

/* Check before recording that a push can start: its program, its URL and the variables of its
 * credentials. Asks the store nothing. */
static td_result check_push(const recorder_config *config, td_err *err)
{
    const s3_options options = {.url = config->push};
    s3_store *store = NULL;
    char program[LIMIT_PATH_BYTES];
    if (config->push == NULL)
        return TD_OK;
    td_result rc = s3_store_open(&options, &store, err);
    s3_store_close(store);
    td_child_program("tapedeck", program);
    if (rc == TD_OK && access(program, X_OK) != 0)
        rc = td_err_set(err, TD_E_NOTFOUND, "there is no program %s", program);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "push");
}

static void on_durable(void *user, const char *feed, const chain_conn *conn, uint64_t lag_ns)
{
    record_ui *ui = user;
    if (!ui->form.is_json)
        return;
    pthread_mutex_lock(&ui->mutex);
    json_writer *json = output_json_begin(&ui->output);
    json_write_object_begin(json);
    json_write_member_object_begin(json, "durable");
    json_write_member_text(json, "feed", feed);
    json_write_member_u64(json, "line", conn->line);
    json_write_member_u64(json, "shard", conn->shard);
    json_write_member_u64(json, "conn", conn->conn);
    json_write_member_u64(json, "in", conn->in);
    json_write_member_u64(json, "out", conn->out);
    json_write_member_text(json, "session", ui->session);
    json_write_member_u64(json, "lag_ns", lag_ns);
    json_write_object_end(json);
    json_write_object_end(json);
    output_json_end(&ui->output);
    output_flush(&ui->output);
    /* if the output's reader closes it, recording continues; the final exit status is 4 */
    if (!ui->is_warned && output_is_broken(&ui->output)) {
        ui->is_warned = 1;
        report_line(ui->progress.report, TD_LOG_WARNING, "%s; recording continues",
                    ui->output.err.text);
    }
    pthread_mutex_unlock(&ui->mutex);
}

static void tell_manager(record_ui *ui, uint64_t mono_ns, const supervisor_status *status)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%" PRIu64 "/%" PRIu64 " feeds live, %s, %s, %s dropped",
                   status->live, status->feeds,
                   format_counted(status->recording.intake.frames_in, "frame").text,
                   format_counted(status->recording.intake.gaps, "gap").text,
                   format_count(status->recording.intake.frames_dropped).text); /* fits */
    service_alive(&ui->manager, mono_ns, text);
}

static void on_status(void *user, const supervisor_status *status)
{
    record_ui *ui = user;
    uint64_t mono_ns = clock_mono_ns(ui->clock);
    tell_manager(ui, mono_ns, status);
    if (!progress_is_due(&ui->progress, mono_ns))
        return;
    char elapsed[TD_TIME_TEXT_BYTES];
    char lag_text[TD_TIME_TEXT_BYTES];
    char trouble[2 * UNIT_TEXT_BYTES + 32] = "";
    td_duration_format(status->elapsed_ns, elapsed);
    td_duration_format(status->recording.lag.last_ns, lag_text);
    if (status->recording.intake.frames_dropped + status->recording.live_check.broken > 0)
        (void)snprintf(trouble, sizeof trouble, "  %s dropped  %s broken", /* fits */
                       format_counted(status->recording.intake.frames_dropped, "frame").text,
                       format_counted(status->recording.live_check.broken, "book").text);
    uint64_t frames = rate_update(&ui->frame_rate, mono_ns, status->recording.intake.frames_in);
    uint64_t bytes = rate_update(&ui->byte_rate, mono_ns, status->recording.intake.bytes_in);
    progress_show(
        &ui->progress, mono_ns,
        "%" PRIu64 "/%" PRIu64 " feeds live%s  %s/s  %s/s  %s  %s  lag %s  %s  ring %" PRIu64 " %%",
        status->live, status->feeds, trouble, format_counted(frames, "frame").text,
        format_size(bytes).text, elapsed, format_counted(status->recording.intake.gaps, "gap").text,
        lag_text, format_counted(status->recording.intake.frames_in, "frame").text,
        status->recording.ring_percent);
}

static uint64_t count_frames(const supervisor_status *status)
{
    return status->recording.intake.frames_in - status->recording.intake.frames_dropped +
           status->recording.intake.frames_out + status->recording.intake.http_replies;
}

static void warn_count(reporter *log, uint64_t count, const char *noun, const char *what)
{
    if (count > 0)
        report_line(log, TD_LOG_WARNING, "%s %s", format_counted(count, noun).text, what);
}

static void log_summary(reporter *log, const char *path, const supervisor_status *status)
{
    char elapsed[TD_TIME_TEXT_BYTES];
    char lag_max[TD_TIME_TEXT_BYTES];
    char lag_mean[TD_TIME_TEXT_BYTES];
    td_duration_format(status->elapsed_ns, elapsed);
    td_duration_format(status->recording.lag.max_ns, lag_max);
    td_duration_format(status->recording.lag.mean_ns, lag_mean);
    report_line(log, TD_LOG_INFO, "recorded %s (%s received) in %s into %s: %s on disk",
                format_counted(count_frames(status), "frame").text,
                format_size(status->recording.intake.bytes_in).text, elapsed, path,
                format_size(status->recording.file_bytes).text);
    report_line(log, TD_LOG_INFO, "durable after at most %s, %s on average", lag_max, lag_mean);
    warn_count(log, status->recording.lag.late_chunks, "chunk",
               "became durable later than commit_interval");
    warn_count(log, status->recording.intake.frames_dropped, "frame", "discarded by overload");
    warn_count(log, status->recording.encoder.overflow_frames, "frame",
               "recorded as _unknown: a segment has too many topics and symbols");
    warn_count(log, status->recording.live_check.unchecked_books, "book",
               "unchecked: the live check's memory was used up");
    warn_count(log, status->recording.live_check.violations, "frame", "broke a continuity rule");
}

/* Print a session's result: a line of JSON, or log lines. */
static void print_summary(record_ui *ui, const char *session, const char *path,
                          const supervisor_status *status)
{
    result_writer r;
    if (!ui->form.is_json) {
        log_summary(ui->progress.report, path, status);
        return;
    }
    result_begin(&r, &ui->output, &ui->form);
    result_object_begin(&r, NULL);
    result_object_begin(&r, "recorded");
    result_text(&r, "session", session);
    result_count(&r, "frames", count_frames(status));
    result_count(&r, "in", status->recording.intake.frames_in);
    result_count(&r, "out", status->recording.intake.frames_out);
    result_size(&r, "bytes", status->recording.intake.bytes_in);
    result_count(&r, "dropped", status->recording.intake.frames_dropped);
    result_count(&r, "unknown", status->recording.encoder.unknown_frames);
    result_count(&r, "overflow", status->recording.encoder.overflow_frames);
    result_count(&r, "chunks", status->recording.encoder.chunks);
    result_size(&r, "compressed_bytes", status->recording.encoder.compressed_bytes);
    result_size(&r, "file_bytes", status->recording.file_bytes);
    result_count(&r, "redactions", status->recording.encoder.redactions);
    result_count(&r, "http_replies", status->recording.intake.http_replies);
    result_count(&r, "http_failures", status->http_failures);
    result_count(&r, "violations", status->recording.live_check.violations);
    result_count(&r, "unchecked", status->recording.live_check.skipped);
    result_number(&r, "lag_ns_max", status->recording.lag.max_ns);
    result_number(&r, "lag_ns_mean", status->recording.lag.mean_ns);
    result_count(&r, "late_chunks", status->recording.lag.late_chunks);
    result_count(&r, "lines_lost", output_lines_lost(&ui->output));
    result_count(&r, "unchecked_books", status->recording.live_check.unchecked_books);
    result_count(&r, "states_left_out", status->recording.live_check.states_left_out);
    result_fraction(&r, "elapsed_s", status->elapsed_ns / TD_NS_PER_MS, 3);
    result_object_end(&r, NULL);
    result_object_end(&r, NULL);
    result_end(&r);
}

/* A session that signals and the control socket reach. */
typedef struct reached_session {
    supervisor *recorder;
    control *socket; /* NULL: it could not be opened */
    const char *config_file;
} reached_session;

static void stop_recorder(void *user)
{
    const reached_session *self = user;
    supervisor_stop(self->recorder);
}

/* SIGHUP. Without a configuration file it stops the recorder, as the end of a terminal does. */
static int on_hangup(void *user)
{
    const reached_session *self = user;
    return self->config_file != NULL && self->socket != NULL &&
           control_post(self->socket, "reload text");
}

/* Run the session's supervisor with its control socket and signals. */
static td_result run_reached(record_line *line, supervisor *recorder, archive *into,
                             const td_log *log, supervisor_status *final, td_err *err)
{
    reached_session reached = {.recorder = recorder, .config_file = line->choice.config_file};
    record_control answers = {.recorder = recorder,
                              .given = &line->given,
                              .config_file = line->choice.config_file,
                              .families_hash = line->families_hash,
                              .session = archive_session(into),
                              .archive = archive_path(into),
                              .log = log};
    const control_options options = {
        .folder = archive_path(into), .answer = record_control_answer, .user = &answers};
    stop_signal *signals = NULL;
    record_status *status = NULL;
    td_result rc = TD_OK;
    record_control_init(&answers);
    if (control_open(&options, &reached.socket, err) != TD_OK)
        td_log_emit(log, TD_LOG_WARNING, "'tapedeck ctl' and SIGHUP cannot reach this recorder: %s",
                    err->text);
    if (line->config.status_listen != NULL)
        rc = record_status_open(line->config.status_listen, &answers, into, &status, err);
    if (status != NULL)
        td_log_emit(log, TD_LOG_INFO, "metrics and state are at %s", record_status_url(status));
    if (rc == TD_OK)
        rc = stop_signal_open(
            &(stop_signal_calls){.stop = stop_recorder, .hangup = on_hangup, .user = &reached},
            &signals, err);
    if (rc == TD_OK)
        rc = supervisor_run(recorder, final, err);
    stop_signal_close(signals);
    record_status_close(status);
    control_close(reached.socket);
    record_control_fini(&answers);
    return rc;
}

/* Take over from the running recorder. *into becomes the archive, open for appending. */
static td_result take_over(supervisor *recorder, archive **into, td_err *err)
{
    reached_session reached = {.recorder = recorder};
    stop_signal *signals = NULL;
    td_result rc = stop_signal_open(&(stop_signal_calls){.stop = stop_recorder, .user = &reached},
                                    &signals, err);
    if (rc == TD_OK)
        rc = supervisor_take_over(recorder, into, err);
    stop_signal_close(signals);
    return rc;
}

/* Do what can fail before the folder of a new archive is made. *out: its feeds; NULL: the archive
 * exists. */
static td_result prepare_new(const char *path, const record_line *line, const td_log *log,
                             feed_setup **out, td_err *err)
{
    wire_loop *loop = NULL;
    if (td_io_check_absent(io_posix(), path, NULL) != TD_OK)
        return TD_OK;
    td_result rc = record_check_listen(line->config.status_listen, err);
    if (rc == TD_OK)
        rc = wire_loop_open(clock_real(), log, &loop, err);
    const feed_setup_env env = {.io = io_posix(), .loop = loop, .log = log, .may_wait = 1};
    if (rc == TD_OK)
        rc = feed_setup_open_all(&line->config, &env, out, err);
    wire_loop_close(loop);
    return rc;
}

/* of: what the running recorder answered, to replace it, and then *into is open for reading first;
 * NULL: none is replaced. feeds: as supervisor_options.feeds. */
static td_result run(record_ui *ui, archive **into, const takeover *of, feed_setup *feeds,
                     record_line *line, const td_log *log, supervisor_status *final, td_err *err)
{
    supervisor *recorder = NULL;
    archive *past = of == NULL ? NULL : *into;
    supervisor_options options = {.archive = *into,
                                  .replaces = of,
                                  .feeds = feeds,
                                  .config = &line->config,
                                  .clock = ui->clock,
                                  .log = log,
                                  .clock_session_mono_ns = ui->clock_session_mono_ns,
                                  .durable = on_durable,
                                  .status = on_status,
                                  .user = ui};
    stop_signal_block(0);
    td_result rc = supervisor_open(&options, &recorder, err);
    if (rc == TD_OK && of != NULL) {
        *into = NULL;
        rc = take_over(recorder, into, err);
    }
    if (rc == TD_OK)
        rc = run_reached(line, recorder, *into, log, final, err);
    supervisor_close(recorder);
    if (past != *into)
        archive_close(past);
    config_drop_removed(&line->config);
    return rc;
}

/* Ask the archive's recorder for what --replace needs. *has_one: 0 if none runs. */
static td_result ask_running(const char *path, const td_log *log, takeover *of, int *has_one,
                             td_err *err)
{
    td_result rc = takeover_ask(path, of, err);
    *has_one = rc == TD_OK;
    if (rc != TD_E_NOTFOUND)
        return rc;
    td_log_emit(log, TD_LOG_INFO, "no recorder is replaced: %s", err->text);
    return TD_OK;
}

/* Run one session, from the archive's lock to its summary. */
static td_result record_session(const verb_context *context, record_ui *ui, const char *path,
                                record_line *line, supervisor_status *final, td_err *err)
{
    archive *into = NULL;
    feed_setup *feeds = NULL;
    takeover of = {0};
    int replaces = 0;
    td_log log = report_log(context->report);
    archive_options options = {.io = io_posix(), .clock = ui->clock, .log = &log, .verb = "record"};
    td_result rc = line->choice.replaces ? ask_running(path, &log, &of, &replaces, err) : TD_OK;
    line->choice.replaces = 0; /* later sessions are this process's own */
    if (rc == TD_OK && !replaces)
        rc = prepare_new(path, line, &log, &feeds, err);
    if (rc == TD_OK)
        rc = archive_open(&options, path, replaces ? ARCHIVE_READ : ARCHIVE_APPEND, &into, err);
    if (rc == TD_OK) {
        ui->session = replaces ? of.session : archive_session(into);
        rc = run(ui, &into, replaces ? &of : NULL, feeds, line, &log, final, err);
    } else {
        feed_setup_close_all(feeds);
    }
    takeover_fini(&of);
    progress_end(&ui->progress);
    if (rc == TD_OK)
        print_summary(ui, archive_session(into), path, final);
    archive_close(into);
    return rc;
}

/* Reduce the bounds of duration and frames by what a session used. Returns 0 if a bound is
 * reached. */
static int reduce_bounds(recorder_config *config, const supervisor_status *done)
{
    if ((config->duration_ns != 0 && done->elapsed_ns >= config->duration_ns) ||
        (config->max_frames != 0 && done->recording.intake.frames_in >= config->max_frames))
        return 0;
    if (config->duration_ns != 0)
        config->duration_ns -= done->elapsed_ns;
    if (config->max_frames != 0)
        config->max_frames -= done->recording.intake.frames_in;
    return 1;
}

/* Run a session, and another one whenever the wall clock went back, because times within a session
 * only rise. */
static td_result record(const verb_context *context, record_line *line, td_err *err)
{
    const char *path = NULL;
    supervisor_status final = {0};
    uint64_t established = 0;
    td_err ignored;
    record_ui ui = {.clock = clock_real(), .form = line->json};
    pthread_mutex_init(&ui.mutex, NULL);
    output_init(&ui.output, stdout);
    progress_init(&ui.progress, context->report);
    service_open(&ui.manager);
    td_result rc = archive_choice_require(&line->archive, &path, err);
    if (rc == TD_OK && ui.form.is_json)
        rc = output_detach(&ui.output, err);
    int continues = rc == TD_OK;
    while (continues) {
        rc = record_session(context, &ui, path, line, &final, err);
        established += final.established;
        continues = rc == TD_OK && final.is_clock_wrong && reduce_bounds(&line->config, &final);
        ui.clock_session_mono_ns = clock_mono_ns(ui.clock) + LIMIT_CLOCK_SESSION_NS;
    }
    if (rc == TD_OK && established == 0) { /* stopped by a signal or --duration */
        rc = td_err_set(err, TD_E_NETWORK,
                        "nothing was recorded: no connection was ever established");
        td_err_hint(err, "the log lines above have the error of each attempt");
    }
    service_stopping(&ui.manager);
    service_close(&ui.manager);
    td_result written = output_finish(&ui.output, rc == TD_OK ? err : &ignored);
    pthread_mutex_destroy(&ui.mutex);
    return rc == TD_OK ? written : rc;
}

static exit_code run_line(const verb_context *context, record_line *line)
{
    td_err err;
    report_begin_log(context->report, &line->verbosity);
    td_result rc = read_config(line, &err);
    if (rc == TD_OK)
        rc = config_finish(&line->config, &err);
    if (rc == TD_OK)
        rc = check_push(&line->config, &err);
    if (rc == TD_OK) /* a refused configuration makes no folder */
        rc = feed_setup_check_all(&line->config, io_posix(), &err);
    if (rc == TD_OK)
        rc = report_detach(context->report, &err);
    if (rc == TD_OK)
        rc = record(context, line, &err);
    return rc == TD_OK ? EXIT_CODE_DONE : report_error(context->report, &err);
}

static exit_code check_line(const verb_context *context, record_line *line)
{
    td_err err;
    const char *path = NULL;
    report_apply(context->report, &line->verbosity);
    td_result rc = read_config(line, &err);
    if (rc == TD_OK)
        rc = check_push(&line->config, &err);
    if (rc == TD_OK)
        rc = archive_choice_require(&line->archive, &path, &err);
    if (rc != TD_OK)
        return report_error(context->report, &err);
    record_check *checked = NULL;
    output_stream output;
    exit_code done = EXIT_CODE_DONE;
    output_init(&output, stdout);
    rc = record_check_run(path, &line->config, &checked, &err);
    if (rc == TD_OK) {
        result_writer r;
        result_begin(&r, &output, &line->json);
        record_check_describe(checked, &r);
        result_end(&r);
        done = record_check_status(checked);
    }
    record_check_close(checked);
    return report_end(context->report, &output, rc, &err, done);
}

exit_code cmd_record(const verb_context *context, int argc, char **argv)
{
    exit_code status;
    record_line *line = td_alloc_zero(1, sizeof *line); /* too large for a stack */
    config_init(&line->config);
    config_feed_init(&line->feed);
    if (parse_line(context, line, argc, argv, &status))
        status = line->choice.only_checks ? check_line(context, line) : run_line(context, line);
    config_fini(&line->config);
    td_free(line);
    return status;
}
