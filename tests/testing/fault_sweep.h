/* Many cases of a sweep, spread over processes of their own: a case that crashes, or that fails an
 * assertion, is then one case, and memory that one leaves does not add up. */
#ifndef TD_TESTS_TESTING_FAULT_SWEEP_H
#define TD_TESTS_TESTING_FAULT_SWEEP_H

#include <stdatomic.h>
#include <stdint.h>

#include "tests/testing/io_fault.h"
#include "tests/testing/fault_check.h"

/* How a disk came about that is compared with the truth. */
typedef enum fault_way {
    FAULT_CUT_CATALOG_MOMENT, /* power cut; in the order of fault_catalog_kind */
    FAULT_CUT_CATALOG_OLDER,
    FAULT_CUT_CATALOG_NONE,
    FAULT_CUT_CATALOG_GARBAGE,
    FAULT_KILLED,
    FAULT_KILLED_THEN_CUT, /* recovered in between */
    FAULT_RECORDED_ON,     /* killed; another session; power cut */
    FAULT_WAY_COUNT,
} fault_way;

/* Disks that came about in one way. */
typedef struct fault_tally_way {
    atomic_ullong disks;  /* that were recovered and compared with the truth */
    atomic_ullong frames; /* compared byte for byte */
    atomic_ullong lost;   /* frames not there, none of them durable, all of them in the ledger */
} fault_tally_way;

/* Failing calls of one operation. */
typedef struct fault_tally_op {
    atomic_ullong fired;   /* faults that were met */
    atomic_ullong stopped; /* recordings (or other acts) that ended by their fault */
} fault_tally_op;

/* Summed up over the processes. */
typedef struct fault_tally {
    atomic_ullong cases;
    atomic_ullong failures;
    fault_tally_way ways[FAULT_WAY_COUNT];
    fault_tally_op ops[IO_FAULT_OP_COUNT];
    atomic_ullong died; /* processes that ended in the middle */
} fault_tally;

/* Count a disk that was compared, and had an archive. */
void fault_tally_disk(fault_tally *tally, fault_way way, const fault_found *found);

/* Count what a run with a failing call came to: TD_OK, or it stopped. 1 if the call was made. */
int fault_tally_error(fault_tally *tally, io_fault *disk, td_result rc);

/* Faults met, of all operations. */
unsigned long long fault_tally_fired(fault_tally *tally);

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

/* How many of the cases fault_sweep_run runs: all with TAPEDECK_LONG or TAPEDECK_SWEEP, else some.
 */
uint64_t fault_sweep_cases(const fault_sweep *sweep);

/* Run them; prints what failed, and a table of what was tried and what was lost. The tally's
 * failures are the result. */
uint64_t fault_sweep_run(const fault_sweep *sweep, fault_tally *out);

#endif
