/* Compression of chunks: none, zstd, and lz4, which other programs write and this one reads only.
 * The only place that includes zstd.h and lz4frame.h. A codec belongs to one thread; contexts are
 * kept. */
#ifndef TD_FORMAT_CODEC_H
#define TD_FORMAT_CODEC_H

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "format/mcap.h"

typedef enum codec_kind { CODEC_NONE, CODEC_ZSTD, CODEC_LZ4 } codec_kind;

typedef struct codec codec;

/* Contexts are made at first use. */
codec *codec_open(void);
void codec_close(codec *coder);

/* The compression that a chunk names. TD_OK; TD_E_UNSUPPORTED, with the name in err. */
TD_MUST_USE td_result codec_find(td_bytes name, codec_kind *out, td_err *err);

/* "", "zstd" or "lz4". */
const char *codec_name(codec_kind kind);

/* Most bytes that compressing size bytes with zstd can give. */
size_t codec_bound(size_t size);

/* Compress in with zstd into out (out_capacity >= codec_bound). level: negative = fast. Returns the
 * size. */
size_t codec_compress(codec *coder, int level, td_bytes in, uint8_t *out, size_t out_capacity);

/* Decompress in into exactly out_bytes at out. TD_OK; TD_E_CORRUPT if it is not just that. */
TD_MUST_USE td_result codec_decompress(codec *coder, codec_kind kind, td_bytes in, uint8_t *out,
                                       size_t out_bytes, td_err *err);

/* The records of a chunk into out, whose earlier content goes and which keeps padding_bytes more
 * after them; compared with the chunk's CRC unless that is 0, which means absent.
 * TD_OK; TD_E_CORRUPT; TD_E_LIMIT: more than LIMIT_CHUNK_BYTES; TD_E_UNSUPPORTED: the compression.
 */
TD_MUST_USE td_result codec_unpack(codec *coder, const mcap_chunk *chunk, size_t padding_bytes,
                                   td_buf *out, td_err *err);

#endif
