/* Everything that must stand before the first connection is made, from the disk backwards, and what
 * its parts tell each other. */
#include "recorder/supervisor_impl.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/random.h"
#include "cli/units.h"
#include "cli/version.h"
#include "format/archive_newest.h"
#include "format/archive_recover.h"
#include "format/ledger.h"

/* Chunks between encoder and disk: at 1 MiB each some seconds of a busy feed, and a bound on
 * memory. */
enum { QUEUE_CHUNKS = 8 };

/* Behind the second ring: continuity may lag by so much before it skips. */
enum { WATCH_RING_BYTES = 32 << 20 };
_Static_assert(WATCH_RING_BYTES > LIMIT_FRAME_BYTES, "the largest frame can be watched");

/* ---- what the threads tell ---- */

/* Disk thread, behind the fdatasync of the chunk and before its catalog commit. */
static void on_durable(void *user, size_t feed_index, const sealed_chunk *chunk)
{
    supervisor *self = user;
    TD_ASSERT(feed_index < self->options.config->feed_count);
    TD_ASSERT(chunk->conn_count <= LIMIT_FEED_SLOTS);
    uint64_t lag_ns = lag_durable(self->lag);
    if (self->options.durable == NULL)
        return;
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

/* Disk or encoder thread: the loop must look, for it may sleep until its next tick. */
static void on_thread_failed(void *user)
{
    supervisor *self = user;
    atomic_store_explicit(&self->has_thread_failed, 1, memory_order_release);
    wire_loop_wake(self->loop);
}

/* Disk thread, once: everything that is received can still be written; the loop stops in order. */
static void on_must_end(void *user, const td_err *why)
{
    supervisor *self = user;
    TD_ASSERT(why->code != TD_OK);
    self->end_reason = *why;
    atomic_store_explicit(&self->must_end, 1, memory_order_release);
    wire_loop_wake(self->loop);
}

/* Continuity thread: kept until the loop writes it down, which alone may use the intake. */
static void on_found(void *user, const watch_finding *finding)
{
    supervisor *self = user;
    TD_ASSERT(finding->feed_index < self->options.config->feed_count);
    findings_put(self->findings, finding);
    wire_loop_wake(self->loop);
}

/* ---- what connections tell ---- */

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

/* One feed that is refused does not end the others; nobody left does. */
static void on_refused(void *user, const connection *who, const char *why)
{
    supervisor *self = user;
    (void)who;
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

/* What the feed asks for over HTTP belongs to the stream that has begun now. */
static void on_live(void *user, uint16_t feed_index)
{
    supervisor *self = user;
    TD_ASSERT(feed_index < self->options.config->feed_count);
    if (self->http[feed_index] != NULL)
        http_feed_live(self->http[feed_index]);
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

/* What no row knows is recorded all the same (the exchange may have something new), but whoever
 * misspelt a topic, or means another family, should not learn it from the recording. */
static void warn_of_unknown(const supervisor *self, size_t index)
{
    const feed_config *feed = &self->options.config->feeds[index];
    const subscription *wanted = &self->feeds[index].subscription;
    const char *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < wanted->topic_count; i++) {
        td_bytes symbol;
        if (subscription_row_of(feed->family, wanted->topics[i], &symbol) != NULL)
            continue;
        first = first == NULL ? wanted->topics[i] : first;
        count++;
    }
    if (count > 0)
        td_log_say(self->options.log, TD_LOG_WARNING,
                   "%s: topic '%s'%s is not known to family %s: its frames will be kept raw",
                   feed->name, first, count > 1 ? " (and others)" : "", feed->family->name);
}

static td_result open_feeds(supervisor *self, td_err *err)
{
    const recorder_config *config = self->options.config;
    self->redactors = td_alloc_zero(config->feed_count, sizeof(redactor *));
    if (self->redactors == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu feeds", config->feed_count);
    td_result rc =
        feed_setup_open_all(config, archive_io(self->options.archive), &self->feeds, err);
    for (size_t i = 0; rc == TD_OK && i < config->feed_count; i++)
        self->redactors[i] = self->feeds[i].redactor.count == 0 ? NULL : &self->feeds[i].redactor;
    for (size_t i = 0; rc == TD_OK && i < config->feed_count; i++)
        warn_of_unknown(self, i);
    return rc;
}

/* A gap of a feed opens or ends, on the network thread. */
static void on_gap(void *user, const gap_row *row)
{
    const gap_user *who = user;
    const event gap_event = {
        .kind = EVENT_GAP, .line = row->line, .shard = row->shard, .conn = row->conn, .gap = *row};
    intake_event(who->self->intake, who->feed_index, &gap_event);
}

/* Open the gaps of the feed's slots. They are durable before anything connects, so that a session
 * that never connects leaves them open. */
static td_result open_feed_gaps(supervisor *self, size_t index, const gap_list *ledger,
                                uint64_t start_ns, td_err *err)
{
    const feed_config *feed = &self->options.config->feeds[index];
    const feed_slots_query query = {.feed = feed->name,
                                    .before_ns = start_ns,
                                    .shard_count = self->feeds[index].subscription.shard_count,
                                    .is_control_data = feed->auth != AUTH_NONE};
    feed_slots past = {0};
    td_result rc = archive_writer_feed_slots(self->writer, &query, &past, err);
    self->gap_users[index] = (gap_user){self, (uint16_t)index};
    const open_gaps_options options = {.feed = feed,
                                       .wanted = &self->feeds[index].subscription,
                                       .past = &past,
                                       .ledger = ledger,
                                       .start_ns = start_ns,
                                       .emit = on_gap,
                                       .user = &self->gap_users[index]};
    if (rc == TD_OK)
        rc = open_gaps_open(&options, &self->gaps[index], err);
    feed_slots_fini(&past);
    if (rc != TD_OK)
        return td_err_add(err, rc, "gaps of feed '%s'", feed->name);
    size_t count = 0;
    const gap_row *begun = open_gaps_begun(self->gaps[index], &count);
    return archive_writer_put_gaps(self->writer, begun, count, err);
}

static td_result open_gaps_of_feeds(supervisor *self, const gap_list *ledger, uint64_t start_ns,
                                    td_err *err)
{
    size_t count = self->options.config->feed_count;
    self->gaps = td_alloc_zero(count, sizeof(open_gaps *));
    self->gap_users = td_alloc_zero(count, sizeof *self->gap_users);
    if (self->gaps == NULL || self->gap_users == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu feeds", count);
    td_result rc = TD_OK;
    for (size_t i = 0; i < count && rc == TD_OK; i++)
        rc = open_feed_gaps(self, i, ledger, start_ns, err);
    return rc;
}

/* Close what a crash left open, begin the session, and look up what is known of each feed. */
static td_result open_session(supervisor *self, td_err *err)
{
    TD_ASSERT(self->writer == NULL);
    const recorder_config *config = self->options.config;
    td_result rc = TD_OK;
    for (size_t i = 0; i < config->feed_count && rc == TD_OK; i++) {
        recover_report report;
        rc =
            archive_recover(self->options.archive, config->feeds[i].name, NULL, NULL, &report, err);
        if (rc == TD_OK && report.segments_recovered > 0)
            td_log_say(self->options.log, TD_LOG_WARNING,
                       "%s: the recorder was killed before; safe of its last segment: %s; torn: %s",
                       config->feeds[i].name, format_counted(report.frames_kept, "frame").text,
                       format_counted(report.torn_bytes, "byte").text);
    }
    gap_list ledger = {0};
    if (rc == TD_OK)
        rc = archive_gaps(self->options.archive, &ledger, err);
    archive_writer_options options = {.version = TAPEDECK_VERSION,
                                      .start_ns = clock_wall_ns(self->options.clock),
                                      .rebuild = WRITER_REBUILD_BESIDE,
                                      .durable = on_durable,
                                      .user = self,
                                      .file_bytes = &self->file_bytes};
    if (rc == TD_OK)
        rc = archive_writer_open(self->options.archive, &options, &self->writer, err);
    for (size_t i = 0; i < config->feed_count && rc == TD_OK; i++) {
        size_t index;
        rc = archive_writer_add_feed(self->writer, config->feeds[i].name,
                                     config->feeds[i].family->name, &index, &self->feeds[i].history,
                                     err);
        TD_ASSERT(rc != TD_OK || index == i);
        /* Orders, balances and other data that only the holder of a key may see. */
        if (rc == TD_OK && self->redactors[i] != NULL)
            archive_writer_make_private(self->writer, i);
    }
    if (rc == TD_OK)
        rc = open_gaps_of_feeds(self, &ledger, options.start_ns, err);
    gap_list_fini(&ledger);
    return rc;
}

/* From the disk backwards: each thread finds the one that it hands on to. */
static td_result open_threads(supervisor *self, td_err *err)
{
    /* The disk thread writes as soon as it is there. */
    TD_ASSERT(self->writer != NULL);
    TD_ASSERT(self->encoder == NULL);
    const recorder_config *config = self->options.config;
    watch_options watching = {.config = config,
                              .log = self->options.log,
                              .ring_bytes = WATCH_RING_BYTES,
                              .found = on_found,
                              .user = self};
    td_result rc = td_ring_open(config->ring_bytes, &self->ring, err);
    if (rc == TD_OK)
        rc = chunk_queue_open(QUEUE_CHUNKS, &self->queue, err);
    if (rc == TD_OK)
        rc = findings_open(&self->findings, err);
    if (rc == TD_OK)
        rc = watch_open(&watching, &self->watch, err);
    if (rc == TD_OK)
        rc = lag_open(self->options.clock, config->commit_interval_ns, QUEUE_CHUNKS, &self->lag,
                      err);
    disk_options writing = {.queue = self->queue,
                            .writer = self->writer,
                            .room = &self->room,
                            .idle_check_ns = TD_NS_PER_S,
                            .failed = on_thread_failed,
                            .must_end = on_must_end,
                            .user = self};
    if (rc == TD_OK)
        rc = disk_open(&writing, &self->disk, err);
    encoder_options encoding = {.ring = self->ring,
                                .queue = self->queue,
                                .watch = self->watch,
                                .lag = self->lag,
                                .config = config,
                                .redactors = self->redactors,
                                .session = archive_session(self->options.archive),
                                .clock = self->options.clock,
                                .log = self->options.log,
                                .failed = on_thread_failed,
                                .user = self};
    return rc == TD_OK ? encoder_open(&encoding, &self->encoder, err) : rc;
}

static int records_feed(void *user, const char *feed)
{
    const supervisor *self = user;
    for (size_t i = 0; i < self->options.config->feed_count; i++) {
        if (strcmp(self->options.config->feeds[i].name, feed) == 0)
            return 1;
    }
    return 0;
}

/* Receive times are the wall clock's, whatever the archive has; the intake reports a clock that is
 * before the archive's end. */
static td_result open_intake(supervisor *self, td_err *err)
{
    TD_ASSERT(self->ring != NULL);
    TD_ASSERT(self->encoder != NULL);
    const newest_query all = {.until_ns = UINT64_MAX, .wants_feed = records_feed, .user = self};
    intake_options options = {.ring = self->ring,
                              .clock = self->options.clock,
                              .config = self->options.config,
                              .log = self->options.log,
                              .pause = pause_all,
                              .resume = resume_all,
                              .user = self};
    td_result rc = archive_newest_ns(self->options.archive, &all, &options.archive_end_ns, err);
    return rc == TD_OK ? intake_open(&options, &self->intake, err) : rc;
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
        .api_key = feed->credentials.api_key,
        .api_secret = feed->credentials.api_secret,
        .redactor = self->redactors[feed_index],
        .budget = feed->budget,
        .budget_feed = feed->budget_feed,
        .gaps = self->gaps[feed_index],
        .topic_first = feed->subscription.shards[shard],
        .shard_count = feed->subscription.shard_count,
    };
    options.topics = subscription_shard(&feed->subscription, shard, &options.topic_count);
    td_result rc = td_random_system(&options.seed, sizeof options.seed, err);
    if (rc == TD_OK)
        rc = connection_open(&options, &self->connections[self->connection_count], err);
    if (rc == TD_OK)
        self->connection_count++;
    return rc;
}

static td_result open_slots(supervisor *self, td_err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        count += self->feeds[i].subscription.shard_count;
    self->connections = td_alloc_zero(count, sizeof(connection *));
    if (self->connections == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu connections", count);
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

static td_result open_http(supervisor *self, td_err *err)
{
    const recorder_config *config = self->options.config;
    self->http = td_alloc_zero(config->feed_count, sizeof(http_feed *));
    if (self->http == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu feeds", config->feed_count);
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < config->feed_count; i++) {
        http_feed_options options = {.loop = self->loop,
                                     .intake = self->intake,
                                     .clock = self->options.clock,
                                     .log = self->options.log,
                                     .feed = &config->feeds[i],
                                     .feed_index = (uint16_t)i,
                                     .redactor = self->redactors[i]};
        if (config->feeds[i].http_count > 0)
            rc = http_feed_open(&options, &self->http[i], err);
    }
    return rc;
}

td_result supervisor_open(const supervisor_options *options, supervisor **out, td_err *err)
{
    TD_ASSERT(options->config->feed_count > 0);
    TD_ASSERT(options->config->feed_count <= LIMIT_FEEDS);
    TD_ASSERT(options->archive != NULL);
    supervisor *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a recorder");
    self->options = *options;
    self->room = (room){.io = archive_io(options->archive),
                        .path = archive_path(options->archive),
                        .min_bytes = options->config->min_free_bytes};
    /* Before anything is written, recovery included. */
    td_result rc = room_check(&self->room, err);
    if (rc == TD_OK)
        rc = open_feeds(self, err);
    if (rc == TD_OK)
        rc = decoder_open(&self->decoder, err);
    if (rc == TD_OK)
        rc = dialect_parser_open(&self->answers, err);
    if (rc == TD_OK)
        rc = wire_loop_open(options->clock, options->log, &self->loop, err);
    if (rc == TD_OK)
        rc = open_session(self, err);
    if (rc == TD_OK)
        rc = open_threads(self, err);
    if (rc == TD_OK)
        rc = open_intake(self, err);
    if (rc == TD_OK)
        rc = open_http(self, err);
    if (rc == TD_OK)
        rc = open_slots(self, err);
    if (rc != TD_OK) {
        supervisor_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}
