/* The records of chunks, from any compression that a chunk may have. */
#ifndef TD_FORMAT_CHUNK_CODEC_H
#define TD_FORMAT_CHUNK_CODEC_H

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "format/mcap.h"

/* The compression's name in Chunk records: of a recorder's chunks, and of packed ones
 * (pack/pack.h). */
#define CHUNK_ZSTD   "zstd"
#define CHUNK_PACKED "tapedeck"

/* The form of a segment's chunks. */
typedef enum chunk_form {
    CHUNKS_RECORDED,    /* zstd, each with its message indexes: other MCAP readers read them */
    CHUNKS_PACKED_FAST, /* packed (pack/pack.h) */
    CHUNKS_PACKED_BEST, /* packed, as small as possible; takes some ten times as long */
} chunk_form;

/* "" (recorded), "fast", "best"; of a value that a later version wrote, CHUNKS_PACKED_FAST. */
const char *chunk_form_name(chunk_form form);
chunk_form chunk_form_of(td_bytes name);

/* Decompress a chunk's records to out, replacing its content, and check their CRC. out gets a
 * capacity of padding_bytes more. Also accepts stored records (empty compression name), for
 * fuzzing. TD_OK; TD_E_CORRUPT, also for a chunk without CRC, with another compression, or of more
 * than LIMIT_CHUNK_BYTES. */
TD_MUST_USE td_result chunk_decompress(codec *coder, const mcap_chunk *chunk, size_t padding_bytes,
                                       td_buf *out, td_err *err);

/* As chunk_decompress, but a chunk that claims to be much larger than usual is first decompressed
 * piece by piece and rejected (TD_E_CORRUPT) at a record longer than a message of
 * LIMIT_FRAME_BYTES, so that a small file cannot force a large decompression for every chunk. */
TD_MUST_USE td_result chunk_decompress_records(codec *coder, const mcap_chunk *chunk,
                                               size_t padding_bytes, td_buf *out, td_err *err);

#endif
