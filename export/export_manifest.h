/* MANIFEST.json: what an export was made from and what came out. One JSON document, written as the
 * export goes on, so that it needs no memory for its days; docs/export.md explains each member.
 * The same selection of the same archive gives the same bytes: no time of day, no path. One thread.
 */
#ifndef TD_EXPORT_EXPORT_MANIFEST_H
#define TD_EXPORT_EXPORT_MANIFEST_H

#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "archive/archive.h"
#include "export/export_folder.h"
#include "export/export_gate.h"
#include "export/export_survey.h"
#include "play/report.h"
#include "tape/selection.h"

/* Counts of one file, or of a day on which there is none. */
typedef struct export_counts {
    uint64_t rows;
    uint64_t frames;           /* that gave rows */
    uint64_t rows_synthesized; /* of rows: snapshots and deletes that no frame holds as such */
    uint64_t left_out_frames;  /* of a book that was not trusted */
    uint64_t left_out_entries; /* levels in those */
    uint64_t undecoded_frames;
    uint64_t ids_cut; /* trade ids that a file without quotes cannot hold */
    uint64_t break_count;
    export_break *breaks; /* the first LIMIT_EXPORT_BREAKS of them; NULL: none */
} export_counts;

/* Add an interruption. TD_E_NOMEM. */
TD_MUST_USE td_result export_counts_break(export_counts *counts, const export_break *broke,
                                          td_err *err);

/* The book begins again: the last interruption, if it is listed, ends here. */
void export_counts_restart(export_counts *counts, uint64_t recv_ns);

/* All zero again. */
void export_counts_clear(export_counts *counts);

/* A file that was finished. */
typedef struct export_entry {
    const char *name; /* NULL: a day without rows has no file */
    const export_type *type;
    const char *exchange; /* NULL: the file is not of one exchange and symbol; likewise below */
    const char *symbol;
    const char *feed;
    const topic_row *book;       /* the topic that books come from; NULL: it has none */
    const export_market *market; /* with book: whose preference it is */
    uint32_t day;
    const export_sums *sums; /* with name */
    const export_counts *counts;
    export_stretch *empty; /* days before this one of which there is nothing to say; kept by
                            * export_manifest_add */
} export_entry;

typedef struct export_manifest {
    export_file *file;
    export_folder *folder;
    uint64_t entries; /* of "files" so far */
    uint64_t rows;
    uint64_t left_out_frames;
} export_manifest;

/* Write the head: what was asked for, and the segments that it comes from, with their hashes; those
 * from lead_from_ns on, which warm the books up, are among them. TD_E_*. */
TD_MUST_USE td_result export_manifest_begin(export_manifest *manifest, export_folder *folder,
                                            const export_spec *spec, archive *from,
                                            const selection *wanted, selection_window window,
                                            uint64_t lead_from_ns, td_err *err);

/* Add a file, or a day without one. Days in a row of which there is nothing to say become one
 * entry, as soon as the stretch ends. */
TD_MUST_USE td_result export_manifest_add(export_manifest *manifest, const export_entry *entry,
                                          td_err *err);

/* There are no more days of this type, exchange and symbol (the entry's; the rest is not read). */
TD_MUST_USE td_result export_manifest_end_days(export_manifest *manifest, const export_entry *entry,
                                               td_err *err);

/* Write the rest: gaps, totals and digests of the report. The document is complete then. */
TD_MUST_USE td_result export_manifest_end(export_manifest *manifest, const export_survey *survey,
                                          const replay_report *report, td_err *err);

#endif
