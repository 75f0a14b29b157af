/* Passes sealed chunks from the encoder to the disk thread, and empty ones back. The number of
 * chunks is fixed at open, so memory is bounded: a slow disk stops the encoder, and the ring fills,
 * where overload is detected. One producer, one consumer. */
#ifndef TD_PIPELINE_CHUNK_QUEUE_H
#define TD_PIPELINE_CHUNK_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/chunk_builder.h"

/* A chunk of a feed. */
typedef struct queued_chunk {
    sealed_chunk *chunk;
    size_t feed_index;
    struct queued_chunk *next; /* the queue's own */
} queued_chunk;

typedef struct chunk_queue chunk_queue;

/* A queue with count chunks, all empty. */
chunk_queue *chunk_queue_open(size_t count);
void chunk_queue_close(chunk_queue *queue);

/* Producer: an empty chunk; waits until the disk gives one back. NULL once the queue has failed. */
queued_chunk *chunk_queue_take(chunk_queue *queue);

/* Producer: queue a filled chunk, or end the queue with NULL. */
void chunk_queue_push(chunk_queue *queue, queued_chunk *item);

/* Result of chunk_queue_pop. */
typedef enum chunk_queue_state {
    CHUNK_QUEUE_FILLED, /* a chunk */
    CHUNK_QUEUE_IDLE,   /* no chunk within wait_ns */
    CHUNK_QUEUE_ENDED,  /* no chunk, and the producer ended the queue */
} chunk_queue_state;

/* Consumer: the oldest filled chunk; waits for one, for about wait_ns. *out is NULL without one. */
chunk_queue_state chunk_queue_pop(chunk_queue *queue, uint64_t wait_ns, queued_chunk **out);

/* Consumer: return a chunk. */
void chunk_queue_give(chunk_queue *queue, queued_chunk *item);

/* Either side: writing or encoding has failed for good. Wakes the producer; filled chunks are
 * dropped. */
void chunk_queue_fail(chunk_queue *queue);

/* Any thread. */
int chunk_queue_has_failed(chunk_queue *queue);

#endif
