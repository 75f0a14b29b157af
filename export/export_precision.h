/* The precision of each instrument: the largest number of decimal places of its prices and sizes.
 * All files of an instrument in a dataset have the same precision, in formats that record one. A
 * table; any number of threads may read it while no thread changes it. */
#ifndef TD_EXPORT_EXPORT_PRECISION_H
#define TD_EXPORT_EXPORT_PRECISION_H

#include <stddef.h>
#include <stdint.h>

#include "base/row_table.h"

enum { EXPORT_INSTRUMENT_BYTES = 192 }; /* a symbol as in file names, and 32 */

typedef struct export_precision {
    char instrument[EXPORT_INSTRUMENT_BYTES]; /* "": no instrument */
    unsigned price, size;
} export_precision;

/* Zero-initialise. */
typedef struct export_precisions {
    export_precision *items;
    size_t count;
    row_table slots;
} export_precisions;

/* Frees the entries; the table is empty afterwards. */
void export_precisions_fini(export_precisions *table);

/* NULL if the instrument is absent. */
const export_precision *export_precisions_find(const export_precisions *table,
                                               const char *instrument);

/* Raises an instrument to at least these places. 1 if it had another precision before. */
int export_precisions_raise(export_precisions *table, const export_precision *to);

/* Raises the table to all precisions of another table. */
void export_precisions_join(export_precisions *table, const export_precisions *other);

/* 1 if the table has a higher precision for the instrument. */
int export_precisions_exceed(const export_precisions *table, const export_precision *is);

#endif
