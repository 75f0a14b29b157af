#include "format/chunk_codec.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "pack/pack.h"

static const char *const FORM_NAMES[] = {
    [CHUNKS_RECORDED] = "", [CHUNKS_PACKED_FAST] = "fast", [CHUNKS_PACKED_BEST] = "best"};

const char *chunk_form_name(chunk_form form)
{
    TD_ASSERT(form <= CHUNKS_PACKED_BEST);
    return FORM_NAMES[form];
}

chunk_form chunk_form_of(td_bytes name)
{
    if (name.size == 0)
        return CHUNKS_RECORDED;
    return td_bytes_is(name, FORM_NAMES[CHUNKS_PACKED_BEST]) ? CHUNKS_PACKED_BEST
                                                             : CHUNKS_PACKED_FAST;
}

td_result chunk_decompress(codec *coder, const mcap_chunk *chunk, size_t padding_bytes, td_buf *out,
                           td_err *err)
{
    td_bytes in = chunk->records;
    td_buf_clear(out);
    const int is_stored = in.size == chunk->uncompressed_bytes && chunk->compression.size == 0;
    const int is_packed = td_bytes_is(chunk->compression, CHUNK_PACKED);
    if (!is_stored && !is_packed && !td_bytes_is(chunk->compression, CHUNK_ZSTD))
        return td_err_set(err, TD_E_CORRUPT,
                          "its compression is neither " CHUNK_ZSTD " nor " CHUNK_PACKED
                          ": a later version of tapedeck wrote it, or it is damaged");
    if (chunk->uncompressed_bytes > LIMIT_CHUNK_BYTES)
        return td_err_set(err, TD_E_CORRUPT, "%" PRIu64 " bytes uncompressed: limit %zu",
                          chunk->uncompressed_bytes, LIMIT_CHUNK_BYTES);
    size_t size = (size_t)chunk->uncompressed_bytes;
    td_result rc = td_buf_reserve(out, size + padding_bytes, err);
    if (rc != TD_OK)
        return rc;
    size_t got = size;
    if (is_packed)
        rc = pack_decode(coder, in, size, padding_bytes, out, err);
    else if (!is_stored)
        got = codec_expand(coder, in, out->data, size);
    else if (size > 0)
        memcpy(out->data, in.data, size);
    if (rc != TD_OK)
        return rc;
    if (got == SIZE_MAX)
        return td_err_set(err, TD_E_CORRUPT, "zstd, %zu bytes: %s", in.size,
                          codec_error(coder, in, out->data, size));
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
};
#define RECORD_BYTES_MAX ((uint64_t)LIMIT_FRAME_BYTES + MCAP_MESSAGE_FIELDS_BYTES)

/* Position in the records while pieces of them arrive. */
typedef struct record_walk {
    uint8_t prefix[MCAP_PREFIX_BYTES]; /* the part of the next record's prefix read so far */
    size_t prefix_bytes;
    uint64_t left; /* bytes of the current record's content still to come */
    td_result rc;
    td_err *err;
} record_walk;

/* Check the lengths of the records in a piece. */
static int walk_piece(void *user, td_bytes piece)
{
    record_walk *walk = user;
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
            walk->rc =
                td_err_set(walk->err, TD_E_CORRUPT, "a record of %" PRIu64 " bytes: limit %" PRIu64,
                           walk->left, RECORD_BYTES_MAX);
        if (walk->rc != TD_OK)
            return 0;
    }
    return 1;
}

td_result chunk_decompress_records(codec *coder, const mcap_chunk *chunk, size_t padding_bytes,
                                   td_buf *out, td_err *err)
{
    record_walk walk = {.rc = TD_OK, .err = err};
    td_buf_clear(out);
    if (chunk->uncompressed_bytes > USUAL_CHUNK_BYTES &&
        chunk->uncompressed_bytes <= LIMIT_CHUNK_BYTES &&
        td_bytes_is(chunk->compression, CHUNK_ZSTD))
        (void)codec_expand_pieces(coder, chunk->records, walk_piece, &walk);
    return walk.rc == TD_OK ? chunk_decompress(coder, chunk, padding_bytes, out, err) : walk.rc;
}
