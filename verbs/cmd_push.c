/* tapedeck push: copies an archive to an S3 store, and proves what is there; with --every, until it
 * is stopped. */
#include <stddef.h>

#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/cli/stop_signal.h"
#include "base/cli/units.h"
#include "remote/move.h"
#include "remote/push.h"
#include "remote/s3_store.h"

#define EVERY_NS_MIN (10 * TD_NS_PER_S)

/* A signal is noticed within this time. */
static const uint64_t WAIT_NS = 200 * TD_NS_PER_MS;

typedef struct push_line {
    uint64_t every_ns;      /* 0: once */
    uint64_t move_after_ns; /* 0: segments stay */
} push_line;

static const option_row PUSH_ROWS[] = {
    {.long_name = "every",
     .type = OPTION_DURATION,
     .offset = offsetof(push_line, every_ns),
     .min = EVERY_NS_MIN,
     .metavar = "DURATION",
     .help = "push again at this interval, until interrupted: 5m"},
    {.long_name = "then-remove-after",
     .type = OPTION_DURATION,
     .offset = offsetof(push_line, move_after_ns),
     .min = 1,
     .metavar = "DURATION",
     .help = "remove segments from the archive's folder that the store has and whose last\n"
             "frame is older than this, counted from the newest frame: 7d"},
};

/* The state of one run. */
typedef struct push_run {
    verb_run *verb;
    const push_line *line;
    const char *url;
    stop_signal *signals; /* NULL: a signal ends the process */
} push_run;

static void show_progress(void *user, uint64_t done_bytes, uint64_t all_bytes)
{
    const push_run *p = user;
    progress_show_part(&p->verb->progress, "push", done_bytes, all_bytes,
                       format_size(done_bytes).text, format_size(all_bytes).text);
}

static int is_stopped(void *user)
{
    const push_run *p = user;
    return stop_signal_arrived(p->signals);
}

static void describe(const push_run *p, const push_report *report, const move_report *moved,
                     s3_traffic traffic)
{
    result_writer *r = &p->verb->result;
    result_object_begin(r, NULL);
    result_text(r, "archive", archive_path(p->verb->archive));
    result_text(r, "store", p->url);
    result_count(r, "manifest", report->manifest);
    result_bool(r, "is_new", report->is_new);
    result_note(r, "done", "%s", report->is_new ? "pushed" : "nothing to push:");
    result_count(r, "segments_sent", report->segments_sent);
    result_size(r, "bytes_sent", report->bytes_sent);
    result_count(r, "segments", report->segments);
    result_size(r, "bytes", report->bytes);
    result_count(r, "segments_open", report->segments_open);
    result_size(r, "catalog_bytes", report->catalog_bytes);
    result_count(r, "segments_not_cataloged", report->segments_not_cataloged);
    result_count(r, "segments_moved", moved->segments);
    result_size(r, "bytes_moved", moved->bytes);
    result_count(r, "segments_unproven", moved->segments_unproven);
    result_count(r, "segments_noted", moved->segments_noted);
    result_count(r, "requests", traffic.requests);
    result_object_end(r, "{done}[ {segments_sent segment}, {bytes_sent};] "
                         "the store has {segments segment}, {bytes} (manifest {manifest})\n"
                         "[not finished, so not sent: {segments_open segment}\n]"
                         "[not in the store's catalog: {segments_not_cataloged segment}; run "
                         "'tapedeck reindex', and push again\n]"
                         "[removed from {archive}: {segments_moved segment}, {bytes_moved}\n]"
                         "[not removed, because the store's copy is not proven: "
                         "{segments_unproven segment}\n]"
                         "[not removed, because notes keep them: {segments_noted segment}\n]");
    output_flush(&p->verb->output);
}

/* Remove old segments that the store has. Only a maintainer may, so the folder is opened for it. */
static td_result move_old(const push_run *p, s3_store *to, move_report *report)
{
    verb_run *verb = p->verb;
    archive *from = NULL;
    const archive_options opening = {
        .io = io_posix(), .clock = verb->clock, .log = &verb->log, .verb = "push"};
    td_result rc =
        archive_open(&opening, archive_path(verb->archive), ARCHIVE_MAINTAIN, &from, &verb->err);
    if (rc == TD_OK)
        rc = remote_move(from, to, p->url, p->line->move_after_ns, report, &verb->err);
    archive_close(from);
    return rc;
}

/* Log an error with its hint, and drop it. */
static void warn(verb_run *verb)
{
    td_log_emit(&verb->log, TD_LOG_WARNING, "%s%s%s", verb->err.text,
                verb->err.hint[0] == '\0' ? "" : "; hint: ", verb->err.hint);
    td_err_clear(&verb->err);
}

/* Push once. The store is opened each time, so that renewed credentials are used. TD_EOF: stopped.
 */
static td_result push_once(push_run *p)
{
    verb_run *verb = p->verb;
    const s3_options store = {.url = p->url, .log = &verb->log};
    const push_options options = {.progress = show_progress, .is_stopped = is_stopped, .user = p};
    s3_store *to = NULL;
    push_report report = {0};
    move_report moved = {0};
    td_result rc = s3_store_open(&store, &to, &verb->err);
    if (rc == TD_OK)
        rc = remote_push(verb->archive, to, &options, &report, &verb->err);
    progress_end(&verb->progress);
    const int is_pushed = rc == TD_OK;
    if (rc == TD_OK && p->line->move_after_ns != 0)
        rc = move_old(p, to, &moved);
    if (is_pushed && (p->line->every_ns == 0 || report.is_new || moved.segments > 0))
        describe(p, &report, &moved, s3_store_traffic(to));
    s3_store_close(to);
    if (is_pushed && rc != TD_OK && p->line->every_ns != 0) { /* the next push removes them */
        warn(verb);
        rc = TD_OK;
    }
    return rc;
}

/* 1 if a later push may succeed. */
static int may_pass(td_result rc)
{
    return rc == TD_E_BUSY || rc == TD_E_IO || rc == TD_E_NOSPACE;
}

static void wait_until(const push_run *p, uint64_t due_ns)
{
    const td_clock clock = p->verb->clock;
    uint64_t now_ns;
    while (!stop_signal_arrived(p->signals) && (now_ns = clock_mono_ns(clock)) < due_ns)
        clock_sleep_until(clock, due_ns - now_ns < WAIT_NS ? due_ns : now_ns + WAIT_NS);
}

/* Push at each interval until a signal or a failure that does not pass. */
static td_result push_again(push_run *p)
{
    verb_run *verb = p->verb;
    td_result rc = TD_OK;
    for (uint64_t due_ns = 0; rc == TD_OK && !stop_signal_arrived(p->signals);) {
        wait_until(p, due_ns);
        due_ns = clock_mono_ns(verb->clock) + p->line->every_ns;
        rc = stop_signal_arrived(p->signals) ? TD_EOF : push_once(p);
        if (output_is_broken(&verb->output))
            break;
        if (may_pass(rc)) {
            warn(verb);
            rc = TD_OK;
        }
    }
    return rc == TD_EOF ? TD_OK : rc;
}

static td_result run_push(verb_run *verb)
{
    const push_line *line = verb->state;
    push_run p = {.verb = verb, .line = line, .url = verb->operands.items[0]};
    if (line->move_after_ns != 0 && archive_is_url(archive_path(verb->archive)))
        return td_err_set(&verb->err, TD_E_UNSUPPORTED,
                          "--then-remove-after needs an archive's folder");
    if (line->every_ns == 0)
        return push_once(&p);
    report_begin_log(verb->report, &verb->verbosity);
    stop_signal_block(0);
    td_result rc = stop_signal_open(&(stop_signal_calls){0}, &p.signals, &verb->err);
    if (rc == TD_OK)
        rc = push_again(&p);
    stop_signal_close(p.signals);
    return rc;
}

exit_code cmd_push(const verb_context *context, int argc, char **argv)
{
    push_line line = {0};
    const verb_spec spec = {
        .name = "push",
        .summary = "Copy finished segments, the journal and the catalog to an S3 store.",
        .statuses = {[EXIT_CODE_DONE] = "done; with --every: stopped",
                     [EXIT_CODE_FAILED] = "there is no such archive, or the store refuses"},
        .examples = "tapedeck push archive s3://bucket/archive\n"
                    "tapedeck push archive s3://bucket/archive --every 5m --then-remove-after 7d",
        .operands = "[ARCHIVE] s3://BUCKET/PREFIX",
        .operand_min = 1,
        .operand_max = 1,
        .takes = VERB_TAKES_JSON,
        .own = {{"Pushing", PUSH_ROWS, sizeof PUSH_ROWS / sizeof PUSH_ROWS[0], &line}},
        .mode = ARCHIVE_READ,
        .work = run_push};
    return verb_run_main(&spec, &line, context, argc, argv);
}
