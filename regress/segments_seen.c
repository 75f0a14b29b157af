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
    uint64_t settled_ns;
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

static void add_segment(segments_seen *seen, const archive_segment *segment, const char *live)
{
    const segment_begin begin = {segment->name.first_s * NS_PER_S, hash_segment(segment)};
    seen->segments[seen->count++] = begin;
    if (archive_segment_is_live(segment, live) && begin.first_ns < seen->settled_ns)
        seen->settled_ns = begin.first_ns;
}

static td_result keep_wanted(const archive_listing *listing, const selection *wanted,
                             const char *live, segments_seen **out, td_err *err)
{
    segments_seen *seen =
        td_alloc_zero(1, sizeof *seen + listing->segment_count * sizeof(segment_begin));
    if (seen == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu segments", listing->segment_count);
    seen->settled_ns = UINT64_MAX;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        if (!segment->name.is_parsed || selection_has_feed(wanted, segment->name.feed))
            add_segment(seen, segment, live);
    }
    *out = seen;
    return TD_OK;
}

td_result segments_seen_open(archive *from, const selection *wanted, segments_seen **out,
                             td_err *err)
{
    archive_listing listing;
    char live[SESSION_ID_BYTES];
    *out = NULL;
    td_result rc = archive_list(from, &listing, err);
    if (rc == TD_OK)
        rc = archive_live_session(from, live, err);
    if (rc == TD_OK)
        rc = keep_wanted(&listing, wanted, live, out, err);
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

uint64_t segments_seen_settled_ns(const segments_seen *seen)
{
    return seen->settled_ns;
}
