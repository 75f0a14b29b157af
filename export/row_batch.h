/* The rows of a frame with many levels, put in batches: what all rows share is decided once for
 * each batch. A batch is on the maker's stack, for one thread. */
#ifndef TD_EXPORT_ROW_BATCH_H
#define TD_EXPORT_ROW_BATCH_H

#include "export/export_row.h"

enum { BATCH_ROWS = 32, BATCH_COLUMNS = 4 };

typedef struct row_batch {
    const row_out *out;
    export_row row; /* what all rows share */
    row_part parts[BATCH_ROWS];
    msg_value values[BATCH_ROWS][BATCH_COLUMNS];
    size_t waiting; /* rows in parts and values */
    uint64_t count; /* of all rows */
    td_result rc;   /* of the first put that failed; further rows are dropped */
    td_err *err;
} row_batch;

static inline void row_batch_begin(row_batch *batch, const export_row *row, const row_out *out,
                                   td_err *err)
{
    batch->out = out;
    batch->row = *row;
    batch->waiting = 0;
    batch->count = 0;
    batch->rc = TD_OK;
    batch->err = err;
}

/* Puts all rows; the last one gets further flags. */
static inline td_result row_batch_end(row_batch *batch, unsigned last_flags)
{
    if (batch->waiting == 0)
        return batch->rc;
    batch->parts[batch->waiting - 1].flags |= last_flags;
    batch->row.next = batch->parts;
    batch->row.next_count = batch->waiting;
    batch->waiting = 0;
    (void)export_row_next(&batch->row);
    if (batch->rc == TD_OK)
        batch->rc = batch->out->put(batch->out->ctx, &batch->row, batch->err);
    return batch->rc;
}

/* Adds a row. Returns its values, at most BATCH_COLUMNS, which the caller sets. */
static inline msg_value *row_batch_add(row_batch *batch, unsigned flags)
{
    if (batch->waiting == BATCH_ROWS)
        (void)row_batch_end(batch, 0); /* rc has the result */
    msg_value *values = batch->values[batch->waiting];
    batch->parts[batch->waiting++] = (row_part){flags, values};
    batch->count++;
    return values;
}

#endif
