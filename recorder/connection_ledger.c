#include "recorder/connection_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/url.h"

event connection_event(const connection *self, event_kind kind)
{
    return (event){
        .kind = kind, .line = self->slot.line, .shard = self->slot.shard, .conn = self->slot.conn};
}

uint64_t connection_say(connection *self, const event *what)
{
    TD_ASSERT(what->line == self->slot.line);
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
    (void)td_url_shown(self->options.feed->url, out, LIMIT_URL_BYTES);
    return connection_hide(self, out);
}

/* From the last data that is here, or from the connect event where none came. */
void connection_open_gap(connection *self, gap_reason reason, const char *cause)
{
    uint64_t from_ns = self->last_data_ns != 0 ? self->last_data_ns : self->connected_ns;
    TD_ASSERT(from_ns != 0);
    open_gaps_lost(self->options.gaps, self->slot.shard, self->slot.conn, reason, from_ns, cause);
}

void connection_settle(connection *self)
{
    self->settle_mono_ns = UINT64_MAX;
    open_gaps_settle(self->options.gaps, self->slot.shard, self->granted_ns);
}

static void say_connect(connection *self)
{
    TD_ASSERT(self->slot.conn > 0);
    char url[LIMIT_URL_BYTES + 64];
    snprintf(url, sizeof url, "%s%s", self->options.feed->url,
             self->options.feed->auth == AUTH_URL ? "?api_key=*&expires=*&signature=*" : "");
    td_url_hide(url);
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
