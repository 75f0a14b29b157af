/* A fixed set of threads that run jobs in order of submission, for work that is split by chunk or
 * by channel. The submitter collects results in its own order, so the number of threads affects
 * only speed. */
#ifndef TD_BASE_WORKERS_H
#define TD_BASE_WORKERS_H

#include <stddef.h>

#include "base/err.h"

typedef struct td_workers td_workers;

/* A job, in the caller's memory until it is done. Zero-initialise, set run and arg. */
typedef struct td_job {
    void (*run)(void *arg);
    void *arg;
    struct td_job *next; /* private to the pool */
    int is_done;         /* private to the pool; use td_workers_help */
} td_job;

/* Start thread_count threads, at most LIMIT_THREADS; with 0, td_workers_help runs all jobs.
 * TD_E_IO. */
TD_MUST_USE td_result td_workers_open(unsigned thread_count, td_workers **out, td_err *err);

/* Finish all submitted jobs, then end the threads. NULL is fine. */
void td_workers_close(td_workers *workers);

/* Queue a job, which runs once. */
void td_workers_submit(td_workers *workers, td_job *job);

/* Run queued jobs on the calling thread until this job has run: n threads and one helping thread
 * keep n + 1 cores busy. */
void td_workers_help(td_workers *workers, td_job *job);

/* Run fn for each of count items, on the pool's threads and the calling thread (if workers is NULL,
 * only on the calling thread). Returns the first failure in the order of items; TD_EOF (a stop) is
 * returned only if there is no other failure. */
typedef td_result td_each_fn(void *user, size_t i, td_err *err);
TD_MUST_USE td_result td_workers_each(td_workers *workers, size_t count, td_each_fn *fn, void *user,
                                      td_err *err);

/* Number of threads; 0 for NULL. */
unsigned td_workers_count(const td_workers *workers);

/* Maximum number of threads busy at the same time so far, including a helping one; shows that work
 * is parallel. */
unsigned td_workers_busy_max(td_workers *workers);

/* Cores that this process may use, at least 1. */
unsigned td_core_count(void);

#endif
