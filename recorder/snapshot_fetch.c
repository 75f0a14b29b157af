#include "recorder/snapshot_fetch.h"

#include <stdio.h>

#include "base/alloc.h"
#include "archive/event.h"
#include "schema/decode.h"
#include "schema/family.h"
#include "schema/inflate.h"

#define TIMEOUT_NS   (10 * TD_NS_PER_S)
#define RETRY_NS     (5 * TD_NS_PER_S)
#define RETRY_NS_MAX (600 * TD_NS_PER_S)

enum { TEXT_BYTES = 400 };

typedef struct waiting_fetch {
    heal_topic topic;
    uint64_t due_mono_ns;
    uint64_t retry_ns; /* the wait after a failure */
} waiting_fetch;

struct snapshot_fetch {
    snapshot_fetch_options options;
    decoder *decoder;
    waiting_fetch *items;
    size_t count;
    uint64_t next_mono_ns; /* no request before */
    wire_timer *timer;
    wire_http *request; /* NULL: no open request */
    waiting_fetch open; /* of the open request */
    uint64_t failures;
    uint8_t is_stopped;
};

static const feed_config *feed_of(const snapshot_fetch *self, const heal_topic *of)
{
    return &self->options.config->feeds[of->feed_index];
}

int snapshot_fetch_has(const feed_config *feed, const char *topic)
{
    td_bytes symbol;
    const topic_row *row = family_topic_row(feed->family, topic, &symbol);
    return row != NULL && row->snapshot_request != NULL && symbol.size > 0;
}

/* Write the URL of the request for a topic's snapshot. */
static void write_url(const feed_config *feed, const topic_row *row, td_bytes symbol,
                      char url[LIMIT_URL_BYTES])
{
    char path[LIMIT_URL_BYTES];
    family_snapshot_path(feed->family, row, symbol, path, sizeof path);
    const http_config request = {.url = path};
    config_http_url(feed, &request, url);
}

static void tick(void *user);

static void set_timer(snapshot_fetch *self)
{
    uint64_t due_ns = UINT64_MAX;
    wire_timer_cancel(&self->timer);
    if (self->is_stopped || self->request != NULL || self->count == 0)
        return;
    for (size_t i = 0; i < self->count; i++)
        due_ns = self->items[i].due_mono_ns < due_ns ? self->items[i].due_mono_ns : due_ns;
    due_ns = due_ns < self->next_mono_ns ? self->next_mono_ns : due_ns;
    wire_timer_set(self->options.loop, &self->timer, due_ns, tick, self);
}

static void put(snapshot_fetch *self, const heal_topic *of, uint64_t due_mono_ns, uint64_t retry_ns)
{
    waiting_fetch made = {.topic = *of, .due_mono_ns = due_mono_ns, .retry_ns = retry_ns};
    size_t at = 0;
    while (at < self->count &&
           (self->items[at].topic.feed_index != of->feed_index ||
            self->items[at].topic.line != of->line || self->items[at].topic.number != of->number))
        at++;
    if (at == SNAPSHOT_FETCH_MAX)
        return;
    if (at == self->count) {
        self->items = td_array_grow(self->items, self->count, sizeof *self->items);
        self->count++;
    }
    self->items[at] = made;
    set_timer(self);
}

void snapshot_fetch_add(snapshot_fetch *self, const heal_topic *of)
{
    put(self, of, clock_mono_ns(self->options.clock) + SNAPSHOT_WAIT_NS, RETRY_NS);
}

/* ---- replies ---- */

/* A row of the topic and its symbol, while it is wanted; NULL: it is not. */
static const topic_row *row_of(const snapshot_fetch *self, const heal_topic *of, const char **topic,
                               td_bytes *symbol)
{
    *topic = self->options.wanted(self->options.user, of);
    return *topic == NULL ? NULL : family_topic_row(feed_of(self, of)->family, *topic, symbol);
}

static void fail(snapshot_fetch *self, const char *topic, const char *url, unsigned status,
                 const char *cause, const char *text)
{
    const feed_config *feed = feed_of(self, &self->open.topic);
    const event failed = {.kind = EVENT_HTTP,
                          .what = topic,
                          .url = url,
                          .state = "failed",
                          .code = status,
                          .cause = cause,
                          .detail = text};
    uint64_t retry_ns = self->open.retry_ns;
    intake_event(self->options.intake, self->open.topic.feed_index, &failed);
    td_log_emit(self->options.log, TD_LOG_WARNING, "%s: no snapshot of %s: %s", feed->name, topic,
                text);
    uint64_t again_mono_ns = clock_mono_ns(self->options.clock) + retry_ns;
    self->failures++;
    if (status == 403 || status == 429) /* the host asks too often: all topics wait */
        self->next_mono_ns = again_mono_ns;
    put(self, &self->open.topic, again_mono_ns,
        retry_ns > RETRY_NS_MAX / 2 ? RETRY_NS_MAX : 2 * retry_ns);
}

/* 1 if the reply is the topic's snapshot; else why has the reason. */
static int is_snapshot(snapshot_fetch *self, const topic_row *row, td_bytes symbol, td_bytes body,
                       char why[TEXT_BYTES])
{
    enum { SHOWN_MAX = 200 };
    const topic_match topic = {row->snapshot_reply, td_bytes_str(row->name), symbol};
    message decoded;
    decode_error error;
    td_buf padded;
    td_buf_init(&padded, LIMIT_HTTP_REPLY_BYTES + DECODE_PADDING_BYTES);
    td_buf_grow(&padded, body.size + DECODE_PADDING_BYTES);
    td_buf_add(&padded, body.data, body.size);
    const td_bytes text = td_bytes_of(padded.data, body.size);
    int is_good = decoder_decode(self->decoder, &topic, text, DECODE_PATH_WHOLE, &decoded, &error);
    if (!is_good)
        (void)snprintf(why, TEXT_BYTES, "the reply is not a snapshot (%s): %.*s",
                       decode_reason_name(error.reason),
                       (int)(body.size < SHOWN_MAX ? body.size : SHOWN_MAX),
                       (const char *)body.data); /* cut if too long */
    else if (decoded.head.foreign_symbols > 0)
        (void)snprintf(why, TEXT_BYTES, "the reply is the snapshot of another symbol");
    is_good = is_good && decoded.head.foreign_symbols == 0;
    td_buf_fini(&padded);
    return is_good;
}

static void use_reply(snapshot_fetch *self, const wire_http_end *end)
{
    const heal_topic *of = &self->open.topic;
    char url[LIMIT_URL_BYTES];
    char why[TEXT_BYTES];
    const char *topic;
    td_bytes symbol;
    const topic_row *row = row_of(self, of, &topic, &symbol);
    if (row == NULL)
        return; /* the connection is gone: a later one requests its own snapshot */
    write_url(feed_of(self, of), row, symbol, url);
    if (end->cause != WIRE_CAUSE_NONE) {
        fail(self, topic, url, end->status, wire_cause_name(end->cause), end->text);
    } else if (end->status != 200) {
        (void)snprintf(why, sizeof why, "HTTP status %u", end->status); /* fits */
        fail(self, topic, url, end->status, "status", why);
    } else if (!is_snapshot(self, row, symbol, end->body, why)) {
        fail(self, topic, url, end->status, "content", why);
    } else if (!intake_has_space(self->options.intake, end->body.size)) {
        fail(self, topic, url, end->status, "overload", "the disk was too slow for frames");
    } else {
        const event kept = {.kind = EVENT_HTTP,
                            .what = topic,
                            .url = url,
                            .state = "kept",
                            .code = end->status,
                            .bytes = end->body.size};
        intake_event(self->options.intake, of->feed_index, &kept);
        self->options.put(self->options.user, of, end->body, end->recv_mono_ns);
    }
}

static void on_done(void *user, const wire_http_end *end)
{
    snapshot_fetch *self = user;
    wire_http_end plain = *end;
    inflater *unpacker = NULL;
    self->request = NULL;
    if (self->is_stopped)
        return;
    if (end->is_encoded && end->cause == WIRE_CAUSE_NONE) {
        unpacker = inflater_open(LIMIT_HTTP_REPLY_BYTES, 0);
        if (inflater_run(unpacker, end->body, &plain.body, NULL) != TD_OK)
            plain.body = (td_bytes){0}; /* is no snapshot */
    }
    use_reply(self, &plain);
    inflater_close(unpacker);
    set_timer(self);
}

/* ---- requests ---- */

/* Send the request that is due first. */
static void tick(void *user)
{
    snapshot_fetch *self = user;
    const uint64_t mono_ns = clock_mono_ns(self->options.clock);
    char url[LIMIT_URL_BYTES];
    const char *topic;
    td_bytes symbol;
    td_err err;
    size_t first = 0;
    for (size_t i = 1; i < self->count; i++)
        if (self->items[i].due_mono_ns < self->items[first].due_mono_ns)
            first = i;
    if (self->count == 0 || self->items[first].due_mono_ns > mono_ns ||
        self->next_mono_ns > mono_ns) {
        set_timer(self);
        return;
    }
    self->open = self->items[first];
    self->items[first] = self->items[--self->count];
    const topic_row *row = row_of(self, &self->open.topic, &topic, &symbol);
    if (row != NULL) {
        const feed_config *feed = feed_of(self, &self->open.topic);
        self->next_mono_ns = mono_ns + SNAPSHOT_SPACING_NS;
        write_url(feed, row, symbol, url);
        const wire_http_options options = {.url = url,
                                           .ca_file = feed->ca_file,
                                           .timeout_ns = TIMEOUT_NS,
                                           .reply_bytes_max = LIMIT_HTTP_REPLY_BYTES,
                                           .done = on_done,
                                           .user = self};
        if (wire_http_send(self->options.loop, &options, &self->request, &err) != TD_OK)
            fail(self, topic, url, 0, "request", err.text);
    }
    set_timer(self);
}

void snapshot_fetch_stop(snapshot_fetch *self)
{
    self->is_stopped = 1;
    wire_timer_cancel(&self->timer);
    wire_http_cancel(self->request);
    self->request = NULL;
}

uint64_t snapshot_fetch_failures(const snapshot_fetch *self)
{
    return self == NULL ? 0 : self->failures;
}

snapshot_fetch *snapshot_fetch_open(const snapshot_fetch_options *options)
{
    snapshot_fetch *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->decoder = decoder_open();
    return self;
}

void snapshot_fetch_close(snapshot_fetch *self)
{
    if (self == NULL)
        return;
    decoder_close(self->decoder);
    td_free(self->items);
    td_free(self);
}
