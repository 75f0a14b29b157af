/* The tape of one client: when it starts, and which of its frames the client gets, and when. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "cli/units.h"
#include "serve/serve_impl.h"

/* Most frames of one turn, so that a tape without wanted frames does not delay other clients. */
enum { PUMP_FRAMES_MAX = 4096 };

/* ---- wanted frames ---- */

/* 1 if the exchange sent the frame as data, on the connection that the topic's stream follows.
 * Acks, pongs and errors are not sent again. */
static int is_data(const frame_ref *frame)
{
    const frame_channel *channel = frame->channel;
    return frame_role_is_of_topic(channel->role) && channel->info.line == 0 && !frame->is_copy;
}

/* A frame of an unknown topic is wanted by the topic in it. A frame without a topic goes to
 * every client, as the exchange sent it. */
static int wants_unknown(serve_client *client, const frame_ref *frame)
{
    td_bytes topic =
        content_classify(client->owner->reader, frame->channel, frame->recv_ns, frame->bytes)
            ->exchange_topic;
    return topic.size == 0 || topic_filters_cover_frame(&client->filters, topic, frame->bytes);
}

static int is_wanted(serve_client *client, const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    if (frame->channel->role == ROLE_UNKNOWN)
        return wants_unknown(client, frame);
    td_bytes topic = td_bytes_str(info->exchange_topic);
    if (client->dialect->covers_frame != NULL)
        return topic_filters_cover_frame(&client->filters, topic, frame->bytes);
    client->verdicts = td_array_reach(client->verdicts, &client->verdict_count,
                                      frame->channel->index, sizeof *client->verdicts);
    uint32_t *verdict = &client->verdicts[frame->channel->index];
    if (*verdict >> 1 != client->filters_version)
        *verdict =
            client->filters_version << 1 | (topic_filters_cover(&client->filters, topic) ? 1U : 0U);
    return (int)(*verdict & 1);
}

/* ---- time ---- */

static void on_timer(void *user)
{
    serve_client *client = user;
    client->timer = NULL;
    serve_client_pump(client);
}

static void wait_until(serve_client *client, uint64_t mono_ns, void (*fn)(void *user))
{
    TD_ASSERT(client->timer == NULL);
    TD_ASSERT(client->state != CLIENT_CLOSING);
    client->timer = wire_timer_at(client->owner->options.loop, mono_ns, fn, client);
}

static void fail(serve_client *client, const td_err *err)
{
    client->owner->counts.failed++;
    td_log_emit(client->owner->options.log, TD_LOG_ERROR, "a client's tape: %s", err->text);
    serve_client_end(client, 1011);
}

/* ---- the tape ---- */

static td_result open_tape(serve_client *client, td_err *err)
{
    const serve_options *options = &client->owner->options;
    selection mine = *options->wanted;
    mine.feeds = (selection_globs){client->feed_names, client->feed_count};
    const pacer_options pacing = {
        .clock = options->clock, .speed = options->speed, .gap_ns_max = options->gap_ns_max};
    pacer_init(&client->pacer, &pacing);
    const cursor_options reading = {.threads = 1, .log = options->log, .with_lead_in = 1};
    return cursor_open(options->archive, &mine, &reading, &client->tape, err);
}

/* May be called while catching up: books that became current stay so. */
static void begin_to_catch_up(serve_client *client)
{
    client->is_catching_up = 1;
    client->caught_up = NULL;
    client->made = 0;
}

static void on_settled(void *user)
{
    serve_client *client = user;
    client->timer = NULL;
    td_err err;
    if (open_tape(client, &err) != TD_OK) {
        fail(client, &err);
        return;
    }
    client->state = CLIENT_PLAYING;
    begin_to_catch_up(client); /* for books whose snapshots lie before the selection */
    serve_client_pump(client);
}

void serve_client_subscribed(serve_client *client)
{
    client->filters_version++;
    if (client->state > CLIENT_SETTLE_DELAY) {
        begin_to_catch_up(client);
        return;
    }
    client->state = CLIENT_SETTLE_DELAY;
    wire_timer_cancel(client->timer);
    client->timer = NULL;
    const serve_options *options = &client->owner->options;
    wait_until(client, clock_mono_ns(options->clock) + options->settle_ns, on_settled);
}

void serve_client_unsubscribed(serve_client *client)
{
    client->filters_version++;
    serve_books_unsubscribed(&client->books, &client->filters);
}

void serve_client_answered(serve_client *client)
{
    if (!client->is_catching_up || client->state <= CLIENT_SETTLE_DELAY)
        return;
    wire_timer_cancel(client->timer); /* the pump sets the timer again */
    client->timer = NULL;
    serve_client_pump(client);
}

/* Let the books follow the client's last frame, and report that they cannot follow them all. */
static td_result follow_books(serve_client *client, const frame_ref *frame, book_delivery delivery,
                              td_err *err)
{
    serve *server = client->owner;
    uint64_t before = client->books.unfollowed;
    td_result rc = serve_books_apply(&client->books, server->reader, frame, delivery, err);
    server->counts.unfollowed += client->books.unfollowed - before;
    if (before == 0 && client->books.unfollowed > 0)
        td_log_emit(server->options.log, TD_LOG_WARNING,
                    "%s: a client's tape has more than %u books; this and further ones are not "
                    "followed, and have no snapshot for a late subscription",
                    frame->channel->info.exchange_topic, LIMIT_SERVE_BOOKS);
    return rc;
}

/* Read the next data frame, wanted or not, because the pace is that of all frames. One before the
 * selection is for books only: client->frame is NULL then. */
static td_result next_frame(serve_client *client, td_err *err)
{
    const frame_ref *frame;
    do {
        td_result rc = cursor_next(client->tape, &frame, err);
        if (rc != TD_OK)
            return rc;
    } while (!is_data(frame));
    if (frame->is_lead_in)
        return follow_books(client, frame, BOOK_NOT_SENT, err);
    client->frame = frame;
    return TD_OK;
}

static td_result send_frame(serve_client *client, td_err *err)
{
    const frame_ref *frame = client->frame;
    client->frame = NULL;
    int is_sent = is_wanted(client, frame);
    td_result rc = follow_books(client, frame, is_sent ? BOOK_SENT : BOOK_NOT_SENT, err);
    if (rc != TD_OK || !is_sent)
        return rc;
    TD_ASSERT(frame->channel->info.dir == CHANNEL_IN);
    TD_ASSERT(client->state == CLIENT_PLAYING);
    serve_counts *counts = &client->owner->counts;
    counts->frames++;
    counts->bytes += frame->bytes.size;
    return wire_peer_send(client->conn, (unsigned)frame->channel->info.opcode, frame->bytes, err);
}

/* Send the snapshot of one book that is new to the client. TD_OK; TD_EOF: none is left. */
static td_result catch_up_one(serve_client *client, td_err *err)
{
    serve *server = client->owner;
    serve_book *next = serve_books_next_stale(&client->books, client->caught_up, &client->filters);
    if (next == NULL) {
        client->is_catching_up = 0;
        if (client->made > 0)
            td_log_emit(server->options.log, TD_LOG_INFO,
                        "%s without a snapshot in what a client gets: made from the book",
                        format_counted(client->made, "book").text);
        return TD_EOF;
    }
    client->caught_up = next;
    td_buf_clear(&server->made);
    td_result rc = serve_book_make(next, server->maker, &server->made, err);
    if (rc == TD_E_UNSUPPORTED) {
        td_log_emit(server->options.log, TD_LOG_WARNING,
                    "%s: no snapshot can be made for a client that subscribed late: %s",
                    serve_book_topic(next), err->text);
        return TD_OK;
    }
    if (rc != TD_OK)
        return rc;
    client->made++;
    server->counts.made++;
    return wire_peer_send(client->conn, 1, td_buf_view(&server->made), err);
}

static void end_of_tape(serve_client *client)
{
    const serve *server = client->owner;
    client->state = CLIENT_DRAINING;
    if (wire_peer_queued_bytes(client->conn) > 0)
        return; /* on_drained continues */
    client->is_complete = 1;
    if (!server->options.is_held) {
        serve_client_end(client, 1000);
        return;
    }
    client->state = CLIENT_HOLDING;
    td_log_emit(server->options.log, TD_LOG_INFO,
                "a client's tape has ended; its connection stays open");
}

/* Send one frame, or wait for its time. TD_OK: continue; TD_EOF: not now. */
static td_result pump_one(serve_client *client, td_err *err)
{
    if (wire_peer_queued_bytes(client->conn) >= SERVE_QUEUE_BYTES) {
        client->owner->counts.held_back++;
        return TD_EOF; /* on_drained continues */
    }
    if (client->frame == NULL && !client->is_at_end) {
        td_result rc = next_frame(client, err);
        client->is_at_end = rc == TD_EOF;
        if ((rc != TD_OK && rc != TD_EOF) || (rc == TD_OK && client->frame == NULL))
            return rc;
    }
    if (client->is_catching_up) {
        td_result rc = catch_up_one(client, err);
        if (rc != TD_EOF)
            return rc;
    }
    if (client->is_at_end) {
        if (client->state == CLIENT_PLAYING)
            end_of_tape(client);
        return TD_EOF;
    }
    uint64_t due_ns = pacer_due(&client->pacer, client->frame->recv_ns);
    if (due_ns > clock_mono_ns(client->owner->options.clock)) {
        wait_until(client, due_ns, on_timer);
        return TD_EOF;
    }
    return send_frame(client, err);
}

void serve_client_pump(serve_client *client)
{
    if (client->state == CLIENT_DRAINING)
        end_of_tape(client);
    int is_playing = client->state == CLIENT_PLAYING || client->state == CLIENT_HOLDING;
    if (!is_playing || client->timer != NULL)
        return;
    td_err err;
    td_result rc = TD_OK;
    for (unsigned i = 0; i < PUMP_FRAMES_MAX && rc == TD_OK; i++)
        rc = pump_one(client, &err);
    if (rc == TD_OK)
        wait_until(client, clock_mono_ns(client->owner->options.clock), on_timer);
    else if (rc != TD_EOF)
        fail(client, &err);
}

/* ---- life ---- */

static td_result set_feeds(serve_client *client, td_bytes path, td_err *err)
{
    const serve_feeds *feeds = client->owner->options.feeds;
    if (path.size >= sizeof client->path)
        return td_err_set(err, TD_E_LIMIT, "a path of %zu bytes", path.size);
    memcpy(client->path, path.data, path.size);
    const served_feed *first = serve_feeds_find(feeds, path);
    TD_ASSERT(first != NULL); /* on_accept refuses other paths */
    client->dialect = first->family->dialect;
    client->feed_names = td_alloc_zero(feeds->count, sizeof *client->feed_names);
    client->feed_count = serve_feeds_names(feeds, path, client->feed_names);
    return TD_OK;
}

td_result serve_client_open(serve *owner, wire_peer_conn *conn, td_bytes path, serve_client **out,
                            td_err *err)
{
    serve_client *client = td_alloc_zero(1, sizeof *client);
    client->owner = owner;
    client->conn = conn;
    client->filters_version = 1;
    uint64_t high = td_random_next(&owner->random);
    dialect_conn_id(high, td_random_next(&owner->random), client->conn_id);
    td_result rc = set_feeds(client, path, err);
    if (rc != TD_OK) {
        td_free(client);
        return rc;
    }
    topic_filters_init(&client->filters, client->dialect);
    client->next = owner->clients;
    if (client->next != NULL)
        client->next->prev = client;
    owner->clients = client;
    owner->client_count++;
    owner->counts.clients++;
    *out = client;
    return TD_OK;
}

void serve_client_close(serve_client *client)
{
    serve *owner = client->owner;
    *(client->prev == NULL ? &owner->clients : &client->prev->next) = client->next;
    if (client->next != NULL)
        client->next->prev = client->prev;
    TD_ASSERT(owner->client_count > 0);
    owner->client_count--;
    owner->counts.complete += client->is_complete;
    wire_timer_cancel(client->timer);
    serve_books_fini(&client->books);
    cursor_close(client->tape);
    topic_filters_fini(&client->filters);
    td_free(client->verdicts);
    td_free(client->feed_names);
    td_free(client);
}

void serve_client_end(serve_client *client, unsigned code)
{
    if (client->state == CLIENT_CLOSING)
        return;
    client->state = CLIENT_CLOSING;
    wire_timer_cancel(client->timer);
    client->timer = NULL;
    wire_peer_close(client->conn, code);
}
