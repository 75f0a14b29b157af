/* The rows of a row group, until the group is written. A row holds only the values that differ from
 * the values of the row before, so a column that does not change costs a comparison and no memory.
 *
 * The rows are in one buffer, row after row, because thousands of files are open at once: a buffer
 * for each column would waste most of its memory. held_rows_runs orders them by column. One
 * thread. */
#ifndef TD_PARQUET_HELD_ROWS_H
#define TD_PARQUET_HELD_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/decimal.h"

enum { HELD_COLUMNS_MAX = 4095 };

typedef enum held_kind { HELD_NONE, HELD_NULL, HELD_NUMBER, HELD_BYTES } held_kind;

/* A column's value in the last row. */
typedef struct held_column {
    td_decimal last;  /* the last number; 0 after bytes */
    held_kind kind;   /* HELD_NONE: the group has no row */
    uint32_t bytes;   /* HELD_BYTES: offset of the value's size and bytes */
    const char *word; /* HELD_BYTES: the value if it was put as a word, else NULL */
    size_t run_count; /* rows whose value differs from the value of the row before */
} held_column;

typedef struct held_rows {
    td_buf buf;
    held_column *columns;
    size_t column_count;
    size_t row_count; /* complete rows */
    size_t put_count; /* values of the current row */
} held_rows;

/* Equal values of a column in consecutive rows. */
typedef struct held_run {
    int64_t number; /* HELD_NUMBER: the mantissa; HELD_BYTES: an offset, see held_rows_bytes */
    uint32_t row;   /* the first row; the run ends at the next run of the column */
    uint8_t scale;  /* HELD_NUMBER: decimal places */
    uint8_t kind;   /* held_kind */
} held_run;

/* Prepare for the rows of a file, without rows; free all memory. */
void held_rows_init(held_rows *rows, size_t column_count);
void held_rows_fini(held_rows *rows);

/* 1 if the number, with this scale, is the column's value in the last row. Then it counts as put;
 * else call held_rows_put_number. Inline, because most values of wide rows do not change. */
static inline int held_rows_keep_number(held_rows *rows, size_t column, td_decimal value)
{
    const held_column *to = &rows->columns[column];
    int is_kept = to->last.mantissa == value.mantissa && to->last.scale == value.scale &&
                  to->kind == HELD_NUMBER;
    rows->put_count += (size_t)is_kept;
    return is_kept;
}

/* Likewise for `count` columns that are not put: 1 if there is a last row, whose values they have.
 */
static inline int held_rows_keep(held_rows *rows, size_t count)
{
    int is_kept = rows->row_count > 0;
    rows->put_count += is_kept ? count : 0;
    return is_kept;
}

/* Put a value of the current row, once for each column, in any order. */
void held_rows_put_number(held_rows *rows, size_t column, td_decimal value);
void held_rows_put_bytes(held_rows *rows, size_t column, td_bytes value);
void held_rows_put_null(held_rows *rows, size_t column);

/* Ends the row, which must have all of its values (asserted). */
void held_rows_end_row(held_rows *rows);

/* The runs of all columns, column by column (run_count of each). Free with td_free.
 * All rows must be complete. */
TD_NEVER_NULL held_run *held_rows_runs(const held_rows *rows);

/* The bytes of a run of the kind HELD_BYTES. */
td_bytes held_rows_bytes(const held_rows *rows, const held_run *run);

/* Removes all rows, and frees the buffer: of thousands of files, most have few rows at a time. */
void held_rows_clear(held_rows *rows);

#endif
