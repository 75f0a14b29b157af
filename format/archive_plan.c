#include "format/archive_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "format/catalog_known.h"
#include "format/feed_past.h"

/* A segment of the plan. */
typedef struct planned {
    plan_segment public;
    segment_index index; /* owns all strings; its chunks are there unless is_from_catalog */
    plan_channel *channels;
    char *full_path;
    uint8_t is_from_catalog; /* 1: chunks are loaded when they are asked for */
    uint8_t has_chunks;
    plan_chunk *chunks;
    size_t chunk_count;
} planned;

struct archive_plan {
    archive *archive;
    const td_log *log; /* NULL: quiet */
    plan_query query;
    known_catalog known;
    planned **segments;
    size_t count;
    size_t unreadable_count;
};

/* ---- one segment ---- */

static void planned_close(planned *p)
{
    if (p == NULL)
        return;
    segment_index_fini(&p->index);
    td_free(p->channels);
    td_free(p->full_path);
    td_free(p->chunks);
    td_free(p);
}

/* A segment that is being written has no summary: the counts of its channels are in its message
 * indexes. One that was finished between listing and reading has its name without ".open" now. */
static td_result load_from_file(archive_plan *plan, const char *path, planned *out, td_err *err)
{
    char finished[LIMIT_PATH_BYTES];
    size_t length = strlen(path);
    size_t suffix = strlen(".open");
    int is_open = length > suffix && strcmp(path + length - suffix, ".open") == 0;
    out->is_from_catalog = 0;
    td_result rc = segment_index_read(plan->archive, path, is_open ? INDEX_FULL : INDEX_SUMMARY,
                                      &out->index, err);
    if (rc != TD_E_NOTFOUND || !is_open)
        return rc;
    td_err_clear(err);
    (void)snprintf(finished, sizeof finished, "%.*s", (int)(length - suffix), path);
    return segment_index_read(plan->archive, finished, INDEX_SUMMARY, &out->index, err);
}

static int overlaps(uint64_t first_ns, uint64_t last_ns, const plan_query *query)
{
    int is_empty = query->from_ns >= query->to_ns;
    return !is_empty && last_ns >= query->from_ns && first_ns < query->to_ns;
}

/* Fill what callers see from the index. */
static td_result describe(archive_plan *plan, planned *p, td_err *err)
{
    TD_ASSERT(p->index.path != NULL);
    TD_ASSERT(p->channels == NULL);
    const segment_index *index = &p->index;
    char full[LIMIT_PATH_BYTES];
    td_result rc = archive_join(plan->archive, index->path, full, err);
    if (rc != TD_OK)
        return rc;
    p->full_path = td_strdup(full);
    p->channels = td_alloc_zero(index->channel_count + 1, sizeof p->channels[0]);
    if (p->full_path == NULL || p->channels == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a plan");
    size_t wanted = 0;
    for (size_t i = 0; i < index->channel_count; i++) {
        const index_channel *channel = &index->channels[i];
        int is_wanted = plan->query.wants_channel == NULL ||
                        plan->query.wants_channel(plan->query.user, &channel->info);
        wanted += is_wanted != 0;
        p->channels[i] = (plan_channel){.id = channel->id,
                                        .is_wanted = is_wanted != 0,
                                        .info = &channel->info,
                                        .message_count = channel->message_count};
    }
    TD_ASSERT(wanted <= index->channel_count);
    p->public = (plan_segment){
        .path = p->full_path,
        .name = index->path,
        .feed = index->feed,
        .family = index->family,
        .session = index->session,
        .session_start_ns = index->session_start_ns,
        .number = index->number,
        .is_open = index->is_open,
        .first_ns = index->first_ns,
        .last_ns = index->last_ns,
        .file_bytes = index->file_bytes,
        .message_count = index->message_count,
        .channels = p->channels,
        .channel_count = index->channel_count,
        .wanted_count = wanted,
    };
    return TD_OK;
}

static td_result keep_planned(archive_plan *plan, planned *p, td_err *err)
{
    TD_ASSERT(p->full_path != NULL);
    planned **grown = td_array_room(plan->segments, plan->count, sizeof(planned *));
    if (grown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu segments", plan->count + 1);
    plan->segments = grown;
    plan->segments[plan->count++] = p;
    return TD_OK;
}

static td_result load_segment(archive_plan *plan, const archive_segment *segment, planned *p,
                              td_err *err)
{
    const catalog_chunk_filter channels = {.part = CATALOG_CHANNELS};
    if (known_catalog_has(&plan->known, segment)) {
        td_result rc = known_catalog_load(&plan->known, segment->path, &channels, &p->index, err);
        p->is_from_catalog = rc == TD_OK;
        if (rc != TD_E_NOTFOUND)
            return rc;
        td_err_clear(err);
    }
    return load_from_file(plan, segment->path, p, err);
}

static td_result consider(archive_plan *plan, const archive_segment *segment, td_err *err)
{
    const plan_query *query = &plan->query;
    if (segment->name.is_parsed && query->wants_feed != NULL &&
        !query->wants_feed(query->user, segment->name.feed))
        return TD_OK;
    const known_segment *known = known_catalog_has(&plan->known, segment)
                                     ? known_segments_find(&plan->known.segments, segment->path)
                                     : NULL;
    if (known != NULL && !overlaps(known->first_ns, known->last_ns, query))
        return TD_OK;
    td_err cause;
    td_err_clear(&cause);
    planned *p = td_alloc_zero(1, sizeof *p);
    if (p == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a plan");
    td_result rc = load_segment(plan, segment, p, &cause);
    if (rc != TD_OK) {
        planned_close(p);
        if (rc == TD_E_NOMEM)
            return td_err_set(err, rc, "%s", cause.text);
        plan->unreadable_count++;
        td_log_say(plan->log, TD_LOG_WARNING, "passed over: %s", cause.text);
        return TD_OK;
    }
    int is_empty = p->index.message_count == 0;
    if (!is_empty && overlaps(p->index.first_ns, p->index.last_ns, query))
        rc = describe(plan, p, err);
    /* A channel that damage has hidden may be a wanted one: readers are to find that damage. */
    if (rc == TD_OK && p->full_path != NULL &&
        (p->public.wanted_count > 0 || segment_index_has_unknown(&p->index))) {
        rc = keep_planned(plan, p, err);
        if (rc == TD_OK)
            return TD_OK;
    }
    planned_close(p);
    return rc;
}

/* ---- the plan ---- */

static int compare_planned(const void *a, const void *b)
{
    const plan_segment *left = &(*(planned *const *)a)->public;
    const plan_segment *right = &(*(planned *const *)b)->public;
    if (left->first_ns != right->first_ns)
        return left->first_ns < right->first_ns ? -1 : 1;
    if (left->session_start_ns != right->session_start_ns)
        return left->session_start_ns < right->session_start_ns ? -1 : 1;
    int order = strcmp(left->session, right->session);
    if (order == 0)
        order = strcmp(left->feed, right->feed);
    if (order == 0 && left->number != right->number)
        order = left->number < right->number ? -1 : 1;
    return order != 0 ? order : strcmp(left->name, right->name);
}

/* 1 if a path is that of a segment of a feed nobody asked for. */
static int is_of_other_feed(const archive_plan *plan, const char *path)
{
    const plan_query *query = &plan->query;
    const char *slash = strrchr(path, '/');
    segment_name name;
    return query->wants_feed != NULL &&
           segment_name_parse(slash == NULL ? path : slash + 1, &name) &&
           !query->wants_feed(query->user, name.feed);
}

/* What is in the way is said; what may have wanted frames in it counts. */
static void say_unexpected(archive_plan *plan, const archive_listing *listing)
{
    for (size_t i = 0; i < listing->unexpected_count; i++) {
        const unexpected_file *file = &listing->unexpected[i];
        if (file->is_unreadable && is_of_other_feed(plan, file->path))
            continue;
        td_log_say(plan->log, TD_LOG_WARNING, "passed over: %s: %s", file->path, file->what);
        plan->unreadable_count += file->is_unreadable;
    }
}

/* 1 if a missing segment may have had frames of the wanted time: its name says when the first came,
 * and none is of another hour (FORMAT.md, "Rotation"). */
static int may_overlap(const archive_plan *plan, const char *path)
{
    segment_name name;
    const char *slash = strrchr(path, '/');
    if (!segment_name_parse(slash == NULL ? path : slash + 1, &name))
        return 1;
    return overlaps(name.first_s * TD_NS_PER_S, (name.first_s / 3600 + 1) * 3600 * TD_NS_PER_S,
                    &plan->query);
}

/* 1 if a missing segment may have wanted frames, by its rows in the catalog; without usable rows,
 * by the hour in its name. */
static int may_be_wanted(archive_plan *plan, const char *path)
{
    const catalog_chunk_filter channels = {.part = CATALOG_CHANNELS};
    const plan_query *query = &plan->query;
    const known_segment *known = known_segments_find(&plan->known.segments, path);
    segment_index index;
    if (plan->known.catalog == NULL || known == NULL || !known->is_intact)
        return may_overlap(plan, path);
    if (!overlaps(known->first_ns, known->last_ns, query))
        return 0;
    if (query->wants_channel == NULL ||
        known_catalog_load(&plan->known, path, &channels, &index, NULL) != TD_OK)
        return 1;
    int is_wanted = 0;
    for (size_t i = 0; i < index.channel_count && !is_wanted; i++)
        is_wanted = query->wants_channel(query->user, &index.channels[i].info);
    segment_index_fini(&index);
    return is_wanted;
}

/* Without it a reader would call a tape whole that is not. */
static void say_missing(void *user, const past_segment *segment)
{
    archive_plan *plan = user;
    if (is_of_other_feed(plan, segment->path) || !may_be_wanted(plan, segment->path))
        return;
    td_log_say(plan->log, TD_LOG_WARNING, "missing: %s: the journal knows it, the disk lacks it",
               segment->path);
    plan->unreadable_count++;
}

/* Without a journal nobody can say; verify does. */
static td_result look_for_missing(archive_plan *plan, const archive_listing *listing, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    td_result rc = archive_each_missing(plan->archive, listing, say_missing, plan, &cause);
    if (rc == TD_E_NOMEM)
        return td_err_set(err, rc, "%s", cause.text);
    if (rc != TD_OK)
        td_log_say(plan->log, TD_LOG_WARNING, "%s", cause.text);
    return TD_OK;
}

td_result archive_plan_open(archive *a, const plan_query *query, archive_plan **out, td_err *err)
{
    *out = NULL;
    archive_plan *plan = td_alloc_zero(1, sizeof *plan);
    if (plan == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a plan");
    plan->archive = a;
    plan->log = query->is_quiet ? NULL : archive_log(a);
    plan->query = *query;
    archive_listing listing = {0};
    td_result rc = query->is_from_files
                       ? TD_OK
                       : known_catalog_open(a, plan->log, TD_LOG_INFO, &plan->known, err);
    if (rc == TD_OK)
        rc = archive_list(a, &listing, err);
    if (rc == TD_OK) {
        say_unexpected(plan, &listing);
        rc = look_for_missing(plan, &listing, err);
    }
    for (size_t i = 0; i < listing.segment_count && rc == TD_OK; i++)
        rc = consider(plan, &listing.segments[i], err);
    if (rc == TD_OK)
        td_log_say(plan->log, TD_LOG_DEBUG, "%zu of %zu segments may hold what is selected, %s",
                   plan->count, listing.segment_count,
                   plan->known.catalog != NULL ? "as the catalog says" : "as they say themselves");
    archive_listing_fini(&listing);
    if (rc != TD_OK) {
        archive_plan_close(plan);
        return td_err_add(err, rc, "planning what to read");
    }
    if (plan->count > 0)
        qsort(plan->segments, plan->count, sizeof(void *), compare_planned);
    plan->query.wants_feed = NULL; /* borrowed for the call only */
    plan->query.wants_channel = NULL;
    *out = plan;
    return TD_OK;
}

void archive_plan_close(archive_plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->count; i++)
        planned_close(plan->segments[i]);
    known_catalog_close(&plan->known);
    td_free(plan->segments);
    td_free(plan);
}

size_t archive_plan_count(const archive_plan *plan)
{
    return plan->count;
}

size_t archive_plan_unreadable_count(const archive_plan *plan)
{
    return plan->unreadable_count;
}

const plan_segment *archive_plan_segment(const archive_plan *plan, size_t i)
{
    TD_ASSERT(i < plan->count);
    return &plan->segments[i]->public;
}

/* ---- chunks ---- */

static int is_wanted_chunk(const planned *p, const segment_index *index, const index_chunk *chunk)
{
    for (size_t i = 0; i < p->public.channel_count; i++) {
        if (p->channels[i].is_wanted && segment_index_has(index, chunk, p->channels[i].id))
            return 1;
    }
    return 0;
}

static td_result keep_chunks(const archive_plan *plan, planned *p, const segment_index *index,
                             td_err *err)
{
    TD_ASSERT(p->chunks == NULL);
    TD_ASSERT(!p->has_chunks);
    p->chunks = td_alloc_zero(index->chunk_count + 1, sizeof p->chunks[0]);
    if (p->chunks == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu chunks", index->chunk_count);
    for (size_t i = 0; i < index->chunk_count; i++) {
        const index_chunk *chunk = &index->chunks[i];
        if (!overlaps(chunk->first_ns, chunk->last_ns, &plan->query) ||
            !is_wanted_chunk(p, index, chunk))
            continue;
        p->chunks[p->chunk_count++] = (plan_chunk){
            .index = chunk->number,
            .offset = chunk->offset,
            .chunk_bytes = chunk->chunk_bytes,
            .index_bytes = chunk->index_bytes,
            .uncompressed_bytes = chunk->uncompressed_bytes,
            .first_ns = chunk->first_ns,
            .last_ns = chunk->last_ns,
            .message_count = chunk->message_count,
        };
    }
    TD_ASSERT(p->chunk_count <= index->chunk_count);
    p->has_chunks = 1;
    return TD_OK;
}

static td_result load_chunks(archive_plan *plan, const planned *p, segment_index *out, td_err *err)
{
    uint8_t wanted[(1 << 16) / 8] = {0};
    size_t wanted_bytes = 0;
    for (size_t i = 0; i < p->public.channel_count; i++) {
        uint16_t id = p->channels[i].id;
        if (!p->channels[i].is_wanted)
            continue;
        wanted[id / 8] = (uint8_t)(wanted[id / 8] | (1U << (id % 8)));
        wanted_bytes = (size_t)id / 8 + 1;
    }
    TD_ASSERT(wanted_bytes > 0);
    const catalog_chunk_filter filter = {
        .part = CATALOG_CHANNELS_AND_CHUNKS,
        .from_ns = plan->query.from_ns,
        .to_ns = plan->query.to_ns,
        .wanted = wanted,
        .wanted_bytes = wanted_bytes,
    };
    td_result rc = known_catalog_load(&plan->known, p->index.path, &filter, out, err);
    if (rc != TD_E_NOTFOUND)
        return rc;
    td_err_clear(err);
    return segment_index_read(plan->archive, p->index.path, INDEX_SUMMARY, out, err);
}

td_result archive_plan_chunks(archive_plan *plan, size_t i, const plan_chunk **out, size_t *count,
                              td_err *err)
{
    TD_ASSERT(i < plan->count);
    planned *p = plan->segments[i];
    td_result rc = TD_OK;
    if (!p->has_chunks && p->is_from_catalog) {
        segment_index index;
        rc = load_chunks(plan, p, &index, err);
        if (rc == TD_OK) {
            rc = keep_chunks(plan, p, &index, err);
            segment_index_fini(&index);
        }
    } else if (!p->has_chunks) {
        rc = keep_chunks(plan, p, &p->index, err);
    }
    *out = rc == TD_OK && p->chunk_count > 0 ? p->chunks : NULL;
    *count = rc == TD_OK ? p->chunk_count : 0;
    return rc;
}

void archive_plan_drop_chunks(archive_plan *plan, size_t i)
{
    TD_ASSERT(i < plan->count);
    planned *p = plan->segments[i];
    td_free(p->chunks);
    p->chunks = NULL;
    p->chunk_count = 0;
    p->has_chunks = 0;
}
