/* What the simulated exchange sends for each family: rows that are read from the families'
 * documents (sim/catalog_file.h) when they are first asked for, and never change again. Any thread.
 */
#ifndef TD_SIM_CATALOG_H
#define TD_SIM_CATALOG_H

#include "base/err.h"
#include "schema/family.h"
#include "sim/catalog_row.h"

/* Get the row of a family. TD_E_INVALID: its document does not have what to send, or there is a
 * mistake in it. */
TD_MUST_USE td_result catalog_get(const family *of, const catalog_row **out, td_err *err);

/* The row of a family; NULL: its document does not have what to send. Of all that are served it
 * does. */
const catalog_row *catalog_find(const char *name);

/* How many symbols a family has if `wanted` are requested. A family with only private streams has
 * at most two symbols of each product; its account trades them. */
uint32_t catalog_symbol_count(const catalog_row *row, uint32_t wanted);

/* The index-th symbol of a family. */
instrument catalog_instrument(const catalog_row *row, uint32_t index);

#endif
