#include "tests/testing/io_fault_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { FREE_BYTES_AT_FIRST_LOG2 = 40, FILE_BYTES_MAX_LOG2 = 40 };

static const uint64_t INODE_MAGIC = UINT64_C(0x1f0de1f0de1f0de1);

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

uint32_t names_find(const dir_names *names, const char *name, size_t name_length)
{
    int is_there;
    size_t i = names_index(names, td_bytes_of(name, name_length), &is_there);
    return is_there ? names->rows[i].inode : NO_INODE;
}

void names_set(dir_names *names, const char *name, uint32_t number)
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

io_fault *disk_new(void)
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

uint32_t disk_add_inode(io_fault *disk, td_entry_kind kind)
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

inode *disk_inode(const io_fault *disk, uint32_t number)
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

uint32_t disk_find_parent(const io_fault *disk, const char *path, const char **name,
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

uint32_t disk_find(const io_fault *disk, const char *path)
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

void content_apply(td_buf *content, const file_change *change)
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

void disk_apply(io_fault *disk, const disk_change *change)
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

io_fault *disk_clone(const io_fault *disk)
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
