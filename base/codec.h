/* zstd. Only this module includes zstd.h. A codec belongs to one thread and reuses its contexts. */
#ifndef TD_BASE_CODEC_H
#define TD_BASE_CODEC_H

#include <stddef.h>

#include "base/bytes.h"

typedef struct codec codec;

/* zstd contexts are created at first use. */
codec *codec_open(void);
void codec_close(codec *coder);

/* A place for one codec between two uses, on any threads: a new codec clears its memory.
 * Zero-initialise. codec_take: the codec that waits there, or a new one. codec_give: it waits, and
 * one that waited is closed. */
typedef struct codec_slot {
    codec *_Atomic idle;
} codec_slot;
codec *codec_take(codec_slot *slot);
void codec_give(codec_slot *slot, codec *coder);
void codec_slot_fini(codec_slot *slot);

/* Maximum compressed size of size bytes. */
size_t codec_bound(size_t size);

/* Compress `in` to `out` (out_capacity >= codec_bound); negative levels are faster. Returns the
 * compressed size. */
size_t codec_compress(codec *coder, int level, td_bytes in, uint8_t *out, size_t out_capacity);

/* Decompress to out, which has capacity bytes; returns the size. SIZE_MAX: it cannot be
 * decompressed, or is larger; codec_error then tells why, in a text of zstd. */
size_t codec_expand(codec *coder, td_bytes in, uint8_t *out, size_t capacity);
const char *codec_error(codec *coder, td_bytes in, uint8_t *out, size_t capacity);

/* Decompress piece by piece, as far as possible. fn gets each piece, and returns 1 for more.
 * Returns 0 if fn did. */
typedef int codec_piece_fn(void *user, td_bytes piece);
int codec_expand_pieces(codec *coder, td_bytes in, codec_piece_fn *fn, void *user);

#endif
