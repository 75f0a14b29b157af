/* The internals of the simulated disk, shared by io_fault.c (the I/O table: files, locks),
 * io_fault_names.c (the I/O table: names and folders), io_fault_plan.c (faults), io_fault_control.c
 * (control by tests), io_fault_disk.c (the model) and io_fault_cut.c (crashes, the log). No other
 * file includes this.
 *
 *
 * A disk is an array of inodes. The number of an inode is its index and never changes, so that a
 * change logged on one disk can be applied to a copy. Every change, made by a call or taken from
 * the log, goes through disk_apply. Call all functions with the disk's mutex held, or on a disk
 * that is not shared. */
#ifndef TD_TESTS_TESTING_IO_FAULT_IMPL_H
#define TD_TESTS_TESTING_IO_FAULT_IMPL_H

#include <pthread.h>

#include "base/buf.h"
#include "tests/testing/io_fault.h"

enum { NO_INODE = 0, ROOT_INODE = 1, NAMES_OF_RENAME = 2 };

/* A change of a file that may not be durable. */
typedef struct file_change {
    uint64_t at;    /* append: offset */
    uint64_t size;  /* append: bytes; truncate: new size */
    uint8_t *bytes; /* append: the bytes, owned; NULL for a truncate */
    int is_dropped; /* a failed sync lost it; later syncs skip it */
    int is_durable; /* synced, but kept in the list because it follows a dropped change */
} file_change;

typedef struct dir_name {
    char *name; /* owned */
    uint32_t inode;
} dir_name;

/* Entries of a folder, in byte order of names. */
typedef struct dir_names {
    dir_name *rows;
    size_t count;
    size_t capacity;
} dir_names;

typedef struct inode {
    td_entry_kind kind;
    uint64_t magic;
    /* A file: its content as a reader finds it, and the durable content. */
    td_buf cache;
    td_buf durable;
    file_change *changes;
    size_t change_count;
    size_t change_capacity;
    /* A folder: its names as a reader finds them, and the durable names. */
    dir_names names;
    dir_names durable_names;
    const void *locked_by; /* the open file that has locked it, or NULL */
} inode;

/* Sets a name in folder `dir` to an inode, or removes it (NO_INODE). */
typedef struct name_set {
    uint32_t dir;
    uint32_t inode;
    char *name; /* owned */
} name_set;

/* A change of folders that is not durable yet; it survives as a whole or not at all. */
typedef struct name_change {
    name_set sets[NAMES_OF_RENAME];
    unsigned set_count;
} name_change;

/* One change of the disk, with inode numbers. */
typedef struct disk_change {
    io_fault_change what;
    uint32_t inode; /* the changed file or folder; CREATE: the number that the new one gets */
    td_entry_kind kind;
    uint32_t dir; /* CREATE, UNLINK, RENAME: the folder of the name */
    const char *name;
    uint32_t to_dir; /* RENAME: the folder of the new name */
    const char *to_name;
    uint64_t size;  /* TRUNCATE */
    uint64_t at;    /* OVERWRITE */
    td_bytes bytes; /* APPEND, OVERWRITE */
} disk_change;

/* A logged change. The pointers in `change` refer to the strings below. */
typedef struct log_row {
    disk_change change;
    char *name;
    char *to_name;
    char *bytes;
    char *path;
    char *to_path;
} log_row;

struct io_fault {
    pthread_mutex_t mutex;
    inode **inodes; /* [NO_INODE] is NULL, all others exist; an inode without a name is kept */
    uint32_t inode_count;
    size_t inode_capacity;
    name_change *name_changes;
    size_t name_change_count;
    size_t name_change_capacity;
    uint64_t free_bytes;
    unsigned open_count;

    io_fault_plan plan;
    uint64_t planned_calls; /* calls that the plan has counted */
    int did_fire;
    io_fault_op fired_op; /* operation of the first call that failed */
    uint64_t calls[IO_FAULT_OP_COUNT];

    io_fault_observer *observer; /* may be NULL */
    void *observer_user;

    pthread_cond_t sync_changed;
    io_fault_sync_mode sync_mode;
    unsigned held_count;
    unsigned let_count;

    io_fault *log_base; /* NULL if changes are not logged */
    log_row *log;
    size_t log_count;
    size_t log_capacity;
};

/* A disk without a root folder. */
TD_NEVER_NULL io_fault *disk_new(void);

/* Add a new, empty inode. */
uint32_t disk_add_inode(io_fault *disk, td_entry_kind kind);

/* The inode, which must exist. */
inode *disk_inode(const io_fault *disk, uint32_t number);

/* The inode of a path, or NO_INODE. */
uint32_t disk_find(const io_fault *disk, const char *path);

/* The folder that contains the last component of a path (NO_INODE if missing), and that component,
 * which points into path. Its length is 0 if the path has no component. */
uint32_t disk_find_parent(const io_fault *disk, const char *path, const char **name,
                          size_t *name_length);

/* The inode of a name in a set of entries, or NO_INODE. */
uint32_t names_find(const dir_names *names, const char *name, size_t name_length);

/* Set the inode of a name, or remove it (NO_INODE). */
void names_set(dir_names *names, const char *name, uint32_t number);

/* Apply a change to the disk. */
void disk_apply(io_fault *disk, const disk_change *change);

/* Apply a change of a file to its content. */
void content_apply(td_buf *content, const file_change *change);

/* Copy a disk, without open files, locks, faults and log. */
TD_NEVER_NULL io_fault *disk_clone(const io_fault *disk);

/* Log a change that was made, if changes are logged. */
void disk_note(io_fault *disk, const disk_change *change, const char *path, const char *to_path);

/* Free the log. */
void disk_forget_log(io_fault *disk);

/* ---- faults ---- */

/* Count a call. Returns the fault that the plan has for it, usually IO_FAULT_NONE. */
io_fault_kind disk_meet_plan(io_fault *disk, io_fault_op op);

/* The error of a fault; TD_OK for IO_FAULT_NONE. */
td_result disk_fault_error(io_fault_kind kind, const char *doing, const char *path, td_err *err);

/* Begin an operation: count the call, and fail it if the plan requires it. */
TD_MUST_USE td_result disk_begin(io_fault *disk, io_fault_op op, const char *doing,
                                 const char *path, td_err *err);

/* The error of a missing path. */
td_result disk_missing(const char *doing, const char *path, td_err *err);

/* Apply a change and log it. */
void disk_make_change(io_fault *disk, const disk_change *change, const char *path,
                      const char *to_path);

/* ---- names and folders: called without the mutex, except for the first ---- */

/* Create a file or folder; out gets its inode. Call with the mutex held. */
TD_MUST_USE td_result disk_create_entry(io_fault *disk, const char *path, td_entry_kind kind,
                                        uint32_t *out, td_err *err);

/* Functions of the I/O table (base/io.h); ctx is the disk. */
td_result disk_rename(void *ctx, const char *from, const char *to, td_err *err);
td_result disk_unlink(void *ctx, const char *path, td_err *err);
td_result disk_mkdir(void *ctx, const char *path, td_err *err);
td_result disk_list(void *ctx, const char *path, td_list_fn *fn, void *user, td_err *err);
td_result disk_sync_dir(void *ctx, const char *path, td_err *err);
td_result disk_space(void *ctx, const char *path, td_space *out, td_err *err);

#endif
