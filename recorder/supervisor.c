#include "recorder/supervisor.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/random.h"
#include "cli/units.h"
#include "base/version.h"
#include "archive/archive_recover.h"
#include "archive/archive_writer.h"
#include "archive/ledger.h"
#include "format/chain.h"
#include "pipeline/chunk_queue.h"
#include "recorder/connection.h"
#include "pipeline/disk.h"
#include "recorder/feed_setup.h"
#include "pipeline/findings.h"
#include "recorder/http_feed.h"
#include "pipeline/lag.h"
#include "pipeline/free_space.h"

#define TICK_NS      (10 * TD_NS_PER_MS)
#define STATUS_NS    (100 * TD_NS_PER_MS)
#define CLOSE_MAX_NS (3 * TD_NS_PER_S)

/* Chunks between encoder and disk: at 1 MiB each some seconds of a busy feed, and a bound on
 * memory. */
enum { QUEUE_CHUNKS = 8 };

/* Size of the second ring: how far continuity may lag before it skips frames. */
enum { LIVE_CHECK_RING_BYTES = 32 << 20 };
_Static_assert(LIVE_CHECK_RING_BYTES > LIMIT_FRAME_BYTES, "the largest frame can be checked");

struct supervisor {
    supervisor_options options;
    wire_loop *loop;
    td_ring *ring;
    intake *intake;
    decoder *decoder;
    findings *findings;
    live_check *live_check;
    chunk_queue *queue;
    encoder *encoder;
    archive_writer *writer;
    uint64_t file_bytes;   /* of the session's segments, once writer is closed */
    free_space free_space; /* before disk is opened; the disk thread reads it */
    lag *lag;
    disk *disk;
    dialect_parser *answers;
    connection_env env;
    feed_setup *feeds;
    redactor **redactors;
    connection **connections;
    size_t connection_count;
    uint64_t started_mono_ns;
    atomic_int is_asked_to_stop; /* release/acquire: also set by a signal handler */
    uint8_t is_clock_wrong;      /* 1: it stops because the wall clock went back */
    td_result result;            /* the failure that stops it; TD_OK: none */
    td_err err;
};

/* ---- what the threads report ---- */

/* Disk thread, after the fdatasync of the chunk and before its catalog commit. */
static void on_durable(void *user, size_t feed_index, const sealed_chunk *chunk)
{
    supervisor *self = user;
    TD_ASSERT(feed_index < self->options.config->feed_count);
    TD_ASSERT(chunk->conn_count <= CHAIN_CONNS_MAX);
    uint64_t lag_ns = lag_durable(self->lag);
    for (uint32_t i = 0; i < chunk->conn_count; i++) {
        const chain_conn *conn = &chunk->conns[i];
        durable_count count = {.feed = self->options.config->feeds[feed_index].name,
                               .line = conn->line,
                               .shard = conn->shard,
                               .conn = conn->conn,
                               .in = conn->in,
                               .out = conn->out,
                               .lag_ns = lag_ns};
        self->options.durable(self->options.user, &count);
    }
}

/* Continuity thread: kept until the loop writes it down, which alone may use the intake. */
static void on_found(void *user, uint16_t feed_index, const event *what)
{
    supervisor *self = user;
    TD_ASSERT(feed_index < self->options.config->feed_count);
    findings_put(self->findings, feed_index, what);
    wire_loop_wake(self->loop);
}

/* ---- reports of connections ---- */

/* The first reason counts: what follows from it only repeats it. */
static void give_up(supervisor *self, td_result rc, const char *why)
{
    TD_ASSERT(rc != TD_OK);
    if (self->result != TD_OK)
        return;
    self->result = td_err_set(&self->err, rc, "%s", why);
    supervisor_stop(self);
}

/* --max-frames: stop reading at once, so that no frame more is recorded. */
static void on_frame(void *user)
{
    supervisor *self = user;
    intake_stats stats;
    if (self->options.config->max_frames == 0)
        return;
    intake_get_stats(self->intake, &stats);
    if (stats.frames_in < self->options.config->max_frames)
        return;
    for (size_t i = 0; i < self->connection_count; i++)
        connection_stop(self->connections[i], CONNECTION_STOP_AT_ONCE);
    supervisor_stop(self);
}

static void on_closed_by_peer(void *user)
{
    supervisor *self = user;
    if (!self->options.config->until_close)
        return;
    for (size_t i = 0; i < self->connection_count; i++)
        connection_stop(self->connections[i], CONNECTION_STOP_ORDERLY);
    supervisor_stop(self);
}

/* A refused feed does not end the others; the recording ends when no feed is left. */
static void on_refused(void *user, const char *why)
{
    supervisor *self = user;
    for (size_t i = 0; i < self->connection_count; i++) {
        if (!connection_is_refused(self->connections[i]))
            return;
    }
    give_up(self, TD_E_NETWORK, why);
}

static void on_strict(void *user, const char *why)
{
    give_up(user, TD_E_NETWORK, why);
}

/* HTTP requests of the feed belong to the stream that has begun now. */
static void on_live(void *user, uint16_t feed_index)
{
    supervisor *self = user;
    TD_ASSERT(feed_index < self->options.config->feed_count);
    http_feed_live(self->feeds[feed_index].http);
}

static void pause_all(void *user)
{
    supervisor *self = user;
    for (size_t i = 0; i < self->connection_count; i++)
        connection_pause(self->connections[i]);
}

static void resume_all(void *user)
{
    supervisor *self = user;
    for (size_t i = 0; i < self->connection_count; i++)
        connection_resume(self->connections[i]);
}

/* ---- opening ---- */

static td_result open_feeds(supervisor *self, td_err *err)
{
    const recorder_config *config = self->options.config;
    self->redactors = td_alloc_zero(config->feed_count, sizeof(redactor *));
    td_result rc = feed_setup_open_all(config, archive_io(self->options.archive), self->options.log,
                                       &self->feeds, err);
    for (size_t i = 0; rc == TD_OK && i < config->feed_count; i++)
        self->redactors[i] = self->feeds[i].redactor.count == 0 ? NULL : &self->feeds[i].redactor;
    return rc;
}

/* A gap of a feed opens or ends, on the network thread. */
static void on_gap(void *user, uint16_t feed_index, const gap_row *row)
{
    supervisor *self = user;
    const event gap_event = {.kind = EVENT_GAP, .gap = *row};
    intake_event(self->intake, feed_index, &gap_event);
}

/* Open the gaps of the feed's slots. They are durable before anything connects, so that a session
 * that never connects leaves them open. */
static td_result open_feed_gaps(supervisor *self, archive_view *view, size_t index,
                                const gap_list *ledger, uint64_t start_ns, td_err *err)
{
    const feed_config *feed = &self->options.config->feeds[index];
    const feed_slots_query query = {.feed = feed->name,
                                    .before_ns = start_ns,
                                    .shard_count = self->feeds[index].subscription.shard_count,
                                    .is_control_data = feed->api_key_env != NULL};
    feed_slots past = {0};
    td_result rc = feed_slots_read(view, &query, &past, err);
    const open_gaps_options options = {.feed = feed,
                                       .wanted = &self->feeds[index].subscription,
                                       .past = &past,
                                       .ledger = ledger,
                                       .start_ns = start_ns,
                                       .feed_index = (uint16_t)index,
                                       .emit = on_gap,
                                       .user = self};
    if (rc == TD_OK)
        self->feeds[index].gaps = open_gaps_open(&options);
    feed_slots_fini(&past);
    if (rc != TD_OK)
        return td_err_add(err, rc, "gaps of feed '%s'", feed->name);
    size_t count = 0;
    const gap_row *begun = open_gaps_begun(self->feeds[index].gaps, &count);
    return archive_writer_put_gaps(self->writer, begun, count, err);
}

/* Receive times are the wall clock's, whatever the archive has. */
static void warn_of_clock(const supervisor *self, archive_view *view)
{
    uint64_t end_ns = archive_view_newest_ns(view, UINT64_MAX);
    uint64_t wall_ns = clock_wall_ns(self->options.clock);
    if (wall_ns >= end_ns)
        return;
    char end[TD_TIME_TEXT_BYTES];
    char ahead[TD_TIME_TEXT_BYTES];
    td_time_format(end_ns, end);
    td_duration_format(end_ns - wall_ns, ahead);
    td_log_emit(self->options.log, TD_LOG_WARNING,
                "the archive ends at %s, %s after the wall clock's time: either the clock is wrong "
                "now, or it was wrong then; frames get the wall clock's time",
                end, ahead);
}

/* Close what a crash left open, begin the session, and look up what is known of each feed. */
static td_result open_session(supervisor *self, td_err *err)
{
    TD_ASSERT(self->writer == NULL);
    const recorder_config *config = self->options.config;
    recover_report report;
    td_result rc = archive_recover(self->options.archive, NULL, NULL, &report, err);
    if (rc == TD_OK && report.segments_recovered > 0)
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "the recorder was killed before; kept of its last segments: %s; torn: %s",
                    format_counted(report.frames_kept, "frame").text,
                    format_counted(report.torn_bytes, "byte").text);
    gap_list ledger = {0};
    if (rc == TD_OK)
        rc = archive_gaps(self->options.archive, &ledger, err);
    archive_writer_options options = {.version = TAPEDECK_VERSION,
                                      .start_ns = clock_wall_ns(self->options.clock),
                                      .durable = on_durable,
                                      .user = self,
                                      .file_bytes = &self->file_bytes};
    if (rc == TD_OK)
        rc = archive_writer_open(self->options.archive, &options, &self->writer, err);
    for (size_t i = 0; i < config->feed_count && rc == TD_OK; i++) {
        size_t index;
        rc = archive_writer_add_feed(self->writer, config->feeds[i].name,
                                     config->feeds[i].family->name, &index, err);
        TD_ASSERT(rc != TD_OK || index == i);
        /* Orders, balances and other data that only the holder of a key may see. */
        if (rc == TD_OK && self->redactors[i] != NULL)
            archive_writer_make_private(self->writer, i);
    }
    archive_view *view = NULL;
    if (rc == TD_OK)
        rc = archive_view_open(self->options.archive, VIEW_ALL, NULL, &view, err);
    for (size_t i = 0; i < config->feed_count && rc == TD_OK; i++)
        rc = open_feed_gaps(self, view, i, &ledger, options.start_ns, err);
    if (rc == TD_OK)
        warn_of_clock(self, view);
    archive_view_close(view);
    gap_list_fini(&ledger);
    return rc;
}

/* From the disk backwards, so that each thread finds the next one. */
static td_result open_threads(supervisor *self, td_err *err)
{
    /* The disk thread writes as soon as it is there. */
    TD_ASSERT(self->writer != NULL);
    TD_ASSERT(self->encoder == NULL);
    const recorder_config *config = self->options.config;
    live_check_options checking = {.config = &config->pipeline,
                                   .log = self->options.log,
                                   .session = archive_session(self->options.archive),
                                   .ring_bytes = LIVE_CHECK_RING_BYTES,
                                   .found = on_found,
                                   .user = self};
    td_result rc = td_ring_open(config->pipeline.ring_bytes, &self->ring, err);
    self->queue = chunk_queue_open(QUEUE_CHUNKS);
    self->lag = lag_open(self->options.clock, config->pipeline.commit_interval_ns, QUEUE_CHUNKS);
    if (rc == TD_OK)
        rc = findings_open(self->options.log, &self->findings, err);
    if (rc == TD_OK)
        rc = live_check_open(&checking, &self->live_check, err);
    disk_options writing = {.queue = self->queue,
                            .writer = self->writer,
                            .free_space = &self->free_space,
                            .idle_check_ns = TD_NS_PER_S};
    if (rc == TD_OK)
        rc = disk_open(&writing, &self->disk, err);
    encoder_options encoding = {.ring = self->ring,
                                .queue = self->queue,
                                .live_check = self->live_check,
                                .lag = self->lag,
                                .config = &config->pipeline,
                                .redactors = self->redactors,
                                .session = archive_session(self->options.archive),
                                .clock = self->options.clock,
                                .log = self->options.log};
    return rc == TD_OK ? encoder_open(&encoding, &self->encoder, err) : rc;
}

static void open_intake(supervisor *self)
{
    const intake_options options = {.ring = self->ring,
                                    .clock = self->options.clock,
                                    .config = &self->options.config->pipeline,
                                    .log = self->options.log,
                                    .pause = pause_all,
                                    .resume = resume_all,
                                    .user = self};
    self->intake = intake_open(&options);
}

static td_result open_slot(supervisor *self, size_t feed_index, uint32_t shard, td_err *err)
{
    TD_ASSERT(shard < self->feeds[feed_index].subscription.shard_count);
    TD_ASSERT(self->feeds[feed_index].budget != NULL);
    feed_setup *feed = &self->feeds[feed_index];
    connection_options options = {
        .env = &self->env,
        .feed = &self->options.config->feeds[feed_index],
        .feed_index = (uint16_t)feed_index,
        .shard = shard,
        .api_key = feed->api_key,
        .api_secret = feed->api_secret,
        .redactor = self->redactors[feed_index],
        .budget = feed->budget,
        .gaps = feed->gaps,
        .topic_first = feed->subscription.shards[shard],
        .shard_count = feed->subscription.shard_count,
    };
    options.topics = subscription_shard(&feed->subscription, shard, &options.topic_count);
    td_result rc = td_random_system(&options.seed, sizeof options.seed, err);
    if (rc == TD_OK)
        self->connections[self->connection_count++] = connection_open(&options);
    return rc;
}

static td_result open_slots(supervisor *self, td_err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        count += self->feeds[i].subscription.shard_count;
    self->connections = td_alloc_zero(count, sizeof(connection *));
    self->env = (connection_env){.loop = self->loop,
                                 .intake = self->intake,
                                 .decoder = self->decoder,
                                 .answers = self->answers,
                                 .clock = self->options.clock,
                                 .log = self->options.log,
                                 .frame = on_frame,
                                 .live = on_live,
                                 .closed_by_peer = on_closed_by_peer,
                                 .refused = on_refused,
                                 .strict = on_strict,
                                 .user = self};
    for (size_t i = 0; i < self->options.config->feed_count; i++) {
        for (uint32_t shard = 0; shard < self->feeds[i].subscription.shard_count; shard++) {
            td_result rc = open_slot(self, i, shard, err);
            if (rc != TD_OK)
                return rc;
        }
    }
    TD_ASSERT(self->connection_count == count);
    return TD_OK;
}

static void open_http(supervisor *self)
{
    const recorder_config *config = self->options.config;
    for (size_t i = 0; i < config->feed_count; i++) {
        http_feed_options options = {.loop = self->loop,
                                     .intake = self->intake,
                                     .clock = self->options.clock,
                                     .log = self->options.log,
                                     .feed = &config->feeds[i],
                                     .feed_index = (uint16_t)i,
                                     .redactor = self->redactors[i]};
        self->feeds[i].http = http_feed_open(&options);
    }
}

td_result supervisor_open(const supervisor_options *options, supervisor **out, td_err *err)
{
    TD_ASSERT(options->config->feed_count > 0);
    TD_ASSERT(options->config->feed_count <= LIMIT_FEEDS);
    TD_ASSERT(options->archive != NULL);
    supervisor *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->free_space = (free_space){.io = archive_io(options->archive),
                                    .path = archive_path(options->archive),
                                    .min_bytes = options->config->pipeline.min_free_bytes};
    /* Before anything is written, recovery included. */
    td_result rc = free_space_check(&self->free_space, err);
    if (rc == TD_OK)
        rc = open_feeds(self, err);
    self->decoder = decoder_open();
    self->answers = dialect_parser_open();
    if (rc == TD_OK)
        rc = wire_loop_open(options->clock, options->log, &self->loop, err);
    if (rc == TD_OK)
        rc = open_session(self, err);
    if (rc == TD_OK)
        rc = open_threads(self, err);
    if (rc == TD_OK) {
        open_intake(self);
        open_http(self);
        rc = open_slots(self, err);
    }
    if (rc != TD_OK) {
        supervisor_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

/* ---- running ---- */

void supervisor_stop(supervisor *self)
{
    atomic_store_explicit(&self->is_asked_to_stop, 1, memory_order_release);
    wire_loop_wake(self->loop);
}

static uint64_t elapsed_ns(const supervisor *self)
{
    return clock_mono_ns(self->options.clock) - self->started_mono_ns;
}

/* Numbers of several threads, each right by itself; together they may be a frame apart. */
static void fill_status(const supervisor *self, supervisor_status *out)
{
    TD_ASSERT(self->ring != NULL);
    TD_ASSERT(self->encoder != NULL);
    memset(out, 0, sizeof *out);
    intake_get_stats(self->intake, &out->intake);
    encoder_get_stats(self->encoder, &out->encoder);
    out->intake.frames_dropped += out->encoder.discarded;
    out->intake.gaps += out->encoder.discarded_gaps;
    live_check_get_stats(self->live_check, &out->live_check);
    lag_get_stats(self->lag, &out->lag);
    out->ring_percent = td_ring_used_bytes(self->ring) * 100 / td_ring_capacity_bytes(self->ring);
    out->feeds = self->options.config->feed_count;
    out->live = out->feeds;
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        out->http_failures += http_feed_failures(self->feeds[i].http);
    uint16_t waiting_feed = UINT16_MAX; /* connections stand feed by feed */
    for (size_t i = 0; i < self->connection_count; i++) {
        out->established += (uint64_t)connection_was_open(self->connections[i]);
        uint16_t feed = connection_feed_index(self->connections[i]);
        if (connection_is_live(self->connections[i]) || feed == waiting_feed)
            continue;
        waiting_feed = feed;
        out->live--;
    }
    out->elapsed_ns = elapsed_ns(self);
}

static void record_findings(supervisor *self)
{
    uint16_t feed_index;
    event gap;
    while (findings_next(self->findings, &feed_index, &gap))
        (void)intake_event(self->intake, feed_index, &gap); /* its time is not needed */
}

/* Looked at once per turn of the loop, so a stop takes at most a tick. */
static int is_over(const supervisor *self)
{
    if (atomic_load_explicit(&self->is_asked_to_stop, memory_order_acquire) ||
        chunk_queue_has_failed(self->queue) || disk_must_end(self->disk) || self->is_clock_wrong)
        return 1;
    uint64_t duration_ns = self->options.config->duration_ns;
    return duration_ns != 0 && elapsed_ns(self) >= duration_ns;
}

/* The session's times are wrong and cannot be corrected: log that, and end the session normally. */
static void end_for_clock(supervisor *self)
{
    if (self->is_clock_wrong || !intake_is_clock_wrong(self->intake) ||
        clock_mono_ns(self->options.clock) < self->options.clock_session_mono_ns)
        return;
    self->is_clock_wrong = 1;
    td_log_emit(self->options.log, TD_LOG_WARNING,
                "this session ends, and a new session begins with the wall clock's time");
}

/* Until a peer closes: where no connection comes about, there is nothing that could close. */
static void end_without_peer(supervisor *self)
{
    const recorder_config *config = self->options.config;
    uint64_t timeout_ns = 0;
    if (!config->until_close)
        return;
    for (size_t i = 0; i < config->feed_count; i++) {
        if (config->feeds[i].connect_timeout_ns > timeout_ns)
            timeout_ns = config->feeds[i].connect_timeout_ns;
    }
    if (elapsed_ns(self) < timeout_ns)
        return;
    for (size_t i = 0; i < self->connection_count; i++) {
        if (connection_was_open(self->connections[i]))
            return;
    }
    supervisor_stop(self);
}

/* Record and log that chunks began or ceased to be late. */
static void report_lag(supervisor *self, lag_change change, const lag_stretch *stretch)
{
    if (change == LAG_UNCHANGED)
        return;
    const event overload = {.kind = EVENT_OVERLOAD,
                            .what = EVENT_OVERLOAD_DURABILITY,
                            .state = change == LAG_BEGINS ? "begins" : "ends",
                            .from_ns = stretch->from_ns,
                            .to_ns = change == LAG_BEGINS ? 0 : stretch->to_ns,
                            .frames = change == LAG_BEGINS ? 0 : stretch->frames,
                            .lag_ns = stretch->worst_ns};
    intake_event_all(self->intake, &overload);
    if (change == LAG_BEGINS)
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "frames are not durable after %.3f s; commit_interval is %.3f s",
                    (double)stretch->worst_ns / 1e9,
                    (double)self->options.config->pipeline.commit_interval_ns / 1e9);
    else
        td_log_emit(self->options.log, TD_LOG_INFO,
                    "frames are durable in time again; they became so up to %.3f s after receipt",
                    (double)stretch->worst_ns / 1e9);
}

static void tick(supervisor *self, uint64_t *status_at_ns)
{
    uint64_t mono_ns = clock_mono_ns(self->options.clock);
    lag_stretch slow;
    intake_tick(self->intake);
    end_for_clock(self);
    end_without_peer(self);
    record_findings(self);
    report_lag(self, lag_check(self->lag, &slow), &slow);
    if (mono_ns >= *status_at_ns) {
        supervisor_status status;
        fill_status(self, &status);
        self->options.status(self->options.user, &status);
        *status_at_ns = mono_ns + STATUS_NS;
    }
}

/* Write the session's event at the head of each feed's tape. */
static void log_session(supervisor *self, const char *state)
{
    event session = {.kind = EVENT_SESSION,
                     .session = archive_session(self->options.archive),
                     .state = state,
                     .verb = "record",
                     .version = TAPEDECK_VERSION,
                     .start_ns = clock_wall_ns(self->options.clock)};
    intake_event_all(self->intake, &session);
}

/* Of several errors while stopping, the first is the cause. */
static void keep_first(supervisor *self, td_result rc, const td_err *err)
{
    if (rc == TD_OK || self->result != TD_OK)
        return;
    self->result = rc;
    self->err = *err;
}

static td_result serve_loop(supervisor *self, td_err *err)
{
    uint64_t status_at_ns = 0;
    while (!is_over(self)) {
        td_result rc = wire_loop_run(self->loop, TICK_NS, err);
        if (rc != TD_OK)
            return rc;
        tick(self, &status_at_ns);
    }
    return TD_OK;
}

static int are_all_down(const supervisor *self)
{
    for (size_t i = 0; i < self->connection_count; i++) {
        if (!connection_is_down(self->connections[i]))
            return 0;
    }
    return 1;
}

static void stop_http(supervisor *self)
{
    for (size_t i = 0; self->feeds != NULL && i < self->options.config->feed_count; i++)
        if (self->feeds[i].http != NULL)
            http_feed_stop(self->feeds[i].http);
}

/* Close with the handshake; connections that do not answer in time end when the loop closes. */
static void close_connections(supervisor *self)
{
    td_err err;
    uint64_t until_ns = clock_mono_ns(self->options.clock) + CLOSE_MAX_NS;
    stop_http(self);
    for (size_t i = 0; i < self->connection_count; i++)
        connection_stop(self->connections[i], CONNECTION_STOP_ORDERLY);
    while (!are_all_down(self) && clock_mono_ns(self->options.clock) < until_ns) {
        if (wire_loop_run(self->loop, TICK_NS, &err) != TD_OK)
            break;
        intake_tick(self->intake);
    }
}

/* Wait until everything received is encoded and checked, so that what the check found is recorded.
 */
static void drain(supervisor *self)
{
    intake_rest(self->intake);
    while (!chunk_queue_has_failed(self->queue) &&
           (td_ring_used_bytes(self->ring) > 0 || !live_check_is_idle(self->live_check)))
        clock_sleep_until(self->options.clock, clock_mono_ns(self->options.clock) + TD_NS_PER_MS);
    intake_tick(self->intake);
    record_findings(self);
}

td_result supervisor_run(supervisor *self, supervisor_status *final, td_err *err)
{
    td_err failure;
    self->started_mono_ns = clock_mono_ns(self->options.clock);
    log_session(self, "starts");
    for (size_t i = 0; i < self->connection_count; i++)
        connection_start(self->connections[i]);
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        http_feed_start(self->feeds[i].http);
    keep_first(self, serve_loop(self, &failure), &failure);
    close_connections(self);
    drain(self);
    lag_stretch slow;
    report_lag(self, lag_stop(self->lag, &slow), &slow);
    log_session(self, "stops");
    intake_stop(self->intake);
    td_result encoded = encoder_join(self->encoder, &failure);
    keep_first(self, encoded, &failure);
    td_err end_reason;
    td_result rc = disk_close(self->disk, &end_reason, &failure);
    self->disk = NULL;
    keep_first(self, rc, &failure);
    fill_status(self, final);
    final->is_clock_wrong = self->is_clock_wrong && self->result == TD_OK &&
                            !atomic_load_explicit(&self->is_asked_to_stop, memory_order_acquire);
    /* Only what has all been written may be called a clean stop; else the next session finds the
     * gap. */
    int is_whole = encoded == TD_OK && rc == TD_OK;
    rc = archive_writer_close(self->writer, is_whole ? WRITER_STOP : WRITER_ABANDON,
                              clock_wall_ns(self->options.clock), &failure);
    self->writer = NULL;
    final->file_bytes = self->file_bytes;
    keep_first(self, rc, &failure);
    /* Little disk space left, or the lock lost: a normal stop with an error as its result. */
    keep_first(self, end_reason.code, &end_reason);
    if (self->result != TD_OK && err != NULL)
        *err = self->err;
    return self->result;
}

void supervisor_close(supervisor *self)
{
    td_err ignored;
    if (self == NULL)
        return;
    /* Threads first: they use all the rest. The encoder ends the disk's queue, unless opening
     * failed before there was one. */
    int is_queue_ended = self->encoder != NULL;
    encoder_close(self->encoder);
    if (self->disk != NULL && !is_queue_ended)
        chunk_queue_push(self->queue, NULL);
    td_result opened_half = disk_close(self->disk, &ignored, &ignored);
    (void)opened_half; /* nothing was recorded, and the first error is returned */
    live_check_close(self->live_check);
    stop_http(self);
    wire_loop_close(self->loop);
    for (size_t i = 0; i < self->connection_count; i++)
        connection_close(self->connections[i]);
    td_free(self->connections);
    lag_close(self->lag);
    td_result abandoned = archive_writer_close(self->writer, WRITER_ABANDON, 0, &ignored);
    (void)abandoned; /* as above: after a good run the writer is closed already */
    intake_close(self->intake);
    findings_close(self->findings);
    chunk_queue_close(self->queue);
    td_ring_close(self->ring);
    decoder_close(self->decoder);
    dialect_parser_close(self->answers);
    feed_setup_close_all(self->feeds, self->options.config->feed_count);
    td_free(self->redactors);
    td_free(self);
}
