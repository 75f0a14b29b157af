#include "recorder/pipeline/live_check.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log_rate.h"
#include "base/ring.h"
#include "base/row_table.h"
#include "base/time_text.h"
#include "book/symbol_table.h"
#include "format/checkpoint.h"
#include "recorder/pipeline/rhythm.h"
#include "schema/decode.h"

#define DAY_NS (86400 * TD_NS_PER_S)

typedef struct live_symbol live_symbol;

/* A slot, and what its present connection delivers. */
typedef struct live_slot {
    uint16_t feed_index;
    uint32_t line, shard;
    uint32_t conn;
    uint64_t since_ns, last_ns; /* its first frame, or the first one after a pause; its last one */
    struct live_slot *next;
} live_slot;

/* A topic of a slot, for text and binary frames. The encoder thread makes it; afterwards only the
 * live check's thread changes it. */
typedef struct live_channel {
    uint16_t feed_index;
    channel_info info; /* names for findings; they point to texts */
    topic_match topic; /* row is set when the channel is made */
    live_symbol *symbol;
    struct live_channel *next; /* next channel in its symbol's list; used if is_active */
    uint8_t is_active;
    live_slot *slot;
    rhythm rhythm;
    uint64_t heard_ns;       /* its last frame, checked or not; or when frames were skipped */
    uint64_t silent_from_ns; /* 0: not silent */
    uint64_t reported_ns;    /* when its silence was last reported */
    frame_conn conn;         /* the last frame's connection */
    symbol_topic *state;     /* NULL while the symbol has no state */
    uint64_t row_day; /* day (since 1970) for which the row was found, if the row has dates */
    uint64_t last_ns;
    uint64_t broken_from_ns; /* 0: not broken */
    uint64_t lacks_from_ns;  /* not broken, but without its snapshot since then; 0: not */
    uint64_t narrow_from_ns; /* it needs a snapshot with other levels since then; 0: not */
    uint32_t broken_conn; /* connection on which it broke; the snapshot may arrive on a later one */
    uint8_t needs_snapshot; /* 1: only a snapshot ends that; the track does not know of the loss */
    verdict_item first_violation;
    int64_t frames_lost; /* frames lost since it broke, by the topic's sequence numbers */
    td_log_rate gap_log;
    char texts[];
} live_channel;

struct live_symbol {
    symbol_entry *of; /* has a state after the first frame, unless dropped */
    uint16_t feed_index;
    uint8_t is_active;      /* a frame has arrived; the symbol is in the list `active` */
    uint8_t is_dropped;     /* 1: dropped for lack of memory */
    uint32_t segment;       /* segment of its last frame */
    size_t state_bytes;     /* size of its state when last charged */
    live_channel *channels; /* channels that have had a frame */
    struct live_symbol *next;
};

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

/* A checkpoint that waits for the feed's writer. */
typedef struct ready_checkpoint {
    uint32_t segment;
    td_buf record;
} ready_checkpoint;

struct live_check {
    live_check_options options;
    pthread_t thread;
    td_ring *ring;
    td_ring *findings; /* ring of findings, each a feed's index and an event as JSON; NULL without a
                          thread */
    /* Used by the encoder thread: all channels and symbols, until close. */
    live_channel **channels;
    size_t channel_count;
    live_slot *slots;
    row_table by_channel;
    symbol_table symbols; /* each entry's user: a live_symbol, which the other thread uses */
    size_t channel_bytes;
    uint32_t skipped_pending; /* skipped frames, for the next record */
    uint8_t wants_checkpoint[LIMIT_FEEDS];
    /* Used by the live check's thread. */
    decoder *decoder;
    live_symbol *active; /* symbols that have had a frame */
    uint64_t swept_ns;   /* when silences were looked at last */
    size_t state_bytes;
    uint32_t segments[LIMIT_FEEDS];
    uint64_t last_ns[LIMIT_FEEDS]; /* receive time of the feed's last frame */
    checkpoint_builder checkpoint;
    td_buf state;
    td_buf finding_text;
    uint8_t is_left_out_logged;
    td_log_rate unrecorded_log;
    uint8_t has_holes; /* 1: frames were skipped or a state was dropped, so a new topic's snapshot
                          may have been missed */
    event_reader *events; /* used by the network thread */
    atomic_ullong put_count,
        done_count; /* records; release/acquire: if equal, all findings are available */
    /* For the status line. */
    atomic_ullong frames, skipped, undecoded, violations, broken;
    atomic_ullong unchecked_books[LIMIT_FEEDS];
    atomic_ullong states_left_out;
    _Atomic(ready_checkpoint *) ready[LIMIT_FEEDS]; /* acquire/release; NULL: no checkpoint waits */
};

/* Used instead of a channel that is not checked: NO_ROW if the family has no row for its topic,
 * NO_SPACE if no memory is left for more channels. */
static live_channel NO_ROW, NO_SPACE;

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

/* Return the memory limit of channels, a quarter of the whole; the rest is for states. */
static size_t channel_bytes_max(const live_check *self)
{
    return self->options.memory_bytes / 4;
}

/* ---- encoder thread ---- */

static uint64_t hash_of(const char *text, uint64_t also)
{
    return td_xxh64(text, strlen(text)) + also * UINT64_C(0x9e3779b97f4a7c15);
}

static live_symbol *get_symbol(live_check *self, uint16_t feed_index, const char *feed,
                               const char *name)
{
    symbol_entry *of = symbol_table_get(&self->symbols, feed, name);
    if (of->user != NULL)
        return of->user;
    live_symbol *made = td_alloc_zero(1, sizeof *made);
    made->of = of;
    made->feed_index = feed_index;
    self->channel_bytes += sizeof *made + symbol_entry_bytes(of);
    of->user = made;
    return made;
}

static live_channel *find_channel(const live_check *self, uint16_t feed_index,
                                  const channel_info *info, uint64_t hash)
{
    row_probe at = row_probe_of(hash);
    while (row_table_next(&self->by_channel, &at)) {
        live_channel *known = self->channels[at.row];
        if (known->feed_index == feed_index && known->info.line == info->line &&
            known->info.shard == info->shard && strcmp(known->info.topic, info->topic) == 0 &&
            strcmp(known->info.exchange_topic, info->exchange_topic) == 0 &&
            strcmp(known->info.symbol, info->symbol) == 0)
            return known;
    }
    return NULL;
}

static live_slot *get_slot(live_check *self, uint16_t feed_index, const channel_info *info)
{
    for (live_slot *at = self->slots; at != NULL; at = at->next)
        if (at->feed_index == feed_index && at->line == info->line && at->shard == info->shard)
            return at;
    live_slot *made = td_alloc_zero(1, sizeof *made);
    *made = (live_slot){
        .feed_index = feed_index, .line = info->line, .shard = info->shard, .next = self->slots};
    self->slots = made;
    return made;
}

/* Find or make a channel. */
static live_channel *get_channel(live_check *self, uint16_t feed_index, const channel_info *info,
                                 uint64_t recv_ns)
{
    const pipeline_feed *feed = &self->options.config->feeds[feed_index];
    uint64_t hash = hash_of(info->exchange_topic, feed_index) + hash_of(info->symbol, 1);
    live_channel *known = find_channel(self, feed_index, info, hash);
    if (known != NULL)
        return known;
    size_t topic_bytes = strlen(info->topic) + 1;
    size_t exchange_bytes = strlen(info->exchange_topic) + 1;
    size_t bytes = sizeof(live_channel) + topic_bytes + exchange_bytes;
    if (self->channel_bytes + bytes > channel_bytes_max(self))
        return &NO_SPACE;
    live_channel *made = td_alloc_zero(1, bytes);
    memcpy(made->texts, info->topic, topic_bytes);
    memcpy(made->texts + topic_bytes, info->exchange_topic, exchange_bytes);
    if (!topic_match_text(feed->family->topics, feed->family->topic_count,
                          td_bytes_str(made->texts + topic_bytes), recv_ns, &made->topic)) {
        td_free(made);
        return &NO_ROW;
    }
    const char *feed_name = feed->name != NULL ? feed->name : "";
    made->feed_index = feed_index;
    made->symbol = get_symbol(self, feed_index, feed_name, info->symbol);
    made->slot = get_slot(self, feed_index, info);
    made->info = (channel_info){.feed = feed_name,
                                .family = feed->family->name,
                                .line = info->line,
                                .shard = info->shard,
                                .dir = info->dir,
                                .topic = made->texts,
                                .exchange_topic = made->texts + topic_bytes,
                                .symbol = made->symbol->of->symbol,
                                .opcode = info->opcode,
                                .message_encoding = ""};
    made->conn = (frame_conn){.line = info->line,
                              .shard = info->shard,
                              .session_id = self->options.session,
                              .is_recorded = self->options.is_recorder};
    self->channel_bytes += bytes;
    row_table_put(&self->by_channel, hash, self->channel_count);
    self->channels = td_array_grow(self->channels, self->channel_count, sizeof(live_channel *));
    self->channels[self->channel_count++] = made;
    return made;
}

/* ---- the states of symbols ---- */

static void close_state(live_check *self, live_symbol *symbol)
{
    if (symbol->of->state == NULL)
        return;
    self->has_holes = 1;
    self->state_bytes -= symbol->state_bytes;
    symbol_state_close(symbol->of->state);
    symbol->of->state = NULL;
    symbol->state_bytes = 0;
    for (live_channel *at = symbol->channels; at != NULL; at = at->next) {
        at->state = NULL;
        if (at->broken_from_ns != 0)
            atomic_fetch_sub_explicit(&self->broken, 1, memory_order_relaxed);
        at->broken_from_ns = 0;
        at->needs_snapshot = 0;
    }
}

/* Update the memory in use, after a frame. Beyond the limit the symbol loses its state. */
static void charge(live_check *self, live_symbol *symbol)
{
    size_t bytes = symbol_state_bytes(symbol->of->state);
    self->state_bytes += bytes - symbol->state_bytes; /* may be negative, modulo 2^64 */
    symbol->state_bytes = bytes;
    if (TD_LIKELY(self->state_bytes <= self->options.memory_bytes - channel_bytes_max(self)))
        return;
    close_state(self, symbol);
    symbol->is_dropped = 1;
    for (live_channel *at = symbol->channels; at != NULL; at = at->next)
        count_shared(&self->unchecked_books[symbol->feed_index], 1);
}

/* ---- checkpoints ---- */

/* Save a symbol's state for a checkpoint. The state is not saved if a topic of the symbol has had
 * several connections at a time: the live check knows less about connections than a reader, and may
 * use the frames of another connection (book/conn_choice.h) than the reader does. */
static void save_state(live_check *self, const live_symbol *symbol)
{
    symbol_state *state = symbol->of->state;
    const symbol_topic *topic;
    int is_saved = 1;
    for (size_t i = 0; (topic = symbol_state_topic_at(state, i)) != NULL; i++)
        is_saved &= topic->choice.count <= 1;
    is_saved = is_saved && symbol_state_save(state, &self->state, NULL) == TD_OK;
    checkpoint_builder_add(&self->checkpoint, td_bytes_str(symbol->of->symbol),
                           is_saved ? td_buf_view(&self->state) : td_bytes_of(NULL, 0));
}

static void free_checkpoint(ready_checkpoint *checkpoint)
{
    if (checkpoint == NULL)
        return;
    td_buf_fini(&checkpoint->record);
    td_free(checkpoint);
}

static void report_left_out(live_check *self, uint16_t feed_index)
{
    const checkpoint_builder *of = &self->checkpoint;
    if (of->omitted == 0)
        return;
    count(&self->states_left_out, of->omitted);
    if (!self->is_left_out_logged)
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "%s: the states of %u of %u symbols are not in a checkpoint: they are too "
                    "large, or their topics come over several connections; reading these symbols "
                    "from the middle of the recording takes longer",
                    self->options.config->feeds[feed_index].name, of->omitted, of->count);
    self->is_left_out_logged = 1;
}

/* Save the states that the feed's symbols have after the feed's last frame. Replaces a checkpoint
 * that was not fetched. */
static void make_checkpoint(live_check *self, uint16_t feed_index, uint32_t segment)
{
    uint64_t unchecked =
        atomic_load_explicit(&self->unchecked_books[feed_index], memory_order_relaxed);
    if (self->has_holes || unchecked > 0 || self->last_ns[feed_index] == 0)
        return;
    for (const live_symbol *at = self->active; at != NULL; at = at->next)
        if (at->feed_index == feed_index)
            save_state(self, at);
    report_left_out(self, feed_index);
    ready_checkpoint *made = td_alloc_zero(1, sizeof *made);
    made->segment = segment;
    td_buf_init(&made->record, LIMIT_RECORD_BYTES);
    checkpoint_builder_finish(&self->checkpoint, self->last_ns[feed_index] + 1, &made->record);
    free_checkpoint(atomic_exchange_explicit(&self->ready[feed_index], made, memory_order_acq_rel));
}

/* ---- segments ---- */

/* A segment of the feed begins. While more than half of the memory is used, symbols without a frame
 * in the previous segment lose their state. If half is free after that, dropped symbols are checked
 * again. */
static void begin_segment(live_check *self, uint16_t feed_index, uint32_t segment)
{
    size_t half = self->options.memory_bytes / 2;
    for (live_symbol *at = self->active; at != NULL; at = at->next) {
        if (at->feed_index == feed_index && at->segment != self->segments[feed_index] &&
            self->state_bytes > half)
            close_state(self, at);
    }
    for (live_symbol *at = self->active; at != NULL; at = at->next) {
        if (at->feed_index == feed_index && self->state_bytes <= half)
            at->is_dropped = 0;
    }
    self->segments[feed_index] = segment;
}

/* Note that frames of unknown channels were skipped before recv_ns. */
static void note_skipped(live_check *self, uint64_t recv_ns)
{
    self->has_holes = 1;
    for (live_symbol *symbol = self->active; symbol != NULL; symbol = symbol->next)
        for (live_channel *at = symbol->channels; at != NULL; at = at->next) {
            at->heard_ns = recv_ns;
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

static void activate(live_check *self, live_channel *channel)
{
    live_symbol *symbol = channel->symbol;
    if (!symbol->is_active) {
        symbol->next = self->active;
        self->active = symbol;
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
        activate(self, channel);
    symbol->segment = record->segment;
    if (symbol->is_dropped)
        return 0;
    symbol_state *state = symbol_entry_state(symbol->of, SYMBOL_WITH_AUDITS);
    if (TD_UNLIKELY(self->has_holes))
        symbol_state_join(state);
    if (channel->state == NULL) {
        td_bytes topic = td_bytes_str(channel->info.topic);
        channel->state = symbol_state_topic(state, topic, channel->info.line);
        if (channel->state->user == NULL)
            channel->state->user = channel;
    }
    channel->conn.number = record->frame.conn;
    return 1;
}

/* ---- findings ---- */

static int compares_books(rule_id rule)
{
    return rule == RULE_BOOKS_AGREE || rule == RULE_LINES_AGREE;
}

/* Write a gap's detail, such as "seq_dense: expected 64755, found 64756: 1 lost". For missing
 * trades the rule is left out. */
static void format_detail(const gap_row *gap, const verdict_item *why, char *out, size_t size)
{
    char compared[VERDICT_TEXT_BYTES];
    verdict_item_text(why, compared);
    if (gap->reason == GAP_AGGREGATE)
        (void)snprintf(out, size, "%s", compared);
    else if (gap->to_ns != GAP_OPEN && compares_books(why->rule))
        (void)snprintf(out, size, "%s: equal at %" PRId64 ", and again at %" PRId64,
                       rule_name(why->rule), why->expected, why->found);
    else
        (void)snprintf(out, size, "%s%s%s", rule_name(why->rule), compared[0] == '\0' ? "" : ": ",
                       compared);
}

/* Gaps of topics without state may begin and end with every frame, so their warnings are limited;
 * an end is logged if its begin was. */
static void log_gap(const live_check *self, live_channel *channel, const gap_row *gap)
{
    const int is_aggregate = gap->reason == GAP_AGGREGATE;
    const int is_end = !is_aggregate && gap->to_ns != GAP_OPEN;
    uint64_t count = 1;
    char since[64] = "";
    if (is_end && !topic_row_has_state(channel->topic.row))
        count = channel->gap_log.count == 0;
    else if (is_aggregate || !topic_row_has_state(channel->topic.row))
        count = td_log_rate_count(&channel->gap_log, self->last_ns[channel->feed_index]);
    if (count == 0)
        return;
    if (count > 1)
        (void)snprintf(since, sizeof since, ", %" PRIu64 " gaps since the last warning", count);
    td_log_emit(self->options.log, is_end ? TD_LOG_INFO : TD_LOG_WARNING, "%s %s: %s (%s)%s",
                channel->info.feed, channel->info.exchange_topic,
                is_aggregate ? "trades are missing"
                : is_end     ? "whole again"
                             : "broken",
                gap->detail, since);
}

/* Pass a finding to the network thread. If the ring is full, the finding is not recorded, and a
 * warning is logged each minute; the finding still counts in the statistics. */
static void put_finding(live_check *self, uint16_t feed_index, const event *what)
{
    td_buf *text = &self->finding_text;
    td_buf_clear(text);
    uint8_t *to = event_encode(what, text, NULL) == TD_OK
                      ? td_ring_reserve(self->findings, sizeof feed_index + text->size)
                      : NULL;
    if (to == NULL) {
        uint64_t count = td_log_rate_count(&self->unrecorded_log, self->last_ns[feed_index]);
        if (count > 0)
            td_log_emit(self->options.log, TD_LOG_WARNING,
                        "findings of the live check are not recorded (%" PRIu64
                        " since the last warning): the recorder is too slow; replay finds them "
                        "again",
                        count);
        return;
    }
    memcpy(to, &feed_index, sizeof feed_index);
    memcpy(to + sizeof feed_index, text->data, text->size);
    td_ring_commit(self->findings, sizeof feed_index + text->size);
}

int live_check_next_finding(live_check *self, uint16_t *feed_index, event *out)
{
    td_ring_release(self->findings);
    td_bytes record = td_ring_peek(self->findings);
    if (record.data == NULL)
        return 0;
    memcpy(feed_index, record.data, sizeof *feed_index);
    const td_bytes text =
        td_bytes_of(record.data + sizeof *feed_index, record.size - sizeof *feed_index);
    td_result rc = event_decode(self->events, text, out, NULL);
    TD_ASSERT(rc == TD_OK); /* put_finding encoded it */
    return 1;
}

/* Report a channel's gap that begins or ends. */
static void report_gap(live_check *self, live_channel *channel, const gap_row *about,
                       const verdict_item *why)
{
    TD_ASSERT(about->from_ns != 0);
    TD_ASSERT(about->to_ns == GAP_OPEN || about->to_ns >= about->from_ns);
    char detail[160];
    format_detail(about, why, detail, sizeof detail);
    event what = {.kind = EVENT_GAP, .gap = *about};
    what.gap.line = channel->info.line;
    what.gap.topic = channel->info.topic;
    what.gap.symbol = channel->info.symbol;
    what.gap.detail = detail;
    log_gap(self, channel, &what.gap);
    if (self->findings != NULL)
        put_finding(self, channel->feed_index, &what);
}

static void report_book(live_check *self, live_channel *channel, uint64_t to_ns)
{
    const verdict_item *why = &channel->first_violation;
    gap_row gap = gap_row_of(GAP_SEQUENCE, channel->info.feed, channel->broken_from_ns, to_ns,
                             rule_name(why->rule));
    gap.shard = channel->info.shard;
    gap.conn = channel->broken_conn;
    if (channel->frames_lost > 0)
        gap.frames_lost = (uint64_t)channel->frames_lost;
    report_gap(self, channel, &gap, why);
}

/* A book whose snapshot is fetched lacks it at the begin of each connection. Only if it stays away
 * for longer than this, that is reported, and the snapshot is requested again. */
#define LACKS_NS (10 * TD_NS_PER_S)

/* 1 if the book has lacked its snapshot for too long. */
static int lacks_snapshot(live_channel *channel, const live_check_record *record,
                          const symbol_verdict *judged)
{
    int lacks = channel->topic.row->snapshot_request != NULL && channel->broken_from_ns == 0 &&
                track_is_broken(judged->track);
    if (!lacks)
        channel->lacks_from_ns = 0;
    else if (channel->lacks_from_ns == 0)
        channel->lacks_from_ns = record->frame.recv_ns;
    return lacks && record->frame.recv_ns - channel->lacks_from_ns > LACKS_NS;
}

/* Report that the book needs a snapshot with other levels, although it is right, or no longer. */
static void report_narrow(live_check *self, live_channel *channel, uint64_t recv_ns, int is_narrow)
{
    if (is_narrow == (channel->narrow_from_ns != 0) || self->findings == NULL)
        return;
    const uint64_t from_ns = is_narrow ? recv_ns : channel->narrow_from_ns;
    event what = {.kind = EVENT_GAP,
                  .gap = gap_row_of(GAP_SEQUENCE, channel->info.feed, from_ns,
                                    is_narrow ? GAP_OPEN : recv_ns, LIVE_CHECK_NARROW)};
    what.gap.line = channel->info.line;
    what.gap.topic = channel->info.topic;
    what.gap.symbol = channel->info.symbol;
    channel->narrow_from_ns = is_narrow ? recv_ns : 0;
    put_finding(self, channel->feed_index, &what);
}

/* Apply a frame's verdict: report when a book breaks and when it is whole again, maybe both for one
 * frame. Violations in between are only counted. */
static void apply_verdict(live_check *self, live_channel *channel, const live_check_record *record,
                          const symbol_verdict *judged)
{
    const verdict *found = &judged->rules;
    const verdict_item *violation = verdict_violation(found);
    const int is_narrow = track_needs_levels(judged->track);
    if (!is_narrow) /* before a break, which asks for a snapshot, too */
        report_narrow(self, channel, record->frame.recv_ns, 0);
    if (violation != NULL)
        count(&self->violations, 1);
    if (channel->broken_from_ns == 0)
        channel->frames_lost = 0;
    if (__builtin_add_overflow(channel->frames_lost, verdict_frames_lost(found),
                               &channel->frames_lost))
        channel->frames_lost = 0;
    if (violation != NULL && channel->broken_from_ns == 0) {
        channel->first_violation = *violation;
        channel->broken_conn = record->frame.conn;
        channel->broken_from_ns = channel->last_ns != 0 ? channel->last_ns : record->frame.recv_ns;
        count(&self->broken, 1);
        report_book(self, channel, GAP_OPEN);
    }
    if (lacks_snapshot(channel, record, judged)) {
        channel->first_violation = (verdict_item){.rule = RULE_ANCHORED};
        channel->broken_conn = record->frame.conn;
        channel->broken_from_ns = channel->lacks_from_ns;
        count(&self->broken, 1);
        report_book(self, channel, GAP_OPEN);
    }
    if (channel->broken_from_ns != 0 && !track_is_broken(judged->track) &&
        (!channel->needs_snapshot || found->is_snapshot)) {
        report_book(self, channel, record->frame.recv_ns);
        channel->broken_from_ns = 0;
        channel->needs_snapshot = 0;
        atomic_fetch_sub_explicit(&self->broken, 1, memory_order_relaxed);
    }
    if (is_narrow && channel->broken_from_ns == 0)
        report_narrow(self, channel, record->frame.recv_ns, 1);
}

/* Frames of a connection were lost, of any topic: each of its books needs a snapshot. */
static void lose_books(live_check *self, const live_channel *of, uint64_t from_ns)
{
    for (const live_symbol *symbol = self->active; symbol != NULL; symbol = symbol->next)
        for (live_channel *at = symbol->channels; at != NULL; at = at->next) {
            if (at->slot != of->slot || at->state == NULL || !topic_row_has_state(at->topic.row))
                continue;
            at->needs_snapshot = 1;
            if (at->broken_from_ns != 0)
                continue;
            at->first_violation = (verdict_item){.rule = RULE_CONN_DENSE};
            at->broken_conn = of->slot->conn;
            at->broken_from_ns = from_ns;
            at->frames_lost = 0;
            count(&self->broken, 1);
            report_book(self, at, GAP_OPEN);
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
    gap_row gap =
        gap_row_of(is_aggregate ? GAP_AGGREGATE : GAP_SEQUENCE, channel->info.feed, item->from_ns,
                   is_aggregate || item->event == AUDIT_AGREES ? item->to_ns : GAP_OPEN,
                   rule_name(item->verdict.rule));
    gap.shard = about->shard; /* the topic's connection at the time of the finding */
    gap.conn = about->conn;
    report_gap(self, channel, &gap, &item->verdict);
}

/* ---- silent topics ---- */

/* After a pause of the whole connection, silences of its topics are judged from its end. */
#define SLOT_PAUSE_NS (5 * TD_NS_PER_S)

/* A silence is reported again, because the topic may not have been subscribed the last time. */
#define REPORT_NS (60 * TD_NS_PER_S)

static void report_silence(live_check *self, live_channel *channel, uint64_t to_ns)
{
    char silent[TD_TIME_TEXT_BYTES];
    char usual[TD_TIME_TEXT_BYTES];
    char detail[160];
    td_duration_format(channel->slot->last_ns - channel->silent_from_ns, silent);
    td_duration_format(rhythm_longest_ns(&channel->rhythm), usual);
    (void)snprintf(detail, sizeof detail, "no frame for %s, before never for more than %s", silent,
                   usual); /* fits */
    event what = {.kind = EVENT_GAP,
                  .gap = gap_row_of(GAP_STALE, channel->info.feed, channel->silent_from_ns, to_ns,
                                    GAP_CAUSE_SILENT)};
    what.gap.line = channel->info.line;
    what.gap.shard = channel->info.shard;
    what.gap.conn = channel->slot->conn;
    what.gap.topic = channel->info.topic;
    what.gap.symbol = channel->info.symbol;
    what.gap.detail = detail;
    if (self->findings != NULL)
        put_finding(self, channel->feed_index, &what);
}

static void judge_silence(live_check *self, live_channel *channel, uint64_t now_ns)
{
    const live_slot *slot = channel->slot;
    const uint64_t factor = self->options.config->feeds[channel->feed_index].silence_factor;
    const uint64_t heard_ns =
        channel->heard_ns > slot->since_ns ? channel->heard_ns : slot->since_ns;
    /* A connection that delivers nothing is stale as a whole. */
    if (factor == 0 || channel->heard_ns == 0 ||
        (channel->silent_from_ns != 0 && now_ns < channel->reported_ns + REPORT_NS) ||
        slot->last_ns + TD_NS_PER_S < now_ns || heard_ns >= now_ns ||
        !rhythm_is_too_long(&channel->rhythm, now_ns - heard_ns, factor))
        return;
    channel->silent_from_ns = heard_ns;
    channel->reported_ns = now_ns;
    report_silence(self, channel, GAP_OPEN);
}

/* Once a second: find topics that have ceased. */
static void sweep(live_check *self, uint64_t now_ns)
{
    self->swept_ns = now_ns;
    for (const live_symbol *symbol = self->active; symbol != NULL; symbol = symbol->next)
        for (live_channel *at = symbol->channels; at != NULL; at = at->next)
            judge_silence(self, at, now_ns);
}

/* A frame of the channel ends its silence. */
static void hear(live_check *self, live_channel *channel, const feed_frame *frame)
{
    live_slot *slot = channel->slot;
    if (slot->conn != frame->conn || frame->recv_ns > slot->last_ns + SLOT_PAUSE_NS) {
        slot->conn = frame->conn;
        slot->since_ns = frame->recv_ns;
    }
    slot->last_ns = frame->recv_ns;
    if (channel->silent_from_ns != 0)
        report_silence(self, channel, frame->recv_ns);
    if (channel->silent_from_ns != 0 || channel->conn.number != frame->conn)
        rhythm_restart(&channel->rhythm);
    channel->silent_from_ns = 0;
    channel->heard_ns = frame->recv_ns;
    rhythm_add(&channel->rhythm, frame->recv_ns);
    if (TD_UNLIKELY(frame->recv_ns >= self->swept_ns + TD_NS_PER_S))
        sweep(self, frame->recv_ns);
}

/* ---- one frame ---- */

static void check_frame(live_check *self, const live_check_record *record)
{
    live_channel *channel = record->channel;
    const td_bytes bytes = record->frame.bytes;
    if (record->skipped > 0)
        note_skipped(self, record->frame.recv_ns);
    if (record->segment != self->segments[channel->feed_index])
        begin_segment(self, channel->feed_index, record->segment);
    if (record->wants_checkpoint)
        make_checkpoint(self, channel->feed_index, record->segment);
    self->last_ns[channel->feed_index] = record->frame.recv_ns;
    hear(self, channel, &record->frame);
    if (TD_UNLIKELY(record->lost_from_ns != 0))
        lose_books(self, channel, record->lost_from_ns);
    if (!find_state(self, channel, record)) {
        count_shared(&self->skipped, 1);
        return;
    }
    /* A row with dates applies to its days only. After these days the topic and its book continue
     * with the next row. */
    uint64_t day = record->frame.recv_ns / DAY_NS;
    if (channel->topic.row != NULL && topic_row_is_dated(channel->topic.row) &&
        day != channel->row_day) {
        const family *of = self->options.config->feeds[channel->feed_index].family;
        channel->row_day = day;
        channel->topic.row =
            topic_row_at(of->topics, of->topic_count, channel->topic.row, record->frame.recv_ns);
    }
    if (channel->topic.row == NULL)
        return;
    count(&self->frames, 1);
    message decoded;
    decode_error why;
    topic_match as = channel->topic;
    as.row = topic_row_of_form(as.row, record->frame.form);
    int is_decoded = decoder_decode(self->decoder, &as, bytes, DECODE_PATH_FAST, &decoded, &why);
    count(&self->undecoded, !is_decoded);
    frame_ref frame = {.recv_ns = record->frame.recv_ns,
                       .conn = &channel->conn,
                       .row = channel->topic.row,
                       .content = {.message = is_decoded ? &decoded : NULL},
                       .bytes = bytes,
                       .granted_ns = record->granted_ns,
                       .trades = record->trades};
    symbol_verdict found;
    conn_choice_set(&channel->state->choice, &frame, conn_has_ended, NULL);
    symbol_topic_apply(channel->state, &frame, &found);
    if (is_decoded)
        apply_verdict(self, channel, record, &found);
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
    channel->last_ns = record->frame.recv_ns;
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
    live_channel *channel = written->route.notes->live;
    if (TD_UNLIKELY(channel == NULL)) { /* the channel is looked up once per segment */
        channel = get_channel(self, feed_index, frame->info, frame->recv_ns);
        count_shared(&self->unchecked_books[feed_index], channel == &NO_SPACE);
        written->route.notes->live = channel;
    }
    uint8_t *wants_checkpoint = &self->wants_checkpoint[feed_index];
    *wants_checkpoint |= written->wants_checkpoint;
    if (channel == &NO_ROW)
        return;
    if (channel == &NO_SPACE) {
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
                                      .wants_checkpoint = *wants_checkpoint};
    if (self->ring == NULL)
        check_frame(self, &record);
    else if (!put_into_ring(self, &record))
        return;
    *wants_checkpoint = 0;
}

void live_check_write_checkpoint(live_check *self, uint16_t feed_index, feed_writer *writer)
{
    ready_checkpoint *checkpoint =
        atomic_exchange_explicit(&self->ready[feed_index], NULL, memory_order_acq_rel);
    if (checkpoint != NULL)
        feed_writer_put_checkpoint(writer, checkpoint->segment, &checkpoint->record);
    free_checkpoint(checkpoint);
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
    for (size_t i = 0; i < self->channel_count; i++)
        td_free(self->channels[i]);
    for (size_t i = 0; i < self->symbols.count; i++)
        td_free(self->symbols.items[i]->user);
    symbol_table_fini(&self->symbols);
    for (live_slot *slot = self->slots; slot != NULL; slot = self->slots) {
        self->slots = slot->next;
        td_free(slot);
    }
    td_free(self->channels);
    row_table_fini(&self->by_channel);
    decoder_close(self->decoder);
    td_ring_close(self->ring);
    td_ring_close(self->findings);
    td_buf_fini(&self->finding_text);
    event_reader_close(self->events);
    for (size_t f = 0; f < LIMIT_FEEDS; f++)
        free_checkpoint(atomic_load_explicit(&self->ready[f], memory_order_acquire));
    checkpoint_builder_fini(&self->checkpoint);
    td_buf_fini(&self->state);
    td_free(self);
}

td_result live_check_open(const live_check_options *options, live_check **out, td_err *err)
{
    TD_ASSERT(options->config->feed_count <= LIMIT_FEEDS);
    live_check *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    if (self->options.memory_bytes == 0)
        self->options.memory_bytes = LIMIT_LIVE_CHECK_BYTES;
    self->decoder = decoder_open();
    checkpoint_builder_init(&self->checkpoint);
    td_buf_init(&self->state, LIMIT_STATE_BYTES);
    td_buf_init(&self->finding_text, LIVE_CHECK_FINDINGS_BYTES / 2);
    self->events = event_reader_open();
    td_result rc = TD_OK;
    if (options->ring_bytes > 0)
        rc = td_ring_open(options->ring_bytes, &self->ring, err);
    if (rc == TD_OK && self->ring != NULL)
        rc = td_ring_open(LIVE_CHECK_FINDINGS_BYTES, &self->findings, err);
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
    return atomic_load_explicit(&self->unchecked_books[feed_index], memory_order_relaxed);
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
        .states_left_out = atomic_load_explicit(&self->states_left_out, memory_order_relaxed),
    };
}
