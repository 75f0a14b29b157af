/* MANIFEST.json: what an export was made from and what came out. One JSON document, written as the
 * export continues, so that it needs no memory for its days; docs/export.md explains each member.
 * The same selection of the same archive gives the same bytes: no time of day, no path. One thread.
 */
#ifndef TD_EXPORT_EXPORT_MANIFEST_H
#define TD_EXPORT_EXPORT_MANIFEST_H

#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "archive/archive.h"
#include "export/export_folder.h"
#include "export/export_series.h"
#include "play/report.h"
#include "tape/selection.h"

/* A symbol that no file can hold, or whose books were not recorded with the requested depth. */
typedef struct export_left_out {
    char feed[LIMIT_NAME_BYTES];     /* "" in the row of what is beyond the limit */
    char symbol[LIMIT_SYMBOL_BYTES]; /* as recorded, cut */
    const char *reason;              /* a literal */
    uint64_t frames;                 /* that have it */
} export_left_out;

typedef struct export_manifest {
    export_file *file;
    export_folder *folder;
    uint64_t entries; /* of "files" so far */
    uint64_t rows;
    uint64_t left_out_frames;
    uint64_t foreign_frames;   /* of families that the format has no place for; the caller's */
    export_left_out *left_out; /* LIMIT_EXPORT_LEFT_OUT + 1 rows, made with the first */
    size_t left_out_count;
} export_manifest;

/* Write the head: the selection, and the segments that it comes from with their hashes, including
 * those from lead_from_ns on, which warm the books up. TD_E_*. */
TD_MUST_USE td_result export_manifest_begin(export_manifest *manifest, export_folder *folder,
                                            const export_spec *spec, archive *from,
                                            const selection *wanted, selection_window window,
                                            uint64_t lead_from_ns, td_err *err);

/* Free what it owns; the file is the folder's. */
void export_manifest_fini(export_manifest *manifest);

/* A series' day is over: add its file, with sums, or a day without rows (NULL), unless there is
 * nothing to report of it. */
TD_MUST_USE td_result export_manifest_add(export_manifest *manifest, export_series *series,
                                          uint32_t day, const export_sums *sums, td_err *err);

/* The row of a symbol that is left out, for its frames to be counted; it stays where it is. */
export_left_out *export_manifest_leave_out(export_manifest *manifest, const char *feed,
                                           td_bytes symbol, const char *reason);

/* Write the rest: gaps, totals and digests of the report. The document is complete then. */
TD_MUST_USE td_result export_manifest_end(export_manifest *manifest, const replay_report *report,
                                          td_err *err);

#endif
