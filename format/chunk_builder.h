/* From frames to sealed chunks, on the encoder thread; no file is touched here.
 *
 * A sealed chunk is position independent: a Chunk record, its Message Index records, and all that
 * the catalog and the chain record have of it. The disk thread passes it to
 * segment_writer. Segments are cut here too, because channel ids belong to a segment: a new one
 * begins with the first frame of another UTC hour, or when the one before is full (bytes, chunks,
 * summary).
 *
 * Use, for each frame:
 *     if (chunk_builder_wants_seal(b, recv_ns)) seal, pass the chunk on;
 *     if (chunk_builder_starts_segment(b, recv_ns)) append the `segment` event first;
 *     chunk_builder_append(b, &frame, err);
 * and, by a timer of the caller's, seal what waits too long. chunk_builder_append allocates only
 * for the first frame of a channel in a segment. One thread. */
#ifndef TD_FORMAT_CHUNK_BUILDER_H
#define TD_FORMAT_CHUNK_BUILDER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "format/chunk_packer.h"
#include "format/segment_channel.h"

typedef struct chunk_builder chunk_builder;

/* Zero takes the default everywhere. */
typedef struct chunk_builder_options {
    int level;                  /* zstd level, negative = its fast ones */
    size_t target_bytes;        /* chunk closes at this size; LIMIT_CHUNK_TARGET_BYTES */
    uint64_t interval_ns;       /* chunk closes this long after its first frame; 0 = by size only */
    uint64_t segment_bytes_max; /* LIMIT_SEGMENT_BYTES */
    uint32_t segment_chunks_max;   /* LIMIT_SEGMENT_CHUNKS */
    uint64_t segment_index_max;    /* channels, summed over chunks; LIMIT_SEGMENT_INDEX_ENTRIES */
    uint32_t segment_channels_max; /* LIMIT_SEGMENT_CHANNELS */
    uint8_t spans_hours;           /* 1: an hour's end does not end a segment, for a file that is no
                                      part of an archive */
} chunk_builder_options;

/* A frame of a feed, from its connection to its chunk. Events (CHANNEL_EVENT) and HTTP answers have
 * conn 0 and ordinal 0. The builder takes dir, slot, opcode and form from the channel. */
typedef struct feed_frame {
    uint32_t line, shard; /* of its slot, below LIMIT_FEED_SLOTS each */
    uint32_t conn;        /* the slot's connection, from 1, never falling */
    channel_dir dir;
    channel_opcode opcode;
    uint32_t form;    /* FORM_* */
    uint64_t ordinal; /* on its connection and direction, from 1, rising; a hole = dropped frames */
    uint64_t recv_ns; /* rising over the frames of a builder; an event may repeat the time before */
    uint64_t publish_ns;   /* exchange time; recv_ns if absent */
    uint64_t complete_ns;  /* what the peer sent on the connection before has come; 0: not known */
    td_bytes bytes;        /* borrowed for the call; at most LIMIT_FRAME_BYTES */
    const char *http_name; /* CHANNEL_HTTP: name of the reply, of feed_name_char's characters
                              (format/segment_name.h), at most LIMIT_NAME_BYTES with its NUL */
    /* The caller's number of the channel, below LIMIT_SEGMENT_CHANNELS, one for each channel of the
     * segment; and what it is, looked at where the number is new in the segment. Borrowed until the
     * segment's last chunk is sealed. */
    uint32_t channel;
    const channel_info *info;
} feed_frame;

/* Open a builder; options NULL = all defaults. They may only lower the limits. */
chunk_builder *chunk_builder_open(const chunk_builder_options *options);
void chunk_builder_close(chunk_builder *builder);

/* Change the zstd level from the next seal on. */
void chunk_builder_set_level(chunk_builder *builder, int level);

/* 1 if what is pending must be sealed before a message of this time is appended. */
int chunk_builder_wants_seal(const chunk_builder *builder, uint64_t recv_ns);

/* 1 if a message of this time would be the first of a segment (nothing is pending, then). */
int chunk_builder_starts_segment(const chunk_builder *builder, uint64_t recv_ns);

/* Append a frame. TD_OK; TD_E_LIMIT: frame too large, or no channel id left in this segment (those
 * of CHANNEL_TOPIC_* have a quarter of the ids to themselves; a channel_router never requests more
 * of either), or it should have been sealed first; TD_E_INVALID: time, connection or ordinal fell,
 * or a channel's name is too long, or empty where it must not be. On failure nothing
 * changed. */
TD_MUST_USE td_result chunk_builder_append(chunk_builder *builder, const feed_frame *frame,
                                           td_err *err);

/* A connection opened, or frames were counted on it that are not written (dropped by overload): its
 * ordinals so far, none lower than known. Goes into the next chain record. TD_OK, TD_E_INVALID,
 * TD_E_LIMIT (too many connections since the last seal). */
TD_MUST_USE td_result chunk_builder_note_ordinals(chunk_builder *builder, uint32_t line,
                                                  uint32_t shard, uint32_t conn, uint64_t in,
                                                  uint64_t out, td_err *err);

/* The slot's connection is closed: chain records after the next one leave it out. complete_ns: as
 * feed_frame has it. */
void chunk_builder_note_closed(chunk_builder *builder, uint32_t line, uint32_t shard,
                               uint64_t complete_ns);

/* The next message starts a new segment, even if the rules would not cut there. */
void chunk_builder_end_segment(chunk_builder *builder);

/* Messages pending. */
uint64_t chunk_builder_pending_count(const chunk_builder *builder);

/* Make a chunk of the pending messages, replacing out's content. 0 if nothing is pending. */
int chunk_builder_seal(chunk_builder *builder, sealed_chunk *out);

#endif
