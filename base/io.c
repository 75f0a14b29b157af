#include "base/io.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"

td_result td_io_open(td_io io, const char *path, td_open_mode mode, td_file **out, td_err *err)
{
    *out = NULL;
    return io.ops->open(io.ctx, path, mode, out, err);
}

void td_io_close(td_file *file)
{
    if (file != NULL)
        file->ops->close(file);
}

td_result td_io_size(td_file *file, uint64_t *out, td_err *err)
{
    return file->ops->size(file, out, err);
}

td_result td_io_read_at(td_file *file, uint64_t at, void *buf, size_t size, size_t *got,
                        td_err *err)
{
    return file->ops->read_at(file, at, buf, size, got, err);
}

td_result td_io_read_exact(td_file *file, uint64_t at, void *buf, size_t size, td_err *err)
{
    size_t got = 0;
    td_result rc = file->ops->read_at(file, at, buf, size, &got, err);
    if (rc == TD_OK && got < size)
        return td_err_set(err, TD_E_TRUNCATED, "%zu bytes wanted at offset %llu, %zu are there",
                          size, (unsigned long long)at, got);
    return rc;
}

td_result td_io_append(td_file *file, const void *bytes, size_t size, td_err *err)
{
    return size == 0 ? TD_OK : file->ops->append(file, bytes, size, err);
}

td_result td_io_truncate(td_file *file, uint64_t size, td_err *err)
{
    return file->ops->truncate(file, size, err);
}

td_result td_io_sync(td_file *file, td_err *err)
{
    return file->ops->sync(file, err);
}

td_result td_io_rename(td_io io, const char *from, const char *to, td_err *err)
{
    return io.ops->rename(io.ctx, from, to, err);
}

td_result td_io_unlink(td_io io, const char *path, td_err *err)
{
    return io.ops->unlink(io.ctx, path, err);
}

td_result td_io_mkdir(td_io io, const char *path, td_err *err)
{
    return io.ops->mkdir(io.ctx, path, err);
}

static td_result mkdir_and_sync_parent(td_io io, char *path, td_err *err)
{
    td_result rc = io.ops->mkdir(io.ctx, path, err);
    if (rc != TD_OK)
        return rc;
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return io.ops->sync_dir(io.ctx, ".", err);
    if (slash == path)
        return io.ops->sync_dir(io.ctx, "/", err);
    *slash = '\0';
    rc = io.ops->sync_dir(io.ctx, path, err);
    *slash = '/';
    return rc;
}

td_result td_io_mkdir_all(td_io io, const char *path, td_err *err)
{
    char prefix[LIMIT_PATH_BYTES];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof prefix)
        return td_err_set(err, TD_E_LIMIT, "folder name of %zu bytes: 1 to %zu are allowed", length,
                          sizeof prefix - 1);
    memcpy(prefix, path, length + 1);
    for (char *c = prefix + 1; *c != '\0'; c++) {
        if (*c != '/' || c[1] == '\0')
            continue;
        *c = '\0';
        td_result rc = mkdir_and_sync_parent(io, prefix, err);
        *c = '/';
        if (rc != TD_OK)
            return rc;
    }
    return mkdir_and_sync_parent(io, prefix, err);
}

td_result td_io_list(td_io io, const char *path, td_list_fn *fn, void *user, td_err *err)
{
    return io.ops->list(io.ctx, path, fn, user, err);
}

td_result td_io_sync_dir(td_io io, const char *path, td_err *err)
{
    return io.ops->sync_dir(io.ctx, path, err);
}

td_result td_io_space(td_io io, const char *path, td_space *out, td_err *err)
{
    return io.ops->space(io.ctx, path, out, err);
}

td_result td_io_lock(td_io io, const char *path, const char *holder, td_lock **out, td_err *err)
{
    *out = NULL;
    return io.ops->lock(io.ctx, path, holder, out, err);
}

void td_io_unlock(td_lock *lock)
{
    if (lock != NULL)
        lock->ops->unlock(lock);
}
