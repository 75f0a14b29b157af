/* The probable places of topic and symbol in the frames of a capture. Only for regress/learn. */
#ifndef TD_LEARN_PLACE_H
#define TD_LEARN_PLACE_H

#include "base/buf.h"
#include "regress/learn/learn_paths.h"

/* Where the symbol is. */
typedef enum symbol_place {
    SYMBOL_NOWHERE, /* in no topic's text; maybe in another member of the frame */
    SYMBOL_LAST,    /* "trades.BTCUSD" */
    SYMBOL_FIRST,   /* "btcusd@trade" */
    SYMBOL_INSIDE,  /* "book.BTC-PERPETUAL.raw": after the first part */
} symbol_place;

typedef struct topic_place {
    const char *path; /* of the topic's text */
    const char *data; /* the key with the content; is_flat: a key that all data frames have */
    symbol_place symbol;
    char joint;       /* between name and symbol */
    uint8_t is_lower; /* 1: symbols are in lower case */
    uint8_t is_flat;  /* 1: the content has no key of its own */
} topic_place;

/* A topic's text, split by the place. Views of the text; the name of SYMBOL_INSIDE has two parts.
 */
typedef struct topic_parts_of_text {
    td_bytes name, rest, symbol;
} topic_parts_of_text;

/* Find the place in the statistics of all frames. Returns 0 if no member looks like a topic. */
int topic_place_find(const path_table *frames, td_arena *memory, topic_place *out);

/* Split a topic's text. Returns 0 if it has no symbol at the place. */
int topic_place_split(const topic_place *place, td_bytes text, topic_parts_of_text *out);

#endif
