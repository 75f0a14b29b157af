/* A file of base/io.h as a database that SQLite reads: a VFS (SQLite's table of functions for
 * files) with this one file, registered until close. Nothing may change the file meanwhile, so
 * SQLite takes no locks and keeps the pages that it has read. One thread at a time per file. */
#ifndef TD_BASE_DATABASE_FILE_H
#define TD_BASE_DATABASE_FILE_H

#include "base/err.h"
#include "base/io.h"

typedef struct database_file database_file;

/* Open. TD_E_NOTFOUND, also for an empty file: SQLite counts it as missing; errors of td_io_open.
 * The caller closes *out after SQLite's connection. */
TD_MUST_USE td_result database_file_open(td_io io, const char *path, database_file **out,
                                         td_err *err);
/* NULL is allowed. */
void database_file_close(database_file *file);

/* Name of the VFS, for sqlite3_open_v2; each name of a file means this one. */
const char *database_file_vfs(const database_file *file);

/* Why the last read failed: SQLite only reports that one did. "": none failed. */
const char *database_file_failure(const database_file *file);

#endif
