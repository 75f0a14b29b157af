#include "format/segment_copy.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "format/recover.h"
#include "format/segment_reader.h"

/* 1 in *is_same if the bytes that end at end are the value. A file that is shorter has others. */
static td_result has_value_at(td_io io, const char *path, uint64_t end, td_hash128 value,
                              int *is_same, td_err *err)
{
    td_hash128 there;
    td_file *file = NULL;
    uint64_t size = 0;
    TD_ASSERT(end >= sizeof there.bytes);
    *is_same = 0;
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = td_io_size(file, &size, err);
    if (rc == TD_OK && size >= end) {
        rc = td_io_read_exact(file, end - sizeof there.bytes, there.bytes, sizeof there.bytes, err);
        *is_same = rc == TD_OK && td_hash128_equal(there, value);
    }
    td_io_close(file);
    return rc;
}

/* Where the last block ends. */
static uint64_t blocks_end(const segment_reader *reader, const chain_record *chain)
{
    const segment_chunk *last =
        segment_reader_chunk(reader, segment_reader_chunk_count(reader) - 1);
    return last->offset + last->chunk_bytes + last->index_bytes + 9 + CHAIN_FIXED_BYTES +
           (uint64_t)chain->conn_count * CHAIN_CONN_BYTES + CHAIN_VALUE_BYTES;
}

static td_result compare(td_io io, segment_reader *reader, const char *finished_path,
                         segment_copy *out, td_err *err)
{
    chain_record chain;
    int is_same = 0;
    *out = SEGMENT_COPY_OTHER;
    if (segment_reader_chunk_count(reader) == 0) {
        *out = SEGMENT_COPY_OLDER;
        return TD_OK;
    }
    td_result rc = segment_reader_last_chain(reader, NULL, &chain, err);
    if (rc != TD_OK)
        return rc;
    rc = has_value_at(io, finished_path, blocks_end(reader, &chain), chain.value, &is_same, err);
    if (rc == TD_E_NOTFOUND) /* pruned meanwhile */
        return TD_OK;
    if (rc == TD_OK && is_same)
        *out = SEGMENT_COPY_OLDER;
    return rc;
}

/* Its head cannot be read: without anything durable after it, it has nothing. */
static td_result judge_headless(td_io io, const char *path, segment_copy *out, td_err *err)
{
    int has_durable = 1;
    td_result rc = recover_has_durable(io, path, &has_durable, err);
    *out = has_durable ? SEGMENT_COPY_OTHER : SEGMENT_COPY_OLDER;
    return rc;
}

td_result segment_copy_compare(td_io io, const char *open_path, const char *finished_path,
                               segment_copy *out, td_err *err)
{
    segment_reader *reader = NULL;
    td_err cause;
    td_err_clear(&cause);
    *out = SEGMENT_COPY_OTHER;
    td_result rc = segment_reader_open(io, open_path, &reader, &cause);
    if (rc == TD_OK)
        rc = compare(io, reader, finished_path, out, &cause);
    else if (rc == TD_E_TRUNCATED || rc == TD_E_CORRUPT)
        rc = judge_headless(io, open_path, out, &cause);
    segment_reader_close(reader);
    if (rc == TD_E_NOTFOUND) {
        *out = SEGMENT_COPY_GONE;
        return TD_OK;
    }
    if (rc == TD_E_CORRUPT || rc == TD_E_TRUNCATED || rc == TD_E_UNSUPPORTED)
        return TD_OK; /* nothing shows that it is a copy */
    return rc == TD_OK ? TD_OK : td_err_pass(err, rc, &cause);
}
