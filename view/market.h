/* Pictures of a market over time, in tiles: of any time, with columns of any power of two of
 * nanoseconds, and rows of any height.
 *
 * A tile of short columns is made from the frames (market_play.h). One of long columns is joined
 * from the two tiles of half its columns, down to tiles of 2^MARKET_BASE_K ns, which are made from
 * frames, up to MARKET_BASE_GROUP in one go, and kept in a cache (market_cache.h) like the tiles
 * above them. So a month is read once. */
#ifndef TD_VIEW_MARKET_H
#define TD_VIEW_MARKET_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "tape/timeline.h"
#include "view/market_cache.h"
#include "view/market_play.h"
#include "view/market_tile.h"

enum {
    MARKET_K_MIN = 17,
    MARKET_K_MAX = 48,
    MARKET_BASE_K = 32, /* a tile is then 18 min */
    MARKET_BASE_GROUP = 16,
};

/* A tile: columns of 2^k ns from index * MARKET_COLUMNS columns after 1970 on. */
typedef struct market_place {
    unsigned k;
    uint64_t index;
    td_decimal bin; /* height of a row, > 0 */
} market_place;

/* The topic of a symbol's trades, which the timeline owns; "" if the symbol has no trades. */
const char *market_find_trades(const timeline *over_time, const char *feed, const char *symbol);

/* All pointers are borrowed. */
typedef struct market_source {
    archive *from; /* used by this call alone */
    market_cache *cache;
    market_name name;
    /* What the archive has of a feed in a time: timeline_extent_of, in a way that the caller's
     * threads may use. */
    timeline_extent (*extent)(void *user, const char *feed, time_span span);
    void *user;
    const atomic_int *is_cancelled; /* 1: end soon; may be NULL */
} market_source;

/* Make a tile; the caller frees it. TD_E_IO: the archive cannot be read, or the call was cancelled;
 * TD_E_LIMIT: there are too many prices for one tile. */
TD_MUST_USE td_result market_get(const market_source *of, market_place at, market_tile *out,
                                 td_err *err);

#endif
