/* Many cases of a sweep, spread over processes of their own: a case that crashes, or that fails an
 * assertion, is then one case, and memory that one leaves does not add up. */
#ifndef TD_TESTS_TESTING_FAULT_SWEEP_H
#define TD_TESTS_TESTING_FAULT_SWEEP_H

#include <stdatomic.h>
#include <stdint.h>

/* Summed up over the processes. */
typedef struct fault_tally {
    atomic_ullong cases;
    atomic_ullong disks;   /* that were recovered and compared with the truth */
    atomic_ullong frames;  /* compared byte for byte */
    atomic_ullong lost;    /* frames not there, none of them durable, all of them in the ledger */
    atomic_ullong fired;   /* faults that were met */
    atomic_ullong stopped; /* recordings that ended by their fault */
    atomic_ullong failures;
} fault_tally;

enum { FAULT_WORKERS = 2, FAULT_CASE_WHAT_BYTES = 800 };

/* One case; 1 if all is well, else 0 and what. Called with rising index in each process. state is
 * the process's own. */
typedef int fault_case_fn(void *state, uint64_t index, fault_tally *tally,
                          char what[FAULT_CASE_WHAT_BYTES]);

typedef struct fault_sweep {
    const char *name;
    uint64_t count;
    fault_case_fn *run;
    /* Makes and frees the state of a process (worker 0, 1, …). */
    void *(*open)(void *user, unsigned worker);
    void (*close)(void *state);
    void *user;
} fault_sweep;

/* Run all cases; prints what failed and a line of sums. The tally's failures are the result. */
uint64_t fault_sweep_run(const fault_sweep *sweep, fault_tally *out);

#endif
