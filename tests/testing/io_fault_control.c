#include "tests/testing/io_fault_impl.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

/* Functions with which a test controls a simulated disk: plans, space, sync, damage. */

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
