/* Blocks and decodes of a baseline. */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "regress/baseline_impl.h"

enum { PACK_LEVEL = 3, ID_BYTES = 2, HASH_BYTES = 8 };

_Static_assert(BLOCK_BYTES == BASELINE_BLOCK_FRAMES * (ID_BYTES + HASH_BYTES), "a block fits");

static uint64_t place_of(uint32_t stream, uint32_t number)
{
    TD_ASSERT(stream <= INT32_MAX);
    return (uint64_t)stream << 32 | number;
}

/* ---- blocks ---- */

/* A block as its row has it. */
typedef struct block_row {
    uint64_t frames, first_ns, last_ns;
    uint64_t sum;
    td_bytes ids, hashes; /* as the file has them; valid until the row's query is used again */
} block_row;

static uint64_t block_sum(uint32_t stream, uint32_t number, const block_row *row)
{
    uint64_t sum = baseline_sum_number(0, place_of(stream, number));
    sum = baseline_sum_number(sum, row->frames);
    sum = baseline_sum_number(sum, row->first_ns);
    sum = baseline_sum_number(sum, row->last_ns);
    sum = baseline_sum_bytes(sum, row->ids.data, row->ids.size);
    return baseline_sum_bytes(sum, row->hashes.data, row->hashes.size);
}

/* The checksum of a row that is shared with the reference. */
static uint64_t shared_sum(uint32_t stream, uint32_t number, uint64_t sum_there)
{
    return baseline_sum_number(sum_there, place_of(stream, number));
}

static database_query find_row(baseline *b, baseline_statement statement, uint32_t stream,
                               uint32_t number)
{
    database_query query = database_query_begin(b->db, statement);
    database_bind_u64(&query, place_of(stream, number));
    return query;
}

/* Columns that both statements have. */
static block_row row_head(const database_query *query)
{
    return (block_row){.frames = database_column_u64(query, 0),
                       .first_ns = database_column_u64(query, 1),
                       .last_ns = database_column_u64(query, 2),
                       .sum = baseline_column_sum(query, 3)};
}

static int is_time_same(const block_row *a, const block_row *b)
{
    return a->frames == b->frames && a->first_ns == b->first_ns && a->last_ns == b->last_ns;
}

/* The reference's stream with the names of one of the baseline; NULL: none. */
static const baseline_stream *stream_there(const baseline *b, uint32_t stream)
{
    const baseline_stream *own = baseline_stream_of(b, stream);
    if (b->reference == NULL)
        return NULL;
    return baseline_find_stream(b->reference, own->feed, own->topic, own->symbol,
                                own->exchange_topic);
}

/* If the reference has the row, take its place: checksums are compared, not frames. */
static td_result share_row(baseline *b, uint32_t stream, uint32_t number, block_row *row,
                           td_err *err)
{
    const baseline_stream *there = stream_there(b, stream);
    if (there == NULL)
        return TD_OK;
    database_query query = find_row(b->reference, STATEMENT_GET_BLOCK_SUM, there->id, number);
    td_result rc = database_query_next(&query, err);
    if (rc == TD_OK) {
        const block_row had = row_head(&query);
        if (is_time_same(&had, row) && had.sum == block_sum(there->id, number, row)) {
            row->sum = shared_sum(stream, number, had.sum);
            row->ids.size = row->hashes.size = 0;
        }
    }
    return database_query_end(&query, rc);
}

td_result baseline_put_block(baseline *b, const baseline_block *block, td_err *err)
{
    TD_ASSERT(b->access == BASELINE_EXTEND);
    TD_ASSERT(block->frames >= 1);
    TD_ASSERT(block->frames <= BASELINE_BLOCK_FRAMES);
    TD_ASSERT(baseline_stream_of(b, block->stream) != NULL);
    size_t count = block->frames;
    uint8_t *ids = b->bytes;
    uint8_t *hashes = b->bytes + count * ID_BYTES;
    for (size_t i = 0; i < count; i++) {
        td_put_le16(ids + i * ID_BYTES, block->ids[i]);
        td_put_le64(hashes + i * HASH_BYTES, block->hashes[i]);
    }
    block_row row = {.frames = count,
                     .first_ns = block->first_ns,
                     .last_ns = block->last_ns,
                     .ids = td_bytes_of(ids, count * ID_BYTES),
                     .hashes = td_bytes_of(hashes, count * HASH_BYTES)};
    row.sum = block_sum(block->stream, block->number, &row);
    td_result rc = share_row(b, block->stream, block->number, &row, err);
    if (rc != TD_OK)
        return rc;
    database_query query = find_row(b, STATEMENT_PUT_BLOCK, block->stream, block->number);
    database_bind_u64(&query, row.frames);
    database_bind_u64(&query, row.first_ns);
    database_bind_u64(&query, row.last_ns);
    baseline_bind_sum(&query, row.sum);
    database_bind_blob(&query, row.ids.data, row.ids.size);
    database_bind_blob(&query, row.hashes.data, row.hashes.size);
    return database_query_run(&query, err);
}

static td_result wrong_block(const baseline *b, uint32_t stream, uint32_t number, td_err *err)
{
    return baseline_damage(b, err, "the checksum of block %u of stream %u is wrong", number,
                           stream);
}

/* The frames of a row, into the arrays of a baseline. */
static void unpack_row(const block_row *row, baseline *into)
{
    TD_ASSERT(row->ids.data != NULL && row->hashes.data != NULL);
    for (size_t i = 0; i < row->frames; i++) {
        into->ids[i] = td_le16(row->ids.data + i * ID_BYTES);
        into->hashes[i] = td_le64(row->hashes.data + i * HASH_BYTES);
    }
}

/* The row of a block that has so many frames; those, if the row has them, into the arrays of the
 * same baseline or another one. */
static td_result read_row(baseline *b, uint32_t stream, uint32_t number, uint64_t frames,
                          baseline *into, block_row *row, td_err *err)
{
    database_query query = find_row(b, STATEMENT_GET_BLOCK, stream, number);
    td_result rc = database_query_next(&query, err);
    if (rc == TD_OK) {
        *row = row_head(&query);
        row->ids = database_column_blob(&query, 4);
        row->hashes = database_column_blob(&query, 5);
        int is_shared = b->reference != NULL && row->ids.size + row->hashes.size == 0;
        int is_whole = row->ids.size == frames * ID_BYTES &&
                       row->hashes.size == frames * HASH_BYTES &&
                       row->sum == block_sum(stream, number, row);
        if (row->frames != frames || !(is_shared || is_whole))
            rc = wrong_block(b, stream, number, err);
        else if (!is_shared)
            unpack_row(row, into);
    } else if (rc == TD_EOF) {
        rc = baseline_damage(b, err, "block %u of stream %u is missing", number, stream);
    }
    return database_query_end(&query, rc);
}

/* The frames of a row that is shared, into b's own arrays: what was read from the reference before
 * stays valid. */
static td_result read_shared(baseline *b, uint32_t stream, uint32_t number, const block_row *row,
                             td_err *err)
{
    block_row had = {.frames = 0};
    const baseline_stream *there = stream_there(b, stream);
    if (there == NULL)
        return wrong_block(b, stream, number, err);
    td_result rc = read_row(b->reference, there->id, number, row->frames, b, &had, err);
    if (rc == TD_OK &&
        (!is_time_same(&had, row) || row->sum != shared_sum(stream, number, had.sum)))
        rc = wrong_block(b, stream, number, err);
    return rc;
}

td_result baseline_get_block(baseline *b, uint32_t stream, uint32_t number, baseline_block *out,
                             td_err *err)
{
    const baseline_stream *of = baseline_stream_of(b, stream);
    uint64_t first = (uint64_t)number * BASELINE_BLOCK_FRAMES;
    if (of == NULL || first >= of->frames)
        return TD_EOF;
    uint64_t frames = of->frames - first;
    if (frames > BASELINE_BLOCK_FRAMES)
        frames = BASELINE_BLOCK_FRAMES;
    block_row row = {.frames = 0};
    td_result rc = read_row(b, stream, number, frames, b, &row, err);
    if (rc == TD_OK && row.ids.size == 0)
        rc = read_shared(b, stream, number, &row, err);
    *out = (baseline_block){.stream = stream,
                            .number = number,
                            .frames = (uint32_t)frames,
                            .first_ns = row.first_ns,
                            .last_ns = row.last_ns,
                            .ids = b->ids,
                            .hashes = b->hashes};
    return rc;
}

td_result baseline_count_shared(baseline *b, uint32_t stream, const baseline *with,
                                uint32_t with_stream, uint64_t *frames, td_err *err)
{
    const baseline_stream *of = baseline_stream_of(b, stream);
    const baseline_stream *there = of == NULL ? NULL : stream_there(b, stream);
    *frames = 0;
    if (there == NULL || b->reference != with || there->id != with_stream)
        return TD_OK;
    *frames = of->frames;
    database_query query = database_query_begin(b->db, STATEMENT_FIND_OWN_BLOCK);
    database_bind_u64(&query, place_of(stream, 0));
    database_bind_u64(&query, place_of(stream, UINT32_MAX));
    td_result rc = database_query_next(&query, err);
    if (rc == TD_OK)
        *frames = (database_column_u64(&query, 0) & UINT32_MAX) * BASELINE_BLOCK_FRAMES;
    return database_query_end(&query, rc);
}

td_result baseline_sum_blocks(baseline *b, uint64_t *sum, td_err *err)
{
    database_query query = database_query_begin(b->db, STATEMENT_GET_BLOCK_SUMS);
    td_result rc = TD_OK;
    *sum = 0;
    while (rc == TD_OK && (rc = database_query_next(&query, err)) == TD_OK)
        *sum = baseline_sum_number(*sum, baseline_column_sum(&query, 0));
    return database_query_end(&query, rc);
}

/* ---- adding frames ---- */

/* The counts of a stream with those of a part. */
static baseline_stream sum_counts(const baseline_stream *had, const baseline_stream *more)
{
    baseline_stream sum = *more;
    sum.frames += had->frames;
    sum.decoded += had->decoded;
    sum.undecoded += had->undecoded;
    sum.items += had->items;
    sum.snapshots += had->snapshots;
    sum.deltas += had->deltas;
    if (had->frames > 0)
        sum.first_ns = had->first_ns;
    return sum;
}

/* The stream of a part, as it is without the part; made if there is none. */
static td_result stream_for(baseline *b, const baseline_stream *of, const baseline_stream **out,
                            td_err *err)
{
    uint32_t id;
    *out = baseline_find_stream(b, of->feed, of->topic, of->symbol, of->exchange_topic);
    if (*out != NULL)
        return TD_OK;
    const baseline_stream empty = {.feed = of->feed,
                                   .topic = of->topic,
                                   .symbol = of->symbol,
                                   .exchange_topic = of->exchange_topic,
                                   .family = of->family,
                                   .has_book = of->has_book};
    td_result rc = baseline_put_stream(b, &empty, &id, err);
    if (rc == TD_OK)
        *out = baseline_stream_of(b, id);
    return rc;
}

/* Put the frames of one block, after those that the block has (in b->ids and b->hashes). */
static td_result fill_block(baseline *b, baseline_block *block, uint32_t had,
                            const baseline_part *part, size_t from, size_t count, td_err *err)
{
    memcpy(b->ids + had, part->ids + from, count * sizeof *part->ids);
    memcpy(b->hashes + had, part->hashes + from, count * sizeof *part->hashes);
    if (had == 0)
        block->first_ns = part->recv_ns[from];
    block->last_ns = part->recv_ns[from + count - 1];
    block->frames = had + (uint32_t)count;
    block->ids = b->ids;
    block->hashes = b->hashes;
    return baseline_put_block(b, block, err);
}

static td_result add_blocks(baseline *b, const baseline_part *part, uint32_t stream,
                            uint64_t before, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t done = 0; done < part->of.frames && rc == TD_OK;) {
        uint64_t at = before + done;
        uint32_t had = (uint32_t)(at % BASELINE_BLOCK_FRAMES);
        size_t count = BASELINE_BLOCK_FRAMES - had;
        if (count > part->of.frames - done)
            count = (size_t)(part->of.frames - done);
        baseline_block block = {.stream = stream, .number = (uint32_t)(at / BASELINE_BLOCK_FRAMES)};
        if (had > 0)
            rc = baseline_get_block(b, stream, block.number, &block, err);
        if (rc == TD_OK)
            rc = fill_block(b, &block, had, part, done, count, err);
        done += count;
    }
    return rc;
}

static uint64_t piece_sum(uint32_t stream, const baseline_piece *piece)
{
    uint64_t sum = baseline_sum_number(0, stream);
    sum = baseline_sum_number(sum, piece->first);
    sum = baseline_sum_number(sum, piece->frames);
    sum = baseline_sum_number(sum, piece->bytes);
    return baseline_sum_bytes(sum, piece->packed.data, piece->packed.size);
}

static td_result add_pieces(baseline *b, const baseline_part *part, uint32_t stream,
                            uint64_t before, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < part->piece_count && rc == TD_OK; i++) {
        baseline_piece piece = part->pieces[i];
        piece.first += before;
        database_query query = database_query_begin(b->db, STATEMENT_PUT_PIECE);
        database_bind_u64(&query, stream);
        database_bind_u64(&query, piece.first);
        database_bind_u64(&query, piece.frames);
        database_bind_u64(&query, piece.bytes);
        database_bind_blob(&query, piece.packed.data, piece.packed.size);
        baseline_bind_sum(&query, piece_sum(stream, &piece));
        rc = database_query_run(&query, err);
    }
    return rc;
}

td_result baseline_add(baseline *b, const baseline_part *part, td_err *err)
{
    const baseline_stream *own;
    uint32_t id;
    TD_ASSERT((part->piece_count > 0) == (b->meta.is_full && part->of.frames > 0));
    td_result rc = stream_for(b, &part->of, &own, err);
    if (rc != TD_OK || part->of.frames == 0)
        return rc;
    rc = add_blocks(b, part, own->id, own->frames, err);
    if (rc == TD_OK)
        rc = add_pieces(b, part, own->id, own->frames, err);
    if (rc != TD_OK)
        return rc;
    const baseline_stream sum = sum_counts(own, &part->of);
    return baseline_put_stream(b, &sum, &id, err);
}

/* ---- decodes ---- */

td_result baseline_pack(td_bytes lines, td_buf *out, td_err *err)
{
    codec *coder = codec_open();
    if (coder == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to compress decodes");
    td_buf_clear(out);
    size_t bound = codec_bound(CODEC_ZSTD, lines.size);
    td_result rc = td_buf_reserve(out, bound, err);
    if (rc == TD_OK)
        rc =
            codec_compress(coder, CODEC_ZSTD, PACK_LEVEL, lines, out->data, bound, &out->size, err);
    codec_close(coder);
    return rc;
}

/* The piece with a frame, into b->piece and b->lines. TD_EOF: there is none. */
static td_result read_piece(baseline *b, const database_query *query, uint32_t stream, td_err *err)
{
    baseline_piece piece = {.first = database_column_u64(query, 0),
                            .frames = (uint32_t)database_column_u64(query, 1),
                            .bytes = (uint32_t)database_column_u64(query, 2),
                            .packed = database_column_blob(query, 3)};
    if (piece_sum(stream, &piece) != baseline_column_sum(query, 4))
        return baseline_damage(
            b, err, "the checksum of the decodes of stream %u from frame %" PRIu64 " on is wrong",
            stream, piece.first);
    if (b->coder == NULL && (b->coder = codec_open()) == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to read decodes");
    td_buf_clear(&b->lines);
    td_result rc = td_buf_reserve(&b->lines, piece.bytes, err);
    if (rc == TD_OK)
        rc = codec_decompress(b->coder, CODEC_ZSTD, piece.packed, b->lines.data, piece.bytes, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "decodes of stream %u", stream);
    b->lines.size = piece.bytes;
    b->piece = piece;
    b->piece.packed = (td_bytes){0};
    b->piece_stream = stream;
    return TD_OK;
}

static int has_piece(const baseline *b, uint32_t stream, uint64_t index)
{
    return b->piece_stream == stream && index >= b->piece.first &&
           index - b->piece.first < b->piece.frames;
}

static td_result load_piece(baseline *b, uint32_t stream, uint64_t index, td_err *err)
{
    if (has_piece(b, stream, index))
        return TD_OK;
    b->piece = (baseline_piece){0};
    database_query query = database_query_begin(b->db, STATEMENT_FIND_PIECE);
    database_bind_u64(&query, stream);
    database_bind_u64(&query, index);
    td_result rc = database_query_next(&query, err);
    if (rc == TD_OK)
        rc = read_piece(b, &query, stream, err);
    if (rc == TD_EOF || (rc == TD_OK && !has_piece(b, stream, index)))
        rc = baseline_damage(b, err, "the decode of frame %" PRIu64 " of stream %u is missing",
                             index, stream);
    return database_query_end(&query, rc);
}

td_result baseline_get_decode(baseline *b, uint32_t stream, uint64_t index, td_bytes *out,
                              td_err *err)
{
    const baseline_stream *of = baseline_stream_of(b, stream);
    if (of == NULL || index >= of->frames || !b->meta.is_full)
        return TD_EOF;
    td_result rc = load_piece(b, stream, index, err);
    if (rc != TD_OK)
        return rc;
    const uint8_t *at = b->lines.data;
    const uint8_t *end = at + b->lines.size;
    for (uint64_t i = b->piece.first;; i++) {
        const uint8_t *lf = at == end ? NULL : memchr(at, '\n', (size_t)(end - at));
        if (lf == NULL)
            return baseline_damage(b, err, "the decode of frame %" PRIu64 " of stream %u is cut",
                                   index, stream);
        *out = td_bytes_of(at, (size_t)(lf - at));
        if (i == index)
            return TD_OK;
        at = lf + 1;
    }
}
