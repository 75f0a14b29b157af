#include "pipeline/chunk_queue.h"

#include <pthread.h>
#include <time.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

struct chunk_queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* waits by the monotonic clock */
    queued_chunk *items;    /* all of them */
    size_t count;
    queued_chunk *free_first;
    queued_chunk *filled_first, *filled_last;
    uint8_t is_ended;
    uint8_t has_failed;
};

chunk_queue *chunk_queue_open(size_t count)
{
    TD_ASSERT(count > 0);
    chunk_queue *queue = td_alloc_zero(1, sizeof *queue);
    queue->items = td_alloc_zero(count, sizeof *queue->items);
    queue->count = count;
    pthread_condattr_t by_monotonic;
    pthread_condattr_init(&by_monotonic);
    pthread_condattr_setclock(&by_monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->changed, &by_monotonic);
    pthread_condattr_destroy(&by_monotonic);
    for (size_t i = 0; i < count; i++) {
        queued_chunk *item = &queue->items[i];
        item->chunk = sealed_chunk_open();
        item->next = queue->free_first;
        queue->free_first = item;
    }
    return queue;
}

void chunk_queue_close(chunk_queue *queue)
{
    if (queue == NULL)
        return;
    for (size_t i = 0; i < queue->count; i++)
        sealed_chunk_close(queue->items[i].chunk);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->mutex);
    td_free(queue->items);
    td_free(queue);
}

queued_chunk *chunk_queue_take(chunk_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    while (queue->free_first == NULL && !queue->has_failed)
        pthread_cond_wait(&queue->changed, &queue->mutex);
    queued_chunk *item = queue->has_failed ? NULL : queue->free_first;
    if (item != NULL)
        queue->free_first = item->next;
    pthread_mutex_unlock(&queue->mutex);
    return item;
}

void chunk_queue_push(chunk_queue *queue, queued_chunk *item)
{
    pthread_mutex_lock(&queue->mutex);
    TD_ASSERT(!queue->is_ended);
    if (item == NULL) {
        queue->is_ended = 1;
    } else {
        item->next = NULL;
        if (queue->filled_last == NULL)
            queue->filled_first = item;
        else
            queue->filled_last->next = item;
        queue->filled_last = item;
    }
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

static struct timespec moment_of(uint64_t mono_ns)
{
    return (struct timespec){.tv_sec = (time_t)(mono_ns / TD_NS_PER_S),
                             .tv_nsec = (long)(mono_ns % TD_NS_PER_S)};
}

chunk_queue_state chunk_queue_pop(chunk_queue *queue, uint64_t wait_ns, queued_chunk **out)
{
    struct timespec until = moment_of(clock_mono_ns(clock_real()) + wait_ns);
    int failure = 0;
    pthread_mutex_lock(&queue->mutex);
    while (queue->filled_first == NULL && !queue->is_ended && failure == 0)
        failure = pthread_cond_timedwait(&queue->changed, &queue->mutex, &until);
    queued_chunk *item = queue->filled_first;
    if (item != NULL) {
        TD_ASSERT(queue->filled_last != NULL);
        queue->filled_first = item->next;
        if (queue->filled_first == NULL)
            queue->filled_last = NULL;
    }
    chunk_queue_state state = item != NULL      ? CHUNK_QUEUE_FILLED
                              : queue->is_ended ? CHUNK_QUEUE_ENDED
                                                : CHUNK_QUEUE_IDLE;
    pthread_mutex_unlock(&queue->mutex);
    *out = item;
    return state;
}

void chunk_queue_give(chunk_queue *queue, queued_chunk *item)
{
    /* Only what was taken here may come back. */
    TD_ASSERT(item >= queue->items);
    TD_ASSERT(item < queue->items + queue->count);
    pthread_mutex_lock(&queue->mutex);
    item->next = queue->free_first;
    queue->free_first = item;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

void chunk_queue_fail(chunk_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->has_failed = 1;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

int chunk_queue_has_failed(chunk_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    int has_failed = queue->has_failed;
    pthread_mutex_unlock(&queue->mutex);
    return has_failed;
}
