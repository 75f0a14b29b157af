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
} stream_table;

/* Zero-initialise to start. Closes all streams. */
void stream_table_fini(stream_table *table);

/* The stream of a channel, made if absent. */
stream *stream_table_get(stream_table *table, const frame_channel *channel);

/* Bring items into the order of feed, topic, symbol, direction, in which reports and digests have
 * them; only finding is wrong afterwards, so do it last. */
void stream_table_sort(stream_table *table);

#endif
