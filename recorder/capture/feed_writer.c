#include "recorder/capture/feed_writer.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log_rate.h"
#include "recorder/capture/grants.h"
#include "recorder/capture/slot_gaps.h"
#include "schema/conn_counter.h"

enum {
    /* Besides the checkpoints at the beginning of segments: the feed's first checkpoint is due
       after CHECKPOINT_FIRST_BYTES of chunks, each later one after CHECKPOINT_SHARE times the size
       of the checkpoint before it. */
    CHECKPOINT_SHARE = 64,
    CHECKPOINT_FIRST_BYTES = 1 << 20,
};

/* Written by one thread, read by any. Relaxed order is enough: the numbers are independent. */
typedef struct live_counts {
    atomic_ullong in, out, http, bytes, control, unknown, overflow, redacted, sequence_gaps;
    atomic_ullong granted, silent, overdue; /* topics */
} live_counts;

/* The numbers of a slot's frames, if the exchange counts them. */
typedef struct slot_counter {
    conn_counter numbers;
    uint32_t conn;
    uint64_t last_ns;      /* receive time of its last inbound frame */
    uint64_t lost_from_ns; /* as in feed_written, until a data frame; 0: no loss */
} slot_counter;

struct feed_writer {
    feed_writer_options options;
    channel_router *router;
    chunk_builder *builder;
    grants *grants;
    frame_redactor frame_redactor;
    td_buf event_json;
    feed_slot slots[LIMIT_FEED_SLOTS];
    slot_counter counters[LIMIT_FEED_SLOTS];
    size_t slot_count;
    uint64_t last_ns;
    uint32_t segment_number;
    uint8_t is_overflow_logged;  /* 1: an overflow was logged, in this segment or an earlier one */
    td_buf checkpoint;           /* checkpoint to write with the next chunk */
    uint32_t checkpoint_segment; /* segment in which the last checkpoint was due */
    uint64_t checkpoint_due_bytes; /* bytes of chunks until the next checkpoint is due */
    live_counts counts;
    td_log_rate missing_log, several_log; /* by receive times */
};

/* Bytes of the topics that a warning names; the rest is only counted. */
enum { OVERDUE_BYTES = 2000 };

/* Add to a counter. Only one thread writes it, so no locked instruction is needed. */
static void count(atomic_ullong *counter, uint64_t more)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

/* find_begun_fn */
static const char *find_begun(void *user, const feed_frame *frame, td_bytes begun);

feed_writer *feed_writer_open(const feed_writer_options *options)
{
    TD_ASSERT(options->full != NULL);
    TD_ASSERT(options->session != NULL);
    feed_writer *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    frame_redactor_init(&self->frame_redactor);
    td_buf_init(&self->event_json, EVENT_BYTES_MAX);
    td_buf_init(&self->checkpoint, LIMIT_RECORD_BYTES);
    self->segment_number = options->segment_count;
    self->checkpoint_segment = options->segment_count + 1;
    self->checkpoint_due_bytes = CHECKPOINT_FIRST_BYTES;
    const chunk_builder_options building = {.interval_ns = options->interval_ns,
                                            .segment_count = options->segment_count};
    self->router = channel_router_open(options->name, options->family);
    self->builder = chunk_builder_open(&building);
    self->grants = grants_open(options->family);
    channel_router_ask(self->router, find_begun, self);
    return self;
}

void feed_writer_close(feed_writer *self)
{
    if (self == NULL)
        return;
    chunk_builder_close(self->builder);
    channel_router_close(self->router);
    grants_close(self->grants);
    frame_redactor_fini(&self->frame_redactor);
    td_buf_fini(&self->event_json);
    td_buf_fini(&self->checkpoint);
    td_free(self);
}

/* ---- messages ---- */

static td_result append(feed_writer *self, const feed_frame *frame, td_err *err)
{
    td_result rc = chunk_builder_append(self->builder, frame, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "feed %s", self->options.name);
    self->last_ns = frame->recv_ns;
    return TD_OK;
}

/* Append an event: it is a message on a channel of the feed, so it stays in order with the frames.
 */
static td_result append_event(feed_writer *self, uint64_t recv_ns, const event *what, td_err *err)
{
    td_buf_clear(&self->event_json);
    td_result rc = event_encode(what, &self->event_json, err);
    const feed_frame frame = {.recv_ns = recv_ns,
                              .publish_ns = recv_ns,
                              .bytes = td_buf_view(&self->event_json),
                              .info = channel_router_events(self->router)};
    if (rc == TD_OK)
        rc = append(self, &frame, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "event %s", event_kind_name(what->kind));
}

/* ---- segments ---- */

/* Seal the chunk if it is full. */
static td_result seal_if_full(feed_writer *self, uint64_t recv_ns, td_err *err)
{
    if (!chunk_builder_wants_seal(self->builder, recv_ns))
        return TD_OK;
    td_result rc = self->options.full(self->options.user, err);
    TD_ASSERT(rc != TD_OK || chunk_builder_pending_count(self->builder) == 0);
    return rc;
}

/* Begin a segment: forget the channels, whose numbers belong to a segment, and restate the open
 * connections, their ordinals and their grants, so that the segment can be read alone. */
static td_result begin_segment(feed_writer *self, uint64_t recv_ns, td_err *err)
{
    event_slot slots[LIMIT_FEED_SLOTS];
    size_t slot_count = 0;
    TD_ASSERT(self->slot_count <= LIMIT_FEED_SLOTS);
    for (size_t i = 0; i < self->slot_count; i++)
        if (self->slots[i].is_open)
            slots[slot_count++] = self->slots[i].at;
    const event begun = {.kind = EVENT_SEGMENT,
                         .session = self->options.session,
                         .state = recv_ns < self->options.alone_ns ? EVENT_STATE_BESIDE : NULL,
                         .number = ++self->segment_number,
                         .slots = slots,
                         .slot_count = slot_count};
    channel_router_forget(self->router);
    td_buf_clear(&self->checkpoint);
    td_result rc = append_event(self, recv_ns, &begun, err);
    size_t grant_count = rc == TD_OK ? grants_restate(self->grants) : 0;
    for (size_t i = 0; i < grant_count && rc == TD_OK; i++) {
        const event restated = grants_event(self->grants, i);
        rc = seal_if_full(self, recv_ns, err);
        if (rc == TD_OK)
            rc = append_event(self, recv_ns, &restated, err);
    }
    return rc;
}

/* Prepare for a message of this time: seal the pending chunk if that is due, and begin a segment if
 * the message is its first. */
static td_result prepare_message(feed_writer *self, uint64_t recv_ns, td_err *err)
{
    td_result rc = seal_if_full(self, recv_ns, err);
    if (rc != TD_OK || TD_LIKELY(!chunk_builder_starts_segment(self->builder, recv_ns)))
        return rc;
    rc = begin_segment(self, recv_ns, err);
    /* The events at the segment's beginning may fill its first chunk. */
    return rc == TD_OK ? seal_if_full(self, recv_ns, err) : rc;
}

void feed_writer_end_segment(feed_writer *self)
{
    chunk_builder_end_segment(self->builder);
}

uint32_t feed_writer_segment(const feed_writer *self)
{
    return self->segment_number;
}

uint64_t feed_writer_last_ns(const feed_writer *self)
{
    return self->last_ns;
}

uint64_t feed_writer_pending_count(const feed_writer *self)
{
    return chunk_builder_pending_count(self->builder);
}

static void swap(td_buf *a, td_buf *b)
{
    td_buf kept = *a;
    *a = *b;
    *b = kept;
}

int feed_writer_seal(feed_writer *self, int level, sealed_chunk *out)
{
    chunk_builder_set_level(self->builder, level);
    if (!chunk_builder_seal(self->builder, out))
        return 0;
    uint64_t due_bytes = self->checkpoint_due_bytes;
    self->checkpoint_due_bytes = due_bytes > out->chunk_bytes ? due_bytes - out->chunk_bytes : 0;
    swap(&self->checkpoint, &out->checkpoint);
    return 1;
}

/* ---- checkpoints ---- */

/* 1 if a checkpoint is due before this frame. After an overflow (a frame was written to _unknown
 * because no channel was left) there are no more checkpoints: the states lack such frames. While
 * another process still receives, no checkpoint is made: a reader that begins there lacks its
 * states. */
static uint8_t wants_checkpoint(feed_writer *self, const channel_route *route)
{
    int is_due =
        self->checkpoint_due_bytes == 0 || self->checkpoint_segment != self->segment_number;
    if (TD_LIKELY(!is_due) || route->frame_class != CLASS_DATA || self->is_overflow_logged ||
        self->last_ns < self->options.alone_ns)
        return 0;
    self->checkpoint_segment = self->segment_number;
    self->checkpoint_due_bytes = CHECKPOINT_FIRST_BYTES; /* until this checkpoint's size is known */
    return 1;
}

void feed_writer_put_checkpoint(feed_writer *self, uint32_t segment, td_buf *record)
{
    if (segment != self->segment_number)
        return;
    self->checkpoint_due_bytes = record->size * CHECKPOINT_SHARE;
    swap(&self->checkpoint, record);
}

/* ---- events ---- */

static feed_slot *get_slot(feed_writer *self, uint32_t line, uint32_t shard);

/* Write events about grants that have changed. */
static td_result write_changes(feed_writer *self, size_t change_count, uint64_t recv_ns,
                               td_err *err)
{
    td_result rc = TD_OK;
    uint32_t segment_number = self->segment_number;
    for (size_t i = 0; i < change_count && rc == TD_OK; i++) {
        const event change = grants_event(self->grants, i);
        rc = prepare_message(self, recv_ns, err);
        if (self->segment_number != segment_number)
            break; /* the new segment restated all grants */
        if (rc == TD_OK)
            rc = append_event(self, recv_ns, &change, err);
    }
    return rc;
}

/* A connection is open: its URL may subscribe to topics. */
static td_result note_opened(feed_writer *self, uint64_t recv_ns, const event *connect, td_err *err)
{
    const feed_slot *slot = get_slot(self, connect->line, connect->shard);
    const size_t change_count =
        grants_opened(self->grants, (uint32_t)(slot - self->slots), connect, recv_ns);
    return write_changes(self, change_count, recv_ns, err);
}

td_result feed_writer_event(feed_writer *self, uint64_t recv_ns, const event *what, td_err *err)
{
    td_result rc = prepare_message(self, recv_ns, err);
    if (rc == TD_OK)
        rc = append_event(self, recv_ns, what, err);
    return rc == TD_OK && what->kind == EVENT_CONNECT ? note_opened(self, recv_ns, what, err) : rc;
}

/* ---- connections ---- */

/* Return the index of the slot, or slot_count. A feed has few slots, so a list is as fast as a
 * table. */
static size_t find_slot(const feed_writer *self, uint32_t line, uint32_t shard)
{
    size_t i = 0;
    while (i < self->slot_count &&
           (self->slots[i].at.line != line || self->slots[i].at.shard != shard))
        i++;
    return i;
}

static feed_slot *get_slot(feed_writer *self, uint32_t line, uint32_t shard)
{
    size_t i = find_slot(self, line, shard);
    if (i < self->slot_count)
        return &self->slots[i];
    TD_ASSERT(self->slot_count < LIMIT_FEED_SLOTS);
    self->slot_count++;
    self->slots[i] = (feed_slot){.at = {.line = line, .shard = shard}};
    return &self->slots[i];
}

const feed_slot *feed_writer_slot(const feed_writer *self, uint32_t line, uint32_t shard)
{
    size_t i = find_slot(self, line, shard);
    return i < self->slot_count ? &self->slots[i] : NULL;
}

static const char *find_begun(void *user, const feed_frame *frame, td_bytes begun)
{
    const feed_writer *self = user;
    const size_t slot = find_slot(self, frame->line, frame->shard);
    return slot == self->slot_count
               ? NULL
               : grants_find_begun(self->grants, (uint32_t)slot, frame->conn, begun);
}

td_result feed_writer_ordinals(feed_writer *self, const event_slot *at, td_err *err)
{
    TD_ASSERT(at->conn > 0);
    feed_slot *slot = get_slot(self, at->line, at->shard);
    uint64_t since_ns = slot->at.since_ns;
    if (slot->at.conn != at->conn || !slot->is_open)
        slot->last_ns = since_ns = at->since_ns;
    /* The ordinals of a connection never decrease. */
    TD_ASSERT(slot->at.conn != at->conn || slot->at.in <= at->in);
    TD_ASSERT(slot->at.conn != at->conn || slot->at.out <= at->out);
    slot->is_open = 1;
    slot->at = *at;
    slot->at.since_ns = since_ns;
    return chunk_builder_note_ordinals(self->builder, at->line, at->shard, at->conn, at->in,
                                       at->out, err);
}

void feed_writer_closed(feed_writer *self, uint32_t line, uint32_t shard, uint64_t complete_ns)
{
    feed_slot *slot = get_slot(self, line, shard);
    slot->is_open = 0;
    grants_closed(self->grants, (uint32_t)(slot - self->slots));
    chunk_builder_note_closed(self->builder, line, shard, complete_ns);
}

/* ---- frames ---- */

/* Hide the frame's secrets, and write an event about it. */
static td_result hide_secrets(feed_writer *self, feed_frame *frame, td_err *err)
{
    if (self->options.secrets == NULL)
        return TD_OK;
    const td_bytes bytes = frame->bytes;
    int is_binary = frame->opcode == OPCODE_BINARY;
    redaction found = frame->dir == CHANNEL_OUT
                          ? frame_redactor_apply_sent(&self->frame_redactor, self->options.secrets,
                                                      bytes, is_binary, &frame->bytes)
                          : frame_redactor_apply(&self->frame_redactor, self->options.secrets,
                                                 bytes, is_binary, &frame->bytes);
    if (found.count == 0)
        return TD_OK;
    const event hidden = {.kind = EVENT_REDACTED,
                          .line = frame->line,
                          .shard = frame->shard,
                          .conn = frame->conn,
                          .what = "frame",
                          .state = found.is_whole ? "overwritten" : NULL,
                          .dir = channel_dir_name(frame->dir),
                          .ordinal = frame->ordinal,
                          .offset = found.first_offset,
                          .bytes = found.bytes};
    count(&self->counts.redacted, found.count);
    return feed_writer_event(self, frame->recv_ns, &hidden, err);
}

/* If the number of an inbound frame shows that frames before it did not arrive, write a gap of the
 * connection. */
static td_result check_number(feed_writer *self, uint32_t slot, const feed_frame *frame,
                              td_err *err)
{
    const exchange_row *exchange = self->options.family->exchange;
    slot_counter *of = &self->counters[slot];
    if (frame->dir != CHANNEL_IN || exchange->frames.counter.size == 0 || self->options.is_copy)
        return TD_OK;
    if (of->conn != frame->conn)
        *of = (slot_counter){.conn = frame->conn, .last_ns = frame->recv_ns};
    const counted_frame number =
        conn_counter_apply(&of->numbers, exchange, frame->ordinal, frame->bytes);
    const uint64_t from_ns = of->last_ns;
    of->last_ns = frame->recv_ns;
    if (TD_LIKELY(number.expected == number.found))
        return TD_OK;
    char detail[128];
    event gap = slot_gap_before(frame, self->options.name, from_ns, RULE_CONN_DENSE);
    gap.gap.detail = detail;
    if (number.found > number.expected)
        gap.gap.frames_lost = number.found - number.expected;
    (void)snprintf(detail, sizeof detail, "%s: expected %" PRIu64 ", found %" PRIu64, /* fits */
                   rule_name(RULE_CONN_DENSE), number.expected, number.found);
    const uint64_t gap_count = td_log_rate_count(&self->missing_log, frame->recv_ns);
    if (gap_count > 0)
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "%s: frames of connection %u are missing (%s; %" PRIu64
                    " times since the last warning)",
                    self->options.name, frame->conn, detail, gap_count);
    of->lost_from_ns = of->lost_from_ns == 0 ? from_ns : of->lost_from_ns;
    count(&self->counts.sequence_gaps, 1);
    return feed_writer_event(self, frame->recv_ns, &gap, err);
}

/* Entries of the frame are of symbols whose readers do not see it: write a gap of the topic, of all
 * its symbols, because a book cannot take a part of a frame. */
static td_result write_several(feed_writer *self, uint32_t slot, const feed_frame *frame,
                               const topic_row *row, td_err *err)
{
    slot_counter *of = &self->counters[slot];
    char topic[LIMIT_TOPIC_BYTES];
    event gap =
        slot_gap_before(frame, self->options.name, self->slots[slot].last_ns, RULE_SYMBOL_MATCHES);
    if (self->options.is_copy)
        return TD_OK;
    (void)snprintf(topic, sizeof topic, "%s", frame->info->topic); /* fits */
    gap.gap.topic = topic;
    gap.gap.detail = "a frame has entries of several symbols";
    if (topic_row_has_state(row) && of->lost_from_ns == 0)
        of->lost_from_ns = gap.gap.from_ns;
    const uint64_t frame_count = td_log_rate_count(&self->several_log, frame->recv_ns);
    if (frame_count > 0)
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "%s: a frame of %s has entries of several symbols (%" PRIu64
                    " such frames since the last warning)",
                    self->options.name, topic, frame_count);
    count(&self->counts.sequence_gaps, 1);
    return feed_writer_event(self, frame->recv_ns, &gap, err);
}

/* Find the frame's channel in the segment that it will be written to. */
static td_result route_frame(feed_writer *self, uint32_t slot, feed_frame *frame,
                             channel_route *out, td_err *err)
{
    td_result rc = prepare_message(self, frame->recv_ns, err);
    if (rc != TD_OK)
        return rc;
    channel_router_route(self->router, frame, out);
    if (TD_LIKELY(grants_ignores(self->grants, out) && out->several == NULL))
        return TD_OK;
    uint32_t segment_number = self->segment_number;
    if (!grants_ignores(self->grants, out))
        rc = write_changes(self, grants_apply(self->grants, slot, frame, out), frame->recv_ns, err);
    if (rc == TD_OK && self->segment_number != segment_number)
        channel_router_route(self->router, frame, out);
    segment_number = self->segment_number;
    if (rc == TD_OK && out->several != NULL)
        rc = write_several(self, slot, frame, out->several, err);
    /* The events may have filled the segment; the frame then needs a channel in the new one. */
    if (rc == TD_OK)
        rc = prepare_message(self, frame->recv_ns, err);
    if (rc == TD_OK && self->segment_number != segment_number)
        channel_router_route(self->router, frame, out);
    return rc;
}

static void count_frame(feed_writer *self, const feed_frame *frame, const channel_route *route)
{
    live_counts *counts = &self->counts;
    count(frame->dir == CHANNEL_IN    ? &counts->in
          : frame->dir == CHANNEL_OUT ? &counts->out
                                      : &counts->http,
          1);
    count(&counts->bytes, frame->bytes.size);
    if (TD_UNLIKELY(route->is_overflow)) {
        count(&counts->overflow, 1);
        if (!self->is_overflow_logged)
            td_log_emit(self->options.log, TD_LOG_WARNING,
                        "%s: more than %u topics and symbols in one segment: further ones are "
                        "recorded as _unknown until the segment ends; replay classifies them again",
                        self->options.name, LIMIT_TOPIC_CHANNELS);
        self->is_overflow_logged = 1;
    }
    if (route->role == ROLE_CONTROL)
        count(&counts->control, 1);
    else if (route->role == ROLE_UNKNOWN)
        count(&counts->unknown, 1);
}

td_result feed_writer_frame(feed_writer *self, feed_frame *frame, feed_written *written,
                            td_err *err)
{
    const trade_grant no_trades = {0};
    TD_ASSERT(frame->bytes.size <= LIMIT_FRAME_BYTES);
    TD_ASSERT((frame->conn == 0) == (frame->dir == CHANNEL_HTTP));
    feed_slot *slot = frame->conn == 0 ? NULL : get_slot(self, frame->line, frame->shard);
    uint32_t slot_index = slot == NULL ? 0 : (uint32_t)(slot - self->slots);
    uint64_t *last = slot == NULL ? NULL : frame->dir == CHANNEL_IN ? &slot->at.in : &slot->at.out;
    TD_ASSERT(slot == NULL || frame->ordinal != 0 || slot->at.conn == frame->conn);
    if (last != NULL && frame->ordinal == 0)
        frame->ordinal = *last + 1;
    td_result rc = check_number(self, slot_index, frame, err);
    if (rc == TD_OK)
        rc = hide_secrets(self, frame, err);
    if (rc == TD_OK)
        rc = route_frame(self, slot_index, frame, &written->route, err);
    if (rc == TD_OK)
        rc = append(self, frame, err);
    if (rc != TD_OK)
        return rc;
    if (slot != NULL) {
        *last = frame->ordinal;
        slot->last_ns = frame->recv_ns;
    }
    count_frame(self, frame, &written->route);
    written->segment = self->segment_number;
    written->wants_checkpoint = wants_checkpoint(self, &written->route);
    written->granted_ns = slot == NULL ? 0 : grants_from_ns(self->grants, slot_index);
    written->trades =
        slot == NULL ? no_trades : grants_of_trades(self->grants, slot_index, frame->info);
    written->lost_from_ns = slot == NULL ? 0 : self->counters[slot_index].lost_from_ns;
    if (written->route.frame_class == CLASS_DATA)
        self->counters[slot_index].lost_from_ns = 0;
    return TD_OK;
}

void feed_writer_count_topics(feed_writer *self, uint64_t now_ns)
{
    if (TD_LIKELY(!grants_are_due(self->grants, now_ns)))
        return;
    td_buf overdue;
    td_buf_init(&overdue, OVERDUE_BYTES);
    const grants_counts found = grants_count(self->grants, now_ns, &overdue);
    atomic_store_explicit(&self->counts.granted, found.granted, memory_order_relaxed);
    atomic_store_explicit(&self->counts.silent, found.silent, memory_order_relaxed);
    atomic_store_explicit(&self->counts.overdue, found.overdue, memory_order_relaxed);
    if (overdue.size > 0)
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "%s: granted, but without a frame for a minute: %.*s", self->options.name,
                    (int)overdue.size, (const char *)overdue.data);
    td_buf_fini(&overdue);
}

static uint64_t read_count(const atomic_ullong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

feed_counts feed_writer_get_counts(const feed_writer *self)
{
    const live_counts *live = &self->counts;
    return (feed_counts){.in = read_count(&live->in),
                         .out = read_count(&live->out),
                         .http = read_count(&live->http),
                         .bytes = read_count(&live->bytes),
                         .control = read_count(&live->control),
                         .unknown = read_count(&live->unknown),
                         .overflow = read_count(&live->overflow),
                         .redacted = read_count(&live->redacted),
                         .sequence_gaps = read_count(&live->sequence_gaps),
                         .topics = {.granted = read_count(&live->granted),
                                    .silent = read_count(&live->silent),
                                    .overdue = read_count(&live->overdue)}};
}
