/* Accepts clients and answers their requests. */
#include "replay/serve/serve.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "replay/serve/serve_causes.h"
#include "replay/serve/serve_choice.h"
#include "replay/serve/serve_control.h"
#include "replay/serve/serve_heartbeats.h"
#include "replay/serve/serve_late.h"
#include "replay/serve/serve_replies.h"
#include "replay/serve/serve_tape.h"
#include "replay/serve/serve_topicless.h"

enum {
    /* Segments that a tape has open per feed: the current one, the next one, and one for books that
       clients want later. */
    SEGMENTS_OF_FEED = 3,
    /* Other files: the catalog and the journal while a tape begins, and HTTP requests. */
    OTHER_FILES = 16,
};

/* ---- requests ---- */

static topic_standing on_standing(void *user, td_bytes topic)
{
    const serve_client *client = user;
    const serve_options *options = &client->owner->options;
    if (client->server == NULL)
        return (topic_standing){.recorded_text =
                                    client->is_ambiguous ? client->owner->ambiguous : NULL};
    topic_standing found =
        serve_feeds_find_topic(options->feeds, client->server, client->path, topic);
    found.is_held = topic_filters_has(&client->filters, topic) != 0;
    found.needs_auth = options->secret != NULL && !client->is_authenticated &&
                       serve_feeds_is_private(options->feeds, client->server, client->path, topic);
    return found;
}

static int on_subscribe(void *user, td_bytes topic)
{
    serve_client *client = user;
    return topic_filters_add(&client->filters, topic, NULL) == TD_OK;
}

/* Handle an unsubscription. If the client does not have the topic, nothing changes. */
static void on_unsubscribe(void *user, td_bytes topic)
{
    serve_client *client = user;
    topic_filters_remove(&client->filters, topic);
}

static void on_unsubscribe_all(void *user)
{
    serve_client *client = user;
    topic_filters_clear(&client->filters);
}

static void on_changed(void *user, request_kind kind)
{
    serve_client *client = user;
    serve_client_filters_changed(client, client->tape == NULL ? NULL : &client->tape->books);
    if (kind == REQUEST_SUBSCRIBE && client->filters.count > 0)
        serve_tape_subscribed(client);
}

static void on_answer(void *user, td_bytes bytes)
{
    serve_client *client = user;
    if (client->state != CLIENT_CLOSING) /* otherwise a failed request has closed the client */
        serve_client_put(client, &(wire_outgoing){.opcode = 1, .bytes = bytes});
}

/* Close a client whose request failed. */
static void fail_client(serve_client *client, unsigned code, const td_err *err)
{
    td_log_emit(client->owner->options.log, TD_LOG_WARNING, "a client is closed: %s", err->text);
    serve_client_end(client, code, err->text);
}

static void on_authenticated(void *user)
{
    serve_client *client = user;
    client->is_authenticated = 1;
    /* In a dialect without requests for topics, any text serves as a filter: covers() of the
     * dialect accepts every topic. */
    td_err err;
    if (!dialect_subscribes_with_auth(client->dialect))
        return;
    if (topic_filters_add(&client->filters, td_bytes_str("*"), &err) == TD_OK)
        on_changed(client, REQUEST_SUBSCRIBE);
    else
        fail_client(client, 1011, &err);
}

/* 1 if a feed of the client's has such requests: their answers may be on the tape. */
static int is_described(const serve_client *client, td_bytes op)
{
    const serve_feeds *feeds = client->owner->options.feeds;
    char name[LIMIT_TOPIC_BYTES + 1];
    if (op.size > LIMIT_TOPIC_BYTES)
        return 0;
    memcpy(name, op.data, op.size);
    name[op.size] = '\0';
    for (size_t i = 0; i < feeds->count; i++) {
        const served_feed *feed = &feeds->items[i];
        if (serve_client_has_feed(client, feed->name) &&
            family_topic_named(feed->family, name) != NULL)
            return 1;
    }
    return 0;
}

/* A client's first order starts its tape, as its first topic does. */
static int on_order(void *user, const dialect_request *request)
{
    serve_client *client = user;
    if (!serve_client_may_order(client) || !is_described(client, request->order_topic))
        return 0;
    if (client->owner->causes != NULL)
        serve_tape_ask(client, request);
    else
        serve_client_ask(client, request);
    if (client->tape == NULL && client->state < CLIENT_SETTLE_DELAY)
        serve_tape_subscribed(client);
    return 1;
}

static void on_heartbeats(void *user, const dialect_request *request)
{
    serve_heartbeats_requested(user, request);
}

static const char *on_next_held(void *user, size_t *next)
{
    const topic_filters *filters = &((const serve_client *)user)->filters;
    while (*next < filters->text_count && filters->texts[*next] == NULL)
        ++*next;
    return *next < filters->text_count ? filters->texts[(*next)++] : NULL;
}

static const responder_ops RESPONDER_OPS = {
    .standing = on_standing,
    .subscribe = on_subscribe,
    .unsubscribe = on_unsubscribe,
    .unsubscribe_all = on_unsubscribe_all,
    .next_held = on_next_held,
    .changed = on_changed,
    .order = on_order,
    .send = on_answer,
    .heartbeats = on_heartbeats,
    .authenticated = on_authenticated,
};

static uint64_t wall_ms(const serve *server)
{
    return clock_wall_ns(server->options.clock) / TD_NS_PER_MS;
}

/* Answer a request, and perform it. */
static void handle_request(serve_client *client, td_bytes request)
{
    serve *server = client->owner;
    td_err err;
    const responder_client from = {.ops = &RESPONDER_OPS,
                                   .user = client,
                                   .dialect = client->dialect,
                                   .conn_id = client->conn_id};
    td_result rc = responder_answer(server->responder, &from, request, wall_ms(server), &err);
    serve_topicless_check(client);
    if (rc == TD_OK)
        serve_tape_answered(client);
    else
        fail_client(client, rc == TD_E_LIMIT ? 1009 : 1011, &err);
}

static void on_message(void *user, wire_conn *conn, const ws_message *got)
{
    serve_client *client = user;
    serve *server = client->owner;
    TD_ASSERT(client->conn == conn);
    if (client->state == CLIENT_CLOSING)
        return;
    serve_client_choose(client, got->bytes);
    if (client->heartbeats.spoken == NULL && client->server != NULL)
        serve_heartbeats_begin(client);
    if (client->is_ambiguous)
        serve_choice_text(server->options.feeds, client->path, server->ambiguous,
                          sizeof server->ambiguous);
    serve_topicless_note(client, got->bytes);
    if (!serve_late_keep(client, got->bytes, handle_request))
        handle_request(client, got->bytes);
}

/* ---- connections ---- */

/* Check an upgrade; returns the HTTP status of a refusal, or 101 to accept. Without a configured
 * secret, malformed credentials are accepted, too, because none are needed. */
static unsigned refuse_upgrade(serve *server, td_bytes path, td_bytes query,
                               char why[WIRE_ANSWER_BYTES])
{
    const serve_options *options = &server->options;
    const served_feed *feed = serve_feeds_find(options->feeds, path);
    int has_key;
    if (feed == NULL) {
        serve_feeds_paths_text(options->feeds, path, why);
        return 404;
    }
    refusal wrong = dialect_check_query(feed->family->dialect, query, options->secret,
                                        wall_ms(server), &has_key);
    if (wrong != REFUSAL_NONE && options->secret != NULL) {
        (void)snprintf(why, WIRE_ANSWER_BYTES, "the credentials in the URL are wrong or expired");
        return 401;
    }
    unsigned accesses;
    const char *own = family_find_path(feed->family, path, &accesses);
    if (serve_choose_by_url(options->feeds, server->answers, own, family_path_names(own, path),
                            query)
            .is_ambiguous) {
        serve_choice_text(options->feeds, own, why, WIRE_ANSWER_BYTES);
        return 400;
    }
    if (server->is_stopping) {
        (void)snprintf(why, WIRE_ANSWER_BYTES, "the server is stopping");
        return 503;
    }
    if (server->client_count < options->client_count_max)
        return 101;
    (void)snprintf(why, WIRE_ANSWER_BYTES,
                   "%zu clients are connected: --max-clients allows no more", server->client_count);
    return 503;
}

static unsigned on_accept(void *user, td_bytes path, td_bytes query, char why[WIRE_ANSWER_BYTES])
{
    serve *server = user;
    unsigned status = serve_control_get(server, path, why);
    if (status != 0)
        return status;
    status = refuse_upgrade(server, path, query, why);
    if (status == 101)
        return status;
    server->counts.refused++;
    td_log_emit(server->options.log, TD_LOG_WARNING, "a client was refused (%u): %s", status, why);
    return status;
}

static int on_page(void *user, td_bytes path, td_bytes query, td_buf *json)
{
    return serve_reply(user, path, query, json);
}

/* Subscribe a new client to what its URL names. */
static void subscribe_by_url(serve_client *client, td_bytes names, td_bytes query)
{
    td_err err;
    const responder_client from = {
        .ops = &RESPONDER_OPS, .user = client, .dialect = client->dialect};
    if (responder_begin(client->owner->responder, &from, names, query, &err) != TD_OK)
        fail_client(client, 1009, &err);
}

static void *on_opened(void *user, wire_conn *conn, td_bytes path, td_bytes query)
{
    serve *server = user;
    int has_key;
    if (server->client_count >= server->options.client_count_max)
        return NULL; /* several handshakes ran at the same time */
    serve_client *client = serve_client_open(server, conn, path);
    const td_bytes names = family_path_names(client->path, path);
    serve_client_choose_by_url(client, names, query);
    /* NULL: signatures are not checked again, because on_accept has refused wrong ones */
    (void)dialect_check_query(client->dialect, query, NULL, 0, &has_key);
    if (has_key || dialect_has_all(client->dialect))
        on_authenticated(client);
    subscribe_by_url(client, names, query);
    serve_topicless_begin(client, names, query);
    if (client->heartbeats.spoken == NULL && client->server != NULL)
        serve_heartbeats_begin(client);
    return client;
}

static void on_drained(void *user, wire_conn *conn)
{
    serve_client *client = user;
    TD_ASSERT(client->conn == conn);
    serve_tape_drained(client);
}

static void on_closed(void *user)
{
    serve_client *client = user;
    serve_topicless_end(client);
    serve_heartbeats_end(client);
    serve_late_end(client);
    serve_causes_leave(client->owner->causes, client);
    serve_tape_leave(client);
    serve_client_close(client);
}

/* A request whose method is not GET: a command, or one that the document of a family answers. */
static unsigned on_command(void *user, td_bytes method, td_bytes path, td_bytes query,
                           char text[WIRE_ANSWER_BYTES])
{
    serve *server = user;
    const unsigned status =
        td_bytes_is(method, "POST") ? serve_control_post(server, path, query, text) : 0;
    if (status != 0)
        return status;
    if (serve_documented_reply(server, method, path, text))
        return 200;
    (void)snprintf(text, WIRE_ANSWER_BYTES,
                   "nothing answers this %.*s: POST is for paths below " SERVE_CONTROL,
                   (int)(method.size < 16 ? method.size : 16), (const char *)method.data);
    return 405;
}

static const wire_server_ops SERVE_OPS = {.accept = on_accept,
                                          .command = on_command,
                                          .page = on_page,
                                          .opened = on_opened,
                                          .conn.message = on_message,
                                          .conn.drained = on_drained,
                                          .closed = on_closed};

/* ---- open, close ---- */

td_result serve_open(const serve_options *options, serve **out, td_err *err)
{
    serve *server = td_alloc_zero(1, sizeof *server);
    server->options = *options;
    if (server->options.client_count_max == 0)
        server->options.client_count_max = SERVE_CLIENTS;
    td_buf_init(&server->made, LIMIT_FRAME_BYTES);
    td_buf_init(&server->damaged, LIMIT_FRAME_BYTES);
    td_buf_init(&server->numbered, LIMIT_FRAME_BYTES);
    td_random_init(&server->random, options->seed);
    if (options->rebases_time)
        server->rebase = serve_rebase_open(options->log);
    server->responder = responder_open(options->secret);
    server->json = json_parser_open(0);
    server->answers = dialect_parser_open();
    server->reader = content_reader_open(TAPE_READS_MESSAGES);
    server->blocks = block_pool_open();
    server->channels = channel_table_open();
    server->maker = snapshot_maker_open();
    wire_server_options listening = options->server;
    listening.ops = &SERVE_OPS;
    listening.user = server;
    td_result rc = TD_OK;
    if (options->feeds->has_http)
        rc =
            reply_list_open(options->archive, options->wanted, options->log, &server->replies, err);
    const cursor_options reading = serve_tape_reading(server);
    if (rc == TD_OK && options->is_causal)
        rc = serve_causes_open(server, &reading, &server->causes, err);
    if (rc == TD_OK)
        rc = wire_server_open(options->loop, &listening, &server->server, err);
    if (rc != TD_OK) {
        serve_close(server);
        return rc;
    }
    *out = server;
    return TD_OK;
}

void serve_close(serve *server)
{
    if (server == NULL)
        return;
    server->is_stopping = 1;
    wire_server_close(server->server);
    TD_ASSERT(server->clients == NULL); /* on_closed was called for each */
    serve_tapes_close(server);
    serve_causes_close(server->causes);
    block_pool_close(server->blocks);
    channel_table_close(server->channels);
    snapshot_maker_close(server->maker);
    content_reader_close(server->reader);
    responder_close(server->responder);
    json_parser_close(server->json);
    dialect_parser_close(server->answers);
    reply_list_fini(&server->replies);
    serve_rebase_close(server->rebase);
    td_buf_fini(&server->made);
    td_buf_fini(&server->damaged);
    td_buf_fini(&server->numbered);
    td_free(server);
}

/* Return the most files that clients may need: each needs a connection, and the segments that its
 * tape reads. Tapes share finished segments. */
uint64_t serve_open_files_max(const serve *server)
{
    const serve_feeds *feeds = server->options.feeds;
    uint64_t clients = server->options.client_count_max;
    uint64_t tapes = server->options.has_shared_clock ? 1 : clients;
    uint64_t all = feeds->finished_count + tapes * feeds->growing_count;
    uint64_t at_once = tapes * feeds->count * SEGMENTS_OF_FEED;
    return clients + (all < at_once ? all : at_once) + OTHER_FILES;
}

const wire_server *serve_server(const serve *server)
{
    return server->server;
}

void serve_stop(serve *server)
{
    server->is_stopping = 1;
    for (serve_client *client = server->clients; client != NULL; client = client->next)
        serve_client_end(client, 1001, "");
}

size_t serve_client_count(const serve *server)
{
    return server->client_count;
}

const serve_counts *serve_get_counts(const serve *server)
{
    return &server->counts;
}
