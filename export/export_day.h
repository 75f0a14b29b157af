/* One day of an export: a selection of at most a UTC day, played from its checkpoint, whose frames
 * go to makers and their rows to formats. The day's files are complete afterwards, under temporary
 * names, and described by the manifest.
 *
 * Days share nothing, so each may be run by another thread; a day has workers of its own. */
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
#include "replay/play/report.h"
#include "tape/selection.h"

typedef struct export_day {
    const export_spec *spec;
    archive *archive; /* of this day alone, open for reading */
    const selection *wanted;
    const gap_list *ledger;     /* all of it */
    const gap_row *const *gaps; /* of the ledger: those that the day's files have, by time */
    size_t gap_count;
    export_folder *folder;
    const export_precisions *precisions; /* of other days: the day has no lower ones */
    const td_log *log;                   /* may be NULL */
    unsigned threads;
    uint32_t day;            /* since 1970 */
    selection_window window; /* within the day */
    /* Called now and then, by the thread that runs the day; 1 ends the export. */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns);
    void *user;
} export_day;

/* Run a day, and append the rest of its manifest, which has the head. After a failure the folder
 * has none of the day's files. TD_EOF: progress wanted no more; TD_E_*. */
TD_MUST_USE td_result export_day_run(const export_day *day, td_buf *manifest, export_facts *out,
                                     td_err *err);

#endif
