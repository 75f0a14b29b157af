/* The server's end: who may connect, and what clients ask for. */
#include "serve/serve.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "serve/serve_impl.h"
#include "schema/refusals.h"

enum { ANSWER_BYTES_MAX = 4 << 20 };

/* ---- requests ---- */

static topic_standing look_at(void *user, td_bytes topic)
{
    const serve_client *client = user;
    const serve_options *options = &client->owner->options;
    td_bytes path = td_bytes_str(client->path);
    topic_standing found = serve_feeds_look(options->feeds, path, topic);
    found.is_held = topic_filters_has(&client->filters, topic) != 0;
    found.needs_auth = options->secret != NULL && !client->is_authenticated &&
                       serve_feeds_is_private(options->feeds, path, topic);
    return found;
}

/* What was granted is taken, as far as there is memory for it. */
static void subscribe(serve_client *client, const dialect_request *request, dialect_reply *reply)
{
    TD_ASSERT(request->kind == REQUEST_SUBSCRIBE);
    for (size_t i = 0; i < request->arg_count; i++) {
        uint8_t *failed = reply->is_failed == NULL ? NULL : &client->owner->failed.data[i];
        if ((failed != NULL && *failed) ||
            topic_filters_add(&client->filters, request->args[i], NULL) == TD_OK)
            continue;
        reply->topic = request->args[i];
        if (failed != NULL)
            *failed = 1;
        else
            reply->refused = REFUSAL_TOO_MANY;
    }
    if (reply->refused == REFUSAL_NONE && client->filters.count > 0)
        serve_client_subscribed(client);
}

/* To give up what one does not have changes nothing. */
static void unsubscribe(serve_client *client, const dialect_request *request)
{
    TD_ASSERT(request->arg_count == 0 || request->args != NULL);
    if (request->kind == REQUEST_UNSUBSCRIBE_ALL)
        topic_filters_clear(&client->filters);
    for (size_t i = 0; i < request->arg_count; i++)
        topic_filters_remove(&client->filters, request->args[i]);
    serve_client_unsubscribed(client);
}

/* The client's key was let in. */
static void authenticated(serve_client *client)
{
    client->is_authenticated = 1;
    /* Any text will do for a dialect without subscriptions: its covers() lets all of it through. */
    if (client->dialect->subscribes_with_auth &&
        topic_filters_add(&client->filters, td_bytes_str("*"), NULL) == TD_OK)
        serve_client_subscribed(client);
}

/* Without a secret every key is good: who may read the archive may read what it serves. */
static void authenticate(serve_client *client, const dialect_request *request, dialect_reply *reply)
{
    reply->refused =
        client->dialect->check_auth(request, client->owner->options.secret, reply->now_ms);
    if (reply->refused == REFUSAL_NONE)
        authenticated(client);
}

/* Does what was granted. */
static void perform(serve_client *client, const dialect_request *request, dialect_reply *reply)
{
    switch (request->kind) {
    case REQUEST_SUBSCRIBE:
        subscribe(client, request, reply);
        break;
    case REQUEST_UNSUBSCRIBE:
    case REQUEST_UNSUBSCRIBE_ALL:
        unsubscribe(client, request);
        break;
    case REQUEST_AUTH:
        authenticate(client, request, reply);
        break;
    case REQUEST_PING:
    case REQUEST_PONG:
    case REQUEST_UNKNOWN:
        break;
    }
}

static void answer(serve_client *client, const dialect_request *request, const dialect_reply *reply)
{
    serve *server = client->owner;
    td_err err;
    if (client->state == CLIENT_CLOSING)
        return; /* what was asked for could not be done */
    td_buf_clear(&server->answer);
    td_result rc = client->dialect->build_answer(&server->answer, request, reply, &err);
    if (rc == TD_OK && server->answer.size > 0)
        rc = wire_peer_send(client->conn, 1, td_buf_view(&server->answer), &err);
    if (rc == TD_OK)
        return;
    /* It asks without reading the answers, or asks for more than an answer can hold. */
    td_log_emit(server->options.log, TD_LOG_WARNING, "a client is closed: %s", err.text);
    serve_client_end(client, 1008);
}

static void on_message(void *user, wire_peer_conn *conn, unsigned opcode, td_bytes bytes)
{
    serve_client *client = user;
    serve *server = client->owner;
    TD_ASSERT(client->conn == conn);
    (void)opcode;
    if (client->state == CLIENT_CLOSING)
        return;
    dialect_request request;
    dialect_reply reply = {.conn_id = client->conn_id,
                           .now_ms = clock_wall_ns(server->options.clock) / TD_NS_PER_MS};
    td_err err;
    td_result rc = request_parse(server->parser, client->dialect, bytes, &request, &err);
    if (rc == TD_OK || rc == TD_E_INVALID)
        rc = refusals_judge(client->dialect, &request, rc, look_at, client, &server->failed, &reply,
                            &err);
    if (rc != TD_OK) {
        td_log_emit(server->options.log, TD_LOG_WARNING, "a client is closed: %s", err.text);
        serve_client_end(client, rc == TD_E_LIMIT ? 1009 : 1011);
        return;
    }
    if (reply.refused == REFUSAL_NONE)
        perform(client, &request, &reply);
    answer(client, &request, &reply);
    serve_client_answered(client);
}

/* ---- connections ---- */

/* Without a secret a query that cannot be right is let in as well: it was good enough once. */
static unsigned refuse_upgrade(serve *server, td_bytes path, td_bytes query,
                               char why[WIRE_REASON_BYTES])
{
    const serve_options *options = &server->options;
    uint64_t now_ms = clock_wall_ns(options->clock) / TD_NS_PER_MS;
    const served_feed *feed = serve_feeds_find(options->feeds, path);
    int has_key;
    if (feed == NULL) {
        serve_feeds_paths_text(options->feeds, path, why);
        return 404;
    }
    refusal wrong =
        dialect_check_query(feed->family->dialect, query, options->secret, now_ms, &has_key);
    if (wrong != REFUSAL_NONE && options->secret != NULL) {
        (void)snprintf(why, WIRE_REASON_BYTES, "the credentials in the URL are wrong or expired");
        return 401;
    }
    if (server->is_stopping) {
        (void)snprintf(why, WIRE_REASON_BYTES, "the server is stopping");
        return 503;
    }
    if (server->client_count < options->client_count_max)
        return 101;
    (void)snprintf(why, WIRE_REASON_BYTES,
                   "%zu clients are connected: --max-clients allows no more", server->client_count);
    return 503;
}

static unsigned on_accept(void *user, td_bytes path, td_bytes query, char why[WIRE_REASON_BYTES])
{
    serve *server = user;
    unsigned status = refuse_upgrade(server, path, query, why);
    if (status == 101)
        return status;
    server->counts.refused++;
    td_log_emit(server->options.log, TD_LOG_WARNING, "a client was refused (%u): %s", status, why);
    return status;
}

/* Credentials in the URL, which on_accept has found good. */
static void accept_query(serve_client *client, td_bytes query)
{
    int has_key;
    /* the verdict was on_accept's */
    (void)dialect_check_query(client->dialect, query, NULL, 0, &has_key);
    if (has_key)
        authenticated(client);
}

static void *on_opened(void *user, wire_peer_conn *conn, td_bytes path, td_bytes query)
{
    serve *server = user;
    serve_client *client = NULL;
    td_err err;
    if (server->client_count >= server->options.client_count_max)
        return NULL; /* several handshakes went on at once */
    if (serve_client_open(server, conn, path, &client, &err) != TD_OK)
        td_log_emit(server->options.log, TD_LOG_ERROR, "%s", err.text);
    else
        accept_query(client, query);
    return client;
}

static void on_drained(void *user, wire_peer_conn *conn)
{
    serve_client *client = user;
    TD_ASSERT(client->conn == conn);
    serve_client_pump(client);
}

static void on_closed(void *user)
{
    serve_client_close(user);
}

static const wire_server_ops SERVE_OPS = {.accept = on_accept,
                                          .opened = on_opened,
                                          .message = on_message,
                                          .drained = on_drained,
                                          .closed = on_closed};

/* ---- life ---- */

static td_result serve_fill(serve *server, td_err *err)
{
    td_result rc = dialect_parser_open(&server->parser, err);
    if (rc == TD_OK)
        server->reader = content_reader_open(TAPE_READS_MESSAGES);
    if (rc == TD_OK && server->reader == NULL)
        rc = td_err_set(err, TD_E_NOMEM, "no memory to decode frames");
    if (rc == TD_OK)
        rc = snapshot_maker_open(&server->maker, err);
    if (rc != TD_OK)
        return rc;
    wire_server_options listening = server->options.server;
    listening.ops = &SERVE_OPS;
    listening.user = server;
    return wire_server_open(server->options.loop, &listening, &server->server, err);
}

td_result serve_open(const serve_options *options, serve **out, td_err *err)
{
    *out = NULL;
    serve *server = td_alloc_zero(1, sizeof *server);
    if (server == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a server");
    server->options = *options;
    if (server->options.client_count_max == 0)
        server->options.client_count_max = SERVE_CLIENTS;
    td_buf_init(&server->answer, ANSWER_BYTES_MAX);
    td_buf_init(&server->failed, DIALECT_ARGS_MAX);
    td_buf_init(&server->made, LIMIT_FRAME_BYTES);
    td_random_init(&server->random, options->seed);
    td_result rc = serve_fill(server, err);
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
    wire_server_close(server->server);
    TD_ASSERT(server->clients == NULL); /* each was notified that it is closed */
    snapshot_maker_close(server->maker);
    content_reader_close(server->reader);
    dialect_parser_close(server->parser);
    td_buf_fini(&server->answer);
    td_buf_fini(&server->failed);
    td_buf_fini(&server->made);
    td_free(server);
}

const wire_server *serve_server(const serve *server)
{
    return server->server;
}

void serve_stop(serve *server)
{
    server->is_stopping = 1;
    for (serve_client *client = server->clients; client != NULL; client = client->next)
        serve_client_end(client, 1001);
}

size_t serve_client_count(const serve *server)
{
    return server->client_count;
}

void serve_get_counts(const serve *server, serve_counts *out)
{
    *out = server->counts;
}
