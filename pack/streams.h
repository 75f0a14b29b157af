/* The byte streams of a packed chunk (format/PACK.md, "Streams"). A writer fills many streams;
 * the streams of one group are compressed together, because they resemble each other, or are too
 * short to be compressed alone. A reader hands them out again, in the same order, and never returns
 * bytes beyond a stream's end. One thread. */
#ifndef TD_PACK_STREAMS_H
#define TD_PACK_STREAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/codec.h"

/* Limit of all streams together, before compression. */
#define PACK_STREAMS_BYTES_MAX ((size_t)256 << 20)

/* So many bytes after any place of a stream that is read may be read, too. */
enum { STREAM_PADDING_BYTES = 32 };

typedef enum stream_group {
    GROUP_SHORT,  /* streams of any kind that are short */
    GROUP_TEXT,   /* payloads without a template */
    GROUP_STRING, /* strings of columns */
    GROUP_OWN,    /* a long stream, compressed alone */
    GROUP_COUNT,
} stream_group;

/* ---- writing ---- */

typedef struct out_stream {
    uint8_t *data;
    size_t size, capacity;
} out_stream;

enum { NUMBER_BYTES_MAX = 10 }; /* of out_stream_number */

/* Make space for further bytes, and return where they begin. */
uint8_t *out_stream_reserve(out_stream *self, size_t size);

/* Append bytes; a byte; a number with 7 bits in a byte, the lowest ones first. */
void out_stream_add(out_stream *self, const void *bytes, size_t size);
void out_stream_byte(out_stream *self, uint8_t value);
void out_stream_number(out_stream *self, uint64_t value);
void out_stream_fini(out_stream *self);

/* Streams that are ready, in order. Zero-initialise. */
typedef struct stream_writer {
    out_stream *streams;
    uint8_t *groups; /* stream_group of each */
    size_t count;
    uint8_t is_full; /* 1: more streams were taken than a reader takes */
} stream_writer;

/* Take a stream over; *stream is empty afterwards. A short one joins GROUP_SHORT. */
void stream_writer_take(stream_writer *self, out_stream *stream, stream_group group);

/* Compress all streams with a level of zstd, and append them to out. TD_E_LIMIT: out is full, or
 * there are too many. */
TD_MUST_USE td_result stream_writer_finish(stream_writer *self, codec *coder, int level,
                                           td_buf *out, td_err *err);
void stream_writer_fini(stream_writer *self);

/* ---- reading ---- */

typedef struct in_stream {
    const uint8_t *next, *end;
    uint8_t is_short; /* 1: a read went beyond the end, and returned 0 */
} in_stream;

static inline uint8_t in_stream_byte(in_stream *self)
{
    if (self->next == self->end) {
        self->is_short = 1;
        return 0;
    }
    return *self->next++;
}

/* A number of out_stream_number; of more than 64 bits: is_short. */
uint64_t in_stream_number(in_stream *self);

/* The next bytes; fewer if the stream ends before. */
td_bytes in_stream_bytes(in_stream *self, uint64_t size);

typedef struct stream_reader {
    td_buf bytes; /* of all streams */
    in_stream *streams;
    size_t count, next;
    uint8_t is_short; /* 1: more streams were taken than there are */
} stream_reader;

/* Read what stream_writer_finish wrote. TD_E_CORRUPT. Call stream_reader_fini also after a failure.
 */
TD_MUST_USE td_result stream_reader_open(stream_reader *self, codec *coder, td_bytes packed,
                                         td_err *err);
void stream_reader_fini(stream_reader *self);

/* The next streams, which are the reader's own; NULL, and is_short: there are fewer. The last one
 * that was written. */
in_stream *stream_reader_take(stream_reader *self, size_t count);
in_stream stream_reader_last(const stream_reader *self);

#endif
