/* Memory of the live check (recorder/live_check.h): channels by feed, slot and topic, each with its
 * topic's track, and the audits that compare the topics of a symbol. Channel numbers restart in
 * each segment and books go on over segments, so this table does not depend on numbers.
 *
 * All of it together has one budget of bytes. A channel that would exceed it is unchecked until a
 * segment begins and memory is free again. If a segment begins while more than half of the budget
 * is used, channels of symbols without a frame in the previous segment are removed.
 *
 * The live check's thread only. */
#ifndef TD_RECORDER_LIVE_TABLE_H
#define TD_RECORDER_LIVE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/limits.h"
#include "book/follower.h"
#include "schema/topic.h"
#include "tape/follow.h"

/* A stream (tape/follow.h) of the symbol: audits take no copies of it. */
typedef struct live_stream {
    const channel_info *info; /* the first channel's, which is freed with this */
    follow follow;            /* its slots are the channels */
    follower_member member;
    struct live_stream *next; /* of the same symbol */
} live_stream;

/* All topics of one symbol of a feed: what an audit compares. */
typedef struct live_symbol {
    const char *name;   /* the first channel's, which is freed with this */
    audit *audit;       /* NULL while no part has a partner, or it would go beyond the budget */
    size_t audit_bytes; /* as charged */
    uint32_t parts[AUDIT_PARTS];
    uint32_t useful;  /* audit_useful_parts of them */
    uint32_t segment; /* of the last frame of any of its channels */
    uint16_t feed_index;
    uint8_t is_unaudited; /* its audit was dropped */
    live_stream *streams;
    struct live_symbol *next;
} live_symbol;

/* State of one topic of one slot; text and binary frames of it share this. */
typedef struct live_channel {
    channel_info info; /* strings in text, no schema */
    char *text;
    topic_match topic;
    follower follower;   /* without track: the topic has no row, or it is unchecked */
    size_t track_bytes;  /* as charged */
    live_symbol *symbol; /* NULL: takes no part in audits */
    live_stream *stream; /* NULL: as symbol, or beyond the budget */
    audit_part part;
    uint16_t feed_index;
    uint8_t is_met;       /* a frame came: topic and track are looked up */
    uint8_t is_unchecked; /* its track was dropped */
    uint8_t is_leaving;   /* while a segment begins */
    uint64_t row_day;     /* days since 1970: the row was looked up for it, if it has dates */
    uint32_t ended_conn;  /* of the last connection that is known to have ended; 0: none */
    uint64_t last_ns;
    uint64_t broken_from_ns; /* 0: not broken */
    uint32_t broken_conn;    /* on which it broke: the snapshot may come on the next one */
    verdict_item broke;
    int64_t frames_lost; /* since then, by the topic's numbers */
    uint32_t segment;    /* of its last frame */
    uint32_t place;      /* in the table's list */
    struct live_channel *next;
} live_channel;

enum { LIVE_TABLE_BUCKETS = 1 << 14 };

typedef struct live_table {
    live_channel **all; /* in no order */
    uint32_t count;
    live_channel *buckets[LIVE_TABLE_BUCKETS];
    live_symbol *symbols[LIVE_TABLE_BUCKETS];
    size_t used_bytes, max_bytes;
    struct {
        uint32_t segment;
        /* 1: state of the feed was dropped or removed, so a topic that is met in the middle
         * of a connection may have had its snapshot before. */
        uint8_t has_holes;
    } feeds[LIMIT_FEEDS];
} live_table;

void live_table_init(live_table *table, size_t max_bytes);
void live_table_fini(live_table *table);

/* The channel that info describes, added if need be (strings are copied). NULL beyond the budget.
 */
live_channel *live_table_get(live_table *table, uint16_t feed_index, const channel_info *info);

/* A frame of the channel came in the feed's present segment. */
void live_table_touch(live_table *table, live_channel *channel);

/* Make the channel's follower ready for a frame of this connection, under the topic's row of now.
 * 0: its first track would go beyond the budget. It is unchecked then. */
TD_MUST_USE int live_table_meet(live_table *table, live_channel *channel, uint32_t conn);

/* Let the channel take part in audits of its symbol, by its topic's row; beyond the budget it does
 * not. */
void live_table_join_symbol(live_table *table, live_channel *channel);

/* What a frame of the channel's present connection is to its stream; there is one. */
follow_answer live_channel_follow(live_channel *channel, uint64_t recv_ns);

/* The slot's connection of this number has ended. */
void live_table_end_connection(live_table *table, uint16_t feed_index, uint32_t line,
                               uint32_t shard, uint32_t conn);

/* Track or audit may have grown. 0: it went beyond the budget and was dropped: the channel has no
 * track any more; its symbol has no audit any more. */
int live_table_charge_track(live_table *table, live_channel *channel);
int live_table_charge_audit(live_table *table, live_symbol *symbol);

/* A segment of the feed begins: see above. Returns how many of the channels that were forgotten had
 * a broken book. No pointer to a channel of the feed is valid any more. */
uint32_t live_table_begin_segment(live_table *table, uint16_t feed_index);

#endif
