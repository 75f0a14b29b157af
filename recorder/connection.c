#include "recorder/connection_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* Close codes of RFC 6455 7.4 that we send. */
enum { CLOSE_NORMAL = 1000, CLOSE_GOING_AWAY = 1001 };

/* An auth request must reach the exchange before it expires; clocks may differ by seconds. */
enum { AUTH_EXPIRES_MS = 10000 };

static uint64_t now_mono_ns(const connection *self)
{
    return clock_mono_ns(self->options.env->clock);
}

/* ---- sending ---- */

/* A request that cannot be sent is only said: without its answer the connection never counts as
 * live. */
static void send_built(connection *self, td_result rc, td_err *err)
{
    if (rc == TD_OK)
        rc = wire_send(self->wire, td_buf_view(&self->out), err);
    if (rc != TD_OK)
        td_log_say(self->options.env->log, TD_LOG_ERROR, "%s: a request could not be sent: %s",
                   connection_feed_name(self), err->text);
}

static dialect_auth new_auth(const connection *self)
{
    uint64_t now_ms = clock_wall_ns(self->options.env->clock) / TD_NS_PER_MS;
    return (dialect_auth){.api_key = self->options.api_key,
                          .secret = self->options.api_secret,
                          .expires_ms = now_ms + AUTH_EXPIRES_MS};
}

static td_result remember_signature(connection *self, const dialect_auth *auth, td_err *err)
{
    char signature[DIALECT_SIGNATURE_BYTES];
    td_result rc = dialect_sign(auth, signature, err);
    return rc == TD_OK ? redactor_add_signature(self->options.redactor, signature, err) : rc;
}

/* The signature is known to the redactor before the frame that holds it can be recorded. */
static void send_auth(connection *self)
{
    /* The signature must be hidden before it can be echoed. */
    TD_ASSERT(self->wire != NULL);
    TD_ASSERT(self->options.redactor != NULL);
    td_err err;
    dialect_auth auth = new_auth(self);
    td_buf_clear(&self->out);
    td_result rc = remember_signature(self, &auth, &err);
    if (rc == TD_OK)
        rc = self->dialect->build_auth(&self->out, &auth, &err);
    send_built(self, rc, &err);
    self->state = STATE_AUTHENTICATING;
}

/* All requests at once; the acknowledgements come in their order. */
static void send_subscriptions(connection *self)
{
    TD_ASSERT(self->wire != NULL);
    td_err err;
    self->state = STATE_SUBSCRIBING;
    subscriber_restart(self->subscriber);
    int more = 1;
    while (more) {
        const char *topics = "";
        td_buf_clear(&self->out);
        td_result rc = subscriber_build(self->subscriber, &self->out, &topics, &more, &err);
        event subscribe = connection_event(self, EVENT_SUBSCRIBE);
        subscribe.state = "sent";
        subscribe.topics = topics;
        connection_say(self, &subscribe);
        send_built(self, rc, &err);
    }
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
                   connection_feed_name(self), err.text);
}

static uint64_t stale_at_mono_ns(const connection *self)
{
    uint64_t after_ns = self->options.feed->stale_after_ns;
    return after_ns == 0 ? UINT64_MAX : self->last_data_mono_ns + after_ns;
}

static void set_tick(connection *self)
{
    uint64_t stale_ns = stale_at_mono_ns(self);
    set_timer(self, stale_ns < self->next_ping_mono_ns ? stale_ns : self->next_ping_mono_ns, tick);
}

/* Stale or due for a ping; both are counted from the last data frame or ping, never from this
 * tick. */
static void tick(void *user)
{
    connection *self = user;
    uint64_t mono_ns = now_mono_ns(self);
    self->timer = NULL;
    if (mono_ns >= stale_at_mono_ns(self)) {
        char silence[TD_TIME_TEXT_BYTES];
        td_duration_format(self->options.feed->stale_after_ns, silence);
        td_log_say(self->options.env->log, TD_LOG_WARNING, "%s: no data for %s: connecting again",
                   connection_feed_name(self), silence);
        self->is_stale = 1;
        wire_close(self->wire, CLOSE_GOING_AWAY);
        return;
    }
    if (mono_ns >= self->next_ping_mono_ns) {
        td_err err;
        td_buf_clear(&self->out);
        uint64_t now_ms = clock_wall_ns(self->options.env->clock) / TD_NS_PER_MS;
        send_built(self, self->dialect->build_ping(&self->out, now_ms, &err), &err);
        self->next_ping_mono_ns = mono_ns + self->dialect->ping_interval_ns;
    }
    set_tick(self);
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
    self->last_frame_ns = 0;
    self->last_data_mono_ns = now_mono_ns(self);
    self->next_ping_mono_ns = self->last_data_mono_ns + self->dialect->ping_interval_ns;
    intake_opened(self->options.env->intake, &self->slot);
    connection_say_opened(self, peer);
    td_log_say(self->options.env->log, TD_LOG_INFO, "%s: connected to %s (connection %" PRIu32 ")",
               connection_feed_name(self), self->options.feed->url, self->slot.conn);
    if (self->options.feed->auth == AUTH_OP)
        send_auth(self);
    else
        send_subscriptions(self);
    set_tick(self);
}

/* Live again: what was open as a gap ends with this frame's receive time. */
static void on_subscribed(connection *self, uint64_t recv_ns)
{
    TD_ASSERT(self->state == STATE_SUBSCRIBING);
    self->state = STATE_LIVE;
    self->attempt = 0;
    backoff_succeeded(&self->backoff);
    connection_close_gaps(self, recv_ns);
    size_t refused = subscriber_refused_count(self->subscriber);
    TD_ASSERT(refused <= self->options.topic_count);
    td_log_say(self->options.env->log, refused > 0 ? TD_LOG_WARNING : TD_LOG_INFO,
               "%s: subscribed to %zu of %zu topics", connection_feed_name(self),
               self->options.topic_count - refused, self->options.topic_count);
}

/* An answer, cut to what a person reads. Secrets are hidden in it already (look_closer), so the cut
 * cannot leave half of one. */
enum { ANSWER_TEXT_BYTES = 512 };

static void copy_answer(td_bytes frame, char out[ANSWER_TEXT_BYTES])
{
    size_t length = frame.size < ANSWER_TEXT_BYTES - 1 ? frame.size : ANSWER_TEXT_BYTES - 1;
    memcpy(out, frame.data, length);
    out[length] = '\0';
}

/* With --strict it is the end; without, what was refused is missing and is said. */
static void on_subscription_refused(connection *self, const char *topics, const char *answer)
{
    char why[1024];
    (void)snprintf(why, sizeof why, "the exchange refused to subscribe %s: %s", topics,
                   answer); /* what is cut off is only read by people */
    td_log_say(self->options.env->log, TD_LOG_WARNING, "%s: %s", connection_feed_name(self), why);
    if (self->options.feed->is_strict)
        self->options.env->strict(self->options.env->user, why);
}

/* An answer to a subscribe request: requests are answered in order. */
static void on_ack(connection *self, int is_success, td_bytes frame, uint64_t recv_ns)
{
    const char *topics = subscriber_answered(self->subscriber, is_success);
    if (topics == NULL)
        return;
    char detail[ANSWER_TEXT_BYTES];
    copy_answer(frame, detail);
    event answered = connection_event(self, EVENT_SUBSCRIBE);
    answered.state = is_success ? "acknowledged" : "refused";
    answered.topics = topics;
    answered.detail = is_success ? "" : detail;
    connection_say(self, &answered);
    if (!is_success)
        on_subscription_refused(self, topics, detail);
    if (subscriber_is_done(self->subscriber) && self->state == STATE_SUBSCRIBING)
        on_subscribed(self, recv_ns);
}

/* Refused credentials are not tried again at once: backoff, as for any ended connection. */
static void on_auth(connection *self, int is_success, td_bytes frame)
{
    if (self->state != STATE_AUTHENTICATING)
        return;
    if (is_success) {
        send_subscriptions(self);
        return;
    }
    char detail[ANSWER_TEXT_BYTES];
    char why[ANSWER_TEXT_BYTES + 64];
    copy_answer(frame, detail);
    (void)snprintf(why, sizeof why, "the exchange refused the credentials: %s", detail); /* fits */
    event refused = connection_event(self, EVENT_SUBSCRIBE);
    refused.state = "refused";
    refused.detail = why;
    connection_say(self, &refused);
    td_log_say(self->options.env->log, TD_LOG_ERROR, "%s: %s", connection_feed_name(self), why);
    if (self->options.feed->is_strict)
        self->options.env->strict(self->options.env->user, why);
    wire_close(self->wire, CLOSE_NORMAL);
}

/* Frames of a topic begin so in every recording of the op dialect; only others are worth a closer
 * look on this thread. The encoder classifies all of them properly. */
static int begins_like_data(td_bytes frame)
{
    static const char START[] = "{\"topic\":\"";
    return frame.size > sizeof START && memcmp(frame.data, START, sizeof START - 1) == 0;
}

static void look_closer(connection *self, td_bytes frame, uint64_t recv_ns)
{
    enum { CONTROL_BYTES_MAX = 32 << 10 };
    uint8_t padded[CONTROL_BYTES_MAX + DECODE_PADDING_BYTES];
    if (frame.size > CONTROL_BYTES_MAX) {
        self->last_data_mono_ns = now_mono_ns(self);
        return;
    }
    memcpy(padded, frame.data, frame.size);
    memset(padded + frame.size, 0, DECODE_PADDING_BYTES);
    if (self->options.redactor != NULL)
        redactor_apply(self->options.redactor, padded, frame.size);
    td_bytes answer = td_bytes_of(padded, frame.size);
    classification found;
    decoder_classify(self->options.env->decoder, self->options.feed->family, answer, DIR_IN,
                     recv_ns, &found);
    if (found.frame_class == CLASS_DATA)
        self->last_data_mono_ns = now_mono_ns(self);
    else if (found.frame_class == CLASS_ACK)
        on_ack(self, found.success == 1, answer, recv_ns);
    else if (found.frame_class == CLASS_AUTH)
        on_auth(self, found.success == 1, answer);
    else if (found.frame_class == CLASS_ERROR)
        on_ack(self, 0, answer, recv_ns);
}

static void on_message(void *user, wire_conn *conn, unsigned opcode, td_bytes bytes,
                       uint64_t recv_mono_ns)
{
    connection *self = user;
    TD_ASSERT(conn == self->wire);
    TD_ASSERT(self->slot.conn > 0);
    if (self->is_stopping)
        return;
    uint64_t recv_ns =
        intake_frame(self->options.env->intake, &self->slot, DIR_IN, opcode, bytes, recv_mono_ns);
    self->last_frame_ns = recv_ns;
    if (begins_like_data(bytes))
        self->last_data_mono_ns = recv_mono_ns;
    else
        look_closer(self, bytes, recv_ns);
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

/* Trying again cannot help: certificates and 4xx answers do not change by themselves. */
static int is_final_refusal(const wire_end *end)
{
    return end->cause == WIRE_CAUSE_TLS_UNTRUSTED || end->cause == WIRE_CAUSE_TLS_WRONG_HOST ||
           (end->cause == WIRE_CAUSE_REFUSED && end->http_status >= 400 && end->http_status < 500);
}

/* A connection that stood has ended. */
static void after_stood(connection *self, const wire_end *end)
{
    TD_ASSERT(self->slot.conn > 0);
    connection_say_ended(self, end);
    intake_closed(self->options.env->intake, &self->slot);
    if (self->is_stopping)
        return;
    td_log_say(self->options.env->log, TD_LOG_WARNING, "%s: %s", connection_feed_name(self),
               end->text);
    int is_by_peer = end->cause != WIRE_CAUSE_CLOSED_BY_US;
    if (is_by_peer)
        self->options.env->closed_by_peer(self->options.env->user);
    if (!self->is_stopping)
        connection_open_gap(self, self->is_stale ? GAP_STALE : GAP_DISCONNECT,
                            wire_cause_name(end->cause));
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
    if (!stood) {
        td_log_say(self->options.env->log, TD_LOG_ERROR, "%s: cannot connect to %s: %s",
                   connection_feed_name(self), self->options.feed->url, end->text);
        if (!self->has_stood && is_final_refusal(end)) {
            self->is_refused = 1;
            self->options.env->refused(self->options.env->user, self, end->text);
        }
    }
    self->is_stale = 0;
    uint64_t wait_ns =
        backoff_next_ns(&self->backoff, backoff_classify(end->cause, end->http_status));
    schedule_connect(self, wait_ns);
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
        dialect_auth auth = new_auth(self);
        rc = remember_signature(self, &auth, err);
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
    uint64_t wait_ns = connect_budget_take(self->options.budget, now_mono_ns(self));
    if (wait_ns > 0) {
        td_log_say(self->options.env->log, TD_LOG_WARNING,
                   "%s: %d connections in five minutes: waiting, as the exchange asks",
                   connection_feed_name(self), BACKOFF_CONNECTS_MAX);
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
               connection_feed_name(self), err.text);
    if (rc == TD_E_INVALID) {
        self->is_refused = 1;
        self->options.env->refused(self->options.env->user, self, err.text);
    }
    schedule_connect(self, backoff_next_ns(&self->backoff, BACKOFF_REFUSED));
}

td_result connection_open(const connection_options *options, connection **out, td_err *err)
{
    TD_ASSERT(options->topics != NULL);
    TD_ASSERT(options->shard < options->shard_count);
    TD_ASSERT(options->topic_count > 0);
    TD_ASSERT(options->budget != NULL);
    const dialect *spoken = dialect_find(options->feed->family->dialect);
    if (spoken == NULL)
        return td_err_set(err, TD_E_UNSUPPORTED,
                          "feed '%s': the dialect of family '%s' is not "
                          "spoken by this version",
                          options->feed->name, options->feed->family->name);
    if (options->feed->auth == AUTH_URL && spoken->build_auth_query == NULL)
        return td_err_set(err, TD_E_INVALID,
                          "feed '%s': family '%s' has no authentication by URL: use auth op",
                          options->feed->name, options->feed->family->name);
    connection *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a connection");
    self->options = *options;
    self->dialect = spoken;
    self->slot = (intake_slot){
        .feed_index = options->feed_index, .line = options->line, .shard = options->shard};
    td_buf_init(&self->out, WIRE_SEND_BYTES_MAX);
    backoff_init(&self->backoff, options->seed);
    td_result rc =
        subscriber_open(spoken, options->topics, options->topic_count, &self->subscriber, err);
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

void connection_stop(connection *self)
{
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

int connection_is_live(const connection *self)
{
    return self->state == STATE_LIVE;
}

int connection_is_refused(const connection *self)
{
    return self->is_refused;
}
