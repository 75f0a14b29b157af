#include "tests/testing/fault_sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

/* More than these of a process say nothing new. */
enum { FAILURES_SAID_MAX = 5 };

static void run_worker(const fault_sweep *sweep, unsigned worker, fault_tally *tally)
{
    char what[FAULT_CASE_WHAT_BYTES] = "";
    unsigned said = 0;
    void *state = sweep->open(sweep->user, worker);
    for (uint64_t i = worker; i < sweep->count && said < FAILURES_SAID_MAX; i += FAULT_WORKERS) {
        atomic_fetch_add(&tally->cases, 1);
        if (sweep->run(state, i, tally, what))
            continue;
        atomic_fetch_add(&tally->failures, 1);
        said++;
        (void)printf("%s, case %" PRIu64 ": %s\n", sweep->name, i, what);
    }
    sweep->close(state);
    (void)fflush(stdout);
}

static void say(const char *name, fault_tally *t)
{
    (void)printf("%s: %llu cases, %llu disks, %llu frames compared, %llu not durable and in the "
                 "ledger, %llu faults met, %llu recordings stopped by them, %llu failures\n",
                 name, atomic_load(&t->cases), atomic_load(&t->disks), atomic_load(&t->frames),
                 atomic_load(&t->lost), atomic_load(&t->fired), atomic_load(&t->stopped),
                 atomic_load(&t->failures));
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
