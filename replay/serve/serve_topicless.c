#include "replay/serve/serve_topicless.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/cli/units.h"
#include "replay/serve/serve_choice.h"
#include "schema/sent_secrets.h"

enum {
    SHOWN_BYTES_MAX = 200,   /* of a client's first request */
    EXAMPLE_BYTES_MAX = 200, /* of a request that would be granted */
};

/* ---- what the client asked ---- */

/* Keep the beginning of a text of the client, without secrets. */
static void keep_first(serve_client *client, td_bytes text)
{
    sent_secrets *search = sent_secrets_open();
    char *copy = td_strndup((const char *)text.data, text.size);
    (void)sent_secrets_hide(search, (uint8_t *)copy, text.size, 0);
    sent_secrets_close(search);
    const int is_cut = text.size > SHOWN_BYTES_MAX;
    const size_t size = is_cut ? SHOWN_BYTES_MAX : text.size;
    client->first_asked = td_alloc(size + sizeof "...");
    memcpy(client->first_asked, copy, size);
    memcpy(client->first_asked + size, is_cut ? "..." : "", is_cut ? sizeof "..." : 1);
    td_free(copy);
}

/* Keep the topics of the client's URL as its first request. */
static void keep_url(serve_client *client, td_bytes names, td_bytes query)
{
    char text[2 * SHOWN_BYTES_MAX];
    if (names.size + query.size == 0)
        return;
    (void)snprintf(text, sizeof text, "%.*s%s%.*s", (int)names.size, (const char *)names.data,
                   query.size > 0 ? "?" : "", (int)query.size, (const char *)query.data);
    keep_first(client, td_bytes_str(text));
}

static void stop_watching(serve_client *client)
{
    wire_timer_cancel(&client->topic_timer);
    client->is_watched = 0;
    td_free(client->first_asked);
    client->first_asked = NULL;
}

/* ---- what would be granted ---- */

/* Write how a topic is requested. */
static void write_example(const serve_client *client, const char *topic,
                          char out[EXAMPLE_BYTES_MAX])
{
    const serve_options *options = &client->owner->options;
    const int needs_auth =
        options->secret != NULL && !client->is_authenticated &&
        serve_feeds_is_private(options->feeds, client->server, client->path, td_bytes_str(topic));
    const dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = &topic, .count = 1, .id = "1"};
    td_buf request;
    td_buf_init(&request, DIALECT_REQUEST_BYTES);
    if (client->dialect->ask_topics != NULL &&
        dialect_ask_topics(client->dialect, &request, &ask, NULL) == TD_OK)
        (void)snprintf(out, EXAMPLE_BYTES_MAX, "request it with %.*s%s", (int)request.size,
                       (const char *)request.data, needs_auth ? " after authentication" : "");
    else
        (void)snprintf(out, EXAMPLE_BYTES_MAX, "authenticate to get it");
    td_buf_fini(&request);
}

/* Describe the topics of the client's feeds: their number, and how to request one. */
static void write_topics(const serve_client *client, char *out, size_t out_bytes)
{
    const serve_feeds *feeds = client->owner->options.feeds;
    const char *topic = NULL;
    size_t count = 0;
    char example[EXAMPLE_BYTES_MAX];
    if (client->server == NULL) {
        serve_choice_text(feeds, client->path, out, out_bytes);
        return;
    }
    for (size_t i = 0; i < feeds->count; i++) {
        const served_feed *feed = &feeds->items[i];
        if (!serve_client_has_feed(client, feed->name) || feed->topic_count == 0)
            continue;
        topic = topic == NULL ? feed->topics[0].exchange_topic : topic;
        count += feed->topic_count;
    }
    if (topic == NULL) {
        (void)snprintf(out, out_bytes, "the recording has no topic at this path");
        return;
    }
    write_example(client, topic, example);
    (void)snprintf(out, out_bytes, "the recording has %s at this path, such as %s: %s",
                   format_counted(count, "topic").text, topic, example);
}

/* ---- the warning ---- */

/* Count a warning. Returns how many were not logged since the last one with this text and are to be
 * logged now, with this one; 0: it is not logged. */
static uint64_t count_warning(serve *server, const char *asked)
{
    const uint64_t hash = td_xxh64(asked, strlen(asked));
    const uint64_t now_ns = clock_mono_ns(server->options.clock);
    size_t at = 0;
    while (at < TOPICLESS_TEXTS_MAX &&
           (server->topicless[at].rate.logged_ns == 0 || server->topicless[at].hash != hash))
        at++;
    if (at == TOPICLESS_TEXTS_MAX) {
        at = server->topicless_next++ % TOPICLESS_TEXTS_MAX;
        server->topicless[at] = (topicless_text){.hash = hash};
    }
    return td_log_rate_count(&server->topicless[at].rate, now_ns);
}

static void warn(serve_client *client, const char *when)
{
    serve *server = client->owner;
    char topics[2 * EXAMPLE_BYTES_MAX + LIMIT_TOPIC_BYTES];
    const char *asked = client->first_asked == NULL ? "" : client->first_asked;
    server->counts.topicless++;
    const uint64_t count = count_warning(server, asked);
    if (count == 0)
        return;
    write_topics(client, topics, sizeof topics);
    td_log_emit(server->options.log, TD_LOG_WARNING,
                "a client at %s (%s) has no topic of the recording %s: it %s%s%s; %s", client->path,
                client->address, when,
                client->first_asked == NULL ? "sent no request" : "first asked ", asked,
                count > 1 ? ", as others did since this was last logged" : "", topics);
}

static void on_time(void *user)
{
    serve_client *client = user;
    if (client->state != CLIENT_CLOSING)
        warn(client, "after 5 s");
    stop_watching(client);
}

void serve_topicless_begin(serve_client *client, td_bytes names, td_bytes query)
{
    const serve_options *options = &client->owner->options;
    if (dialect_is_for_orders(client->dialect) || serve_client_has_topics(client))
        return;
    client->is_watched = 1;
    keep_url(client, names, query);
    wire_timer_set(options->loop, &client->topic_timer,
                   clock_mono_ns(options->clock) +
                       (options->topicless_ns == 0 ? TOPICLESS_NS : options->topicless_ns),
                   on_time, client);
}

void serve_topicless_note(serve_client *client, td_bytes request)
{
    if (client->is_watched && client->first_asked == NULL)
        keep_first(client, request);
}

void serve_topicless_check(serve_client *client)
{
    if (client->is_watched && (client->has_ordered || serve_client_has_topics(client)))
        stop_watching(client);
}

void serve_topicless_end(serve_client *client)
{
    if (client->is_watched && client->first_asked != NULL)
        warn(client, "when it leaves");
    stop_watching(client);
}
