#include "format/codec.h"

#include <inttypes.h>
#include <string.h>

#include <lz4frame.h>
#define ZSTD_STATIC_LINKING_ONLY /* for a caller's allocator */
#include <zstd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

static const ZSTD_customMem MEMORY = {.customAlloc = td_alloc_lent, .customFree = td_free_lent};

struct codec {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
    LZ4F_dctx *lz4; /* its memory cannot be ours: liblz4 takes no allocator in its stable API */
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
    (void)LZ4F_freeDecompressionContext(
        coder->lz4); /* returns only whether a frame was incomplete */
    td_free(coder);
}

td_result codec_find(td_bytes name, codec_kind *out, td_err *err)
{
    if (name.size == 0) {
        *out = CODEC_NONE;
        return TD_OK;
    }
    if (td_bytes_is(name, "zstd")) {
        *out = CODEC_ZSTD;
        return TD_OK;
    }
    if (td_bytes_is(name, "lz4")) {
        *out = CODEC_LZ4;
        return TD_OK;
    }
    int length = (int)(name.size < 32 ? name.size : 32);
    return td_err_set(err, TD_E_UNSUPPORTED,
                      "compression '%.*s' is not supported: zstd, lz4 and none are", length,
                      (const char *)name.data);
}

const char *codec_name(codec_kind kind)
{
    return kind == CODEC_ZSTD ? "zstd" : kind == CODEC_LZ4 ? "lz4" : "";
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
    TD_ASSERT(!ZSTD_isError(got)); /* with space for the bound, only memory could be missing */
    return got;
}

/* Exactly out_bytes must come out: a frame of another size is damaged. */
static td_result decompress_zstd(codec *coder, td_bytes in, uint8_t *out, size_t out_bytes,
                                 td_err *err)
{
    if (coder->decompressor == NULL)
        coder->decompressor = ZSTD_createDCtx_advanced(MEMORY);
    size_t got = ZSTD_decompressDCtx(coder->decompressor, out, out_bytes, in.data, in.size);
    if (ZSTD_isError(got))
        return td_err_set(err, TD_E_CORRUPT, "zstd, %zu bytes: %s", in.size,
                          ZSTD_getErrorName(got));
    if (got != out_bytes)
        return td_err_set(err, TD_E_CORRUPT, "zstd, %zu bytes: gave %zu bytes, %zu expected",
                          in.size, got, out_bytes);
    return TD_OK;
}

/* As decompress_zstd: one frame, of exactly that size. */
static td_result decompress_lz4(codec *coder, td_bytes in, uint8_t *out, size_t out_bytes,
                                td_err *err)
{
    if (coder->lz4 == NULL &&
        LZ4F_isError(LZ4F_createDecompressionContext(&coder->lz4, LZ4F_VERSION)))
        td_out_of_memory(0);
    LZ4F_resetDecompressionContext(coder->lz4); /* a damaged chunk leaves it half way */
    size_t read = 0, made = 0, hint = 1;
    uint8_t none; /* where no byte is expected, and none may come */
    while (hint != 0) {
        size_t taken = in.size - read, given = out_bytes - made;
        hint = LZ4F_decompress(coder->lz4, given == 0 ? &none : out + made, &given, in.data + read,
                               &taken, NULL);
        if (LZ4F_isError(hint))
            return td_err_set(err, TD_E_CORRUPT, "lz4, %zu bytes: %s", in.size,
                              LZ4F_getErrorName(hint));
        read += taken;
        made += given;
        if (taken == 0 && given == 0)
            break;
    }
    if (hint != 0 || read != in.size || made != out_bytes)
        return td_err_set(err, TD_E_CORRUPT, "lz4, %zu bytes: gave %zu bytes, %zu expected",
                          in.size, made, out_bytes);
    return TD_OK;
}

td_result codec_decompress(codec *coder, codec_kind kind, td_bytes in, uint8_t *out,
                           size_t out_bytes, td_err *err)
{
    TD_ASSERT(out != NULL || out_bytes == 0);
    if (kind == CODEC_ZSTD)
        return decompress_zstd(coder, in, out, out_bytes, err);
    if (kind == CODEC_LZ4)
        return decompress_lz4(coder, in, out, out_bytes, err);
    if (in.size != out_bytes)
        return td_err_set(err, TD_E_CORRUPT, "stored records of %zu bytes, %zu expected", in.size,
                          out_bytes);
    if (out_bytes > 0)
        memcpy(out, in.data, out_bytes);
    return TD_OK;
}

td_result codec_unpack(codec *coder, const mcap_chunk *chunk, size_t padding_bytes, td_buf *out,
                       td_err *err)
{
    TD_ASSERT(chunk->records.data != NULL || chunk->records.size == 0);
    td_buf_clear(out);
    if (chunk->uncompressed_bytes > LIMIT_CHUNK_BYTES)
        return td_err_set(err, TD_E_LIMIT, "%" PRIu64 " bytes uncompressed: limit %zu",
                          chunk->uncompressed_bytes, LIMIT_CHUNK_BYTES);
    size_t size = (size_t)chunk->uncompressed_bytes;
    codec_kind kind;
    td_result rc = codec_find(chunk->compression, &kind, err);
    if (rc == TD_OK)
        rc = td_buf_reserve(out, size + padding_bytes, err);
    if (rc == TD_OK)
        rc = codec_decompress(coder, kind, chunk->records, out->data, size, err);
    if (rc != TD_OK)
        return rc;
    out->size = size;
    uint32_t expected = chunk->uncompressed_crc;
    uint32_t crc = expected == 0 ? 0 : td_crc32(0, out->data, size);
    if (crc != expected)
        return td_err_set(err, TD_E_CORRUPT, "CRC of the records is %08x, %08x expected", crc,
                          expected);
    return TD_OK;
}
