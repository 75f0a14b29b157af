/* The messages of an MCAP file as lines of the format jsonl (docs/import.md): of channels with
 * tapedeck's metadata (segments, files of `cut` and of the format mcap-frames of export) with all
 * that it has, of other channels the time and the data. Chunks are stored or compressed with zstd.
 *
 * Memory is bounded by a chunk and a line. One thread. */
#ifndef TD_IMPORT_IMPORT_MCAP_H
#define TD_IMPORT_IMPORT_MCAP_H

#include "import/import_source.h"

typedef struct import_mcap import_mcap;

/* The source is borrowed, and read by this alone. */
TD_NEVER_NULL import_mcap *import_mcap_open(import_source *source);
void import_mcap_close(import_mcap *reader);

/* The next message, by its number; as import_source_next. TD_E_CORRUPT, TD_E_TRUNCATED: no message
 * of the chunk is read, or the file has no end; TD_EOF follows. TD_E_UNSUPPORTED; TD_E_INVALID: of
 * the format mcap of export, whose messages are no frames. */
TD_MUST_USE td_result import_mcap_next(import_mcap *reader, import_text_line *out, td_err *err);

#endif
