/* A simulated disk for tests: an I/O table on a disk in memory with a page cache.
 *
 * The model guarantees what POSIX guarantees, and no more:
 *   - appended bytes are durable after a sync of the file; before, each write may survive a power
 *     cut as a whole, in part (by sectors of 512 bytes, which may be zeros) or not, in any order;
 *   - a created, renamed or removed name is durable after sync_dir of its folder; before, each of
 *     these changes may survive or not. A rename is atomic as long as neither or both of its
 *     folders were synced;
 *   - after a failed sync, the bytes that it was to write may be lost, although the cache still has
 *     them and a later sync returns TD_OK.
 *
 * Built for sweeps: make call n fail for n = 1, 2, 3 … until a run meets no fault; cut the power
 * with seeds; log every change, and cut the power after each. The arguments determine everything:
 * the same calls and seeds give the same disk.
 *
 * Paths are relative to the disk's root, with or without a leading "/"; "." is known, ".." is not.
 * Any thread may use the table, and the control functions at any time. */
#ifndef TD_TESTS_TESTING_IO_FAULT_H
#define TD_TESTS_TESTING_IO_FAULT_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/io.h"

typedef struct io_fault io_fault;

/* An empty disk. */
TD_NEVER_NULL io_fault *io_fault_open(void);

/* Free the disk. Its files and locks must be closed; NULL is fine. */
void io_fault_close(io_fault *disk);

/* The I/O table of the disk; valid until io_fault_close. */
td_io io_fault_io(io_fault *disk);

/* The number of open files and locks. A sweep checks that none remains open. */
unsigned io_fault_open_count(io_fault *disk);

/* A digest of the names and bytes of all folders and files as a reader finds them now. Equal disks
 * have equal digests, whatever their history. */
td_hash128 io_fault_digest(io_fault *disk);

/* ---- crashes ---- */

/* Two special seeds: with the first only synced changes survive, with the second all changes do. */
#define IO_FAULT_CUT_WORST UINT64_C(0)
#define IO_FAULT_CUT_BEST  UINT64_MAX

/* A new disk in the state after a power cut now. The seed chooses which of the changes that are not
 * durable survive. The old disk is unchanged. */
TD_NEVER_NULL io_fault *io_fault_power_cut(io_fault *disk, uint64_t seed);

/* A new disk in the state after the process is killed now: all changes survive, locks are released,
 * and changes that were not durable are still not durable. */
TD_NEVER_NULL io_fault *io_fault_kill(io_fault *disk);

/* ---- failing calls ---- */

typedef enum io_fault_op {
    IO_FAULT_OP_OPEN,   /* of an existing file */
    IO_FAULT_OP_CREATE, /* of a new file */
    IO_FAULT_OP_SIZE,
    IO_FAULT_OP_READ,
    IO_FAULT_OP_APPEND,
    IO_FAULT_OP_OVERWRITE,
    IO_FAULT_OP_TRUNCATE,
    IO_FAULT_OP_SYNC,
    IO_FAULT_OP_RENAME,
    IO_FAULT_OP_UNLINK,
    IO_FAULT_OP_MKDIR,
    IO_FAULT_OP_LIST,
    IO_FAULT_OP_SYNC_DIR,
    IO_FAULT_OP_SPACE,
    IO_FAULT_OP_LOOK, /* checking a name, or whether a file is locked */
    IO_FAULT_OP_LOCK,
    IO_FAULT_OP_COUNT, /* number of operations; for io_fault_call_count: all operations */
} io_fault_op;

/* The bit of an operation in io_fault_plan.ops. */
#define IO_FAULT_BIT(op) (UINT32_C(1) << (op))

typedef enum io_fault_kind {
    IO_FAULT_NONE,
    IO_FAULT_EIO, /* the call fails and has no effect; a failing sync loses its data, see the top */
    IO_FAULT_ENOSPC, /* a full disk: by default only create, append, mkdir and rename fail */
    IO_FAULT_SHORT,  /* half of an append is written, then the disk is full; appends only */
    IO_FAULT_TORN,   /* half of an append is written, then EIO; appends only */
} io_fault_kind;

typedef enum io_fault_mode {
    IO_FAULT_ONCE,     /* that call only */
    IO_FAULT_FOR_EVER, /* that call and all later ones that the plan counts */
} io_fault_mode;

typedef struct io_fault_plan {
    io_fault_kind kind;
    io_fault_mode mode;
    uint64_t fail_at; /* 1: the next call that the plan counts; 0: no call */
    uint32_t ops;     /* counted operations, by IO_FAULT_BIT; 0: the default of the kind */
} io_fault_plan;

/* Use this plan from now on; counting starts over. {0}: no call fails. */
void io_fault_set_plan(io_fault *disk, io_fault_plan plan);

/* 1 if a call has failed by the current plan. A sweep ends with the first run without a failure. */
int io_fault_did_fire(io_fault *disk);

/* The operation of the first call that failed by the plan. Call it only after io_fault_did_fire
 * returned 1. */
io_fault_op io_fault_fired_op(io_fault *disk);

/* The name of an operation, for tables of results. */
const char *io_fault_op_name(io_fault_op op);

/* Called at the start of each call, with the number of changes logged so far: for tests that
 * examine or stop something outside of the disk between two of its changes. It runs with the disk's
 * mutex held and must not use the disk. NULL: nothing is called any more. */
typedef void io_fault_observer(void *user, io_fault_op op, uint64_t change_count);
void io_fault_observe(io_fault *disk, io_fault_observer *observer, void *user);

/* The number of calls of an operation, or of all (IO_FAULT_OP_COUNT), since the disk was opened. */
uint64_t io_fault_call_count(io_fault *disk, io_fault_op op);

/* The bytes that were read since the disk was opened. */
uint64_t io_fault_read_bytes(io_fault *disk);

/* Set the free space: appends beyond it are written in part and fail with TD_E_NOSPACE. Initially 1
 * TiB. */
void io_fault_set_free_bytes(io_fault *disk, uint64_t free_bytes);

/* Change a byte of a file as decay does, in the cache and on the disk: byte ^= mask. TD_E_NOTFOUND;
 * TD_E_INVALID beyond the end. */
TD_MUST_USE td_result io_fault_damage(io_fault *disk, const char *path, uint64_t at, uint8_t mask,
                                      td_err *err);

/* ---- sync of files, held back or failing ---- */

typedef enum io_fault_sync_mode {
    IO_FAULT_SYNC_WORKS,
    IO_FAULT_SYNC_HELD,  /* blocks until io_fault_let_sync or another mode */
    IO_FAULT_SYNC_FAILS, /* TD_E_IO, each time */
} io_fault_sync_mode;

/* Set the mode. Syncs that are held continue in the new mode. */
void io_fault_set_sync(io_fault *disk, io_fault_sync_mode mode);

/* Let the next `count` held syncs, current or future ones, work and return. */
void io_fault_let_sync(io_fault *disk, unsigned count);

/* Block until at least count syncs are held at once. */
void io_fault_await_held(io_fault *disk, unsigned count);

/* ---- the log of changes ---- */

typedef enum io_fault_change {
    IO_FAULT_CHANGE_CREATE, /* of a file or folder */
    IO_FAULT_CHANGE_APPEND, /* also the written part of a failed append */
    IO_FAULT_CHANGE_OVERWRITE,
    IO_FAULT_CHANGE_TRUNCATE,
    IO_FAULT_CHANGE_SYNC,
    IO_FAULT_CHANGE_SYNC_FAILED,
    IO_FAULT_CHANGE_RENAME,
    IO_FAULT_CHANGE_UNLINK,
    IO_FAULT_CHANGE_SYNC_DIR,
} io_fault_change;

typedef struct io_fault_log_row {
    io_fault_change change;
    const char *path;    /* path as in the call; valid until io_fault_close */
    const char *to_path; /* new path of a rename, else NULL */
    uint64_t size;       /* append and overwrite: number of bytes; truncate: new size; else 0 */
} io_fault_log_row;

/* Log every change from now on. Keeps a copy of the disk's current state. */
void io_fault_log_start(io_fault *disk);

/* The number of logged changes. */
uint64_t io_fault_log_count(io_fault *disk);

/* A logged change, index < count. */
io_fault_log_row io_fault_log_get(io_fault *disk, uint64_t index);

/* A new disk in the state after the first change_count logged changes (0: as at
 * io_fault_log_start), page cache included. Cut its power to get the durable part. */
TD_NEVER_NULL io_fault *io_fault_at(io_fault *disk, uint64_t change_count);

/* Advance a disk that io_fault_at returned for `from` changes to the state after `to` changes; from
 * <= to <= count. For sweeps over all changes. */
void io_fault_forward(io_fault *then, io_fault *disk, uint64_t from, uint64_t to);

#endif
