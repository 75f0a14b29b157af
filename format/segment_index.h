/* The description of one segment without its frames: session, channels, chunks. The catalog stores
 * it, `reindex` rebuilds it from the segment, `verify` compares the two, and read plans are made
 * from it. */
#ifndef TD_FORMAT_SEGMENT_INDEX_H
#define TD_FORMAT_SEGMENT_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "format/checkpoint.h"
#include "format/chunk_builder.h"
#include "format/chunk_codec.h"
#include "format/segment_name.h"

/* How much of the segment was read for the index. */
typedef enum index_depth {
    INDEX_SUMMARY, /* chunks with channels and times; totals per channel */
    INDEX_FULL,    /* message indexes too: counts and times per channel */
} index_depth;

/* One chunk. */
typedef struct segment_chunk {
    uint64_t offset;             /* of the Chunk record in the file */
    uint64_t chunk_bytes;        /* the whole record, opcode and length included */
    uint64_t index_bytes;        /* size of the Message Index records after it */
    uint64_t uncompressed_bytes; /* size of its records */
    uint64_t first_ns;           /* lowest and highest recv_ns */
    uint64_t last_ns;
    uint64_t message_count; /* on all channels, events included */
    uint32_t bitmap_offset; /* in segment_index.bitmaps */
    uint32_t bitmap_bytes;  /* bit (id % 8) of byte (id / 8): the chunk has messages of channel id;
                               no zero byte at the end */
} segment_chunk;

typedef struct segment_index {
    char *path;      /* relative to the archive, with ".open" if unfinished */
    uint8_t is_open; /* 1: no summary; only the chunks that the chain proves */
    index_depth depth;
    char session[SESSION_ID_BYTES]; /* "" if absent from session record and name */
    uint64_t session_start_ns;
    char feed[LIMIT_NAME_BYTES];
    char family[LIMIT_NAME_BYTES];
    char verb[LIMIT_NAME_BYTES];
    char version[LIMIT_NAME_BYTES];
    uint32_t number;        /* within session and feed, from the file name; 0 if absent */
    char *previous_segment; /* file name of the feed's previous segment; "" if this is the first */
    td_hash128 previous_chain; /* last value of the previous segment; all zero if this is the first
                                  or if unknown (a catalog does not store it) */
    char chain_hex[33];        /* last chain value; "" if absent */
    td_hash128 source_chain; /* as in segment_session; a catalog does not store it, nor the form */
    chunk_form form;
    uint64_t file_bytes;        /* of an open file only up to its last chain record */
    uint64_t message_count;     /* on all channels */
    uint64_t first_ns, last_ns; /* of all messages; 0 without messages */
    /* Sorted by id. With INDEX_SUMMARY each channel has the segment's times. */
    segment_channel *channels;
    size_t channel_count;
    segment_chunk *chunks; /* in file order */
    size_t chunk_count;
    uint8_t *bitmaps;
    size_t bitmap_bytes, bitmap_capacity;
    segment_checkpoint *checkpoints; /* in file order */
    size_t checkpoint_count;
} segment_index;

/* Add a channel, a chunk with its bitmap, or a checkpoint. Channels are added by increasing id, and
 * their strings are copied. TD_E_LIMIT: more than 256 MiB of bitmaps. */
void segment_index_add_channel(segment_index *index, const segment_channel *channel);
TD_MUST_USE td_result segment_index_add_chunk(segment_index *index, const segment_chunk *chunk,
                                              td_bytes bitmap, td_err *err);
void segment_index_add_checkpoint(segment_index *index, const segment_checkpoint *checkpoint);

/* Add a chunk's counts and times to the index's channels. Only for an index of depth INDEX_FULL. */
void segment_index_count(segment_index *index, const sealed_channel *channels, size_t count);

/* Receive times of a channel's first and last message; of its segment, if the index lacks them. */
static inline uint64_t segment_index_first_ns(const segment_index *index,
                                              const segment_channel *channel)
{
    return channel->first_ns != 0 ? channel->first_ns : index->first_ns;
}
static inline uint64_t segment_index_last_ns(const segment_index *index,
                                             const segment_channel *channel)
{
    return channel->last_ns != 0 ? channel->last_ns : index->last_ns;
}

/* Free channels, chunks and checkpoints; keep the rest. */
void segment_index_drop_lists(segment_index *index);

/* Free all members; the index is empty afterwards. */
void segment_index_fini(segment_index *index);

/* 1 if the segment has messages of undefined channels: the channels' definitions were damaged. */
int segment_index_has_unknown(const segment_index *index);

/* Move the chunks of `from`, an index of the same segment, to index; frees from. */
void segment_index_take_chunks(segment_index *index, segment_index *from);

#endif
