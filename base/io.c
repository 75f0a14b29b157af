#include "base/io.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/alloc.h"
#include "base/assert.h"

td_result td_io_open(td_io io, const char *path, td_open_mode mode, td_file **out, td_err *err)
{
    *out = NULL;
    td_result rc = io.ops->open(io.ctx, path, mode, out, err);
    TD_ASSERT((rc == TD_OK) == (*out != NULL));
    TD_ASSERT(*out == NULL || (*out)->ops == io.ops);
    return rc;
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
    td_result rc = file->ops->read_at(file, at, buf, size, got, err);
    TD_ASSERT(*got <= size);
    return rc;
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
    TD_ASSERT(size == 0 || bytes != NULL);
    return size == 0 ? TD_OK : file->ops->append(file, bytes, size, err);
}

enum { RENEW_BYTES = 256 << 10 };

td_result td_io_renew(td_file *file, uint64_t at, uint64_t size, td_err *err)
{
    uint8_t *block = td_alloc(RENEW_BYTES);
    if (block == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to write %llu bytes again",
                          (unsigned long long)size);
    td_result rc = TD_OK;
    while (rc == TD_OK && size > 0) {
        size_t part = size < RENEW_BYTES ? (size_t)size : RENEW_BYTES;
        rc = td_io_read_exact(file, at, block, part, err);
        if (rc == TD_OK)
            rc = file->ops->overwrite(file, at, block, part, err);
        at += part;
        size -= part;
    }
    td_free(block);
    return rc;
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

/* Make the folder that path[0..length) names and sync the one it lies in. path is restored. */
static td_result mkdir_and_sync_parent(td_io io, char *path, size_t length, td_err *err)
{
    TD_ASSERT(length > 0);
    TD_ASSERT(path[length - 1] != '\0');
    char cut = path[length];
    path[length] = '\0';
    td_result rc = io.ops->mkdir(io.ctx, path, err);
    char *slash = strrchr(path, '/');
    if (rc == TD_OK && slash == NULL)
        rc = io.ops->sync_dir(io.ctx, ".", err);
    else if (rc == TD_OK && slash == path)
        rc = io.ops->sync_dir(io.ctx, "/", err);
    else if (rc == TD_OK) {
        *slash = '\0';
        rc = io.ops->sync_dir(io.ctx, path, err);
        *slash = '/';
    }
    path[length] = cut;
    return rc;
}

/* Length of the parent's path, without slashes behind it; 0 if there is none to make. */
static size_t parent_length(const char *path, size_t length)
{
    while (length > 0 && path[length - 1] != '/')
        length--;
    while (length > 0 && path[length - 1] == '/')
        length--;
    return length;
}

/* From the inside out to the first folder whose parent is there, then back: folders above the
 * archive are not touched, they may be unreadable to us. */
td_result td_io_mkdir_all(td_io io, const char *path, td_err *err)
{
    char copy[LIMIT_PATH_BYTES];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof copy)
        return td_err_set(err, TD_E_LIMIT, "folder name of %zu bytes: 1 to %zu are allowed", length,
                          sizeof copy - 1);
    memcpy(copy, path, length + 1);
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    size_t here = length;
    td_result rc = mkdir_and_sync_parent(io, copy, here, err);
    while (rc == TD_E_NOTFOUND && parent_length(copy, here) > 0) {
        here = parent_length(copy, here);
        rc = mkdir_and_sync_parent(io, copy, here, err);
    }
    while (rc == TD_OK && here < length) {
        while (copy[here] == '/')
            here++;
        while (here < length && copy[here] != '/')
            here++;
        rc = mkdir_and_sync_parent(io, copy, here, err);
    }
    TD_ASSERT(rc != TD_OK || here == length);
    if (rc == TD_OK)
        td_err_clear(err);
    return rc;
}

td_result td_io_mkdir_below(td_io io, const char *root, const char *relative, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    size_t here = strlen(root);
    TD_ASSERT(here > 0);
    TD_ASSERT(relative[0] != '\0');
    int written = snprintf(path, sizeof path, "%s/%s", root, relative);
    TD_ASSERT(written > 0);
    size_t length = (size_t)written;
    if (length >= sizeof path)
        return td_err_set(err, TD_E_LIMIT, "folder name of %zu bytes: 1 to %zu are allowed", length,
                          sizeof path - 1);
    td_result rc = TD_OK;
    while (rc == TD_OK && here < length) {
        here += strspn(path + here, "/");
        here += strcspn(path + here, "/");
        rc = mkdir_and_sync_parent(io, path, here, err);
    }
    return rc;
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
    td_result rc = io.ops->lock(io.ctx, path, holder, out, err);
    TD_ASSERT((rc == TD_OK) == (*out != NULL));
    return rc;
}

void td_io_unlock(td_lock *lock)
{
    if (lock != NULL)
        lock->ops->unlock(lock);
}
