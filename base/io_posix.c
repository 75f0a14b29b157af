#include "base/io_posix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"

typedef struct posix_file {
    td_file base;
    int fd;
} posix_file;

static const td_io_ops POSIX_OPS;

static posix_file *as_file(td_file *file)
{
    TD_ASSERT(file->ops == &POSIX_OPS);
    return (posix_file *)file;
}

/* Set an error about a path. A missing file gets its own code, because callers handle it. */
static td_result path_error(td_err *err, int os_errno, const char *doing, const char *path)
{
    if (os_errno == ENOENT || os_errno == ENOTDIR) {
        char reason[96];
        return td_err_set(err, TD_E_NOTFOUND, "cannot %s '%s': %s", doing, path,
                          strerror_r(os_errno, reason, sizeof reason));
    }
    return td_err_set_os(err, os_errno, "cannot %s '%s'", doing, path);
}

static int open_retrying(const char *path, int flags, mode_t access)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, access);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Open a regular file. O_NONBLOCK prevents blocking on an unexpected FIFO in an archive, and has
 * no effect on regular files. O_NOFOLLOW prevents writing through a symbolic link. */
static td_result posix_open(void *ctx, const char *path, td_open_mode mode, td_file **out,
                            td_err *err)
{
    (void)ctx;
    static const int FLAGS[] = {
        [TD_OPEN_READ] = O_RDONLY,
        [TD_OPEN_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [TD_OPEN_CREATE_PRIVATE] = O_RDWR | O_CREAT | O_EXCL,
        [TD_OPEN_APPEND] = O_RDWR | O_NOFOLLOW,
        [TD_OPEN_LOCK] = O_RDWR | O_NOFOLLOW | O_CREAT,
    };
    mode_t access = mode == TD_OPEN_CREATE_PRIVATE ? 0600 : 0644;
    int fd = open_retrying(path, FLAGS[mode] | O_NONBLOCK | O_NOCTTY, access);
    if (fd < 0 && errno == EEXIST)
        return td_err_set(err, TD_E_INVALID, "cannot create '%s': it exists already", path);
    if (fd < 0 && errno == ELOOP && (FLAGS[mode] & O_NOFOLLOW) != 0) {
        td_result linked =
            td_err_set(err, TD_E_UNSUPPORTED, "cannot write to '%s': it is a symbolic link", path);
        td_err_hint(err, "put the file itself in its place");
        return linked;
    }
    if (fd < 0)
        return path_error(err, errno, (FLAGS[mode] & O_CREAT) != 0 ? "create" : "open", path);
    struct stat info;
    td_result rc = TD_OK;
    if (fstat(fd, &info) != 0)
        rc = td_err_set_os(err, errno, "cannot examine '%s'", path);
    else if (!S_ISREG(info.st_mode)) {
        rc = td_err_set(err, TD_E_UNSUPPORTED, "cannot open '%s': not a regular file", path);
        if ((FLAGS[mode] & O_NOFOLLOW) != 0)
            td_err_hint(err, "move it out of the way");
    }
    if (rc != TD_OK) {
        close(fd);
        return rc;
    }
    posix_file *file = td_alloc_zero(1, sizeof *file);
    file->base.ops = &POSIX_OPS;
    file->fd = fd;
    *out = &file->base;
    return TD_OK;
}

static void posix_close(td_file *base)
{
    posix_file *file = as_file(base);
    /* Durable data was synced before, so an error here has no consequence. */
    (void)close(file->fd);
    td_free(file);
}

static td_result posix_size(td_file *base, uint64_t *out, td_err *err)
{
    struct stat info;
    if (fstat(as_file(base)->fd, &info) != 0)
        return td_err_set_os(err, errno, "cannot get the size");
    TD_ASSERT(info.st_size >= 0);
    *out = (uint64_t)info.st_size;
    return TD_OK;
}

static td_result posix_size_at(void *ctx, const char *path, uint64_t *out, td_err *err)
{
    (void)ctx;
    struct stat info;
    if (stat(path, &info) != 0)
        return path_error(err, errno, "open", path);
    if (!S_ISREG(info.st_mode))
        return td_err_set(err, TD_E_UNSUPPORTED, "cannot open '%s': not a regular file", path);
    /* Listings call this for each file of an archive: make a second system call only if the mode
     * does not show whether this user may read the file. */
    const mode_t all = S_IRUSR | S_IRGRP | S_IROTH;
    if ((info.st_mode & all) != all && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
        return path_error(err, errno, "open", path);
    TD_ASSERT(info.st_size >= 0);
    *out = (uint64_t)info.st_size;
    return TD_OK;
}

static td_result posix_make_private(void *ctx, const char *path, td_err *err)
{
    (void)ctx;
    return chmod(path, 0700) == 0 ? TD_OK : path_error(err, errno, "restrict access to", path);
}

static td_result posix_copy_access(void *ctx, const char *path, td_file *to, td_err *err)
{
    (void)ctx;
    struct stat from, now;
    const int fd = as_file(to)->fd;
    if (stat(path, &from) != 0)
        return path_error(err, errno, "open", path);
    if (fstat(fd, &now) != 0)
        return td_err_set_os(err, errno, "cannot examine the file that replaces '%s'", path);
    if ((from.st_uid != now.st_uid || from.st_gid != now.st_gid) &&
        fchown(fd, from.st_uid, from.st_gid) != 0)
        return path_error(err, errno, "keep the owner of", path);
    return fchmod(fd, from.st_mode & 0777) == 0 ? TD_OK
                                                : path_error(err, errno, "keep the mode of", path);
}

static td_result posix_mark_used(void *ctx, const char *path, td_err *err)
{
    (void)ctx;
    return utimensat(AT_FDCWD, path, NULL, 0) == 0 ? TD_OK
                                                   : path_error(err, errno, "mark as used", path);
}

static td_result posix_used_ns(void *ctx, const char *path, uint64_t *out, td_err *err)
{
    (void)ctx;
    struct stat info;
    if (stat(path, &info) != 0)
        return path_error(err, errno, "examine", path);
    *out = (uint64_t)info.st_mtim.tv_sec * TD_NS_PER_S + (uint64_t)info.st_mtim.tv_nsec;
    return TD_OK;
}

static td_result posix_read_at(td_file *base, uint64_t at, void *buf, size_t size, size_t *got,
                               td_err *err)
{
    posix_file *file = as_file(base);
    *got = 0;
    if (at > INT64_MAX - size)
        return td_err_set(err, TD_E_INVALID, "read at offset %llu: too large for a file",
                          (unsigned long long)at);
    while (*got < size) {
        ssize_t n = pread(file->fd, (char *)buf + *got, size - *got, (off_t)(at + *got));
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return td_err_set_os(err, errno, "read of %zu bytes at offset %llu", size,
                                 (unsigned long long)at);
        *got += (size_t)n;
        TD_ASSERT(*got <= size);
    }
    return TD_OK;
}

static td_result posix_overwrite(td_file *base, uint64_t at, const void *bytes, size_t size,
                                 td_err *err)
{
    size_t done = 0;
    if (at > INT64_MAX - size)
        return td_err_set(err, TD_E_INVALID, "write at offset %llu: too large for a file",
                          (unsigned long long)at);
    while (done < size) {
        ssize_t n =
            pwrite(as_file(base)->fd, (const char *)bytes + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return td_err_set_os(err, n == 0 ? EIO : errno,
                                 "write of %zu bytes at offset %llu, %zu done", size,
                                 (unsigned long long)at, done);
        done += (size_t)n;
        TD_ASSERT(done <= size);
    }
    return TD_OK;
}

/* Write at the current end. The file is not opened with O_APPEND, because then Linux's pwrite
 * ignores its offset. A file has one writer at a time. */
static td_result posix_append(td_file *base, const void *bytes, size_t size, td_err *err)
{
    uint64_t end = 0;
    td_result rc = posix_size(base, &end, err);
    return rc == TD_OK ? posix_overwrite(base, end, bytes, size, err) : rc;
}

static td_result posix_truncate(td_file *base, uint64_t size, td_err *err)
{
    posix_file *file = as_file(base);
    int rc;
    if (size > INT64_MAX)
        return td_err_set(err, TD_E_INVALID, "cut to %llu bytes: too large for a file",
                          (unsigned long long)size);
    do
        rc = ftruncate(file->fd, (off_t)size);
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return td_err_set_os(err, errno, "cut to %llu bytes", (unsigned long long)size);
    return TD_OK;
}

/* Call fdatasync. Repeating it after EINTR is safe: the kernel drops pages only after a write
 * error that it reported. */
static td_result posix_sync(td_file *base, td_err *err)
{
    posix_file *file = as_file(base);
    int rc;
    do
        rc = fdatasync(file->fd);
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? TD_OK : td_err_set_os(err, errno, "fdatasync");
}

static td_result posix_rename(void *ctx, const char *from, const char *to, td_err *err)
{
    (void)ctx;
    if (rename(from, to) == 0)
        return TD_OK;
    td_result rc = path_error(err, errno, "rename", from);
    return td_err_add(err, rc, "to '%s'", to);
}

static td_result posix_unlink(void *ctx, const char *path, td_err *err)
{
    (void)ctx;
    return remove(path) == 0 ? TD_OK : path_error(err, errno, "remove", path);
}

static td_result posix_mkdir(void *ctx, const char *path, td_err *err)
{
    (void)ctx;
    if (mkdir(path, 0755) == 0)
        return TD_OK;
    int os_errno = errno;
    struct stat info;
    if (os_errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return TD_OK;
    return path_error(err, os_errno, "make folder", path);
}

typedef struct dir_entry {
    char *name;
    td_entry_kind kind;
} dir_entry;

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const dir_entry *)a)->name, ((const dir_entry *)b)->name);
}

/* The kind of a folder's entry. A symbolic link counts as its target, because folders of an
 * archive may be links to another disk. */
static td_entry_kind entry_kind(int dir_fd, const struct dirent *entry)
{
    if (entry->d_type == DT_REG)
        return TD_ENTRY_FILE;
    if (entry->d_type == DT_DIR)
        return TD_ENTRY_DIR;
    struct stat info;
    if ((entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN) ||
        fstatat(dir_fd, entry->d_name, &info, 0) != 0)
        return TD_ENTRY_OTHER;
    if (S_ISREG(info.st_mode))
        return TD_ENTRY_FILE;
    return S_ISDIR(info.st_mode) ? TD_ENTRY_DIR : TD_ENTRY_OTHER;
}

/* List a folder. All names are read before the first callback, so callbacks may change the folder.
 */
static td_result posix_list(void *ctx, const char *path, td_list_fn *fn, void *user, td_err *err)
{
    (void)ctx;
    dir_entry *all = NULL;
    size_t count = 0;
    td_result rc = TD_OK;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return path_error(err, errno, "list", path);
    while (rc == TD_OK) {
        errno = 0;
        /* readdir is safe here: the DIR is local to this call. */
        const struct dirent *entry = readdir(dir); /* NOLINT(concurrency-mt-unsafe) */
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        all = td_array_grow(all, count, sizeof *all);
        all[count++] = (dir_entry){td_strdup(entry->d_name), entry_kind(dirfd(dir), entry)};
        if (count > LIMIT_FOLDER_ENTRIES)
            rc = td_err_set(err, TD_E_LIMIT, "cannot list '%s': more than %u entries", path,
                            LIMIT_FOLDER_ENTRIES);
    }
    if (rc == TD_OK && errno != 0)
        rc = td_err_set_os(err, errno, "cannot list '%s'", path);
    closedir(dir);
    if (count > 1)
        qsort(all, count, sizeof *all, compare_entries);
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = fn(user, all[i].name, all[i].kind, err);
    for (size_t i = 0; i < count; i++)
        td_free(all[i].name);
    td_free(all);
    return rc;
}

static td_result posix_sync_dir(void *ctx, const char *path, td_err *err)
{
    (void)ctx;
    int fd = open_retrying(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return path_error(err, errno, "sync folder", path);
    int rc;
    do
        rc = fsync(fd);
    while (rc != 0 && errno == EINTR);
    int os_errno = rc == 0 ? 0 : errno;
    close(fd);
    /* EINVAL: this file system (some network ones) cannot sync folders, and nothing more can be
     * done. */
    if (os_errno != 0 && os_errno != EINVAL)
        return path_error(err, os_errno, "sync folder", path);
    return TD_OK;
}

static td_result posix_space(void *ctx, const char *path, td_space *out, td_err *err)
{
    (void)ctx;
    struct statvfs info;
    int rc;
    do
        rc = statvfs(path, &info);
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return path_error(err, errno, "get the free space of", path);
    out->free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    out->total_bytes = (uint64_t)info.f_blocks * info.f_frsize;
    return TD_OK;
}

static td_result posix_check_writable(void *ctx, const char *path, td_err *err)
{
    (void)ctx;
    struct stat info;
    /* A file can be made in a folder only if the folder can also be searched. */
    if (stat(path, &info) == 0 && access(path, S_ISDIR(info.st_mode) ? W_OK | X_OK : W_OK) == 0)
        return TD_OK;
    return path_error(err, errno, "write to", path);
}

static td_result posix_check_name(void *ctx, const char *path, td_file *base, td_name_state *out,
                                  td_err *err)
{
    (void)ctx;
    struct stat named;
    struct stat opened;
    if (fstat(as_file(base)->fd, &opened) != 0)
        return td_err_set_os(err, errno, "cannot examine '%s'", path);
    *out = TD_NAME_GONE;
    if (lstat(path, &named) == 0)
        *out = named.st_ino == opened.st_ino && named.st_dev == opened.st_dev ? TD_NAME_SAME
                                                                              : TD_NAME_OTHER;
    else if (errno != ENOENT && errno != ENOTDIR)
        return td_err_set_os(err, errno, "cannot examine '%s'", path);
    return TD_OK;
}

/* A lock on the whole file, for use as an open file description lock: it ends with the descriptor,
 * and two such locks of one process exclude each other. */
static struct flock whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

static td_result lock_error(int os_errno, td_err *err)
{
    if (os_errno == EAGAIN || os_errno == EACCES)
        return td_err_set(err, TD_E_BUSY, "it is locked by another process");
    if (os_errno != EINVAL && os_errno != ENOLCK && os_errno != EOPNOTSUPP && os_errno != ENOSYS)
        return td_err_set_os(err, os_errno, "cannot lock");
    char reason[96];
    td_result rc = td_err_set(err, TD_E_UNSUPPORTED, "this file system has no locks: %s",
                              strerror_r(os_errno, reason, sizeof reason));
    td_err_hint(err, "put the archive on a local file system");
    return rc;
}

static td_result posix_lock(td_file *base, td_err *err)
{
    struct flock lock = whole_file(F_WRLCK);
    return fcntl(as_file(base)->fd, F_OFD_SETLK, &lock) == 0 ? TD_OK : lock_error(errno, err);
}

static void posix_unlock(td_file *base)
{
    struct flock lock = whole_file(F_UNLCK);
    /* If this fails, the lock ends when the descriptor is closed. */
    if (fcntl(as_file(base)->fd, F_OFD_SETLK, &lock) != 0)
        errno = 0;
}

static td_result posix_is_locked(td_file *base, int *out, td_err *err)
{
    struct flock lock = whole_file(F_WRLCK);
    if (fcntl(as_file(base)->fd, F_OFD_GETLK, &lock) != 0)
        return lock_error(errno, err);
    *out = lock.l_type != F_UNLCK;
    return TD_OK;
}

static const td_io_ops POSIX_OPS = {
    .open = posix_open,
    .close = posix_close,
    .size = posix_size,
    .size_at = posix_size_at,
    .make_private = posix_make_private,
    .copy_access = posix_copy_access,
    .mark_used = posix_mark_used,
    .used_ns = posix_used_ns,
    .read_at = posix_read_at,
    .append = posix_append,
    .overwrite = posix_overwrite,
    .truncate = posix_truncate,
    .sync = posix_sync,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .list = posix_list,
    .sync_dir = posix_sync_dir,
    .space = posix_space,
    .check_writable = posix_check_writable,
    .check_name = posix_check_name,
    .lock = posix_lock,
    .unlock = posix_unlock,
    .is_locked = posix_is_locked,
};

td_io io_posix(void)
{
    return (td_io){.ops = &POSIX_OPS, .ctx = NULL};
}

td_result io_posix_open_standard(td_err *err)
{
    static const int FLAGS[] = {
        [STDIN_FILENO] = O_WRONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_WRONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        /* Not close-on-exec: a program started by exec needs it as well. */
        int opened = open("/dev/null", FLAGS[fd]);
        if (opened < 0)
            return td_err_set_os(err, errno, "cannot open /dev/null in place of descriptor %d", fd);
        TD_ASSERT(opened == fd); /* the lowest free descriptor */
    }
    return TD_OK;
}
