#include "replay/play/lateness.h"

#include "base/assert.h"

enum { SUB_COUNT = 1 << LATENESS_SUB_BITS };

/* Return the bucket of a duration. Values below 16 have a bucket each; above, each power of two has
 * 16 buckets. */
static uint32_t bucket_of(uint64_t ns)
{
    if (ns < SUB_COUNT)
        return (uint32_t)ns;
    uint32_t top = 63 - (uint32_t)__builtin_clzll(ns);
    uint32_t shift = top - LATENESS_SUB_BITS;
    return ((shift + 1) << LATENESS_SUB_BITS) + (uint32_t)((ns >> shift) - SUB_COUNT);
}

/* Return the largest value of a bucket. */
static uint64_t bucket_top(uint32_t bucket)
{
    if (bucket < SUB_COUNT)
        return bucket;
    uint32_t shift = (bucket >> LATENESS_SUB_BITS) - 1;
    uint64_t first = (uint64_t)(SUB_COUNT + (bucket & (SUB_COUNT - 1))) << shift;
    return first + ((UINT64_C(1) << shift) - 1);
}

void lateness_add(lateness *l, uint64_t ns)
{
    uint32_t bucket = bucket_of(ns);
    TD_ASSERT(bucket < LATENESS_BUCKETS);
    l->counts[bucket]++;
    l->count++;
    if (ns > l->ns_max)
        l->ns_max = ns;
}

uint64_t lateness_quantile_ns(const lateness *l, uint32_t per_mille)
{
    TD_ASSERT(per_mille <= 1000);
    if (l->count == 0)
        return 0;
    /* rank of the quantile among all values, from 1; rounded up, so that it is never 0 */
    uint64_t rank = l->count / 1000 * per_mille + (l->count % 1000 * per_mille + 999) / 1000;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < LATENESS_BUCKETS; i++) {
        seen += l->counts[i];
        if (seen >= rank && seen > 0) {
            uint64_t top = bucket_top(i);
            return top < l->ns_max ? top : l->ns_max;
        }
    }
    return l->ns_max;
}
