#include "replay/serve/serve_heartbeats.h"

#include "base/assert.h"

static void on_due(void *user);

static uint64_t now_ns(const serve_client *client)
{
    return clock_mono_ns(client->owner->options.clock);
}

static void schedule(serve_client *client)
{
    wire_timer_cancel(&client->heartbeat_timer);
    if (client->heartbeats.every_ns > 0 && client->state != CLIENT_CLOSING)
        wire_timer_set(client->owner->options.loop, &client->heartbeat_timer,
                       client->heartbeats.due_ns, on_due, client);
}

static void send_one(serve_client *client)
{
    const serve *server = client->owner;
    const dialect *spoken = client->heartbeats.spoken;
    const uint64_t now_ms = clock_wall_ns(server->options.clock) / TD_NS_PER_MS;
    td_buf text;
    if (spoken->heartbeats.text == NULL) {
        wire_relay(client->conn, &(ws_message){.opcode = WS_PING});
        return;
    }
    td_buf_init(&text, DIALECT_REQUEST_BYTES);
    const td_result rc =
        dialect_server_heartbeat(spoken, &text, now_ms, client->heartbeats.count, NULL);
    TD_ASSERT(rc == TD_OK); /* the document's text is shorter */
    serve_client_put(client, &(wire_outgoing){.opcode = 1, .bytes = td_buf_view(&text)});
    td_buf_fini(&text);
}

static void on_due(void *user)
{
    serve_client *client = user;
    const int is_for_topics = client->heartbeats.spoken->heartbeats.is_idle;
    const heartbeat_step step = heartbeats_step(&client->heartbeats, now_ns(client));
    if (client->state == CLIENT_CUTTING || client->state == CLIENT_CLOSING)
        return;
    /* A client that may be slow is perhaps under a debugger. */
    if (step == HEARTBEAT_UNANSWERED && !client->owner->options.waits_for_slow) {
        td_log_emit(client->owner->options.log, TD_LOG_WARNING,
                    "a client is closed: it has not answered a heartbeat");
        serve_client_end(client, HEARTBEAT_UNANSWERED_CODE, "");
        return;
    }
    if (step == HEARTBEAT_UNANSWERED)
        client->heartbeats.due_ns += client->heartbeats.every_ns;
    else if (step == HEARTBEAT_SEND && (!is_for_topics || client->filters.count > 0))
        send_one(client);
    schedule(client);
}

void serve_heartbeats_begin(serve_client *client)
{
    heartbeats_begin(&client->heartbeats, client->dialect, now_ns(client));
    /* The recorded ones come first, and none twice. */
    if (client->dialect->heartbeats.is_idle)
        client->heartbeats.every_ns *= 2;
    schedule(client);
}

void serve_heartbeats_requested(serve_client *client, const dialect_request *request)
{
    if (client->heartbeats.spoken != request->dialect)
        return; /* no request has told yet which server the client means */
    heartbeats_requested(&client->heartbeats, request, now_ns(client));
    schedule(client);
}

void serve_heartbeats_end(serve_client *client)
{
    wire_timer_cancel(&client->heartbeat_timer);
}
