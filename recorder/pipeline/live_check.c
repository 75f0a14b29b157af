#include "recorder/pipeline/live_check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/ring.h"
#include "recorder/pipeline/live_channels.h"
#include "schema/decode.h"

#define DAY_NS (86400 * TD_NS_PER_S)

/* A record in the live check's ring, before the frame's bytes and their padding. */
typedef struct live_check_record {
    feed_frame frame;
    uint64_t granted_ns;
    trade_grant trades;
    uint64_t lost_from_ns; /* as in feed_written */
    live_channel *channel; /* NULL: the thread must end */
    uint32_t segment;
    uint32_t skipped; /* number of frames, of any channel, that were skipped before this frame */
    uint8_t wants_checkpoint;
} live_check_record;

struct live_check {
    live_check_options options;
    pthread_t thread;
    td_ring *ring;
    live_findings *findings;
    live_feed feeds[LIMIT_FEEDS];
    /* Used by the encoder thread. */
    live_channels channels;
    uint32_t skipped_pending; /* skipped frames, for the next record */
    /* Used by the live check's thread. */
    decoder *decoder;
    uint64_t swept_ns; /* when silences were looked at last */
    size_t state_bytes;
    checkpoint_maker checkpoints;
    uint8_t has_holes; /* 1: frames were skipped or a state was dropped, so a new topic's snapshot
                          may have been missed */
    atomic_ullong put_count,
        done_count; /* records; release/acquire: if equal, all findings are available */
    /* For the status line. */
    atomic_ullong frames, skipped, undecoded, violations, broken;
};

/* Add to a number that only one thread writes, without a locked instruction. */
static void count(atomic_ullong *counter, uint64_t more)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more, memory_order_release);
}

/* Add to a number that both threads write. */
static void count_shared(atomic_ullong *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* Update the number of broken books, after a change of one that was broken from was_broken on. */
static void count_broken(live_check *self, const live_book *of, uint64_t was_broken)
{
    if ((of->broken_from_ns != 0) != (was_broken != 0))
        count(&self->broken, was_broken == 0 ? 1 : UINT64_MAX); /* one less, modulo 2^64 */
}

/* ---- the states of symbols ---- */

static void close_state(live_check *self, live_symbol *symbol)
{
    if (symbol->entry->state == NULL)
        return;
    self->has_holes = 1;
    self->state_bytes -= symbol->state_bytes;
    symbol_state_close(symbol->entry->state);
    symbol->entry->state = NULL;
    symbol->state_bytes = 0;
    for (live_channel *at = symbol->channels; at != NULL; at = at->next) {
        const uint64_t was_broken = at->book.broken_from_ns;
        at->state = NULL;
        live_book_drop(&at->book);
        count_broken(self, &at->book, was_broken);
    }
}

/* Update the memory in use, after a frame. Beyond the limit the symbol loses its state. */
static void charge(live_check *self, live_symbol *symbol)
{
    size_t bytes = symbol_state_bytes(symbol->entry->state);
    self->state_bytes += bytes - symbol->state_bytes; /* may be negative, modulo 2^64 */
    symbol->state_bytes = bytes;
    if (TD_LIKELY(self->state_bytes <= self->options.memory_bytes - self->channels.bytes_max))
        return;
    close_state(self, symbol);
    symbol->is_dropped = 1;
    for (live_channel *at = symbol->channels; at != NULL; at = at->next)
        count_shared(&symbol->feed->unchecked_books, 1);
}

/* ---- segments ---- */

/* Save the states that the feed's symbols have after the feed's last frame. */
static void make_checkpoint(live_check *self, live_feed *feed, uint32_t segment)
{
    uint64_t unchecked = atomic_load_explicit(&feed->unchecked_books, memory_order_relaxed);
    if (self->has_holes || unchecked > 0 || feed->last_ns == 0)
        return;
    for (const live_symbol *at = feed->active; at != NULL; at = at->next)
        checkpoint_maker_add(&self->checkpoints, at->entry);
    checkpoint_maker_finish(&self->checkpoints, feed->config->name, feed->last_ns + 1, segment,
                            &feed->checkpoint);
}

/* A segment of the feed begins. While more than half of the memory is used, symbols without a frame
 * in the previous segment lose their state. If half is free after that, dropped symbols are checked
 * again. */
static void begin_segment(live_check *self, live_feed *feed, uint32_t segment)
{
    size_t half = self->options.memory_bytes / 2;
    for (live_symbol *at = feed->active; at != NULL; at = at->next)
        if (at->segment != feed->segment && self->state_bytes > half)
            close_state(self, at);
    for (live_symbol *at = feed->active; at != NULL; at = at->next)
        if (self->state_bytes <= half)
            at->is_dropped = 0;
    feed->segment = segment;
}

/* Frames of unknown channels were skipped before recv_ns: maybe of each channel of the feed. */
static void note_skipped(live_feed *feed, uint64_t recv_ns)
{
    for (live_symbol *symbol = feed->active; symbol != NULL; symbol = symbol->next)
        for (live_channel *at = symbol->channels; at != NULL; at = at->next) {
            at->silence.heard_ns = at->silence.sent_ns = recv_ns;
            if (at->state != NULL)
                symbol_topic_skip(at->state, recv_ns);
        }
}

/* 1 if the connection has ended: its channel has had frames of a later connection. */
static int conn_has_ended(void *user, const choice_conn *conn, uint64_t recv_ns)
{
    (void)user;
    (void)recv_ns;
    return frame_conn_key(conn->at) != conn->number;
}

static void activate(live_channel *channel)
{
    live_symbol *symbol = channel->symbol;
    if (!symbol->is_active) {
        symbol->next = symbol->feed->active;
        symbol->feed->active = symbol;
        symbol->is_active = 1;
    }
    if (!channel->is_active) {
        channel->next = symbol->channels;
        symbol->channels = channel;
        channel->is_active = 1;
    }
}

/* Find or make the state for a frame of the channel. Returns 0 if the symbol is dropped. */
static int find_state(live_check *self, live_channel *channel, const live_check_record *record)
{
    live_symbol *symbol = channel->symbol;
    if (TD_UNLIKELY(!channel->is_active))
        activate(channel);
    symbol->segment = record->segment;
    if (symbol->is_dropped)
        return 0;
    symbol_state *state = symbol_entry_state(symbol->entry, SYMBOL_WITH_AUDITS);
    if (TD_UNLIKELY(self->has_holes))
        symbol_state_join(state);
    if (channel->state == NULL) {
        td_bytes topic = td_bytes_str(channel->topic.info.topic);
        channel->state = symbol_state_topic(state, topic, channel->topic.info.line);
        if (channel->state->user == NULL)
            channel->state->user = channel;
    }
    channel->conn.number = record->frame.conn;
    return 1;
}

/* ---- books ---- */

int live_check_is_gap(const gap_row *found)
{
    return found->reason != GAP_STALE && strcmp(found->cause, LIVE_FINDINGS_NARROW) != 0;
}

int live_check_next_finding(live_check *self, uint16_t *feed_index, gap_row *out)
{
    return live_findings_next(self->findings, feed_index, out);
}

/* Frames of a connection were lost, of any topic: each of its books needs a snapshot. All feeds are
 * searched, because a feed that was removed and added again shares its symbols. */
static void lose_books(live_check *self, const live_slot *slot, uint64_t from_ns)
{
    for (size_t f = 0; f < LIMIT_FEEDS; f++)
        for (const live_symbol *symbol = self->feeds[f].active; symbol != NULL;
             symbol = symbol->next)
            for (live_channel *at = symbol->channels; at != NULL; at = at->next)
                if (at->silence.slot == slot && at->state != NULL &&
                    topic_row_has_state(at->topic.match.row)) {
                    const uint64_t was_broken = at->book.broken_from_ns;
                    live_book_lose(&at->book, self->findings, &at->topic, slot->conn, from_ns,
                                   at->feed->last_ns);
                    count_broken(self, &at->book, was_broken);
                }
}

/* ---- audits ---- */

/* Report an audit's finding for one of its topics. */
static void report_topic(live_check *self, const audit_item *item, const audit_party *about)
{
    int is_aggregate = item->verdict.rule == RULE_TRADES_COMPLETE;
    TD_ASSERT(about->member != NULL);
    const symbol_topic *topic = about->member->user;
    live_channel *channel = topic->user;
    gap_row gap = live_findings_gap(
        &channel->topic, is_aggregate ? GAP_AGGREGATE : GAP_SEQUENCE, item->time.from_ns,
        is_aggregate || item->event == AUDIT_AGREES ? item->time.to_ns : GAP_OPEN,
        rule_name(item->verdict.rule), about->conn);
    gap.shard = about->shard; /* the topic's connection at the time of the finding */
    live_findings_report(self->findings, &channel->topic, &gap, &item->verdict,
                         channel->feed->last_ns);
}

/* ---- silent topics ---- */

static void report_silence(live_check *self, live_channel *channel, uint64_t to_ns)
{
    char detail[160];
    live_silence_text(&channel->silence, detail, sizeof detail);
    gap_row gap = live_findings_gap(&channel->topic, GAP_STALE, channel->silence.from_ns, to_ns,
                                    GAP_CAUSE_SILENT, channel->silence.slot->conn);
    gap.detail = detail;
    live_findings_pass(self->findings, &channel->topic, &gap, channel->feed->last_ns);
}

/* Once a second: find topics that have ceased. */
static void sweep(live_check *self, const live_feed *feed, uint64_t now_ns)
{
    for (const live_symbol *symbol = feed->active; symbol != NULL; symbol = symbol->next)
        for (live_channel *at = symbol->channels; at != NULL; at = at->next)
            if (live_silence_is_found(&at->silence, at->feed->config->silence_factor, now_ns))
                report_silence(self, at, GAP_OPEN);
}

/* A frame of the channel ends its silence. */
static void hear(live_check *self, live_channel *channel, const feed_frame *frame)
{
    const uint64_t sent_ns = frame->complete_ns != 0 && frame->complete_ns < frame->recv_ns
                                 ? frame->complete_ns
                                 : frame->recv_ns;
    live_slot_hear(channel->silence.slot, frame->conn, frame->recv_ns, sent_ns);
    if (channel->silence.from_ns != 0)
        report_silence(self, channel, frame->recv_ns);
    if (channel->conn.number != frame->conn)
        rhythm_restart(&channel->silence.rhythm);
    live_silence_hear(&channel->silence, frame->recv_ns, sent_ns);
    if (TD_LIKELY(frame->recv_ns < self->swept_ns + TD_NS_PER_S))
        return;
    self->swept_ns = frame->recv_ns;
    for (size_t f = 0; f < LIMIT_FEEDS; f++)
        sweep(self, &self->feeds[f], frame->recv_ns);
}

/* ---- one frame ---- */

static void check_frame(live_check *self, const live_check_record *record)
{
    live_channel *channel = record->channel;
    live_feed *feed = channel->feed;
    const td_bytes bytes = record->frame.bytes;
    if (record->skipped > 0) {
        self->has_holes = 1;
        for (size_t f = 0; f < LIMIT_FEEDS; f++)
            note_skipped(&self->feeds[f], record->frame.recv_ns);
    }
    if (record->segment != feed->segment)
        begin_segment(self, feed, record->segment);
    if (record->wants_checkpoint)
        make_checkpoint(self, feed, record->segment);
    feed->last_ns = record->frame.recv_ns;
    hear(self, channel, &record->frame);
    if (TD_UNLIKELY(record->lost_from_ns != 0))
        lose_books(self, channel->silence.slot, record->lost_from_ns);
    if (!find_state(self, channel, record)) {
        count_shared(&self->skipped, 1);
        return;
    }
    /* A row with dates applies to its days only. After these days the topic and its book continue
     * with the next row. */
    uint64_t day = record->frame.recv_ns / DAY_NS;
    if (channel->topic.match.row != NULL && topic_row_is_dated(channel->topic.match.row) &&
        day != channel->row_day) {
        const family *of = feed->config->family;
        channel->row_day = day;
        channel->topic.match.row = topic_row_at(of->topics, of->topic_count,
                                                channel->topic.match.row, record->frame.recv_ns);
    }
    if (channel->topic.match.row == NULL)
        return;
    count(&self->frames, 1);
    message decoded;
    decode_error why;
    topic_match as = channel->topic.match;
    as.row = topic_row_of_form(as.row, record->frame.form);
    int is_decoded = decoder_decode(self->decoder, &as, bytes, DECODE_PATH_FAST, &decoded, &why);
    count(&self->undecoded, !is_decoded);
    frame_ref frame = {.recv_ns = record->frame.recv_ns,
                       .conn = &channel->conn,
                       .row = channel->topic.match.row,
                       .content = {.message = is_decoded ? &decoded : NULL},
                       .bytes = bytes,
                       .granted_ns = record->granted_ns,
                       .trades = record->trades};
    symbol_verdict found;
    conn_choice_set(&channel->state->choice, &frame, conn_has_ended, NULL);
    symbol_topic_apply(channel->state, &frame, &found);
    if (is_decoded) {
        const uint64_t was_broken = channel->book.broken_from_ns;
        if (verdict_violation(&found.rules) != NULL)
            count(&self->violations, 1);
        live_book_apply(&channel->book, self->findings, &channel->topic, record->frame.conn,
                        record->frame.recv_ns, &found);
        count_broken(self, &channel->book, was_broken);
    }
    /* Only errors are reported. If two books contradict each other, either may be wrong, so both
     * get a gap. */
    for (uint32_t i = 0; i < found.audit.count; i++) {
        const audit_item *item = &found.audit.items[i];
        if (item->verdict.strength != STRENGTH_ERROR)
            continue;
        count(&self->violations, item->event == AUDIT_DIFFERS);
        report_topic(self, item, &item->about);
        if (item->against.member != NULL)
            report_topic(self, item, &item->against);
    }
    channel->book.last_ns = record->frame.recv_ns;
    charge(self, channel->symbol);
}

/* ---- taking frames, on the encoder thread ---- */

/* Pass a record to the thread. If the ring is full, the frame is skipped, and the next record marks
 * the books as unchecked. Never waits. */
static int put_into_ring(live_check *self, const live_check_record *record)
{
    const td_bytes frame = record->frame.bytes;
    size_t bytes = sizeof *record + frame.size + DECODE_PADDING_BYTES;
    live_check_record *in_ring = td_ring_reserve(self->ring, bytes);
    if (in_ring == NULL) {
        self->skipped_pending++;
        count_shared(&self->skipped, 1);
        return 0;
    }
    *in_ring = *record;
    in_ring->frame.bytes = td_bytes_of(in_ring + 1, frame.size);
    memcpy(in_ring + 1, frame.data, frame.size);
    self->skipped_pending = 0;
    count(&self->put_count, 1);
    td_ring_commit(self->ring, bytes);
    return 1;
}

void live_check_put(live_check *self, uint16_t feed_index, const feed_frame *frame,
                    const feed_written *written)
{
    TD_ASSERT(feed_index < LIMIT_FEEDS);
    TD_ASSERT(frame->bytes.size <= LIMIT_FRAME_BYTES);
    if (written->route.frame_class != CLASS_DATA)
        return;
    live_feed *feed = &self->feeds[feed_index];
    live_channel *channel = written->route.notes->live;
    if (TD_UNLIKELY(channel == NULL)) { /* the channel is looked up once per segment */
        channel = live_channels_get(&self->channels, feed, frame->info, frame->recv_ns);
        count_shared(&feed->unchecked_books, channel->kind == LIVE_NO_SPACE);
        written->route.notes->live = channel;
    }
    if (written->wants_checkpoint)
        feed->wants_checkpoint = 1;
    if (channel->kind == LIVE_NO_ROW)
        return;
    if (channel->kind == LIVE_NO_SPACE) {
        count_shared(&self->skipped, 1);
        return;
    }
    const live_check_record record = {.frame = *frame,
                                      .granted_ns = written->granted_ns,
                                      .trades = written->trades,
                                      .lost_from_ns = written->lost_from_ns,
                                      .channel = channel,
                                      .segment = written->segment,
                                      .skipped = self->skipped_pending,
                                      .wants_checkpoint = feed->wants_checkpoint};
    if (self->ring == NULL)
        check_frame(self, &record);
    else if (!put_into_ring(self, &record))
        return;
    if (record.wants_checkpoint)
        feed->wants_checkpoint = 0;
}

void live_check_write_checkpoint(live_check *self, uint16_t feed_index, feed_writer *writer)
{
    live_checkpoint_fetch(&self->feeds[feed_index].checkpoint, writer);
}

/* ---- the thread ---- */

/* The thread sleeps until its ring has this many bytes, because each wake-up costs the encoder a
 * system call. */
enum { WAIT_BYTES = 256 << 10 };
#define WAIT_NS (20 * TD_NS_PER_MS)

static void *run(void *arg)
{
    live_check *self = arg;
    for (;;) {
        td_bytes view = td_ring_peek(self->ring);
        if (view.data == NULL) {
            td_ring_wait_bytes(self->ring, WAIT_BYTES, WAIT_NS);
            continue;
        }
        live_check_record record;
        TD_ASSERT(view.size >= sizeof record);
        memcpy(&record, view.data, sizeof record);
        if (record.channel == NULL)
            break;
        TD_ASSERT(record.frame.bytes.size <= view.size - sizeof record);
        check_frame(self, &record);
        td_ring_release(self->ring);
        count(&self->done_count, 1);
    }
    return NULL;
}

static void free_all(live_check *self)
{
    live_channels_fini(&self->channels);
    for (size_t f = 0; f < LIMIT_FEEDS; f++)
        live_feed_fini(&self->feeds[f]);
    decoder_close(self->decoder);
    td_ring_close(self->ring);
    live_findings_close(self->findings);
    checkpoint_maker_fini(&self->checkpoints);
    td_free(self);
}

td_result live_check_open(const live_check_options *options, live_check **out, td_err *err)
{
    TD_ASSERT(options->config->feed_count <= LIMIT_FEEDS);
    live_check *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    if (self->options.memory_bytes == 0)
        self->options.memory_bytes = LIMIT_LIVE_CHECK_BYTES;
    self->channels = (live_channels){.bytes_max = self->options.memory_bytes / 4,
                                     .session = options->session,
                                     .is_recorder = options->is_recorder};
    self->decoder = decoder_open();
    checkpoint_maker_init(&self->checkpoints, options->log);
    for (uint16_t f = 0; f < LIMIT_FEEDS; f++) {
        self->feeds[f].index = f;
        self->feeds[f].config = &options->config->feeds[f];
    }
    td_result rc =
        live_findings_open(LIVE_CHECK_FINDINGS_BYTES, options->log, &self->findings, err);
    if (rc == TD_OK && options->ring_bytes > 0)
        rc = td_ring_open(options->ring_bytes, &self->ring, err);
    if (rc == TD_OK && self->ring != NULL) {
        int failure = pthread_create(&self->thread, NULL, run, self);
        if (failure != 0)
            rc = td_err_set_os(err, failure, "cannot start the live check's thread");
    }
    if (rc != TD_OK) {
        free_all(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

static void end_thread(live_check *self)
{
    live_check_record *in_ring;
    while ((in_ring = td_ring_reserve(self->ring, sizeof *in_ring)) == NULL)
        sched_yield();
    *in_ring = (live_check_record){0};
    td_ring_commit(self->ring, sizeof *in_ring);
    td_ring_wake(self->ring);
    pthread_join(self->thread, NULL);
}

void live_check_close(live_check *self)
{
    if (self == NULL)
        return;
    if (self->ring != NULL)
        end_thread(self);
    free_all(self);
}

int live_check_is_idle(const live_check *self)
{
    unsigned long long done = atomic_load_explicit(&self->done_count, memory_order_acquire);
    return done == atomic_load_explicit(&self->put_count, memory_order_acquire);
}

uint64_t live_check_unchecked_books(const live_check *self, uint16_t feed_index)
{
    return atomic_load_explicit(&self->feeds[feed_index].unchecked_books, memory_order_relaxed);
}

void live_check_get_stats(const live_check *self, live_check_stats *out)
{
    uint64_t unchecked = 0;
    for (size_t i = 0; i < LIMIT_FEEDS; i++)
        unchecked += live_check_unchecked_books(self, (uint16_t)i);
    *out = (live_check_stats){
        .frames = atomic_load_explicit(&self->frames, memory_order_relaxed),
        .skipped = atomic_load_explicit(&self->skipped, memory_order_relaxed),
        .undecoded = atomic_load_explicit(&self->undecoded, memory_order_relaxed),
        .violations = atomic_load_explicit(&self->violations, memory_order_relaxed),
        .broken = atomic_load_explicit(&self->broken, memory_order_relaxed),
        .unchecked_books = unchecked,
        .states_left_out = atomic_load_explicit(&self->checkpoints.left_out, memory_order_relaxed),
    };
}
