#include "base/codec.h"

#define ZSTD_STATIC_LINKING_ONLY /* declares the functions that take an allocator */
#include <stdatomic.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/assert.h"

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

codec *codec_take(codec_slot *slot)
{
    codec *coder = atomic_exchange(&slot->idle, NULL);
    return coder != NULL ? coder : codec_open();
}

void codec_give(codec_slot *slot, codec *coder)
{
    codec_close(atomic_exchange(&slot->idle, coder));
}

void codec_slot_fini(codec_slot *slot)
{
    codec_close(atomic_exchange(&slot->idle, NULL));
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

static ZSTD_DCtx *get_decompressor(codec *coder)
{
    if (coder->decompressor == NULL)
        coder->decompressor = ZSTD_createDCtx_advanced(MEMORY);
    return coder->decompressor;
}

size_t codec_expand(codec *coder, td_bytes in, uint8_t *out, size_t capacity)
{
    const size_t got =
        ZSTD_decompressDCtx(get_decompressor(coder), out, capacity, in.data, in.size);
    return ZSTD_isError(got) ? SIZE_MAX : got;
}

const char *codec_error(codec *coder, td_bytes in, uint8_t *out, size_t capacity)
{
    return ZSTD_getErrorName(
        ZSTD_decompressDCtx(get_decompressor(coder), out, capacity, in.data, in.size));
}

int codec_expand_pieces(codec *coder, td_bytes in, codec_piece_fn *fn, void *user)
{
    enum { PIECE_BYTES = 64 << 10 };
    ZSTD_DCtx *from = get_decompressor(coder);
    uint8_t *piece = td_alloc(PIECE_BYTES);
    ZSTD_inBuffer rest = {in.data, in.size, 0};
    size_t left = 1; /* of the zstd frame; 0 at its end */
    int is_wanted = 1;
    (void)ZSTD_DCtx_reset(from, ZSTD_reset_session_only); /* cannot fail */
    while (is_wanted && left > 0 && !ZSTD_isError(left)) {
        ZSTD_outBuffer out = {piece, PIECE_BYTES, 0};
        const size_t before = rest.pos;
        left = ZSTD_decompressStream(from, &out, &rest);
        is_wanted = fn(user, td_bytes_of(piece, out.pos));
        if (out.pos == 0 && rest.pos == before)
            break; /* truncated */
    }
    (void)ZSTD_DCtx_reset(from, ZSTD_reset_session_only);
    td_free(piece);
    return is_wanted;
}
