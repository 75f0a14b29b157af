#include "replay/serve/serve_tape.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "book/symbol_state.h"
#include "base/time_text.h"
#include "base/cli/units.h"
#include "replay/serve/serve_causes.h"

enum {
    /* Frames that a tape reads per turn of the loop, so that a tape without wanted frames does not
       delay other tapes. */
    TURN_FRAMES_MAX = 4096,
    /* Bytes that a tape sends per turn, to all clients: sockets are written after the turn. */
    TURN_BYTES_MAX = 4 << 20,
};

/* Time that a tape waits for clients that a recorded disconnect closed. */
#define AWAY_NS_MAX (30 * TD_NS_PER_S)

/* Time that a tape with causes waits at its end for a client's next request. */
#define ASKS_NS_MAX (30 * TD_NS_PER_S)

/* A tape is late, by the server's fault, if a frame has been due for longer than this. */
#define LATE_NS (100 * TD_NS_PER_MS)

/* A late tape waits for a client WAIT_NS at a time, and PATIENCE_NS in total while the tape does
 * not advance. */
#define WAIT_NS     (100 * TD_NS_PER_MS)
#define PATIENCE_NS TD_NS_PER_S

/* Clients that are ready within the same period of this length share a tape. */
#define START_PERIOD_NS (50 * TD_NS_PER_MS)

/* The end of a recorded connection. */
typedef struct recorded_end {
    uint64_t recv_ns;
    const char *feed; /* the pointer in the channels of the feed */
    uint32_t shard;
    unsigned code;
} recorded_end;

/* A frame that a fault holds back. */
typedef struct held_frame {
    struct held_frame *next;
    uint64_t until_ns;  /* sent before the first frame received then or later */
    uint8_t is_swapped; /* 1: sent after the next frame of its channel instead */
    frame_ref frame;
    served_frame served; /* its message's bytes follow this struct */
} held_frame;

/* ---- open, close ---- */

/* 1 if the tape needs a book. With a shared clock it has all books, because any client may join. */
static int wants_book(void *user, const char *feed, const char *exchange_topic)
{
    const serve_tape *tape = user;
    const serve_client *c = tape->clients;
    while (c != NULL && !serve_client_covers(c, feed, exchange_topic))
        c = c->tape_next;
    return c != NULL || tape->owner->options.has_shared_clock;
}

/* Make a tape of the client's feeds, or of all feeds with a shared clock. */
static serve_tape *tape_new(const serve_client *client, uint64_t start_ns)
{
    serve *owner = client->owner;
    serve_tape *tape = td_alloc_zero(1, sizeof *tape);
    tape->owner = owner;
    tape->start_ns = start_ns;
    tape->books = (serve_books){.wants = wants_book, .user = tape};
    if (!owner->options.has_shared_clock) {
        size_t bytes = client->feed_count * sizeof *tape->feed_names;
        tape->feed_count = client->feed_count;
        tape->feed_names = td_alloc(bytes);
        memcpy(tape->feed_names, client->feed_names, bytes);
    }
    tape->next = owner->tapes;
    owner->tapes = tape;
    return tape;
}

static void forget_held(serve_tape *tape)
{
    while (tape->held != NULL) {
        held_frame *held = tape->held;
        tape->held = held->next;
        td_free(held);
    }
}

static void close_missing_reader(serve_tape *tape)
{
    serve_books_fini(&tape->missing_books);
    cursor_close(tape->missing_reader);
    tape->missing_reader = NULL;
}

/* Count and log, once, which frames were not sent because no client sent the requests before them.
 */
static void note_unsent(serve_tape *tape)
{
    serve *server = tape->owner;
    char when[TD_TIME_TEXT_BYTES];
    if (server->causes == NULL || tape->is_over)
        return;
    const unsent_causes unsent = serve_causes_unsent(server->causes);
    tape->is_over = 1;
    server->counts.unsent += unsent.frames;
    if (unsent.requests == 0)
        return;
    td_time_format(unsent.sent_ns, when);
    td_log_emit(server->options.log, TD_LOG_WARNING,
                "no client sent %s that the recording has (the first: %s of %s): %s not sent",
                format_counted(unsent.requests, "request").text, unsent.op, when,
                format_counted(unsent.frames, "frame").text);
}

static void tape_free(serve_tape *tape)
{
    serve *owner = tape->owner;
    TD_ASSERT(tape->clients == NULL);
    if (tape->is_at_end)
        note_unsent(tape);
    serve_tape **at = &owner->tapes;
    while (*at != tape)
        at = &(*at)->next;
    *at = tape->next;
    wire_timer_cancel(&tape->timer);
    forget_held(tape);
    close_missing_reader(tape);
    if (tape->cursor != NULL && owner->tapes == NULL)
        owner->early = (early_commands){0};
    if (tape->cursor != NULL && owner->causes != NULL)
        serve_causes_begin(owner->causes, 0);
    serve_books_fini(&tape->books); /* closed before the cursor, whose channels they use */
    cursor_close(tape->cursor);
    td_free(tape->ends);
    td_free(tape->feed_names);
    td_free(tape);
}

void serve_tapes_close(serve *server)
{
    while (server->tapes != NULL)
        tape_free(server->tapes);
}

/* 1 if tapes have no pace of their own and wait for the slowest of their clients. */
static int waits_for_clients(const serve *server)
{
    return server->options.waits_for_slow || server->options.speed.is_max;
}

static selection selection_of(const serve_tape *tape)
{
    selection mine = *tape->owner->options.wanted;
    if (tape->feed_names != NULL)
        mine.feeds = (selection_globs){tape->feed_names, tape->feed_count};
    return mine;
}

cursor_options serve_tape_reading(const serve *server)
{
    const serve_options *options = &server->options;
    return (cursor_options){.threads = 1,
                            .blocks = server->blocks,
                            .channels = server->channels,
                            .log = options->log,
                            .states = options->feeds->has_retail ? TAPE_STATES_FRAMES
                                                                 : TAPE_STATES_BOOKS};
}

static td_result open_cursor(serve_tape *tape, td_err *err)
{
    const serve_options *options = &tape->owner->options;
    const selection mine = selection_of(tape);
    cursor_options reading = serve_tape_reading(tape->owner);
    reading.with_events = 1;
    const pacer_options pacing = {
        .clock = options->clock, .speed = options->speed, .gap_ns_max = options->gap_ns_max};
    pacer_init(&tape->pacer, &pacing);
    if (tape->owner->is_paused)
        pacer_pause(&tape->pacer);
    tape->owner->counts.tapes++;
    td_result rc = cursor_open(options->archive, &mine, &reading, &tape->cursor, err);
    if (rc == TD_OK) {
        tape->begin_ns = cursor_get_window(tape->cursor).from_ns;
        serve_books_begin(&tape->books, options->feeds, tape->cursor);
    }
    return rc;
}

/* ---- reading ---- */

/* 1 if clients may get the frame: the exchange sent it as data on the connection, and it is not a
 * copy (a frame of a connection that is not used for its topic). Recorded acks, pongs and errors
 * are not sent. */
static int is_data(const frame_ref *frame)
{
    const frame_channel *channel = frame->channel;
    return frame_role_is_of_topic(channel->role) && channel->info.line == 0 && !frame->is_copy &&
           (channel->info.form & FORM_FETCHED) == 0;
}

/* 1 if the exchange sent the frame of its own accord, with content: no request of a client brings
 * it. */
static int is_notice(const serve_tape *tape, const frame_ref *frame)
{
    const frame_channel *channel = frame->channel;
    dialect_answer answer;
    return channel->role == ROLE_CONTROL && channel->info.dir == CHANNEL_IN &&
           channel->info.line == 0 && !frame->is_lead_in && channel->family != NULL &&
           answer_parse(tape->owner->answers, channel->family->dialect, frame->bytes, &answer,
                        NULL) == TD_OK &&
           answer.is_notice;
}

/* 1 if the frame is the end of a recorded connection at which clients are disconnected. They are
 * not disconnected if the recorder closed the connection itself, or if another line was open. */
static int is_disconnect(const serve_tape *tape, const frame_ref *frame)
{
    const event *ev = frame->event;
    return ev != NULL && ev->kind == EVENT_DISCONNECT && !frame->is_copy &&
           !tape->owner->options.skips_disconnects &&
           (ev->cause == NULL || strcmp(ev->cause, "closed_by_us") != 0);
}

int64_t serve_tape_shift_s(const serve *server, serve_tape *tape, uint64_t at_ns)
{
    if (tape != NULL && tape->has_shift)
        return tape->shift_s;
    uint64_t now_ns = clock_wall_ns(server->options.clock);
    int64_t shift_s = ((int64_t)now_ns - (int64_t)at_ns) / (int64_t)TD_NS_PER_S;
    if (tape != NULL) {
        tape->has_shift = 1;
        tape->shift_s = shift_s;
    }
    return shift_s;
}

/* Apply a frame to its book; log once that there are too many books. */
static td_result follow_books(serve_tape *tape, served_frame *served, td_err *err)
{
    serve *server = tape->owner;
    uint64_t before = tape->books.unfollowed;
    td_result rc = serve_books_apply(&tape->books, server->reader, served->frame, &served->book,
                                     &served->is_snapshot, err);
    server->counts.unfollowed += tape->books.unfollowed - before;
    if (before == 0 && tape->books.unfollowed > 0)
        td_log_emit(server->options.log, TD_LOG_WARNING,
                    "%s: a tape has more than %u books and tickers; this and further ones are not "
                    "followed, and have no snapshot for a late subscription",
                    served->frame->channel->info.exchange_topic, LIMIT_SERVE_BOOKS);
    return rc;
}

/* Keep the end of a recorded connection until the next data frame is read; without a further frame
 * it has no effect. */
static void add_end(serve_tape *tape, const frame_ref *frame)
{
    tape->ends = td_array_grow(tape->ends, tape->end_count, sizeof *tape->ends);
    tape->ends[tape->end_count++] = (recorded_end){.recv_ns = frame->recv_ns,
                                                   .feed = frame->channel->info.feed,
                                                   .shard = frame->event->shard,
                                                   .code = (unsigned)frame->event->code};
}

/* Read one frame; a data frame or notice becomes tape->frame, wanted or not, because all frames set
 * the pace. Other frames are handled at once, and tape->frame stays NULL. */
static td_result next_frame(serve_tape *tape, td_err *err)
{
    const frame_ref *frame;
    td_result rc = cursor_next(tape->cursor, &frame, err);
    if (rc != TD_OK)
        return rc;
    served_frame before = {.frame = frame};
    int is_fetched = (frame->channel->info.form & FORM_FETCHED) != 0 && !frame->is_copy;
    if (is_fetched || (frame->is_lead_in && is_data(frame)))
        return follow_books(tape, &before, err);
    if (is_disconnect(tape, frame))
        add_end(tape, frame);
    if (serve_causes_have(tape->owner->causes, frame))
        return TD_OK;
    if (is_data(frame) || is_notice(tape, frame))
        tape->frame = frame;
    if (tape->frame != NULL)
        (void)serve_tape_shift_s(tape->owner, tape, frame->recv_ns);
    return TD_OK;
}

/* ---- sending ---- */

static td_bytes topic_in(const serve *server, const frame_ref *frame)
{
    if (frame->channel->role != ROLE_UNKNOWN)
        return td_bytes_of(NULL, 0);
    return content_classify(server->reader, frame->channel, frame->recv_ns, frame->bytes)
        ->exchange_topic;
}

static void on_away(void *user);
static void on_time(void *user);

/* End the books of a recorded connection that ended; the next connection begins new books. */
static void end_books(serve_tape *tape, const recorded_end *end)
{
    for (serve_book *b = tape->books.first; b != NULL; b = b->next) {
        const conn_choice *choice = &b->tape.state->choice;
        if (b->shard == end->shard && strcmp(b->feed, end->feed) == 0 &&
            choice->conns[choice->followed].last_ns <= end->recv_ns) {
            b->has_snapshot = 0;
            b->has_ended = 1;
        }
    }
}

/* Close the clients of a recorded connection in the way that it ended; end NULL: all clients,
 * without a close frame. */
static void disconnect(serve_tape *tape, const recorded_end *end)
{
    const serve_options *options = &tape->owner->options;
    size_t closed = 0;
    if (end != NULL)
        end_books(tape, end);
    for (serve_client *c = tape->clients; c != NULL; c = c->tape_next) {
        if (c->state != CLIENT_PLAYING ||
            (end != NULL && !serve_client_has_slot(c, end->feed, end->shard)))
            continue;
        closed++;
        serve_client_disconnect(c, end == NULL ? 0 : end->code);
    }
    if (end != NULL)
        tape->owner->counts.disconnected += closed;
    if (closed == 0 || options->has_shared_clock)
        return;
    /* The tape stops until one of the closed clients returns, so that this client gets the frames
     * after the disconnect. */
    tape->away += closed;
    tape->waits_for_return = 1;
    wire_timer_set(options->loop, &tape->timer, clock_mono_ns(options->clock) + AWAY_NS_MAX,
                   on_away, tape);
}

static void send_to_clients(serve_tape *tape, served_frame *served)
{
    for (serve_client *c = tape->clients; c != NULL; c = c->tape_next)
        serve_client_send(c, served);
}

/* ---- faults ---- */

/* Send the held frames that are due before this frame. is_sent 1: this frame was sent, so also send
 * frames that were swapped with it. frame NULL: send all. */
static void send_held(serve_tape *tape, const frame_ref *frame, int is_sent)
{
    for (held_frame **at = &tape->held; *at != NULL;) {
        held_frame *held = *at;
        int is_due = held->is_swapped ? is_sent && held->frame.channel == frame->channel
                                      : frame != NULL && held->until_ns <= frame->recv_ns;
        if (frame != NULL && !is_due) {
            at = &held->next;
            continue;
        }
        *at = held->next;
        send_to_clients(tape, &held->served);
        td_free(held);
    }
}

static void hold_frame(serve_tape *tape, const served_frame *served, const fault_rule *rule)
{
    td_bytes bytes = served->message.bytes;
    held_frame *held = td_alloc(sizeof *held + bytes.size);
    held_frame **end = &tape->held;
    memcpy(held + 1, bytes.data, bytes.size);
    *held = (held_frame){.until_ns = served->frame->recv_ns + rule->by_ns,
                         .is_swapped = rule->kind == FAULT_REORDER,
                         .frame = *served->frame,
                         .served = *served};
    held->frame.bytes = td_bytes_of(held + 1, bytes.size);
    held->served.frame = &held->frame;
    held->served.message.bytes = held->frame.bytes;
    while (*end != NULL)
        end = &(*end)->next;
    *end = held;
}

static void inject_fault(serve_tape *tape, served_frame *served, const fault_rule *rule,
                         uint64_t number)
{
    serve *server = tape->owner;
    server->counts.faults++;
    if (rule->kind == FAULT_DELAY || rule->kind == FAULT_REORDER) {
        hold_frame(tape, served, rule);
        return;
    }
    if (rule->kind == FAULT_TRUNCATE || rule->kind == FAULT_CORRUPT) {
        fault_damage(rule, number, served->message.bytes, &server->damaged);
        served->message.bytes = td_buf_view(&server->damaged);
    }
    if (rule->kind != FAULT_DROP)
        send_to_clients(tape, served);
    if (rule->kind == FAULT_DUPLICATE)
        send_to_clients(tape, served);
    if (rule->kind == FAULT_STALL)
        tape->stalled_ns = clock_mono_ns(server->options.clock) + rule->by_ns;
    if (rule->kind == FAULT_DISCONNECT)
        disconnect(tape, NULL);
}

static int is_wanted(serve_tape *tape, const served_frame *served)
{
    serve_client *c = tape->clients;
    while (c != NULL && !serve_client_wants(c, served))
        c = c->tape_next;
    return c != NULL;
}

static td_result send_frame(serve_tape *tape, td_err *err)
{
    const frame_ref *frame = tape->frame;
    const serve_faults *faults = tape->owner->options.faults;
    const fault_rule *rule = NULL;
    uint64_t number = 0;
    served_frame served = {
        .frame = frame,
        .message = {.opcode = (unsigned)frame->channel->info.opcode, .bytes = frame->bytes}};
    tape->frame = NULL;
    TD_ASSERT(frame->channel->info.dir == CHANNEL_IN);
    tape->has_frames = 1;
    tape->at_ns = frame->recv_ns;
    td_result rc = follow_books(tape, &served, err);
    if (rc != TD_OK)
        return rc;
    served.topic = topic_in(tape->owner, frame);
    send_held(tape, frame, 0);
    served.message.bytes =
        serve_rebase_frame(tape->owner->rebase, frame->row, tape->shift_s, frame->bytes);
    if (faults != NULL && frame->channel->role == ROLE_DATA && is_wanted(tape, &served))
        rule = serve_faults_find(faults, frame, &number);
    if (rule == NULL) {
        send_to_clients(tape, &served);
        send_held(tape, frame, 1);
        return TD_OK;
    }
    inject_fault(tape, &served, rule, number);
    return serve_faults_log(faults, rule, frame, err);
}

/* ---- frames that requests of clients caused ---- */

/* Send the frame that is due first, or wait for its time (TD_EOF). */
static td_result send_caused(serve_tape *tape, uint64_t now_ns)
{
    serve *server = tape->owner;
    const caused_frame *first = serve_causes_first(server->causes);
    if (first->due_ns > now_ns) {
        wire_timer_set(server->options.loop, &tape->timer, first->due_ns, on_time, tape);
        return TD_EOF;
    }
    const frame_ref *frame = &first->frame;
    td_bytes id_raw;
    serve_client *asker = serve_causes_take(server->causes, &id_raw);
    served_frame served = {.frame = frame,
                           .message = {.opcode = (unsigned)frame->channel->info.opcode,
                                       .bytes = serve_rebase_frame(server->rebase, frame->row,
                                                                   tape->shift_s, frame->bytes)}};
    const uint64_t sent = server->counts.frames;
    if (!first->is_answer)
        send_to_clients(tape, &served);
    else if (asker != NULL && asker->state < CLIENT_CUTTING)
        serve_client_answer(asker, served.message.bytes, id_raw);
    server->counts.caused += server->counts.frames - sent;
    return TD_OK;
}

/* 1 if a frame that a request caused is due before this time. */
static int has_caused(const serve_tape *tape, uint64_t before_ns)
{
    const caused_frame *first =
        tape->owner->causes == NULL ? NULL : serve_causes_first(tape->owner->causes);
    return first != NULL && first->due_ns <= before_ns;
}

/* The tape is at its end: 1 if it waits for clients' requests that its recording has. */
static int waits_for_asks(serve_tape *tape, uint64_t now_ns)
{
    const serve *server = tape->owner;
    if (server->causes == NULL || tape->is_over || tape->clients == NULL ||
        serve_causes_unsent(server->causes).requests == 0)
        return 0;
    if (tape->asks_until_ns == 0)
        tape->asks_until_ns = now_ns + ASKS_NS_MAX;
    if (now_ns >= tape->asks_until_ns)
        return 0;
    wire_timer_set(server->options.loop, &tape->timer, tape->asks_until_ns, on_time, tape);
    return 1;
}

/* ---- logs of events that many clients may cause: a line per minute, and a total at the end ----
 */

static uint64_t count_for_log(const serve *server, td_log_rate *rate)
{
    return td_log_rate_count(rate, clock_mono_ns(server->options.clock));
}

static void log_unmade(serve *server, const serve_book *b, const td_err *why)
{
    uint64_t count = count_for_log(server, &server->unmade_log);
    server->counts.unmade++;
    if (count > 0)
        td_log_emit(server->options.log, TD_LOG_WARNING,
                    "%s: no snapshot can be made for clients that subscribed late (%s since this "
                    "was last logged): %s",
                    b->exchange_topic, format_counted(count, "snapshot").text, why->text);
}

static void log_late_join(serve *server)
{
    uint64_t count = count_for_log(server, &server->late_log);
    server->counts.late++;
    if (count > 0)
        td_log_emit(server->options.log, TD_LOG_INFO,
                    "%s joined the shared tape after its start since this was last logged: earlier "
                    "frames are not sent, books and tickers start with snapshots",
                    format_counted(count, "client").text);
}

static void log_unrecorded(serve *server, const dialect_request *request)
{
    uint64_t count = count_for_log(server, &server->unrecorded_log);
    server->counts.unrecorded++;
    if (count > 0)
        td_log_emit(server->options.log, TD_LOG_WARNING,
                    "%.*s: the recording has no further such request, so this one gets no answer "
                    "(%s since this was last logged)",
                    (int)request->order_topic.size, (const char *)request->order_topic.data,
                    format_counted(count, "request").text);
}

/* ---- made snapshots ---- */

static int has_space(const serve_client *client)
{
    return wire_waiting_bytes(client->conn) < SERVE_QUEUE_BYTES;
}

/* Send a book's snapshot, made once, to the clients that need it and have space. */
static td_result catch_up_book(serve_tape *tape, serve_book *b, td_err *err)
{
    serve *server = tape->owner;
    wire_outgoing out = {.opcode = 1};
    td_result made = TD_EOF;
    for (serve_client *c = tape->clients; c != NULL; c = c->tape_next) {
        if (!has_space(c) || !serve_client_needs(c, b))
            continue;
        if (made == TD_EOF) {
            td_buf_clear(&server->made);
            made = serve_book_make(b, server->options.archive, server->maker, &server->made, err);
            out.bytes = serve_rebase_frame(server->rebase, b->tape.state->row, tape->shift_s,
                                           td_buf_view(&server->made));
        }
        if (made != TD_OK && made != TD_E_UNSUPPORTED)
            return made;
        /* A retry would fail, too, so the clients get the book's deltas without a snapshot. */
        serve_client_send_made(c, b, made == TD_OK ? &out : NULL);
    }
    if (made == TD_E_UNSUPPORTED)
        log_unmade(server, b, err);
    return TD_OK;
}

static void end_catching_up(serve_client *client)
{
    serve *server = client->owner;
    client->is_catching_up = 0;
    uint64_t count = client->made == 0 ? 0 : count_for_log(server, &server->made_log);
    if (count == 0)
        return;
    td_log_emit(server->options.log, TD_LOG_INFO,
                "made %s for %s since this was last logged, of books or tickers that begin with a "
                "delta",
                format_counted(server->counts.made - server->made_logged, "snapshot").text,
                format_counted(count, "client").text);
    server->made_logged = server->counts.made;
}

static int is_catching_up(const serve_tape *tape)
{
    const serve_client *c = tape->clients;
    while (c != NULL && !c->is_catching_up)
        c = c->tape_next;
    return c != NULL;
}

/* Send the snapshots that clients need. A client without space continues when its queue is empty.
 */
static td_result catch_up(serve_tape *tape, td_err *err)
{
    td_result rc = TD_OK;
    if (!is_catching_up(tape))
        return TD_OK;
    for (serve_book *b = tape->books.first; rc == TD_OK && b != NULL; b = b->next)
        rc = catch_up_book(tape, b, err);
    for (serve_client *c = tape->clients; rc == TD_OK && c != NULL; c = c->tape_next) {
        if (c->is_catching_up && has_space(c))
            end_catching_up(c);
    }
    return rc;
}

/* ---- books that are wanted later ---- */

static int lacks_book(void *user, const char *feed, const char *exchange_topic)
{
    const serve_tape *tape = user;
    return wants_book(user, feed, exchange_topic) &&
           serve_books_find(&tape->books, feed, exchange_topic) == NULL;
}

static int lacks_channel(void *user, const channel_info *info)
{
    const serve_tape *tape = user;
    const served_topic *topic =
        serve_feeds_topic(tape->owner->options.feeds, info->feed, info->topic, info->symbol);
    return topic != NULL && serve_books_follow(topic->row) &&
           lacks_book(user, topic->feed, topic->exchange_topic);
}

static int lacks_books(serve_tape *tape)
{
    const serve_feeds *feeds = tape->owner->options.feeds;
    for (size_t i = 0; i < feeds->count; i++) {
        const served_feed *feed = &feeds->items[i];
        for (size_t k = 0; k < feed->topic_count; k++) {
            if (serve_books_follow(feed->topics[k].row) &&
                lacks_book(tape, feed->name, feed->topics[k].exchange_topic))
                return 1;
        }
    }
    return 0;
}

/* Receive time of the pending frame, or one that lies between the sent frames and the later ones.
 */
static uint64_t next_ns(const serve_tape *tape)
{
    if (tape->frame != NULL)
        return tape->frame->recv_ns;
    return tape->at_ns > 0 ? tape->at_ns + 1 : cursor_get_window(tape->cursor).from_ns;
}

/* Start reading the missing books up to the pending frame; at the end of the tape, up to the last
 * sent frame: the lead-in has connections that are open, and an import's end with their last frame.
 */
static td_result open_missing_reader(serve_tape *tape, td_err *err)
{
    selection mine = selection_of(tape);
    cursor_options reading = serve_tape_reading(tape->owner);
    const uint64_t to_ns = next_ns(tape) + 1;
    const uint64_t from_ns = tape->is_at_end && tape->at_ns > 0 ? tape->at_ns - 1 : to_ns - 1;
    selection_set_window(&mine, (selection_window){from_ns, to_ns});
    reading.wants_channel = lacks_channel;
    reading.user = tape;
    tape->missing_books = (serve_books){.wants = lacks_book, .user = tape};
    td_result rc =
        cursor_open(tape->owner->options.archive, &mine, &reading, &tape->missing_reader, err);
    if (rc == TD_OK)
        serve_books_begin(&tape->missing_books, tape->owner->options.feeds, tape->missing_reader);
    return rc;
}

/* Read one more frame of the missing books. When they reach the tape's position, move them to the
 * tape. */
static td_result read_missing_book(serve_tape *tape, td_err *err)
{
    const frame_ref *frame;
    serve_book *b;
    uint8_t is_snapshot;
    if (tape->missing_reader == NULL && lacks_books(tape))
        return open_missing_reader(tape, err);
    td_result rc =
        tape->missing_reader == NULL ? TD_EOF : cursor_next(tape->missing_reader, &frame, err);
    if (rc == TD_OK && (frame->is_lead_in || frame->recv_ns <= tape->at_ns))
        return is_data(frame) ? serve_books_apply(&tape->missing_books, tape->owner->reader, frame,
                                                  &b, &is_snapshot, err)
                              : TD_OK;
    if (rc != TD_OK && rc != TD_EOF)
        return rc;
    serve_books_add(&tape->books, tape->owner->options.feeds, &tape->missing_books);
    close_missing_reader(tape);
    for (size_t i = 0; i < tape->end_at; i++)
        end_books(tape, &tape->ends[i]);
    return TD_OK;
}

/* Call when clients may want books that the tape lacks. */
static void request_missing_books(serve_tape *tape)
{
    close_missing_reader(tape);
    tape->books.may_lack_books = !tape->owner->options.has_shared_clock;
}

/* 1 if the tape has to wait for a client. A late tape waits too, because frames that are due all at
 * once are not the client's fault. But it no longer waits for a client that reads more slowly than
 * the tape plays: since the tape became late, waits for this client have taken PATIENCE_NS longer
 * than the part of the tape that was played. */
static int must_wait(serve_tape *tape, uint64_t due_ns, uint64_t now_ns)
{
    int waits_always = waits_for_clients(tape->owner);
    int is_held = 0;
    if (!waits_always && now_ns < due_ns + LATE_NS) {
        tape->late_due_ns = 0;
        return 0;
    }
    if (tape->late_due_ns == 0) {
        tape->late_due_ns = due_ns;
        for (serve_client *c = tape->clients; c != NULL; c = c->tape_next)
            c->held_ns = 0;
    }
    uint64_t patience_ns = waits_always ? UINT64_MAX : due_ns - tape->late_due_ns + PATIENCE_NS;
    uint64_t passed_ns = now_ns - tape->waiting_ns;
    for (serve_client *c = tape->clients; c != NULL; c = c->tape_next) {
        if (c->is_waited_for) /* counted up to WAIT_NS: the server may have been stopped meanwhile
                               */
            c->held_ns += passed_ns < WAIT_NS ? passed_ns : WAIT_NS;
        c->is_waited_for = c->state == CLIENT_PLAYING && !has_space(c) && c->held_ns < patience_ns;
        is_held |= c->is_waited_for;
    }
    return is_held;
}

/* Continue to play at another time of the tape. */
static td_result rewind_tape(serve_tape *tape, uint64_t from_ns, td_err *err)
{
    forget_held(tape);
    close_missing_reader(tape);
    serve_books_fini(&tape->books);
    tape->at_ns = 0;
    tape->stalled_ns = 0;
    tape->frame = NULL;
    tape->end_at = tape->end_count = 0;
    tape->is_at_end = 0;
    tape->has_frames = 0;
    tape->asks_until_ns = 0;
    tape->is_over = 0;
    if (tape->owner->causes != NULL)
        serve_causes_begin(tape->owner->causes, from_ns);
    pacer_rewind(&tape->pacer, NULL);
    for (serve_client *c = tape->clients; c != NULL; c = c->tape_next)
        serve_client_restart(c);
    td_result rc = cursor_seek(tape->cursor, from_ns, err);
    if (rc == TD_OK)
        serve_books_begin(&tape->books, tape->owner->options.feeds, tape->cursor);
    return rc;
}

static void pump(serve_tape *tape);

static void on_time(void *user)
{
    serve_tape *tape = user;
    pump(tape);
}

/* Read the next frame; at the end of the tape, begin again. */
static td_result read_next(serve_tape *tape, td_err *err)
{
    td_result rc = next_frame(tape, err);
    if (rc != TD_EOF)
        return rc;
    if (tape->owner->options.loops &&
        (tape->has_frames || cursor_get_window(tape->cursor).from_ns > tape->begin_ns))
        return rewind_tape(tape, tape->begin_ns, err);
    tape->is_at_end = 1;
    return TD_OK;
}

static void end_tape(serve_tape *tape)
{
    send_held(tape, NULL, 0);
    note_unsent(tape);
    if (tape->clients == NULL) {
        tape_free(tape);
        return;
    }
    for (serve_client *c = tape->clients; c != NULL; c = c->tape_next) {
        if (!c->is_catching_up)
            serve_client_finish(c);
    }
}

static td_result send_due(serve_tape *tape, td_err *err)
{
    if (tape->end_at < tape->end_count) {
        disconnect(tape, &tape->ends[tape->end_at++]);
        return TD_OK;
    }
    uint64_t sent = tape->owner->counts.frames;
    td_result rc = send_frame(tape, err);
    if (tape->pacer.is_paused && tape->owner->counts.frames != sent)
        tape->pacer.step_count--;
    return rc;
}

/* Send one frame, or wait for its time or for clients. TD_OK: call again; TD_EOF: stop for now. */
static td_result pump_one(serve_tape *tape, td_err *err)
{
    const serve_options *options = &tape->owner->options;
    td_result rc = TD_OK;
    if (tape->waits_for_return)
        return TD_EOF;
    if (tape->frame == NULL && !tape->is_at_end) {
        rc = read_next(tape, err);
        if (rc != TD_OK || (tape->frame == NULL && !tape->is_at_end))
            return rc;
    }
    /* not between frames of the same time, because a time cannot tell which of them were sent */
    if (tape->books.may_lack_books && (tape->frame == NULL || tape->frame->recv_ns > tape->at_ns))
        return read_missing_book(tape, err);
    rc = catch_up(tape, err);
    if (rc != TD_OK)
        return rc;
    const uint64_t now_ns = clock_mono_ns(options->clock);
    if (tape->is_at_end) {
        if (has_caused(tape, UINT64_MAX))
            return tape->pacer.is_paused ? TD_EOF : send_caused(tape, now_ns);
        if (!waits_for_asks(tape, now_ns))
            end_tape(tape);
        return TD_EOF;
    }
    int is_end = tape->end_at < tape->end_count;
    uint64_t due_ns =
        pacer_due(&tape->pacer, is_end ? tape->ends[tape->end_at].recv_ns : tape->frame->recv_ns);
    uint64_t start_ns = due_ns > tape->stalled_ns ? due_ns : tape->stalled_ns;
    if (due_ns == UINT64_MAX)
        return TD_EOF; /* paused */
    if (has_caused(tape, start_ns))
        return send_caused(tape, now_ns);
    if (start_ns > now_ns) {
        wire_timer_set(options->loop, &tape->timer, start_ns, on_time, tape);
        return TD_EOF;
    }
    if (must_wait(tape, due_ns, now_ns)) {
        tape->owner->counts.wait_count += tape->waiting_ns == 0;
        tape->waiting_ns = now_ns;
        wire_timer_set(options->loop, &tape->timer, now_ns + WAIT_NS, on_time, tape);
        return TD_EOF;
    }
    tape->waiting_ns = 0;
    return send_due(tape, err);
}

static void fail_tape(serve_tape *tape, const td_err *err)
{
    tape->owner->counts.failed++;
    tape->is_at_end = 1;
    td_log_emit(tape->owner->options.log, TD_LOG_ERROR, "playing a tape: %s", err->text);
    for (serve_client *c = tape->clients; c != NULL; c = c->tape_next)
        serve_client_end(c, 1011, err->text);
    if (tape->clients == NULL)
        tape_free(tape);
}

/* Continue although the clients that a disconnect closed did not return. */
static void on_away(void *user)
{
    serve_tape *tape = user;
    td_err err;
    tape->waits_for_return = 0;
    tape->away = 0;
    if (tape->clients != NULL) {
        pump(tape);
        return;
    }
    td_err_set(&err, TD_E_NETWORK, "its clients did not reconnect within 30 s of a disconnect");
    fail_tape(tape, &err);
}

static void pump(serve_tape *tape)
{
    if (tape->waits_for_return)
        return;
    const serve_options *options = &tape->owner->options;
    const uint64_t *bytes = &tape->owner->counts.bytes;
    uint64_t bytes_max = *bytes + TURN_BYTES_MAX;
    td_err err;
    td_result rc = TD_OK;
    wire_timer_cancel(&tape->timer);
    for (unsigned i = 0; i < TURN_FRAMES_MAX && *bytes < bytes_max && rc == TD_OK; i++)
        rc = pump_one(tape, &err);
    if (rc == TD_OK && !tape->waits_for_return)
        wire_timer_set(options->loop, &tape->timer, clock_mono_ns(options->clock), on_time, tape);
    else if (rc != TD_OK && rc != TD_EOF)
        fail_tape(tape, &err);
}

/* ---- clients ---- */

static void attach_client(serve_client *client, serve_tape *tape)
{
    client->tape = tape;
    client->tape_next = tape->clients;
    tape->clients = client;
}

static void detach_client(serve_client *client)
{
    serve_client **at = &client->tape->clients;
    while (*at != client)
        at = &(*at)->tape_next;
    *at = client->tape_next;
    client->tape = NULL;
}

/* 1 if the tape has exactly these feeds, or all feeds. */
static int has_feeds(const serve_tape *tape, const char *const *names, size_t count)
{
    return tape->feed_names == NULL ||
           (tape->feed_count == count &&
            memcmp(tape->feed_names, names, count * sizeof *names) == 0);
}

/* With a shared clock, return the tape that new clients join; NULL: no such tape, or no shared
 * clock. */
static serve_tape *shared_tape(const serve *server)
{
    serve_tape *tape = server->options.has_shared_clock ? server->tapes : NULL;
    while (tape != NULL && (tape->cursor == NULL || tape->is_at_end))
        tape = tape->next;
    return tape;
}

/* Find the tape that a batch of new clients joins: the shared one, or the oldest that lost clients
 * to a recorded disconnect, or NULL. */
static serve_tape *joined_tape(const serve_tape *batch)
{
    serve_tape *tape = shared_tape(batch->owner);
    serve_tape *found = NULL;
    if (tape != NULL)
        return tape;
    for (tape = batch->owner->tapes; tape != NULL; tape = tape->next) {
        if (tape->away > 0 && has_feeds(tape, batch->feed_names, batch->feed_count))
            found = tape; /* tapes are listed newest first */
    }
    return found;
}

static void join_tape(serve_tape *tape, serve_tape *batch)
{
    while (batch->clients != NULL) {
        serve_client *c = batch->clients;
        detach_client(c);
        attach_client(c, tape);
        tape->away -= tape->away > 0;
        if (tape->owner->options.has_shared_clock && tape->at_ns > 0)
            log_late_join(tape->owner);
    }
    tape_free(batch);
    request_missing_books(tape);
    if (!tape->waits_for_return)
        return;
    tape->waits_for_return = 0;
    pacer_set_speed(&tape->pacer, tape->pacer.options.speed); /* so that time counts from now */
}

/* Open a tape, and apply the commands that came before. */
static td_result begin_tape(serve_tape *tape, td_err *err)
{
    const early_commands early = tape->clients->early;
    td_result rc = open_cursor(tape, err);
    if (rc == TD_OK && early.seek_ns > 0)
        rc = rewind_tape(tape, early.seek_ns, err);
    for (uint32_t i = 0; i < early.steps; i++)
        pacer_step(&tape->pacer);
    return rc;
}

/* With a shared clock, a batch of other clients whose settle delay ends later, or NULL. */
static serve_tape *later_batch(const serve_tape *batch)
{
    serve_tape *tape = batch->owner->options.has_shared_clock ? batch->owner->tapes : NULL;
    while (tape != NULL && (tape == batch || tape->cursor != NULL || tape->is_at_end))
        tape = tape->next;
    return tape;
}

/* Start the tape, or let its clients join one that plays. A shared tape waits until all clients
 * that have subscribed are ready, so that none misses its beginning. */
static void start_tape(void *user)
{
    serve_tape *batch = user;
    serve_tape *tape = joined_tape(batch);
    serve_tape *later = tape == NULL ? later_batch(batch) : NULL;
    td_err err;
    if (later != NULL) {
        join_tape(later, batch);
        return;
    }
    if (tape != NULL)
        join_tape(tape, batch);
    else if (begin_tape(batch, &err) != TD_OK) {
        fail_tape(batch, &err);
        return;
    } else
        tape = batch;
    for (serve_client *c = tape->clients; c != NULL; c = c->tape_next) {
        if (c->state != CLIENT_SETTLE_DELAY)
            continue;
        c->state = CLIENT_PLAYING;
        c->early = (early_commands){0};
        serve_client_catch_up(c); /* for books whose first frame was sent already */
    }
    pump(tape);
}

/* 1 if the client can share a tape that has not started. */
static int can_share(const serve_tape *tape, const serve_client *client, uint64_t start_ns)
{
    const early_commands *early = &client->early;
    if (tape->clients != NULL && (tape->clients->early.seek_ns != early->seek_ns ||
                                  tape->clients->early.steps != early->steps))
        return 0;
    return tape->start_ns == start_ns && tape->cursor == NULL && !tape->is_at_end &&
           has_feeds(tape, client->feed_names, client->feed_count);
}

void serve_tape_subscribed(serve_client *client)
{
    serve *server = client->owner;
    const serve_options *options = &server->options;
    int has_own_tape = waits_for_clients(server) && !options->has_shared_clock;
    if (client->state > CLIENT_SETTLE_DELAY) {
        if (client->tape != NULL)
            request_missing_books(client->tape);
        serve_client_catch_up(client);
        return;
    }
    serve_tape_leave(client);
    client->state = CLIENT_SETTLE_DELAY;
    uint64_t start_ns = clock_mono_ns(options->clock) + options->settle_ns;
    if (!has_own_tape)
        start_ns = (start_ns / START_PERIOD_NS + 1) * START_PERIOD_NS;
    serve_tape *tape = has_own_tape ? NULL : server->tapes;
    while (tape != NULL && !can_share(tape, client, start_ns))
        tape = tape->next;
    if (tape == NULL) {
        tape = tape_new(client, start_ns);
        wire_timer_set(options->loop, &tape->timer, start_ns, start_tape, tape);
    }
    attach_client(client, tape);
}

/* Remove a client from its tape. With a shared clock, a tape without clients continues until its
 * end. */
void serve_tape_leave(serve_client *client)
{
    serve_tape *tape = client->tape;
    if (tape == NULL)
        return;
    detach_client(client);
    const serve *server = tape->owner;
    if (tape->clients == NULL && tape != shared_tape(server) &&
        (!tape->waits_for_return || server->is_stopping))
        tape_free(tape);
    else if (tape->waiting_ns > 0 && !server->is_stopping)
        pump(tape);
}

void serve_tape_ask(serve_client *client, const dialect_request *request)
{
    serve *server = client->owner;
    serve_tape *tape = client->tape;
    const uint64_t now_ns = clock_mono_ns(server->options.clock);
    if (!serve_causes_ask(server->causes, client, request, server->options.speed, now_ns)) {
        log_unrecorded(server, request);
        return;
    }
    if (tape == NULL || tape->cursor == NULL)
        return; /* it sends them when it plays */
    tape->asks_until_ns = 0;
    pump(tape);
}

/* ---- controls ---- */

serve_tape *serve_newest_tape(const serve *server)
{
    serve_tape *tape = server->tapes;
    while (tape != NULL && tape->cursor == NULL)
        tape = tape->next;
    return tape;
}

serve_tape *serve_tape_of_topic(const serve *server, const served_topic *topic)
{
    serve_tape *tape = server->tapes;
    while (tape != NULL && !wants_book(tape, topic->feed, topic->exchange_topic))
        tape = tape->next;
    serve_tape *joined = tape == NULL || tape->cursor != NULL ? NULL : joined_tape(tape);
    return joined != NULL ? joined : tape;
}

int serve_tape_has_state(const serve_tape *tape)
{
    return tape != NULL && (tape->frame != NULL || tape->is_at_end || tape->at_ns > 0);
}

selection serve_tape_rest(const serve *server, const serve_tape *tape)
{
    selection rest = *server->options.wanted;
    if (tape != NULL && tape->cursor != NULL)
        selection_set_window(
            &rest, (selection_window){next_ns(tape), cursor_get_window(tape->cursor).to_ns});
    return rest;
}

uint64_t serve_position(const serve *server)
{
    const serve_tape *tape = serve_newest_tape(server);
    if (tape == NULL || tape->at_ns > 0)
        return tape == NULL ? 0 : tape->at_ns;
    return tape->frame != NULL ? tape->frame->recv_ns : cursor_get_window(tape->cursor).from_ns;
}

static td_result apply_control(serve_tape *tape, const pacer *change, td_err *err)
{
    pacer_set_speed(&tape->pacer, change->options.speed);
    if (change->is_paused)
        pacer_pause(&tape->pacer);
    else
        pacer_resume(&tape->pacer);
    for (uint32_t i = 0; i < change->step_count && !tape->is_at_end; i++)
        pacer_step(&tape->pacer);
    return change->is_seeking ? rewind_tape(tape, change->target_ns, err) : TD_OK;
}

/* Keep what a command changes for a tape that has not begun. */
static void keep_early(early_commands *early, const pacer *change)
{
    if (change->is_seeking)
        *early = (early_commands){.seek_ns = change->target_ns};
    early->steps = change->is_paused ? early->steps + change->step_count : 0;
}

void serve_tapes_keep_control(serve *server, const pacer *change)
{
    for (serve_client *c = server->clients; c != NULL; c = c->next)
        if (c->state <= CLIENT_SETTLE_DELAY)
            keep_early(&c->early, change);
    if (serve_newest_tape(server) == NULL)
        keep_early(&server->early, change);
    else if (change->is_seeking)
        server->early = (early_commands){0};
}

void serve_tapes_apply_control(serve *server, const pacer *change)
{
    server->is_paused = change->is_paused;
    server->options.speed = change->options.speed;
    for (serve_tape *tape = server->tapes, *next; tape != NULL; tape = next) {
        td_err err;
        next = tape->next; /* the tape may be freed */
        if (tape->cursor == NULL)
            continue;
        if (apply_control(tape, change, &err) == TD_OK)
            pump(tape);
        else
            fail_tape(tape, &err);
    }
}

/* ---- events of clients ---- */

void serve_tape_answered(serve_client *client)
{
    if (client->is_catching_up && client->tape->cursor != NULL)
        pump(client->tape);
}

void serve_tape_drained(serve_client *client)
{
    serve_client_drained(client);
    if (client->tape != NULL && (client->tape->waiting_ns > 0 || client->is_catching_up))
        pump(client->tape);
}
