/* What one segment holds, without its frames: its session, its channels, its chunks. The catalog
 * keeps it, reindex makes it from the segment, verify compares the two, and a plan is made from
 * either. */
#ifndef TD_FORMAT_SEGMENT_INDEX_H
#define TD_FORMAT_SEGMENT_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "format/checkpoint.h"
#include "format/chunk_builder.h"
#include "format/segment_name.h"

/* How much of the segment was read to make the index. */
typedef enum index_depth {
    INDEX_SUMMARY, /* chunks with channels and times; no counts per channel beyond the totals */
    INDEX_FULL,    /* message indexes too: counts and times of each channel */
} index_depth;

/* A chunk. */
typedef struct segment_chunk {
    uint64_t offset;             /* of the Chunk record in the file */
    uint64_t chunk_bytes;        /* the whole record, opcode and length included */
    uint64_t index_bytes;        /* of the Message Index records after it */
    uint64_t uncompressed_bytes; /* of its records */
    uint64_t first_ns;           /* least and greatest recv_ns */
    uint64_t last_ns;
    uint64_t message_count; /* all channels, events included */
    uint32_t bitmap_offset; /* into the bitmaps of index or reader */
    uint32_t bitmap_bytes;  /* bit (id % 8) of byte (id / 8): the chunk has frames of channel id;
                             * no zero byte at the end */
} segment_chunk;

typedef struct segment_index {
    char *path;      /* below the archive, with ".open" where it has it */
    uint8_t is_open; /* 1: no summary; chunks as far as the chain proves them */
    index_depth depth;
    char session[SESSION_ID_BYTES]; /* "" if neither session record nor name has it */
    uint64_t session_start_ns;
    char feed[LIMIT_NAME_BYTES];
    char family[LIMIT_NAME_BYTES];
    char verb[LIMIT_NAME_BYTES];
    char version[LIMIT_NAME_BYTES];
    uint32_t number;            /* within session and feed, from the name; 0 if it has none */
    char *previous_segment;     /* file name of the feed's segment before, "" if it is the first */
    td_hash128 previous_chain;  /* its last value; all zero if this is the first, or unknown: a
                                 * catalog does not keep it */
    char chain_hex[33];         /* last value of the chain; "" if absent */
    uint64_t file_bytes;        /* an open one: up to its last chain record */
    uint64_t message_count;     /* all channels */
    uint64_t first_ns, last_ns; /* over all messages; 0 if there are none */
    /* By id. INDEX_SUMMARY: each has the segment's times. */
    segment_channel *channels;
    size_t channel_count;
    segment_chunk *chunks; /* in file order */
    size_t chunk_count;
    uint8_t *bitmaps;
    size_t bitmap_bytes, bitmap_capacity;
    segment_checkpoint *checkpoints; /* in file order */
    size_t checkpoint_count;
} segment_index;

/* To build an index: add a channel (ids rising; its strings are copied) or a chunk with its
 * bitmap (TD_E_LIMIT: bitmaps of 256 MiB). */
void segment_index_add_channel(segment_index *index, const segment_channel *channel);
TD_MUST_USE td_result segment_index_add_chunk(segment_index *index, const segment_chunk *chunk,
                                              td_bytes bitmap, td_err *err);

void segment_index_add_checkpoint(segment_index *index, const segment_checkpoint *checkpoint);

/* Add a chunk's counts and times to its channels (INDEX_FULL). */
void segment_index_count(segment_index *index, const sealed_channel *channels, size_t count);

/* Free channels, chunks and checkpoints; the rest stays. */
void segment_index_drop_lists(segment_index *index);

/* Free what the index owns; it is empty then. */
void segment_index_fini(segment_index *index);

/* 1 if the segment has messages of channels that are not known: what defines them was damaged. */
int segment_index_has_unknown(const segment_index *index);

/* Take the chunks of another index of the same segment, which is freed. */
void segment_index_take_chunks(segment_index *index, segment_index *from);

#endif
