/* Compression of chunks with zstd. Only this module includes zstd.h. A codec belongs to one thread
 * and reuses its zstd contexts. */
#ifndef TD_FORMAT_CODEC_H
#define TD_FORMAT_CODEC_H

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "format/mcap.h"

/* The compression's name in Chunk records. */
#define CODEC_NAME "zstd"

typedef struct codec codec;

/* zstd contexts are created at first use. */
codec *codec_open(void);
void codec_close(codec *coder);

/* Maximum compressed size of size bytes. */
size_t codec_bound(size_t size);

/* Compress `in` to `out` (out_capacity >= codec_bound); negative levels are faster. Returns the
 * compressed size. */
size_t codec_compress(codec *coder, int level, td_bytes in, uint8_t *out, size_t out_capacity);

/* Decompress a chunk's records to out, replacing its content, and check their CRC. out gets a
 * capacity of padding_bytes more. Also accepts stored records (empty compression name), for
 * fuzzing. TD_OK; TD_E_CORRUPT, also for a chunk without CRC, with another compression, or of more
 * than LIMIT_CHUNK_BYTES. */
TD_MUST_USE td_result codec_decompress(codec *coder, const mcap_chunk *chunk, size_t padding_bytes,
                                       td_buf *out, td_err *err);

/* As codec_decompress, but a chunk that claims to be much larger than usual is first decompressed
 * piece by piece and rejected (TD_E_CORRUPT) at a record longer than a message of
 * LIMIT_FRAME_BYTES, so that a small file cannot force a large decompression for every chunk. */
TD_MUST_USE td_result codec_decompress_records(codec *coder, const mcap_chunk *chunk,
                                               size_t padding_bytes, td_buf *out, td_err *err);

#endif
