/* Files, through a table of functions.
 *
 * The real table (io_posix.h) calls the operating system. The tests' table
 * (tests/testing/io_fault.h) models a disk with a page cache: it computes the disk's content after
 * a power loss, and can make the n-th call fail. No other module opens, reads, writes, renames or
 * locks files (except SQLite's files, pipes and sockets).
 *
 * Order for durable data: append, sync, (rename, sync_dir,) and only then announce it. Paths are
 * UTF-8, used as given. A td_file belongs to one thread at a time. */
#ifndef TD_BASE_IO_H
#define TD_BASE_IO_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct td_file td_file;
typedef struct td_lock td_lock;

/* How to open. TD_OPEN_CREATE makes the file, whose folder must exist, and fails if the file
 * exists. Only regular files can be opened; symbolic links are followed only for reading. */
typedef enum td_open_mode {
    TD_OPEN_READ,           /* existing file, for reading */
    TD_OPEN_CREATE,         /* new file, for reading and appending */
    TD_OPEN_APPEND,         /* existing file, for reading and appending */
    TD_OPEN_CREATE_PRIVATE, /* as CREATE; only the owner may read or write it (0600) */
    TD_OPEN_LOCK,           /* as APPEND, or as CREATE if the file is missing; for td_io_lock */
} td_open_mode;

/* What a path names, compared with an open file. A symbolic link counts as another file. */
typedef enum td_name_state {
    TD_NAME_SAME,  /* the same file */
    TD_NAME_GONE,  /* does not exist */
    TD_NAME_OTHER, /* another file, or not a file */
} td_name_state;

typedef enum td_entry_kind { TD_ENTRY_FILE, TD_ENTRY_DIR, TD_ENTRY_OTHER } td_entry_kind;

/* Called for each entry of a folder except "." and "..", in byte order of names. A result other
 * than TD_OK ends the listing and is its result. */
typedef td_result td_list_fn(void *user, const char *name, td_entry_kind kind, td_err *err);

typedef struct td_space {
    uint64_t free_bytes;  /* available to this user */
    uint64_t total_bytes; /* size of the file system */
} td_space;

/* Files that are only read (remote/remote_io.h) have no functions that write or lock: NULL. Their
 * callers below get TD_E_UNSUPPORTED. */
typedef struct td_io_ops {
    td_result (*open)(void *ctx, const char *path, td_open_mode mode, td_file **out, td_err *err);
    void (*close)(td_file *file);
    td_result (*size)(td_file *file, uint64_t *out, td_err *err);
    td_result (*size_at)(void *ctx, const char *path, uint64_t *out, td_err *err);
    td_result (*make_private)(void *ctx, const char *path, td_err *err);
    td_result (*copy_access)(void *ctx, const char *path, td_file *to, td_err *err);
    td_result (*mark_used)(void *ctx, const char *path, td_err *err);
    td_result (*used_ns)(void *ctx, const char *path, uint64_t *out, td_err *err);
    td_result (*read_at)(td_file *file, uint64_t at, void *buf, size_t size, size_t *got,
                         td_err *err);
    td_result (*append)(td_file *file, const void *bytes, size_t size, td_err *err);
    td_result (*overwrite)(td_file *file, uint64_t at, const void *bytes, size_t size, td_err *err);
    td_result (*truncate)(td_file *file, uint64_t size, td_err *err);
    td_result (*sync)(td_file *file, td_err *err);
    td_result (*rename)(void *ctx, const char *from, const char *to, td_err *err);
    td_result (*unlink)(void *ctx, const char *path, td_err *err);
    td_result (*mkdir)(void *ctx, const char *path, td_err *err);
    td_result (*list)(void *ctx, const char *path, td_list_fn *fn, void *user, td_err *err);
    td_result (*sync_dir)(void *ctx, const char *path, td_err *err);
    td_result (*space)(void *ctx, const char *path, td_space *out, td_err *err);
    td_result (*check_writable)(void *ctx, const char *path, td_err *err);
    td_result (*check_name)(void *ctx, const char *path, td_file *file, td_name_state *out,
                            td_err *err);
    td_result (*lock)(td_file *file, td_err *err);
    void (*unlock)(td_file *file);
    td_result (*is_locked)(td_file *file, int *out, td_err *err);
} td_io_ops;

/* A table and its context; passed by value. */
typedef struct td_io {
    const td_io_ops *ops;
    void *ctx;
} td_io;

/* The beginning of every td_file; implementations append their own members. */
struct td_file {
    const td_io_ops *ops;
};

/* Open path. TD_E_NOTFOUND: the file, or its folder, does not exist. TD_E_INVALID: mode is CREATE
 * and the file exists. TD_E_UNSUPPORTED: path is not a regular file, or path is a symbolic link
 * and mode is APPEND or LOCK. TD_E_IO. The caller frees *out by td_io_close. */
TD_MUST_USE td_result td_io_open(td_io io, const char *path, td_open_mode mode, td_file **out,
                                 td_err *err);

/* Close; NULL is fine. A power cut may lose appended bytes that were not synced. */
void td_io_close(td_file *file);

/* Current size in bytes. TD_E_IO. */
TD_MUST_USE td_result td_io_size(td_file *file, uint64_t *out, td_err *err);

/* Size of the file at path, without opening it. Fails as td_io_open for reading would, also for an
 * unreadable file and for anything but a regular file. */
TD_MUST_USE td_result td_io_size_at(td_io io, const char *path, uint64_t *out, td_err *err);

/* Check that path does not exist, before long work whose result is written to path. TD_E_IO;
 * TD_E_INVALID, with a hint: path exists. */
TD_MUST_USE td_result td_io_check_absent(td_io io, const char *path, td_err *err);

/* Restrict a folder to its owner (0700). TD_E_NOTFOUND; TD_E_IO, for instance if it belongs to
 * another user. */
TD_MUST_USE td_result td_io_make_private(td_io io, const char *path, td_err *err);

/* Give an open file the owner, the group and the mode of the file at path, which it will replace.
 * TD_E_NOTFOUND; TD_E_IO, for instance if that file belongs to another user. */
TD_MUST_USE td_result td_io_copy_access(td_io io, const char *path, td_file *to, td_err *err);

/* Mark a file as used now: a cache's files, of which the oldest are removed. td_io_used_ns: when
 * that was, or when it was written, ns since 1970. TD_E_NOTFOUND; TD_E_IO. */
TD_MUST_USE td_result td_io_mark_used(td_io io, const char *path, td_err *err);
TD_MUST_USE td_result td_io_used_ns(td_io io, const char *path, uint64_t *out, td_err *err);

/* Read up to size bytes at offset `at`. *got is less than size only at the end of the file.
 * TD_E_IO. */
TD_MUST_USE td_result td_io_read_at(td_file *file, uint64_t at, void *buf, size_t size, size_t *got,
                                    td_err *err);

/* Read exactly size bytes; TD_E_TRUNCATED if the file is shorter; TD_E_IO. */
TD_MUST_USE td_result td_io_read_exact(td_file *file, uint64_t at, void *buf, size_t size,
                                       td_err *err);

/* Read a whole file into memory, with a NUL after it. The caller frees *out; *size is without the
 * NUL. TD_E_LIMIT if the file is larger than size_max; TD_E_TRUNCATED if it became shorter
 * meanwhile; TD_E_NOTFOUND, TD_E_IO. On failure *out is NULL. */
TD_MUST_USE td_result td_io_read_file(td_io io, const char *path, size_t size_max, uint8_t **out,
                                      size_t *size, td_err *err);

/* Append bytes. After a failure, some of the bytes may be in the file: the caller must truncate it
 * to its previous size, or treat it as torn. TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result td_io_append(td_file *file, const void *bytes, size_t size, td_err *err);

/* Write the size bytes at offset `at` once more, with the same content. Then the next sync makes
 * these bytes durable even if an earlier sync, maybe of another process, failed and left them only
 * in the page cache. Durable bytes stay durable. TD_E_TRUNCATED: the file is shorter; TD_E_NOSPACE,
 * TD_E_IO. */
TD_MUST_USE td_result td_io_rewrite(td_file *file, uint64_t at, uint64_t size, td_err *err);

/* Truncate the file to size bytes. TD_E_IO. */
TD_MUST_USE td_result td_io_truncate(td_file *file, uint64_t size, td_err *err);

/* Make appended bytes durable (fdatasync). After a failure, bytes that were not durable before must
 * never be announced as durable: the kernel may have dropped the pages. TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result td_io_sync(td_file *file, td_err *err);

/* Rename within a file system, replacing `to`. Durable after sync_dir of both folders. */
TD_MUST_USE td_result td_io_rename(td_io io, const char *from, const char *to, td_err *err);

/* Remove a file, or an empty folder. TD_E_NOTFOUND if it does not exist; TD_E_IO, for instance
 * if the folder is not empty. Durable after sync_dir of the parent folder. */
TD_MUST_USE td_result td_io_unlink(td_io io, const char *path, td_err *err);

/* 1 if a path, from another program, is below a folder: neither absolute nor with an empty part,
 * "." or "..". */
int td_path_is_below(td_bytes path);

/* Make a folder and its missing parents, syncing each parent that got a new entry. An existing
 * folder is no error. */
TD_MUST_USE td_result td_io_mkdir_all(td_io io, const char *path, td_err *err);

/* Make the folder root/relative and the missing folders between root and it; root must exist. Each
 * folder's parent is synced before the next folder is made, even if the folder existed: the process
 * that made it may have been killed before it synced the parent. So data that is synced in the new
 * folder survives a power cut. */
TD_MUST_USE td_result td_io_mkdir_below(td_io io, const char *root, const char *relative,
                                        td_err *err);

/* List a folder; see td_list_fn. TD_E_NOTFOUND if it does not exist. */
TD_MUST_USE td_result td_io_list(td_io io, const char *path, td_list_fn *fn, void *user,
                                 td_err *err);

/* Make new, renamed and removed entries of a folder durable. */
TD_MUST_USE td_result td_io_sync_dir(td_io io, const char *path, td_err *err);

/* Sync the folder that contains path. */
TD_MUST_USE td_result td_io_sync_folder_of(td_io io, const char *path, td_err *err);

/* Rename a file whose content is durable, and make the rename durable: sync the folder of `to`,
 * then, if it is a different one, the folder of `from`. A power cut between the two syncs may leave
 * both names. */
TD_MUST_USE td_result td_io_publish(td_io io, const char *from, const char *to, td_err *err);

/* Write a whole file, replacing an existing one: fn appends the content to PATH.part, which is
 * synced and published. So a file at path is always complete, even after a power cut. mode is one
 * of the modes that create. A PATH.part of an earlier attempt is removed first. After a failure
 * PATH.part may remain. TD_E_INVALID: path is too long; the result of fn; TD_E_UNSUPPORTED,
 * TD_E_NOSPACE, TD_E_IO. */
typedef td_result td_write_fn(void *user, td_file *file, td_err *err);
TD_MUST_USE td_result td_io_write_file(td_io io, const char *path, td_open_mode mode,
                                       td_write_fn *fn, void *user, td_err *err);

/* Space on the file system that holds path. */
TD_MUST_USE td_result td_io_space(td_io io, const char *path, td_space *out, td_err *err);

/* Check that this process may write the file at path, or make files in the folder at path, without
 * writing. TD_E_NOTFOUND; TD_E_IO with the reason: no permission, a read-only file system. */
TD_MUST_USE td_result td_io_check_writable(td_io io, const char *path, td_err *err);

/* Compare the file at path with a file that was opened by this path: it may have been removed or
 * replaced meanwhile. TD_E_IO. */
TD_MUST_USE td_result td_io_check_name(td_io io, const char *path, td_file *file,
                                       td_name_state *out, td_err *err);

/* ---- locks ----
 *
 * A lock is exclusive, belongs to one td_file, and ends when the file is closed, at the latest with
 * the process. It excludes only callers that also request the lock. */

/* Lock a file that is open for writing, without waiting. TD_E_BUSY: it is locked by another
 * td_file. TD_E_UNSUPPORTED: the file system has no locks. TD_E_IO. */
TD_MUST_USE td_result td_io_lock_file(td_file *file, td_err *err);

/* Release the lock; the file stays open. */
void td_io_unlock_file(td_file *file);

/* Maximum line of a lock file, with its NUL. */
enum { TD_HOLDER_BYTES = 256 };

typedef struct td_lock_view {
    int is_held;
    char holder[TD_HOLDER_BYTES]; /* the file's first line: a lock file's holder; may be "" */
} td_lock_view;

/* Check whether the file at path is locked. Writes nothing; needs only read permission. A missing
 * file is not locked. TD_E_UNSUPPORTED: path is a symbolic link, or the file system has no locks.
 * TD_E_IO. */
TD_MUST_USE td_result td_io_check_lock(td_io io, const char *path, td_lock_view *out, td_err *err);

/* Lock the lock file at path (created if missing), without waiting, and write holder to it: one
 * line that begins with "pid ". TD_E_BUSY: the file is locked; the error has the current holder's
 * line. TD_E_UNSUPPORTED: path is a symbolic link, or a file with other content; nothing is
 * written. */
TD_MUST_USE td_result td_io_lock(td_io io, const char *path, const char *holder, td_lock **out,
                                 td_err *err);

/* Check that path still names the lock file, so that other processes find it. TD_E_IO. */
TD_MUST_USE td_result td_io_lock_name(td_lock *lock, td_name_state *out, td_err *err);

/* Remove the line and release the lock; NULL is fine. */
void td_io_unlock(td_lock *lock);

#endif
