/* Plays the frames of a market, and makes tiles of them, one after the other.
 *
 * The book is the one of replay (book/book.h), and is shown as long as it is known: from its first
 * state to the moment from which it may be wrong because frames are missing (tape/topic_trust.h).
 * It is also shown, and marked, after a frame that breaks a rule or cannot be decoded. */
#ifndef TD_VIEW_MARKET_PLAY_H
#define TD_VIEW_MARKET_PLAY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "view/market_tile.h"

/* Names as in the archive; a topic that the market lacks is "". */
typedef struct market_name {
    const char *feed, *symbol;
    const char *book;   /* topic of the book: "orderbook.50" */
    const char *trades; /* topic of the trades: "publicTrade" */
} market_name;

/* All pointers are borrowed. */
typedef struct market_play_options {
    archive *from;
    const gap_list *ledger; /* whole, sorted */
    market_name name;
    uint64_t from_ns;  /* of the first tile */
    unsigned k;        /* a column is 2^k ns */
    size_t count;      /* of tiles */
    uint64_t until_ns; /* the book is not shown from then on: no frame of the feed is later */
    const atomic_int *is_cancelled; /* 1: end soon; may be NULL */
    /* Gets each tile, in order, with exact prices as rows; it may take the content and leave an
     * initialised tile. */
    td_result (*tile)(void *user, size_t index, market_tile *made, td_err *err);
    void *user;
} market_play_options;

/* TD_E_IO: the archive cannot be read, or the play was cancelled; TD_E_LIMIT: a tile has too many
 * runs, or prices do not fit in 64 bits; an error of tile(). */
TD_MUST_USE td_result market_play(const market_play_options *options, td_err *err);

#endif
