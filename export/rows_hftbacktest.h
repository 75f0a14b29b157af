/* The types of hftbacktest: changes of a book for its simulator. A frame's rows are in the order of
 * hftbacktest's own converter, and contain only levels of the frame, except rows marked
 * ROW_SYNTHESIZED. */
#ifndef TD_EXPORT_ROWS_HFTBACKTEST_H
#define TD_EXPORT_ROWS_HFTBACKTEST_H

#include "export/export_type.h"

/* Columns of EXPORT_HFT_DEPTH: an event's kind (EVENT_*, export/event_order.h), price (absent with
 * EVENT_CLEAR), amount. */
enum { HFT_KIND, HFT_PRICE, HFT_AMOUNT, HFT_COLUMNS };

/* The kind of rows with the book at the end of the day; they are not events. */
enum { HFT_END_OF_DAY = 0x80 };

extern const export_type EXPORT_HFT_DEPTH;

/* The rows of EXPORT_BOOK_TICKER; only if has_bbo is set. */
extern const export_type EXPORT_HFT_BBO;

#endif
