/* Tiles that were made earlier, as files of a folder with a bound: reading a month of frames takes
 * minutes, reading its tile a millisecond. A tile's file is named by a hash of all that the tile
 * was made from, so a file is never wrong, only unused. At the bound the files are removed that
 * this process used least recently; first, files that it did not use at all.
 *
 * Several processes may use the folder. A file that cannot be read or written is a tile that is
 * made again. Any thread. */
#ifndef TD_VIEW_MARKET_CACHE_H
#define TD_VIEW_MARKET_CACHE_H

#include <stdint.h>

#include "base/hash.h"
#include "view/market_tile.h"

typedef struct market_cache market_cache;

/* Use a folder, made if it is missing, for its owner only; NULL, or a folder that cannot be used:
 * nothing is kept. bytes_max: bound of the folder. */
TD_NEVER_NULL market_cache *market_cache_open(const char *folder, uint64_t bytes_max);

/* Use the user's folder, $XDG_CACHE_HOME/tapedeck/market or ~/.cache/tapedeck/market, of at most 1
 * GiB. */
TD_NEVER_NULL market_cache *market_cache_open_default(void);

/* NULL is allowed. */
void market_cache_close(market_cache *self);

/* 0 if nothing is kept. */
int market_cache_keeps(const market_cache *self);

/* 1 if the folder has a tile; its file may still be damaged. */
int market_cache_has(market_cache *self, td_hash128 key);

/* Read a tile: 1, or 0 if the folder lacks it. The caller frees *out. */
int market_cache_get(market_cache *self, td_hash128 key, market_tile *out);

/* Keep a tile. */
void market_cache_put(market_cache *self, td_hash128 key, const market_tile *tile);

#endif
