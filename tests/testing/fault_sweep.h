/* Runs many cases of a sweep in child processes, so that a crash or a failed assertion fails only
 * one case, and leaked memory does not accumulate. */
#ifndef TD_TESTS_TESTING_FAULT_SWEEP_H
#define TD_TESTS_TESTING_FAULT_SWEEP_H

#include <stdatomic.h>
#include <stdint.h>

#include "tests/testing/io_fault.h"
#include "tests/testing/fault_check.h"

/* The events that led to a disk that is checked. */
typedef enum fault_way {
    FAULT_CUT_CATALOG_MOMENT, /* power cut; same order as fault_catalog_kind */
    FAULT_CUT_CATALOG_OLDER,
    FAULT_CUT_CATALOG_NONE,
    FAULT_CUT_CATALOG_GARBAGE,
    FAULT_KILLED,
    FAULT_KILLED_THEN_CUT, /* killed, recovered, then a power cut */
    FAULT_RECORDED_ON,     /* killed, recorded by another session, then a power cut */
    FAULT_WAY_COUNT,
} fault_way;

/* Counts of the disks of one fault_way. */
typedef struct fault_tally_way {
    atomic_ullong disks;  /* recovered and compared */
    atomic_ullong frames; /* compared byte for byte */
    atomic_ullong lost;   /* missing frames, none of them durable, all in the ledger */
} fault_tally_way;

/* Counts of faults in one operation. */
typedef struct fault_tally_op {
    atomic_ullong fired;   /* faults that occurred */
    atomic_ullong stopped; /* recordings (or other runs) that ended because of the fault */
} fault_tally_op;

/* Sums over all child processes. */
typedef struct fault_tally {
    atomic_ullong cases;
    atomic_ullong failures;
    fault_tally_way ways[FAULT_WAY_COUNT];
    fault_tally_op ops[IO_FAULT_OP_COUNT];
    atomic_ullong died; /* child processes that died */
} fault_tally;

/* Count a disk that was checked and had an archive. */
void fault_tally_disk(fault_tally *tally, fault_way way, const fault_found *found);

/* Count the result of a run with a failing call: TD_OK, or an error that ended it. Returns 1 if the
 * failing call was made. */
int fault_tally_error(fault_tally *tally, io_fault *disk, td_result rc);

/* The number of faults that occurred, over all operations. */
unsigned long long fault_tally_fired(fault_tally *tally);

enum { FAULT_WORKERS = 2, FAULT_CASE_WHAT_BYTES = 800 };

/* Run one case. Returns 1 on success, else 0 with a description in `what`. In each process the
 * index increases. state: the process's own. */
typedef int fault_case_fn(void *state, uint64_t index, fault_tally *tally,
                          char what[FAULT_CASE_WHAT_BYTES]);

typedef struct fault_sweep {
    const char *name;
    uint64_t count;
    fault_case_fn *run;
    /* Make and free the state of a child process (worker 0, 1, …). */
    void *(*open)(void *user, unsigned worker);
    void (*close)(void *state);
    void *user;
} fault_sweep;

/* The number of cases that fault_sweep_run runs: all with TAPEDECK_LONG or TAPEDECK_SWEEP set, else
 * a fifth. */
uint64_t fault_sweep_cases(const fault_sweep *sweep);

/* Run the sweep; prints failures and a table of what was tried and lost. Returns the number of
 * failures. */
uint64_t fault_sweep_run(const fault_sweep *sweep, fault_tally *out);

#endif
