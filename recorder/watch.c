#include "recorder/watch.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/ring.h"
#include "book/audit.h"
#include "book/continuity.h"
#include "schema/decode.h"
#include "tape/settling.h"

_Static_assert(SETTLING_UNKNOWN == AUDIT_SETTLED_UNKNOWN, "passed on as it is");
_Static_assert(SETTLING_NOT_YET == AUDIT_SETTLED_NOT, "passed on as it is");
#define DAY_NS (86400 * TD_NS_PER_S)

typedef enum record_kind { RECORD_DATA, RECORD_REQUEST, RECORD_ANSWER } record_kind;

/* A record in the watch's ring, before the frame and its padding. */
typedef struct watch_record {
    const channel_info *info; /* NULL: the end */
    uint64_t recv_ns;
    uint32_t channel_index;
    uint32_t conn;
    uint32_t size;
    uint32_t skipped; /* frames of any channel that were skipped before this one */
    uint16_t feed_index;
    uint8_t kind; /* record_kind */
} watch_record;

/* All topics of one symbol of a feed: what an audit compares. */
typedef struct watched_lane {
    const char *symbol; /* of the channel that was met first */
    audit *audit;       /* NULL while no part has a partner, or there was no memory for it */
    uint32_t parts[AUDIT_PARTS];
    uint32_t useful; /* audit_useful_parts of them */
    struct watched_lane *next;
} watched_lane;

/* What is known of one channel. */
typedef struct watched {
    const channel_info *info; /* NULL: not seen yet */
    topic_match topic;
    track *track;       /* NULL: the topic has no row, or there was no memory for it */
    watched_lane *lane; /* NULL: takes no part in audits */
    audit_seat *seat;   /* NULL: not yet, or all are taken */
    audit_part part;
    uint8_t has_no_seat;
    uint8_t is_short; /* its book could not grow, and no snapshot came since: that was said */
    uint64_t row_day; /* days since 1970: the row was looked up for it, if it has dates */
    uint32_t conn;
    uint64_t last_ns;
    uint64_t broken_from_ns; /* 0: not broken */
    uint32_t broken_conn;    /* on which it broke: the snapshot may come on the next one */
    verdict_item broke;
    uint32_t twin; /* 1 + index of the channel that has the topic's track, if its frames come as
                      text and as binary ones, on a channel each; 0: this one */
} watched;

typedef struct watched_feed {
    watched *channels;
    uint32_t capacity;
    watched_lane *lanes;
    uint8_t has_binary; /* some channel of it is of compressed frames */
} watched_feed;

struct watch {
    watch_options options;
    pthread_t thread;
    td_ring *ring;
    decoder *decoder;
    settling settling;
    watched_feed feeds[LIMIT_FEEDS];
    uint32_t skipped_pending; /* encoder thread's: not yet told */
    atomic_ullong put,
        done; /* records; release/acquire: done == put means their findings are out */
    /* Relaxed: shown by a status line. */
    atomic_ullong frames, skipped, undecoded, violations, broken;
};

static void count(atomic_ullong *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* Encoder thread. Never waits: a full ring skips the frame, and the books know that they missed
 * one. */
static void put(watch *self, watch_record record, td_bytes bytes)
{
    /* A record without a channel is the end. */
    TD_ASSERT(record.feed_index < self->options.config->feed_count);
    TD_ASSERT(record.info != NULL);
    TD_ASSERT(bytes.size <= LIMIT_FRAME_BYTES);
    watch_record *place =
        td_ring_reserve(self->ring, sizeof *place + bytes.size + DECODE_PADDING_BYTES);
    if (place == NULL) {
        self->skipped_pending++;
        count(&self->skipped, 1);
        return;
    }
    record.size = (uint32_t)bytes.size;
    record.skipped = self->skipped_pending;
    *place = record;
    self->skipped_pending = 0;
    memcpy(place + 1, bytes.data, bytes.size);
    atomic_fetch_add_explicit(&self->put, 1, memory_order_release);
    td_ring_commit(self->ring, sizeof *place + bytes.size + DECODE_PADDING_BYTES);
}

void watch_put(watch *self, uint16_t feed_index, uint32_t channel_index, const channel_info *info,
               uint32_t conn, uint64_t recv_ns, td_bytes bytes)
{
    const watch_record record = {.info = info,
                                 .recv_ns = recv_ns,
                                 .channel_index = channel_index,
                                 .conn = conn,
                                 .feed_index = feed_index,
                                 .kind = RECORD_DATA};
    put(self, record, bytes);
}

void watch_put_control(watch *self, uint16_t feed_index, watch_control kind,
                       const channel_info *info, uint32_t conn, uint64_t recv_ns, td_bytes bytes)
{
    const watch_record record = {.info = info,
                                 .recv_ns = recv_ns,
                                 .conn = conn,
                                 .feed_index = feed_index,
                                 .kind = kind == WATCH_REQUEST ? RECORD_REQUEST : RECORD_ANSWER};
    put(self, record, bytes);
}

/* The place of a channel, in a table that grows; NULL without memory. */
static watched *find_place(watch *self, const watch_record *record)
{
    watched_feed *feed = &self->feeds[record->feed_index];
    if (record->channel_index >= feed->capacity) {
        uint32_t capacity = feed->capacity == 0 ? 64 : feed->capacity;
        while (capacity <= record->channel_index)
            capacity *= 2;
        watched *channels = td_realloc(feed->channels, capacity, sizeof *channels);
        if (channels == NULL)
            return NULL;
        memset(channels + feed->capacity, 0, (capacity - feed->capacity) * sizeof *channels);
        feed->channels = channels;
        feed->capacity = capacity;
    }
    TD_ASSERT(record->channel_index < feed->capacity);
    return &feed->channels[record->channel_index];
}

static int is_same_topic(const channel_info *a, const channel_info *b)
{
    return a->line == b->line && a->shard == b->shard && a->dir == b->dir &&
           strcmp(a->exchange_topic, b->exchange_topic) == 0 && strcmp(a->symbol, b->symbol) == 0;
}

/* 1 + the index of the channel that has the topic already, for frames of the other opcode; 0: none.
 * Looked for when a channel is met, in feeds that have compressed frames at all. */
static uint32_t find_twin(watched_feed *feed, const channel_info *info)
{
    feed->has_binary |= info->opcode == OPCODE_BINARY;
    if (!feed->has_binary)
        return 0;
    for (uint32_t i = 0; i < feed->capacity; i++) {
        const watched *other = &feed->channels[i];
        if (other->info != NULL && other->info != info && other->twin == 0 &&
            is_same_topic(other->info, info))
            return i + 1;
    }
    return 0;
}

/* What is known of the record's topic. NULL without memory. */
static watched *find_channel(watch *self, const watch_record *record)
{
    watched_feed *feed = &self->feeds[record->feed_index];
    watched *channel = find_place(self, record);
    if (channel == NULL)
        return NULL;
    if (channel->info == NULL) {
        channel->twin = find_twin(feed, record->info);
        channel->info = channel->twin == 0 ? NULL : record->info;
    }
    TD_ASSERT(channel->twin <= feed->capacity);
    return channel->twin == 0 ? channel : &feed->channels[channel->twin - 1];
}

/* The lane of the record's symbol; NULL without memory. */
static watched_lane *find_lane(watch *self, const watch_record *record)
{
    watched_feed *feed = &self->feeds[record->feed_index];
    for (watched_lane *lane = feed->lanes; lane != NULL; lane = lane->next) {
        if (strcmp(lane->symbol, record->info->symbol) == 0)
            return lane;
    }
    watched_lane *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->symbol = record->info->symbol;
    made->next = feed->lanes;
    feed->lanes = made;
    return made;
}

/* A topic that other topics of its symbol can be compared with; without memory it is not. */
static void join_lane(watch *self, watched *channel, const watch_record *record)
{
    channel->part = audit_part_of(channel->topic.row);
    if (channel->part == AUDIT_NONE)
        return;
    channel->lane = find_lane(self, record);
    if (channel->lane == NULL)
        return;
    watched_lane *lane = channel->lane;
    lane->parts[channel->part]++;
    lane->useful = audit_useful_parts(lane->parts);
    if (lane->useful != 0 && lane->audit == NULL && audit_open(&lane->audit, NULL) != TD_OK)
        lane->audit = NULL;
}

/* A topic without a row, or without memory for its book, is recorded unchecked. */
static void meet_channel(watch *self, watched *channel, const watch_record *record)
{
    TD_ASSERT(channel->info == NULL);
    TD_ASSERT(channel->track == NULL);
    channel->info = record->info;
    channel->conn = record->conn;
    const family *of = self->options.config->feeds[record->feed_index].family;
    if (!topic_match_text(of->topics, of->topic_count, td_bytes_str(record->info->exchange_topic),
                          record->recv_ns, &channel->topic))
        return;
    td_err err;
    if (track_open(channel->topic.row, &channel->track, &err) != TD_OK) {
        channel->track = NULL;
        td_log_say(self->options.log, TD_LOG_WARNING, "%s is not checked: %s",
                   record->info->exchange_topic, err.text);
        return;
    }
    join_lane(self, channel, record);
}

static void report(watch *self, const watched *channel, uint16_t feed_index, uint64_t to_ns)
{
    TD_ASSERT(channel->broken_from_ns != 0);
    TD_ASSERT(to_ns == 0 || to_ns >= channel->broken_from_ns);
    watch_finding finding = {.feed_index = feed_index,
                             .channel = channel->info,
                             .conn = channel->broken_conn,
                             .from_ns = channel->broken_from_ns,
                             .to_ns = to_ns,
                             .reason = GAP_SEQUENCE,
                             .rule = channel->broke.rule,
                             .expected = channel->broke.expected,
                             .found = channel->broke.found};
    self->options.found(self->options.user, &finding);
}

/* One finding when a book breaks and one when it is whole again; violations between are
 * counted. */
static void judge(watch *self, watched *channel, const watch_record *record, const verdict *found)
{
    TD_ASSERT(channel->track != NULL);
    const verdict_item *violation = verdict_violation(found);
    if (found->no_memory && !channel->is_short)
        td_log_say(self->options.log, TD_LOG_WARNING,
                   "%s: no memory for the book's levels: it is not checked until its next snapshot",
                   channel->info->exchange_topic);
    channel->is_short = found->no_memory || (channel->is_short && found->unchecked);
    if (violation != NULL)
        count(&self->violations, 1);
    if (violation != NULL && channel->broken_from_ns == 0) {
        channel->broke = *violation;
        channel->broken_conn = record->conn;
        channel->broken_from_ns = channel->last_ns != 0 ? channel->last_ns : record->recv_ns;
        count(&self->broken, 1);
        report(self, channel, record->feed_index, 0);
    }
    if (channel->broken_from_ns != 0 && violation == NULL && !track_is_broken(channel->track)) {
        report(self, channel, record->feed_index, record->recv_ns);
        channel->broken_from_ns = 0;
        atomic_fetch_sub_explicit(&self->broken, 1, memory_order_relaxed);
    }
}

/* Frames were skipped, nobody knows whose: every book is unchecked until its next snapshot. */
static void forget_all(watch *self, uint64_t recv_ns)
{
    for (size_t f = 0; f < LIMIT_FEEDS; f++) {
        for (uint32_t i = 0; i < self->feeds[f].capacity; i++) {
            watched *channel = &self->feeds[f].channels[i];
            if (channel->track != NULL)
                track_skip(channel->track);
            if (channel->seat != NULL)
                audit_skip(channel->lane->audit, channel->seat, recv_ns);
        }
    }
}

/* ---- audits ---- */

/* What an audit found, as a finding about one of the topics that may lack something. */
static void report_party(watch *self, uint16_t feed_index, const audit_item *item,
                         const audit_party *about)
{
    int is_aggregate = item->verdict.rule == RULE_TRADES_COMPLETE;
    TD_ASSERT(about->seat != NULL);
    const watch_finding finding = {
        .feed_index = feed_index,
        .channel = audit_seat_user(about->seat),
        .conn = about->conn,
        .from_ns = item->from_ns,
        .to_ns = is_aggregate || item->event == AUDIT_AGREES ? item->to_ns : GAP_OPEN,
        .reason = is_aggregate ? GAP_AGGREGATE : GAP_SEQUENCE,
        .rule = item->verdict.rule,
        .expected = item->verdict.expected,
        .found = item->verdict.found};
    self->options.found(self->options.user, &finding);
}

/* Only errors are told. Of two books that contradict each other nobody knows which is right:
 * whoever asks for either must be told. */
static void report_item(watch *self, uint16_t feed_index, const audit_item *item)
{
    if (item->verdict.strength != STRENGTH_ERROR)
        return;
    count(&self->violations, item->event == AUDIT_DIFFERS);
    report_party(self, feed_index, item, &item->about);
    if (item->against.seat != NULL)
        report_party(self, feed_index, item, &item->against);
}

static td_result settled_of(watch *self, const watch_record *record, uint64_t *settled_ns)
{
    settling_slot *slot;
    td_result rc = settling_get(&self->settling, record->info, &slot, NULL);
    if (rc == TD_OK)
        *settled_ns = settling_ns(slot, 0, record->conn, record->recv_ns);
    return rc;
}

/* Let the symbol's audit compare a frame with other topics. decoded NULL: it was not decodable. */
static void compare(watch *self, watched *channel, const watch_record *record,
                    const message *decoded)
{
    audit *of = channel->lane->audit;
    if (channel->seat == NULL && !channel->has_no_seat &&
        audit_sit(of, channel->topic.row, record->info->line, (void *)record->info, &channel->seat,
                  NULL) != TD_OK)
        channel->has_no_seat = 1;
    if (channel->seat == NULL)
        return;
    if (decoded == NULL) {
        audit_skip(of, channel->seat, record->recv_ns);
        return;
    }
    audit_frame place = {.recv_ns = record->recv_ns,
                         .connection =
                             (uint64_t)record->conn * LIMIT_FEED_SLOTS + record->info->shard,
                         .shard = record->info->shard,
                         .conn = record->conn};
    if (settled_of(self, record, &place.settled_ns) != TD_OK)
        return;
    audit_verdict found;
    audit_take(of, channel->seat, &place, decoded, channel->track, &found);
    for (uint32_t i = 0; i < found.count; i++)
        report_item(self, record->feed_index, &found.items[i]);
}

/* ---- one frame ---- */

/* A row with dates holds for its days only: the topic goes on, with its book, under the next one.
 */
static void renew_row(watch *self, watched *channel, const watch_record *record)
{
    uint64_t day = record->recv_ns / DAY_NS;
    if (day == channel->row_day)
        return;
    channel->row_day = day;
    const family *of = self->options.config->feeds[record->feed_index].family;
    const topic_row *now =
        topic_row_at(of->topics, of->topic_count, channel->topic.row, record->recv_ns);
    if (now == NULL || now->type != channel->topic.row->type ||
        track_set_row(channel->track, now, NULL) != TD_OK)
        return;
    channel->topic.row = now;
    if (channel->seat != NULL && audit_part_of(now) == channel->part)
        audit_seat_set_row(channel->seat, now);
}

/* A request or an answer: perhaps the last that was open. Without memory it counts for nothing. */
static void note_control(watch *self, const watch_record *record, td_bytes bytes)
{
    settling_slot *slot;
    if (settling_get(&self->settling, record->info, &slot, NULL) != TD_OK)
        return;
    if (record->kind == RECORD_REQUEST)
        settling_sent(slot, 0, record->conn, record->recv_ns, bytes);
    else
        settling_answered(slot, 0, record->conn, record->recv_ns);
}

/* The channel's track and topic, ready for a frame of this connection and day. NULL: not checked. A
 * frame of a new connection begins with a new snapshot: books of the old one are forgotten. */
static watched *prepare(watch *self, const watch_record *record)
{
    watched *channel = find_channel(self, record);
    if (channel == NULL)
        return NULL;
    if (channel->info == NULL)
        meet_channel(self, channel, record);
    if (channel->track == NULL)
        return NULL;
    if (topic_row_is_dated(channel->topic.row))
        renew_row(self, channel, record);
    if (channel->conn != record->conn) {
        track_reset(channel->track);
        channel->conn = record->conn;
    }
    return channel;
}

static void check(watch *self, const watch_record *record, td_bytes bytes)
{
    TD_ASSERT(record->info != NULL);
    watched *channel = prepare(self, record);
    if (channel == NULL)
        return;
    count(&self->frames, 1);
    message decoded;
    decode_error why;
    verdict found;
    int is_decoded =
        decoder_decode(self->decoder, &channel->topic, bytes, DECODE_PATH_HOT, &decoded, &why);
    if (is_decoded) {
        track_apply(channel->track, &decoded, &found);
        judge(self, channel, record, &found);
    } else {
        count(&self->undecoded, 1);
        track_skip(channel->track);
    }
    if (channel->lane != NULL && channel->lane->audit != NULL &&
        (channel->lane->useful >> channel->part & 1))
        compare(self, channel, record, is_decoded ? &decoded : NULL);
    channel->last_ns = record->recv_ns;
}

/* As the encoder does: sleep until there is a batch, for a wake-up costs the encoder a system call.
 */
enum { WAIT_BYTES = 256 << 10 };
#define WAIT_NS (20 * TD_NS_PER_MS)

static void *run(void *arg)
{
    watch *self = arg;
    for (;;) {
        td_bytes view = td_ring_peek(self->ring);
        if (view.data == NULL) {
            td_ring_wait_bytes(self->ring, WAIT_BYTES, WAIT_NS);
            continue;
        }
        watch_record record;
        TD_ASSERT(view.size >= sizeof record);
        memcpy(&record, view.data, sizeof record);
        TD_ASSERT(record.size <= view.size - sizeof record);
        TD_ASSERT(record.feed_index < LIMIT_FEEDS);
        if (record.info == NULL)
            break;
        if (record.skipped > 0)
            forget_all(self, record.recv_ns);
        td_bytes bytes = td_bytes_of(view.data + sizeof record, record.size);
        if (record.kind == RECORD_DATA)
            check(self, &record, bytes);
        else
            note_control(self, &record, bytes);
        td_ring_release(self->ring);
        atomic_fetch_add_explicit(&self->done, 1, memory_order_release);
    }
    return NULL;
}

static void free_all(watch *self)
{
    for (size_t f = 0; f < LIMIT_FEEDS; f++) {
        for (uint32_t i = 0; i < self->feeds[f].capacity; i++)
            track_close(self->feeds[f].channels[i].track);
        td_free(self->feeds[f].channels);
        while (self->feeds[f].lanes != NULL) {
            watched_lane *next = self->feeds[f].lanes->next;
            audit_close(self->feeds[f].lanes->audit);
            td_free(self->feeds[f].lanes);
            self->feeds[f].lanes = next;
        }
    }
    settling_fini(&self->settling);
    decoder_close(self->decoder);
    td_ring_close(self->ring);
    td_free(self);
}

td_result watch_open(const watch_options *options, watch **out, td_err *err)
{
    TD_ASSERT(options->found != NULL);
    TD_ASSERT(options->config->feed_count <= LIMIT_FEEDS);
    watch *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for the continuity thread");
    self->options = *options;
    td_result rc = td_ring_open(options->ring_bytes, &self->ring, err);
    if (rc == TD_OK)
        rc = decoder_open(&self->decoder, err);
    if (rc == TD_OK) {
        int failure = pthread_create(&self->thread, NULL, run, self);
        if (failure != 0)
            rc = td_err_set_os(err, failure, "cannot start the continuity thread");
    }
    if (rc != TD_OK) {
        free_all(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

void watch_close(watch *self)
{
    if (self == NULL)
        return;
    watch_record *place;
    while ((place = td_ring_reserve(self->ring, sizeof *place)) == NULL)
        sched_yield();
    *place = (watch_record){0};
    td_ring_commit(self->ring, sizeof *place);
    td_ring_wake(self->ring);
    pthread_join(self->thread, NULL);
    free_all(self);
}

int watch_is_idle(const watch *self)
{
    unsigned long long done = atomic_load_explicit(&self->done, memory_order_acquire);
    return done == atomic_load_explicit(&self->put, memory_order_acquire);
}

void watch_get_stats(const watch *self, watch_stats *out)
{
    *out = (watch_stats){
        .frames = atomic_load_explicit(&self->frames, memory_order_relaxed),
        .skipped = atomic_load_explicit(&self->skipped, memory_order_relaxed),
        .undecoded = atomic_load_explicit(&self->undecoded, memory_order_relaxed),
        .violations = atomic_load_explicit(&self->violations, memory_order_relaxed),
        .broken = atomic_load_explicit(&self->broken, memory_order_relaxed),
    };
}
