#include "recorder/pipeline/intake.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_text.h"
#include "schema/decode.h"

/* Space that must be left when reading is paused: for one frame of the largest size that is partly
 * read, and for frames that are already in the connections' TLS and WebSocket buffers. */
#define HEADROOM_BYTES (LIMIT_FRAME_BYTES + ((size_t)1 << 20))

typedef enum intake_state { STATE_FLOWING, STATE_PAUSED, STATE_DROPPING } intake_state;

struct intake {
    intake_options options;
    session_clock clock;
    td_ring *ring;
    intake_state state;
    uint64_t paused_at_mono_ns;
    uint64_t paused_at_recv_ns;
    intake_slot **lossy_slots; /* slots with discarded frames */
    size_t lossy_count;
    uint64_t tick_mono_ns;          /* time of the last tick; 0 before the first */
    uint8_t has_begun[LIMIT_FEEDS]; /* 1: the feed had an event */
    intake_stats stats;
};

intake *intake_open(const intake_options *options)
{
    TD_ASSERT(options->ring != NULL);
    TD_ASSERT(options->pause != NULL || options->config->overload == OVERLOAD_DROP);
    TD_ASSERT(td_ring_capacity_bytes(options->ring) > 2 * LIMIT_FRAME_BYTES);
    intake *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->ring = options->ring;
    session_clock_init(&self->clock, options->clock);
    return self;
}

void intake_close(intake *self)
{
    if (self == NULL)
        return;
    td_free(self->lossy_slots);
    td_free(self);
}

static intake_record *reserve(const intake *self, size_t size)
{
    return td_ring_reserve(self->ring, sizeof(intake_record) + size + DECODE_PADDING_BYTES);
}

/* Copy the bytes after the reserved record, and commit. */
static void commit(const intake *self, intake_record *in_ring, td_bytes bytes)
{
    in_ring->frame.bytes = td_bytes_of(in_ring + 1, bytes.size);
    if (bytes.size > 0)
        memcpy(in_ring + 1, bytes.data, bytes.size);
    td_ring_commit(self->ring, sizeof(intake_record) + bytes.size + DECODE_PADDING_BYTES);
}

/* Put a record other than a frame, with a copy of its event, if it has one. These are few and
 * small. If the ring is full, the network thread waits for the encoder, because without such a
 * record ordinals and gaps would be wrong. */
static void put_small(intake *self, const intake_record *record)
{
    const size_t event_bytes = record->event == NULL ? 0 : event_copy(record->event, NULL);
    uint64_t mono_ns = clock_mono_ns(self->options.clock);
    intake_record *in_ring;
    while ((in_ring = reserve(self, event_bytes)) == NULL)
        clock_sleep_until(self->options.clock,
                          clock_mono_ns(self->options.clock) + TD_NS_PER_MS / 10);
    *in_ring = *record;
    in_ring->mono_ns = mono_ns;
    if (record->event != NULL) {
        event *copy = (event *)(in_ring + 1);
        (void)event_copy(record->event, copy); /* has event_bytes */
        in_ring->event = copy;
    }
    td_ring_commit(self->ring, sizeof *in_ring + event_bytes);
}

uint64_t intake_event(intake *self, uint16_t feed_index, const event *what)
{
    TD_ASSERT(feed_index < self->options.config->feed_count);
    uint64_t recv_ns = session_clock_stamp(&self->clock, clock_mono_ns(self->options.clock));
    self->has_begun[feed_index] = 1;
    if (event_copy(what, NULL) > EVENT_COPY_BYTES_MAX) {
        td_log_emit(self->options.log, TD_LOG_ERROR,
                    "cannot record a %s event: it has more than %d bytes",
                    event_kind_name(what->kind), EVENT_COPY_BYTES_MAX);
        return recv_ns;
    }
    /* Count the gap when it opens. Overload and aggregate gaps are written once, with their end. */
    if (what->kind == EVENT_GAP &&
        (what->gap.to_ns == GAP_OPEN || what->gap.reason == GAP_OVERLOAD ||
         what->gap.reason == GAP_AGGREGATE))
        self->stats.gaps++;
    const intake_record record = {
        .kind = INTAKE_EVENT, .frame.recv_ns = recv_ns, .feed_index = feed_index, .event = what};
    put_small(self, &record);
    return recv_ns;
}

void intake_event_all(intake *self, const event *what)
{
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        if (self->has_begun[i])
            intake_event(self, (uint16_t)i, what);
}

static intake_record slot_record(const intake_slot *slot, intake_kind kind, uint64_t recv_ns)
{
    return (intake_record){.kind = (uint8_t)kind,
                           .frame = {.line = slot->line,
                                     .shard = slot->shard,
                                     .conn = slot->conn,
                                     .ordinal = slot->in,
                                     .recv_ns = recv_ns,
                                     .complete_ns = slot->complete_ns},
                           .ordinal_out = slot->out,
                           .feed_index = slot->feed_index};
}

void intake_opened(intake *self, const intake_slot *slot)
{
    TD_ASSERT(slot->conn > 0);
    TD_ASSERT(slot->in == 0);
    TD_ASSERT(slot->out == 0);
    intake_record record = slot_record(slot, INTAKE_ORDINALS, self->clock.last_recv_ns);
    put_small(self, &record);
}

/* Write the overload gap of a slot, if frames of it were discarded. */
static void write_drops(intake *self, intake_slot *slot)
{
    event lost;
    if (slot_drops_end(&slot->drops, DROP_IN_INTAKE,
                       self->options.config->feeds[slot->feed_index].name, slot->line, slot->shard,
                       &lost))
        intake_event(self, slot->feed_index, &lost);
}

/* Put the last ordinals before INTAKE_CLOSED, because closing writes them to the chain record. */
void intake_closed(intake *self, intake_slot *slot)
{
    TD_ASSERT(slot->conn > 0);
    write_drops(self, slot);
    intake_record record = slot_record(slot, INTAKE_ORDINALS, self->clock.last_recv_ns);
    put_small(self, &record);
    record.kind = INTAKE_CLOSED;
    put_small(self, &record);
}

void intake_rotate(intake *self)
{
    for (size_t i = 0; i < self->options.config->feed_count; i++) {
        const intake_record record = {.kind = INTAKE_ROTATE,
                                      .frame.recv_ns = self->clock.last_recv_ns,
                                      .feed_index = (uint16_t)i};
        if (self->has_begun[i])
            put_small(self, &record);
    }
}

static void log_overload(intake *self, const char *state, uint64_t from_ns, uint64_t to_ns,
                         const char *cause)
{
    event what = {
        .kind = EVENT_OVERLOAD, .state = state, .from_ns = from_ns, .to_ns = to_ns, .cause = cause};
    intake_event_all(self, &what);
}

/* Stop reading: TCP makes the exchange wait or disconnect, and nothing is lost silently. */
static void begin_pause(intake *self)
{
    TD_ASSERT(self->state == STATE_FLOWING);
    self->state = STATE_PAUSED;
    self->paused_at_mono_ns = clock_mono_ns(self->options.clock);
    self->paused_at_recv_ns = self->clock.last_recv_ns;
    self->options.pause(self->options.user);
    log_overload(self, "begins", self->paused_at_recv_ns, 0, "sockets are left unread");
    td_log_emit(self->options.log, TD_LOG_WARNING,
                "overload: the disk cannot keep up; the exchange is held back");
}

static void end_pause(intake *self)
{
    TD_ASSERT(self->state == STATE_PAUSED);
    uint64_t mono_ns = clock_mono_ns(self->options.clock);
    /* Frames that still wait in the sockets will also get late times. But they are read at once, so
     * the pause ends now. */
    uint64_t until_ns = session_clock_stamp(&self->clock, mono_ns);
    self->state = STATE_FLOWING;
    log_overload(self, "ends", self->paused_at_recv_ns, until_ns, "sockets are read again");
    self->options.resume(self->options.user);
}

/* Begin to count and discard frames. As configured, this happens as soon as the ring is nearly
 * full, or after the longest pause. It also happens if a frame does not fit into the ring. */
static void begin_drop(intake *self)
{
    TD_ASSERT(self->state != STATE_DROPPING);
    if (self->state == STATE_PAUSED)
        end_pause(self);
    self->state = STATE_DROPPING;
    td_log_emit(self->options.log, TD_LOG_ERROR,
                "overload: frames are read, counted and discarded until the ring is half empty");
}

/* Write a gap for each connection that lost frames. */
static void end_drop(intake *self)
{
    TD_ASSERT(self->state == STATE_DROPPING);
    for (size_t i = 0; i < self->lossy_count; i++)
        write_drops(self, self->lossy_slots[i]);
    self->lossy_count = 0;
    self->state = STATE_FLOWING;
    td_log_emit(self->options.log, TD_LOG_WARNING,
                "overload: over; %" PRIu64 " frames were discarded so far",
                self->stats.frames_dropped);
}

/* 1 if the ring is half empty, which ends an overload: pausing and resuming for each frame would
 * cost more. */
static int is_half_empty(const intake *self)
{
    return td_ring_used_bytes(self->ring) <= td_ring_capacity_bytes(self->ring) / 2;
}

static int is_nearly_full(const intake *self, size_t size)
{
    return td_ring_used_bytes(self->ring) + size >
           td_ring_capacity_bytes(self->ring) - HEADROOM_BYTES;
}

static void drop_frame(intake *self, intake_slot *slot, uint64_t recv_ns)
{
    TD_ASSERT(self->state == STATE_DROPPING);
    if (slot_drops_add(&slot->drops, DROP_IN_INTAKE, slot->conn, slot->complete_ns, recv_ns)) {
        self->lossy_slots =
            td_array_grow(self->lossy_slots, self->lossy_count, sizeof(intake_slot *));
        self->lossy_slots[self->lossy_count++] = slot;
    }
    self->stats.frames_dropped++;
}

/* Copy the frame into the ring. Returns 0 if it does not fit. */
static int put_frame(const intake *self, const intake_slot *slot, channel_dir dir,
                     const ws_message *in, uint64_t recv_ns)
{
    intake_record *in_ring = reserve(self, in->bytes.size);
    if (in_ring == NULL)
        return 0;
    *in_ring = slot_record(slot, INTAKE_FRAME, recv_ns);
    in_ring->mono_ns = in->mono_ns;
    in_ring->frame.ordinal = dir == CHANNEL_IN ? slot->in : slot->out;
    in_ring->frame.dir = dir;
    in_ring->frame.opcode = (channel_opcode)in->opcode;
    in_ring->frame.form = in->form;
    commit(self, in_ring, in->bytes);
    return 1;
}

uint64_t intake_frame(intake *self, intake_slot *slot, channel_dir dir, const ws_message *in)
{
    size_t size = in->bytes.size;
    TD_ASSERT(slot->conn > 0);
    TD_ASSERT(size <= LIMIT_FRAME_BYTES);
    /* Do this before stamping the frame, because the gaps' events must have earlier times. */
    if (self->state == STATE_DROPPING && is_half_empty(self))
        end_drop(self);
    uint64_t recv_ns = session_clock_stamp(&self->clock, in->mono_ns);
    if (dir == CHANNEL_IN) {
        slot->in++;
        self->stats.frames_in++;
        self->stats.bytes_in += size;
    } else {
        slot->out++;
        self->stats.frames_out++;
    }
    if (self->state != STATE_DROPPING && put_frame(self, slot, dir, in, recv_ns)) {
        int is_overload = self->state == STATE_FLOWING && is_nearly_full(self, size);
        if (is_overload && self->options.config->overload == OVERLOAD_DROP)
            begin_drop(self);
        else if (is_overload)
            begin_pause(self);
        return recv_ns;
    }
    if (self->state != STATE_DROPPING)
        begin_drop(self);
    drop_frame(self, slot, recv_ns);
    return recv_ns;
}

uint64_t intake_now_ns(const intake *self)
{
    return session_clock_at(&self->clock, clock_mono_ns(self->options.clock));
}

/* 1 if the ring has space for a reply and for the frames that may follow. Frames have priority,
 * because a reply can be requested again. */
int intake_has_space(const intake *self, size_t bytes)
{
    return self->state == STATE_FLOWING && !is_nearly_full(self, bytes);
}

void intake_http(intake *self, uint16_t feed_index, const char *name, td_bytes body,
                 uint64_t recv_mono_ns)
{
    TD_ASSERT(feed_index < self->options.config->feed_count);
    intake_record *in_ring = reserve(self, body.size);
    TD_ASSERT(in_ring != NULL);
    *in_ring = (intake_record){.kind = INTAKE_HTTP,
                               .frame = {.dir = CHANNEL_HTTP,
                                         .opcode = OPCODE_TEXT,
                                         .recv_ns = session_clock_stamp(&self->clock, recv_mono_ns),
                                         .http_name = name},
                               .mono_ns = recv_mono_ns,
                               .feed_index = feed_index};
    commit(self, in_ring, body);
    self->stats.http_replies++;
}

void intake_fetched(intake *self, intake_slot *slot, const char *topic, td_bytes body,
                    uint64_t recv_mono_ns)
{
    TD_ASSERT(slot->conn > 0);
    intake_record *in_ring = reserve(self, body.size);
    TD_ASSERT(in_ring != NULL);
    slot->in++;
    *in_ring = slot_record(slot, INTAKE_FRAME, session_clock_stamp(&self->clock, recv_mono_ns));
    in_ring->mono_ns = recv_mono_ns;
    in_ring->frame.dir = CHANNEL_IN;
    in_ring->frame.opcode = OPCODE_TEXT;
    in_ring->frame.form = FORM_FETCHED;
    in_ring->frame.http_name = topic;
    commit(self, in_ring, body);
    self->stats.frames_in++;
    self->stats.bytes_in += body.size;
}

/* ---- clocks ---- */

static void emit_clock(intake *self, event *clock_event)
{
    clock_event->kind = EVENT_CLOCK;
    clock_event->offset_ns = self->clock.offset_ns;
    clock_event->wall_ns = clock_wall_ns(self->options.clock);
    intake_event_all(self, clock_event);
}

static void warn_of_step(const intake *self, session_clock_step step, int64_t step_ns)
{
    const td_log *log = self->options.log;
    const char *way = step_ns < 0 ? "back" : "forward";
    double seconds = (double)(step_ns < 0 ? -step_ns : step_ns) / 1e9;
    double confirm_s = (double)LIMIT_CLOCK_CONFIRM_NS / 1e9;
    switch (step) {
    case CLOCK_STEP_SEEN:
        td_log_emit(log, TD_LOG_WARNING,
                    "the wall clock stepped %s by %.3f s; it is adopted if it lasts for %.0f s",
                    way, seconds, confirm_s);
        break;
    case CLOCK_STEP_ADOPTED:
        td_log_emit(log, TD_LOG_WARNING, "the wall clock's step by %.3f s is adopted", seconds);
        break;
    case CLOCK_STEP_WITHDRAWN:
        td_log_emit(log, TD_LOG_WARNING,
                    "the wall clock is where it was before it stepped %s by %.3f s: no receive "
                    "time was changed",
                    way, seconds);
        break;
    case CLOCK_STEP_HELD:
        td_log_emit(log, TD_LOG_WARNING,
                    "the wall clock stepped back by %.3f s; receive times stay ahead by that much "
                    "until the next session",
                    seconds);
        break;
    case CLOCK_STEP_WRONG:
        td_log_emit(log, TD_LOG_WARNING,
                    "the wall clock is %.3f s behind this session's receive times, and has been "
                    "for %.0f s: times must rise, so only a new session can have correct ones",
                    seconds, confirm_s);
        break;
    case CLOCK_STEP_NONE:
        break;
    }
}

static void compare_clocks(intake *self)
{
    int64_t step_ns;
    session_clock_step step = session_clock_check(&self->clock, &step_ns);
    if (step == CLOCK_STEP_NONE)
        return;
    event clock_event = {.step_ns = step_ns, .state = session_clock_step_name(step)};
    emit_clock(self, &clock_event);
    warn_of_step(self, step, step_ns);
}

int intake_is_clock_wrong(const intake *self)
{
    return self->clock.is_wrong && self->clock.pending_step_ns < 0;
}

void intake_expect_pause(intake *self)
{
    self->tick_mono_ns = 0;
}

/* Report a pause, a time in which the loop did not run. Frames that arrived during the pause are
 * stamped after it, so up to the pause's length too late. */
static void check_pause(intake *self)
{
    uint64_t mono_ns = clock_mono_ns(self->options.clock);
    uint64_t suspended_ns = session_clock_add_suspension(&self->clock);
    uint64_t paused_ns = suspended_ns;
    if (self->tick_mono_ns != 0)
        paused_ns += mono_ns - self->tick_mono_ns;
    self->tick_mono_ns = mono_ns;
    if (paused_ns < LIMIT_PAUSE_NS)
        return;
    int is_suspended = suspended_ns > paused_ns / 2;
    uint64_t to_ns = session_clock_at(&self->clock, mono_ns);
    event clock_event = {.state = "paused",
                         .from_ns = to_ns - paused_ns,
                         .to_ns = to_ns,
                         .cause = is_suspended ? "suspended" : "not running"};
    emit_clock(self, &clock_event);
    char length[TD_TIME_TEXT_BYTES];
    td_duration_format(paused_ns, length);
    td_log_emit(self->options.log, TD_LOG_WARNING,
                "%s for %s: frames received meanwhile have late receive times",
                is_suspended ? "the machine was suspended" : "the recorder did not run", length);
}

void intake_tick(intake *self)
{
    check_pause(self);
    compare_clocks(self);
    if (self->state == STATE_DROPPING && is_half_empty(self)) {
        end_drop(self);
    } else if (self->state == STATE_PAUSED) {
        uint64_t paused_ns = clock_mono_ns(self->options.clock) - self->paused_at_mono_ns;
        if (is_half_empty(self))
            end_pause(self);
        else if (paused_ns >= self->options.config->overload_max_ns)
            begin_drop(self);
    }
}

void intake_stop(intake *self)
{
    intake_record record = {.kind = INTAKE_STOP, .frame.recv_ns = self->clock.last_recv_ns};
    put_small(self, &record);
    td_ring_wake(self->options.ring);
}

void intake_get_stats(const intake *self, intake_stats *out)
{
    *out = self->stats;
}
