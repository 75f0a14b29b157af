/* The venues' clock: which frames are due, who gets them, and in which order truth and socket see
 * them. */
#include "sim/exchange_impl.h"

#include "base/alloc.h"
#include "base/assert.h"

enum {
    TICK_US = 250,   /* shortest time between two batches: above 4,000 frames a second they go in
                      * groups, which costs less than a wake-up for each */
    UNPACED_US = 10, /* exchange time between two frames at rate 0 */
    TS_STEP_MIN_NS = 1000, /* exchange times have whole microseconds and must rise */
};

static void tick(void *user);

static void schedule(sim_family *f, uint64_t mono_ns)
{
    td_err err;
    TD_ASSERT(f->timer == NULL);
    td_result rc = wire_timer_at(f->exchange->loop, mono_ns, tick, f, &f->timer, &err);
    if (rc != TD_OK)
        exchange_fail(f->exchange, rc, &err);
}

/* From the start to the moment of frame k. */
static uint64_t since_start_ns(const sim_family *f, uint64_t k)
{
    uint64_t rate = f->exchange->options.rate;
    if (rate == 0)
        return k * UNPACED_US * TD_NS_PER_US;
    return k / rate * TD_NS_PER_S + k % rate * TD_NS_PER_S / rate;
}

/* How many frames the clock says should have been made. */
static uint64_t due_count(const sim_family *f, uint64_t mono_ns)
{
    const exchange_options *options = &f->exchange->options;
    uint64_t due = f->made + BATCH_FRAMES_MAX;
    if (mono_ns < f->start_mono_ns)
        return f->made;
    uint64_t elapsed = mono_ns - f->start_mono_ns;
    if (options->rate > 0)
        due = elapsed / TD_NS_PER_S * options->rate +
              elapsed % TD_NS_PER_S * options->rate / TD_NS_PER_S + 1;
    if (options->frames_max > 0 && due > options->frames_max)
        due = options->frames_max;
    return due;
}

/* 1 if a client has not taken what was sent so far. */
static int is_held_up(const sim_family *f)
{
    for (const sim_conn *conn = f->first_conn; conn != NULL; conn = conn->next)
        if (!conn->is_closing && wire_peer_queued_bytes(conn->wire) > QUEUED_BYTES_HELD)
            return 1;
    return 0;
}

/* Does the connection get frames of the stream now? */
static int is_listening(const sim_conn *conn, uint32_t stream)
{
    return conn->streams[stream] == SUBSCRIPTION_LIVE && !conn->is_silent && !conn->is_closing;
}

/* ---- truth ---- */

/* Write down one sending of a frame, before it happens. */
static void note_frame(sim_conn *conn, const venue_stream *stream, const venue_frame *frame)
{
    exchange *x = conn->exchange;
    td_err err;
    conn->sent++;
    x->counts.data_frames++;
    if (x->options.truth == NULL)
        return;
    const truth_frame sent = {.path = exchange_path(conn->of),
                              .conn = conn->number,
                              .n = conn->sent,
                              .topic = stream->topic,
                              .symbol = stream->symbol,
                              .bytes = frame->bytes,
                              .ts_ns = frame->ts_ns};
    td_result rc = truth_put_frame(x->options.truth, &sent, &err);
    if (rc != TD_OK)
        exchange_fail(x, rc, &err);
}

static void note_book(sim_family *f, const venue_stream *stream, const venue_frame *frame)
{
    exchange *x = f->exchange;
    td_err err;
    if (stream->book_depth == 0 || ++f->book_frames[frame->stream] % BOOK_MARK_EVERY != 0 ||
        x->options.truth == NULL)
        return;
    td_result rc = truth_put_book(x->options.truth, exchange_path(f), stream->topic, stream->symbol,
                                  frame->seq, venue_instrument(f->venue, frame->stream),
                                  venue_market(f->venue, frame->stream), stream->book_depth, &err);
    if (rc != TD_OK)
        exchange_fail(x, rc, &err);
}

static void note_fault(sim_family *f, fault_kind kind)
{
    exchange *x = f->exchange;
    td_err err;
    if (x->options.truth == NULL)
        return;
    td_result rc =
        truth_put_fault(x->options.truth, exchange_path(f), 0, f->made, fault_name(kind), &err);
    if (rc != TD_OK)
        exchange_fail(x, rc, &err);
}

/* Truth first. 1 if what it says may be sent now. */
static int flush_truth(exchange *x)
{
    td_err err;
    td_result rc = x->options.truth != NULL ? truth_flush(x->options.truth, &err) : TD_OK;
    if (rc != TD_OK)
        exchange_fail(x, rc, &err);
    return x->failure == TD_OK;
}

/* ---- batches ---- */

/* Remember a frame that was just made, and write down who gets it. */
static void add_to_batch(sim_family *f, const venue_frame *frame, uint8_t copies)
{
    td_err err;
    venue_stream stream = venue_stream_at(f->venue, frame->stream);
    TD_ASSERT(f->batch_count < BATCH_FRAMES_MAX);
    f->batch[f->batch_count++] = (batch_frame){.stream = frame->stream,
                                               .copies = copies,
                                               .offset = f->batch_bytes.size,
                                               .size = frame->bytes.size};
    td_result rc = td_buf_append(&f->batch_bytes, frame->bytes.data, frame->bytes.size, &err);
    if (rc != TD_OK)
        exchange_fail(f->exchange, rc, &err);
    int is_seen = 0;
    for (sim_conn *conn = f->first_conn; conn != NULL; conn = conn->next) {
        for (uint8_t copy = 0; copy < copies && is_listening(conn, frame->stream); copy++) {
            note_frame(conn, &stream, frame);
            is_seen = 1;
        }
    }
    if (is_seen)
        note_book(f, &stream, frame);
}

/* Send what was made, in the order in which it was written down. */
static void send_batch(sim_family *f)
{
    if (flush_truth(f->exchange)) {
        for (size_t i = 0; i < f->batch_count; i++) {
            const batch_frame *frame = &f->batch[i];
            td_bytes bytes = td_bytes_of(f->batch_bytes.data + frame->offset, frame->size);
            for (sim_conn *conn = f->first_conn; conn != NULL; conn = conn->next)
                for (uint8_t copy = 0; copy < frame->copies && is_listening(conn, frame->stream);
                     copy++)
                    conn_send(conn, bytes);
        }
    }
    f->batch_count = 0;
    td_buf_clear(&f->batch_bytes);
}

/* Let a fault happen that is about connections; everything made before it is sent. */
static void break_connections(sim_family *f, fault_kind kind)
{
    send_batch(f);
    for (sim_conn *conn = f->first_conn; conn != NULL; conn = conn->next) {
        if (kind == FAULT_SILENCE)
            conn->is_silent = 1;
        else
            conn_close(conn, kind == FAULT_CUT ? 0 : 1001);
    }
}

/* The faults of the frame that is to be made: how often it is sent, and which faults follow it. */
typedef struct frame_faults {
    uint8_t copies;
    uint8_t breaks[FAULT_KINDS];
} frame_faults;

static frame_faults take_faults(sim_family *f)
{
    const exchange_options *options = &f->exchange->options;
    frame_faults found = {.copies = 1};
    while (f->next_fault < options->fault_count &&
           options->faults[f->next_fault].at <= f->made + 1) {
        const fault *due = &options->faults[f->next_fault++];
        if (due->kind == FAULT_REFUSE)
            continue; /* counted by upgrades */
        if (due->kind == FAULT_DROP || due->kind == FAULT_REPEAT) {
            found.copies = due->kind == FAULT_DROP ? 0 : 2;
            note_fault(f, due->kind);
        } else {
            found.breaks[due->kind] = 1;
        }
    }
    return found;
}

static void make_frame(sim_family *f)
{
    venue_frame frame;
    frame_faults faults = take_faults(f);
    uint64_t ts_ns = f->start_ns + since_start_ns(f, f->made);
    if (ts_ns < f->last_ts_ns + TS_STEP_MIN_NS)
        ts_ns = f->last_ts_ns + TS_STEP_MIN_NS;
    venue_next(f->venue, ts_ns, &frame);
    f->last_ts_ns = ts_ns;
    f->made++;
    f->exchange->counts.made_frames++;
    add_to_batch(f, &frame, faults.copies);
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        if (faults.breaks[kind]) {
            note_fault(f, (fault_kind)kind);
            break_connections(f, (fault_kind)kind);
        }
    }
}

/* Make and send what is due, at most one batch of it. */
static void make_batch(sim_family *f, uint64_t due)
{
    exchange *x = f->exchange;
    while (f->made < due && f->batch_count < BATCH_FRAMES_MAX &&
           f->batch_bytes.size < BATCH_BYTES_MAX && x->failure == TD_OK)
        make_frame(f);
    send_batch(f);
    if (x->options.frames_max > 0 && f->made >= x->options.frames_max) {
        f->is_done = 1;
        exchange_close_conns(x, f, 1000);
    }
}

static void tick(void *user)
{
    sim_family *f = user;
    exchange *x = f->exchange;
    f->timer = NULL;
    if (x->is_stopped || f->is_done)
        return;
    f->is_held = is_held_up(f) != 0;
    if (f->is_held)
        return; /* family_go_on */
    uint64_t now = clock_mono_ns(x->options.clock);
    uint64_t moment = f->start_mono_ns + since_start_ns(f, f->made);
    if (x->options.rate > 0 && now > moment && x->counts.late_ns_max < now - moment)
        x->counts.late_ns_max = now - moment;
    make_batch(f, due_count(f, now));
    if (x->is_stopped || f->is_done)
        return;
    uint64_t next = x->options.rate == 0 ? now : f->start_mono_ns + since_start_ns(f, f->made);
    uint64_t soonest = x->options.rate == 0 ? now : now + TICK_US * TD_NS_PER_US;
    schedule(f, next > soonest ? next : soonest);
}

void family_go_on(sim_family *f)
{
    if (!f->is_held || f->timer != NULL || is_held_up(f))
        return;
    f->is_held = 0;
    schedule(f, clock_mono_ns(f->exchange->options.clock));
}

/* ---- start and snapshots ---- */

static void end_of_duration(void *user)
{
    exchange *x = user;
    x->end_timer = NULL;
    x->is_stopped = 1;
    exchange_close_conns(x, NULL, 1000);
}

td_result family_start(sim_family *f, td_err *err)
{
    exchange *x = f->exchange;
    const exchange_options *options = &x->options;
    if (f->venue != NULL)
        return TD_OK;
    uint64_t now = clock_mono_ns(options->clock);
    uint64_t wall = options->epoch_ns > 0 ? options->epoch_ns : clock_wall_ns(options->clock);
    /* Families have markets of their own: the seed is stirred with the family's name. */
    uint64_t seed = options->seed ^ td_xxh64(f->family->name, strlen(f->family->name));
    venue_options opening = {.shape = f->shape,
                             .symbol_count = options->symbol_count,
                             .seed = seed,
                             .start_ns = wall - wall % TS_STEP_MIN_NS};
    f->book_frames = td_alloc_zero(f->stream_count, sizeof *f->book_frames);
    if (f->book_frames == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %u streams", f->stream_count);
    td_result rc = venue_open(&opening, &f->venue, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(venue_stream_count(f->venue) == f->stream_count);
    f->start_ns = opening.start_ns + options->settle_ns;
    f->last_ts_ns = opening.start_ns;
    f->start_mono_ns = now + options->settle_ns;
    schedule(f, f->start_mono_ns);
    if (options->duration_ns > 0 && x->end_timer == NULL)
        rc = wire_timer_at(x->loop, now + options->duration_ns, end_of_duration, x, &x->end_timer,
                           err);
    return rc;
}

/* Write a stream's state down and send it. */
static void send_snapshot(sim_conn *conn, uint32_t index)
{
    venue_frame frame;
    venue_stream stream = venue_stream_at(conn->of->venue, index);
    conn->streams[index] = SUBSCRIPTION_LIVE;
    conn->waiting--;
    if (conn->is_silent || !venue_snapshot(conn->of->venue, index, &frame))
        return;
    note_frame(conn, &stream, &frame);
    if (flush_truth(conn->exchange))
        conn_send(conn, frame.bytes);
}

void conn_send_snapshots(sim_conn *conn)
{
    for (uint32_t i = 0; conn->waiting > 0 && i < conn->of->stream_count; i++) {
        if (conn->streams[i] != SUBSCRIPTION_WAITS)
            continue;
        if (conn->is_closing || wire_peer_queued_bytes(conn->wire) > QUEUED_BYTES_HELD)
            return; /* more when it is drained */
        send_snapshot(conn, i);
    }
}

void family_close(sim_family *f)
{
    wire_timer_cancel(f->timer);
    f->timer = NULL;
    venue_close(f->venue);
    td_free(f->book_frames);
    td_buf_fini(&f->batch_bytes);
}
