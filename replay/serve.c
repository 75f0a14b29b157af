/* The server's end: who may connect, and what clients ask for. */
#include "replay/serve.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "replay/serve_impl.h"

enum { ANSWER_BYTES_MAX = 4 << 20 };

/* ---- requests ---- */

/* The reason to refuse a subscription, or NULL. A request is taken whole or not at all. */
static const char *check_topics(const serve_client *client, const dialect_request *request,
                                char reason[DIALECT_REASON_BYTES])
{
    td_bytes path = td_bytes_str(client->path);
    for (size_t i = 0; i < request->arg_count; i++) {
        if (!serve_feeds_know(client->owner->options.feeds, path, request->args[i])) {
            dialect_unknown_topic(request->args[i], reason);
            return reason;
        }
    }
    return NULL;
}

static td_result add_topics(serve_client *client, const dialect_request *request, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < request->arg_count && rc == TD_OK; i++)
        rc = wire_filters_add(&client->filters, request->args[i], err);
    return rc;
}

static const char *subscribe(serve_client *client, const dialect_request *request,
                             char reason[DIALECT_REASON_BYTES])
{
    const char *refused = check_topics(client, request, reason);
    if (refused != NULL)
        return refused;
    if (add_topics(client, request, NULL) != TD_OK) {
        dialect_unknown_topic(td_bytes_str("(too many)"), reason);
        return reason;
    }
    serve_client_subscribed(client);
    return NULL;
}

static void unsubscribe(serve_client *client, const dialect_request *request)
{
    for (size_t i = 0; i < request->arg_count; i++)
        wire_filters_remove(&client->filters, request->args[i]);
    client->filters_version++;
}

/* Does what is asked for, and returns why not, or NULL. Any key is good: who may read the archive
 * may read what it serves. */
static const char *perform(serve_client *client, const dialect_request *request,
                           char reason[DIALECT_REASON_BYTES])
{
    switch (request->kind) {
    case REQUEST_SUBSCRIBE:
        return subscribe(client, request, reason);
    case REQUEST_UNSUBSCRIBE:
        unsubscribe(client, request);
        return NULL;
    case REQUEST_AUTH:
    case REQUEST_PING:
        return NULL;
    case REQUEST_UNKNOWN:
        return DIALECT_ERROR_INVALID_OP;
    }
    return DIALECT_ERROR_INVALID_OP;
}

static void on_message(void *user, wire_peer_conn *conn, unsigned opcode, td_bytes bytes)
{
    serve_client *client = user;
    serve *server = client->owner;
    (void)opcode;
    if (client->state == CLIENT_CLOSING)
        return;
    dialect_request request;
    char reason[DIALECT_REASON_BYTES];
    const char *refused = DIALECT_ERROR_INVALID_OP;
    if (request_parse(server->parser, client->dialect, bytes, &request, NULL) == TD_OK)
        refused = perform(client, &request, reason);
    else
        request = (dialect_request){.kind = REQUEST_UNKNOWN};
    td_buf_clear(&server->answer);
    td_err err;
    td_result rc =
        client->dialect->build_answer(&server->answer, &request, client->conn_id, refused, &err);
    if (rc == TD_OK)
        rc = wire_peer_send(conn, 1, td_buf_view(&server->answer), &err);
    if (rc == TD_OK)
        return;
    /* It asks without reading the answers, or asks for more than an answer can hold. */
    td_log_say(server->options.log, TD_LOG_WARNING, "a client is closed: %s", err.text);
    serve_client_end(client, 1008);
}

/* ---- connections ---- */

static unsigned on_accept(void *user, td_bytes path, td_bytes query)
{
    serve *server = user;
    (void)query; /* api_key, expires, signature: as for auth */
    unsigned status = 101;
    if (serve_feeds_find(server->options.feeds, path) == NULL)
        status = 404;
    else if (server->is_stopping || server->client_count >= SERVE_CLIENTS_MAX)
        status = 503;
    server->counts.refused += status != 101;
    return status;
}

static void *on_opened(void *user, wire_peer_conn *conn, td_bytes path, td_bytes query)
{
    serve *server = user;
    (void)query;
    serve_client *client = NULL;
    td_err err;
    if (server->client_count >= SERVE_CLIENTS_MAX)
        return NULL;
    if (serve_client_open(server, conn, path, &client, &err) != TD_OK)
        td_log_say(server->options.log, TD_LOG_ERROR, "%s", err.text);
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
    td_result rc = request_parser_open(&server->parser, err);
    if (rc == TD_OK)
        rc = decoder_open(&server->decoder, err);
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
    td_buf_init(&server->answer, ANSWER_BYTES_MAX);
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
    TD_ASSERT(server->clients == NULL); /* each was told that it is closed */
    decoder_close(server->decoder);
    request_parser_close(server->parser);
    td_buf_fini(&server->answer);
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
