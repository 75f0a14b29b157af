#include "recorder/supervisor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/ledger.h"
#include "recorder/feed.h"
#include "recorder/on_segment.h"
#include "recorder/push_child.h"
#include "recorder/reload_apply.h"
#include "recorder/retention.h"
#include "recorder/takeover_run.h"
#include "schema/end_notice.h"

#define TICK_NS      (10 * TD_NS_PER_MS)
#define STATUS_NS    (100 * TD_NS_PER_MS)
#define SPLIT_NS     (600 * TD_NS_PER_S)
#define CLOSE_MAX_NS (3 * TD_NS_PER_S)

/* What another thread asks the network thread to do. */
typedef struct supervisor_call {
    void (*fn)(supervisor *self, void *work);
    void *work;
    uint8_t is_done;
} supervisor_call;

struct supervisor {
    supervisor_options options;
    pthread_mutex_t reload_mutex; /* held by a thread that reloads */
    pthread_mutex_t call_mutex;   /* guards call and is_serving */
    pthread_cond_t call_changed;
    supervisor_call *call;
    uint8_t is_serving;
    atomic_int has_call; /* relaxed: call_mutex publishes the call */
    wire_loop *loop;
    recording *recording;
    decoder *decoder;
    dialect_parser *answers;
    json_parser *notices;
    feed_setup *setups; /* NULL: not open yet */
    feed_list feeds;
    on_segment *commands;
    push_child *copier;
    retention *removal;
    uint64_t started_mono_ns;
    uint64_t split_mono_ns;       /* when open gaps of lines are split next */
    atomic_int is_stop_requested; /* release/acquire; also set by a signal handler */
    uint64_t prepared_mono_ns;    /* until then another process may take over */
    uint8_t is_replaced;          /* 1: it stops because another process has taken over */
    uint8_t is_clock_wrong;       /* 1: it stops because the wall clock was set back */
    td_result result;             /* the failure that stops it, or TD_OK */
    td_err err;
};

/* Disk thread, after the fdatasync of the chunk and before its catalog commit. */
static void on_durable(void *user, size_t feed_index, const sealed_chunk *chunk, uint64_t lag_ns)
{
    supervisor *self = user;
    TD_ASSERT(feed_index < LIMIT_FEEDS);
    TD_ASSERT(chunk->conn_count <= CHAIN_CONNS_MAX);
    for (uint32_t i = 0; i < chunk->conn_count; i++)
        self->options.durable(self->options.user, self->options.config->feeds[feed_index].name,
                              &chunk->conns[i], lag_ns);
}

static void on_finished(void *user, const char *path)
{
    const supervisor *self = user;
    on_segment_add(self->commands, path);
}

/* ---- reports of connections ---- */

/* Keep the first reason: later failures are its consequences. */
static void give_up(supervisor *self, td_result rc, const char *why)
{
    TD_ASSERT(rc != TD_OK);
    if (self->result != TD_OK)
        return;
    self->result = td_err_set(&self->err, rc, "%s", why);
    supervisor_stop(self);
}

/* A frame was received. With --max-frames, stop reading at once after the last one, so that no
 * further frame is recorded. */
static void on_frame(void *user)
{
    supervisor *self = user;
    intake_stats stats;
    if (self->options.config->max_frames == 0)
        return;
    intake_get_stats(recording_intake(self->recording), &stats);
    if (stats.frames_in < self->options.config->max_frames)
        return;
    feed_list_stop(&self->feeds, CONNECTION_STOP_AT_ONCE);
    supervisor_stop(self);
}

static void on_closed_by_peer(void *user)
{
    supervisor *self = user;
    if (!self->options.config->until_close)
        return;
    feed_list_stop(&self->feeds, CONNECTION_STOP_ORDERLY);
    supervisor_stop(self);
}

/* A refused feed does not end the others; the recording ends when no feed is left. */
static void on_refused(void *user, const char *why)
{
    supervisor *self = user;
    const connection *slot = NULL;
    while ((slot = feed_list_next_slot(&self->feeds, slot)) != NULL) {
        const connection_status at = connection_get_status(slot);
        if (!at.is_refused && !at.is_down && !at.is_idle)
            return;
    }
    give_up(self, TD_E_NETWORK, why);
}

static void on_strict(void *user, const char *why)
{
    give_up(user, TD_E_NETWORK, why);
}

static void on_live(void *user, uint16_t feed_index)
{
    const supervisor *self = user;
    feed_on_live(&self->feeds.items[feed_index]);
}

static void on_granted(void *user, const connection *by, size_t topic)
{
    const supervisor *self = user;
    feed_on_granted(&self->feeds.items[connection_feed(by)], by, topic);
}

static connection *find_idle(void *user, const connection *by)
{
    const supervisor *self = user;
    return clock_mono_ns(self->options.clock) < self->prepared_mono_ns
               ? NULL /* the free lines are the other process's */
               : feed_idle_connection(&self->feeds.items[connection_feed(by)],
                                      connection_shard(by));
}

static void on_proven(void *user, const connection *by)
{
    const supervisor *self = user;
    covered_gaps_proven(self->feeds.covered, by);
}

static void on_found(void *user, uint16_t feed_index, const gap_row *gap)
{
    const supervisor *self = user;
    feed_on_found(&self->feeds.items[feed_index], gap);
}

static void pause_all(void *user)
{
    const supervisor *self = user;
    connection *slot = NULL;
    while ((slot = feed_list_next_slot(&self->feeds, slot)) != NULL)
        connection_pause(slot);
}

static void resume_all(void *user)
{
    const supervisor *self = user;
    connection *slot = NULL;
    while ((slot = feed_list_next_slot(&self->feeds, slot)) != NULL)
        connection_resume(slot);
}

/* ---- opening ---- */

static feed_setup_env setup_env(const supervisor *self, wire_loop *loop, archive *past)
{
    return (feed_setup_env){.io = archive_io(self->options.archive),
                            .loop = loop,
                            .log = self->options.log,
                            .past = past,
                            .is_stopped = &self->is_stop_requested,
                            .may_wait = 1};
}

static td_result open_feeds(supervisor *self, td_err *err)
{
    const feed_setup_env env = setup_env(self, self->loop, self->options.archive);
    td_result rc = TD_OK;
    if (self->setups == NULL)
        rc = feed_setup_open_all(self->options.config, &env, &self->setups, err);
    self->feeds.setups = self->setups;
    while (rc == TD_OK && self->feeds.count < self->options.config->feed_count)
        (void)feed_list_add(&self->feeds);
    return rc;
}

/* Open the gaps of the session's start. They are made durable before anything connects, so a
 * session that never connects leaves them open. */
static td_result open_feed_gaps(feed *opened, archive_view *view, const gap_list *ledger,
                                uint64_t start_ns, td_err *err)
{
    feed_slots past = {0};
    td_result rc = feed_read_past(view, opened->config, opened->setup, start_ns, &past, err);
    if (rc == TD_OK)
        feed_open_gaps(opened, &past, ledger, start_ns);
    feed_slots_fini(&past);
    for (uint32_t line = 0; rc == TD_OK && line < feed_line_count(opened); line++)
        rc = feed_put_gaps(opened, line, err);
    return rc;
}

/* End the gaps that earlier sessions left open of feeds that this one does not record. */
static td_result end_other_gaps(const supervisor *self, const archive_view *view,
                                const gap_list *ledger, td_err *err)
{
    gap_list ended = {0};
    open_gaps_end_others(self->options.config, &view->past, archive_session(self->options.archive),
                         ledger, &ended);
    td_result rc =
        archive_writer_put_gaps(recording_writer(self->recording), ended.rows, ended.count, err);
    gap_list_fini(&ended);
    return rc;
}

/* Warn if the archive has frames of later times than the wall clock's. Receive times follow the
 * wall clock all the same. */
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

static td_result open_recording(supervisor *self, td_err *err)
{
    const takeover *of = self->options.replaces;
    const recording_options options = {
        .session = of != NULL ? of->session : archive_session(self->options.archive),
        .verb = "record",
        .config = &self->options.config->pipeline,
        .clock = self->options.clock,
        .log = self->options.log,
        .durable = on_durable,
        .finished = on_finished,
        .found = on_found,
        .pause = pause_all,
        .resume = resume_all,
        .user = self};
    td_result rc = recording_open(&options, &self->recording, err);
    self->feeds.recording = self->recording;
    return rc;
}

/* Begin the session, and open each feed's gaps. */
static td_result open_session(supervisor *self, td_err *err)
{
    gap_list ledger = {0};
    archive_view *view = NULL;
    td_result rc = recording_begin(self->recording, self->options.archive, 0, err);
    if (rc == TD_OK)
        rc = archive_view_open(self->options.archive, VIEW_ALL, NULL, &view, err);
    if (rc == TD_OK) {
        archive_gaps_of(view, &ledger);
        rc = end_other_gaps(self, view, &ledger, err);
    }
    for (size_t i = 0; i < self->feeds.count && rc == TD_OK; i++) {
        feed *opened = &self->feeds.items[i];
        opened->pipeline->segment_count = 0; /* of a session that continued */
        opened->pipeline->alone_ns = 0;
        rc = open_feed_gaps(opened, view, &ledger, recording_start_ns(self->recording), err);
    }
    if (rc == TD_OK)
        warn_of_clock(self, view);
    archive_view_close(view);
    gap_list_fini(&ledger);
    return rc == TD_OK ? recording_start(self->recording, err) : rc;
}

td_result supervisor_open(const supervisor_options *options, supervisor **out, td_err *err)
{
    TD_ASSERT(options->config->feed_count > 0 && options->config->feed_count <= LIMIT_FEEDS);
    TD_ASSERT(options->archive != NULL);
    supervisor *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->setups = options->feeds;
    self->feeds.config = options->config;
    self->feeds.clock = options->clock;
    self->feeds.log = options->log;
    self->feeds.replaces = options->replaces;
    pthread_mutex_init(&self->reload_mutex, NULL);
    pthread_mutex_init(&self->call_mutex, NULL);
    pthread_cond_init(&self->call_changed, NULL);
    feed_list_init(&self->feeds);
    self->commands = on_segment_open(options->config, options->log);
    self->copier = push_child_open(options->config, archive_path(options->archive), options->log);
    self->decoder = decoder_open();
    self->answers = dialect_parser_open();
    self->notices = json_parser_open(END_NOTICE_BYTES_MAX);
    td_result rc = wire_loop_open(options->clock, options->log, &self->loop, err);
    if (rc != TD_OK) {
        supervisor_close(self);
        return rc;
    }
    self->feeds.loop = self->loop;
    *out = self;
    return TD_OK;
}

/* Read lists of instruments, recover, open the session, start the threads. */
static td_result prepare(supervisor *self, td_err *err)
{
    td_result rc = open_feeds(self, err);
    if (rc == TD_OK)
        rc = open_recording(self, err);
    if (rc == TD_OK)
        rc = self->options.replaces == NULL
                 ? open_session(self, err)
                 : takeover_open_beside(&self->feeds, archive_path(self->options.archive), err);
    if (rc != TD_OK)
        return rc;
    self->feeds.env = (connection_env){.loop = self->loop,
                                       .intake = recording_intake(self->recording),
                                       .decoder = self->decoder,
                                       .answers = self->answers,
                                       .notices = self->notices,
                                       .clock = self->options.clock,
                                       .log = self->options.log,
                                       .frame = on_frame,
                                       .live = on_live,
                                       .granted = on_granted,
                                       .find_idle = find_idle,
                                       .proven = on_proven,
                                       .closed_by_peer = on_closed_by_peer,
                                       .refused = on_refused,
                                       .strict = on_strict,
                                       .user = self};
    feed_list_open_snapshots(&self->feeds);
    for (size_t i = 0; i < self->feeds.count; i++) {
        feed_open_http(&self->feeds.items[i]);
        feed_open_slots(&self->feeds.items[i]);
    }
    return TD_OK;
}

/* ---- running ---- */

void supervisor_stop(supervisor *self)
{
    atomic_store_explicit(&self->is_stop_requested, 1, memory_order_release);
    wire_loop_wake(self->loop);
}

static uint64_t elapsed_ns(const supervisor *self)
{
    return clock_mono_ns(self->options.clock) - self->started_mono_ns;
}

/* Each number is exact, but several threads count them, so their times may differ slightly. */
static void fill_status(const supervisor *self, supervisor_status *out)
{
    memset(out, 0, sizeof *out);
    recording_get_stats(self->recording, &out->recording);
    for (size_t i = 0; i < self->feeds.count; i++) {
        const feed *counted = &self->feeds.items[i];
        int is_live = !feed_waits_for_list(counted);
        for (size_t k = 0; k < counted->slot_count; k++) {
            const connection_status at = connection_get_status(counted->slots[k]);
            out->established += at.was_open;
            is_live = is_live && (at.is_live || at.is_idle);
        }
        out->http_failures += http_feed_failures(counted->http);
        out->feeds += !counted->config->is_removed;
        out->live += !counted->config->is_removed && is_live;
    }
    out->http_failures += snapshot_fetch_failures(self->feeds.snapshots);
    out->elapsed_ns = elapsed_ns(self);
}

/* 1 if the recording has to end. Called once per turn of the loop, so a stop takes at most a tick.
 */
static int is_over(const supervisor *self)
{
    if (atomic_load_explicit(&self->is_stop_requested, memory_order_acquire) ||
        recording_must_end(self->recording) || self->is_clock_wrong)
        return 1;
    uint64_t duration_ns = self->options.config->duration_ns;
    return duration_ns != 0 && elapsed_ns(self) >= duration_ns;
}

/* The session's times are wrong and cannot be corrected: log that, and end the session normally. */
static void end_for_clock(supervisor *self)
{
    if (self->is_clock_wrong || !intake_is_clock_wrong(recording_intake(self->recording)) ||
        clock_mono_ns(self->options.clock) < self->options.clock_session_mono_ns)
        return;
    self->is_clock_wrong = 1;
    td_log_emit(self->options.log, TD_LOG_WARNING,
                "this session ends, and a new session begins with the wall clock's time");
}

/* --until-close: stop if no connection was established in time: then no peer can close one. */
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
    const connection *slot = NULL;
    while ((slot = feed_list_next_slot(&self->feeds, slot)) != NULL)
        if (connection_get_status(slot).was_open)
            return;
    supervisor_stop(self);
}

static void tick(supervisor *self, uint64_t *status_at_ns)
{
    uint64_t mono_ns = clock_mono_ns(self->options.clock);
    if (mono_ns >= self->split_mono_ns) {
        self->split_mono_ns = mono_ns + SPLIT_NS;
        feed_list_split_gaps(&self->feeds);
    }
    recording_tick(self->recording);
    on_segment_tick(self->commands);
    push_child_tick(self->copier, mono_ns);
    retention_tick(self->removal, mono_ns);
    feed_list_heal(&self->feeds, mono_ns);
    end_for_clock(self);
    end_without_peer(self);
    if (mono_ns >= *status_at_ns) {
        supervisor_status status;
        fill_status(self, &status);
        self->options.status(self->options.user, &status);
        *status_at_ns = mono_ns + STATUS_NS;
    }
}

/* Keep the first of several errors: it is the cause. */
static void keep_first(supervisor *self, td_result rc, const td_err *err)
{
    if (rc == TD_OK || self->result != TD_OK)
        return;
    self->result = rc;
    self->err = *err;
}

/* ---- calls of other threads ---- */

static void serve_call(supervisor *self)
{
    if (!atomic_load_explicit(&self->has_call, memory_order_relaxed))
        return;
    pthread_mutex_lock(&self->call_mutex);
    self->call->fn(self, self->call->work); /* its thread waits */
    self->call->is_done = 1;
    self->call = NULL;
    atomic_store_explicit(&self->has_call, 0, memory_order_relaxed);
    pthread_cond_broadcast(&self->call_changed);
    pthread_mutex_unlock(&self->call_mutex);
}

static void set_serving(supervisor *self, uint8_t is_serving)
{
    pthread_mutex_lock(&self->call_mutex);
    self->is_serving = is_serving;
    pthread_cond_broadcast(&self->call_changed);
    pthread_mutex_unlock(&self->call_mutex);
}

/* Run fn(self, work) on the network thread, and wait for it. */
static td_result call(supervisor *self, void (*fn)(supervisor *self, void *work), void *work,
                      td_err *err)
{
    supervisor_call made = {.fn = fn, .work = work};
    pthread_mutex_lock(&self->call_mutex);
    while (self->is_serving && self->call != NULL)
        pthread_cond_wait(&self->call_changed, &self->call_mutex);
    if (self->is_serving) {
        self->call = &made; // cppcheck-suppress autoVariables // until this function returns
        atomic_store_explicit(&self->has_call, 1, memory_order_relaxed);
        wire_loop_wake(self->loop);
    }
    while (self->is_serving && !made.is_done)
        pthread_cond_wait(&self->call_changed, &self->call_mutex);
    if (!made.is_done && self->call == &made) {
        self->call = NULL;
        atomic_store_explicit(&self->has_call, 0, memory_order_relaxed);
    }
    pthread_mutex_unlock(&self->call_mutex);
    return made.is_done ? TD_OK
                        : td_err_set(err, TD_E_BUSY,
                                     "the recorder is starting or ending: ask "
                                     "again, or look at its log");
}

/* ---- running ---- */

static td_result serve_loop(supervisor *self, td_err *err)
{
    uint64_t status_at_ns = 0;
    while (!is_over(self)) {
        td_result rc = wire_loop_run(self->loop, TICK_NS, err);
        if (rc != TD_OK)
            return rc;
        tick(self, &status_at_ns);
        serve_call(self);
    }
    return TD_OK;
}

static int are_all_down(const supervisor *self)
{
    const connection *slot = NULL;
    while ((slot = feed_list_next_slot(&self->feeds, slot)) != NULL)
        if (!connection_get_status(slot).is_down)
            return 0;
    return 1;
}

/* Close connections with a close frame. A connection whose peer does not answer in time ends when
 * the loop closes. */
static void close_connections(supervisor *self)
{
    td_err err;
    uint64_t until_ns = clock_mono_ns(self->options.clock) + CLOSE_MAX_NS;
    feed_list_stop_http(&self->feeds);
    feed_list_split_gaps(&self->feeds);
    feed_list_stop(&self->feeds,
                   self->is_replaced ? CONNECTION_STOP_REPLACED : CONNECTION_STOP_ORDERLY);
    while (!are_all_down(self) && clock_mono_ns(self->options.clock) < until_ns) {
        if (wire_loop_run(self->loop, TICK_NS, &err) != TD_OK)
            break;
        intake_tick(recording_intake(self->recording));
    }
}

/* Start what the supervisor runs, once. */
static void start(supervisor *self, void (*start_slots)(const feed *))
{
    if (self->started_mono_ns != 0)
        return;
    self->started_mono_ns = clock_mono_ns(self->options.clock);
    self->split_mono_ns = self->started_mono_ns + SPLIT_NS;
    for (size_t i = 0; i < self->feeds.count; i++)
        recording_begin_feed(self->recording, (uint16_t)i);
    for (size_t i = 0; i < self->feeds.count; i++)
        start_slots(&self->feeds.items[i]);
    for (size_t i = 0; i < self->feeds.count; i++)
        http_feed_start(self->feeds.items[i].http);
}

td_result supervisor_run(supervisor *self, supervisor_status *final, td_err *err)
{
    td_err failure;
    td_result rc = self->started_mono_ns == 0 ? prepare(self, err) : TD_OK;
    if (rc != TD_OK)
        return rc;
    start(self, feed_start_slots);
    self->removal = retention_open(self->options.config, self->options.archive, self->options.log);
    set_serving(self, 1);
    keep_first(self, serve_loop(self, &failure), &failure);
    set_serving(self, 0);
    close_connections(self);
    retention_close(self->removal);
    self->removal = NULL;
    keep_first(self, recording_finish(self->recording, &failure), &failure);
    fill_status(self, final);
    final->is_clock_wrong = self->is_clock_wrong && self->result == TD_OK &&
                            !atomic_load_explicit(&self->is_stop_requested, memory_order_acquire);
    if (self->result != TD_OK && err != NULL)
        *err = self->err;
    return self->result;
}

/* ---- one process replaces another ---- */

td_result supervisor_take_over(supervisor *self, archive **into, td_err *err)
{
    TD_ASSERT(self->options.replaces != NULL);
    *into = NULL;
    td_result rc = prepare(self, err);
    if (rc != TD_OK)
        return rc;
    start(self, takeover_start_beside);
    rc = takeover_wait(&self->feeds, self->started_mono_ns + TAKEOVER_NS / 2,
                       &self->is_stop_requested, err);
    if (rc != TD_OK && self->result != TD_OK) { /* that is why it was stopped */
        *err = self->err;
        return self->result;
    }
    if (rc == TD_OK)
        rc = takeover_run(&self->feeds, self->options.archive, into, err);
    if (rc == TD_OK) {
        self->options.archive = *into;
        self->options.replaces = NULL;
    }
    return rc;
}

static void prepare_replace(supervisor *self, void *work)
{
    takeover *out = work;
    if (!takeover_has_free_lines(&self->feeds))
        return;
    (void)snprintf(out->session, sizeof out->session, "%s", archive_session(self->options.archive));
    out->start_ns = recording_start_ns(self->recording);
    takeover_list_slots(&self->feeds, out);
    self->prepared_mono_ns = clock_mono_ns(self->options.clock) + TAKEOVER_NS;
}

td_result supervisor_prepare_replace(supervisor *self, takeover *out, td_err *err)
{
    *out = (takeover){0};
    td_result rc = call(self, prepare_replace, out, err);
    if (rc == TD_OK && out->slot_count == 0)
        rc = td_err_set(err, TD_E_BUSY,
                        "no line is free: a connection is being replaced at its greatest age, or "
                        "max_age is 0");
    return rc;
}

static void stop_replaced(supervisor *self, void *work)
{
    uint8_t *is_prepared = work;
    *is_prepared = clock_mono_ns(self->options.clock) < self->prepared_mono_ns;
    self->is_replaced = *is_prepared;
    if (*is_prepared)
        supervisor_stop(self);
}

td_result supervisor_stop_replaced(supervisor *self, td_err *err)
{
    uint8_t is_prepared = 0;
    td_result rc = call(self, stop_replaced, &is_prepared, err);
    if (rc == TD_OK && !is_prepared)
        rc = td_err_set(err, TD_E_BUSY, "the other process took too long");
    return rc;
}

/* ---- status, rotation ---- */

typedef struct status_work {
    supervisor_status *status;
    supervisor_feed *feeds;
    size_t feed_count;
} status_work;

static size_t count_topics(const subscription *of)
{
    size_t count = 0;
    for (size_t i = 0; i < of->topic_count; i++)
        count += !of->is_ended[i];
    return count;
}

static void add_slot(const feed *of, size_t at, supervisor_feed *out)
{
    const connection_status status = connection_get_status(of->slots[at]);
    const size_t lines = feed_line_count(of);
    int is_first = !status.is_idle; /* slot in use of its shard: the others have the same topics */
    for (size_t before = at - at % lines; before < at; before++)
        is_first = is_first && connection_get_status(of->slots[before]).is_idle;
    out->connects += status.connects;
    out->frames += status.frames;
    if (status.last_data_ns > out->last_data_ns)
        out->last_data_ns = status.last_data_ns;
    out->connections += !status.is_idle;
    out->live_connections += status.is_live;
    out->down_connections += status.is_down_long;
    out->topics_refused += is_first ? status.topics_refused : 0;
    out->end_notices += status.end_notices;
}

static void take_status(supervisor *self, void *work)
{
    status_work *out = work;
    fill_status(self, out->status);
    for (size_t i = 0; i < self->feeds.count; i++) {
        const feed *of = &self->feeds.items[i];
        if (of->config->is_removed)
            continue;
        const uint64_t waiting = feed_waits_for_list(of) ? of->config->lines : 0;
        const grants_counts topics = recording_get_topics(self->recording, of->index);
        supervisor_feed *status = &out->feeds[out->feed_count++];
        *status = (supervisor_feed){.name = of->config->name,
                                    .family = of->config->family->name,
                                    .connections = waiting,
                                    .down_connections = waiting,
                                    .topics = count_topics(&of->setup->subscription),
                                    .topics_granted = topics.granted,
                                    .topics_silent = topics.silent,
                                    .topics_overdue = topics.overdue};
        for (size_t at = 0; at < of->slot_count; at++)
            add_slot(of, at, status);
    }
}

td_result supervisor_get_status(supervisor *self, supervisor_status *out,
                                supervisor_feed feeds[LIMIT_FEEDS], size_t *feed_count, td_err *err)
{
    status_work work = {.status = out, .feeds = feeds};
    td_result rc = call(self, take_status, &work, err);
    *feed_count = work.feed_count;
    return rc;
}

static void rotate(supervisor *self, void *work)
{
    (void)work;
    intake_rotate(recording_intake(self->recording));
}

td_result supervisor_rotate(supervisor *self, td_err *err)
{
    return call(self, rotate, NULL, err);
}

/* ---- another configuration ---- */

typedef struct reload_work {
    reload_apply *prepared;
    td_result result;
    td_err *err;
} reload_work;

static void apply(supervisor *self, void *user)
{
    reload_work *work = user;
    work->result = reload_apply_run(work->prepared, &self->feeds, work->err);
}

static void do_nothing(supervisor *self, void *user)
{
    (void)self;
    (void)user;
}

td_result supervisor_reload(supervisor *self, recorder_config *wanted, reload_changes *out,
                            td_err *err)
{
    td_result rc = call(self, do_nothing, NULL, err);
    if (rc != TD_OK) /* it is starting: its feeds are being set up */
        return rc;
    pthread_mutex_lock(&self->reload_mutex);
    /* Only reloads change the configuration, so that this thread may read it. */
    const reload_apply_options options = {.running = self->options.config,
                                          .wanted = wanted,
                                          .archive = self->options.archive,
                                          .env = setup_env(self, NULL, NULL),
                                          .clock = self->options.clock,
                                          .changes = out};
    reload_work work = {.err = err};
    rc = reload_apply_open(&options, &work.prepared, err);
    if (rc == TD_OK && reload_apply_has_changes(work.prepared)) {
        rc = call(self, apply, &work, err);
        rc = rc == TD_OK ? work.result : rc;
    }
    pthread_mutex_unlock(&self->reload_mutex);
    reload_apply_close(work.prepared);
    return rc;
}

/* ---- */

void supervisor_close(supervisor *self)
{
    if (self == NULL)
        return;
    feed_list_stop_http(&self->feeds);
    wire_loop_close(self->loop);
    feed_list_fini(&self->feeds);
    recording_close(self->recording);
    on_segment_close(self->commands);
    push_child_close(self->copier);
    decoder_close(self->decoder);
    dialect_parser_close(self->answers);
    json_parser_close(self->notices);
    feed_setup_close_all(self->setups);
    pthread_cond_destroy(&self->call_changed);
    pthread_mutex_destroy(&self->call_mutex);
    pthread_mutex_destroy(&self->reload_mutex);
    td_free(self);
}
