/* The folder that an export goes to. Files are written under temporary names ("NAME.partial") and
 * renamed only when all of them are complete, MANIFEST.json last: a folder with a manifest holds a
 * whole export, and one that failed leaves the folder as it was. Existing files
 * are replaced only if the caller says so.
 *
 * Memory grows by the name of each file, some 60 bytes. One thread. */
#ifndef TD_EXPORT_EXPORT_FOLDER_H
#define TD_EXPORT_EXPORT_FOLDER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/io.h"
#include "export/export_table.h"

#define EXPORT_MANIFEST "MANIFEST.json"
#define EXPORT_PARTIAL  ".partial"

typedef enum export_overwrite { EXPORT_KEEP, EXPORT_REPLACE } export_overwrite;

typedef struct export_folder export_folder;

/* Make the folder if it is missing, and begin. TD_E_INVALID: it holds an export already, or one is
 * being written there (or was, and was killed), and overwrite is EXPORT_KEEP. */
TD_MUST_USE td_result export_folder_open(td_io io, const char *path, export_overwrite overwrite,
                                         export_folder **out, td_err *err);

/* Remove whatever was not published, and free; NULL is fine. */
void export_folder_close(export_folder *folder);

/* TD_E_INVALID if a file of that name is there already and must not be replaced. */
TD_MUST_USE td_result export_folder_check(export_folder *folder, const char *name, td_err *err);

/* Everything is complete: the manifest too. Rename all files, the manifest last, durably. After a
 * failure some files may have their names, but no manifest does (unless the disk refuses even to
 * take that back; then all files are there). */
TD_MUST_USE td_result export_folder_publish(export_folder *folder, td_err *err);

/* Data files that are complete. */
uint64_t export_folder_file_count(const export_folder *folder);

/* ---- one file ---- */

typedef struct export_file export_file;

/* What a finished file is. */
typedef struct export_sums {
    uint64_t bytes;                  /* on disk */
    uint64_t raw_bytes;              /* before compression */
    char hash[TD_HASH128_HEX_BYTES]; /* XXH3-128 of what is on disk */
} export_sums;

/* A new file "name.partial". No descriptor is held between writes, so the number of files that are
 * written at once is bounded by memory alone (LIMIT_EXPORT_FILES). TD_E_*. */
TD_MUST_USE td_result export_file_open(export_folder *folder, const char *name,
                                       export_packing packing, export_file **out, td_err *err);

/* Where text for the file is put: append, and call export_file_flush. Never NULL. */
td_buf *export_file_buf(export_file *file);

/* Pass on what was put, once there is enough of it. TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result export_file_flush(export_file *file, td_err *err);

/* The file is complete: write all of it, durably; it waits for export_folder_publish. The file is
 * freed, also after a failure. */
TD_MUST_USE td_result export_file_finish(export_file *file, export_sums *out, td_err *err);

/* Free; the partial file is removed. NULL is fine. */
void export_file_abandon(export_file *file);

/* The manifest's own file: made by open; finish it before publishing. */
export_file *export_folder_manifest(export_folder *folder);

#endif
