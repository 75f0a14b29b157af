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

/* What a day, or a whole export, adds up to; in the order of the document. */
typedef enum export_total {
    TOTAL_ROWS,
    TOTAL_FRAMES,
    TOTAL_DECODED,
    TOTAL_UNDECODED,
    TOTAL_CONTROL,
    TOTAL_OUT,
    TOTAL_HTTP,
    TOTAL_COPIES,
    TOTAL_LEFT_OUT_FRAMES,
    TOTAL_FOREIGN_FRAMES, /* of families that no format has */
    TOTAL_USEFUL_FRAMES,
    TOTAL_BOOKS, /* 1: there were topics with books of the requested depth */
    TOTAL_VIOLATIONS,
    TOTAL_DAMAGED_CHUNKS,
    TOTAL_SEGMENTS_UNREADABLE,
    TOTAL_CLOCK_BEHIND_NS,
    TOTAL_CLOCK_OFFSET_NS,
    EXPORT_TOTALS
} export_total;

typedef struct export_facts {
    uint64_t totals[EXPORT_TOTALS];
    uint64_t files;         /* that have a name */
    replay_verdict verdict; /* the worst */
} export_facts;

/* Days of an export, or shards of a day, which all see the damage and the depths of the day. */
typedef enum export_parts { EXPORT_OF_DAYS = 1, EXPORT_OF_SHARDS = 2 } export_parts;

void export_facts_add(export_facts *to, const export_facts *from, export_parts parts);

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
    const gap_list *found; /* that the ledger lacks */
    const replay_report *report;
    int with_streams; /* of a shard, to be joined with others */
} export_manifest_day;

/* The rest of the block. facts: with the verdict and what neither writers nor report have; the
 * others are set. */
void export_manifest_add_day(td_buf *out, const export_manifest_day *day, export_facts *facts);

/* Lines of JSON, each an element of an array, sorted by their bytes before they are written. */
typedef struct export_lines {
    char **items; /* owned */
    size_t count;
} export_lines;

void export_lines_add(export_lines *lines, td_bytes line);
void export_lines_fini(export_lines *lines);

/* The rest of a block, in pieces: what a day gave, or its shards together. */
typedef struct export_rest {
    export_lines found_gaps, files, left_out, streams;
    export_facts facts;
    char digests[DIGEST_PARTS][TD_HASH128_HEX_BYTES];
} export_rest;

void export_rest_fini(export_rest *rest);

/* Append it, and free its lines. Streams are written if there are any. */
void export_manifest_add_rest(td_buf *out, export_rest *rest);

/* The end of the document after its blocks, with the facts of all. */
void export_manifest_end(td_buf *out, const export_facts *facts);

/* ---- reading ---- */

/* A manifest that was read, or the file of a day. Zero-initialise. */
typedef struct export_document {
    uint8_t *text;
    size_t size;
    json_parser *parser;
    json_value root;
    json_value days; /* blocks */
} export_document;

/* Read a document that begins with head. TD_E_NOTFOUND; TD_E_INVALID: it begins with something
 * else, or is malformed. */
TD_MUST_USE td_result export_document_open(td_io io, const char *path, td_bytes head,
                                           export_document *out, td_err *err);
void export_document_close(export_document *document);

/* 1 and the block of a day; 0: the document has none. */
int export_document_find(const export_document *document, const char *date, json_value *block);

/* What a block says of its day. TD_E_INVALID. */
TD_MUST_USE td_result export_facts_read(json_value block, export_facts *out, td_err *err);

/* Iterate over the files of a block that have a name. A name that is too long is cut, so that no
 * path can hold it. */
json_iter export_block_files(json_value block);
int export_next_file(json_iter *files, char name[LIMIT_PATH_BYTES], json_value *file);

/* TD_OK if the files of a block are there, under one of their names, and as long as it says. */
TD_MUST_USE td_result export_block_check(const export_folder *folder, json_value block,
                                         td_err *err);

#endif
