#include "tests/testing/io_fault_impl.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

typedef struct fault_file {
    td_file base;
    io_fault *disk;
    uint32_t inode;
    td_open_mode mode;
    char *path;
} fault_file;

static const td_io_ops FAULT_OPS;

static fault_file *as_file(td_file *file)
{
    TD_ASSERT(file->ops == &FAULT_OPS);
    return (fault_file *)file;
}

/* ---- files ---- */

/* Finds the inode to open; creates it if the mode requires it. */
static td_result find_to_open(io_fault *disk, const char *path, td_open_mode mode, uint32_t *out,
                              td_err *err)
{
    *out = disk_find(disk, path);
    if (mode == TD_OPEN_CREATE || mode == TD_OPEN_CREATE_PRIVATE ||
        (mode == TD_OPEN_LOCK && *out == NO_INODE)) {
        td_result rc = disk_begin(disk, IO_FAULT_OP_CREATE, "create", path, err);
        if (rc != TD_OK)
            return rc;
        if (*out != NO_INODE)
            return td_err_set(err, TD_E_INVALID, "cannot create '%s': it exists already", path);
        return disk_create_entry(disk, path, TD_ENTRY_FILE, out, err);
    }
    td_result rc = disk_begin(disk, IO_FAULT_OP_OPEN, "open", path, err);
    if (rc != TD_OK)
        return rc;
    if (*out == NO_INODE)
        return disk_missing("open", path, err);
    if (disk_inode(disk, *out)->kind != TD_ENTRY_FILE)
        return td_err_set(err, TD_E_UNSUPPORTED, "cannot open '%s': not a regular file", path);
    return TD_OK;
}

static td_result fault_open(void *ctx, const char *path, td_open_mode mode, td_file **out,
                            td_err *err)
{
    io_fault *disk = ctx;
    fault_file *file = td_alloc_zero(1, sizeof *file);
    char *copy = td_strdup(path);
    pthread_mutex_lock(&disk->mutex);
    uint32_t number = NO_INODE;
    td_result rc = find_to_open(disk, path, mode, &number, err);
    if (rc == TD_OK) {
        *file = (fault_file){.base = {.ops = &FAULT_OPS}, .disk = disk, .inode = number};
        file->mode = mode;
        file->path = copy;
        disk->open_count++;
        *out = &file->base;
    }
    pthread_mutex_unlock(&disk->mutex);
    if (rc != TD_OK) {
        td_free(file);
        td_free(copy);
    }
    return rc;
}

/* Releases the file's lock. Call with the mutex held. */
static void end_lock(fault_file *file)
{
    inode *node = disk_inode(file->disk, file->inode);
    if (node->locked_by == file)
        node->locked_by = NULL;
}

static void fault_close(td_file *base)
{
    fault_file *file = as_file(base);
    pthread_mutex_lock(&file->disk->mutex);
    TD_ASSERT(file->disk->open_count > 0);
    file->disk->open_count--;
    end_lock(file);
    pthread_mutex_unlock(&file->disk->mutex);
    td_free(file->path);
    td_free(file);
}

static td_result fault_size(td_file *base, uint64_t *out, td_err *err)
{
    fault_file *file = as_file(base);
    pthread_mutex_lock(&file->disk->mutex);
    td_result rc = disk_begin(file->disk, IO_FAULT_OP_SIZE, "tell the size of", file->path, err);
    if (rc == TD_OK)
        *out = disk_inode(file->disk, file->inode)->cache.size;
    pthread_mutex_unlock(&file->disk->mutex);
    return rc;
}

static td_result fault_size_at(void *ctx, const char *path, uint64_t *out, td_err *err)
{
    io_fault *disk = ctx;
    uint32_t number = NO_INODE;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = find_to_open(disk, path, TD_OPEN_READ, &number, err);
    if (rc == TD_OK)
        *out = disk_inode(disk, number)->cache.size;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

/* Does nothing: permissions do not affect durability, so these calls are neither counted nor made
 * to fail. */
static td_result fault_make_private(void *ctx, const char *path, td_err *err)
{
    io_fault *disk = ctx;
    pthread_mutex_lock(&disk->mutex);
    uint32_t number = disk_find(disk, path);
    td_result rc = number == NO_INODE ? disk_missing("restrict access to", path, err) : TD_OK;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_read_at(td_file *base, uint64_t at, void *buf, size_t size, size_t *got,
                               td_err *err)
{
    fault_file *file = as_file(base);
    *got = 0;
    pthread_mutex_lock(&file->disk->mutex);
    td_result rc = disk_begin(file->disk, IO_FAULT_OP_READ, "read", file->path, err);
    inode *node = disk_inode(file->disk, file->inode);
    const td_buf *content = &node->cache;
    if (rc == TD_OK && at < content->size) {
        *got = content->size - (size_t)at < size ? content->size - (size_t)at : size;
        TD_ASSERT(*got <= size);
        TD_ASSERT(at + *got <= content->size);
        memcpy(buf, content->data + at, *got);
    }
    pthread_mutex_unlock(&file->disk->mutex);
    return rc;
}

static td_result refuse_reader(const fault_file *file, td_err *err)
{
    if (file->mode != TD_OPEN_READ)
        return TD_OK;
    return td_err_set_os(err, EBADF, "cannot change '%s', which is open for reading", file->path);
}

static td_result fault_append(td_file *base, const void *bytes, size_t size, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    io_fault_kind kind = disk_meet_plan(disk, IO_FAULT_OP_APPEND);
    td_result rc = refuse_reader(file, err);
    size_t space = size;
    if (kind == IO_FAULT_SHORT || kind == IO_FAULT_TORN)
        space = size / 2;
    else if (kind != IO_FAULT_NONE)
        space = 0;
    if (space > disk->free_bytes) {
        space = (size_t)disk->free_bytes;
        kind = IO_FAULT_SHORT;
    }
    if (rc == TD_OK && space > 0) {
        disk_change change = {.what = IO_FAULT_CHANGE_APPEND, .inode = file->inode};
        change.bytes = td_bytes_of(bytes, space);
        disk_make_change(disk, &change, file->path, NULL);
        disk->free_bytes -= space;
    }
    if (rc == TD_OK)
        rc = disk_fault_error(kind, "write to", file->path, err);
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_overwrite(td_file *base, uint64_t at, const void *bytes, size_t size,
                                 td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_OVERWRITE, "write to", file->path, err);
    if (rc == TD_OK)
        rc = refuse_reader(file, err);
    if (rc == TD_OK && size > 0) {
        TD_ASSERT(at + size <= disk_inode(disk, file->inode)->cache.size);
        disk_change change = {.what = IO_FAULT_CHANGE_OVERWRITE, .inode = file->inode, .at = at};
        change.bytes = td_bytes_of(bytes, size);
        disk_make_change(disk, &change, file->path, NULL);
    }
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_truncate(td_file *base, uint64_t size, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_TRUNCATE, "cut", file->path, err);
    if (rc == TD_OK)
        rc = refuse_reader(file, err);
    if (rc == TD_OK) {
        uint64_t before = disk_inode(disk, file->inode)->cache.size;
        disk_change change = {.what = IO_FAULT_CHANGE_TRUNCATE, .inode = file->inode, .size = size};
        disk_make_change(disk, &change, file->path, NULL);
        if (size < before)
            disk->free_bytes += before - size;
    }
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

/* Waits while syncs are held. Call with the mutex held. */
static void wait_while_held(io_fault *disk)
{
    if (disk->sync_mode != IO_FAULT_SYNC_HELD)
        return;
    disk->held_count++;
    pthread_cond_broadcast(&disk->sync_changed);
    while (disk->sync_mode == IO_FAULT_SYNC_HELD && disk->let_count == 0)
        pthread_cond_wait(&disk->sync_changed, &disk->mutex);
    TD_ASSERT(disk->held_count > 0);
    if (disk->sync_mode == IO_FAULT_SYNC_HELD)
        disk->let_count--;
    disk->held_count--;
}

static td_result fault_sync(td_file *base, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_SYNC, "sync", file->path, err);
    if (rc == TD_OK)
        wait_while_held(disk);
    if (rc == TD_OK && disk->sync_mode == IO_FAULT_SYNC_FAILS)
        rc = disk_fault_error(IO_FAULT_EIO, "sync", file->path, err);
    disk_change change = {.inode = file->inode};
    change.what = rc == TD_OK ? IO_FAULT_CHANGE_SYNC : IO_FAULT_CHANGE_SYNC_FAILED;
    disk_make_change(disk, &change, file->path, NULL);
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

/* ---- names and locks ---- */

static td_result fault_check_name(void *ctx, const char *path, td_file *base, td_name_state *out,
                                  td_err *err)
{
    const fault_file *file = as_file(base);
    io_fault *disk = ctx;
    TD_ASSERT(file->disk == disk);
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_LOOK, "look at", path, err);
    uint32_t number = disk_find(disk, path);
    *out = number == file->inode ? TD_NAME_SAME : number == NO_INODE ? TD_NAME_GONE : TD_NAME_OTHER;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_lock(td_file *base, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    inode *node = disk_inode(disk, file->inode);
    td_result rc = disk_begin(disk, IO_FAULT_OP_LOCK, "lock", file->path, err);
    if (rc == TD_OK)
        rc = refuse_reader(file, err);
    if (rc == TD_OK && node->locked_by != NULL && node->locked_by != file)
        rc = td_err_set(err, TD_E_BUSY, "it is locked by another process");
    if (rc == TD_OK)
        node->locked_by = file;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static void fault_unlock(td_file *base)
{
    fault_file *file = as_file(base);
    pthread_mutex_lock(&file->disk->mutex);
    end_lock(file);
    pthread_mutex_unlock(&file->disk->mutex);
}

static td_result fault_is_locked(td_file *base, int *out, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_LOOK, "see the lock of", file->path, err);
    const void *holder = disk_inode(disk, file->inode)->locked_by;
    *out = holder != NULL && holder != file;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static const td_io_ops FAULT_OPS = {
    .open = fault_open,
    .close = fault_close,
    .size = fault_size,
    .size_at = fault_size_at,
    .make_private = fault_make_private,
    .read_at = fault_read_at,
    .append = fault_append,
    .overwrite = fault_overwrite,
    .truncate = fault_truncate,
    .sync = fault_sync,
    .rename = disk_rename,
    .unlink = disk_unlink,
    .mkdir = disk_mkdir,
    .list = disk_list,
    .sync_dir = disk_sync_dir,
    .space = disk_space,
    .check_name = fault_check_name,
    .lock = fault_lock,
    .unlock = fault_unlock,
    .is_locked = fault_is_locked,
};

td_io io_fault_io(io_fault *disk)
{
    return (td_io){.ops = &FAULT_OPS, .ctx = disk};
}
