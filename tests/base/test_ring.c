/* The ring: order, content and limits, in one thread and between two (also run under TSan).
 * Expected values follow from base/ring.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/ring.h"

#define WAIT_NS UINT64_C(60000000000)
/* For records that may arrive just as the consumer falls asleep. */
#define NAP_NS UINT64_C(100000000)

static td_ring *open_ring(size_t capacity)
{
    td_ring *ring = NULL;
    assert_int_equal(td_ring_open(capacity, &ring, NULL), TD_OK);
    assert_non_null(ring);
    return ring;
}

static void put(td_ring *ring, const char *text)
{
    void *space = td_ring_reserve(ring, strlen(text));
    assert_non_null(space);
    memcpy(space, text, strlen(text));
    td_ring_commit(ring, strlen(text));
}

static void test_capacity(void **state)
{
    (void)state;
    static const struct {
        size_t asked, got;
    } ROWS[] = {{0, 4096}, {1, 4096}, {4096, 4096}, {4097, 8192}, {1 << 20, 1 << 20}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_ring *ring = open_ring(ROWS[i].asked);
        assert_int_equal(td_ring_capacity_bytes(ring), ROWS[i].got);
        assert_int_equal(td_ring_used_bytes(ring), 0);
        td_ring_close(ring);
    }
    td_ring *none = NULL;
    td_err err;
    assert_int_equal(td_ring_open((size_t)1 << 60, &none, &err), TD_E_LIMIT);
    assert_null(none);
    assert_int_equal(td_ring_open(SIZE_MAX, &none, &err), TD_E_INVALID);
    td_ring_close(NULL);
}

static void test_order_and_views(void **state)
{
    (void)state;
    td_ring *ring = open_ring(4096);
    assert_null(td_ring_peek(ring).data);
    put(ring, "one");
    put(ring, "");
    put(ring, "three");
    assert_true(td_bytes_is(td_ring_peek(ring), "one"));
    assert_true(td_bytes_is(td_ring_peek(ring), "one")); /* a repeated peek gives the same record */
    td_ring_release(ring);
    td_bytes empty = td_ring_peek(ring);
    assert_non_null(empty.data); /* an empty record is not "no record" */
    assert_int_equal(empty.size, 0);
    td_ring_release(ring);
    assert_true(td_bytes_is(td_ring_peek(ring), "three"));
    td_ring_release(ring);
    assert_null(td_ring_peek(ring).data);
    td_ring_release(ring); /* nothing was peeked, so nothing is released */
    assert_int_equal(td_ring_used_bytes(ring), 0);
    td_ring_close(ring);
}

static void test_reservation(void **state)
{
    (void)state;
    td_ring *ring = open_ring(4096);
    char *space = td_ring_reserve(ring, 1000);
    assert_int_equal((uintptr_t)space % 8, 0);
    /* An abandoned reservation: the next one gets the same space. */
    assert_ptr_equal(td_ring_reserve(ring, 10), space);
    memcpy(space, "abcdefghij", 10);
    td_ring_commit(ring, 4); /* less than was reserved */
    assert_true(td_bytes_is(td_ring_peek(ring), "abcd"));
    td_ring_close(ring);
}

static void test_full(void **state)
{
    (void)state;
    td_ring *ring = open_ring(4096);
    /* 8 bytes of header: the largest record fills the ring. */
    void *space = td_ring_reserve(ring, 4096 - 8);
    assert_non_null(space);
    memset(space, 'x', 4096 - 8);
    td_ring_commit(ring, 4096 - 8);
    assert_int_equal(td_ring_used_bytes(ring), 4096);
    assert_null(td_ring_reserve(ring, 0));
    assert_int_equal(td_ring_peek(ring).size, 4096 - 8);
    assert_null(td_ring_reserve(ring, 0)); /* a peeked record still takes space */
    td_ring_release(ring);
    assert_non_null(td_ring_reserve(ring, 4096 - 8));
    td_ring_close(ring);
}

/* Records of every size wrap around many times, and are contiguous across the end of the memory. */
static void test_records_contiguous(void **state)
{
    (void)state;
    td_ring *ring = open_ring(4096);
    td_random sizes;
    td_random_init(&sizes, 7);
    for (unsigned i = 0; i < 5000; i++) {
        size_t size = (size_t)td_random_below(&sizes, 4089);
        uint8_t *space = td_ring_reserve(ring, size);
        assert_non_null(space);
        memset(space, (int)(i & 0xff), size);
        td_ring_commit(ring, size);
        td_bytes got = td_ring_peek(ring);
        assert_int_equal(got.size, size);
        for (size_t at = 0; at < size; at++)
            assert_int_equal(got.data[at], i & 0xff);
        td_ring_release(ring);
    }
    td_ring_close(ring);
}

enum { PASSED_RECORDS = 60000 };

static void fill_record(uint8_t *space, size_t size, uint32_t number)
{
    for (size_t at = 0; at < size; at++)
        space[at] = (uint8_t)(number * 31 + at);
}

static void *produce(void *arg)
{
    td_ring *ring = arg;
    td_random sizes;
    td_random_init(&sizes, 42);
    for (uint32_t i = 0; i < PASSED_RECORDS; i++) {
        size_t size = (size_t)td_random_below(&sizes, 600);
        uint8_t *space;
        while ((space = td_ring_reserve(ring, size)) == NULL)
            sched_yield();
        fill_record(space, size, i);
        td_ring_commit(ring, size);
    }
    return NULL;
}

/* Both threads at full speed over a small ring: every record arrives once, complete and in order,
 * and the consumer sleeps whenever it has caught up. */
static void test_two_threads(void **state)
{
    (void)state;
    td_ring *ring = open_ring(8192);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, ring), 0);
    td_random sizes;
    td_random_init(&sizes, 42);
    uint32_t next = 0;
    uint8_t want[600];
    while (next < PASSED_RECORDS) {
        td_bytes got = td_ring_peek(ring);
        if (got.data == NULL)
            td_ring_wait_bytes(ring, 1, NAP_NS);
        for (; got.data != NULL; got = td_ring_peek(ring), next++) {
            size_t size = (size_t)td_random_below(&sizes, 600);
            fill_record(want, size, next);
            assert_int_equal(got.size, size);
            assert_true(size == 0 || memcmp(got.data, want, size) == 0);
            assert_true(td_ring_used_bytes(ring) <= 8192);
            td_ring_release(ring);
        }
    }
    pthread_join(producer, NULL);
    assert_null(td_ring_peek(ring).data);
    td_ring_close(ring);
}

typedef struct slow_pair {
    td_ring *ring;
    _Atomic unsigned consumed;
} slow_pair;

/* Puts one record at a time, after the last one was taken, so the consumer sleeps every time. It
 * may miss a wake-up, but rarely. */
static void *produce_one_by_one(void *arg)
{
    slow_pair *pair = arg;
    for (unsigned i = 0; i < 2000; i++) {
        while (atomic_load(&pair->consumed) != i)
            sched_yield();
        void *space = td_ring_reserve(pair->ring, sizeof i);
        memcpy(space, &i, sizeof i);
        td_ring_commit(pair->ring, sizeof i);
    }
    return NULL;
}

static void test_sleeps_and_wakes(void **state)
{
    (void)state;
    slow_pair pair = {.ring = open_ring(4096)};
    pthread_t producer;
    unsigned missed = 0;
    assert_int_equal(pthread_create(&producer, NULL, produce_one_by_one, &pair), 0);
    for (unsigned i = 0; i < 2000;) {
        td_bytes got = td_ring_peek(pair.ring);
        if (got.data == NULL) {
            uint64_t since_ns = clock_mono_ns(clock_real());
            td_ring_wait_bytes(pair.ring, 1, NAP_NS);
            missed += clock_mono_ns(clock_real()) - since_ns >= NAP_NS;
            continue;
        }
        assert_memory_equal(got.data, &i, sizeof i);
        td_ring_release(pair.ring);
        atomic_store(&pair.consumed, ++i);
    }
    pthread_join(producer, NULL);
    assert_true(missed < 200);
    td_ring_close(pair.ring);
}

static void *produce_small(void *arg)
{
    for (int i = 0; i < 200; i++)
        put(arg, "0123456789abcdef");
    return NULL;
}

/* 200 records of 24 bytes; the consumer is not woken before 3,000 bytes have arrived. */
static void test_wait_for_many(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        td_ring *ring = open_ring(8192);
        pthread_t producer;
        assert_int_equal(pthread_create(&producer, NULL, produce_small, ring), 0);
        while (td_ring_used_bytes(ring) < 3000)
            td_ring_wait_bytes(ring, 3000, NAP_NS);
        pthread_join(producer, NULL);
        assert_int_equal(td_ring_used_bytes(ring), 200 * 24);
        td_ring_wait_bytes(ring, 200 * 24, WAIT_NS); /* already there */
        unsigned count = 0;
        for (; td_ring_peek(ring).data != NULL; td_ring_release(ring))
            count++;
        assert_int_equal(count, 200);
        td_ring_wait_bytes(ring, 1, 1000);
        td_ring_wake(ring);
        td_ring_wait_bytes(ring, 8192, WAIT_NS);
        td_ring_close(ring);
    }
}

static void *wake_once(void *arg)
{
    td_ring_wake(arg);
    return NULL;
}

static void test_wait_ends(void **state)
{
    (void)state;
    td_ring *ring = open_ring(4096);
    td_ring_wait_bytes(ring, 1, 1000); /* by timeout */
    td_ring_wake(ring);
    td_ring_wait_bytes(ring, 1, WAIT_NS); /* by an earlier wake */
    put(ring, "x");
    td_ring_wait_bytes(ring, 1, WAIT_NS); /* by an existing record */
    assert_true(td_bytes_is(td_ring_peek(ring), "x"));
    td_ring_release(ring);
    pthread_t waker;
    assert_int_equal(pthread_create(&waker, NULL, wake_once, ring), 0);
    td_ring_wait_bytes(ring, 1, WAIT_NS); /* by a wake from another thread */
    pthread_join(waker, NULL);
    td_ring_close(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capacity),           cmocka_unit_test(test_order_and_views),
        cmocka_unit_test(test_reservation),        cmocka_unit_test(test_full),
        cmocka_unit_test(test_records_contiguous), cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_sleeps_and_wakes),   cmocka_unit_test(test_wait_ends),
        cmocka_unit_test(test_wait_for_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
