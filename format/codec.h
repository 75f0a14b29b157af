/* Compression of chunks with zstd. The only place that includes zstd.h. A codec belongs to one
 * thread; contexts are kept. */
#ifndef TD_FORMAT_CODEC_H
#define TD_FORMAT_CODEC_H

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "format/mcap.h"

/* Its name in Chunk records. */
#define CODEC_NAME "zstd"

typedef struct codec codec;

/* Contexts are made at first use. */
codec *codec_open(void);
void codec_close(codec *coder);

/* Most bytes that compressing size bytes can give. */
size_t codec_bound(size_t size);

/* Compress in into out (out_capacity >= codec_bound). level: negative = fast. Returns the
 * size. */
size_t codec_compress(codec *coder, int level, td_bytes in, uint8_t *out, size_t out_capacity);

/* The records of a chunk into out, whose earlier content goes and which keeps padding_bytes more
 * after them; compared with the chunk's CRC. Fuzzing also needs stored
 * records, with an empty compression. TD_OK; TD_E_CORRUPT, also for a chunk without CRC, of
 * another compression, or of more than LIMIT_CHUNK_BYTES. */
TD_MUST_USE td_result codec_decompress(codec *coder, const mcap_chunk *chunk, size_t padding_bytes,
                                       td_buf *out, td_err *err);

/* As codec_decompress, for the records of a chunk. A chunk that claims to be much larger than a
 * writer's usual one is looked at first, a piece at a time: TD_E_CORRUPT at a record that is longer
 * than a message of LIMIT_FRAME_BYTES, so that a small file cannot cost a large decompression for
 * every chunk. */
TD_MUST_USE td_result codec_decompress_records(codec *coder, const mcap_chunk *chunk,
                                               size_t padding_bytes, td_buf *out, td_err *err);

#endif
