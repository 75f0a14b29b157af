/* One export: from an open archive to a folder of days. Keeps the days that already exist, exports
 * the others, several at a time, and publishes each when it is complete. The verb `export` calls
 * export_run; only the verb prints and exits. One thread calls.
 *
 * Instead of making days, a run may make one unit of a day (spec->unit, export/export_unit.h), or
 * join the units of each day (`joins_units`). */
#ifndef TD_EXPORT_EXPORT_H
#define TD_EXPORT_EXPORT_H

#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "export/export_folder.h"
#include "export/export_manifest.h"
#include "export/export_spec.h"
#include "export/export_unit.h"
#include "replay/play/report.h"
#include "tape/selection.h"

typedef struct export_options {
    const export_spec *spec;
    archive *archive; /* open for reading */
    const selection *wanted;
    const gap_list *ledger;
    td_io io; /* for the folder */
    const char *folder;
    export_overwrite overwrite;
    uint8_t joins_units; /* 1: make each day of its units; a day that lacks one is not published */
    unsigned threads;
    const td_log *log; /* may be NULL */
    /* Called repeatedly, by one thread at a time, with the bytes done and in total. A result of 1
     * ends the export. May be NULL. */
    int (*progress)(void *user, uint64_t frames, uint64_t done, uint64_t total);
    void *user;
} export_options;

typedef struct export_result {
    uint64_t files;
    uint64_t rows;
    uint64_t days;
    uint64_t days_kept;       /* number of days kept from an earlier run of the same request */
    uint64_t days_unfinished; /* number of days not published, because units are missing. Then the
                                 verdict is no better than REPLAY_INCOMPLETE */
    uint64_t days_absent;   /* number of days that --from or --to ask for, before the first day that
                               was recorded or after the last one. Then the verdict is no better
                               than REPLAY_INCOMPLETE */
    replay_verdict verdict; /* the worst verdict of a day (report_verdict) */
    char left_out_formats[EXPORT_FORMAT_LIST_BYTES]; /* of the first day that lacks some, or "" */
    char worst[EXPORT_MANIFEST_NAME_BYTES]; /* the manifest of the first day with that verdict; "":
                                               only days are absent */
} export_result;

/* Runs an export. After a failure, complete days remain. An incomplete day leaves at most the files
 * that the next run of the same request needs to continue. TD_E_NOTFOUND: the selection has nothing
 * that the format can hold; TD_EOF: progress stopped the export; TD_E_*. */
TD_MUST_USE td_result export_run(const export_options *options, export_result *out, td_err *err);

/* A day's units, for export_plan. */
typedef struct export_planned_day {
    uint32_t day;
    uint32_t unit_count;         /* 0: a segment of the day is being written: no units yet */
    const unit_symbols *symbols; /* shared among the units */
} export_planned_day;

/* Calls `each` with the days of the selection, in order. A day of more than unit_bytes of segments
 * is cut, if the formats allow that. TD_E_* as of export_run. */
TD_MUST_USE td_result export_plan(const export_options *options, uint64_t unit_bytes,
                                  void (*each)(void *user, const export_planned_day *day),
                                  void *user, td_err *err);

#endif
