/* The book that a reader of an incremental_book_L2 file has made of its rows so far, and the rows
 * that bring it to the next state. Such a reader starts over where is_snapshot goes from false to
 * true, and only there (docs/export.md): two snapshots in a row look like one to it, so levels that
 * are gone must be deleted by hand.
 *
 * One reader per file series; it continues over midnight, when a new file begins. One thread. */
#ifndef TD_EXPORT_EXPORT_READER_H
#define TD_EXPORT_EXPORT_READER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "book/book.h"
#include "export/book_trust.h"
#include "export/export_rows.h"
#include "schema/message.h"

/* What a file's last row was. */
typedef enum last_rows { LAST_NONE, LAST_SNAPSHOT, LAST_CHANGE } last_rows;

/* A reader of nothing yet has an empty book, of the topic's depth, which is its own. */
typedef struct export_reader {
    book *held; /* what a reader has: every frame that was written, and no other */
    last_rows last;
} export_reader;

/* Rows that one frame gave. */
typedef struct reader_rows {
    uint64_t rows;
    uint64_t synthesized; /* of these: a whole book, deletes of what vanished */
} reader_rows;

/* Append the rows of a frame that is trusted: m was applied to now, and answer is book_trust's.
 * TD_E_LIMIT. */
TD_MUST_USE td_result export_reader_write(export_reader *reader, td_buf *out,
                                          const export_cells *cells, const message *m,
                                          const trust_answer *answer, const book *now,
                                          reader_rows *rows, td_err *err);

/* As export_reader_write, without rows: a trusted frame before the selection. */
void export_reader_skip(export_reader *reader, const message *m, const trust_answer *answer,
                        const book *now);

#endif
