#include "tests/testing/io_fault_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { FREE_BYTES_AT_FIRST_LOG2 = 40, FILE_BYTES_MAX_LOG2 = 40 };

static const uint64_t INODE_MAGIC = UINT64_C(0x1f0de1f0de1f0de1);

int disk_make_space(void **rows, size_t *capacity, size_t count, size_t row_bytes)
{
    TD_ASSERT(count <= *capacity);
    if (count < *capacity)
        return 1;
    size_t bigger = *capacity == 0 ? 8 : *capacity * 2;
    void *grown = td_realloc(*rows, bigger, row_bytes);
    if (grown == NULL)
        return 0;
    *rows = grown;
    *capacity = bigger;
    return 1;
}

/* ---- entries of folders ---- */

/* Index of a name, or of the first one after it. */
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

int names_set(dir_names *names, const char *name, uint32_t number)
{
    int is_there;
    size_t i = names_index(names, td_bytes_str(name), &is_there);
    size_t behind = names->count - i;
    if (is_there && number != NO_INODE) {
        names->rows[i].inode = number;
    } else if (is_there) {
        td_free(names->rows[i].name);
        memmove(names->rows + i, names->rows + i + 1, (behind - 1) * sizeof *names->rows);
        names->count--;
    } else if (number != NO_INODE) {
        void *rows = names->rows;
        char *copy = td_strdup(name);
        if (copy == NULL ||
            !disk_make_space(&rows, &names->capacity, names->count, sizeof *names->rows)) {
            td_free(copy);
            return 0;
        }
        names->rows = rows;
        memmove(names->rows + i + 1, names->rows + i, behind * sizeof *names->rows);
        names->rows[i] = (dir_name){.name = copy, .inode = number};
        names->count++;
    }
    return 1;
}

static void names_fini(dir_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        td_free(names->rows[i].name);
    td_free(names->rows);
    *names = (dir_names){0};
}

static int names_copy(dir_names *to, const dir_names *from)
{
    for (size_t i = 0; i < from->count; i++) {
        if (!names_set(to, from->rows[i].name, from->rows[i].inode))
            return 0;
    }
    return 1;
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
    if (disk == NULL)
        return NULL;
    pthread_mutex_init(&disk->mutex, NULL);
    pthread_cond_init(&disk->sync_changed, NULL);
    disk->free_bytes = UINT64_C(1) << FREE_BYTES_AT_FIRST_LOG2;
    disk->inodes = td_alloc_zero(1, sizeof(inode *));
    if (disk->inodes == NULL) {
        io_fault_close(disk);
        return NULL;
    }
    disk->inode_capacity = 1;
    disk->inode_count = 1; /* NO_INODE */
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
    void *rows = disk->inodes;
    int has_space =
        disk_make_space(&rows, &disk->inode_capacity, disk->inode_count, sizeof(inode *));
    disk->inodes = rows;
    inode *node = has_space ? td_alloc_zero(1, sizeof *node) : NULL;
    if (node == NULL)
        return NO_INODE;
    node->kind = kind;
    node->magic = INODE_MAGIC;
    td_buf_init(&node->cache, (size_t)1 << FILE_BYTES_MAX_LOG2);
    td_buf_init(&node->durable, (size_t)1 << FILE_BYTES_MAX_LOG2);
    disk->inodes[disk->inode_count] = node;
    return disk->inode_count++;
}

io_fault *io_fault_open(void)
{
    io_fault *disk = disk_new();
    if (disk != NULL && disk_add_inode(disk, TD_ENTRY_DIR) != ROOT_INODE) {
        io_fault_close(disk);
        return NULL;
    }
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

/* The next part of a path, passing over "/" and "."; length 0 at the end. */
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

static int content_resize(td_buf *content, uint64_t size)
{
    if (size > content->size) {
        size_t more = (size_t)size - content->size;
        if (td_buf_reserve(content, more, NULL) != TD_OK)
            return 0;
        memset(content->data + content->size, 0, more);
    }
    content->size = (size_t)size;
    return 1;
}

int content_apply(td_buf *content, const file_change *change)
{
    if (change->bytes == NULL)
        return content_resize(content, change->size);
    uint64_t end = change->at + change->size;
    if (end > content->size && !content_resize(content, end))
        return 0;
    TD_ASSERT(end <= content->size);
    memcpy(content->data + change->at, change->bytes, (size_t)change->size);
    return 1;
}

/* Change the cache and remember the change until a sync. */
static int apply_to_file(inode *node, file_change change)
{
    void *rows = node->changes;
    int has_space =
        disk_make_space(&rows, &node->change_capacity, node->change_count, sizeof *node->changes);
    node->changes = rows;
    if (!has_space || !content_apply(&node->cache, &change))
        return 0;
    node->changes[node->change_count++] = change;
    return 1;
}

static int apply_write(inode *node, uint64_t at, td_bytes bytes)
{
    TD_ASSERT(node->kind == TD_ENTRY_FILE);
    TD_ASSERT(bytes.size > 0);
    TD_ASSERT(at <= node->cache.size);
    file_change change = {.at = at, .size = bytes.size};
    change.bytes = td_alloc(bytes.size);
    if (change.bytes == NULL)
        return 0;
    memcpy(change.bytes, bytes.data, bytes.size);
    if (apply_to_file(node, change))
        return 1;
    td_free(change.bytes);
    return 0;
}

/* Whether a dropped change reached the platter is open for good, but what was synced later came
 * later: such changes stay in line after it. All space is made first, so that a sync without
 * memory changes nothing. */
static int apply_sync(inode *node)
{
    uint64_t largest = node->cache.size;
    for (size_t i = 0; i < node->change_count; i++) {
        uint64_t end = node->changes[i].at + node->changes[i].size;
        largest = end > largest ? end : largest;
    }
    if (largest > node->durable.size &&
        td_buf_reserve(&node->durable, (size_t)largest - node->durable.size, NULL) != TD_OK)
        return 0;
    size_t kept = 0;
    for (size_t i = 0; i < node->change_count; i++) {
        file_change change = node->changes[i];
        change.is_durable = !change.is_dropped;
        if (change.is_dropped || kept > 0) {
            node->changes[kept++] = change;
            continue;
        }
        int done = content_apply(&node->durable, &change);
        TD_ASSERT(done);
        td_free(change.bytes);
    }
    node->change_count = kept;
    return 1;
}

static void apply_failed_sync(inode *node)
{
    for (size_t i = 0; i < node->change_count; i++)
        node->changes[i].is_dropped = !node->changes[i].is_durable;
}

/* ---- changes of folders ---- */

static int set_fill(name_set *set, uint32_t dir, const char *name, uint32_t number)
{
    *set = (name_set){.dir = dir, .inode = number, .name = td_strdup(name)};
    return set->name != NULL;
}

/* The sets of a change: a rename first gives the new name, then takes the old one. */
static int name_change_fill(name_change *out, const disk_change *change)
{
    TD_ASSERT(change->dir != NO_INODE);
    TD_ASSERT(change->name != NULL);
    *out = (name_change){.set_count = 1};
    if (change->what == IO_FAULT_CHANGE_CREATE)
        return set_fill(&out->sets[0], change->dir, change->name, change->inode);
    if (change->what == IO_FAULT_CHANGE_UNLINK)
        return set_fill(&out->sets[0], change->dir, change->name, NO_INODE);
    TD_ASSERT(change->what == IO_FAULT_CHANGE_RENAME);
    out->set_count = 2;
    return set_fill(&out->sets[0], change->to_dir, change->to_name, change->inode) &&
           set_fill(&out->sets[1], change->dir, change->name, NO_INODE);
}

static int apply_to_names(io_fault *disk, const disk_change *change)
{
    name_change filled = {0};
    void *rows = disk->name_changes;
    int ok = disk_make_space(&rows, &disk->name_change_capacity, disk->name_change_count,
                             sizeof *disk->name_changes);
    disk->name_changes = rows;
    ok = ok && name_change_fill(&filled, change);
    /* Only the first set can need memory: the second, of a rename, removes. */
    for (unsigned i = 0; ok && i < filled.set_count; i++) {
        const name_set *set = &filled.sets[i];
        ok = names_set(&disk_inode(disk, set->dir)->names, set->name, set->inode);
    }
    if (ok)
        disk->name_changes[disk->name_change_count++] = filled;
    else
        free_name_change(&filled);
    return ok;
}

/* The sets of this folder become durable and leave their changes. */
static int apply_sync_dir(io_fault *disk, uint32_t dir)
{
    TD_ASSERT(disk_inode(disk, dir)->kind == TD_ENTRY_DIR);
    dir_names *durable = &disk_inode(disk, dir)->durable_names;
    size_t kept = 0;
    int ok = 1;
    for (size_t i = 0; i < disk->name_change_count; i++) {
        name_change change = disk->name_changes[i];
        unsigned left = 0;
        for (unsigned s = 0; s < change.set_count; s++) {
            name_set set = change.sets[s];
            ok = ok && (set.dir != dir || names_set(durable, set.name, set.inode));
            if (ok && set.dir == dir)
                td_free(set.name);
            else
                change.sets[left++] = set;
        }
        change.set_count = left;
        if (left > 0)
            disk->name_changes[kept++] = change;
    }
    disk->name_change_count = kept;
    return ok;
}

static int apply_create(io_fault *disk, const disk_change *change)
{
    uint32_t number = disk_add_inode(disk, change->kind);
    if (number == NO_INODE)
        return 0;
    TD_ASSERT(number == change->inode);
    if (apply_to_names(disk, change))
        return 1;
    inode_free(disk->inodes[number]);
    disk->inode_count--;
    return 0;
}

int disk_apply(io_fault *disk, const disk_change *change)
{
    inode *node;
    switch (change->what) {
    case IO_FAULT_CHANGE_CREATE:
        return apply_create(disk, change);
    case IO_FAULT_CHANGE_RENAME:
    case IO_FAULT_CHANGE_UNLINK:
        return apply_to_names(disk, change);
    case IO_FAULT_CHANGE_APPEND:
        node = disk_inode(disk, change->inode);
        return apply_write(node, node->cache.size, change->bytes);
    case IO_FAULT_CHANGE_OVERWRITE:
        return apply_write(disk_inode(disk, change->inode), change->at, change->bytes);
    case IO_FAULT_CHANGE_TRUNCATE:
        return apply_to_file(disk_inode(disk, change->inode), (file_change){.size = change->size});
    case IO_FAULT_CHANGE_SYNC:
        return apply_sync(disk_inode(disk, change->inode));
    case IO_FAULT_CHANGE_SYNC_FAILED:
        apply_failed_sync(disk_inode(disk, change->inode));
        return 1;
    case IO_FAULT_CHANGE_SYNC_DIR:
        return apply_sync_dir(disk, change->inode);
    }
    TD_ASSERT(0);
    return 0;
}

/* ---- copies ---- */

static int inode_copy(inode *to, const inode *from)
{
    if (td_buf_append(&to->cache, from->cache.data, from->cache.size, NULL) != TD_OK ||
        td_buf_append(&to->durable, from->durable.data, from->durable.size, NULL) != TD_OK ||
        !names_copy(&to->names, &from->names) ||
        !names_copy(&to->durable_names, &from->durable_names))
        return 0;
    to->changes = td_alloc_zero(from->change_count, sizeof *to->changes);
    if (to->changes == NULL)
        return 0;
    to->change_capacity = from->change_count;
    for (; to->change_count < from->change_count; to->change_count++) {
        file_change change = from->changes[to->change_count];
        if (change.bytes != NULL) {
            uint8_t *bytes = td_alloc((size_t)change.size);
            if (bytes == NULL)
                return 0;
            memcpy(bytes, change.bytes, (size_t)change.size);
            change.bytes = bytes;
        }
        to->changes[to->change_count] = change;
    }
    return 1;
}

static int copy_name_changes(io_fault *to, const io_fault *from)
{
    for (size_t i = 0; i < from->name_change_count; i++) {
        void *rows = to->name_changes;
        int ok = disk_make_space(&rows, &to->name_change_capacity, i, sizeof *to->name_changes);
        to->name_changes = rows;
        if (!ok)
            return 0;
        const name_change *change = &from->name_changes[i];
        name_change *copy = &to->name_changes[to->name_change_count++];
        *copy = (name_change){0};
        while (copy->set_count < change->set_count) {
            const name_set *set = &change->sets[copy->set_count];
            if (!set_fill(&copy->sets[copy->set_count++], set->dir, set->name, set->inode))
                return 0;
        }
    }
    return 1;
}

io_fault *disk_clone(const io_fault *disk)
{
    io_fault *copy = disk_new();
    if (copy == NULL)
        return NULL;
    copy->free_bytes = disk->free_bytes;
    int ok = copy_name_changes(copy, disk);
    for (uint32_t i = 1; ok && i < disk->inode_count; i++) {
        const inode *from = disk_inode(disk, i);
        ok = disk_add_inode(copy, from->kind) == i && inode_copy(copy->inodes[i], from);
    }
    if (ok)
        return copy;
    io_fault_close(copy);
    return NULL;
}
