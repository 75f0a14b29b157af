#include "recorder/connection_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "wire/url.h"

event connection_event(const connection *self, event_kind kind)
{
    return (event){
        .kind = kind, .line = self->slot.line, .shard = self->slot.shard, .conn = self->slot.conn};
}

uint64_t connection_say(connection *self, const event *what)
{
    TD_ASSERT(what->line == self->slot.line || what->kind == EVENT_GAP);
    return intake_event(self->options.env->intake, self->options.feed_index, what);
}

/* Text that may quote a URL or an answer: without what must not be recorded. */
const char *connection_hide(const connection *self, char *text)
{
    if (self->options.redactor != NULL)
        redactor_apply(self->options.redactor, (uint8_t *)text, strlen(text));
    return text;
}

const char *connection_shown_url(const connection *self, char out[LIMIT_URL_BYTES])
{
    TD_ASSERT(strlen(self->options.feed->url) < LIMIT_URL_BYTES);
    (void)wire_url_shown(self->options.feed->url, out, LIMIT_URL_BYTES);
    return connection_hide(self, out);
}

/* The same key opens and closes a gap: everything but to_ns is equal both times. */
static void say_gap(connection *self, uint64_t to_ns)
{
    TD_ASSERT(self->gap_from_ns != 0);
    TD_ASSERT(to_ns == GAP_OPEN || to_ns >= self->gap_from_ns);
    event gap = connection_event(self, EVENT_GAP);
    gap.gap = (gap_row){.reason = self->gap_reason,
                        .feed = connection_feed_name(self),
                        .line = self->slot.line,
                        .shard = self->slot.shard,
                        .conn = self->gap_conn,
                        .topic = "",
                        .symbol = "",
                        .from_ns = self->gap_from_ns,
                        .to_ns = to_ns,
                        .frames_lost = GAP_FRAMES_UNKNOWN,
                        .covered_by = "",
                        .cause = self->gap_cause,
                        .detail = ""};
    connection_say(self, &gap);
}

/* From the last frame that is here, or from the connect event where none came. */
void connection_open_gap(connection *self, gap_reason reason, const char *cause)
{
    if (self->gap_from_ns != 0)
        return;
    self->gap_reason = reason;
    self->gap_from_ns = self->last_frame_ns != 0 ? self->last_frame_ns : self->connected_ns;
    TD_ASSERT(self->gap_from_ns != 0);
    self->gap_conn = self->slot.conn;
    snprintf(self->gap_cause, sizeof self->gap_cause, "%s", cause);
    say_gap(self, GAP_OPEN);
}

/* Is this gap of an earlier session ours to end? */
static int is_ours(const connection *self, const gap_row *row)
{
    if (row->to_ns != GAP_OPEN || strcmp(row->feed, connection_feed_name(self)) != 0)
        return 0;
    if (row->line == self->slot.line && row->shard == self->slot.shard)
        return 1;
    int is_first = self->slot.line == 0 && self->slot.shard == 0;
    return is_first && (row->line > 0 || row->shard >= self->options.shard_count);
}

/* The slot is live for the first time in this session: what was open since earlier ones ends here.
 * If nothing was, the time between the sessions is a gap of its own. */
static void close_earlier(connection *self, uint64_t to_ns)
{
    TD_ASSERT(!self->has_been_live);
    TD_ASSERT(to_ns != GAP_OPEN);
    size_t closed = 0;
    for (size_t i = 0; i < self->options.earlier->count; i++) {
        const gap_row *row = &self->options.earlier->rows[i];
        if (!is_ours(self, row))
            continue;
        event ended = {.kind = EVENT_GAP,
                       .line = row->line,
                       .shard = row->shard,
                       .conn = row->conn,
                       .gap = *row};
        /* One that begins in the future is of a session whose clock was wrong: its length cannot be
         * known, and the stretch until now has a row of its own. */
        int is_ahead = row->from_ns > to_ns;
        ended.gap.to_ns = is_ahead ? row->from_ns : to_ns;
        if (is_ahead)
            ended.gap.detail = "the next session's clock was behind this moment";
        connection_say(self, &ended);
        closed += !is_ahead;
    }
    if (closed == 0 && self->options.earlier_from_ns != 0) {
        event between = connection_event(self, EVENT_GAP);
        between.conn = 0;
        between.gap = (gap_row){
            .reason = self->options.earlier_reason,
            .feed = connection_feed_name(self),
            .line = self->slot.line,
            .shard = self->slot.shard,
            .topic = "",
            .symbol = "",
            .from_ns =
                self->options.earlier_from_ns < to_ns ? self->options.earlier_from_ns : to_ns,
            .to_ns = to_ns,
            .frames_lost = GAP_FRAMES_UNKNOWN,
            .covered_by = "",
            .cause = self->options.earlier_reason == GAP_CRASH ? "recorder ended without a stop"
                                                               : "nothing was recording",
            .detail = ""};
        connection_say(self, &between);
    }
    self->has_been_live = 1;
}

/* Both sides of a gap have been recorded only now. */
void connection_close_gaps(connection *self, uint64_t to_ns)
{
    TD_ASSERT(to_ns != GAP_OPEN);
    if (!self->has_been_live)
        close_earlier(self, to_ns);
    if (self->gap_from_ns == 0)
        return;
    say_gap(self, to_ns);
    self->gap_from_ns = 0;
}

static void say_connect(connection *self)
{
    TD_ASSERT(self->slot.conn > 0);
    char url[LIMIT_URL_BYTES + 64];
    snprintf(url, sizeof url, "%s%s", self->options.feed->url,
             self->options.feed->auth == AUTH_URL ? "?api_key=*&expires=*&signature=*" : "");
    wire_url_hide(url);
    event connect = connection_event(self, EVENT_CONNECT);
    connect.url = connection_hide(self, url);
    connect.attempt = self->attempt;
    self->connected_ns = connection_say(self, &connect);
    if (self->options.feed->auth == AUTH_URL) {
        event redacted = connection_event(self, EVENT_REDACTED);
        redacted.what = "url";
        connection_say(self, &redacted);
    }
}

static void say_tls(connection *self, const wire_peer *peer)
{
    if (peer->tls_version == NULL)
        return;
    event tls = connection_event(self, EVENT_TLS);
    tls.tls_version = peer->tls_version;
    tls.cipher = peer->tls_cipher;
    tls.verified = peer->tls_subject;
    connection_say(self, &tls);
}

void connection_say_opened(connection *self, const wire_peer *peer)
{
    say_connect(self);
    say_tls(self, peer);
}

/* The ordinals at the end tell a reader whether the tail of the connection is here. */
void connection_say_ended(connection *self, const wire_end *end)
{
    char reason[256];
    size_t length =
        end->close_reason.size < sizeof reason - 1 ? end->close_reason.size : sizeof reason - 1;
    if (length > 0)
        memcpy(reason, end->close_reason.data, length);
    reason[length] = '\0';
    event disconnect = connection_event(self, EVENT_DISCONNECT);
    disconnect.in = self->slot.in;
    disconnect.out = self->slot.out;
    disconnect.code = end->close_code;
    disconnect.reason = connection_hide(self, reason);
    disconnect.by = end->cause == WIRE_CAUSE_CLOSED_BY_US ? "us" : "peer";
    disconnect.cause = self->is_stale ? "stale" : wire_cause_name(end->cause);
    connection_say(self, &disconnect);
}
