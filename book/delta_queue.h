/* The latest deltas of a book whose snapshot comes apart from them: a snapshot that arrives later
 * than the deltas after it is followed by those that it does not have yet. One thread. */
#ifndef TD_BOOK_DELTA_QUEUE_H
#define TD_BOOK_DELTA_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "book/book.h"
#include "book/state_io.h"
#include "schema/message.h"

enum {
    DELTA_QUEUE_MAX = 256,              /* deltas: at one every 200 ms, 51 s */
    DELTA_QUEUE_LEVELS_MAX = 64 * 1024, /* levels in all of them */
};

typedef struct waiting_delta {
    int64_t u;       /* its number */
    int64_t after_u; /* the number of the delta before it, or one just as good: the book has no
                        change between the two */
    uint32_t level_count;
} waiting_delta;

/* The oldest delta is the first. Zero-initialise. */
typedef struct delta_queue {
    waiting_delta *deltas;
    size_t count, capacity;
    msg_level *levels; /* of all deltas, in their order */
    size_t level_count, level_capacity;
} delta_queue;

/* From this version of states on, deltas have after_u. */
enum { DELTA_QUEUE_LINKS_VERSION = 4 };

/* The number that a linked delta follows: the one that it names, or the one below its own. */
int64_t delta_number_before(const msg_head *delta);

/* Append a delta's numbers and levels. At a limit the oldest ones are forgotten. */
void delta_queue_push(delta_queue *self, const msg_book *delta, int64_t after_u);

/* Forget all deltas; only fini frees the memory. */
void delta_queue_clear(delta_queue *self);
void delta_queue_fini(delta_queue *self);

/* Apply the deltas with a number above u. Entries that do not fit are ignored: the next frames show
 * whether the book is right. */
void delta_queue_apply(const delta_queue *self, int64_t u, book *to);

/* Memory, in bytes. */
size_t delta_queue_bytes(const delta_queue *self);

/* Save, or load into an empty queue: the state of a track, by its version. */
void delta_queue_serialize(delta_queue *self, state_io *io);

#endif
