#include "recorder/live_check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/ring.h"
#include "recorder/live_table.h"
#include "schema/decode.h"

#define DAY_NS (86400 * TD_NS_PER_S)

typedef enum record_kind {
    RECORD_DATA,
    RECORD_CLOSED,  /* the connection has ended */
    RECORD_CHANNEL, /* assigns channel_index to the channel that the bytes describe */
    RECORD_SEGMENT, /* invalidates all channel numbers of the feed */
    RECORD_END,
} record_kind;

/* A record in the live check's ring, before the frame and its padding. */
typedef struct live_check_record {
    uint64_t recv_ns;
    uint64_t granted_ns;
    uint32_t channel_index;
    uint32_t conn;
    uint32_t size;
    uint32_t skipped; /* frames of any channel that were skipped before this one */
    uint16_t feed_index;
    uint16_t line, shard;
    uint8_t kind; /* record_kind */
} live_check_record;

/* RECORD_CHANNEL: then topic, exchange topic and symbol, each with its NUL. */
typedef struct channel_record {
    channel_dir dir;
    channel_opcode opcode;
} channel_record;

/* Encoder thread: channels of a feed that were sent to the live check's thread. */
typedef struct sent_channels {
    uint8_t *is_sent; /* by number */
    size_t capacity;
    uint8_t is_segment_due; /* RECORD_SEGMENT did not fit into the ring */
} sent_channels;

/* Channels by the encoder's numbers; NULL: not checked, beyond the budget; NO_ROW: nothing to
 * check. */
typedef struct numbered_channels {
    live_channel **channels;
    size_t capacity;
} numbered_channels;

struct live_check {
    live_check_options options;
    pthread_t thread;
    td_ring *ring;
    decoder *decoder;
    numbered_channels numbers[LIMIT_FEEDS];
    sent_channels sent[LIMIT_FEEDS]; /* encoder thread's */
    uint32_t skipped_pending;        /* encoder thread's: for the next record */
    atomic_ullong put,
        done; /* records; release/acquire: done == put means their findings are out */
    /* Relaxed: shown by a status line. */
    atomic_ullong frames, skipped, undecoded, violations, broken;
    atomic_ullong unchecked_books[LIMIT_FEEDS];
    atomic_int skips_inflated; /* relaxed: only a flag */
    live_table table;          /* the thread's; large, so last */
};

static void count(atomic_ullong *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* ---- encoder thread ---- */

static void skip(live_check *self)
{
    self->skipped_pending++;
    count(&self->skipped, 1);
}

/* Space for a record and so many bytes after it; NULL: the ring is full. Never waits. */
static live_check_record *reserve(live_check *self, size_t bytes)
{
    TD_ASSERT(bytes <= LIMIT_FRAME_BYTES + DECODE_PADDING_BYTES);
    return td_ring_reserve(self->ring, sizeof(live_check_record) + bytes);
}

static void commit(live_check *self, live_check_record *place, live_check_record record,
                   size_t bytes)
{
    record.size = (uint32_t)bytes;
    record.skipped = self->skipped_pending;
    *place = record;
    self->skipped_pending = 0;
    size_t padding = record.kind == RECORD_DATA ? DECODE_PADDING_BYTES : 0;
    atomic_fetch_add_explicit(&self->put, 1, memory_order_release);
    td_ring_commit(self->ring, sizeof *place + bytes + padding);
}

/* A full ring skips the frame, and the books know that they missed one. */
static void put(live_check *self, live_check_record record, td_bytes bytes)
{
    TD_ASSERT(record.feed_index < self->options.config->feed_count);
    live_check_record *place = reserve(self, bytes.size + DECODE_PADDING_BYTES);
    if (place == NULL) {
        skip(self);
        return;
    }
    memcpy(place + 1, bytes.data, bytes.size);
    commit(self, place, record, bytes.size);
}

/* 0: the ring is full. */
static int send_segment(live_check *self, uint16_t feed_index)
{
    live_check_record *place = reserve(self, 0);
    self->sent[feed_index].is_segment_due = place == NULL;
    if (place == NULL)
        return 0;
    commit(self, place, (live_check_record){.feed_index = feed_index, .kind = RECORD_SEGMENT}, 0);
    return 1;
}

void live_check_begin_segment(live_check *self, uint16_t feed_index)
{
    TD_ASSERT(feed_index < self->options.config->feed_count);
    sent_channels *sent = &self->sent[feed_index];
    if (sent->capacity > 0)
        memset(sent->is_sent, 0, sent->capacity);
    (void)send_segment(self, feed_index); /* if the ring is full: before the feed's next frame */
}

/* Copy a text with its NUL; returns the place after it. */
static char *copy_text(char *at, const char *text)
{
    size_t size = strlen(text) + 1;
    memcpy(at, text, size);
    return at + size;
}

static int send_channel(live_check *self, uint16_t feed_index, uint32_t channel_index,
                        const channel_info *info, uint64_t recv_ns)
{
    size_t bytes = sizeof(channel_record) + strlen(info->topic) + strlen(info->exchange_topic) +
                   strlen(info->symbol) + 3;
    live_check_record *place = reserve(self, bytes);
    if (place == NULL)
        return 0;
    const channel_record channel = {.dir = info->dir, .opcode = info->opcode};
    char *at = (char *)(place + 1);
    memcpy(at, &channel, sizeof channel);
    at = copy_text(at + sizeof channel, info->topic);
    at = copy_text(at, info->exchange_topic);
    copy_text(at, info->symbol);
    commit(self, place,
           (live_check_record){.recv_ns = recv_ns,
                               .channel_index = channel_index,
                               .feed_index = feed_index,
                               .line = (uint16_t)info->line,
                               .shard = (uint16_t)info->shard,
                               .kind = RECORD_CHANNEL},
           bytes);
    self->sent[feed_index].is_sent[channel_index] = 1;
    return 1;
}

/* Send the channel's names to the live check's thread unless they were sent. 0: the ring is full.
 */
static int ensure_sent(live_check *self, uint16_t feed_index, uint32_t channel_index,
                       const channel_info *info, uint64_t recv_ns)
{
    sent_channels *sent = &self->sent[feed_index];
    if (sent->is_segment_due && !send_segment(self, feed_index))
        return 0;
    sent->is_sent = td_array_reach(sent->is_sent, &sent->capacity, channel_index, 1);
    return sent->is_sent[channel_index] ||
           send_channel(self, feed_index, channel_index, info, recv_ns);
}

void live_check_put(live_check *self, const live_check_frame *frame)
{
    const live_check_record record = {.recv_ns = frame->recv_ns,
                                      .granted_ns = frame->granted_ns,
                                      .channel_index = frame->channel_index,
                                      .conn = frame->conn,
                                      .feed_index = frame->feed_index,
                                      .line = (uint16_t)frame->info->line,
                                      .shard = (uint16_t)frame->info->shard,
                                      .kind = RECORD_DATA};
    TD_ASSERT(frame->feed_index < self->options.config->feed_count);
    if (ensure_sent(self, frame->feed_index, frame->channel_index, frame->info, frame->recv_ns))
        put(self, record, frame->bytes);
    else
        skip(self);
}

void live_check_put_closed(live_check *self, uint16_t feed_index, uint32_t line, uint32_t shard,
                           uint32_t conn)
{
    const live_check_record record = {.conn = conn,
                                      .feed_index = feed_index,
                                      .line = (uint16_t)line,
                                      .shard = (uint16_t)shard,
                                      .kind = RECORD_CLOSED};
    live_check_record *place = reserve(self, 0);
    if (place != NULL) /* else its topics change to another connection once it is silent */
        commit(self, place, record, 0);
}

/* ---- channels ---- */

/* Of topics without a row: they are recorded unchecked. */
static live_channel NO_ROW;

static void add_channel(live_check *self, const live_check_record *record, td_bytes bytes)
{
    channel_record names;
    TD_ASSERT(bytes.size > sizeof names);
    memcpy(&names, bytes.data, sizeof names);
    const feed_config *feed = &self->options.config->feeds[record->feed_index];
    channel_info info = {.feed = feed->name != NULL ? feed->name : "",
                         .family = feed->family->name,
                         .line = record->line,
                         .shard = record->shard,
                         .dir = names.dir,
                         .opcode = names.opcode,
                         .topic = (const char *)bytes.data + sizeof names};
    info.exchange_topic = info.topic + strlen(info.topic) + 1;
    info.symbol = info.exchange_topic + strlen(info.exchange_topic) + 1;
    topic_match topic;
    live_channel *channel = &NO_ROW;
    if (topic_match_text(feed->family->topics, feed->family->topic_count,
                         td_bytes_str(info.exchange_topic), record->recv_ns, &topic))
        channel = live_table_get(&self->table, record->feed_index, &info, &topic);
    numbered_channels *numbers = &self->numbers[record->feed_index];
    numbers->channels = td_array_reach(numbers->channels, &numbers->capacity, record->channel_index,
                                       sizeof(live_channel *));
    numbers->channels[record->channel_index] = channel;
    if (channel == NULL)
        count(&self->unchecked_books[record->feed_index], 1);
}

static void begin_segment(live_check *self, const live_check_record *record)
{
    numbered_channels *feed = &self->numbers[record->feed_index];
    if (feed->capacity > 0)
        memset(feed->channels, 0, feed->capacity * sizeof(live_channel *));
    uint32_t broken = live_table_begin_segment(&self->table, record->feed_index);
    atomic_fetch_sub_explicit(&self->broken, broken, memory_order_relaxed);
}

static live_channel *find_channel(const live_check *self, const live_check_record *record)
{
    const numbered_channels *feed = &self->numbers[record->feed_index];
    return record->channel_index < feed->capacity ? feed->channels[record->channel_index] : NULL;
}

static void report(live_check *self, const live_channel *channel, uint16_t feed_index,
                   uint64_t to_ns)
{
    TD_ASSERT(channel->broken_from_ns != 0);
    TD_ASSERT(to_ns == 0 || to_ns >= channel->broken_from_ns);
    live_check_finding finding = {.feed_index = feed_index,
                                  .channel = &channel->info,
                                  .conn = channel->broken_conn,
                                  .from_ns = channel->broken_from_ns,
                                  .to_ns = to_ns,
                                  .reason = GAP_SEQUENCE,
                                  .rule = channel->broke.rule,
                                  .expected = channel->broke.expected,
                                  .found = channel->broke.found,
                                  .frames_lost = channel->frames_lost};
    self->options.found(self->options.user, &finding);
}

/* One finding when a book breaks and one when it is whole again, maybe by the same frame;
 * violations in between are only counted. */
static void judge(live_check *self, live_channel *channel, const live_check_record *record,
                  const symbol_verdict *judged)
{
    const verdict *found = &judged->rules;
    const verdict_item *violation = verdict_violation(found);
    if (violation != NULL)
        count(&self->violations, 1);
    if (channel->broken_from_ns == 0)
        channel->frames_lost = 0;
    if (__builtin_add_overflow(channel->frames_lost, verdict_frames_lost(found),
                               &channel->frames_lost))
        channel->frames_lost = 0;
    if (violation != NULL && channel->broken_from_ns == 0) {
        channel->broke = *violation;
        channel->broken_conn = record->conn;
        channel->broken_from_ns = channel->last_ns != 0 ? channel->last_ns : record->recv_ns;
        count(&self->broken, 1);
        report(self, channel, record->feed_index, 0);
    }
    if (channel->broken_from_ns != 0 && !track_is_broken(judged->track)) {
        report(self, channel, record->feed_index, record->recv_ns);
        channel->broken_from_ns = 0;
        atomic_fetch_sub_explicit(&self->broken, 1, memory_order_relaxed);
    }
}

/* ---- audits ---- */

/* Report an audit's item as a finding about one of its topics. */
static void report_party(live_check *self, uint16_t feed_index, const audit_item *item,
                         const audit_party *about)
{
    int is_aggregate = item->verdict.rule == RULE_TRADES_COMPLETE;
    TD_ASSERT(about->member != NULL);
    const live_channel *channel = symbol_topic_user(audit_member_user(about->member));
    channel_info info = channel->info;
    info.shard = about->shard; /* the connection that was followed then */
    const live_check_finding finding = {
        .feed_index = feed_index,
        .channel = &info,
        .conn = about->conn,
        .from_ns = item->from_ns,
        .to_ns = is_aggregate || item->event == AUDIT_AGREES ? item->to_ns : GAP_OPEN,
        .reason = is_aggregate ? GAP_AGGREGATE : GAP_SEQUENCE,
        .rule = item->verdict.rule,
        .expected = item->verdict.expected,
        .found = item->verdict.found};
    self->options.found(self->options.user, &finding);
}

/* Only errors are reported. If two books contradict each other, either may be wrong: both get a
 * gap. */
static void report_item(live_check *self, uint16_t feed_index, const audit_item *item)
{
    if (item->verdict.strength != STRENGTH_ERROR)
        return;
    count(&self->violations, item->event == AUDIT_DIFFERS);
    report_party(self, feed_index, item, &item->about);
    if (item->against.member != NULL)
        report_party(self, feed_index, item, &item->against);
}

/* ---- one frame ---- */

/* A row with dates holds for its days only: the topic continues, with its book, under the next one.
 */
static void renew_row(live_check *self, live_channel *channel, const live_check_record *record)
{
    uint64_t day = record->recv_ns / DAY_NS;
    if (day == channel->row_day)
        return;
    channel->row_day = day;
    const family *of = self->options.config->feeds[record->feed_index].family;
    channel->topic.row =
        topic_row_at(of->topics, of->topic_count, channel->topic.row, record->recv_ns);
}

/* The symbol lost its state: what was broken counts no more. */
static void give_up(live_check *self, live_symbol *symbol)
{
    for (live_channel *at = symbol->channels; at != NULL; at = at->next) {
        count(&self->unchecked_books[symbol->feed_index], 1);
        if (at->broken_from_ns != 0)
            atomic_fetch_sub_explicit(&self->broken, 1, memory_order_relaxed);
        at->broken_from_ns = 0;
    }
}

static void check(live_check *self, const live_check_record *record, td_bytes bytes)
{
    live_channel *channel = find_channel(self, record);
    follow_answer part;
    if (channel == &NO_ROW)
        return;
    if (channel == NULL || !live_table_meet(&self->table, channel, record->conn, record->recv_ns,
                                            record->granted_ns, &part)) {
        count(&self->skipped, 1);
        return;
    }
    if (channel->topic.row != NULL && topic_row_is_dated(channel->topic.row))
        renew_row(self, channel, record);
    if (channel->topic.row == NULL)
        return;
    count(&self->frames, 1);
    message decoded;
    decode_error why;
    int is_decoded =
        decoder_decode(self->decoder, &channel->topic, bytes, DECODE_PATH_FAST, &decoded, &why);
    count(&self->undecoded, !is_decoded);
    const frame_ref frame = {.recv_ns = record->recv_ns,
                             .conn = &channel->conn,
                             .row = channel->topic.row,
                             .content = {.message = is_decoded ? &decoded : NULL},
                             .granted_ns = part.granted_ns,
                             .place = part.place,
                             .is_copy = part.is_copy};
    symbol_verdict found;
    symbol_topic_apply(channel->state, &frame, &found);
    if (is_decoded)
        judge(self, channel, record, &found);
    for (uint32_t i = 0; i < found.audit.count; i++)
        report_item(self, record->feed_index, &found.audit.items[i]);
    channel->last_ns = record->recv_ns;
    if (!live_table_charge(&self->table, channel->symbol))
        give_up(self, channel->symbol);
}

static void take(live_check *self, const live_check_record *record, td_bytes bytes)
{
    switch ((record_kind)record->kind) {
    case RECORD_DATA:
        if (atomic_load_explicit(&self->skips_inflated, memory_order_relaxed) &&
            decoder_inflates(bytes))
            count(&self->skipped, 1);
        else
            check(self, record, bytes);
        break;
    case RECORD_CLOSED:
        live_table_end_connection(&self->table, record->feed_index, record->line, record->shard,
                                  record->conn);
        break;
    case RECORD_CHANNEL:
        add_channel(self, record, bytes);
        break;
    case RECORD_SEGMENT:
        begin_segment(self, record);
        break;
    case RECORD_END:
        break;
    }
}

/* As the encoder does: sleep until there is a batch, for a wake-up costs the encoder a system call.
 */
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
        TD_ASSERT(record.size <= view.size - sizeof record);
        TD_ASSERT(record.feed_index < LIMIT_FEEDS);
        if (record.kind == RECORD_END)
            break;
        if (record.skipped > 0)
            live_table_skip(&self->table, record.recv_ns);
        take(self, &record, td_bytes_of(view.data + sizeof record, record.size));
        td_ring_release(self->ring);
        atomic_fetch_add_explicit(&self->done, 1, memory_order_release);
    }
    return NULL;
}

static void free_all(live_check *self)
{
    for (size_t f = 0; f < LIMIT_FEEDS; f++) {
        td_free(self->numbers[f].channels);
        td_free(self->sent[f].is_sent);
    }
    live_table_fini(&self->table);
    decoder_close(self->decoder);
    td_ring_close(self->ring);
    td_free(self);
}

td_result live_check_open(const live_check_options *options, live_check **out, td_err *err)
{
    TD_ASSERT(options->found != NULL);
    TD_ASSERT(options->config->feed_count <= LIMIT_FEEDS);
    live_check *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    live_table_init(&self->table,
                    options->memory_bytes == 0 ? LIMIT_LIVE_CHECK_BYTES : options->memory_bytes);
    td_result rc = td_ring_open(options->ring_bytes, &self->ring, err);
    self->decoder = decoder_open();
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

void live_check_close(live_check *self)
{
    if (self == NULL)
        return;
    live_check_record *place;
    while ((place = td_ring_reserve(self->ring, sizeof *place)) == NULL)
        sched_yield();
    *place = (live_check_record){.kind = RECORD_END};
    td_ring_commit(self->ring, sizeof *place);
    td_ring_wake(self->ring);
    pthread_join(self->thread, NULL);
    free_all(self);
}

void live_check_skip_inflated(live_check *self)
{
    atomic_store_explicit(&self->skips_inflated, 1, memory_order_relaxed);
}

int live_check_is_idle(const live_check *self)
{
    unsigned long long done = atomic_load_explicit(&self->done, memory_order_acquire);
    return done == atomic_load_explicit(&self->put, memory_order_acquire);
}

uint64_t live_check_unchecked_books(const live_check *self, uint16_t feed_index)
{
    return atomic_load_explicit(&self->unchecked_books[feed_index], memory_order_relaxed);
}

void live_check_get_stats(const live_check *self, live_check_stats *out)
{
    uint64_t unchecked = 0;
    for (size_t i = 0; i < self->options.config->feed_count; i++)
        unchecked += live_check_unchecked_books(self, (uint16_t)i);
    *out = (live_check_stats){
        .frames = atomic_load_explicit(&self->frames, memory_order_relaxed),
        .skipped = atomic_load_explicit(&self->skipped, memory_order_relaxed),
        .undecoded = atomic_load_explicit(&self->undecoded, memory_order_relaxed),
        .violations = atomic_load_explicit(&self->violations, memory_order_relaxed),
        .broken = atomic_load_explicit(&self->broken, memory_order_relaxed),
        .unchecked_books = unchecked,
    };
}
