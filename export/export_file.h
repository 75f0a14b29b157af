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

typedef struct export_finished_file {
    char *name;                      /* relative to the export's folder */
    uint64_t bytes;                  /* on disk */
    uint64_t raw_bytes;              /* before compression */
    char hash[TD_HASH128_HEX_BYTES]; /* XXH3-128 of the bytes on disk */
    export_precision precision;      /* precision of its numbers, if the format has one */
} export_finished_file;

/* The files of one writer. Zero-initialise; set folder and prefix, which are borrowed. */
typedef struct export_files {
    export_folder *folder;
    const char *prefix; /* of all names: "", or "FORMAT/" if there are several formats */
    export_finished_file *items;
    size_t count;
} export_files;

/* Frees the list; the files stay. */
void export_files_fini(export_files *files);

/* Removes the finished files. */
void export_files_discard(export_files *files);

/* Creates "name.partial" and the folders in the path `name`. No descriptor is held between writes,
 * so only memory bounds the number of files written at once. TD_E_INVALID if a file of that name
 * exists and must not be replaced; TD_E_*. */
TD_MUST_USE td_result export_file_open(export_files *files, const char *name,
                                       export_packing packing, export_file **out, td_err *err);

/* The file's buffer: append to it, then call export_file_flush. Never NULL. */
td_buf *export_file_buf(export_file *file);

/* Compresses and writes the buffer once it is large enough. TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result export_file_flush(export_file *file, td_err *err);

/* Writes bytes at once, for a format with many files that has much to write at a time. The file's
 * buffer must be empty, and so needs no memory. TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result export_file_write(export_file *file, td_bytes bytes, td_err *err);

/* The path of "name.partial", for a library that writes the file itself. The file is still empty;
 * leave the buffer empty as well. export_file_finish then hashes the file. */
const char *export_file_path(const export_file *file);

/* Completes the file, durably. The file gets its final name when the export is published. name: the
 * file's name if the name was unknown when the file was opened, else NULL. `file` is freed, also
 * after a failure. */
TD_MUST_USE td_result export_file_finish(export_file *file, const char *name, td_err *err);

/* Frees the file and removes its partial file. NULL is fine. */
void export_file_abandon(export_file *file);

#endif
