#include "format/mcap_source.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "format/mcap_decode.h"

enum { WINDOW_BYTES = 256 << 10 };

td_result mcap_source_init(mcap_source *source, td_file *file, td_err *err)
{
    *source = (mcap_source){.file = file, .keep_from = UINT64_MAX};
    td_buf_init(&source->window, LIMIT_RECORD_BYTES);
    return mcap_source_refresh(source, err);
}

void mcap_source_fini(mcap_source *source)
{
    td_buf_fini(&source->window);
    source->file = NULL;
}

td_result mcap_source_refresh(mcap_source *source, td_err *err)
{
    td_buf_clear(&source->window);
    return td_io_size(source->file, &source->size, err);
}

/* Adds the window's bytes before `to` to the CRC, if they follow the ones that it covers. */
static void add_to_crc(mcap_source *source, uint64_t to)
{
    uint64_t end = source->window_at + source->window.size;
    end = end < to ? end : to;
    if (!source->has_crc || source->crc_at < source->window_at || source->crc_at >= end)
        return;
    source->crc = td_crc32(source->crc, source->window.data + (source->crc_at - source->window_at),
                           (size_t)(end - source->crc_at));
    source->crc_at = end;
}

/* Fill the window with at least `size` bytes from offset `at` on. Bytes that the window already has
 * are not read again. */
static td_result fill(mcap_source *source, uint64_t at, size_t size, td_err *err)
{
    TD_ASSERT(size <= source->size - at);
    uint64_t keep_from = source->keep_from;
    if (keep_from < at && at + size - keep_from <= MCAP_SOURCE_KEPT_BYTES) {
        size += (size_t)(at - keep_from);
        at = keep_from;
    }
    add_to_crc(source, at); /* the window's start moves there */
    uint64_t left = source->size - at;
    const size_t least = source->read_bytes > 0 ? source->read_bytes : WINDOW_BYTES;
    size_t wanted = size > least ? size : least;
    if (wanted > left)
        wanted = (size_t)left;
    /* Move the window's start to `at`, keeping the bytes from there on. */
    uint64_t skip = at - source->window_at;
    int is_inside = at >= source->window_at && skip < source->window.size;
    size_t kept = is_inside ? source->window.size - (size_t)skip : 0;
    if (kept > 0)
        memmove(source->window.data, source->window.data + skip, kept);
    source->window.size = kept;
    source->window_at = at;
    TD_ASSERT(kept < wanted);
    td_buf_grow(&source->window, wanted - kept);
    td_result rc =
        td_io_read_exact(source->file, at + kept, source->window.data + kept, wanted - kept, err);
    if (rc != TD_OK) {
        td_buf_clear(&source->window);
        return rc;
    }
    source->window.size = wanted;
    return TD_OK;
}

td_result mcap_source_view(mcap_source *source, uint64_t at, uint64_t size, td_bytes *out,
                           td_err *err)
{
    if (at > source->size || size > source->size - at)
        return td_err_set(err, TD_E_TRUNCATED,
                          "%" PRIu64 " bytes at offset %" PRIu64 " wanted: the file has %" PRIu64,
                          size, at, source->size);
    if (size > LIMIT_RECORD_BYTES)
        return td_err_set(err, TD_E_LIMIT,
                          "record of %" PRIu64 " bytes at offset %" PRIu64 ": limit %zu", size, at,
                          LIMIT_RECORD_BYTES);
    uint64_t skip = at - source->window_at;
    if (at < source->window_at || skip > source->window.size || size > source->window.size - skip) {
        td_result rc = fill(source, at, (size_t)size, err);
        if (rc != TD_OK)
            return rc;
        skip = at - source->window_at;
    }
    TD_ASSERT(skip + size <= source->window.size);
    *out = td_bytes_of(source->window.data + skip, (size_t)size);
    return TD_OK;
}

td_result mcap_source_record(mcap_source *source, uint64_t at, uint64_t end, mcap_location *out,
                             td_err *err)
{
    TD_ASSERT(end <= source->size);
    if (at >= end)
        return TD_EOF;
    if (end - at < MCAP_PREFIX_BYTES)
        return td_err_set(err, TD_E_TRUNCATED,
                          "record at offset %" PRIu64 ": %" PRIu64
                          " bytes are left, at least %d expected",
                          at, end - at, MCAP_PREFIX_BYTES);
    td_bytes prefix;
    td_result rc = mcap_source_view(source, at, MCAP_PREFIX_BYTES, &prefix, err);
    if (rc != TD_OK)
        return rc;
    uint64_t content_bytes = td_le64(prefix.data + 1);
    uint64_t left = end - at - MCAP_PREFIX_BYTES;
    if (content_bytes > left)
        return td_err_set(err, TD_E_TRUNCATED,
                          "%s record at offset %" PRIu64 ": content of %" PRIu64 " bytes, %" PRIu64
                          " are left",
                          mcap_opcode_name(prefix.data[0]), at, content_bytes, left);
    *out = (mcap_location){.opcode = prefix.data[0],
                           .offset = at,
                           .content_at = at + MCAP_PREFIX_BYTES,
                           .content_bytes = content_bytes,
                           .end = at + MCAP_PREFIX_BYTES + content_bytes};
    return TD_OK;
}

td_result mcap_source_content(mcap_source *source, const mcap_location *location, td_bytes *out,
                              td_err *err)
{
    td_result rc =
        mcap_source_view(source, location->content_at, location->content_bytes, out, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "%s record", mcap_opcode_name(location->opcode));
    return TD_OK;
}

td_result mcap_source_header(mcap_source *source, uint64_t *end, td_err *err)
{
    td_bytes bytes;
    mcap_location location;
    mcap_header header;
    td_result rc = mcap_source_view(source, 0, MCAP_MAGIC_BYTES, &bytes, err);
    if (rc == TD_OK)
        rc = mcap_check_magic(bytes.data, err);
    if (rc == TD_OK)
        rc = mcap_source_record(source, MCAP_MAGIC_BYTES, source->size, &location, err);
    if (rc == TD_EOF)
        return td_err_set(err, TD_E_TRUNCATED, "ends after the magic");
    if (rc == TD_OK && location.opcode != MCAP_HEADER)
        rc = td_err_set(err, TD_E_CORRUPT, "begins with record 0x%02x, a Header is expected",
                        location.opcode);
    if (rc == TD_OK)
        rc = mcap_source_content(source, &location, &bytes, err);
    if (rc == TD_OK)
        rc = mcap_decode_header(bytes, &header, err);
    if (rc == TD_OK && !td_bytes_is(header.profile, SEGMENT_PROFILE))
        rc = td_err_set(err, TD_E_CORRUPT, "an MCAP file, but not a segment of tapedeck");
    if (rc == TD_OK)
        *end = location.end;
    return rc;
}

void mcap_source_crc_begin(mcap_source *source)
{
    source->has_crc = 1;
    source->crc_at = 0;
    source->crc = 0;
}

td_result mcap_source_crc_end(mcap_source *source, uint64_t to, uint32_t *crc, td_err *err)
{
    const int is_before = source->crc_at <= to;
    source->has_crc = 0;
    *crc = is_before ? source->crc : 0;
    return mcap_source_crc(source, is_before ? source->crc_at : 0, to, crc, err);
}

td_result mcap_source_compare(mcap_source *source, uint64_t at, td_bytes expected, int *is_same,
                              td_err *err)
{
    *is_same = 1;
    for (size_t done = 0; done < expected.size && *is_same;) {
        size_t size = expected.size - done < WINDOW_BYTES ? expected.size - done : WINDOW_BYTES;
        td_bytes piece = {0};
        td_result rc = mcap_source_view(source, at + done, size, &piece, err);
        if (rc != TD_OK)
            return rc;
        *is_same = memcmp(piece.data, expected.data + done, size) == 0;
        done += size;
    }
    return TD_OK;
}

td_result mcap_source_crc(mcap_source *source, uint64_t from, uint64_t to, uint32_t *crc,
                          td_err *err)
{
    while (from < to) {
        uint64_t size = to - from < WINDOW_BYTES ? to - from : WINDOW_BYTES;
        td_bytes piece = {0};
        td_result rc = mcap_source_view(source, from, size, &piece, err);
        if (rc != TD_OK)
            return rc;
        *crc = td_crc32(*crc, piece.data, piece.size);
        from += size;
    }
    return TD_OK;
}

td_result mcap_source_hash(mcap_source *source, uint64_t from, uint64_t to, td_hasher *hasher,
                           td_err *err)
{
    while (from < to) {
        uint64_t size = to - from < WINDOW_BYTES ? to - from : WINDOW_BYTES;
        td_bytes piece = {0};
        td_result rc = mcap_source_view(source, from, size, &piece, err);
        if (rc != TD_OK)
            return rc;
        td_hasher_update(hasher, piece.data, piece.size);
        from += size;
    }
    return TD_OK;
}
