/* One export, from an open archive to a folder of days: look for those that are there already, run
 * the others, several at a time; each that is complete gets its files' names and its manifest. The
 * library part of the verb; talking and exit status are the verb's. One thread calls. */
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
    const gap_list *ledger; /* all of it */
    td_io io;               /* of the folder */
    const char *folder;
    export_overwrite overwrite;
    unsigned threads;
    const td_log *log; /* may be NULL */
    /* Called now and then, by one thread at a time, with the part that is done of all; 1 ends the
     * export. May be NULL. */
    int (*progress)(void *user, uint64_t frames, uint64_t done, uint64_t total);
    void *user;
} export_options;

typedef struct export_result {
    uint64_t files;
    uint64_t rows;
    uint64_t days;
    uint64_t days_kept;     /* of these: made by an earlier run of the same request */
    replay_verdict verdict; /* the worst day's: report_verdict */
    char worst[EXPORT_MANIFEST_NAME_BYTES]; /* the manifest of the first such day */
} export_result;

/* Export. After a failure, days that were complete before it stay, and nothing of the others, but
 * for what the next run of the same request needs to go on. TD_E_NOTFOUND: nothing in the selection
 * that the format could hold; TD_EOF: progress wanted no more; TD_E_*. */
TD_MUST_USE td_result export_run(const export_options *options, export_result *out, td_err *err);

#endif
