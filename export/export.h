/* One export, from an open archive to a published folder: look at the selection, play it to the
 * writer of its format, write the manifest, give the files their names. The library part of the
 * verb; talking and exit status are the verb's. One thread calls; the player and the tape have
 * their own. */
#ifndef TD_EXPORT_EXPORT_H
#define TD_EXPORT_EXPORT_H

#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "archive/archive.h"
#include "export/export_folder.h"
#include "play/pacer.h"
#include "play/report.h"
#include "tape/selection.h"

typedef struct export_options {
    const export_spec *spec;
    archive *archive; /* open for reading */
    const selection *wanted;
    const gap_list *gaps; /* the whole ledger */
    td_io io;             /* of the folder */
    const char *folder;
    export_overwrite overwrite;
    unsigned threads;
    const td_log *log; /* may be NULL */
    /* Called now and then; 1 ends the export. May be NULL. */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns);
    void *user;
} export_options;

typedef struct export_result {
    uint64_t files;
    uint64_t rows;
    replay_verdict verdict; /* of the selection: report_verdict */
} export_result;

/* Export. After a failure the folder holds nothing new. TD_E_NOTFOUND: nothing in the selection
 * that the format could hold; TD_EOF: progress wanted no more; TD_E_*. */
TD_MUST_USE td_result export_run(const export_options *options, export_result *out, td_err *err);

#endif
