/* Memory of the live check (recorder/live_check.h): the symbols of each feed, each with its state
 * (book/symbol_state.h) and its channels by slot and topic. Channel numbers restart in each segment
 * and books continue across segments, so this table does not depend on numbers.
 *
 * All of it together has one budget of bytes. A symbol whose state would exceed it is unchecked
 * until a segment begins and memory is free again. If a segment begins while more than half of the
 * budget is used, symbols without a frame in the previous segment are removed.
 *
 * The live check's thread only. */
#ifndef TD_RECORDER_LIVE_TABLE_H
#define TD_RECORDER_LIVE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/limits.h"
#include "book/follow.h"
#include "book/symbol_state.h"
#include "schema/topic.h"

typedef struct live_symbol live_symbol;

/* One topic of one slot; text and binary frames of it share this. */
typedef struct live_channel {
    channel_info info; /* strings in text, no schema */
    char *text;
    topic_match topic; /* has a row */
    frame_conn conn;   /* of the last frame */
    live_symbol *symbol;
    symbol_topic *state; /* NULL before the first frame, and while the symbol is dropped */
    follow follow;       /* of the topic and its line, if this is the first channel of them */
    uint64_t row_day;    /* days since 1970: the row was looked up for it, if it has dates */
    uint32_t ended_conn; /* of the last connection that is known to have ended; 0: none */
    uint64_t last_ns;
    uint64_t broken_from_ns; /* 0: not broken */
    uint32_t broken_conn;    /* on which it broke: the snapshot may come on the next one */
    verdict_item broke;
    int64_t frames_lost;       /* since then, by the topic's numbers */
    struct live_channel *next; /* of the same symbol */
} live_channel;

struct live_symbol {
    symbol_state *state; /* NULL while it is dropped */
    size_t bytes;        /* of the symbol and its channels */
    size_t state_bytes;  /* of the state, as charged */
    uint32_t segment;    /* of its last frame */
    uint16_t feed_index;
    uint8_t is_joined; /* 1: tracks begin in the middle of a connection */
    live_channel *channels;
    live_symbol *next; /* in its bucket */
    char name[];
};

enum { LIVE_TABLE_BUCKETS = 1 << 12 };

typedef struct live_table {
    live_symbol *symbols[LIVE_TABLE_BUCKETS];
    size_t used_bytes, max_bytes;
    struct {
        uint32_t segment;
        /* 1: state of the feed was dropped or removed, so a topic that begins in the middle of a
         * connection may have had its snapshot before. */
        uint8_t has_holes;
    } feeds[LIMIT_FEEDS];
} live_table;

void live_table_init(live_table *table, size_t max_bytes);
void live_table_fini(live_table *table);

/* The channel that info describes, added with this topic if need be (strings are copied). NULL
 * beyond the budget. */
live_channel *live_table_get(live_table *table, uint16_t feed_index, const channel_info *info,
                             const topic_match *topic);

/* A frame of the channel came over this connection: its part of its topic's stream, and the state
 * that it is to be applied to. 0: the symbol is dropped. */
TD_MUST_USE int live_table_meet(live_table *table, live_channel *channel, uint32_t conn,
                                uint64_t recv_ns, uint64_t granted_ns, follow_answer *out);

/* A frame was applied. 0: the state went beyond the budget and was dropped. */
TD_MUST_USE int live_table_charge(live_table *table, live_symbol *symbol);

/* The slot's connection of this number has ended. */
void live_table_end_connection(live_table *table, uint16_t feed_index, uint32_t line,
                               uint32_t shard, uint32_t conn);

/* Frames of any channel are missing before this moment. */
void live_table_skip(live_table *table, uint64_t recv_ns);

/* A segment of the feed begins: see above. Returns how many of the channels that were removed had a
 * broken book. No pointer to a channel of the feed is valid any more. */
uint32_t live_table_begin_segment(live_table *table, uint16_t feed_index);

#endif
