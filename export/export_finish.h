/* Finishing a day of an export from its units (export/export_unit.h), which other processes made. A
 * unit counts if its manifest is published, has the head that the day's manifest would have now,
 * and if its files exist. If a day was cut into several numbers of units, the one counts of which
 * the fewest units are missing. One thread. */
#ifndef TD_EXPORT_EXPORT_FINISH_H
#define TD_EXPORT_EXPORT_FINISH_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "export/export_folder.h"
#include "export/export_manifest.h"
#include "export/export_unit.h"

/* All units of a day. Zero-initialise. */
typedef struct finished_units {
    export_folder **folders;
    export_document *manifests;
    size_t count;
} finished_units;

/* Opens the units of a day in the folder of a dataset. TD_E_NOTFOUND: units are missing, which the
 * text of the error names; TD_E_*. */
TD_MUST_USE td_result finished_units_open(td_io io, const char *dataset, uint32_t day,
                                          td_bytes head, finished_units *out, td_err *err);
void finished_units_close(finished_units *units);

/* Moves the units' files to the temporary names of the day. If it fails, units whose files were
 * moved are missing, and must be made again. */
TD_MUST_USE td_result finished_units_move(const finished_units *units, const export_folder *to,
                                          td_err *err);

/* Removes the folders of the units of days for which is_done returns 1, as far as possible. */
void finished_units_remove(td_io io, const char *dataset,
                           int (*is_done)(const void *user, uint32_t day), const void *user);

#endif
