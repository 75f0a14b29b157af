#include "tape/tape.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/workers.h"
#include "archive/read_plan.h"
#include "schema/decode.h"
#include "archive/event.h"
#include "tape/content.h"
#include "tape/merge.h"
#include "tape/nothing.h"
#include "tape/source_queue.h"
#include "tape/connection_table.h"

_Static_assert((int)DECODE_PADDING_BYTES <= (int)SEGMENT_PADDING_BYTES,
               "frames are decoded in their chunk");

struct tape {
    selection wanted;
    source_options source_options;
    const td_log *log;
    uint8_t with_events;
    uint8_t wants_unknown; /* 1: _unknown frames that no row fits are selected, too */
    connection_table *connections;
    source_queue *queue;
    merge *merge;
    td_workers *workers;    /* NULL: one thread */
    content_pool *readers;  /* of those that read chunks; NULL: contents are read one by one */
    content_reader *reader; /* the tape's own: rows, and what the workers do not read */
    event_reader *events;
    event event; /* the last that was read */
    tape_stats stats;
};

/* ---- opening ---- */

static td_result open_parts(tape *t, archive_view *view, unsigned threads, tape_reads reads,
                            td_err *err)
{
    t->connections = connection_table_open();
    td_result rc = TD_OK;
    t->events = event_reader_open();
    if (threads > 1)
        rc = td_workers_open(threads, &t->workers, err);
    t->reader = content_reader_open(reads);
    int reads_chunks =
        reads != TAPE_READS_FRAMES && (threads > 1 || t->source_options.decoding != NULL);
    if (reads_chunks)
        t->readers = content_pool_open(reads);
    if (rc == TD_OK)
        rc = source_queue_open(view, t->connections, &t->source_options, &t->stats, &t->queue, err);
    /* One a thread, and one that waits. */
    unsigned ahead = threads > 1 ? threads + 1 : 1;
    if (ahead > MERGE_AHEAD_MAX)
        ahead = MERGE_AHEAD_MAX;
    if (rc == TD_OK)
        t->merge =
            merge_open(t->queue, &t->source_options, t->workers, t->readers, ahead, &t->stats);
    return rc;
}

/* How a tape differs from its user's options. */
typedef struct inner_options {
    selection_window window;
    uint64_t lead_from_ns;
    uint8_t events_only;
} inner_options;

static td_result open_tape(archive_view *view, const selection *wanted, const tape_options *options,
                           const inner_options *inner, tape **out, td_err *err)
{
    tape *t = td_alloc_zero(1, sizeof *t);
    t->wanted = *wanted;
    t->log = options->log;
    t->with_events = options->with_events || inner->events_only;
    t->source_options = (source_options){.wanted = &t->wanted,
                                         .window = inner->window,
                                         .lead_from_ns = inner->lead_from_ns,
                                         .log = options->log,
                                         .with_events = options->with_events,
                                         .events_only = inner->events_only,
                                         .is_following = options->is_following,
                                         .decoding = options->decoding,
                                         .wants_channel = options->wants_channel,
                                         .user = options->user};
    t->wants_unknown = (uint8_t)selection_has_topic(wanted, td_bytes_str(CHANNEL_TOPIC_UNKNOWN),
                                                    td_bytes_str(""), td_bytes_str(""));
    td_result rc = open_parts(t, view, options->threads, options->reads, err);
    if (rc != TD_OK) {
        tape_close(t);
        return rc;
    }
    *out = t;
    return TD_OK;
}

/* Time of the first frame of the selected feeds, for times such as "+90s"; 0 if there is none. */
static td_result find_first_ns(archive_view *view, const selection *wanted, uint64_t *first_ns,
                               td_err *err)
{
    selection feeds = {.feeds = wanted->feeds};
    inner_options inner = {.window = {0, UINT64_MAX}};
    tape *t = NULL;
    td_result rc = open_tape(view, &feeds, &(tape_options){0}, &inner, &t, err);
    if (rc != TD_OK)
        return rc;
    tape_frame frame;
    *first_ns = 0;
    rc = tape_next(t, &frame, err);
    if (rc == TD_OK)
        *first_ns = frame.recv_ns;
    tape_close(t);
    return rc == TD_EOF ? TD_OK : rc;
}

/* Segments turn with the hour, and a quiet feed may leave one out. */
#define TURN_NS_MAX (UINT64_C(26) * 3600 * UINT64_C(1000000000))

/* The segment that goes on where this one ends, or NULL. */
static const segment_index *next_of(const read_plan *plan, const segment_index *segment)
{
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const segment_index *next = read_plan_segment(plan, i)->index;
        if (next->number == segment->number + 1 && strcmp(next->session, segment->session) == 0 &&
            strcmp(next->feed, segment->feed) == 0)
            return next;
    }
    return NULL;
}

/* A moment from which on every segment that was being written at from_ns has frames: where the
 * oldest of them begins. A segment is being written until the next one of its session begins, so
 * that from_ns may well lie between two. */
static td_result find_inside_ns(archive_view *view, const selection *wanted, uint64_t from_ns,
                                uint64_t *inside_ns, td_err *err)
{
    selection feeds = {.feeds = wanted->feeds};
    const selection_window near = {
        .from_ns = from_ns > TURN_NS_MAX ? from_ns - TURN_NS_MAX : 0,
        .to_ns = from_ns < UINT64_MAX - TURN_NS_MAX ? from_ns + TURN_NS_MAX : UINT64_MAX};
    read_query query = selection_query(&feeds, near);
    query.wants_channel = NULL; /* events are frames, too */
    query.view = view;
    read_plan *plan = NULL;
    *inside_ns = from_ns;
    td_result rc = read_plan_open(view->archive, &query, &plan, err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const segment_index *segment = read_plan_segment(plan, i)->index;
        if (segment->first_ns >= *inside_ns)
            continue;
        const segment_index *next = next_of(plan, segment);
        if (segment->last_ns >= from_ns || (next != NULL && next->first_ns >= from_ns))
            *inside_ns = segment->first_ns;
    }
    read_plan_close(plan);
    return TD_OK;
}

/* The moment from which frames are needed to know the books at from_ns: when the oldest of the
 * connections that were open then began. An exchange sends a snapshot at the start of each. */
static td_result find_lead_from(archive_view *view, const selection *wanted, uint64_t from_ns,
                                uint64_t *lead_from_ns, td_err *err)
{
    *lead_from_ns = from_ns;
    uint64_t inside_ns;
    td_result rc = find_inside_ns(view, wanted, from_ns, &inside_ns, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(inside_ns <= from_ns);
    selection feeds = {.feeds = wanted->feeds};
    inner_options inner = {
        .window = {inside_ns, from_ns + 1}, .lead_from_ns = inside_ns, .events_only = 1};
    tape *t = NULL;
    rc = open_tape(view, &feeds, &(tape_options){0}, &inner, &t, err);
    if (rc != TD_OK)
        return rc;
    tape_frame last;
    do
        rc = tape_next(t, &last, err);
    while (rc == TD_OK);
    for (const session_feed *feed = connection_table_feeds(t->connections); feed != NULL;
         feed = feed->next) {
        for (const session_slot *slot = feed->slots; slot != NULL; slot = slot->next) {
            if (slot->is_open && slot->since_ns < *lead_from_ns)
                *lead_from_ns = slot->since_ns;
        }
    }
    tape_close(t);
    return rc == TD_EOF ? TD_OK : rc;
}

/* All that is planned for one tape is planned from one view. */
static td_result open_from(archive_view *view, const selection *wanted, const tape_options *options,
                           tape **out, td_err *err)
{
    uint64_t first_ns = 0;
    td_result rc = TD_OK;
    if (selection_is_relative(wanted))
        rc = find_first_ns(view, wanted, &first_ns, err);
    if (rc != TD_OK)
        return rc;
    inner_options inner = {.window = selection_resolve(wanted, first_ns)};
    inner.lead_from_ns = inner.window.from_ns;
    if (options->with_lead_in && inner.window.from_ns > 0 && inner.window.from_ns < UINT64_MAX)
        rc = find_lead_from(view, wanted, inner.window.from_ns, &inner.lead_from_ns, err);
    return rc == TD_OK ? open_tape(view, wanted, options, &inner, out, err) : rc;
}

td_result tape_open(archive *of, const selection *wanted, const tape_options *options, tape **out,
                    td_err *err)
{
    TD_ASSERT(options->threads <= LIMIT_THREADS);
    archive_view *view = NULL;
    td_result rc = selection_check_of(of, wanted, err);
    if (rc == TD_OK)
        rc = archive_view_open(of, VIEW_ALL, archive_log(of), &view, err);
    if (rc == TD_OK)
        rc = open_from(view, wanted, options, out, err);
    archive_view_close(view);
    return rc;
}

void tape_close(tape *t)
{
    if (t == NULL)
        return;
    td_log_emit(t->log, TD_LOG_DEBUG, "read %llu chunks (%llu bytes) of %llu segments",
                (unsigned long long)t->stats.chunks_read, (unsigned long long)t->stats.bytes_read,
                (unsigned long long)t->stats.segments);
    merge_close(t->merge);
    source_queue_close(t->queue);
    td_workers_close(t->workers);
    content_pool_close(t->readers);
    content_reader_close(t->reader);
    event_reader_close(t->events);
    connection_table_close(t->connections);
    td_free(t);
}

/* ---- frames ---- */

/* The frame of a message and its channel. */
static void fill_frame(const merge_item *item, const source_channel *from, uint8_t *records,
                       tape_frame *out)
{
    const block_entry *entry = item->entry;
    session_slot *slot = from->slot;
    out->channel = from->channel;
    out->recv_ns = entry->recv_ns;
    out->publish_ns = td_le64(records + entry->offset - sizeof(uint64_t));
    out->session = from->feed->session->number;
    out->session_id = from->feed->session->id;
    out->is_lead_in = 0;
    out->bytes = td_bytes_of(records + entry->offset, entry->size);
    out->block = item->block;
    out->row = NULL;
    out->content = item->content;
    out->event = NULL;
    out->ordinal = 0;
    out->conn = 0;
    channel_dir dir = from->channel->info.dir;
    if (dir == CHANNEL_IN || dir == CHANNEL_OUT) {
        uint64_t *last = dir == CHANNEL_IN ? &slot->in : &slot->out;
        *last = session_slot_ordinal(*last, entry->sequence);
        out->ordinal = *last;
        out->conn = slot->conn;
    }
}

/* An event changes the state of its feed's connections. One that cannot be read is logged and
 * changes nothing. */
static void take_event(tape *t, const source_channel *from, tape_frame *frame)
{
    td_err why;
    td_result rc = event_decode(t->events, frame->bytes, &t->event, &why);
    if (rc == TD_OK) {
        frame->event = &t->event;
        connection_table_apply(from->feed, frame->event, frame->recv_ns);
        return;
    }
    td_log_emit(t->log, TD_LOG_WARNING, "feed %s: an event cannot be read: %s", from->feed->name,
                why.text);
}

/* Copy a view into out as a C string; 0 if it does not fit or holds a NUL. */
static int copy_name(td_bytes from, char *out, size_t out_bytes)
{
    if (from.size >= out_bytes || memchr(from.data, '\0', from.size) != NULL)
        return 0;
    if (from.size > 0)
        memcpy(out, from.data, from.size);
    out[from.size] = '\0';
    return 1;
}

/* The channel on which a frame would be filed today, if this version has a row for it. */
static td_result reclassify(tape *t, const tape_frame *frame, tape_channel **out, td_err *err)
{
    const tape_channel *from = frame->channel;
    if (from->family == NULL || from->family->topic_count == 0)
        return TD_OK;
    const classification what = *content_classify(t->reader, from, frame->recv_ns, frame->bytes);
    if (what.frame_class != CLASS_DATA || what.topic.row == NULL)
        return TD_OK;
    char topic[LIMIT_TOPIC_BYTES];
    char exchange_topic[LIMIT_TOPIC_BYTES];
    char symbol[LIMIT_SYMBOL_BYTES];
    if (!copy_name(what.topic.topic, topic, sizeof topic) ||
        !copy_name(what.exchange_topic, exchange_topic, sizeof exchange_topic) ||
        !copy_name(what.topic.symbol, symbol, sizeof symbol))
        return TD_OK;
    channel_info info = from->info;
    info.topic = topic;
    info.exchange_topic = exchange_topic;
    info.symbol = symbol;
    return connection_table_channel(t->connections, &info, out, err);
}

/* A frame that was unknown when it was recorded. *is_wanted: whether it is selected, as what it is
 * now. */
static td_result take_unknown(tape *t, tape_frame *frame, int *is_wanted, td_err *err)
{
    tape_channel *known = NULL;
    td_result rc = reclassify(t, frame, &known, err);
    if (rc != TD_OK)
        return rc;
    if (known == NULL) {
        *is_wanted = t->wants_unknown;
        return TD_OK;
    }
    const channel_info *info = &known->info;
    frame->channel = known;
    *is_wanted =
        selection_has_topic(&t->wanted, td_bytes_str(info->topic),
                            td_bytes_str(info->exchange_topic), td_bytes_str(info->symbol));
    return TD_OK;
}

/* Read, into the block, a frame that the loader left alone: it has been classified again since.
 * NULL: there is nothing to read. */
static td_result read_late(tape *t, const tape_frame *frame, const frame_content **out, td_err *err)
{
    const tape_decoding *decoding = t->source_options.decoding;
    td_arena *arena = block_arena(frame->block);
    if (decoding != NULL && content_is_asked(t->reader, frame->channel)) {
        const decoding_request request = {.channel = frame->channel,
                                          .row = frame->row,
                                          .session = frame->session_id,
                                          .ordinal = (uint32_t)frame->ordinal,
                                          .recv_ns = frame->recv_ns,
                                          .bytes = frame->bytes,
                                          .is_lead_in =
                                              frame->recv_ns < t->source_options.window.from_ns};
        return content_ask(t->reader, decoding, &request, 1, arena, out, err);
    }
    *out = content_read_kept(t->reader, frame->channel, frame->row, frame->recv_ns, frame->bytes,
                             arena);
    return TD_OK;
}

/* The frame's row and content; where chunks are read by workers or asked about as a whole, those of
 * most are there. */
static td_result take_content(tape *t, tape_frame *frame, td_err *err)
{
    td_result rc = TD_OK;
    const frame_content *content = frame->content;
    frame->row = content_row(t->reader, frame->channel, frame->recv_ns);
    if (content == NULL && TD_UNLIKELY(t->readers != NULL))
        rc = read_late(t, frame, &content, err);
    else if (content == NULL)
        content = content_read(t->reader, frame->channel, frame->row, frame->recv_ns, frame->bytes);
    frame->content = content;
    const channel_info *info = &frame->channel->info;
    return rc == TD_OK ? TD_OK
                       : td_err_add(err, rc, "%s/%s/%s", info->feed, info->topic, info->symbol);
}

td_result tape_next(tape *t, tape_frame *out, td_err *err)
{
    TD_ASSERT_SLOW(t != NULL);
    for (;;) {
        merge_item item;
        td_result rc = merge_next(t->merge, &item, err);
        if (rc != TD_OK)
            return rc;
        TD_ASSERT_SLOW(item.entry->channel < item.source->channel_count);
        const source_channel *from = &item.source->channels[item.entry->channel];
        fill_frame(&item, from, block_bytes(item.block)->data, out);
        int is_wanted = 1;
        if (TD_UNLIKELY(from->use == SOURCE_EVENT)) {
            take_event(t, from, out);
            is_wanted = t->with_events && out->recv_ns >= t->source_options.window.from_ns;
        } else if (TD_UNLIKELY(from->use == SOURCE_UNKNOWN)) {
            rc = take_unknown(t, out, &is_wanted, err);
        }
        if (rc == TD_OK && is_wanted)
            out->of_stream = connection_table_follow(out->channel, from->slot, out->recv_ns);
        if (rc == TD_OK && is_wanted)
            rc = take_content(t, out, err);
        if (TD_UNLIKELY(rc != TD_OK))
            return rc;
        out->is_lead_in = out->recv_ns < t->source_options.window.from_ns;
        if (TD_LIKELY(is_wanted))
            return TD_OK;
    }
}

td_result tape_follow(tape *t, td_err *err)
{
    TD_ASSERT(t->source_options.is_following);
    return source_queue_follow(t->queue, err);
}

selection_window tape_get_window(const tape *t)
{
    return t->source_options.window;
}

td_result tape_find_window(archive *from, const selection *wanted, const td_log *log,
                           selection_window *out, td_err *err)
{
    tape *of = NULL;
    if (!selection_is_relative(wanted)) {
        *out = selection_resolve(wanted, 0);
        return TD_OK;
    }
    td_result rc = tape_open(from, wanted, &(tape_options){.log = log}, &of, err);
    if (rc == TD_OK)
        *out = tape_get_window(of);
    tape_close(of);
    return rc;
}

uint64_t tape_get_lead_from_ns(const tape *t)
{
    TD_ASSERT(t->source_options.lead_from_ns <= t->source_options.window.from_ns);
    return t->source_options.lead_from_ns;
}

int tape_is_damaged(const tape_stats *stats)
{
    return stats->damaged_chunks > 0 || stats->segments_unreadable > 0;
}

const gap_list *tape_get_damage(const tape *t)
{
    return source_queue_damage(t->queue);
}

void tape_get_stats(const tape *t, tape_stats *out)
{
    *out = t->stats;
    out->contents_read = content_count(t->reader);
    if (t->readers != NULL)
        out->contents_read += content_pool_count(t->readers);
    if (t->workers != NULL)
        out->workers_busy_max = td_workers_busy_max(t->workers);
}
