/* The inside of chunk_builder, shared by its sources: builder (frames and rotation), chunk_channels
 * (which channel has which id), chunk_conns (what the chain says of connections), chunk_seal. */
#ifndef TD_FORMAT_CHUNK_BUILDER_IMPL_H
#define TD_FORMAT_CHUNK_BUILDER_IMPL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "format/chunk_builder.h"
#include "format/codec.h"

/* Index of nothing. */
#define NONE UINT32_MAX

enum {
    /* Schema text of a channel; the largest topic's has some 4 KiB. */
    SCHEMA_BYTES_MAX = 1 << 16,
    /* Room for a new channel's schema and channel records, names at their limits included. */
    CHUNK_SLACK_BYTES = SCHEMA_BYTES_MAX + (1 << 12),
};

/* A schema text, kept once for all channels that use it. */
typedef struct schema_state {
    char *name;
    uint8_t *text;
    size_t text_bytes;
    uint32_t use_count;      /* channels that refer to it; 0 = free */
    uint32_t segment_number; /* of the segment in which id is valid */
    uint64_t chunk_number;   /* of the last chunk that has its record */
    uint16_t id;
} schema_state;

typedef struct channel_state {
    channel_info info; /* strings in text; the schema's are in its schema_state */
    char *text;
    uint32_t generation;     /* as in chunk_channel, never 0; counts reuses of the place */
    uint32_t next;           /* in its hash bucket, or in the free list */
    uint32_t schema;         /* index of its schema_state, or NONE */
    uint32_t last_segment;   /* number of the segment in which it was last asked for or used */
    uint32_t segment_number; /* of the segment in which id is valid */
    uint32_t segment_chunks; /* chunks of that segment with messages of it, the pending one too */
    uint32_t conn;           /* where in the connection table it last was: a guess */
    uint16_t id;
    uint8_t is_live;
    uint8_t is_frame;    /* 1: messages are frames of a connection; 0: events, HTTP answers */
    uint8_t is_reserved; /* 1: one of CHANNEL_TOPIC_*, which have ids of their own */
    /* of the pending chunk */
    uint32_t pending_count;
    uint64_t pending_first_ns, pending_last_ns;
} channel_state;

typedef struct channel_table {
    channel_state *channels;
    uint32_t count; /* places, free ones included */
    uint32_t free_first;
    uint32_t live_count[2]; /* by channel_state.is_reserved */
    uint32_t *buckets;      /* power of two */
    uint32_t bucket_count;
    schema_state *schemas;
    uint32_t schema_count;
    uint32_t ids_max[2]; /* ids of a segment, by channel_state.is_reserved */
} channel_table;

typedef struct conn_state {
    chain_conn conn;
    uint8_t is_current; /* 1: the newest of its slot, and not closed */
    uint8_t is_touched; /* 1: changed since the last seal */
} conn_state;

typedef struct conn_table {
    conn_state *conns; /* CHAIN_CONNS_MAX places */
    uint32_t count;
} conn_table;

struct chunk_builder {
    chunk_builder_options options;
    codec *coder;
    channel_table channels;
    conn_table conns;
    chain_totals totals;
    td_buf raw;                 /* records of the pending chunk */
    td_buf pack;                /* channel metadata while it is encoded */
    size_t *cursors;            /* while sealing, by channel id: where its next index entry goes */
    uint32_t *pending_channels; /* indices of channels with pending messages */
    uint32_t pending_channel_count;
    uint32_t pending_new_count, pending_schema_count;
    uint64_t pending_count, pending_frames;
    uint64_t chunk_number; /* of the pending chunk, from 1 over the builder's life */
    uint64_t pending_first_ns;
    uint8_t pending_starts_segment;
    uint64_t last_ns, last_frame_ns; /* recv_ns of the last message, and of the last frame */
    /* the segment */
    uint32_t segment_number; /* 0 = none yet */
    segment_cause segment_cause;
    uint64_t segment_first_ns;
    uint64_t segment_messages;
    uint64_t segment_bytes;
    uint64_t segment_index_entries; /* chunk index map entries: what the summary grows by */
    uint32_t segment_chunks;
    uint32_t ids_used[2]; /* by channel_state.is_reserved */
    uint16_t next_channel_id, next_schema_id;
    uint8_t is_end_asked;
};

/* Channels. */
TD_MUST_USE td_result channel_table_init(channel_table *table, uint32_t channels_max, td_err *err);
void channel_table_fini(channel_table *table);

/* As chunk_builder_channel; segment_number is the present one. */
TD_MUST_USE td_result channel_table_get(channel_table *table, const channel_info *info,
                                        uint32_t segment_number, chunk_channel *out, td_err *err);

/* The state of a channel, or NULL if it is stale. */
channel_state *channel_table_find(channel_table *table, chunk_channel channel);

/* A new segment begins behind segment_number: channels not used in that one are let go. */
void channel_table_age(channel_table *table, uint32_t segment_number);

/* Connections. */
TD_MUST_USE td_result conn_table_init(conn_table *table, td_err *err);
void conn_table_fini(conn_table *table);

/* Index of a connection, added if need be (guess: where to look first). TD_E_INVALID if the slot
 * has a later one, TD_E_LIMIT if there is no room before the next seal. */
TD_MUST_USE td_result conn_table_get(conn_table *table, uint32_t line, uint32_t shard,
                                     uint32_t conn, uint32_t guess, uint32_t *out, td_err *err);

/* After a seal: forget the connections that are over. */
void conn_table_sweep(conn_table *table);

/* Mark the slot's connection as closed. */
void conn_table_close_slot(conn_table *table, uint32_t line, uint32_t shard);

#endif
