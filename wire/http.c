/* The end of a body is known by its length, its last chunk, or the connection's end (RFC
 * 9112, 6.3).
 */
#include "wire/http.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "wire/dial.h"
#include "wire/handshake.h"

/* How the body comes. */
typedef enum body_kind { BODY_NONE_YET, BODY_SIZED, BODY_CHUNKED, BODY_TO_END } body_kind;

enum { CHUNK_LINE_BYTES_MAX = 1024 };

struct wire_http {
    dial dial;
    loop_member member;
    void (*done)(void *user, const wire_http_end *end);
    void *user;
    wire_timer *timer; /* the end, on the loop's next turn */
    td_buf body;
    body_kind kind;
    uint64_t left;       /* of a sized body, or of the present chunk */
    uint8_t is_in_chunk; /* its bytes, and the line's end after them */
    uint8_t is_last;     /* of the chunks: only trailers follow */
    wire_http_end end;
    char text[768];
};

static void free_http(wire_http *self)
{
    wire_loop *loop = self->dial.loop;
    wire_timer_cancel(self->timer);
    dial_close(&self->dial);
    td_buf_fini(&self->body);
    loop_free_later(loop, self);
}

static void finish(void *user)
{
    wire_http *self = user;
    self->timer = NULL;
    self->end.body = td_buf_view(&self->body);
    self->end.text = self->text;
    loop_remove_member(self->dial.loop, &self->member);
    self->done(self->user, &self->end);
    free_http(self);
}

static void end_with_loop(void *user)
{
    wire_http *self = user;
    self->end.cause = WIRE_CAUSE_CLOSED_BY_US;
    (void)snprintf(self->text, sizeof self->text, "closed with its loop");
    finish(self);
}

void wire_http_cancel(wire_http *self)
{
    if (self == NULL)
        return;
    loop_remove_member(self->dial.loop, &self->member);
    free_http(self);
}

/* The reply is whole, or can never be. */
static void finish_later(wire_http *self, wire_cause cause)
{
    if (self->timer != NULL)
        return;
    self->end.cause = cause;
    link_close(&self->dial.link);
    dial_end_deadline(&self->dial);
    self->timer = wire_timer_at(self->dial.loop, loop_now_ns(self->dial.loop), finish, self);
}

static void fail(wire_http *self, const char *what)
{
    (void)snprintf(self->text, sizeof self->text, "%s %s", self->dial.url.authority, what);
    finish_later(self, WIRE_CAUSE_PROTOCOL);
}

/* ---- the body ---- */

/* Append to the body; 0: it becomes too large. */
static int add_body(wire_http *self, const uint8_t *bytes, size_t size)
{
    if (size <= self->body.size_max - self->body.size) {
        td_buf_add(&self->body, bytes, size);
        return 1;
    }
    (void)snprintf(self->text, sizeof self->text, "%s replied with more than %zu bytes",
                   self->dial.url.authority, self->body.size_max);
    finish_later(self, WIRE_CAUSE_TOO_LARGE);
    return 0;
}

/* As many as are left of a size. Returns the bytes used. */
static size_t add_sized(wire_http *self, const uint8_t *bytes, size_t size)
{
    size_t used = size < self->left ? size : (size_t)self->left;
    if (!add_body(self, bytes, used))
        return size;
    self->left -= used;
    return used;
}

/* The line of a chunk's size, hexadecimal, without its extensions. 0: malformed. */
static int read_chunk_size(td_bytes line, uint64_t *out)
{
    size_t digits = 0;
    for (*out = 0; digits < line.size && digits < 9; digits++) {
        uint8_t c = line.data[digits];
        uint8_t letter = c | 0x20;
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint64_t)(c - '0');
        else if (letter >= 'a' && letter <= 'f')
            *out = *out << 4 | (uint64_t)(letter - 'a' + 10);
        else
            break;
    }
    return digits > 0 && digits < 9 &&
           (digits == line.size || line.data[digits] == ';' || line.data[digits] == ' ');
}

/* The line between chunks, or a trailer. Returns the bytes used, 0: it is not whole. */
static size_t read_chunk_line(wire_http *self, const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memmem(bytes, size, "\r\n", 2);
    td_bytes line = td_bytes_of(bytes, end == NULL ? size : (size_t)(end - bytes));
    if (line.size > CHUNK_LINE_BYTES_MAX) {
        fail(self, "replied with chunks that are malformed");
        return size;
    }
    if (end == NULL)
        return 0;
    if (self->is_last && line.size == 0)
        finish_later(self, WIRE_CAUSE_NONE);
    if (self->is_last)
        return line.size + 2;
    if (self->is_in_chunk && line.size == 0) {
        self->is_in_chunk = 0;
        return 2;
    }
    if (self->is_in_chunk || !read_chunk_size(line, &self->left)) {
        fail(self, "replied with chunks that are malformed");
        return size;
    }
    self->is_last = self->left == 0;
    self->is_in_chunk = !self->is_last;
    return line.size + 2;
}

static size_t read_chunks(wire_http *self, const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size && self->timer == NULL) {
        size_t used = self->left > 0 ? add_sized(self, bytes + at, size - at)
                                     : read_chunk_line(self, bytes + at, size - at);
        if (used == 0)
            break;
        at += used;
    }
    return self->timer == NULL ? at : size;
}

static size_t read_body(wire_http *self, const uint8_t *bytes, size_t size)
{
    if (self->kind == BODY_CHUNKED)
        return read_chunks(self, bytes, size);
    if (self->kind == BODY_TO_END) {
        (void)add_body(self, bytes, size); /* it has ended the request if it is too large */
        return size;
    }
    size_t used = add_sized(self, bytes, size);
    if (self->left == 0)
        finish_later(self, WIRE_CAUSE_NONE);
    return used;
}

/* 1 if a body that begins as JSON also ends as JSON. Other bodies are not judged. */
static int is_balanced(td_bytes body)
{
    size_t depth = 0;
    int is_string = 0;
    if (body.size == 0 || (body.data[0] != '{' && body.data[0] != '['))
        return 1;
    for (size_t i = 0; i < body.size; i++) {
        uint8_t c = body.data[i];
        if (is_string) {
            i += c == '\\';
            is_string = c != '"';
        } else if (c == '"') {
            is_string = 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (--depth == 0)
                return 1; /* what follows is white space, or ignored */
        }
    }
    return 0;
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
    if (reply.why != NULL) {
        fail(self, "did not reply in HTTP/1.1");
        return size;
    }
    int has_none = reply.status == 204 || reply.status == 304;
    self->kind = reply.is_chunked                       ? BODY_CHUNKED
                 : reply.content_bytes >= 0 || has_none ? BODY_SIZED
                                                        : BODY_TO_END;
    self->left = self->kind == BODY_SIZED && !has_none ? (uint64_t)reply.content_bytes : 0;
    self->dial.doing = "rest of its reply";
    if (reply.status < 200) { /* 100 Continue and others: another head follows */
        self->kind = BODY_NONE_YET;
        return used;
    }
    return used + read_body(self, bytes + used, size - used);
}

static size_t on_received(void *user, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    wire_http *self = user;
    size_t at = 0;
    self->end.recv_mono_ns = read_ns;
    while (self->kind == BODY_NONE_YET && self->timer == NULL) {
        size_t used = read_head(self, bytes + at, size - at);
        at += used;
        if (used == 0 || at == size)
            return at;
    }
    return self->timer != NULL ? size : at + read_body(self, bytes + at, size - at);
}

/* ---- the request ---- */

static void on_ready(void *user)
{
    wire_http *self = user;
    td_buf *out = link_output(&self->dial.link);
    const char *const parts[] = {"GET ",
                                 self->dial.url.target,
                                 " HTTP/1.1\r\nHost: ",
                                 self->dial.url.authority,
                                 "\r\nUser-Agent: tapedeck\r\nAccept: */*\r\n",
                                 "Connection: close\r\n\r\n"};
    self->dial.doing = "reply to the request";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        td_buf_add(out, parts[i], strlen(parts[i]));
    link_flush_later(&self->dial.link);
}

static void on_ended(void *user, wire_cause cause, const char *text)
{
    wire_http *self = user;
    int is_silent = cause == WIRE_CAUSE_CLOSED_BY_PEER;
    if (is_silent && self->kind == BODY_TO_END && is_balanced(td_buf_view(&self->body))) {
        finish_later(self, WIRE_CAUSE_NONE);
        return;
    }
    (void)snprintf(self->text, sizeof self->text, "%s%s",
                   is_silent ? self->dial.url.authority : text,
                   !is_silent                    ? ""
                   : self->kind == BODY_NONE_YET ? " closed the connection before it replied"
                                                 : " closed the connection in the middle of its "
                                                   "reply");
    finish_later(self, cause);
}

static const dial_ops DIAL_OPS = {.ready = on_ready, .received = on_received, .ended = on_ended};

td_result wire_http_get(wire_loop *loop, const wire_http_options *options, wire_http **out,
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
    td_buf_init(&self->body,
                options->reply_bytes_max == 0 ? LIMIT_FRAME_BYTES : options->reply_bytes_max);
    td_result rc = td_url_parse_http(options->url, &self->dial.url, err);
    if (rc == TD_OK)
        rc = dial_begin(&self->dial, loop, options->ca_file, options->timeout_ns, &DIAL_OPS, self,
                        err);
    if (rc != TD_OK) {
        free_http(self);
        return rc;
    }
    self->member = (loop_member){.end = end_with_loop, .user = self};
    loop_add_member(loop, &self->member);
    *out = self;
    return TD_OK;
}
