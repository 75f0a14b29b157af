#include "tests/testing/io_fault_impl.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* The I/O table's functions for names and folders. */

td_result disk_create_entry(io_fault *disk, const char *path, td_entry_kind kind, uint32_t *out,
                            td_err *err)
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

td_result disk_rename(void *ctx, const char *from, const char *to, td_err *err)
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

td_result disk_unlink(void *ctx, const char *path, td_err *err)
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

td_result disk_mkdir(void *ctx, const char *path, td_err *err)
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
td_result disk_list(void *ctx, const char *path, td_list_fn *fn, void *user, td_err *err)
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

td_result disk_sync_dir(void *ctx, const char *path, td_err *err)
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

td_result disk_space(void *ctx, const char *path, td_space *out, td_err *err)
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
