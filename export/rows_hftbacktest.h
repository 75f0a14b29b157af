/* The types of hftbacktest: changes of a book as its simulator reads them. Rows are in the order in
 * which the format's owner converts a frame, and have only what a frame has, with exceptions that
 * are marked ROW_SYNTHESIZED. */
#ifndef TD_EXPORT_ROWS_HFTBACKTEST_H
#define TD_EXPORT_ROWS_HFTBACKTEST_H

#include "export/export_type.h"

/* Columns of EXPORT_HFT_DEPTH: EVENT_* (export/event_order.h), a price that EVENT_CLEAR lacks, and
 * an amount. */
enum { HFT_KIND, HFT_PRICE, HFT_AMOUNT, HFT_COLUMNS };

/* Kind of the levels of the book at the end of the day, which are no events. */
enum { HFT_END_OF_DAY = 0x80 };

extern const export_type EXPORT_HFT_DEPTH;

/* The rows of EXPORT_BOOK_TICKER, if the settings want them (has_bbo). */
extern const export_type EXPORT_HFT_BBO;

#endif
