/* The files of an export, apart from their days: one entry for each exchange, type and symbol,
 * found by name. Of each it is known which feed and line fill its file of the day, so that two
 * sources never share one. One thread. */
#ifndef TD_EXPORT_EXPORT_SERIES_H
#define TD_EXPORT_EXPORT_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/slot_table.h"
#include "export/export_scan.h"
#include "export/export_folder.h"
#include "export/book_trust.h"
#include "export/export_table.h"

#define EXPORT_DAY_NONE UINT32_MAX

/* Counts of one file, or of a day without a file. */
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

/* Add an interruption. */
void export_counts_break(export_counts *counts, const export_break *broke);

/* The book begins again: the last interruption, if it is listed, ends here. */
void export_counts_restart(export_counts *counts, uint64_t recv_ns);

/* All zero again. */
void export_counts_clear(export_counts *counts);

typedef struct export_series {
    const export_type *type;
    const char *exchange; /* a constant of the table; "": the file is not of one symbol */
    char *symbol;         /* as cells have it */
    char *file_symbol;    /* as file names have it */
    uint32_t day;         /* the last one that has data, EXPORT_DAY_NONE before any */
    char *feed;           /* whose data they are, on that day */
    uint32_t line;
    /* The rest is the writer's (export/export_days.h). */
    export_file *file; /* of the day; NULL: it has no row yet */
    char name[EXPORT_NAME_BYTES];
    export_counts counts;        /* of the day */
    const export_choice *choice; /* of books: where the last frame came from; NULL: none came */
    void *user;                  /* the format's; not freed here */
} export_series;

/* Zero-initialise to start. */
typedef struct export_series_table {
    export_series **items; /* in order of first sight, or as export_series_sort left them */
    size_t count;
    slot_table slots;   /* by type, exchange and file_symbol */
    uint32_t day;       /* of the last note */
    uint32_t day_files; /* series that have data on it */
} export_series_table;

void export_series_fini(export_series_table *table);

/* The series of that name, made if it is new; file_symbol as export_symbol_for_file makes it.
 * TD_E_LIMIT (LIMIT_EXPORT_SERIES). */
TD_MUST_USE td_result export_series_get(export_series_table *table, const export_type *type,
                                        const char *exchange, const char *symbol,
                                        const char *file_symbol, export_series **out, td_err *err);

/* The series of a symbol, as a topic or an entry has it, at this place. NULL and *refusal (a
 * literal) if no cell or file name can hold the symbol. Errors as export_series_get. */
TD_MUST_USE td_result export_series_of(export_series_table *table, const export_place *place,
                                       td_bytes symbol, export_series **out, const char **refusal,
                                       td_err *err);

/* Data of a series come from this feed ("": from any) and line on that day, which is not before
 * that of any other note. TD_E_INVALID if another feed, line
 * or symbol fills that very file; TD_E_LIMIT: more than LIMIT_EXPORT_FILES of one day. */
TD_MUST_USE td_result export_series_note(export_series_table *table, export_series *series,
                                         uint32_t day, const char *feed, uint32_t line,
                                         const char *symbol, td_err *err);

/* Bring items into the order of exchange, type, symbol. */
void export_series_sort(export_series_table *table);

#endif
