/* Content of frames: read once, on whichever of the tape's threads. One thread per reader. */
#ifndef TD_TAPE_CONTENT_H
#define TD_TAPE_CONTENT_H

#include "base/arena.h"
#include "base/attr.h"
#include "tape/decoding.h"

typedef struct content_reader content_reader;

TD_NEVER_NULL content_reader *content_reader_open(tape_reads reads);
void content_reader_close(content_reader *reader);

/* The slow path of content_row: the channel's row is about frames of some time only. */
const topic_row *content_dated_row(content_reader *reader, const frame_channel *channel,
                                   uint64_t recv_ns);

/* The row that a channel's frames have at a time; NULL: none. A topic of which none holds then is
 * read as before. */
static inline const topic_row *content_row(content_reader *reader, const frame_channel *channel,
                                           uint64_t recv_ns)
{
    const topic_row *row = channel->topic.row;
    if (row == NULL || channel->role != ROLE_DATA)
        return NULL;
    return TD_LIKELY(!topic_row_is_dated(row)) ? row : content_dated_row(reader, channel, recv_ns);
}

/* Set the frame's content, by its channel, row, recv_ns and bytes, which have DECODE_PADDING_BYTES
 * after them. Valid until the next call and while the bytes are. Nothing is set if the reader reads
 * nothing, or nothing of such a channel. */
void content_read(content_reader *reader, frame_ref *frame);

/* Keep what content_read() set for as long as the arena and the frame's bytes are there. */
void content_keep(frame_ref *frame, td_arena *arena);

/* What a frame that came in on a channel is, whatever the reader reads; of a family that this
 * version does not know, unknown. Valid until the next call and while the bytes are. */
const classification *content_classify(content_reader *reader, const frame_channel *channel,
                                       uint64_t recv_ns, td_bytes bytes);

/* 1 if a decoder in place of the built-in one is asked about frames of the channel. */
int content_has_decoder(const content_reader *reader, const frame_channel *channel);

/* Ask decoding for the contents of frames of such channels, as long as the arena and the frames'
 * bytes are there. What is no message is classified by the reader where content_read() does so.
 * Returns what decoding returns. */
TD_MUST_USE td_result content_decode(content_reader *reader, const tape_decoding *decoding,
                                     frame_ref *const *frames, size_t count, td_arena *arena,
                                     td_err *err);

/* How many frames this reader has read so far. */
uint64_t content_count(const content_reader *reader);

/* Readers for workers: as many as there are workers at one moment. Any thread. */
typedef struct content_pool content_pool;

/* Close when all are given back. */
TD_NEVER_NULL content_pool *content_pool_open(tape_reads reads);
void content_pool_close(content_pool *pool);

/* A private reader. Give it back afterwards. */
TD_NEVER_NULL content_reader *content_pool_take(content_pool *pool);
void content_pool_give(content_pool *pool, content_reader *reader);

/* How many frames the readers that are given back have read. */
uint64_t content_pool_count(content_pool *pool);

#endif
