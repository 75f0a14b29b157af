#include "recorder/encoder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "capture/channel_router.h"
#include "capture/redact_frame.h"
#include "recorder/intake.h"
#include "schema/decode.h"
#include "format/event.h"

/* Chunks close after this part of the commit interval, which leaves the rest to compress and sync.
 */
#define CLOSE_PART_NUMERATOR   3
#define CLOSE_PART_DENOMINATOR 4

/* Ring fill in percent: from here on the fast levels, and back to normal below the lower one. */
enum { FAST_FROM_PERCENT = 50, FAST_UNTIL_PERCENT = 25 };

enum { EVENT_BYTES_MAX = 4 << 20 };

/* An open connection of a feed, for `segment` events. */
typedef struct open_slot {
    event_slot slot;
    uint8_t is_open;
} open_slot;

/* One feed on its way to disk. */
typedef struct feed_state {
    channel_router *router;
    chunk_builder *builder;
    chunk_channel *channels; /* by the router's number */
    uint8_t *is_known;       /* 1: channels[i] was asked for */
    uint32_t channel_capacity;
    open_slot slots[LIMIT_FEED_SLOTS];
    size_t slot_count;
    gap_list gaps;                  /* of the events that are pending */
    uint64_t pending_since_mono_ns; /* of the first pending message; 0: nothing is pending */
    uint64_t oldest_mono_ns;        /* when that came */
    uint64_t segment_number;
    uint64_t last_ns;           /* of the latest message */
    uint64_t overflow_frames;   /* of this segment: on _unknown because it has no channel left */
    uint64_t unchecked_books;   /* that the live check had given up when it was last looked at */
    uint8_t is_unchecked_noted; /* the event is in this segment */
    uint8_t is_overflow_logged;
} feed_state;

struct encoder {
    encoder_options options;
    pthread_t thread;
    feed_state *feeds;
    td_buf event_json;
    frame_redactor frames_hidden;
    uint64_t close_after_ns;
    uint64_t record_mono_ns; /* of the record in hand */
    uint8_t is_fast;
    uint8_t has_failed; /* nothing can be written any more: records are taken and forgotten */
    td_result result;
    td_err err;
    /* Relaxed: each is a number of its own that a status line shows. */
    atomic_ullong frames, chunks, fast_chunks, compressed_bytes, unknown_frames, redactions;
    atomic_ullong overflow_frames;
};

static void count(atomic_ullong *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* Whoever reads sockets must know at once: what comes in from here on is lost. */
static void fail(encoder *self, td_result rc)
{
    TD_ASSERT(rc != TD_OK);
    TD_ASSERT(!self->has_failed);
    self->result = rc;
    self->has_failed = 1;
    chunk_queue_fail(self->options.queue);
    self->options.failed(self->options.user);
}

/* ---- chunks ---- */

/* Two thresholds, so that the level does not flip with every chunk. */
static void choose_level(encoder *self, chunk_builder *builder)
{
    size_t used = td_ring_used_bytes(self->options.ring);
    size_t percent = used / (td_ring_capacity_bytes(self->options.ring) / 100);
    if (percent >= FAST_FROM_PERCENT)
        self->is_fast = 1;
    else if (percent < FAST_UNTIL_PERCENT)
        self->is_fast = 0;
    chunk_builder_set_level(builder, self->is_fast ? CHUNK_LEVEL_FAST : CHUNK_LEVEL_DEFAULT);
}

/* Hand the pending chunk to the disk; waits while the queue is full, and the ring takes up the
 * slack. */
static void seal(encoder *self, size_t feed_index)
{
    TD_ASSERT(feed_index < self->options.config->feed_count);
    feed_state *feed = &self->feeds[feed_index];
    feed->pending_since_mono_ns = 0;
    if (self->has_failed || chunk_builder_pending_count(feed->builder) == 0)
        return;
    queued_chunk *item = chunk_queue_take(self->options.queue);
    if (item == NULL) {
        self->has_failed = 1;
        return;
    }
    /* An item of the queue comes back empty. */
    TD_ASSERT(item->gaps.count == 0);
    choose_level(self, feed->builder);
    td_result rc = chunk_builder_seal(feed->builder, item->chunk, &self->err);
    if (rc != TD_OK) {
        fail(self, rc);
        chunk_queue_give(self->options.queue, item);
        return;
    }
    item->feed_index = feed_index;
    item->gaps = feed->gaps;
    memset(&feed->gaps, 0, sizeof feed->gaps);
    count(&self->chunks, 1);
    count(&self->fast_chunks, self->is_fast);
    count(&self->compressed_bytes, item->chunk->compressed_bytes);
    if (self->options.lag != NULL)
        lag_sealed(self->options.lag, feed->oldest_mono_ns, item->chunk);
    chunk_queue_push(self->options.queue, item);
}

/* ---- channels ---- */

/* Both arrays by the router's number; a failure half way leaves the old capacity in force. */
static td_result grow_channels(feed_state *feed, uint32_t index, td_err *err)
{
    uint32_t capacity = feed->channel_capacity == 0 ? 64 : feed->channel_capacity;
    while (capacity <= index)
        capacity *= 2;
    if (capacity == feed->channel_capacity)
        return TD_OK;
    chunk_channel *channels = td_realloc(feed->channels, capacity, sizeof *channels);
    if (channels == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %u channels", capacity);
    feed->channels = channels;
    uint8_t *is_known = td_realloc(feed->is_known, capacity, 1);
    if (is_known == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %u channels", capacity);
    memset(is_known + feed->channel_capacity, 0, capacity - feed->channel_capacity);
    feed->is_known = is_known;
    feed->channel_capacity = capacity;
    TD_ASSERT(index < feed->channel_capacity);
    return TD_OK;
}

/* The channel in the open segment: chunk_builder writes its record when it is asked for first. */
static td_result find_channel(feed_state *feed, const channel_route *route, chunk_channel *out,
                              td_err *err)
{
    if (route->index >= feed->channel_capacity) {
        td_result rc = grow_channels(feed, route->index, err);
        if (rc != TD_OK)
            return rc;
    }
    if (!feed->is_known[route->index]) {
        td_result rc =
            chunk_builder_channel(feed->builder, route->info, &feed->channels[route->index], err);
        if (rc != TD_OK)
            return rc;
        feed->is_known[route->index] = 1;
    }
    *out = feed->channels[route->index];
    return TD_OK;
}

/* Append a message to the feed's chunk. */
static td_result append(encoder *self, feed_state *feed, const channel_route *route,
                        chunk_frame *frame, td_err *err)
{
    td_result rc = find_channel(feed, route, &frame->channel, err);
    if (rc == TD_OK)
        rc = chunk_builder_append(feed->builder, frame, err);
    if (rc != TD_OK)
        return rc;
    feed->last_ns = frame->recv_ns;
    if (feed->pending_since_mono_ns == 0) {
        feed->pending_since_mono_ns = clock_mono_ns(self->options.clock);
        feed->oldest_mono_ns = self->record_mono_ns;
    }
    return TD_OK;
}

/* A segment begins: channels are its own, so all of them are new. */
static void forget_channels(encoder *self, size_t feed_index)
{
    feed_state *feed = &self->feeds[feed_index];
    channel_router_forget(feed->router);
    if (feed->channel_capacity > 0)
        memset(feed->is_known, 0, feed->channel_capacity);
    if (self->options.watch != NULL)
        watch_begin_segment(self->options.watch, (uint16_t)feed_index);
}

/* ---- events ---- */

/* Events are messages of the feed's own channel, so they stay in order with its frames. */
static td_result append_event(encoder *self, feed_state *feed, uint64_t recv_ns, td_bytes json,
                              td_err *err)
{
    channel_route route;
    td_result rc = channel_router_events(feed->router, &route, err);
    if (rc != TD_OK)
        return rc;
    chunk_frame frame = {.recv_ns = recv_ns, .publish_ns = recv_ns, .bytes = json};
    return append(self, feed, &route, &frame, err);
}

/* Encode an event of the encoder's own and append it. */
static td_result append_own(encoder *self, feed_state *feed, const event *own, uint64_t recv_ns,
                            td_err *err)
{
    td_buf_clear(&self->event_json);
    td_result rc = event_encode(own, &self->event_json, err);
    return rc == TD_OK ? append_event(self, feed, recv_ns, td_buf_view(&self->event_json), err)
                       : rc;
}

/* The segment before had more topics than channels: how many frames that concerned. */
static td_result append_overflow_end(encoder *self, feed_state *feed, uint64_t recv_ns, td_err *err)
{
    if (feed->overflow_frames == 0)
        return TD_OK;
    const event ended = {.kind = EVENT_LIMIT,
                         .what = "channels",
                         .state = "ends",
                         .number = LIMIT_TOPIC_CHANNELS,
                         .frames = feed->overflow_frames};
    feed->overflow_frames = 0;
    return append_own(self, feed, &ended, recv_ns, err);
}

/* A segment begins: say which connections are open and how far their ordinals are. */
static td_result begin_segment(encoder *self, size_t feed_index, uint64_t recv_ns, td_err *err)
{
    feed_state *feed = &self->feeds[feed_index];
    TD_ASSERT(feed->slot_count <= LIMIT_FEED_SLOTS);
    event_slot slots[LIMIT_FEED_SLOTS];
    size_t slot_count = 0;
    for (size_t i = 0; i < feed->slot_count; i++) {
        if (feed->slots[i].is_open)
            slots[slot_count++] = feed->slots[i].slot;
    }
    const event begun = {.kind = EVENT_SEGMENT,
                         .session = self->options.session,
                         .number = ++feed->segment_number,
                         .slots = slots,
                         .slot_count = slot_count};
    forget_channels(self, feed_index);
    feed->is_unchecked_noted = 0;
    td_result rc = append_own(self, feed, &begun, recv_ns, err);
    return rc == TD_OK ? append_overflow_end(self, feed, recv_ns, err) : rc;
}

/* Make ready for a message of this time: seal what must be, and begin a segment if it is
 * its first. */
static td_result make_ready(encoder *self, size_t feed_index, uint64_t recv_ns, td_err *err)
{
    TD_ASSERT(feed_index < self->options.config->feed_count);
    feed_state *feed = &self->feeds[feed_index];
    if (chunk_builder_wants_seal(feed->builder, recv_ns))
        seal(self, feed_index);
    if (chunk_builder_starts_segment(feed->builder, recv_ns))
        return begin_segment(self, feed_index, recv_ns, err);
    return TD_OK;
}

/* A gap also goes with its chunk, so that the catalog has it when the chunk is there. */
static td_result take_event(encoder *self, const intake_record *record, td_bytes packed,
                            td_err *err)
{
    feed_state *feed = &self->feeds[record->feed_index];
    event taken = event_unpack(packed);
    taken.gap.feed = self->options.config->feeds[record->feed_index].name;
    td_result rc = make_ready(self, record->feed_index, record->recv_ns, err);
    if (rc == TD_OK)
        rc = append_own(self, feed, &taken, record->recv_ns, err);
    if (rc == TD_OK && taken.kind == EVENT_GAP)
        rc = gap_list_add(&feed->gaps, &taken.gap, err);
    return rc;
}

/* ---- frames ---- */

/* Few slots per feed: a list is as fast as a table. */
static open_slot *find_slot(feed_state *feed, const intake_record *record)
{
    TD_ASSERT(record->conn > 0);
    for (size_t i = 0; i < feed->slot_count; i++) {
        event_slot *slot = &feed->slots[i].slot;
        if (slot->line == record->line && slot->shard == record->shard)
            return &feed->slots[i];
    }
    TD_ASSERT(feed->slot_count < LIMIT_FEED_SLOTS);
    open_slot *slot = &feed->slots[feed->slot_count++];
    *slot = (open_slot){.slot = {.line = record->line, .shard = record->shard}};
    return slot;
}

/* What a connection stands at, for the chain record even if no frame of it follows. */
static td_result take_ordinals(encoder *self, const intake_record *record, td_err *err)
{
    feed_state *feed = &self->feeds[record->feed_index];
    open_slot *slot = find_slot(feed, record);
    if (slot->slot.conn != record->conn || !slot->is_open)
        slot->slot.since_ns = record->recv_ns;
    /* Ordinals of one connection never go back. */
    TD_ASSERT(slot->slot.conn != record->conn || slot->slot.in <= record->ordinal);
    TD_ASSERT(slot->slot.conn != record->conn || slot->slot.out <= record->ordinal_out);
    slot->is_open = 1;
    slot->slot.conn = record->conn;
    slot->slot.in = record->ordinal;
    slot->slot.out = record->ordinal_out;
    return chunk_builder_note_ordinals(feed->builder, record->line, record->shard, record->conn,
                                       record->ordinal, record->ordinal_out, err);
}

static void take_closed(encoder *self, const intake_record *record)
{
    feed_state *feed = &self->feeds[record->feed_index];
    find_slot(feed, record)->is_open = 0;
    if (self->options.watch != NULL)
        watch_put_closed(self->options.watch, record->feed_index, record->line, record->shard,
                         record->conn);
    chunk_builder_note_closed(feed->builder, record->line, record->shard);
}

static td_result say_redacted(encoder *self, const intake_record *record,
                              const frame_redaction *found, td_err *err)
{
    event hidden = {.kind = EVENT_REDACTED,
                    .line = record->line,
                    .shard = record->shard,
                    .conn = record->conn,
                    .what = "frame",
                    .state = redact_how_name(found->how),
                    .dir = record->dir == DIR_IN    ? "in"
                           : record->dir == DIR_OUT ? "out"
                                                    : "http",
                    .ordinal = record->ordinal,
                    .offset = found->done.first_offset,
                    .bytes = found->done.bytes};
    td_result rc = make_ready(self, record->feed_index, record->recv_ns, err);
    return rc == TD_OK
               ? append_own(self, &self->feeds[record->feed_index], &hidden, record->recv_ns, err)
               : rc;
}

/* Called before any other thread gets the frame. *out replaces the frame. */
static td_result redact(encoder *self, const intake_record *record, uint8_t *bytes, td_bytes *out,
                        td_err *err)
{
    TD_ASSERT(record->kind == INTAKE_FRAME || record->kind == INTAKE_HTTP);
    redactor *secrets = self->options.redactors[record->feed_index];
    *out = td_bytes_of(bytes, record->size);
    if (secrets == NULL)
        return TD_OK;
    frame_redaction found;
    td_result rc = frame_redactor_apply(&self->frames_hidden, secrets, bytes, record->size,
                                        record->opcode == OPCODE_BINARY, out, &found, err);
    if (rc != TD_OK || found.done.count == 0)
        return rc;
    count(&self->redactions, found.done.count);
    return say_redacted(self, record, &found, err);
}

/* Requests, and what answers them, say from when on a connection's topics are all there. */
static void watch_control_frame(encoder *self, const intake_record *record,
                                const channel_route *route, td_bytes bytes)
{
    int is_request = record->dir == DIR_OUT;
    if (!is_request && route->frame_class != CLASS_ACK && route->frame_class != CLASS_ERROR)
        return;
    watch_put_control(self->options.watch, record->feed_index,
                      is_request ? WATCH_REQUEST : WATCH_ANSWER, route->info, record->conn,
                      record->recv_ns, bytes);
}

/* ---- limits that were reached ---- */

/* The segment has no channel left for the frame's topic. Writes an event before the first such
 * frame of each segment, and logs a warning once. */
static td_result note_overflow(encoder *self, const intake_record *record, td_err *err)
{
    feed_state *feed = &self->feeds[record->feed_index];
    count(&self->overflow_frames, 1);
    if (feed->overflow_frames++ > 0)
        return TD_OK;
    if (!feed->is_overflow_logged)
        td_log_say(self->options.log, TD_LOG_WARNING,
                   "%s: more than %u topics and symbols in one segment: further ones are recorded "
                   "as _unknown until the segment ends; replay classifies them again",
                   self->options.config->feeds[record->feed_index].name, LIMIT_TOPIC_CHANNELS);
    feed->is_overflow_logged = 1;
    const event begun = {
        .kind = EVENT_LIMIT, .what = "channels", .state = "begins", .number = LIMIT_TOPIC_CHANNELS};
    td_result rc = make_ready(self, record->feed_index, record->recv_ns, err);
    return rc == TD_OK ? append_own(self, feed, &begun, record->recv_ns, err) : rc;
}

/* The live check has dropped books of the feed: writes an event once in each segment, and logs a
 * warning once. */
static td_result note_unchecked(encoder *self, const intake_record *record, td_err *err)
{
    feed_state *feed = &self->feeds[record->feed_index];
    uint64_t books = watch_unchecked_books(self->options.watch, record->feed_index);
    if (TD_LIKELY(books == feed->unchecked_books))
        return TD_OK;
    if (feed->unchecked_books == 0)
        td_log_say(self->options.log, TD_LOG_WARNING,
                   "%s: the live check has no memory left for more books: some are not checked "
                   "while they are recorded; replay checks them",
                   self->options.config->feeds[record->feed_index].name);
    feed->unchecked_books = books;
    if (feed->is_unchecked_noted)
        return TD_OK;
    feed->is_unchecked_noted = 1;
    const event begun = {
        .kind = EVENT_LIMIT, .what = "books", .state = "begins", .number = LIMIT_WATCH_BYTES};
    td_result rc = make_ready(self, record->feed_index, record->recv_ns, err);
    return rc == TD_OK ? append_own(self, feed, &begun, record->recv_ns, err) : rc;
}

static td_result take_frame(encoder *self, const intake_record *record, td_bytes bytes, td_err *err)
{
    TD_ASSERT(bytes.size <= LIMIT_FRAME_BYTES);
    TD_ASSERT(record->conn > 0);
    TD_ASSERT(record->ordinal > 0);
    feed_state *feed = &self->feeds[record->feed_index];
    router_frame in = {.line = record->line,
                       .shard = record->shard,
                       .dir = (frame_dir)record->dir,
                       .opcode = (channel_opcode)record->opcode,
                       .recv_ns = record->recv_ns,
                       .bytes = bytes};
    channel_route route;
    td_result rc = make_ready(self, record->feed_index, record->recv_ns, err);
    if (rc == TD_OK && self->options.watch != NULL)
        rc = note_unchecked(self, record, err);
    if (rc == TD_OK)
        rc = channel_router_route(feed->router, &in, &route, err);
    if (TD_UNLIKELY(rc == TD_OK && route.is_overflow))
        rc = note_overflow(self, record, err);
    if (rc != TD_OK)
        return rc;
    chunk_frame frame = {.conn = record->conn,
                         .ordinal = record->ordinal,
                         .recv_ns = record->recv_ns,
                         .publish_ns = route.publish_ns,
                         .bytes = bytes};
    rc = append(self, feed, &route, &frame, err);
    if (rc != TD_OK)
        return rc;
    open_slot *slot = find_slot(feed, record);
    if (record->dir == DIR_IN)
        slot->slot.in = record->ordinal;
    else
        slot->slot.out = record->ordinal;
    count(&self->frames, 1);
    if (strcmp(route.info->topic, CHANNEL_TOPIC_UNKNOWN) == 0)
        count(&self->unknown_frames, 1);
    if (self->options.watch != NULL && route.frame_class == CLASS_DATA)
        watch_put(self->options.watch, record->feed_index, route.index, route.info, record->conn,
                  record->recv_ns, bytes);
    else if (self->options.watch != NULL)
        watch_control_frame(self, record, &route, bytes);
    return TD_OK;
}

/* Of no connection: it has no ordinal, and nobody checks it. */
static td_result take_http(encoder *self, const intake_record *record, td_bytes body, td_err *err)
{
    const feed_config *config = &self->options.config->feeds[record->feed_index];
    TD_ASSERT(record->http < config->http_count);
    feed_state *feed = &self->feeds[record->feed_index];
    router_frame in = {.dir = DIR_HTTP,
                       .opcode = (channel_opcode)record->opcode,
                       .recv_ns = record->recv_ns,
                       .bytes = body,
                       .http_name = td_bytes_str(config->http[record->http].name)};
    channel_route route;
    td_result rc = make_ready(self, record->feed_index, record->recv_ns, err);
    if (rc == TD_OK)
        rc = channel_router_route(feed->router, &in, &route, err);
    if (TD_UNLIKELY(rc == TD_OK && route.is_overflow))
        rc = note_overflow(self, record, err);
    chunk_frame frame = {.recv_ns = record->recv_ns, .publish_ns = record->recv_ns, .bytes = body};
    return rc == TD_OK ? append(self, feed, &route, &frame, err) : rc;
}

/* ---- the thread ---- */

static td_result take(encoder *self, const intake_record *record, uint8_t *bytes, td_err *err)
{
    TD_ASSERT(record->feed_index < self->options.config->feed_count);
    TD_ASSERT(record->size <= LIMIT_RING_BYTES);
    self->record_mono_ns = record->mono_ns;
    switch ((intake_kind)record->kind) {
    case INTAKE_FRAME: {
        td_bytes frame;
        td_result rc = redact(self, record, bytes, &frame, err);
        return rc == TD_OK ? take_frame(self, record, frame, err) : rc;
    }
    case INTAKE_HTTP: {
        td_bytes body;
        td_result rc = redact(self, record, bytes, &body, err);
        return rc == TD_OK ? take_http(self, record, body, err) : rc;
    }
    case INTAKE_EVENT:
        return take_event(self, record, td_bytes_of(bytes, record->size), err);
    case INTAKE_ORDINALS:
        return take_ordinals(self, record, err);
    case INTAKE_CLOSED:
        take_closed(self, record);
        return TD_OK;
    case INTAKE_STOP:
        break;
    }
    return TD_OK;
}

/* Seal what has waited long enough; returns how long until the next one has. */
static uint64_t seal_due(encoder *self)
{
    uint64_t mono_ns = clock_mono_ns(self->options.clock);
    uint64_t wait_ns = self->close_after_ns;
    for (size_t i = 0; i < self->options.config->feed_count; i++) {
        uint64_t since_ns = self->feeds[i].pending_since_mono_ns;
        if (since_ns == 0)
            continue;
        uint64_t due_ns = since_ns + self->close_after_ns;
        if (due_ns <= mono_ns)
            seal(self, i);
        else if (due_ns - mono_ns < wait_ns)
            wait_ns = due_ns - mono_ns;
    }
    return wait_ns;
}

/* Take records while there are any, then wait: how many are taken between two looks at the clock.
 */
enum { BATCH_RECORDS = 256 };

/* An idle encoder sleeps until so much is there, or for so long: waking for each frame costs the
 * network thread a system call a frame (measured: 250 ns and more, against 110 with batches). */
enum { BATCH_BYTES = 256 << 10 };
#define BATCH_NS (10 * TD_NS_PER_MS)

/* The feed's last chunk. */
static void finish(encoder *self, size_t feed_index)
{
    feed_state *feed = &self->feeds[feed_index];
    td_result rc = TD_OK;
    if (!self->has_failed && feed->overflow_frames > 0)
        rc = make_ready(self, feed_index, feed->last_ns, &self->err);
    if (rc == TD_OK && !self->has_failed)
        rc = append_overflow_end(self, feed, feed->last_ns, &self->err);
    if (rc != TD_OK && !self->has_failed)
        fail(self, rc);
    seal(self, feed_index);
}

static void *run(void *arg)
{
    encoder *self = arg;
    td_ring *ring = self->options.ring;
    int is_stopped = 0;
    while (!is_stopped) {
        uint64_t wait_ns = seal_due(self);
        td_bytes view = td_ring_peek(ring);
        if (view.data == NULL) {
            td_ring_wait_bytes(ring, BATCH_BYTES, wait_ns < BATCH_NS ? wait_ns : BATCH_NS);
            continue;
        }
        for (int i = 0; i < BATCH_RECORDS && view.data != NULL && !is_stopped; i++) {
            intake_record record;
            TD_ASSERT(view.size >= sizeof record);
            memcpy(&record, view.data, sizeof record);
            TD_ASSERT(record.size <= view.size - sizeof record);
            /* The ring's memory is ours until release: secrets are overwritten in place. */
            uint8_t *bytes = (uint8_t *)view.data + sizeof record;
            is_stopped = record.kind == INTAKE_STOP;
            td_result rc = self->has_failed ? TD_OK : take(self, &record, bytes, &self->err);
            if (rc != TD_OK && !self->has_failed)
                fail(self, rc);
            td_ring_release(ring);
            view = td_ring_peek(ring);
        }
    }
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        finish(self, i);
    chunk_queue_push(self->options.queue, NULL);
    return NULL;
}

static td_result open_feed(encoder *self, size_t index, td_err *err)
{
    const feed_config *config = &self->options.config->feeds[index];
    feed_state *feed = &self->feeds[index];
    td_result rc = channel_router_open(config->name, config->family, &feed->router, err);
    if (rc != TD_OK)
        return rc;
    chunk_builder_options options = {.level = CHUNK_LEVEL_DEFAULT};
    return chunk_builder_open(&options, &feed->builder, err);
}

void encoder_close(encoder *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; self->feeds != NULL && i < self->options.config->feed_count; i++) {
        feed_state *feed = &self->feeds[i];
        channel_router_close(feed->router);
        chunk_builder_close(feed->builder);
        gap_list_fini(&feed->gaps);
        td_free(feed->channels);
        td_free(feed->is_known);
    }
    td_buf_fini(&self->event_json);
    frame_redactor_fini(&self->frames_hidden);
    td_free(self->feeds);
    td_free(self);
}

td_result encoder_open(const encoder_options *options, encoder **out, td_err *err)
{
    TD_ASSERT(options->ring != NULL);
    TD_ASSERT(options->failed != NULL);
    TD_ASSERT(options->queue != NULL);
    TD_ASSERT(options->config->feed_count > 0);
    encoder *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for the encoder");
    self->options = *options;
    self->close_after_ns =
        options->config->commit_interval_ns / CLOSE_PART_DENOMINATOR * CLOSE_PART_NUMERATOR;
    td_buf_init(&self->event_json, EVENT_BYTES_MAX);
    frame_redactor_init(&self->frames_hidden);
    self->feeds = td_alloc_zero(options->config->feed_count, sizeof *self->feeds);
    td_result rc =
        self->feeds == NULL ? td_err_set(err, TD_E_NOMEM, "no memory for the feeds") : TD_OK;
    for (size_t i = 0; rc == TD_OK && i < options->config->feed_count; i++)
        rc = open_feed(self, i, err);
    if (rc == TD_OK) {
        int failure = pthread_create(&self->thread, NULL, run, self);
        if (failure != 0)
            rc = td_err_set_os(err, failure, "cannot start the encoder thread");
    }
    if (rc != TD_OK) {
        encoder_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

/* After intake_stop(): the thread seals what is pending, and ends. */
td_result encoder_join(encoder *self, td_err *err)
{
    pthread_join(self->thread, NULL);
    if (self->result != TD_OK && err != NULL)
        *err = self->err;
    return self->result;
}

void encoder_get_stats(const encoder *self, encoder_stats *out)
{
    *out = (encoder_stats){
        .frames = atomic_load_explicit(&self->frames, memory_order_relaxed),
        .chunks = atomic_load_explicit(&self->chunks, memory_order_relaxed),
        .fast_chunks = atomic_load_explicit(&self->fast_chunks, memory_order_relaxed),
        .compressed_bytes = atomic_load_explicit(&self->compressed_bytes, memory_order_relaxed),
        .unknown_frames = atomic_load_explicit(&self->unknown_frames, memory_order_relaxed),
        .overflow_frames = atomic_load_explicit(&self->overflow_frames, memory_order_relaxed),
        .redactions = atomic_load_explicit(&self->redactions, memory_order_relaxed),
    };
}
