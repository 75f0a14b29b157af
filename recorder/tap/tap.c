#include "recorder/tap/tap.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/url.h"
#include "recorder/tap/relay.h"
#include "recorder/tap/rest.h"
#include "recorder/tap/routes.h"

#define TICK_NS     (10 * TD_NS_PER_MS)
#define GOOD_BYE_NS (3 * TD_NS_PER_S)

struct tap {
    tap_options options;
    char upstream_http[LIMIT_URL_BYTES];
    rest_shared requests_shared;
    wire_loop *loop;
    wire_server *server;
    relay_env env;
    tap_routes *routes;
    redactor redactor; /* one for all feeds: a feed's key may occur in another feed */
    relay **relays;    /* by feed and shard, of LIMIT_FEEDS */
    size_t relay_count;
    uint64_t upgrades, refused; /* requests for a WebSocket connection */
    uint64_t raw;               /* of those that were not refused, at paths without a family */
    uint64_t requests;          /* other HTTP requests */
    atomic_int is_stop_requested;
};

/* Return where the relay of a feed and shard is kept. */
static relay **relay_at(const tap *self, size_t feed_index, size_t shard)
{
    return &self->relays[feed_index * LIMIT_FEED_SLOTS + shard];
}

/* ---- requests ---- */

static void on_relay_refused(void *user, uint16_t feed_index)
{
    tap *self = user;
    self->refused++;
    self->raw -= (uint64_t)tap_routes_is_raw(self->routes, feed_index);
}

static void refuse(tap *self, wire_conn *client, unsigned status, const char *text)
{
    self->refused++;
    wire_peer_refuse(client, status, "Content-Type: text/plain; charset=utf-8\r\n",
                     td_bytes_str(text));
}

/* Find the feed of a URL, which may be a new one. */
static uint16_t find_feed(const tap *self, const char *url)
{
    size_t before, after;
    const pipeline_feed *feeds = tap_routes_feeds(self->routes, &before);
    const uint16_t found = tap_routes_find(self->routes, url);
    (void)tap_routes_feeds(self->routes, &after);
    for (size_t i = before; i < after; i++)
        tap_sessions_add_feed(self->env.sessions, &feeds[i]);
    return found;
}

static void *on_asked(void *user, wire_conn *client, const wire_request *request)
{
    tap *self = user;
    char url[LIMIT_URL_BYTES];
    size_t count;
    relay_options options = {.env = &self->env, .url = url, .redactor = &self->redactor};
    self->upgrades++;
    int length = snprintf(url, sizeof url, "%s%s", self->options.upstream, request->target);
    if (length < 0 || (size_t)length >= sizeof url) {
        refuse(self, client, 414, "the URL is too long\n");
        return NULL;
    }
    options.feed_index = find_feed(self, url);
    while (options.shard < LIMIT_FEED_SLOTS &&
           *relay_at(self, options.feed_index, options.shard) != NULL)
        options.shard++;
    if (options.shard == LIMIT_FEED_SLOTS) {
        refuse(self, client, 503, "no more connections of this path can be recorded\n");
        return NULL;
    }
    options.family = tap_routes_feeds(self->routes, &count)[options.feed_index].family;
    self->raw += (uint64_t)tap_routes_is_raw(self->routes, options.feed_index);
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

static void *on_requested(void *user, wire_conn *client, const wire_request *request)
{
    tap *self = user;
    char url[LIMIT_URL_BYTES];
    const rest_options options = {.env = &self->env,
                                  .url = url,
                                  .shared = &self->requests_shared,
                                  .feed_index = tap_routes_find_http(self->routes, request->path),
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

static td_result open_routes(tap *self, td_err *err)
{
    const tap_options *o = &self->options;
    const tap_routes_options options = {.upstream = o->upstream,
                                        .families = o->families,
                                        .family_count = o->family_count,
                                        .raw_topics = o->raw_topics,
                                        .raw_count = o->raw_count,
                                        .redactor = &self->redactor,
                                        .log = o->log};
    return tap_routes_open(&options, &self->routes, err);
}

static td_result open_sessions(tap *self, td_err *err)
{
    size_t count;
    const pipeline_feed *feeds = tap_routes_feeds(self->routes, &count);
    pipeline_config config;
    pipeline_config_init(&config);
    config.overload = OVERLOAD_DROP; /* a slow disk must not hold the relay back */
    config.feed_count = count;
    memcpy(config.feeds, feeds, count * sizeof *feeds);
    const tap_sessions_options recording = {.path = self->options.archive,
                                            .config = &config,
                                            .clock = self->options.clock,
                                            .log = self->options.log};
    return tap_sessions_open(&recording, &self->env.sessions, err);
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
    self->env = (relay_env){.clock = options->clock,
                            .log = options->log,
                            .ca_file = options->ca_file,
                            .dialects = dialect_parser_open(),
                            .sent = sent_secrets_open(),
                            .reading = decoder_open(),
                            .books = td_alloc_zero(LIMIT_FEEDS, sizeof(fetched_books)),
                            .ended = on_relay_ended,
                            .refused = on_relay_refused,
                            .user = self};
    redactor_init(&self->redactor);
    redactor_hide_sent(&self->redactor);
    self->relays = td_alloc_zero((size_t)LIMIT_FEEDS * LIMIT_FEED_SLOTS, sizeof(relay *));
    td_result rc = check_upstream(options->upstream, err);
    if (rc == TD_OK)
        rc = open_routes(self, err);
    if (rc == TD_OK)
        rc = find_upstream_http(self, err);
    if (rc == TD_OK)
        rc = redactor_forbid_core_dumps(err);
    if (rc == TD_OK)
        rc = wire_loop_open(options->clock, options->log, &self->loop, err);
    if (rc == TD_OK)
        rc = open_server(self, err);
    if (rc == TD_OK)
        rc = open_sessions(self, err);
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
    for (size_t i = 0; i < (size_t)LIMIT_FEEDS * LIMIT_FEED_SLOTS; i++)
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
                        .raw = self->raw,
                        .requests = self->requests,
                        .recorded = tap_sessions_totals(self->env.sessions)};
}

void tap_close(tap *self)
{
    if (self->loop != NULL)
        wire_loop_close(self->loop);
    if (self->env.sessions != NULL)
        tap_sessions_close(self->env.sessions);
    for (size_t i = 0; i < LIMIT_FEEDS; i++)
        fetched_books_fini(&self->env.books[i]);
    td_free(self->env.books);
    decoder_close(self->env.reading);
    dialect_parser_close(self->env.dialects);
    sent_secrets_close(self->env.sent);
    redactor_fini(&self->redactor);
    rest_shared_fini(&self->requests_shared);
    tap_routes_close(self->routes);
    td_free(self->relays);
    td_free(self);
}
