/* The frames that determine a ticker's present values on a connection: the snapshot, and each delta
 * since then that has a field which no later delta has. These frames alone are enough to read the
 * ticker, or to make a snapshot of it. They are merged only when needed.
 *
 * All fields that the schema row does not name count as one field. One thread. */
#ifndef TD_BOOK_TICKER_FRAMES_H
#define TD_BOOK_TICKER_FRAMES_H

#include "book/state_io.h"
#include "schema/frame.h"

typedef struct ticker_frame {
    uint64_t recv_ns;
    uint64_t fields; /* msg_item.fields; 0: unknown */
    size_t offset, size;
} ticker_frame;

/* Callers may read all members, and set since_ns and is_whole. */
typedef struct ticker_frames {
    const topic_row *row;
    uint64_t since_ns;    /* frames before this time may be missing */
    uint8_t is_whole;     /* 0: frames are missing, and no frame is added before the next
                             snapshot */
    ticker_frame *frames; /* by time; begins with the snapshot, if there was one */
    size_t count;
    size_t drop_at; /* count at which replaced frames are dropped */
    td_buf bytes;   /* of the frames, by offset; DECODE_PADDING_BYTES are allocated after the last
                       one */
} ticker_frames;

/* 1 if the topic is a ticker with a state. */
int ticker_frames_fit(const topic_row *row);

/* Open an object without frames, in which no frame is missing. Closing NULL is allowed. */
TD_NEVER_NULL ticker_frames *ticker_frames_open(const topic_row *row);
void ticker_frames_close(ticker_frames *frames);

/* Forget all frames, because another connection begins. */
void ticker_frames_reset(ticker_frames *frames);

/* Add a decoded frame. If more than LIMIT_TICKER_BYTES are needed, is_whole becomes 0. */
void ticker_frames_add(ticker_frames *frames, const frame_ref *frame, int is_snapshot);

/* A frame's bytes; valid until the frames change. */
td_bytes ticker_frames_bytes_at(const ticker_frames *frames, size_t index);

/* Memory of the frames, in bytes. */
size_t ticker_frames_memory(const ticker_frames *frames);

/* Save, or load into a new object. */
void ticker_frames_serialize(ticker_frames *frames, state_io *io);

#endif
