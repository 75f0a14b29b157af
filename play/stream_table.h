/* All streams of a replay, found by name. The table only grows while the tape plays; streams never
 * move, so that workers may hold them. One thread (the one that runs the player). */
#ifndef TD_PLAY_STREAM_TABLE_H
#define TD_PLAY_STREAM_TABLE_H

#include "base/slot_table.h"
#include "play/stream.h"

typedef struct stream_table {
    stream **items; /* in order of first sight */
    size_t count;
    slot_table by_key;
    slot_table by_symbol; /* the first stream of each feed and symbol */
} stream_table;

/* Zero-initialise to start. Closes all streams. */
void stream_table_fini(stream_table *table);

/* The stream of that key, made if absent (with this origin). */
stream *stream_table_get(stream_table *table, const stream_key *key, const stream_origin *origin);

/* The first stream with the feed and symbol of this one, which may be itself. */
stream *stream_table_sibling(const stream_table *table, const stream *of);

/* Bring items into the order of stream_compare; only finding is wrong afterwards, so do it last. */
void stream_table_sort(stream_table *table);

#endif
