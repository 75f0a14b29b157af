/* Writes one Parquet file of flat columns, row by row. The format is version 2.11 of
 * https://github.com/apache/parquet-format; docs/export.md lists the parts that this writer uses.
 *
 * Rows are held (export/parquet/held_rows.h) until their row group ends, and are then encoded
 * column by column: times and 64-bit numbers as DELTA_BINARY_PACKED; texts and 128-bit decimals as
 * RLE_DICTIONARY until the dictionary has PARQUET_DICTIONARY_BYTES, then as PLAIN. Pages are
 * compressed with zstd and have a CRC. Column chunks have statistics: the smallest and largest
 * value and the number of nulls. The same rows give the same bytes.
 *
 * Memory: a row group ends when it has PARQUET_GROUP_ROWS or when its held rows reach
 * PARQUET_GROUP_BYTES. A file needs these bytes, 40 bytes for each column, and one row of any size.
 * The memory for encoding, a few MiB, is allocated only while a group is written. One thread.
 */
#ifndef TD_PARQUET_PARQUET_WRITER_H
#define TD_PARQUET_PARQUET_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/decimal.h"
#include "base/err.h"

enum {
    PARQUET_PAGE_BYTES = 32 << 10, /* bytes of a page's values, uncompressed */
    PARQUET_DICTIONARY_BYTES = 64 << 10,
    PARQUET_GROUP_BYTES = 384 << 10,
    PARQUET_GROUP_ROWS = 1 << 20,
    PARQUET_BOUND_BYTES = 256, /* longest text in statistics: if a chunk has a longer text, its
                                  statistics have no smallest and largest value */
};

typedef enum parquet_kind {
    PARQUET_BOOL,
    PARQUET_U8,  /* INT32, unsigned 8 bits */
    PARQUET_U64, /* INT64, unsigned */
    PARQUET_I64,
    PARQUET_TIME_NS,     /* INT64, ns since 1970 (UTC) */
    PARQUET_DECIMAL_64,  /* INT64, DECIMAL(18, scale) */
    PARQUET_DECIMAL_128, /* 16 bytes, DECIMAL(38, scale) */
    PARQUET_F64,         /* DOUBLE: the nearest one to a decimal */
    PARQUET_TEXT,        /* UTF-8 */
    PARQUET_KIND_COUNT,
} parquet_kind;

typedef struct parquet_column {
    const char *name;
    parquet_kind kind;
    uint8_t scale; /* decimal places of a DECIMAL, up to TD_DECIMAL_SCALE_MAX */
    uint8_t is_optional;
} parquet_column;

/* An entry of the file's metadata. */
typedef struct parquet_key_value {
    const char *key;
    const char *value;
} parquet_key_value;

enum { PARQUET_NOT_SORTED = -1 };

typedef struct parquet_schema {
    const parquet_column *columns;
    size_t column_count;
    const parquet_key_value *pairs;
    size_t pair_count;
    int sorted_by; /* index of a column of numbers, or PARQUET_NOT_SORTED. A row group is marked as
                      sorted by this column if its values never fall. */
    uint32_t group_rows; /* maximum rows in a row group; 0: PARQUET_GROUP_ROWS */
} parquet_schema;

/* Receives the file's bytes, in order: each row group at once, then the footer. */
typedef struct parquet_out {
    td_result (*write)(void *ctx, td_bytes bytes, td_err *err);
    void *ctx;
    codec_slot *coders; /* borrowed; one for many files: a row group takes its codec there, which
                           saves a thirtieth of an export's instructions */
} parquet_out;

typedef struct parquet_writer parquet_writer;

/* Opens a writer. Nothing is written yet. The schema is borrowed until the writer is closed. */
TD_NEVER_NULL parquet_writer *parquet_open(const parquet_schema *schema, parquet_out out);

/* Put the values of a row, one for each column, in any order; then call parquet_end_row. A null
 * needs an optional column; an integer needs a column of kind BOOL to TIME_NS (for U64, the value's
 * bits). */
void parquet_put_null(parquet_writer *writer, size_t column);
void parquet_put_integer(parquet_writer *writer, size_t column, int64_t value);
void parquet_put_text(parquet_writer *writer, size_t column, td_bytes text);

/* Puts a text, not NULL, that never changes while the writer is open: whether the row before has it
 * is known by its address, in a fifth of the time of parquet_put_text. */
void parquet_put_word(parquet_writer *writer, size_t column, const char *word);

/* Puts `count` values at once: columns that the caller does not put have the values of the row
 * before. 0: the row group has no row yet, so all values must be put. */
int parquet_keep(parquet_writer *writer, size_t count);

/* Puts a decimal. TD_E_LIMIT: the column is a DECIMAL that cannot hold the value exactly; the error
 * names value and column, and the file cannot be continued. */
TD_MUST_USE td_result parquet_put_decimal(parquet_writer *writer, size_t column, td_decimal value,
                                          td_err *err);

/* Puts a decimal that may be too large for td_decimal. text: [-]digits[.digits]. Same errors as
 * parquet_put_decimal. */
TD_MUST_USE td_result parquet_put_big_decimal(parquet_writer *writer, size_t column, td_bytes text,
                                              td_err *err);

/* Ends the row, which must have all of its values (asserted). May write; returns the result of
 * out.write. */
TD_MUST_USE td_result parquet_end_row(parquet_writer *writer, td_err *err);

/* Writes the rest of the file. Returns the result of out.write. */
TD_MUST_USE td_result parquet_finish(parquet_writer *writer, td_err *err);

/* Frees the writer; NULL is fine. */
void parquet_close(parquet_writer *writer);

#endif
