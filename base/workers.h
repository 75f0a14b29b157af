/* A fixed set of threads that take jobs in order of submission, for work that is split by chunk
 * or by channel. The submitter collects results in its own order, so the number of threads
 * changes only speed. */
#ifndef TD_BASE_WORKERS_H
#define TD_BASE_WORKERS_H

#include <stddef.h>

#include "base/err.h"

typedef struct td_workers td_workers;

/* One piece of work, in caller's memory until it is done. Zero-initialise, set run and arg. */
typedef struct td_job {
    void (*run)(void *arg);
    void *arg;
    struct td_job *next; /* the pool's own */
    int is_done;         /* the pool's own; ask td_workers_help */
} td_job;

/* Start thread_count threads, at most LIMIT_THREADS; with none, those that help do all. TD_E_IO. */
TD_MUST_USE td_result td_workers_open(unsigned thread_count, td_workers **out, td_err *err);

/* Finish all submitted jobs, then end the threads. NULL is fine. */
void td_workers_close(td_workers *workers);

/* Queue a job; it runs once, on one of the threads. */
void td_workers_submit(td_workers *workers, td_job *job);

/* Run queued jobs on the calling thread until this one has run: n threads and one that helps keep
 * n + 1 cores busy, and no more. */
void td_workers_help(td_workers *workers, td_job *job);

/* Run fn for each of count items, on the threads and the calling one (NULL: on that alone). The
 * first failure in the order of the items; TD_EOF, a stop, only if there is no other. */
typedef td_result td_each_fn(void *user, size_t i, td_err *err);
TD_MUST_USE td_result td_workers_each(td_workers *workers, size_t count, td_each_fn *fn, void *user,
                                      td_err *err);

/* Number of threads; 0 of NULL. */
unsigned td_workers_count(const td_workers *workers);

/* Most threads that were busy at the same time so far, one that helps included; shows that work is
 * parallel. */
unsigned td_workers_busy_max(td_workers *workers);

/* Cores that this process may use, at least 1. */
unsigned td_core_count(void);

#endif
