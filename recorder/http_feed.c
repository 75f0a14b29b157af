#include "recorder/http_feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/url.h"
#include "archive/event.h"
#include "schema/inflate.h"
#include "recorder/instruments.h"
#include "wire/http.h"

enum { NO_REQUEST = LIMIT_FEED_HTTP, TEXT_BYTES = 1024 };

#define HTTP_TIMEOUT_NS    (10 * TD_NS_PER_S)
#define HTTP_START_WAIT_NS (5 * TD_NS_PER_S)
#define HTTP_RETRY_NS      (5 * TD_NS_PER_S)

/* State of one of the feed's requests. */
typedef struct http_row {
    uint64_t due_mono_ns;
    char query[INSTRUMENTS_QUERY_BYTES]; /* appended to the URL, for a page of a list */
    uint8_t is_reading;                  /* 1: some pages of the list were received */
    uint32_t failures;                   /* consecutive failures */
} http_row;

struct http_feed {
    http_feed_options options;
    http_row rows[LIMIT_FEED_HTTP];
    size_t open_index; /* index of the open request, or NO_REQUEST */
    wire_http *request;
    wire_timer *timer;
    uint64_t next_mono_ns; /* no request before this time (LIMIT_HTTP_SPACING_NS) */
    uint64_t failures;
    uint8_t is_running;
};

static uint64_t now_mono_ns(const http_feed *self)
{
    return clock_mono_ns(self->options.clock);
}

static const http_config *config_of(const http_feed *self, size_t index)
{
    TD_ASSERT(index < self->options.feed->http_count);
    return &self->options.feed->http[index];
}

static void tick(void *user);

/* Set the timer for the request that is due first, but not before next_mono_ns. */
static void set_timer(http_feed *self)
{
    uint64_t due_ns = UINT64_MAX;
    wire_timer_cancel(&self->timer);
    if (!self->is_running || self->open_index != NO_REQUEST || self->options.feed->http_count == 0)
        return;
    for (size_t i = 0; i < self->options.feed->http_count; i++)
        due_ns = self->rows[i].due_mono_ns < due_ns ? self->rows[i].due_mono_ns : due_ns;
    if (due_ns < self->next_mono_ns)
        due_ns = self->next_mono_ns;
    wire_timer_set(self->options.loop, &self->timer, due_ns, tick, self);
}

/* ---- results of requests ---- */

/* Write the URL of a request, with the page that is due. */
static void write_url(const http_feed *self, size_t index, char url[LIMIT_URL_BYTES])
{
    config_http_url(self->options.feed, config_of(self, index), url);
    size_t size = strlen(url);
    (void)snprintf(url + size, LIMIT_URL_BYTES - size, "%s", self->rows[index].query);
}

static int is_list(const http_feed *self, size_t index)
{
    return index == self->options.feed->listing && self->options.listed != NULL;
}

static event http_event(const http_feed *self, size_t index, char url[LIMIT_URL_BYTES])
{
    const http_config *request = config_of(self, index);
    write_url(self, index, url);
    td_url_redact(url);
    if (self->options.redactor != NULL)
        redactor_apply(self->options.redactor, (uint8_t *)url, strlen(url));
    return (event){.kind = EVENT_HTTP, .what = request->name, .url = url};
}

/* Set when a request is due next: after its interval, or sooner after a failure. */
static void set_due(http_feed *self, size_t index)
{
    http_row *row = &self->rows[index];
    uint64_t wait_ns = config_of(self, index)->every_ns;
    if (row->failures > 0) {
        uint64_t retry_ns = row->failures * HTTP_RETRY_NS;
        wait_ns = retry_ns < wait_ns ? retry_ns : wait_ns;
    }
    row->due_mono_ns = now_mono_ns(self) + wait_ns;
}

static void log_failed(http_feed *self, size_t index, unsigned status, const char *cause,
                       char text[TEXT_BYTES])
{
    char url[LIMIT_URL_BYTES];
    event failed = http_event(self, index, url);
    if (self->options.redactor != NULL)
        redactor_apply_text(self->options.redactor, (uint8_t *)text, strlen(text));
    failed.state = "failed";
    failed.code = status;
    failed.cause = cause;
    failed.detail = text;
    intake_event(self->options.intake, self->options.feed_index, &failed);
    td_log_emit(self->options.log, TD_LOG_WARNING, "%s: no HTTP reply for '%s': %s",
                self->options.feed->name, config_of(self, index)->name, text);
    self->rows[index].failures++;
    self->rows[index].is_reading = 0; /* a list is read from its beginning */
    self->failures++;
    set_due(self, index);
}

/* Pass on a page of the list of instruments. Another page is due at once. */
static void take_page(http_feed *self, size_t index, td_bytes reply)
{
    http_row *row = &self->rows[index];
    const char *query = self->options.listed(self->options.user, self->options.feed_index, reply);
    row->is_reading = query != NULL;
    if (query == NULL)
        return;
    (void)snprintf(row->query, sizeof row->query, "%s", query); /* fits */
    row->due_mono_ns = now_mono_ns(self);
}

static void record_reply(http_feed *self, size_t index, const wire_http_end *end)
{
    TD_ASSERT(end->body.size <= LIMIT_HTTP_REPLY_BYTES);
    char url[LIMIT_URL_BYTES];
    event kept = http_event(self, index, url);
    kept.state = "kept";
    kept.code = end->status;
    kept.bytes = end->body.size;
    intake_event(self->options.intake, self->options.feed_index, &kept);
    intake_http(self->options.intake, self->options.feed_index, config_of(self, index)->name,
                end->body, end->recv_mono_ns);
    self->rows[index].failures = 0;
    set_due(self, index);
    if (is_list(self, index))
        take_page(self, index, end->body);
}

/* Handle a status other than 200. The body is logged as the reason, and not recorded. */
static void log_status(http_feed *self, size_t index, const wire_http_end *end)
{
    enum { WORDS_MAX = 300 };
    char text[TEXT_BYTES];
    /* Longer than the shown text, because a secret may extend beyond the text's end. */
    uint8_t shown[WORDS_MAX + LIMIT_SECRET_BYTES];
    size_t size = end->body.size < sizeof shown ? end->body.size : sizeof shown;
    if (size > 0)
        memcpy(shown, end->body.data, size);
    if (self->options.redactor != NULL)
        redactor_apply(self->options.redactor, shown, size);
    int words = (int)(size < WORDS_MAX ? size : WORDS_MAX);
    int is_redirect = end->status >= 300 && end->status < 400;
    (void)snprintf(text, sizeof text, "HTTP status %u%s%s%.*s", end->status,
                   is_redirect ? " (redirects are not followed)" : "", words > 0 ? ": " : "", words,
                   (const char *)shown); /* cut if too long */
    log_failed(self, index, end->status, "status", text);
}

static void use_reply(http_feed *self, size_t index, const wire_http_end *end)
{
    char text[TEXT_BYTES];
    if (end->cause != WIRE_CAUSE_NONE) {
        (void)snprintf(text, sizeof text, "%s", end->text); /* cut if too long */
        log_failed(self, index, end->status, wire_cause_name(end->cause), text);
    } else if (end->status != 200) {
        log_status(self, index, end);
    } else if (!intake_has_space(self->options.intake, end->body.size)) {
        (void)snprintf(text, sizeof text,
                       "%zu bytes arrived while the disk was too slow for frames",
                       end->body.size); /* fits */
        log_failed(self, index, end->status, "overload", text);
    } else {
        record_reply(self, index, end);
    }
}

/* Some servers compress although that was not requested: record the decompressed reply. */
static void use_encoded(http_feed *self, size_t index, const wire_http_end *end)
{
    wire_http_end plain = *end;
    inflater *decoder = inflater_open(LIMIT_HTTP_REPLY_BYTES, 0);
    if (inflater_run(decoder, end->body, &plain.body, NULL) == TD_OK) {
        use_reply(self, index, &plain);
    } else {
        char text[TEXT_BYTES] = "its Content-Encoding cannot be decoded";
        log_failed(self, index, end->status, "encoding", text);
    }
    inflater_close(decoder);
}

static void on_done(void *user, const wire_http_end *end)
{
    http_feed *self = user;
    size_t index = self->open_index;
    TD_ASSERT(index != NO_REQUEST);
    self->open_index = NO_REQUEST;
    self->request = NULL;
    if (!self->is_running)
        return;
    if (end->is_encoded && end->cause == WIRE_CAUSE_NONE)
        use_encoded(self, index, end);
    else
        use_reply(self, index, end);
    set_timer(self);
}

/* ---- requests ---- */

static void send_request(http_feed *self, size_t index)
{
    td_err err;
    char url[LIMIT_URL_BYTES];
    TD_ASSERT(self->open_index == NO_REQUEST);
    if (is_list(self, index) && !self->rows[index].is_reading)
        (void)snprintf(
            self->rows[index].query, sizeof self->rows[index].query, "%s",
            self->options.list_begin(self->options.user, self->options.feed_index)); /* fits */
    write_url(self, index, url);
    self->next_mono_ns = now_mono_ns(self) + LIMIT_HTTP_SPACING_NS;
    wire_http_options options = {.url = url,
                                 .ca_file = self->options.feed->ca_file,
                                 .timeout_ns = HTTP_TIMEOUT_NS,
                                 .reply_bytes_max = LIMIT_HTTP_REPLY_BYTES,
                                 .done = on_done,
                                 .user = self};
    td_result rc = wire_http_send(self->options.loop, &options, &self->request, &err);
    if (rc == TD_OK)
        self->open_index = index;
    else
        log_failed(self, index, 0, "request", err.text);
}

/* Send the request that has been due the longest. */
static void tick(void *user)
{
    http_feed *self = user;
    uint64_t mono_ns = now_mono_ns(self);
    size_t first = 0;
    for (size_t i = 1; i < self->options.feed->http_count; i++)
        if (self->rows[i].due_mono_ns < self->rows[first].due_mono_ns)
            first = i;
    if (self->rows[first].due_mono_ns <= mono_ns && self->next_mono_ns <= mono_ns)
        send_request(self, first);
    set_timer(self);
}

void http_feed_live(http_feed *self)
{
    uint64_t mono_ns = now_mono_ns(self);
    for (size_t i = 0; i < self->options.feed->http_count; i++)
        self->rows[i].due_mono_ns = mono_ns;
    set_timer(self);
}

void http_feed_list_again(http_feed *self, uint64_t wait_ns)
{
    TD_ASSERT(self->options.feed->listing < self->options.feed->http_count);
    uint64_t again_ns = now_mono_ns(self) + wait_ns;
    uint64_t *due_ns = &self->rows[self->options.feed->listing].due_mono_ns;
    if (again_ns < *due_ns)
        *due_ns = again_ns;
    set_timer(self);
}

void http_feed_start(http_feed *self)
{
    TD_ASSERT(!self->is_running);
    self->is_running = 1;
    for (size_t i = 0; i < self->options.feed->http_count; i++)
        self->rows[i].due_mono_ns = now_mono_ns(self) + HTTP_START_WAIT_NS;
    set_timer(self);
}

void http_feed_stop(http_feed *self)
{
    self->is_running = 0;
    wire_timer_cancel(&self->timer);
    wire_http_cancel(self->request);
    self->request = NULL;
}

uint64_t http_feed_failures(const http_feed *self)
{
    return self->failures;
}

http_feed *http_feed_open(const http_feed_options *options)
{
    TD_ASSERT(options->feed->http_count <= LIMIT_FEED_HTTP);
    http_feed *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->open_index = NO_REQUEST;
    return self;
}

void http_feed_close(http_feed *self)
{
    td_free(self);
}
