#include "recorder/supervisor_impl.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "cli/units.h"
#include "cli/version.h"

#define TICK_NS      (10 * TD_NS_PER_MS)
#define STATUS_NS    (100 * TD_NS_PER_MS)
#define CLOSE_MAX_NS (3 * TD_NS_PER_S)

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
    watch_get_stats(self->watch, &out->watch);
    lag_get_stats(self->lag, &out->lag);
    out->ring_percent = td_ring_used_bytes(self->ring) * 100 / td_ring_capacity_bytes(self->ring);
    out->feeds = self->options.config->feed_count;
    out->live = out->feeds;
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        out->http_failures += self->http[i] == NULL ? 0 : http_feed_failures(self->http[i]);
    uint16_t waiting_feed = UINT16_MAX; /* connections stand feed by feed */
    for (size_t i = 0; i < self->connection_count; i++) {
        out->established += (uint64_t)connection_has_stood(self->connections[i]);
        uint16_t feed = connection_feed_index(self->connections[i]);
        if (connection_is_live(self->connections[i]) || feed == waiting_feed)
            continue;
        waiting_feed = feed;
        out->live--;
    }
    out->elapsed_ns = elapsed_ns(self);
}

static void say_findings(supervisor *self)
{
    watch_finding finding;
    while (findings_take(self->findings, &finding))
        findings_say(&finding, self->intake, self->options.log);
    uint64_t lost = findings_take_lost(self->findings);
    if (lost > 0)
        td_log_say(self->options.log, TD_LOG_WARNING,
                   "%s of the live check came too fast to be written down; replay finds them again",
                   format_counted(lost, "finding").text);
}

static void say_lag(supervisor *self, lag_change change, const lag_stretch *stretch)
{
    lag_emit(change, stretch, self->options.config->feed_count, self->intake, self->options.log);
}

/* Looked at once per turn of the loop, so a stop takes at most a tick. */
static int is_over(const supervisor *self)
{
    if (atomic_load_explicit(&self->is_asked_to_stop, memory_order_acquire) ||
        atomic_load_explicit(&self->has_thread_failed, memory_order_acquire) ||
        atomic_load_explicit(&self->must_end, memory_order_acquire) || self->is_clock_wrong)
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
    td_log_say(self->options.log, TD_LOG_WARNING,
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
        if (connection_has_stood(self->connections[i]))
            return;
    }
    supervisor_stop(self);
}

static void tick(supervisor *self, uint64_t *status_at_ns)
{
    uint64_t mono_ns = clock_mono_ns(self->options.clock);
    intake_tick(self->intake);
    end_for_clock(self);
    end_without_peer(self);
    say_findings(self);
    lag_stretch slow;
    lag_change change = lag_take(self->lag, &slow);
    say_lag(self, change, &slow);
    if (self->options.status != NULL && mono_ns >= *status_at_ns) {
        supervisor_status status;
        fill_status(self, &status);
        self->options.status(self->options.user, &status);
        *status_at_ns = mono_ns + STATUS_NS;
    }
}

/* Say at the head of each feed's tape who records. */
static void say_session(supervisor *self, const char *state)
{
    event session = {.kind = EVENT_SESSION,
                     .session = archive_session(self->options.archive),
                     .state = state,
                     .verb = "record",
                     .version = TAPEDECK_VERSION,
                     .start_ns = clock_wall_ns(self->options.clock)};
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        intake_event(self->intake, (uint16_t)i, &session);
}

/* Of several errors while stopping, the first is the cause. */
static void keep_first(supervisor *self, td_result rc, const td_err *err)
{
    if (rc == TD_OK || self->result != TD_OK)
        return;
    self->result = rc;
    self->err = *err;
}

/* Little disk space left, or the lock lost: a normal stop with an error as its result, unless the
 * stop itself failed; then that error is kept. */
static void keep_end_reason(supervisor *self)
{
    if (!atomic_load_explicit(&self->must_end, memory_order_acquire))
        return;
    TD_ASSERT(self->end_reason.code != TD_OK);
    keep_first(self, self->end_reason.code, &self->end_reason);
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
    for (size_t i = 0; self->http != NULL && i < self->options.config->feed_count; i++)
        if (self->http[i] != NULL)
            http_feed_stop(self->http[i]);
}

/* Close politely; who does not answer in time is cut off when the loop closes. */
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
    while (!atomic_load_explicit(&self->has_thread_failed, memory_order_acquire) &&
           (td_ring_used_bytes(self->ring) > 0 || !watch_is_idle(self->watch)))
        clock_sleep_until(self->options.clock, clock_mono_ns(self->options.clock) + TD_NS_PER_MS);
    intake_tick(self->intake);
    say_findings(self);
}

td_result supervisor_run(supervisor *self, supervisor_status *final, td_err *err)
{
    td_err failure;
    self->started_mono_ns = clock_mono_ns(self->options.clock);
    say_session(self, "starts");
    intake_start(self->intake);
    for (size_t i = 0; i < self->connection_count; i++)
        connection_start(self->connections[i]);
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        if (self->http[i] != NULL)
            http_feed_start(self->http[i]);
    keep_first(self, serve_loop(self, &failure), &failure);
    close_connections(self);
    drain(self);
    lag_stretch slow;
    lag_change change = lag_stop(self->lag, &slow);
    say_lag(self, change, &slow);
    say_session(self, "stops");
    intake_stop(self->intake);
    td_result encoded = encoder_join(self->encoder, &failure);
    keep_first(self, encoded, &failure);
    td_result rc = disk_close(self->disk, &failure);
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
    keep_end_reason(self);
    if (self->result != TD_OK && err != NULL)
        *err = self->err;
    return self->result;
}

void supervisor_close(supervisor *self)
{
    td_err ignored;
    if (self == NULL)
        return;
    stop_http(self);
    wire_loop_close(self->loop);
    for (size_t i = 0; i < self->connection_count; i++)
        connection_close(self->connections[i]);
    td_free(self->connections);
    for (size_t i = 0; self->http != NULL && i < self->options.config->feed_count; i++)
        http_feed_close(self->http[i]);
    td_free(self->http);
    if (self->disk != NULL) {
        /* Opening failed half way: nothing was recorded, and the first error is the one to tell. */
        chunk_queue_push(self->queue, NULL);
        td_result opened_half = disk_close(self->disk, &ignored);
        (void)opened_half; /* as above */
    }
    lag_close(self->lag);
    watch_close(self->watch);
    encoder_close(self->encoder);
    td_result abandoned = archive_writer_close(self->writer, WRITER_ABANDON, 0, &ignored);
    (void)abandoned; /* as above: after a good run the writer is closed already */
    intake_close(self->intake);
    findings_close(self->findings);
    chunk_queue_close(self->queue);
    td_ring_close(self->ring);
    decoder_close(self->decoder);
    dialect_parser_close(self->answers);
    for (size_t i = 0; self->gaps != NULL && i < self->options.config->feed_count; i++)
        open_gaps_close(self->gaps[i]);
    td_free(self->gaps);
    td_free(self->gap_users);
    feed_setup_close_all(self->feeds, self->options.config->feed_count);
    td_free(self->redactors);
    td_free(self);
}
