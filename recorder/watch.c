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
#include "book/continuity.h"
#include "schema/decode.h"

/* A record in the watch's ring, before the frame and its padding. */
typedef struct watch_record {
    const channel_info *info; /* NULL: the end */
    uint64_t recv_ns;
    uint32_t channel_index;
    uint32_t conn;
    uint32_t size;
    uint32_t skipped; /* frames of any channel that were skipped before this one */
    uint16_t feed_index;
} watch_record;

/* What is known of one channel. */
typedef struct watched {
    const channel_info *info; /* NULL: not seen yet */
    topic_match topic;
    track *track; /* NULL: the topic has no row, or there was no memory for it */
    uint32_t conn;
    uint64_t last_ns;
    uint64_t broken_from_ns; /* 0: not broken */
    verdict_item broke;
} watched;

typedef struct watched_feed {
    watched *channels;
    uint32_t capacity;
} watched_feed;

struct watch {
    watch_options options;
    pthread_t thread;
    td_ring *ring;
    decoder *decoder;
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
void watch_put(watch *self, uint16_t feed_index, uint32_t channel_index, const channel_info *info,
               uint32_t conn, uint64_t recv_ns, td_bytes bytes)
{
    /* A record without a channel is the end. */
    TD_ASSERT(feed_index < self->options.config->feed_count);
    TD_ASSERT(info != NULL);
    TD_ASSERT(bytes.size <= LIMIT_FRAME_BYTES);
    watch_record *place =
        td_ring_reserve(self->ring, sizeof *place + bytes.size + DECODE_PADDING_BYTES);
    if (place == NULL) {
        self->skipped_pending++;
        count(&self->skipped, 1);
        return;
    }
    *place = (watch_record){.info = info,
                            .recv_ns = recv_ns,
                            .channel_index = channel_index,
                            .conn = conn,
                            .size = (uint32_t)bytes.size,
                            .skipped = self->skipped_pending,
                            .feed_index = feed_index};
    self->skipped_pending = 0;
    memcpy(place + 1, bytes.data, bytes.size);
    atomic_fetch_add_explicit(&self->put, 1, memory_order_release);
    td_ring_commit(self->ring, sizeof *place + bytes.size + DECODE_PADDING_BYTES);
}

static watched *find_channel(watch *self, const watch_record *record)
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
    }
}

static void report(watch *self, const watched *channel, uint16_t feed_index, uint64_t to_ns)
{
    TD_ASSERT(channel->broken_from_ns != 0);
    TD_ASSERT(to_ns == 0 || to_ns >= channel->broken_from_ns);
    watch_finding finding = {.feed_index = feed_index,
                             .channel = channel->info,
                             .conn = channel->conn,
                             .from_ns = channel->broken_from_ns,
                             .to_ns = to_ns,
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
    if (violation != NULL)
        count(&self->violations, 1);
    if (violation != NULL && channel->broken_from_ns == 0) {
        channel->broke = *violation;
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
static void forget_all(watch *self)
{
    for (size_t f = 0; f < LIMIT_FEEDS; f++) {
        for (uint32_t i = 0; i < self->feeds[f].capacity; i++) {
            if (self->feeds[f].channels[i].track != NULL)
                track_skip(self->feeds[f].channels[i].track);
        }
    }
}

/* A frame of a new connection begins with a new snapshot: books of the old one are forgotten. */
static void check(watch *self, const watch_record *record, td_bytes bytes)
{
    TD_ASSERT(record->info != NULL);
    watched *channel = find_channel(self, record);
    if (channel == NULL)
        return;
    if (channel->info == NULL)
        meet_channel(self, channel, record);
    if (channel->track == NULL)
        return;
    if (channel->conn != record->conn) {
        track_reset(channel->track);
        channel->conn = record->conn;
    }
    count(&self->frames, 1);
    message decoded;
    decode_error why;
    verdict found;
    if (decoder_decode(self->decoder, &channel->topic, bytes, DECODE_PATH_HOT, &decoded, &why)) {
        track_apply(channel->track, &decoded, &found);
        judge(self, channel, record, &found);
    } else {
        count(&self->undecoded, 1);
        track_skip(channel->track);
    }
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
            forget_all(self);
        check(self, &record, td_bytes_of(view.data + sizeof record, record.size));
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
    }
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
