#include "recorder/tap/rest.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/url.h"
#include "base/utf8.h"
#include "recorder/capture/channel_router.h"
#include "schema/inflate.h"
#include "wire/http.h"

#define REST_TIMEOUT_NS (30 * TD_NS_PER_S)

enum { DETAIL_BYTES = 4096, METHOD_BYTES = 8 };

struct rest {
    rest_options options;      /* url is only valid while the request is sent */
    char url[LIMIT_URL_BYTES]; /* redacted */
    char method[METHOD_BYTES];
    char detail[DETAIL_BYTES]; /* the request's body, redacted */
    const char *name;
    uint8_t has_secrets; /* 1: the request had credentials, so the answer may have new ones */
    wire_conn *client;   /* NULL: the client's connection has ended */
    wire_http *upstream; /* NULL: the request has ended */
};

/* ---- names ---- */

void rest_shared_fini(rest_shared *shared)
{
    for (size_t i = 0; i < shared->name_count; i++)
        td_free(shared->names[i]);
    shared->name_count = 0;
}

static const char *keep_name(rest_shared *shared, const char *url)
{
    char name[LIMIT_NAME_BYTES];
    channel_router_http_name(td_bytes_str(url), name);
    for (size_t i = 0; i < shared->name_count; i++)
        if (strcmp(shared->names[i], name) == 0)
            return shared->names[i];
    if (shared->name_count == REST_NAMES_MAX)
        return "reply";
    shared->names[shared->name_count] = td_strdup(name);
    return shared->names[shared->name_count++];
}

/* ---- secrets ---- */

static void check_hidden(const rest *self, td_result rc, const td_err *err)
{
    if (rc != TD_OK)
        td_log_emit(self->options.env->log, TD_LOG_ERROR, "a secret cannot be hidden: %s",
                    err->text);
}

/* Hide the values that the last search found. Returns 1 if there are any. */
static int hide_found(const rest *self)
{
    td_err err;
    td_bytes ignored;
    size_t at = 0;
    const sent_secrets *sent = self->options.env->sent;
    td_result rc = redactor_add_sent(self->options.redactor, REDACT_AS_NEWEST, sent, &err);
    check_hidden(self, rc, &err);
    return sent_secrets_next(sent, &at, &ignored);
}

/* Learn the secrets of a request before anything of it is recorded or logged; then keep its URL and
 * body, with secrets overwritten. */
static void learn_secrets(rest *self, const wire_request *request)
{
    sent_secrets *sent = self->options.env->sent;
    redactor *secrets = self->options.redactor;
    uint8_t *body = td_alloc_zero(1, request->body.size + 1);
    td_bytes url = td_bytes_str(self->options.url);
    td_bytes ignored;
    size_t at = 0;
    td_err err;
    if (request->body.size > 0)
        memcpy(body, request->body.data, request->body.size);
    td_result rc = redactor_add_url(secrets, REDACT_AS_NEWEST, url, &err);
    check_hidden(self, rc, &err);
    self->has_secrets = (uint8_t)td_url_next_secret(url, &at, &ignored);
    sent_secrets_find_fields(sent, request->fields);
    self->has_secrets |= (uint8_t)hide_found(self);
    (void)sent_secrets_find(sent, request->body,
                            0); /* the result is ignored: only the values are needed */
    self->has_secrets |= (uint8_t)hide_found(self);
    (void)redactor_apply_sent(secrets, sent, body, request->body.size);
    td_utf8_copy(self->detail, sizeof self->detail, td_bytes_of(body, request->body.size));
    (void)td_url_redacted(self->options.url, self->url, sizeof self->url);
    (void)redactor_apply(secrets, (uint8_t *)self->url, strlen(self->url));
    td_free(body);
}

/* ---- recording ---- */

static void record_failed(const rest *self, intake *into, event *what, const char *cause)
{
    what->state = "failed";
    what->cause = cause;
    (void)intake_event(into, self->options.feed_index, what);
}

/* A book whose snapshot a reply is, and the slot whose connection asked for the book. */
typedef struct found_book {
    const fetched_book *book; /* NULL: the reply is not one */
    uint16_t feed_index;
    intake_slot *slot;
} found_book;

static found_book find_book(const rest *self, td_bytes body)
{
    const relay_env *env = self->options.env;
    found_book found = {0};
    if (strcmp(self->method, "GET") != 0)
        return found;
    uint8_t *padded = td_alloc_zero(1, body.size + DECODE_PADDING_BYTES);
    memcpy(padded, body.data, body.size);
    for (uint16_t i = 0; i < LIMIT_FEEDS && found.book == NULL; i++) {
        const fetched_book *book = fetched_books_find(
            &env->books[i], env->reading, td_bytes_str(self->url), td_bytes_of(padded, body.size));
        intake_slot *slot =
            book == NULL ? NULL : &tap_sessions_slot(env->sessions, i, book->shard)->at;
        if (book != NULL && slot->conn > 0) /* else the session has no connection of it yet */
            found = (found_book){book, i, slot};
    }
    td_free(padded);
    return found;
}

static void record_body(const rest *self, intake *into, event *what, const wire_http_end *end,
                        td_bytes body)
{
    tap_sessions *sessions = self->options.env->sessions;
    if (!intake_has_space(into, body.size)) {
        record_failed(self, into, what, "overload");
        return;
    }
    if (sent_secrets_find_answer(self->options.env->sent, body, self->has_secrets))
        (void)hide_found(self);
    const found_book found = find_book(self, body);
    const uint16_t feed_index = found.book == NULL ? self->options.feed_index : found.feed_index;
    what->state = "kept";
    what->bytes = body.size;
    if (found.book != NULL)
        what->what = found.book->topic;
    tap_sessions_received(sessions, feed_index, intake_event(into, feed_index, what));
    if (found.book != NULL)
        intake_fetched(into, found.slot, found.book->topic, body, end->recv_mono_ns);
    else
        intake_http(into, feed_index, self->name, body, end->recv_mono_ns);
}

static void record(const rest *self, const wire_http_end *end)
{
    tap_sessions *sessions = self->options.env->sessions;
    if (tap_sessions_number(sessions) == 0)
        return;
    intake *into = tap_sessions_intake(sessions);
    inflater *inflating = inflater_open(LIMIT_HTTP_REPLY_BYTES, 0);
    td_bytes body = end->body;
    event what = {.kind = EVENT_HTTP,
                  .what = self->name,
                  .url = self->url,
                  .method = strcmp(self->method, "GET") == 0 ? NULL : self->method,
                  .code = end->status,
                  .detail = self->detail};
    tap_sessions_begin(sessions, self->options.feed_index);
    if (end->cause != WIRE_CAUSE_NONE)
        record_failed(self, into, &what, wire_cause_name(end->cause));
    else if (end->status != 200)
        record_failed(self, into, &what, "status");
    else if (end->is_encoded && inflater_run(inflating, end->body, &body, NULL) != TD_OK)
        record_failed(self, into, &what, "encoding");
    else
        record_body(self, into, &what, end, body);
    inflater_close(inflating);
}

/* ---- begin and end ---- */

static void end_if_over(rest *self)
{
    if (self->client != NULL || self->upstream != NULL)
        return;
    self->options.shared->open_count--;
    td_free(self);
}

static void refuse(wire_conn *client, unsigned status, const char *why)
{
    char text[TD_ERR_TEXT_BYTES + 32];
    (void)snprintf(text, sizeof text, "tapedeck tap: %s\n", why); /* cut if too long */
    wire_peer_refuse(client, status, "Content-Type: text/plain; charset=utf-8\r\n",
                     td_bytes_str(text));
}

static void on_done(void *user, const wire_http_end *end)
{
    rest *self = user;
    char text[WIRE_TEXT_BYTES];
    self->upstream = NULL;
    record(self, end);
    if (end->cause != WIRE_CAUSE_NONE) {
        (void)snprintf(text, sizeof text, "%s", end->text); /* fits */
        (void)redactor_apply_text(self->options.redactor, (uint8_t *)text, strlen(text));
        td_log_emit(self->options.env->log, TD_LOG_WARNING, "%s: %s", self->url, text);
    }
    if (self->client != NULL && end->cause == WIRE_CAUSE_NONE)
        wire_peer_refuse(self->client, end->status, end->fields, end->body);
    else if (self->client != NULL)
        refuse(self->client, end->cause == WIRE_CAUSE_TIMEOUT ? 504 : 502, end->text);
    end_if_over(self);
}

void rest_on_closed(void *user)
{
    rest *self = user;
    self->client = NULL;
    end_if_over(self);
}

/* Copy the client's header fields, except fields that the exchange must not act on. */
static void copy_fields(const char *fields, td_buf *out)
{
    static const char *const LEFT_OUT[] = {"accept-encoding:", "expect:"};
    while (*fields != '\0') {
        size_t size = strcspn(fields, "\n");
        size += fields[size] == '\n';
        int is_left_out = 0;
        for (size_t i = 0; i < sizeof LEFT_OUT / sizeof *LEFT_OUT; i++)
            is_left_out |= strncasecmp(fields, LEFT_OUT[i], strlen(LEFT_OUT[i])) == 0;
        if (!is_left_out)
            td_buf_add(out, fields, size);
        fields += size;
    }
    td_buf_add(out, "", 1);
}

static td_result send_request(rest *self, const wire_request *request, td_err *err)
{
    td_buf fields;
    td_buf_init(&fields, strlen(request->fields) + 1);
    copy_fields(request->fields, &fields);
    const wire_http_options sending = {.url = self->options.url,
                                       .ca_file = self->options.env->ca_file,
                                       .timeout_ns = REST_TIMEOUT_NS,
                                       .reply_bytes_max = LIMIT_HTTP_REPLY_BYTES,
                                       .method = request->method,
                                       .fields = (const char *)fields.data,
                                       .body = request->body,
                                       .done = on_done,
                                       .user = self};
    td_result rc = wire_http_send(self->options.env->loop, &sending, &self->upstream, err);
    td_buf_fini(&fields);
    return rc;
}

static int is_relayed(const char *method)
{
    static const char *const METHODS[] = {"GET", "POST", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof METHODS / sizeof *METHODS; i++)
        if (strcmp(method, METHODS[i]) == 0)
            return 1;
    return 0;
}

rest *rest_open(const rest_options *options, wire_conn *client, const wire_request *request)
{
    td_err err;
    if (!is_relayed(request->method)) {
        refuse(client, 405, "the method must be GET, POST, PUT or DELETE");
        return NULL;
    }
    if (options->shared->open_count == REST_OPEN_MAX) {
        refuse(client, 503, "too many requests are waiting for answers");
        return NULL;
    }
    rest *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->client = client;
    (void)snprintf(self->method, sizeof self->method, "%s", request->method); /* fits */
    learn_secrets(self, request);
    self->name = keep_name(options->shared, self->url);
    td_result rc = send_request(self, request, &err);
    self->options.url = NULL;
    if (rc == TD_OK) {
        options->shared->open_count++;
        return self;
    }
    refuse(client, 502, err.text);
    td_free(self);
    return NULL;
}
