/* Reads the content of frames, once, on any of the tape's threads. One thread per reader. */
#ifndef TD_TAPE_CONTENT_H
#define TD_TAPE_CONTENT_H

#include "base/arena.h"
#include "base/attr.h"
#include "tape/decoding.h"

typedef struct content_reader content_reader;

/* Closing NULL is allowed. */
TD_NEVER_NULL content_reader *content_reader_open(tape_reads reads);
void content_reader_close(content_reader *reader);

/* Slow path of content_row, for a row that is valid only at some times. */
const topic_row *content_dated_row(content_reader *reader, const frame_channel *channel,
                                   uint64_t recv_ns);

/* The row of the schema for a channel's frames at a time, or NULL. If no row is valid at that time,
 * the topic's frames are read by its usual row. */
static inline const topic_row *content_row(content_reader *reader, const frame_channel *channel,
                                           uint64_t recv_ns)
{
    const topic_row *row = channel->topic.row;
    if (row == NULL || channel->role != ROLE_DATA)
        return NULL;
    return TD_LIKELY(!topic_row_is_dated(row)) ? row : content_dated_row(reader, channel, recv_ns);
}

/* Set the frame's content, from the frame's channel, row, recv_ns and bytes. DECODE_PADDING_BYTES
 * must follow the bytes in memory. The content is valid until the next call and while the bytes are
 * valid. Sets nothing if the reader reads no content, or no content of such channels. */
void content_read(content_reader *reader, frame_ref *frame);

/* Keep the content that content_read() set for as long as the arena and the frame's bytes live. */
void content_keep(frame_ref *frame, td_arena *arena);

/* Classify a frame of a channel, whatever the reader reads. If this version does not know the
 * family, a received frame is CLASS_UNKNOWN, and a frame that the client sent CLASS_REQUEST. Valid
 * until the next call and while the bytes are valid. */
const classification *content_classify(content_reader *reader, const frame_channel *channel,
                                       uint64_t recv_ns, td_bytes bytes);

/* 1 if frames of the channel are decoded by a decoder that replaces the built-in one. */
int content_has_decoder(const content_reader *reader, const frame_channel *channel);

/* Decode frames of channels for which content_has_decoder returns 1; the contents live as long as
 * the arena and the frames' bytes. The reader also classifies the frames that content_read() would
 * classify. Returns the result of decoding. */
TD_MUST_USE td_result content_decode(content_reader *reader, const tape_decoding *decoding,
                                     frame_ref *const *frames, size_t count, td_arena *arena,
                                     td_err *err);

/* Number of frames that this reader has read. */
uint64_t content_count(const content_reader *reader);

/* Readers for workers: one for each that reads at the same time. Any thread. */
typedef struct content_pool content_pool;

/* Close after all readers were given back. */
TD_NEVER_NULL content_pool *content_pool_open(tape_reads reads);
void content_pool_close(content_pool *pool);

/* Get a reader for the caller alone, to be given back. */
TD_NEVER_NULL content_reader *content_pool_take(content_pool *pool);
void content_pool_give(content_pool *pool, content_reader *reader);

/* Number of frames that readers had read when they were given back. */
uint64_t content_pool_count(content_pool *pool);

#endif
