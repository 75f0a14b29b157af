/* Names of files and texts of cells, for all formats that have them. Pure functions; any thread. */
#ifndef TD_EXPORT_EXPORT_NAME_H
#define TD_EXPORT_EXPORT_NAME_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "export/export_format.h"

/* Of a file name with its NUL: file systems take 255 bytes, and ".partial" is appended. */
enum { EXPORT_NAME_BYTES = 240, EXPORT_SYMBOL_NAME_BYTES = 160 };

#define EXPORT_DAY_NS UINT64_C(86400000000000)

/* Days since 1970 (UTC) of a moment. */
static inline uint32_t export_day_of(uint64_t ns)
{
    return (uint32_t)(ns / EXPORT_DAY_NS);
}

/* "2021-04-17" and a NUL. */
void export_date_format(uint32_t day, char out[EXPORT_DATE_BYTES]);

/* Why a cell of a file without quotes cannot hold a text: it would break the line (a comma, a
 * quotation mark, a control character), is no UTF-8, or a spreadsheet would run it (it begins with
 * = + - or @ and is no number). In words; NULL: it can. */
const char *export_cell_refusal(td_bytes text);

/* Why a symbol has no file, in words: it is empty, longer than symbols are or than a name of a file
 * can be, or no cell can hold it.
 * NULL: it has one. */
const char *export_symbol_refusal(td_bytes symbol);

/* A symbol that has a file, in the names of files: %XX for any byte but A to Z, 0 to 9, "_", "-"
 * and
 * ".", and for a first "-" or ".". So two symbols have two names also where a file system takes
 * lower case for upper case, and no name is an option, or hidden. */
void export_symbol_encode(td_bytes symbol, char out[EXPORT_SYMBOL_NAME_BYTES]);

/* Name of a file: "{exchange}_{type}_{date}_{SYMBOL}{suffix}", without the symbol if it is empty.
 * TD_E_LIMIT. */
TD_MUST_USE td_result export_name_format(const export_source *of, const char *date,
                                         const char *suffix, char out[EXPORT_NAME_BYTES],
                                         td_err *err);

#endif
