#include "export/event_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* How many rows of each piece are in memory while pieces are merged; how many moves of rows sorting
 * takes, for each row, before it is left to qsort. */
enum { BUFFER_ROWS = 64, MOVES_OF_A_ROW = 4 };

/* The two orders. A piece in the file holds its rows twice: sorted by one order, then by the
 * other. */
typedef enum time_key { BY_EXCH, BY_LOCAL, TIME_KEYS } time_key;

typedef int event_compare(const void *a, const void *b);

/* Reads one piece in one of the orders. */
typedef struct piece_reader {
    hft_event *buffer; /* of BUFFER_ROWS; NULL if rows holds the whole piece */
    const hft_event *rows;
    size_t at, count; /* in `rows` */
    uint64_t offset;  /* of the first unread row in the file */
    uint64_t left;    /* unread rows in the file */
} piece_reader;

/* Merges the pieces: a heap of their indexes, ordered by each piece's next row. */
typedef struct piece_merge {
    event_compare *compare;
    piece_reader *pieces;
    size_t piece_count;
    size_t *heap;
    size_t heap_count;
} piece_merge;

struct event_order {
    td_io io;
    char *path;
    td_file *file; /* open during a pass */
    uint8_t has_file;
    size_t piece_rows;
    uint64_t count;  /* of all rows */
    hft_event *rows; /* rows of the last piece, which is not in the file */
    size_t row_count;
    hft_event *last[TIME_KEYS]; /* the last piece in each order; NULL before the first pass */
    piece_merge merges[TIME_KEYS];
};

/* ---- orders ---- */

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* By kind, then in the order in which rows were added. */
static int compare_ranks(const hft_event *a, const hft_event *b)
{
    return (a->rank > b->rank) - (a->rank < b->rank);
}

static int compare_exch(const void *a, const void *b)
{
    const hft_event *x = a;
    const hft_event *y = b;
    int order = compare_i64(x->exch_ns, y->exch_ns);
    return order != 0 ? order : compare_ranks(x, y);
}

static int compare_local(const void *a, const void *b)
{
    const hft_event *x = a;
    const hft_event *y = b;
    int order = compare_i64(x->local_ns, y->local_ns);
    return order != 0 ? order : compare_ranks(x, y);
}

static event_compare *const COMPARES[TIME_KEYS] = {compare_exch, compare_local};

/* ---- adding ---- */

event_order *event_order_open(td_io io, const char *path, size_t piece_rows)
{
    TD_ASSERT(piece_rows > 0);
    event_order *made = td_alloc_zero(1, sizeof *made);
    made->io = io;
    made->path = td_strdup(path);
    made->piece_rows = piece_rows;
    return made;
}

static void close_merges(event_order *order)
{
    for (size_t key = 0; key < TIME_KEYS; key++) {
        piece_merge *merge = &order->merges[key];
        for (size_t i = 0; i < merge->piece_count; i++)
            td_free(merge->pieces[i].buffer);
        td_free(merge->pieces);
        td_free(merge->heap);
        *merge = (piece_merge){0};
    }
    td_io_close(order->file);
    order->file = NULL;
}

void event_order_close(event_order *order)
{
    if (order == NULL)
        return;
    close_merges(order);
    if (order->has_file) {
        td_result rc = td_io_unlink(order->io, order->path, NULL);
        (void)rc; /* a leftover file is recognizable by its name */
    }
    for (size_t key = 0; key < TIME_KEYS; key++)
        td_free(order->last[key]);
    td_free(order->rows);
    td_free(order->path);
    td_free(order);
}

/* Sorts rows. Most come in order, frames of a symbol by receive time, and most others belong few
 * rows earlier. qsort, which moves all rows many times, takes over if the moves are not few. */
static void sort_rows(hft_event *rows, size_t count, event_compare *compare)
{
    size_t moves = 0;
    for (size_t i = 1; i < count; i++) {
        if (compare(&rows[i - 1], &rows[i]) <= 0)
            continue;
        const hft_event row = rows[i];
        size_t at = i;
        for (; at > 0 && compare(&rows[at - 1], &row) > 0; at--)
            rows[at] = rows[at - 1];
        rows[at] = row;
        moves += i - at;
        if (moves > count * MOVES_OF_A_ROW) {
            qsort(rows, count, sizeof *rows, compare);
            return;
        }
    }
}

/* The file is open only during the write, because thousands of symbols may be exported at once. */
static td_result write_piece(event_order *order, td_err *err)
{
    td_file *to = NULL;
    td_result rc = TD_OK;
    if (!order->has_file)
        rc = td_io_unlink(order->io, order->path, err); /* left by a killed export */
    if (rc == TD_OK || rc == TD_E_NOTFOUND)
        rc = td_io_open(order->io, order->path, order->has_file ? TD_OPEN_APPEND : TD_OPEN_CREATE,
                        &to, err);
    order->has_file |= rc == TD_OK;
    for (size_t key = 0; rc == TD_OK && key < TIME_KEYS; key++) {
        sort_rows(order->rows, order->row_count, COMPARES[key]);
        rc = td_io_append(to, order->rows, order->row_count * sizeof *order->rows, err);
    }
    td_io_close(to);
    order->row_count = 0;
    return rc == TD_OK ? rc : td_err_add(err, rc, "'%s'", order->path);
}

td_result event_order_add(event_order *order, const hft_event *row, td_err *err)
{
    TD_ASSERT(order->last[0] == NULL);
    if (order->row_count == order->piece_rows) {
        td_result rc = write_piece(order, err);
        if (rc != TD_OK)
            return rc;
    }
    order->rows = td_array_grow(order->rows, order->row_count, sizeof *order->rows);
    hft_event *made = &order->rows[order->row_count++];
    *made = *row;
    /* Rows with equal times: trades, then depth, then best prices. */
    uint64_t kind = row->kind & EVENT_KIND;
    uint64_t group = kind == EVENT_TRADE ? 0 : kind == EVENT_BBO ? 2 : 1;
    made->rank = group << 62 | order->count++;
    return TD_OK;
}

/* ---- merging ---- */

/* The next row of a piece. */
static const hft_event *piece_row(const piece_merge *merge, size_t piece)
{
    const piece_reader *reader = &merge->pieces[piece];
    return &reader->rows[reader->at];
}

/* Restores the heap after the entry at `at` got a later row: moves the entry down. */
static void sift_down(piece_merge *merge, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < merge->heap_count &&
                merge->compare(piece_row(merge, merge->heap[child]),
                               piece_row(merge, merge->heap[least])) < 0)
                least = child;
        if (least == at)
            return;
        size_t moved = merge->heap[at];
        merge->heap[at] = merge->heap[least];
        merge->heap[least] = moved;
        at = least;
    }
}

/* Reads more rows when the buffer is used up. TD_EOF at the end of the piece. */
static td_result fill(event_order *order, piece_reader *reader, td_err *err)
{
    if (reader->at < reader->count)
        return TD_OK;
    if (reader->left == 0)
        return TD_EOF;
    reader->at = 0;
    reader->count = reader->left < BUFFER_ROWS ? (size_t)reader->left : BUFFER_ROWS;
    size_t bytes = reader->count * sizeof *reader->buffer;
    td_result rc = td_io_read_exact(order->file, reader->offset, reader->buffer, bytes, err);
    reader->offset += bytes;
    reader->left -= reader->count;
    return rc;
}

/* Begins a pass in one order over the pieces in the file and the last piece, which is in memory. */
static td_result begin_merge(event_order *order, time_key key, td_err *err)
{
    piece_merge *merge = &order->merges[key];
    uint64_t piece_bytes = order->piece_rows * sizeof(hft_event);
    size_t in_file = (size_t)((order->count - order->row_count) / order->piece_rows);
    td_result rc = TD_OK;
    merge->compare = COMPARES[key];
    merge->piece_count = in_file + 1;
    merge->pieces = td_alloc_zero(merge->piece_count, sizeof *merge->pieces);
    merge->heap = td_alloc_zero(merge->piece_count, sizeof *merge->heap);
    for (size_t i = 0; i < in_file; i++) {
        hft_event *buffer = td_alloc_zero(BUFFER_ROWS, sizeof *buffer);
        merge->pieces[i] = (piece_reader){.buffer = buffer,
                                          .rows = buffer,
                                          .offset = (i * TIME_KEYS + key) * piece_bytes,
                                          .left = order->piece_rows};
    }
    if (order->last[key] == NULL) {
        const size_t bytes = order->row_count * sizeof(hft_event);
        order->last[key] = td_alloc(bytes + 1);
        if (bytes > 0)
            memcpy(order->last[key], order->rows, bytes);
        sort_rows(order->last[key], order->row_count, merge->compare);
    }
    merge->pieces[in_file] = (piece_reader){.rows = order->last[key], .count = order->row_count};
    for (size_t i = 0; rc == TD_OK && i < merge->piece_count; i++) {
        rc = fill(order, &merge->pieces[i], err);
        if (rc == TD_OK)
            merge->heap[merge->heap_count++] = i;
        else if (rc == TD_EOF)
            rc = TD_OK; /* only the last piece can be empty */
    }
    for (size_t i = merge->heap_count; i > 0; i--)
        sift_down(merge, i - 1);
    return rc;
}

td_result event_order_rewind(event_order *order, td_err *err)
{
    td_result rc = TD_OK;
    close_merges(order);
    if (order->has_file)
        rc = td_io_open(order->io, order->path, TD_OPEN_READ, &order->file, err);
    for (size_t key = 0; rc == TD_OK && key < TIME_KEYS; key++)
        rc = begin_merge(order, (time_key)key, err);
    return rc;
}

/* The smallest row, or NULL at the end. */
static const hft_event *top_row(const piece_merge *merge)
{
    return merge->heap_count == 0 ? NULL : piece_row(merge, merge->heap[0]);
}

static td_result drop_top(event_order *order, piece_merge *merge, td_err *err)
{
    piece_reader *reader = &merge->pieces[merge->heap[0]];
    if (++reader->at < reader->count && merge->heap_count == 1)
        return TD_OK; /* a day of one piece, as most */
    td_result rc = fill(order, reader, err);
    if (rc == TD_EOF) {
        merge->heap[0] = merge->heap[--merge->heap_count];
        rc = TD_OK;
    }
    if (rc == TD_OK)
        sift_down(merge, 0);
    return rc;
}

/* Merges both orders. If the next rows of the two orders have the same two times, they are the same
 * row, because both orders sort rows with equal times by rank. */
td_result event_order_next(event_order *order, hft_event *out, td_err *err)
{
    piece_merge *merges = order->merges;
    const hft_event *exch = top_row(&merges[BY_EXCH]);
    const hft_event *local = top_row(&merges[BY_LOCAL]);
    if (exch == NULL && local == NULL)
        return TD_EOF;
    int difference = exch == NULL ? 1 : local == NULL ? -1 : 0;
    if (difference == 0)
        difference = compare_i64(exch->exch_ns, local->exch_ns);
    if (difference == 0)
        difference = compare_i64(exch->local_ns, local->local_ns);
    int is_exch = difference <= 0;
    int is_local = difference >= 0;
    *out = is_exch ? *exch : *local;
    out->kind |= (is_exch ? EVENT_EXCH : 0) | (is_local ? EVENT_LOCAL : 0);
    td_result rc = is_exch ? drop_top(order, &merges[BY_EXCH], err) : TD_OK;
    return rc == TD_OK && is_local ? drop_top(order, &merges[BY_LOCAL], err) : rc;
}
