#include "base/workers.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

/* The mutex guards all members below it. A job takes about a millisecond, so contention is low. */
struct td_workers {
    pthread_t threads[LIMIT_THREADS];
    unsigned thread_count;

    pthread_mutex_t mutex;
    pthread_cond_t has_work; /* a job was submitted, or the pool closes */
    pthread_cond_t has_done; /* a job has run */
    td_job *first;
    td_job *last;
    unsigned busy_count;
    unsigned busy_max;
    int is_closing;
};

/* Run the first job with the mutex released. */
static void run_first(td_workers *pool)
{
    td_job *job = pool->first;
    TD_ASSERT(job != NULL);
    pool->first = job->next;
    if (pool->first == NULL)
        pool->last = NULL;
    job->next = NULL;
    pool->busy_count++;
    TD_ASSERT(pool->busy_count <= pool->thread_count + 1);
    if (pool->busy_count > pool->busy_max)
        pool->busy_max = pool->busy_count;
    pthread_mutex_unlock(&pool->mutex);
    job->run(job->arg);
    pthread_mutex_lock(&pool->mutex);
    TD_ASSERT(pool->busy_count > 0);
    pool->busy_count--;
    job->is_done = 1; /* the submitter may free the job from here on */
    pthread_cond_broadcast(&pool->has_done);
}

static void *worker_main(void *arg)
{
    td_workers *pool = arg;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (pool->first == NULL && !pool->is_closing)
            pthread_cond_wait(&pool->has_work, &pool->mutex);
        if (pool->first == NULL)
            break;
        run_first(pool);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

static int start_threads(td_workers *pool, unsigned count)
{
    /* Only the main thread handles signals: workers block them. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = 0;
    /* Under the mutex, because workers read thread_count. */
    pthread_mutex_lock(&pool->mutex);
    while (rc == 0 && pool->thread_count < count) {
        rc = pthread_create(&pool->threads[pool->thread_count], NULL, worker_main, pool);
        if (rc == 0)
            pool->thread_count++;
    }
    pthread_mutex_unlock(&pool->mutex);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

td_result td_workers_open(unsigned thread_count, td_workers **out, td_err *err)
{
    *out = NULL;
    TD_ASSERT(thread_count <= LIMIT_THREADS);
    td_workers *pool = td_alloc_zero(1, sizeof *pool);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->has_work, NULL);
    pthread_cond_init(&pool->has_done, NULL);
    int rc = start_threads(pool, thread_count);
    if (rc != 0) {
        unsigned started = pool->thread_count;
        td_workers_close(pool);
        return td_err_set_os(err, rc, "cannot start thread %u of %u", started + 1, thread_count);
    }
    *out = pool;
    return TD_OK;
}

void td_workers_close(td_workers *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->is_closing = 1;
    pthread_cond_broadcast(&pool->has_work);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    TD_ASSERT(pool->first == NULL);
    TD_ASSERT(pool->busy_count == 0);
    pthread_cond_destroy(&pool->has_done);
    pthread_cond_destroy(&pool->has_work);
    pthread_mutex_destroy(&pool->mutex);
    td_free(pool);
}

void td_workers_submit(td_workers *pool, td_job *job)
{
    TD_ASSERT(job->run != NULL);
    pthread_mutex_lock(&pool->mutex);
    TD_ASSERT(!pool->is_closing);
    job->next = NULL;
    job->is_done = 0;
    TD_ASSERT((pool->first == NULL) == (pool->last == NULL));
    if (pool->last == NULL)
        pool->first = job;
    else
        pool->last->next = job;
    pool->last = job;
    pthread_cond_signal(&pool->has_work);
    pthread_mutex_unlock(&pool->mutex);
}

void td_workers_help(td_workers *pool, td_job *job)
{
    pthread_mutex_lock(&pool->mutex);
    while (!job->is_done) {
        if (pool->first != NULL)
            run_first(pool);
        else
            pthread_cond_wait(&pool->has_done, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
}

typedef struct each_item {
    td_job job;
    td_each_fn *fn;
    void *user;
    size_t i;
    td_result rc;
    td_err err;
} each_item;

static void run_item(void *arg)
{
    each_item *item = arg;
    item->rc = item->fn(item->user, item->i, &item->err);
}

td_result td_workers_each(td_workers *workers, size_t count, td_each_fn *fn, void *user,
                          td_err *err)
{
    each_item *items = td_alloc_zero(count + 1, sizeof *items);
    td_result rc = TD_OK;
    for (size_t i = 0; i < count; i++) {
        each_item *item = &items[i];
        *item = (each_item){.job = {.run = run_item, .arg = item}, .fn = fn, .user = user, .i = i};
        if (workers == NULL)
            run_item(item);
        else
            td_workers_submit(workers, &item->job);
    }
    for (size_t i = 0; i < count; i++) {
        if (workers != NULL)
            td_workers_help(workers, &items[i].job);
        if (items[i].rc != TD_OK && (rc == TD_OK || rc == TD_EOF))
            rc = td_err_pass(err, items[i].rc, &items[i].err);
    }
    td_free(items);
    return rc;
}

unsigned td_workers_count(const td_workers *pool)
{
    return pool == NULL ? 0 : pool->thread_count;
}

unsigned td_workers_busy_max(td_workers *pool)
{
    pthread_mutex_lock(&pool->mutex);
    unsigned busy_max = pool->busy_max;
    pthread_mutex_unlock(&pool->mutex);
    return busy_max;
}

unsigned td_core_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    /* The machine has more cores than cpu_set_t has bits. */
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : (unsigned)online;
}
