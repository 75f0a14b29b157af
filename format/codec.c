#include "format/codec.h"

#include <inttypes.h>
#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY /* declares the functions that take an allocator */
#include <zstd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

static const ZSTD_customMem MEMORY = {.customAlloc = td_alloc_hook, .customFree = td_free_hook};

struct codec {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
};

codec *codec_open(void)
{
    return td_alloc_zero(1, sizeof(codec));
}

void codec_close(codec *coder)
{
    if (coder == NULL)
        return;
    ZSTD_freeCCtx(coder->compressor);
    ZSTD_freeDCtx(coder->decompressor);
    td_free(coder);
}

size_t codec_bound(size_t size)
{
    return ZSTD_compressBound(size);
}

size_t codec_compress(codec *coder, int level, td_bytes in, uint8_t *out, size_t out_capacity)
{
    TD_ASSERT(out_capacity >= codec_bound(in.size));
    if (coder->compressor == NULL)
        coder->compressor = ZSTD_createCCtx_advanced(MEMORY);
    size_t got = ZSTD_compressCCtx(coder->compressor, out, out_capacity, in.data, in.size, level);
    TD_ASSERT(!ZSTD_isError(got)); /* can only fail without memory: out has space for the bound */
    return got;
}

td_result codec_decompress(codec *coder, const mcap_chunk *chunk, size_t padding_bytes, td_buf *out,
                           td_err *err)
{
    td_bytes in = chunk->records;
    td_buf_clear(out);
    int is_stored = in.size == chunk->uncompressed_bytes && chunk->compression.size == 0;
    if (!is_stored && !td_bytes_is(chunk->compression, CODEC_NAME))
        return td_err_set(err, TD_E_CORRUPT, "its compression is not " CODEC_NAME);
    if (chunk->uncompressed_bytes > LIMIT_CHUNK_BYTES)
        return td_err_set(err, TD_E_CORRUPT, "%" PRIu64 " bytes uncompressed: limit %zu",
                          chunk->uncompressed_bytes, LIMIT_CHUNK_BYTES);
    size_t size = (size_t)chunk->uncompressed_bytes;
    td_result rc = td_buf_reserve(out, size + padding_bytes, err);
    if (rc != TD_OK)
        return rc;
    if (coder->decompressor == NULL)
        coder->decompressor = ZSTD_createDCtx_advanced(MEMORY);
    size_t got = size;
    if (!is_stored)
        got = ZSTD_decompressDCtx(coder->decompressor, out->data, size, in.data, in.size);
    else if (size > 0)
        memcpy(out->data, in.data, size);
    if (ZSTD_isError(got))
        return td_err_set(err, TD_E_CORRUPT, "zstd, %zu bytes: %s", in.size,
                          ZSTD_getErrorName(got));
    if (got != size)
        return td_err_set(err, TD_E_CORRUPT, "zstd, %zu bytes: gave %zu bytes, %zu expected",
                          in.size, got, size);
    out->size = size;
    uint32_t crc = td_crc32(0, out->data, size);
    if (crc != chunk->uncompressed_crc)
        return td_err_set(err, TD_E_CORRUPT, "CRC of the records is %08x, %08x expected", crc,
                          chunk->uncompressed_crc);
    return TD_OK;
}

/* ---- large chunks ---- */

enum {
    USUAL_CHUNK_BYTES = 4 * (int)LIMIT_CHUNK_TARGET_BYTES,
    PIECE_BYTES = 64 << 10,
};
#define RECORD_BYTES_MAX ((uint64_t)LIMIT_FRAME_BYTES + MCAP_MESSAGE_FIELDS_BYTES)

/* Position in the records while pieces of them arrive. */
typedef struct record_walk {
    uint8_t prefix[MCAP_PREFIX_BYTES]; /* the part of the next record's prefix read so far */
    size_t prefix_bytes;
    uint64_t left; /* bytes of the current record's content still to come */
} record_walk;

static td_result walk_piece(record_walk *walk, td_bytes piece, td_err *err)
{
    while (piece.size > 0) {
        size_t used = piece.size;
        if (walk->left > 0) {
            used = walk->left < used ? (size_t)walk->left : used;
            walk->left -= used;
        } else {
            size_t missing = MCAP_PREFIX_BYTES - walk->prefix_bytes;
            used = missing < used ? missing : used;
            memcpy(walk->prefix + walk->prefix_bytes, piece.data, used);
            walk->prefix_bytes += used;
        }
        piece = td_bytes_of(piece.data + used, piece.size - used);
        if (walk->prefix_bytes < MCAP_PREFIX_BYTES)
            continue;
        walk->prefix_bytes = 0;
        walk->left = td_le64(walk->prefix + 1);
        if (walk->left > RECORD_BYTES_MAX)
            return td_err_set(err, TD_E_CORRUPT, "a record of %" PRIu64 " bytes: limit %" PRIu64,
                              walk->left, RECORD_BYTES_MAX);
    }
    return TD_OK;
}

/* Check the lengths of the records. codec_decompress reports data that cannot be decompressed. */
static td_result check_records(codec *coder, const mcap_chunk *chunk, td_err *err)
{
    uint8_t *piece = td_alloc(PIECE_BYTES);
    ZSTD_inBuffer in = {chunk->records.data, chunk->records.size, 0};
    record_walk walk = {.prefix_bytes = 0};
    td_result rc = TD_OK;
    size_t left = 1; /* of the zstd frame; 0 at its end */
    (void)ZSTD_DCtx_reset(coder->decompressor, ZSTD_reset_session_only); /* cannot fail */
    while (rc == TD_OK && left > 0 && !ZSTD_isError(left)) {
        ZSTD_outBuffer out = {piece, PIECE_BYTES, 0};
        size_t before = in.pos;
        left = ZSTD_decompressStream(coder->decompressor, &out, &in);
        rc = walk_piece(&walk, td_bytes_of(piece, out.pos), err);
        if (out.pos == 0 && in.pos == before)
            break; /* truncated */
    }
    (void)ZSTD_DCtx_reset(coder->decompressor, ZSTD_reset_session_only);
    td_free(piece);
    return rc;
}

td_result codec_decompress_records(codec *coder, const mcap_chunk *chunk, size_t padding_bytes,
                                   td_buf *out, td_err *err)
{
    td_result rc = TD_OK;
    if (chunk->uncompressed_bytes > USUAL_CHUNK_BYTES &&
        chunk->uncompressed_bytes <= LIMIT_CHUNK_BYTES &&
        td_bytes_is(chunk->compression, CODEC_NAME)) {
        if (coder->decompressor == NULL)
            coder->decompressor = ZSTD_createDCtx_advanced(MEMORY);
        td_buf_clear(out);
        rc = check_records(coder, chunk, err);
    }
    return rc == TD_OK ? codec_decompress(coder, chunk, padding_bytes, out, err) : rc;
}
