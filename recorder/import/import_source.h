/* The bytes of a capture file: from a file or a pipe, inflated if they are gzip or zstd (recognized
 * by content, not by name; several members or frames in a row are one text), and cut into lines.
 *
 * Several files may be one text: the parts of a capture.
 *
 * Memory is bounded: two fixed buffers and one line. A compressed stream that breaks off or is
 * damaged gives everything up to there, then one TD_E_TRUNCATED or TD_E_CORRUPT, then the end. One
 * thread. */
#ifndef TD_IMPORT_IMPORT_SOURCE_H
#define TD_IMPORT_IMPORT_SOURCE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "archive/imports.h"

typedef struct import_source import_source;

/* One line without its end (LF or CR LF). */
typedef struct import_text_line {
    uint64_t number; /* from 1 */
    td_bytes text;   /* valid until the next call; JSON_PADDING_BYTES readable after it */
} import_text_line;

/* Open a file, through io. TD_E_NOTFOUND, TD_E_IO. */
TD_MUST_USE td_result import_source_open(td_io io, const char *path, import_source **out,
                                         td_err *err);

/* The source goes on with this file after those that it has; path is borrowed. Before the first
 * line. */
void import_source_append(import_source *source, td_io io, const char *path);

/* Read from a descriptor, which stays the caller's. */
TD_NEVER_NULL import_source *import_source_open_pipe(int descriptor);

void import_source_close(import_source *source);

/* The next line; a last one without a line end counts. TD_OK; TD_EOF; TD_E_TRUNCATED, TD_E_CORRUPT
 * (compressed, see above; out has the number alone; TD_EOF follows); TD_E_LIMIT: the line is longer
 * than LIMIT_IMPORT_LINE_BYTES; TD_E_IO. */
TD_MUST_USE td_result import_source_next(import_source *source, import_text_line *out, td_err *err);

/* "gzip", "zstd", or "none", also before the first line. */
const char *import_source_compression(const import_source *source);

/* What all lines of each file were cut out of, once the end was reached; *count files. */
const capture_content *import_source_contents(const import_source *source, size_t *count);

#endif
