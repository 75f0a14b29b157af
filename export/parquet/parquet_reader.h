/* Reads and changes finished files that parquet_writer.h wrote. Supports only what export needs:
 * the metadata in a footer, and the row of a file with one row. Safe for any bytes: a damaged file,
 * or a file from another writer, gives TD_E_INVALID. Pure functions. */
#ifndef TD_PARQUET_PARQUET_READER_H
#define TD_PARQUET_PARQUET_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "export/parquet/parquet_writer.h"

/* Bytes at the end of a file, after the footer: the footer's size and "PAR1". */
enum { PARQUET_TAIL_BYTES = 8 };

/* Sets *out to the size of the footer plus PARQUET_TAIL_BYTES. tail: the last bytes of a file;
 * file_bytes: the file's size. TD_E_INVALID. */
TD_MUST_USE td_result parquet_footer_size(const uint8_t tail[PARQUET_TAIL_BYTES],
                                          uint64_t file_bytes, uint64_t *out, td_err *err);

/* Changes an entry of the metadata. footer: a footer and the tail after it. An entry that is absent
 * is not added. TD_E_INVALID. */
TD_MUST_USE td_result parquet_footer_set(td_buf *footer, parquet_key_value entry, td_err *err);

/* A value of a row, from a text column or from a column of a kind from BOOL to TIME_NS. */
typedef struct parquet_value {
    uint8_t is_null;
    int64_t integer;
    char *text; /* owned by the caller; NULL for a number or null */
    size_t text_bytes;
} parquet_value;

/* Reads the first row of a file. The columns must match the file's and have no decimals; columns of
 * numbers must not be optional. values: one per column. After TD_E_INVALID no text is allocated. */
TD_MUST_USE td_result parquet_read_row(td_bytes file, const parquet_column *columns,
                                       size_t column_count, parquet_value *values, td_err *err);

#endif
