/* Reads the lines of a capture from a file or a pipe. Gzip and zstd are recognized by content, not
 * by name, and decompressed; consecutive members or frames are one text.
 *
 * Several files, the parts of a capture, can be read as one text.
 *
 * Memory is bounded: two fixed buffers and one line. A truncated or damaged compressed file gives
 * all lines up to the damage, then one TD_E_TRUNCATED or TD_E_CORRUPT, then the end. One thread. */
#ifndef TD_IMPORT_IMPORT_SOURCE_H
#define TD_IMPORT_IMPORT_SOURCE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "archive/imports.h"

typedef struct import_source import_source;

/* A line without its line end (LF or CR LF). */
typedef struct import_text_line {
    uint64_t number; /* from 1 */
    td_bytes text;   /* valid until the next call; JSON_PADDING_BYTES readable after it */
} import_text_line;

/* Open a file, through io. TD_E_NOTFOUND, TD_E_IO. */
TD_MUST_USE td_result import_source_open(td_io io, const char *path, import_source **out,
                                         td_err *err);

/* Append a file to the source. path is borrowed. Call before reading the first line. */
void import_source_append(import_source *source, td_io io, const char *path);

/* Read from a descriptor, which the caller still owns and closes. */
TD_NEVER_NULL import_source *import_source_open_pipe(int descriptor);

/* NULL is fine. */
void import_source_close(import_source *source);

/* The next line; the last line may lack a line end. TD_EOF: no more lines. TD_E_TRUNCATED,
 * TD_E_CORRUPT: the compressed data is damaged here; only out->number is set, and TD_EOF follows.
 * TD_E_LIMIT: the line is longer than LIMIT_IMPORT_LINE_BYTES. TD_E_IO. */
TD_MUST_USE td_result import_source_next(import_source *source, import_text_line *out, td_err *err);

/* "gzip", "zstd" or "none"; "none" before the first line. */
const char *import_source_compression(const import_source *source);

/* Size and hash of the text of each file (*count files), after TD_EOF. */
const capture_content *import_source_contents(const import_source *source, size_t *count);

#endif
