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

/* The latest segments first: one whose hour ends before what was found need not be read. Those that
 * cannot be read are passed over. */
td_result archive_newest_ns(archive *a, uint64_t until_ns, uint64_t *newest_ns, td_err *err)
{
    archive_listing listing = {0};
    *newest_ns = 0;
    td_result rc = archive_list(a, &listing, err);
    for (size_t i = listing.segment_count; i > 0 && rc == TD_OK; i--) {
        const archive_segment *segment = &listing.segments[i - 1];
        uint64_t end_s = (segment->name.first_s / HOUR_S + 1) * HOUR_S;
        segment_index index;
        if (!segment->name.is_parsed || end_s <= *newest_ns / TD_NS_PER_S ||
            segment->name.first_s > until_ns / TD_NS_PER_S ||
            archive_read_index(a, segment->path, INDEX_SUMMARY, &index, NULL) != TD_OK)
            continue;
        uint64_t ns = newest_of(&index, until_ns);
        *newest_ns = ns > *newest_ns ? ns : *newest_ns;
        segment_index_fini(&index);
    }
    archive_listing_fini(&listing);
    return rc;
}
