/* One precision per instrument in a folder of days, whichever run made each day: the largest that a
 * file of any day needs. Files of days with a lower one are copied with the higher one and
 * replaced, then the day's manifest. A day whose replacement was cut off still has its old
 * manifest, so the next run replaces the rest. A precision never falls.
 *
 * Runs that share a folder settle it together: each calls this after its last day. A day that
 * another run has locked is left to that run, which calls this after it has released the day; one
 * that replaces files looks at all days again. One thread for each call. */
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
    const td_log *log; /* gets a warning for each file that stays as it is; may be NULL */
} export_dataset;

/* Settle the folder, and raise the table to its precisions. Does nothing if the spec has no format
 * with precisions. A file that is missing, or has other bytes than its manifest lists, stays as it
 * is. TD_E_*: days that are not settled have files of both precisions. */
TD_MUST_USE td_result export_settle(const export_dataset *of, export_precisions *table,
                                    td_err *err);

#endif
