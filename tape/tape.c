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
    connection_table *connections;
    source_queue *queue;
    merge *merge;
    td_workers *workers;    /* NULL: one thread */
    content_pool *readers;  /* of those that read chunks */
    content_reader *reader; /* of frames that are due; NULL: contents are read with their chunk */
    uint64_t position;      /* of the next frame */
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
        rc = td_workers_open(threads - 1, &t->workers, err);
    t->readers = content_pool_open(reads);
    t->source_options.reads_ahead = threads > 1 || t->source_options.decoding != NULL;
    if (!t->source_options.reads_ahead)
        t->reader = content_reader_open(reads);
    if (rc == TD_OK)
        rc = source_queue_open(view, t->connections, &t->source_options, &t->stats, &t->queue, err);
    /* One a thread, and one that waits. */
    unsigned ahead = threads > 1 ? threads + 1 : 1;
    if (ahead > MERGE_AHEAD_MAX)
        ahead = MERGE_AHEAD_MAX;
    if (rc == TD_OK)
        t->merge = merge_open(t->queue, &t->source_options, t->connections, t->workers, t->readers,
                              ahead, &t->stats);
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
    t->source_options.wants_unknown = (uint8_t)selection_has_topic(
        wanted, td_bytes_str(CHANNEL_TOPIC_UNKNOWN), td_bytes_str(""), td_bytes_str(""));
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
    const frame_ref *frame;
    *first_ns = 0;
    rc = tape_next(t, &frame, err);
    if (rc == TD_OK)
        *first_ns = frame->recv_ns;
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
    const frame_ref *last;
    do
        rc = tape_next(t, &last, err);
    while (rc == TD_OK);
    for (const session_feed *feed = connection_table_feeds(t->connections); feed != NULL;
         feed = feed->next) {
        for (const session_slot *slot = feed->slots; slot != NULL; slot = slot->next) {
            if (slot->is_open && slot->now->conn.since_ns < *lead_from_ns)
                *lead_from_ns = slot->now->conn.since_ns;
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

/* An event changes the state of its feed's connections. One that cannot be read is logged and
 * changes nothing. */
static void take_event(tape *t, const source_channel *from, frame_ref *frame)
{
    td_err why;
    if (event_decode(t->events, frame->bytes, &t->event, &why) == TD_OK) {
        frame->event = &t->event;
        connection_table_apply(from->feed, frame->event, frame->recv_ns);
        return;
    }
    td_log_emit(t->log, TD_LOG_WARNING, "feed %s: an event cannot be read: %s", from->feed->name,
                why.text);
}

/* The frame's connection, and its number on it. */
static void take_conn(session_slot *slot, frame_ref *frame)
{
    channel_dir dir = frame->channel->info.dir;
    if (dir != CHANNEL_IN && dir != CHANNEL_OUT) {
        frame->ordinal = 0;
        return;
    }
    uint64_t *last = dir == CHANNEL_IN ? &slot->in : &slot->out;
    *last = session_slot_ordinal(*last, (uint32_t)frame->ordinal);
    frame->ordinal = *last;
    frame->conn = &slot->now->conn;
}

td_result tape_next(tape *t, const frame_ref **out, td_err *err)
{
    TD_ASSERT_SLOW(t != NULL);
    for (;;) {
        merge_item item;
        td_result rc = merge_next(t->merge, &item, err);
        if (rc != TD_OK)
            return rc;
        frame_ref *frame = item.frame;
        take_conn(item.from->slot, frame);
        if (TD_UNLIKELY(item.from->use == SOURCE_EVENT)) {
            take_event(t, item.from, frame);
            if (!t->with_events || frame->is_lead_in)
                continue;
        }
        frame->position = t->position++;
        connection_table_follow(item.from->slot, frame);
        if (t->reader != NULL)
            content_read(t->reader, frame);
        *out = frame;
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

td_workers *tape_workers(tape *t)
{
    return t->workers;
}

void tape_get_stats(const tape *t, tape_stats *out)
{
    *out = t->stats;
    out->contents_read = content_pool_count(t->readers);
    if (t->reader != NULL)
        out->contents_read += content_count(t->reader);
    if (t->workers != NULL)
        out->workers_busy_max = td_workers_busy_max(t->workers);
}
