/* Rows of makers (export/export_type.h) as text, for tests: one line per row,
 * "exchange,symbol,exchange_us,recv_us,VALUE,..." with "" for absent values; a gap row is
 * "gap,recv_us". */
#ifndef TD_TESTING_ROW_TEXT_H
#define TD_TESTING_ROW_TEXT_H

#include "base/buf.h"
#include "export/export_type.h"

typedef struct row_lines {
    const char *exchange;
    const char *symbol; /* used if a row names no symbol */
    size_t column_count;
    td_buf out;     /* initialised by the test */
    unsigned flags; /* flags of the last row */
    uint64_t synthesized;
} row_lines;

/* Append the lines of a row or a batch. Has the type of row_out.put; ctx: a row_lines. */
td_result row_text_put(void *ctx, const export_row *batch, td_err *err);

#endif
