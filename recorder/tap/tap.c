#include "recorder/tap/tap.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/url.h"
#include "recorder/tap/relay.h"
#include "recorder/tap/rest.h"

#define TICK_NS     (10 * TD_NS_PER_MS)
#define GOOD_BYE_NS (3 * TD_NS_PER_S)

struct tap {
    tap_options options;
    char upstream_http[LIMIT_URL_BYTES];
    rest_shared requests_shared;
    wire_loop *loop;
    wire_server *server;
    relay_env env;
    pipeline_config config;
    redactor redactor; /* one for all feeds: a feed's key may occur in another feed */
    relay **relays;    /* by feed and shard */
    size_t relay_count;
    uint64_t upgrades, refused; /* requests for a WebSocket connection */
    uint64_t requests;          /* other HTTP requests */
    atomic_int is_stop_requested;
};

/* Return where the relay of a feed and shard is kept. */
static relay **relay_at(const tap *self, size_t feed_index, size_t shard)
{
    return &self->relays[feed_index * LIMIT_FEED_SLOTS + shard];
}

/* ---- requests ---- */

static void on_refused(void *user)
{
    tap *self = user;
    self->refused++;
}

static void refuse(tap *self, wire_conn *client, unsigned status, const char *text)
{
    on_refused(self);
    wire_peer_refuse(client, status, "Content-Type: text/plain; charset=utf-8\r\n",
                     td_bytes_str(text));
}

/* Find the feed of a URL: by host and path; if the host is unknown, by path alone. */
static int find_feed(const tap *self, const char *url, td_bytes path, uint16_t *out)
{
    const family *of = family_find_by_url(td_bytes_str(url));
    const size_t count = self->config.feed_count;
    const family **families = td_alloc_zero(count + 1, sizeof(const family *));
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        families[i] = self->config.feeds[i].family;
    if (of == NULL)
        found = family_choose_by_path(families, count, path);
    else
        while (found < count && families[found] != of)
            found++;
    td_free(families);
    *out = (uint16_t)found;
    return found < count;
}

static void refuse_path(tap *self, wire_conn *client, td_bytes path)
{
    char text[WIRE_ANSWER_BYTES] = "";
    for (size_t i = 0; i < self->config.feed_count; i++)
        family_paths_text(self->config.feeds[i].family, path, text, sizeof text);
    refuse(self, client, 404, text);
}

static void *on_asked(void *user, wire_conn *client, const wire_request *request)
{
    tap *self = user;
    char url[LIMIT_URL_BYTES];
    relay_options options = {.env = &self->env, .url = url};
    self->upgrades++;
    int length = snprintf(url, sizeof url, "%s%s", self->options.upstream, request->target);
    if (length < 0 || (size_t)length >= sizeof url) {
        refuse(self, client, 414, "the URL is too long\n");
        return NULL;
    }
    if (!find_feed(self, url, request->path, &options.feed_index)) {
        refuse_path(self, client, request->path);
        return NULL;
    }
    while (options.shard < LIMIT_FEED_SLOTS &&
           *relay_at(self, options.feed_index, options.shard) != NULL)
        options.shard++;
    if (options.shard == LIMIT_FEED_SLOTS) {
        refuse(self, client, 503, "no more connections of this path can be recorded\n");
        return NULL;
    }
    options.family = self->config.feeds[options.feed_index].family;
    options.redactor = &self->redactor;
    relay *made = relay_open(&options, client, request);
    if (made == NULL)
        return NULL;
    *relay_at(self, options.feed_index, options.shard) = made;
    self->relay_count++;
    return made;
}

static void on_relay_ended(void *user, uint16_t feed_index, uint32_t shard)
{
    tap *self = user;
    *relay_at(self, feed_index, shard) = NULL;
    self->relay_count--;
}

/* ---- HTTP requests ---- */

/* Return the first component of a path: "/v5". */
static td_bytes first_segment(td_bytes path)
{
    const uint8_t *end = path.size < 2 ? NULL : memchr(path.data + 1, '/', path.size - 1);
    return td_bytes_of(path.data, end == NULL ? path.size : (size_t)(end - path.data));
}

static uint16_t feed_of_request(const tap *self, td_bytes path)
{
    const td_bytes first = first_segment(path);
    for (size_t i = 0; i < self->config.feed_count; i++) {
        const family *at = self->config.feeds[i].family;
        for (size_t k = 0; k < FAMILY_ENDPOINTS_MAX && at->endpoints[k].url != NULL; k++)
            if (td_bytes_equal(first_segment(td_bytes_str(family_url_path(at->endpoints[k].url))),
                               first))
                return (uint16_t)i;
    }
    return 0;
}

static void *on_requested(void *user, wire_conn *client, const wire_request *request)
{
    tap *self = user;
    char url[LIMIT_URL_BYTES];
    const rest_options options = {.env = &self->env,
                                  .url = url,
                                  .shared = &self->requests_shared,
                                  .feed_index = feed_of_request(self, request->path),
                                  .redactor = &self->redactor};
    int length = snprintf(url, sizeof url, "%s%s", self->upstream_http, request->target);
    if (length < 0 || (size_t)length >= sizeof url) {
        refuse(self, client, 414, "the URL is too long\n");
        return NULL;
    }
    self->requests++;
    return rest_open(&options, client, request);
}

static const wire_server_ops SERVER_OPS = {.upgrade_requested = on_asked,
                                           .requested = on_requested,
                                           .requested_closed = rest_on_closed,
                                           .conn.message = relay_on_message,
                                           .conn.heartbeat = relay_on_heartbeat,
                                           .conn.closing = relay_on_closing,
                                           .conn.drained = relay_on_drained,
                                           .closed = relay_on_closed};

/* ---- opening ---- */

static td_result check_upstream(const char *upstream, td_err *err)
{
    td_server_url url;
    td_result rc = td_url_parse(upstream, &url, err);
    if (rc == TD_OK && strcmp(url.target, "/") != 0)
        rc = td_err_set(err, TD_E_INVALID, "clients give the path: use wss://HOST[:PORT]");
    if (rc == TD_OK && upstream[strlen(upstream) - 1] == '/')
        rc = td_err_set(err, TD_E_INVALID, "leave out the '/' at the end");
    return rc == TD_OK ? rc : td_err_add(err, rc, "--upstream");
}

/* Find the host for HTTP requests. Exchanges have different hosts for WebSocket and HTTP:
 * stream.HOST and api.HOST, or stream-testnet.HOST and api-testnet.HOST. */
static td_result find_upstream_http(tap *self, td_err *err)
{
    static const char STREAM[] = "stream";
    const char *given = self->options.upstream_http;
    const td_url at = td_url_split(td_bytes_str(self->options.upstream));
    td_bytes host = at.authority;
    int has_streams = host.size > sizeof STREAM &&
                      memcmp(host.data, STREAM, sizeof STREAM - 1) == 0 &&
                      (host.data[sizeof STREAM - 1] == '.' || host.data[sizeof STREAM - 1] == '-');
    size_t skipped = has_streams ? sizeof STREAM - 1 : 0;
    td_server_url ignored;
    if (given != NULL)
        (void)snprintf(self->upstream_http, sizeof self->upstream_http, "%s", given);
    else
        (void)snprintf(self->upstream_http, sizeof self->upstream_http, "%s://%s%.*s",
                       td_bytes_is(at.scheme, "wss") ? "https" : "http", has_streams ? "api" : "",
                       (int)(host.size - skipped), (const char *)host.data + skipped);
    td_result rc = td_url_parse_http(self->upstream_http, &ignored, err);
    size_t size = strlen(self->upstream_http);
    if (rc == TD_OK && (strcmp(ignored.target, "/") != 0 || self->upstream_http[size - 1] == '/'))
        rc = td_err_set(err, TD_E_INVALID, "clients give the path: use https://HOST[:PORT]");
    return rc == TD_OK ? rc : td_err_add(err, rc, "--upstream-http");
}

static td_result open_feeds(tap *self, td_err *err)
{
    size_t count;
    const family *const *families = family_table(&count);
    if (count > LIMIT_FEEDS)
        return td_err_set(err, TD_E_LIMIT, "there are %zu families: at most %u can be relayed",
                          count, LIMIT_FEEDS);
    self->config.feed_count = count;
    redactor_init(&self->redactor);
    redactor_hide_sent(&self->redactor);
    for (size_t i = 0; i < self->config.feed_count; i++)
        self->config.feeds[i] = (pipeline_feed){
            .name = families[i]->name, .family = families[i], .redactor = &self->redactor};
    self->relays = td_alloc_zero(self->config.feed_count * LIMIT_FEED_SLOTS, sizeof(relay *));
    return TD_OK;
}

static td_result open_server(tap *self, td_err *err)
{
    wire_server_options options = self->options.server;
    options.ops = &SERVER_OPS;
    options.user = self;
    return wire_server_open(self->loop, &options, &self->server, err);
}

td_result tap_open(const tap_options *options, tap **out, td_err *err)
{
    tap *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    pipeline_config_init(&self->config);
    self->config.overload = OVERLOAD_DROP; /* a slow disk must not hold the relay back */
    const tap_sessions_options recording = {.path = options->archive,
                                            .config = &self->config,
                                            .clock = options->clock,
                                            .log = options->log};
    self->env = (relay_env){.clock = options->clock,
                            .log = options->log,
                            .ca_file = options->ca_file,
                            .dialects = dialect_parser_open(),
                            .sent = sent_secrets_open(),
                            .ended = on_relay_ended,
                            .refused = on_refused,
                            .user = self};
    td_result rc = open_feeds(self, err);
    if (rc == TD_OK)
        rc = check_upstream(options->upstream, err);
    if (rc == TD_OK)
        rc = find_upstream_http(self, err);
    if (rc == TD_OK)
        rc = redactor_forbid_core_dumps(err);
    if (rc == TD_OK)
        rc = wire_loop_open(options->clock, options->log, &self->loop, err);
    if (rc == TD_OK)
        rc = open_server(self, err);
    if (rc == TD_OK)
        rc = tap_sessions_open(&recording, &self->env.sessions, err);
    self->env.loop = self->loop;
    if (rc != TD_OK) {
        tap_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

const wire_server *tap_server(const tap *self)
{
    return self->server;
}

/* ---- running ---- */

/* Takes effect at the next tick. The loop is not woken, because it may be closed already. */
void tap_stop(tap *self)
{
    atomic_store_explicit(&self->is_stop_requested, 1, memory_order_release);
}

static td_result turn(tap *self, td_err *err)
{
    td_result rc = wire_loop_run(self->loop, TICK_NS, err);
    tap_sessions_tick(self->env.sessions);
    return rc;
}

/* Close all relays. Connections that do not close in time are cut when the loop closes. */
static td_result send_goodbye(tap *self, td_err *err)
{
    td_result rc = TD_OK;
    uint64_t until_ns = clock_mono_ns(self->options.clock) + GOOD_BYE_NS;
    for (size_t i = 0; i < self->config.feed_count * LIMIT_FEED_SLOTS; i++)
        if (self->relays[i] != NULL)
            relay_stop(self->relays[i]);
    while (rc == TD_OK && self->relay_count > 0 && clock_mono_ns(self->options.clock) < until_ns)
        rc = turn(self, err);
    wire_loop_close(self->loop);
    self->loop = NULL;
    self->server = NULL;
    return rc;
}

td_result tap_run(tap *self, td_err *err)
{
    td_err later;
    td_result rc = TD_OK;
    while (rc == TD_OK && !atomic_load_explicit(&self->is_stop_requested, memory_order_acquire))
        rc = turn(self, err);
    td_result closed = send_goodbye(self, rc == TD_OK ? err : &later);
    rc = rc == TD_OK ? closed : rc;
    td_result ended = tap_sessions_stop(self->env.sessions, rc == TD_OK ? err : &later);
    return rc == TD_OK ? ended : rc;
}

tap_counts tap_get_counts(const tap *self)
{
    return (tap_counts){.relayed = self->upgrades - self->refused,
                        .refused = self->refused,
                        .requests = self->requests,
                        .recorded = tap_sessions_totals(self->env.sessions)};
}

void tap_close(tap *self)
{
    if (self->loop != NULL)
        wire_loop_close(self->loop);
    if (self->env.sessions != NULL)
        tap_sessions_close(self->env.sessions);
    dialect_parser_close(self->env.dialects);
    sent_secrets_close(self->env.sent);
    redactor_fini(&self->redactor);
    rest_shared_fini(&self->requests_shared);
    td_free(self->relays);
    td_free(self);
}
