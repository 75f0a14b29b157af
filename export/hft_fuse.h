/* The order books of one symbol's topics, of several depths, as one. At each price it has what the
 * topic has whose last frame has the highest number, among those whose window of levels covers the
 * price. A book with all levels of its topic ends with the last of them; one with fewer covers all
 * prices. So a snapshot replaces its window, and a topic's best prices delete all better ones.
 *
 * Frames of the topics come in the order of the tape, one thread at a time. Books are those of the
 * streams, which live longer. */
#ifndef TD_EXPORT_HFT_FUSE_H
#define TD_EXPORT_HFT_FUSE_H

#include <stddef.h>
#include <stdint.h>

#include "export/export_type.h"

enum { FUSED_TOPICS = 16, FUSED_SIDES = 2 };

typedef struct fused_levels {
    book_level *items;
    size_t count;
    size_t capacity;
} fused_levels;

/* The last price of a topic's window. */
typedef struct fused_end {
    td_decimal price;
    uint8_t is_open; /* 1: it covers all prices */
} fused_end;

typedef struct fused_topic {
    const topic_row *row;
    const book *book;
    int64_t number;
    fused_end ends[FUSED_SIDES]; /* by msg_side, likewise below */
} fused_topic;

/* Zero-initialise. */
typedef struct hft_fuse {
    fused_topic topics[FUSED_TOPICS]; /* those that count, the highest number first */
    size_t topic_count;
    fused_levels sides[FUSED_SIDES];   /* the fused book, best first */
    fused_levels changes[FUSED_SIDES]; /* by the last frame; size 0: deleted */
    fused_levels top;                  /* scratch */
} hft_fuse;

enum { FUSE_LOST = 1, FUSE_WHOLE = 2 };

/* The next frame of a topic, with the verdict on its book. Returns the sum of FUSE_LOST: the fused
 * book was known until now; FUSE_WHOLE: it is known again, and changes has all of it. */
unsigned hft_fuse_apply(hft_fuse *fuse, const maker_frame *seen);

void hft_fuse_fini(hft_fuse *fuse);

#endif
