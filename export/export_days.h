/* The files of an export, day by day: which series there are, the file of the day of each, and the
 * manifest's entries for both. Formats put their rows into the files. Days only rise. One thread.
 */
#ifndef TD_EXPORT_EXPORT_DAYS_H
#define TD_EXPORT_EXPORT_DAYS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "export/export_series.h"
#include "export/export_writer.h"

typedef struct export_days {
    const export_job *job; /* borrowed */
    export_series_table series;
    uint32_t day; /* EXPORT_DAY_NONE before the first frame */
} export_days;

/* Remove the files that were not finished, and free. */
void export_days_fini(export_days *days);

/* Go on to the day of a moment; an earlier one changes nothing. Files of the days before are
 * finished and entered in the manifest, in the order of exchange, type and symbol. TD_E_*. */
TD_MUST_USE td_result export_days_turn(export_days *days, uint64_t recv_ns, td_err *err);

/* Where rows of a series go: the buffer of its file of the day, made with its first row.
 * from: the channel that they come from, NULL if they are not of one. Append whole rows, count them
 * in series->counts, then call export_file_flush. Errors as export_series_note, and of the folder.
 */
TD_MUST_USE td_result export_days_rows(export_days *days, export_series *series,
                                       const channel_info *from, td_buf **out, td_err *err);

/* The tape has ended: end the last day. */
TD_MUST_USE td_result export_days_finish(export_days *days, td_err *err);

#endif
