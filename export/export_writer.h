/* What a writer works with: it makes the files of one format (export/export_table.h) out of the
 * frames that a player shows it. Writers see frames of the lead-in too, so that books are warm when
 * the selection begins. One thread: the player's. */
#ifndef TD_EXPORT_EXPORT_WRITER_H
#define TD_EXPORT_EXPORT_WRITER_H

#include "base/err.h"
#include "archive/gap.h"
#include "export/export_scan.h"
#include "export/export_folder.h"
#include "export/export_manifest.h"
#include "tape/cursor.h"

/* All borrowed until the writer is closed. */
typedef struct export_job {
    const export_spec *spec;
    export_folder *folder;
    export_manifest *manifest;
    export_choices *choices; /* the scan's */
    const gap_list *gaps;    /* the whole ledger */
    const selection *wanted;
    selection_window window;
    const cursor *tape;
} export_job;

#endif
