/* One export: from an open archive to a folder of days. Keeps the days that already exist, exports
 * the others, several at a time, and publishes each when it is complete. The verb `export` calls
 * export_run; only the verb prints and exits. One thread calls. */
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
    uint64_t days_kept;     /* number of days kept from an earlier run of the same request */
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

#endif
