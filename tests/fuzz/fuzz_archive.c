/* A hostile file in an otherwise sound archive: verify, a tape of all of it, and recover twice
 * (tests/testing/fuzz_archive.h has the requirements). The first byte chooses:
 *   '0': the rest is the crashed segment, '1': the finished one, '2': the journal
 *   '3', '4', '5': the rest are patches of these: two bytes of offset, one of length (its low five
 *   bits), and that many bytes; if 0x80 is set in the length, the file ends there
 * Patches of a crashed segment or a journal get valid CRCs and chain values, so that later checks
 * are reached as well. */
#include <string.h>

#include <zstd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "format/chain.h"
#include "format/mcap_decode.h"
#include "tests/testing/files.h"
#include "tests/testing/fuzz_archive.h"
#include "tests/testing/fuzz_input.h"

#define JOURNAL_OPEN FUZZ_ARCHIVE_PATH "/journal.mcap.open"

enum { TARGET_CRASHED, TARGET_FINISHED, TARGET_JOURNAL, TARGETS };

static void put_le(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* Sets the CRC of an uncompressed chunk (chunk: start 8, end 8, size 8, crc 4, compression 4 + n,
 * size 8, records; MCAP specification, "Chunk"). A compressed chunk's CRC is of the uncompressed
 * bytes. */
static void mend_chunk(uint8_t *content, size_t size)
{
    mcap_chunk chunk;
    if (mcap_decode_chunk(td_bytes_of(content, size), &chunk, NULL) == TD_OK &&
        chunk.compression.size == 0)
        put_le(content + 24, td_crc32(0, chunk.records.data, chunk.records.size), 4);
}

/* Goes through the records as far as they are valid, and sets the computed values. */
static void mend(uint8_t *bytes, size_t size)
{
    td_hasher *hasher = td_hasher_open();
    td_hash128 previous = {0};
    size_t covers_from = 0;
    for (size_t at = MCAP_MAGIC_BYTES; at + 9 <= size;) {
        uint64_t length = 0;
        for (unsigned i = 0; i < 8; i++)
            length |= (uint64_t)bytes[at + 1 + i] << (8 * i);
        if (length > size - at - 9)
            break;
        uint8_t *content = bytes + at + 9;
        size_t end = at + 9 + (size_t)length;
        if (bytes[at] == MCAP_CHUNK)
            mend_chunk(content, (size_t)length);
        if (bytes[at] == CHAIN_OPCODE && length >= CHAIN_FIXED_BYTES + CHAIN_VALUE_BYTES) {
            td_buf value;
            put_le(content + 8, covers_from, 8); /* after the magic */
            td_buf_init(&value, CHAIN_VALUE_BYTES);
            chain_start(hasher, previous);
            td_hasher_update(hasher, bytes + covers_from, end - CHAIN_VALUE_BYTES - covers_from);
            fuzz_must(td_buf_reserve(&value, CHAIN_VALUE_BYTES, NULL), NULL);
            previous = chain_append_value(&value, hasher);
            memcpy(bytes + end - CHAIN_VALUE_BYTES, value.data, CHAIN_VALUE_BYTES);
            td_buf_fini(&value);
            covers_from = end;
        }
        at = end;
    }
    td_hasher_close(hasher);
}

/* Writes a chunk's record as if it were uncompressed. */
static void store_chunk(td_buf *out, const mcap_chunk *chunk)
{
    uint8_t head[9 + 40] = {MCAP_CHUNK};
    put_le(head + 1, 40 + chunk->uncompressed_bytes, 8);
    put_le(head + 9, chunk->start_ns, 8);
    put_le(head + 17, chunk->end_ns, 8);
    put_le(head + 25, chunk->uncompressed_bytes, 8);
    put_le(head + 33, chunk->uncompressed_crc, 4);
    put_le(head + 41, chunk->uncompressed_bytes, 8); /* after the length of "" */
    fuzz_must(td_buf_append(out, head, sizeof head, NULL), NULL);
    fuzz_must(td_buf_reserve(out, (size_t)chunk->uncompressed_bytes, NULL), NULL);
    out->size += ZSTD_decompress(out->data + out->size, (size_t)chunk->uncompressed_bytes,
                                 chunk->records.data, chunk->records.size);
}

/* Rewrites the crashed segment without compression, so that patches reach the content of chunks. */
static void store_segment(fuzz_archive *self)
{
    size_t size;
    size_t at = 0;
    td_buf out;
    mcap_record record;
    mcap_chunk chunk;
    uint8_t *bytes = file_read(io_fault_io(self->disk), self->segment, &size);
    td_bytes records = td_bytes_of(bytes + MCAP_MAGIC_BYTES, size - MCAP_MAGIC_BYTES);
    td_buf_init(&out, 1 << 20);
    fuzz_must(td_buf_append(&out, bytes, MCAP_MAGIC_BYTES, NULL), NULL);
    for (size_t from = 0; mcap_next_record(records, &at, &record, NULL) == TD_OK; from = at) {
        if (record.opcode == MCAP_CHUNK) {
            fuzz_must(mcap_decode_chunk(record.content, &chunk, NULL), NULL);
            store_chunk(&out, &chunk);
        } else {
            fuzz_must(td_buf_append(&out, records.data + from, at - from, NULL), NULL);
        }
    }
    mend(out.data, out.size);
    file_replace(io_fault_io(self->disk), self->segment, out.data, out.size);
    td_buf_fini(&out);
    td_free(bytes);
}

/* Returns the remaining size. */
static size_t patch(uint8_t *bytes, size_t size, const uint8_t *data, size_t data_size)
{
    while (data_size >= 3 && size > 0) {
        size_t at = ((size_t)data[0] | (size_t)data[1] << 8) % size;
        size_t length = data[2] & 0x1f;
        int is_end = (data[2] & 0x80) != 0;
        data += 3;
        data_size -= 3;
        for (; length > 0 && data_size > 0 && at < size; length--, data_size--)
            bytes[at++] = *data++;
        if (is_end)
            return at;
    }
    return size;
}

static void use_patched(const fuzz_archive *from, const char *path, int is_mended,
                        const uint8_t *data, size_t data_size)
{
    size_t size;
    io_fault *disk = fuzz_archive_copy(from);
    uint8_t *bytes = file_read(io_fault_io(disk), path, &size);
    size = patch(bytes, size, data, data_size);
    if (is_mended)
        mend(bytes, size);
    file_replace(io_fault_io(disk), path, bytes, size);
    td_free(bytes);
    fuzz_archive_use(from, disk);
    io_fault_close(disk);
}

static void use_replaced(const fuzz_archive *from, const char *path, const uint8_t *data,
                         size_t size)
{
    io_fault *disk = fuzz_archive_copy(from);
    file_replace(io_fault_io(disk), path, data, size);
    fuzz_archive_use(from, disk);
    io_fault_close(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fuzz_archive *crashed, *finished;
    if (crashed == NULL) {
        crashed = fuzz_archive_make(WRITER_ABANDON);
        store_segment(crashed);
        finished = fuzz_archive_make(WRITER_STOP);
    }
    if (size == 0)
        return 0;
    unsigned which = data[0] % (2 * TARGETS);
    unsigned target = which % TARGETS;
    const fuzz_archive *from = target == TARGET_FINISHED ? finished : crashed;
    const char *path = target == TARGET_JOURNAL ? JOURNAL_OPEN : from->segment;
    if (which < TARGETS)
        use_replaced(from, path, data + 1, size - 1);
    else
        use_patched(from, path, target != TARGET_FINISHED, data + 1, size - 1);
    return 0;
}
