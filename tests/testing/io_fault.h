/* The simulated side of the I/O table: a disk in memory with a page cache, for tests.
 *
 * What the model promises is what POSIX promises, and no more:
 *   - what was appended is durable once sync of that file returned; before, each write may survive
 * a power cut whole, in part (by sectors of 512 bytes, as zeros too) or not, in any order;
 *   - a made, renamed or removed entry is durable once sync_dir of its folder returned; before,
 * each of these may have happened or not. A rename is atomic until just one of its two folders was
 *     synced;
 *   - after a sync that failed, what it was to write may be lost, though it can still be
 * read back from the cache and a later sync returns TD_OK.
 *
 * Built for sweeps: make call n fail for n = 1, 2, 3 … until a run meets no fault; cut the power
 * with seeds; log every change, and cut the power after each of them. Everything is decided by the
 * arguments: the same calls and seeds give the same disk.
 *
 * Paths are relative to the disk's root with or without a "/" in front; "." is known, ".." is not.
 * Any thread may use the table; the control functions too, at any time. */
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

/* Throw the disk away. Its files and locks must have been closed; NULL is fine. */
void io_fault_close(io_fault *disk);

/* The table that works on the disk; valid until io_fault_close. */
td_io io_fault_io(io_fault *disk);

/* Files and locks that are open now. A sweep checks that none remains. */
unsigned io_fault_open_count(io_fault *disk);

/* Digest of all folders and files as they can be read now: names and bytes. Equal disks have equal
 * ones, however they came about. */
td_hash128 io_fault_digest(io_fault *disk);

/* ---- crashes ---- */

/* Two seeds with a meaning of their own: just what was synced survives; all that was written does.
 */
#define IO_FAULT_CUT_WORST UINT64_C(0)
#define IO_FAULT_CUT_BEST  UINT64_MAX

/* A new disk as it may be if the power fails now and comes back: of what was not durable, the seed
 * chooses what survived. The old disk stays as it is. */
TD_NEVER_NULL io_fault *io_fault_power_cut(io_fault *disk, uint64_t seed);

/* A new disk as the next process finds it if this one is killed now: nothing is lost, no lock is
 * held, and what was not durable still is not. */
TD_NEVER_NULL io_fault *io_fault_kill(io_fault *disk);

/* ---- failing calls ---- */

typedef enum io_fault_op {
    IO_FAULT_OP_OPEN,   /* an existing file */
    IO_FAULT_OP_CREATE, /* a new one */
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
    IO_FAULT_OP_LOOK, /* at a name, or whether a file is locked */
    IO_FAULT_OP_LOCK,
    IO_FAULT_OP_COUNT, /* how many there are; for io_fault_call_count: all together */
} io_fault_op;

/* Bit of an operation in io_fault_plan.ops. */
#define IO_FAULT_BIT(op) (UINT32_C(1) << (op))

typedef enum io_fault_kind {
    IO_FAULT_NONE,
    IO_FAULT_EIO, /* the call does nothing but fail; a failing sync loses its data, see the top */
    IO_FAULT_ENOSPC, /* a full disk: by default create, append, mkdir and rename only
                      */
    IO_FAULT_SHORT,  /* half of an append is written, then the disk is full; appends only */
    IO_FAULT_TORN,   /* half of an append is written, then EIO; appends only */
} io_fault_kind;

typedef enum io_fault_mode {
    IO_FAULT_ONCE,     /* that call; the next ones work */
    IO_FAULT_FOR_EVER, /* that call and every later one that the plan counts */
} io_fault_mode;

typedef struct io_fault_plan {
    io_fault_kind kind;
    io_fault_mode mode;
    uint64_t fail_at; /* 1: the next call that the plan counts; 0: none */
    uint32_t ops;     /* operations that count, by IO_FAULT_BIT; 0: the kind's own */
} io_fault_plan;

/* From now on, fail by plan; counting starts over. {0} ends it. */
void io_fault_set_plan(io_fault *disk, io_fault_plan plan);

/* 1 if a call has failed by the present plan. A sweep ends with the first run where none has. */
int io_fault_did_fire(io_fault *disk);

/* Operation of the first call that has failed so; after io_fault_did_fire said that there was one.
 */
io_fault_op io_fault_fired_op(io_fault *disk);

/* Name of an operation, for tables of what was tried. */
const char *io_fault_op_name(io_fault_op op);

/* Called as each call begins, with how many changes were noted before it: for tests that look
 * at, or end, what happens outside of the disk between two of its changes. It holds the disk's
 * mutex and must not use the disk. NULL ends it. */
typedef void io_fault_observer(void *user, io_fault_op op, uint64_t change_count);
void io_fault_observe(io_fault *disk, io_fault_observer *observer, void *user);

/* Calls of one operation, or of all (IO_FAULT_OP_COUNT), since the disk was made. */
uint64_t io_fault_call_count(io_fault *disk, io_fault_op op);

/* Space left: appends beyond it are written in part and fail with TD_E_NOSPACE. 1 TiB at first. */
void io_fault_set_free_bytes(io_fault *disk, uint64_t free_bytes);

/* Change bits of what is on the disk (cache and platter), as decay would: byte ^= mask.
 * TD_E_NOTFOUND, TD_E_INVALID after the end. */
TD_MUST_USE td_result io_fault_damage(io_fault *disk, const char *path, uint64_t at, uint8_t mask,
                                      td_err *err);

/* ---- sync of files, held back or failing ---- */

typedef enum io_fault_sync_mode {
    IO_FAULT_SYNC_WORKS,
    IO_FAULT_SYNC_HELD,  /* blocks until io_fault_let_sync or another mode */
    IO_FAULT_SYNC_FAILS, /* TD_E_IO, each time */
} io_fault_sync_mode;

/* Changing the mode also lets go of syncs that are held; they then act by the new one. */
void io_fault_set_sync(io_fault *disk, io_fault_sync_mode mode);

/* Let the next count held syncs (present or to come) work and return. */
void io_fault_let_sync(io_fault *disk, unsigned count);

/* Block until at least count syncs are held at once. */
void io_fault_await_held(io_fault *disk, unsigned count);

/* ---- the log of changes ---- */

typedef enum io_fault_change {
    IO_FAULT_CHANGE_CREATE, /* file or folder */
    IO_FAULT_CHANGE_APPEND, /* also the part of one that failed */
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
    const char *path;    /* as the call gave it; valid until io_fault_close */
    const char *to_path; /* of a rename, else NULL */
    uint64_t size;       /* append, overwrite: bytes; truncate: new size; else 0 */
} io_fault_log_row;

/* Note every change from now on. Keeps a copy of the disk as it is. */
void io_fault_log_start(io_fault *disk);

/* Changes noted so far. */
uint64_t io_fault_log_count(io_fault *disk);

/* One of them, index < count. */
io_fault_log_row io_fault_log_get(io_fault *disk, uint64_t index);

/* A new disk as it was after the first change_count noted changes (0: when noting began), cache
 * and all; cut its power for what would have been left. */
TD_NEVER_NULL io_fault *io_fault_at(io_fault *disk, uint64_t change_count);

/* Bring what io_fault_at gave for from changes to where it was after to of them, from <= to <=
 * count: for sweeps over all of them, one after the other. */
void io_fault_forward(io_fault *then, io_fault *disk, uint64_t from, uint64_t to);

#endif
