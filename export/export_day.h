/* One day of an export: plays a selection of at most a UTC day, starting at a checkpoint. Makers
 * turn frames into rows, and formats write them. At the end the day's files are complete, have
 * temporary names, and are listed in the manifest.
 *
 * Days are independent, so each may run on another thread. A day has its own workers.
 *
 * A day is written in passes (export/export_writers.h), of which the first one counts all frames. A
 * unit of a day has a part of these passes' symbols; only a day's first unit has the first pass. */
#ifndef TD_EXPORT_EXPORT_DAY_H
#define TD_EXPORT_EXPORT_DAY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "export/export_folder.h"
#include "export/export_manifest.h"
#include "export/export_spec.h"
#include "export/export_unit.h"
#include "replay/play/report.h"
#include "tape/selection.h"

typedef struct export_day {
    const export_spec *spec;
    archive *archive; /* open for reading; no other day uses it */
    const selection *wanted;
    const gap_list *ledger;
    const gap_row *const *gaps; /* gaps of the ledger that touch the day, of the topics that are
                                   read, by time */
    size_t gap_count;
    export_folder *folder;
    const export_precisions *precisions; /* minimum precisions, from other days */
    const td_log *log;                   /* may be NULL */
    unsigned threads;
    const unit_symbols *symbols; /* of a unit (spec->unit) of a day that is cut, shared;
                                    NULL: all symbols are written */
    uint32_t day;                /* days since 1970 */
    selection_window window;     /* within the day */
    /* Called repeatedly by the thread that runs the day. A result of 1 ends the export. */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns);
    void *user;
} export_day;

/* Runs a day and appends the day's results to `manifest`, which already has the head. After a
 * failure the day's files are removed. TD_EOF: progress stopped the export; TD_E_*. */
TD_MUST_USE td_result export_day_run(const export_day *day, td_buf *manifest, export_facts *out,
                                     td_err *err);

#endif
