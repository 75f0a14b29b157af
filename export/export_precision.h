/* The precision of each instrument: how many places its prices and sizes have at most. All files of
 * an instrument in a dataset have the same, of formats that have any. A table of them; one thread
 * at a time, any number while it does not change. */
#ifndef TD_EXPORT_EXPORT_PRECISION_H
#define TD_EXPORT_EXPORT_PRECISION_H

#include <stddef.h>
#include <stdint.h>

#include "base/slot_table.h"

enum { EXPORT_INSTRUMENT_BYTES = 192 }; /* a symbol as names of files have it, and 32 */

typedef struct export_precision {
    char instrument[EXPORT_INSTRUMENT_BYTES]; /* "": of no instrument */
    unsigned price, size;
} export_precision;

/* Zero-initialise. */
typedef struct export_precisions {
    export_precision *items;
    size_t count;
    slot_table slots;
} export_precisions;

void export_precisions_fini(export_precisions *table);

/* NULL: the instrument is not in the table. */
const export_precision *export_precisions_find(const export_precisions *table,
                                               const char *instrument);

/* The instrument has so many places at least. 1 if it was there with another number of them. */
int export_precisions_raise(export_precisions *table, const export_precision *to);

/* The same for all of another table. */
void export_precisions_join(export_precisions *table, const export_precisions *other);

/* 1 if the table has more places for the instrument. */
int export_precisions_exceed(const export_precisions *table, const export_precision *is);

#endif
