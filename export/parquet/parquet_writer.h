/* Writes one Parquet file: flat columns, rows one after another. The format is that of
 * https://github.com/apache/parquet-format, version 2.11; docs/export.md says what this writer
 * uses.
 *
 * Values go into pages by column: times and numbers of 64 bits as DELTA_BINARY_PACKED, texts and
 * decimals of 128 bits as RLE_DICTIONARY until the dictionary has PARQUET_DICTIONARY_BYTES, then
 * PLAIN. Pages are compressed with zstd and have a CRC. Column chunks have the smallest and largest
 * value and the number of nulls. The same rows give the same bytes.
 *
 * Memory: a row group ends when its compressed pages and its dictionaries have PARQUET_GROUP_BYTES;
 * beside these, the indexes of the dictionaries (at most about twice their bytes), and for each
 * column a page of PARQUET_PAGE_BYTES and one value of any size. One thread. */
#ifndef TD_PARQUET_PARQUET_WRITER_H
#define TD_PARQUET_PARQUET_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/decimal.h"
#include "base/err.h"

enum {
    PARQUET_PAGE_BYTES = 32 << 10, /* of values before they are compressed */
    PARQUET_DICTIONARY_BYTES = 64 << 10,
    PARQUET_GROUP_BYTES = 2 << 20,
    PARQUET_GROUP_ROWS = 1 << 20,
    PARQUET_BOUND_BYTES = 256, /* a chunk with a longer text has no smallest and largest */
};

typedef enum parquet_kind {
    PARQUET_BOOL,
    PARQUET_U8,  /* INT32, unsigned of 8 bits */
    PARQUET_U64, /* INT64, unsigned */
    PARQUET_I64,
    PARQUET_TIME_NS,     /* INT64, ns since 1970 (UTC) */
    PARQUET_DECIMAL_64,  /* INT64, DECIMAL(18, scale) */
    PARQUET_DECIMAL_128, /* 16 bytes, DECIMAL(38, scale) */
    PARQUET_F64,         /* DOUBLE: the nearest one of a decimal */
    PARQUET_TEXT,        /* UTF-8 */
    PARQUET_KIND_COUNT,
} parquet_kind;

typedef struct parquet_column {
    const char *name;
    parquet_kind kind;
    uint8_t scale; /* of decimals: 0 to TD_DECIMAL_SCALE_MAX */
    uint8_t is_optional;
} parquet_column;

/* An entry of the file's metadata. */
typedef struct parquet_pair {
    const char *key;
    const char *value;
} parquet_pair;

enum { PARQUET_NOT_SORTED = -1 };

typedef struct parquet_schema {
    const parquet_column *columns;
    size_t column_count;
    const parquet_pair *pairs;
    size_t pair_count;
    int sorted_by;       /* a column of numbers, or PARQUET_NOT_SORTED: row groups in which its
                            values do not fall are marked as sorted by it */
    uint32_t group_rows; /* of a row group, at most PARQUET_GROUP_ROWS; 0: that */
} parquet_schema;

/* Where the file's bytes go, in order. */
typedef struct parquet_out {
    td_result (*write)(void *ctx, td_bytes bytes, td_err *err);
    void *ctx;
} parquet_out;

typedef struct parquet_writer parquet_writer;

/* A file. The schema is borrowed until it is closed. Writes nothing. */
TD_NEVER_NULL parquet_writer *parquet_open(const parquet_schema *schema, parquet_out out);

/* A row: one value for each column, in any order, then parquet_end_row. A null needs an optional
 * column, an integer one of kinds BOOL to TIME_NS (U64: its bits). */
void parquet_put_null(parquet_writer *writer, size_t column);
void parquet_put_integer(parquet_writer *writer, size_t column, int64_t value);
void parquet_put_text(parquet_writer *writer, size_t column, td_bytes text);

/* TD_E_LIMIT if the column cannot hold the value exactly; the error names both. Then the file
 * cannot be continued. */
TD_MUST_USE td_result parquet_put_decimal(parquet_writer *writer, size_t column, td_decimal value,
                                          td_err *err);

/* The same of a text [-]digits[.digits], for values beyond td_decimal. */
TD_MUST_USE td_result parquet_put_big_decimal(parquet_writer *writer, size_t column, td_bytes text,
                                              td_err *err);

/* The row is complete (asserted). May write. What out returns. */
TD_MUST_USE td_result parquet_end_row(parquet_writer *writer, td_err *err);

/* The file is complete: write the rest. What out returns. */
TD_MUST_USE td_result parquet_finish(parquet_writer *writer, td_err *err);

/* Free it; NULL is fine. */
void parquet_close(parquet_writer *writer);

#endif
