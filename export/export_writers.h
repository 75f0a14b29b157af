/* The writers of one day: one for each format, type and symbol, found by name. Of each it is known
 * which feed and line its rows come from, so that two sources never share a file.
 *
 * Finding and claiming may be called by any thread; the rest by one. */
#ifndef TD_EXPORT_EXPORT_WRITERS_H
#define TD_EXPORT_EXPORT_WRITERS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/slot_table.h"
#include "tape/topic_trust.h"
#include "export/export_format.h"
#include "export/export_scan.h"

/* Counts of one writer. */
typedef struct export_counts {
    uint64_t rows;
    uint64_t frames;           /* that it is made of */
    uint64_t rows_synthesized; /* of rows: snapshots and deletes that no frame holds as such */
    uint64_t left_out_frames;  /* of a book that was not trusted */
    uint64_t left_out_entries; /* levels in those */
    uint64_t undecoded_frames;
    uint64_t left_out_bars;  /* suspect ones, of a format that does not say so */
    uint64_t ids_cut;        /* texts that a file without quotes cannot hold */
    int64_t clock_behind_ns; /* 0, or what a format has to add to times of receipt */
    uint64_t break_count;
    trust_break *breaks; /* the first LIMIT_EXPORT_BREAKS of them; NULL: none */
} export_counts;

/* Add an interruption; the book begins again: the last one, if it is listed, ends here. */
void export_counts_break(export_counts *counts, const trust_break *broke);
void export_counts_restart(export_counts *counts, uint64_t recv_ns);

typedef struct export_writer {
    const export_output *output;
    export_source of;
    export_target target;
    export_files files;
    export_counts counts;
    struct export_writer
        *own;             /* which has the files: itself, or the one that it shares them with */
    void *made;           /* the format's; NULL before the first row */
    pthread_mutex_t lock; /* of the format's writer: streams of one symbol may run at a time */
    char *symbol;         /* as cells have it */
    char *feed;           /* whose rows it has; NULL before any */
    uint32_t line;
    uint64_t position;           /* of the last frame that was counted by its rows, and 1 */
    const export_choice *choice; /* of books: where the last frame came from; NULL: none came */
} export_writer;

/* Zero-initialise; set template, from which the targets of all writers are made. */
typedef struct export_writers {
    export_target template; /* without of, files, counts */
    export_folder *folder;
    uint8_t has_prefixes; /* 1: each format has a folder of its own */
    pthread_mutex_t lock;
    export_writer **items;
    size_t count;
    size_t file_count; /* of these: with files */
    slot_table slots;  /* by output, exchange and the symbol of files */
} export_writers;

void export_writers_init(export_writers *table);

/* Close all; files that were not finished are removed, finished ones stay. */
void export_writers_fini(export_writers *table);

/* The writer of an output's rows of a symbol; the first one also says feed, family and topic.
 * symbol: as a topic or an entry has it, "" for none. NULL and *refusal (a literal) if no cell or
 * file name can hold it. TD_E_INVALID: another symbol has the same file; TD_E_LIMIT: too many. */
TD_MUST_USE td_result export_writers_get(export_writers *table, const export_output *output,
                                         const frame_channel *channel, td_bytes symbol,
                                         export_writer **out, const char **refusal, td_err *err);

/* The writer of a format with one a day. */
TD_MUST_USE td_result export_writers_of_day(export_writers *table, const export_output *output,
                                            export_writer **out, td_err *err);

/* The writer of rows that are of no channel or of several feeds (export_type.day, replies). */
TD_MUST_USE td_result export_writers_of_type(export_writers *table, const export_output *output,
                                             export_writer **out, td_err *err);

/* Rows come from this channel. TD_E_INVALID if those before came from another feed or line. */
TD_MUST_USE td_result export_writer_claim(export_writer *writer, const frame_channel *channel,
                                          td_err *err);

/* Give the format a row. writer: an export_writer, as a row_out has it. */
TD_MUST_USE td_result export_writer_put(void *writer, const export_row *row, td_err *err);

/* Name of the exchange of a channel's rows. */
const char *export_exchange_of(const frame_channel *channel);

#endif
