#include "format/codec.h"

#include <inttypes.h>
#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY /* for a caller's allocator */
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
    TD_ASSERT(!ZSTD_isError(got)); /* with space for the bound, only memory could be missing */
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
        return td_err_set(err, TD_E_LIMIT, "%" PRIu64 " bytes uncompressed: limit %zu",
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
