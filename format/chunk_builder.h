/* Builds sealed chunks from frames, on the encoder thread, without file I/O.
 *
 * A sealed chunk does not depend on its file position: it is a Chunk record, its Message Index
 * records, and the values that the catalog and the chain record need. The disk thread passes it to
 * segment_writer. The builder also decides where segments begin, because channel ids belong to a
 * segment. A segment begins with the first frame of another UTC hour, or when the previous segment
 * is full (bytes, chunks, summary).
 *
 * For each frame:
 *     if (chunk_builder_wants_seal(b, recv_ns)) seal, pass the chunk on;
 *     if (chunk_builder_starts_segment(b, recv_ns)) append the `segment` event first;
 *     chunk_builder_append(b, &frame, err);
 * The caller also seals by a timer, so that frames do not wait too long. chunk_builder_append
 * allocates only for the first frame of a channel in a segment. One thread. */
#ifndef TD_FORMAT_CHUNK_BUILDER_H
#define TD_FORMAT_CHUNK_BUILDER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "format/chunk_packer.h"
#include "format/segment_channel.h"

typedef struct chunk_builder chunk_builder;

/* A member of 0 selects the default, which its comment names. */
typedef struct chunk_builder_options {
    int level;            /* zstd level; negative levels are faster */
    size_t target_bytes;  /* a chunk is sealed at this size; LIMIT_CHUNK_TARGET_BYTES */
    uint64_t interval_ns; /* a chunk is sealed this long after its first frame; 0 = by size only */
    uint64_t segment_bytes_max;  /* LIMIT_SEGMENT_BYTES */
    uint32_t segment_chunks_max; /* LIMIT_SEGMENT_CHUNKS */
    uint64_t segment_index_max; /* sum of the chunks' channel counts; LIMIT_SEGMENT_INDEX_ENTRIES */
    uint32_t segment_channels_max; /* LIMIT_SEGMENT_CHANNELS */
    uint32_t segment_count;        /* segments before the first one that is built */
    uint8_t spans_hours; /* 1: a segment may span hours, for a file outside of an archive */
} chunk_builder_options;

/* A frame of a feed, from its connection to its chunk. Events (CHANNEL_EVENT) and HTTP answers have
 * conn 0 and ordinal 0. The builder uses dir, slot, opcode and form of info. */
typedef struct feed_frame {
    uint32_t line, shard; /* the slot; each below LIMIT_FEED_SLOTS */
    uint32_t conn;        /* number of the slot's connection, from 1, never decreasing */
    channel_dir dir;
    channel_opcode opcode;
    uint32_t form;    /* FORM_* */
    uint64_t ordinal; /* number on its connection and direction, from 1, increasing; missing numbers
                         = dropped frames */
    uint64_t recv_ns; /* strictly increasing over a builder's frames; an event may repeat the last
                         time */
    uint64_t publish_ns;   /* exchange time, or recv_ns if absent */
    uint64_t complete_ns;  /* everything that the peer sent on the connection before this time has
                              been received; 0: unknown */
    td_bytes bytes;        /* borrowed for the call; at most LIMIT_FRAME_BYTES */
    const char *http_name; /* CHANNEL_HTTP: name of the reply, characters as in feed_name_char
                              (format/segment_name.h), at most LIMIT_NAME_BYTES with its NUL;
                              FORM_FETCHED: the topic, as the exchange writes it */
    /* channel: the caller's number of the channel, below LIMIT_SEGMENT_CHANNELS and unique in the
     * segment. info: the channel's description, which is read when the number is new in the
     * segment; borrowed until the segment's last chunk is sealed. */
    uint32_t channel;
    const channel_info *info;
} feed_frame;

/* Open a builder; options NULL = all defaults. Options may only lower the limits. */
chunk_builder *chunk_builder_open(const chunk_builder_options *options);
void chunk_builder_close(chunk_builder *builder);

/* Set the zstd level of later seals. */
void chunk_builder_set_level(chunk_builder *builder, int level);

/* 1 if the pending messages must be sealed before a message received at recv_ns is appended. */
int chunk_builder_wants_seal(const chunk_builder *builder, uint64_t recv_ns);

/* 1 if a message received at recv_ns would begin a segment (then nothing is pending). */
int chunk_builder_starts_segment(const chunk_builder *builder, uint64_t recv_ns);

/* Append a frame. TD_OK; TD_E_LIMIT: the frame is too large, the segment has no channel id left, or
 * the pending messages must be sealed first; TD_E_INVALID: time, connection or ordinal decreased, a
 * channel's name is too long, or its feed or topic is empty. On failure nothing is changed. A
 * quarter of the ids is reserved for CHANNEL_TOPIC_*; a channel_router never needs more ids of
 * either kind. */
TD_MUST_USE td_result chunk_builder_append(chunk_builder *builder, const feed_frame *frame,
                                           td_err *err);

/* Set a connection's ordinals so far, which must not decrease. Call it when the connection opened,
 * and when overload dropped frames that have ordinals. The next chain record lists the connection.
 * TD_OK, TD_E_INVALID, TD_E_LIMIT (too many connections since the last seal). */
TD_MUST_USE td_result chunk_builder_note_ordinals(chunk_builder *builder, uint32_t line,
                                                  uint32_t shard, uint32_t conn, uint64_t in,
                                                  uint64_t out, td_err *err);

/* Note that the slot's connection closed: chain records after the next one omit it. complete_ns:
 * see feed_frame. */
void chunk_builder_note_closed(chunk_builder *builder, uint32_t line, uint32_t shard,
                               uint64_t complete_ns);

/* Let the next message begin a new segment. */
void chunk_builder_end_segment(chunk_builder *builder);

/* Number of pending messages. */
uint64_t chunk_builder_pending_count(const chunk_builder *builder);

/* Make a chunk of the pending messages, replacing out's content. 1, or 0 if nothing is pending. */
int chunk_builder_seal(chunk_builder *builder, sealed_chunk *out);

#endif
