#include "base/io_fault_impl.h"

#include "base/assert.h"

/* The side of a simulated disk that tests turn: plans, space, sync, damage. */

void io_fault_set_plan(io_fault *disk, io_fault_plan plan)
{
    pthread_mutex_lock(&disk->mutex);
    disk->plan = plan;
    disk->planned_calls = 0;
    disk->did_fire = 0;
    pthread_mutex_unlock(&disk->mutex);
}

void io_fault_watch(io_fault *disk, io_fault_watch_fn *watch, void *user)
{
    pthread_mutex_lock(&disk->mutex);
    disk->watch = watch;
    disk->watch_user = user;
    pthread_mutex_unlock(&disk->mutex);
}

int io_fault_did_fire(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    int did_fire = disk->did_fire;
    pthread_mutex_unlock(&disk->mutex);
    return did_fire;
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
