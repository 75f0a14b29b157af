/* The folder that an export goes to, for one of its days. Files have temporary names
 * ("NAME.partial") until all of the day are complete; its manifest comes last: a day that has a
 * manifest is whole. One export at a time makes a day: "MANIFEST.2021-04-17.json.partial" is locked
 * by it, and says from when all its files are complete what they are.
 *
 * Functions of names may be called by any thread. */
#ifndef TD_EXPORT_EXPORT_FOLDER_H
#define TD_EXPORT_EXPORT_FOLDER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"

#define EXPORT_PARTIAL ".partial"

typedef struct export_folder export_folder;

typedef enum export_overwrite { EXPORT_KEEP, EXPORT_REPLACE } export_overwrite;

/* Nothing is made or locked yet: names can be looked at. */
export_folder *export_folder_open(td_io io, const char *path, const char *manifest);

/* Unlock and free; NULL is fine. */
void export_folder_close(export_folder *folder);

/* Make the folder if it is missing, and lock the day. TD_E_BUSY: another export makes it; TD_E_*.
 */
TD_MUST_USE td_result export_folder_lock(export_folder *folder, td_err *err);

/* 1 if the day is locked: a file system may have no locks. */
int export_folder_is_locked(const export_folder *folder);

/* Files that are there may be replaced: the user says so, or they are of the same request. Before
 * the first file. */
void export_folder_allow_replacing(export_folder *folder);

/* Write the manifest's partial file, durably. */
TD_MUST_USE td_result export_folder_write(export_folder *folder, td_bytes text, td_err *err);

/* The last step: give the manifest its name, durably. */
TD_MUST_USE td_result export_folder_publish_manifest(export_folder *folder, td_err *err);

td_io export_folder_io(const export_folder *folder);

/* "MANIFEST.2021-04-17.json" */
const char *export_folder_manifest(const export_folder *folder);

/* The path of a file in the folder. TD_E_LIMIT. */
TD_MUST_USE td_result export_folder_join(const export_folder *folder, const char *name,
                                         const char *suffix, char out[LIMIT_PATH_BYTES],
                                         td_err *err);

/* Size of a file of that name; TD_E_NOTFOUND, TD_E_IO. */
TD_MUST_USE td_result export_folder_size(const export_folder *folder, const char *name,
                                         const char *suffix, uint64_t *size, td_err *err);

/* TD_E_INVALID if a file of that name is there already and must not be replaced. */
TD_MUST_USE td_result export_folder_check(const export_folder *folder, const char *name,
                                          td_err *err);

/* Remove a file; none there is fine. */
TD_MUST_USE td_result export_folder_remove(const export_folder *folder, const char *name,
                                           const char *suffix, td_err *err);

/* The same where a failure does not count: what stays has a name that says what it is. */
void export_folder_discard(const export_folder *folder, const char *name, const char *suffix);

/* From NAME.partial to NAME; if only NAME is there, it is done already. */
TD_MUST_USE td_result export_folder_publish(const export_folder *folder, const char *name,
                                            td_err *err);

/* 1 if the folder is there. */
int export_folder_exists(td_io io, const char *path);

/* Remove the empty folders of an export that failed: those below a path, and the folder itself
 * unless it was there before. Nothing of an archive. Best effort; other exports that write there at
 * that moment may fail. */
void export_folder_tidy(td_io io, const char *path, int was_there);

/* Make the names in the folder that holds this file durable. */
TD_MUST_USE td_result export_folder_sync(const export_folder *folder, const char *name,
                                         td_err *err);

#endif
