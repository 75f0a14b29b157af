/* MANIFEST.2021-04-17.json: the input and the result of an exported day, as one JSON document.
 * docs/export.md explains each member. The same selection of the same archive gives the same bytes,
 * so it contains neither the time of the export nor paths.
 *
 * The head has the request and the input. A day whose head would be unchanged is not exported
 * again. */
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
#include "export/left_out_topics.h"
#include "base/json/json.h"
#include "replay/play/report.h"
#include "tape/selection.h"

/* A symbol that is left out: no file can hold it, or it has no book of the requested depth. */
typedef struct export_left_out {
    char feed[LIMIT_NAME_BYTES]; /* "" in the entry that sums up all further symbols, when there are
                                    too many to list */
    char symbol[LIMIT_SYMBOL_BYTES]; /* as recorded, possibly cut */
    const char *reason;              /* string literal */
    uint64_t frames;
    uint64_t position; /* position of its last frame, plus 1 */
} export_left_out;

/* Totals of a day. The manifest lists them in this order. */
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
    TOTAL_FOREIGN_FRAMES, /* of families that no requested format supports */
    TOTAL_USEFUL_FRAMES,
    TOTAL_BOOKS, /* 1 if there were books of the requested depth */
    TOTAL_VIOLATIONS,
    TOTAL_DAMAGED_CHUNKS,
    TOTAL_SEGMENTS_UNREADABLE,
    TOTAL_CLOCK_OFFSET_NS,
    EXPORT_TOTALS
} export_total;

enum { EXPORT_FORMAT_LIST_BYTES = 128 };

typedef struct export_facts {
    uint64_t totals[EXPORT_TOTALS];
    uint64_t files;                                  /* number of published files */
    char left_out_formats[EXPORT_FORMAT_LIST_BYTES]; /* "parquet, mcap": were not written; or "" */
    replay_verdict verdict;
} export_facts;

/* ---- writing ---- */

/* "MANIFEST.2021-04-17.json" and a NUL. */
enum { EXPORT_MANIFEST_NAME_BYTES = 32 };
void export_manifest_name(uint32_t day, char out[EXPORT_MANIFEST_NAME_BYTES]);

/* 1 if `name` is a manifest's file name. */
int export_manifest_is_name(const char *name);

/* The head of a day's manifest. */
typedef struct export_manifest_head {
    td_buf text;          /* owned */
    size_t request_bytes; /* length of the head's first part: the request and the part of the day */
} export_manifest_head;

/* Makes the head: the request, the day's segments with their hashes, the gaps of the ledger, and
 * symbols left out because the day is not clean. window: the part of the day. TD_E_*. */
TD_MUST_USE td_result export_manifest_begin(export_manifest_head *out, archive *from,
                                            const export_spec *spec, const selection *wanted,
                                            uint32_t day, selection_window window,
                                            const gap_list *ledger, td_err *err);

/* "complete", "incomplete" or "damaged". */
const char *export_verdict_name(replay_verdict found);

/* The results of a day. */
typedef struct export_manifest_day {
    const export_writers *writers;
    const export_spec *spec;
    unsigned left_out_formats; /* bits by index in the spec's formats */
    int shares_files; /* 1: units of the day would write rows to one file (export_manifest_join) */
    const export_left_out *left_out;
    size_t left_out_count;
    const left_out_topics *left_out_topics;
    const gap_list *found; /* gaps that the ledger lacks */
    const replay_report *report;
} export_manifest_day;

/* Appends the rest of the document. facts: the caller sets the verdict and the totals that are in
 * neither `writers` nor the report; this function sets the other members. */
void export_manifest_add_day(td_buf *out, const export_manifest_day *day, export_facts *facts);

/* The unit that a manifest is of, after the head: the manifest of a unit has it, of a day not. */
void export_manifest_add_unit(td_buf *out, const export_unit *unit);

/* ---- reading ---- */

/* A parsed manifest. Zero-initialise. */
typedef struct export_document {
    uint8_t *text;
    size_t size;
    json_parser *parser;
    json_value root; /* valid if text is not NULL */
    export_facts facts;
} export_document;

/* Parses a text (copied), or reads a file. TD_E_NOTFOUND; TD_E_INVALID: malformed. */
TD_MUST_USE td_result export_document_parse(td_bytes text, export_document *out, td_err *err);
TD_MUST_USE td_result export_document_open(td_io io, const char *path, export_document *out,
                                           td_err *err);
void export_document_close(export_document *document);

/* 1 if the document begins with the text. */
int export_document_begins(const export_document *document, td_bytes text);

/* Appends to the head in `out` the rest of the manifest of a day, joined from all its units: the
 * same text as of one run. Returns 0 if they cannot be joined exactly, because stored frames are
 * damaged, a format was left out, or several units have rows of one file. The text is then
 * useless. */
int export_manifest_join(td_buf *out, const export_document *units, size_t count);

/* 1 if the document was made from a segment that is not in the head. */
int export_document_has_other_segments(const export_document *document,
                                       const export_manifest_head *head);

/* Iterates over the files that have names. A name that is too long is cut; it then equals no
 * path. */
json_iter export_document_files(const export_document *document);
int export_next_file(json_iter *files, char name[LIMIT_PATH_BYTES], json_value *file);

/* Sets *out to the precision of a file in a document and returns 1, or returns 0 if the file has no
 * precision. */
int export_file_precision(json_value file, export_precision *out);

/* 1 if the document's files exist, partial or published, with the listed sizes. */
int export_document_has_files(const export_document *document, const export_folder *folder);

#endif
