#include "archive/archive_newest.h"

#include "base/clock.h"
#include "archive/archive_segment.h"
#include "format/segment_index.h"

enum { HOUR_S = 3600 };

/* The newest time of a segment that is not later than until_ns, or 0. */
static uint64_t newest_of(const segment_index *index, uint64_t until_ns)
{
    uint64_t newest_ns = 0;
    for (size_t i = 0; i < index->chunk_count; i++) {
        const segment_chunk *chunk = &index->chunks[i];
        uint64_t ns = chunk->last_ns <= until_ns ? chunk->last_ns : chunk->first_ns;
        if (ns <= until_ns && ns > newest_ns)
            newest_ns = ns;
    }
    return newest_ns;
}

static int is_asked_for(const archive_segment *segment, const newest_query *query)
{
    return segment->name.is_parsed && segment->name.first_s <= query->until_ns / TD_NS_PER_S &&
           (query->wants_feed == NULL || query->wants_feed(query->user, segment->name.feed));
}

/* The latest hour before a bound in which a segment begins; 0 if absent. */
static int find_hour(const archive_listing *listing, const newest_query *query,
                     uint64_t before_hour, uint64_t *hour)
{
    int has_hour = 0;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        uint64_t own = segment->name.first_s / HOUR_S;
        if (own >= before_hour || (has_hour && own <= *hour) || !is_asked_for(segment, query))
            continue;
        has_hour = 1;
        *hour = own;
    }
    return has_hour;
}

/* Segments that cannot be read are passed over. */
static void look_into_hour(archive *a, const archive_listing *listing, const newest_query *query,
                           uint64_t hour, uint64_t *newest_ns)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        if (segment->name.first_s / HOUR_S != hour || !is_asked_for(segment, query))
            continue;
        segment_index index;
        if (archive_read_index(a, segment->path, INDEX_SUMMARY, &index, NULL) != TD_OK)
            continue;
        uint64_t ns = newest_of(&index, query->until_ns);
        *newest_ns = ns > *newest_ns ? ns : *newest_ns;
        segment_index_fini(&index);
    }
}

/* A segment ends with its hour, so what begins in a later one is later. */
td_result archive_newest_ns(archive *a, const newest_query *query, uint64_t *newest_ns, td_err *err)
{
    archive_listing listing = {0};
    uint64_t hour = UINT64_MAX;
    *newest_ns = 0;
    td_result rc = archive_list(a, &listing, err);
    while (rc == TD_OK && *newest_ns == 0 && find_hour(&listing, query, hour, &hour))
        look_into_hour(a, &listing, query, hour, newest_ns);
    archive_listing_fini(&listing);
    return rc;
}
