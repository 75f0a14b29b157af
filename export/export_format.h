/* Formats of datasets, as a table. A format turns rows into the bytes of files.
 *
 * A new format is a file format_NAME.c with its export_format, a declaration below, and a line in
 * FORMATS (export_format.c). The format's `grouping` determines its writers:
 *
 * - EXPORT_PER_SYMBOL: one for each type and symbol of a day, called by the thread that works on
 *   the symbol's streams.
 * - EXPORT_JOINED: one for each feed and symbol of a day. It gets the rows of all types, in no
 * fixed order.
 * - EXPORT_PER_DAY: one for each day. It gets the rows of all types and symbols, or all frames, in
 *   the order of the tape.
 *
 * A writer creates its files with export/export_file.h and completes them in `finish`; the files
 * get their names when the day is published.
 *
 * A file's bytes depend only on the rows, the target and the request, never on threads or the
 * clock. One writer belongs to one thread at a time. */
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

/* The origin of rows. */
typedef struct export_source {
    const export_type *type;
    const char *name;     /* of the type, in this format */
    const char *exchange; /* as in family_market, or the exchange's name */
    const char *symbol;   /* "" if the rows have several symbols, or none */
    const char *feed;
    const family *family; /* family of the topics; NULL: unknown */
    const topic_row *row; /* the topic; NULL if there are several, or no topic */
} export_source;

/* What a writer writes, and for which day. The writer borrows it until it is closed. */
typedef struct export_target {
    const export_source *source; /* EXPORT_PER_DAY: NULL; EXPORT_JOINED: that of the first type */
    const export_settings *settings;
    export_files *files; /* the writer's files are added here */
    char date[EXPORT_DATE_BYTES];
    time_span part;             /* the selected part of the day */
    const gap_row *const *gaps; /* gaps of the ledger that touch the day, by time */
    size_t gap_count;
    const gap_list *ledger;
    const struct export_output *outputs; /* the requested types, of all formats */
    size_t output_count;
    const struct export_writers *writers; /* all writers of the day; guarded by their lock */
    const export_precisions *precisions;  /* of the day's instruments; for finish */
    const int64_t *clock_offset_ns;       /* for finish: added to receive times by some formats */
    struct export_counts *counts;         /* the writer's counts, which it may change */
} export_target;

typedef enum export_grouping { EXPORT_PER_SYMBOL, EXPORT_JOINED, EXPORT_PER_DAY } export_grouping;

struct export_format;

/* A requested type of a format, under the format's name for it. */
typedef struct export_output {
    const struct export_format *format;
    const export_type *type;
    const char *name;
} export_output;

/* A type under the format's name for it, as in --type and in file names. */
typedef struct export_named_type {
    const char *name;
    const export_type *type;
} export_named_type;

typedef struct export_format {
    const char *name;    /* as in --format */
    const char *summary; /* one line for --help and the manual */
    const char *folder;  /* "NAME/": its folder if there are several formats */
    export_grouping grouping;
    tape_reads reads;      /* the parts of frames that the format needs decoded */
    uint8_t marks_suspect; /* 1 if its rows have flags and is_suspect */
    uint8_t needs_market;  /* 1 if it leaves out frames of families without a family_market */
    const export_named_type *types; /* ends with name NULL; NULL: all types with columns */
    /* Makes a writer. Called before the writer's first row, or at the start of the day if the
     * function `frame` is set. */
    void *(*open)(const export_target *target);
    /* 1 if the writer wants the row; the next call of `row` then has this row. NULL: the writer
     * wants all rows. */
    int (*wants)(void *writer, const export_row *row);
    /* Writes a row; this function is NULL if `frame` is set. source: with EXPORT_PER_SYMBOL, the
     * target's source. */
    td_result (*row)(void *writer, const export_source *source, const export_row *row, td_err *err);
    /* Used instead of `row` (jsonl only). Called with each frame of the day, including copies and
     * frames without a topic, after the frame's stream has applied it. trust: NULL for frames
     * without a topic. */
    td_result (*frame)(void *writer, const frame_ref *frame, const trust_answer *trust,
                       td_err *err);
    /* Adds to the table the precision that the writer's files need. Called after the last row, for
     * all writers of a day before the first one finishes. NULL: the format's files have no
     * precision. */
    void (*add_precision)(const void *writer, export_precisions *to);
    /* Adds to the table the precision that a row of EXPORT_INSTRUMENTS states. Set if
     * `add_precision` is set. */
    void (*add_listed)(const export_row *row, export_precisions *to);
    /* Completes all files. */
    td_result (*finish)(void *writer, td_err *err);
    /* Frees the writer and removes unfinished files. NULL is fine. */
    void (*close)(void *writer);
} export_format;

/* The type names of formats that write messages unchanged, and of gaps. */
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

/* The number of a format's types, and type i under its name in the format. */
size_t export_format_type_count(const export_format *format);
export_named_type export_format_type(const export_format *format, size_t i);

#endif
