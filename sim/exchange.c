#include "sim/exchange.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "schema/bare_frame.h"
#include "schema/conn_counter.h"
#include "schema/end_notice.h"
#include "schema/heartbeats.h"
#include "schema/path_choice.h"
#include "schema/responder.h"
#include "sim/catalog.h"
#include "sim/http_replies.h"
#include "sim/order_entry.h"
#include "sim/sim_family.h"

enum {
    BATCH_FRAMES_MAX = 512,
    BATCH_BYTES_MAX = 1 << 20,
    /* A client with more queued bytes is slow, and holds up its family. */
    QUEUED_BYTES_HELD = 4 << 20,
    BOOK_TRUTH_EVERY = 100, /* one in this many book frames has the book's state in the truth */
    TICK_US = 250, /* shortest time between batches: above 4,000 frames per second, frames are sent
                      in groups, which costs less than a wake-up for each frame */
    HELD_UP_US = 1000,     /* how often a family checks whether its slow client has caught up */
    TS_STEP_MIN_NS = 1000, /* exchange times are whole microseconds, and rise */
};

/* A connection's subscription to a stream. */
typedef enum stream_subscription {
    SUBSCRIPTION_NONE,
    SUBSCRIPTION_WAITS, /* its snapshot is not sent yet */
    SUBSCRIPTION_LIVE,
} stream_subscription;

typedef struct served_family served_family;

typedef struct sim_conn {
    exchange *exchange;
    served_family *of;
    wire_conn *wire;
    const char *path;
    uint64_t number;   /* number of the connection at this server, from 1 */
    uint64_t sent;     /* number of frames sent, of any kind */
    uint64_t counted;  /* next number of its frames, if the exchange numbers them */
    uint64_t received; /* number of messages received */
    char id[DIALECT_CONN_ID_BYTES];
    uint8_t is_closing; /* 1: send nothing more */
    uint8_t is_authed;
    uint8_t is_bare; /* 1: it gets bare frames */
    uint8_t has_end_notice;
    uint8_t has_subscribed;
    unsigned access; /* a bit for each family_access that its path offers */
    heartbeats heartbeats;
    wire_timer *heartbeat_timer;
    uint32_t waiting; /* streams in SUBSCRIPTION_WAITS */
    struct sim_conn *next;
    uint8_t *streams; /* subscription of each stream; NULL before the first request */
} sim_conn;

/* A served family: its markets with a clock, and the clients on its paths. */
struct served_family {
    exchange *exchange;
    const family *family;
    const catalog_row *row;
    const char *path;         /* its first path, which names it in the truth */
    served_family *orders_of; /* order entry: the family with its account; else NULL */
    sim_conn *first_conn;
    sim_family *sim;        /* NULL before the first request */
    uint64_t start_mono_ns; /* monotonic time of step 0 */
    uint64_t start_ns;      /* exchange time of step 0 */
    uint64_t last_ts_ns;
    uint64_t step; /* number of steps so far; not every step has a frame */
    uint64_t made; /* number of data frames so far */
    wire_timer *timer;
    uint8_t is_done;
};

struct exchange {
    exchange_options options;
    wire_loop *loop;
    wire_server *server;
    responder *responder;
    dialect_parser *requests; /* of clients whose family is to be found */
    served_family *families;
    uint32_t open_conns;
    uint8_t is_stopped;
    wire_timer *end_timer;
    uint64_t connections;
    td_buf numbered;     /* a frame with a connection's number */
    json_parser *parser; /* of frames that become bare */
    order_entry *order_entry;
    td_buf order_answer;
    td_result failure;
    td_err failure_err;
};

const char *const FAULT_NAMES[FAULT_KINDS] = {[FAULT_DISCONNECT] = "disconnect",
                                              [FAULT_CUT] = "cut",
                                              [FAULT_DROP] = "drop",
                                              [FAULT_ANNOUNCE] = "announce",
                                              [FAULT_END] = "end"};

/* ---- connections ---- */

static uint64_t wall_ms(const exchange *x)
{
    return clock_wall_ns(x->options.clock) / TD_NS_PER_MS;
}

/* Close a connection and send nothing more on it. code 0 cuts it, even if it is closing. */
static void conn_close(sim_conn *conn, unsigned code)
{
    if (conn->is_closing && code != 0)
        return;
    conn->is_closing = 1;
    wire_close(conn->wire, code, td_bytes_of(NULL, 0));
}

/* Send a message; if that fails, close the connection. */
static void conn_send(sim_conn *conn, wire_outgoing *what)
{
    td_err err;
    if (conn->is_closing)
        return;
    td_result rc = wire_send_message(conn->wire, what, &err);
    heartbeats_on_frame(&conn->heartbeats, clock_mono_ns(conn->exchange->options.clock));
    if (rc == TD_OK)
        return;
    td_log_emit(conn->exchange->options.log, TD_LOG_WARNING, "connection %llu: %s",
                (unsigned long long)conn->number, err.text);
    conn_close(conn, rc == TD_E_LIMIT ? 1008 : 1011);
}

/* A frame as the connection gets it: with the number of its next frame, if the exchange numbers
 * frames; bare, if its path has such frames. Valid until the next call. */
static td_bytes own_form(sim_conn *conn, td_bytes frame)
{
    td_bytes out;
    const exchange_row *of = conn->of->family->exchange;
    if (conn->is_bare)
        return bare_frame_strip(&of->frames, conn->exchange->parser, frame);
    td_result rc =
        conn_counter_write(of, frame, &conn->counted, &conn->exchange->numbered, &out, NULL);
    TD_ASSERT(rc == TD_OK); /* the memory is larger than any frame */
    return out;
}

static void close_conns(served_family *f, unsigned code)
{
    for (sim_conn *conn = f->first_conn; conn != NULL; conn = conn->next)
        conn_close(conn, code);
}

/* Stop making frames and close all clients. */
static void end(exchange *x, unsigned code)
{
    x->is_stopped = 1;
    for (uint32_t i = 0; i < x->options.family_count; i++)
        close_conns(&x->families[i], code);
}

/* ---- truth ---- */

static truth_subject subject_of(const served_family *f, const sim_frame *frame)
{
    sim_stream stream = sim_family_stream_at(f->sim, frame->stream);
    return (truth_subject){
        .path = f->path, .topic = stream.topic, .symbol = stream.symbol, .frame = frame->bytes};
}

/* Record that a frame, as bytes, is sent on a connection, before it is sent. */
static void note_frame(sim_conn *conn, const sim_frame *frame, td_bytes bytes)
{
    truth_subject sent = subject_of(conn->of, frame);
    sent.frame = bytes;
    TD_ASSERT(bytes.size > 0);
    TD_ASSERT(!conn->is_closing);
    conn->sent++;
    sent.path = conn->path;
    truth_put_message(conn->exchange->options.truth, "frame", &sent, conn->number, conn->sent,
                      frame->ts_ns);
}

/* Write the content of a frame that is sent as bytes, as the engine knows it, to the truth file.
 * Only for a frame that at least one client gets. */
static void note_content(served_family *f, const sim_frame *frame, td_bytes bytes)
{
    truth *t = f->exchange->options.truth;
    sim_stream stream = sim_family_stream_at(f->sim, frame->stream);
    const sim_value *values;
    if (t == NULL)
        return;
    truth_subject about = subject_of(f, frame);
    about.frame = bytes;
    if (stream.book != NULL && frame->u % BOOK_TRUTH_EVERY == 0)
        truth_put_book(t, &about, frame->seq, frame->u, stream.traded, stream.book);
    for (size_t i = 0; (values = sim_family_item(f->sim, i)) != NULL; i++)
        truth_put_entry(t, &about, stream.row->kind, i, values);
}

/* Record a fault; frame is the dropped frame, or NULL. */
static void note_fault(served_family *f, sim_fault_kind kind, const sim_frame *frame)
{
    truth_subject about = {.path = f->path};
    if (frame != NULL)
        about = subject_of(f, frame);
    truth_put_fault(f->exchange->options.truth, &about, f->made, FAULT_NAMES[kind]);
}

/* Called before the loop writes queued data, so that nothing is sent that the truth lacks. If a
 * flush fails, the first error is kept and every connection is cut. */
static void flush_truth(exchange *x)
{
    if (x->failure != TD_OK)
        return;
    x->failure = truth_flush(x->options.truth, &x->failure_err);
    if (x->failure != TD_OK)
        end(x, 0);
}

/* ---- the clock ---- */

static void tick(void *user);

static void schedule(served_family *f, uint64_t mono_ns)
{
    TD_ASSERT(f->timer == NULL);
    wire_timer_set(f->exchange->loop, &f->timer, mono_ns, tick, f);
}

/* Time from the start to the next step. */
static uint64_t since_start_ns(const served_family *f)
{
    uint64_t rate = f->exchange->options.rate;
    return f->step / rate * TD_NS_PER_S + f->step % rate * TD_NS_PER_S / rate;
}

static uint64_t step_mono_ns(const served_family *f)
{
    return f->start_mono_ns + since_start_ns(f);
}

/* ---- subscribers ---- */

/* End a subscription, whatever its state. */
static void end_subscription(sim_conn *conn, uint32_t stream)
{
    conn->waiting -= conn->streams[stream] == SUBSCRIPTION_WAITS;
    conn->streams[stream] = SUBSCRIPTION_NONE;
}

static void end_subscriptions(void *user)
{
    sim_conn *conn = user;
    for (uint32_t i = 0; conn->streams != NULL && i < sim_family_stream_count(conn->of->sim); i++)
        end_subscription(conn, i);
}

/* 1 if the family waits for a slow client. */
static int is_held_up(const served_family *f)
{
    for (const sim_conn *conn = f->first_conn; conn != NULL; conn = conn->next)
        if (!conn->is_closing && wire_waiting_bytes(conn->wire) > QUEUED_BYTES_HELD)
            return 1;
    return 0;
}

/* ---- frames ---- */

static int is_subscriber(const sim_conn *conn, const sim_frame *frame)
{
    return !conn->is_closing && conn->streams != NULL &&
           conn->streams[frame->stream] == SUBSCRIPTION_LIVE;
}

/* Queue a frame for its subscribers and record it in the truth, which is flushed before the loop
 * writes to sockets. */
static void send_frame(served_family *f, const sim_frame *frame)
{
    wire_outgoing same = {.opcode = 1, .bytes = frame->bytes};
    int is_seen = 0;
    for (sim_conn *conn = f->first_conn; conn != NULL; conn = conn->next) {
        if (!is_subscriber(conn, frame))
            continue;
        wire_outgoing own = {.opcode = 1, .bytes = own_form(conn, frame->bytes)};
        const int is_numbered = own.bytes.data != frame->bytes.data;
        note_frame(conn, frame, own.bytes);
        if (is_numbered || !is_seen) /* once for frames that are the same for all */
            note_content(f, frame, own.bytes);
        conn_send(conn, is_numbered ? &own : &same);
        is_seen = 1;
    }
}

/* Lose a frame: its subscribers do not get it, but it was counted. */
static void drop_frame(served_family *f, const sim_frame *frame)
{
    note_fault(f, FAULT_DROP, frame);
    for (sim_conn *conn = f->first_conn; conn != NULL; conn = conn->next)
        if (is_subscriber(conn, frame))
            (void)own_form(conn, frame->bytes);
}

/* 1 if a fault of this kind must be injected at the last frame. */
static int is_due(const served_family *f, sim_fault_kind kind)
{
    const exchange_options *options = &f->exchange->options;
    for (size_t i = 0; i < options->fault_count; i++)
        if (options->faults[i].at == f->made && options->faults[i].kind == kind)
            return 1;
    return 0;
}

/* Send the exchange's notice that it ends connections, the first of its document, which has at
 * least one (exchange_open). */
static void announce(served_family *f)
{
    const td_bytes notice = td_bytes_str(f->family->exchange->ends[0].frame);
    for (sim_conn *conn = f->first_conn; conn != NULL; conn = conn->next) {
        if (conn->is_closing || conn->streams == NULL)
            continue;
        conn->has_end_notice = 1;
        conn->sent++;
        conn_send(conn, &(wire_outgoing){.opcode = 1, .bytes = own_form(conn, notice)});
    }
}

/* Inject the faults that concern connections. */
static void end_connections(served_family *f)
{
    for (sim_fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
        if (kind == FAULT_DROP || !is_due(f, kind))
            continue;
        note_fault(f, kind, NULL);
        if (kind == FAULT_ANNOUNCE)
            announce(f);
        else if (kind != FAULT_END)
            close_conns(f, kind == FAULT_CUT ? 0 : 1001);
        for (sim_conn *conn = f->first_conn; kind == FAULT_END && conn != NULL; conn = conn->next)
            if (conn->has_end_notice)
                conn_close(conn, 1001);
    }
}

/* Make the next step. If the step has a frame, send the frame, inject the faults that are due, and
 * return the frame's size; else return 0. */
static size_t make_step(served_family *f)
{
    sim_frame frame;
    uint64_t ts_ns = f->start_ns + since_start_ns(f) * f->exchange->options.time_scale;
    if (ts_ns < f->last_ts_ns + TS_STEP_MIN_NS)
        ts_ns = f->last_ts_ns + TS_STEP_MIN_NS;
    ts_ns -= ts_ns % TS_STEP_MIN_NS;
    TD_ASSERT(ts_ns > f->last_ts_ns);
    f->last_ts_ns = ts_ns;
    f->step++;
    if (!sim_family_next(f->sim, ts_ns, &frame))
        return 0;
    f->made++;
    if (is_due(f, FAULT_DROP))
        drop_frame(f, &frame);
    else
        send_frame(f, &frame);
    end_connections(f);
    return frame.bytes.size;
}

static int is_full(const served_family *f)
{
    uint64_t frames_max = f->exchange->options.frames_max;
    return frames_max > 0 && f->made >= frames_max;
}

/* Make and send the frames due at mono_ns, at most one batch. */
static void make_batch(served_family *f, uint64_t mono_ns)
{
    exchange *x = f->exchange;
    size_t bytes = 0;
    for (unsigned i = 0; i < BATCH_FRAMES_MAX && bytes < BATCH_BYTES_MAX &&
                         step_mono_ns(f) <= mono_ns && x->failure == TD_OK && !is_full(f);
         i++)
        bytes += make_step(f);
    flush_truth(x);
    if (is_full(f)) {
        f->is_done = 1;
        for (uint32_t i = 0; i < x->options.family_count; i++)
            if (&x->families[i] == f || x->families[i].orders_of == f)
                close_conns(&x->families[i], 1000);
    }
}

static void tick(void *user)
{
    served_family *f = user;
    exchange *x = f->exchange;
    if (x->is_stopped || f->is_done)
        return;
    uint64_t now = clock_mono_ns(x->options.clock);
    if (is_held_up(f)) {
        schedule(f, now + HELD_UP_US * TD_NS_PER_US);
        return;
    }
    make_batch(f, now);
    if (x->is_stopped || f->is_done)
        return;
    uint64_t next = step_mono_ns(f);
    uint64_t soonest = now + TICK_US * TD_NS_PER_US;
    schedule(f, next > soonest ? next : soonest);
}

/* ---- start and snapshots ---- */

static void end_of_duration(void *user)
{
    exchange *x = user;
    end(x, 1000);
}

/* Open the family's markets and start its clock, at its first request. */
static void start(served_family *f)
{
    exchange *x = f->exchange;
    const exchange_options *options = &x->options;
    uint64_t now = clock_mono_ns(options->clock);
    if (f->sim != NULL)
        return;
    uint64_t ns = options->epoch_ns > 0 ? options->epoch_ns : clock_wall_ns(options->clock);
    /* The family's name is part of the seed, so that families have different markets. */
    sim_family_options opening = {
        .row = f->row,
        .symbol_count = catalog_symbol_count(f->row, options->symbol_count),
        .seed = options->seed ^ td_xxh64(f->family->name, strlen(f->family->name)),
        .start_ns = ns - ns % TS_STEP_MIN_NS};
    f->sim = sim_family_open(&opening);
    f->start_ns = opening.start_ns + options->settle_ns * options->time_scale;
    f->last_ts_ns = opening.start_ns;
    f->start_mono_ns = now + options->settle_ns;
    schedule(f, f->start_mono_ns);
    if (options->duration_ns > 0 && x->end_timer == NULL)
        wire_timer_set(x->loop, &x->end_timer, now + options->duration_ns, end_of_duration, x);
}

/* Send the snapshots that a connection still waits for, while its queue has space. */
static void send_snapshots(sim_conn *conn)
{
    for (uint32_t i = 0; conn->waiting > 0; i++) {
        TD_ASSERT(i < sim_family_stream_count(conn->of->sim)); /* at least one stream waits */
        if (conn->streams[i] != SUBSCRIPTION_WAITS)
            continue;
        if (conn->is_closing || wire_waiting_bytes(conn->wire) > QUEUED_BYTES_HELD)
            break; /* continued by on_drained */
        conn->streams[i] = SUBSCRIPTION_LIVE;
        conn->waiting--;
        sim_frame frame;
        if (!sim_family_snapshot(conn->of->sim, i, &frame))
            continue; /* this stream has no first frame */
        const td_bytes own = own_form(conn, frame.bytes);
        note_frame(conn, &frame, own);
        conn_send(conn, &(wire_outgoing){.opcode = 1, .bytes = own});
    }
    flush_truth(conn->exchange);
}

/* ---- paths ---- */

/* The first family with this path, or NULL. */
static served_family *find_path(exchange *x, td_bytes path)
{
    const size_t count = x->options.family_count;
    const size_t found = family_choose_by_path(x->options.families, count, path);
    return found < count ? &x->families[found] : NULL;
}

/* ---- heartbeats ---- */

static void on_heartbeat_due(void *user);

static void schedule_heartbeat(sim_conn *conn)
{
    wire_timer_cancel(&conn->heartbeat_timer);
    if (conn->heartbeats.every_ns > 0)
        wire_timer_set(conn->exchange->loop, &conn->heartbeat_timer, conn->heartbeats.due_ns,
                       on_heartbeat_due, conn);
}

static void send_heartbeat(sim_conn *conn)
{
    exchange *x = conn->exchange;
    const dialect *spoken = conn->heartbeats.spoken;
    td_buf text;
    if (spoken->heartbeats.text == NULL) {
        wire_relay(conn->wire, &(ws_message){.opcode = WS_PING});
        return;
    }
    td_buf_init(&text, DIALECT_REQUEST_BYTES);
    const td_result rc =
        dialect_server_heartbeat(spoken, &text, wall_ms(x), conn->heartbeats.count, NULL);
    TD_ASSERT(rc == TD_OK); /* the document's text is shorter */
    conn->sent++;
    conn_send(conn, &(wire_outgoing){.opcode = 1, .bytes = own_form(conn, td_buf_view(&text))});
    td_buf_fini(&text);
}

static void on_heartbeat_due(void *user)
{
    sim_conn *conn = user;
    const int is_for_topics = conn->heartbeats.spoken->heartbeats.is_idle;
    const heartbeat_step step =
        heartbeats_step(&conn->heartbeats, clock_mono_ns(conn->exchange->options.clock));
    if (step == HEARTBEAT_UNANSWERED) {
        conn_close(conn, HEARTBEAT_UNANSWERED_CODE);
        return;
    }
    if (step == HEARTBEAT_SEND && !conn->is_closing && (!is_for_topics || conn->streams != NULL))
        send_heartbeat(conn);
    schedule_heartbeat(conn);
}

static void begin_heartbeats(sim_conn *conn)
{
    heartbeats_begin(&conn->heartbeats, conn->of->family->dialect,
                     clock_mono_ns(conn->exchange->options.clock));
    schedule_heartbeat(conn);
}

/* ---- a family's list of connections ---- */

static void link_conn(sim_conn *conn, served_family *f, td_bytes path)
{
    conn->path = family_find_path(f->family, path, &conn->access); /* in the family's table */
    TD_ASSERT(conn->path != NULL);
    conn->is_bare = family_path_is_bare(f->family, conn->path) != 0;
    conn->of = f;
    conn->next = f->first_conn;
    f->first_conn = conn;
    begin_heartbeats(conn);
}

static void unlink_conn(sim_conn *conn)
{
    sim_conn **at = &conn->of->first_conn;
    end_subscriptions(conn);
    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
}

/* ---- streams of a topic ---- */

/* 1 if the connection's path offers the stream, apart from authentication. */
static int has_access(const sim_conn *conn, uint32_t stream)
{
    int is_private = sim_family_stream_at(conn->of->sim, stream).is_private;
    return (conn->access & 1u << (is_private ? ACCESS_PRIVATE : ACCESS_PUBLIC)) != 0;
}

/* Call use (may be NULL) for each stream of this path that a request's topic covers. Returns the
 * number of these streams. */
typedef void stream_use(sim_conn *conn, uint32_t stream);

static size_t each_stream(sim_conn *conn, td_bytes topic, stream_use *use)
{
    const served_family *f = conn->of;
    size_t found = 0;
    uint32_t first = sim_family_find(f->sim, topic);
    uint32_t count = sim_family_stream_count(f->sim);
    if (first < count && has_access(conn, first)) {
        if (use != NULL)
            use(conn, first);
        return 1;
    }
    for (uint32_t i = 0; dialect_has_lists(f->family->dialect) && i < count; i++) {
        td_bytes name = td_bytes_str(sim_family_stream_at(f->sim, i).exchange_topic);
        if (!f->family->dialect->covers(topic, name) || !has_access(conn, i))
            continue;
        if (use != NULL)
            use(conn, i);
        found++;
    }
    return found;
}

/* Subscribe to a stream, unless the connection is already subscribed. */
static void use_subscribe(sim_conn *conn, uint32_t stream)
{
    TD_ASSERT(conn->streams != NULL); /* allocated by prepare() */
    uint8_t *held = &conn->streams[stream];
    if (*held != SUBSCRIPTION_NONE)
        return;
    *held = SUBSCRIPTION_WAITS;
    conn->waiting++;
    conn->has_subscribed = 1;
    sim_family_subscribe(conn->of->sim, stream);
}

/* ---- known and held topics ---- */

static topic_standing on_standing(void *user, td_bytes topic)
{
    sim_conn *conn = user;
    topic_standing found = {.is_known = each_stream(conn, topic, NULL) > 0};
    const family *of = conn->of->family;
    topic_match match;
    if (!found.is_known)
        found.is_symbol_unknown =
            topic_match_text(of->topics, of->topic_count, topic, TOPIC_ANY_TIME, &match) &&
            topic_row_has_symbol(match.row);
    const sim_family *v = conn->of->sim;
    uint32_t stream = sim_family_find(v, topic);
    if (stream < sim_family_stream_count(v) && has_access(conn, stream)) {
        found.needs_auth = sim_family_stream_at(v, stream).is_private && !conn->is_authed;
        found.is_held = conn->streams[stream] != SUBSCRIPTION_NONE;
    }
    return found;
}

/* ---- requests ---- */

/* Start the markets and allocate the connection's subscriptions. */
static void prepare(sim_conn *conn)
{
    start(conn->of);
    if (conn->streams == NULL)
        conn->streams = td_alloc_zero(sim_family_stream_count(conn->of->sim), 1);
}

/* The families at a connection's path. */
typedef struct path_families {
    exchange *exchange;
    uint32_t at[EXCHANGE_FAMILIES_MAX]; /* in exchange.families */
    const dialect *dialects[EXCHANGE_FAMILIES_MAX];
} path_families;

static int has_topic(void *user, size_t index, td_bytes topic)
{
    const path_families *all = user;
    const family *of = all->exchange->families[all->at[index]].family;
    topic_match match;
    return topic_match_text(of->topics, of->topic_count, topic, TOPIC_ANY_TIME, &match);
}

static path_candidates find_candidates(const sim_conn *conn, path_families *all)
{
    path_candidates from = {.dialects = all->dialects, .has_topic = has_topic, .user = all};
    all->exchange = conn->exchange;
    for (uint32_t i = 0; i < conn->exchange->options.family_count; i++) {
        const family *of = conn->exchange->families[i].family;
        unsigned access;
        const char *own = family_find_path(of, td_bytes_str(conn->path), &access);
        if (own == NULL || strcmp(own, conn->path) != 0)
            continue;
        all->at[from.count] = i;
        all->dialects[from.count++] = of->dialect;
    }
    return from;
}

/* Let the connection be one of the family that fits best, the first of them. */
static void use_family(sim_conn *conn, const path_families *all, const path_choice *choice)
{
    served_family *f = &conn->exchange->families[all->at[choice->best]];
    if (choice->fit == PATH_FIT_NONE || f == conn->of)
        return;
    unlink_conn(conn);
    td_free(conn->streams);
    conn->streams = NULL;
    link_conn(conn, f, td_bytes_str(conn->path));
}

/* Several families may share a path: select that of the client's first topics. */
static void find_family(sim_conn *conn, td_bytes frame)
{
    path_families all;
    const path_candidates from = find_candidates(conn, &all);
    if (conn->has_subscribed || from.count < 2)
        return;
    const path_choice choice = path_choose(conn->exchange->requests, &from, frame);
    use_family(conn, &all, &choice);
}

static void find_family_by_url(sim_conn *conn, td_bytes names, td_bytes query)
{
    path_families all;
    const path_candidates from = find_candidates(conn, &all);
    if (from.count < 2)
        return;
    const path_choice choice = path_choose_by_url(conn->exchange->requests, &from, names, query);
    use_family(conn, &all, &choice);
}

/* Called before a request's topics are checked: starts the markets, because only started markets
 * know their topics. */
static void on_prepare(void *user, const dialect_request *request)
{
    (void)request;
    prepare(user);
}

static int on_subscribe(void *user, td_bytes topic)
{
    (void)each_stream(user, topic, use_subscribe);
    return 1;
}

static void on_unsubscribe(void *user, td_bytes topic)
{
    (void)each_stream(user, topic, end_subscription);
}

static const char *on_next_held(void *user, size_t *next)
{
    const sim_conn *conn = user;
    const uint32_t count = conn->streams == NULL ? 0 : sim_family_stream_count(conn->of->sim);
    while (*next < count && conn->streams[*next] == SUBSCRIPTION_NONE)
        ++*next;
    return *next < count ? sim_family_stream_at(conn->of->sim, (uint32_t)(*next)++).exchange_topic
                         : NULL;
}

static void on_changed(void *user, request_kind kind)
{
    sim_conn *conn = user;
    (void)kind; /* snapshots are sent for subscriptions only */
    if (!conn->of->row->is_ack_first)
        send_snapshots(conn); /* data precedes the ack, as in recordings */
}

static void on_answer(void *user, td_bytes answer)
{
    sim_conn *conn = user;
    conn->sent++;
    conn_send(conn, &(wire_outgoing){.opcode = 1, .bytes = own_form(conn, answer)});
}

/* For dialects without requests for topics: authentication subscribes to every private stream. */
static void on_authenticated(void *user)
{
    sim_conn *conn = user;
    conn->is_authed = 1;
    if (!dialect_subscribes_with_auth(conn->of->family->dialect) || conn->of->orders_of != NULL)
        return; /* order entry has no streams */
    prepare(conn);
    for (uint32_t i = 0; i < sim_family_stream_count(conn->of->sim); i++)
        if (has_access(conn, i))
            use_subscribe(conn, i);
    send_snapshots(conn);
}

/* The current exchange time of a started family. */
static uint64_t exchange_ns(const served_family *f)
{
    uint64_t now = clock_mono_ns(f->exchange->options.clock);
    if (now < f->start_mono_ns)
        return f->start_ns;
    return f->start_ns + (now - f->start_mono_ns) * f->exchange->options.time_scale;
}

static int on_order(void *user, const dialect_request *request)
{
    sim_conn *conn = user;
    exchange *x = conn->exchange;
    served_family *with = conn->of->orders_of;
    const td_bytes op = request->order_topic;
    char topic[ORDER_ENTRY_TOPIC_BYTES_MAX + 1];
    td_err err;
    if (with == NULL || op.size > ORDER_ENTRY_TOPIC_BYTES_MAX)
        return 0;
    const uint64_t now_ns = exchange_ns(with);
    const order_entry_client client = {.row = conn->of->row,
                                       .conn_id = conn->id,
                                       .now_ms = now_ns / TD_NS_PER_MS,
                                       .is_authed = conn->is_authed,
                                       .checks_time = x->options.secret != NULL};
    td_buf_clear(&x->order_answer);
    const td_result rc =
        order_entry_answer(x->order_entry, with->sim, &client, request, &x->order_answer, &err);
    if (rc != TD_OK)
        conn_close(conn, rc == TD_E_LIMIT ? 1009 : 1011);
    (void)snprintf(topic, sizeof topic, "%.*s", (int)op.size, (const char *)op.data); /* fits */
    truth_subject about = {
        .path = conn->path, .topic = topic, .symbol = "", .frame = request->frame};
    truth_put_message(x->options.truth, "request", &about, conn->number, conn->received, now_ns);
    if (conn->is_closing || x->order_answer.size == 0)
        return 1;
    about.frame = td_buf_view(&x->order_answer);
    truth_put_message(x->options.truth, "frame", &about, conn->number, ++conn->sent, now_ns);
    conn_send(conn, &(wire_outgoing){.opcode = 1, .bytes = about.frame});
    return 1;
}

static void on_heartbeats(void *user, const dialect_request *request)
{
    sim_conn *conn = user;
    heartbeats_requested(&conn->heartbeats, request, clock_mono_ns(conn->exchange->options.clock));
    schedule_heartbeat(conn);
}

static const responder_ops RESPONDER_OPS = {
    .prepare = on_prepare,
    .standing = on_standing,
    .subscribe = on_subscribe,
    .unsubscribe = on_unsubscribe,
    .unsubscribe_all = end_subscriptions,
    .next_held = on_next_held,
    .changed = on_changed,
    .order = on_order,
    .send = on_answer,
    .heartbeats = on_heartbeats,
    .authenticated = on_authenticated,
};

static void on_message(void *user, wire_conn *wire, const ws_message *got)
{
    sim_conn *conn = user;
    exchange *x = conn->exchange;
    td_err err;
    (void)wire; /* the same as conn->wire */
    if (conn->is_closing)
        return;
    conn->received++;
    find_family(conn, got->bytes);
    if (conn->of->orders_of != NULL)
        start(conn->of->orders_of);
    const responder_client client = {.ops = &RESPONDER_OPS,
                                     .user = conn,
                                     .dialect = conn->of->family->dialect,
                                     .conn_id = conn->id};
    /* Text and binary messages alike. */
    td_result rc = responder_answer(x->responder, &client, got->bytes, wall_ms(x), &err);
    if (rc != TD_OK)
        conn_close(conn, rc == TD_E_LIMIT ? 1009 : 1011);
    send_snapshots(conn);
}

/* ---- connections open and close ---- */

static unsigned refuse_upgrade(exchange *x, td_bytes path, td_bytes query,
                               char why[WIRE_ANSWER_BYTES])
{
    const served_family *f = find_path(x, path);
    int has_key = 0;
    if (f == NULL) {
        for (uint32_t i = 0; i < x->options.family_count; i++)
            family_paths_text(x->options.families[i], path, why, WIRE_ANSWER_BYTES);
        return 404;
    }
    if (x->is_stopped) {
        (void)snprintf(why, WIRE_ANSWER_BYTES, "the exchange is stopping");
        return 503;
    }
    if (dialect_check_query(f->family->dialect, query, x->options.secret, wall_ms(x), &has_key) ==
        REFUSAL_NONE)
        return 101;
    (void)snprintf(why, WIRE_ANSWER_BYTES, "the credentials in the URL are wrong or expired");
    return 401;
}

/* The exchange time of the first started family; if no family has started, the time at which one
 * would start. */
static uint64_t now_ns(const exchange *x)
{
    for (uint32_t i = 0; i < x->options.family_count; i++)
        if (x->families[i].sim != NULL)
            return exchange_ns(&x->families[i]);
    return x->options.epoch_ns > 0 ? x->options.epoch_ns : clock_wall_ns(x->options.clock);
}

/* Append the snapshot of a family's stream, if that is what is requested. A client may request it
 * before any client has subscribed. */
static int reply_with_stream(served_family *f, const topic_row *row, td_bytes path, td_bytes query,
                             td_buf *json)
{
    sim_frame frame;
    char topic[LIMIT_TOPIC_BYTES];
    char symbol[LIMIT_TOPIC_BYTES];
    if (!family_is_snapshot_request(f->family, row, path, query, symbol))
        return 0;
    if (f->sim == NULL && f->exchange->is_stopped)
        return 0;
    start(f);
    int size =
        topic_write(f->family->topics, f->family->topic_count, row->name, td_bytes_str(symbol),
                    topic, sizeof topic); /* a topic that is cut is unknown */
    if (size <= 0 || (size_t)size >= sizeof topic)
        return 0;
    uint32_t stream = sim_family_find(f->sim, td_bytes_of(topic, (size_t)size));
    if (stream == sim_family_stream_count(f->sim) || !sim_family_reply(f->sim, stream, &frame))
        return 0;
    td_buf_add(json, frame.bytes.data, frame.bytes.size);
    return 1;
}

static int reply_with_snapshot(exchange *x, td_bytes path, td_bytes query, td_buf *json)
{
    for (uint32_t i = 0; i < x->options.family_count; i++) {
        served_family *f = &x->families[i];
        for (size_t k = 0; k < f->family->topic_count; k++)
            if (reply_with_stream(f, &f->family->topics[k], path, query, json))
                return 1;
    }
    return 0;
}

static int on_page(void *user, td_bytes path, td_bytes query, td_buf *json)
{
    exchange *x = user;
    if (reply_with_snapshot(x, path, query, json))
        return 1;
    const char *file = x->options.instruments_file;
    uint8_t *bytes = NULL;
    size_t size = 0;
    td_bytes listed = {0};
    td_err err;
    if (file != NULL) {
        if (td_io_read_file(io_posix(), file, LIMIT_SYMBOL_FILE_BYTES, &bytes, &size, &err) !=
            TD_OK)
            td_log_emit(x->options.log, TD_LOG_ERROR, "no instrument is listed: %s", err.text);
        listed = td_bytes_of(bytes == NULL ? "" : (const char *)bytes, size);
    }
    const http_markets markets = {.families = x->options.families,
                                  .family_count = x->options.family_count,
                                  .symbol_count = x->options.symbol_count,
                                  .listed = listed,
                                  .now_ns = now_ns(x)};
    int is_known = http_replies_get(&markets, path, query, json);
    td_free(bytes);
    return is_known;
}

static unsigned on_accept(void *user, td_bytes path, td_bytes query, char why[WIRE_ANSWER_BYTES])
{
    exchange *x = user;
    unsigned status = refuse_upgrade(x, path, query, why);
    if (status != 101)
        td_log_emit(x->options.log, TD_LOG_INFO, "a client was refused (%u): %s", status, why);
    return status;
}

/* Subscribe a new connection to what its URL names. */
static void subscribe_by_url(sim_conn *conn, td_bytes names, td_bytes query)
{
    find_family_by_url(conn, names, query);
    const responder_client client = {
        .ops = &RESPONDER_OPS, .user = conn, .dialect = conn->of->family->dialect};
    if (responder_begin(conn->exchange->responder, &client, names, query, NULL) != TD_OK)
        conn_close(conn, 1009);
    else
        send_snapshots(conn);
}

static void *on_opened(void *user, wire_conn *wire, td_bytes path, td_bytes query)
{
    exchange *x = user;
    served_family *f = find_path(x, path);
    int has_key = 0;
    TD_ASSERT(f != NULL);
    sim_conn *conn = td_alloc_zero(1, sizeof *conn);
    conn->exchange = x;
    conn->wire = wire;
    conn->number = ++x->connections;
    /* on_accept() has refused wrong credentials. */
    conn->is_authed = dialect_check_query(f->family->dialect, query, x->options.secret, wall_ms(x),
                                          &has_key) == REFUSAL_NONE &&
                      has_key;
    link_conn(conn, f, path);
    x->open_conns++;
    dialect_conn_id(x->options.seed, conn->number, conn->id);
    td_log_emit(x->options.log, TD_LOG_DEBUG, "connection %llu to %s",
                (unsigned long long)conn->number, conn->path);
    if (f->is_done)
        conn_close(conn, 1000);
    else if (conn->is_authed)
        on_authenticated(conn);
    else
        subscribe_by_url(conn, family_path_names(conn->path, path), query);
    return conn;
}

static void on_closed(void *user)
{
    sim_conn *conn = user;
    exchange *x = conn->exchange;
    wire_timer_cancel(&conn->heartbeat_timer);
    unlink_conn(conn);
    TD_ASSERT(x->open_conns > 0);
    x->open_conns--;
    td_log_emit(x->options.log, TD_LOG_DEBUG, "connection %llu ended",
                (unsigned long long)conn->number);
    td_free(conn->streams);
    td_free(conn);
}

static void on_drained(void *user, wire_conn *wire)
{
    sim_conn *conn = user;
    (void)wire; /* the same as conn->wire */
    send_snapshots(conn);
}

/* ---- opening ---- */

static const wire_server_ops SERVER_OPS = {
    .accept = on_accept,
    .page = on_page,
    .opened = on_opened,
    .conn.message = on_message,
    .conn.drained = on_drained,
    .closed = on_closed,
};

/* Order entry needs the family with its account: add it unless it is served already. */
static td_result add_account(exchange *x, served_family *orders, td_err *err)
{
    exchange_options *options = &x->options;
    const char *name = orders->row->orders.of;
    const family *with_account = family_find(td_bytes_str(name));
    const catalog_row *account = NULL;
    uint32_t i = 0;
    if (with_account == NULL)
        return family_refuse(td_bytes_str(name), err);
    td_result rc = catalog_get(with_account, &account, err);
    if (rc != TD_OK)
        return rc;
    if (account->stream_count == account->public_count)
        return td_err_set(err, TD_E_INVALID, "family '%s' has no account for the orders of '%s'",
                          name, orders->family->name);
    while (i < options->family_count && options->families[i] != with_account)
        i++;
    if (i == EXCHANGE_FAMILIES_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d families", EXCHANGE_FAMILIES_MAX);
    if (i == options->family_count)
        options->families[options->family_count++] = with_account;
    orders->orders_of = &x->families[i];
    return TD_OK;
}

/* 1 if a fault needs the notice of the family's exchange, which is not documented. */
static int lacks_notice(const exchange *x, const family *of)
{
    int is_needed = 0;
    for (size_t i = 0; i < x->options.fault_count; i++)
        is_needed = is_needed || x->options.faults[i].kind == FAULT_ANNOUNCE;
    return is_needed && of->exchange->ends == NULL;
}

static td_result open_families(exchange *x, td_err *err)
{
    x->families = td_alloc_zero(EXCHANGE_FAMILIES_MAX, sizeof *x->families);
    for (uint32_t i = 0; i < x->options.family_count; i++) { /* add_account may add some */
        served_family *f = &x->families[i];
        f->exchange = x;
        f->family = x->options.families[i];
        td_result rc = catalog_get(f->family, &f->row, err);
        if (rc == TD_OK && f->family->endpoints[0].url == NULL)
            rc = td_err_set(err, TD_E_INVALID, "family '%s' has no address", f->family->name);
        if (rc == TD_OK && lacks_notice(x, f->family))
            rc = td_err_set(err, TD_E_INVALID,
                            "the exchange of family '%s' does not announce that it ends "
                            "connections: its document has no ends",
                            f->family->name);
        if (rc == TD_OK && f->row->orders.of != NULL)
            rc = add_account(x, f, err);
        if (rc != TD_OK)
            return rc;
        f->path = family_url_path(f->family->endpoints[0].url);
    }
    return TD_OK;
}

td_result exchange_open(const exchange_options *options, wire_loop *loop, exchange **out,
                        td_err *err)
{
    TD_ASSERT(options->family_count > 0);
    TD_ASSERT(options->family_count <= EXCHANGE_FAMILIES_MAX);
    exchange *x = td_alloc_zero(1, sizeof *x);
    x->options = *options;
    if (options->time_scale == 0)
        x->options.time_scale = 1;
    x->loop = loop;
    const wire_server_options serving = {
        .listen = options->listen.address,
        .tls_cert = options->listen.tls_cert,
        .tls_key = options->listen.tls_key,
        .origins = {options->listen.origins.items, options->listen.origins.count},
        .is_plain = options->listen.is_plain,
        .ops = &SERVER_OPS,
        .user = x};
    x->responder = responder_open(options->secret);
    x->requests = dialect_parser_open();
    x->parser = json_parser_open(0);
    td_buf_init(&x->numbered, LIMIT_FRAME_BYTES);
    x->order_entry = order_entry_open();
    td_buf_init(&x->order_answer, LIMIT_FRAME_BYTES);
    td_result rc = open_families(x, err);
    if (rc == TD_OK)
        rc = wire_server_open(loop, &serving, &x->server, err);
    if (rc != TD_OK) {
        exchange_close(x);
        return rc;
    }
    *out = x;
    return TD_OK;
}

void exchange_close(exchange *x)
{
    if (x == NULL)
        return;
    x->is_stopped = 1;
    wire_server_close(x->server);
    wire_timer_cancel(&x->end_timer);
    for (uint32_t i = 0; x->families != NULL && i < x->options.family_count; i++) {
        served_family *f = &x->families[i];
        wire_timer_cancel(&f->timer);
        sim_family_close(f->sim);
    }
    responder_close(x->responder);
    dialect_parser_close(x->requests);
    json_parser_close(x->parser);
    order_entry_close(x->order_entry);
    td_buf_fini(&x->numbered);
    td_buf_fini(&x->order_answer);
    td_free(x->families);
    td_free(x);
}

const wire_server *exchange_server(const exchange *x)
{
    return x->server;
}

void exchange_stop(exchange *x)
{
    end(x, 1001);
}

int exchange_is_done(const exchange *x)
{
    uint32_t done = 0;
    uint32_t running = 0;
    if (x->open_conns > 0)
        return 0;
    for (uint32_t i = 0; i < x->options.family_count; i++) {
        const served_family *f = &x->families[i];
        done += f->is_done;
        running += f->sim != NULL && !f->is_done;
    }
    return x->is_stopped || (done > 0 && running == 0);
}

td_result exchange_failure(const exchange *x, td_err *err)
{
    if (x->failure != TD_OK && err != NULL)
        *err = x->failure_err;
    return x->failure;
}
