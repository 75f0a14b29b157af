#include "replay/play/work_queues.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tape/block.h"

enum {
    BATCH_FRAMES = 256,    /* some 100 us of work; submitting a batch costs a few us */
    BATCH_BLOCKS = 4,      /* chunks in memory; a quiet symbol has one frame in each */
    BATCHES = 2,           /* batches of a queue: one is filled while the other runs */
    QUEUES_PER_THREAD = 4, /* several, because symbols differ widely in traffic */
};

typedef struct work {
    stream *stream;
    const frame_ref *frame;
} work;

typedef struct batch {
    td_job job;
    uint8_t is_submitted;
    size_t count;
    size_t block_count;
    td_result rc;
    td_err err;
    work items[BATCH_FRAMES];
    tape_block *blocks[BATCH_BLOCKS];
} batch;

typedef struct work_queue {
    uint32_t filling; /* index of the batch that is being filled */
    batch *batches;   /* NULL if inline */
} work_queue;

struct work_queues {
    td_workers *workers; /* borrowed; NULL: inline */
    uint32_t count;
    td_result rc; /* first failure of any stream */
    td_err err;
    work_queue items[];
};

/* ---- open, close ---- */

work_queues *work_queues_open(td_workers *workers)
{
    uint32_t count = workers == NULL ? 1 : (td_workers_count(workers) + 1) * QUEUES_PER_THREAD;
    work_queues *made = td_alloc_zero(1, sizeof *made + count * sizeof made->items[0]);
    made->count = count;
    made->workers = workers;
    for (uint32_t i = 0; i < count && workers != NULL; i++)
        made->items[i].batches = td_alloc_zero(BATCHES, sizeof(batch));
    return made;
}

static void batch_release(batch *b)
{
    for (size_t i = 0; i < b->block_count; i++)
        tape_block_release(b->blocks[i]);
    b->block_count = 0;
    b->count = 0;
}

uint32_t work_queues_count(const work_queues *all)
{
    return all->count;
}

unsigned work_queues_busy_max(const work_queues *all)
{
    return all->workers == NULL ? 1 : td_workers_busy_max(all->workers);
}

/* ---- batches ---- */

static void batch_run(void *arg)
{
    batch *b = arg;
    TD_ASSERT(b->is_submitted);
    TD_ASSERT(b->count <= BATCH_FRAMES);
    for (size_t i = 0; i < b->count && b->rc == TD_OK; i++)
        b->rc = stream_apply(b->items[i].stream, b->items[i].frame, &b->err);
}

/* Wait for a submitted batch and empty it. */
static void batch_wait(work_queues *all, batch *b)
{
    if (!b->is_submitted)
        return;
    TD_ASSERT(all->workers != NULL);
    td_workers_help(all->workers, &b->job);
    b->is_submitted = 0;
    batch_release(b);
    if (b->rc != TD_OK && all->rc == TD_OK) {
        all->rc = b->rc;
        all->err = b->err;
    }
}

void work_queues_close(work_queues *all)
{
    if (all == NULL)
        return;
    for (uint32_t i = 0; i < all->count; i++) {
        work_queue *queue = &all->items[i];
        for (size_t k = 0; queue->batches != NULL && k < BATCHES; k++) {
            batch_wait(all, &queue->batches[k]);
            batch_release(&queue->batches[k]);
        }
        td_free(queue->batches);
    }
    td_free(all);
}

/* Submit the filled batch after the queue's other batch has ended, then fill the other one. */
static void work_queue_turn(work_queues *all, work_queue *queue)
{
    TD_ASSERT(queue->filling < BATCHES);
    batch *full = &queue->batches[queue->filling];
    TD_ASSERT(full->count > 0);
    uint32_t other = (queue->filling + 1) % BATCHES;
    batch_wait(all, &queue->batches[other]);
    TD_ASSERT(!full->is_submitted);
    full->job = (td_job){.run = batch_run, .arg = full};
    full->is_submitted = 1;
    td_workers_submit(all->workers, &full->job);
    queue->filling = other;
}

/* Keep the memory of a frame's bytes until the batch ends; once per block. */
static void batch_hold(batch *b, tape_block *block)
{
    if (block == NULL)
        return;
    for (size_t i = 0; i < b->block_count; i++) {
        if (b->blocks[i] == block)
            return;
    }
    TD_ASSERT(b->block_count < BATCH_BLOCKS);
    tape_block_acquire(block);
    b->blocks[b->block_count++] = block;
}

static td_result first_failure(const work_queues *all, td_err *err)
{
    if (all->rc != TD_OK && err != NULL)
        *err = all->err;
    return all->rc;
}

td_result work_queues_add(work_queues *all, stream *to, const frame_ref *frame, td_err *err)
{
    TD_ASSERT(to->queue < all->count);
    work_queue *queue = &all->items[to->queue];
    if (all->workers == NULL)
        return stream_apply(to, frame, err);
    batch *b = &queue->batches[queue->filling];
    TD_ASSERT(!b->is_submitted);
    TD_ASSERT(b->count < BATCH_FRAMES);
    b->items[b->count++] = (work){to, frame};
    batch_hold(b, frame->block);
    if (b->count == BATCH_FRAMES || b->block_count == BATCH_BLOCKS)
        work_queue_turn(all, queue);
    return first_failure(all, err);
}

td_result work_queues_drain(work_queues *all, td_err *err)
{
    for (uint32_t i = 0; i < all->count && all->workers != NULL; i++) {
        if (all->items[i].batches[all->items[i].filling].count > 0)
            work_queue_turn(all, &all->items[i]);
    }
    for (uint32_t i = 0; i < all->count && all->workers != NULL; i++) {
        for (size_t k = 0; k < BATCHES; k++)
            batch_wait(all, &all->items[i].batches[k]);
    }
    return first_failure(all, err);
}
