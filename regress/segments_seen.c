#include "regress/segments_seen.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

#define NS_PER_S UINT64_C(1000000000)

typedef struct segment_begin {
    uint64_t first_ns; /* of its second */
    uint64_t hash;
} segment_begin;

struct segments_seen {
    size_t count;
    segment_begin segments[];
};

static uint64_t hash_segment(const archive_segment *segment)
{
    const segment_name *name = &segment->name;
    if (!name->is_parsed)
        return td_xxh64(segment->path, strlen(segment->path)) ^ segment->size_bytes;
    const uint64_t parts[] = {td_xxh64(name->feed, strlen(name->feed)),
                              td_xxh64(name->session, strlen(name->session)), name->number};
    return td_xxh64(parts, sizeof parts);
}

td_result segments_seen_open(archive *from, const selection *wanted, segments_seen **out,
                             td_err *err)
{
    archive_listing listing;
    *out = NULL;
    td_result rc = archive_list(from, &listing, err);
    if (rc == TD_OK) {
        *out = td_alloc_zero(1, sizeof **out + listing.segment_count * sizeof(segment_begin));
        if (*out == NULL)
            rc = td_err_set(err, TD_E_NOMEM, "no memory for %zu segments", listing.segment_count);
    }
    for (size_t i = 0; rc == TD_OK && i < listing.segment_count; i++) {
        const archive_segment *segment = &listing.segments[i];
        if (!segment->name.is_parsed || selection_has_feed(wanted, segment->name.feed))
            (*out)->segments[(*out)->count++] =
                (segment_begin){segment->name.first_s * NS_PER_S, hash_segment(segment)};
    }
    archive_listing_fini(&listing);
    return rc;
}

void segments_seen_close(segments_seen *seen)
{
    td_free(seen);
}

uint64_t segments_seen_before(const segments_seen *seen, uint64_t ns)
{
    uint64_t sum = 0; /* in any order */
    for (size_t i = 0; i < seen->count; i++)
        if (seen->segments[i].first_ns < ns)
            sum += seen->segments[i].hash;
    return sum & INT64_MAX;
}
