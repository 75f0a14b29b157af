/* Units: parts of an export that different processes make, on any machine, in any order. A unit is
 * a UTC day, or a part of it that a day's number of units determines: "2026-11-20.2of5".
 *
 * The first unit of a day plays all its frames. So its manifest has the day's counts, gaps, digests
 * and verdict, and it writes all files that are not of one symbol. Each further unit plays and
 * writes only its symbols, which are as large together as the other units' (by frames and bytes of
 * the day's segments). Which symbols these are depends on the day's segments and the number of
 * units alone, so every process finds the same ones.
 *
 * A unit's files and its manifest are in the folder DATASET/.units/2026-11-20.2of5 until the day is
 * finished (export_run). One thread. */
#ifndef TD_EXPORT_EXPORT_UNIT_H
#define TD_EXPORT_EXPORT_UNIT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/row_table.h"
#include "archive/archive.h"
#include "export/export_spec.h"
#include "tape/selection.h"

#define EXPORT_UNITS_FOLDER ".units"

/* "2026-11-20.999of999" and a NUL. */
enum { EXPORT_UNIT_NAME_BYTES = 24 };

/* Writes the unit's name, and parses one; 0: it is no name of a unit. */
void export_unit_format(const export_unit *unit, char out[EXPORT_UNIT_NAME_BYTES]);
int export_unit_parse(const char *name, export_unit *out);

/* 1 if the days of an export can be cut into units: if a format's files are of one symbol each, and
 * no format's files depend on all symbols of a day (hftbacktest, nautilus). */
int export_can_cut(const export_spec *spec);

typedef struct unit_symbol {
    char *symbol;
    uint64_t bytes; /* its share of the day's segments */
    uint32_t unit;  /* from 1 */
} unit_symbol;

/* The symbols of a day. Zero-initialise. */
typedef struct unit_symbols {
    unit_symbol *items; /* as they were found; by size once they are shared */
    size_t count;
    row_table by_symbol; /* indexes in items */
    uint64_t bytes;      /* of the day's segments */
    uint8_t is_recorded; /* 1: a segment of the day is being written */
} unit_symbols;

/* Finds the symbols of the topics that the export needs in a day's part. TD_E_*. */
TD_MUST_USE td_result unit_symbols_find(archive *from, const export_spec *spec,
                                        const selection *wanted, selection_window window,
                                        unit_symbols *out, td_err *err);
void unit_symbols_fini(unit_symbols *symbols);

/* The number of units of a day, so that one has about unit_bytes; 1: the day is not cut. */
uint32_t unit_symbols_units(const unit_symbols *symbols, const export_spec *spec,
                            uint64_t unit_bytes);

/* Shares the symbols among the units 2 to unit_count. */
void unit_symbols_share(unit_symbols *symbols, uint32_t unit_count);

/* The unit of a symbol: the first one if no topic of the day has the symbol. */
uint32_t unit_symbols_find_unit(const unit_symbols *symbols, td_bytes symbol);

#endif
