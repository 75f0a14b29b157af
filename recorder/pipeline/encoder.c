#include "recorder/pipeline/encoder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_share.h"
#include "recorder/capture/feed_writer.h"
#include "recorder/capture/slot_gaps.h"
#include "archive/event.h"
#include "recorder/pipeline/intake.h"

/* Chunks close after this fraction of the commit interval; the rest is for compressing and syncing.
 */
#define CLOSE_PART_NUMERATOR   3
#define CLOSE_PART_DENOMINATOR 4

/* Fill of the ring in percent. Once it reaches the first value, zstd's fast levels are used, until
 * the fill is below the second value. */
enum { FAST_FROM_PERCENT = 50, FAST_UNTIL_PERCENT = 25 };

/* State of one feed. */
typedef struct feed_state {
    encoder *encoder;
    size_t index;
    feed_writer *writer;
    uint64_t pending_since_mono_ns; /* when the first pending message was appended; 0: nothing is
                                       pending */
    uint64_t oldest_mono_ns;        /* receipt time of the oldest pending message */
    uint64_t unchecked_books;       /* number of books dropped by the live check, when last read */
    uint32_t unchecked_segment;     /* the segment with the last event about dropped books */
    time_share inflating;           /* time spent on compressed frames */
    uint64_t discard_until_mono_ns; /* compressed frames received before this time are discarded; 0:
                                       nothing is discarded */
    uint8_t is_discard_logged;
    slot_drops drops[LIMIT_FEED_LINE_NUMBERS][LIMIT_FEED_SLOTS]; /* by line and shard */
} feed_state;

struct encoder {
    encoder_options options;
    pthread_t thread;
    feed_state *feeds;        /* LIMIT_FEEDS: feeds may be added */
    atomic_size_t feed_count; /* feeds that are open; release/acquire */
    uint64_t close_after_ns;
    uint64_t record_mono_ns;                 /* time of receipt of the current record */
    uint64_t newest_recv_ns, newest_mono_ns; /* of the record with the latest receive time */
    uint8_t is_fast;
    uint8_t has_failed; /* 1: records are taken and discarded */
    td_result result;
    td_err err;
    /* Relaxed: independent numbers for the status line. */
    atomic_ullong chunks, compressed_bytes, discarded, discarded_gaps;
};

static void count(atomic_ullong *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* Note the failure: all frames from now on are lost. */
static void fail(encoder *self, td_result rc)
{
    TD_ASSERT(rc != TD_OK);
    TD_ASSERT(!self->has_failed);
    self->result = rc;
    self->has_failed = 1;
    disk_fail(self->options.disk);
}

/* ---- chunks ---- */

/* Pass the pending chunk to the disk thread; waits for an empty chunk, while the ring fills.
 * Failures of the disk thread are reported by that thread. */
static td_result seal(feed_state *feed, td_err *err)
{
    encoder *self = feed->encoder;
    /* If one record fills several chunks, all have its time of receipt. */
    uint64_t oldest_mono_ns =
        feed->pending_since_mono_ns == 0 ? self->record_mono_ns : feed->oldest_mono_ns;
    feed->pending_since_mono_ns = 0;
    if (feed_writer_pending_count(feed->writer) == 0)
        return TD_OK;
    sealed_chunk *chunk = disk_take(self->options.disk);
    if (chunk == NULL) {
        self->has_failed = 1;
        return td_err_set(err, TD_E_IO, "the disk thread has failed");
    }
    if (self->options.live_check != NULL)
        live_check_write_checkpoint(self->options.live_check, (uint16_t)feed->index, feed->writer);
    /* Two thresholds, so that the level does not change with every chunk. */
    size_t used = td_ring_used_bytes(self->options.ring);
    size_t percent = used / (td_ring_capacity_bytes(self->options.ring) / 100);
    if (percent >= FAST_FROM_PERCENT)
        self->is_fast = 1;
    else if (percent < FAST_UNTIL_PERCENT)
        self->is_fast = 0;
    int level = self->is_fast ? CHUNK_LEVEL_FAST : CHUNK_LEVEL_DEFAULT;
    int is_sealed = feed_writer_seal(feed->writer, level, chunk);
    TD_ASSERT(is_sealed);
    count(&self->chunks, 1);
    count(&self->compressed_bytes, chunk->compressed_bytes);
    if (self->options.lag != NULL)
        lag_sealed(self->options.lag, oldest_mono_ns, chunk);
    disk_put(self->options.disk, feed->index);
    return TD_OK;
}

static td_result on_full(void *user, td_err *err)
{
    return seal(user, err);
}

/* Seal between two records. */
static void seal_now(encoder *self, feed_state *feed)
{
    td_result rc = self->has_failed ? TD_OK : seal(feed, &self->err);
    if (rc != TD_OK && !self->has_failed)
        fail(self, rc);
}

/* ---- feeds ---- */

static size_t feed_count(const encoder *self)
{
    return atomic_load_explicit(&self->feed_count, memory_order_acquire);
}

/* Open the next feed. */
static void open_feed(encoder *self)
{
    const size_t index = feed_count(self);
    const pipeline_feed *config = &self->options.config->feeds[index];
    feed_state *feed = &self->feeds[index];
    *feed = (feed_state){.encoder = self, .index = index};
    const feed_writer_options options = {.name = config->name,
                                         .family = config->family,
                                         .session = self->options.session,
                                         .secrets = config->redactor,
                                         .log = self->options.log,
                                         .segment_count = config->segment_count,
                                         .alone_ns = config->alone_ns,
                                         .full = on_full,
                                         .user = feed};
    feed->writer = feed_writer_open(&options);
    atomic_store_explicit(&self->feed_count, index + 1, memory_order_release);
}

/* ---- the live check ---- */

/* If the live check has dropped books of the feed, write an event once per segment, and log a
 * warning once. */
static td_result note_unchecked(encoder *self, const intake_record *record, td_err *err)
{
    feed_state *feed = &self->feeds[record->feed_index];
    uint64_t books = live_check_unchecked_books(self->options.live_check, record->feed_index);
    if (TD_LIKELY(books == feed->unchecked_books))
        return TD_OK;
    if (feed->unchecked_books == 0)
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "%s: the live check has no memory left for more books: some are recorded "
                    "unchecked; replay checks them",
                    self->options.config->feeds[record->feed_index].name);
    feed->unchecked_books = books;
    if (feed->unchecked_segment == feed_writer_segment(feed->writer))
        return TD_OK;
    const event begun = {
        .kind = EVENT_LIMIT, .what = "books", .state = "begins", .number = LIMIT_LIVE_CHECK_BYTES};
    td_result rc = feed_writer_event(feed->writer, record->frame.recv_ns, &begun, err);
    feed->unchecked_segment = feed_writer_segment(feed->writer);
    return rc;
}

/* ---- compressed frames ---- */

/* 1 if the redactor or the classifier may inflate the frame. */
static int may_be_compressed(const feed_frame *frame)
{
    const td_bytes bytes = frame->bytes;
    return frame->dir == CHANNEL_IN && bytes.size > 0 &&
           (frame->opcode == OPCODE_BINARY || (*bytes.data != '{' && *bytes.data != '['));
}

static const char *name_of(const feed_state *feed)
{
    return feed->encoder->options.config->feeds[feed->index].name;
}

/* Charge the feed for a compressed frame, received at mono_ns, that took cost_ns. */
static void charge(feed_state *feed, uint64_t mono_ns, uint64_t cost_ns)
{
    if (time_share_spend(&feed->inflating, mono_ns, cost_ns) == 0)
        return;
    feed->discard_until_mono_ns = mono_ns + LIMIT_INFLATE_PAUSE_NS;
    if (!feed->is_discard_logged)
        td_log_emit(
            feed->encoder->options.log, TD_LOG_WARNING,
            "%s: overload: compressed frames take more than a quarter of the time: whenever "
            "they do, they are counted and discarded for 10 s",
            name_of(feed));
    feed->is_discard_logged = 1;
}

/* Count a discarded frame; the first discarded frame opens a gap. */
static td_result discard_frame(feed_state *feed, const intake_record *record, td_err *err)
{
    const feed_frame *frame = &record->frame;
    TD_ASSERT(frame->line < LIMIT_FEED_LINE_NUMBERS);
    slot_drops *drops = &feed->drops[frame->line][frame->shard];
    count(&feed->encoder->discarded, 1);
    if (!slot_drops_add(drops, DROP_IN_ENCODER, frame->conn, frame->complete_ns, frame->recv_ns))
        return TD_OK;
    count(&feed->encoder->discarded_gaps, 1);
    const event gap =
        slot_drops_begun(drops, DROP_IN_ENCODER, name_of(feed), frame->line, frame->shard);
    return feed_writer_event(feed->writer, frame->recv_ns, &gap, err);
}

static td_result end_gap(feed_state *feed, uint32_t line, uint32_t shard, uint64_t recv_ns,
                         td_err *err)
{
    event gap;
    return slot_drops_end(&feed->drops[line][shard], DROP_IN_ENCODER, name_of(feed), line, shard,
                          &gap)
               ? feed_writer_event(feed->writer, recv_ns, &gap, err)
               : TD_OK;
}

/* End the feed's open overload gaps, because compressed frames are written again or recording
 * stops. */
static td_result end_discards(feed_state *feed, uint64_t recv_ns, td_err *err)
{
    td_result rc = TD_OK;
    feed->discard_until_mono_ns = 0;
    for (uint32_t line = 0; line < LIMIT_FEED_LINE_NUMBERS; line++)
        for (uint32_t shard = 0; shard < LIMIT_FEED_SLOTS && rc == TD_OK; shard++)
            rc = end_gap(feed, line, shard, recv_ns, err);
    return rc;
}

/* ---- records ---- */

/* Write a frame or an HTTP reply. A reply has neither connection nor ordinal, and is not passed to
 * the live check. */
static td_result write_frame(encoder *self, intake_record *record, td_err *err)
{
    feed_written written;
    td_result rc =
        feed_writer_frame(self->feeds[record->feed_index].writer, &record->frame, &written, err);
    if (rc != TD_OK || self->options.live_check == NULL)
        return rc;
    live_check_put(self->options.live_check, record->feed_index, &record->frame, &written);
    return note_unchecked(self, record, err);
}

static td_result on_frame(encoder *self, intake_record *record, td_err *err)
{
    TD_ASSERT(record->frame.conn > 0);
    TD_ASSERT(record->frame.ordinal > 0);
    if (TD_LIKELY(!may_be_compressed(&record->frame)))
        return write_frame(self, record, err);
    feed_state *feed = &self->feeds[record->feed_index];
    if (feed->discard_until_mono_ns != 0)
        return discard_frame(feed, record, err);
    uint64_t begin_ns = clock_thread_ns(self->options.clock);
    td_result rc = write_frame(self, record, err);
    charge(feed, record->mono_ns, clock_thread_ns(self->options.clock) - begin_ns);
    return rc;
}

static td_result on_closed(encoder *self, const intake_record *record, td_err *err)
{
    const feed_frame *last = &record->frame;
    feed_state *feed = &self->feeds[record->feed_index];
    td_result rc = end_gap(feed, last->line, last->shard, last->recv_ns, err);
    feed_writer_closed(feed->writer, last->line, last->shard, last->complete_ns);
    return rc;
}

static td_result on_stop(encoder *self, const intake_record *record, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < feed_count(self) && rc == TD_OK; i++)
        rc = end_discards(&self->feeds[i], record->frame.recv_ns, err);
    return rc;
}

/* ---- the thread ---- */

static td_result apply(encoder *self, intake_record *record, td_err *err)
{
    feed_state *feed = &self->feeds[record->feed_index];
    if (TD_UNLIKELY(feed->discard_until_mono_ns != 0 &&
                    record->mono_ns >= feed->discard_until_mono_ns)) {
        td_result ended = end_discards(feed, record->frame.recv_ns, err);
        if (ended != TD_OK)
            return ended;
    }
    switch ((intake_kind)record->kind) {
    case INTAKE_FRAME:
        return on_frame(self, record, err);
    case INTAKE_HTTP:
        return write_frame(self, record, err);
    case INTAKE_EVENT:
        TD_ASSERT(record->event != NULL);
        return feed_writer_event(feed->writer, record->frame.recv_ns, record->event, err);
    case INTAKE_ORDINALS: { /* the chain record needs the ordinals, and maybe no later frame shows
                               them */
        const event_slot at = {.line = record->frame.line,
                               .shard = record->frame.shard,
                               .conn = record->frame.conn,
                               .in = record->frame.ordinal,
                               .out = record->ordinal_out,
                               .since_ns = record->frame.recv_ns};
        return feed_writer_ordinals(feed->writer, &at, err);
    }
    case INTAKE_CLOSED:
        return on_closed(self, record, err);
    case INTAKE_ROTATE:
        feed_writer_end_segment(feed->writer);
        return seal(feed, err);
    case INTAKE_STOP:
        return on_stop(self, record, err);
    }
    return TD_OK;
}

/* After a failure, records are taken and discarded. */
static void on_record(encoder *self, intake_record *record)
{
    TD_ASSERT(record->feed_index < LIMIT_FEEDS);
    TD_ASSERT(record->frame.bytes.size <= LIMIT_RING_BYTES);
    if (self->has_failed)
        return;
    while (TD_UNLIKELY(feed_count(self) <= record->feed_index))
        open_feed(self);
    self->record_mono_ns = record->mono_ns;
    if (record->frame.recv_ns > self->newest_recv_ns) {
        self->newest_recv_ns = record->frame.recv_ns;
        self->newest_mono_ns = record->mono_ns;
    }
    feed_state *feed = &self->feeds[record->feed_index];
    td_result rc = apply(self, record, &self->err);
    if (rc != TD_OK && !self->has_failed)
        fail(self, rc);
    /* If the record left messages pending, the time until they are sealed starts. */
    if (rc == TD_OK && feed->pending_since_mono_ns == 0 &&
        feed_writer_pending_count(feed->writer) > 0) {
        feed->pending_since_mono_ns = clock_mono_ns(self->options.clock);
        feed->oldest_mono_ns = record->mono_ns;
    }
}

/* Seal chunks that are due; returns the time until the next chunk is due. */
static uint64_t seal_due(encoder *self)
{
    uint64_t mono_ns = clock_mono_ns(self->options.clock);
    uint64_t wait_ns = self->close_after_ns;
    for (size_t i = 0; i < feed_count(self); i++) {
        uint64_t since_ns = self->feeds[i].pending_since_mono_ns;
        if (since_ns == 0)
            continue;
        uint64_t due_ns = since_ns + self->close_after_ns;
        if (due_ns <= mono_ns)
            seal_now(self, &self->feeds[i]);
        else if (due_ns - mono_ns < wait_ns)
            wait_ns = due_ns - mono_ns;
    }
    return wait_ns;
}

/* Count the topics of each feed that are silent, which no frame of theirs shows. The time is that
 * of receive times, which do not follow each step of the wall clock. */
static void count_topics(encoder *self)
{
    const uint64_t now_ns =
        self->newest_recv_ns + (clock_mono_ns(self->options.clock) - self->newest_mono_ns);
    for (size_t i = 0; i < feed_count(self); i++)
        feed_writer_count_topics(self->feeds[i].writer, now_ns);
}

/* Maximum number of records between two readings of the clock. */
enum { BATCH_RECORDS = 256 };

/* An idle encoder sleeps until the ring has this many bytes, or for this long: waking it for each
 * frame costs the network thread a system call per frame (measured: 250 ns and more, 110 ns in
 * batches). */
enum { BATCH_BYTES = 256 << 10 };
#define BATCH_NS (10 * TD_NS_PER_MS)

/* Process up to BATCH_RECORDS records; returns how many. */
static int read_batch(encoder *self, int *is_stopped)
{
    intake_record record;
    td_bytes view;
    int taken = 0;
    while (taken < BATCH_RECORDS && !*is_stopped &&
           (view = td_ring_peek(self->options.ring)).data != NULL) {
        TD_ASSERT(view.size >= sizeof record);
        memcpy(&record, view.data, sizeof record);
        TD_ASSERT(record.frame.bytes.size <= view.size - sizeof record);
        *is_stopped = record.kind == INTAKE_STOP;
        on_record(self, &record);
        td_ring_release(self->options.ring);
        taken++;
    }
    return taken;
}

static void *run(void *arg)
{
    encoder *self = arg;
    int is_stopped = 0;
    while (!is_stopped) {
        uint64_t wait_ns = seal_due(self);
        count_topics(self);
        if (read_batch(self, &is_stopped) == 0)
            td_ring_wait_bytes(self->options.ring, BATCH_BYTES,
                               wait_ns < BATCH_NS ? wait_ns : BATCH_NS);
    }
    for (size_t i = 0; i < feed_count(self); i++)
        seal_now(self, &self->feeds[i]);
    return NULL;
}

void encoder_close(encoder *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < feed_count(self); i++)
        feed_writer_close(self->feeds[i].writer);
    td_free(self->feeds);
    td_free(self);
}

td_result encoder_open(const encoder_options *options, encoder **out, td_err *err)
{
    TD_ASSERT(options->ring != NULL);
    TD_ASSERT(options->disk != NULL);
    TD_ASSERT(options->config->feed_count > 0);
    encoder *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->close_after_ns =
        options->config->commit_interval_ns / CLOSE_PART_DENOMINATOR * CLOSE_PART_NUMERATOR;
    self->feeds = td_alloc_zero(LIMIT_FEEDS, sizeof *self->feeds);
    while (feed_count(self) < options->config->feed_count)
        open_feed(self);
    int failure = pthread_create(&self->thread, NULL, run, self);
    if (failure != 0) {
        encoder_close(self);
        return td_err_set_os(err, failure, "cannot start the encoder thread");
    }
    *out = self;
    return TD_OK;
}

/* Called after intake_stop(): the thread seals pending messages, and ends. */
td_result encoder_join(encoder *self, td_err *err)
{
    pthread_join(self->thread, NULL);
    if (self->result != TD_OK && err != NULL)
        *err = self->err;
    return self->result;
}

feed_counts encoder_get_feed_counts(const encoder *self, uint16_t feed_index)
{
    return feed_index < feed_count(self) ? feed_writer_get_counts(self->feeds[feed_index].writer)
                                         : (feed_counts){0};
}

void encoder_get_stats(const encoder *self, encoder_stats *out)
{
    *out = (encoder_stats){
        .chunks = atomic_load_explicit(&self->chunks, memory_order_relaxed),
        .compressed_bytes = atomic_load_explicit(&self->compressed_bytes, memory_order_relaxed),
        .discarded = atomic_load_explicit(&self->discarded, memory_order_relaxed),
        .gaps = atomic_load_explicit(&self->discarded_gaps, memory_order_relaxed),
    };
    for (size_t i = 0; i < feed_count(self); i++) {
        const feed_counts feed = feed_writer_get_counts(self->feeds[i].writer);
        out->frames += feed.in + feed.out;
        out->unknown_frames += feed.unknown;
        out->overflow_frames += feed.overflow;
        out->redactions += feed.redacted;
        out->gaps += feed.sequence_gaps;
    }
}
