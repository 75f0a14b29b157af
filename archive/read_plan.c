#include "archive/read_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/row_table.h"
#include "archive/archive_segment.h"
#include "archive/lost_data.h"

/* A segment of the plan. */
typedef struct planned {
    planned_segment public;
    segment_index index; /* owns all strings */
    uint8_t *is_wanted;
    uint8_t *others; /* a bit for each channel id, 1: the channel is not wanted */
    size_t others_bytes;
    char *full_path;
    uint8_t lacks_chunks; /* 1: the catalog has them, for read_plan_load_chunks */
} planned;

struct read_plan {
    archive *archive;
    const td_log *log; /* NULL: quiet */
    read_query query;
    archive_view *view;
    planned **segments;
    size_t count;
    size_t unreadable_count;
    gap_list damage;
};

/* ---- one segment ---- */

static void planned_close(planned *p)
{
    if (p == NULL)
        return;
    segment_index_fini(&p->index);
    td_free(p->is_wanted);
    td_free(p->others);
    td_free(p->full_path);
    td_free(p);
}

/* Read a segment's index from its file. An open segment has no summary: the counts of its channels
 * are in the message indexes. */
static td_result load_from_file(read_plan *plan, const char *path, segment_index *out, td_err *err)
{
    index_depth depth = segment_has_open_name(path) ? INDEX_FULL : INDEX_SUMMARY;
    td_result rc = archive_read_index(plan->archive, path, depth, out, err);
    if (rc != TD_OK || depth == INDEX_FULL || !out->is_open)
        return rc;
    segment_index_fini(out); /* the file's summary was cut off */
    return archive_read_index(plan->archive, path, INDEX_FULL, out, err);
}

static int overlaps(uint64_t first_ns, uint64_t last_ns, const read_query *query)
{
    const time_span time = query->time;
    return time_span_ns(time) > 0 && last_ns >= time.from_ns && first_ns < time.to_ns;
}

/* 1 if a segment with this name may overlap. */
static int overlaps_hour(const segment_name *name, const read_query *query)
{
    const time_span hour = segment_name_span(name);
    return overlaps(hour.from_ns, hour.to_ns, query);
}

const char *segment_life_name(segment_life life)
{
    static const char *const NAMES[] = {[SEGMENT_IS_FINISHED] = "finished",
                                        [SEGMENT_IS_RECORDED] = "recording",
                                        [SEGMENT_IS_CRASHED] = "crashed",
                                        [SEGMENT_IS_TRUNCATED] = "truncated"};
    TD_ASSERT(life <= SEGMENT_IS_TRUNCATED);
    return NAMES[life];
}

static segment_life life_of(const read_plan *plan, const archive_segment *segment,
                            const segment_index *index)
{
    if (!index->is_open)
        return SEGMENT_IS_FINISHED;
    if (!segment_has_open_name(segment->path))
        return SEGMENT_IS_TRUNCATED;
    return archive_segment_is_live(segment, plan->view->live) ? SEGMENT_IS_RECORDED
                                                              : SEGMENT_IS_CRASHED;
}

/* Set the public members from the index. */
static td_result describe(read_plan *plan, planned *p, td_err *err)
{
    TD_ASSERT(p->index.path != NULL);
    TD_ASSERT(p->is_wanted == NULL);
    const segment_index *index = &p->index;
    char full[LIMIT_PATH_BYTES];
    td_result rc = archive_join(plan->archive, index->path, full, err);
    if (rc != TD_OK)
        return rc;
    p->full_path = td_strdup(full);
    p->is_wanted = td_alloc_zero(index->channel_count + 1, 1);
    if (index->channel_count > 0)
        p->others_bytes = index->channels[index->channel_count - 1].id / 8U + 1;
    p->others = td_alloc_zero(p->others_bytes + 1, 1);
    size_t wanted = 0;
    for (size_t i = 0; i < index->channel_count; i++) {
        p->is_wanted[i] =
            plan->query.wants_channel == NULL ||
            plan->query.wants_channel(plan->query.user, &index->channels[i].info) != 0;
        wanted += p->is_wanted[i];
        uint16_t id = index->channels[i].id;
        if (!p->is_wanted[i])
            p->others[id / 8] |= (uint8_t)(1U << (id % 8));
    }
    p->public = (planned_segment){
        .path = p->full_path, .index = index, .is_wanted = p->is_wanted, .wanted_count = wanted};
    return TD_OK;
}

/* Load a segment's index: from the catalog if the catalog has it (*is_known is 1), else from the
 * file. */
static td_result load_index(read_plan *plan, const char *path, uint64_t file_bytes,
                            catalog_part part, segment_index *out, uint8_t *is_known, td_err *err)
{
    segment_rows rows;
    *is_known = archive_view_load(plan->view, path, file_bytes, part, &rows) != 0;
    if (!*is_known)
        return load_from_file(plan, path, out, err);
    *out = rows.index;
    rows.index = (segment_index){0};
    segment_rows_fini(&rows);
    return TD_OK;
}

/* ---- unreadable segments ---- */

/* Log and count a segment that is damaged from from_ns on, if the query may select that part. */
static void add_damage(read_plan *plan, const archive_segment *segment, uint64_t from_ns,
                       const char *what)
{
    char path[LIMIT_PATH_BYTES];
    time_span lost = {from_ns, UINT64_MAX};
    if (segment->name.is_parsed)
        lost = time_span_clip(lost, archive_segment_time(&plan->view->listing, &segment->name));
    lost = time_span_of(lost.from_ns, lost.to_ns);
    if (!overlaps(lost.from_ns, lost.to_ns, &plan->query))
        return;
    plan->unreadable_count++;
    td_log_emit(plan->log, TD_LOG_WARNING, "skipped: %s", what);
    segment_final_path(segment->path, path);
    const past_segment *past = archive_history_segment(&plan->view->past, path);
    if (!segment->name.is_parsed || (past != NULL && past->is_corrupt)) /* the ledger has its gap */
        return;
    const gap_row row =
        lost_data_segment(segment->name.feed, segment->path, lost.from_ns, lost.to_ns);
    gap_list_add(&plan->damage, &row);
}

/* 1 if the file has less than its writer wrote, as far as can be found without reading its
 * chunks. */
static int is_cut(const read_plan *plan, const archive_segment *segment, const segment_index *index,
                  char what[TD_ERR_TEXT_BYTES])
{
    int has_lost_end = index->is_open && !segment_has_open_name(segment->path);
    int is_known_longer = archive_history_is_cut(&plan->view->past, segment, index);
    (void)snprintf(what, TD_ERR_TEXT_BYTES, "%.900s: %s", segment->path,
                   has_lost_end ? "its end is missing" : "it is not what the journal lists");
    return has_lost_end || is_known_longer;
}

/* ---- segments ---- */

/* Free the lists of a segment that is in the catalog: read_plan_load_chunks loads them again. */
static void forget_channels(planned *p)
{
    segment_index_drop_lists(&p->index);
    td_free(p->is_wanted);
    p->is_wanted = NULL;
    p->public.is_wanted = NULL;
}

static td_result plan_segment(read_plan *plan, const archive_segment *segment, td_err *err)
{
    const read_query *query = &plan->query;
    if (segment->name.is_parsed && query->wants_feed != NULL &&
        !query->wants_feed(query->user, segment->name.feed))
        return TD_OK;
    if (segment->name.is_parsed && !overlaps_hour(&segment->name, query))
        return TD_OK;
    if (segment->name.is_parsed && query->wants_segment != NULL &&
        !query->wants_segment(query->user, &segment->name))
        return TD_OK;
    td_err cause;
    td_err_clear(&cause);
    planned *p = td_alloc_zero(1, sizeof *p);
    td_result rc = load_index(plan, segment->path, archive_view_size(plan->view, segment),
                              CATALOG_INDEX, &p->index, &p->lacks_chunks, &cause);
    if (rc != TD_OK) {
        planned_close(p);
        add_damage(plan, segment, 0, cause.text);
        return TD_OK;
    }
    char what[TD_ERR_TEXT_BYTES];
    int is_empty = p->index.message_count == 0;
    if (is_cut(plan, segment, &p->index, what))
        add_damage(plan, segment, p->index.last_ns, what);
    if (!is_empty && overlaps(p->index.first_ns, p->index.last_ns, query))
        rc = describe(plan, p, err);
    p->public.life = life_of(plan, segment, &p->index);
    /* Damage may hide a wanted channel: such a segment is planned, so that readers find the
     * damage. */
    if (rc == TD_OK && p->full_path != NULL &&
        (p->public.wanted_count > 0 || segment_index_has_unknown(&p->index))) {
        if (query->is_lasting && p->lacks_chunks)
            forget_channels(p);
        plan->segments = td_array_grow(plan->segments, plan->count, sizeof(planned *));
        plan->segments[plan->count++] = p;
        return TD_OK;
    }
    planned_close(p);
    return rc;
}

/* ---- the plan ---- */

static int compare_planned(const void *a, const void *b)
{
    const segment_index *left = &(*(planned *const *)a)->index;
    const segment_index *right = &(*(planned *const *)b)->index;
    if (left->first_ns != right->first_ns)
        return left->first_ns < right->first_ns ? -1 : 1;
    if (left->session_start_ns != right->session_start_ns)
        return left->session_start_ns < right->session_start_ns ? -1 : 1;
    int order = strcmp(left->session, right->session);
    if (order == 0)
        order = strcmp(left->feed, right->feed);
    if (order == 0 && left->number != right->number)
        order = left->number < right->number ? -1 : 1;
    return order != 0 ? order : strcmp(left->path, right->path);
}

/* 1 if the path is a segment of an unselected feed. */
static int is_of_other_feed(const read_plan *plan, const char *path)
{
    const read_query *query = &plan->query;
    segment_name name;
    return query->wants_feed != NULL && segment_name_parse(segment_file_name(path), &name) &&
           !query->wants_feed(query->user, name.feed);
}

/* Log unexpected files; count the files that may hold selected frames. */
static void log_unexpected(read_plan *plan, const archive_listing *listing)
{
    for (size_t i = 0; i < listing->unexpected_count; i++) {
        const unexpected_file *file = &listing->unexpected[i];
        if (file->is_unreadable && is_of_other_feed(plan, file->path))
            continue;
        td_log_emit(plan->log, TD_LOG_WARNING, "skipped: %s: %s", file->path, file->what);
        plan->unreadable_count += file->is_unreadable;
    }
}

/* 1 if a missing segment may have had frames of the wanted time. */
static int may_overlap(const read_plan *plan, const char *path)
{
    segment_name name;
    if (!segment_name_parse(segment_file_name(path), &name))
        return 1;
    const time_span lost = archive_segment_time(&plan->view->listing, &name);
    return overlaps(lost.from_ns, lost.to_ns, &plan->query);
}

/* Count a missing segment; otherwise a reader would report an incomplete tape as complete. */
static void log_missing(void *user, past_segment *segment)
{
    read_plan *plan = user;
    if (is_of_other_feed(plan, segment->path) || !may_overlap(plan, segment->path))
        return;
    td_log_emit(plan->log, TD_LOG_WARNING, "missing: %s: %s", segment->path,
                past_segment_missing_text(segment));
    plan->unreadable_count++;
}

/* Log and count missing segments. A damaged journal counts, too: it may have lost segments and
 * gaps. */
static void count_missing(read_plan *plan)
{
    const archive_view *view = plan->view;
    archive_each_missing(plan->archive, &view->past, &view->listing, log_missing, plan);
    if (!archive_history_is_damaged(&view->past))
        return;
    td_log_emit(
        plan->log, TD_LOG_WARNING,
        "the journal is damaged: 'tapedeck verify' shows where, 'tapedeck gaps' what may be "
        "missing");
    plan->unreadable_count++;
}

/* Finds segments that have the same channels as an earlier one. */
typedef struct repeats {
    const archive_segment *segments; /* all listed segments */
    uint8_t *is_one;                 /* for each segment, 1: it repeats an earlier one */
    row_table by_hash;               /* indexes in hashes, by hash */
    uint64_t *hashes;
    size_t count;
} repeats;

static void note_channels(void *user, const archive_segment *segment, const segment_brief *brief)
{
    repeats *all = user;
    row_probe at = row_probe_of(brief->channels_hash);
    while (row_table_next(&all->by_hash, &at))
        if (all->hashes[at.row] == brief->channels_hash) {
            all->is_one[segment - all->segments] = 1;
            return;
        }
    row_table_put(&all->by_hash, brief->channels_hash, all->count);
    all->hashes = td_array_grow(all->hashes, all->count, sizeof all->hashes[0]);
    all->hashes[all->count++] = brief->channels_hash;
}

/* Find the repeats: one byte for each listed segment, freed with td_free. */
static uint8_t *find_repeats(archive_view *view)
{
    const size_t count = view->listing.segment_count + 1;
    repeats all = {.segments = view->listing.segments, .is_one = td_alloc_zero(count, 1)};
    uint8_t *has_brief = td_alloc_zero(count, 1);
    archive_view_each_brief(view, note_channels, &all, has_brief);
    td_free(has_brief);
    row_table_fini(&all.by_hash);
    td_free(all.hashes);
    return all.is_one;
}

static td_result plan_segments(read_plan *plan, archive_view *view, td_err *err)
{
    td_result rc = TD_OK;
    uint8_t *is_repeat = plan->query.is_for_channels ? find_repeats(view) : NULL;
    plan->view = archive_view_share(view);
    log_unexpected(plan, &view->listing);
    count_missing(plan);
    archive_view_begin_loads(view);
    for (size_t i = 0; i < view->listing.segment_count && rc == TD_OK; i++)
        if (is_repeat == NULL || !is_repeat[i])
            rc = plan_segment(plan, &view->listing.segments[i], err);
    archive_view_end_loads(view);
    td_free(is_repeat);
    if (rc == TD_OK)
        td_log_emit(plan->log, TD_LOG_DEBUG,
                    "%zu of %zu segments may hold selected frames, according to %s", plan->count,
                    view->listing.segment_count,
                    view->catalog != NULL ? "the catalog" : "their summaries");
    return rc;
}

td_result read_plan_open(archive *a, const read_query *query, read_plan **out, td_err *err)
{
    *out = NULL;
    read_plan *plan = td_alloc_zero(1, sizeof *plan);
    plan->archive = a;
    plan->log = query->is_quiet ? NULL : archive_log(a);
    plan->query = *query;
    archive_view *view = query->view;
    td_result rc = TD_OK;
    if (view == NULL)
        rc = archive_view_open(a, VIEW_ALL, plan->log, &view, err);
    if (rc == TD_OK && (rc = plan_segments(plan, view, err)) != TD_OK)
        rc = td_err_add(err, rc, "planning what to read");
    if (query->view == NULL)
        archive_view_close(view);
    if (rc != TD_OK) {
        read_plan_close(plan);
        return rc;
    }
    if (plan->count > 0)
        qsort(plan->segments, plan->count, sizeof(void *), compare_planned);
    /* Else the chunks of the first segment are loaded next, which closes it. */
    if (query->is_lasting && (plan->count == 0 || !plan->segments[0]->lacks_chunks))
        archive_view_close_catalog(plan->view);
    plan->query.wants_feed = NULL; /* borrowed for the call only */
    plan->query.wants_channel = NULL;
    plan->query.wants_segment = NULL;
    plan->query.view = NULL;
    *out = plan;
    return TD_OK;
}

/* ---- a moment ---- */

/* The search for segments extends this far from the moment: a segment holds up to an hour, and a
 * quiet feed may write no segment for hours. */
#define SEGMENT_DISTANCE_NS_MAX (UINT64_C(26) * 3600 * TD_NS_PER_S)

/* Names of segments around at_ns. */
typedef struct near_segments {
    const segment_name **names;
    size_t count;
    uint64_t at_ns;
    int (*wants_feed)(void *user, const char *feed);
    void *user;
} near_segments;

static int wants_near_feed(void *user, const char *feed)
{
    const near_segments *near = user;
    return near->wants_feed == NULL || near->wants_feed(near->user, feed);
}

/* 0 if the segment is not needed, because of another segment of its session. Either a later segment
 * began before at_ns, even if it began at the end of the second in its name. Or an earlier segment
 * began at or after at_ns, and one such segment is enough to show that the session continued. */
static int wants_near_segment(void *user, const segment_name *name)
{
    const near_segments *near = user;
    for (size_t i = 0; i < near->count; i++) {
        const segment_name *other = near->names[i];
        if (other->number == name->number || strcmp(other->session, name->session) != 0 ||
            strcmp(other->feed, name->feed) != 0)
            continue;
        if (other->number > name->number ? (other->first_s + 1) * TD_NS_PER_S <= near->at_ns
                                         : other->first_s * TD_NS_PER_S >= near->at_ns)
            return 0;
    }
    return 1;
}

static void collect_near(near_segments *near, const archive_listing *listing)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *name = &listing->segments[i].name;
        uint64_t first_ns = name->first_s * TD_NS_PER_S;
        if (!name->is_parsed || first_ns + SEGMENT_DISTANCE_NS_MAX < near->at_ns ||
            (first_ns > near->at_ns && first_ns - near->at_ns > SEGMENT_DISTANCE_NS_MAX))
            continue;
        near->names = td_array_grow(near->names, near->count, sizeof(segment_name *));
        near->names[near->count++] = name;
    }
}

td_result read_plan_open_at(archive_view *view, int (*wants_feed)(void *, const char *), void *user,
                            uint64_t at_ns, read_plan **out, td_err *err)
{
    const uint64_t distance_ns = SEGMENT_DISTANCE_NS_MAX;
    near_segments near = {.at_ns = at_ns, .wants_feed = wants_feed, .user = user};
    collect_near(&near, &view->listing);
    const read_query query = {
        .time = {at_ns > distance_ns ? at_ns - distance_ns : 0,
                 at_ns < UINT64_MAX - distance_ns ? at_ns + distance_ns : UINT64_MAX},
        .wants_feed = wants_near_feed,
        .wants_segment = wants_near_segment,
        .user = &near,
        .is_quiet = 1,
        .view = view};
    td_result rc = read_plan_open(view->archive, &query, out, err);
    td_free(near.names);
    return rc;
}

static int is_of_feed(const segment_index *a, const segment_index *b)
{
    return strcmp(a->feed, b->feed) == 0;
}

static int is_of_session(const segment_index *a, const segment_index *b)
{
    return is_of_feed(a, b) && strcmp(a->session, b->session) == 0;
}

/* 1 if another session of the feed has frames between the start of the index's session and at_ns.
 */
static int is_overlapped(const read_plan *plan, const segment_index *index, uint64_t at_ns)
{
    uint64_t first_ns = index->first_ns;
    for (size_t i = 0; i < plan->count; i++) {
        const segment_index *other = &plan->segments[i]->index;
        if (is_of_session(other, index) && other->first_ns < first_ns)
            first_ns = other->first_ns;
    }
    for (size_t i = 0; i < plan->count; i++) {
        const segment_index *other = &plan->segments[i]->index;
        if (is_of_feed(other, index) && !is_of_session(other, index) &&
            other->last_ns >= first_ns && other->first_ns < at_ns)
            return 1;
    }
    return 0;
}

/* A segment's first checkpoint may be earlier than its first frame, so the checkpoints of all
 * planned segments are compared. */
read_start read_plan_start(const read_plan *plan, const segment_rows *session, uint64_t at_ns)
{
    read_start start = {.session = session};
    if (is_overlapped(plan, &session->index, at_ns))
        return start;
    for (size_t i = 0; i < plan->count; i++) {
        const segment_index *index = &plan->segments[i]->index;
        for (size_t k = 0; k < index->checkpoint_count && is_of_session(index, &session->index);
             k++) {
            const segment_checkpoint *at = &index->checkpoints[k];
            if (at->at_ns >= at_ns || at->at_ns < start.checkpoint.at_ns)
                continue;
            start.checkpoint = *at;
            start.path = index->path;
        }
    }
    return start;
}

read_start read_start_of_segment(const segment_rows *rows)
{
    const segment_index *index = &rows->index;
    if (index->checkpoint_count == 0 || index->checkpoints[0].at_ns > index->first_ns)
        return (read_start){.session = rows};
    return (read_start){rows, index->checkpoints[0], index->path};
}

/* ---- the plan's segments ---- */

void read_plan_close(read_plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->count; i++)
        planned_close(plan->segments[i]);
    archive_view_close(plan->view);
    gap_list_fini(&plan->damage);
    td_free(plan->segments);
    td_free(plan);
}

size_t read_plan_count(const read_plan *plan)
{
    return plan->count;
}

size_t read_plan_unreadable_count(const read_plan *plan)
{
    return plan->unreadable_count;
}

const gap_list *read_plan_damage(const read_plan *plan)
{
    return &plan->damage;
}

const planned_segment *read_plan_segment(const read_plan *plan, size_t i)
{
    TD_ASSERT(i < plan->count);
    return &plan->segments[i]->public;
}

/* ---- chunks ---- */

const char *read_plan_next_feed(const read_plan *plan, const char *after)
{
    const char *next = NULL;
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const char *feed = read_plan_segment(plan, i)->index->feed;
        if ((after == NULL || strcmp(feed, after) > 0) && (next == NULL || strcmp(feed, next) < 0))
            next = feed;
    }
    return next;
}

td_result read_plan_load_chunks(read_plan *plan, size_t i, td_err *err)
{
    TD_ASSERT(i < plan->count);
    planned *p = plan->segments[i];
    segment_index index;
    uint8_t is_known;
    if (!p->lacks_chunks)
        return TD_OK;
    td_result rc = load_index(plan, p->index.path, p->index.file_bytes, CATALOG_ROWS_AND_CHUNKS,
                              &index, &is_known, err);
    if (plan->query.is_lasting)
        archive_view_close_catalog(plan->view);
    if (rc != TD_OK)
        return rc;
    if (p->is_wanted == NULL) {
        segment_index_fini(&p->index);
        p->index = index;
    } else {
        segment_index_take_chunks(&p->index, &index);
    }
    p->lacks_chunks = 0;
    return TD_OK;
}

int read_plan_wants_chunk(const read_plan *plan, size_t i, const segment_chunk *chunk)
{
    TD_ASSERT(i < plan->count);
    const planned *p = plan->segments[i];
    TD_ASSERT(p->others != NULL);
    if (!overlaps(chunk->first_ns, chunk->last_ns, &plan->query))
        return 0;
    const uint8_t *bitmap = p->index.bitmaps + chunk->bitmap_offset;
    for (size_t k = 0; k < chunk->bitmap_bytes; k++) {
        uint8_t others = k < p->others_bytes ? p->others[k] : 0;
        if ((bitmap[k] & ~others) != 0)
            return 1;
    }
    return 0;
}

void read_plan_drop(read_plan *plan, size_t i)
{
    TD_ASSERT(i < plan->count);
    planned *p = plan->segments[i];
    segment_index_fini(&p->index);
    td_free(p->is_wanted);
    td_free(p->others);
    p->is_wanted = NULL;
    p->others = NULL;
}
