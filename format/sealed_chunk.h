/* A chunk ready to be written: a Chunk record and its Message Index records, which do not depend on
 * their position in the file, and the values that summary, catalog and chain record need. Plain
 * data, which may move to another thread as a whole. */
#ifndef TD_FORMAT_SEALED_CHUNK_H
#define TD_FORMAT_SEALED_CHUNK_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "format/chain.h"
#include "format/segment_channel.h"

/* One channel of a sealed chunk; the message indexes hold the same facts. */
typedef struct sealed_channel {
    uint16_t id;            /* of the channel in the segment, from 1 */
    uint64_t message_count; /* > 0 */
    uint64_t first_ns, last_ns;
    uint64_t index_offset; /* of its Message Index record, from the end of the Chunk record; of a
                              packed chunk, 0: that of the Chunk Channels record */
} sealed_channel;
int sealed_channel_by_id(const void *a, const void *b); /* comparison for qsort() */

/* A chunk ready to be written. chunk_packer_pack fills only the members up to channel_count;
 * chunk_builder_seal fills all members. Read-only afterwards, except that segment_writer appends
 * the chain record to bytes. Reuse a few of these objects: clearing one keeps its memory. */
typedef struct sealed_chunk {
    td_buf bytes; /* Chunk record, then its Message Index records, or its Chunk Channels record */
    const char *compression; /* of the Chunk record: CHUNK_ZSTD or CHUNK_PACKED (chunk_codec.h) */
    uint64_t chunk_bytes;    /* size of the Chunk record */
    uint64_t index_bytes;    /* size of the records after it */
    uint64_t compressed_bytes, uncompressed_bytes;
    uint64_t first_ns, last_ns; /* lowest and highest log time; 0 without messages */
    uint64_t message_count;     /* frames and events */
    sealed_channel *channels;   /* by increasing id */
    uint32_t channel_count;
    /* set by chunk_builder_seal */
    uint64_t frame_count;      /* frames, without events */
    uint64_t segment_first_ns; /* recv_ns of the segment's first message, for its name */
    uint32_t segment_number;   /* 1, 2 … over the builder's life */
    uint8_t starts_segment;    /* 1: the segment's first chunk */
    /* Channels that no earlier chunk of the segment has, by increasing id; without counts. */
    segment_channel *new_channels;
    uint32_t new_channel_count;
    td_buf channel_records; /* Channel records of the new channels, for the summary */
    uint32_t channel_record_count;
    td_buf events;       /* read by sealed_chunk_event */
    td_buf checkpoint;   /* record to write before the chunk, set after sealing; may be empty */
    chain_totals totals; /* after this chunk */
    chain_conn *conns;   /* open connections, and closed ones with frames in this chunk */
    uint32_t conn_count;
    /* allocated sizes */
    size_t channel_capacity, new_channel_capacity, conn_capacity;
} sealed_chunk;

/* Allocate an empty sealed chunk; free one (NULL is fine). */
sealed_chunk *sealed_chunk_open(void);
void sealed_chunk_close(sealed_chunk *chunk);

/* Clear the content, keep the memory. */
void sealed_chunk_clear(sealed_chunk *chunk);

/* Append the chunk's channels to out as a bitmap for the catalog: bit (id % 8) of byte (id / 8), no
 * zero byte at the end. */
void sealed_chunk_bitmap(const sealed_chunk *chunk, td_buf *out);

/* Get the chunk's next event; *at is 0 at first. 1, or 0 after the last one. */
int sealed_chunk_event(const sealed_chunk *chunk, size_t *at, uint64_t *recv_ns, td_bytes *text);

#endif
