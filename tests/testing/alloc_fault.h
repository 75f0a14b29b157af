/* Memory that runs out, for sweeps: make allocation n fail for n = 1, 2, 3 … until a run meets no
 * failure. Linked into every test program in place of base/alloc_raw.c, and quiet until it is told
 * to fail. Its state is the program's, because td_alloc has no context; any thread may allocate. */
#ifndef TD_TESTS_TESTING_ALLOC_FAULT_H
#define TD_TESTS_TESTING_ALLOC_FAULT_H

#include <stdint.h>

typedef enum alloc_fault_mode {
    ALLOC_FAULT_ONCE,     /* that allocation; the next ones work */
    ALLOC_FAULT_FOR_EVER, /* that one and every later one */
} alloc_fault_mode;

/* From now on, let allocation fail_at fail (1: the next one; 0: none). Counting starts over. */
void alloc_fault_set(uint64_t fail_at, alloc_fault_mode mode);

/* 1 if one has failed since alloc_fault_set. */
int alloc_fault_did_fire(void);

/* Allocations since alloc_fault_set. */
uint64_t alloc_fault_count(void);

#endif
