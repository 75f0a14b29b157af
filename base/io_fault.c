#include "base/io_fault_impl.h"

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

typedef struct fault_lock {
    td_lock base;
    io_fault *disk;
    uint32_t inode;
} fault_lock;

static const td_io_ops FAULT_OPS;

static fault_file *as_file(td_file *file)
{
    TD_ASSERT(file->ops == &FAULT_OPS);
    return (fault_file *)file;
}

/* ---- failing by plan ---- */

static uint32_t counted_ops(const io_fault_plan *plan)
{
    if (plan->ops != 0)
        return plan->ops;
    if (plan->kind == IO_FAULT_EIO)
        return UINT32_MAX;
    if (plan->kind == IO_FAULT_SHORT || plan->kind == IO_FAULT_TORN)
        return IO_FAULT_BIT(IO_FAULT_OP_APPEND);
    return IO_FAULT_BIT(IO_FAULT_OP_APPEND) | IO_FAULT_BIT(IO_FAULT_OP_CREATE) |
           IO_FAULT_BIT(IO_FAULT_OP_MKDIR) | IO_FAULT_BIT(IO_FAULT_OP_RENAME);
}

/* Count a call; the kind of fault that it meets, mostly none. */
static io_fault_kind meet_plan(io_fault *disk, io_fault_op op)
{
    const io_fault_plan *plan = &disk->plan;
    TD_ASSERT(op < IO_FAULT_OP_COUNT);
    if (disk->watch != NULL)
        disk->watch(disk->watch_user, op, disk->log_count);
    disk->calls[op]++;
    if (plan->kind == IO_FAULT_NONE || plan->fail_at == 0 ||
        (counted_ops(plan) & IO_FAULT_BIT(op)) == 0)
        return IO_FAULT_NONE;
    disk->planned_calls++;
    int fires = plan->mode == IO_FAULT_ONCE ? disk->planned_calls == plan->fail_at
                                            : disk->planned_calls >= plan->fail_at;
    if (!fires)
        return IO_FAULT_NONE;
    disk->did_fire = 1;
    return plan->kind;
}

/* The error of a fault; TD_OK for none. */
static td_result fault_error(io_fault_kind kind, const char *doing, const char *path, td_err *err)
{
    if (kind == IO_FAULT_NONE)
        return TD_OK;
    int os_errno = kind == IO_FAULT_EIO || kind == IO_FAULT_TORN ? EIO : ENOSPC;
    return td_err_set_os(err, os_errno, "cannot %s '%s' (simulated)", doing, path);
}

/* What an operation begins with: count the call, and fail it if the plan says so. */
static td_result begin(io_fault *disk, io_fault_op op, const char *doing, const char *path,
                       td_err *err)
{
    return fault_error(meet_plan(disk, op), doing, path, err);
}

static td_result no_memory(td_err *err)
{
    return td_err_set(err, TD_E_NOMEM, "no memory for the simulated disk");
}

static td_result missing(const char *doing, const char *path, td_err *err)
{
    return td_err_set(err, TD_E_NOTFOUND, "cannot %s '%s': No such file or directory", doing, path);
}

/* Make a change and note it. */
static td_result make_change(io_fault *disk, const disk_change *change, const char *path,
                             const char *to_path, td_err *err)
{
    if (!disk_apply(disk, change) || !disk_note(disk, change, path, to_path))
        return no_memory(err);
    return TD_OK;
}

/* ---- files ---- */

/* A new entry; out gets its inode. */
static td_result create_entry(io_fault *disk, const char *path, td_entry_kind kind, uint32_t *out,
                              td_err *err)
{
    const char *name;
    size_t name_length;
    uint32_t dir = disk_find_parent(disk, path, &name, &name_length);
    if (dir == NO_INODE || name_length == 0)
        return missing("create", path, err);
    char *copy = td_strndup(name, name_length);
    if (copy == NULL)
        return no_memory(err);
    *out = disk->inode_count;
    disk_change change = {.what = IO_FAULT_CHANGE_CREATE, .inode = *out, .kind = kind};
    change.dir = dir;
    change.name = copy;
    td_result rc = make_change(disk, &change, path, NULL, err);
    td_free(copy);
    return rc;
}

/* The inode to open, made if mode says so. */
static td_result find_to_open(io_fault *disk, const char *path, td_open_mode mode, uint32_t *out,
                              td_err *err)
{
    *out = disk_find(disk, path);
    if (mode == TD_OPEN_CREATE) {
        td_result rc = begin(disk, IO_FAULT_OP_CREATE, "create", path, err);
        if (rc != TD_OK)
            return rc;
        if (*out != NO_INODE)
            return td_err_set(err, TD_E_INVALID, "cannot create '%s': it exists already", path);
        return create_entry(disk, path, TD_ENTRY_FILE, out, err);
    }
    td_result rc = begin(disk, IO_FAULT_OP_OPEN, "open", path, err);
    if (rc != TD_OK)
        return rc;
    if (*out == NO_INODE)
        return missing("open", path, err);
    if (disk_inode(disk, *out)->kind != TD_ENTRY_FILE)
        return td_err_set(err, TD_E_INVALID, "cannot open '%s': not a regular file", path);
    return TD_OK;
}

static td_result fault_open(void *ctx, const char *path, td_open_mode mode, td_file **out,
                            td_err *err)
{
    io_fault *disk = ctx;
    fault_file *file = td_alloc_zero(1, sizeof *file);
    char *copy = td_strdup(path);
    td_result rc = file == NULL || copy == NULL ? no_memory(err) : TD_OK;
    pthread_mutex_lock(&disk->mutex);
    uint32_t number = NO_INODE;
    if (rc == TD_OK)
        rc = find_to_open(disk, path, mode, &number, err);
    if (rc == TD_OK) {
        TD_ASSERT(file != NULL);
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

static void fault_close(td_file *base)
{
    fault_file *file = as_file(base);
    pthread_mutex_lock(&file->disk->mutex);
    TD_ASSERT(file->disk->open_count > 0);
    file->disk->open_count--;
    pthread_mutex_unlock(&file->disk->mutex);
    td_free(file->path);
    td_free(file);
}

static td_result fault_size(td_file *base, uint64_t *out, td_err *err)
{
    fault_file *file = as_file(base);
    pthread_mutex_lock(&file->disk->mutex);
    td_result rc = begin(file->disk, IO_FAULT_OP_SIZE, "tell the size of", file->path, err);
    if (rc == TD_OK)
        *out = disk_inode(file->disk, file->inode)->cache.size;
    pthread_mutex_unlock(&file->disk->mutex);
    return rc;
}

static td_result fault_read_at(td_file *base, uint64_t at, void *buf, size_t size, size_t *got,
                               td_err *err)
{
    fault_file *file = as_file(base);
    *got = 0;
    pthread_mutex_lock(&file->disk->mutex);
    td_result rc = begin(file->disk, IO_FAULT_OP_READ, "read", file->path, err);
    const td_buf *content = &disk_inode(file->disk, file->inode)->cache;
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

/* The part of an append that finds room. */
static td_result append_part(fault_file *file, td_bytes bytes, td_err *err)
{
    TD_ASSERT(bytes.size <= file->disk->free_bytes);
    if (bytes.size == 0)
        return TD_OK;
    disk_change change = {.what = IO_FAULT_CHANGE_APPEND, .inode = file->inode, .bytes = bytes};
    td_result rc = make_change(file->disk, &change, file->path, NULL, err);
    if (rc == TD_OK)
        file->disk->free_bytes -= bytes.size;
    return rc;
}

static td_result fault_append(td_file *base, const void *bytes, size_t size, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    io_fault_kind kind = meet_plan(disk, IO_FAULT_OP_APPEND);
    td_result rc = refuse_reader(file, err);
    size_t room = size;
    if (kind == IO_FAULT_SHORT || kind == IO_FAULT_TORN)
        room = size / 2;
    else if (kind != IO_FAULT_NONE)
        room = 0;
    if (room > disk->free_bytes) {
        room = (size_t)disk->free_bytes;
        kind = IO_FAULT_SHORT;
    }
    if (rc == TD_OK)
        rc = append_part(file, td_bytes_of(bytes, room), err);
    if (rc == TD_OK)
        rc = fault_error(kind, "write to", file->path, err);
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_overwrite(td_file *base, uint64_t at, const void *bytes, size_t size,
                                 td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = begin(disk, IO_FAULT_OP_OVERWRITE, "write to", file->path, err);
    if (rc == TD_OK)
        rc = refuse_reader(file, err);
    if (rc == TD_OK && size > 0) {
        TD_ASSERT(at + size <= disk_inode(disk, file->inode)->cache.size);
        disk_change change = {.what = IO_FAULT_CHANGE_OVERWRITE, .inode = file->inode, .at = at};
        change.bytes = td_bytes_of(bytes, size);
        rc = make_change(disk, &change, file->path, NULL, err);
    }
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_truncate(td_file *base, uint64_t size, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = begin(disk, IO_FAULT_OP_TRUNCATE, "cut", file->path, err);
    if (rc == TD_OK)
        rc = refuse_reader(file, err);
    if (rc == TD_OK) {
        uint64_t before = disk_inode(disk, file->inode)->cache.size;
        disk_change change = {.what = IO_FAULT_CHANGE_TRUNCATE, .inode = file->inode, .size = size};
        rc = make_change(disk, &change, file->path, NULL, err);
        if (rc == TD_OK && size < before)
            disk->free_bytes += before - size;
    }
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

/* Wait while syncs are held; the caller holds the mutex. */
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
    td_result rc = begin(disk, IO_FAULT_OP_SYNC, "sync", file->path, err);
    if (rc == TD_OK)
        wait_while_held(disk);
    if (rc == TD_OK && disk->sync_mode == IO_FAULT_SYNC_FAILS)
        rc = fault_error(IO_FAULT_EIO, "sync", file->path, err);
    disk_change change = {.inode = file->inode};
    change.what = rc == TD_OK ? IO_FAULT_CHANGE_SYNC : IO_FAULT_CHANGE_SYNC_FAILED;
    /* The sync's own error is the one to tell; a failed one needs no memory, save for the log. */
    td_result made = make_change(disk, &change, file->path, NULL, rc == TD_OK ? err : NULL);
    pthread_mutex_unlock(&disk->mutex);
    return rc == TD_OK ? made : rc;
}

/* ---- names ---- */

/* Where a name lies; the name is a copy, to be freed. */
typedef struct found_name {
    uint32_t dir;
    uint32_t inode;
    char *name;
} found_name;

static td_result find_name(const io_fault *disk, const char *path, found_name *out, td_err *err)
{
    const char *name;
    size_t name_length;
    *out = (found_name){.dir = disk_find_parent(disk, path, &name, &name_length)};
    if (out->dir == NO_INODE || name_length == 0)
        return missing("find", path, err);
    out->inode = names_find(&disk_inode(disk, out->dir)->names, name, name_length);
    out->name = td_strndup(name, name_length);
    return out->name == NULL ? no_memory(err) : TD_OK;
}

static td_result rename_found(io_fault *disk, const found_name *from, const found_name *to,
                              const char *from_path, const char *to_path, td_err *err)
{
    if (from->inode == NO_INODE)
        return missing("rename", from_path, err);
    TD_ASSERT(from->name != NULL);
    TD_ASSERT(to->name != NULL);
    if (to->inode == from->inode)
        return TD_OK;
    if (to->inode != NO_INODE && disk_inode(disk, to->inode)->kind != TD_ENTRY_FILE)
        return td_err_set_os(err, EISDIR, "cannot rename '%s' to '%s'", from_path, to_path);
    disk_change change = {.what = IO_FAULT_CHANGE_RENAME, .inode = from->inode};
    change.dir = from->dir;
    change.name = from->name;
    change.to_dir = to->dir;
    change.to_name = to->name;
    return make_change(disk, &change, from_path, to_path, err);
}

static td_result fault_rename(void *ctx, const char *from, const char *to, td_err *err)
{
    io_fault *disk = ctx;
    found_name old = {0};
    found_name new = {0};
    pthread_mutex_lock(&disk->mutex);
    td_result rc = begin(disk, IO_FAULT_OP_RENAME, "rename", from, err);
    if (rc == TD_OK)
        rc = find_name(disk, from, &old, err);
    if (rc == TD_OK)
        rc = find_name(disk, to, &new, err);
    if (rc == TD_OK)
        rc = rename_found(disk, &old, &new, from, to, err);
    pthread_mutex_unlock(&disk->mutex);
    td_free(old.name);
    td_free(new.name);
    return rc;
}

static td_result unlink_found(io_fault *disk, const found_name *found, const char *path,
                              td_err *err)
{
    if (found->inode == NO_INODE)
        return missing("remove", path, err);
    const inode *node = disk_inode(disk, found->inode);
    if (node->kind != TD_ENTRY_FILE && node->names.count > 0)
        return td_err_set_os(err, ENOTEMPTY, "cannot remove '%s'", path);
    disk_change change = {.what = IO_FAULT_CHANGE_UNLINK, .inode = found->inode};
    change.dir = found->dir;
    change.name = found->name;
    td_result rc = make_change(disk, &change, path, NULL, err);
    if (rc == TD_OK)
        disk->free_bytes += node->cache.size;
    return rc;
}

static td_result fault_unlink(void *ctx, const char *path, td_err *err)
{
    io_fault *disk = ctx;
    found_name found = {0};
    pthread_mutex_lock(&disk->mutex);
    td_result rc = begin(disk, IO_FAULT_OP_UNLINK, "remove", path, err);
    if (rc == TD_OK)
        rc = find_name(disk, path, &found, err);
    if (rc == TD_OK)
        rc = unlink_found(disk, &found, path, err);
    pthread_mutex_unlock(&disk->mutex);
    td_free(found.name);
    return rc;
}

static td_result fault_mkdir(void *ctx, const char *path, td_err *err)
{
    io_fault *disk = ctx;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = begin(disk, IO_FAULT_OP_MKDIR, "make folder", path, err);
    uint32_t there = disk_find(disk, path);
    if (rc == TD_OK && there == NO_INODE)
        rc = create_entry(disk, path, TD_ENTRY_DIR, &there, err);
    else if (rc == TD_OK && disk_inode(disk, there)->kind != TD_ENTRY_DIR)
        rc = td_err_set_os(err, EEXIST, "cannot make folder '%s'", path);
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result find_dir(const io_fault *disk, const char *path, uint32_t *out, td_err *err)
{
    *out = disk_find(disk, path);
    if (*out == NO_INODE || disk_inode(disk, *out)->kind != TD_ENTRY_DIR)
        return td_err_set(err, TD_E_NOTFOUND, "cannot list '%s': no such folder", path);
    return TD_OK;
}

typedef struct listed_entry {
    char *name;
    td_entry_kind kind;
} listed_entry;

static td_result copy_entries(const io_fault *disk, uint32_t dir, listed_entry **out, size_t *count,
                              td_err *err)
{
    const dir_names *names = &disk_inode(disk, dir)->names;
    *out = td_alloc_zero(names->count, sizeof **out);
    if (*out == NULL)
        return no_memory(err);
    for (; *count < names->count; (*count)++) {
        listed_entry *entry = *out + *count;
        entry->name = td_strdup(names->rows[*count].name);
        entry->kind = disk_inode(disk, names->rows[*count].inode)->kind;
        if (entry->name == NULL)
            return no_memory(err);
    }
    return TD_OK;
}

/* Callbacks run without the mutex: they may use the disk. */
static td_result fault_list(void *ctx, const char *path, td_list_fn *fn, void *user, td_err *err)
{
    io_fault *disk = ctx;
    listed_entry *entries = NULL;
    size_t count = 0;
    uint32_t dir = NO_INODE;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = begin(disk, IO_FAULT_OP_LIST, "list", path, err);
    if (rc == TD_OK)
        rc = find_dir(disk, path, &dir, err);
    if (rc == TD_OK)
        rc = copy_entries(disk, dir, &entries, &count, err);
    pthread_mutex_unlock(&disk->mutex);
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = fn(user, entries[i].name, entries[i].kind, err);
    for (size_t i = 0; i < count; i++)
        td_free(entries[i].name);
    td_free(entries);
    return rc;
}

static td_result fault_sync_dir(void *ctx, const char *path, td_err *err)
{
    io_fault *disk = ctx;
    uint32_t dir = NO_INODE;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = begin(disk, IO_FAULT_OP_SYNC_DIR, "sync folder", path, err);
    if (rc == TD_OK)
        rc = find_dir(disk, path, &dir, err);
    if (rc == TD_OK) {
        disk_change change = {.what = IO_FAULT_CHANGE_SYNC_DIR, .inode = dir};
        rc = make_change(disk, &change, path, NULL, err);
    }
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_space(void *ctx, const char *path, td_space *out, td_err *err)
{
    io_fault *disk = ctx;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = begin(disk, IO_FAULT_OP_SPACE, "tell the free space of", path, err);
    if (rc == TD_OK && disk_find(disk, path) == NO_INODE)
        rc = missing("tell the free space of", path, err);
    out->free_bytes = disk->free_bytes;
    out->total_bytes = UINT64_C(1) << 50;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

/* ---- locks ---- */

/* The lock file's content is the holder's line, as on a real disk. Not counted as room. */
static td_result write_holder(io_fault *disk, uint32_t number, const char *path, const char *holder,
                              td_err *err)
{
    inode *node = disk_inode(disk, number);
    td_free(node->holder);
    node->holder = td_strdup(holder);
    if (node->holder == NULL)
        return no_memory(err);
    disk_change cut = {.what = IO_FAULT_CHANGE_TRUNCATE, .inode = number, .size = 0};
    td_result rc = make_change(disk, &cut, path, NULL, err);
    disk_change line = {.what = IO_FAULT_CHANGE_APPEND, .inode = number};
    line.bytes = td_bytes_str(holder);
    if (rc == TD_OK && line.bytes.size > 0)
        rc = make_change(disk, &line, path, NULL, err);
    if (rc != TD_OK) {
        td_free(node->holder);
        node->holder = NULL;
    }
    return rc;
}

static td_result find_lock(io_fault *disk, const char *path, uint32_t *out, td_err *err)
{
    td_result rc = begin(disk, IO_FAULT_OP_LOCK, "lock", path, err);
    if (rc != TD_OK)
        return rc;
    *out = disk_find(disk, path);
    if (*out == NO_INODE)
        return create_entry(disk, path, TD_ENTRY_FILE, out, err);
    const inode *node = disk_inode(disk, *out);
    if (node->kind != TD_ENTRY_FILE)
        return td_err_set_os(err, EISDIR, "cannot lock '%s'", path);
    if (node->holder != NULL)
        return td_err_set(err, TD_E_BUSY, "'%s' is locked by %s", path, node->holder);
    return TD_OK;
}

static td_result fault_lock_take(void *ctx, const char *path, const char *holder, td_lock **out,
                                 td_err *err)
{
    io_fault *disk = ctx;
    fault_lock *lock = td_alloc_zero(1, sizeof *lock);
    if (lock == NULL)
        return no_memory(err);
    pthread_mutex_lock(&disk->mutex);
    uint32_t number = NO_INODE;
    td_result rc = find_lock(disk, path, &number, err);
    if (rc == TD_OK)
        rc = write_holder(disk, number, path, holder, err);
    if (rc == TD_OK) {
        *lock = (fault_lock){.base = {.ops = &FAULT_OPS}, .disk = disk, .inode = number};
        disk->open_count++;
        *out = &lock->base;
    }
    pthread_mutex_unlock(&disk->mutex);
    if (rc != TD_OK)
        td_free(lock);
    return rc;
}

static void fault_unlock(td_lock *base)
{
    TD_ASSERT(base->ops == &FAULT_OPS);
    fault_lock *lock = (fault_lock *)base;
    io_fault *disk = lock->disk;
    pthread_mutex_lock(&disk->mutex);
    inode *node = disk_inode(disk, lock->inode);
    TD_ASSERT(node->holder != NULL);
    TD_ASSERT(disk->open_count > 0);
    td_free(node->holder);
    node->holder = NULL;
    disk->open_count--;
    pthread_mutex_unlock(&disk->mutex);
    td_free(lock);
}

static const td_io_ops FAULT_OPS = {
    .open = fault_open,
    .close = fault_close,
    .size = fault_size,
    .read_at = fault_read_at,
    .append = fault_append,
    .overwrite = fault_overwrite,
    .truncate = fault_truncate,
    .sync = fault_sync,
    .rename = fault_rename,
    .unlink = fault_unlink,
    .mkdir = fault_mkdir,
    .list = fault_list,
    .sync_dir = fault_sync_dir,
    .space = fault_space,
    .lock = fault_lock_take,
    .unlock = fault_unlock,
};

td_io io_fault_io(io_fault *disk)
{
    return (td_io){.ops = &FAULT_OPS, .ctx = disk};
}
