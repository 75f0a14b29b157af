#include "recorder/connection.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/url.h"
#include "recorder/announced.h"
#include "recorder/pipeline/recorded_conn.h"
#include "recorder/subscriber.h"
#include "schema/end_notice.h"

/* From AUTHENTICATING to REFUSED the connection is open. */
typedef enum connection_state {
    STATE_IDLE,
    STATE_WAITING, /* until it is time to reconnect */
    STATE_CONNECTING,
    STATE_AUTHENTICATING, /* credentials were sent, no topic is requested yet */
    STATE_SUBSCRIBING,    /* some requests are not answered yet */
    STATE_LIVE,
    STATE_STALE,    /* closing because no data was received */
    STATE_REPLACED, /* closing because another slot has taken over */
    STATE_REFUSED,  /* closing because the credentials were refused */
    STATE_STOPPED,  /* connection_stop was called, and no connection is open */
} connection_state;

#define TO(state) (1u << STATE_##state)
#define TO_END    (TO(WAITING) | TO(STOPPED))
static const unsigned NEXT_STATES[] = {
    [STATE_IDLE] = TO(CONNECTING) | TO_END,
    [STATE_WAITING] = TO(CONNECTING) | TO_END,
    [STATE_CONNECTING] = TO(AUTHENTICATING) | TO(SUBSCRIBING) | TO_END,
    [STATE_AUTHENTICATING] = TO(SUBSCRIBING) | TO(STALE) | TO(REFUSED) | TO_END,
    [STATE_SUBSCRIBING] = TO(LIVE) | TO(STALE) | TO_END,
    [STATE_LIVE] = TO(STALE) | TO(REPLACED) | TO_END,
    [STATE_STALE] = TO_END,
    [STATE_REPLACED] = TO(IDLE) | TO_END,
    [STATE_REFUSED] = TO_END,
    [STATE_STOPPED] = TO(STOPPED),
};

/* Stop requested by connection_stop; the state becomes STOPPED when the connection has ended. */
typedef enum stop_request {
    STOP_NONE,
    STOP_ORDERLY,
    STOP_REPLACED, /* as STOP_ORDERLY, and another process has taken over */
    STOP_DISCARDING
} stop_request;

/* A connection that is to be replaced looks this often whether another one has taken over, which
 * must have had its topics for SETTLED_NS. */
#define AGE_RETRY_NS (100 * TD_NS_PER_MS)
#define SETTLED_NS   (3 * TD_NS_PER_S)

/* Close codes that are sent (RFC 6455, 7.4). */
enum { CLOSE_NORMAL = 1000, CLOSE_GOING_AWAY = 1001 };

struct connection {
    connection_options options;
    const dialect *dialect;
    connection_state state;
    stop_request stop;
    uint8_t is_paused;  /* sockets are not read, also after a reconnect */
    uint8_t was_open;   /* a connection was open in this session */
    uint8_t is_refused; /* refused for good */
    uint8_t was_stale;  /* the last connection ended as stale, and no data was received since */
    wire_conn *wire;
    wire_timer *timer; /* for reconnecting, or for the next tick */
    backoff backoff;
    uint64_t frames;       /* received in this session */
    uint64_t data_ns;      /* recv time of the last data in this session; 0: none yet */
    uint64_t down_mono_ns; /* since when it is not live */
    uint64_t attempt;      /* attempts to connect since the last open connection */
    uint64_t age_mono_ns;  /* when it is replaced, because of its age or of an announced end;
                              UINT64_MAX: never */
    connection *successor; /* the slot that takes over; NULL: none has been started */
    announced announced;
    uint8_t is_announced;        /* 1: the successor was started because of an announced end */
    uint64_t resnapshot_mono_ns; /* when another slot is started for its snapshots; UINT64_MAX:
                                    never */
    uint8_t is_extra;            /* 1: it was started for its snapshots, by its successor */
    /* State of the open connection, or of the last one. */
    intake_slot slot;
    recorded_conn conn;
    subscriber *subscriber;
    uint64_t connected_ns; /* recv time of the connect event; 0: no connection was open yet */
    uint64_t last_data_ns; /* recv time of the latest data on this connection; 0: none yet */
    uint64_t data_sent_ns; /* the latest data was sent after this time: slot.complete_ns when it
                              was read */
    uint64_t last_data_mono_ns; /* time of the last data, or when the connection opened */
    uint64_t answer_ns;         /* recv time of the current answer */
    uint64_t granted_ns;        /* recv time of the latest answer that granted a topic; 0: none */
    uint64_t answers_mono_ns;   /* topics that are not granted at this time get gaps of their own */
    uint64_t ping_mono_ns;      /* time of the latest ping; at first when the connection opened */
    uint64_t next_ping_mono_ns;
    uint64_t auth_due_mono_ns; /* STATE_AUTHENTICATING: time limit of the answer */
    td_buf out;                /* request being built */
    char shown_name[LIMIT_NAME_BYTES + 32];
};

static void enter_state(connection *self, connection_state next)
{
    TD_ASSERT((NEXT_STATES[self->state] >> next & 1) != 0);
    if (self->state == STATE_IDLE || self->state == STATE_LIVE)
        self->down_mono_ns = clock_mono_ns(self->options.env->clock);
    self->state = next;
}

static int is_open(const connection *self)
{
    return self->state >= STATE_AUTHENTICATING && self->state <= STATE_REFUSED;
}

/* Time until an auth request expires. The request must reach the exchange before that, even if the
 * clocks differ by some seconds. */
enum { AUTH_EXPIRES_MS = 10000 };
#define AUTH_ANSWER_NS (10 * TD_NS_PER_S)

/* Interval of pings while data is received. It is short because a gap begins no later than the last
 * answered ping (gap_from_ns). */
#define PING_WITH_DATA_NS TD_NS_PER_S

/* Time after the first granted topic until topics without an answer get gaps of their own. Answers
 * to a burst of requests take less, so an ordinary reconnect is one gap. */
#define ANSWERS_NS (500 * TD_NS_PER_MS)

/* A quoted answer is cut to this size. Its secrets are overwritten before the cut (classify_frame),
 * so no part of a secret is left. */
enum { ANSWER_TEXT_BYTES = 512 };

/* Longest text about the end of a connection. */
enum { END_BYTES = 1024 };

static uint64_t now_mono_ns(const connection *self)
{
    return clock_mono_ns(self->options.env->clock);
}

static uint64_t now_ms(const connection *self)
{
    return clock_wall_ns(self->options.env->clock) / TD_NS_PER_MS;
}

/* ---- events ---- */

/* Hide secrets in a text that may quote a URL or an answer. */
static const char *hide_secrets(const connection *self, char *text)
{
    if (self->options.redactor != NULL)
        redactor_apply_text(self->options.redactor, (uint8_t *)text, strlen(text));
    return text;
}

/* Write the feed's URL without its secrets to out; returns out. */
static const char *shown_url(const connection *self, char out[LIMIT_URL_BYTES])
{
    TD_ASSERT(strlen(self->options.feed->url) < LIMIT_URL_BYTES);
    (void)td_url_redacted(self->options.feed->url, out, LIMIT_URL_BYTES);
    return hide_secrets(self, out);
}

/* Return where a gap begins: at the last recorded data, or at the connect event if there was no
 * data, but never after complete_ns. If data was read late (a stalled network, a slow link, a
 * recorder that did not run), lost data may be older than the last recorded data; but everything
 * that was sent before complete_ns has been read. */
static uint64_t gap_from_ns(const connection *self)
{
    uint64_t from_ns = self->last_data_ns != 0 ? self->last_data_ns : self->connected_ns;
    if (from_ns > self->slot.complete_ns)
        from_ns = self->slot.complete_ns;
    TD_ASSERT(from_ns != 0);
    return from_ns;
}

static void open_gap(connection *self, time_reason reason, const char *cause, const char *detail)
{
    uint64_t from_ns = gap_from_ns(self);
    /* What the exchange did not send may follow the latest data, which may have been read late:
     * pings that were answered after it prove nothing. */
    if (reason == GAP_STALE && self->last_data_ns != 0 && self->data_sent_ns < from_ns)
        from_ns = self->data_sent_ns;
    open_gaps_lost(self->options.gaps, self->slot.shard, self->slot.conn, reason, from_ns, cause,
                   detail);
}

/* End the slot's gap. Topics that are not granted yet get gaps of their own. */
static void on_answered(connection *self)
{
    self->answers_mono_ns = UINT64_MAX;
    open_gaps_answered(self->options.gaps, self->slot.shard, self->granted_ns);
}

static void note_heartbeat(connection *self, heartbeat_kind kind, td_bytes bytes)
{
    if (recorded_conn_heartbeat(&self->conn, kind, bytes))
        td_log_emit(self->options.env->log, TD_LOG_WARNING,
                    "%s: more than %d WebSocket pings and pongs in a second: further ones are only "
                    "counted",
                    self->shown_name, HEARTBEATS_A_SECOND);
}

/* ---- timers ---- */

static void tick(void *user);
static void connect_now(void *user);

/* Set the connection's only timer, for the earliest due time. */
static void set_timer(connection *self, uint64_t mono_ns, void (*fn)(void *user))
{
    wire_timer_set(self->options.env->loop, &self->timer, mono_ns, fn, self);
}

static uint64_t stale_at_mono_ns(const connection *self)
{
    uint64_t after_ns = self->options.feed->stale_after_ns;
    return after_ns == 0 ? UINT64_MAX : self->last_data_mono_ns + after_ns;
}

/* Return when the next message is due or the time limit of an answer ends, whichever is earlier. */
static uint64_t request_due_ns(const connection *self)
{
    uint64_t due_ns = subscriber_due_ns(self->subscriber);
    due_ns = self->answers_mono_ns < due_ns ? self->answers_mono_ns : due_ns;
    if (self->state == STATE_AUTHENTICATING)
        due_ns = self->auth_due_mono_ns;
    return due_ns < self->next_ping_mono_ns ? due_ns : self->next_ping_mono_ns;
}

static void set_tick(connection *self)
{
    uint64_t due_ns = stale_at_mono_ns(self);
    uint64_t request_ns = request_due_ns(self);
    due_ns = request_ns < due_ns ? request_ns : due_ns;
    due_ns = self->resnapshot_mono_ns < due_ns ? self->resnapshot_mono_ns : due_ns;
    set_timer(self, self->age_mono_ns < due_ns ? self->age_mono_ns : due_ns, tick);
}

/* Set when the connection is replaced because of its age. The lines' first connections get
 * different ages, so that the lines never end together. A slot whose successor has started stays at
 * its greatest age. */
static void set_age(connection *self)
{
    const feed_config *feed = self->options.feed;
    uint64_t age_ns = feed->max_age_ns;
    if (self->slot.conn == 1 && self->options.line < feed->lines)
        age_ns = age_ns / feed->lines * (self->options.line + 1);
    if (self->successor != NULL)
        self->age_mono_ns = now_mono_ns(self) + AGE_RETRY_NS;
    else
        self->age_mono_ns = age_ns == 0 ? UINT64_MAX : now_mono_ns(self) + age_ns;
    self->resnapshot_mono_ns = feed->resnapshot_ns == 0 || feed->lines > 1 || self->is_extra
                                   ? UINT64_MAX
                                   : now_mono_ns(self) + feed->resnapshot_ns /
                                                             self->options.shard_count *
                                                             (self->slot.shard + 1);
}

/* ---- sending ---- */

/* Send the built request. Failures are only logged: without an answer the connection never counts
 * as live. TD_E_NETWORK is not logged, because the connection is closing and reports its own end.
 */
static void send_built(connection *self, td_result rc, td_err *err)
{
    if (rc == TD_OK)
        rc = wire_send(self->wire, 1, td_buf_view(&self->out), err);
    if (rc != TD_OK && rc != TD_E_NETWORK)
        td_log_emit(self->options.env->log, TD_LOG_ERROR, "%s: a request could not be sent: %s",
                    self->shown_name, err->text);
}

/* Send the credentials. The redactor gets the signature first, before the frame that contains the
 * signature can be recorded. */
static void send_auth(connection *self)
{
    TD_ASSERT(self->wire != NULL);
    TD_ASSERT(self->options.redactor != NULL);
    td_err err;
    char signature[DIALECT_SIGNATURE_BYTES];
    const dialect_auth auth = {.api_key = self->options.api_key,
                               .secret = self->options.api_secret,
                               .passphrase = self->options.api_passphrase,
                               .expires_ms = now_ms(self) + AUTH_EXPIRES_MS,
                               .signed_ms = now_ms(self)};
    td_buf_clear(&self->out);
    dialect_sign(self->dialect, &auth, signature);
    td_result rc = redactor_add_signature(self->options.redactor, signature, &err);
    if (rc == TD_OK)
        rc = dialect_ask_auth(self->dialect, &self->out, &auth, &err);
    enter_state(self, STATE_AUTHENTICATING);
    self->auth_due_mono_ns = now_mono_ns(self) + AUTH_ANSWER_NS;
    recorded_conn_emit(&self->conn, &(event){.kind = EVENT_AUTH, .state = "sent"});
    send_built(self, rc, &err);
}

static void emit_topics(connection *self, const char *state, const char *topics)
{
    recorded_conn_emit(&self->conn,
                       &(event){.kind = EVENT_SUBSCRIBE, .state = state, .topics = topics});
}

/* Send all requests that may be sent now. */
static void send_subscriptions(connection *self)
{
    TD_ASSERT(self->wire != NULL);
    for (;;) {
        td_err err;
        subscriber_request request;
        td_buf_clear(&self->out);
        td_result rc =
            subscriber_next(self->subscriber, now_mono_ns(self), &self->out, &request, &err);
        if (rc == TD_EOF)
            return;
        if (request.kind == REQUEST_SUBSCRIBE)
            emit_topics(self, "sent", request.topics);
        send_built(self, rc, &err);
    }
}

static ping_kind kind_of_pings(const connection *self)
{
    return self->dialect->ping == NULL ? PING_WEBSOCKET : PING_DIALECT;
}

static void send_ping(connection *self)
{
    td_err err;
    td_buf_clear(&self->out);
    recorded_conn_pinged(&self->conn, kind_of_pings(self));
    self->ping_mono_ns = now_mono_ns(self);
    self->next_ping_mono_ns = self->ping_mono_ns + self->dialect->ping_interval_ns;
    if (self->dialect->ping == NULL) {
        wire_relay(self->wire, &(ws_message){.opcode = WS_PING});
        note_heartbeat(self, PING_OUT, td_bytes_of(NULL, 0));
        return;
    }
    send_built(self, dialect_heartbeat(&self->out, self->dialect->ping, now_ms(self), &err), &err);
}

static void send_pong(connection *self)
{
    td_err err;
    td_buf_clear(&self->out);
    if (self->dialect->pong != NULL)
        send_built(self, dialect_heartbeat(&self->out, self->dialect->pong, now_ms(self), &err),
                   &err);
}

/* ---- subscriptions ---- */

static void on_subscribed(connection *self)
{
    enter_state(self, STATE_LIVE);
    self->attempt = 0;
    backoff_live(&self->backoff, now_mono_ns(self));
    size_t granted = subscriber_granted_count(self->subscriber);
    size_t wanted = subscriber_wanted_count(self->subscriber);
    TD_ASSERT(granted <= wanted);
    if (dialect_subscribes_with_auth(self->dialect))
        td_log_emit(self->options.env->log, TD_LOG_INFO, "%s: %s", self->shown_name,
                    dialect_has_all(self->dialect)
                        ? "all that is received is recorded"
                        : "authenticated; its topics need no subscription");
    else
        td_log_emit(self->options.env->log, granted < wanted ? TD_LOG_WARNING : TD_LOG_INFO,
                    "%s: subscribed to %zu of %zu topics", self->shown_name, granted, wanted);
    if (!self->is_extra) /* the feed's HTTP requests are not repeated */
        self->options.env->live(self->options.env->user, self->options.feed_index);
}

/* The current answer granted a topic of the slot (subscriber_options). */
static void on_granted(void *user, size_t topic)
{
    connection *self = user;
    TD_ASSERT(self->answer_ns != 0);
    self->granted_ns = self->answer_ns;
    td_log_emit(self->options.env->log, TD_LOG_DEBUG, "%s: %s is granted", self->shown_name,
                self->options.topics[topic]);
    open_gaps_granted(self->options.gaps, self->options.topic_first + topic, self->answer_ns);
    if (!self->is_extra)
        self->options.env->granted(self->options.env->user, self,
                                   self->options.topic_first + topic);
}

/* The current answer withdrew a topic. */
static void on_withdrawn(void *user, size_t topic)
{
    connection *self = user;
    open_gaps_withdrawn(self->options.gaps, self->options.topic_first + topic, self->slot.conn,
                        gap_from_ns(self));
}

/* End the slot's gaps once all topics are answered, or ANSWERS_NS after the first was granted.
 * Without a granted topic no gap ends. After a stale connection, data must be received first,
 * because an exchange that granted everything and sent nothing may do so again. */
static void check_all_answered(connection *self)
{
    if (self->granted_ns == 0 || self->was_stale ||
        !open_gaps_wait_for(self->options.gaps, self->slot.shard))
        return;
    if (subscriber_is_answered(self->subscriber))
        on_answered(self);
    else if (self->answers_mono_ns == UINT64_MAX)
        self->answers_mono_ns = now_mono_ns(self) + ANSWERS_NS;
}

static void check_live(connection *self)
{
    check_all_answered(self);
    if (self->state == STATE_SUBSCRIBING && subscriber_is_answered(self->subscriber))
        on_subscribed(self);
}

/* Send the feed's own requests, and subscribe to every topic. If authentication, or the connection,
 * subscribes to everything, the slot is live since recv_ns. */
static void subscribe_all(connection *self, uint64_t recv_ns)
{
    enter_state(self, STATE_SUBSCRIBING);
    subscriber_restart(self->subscriber);
    const options_list *sent = &self->options.feed->sent;
    for (size_t i = 0; i < sent->count; i++) {
        td_err err;
        td_buf_clear(&self->out);
        td_buf_add(&self->out, sent->items[i], strlen(sent->items[i]));
        send_built(self, TD_OK, &err);
    }
    send_subscriptions(self);
    if (dialect_subscribes_with_auth(self->dialect))
        self->granted_ns = recv_ns;
    check_live(self);
}

static void copy_answer(td_bytes frame, char out[ANSWER_TEXT_BYTES])
{
    size_t length = frame.size < ANSWER_TEXT_BYTES - 1 ? frame.size : ANSWER_TEXT_BYTES - 1;
    memcpy(out, frame.data, length);
    out[length] = '\0';
}

/* Handle an answer about topics. Refused topics are logged and retried; with --strict the recorder
 * ends. */
static void on_topics_answer(connection *self, const dialect_answer *answer, td_bytes frame,
                             uint64_t recv_ns)
{
    const char *refused = "";
    char detail[ANSWER_TEXT_BYTES];
    self->answer_ns = recv_ns;
    if (!subscriber_answered(self->subscriber, answer, now_mono_ns(self), &refused))
        return;
    copy_answer(frame, detail);
    if (refused[0] != '\0') {
        char why[1024];
        (void)snprintf(why, sizeof why, "the exchange refused to subscribe %s: %s", refused,
                       hide_secrets(self, detail)); /* cut if too long: only people read it */
        td_log_emit(self->options.env->log, TD_LOG_WARNING, "%s: %s", self->shown_name, why);
        if (self->options.feed->is_strict)
            self->options.env->strict(self->options.env->user, why);
    }
    send_subscriptions(self);
    check_live(self);
}

/* Report requests without an answer. Their topics may be subscribed all the same. */
static void expire_requests(connection *self)
{
    const char *topics;
    while ((topics = subscriber_expired(self->subscriber, now_mono_ns(self))) != NULL) {
        emit_topics(self, "unanswered", topics);
        td_log_emit(self->options.env->log, TD_LOG_WARNING,
                    "%s: the exchange did not answer the request for %.900s", self->shown_name,
                    topics);
    }
}

/* ---- authentication ---- */

/* Close the connection. Credentials are retried after a backoff, as after any end. */
static void on_auth_failed(connection *self, const char *state, const char *why)
{
    TD_ASSERT(self->wire != NULL);
    td_log_emit(self->options.env->log, TD_LOG_ERROR, "%s: %s", self->shown_name, why);
    recorded_conn_emit(&self->conn, &(event){.kind = EVENT_AUTH, .state = state, .detail = why});
    if (self->options.feed->is_strict)
        self->options.env->strict(self->options.env->user, why);
    enter_state(self, STATE_REFUSED);
    wire_close(self->wire, CLOSE_NORMAL, td_bytes_of(NULL, 0));
}

static void on_auth(connection *self, int is_success, td_bytes frame, uint64_t recv_ns)
{
    if (self->state != STATE_AUTHENTICATING)
        return;
    if (!is_success) {
        char detail[ANSWER_TEXT_BYTES];
        char why[ANSWER_TEXT_BYTES + 64];
        copy_answer(frame, detail);
        (void)snprintf(why, sizeof why, "the exchange refused the credentials: %s",
                       hide_secrets(self, detail)); /* fits */
        on_auth_failed(self, "refused", why);
        return;
    }
    recorded_conn_emit(&self->conn, &(event){.kind = EVENT_AUTH, .state = "accepted"});
    subscribe_all(self, recv_ns);
}

/* ---- inbound frames ---- */

/* Note the time of the last data, where a gap would begin. */
static void note_data(connection *self, uint64_t recv_ns, uint64_t recv_mono_ns)
{
    self->last_data_ns = self->data_ns = recv_ns;
    self->data_sent_ns = self->slot.complete_ns;
    self->last_data_mono_ns = recv_mono_ns;
    if (!self->was_stale)
        return;
    self->was_stale = 0;
    if (self->granted_ns != 0)
        self->granted_ns = recv_ns;
    check_all_answered(self);
}

/* Data was received: ping soon, because the answer proves that everything before the ping was read
 * (complete_ns). */
static void on_data(connection *self, uint64_t recv_ns, uint64_t recv_mono_ns)
{
    if (self->stop != STOP_NONE)
        return;
    note_data(self, recv_ns, recv_mono_ns);
    if (recorded_conn_open_pings(&self->conn, kind_of_pings(self)) >= OPEN_PINGS_MAX ||
        self->next_ping_mono_ns <= self->ping_mono_ns + PING_WITH_DATA_NS)
        return;
    self->next_ping_mono_ns = self->ping_mono_ns + PING_WITH_DATA_NS;
    set_tick(self);
}

/* A ping was answered. */
static void on_pong(connection *self)
{
    recorded_conn_ponged(&self->conn, kind_of_pings(self));
    self->options.env->proven(self->options.env->user, self);
}

static void on_answer(connection *self, td_bytes frame, uint64_t recv_ns, uint64_t recv_mono_ns)
{
    td_err err;
    dialect_answer answer;
    if (answer_parse(self->options.env->answers, self->dialect, frame, &answer, &err) != TD_OK) {
        td_log_emit(self->options.env->log, TD_LOG_ERROR, "%s: an answer could not be read: %s",
                    self->shown_name, err.text);
        return;
    }
    if (self->stop != STOP_NONE && answer.kind != ANSWER_PONG)
        return;
    switch (answer.kind) {
    case ANSWER_TOPICS:
        on_topics_answer(self, &answer, frame, recv_ns);
        break;
    case ANSWER_AUTH:
        on_auth(self, answer.success == 1, frame, recv_ns);
        break;
    case ANSWER_PING:
        send_pong(self);
        break;
    case ANSWER_PONG:
        on_pong(self);
        /* A private connection may get no data for hours: its pongs prove that it is alive. */
        if (self->options.api_key != NULL && self->stop == STOP_NONE)
            note_data(self, recv_ns, recv_mono_ns);
        break;
    case ANSWER_NONE:
        break;
    }
    if (self->state != STATE_REFUSED && self->stop == STOP_NONE)
        set_tick(self);
}

/* Classify a frame that does not begin like data. If it is not a control frame, it counts as data.
 */
static void classify_frame(connection *self, td_bytes frame, uint64_t recv_ns,
                           uint64_t recv_mono_ns)
{
    enum { CONTROL_BYTES_MAX = 32 << 10 };
    uint8_t padded[CONTROL_BYTES_MAX + DECODE_PADDING_BYTES];
    if (frame.size > CONTROL_BYTES_MAX || decoder_inflates(self->options.feed->family, frame)) {
        on_data(self, recv_ns, recv_mono_ns);
        return;
    }
    memcpy(padded, frame.data, frame.size);
    memset(padded + frame.size, 0, DECODE_PADDING_BYTES);
    if (self->options.redactor != NULL)
        redactor_apply(self->options.redactor, padded, frame.size);
    td_bytes shown = td_bytes_of(padded, frame.size);
    classification found;
    decoder_classify(self->options.env->decoder, self->options.feed->family, shown, CHANNEL_IN,
                     recv_ns, &found);
    if (frame_class_is_control(found.frame_class))
        on_answer(self, shown, recv_ns, recv_mono_ns);
    else
        on_data(self, recv_ns, recv_mono_ns);
}

/* ---- time ---- */

static void request_tick(connection *self, uint64_t mono_ns)
{
    TD_ASSERT(self->wire != NULL);
    if (self->state == STATE_AUTHENTICATING && mono_ns >= self->auth_due_mono_ns) {
        on_auth_failed(self, "unanswered", "the exchange did not answer the credentials");
        return;
    }
    if (mono_ns >= self->next_ping_mono_ns)
        send_ping(self);
    if (self->state != STATE_AUTHENTICATING) {
        expire_requests(self);
        send_subscriptions(self);
        if (mono_ns >= self->answers_mono_ns)
            on_answered(self);
        check_live(self);
    }
}

/* 1 if the connection has all topics that it asked for, and is complete since then. */
static int is_complete(const connection *self)
{
    return self->state == STATE_LIVE && self->stop == STOP_NONE && self->granted_ns != 0 &&
           self->granted_ns <= self->slot.complete_ns;
}

int connection_is_settled(const connection *self)
{
    return is_complete(self) &&
           self->granted_ns + SETTLED_NS <= intake_now_ns(self->options.env->intake);
}

/* 1 if this connection has all topics of the other one, is complete since then, and has received
 * data if the other one has. */
static int has_all_of(const connection *self, const connection *from)
{
    return is_complete(self) &&
           (self->last_data_ns != 0 || from->last_data_ns < self->granted_ns) &&
           subscriber_covers(self->subscriber, from->subscriber);
}

/* 1 if the connection has ended, and its successor has everything since a time until which this one
 * is complete: nothing is missing, as if it had been replaced in order. */
static int is_succeeded(const connection *self)
{
    return self->successor != NULL && !self->is_extra && self->state == STATE_LIVE &&
           self->stop == STOP_NONE && has_all_of(self->successor, self) &&
           self->successor->granted_ns <= self->slot.complete_ns;
}

/* Start another slot for its snapshots: the live check compares its books with this slot's
 * (book/audit.h). It closes when it has had all topics for SETTLED_NS, as if this slot replaced it.
 */
static void resnapshot(connection *self, uint64_t mono_ns)
{
    connection *extra = self->state == STATE_LIVE && self->successor == NULL
                            ? self->options.env->find_idle(self->options.env->user, self)
                            : NULL;
    self->resnapshot_mono_ns = mono_ns + AGE_RETRY_NS;
    if (extra == NULL)
        return;
    self->resnapshot_mono_ns = mono_ns + self->options.feed->resnapshot_ns;
    extra->successor = self;
    extra->is_extra = 1;
    connection_start(extra);
}

/* At its greatest age, or before its announced end: start a successor, and close once it has taken
 * over. */
static void replace(connection *self, uint64_t mono_ns)
{
    connection *successor = self->successor;
    self->age_mono_ns = mono_ns + AGE_RETRY_NS;
    if (successor == NULL) {
        self->successor = self->options.env->find_idle(self->options.env->user, self);
        if (self->successor != NULL) {
            self->is_announced = self->announced.heard_ns != 0;
            self->successor->announced.in_a_row = self->announced.in_a_row;
            connection_start(self->successor);
        }
    } else if (connection_is_settled(self) && connection_is_settled(successor) &&
               has_all_of(successor, self)) {
        td_log_emit(self->options.env->log, TD_LOG_INFO,
                    "%s: %s connection %" PRIu32 " of line %" PRIu32 "%s", self->shown_name,
                    self->is_extra       ? "its snapshots were compared with the books of"
                    : self->is_announced ? "before its announced end:"
                                         : "at its greatest age:",
                    successor->slot.conn, connection_line(successor),
                    self->is_extra ? "" : " has taken over");
        enter_state(self, STATE_REPLACED);
        wire_close(self->wire, CLOSE_NORMAL, td_bytes_of(NULL, 0));
    }
}

/* The exchange announced the end of the connection: let another one take over. If that is too soon
 * after the last one, later; without max_age none is started, and only the end's cause is known. */
static void on_end_notice(connection *self, td_bytes frame, uint64_t recv_ns)
{
    const uint64_t mono_ns = now_mono_ns(self);
    const int is_kept = config_line_numbers(self->options.feed) == self->options.feed->lines;
    char detail[ANSWER_TEXT_BYTES];
    uint64_t due_mono_ns;
    if (!announced_heard(&self->announced, recv_ns, mono_ns, self->state == STATE_LIVE,
                         &due_mono_ns))
        return;
    copy_answer(frame, detail);
    const event notice = {.kind = EVENT_END_NOTICE,
                          .state = is_kept                 ? EVENT_END_KEPT
                                   : due_mono_ns > mono_ns ? EVENT_END_WAITS
                                                           : EVENT_END_REPLACED,
                          .detail = hide_secrets(self, detail)};
    recorded_conn_emit(&self->conn, &notice);
    td_log_emit(self->options.env->log, is_kept ? TD_LOG_WARNING : TD_LOG_INFO,
                "%s: the exchange announces that it ends connection %" PRIu32 "%s: %s",
                self->shown_name, self->slot.conn,
                is_kept ? ", and without max_age no other one takes over" : "", detail);
    if (is_kept || self->successor != NULL)
        return;
    if (due_mono_ns < self->age_mono_ns)
        self->age_mono_ns = due_mono_ns;
    set_tick(self);
}

/* The connection is stale, or a message is due. */
static void tick(void *user)
{
    connection *self = user;
    uint64_t mono_ns = now_mono_ns(self);
    recorded_conn_tick(&self->conn);
    if (self->state == STATE_REFUSED)
        return;
    if (mono_ns >= stale_at_mono_ns(self)) {
        char silence[TD_TIME_TEXT_BYTES];
        td_duration_format(self->options.feed->stale_after_ns, silence);
        td_log_emit(self->options.env->log, TD_LOG_WARNING, "%s: no data for %s: connecting again",
                    self->shown_name, silence);
        enter_state(self, STATE_STALE);
        self->was_stale = 1;
        open_gap(self, GAP_STALE, wire_cause_name(WIRE_CAUSE_CLOSED_BY_US),
                 self->slot.complete_ns > self->last_data_ns ? GAP_DETAIL_PINGS_ANSWERED : "");
        wire_close(self->wire, CLOSE_GOING_AWAY, td_bytes_of(NULL, 0));
        return;
    }
    if (mono_ns >= self->resnapshot_mono_ns)
        resnapshot(self, mono_ns);
    if (mono_ns >= self->age_mono_ns)
        replace(self, mono_ns);
    if (self->state == STATE_REPLACED)
        return;
    request_tick(self, mono_ns);
    if (self->state != STATE_REFUSED)
        set_tick(self);
}

static void schedule_connect(connection *self, uint64_t wait_ns)
{
    TD_ASSERT(self->wire == NULL);
    enter_state(self, STATE_WAITING);
    set_timer(self, now_mono_ns(self) + wait_ns, connect_now);
}

/* ---- callbacks of the WebSocket client ---- */

/* The connection has opened. The connect event precedes the first frame, because readers derive
 * ordinals from it. */
static void on_opened(void *user, wire_conn *conn, const wire_peer *peer)
{
    connection *self = user;
    TD_ASSERT(self->wire == conn);
    self->was_open = 1;
    self->is_refused = 0;
    self->last_data_ns = self->granted_ns = 0;
    self->answers_mono_ns = UINT64_MAX;
    self->last_data_mono_ns = now_mono_ns(self);
    announced_opened(&self->announced, now_mono_ns(self));
    open_gaps_connected(self->options.gaps, self->slot.shard);
    char url[LIMIT_URL_BYTES];
    const event facts = {.url = shown_url(self, url),
                         .attempt = self->attempt,
                         .extensions = peer->extensions,
                         .tls_version = peer->tls_version,
                         .cipher = peer->tls_cipher,
                         .verified = peer->tls_subject};
    recorded_conn_begin(&self->conn, self->options.env->intake, &self->slot, &facts);
    self->connected_ns = self->slot.complete_ns;
    td_log_emit(self->options.env->log, TD_LOG_INFO, "%s: connected to %s (connection %" PRIu32 ")",
                self->shown_name, url, self->slot.conn);
    self->ping_mono_ns = now_mono_ns(self);
    self->next_ping_mono_ns = self->ping_mono_ns + self->dialect->ping_interval_ns;
    set_age(self);
    if (self->options.api_key != NULL)
        send_auth(self);
    else
        subscribe_all(self, self->connected_ns);
    set_tick(self);
}

static void on_message(void *user, wire_conn *conn, const ws_message *received)
{
    connection *self = user;
    TD_ASSERT(conn == self->wire);
    TD_ASSERT(self->slot.conn > 0);
    if (self->stop == STOP_DISCARDING)
        return;
    uint64_t recv_ns = intake_frame(self->options.env->intake, &self->slot, CHANNEL_IN, received);
    self->frames++;
    if (self->state != STATE_STALE && self->state != STATE_REPLACED) {
        /* Only frames that do not begin like data are classified here; the encoder classifies all.
         * Binary frames count as data: no compressed answer has been observed. */
        if (received->opcode == OPCODE_BINARY ||
            frame_begins_as_data(self->options.feed->family, received->bytes))
            on_data(self, recv_ns, received->mono_ns);
        else
            classify_frame(self, received->bytes, recv_ns, received->mono_ns);
        const end_notice *ends = exchange_of(self->options.feed->family)->ends;
        if (TD_UNLIKELY(ends != NULL && received->opcode != OPCODE_BINARY &&
                        self->state <= STATE_LIVE && self->stop == STOP_NONE &&
                        end_notice_find(ends, self->options.env->notices, received->bytes) != NULL))
            on_end_notice(self, received->bytes, recv_ns);
    }
    self->options.env->frame(self->options.env->user);
}

/* A frame was sent: record it, with the time in `sent`. */
static void on_sent(void *user, wire_conn *conn, const ws_message *sent)
{
    connection *self = user;
    (void)conn;
    intake_frame(self->options.env->intake, &self->slot, CHANNEL_OUT, sent);
}

static void on_heartbeat(void *user, wire_conn *conn, const ws_message *heartbeat)
{
    connection *self = user;
    (void)conn;
    const int is_pong = heartbeat->opcode == WS_PONG;
    note_heartbeat(self, is_pong ? PONG_IN : PING_IN, heartbeat->bytes);
    if (is_pong && self->dialect->ping == NULL)
        on_pong(self);
}

static void on_pong_sent(void *user, wire_conn *conn, td_bytes bytes)
{
    (void)conn;
    note_heartbeat(user, PONG_OUT, bytes);
}

/* Write the text of a connection's end to out, without secrets. The text quotes the peer's close
 * reason, which may contain a key. */
static const char *redacted_end_text(const connection *self, const wire_end *end,
                                     char out[END_BYTES])
{
    (void)snprintf(out, END_BYTES, "%s", end->text); /* cut if too long */
    return hide_secrets(self, out);
}

/* An open connection has ended. The ordinals of the `disconnect` event show whether its last frames
 * are recorded. */
static void on_open_ended(connection *self, const wire_end *end)
{
    TD_ASSERT(self->slot.conn > 0);
    int is_by_us = end->cause == WIRE_CAUSE_CLOSED_BY_US || end->cause == WIRE_CAUSE_PROTOCOL ||
                   end->cause == WIRE_CAUSE_TOO_LARGE;
    const int is_by_peer = end->cause != WIRE_CAUSE_CLOSED_BY_US;
    const int was_replaced = self->state == STATE_REPLACED;
    if (is_by_peer && is_succeeded(self))
        enter_state(self, STATE_REPLACED);
    const event disconnect = {.code = end->close_code,
                              .sent_code = end->sent_code,
                              .by = is_by_us ? "us" : "peer",
                              .cause =
                                  self->state == STATE_STALE ? "stale"
                                  : self->state == STATE_REPLACED || self->stop == STOP_REPLACED
                                      ? EVENT_CAUSE_REPLACED
                                      : wire_cause_name(end->cause)};
    const uint64_t end_ns = recorded_conn_end(&self->conn, &disconnect, end->close_reason);
    intake_closed(self->conn.intake, &self->slot);
    if (self->stop != STOP_NONE || was_replaced)
        return;
    char text[END_BYTES];
    td_log_emit(self->options.env->log,
                self->state == STATE_REPLACED ? TD_LOG_INFO : TD_LOG_WARNING, "%s: %s%s",
                self->shown_name, redacted_end_text(self, end, text),
                self->state == STATE_REPLACED ? " (another connection has taken over)" : "");
    if (is_by_peer)
        self->options.env->closed_by_peer(self->options.env->user);
    char detail[32] = "";
    if (end->close_code != 0)
        (void)snprintf(detail, sizeof detail, GAP_DETAIL_CLOSE_CODE "%u", end->close_code); /* fits
                                                                                             */
    if (self->stop == STOP_NONE && self->state != STATE_STALE && self->state != STATE_REPLACED)
        open_gap(self, GAP_DISCONNECT,
                 !is_by_us && announced_explains(&self->announced, end_ns)
                     ? GAP_CAUSE_ANNOUNCED
                     : wire_cause_name(end->cause),
                 detail);
}

/* An attempt to connect failed. */
static void on_connect_failed(connection *self, const wire_end *end)
{
    TD_ASSERT(end->cause != WIRE_CAUSE_NONE);
    char url[LIMIT_URL_BYTES];
    char text[END_BYTES];
    redacted_end_text(self, end, text);
    td_log_emit(self->options.env->log, TD_LOG_ERROR, "%s: cannot connect to %s: %s",
                self->shown_name, shown_url(self, url), text);
    if (self->was_open || !backoff_is_final(end->cause, end->http_status))
        return;
    self->is_refused = 1;
    self->options.env->refused(self->options.env->user, text);
}

static void on_ended(void *user, const wire_end *end)
{
    connection *self = user;
    int was_open = is_open(self);
    self->wire = NULL;
    wire_timer_cancel(&self->timer);
    if (was_open)
        on_open_ended(self, end);
    if (self->stop != STOP_NONE) {
        enter_state(self, STATE_STOPPED);
        return;
    }
    if (self->state == STATE_REPLACED) {
        enter_state(self, STATE_IDLE);
        self->successor = NULL;
        self->is_extra = 0;
        return;
    }
    if (!was_open)
        on_connect_failed(self, end);
    backoff_class why = self->state == STATE_REFUSED
                            ? BACKOFF_REFUSED
                            : backoff_classify(end->cause, end->http_status);
    uint64_t wait_ns = backoff_next_ns(&self->backoff, why, now_mono_ns(self));
    wait_ns = wait_ns > end->retry_after_ns ? wait_ns : end->retry_after_ns;
    if (end->http_status == 403 || end->http_status == 429)
        connect_budget_ban(self->options.budget, now_mono_ns(self) + wait_ns);
    schedule_connect(self, wait_ns);
}

static const wire_client_ops CLIENT_OPS = {
    .opened = on_opened,
    .conn.message = on_message,
    .conn.sent = on_sent,
    .conn.heartbeat = on_heartbeat,
    .conn.pong_sent = on_pong_sent,
    .ended = on_ended,
};

/* Connect, if the host's budget allows it: exchanges ban clients that connect too often. */
static void connect_now(void *user)
{
    connection *self = user;
    TD_ASSERT(self->wire == NULL);
    TD_ASSERT(self->stop == STOP_NONE);
    td_err err;
    uint64_t wait_ns = connect_budget_spend(self->options.budget, now_mono_ns(self));
    if (wait_ns > 0) {
        const connect_limit *limit = &self->options.feed->family->exchange->connects;
        char window[TD_TIME_TEXT_BYTES];
        char wait[TD_TIME_TEXT_BYTES];
        td_duration_format(limit->window_ns, window);
        td_duration_format(wait_ns, wait);
        td_log_emit(self->options.env->log, TD_LOG_WARNING,
                    "%s: waiting for %s: this machine has made the %" PRIu32
                    " connections that the exchange allows in %s, or the exchange refuses it",
                    self->shown_name, wait, limit->count, window);
        schedule_connect(self, wait_ns);
        return;
    }
    self->attempt++;
    enter_state(self, STATE_CONNECTING);
    const wire_client_options options = {.url = self->options.feed->url,
                                         .ca_file = self->options.feed->ca_file,
                                         .connect_timeout_ns =
                                             self->options.feed->connect_timeout_ns,
                                         .address_first = self->options.line,
                                         .with_deflate = self->options.feed->with_deflate,
                                         .ops = &CLIENT_OPS,
                                         .user = self};
    td_result rc = wire_connect(self->options.env->loop, &options, &self->wire, &err);
    if (rc == TD_OK && self->is_paused)
        wire_pause(self->wire);
    if (rc == TD_OK)
        return;
    td_log_emit(self->options.env->log, TD_LOG_ERROR, "%s: cannot connect: %s", self->shown_name,
                err.text);
    if (rc == TD_E_INVALID) {
        self->is_refused = 1;
        self->options.env->refused(self->options.env->user, err.text);
    }
    schedule_connect(self, backoff_next_ns(&self->backoff, BACKOFF_REFUSED, now_mono_ns(self)));
}

/* Set the name for the log: "feed", "feed (shard 2)", "feed (line 1, shard 2)". */
static void name_slot(connection *self)
{
    const connection_options *of = &self->options;
    char line[24] = "";
    char shard[24] = "";
    const int has_lines = of->feed->lines > 1 || of->line > 0;
    const int has_shards = of->shard_count > 1;
    if (has_lines)
        (void)snprintf(line, sizeof line, "line %" PRIu16, of->line); /* fits, like the others */
    if (has_shards)
        (void)snprintf(shard, sizeof shard, "shard %" PRIu32, of->shard);
    if (has_lines || has_shards)
        (void)snprintf(self->shown_name, sizeof self->shown_name, "%s (%s%s%s)", of->feed->name,
                       line, has_lines && has_shards ? ", " : "", shard);
    else
        (void)snprintf(self->shown_name, sizeof self->shown_name, "%s", of->feed->name);
}

connection *connection_open(const connection_options *options)
{
    TD_ASSERT(options->budget != NULL);
    TD_ASSERT(options->gaps != NULL);
    const dialect *spoken = options->feed->family->dialect;
    connection *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->dialect = spoken;
    self->age_mono_ns = UINT64_MAX;
    self->conn = (recorded_conn){.clock = options->env->clock, .redactor = options->redactor};
    self->slot = (intake_slot){
        .feed_index = options->feed_index, .line = options->line, .shard = options->shard};
    name_slot(self);
    td_buf_init(&self->out, WIRE_SEND_BYTES_MAX);
    backoff_init(&self->backoff, options->seed);
    subscriber_options asking = {.dialect = spoken,
                                 .frames = options->feed->is_binary ? DIALECT_FRAMES_BINARY
                                                                    : DIALECT_FRAMES_TEXT,
                                 .topics = options->topics,
                                 .topic_count = options->topic_count,
                                 .granted = on_granted,
                                 .withdrawn = on_withdrawn,
                                 .user = self};
    self->subscriber = subscriber_open(&asking);
    return self;
}

void connection_start(connection *self)
{
    TD_ASSERT(self->state == STATE_IDLE);
    connect_now(self);
}

void connection_set_last_number(connection *self, uint32_t conn)
{
    if (conn > self->slot.conn)
        self->slot.conn = conn;
}

void connection_restate(const connection *self)
{
    if (self->granted_ns != 0)
        open_gaps_restate(self->options.gaps, self->slot.shard, self->slot.conn, self->granted_ns);
}

uint16_t connection_feed(const connection *self)
{
    return self->options.feed_index;
}

uint32_t connection_line(const connection *self)
{
    return self->options.line;
}

uint32_t connection_shard(const connection *self)
{
    return self->options.shard;
}

uint32_t connection_live_since(const connection *self, uint64_t from_ns)
{
    int is_live = self->state == STATE_LIVE && self->stop == STOP_NONE && self->granted_ns != 0 &&
                  self->granted_ns <= from_ns;
    return is_live ? self->slot.conn : 0;
}

uint64_t connection_granted_ns(const connection *self)
{
    return self->granted_ns;
}

uint64_t connection_complete_ns(const connection *self, uint32_t conn)
{
    return self->wire != NULL && self->slot.conn == conn ? self->slot.complete_ns : 0;
}

void connection_prove(connection *self)
{
    if (self->state == STATE_LIVE && self->stop == STOP_NONE)
        send_ping(self);
}

const char *connection_open_topic(const connection *self, size_t topic)
{
    int is_open = self->state == STATE_SUBSCRIBING || self->state == STATE_LIVE;
    return is_open && self->stop == STOP_NONE
               ? self->options.topics[topic - self->options.topic_first]
               : NULL;
}

void connection_put_snapshot(connection *self, size_t topic, td_bytes reply, uint64_t recv_mono_ns)
{
    intake_fetched(self->options.env->intake, &self->slot,
                   self->options.topics[topic - self->options.topic_first], reply, recv_mono_ns);
}

void connection_add_topic(connection *self, size_t topic)
{
    TD_ASSERT(topic >= self->options.topic_first);
    subscriber_add(self->subscriber, topic - self->options.topic_first);
}

void connection_end_topic(connection *self, size_t topic, const char *why)
{
    TD_ASSERT(topic >= self->options.topic_first);
    size_t index = topic - self->options.topic_first;
    const char *ended = self->options.topics[index];
    const event end = {.kind = EVENT_SUBSCRIBE, .state = "ended", .topics = ended, .detail = why};
    subscriber_end(self->subscriber, index);
    if (self->was_open)
        recorded_conn_emit(&self->conn, &end);
}

void connection_send_changes(connection *self)
{
    if ((self->state != STATE_SUBSCRIBING && self->state != STATE_LIVE) || self->stop != STOP_NONE)
        return; /* a new connection requests all topics */
    send_subscriptions(self);
    set_tick(self);
}

void connection_renew_topic(connection *self, size_t topic)
{
    TD_ASSERT(topic >= self->options.topic_first);
    const size_t index = topic - self->options.topic_first;
    if (self->state != STATE_LIVE || self->stop != STOP_NONE ||
        !subscriber_renew(self->subscriber, index))
        return;
    td_log_emit(self->options.env->log, TD_LOG_INFO, "%s: %s is subscribed again for a snapshot",
                self->shown_name, self->options.topics[index]);
    connection_send_changes(self);
}

void connection_stop(connection *self, connection_stop_mode mode)
{
    int is_first = self->stop == STOP_NONE;
    if (mode == CONNECTION_STOP_AT_ONCE)
        self->stop = STOP_DISCARDING;
    else if (is_first)
        self->stop = mode == CONNECTION_STOP_REPLACED && self->state == STATE_LIVE ? STOP_REPLACED
                                                                                   : STOP_ORDERLY;
    if (!is_first)
        return;
    wire_timer_cancel(&self->timer);
    if (self->wire == NULL) {
        enter_state(self, STATE_STOPPED);
        return;
    }
    /* Frames that the exchange sends before it closes are still recorded. If it also answers this
     * ping, everything until now is complete, and the gap to the next session begins here. */
    if ((self->state == STATE_SUBSCRIBING || self->state == STATE_LIVE) &&
        self->last_data_ns != 0 && self->stop != STOP_DISCARDING)
        send_ping(self);
    wire_close(self->wire, CLOSE_NORMAL, td_bytes_of(NULL, 0));
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
    self->is_paused = 1;
    if (self->wire != NULL)
        wire_pause(self->wire);
}

void connection_resume(connection *self)
{
    self->is_paused = 0;
    if (self->wire != NULL)
        wire_resume(self->wire);
}

connection_status connection_get_status(const connection *self)
{
    int is_down = self->state != STATE_IDLE && self->state != STATE_LIVE &&
                  self->state != STATE_REPLACED && self->stop == STOP_NONE &&
                  now_mono_ns(self) >= self->down_mono_ns + CONNECTION_DOWN_NS;
    return (connection_status){.connects = self->slot.conn,
                               .frames = self->frames,
                               .last_data_ns = self->data_ns,
                               .topics_refused = subscriber_refused_count(self->subscriber),
                               .end_notices = self->announced.count,
                               .is_down_long = (uint8_t)is_down,
                               .feed_index = self->options.feed_index,
                               .is_idle = self->state == STATE_IDLE,
                               .is_live = self->state == STATE_LIVE,
                               .was_open = self->was_open,
                               .is_refused = self->is_refused,
                               .is_down = self->state == STATE_STOPPED};
}
