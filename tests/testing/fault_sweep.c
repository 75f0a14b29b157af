#include "tests/testing/fault_sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "tests/testing/long_test.h"

/* Failures printed per process; more give no new information. */
enum { FAILURES_SAID_MAX = 5 };

/* The distance between cases that are run. It is odd, because cases alternate between kinds. */
static uint64_t case_step(void)
{
    return long_tests_are_on() || getenv("TAPEDECK_SWEEP") != NULL ? 1 : 5;
}

uint64_t fault_sweep_cases(const fault_sweep *sweep)
{
    return (sweep->count + case_step() - 1) / case_step();
}

static void run_worker(const fault_sweep *sweep, unsigned worker, fault_tally *tally)
{
    char what[FAULT_CASE_WHAT_BYTES] = "";
    unsigned said = 0;
    void *state = sweep->open(sweep->user, worker);
    uint64_t step = case_step();
    for (uint64_t i = worker * step; i < sweep->count && said < FAILURES_SAID_MAX;
         i += FAULT_WORKERS * step) {
        atomic_fetch_add(&tally->cases, 1);
        if (sweep->run(state, i, tally, what))
            continue;
        atomic_fetch_add(&tally->failures, 1);
        said++;
        (void)printf("%s, case %" PRIu64 ": %s\n", sweep->name, i, what);
        (void)fflush(stdout); /* a sweep may take long, so results appear at once */
    }
    sweep->close(state);
    (void)fflush(stdout);
}

/* ---- the table ---- */

static const char *const WAY_NAMES[FAULT_WAY_COUNT] = {"power cut, the catalog of the moment",
                                                       "power cut, an older catalog",
                                                       "power cut, no catalog",
                                                       "power cut, garbage for a catalog",
                                                       "killed",
                                                       "killed, recovered, power cut",
                                                       "killed, recorded on, power cut"};

void fault_tally_disk(fault_tally *tally, fault_way way, const fault_found *found)
{
    TD_ASSERT(way < FAULT_WAY_COUNT);
    fault_tally_way *row = &tally->ways[way];
    atomic_fetch_add(&row->disks, 1);
    atomic_fetch_add(&row->lost, found->lost);
    for (size_t i = 0; i < FAULT_FEEDS; i++)
        atomic_fetch_add(&row->frames, found->frames[i]);
}

int fault_tally_error(fault_tally *tally, io_fault *disk, td_result rc)
{
    if (!io_fault_did_fire(disk))
        return 0;
    fault_tally_op *row = &tally->ops[io_fault_fired_op(disk)];
    atomic_fetch_add(&row->fired, 1);
    atomic_fetch_add(&row->stopped, rc != TD_OK);
    return 1;
}

unsigned long long fault_tally_fired(fault_tally *tally)
{
    unsigned long long count = 0;
    for (size_t i = 0; i < IO_FAULT_OP_COUNT; i++)
        count += atomic_load(&tally->ops[i].fired);
    return count;
}

static void print_ops(fault_tally *t)
{
    if (fault_tally_fired(t) == 0)
        return;
    (void)printf("  %-38s %10s %12s %12s\n", "failing call", "faults met", "went on", "stopped");
    for (unsigned i = 0; i < IO_FAULT_OP_COUNT; i++) {
        unsigned long long fired = atomic_load(&t->ops[i].fired);
        unsigned long long stopped = atomic_load(&t->ops[i].stopped);
        if (fired > 0)
            (void)printf("  %-38s %10llu %12llu %12llu\n", io_fault_op_name((io_fault_op)i), fired,
                         fired - stopped, stopped);
    }
}

/* Prints a tally. "In the ledger" counts frames that are missing, were not durable, and lie in a
 * gap. A missing durable frame is a failure instead. */
static void say(const char *name, fault_tally *t)
{
    (void)printf("%s: %llu cases, %llu failures\n", name, atomic_load(&t->cases),
                 atomic_load(&t->failures));
    print_ops(t);
    if (atomic_load(&t->died) > 0)
        (void)printf("  %-38s %10llu\n", "died at a call", atomic_load(&t->died));
    (void)printf("  %-38s %10s %12s %12s\n", "then", "disks", "frames same", "in the ledger");
    for (unsigned i = 0; i < FAULT_WAY_COUNT; i++) {
        fault_tally_way *row = &t->ways[i];
        if (atomic_load(&row->disks) > 0)
            (void)printf("  %-38s %10llu %12llu %12llu\n", WAY_NAMES[i], atomic_load(&row->disks),
                         atomic_load(&row->frames), atomic_load(&row->lost));
    }
    (void)fflush(stdout);
}

uint64_t fault_sweep_run(const fault_sweep *sweep, fault_tally *out)
{
    fault_tally *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    TD_ASSERT(shared != MAP_FAILED);
    pid_t workers[FAULT_WORKERS];
    (void)fflush(stdout);
    for (unsigned i = 0; i < FAULT_WORKERS; i++) {
        workers[i] = fork();
        TD_ASSERT(workers[i] >= 0);
        if (workers[i] == 0) {
            run_worker(sweep, i, shared);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < FAULT_WORKERS; i++) {
        int status = 0;
        pid_t ended = waitpid(workers[i], &status, 0);
        if (ended != workers[i] || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            (void)printf("%s: worker %u ended with %#x\n", sweep->name, i, (unsigned)status);
            atomic_fetch_add(&shared->failures, 1);
        }
    }
    say(sweep->name, shared);
    memcpy(out, shared, sizeof *out);
    uint64_t failures = atomic_load(&shared->failures);
    (void)munmap(shared, sizeof *shared);
    return failures;
}
