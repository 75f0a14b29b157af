#include "base/database_file.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/limits.h"

struct database_file {
    sqlite3_vfs vfs; /* pAppData is this struct */
    char name[32];
    td_file *file;
    uint64_t bytes;
    td_err failure;
};

/* SQLite's handle of the file. */
typedef struct vfs_handle {
    sqlite3_file base;
    database_file *of;
} vfs_handle;

/* ---- the file ---- */

static int handle_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

/* Bytes after the end are zeros, as SQLite demands. */
static int handle_read(sqlite3_file *file, void *buf, int size, sqlite3_int64 at)
{
    database_file *of = ((vfs_handle *)file)->of;
    size_t got = 0;
    td_err_clear(&of->failure);
    if (td_io_read_at(of->file, (uint64_t)at, buf, (size_t)size, &got, &of->failure) != TD_OK)
        return SQLITE_IOERR_READ;
    memset((char *)buf + got, 0, (size_t)size - got);
    return got == (size_t)size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int handle_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    (void)file, (void)bytes, (void)size, (void)at;
    return SQLITE_READONLY;
}

static int handle_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    (void)file, (void)size;
    return SQLITE_READONLY;
}

static int handle_size(sqlite3_file *file, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((vfs_handle *)file)->of->bytes;
    return SQLITE_OK;
}

/* Sync, lock and unlock: a file that does not change needs none of them. */
static int handle_nothing(sqlite3_file *file, int how)
{
    (void)file, (void)how;
    return SQLITE_OK;
}

static int handle_is_reserved(sqlite3_file *file, int *out)
{
    (void)file;
    *out = 0;
    return SQLITE_OK;
}

static int handle_control(sqlite3_file *file, int what, void *argument)
{
    (void)file, (void)what, (void)argument;
    return SQLITE_NOTFOUND;
}

static int handle_sector(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int handle_device(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_IMMUTABLE;
}

static const sqlite3_io_methods METHODS = {
    .iVersion = 1,
    .xClose = handle_close,
    .xRead = handle_read,
    .xWrite = handle_write,
    .xTruncate = handle_truncate,
    .xSync = handle_nothing,
    .xFileSize = handle_size,
    .xLock = handle_nothing,
    .xUnlock = handle_nothing,
    .xCheckReservedLock = handle_is_reserved,
    .xFileControl = handle_control,
    .xSectorSize = handle_sector,
    .xDeviceCharacteristics = handle_device,
};

/* ---- the VFS ---- */

/* Only the database: its journals do not exist, and temporary tables are in memory. */
static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *out, int flags,
                    int *out_flags)
{
    (void)name;
    *(vfs_handle *)out = (vfs_handle){.of = vfs->pAppData};
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
        return SQLITE_CANTOPEN;
    out->pMethods = &METHODS;
    if (out_flags != NULL)
        *out_flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
    return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    (void)snprintf(out, (size_t)size, "%s", name);
    return SQLITE_OK;
}

td_result database_file_open(td_io io, const char *path, database_file **out, td_err *err)
{
    *out = NULL;
    database_file *made = td_alloc_zero(1, sizeof *made);
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &made->file, err);
    if (rc == TD_OK)
        rc = td_io_size(made->file, &made->bytes, err);
    if (rc == TD_OK && made->bytes == 0)
        rc = td_err_set(err, TD_E_NOTFOUND, "'%s' is empty", path);
    if (rc != TD_OK) {
        td_io_close(made->file);
        td_free(made);
        return rc;
    }
    /* The address is unique among the files that are open. */
    (void)snprintf(made->name, sizeof made->name, "tapedeck-%p", (void *)made);
    td_err_clear(&made->failure);
    /* The other functions are SQLite's own. For a file that does not change (handle_device) it
     * calls none that deletes a file or looks for one. */
    made->vfs = *sqlite3_vfs_find(NULL);
    made->vfs.iVersion = 1;
    made->vfs.szOsFile = sizeof(vfs_handle);
    made->vfs.mxPathname = LIMIT_PATH_BYTES;
    made->vfs.pNext = NULL;
    made->vfs.zName = made->name;
    made->vfs.pAppData = made;
    made->vfs.xOpen = vfs_open;
    made->vfs.xFullPathname = vfs_full_name;
    if (sqlite3_vfs_register(&made->vfs, 0) != SQLITE_OK)
        td_out_of_memory(0);
    *out = made;
    return TD_OK;
}

void database_file_close(database_file *file)
{
    if (file == NULL)
        return;
    (void)sqlite3_vfs_unregister(&file->vfs); /* always SQLITE_OK */
    td_io_close(file->file);
    td_free(file);
}

const char *database_file_vfs(const database_file *file)
{
    return file->name;
}

const char *database_file_failure(const database_file *file)
{
    return file->failure.text;
}
