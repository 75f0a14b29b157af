/* Formats of datasets, as a table. A format turns rows into the bytes of files.
 *
 * A new format is a file format_NAME.c with its export_format, a declaration below, and a line in
 * FORMATS (export_format.c). It has writers: one for each type and symbol of a day
 * (EXPORT_PER_SYMBOL), called by the thread that works on the symbol's streams; or one for each
 * symbol of a day with the rows of all types (EXPORT_JOINED), whose streams take turns in no fixed
 * order; or one for each day (EXPORT_PER_DAY), which gets the rows of all types and symbols, or all
 * frames, in the order of the tape. A writer makes its files with export/export_file.h, in its own
 * folder of the day, and finishes them in finish: they appear when the whole export is complete.
 *
 * The bytes may depend on the rows, the target and the request alone: not on threads, not on time.
 * One writer belongs to one thread at a time. */
#ifndef TD_EXPORT_EXPORT_FORMAT_H
#define TD_EXPORT_EXPORT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "export/export_file.h"
#include "export/export_precision.h"
#include "export/export_row.h"
#include "export/export_type.h"
#include "replay/play/observer.h"
#include "tape/cursor.h"

struct export_counts;
struct export_writers;

enum { EXPORT_DATE_BYTES = 16 }; /* "2021-04-17" and a NUL */

/* Which rows these are. */
typedef struct export_source {
    const export_type *type;
    const char *name;     /* of the type, as the format calls it */
    const char *exchange; /* as family_market has it, or the exchange's name */
    const char *symbol;   /* "": not of one symbol, or of none */
    const char *feed;
    const family *family; /* NULL: unknown */
    const topic_row *row; /* the topic; NULL: not of one */
} export_source;

/* What a writer is for. Borrowed until it is closed. */
typedef struct export_target {
    const export_source *of; /* EXPORT_PER_DAY: NULL; EXPORT_JOINED: of one of the types */
    const export_settings *settings;
    export_files *files; /* where its files go */
    char date[EXPORT_DATE_BYTES];
    uint64_t from_ns, to_ns;    /* the day's part of the selection */
    const gap_row *const *gaps; /* of the ledger and the selection: those that begin on the day, by
                                   time; with those before the first day */
    size_t gap_count;
    const gap_list *ledger;              /* all of it */
    const struct export_output *outputs; /* EXPORT_PER_DAY: the types that are requested of it */
    size_t output_count;
    const struct export_writers *writers; /* all of the day; theirs is the lock */
    const export_precisions *precisions;  /* of the day's instruments, complete in finish */
    const int64_t *clock_offset_ns; /* to be added to the day's times of receipt in formats that
                                       need them later than the exchange's; known in finish */
    struct export_counts *counts;   /* of its rows; a writer may add to ids_cut */
} export_target;

typedef enum export_per { EXPORT_PER_SYMBOL, EXPORT_JOINED, EXPORT_PER_DAY } export_per;

struct export_format;

/* A type of a format that is requested, under the format's name for it. */
typedef struct export_output {
    const struct export_format *format;
    const export_type *type;
    const char *name;
} export_output;

/* A type under the name that the format has for it; as --type takes it and file names have it. */
typedef struct export_named_type {
    const char *name;
    const export_type *type;
} export_named_type;

typedef struct export_format {
    const char *name;    /* as --format takes it */
    const char *summary; /* one line for --help and the manual */
    const char *folder;  /* "NAME/": where its files are, if there are several formats */
    export_per per;
    tape_reads reads;               /* what it needs of the frames */
    uint8_t says_suspect;           /* 1: its rows have flags and is_suspect */
    uint8_t needs_market;           /* 1: frames of families without a family_market are left out */
    const export_named_type *types; /* ends with name NULL. NULL: all types with columns */
    /* A writer; called with its first row, of a format with frame when the day begins. */
    void *(*open)(const export_target *target);
    /* 1 if the writer has a place for a row, which is the next one then. NULL: for all rows. */
    int (*take)(void *writer, const export_row *row);
    /* The next row. of: EXPORT_PER_SYMBOL, the target's. NULL: the format has frame. */
    td_result (*row)(void *writer, const export_source *of, const export_row *row, td_err *err);
    /* Instead of rows (jsonl alone): each frame that its stream has applied, copies and those of no
     * topic, too, from the day's first. trust: of frames of topics, else NULL. */
    td_result (*frame)(void *writer, const frame_ref *frame, const trust_answer *trust,
                       td_err *err);
    /* There are no more: add the precision that the writer's files need. Called for all writers of
     * a day before one finishes. NULL: the format's files have no precision. */
    void (*need)(const void *writer, export_precisions *to);
    /* Make a copy of a finished file with a higher precision, finished as NAME.partial. The copy is
     * as if its rows had been written with that. With need only. TD_E_INVALID: it is no file of
     * the format; TD_E_*. */
    td_result (*raise)(export_files *files, const char *name, const export_precision *to,
                       td_err *err);
    /* Finish all files. */
    td_result (*finish)(void *writer, td_err *err);
    /* Free it; files that were not finished are removed. NULL is fine. */
    void (*close)(void *writer);
} export_format;

/* Types of formats that keep messages as they are, and the gaps. */
extern const export_named_type EXPORT_MESSAGE_NAMES[];

extern const export_format EXPORT_TARDIS_CSV;
extern const export_format EXPORT_JSONL;
extern const export_format EXPORT_SQLITE;
extern const export_format EXPORT_MCAP;
extern const export_format EXPORT_HFTBACKTEST;
extern const export_format EXPORT_PARQUET;
extern const export_format EXPORT_NAUTILUS;

/* All formats, in the order in which --help lists them. */
const export_format *const *export_format_table(size_t *count);

/* Number of a format's types, and type i of them under its name. */
size_t export_format_type_count(const export_format *format);
export_named_type export_format_type(const export_format *format, size_t i);

#endif
