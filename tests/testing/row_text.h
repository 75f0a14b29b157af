/* Rows of makers as text, for tests: a line for each,
 * "exchange,symbol,exchange_us,recv_us,VALUE,..." with "" for absent values; gap rows are
 * "gap,recv_us". */
#ifndef TD_TESTING_ROW_TEXT_H
#define TD_TESTING_ROW_TEXT_H

#include "base/buf.h"
#include "export/export_type.h"

typedef struct row_lines {
    const char *exchange;
    const char *symbol; /* where a row names none */
    size_t column_count;
    td_buf out;     /* initialised by the test */
    unsigned flags; /* of the last row */
    uint64_t synthesized;
} row_lines;

/* A row_out's put, with a row_lines as its ctx. */
td_result row_text_put(void *ctx, const export_row *row, td_err *err);

#endif
