#include "recorder/tap/relay.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/url.h"
#include "recorder/pipeline/recorded_conn.h"
#include "schema/classify.h"
#include "schema/exchange.h"
#include "wire/websocket.h"

enum { STOP_CODE = 1001, BAD_GATEWAY_CODE = 1014, CLIENT_TEXT_BYTES = 256 };

struct relay {
    relay_options options;
    char url[LIMIT_URL_BYTES];           /* redacted */
    char client_text[CLIENT_TEXT_BYTES]; /* the client's address and name, for the connect event */
    wire_conn *client;                   /* NULL: the client's connection has ended */
    wire_conn *upstream;
    wire_peer facts; /* copied facts about the exchange's connection, for connect events: extensions
                        and TLS texts */
    char texts[4][256];
    uint8_t is_open;   /* 1: both ends are connected */
    uint8_t by_client; /* 1: the client closed first */
    unsigned client_code;
    char client_reason[EVENT_CONTROL_BYTES_MAX + 1];
    /* The state of recording. */
    uint8_t has_begun; /* 1: frames may have passed that the current session does not have */
    uint32_t session;  /* number of the session in which conn has begun; 0: none */
    tap_slot *slot;
    recorded_conn conn;
    uint8_t has_credentials; /* 1: the client sent some, so the exchange may send new ones */
    uint8_t has_received;    /* 1: a frame was received in this session */
    uint8_t has_pinged;      /* 1: the client has sent a ping in this session */
    uint64_t last_ns;        /* receive time of the last frame */
};

/* ---- secrets ----
 *
 * The redactor learns them before anything that may contain them is recorded or logged. */

static void check_hidden(const relay *self, td_result rc, const td_err *err)
{
    if (rc != TD_OK)
        td_log_emit(self->options.env->log, TD_LOG_ERROR, "%s: a secret cannot be hidden: %s",
                    self->options.family->name, err->text);
}

/* Hide the values that the last search found. Returns 1 if there are any. */
static int hide_found(const relay *self)
{
    td_err err;
    td_bytes ignored;
    size_t at = 0;
    td_result rc =
        redactor_add_sent(self->options.redactor, REDACT_AS_NEWEST, self->options.env->sent, &err);
    check_hidden(self, rc, &err);
    return sent_secrets_next(self->options.env->sent, &at, &ignored);
}

static void learn_secrets(relay *self, td_bytes sent, int is_binary)
{
    (void)sent_secrets_find(self->options.env->sent, sent,
                            is_binary); /* the result is ignored: only the values are needed */
    self->has_credentials |= (uint8_t)hide_found(self);
}

/* Learn the secrets that a frame of the exchange issues. */
static void learn_issued(const relay *self, td_bytes frame)
{
    if (self->has_credentials && sent_secrets_find_issued(self->options.env->sent, frame))
        (void)hide_found(self);
}

static void learn_handshake(relay *self, const wire_request *request)
{
    td_err err;
    td_bytes ignored;
    size_t at = 0;
    const td_bytes url = td_bytes_str(self->options.url);
    td_result rc = redactor_add_url(self->options.redactor, REDACT_AS_NEWEST, url, &err);
    check_hidden(self, rc, &err);
    self->has_credentials = (uint8_t)td_url_next_secret(url, &at, &ignored);
    sent_secrets_find_fields(self->options.env->sent, request->fields);
    self->has_credentials |= (uint8_t)hide_found(self);
}

/* Overwrite known secrets in a text; returns it. */
static char *hide_in(const relay *self, char *text)
{
    redactor_apply_text(self->options.redactor, (uint8_t *)text, strlen(text));
    return text;
}

/* Copy the payload of a client's control frame, with its secrets overwritten. */
static td_bytes hide_in_sent(relay *self, td_bytes sent, uint8_t copy[WS_CONTROL_BYTES_MAX])
{
    TD_ASSERT(sent.size <= WS_CONTROL_BYTES_MAX);
    learn_secrets(self, sent, 0);
    if (sent.size > 0)
        memcpy(copy, sent.data, sent.size);
    redactor_apply_sent(self->options.redactor, self->options.env->sent, copy, sent.size);
    return td_bytes_of(copy, sent.size);
}

/* ---- recording ---- */

static uint64_t now_mono_ns(const relay *self)
{
    return clock_mono_ns(self->options.env->clock);
}

static void leave_slot(relay *self)
{
    self->session = 0;
    self->conn.intake = NULL;
    self->conn.slot = NULL;
}

/* The session does not have this connection yet: begin it as the slot's next connection. */
static void begin_slot(relay *self, uint32_t number)
{
    tap_sessions *sessions = self->options.env->sessions;
    const event peer = {.url = hide_in(self, self->url),
                        .extensions = self->facts.extensions,
                        .detail = hide_in(self, self->client_text),
                        .tls_version = self->facts.tls_version,
                        .cipher = self->facts.tls_cipher,
                        .verified = self->facts.tls_subject,
                        .cause = self->has_begun ? EVENT_CONTINUED : NULL};
    self->session = number;
    self->slot = tap_sessions_slot(sessions, self->options.feed_index, self->options.shard);
    self->slot->at.feed_index = self->options.feed_index;
    self->slot->at.shard = self->options.shard;
    self->has_received = self->has_pinged = 0;
    self->last_ns = 0;
    tap_sessions_begin(sessions, self->options.feed_index);
    recorded_conn_begin(&self->conn, tap_sessions_intake(sessions), &self->slot->at, &peer);
}

/* The intake of the current session; NULL: nothing is recorded now. */
static intake *recording_of(relay *self)
{
    uint32_t number = tap_sessions_number(self->options.env->sessions);
    if (number == 0)
        leave_slot(self);
    else if (self->session != number)
        begin_slot(self, number);
    return self->conn.intake;
}

/* Write the gap between the slot's earlier connection and this one; open gaps of earlier sessions
 * end, too. */
static void end_gap(relay *self, uint64_t recv_ns)
{
    event gap;
    tap_sessions_received(self->options.env->sessions, self->options.feed_index, recv_ns);
    if (slot_outage_end(&self->slot->outage, self->options.family->name, self->options.shard,
                        recv_ns, &gap))
        intake_event(self->conn.intake, self->options.feed_index, &gap);
}

static void record_frame(relay *self, channel_dir dir, const ws_message *frame)
{
    intake *into = recording_of(self);
    if (into == NULL)
        return;
    uint64_t recv_ns = intake_frame(into, &self->slot->at, dir, frame);
    if (dir == CHANNEL_IN)
        self->last_ns = recv_ns;
    if (dir == CHANNEL_IN && !self->has_received) {
        self->has_received = 1;
        end_gap(self, recv_ns);
    }
}

/* Record a ping or pong, unless the ring is nearly full: the relay must not wait for a slow disk.
 */
static void record_heartbeat(relay *self, heartbeat_kind kind, td_bytes payload)
{
    intake *into = recording_of(self);
    if (into == NULL || !intake_has_space(into, payload.size))
        return;
    (void)recorded_conn_heartbeat(&self->conn, kind, payload);
}

static void note_ping(relay *self, ping_kind kind)
{
    self->has_pinged = 1;
    recorded_conn_pinged(&self->conn, kind);
}

/* Check whether an inbound frame is the answer to an open ping. */
static void check_pong(relay *self, td_bytes bytes)
{
    td_err err;
    dialect_answer answer;
    if (!frame_begins_as_data(self->options.family, bytes) &&
        answer_parse(self->options.env->dialects, self->options.family->dialect, bytes, &answer,
                     &err) == TD_OK &&
        answer.kind == ANSWER_PONG)
        recorded_conn_ponged(&self->conn, PING_DIALECT);
}

/* Record the end. If the exchange sent a close frame or closed the socket without an error, the
 * connection is complete until its end. Otherwise it is complete until the last answered ping or,
 * if the client never pinged, until the last frame. */
static void record_end(relay *self, const wire_end *end)
{
    if (self->session == 0 || self->session != tap_sessions_number(self->options.env->sessions))
        return;
    intake_slot *at = &self->slot->at;
    const event disconnect = {
        .code = end->close_code,
        .sent_code = self->client_code,
        .by = self->by_client ? "us" : "peer",
        .cause = wire_cause_name(self->by_client ? WIRE_CAUSE_CLOSED_BY_US : end->cause),
        .detail = self->client_reason};
    uint64_t ended_ns = recorded_conn_end(&self->conn, &disconnect, end->close_reason);
    if (end->close_code != 0 || end->cause == WIRE_CAUSE_CLOSED_BY_PEER)
        at->complete_ns = ended_ns;
    else if (!self->has_pinged && self->last_ns > at->complete_ns)
        at->complete_ns = self->last_ns;
    intake_closed(self->conn.intake, at);
    slot_outage_begin(&self->slot->outage, at->conn, at->complete_ns,
                      self->by_client                           ? "closed_by_client"
                      : end->cause == WIRE_CAUSE_CLOSED_BY_PEER ? "closed_by_exchange"
                                                                : disconnect.cause);
    leave_slot(self);
}

/* ---- books whose snapshots come over HTTP ---- */

static fetched_books *books_of(const relay *self)
{
    return &self->options.env->books[self->options.feed_index];
}

/* Note the topics that the client's URL names. */
static void note_url(const relay *self)
{
    const family *of = self->options.family;
    const td_url url = td_url_split(td_bytes_str(self->url));
    unsigned accesses;
    const char *own = family_find_path(of, url.path, &accesses);
    dialect_request named;
    if (own != NULL &&
        request_of_url(self->options.env->dialects, of->dialect, family_path_names(own, url.path),
                       url.query, &named, NULL) == TD_OK)
        fetched_books_note_request(books_of(self), &named, self->options.shard);
}

/* ---- the connection to the exchange ---- */

static void keep_facts(relay *self, const wire_peer *peer)
{
    const char *const texts[] = {peer->tls_version, peer->tls_cipher, peer->tls_subject,
                                 peer->extensions};
    for (size_t i = 0; i < 4; i++)
        (void)snprintf(self->texts[i], sizeof self->texts[i], "%s",
                       texts[i] == NULL ? "" : texts[i]); /* cut if too long */
    for (size_t i = 0; i < 4; i++)
        (void)hide_in(self, self->texts[i]);
    self->facts = (wire_peer){.tls_version = peer->tls_version == NULL ? NULL : self->texts[0],
                              .tls_cipher = self->texts[1],
                              .tls_subject = self->texts[2],
                              .extensions = self->texts[3]};
}

static void on_opened(void *user, wire_conn *conn, const wire_peer *peer)
{
    relay *self = user;
    keep_facts(self, peer);
    self->is_open = 1;
    if (self->client == NULL) {
        wire_cut_off(conn, WIRE_CUT_RESET);
        return;
    }
    wire_peer_accept(self->client, peer);
    (void)recording_of(self);
    self->has_begun = 1;
    note_url(self);
}

/* Send a message to the other end, if it is connected. */
static void send_on(wire_conn *from, wire_conn *to, const ws_message *got)
{
    if (to == NULL)
        return;
    wire_relay(to, got);
    if (wire_waiting_bytes(to) > RELAY_QUEUE_BYTES)
        wire_pause(from);
}

static void on_message(void *user, wire_conn *conn, const ws_message *got)
{
    relay *self = user;
    send_on(conn, self->client, got);
    learn_issued(self, got->bytes);
    record_frame(self, CHANNEL_IN, got);
    if (recorded_conn_open_pings(&self->conn, PING_DIALECT) > 0 && got->opcode == OPCODE_TEXT)
        check_pong(self, got->bytes);
}

static void on_heartbeat(void *user, wire_conn *conn, const ws_message *got)
{
    relay *self = user;
    send_on(conn, self->client, got);
    record_heartbeat(self, got->opcode == WS_PING ? PING_IN : PONG_IN, got->bytes);
    if (got->opcode == WS_PONG)
        recorded_conn_ponged(&self->conn, PING_WEBSOCKET);
}

static void on_closing(void *user, wire_conn *conn, unsigned code, td_bytes reason)
{
    relay *self = user;
    (void)conn;
    if (self->client != NULL)
        wire_close(self->client, code, reason);
}

static void on_drained(void *user, wire_conn *conn)
{
    relay *self = user;
    (void)conn;
    if (self->client != NULL)
        wire_resume(self->client);
}

/* Free the relay if both connections have ended. */
static void end_if_over(relay *self)
{
    if (self->client != NULL || self->upstream != NULL)
        return;
    self->options.env->ended(self->options.env->user, self->options.feed_index,
                             self->options.shard);
    td_free(self);
}

/* Answer the client with the exchange's refusal, or with the reason why the exchange did not
 * answer. */
static void refuse_client(relay *self, const wire_end *end)
{
    char text[512];
    self->options.env->refused(self->options.env->user, self->options.feed_index);
    if (end->cause == WIRE_CAUSE_REFUSED) {
        wire_peer_refuse(self->client, end->http_status, end->fields, end->body);
        return;
    }
    (void)snprintf(text, sizeof text, "tapedeck tap: %s\n", end->text); /* cut if too long */
    wire_peer_refuse(self->client, end->cause == WIRE_CAUSE_TIMEOUT ? 504 : 502,
                     "Content-Type: text/plain; charset=utf-8\r\n", td_bytes_str(text));
}

/* End the client's connection in the same way as the exchange's. If close frames were relayed in
 * both directions, the client's connection ends without further frames. */
static void on_ended(void *user, const wire_end *end)
{
    relay *self = user;
    char text[WIRE_TEXT_BYTES];
    self->upstream = NULL;
    fetched_books_leave(books_of(self), self->options.shard);
    (void)snprintf(text, sizeof text, "%s", end->text); /* fits */
    if (!self->is_open || end->cause != WIRE_CAUSE_CLOSED_BY_US)
        td_log_emit(self->options.env->log, self->is_open ? TD_LOG_INFO : TD_LOG_WARNING,
                    "%s: %s: %s", self->options.family->name, hide_in(self, self->url),
                    hide_in(self, text));
    if (self->is_open)
        record_end(self, end);
    if (self->client != NULL) {
        if (!self->is_open)
            refuse_client(self, end);
        else if (end->cause == WIRE_CAUSE_PROTOCOL || end->cause == WIRE_CAUSE_TOO_LARGE)
            wire_close(self->client, BAD_GATEWAY_CODE, td_bytes_of(NULL, 0));
        else if (end->close_code == 0 && end->cause == WIRE_CAUSE_RESET)
            wire_cut_off(self->client, WIRE_CUT_RESET);
        else
            wire_cut_off(self->client, WIRE_CUT_END);
    }
    end_if_over(self);
}

static const wire_client_ops UPSTREAM_OPS = {.opened = on_opened,
                                             .conn.message = on_message,
                                             .conn.heartbeat = on_heartbeat,
                                             .conn.closing = on_closing,
                                             .conn.drained = on_drained,
                                             .ended = on_ended};

/* ---- the client's connection ---- */

/* 1 if frames can still be sent upstream. */
static int has_upstream(const relay *self)
{
    return self->upstream != NULL && self->is_open;
}

void relay_on_message(void *user, wire_conn *client, const ws_message *got)
{
    relay *self = user;
    td_err err;
    dialect_request request;
    if (!has_upstream(self))
        return;
    ws_message sent = *got;
    send_on(client, self->upstream, got);
    sent.mono_ns = now_mono_ns(self);
    /* Learn the message's secrets first, to hide them in the message itself and in the answer. */
    learn_secrets(self, sent.bytes, sent.opcode == OPCODE_BINARY);
    record_frame(self, CHANNEL_OUT, &sent);
    if (request_parse(self->options.env->dialects, self->options.family->dialect, sent.bytes,
                      &request, &err) != TD_OK)
        return;
    fetched_books_note_request(books_of(self), &request, self->options.shard);
    if (request.kind == REQUEST_PING)
        note_ping(self, PING_DIALECT);
}

void relay_on_heartbeat(void *user, wire_conn *client, const ws_message *got)
{
    relay *self = user;
    uint8_t copy[WS_CONTROL_BYTES_MAX];
    if (!has_upstream(self))
        return;
    send_on(client, self->upstream, got);
    record_heartbeat(self, got->opcode == WS_PING ? PING_OUT : PONG_OUT,
                     hide_in_sent(self, got->bytes, copy));
    if (got->opcode == WS_PING)
        note_ping(self, PING_WEBSOCKET);
}

void relay_on_closing(void *user, wire_conn *client, unsigned code, td_bytes reason)
{
    relay *self = user;
    uint8_t copy[WS_CONTROL_BYTES_MAX];
    (void)client;
    td_utf8_copy(self->client_reason, sizeof self->client_reason, hide_in_sent(self, reason, copy));
    self->client_code = code == WS_CODE_ABSENT ? 0 : code;
    if (!has_upstream(self))
        return;
    self->by_client = wire_conn_cause(self->upstream) == WIRE_CAUSE_NONE;
    wire_close(self->upstream, code, reason);
}

void relay_on_drained(void *user, wire_conn *client)
{
    relay *self = user;
    (void)client;
    if (has_upstream(self))
        wire_resume(self->upstream);
}

void relay_on_closed(void *user)
{
    relay *self = user;
    wire_conn *client = self->client;
    self->client = NULL;
    if (self->upstream != NULL && wire_conn_cause(self->upstream) == WIRE_CAUSE_NONE) {
        self->by_client = 1;
        wire_cut_off(self->upstream,
                     wire_conn_cause(client) == WIRE_CAUSE_RESET ? WIRE_CUT_RESET : WIRE_CUT_END);
    }
    end_if_over(self);
}

/* ---- begin and end ---- */

/* Write the client's name for events: "client 127.0.0.1 (Python/3.11 websockets/12.0)". */
static void name_client(relay *self, const wire_request *request)
{
    static const char FIELD[] = "user-agent:";
    const char *agent = strcasestr(request->fields, FIELD);
    const char *text = agent == NULL ? "" : agent + sizeof FIELD - 1;
    text += strspn(text, " \t");
    size_t size = strcspn(text, "\r\n");
    uint8_t *shown = td_alloc_zero(1, size + 1);
    memcpy(shown, text, size);
    learn_secrets(self, td_bytes_of(shown, size), 0);
    redactor_apply_sent(self->options.redactor, self->options.env->sent, shown, size);
    (void)snprintf(self->client_text, sizeof self->client_text, "client %s%s%s%s", request->address,
                   size > 0 ? " (" : "", (const char *)shown,
                   size > 0 ? ")" : ""); /* cut if too long */
    td_free(shown);
}

relay *relay_open(const relay_options *options, wire_conn *client, const wire_request *request)
{
    static const char EXTENSIONS[] = "sec-websocket-extensions:";
    td_err err;
    relay *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->conn = (recorded_conn){.clock = options->env->clock, .redactor = options->redactor};
    self->client = client;
    books_of(self)->family = options->family;
    (void)td_url_redacted(options->url, self->url, sizeof self->url);
    learn_handshake(self, request);
    name_client(self, request);
    const wire_client_options connecting = {.url = options->url,
                                            .ca_file = options->env->ca_file,
                                            .fields = request->fields,
                                            .with_deflate =
                                                strcasestr(request->fields, EXTENSIONS) != NULL,
                                            .ops = &UPSTREAM_OPS,
                                            .user = self};
    if (wire_connect(options->env->loop, &connecting, &self->upstream, &err) == TD_OK)
        return self;
    refuse_client(self, &(wire_end){.text = err.text});
    td_free(self);
    return NULL;
}

void relay_stop(relay *self)
{
    const td_bytes none = td_bytes_of(NULL, 0);
    if (!self->is_open && self->upstream != NULL) {
        wire_cut_off(self->upstream, WIRE_CUT_RESET);
        return;
    }
    if (self->client != NULL)
        wire_close(self->client, STOP_CODE, none);
    if (self->upstream != NULL)
        wire_close(self->upstream, STOP_CODE, none);
}
