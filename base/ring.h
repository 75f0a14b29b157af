/* A lock-free ring of byte records between one producer and one consumer thread.
 *
 * Records are contiguous in memory (the ring is mapped twice in a row, so no record wraps) and keep
 * their order. The producer reserves, fills and commits; the consumer peeks and releases. These
 * calls never wait: the producer decides what to do when the ring is full (wait, stop reading, drop
 * and count). */
#ifndef TD_BASE_RING_H
#define TD_BASE_RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct td_ring td_ring;

/* Open a ring of capacity_bytes (rounded up to a power of two, at least a page). TD_E_LIMIT without
 * enough memory. */
TD_MUST_USE td_result td_ring_open(size_t capacity_bytes, td_ring **out, td_err *err);
void td_ring_close(td_ring *ring);

/* Producer: reserve one record of at most size bytes, 8-byte aligned, valid until commit; NULL if
 * the ring has no space now. There is one reservation at a time: a new reservation discards an
 * uncommitted one. */
void *td_ring_reserve(td_ring *ring, size_t size);

/* Producer: publish the reserved record with its final size (<= the reserved one). */
void td_ring_commit(td_ring *ring, size_t size);

/* Consumer: the oldest record, valid until release; an empty view (data NULL) if the ring is empty.
 */
td_bytes td_ring_peek(td_ring *ring);

/* Consumer: release the peeked record. */
void td_ring_release(td_ring *ring);

/* Bytes in use at the time of the call; the capacity. Any thread. */
size_t td_ring_used_bytes(const td_ring *ring);
size_t td_ring_capacity_bytes(const td_ring *ring);

/* Consumer: wait until the ring has at least `bytes` bytes of records after the peeked one, or
 * td_ring_wake was called, or timeout_ns passed. Each record counts with the 8 to 15 bytes of its
 * header and padding. May return early. May miss a record that is committed just as the consumer
 * falls asleep; then it returns with the next record or after the timeout. 0 < bytes <= capacity.
 * To wake the consumer, the producer makes one system call (a microsecond, more than a record
 * costs). */
void td_ring_wait_bytes(td_ring *ring, size_t bytes, uint64_t timeout_ns);

/* Wake the waiting consumer without a record. Any thread. */
void td_ring_wake(td_ring *ring);

#endif
