/* The folder that an export writes to, for one of its days. Files have temporary names
 * ("NAME.partial") until all files of the day are complete. The manifest is published last, so a
 * day with a manifest is complete. "MANIFEST.2021-04-17.json.partial" is the day's lock; it lists
 * the day's files once they are complete.
 *
 *
 * Functions that take names may be called by any thread. */
#ifndef TD_EXPORT_EXPORT_FOLDER_H
#define TD_EXPORT_EXPORT_FOLDER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"

#define EXPORT_PARTIAL ".partial"

typedef struct export_folder export_folder;

typedef enum export_overwrite { EXPORT_KEEP, EXPORT_REPLACE } export_overwrite;

/* Opens without creating or locking anything. export_folder_check and export_folder_size work from
 * now on. */
export_folder *export_folder_open(td_io io, const char *path, const char *manifest);

/* Unlocks and frees; NULL is fine. */
void export_folder_close(export_folder *folder);

/* Creates the folder if it is missing, and locks the day. TD_E_BUSY: another export has locked it;
 * TD_E_*. */
TD_MUST_USE td_result export_folder_lock(export_folder *folder, td_err *err);

/* Lets existing files be replaced (--force, or a day that the same request exports again). Call
 * before the first file. */
void export_folder_allow_replacing(export_folder *folder);

/* Writes the manifest's partial file, durably. */
TD_MUST_USE td_result export_folder_write(export_folder *folder, td_bytes text, td_err *err);

/* The last step: gives the manifest its final name, durably. */
TD_MUST_USE td_result export_folder_publish_manifest(export_folder *folder, td_err *err);

/* The file functions that the folder was opened with. */
td_io export_folder_io(const export_folder *folder);

/* Where row groups of all the folder's files get their codec; any thread. */
codec_slot *export_folder_coders(export_folder *folder);

/* "MANIFEST.2021-04-17.json" */
const char *export_folder_manifest(const export_folder *folder);

/* The path of a file in the folder: name and suffix. TD_E_LIMIT. */
TD_MUST_USE td_result export_folder_join(const export_folder *folder, const char *name,
                                         const char *suffix, char out[LIMIT_PATH_BYTES],
                                         td_err *err);

/* Size of a file; TD_E_NOTFOUND, TD_E_IO. */
TD_MUST_USE td_result export_folder_size(const export_folder *folder, const char *name,
                                         const char *suffix, uint64_t *size, td_err *err);

/* TD_OK if no file of that name exists, or if existing files may be replaced; else TD_E_INVALID. */
TD_MUST_USE td_result export_folder_check(const export_folder *folder, const char *name,
                                          td_err *err);

/* Checks that a name is free (export_folder_check), and makes the path of its partial file, with
 * the folders in the name. */
TD_MUST_USE td_result export_folder_prepare(const export_folder *folder, const char *name,
                                            char path[LIMIT_PATH_BYTES], td_err *err);

/* Moves a file of another folder, of the same file system, to NAME.partial. */
TD_MUST_USE td_result export_folder_take(const export_folder *folder, const export_folder *from,
                                         const char *name, td_err *err);

/* Removes a file. TD_OK if it is missing. */
TD_MUST_USE td_result export_folder_remove(const export_folder *folder, const char *name,
                                           const char *suffix, td_err *err);

/* Removes a file, ignoring failures: a leftover file is recognizable by its name. */
void export_folder_discard(const export_folder *folder, const char *name, const char *suffix);

/* Renames NAME.partial to NAME. TD_OK if only NAME exists. */
TD_MUST_USE td_result export_folder_publish(const export_folder *folder, const char *name,
                                            td_err *err);

/* 1 if the folder exists. */
int export_folder_exists(td_io io, const char *path);

/* Cleans up after a failed export: removes empty folders below a path, and also the folder at the
 * path unless it existed before the export (did_exist). Never touches an archive. Failures are
 * ignored. Another export that writes there at the same time may fail. */
void export_folder_tidy(td_io io, const char *path, int did_exist);

/* Removes a folder with all files in it, as far as possible. */
void export_folder_remove_tree(td_io io, const char *path);

/* Makes the names in the folder of the file `name` durable. */
TD_MUST_USE td_result export_folder_sync(const export_folder *folder, const char *name,
                                         td_err *err);

#endif
