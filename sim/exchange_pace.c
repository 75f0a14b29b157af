/* The markets' clock: which frames are due, who gets them, and in which order truth and socket see
 * them. */
#include "sim/exchange_impl.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

enum {
    TICK_US = 250,   /* shortest time between two batches: above 4,000 frames a second they go in
                      * groups, which costs less than a wake-up for each */
    UNPACED_US = 10, /* exchange time between two frames at rate 0 */
    TS_STEP_MIN_NS = 1000,   /* exchange times have whole microseconds and must rise */
    ACCOUNT_FRAMES_MAX = 64, /* private frames behind one public one */
};

static void tick(void *user);

static void schedule(sim_market *m, uint64_t mono_ns)
{
    td_err err;
    TD_ASSERT(m->timer == NULL);
    td_result rc = wire_timer_at(m->exchange->loop, mono_ns, tick, m, &m->timer, &err);
    if (rc != TD_OK)
        exchange_fail(m->exchange, rc, &err);
}

/* From the start to the moment of slot k, on the wall. */
static uint64_t since_start_ns(const sim_market *m, uint64_t k)
{
    uint64_t rate = m->exchange->options.rate;
    if (rate == 0)
        return k * UNPACED_US * TD_NS_PER_US;
    return k / rate * TD_NS_PER_S + k % rate * TD_NS_PER_S / rate;
}

/* How many slots the clock says should have been filled. */
static uint64_t due_count(const sim_market *m, uint64_t mono_ns)
{
    const exchange_options *options = &m->exchange->options;
    if (mono_ns < m->start_mono_ns)
        return m->slot;
    if (options->rate == 0)
        return m->slot + BATCH_FRAMES_MAX;
    uint64_t elapsed = mono_ns - m->start_mono_ns;
    return elapsed / TD_NS_PER_S * options->rate +
           elapsed % TD_NS_PER_S * options->rate / TD_NS_PER_S + 1;
}

/* ---- who listens ---- */

/* The first connection of a market's listeners from the place-th family on. */
static sim_conn *first_from(const sim_market *m, size_t place)
{
    for (; place < LISTENERS_MAX && m->listeners[place] != NULL; place++)
        if (m->listeners[place]->first_conn != NULL)
            return m->listeners[place]->first_conn;
    return NULL;
}

static sim_conn *first_conn(const sim_market *m)
{
    return first_from(m, 0);
}

static sim_conn *next_conn(const sim_market *m, const sim_conn *conn)
{
    _Static_assert(LISTENERS_MAX == 2, "who is not of the first family is of the last");
    TD_ASSERT(conn->of == m->listeners[0] || conn->of == m->listeners[1]);
    if (conn->next != NULL)
        return conn->next;
    return first_from(m, (size_t)(m->listeners[0] == conn->of ? 1 : LISTENERS_MAX));
}

/* What a connection has of a stream of the market; NULL: it never subscribed. */
static uint8_t *held(const sim_conn *conn, const sim_market *m, uint32_t stream)
{
    for (size_t i = 0; i < conn->of->market_count; i++)
        if (conn->of->markets[i] == m)
            return conn->streams[i] == NULL ? NULL : &conn->streams[i][stream];
    return NULL;
}

/* Does the connection get frames of the stream now? */
static int is_listening(const sim_conn *conn, const sim_market *m, uint32_t stream)
{
    if (conn->is_silent || conn->is_closing)
        return 0;
    const uint8_t *has = held(conn, m, stream);
    return has != NULL && *has == SUBSCRIPTION_LIVE;
}

static int is_slow(const sim_conn *conn)
{
    return !conn->is_closing && wire_peer_queued_bytes(conn->wire) > QUEUED_BYTES_HELD;
}

static size_t subscriber_count(const sim_market *m)
{
    size_t count = 0;
    for (const sim_conn *conn = first_conn(m); conn != NULL; conn = next_conn(m, conn))
        count += conn->has_subscribed && !conn->is_closing;
    return count;
}

/* 1 if the market waits for a client that has not taken what was sent so far: one that is alone, or
 * sets the pace. */
static int is_held_up(const sim_market *m)
{
    if (m->exchange->options.rate > 0 && subscriber_count(m) > 1)
        return 0; /* the others go on; conn_send closes it in the end */
    for (const sim_conn *conn = first_conn(m); conn != NULL; conn = next_conn(m, conn))
        if (is_slow(conn))
            return 1;
    return 0;
}

/* ---- clients that hold others up ---- */

static void go_on(sim_market *m);

static void on_stall(void *user)
{
    sim_market *m = user;
    m->stall_timer = NULL;
    if (subscriber_count(m) > 1) {
        for (sim_conn *conn = first_conn(m); conn != NULL; conn = next_conn(m, conn))
            if (is_slow(conn) && wire_peer_queued_bytes(conn->wire) >= conn->queued_bytes)
                conn_close_slow(conn);
    }
    go_on(m);
}

/* Look at slow clients again in a while; one that is alone may take its time. */
static void watch_slow(sim_market *m)
{
    exchange *x = m->exchange;
    td_err err;
    if (m->stall_timer != NULL || subscriber_count(m) <= 1)
        return;
    for (sim_conn *conn = first_conn(m); conn != NULL; conn = next_conn(m, conn))
        conn->queued_bytes = wire_peer_queued_bytes(conn->wire);
    uint64_t at_ns = clock_mono_ns(x->options.clock) + STALL_NS;
    td_result rc = wire_timer_at(x->loop, at_ns, on_stall, m, &m->stall_timer, &err);
    if (rc != TD_OK)
        exchange_fail(x, rc, &err);
}

/* If it was held up: not any more, or still. */
static void go_on(sim_market *m)
{
    if (!m->is_held || m->timer != NULL || m->exchange->is_stopped)
        return;
    m->is_held = is_held_up(m) != 0;
    if (m->is_held)
        watch_slow(m);
    else
        schedule(m, clock_mono_ns(m->exchange->options.clock));
}

/* ---- batches ---- */

/* Remember a frame that was just made, and write down who gets it. */
static void add_to_batch(sim_market *m, const venue_frame *frame, uint8_t copies)
{
    td_err err;
    venue_stream stream = venue_stream_at(m->venue, frame->stream);
    TD_ASSERT(m->batch_count < BATCH_FRAMES_MAX);
    m->batch[m->batch_count++] = (batch_frame){.stream = frame->stream,
                                               .copies = copies,
                                               .offset = m->batch_bytes.size,
                                               .size = frame->bytes.size};
    td_result rc = td_buf_append(&m->batch_bytes, frame->bytes.data, frame->bytes.size, &err);
    if (rc != TD_OK)
        exchange_fail(m->exchange, rc, &err);
    int is_seen = 0;
    for (sim_conn *conn = first_conn(m); conn != NULL; conn = next_conn(m, conn)) {
        for (uint8_t copy = 0; copy < copies && is_listening(conn, m, frame->stream); copy++) {
            note_frame(conn, &stream, frame);
            is_seen = 1;
        }
    }
    if (is_seen)
        note_content(m, &stream, frame);
}

/* Send what was made, in the order in which it was written down. */
static void send_batch(sim_market *m)
{
    if (flush_truth(m->exchange)) {
        for (size_t i = 0; i < m->batch_count; i++) {
            const batch_frame *frame = &m->batch[i];
            TD_ASSERT(frame->offset + frame->size <= m->batch_bytes.size);
            td_bytes bytes = td_bytes_of(m->batch_bytes.data + frame->offset, frame->size);
            for (sim_conn *conn = first_conn(m); conn != NULL; conn = next_conn(m, conn))
                for (uint8_t copy = 0; copy < frame->copies && is_listening(conn, m, frame->stream);
                     copy++)
                    conn_send(conn, bytes);
        }
    }
    m->batch_count = 0;
    td_buf_clear(&m->batch_bytes);
}

/* Is a fault of the market one of this connection's family? An account's family has those of the
 * first market that it trades in. */
static int is_struck(const sim_conn *conn, const sim_market *m)
{
    return conn->of->markets[0] == m;
}

/* Let a fault happen that is about connections; everything made before it is sent. */
static void break_connections(sim_market *m, fault_kind kind)
{
    send_batch(m);
    for (sim_conn *conn = first_conn(m); conn != NULL; conn = next_conn(m, conn)) {
        if (!is_struck(conn, m))
            continue;
        if (kind == FAULT_SILENCE)
            conn->is_silent = 1;
        else
            conn_close(conn, kind == FAULT_CUT ? 0 : 1001);
    }
}

/* The faults of the frame that was made: how often it is sent, and which faults follow it. */
typedef struct frame_faults {
    uint8_t copies;
    uint8_t breaks[FAULT_KINDS];
} frame_faults;

static frame_faults take_faults(sim_market *m, const venue_frame *frame)
{
    const exchange_options *options = &m->exchange->options;
    frame_faults found = {.copies = 1};
    while (m->next_fault < options->fault_count && options->faults[m->next_fault].at <= m->made) {
        const fault *due = &options->faults[m->next_fault++];
        if (due->kind == FAULT_REFUSE)
            continue; /* counted by upgrades */
        if (due->kind == FAULT_DROP || due->kind == FAULT_REPEAT) {
            found.copies = due->kind == FAULT_DROP ? 0 : 2;
            note_fault(m, due->kind, frame);
        } else {
            found.breaks[due->kind] = 1;
        }
    }
    return found;
}

/* A frame was made: count it, and let the faults happen that are due. */
static void take_frame(sim_market *m, const venue_frame *frame)
{
    m->made++;
    m->exchange->counts.made_frames++;
    frame_faults faults = take_faults(m, frame);
    add_to_batch(m, frame, faults.copies);
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        if (faults.breaks[kind]) {
            note_fault(m, (fault_kind)kind, NULL);
            break_connections(m, (fault_kind)kind);
        }
    }
}

/* The next slot: one public frame or none, and what the account has to say of what happened. */
static void fill_slot(sim_market *m)
{
    venue_frame frame;
    uint64_t scale = m->exchange->options.time_scale > 0 ? m->exchange->options.time_scale : 1;
    uint64_t ts_ns = m->start_ns + since_start_ns(m, m->slot) * scale;
    if (ts_ns < m->last_ts_ns + TS_STEP_MIN_NS)
        ts_ns = m->last_ts_ns + TS_STEP_MIN_NS;
    ts_ns -= ts_ns % TS_STEP_MIN_NS;
    TD_ASSERT(ts_ns > m->last_ts_ns);
    m->last_ts_ns = ts_ns;
    m->slot++;
    if (venue_next(m->venue, ts_ns, &frame))
        take_frame(m, &frame);
    for (int i = 0; i < ACCOUNT_FRAMES_MAX && venue_next_private(m->venue, ts_ns, &frame); i++)
        take_frame(m, &frame);
}

static int is_full(const sim_market *m)
{
    uint64_t frames_max = m->exchange->options.frames_max;
    return frames_max > 0 && m->made >= frames_max;
}

/* Make and send what is due, at most one batch of it. */
static void make_batch(sim_market *m, uint64_t due)
{
    exchange *x = m->exchange;
    TD_ASSERT(m->batch_count == 0);
    TD_ASSERT(m->batch_bytes.size == 0);
    while (m->slot < due && m->batch_count + ACCOUNT_FRAMES_MAX < BATCH_FRAMES_MAX &&
           m->batch_bytes.size < BATCH_BYTES_MAX && x->failure == TD_OK && !is_full(m))
        fill_slot(m);
    send_batch(m);
    if (is_full(m)) {
        m->is_done = 1;
        exchange_close_conns(x, m, 1000);
    }
}

static void tick(void *user)
{
    sim_market *m = user;
    exchange *x = m->exchange;
    m->timer = NULL;
    if (x->is_stopped || m->is_done)
        return;
    m->is_held = is_held_up(m) != 0;
    if (m->is_held) {
        watch_slow(m);
        return; /* family_go_on */
    }
    uint64_t now = clock_mono_ns(x->options.clock);
    uint64_t moment = m->start_mono_ns + since_start_ns(m, m->slot);
    if (x->options.rate > 0 && now > moment && x->counts.late_ns_max < now - moment)
        x->counts.late_ns_max = now - moment;
    make_batch(m, due_count(m, now));
    if (x->is_stopped || m->is_done)
        return;
    uint64_t next = x->options.rate == 0 ? now : m->start_mono_ns + since_start_ns(m, m->slot);
    uint64_t soonest = x->options.rate == 0 ? now : now + TICK_US * TD_NS_PER_US;
    schedule(m, next > soonest ? next : soonest);
}

void family_go_on(const sim_family *f)
{
    for (size_t i = 0; i < f->market_count; i++)
        go_on(f->markets[i]);
}

/* ---- start and snapshots ---- */

static void end_of_duration(void *user)
{
    exchange *x = user;
    x->end_timer = NULL;
    exchange_end(x, 1000);
}

/* Exchange time of a moment: families whose clients come later start later, on the same clock. With
 * an epoch each starts at that, so that it is the same in every run. */
static uint64_t exchange_time(exchange *x, uint64_t mono_ns)
{
    const exchange_options *options = &x->options;
    uint64_t scale = options->time_scale > 0 ? options->time_scale : 1;
    if (options->epoch_ns > 0)
        return options->epoch_ns;
    if (x->first_mono_ns == 0) {
        x->first_mono_ns = mono_ns;
        x->first_ns = clock_wall_ns(options->clock);
    }
    TD_ASSERT(mono_ns >= x->first_mono_ns);
    return x->first_ns + (mono_ns - x->first_mono_ns) * scale;
}

static td_result market_start(sim_market *m, uint64_t now, td_err *err)
{
    exchange *x = m->exchange;
    const exchange_options *options = &x->options;
    if (m->venue != NULL)
        return TD_OK;
    uint64_t ns = exchange_time(x, now);
    /* Families have markets of their own: the seed is stirred with the family's name. */
    uint64_t seed = options->seed ^ td_xxh64(m->row->family, strlen(m->row->family));
    venue_options opening = {.traded = m->row->traded,
                             .streams = m->row->streams,
                             .account = m->account,
                             .symbol_count = options->symbol_count,
                             .seed = seed,
                             .start_ns = ns - ns % TS_STEP_MIN_NS};
    td_result rc = venue_open(&opening, &m->venue, err);
    if (rc != TD_OK)
        return rc;
    uint32_t streams = venue_stream_count(m->venue);
    m->book_frames = td_alloc_zero(streams, sizeof *m->book_frames);
    if (m->book_frames == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %u streams", streams);
    uint64_t scale = options->time_scale > 0 ? options->time_scale : 1;
    m->start_ns = opening.start_ns + options->settle_ns * scale;
    m->last_ts_ns = opening.start_ns;
    m->start_mono_ns = now + options->settle_ns;
    schedule(m, m->start_mono_ns);
    return TD_OK;
}

td_result family_start(sim_family *f, td_err *err)
{
    exchange *x = f->exchange;
    uint64_t now = clock_mono_ns(x->options.clock);
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < f->market_count; i++)
        rc = market_start(f->markets[i], now, err);
    if (rc == TD_OK && x->options.duration_ns > 0 && x->end_timer == NULL)
        rc = wire_timer_at(x->loop, now + x->options.duration_ns, end_of_duration, x, &x->end_timer,
                           err);
    return rc;
}

/* Write a stream's state down and send it. */
static void send_snapshot(sim_conn *conn, sim_market *m, uint32_t index)
{
    venue_frame frame;
    venue_stream stream = venue_stream_at(m->venue, index);
    TD_ASSERT(conn->waiting > 0);
    TD_ASSERT(*held(conn, m, index) == SUBSCRIPTION_WAITS);
    *held(conn, m, index) = SUBSCRIPTION_LIVE;
    conn->waiting--;
    if (conn->is_silent || !venue_snapshot(m->venue, index, &frame))
        return;
    note_frame(conn, &stream, &frame);
    if (flush_truth(conn->exchange))
        conn_send(conn, frame.bytes);
}

void conn_send_snapshots(sim_conn *conn)
{
    for (size_t k = 0; k < conn->of->market_count && conn->waiting > 0; k++) {
        sim_market *m = conn->of->markets[k];
        TD_ASSERT(conn->streams[k] != NULL); /* something of it waits */
        uint32_t count = venue_stream_count(m->venue);
        for (uint32_t i = 0; conn->waiting > 0 && i < count; i++) {
            if (conn->streams[k][i] != SUBSCRIPTION_WAITS)
                continue;
            if (conn->is_closing || wire_peer_queued_bytes(conn->wire) > QUEUED_BYTES_HELD)
                return; /* more when it is drained */
            send_snapshot(conn, m, i);
        }
    }
}

void market_stop(sim_market *m)
{
    wire_timer_cancel(m->timer);
    m->timer = NULL;
    wire_timer_cancel(m->stall_timer);
    m->stall_timer = NULL;
    venue_close(m->venue);
    m->venue = NULL;
    td_free(m->book_frames);
    m->book_frames = NULL;
    td_buf_fini(&m->batch_bytes);
}
