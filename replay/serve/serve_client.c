#include "replay/serve/serve_client.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "replay/serve/serve_choice.h"
#include "schema/bare_frame.h"
#include "schema/conn_counter.h"

/* Maximum number of a client's requests about orders and of answers that wait for each other;
 * beyond that the oldest is dropped. */
enum { ORDERS_MAX = 1024 };

/* A slot of the recording from which a client got frames. */
typedef struct client_slot {
    const char *feed; /* the pointer in the channel of the slot's frames */
    uint32_t shard;
} client_slot;

/* A request about orders that waits for its recorded answer, or an answer that waits for its
 * request. */
typedef struct serve_order {
    uint8_t is_answer;
    char *topic;
    char *text; /* text of an answer, or id of a request */
} serve_order;

/* ---- wanted frames ---- */

int serve_client_has_feed(const serve_client *client, const char *feed)
{
    for (size_t i = 0; i < client->feed_count; i++) {
        if (strcmp(client->feed_names[i], feed) == 0)
            return 1;
    }
    return 0;
}

static int wants_channel(serve_client *client, const frame_channel *channel)
{
    client->verdicts = td_array_reach(client->verdicts, &client->verdict_count, channel->index,
                                      sizeof *client->verdicts);
    uint32_t *known = &client->verdicts[channel->index];
    if (*known >> 1 != client->filters_version) {
        int depends_on_frame =
            channel->role == ROLE_UNKNOWN || client->dialect->covering == COVER_CATEGORIES;
        int is_wanted =
            serve_client_has_feed(client, channel->info.feed) &&
            (depends_on_frame ||
             topic_filters_cover(&client->filters, td_bytes_str(channel->info.exchange_topic)));
        *known = client->filters_version << 1 | (is_wanted ? 1U : 0U);
    }
    return (int)(*known & 1);
}

int serve_client_may_order(const serve_client *client)
{
    return client->dialect->order_id != NULL &&
           (client->is_authenticated || client->dialect->signs_orders);
}

/* 1 if the client is expected to ask for recorded answers: one whose connection has data, too, only
 * if it has sent an order. */
static int uses_answers(const serve_client *client)
{
    return client->has_ordered || dialect_is_for_orders(client->dialect);
}

static int is_order_answer(const frame_channel *channel)
{
    return channel->role == ROLE_DATA && channel->topic.row != NULL &&
           channel->topic.row->type == MSG_ORDER_ENTRY;
}

/* 1 if the client wants the frame. Answers about orders, without a subscription, go to all clients
 * that may send orders. A notice goes to the clients of its recorded connection. A frame
 * of an unknown topic is matched by the topic in its text; without such a topic it goes to every
 * client, as on the exchange. */
int serve_client_wants(serve_client *client, const served_frame *served)
{
    const frame_channel *channel = served->frame->channel;
    td_bytes bytes = served->frame->bytes;
    if (client->state != CLIENT_PLAYING)
        return 0;
    if (channel->role == ROLE_CONTROL)
        return serve_client_has_slot(client, channel->info.feed, channel->info.shard);
    if (is_order_answer(channel))
        return serve_client_may_order(client) && serve_client_has_feed(client, channel->info.feed);
    if (!wants_channel(client, channel))
        return 0;
    if (channel->role == ROLE_UNKNOWN)
        return served->topic.size == 0 ||
               topic_filters_cover_frame(&client->filters, served->topic, bytes);
    return client->dialect->covering != COVER_CATEGORIES ||
           topic_filters_cover_frame(&client->filters, td_bytes_str(channel->info.exchange_topic),
                                     bytes);
}

/* ---- books ---- */

static uint8_t *is_current(serve_client *client, const serve_book *b)
{
    client->is_current =
        td_array_reach(client->is_current, &client->is_current_count, b->number, 1);
    return &client->is_current[b->number];
}

int serve_client_covers(const serve_client *client, const char *feed, const char *exchange_topic)
{
    return serve_client_has_feed(client, feed) &&
           topic_filters_cover(&client->filters, td_bytes_str(exchange_topic));
}

int serve_client_has_topics(const serve_client *client)
{
    const serve_feeds *feeds = client->owner->options.feeds;
    for (size_t i = 0; i < feeds->count && client->filters.count > 0; i++) {
        const served_feed *feed = &feeds->items[i];
        int is_covered = feed->has_unknown;
        for (size_t k = 0; k < feed->topic_count && !is_covered; k++)
            is_covered =
                topic_filters_cover(&client->filters, td_bytes_str(feed->topics[k].exchange_topic));
        if (is_covered && serve_client_has_feed(client, feed->name))
            return 1;
    }
    return 0;
}

int serve_client_needs(serve_client *client, const serve_book *b)
{
    return client->is_catching_up && b->has_snapshot && !*is_current(client, b) &&
           serve_client_covers(client, b->feed, b->exchange_topic);
}

void serve_client_catch_up(serve_client *client)
{
    client->is_catching_up = 1;
    client->made = 0;
}

void serve_client_filters_changed(serve_client *client, const serve_books *books)
{
    client->filters_version++;
    for (const serve_book *b = books == NULL ? NULL : books->first; b != NULL; b = b->next) {
        uint8_t *current = is_current(client, b);
        *current = *current && serve_client_covers(client, b->feed, b->exchange_topic);
    }
}

/* ---- connections of the recording ---- */

static void add_slot(serve_client *client, const channel_info *from)
{
    for (size_t i = client->slot_count; i-- > 0;) {
        const client_slot *slot = &client->slots[i];
        if (slot->shard == from->shard && slot->feed == from->feed)
            return;
    }
    client->slots = td_array_grow(client->slots, client->slot_count, sizeof *client->slots);
    client->slots[client->slot_count++] = (client_slot){from->feed, from->shard};
}

int serve_client_has_slot(const serve_client *client, const char *feed, uint32_t shard)
{
    int has_others = 0;
    for (size_t i = 0; i < client->slot_count; i++) {
        if (strcmp(client->slots[i].feed, feed) != 0)
            continue;
        if (client->slots[i].shard == shard)
            return 1;
        has_others = 1;
    }
    return !has_others && client->filters.count > 0 && serve_client_has_feed(client, feed);
}

void serve_client_disconnect(serve_client *client, unsigned code)
{
    int is_sendable = code >= 1000 && code != 1005 && code != 1006 && code != 1015;
    if (is_sendable || wire_waiting_bytes(client->conn) == 0)
        serve_client_end(client, is_sendable ? code : 0, "");
    else
        client->state = CLIENT_CUTTING;
}

static void drop_order(serve_client *client, size_t index)
{
    serve_order *at = &client->orders[index];
    td_free(at->topic);
    td_free(at->text);
    memmove(at, at + 1, (--client->order_count - index) * sizeof *at);
}

static void drop_orders(serve_client *client)
{
    while (client->order_count > 0)
        drop_order(client, client->order_count - 1);
}

void serve_client_restart(serve_client *client)
{
    drop_orders(client);
    if (client->is_current_count > 0)
        memset(client->is_current, 0, client->is_current_count);
    if (client->state == CLIENT_DRAINING || client->state == CLIENT_HOLDING)
        client->state = CLIENT_PLAYING;
    serve_client_catch_up(client);
}

/* ---- sending ---- */

void serve_client_put(serve_client *client, wire_outgoing *out)
{
    td_err err;
    wire_outgoing own = {.opcode = out->opcode};
    td_result rc = conn_counter_write(client->dialect->exchange, out->bytes, &client->counted,
                                      &client->owner->numbered, &own.bytes, &err);
    if (client->heartbeats.spoken != NULL)
        heartbeats_on_frame(&client->heartbeats, clock_mono_ns(client->owner->options.clock));
    if (rc == TD_OK)
        rc = wire_send_message(client->conn, own.bytes.data == out->bytes.data ? out : &own, &err);
    if (rc == TD_OK)
        return;
    client->owner->counts.slow += rc == TD_E_LIMIT;
    td_log_emit(client->owner->options.log, TD_LOG_WARNING,
                "a client is closed: it reads too slowly: %s", err.text);
    serve_client_end(client, 1008, "it reads too slowly: 8 MiB are queued");
}

static void put_recorded(serve_client *client, wire_outgoing *out)
{
    serve_counts *counts = &client->owner->counts;
    counts->frames++;
    counts->bytes += out->bytes.size;
    serve_client_put(client, out);
}

/* ---- orders ---- */

void serve_client_answer(serve_client *client, td_bytes recorded, td_bytes id_raw)
{
    serve *server = client->owner;
    wire_outgoing out = {.opcode = 1};
    td_buf_clear(&server->made);
    dialect_build_with_id(client->dialect, &server->made, server->json, recorded, id_raw);
    out.bytes = td_buf_view(&server->made);
    put_recorded(client, &out);
}

/* Join a request or an answer with the first waiting entry of the other kind that has the same
 * topic. If there is no such entry, the request or answer waits. */
static void join_order(serve_client *client, int is_answer, td_bytes topic, td_bytes text)
{
    size_t at = 0;
    while (at < client->order_count && (client->orders[at].is_answer == is_answer ||
                                        !td_bytes_is(topic, client->orders[at].topic)))
        at++;
    if (at < client->order_count) {
        td_bytes other = td_bytes_str(client->orders[at].text);
        serve_client_answer(client, is_answer ? text : other, is_answer ? other : text);
        drop_order(client, at);
        return;
    }
    if (at == ORDERS_MAX)
        drop_order(client, 0);
    client->orders = td_array_grow(client->orders, client->order_count, sizeof *client->orders);
    client->orders[client->order_count++] =
        (serve_order){.is_answer = is_answer != 0,
                      .topic = td_strndup((const char *)topic.data, topic.size),
                      .text = td_strndup((const char *)text.data, text.size)};
}

void serve_client_ask(serve_client *client, const dialect_request *request)
{
    client->has_ordered = 1;
    join_order(client, 0, request->order_topic, request->id_raw);
    if (client->state == CLIENT_DRAINING)
        serve_client_finish(client);
}

static int has_answers(const serve_client *client)
{
    size_t at = 0;
    if (!uses_answers(client))
        return 0;
    while (at < client->order_count && !client->orders[at].is_answer)
        at++;
    return at < client->order_count;
}

/* ---- frames ---- */

/* A data frame in the form of the client's path, bare or not, whichever was recorded. Valid until
 * the next call. */
static td_bytes own_form(serve_client *client, const channel_info *info, td_bytes frame)
{
    serve *server = client->owner;
    const dialect *spoken = client->dialect;
    const frame_keys *keys = &spoken->exchange->frames;
    td_buf *made = &server->made;
    td_buf topic;
    if (keys->bare_count == 0)
        return frame;
    if (client->is_bare)
        return bare_frame_strip(keys, server->json, frame);
    if (!bare_frame_is(keys, server->json, frame))
        return frame;
    td_buf_init(&topic, LIMIT_TOPIC_BYTES);
    td_buf_clear(made);
    if (dialect_spell(spoken, info->exchange_topic, &topic, NULL) == TD_OK &&
        bare_frame_wrap(keys, td_buf_view(&topic), frame, made, NULL) == TD_OK)
        frame = td_buf_view(made);
    td_buf_fini(&topic);
    return frame;
}

void serve_client_send(serve_client *client, served_frame *served)
{
    serve_book *b = served->book;
    int is_wanted = serve_client_wants(client, served);
    /* the book's snapshot will be made after this delta and include it */
    if (is_wanted && b != NULL && !served->is_snapshot && serve_client_needs(client, b))
        is_wanted = 0;
    if (b != NULL) {
        uint8_t *current = is_current(client, b);
        *current = is_wanted && (*current || served->is_snapshot);
    }
    if (!is_wanted)
        return;
    const channel_info *info = &served->frame->channel->info;
    const int is_answer = is_order_answer(served->frame->channel);
    if (served->frame->channel->role != ROLE_CONTROL && (!is_answer || uses_answers(client)))
        add_slot(client, info);
    if (is_answer) {
        join_order(client, 1, td_bytes_str(info->exchange_topic), served->message.bytes);
        return;
    }
    wire_outgoing own = {.opcode = served->message.opcode, .bytes = served->message.bytes};
    if (served->frame->channel->role == ROLE_DATA)
        own.bytes = own_form(client, info, own.bytes);
    put_recorded(client, own.bytes.data == served->message.bytes.data ? &served->message : &own);
}

void serve_client_send_made(serve_client *client, const serve_book *b, wire_outgoing *out)
{
    *is_current(client, b) = 1;
    if (out == NULL)
        return;
    client->made++;
    client->owner->counts.made++;
    serve_client_put(client, out);
}

void serve_client_finish(serve_client *client)
{
    const serve *server = client->owner;
    if (client->state != CLIENT_PLAYING && client->state != CLIENT_DRAINING)
        return;
    client->state = CLIENT_DRAINING;
    if (wire_waiting_bytes(client->conn) > 0 || has_answers(client))
        return; /* serve_client_drained or the next request continues */
    client->is_complete = 1;
    if (!server->options.is_held) {
        serve_client_end(client, 1000, "");
        return;
    }
    client->state = CLIENT_HOLDING;
    td_log_emit(server->options.log, TD_LOG_INFO,
                "a client's tape has ended; its connection stays open");
}

void serve_client_drained(serve_client *client)
{
    if (client->state == CLIENT_DRAINING)
        serve_client_finish(client);
    else if (client->state == CLIENT_CUTTING)
        serve_client_end(client, 0, "");
}

void serve_client_end(serve_client *client, unsigned code, const char *reason)
{
    if (client->state == CLIENT_CLOSING)
        return;
    client->state = CLIENT_CLOSING;
    wire_close(client->conn, code, td_bytes_str(reason));
}

/* ---- open, close ---- */

/* Let the client be one of a server. */
static void set_server(serve_client *client, const served_feed *server)
{
    const serve_feeds *feeds = client->owner->options.feeds;
    client->server = server;
    client->dialect = server->family->dialect;
    client->is_bare = family_path_is_bare(server->family, client->path) != 0;
    client->feed_count = serve_feeds_names(feeds, server, client->path, client->feed_names);
    topic_filters_fini(&client->filters);
    topic_filters_init(&client->filters, client->dialect);
}

static void choose(serve_client *client, const serve_choice *choice)
{
    client->is_ambiguous = choice->is_ambiguous;
    client->dialect = choice->server->family->dialect;
    if (!choice->is_only)
        return;
    set_server(client, choice->server);
    td_log_emit(client->owner->options.log, TD_LOG_DEBUG, "a client at %s means feed %s",
                client->path, choice->server->name);
}

void serve_client_choose(serve_client *client, td_bytes frame)
{
    serve *server = client->owner;
    if (client->server != NULL)
        return;
    const serve_choice choice =
        serve_choose(server->options.feeds, server->answers, client->path, frame);
    choose(client, &choice);
}

void serve_client_choose_by_url(serve_client *client, td_bytes names, td_bytes query)
{
    serve *server = client->owner;
    if (client->server != NULL)
        return;
    const serve_choice choice =
        serve_choose_by_url(server->options.feeds, server->answers, client->path, names, query);
    choose(client, &choice);
}

static void set_path(serve_client *client, td_bytes path)
{
    const serve_feeds *feeds = client->owner->options.feeds;
    const served_feed *first = serve_feeds_find(feeds, path);
    unsigned accesses;
    size_t next = 0;
    TD_ASSERT(first != NULL); /* on_accept refuses other paths */
    client->path = family_find_path(first->family, path, &accesses);
    client->dialect = first->family->dialect;
    client->feed_names = td_alloc_zero(feeds->count, sizeof *client->feed_names);
    topic_filters_init(&client->filters, client->dialect);
    first = serve_feeds_next_server(feeds, client->path, &next);
    if (serve_feeds_next_server(feeds, client->path, &next) == NULL)
        set_server(client, first);
}

serve_client *serve_client_open(serve *owner, wire_conn *conn, td_bytes path)
{
    serve_client *client = td_alloc_zero(1, sizeof *client);
    client->owner = owner;
    client->conn = conn;
    wire_peer_address(conn, client->address);
    client->filters_version = 1;
    client->early = owner->early;
    uint64_t high = td_random_next(&owner->random);
    dialect_conn_id(high, td_random_next(&owner->random), client->conn_id);
    set_path(client, path);
    client->next = owner->clients;
    owner->clients = client;
    owner->client_count++;
    owner->counts.clients++;
    return client;
}

void serve_client_close(serve_client *client)
{
    serve *owner = client->owner;
    TD_ASSERT(client->tape == NULL);
    serve_client **at = &owner->clients;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    TD_ASSERT(owner->client_count > 0);
    owner->client_count--;
    owner->counts.complete += client->is_complete;
    topic_filters_fini(&client->filters);
    drop_orders(client);
    td_free(client->orders);
    td_free(client->slots);
    td_free(client->is_current);
    td_free(client->verdicts);
    td_free(client->feed_names);
    td_free(client);
}
