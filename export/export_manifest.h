/* MANIFEST.json: what an export was made from and what came out. One JSON document: the request, a
 * block for each day, totals; docs/export.md explains each member. The same selection of the same
 * archive gives the same bytes: no time of day, no path.
 *
 * A block is the same text wherever it is: in the file of its day while the export is not complete,
 * and in a manifest. Its head names what the day is made from, so a day whose head is the same need
 * not be made again. */
#ifndef TD_EXPORT_EXPORT_MANIFEST_H
#define TD_EXPORT_EXPORT_MANIFEST_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"
#include "archive/archive.h"
#include "export/export_spec.h"
#include "export/export_writers.h"
#include "json/json.h"
#include "play/report.h"
#include "tape/selection.h"

/* A symbol that no file can hold, or whose books were not recorded with the requested depth. */
typedef struct export_left_out {
    char feed[LIMIT_NAME_BYTES];     /* "" in the row of what is beyond the limit */
    char symbol[LIMIT_SYMBOL_BYTES]; /* as recorded, cut */
    const char *reason;              /* a literal */
    uint64_t frames;                 /* that have it */
    uint64_t position;               /* of the last one, and 1 */
} export_left_out;

/* ---- writing ---- */

/* The beginning of the document: the request. */
void export_manifest_begin(td_buf *out, const export_spec *spec, const selection *wanted,
                           selection_window window);

/* "MANIFEST.json", or "MANIFEST.2-of-8.json" of a shard. */
enum { EXPORT_SHARD_NAME_BYTES = 48 };
void export_manifest_name(const export_spec *spec, char out[EXPORT_SHARD_NAME_BYTES]);

/* The part of it that differs between the shards of one export; none without shards. */
void export_manifest_begin_days(td_buf *out, const export_spec *spec, int is_by_day);

/* The head of a day's block: its segments with their hashes, the gaps of the ledger, and symbols
 * that are left out because the day is not clean. TD_E_*. */
TD_MUST_USE td_result export_manifest_begin_day(td_buf *out, archive *from, const export_spec *spec,
                                                const selection *wanted, uint32_t day,
                                                selection_window window, const gap_list *ledger,
                                                td_err *err);

/* What a day gave. */
typedef struct export_manifest_day {
    const export_writers *writers;
    const export_left_out *left_out;
    size_t left_out_count;
    uint64_t foreign_frames; /* of families that no format has a place for */
    uint64_t useful_frames;
    uint8_t has_choices;
    const gap_list *found; /* that the ledger lacks */
    const replay_report *report;
    replay_verdict verdict;
} export_manifest_day;

/* The rest of the block; with_streams: of a shard, to be joined with others. */
void export_manifest_add_day(td_buf *out, const export_manifest_day *day, int with_streams);

/* Lines of JSON, each an element of an array, sorted by their bytes before they are written. */
typedef struct export_lines {
    char **items; /* owned */
    size_t count;
} export_lines;

void export_lines_add(export_lines *lines, td_bytes line);
void export_lines_fini(export_lines *lines);

/* The rest of a block, in pieces: what a day gave, or its shards together. */
#define EXPORT_CLOCK_BEHIND "clock_behind_ns" /* the greatest, not a sum; likewise below */
#define EXPORT_CLOCK_OFFSET "clock_offset_ns"
enum { EXPORT_TOTALS = 17 };
typedef struct export_rest {
    export_lines found_gaps, files, left_out, streams;
    uint64_t totals[EXPORT_TOTALS];
    replay_verdict verdict;
    char digests[DIGEST_PARTS][TD_HASH128_HEX_BYTES];
} export_rest;

void export_rest_fini(export_rest *rest);

/* Append it. Streams are written if there are any. */
void export_manifest_add_rest(td_buf *out, export_rest *rest);

/* The end of the document after its blocks; totals: of all, by the names of a block's totals. */
void export_manifest_end(td_buf *out, const uint64_t totals[EXPORT_TOTALS]);

/* Add a day's totals to those of all. */
void export_totals_add(uint64_t to[EXPORT_TOTALS], const uint64_t from[EXPORT_TOTALS]);

/* ---- reading ---- */

/* Where a block is in a file. */
typedef struct export_block {
    char date[EXPORT_DATE_BYTES];
    uint64_t offset;
    uint64_t size;
} export_block;

typedef struct export_blocks {
    export_block *items; /* in the order of the file */
    size_t count;
} export_blocks;

void export_blocks_fini(export_blocks *blocks);

/* Find the blocks of a file that begins with head. TD_E_NOTFOUND; TD_E_INVALID: it begins with
 * something else, or is cut off. */
TD_MUST_USE td_result export_blocks_find(td_io io, const char *path, td_bytes head,
                                         export_blocks *out, td_err *err);

/* Append a block's text. */
TD_MUST_USE td_result export_block_read(td_io io, const char *path, const export_block *block,
                                        td_buf *out, td_err *err);

/* What a block says of its day. */
typedef struct export_block_facts {
    uint64_t totals[EXPORT_TOTALS];
    uint64_t files;
    replay_verdict verdict;
    json_value root;
} export_block_facts;

/* Called for each file of a block that has a name. */
typedef td_result export_file_fn(void *user, json_value file, const char *name, td_err *err);
TD_MUST_USE td_result export_block_each(const export_block_facts *facts, export_file_fn *fn,
                                        void *user, td_err *err);

/* TD_OK if a file is there, under one of its names, and as long as its block says. */
TD_MUST_USE td_result export_block_check(const export_folder *folder, json_value file,
                                         const char *name, td_err *err);

/* Index of a total by its name. */
size_t export_total_index(const char *name);

/* TD_E_INVALID. */
TD_MUST_USE td_result export_block_parse(json_parser *parser, td_bytes block,
                                         export_block_facts *out, td_err *err);

#endif
