/* What is said on a connection that stands: authenticating, asking for topics, heartbeats, and what
 * the exchange answers. */
#include "recorder/connection_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

/* An auth request must reach the exchange before it expires; clocks may differ by seconds. */
enum { AUTH_EXPIRES_MS = 10000 };
#define AUTH_ANSWER_NS (10 * TD_NS_PER_S)

/* After the first topic is granted, how long the others may take before the ledger keeps them
 * apart. Answers to one burst of requests come within it, so an ordinary reconnect is one row. */
#define SETTLE_NS (500 * TD_NS_PER_MS)

/* An answer, cut to what a person reads. Secrets are hidden in it already (look_closer), so the cut
 * cannot leave half of one. */
enum { ANSWER_TEXT_BYTES = 512 };

static uint64_t now_mono_ns(const connection *self)
{
    return clock_mono_ns(self->options.env->clock);
}

static uint64_t now_ms(const connection *self)
{
    return clock_wall_ns(self->options.env->clock) / TD_NS_PER_MS;
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
                   connection_shown_name(self), err->text);
}

dialect_auth connection_new_auth(const connection *self)
{
    return (dialect_auth){.api_key = self->options.api_key,
                          .secret = self->options.api_secret,
                          .expires_ms = now_ms(self) + AUTH_EXPIRES_MS};
}

/* The signature must be hidden before it can be echoed. */
td_result connection_hide_signature(connection *self, const dialect_auth *auth, td_err *err)
{
    TD_ASSERT(self->options.redactor != NULL);
    char signature[DIALECT_SIGNATURE_BYTES];
    td_result rc = self->dialect->sign(auth, signature, err);
    return rc == TD_OK ? redactor_add_signature(self->options.redactor, signature, err) : rc;
}

/* The signature is known to the redactor before the frame that holds it can be recorded. */
static void send_auth(connection *self)
{
    TD_ASSERT(self->wire != NULL);
    td_err err;
    dialect_auth auth = connection_new_auth(self);
    td_buf_clear(&self->out);
    td_result rc = connection_hide_signature(self, &auth, &err);
    if (rc == TD_OK)
        rc = self->dialect->build_auth(&self->out, &auth, &err);
    self->state = STATE_AUTHENTICATING;
    self->auth_due_mono_ns = now_mono_ns(self) + AUTH_ANSWER_NS;
    event sent = connection_event(self, EVENT_AUTH);
    sent.state = "sent";
    connection_say(self, &sent);
    send_built(self, rc, &err);
}

/* All requests that may go out now. */
static void send_subscriptions(connection *self)
{
    TD_ASSERT(self->wire != NULL);
    for (;;) {
        td_err err;
        const char *topics = "";
        td_buf_clear(&self->out);
        td_result rc =
            subscriber_next(self->subscriber, now_mono_ns(self), &self->out, &topics, &err);
        if (rc == TD_EOF)
            return;
        event subscribe = connection_event(self, EVENT_SUBSCRIBE);
        subscribe.state = "sent";
        subscribe.topics = topics;
        connection_say(self, &subscribe);
        send_built(self, rc, &err);
    }
}

static void send_ping(connection *self)
{
    td_err err;
    td_buf_clear(&self->out);
    send_built(self, self->dialect->build_ping(&self->out, now_ms(self), &err), &err);
}

static void send_pong(connection *self)
{
    td_err err;
    td_buf_clear(&self->out);
    if (self->dialect->build_pong != NULL)
        send_built(self, self->dialect->build_pong(&self->out, now_ms(self), &err), &err);
}

/* ---- subscriptions ---- */

static void on_subscribed(connection *self)
{
    TD_ASSERT(self->state == STATE_SUBSCRIBING);
    self->state = STATE_LIVE;
    self->attempt = 0;
    backoff_live(&self->backoff, now_mono_ns(self));
    size_t granted = subscriber_granted_count(self->subscriber);
    size_t wanted = self->options.topic_count;
    TD_ASSERT(granted <= wanted);
    if (self->dialect->subscribes_with_auth)
        td_log_say(self->options.env->log, TD_LOG_INFO, "%s: authenticated: everything comes",
                   connection_shown_name(self));
    else
        td_log_say(self->options.env->log, granted < wanted ? TD_LOG_WARNING : TD_LOG_INFO,
                   "%s: subscribed to %zu of %zu topics", connection_shown_name(self), granted,
                   wanted);
    self->options.env->live(self->options.env->user, self->options.feed_index);
}

void connection_on_granted(void *user, size_t topic)
{
    connection *self = user;
    TD_ASSERT(self->answer_ns != 0);
    self->granted_ns = self->answer_ns;
    td_log_say(self->options.env->log, TD_LOG_DEBUG, "%s: %s is granted",
               connection_shown_name(self), self->options.topics[topic]);
    open_gaps_granted(self->options.gaps, self->options.topic_first + topic, self->answer_ns);
}

/* Gaps of the slot end once all topics are answered; if some take long, or are never answered, the
 * others do not wait for them. As long as nothing is granted, nothing is back; and an exchange that
 * granted everything and fell silent may do so again, so that then data must come, too. */
static void look_whether_settled(connection *self)
{
    if (self->granted_ns == 0 || self->is_silent ||
        !open_gaps_wait_for(self->options.gaps, self->slot.shard))
        return;
    if (subscriber_is_settled(self->subscriber))
        connection_settle(self);
    else if (self->settle_mono_ns == UINT64_MAX)
        self->settle_mono_ns = now_mono_ns(self) + SETTLE_NS;
}

static void look_whether_live(connection *self)
{
    look_whether_settled(self);
    if (self->state == STATE_SUBSCRIBING && subscriber_is_settled(self->subscriber))
        on_subscribed(self);
}

/* Ask for every topic anew; what is live at once is live since recv_ns. */
static void connection_subscribe(connection *self, uint64_t recv_ns)
{
    self->state = STATE_SUBSCRIBING;
    subscriber_restart(self->subscriber);
    send_subscriptions(self);
    if (self->dialect->subscribes_with_auth)
        self->granted_ns = recv_ns;
    look_whether_live(self);
}

static void copy_answer(td_bytes frame, char out[ANSWER_TEXT_BYTES])
{
    size_t length = frame.size < ANSWER_TEXT_BYTES - 1 ? frame.size : ANSWER_TEXT_BYTES - 1;
    memcpy(out, frame.data, length);
    out[length] = '\0';
}

static void say_topics(connection *self, const char *state, const char *topics, const char *detail)
{
    if (topics[0] == '\0')
        return;
    event said = connection_event(self, EVENT_SUBSCRIBE);
    said.state = state;
    said.topics = topics;
    said.detail = detail;
    connection_say(self, &said);
}

/* With --strict it is the end; without, what was refused is missing, and is said and tried again.
 */
static void on_topics_refused(connection *self, const char *topics, const char *answer)
{
    char why[1024];
    (void)snprintf(why, sizeof why, "the exchange refused to subscribe %s: %s", topics,
                   answer); /* what is cut off is only read by people */
    td_log_say(self->options.env->log, TD_LOG_WARNING, "%s: %s", connection_shown_name(self), why);
    if (self->options.feed->is_strict)
        self->options.env->strict(self->options.env->user, why);
}

static void on_topics_answer(connection *self, const dialect_answer *answer, td_bytes frame,
                             uint64_t recv_ns)
{
    subscriber_outcome outcome;
    char detail[ANSWER_TEXT_BYTES];
    self->answer_ns = recv_ns;
    if (!subscriber_answered(self->subscriber, answer, now_mono_ns(self), &outcome))
        return;
    copy_answer(frame, detail);
    say_topics(self, "acknowledged", outcome.granted, "");
    say_topics(self, "split", outcome.split, detail);
    say_topics(self, "refused", outcome.refused, detail);
    if (outcome.refused_count > 0)
        on_topics_refused(self, outcome.refused, detail);
    send_subscriptions(self);
    look_whether_live(self);
}

/* Nothing is known of these topics: their frames may come all the same. */
static void expire_requests(connection *self)
{
    const char *topics;
    while ((topics = subscriber_expired(self->subscriber, now_mono_ns(self))) != NULL) {
        say_topics(self, "unanswered", topics, "");
        td_log_say(self->options.env->log, TD_LOG_WARNING,
                   "%s: the exchange did not answer the request for %.900s",
                   connection_shown_name(self), topics);
    }
}

/* ---- authentication ---- */

static void say_auth_failed(connection *self, const char *state, const char *why)
{
    event failed = connection_event(self, EVENT_AUTH);
    failed.state = state;
    failed.detail = why;
    connection_say(self, &failed);
    if (self->options.feed->is_strict)
        self->options.env->strict(self->options.env->user, why);
}

void connection_say_url_refused(connection *self, const char *words)
{
    TD_ASSERT(self->options.feed->auth == AUTH_URL);
    char why[ANSWER_TEXT_BYTES + 64];
    (void)snprintf(why, sizeof why, "the exchange refused the credentials: %s",
                   words); /* cut if too long */
    say_auth_failed(self, "refused", connection_hide(self, why));
}

/* Credentials that are refused are not tried again at once: backoff, as for any ended connection.
 */
static void on_auth_failed(connection *self, const char *state, const char *why)
{
    TD_ASSERT(self->wire != NULL);
    td_log_say(self->options.env->log, TD_LOG_ERROR, "%s: %s", connection_shown_name(self), why);
    say_auth_failed(self, state, why);
    self->is_auth_refused = 1;
    wire_close(self->wire, CLOSE_NORMAL);
}

static void on_auth(connection *self, int is_success, td_bytes frame, uint64_t recv_ns)
{
    if (self->state != STATE_AUTHENTICATING || self->is_auth_refused)
        return;
    if (!is_success) {
        char detail[ANSWER_TEXT_BYTES];
        char why[ANSWER_TEXT_BYTES + 64];
        copy_answer(frame, detail);
        (void)snprintf(why, sizeof why, "the exchange refused the credentials: %s",
                       detail); /* fits */
        on_auth_failed(self, "refused", why);
        return;
    }
    event accepted = connection_event(self, EVENT_AUTH);
    accepted.state = "accepted";
    connection_say(self, &accepted);
    connection_subscribe(self, recv_ns);
}

void connection_begin_talk(connection *self)
{
    self->is_auth_refused = 0;
    self->next_ping_mono_ns = now_mono_ns(self) + self->dialect->ping_interval_ns;
    if (self->options.feed->auth == AUTH_OP)
        send_auth(self);
    else
        connection_subscribe(self, self->connected_ns);
}

/* ---- what comes in ---- */

/* A gap begins with the last data. */
static void note_data(connection *self, uint64_t recv_ns, uint64_t recv_mono_ns)
{
    self->last_data_ns = recv_ns;
    self->last_data_mono_ns = recv_mono_ns;
    if (!self->is_silent)
        return;
    self->is_silent = 0;
    if (self->granted_ns != 0)
        self->granted_ns = recv_ns;
    look_whether_settled(self);
}

static void on_answer(connection *self, td_bytes frame, uint64_t recv_ns, uint64_t recv_mono_ns)
{
    td_err err;
    dialect_answer answer;
    if (answer_parse(self->options.env->answers, self->dialect, frame, &answer, &err) != TD_OK) {
        td_log_say(self->options.env->log, TD_LOG_ERROR, "%s: an answer could not be read: %s",
                   connection_shown_name(self), err.text);
        return;
    }
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
        /* A private stream has nothing to say for hours: that it answers is its sign of life. */
        if (self->options.feed->auth != AUTH_NONE)
            note_data(self, recv_ns, recv_mono_ns);
        break;
    case ANSWER_NONE:
        break;
    }
    if (!self->is_auth_refused)
        connection_set_tick(self);
}

/* What is neither data of a known topic nor control is data all the same. */
static void look_closer(connection *self, td_bytes frame, uint64_t recv_ns, uint64_t recv_mono_ns)
{
    enum { CONTROL_BYTES_MAX = 32 << 10 };
    uint8_t padded[CONTROL_BYTES_MAX + DECODE_PADDING_BYTES];
    if (frame.size > CONTROL_BYTES_MAX) {
        note_data(self, recv_ns, recv_mono_ns);
        return;
    }
    memcpy(padded, frame.data, frame.size);
    memset(padded + frame.size, 0, DECODE_PADDING_BYTES);
    if (self->options.redactor != NULL)
        redactor_apply(self->options.redactor, padded, frame.size);
    td_bytes shown = td_bytes_of(padded, frame.size);
    classification found;
    decoder_classify(self->options.env->decoder, self->options.feed->family, shown, DIR_IN, recv_ns,
                     &found);
    if (frame_class_is_control(found.frame_class))
        on_answer(self, shown, recv_ns, recv_mono_ns);
    else
        note_data(self, recv_ns, recv_mono_ns);
}

/* Only what does not begin as data is classified on this thread; the encoder classifies all.
 * Binary frames are data: nobody has seen an answer that was compressed, and what is inside is the
 * encoder's to find out. */
void connection_take_frame(connection *self, unsigned opcode, td_bytes frame, uint64_t recv_ns,
                           uint64_t recv_mono_ns)
{
    if (opcode == OPCODE_BINARY || frame_begins_as_data(self->options.feed->family, frame))
        note_data(self, recv_ns, recv_mono_ns);
    else
        look_closer(self, frame, recv_ns, recv_mono_ns);
}

/* ---- time ---- */

uint64_t connection_talk_due_ns(const connection *self)
{
    uint64_t due_ns = subscriber_due_ns(self->subscriber);
    due_ns = self->settle_mono_ns < due_ns ? self->settle_mono_ns : due_ns;
    if (self->state == STATE_AUTHENTICATING)
        due_ns = self->auth_due_mono_ns;
    return due_ns < self->next_ping_mono_ns ? due_ns : self->next_ping_mono_ns;
}

void connection_talk_tick(connection *self, uint64_t mono_ns)
{
    TD_ASSERT(self->wire != NULL);
    if (self->state == STATE_AUTHENTICATING && mono_ns >= self->auth_due_mono_ns &&
        !self->is_auth_refused) {
        self->auth_due_mono_ns = UINT64_MAX;
        on_auth_failed(self, "unanswered", "the exchange did not answer the credentials");
        return;
    }
    if (mono_ns >= self->next_ping_mono_ns) {
        send_ping(self);
        self->next_ping_mono_ns = mono_ns + self->dialect->ping_interval_ns;
    }
    if (self->state != STATE_AUTHENTICATING) {
        expire_requests(self);
        send_subscriptions(self);
        if (mono_ns >= self->settle_mono_ns)
            connection_settle(self);
        look_whether_live(self);
    }
}
