/* Encodings of a page's values (Parquet's Encodings.md), appended to a buffer that has space for
 * them (asserted). Pure functions. */
#ifndef TD_PARQUET_ENCODING_H
#define TD_PARQUET_ENCODING_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Numbers of encodings in the file. */
typedef enum parquet_encoding {
    ENCODING_PLAIN = 0,
    ENCODING_RLE = 3,
    ENCODING_DELTA_BINARY_PACKED = 5,
    ENCODING_RLE_DICTIONARY = 8,
} parquet_encoding;

/* PLAIN for BOOLEAN: one bit each, the lowest first. */
void encode_bits(td_buf *out, const int64_t *values, size_t count);

/* DELTA_BINARY_PACKED for 64 bits. */
void encode_deltas(td_buf *out, const int64_t *values, size_t count);

/* RLE_DICTIONARY: the width of the indexes, then one run of them: repeated if all are equal, else
 * bit-packed. count > 0. */
void encode_indexes(td_buf *out, const int64_t *indexes, size_t count);

/* An RLE run: count copies of a level, which is 0 or 1. count > 0. */
void encode_run(td_buf *out, uint8_t level, size_t count);

#endif
