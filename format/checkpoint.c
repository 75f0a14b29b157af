#include "format/checkpoint.h"

#include <inttypes.h>

#include "base/hash.h"
#include "base/limits.h"
#include "format/chunk_codec.h"
#include "format/mcap_encode.h"

enum {
    /* fields before the table: at_ns, count, table_bytes */
    HEAD_BYTES = 8 + 4 + 4,
    CRC_BYTES = 4,
    /* a symbol's entry in the table without its name: length, raw_bytes, stored_bytes, crc */
    ENTRY_BYTES = 4 * 4,
    LEVEL = 1,
};

/* ---- writing ---- */

void checkpoint_builder_init(checkpoint_builder *b)
{
    *b = (checkpoint_builder){.coder = codec_open()};
    td_buf_init(&b->table, LIMIT_CHECKPOINT_BYTES);
    td_buf_init(&b->states, SIZE_MAX);
}

void checkpoint_builder_fini(checkpoint_builder *b)
{
    td_buf_fini(&b->table);
    td_buf_fini(&b->states);
    codec_close(b->coder);
}

static void put_u32(td_buf *out, uint32_t number)
{
    uint8_t bytes[4];
    td_put_le32(bytes, number);
    td_buf_add(out, bytes, sizeof bytes);
}

void checkpoint_builder_add(checkpoint_builder *b, td_bytes symbol, td_bytes state)
{
    size_t stored = 0;
    if (symbol.size + ENTRY_BYTES > LIMIT_CHECKPOINT_BYTES - b->table.size)
        return; /* cannot happen: a segment has too few channels to fill the table */
    if (state.size > 0 && codec_bound(state.size) <= LIMIT_CHECKPOINT_BYTES - b->states.size) {
        td_buf_grow(&b->states, codec_bound(state.size));
        stored = codec_compress(b->coder, LEVEL, state, b->states.data + b->states.size,
                                b->states.capacity - b->states.size);
    }
    b->states.size += stored;
    b->count++;
    b->omitted += stored == 0;
    put_u32(&b->table, (uint32_t)symbol.size);
    td_buf_add(&b->table, symbol.data, symbol.size);
    put_u32(&b->table, stored == 0 ? 0 : (uint32_t)state.size);
    put_u32(&b->table, (uint32_t)stored);
    put_u32(&b->table, stored == 0 ? 0 : td_crc32(0, state.data, state.size));
}

void checkpoint_builder_finish(checkpoint_builder *b, uint64_t at_ns, td_buf *out)
{
    uint8_t prefix[MCAP_PREFIX_BYTES];
    uint8_t head[HEAD_BYTES];
    mcap_write_prefix(prefix, CHECKPOINT_OPCODE,
                      HEAD_BYTES + b->table.size + CRC_BYTES + b->states.size);
    td_put_le64(head, at_ns);
    td_put_le32(head + 8, b->count);
    td_put_le32(head + 12, (uint32_t)b->table.size);
    td_buf_clear(out);
    td_buf_add(out, prefix, sizeof prefix);
    td_buf_add(out, head, sizeof head);
    td_buf_add(out, b->table.data, b->table.size);
    put_u32(out, td_crc32(td_crc32(0, head, sizeof head), b->table.data, b->table.size));
    td_buf_add(out, b->states.data, b->states.size);
    td_buf_clear(&b->table);
    td_buf_clear(&b->states);
    b->count = 0;
    b->omitted = 0;
}

/* ---- reading ---- */

typedef struct checkpoint_entry {
    td_bytes symbol;
    uint32_t raw_bytes, stored_bytes, crc;
} checkpoint_entry;

static td_result malformed(td_err *err)
{
    return td_err_set(err, TD_E_CORRUPT, "it is damaged");
}

/* Take the next entry off the table; 0: the table ends within it. */
static int next_entry(td_bytes *table, checkpoint_entry *out)
{
    uint32_t size = table->size < ENTRY_BYTES ? 0 : td_le32(table->data);
    if (table->size < ENTRY_BYTES || size > table->size - ENTRY_BYTES)
        return 0;
    const uint8_t *numbers = table->data + 4 + size;
    *out = (checkpoint_entry){.symbol = td_bytes_of(table->data + 4, size),
                              .raw_bytes = td_le32(numbers),
                              .stored_bytes = td_le32(numbers + 4),
                              .crc = td_le32(numbers + 8)};
    *table = td_bytes_of(numbers + 12, table->size - ENTRY_BYTES - size);
    return 1;
}

/* State of one checkpoint_read. */
typedef struct checkpoint_reader {
    td_file *file;
    const checkpoint_visitor *visitor;
    codec *coder;
    td_buf table; /* the record's content up to the states */
    td_buf stored, state;
} checkpoint_reader;

static td_result read_at(checkpoint_reader *r, uint64_t at, uint64_t size, td_buf *out, td_err *err)
{
    td_buf_clear(out);
    td_result rc = td_buf_reserve(out, (size_t)size, err);
    if (rc == TD_OK)
        rc = td_io_read_exact(r->file, at, out->data, (size_t)size, err);
    if (rc == TD_OK)
        out->size = (size_t)size;
    return rc;
}

/* Read the content up to the states, and check its CRC. */
static td_result read_table(checkpoint_reader *r, const segment_checkpoint *at, td_bytes *table,
                            uint32_t *count, td_err *err)
{
    enum { KNOWN_BYTES = MCAP_PREFIX_BYTES + HEAD_BYTES };
    uint8_t head[KNOWN_BYTES];
    if (at->bytes < KNOWN_BYTES + CRC_BYTES || at->bytes > LIMIT_RECORD_BYTES)
        return malformed(err);
    td_result rc = td_io_read_exact(r->file, at->offset, head, sizeof head, err);
    if (rc != TD_OK)
        return rc;
    uint64_t size = td_le32(head + KNOWN_BYTES - 4);
    if (head[0] != CHECKPOINT_OPCODE || td_le64(head + 1) != at->bytes - MCAP_PREFIX_BYTES ||
        td_le64(head + MCAP_PREFIX_BYTES) != at->at_ns ||
        size > at->bytes - KNOWN_BYTES - CRC_BYTES)
        return malformed(err);
    rc = read_at(r, at->offset + MCAP_PREFIX_BYTES, HEAD_BYTES + size + CRC_BYTES, &r->table, err);
    if (rc != TD_OK)
        return rc;
    const uint8_t *data = r->table.data;
    if (td_crc32(0, data, HEAD_BYTES + (size_t)size) != td_le32(data + HEAD_BYTES + size))
        return malformed(err);
    *count = td_le32(data + 8);
    *table = td_bytes_of(data + HEAD_BYTES, (size_t)size);
    return TD_OK;
}

static td_result read_state(checkpoint_reader *r, uint64_t at, const checkpoint_entry *entry,
                            td_err *err)
{
    const checkpoint_visitor *visitor = r->visitor;
    td_result rc = read_at(r, at, entry->stored_bytes, &r->stored, err);
    const mcap_chunk stored = {.uncompressed_bytes = entry->raw_bytes,
                               .uncompressed_crc = entry->crc,
                               .compression = td_bytes_str(CHUNK_ZSTD),
                               .records = td_buf_view(&r->stored)};
    if (rc == TD_OK)
        rc = chunk_decompress(r->coder, &stored, 0, &r->state, err);
    if (rc == TD_OK && visitor->state != NULL)
        rc = visitor->state(visitor->user, entry->symbol, td_buf_view(&r->state), err);
    return rc;
}

static td_result read_states(checkpoint_reader *r, const segment_checkpoint *at, td_bytes table,
                             uint32_t count, td_err *err)
{
    const checkpoint_visitor *visitor = r->visitor;
    uint64_t states_at = at->offset + MCAP_PREFIX_BYTES + r->table.size;
    uint64_t left = at->bytes - MCAP_PREFIX_BYTES - r->table.size;
    td_result rc = TD_OK;
    for (uint32_t i = 0; i < count && rc == TD_OK; i++) {
        checkpoint_entry entry;
        if (!next_entry(&table, &entry) || entry.stored_bytes > left)
            return malformed(err);
        int is_wanted = visitor->wants == NULL || visitor->wants(visitor->user, entry.symbol);
        if (is_wanted && entry.stored_bytes > 0)
            rc = read_state(r, states_at, &entry, err);
        else if (is_wanted && visitor->state != NULL)
            rc = visitor->state(visitor->user, entry.symbol, td_bytes_of(NULL, 0), err);
        states_at += entry.stored_bytes;
        left -= entry.stored_bytes;
    }
    return rc == TD_OK && (left > 0 || table.size > 0) ? malformed(err) : rc;
}

td_result checkpoint_read(td_file *file, const segment_checkpoint *at,
                          const checkpoint_visitor *visitor, td_err *err)
{
    checkpoint_reader r = {.file = file, .visitor = visitor, .coder = codec_open()};
    td_bytes table = {0};
    uint32_t count = 0;
    td_buf_init(&r.table, LIMIT_RECORD_BYTES);
    td_buf_init(&r.stored, LIMIT_RECORD_BYTES);
    td_buf_init(&r.state, LIMIT_CHUNK_BYTES);
    td_result rc = read_table(&r, at, &table, &count, err);
    if (rc == TD_OK)
        rc = read_states(&r, at, table, count, err);
    td_buf_fini(&r.table);
    td_buf_fini(&r.stored);
    td_buf_fini(&r.state);
    codec_close(r.coder);
    return rc == TD_OK ? rc : td_err_add(err, rc, "checkpoint at %" PRIu64, at->offset);
}

/* ---- in the summary ---- */

void checkpoint_index_encode(td_buf *out, const segment_checkpoint *in)
{
    uint8_t bytes[MCAP_PREFIX_BYTES + CHECKPOINT_INDEX_CONTENT_BYTES];
    mcap_write_prefix(bytes, CHECKPOINT_INDEX_OPCODE, CHECKPOINT_INDEX_CONTENT_BYTES);
    td_put_le64(bytes + MCAP_PREFIX_BYTES, in->at_ns);
    td_put_le64(bytes + MCAP_PREFIX_BYTES + 8, in->offset);
    td_put_le64(bytes + MCAP_PREFIX_BYTES + 16, in->bytes);
    td_buf_add(out, bytes, sizeof bytes);
}

td_result checkpoint_index_decode(td_bytes content, segment_checkpoint *out, td_err *err)
{
    if (content.size != CHECKPOINT_INDEX_CONTENT_BYTES)
        return td_err_set(err, TD_E_CORRUPT, "a checkpoint index of %zu bytes", content.size);
    *out = (segment_checkpoint){.at_ns = td_le64(content.data),
                                .offset = td_le64(content.data + 8),
                                .bytes = td_le64(content.data + 16)};
    return TD_OK;
}

td_result checkpoint_at_ns(td_bytes content, uint64_t *at_ns, td_err *err)
{
    if (content.size < HEAD_BYTES + CRC_BYTES)
        return td_err_set(err, TD_E_CORRUPT, "a checkpoint of %zu bytes", content.size);
    *at_ns = td_le64(content.data);
    return TD_OK;
}
