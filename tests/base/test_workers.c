/* The thread pool (also run under TSan). Expected: the contract in base/workers.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "base/workers.h"

typedef struct note_arg {
    int number;
    int *order;
    int *count;
} note_arg;

static void note(void *arg)
{
    note_arg *a = arg;
    a->order[(*a->count)++] = a->number;
}

/* No thread but the helping one: jobs run in the order of submission. */
static void test_jobs_run_in_order(void **state)
{
    (void)state;
    enum { JOBS = 200 };
    td_workers *pool = NULL;
    assert_int_equal(td_workers_open(0, &pool, NULL), TD_OK);
    static td_job jobs[JOBS];
    static note_arg args[JOBS];
    int order[JOBS];
    int count = 0;
    for (int i = 0; i < JOBS; i++) {
        args[i] = (note_arg){.number = i, .order = order, .count = &count};
        jobs[i] = (td_job){.run = note, .arg = &args[i]};
        td_workers_submit(pool, &jobs[i]);
    }
    td_workers_help(pool, &jobs[JOBS - 1]);
    assert_int_equal(count, JOBS);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(td_workers_busy_max(pool), 1);
    td_workers_close(pool);
}

static void meet(void *arg)
{
    pthread_barrier_wait(arg);
}

/* Each job ends only when all four run at once. */
static void test_really_parallel(void **state)
{
    (void)state;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 4);
    td_workers *pool = NULL;
    assert_int_equal(td_workers_open(3, &pool, NULL), TD_OK);
    td_job jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = (td_job){.run = meet, .arg = &barrier};
        td_workers_submit(pool, &jobs[i]);
    }
    for (int i = 3; i >= 0; i--)
        td_workers_help(pool, &jobs[i]);
    assert_int_equal(td_workers_busy_max(pool), 4);
    td_workers_close(pool);
    pthread_barrier_destroy(&barrier);
}

/* One thread and a helping one: two jobs that end only when both run. Afterwards the queue is
 * empty. */
static void test_helping_thread_runs_jobs(void **state)
{
    (void)state;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    td_workers *pool = NULL;
    assert_int_equal(td_workers_open(1, &pool, NULL), TD_OK);
    assert_int_equal(td_workers_count(pool), 1);
    assert_int_equal(td_workers_count(NULL), 0);
    td_job jobs[2];
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 2; i++) {
            jobs[i] = (td_job){.run = meet, .arg = &barrier};
            td_workers_submit(pool, &jobs[i]);
        }
        td_workers_help(pool, &jobs[round % 2]);
        td_workers_help(pool, &jobs[1 - round % 2]);
    }
    assert_int_equal(td_workers_busy_max(pool), 2);
    td_workers_close(pool);
    pthread_barrier_destroy(&barrier);
}

static void count_up(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void test_close_finishes_all(void **state)
{
    (void)state;
    enum { JOBS = 5000 };
    static td_job jobs[JOBS];
    atomic_int count = 0;
    td_workers *pool = NULL;
    assert_int_equal(td_workers_open(3, &pool, NULL), TD_OK);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (td_job){.run = count_up, .arg = &count};
        td_workers_submit(pool, &jobs[i]);
    }
    td_workers_close(pool);
    assert_int_equal(atomic_load(&count), JOBS);
    td_workers_close(NULL);
}

typedef struct chain {
    td_workers *pool;
    td_job second;
    atomic_int count;
} chain;

static void submit_second(void *arg)
{
    chain *c = arg;
    c->second = (td_job){.run = count_up, .arg = &c->count};
    td_workers_submit(c->pool, &c->second);
    atomic_fetch_add(&c->count, 1);
}

static void test_a_job_may_submit_and_be_used_again(void **state)
{
    (void)state;
    chain c = {0};
    assert_int_equal(td_workers_open(2, &c.pool, NULL), TD_OK);
    td_job first = {.run = submit_second, .arg = &c};
    for (int round = 1; round <= 100; round++) {
        td_workers_submit(c.pool, &first);
        td_workers_help(c.pool, &first);
        td_workers_help(c.pool, &c.second);
        assert_int_equal(atomic_load(&c.count), 2 * round);
    }
    td_workers_close(c.pool);
}

static void see_mask(void *arg)
{
    pthread_sigmask(SIG_BLOCK, NULL, arg);
}

/* Signals are left to the main thread. */
static void test_signals_blocked(void **state)
{
    (void)state;
    sigset_t mask;
    sigset_t mine;
    td_workers *pool = NULL;
    assert_int_equal(td_workers_open(1, &pool, NULL), TD_OK);
    td_job job = {.run = see_mask, .arg = &mask};
    td_workers_submit(pool, &job);
    td_workers_close(pool);
    assert_int_equal(sigismember(&mask, SIGINT), 1);
    assert_int_equal(sigismember(&mask, SIGTERM), 1);
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    assert_int_equal(sigismember(&mine, SIGINT), 0);
}

static td_result visit(void *user, size_t i, td_err *err)
{
    atomic_uint *seen = user;
    atomic_fetch_or(seen, 1U << i);
    if (i == 1)
        return TD_EOF;
    return i == 3 || i == 5 ? td_err_set(err, TD_E_INVALID, "item %zu", i) : TD_OK;
}

/* All items run; the first failure other than a stop is returned. */
static void test_each_returns_the_first_failure(void **state)
{
    (void)state;
    td_workers *pools[] = {NULL, NULL};
    assert_int_equal(td_workers_open(3, &pools[1], NULL), TD_OK);
    for (size_t i = 0; i < 2; i++) {
        td_err err;
        atomic_uint seen = 0;
        assert_int_equal(td_workers_each(pools[i], 8, visit, &seen, &err), TD_E_INVALID);
        assert_string_equal(err.text, "item 3");
        assert_int_equal(seen, 255);
        assert_int_equal(td_workers_each(pools[i], 3, visit, &seen, &err), TD_EOF);
        assert_int_equal(td_workers_each(pools[i], 0, visit, &seen, &err), TD_OK);
    }
    td_workers_close(pools[1]);
}

static void test_cores(void **state)
{
    (void)state;
    assert_true(td_core_count() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_run_in_order),
        cmocka_unit_test(test_really_parallel),
        cmocka_unit_test(test_helping_thread_runs_jobs),
        cmocka_unit_test(test_close_finishes_all),
        cmocka_unit_test(test_a_job_may_submit_and_be_used_again),
        cmocka_unit_test(test_signals_blocked),
        cmocka_unit_test(test_each_returns_the_first_failure),
        cmocka_unit_test(test_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
