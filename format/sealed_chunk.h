/* A chunk ready to be written: a Chunk record and its Message Index records, which do not depend on
 * their position in the file, and what summary, catalog and chain record have of it. Plain data,
 * which may move to another thread as a whole. */
#ifndef TD_FORMAT_SEALED_CHUNK_H
#define TD_FORMAT_SEALED_CHUNK_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "format/chain.h"
#include "format/segment_channel.h"

/* One channel's part of a sealed chunk; all of it can be read back from the message indexes. */
typedef struct sealed_channel {
    uint16_t id;            /* in the segment, from 1 */
    uint64_t message_count; /* > 0 */
    uint64_t first_ns, last_ns;
    uint64_t index_offset; /* of its Message Index record, from the end of the Chunk record */
} sealed_channel;
int sealed_channel_by_id(const void *a, const void *b); /* the order of two, for qsort() */

/* A chunk ready to be written. A chunk_packer fills what comes up to channels, chunk_builder_seal
 * the rest, too. Read-only then, except that segment_writer appends the chain record to bytes. Keep
 * a few and use them in turn: memory is kept. */
typedef struct sealed_chunk {
    td_buf bytes;         /* Chunk record, then its Message Index records */
    uint64_t chunk_bytes; /* of these, the Chunk record */
    uint64_t index_bytes; /* of these, the Message Index records */
    uint64_t compressed_bytes, uncompressed_bytes;
    uint64_t first_ns, last_ns; /* least and greatest log time; 0 without messages */
    uint64_t message_count;     /* frames and events */
    sealed_channel *channels;   /* by rising id */
    uint32_t channel_count;
    /* of chunk_builder */
    uint64_t frame_count;      /* without events */
    uint64_t segment_first_ns; /* recv_ns of the segment's first message: names the segment */
    uint32_t segment_number;   /* 1, 2 … over the builder's life */
    uint8_t starts_segment;    /* 1: the segment's first chunk */
    /* Those that are in no chunk of the segment before this one, by rising id; without counts. */
    segment_channel *new_channels;
    uint32_t new_channel_count;
    td_buf channel_records; /* new channels as MCAP records, for the summary */
    td_buf events;          /* for sealed_chunk_event */
    td_buf checkpoint;      /* a record to write before the chunk, set after sealing; empty: none */
    chain_totals totals;    /* after this chunk */
    chain_conn *conns;      /* open connections, and those that had frames in this chunk */
    uint32_t conn_count;
    /* memory, the fillers' business */
    size_t channel_capacity, new_channel_capacity, conn_capacity;
} sealed_chunk;

/* Make an empty sealed chunk, and free one (NULL is fine). */
sealed_chunk *sealed_chunk_open(void);
void sealed_chunk_close(sealed_chunk *chunk);

/* Forget the content, keep the memory. */
void sealed_chunk_clear(sealed_chunk *chunk);

/* The chunk's channels as a bitmap, bit (id % 8) of byte (id / 8), no zero byte at the end: what
 * the catalog keeps. Appended to out. */
void sealed_chunk_bitmap(const sealed_chunk *chunk, td_buf *out);

/* The chunk's next event, in their order; *at is 0 at first. 0: there are no more. */
int sealed_chunk_event(const sealed_chunk *chunk, size_t *at, uint64_t *recv_ns, td_bytes *text);

#endif
