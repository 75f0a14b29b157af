/* Reads and changes files of parquet_writer.h as far as a finished file has to be changed: the
 * metadata in its footer, and the row of a file with one row. Any bytes are safe; those of another
 * writer, or damaged ones, are TD_E_INVALID. Functions of bytes. */
#ifndef TD_PARQUET_PARQUET_READER_H
#define TD_PARQUET_PARQUET_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "export/parquet/parquet_writer.h"

/* A file ends with the size of its footer and a magic. */
enum { PARQUET_TAIL_BYTES = 8 };

/* Size of the footer, with the tail. tail: the last PARQUET_TAIL_BYTES of a file of file_bytes.
 * TD_E_INVALID. */
TD_MUST_USE td_result parquet_footer_size(const uint8_t tail[PARQUET_TAIL_BYTES],
                                          uint64_t file_bytes, uint64_t *out, td_err *err);

/* Set an entry of the metadata in a footer with its tail. An entry that is absent stays absent.
 * TD_E_INVALID. */
TD_MUST_USE td_result parquet_footer_set(td_buf *footer, parquet_pair entry, td_err *err);

/* A value of a row: of a column of texts, or of BOOL to TIME_NS. */
typedef struct parquet_value {
    uint8_t is_null;
    int64_t integer;
    char *text; /* owned by the caller; NULL: the column has numbers, or the value is null */
    size_t text_bytes;
} parquet_value;

/* Read the first row of a file with these columns, of which none is of decimals and those of
 * numbers are not optional. values: one for each column. TD_E_INVALID; then there is no text to
 * free. */
TD_MUST_USE td_result parquet_read_row(td_bytes file, const parquet_column *columns,
                                       size_t column_count, parquet_value *values, td_err *err);

#endif
