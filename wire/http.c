#include "wire/http.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "wire/dial.h"
#include "wire/handshake.h"
#include "wire/http_body.h"

struct wire_http {
    dial dial;
    void (*done)(void *user, const wire_http_end *end); /* NULL: already called */
    void *user;
    size_t bytes_max;
    td_buf request;
    td_buf fields; /* of the reply, with a NUL */
    http_body body;
    uint8_t is_body; /* 1: the head was received */
    wire_http_end end;
    char text[768];
};

static void free_http(wire_http *self)
{
    wire_loop *loop = self->dial.loop;
    dial_close(&self->dial);
    td_buf_fini(&self->body.bytes);
    td_buf_fini(&self->request);
    td_buf_fini(&self->fields);
    loop_free_later(loop, self);
}

/* End the request: the reply is complete or failed. */
static void finish(wire_http *self, wire_cause cause)
{
    void (*done)(void *user, const wire_http_end *end) = self->done;
    self->done = NULL;
    self->end.cause = cause;
    self->end.body = http_body_view(&self->body);
    self->end.text = self->text;
    self->end.fields = self->fields.size == 0 ? "" : (const char *)self->fields.data;
    done(self->user, &self->end);
    free_http(self);
}

void wire_http_cancel(wire_http *self)
{
    if (self != NULL)
        free_http(self);
}

static void fail(wire_http *self, const char *what)
{
    (void)snprintf(self->text, sizeof self->text, "%s %s", self->dial.url.authority, what);
    finish(self, WIRE_CAUSE_PROTOCOL);
}

static void read_body(wire_http *self, td_bytes bytes)
{
    body_result rc = http_body_read(&self->body, bytes);
    if (rc == BODY_MALFORMED)
        fail(self, "replied with chunks that are malformed");
    if (rc == BODY_WHOLE)
        finish(self, WIRE_CAUSE_NONE);
    if (rc != BODY_TOO_LARGE)
        return;
    (void)snprintf(self->text, sizeof self->text, "%s replied with more than %zu bytes",
                   self->dial.url.authority, self->bytes_max);
    finish(self, WIRE_CAUSE_TOO_LARGE);
}

/* ---- the head ---- */

static size_t read_head(wire_http *self, uint8_t *bytes, size_t size)
{
    handshake_reply reply;
    size_t used = handshake_head_bytes(td_bytes_of(bytes, size));
    if (used == 0 && size <= HANDSHAKE_BYTES_MAX)
        return 0;
    handshake_read_reply(NULL, td_bytes_of(bytes, used == 0 ? size : used), &reply);
    self->end.status = reply.status;
    self->end.is_encoded = reply.is_encoded;
    if (reply.why != NULL) {
        fail(self, "did not reply in HTTP/1.1");
        return size;
    }
    self->dial.step = "rest of its reply";
    if (reply.status < 200) /* 100 Continue and others: another head follows */
        return used;
    int is_bodiless = reply.status == 204 || reply.status == 304;
    self->is_body = 1;
    handshake_copy_fields(td_bytes_of(bytes, used), &self->fields);
    td_buf_add(&self->fields, "", 1);
    http_body_init(&self->body, is_bodiless ? 0 : reply.content_bytes,
                   reply.is_chunked && !is_bodiless, self->bytes_max);
    return used;
}

static size_t on_received(void *user, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    wire_http *self = user;
    size_t at = 0;
    self->end.recv_mono_ns = read_ns;
    while (!self->is_body && self->done != NULL) {
        size_t used = read_head(self, bytes + at, size - at);
        at += used;
        if (used == 0)
            return at;
    }
    if (self->done != NULL)
        read_body(self, td_bytes_of(bytes + at, size - at));
    return size;
}

/* ---- the request ---- */

static void put_request(wire_http *self, const wire_http_options *options)
{
    static const char OWN[] = "User-Agent: tapedeck\r\nAccept: */*\r\n";
    char length[48] = "";
    if (options->body.size > 0 || (options->method != NULL && strcmp(options->method, "GET") != 0))
        (void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", options->body.size);
    td_result rc = td_buf_printf(
        &self->request, NULL, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%sConnection: close\r\n\r\n",
        options->method == NULL ? "GET" : options->method, self->dial.url.target,
        self->dial.url.authority, options->fields == NULL ? OWN : options->fields, length);
    TD_ASSERT(rc == TD_OK);
    td_buf_add(&self->request, options->body.data, options->body.size);
}

static void on_ready(void *user)
{
    wire_http *self = user;
    self->dial.step = "reply to the request";
    td_buf_add(link_output(&self->dial.link), self->request.data, self->request.size);
    link_flush_later(&self->dial.link);
}

static void on_ended(void *user, wire_cause cause, const char *text)
{
    wire_http *self = user;
    int is_silent = cause == WIRE_CAUSE_CLOSED_BY_PEER;
    if (is_silent && self->is_body && http_body_ends_here(&self->body)) {
        finish(self, WIRE_CAUSE_NONE);
        return;
    }
    (void)snprintf(self->text, sizeof self->text, "%s%s",
                   is_silent ? self->dial.url.authority : text,
                   !is_silent      ? ""
                   : self->is_body ? " closed the connection in the middle of its reply"
                                   : " closed the connection before it replied");
    finish(self, cause);
}

static const dial_ops DIAL_OPS = {.ready = on_ready, .received = on_received, .ended = on_ended};

td_result wire_http_send(wire_loop *loop, const wire_http_options *options, wire_http **out,
                         td_err *err)
{
    TD_ASSERT(options->done != NULL);
    TD_ASSERT(options->reply_bytes_max <= LIMIT_FRAME_BYTES);
    *out = NULL;
    wire_http *self = td_alloc_zero(1, sizeof *self);
    self->done = options->done;
    self->user = options->user;
    self->dial.loop = loop;
    self->dial.link.loop = loop;
    self->bytes_max = options->reply_bytes_max;
    td_buf_init(&self->request, DIAL_OUT_BYTES_MAX);
    td_buf_init(&self->fields, HANDSHAKE_BYTES_MAX + 1);
    td_result rc = td_url_parse_http(options->url, &self->dial.url, err);
    if (rc == TD_OK)
        rc = dial_begin(&self->dial, loop, options->ca_file, options->timeout_ns, &DIAL_OPS, self,
                        err);
    if (rc != TD_OK) {
        free_http(self);
        return rc;
    }
    put_request(self, options);
    *out = self;
    return TD_OK;
}
