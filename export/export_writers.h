/* The writers of one day: one for each format, type and symbol, found by name. Each records the
 * feed and the line (channel_info) of its rows, so that two sources never share a file.
 *
 * A day of many symbols is written in several passes over the tape, so that memory is bounded. Each
 * symbol has one pass, in which all its files are written; rows without a symbol belong to the
 * first.
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
#include "export/export_unit.h"

typedef struct export_counts {
    uint64_t rows;
    uint64_t frames;           /* frames with rows in the file */
    uint64_t rows_synthesized; /* rows that the export made; no frame contains them */
    uint64_t left_out_frames;  /* frames of books that were not trusted */
    uint64_t left_out_entries; /* number of levels in these frames */
    uint64_t undecoded_frames;
    uint64_t possible_copies; /* frames (frame_ref.is_doubtful) */
    uint64_t left_out_bars;   /* incomplete bars, in a format that cannot mark them */
    uint64_t ids_cut;         /* texts left empty because a file without quotes cannot hold them */
    int64_t clock_behind_ns;  /* greatest lag of the recorder's clock behind the exchange's */
    uint64_t break_count;
    trust_break *breaks; /* the first LIMIT_EXPORT_BREAKS breaks; NULL if there were none */
} export_counts;

/* Add a break; end the last break at a restart, where the book begins again. Breaks beyond the
 * listed ones are only counted. */
void export_counts_break(export_counts *counts, const trust_break *broke);
void export_counts_restart(export_counts *counts, uint64_t recv_ns);

typedef struct export_writer {
    const export_output *output;
    export_source source;
    export_target target;
    export_files files;
    export_counts counts;
    struct export_writer *owner; /* the writer that owns the files: this one, or another */
    void *format_writer;         /* the writer that the format opened; NULL before the first row */
    pthread_mutex_t lock; /* guards format_writer, because topics of a symbol run in parallel */
    char *symbol;         /* as in the rows' cells */
    char *feed;           /* the rows' feed; NULL before the first row */
    char *topic;          /* the only topic of several symbols with such rows; NULL: none yet */
    const frame_channel *claimed; /* the last one that export_writer_claim accepted */
    uint32_t line;
    uint8_t has_rows;            /* 1: the format was given a row of this type */
    uint64_t position;           /* position of the last frame that had a row, plus 1 */
    const export_choice *choice; /* of the last frame; NULL if all topics give rows */
} export_writer;

/* Zero-initialise; set template, from which the targets of all writers are copied. */
typedef struct export_writers {
    export_target template; /* its members source, files and counts are not set */
    export_folder *folder;
    uint8_t has_prefixes; /* 1 if each format has its own folder */
    pthread_mutex_t lock;
    export_writer **items;
    size_t count;
    row_table by_name;           /* indexes in items, by output, origin and symbol */
    size_t symbols_max;          /* of one pass; 0: no limit */
    const unit_symbols *symbols; /* if set, only symbols of this unit are written */
    uint32_t unit;
    unsigned pass;    /* from 0 */
    unsigned *passes; /* by symbol */
    size_t symbol_count, pass_symbols;
    row_table by_symbol; /* indexes in passes; equal hashes count as one symbol */
    uint8_t has_more;    /* 1: a symbol was deferred to the next pass */
} export_writers;

/* Initialises a zeroed table. */
void export_writers_init(export_writers *table);

/* Closes all writers. Unfinished files are removed, finished ones stay. */
void export_writers_fini(export_writers *table);

/* 1 if a symbol's files are not written in an earlier or later pass, as far as is known, and not in
 * another unit. */
int export_writers_may_have(export_writers *table, td_bytes symbol);

/* Begins the next pass. 0 if all symbols have had theirs. */
int export_writers_next_pass(export_writers *table);

/* Removes the files of a format's writers, and what they have counted. */
void export_writers_drop(export_writers *table, const export_format *format);

/* Finds or makes the writer of an output's rows of a symbol; the call that makes it sets feed,
 * family and topic. symbol: as in a topic or an entry, or "". If no cell or file name can hold the
 * symbol, the writer is NULL, and *refusal is a string literal. A writer of another pass is NULL
 * without a refusal. TD_E_LIMIT: too many files. */
TD_MUST_USE td_result export_writers_get(export_writers *table, const export_output *output,
                                         const frame_channel *channel, td_bytes symbol,
                                         export_writer **out, const char **refusal, td_err *err);

/* The writer of an EXPORT_PER_DAY format. */
TD_MUST_USE td_result export_writers_of_day(export_writers *table, const export_output *output,
                                            export_writer **out, td_err *err);

/* The writer of rows without a channel, or of rows from several feeds (export_type.day, HTTP
 * replies): of HTTP replies the family's exchange, of gaps the exchange that the rows of the
 * family's frames have. of NULL: the first exchange. */
TD_MUST_USE td_result export_writers_of_type(export_writers *table, const export_output *output,
                                             const family *of, export_writer **out, td_err *err);

/* Records that rows come from this channel. TD_E_INVALID: earlier rows came from another line, or
 * from another feed (allowed with EXPORT_PER_DAY). */
TD_MUST_USE td_result export_writer_claim(export_writer *writer, const frame_channel *channel,
                                          td_err *err);

/* Gives the format a row, or the rows of a batch. Has the type of row_out.put; writer: an
 * export_writer. */
TD_MUST_USE td_result export_writer_put(void *writer, const export_row *row, td_err *err);

/* 1 if an EXPORT_JOINED format has writers of the target's symbol for another feed, too. Call after
 * the day's last row. */
int export_writer_shares_symbol(const export_target *target, const export_format *format);

/* The name of the exchange in the rows of a family's frames. of NULL: the first exchange. */
const char *export_exchange_of(const family *of);

#endif
