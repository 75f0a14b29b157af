#include "base/io.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/alloc.h"
#include "base/assert.h"

/* A table lacks the function: its files are only read. */
static td_result refuse(const char *path, td_err *err)
{
    return td_err_set(err, TD_E_UNSUPPORTED, "cannot change '%s': it is only read", path);
}

static td_result refuse_file(td_err *err)
{
    return td_err_set(err, TD_E_UNSUPPORTED, "the file is only read");
}

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
        return td_err_set(err, TD_E_TRUNCATED, "%zu bytes expected at offset %llu, %zu found", size,
                          (unsigned long long)at, got);
    return rc;
}

td_result td_io_read_file(td_io io, const char *path, size_t size_max, uint8_t **out, size_t *size,
                          td_err *err)
{
    td_file *file = NULL;
    uint64_t bytes = 0;
    uint8_t *memory = NULL;
    *out = NULL;
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = td_io_size(file, &bytes, err);
    if (rc == TD_OK && bytes > size_max)
        rc = td_err_set(err, TD_E_LIMIT, "%llu bytes: at most %zu are read",
                        (unsigned long long)bytes, size_max);
    if (rc == TD_OK) {
        memory = td_alloc((size_t)bytes + 1);
        rc = td_io_read_exact(file, 0, memory, (size_t)bytes, err);
    }
    td_io_close(file);
    if (rc != TD_OK) {
        td_free(memory);
        return rc;
    }
    memory[bytes] = '\0';
    *out = memory;
    *size = (size_t)bytes;
    return TD_OK;
}

td_result td_io_append(td_file *file, const void *bytes, size_t size, td_err *err)
{
    TD_ASSERT(size == 0 || bytes != NULL);
    if (file->ops->append == NULL)
        return refuse_file(err);
    return size == 0 ? TD_OK : file->ops->append(file, bytes, size, err);
}

enum { RENEW_BYTES = 256 << 10 };

td_result td_io_rewrite(td_file *file, uint64_t at, uint64_t size, td_err *err)
{
    if (file->ops->overwrite == NULL)
        return refuse_file(err);
    uint8_t *block = td_alloc(RENEW_BYTES);
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
    return file->ops->truncate == NULL ? refuse_file(err) : file->ops->truncate(file, size, err);
}

td_result td_io_sync(td_file *file, td_err *err)
{
    return file->ops->sync == NULL ? refuse_file(err) : file->ops->sync(file, err);
}

td_result td_io_rename(td_io io, const char *from, const char *to, td_err *err)
{
    return io.ops->rename == NULL ? refuse(from, err) : io.ops->rename(io.ctx, from, to, err);
}

td_result td_io_size_at(td_io io, const char *path, uint64_t *out, td_err *err)
{
    return io.ops->size_at(io.ctx, path, out, err);
}

td_result td_io_check_absent(td_io io, const char *path, td_err *err)
{
    uint64_t bytes;
    td_err cause;
    td_result rc = td_io_size_at(io, path, &bytes, &cause);
    if (rc == TD_E_NOTFOUND)
        return TD_OK;
    if (rc == TD_E_IO)
        return td_err_pass(err, rc, &cause);
    td_err_set(err, TD_E_INVALID, "'%s' exists already", path);
    td_err_hint(err, "remove it, or give another name");
    return TD_E_INVALID;
}

td_result td_io_make_private(td_io io, const char *path, td_err *err)
{
    return io.ops->make_private == NULL ? refuse(path, err)
                                        : io.ops->make_private(io.ctx, path, err);
}

td_result td_io_copy_access(td_io io, const char *path, td_file *to, td_err *err)
{
    return io.ops->copy_access == NULL ? refuse(path, err)
                                       : io.ops->copy_access(io.ctx, path, to, err);
}

td_result td_io_mark_used(td_io io, const char *path, td_err *err)
{
    return io.ops->mark_used == NULL ? refuse(path, err) : io.ops->mark_used(io.ctx, path, err);
}

td_result td_io_used_ns(td_io io, const char *path, uint64_t *out, td_err *err)
{
    return io.ops->used_ns == NULL ? refuse(path, err) : io.ops->used_ns(io.ctx, path, out, err);
}

td_result td_io_unlink(td_io io, const char *path, td_err *err)
{
    return io.ops->unlink == NULL ? refuse(path, err) : io.ops->unlink(io.ctx, path, err);
}

/* Make the folder path[0..length) and sync its parent. path is unchanged afterwards. */
static td_result mkdir_and_sync_parent(td_io io, char *path, size_t length, td_err *err)
{
    TD_ASSERT(length > 0);
    TD_ASSERT(path[length - 1] != '\0');
    if (io.ops->mkdir == NULL)
        return refuse(path, err);
    char cut = path[length];
    path[length] = '\0';
    td_result rc = io.ops->mkdir(io.ctx, path, err);
    if (rc == TD_OK)
        rc = td_io_sync_folder_of(io, path, err);
    path[length] = cut;
    return rc;
}

/* Make the folders of path after its first `here` bytes. */
static td_result make_down(td_io io, char *path, size_t here, td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && path[here] != '\0') {
        here += strspn(path + here, "/");
        here += strcspn(path + here, "/");
        rc = mkdir_and_sync_parent(io, path, here, err);
    }
    return rc;
}

/* Length of the parent folder's path, without trailing slashes; 0 if there is no parent to make. */
static size_t parent_length(const char *path, size_t length)
{
    while (length > 0 && path[length - 1] != '/')
        length--;
    while (length > 0 && path[length - 1] == '/')
        length--;
    return length;
}

int td_path_is_below(td_bytes path)
{
    td_bytes part;
    while (td_bytes_next(&path, '/', &part))
        if (part.size == 0 || td_bytes_is(part, ".") || td_bytes_is(part, ".."))
            return 0;
    return 1;
}

/* Tries path, then its parents upwards, until a folder exists or can be made; then makes the
 * folders below it. Does not touch the folders above it, which may be unreadable. */
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
    if (rc != TD_OK)
        return rc;
    td_err_clear(err);
    return make_down(io, copy, here, err);
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
    return make_down(io, path, here, err);
}

td_result td_io_list(td_io io, const char *path, td_list_fn *fn, void *user, td_err *err)
{
    return io.ops->list(io.ctx, path, fn, user, err);
}

td_result td_io_sync_dir(td_io io, const char *path, td_err *err)
{
    return io.ops->sync_dir == NULL ? refuse(path, err) : io.ops->sync_dir(io.ctx, path, err);
}

/* Length of path's folder, without the '/' except for the root; 0 without a folder. */
static size_t folder_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
}

td_result td_io_sync_folder_of(td_io io, const char *path, td_err *err)
{
    char folder[LIMIT_PATH_BYTES] = ".";
    size_t size = folder_bytes(path);
    if (size >= sizeof folder)
        return td_err_set(err, TD_E_INVALID, "file name '%.60s...' is too long", path);
    if (size > 0) {
        memcpy(folder, path, size);
        folder[size] = '\0';
    }
    return td_io_sync_dir(io, folder, err);
}

td_result td_io_publish(td_io io, const char *from, const char *to, td_err *err)
{
    size_t size = folder_bytes(to);
    td_result rc = td_io_rename(io, from, to, err);
    if (rc == TD_OK)
        rc = td_io_sync_folder_of(io, to, err);
    if (rc == TD_OK && (size != folder_bytes(from) || memcmp(from, to, size) != 0))
        rc = td_io_sync_folder_of(io, from, err);
    return rc;
}

td_result td_io_write_file(td_io io, const char *path, td_open_mode mode, td_write_fn *fn,
                           void *user, td_err *err)
{
    char part[LIMIT_PATH_BYTES];
    td_file *file = NULL;
    int length = snprintf(part, sizeof part, "%s.part", path);
    if (length < 0 || (size_t)length >= sizeof part)
        return td_err_set(err, TD_E_INVALID, "file name '%.60s...' is too long", path);
    td_result rc = td_io_unlink(io, part, err);
    if (rc != TD_OK && rc != TD_E_NOTFOUND)
        return rc;
    td_err_clear(err);
    rc = td_io_open(io, part, mode, &file, err);
    if (rc == TD_OK)
        rc = fn(user, file, err);
    if (rc == TD_OK)
        rc = td_io_sync(file, err);
    td_io_close(file);
    return rc == TD_OK ? td_io_publish(io, part, path, err) : rc;
}

td_result td_io_space(td_io io, const char *path, td_space *out, td_err *err)
{
    return io.ops->space == NULL ? refuse(path, err) : io.ops->space(io.ctx, path, out, err);
}

td_result td_io_check_writable(td_io io, const char *path, td_err *err)
{
    return io.ops->check_writable == NULL ? refuse(path, err)
                                          : io.ops->check_writable(io.ctx, path, err);
}

td_result td_io_check_name(td_io io, const char *path, td_file *file, td_name_state *out,
                           td_err *err)
{
    TD_ASSERT(file->ops == io.ops);
    return io.ops->check_name(io.ctx, path, file, out, err);
}

/* ---- locks ---- */

#define HOLDER_START "pid "

struct td_lock {
    td_io io;
    td_file *file;
    char *path;
};

td_result td_io_lock_file(td_file *file, td_err *err)
{
    return file->ops->lock == NULL ? refuse_file(err) : file->ops->lock(file, err);
}

void td_io_unlock_file(td_file *file)
{
    file->ops->unlock(file);
}

/* Read the first line of a lock file. */
static td_result read_holder(td_file *file, char out[TD_HOLDER_BYTES], td_err *err)
{
    size_t got = 0;
    td_result rc = td_io_read_at(file, 0, out, TD_HOLDER_BYTES - 1, &got, err);
    out[rc == TD_OK ? got : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return rc;
}

static td_result check_lock_name(td_io io, const char *path, td_file *file, td_err *err)
{
    td_name_state state = TD_NAME_GONE;
    td_result rc = td_io_check_name(io, path, file, &state, err);
    if (rc != TD_OK || state == TD_NAME_SAME)
        return rc;
    rc = td_err_set(err, TD_E_UNSUPPORTED, "'%s' is a symbolic link, or was just replaced", path);
    td_err_hint(err, "locks are regular files: remove it while nothing uses the archive");
    return rc;
}

td_result td_io_check_lock(td_io io, const char *path, td_lock_view *out, td_err *err)
{
    td_file *file = NULL;
    *out = (td_lock_view){0};
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &file, err);
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        return TD_OK;
    }
    if (rc == TD_OK)
        rc = check_lock_name(io, path, file, err);
    if (rc == TD_OK)
        rc = io.ops->is_locked(file, &out->is_held, err);
    if (rc == TD_OK)
        rc = read_holder(file, out->holder, err);
    td_io_close(file);
    return rc;
}

/* Check that a file is a lock file: it is empty, or has the line of a killed holder, or, after a
 * power cut, zeros in place of the line. Any other file belongs to another program. */
static td_result check_lock_content(const char *path, td_file *file, td_err *err)
{
    char text[TD_HOLDER_BYTES];
    size_t got = 0;
    td_result rc = td_io_read_at(file, 0, text, sizeof text, &got, err);
    if (rc != TD_OK)
        return rc;
    size_t zeros = 0;
    while (zeros < got && text[zeros] == '\0')
        zeros++;
    size_t start = strlen(HOLDER_START);
    int is_line = got > start && got < sizeof text && memcmp(text, HOLDER_START, start) == 0;
    if (is_line || (zeros == got && got < sizeof text))
        return TD_OK;
    rc = td_err_set(err, TD_E_UNSUPPORTED, "'%s' is not a lock file: it has other content", path);
    td_err_hint(err, "move it away, if it is yours");
    return rc;
}

/* Write the holder's line. It is only informative: on a full disk the lock file stays empty, which
 * is better than the line of an earlier holder. */
static td_result write_holder(td_file *file, const char *holder, td_err *err)
{
    char line[TD_HOLDER_BYTES];
    int length = snprintf(line, sizeof line - 1, "%s", holder);
    if (length < 0 || (size_t)length >= sizeof line - 1)
        length = (int)sizeof line - 2;
    line[length++] = '\n';
    td_result rc = td_io_truncate(file, 0, err);
    if (rc == TD_OK)
        rc = td_io_append(file, line, (size_t)length, err);
    if (rc != TD_E_NOSPACE)
        return rc;
    td_err_clear(err);
    return TD_OK;
}

static td_result lock_opened(const td_lock *lock, const char *holder, td_err *err)
{
    char present[TD_HOLDER_BYTES];
    td_result rc = td_io_lock_file(lock->file, err);
    if (rc == TD_E_BUSY) {
        if (read_holder(lock->file, present, NULL) != TD_OK || present[0] == '\0')
            (void)snprintf(present, sizeof present, "another process");
        return td_err_set(err, rc, "'%s' is locked by %s", lock->path, present);
    }
    if (rc == TD_OK)
        rc = check_lock_name(lock->io, lock->path, lock->file, err);
    if (rc == TD_OK)
        rc = check_lock_content(lock->path, lock->file, err);
    if (rc == TD_OK)
        rc = write_holder(lock->file, holder, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "cannot lock '%s'", lock->path);
}

static void free_lock(td_lock *lock)
{
    td_io_close(lock->file);
    td_free(lock->path);
    td_free(lock);
}

td_result td_io_lock(td_io io, const char *path, const char *holder, td_lock **out, td_err *err)
{
    TD_ASSERT(strncmp(holder, HOLDER_START, strlen(HOLDER_START)) == 0);
    *out = NULL;
    td_lock *lock = td_alloc_zero(1, sizeof *lock);
    lock->io = io;
    lock->path = td_strdup(path);
    td_result rc = td_io_open(io, path, TD_OPEN_LOCK, &lock->file, err);
    if (rc == TD_OK)
        rc = lock_opened(lock, holder, err);
    if (rc == TD_OK)
        *out = lock;
    else
        free_lock(lock);
    return rc;
}

td_result td_io_lock_name(td_lock *lock, td_name_state *out, td_err *err)
{
    return td_io_check_name(lock->io, lock->path, lock->file, out, err);
}

void td_io_unlock(td_lock *lock)
{
    if (lock == NULL)
        return;
    /* If this fails, the old line remains, but is not read while the lock is free. */
    td_result emptied = td_io_truncate(lock->file, 0, NULL);
    (void)emptied;
    free_lock(lock);
}
