/* Files, through one small table of functions.
 *
 * The real table (io_posix.h) calls the operating system. The simulated one of the tests
 * (tests/testing/io_fault.h) models a disk with a page cache: it computes what would be on disk
 * after a power loss now, and can make the n-th call fail. No other module opens, reads, writes,
 * renames or locks anything itself (SQLite's own files, and pipes and sockets, excepted).
 *
 * Durability order of everything that must survive: append, sync, (rename, sync_dir,) and only
 * then announce it. Paths are UTF-8, used as given. A td_file belongs to one thread at a time. */
#ifndef TD_BASE_IO_H
#define TD_BASE_IO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct td_file td_file;
typedef struct td_lock td_lock;

/* How to open. CREATE makes the file (its folder must exist) and fails if it exists. For
 * writing, path must be a regular file itself: a symbolic link is followed for reading only. */
typedef enum td_open_mode {
    TD_OPEN_READ,           /* existing file, reading */
    TD_OPEN_CREATE,         /* new file, reading and appending */
    TD_OPEN_APPEND,         /* existing file, reading and appending */
    TD_OPEN_CREATE_PRIVATE, /* as CREATE; only its owner may read or write it (0600) */
    TD_OPEN_LOCK,           /* as APPEND, or as CREATE if it is missing: for td_io_lock */
} td_open_mode;

/* What a path leads to, compared with an open file. A symbolic link is another file. */
typedef enum td_name_state {
    TD_NAME_SAME,  /* this very file */
    TD_NAME_GONE,  /* nothing */
    TD_NAME_OTHER, /* another file, or no file */
} td_name_state;

typedef enum td_entry_kind { TD_ENTRY_FILE, TD_ENTRY_DIR, TD_ENTRY_OTHER } td_entry_kind;

/* Called by list for each entry of a folder except "." and "..", in byte order of names. A
 * result other than TD_OK ends the listing, and is its result. */
typedef td_result td_list_fn(void *user, const char *name, td_entry_kind kind, td_err *err);

typedef struct td_space {
    uint64_t free_bytes;  /* free to this user */
    uint64_t total_bytes; /* size of the file system */
} td_space;

typedef struct td_io_ops {
    td_result (*open)(void *ctx, const char *path, td_open_mode mode, td_file **out, td_err *err);
    void (*close)(td_file *file);
    td_result (*size)(td_file *file, uint64_t *out, td_err *err);
    td_result (*size_at)(void *ctx, const char *path, uint64_t *out, td_err *err);
    td_result (*make_private)(void *ctx, const char *path, td_err *err);
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
    td_result (*check_name)(void *ctx, const char *path, td_file *file, td_name_state *out,
                            td_err *err);
    td_result (*lock)(td_file *file, td_err *err);
    void (*unlock)(td_file *file);
    td_result (*is_locked)(td_file *file, int *out, td_err *err);
} td_io_ops;

/* A table and its context; passed by value, borrowed by the callee. */
typedef struct td_io {
    const td_io_ops *ops;
    void *ctx;
} td_io;

/* What every td_file starts with; implementations put their own fields after it. */
struct td_file {
    const td_io_ops *ops;
};

/* Open path. TD_E_NOTFOUND if it does not exist, TD_E_INVALID if CREATE finds it,
 * TD_E_UNSUPPORTED for writing through a symbolic link and for anything but a regular file,
 * TD_E_IO. On success the caller owns *out, for td_io_close. */
TD_MUST_USE td_result td_io_open(td_io io, const char *path, td_open_mode mode, td_file **out,
                                 td_err *err);

/* Close; NULL is allowed. Appended bytes that were not synced may be lost by a power cut. */
void td_io_close(td_file *file);

/* Present size in bytes. */
TD_MUST_USE td_result td_io_size(td_file *file, uint64_t *out, td_err *err);

/* Size of the file at path, without opening it. Fails as td_io_open for reading does, also for
 * an unreadable file and for anything but a regular file. */
TD_MUST_USE td_result td_io_size_at(td_io io, const char *path, uint64_t *out, td_err *err);

/* TD_E_INVALID with a hint if a file is at path: for work that takes long before it writes there.
 */
TD_MUST_USE td_result td_io_check_absent(td_io io, const char *path, td_err *err);

/* Restrict a folder to its owner (0700). TD_E_NOTFOUND; TD_E_IO, for instance if it belongs to
 * another user. */
TD_MUST_USE td_result td_io_make_private(td_io io, const char *path, td_err *err);

/* Read up to size bytes at offset at; *got < size only at the end of the file. */
TD_MUST_USE td_result td_io_read_at(td_file *file, uint64_t at, void *buf, size_t size, size_t *got,
                                    td_err *err);

/* Read exactly size bytes; TD_E_TRUNCATED if the file ends before. */
TD_MUST_USE td_result td_io_read_exact(td_file *file, uint64_t at, void *buf, size_t size,
                                       td_err *err);

/* Read a whole file into memory, with a NUL after it. The caller frees *out; *size is its size
 * in bytes. TD_E_LIMIT if the file is larger than size_max, with nothing read; TD_E_TRUNCATED if
 * it became shorter meanwhile; TD_E_NOTFOUND, TD_E_IO. On failure *out is NULL. */
TD_MUST_USE td_result td_io_read_file(td_io io, const char *path, size_t size_max, uint8_t **out,
                                      size_t *size, td_err *err);

/* Append all bytes at the end. On failure some of them may be written: truncate to the size
 * before, or treat the file as torn. TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result td_io_append(td_file *file, const void *bytes, size_t size, td_err *err);

/* Read size bytes at offset at and write them again, so that the next sync makes them durable
 * even if an earlier sync, maybe of another process, failed and left them in the cache alone.
 * Durable bytes stay durable. TD_E_TRUNCATED if the file ends before; TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result td_io_rewrite(td_file *file, uint64_t at, uint64_t size, td_err *err);

/* Cut the file to size bytes. */
TD_MUST_USE td_result td_io_truncate(td_file *file, uint64_t size, td_err *err);

/* Make appended bytes survive a power cut (fdatasync). After a failure, bytes that were not
 * durable before must never be announced as durable: the kernel may have dropped the pages. */
TD_MUST_USE td_result td_io_sync(td_file *file, td_err *err);

/* Rename within one file system, replacing to. Durable after sync_dir of both folders. */
TD_MUST_USE td_result td_io_rename(td_io io, const char *from, const char *to, td_err *err);

/* Remove a file, or an empty folder. TD_E_NOTFOUND if it does not exist; TD_E_IO, for instance
 * if the folder is not empty. Durable after sync_dir of the parent folder. */
TD_MUST_USE td_result td_io_unlink(td_io io, const char *path, td_err *err);

/* Make a folder and every missing parent, syncing each parent that got a new entry. A folder that
 * exists is no error. */
TD_MUST_USE td_result td_io_mkdir_all(td_io io, const char *path, td_err *err);

/* Make a folder and every missing one between root, which exists, and it; relative is its path
 * below root. Every folder on the way is synced before the next one is made in it, even if it
 * existed: its maker may have been killed before syncing. So what is synced in the new folder
 * afterwards survives a power cut. */
TD_MUST_USE td_result td_io_mkdir_below(td_io io, const char *root, const char *relative,
                                        td_err *err);

/* List a folder; see td_list_fn. TD_E_NOTFOUND if it does not exist. */
TD_MUST_USE td_result td_io_list(td_io io, const char *path, td_list_fn *fn, void *user,
                                 td_err *err);

/* Make new, renamed and removed entries of a folder survive a power cut. */
TD_MUST_USE td_result td_io_sync_dir(td_io io, const char *path, td_err *err);

/* Sync the folder that contains path: everything up to its last '/'. */
TD_MUST_USE td_result td_io_sync_folder_of(td_io io, const char *path, td_err *err);

/* Rename a file whose content is durable, and make that durable: sync the folder of to, then
 * that of from, if it is another. A power cut between the two may leave both names. */
TD_MUST_USE td_result td_io_publish(td_io io, const char *from, const char *to, td_err *err);

/* Write a whole file, replacing an existing one: fn appends its content to PATH.part, which is
 * synced and published. So a file at path is always complete, also after a power cut. mode is
 * one of those that create. PATH.part of an earlier attempt is removed first; it may remain
 * after a failure. TD_E_INVALID if path is too long; what fn returns; TD_E_UNSUPPORTED,
 * TD_E_NOSPACE, TD_E_IO. */
typedef td_result td_write_fn(void *user, td_file *file, td_err *err);
TD_MUST_USE td_result td_io_write_file(td_io io, const char *path, td_open_mode mode,
                                       td_write_fn *fn, void *user, td_err *err);

/* Space on the file system that holds path. */
TD_MUST_USE td_result td_io_space(td_io io, const char *path, td_space *out, td_err *err);

/* Compare the file at path now with a file that was opened by it: the name may have been
 * removed, or given to another file. TD_E_IO. */
TD_MUST_USE td_result td_io_check_name(td_io io, const char *path, td_file *file,
                                       td_name_state *out, td_err *err);

/* ---- locks ----
 *
 * A lock is exclusive, belongs to one td_file, and ends when that is closed, with the process at
 * the latest. It keeps out only those that ask for the lock. */

/* Lock an open file itself, without waiting. The file is open for writing. TD_E_BUSY if another
 * td_file has it locked; TD_E_UNSUPPORTED if the file system has no locks; TD_E_IO. */
TD_MUST_USE td_result td_io_lock_file(td_file *file, td_err *err);

/* Release the lock; the file stays open. */
void td_io_unlock_file(td_file *file);

/* Largest line of a lock file, with its NUL. */
enum { TD_HOLDER_BYTES = 256 };

typedef struct td_lock_view {
    int is_held;
    char holder[TD_HOLDER_BYTES]; /* first line of the file; of a lock file the holder's, "" if it
                                   * has none */
} td_lock_view;

/* Check whether the file at path is locked. Writes nothing; needs only the right to read. A
 * missing file is not locked. TD_E_UNSUPPORTED for a symbolic link, and as above; TD_E_IO. */
TD_MUST_USE td_result td_io_check_lock(td_io io, const char *path, td_lock_view *out, td_err *err);

/* Take the lock of the lock file at path (made if missing), without waiting, and write holder into
 * it: one line that begins with "pid ". TD_E_BUSY, with the present holder's line in the error, if
 * it is held. TD_E_UNSUPPORTED, with nothing written, if a symbolic link is there, or a file that
 * holds anything but such a line. */
TD_MUST_USE td_result td_io_lock(td_io io, const char *path, const char *holder, td_lock **out,
                                 td_err *err);

/* Check that the lock file still has its name, by which others find it. TD_E_IO. */
TD_MUST_USE td_result td_io_lock_name(td_lock *lock, td_name_state *out, td_err *err);

/* Remove the line and release the lock; NULL is allowed. */
void td_io_unlock(td_lock *lock);

#endif
