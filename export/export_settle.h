/* Gives each instrument one precision in all days of a folder, even if different runs exported the
 * days. It is the highest precision that a file of any day needs. Files with a lower precision are
 * replaced by copies with that precision; then the day's manifest is replaced. An interrupted
 * replacement leaves the old manifest, so the next run replaces the rest. A precision never falls.
 *
 *
 * Runs that share a folder settle it together: each run calls export_settle after its last day. A
 * day that another run has locked is skipped; the other run settles the folder after it has
 * released the day. After a run has replaced files, it checks all days again. One thread for each
 * call. */
#ifndef TD_EXPORT_EXPORT_SETTLE_H
#define TD_EXPORT_EXPORT_SETTLE_H

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "export/export_precision.h"
#include "export/export_spec.h"

typedef struct export_dataset {
    td_io io;
    const char *folder;
    const export_spec *spec;
    const td_log *log; /* receives a warning for each file that keeps its precision; may be NULL */
} export_dataset;

/* Settles the folder and raises the table to its precisions. Does nothing if no format of the spec
 * has precisions. A file that is missing or differs from its manifest is not replaced. After TD_E_*
 * some instruments may have files of two precisions. */
TD_MUST_USE td_result export_settle(const export_dataset *dataset, export_precisions *table,
                                    td_err *err);

#endif
