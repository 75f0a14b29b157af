#include "recorder/supervisor.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/random.h"
#include "archive/ledger.h"
#include "recorder/connection.h"
#include "recorder/covered_gaps.h"
#include "recorder/feed_setup.h"
#include "recorder/heal.h"
#include "recorder/http_feed.h"
#include "recorder/snapshot_fetch.h"
#include "recorder/on_segment.h"
#include "recorder/reload.h"
#include "recorder/retention.h"

enum { RELOADS_MAX = 1000 }; /* with other settings: each keeps the texts of its file */

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
    connection_env env;
    feed_setup *feeds;
    redactor **redactors;
    connection **connections;
    size_t connection_count;
    covered_gaps *covered;
    heal *broken;
    snapshot_fetch *snapshots;
    on_segment *commands;
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

static connection *find_slot(const supervisor *self, size_t feed_index, size_t line, uint32_t shard)
{
    for (size_t i = 0; i < self->connection_count; i++)
        if (connection_is_slot(self->connections[i], (uint16_t)feed_index, (uint32_t)line, shard))
            return self->connections[i];
    return NULL;
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
        const connection_status at = connection_get_status(self->connections[i]);
        if (!at.is_refused && !at.is_down && !at.is_idle)
            return;
    }
    give_up(self, TD_E_NETWORK, why);
}

static void on_strict(void *user, const char *why)
{
    give_up(user, TD_E_NETWORK, why);
}

/* A slot of the feed is live: the feed's HTTP requests are due. With several lines, each proves
 * that it is complete until now, so that a later gap of the other line begins after this time, and
 * can be covered. */
static void on_live(void *user, uint16_t feed_index)
{
    supervisor *self = user;
    TD_ASSERT(feed_index < self->options.config->feed_count);
    for (size_t i = 0; i < self->connection_count; i++)
        if (self->options.config->feeds[feed_index].lines > 1 &&
            connection_get_status(self->connections[i]).feed_index == feed_index)
            connection_prove(self->connections[i]);
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

static feed_setup_env setup_env(const supervisor *self, wire_loop *loop, archive *past)
{
    return (feed_setup_env){.io = archive_io(self->options.archive),
                            .loop = loop,
                            .log = self->options.log,
                            .past = past,
                            .is_stopped = &self->is_stop_requested,
                            .may_wait = 1};
}

/* ---- broken books ---- */

/* The topic of the feed's subscription that a gap is of, if subscribing it again may help: a book
 * that one snapshot makes whole, or a silent topic; SIZE_MAX: it is not. */
static size_t topic_of_gap(const supervisor *self, uint16_t feed_index, const gap_row *gap)
{
    const feed_config *feed = &self->options.config->feeds[feed_index];
    const subscription *of = &self->feeds[feed_index].subscription;
    char name[LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    td_bytes symbol;
    (void)topic_write(feed->family->topics, feed->family->topic_count, gap->topic,
                      td_bytes_str(gap->symbol), name, sizeof name); /* fits: both are bounded */
    size_t topic = name_index_find(&of->by_name, td_bytes_str(name));
    const topic_row *row = family_topic_row(feed->family, name, &symbol);
    int is_recorded = topic != NAME_INDEX_NONE && !of->is_ended[topic];
    int can_heal = row != NULL && topic_row_has_state(row) && gap->reason == GAP_SEQUENCE;
    return is_recorded && (can_heal || gap->reason == GAP_STALE) ? topic : SIZE_MAX;
}

/* A fetched snapshot that was too old is replaced soon: the next one is newer. */
#define FETCH_AGAIN_NS (10 * TD_NS_PER_S)

/* 1 if the book's snapshot is fetched over HTTP. */
static int is_fetched(const supervisor *self, const heal_book *book)
{
    return snapshot_fetch_has(&self->options.config->feeds[book->feed_index],
                              self->feeds[book->feed_index].subscription.topics[book->topic]);
}

static const char *wanted_snapshot(void *user, const heal_book *of)
{
    const supervisor *self = user;
    const subscription *all = &self->feeds[of->feed_index].subscription;
    const connection *slot =
        find_slot(self, of->feed_index, of->line, subscription_shard_of(all, of->topic));
    return slot == NULL || all->is_ended[of->topic] ? NULL : connection_open_topic(slot, of->topic);
}

static void put_snapshot(void *user, const heal_book *of, td_bytes reply, uint64_t recv_mono_ns)
{
    const supervisor *self = user;
    const subscription *all = &self->feeds[of->feed_index].subscription;
    connection_put_snapshot(
        find_slot(self, of->feed_index, of->line, subscription_shard_of(all, of->topic)), of->topic,
        reply, recv_mono_ns);
}

static void on_granted(void *user, const connection *by, size_t topic)
{
    const supervisor *self = user;
    const heal_book book = {connection_feed(by), connection_line(by), topic};
    if (is_fetched(self, &book))
        snapshot_fetch_add(self->snapshots, &book);
}

/* A topic is silent for longer than usual, or was. Returns 1 if it is a gap. */
static int take_silence(const supervisor *self, const heal_book *topic, const gap_row *gap)
{
    const feed_setup *feed = &self->feeds[topic->feed_index];
    const connection *slot = find_slot(self, topic->feed_index, topic->line,
                                       subscription_shard_of(&feed->subscription, topic->topic));
    if (slot == NULL)
        return 0;
    const connection_status at = connection_get_status(slot);
    open_gaps *gaps = feed->gaps[topic->line];
    if (gap->to_ns != GAP_OPEN)
        open_gaps_heard(gaps, topic->topic, gap->to_ns);
    else if (!at.is_live || at.connects != gap->conn ||
             !open_gaps_silent(gaps, topic->topic, gap->conn, gap->from_ns, gap->detail))
        return 0;
    td_log_emit(self->options.log, gap->to_ns == GAP_OPEN ? TD_LOG_WARNING : TD_LOG_INFO,
                "%s %s.%s: %s (%s)", self->options.config->feeds[topic->feed_index].name,
                gap->topic, gap->symbol, gap->to_ns == GAP_OPEN ? "silent" : "heard again",
                gap->detail);
    return 1;
}

/* The live check found the begin or end of a gap. */
static void on_found(void *user, uint16_t feed_index, const gap_row *gap)
{
    supervisor *self = user;
    const heal_book book = {feed_index, gap->line, topic_of_gap(self, feed_index, gap)};
    if (book.topic == SIZE_MAX || (gap->reason == GAP_STALE && !take_silence(self, &book, gap)) ||
        self->options.config->feeds[feed_index].heal != HEAL_RESUBSCRIBE)
        return;
    if (gap->to_ns == GAP_OPEN)
        heal_broken(self->broken, &book, clock_mono_ns(self->options.clock),
                    is_fetched(self, &book) ? FETCH_AGAIN_NS : HEAL_WAIT_NS);
    else
        heal_whole(self->broken, &book);
}

static void heal_books(const supervisor *self, uint64_t mono_ns)
{
    heal_book book;
    while (heal_next(self->broken, mono_ns, &book)) {
        const feed_setup *feed = &self->feeds[book.feed_index];
        uint32_t shard = subscription_shard_of(&feed->subscription, book.topic);
        if (is_fetched(self, &book))
            snapshot_fetch_add(self->snapshots, &book);
        else if (!self->options.config->feeds[book.feed_index].is_removed)
            connection_renew_topic(find_slot(self, book.feed_index, book.line, shard), book.topic);
    }
}

static td_result open_feeds(supervisor *self, td_err *err)
{
    const recorder_config *config = self->options.config;
    self->redactors = td_alloc_zero(LIMIT_FEEDS, sizeof(redactor *));
    const feed_setup_env env = setup_env(self, self->loop, self->options.archive);
    td_result rc = TD_OK;
    if (self->feeds == NULL)
        rc = feed_setup_open_all(config, &env, &self->feeds, err);
    for (size_t i = 0; rc == TD_OK && i < config->feed_count; i++)
        self->redactors[i] = self->feeds[i].redactor.count == 0 ? NULL : &self->feeds[i].redactor;
    return rc;
}

static size_t line_count(const supervisor *self, size_t feed_index)
{
    return config_line_numbers(&self->options.config->feeds[feed_index]);
}

/* 1 if nothing is connected for a feed yet, because its list of instruments was not read. */
static int waits_for_list(const supervisor *self, size_t feed_index)
{
    const feed_setup *feed = &self->feeds[feed_index];
    return feed->listed != NULL && feed->subscription.topic_count == 0;
}

static void write_gap(void *user, uint16_t feed_index, const gap_row *row)
{
    supervisor *self = user;
    const event gap_event = {.kind = EVENT_GAP, .gap = *row};
    intake_event(recording_intake(self->recording), feed_index, &gap_event);
}

/* A gap of a feed opens or ends, on the network thread. */
static void on_gap(void *user, uint16_t feed_index, const gap_row *row)
{
    supervisor *self = user;
    connection *others[LIMIT_FEED_LINE_NUMBERS];
    size_t count = 0;
    write_gap(self, feed_index, row);
    if (row->to_ns == GAP_OPEN)
        return;
    for (size_t line = 0; line < line_count(self, feed_index); line++) {
        connection *other = find_slot(self, feed_index, line, row->shard);
        if (line != row->line && other != NULL)
            others[count++] = other;
    }
    if (count > 0)
        covered_gaps_add(self->covered, feed_index, row, others, count);
}

static connection *find_idle(void *user, const connection *by)
{
    const supervisor *self = user;
    const uint16_t feed = connection_feed(by);
    if (clock_mono_ns(self->options.clock) < self->prepared_mono_ns)
        return NULL; /* the free lines are the other process's */
    for (size_t line = 0; line < line_count(self, feed); line++) {
        connection *other = find_slot(self, feed, line, connection_shard(by));
        if (other != NULL && connection_get_status(other).is_idle)
            return other;
    }
    return NULL;
}

static void on_proven(void *user, const connection *by)
{
    const supervisor *self = user;
    covered_gaps_proven(self->covered, by);
}

/* What earlier sessions have of a feed's slots. */
static td_result read_past(archive_view *view, const feed_config *feed, const feed_setup *setup,
                           uint64_t before_ns, feed_slots *out, td_err *err)
{
    const feed_slots_query query = {.feed = feed->name,
                                    .before_ns = before_ns,
                                    .shard_count = setup->subscription.shard_count,
                                    .is_control_data = feed->api_key_env != NULL};
    td_result rc = feed_slots_read(view, &query, out, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "gaps of feed '%s'", feed->name);
}

/* Open the gaps of the feed's slots. */
static void open_gaps_of_feed(supervisor *self, size_t index, const feed_slots *past,
                              const gap_list *ledger, uint64_t start_ns)
{
    open_gaps_options options = {.feed = &self->options.config->feeds[index],
                                 .wanted = &self->feeds[index].subscription,
                                 .past = past,
                                 .ledger = ledger,
                                 .start_ns = start_ns,
                                 .feed_index = (uint16_t)index,
                                 .emit = on_gap,
                                 .user = self};
    for (; options.line < line_count(self, index); options.line++)
        self->feeds[index].gaps[options.line] = open_gaps_open(&options);
}

/* Open the gaps of the session's start. They are made durable before anything connects, so a
 * session that never connects leaves them open. */
static td_result open_feed_gaps(supervisor *self, archive_view *view, size_t index,
                                const gap_list *ledger, uint64_t start_ns, td_err *err)
{
    feed_slots past = {0};
    td_result rc = read_past(view, &self->options.config->feeds[index], &self->feeds[index],
                             start_ns, &past, err);
    if (rc == TD_OK)
        open_gaps_of_feed(self, index, &past, ledger, start_ns);
    feed_slots_fini(&past);
    for (size_t line = 0; rc == TD_OK && line < line_count(self, index); line++) {
        size_t count = 0;
        const gap_row *begun = open_gaps_begun(self->feeds[index].gaps[line], &count);
        rc = archive_writer_put_gaps(recording_writer(self->recording), begun, count, err);
    }
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
        .redactors = self->redactors,
        .clock = self->options.clock,
        .log = self->options.log,
        .durable = on_durable,
        .finished = on_finished,
        .found = on_found,
        .pause = pause_all,
        .resume = resume_all,
        .user = self};
    return recording_open(&options, &self->recording, err);
}

/* Begin the session, and open each feed's gaps. */
static td_result open_session(supervisor *self, td_err *err)
{
    const recorder_config *config = self->options.config;
    gap_list ledger = {0};
    archive_view *view = NULL;
    td_result rc = recording_begin(self->recording, self->options.archive, 0, err);
    if (rc == TD_OK)
        rc = archive_view_open(self->options.archive, VIEW_ALL, NULL, &view, err);
    if (rc == TD_OK)
        archive_gaps_of(view, &ledger);
    for (size_t i = 0; i < config->feed_count && rc == TD_OK; i++) {
        self->options.config->pipeline.feeds[i].segment_count = 0; /* of a session that continued */
        self->options.config->pipeline.feeds[i].alone_ns = 0;
        rc = open_feed_gaps(self, view, i, &ledger, recording_start_ns(self->recording), err);
    }
    if (rc == TD_OK)
        warn_of_clock(self, view);
    archive_view_close(view);
    gap_list_fini(&ledger);
    return rc == TD_OK ? recording_start(self->recording, err) : rc;
}

static int is_wanted(const recorder_config *config, const char *feed)
{
    for (size_t i = 0; i < config->feed_count; i++)
        if (strcmp(config->feeds[i].name, feed) == 0)
            return 1;
    return 0;
}

/* Prepare to record beside the recorder that is replaced: the past is read when it has ended. */
static td_result open_beside(supervisor *self, td_err *err)
{
    const feed_slots no_past = {0};
    const gap_list no_ledger = {0};
    const recorder_config *config = self->options.config;
    const takeover *of = self->options.replaces;
    for (size_t i = 0; i < of->slot_count; i++)
        if (!is_wanted(config, of->slots[i].feed)) {
            td_err_set(err, TD_E_INVALID, "feed '%s' of the running recorder is not configured",
                       of->slots[i].feed);
            td_err_hint(err, "end it with 'tapedeck ctl %s reload' first",
                        archive_path(self->options.archive));
            return TD_E_INVALID;
        }
    for (size_t i = 0; i < config->feed_count; i++) {
        const char *feed = config->feeds[i].name;
        uint32_t count = takeover_shard_count(of, feed);
        uint32_t lines = (uint32_t)line_count(self, i);
        for (uint32_t shard = 0; shard < count; shard++)
            if (takeover_free_line(of, feed, shard, lines) == lines)
                return td_err_set(
                    err, TD_E_INVALID,
                    "feed '%s' has no line that is free to take over on: max_age is 0", feed);
        if (count == self->feeds[i].subscription.shard_count) {
            open_gaps_of_feed(self, i, &no_past, &no_ledger, of->start_ns);
            continue;
        }
        td_err_set(err, TD_E_INVALID,
                   "feed '%s' needs %" PRIu32 " connections, and has %" PRIu32
                   " in the running recorder",
                   feed, self->feeds[i].subscription.shard_count, count);
        td_err_hint(err, "only a recorder of the same topics is replaced: change them with "
                         "'tapedeck ctl reload', or stop that recorder");
        return TD_E_INVALID;
    }
    return TD_OK;
}

static void open_slot(supervisor *self, size_t feed_index, uint16_t line, uint32_t shard)
{
    TD_ASSERT(shard < self->feeds[feed_index].subscription.shard_count);
    TD_ASSERT(self->feeds[feed_index].budget != NULL);
    feed_setup *feed = &self->feeds[feed_index];
    connection_options options = {
        .env = &self->env,
        .feed = &self->options.config->feeds[feed_index],
        .feed_index = (uint16_t)feed_index,
        .line = line,
        .shard = shard,
        .api_key = feed->api_key,
        .api_secret = feed->api_secret,
        .redactor = self->redactors[feed_index],
        .budget = feed->budget,
        .gaps = feed->gaps[line],
        .topic_first = feed->subscription.shards[shard],
        .shard_count = feed->subscription.shard_count,
    };
    options.topics = subscription_shard(&feed->subscription, shard, &options.topic_count);
    td_random_system(&options.seed, sizeof options.seed);
    self->connections =
        td_array_grow(self->connections, self->connection_count, sizeof(connection *));
    connection *made = connection_open(&options);
    self->connections[self->connection_count++] = made;
    const takeover_slot *before =
        self->options.replaces == NULL
            ? NULL
            : takeover_find(self->options.replaces, options.feed->name, line, shard);
    if (before != NULL)
        connection_set_last_number(made, before->conn);
}

/* Open the slots of a shard, one for each number of a line. */
static void open_shard(supervisor *self, size_t feed_index, uint32_t shard)
{
    for (size_t line = 0; line < line_count(self, feed_index); line++)
        open_slot(self, feed_index, (uint16_t)line, shard);
}

/* Let a slot run for each line of a shard; the others are idle until they take over. */
static void start_shard(const supervisor *self, size_t feed_index, uint32_t shard)
{
    size_t missing = self->options.config->feeds[feed_index].lines;
    if (waits_for_list(self, feed_index))
        return;
    for (size_t line = 0; line < line_count(self, feed_index); line++)
        missing -=
            missing > 0 && !connection_get_status(find_slot(self, feed_index, line, shard)).is_idle;
    for (size_t line = 0; line < line_count(self, feed_index) && missing > 0; line++) {
        connection *slot = find_slot(self, feed_index, line, shard);
        if (!connection_get_status(slot).is_idle)
            continue;
        connection_start(slot);
        missing--;
    }
}

static void open_slots(supervisor *self)
{
    self->env = (connection_env){.loop = self->loop,
                                 .intake = recording_intake(self->recording),
                                 .decoder = self->decoder,
                                 .answers = self->answers,
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
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        for (uint32_t shard = 0; shard < self->feeds[i].subscription.shard_count; shard++)
            open_shard(self, i, shard);
}

/* ---- instruments that are listed or ended ---- */

#define LIST_AGAIN_NS (5 * TD_NS_PER_S)

static const char ENDED[] = GAP_DETAIL_INSTRUMENT_ENDED;

/* Send the requests for changed topics. */
static void send_changes(const supervisor *self, size_t feed_index)
{
    for (size_t line = 0; line < line_count(self, feed_index); line++)
        for (uint32_t shard = 0; shard < self->feeds[feed_index].subscription.shard_count; shard++)
            connection_send_changes(find_slot(self, feed_index, line, shard));
}

/* Topics were added to a feed's subscription, or continue. */
static void begin_topics(supervisor *self, size_t feed_index, uint32_t shard_count_before,
                         const topic_numbers *begun)
{
    feed_setup *feed = &self->feeds[feed_index];
    for (size_t line = 0; line < line_count(self, feed_index); line++) {
        open_gaps_added(feed->gaps[line]);
        for (size_t i = 0; i < begun->count; i++) {
            uint32_t shard = subscription_shard_of(&feed->subscription, begun->items[i]);
            if (shard < shard_count_before)
                connection_add_topic(find_slot(self, feed_index, line, shard), begun->items[i]);
        }
    }
    for (uint32_t shard = 0; shard < feed->subscription.shard_count; shard++) {
        if (shard >= shard_count_before)
            open_shard(self, feed_index, shard);
        start_shard(self, feed_index, shard);
    }
}

/* Topics of a feed's subscription have ended. */
static void end_topics(supervisor *self, size_t feed_index, const topic_numbers *ended,
                       const char *why)
{
    const feed_setup *feed = &self->feeds[feed_index];
    uint64_t now_ns = intake_now_ns(recording_intake(self->recording));
    for (size_t line = 0; line < line_count(self, feed_index); line++)
        for (size_t i = 0; i < ended->count; i++) {
            uint32_t shard = subscription_shard_of(&feed->subscription, ended->items[i]);
            connection_end_topic(find_slot(self, feed_index, line, shard), ended->items[i], why);
            open_gaps_ended(feed->gaps[line], ended->items[i], now_ns, why);
        }
}

static void begin_symbols(supervisor *self, size_t feed_index, const symbol_list *symbols)
{
    td_err err;
    topic_numbers changed;
    feed_setup *feed = &self->feeds[feed_index];
    const feed_config *config = &self->options.config->feeds[feed_index];
    const uint32_t shard_count = feed->subscription.shard_count;
    if (subscription_add(&feed->subscription, config, symbols, &changed, &err) != TD_OK)
        td_log_emit(self->options.log, TD_LOG_ERROR,
                    "new instruments are not recorded completely: %s", err.text);
    begin_topics(self, feed_index, shard_count, &changed);
    td_free(changed.items);
}

static void end_symbols(supervisor *self, size_t feed_index, const symbol_list *symbols)
{
    topic_numbers changed;
    subscription_end(&self->feeds[feed_index].subscription,
                     &self->options.config->feeds[feed_index], symbols, &changed);
    end_topics(self, feed_index, &changed, ENDED);
    td_free(changed.items);
}

static void log_symbols(const supervisor *self, size_t feed_index, const char *what,
                        const symbol_list *symbols)
{
    for (size_t i = 0; i < symbols->count; i++)
        td_log_emit(self->options.log, TD_LOG_INFO, "%s: %s %s",
                    self->options.config->feeds[feed_index].name, symbols->items[i], what);
}

/* The list of instruments was read: record what it begins, and no longer what it ends. */
static void follow_list(supervisor *self, size_t feed_index)
{
    feed_setup *feed = &self->feeds[feed_index];
    symbol_list begun = {0};
    symbol_list ended = {0};
    begun.items = (const char **)instruments_begun(feed->listed, &begun.count);
    ended.items = (const char **)instruments_ended(feed->listed, &ended.count);
    feed_setup_log_odd(&self->options.config->feeds[feed_index], feed->listed, self->options.log);
    log_symbols(self, feed_index, "is listed: recording begins", &begun);
    log_symbols(self, feed_index, "has ended: it is no longer recorded", &ended);
    if (ended.count > 0)
        end_symbols(self, feed_index, &ended);
    if (begun.count > 0)
        begin_symbols(self, feed_index, &begun);
    if (begun.count + ended.count > 0)
        send_changes(self, feed_index);
    if (instruments_is_unsure(feed->listed))
        http_feed_list_again(feed->http, LIST_AGAIN_NS);
}

static const char *begin_list(void *user, uint16_t feed_index)
{
    const supervisor *self = user;
    return instruments_begin(self->feeds[feed_index].listed);
}

static const char *on_listed(void *user, uint16_t feed_index, td_bytes reply)
{
    supervisor *self = user;
    const char *query = NULL;
    td_err err;
    feed_setup *feed = &self->feeds[feed_index];
    if (instruments_take(feed->listed, reply, &query, &err) != TD_OK)
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "%s: the list of instruments is not used: %s",
                    self->options.config->feeds[feed_index].name, err.text);
    else if (query == NULL)
        follow_list(self, feed_index);
    return query;
}

static void open_http(supervisor *self, size_t feed_index)
{
    http_feed_options options = {.loop = self->loop,
                                 .intake = recording_intake(self->recording),
                                 .clock = self->options.clock,
                                 .log = self->options.log,
                                 .feed = &self->options.config->feeds[feed_index],
                                 .feed_index = (uint16_t)feed_index,
                                 .redactor = self->redactors[feed_index],
                                 .list_begin = begin_list,
                                 .listed = on_listed,
                                 .user = self};
    self->feeds[feed_index].http = http_feed_open(&options);
}

static void open_snapshots(supervisor *self)
{
    const snapshot_fetch_options options = {.loop = self->loop,
                                            .intake = recording_intake(self->recording),
                                            .clock = self->options.clock,
                                            .log = self->options.log,
                                            .config = self->options.config,
                                            .wanted = wanted_snapshot,
                                            .put = put_snapshot,
                                            .user = self};
    self->snapshots = snapshot_fetch_open(&options);
}

td_result supervisor_open(const supervisor_options *options, supervisor **out, td_err *err)
{
    TD_ASSERT(options->config->feed_count > 0);
    TD_ASSERT(options->config->feed_count <= LIMIT_FEEDS);
    TD_ASSERT(options->archive != NULL);
    supervisor *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->feeds = options->feeds;
    pthread_mutex_init(&self->reload_mutex, NULL);
    pthread_mutex_init(&self->call_mutex, NULL);
    pthread_cond_init(&self->call_changed, NULL);
    self->covered = covered_gaps_open(write_gap, self);
    self->broken = heal_open();
    self->commands = on_segment_open(options->config, options->log);
    self->decoder = decoder_open();
    self->answers = dialect_parser_open();
    td_result rc = wire_loop_open(options->clock, options->log, &self->loop, err);
    if (rc != TD_OK) {
        supervisor_close(self);
        return rc;
    }
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
        rc = self->options.replaces == NULL ? open_session(self, err) : open_beside(self, err);
    for (size_t i = 0; rc == TD_OK && i < self->options.config->feed_count; i++)
        open_http(self, i);
    if (rc != TD_OK)
        return rc;
    open_snapshots(self);
    open_slots(self);
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
    uint8_t is_waiting[LIMIT_FEEDS] = {0};
    for (size_t i = 0; i < self->connection_count; i++) {
        const connection_status at = connection_get_status(self->connections[i]);
        out->established += at.was_open;
        is_waiting[at.feed_index] |= !at.is_live && !at.is_idle;
    }
    for (size_t i = 0; i < self->options.config->feed_count; i++) {
        int is_removed = self->options.config->feeds[i].is_removed;
        out->http_failures += http_feed_failures(self->feeds[i].http);
        out->feeds += !is_removed;
        out->live += !is_removed && !is_waiting[i] && !waits_for_list(self, i);
    }
    out->http_failures += snapshot_fetch_failures(self->snapshots);
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
    for (size_t i = 0; i < self->connection_count; i++) {
        if (connection_get_status(self->connections[i]).was_open)
            return;
    }
    supervisor_stop(self);
}

/* A line may be down for hours while another one has all: its gap is split from time to time, and
 * at the end, so that the part until then can be covered. */
static void split_gaps(const supervisor *self)
{
    const uint64_t now_ns = intake_now_ns(recording_intake(self->recording));
    for (size_t i = 0; i < self->options.config->feed_count; i++) {
        const feed_setup *feed = &self->feeds[i];
        for (size_t line = 0;
             self->options.config->feeds[i].lines > 1 && line < line_count(self, i); line++)
            for (uint32_t shard = 0; shard < feed->subscription.shard_count; shard++)
                open_gaps_split(feed->gaps[line], shard, now_ns);
    }
}

static void tick(supervisor *self, uint64_t *status_at_ns)
{
    uint64_t mono_ns = clock_mono_ns(self->options.clock);
    if (mono_ns >= self->split_mono_ns) {
        self->split_mono_ns = mono_ns + SPLIT_NS;
        split_gaps(self);
    }
    recording_tick(self->recording);
    on_segment_tick(self->commands);
    retention_tick(self->removal, mono_ns);
    heal_books(self, mono_ns);
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
    for (size_t i = 0; i < self->connection_count; i++) {
        if (!connection_get_status(self->connections[i]).is_down)
            return 0;
    }
    return 1;
}

static void stop_http(supervisor *self)
{
    for (size_t i = 0; self->feeds != NULL && i < self->options.config->feed_count; i++)
        if (self->feeds[i].http != NULL)
            http_feed_stop(self->feeds[i].http);
    if (self->snapshots != NULL)
        snapshot_fetch_stop(self->snapshots);
}

/* Close connections with a close frame. A connection whose peer does not answer in time ends when
 * the loop closes. */
static void close_connections(supervisor *self)
{
    td_err err;
    uint64_t until_ns = clock_mono_ns(self->options.clock) + CLOSE_MAX_NS;
    stop_http(self);
    split_gaps(self);
    for (size_t i = 0; i < self->connection_count; i++)
        connection_stop(self->connections[i],
                        self->is_replaced ? CONNECTION_STOP_REPLACED : CONNECTION_STOP_ORDERLY);
    while (!are_all_down(self) && clock_mono_ns(self->options.clock) < until_ns) {
        if (wire_loop_run(self->loop, TICK_NS, &err) != TD_OK)
            break;
        intake_tick(recording_intake(self->recording));
    }
}

/* Start what the supervisor runs, once. */
static void start(supervisor *self, void (*start_one)(const supervisor *, size_t, uint32_t))
{
    if (self->started_mono_ns != 0)
        return;
    self->started_mono_ns = clock_mono_ns(self->options.clock);
    self->split_mono_ns = self->started_mono_ns + SPLIT_NS;
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        recording_begin_feed(self->recording, (uint16_t)i);
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        for (uint32_t shard = 0; shard < self->feeds[i].subscription.shard_count; shard++)
            start_one(self, i, shard);
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        http_feed_start(self->feeds[i].http);
}

td_result supervisor_run(supervisor *self, supervisor_status *final, td_err *err)
{
    td_err failure;
    td_result rc = self->started_mono_ns == 0 ? prepare(self, err) : TD_OK;
    if (rc != TD_OK)
        return rc;
    start(self, start_shard);
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

/* ---- replacing another process ---- */

/* Start the slot of a line that the running recorder does not use. */
static void start_beside(const supervisor *self, size_t feed_index, uint32_t shard)
{
    if (waits_for_list(self, feed_index))
        return;
    uint32_t line =
        takeover_free_line(self->options.replaces, self->options.config->feeds[feed_index].name,
                           shard, (uint32_t)line_count(self, feed_index));
    connection_start(find_slot(self, feed_index, line, shard));
}

static size_t settled_count(const supervisor *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->connection_count; i++)
        count += (size_t)connection_is_settled(self->connections[i]);
    return count;
}

static td_result turn(supervisor *self, td_err *err)
{
    td_result rc = wire_loop_run(self->loop, TICK_NS, err);
    intake_tick(recording_intake(self->recording));
    return rc;
}

static td_result wait_until_settled(supervisor *self, td_err *err)
{
    const uint64_t until_ns = self->started_mono_ns + TAKEOVER_NS / 2;
    size_t shard_count = 0;
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        shard_count += waits_for_list(self, i) ? 0 : self->feeds[i].subscription.shard_count;
    while (settled_count(self) < shard_count) {
        td_result rc = turn(self, err);
        if (rc != TD_OK)
            return rc;
        if (self->result != TD_OK) {
            *err = self->err;
            return self->result;
        }
        if (atomic_load_explicit(&self->is_stop_requested, memory_order_acquire))
            return td_err_set(err, TD_E_BUSY, "stopped before the running recorder was replaced");
        if (clock_mono_ns(self->options.clock) >= until_ns)
            return td_err_set(err, TD_E_BUSY,
                              "only %zu of %zu connections had their topics in time; the running "
                              "recorder records on",
                              settled_count(self), shard_count);
        if (recording_ring_percent(self->recording) < 50)
            continue;
        td_err_set(err, TD_E_BUSY,
                   "half the ring was full before all connections had their topics; the running "
                   "recorder records on");
        td_err_hint(err, "give a larger --ring");
        return TD_E_BUSY;
    }
    return TD_OK;
}

/* What a thread does while the network thread receives. */
typedef struct replace_work {
    supervisor *self;
    archive *into;
    feed_slots past[LIMIT_FEEDS];
    gap_list ledger;
    td_result result;
    td_err err;
    atomic_int is_done; /* release/acquire */
} replace_work;

static void *take_archive(void *arg)
{
    replace_work *work = arg;
    supervisor *self = work->self;
    const recorder_config *config = self->options.config;
    archive_view *view = NULL;
    const archive_options opening = {.io = archive_io(self->options.archive),
                                     .clock = self->options.clock,
                                     .log = self->options.log,
                                     .verb = "record",
                                     .session = self->options.replaces->session};
    td_result rc =
        takeover_open(&opening, archive_path(self->options.archive), &work->into, &work->err);
    if (rc == TD_OK)
        rc = recording_begin(self->recording, work->into, self->options.replaces->start_ns,
                             &work->err);
    if (rc == TD_OK)
        rc = archive_view_open(work->into, VIEW_ALL, NULL, &view, &work->err);
    if (rc == TD_OK)
        archive_gaps_of(view, &work->ledger);
    for (size_t i = 0; rc == TD_OK && i < config->feed_count; i++)
        rc = read_past(view, &config->feeds[i], &self->feeds[i], clock_wall_ns(self->options.clock),
                       &work->past[i], &work->err);
    archive_view_close(view);
    work->result = rc;
    atomic_store_explicit(&work->is_done, 1, memory_order_release);
    wire_loop_wake(self->loop);
    return NULL;
}

/* Tell the running recorder to end, and take its archive, on another thread. */
static td_result run_take_archive(supervisor *self, replace_work *work, td_err *err)
{
    pthread_t thread;
    td_result turned = TD_OK;
    int failure = pthread_create(&thread, NULL, take_archive, work);
    if (failure != 0)
        return td_err_set_os(err, failure, "cannot start a thread");
    while (turned == TD_OK && !atomic_load_explicit(&work->is_done, memory_order_acquire))
        turned = turn(self, err);
    pthread_join(thread, NULL);
    if (turned != TD_OK || work->result == TD_OK)
        return turned;
    return td_err_pass(err, work->result, &work->err);
}

/* Continue the gaps and numbers of a feed where the other process ended. */
static td_result continue_feed(supervisor *self, const replace_work *work, size_t index,
                               td_err *err)
{
    const uint64_t now_ns = intake_now_ns(recording_intake(self->recording));
    archive_writer *writer = recording_writer(self->recording);
    pipeline_feed *feed = &self->options.config->pipeline.feeds[index];
    const feed_slots *past = &work->past[index];
    td_result rc = TD_OK;
    feed->segment_count = archive_writer_last_number(writer, feed->name);
    feed->alone_ns = now_ns;
    for (size_t line = 0; rc == TD_OK && line < line_count(self, index); line++) {
        uint8_t is_mine[LIMIT_FEED_SLOTS] = {0};
        size_t count = 0;
        open_gaps *gaps = self->feeds[index].gaps[line];
        for (uint32_t shard = 0; shard < self->feeds[index].subscription.shard_count; shard++)
            is_mine[shard] = !connection_get_status(find_slot(self, index, line, shard)).is_idle;
        open_gaps_continue(gaps, past, &work->ledger, is_mine, now_ns);
        const gap_row *begun = open_gaps_begun(gaps, &count);
        rc = archive_writer_put_gaps(writer, begun, count, err);
    }
    for (size_t i = 0; i < past->slot_count; i++) {
        connection *slot = find_slot(self, index, past->slots[i].line, past->slots[i].shard);
        if (slot != NULL && connection_get_status(slot).is_idle)
            connection_set_last_number(slot, past->slots[i].conn);
    }
    return rc;
}

static td_result continue_session(supervisor *self, const replace_work *work, td_err *err)
{
    const recorder_config *config = self->options.config;
    td_result rc = TD_OK;
    self->options.archive = work->into;
    for (size_t i = 0; rc == TD_OK && i < config->feed_count; i++)
        rc = continue_feed(self, work, i, err);
    if (rc == TD_OK)
        rc = recording_start(self->recording, err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < self->connection_count; i++)
        connection_restate(self->connections[i]);
    for (size_t i = 0; i < config->feed_count; i++)
        for (uint32_t shard = 0; shard < self->feeds[i].subscription.shard_count; shard++)
            start_shard(self, i, shard);
    self->options.replaces = NULL;
    return TD_OK;
}

td_result supervisor_take_over(supervisor *self, archive **into, td_err *err)
{
    TD_ASSERT(self->options.replaces != NULL);
    replace_work *work = td_alloc_zero(1, sizeof *work); /* too large for a stack */
    work->self = self;
    td_result rc = prepare(self, err);
    if (rc == TD_OK) {
        start(self, start_beside);
        rc = wait_until_settled(self, err);
    }
    if (rc == TD_OK)
        rc = run_take_archive(self, work, err);
    *into = work->into;
    if (rc == TD_OK)
        rc = continue_session(self, work, err);
    for (size_t i = 0; i < LIMIT_FEEDS; i++)
        feed_slots_fini(&work->past[i]);
    gap_list_fini(&work->ledger);
    td_free(work);
    return rc;
}

/* ---- being replaced by another process ---- */

/* 1 if each shard has one connection per line: none is being replaced. */
static int has_free_lines(const supervisor *self)
{
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        for (uint32_t shard = 0; shard < self->feeds[i].subscription.shard_count; shard++) {
            size_t idle = 0;
            for (size_t line = 0; line < line_count(self, i); line++)
                idle += connection_get_status(find_slot(self, i, line, shard)).is_idle;
            if (idle == 0 && !self->options.config->feeds[i].is_removed)
                return 0;
        }
    return 1;
}

static void prepare_replace(supervisor *self, void *work)
{
    takeover *out = work;
    if (!has_free_lines(self))
        return;
    (void)snprintf(out->session, sizeof out->session, "%s", archive_session(self->options.archive));
    out->start_ns = recording_start_ns(self->recording);
    for (size_t i = 0; i < self->connection_count; i++) {
        const connection_status at = connection_get_status(self->connections[i]);
        takeover_slot slot = {.line = connection_line(self->connections[i]),
                              .shard = connection_shard(self->connections[i]),
                              .conn = at.connects,
                              .is_idle = at.is_idle};
        (void)snprintf(slot.feed, sizeof slot.feed, "%s",
                       self->options.config->feeds[at.feed_index].name);
        if (!self->options.config->feeds[at.feed_index].is_removed)
            takeover_add(out, &slot);
    }
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

/* 1 if this is the first slot in use of its shard: the other lines subscribe to the same topics. */
static int is_first_line(const supervisor *self, size_t at)
{
    const connection *own = self->connections[at];
    for (size_t i = 0; i < at; i++)
        if (connection_feed(self->connections[i]) == connection_feed(own) &&
            connection_shard(self->connections[i]) == connection_shard(own) &&
            !connection_get_status(self->connections[i]).is_idle)
            return 0;
    return 1;
}

static void take_status(supervisor *self, void *work)
{
    status_work *out = work;
    size_t row_of[LIMIT_FEEDS] = {0};
    fill_status(self, out->status);
    for (size_t i = 0; i < self->options.config->feed_count; i++) {
        const feed_config *feed = &self->options.config->feeds[i];
        if (feed->is_removed)
            continue;
        const uint64_t waiting = waits_for_list(self, i) ? feed->lines : 0;
        row_of[i] = out->feed_count;
        const grants_counts topics = recording_get_topics(self->recording, (uint16_t)i);
        out->feeds[out->feed_count++] =
            (supervisor_feed){.name = feed->name,
                              .family = feed->family->name,
                              .connections = waiting,
                              .down_connections = waiting,
                              .topics = count_topics(&self->feeds[i].subscription),
                              .topics_granted = topics.granted,
                              .topics_silent = topics.silent,
                              .topics_overdue = topics.overdue};
    }
    for (size_t i = 0; i < self->connection_count; i++) {
        const connection_status at = connection_get_status(self->connections[i]);
        if (self->options.config->feeds[at.feed_index].is_removed)
            continue;
        supervisor_feed *feed = &out->feeds[row_of[at.feed_index]];
        feed->connects += at.connects;
        feed->frames += at.frames;
        feed->last_data_ns =
            at.last_data_ns > feed->last_data_ns ? at.last_data_ns : feed->last_data_ns;
        feed->connections += !at.is_idle;
        feed->live_connections += at.is_live;
        feed->down_connections += at.is_down_long;
        feed->topics_refused += !at.is_idle && is_first_line(self, i) ? at.topics_refused : 0;
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

static const char REMOVED[] = "removed from the configuration";

typedef struct reload_work {
    recorder_config *wanted;
    reload_plan plan;
    feed_setup *setups; /* of the feeds to add, in the order of plan.added */
    feed_slots past[LIMIT_FEEDS];
    gap_list ledger;
    subscription fresh[LIMIT_FEEDS]; /* of the changed feeds */
    supervisor_changes *changes;
    uint8_t uses_texts; /* the running configuration has texts of the wanted one's file */
    td_result result;
    td_err *err;
} reload_work;

/* Set up the feeds to add, on the caller's thread: files, environment, list of instruments, and
 * what earlier sessions have of them. */
static td_result prepare_feeds(const supervisor *self, reload_work *work, td_err *err)
{
    const archive_options reading = {.io = archive_io(self->options.archive),
                                     .clock = self->options.clock,
                                     .log = self->options.log};
    archive *from = NULL;
    archive_view *view = NULL;
    wire_loop *loop = NULL;
    td_result rc = wire_loop_open(self->options.clock, self->options.log, &loop, err);
    if (rc == TD_OK)
        rc = archive_open(&reading, archive_path(self->options.archive), ARCHIVE_READ, &from, err);
    const feed_setup_env env = setup_env(self, loop, from);
    for (size_t i = 0; rc == TD_OK && i < work->plan.added_count; i++)
        rc = feed_setup_open(work->wanted, work->plan.added[i], &env, &work->setups[i], err);
    if (rc == TD_OK)
        rc = archive_view_open(from, VIEW_ALL, NULL, &view, err);
    if (rc == TD_OK)
        archive_gaps_of(view, &work->ledger);
    for (size_t i = 0; rc == TD_OK && i < work->plan.added_count; i++)
        rc = read_past(view, &work->wanted->feeds[work->plan.added[i]], &work->setups[i],
                       clock_wall_ns(self->options.clock), &work->past[i], err);
    archive_view_close(view);
    archive_close(from);
    if (loop != NULL)
        wire_loop_close(loop);
    return rc;
}

/* Make the changed feeds' new subscriptions. */
static td_result choose_topics(supervisor *self, reload_work *work, td_err *err)
{
    const feed_setup_env env = setup_env(self, NULL, NULL);
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < work->plan.changed_count; i++) {
        const reload_pair pair = work->plan.changed[i];
        const feed_config *wanted = &work->wanted->feeds[pair.wanted];
        instruments *listed = self->feeds[pair.running].listed;
        if (listed != NULL)
            instruments_choose(listed, &wanted->symbols);
        rc =
            feed_setup_choose_topics(work->wanted, pair.wanted, &env, listed, &work->fresh[i], err);
    }
    for (size_t i = 0; rc != TD_OK && i < work->plan.changed_count; i++) {
        const size_t running = work->plan.changed[i].running;
        if (self->feeds[running].listed != NULL)
            instruments_choose(self->feeds[running].listed,
                               &self->options.config->feeds[running].symbols);
    }
    return rc;
}

static void change_feed(supervisor *self, reload_work *work, size_t number)
{
    const reload_pair pair = work->plan.changed[number];
    feed_setup *feed = &self->feeds[pair.running];
    feed_config *config = &self->options.config->feeds[pair.running];
    const feed_config *wanted = &work->wanted->feeds[pair.wanted];
    const uint32_t shard_count = feed->subscription.shard_count;
    topic_numbers begun;
    topic_numbers ended;
    td_err err;
    if (pair.has_other_settings) {
        config->topics = wanted->topics;
        config->symbols = wanted->symbols;
        config->symbols_file = wanted->symbols_file;
        work->uses_texts = 1;
    }
    if (subscription_change(&feed->subscription, config, &work->fresh[number], &begun, &ended,
                            &err) != TD_OK)
        td_log_emit(self->options.log, TD_LOG_ERROR,
                    "the new configuration is not recorded completely: %s", err.text);
    end_topics(self, pair.running, &ended, REMOVED);
    begin_topics(self, pair.running, shard_count, &begun);
    send_changes(self, pair.running);
    if (feed->listed != NULL)
        http_feed_list_again(feed->http, 0);
    work->changes->topics_added += begun.count;
    work->changes->topics_removed += ended.count;
    td_free(begun.items);
    td_free(ended.items);
}

static void add_feed(supervisor *self, reload_work *work, size_t number)
{
    recorder_config *config = self->options.config;
    const size_t index = config->feed_count;
    size_t count = 0;
    config->feeds[index] = work->wanted->feeds[work->plan.added[number]];
    config->pipeline.feeds[index] =
        (pipeline_feed){.name = config->feeds[index].name,
                        .family = config->feeds[index].family,
                        .silence_factor = config->feeds[index].silence_factor};
    redactor_fini(&self->feeds[index].redactor);
    self->feeds[index] = work->setups[number];
    work->setups[number] = (feed_setup){0};
    redactor_init(&work->setups[number].redactor);
    self->redactors[index] =
        self->feeds[index].redactor.count == 0 ? NULL : &self->feeds[index].redactor;
    config->feed_count++;
    config->pipeline.feed_count++;
    recording_begin_feed(self->recording, (uint16_t)index);
    open_gaps_of_feed(self, index, &work->past[number], &work->ledger,
                      intake_now_ns(recording_intake(self->recording)));
    for (size_t line = 0; line < line_count(self, index); line++) {
        const gap_row *begun = open_gaps_begun(self->feeds[index].gaps[line], &count);
        for (size_t i = 0; i < count; i++)
            on_gap(self, (uint16_t)index, &begun[i]);
    }
    open_http(self, index);
    for (uint32_t shard = 0; shard < self->feeds[index].subscription.shard_count; shard++) {
        open_shard(self, index, shard);
        start_shard(self, index, shard);
    }
    http_feed_start(self->feeds[index].http);
}

/* End a feed as planned: its topics have ended when its connections close. */
static void remove_feed(supervisor *self, size_t index)
{
    topic_numbers ended;
    topic_numbers begun;
    const subscription none = {0};
    feed_setup *feed = &self->feeds[index];
    td_result rc = subscription_change(&feed->subscription, &self->options.config->feeds[index],
                                       &none, &begun, &ended, NULL);
    TD_ASSERT(rc == TD_OK);
    end_topics(self, index, &ended, REMOVED);
    self->options.config->feeds[index].is_removed = 1;
    http_feed_stop(feed->http);
    for (uint32_t shard = 0; shard < feed->subscription.shard_count; shard++)
        for (size_t line = 0; line < line_count(self, index); line++)
            connection_stop(find_slot(self, index, line, shard), CONNECTION_STOP_ORDERLY);
    td_free(ended.items);
    td_free(begun.items);
}

static void apply(supervisor *self, void *user)
{
    reload_work *work = user;
    work->result = choose_topics(self, work, work->err);
    if (work->result != TD_OK)
        return;
    for (size_t i = 0; i < work->plan.changed_count; i++)
        change_feed(self, work, i);
    for (size_t i = 0; i < work->plan.removed_count; i++)
        remove_feed(self, work->plan.removed[i]);
    for (size_t i = 0; i < work->plan.added_count; i++)
        add_feed(self, work, i);
    work->changes->feeds_added = work->plan.added_count;
    work->changes->feeds_removed = work->plan.removed_count;
    if (work->uses_texts || work->plan.added_count > 0)
        config_take_file(self->options.config, work->wanted);
}

static void do_nothing(supervisor *self, void *user)
{
    (void)self;
    (void)user;
}

td_result supervisor_reload(supervisor *self, recorder_config *wanted, supervisor_changes *out,
                            td_err *err)
{
    td_result rc = call(self, do_nothing, NULL, err);
    if (rc != TD_OK) /* it is starting: its feeds are being set up */
        return rc;
    reload_work *work = td_alloc_zero(1, sizeof *work);
    work->wanted = wanted;
    work->changes = out;
    work->err = err;
    *out = (supervisor_changes){0};
    work->setups = feed_setup_make_all();
    pthread_mutex_lock(&self->reload_mutex);
    /* Only reloads change the configuration, so that this thread may read it. */
    rc = self->options.config->later_file_count < RELOADS_MAX
             ? reload_compare(self->options.config, wanted, &work->plan, err)
             : td_err_set(err, TD_E_LIMIT,
                          "%d new configurations were used in this session: start the "
                          "recorder again",
                          RELOADS_MAX);
    if (rc == TD_OK && work->plan.added_count > 0)
        rc = prepare_feeds(self, work, err);
    if (rc == TD_OK &&
        work->plan.changed_count + work->plan.added_count + work->plan.removed_count > 0) {
        rc = call(self, apply, work, err);
        rc = rc == TD_OK ? work->result : rc;
    }
    pthread_mutex_unlock(&self->reload_mutex);
    for (size_t i = 0; i < LIMIT_FEEDS; i++) {
        feed_slots_fini(&work->past[i]);
        subscription_fini(&work->fresh[i]);
    }
    gap_list_fini(&work->ledger);
    feed_setup_close_all(work->setups);
    td_free(work);
    return rc;
}

/* ---- */

void supervisor_close(supervisor *self)
{
    if (self == NULL)
        return;
    stop_http(self);
    wire_loop_close(self->loop);
    for (size_t i = 0; i < self->connection_count; i++)
        connection_close(self->connections[i]);
    td_free(self->connections);
    covered_gaps_close(self->covered);
    heal_close(self->broken);
    snapshot_fetch_close(self->snapshots);
    recording_close(self->recording);
    on_segment_close(self->commands);
    decoder_close(self->decoder);
    dialect_parser_close(self->answers);
    feed_setup_close_all(self->feeds);
    td_free(self->redactors);
    pthread_cond_destroy(&self->call_changed);
    pthread_mutex_destroy(&self->call_mutex);
    pthread_mutex_destroy(&self->reload_mutex);
    td_free(self);
}
