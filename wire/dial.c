#include "wire/dial.h"

#include <stdarg.h>
#include <stdio.h>

#include <openssl/crypto.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/tunnel.h"

enum {
    TIMEOUT_S = 10,
    TIMEOUT_S_MAX = 60,
    TEXT_BYTES = 768,
};

TD_PRINTF(3, 4)
static void fail(dial *self, wire_cause cause, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof text, format, values); /* may be cut */
    va_end(values);
    self->ops->ended(self->user, cause, text);
}

/* ---- the next attempt ---- */

static void attempt(void *user);

static void attempt_later(dial *self)
{
    wire_timer_set(self->loop, &self->retry_timer, loop_now_ns(self->loop), attempt, self);
}

/* Try the next address after one failed; fail after the last. */
static void try_next(dial *self, const char *why)
{
    if (self->address_next < self->addresses.count) {
        attempt_later(self);
    } else if (self->proxy.is_used) {
        fail(self, WIRE_CAUSE_CONNECT, "the proxy %s:%u does not answer: %s", self->proxy.host,
             self->proxy.port, why);
    } else {
        fail(self, WIRE_CAUSE_CONNECT, "no answer at %s: %s", self->url.authority, why);
    }
}

/* ---- the link's calls ---- */

static void on_ready(void *user)
{
    dial *self = user;
    self->stage = DIAL_READY;
    self->ops->ready(self->user);
}

static void secure(dial *self)
{
    if (!self->url.is_tls) {
        on_ready(self);
        return;
    }
    self->stage = DIAL_SECURING;
    self->check = (tls_check){.url = &self->url, .ca_file = self->ca_file};
    link_secure(&self->link, tls_client_session(self->tls, &self->check));
}

static void on_connected(void *user)
{
    dial *self = user;
    wire_timer_cancel(&self->retry_timer);
    if (!self->proxy.is_used) {
        secure(self);
        return;
    }
    self->stage = DIAL_TUNNELING;
    tunnel_put_request(&self->proxy, &self->url, link_output(&self->link));
    link_flush_later(&self->link);
}

static size_t on_received(void *user, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    dial *self = user;
    char text[TUNNEL_TEXT_BYTES];
    size_t used = 0;
    if (self->stage == DIAL_READY)
        return self->ops->received(self->user, bytes, size, read_ns);
    TD_ASSERT(self->stage == DIAL_TUNNELING);
    tunnel_state state =
        tunnel_read_reply(&self->proxy, &self->url, td_bytes_of(bytes, size), &used, text);
    if (state == TUNNEL_REFUSED)
        fail(self, WIRE_CAUSE_CONNECT, "%s", text);
    else if (state == TUNNEL_CONNECTED && self->url.is_tls && used < size)
        /* A TLS server sends nothing before the handshake. If these bytes were kept, they would be
         * read as if TLS had protected them. */
        fail(self, WIRE_CAUSE_CONNECT, "the proxy %s:%u sent more than its answer",
             self->proxy.host, self->proxy.port);
    else if (state == TUNNEL_CONNECTED)
        secure(self);
    return used;
}

static void on_drained(void *user)
{
    dial *self = user;
    if (self->stage == DIAL_READY && self->ops->drained != NULL)
        self->ops->drained(self->user);
}

static void on_tls_failed(dial *self, const char *text)
{
    const char *where = self->url.authority;
    if (self->check.cause != WIRE_CAUSE_NONE)
        fail(self, self->check.cause, "%s", self->check.text);
    else if (self->stage == DIAL_SECURING)
        fail(self, WIRE_CAUSE_TLS_OTHER,
             "%s does not speak TLS (%.200s); is its URL ws:// rather than wss://?", where, text);
    else
        fail(self, WIRE_CAUSE_TLS_OTHER, "TLS with %s failed: %.200s", where, text);
}

static void on_ended(void *user, link_end how, const char *text)
{
    dial *self = user;
    const char *where = self->url.authority;
    if (how == LINK_UNREACHABLE) {
        try_next(self, text);
    } else if (how == LINK_TLS_FAILED) {
        on_tls_failed(self, text);
    } else if (self->stage == DIAL_SECURING && how == LINK_ENDED) {
        on_tls_failed(self, "it closed the connection");
    } else if (self->stage == DIAL_TUNNELING) {
        fail(self, WIRE_CAUSE_CONNECT,
             "the proxy %s:%u closed the connection before it answered%s%s", self->proxy.host,
             self->proxy.port, text[0] == '\0' ? "" : ": ", text);
    } else if (how == LINK_RESET) {
        fail(self, WIRE_CAUSE_RESET, "%s reset the connection%s", where,
             self->stage == DIAL_SECURING ? " during the TLS handshake" : "");
    } else {
        self->ops->ended(self->user, WIRE_CAUSE_CLOSED_BY_PEER, "");
    }
}

static const link_ops LINK_OPS = {.connected = on_connected,
                                  .secured = on_ready,
                                  .received = on_received,
                                  .drained = on_drained,
                                  .ended = on_ended};

/* ---- from a name to attempts ---- */

static void attempt(void *user)
{
    dial *self = user;
    td_err err;
    td_err_clear(&err);
    link_close(&self->link); /* the attempt at the previous address */
    td_result rc = TD_OK;
    if (self->url.is_tls && self->tls == NULL)
        rc = self->ca_file == NULL ? loop_system_trust(self->loop, &self->tls, &err)
                                   : tls_client_context_open(self->ca_file, &self->tls, &err);
    if (rc != TD_OK) { /* other addresses would fail, too */
        fail(self, WIRE_CAUSE_TLS_UNTRUSTED, "%s", err.text);
        return;
    }
    self->stage = DIAL_CONNECTING;
    uint64_t now_ns = loop_now_ns(self->loop);
    uint64_t share_ns = (self->deadline_ns - now_ns) / (self->addresses.count - self->address_next);
    const size_t at = (self->address_first + self->address_next++) % self->addresses.count;
    const wire_address *address = &self->addresses.addresses[at];
    uint16_t port = self->proxy.is_used ? self->proxy.port : self->url.port;
    link_init(&self->link, self->loop, &LINK_OPS, self, DIAL_OUT_BYTES_MAX);
    if (link_connect(&self->link, address, port, &err) != TD_OK)
        try_next(self, err.text);
    else if (self->address_next < self->addresses.count) /* this address may not answer */
        wire_timer_set(self->loop, &self->retry_timer, now_ns + share_ns, attempt, self);
}

static void on_resolved(void *user, const resolve_answer *answer)
{
    dial *self = user;
    self->job = NULL;
    if (answer->count == 0) {
        fail(self, WIRE_CAUSE_RESOLVE, "the name '%s'%s has no address: %s",
             self->proxy.is_used ? self->proxy.host : self->url.host,
             self->proxy.is_used ? " of the proxy" : "", answer->text);
        return;
    }
    self->addresses = *answer;
    attempt_later(self);
}

static void on_deadline(void *user)
{
    dial *self = user;
    static const char *const DOING[] = {
        [DIAL_RESOLVING] = "look-up of its address",
        [DIAL_CONNECTING] = "TCP connection",
        [DIAL_TUNNELING] = "TCP connection",
        [DIAL_SECURING] = "TLS handshake",
    };
    int is_at_proxy = self->stage == DIAL_CONNECTING || self->stage == DIAL_TUNNELING;
    if (is_at_proxy && self->proxy.is_used)
        fail(self, WIRE_CAUSE_TIMEOUT, "the proxy %s:%u did not connect to %s in time",
             self->proxy.host, self->proxy.port, self->url.authority);
    else
        fail(self, WIRE_CAUSE_TIMEOUT, "%s did not answer in time (%s)", self->url.authority,
             self->stage == DIAL_READY ? self->step : DOING[self->stage]);
}

static void end_with_loop(void *user)
{
    dial *self = user;
    fail(self, WIRE_CAUSE_CLOSED_BY_US, "the network loop closed");
}

td_result dial_begin(dial *self, wire_loop *loop, const char *ca_file, uint64_t timeout_ns,
                     const dial_ops *ops, void *user, td_err *err)
{
    self->loop = loop;
    self->ops = ops;
    self->user = user;
    self->link.loop = loop;
    if (loop->is_closing)
        return td_err_set(err, TD_E_NETWORK, "the network loop is closing");
    self->member = (loop_member){.end = end_with_loop, .user = self};
    loop_add_member(loop, &self->member);
    td_result rc = wire_proxy_of_environment(&self->url, &self->proxy, err);
    if (rc != TD_OK)
        return rc;
    self->ca_file = td_strdup(ca_file);
    if (timeout_ns == 0)
        timeout_ns = TIMEOUT_S * TD_NS_PER_S;
    if (timeout_ns > TIMEOUT_S_MAX * TD_NS_PER_S)
        return td_err_set(err, TD_E_INVALID, "connect timeout over %d s", TIMEOUT_S_MAX);
    self->deadline_ns = loop_now_ns(loop) + timeout_ns;
    wire_timer_set(loop, &self->deadline, self->deadline_ns, on_deadline, self);
    return resolver_start(loop->resolver, self->proxy.is_used ? self->proxy.host : self->url.host,
                          on_resolved, self, &self->job, err);
}

void dial_end_deadline(dial *self)
{
    wire_timer_cancel(&self->deadline);
}

void dial_close(dial *self)
{
    if (self->member.end != NULL)
        loop_remove_member(self->loop, &self->member);
    self->member.end = NULL;
    dial_end_deadline(self);
    wire_timer_cancel(&self->retry_timer);
    resolve_job_cancel(self->job);
    self->job = NULL;
    link_close(&self->link);
    OPENSSL_cleanse(self->proxy.credentials, sizeof self->proxy.credentials);
    if (self->ca_file != NULL)
        tls_context_close(self->tls); /* else the loop owns it */
    td_free(self->ca_file);
    self->tls = NULL;
    self->ca_file = NULL;
}
