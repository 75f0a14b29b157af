#include "tape/cursor.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "archive/archive_segment.h"
#include "archive/event.h"
#include "archive/open_conns.h"
#include "archive/read_plan.h"
#include "format/segment_name.h"
#include "schema/decode.h"
#include "tape/connection_table.h"
#include "tape/content.h"
#include "tape/lines.h"
#include "tape/merge.h"
#include "tape/segments.h"
#include "tape/states.h"

_Static_assert((int)DECODE_PADDING_BYTES <= (int)SEGMENT_PADDING_BYTES,
               "frames are decoded in their chunk");

enum { SOURCES_MAX = 1 };
_Static_assert((int)SOURCES_MAX <= (int)MERGE_SOURCES_MAX, "the merge takes them all");

/* A segment whose predecessor was pruned: its checkpoint has the state that its frames continue. */
typedef struct hole {
    session_feed *feed;
    segment_rows rows;   /* of the segment, with its checkpoint */
    symbol_table states; /* empty until it is passed */
    uint8_t is_passed;
} hole;

struct cursor {
    archive *archive;
    selection wanted;
    cursor_options options;
    source_options reading; /* the current window */
    connection_table *connections;
    source sources[SOURCES_MAX];
    size_t source_count;
    merge *merge;
    td_workers *workers;   /* NULL: one thread */
    content_pool *readers; /* for the threads that read chunks */
    content_reader *reader;
    line_streams *lines; /* NULL: frames of all lines are returned */
    uint8_t has_lines;   /* 1: lines was given a frame */
    merge_item next;     /* has a frame before which those that wait are returned; else zero */
    uint64_t last_ns;    /* time of the last returned frame */
    uint64_t begin_ns;   /* with a lead-in: the start of a cut's selection, or 0 */
    uint64_t position;   /* number of the next frame */
    uint64_t since_ns;   /* streams without a state are read from this time on */
    symbol_table states;
    hole *holes; /* those between frames of the window */
    size_t hole_count;
    uint64_t hole_ns; /* first frame of the earliest hole that is not passed; UINT64_MAX: none */
    order_hold hold;  /* only if options.hold_ns > 0 */
    event_reader *events;
    event event; /* the last event */
    cursor_stats stats;
    gap_list damage;
};

static int has_lead_in(const cursor *c)
{
    return c->options.states != TAPE_STATES_NONE;
}

/* ---- sources ---- */

static void close_sources(cursor *c)
{
    merge_close(c->merge);
    c->merge = NULL;
    for (; c->source_count > 0; c->source_count--) {
        source *of = &c->sources[c->source_count - 1];
        of->ops->close(of->self);
    }
}

/* Open the sources of a window, and their merge. */
static td_result open_sources(cursor *c, archive_view *view, const source_options *reading,
                              td_err *err)
{
    TD_ASSERT(c->source_count == 0);
    c->reading = *reading;
    td_workers *workers = reading->reads_ahead ? c->workers : NULL;
    /* chunks to read ahead: one per thread, and one that waits */
    unsigned ahead = workers == NULL ? 1 : td_workers_count(workers) + 2;
    td_result rc = segments_open(view, &c->reading, &c->sources[0], err);
    if (rc != TD_OK)
        return rc;
    c->source_count = 1;
    c->merge = merge_open(c->sources, c->source_count, &c->reading, workers, c->readers,
                          ahead > MERGE_AHEAD_MAX ? MERGE_AHEAD_MAX : ahead);
    return TD_OK;
}

/* ---- start of the selection ---- */

static int wants_feed(void *user, const char *feed)
{
    return selection_has_feed(user, feed);
}

static uint64_t begin_of(const segment_index *index)
{
    return strcmp(index->verb, "cut") == 0 && index->checkpoint_count > 0
               ? index->checkpoints[0].at_ns
               : 0;
}

/* 1 if all that is in the archive may be of a cut: it is a file, or a folder of segments that `cut`
 * wrote. */
static int may_be_cut(const archive *from, const archive_view *view)
{
    size_t i = 0;
    if (archive_is_single_file(from))
        return 1;
    while (i < view->listing.segment_count &&
           view->listing.segments[i].name.number == SEGMENT_NUMBER_CUT)
        i++;
    return i > 0 && i == view->listing.segment_count;
}

/* Get the start of the selection in a cut; earlier frames are the state at that time. 0 for other
 * archives, or if the selection had no start. TD_E_IO. */
static td_result find_begin(archive *from, archive_view *view, uint64_t *begin_ns, td_err *err)
{
    const read_query query = {.time = TIME_SPAN_ALL, .view = view, .is_quiet = 1};
    read_plan *plan = NULL;
    *begin_ns = 0;
    if (!may_be_cut(from, view))
        return TD_OK;
    td_result rc = read_plan_open(from, &query, &plan, err);
    for (size_t i = 0; rc == TD_OK && *begin_ns == 0 && i < read_plan_count(plan); i++)
        *begin_ns = begin_of(read_plan_segment(plan, i)->index);
    read_plan_close(plan);
    return rc;
}

/* Time of a segment's first frame; in a cut with a checkpoint, start of the cut's selection.
 * UINT64_MAX without frames. */
static uint64_t first_of(archive *from, const segment_index *planned)
{
    segment_index index = {0};
    uint64_t first_ns = begin_of(planned);
    if (first_ns > 0)
        return first_ns;
    first_ns = UINT64_MAX;
    const segment_index *full = planned->depth == INDEX_FULL ? planned : &index;
    if (full == &index &&
        archive_read_index(from, planned->path, INDEX_FULL, &index, NULL) != TD_OK)
        return first_ns;
    for (size_t i = 0; i < full->channel_count; i++) {
        const segment_channel *channel = &full->channels[i];
        if (channel->info.dir != CHANNEL_EVENT && channel->message_count > 0 &&
            channel->first_ns < first_ns)
            first_ns = channel->first_ns;
    }
    segment_index_fini(&index);
    return first_ns;
}

/* Time of the first frame of the selected feeds, for times such as "+90s"; 0 if absent. */
static td_result find_first_ns(const cursor *c, archive_view *view, uint64_t *first_ns, td_err *err)
{
    selection feeds = {.feeds = c->wanted.feeds};
    const read_query query = {.time = TIME_SPAN_ALL,
                              .wants_feed = wants_feed,
                              .user = &feeds,
                              .view = view,
                              .is_quiet = 1};
    read_plan *plan = NULL;
    uint64_t found_ns = UINT64_MAX;
    td_result rc = read_plan_open(c->archive, &query, &plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++) { /* sorted by first_ns */
        const segment_index *index = read_plan_segment(plan, i)->index;
        if (index->first_ns >= found_ns)
            break;
        uint64_t ns = first_of(c->archive, index);
        found_ns = ns < found_ns ? ns : found_ns;
    }
    *first_ns = found_ns == UINT64_MAX ? 0 : found_ns;
    read_plan_close(plan);
    return rc;
}

/* Load the session's checkpoint. 1 if the checkpoint has all wanted states. */
static int load_checkpoint(cursor *c, const read_start *from, const source_options *reading,
                           symbol_audits audits, symbol_table *to)
{
    td_err why;
    /* A user's decoder may produce other messages than the states were made from. */
    if (c->options.states < TAPE_STATES_BOOKS || from->path == NULL || c->options.decoding != NULL)
        return 0;
    if (saved_states_load(to, c->archive, from, reading, audits, &why) == TD_OK)
        return 1;
    td_log_emit(c->options.log, TD_LOG_DEBUG, "feed %s: a checkpoint is not used: %s",
                from->session->index.feed, why.text);
    return 0;
}

/* Load the states before the first frame. 1: frames are returned from the checkpoint's time on. */
static int load_states(cursor *c, const read_start *from, const source_options *reading)
{
    const segment_index *index = &from->session->index;
    const symbol_audits audits =
        c->options.states == TAPE_STATES_AUDITED ? SYMBOL_WITH_AUDITS : SYMBOL_WITHOUT_AUDITS;
    if (!load_checkpoint(c, from, reading, audits, &c->states))
        return 0;
    session_feed *feed = connection_table_get_feed(c->connections, index->session,
                                                   index->session_start_ns, index->feed);
    feed->resumed_ns = from->checkpoint.at_ns;
    return 1;
}

/* 1 if topics of a session came over several connections at once, after before_ns. */
static int has_copies(const open_conns *open, uint64_t before_ns)
{
    for (size_t i = 0; i < open->count; i++) {
        const segment_rows *rows = &open->sessions[i];
        for (size_t k = 0; k < rows->conn_count; k++)
            for (const conn_row *a = rows->conns, *b = &rows->conns[k]; a < b; a++) {
                const uint64_t a_ns = a->to_ns - 1, b_ns = b->to_ns - 1; /* an open one is last */
                const uint64_t last_ns = a_ns < b_ns ? a_ns : b_ns;
                if (a->shard == b->shard && last_ns >= before_ns && a->since_ns <= last_ns &&
                    b->since_ns <= last_ns)
                    return 1;
            }
    }
    return 0;
}

/* Read what was open at a time, from *plan, which the caller closes. */
static td_result read_open(cursor *c, archive_view *view, uint64_t at_ns, read_plan **plan,
                           open_conns *open, td_err *err)
{
    *open = (open_conns){.at_ns = at_ns, .with_live = c->options.is_following};
    td_result rc = read_plan_open_at(view, wants_feed, &c->wanted, at_ns, plan, err);
    return rc == TD_OK ? open_conns_read_planned(view, *plan, open, err) : rc;
}

/* Get the time since which frames may be in the window after a border although they were received
 * before it, because other connections bring copies of them: the border itself if none does. */
static td_result find_border(cursor *c, archive_view *view, uint64_t border_ns, uint64_t *since_ns,
                             td_err *err)
{
    open_conns open;
    read_plan *plan = NULL;
    const uint64_t before_ns =
        border_ns > c->begin_ns + LINES_LEAD_NS ? border_ns - LINES_LEAD_NS : c->begin_ns;
    td_result rc = read_open(c, view, border_ns + 1, &plan, &open, err);
    if (rc == TD_OK)
        *since_ns = has_copies(&open, before_ns) ? before_ns : border_ns;
    open_conns_fini(&open);
    read_plan_close(plan);
    return rc;
}

/* Where several connections bring each frame, all frames of the time before the window are needed:
 * those that one of them brought then are not the window's. */
static td_result find_lines_window(cursor *c, archive_view *view, source_options *reading,
                                   td_err *err)
{
    lines_window window = {reading->from_ns, reading->from_ns, UINT64_MAX};
    td_result rc = TD_OK;
    if (reading->from_ns > 0 && reading->from_ns < UINT64_MAX)
        rc = find_border(c, view, reading->from_ns, &window.since_ns, err);
    if (rc == TD_OK && reading->window.to_ns < UINT64_MAX && !c->options.is_following)
        rc = find_border(c, view, reading->window.to_ns, &window.until_ns, err);
    if (window.since_ns < reading->window.from_ns)
        reading->window.from_ns = reading->lead_from_ns = window.since_ns;
    lines_set_window(c->lines, &window);
    return rc;
}

/* Set the time from which frames are needed to know the books at the start of the window: a feed's
 * checkpoint, or the start of the oldest connection that was open then. An exchange sends a
 * snapshot at the start of each connection. */
static td_result find_lead_from(cursor *c, archive_view *view, source_options *reading, td_err *err)
{
    open_conns open;
    read_plan *plan = NULL;
    td_result rc = read_open(c, view, reading->window.from_ns + 1, &plan, &open, err);
    for (size_t i = 0; rc == TD_OK && i < open.count; i++) {
        const read_start start = read_plan_start(plan, &open.sessions[i], open.at_ns);
        uint64_t since_ns = load_states(c, &start, reading)
                                ? start.checkpoint.at_ns
                                : open_conns_session_oldest_ns(&open, &open.sessions[i]);
        if (since_ns < reading->lead_from_ns)
            reading->lead_from_ns = since_ns;
    }
    open_conns_fini(&open);
    read_plan_close(plan);
    return rc;
}

/* ---- feeds whose beginning was pruned ---- */

/* Read a segment's rows, for its first checkpoint. 0 if they cannot be read. The caller releases
 * them also then. */
static int read_rows(archive_view *view, const archive_segment *segment, segment_rows *out)
{
    return archive_view_read(view, segment->path, archive_view_size(view, segment), CATALOG_ROWS,
                             out, NULL) == TD_OK;
}

/* Pruning removes the snapshots on which later deltas build. So a feed that begins within the
 * window, with a later segment of a session, is read from that segment's checkpoint on. */
static void find_pruned_starts(cursor *c, archive_view *view, const source_options *reading)
{
    const archive_listing *listing = &view->listing; /* of each feed the oldest one comes first */
    const selection_window *window = &reading->window;
    const char **seen = NULL;
    size_t count = 0;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *name = &listing->segments[i].name;
        segment_rows rows;
        size_t at = 0;
        while (at < count && (!name->is_parsed || strcmp(seen[at], name->feed) != 0))
            at++;
        if (at < count || !name->is_parsed)
            continue;
        seen = td_array_grow(seen, count, sizeof *seen);
        seen[count++] = name->feed;
        if (name->number <= 1 || (name->first_s + 1) * TD_NS_PER_S <= window->from_ns ||
            !selection_has_feed(&c->wanted, name->feed))
            continue;
        /* Without the states the books are not known yet, which is an answer, too. */
        if (read_rows(view, &listing->segments[i], &rows) &&
            rows.index.first_ns > window->from_ns && rows.index.first_ns < window->to_ns) {
            const read_start start = read_start_of_segment(&rows);
            (void)load_states(c, &start, reading);
        }
        segment_rows_fini(&rows);
    }
    td_free(seen);
}

/* ---- segments after pruned ones ---- */

static void drop_holes(cursor *c)
{
    for (size_t i = 0; i < c->hole_count; i++) {
        segment_rows_fini(&c->holes[i].rows);
        symbol_table_fini(&c->holes[i].states);
    }
    td_free(c->holes);
    c->holes = NULL;
    c->hole_count = 0;
    c->hole_ns = UINT64_MAX;
}

static int is_before(const segment_name *a, const segment_name *b)
{
    return a->number + 1 == b->number && strcmp(a->session, b->session) == 0 &&
           strcmp(a->feed, b->feed) == 0;
}

/* 1 if the segment of its session before a listed one was pruned. */
static int is_after_pruned(const archive_view *view, size_t listed)
{
    const segment_name *name = &view->listing.segments[listed].name;
    segment_name other;
    for (size_t i = listed; i > 0; i--)
        if (is_before(&view->listing.segments[i - 1].name, name))
            return 0;
    for (size_t i = 0; i < view->past.segment_count; i++)
        if (view->past.segments[i].stage == PAST_PRUNED &&
            segment_name_parse(segment_file_name(view->past.segments[i].path), &other) &&
            is_before(&other, name))
            return 1;
    return 0;
}

/* Find the segments in the window that continue after pruned ones. */
static void find_holes(cursor *c, archive_view *view, const source_options *reading)
{
    for (size_t i = 0; i < view->listing.segment_count; i++) {
        const archive_segment *segment = &view->listing.segments[i];
        const segment_name *name = &segment->name;
        hole made = {.is_passed = 0};
        if (!name->is_parsed || name->number <= 1 ||
            (name->first_s + 1) * TD_NS_PER_S <= reading->lead_from_ns ||
            name->first_s * TD_NS_PER_S >= reading->window.to_ns ||
            !selection_has_feed(&c->wanted, name->feed) || !is_after_pruned(view, i) ||
            !read_rows(view, segment, &made.rows)) {
            segment_rows_fini(&made.rows);
            continue;
        }
        const segment_index *index = &made.rows.index;
        made.feed = connection_table_get_feed(c->connections, index->session,
                                              index->session_start_ns, index->feed);
        const read_start start = read_start_of_segment(&made.rows);
        if (start.path == NULL || made.feed->resumed_ns >= start.checkpoint.at_ns) {
            segment_rows_fini(&made.rows);
            continue;
        }
        c->holes = td_array_grow(c->holes, c->hole_count, sizeof *c->holes);
        c->holes[c->hole_count++] = made;
        c->hole_ns = index->first_ns < c->hole_ns ? index->first_ns : c->hole_ns;
    }
}

/* Load the states of a segment, for the next frame of each topic. */
static void pass_hole(cursor *c, hole *of)
{
    td_result rc = TD_OK;
    of->is_passed = 1;
    const read_start start = read_start_of_segment(&of->rows);
    if (!load_checkpoint(c, &start, &c->reading, SYMBOL_WITHOUT_AUDITS, &of->states))
        return;
    for (size_t i = 0; rc == TD_OK && i < of->states.count; i++) {
        const symbol_entry *at = of->states.items[i];
        rc = connection_table_restore(c->connections, at->feed, at->symbol, at->state, NULL);
    }
}

/* Before a frame: pass the holes of its feed that lie before it. */
static void pass_holes(cursor *c, const session_feed *feed, uint64_t recv_ns)
{
    c->hole_ns = UINT64_MAX;
    for (size_t i = 0; i < c->hole_count; i++) {
        hole *of = &c->holes[i];
        if (!of->is_passed && of->feed == feed && of->rows.index.first_ns <= recv_ns)
            pass_hole(c, of);
        if (!of->is_passed && of->rows.index.first_ns < c->hole_ns)
            c->hole_ns = of->rows.index.first_ns;
    }
}

/* Open the sources for a window. Everything is planned from one view. */
static td_result open_window(cursor *c, archive_view *view, selection_window window, td_err *err)
{
    const cursor_options *options = &c->options;
    if (window.from_ns < c->begin_ns)
        window.from_ns = c->begin_ns < window.to_ns ? c->begin_ns : window.to_ns;
    const uint64_t from_ns = window.from_ns;
    if (has_lead_in(c) && from_ns > c->begin_ns && from_ns < UINT64_MAX)
        window.from_ns -=
            from_ns - c->begin_ns < options->before_ns ? from_ns - c->begin_ns : options->before_ns;
    source_options reading = {.wanted = &c->wanted,
                              .window = window,
                              .from_ns = from_ns,
                              .lead_from_ns = window.from_ns,
                              .log = options->log,
                              .with_events = options->with_events,
                              .with_tickers = options->with_tickers,
                              .with_lines = options->with_lines,
                              .is_following = options->is_following,
                              .hold = options->hold_ns > 0 ? &c->hold : NULL,
                              .reads_ahead = c->workers != NULL || options->decoding != NULL,
                              .due = c->reader,
                              .blocks = options->blocks,
                              .decoding = options->decoding,
                              .wants_channel = options->wants_channel,
                              .user = options->user,
                              .connections = c->connections,
                              .stats = &c->stats,
                              .damage = &c->damage};
    td_result rc = c->lines == NULL ? TD_OK : find_lines_window(c, view, &reading, err);
    if (rc == TD_OK && has_lead_in(c) && window.from_ns > 0 && window.from_ns < UINT64_MAX)
        rc = find_lead_from(c, view, &reading, err);
    c->since_ns = reading.window.from_ns;
    drop_holes(c);
    if (rc == TD_OK && options->states >= TAPE_STATES_BOOKS && !options->is_following) {
        find_pruned_starts(c, view, &reading);
        find_holes(c, view, &reading);
    }
    return rc == TD_OK ? open_sources(c, view, &reading, err) : rc;
}

/* ---- holding back ---- */

/* Set *is_live to 1 if an appender is running. Call this before looking for frames: if no appender
 * is running, all frames of sessions that have ended will be found. */
static td_result find_live(const cursor *c, int *is_live, td_err *err)
{
    char live[SESSION_ID_BYTES] = "";
    td_result rc = c->options.hold_ns > 0 ? archive_live_session(c->archive, live, err) : TD_OK;
    *is_live = live[0] != '\0';
    return rc;
}

/* Update how long frames are held back, after the sources were read. Without a live segment no
 * earlier frame can come. */
static void update_hold(cursor *c, int is_live)
{
    uint64_t newest_ns = 0;
    for (size_t i = 0; i < c->source_count; i++) {
        uint64_t ns = c->sources[i].ops->newest_ns(c->sources[i].self);
        newest_ns = ns > newest_ns ? ns : newest_ns;
    }
    if (is_live && newest_ns > 0)
        order_hold_add(&c->hold, clock_mono_ns(archive_clock(c->archive)), newest_ns);
    else
        order_hold_end(&c->hold);
}

td_result cursor_open(archive *of, const selection *wanted, const cursor_options *options,
                      cursor **out, td_err *err)
{
    TD_ASSERT(options->threads <= LIMIT_THREADS);
    int is_live = 0;
    uint64_t first_ns = 0;
    archive_view *view = NULL;
    td_result rc = selection_check(wanted, err);
    if (rc != TD_OK)
        return rc;
    cursor *c = td_alloc_zero(1, sizeof *c);
    c->archive = of;
    c->wanted = *wanted;
    c->options = *options;
    c->hold.delay_ns = options->hold_ns;
    c->connections = connection_table_open(options->channels);
    c->events = event_reader_open();
    c->readers = content_pool_open(options->reads);
    c->reader = content_reader_open(options->reads);
    c->lines = options->with_lines ? NULL : lines_open(c->connections);
    rc = find_live(c, &is_live, err);
    if (rc == TD_OK)
        rc = archive_view_open(of, VIEW_ALL, archive_log(of), &view, err);
    if (rc == TD_OK && options->threads > 1)
        rc = td_workers_open(options->threads - 1, &c->workers, err);
    if (rc == TD_OK && has_lead_in(c))
        rc = find_begin(of, view, &c->begin_ns, err);
    if (rc == TD_OK && selection_is_relative(wanted))
        rc = find_first_ns(c, view, &first_ns, err);
    if (rc == TD_OK)
        rc = open_window(c, view, selection_resolve(wanted, first_ns), err);
    archive_view_close(view);
    if (rc != TD_OK) {
        cursor_close(c);
        return rc;
    }
    update_hold(c, is_live);
    *out = c;
    return TD_OK;
}

td_result cursor_seek(cursor *c, uint64_t from_ns, td_err *err)
{
    archive_view *view = NULL;
    td_result rc = archive_view_open(c->archive, VIEW_ALL, archive_log(c->archive), &view, err);
    if (rc == TD_OK) {
        close_sources(c);
        connection_table_rewind(c->connections);
        if (c->lines != NULL)
            lines_rewind(c->lines);
        c->next = (merge_item){0};
        c->last_ns = 0;
        symbol_table_fini(&c->states);
        rc = open_window(c, view, (selection_window){from_ns, c->reading.window.to_ns}, err);
    }
    archive_view_close(view);
    return rc;
}

td_result cursor_resume(cursor *c, const char *feed, const char *symbol,
                        const struct symbol_state *state, td_err *err)
{
    c->since_ns = 0; /* the caller has read all earlier frames */
    return connection_table_resume(c->connections, feed, symbol, state, err);
}

void cursor_close(cursor *c)
{
    if (c == NULL)
        return;
    td_log_emit(c->options.log, TD_LOG_DEBUG, "read %llu chunks (%llu bytes) of %llu segments",
                (unsigned long long)c->stats.chunks_read, (unsigned long long)c->stats.bytes_read,
                (unsigned long long)c->stats.segments);
    close_sources(c);
    drop_holes(c);
    symbol_table_fini(&c->states);
    td_workers_close(c->workers);
    content_pool_close(c->readers);
    content_reader_close(c->reader);
    event_reader_close(c->events);
    lines_close(c->lines);
    connection_table_close(c->connections);
    gap_list_fini(&c->damage);
    td_free(c);
}

/* ---- frames ---- */

/* Apply an event to its feed's connections. An unreadable event is logged and ignored. */
static void apply_event(cursor *c, const source_channel *from, frame_ref *frame)
{
    td_err why;
    if (event_decode(c->events, frame->bytes, &c->event, &why) == TD_OK) {
        frame->event = &c->event;
        connection_table_apply(from->feed, frame->channel->family, frame->event, frame->recv_ns);
        frame->is_copy = c->lines != NULL && c->event.kind == EVENT_DISCONNECT &&
                         connection_table_is_open(from->feed, c->event.shard);
        return;
    }
    td_log_emit(c->reading.log, TD_LOG_WARNING, "feed %s: an event cannot be read: %s",
                from->feed->name, why.text);
}

/* Set the frame's connection, and its ordinal on it. */
static void set_conn(session_slot *slot, frame_ref *frame)
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

static void finish(cursor *c, const session_slot *slot, frame_ref *frame)
{
    const uint64_t resumed_ns = slot->feed->resumed_ns;
    const uint64_t lead_from_ns = c->reading.lead_from_ns;
    frame->position = c->position++;
    frame->read_from_ns = resumed_ns > lead_from_ns ? resumed_ns : lead_from_ns;
    c->last_ns = frame->recv_ns;
    if (TD_UNLIKELY(frame->recv_ns >= c->hole_ns))
        pass_holes(c, slot->feed, frame->recv_ns);
    connection_table_follow(slot, c->since_ns, frame);
    if (!c->reading.reads_ahead)
        content_read(c->reader, frame);
}

/* 1 if the frame was read only because lines need those before the window. */
static int is_unwanted(const cursor *c, const frame_ref *frame)
{
    return frame->is_lead_in && !has_lead_in(c);
}

/* Get the next frame of the lines' streams. 0: it needs another one. */
static int next_of_lines(cursor *c, const frame_ref **out)
{
    const session_slot *slot;
    frame_ref *frame = lines_next(c->lines, &slot);
    while (frame != NULL && is_unwanted(c, frame))
        frame = lines_next(c->lines, &slot);
    if (frame == NULL)
        return 0;
    finish(c, slot, frame);
    *out = frame;
    return 1;
}

/* 1 if the frame is before the window, and so is the begin of its connection, which is not read: a
 * stream of lines must not begin with it, because its first snapshot is missing. The connections
 * that are open at the begin of the window are read from their begin. */
static int lacks_begin(const cursor *c, const session_slot *slot, const frame_ref *frame)
{
    return frame->is_lead_in && has_lead_in(c) && slot->feed->resumed_ns == 0 &&
           slot->now->conn.since_ns < c->reading.lead_from_ns;
}

/* The next frame in the order of time, or the one that has waited. */
static td_result next_item(cursor *c, merge_item *out, td_err *err)
{
    if (TD_LIKELY(c->next.frame == NULL))
        return merge_next(c->merge, out, err);
    *out = c->next;
    c->next = (merge_item){0};
    return TD_OK;
}

td_result cursor_next(cursor *c, const frame_ref **out, td_err *err)
{
    TD_ASSERT_SLOW(c != NULL);
    for (;;) {
        merge_item item;
        if (TD_UNLIKELY(c->has_lines) && next_of_lines(c, out))
            return TD_OK;
        td_result rc = next_item(c, &item, err);
        if (rc == TD_EOF && c->has_lines && !c->reading.is_following) {
            lines_end(c->lines);
            return next_of_lines(c, out) ? TD_OK : TD_EOF;
        }
        if (rc != TD_OK)
            return rc;
        frame_ref *frame = item.frame;
        if (TD_UNLIKELY(frame == NULL))
            continue;
        if (TD_UNLIKELY(c->has_lines) && lines_pass(c->lines, frame->recv_ns, c->last_ns)) {
            c->next = item;
            continue;
        }
        set_conn(item.from->slot, frame);
        if (TD_UNLIKELY(item.from->use == SOURCE_EVENT)) {
            apply_event(c, item.from, frame);
            if (!c->reading.with_events || frame->is_lead_in)
                continue;
        }
        if (TD_UNLIKELY(frame->is_lead_in) && frame->recv_ns < item.from->feed->resumed_ns)
            continue; /* the loaded states include it */
        /* A tail reader learns of another line when it has returned frames that the line brings. */
        if (TD_UNLIKELY(item.from->feed->has_lines || c->reading.is_following) &&
            c->lines != NULL && lines_has_stream(item.from->slot, frame)) {
            if (lacks_begin(c, item.from->slot, frame))
                continue;
            c->has_lines = 1;
            rc = lines_give(c->lines, item.from->slot, frame, err);
            if (rc != TD_OK)
                return rc;
            continue;
        }
        if (TD_UNLIKELY(is_unwanted(c, frame)))
            continue;
        finish(c, item.from->slot, frame);
        *out = frame;
        return TD_OK;
    }
}

symbol_table *cursor_states(cursor *c)
{
    return &c->states;
}

td_result cursor_poll(cursor *c, td_err *err)
{
    TD_ASSERT(c->reading.is_following);
    int is_live = 0;
    uint64_t until_ns = c->hold.until_ns;
    td_result found = find_live(c, &is_live, err);
    if (found != TD_OK)
        return found;
    found = TD_EOF;
    for (size_t i = 0; i < c->source_count; i++) {
        td_result rc = c->sources[i].ops->poll(c->sources[i].self, err);
        if (rc != TD_OK && rc != TD_EOF)
            return rc;
        found = rc == TD_OK ? rc : found;
    }
    update_hold(c, is_live);
    return c->hold.until_ns > until_ns ? TD_OK : found;
}

selection_window cursor_get_window(const cursor *c)
{
    return (selection_window){c->reading.from_ns, c->reading.window.to_ns};
}

uint64_t cursor_get_lead_from_ns(const cursor *c)
{
    return c->reading.lead_from_ns;
}

int cursor_is_damaged(const cursor_stats *stats)
{
    return stats->damaged_chunks > 0 || stats->segments_unreadable > 0;
}

const gap_list *cursor_get_damage(const cursor *c)
{
    return &c->damage;
}

td_workers *cursor_workers(cursor *c)
{
    return c->workers;
}

void cursor_get_stats(const cursor *c, cursor_stats *out)
{
    *out = c->stats;
    if (c->lines != NULL)
        out->lines = *lines_get_stats(c->lines);
    out->contents_read = content_pool_count(c->readers) + content_count(c->reader);
    if (c->workers != NULL)
        out->workers_busy_max = td_workers_busy_max(c->workers);
}

uint64_t cursor_damaged_until_ns(const cursor *c, const char *feed)
{
    uint64_t until_ns = 0;
    for (size_t i = 0; i < c->damage.count; i++) {
        const gap_row *row = &c->damage.rows[i];
        if (row->to_ns > until_ns && strcmp(row->feed, feed) == 0)
            until_ns = row->to_ns;
    }
    return until_ns == 0 ? 0 : until_ns - 1;
}

td_result cursor_find_window(archive *from, const selection *wanted, const td_log *log,
                             selection_window *out, td_err *err)
{
    cursor *of = NULL;
    if (!selection_is_relative(wanted)) {
        *out = selection_resolve(wanted, 0);
        return TD_OK;
    }
    td_result rc = cursor_open(from, wanted, &(cursor_options){.log = log}, &of, err);
    if (rc == TD_OK)
        *out = cursor_get_window(of);
    cursor_close(of);
    return rc;
}
