#include "tape/source_queue.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "tape/source.h"

struct source_queue {
    archive *archive;
    connection_table *connections;
    source_options options;
    tape_stats *stats;
    /* What the segments' chunks are found in until they are opened; NULL: all of them were. So no
     * catalog is held open for longer than it is needed. */
    read_plan *planned;
    size_t planned_count;  /* segments of it that are to be opened */
    tape_source **sources; /* all that were ever planned */
    size_t source_count;
    size_t source_capacity;
    tape_source **waiting; /* heap by next_ns: sources with chunks to come */
    size_t waiting_count;
    size_t waiting_capacity;
    uint64_t newest_ns; /* first_ns of the newest segment, from where follow looks on */
    gap_list damage;
};

/* ---- the heap of sources ---- */

/* Order of sources with equal times does not matter for what comes out, only for being the same. */
static int source_before(const tape_source *a, const tape_source *b)
{
    if (a->next_ns != b->next_ns)
        return a->next_ns < b->next_ns;
    return strcmp(a->name, b->name) < 0;
}

static void swap(tape_source **heap, size_t a, size_t b)
{
    tape_source *kept = heap[a];
    heap[a] = heap[b];
    heap[b] = kept;
}

static void push_waiting(source_queue *queue, tape_source *source)
{
    TD_ASSERT(!source->is_waiting);
    TD_ASSERT(queue->waiting_count < queue->waiting_capacity);
    source->is_waiting = 1;
    size_t at = queue->waiting_count++;
    queue->waiting[at] = source;
    while (at > 0 && source_before(queue->waiting[at], queue->waiting[(at - 1) / 2])) {
        swap(queue->waiting, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static tape_source *pop_waiting(source_queue *queue)
{
    TD_ASSERT(queue->waiting_count > 0);
    tape_source *first = queue->waiting[0];
    queue->waiting[0] = queue->waiting[--queue->waiting_count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < queue->waiting_count;
             child++) {
            if (source_before(queue->waiting[child], queue->waiting[least]))
                least = child;
        }
        if (least == at)
            break;
        swap(queue->waiting, at, least);
        at = least;
    }
    first->is_waiting = 0;
    return first;
}

/* ---- which segments ---- */

static int wants_channel(void *user, const channel_info *info)
{
    const source_options *options = user;
    selection_answer answer = source_options_ask(options, info);
    /* Every other channel shows as well that the segment overlaps the window. */
    if (answer == SELECTION_EVENTS)
        return options->with_events || options->events_only;
    return answer != SELECTION_NO;
}

static int wants_feed(void *user, const char *feed)
{
    const source_options *options = user;
    return selection_has_feed(options->wanted, feed);
}

static int is_known(const source_queue *queue, const tape_source *source)
{
    for (size_t i = 0; i < queue->source_count; i++) {
        if (strcmp(queue->sources[i]->name, source->name) == 0)
            return 1;
    }
    return 0;
}

/* A session of a feed goes on until the end of its last segment. */
static void note_end(source_queue *queue, const segment_index *segment, const tape_source *source)
{
    session_feed *feed = connection_table_get_feed(queue->connections, source->session,
                                                   source->session_start_ns, segment->feed);
    uint64_t end_ns =
        segment->is_open && queue->options.is_following ? UINT64_MAX : segment->last_ns;
    if (end_ns > feed->end_ns)
        feed->end_ns = end_ns;
}

/* Add the segments of a read plan that the queue does not have yet. */
static void add_segments(source_queue *queue, read_plan *from)
{
    size_t count = read_plan_count(from);
    size_t needed = queue->source_count + count;
    int is_first = queue->source_count == 0;
    queue->sources =
        td_array_reach(queue->sources, &queue->source_capacity, needed, sizeof(tape_source *));
    queue->waiting =
        td_array_reach(queue->waiting, &queue->waiting_capacity, needed, sizeof(tape_source *));
    for (size_t i = 0; i < count; i++) {
        const planned_segment *segment = read_plan_segment(from, i);
        tape_source *source = source_make(segment);
        if (!is_first && is_known(queue, source)) {
            source_free(source);
            continue;
        }
        queue->sources[queue->source_count++] = source;
        queue->stats->segments_live += segment->life == SEGMENT_IS_RECORDED;
        push_waiting(queue, source);
        if (from == queue->planned) {
            source->planned = from;
            source->planned_at = i;
            queue->planned_count++;
        }
        if (segment->index->first_ns > queue->newest_ns)
            queue->newest_ns = segment->index->first_ns;
        note_end(queue, segment->index, source);
    }
}

static void close_planned(source_queue *queue)
{
    if (queue->planned_count > 0)
        return;
    read_plan_close(queue->planned);
    queue->planned = NULL;
}

static td_result queue_segments(source_queue *queue, archive_view *view, uint64_t from_ns,
                                td_err *err)
{
    read_query query = {.from_ns = from_ns,
                        .to_ns = queue->options.window.to_ns,
                        .wants_channel = wants_channel,
                        .wants_feed = wants_feed,
                        .user = &queue->options,
                        .view = view};
    read_plan *found = NULL;
    td_result rc = read_plan_open(queue->archive, &query, &found, err);
    if (rc != TD_OK)
        return rc;
    queue->stats->segments_unreadable += read_plan_unreadable_count(found);
    if (queue->planned == NULL)
        queue->planned = found;
    gap_list_join(&queue->damage, read_plan_damage(found));
    add_segments(queue, found);
    if (queue->planned != found)
        read_plan_close(found);
    close_planned(queue);
    return rc;
}

td_result source_queue_open(archive_view *view, connection_table *connections,
                            const source_options *options, tape_stats *stats, source_queue **out,
                            td_err *err)
{
    TD_ASSERT(options->lead_from_ns <= options->window.from_ns);
    source_queue *queue = td_alloc_zero(1, sizeof *queue);
    queue->archive = view->archive;
    queue->connections = connections;
    queue->options = *options;
    queue->stats = stats;
    td_result rc = queue_segments(queue, view, options->lead_from_ns, err);
    if (rc != TD_OK) {
        source_queue_close(queue);
        return td_err_add(err, rc, "queue");
    }
    *out = queue;
    return TD_OK;
}

void source_queue_close(source_queue *queue)
{
    if (queue == NULL)
        return;
    for (size_t i = 0; i < queue->source_count; i++)
        source_free(queue->sources[i]);
    read_plan_close(queue->planned);
    gap_list_fini(&queue->damage);
    td_free(queue->sources);
    td_free(queue->waiting);
    td_free(queue);
}

/* ---- damage ---- */

void source_queue_add_damage(source_queue *queue, const tape_source *source, uint64_t from_ns,
                             uint64_t to_ns)
{
    gap_row row =
        gap_row_of(GAP_CORRUPT, source->feed, from_ns, to_ns + 1, "stored frames cannot be read");
    row.detail = source->name;
    gap_list_add(&queue->damage, &row);
}

const gap_list *source_queue_damage(const source_queue *queue)
{
    return &queue->damage;
}

/* ---- handing out ---- */

/* Open a source whose time has come. It waits again, unless nothing in it is wanted. */
static td_result open_source(source_queue *queue, tape_source *source, td_err *err)
{
    int was_planned = source->planned != NULL;
    td_result rc = source_open(source, archive_io(queue->archive), queue->connections,
                               &queue->options, queue->stats, err);
    TD_ASSERT(source->planned == NULL);
    queue->planned_count -= was_planned != 0;
    close_planned(queue);
    if (rc == TD_E_IO)
        return td_err_add(err, rc, "segment %s", source->name);
    if (rc != TD_OK) {
        queue->stats->segments_unreadable++;
        td_log_emit(queue->options.log, TD_LOG_WARNING, "segment %s is left out: %s", source->name,
                    err == NULL ? td_result_name(rc) : err->text);
        td_err_clear(err);
        source_queue_add_damage(queue, source, source->next_ns, source->last_ns);
        return TD_OK;
    }
    if (source->order_count > 0)
        push_waiting(queue, source);
    else if (!source->is_live)
        source_shut(source);
    return TD_OK;
}

td_result source_queue_next(source_queue *queue, source_queue_chunk *out, td_err *err)
{
    while (queue->waiting_count > 0) {
        tape_source *source = pop_waiting(queue);
        if (source->reader == NULL) {
            td_result rc = open_source(queue, source, err);
            if (rc != TD_OK)
                return rc;
            continue;
        }
        TD_ASSERT(source->order_next < source->order_count);
        uint32_t index = source->order[source->order_next++];
        const segment_chunk *chunk = segment_reader_chunk(source->reader, index);
        *out = (source_queue_chunk){source, index, chunk->first_ns, chunk->chunk_bytes};
        source->loads++;
        if (source->order_next < source->order_count) {
            uint32_t next = source->order[source->order_next];
            source->next_ns = segment_reader_chunk(source->reader, next)->first_ns;
            push_waiting(queue, source);
        }
        return TD_OK;
    }
    return TD_EOF;
}

void source_queue_done(source_queue *queue, tape_source *source)
{
    (void)queue;
    TD_ASSERT(source->loads > 0);
    source->loads--;
    if (source->loads == 0 && source->order_next == source->order_count && !source->is_live)
        source_shut(source);
}

/* A recorder that writes now has the time of now, also beside segments that lie in the future. */
static uint64_t follow_from_ns(const source_queue *queue)
{
    const uint64_t two_hours_ns = UINT64_C(2) * 3600 * TD_NS_PER_S;
    uint64_t now_ns = clock_wall_ns(archive_clock(queue->archive));
    uint64_t lately_ns = now_ns > two_hours_ns ? now_ns - two_hours_ns : 0;
    return queue->newest_ns < lately_ns ? queue->newest_ns : lately_ns;
}

td_result source_queue_follow(source_queue *queue, td_err *err)
{
    TD_ASSERT(queue->options.is_following);
    TD_ASSERT(queue->waiting_count == 0);
    for (size_t i = 0; i < queue->source_count; i++) {
        tape_source *source = queue->sources[i];
        if (!source->is_live || source->reader == NULL)
            continue;
        td_result rc = source_refresh(source, queue->connections, &queue->options, err);
        if (rc != TD_OK)
            return td_err_add(err, rc, "segment %s", source->name);
        if (source->order_next < source->order_count)
            push_waiting(queue, source);
        else if (!source->is_live)
            source_shut(source);
    }
    if (queue->waiting_count == 0) {
        uint64_t from_ns = follow_from_ns(queue);
        uint64_t lead_ns = queue->options.lead_from_ns;
        td_result rc = queue_segments(queue, NULL, from_ns > lead_ns ? from_ns : lead_ns, err);
        if (rc != TD_OK)
            return td_err_add(err, rc, "following");
    }
    return queue->waiting_count > 0 ? TD_OK : TD_EOF;
}
