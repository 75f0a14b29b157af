#include "verbs/record_status.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/process_memory.h"
#include "base/version.h"
#include "view/server.h"

struct record_status {
    record_control *control;
    const archive *archive;
    uint64_t started_ns; /* wall clock */
    view_server *server;
};

/* All that an answer shows, of about one moment. */
typedef struct moment {
    supervisor_status status;
    supervisor_feed feeds[LIMIT_FEEDS];
    size_t feed_count;
} moment;

/* ---- metrics ---- */

/* A number of a struct, divided by `scale`. */
typedef struct metric {
    const char *name, *type, *help;
    size_t offset; /* of a uint64_t in supervisor_status, or in supervisor_feed */
    double scale;
} metric;

#define OF_ALL(member) offsetof(supervisor_status, member), 1
static const metric METRICS[] = {
    {"tapedeck_session_seconds", "gauge", "Time since the session began.",
     offsetof(supervisor_status, elapsed_ns), 1e9},
    {"tapedeck_frames_received_total", "counter", "Frames received.",
     OF_ALL(recording.intake.frames_in)},
    {"tapedeck_frames_sent_total", "counter", "Frames sent.", OF_ALL(recording.intake.frames_out)},
    {"tapedeck_received_bytes_total", "counter", "Bytes of received frames.",
     OF_ALL(recording.intake.bytes_in)},
    {"tapedeck_frames_dropped_total", "counter", "Received frames that were dropped by overload.",
     OF_ALL(recording.intake.frames_dropped)},
    {"tapedeck_gaps_total", "counter", "Gaps that were opened.", OF_ALL(recording.intake.gaps)},
    {"tapedeck_books_broken", "gauge", "Books that are broken now.",
     OF_ALL(recording.live_check.broken)},
    {"tapedeck_violations_total", "counter", "Frames that broke a continuity rule.",
     OF_ALL(recording.live_check.violations)},
    {"tapedeck_frames_unchecked_total", "counter", "Frames that the live check skipped.",
     OF_ALL(recording.live_check.skipped)},
    {"tapedeck_http_replies_total", "counter", "Recorded HTTP replies.",
     OF_ALL(recording.intake.http_replies)},
    {"tapedeck_http_failures_total", "counter", "HTTP requests that failed.",
     OF_ALL(http_failures)},
    {"tapedeck_chunks_total", "counter", "Chunks written.", OF_ALL(recording.encoder.chunks)},
    {"tapedeck_chunk_bytes_total", "counter", "Compressed bytes of all chunks.",
     OF_ALL(recording.encoder.compressed_bytes)},
    {"tapedeck_chunks_late_total", "counter",
     "Chunks that became durable later than commit_interval.", OF_ALL(recording.lag.late_chunks)},
    {"tapedeck_durable_lag_seconds", "gauge",
     "Age of the oldest frame of the last chunk when it was durable, or of the oldest waiting one.",
     offsetof(supervisor_status, recording.lag.last_ns), 1e9},
    {"tapedeck_ring_used_ratio", "gauge", "How full the queue to the disk is.",
     offsetof(supervisor_status, recording.ring_percent), 100},
};

#define OF_FEED(member) offsetof(supervisor_feed, member), 1
static const metric FEED_METRICS[] = {
    {"tapedeck_feed_topics", "gauge", "Subscribed topics.", OF_FEED(topics)},
    {"tapedeck_feed_topics_granted", "gauge", "Topics that the exchange has granted.",
     OF_FEED(topics_granted)},
    {"tapedeck_feed_topics_silent", "gauge", "Granted topics without a frame on their connections.",
     OF_FEED(topics_silent)},
    {"tapedeck_feed_topics_overdue", "gauge",
     "Silent topics that should have sent a frame for over a minute.", OF_FEED(topics_overdue)},
    {"tapedeck_feed_topics_refused", "gauge", "Topics that the exchange has refused.",
     OF_FEED(topics_refused)},
    {"tapedeck_feed_connections", "gauge", "Connections that should be open.",
     OF_FEED(connections)},
    {"tapedeck_feed_connections_live", "gauge", "Connections with all subscriptions answered.",
     OF_FEED(live_connections)},
    {"tapedeck_feed_connections_down", "gauge", "Connections that are not live for over 30 s.",
     OF_FEED(down_connections)},
    {"tapedeck_feed_connects_total", "counter", "Connections that were opened.", OF_FEED(connects)},
    {"tapedeck_feed_end_notices_total", "counter",
     "Notices of the exchange that it ends a connection.", OF_FEED(end_notices)},
    {"tapedeck_feed_frames_received_total", "counter", "Frames received.", OF_FEED(frames)},
    {"tapedeck_feed_last_data_timestamp_seconds", "gauge", "Time of the last data; 0: none yet.",
     offsetof(supervisor_feed, last_data_ns), 1e9},
};

static void put_head(td_buf *out, const char *name, const char *type, const char *help)
{
    (void)!td_buf_printf(out, NULL, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put(td_buf *out, const char *name, const char *type, const char *help, double value)
{
    put_head(out, name, type, help);
    (void)!td_buf_printf(out, NULL, "%s %.15g\n", name, value);
}

static double number_at(const void *of, const metric *row)
{
    uint64_t value;
    memcpy(&value, (const char *)of + row->offset, sizeof value);
    return (double)value / row->scale;
}

/* Names of feeds need no escapes (feed_name_is_valid). */
static void put_feeds(td_buf *out, const moment *now, const metric *row)
{
    put_head(out, row->name, row->type, row->help);
    for (size_t i = 0; i < now->feed_count; i++)
        (void)!td_buf_printf(out, NULL, "%s{feed=\"%s\",family=\"%s\"} %.15g\n", row->name,
                             now->feeds[i].name, now->feeds[i].family,
                             number_at(&now->feeds[i], row));
}

static td_result count_entry(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    (void)name;
    (void)kind;
    (void)err;
    ++*(double *)user;
    return TD_OK;
}

static double count_open_files(void)
{
    double count = -1; /* without the folder itself */
    (void)!td_io_list(io_posix(), "/proc/self/fd", count_entry, &count, NULL);
    return count;
}

/* The metrics that every process has by Prometheus' conventions. */
static void put_process(const record_status *self, td_buf *out)
{
    struct rusage used = {0};
    struct rlimit files = {0};
    const process_memory_sizes memory = process_memory();
    (void)getrusage(RUSAGE_SELF, &used);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    put(out, "process_cpu_seconds_total", "counter", "Processor time, of user and system.",
        (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
            (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    put(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
        (double)memory.resident_bytes);
    put(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
        (double)memory.virtual_bytes);
    put(out, "process_open_fds", "gauge", "Open file descriptors.", count_open_files());
    put(out, "process_max_fds", "gauge", "Limit of open file descriptors.", (double)files.rlim_cur);
    put(out, "process_start_time_seconds", "gauge", "When the session began.",
        (double)self->started_ns / 1e9);
}

static void put_reload(record_control *of, td_buf *out)
{
    pthread_mutex_lock(&of->mutex);
    put(out, "tapedeck_config_last_reload_successful", "gauge",
        "1: the last reading of the configuration was used.", of->reload_error == NULL);
    put(out, "tapedeck_config_last_reload_timestamp_seconds", "gauge",
        "When the configuration was last read again; 0: never.", (double)of->reload_ns / 1e9);
    pthread_mutex_unlock(&of->mutex);
}

static void put_disk(const record_status *self, td_buf *out)
{
    td_space space;
    if (td_io_space(archive_io(self->archive), archive_path(self->archive), &space, NULL) != TD_OK)
        return;
    put(out, "tapedeck_disk_free_bytes", "gauge", "Free space of the archive's file system.",
        (double)space.free_bytes);
    put(out, "tapedeck_disk_size_bytes", "gauge", "Size of the archive's file system.",
        (double)space.total_bytes);
}

/* A label's value, escaped as the text format requires. */
static void put_label(td_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\' || *text == '\n')
            td_buf_add(out, "\\", 1);
        td_buf_add(out, *text == '\n' ? "n" : text, 1);
    }
}

static void answer_metrics(const record_status *self, const moment *now, view_reply *reply)
{
    td_buf *out = &reply->body;
    reply->type = "text/plain; version=0.0.4; charset=utf-8";
    put_head(out, "tapedeck_build_info", "gauge", "1; the labels are the version and the archive.");
    (void)!td_buf_printf(out, NULL, "tapedeck_build_info{version=\"%s\",archive=\"",
                         TAPEDECK_VERSION);
    put_label(out, archive_path(self->archive));
    (void)!td_buf_printf(out, NULL, "\"} 1\n");
    for (size_t i = 0; i < sizeof METRICS / sizeof METRICS[0]; i++)
        put(out, METRICS[i].name, METRICS[i].type, METRICS[i].help,
            number_at(&now->status, &METRICS[i]));
    for (size_t i = 0; i < sizeof FEED_METRICS / sizeof FEED_METRICS[0]; i++)
        put_feeds(out, now, &FEED_METRICS[i]);
    put_disk(self, out);
    put_reload(self->control, out);
    put_process(self, out);
}

/* ---- health ---- */

/* A recorder is unhealthy if it loses data now, or soon will. */
enum { RING_PERCENT_MAX = 90 };
#define LAG_NS_MAX (10 * TD_NS_PER_S)

static void answer_health(const moment *now, view_reply *reply)
{
    td_buf *out = &reply->body;
    const recording_stats *of = &now->status.recording;
    reply->type = "text/plain; charset=utf-8";
    for (size_t i = 0; i < now->feed_count; i++)
        if (now->feeds[i].down_connections > 0)
            (void)!td_buf_printf(
                out, NULL,
                "feed %s: %" PRIu64 " of %" PRIu64 " connections are not live for over 30 s\n",
                now->feeds[i].name, now->feeds[i].down_connections, now->feeds[i].connections);
    if (of->lag.last_ns > LAG_NS_MAX)
        (void)!td_buf_printf(out, NULL, "frames are not durable for %.1f s\n",
                             (double)of->lag.last_ns / 1e9);
    if (of->ring_percent > RING_PERCENT_MAX)
        (void)!td_buf_printf(out, NULL, "the queue to the disk is %" PRIu64 " %% full\n",
                             of->ring_percent);
    reply->status = out->size > 0 ? 503 : 200;
    if (out->size == 0)
        td_buf_add(out, "ok\n", 3);
}

/* ---- requests ---- */

/* The control socket's answer, without its first line. */
static void answer_status(record_control *of, view_reply *reply)
{
    td_buf answer;
    td_buf_init(&answer, CONTROL_ANSWER_BYTES);
    record_control_answer(of, "status json", &answer);
    const uint8_t *end = memchr(answer.data, '\n', answer.size);
    const size_t head = end == NULL ? answer.size : (size_t)(end - answer.data) + 1;
    if (head == 2 && answer.data[0] == '0') {
        reply->type = "application/json";
        td_buf_add(&reply->body, answer.data + head, answer.size - head);
    } else {
        view_reply_fail(reply, 503, "the recorder is starting or ending");
    }
    td_buf_fini(&answer);
}

static void answer(void *user, view_request *request, view_reply *reply)
{
    const record_status *self = user;
    const int is_metrics = strcmp(request->path, "metrics") == 0;
    td_err err;
    reply->status = 200;
    if (strcmp(request->path, "status") == 0) {
        answer_status(self->control, reply);
        return;
    }
    if (!is_metrics && strcmp(request->path, "healthz") != 0) {
        view_reply_fail(reply, 404, "there are /metrics, /healthz and /status");
        return;
    }
    moment *now = td_alloc_zero(1, sizeof *now);
    if (supervisor_get_status(self->control->recorder, &now->status, now->feeds, &now->feed_count,
                              &err) != TD_OK)
        view_reply_fail(reply, 503, err.text);
    else if (is_metrics)
        answer_metrics(self, now, reply);
    else
        answer_health(now, reply);
    td_free(now);
}

/* ---- life ---- */

td_result record_status_open(const char *listen, record_control *of, const archive *into,
                             record_status **out, td_err *err)
{
    record_status *made = td_alloc_zero(1, sizeof *made);
    *made =
        (record_status){.control = of, .archive = into, .started_ns = clock_wall_ns(clock_real())};
    const view_server_options options = {.listen = listen,
                                         .option = "--status-listen",
                                         .audience = VIEW_FOR_MACHINES,
                                         .answer = answer,
                                         .user = made};
    td_result rc = view_server_open(&options, &made->server, err);
    if (rc != TD_OK) {
        td_free(made);
        return rc;
    }
    *out = made;
    return TD_OK;
}

const char *record_status_url(const record_status *self)
{
    return view_server_url(self->server);
}

void record_status_close(record_status *self)
{
    if (self == NULL)
        return;
    view_server_close(self->server);
    td_free(self);
}
