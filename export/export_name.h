/* Makes file names and checks texts of cells, for all formats. Pure functions; any thread. */
#ifndef TD_EXPORT_EXPORT_NAME_H
#define TD_EXPORT_EXPORT_NAME_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "export/export_format.h"

/* Size of a file name with its NUL: file systems allow 255 bytes, and ".partial" is appended. */
enum { EXPORT_NAME_BYTES = 240, EXPORT_SYMBOL_NAME_BYTES = 160 };

/* The UTC day of a time, in days since 1970. */
static inline uint32_t export_day_of(uint64_t ns)
{
    return (uint32_t)(ns / TD_NS_PER_DAY);
}

/* "2021-04-17" and a NUL. */
void export_date_format(uint32_t day, char out[EXPORT_DATE_BYTES]);

/* The reason why a text cannot be a cell in a file without quotes, or NULL if it can. Reasons: the
 * text would break the line (a comma, a quotation mark, a control character), is not UTF-8, or
 * would be run as a formula by a spreadsheet (it begins with = + - or @ and is not a number). */
const char *export_cell_refusal(td_bytes text);

/* The reason why a symbol cannot have a file, or NULL if it can. Reasons: the symbol is empty,
 * longer than any symbol, too long for a file name, or not valid as a cell. */
const char *export_symbol_refusal(td_bytes symbol);

/* Encodes a symbol for a file name: %XX for any byte except A to Z, 0 to 9, "_", "-" and ".",
 * and for a first "-" or ".". So two symbols have different names even where a file system
 * ignores case, and no name looks like an option or is hidden. The symbol must pass
 * export_symbol_refusal. */
void export_symbol_encode(td_bytes symbol, char out[EXPORT_SYMBOL_NAME_BYTES]);

/* Makes the file name "{exchange}_{type}_{date}_{SYMBOL}{suffix}"; an empty symbol is omitted.
 * TD_E_LIMIT. */
TD_MUST_USE td_result export_name_format(const export_source *source, const char *date,
                                         const char *suffix, char out[EXPORT_NAME_BYTES],
                                         td_err *err);

#endif
