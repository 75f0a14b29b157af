#include "tape/plan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "tape/source.h"

struct tape_plan {
    archive *archive;
    connection_table *connections;
    plan_options options;
    tape_stats *stats;
    /* What the segments' chunks are found in until they are opened; NULL: all of them were. So no
     * catalog is held open for longer than it is needed. */
    archive_plan *planned;
    size_t planned_count;  /* segments of it that are to be opened */
    tape_source **sources; /* all that were ever planned */
    size_t source_count;
    size_t source_capacity;
    tape_source **waiting; /* heap by next_ns: sources with chunks to come; same capacity */
    size_t waiting_count;
    uint64_t newest_ns; /* first_ns of the newest segment, from where follow looks on */
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

static void push_waiting(tape_plan *plan, tape_source *source)
{
    TD_ASSERT(!source->is_waiting);
    TD_ASSERT(plan->waiting_count < plan->source_capacity);
    source->is_waiting = 1;
    size_t at = plan->waiting_count++;
    plan->waiting[at] = source;
    while (at > 0 && source_before(plan->waiting[at], plan->waiting[(at - 1) / 2])) {
        swap(plan->waiting, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static tape_source *pop_waiting(tape_plan *plan)
{
    TD_ASSERT(plan->waiting_count > 0);
    tape_source *first = plan->waiting[0];
    plan->waiting[0] = plan->waiting[--plan->waiting_count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < plan->waiting_count;
             child++) {
            if (source_before(plan->waiting[child], plan->waiting[least]))
                least = child;
        }
        if (least == at)
            break;
        swap(plan->waiting, at, least);
        at = least;
    }
    first->is_waiting = 0;
    return first;
}

/* ---- planning ---- */

static int wants_channel(void *user, const channel_info *info)
{
    const plan_options *options = user;
    selection_answer answer = selection_ask(options->wanted, info);
    /* An events channel has frames now and then: any other one shows as well that the segment is
     * of the time that is asked about. */
    if (answer == SELECTION_EVENTS)
        return options->with_events || options->events_only;
    return answer != SELECTION_NO;
}

static int wants_feed(void *user, const char *feed)
{
    const plan_options *options = user;
    return selection_has_feed(options->wanted, feed);
}

static int is_known(const tape_plan *plan, const tape_source *source)
{
    for (size_t i = 0; i < plan->source_count; i++) {
        if (strcmp(plan->sources[i]->name, source->name) == 0)
            return 1;
    }
    return 0;
}

static td_result make_room(tape_plan *plan, size_t count, td_err *err)
{
    size_t needed = plan->source_count + count;
    if (needed <= plan->source_capacity)
        return TD_OK;
    tape_source **sources = td_realloc(plan->sources, needed, sizeof(tape_source *));
    if (sources != NULL)
        plan->sources = sources;
    tape_source **waiting = td_realloc(plan->waiting, needed, sizeof(tape_source *));
    if (waiting != NULL)
        plan->waiting = waiting;
    if (sources == NULL || waiting == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a plan of %zu segments", needed);
    plan->source_capacity = needed;
    return TD_OK;
}

/* A session of a feed goes on until the end of its last segment. */
static td_result note_end(tape_plan *plan, const segment_index *segment, const tape_source *source,
                          td_err *err)
{
    session_feed *feed = NULL;
    td_result rc = connection_table_get_feed(plan->connections, source->session,
                                             source->session_start_ns, segment->feed, &feed, err);
    if (rc != TD_OK)
        return rc;
    uint64_t end_ns =
        segment->is_open && plan->options.is_following ? UINT64_MAX : segment->last_ns;
    if (end_ns > feed->end_ns)
        feed->end_ns = end_ns;
    return TD_OK;
}

/* Add the segments of an archive's plan that this one does not know. The first plan knows none. */
static td_result add_segments(tape_plan *plan, archive_plan *from, td_err *err)
{
    size_t count = archive_plan_count(from);
    int is_first = plan->source_count == 0;
    td_result rc = make_room(plan, count, err);
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        const plan_segment *segment = archive_plan_segment(from, i);
        tape_source *source = NULL;
        rc = source_make(segment, &source, err);
        if (rc != TD_OK)
            break;
        if (!is_first && is_known(plan, source)) {
            source_free(source);
            continue;
        }
        plan->sources[plan->source_count++] = source;
        push_waiting(plan, source);
        if (from == plan->planned) {
            source->planned = from;
            source->planned_at = i;
            plan->planned_count++;
        }
        if (segment->index->first_ns > plan->newest_ns)
            plan->newest_ns = segment->index->first_ns;
        rc = note_end(plan, segment->index, source, err);
    }
    return rc;
}

static void close_planned(tape_plan *plan)
{
    if (plan->planned_count > 0)
        return;
    archive_plan_close(plan->planned);
    plan->planned = NULL;
}

static td_result plan_segments(tape_plan *plan, uint64_t from_ns, td_err *err)
{
    plan_query query = {.from_ns = from_ns,
                        .to_ns = plan->options.window.to_ns,
                        .wants_channel = wants_channel,
                        .wants_feed = wants_feed,
                        .user = &plan->options};
    archive_plan *found = NULL;
    td_result rc = archive_plan_open(plan->archive, &query, &found, err);
    if (rc != TD_OK)
        return rc;
    plan->stats->segments_unreadable += archive_plan_unreadable_count(found);
    if (plan->planned == NULL)
        plan->planned = found;
    rc = add_segments(plan, found, err);
    if (plan->planned != found)
        archive_plan_close(found);
    close_planned(plan);
    return rc;
}

td_result tape_plan_open(archive *of, connection_table *connections, const plan_options *options,
                         tape_stats *stats, tape_plan **out, td_err *err)
{
    TD_ASSERT(options->lead_from_ns <= options->window.from_ns);
    tape_plan *plan = td_alloc_zero(1, sizeof *plan);
    if (plan == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a plan");
    plan->archive = of;
    plan->connections = connections;
    plan->options = *options;
    plan->stats = stats;
    td_result rc = plan_segments(plan, options->lead_from_ns, err);
    if (rc != TD_OK) {
        tape_plan_close(plan);
        return td_err_add(err, rc, "plan");
    }
    *out = plan;
    return TD_OK;
}

void tape_plan_close(tape_plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->source_count; i++)
        source_free(plan->sources[i]);
    archive_plan_close(plan->planned);
    td_free(plan->sources);
    td_free(plan->waiting);
    td_free(plan);
}

/* ---- handing out ---- */

/* Open a source whose time has come. It waits again, unless nothing in it is wanted. */
static td_result open_source(tape_plan *plan, tape_source *source, td_err *err)
{
    int was_planned = source->planned != NULL;
    td_result rc = source_open(source, archive_io(plan->archive), plan->connections, &plan->options,
                               plan->stats, err);
    TD_ASSERT(source->planned == NULL);
    plan->planned_count -= was_planned != 0;
    close_planned(plan);
    if (rc == TD_E_IO || rc == TD_E_NOMEM)
        return td_err_add(err, rc, "segment %s", source->name);
    if (rc != TD_OK) {
        plan->stats->segments_unreadable++;
        td_log_say(plan->options.log, TD_LOG_WARNING, "segment %s is left out: %s", source->name,
                   err == NULL ? td_result_name(rc) : err->text);
        td_err_clear(err);
        return TD_OK;
    }
    if (source->order_count > 0)
        push_waiting(plan, source);
    else if (!source->is_live)
        source_shut(source);
    return TD_OK;
}

td_result tape_plan_next(tape_plan *plan, plan_item *out, td_err *err)
{
    while (plan->waiting_count > 0) {
        tape_source *source = pop_waiting(plan);
        if (source->reader == NULL) {
            td_result rc = open_source(plan, source, err);
            if (rc != TD_OK)
                return rc;
            continue;
        }
        TD_ASSERT(source->order_next < source->order_count);
        uint32_t index = source->order[source->order_next++];
        const segment_chunk *chunk = segment_reader_chunk(source->reader, index);
        *out = (plan_item){source, index, chunk->first_ns, chunk->chunk_bytes};
        source->loads++;
        if (source->order_next < source->order_count) {
            uint32_t next = source->order[source->order_next];
            source->next_ns = segment_reader_chunk(source->reader, next)->first_ns;
            push_waiting(plan, source);
        }
        return TD_OK;
    }
    return TD_EOF;
}

void tape_plan_done(tape_plan *plan, tape_source *source)
{
    (void)plan;
    TD_ASSERT(source->loads > 0);
    source->loads--;
    if (source->loads == 0 && source->order_next == source->order_count && !source->is_live)
        source_shut(source);
}

/* A recorder that writes now has the time of now, also beside segments that lie in the future. */
static uint64_t follow_from_ns(const tape_plan *plan)
{
    const uint64_t two_hours_ns = UINT64_C(2) * 3600 * TD_NS_PER_S;
    uint64_t now_ns = clock_wall_ns(archive_clock(plan->archive));
    uint64_t lately_ns = now_ns > two_hours_ns ? now_ns - two_hours_ns : 0;
    return plan->newest_ns < lately_ns ? plan->newest_ns : lately_ns;
}

td_result tape_plan_follow(tape_plan *plan, td_err *err)
{
    TD_ASSERT(plan->options.is_following);
    TD_ASSERT(plan->waiting_count == 0);
    for (size_t i = 0; i < plan->source_count; i++) {
        tape_source *source = plan->sources[i];
        if (!source->is_live || source->reader == NULL)
            continue;
        td_result rc = source_refresh(source, plan->connections, &plan->options, plan->stats, err);
        if (rc != TD_OK)
            return td_err_add(err, rc, "segment %s", source->name);
        if (source->order_next < source->order_count)
            push_waiting(plan, source);
        else if (!source->is_live)
            source_shut(source);
    }
    if (plan->waiting_count == 0) {
        uint64_t from_ns = follow_from_ns(plan);
        uint64_t lead_ns = plan->options.lead_from_ns;
        td_result rc = plan_segments(plan, from_ns > lead_ns ? from_ns : lead_ns, err);
        if (rc != TD_OK)
            return td_err_add(err, rc, "following");
    }
    return plan->waiting_count > 0 ? TD_OK : TD_EOF;
}
