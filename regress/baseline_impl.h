/* Inside of the baseline: what baseline*.c share. */
#ifndef TD_REGRESS_BASELINE_IMPL_H
#define TD_REGRESS_BASELINE_IMPL_H

#include "base/database.h"
#include "base/slot_table.h"
#include "format/codec.h"
#include "regress/baseline.h"

/* Statements that are prepared once and kept; their text is in baseline.c. */
typedef enum baseline_statement {
    STATEMENT_PUT_META,
    STATEMENT_GET_META,
    STATEMENT_PUT_STREAM,
    STATEMENT_GET_STREAMS,
    STATEMENT_PUT_BLOCK,
    STATEMENT_GET_BLOCK,
    STATEMENT_GET_BLOCK_SUM,
    STATEMENT_GET_BLOCK_SUMS,
    STATEMENT_FIND_OWN_BLOCK,
    STATEMENT_PUT_PIECE,
    STATEMENT_FIND_PIECE,
    STATEMENT_SUM_PIECES,
    STATEMENT_COUNT,
} baseline_statement;

enum { META_TEXTS = 7, BLOCK_BYTES = BASELINE_BLOCK_FRAMES * (2 + 8) };

struct baseline {
    database *db;
    baseline_access access;
    baseline *reference; /* NULL: none */
    baseline_meta meta;
    char *texts[META_TEXTS];   /* of meta */
    baseline_stream **streams; /* by id - 1 */
    size_t stream_count;
    slot_table by_names;
    baseline_stream **sorted; /* as baseline_stream_at has them; as of sorted_count streams */
    size_t sorted_count;
    /* The last block and piece that were read, or are being written. */
    uint16_t ids[BASELINE_BLOCK_FRAMES];
    uint64_t hashes[BASELINE_BLOCK_FRAMES];
    uint8_t bytes[BLOCK_BYTES]; /* arrays as the file has them */
    baseline_piece piece;       /* frames 0: none; packed is empty */
    uint32_t piece_stream;
    td_buf lines; /* of piece */
    codec *coder;
};

/* The stream of an id, or NULL. */
baseline_stream *baseline_stream_of(const baseline *b, uint32_t id);

/* The checksums of all blocks, in their order, in one. */
td_result baseline_sum_blocks(baseline *b, uint64_t *sum, td_err *err);

/* A checksum over numbers, texts and bytes: XXH64 of each, mixed in order. */
uint64_t baseline_sum_number(uint64_t sum, uint64_t number);
uint64_t baseline_sum_bytes(uint64_t sum, const void *bytes, size_t size);

/* Bind and read a checksum: all 64 bits. */
void baseline_bind_sum(database_query *query, uint64_t sum);
uint64_t baseline_column_sum(const database_query *query, int column);

/* "baseline 'x': <what>", TD_E_CORRUPT. */
td_result baseline_damage(const baseline *b, td_err *err, const char *format, ...) TD_PRINTF(3, 4);

#endif
