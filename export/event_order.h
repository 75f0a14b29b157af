/* The order of hftbacktest's events (docs/export.md): of rows in any order, one list that is sorted
 * by the exchange's time for the exchange's side of a simulation, and by the time of receipt for
 * the local side. It equals correct_event_order of hftbacktest.data, over trades, then depth, then
 * best prices (EVENT_BBO), each in the order in which they were added.
 *
 * Memory does not grow with the number of rows: beyond EVENT_ORDER_ROWS they are sorted in pieces,
 * which go to a file and are merged. One thread. */
#ifndef TD_EXPORT_EVENT_ORDER_H
#define TD_EXPORT_EVENT_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/io.h"

/* Of an event's kind, as hftbacktest has them (types.py): its low byte, and flags. */
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
    uint64_t kind; /* with EVENT_SELL, EVENT_BUY; of an ordered one with EVENT_EXCH, EVENT_LOCAL */
    int64_t exch_ns;
    int64_t local_ns;
    double price;
    double amount;
    uint64_t rank; /* event_order's */
} hft_event;

enum { EVENT_ORDER_ROWS = 16 << 10 };

typedef struct event_order event_order;

/* path: where the file of pieces is made if there are more than piece_rows rows; copied. */
TD_NEVER_NULL event_order *event_order_open(td_io io, const char *path, size_t piece_rows);

/* Free, and remove the file. NULL is fine. */
void event_order_close(event_order *order);

/* Add a row. TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result event_order_add(event_order *order, const hft_event *row, td_err *err);

/* Begin a pass over all rows in their order, from the first one; there may be several, but none
 * added after the first call. TD_E_*. */
TD_MUST_USE td_result event_order_rewind(event_order *order, td_err *err);

/* The next row of the pass. TD_EOF: no row is left; TD_E_*. */
TD_MUST_USE td_result event_order_next(event_order *order, hft_event *out, td_err *err);

#endif
