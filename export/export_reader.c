#include "export/export_reader.h"

#include "base/assert.h"

/* As the trusted book took it: a frame may be a snapshot without being called one. */
static void hold(export_reader *reader, const message *m, const trust_answer *answer,
                 const book *now)
{
    TD_ASSERT(m->head.type == MSG_BOOK_CHANGE);
    book_outcome ignored; /* the trusted book has judged the same frame */
    if (answer->is_taken_over)
        book_copy(reader->held, now);
    else if (answer->is_snapshot)
        book_replace(reader->held, &m->book, &ignored);
    else
        book_apply(reader->held, &m->book, &ignored);
}

void export_reader_skip(export_reader *reader, const message *m, const trust_answer *answer,
                        const book *now)
{
    TD_ASSERT(reader->last == LAST_NONE);
    hold(reader, m, answer, now);
}

/* A file begins with a snapshot: if the book is older than the file, with the whole of it. */
static td_result begin_file(export_reader *reader, td_buf *out, const export_cells *cells,
                            const trust_answer *answer, reader_rows *rows, td_err *err)
{
    TD_ASSERT(reader->last == LAST_NONE);
    if (!answer->was_alive) {
        book_clear(reader->held);
        return TD_OK;
    }
    td_result rc = export_rows_book(out, cells, reader->held, &rows->synthesized, err);
    if (rows->synthesized > 0)
        reader->last = LAST_SNAPSHOT;
    return rc;
}

/* Deletes first, if the reader needs them. A book that was taken over is no frame's: all of it is
 * written as one. */
static td_result write_snapshot(export_reader *reader, td_buf *out, const export_cells *cells,
                                const message *m, const trust_answer *answer, const book *now,
                                reader_rows *rows, td_err *err)
{
    td_result rc = TD_OK;
    int is_empty = answer->is_taken_over ? book_level_count(now, SIDE_BUY) == 0 &&
                                               book_level_count(now, SIDE_SELL) == 0
                                         : message_item_count(m) == 0;
    /* After changes, the first row of the snapshot makes a reader start over; if it has none,
     * nothing does. */
    if (reader->last == LAST_SNAPSHOT || (reader->last == LAST_CHANGE && is_empty)) {
        uint64_t deleted = 0;
        rc = export_rows_vanished(out, cells, reader->held, now, &deleted, err);
        rows->synthesized += deleted;
        if (deleted > 0)
            reader->last = LAST_CHANGE;
    }
    uint64_t whole = 0;
    if (rc == TD_OK && answer->is_taken_over)
        rc = export_rows_book(out, cells, now, &whole, err);
    else if (rc == TD_OK)
        rc = export_rows_change(out, cells, m, ROWS_SNAPSHOT, &rows->rows, err);
    rows->synthesized += whole;
    if (rows->rows > 0 || whole > 0)
        reader->last = LAST_SNAPSHOT;
    return rc;
}

/* Write a change with the levels of the frame. */
static td_result write_change(export_reader *reader, td_buf *out, const export_cells *cells,
                              const message *m, const book *now, reader_rows *rows, td_err *err)
{
    /* The book was empty when the file began, so that no row could say so: what is in it now is
     * what it begins with. */
    if (reader->last == LAST_NONE) {
        td_result rc = export_rows_book(out, cells, now, &rows->synthesized, err);
        if (rows->synthesized > 0)
            reader->last = LAST_SNAPSHOT;
        return rc;
    }
    td_result rc = export_rows_change(out, cells, m, ROWS_CHANGE, &rows->rows, err);
    if (rows->rows > 0)
        reader->last = LAST_CHANGE;
    return rc;
}

td_result export_reader_write(export_reader *reader, td_buf *out, const export_cells *cells,
                              const message *m, const trust_answer *answer, const book *now,
                              reader_rows *rows, td_err *err)
{
    TD_ASSERT(answer->is_trusted);
    TD_ASSERT(answer->was_alive || answer->is_snapshot || answer->is_taken_over);
    *rows = (reader_rows){0};
    td_result rc = TD_OK;
    if (reader->last == LAST_NONE)
        rc = begin_file(reader, out, cells, answer, rows, err);
    if (rc == TD_OK)
        rc = answer->is_snapshot || answer->is_taken_over
                 ? write_snapshot(reader, out, cells, m, answer, now, rows, err)
                 : write_change(reader, out, cells, m, now, rows, err);
    rows->rows += rows->synthesized;
    if (rc == TD_OK)
        hold(reader, m, answer, now);
    return rc;
}
