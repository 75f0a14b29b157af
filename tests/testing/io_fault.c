#include "tests/testing/io_fault.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/random.h"

/* A disk is an array of inodes. The number of an inode is its index and never changes, so that a
 * change logged on one disk can be applied to a copy. Every change, made by a call or taken from
 * the log, goes through disk_apply. Functions without a lock of their own are called with the
 * disk's mutex held, or on a disk that is not shared. */

enum { FREE_BYTES_AT_FIRST_LOG2 = 40, FILE_BYTES_MAX_LOG2 = 40 };

static const uint64_t INODE_MAGIC = UINT64_C(0x1f0de1f0de1f0de1);

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
    uint64_t read_bytes;

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

/* ---- entries of folders ---- */

/* The index of a name, or the index at which it would be inserted. */
static size_t names_index(const dir_names *names, td_bytes name, int *is_there)
{
    size_t i = 0;
    int order = -1;
    while (i < names->count &&
           (order = td_bytes_compare(td_bytes_str(names->rows[i].name), name)) < 0)
        i++;
    *is_there = i < names->count && order == 0;
    return i;
}

/* The inode of a name in a set of entries, or NO_INODE. */
static uint32_t names_find(const dir_names *names, const char *name, size_t name_length)
{
    int is_there;
    size_t i = names_index(names, td_bytes_of(name, name_length), &is_there);
    return is_there ? names->rows[i].inode : NO_INODE;
}

/* Set the inode of a name, or remove it (NO_INODE). */
static void names_set(dir_names *names, const char *name, uint32_t number)
{
    int is_there;
    size_t i = names_index(names, td_bytes_str(name), &is_there);
    size_t after = names->count - i;
    if (is_there && number != NO_INODE) {
        names->rows[i].inode = number;
    } else if (is_there) {
        td_free(names->rows[i].name);
        memmove(names->rows + i, names->rows + i + 1, (after - 1) * sizeof *names->rows);
        names->count--;
    } else if (number != NO_INODE) {
        names->rows =
            td_array_reach(names->rows, &names->capacity, names->count, sizeof *names->rows);
        memmove(names->rows + i + 1, names->rows + i, after * sizeof *names->rows);
        names->rows[i] = (dir_name){.name = td_strdup(name), .inode = number};
        names->count++;
    }
}

static void names_fini(dir_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        td_free(names->rows[i].name);
    td_free(names->rows);
    *names = (dir_names){0};
}

static void names_copy(dir_names *to, const dir_names *from)
{
    for (size_t i = 0; i < from->count; i++)
        names_set(to, from->rows[i].name, from->rows[i].inode);
}

/* ---- inodes and disks ---- */

static void inode_free(inode *node)
{
    if (node == NULL)
        return;
    TD_ASSERT(node->magic == INODE_MAGIC);
    for (size_t i = 0; i < node->change_count; i++)
        td_free(node->changes[i].bytes);
    td_free(node->changes);
    td_buf_fini(&node->cache);
    td_buf_fini(&node->durable);
    names_fini(&node->names);
    names_fini(&node->durable_names);
    td_free(node);
}

/* A disk without a root folder. */
static io_fault *disk_new(void)
{
    io_fault *disk = td_alloc_zero(1, sizeof *disk);
    pthread_mutex_init(&disk->mutex, NULL);
    pthread_cond_init(&disk->sync_changed, NULL);
    disk->free_bytes = UINT64_C(1) << FREE_BYTES_AT_FIRST_LOG2;
    disk->inodes = td_alloc_zero(1, sizeof(inode *));
    disk->inode_capacity = 1;
    disk->inode_count = 1; /* number 0 is NO_INODE */
    return disk;
}

static void free_row(log_row *row)
{
    td_free(row->name);
    td_free(row->to_name);
    td_free(row->bytes);
    td_free(row->path);
    td_free(row->to_path);
}

static void disk_forget_log(io_fault *disk)
{
    for (size_t i = 0; i < disk->log_count; i++)
        free_row(&disk->log[i]);
    td_free(disk->log);
    disk->log = NULL;
    disk->log_count = 0;
    disk->log_capacity = 0;
    io_fault *base = disk->log_base;
    disk->log_base = NULL;
    io_fault_close(base);
}

static void free_name_change(name_change *change)
{
    for (unsigned i = 0; i < change->set_count; i++)
        td_free(change->sets[i].name);
}

void io_fault_close(io_fault *disk)
{
    if (disk == NULL)
        return;
    TD_ASSERT(disk->open_count == 0);
    TD_ASSERT(disk->inode_count == 0 || disk->inodes != NULL);
    for (uint32_t i = 0; i < disk->inode_count; i++)
        inode_free(disk->inodes[i]);
    td_free(disk->inodes);
    for (size_t i = 0; i < disk->name_change_count; i++)
        free_name_change(&disk->name_changes[i]);
    td_free(disk->name_changes);
    disk_forget_log(disk);
    pthread_cond_destroy(&disk->sync_changed);
    pthread_mutex_destroy(&disk->mutex);
    td_free(disk);
}

/* Add a new, empty inode. */
static uint32_t disk_add_inode(io_fault *disk, td_entry_kind kind)
{
    inode *node = td_alloc_zero(1, sizeof *node);
    node->kind = kind;
    node->magic = INODE_MAGIC;
    td_buf_init(&node->cache, (size_t)1 << FILE_BYTES_MAX_LOG2);
    td_buf_init(&node->durable, (size_t)1 << FILE_BYTES_MAX_LOG2);
    disk->inodes =
        td_array_reach(disk->inodes, &disk->inode_capacity, disk->inode_count, sizeof(inode *));
    disk->inodes[disk->inode_count] = node;
    return disk->inode_count++;
}

io_fault *io_fault_open(void)
{
    io_fault *disk = disk_new();
    uint32_t root = disk_add_inode(disk, TD_ENTRY_DIR);
    TD_ASSERT(root == ROOT_INODE);
    return disk;
}

/* The inode, which must exist. */
static inode *disk_inode(const io_fault *disk, uint32_t number)
{
    TD_ASSERT(number != NO_INODE);
    TD_ASSERT(number < disk->inode_count);
    inode *node = disk->inodes[number];
    TD_ASSERT(node != NULL);
    TD_ASSERT(node->magic == INODE_MAGIC);
    return node;
}

/* ---- paths ---- */

/* Returns the next component of a path, skipping "/" and "."; length 0 at the end. */
static td_bytes next_part(const char **path)
{
    for (;;) {
        *path += strspn(*path, "/");
        td_bytes part = td_bytes_of(*path, strcspn(*path, "/"));
        *path += part.size;
        if (part.size == 0 || !td_bytes_is(part, "."))
            return part;
    }
}

/* The folder that contains the last component of a path (NO_INODE if missing), and that component,
 * which points into path. Its length is 0 if the path has no component. */
static uint32_t disk_find_parent(const io_fault *disk, const char *path, const char **name,
                                 size_t *name_length)
{
    uint32_t dir = ROOT_INODE;
    td_bytes part = next_part(&path);
    for (td_bytes next = next_part(&path); next.size > 0; next = next_part(&path)) {
        if (dir != NO_INODE && disk_inode(disk, dir)->kind == TD_ENTRY_DIR)
            dir = names_find(&disk_inode(disk, dir)->names, (const char *)part.data, part.size);
        else
            dir = NO_INODE;
        part = next;
    }
    *name = (const char *)part.data;
    *name_length = part.size;
    return dir != NO_INODE && disk_inode(disk, dir)->kind == TD_ENTRY_DIR ? dir : NO_INODE;
}

/* The inode of a path, or NO_INODE. */
static uint32_t disk_find(const io_fault *disk, const char *path)
{
    const char *name;
    size_t name_length;
    uint32_t dir = disk_find_parent(disk, path, &name, &name_length);
    if (dir == NO_INODE || name_length == 0)
        return dir;
    return names_find(&disk_inode(disk, dir)->names, name, name_length);
}

/* ---- changes of files ---- */

static void content_resize(td_buf *content, uint64_t size)
{
    if (size > content->size) {
        size_t more = (size_t)size - content->size;
        td_buf_grow(content, more);
        memset(content->data + content->size, 0, more);
    }
    content->size = (size_t)size;
}

/* Apply a change of a file to its content. */
static void content_apply(td_buf *content, const file_change *change)
{
    uint64_t end = change->at + change->size;
    if (change->bytes == NULL) {
        content_resize(content, change->size);
        return;
    }
    if (end > content->size)
        content_resize(content, end);
    memcpy(content->data + change->at, change->bytes, (size_t)change->size);
}

/* Applies a change to the cache, and keeps it in the list until a sync. */
static void apply_to_file(inode *node, file_change change)
{
    content_apply(&node->cache, &change);
    node->changes = td_array_reach(node->changes, &node->change_capacity, node->change_count,
                                   sizeof *node->changes);
    node->changes[node->change_count++] = change;
}

static void apply_write(inode *node, uint64_t at, td_bytes bytes)
{
    TD_ASSERT(node->kind == TD_ENTRY_FILE);
    TD_ASSERT(bytes.size > 0);
    TD_ASSERT(at <= node->cache.size);
    uint8_t *copy = (uint8_t *)td_strndup((const char *)bytes.data, bytes.size);
    apply_to_file(node, (file_change){.at = at, .size = bytes.size, .bytes = copy});
}

/* Makes changes durable. A change that a failed sync dropped may or may not have reached the
 * disk, so it stays in the list, together with the synced changes after it, which must be
 * applied later. */
static void apply_sync(inode *node)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->change_count; i++) {
        file_change change = node->changes[i];
        change.is_durable = !change.is_dropped;
        if (change.is_dropped || kept > 0) {
            node->changes[kept++] = change;
            continue;
        }
        content_apply(&node->durable, &change);
        td_free(change.bytes);
    }
    node->change_count = kept;
}

static void apply_failed_sync(inode *node)
{
    for (size_t i = 0; i < node->change_count; i++)
        node->changes[i].is_dropped = !node->changes[i].is_durable;
}

/* ---- changes of folders ---- */

static void set_fill(name_set *set, uint32_t dir, const char *name, uint32_t number)
{
    *set = (name_set){.dir = dir, .inode = number, .name = td_strdup(name)};
}

/* Applies a change of names. A rename sets the new name first, then removes the old one. */
static void apply_to_names(io_fault *disk, const disk_change *change)
{
    name_change filled = {.set_count = 1};
    TD_ASSERT(change->dir != NO_INODE);
    TD_ASSERT(change->name != NULL);
    if (change->what == IO_FAULT_CHANGE_CREATE) {
        set_fill(&filled.sets[0], change->dir, change->name, change->inode);
    } else if (change->what == IO_FAULT_CHANGE_UNLINK) {
        set_fill(&filled.sets[0], change->dir, change->name, NO_INODE);
    } else {
        TD_ASSERT(change->what == IO_FAULT_CHANGE_RENAME);
        filled.set_count = 2;
        set_fill(&filled.sets[0], change->to_dir, change->to_name, change->inode);
        set_fill(&filled.sets[1], change->dir, change->name, NO_INODE);
    }
    for (unsigned i = 0; i < filled.set_count; i++) {
        const name_set *set = &filled.sets[i];
        names_set(&disk_inode(disk, set->dir)->names, set->name, set->inode);
    }
    disk->name_changes = td_array_reach(disk->name_changes, &disk->name_change_capacity,
                                        disk->name_change_count, sizeof *disk->name_changes);
    disk->name_changes[disk->name_change_count++] = filled;
}

/* Makes the changes of this folder's names durable. */
static void apply_sync_dir(io_fault *disk, uint32_t dir)
{
    TD_ASSERT(disk_inode(disk, dir)->kind == TD_ENTRY_DIR);
    dir_names *durable = &disk_inode(disk, dir)->durable_names;
    size_t kept = 0;
    for (size_t i = 0; i < disk->name_change_count; i++) {
        name_change change = disk->name_changes[i];
        unsigned left = 0;
        for (unsigned s = 0; s < change.set_count; s++) {
            name_set set = change.sets[s];
            if (set.dir != dir) {
                change.sets[left++] = set;
                continue;
            }
            names_set(durable, set.name, set.inode);
            td_free(set.name);
        }
        change.set_count = left;
        if (left > 0)
            disk->name_changes[kept++] = change;
    }
    disk->name_change_count = kept;
}

static void disk_apply(io_fault *disk, const disk_change *change)
{
    inode *node;
    uint32_t number;
    switch (change->what) {
    case IO_FAULT_CHANGE_CREATE:
        number = disk_add_inode(disk, change->kind);
        TD_ASSERT(number == change->inode);
        apply_to_names(disk, change);
        break;
    case IO_FAULT_CHANGE_RENAME:
    case IO_FAULT_CHANGE_UNLINK:
        apply_to_names(disk, change);
        break;
    case IO_FAULT_CHANGE_APPEND:
        node = disk_inode(disk, change->inode);
        apply_write(node, node->cache.size, change->bytes);
        break;
    case IO_FAULT_CHANGE_OVERWRITE:
        apply_write(disk_inode(disk, change->inode), change->at, change->bytes);
        break;
    case IO_FAULT_CHANGE_TRUNCATE:
        apply_to_file(disk_inode(disk, change->inode), (file_change){.size = change->size});
        break;
    case IO_FAULT_CHANGE_SYNC:
        apply_sync(disk_inode(disk, change->inode));
        break;
    case IO_FAULT_CHANGE_SYNC_FAILED:
        apply_failed_sync(disk_inode(disk, change->inode));
        break;
    case IO_FAULT_CHANGE_SYNC_DIR:
        apply_sync_dir(disk, change->inode);
        break;
    }
}

/* ---- copies ---- */

static void inode_copy(inode *to, const inode *from)
{
    td_buf_add(&to->cache, from->cache.data, from->cache.size);
    td_buf_add(&to->durable, from->durable.data, from->durable.size);
    names_copy(&to->names, &from->names);
    names_copy(&to->durable_names, &from->durable_names);
    to->changes = td_alloc_zero(from->change_count, sizeof *to->changes);
    to->change_capacity = from->change_count;
    for (; to->change_count < from->change_count; to->change_count++) {
        file_change change = from->changes[to->change_count];
        if (change.bytes != NULL)
            change.bytes = (uint8_t *)td_strndup((const char *)change.bytes, (size_t)change.size);
        to->changes[to->change_count] = change;
    }
}

static void copy_name_changes(io_fault *to, const io_fault *from)
{
    to->name_change_count = to->name_change_capacity = from->name_change_count;
    to->name_changes = td_alloc_zero(from->name_change_count, sizeof *to->name_changes);
    for (size_t i = 0; i < from->name_change_count; i++) {
        to->name_changes[i] = from->name_changes[i];
        for (unsigned s = 0; s < from->name_changes[i].set_count; s++)
            to->name_changes[i].sets[s].name = td_strdup(from->name_changes[i].sets[s].name);
    }
}

/* Copy a disk, without open files, locks, faults and log. */
static io_fault *disk_clone(const io_fault *disk)
{
    io_fault *copy = disk_new();
    copy->free_bytes = disk->free_bytes;
    copy_name_changes(copy, disk);
    for (uint32_t i = 1; i < disk->inode_count; i++) {
        const inode *from = disk_inode(disk, i);
        uint32_t number = disk_add_inode(copy, from->kind);
        inode_copy(disk_inode(copy, number), from);
    }
    return copy;
}

/* ---- the log of changes ---- */

static void row_fill(log_row *row, const disk_change *change, const char *path, const char *to_path)
{
    size_t size = change->bytes.size;
    *row = (log_row){.change = *change};
    row->name = td_strdup(change->name);
    row->to_name = td_strdup(change->to_name);
    row->path = td_strdup(path);
    row->to_path = td_strdup(to_path);
    if (size > 0)
        row->bytes = td_strndup((const char *)change->bytes.data, size);
    row->change.name = row->name;
    row->change.to_name = row->to_name;
    row->change.bytes = td_bytes_of(row->bytes, size);
}

/* Log a change that was made, if changes are logged. */
static void disk_note(io_fault *disk, const disk_change *change, const char *path,
                      const char *to_path)
{
    if (disk->log_base == NULL)
        return;
    disk->log = td_array_reach(disk->log, &disk->log_capacity, disk->log_count, sizeof *disk->log);
    row_fill(&disk->log[disk->log_count++], change, path, to_path);
}

static void disk_make_change(io_fault *disk, const disk_change *change, const char *path,
                             const char *to_path)
{
    disk_apply(disk, change);
    disk_note(disk, change, path, to_path);
}

/* ---- faults: which calls fail, by the plan of a test, and with which error ---- */

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

/* Count a call. Returns the fault that the plan has for it, usually IO_FAULT_NONE. */
static io_fault_kind disk_meet_plan(io_fault *disk, io_fault_op op)
{
    const io_fault_plan *plan = &disk->plan;
    TD_ASSERT(op < IO_FAULT_OP_COUNT);
    if (disk->observer != NULL)
        disk->observer(disk->observer_user, op, disk->log_count);
    disk->calls[op]++;
    if (plan->kind == IO_FAULT_NONE || plan->fail_at == 0 ||
        (counted_ops(plan) & IO_FAULT_BIT(op)) == 0)
        return IO_FAULT_NONE;
    disk->planned_calls++;
    int fires = plan->mode == IO_FAULT_ONCE ? disk->planned_calls == plan->fail_at
                                            : disk->planned_calls >= plan->fail_at;
    if (!fires)
        return IO_FAULT_NONE;
    if (!disk->did_fire)
        disk->fired_op = op;
    disk->did_fire = 1;
    return plan->kind;
}

/* The error of a fault; TD_OK for IO_FAULT_NONE. */
static td_result disk_fault_error(io_fault_kind kind, const char *doing, const char *path,
                                  td_err *err)
{
    if (kind == IO_FAULT_NONE)
        return TD_OK;
    int os_errno = kind == IO_FAULT_EIO || kind == IO_FAULT_TORN ? EIO : ENOSPC;
    return td_err_set_os(err, os_errno, "cannot %s '%s' (simulated)", doing, path);
}

/* Begin an operation: count the call, and fail it if the plan requires it. */
static td_result disk_begin(io_fault *disk, io_fault_op op, const char *doing, const char *path,
                            td_err *err)
{
    return disk_fault_error(disk_meet_plan(disk, op), doing, path, err);
}

/* The error of a missing path. */
static td_result disk_missing(const char *doing, const char *path, td_err *err)
{
    return td_err_set(err, TD_E_NOTFOUND, "cannot %s '%s': No such file or directory", doing, path);
}

/* ---- the I/O table (base/io.h; ctx is the disk): names and folders ---- */

/* Create a file or folder; out gets its inode. Call with the mutex held. */
static td_result disk_create_entry(io_fault *disk, const char *path, td_entry_kind kind,
                                   uint32_t *out, td_err *err)
{
    const char *name;
    size_t name_length;
    uint32_t dir = disk_find_parent(disk, path, &name, &name_length);
    if (dir == NO_INODE || name_length == 0)
        return disk_missing("create", path, err);
    char *copy = td_strndup(name, name_length);
    *out = disk->inode_count;
    disk_change change = {.what = IO_FAULT_CHANGE_CREATE, .inode = *out, .kind = kind};
    change.dir = dir;
    change.name = copy;
    disk_make_change(disk, &change, path, NULL);
    td_free(copy);
    return TD_OK;
}

/* The folder and inode of a name. name: a copy, to be freed. */
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
        return disk_missing("find", path, err);
    out->inode = names_find(&disk_inode(disk, out->dir)->names, name, name_length);
    out->name = td_strndup(name, name_length);
    return TD_OK;
}

static td_result rename_found(io_fault *disk, const found_name *from, const found_name *to,
                              const char *from_path, const char *to_path, td_err *err)
{
    if (from->inode == NO_INODE)
        return disk_missing("rename", from_path, err);
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
    disk_make_change(disk, &change, from_path, to_path);
    return TD_OK;
}

static td_result disk_rename(void *ctx, const char *from, const char *to, td_err *err)
{
    io_fault *disk = ctx;
    found_name old = {0};
    found_name new = {0};
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_RENAME, "rename", from, err);
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
        return disk_missing("remove", path, err);
    const inode *node = disk_inode(disk, found->inode);
    if (node->kind != TD_ENTRY_FILE && node->names.count > 0)
        return td_err_set_os(err, ENOTEMPTY, "cannot remove '%s'", path);
    disk_change change = {.what = IO_FAULT_CHANGE_UNLINK, .inode = found->inode};
    change.dir = found->dir;
    change.name = found->name;
    disk_make_change(disk, &change, path, NULL);
    disk->free_bytes += node->cache.size;
    return TD_OK;
}

static td_result disk_unlink(void *ctx, const char *path, td_err *err)
{
    io_fault *disk = ctx;
    found_name found = {0};
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_UNLINK, "remove", path, err);
    if (rc == TD_OK)
        rc = find_name(disk, path, &found, err);
    if (rc == TD_OK)
        rc = unlink_found(disk, &found, path, err);
    pthread_mutex_unlock(&disk->mutex);
    td_free(found.name);
    return rc;
}

static td_result disk_mkdir(void *ctx, const char *path, td_err *err)
{
    io_fault *disk = ctx;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_MKDIR, "make folder", path, err);
    uint32_t there = disk_find(disk, path);
    if (rc == TD_OK && there == NO_INODE)
        rc = disk_create_entry(disk, path, TD_ENTRY_DIR, &there, err);
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

static void copy_entries(const io_fault *disk, uint32_t dir, listed_entry **out, size_t *count)
{
    const dir_names *names = &disk_inode(disk, dir)->names;
    *out = td_alloc_zero(names->count, sizeof **out);
    for (; *count < names->count; (*count)++) {
        listed_entry *entry = *out + *count;
        entry->name = td_strdup(names->rows[*count].name);
        entry->kind = disk_inode(disk, names->rows[*count].inode)->kind;
    }
}

/* Lists a folder. The callbacks run without the mutex, because they may use the disk. */
static td_result disk_list(void *ctx, const char *path, td_list_fn *fn, void *user, td_err *err)
{
    io_fault *disk = ctx;
    listed_entry *entries = NULL;
    size_t count = 0;
    uint32_t dir = NO_INODE;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_LIST, "list", path, err);
    if (rc == TD_OK)
        rc = find_dir(disk, path, &dir, err);
    if (rc == TD_OK)
        copy_entries(disk, dir, &entries, &count);
    pthread_mutex_unlock(&disk->mutex);
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = fn(user, entries[i].name, entries[i].kind, err);
    for (size_t i = 0; i < count; i++)
        td_free(entries[i].name);
    td_free(entries);
    return rc;
}

static td_result disk_sync_dir(void *ctx, const char *path, td_err *err)
{
    io_fault *disk = ctx;
    uint32_t dir = NO_INODE;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_SYNC_DIR, "sync folder", path, err);
    if (rc == TD_OK)
        rc = find_dir(disk, path, &dir, err);
    if (rc == TD_OK) {
        disk_change change = {.what = IO_FAULT_CHANGE_SYNC_DIR, .inode = dir};
        disk_make_change(disk, &change, path, NULL);
    }
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result disk_space(void *ctx, const char *path, td_space *out, td_err *err)
{
    io_fault *disk = ctx;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_SPACE, "get the free space of", path, err);
    if (rc == TD_OK && disk_find(disk, path) == NO_INODE)
        rc = disk_missing("get the free space of", path, err);
    out->free_bytes = disk->free_bytes;
    out->total_bytes = UINT64_C(1) << 50;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result disk_check_writable(void *ctx, const char *path, td_err *err)
{
    io_fault *disk = ctx;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_LOOK, "write to", path, err);
    if (rc == TD_OK && disk_find(disk, path) == NO_INODE)
        rc = disk_missing("write to", path, err);
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

/* ---- the I/O table: files ---- */

typedef struct fault_file {
    td_file base;
    io_fault *disk;
    uint32_t inode;
    td_open_mode mode;
    char *path;
} fault_file;

static const td_io_ops FAULT_OPS;

static fault_file *as_file(td_file *file)
{
    TD_ASSERT(file->ops == &FAULT_OPS);
    return (fault_file *)file;
}

/* Finds the inode to open; creates it if the mode requires it. */
static td_result find_to_open(io_fault *disk, const char *path, td_open_mode mode, uint32_t *out,
                              td_err *err)
{
    *out = disk_find(disk, path);
    if (mode == TD_OPEN_CREATE || mode == TD_OPEN_CREATE_PRIVATE ||
        (mode == TD_OPEN_LOCK && *out == NO_INODE)) {
        td_result rc = disk_begin(disk, IO_FAULT_OP_CREATE, "create", path, err);
        if (rc != TD_OK)
            return rc;
        if (*out != NO_INODE)
            return td_err_set(err, TD_E_INVALID, "cannot create '%s': it exists already", path);
        return disk_create_entry(disk, path, TD_ENTRY_FILE, out, err);
    }
    td_result rc = disk_begin(disk, IO_FAULT_OP_OPEN, "open", path, err);
    if (rc != TD_OK)
        return rc;
    if (*out == NO_INODE)
        return disk_missing("open", path, err);
    if (disk_inode(disk, *out)->kind != TD_ENTRY_FILE)
        return td_err_set(err, TD_E_UNSUPPORTED, "cannot open '%s': not a regular file", path);
    return TD_OK;
}

static td_result fault_open(void *ctx, const char *path, td_open_mode mode, td_file **out,
                            td_err *err)
{
    io_fault *disk = ctx;
    fault_file *file = td_alloc_zero(1, sizeof *file);
    char *copy = td_strdup(path);
    pthread_mutex_lock(&disk->mutex);
    uint32_t number = NO_INODE;
    td_result rc = find_to_open(disk, path, mode, &number, err);
    if (rc == TD_OK) {
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

/* Releases the file's lock. Call with the mutex held. */
static void end_lock(fault_file *file)
{
    inode *node = disk_inode(file->disk, file->inode);
    if (node->locked_by == file)
        node->locked_by = NULL;
}

static void fault_close(td_file *base)
{
    fault_file *file = as_file(base);
    pthread_mutex_lock(&file->disk->mutex);
    TD_ASSERT(file->disk->open_count > 0);
    file->disk->open_count--;
    end_lock(file);
    pthread_mutex_unlock(&file->disk->mutex);
    td_free(file->path);
    td_free(file);
}

static td_result fault_size(td_file *base, uint64_t *out, td_err *err)
{
    fault_file *file = as_file(base);
    pthread_mutex_lock(&file->disk->mutex);
    td_result rc = disk_begin(file->disk, IO_FAULT_OP_SIZE, "tell the size of", file->path, err);
    if (rc == TD_OK)
        *out = disk_inode(file->disk, file->inode)->cache.size;
    pthread_mutex_unlock(&file->disk->mutex);
    return rc;
}

static td_result fault_size_at(void *ctx, const char *path, uint64_t *out, td_err *err)
{
    io_fault *disk = ctx;
    uint32_t number = NO_INODE;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = find_to_open(disk, path, TD_OPEN_READ, &number, err);
    if (rc == TD_OK)
        *out = disk_inode(disk, number)->cache.size;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

/* Does nothing: permissions do not affect durability, so these calls are neither counted nor made
 * to fail. */
static td_result fault_copy_access(void *ctx, const char *path, td_file *to, td_err *err)
{
    uint64_t size;
    (void)to;
    return fault_size_at(ctx, path, &size, err);
}

static td_result fault_make_private(void *ctx, const char *path, td_err *err)
{
    io_fault *disk = ctx;
    pthread_mutex_lock(&disk->mutex);
    uint32_t number = disk_find(disk, path);
    td_result rc = number == NO_INODE ? disk_missing("restrict access to", path, err) : TD_OK;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_read_at(td_file *base, uint64_t at, void *buf, size_t size, size_t *got,
                               td_err *err)
{
    fault_file *file = as_file(base);
    *got = 0;
    pthread_mutex_lock(&file->disk->mutex);
    td_result rc = disk_begin(file->disk, IO_FAULT_OP_READ, "read", file->path, err);
    inode *node = disk_inode(file->disk, file->inode);
    const td_buf *content = &node->cache;
    if (rc == TD_OK && at < content->size) {
        *got = content->size - (size_t)at < size ? content->size - (size_t)at : size;
        TD_ASSERT(*got <= size);
        TD_ASSERT(at + *got <= content->size);
        memcpy(buf, content->data + at, *got);
    }
    file->disk->read_bytes += *got;
    pthread_mutex_unlock(&file->disk->mutex);
    return rc;
}

static td_result refuse_reader(const fault_file *file, td_err *err)
{
    if (file->mode != TD_OPEN_READ)
        return TD_OK;
    return td_err_set_os(err, EBADF, "cannot change '%s', which is open for reading", file->path);
}

static td_result fault_append(td_file *base, const void *bytes, size_t size, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    io_fault_kind kind = disk_meet_plan(disk, IO_FAULT_OP_APPEND);
    td_result rc = refuse_reader(file, err);
    size_t space = size;
    if (kind == IO_FAULT_SHORT || kind == IO_FAULT_TORN)
        space = size / 2;
    else if (kind != IO_FAULT_NONE)
        space = 0;
    if (space > disk->free_bytes) {
        space = (size_t)disk->free_bytes;
        kind = IO_FAULT_SHORT;
    }
    if (rc == TD_OK && space > 0) {
        disk_change change = {.what = IO_FAULT_CHANGE_APPEND, .inode = file->inode};
        change.bytes = td_bytes_of(bytes, space);
        disk_make_change(disk, &change, file->path, NULL);
        disk->free_bytes -= space;
    }
    if (rc == TD_OK)
        rc = disk_fault_error(kind, "write to", file->path, err);
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_overwrite(td_file *base, uint64_t at, const void *bytes, size_t size,
                                 td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_OVERWRITE, "write to", file->path, err);
    if (rc == TD_OK)
        rc = refuse_reader(file, err);
    if (rc == TD_OK && size > 0) {
        TD_ASSERT(at + size <= disk_inode(disk, file->inode)->cache.size);
        disk_change change = {.what = IO_FAULT_CHANGE_OVERWRITE, .inode = file->inode, .at = at};
        change.bytes = td_bytes_of(bytes, size);
        disk_make_change(disk, &change, file->path, NULL);
    }
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_truncate(td_file *base, uint64_t size, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_TRUNCATE, "cut", file->path, err);
    if (rc == TD_OK)
        rc = refuse_reader(file, err);
    if (rc == TD_OK) {
        uint64_t before = disk_inode(disk, file->inode)->cache.size;
        disk_change change = {.what = IO_FAULT_CHANGE_TRUNCATE, .inode = file->inode, .size = size};
        disk_make_change(disk, &change, file->path, NULL);
        if (size < before)
            disk->free_bytes += before - size;
    }
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

/* Waits while syncs are held. Call with the mutex held. */
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
    td_result rc = disk_begin(disk, IO_FAULT_OP_SYNC, "sync", file->path, err);
    if (rc == TD_OK)
        wait_while_held(disk);
    if (rc == TD_OK && disk->sync_mode == IO_FAULT_SYNC_FAILS)
        rc = disk_fault_error(IO_FAULT_EIO, "sync", file->path, err);
    disk_change change = {.inode = file->inode};
    change.what = rc == TD_OK ? IO_FAULT_CHANGE_SYNC : IO_FAULT_CHANGE_SYNC_FAILED;
    disk_make_change(disk, &change, file->path, NULL);
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

/* ---- the I/O table: checks of names, locks ---- */

static td_result fault_check_name(void *ctx, const char *path, td_file *base, td_name_state *out,
                                  td_err *err)
{
    const fault_file *file = as_file(base);
    io_fault *disk = ctx;
    TD_ASSERT(file->disk == disk);
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_LOOK, "look at", path, err);
    uint32_t number = disk_find(disk, path);
    *out = number == file->inode ? TD_NAME_SAME : number == NO_INODE ? TD_NAME_GONE : TD_NAME_OTHER;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static td_result fault_lock(td_file *base, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    inode *node = disk_inode(disk, file->inode);
    td_result rc = disk_begin(disk, IO_FAULT_OP_LOCK, "lock", file->path, err);
    if (rc == TD_OK)
        rc = refuse_reader(file, err);
    if (rc == TD_OK && node->locked_by != NULL && node->locked_by != file)
        rc = td_err_set(err, TD_E_BUSY, "it is locked by another process");
    if (rc == TD_OK)
        node->locked_by = file;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static void fault_unlock(td_file *base)
{
    fault_file *file = as_file(base);
    pthread_mutex_lock(&file->disk->mutex);
    end_lock(file);
    pthread_mutex_unlock(&file->disk->mutex);
}

static td_result fault_is_locked(td_file *base, int *out, td_err *err)
{
    fault_file *file = as_file(base);
    io_fault *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    td_result rc = disk_begin(disk, IO_FAULT_OP_LOOK, "see the lock of", file->path, err);
    const void *holder = disk_inode(disk, file->inode)->locked_by;
    *out = holder != NULL && holder != file;
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

static const td_io_ops FAULT_OPS = {
    .open = fault_open,
    .close = fault_close,
    .size = fault_size,
    .size_at = fault_size_at,
    .make_private = fault_make_private,
    .copy_access = fault_copy_access,
    .read_at = fault_read_at,
    .append = fault_append,
    .overwrite = fault_overwrite,
    .truncate = fault_truncate,
    .sync = fault_sync,
    .rename = disk_rename,
    .unlink = disk_unlink,
    .mkdir = disk_mkdir,
    .list = disk_list,
    .sync_dir = disk_sync_dir,
    .space = disk_space,
    .check_writable = disk_check_writable,
    .check_name = fault_check_name,
    .lock = fault_lock,
    .unlock = fault_unlock,
    .is_locked = fault_is_locked,
};

td_io io_fault_io(io_fault *disk)
{
    return (td_io){.ops = &FAULT_OPS, .ctx = disk};
}

/* ---- control by tests: plans, space, sync, damage ---- */

void io_fault_set_plan(io_fault *disk, io_fault_plan plan)
{
    pthread_mutex_lock(&disk->mutex);
    disk->plan = plan;
    disk->planned_calls = 0;
    disk->did_fire = 0;
    pthread_mutex_unlock(&disk->mutex);
}

/* Adds a folder's or file's content to the digest. Names are sorted, so equal folders give equal
 * bytes. */
static void digest_inode(const io_fault *disk, uint32_t number, td_hasher *hasher)
{
    const inode *node = disk_inode(disk, number);
    const uint64_t head[] = {node->kind, node->names.count, node->cache.size};
    td_hasher_update(hasher, head, sizeof head);
    td_hasher_update(hasher, node->cache.data, node->cache.size);
    for (size_t i = 0; i < node->names.count; i++) {
        const dir_name *name = &node->names.rows[i];
        td_hasher_update(hasher, name->name, strlen(name->name) + 1);
        digest_inode(disk, name->inode, hasher);
    }
}

td_hash128 io_fault_digest(io_fault *disk)
{
    td_hasher *hasher = td_hasher_open();
    td_hasher_reset(hasher);
    pthread_mutex_lock(&disk->mutex);
    digest_inode(disk, ROOT_INODE, hasher);
    pthread_mutex_unlock(&disk->mutex);
    td_hash128 digest = td_hasher_digest(hasher);
    td_hasher_close(hasher);
    return digest;
}

void io_fault_observe(io_fault *disk, io_fault_observer *observer, void *user)
{
    pthread_mutex_lock(&disk->mutex);
    disk->observer = observer;
    disk->observer_user = user;
    pthread_mutex_unlock(&disk->mutex);
}

int io_fault_did_fire(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    int did_fire = disk->did_fire;
    pthread_mutex_unlock(&disk->mutex);
    return did_fire;
}

io_fault_op io_fault_fired_op(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    TD_ASSERT(disk->did_fire);
    io_fault_op op = disk->fired_op;
    pthread_mutex_unlock(&disk->mutex);
    return op;
}

const char *io_fault_op_name(io_fault_op op)
{
    static const char *const NAMES[IO_FAULT_OP_COUNT] = {
        "open",   "create", "size",  "read", "append",   "overwrite", "truncate", "sync",
        "rename", "unlink", "mkdir", "list", "sync_dir", "space",     "look",     "lock"};
    TD_ASSERT(op < IO_FAULT_OP_COUNT);
    return NAMES[op];
}

unsigned io_fault_open_count(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    unsigned count = disk->open_count;
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

uint64_t io_fault_call_count(io_fault *disk, io_fault_op op)
{
    TD_ASSERT(op <= IO_FAULT_OP_COUNT);
    uint64_t count = 0;
    pthread_mutex_lock(&disk->mutex);
    for (unsigned i = 0; i < IO_FAULT_OP_COUNT; i++) {
        if (op == IO_FAULT_OP_COUNT || i == op)
            count += disk->calls[i];
    }
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

uint64_t io_fault_read_bytes(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    const uint64_t bytes = disk->read_bytes;
    pthread_mutex_unlock(&disk->mutex);
    return bytes;
}

void io_fault_set_free_bytes(io_fault *disk, uint64_t free_bytes)
{
    pthread_mutex_lock(&disk->mutex);
    disk->free_bytes = free_bytes;
    pthread_mutex_unlock(&disk->mutex);
}

static void damage_content(td_buf *content, uint64_t at, uint8_t mask)
{
    if (at < content->size)
        content->data[at] ^= mask;
}

td_result io_fault_damage(io_fault *disk, const char *path, uint64_t at, uint8_t mask, td_err *err)
{
    pthread_mutex_lock(&disk->mutex);
    uint32_t number = disk_find(disk, path);
    inode *node = number == NO_INODE ? NULL : disk_inode(disk, number);
    td_result rc = TD_OK;
    if (node == NULL)
        rc = td_err_set(err, TD_E_NOTFOUND, "cannot damage '%s': it is not there", path);
    else if (at >= node->cache.size)
        rc = td_err_set(err, TD_E_INVALID, "cannot damage '%s' at %llu: it has %zu bytes", path,
                        (unsigned long long)at, node->cache.size);
    if (rc == TD_OK) {
        TD_ASSERT(node != NULL);
        damage_content(&node->cache, at, mask);
        damage_content(&node->durable, at, mask);
    }
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

void io_fault_set_sync(io_fault *disk, io_fault_sync_mode mode)
{
    pthread_mutex_lock(&disk->mutex);
    disk->sync_mode = mode;
    disk->let_count = 0;
    pthread_cond_broadcast(&disk->sync_changed);
    pthread_mutex_unlock(&disk->mutex);
}

void io_fault_let_sync(io_fault *disk, unsigned count)
{
    pthread_mutex_lock(&disk->mutex);
    disk->let_count += count;
    pthread_cond_broadcast(&disk->sync_changed);
    pthread_mutex_unlock(&disk->mutex);
}

void io_fault_await_held(io_fault *disk, unsigned count)
{
    pthread_mutex_lock(&disk->mutex);
    while (disk->held_count < count)
        pthread_cond_wait(&disk->sync_changed, &disk->mutex);
    pthread_mutex_unlock(&disk->mutex);
}

/* ---- what survives a power cut ---- */

enum { SECTOR_BYTES = 512, CHANCES = 8 };

/* How a disk behaves at a power cut. Some keep nearly everything, some nearly nothing, and some
 * write strictly in order; each kind reveals other bugs. */
typedef struct cut_luck {
    td_random random;
    unsigned keep_of_8; /* out of 8 changes, this many survive on average */
    int is_ordered;     /* nothing survives after the first lost change */
    int is_best;
} cut_luck;

typedef enum write_fate {
    FATE_WHOLE,
    FATE_NONE,
    FATE_PREFIX,  /* the first sectors */
    FATE_SECTORS, /* any of its sectors */
    FATE_ZEROS,   /* zeros: the file has grown, but its data was not written */
    FATE_COUNT,
} write_fate;

static cut_luck luck_init(uint64_t seed)
{
    cut_luck luck = {0};
    td_random_init(&luck.random, seed);
    luck.keep_of_8 = (unsigned)td_random_below(&luck.random, CHANCES + 1);
    luck.is_ordered = (int)td_random_below(&luck.random, 2);
    if (seed == IO_FAULT_CUT_WORST)
        luck.keep_of_8 = 0;
    luck.is_best = seed == IO_FAULT_CUT_BEST;
    return luck;
}

static int luck_keeps(cut_luck *luck)
{
    return luck->is_best || td_random_below(&luck->random, CHANCES) < luck->keep_of_8;
}

/* Chooses the fate of a write. One that is not kept whole can only be torn if the disk keeps
 * anything at all. */
static write_fate luck_fate(cut_luck *luck)
{
    if (luck_keeps(luck))
        return FATE_WHOLE;
    if (luck->keep_of_8 == 0)
        return FATE_NONE;
    return (write_fate)(FATE_NONE + td_random_below(&luck->random, FATE_COUNT - FATE_NONE));
}

/* The end of the sector that contains offset `at`, or the end of the write if that is earlier. */
static uint64_t sector_end(uint64_t at, uint64_t write_end)
{
    uint64_t end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
    return end < write_end ? end : write_end;
}

/* Applies the sectors of a write that survived. The file may have grown to the end of the last
 * one. */
static void keep_sectors(td_buf *content, const file_change *change, write_fate fate,
                         cut_luck *luck)
{
    uint64_t write_end = change->at + change->size;
    TD_ASSERT(change->bytes != NULL);
    TD_ASSERT(change->size > 0);
    uint64_t sectors = change->size / SECTOR_BYTES + 2;
    uint64_t stop = td_random_below(&luck->random, sectors);
    uint64_t number = 0;
    for (uint64_t at = change->at; at < write_end; number++) {
        uint64_t end = sector_end(at, write_end);
        int is_kept = fate == FATE_PREFIX ? number < stop : td_random_below(&luck->random, 2) == 0;
        file_change part = {.at = at, .size = end - at};
        part.bytes = change->bytes + (at - change->at);
        if (is_kept)
            content_apply(content, &part);
        at = end;
    }
}

static void cut_write(td_buf *content, const file_change *change, write_fate fate, cut_luck *luck)
{
    TD_ASSERT(fate < FATE_COUNT);
    TD_ASSERT(change->bytes != NULL || fate <= FATE_NONE);
    file_change grow = {.size = change->at + change->size};
    if (fate == FATE_WHOLE)
        content_apply(content, change);
    else if (fate == FATE_ZEROS && grow.size > content->size)
        content_apply(content, &grow);
    else if (fate == FATE_PREFIX || fate == FATE_SECTORS)
        keep_sectors(content, change, fate, luck);
}

/* Chooses the fate of a change that is not durable. Only a write may be torn, a truncation may
 * not. */
static write_fate change_fate(const file_change *change, cut_luck *luck)
{
    TD_ASSERT(!change->is_durable);
    if (change->bytes != NULL)
        return luck_fate(luck);
    return luck_keeps(luck) ? FATE_WHOLE : FATE_NONE;
}

/* Computes a file's content after the power cut. content: the durable bytes. */
static void cut_file(td_buf *content, const inode *node, cut_luck *luck)
{
    int is_over = 0;
    for (size_t i = 0; i < node->change_count; i++) {
        const file_change *change = &node->changes[i];
        write_fate fate = change->is_durable ? FATE_WHOLE : FATE_NONE;
        if (fate == FATE_NONE && !is_over)
            fate = change_fate(change, luck);
        cut_write(content, change, fate, luck);
        is_over = is_over || (fate != FATE_WHOLE && luck->is_ordered);
    }
}

/* Applies the changes of names that survived, which is decided before the content of files. */
static void cut_names(io_fault *to, const io_fault *from, cut_luck *luck)
{
    for (uint32_t i = 1; i < from->inode_count; i++) {
        const inode *node = disk_inode(from, i);
        uint32_t number = disk_add_inode(to, node->kind);
        TD_ASSERT(number == i);
        for (size_t n = 0; n < node->durable_names.count; n++) {
            const dir_name *name = &node->durable_names.rows[n];
            names_set(&to->inodes[i]->names, name->name, name->inode);
        }
    }
    for (size_t i = 0; i < from->name_change_count; i++) {
        const name_change *change = &from->name_changes[i];
        TD_ASSERT(change->set_count > 0);
        TD_ASSERT(change->set_count <= NAMES_OF_RENAME);
        int is_kept = luck_keeps(luck);
        for (unsigned s = 0; is_kept && s < change->set_count; s++) {
            const name_set *set = &change->sets[s];
            names_set(&to->inodes[set->dir]->names, set->name, set->inode);
        }
        if (!is_kept && luck->is_ordered)
            break;
    }
}

/* Makes the cache equal to the disk, as after a reboot. */
static void settle(inode *node)
{
    TD_ASSERT(node->change_count == 0);
    TD_ASSERT(node->durable.size == 0);
    for (size_t i = 0; i < node->names.count; i++)
        names_set(&node->durable_names, node->names.rows[i].name, node->names.rows[i].inode);
    td_buf_add(&node->durable, node->cache.data, node->cache.size);
}

io_fault *io_fault_power_cut(io_fault *disk, uint64_t seed)
{
    cut_luck luck = luck_init(seed);
    io_fault *after = disk_new();
    pthread_mutex_lock(&disk->mutex);
    after->free_bytes = disk->free_bytes;
    cut_names(after, disk, &luck);
    for (uint32_t i = 1; i < disk->inode_count; i++) {
        const inode *node = disk_inode(disk, i);
        inode *copy = disk_inode(after, i);
        td_buf_add(&copy->cache, node->durable.data, node->durable.size);
        cut_file(&copy->cache, node, &luck);
        settle(copy);
    }
    pthread_mutex_unlock(&disk->mutex);
    return after;
}

io_fault *io_fault_kill(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    io_fault *after = disk_clone(disk);
    pthread_mutex_unlock(&disk->mutex);
    return after;
}

/* ---- disks of the log ---- */

void io_fault_log_start(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    disk_forget_log(disk);
    disk->log_base = disk_clone(disk);
    pthread_mutex_unlock(&disk->mutex);
}

uint64_t io_fault_log_count(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    uint64_t count = disk->log_count;
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

io_fault_log_row io_fault_log_get(io_fault *disk, uint64_t index)
{
    pthread_mutex_lock(&disk->mutex);
    TD_ASSERT(index < disk->log_count);
    const log_row *row = &disk->log[index];
    io_fault_log_row out = {.change = row->change.what, .path = row->path, .to_path = row->to_path};
    if (row->change.what == IO_FAULT_CHANGE_APPEND || row->change.what == IO_FAULT_CHANGE_OVERWRITE)
        out.size = row->change.bytes.size;
    else if (row->change.what == IO_FAULT_CHANGE_TRUNCATE)
        out.size = row->change.size;
    pthread_mutex_unlock(&disk->mutex);
    return out;
}

void io_fault_forward(io_fault *then, io_fault *disk, uint64_t from, uint64_t to)
{
    pthread_mutex_lock(&disk->mutex);
    TD_ASSERT(disk->log_base != NULL);
    TD_ASSERT(from <= to);
    TD_ASSERT(to <= disk->log_count);
    for (uint64_t i = from; i < to; i++)
        disk_apply(then, &disk->log[i].change);
    pthread_mutex_unlock(&disk->mutex);
}

io_fault *io_fault_at(io_fault *disk, uint64_t change_count)
{
    pthread_mutex_lock(&disk->mutex);
    TD_ASSERT(disk->log_base != NULL);
    io_fault *then = disk_clone(disk->log_base);
    pthread_mutex_unlock(&disk->mutex);
    io_fault_forward(then, disk, 0, change_count);
    return then;
}
