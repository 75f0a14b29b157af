#include "recorder/connection_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Of what is said when a connection ends. */
enum { END_BYTES = 1024 };

static uint64_t now_mono_ns(const connection *self)
{
    return clock_mono_ns(self->options.env->clock);
}

/* ---- timers ---- */

static void tick(void *user);
static void connect_now(void *user);

/* One timer per connection: whatever is due first. */
static void set_timer(connection *self, uint64_t mono_ns, void (*fn)(void *user))
{
    td_err err;
    wire_timer_cancel(self->timer);
    self->timer = NULL;
    if (wire_timer_at(self->options.env->loop, mono_ns, fn, self, &self->timer, &err) != TD_OK)
        td_log_say(self->options.env->log, TD_LOG_ERROR, "%s: no timer: %s",
                   connection_shown_name(self), err.text);
}

static uint64_t stale_at_mono_ns(const connection *self)
{
    uint64_t after_ns = self->options.feed->stale_after_ns;
    return after_ns == 0 ? UINT64_MAX : self->last_data_mono_ns + after_ns;
}

void connection_set_tick(connection *self)
{
    uint64_t stale_ns = stale_at_mono_ns(self);
    uint64_t talk_ns = connection_talk_due_ns(self);
    set_timer(self, stale_ns < talk_ns ? stale_ns : talk_ns, tick);
}

/* Stale, or something to say; both are counted from what happened last, never from this tick. */
static void tick(void *user)
{
    connection *self = user;
    uint64_t mono_ns = now_mono_ns(self);
    self->timer = NULL;
    if (self->is_auth_refused)
        return; /* it is closing */
    if (mono_ns >= stale_at_mono_ns(self)) {
        char silence[TD_TIME_TEXT_BYTES];
        td_duration_format(self->options.feed->stale_after_ns, silence);
        td_log_say(self->options.env->log, TD_LOG_WARNING, "%s: no data for %s: connecting again",
                   connection_shown_name(self), silence);
        self->is_stale = self->is_silent = 1;
        connection_open_gap(self, GAP_STALE, wire_cause_name(WIRE_CAUSE_CLOSED_BY_US));
        wire_close(self->wire, CLOSE_GOING_AWAY);
        return;
    }
    connection_talk_tick(self, mono_ns);
    if (!self->is_auth_refused)
        connection_set_tick(self);
}

static void schedule_connect(connection *self, uint64_t wait_ns)
{
    TD_ASSERT(self->wire == NULL);
    self->state = STATE_WAITING;
    set_timer(self, now_mono_ns(self) + wait_ns, connect_now);
}

/* ---- the connection's life ---- */

/* The connect event goes in before the first frame: readers number frames by it. */
static void on_opened(void *user, wire_conn *conn, const wire_peer *peer)
{
    connection *self = user;
    TD_ASSERT(self->wire == conn);
    self->slot.conn++;
    self->slot.in = self->slot.out = 0;
    self->has_stood = 1;
    self->is_refused = 0;
    self->last_data_ns = self->granted_ns = 0;
    self->settle_mono_ns = UINT64_MAX;
    self->last_data_mono_ns = now_mono_ns(self);
    intake_opened(self->options.env->intake, &self->slot);
    open_gaps_connected(self->options.gaps, self->slot.shard);
    connection_say_opened(self, peer);
    char url[LIMIT_URL_BYTES];
    td_log_say(self->options.env->log, TD_LOG_INFO, "%s: connected to %s (connection %" PRIu32 ")",
               connection_shown_name(self), connection_shown_url(self, url), self->slot.conn);
    connection_begin_talk(self);
    connection_set_tick(self);
}

static void on_message(void *user, wire_conn *conn, unsigned opcode, td_bytes bytes,
                       uint64_t recv_mono_ns)
{
    connection *self = user;
    TD_ASSERT(conn == self->wire);
    TD_ASSERT(self->slot.conn > 0);
    if (self->is_discarding)
        return;
    uint64_t recv_ns =
        intake_frame(self->options.env->intake, &self->slot, DIR_IN, opcode, bytes, recv_mono_ns);
    if (!self->is_stopping && !self->is_stale)
        connection_take_frame(self, opcode, bytes, recv_ns, recv_mono_ns);
    self->options.env->frame(self->options.env->user);
}

/* Frames of ours are recorded when they have left, with the time of that. */
static void on_sent(void *user, wire_conn *conn, unsigned opcode, td_bytes bytes,
                    uint64_t sent_mono_ns)
{
    connection *self = user;
    (void)conn;
    intake_frame(self->options.env->intake, &self->slot, DIR_OUT, opcode, bytes, sent_mono_ns);
}

static void on_heartbeat(void *user, wire_conn *conn, unsigned opcode, td_bytes bytes)
{
    connection *self = user;
    (void)conn;
    (void)bytes;
    event heartbeat = connection_event(self, EVENT_HEARTBEAT);
    heartbeat.what = opcode == 9 ? "ping" : "pong";
    heartbeat.dir = "in";
    connection_say(self, &heartbeat);
}

/* What is said of an end quotes the peer (the reason it closes with), who may quote a key. */
static const char *hide_words(const connection *self, const wire_end *end, char out[END_BYTES])
{
    (void)snprintf(out, END_BYTES, "%s", end->text); /* cut if too long: behind the peer's words */
    return connection_hide(self, out);
}

static int is_refused_key(const wire_end *end)
{
    return end->cause == WIRE_CAUSE_REFUSED && (end->http_status == 401 || end->http_status == 403);
}

/* A connection that stood has ended. */
static void after_stood(connection *self, const wire_end *end)
{
    TD_ASSERT(self->slot.conn > 0);
    connection_say_ended(self, end);
    intake_closed(self->options.env->intake, &self->slot);
    if (self->is_stopping)
        return;
    char words[END_BYTES];
    td_log_say(self->options.env->log, TD_LOG_WARNING, "%s: %s", connection_shown_name(self),
               hide_words(self, end, words));
    int is_by_peer = end->cause != WIRE_CAUSE_CLOSED_BY_US;
    if (is_by_peer)
        self->options.env->closed_by_peer(self->options.env->user);
    if (!self->is_stopping && !self->is_stale)
        connection_open_gap(self, GAP_DISCONNECT, wire_cause_name(end->cause));
}

/* It came to nothing. Credentials in the URL are refused so, by a status: at the start it ends the
 * recorder as any final refusal does, on a reconnect it is waited for, but with --strict. */
static void after_not_stood(connection *self, const wire_end *end)
{
    TD_ASSERT(end->cause != WIRE_CAUSE_NONE);
    char url[LIMIT_URL_BYTES];
    char words[END_BYTES];
    hide_words(self, end, words);
    td_log_say(self->options.env->log, TD_LOG_ERROR, "%s: cannot connect to %s: %s",
               connection_shown_name(self), connection_shown_url(self, url), words);
    if (self->options.feed->auth == AUTH_URL && is_refused_key(end))
        connection_say_url_refused(self, words);
    if (self->has_stood || !backoff_is_final(end->cause, end->http_status))
        return;
    self->is_refused = 1;
    self->options.env->refused(self->options.env->user, self, words);
}

static void on_ended(void *user, const wire_end *end)
{
    connection *self = user;
    int stood = self->state >= STATE_AUTHENTICATING && self->state <= STATE_LIVE;
    self->wire = NULL;
    wire_timer_cancel(self->timer);
    self->timer = NULL;
    if (stood)
        after_stood(self, end);
    if (self->is_stopping) {
        self->state = STATE_STOPPED;
        return;
    }
    if (!stood)
        after_not_stood(self, end);
    self->is_stale = 0;
    backoff_class why =
        self->is_auth_refused ? BACKOFF_REFUSED : backoff_classify(end->cause, end->http_status);
    self->is_auth_refused = 0;
    uint64_t wait_ns = backoff_next_ns(&self->backoff, why, now_mono_ns(self));
    schedule_connect(self, wait_ns > end->retry_after_ns ? wait_ns : end->retry_after_ns);
}

static const wire_client_ops CLIENT_OPS = {
    .opened = on_opened,
    .message = on_message,
    .sent = on_sent,
    .heartbeat = on_heartbeat,
    .ended = on_ended,
};

/* The feed's URL, with credentials in the query if that is how it authenticates. */
static td_result build_url(connection *self, td_err *err)
{
    td_buf_clear(&self->out);
    td_result rc =
        td_buf_append(&self->out, self->options.feed->url, strlen(self->options.feed->url), err);
    if (rc == TD_OK && self->options.feed->auth == AUTH_URL) {
        dialect_auth auth = connection_new_auth(self);
        rc = connection_hide_signature(self, &auth, err);
        if (rc == TD_OK)
            rc = self->dialect->build_auth_query(&self->out, &auth, err);
    }
    return rc == TD_OK ? td_buf_append(&self->out, "", 1, err) : rc;
}

/* The budget of the host is asked first: exchanges ban who connects too often. */
static void connect_now(void *user)
{
    connection *self = user;
    TD_ASSERT(self->wire == NULL);
    TD_ASSERT(!self->is_stopping);
    td_err err;
    self->timer = NULL;
    uint64_t wait_ns =
        connect_budget_take(self->options.budget, self->options.budget_feed, now_mono_ns(self));
    if (wait_ns > 0) {
        const connect_limit *limit = &self->options.budget->limit;
        char window[TD_TIME_TEXT_BYTES];
        td_duration_format(limit->window_ns, window);
        td_log_say(self->options.env->log, TD_LOG_WARNING,
                   "%s: the feed's share of the %" PRIu32 " connections that the exchange allows "
                   "in %s is used up: waiting",
                   connection_shown_name(self), limit->count, window);
        schedule_connect(self, wait_ns);
        return;
    }
    self->attempt++;
    self->state = STATE_CONNECTING;
    td_result rc = build_url(self, &err);
    if (rc == TD_OK) {
        wire_client_options options = {.url = (const char *)self->out.data,
                                       .ca_file = self->options.feed->ca_file,
                                       .connect_timeout_ns = self->options.feed->connect_timeout_ns,
                                       .ops = &CLIENT_OPS,
                                       .user = self};
        rc = wire_connect(self->options.env->loop, &options, &self->wire, &err);
    }
    if (rc == TD_OK)
        return;
    td_log_say(self->options.env->log, TD_LOG_ERROR, "%s: cannot connect: %s",
               connection_shown_name(self), err.text);
    if (rc == TD_E_INVALID) {
        self->is_refused = 1;
        self->options.env->refused(self->options.env->user, self, err.text);
    }
    schedule_connect(self, backoff_next_ns(&self->backoff, BACKOFF_REFUSED, now_mono_ns(self)));
}

td_result connection_open(const connection_options *options, connection **out, td_err *err)
{
    TD_ASSERT(options->shard < options->shard_count);
    TD_ASSERT(options->budget != NULL);
    TD_ASSERT(options->gaps != NULL);
    const dialect *spoken = options->feed->family->dialect;
    TD_ASSERT(options->topic_count > 0 || spoken->subscribes_with_auth);
    connection *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a connection");
    self->options = *options;
    self->dialect = spoken;
    self->slot = (intake_slot){
        .feed_index = options->feed_index, .line = options->line, .shard = options->shard};
    if (options->shard_count > 1)
        (void)snprintf(self->shown_name, sizeof self->shown_name,
                       "%s (shard %" PRIu32 " of 0 to %" PRIu32 ")", options->feed->name,
                       options->shard, options->shard_count - 1); /* fits */
    else
        (void)snprintf(self->shown_name, sizeof self->shown_name, "%s", options->feed->name);
    td_buf_init(&self->out, WIRE_SEND_BYTES_MAX);
    backoff_init(&self->backoff, options->seed);
    subscriber_options asking = {.dialect = spoken,
                                 .frames = options->feed->is_binary ? DIALECT_FRAMES_BINARY
                                                                    : DIALECT_FRAMES_TEXT,
                                 .topics = options->topics,
                                 .topic_count = options->topic_count,
                                 .granted = connection_on_granted,
                                 .user = self};
    td_result rc = subscriber_open(&asking, &self->subscriber, err);
    if (rc != TD_OK) {
        connection_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

void connection_start(connection *self)
{
    TD_ASSERT(self->state == STATE_IDLE);
    connect_now(self);
}

void connection_stop(connection *self, connection_stop_mode mode)
{
    if (mode == CONNECTION_STOP_AT_ONCE)
        self->is_discarding = 1;
    if (self->is_stopping)
        return;
    self->is_stopping = 1;
    wire_timer_cancel(self->timer);
    self->timer = NULL;
    if (self->wire != NULL)
        wire_close(self->wire, CLOSE_NORMAL);
    else
        self->state = STATE_STOPPED;
}

int connection_is_down(const connection *self)
{
    return self->state == STATE_STOPPED;
}

void connection_close(connection *self)
{
    if (self == NULL)
        return;
    subscriber_close(self->subscriber);
    td_buf_fini(&self->out);
    td_free(self);
}

void connection_pause(connection *self)
{
    if (self->wire != NULL)
        wire_pause(self->wire);
}

void connection_resume(connection *self)
{
    if (self->wire != NULL)
        wire_resume(self->wire);
}

uint16_t connection_feed_index(const connection *self)
{
    return self->options.feed_index;
}

int connection_is_live(const connection *self)
{
    return self->state == STATE_LIVE;
}

int connection_has_stood(const connection *self)
{
    return self->has_stood;
}

int connection_is_refused(const connection *self)
{
    return self->is_refused;
}
