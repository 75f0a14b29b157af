/* Files of an export. Each is written under a temporary name ("NAME.partial") until the whole
 * export is published (export/export_folder.h). One thread at a time for each export_files and its
 * files. */
#ifndef TD_EXPORT_EXPORT_FILE_H
#define TD_EXPORT_EXPORT_FILE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "export/export_folder.h"
#include "export/export_precision.h"

typedef struct export_file export_file;

typedef enum export_packing { EXPORT_PLAIN, EXPORT_GZIP } export_packing;

/* A finished file. */
typedef struct export_finished {
    char *name;                      /* below the export's folder */
    uint64_t bytes;                  /* on disk */
    uint64_t raw_bytes;              /* before compression */
    char hash[TD_HASH128_HEX_BYTES]; /* XXH3-128 of what is on disk */
    export_precision precision;      /* of formats that have one; the format sets it */
} export_finished;

/* The files of one writer. Zero-initialise, set folder and prefix, which are borrowed. */
typedef struct export_files {
    export_folder *folder;
    const char *prefix; /* of all names: "" or "FORMAT/" */
    export_finished *items;
    size_t count;
} export_files;

void export_files_fini(export_files *files);

/* Remove the files that are finished. */
void export_files_discard(export_files *files);

/* A new file "name.partial"; name is a path whose folders are made. No descriptor is held between
 * writes, so the number of files that are written at once is bounded by memory alone.
 * TD_E_INVALID if a file of that name is there and must not be replaced; TD_E_*. */
TD_MUST_USE td_result export_file_open(export_files *files, const char *name,
                                       export_packing packing, export_file **out, td_err *err);

/* Where bytes for the file are put: append, and call export_file_flush. Never NULL. */
td_buf *export_file_buf(export_file *file);

/* Pass on what was put, once there is enough of it. TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result export_file_flush(export_file *file, td_err *err);

/* The path of "name.partial", for a writer that puts nothing and writes there itself: the file is
 * empty, and finish hashes what it is then. */
const char *export_file_path(const export_file *file);

/* The file is complete: write all of it, durably. The manifest lists it, and it gets its name when
 * the export is published. name: NULL, or its name if that could not be known before. The file is
 * freed, also after a failure. */
TD_MUST_USE td_result export_file_finish(export_file *file, const char *name, td_err *err);

/* The hash of a file that has its name, as finish makes it. TD_E_NOTFOUND, TD_E_IO. */
TD_MUST_USE td_result export_file_hash(const export_folder *folder, const char *name,
                                       char out[TD_HASH128_HEX_BYTES], td_err *err);

/* Free; the partial file is removed. NULL is fine. */
void export_file_abandon(export_file *file);

#endif
