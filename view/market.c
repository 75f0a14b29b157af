#include "view/market.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/archive_view.h"
#include "archive/ledger.h"

const char *market_find_trades(const timeline *over_time, const char *feed, const char *symbol)
{
    size_t count;
    const char *found = "";
    const timeline_row *rows = timeline_rows(over_time, &count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].type == MSG_TRADE && strcmp(rows[i].feed, feed) == 0 &&
            strcmp(rows[i].symbol, symbol) == 0 &&
            (found[0] == '\0' || strcmp(rows[i].topic, found) < 0))
            found = rows[i].topic;
    return found;
}

/* A request for a tile. */
typedef struct getter {
    const market_source *of;
    gap_list ledger;
    uint8_t has_ledger;
    uint8_t holds_view; /* 1: this request holds the archive's view */
} getter;

static uint64_t begin_of(market_place at)
{
    return (at.index * MARKET_COLUMNS) << at.k;
}

static uint64_t end_of(market_place at)
{
    return begin_of(at) + ((uint64_t)MARKET_COLUMNS << at.k);
}

static timeline_extent extent_of(const getter *self, market_place at)
{
    return self->of->extent(self->of->user, self->of->name.feed,
                            (time_span){begin_of(at), end_of(at)});
}

static void add_text(td_hasher *to, const char *text)
{
    td_hasher_update(to, text, strlen(text) + 1);
}

/* A hash of all that a tile is made from. It contains the sizes of the structs, because files have
 * these as they are in memory. */
static td_hash128 key_of(const getter *self, market_place at, const timeline_extent *extent)
{
    const market_name *name = &self->of->name;
    const td_decimal bin = td_decimal_shortest(at.bin);
    const uint64_t numbers[] = {2, /* version of the content: raise it if tiles change */
                                sizeof(market_tile),
                                sizeof(market_run),
                                sizeof(market_trades),
                                at.k,
                                at.index,
                                (uint64_t)bin.mantissa,
                                bin.scale};
    td_hasher *hasher = td_hasher_open();
    td_hasher_update(hasher, numbers, sizeof numbers);
    td_hasher_update(hasher, extent->content.bytes, sizeof extent->content.bytes);
    add_text(hasher, name->feed);
    add_text(hasher, name->symbol);
    add_text(hasher, name->book);
    add_text(hasher, name->trades);
    td_hash128 key = td_hasher_digest(hasher);
    td_hasher_close(hasher);
    return key;
}

/* Tiles made from frames have prices as rows, whatever their scale: bin 0 in their keys. */
static market_place with_prices(market_place at)
{
    at.bin = (td_decimal){0, 0};
    return at;
}

/* ---- from frames ---- */

static td_result play(getter *self, market_place first, size_t count,
                      td_result (*tile)(void *user, size_t index, market_tile *made, td_err *err),
                      void *user, td_err *err)
{
    const timeline_extent extent = extent_of(self, first);
    td_result rc = TD_OK;
    if (!self->has_ledger) {
        self->holds_view = archive_held_view(self->of->from) == NULL;
        if (self->holds_view)
            rc = archive_view_hold(self->of->from, err);
        if (rc == TD_OK)
            rc = archive_gaps(self->of->from, &self->ledger, err);
        self->has_ledger = 1;
    }
    const market_play_options options = {.from = self->of->from,
                                         .ledger = &self->ledger,
                                         .name = self->of->name,
                                         .from_ns = begin_of(first),
                                         .k = first.k,
                                         .count = count,
                                         .until_ns = extent.last_ns + 1,
                                         .is_cancelled = self->of->is_cancelled,
                                         .tile = tile,
                                         .user = user};
    return rc == TD_OK ? market_play(&options, err) : rc;
}

static td_result take_tile(void *user, size_t index, market_tile *made, td_err *err)
{
    market_tile *out = user;
    (void)index;
    (void)err;
    *out = *made;
    made->runs = NULL;
    made->trades = NULL;
    return TD_OK;
}

/* Tiles to be kept as they are made. */
typedef struct tile_keeper {
    const getter *self;
    market_place first;
} tile_keeper;

static td_result keep_tile(void *user, size_t index, market_tile *made, td_err *err)
{
    const tile_keeper *to = user;
    market_place at = to->first;
    (void)err;
    at.index += index;
    const timeline_extent extent = extent_of(to->self, at);
    market_cache_put(to->self->of->cache, key_of(to->self, with_prices(at), &extent), made);
    return TD_OK;
}

/* 1 if a tile can be made from frames and kept, and is not yet. */
static int is_wanted(const getter *self, market_place at)
{
    const timeline_extent extent = extent_of(self, at);
    return extent.has_frames && !extent.may_grow &&
           !market_cache_has(self->of->cache, key_of(self, with_prices(at), &extent));
}

/* Make the tiles of 2^MARKET_BASE_K ns in a larger one, those after each other in one go. */
static td_result prepare(getter *self, market_place whole, td_err *err)
{
    const size_t count = (size_t)1 << (whole.k - MARKET_BASE_K);
    market_place at = {.k = MARKET_BASE_K, .index = whole.index * count};
    const uint64_t end = at.index + count;
    td_result rc = TD_OK;
    while (rc == TD_OK && at.index < end) {
        market_place last = at;
        while (last.index < end && is_wanted(self, last))
            last.index++;
        tile_keeper to = {self, at};
        if (last.index > at.index + 1)
            rc = play(self, at, last.index - at.index, keep_tile, &to, err);
        at.index = last.index > at.index ? last.index : at.index + 1;
    }
    return rc;
}

/* ---- tiles ---- */

static td_result get(getter *self, market_place at, market_tile *out, td_err *err);

/* Make a tile from frames; one of MARKET_BASE_K may be in the cache. */
static td_result get_from_frames(getter *self, market_place at, const timeline_extent *extent,
                                 market_tile *out, td_err *err)
{
    const td_hash128 key = key_of(self, with_prices(at), extent);
    market_tile *exact = td_alloc_zero(1, sizeof *exact);
    td_result rc = TD_OK;
    market_tile_init(exact, (td_decimal){1, 0});
    if (at.k < MARKET_BASE_K || !market_cache_get(self->of->cache, key, exact)) {
        rc = play(self, at, 1, take_tile, exact, err);
        if (rc == TD_OK && at.k == MARKET_BASE_K && !extent->may_grow)
            market_cache_put(self->of->cache, key, exact);
    }
    if (rc == TD_OK)
        rc = market_tile_rebin(exact, at.bin, out, err);
    market_tile_fini(exact);
    td_free(exact);
    return rc;
}

/* Join a tile from its halves. */
static td_result get_from_halves(getter *self, market_place at, const timeline_extent *extent,
                                 market_tile *out, td_err *err)
{
    const td_hash128 key = key_of(self, at, extent);
    if (!extent->may_grow && market_cache_get(self->of->cache, key, out))
        return TD_OK;
    market_tile *halves = td_alloc_zero(2, sizeof *halves);
    td_result rc = TD_OK;
    if (1U << (at.k - MARKET_BASE_K) <= MARKET_BASE_GROUP && market_cache_keeps(self->of->cache))
        rc = prepare(self, at, err);
    for (size_t i = 0; i < 2; i++) {
        market_tile_init(&halves[i], at.bin);
        const market_place half = {at.k - 1, 2 * at.index + i, at.bin};
        if (rc == TD_OK)
            rc = get(self, half, &halves[i], err);
    }
    if (rc == TD_OK)
        rc = market_tile_join(&halves[0], &halves[1], at.bin, out, err);
    if (rc == TD_OK && !extent->may_grow)
        market_cache_put(self->of->cache, key, out);
    market_tile_fini(&halves[0]);
    market_tile_fini(&halves[1]);
    td_free(halves);
    return rc;
}

static td_result get(getter *self, market_place at, market_tile *out, td_err *err)
{
    const timeline_extent extent = extent_of(self, at);
    td_result rc = TD_OK;
    market_tile_init(out, at.bin);
    if (!extent.has_frames)
        for (size_t i = 0; i < MARKET_COLUMNS; i++)
            out->columns[i].state = MARKET_BOOK_UNKNOWN;
    else if (at.k <= MARKET_BASE_K)
        rc = get_from_frames(self, at, &extent, out, err);
    else
        rc = get_from_halves(self, at, &extent, out, err);
    out->may_grow |= extent.may_grow;
    return rc;
}

td_result market_get(const market_source *of, market_place at, market_tile *out, td_err *err)
{
    getter self = {.of = of};
    TD_ASSERT(at.k >= MARKET_K_MIN && at.k <= MARKET_K_MAX);
    TD_ASSERT(at.bin.mantissa > 0);
    td_result rc = get(&self, at, out, err);
    if (rc != TD_OK)
        market_tile_fini(out);
    gap_list_fini(&self.ledger);
    if (self.holds_view)
        archive_view_let_go(of->from);
    return rc;
}
