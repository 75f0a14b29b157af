/* The precision of each instrument: the number of decimal places of its prices, and of its sizes.
 * In formats that record a precision, all files of an instrument in a dataset have the same
 * precision. The precisions are in a table, which any number of threads may read while no thread
 * changes it. */
#ifndef TD_EXPORT_EXPORT_PRECISION_H
#define TD_EXPORT_EXPORT_PRECISION_H

#include <stddef.h>

#include "base/row_table.h"

/* An instrument is a symbol as in file names, and up to 32 bytes that a format adds. */
enum { EXPORT_INSTRUMENT_BYTES = 192 };

typedef struct export_precision {
    char instrument[EXPORT_INSTRUMENT_BYTES]; /* "": no instrument */
    unsigned price, size;
} export_precision;

/* Zero-initialise. */
typedef struct export_precisions {
    export_precision *items;
    size_t count;
    row_table by_instrument;
} export_precisions;

/* Frees the entries; the table is empty afterwards. */
void export_precisions_fini(export_precisions *table);

/* An instrument's precision; NULL if the table lacks the instrument. */
const export_precision *export_precisions_find(const export_precisions *table,
                                               const char *instrument);

/* Raises an instrument's precision to at least `to`. Adds a missing instrument. */
void export_precisions_raise(export_precisions *table, const export_precision *to);

/* Raises each precision in the table to at least the precision in `other`, and adds missing
 * instruments. */
void export_precisions_join(export_precisions *table, const export_precisions *other);

#endif
