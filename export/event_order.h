/* Sorts hftbacktest's events (docs/export.md). Rows are added in any order. The result is one list,
 * in which events with EVENT_EXCH (the exchange's side of a simulation) are sorted by exchange
 * time, and events with EVENT_LOCAL (the local side) by receive time. The list equals the result of
 * hftbacktest.data.correct_event_order for the same rows: trades, then depth, then best prices
 * (EVENT_BBO), each kind in the order in which its rows were added.
 *
 * Memory does not grow with the number of rows: every EVENT_ORDER_ROWS rows are sorted and written
 * to a file as a piece, and the pieces are merged. One thread. */
#ifndef TD_EXPORT_EVENT_ORDER_H
#define TD_EXPORT_EVENT_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/io.h"

/* An event's kind, as in hftbacktest's types.py: the low byte, and flags. */
enum {
    EVENT_DEPTH = 1,
    EVENT_TRADE = 2,
    EVENT_CLEAR = 3,
    EVENT_SNAPSHOT = 4,
    EVENT_BBO = 5,
    EVENT_KIND = 0xFF,
};
#define EVENT_SELL  (UINT64_C(1) << 28)
#define EVENT_BUY   (UINT64_C(1) << 29)
#define EVENT_LOCAL (UINT64_C(1) << 30)
#define EVENT_EXCH  (UINT64_C(1) << 31)

typedef struct hft_event {
    uint64_t kind; /* with flags; event_order_next sets EVENT_EXCH, EVENT_LOCAL */
    int64_t exch_ns;
    int64_t local_ns;
    double price;
    double amount;
    uint64_t rank; /* used by event_order only */
} hft_event;

enum { EVENT_ORDER_ROWS = 16 << 10 };

typedef struct event_order event_order;

/* path: the file for pieces, created only if there are more than piece_rows rows. The path is
 * copied. */
TD_NEVER_NULL event_order *event_order_open(td_io io, const char *path, size_t piece_rows);

/* Frees the order and removes its file. NULL is fine. */
void event_order_close(event_order *order);

/* Adds a row. TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result event_order_add(event_order *order, const hft_event *row, td_err *err);

/* Begins a pass over all rows. Passes may be repeated, but no rows may be added after the first
 * one. TD_E_*. */
TD_MUST_USE td_result event_order_rewind(event_order *order, td_err *err);

/* The next row of the pass. TD_EOF at the end; TD_E_*. */
TD_MUST_USE td_result event_order_next(event_order *order, hft_event *out, td_err *err);

#endif
