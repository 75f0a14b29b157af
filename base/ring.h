/* A lock-free ring of byte records between one producer and one consumer thread.
 *
 * Records are contiguous in memory (the ring is mapped twice in a row, so no record wraps) and
 * keep their order. The producer reserves, fills and commits; the consumer peeks and releases.
 * Neither waits: the producer decides what to do when the ring is full (wait, stop reading, drop
 * and count). Memory is bounded by the capacity given at open. */
#ifndef TD_BASE_RING_H
#define TD_BASE_RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct td_ring td_ring;

/* A ring of capacity_bytes (rounded up to a power of two, at least a page). TD_E_LIMIT if there is
 * less memory. */
TD_MUST_USE td_result td_ring_open(size_t capacity_bytes, td_ring **out, td_err *err);
void td_ring_close(td_ring *ring);

/* Producer: space for one record of at most size bytes, 8-byte aligned, valid until commit; NULL
 * if the ring has no space now. At most one reservation at a time; without a commit it is
 * abandoned. */
void *td_ring_reserve(td_ring *ring, size_t size);

/* Producer: publish the reserved record with its final size (<= the reserved one). */
void td_ring_commit(td_ring *ring, size_t size);

/* Consumer: the oldest record, valid until release; an empty view (data NULL) if empty. */
td_bytes td_ring_peek(td_ring *ring);

/* Consumer: free the peeked records. */
void td_ring_release(td_ring *ring);

/* Bytes in use, and the capacity. Any thread; a snapshot. */
size_t td_ring_used_bytes(const td_ring *ring);
size_t td_ring_capacity_bytes(const td_ring *ring);

/* Block the consumer until there are at least bytes of records that were not peeked, headers and
 * padding of 8 to 15 bytes each included, the ring was woken, or timeout_ns has passed; may return
 * early, and late if that record came just as the consumer fell asleep: with the next one, or after
 * the timeout. 0 < bytes <= capacity. The producer wakes the consumer once for all of them, which
 * costs it a system call (a microsecond, more than a record itself). */
void td_ring_wait_bytes(td_ring *ring, size_t bytes, uint64_t timeout_ns);

/* Wake a waiting consumer without a record. Any thread. */
void td_ring_wake(td_ring *ring);

#endif
