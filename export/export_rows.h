/* Rows of the Tardis CSV format from typed messages: the content of the cells, and their order.
 * The caller decides whether a row may be written at all. Pure functions except for the buffer; any
 * thread. */
#ifndef TD_EXPORT_EXPORT_ROWS_H
#define TD_EXPORT_EXPORT_ROWS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "book/book.h"
#include "schema/message.h"

/* What the rows of one frame have in common. */
typedef struct export_cells {
    const char *exchange;
    const char *symbol;
    uint64_t exchange_ns; /* 0: the frame has no time of its own: the receive time is used */
    uint64_t recv_ns;
} export_cells;

typedef enum rows_kind { ROWS_CHANGE, ROWS_SNAPSHOT } rows_kind;

/* One trade of a message. *is_id_cut: its id has characters that would break the line, so the cell
 * is empty. TD_E_LIMIT. */
TD_MUST_USE td_result export_row_trade(td_buf *out, const export_cells *cells, const message *m,
                                       size_t index, int *is_id_cut, td_err *err);

/* The levels of a book change, asks first, each side in the frame's order; *rows grows by them. */
TD_MUST_USE td_result export_rows_change(td_buf *out, const export_cells *cells, const message *m,
                                         rows_kind kind, uint64_t *rows, td_err *err);

/* A whole book as a snapshot, asks first, best first. */
TD_MUST_USE td_result export_rows_book(td_buf *out, const export_cells *cells, const book *from,
                                       uint64_t *rows, td_err *err);

/* Deletes of the levels that held has and now has not, asks first, best first. */
TD_MUST_USE td_result export_rows_vanished(td_buf *out, const export_cells *cells, const book *held,
                                           const book *now, uint64_t *rows, td_err *err);

#endif
