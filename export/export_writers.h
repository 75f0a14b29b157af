/* The writers of one day: one for each format, type and symbol, found by name. Each records which
 * feed and line its rows come from, so that two sources never share a file.
 *
 * Any thread may find and claim writers; the rest is for one thread. */
#ifndef TD_EXPORT_EXPORT_WRITERS_H
#define TD_EXPORT_EXPORT_WRITERS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/row_table.h"
#include "tape/topic_trust.h"
#include "export/export_format.h"
#include "export/export_scan.h"

typedef struct export_counts {
    uint64_t rows;
    uint64_t frames;           /* with rows in the file */
    uint64_t rows_synthesized; /* of rows: made by the export, no frame has them */
    uint64_t left_out_frames;  /* of books that were not trusted */
    uint64_t left_out_entries; /* levels in these frames */
    uint64_t undecoded_frames;
    uint64_t left_out_bars;  /* incomplete ones, in a format that cannot mark them */
    uint64_t ids_cut;        /* texts left empty because a file without quotes cannot hold them */
    int64_t clock_behind_ns; /* 0, or the time that a format has to add to receive times */
    uint64_t break_count;
    trust_break *breaks; /* the first LIMIT_EXPORT_BREAKS; NULL if there were no breaks */
} export_counts;

/* Adds a break. Restart: the book begins again, so the last break, if listed, ends here. */
void export_counts_break(export_counts *counts, const trust_break *broke);
void export_counts_restart(export_counts *counts, uint64_t recv_ns);

typedef struct export_writer {
    const export_output *output;
    export_source of;
    export_target target;
    export_files files;
    export_counts counts;
    struct export_writer *own; /* owner of the files: itself, or another */
    void *made;                /* the format's writer; NULL before the first row */
    pthread_mutex_t lock;      /* guards the format's writer: topics of a symbol run in parallel */
    char *symbol;              /* as in cells */
    char *feed;                /* of its rows; NULL before the first */
    uint32_t line;
    uint64_t position;           /* of the last frame counted by its rows, plus 1 */
    const export_choice *choice; /* of books: the topic of the last frame; NULL before the first */
} export_writer;

/* Zero-initialise; set template, from which all targets are copied. */
typedef struct export_writers {
    export_target template; /* without of, files, counts */
    export_folder *folder;
    uint8_t has_prefixes; /* 1 if each format has its own folder */
    pthread_mutex_t lock;
    export_writer **items;
    size_t count;
    size_t file_count; /* writers of items that have their own files */
    row_table slots;   /* by output, exchange and the symbol in file names */
} export_writers;

/* Initialises a zeroed table. */
void export_writers_init(export_writers *table);

/* Closes all writers. Unfinished files are removed, finished ones stay. */
void export_writers_fini(export_writers *table);

/* The writer of an output's rows of a symbol; the first call sets feed, family and topic. symbol:
 * as in a topic or an entry, or "". NULL and *refusal (a literal) if no cell or file name can hold
 * it. TD_E_INVALID: another symbol has the same file; TD_E_LIMIT: too many. */
TD_MUST_USE td_result export_writers_get(export_writers *table, const export_output *output,
                                         const frame_channel *channel, td_bytes symbol,
                                         export_writer **out, const char **refusal, td_err *err);

/* The writer of an EXPORT_PER_DAY format. */
TD_MUST_USE td_result export_writers_of_day(export_writers *table, const export_output *output,
                                            export_writer **out, td_err *err);

/* The writer of rows without a channel or of several feeds (export_type.day, replies). */
TD_MUST_USE td_result export_writers_of_type(export_writers *table, const export_output *output,
                                             export_writer **out, td_err *err);

/* Rows come from this channel. TD_E_INVALID if earlier ones came from another feed or line. */
TD_MUST_USE td_result export_writer_claim(export_writer *writer, const frame_channel *channel,
                                          td_err *err);

/* Gives the format a row; a row_out's put. writer: an export_writer. */
TD_MUST_USE td_result export_writer_put(void *writer, const export_row *row, td_err *err);

/* The name of the exchange in a channel's rows. */
const char *export_exchange_of(const frame_channel *channel);

#endif
