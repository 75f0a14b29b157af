/* Encodings of a page's values (Parquet's Encodings.md), appended to a buffer that must have enough
 * space (asserted). Pure functions. */
#ifndef TD_PARQUET_ENCODING_H
#define TD_PARQUET_ENCODING_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The format's numbers for encodings. */
typedef enum parquet_encoding {
    ENCODING_PLAIN = 0,
    ENCODING_RLE = 3,
    ENCODING_DELTA_BINARY_PACKED = 5,
    ENCODING_RLE_DICTIONARY = 8,
} parquet_encoding;

/* PLAIN for a BOOLEAN column: one bit per value, the lowest first. */
void encode_bits(td_buf *out, const int64_t *values, size_t count);

/* DELTA_BINARY_PACKED for 64-bit values. */
void encode_deltas(td_buf *out, const int64_t *values, size_t count);

/* The same index of a dictionary, count times. */
typedef struct index_run {
    uint32_t index;
    uint32_t count;
} index_run;

/* RLE_DICTIONARY: the bit width of the indexes, then runs: a repeated run for eight or more equal
 * indexes, or if all are equal; bit-packed runs for the others. count > 0. */
void encode_indexes(td_buf *out, const index_run *runs, size_t count);

/* An RLE run: count copies of a level, which is 0 or 1. count > 0. */
void encode_run(td_buf *out, uint8_t level, size_t count);

#endif
