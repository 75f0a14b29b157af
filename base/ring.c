#include "base/ring.h"

#include <limits.h>
#include <stdatomic.h>
#include <time.h>

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

/* Synchronization of the two threads.
 *
 * head and tail count bytes since the ring was opened and never wrap (64 bits); a position in
 * memory is the count modulo the capacity. Only the producer writes head, only the consumer writes
 * tail. head and the producer's last copy of tail are on one cache line; tail and the consumer's
 * last copy of head are on another one. So a line moves between cores only when the copy shows a
 * full or empty ring.
 *
 *   producer: fills the record, then stores head with release; the consumer's load of head is
 *             acquire: a consumer that sees the new head sees the record.
 *   consumer: reads the record, then stores tail with release; the producer's load of tail is
 *             acquire: a producer that sees the space sees that reading it has ended.
 *
 * Sleeping. The consumer stores in wake_at the head that it waits for, loads head once more, then
 * sleeps. The producer stores head, then loads wake_at. Each may miss the other's store; then the
 * consumer sleeps until the next record or its timeout. Preventing that would need a full fence
 * after each record, and the fence waits for the frame's copy to uncached memory: 60 ns a frame.
 * The producer makes a system call only when head reaches wake_at. The call costs more than a
 * frame, so a consumer that keeps up should wait for several frames. */

enum { CACHE_LINE_BYTES = 64, RECORD_ALIGN_BYTES = 8 };

static const uint64_t NO_WAITER = UINT64_MAX;

typedef struct record_header {
    uint64_t size; /* of the record, without header and padding */
} record_header;

_Static_assert(sizeof(record_header) == RECORD_ALIGN_BYTES, "records after it stay aligned");

/* Padding keeps the threads' members on separate cache lines.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct td_ring {
    uint8_t *data; /* capacity bytes, mapped twice in a row */
    size_t capacity;
    size_t mask;
    size_t control_bytes; /* mapping of this struct, before data */

    /* The producer's cache line. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t head;
    uint64_t seen_tail;
    size_t reserved; /* size of the open reservation, with its header; 0: no reservation */

    /* The consumer's cache line. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t tail;
    uint64_t seen_head;
    uint64_t peeked; /* end of the peeked record: tail <= peeked <= head */

    /* Read by both threads, but written only around a sleep. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t wake_at; /* NO_WAITER, or a value of head */
    _Atomic uint32_t is_waiting;                         /* futex word */
    _Atomic uint32_t is_woken;
};

static size_t record_bytes(uint64_t size)
{
    return sizeof(record_header) +
           (((size_t)size + RECORD_ALIGN_BYTES - 1) & ~(size_t)(RECORD_ALIGN_BYTES - 1));
}

/* Map the same memory at data and after it. mremap with an old size of 0 maps a shared mapping a
 * second time (mremap(2)), but valgrind does not know this. A memfd works there, but is a file,
 * whose size `ulimit -f` limits. */
static int map_shared(uint8_t *data, size_t capacity)
{
    int access = PROT_READ | PROT_WRITE;
    int shared = MAP_SHARED | MAP_FIXED;
    if (mmap(data, capacity, access, shared | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        return 0;
    if (mremap(data, 0, capacity, MREMAP_MAYMOVE | MREMAP_FIXED, data + capacity) != MAP_FAILED)
        return 1;
    int fd = memfd_create("tapedeck-ring", MFD_CLOEXEC);
    int is_mapped = fd >= 0 && ftruncate(fd, (off_t)capacity) == 0 &&
                    mmap(data, capacity, access, shared, fd, 0) != MAP_FAILED &&
                    mmap(data + capacity, capacity, access, shared, fd, 0) != MAP_FAILED;
    if (fd >= 0)
        close(fd); /* the mappings keep the memory */
    return is_mapped;
}

/* Map one address range: the control page, then the same memory twice. */
static uint8_t *map_twice(size_t control, size_t capacity)
{
    uint8_t *base = mmap(NULL, control + 2 * capacity, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    if (mprotect(base, control, PROT_READ | PROT_WRITE) == 0 &&
        map_shared(base + control, capacity))
        return base;
    munmap(base, control + 2 * capacity);
    return NULL;
}

td_result td_ring_open(size_t capacity_bytes, td_ring **out, td_err *err)
{
    *out = NULL;
    if (capacity_bytes > SIZE_MAX / 8)
        return td_err_set(err, TD_E_INVALID, "a ring of %zu bytes", capacity_bytes);
    size_t capacity = (size_t)sysconf(_SC_PAGESIZE);
    size_t control = capacity;
    TD_ASSERT(control >= sizeof(td_ring));
    while (capacity < capacity_bytes)
        capacity *= 2;
    uint8_t *base = map_twice(control, capacity);
    if (base == NULL)
        return td_err_set(err, TD_E_LIMIT, "no memory for a ring of %zu bytes", capacity);
    td_ring *ring = (td_ring *)(void *)base;
    ring->data = base + control;
    ring->capacity = capacity;
    ring->mask = capacity - 1;
    TD_ASSERT((capacity & ring->mask) == 0);
    ring->control_bytes = control;
    ring->wake_at = NO_WAITER;
    *out = ring;
    return TD_OK;
}

void td_ring_close(td_ring *ring)
{
    if (ring != NULL)
        munmap(ring, ring->control_bytes + 2 * ring->capacity);
}

void *td_ring_reserve(td_ring *ring, size_t size)
{
    TD_ASSERT(size <= ring->capacity - sizeof(record_header));
    TD_ASSERT(ring->data != NULL);
    size_t need = record_bytes(size);
    /* relaxed: only this thread writes head. */
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (TD_UNLIKELY(ring->capacity - (head - ring->seen_tail) < need)) {
        /* acquire: the consumer has released the records before this tail. */
        ring->seen_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (ring->capacity - (head - ring->seen_tail) < need)
            return NULL;
    }
    TD_ASSERT_SLOW(head >= ring->seen_tail);
    TD_ASSERT_SLOW(head - ring->seen_tail <= ring->capacity);
    ring->reserved = need;
    return ring->data + (head & ring->mask) + sizeof(record_header);
}

static void wake_sleeper(td_ring *ring)
{
    /* Only the thread that clears is_waiting makes the system call; the producer calls this for
     * every record until the sleeper runs. */
    if (atomic_load_explicit(&ring->is_waiting, memory_order_seq_cst) == 0)
        return;
    if (atomic_exchange_explicit(&ring->is_waiting, 0, memory_order_seq_cst) == 1)
        (void)syscall(SYS_futex, &ring->is_waiting, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void td_ring_commit(td_ring *ring, size_t size)
{
    size_t used = record_bytes(size);
    TD_ASSERT(ring->reserved > 0); /* exactly one commit per reservation */
    TD_ASSERT(used <= ring->reserved);
    ring->reserved = 0;
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    record_header *header = (record_header *)(void *)(ring->data + (head & ring->mask));
    header->size = size;
    atomic_store_explicit(&ring->head, head + used, memory_order_release);
    uint64_t wake_at = atomic_load_explicit(&ring->wake_at, memory_order_relaxed);
    if (TD_UNLIKELY(head + used >= wake_at))
        wake_sleeper(ring);
}

td_bytes td_ring_peek(td_ring *ring)
{
    /* relaxed: only this thread writes tail. */
    ring->peeked = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (ring->peeked == ring->seen_head) {
        /* acquire: every record before this head is complete. */
        ring->seen_head = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (ring->peeked == ring->seen_head)
            return (td_bytes){0};
    }
    const uint8_t *at = ring->data + (ring->peeked & ring->mask);
    uint64_t size = ((const record_header *)(const void *)at)->size;
    TD_ASSERT(size <= ring->capacity - sizeof(record_header));
    ring->peeked += record_bytes(size);
    TD_ASSERT(ring->peeked <= ring->seen_head);
    return td_bytes_of(at + sizeof(record_header), (size_t)size);
}

void td_ring_release(td_ring *ring)
{
    TD_ASSERT_SLOW(ring->peeked >= atomic_load_explicit(&ring->tail, memory_order_relaxed));
    /* release: reading has ended before the producer sees the space. */
    atomic_store_explicit(&ring->tail, ring->peeked, memory_order_release);
}

size_t td_ring_used_bytes(const td_ring *ring)
{
    /* Load tail first: it never passes head, so the difference is not negative. If the producer
     * advances between the loads, the difference may exceed the capacity, so bound it. */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t used = head - tail;
    return used > ring->capacity ? ring->capacity : (size_t)used;
}

size_t td_ring_capacity_bytes(const td_ring *ring)
{
    return ring->capacity;
}

void td_ring_wait_bytes(td_ring *ring, size_t bytes, uint64_t timeout_ns)
{
    TD_ASSERT(bytes > 0);
    TD_ASSERT(bytes <= ring->capacity);
    uint64_t wake_at = ring->peeked + bytes;
    /* seq_cst, as in td_ring_wake: the stores come before the loads of head and is_woken. */
    atomic_store_explicit(&ring->is_waiting, 1, memory_order_seq_cst);
    atomic_store_explicit(&ring->wake_at, wake_at, memory_order_seq_cst);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_seq_cst);
    if (head < wake_at && atomic_load_explicit(&ring->is_woken, memory_order_seq_cst) == 0) {
        struct timespec timeout = {
            .tv_sec = (time_t)(timeout_ns / TD_NS_PER_S),
            .tv_nsec = (long)(timeout_ns % TD_NS_PER_S),
        };
        /* Returns at once if the word is 0 already; may return early (EINTR). */
        (void)syscall(SYS_futex, &ring->is_waiting, FUTEX_WAIT_PRIVATE, 1, &timeout, NULL, 0);
    }
    /* relaxed: a producer that still sees the old values makes a useless wake-up. */
    atomic_store_explicit(&ring->wake_at, NO_WAITER, memory_order_relaxed);
    atomic_store_explicit(&ring->is_waiting, 0, memory_order_relaxed);
    /* A wake ends one wait. An exchange, so that the waker's earlier stores are visible now. */
    (void)atomic_exchange_explicit(&ring->is_woken, 0, memory_order_seq_cst);
}

void td_ring_wake(td_ring *ring)
{
    /* seq_cst, as the load of is_waiting in wake_sleeper: either the consumer sees this store, or
     * wake_sleeper sees the consumer. */
    atomic_store_explicit(&ring->is_woken, 1, memory_order_seq_cst);
    wake_sleeper(ring);
}
